#!/usr/bin/python3
"""Who may see what of an account: each node that apps publish and each thing that can be asked of an account, for its owner's other
device, a contact, one whose subscription was taken back, a stranger and a blocked contact (attacks R6 and R8)."""
import xml.etree.ElementTree as ET

from lazo_test import *
from xmpp_raw import *
from pep import *

OPEN, PRESENCE, WHITELIST = "open", "presence", "whitelist"
PRIVATE = {"persist_items": "true", "max_items": "max", "send_last_published_item": "never", "access_model": "whitelist",
           "notify_delete": "true", "notify_retract": "true"}      # as Conversations and Gajim say it
# node, preconditions as the apps send them, who may read it
NODES = (
    ("eu.siacs.conversations.axolotl.devicelist", {"access_model": "open", "persist_items": "true"}, OPEN),
    ("eu.siacs.conversations.axolotl.bundles:31415", {"access_model": "open", "persist_items": "true"}, OPEN),
    ("urn:xmpp:omemo:2:devices", {"access_model": "open"}, OPEN),
    ("urn:xmpp:omemo:2:bundles", {"access_model": "open", "max_items": "max"}, OPEN),
    ("urn:xmpp:avatar:data", None, PRESENCE),
    ("urn:xmpp:avatar:metadata", {"access_model": "presence"}, PRESENCE),
    ("http://jabber.org/protocol/nick", None, PRESENCE),
    ("http://jabber.org/protocol/geoloc", None, PRESENCE),
    ("urn:xmpp:vcard4", {"access_model": "open"}, OPEN),
    ("urn:xmpp:bookmarks:1", PRIVATE, WHITELIST),
    ("urn:xmpp:mds:displayed:0", PRIVATE, WHITELIST),
    ("storage:bookmarks", PRIVATE, WHITELIST),
)
READERS = {OPEN: {"own", "contact", "removed", "stranger"}, PRESENCE: {"own", "contact"}, WHITELIST: {"own"}}
HIDDEN = ("lazo#private", "lazo#vcard")
REFUSAL = {PRESENCE: ("not-authorized", "presence-subscription-required"), WHITELIST: ("not-allowed", "closed-node")}


def setup():
    """One owner, five who look at her; all of them interested in everything."""
    global relay, owner, lookers
    relay = Relay()
    owner = login(relay, relay.user("ana"))
    names = {"own": bare(owner.jid), **{who: relay.user(who) for who in ("contact", "removed", "stranger", "blocked")}}
    lookers = {who: login(relay, jid) for who, jid in names.items()}
    for who in ("contact", "removed", "blocked"):
        befriend(owner, lookers[who])
    for stream in lookers.values():
        interests(stream, *[node for node, _, _ in NODES], *HIDDEN)
        stream.barrier()
    owner.send(f"<presence type='unsubscribed' to='{names['removed']}'/>")
    lookers["removed"].presence(bare(owner.jid), "unsubscribed")
    for node, options, _ in NODES:
        owner.result("set", publish(node, "current", f"<x xmlns='{node}'>first</x>", options))
    owner.result("set", "<vCard xmlns='vcard-temp'><FN>Ana</FN></vCard>")
    owner.result("set", "<query xmlns='jabber:iq:private'><x xmlns='urn:example:secret'>s</x></query>")
    owner.result("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{names['blocked']}'/></block>")
    lookers["blocked"].presence(owner.jid, "unavailable")
    for stream in lookers.values():
        stream.barrier()


def nobody(who, kind, payload):
    """What the same asker hears of an account that is not there."""
    return lookers[who].refused(kind, payload, f"nobody@{HOST}")


def test_items():
    for node, _, access in NODES:
        for who, stream in lookers.items():
            reply = stream.iq("get", get(node), bare(owner.jid))
            if who in READERS[access]:
                equal(items(reply), [("current", "first")], f"{who} reads {node}")
            elif who == "blocked":
                equal(error_of(reply), nobody(who, "get", get(node)), f"{who} asks for {node}")
                check("first" not in ET.tostring(reply).decode(), "nothing of it")
            else:
                equal((error_of(reply)[1], pubsub_error(reply)), REFUSAL[access], f"{who} asks for {node}")


def test_discovery():
    for who, stream in lookers.items():
        reply = stream.iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", bare(owner.jid))
        listed = {i.get("node") for i in reply.iter(DISCO_ITEMS + "item")}
        wanted = {node for node, _, access in NODES if who in READERS[access]}
        equal(listed, wanted, f"nodes that {who} is told of")
        check(not any(i.get("jid") == owner.jid for i in reply.iter(DISCO_ITEMS + "item")), "no resource")
        info = stream.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", bare(owner.jid))
        equal(info.get("type"), "result" if who in ("own", "contact") else "error", f"{who} asks what the account can")
        for node, _, access in NODES:
            info = stream.iq("get", f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>", bare(owner.jid))
            equal(info.get("type"), "result" if who in READERS[access] else "error", f"{who}: {node}")


def heard(stream):
    """Nodes of which something came."""
    came = [e.find(PUBSUB_EVENT + "event") for e in stream.barrier()]
    return {e[0].get("node") for e in came if e is not None and len(e)}


def test_notifications():
    for stream in lookers.values():
        stream.barrier()
    for node, options, _ in NODES:
        owner.result("set", publish(node, "current", f"<x xmlns='{node}'>first</x>", options))
    owner.barrier()
    for who, stream in lookers.items():
        wanted = {node for node, _, access in NODES if who in READERS[access]} if who in ("own", "contact") else set()
        equal(heard(stream), wanted, f"what {who} hears of")
    for node, options, _ in NODES:
        owner.result("set", f"<pubsub {PS}><retract node='{node}' notify='true'><item id='current'/></retract></pubsub>")
    for who, stream in lookers.items():
        wanted = {node for node, _, access in NODES if who in READERS[access]} if who in ("own", "contact") else set()
        equal(heard(stream), wanted, f"what {who} hears of its end")
    for node, options, _ in NODES:
        owner.result("set", publish(node, "current", f"<x xmlns='{node}'>first</x>", options))
    for stream in lookers.values():
        stream.barrier()


def test_nobody_else_writes():
    for node, options, _ in NODES[:1] + NODES[-3:]:
        requests = (publish(node, "current", f"<x xmlns='{node}'>forged</x>"), publish(node, "current", f"<x xmlns='{node}'>forged</x>", options),
                    f"<pubsub {PS}><retract node='{node}'><item id='current'/></retract></pubsub>",
                    f"<pubsub {PS}><create node='{node}x'/></pubsub>",
                    f"<pubsub {OWNER}><delete node='{node}'/></pubsub>", f"<pubsub {OWNER}><purge node='{node}'/></pubsub>",
                    f"<pubsub {OWNER}><configure node='{node}'>{form(CONFIG, access_model='open')}</configure></pubsub>",
                    f"<pubsub {OWNER}><affiliations node='{node}'><affiliation jid='{HOST}' affiliation='member'/></affiliations></pubsub>")
        for who, stream in lookers.items():
            for request in requests if who != "own" else ():
                said = stream.refused("set", request, bare(owner.jid))
                check(said[1] in ("forbidden", "service-unavailable"), f"{who}: {said} to {request[:120]}")
        equal(items(owner.result("get", get(node))), [("current", "first")], f"{node} is as it was")


def test_hidden_nodes():
    for node in HIDDEN:
        for who, stream in (*lookers.items(), ("owner", owner)):
            for kind, request in (("get", get(node)), ("set", publish(node, "current", "<vCard xmlns='vcard-temp'/>")),
                                  ("set", f"<pubsub {OWNER}><delete node='{node}'/></pubsub>"),
                                  ("get", f"<pubsub {OWNER}><configure node='{node}'/></pubsub>"),
                                  ("get", f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>"),
                                  ("get", f"<query xmlns='http://jabber.org/protocol/disco#items' node='{node}'/>")):
                reply = stream.iq(kind, request, bare(owner.jid))
                equal(reply.get("type"), "error", f"{who}: {request[:100]}")
                check("Ana" not in ET.tostring(reply).decode(), "nothing of it")
    equal(text_of(owner.result("get", "<vCard xmlns='vcard-temp'/>"), "{vcard-temp}vCard/{vcard-temp}FN"), "Ana")


# What can be asked of an account; who gets an answer.
QUESTIONS = (
    ("get", "<vCard xmlns='vcard-temp'/>", {"own", "contact", "removed", "stranger"}),   # XEP-0054 5: world-readable
    ("get", "<query xmlns='jabber:iq:last'/>", {"own", "contact"}),
    ("get", "<query xmlns='jabber:iq:private'><x xmlns='urn:example:secret'/></query>", {"own"}),
    ("get", "<query xmlns='jabber:iq:roster'/>", {"own"}),
    ("get", "<blocklist xmlns='urn:xmpp:blocking'/>", {"own"}),
    ("get", "<metadata xmlns='urn:xmpp:mam:2'/>", {"own"}),
    ("get", "<prefs xmlns='urn:xmpp:mam:2'/>", {"own"}),
    ("set", "<query xmlns='urn:xmpp:mam:2'/>", {"own"}),
    ("set", "<vCard xmlns='vcard-temp'><FN>Mallory</FN></vCard>", {"own"}),
    ("set", "<query xmlns='jabber:iq:private'><x xmlns='urn:example:secret'>forged</x></query>", {"own"}),
    ("set", "<block xmlns='urn:xmpp:blocking'><item jid='x@evil.example'/></block>", {"own"}),
    ("set", "<enable xmlns='urn:xmpp:carbons:2'/>", {"own"}),
)


def test_questions():
    for kind, payload, answered in QUESTIONS:
        for who, stream in lookers.items():
            if who == "own" and kind == "set":
                continue
            reply = stream.iq(kind, payload, bare(owner.jid))
            equal(reply.get("type"), "result" if who in answered else "error", f"{who}: {payload}")
            if who == "blocked":
                equal(error_of(reply), nobody(who, kind, payload), f"as if there were no account: {payload}")
    equal(text_of(owner.result("get", "<vCard xmlns='vcard-temp'/>"), "{vcard-temp}vCard/{vcard-temp}FN"), "Ana")


def test_resources_are_closed():
    """RFC 6121 8.5.3.1: who may not see a presence cannot tell a resource that is there from one that is not."""
    for payload in ("<query xmlns='jabber:iq:version'/>", "<query xmlns='jabber:iq:last'/>", "<ping xmlns='urn:xmpp:ping'/>",
                    "<query xmlns='http://jabber.org/protocol/disco#info'/>"):
        for who in ("removed", "stranger", "blocked"):
            there = lookers[who].refused("get", payload, owner.jid)
            equal(there, lookers[who].refused("get", payload, f"{bare(owner.jid)}/none"), f"{who}: {payload}")


def test_presence():
    for stream in lookers.values():
        stream.barrier()
    for who in ("removed", "stranger", "blocked"):
        lookers[who].send(f"<presence type='probe' to='{bare(owner.jid)}'/><presence type='probe' to='{owner.jid}'/>")
        came = [e for e in lookers[who].barrier() if e.tag == CLIENT + "presence" and e.get("type") in (None, "unavailable")]
        equal([ET.tostring(e).decode() for e in came], [], f"a probe of {who}")
    owner.send("<presence><status>seen</status></presence>")
    lookers["own"].presence(owner.jid)
    lookers["contact"].presence(owner.jid)
    for who in ("removed", "stranger", "blocked"):
        equal([e for e in lookers[who].barrier() if bare(e.get("from", "")) == bare(owner.jid)], [], who)


main()
