#!/usr/bin/python3
"""What waits while nobody looks at a client, and what never does (XEP-0352)."""
from archive import CARBONS
from lazo_test import *
from xmpp_raw import *

ACTIVE, INACTIVE = "<active xmlns='urn:xmpp:csi:0'/>", "<inactive xmlns='urn:xmpp:csi:0'/>"
STATE = "<{} xmlns='http://jabber.org/protocol/chatstates'/>"
PING_XML = "<iq type='get' id='{}' to='" + HOST + "'><ping xmlns='urn:xmpp:ping'/></iq>"


def setup():
    global relay
    relay = Relay()


def friends():
    """Two who see each other's presence."""
    a, b = (login(relay, relay.user()) for _ in range(2))
    for one, other in ((a, b), (b, a)):
        one.send(f"<presence to='{bare(other.jid)}' type='subscribe'/>")
        one.barrier()
        other.send(f"<presence to='{bare(one.jid)}' type='subscribed'/>")
        other.barrier()
    for s in (a, b):
        s.barrier()
    return a, b


def show(stream, status):
    stream.send(f"<presence><status>{status}</status></presence>")
    stream.barrier()


def statuses(elements):
    return [text_of(e, CLIENT + "status") if e.get("type") is None else e.get("type") for e in elements
            if e.tag == CLIENT + "presence"]


def silent(stream, what):
    """Nothing comes, without sending anything that would bring it."""
    try:
        e = stream.read(0.4)
    except TimeoutError:
        return
    raise AssertionError(f"{what}: {ET_text(e)}")


def ET_text(element):
    import xml.etree.ElementTree as ET
    return ET.tostring(element).decode()


def test_announced():
    a = login(relay, relay.user())
    check(a.features.find("{urn:xmpp:csi:0}csi") is not None, "after authentication (4.1)")
    a.close()


def test_presence_waits_and_the_latest_counts():
    a, b = friends()
    a.send(INACTIVE)
    a.barrier()
    for i in range(5):
        show(b, f"s{i}")
    silent(a, "presence waits")
    a.send(ACTIVE + PING_XML.format("behind"))
    came = []
    while not came or came[-1].get("id") != "behind":
        came.append(a.read())
    equal(statuses(came), ["s4"], "the latest alone, before the answer to what came behind (5.1)")
    show(b, "after")
    equal(statuses([a.read()]), ["after"], "active: at once")
    a.close()
    b.close()


def test_messages_do_not_wait_and_bring_what_waited():
    a, b = friends()
    a.send(INACTIVE)
    a.barrier()
    show(b, "away soon")
    b.send(f"<message to='{a.jid}' type='chat'>{STATE.format('composing')}</message>")
    b.barrier()
    silent(a, "presence and states wait")
    b.send(f"<message to='{a.jid}' type='chat'><body>¿estás?</body></message>")
    came = [a.read() for _ in range(3)]
    equal([local(e) for e in came], ["presence", "message", "message"], "in the order in which they came")
    equal(text_of(came[2], CLIENT + "body"), "¿estás?")
    show(b, "later")
    silent(a, "still inactive")
    for extra in ("<received xmlns='urn:xmpp:receipts' id='1'/>", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>"):
        b.send(f"<message to='{a.jid}' type='chat' id='x'>{extra}</message>")
        a.message(id="x")
    a.close()
    b.close()


def test_states_of_each_are_one():
    a, b = friends()
    a.send(INACTIVE)
    a.barrier()
    for state in ("composing", "paused", "composing", "active"):
        b.send(f"<message to='{a.jid}' type='chat' id='{state}'>{STATE.format(state)}</message>")
    b.barrier()
    silent(a, "chat states wait")
    a.send(ACTIVE)
    equal(a.read().get("id"), "active")
    silent(a, "one was enough")
    a.close()
    b.close()


def test_copies_of_messages_do_not_wait():
    a1, b = friends()
    a2 = login(relay, bare(a1.jid))
    a2.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    a2.send(INACTIVE)
    a2.barrier()
    b.send(f"<message to='{a1.jid}' type='chat'>{STATE.format('composing')}</message>")
    b.barrier()
    silent(a2, "a copied state waits")
    b.send(f"<message to='{a1.jid}' type='chat'><body>x</body></message>")
    came = [a2.read(), a2.read()]
    check(all(e.find(CARBONS + "received") is not None for e in came), "the state, then the message")
    for s in (a1, a2, b):
        s.close()


def test_subscriptions_do_not_wait():
    a, b = (login(relay, relay.user()) for _ in range(2))
    a.send(INACTIVE)
    a.barrier()
    b.send(f"<presence to='{bare(a.jid)}' type='subscribe'/>")
    a.presence(bare(b.jid), "subscribe")
    a.close()
    b.close()


def test_what_waits_is_bounded():
    a, b = friends()
    a.send(INACTIVE)
    a.barrier()
    before = relay.rss_kib()
    for i in range(300):
        b.send(f"<presence to='{a.jid}'><status>{'x' * 20000} {i}</status></presence>")
        if i % 50 == 0:
            b.barrier()
    b.barrier()
    others = [login(relay, relay.user()) for _ in range(5)]
    for o in others:
        o.send(f"<presence to='{a.jid}'><status>{'y' * 20000}</status></presence>")
        o.barrier()
    got = [a.presence() for _ in range(3)]
    check(all(len(text_of(e, CLIENT + "status")) > 19000 for e in got), "at 64 KiB all goes out")
    if not SANITIZED:
        check(relay.rss_kib() - before < 4096, f"{relay.rss_kib() - before} KiB more")
    for s in (a, b, *others):
        s.close()


def test_an_end_while_something_waits():
    a, b = friends()
    a.send(INACTIVE)
    a.barrier()
    show(b, "held")
    a.drop()
    b.presence(a.jid, "unavailable")
    b.close()


def test_others_are_still_unknown():
    a = login(relay, relay.user())
    a.send("<sleeping xmlns='urn:xmpp:csi:0'/>")
    equal(a.stream_error(), "unsupported-stanza-type")


main()
