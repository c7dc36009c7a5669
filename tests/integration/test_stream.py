#!/usr/bin/python3
"""One stream under load: many stanzas in one segment, answers in order, goodbye behind all of it, the rate limit, memory at rest."""
import base64
import resource
import socket
import struct
import time

from lazo_test import *
from xmpp_raw import *

PING = "<iq type='get' id='{}' to='" + HOST + "'><ping xmlns='urn:xmpp:ping'/></iq>"


def setup():
    global relay
    relay = Relay()


def test_a_thousand_at_once_are_answered_in_order():
    stream = login(relay, relay.user())
    stream.send("".join(PING.format(f"p{i}") for i in range(1000)))
    equal([stream.read().get("id") for _ in range(1000)], [f"p{i}" for i in range(1000)])
    stream.close()


def test_durable_and_not_durable_are_answered_in_one_order():
    # Design 3.1: a ping's answer is a barrier: what was sent before it is on disk, and its errors have come.
    away = relay.user()
    stream = login(relay, relay.user())
    for i in range(300):
        stream.send(f"<message type='chat' id='m{i}' to='{away}'><body>{i}</body></message>" + PING.format(f"p{i}"))
        if i % 10 == 0:
            stream.send(f"<message type='chat' id='e{i}' to='nobody-{i}@{HOST}'><body>x</body></message>")
    # The message that fails at i stands behind the ping of i.
    wanted = []
    for i in range(300):
        wanted.append(f"p{i}")
        if i % 10 == 0:
            wanted.append(f"e{i}")
    equal([stream.read(30).get("id") for _ in wanted], wanted)
    stream.close()


def test_goodbye_comes_behind_everything():
    # All that was sent before </stream:stream> is handled, also in the same segment.
    away = relay.user()
    stream = login(relay, relay.user())
    stream.send("".join(f"<message type='chat' id='g{i}' to='{away}'><body>{i}</body></message>" for i in range(600))
                + PING.format("last") + "</stream:stream>")
    equal(stream.wait(lambda e: e.get("id") == "last", 30).get("type"), "result")
    stream.gone(10)
    check(stream.received.rstrip().endswith(b"</stream:stream>"), "our own close is the last thing said")
    there = login(relay, away)
    got = []
    while len(got) < 600:
        got.append(there.wait(lambda e: e.tag == CLIENT + "message", 30).get("id"))
    equal(got, [f"g{i}" for i in range(600)])
    there.barrier()
    there.close()


def test_every_byte_of_negotiation_alone():
    jid = relay.user()
    stream = Stream(relay)
    send = stream.send
    stream.send = lambda data: [send(bytes([b])) for b in (data.encode() if isinstance(data, str) else data)]
    stream.open()
    stream.starttls()
    stream.open()
    stream.auth(jid.partition("@")[0])
    stream.bind("slow")
    equal(stream.jid, f"{jid}/slow")
    stream.barrier()
    stream.close()


def test_gone_in_the_middle_of_a_login():
    # The password is being stretched in the thread pool, or the keys are being read, when the connection ends.
    plain = Relay(authority=relay.authority, plain=True)
    jid = plain.user()
    tls = context(plain.authority.crt, ["xmpp-client"])
    initial = base64.b64encode(f"\0{jid.partition('@')[0]}\0{PASSWORD}".encode()).decode()
    scram = base64.b64encode(Scram("SCRAM-SHA-256", jid.partition("@")[0], PASSWORD).first()).decode()
    for i in range(150 if not LONG else 3000):
        stream = Stream(plain, direct=True, tls_context=tls)
        stream.open()
        mechanism, data = ("SCRAM-SHA-256", scram) if i % 3 == 0 else ("PLAIN", initial)
        stream.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>")
        time.sleep(i % 16 / 1000)
        if i % 2:       # a reset, not an end
            stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.sock.close()
    login(plain, jid).close()
    plain.stop()


def test_rate_limit_slows_and_loses_nothing():
    slow = Relay(authority=relay.authority, limits={"rate_client": 102400})
    stream = login(slow, slow.user())
    start = time.monotonic()
    # A burst of 10 s' worth is allowed; what is more comes at the rate.
    count, size = 80, 20000
    stream.sock.settimeout(60)
    sent = 0
    for i in range(count):
        stream.send(PING.format(f"r{i}") + " " * size)
        sent += size
    equal([stream.read(60).get("id") for _ in range(count)], [f"r{i}" for i in range(count)])
    took = time.monotonic() - start
    least = (sent - 1024000) / 102400
    check(took > least * 0.8, f"{sent} bytes in {took:.1f} s, at least {least:.1f} s wanted")
    stream.close()
    slow.stop()


def test_memory_of_an_idle_session():
    # Design 6: at most 32 KiB for an idle TLS session; 12 MiB at start.
    fresh = Relay(authority=relay.authority)
    begin = fresh.rss_kib()
    count = 1000 if LONG else 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    users = [fresh.user() for _ in range(count // 10 + 1)]
    tls = context(fresh.authority.crt, ["xmpp-client"])
    warm = [login(fresh, users[0], direct=True, tls_context=tls, presence=False) for _ in range(5)]
    time.sleep(0.5)
    before = fresh.rss_kib()
    streams = [login(fresh, users[1 + i // 10], direct=True, tls_context=tls, presence=False) for i in range(count)]
    time.sleep(1)
    each = (fresh.rss_kib() - before) / count
    for stream in streams + warm:
        stream.drop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(f"  {begin / 1024:.1f} MiB at start, {each:.1f} KiB an idle TLS session over {count}")
    if not SANITIZED:           # they take memory of their own
        check(begin <= 12 * 1024, f"{begin} KiB at start")
        check(each <= 32, f"{each:.1f} KiB a session")
    fresh.stop()


main()
