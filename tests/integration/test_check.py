#!/usr/bin/python3
"""lazoctl check: every fault that it can find is made, and found; and what is right is called right. DNS by a real unbound."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

from lazo_test import *


class Names:
    """unbound on a port of its own, with these records and nothing else."""

    def __init__(self, *records):
        self.port = free_port()
        folder = scratch() / f"names{self.port}"
        folder.mkdir()
        lines = ["server:", '  username: ""', '  chroot: ""', '  pidfile: ""', "  do-daemonize: no", "  use-syslog: no",
                 f"  interface: 127.0.0.1@{self.port}", '  module-config: "iterator"', f'  directory: "{folder}"',
                 '  local-zone: "." static', '  logfile: ""']
        lines += [f"  local-data: '{record}'" for record in records]
        (folder / "unbound.conf").write_text("\n".join(lines + ["remote-control:", "  control-enable: no", ""]))
        self.process = background(["unbound", "-d", "-c", folder / "unbound.conf"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        eventually(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, 10, "unbound answers")


def setup():
    global relay, names
    if not shutil.which("unbound"):
        skip("needs unbound")
    names = Names(f"_xmpp-client._tcp.{HOST}. 60 IN SRV 5 1 5222 {HOST}.", f"_xmpps-client._tcp.{HOST}. 60 IN SRV 5 1 443 xmpp.{HOST}.",
                  f"{HOST}. 60 IN A 192.0.2.7", f"{HOST}. 60 IN AAAA 2001:db8::7")
    relay = Relay(resolver=[f"127.0.0.1:{names.port}"])


def findings(one=None, status=0):
    """-> {about: [(level, text)]}, and the records."""
    lines, found = (one or relay).ctl_json("check", status=status), {}
    for line in lines:
        found.setdefault(line["about"], []).append((line["level"], line["text"]))
    equal([line for line in lines if line["level"] not in ("ok", "warning", "error")], [])
    equal([line for line in lines if line["level"] != "ok" and not re.search(r"; \S+ \S+", line["text"])], [], "what to do is said")
    return found, lines[-1]["records"]


def said(found, about, level, word):
    check(any(lv == level and word in text for lv, text in found.get(about, [])), f"{about} {level} {word}: {found.get(about)}")


def with_conf(status, *changes, running=False, **conf):
    """What is found with another configuration, the relay stopped."""
    other = Relay(authority=relay.authority, start=running, resolver=[f"127.0.0.1:{names.port}"], **conf)
    if not running:
        other.write_conf()
        other.data.mkdir(mode=0o700, exist_ok=True)
    text = other.file.read_text()
    for old, new in changes:
        check(old in text, old)
        text = text.replace(old, new)
    other.file.write_text(text)
    return findings(other, status)


def test_all_is_well():
    relay.file.write_text(relay.file.read_text() + f'trust = ["{relay.authority.crt}"];\n')
    found, _ = findings()
    said(found, "relay", "ok", "runs")
    for word in ("belong together", f"is for {HOST}", "valid for 36", "chain is whole"):
        said(found, "certificate", "ok", word)
    said(found, "ports", "ok", "any port")
    said(found, "permissions", "ok", "closed to others")
    said(found, "permissions", "ok", "by the relay alone")
    said(found, "disk", "ok", "MiB free")
    check(not [t for lv, t in sum(found.values(), []) if lv == "error"])


def test_stopped_and_running():
    free = free_port()
    found, _ = with_conf(0, ('client = ["127.0.0.1:0"]', f'client = ["127.0.0.1:{free}"]'))
    said(found, "relay", "ok", "does not run")
    said(found, "ports", "ok", f"127.0.0.1:{free} is free")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found, _ = with_conf(78, ('client = ["127.0.0.1:0"]', f'client = ["127.0.0.1:{port}"]'))
        said(found, "ports", "error", "in use")
    # Running, and one of its ports does not answer (the file was changed since).
    found, _ = with_conf(78, ('client = ["127.0.0.1:0"]', f'client = ["127.0.0.1:{free_port()}"]'), running=True)
    said(found, "ports", "error", "does not answer")


def test_certificates():
    ca = relay.authority
    crt, key = ca.issue("elsewhere.example")
    for what, changes, status, level, word in (
            ("another name", [("CRT", crt), ("KEY", key)], 78, "error", "is not for"),
            ("another key", [("KEY", key)], 78, "error", "key"),
            ("no certificate", [("CRT", "/nonexistent")], 78, "error", "/nonexistent"),
            ("soon over", [("CRT", "soon")], 0, "warning", "valid for"),
            ("over", [("CRT", "over")], 78, "error", "expired"),
            ("unknown authority", [], 0, "warning", "not every client")):
        other = Relay(authority=ca, start=False, resolver=[f"127.0.0.1:{names.port}"])
        for kind, path in changes:
            if path in ("soon", "over"):
                other.crt, other.key = ca.issue(HOST, days=5 if path == "soon" else -1)
            elif kind == "CRT":
                other.crt = path
            else:
                other.key = path
        other.write_conf()
        found, _ = findings(other, status)
        said(found, "certificate", level, word)


def test_permissions_and_disk():
    other = Relay(authority=relay.authority, resolver=[f"127.0.0.1:{names.port}"])
    other.data.chmod(0o755)
    found, _ = findings(other, 78)
    said(found, "permissions", "error", "chmod 700")
    other.data.chmod(0o700)
    other.key.chmod(0o644)
    found, _ = findings(other, 78)
    said(found, "permissions", "error", "anyone may read it")
    other.key.chmod(0o600)
    future = time.time() + 100000
    os.utime(other.data / "lazo.db", (future, future))
    found, _ = findings(other)
    said(found, "clock", "warning", "set back")
    if os.geteuid() == 0:
        shutil.chown(other.data, "nobody")
        found, _ = findings(other, 78)
        said(found, "permissions", "error", "cannot read it")
        said(found, "permissions", "error", "belongs to another user")
        shutil.chown(other.data, "root")
    other.stop()
    shutil.rmtree(other.data)
    found, _ = findings(other)
    said(found, "permissions", "warning", "makes it when it starts")


def test_dns():
    listen = ('client = ["127.0.0.1:0"]; client_tls = ["127.0.0.1:0"]; server = []; server_tls = [];',
              'client = ["127.0.0.1:5222"]; client_tls = ["127.0.0.1:5223"]; server = ["127.0.0.1:5269"]; server_tls = [];')
    found, records = with_conf(None, listen)
    said(found, "dns", "ok", f"_xmpp-client._tcp.{HOST} leads to {HOST}:5222")
    said(found, "dns", "warning", f"leads to xmpp.{HOST}:443, and the relay listens on 5223")
    said(found, "dns", "warning", f"_xmpp-server._tcp.{HOST}: no record")
    said(found, "dns", "ok", "_xmpps-server")
    said(found, "dns", "ok", "is at 192.0.2.7, by IPv6 too")
    equal(records[:3], [f"_xmpp-client._tcp.{HOST}. 3600 IN SRV 5 1 5222 {HOST}.", f"_xmpps-client._tcp.{HOST}. 3600 IN SRV 5 1 5223 {HOST}.",
                        f"_xmpp-server._tcp.{HOST}. 3600 IN SRV 5 1 5269 {HOST}."])
    # What it prints is a zone: unbound serves these records, and then all is right.
    good = Names(*records[:3], f"{HOST}. 60 IN A 192.0.2.7")
    other = Relay(authority=relay.authority, start=False, resolver=[f"127.0.0.1:{good.port}"])
    other.write_conf()
    other.file.write_text(other.file.read_text().replace(*listen))
    found, again = findings(other, None)
    equal([text for level, text in found["dns"] if level != "ok"], [])
    equal(again, records)
    text = other.ctl("check", status=None)
    for record in records:
        check(f"\n{record}\n" in text, "a line of its own, to be copied")


def test_dns_that_says_odd_things():
    odd = Names(f"_xmpp-client._tcp.{HOST}. 60 IN SRV 0 0 0 .", f"_xmpps-client._tcp.{HOST}. 60 IN TXT \"x\"",
                *(f"_xmpp-server._tcp.{HOST}. 60 IN SRV 5 1 {5000 + i} h{i}.{HOST}." for i in range(40)))
    other = Relay(authority=relay.authority, start=False, resolver=[f"127.0.0.1:{odd.port}"])
    other.write_conf()
    found, _ = findings(other)
    said(found, "dns", "warning", "has no address")
    said(found, "dns", "ok", "_xmpp-client")
    # Nobody answers: said within some seconds, and no error.
    dead = Relay(authority=relay.authority, start=False, resolver=[f"127.0.0.1:{free_port()}"])
    dead.write_conf()
    start = time.monotonic()
    found, _ = findings(dead)
    check(time.monotonic() - start < 15, "it does not wait for ever")
    said(found, "dns", "warning", "no answer")


def test_no_network_at_all():
    """In a network of its own with not even a loopback: all is looked at, and it takes seconds."""
    if subprocess.run(["unshare", "-n", "true"], check=False).returncode != 0:
        skip("needs a network namespace")
    other = Relay(authority=relay.authority, start=False)
    other.write_conf()
    other.data.mkdir(mode=0o700)
    other.file.write_text(other.file.read_text().replace('client = ["127.0.0.1:0"]', 'client = ["*:5222"]'))
    start = time.monotonic()
    done = subprocess.run(["unshare", "-n", BUILD / "relay" / "lazoctl", "-c", other.file, "check", "--json"], capture_output=True,
                          text=True, timeout=60, check=False)
    spent = time.monotonic() - start
    equal(done.stderr, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    check(spent < 15, f"{spent:.1f} s")
    equal([line for line in lines if line["level"] == "error"], [], "no network is no fault of the relay")
    dns = [line["text"] for line in lines if line["about"] == "dns"]
    check(dns and all("told the address by hand" in text for text in dns if "none is needed" not in text), f"{dns}")
    equal({line["about"] for line in lines} >= {"configuration", "relay", "certificate", "ports", "disk", "permissions", "clock", "dns",
                                                "records"}, True, "everything is looked at")
    equal(done.returncode, 0)


def test_a_port_that_swallows():
    """Nobody says no: a full queue of a listener drops what comes, as a firewall does. It is told, within seconds."""
    with socket.socket() as deaf, contextlib.ExitStack() as held:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        for _ in range(4):
            sock = held.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        start = time.monotonic()
        found, _ = with_conf(78, ('client = ["127.0.0.1:0"]', f'client = ["127.0.0.1:{port}"]'), running=True)
        spent = time.monotonic() - start
    said(found, "ports", "error", "does not answer: Connection timed out; restart lazod")
    check(2.5 < spent < 30, f"{spent:.1f} s: it waits three seconds for a port")


def test_text_and_json_say_the_same():
    text, lines = relay.ctl("check"), relay.ctl_json("check")
    for line in lines:
        if line["about"] != "records" and "ms" not in line["text"] and "MiB" not in line["text"]:
            check(re.search(rf"^{line['level']}\t{line['about']}\t{re.escape(line['text'])}$", text, re.M), f"{line} in {text}")


main()
