#!/usr/bin/python3
"""lazo finds its relay by DNS: SRV of both kinds, dead targets, dead families, no service, no such host, no answer.

Runs in a network and mount namespace of its own, where a real unbound answers on 127.0.0.1:53 and /etc/resolv.conf
names it. RFC 6120 3.2.1, RFC 2782, XEP-0368 3, RFC 8305.
"""
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

INSIDE = "LAZO_TEST_NAMESPACE"
if INSIDE not in os.environ:
    if subprocess.run(["unshare", "--net", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("SKIPPED: no right to make namespaces\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv], os.environ | {INSIDE: "1"})

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *

EX_NOHOST, EX_UNAVAILABLE, EX_TEMPFAIL = 67, 69, 75


class Names:
    """unbound with these records and nothing else."""

    def __init__(self):
        self.process = None
        self.folder = scratch()

    def serve(self, *records):
        self.stop()
        lines = ["server:", '  username: ""', '  chroot: ""', '  pidfile: ""', "  do-daemonize: no", "  use-syslog: no",
                 "  interface: 127.0.0.1", '  module-config: "iterator"', f'  directory: "{self.folder}"',
                 '  local-zone: "." static', '  logfile: ""']
        lines += [f"  local-data: '{record}'" for record in records]
        conf = self.folder / "unbound.conf"
        conf.write_text("\n".join(lines + ["remote-control:", "  control-enable: no", ""]))
        self.process = subprocess.Popen(["unbound", "-d", "-c", str(conf)], stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder / "unbound.log", "ab"))
        for _ in range(100):
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
                if s.connect_ex(("127.0.0.1", 53)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("unbound does not answer: " + (self.folder / "unbound.log").read_text()[-500:])

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.process = None


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def setup():
    global relay, names, dead
    ip("link", "set", "lo", "up")
    ip("link", "add", "nowhere", "type", "veth", "peer", "name", "void")  # what goes in at nowhere is lost in void
    ip("link", "set", "nowhere", "up")
    ip("link", "set", "void", "up")
    ip("addr", "add", "2001:db8::2/64", "dev", "nowhere", "nodad")
    ip("addr", "add", "192.0.2.2/24", "dev", "nowhere")
    for hole in ("192.0.2.1", "2001:db8::1"):
        ip("neigh", "add", hole, "lladdr", "02:00:00:00:00:99", "dev", "nowhere")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    resolv = scratch() / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", str(resolv), os.path.realpath("/etc/resolv.conf")], check=True)
    relay = Relay()
    names = Names()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        dead = s.getsockname()[1]


def starttls(priority, port, target=None):
    return f"_xmpp-client._tcp.{relay.host}. 60 IN SRV {priority} 5 {port} {target or 'relay.' + relay.host + '.'}"


def direct(priority, port, target=None):
    return f"_xmpps-client._tcp.{relay.host}. 60 IN SRV {priority} 5 {port} {target or 'relay.' + relay.host + '.'}"


def a(name="relay.", address="127.0.0.1"):
    return f"{name}{relay.host}. 60 IN A {address}"


def log_in(status=0, fastest=0.0, slowest=10.0):
    """A new home finds the relay by its address alone; what it said."""
    home = Home(relay, relay.user())
    home.server = None
    begin = time.monotonic()
    done = home.login(status=status, timeout=60)
    took = time.monotonic() - begin
    check(fastest <= took <= slowest, f"took {took:.1f} s")
    return done.stdout + done.stderr


def test_direct_tls_before_starttls_by_priority():
    names.serve(direct(1, relay.tls_port), starttls(5, dead), a())
    log_in()
    names.serve(direct(5, dead), starttls(1, relay.port), a())
    log_in()


def test_next_target_when_the_first_is_dead():
    names.serve(direct(1, dead), starttls(5, relay.port), a())
    log_in()
    names.serve(starttls(1, relay.port, f"gone.{relay.host}."), starttls(2, relay.port), a())  # a target without address
    log_in()


def test_black_hole_of_one_family():
    names.serve(starttls(1, relay.port), a(), f"relay.{relay.host}. 60 IN AAAA 2001:db8::1")
    log_in(slowest=4.0)


def test_black_hole_of_the_first_target():
    names.serve(starttls(1, relay.port, f"hole.{relay.host}."), starttls(2, relay.port), a(), a("hole.", "192.0.2.1"))
    log_in(slowest=15.0)


def test_no_srv_means_the_domain_itself():
    names.serve(a(""))
    gate = socket.create_server(("127.0.0.1", 5222))

    def forward():
        try:
            while True:
                one, two = gate.accept()[0], socket.create_connection(("127.0.0.1", relay.port))
                for x, y in ((one, two), (two, one)):
                    threading.Thread(target=lambda x=x, y=y: pipe(x, y), daemon=True).start()
        except OSError:
            pass

    def pipe(x, y):
        try:
            while data := x.recv(65536):
                y.sendall(data)
            y.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=forward, daemon=True).start()
    log_in()
    gate.close()


def test_service_that_is_said_not_to_be_there():
    names.serve(direct(0, 0, "."), starttls(0, 0, "."), a(""))
    check("lazo:" in log_in(status=(EX_UNAVAILABLE, EX_NOHOST)), "said")


def test_name_that_is_not_ascii():
    """DNS and the certificate know its A-form, XMPP itself the U-form (RFC 6120 4.7.2, 13.7.1.2)."""
    there = Relay(host="ñandú.example")
    home = Home(there, there.user("ana"))
    home.server = None
    form = "xn--and-6ma2c.example"
    names.serve(f"_xmpp-client._tcp.{form}. 60 IN SRV 1 5 {there.port} relay.{form}.", f"relay.{form}. 60 IN A 127.0.0.1")
    home.login()
    equal([a["account"] for a in home.json("account")], ["ana@ñandú.example"])
    home.login("--server", f"relay.ÑANDÚ.example:{there.port}")
    home.send("ana@ñandú.example", "a mí", status=(0, EX_TEMPFAIL))
    there.crt, there.key = there.authority.issue("otro.example")  # the control: another name is refused
    there.stop()
    there.start()
    names.serve(f"_xmpp-client._tcp.{form}. 60 IN SRV 1 5 {there.port} relay.{form}.", f"relay.{form}. 60 IN A 127.0.0.1")
    home.server = None
    refused = Home(there, "ana@ñandú.example")
    refused.server = None
    check("another host" in refused.login(status=76).stderr, "the name is compared")
    there.stop()


def test_no_such_host():
    names.serve("other.example. 60 IN A 127.0.0.1")
    said = log_in(status=(EX_NOHOST, EX_UNAVAILABLE, EX_TEMPFAIL))
    check(relay.host in said, said)


def test_no_answer_from_dns():
    names.stop()
    log_in(status=EX_TEMPFAIL, slowest=45.0)


if __name__ == "__main__":
    main()
