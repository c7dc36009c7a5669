#!/usr/bin/python3
"""The log: one message's whole story by its id, one connection's by its own; nothing secret, nothing forged, no flood."""
import os
import re
import secrets
import socket

from lazo_test import *
from xmpp_raw import *

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (error|warn|info|debug) (?:\[([0-9a-f]{8})?(?: ?([^\]]+))?\] )?(.+)$")


def setup():
    global relay, jid
    relay = Relay(plain=True)
    jid = relay.user()


def lines(text=None):
    """(level, connection, who, sentence) of each."""
    found = []
    for line in (relay.log_text() if text is None else text).splitlines():
        if line.startswith("lazod: "):
            continue        # the ready line, which stands on standard output
        m = LINE.match(line)
        check(m, f"a line of another form: {line!r}")
        found.append(m.groups()[1:])
    return found


def test_biography_of_a_message():
    a, away = login(relay, jid, resource="casa"), relay.user()
    start = len(relay.log_text())
    a.send(f"<message to='{away}' type='chat' id='m1'><body>hola</body></message>")
    a.barrier()
    b = login(relay, away, resource="telefono")
    stanza_id = b.message(id="m1").find(SID + "stanza-id").get("id")
    b.barrier()
    story = eventually(lambda: (s := [x for x in lines(relay.log_text()[start:]) if stanza_id in x[3]]) and len(s) == 3 and s, 20,
                       "three steps")
    equal([(who, sentence) for _, _, who, sentence in story],
          [(a.jid, f"{stanza_id} accepted from {a.jid} for {away}"), (b.jid, f"{stanza_id} delivered"), (b.jid, f"{stanza_id} confirmed")])
    # Each is said by the connection where it happened, which has one id from its first line to its last.
    for (_, connection, who, _), stream in zip(story, (a, b, b)):
        whole = [x for x in lines() if x[1] == connection]
        check(whole[0][3].startswith("connected") and any(x[2] == stream.jid for x in whole), f"{whole}")
    a.close()
    b.close()
    gone = [x for x in lines() if x[1] == story[1][1]]
    check(gone[-1][3] == "closed: goodbye", f"{gone[-1]}")


def test_messages_that_were_not_taken():
    small = Relay(authority=relay.authority, quota={"pending": 1})
    a, away = login(small, small.user()), small.user()
    for ident in ("first", "second"):
        a.send(f"<message to='{away}' type='chat' id='{ident}'><body>x</body></message>")
    a.send(f"<message to='nobody-here@{HOST}' type='chat' id='third'><body>x</body></message>")
    a.barrier()
    text = small.log_text()
    check(re.search(rf"\[\w+ {re.escape(a.jid)}\] message second for {away} refused: \S+", text), text[-1500:])
    check(f"message third for nobody-here@{HOST} refused: service-unavailable" in text)
    a.close()
    small.stop()
    a, away = login(relay, jid), relay.user()
    for _ in range(2):
        a.send(f"<message to='{away}' type='chat' id='again'><body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='again'/></message>")
    a.barrier()
    equal(relay.log_text().count(f"message again for {away} was here already"), 1)
    a.close()


def test_no_secrets_and_no_bodies():
    password, body, topic = (secrets.token_hex(12) for _ in range(3))
    relay.ctl("user", "add", f"sofia@{HOST}", stdin=password + "\n")
    relay.conf["log"] = "debug"
    relay.write_conf()
    relay.reload()
    stream = Stream(relay, direct=True)
    stream.open()
    stream.sasl("PLAIN", f"\0sofia\0{password}".encode())
    stream.open()
    stream.bind()
    stream.send(f"<message to='{jid}' type='chat' id='s'><subject>{topic}</subject><body>{body}</body></message>"
                f"<message to='nobody-here@{HOST}' type='chat' id='s'><body>{body}</body></message>"
                f"<iq type='set' id='p'><query xmlns='jabber:iq:private'><note xmlns='urn:n'>{topic}</note></query></iq>")
    stream.barrier()
    try:
        login(relay, f"sofia@{HOST}", password=password + "x")
    except Refused:
        pass
    bad = Stream(relay, direct=True)
    bad.open()
    bad.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{password}")
    bad.send("</message>")
    bad.stream_error()
    stream.send(f"<message to='{jid}'><body>{body}")
    stream.drop()
    relay.ctl("user", "password", f"sofia@{HOST}", stdin=password + "2\n")
    text = relay.log_text()
    for secret in (password, body, topic):
        check(secret not in text, "it stands in the log")
    lines()
    relay.conf.pop("log")
    relay.write_conf()
    relay.reload()


def test_nothing_can_be_forged():
    evil = "x&#10;2026-01-01T00:00:00.000Z info [deadbeef boss] all is well\u202e\u009b31m"
    stream = login(relay, jid)
    stream.send(f"<message to='nobody-here@{HOST}' type='chat' id='{evil}'><body>x</body></message>")
    stream.barrier()
    stream.close()
    long = login(relay, jid)
    long.send(f"<message to='nobody-here@{HOST}' type='chat' id='{'y' * 5000}'><body>x</body></message>")
    long.barrier()
    long.close()
    text = relay.log_text()
    check("\n2026-01-01" not in text and "\u202e" not in text and "\u009b" not in text and "y" * 300 not in text)
    check("\\x0a2026-01-01" in text, "it stands there, made harmless")
    lines()


def test_no_flood():
    start = len(relay.log_text())
    for _ in range(400):
        stream = Stream(relay)
        stream.drop()
    login(relay, jid).close()
    text = relay.log_text()[start:]
    check(text.count("] connected") <= 52, f"{text.count('] connected')} lines of one kind")
    eventually(lambda: flooded(start), 30, "the number of those left out is told")
    # A mailbox that is fetched is no flood: each message's steps stand there.
    a, away = login(relay, jid), relay.user()
    for i in range(300):
        a.send(f"<message to='{away}' type='chat' id='m{i}'><body>x</body></message>")
    a.barrier(30)
    equal(sum(f"for {away}" in x[3] and "accepted" in x[3] for x in lines()), 300)
    a.close()


def quiet_relay(stderr):
    """A relay whose log goes there, and may not be read: its port is fixed."""
    other = Relay(authority=relay.authority, start=False)
    other.write_conf()
    port = free_port()
    other.file.write_text(other.file.read_text().replace('client = ["127.0.0.1:0"]', f'client = ["127.0.0.1:{port}"]'))
    other.ports = {"client": port}
    other.process = background([BUILD / "relay" / "lazod", "-c", other.file], stdout=stderr, stderr=stderr)
    eventually(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20, "it listens")
    return other


def works_and_ends(other):
    a, b = login(other, other.user()), login(other, other.user())
    for i in range(20):
        a.send(f"<message to='{b.jid}' type='chat' id='l{i}'><body>x</body></message>")
        b.message(id=f"l{i}")
    a.close(), b.close()
    check(other.alive())
    other.stop()


def test_a_log_that_cannot_be_written():
    # Attacks 2.8: a full disk under the log, and a reader of the log that has died, cost the relay nothing
    with open("/dev/full", "wb") as full:
        works_and_ends(quiet_relay(full))
    reader, writer = os.pipe()
    other = quiet_relay(writer)
    os.close(writer)
    os.close(reader)
    works_and_ends(other)


def test_a_log_that_is_rotated():
    # Attacks 2.8: cut off under the relay (copytruncate), it goes on at the new end: no hole, no line lost behind that
    other = Relay(authority=relay.authority)
    name = other.user()
    login(other, name).close()
    check(other.log.stat().st_size > 0)
    os.truncate(other.log, 0)
    login(other, name).close()
    eventually(lambda: "logged in" in other.log_text(), 5, "it goes on")
    check("\0" not in other.log_text(), "no hole of what was cut off")
    other.stop()


def flooded(start):
    Stream(relay).drop()
    return re.search(r"\d+ more lines like \"connected", relay.log_text()[start:])


main()
