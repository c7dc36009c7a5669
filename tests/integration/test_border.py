#!/usr/bin/python3
"""What crosses the border between two relays beside messages: subscriptions, presence, personal eventing, vCards, and across a cut.

RFC 6121 (3, 4), XEP-0012, XEP-0030, XEP-0054, XEP-0060, XEP-0115, XEP-0163, XEP-0199, proto/spec/courier.md.
"""
import contextlib
import sqlite3

from lazo_test import *
from pep import *
from xmpp_raw import *

ROSTER = "{jabber:iq:roster}"


def pair(**conf):
    """Two relays that know each other's address."""
    authority = Authority(scratch() / f"ca{free_port()}")
    hosts, ports = ("uno.example", "dos.example"), (free_port(), free_port())
    relays = []
    for mine in (0, 1):
        peer = {f'peer "{hosts[1 - mine]}"': {"address": f'"127.0.0.1:{ports[1 - mine]}"', "tls": '"starttls"'}}
        relays.append(Relay(hosts[mine], authority, trust=[str(authority.crt)], server=[f"127.0.0.1:{ports[mine]}"], **peer, **conf))
    return relays


def setup():
    global one, two
    one, two = pair()


def people(resource=None):
    return login(one, one.user(), resource=resource), login(two, two.user(), resource=resource)


def say(stream, kind, to):
    stream.send(f"<presence type='{kind}' to='{to}'/>")


def item_of(stream, contact):
    """Its roster item: (subscription, ask); None: none."""
    for item in stream.result("get", "<query xmlns='jabber:iq:roster'/>").iter(ROSTER + "item"):
        if item.get("jid") == contact:
            return item.get("subscription"), item.get("ask")
    return None


def unsent(relay):
    with contextlib.closing(sqlite3.connect(f"file:{relay.data / 'lazo.db'}?mode=ro", uri=True)) as base:
        return base.execute("SELECT count(*) FROM roster WHERE flags >= 64").fetchone()[0]


def all_sent(*relays):
    for relay in relays:
        eventually(lambda: unsent(relay) == 0, 60, f"{relay.host} has nothing left to tell")


# ---- subscriptions are state

def test_request_waits():
    """Asked while their relay is away, over a crash of ours; granted while ours is away."""
    a, b = people()
    me, they = bare(a.jid), bare(b.jid)
    b.close()
    two.stop()
    say(a, "subscribe", they)
    equal(item_of(a, they), ("none", "subscribe"))
    one.kill()
    one.start()
    equal(unsent(one), 1, "on the disk")
    two.start()
    b = login(two, they)
    equal(b.presence(me, "subscribe", timeout=60).get("to"), they)
    all_sent(one)
    a.drop()
    one.stop()
    say(b, "subscribed", me)
    equal(item_of(b, me), ("from", None))
    two.kill()
    two.start()
    one.start()
    a = login(one, me)
    eventually(lambda: item_of(a, they) == ("to", None), 60, "the grant came")
    all_sent(one, two)
    b.drop()
    b = login(two, they)
    a.presence(b.jid, timeout=30)
    for stream in (a, b):
        stream.close()


def test_only_the_last_state():
    """Who changed their mind meanwhile has asked nobody anything."""
    a, b = people()
    me, they = bare(a.jid), bare(b.jid)
    b.close()
    two.stop()
    for kind in ("subscribe", "unsubscribe", "subscribe", "unsubscribe"):
        say(a, kind, they)
    a.barrier()
    two.start()
    b = login(two, they)
    all_sent(one)
    check(not any(e.tag == CLIENT + "presence" and e.get("type") == "subscribe" for e in b.barrier()), "no request")
    check(item_of(b, me) is None, "nor any trace of one")
    a.close()
    b.close()


def test_removed_while_away():
    a, b = people()
    me, they = bare(a.jid), bare(b.jid)
    befriend(a, b)
    all_sent(one, two)
    b.close()
    two.stop()
    a.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{they}' subscription='remove'/></query>")
    check(item_of(a, they) is None, "gone from the list")
    a.close()
    one.restart()
    two.start()
    b = login(two, they)
    eventually(lambda: item_of(b, me) == ("none", None), 60, "they know that it is over")
    all_sent(one)
    a = login(one, me)
    check(item_of(a, they) is None, "and stays gone")
    a.close()
    b.close()


def test_presence_after_a_cut():
    a, b = people()
    befriend(a, b)
    all_sent(one, two)
    they = b.jid
    b.drop()
    two.kill()
    a.send("<presence><show>away</show><status>sola</status></presence>")
    a.barrier()
    two.start()
    b = login(two, bare(they), resource="nueva")
    equal(text_of(b.wait(lambda e: e.tag == CLIENT + "presence" and e.get("from") == a.jid, timeout=60), CLIENT + "status"), "sola")
    a.presence(b.jid, timeout=60)
    a.close()
    b.close()


# ---- personal eventing

def answer_about(stream, *features, timeout=10):
    """Tell whoever asks next what this client is."""
    question = stream.wait(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "get" and e.find(DISCO_INFO + "query") is not None, timeout)
    node = question.find(DISCO_INFO + "query").get("node")
    stream.send(f"<iq type='result' id='{question.get('id')}' to='{question.get('from')}'><query xmlns='http://jabber.org/protocol/disco#info' "
                f"node='{node}'><identity category='client' type='pc' name='Test'/>" + "".join(f"<feature var='{f}'/>" for f in features)
                + "</query></iq>")
    return question.get("from")


def hears(stream, contact, *nodes):
    """Its relay and its contact's learn what it wants to hear of."""
    features = sorted(["http://jabber.org/protocol/disco#info", "urn:example:" + new_id(), *[n + "+notify" for n in nodes]])
    announce(stream, hash_of(*features))
    equal({answer_about(stream, *features) for _ in range(2)}, {stream.relay_host, contact}, "who asked")


def friends():
    a, b = people()
    befriend(a, b)
    for stream, relay in ((a, one), (b, two)):
        stream.relay_host = relay.host
        stream.send("<presence/>")
    a.presence(b.jid)
    b.presence(a.jid)
    return a, b


def test_notifications():
    a, b = friends()
    me, they = bare(a.jid), bare(b.jid)
    a.result("set", publish(item="uno", payload="<tune xmlns='urn:example:tune'>primera</tune>"))
    a.result("set", publish(node="urn:example:closed", options={"access_model": "whitelist"}))
    hears(b, me, NODE, "urn:example:closed", DEVICES)
    equal([(i.get("id"), i[0].text) for i in event(b, me)], [("uno", "primera")], "the last item, to who comes")
    a.result("set", publish(item="dos", payload="<tune xmlns='urn:example:tune'>segunda</tune>"))
    equal([(i.get("id"), i[0].text) for i in event(b, me)], [("dos", "segunda")])
    a.result("set", publish(node="urn:example:closed"))
    a.result("set", publish(node="urn:example:unasked"))
    a.result("set", publish(node=DEVICES, payload="<list xmlns='eu.siacs.conversations.axolotl'><device id='1'/></list>",
                            options={"access_model": "open"}))
    event(b, me, DEVICES)
    no_event(b)
    a.result("set", f"<pubsub {PS}><retract node='{NODE}' notify='true'><item id='dos'/></retract></pubsub>")
    equal([local(i) for i in event(b, me)], ["retract"])
    say(a, "unsubscribed", they)     # no subscription, no notification
    b.presence(me, "unsubscribed")
    a.result("set", publish(item="tres"))
    a.barrier()
    no_event(b)
    a.close()
    b.close()


def test_a_liar_speaks_for_itself():
    """An answer that does not hash to what was announced counts for no other client."""
    a, b = friends()
    c, d = friends()
    features = ("http://jabber.org/protocol/disco#info", "urn:example:" + new_id(), NODE + "+notify")
    announce(b, hash_of(*features))
    for _ in range(2):
        answer_about(b, "http://jabber.org/protocol/disco#info")      # less than it announced
    announce(d, hash_of(*features))
    for _ in range(2):
        answer_about(d, *sorted(features))
    c.result("set", publish())
    event(d, bare(c.jid))
    a.result("set", publish())
    no_event(b)
    for stream in (a, b, c, d):
        stream.close()


def test_items_across():
    a, b = friends()
    stranger = login(two, two.user())
    me = bare(a.jid)
    a.result("set", publish(item="uno"))
    a.result("set", publish(node=DEVICES, item="current", options={"access_model": "open"},
                            payload="<list xmlns='eu.siacs.conversations.axolotl'><device id='31415'/></list>"))
    a.result("set", publish(node=BUNDLE, item="current", payload="<bundle xmlns='eu.siacs.conversations.axolotl'/>",
                            options={"access_model": "open"}))
    a.result("set", publish(node="urn:example:closed", options={"access_model": "whitelist"}))
    for stream in (b, stranger):
        for node in (DEVICES, BUNDLE):
            equal([i[0] for i in items(stream.result("get", get(node), me))], ["current"], node)
    equal([i[0] for i in items(b.result("get", get(), me))], ["uno"])
    equal(b.refused("get", get("urn:example:closed"), me)[1], "not-allowed")
    equal(stranger.refused("get", get(), me)[1], "not-authorized")
    equal(b.refused("set", publish(), me)[1], "forbidden")
    for stream in (a, b, stranger):
        stream.close()


def test_what_a_cut_hid():
    """An item published while their relay was away comes when it is back."""
    a, b = friends()
    me, they = bare(a.jid), bare(b.jid)
    hears(b, me, NODE)
    b.drop()
    two.kill()
    a.result("set", publish(item="uno", payload="<tune xmlns='urn:example:tune'>en silencio</tune>"))
    two.start()
    b = login(two, they, presence=False)
    b.relay_host = two.host
    features = sorted(["http://jabber.org/protocol/disco#info", "urn:example:" + new_id(), NODE + "+notify"])
    announce(b, hash_of(*features))
    for _ in range(2):
        answer_about(b, *features, timeout=60)
    equal([i[0].text for i in event(b, me, timeout=60)], ["en silencio"])
    a.close()
    b.close()


# ---- questions and answers

def test_questions():
    a, b = friends()
    they = bare(b.jid)
    b.result("set", "<vCard xmlns='vcard-temp'><FN>Bea</FN></vCard>")
    equal(text_of(a.result("get", "<vCard xmlns='vcard-temp'/>", they), "{vcard-temp}vCard/{vcard-temp}FN"), "Bea")
    check(a.result("get", "<query xmlns='jabber:iq:last'/>", they).find("{jabber:iq:last}query").get("seconds") == "0", "here")
    a.result("get", "<query xmlns='jabber:iq:last'/>", two.host)
    a.result("get", "<ping xmlns='urn:xmpp:ping'/>", two.host)
    for to in (they, two.host):
        check(a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to).find(f"{DISCO_INFO}query/{DISCO_INFO}feature") is not None, to)
        a.result("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", to)
    stranger = login(one, one.user())
    equal(stranger.refused("get", "<query xmlns='jabber:iq:last'/>", they)[1], "forbidden")
    say(stranger, "probe", they)
    stranger.result("get", "<ping xmlns='urn:xmpp:ping'/>", two.host)    # behind the probe's answer
    check(not any(e.tag == CLIENT + "presence" for e in stranger.barrier()), "a stranger sees nobody")
    for stream in (a, b, stranger):
        stream.close()


def test_questions_do_not_wait():
    a, b = friends()
    they = b.jid
    b.drop()
    two.stop()
    for to, payload in ((they, "<ping xmlns='urn:xmpp:ping'/>"), (bare(they), get(DEVICES)), (two.host, "<ping xmlns='urn:xmpp:ping'/>")):
        reply = a.iq("get", payload, to, timeout=35)
        equal((reply.get("type"), error_of(reply)[1]), ("error", "remote-server-timeout"), to)
    two.start()
    eventually(lambda: a.iq("get", "<ping xmlns='urn:xmpp:ping'/>", two.host, timeout=35).get("type") == "result", 60, "they are back")
    a.close()


# ---- keys, kept for when their relay is away (proto/spec/courier.md 11)

COURIER = "{urn:lazo:courier:0}"
OMEMO = "{eu.siacs.conversations.axolotl}"


def publish_keys(stream, *devices):
    listed = "".join(f"<device id='{d}'/>" for d in devices)
    stream.result("set", publish(node=DEVICES, item="current", payload=f"<list xmlns='eu.siacs.conversations.axolotl'>{listed}</list>",
                                 options={"access_model": "open"}))
    for device in devices:
        stream.result("set", publish(node=f"eu.siacs.conversations.axolotl.bundles:{device}", item="current", options={"access_model": "open"},
                                     payload="<bundle xmlns='eu.siacs.conversations.axolotl'><signedPreKeyPublic signedPreKeyId='1'>AAAA</signedPreKeyPublic>"
                                     + "<prekeys>" + "".join(f"<preKeyPublic preKeyId='{n}'>AAAA</preKeyPublic>" for n in range(1, 101)) + "</prekeys></bundle>"))


def copy_of(stream, contact):
    """The relay's copy: node -> (age, payload); {}: none."""
    reply = stream.iq("get", f"<keys xmlns='urn:lazo:courier:0' jid='{contact}'/>")
    if reply.get("type") == "error":
        equal(error_of(reply)[1], "item-not-found")
        return {}
    return {i.get("node"): (int(i.get("age")), i[0]) for i in reply.iterfind(f"{COURIER}keys/{COURIER}items")}


def prekeys(copy, device):
    return {k.get("preKeyId") for k in copy[f"eu.siacs.conversations.axolotl.bundles:{device}"][1].iter(OMEMO + "preKeyPublic")}


def test_keys_are_kept():
    a, b = people()
    me, they = bare(a.jid), bare(b.jid)
    publish_keys(b, 11, 12)
    befriend(a, b)
    eventually(lambda: len(copy_of(a, they)) == 3, 30, "fetched when the contact let us see it")
    b.drop()
    two.kill()
    one.restart()
    a = login(one, me)
    copy = copy_of(a, they)
    equal(sorted(copy), sorted([DEVICES] + [f"eu.siacs.conversations.axolotl.bundles:{d}" for d in (11, 12)]))
    check(all(0 <= age < 600 for age, _ in copy.values()), "with its age")
    equal([d.get("id") for d in copy[DEVICES][1]], ["11", "12"])
    equal(len(prekeys(copy, 11)), 100)
    stranger = login(one, one.user())
    equal(copy_of(stranger, they), {}, "for subscribers alone")
    equal(stranger.refused("get", f"<keys xmlns='urn:lazo:courier:0' jid='{they}'/>", me)[1], "service-unavailable")
    two.start()
    b = login(two, they)
    publish_keys(b, 12, 13)    # a changed list, of which our client hears
    c = login(one, one.user())
    befriend(c, b)
    eventually(lambda: f"eu.siacs.conversations.axolotl.bundles:13" in copy_of(c, they), 90, "fetched anew")
    check("eu.siacs.conversations.axolotl.bundles:11" not in copy_of(c, they), "what is gone goes")
    mine, theirs = prekeys(copy_of(a, they), 13), prekeys(copy_of(c, they), 13)
    equal((len(mine), len(theirs), mine & theirs), (50, 50, set()), "none of them to two")
    for stream in (a, c):
        stream.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{they}' subscription='remove'/></query>")
    equal(copy_of(a, they), {})

    def kept():
        with contextlib.closing(sqlite3.connect(f"file:{one.data / 'lazo.db'}?mode=ro", uri=True)) as base:
            return base.execute("SELECT count(*) FROM remote_item i JOIN jid j ON j.id = i.contact WHERE j.text = ?", [they]).fetchone()[0]
    eventually(lambda: kept() == 0, 30, "nothing is kept of whom nobody sees")
    for stream in (a, b, c, stranger):
        stream.close()


if __name__ == "__main__":
    main()
