#!/usr/bin/python3
"""What networks do to a relay (attacks 2.8): a peer that is gone without a word, IPv6 alone, DNS that is dead.

Runs in a network namespace of its own. The silent end is a real one: the client's address moves from the loopback to a link whose other
end nobody reads, so that nothing that the relay sends comes back, not even a refusal.
"""
import os
import subprocess
import sys
import time

INSIDE = "LAZO_TEST_NAMESPACE"
if INSIDE not in os.environ:
    if subprocess.run(["unshare", "--net", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("SKIPPED: no right to make namespaces\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv], os.environ | {INSIDE: "1"})

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import socket

from lazo_home import *
from lazo_test import *
from xmpp_raw import *

AWAY = "192.0.2.9"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def setup():
    global relay
    ip("link", "set", "lo", "up")
    ip("addr", "add", f"{AWAY}/32", "dev", "lo")
    ip("link", "add", "nowhere", "type", "veth", "peer", "name", "void")
    ip("link", "set", "nowhere", "up")
    ip("link", "set", "void", "up")
    ip("addr", "add", "192.0.2.1/24", "dev", "nowhere")
    ip("neigh", "add", AWAY, "lladdr", "02:00:00:00:00:99", "dev", "nowhere")
    relay = Relay()


def from_away(jid):
    """A session from the address that will go."""
    real = socket.create_connection
    try:
        socket.create_connection = lambda where, timeout: real(where, timeout, (AWAY, 0))
        return login(relay, jid)
    finally:
        socket.create_connection = real


def test_gone_without_a_word():
    """A phone in a tunnel: half-open, and the relay cannot know it. What is for it is not lost, others wait for nothing; in the long
    run the connection is given up after three minutes without an answer."""
    jid = relay.user()
    phone, sender = from_away(jid), login(relay, relay.user())
    sender.send(f"<message to='{jid}' type='chat'><body>antes</body></message>")
    phone.message(body="antes")
    phone.barrier()
    ip("addr", "del", f"{AWAY}/32", "dev", "lo")
    try:
        connected, start = relay.fds(), time.monotonic()
        slowest = 0
        for i in range(50):
            begin = time.monotonic()
            sender.send(f"<message to='{jid}' type='chat' id='m{i}'><body>durante {i}</body></message>")
            sender.barrier()
            slowest = max(slowest, time.monotonic() - begin)
        check(slowest < 5, f"{slowest:.1f} s: the sender waits for nobody")
        laptop = login(relay, jid)
        got = [text_of(m, CLIENT + "body") for m in laptop.drain(2, 50) if (m.get("id") or "").startswith("m")]
        equal(list(dict.fromkeys(got)), [f"durante {i}" for i in range(50)], "another device has them all")
        equal(relay.fds(), connected + 1, "control: the silent one is still held")
        if LONG:
            eventually(lambda: relay.fds() == connected, 240, "the silent connection is given up")
            print(f"  given up after {time.monotonic() - start:.0f} s")
        laptop.close()
    finally:
        ip("addr", "add", f"{AWAY}/32", "dev", "lo")
    sender.close()
    phone.drop()


def test_half_a_handshake_without_a_word():
    """Gone in the middle of TLS: the phase's deadline ends it, though nothing that is sent arrives."""
    real = socket.create_connection(("127.0.0.1", relay.port), 10, (AWAY, 0))
    real.sendall(f"<stream:stream xmlns='jabber:client' to='{HOST}' version='1.0' xmlns:stream='http://etherx.jabber.org/streams'>".encode())
    check(real.recv(100), "the relay speaks")
    held = relay.fds()
    ip("addr", "del", f"{AWAY}/32", "dev", "lo")
    try:
        eventually(lambda: relay.fds() == held - 1, 30, "let go of")
    finally:
        ip("addr", "add", f"{AWAY}/32", "dev", "lo")
    real.close()


def test_ipv6_alone():
    """No IPv4 at all: the relay begins, is found by its clients, and counts them by their network."""
    ip("-4", "addr", "del", "127.0.0.1/8", "dev", "lo")
    try:
        other = Relay(authority=relay.authority, start=False, limits={"connections_ip": 5})
        other.write_conf()
        text = other.file.read_text()
        other.file.write_text(text.replace('client = ["127.0.0.1:0"]', 'client = ["*:0"]').replace('client_tls = ["127.0.0.1:0"]',
                                                                                               'client_tls = ["[::1]:0"]'))
        other.write_conf = lambda: None
        other.start()
        homes = []
        for _ in range(2):
            homes.append(Home(other, other.user(), server=f"[::1]:{other.port}"))
            homes[-1].login()
        homes[0].send(homes[1].jid, "por seis")
        homes[1].run("sync", status=0)
        homes[1].equal_bodies(["por seis"])
        held = [socket.create_connection(("::1", other.tls_port), 10) for _ in range(6)]
        held[-1].settimeout(10)
        equal(held[-1].recv(1), b"", "one too many of ::1's network")
        for sock in held:
            sock.close()
        check("[::1]" in other.log_text(), "the log says where they come from")
        other.stop()
    finally:
        ip("addr", "add", "127.0.0.1/8", "dev", "lo")


def test_dead_dns():
    """No name can be looked up: those who are here notice nothing, and who writes elsewhere is told, or it waits."""
    dead = Relay(authority=relay.authority, resolver=[f"127.0.0.1:{free_port()}"], server=["127.0.0.1:0"])
    a, b = login(dead, dead.user()), login(dead, dead.user())
    slowest = 0
    for i in range(30):
        a.send(f"<message to='x@lejos{i}.example' type='chat' id='far{i}'><body>x</body></message>"
               f"<iq to='lejos{i}.example' type='get' id='q{i}'><ping xmlns='urn:xmpp:ping'/></iq>")
        begin = time.monotonic()
        a.send(f"<message to='{b.jid}' type='chat' id='near{i}'><body>cerca</body></message>")
        b.message(id=f"near{i}")
        slowest = max(slowest, time.monotonic() - begin)
    check(slowest < 2, f"{slowest:.1f} s: nobody waits for a name")
    for i in range(30):     # RFC 6120 8.2.3: an iq is always answered
        reply = a.wait(lambda e, i=i: e.get("id") == f"q{i}", 45, f"the answer to q{i}")
        equal(reply.get("type"), "error")
    dead.reload()
    eventually(lambda: "reloaded" in dead.log_text(), 5, "reloaded")
    a.barrier()
    start = time.monotonic()
    a.drop(), b.drop()
    dead.stop()
    check(time.monotonic() - start < 10, "and it stops as ever")


main()
