#!/usr/bin/python3
"""Corrections (XEP-0308 1.2.1) and retractions (XEP-0424 0.4.2): what the relay owes them. They reach every device of both, also
who was away, and are archived as they came; nobody's words are changed by them, and nobody takes back in another's name."""
from archive import archive
from lazo_test import *
from xmpp_raw import *

CORRECT = "{urn:xmpp:message-correct:0}"
RETRACT = "{urn:xmpp:message-retract:1}"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


def setup():
    global relay
    relay = Relay()


def correction(of, text):
    return f"<body>{text}</body><replace xmlns='urn:xmpp:message-correct:0' id='{of}'/>"


def retraction(of):
    """As section 4 of XEP-0424 shows it: with a text for clients that know nothing of it, marked as such."""
    return (f"<retract xmlns='urn:xmpp:message-retract:1' id='{of}'/>"
            "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>"
            "<body>/me retracted a previous message, but it's unsupported by your client.</body>"
            "<store xmlns='urn:xmpp:hints'/>")


def say(stream, to, ident, inside):
    stream.send(f"<message type='chat' to='{to}' id='{ident}'>{inside}</message>")


def messages(stream):
    return [m for m in stream.barrier() if m.tag == CLIENT + "message"]


def kept(stream, **query):
    return [(m.get("from"), m.get("id"), m) for m in archive(stream, **query).messages]


def test_announced_where_it_is_true():
    # XEP-0424 2: a server that archives them MUST say so; section 5: tombstones are said only by who makes them
    a = login(relay, relay.user())
    for at in (HOST, bare(a.jid)):
        said = {f.get("var") for f in a.result("get", INFO, at).iter(DISCO_INFO + "feature")}
        check("urn:xmpp:message-retract:1" in said, f"at {at}")
        check("urn:xmpp:message-retract:1#tombstone" not in said, f"tombstones at {at}: none are made")
    a.close()


def test_a_correction_reaches_all_devices_and_the_archive():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    a2, b2 = login(relay, bare(a.jid)), login(relay, bare(b.jid))
    for other in (a2, b2):
        other.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    say(a, b.jid, "m1", "<body>Nos vemos a las cinco</body>")
    say(a, b.jid, "m2", correction("m1", "Nos vemos a las seis"))
    a.barrier()
    got = messages(b)
    equal([(m.get("id"), text_of(m, CLIENT + "body")) for m in got], [("m1", "Nos vemos a las cinco"), ("m2", "Nos vemos a las seis")])
    equal(got[1].find(CORRECT + "replace").get("id"), "m1", "it names what it corrects, as it was sent")
    for other, way in ((a2, "sent"), (b2, "received")):
        copies = messages(other)
        inner = [m.find(f".//{{urn:xmpp:forward:0}}forwarded/{CLIENT}message") for m in copies]
        equal([m.get("id") for m in inner], ["m1", "m2"], f"carbons, {way}")
        equal(inner[1].find(CORRECT + "replace").get("id"), "m1")
    for stream in (a, b, a2, b2):
        rows = kept(stream)
        equal([i for _, i, _ in rows], ["m1", "m2"], "both are in the archive, in their order")
        equal([text_of(m, CLIENT + "body") for _, _, m in rows], ["Nos vemos a las cinco", "Nos vemos a las seis"])
        equal(rows[1][2].find(CORRECT + "replace").get("id"), "m1")
        stream.close()


def test_who_was_away_learns_of_both():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    to = bare(b.jid)
    b.close()
    say(a, to, "m1", "<body>mal</body>")
    say(a, to, "m2", correction("m1", "bien"))
    say(a, to, "m3", retraction("m2"))
    a.barrier()
    relay.restart()
    b = login(relay, to)
    got = messages(b)
    equal([m.get("id") for m in got], ["m1", "m2", "m3"])
    equal(got[2].find(RETRACT + "retract").get("id"), "m2")
    check(all(m.find(DELAY + "delay") is not None for m in got), "with the time at which they were said")
    b.close()
    b = login(relay, to)
    equal(messages(b), [], "once")
    for stream in (b, login(relay, bare(a.jid))):
        equal([i for _, i, _ in kept(stream)], ["m1", "m2", "m3"], "XEP-0424 5: the archive MUST store the retraction")
        stream.close()


def test_what_carries_no_text_is_kept_too():
    """Without the text for old clients, in the namespace of old versions, inside OMEMO: each is more than of the moment."""
    a, b = login(relay, relay.user()), login(relay, relay.user())
    to = bare(b.jid)
    b.close()
    ways = {
        "bare": "<retract xmlns='urn:xmpp:message-retract:1' id='m0'/>",
        "of 2019": "<apply-to xmlns='urn:xmpp:fasten:0' id='m0'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>",
        "sealed": "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'><iv>AAAAAAAAAAAAAAAA</iv></header>"
                  "<payload>AAAA</payload></encrypted><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>",
    }
    for ident, inside in ways.items():
        say(a, to, ident, inside)
    a.barrier()
    b = login(relay, to)
    equal([m.get("id") for m in messages(b)], list(ways), "from the mailbox")
    for stream in (a, b):
        equal([i for _, i, _ in kept(stream)], list(ways), "from the archive")
        stream.close()


def test_nobody_takes_back_in_anothers_name():
    # XEP-0424 5: only the author's own is to be heeded; so the relay vouches for who sends, and touches nothing itself
    a, b, mallory = (login(relay, relay.user()) for _ in range(3))
    to = bare(b.jid)
    say(a, to, "m1", "<body>Te quiero</body>")
    a.barrier()
    mallory.send(f"<message type='chat' to='{to}' id='x1' from='{bare(mallory.jid)}'>{retraction('m1')}</message>")
    mallory.barrier()
    got = {m.get("id"): m for m in messages(b)}
    equal(bare(got["x1"].get("from")), bare(mallory.jid), "it says whose it is")
    equal([(bare(f), i) for f, i, _ in kept(b)], [(bare(a.jid), "m1"), (bare(mallory.jid), "x1")])
    mallory.send(f"<message type='chat' to='{to}' id='x2' from='{bare(a.jid)}'>{retraction('m1')}</message>")
    equal(mallory.stream_error(), "invalid-from", "RFC 6120 8.1.2.1")
    say(a, to, "m2", retraction("m1"))
    a.barrier()
    rows = kept(b)
    equal([i for _, i, _ in rows], ["m1", "x1", "m2"])
    equal(text_of(rows[0][2], CLIENT + "body"), "Te quiero", "what b has in the archive is what a said, also when a takes it back")
    for stream in (a, b):
        stream.close()


main()
