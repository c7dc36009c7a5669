#!/usr/bin/python3
"""Bad bytes on the stream (attacks X1 to X15): the standard's error, nobody else disturbed, memory flat."""
import base64
import pathlib
import resource
import socket
import ssl
import struct
import time

from lazo_test import *
from xmpp_raw import *
from cases import Cases, load

MESSAGE = "<message to='{}' type='chat'>{}</message>"
GROWTH = 16384      # KiB: what the allocator keeps of 200 connections at their worst, and of all the rest


def setup():
    global relay, jid, friend, bystander, start_rss, CASES
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    relay = Relay()
    jid = relay.user()
    friend = login(relay, relay.user())
    CASES = Cases(relay, jid, friend)
    bystander = Bystander(relay)
    for _ in range(20):
        login(relay, jid).close()
    start_rss = relay.rss_kib()


def at(phase):
    return CASES.at(phase)


def nothing_came_through():
    CASES.nothing_came_through()


def expect(stream, answer):
    CASES.expect(stream, answer)


for _what, _phase, _text, _answer in load(pathlib.Path(__file__).parent / "cases/stream.cases"):
    globals()[f"test_case: {_what}"] = lambda p=_phase, t=_text, a=_answer: CASES.run(p, t, a, split=True)


BAD_UTF8 = {        # X10
    "lone continuation": b"\x80", "overlong slash": b"\xc0\xaf", "overlong three": b"\xe0\x80\xaf",
    "overlong NUL": b"\xc0\x80", "surrogate": b"\xed\xa0\x80", "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80", "five bytes": b"\xf8\x88\x80\x80\x80", "cut short": b"\xe2\x82",
    "FE": b"\xfe", "FF": b"\xff", "NUL": b"\x00", "control": b"\x01", "escape": b"\x1b", "U+FFFE": b"\xef\xbf\xbe",
    "U+FFFF": b"\xef\xbf\xbf", "NUL as reference": b"&#0;", "control as reference": b"&#8;",
    "surrogate as reference": b"&#xD800;", "U+FFFE as reference": b"&#xFFFE;",
}
PLACES = {
    "text": b"<message to='%s' type='chat'><body>a%sb</body></message>",
    "attribute": b"<message to='%s' type='chat' id='a%sb'><body>x</body></message>",
    "name": b"<message to='%s' type='chat'><a%sb xmlns='urn:x'/></message>",
    "namespace": b"<message to='%s' type='chat'><a xmlns='urn:%s'/></message>",
}


def one_byte_form(place, bad):
    whole = PLACES[place] % (bare(friend.jid).encode(), bad)
    at_bad = whole.index(bad)
    cuts = [None] if bad.startswith(b"&") else [None, *range(at_bad, at_bad + len(bad) + 1)]
    for cut in cuts:
        stream = at("ready")
        try:
            stream.send(whole if cut is None else whole[:cut])
            if cut is not None:
                time.sleep(0.005)
                stream.send(whole[cut:])
        except OSError:
            pass
        equal(stream.stream_error(), "not-well-formed")
    nothing_came_through()


for _what, _bad in BAD_UTF8.items():
    for _place in PLACES:
        globals()[f"test_bytes: {_what} in {_place}"] = lambda place=_place, bad=_bad: one_byte_form(place, bad)


def test_cdata_split_everywhere():
    # X3: the same text as the escaped form, wherever the reads are cut.
    whole = f"<message to='{{}}' type='chat'><body>a<![CDATA[<b> ]] ]] & ]]>c</body></message>".format(bare(friend.jid)).encode()
    stream = at("ready")
    for cut in range(whole.index(b"<![CDATA["), whole.index(b"c</body>") + 1):
        stream.send(whole[:cut])
        time.sleep(0.002)
        stream.send(whole[cut:])
        equal(text_of(friend.message(), CLIENT + "body"), "a<b> ]] ]] & c")
    stream.close()


def cpu_of(data, step, answer):
    """The relay's CPU time for these bytes in pieces of step."""
    stream = at("ready")
    before = relay.cpu_seconds()
    with_error = False
    try:
        for i in range(0, len(data), step):
            stream.send(data[i:i + step])
    except OSError:
        with_error = True
    if answer == "passes" and not with_error:
        stream.barrier(60)
        used = relay.cpu_seconds() - before
        stream.drop()
        return used
    expect(stream, answer)
    return relay.cpu_seconds() - before


def test_one_huge_attribute_in_tiny_reads():
    # X5: linear in the size
    def data(size):
        return f"<message to='{friend.jid}' type='headline' x='{'y' * size}'/>".encode()
    one = cpu_of(data(60000), 1, "passes")
    two = cpu_of(data(120000), 1, "passes")
    check(two < 2.5 * one + 0.5, f"{one:.2f} s for 60,000 bytes, {two:.2f} s for 120,000")
    friend.barrier()


def test_attribute_bound():
    # X6: 64 attributes and 32 namespaces an element
    def with_attributes(n):
        return f"<message to='{friend.jid}' type='headline'><x " + " ".join(f"a{i}=''" for i in range(n)) + "/></message>"

    def with_namespaces(n):
        return f"<message to='{friend.jid}' type='headline'><x " + " ".join(f"xmlns:a{i}='urn:{i}'" for i in range(n)) + "/></message>"
    for make, most in ((with_attributes, 64), (with_namespaces, 32)):
        stream = at("ready")
        stream.send(make(most))
        stream.barrier()
        friend.message()
        stream.send(make(most + 1))
        equal(stream.stream_error(), "policy-violation")
    for make in (with_attributes, with_namespaces):
        used = cpu_of(make(12000).encode(), 1 << 20, "stream policy-violation")
        check(used < 1, f"{used:.2f} s of CPU")
    nothing_came_through()


def test_many_names():
    # X7, X8: 250 KiB of elements and attributes with names of their own: time and memory stay small.
    body = "".join(f"<e{i} a{i}='{i}' xmlns='urn:{i}'/>" for i in range(5500))
    data = f"<message to='{jid}' type='headline'>{body}</message>".encode()
    check(len(data) < 256 * 1024, "below the limit")
    before = relay.rss_kib()
    used = cpu_of(data, 1 << 20, "passes")
    check(used < 2, f"{used:.2f} s of CPU")
    check(SANITIZED or relay.rss_kib() - before < 40000, "memory")


def test_size_limits_exactly():
    # X13: before authentication 16 KiB, after 256 KiB, counted as bytes on the wire
    def padded(total, head, tail):
        return head + "x" * (total - len(head) - len(tail)) + tail
    for total, ok in ((256 * 1024 - 1, True), (256 * 1024, True), (256 * 1024 + 1, False)):
        stream = at("ready")
        stream.send(padded(total, f"<message to='{friend.jid}' type='headline'><body>", "</body></message>"))
        if ok:
            stream.barrier()
            equal(len(text_of(friend.message(), CLIENT + "body")), total - len(
                f"<message to='{friend.jid}' type='headline'><body></body></message>"))
            stream.close()
        else:
            equal(stream.stream_error(), "policy-violation")
    for total, ok in ((16 * 1024, True), (16 * 1024 + 1, False)):
        stream = at("tls")
        stream.send(padded(total, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='", "'/>"))
        if ok:
            equal([local(c) for c in stream.read()][0], "invalid-mechanism")
            stream.drop()
        else:
            equal(stream.stream_error(), "policy-violation")
    nothing_came_through()


def test_size_limit_in_other_shapes():
    # Nothing ends, and still it is bounded: a name, an attribute, text, many texts, a declaration.
    for head, grain in (("<", "n"), ("<message a='", "v"), ("<message><body>", "t"), ("<message><body>", "<b/>t"),
                        ("<message><body><![CDATA[", "c"), ("<message ", "a='' "), ("<message><body>&", "e")):
        stream = at("ready")
        try:
            stream.send(head)
            for _ in range(40):
                stream.send(grain * (16384 // len(grain)))
        except OSError:
            pass
        got = stream.stream_error()
        check(got in ("policy-violation", "not-well-formed", "restricted-xml"), f"{head} {grain}: {got}")


def test_whitespace_flood():
    stream = at("ready")
    before = relay.rss_kib()
    for _ in range(200):
        stream.send(" \n" * 32768)
    stream.barrier(60)
    check(SANITIZED or relay.rss_kib() - before < 4096, "memory")
    stream.close()


def test_amplifiers_before_authentication():
    # X8: 1,000 connections that hold the most that one may before logging in: below 64 KiB each, whatever the shape.
    count = 200 if not SANITIZED else 20
    shapes = ["<auth " + "".join(f"a{i}='' " for i in range(60)), "<auth>" + "<a>" * 60, "<auth>" + "<a b='c'/>" * 1500,
              "<auth>" + "x" * 15000, "<auth a='" + "x" * 15000]
    worst = 0
    for shape in shapes:
        before = relay.rss_kib()
        streams = []
        for _ in range(count):
            stream = Stream(relay, direct=True, tls_context=CONTEXT)
            stream.open(features=False)
            stream.send(shape)
            streams.append(stream)
        time.sleep(0.5)
        worst = max(worst, (relay.rss_kib() - before) / count)
        for stream in streams:
            stream.drop()
        settle()
    print(f"  {worst:.0f} KiB a connection before authentication")
    check(SANITIZED or worst < 64, f"{worst:.0f} KiB a connection")


def test_parser_is_replaced_only_after_the_return():
    # X15: what restarts a stream comes in one segment with what follows it.
    for _ in range(20):
        stream = at("tls")
        scram = Scram("SCRAM-SHA-256", jid.partition("@")[0], PASSWORD)
        _, challenge = stream.sasl("SCRAM-SHA-256", scram.first())
        answer = base64.b64encode(scram.final(challenge)).decode()
        header = (f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='{HOST}' version='1.0' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>")
        stream.send(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{answer}</response>{header}"
                    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq></stream:stream>")
        # A client that does not wait for success breaks RFC 6120 6.4.6; it is served or closed, never worse.
        try:
            stream.read()
            stream._new_parser()
            while True:
                stream.read(5)
        except (Closed, AssertionError, TimeoutError):
            stream.drop()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def churn(count):
    """Connections that end in every way, cleanly or reset: at once, in the clear in the middle of a stanza, after STARTTLS and half a
    hello, after the stream's end, in the middle of direct TLS, with what is nothing at all, over TLS in the middle of a stanza."""
    header = (f"<stream:stream xmlns='jabber:client' to='{HOST}' version='1.0' "
              "xmlns:stream='http://etherx.jabber.org/streams'>").encode()
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(120)
    for i in range(count):
        kind = i % 7
        sock = socket.create_connection(("127.0.0.1", relay.tls_port if kind in (4, 6) else relay.port), 10)
        if kind == 1:
            sock.sendall(header + b"<mess")
        elif kind == 2:
            sock.sendall(header + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + hello)
        elif kind == 3:
            sock.sendall(header + b"</stream:stream>")
        elif kind == 4:
            sock.sendall(hello)
        elif kind == 5:
            sock.sendall(b"\x00\xff<")
        elif kind == 6:
            sock = CONTEXT.wrap_socket(sock, server_hostname=HOST)
            sock.sendall(header + b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sa")
        if i % 2:
            reset(sock)
        else:
            sock.close()


def test_connections_leave_nothing():
    # X9: the slope of memory over 10,000 connections (1,000,000 with --long) is nil after warming up
    churn(1500)
    settle()
    before, fds, start, cpu = relay.rss_kib(), relay.fds(), time.monotonic(), relay.cpu_seconds()
    count = 1000000 if LONG else 10000 if not SANITIZED else 2000
    slope = []
    for _ in range(10):
        churn(count // 10)
        settle()
        slope.append(relay.rss_kib() - before)
    print(f"  {count} connections, {count / (time.monotonic() - start):.0f} a second, {relay.cpu_seconds() - cpu:.1f} s of CPU; grown by "
          f"{slope} KiB at each tenth")
    check(SANITIZED or slope[-1] < 1024, f"{slope[-1]} KiB grown")
    check(relay.fds() <= fds + 2, f"{relay.fds() - fds} descriptors left")


def settle():
    eventually(lambda: relay.fds() < 60, 15, "the connections are gone")
    time.sleep(0.2)


def test_client_that_never_reads():
    # Its queue is bounded and it alone pays (X14).
    jid2 = relay.user()
    deaf = login(relay, jid2, auto_pong=False)
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sender = at("ready")
    before = relay.rss_kib()
    body = "y" * 60000
    for i in range(300):
        sender.send(f"<message to='{deaf.jid}' type='headline' id='h{i}'><body>{body}</body></message>")
        if i % 20 == 19:
            sender.barrier(60)
    grown = relay.rss_kib() - before
    check(SANITIZED or grown < 12000, f"{grown} KiB held for one who does not read")
    sender.close()
    deaf.drop()


def test_last_nobody_was_disturbed_and_memory_is_flat():
    slowest = bystander.verdict(5 if not SANITIZED else 20)
    friend.close()
    time.sleep(0.5)
    grown = relay.rss_kib() - start_rss
    print(f"  bystander p99 {slowest * 1000:.0f} ms; {grown} KiB grown over all")
    check(SANITIZED or grown < GROWTH, f"{grown} KiB grown over all")
    login(relay, jid).close()


CONTEXT = context(alpn=["xmpp-client"])
main()
