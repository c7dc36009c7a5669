#!/usr/bin/python3
"""Personal eventing on a pubsub core: XEP-0163, XEP-0060, and what OMEMO (XEP-0384 0.3.0) needs of them."""
import base64
import hashlib
import time
import xml.etree.ElementTree as ET

from lazo_test import *
from xmpp_raw import *
from pep import *

def setup():
    global relay
    relay = Relay()


def friends():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    return a, b


def close(*streams):
    for stream in streams:
        stream.close()


def test_publish_and_fetch():
    a = login(relay, relay.user())
    reply = a.result("set", publish(item="one"))
    published = reply.find(f"{PUBSUB}pubsub/{PUBSUB}publish/{PUBSUB}item")
    equal(published.get("id"), "one")
    equal(items(a.result("get", get())), [("one", "a")])
    # without an id the service makes one
    reply = a.result("set", publish(payload="<tune xmlns='urn:example:tune'>b</tune>"))
    made = reply.find(f"{PUBSUB}pubsub/{PUBSUB}publish/{PUBSUB}item").get("id")
    check(made, "an id was made")
    # PEP keeps one item unless told otherwise (XEP-0163 4.2)
    equal(items(a.result("get", get())), [(made, "b")])
    equal(items(a.result("get", get(extra=" max_items='1'"))), [(made, "b")])
    close(a)


def test_publish_again_replaces():
    a = login(relay, relay.user())
    for text in ("x", "y"):
        a.result("set", publish(item="current", payload=f"<tune xmlns='urn:example:tune'>{text}</tune>"))
    equal(items(a.result("get", get())), [("current", "y")])
    close(a)


def test_notified_by_interest_only():
    a, b = friends()
    deaf = login(relay, bare(b.jid))
    interests(b, NODE)
    b.barrier()
    a.result("set", publish(item="1"))
    got = event(b, bare(a.jid))
    equal((local(got), got[0].get("id"), got[0][0].text), ("items", "1", "a"))
    no_event(deaf)
    a.result("set", publish("urn:example:other", item="1"))
    no_event(b)
    close(a, b, deaf)


def test_own_resources_are_notified():
    jid = relay.user()
    a, other = login(relay, jid), login(relay, jid)
    interests(other, NODE)
    other.barrier()
    a.result("set", publish(item="1"))
    equal(event(other, jid)[0].get("id"), "1")
    close(a, other)


def test_last_item_on_presence():
    a, b = friends()
    a.result("set", publish(item="kept"))
    interests(b, NODE)
    equal(event(b, bare(a.jid))[0].get("id"), "kept", "XEP-0163 4.3.4: the last item on the first presence with the interest")
    again = login(relay, bare(b.jid))
    interests(again, NODE)
    equal(event(again, bare(a.jid))[0].get("id"), "kept")
    close(a, b, again)


def test_last_item_of_oneself_on_presence():
    jid = relay.user()
    a = login(relay, jid)
    a.result("set", publish(DEVICES, "current", "<list xmlns='eu.siacs.conversations.axolotl'><device id='1'/></list>"))
    again = login(relay, jid)
    interests(again, DEVICES)
    equal(event(again, jid, DEVICES)[0].get("id"), "current")
    close(a, again)


def test_presence_access_is_the_default():
    a, b = friends()
    stranger = login(relay, relay.user())
    a.result("set", publish(item="1"))
    equal(items(b.result("get", get(), bare(a.jid))), [("1", "a")])
    reply = stranger.iq("get", get(), bare(a.jid))
    equal(error_of(reply), ("auth", "not-authorized"), "XEP-0060 6.5.9.4")
    equal(pubsub_error(reply), "presence-subscription-required")
    interests(stranger, NODE)
    stranger.send(f"<presence to='{bare(a.jid)}'/>")
    a.result("set", publish(item="2"))
    no_event(stranger)
    close(a, b, stranger)


def test_open_access_serves_strangers():
    a, stranger = login(relay, relay.user()), login(relay, relay.user())
    a.result("set", publish(DEVICES, "current", "<list xmlns='eu.siacs.conversations.axolotl'><device id='7'/></list>",
                            {"access_model": "open"}))
    reply = stranger.result("get", get(DEVICES), bare(a.jid))
    device = reply.find(f".//{{eu.siacs.conversations.axolotl}}device")
    equal(device.get("id"), "7")
    reply = stranger.result("get", f"<pubsub {PS}><items node='{DEVICES}'><item id='current'/></items></pubsub>", bare(a.jid))
    equal([i for i, _ in items(reply)], ["current"])
    close(a, stranger)


def test_whitelist_is_the_owners_alone():
    a, b = friends()
    a.result("set", publish(item="private", options={"access_model": "whitelist", "persist_items": "true"}))
    reply = b.iq("get", get(), bare(a.jid))
    check(error_of(reply)[1] in ("not-allowed", "forbidden"), f"{error_of(reply)}")
    equal(pubsub_error(reply), "closed-node", "XEP-0060 6.5.9.6")
    equal(items(a.result("get", get())), [("private", "a")])
    interests(b, NODE)
    b.barrier()
    a.result("set", publish(item="private"))
    no_event(b)
    close(a, b)


def test_roster_access():
    a, b = friends()
    a.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{bare(b.jid)}'><group>Familia</group></item></query>")
    a.result("set", publish(item="1"))
    a.result("set", f"<pubsub {OWNER}><configure node='{NODE}'>"
             + form(CONFIG, access_model="roster", roster_groups_allowed="Familia") + "</configure></pubsub>")
    equal(items(b.result("get", get(), bare(a.jid))), [("1", "a")])
    a.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{bare(b.jid)}'><group>Trabajo</group></item></query>")
    reply = b.iq("get", get(), bare(a.jid))
    equal(error_of(reply), ("auth", "not-authorized"))
    equal(pubsub_error(reply), "not-in-roster-group")
    close(a, b)


def test_publish_options_are_preconditions():
    # XEP-0060 7.1.5: applied when the node is made, compared when it is there
    a = login(relay, relay.user())
    a.result("set", publish(item="1", options={"access_model": "open", "persist_items": "true"}))
    reply = a.iq("set", publish(item="2", options={"access_model": "whitelist"}))
    equal((error_of(reply), pubsub_error(reply)), (("cancel", "conflict"), "precondition-not-met"))
    equal([i for i, _ in items(a.result("get", get()))], ["1"], "refused means not published")
    a.result("set", publish(item="2", options={"access_model": "open"}))
    close(a)


def test_max_items():
    a = login(relay, relay.user())
    for i in range(5):
        a.result("set", publish(item=f"i{i}", options={"max_items": "3", "persist_items": "true"}))
    equal(sorted(i for i, _ in items(a.result("get", get()))), ["i2", "i3", "i4"])
    a.result("set", publish("urn:example:many", "m0", options={"max_items": "max", "persist_items": "true"}))
    for i in range(1, 20):
        a.result("set", publish("urn:example:many", f"m{i}", options={"max_items": "max"}))
    equal(len(items(a.result("get", get("urn:example:many")))), 20)
    equal(len(items(a.result("get", get("urn:example:many", " max_items='2'")))), 2)
    close(a)


def test_nobody_speaks_for_another_client():
    # XEP-0115 8.2: an answer that does not hash to what was announced counts for its sender alone
    a, liar = friends()
    honest = login(relay, bare(liar.jid), resource="0")      # before the liar's by address: its turn comes all the same
    features = ("http://jabber.org/protocol/disco#info", NODE + "+notify", "urn:example:poisoned")
    ver = hash_of(*features)
    announce(liar, ver)
    question = asked(liar)
    announce(honest, ver)
    honest.barrier()
    # An answer from another session than the one that was asked is nobody's.
    tell(honest, question, *features)
    honest.barrier()
    tell(liar, question, "urn:example:lie", "urn:example:other+notify")
    tell(honest, asked(honest), *features)
    honest.barrier()
    a.result("set", publish(item="1"))
    equal(event(honest, bare(a.jid))[0].get("id"), "1")
    no_event(liar)
    a.result("set", publish("urn:example:other", item="1"))
    equal(event(liar, bare(a.jid), "urn:example:other")[0].get("id"), "1", "what it said of itself counts for itself")
    no_event(honest)
    # The next one is believed without a question, and the liar is not asked again for the same.
    announce(liar, ver)
    third = login(relay, bare(liar.jid))
    announce(third, ver)
    equal(event(third, bare(a.jid))[0].get("id"), "1")
    for stream in (liar, third):
        equal([e for e in stream.barrier() if e.find(DISCO_INFO + "query") is not None], [], "no question")
    close(a, liar, honest, third)


def test_who_does_not_answer_holds_up_nobody():
    a, mute = friends()
    features = ("http://jabber.org/protocol/disco#info", NODE + "+notify", "urn:example:mute")
    announce(mute, hash_of(*features))
    question = asked(mute)
    honest = login(relay, bare(mute.jid))
    announce(honest, hash_of(*features))
    tell(honest, asked(honest, 30), *features)
    honest.barrier()
    a.result("set", publish(item="1"))
    equal(event(honest, bare(a.jid))[0].get("id"), "1")
    no_event(mute)
    tell(mute, question, *features)             # late, and believed of itself
    equal(event(mute, bare(a.jid))[0].get("id"), "1")
    close(a, mute, honest)


def test_a_smaller_node_shows_fewer():
    a = login(relay, relay.user())
    for i in range(5):
        a.result("set", publish(item=f"i{i}", options={"max_items": "5"}))
    a.result("set", f"<pubsub {OWNER}><configure node='{NODE}'>{form(CONFIG, max_items='2')}</configure></pubsub>")
    equal([i for i, _ in items(a.result("get", get()))], ["i4", "i3"])
    a.result("set", f"<pubsub {OWNER}><configure node='{NODE}'>{form(CONFIG, persist_items='false')}</configure></pubsub>")
    equal(a.refused("get", get())[1], "feature-not-implemented")
    a.result("set", f"<pubsub {OWNER}><configure node='{NODE}'>{form(CONFIG, persist_items='true')}</configure></pubsub>")
    equal(items(a.result("get", get())), [], "what was not to be kept is gone")
    close(a)


def test_affiliations():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    a.result("set", publish(item="1", options={"access_model": "whitelist"}))

    def affiliate(who, what):
        return (f"<pubsub {OWNER}><affiliations node='{NODE}'><affiliation jid='{who}' affiliation='{what}'/></affiliations></pubsub>")
    equal(b.refused("get", get(), bare(a.jid)), ("cancel", "not-allowed"))
    a.result("set", affiliate(bare(b.jid), "member"))
    equal(items(b.result("get", get(), bare(a.jid))), [("1", "a")])
    reply = a.result("get", f"<pubsub {OWNER}><affiliations node='{NODE}'/></pubsub>")
    found = {e.get("jid"): e.get("affiliation") for e in reply.iter("{http://jabber.org/protocol/pubsub#owner}affiliation")}
    equal(found, {bare(a.jid): "owner", bare(b.jid): "member"})
    equal(b.refused("set", affiliate(bare(b.jid), "owner"), bare(a.jid)), ("auth", "forbidden"))
    equal(a.refused("set", affiliate(bare(b.jid), "publisher")), ("modify", "not-acceptable"))
    a.result("set", f"<pubsub {OWNER}><configure node='{NODE}'>{form(CONFIG, access_model='open')}</configure></pubsub>")
    a.result("set", affiliate(bare(b.jid), "outcast"))
    equal(b.refused("get", get(), bare(a.jid)), ("auth", "forbidden"))
    a.result("set", affiliate(bare(b.jid), "none"))
    equal(items(b.result("get", get(), bare(a.jid))), [("1", "a")])
    close(a, b)


RSM = "{http://jabber.org/protocol/rsm}"


def page(stream, inside, node=NODE, most=""):
    """One page by XEP-0059 in XEP-0060 6.5.4: ids shown, and the set's count, index, first and last."""
    reply = stream.result("get", f"<pubsub {PS}><items node='{node}'{most}/><set xmlns='http://jabber.org/protocol/rsm'>{inside}</set></pubsub>")
    found = reply.find(f"{PUBSUB}pubsub/{RSM}set")
    first = found.find(RSM + "first")
    return ([i for i, _ in items(reply)], text_of(found, RSM + "count"), first.get("index") if first is not None else None,
            first.text if first is not None else None, text_of(found, RSM + "last"))


def test_pages():
    a = login(relay, relay.user())
    for i in range(7):
        a.result("set", publish(item=f"i{i}", options={"max_items": "max"}))
    equal(page(a, "<max>3</max>"), (["i6", "i5", "i4"], "7", "0", "i6", "i4"))
    equal(page(a, "<max>3</max><after>i4</after>"), (["i3", "i2", "i1"], "7", "3", "i3", "i1"))
    equal(page(a, "<max>3</max><after>i1</after>"), (["i0"], "7", "6", "i0", "i0"))
    equal(page(a, "<max>2</max><before/>")[0], ["i1", "i0"])
    equal(page(a, "<max>2</max><before>i3</before>")[0], ["i5", "i4"])
    equal(page(a, "<max>2</max><index>5</index>")[0], ["i1", "i0"])
    equal(page(a, "<max>0</max>")[:2], ([], "7"))
    got = a.refused("get", f"<pubsub {PS}><items node='{NODE}'/><set xmlns='http://jabber.org/protocol/rsm'><after>none</after></set></pubsub>")
    equal(got, ("cancel", "item-not-found"))
    wanted = "".join(f"<item id='{i}'/>" for i in ("i5", "none", "i2"))
    reply = a.result("get", f"<pubsub {PS}><items node='{NODE}'>{wanted}</items></pubsub>")
    equal([i for i, _ in items(reply)], ["i5", "i2"])
    close(a)


def test_a_large_node_comes_in_parts():
    a = login(relay, relay.user())
    large = "x" * 200000
    for i in range(6):
        a.result("set", publish(item=f"i{i}", payload=f"<tune xmlns='urn:example:tune'>{large}</tune>", options={"max_items": "max"}))
    seen, last = [], ""
    for _ in range(6):
        ids, count, _, _, last = page(a, f"<after>{last}</after>" if last else "")
        equal(count, "6")
        check(0 < len(ids) < 6, f"some at a time: {ids}")
        seen += ids
        if len(seen) == 6:
            break
    equal(seen, [f"i{i}" for i in reversed(range(6))], "all of them, once")
    reply = a.result("get", get())
    check(0 < len(items(reply)) < 6 and reply.find(f"{PUBSUB}pubsub/{RSM}set") is not None, "unasked too, and said")
    close(a)


def test_large_items_of_a_contact_close_nobody():
    # Somebody who publishes much cannot fill the stream of those who are told of it.
    a, b = friends()
    nodes = [f"urn:example:large:{i}" for i in range(80)]
    payload = "<tune xmlns='urn:example:tune'>" + "x" * 200000 + "</tune>"
    for node in nodes:
        a.result("set", publish(node, "1", payload))
    again = login(relay, bare(b.jid))
    interests(again, *nodes)
    time.sleep(2)               # 16 MB wait for a stream that is not read
    again.barrier()
    again.barrier()
    close(a, b, again)


def test_retract():
    a, b = friends()
    a.result("set", publish(item="1"))
    interests(b, NODE)
    event(b, bare(a.jid))
    a.result("set", f"<pubsub {PS}><retract node='{NODE}' notify='true'><item id='1'/></retract></pubsub>")
    got = event(b, bare(a.jid))
    equal([local(c) for c in got], ["retract"])
    equal(got[0].get("id"), "1")
    equal(items(a.result("get", get())), [])
    reply = a.iq("set", f"<pubsub {PS}><retract node='{NODE}'><item id='1'/></retract></pubsub>")
    check(reply.get("type") == "result" or error_of(reply) == ("cancel", "item-not-found"), "XEP-0060 7.2.3.4")
    close(a, b)


def test_delete_node():
    a, b = friends()
    a.result("set", publish(item="1"))
    interests(b, NODE)
    event(b, bare(a.jid))
    a.result("set", f"<pubsub {OWNER}><delete node='{NODE}'/></pubsub>")
    equal(local(event(b, bare(a.jid))), "delete")
    equal(a.refused("get", get()), ("cancel", "item-not-found"))
    equal(a.refused("set", f"<pubsub {OWNER}><delete node='{NODE}'/></pubsub>"), ("cancel", "item-not-found"))
    close(a, b)


def test_configure():
    a = login(relay, relay.user())
    stranger = login(relay, relay.user())
    a.result("set", publish(item="1"))
    reply = a.result("get", f"<pubsub {OWNER}><configure node='{NODE}'/></pubsub>")
    shown = {f.get("var"): text_of(f, FORM + "value") for f in reply.iter(FORM + "field")}
    equal(shown["FORM_TYPE"], CONFIG)
    equal(shown["pubsub#access_model"], "presence")
    check("pubsub#max_items" in shown and "pubsub#persist_items" in shown, f"{sorted(shown)}")
    a.result("set", f"<pubsub {OWNER}><configure node='{NODE}'>{form(CONFIG, access_model='open')}</configure></pubsub>")
    equal(items(stranger.result("get", get(), bare(a.jid))), [("1", "a")])
    got = stranger.refused("get", f"<pubsub {OWNER}><configure node='{NODE}'/></pubsub>", bare(a.jid))
    equal(got, ("auth", "forbidden"))
    close(a, stranger)


def test_bad_configuration_is_refused():
    a = login(relay, relay.user())
    a.result("set", publish(item="1"))
    for wrong in ({"access_model": "everybody"}, {"max_items": "-1"}, {"max_items": "many"}):
        kind, condition = a.refused("set", f"<pubsub {OWNER}><configure node='{NODE}'>{form(CONFIG, **wrong)}</configure></pubsub>")
        check(condition in ("not-acceptable", "bad-request"), f"{wrong}: {condition}")
    close(a)


def test_create_node():
    a = login(relay, relay.user())
    a.result("set", f"<pubsub {PS}><create node='{NODE}'/><configure>{form(CONFIG, access_model='open')}</configure></pubsub>")
    equal(items(a.result("get", get())), [])
    equal(a.refused("set", f"<pubsub {PS}><create node='{NODE}'/></pubsub>"), ("cancel", "conflict"))
    close(a)


def test_only_the_owner_writes():
    a, b = friends()
    a.result("set", publish(item="1", options={"access_model": "open"}))
    jid = bare(a.jid)
    for payload in (publish(item="forged"), f"<pubsub {PS}><retract node='{NODE}'><item id='1'/></retract></pubsub>",
                    f"<pubsub {OWNER}><delete node='{NODE}'/></pubsub>", f"<pubsub {OWNER}><purge node='{NODE}'/></pubsub>",
                    f"<pubsub {PS}><create node='urn:example:theirs'/></pubsub>",
                    f"<pubsub {OWNER}><configure node='{NODE}'>{form(CONFIG, access_model='open')}</configure></pubsub>"):
        kind, condition = b.refused("set", payload, jid)
        check(condition in ("forbidden", "not-allowed"), f"{payload[:80]}: {condition}")
    equal(items(a.result("get", get())), [("1", "a")])
    close(a, b)


def test_no_node_and_the_error_echoes():
    # profanity publishes its first device list only when the error repeats its request (RFC 6120 8.3.1 allows it).
    a, b = login(relay, relay.user()), login(relay, relay.user())
    a.result("set", publish(item="x"))
    reply = a.iq("get", get(DEVICES))
    equal(error_of(reply), ("cancel", "item-not-found"))
    asked = reply.find(f"{PUBSUB}pubsub/{PUBSUB}items")
    check(asked is not None and asked.get("node") == DEVICES, "the request is in the error")
    got = b.refused("get", get(DEVICES), bare(a.jid))
    check(got[1] in ("item-not-found", "not-authorized"), f"{got}")
    close(a, b)


def test_pep_of_nobody_looks_like_an_empty_one():
    # XEP-0163 and RFC 6121 8.5.1: no account is told from one by what a stranger may see
    a = login(relay, relay.user())
    equal(a.refused("get", get(), f"nobody@{HOST}"), ("cancel", "service-unavailable"))
    close(a)


def test_bad_requests():
    a = login(relay, relay.user())
    cases = [
        (f"<pubsub {PS}><publish node='{NODE}'><item/><item/></publish></pubsub>", ("bad-request", "not-allowed")),
        (f"<pubsub {PS}><publish><item><a xmlns='urn:a'/></item></publish></pubsub>", ("bad-request",)),
        (f"<pubsub {PS}><publish node='{NODE}'><item><a xmlns='urn:a'/><b xmlns='urn:b'/></item></publish></pubsub>", ("bad-request",)),
        (f"<pubsub {PS}><retract node='{NODE}'/></pubsub>", ("bad-request", "item-not-found")),
        (f"<pubsub {PS}/>", ("bad-request", "feature-not-implemented")),
        (f"<pubsub {PS}><dance/></pubsub>", ("bad-request", "feature-not-implemented", "service-unavailable")),
    ]
    for payload, allowed in cases:
        condition = a.refused("set", payload)[1]
        check(condition in allowed, f"{payload}: {condition}")
    close(a)


def test_omemo_bundle_fetched_by_a_stranger_after_a_restart():
    a = login(relay, relay.user())
    bundle = "<bundle xmlns='eu.siacs.conversations.axolotl'><signedPreKeyPublic signedPreKeyId='1'>AAAA</signedPreKeyPublic></bundle>"
    a.result("set", publish(BUNDLE, "current", bundle, {"access_model": "open", "persist_items": "true"}))
    jid = bare(a.jid)
    a.drop()
    relay.restart()
    stranger = login(relay, relay.user())
    reply = stranger.result("get", get(BUNDLE), jid)
    equal(reply.find(".//{eu.siacs.conversations.axolotl}signedPreKeyPublic").text, "AAAA")
    close(stranger)


def test_disco_of_the_account():
    a = login(relay, relay.user())
    a.result("set", publish(item="1"))
    reply = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", bare(a.jid))
    kinds = {(i.get("category"), i.get("type")) for i in reply.iter(DISCO_INFO + "identity")}
    check(("pubsub", "pep") in kinds, f"{kinds}")
    check(("account", "registered") in kinds, f"{kinds}")
    features = {f.get("var") for f in reply.iter(DISCO_INFO + "feature")}
    for need in ("publish", "retrieve-items", "auto-create", "auto-subscribe", "filtered-notifications", "access-presence",
                 "access-open", "access-whitelist", "access-roster", "persistent-items", "publish-options", "last-published",
                 "retract-items", "delete-nodes", "config-node", "config-node-max", "item-ids", "multi-items"):
        check(f"http://jabber.org/protocol/pubsub#{need}" in features, f"pubsub#{need} is announced")
    reply = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", bare(a.jid))
    check(NODE in [i.get("node") for i in reply.iter(DISCO_ITEMS + "item")], "nodes are found by their owner")
    close(a)


def test_removed_contact_sees_nothing_more():
    a, b = friends()
    a.result("set", publish(item="1"))
    interests(b, NODE)
    event(b, bare(a.jid))
    a.send(f"<presence type='unsubscribed' to='{bare(b.jid)}'/>")
    b.presence(bare(a.jid), "unsubscribed")
    a.result("set", publish(item="2"))
    no_event(b)
    equal(error_of(b.iq("get", get(), bare(a.jid))), ("auth", "not-authorized"))
    close(a, b)


def test_slow_line_gets_all_it_asked_for():
    # More answers than a slow line takes at once: the relay stops reading questions, it does not close.
    a = login(relay, relay.user())
    large = "x" * 150_000
    a.result("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:example:large'><item id='i'>"
             f"<t xmlns='urn:example:large'>{large}</t></item></publish></pubsub>")
    for i in range(60):
        a.send(f"<iq type='get' id='slow{i}'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
               "<items node='urn:example:large'/></pubsub></iq>")
    time.sleep(1)       # nothing is read meanwhile
    for i in range(60):
        equal(a.wait(lambda e: e.tag == CLIENT + "iq", 30).get("id"), f"slow{i}")
        time.sleep(0.01)
    a.close()


main()
