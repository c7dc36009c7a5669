#!/usr/bin/python3
"""Copies for the other devices of both parties (XEP-0280), and what a copy must not do: reach the one who got the message
itself, or clear the mailbox."""
from archive import CARBONS, FORWARD, archive
from lazo_test import *
from xmpp_raw import *

STATE = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


def setup():
    global relay
    relay = Relay()


def say(stream, to, body, kind="chat", extra="", ident=None):
    inside = f"<body>{body}</body>" if body is not None else ""
    stream.send(f"<message to='{to}' id='{ident or new_id()}' type='{kind}'>{inside}{extra}</message>")


def enable(stream, what="enable"):
    stream.result("set", f"<{what} xmlns='urn:xmpp:carbons:2'/>")


def user(count, presence=True, carbons=True):
    """Some sessions of a new account."""
    jid = relay.user()
    streams = []
    for i in range(count):
        s = login(relay, jid, presence=presence)
        if carbons:
            enable(s)
        streams.append(s)
    for s in streams:
        s.barrier()
    return streams


def copies(stream):
    """What has come, in order: ("sent" | "received", inner message) or ("", message)."""
    found = []
    for e in stream.barrier():
        if e.tag != CLIENT + "message":
            continue
        for direction in ("sent", "received"):
            wrapper = e.find(CARBONS + direction)
            if wrapper is not None:
                inner = wrapper.find(f"{FORWARD}forwarded/{CLIENT}message")
                equal((e.get("from"), e.get("to"), e.get("type")), (bare(stream.jid), stream.jid, inner.get("type")))
                found.append((direction, inner))
                break
        else:
            found.append(("", e))
    return found


def texts(stream):
    return [(direction, text_of(m, CLIENT + "body")) for direction, m in copies(stream)]


def close(*streams):
    for s in streams:
        s.close()


def test_announced():
    a, = user(1)
    for to in (HOST, bare(a.jid)):
        found = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        check("urn:xmpp:carbons:2" in [f.get("var") for f in found.iter(DISCO_INFO + "feature")], to)
    a.close()


def test_both_sides():
    a1, a2, a3 = user(3)
    b1, b2 = user(2)
    say(a1, b1.jid, "hola", ident="m1")
    a1.barrier()
    equal(texts(a1), [], "not to the one who sent it (8)")
    for s in (a2, a3):
        (direction, inner), = copies(s)
        equal((direction, inner.get("from"), inner.get("to"), inner.get("id")), ("sent", a1.jid, b1.jid, "m1"))
        equal([e.get("id") for e in inner.iterfind(SID + "stanza-id") if e.get("by") == bare(s.jid)], archive(s).ids,
              "with the archive's id")
    equal(texts(b1), [("", "hola")], "the message itself, once")
    (direction, inner), = copies(b2)
    equal((direction, text_of(inner, CLIENT + "body")), ("received", "hola"))
    equal([e.get("id") for e in inner.iterfind(SID + "stanza-id") if e.get("by") == bare(b2.jid)], archive(b2).ids)
    close(a1, a2, a3, b1, b2)


def test_who_gets_the_message_gets_no_copy():
    a, = user(1)
    b1, b2 = user(2)
    b3 = login(relay, bare(b1.jid), presence=False)
    enable(b3)
    b3.send("<presence><priority>-1</priority></presence>")
    b3.barrier()
    say(a, bare(b1.jid), "to all")
    a.barrier()
    for s in (b1, b2):
        equal(texts(s), [("", "to all")])
    equal(texts(b3), [("received", "to all")], "not eligible: a copy")
    say(a, bare(b1.jid) + "/nowhere", "to nobody there")
    a.barrier()
    for s in (b1, b2):
        equal(texts(s), [("", "to nobody there")])
    equal(texts(b3), [("received", "to nobody there")])
    close(a, b1, b2, b3)


def test_only_who_asked_and_until_it_asks_no_more():
    a1, a2 = user(2, carbons=False)
    b, = user(1)
    say(a1, b.jid, "before")
    a1.barrier()
    equal(texts(a2), [])
    enable(a2)
    enable(a2)
    say(a1, b.jid, "while")
    a1.barrier()
    equal(texts(a2), [("sent", "while")])
    enable(a2, "disable")
    enable(a2, "disable")
    say(a1, b.jid, "after")
    a1.barrier()
    equal(texts(a2), [])
    check(a1.refused("set", "<enable xmlns='urn:xmpp:carbons:2'/>", bare(b.jid)), "not for another")
    close(a1, a2, b)


def test_rules():
    a1, a2 = user(2)
    b1, b2 = user(2)
    muc = "<x xmlns='http://jabber.org/protocol/muc#user'>{}</x>".format
    rows = [  # body, kind, extra, copied to the sender's, to the receiver's
        ("chat", "chat", "", True, True),
        ("normal", "normal", "", True, True),
        (None, "normal", "<x xmlns='urn:example'/>", False, False),
        (None, "normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", True, True),
        (None, "normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", True, True),
        (None, "chat", STATE, True, True),
        ("headline", "headline", "", False, False),
        ("groupchat", "groupchat", "", False, False),
        ("private", "chat", "<private xmlns='urn:xmpp:carbons:2'/>", False, False),
        ("no-copy", "chat", "<no-copy xmlns='urn:xmpp:hints'/>", False, False),
        ("no-store", "chat", "<no-store xmlns='urn:xmpp:hints'/>", True, True),
        ("occupant", "chat", muc(""), True, False),
        (None, "normal", muc("<invite from='x@y'/>"), True, True),
        (None, "normal", "<x xmlns='jabber:x:conference' jid='r@y'/>", True, True),
    ]
    for i, (body, kind, extra, sent, received) in enumerate(rows):
        say(a1, b1.jid, body, kind, extra, ident=f"r{i}")
        a1.barrier()
        b1.barrier()
        equal(([(d, m.get("id")) for d, m in copies(a2)], [(d, m.get("id")) for d, m in copies(b2)]),
              ([("sent", f"r{i}")] * sent, [("received", f"r{i}")] * received), f"row {i}: {body} {kind} {extra}")
    close(a1, a2, b1, b2)


def test_between_own_devices():
    a1, a2, a3 = user(3)
    say(a1, a2.jid, "from one to the other")
    a1.barrier()
    equal(texts(a2), [("", "from one to the other")])
    equal(texts(a3), [("sent", "from one to the other")], "one copy, not two")
    say(a1, bare(a1.jid), "to all of mine")
    a1.barrier()
    for s in (a2, a3):
        equal(texts(s), [("", "to all of mine")])
    close(a1, a2, a3)


def test_refused_is_not_copied():
    a1, a2 = user(2)
    say(a1, f"nobody@{HOST}", "x", ident="n")
    equal(error_of(a1.message(type="error", id="n")), ("cancel", "service-unavailable"))
    equal(texts(a2), [])
    close(a1, a2)


def test_repetition_is_not_copied_again():
    a1, a2 = user(2)
    b1, b2 = user(2)
    for _ in range(3):
        say(a1, b1.jid, "once", extra="<origin-id xmlns='urn:xmpp:sid:0' id='o'/>", ident="same")
    a1.barrier()
    equal((texts(a2), texts(b2)), ([("sent", "once")], [("received", "once")]))
    close(a1, a2, b1, b2)


def test_a_copy_does_not_clear_the_mailbox():
    a, = user(1)
    b1 = login(relay, relay.user(), presence=False, resource="uno")
    enable(b1)
    say(a, bare(b1.jid), "for who is available")
    a.barrier()
    equal(texts(b1), [("received", "for who is available")], "bound and asked, though not available")
    b1.barrier()
    b1.drop()
    b2 = login(relay, bare(b1.jid))
    equal(text_of(b2.message(body="for who is available"), CLIENT + "body"), "for who is available", "it still waited")
    close(a, b2)


def test_a_copy_comes_when_the_message_is_durable():
    """In the order of the sender's stream, and before the answer to what follows it."""
    a1, a2 = user(2)
    b, = user(1)
    for i in range(200):
        say(a1, b.jid, f"n{i}")
    a1.barrier()
    equal(texts(a2), [("sent", f"n{i}") for i in range(200)])
    close(a1, a2, b)


main()
