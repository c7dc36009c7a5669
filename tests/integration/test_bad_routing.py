#!/usr/bin/python3
"""Attacks on routing and on what clients trust: R1, R4, R5, R6, R8, R12 of the catalogue."""
import xml.etree.ElementTree as ET

from lazo_test import *
from xmpp_raw import *

CORE = ("from", "to", "id", "type", "by", "stamp", "jid", "rid", "sid")
EVIL = "{urn:example:evil}"
PS = "xmlns='http://jabber.org/protocol/pubsub'"


def setup():
    global relay, bystander
    relay = Relay()
    bystander = Bystander(relay)


def pair():
    return login(relay, relay.user()), login(relay, relay.user())


def test_prefixed_attributes_are_taken_off():
    """R1: a prefixed attribute named like a core one reads as the real one to those who drop prefixes."""
    a, b = pair()
    boss = f"boss@{HOST}"
    for name in CORE:
        for form in (f"<message to='{b.jid}' type='chat' xmlns:e='urn:example:evil' e:{name}='{boss}'><body>x</body></message>",
                     f"<message xmlns:e='urn:example:evil' e:{name}='{boss}' to='{b.jid}' type='chat'><body>x</body></message>",
                     f"<message to='{b.jid}' type='chat'><body>x</body>"
                     f"<delay xmlns='urn:xmpp:delay' xmlns:e='urn:example:evil' e:{name}='{boss}'/></message>",
                     f"<message to='{b.jid}' type='chat' xmlns:e='urn:example:evil'><e:x e:{name}='{boss}'/><body>x</body></message>",
                     f"<presence to='{b.jid}' xmlns:e='urn:example:evil' e:{name}='{boss}'/>"):
            a.send(form)
            got = b.wait(lambda e: e.tag in (CLIENT + "message", CLIENT + "presence") and e.get("type") != "error")
            equal(got.get("from"), a.jid)
            for element in got.iter():
                if element.tag != EVIL + "x":
                    check(EVIL + name not in element.attrib, f"e:{name} came through in {ET.tostring(got).decode()}")
    a.send(f"<message to='{b.jid}' type='chat' xmlns:e='urn:example:evil' e:colour='red'><body>y</body></message>")
    equal(b.message(body="y").get("from"), a.jid)
    a.close()
    b.close()


def test_prefixed_attributes_in_iq():
    a, b = pair()
    befriend(a, b)
    a.send(f"<iq type='get' id='real' to='{b.jid}' xmlns:e='urn:example:evil' e:id='other' e:type='result' e:from='{HOST}'>"
           "<query xmlns='jabber:iq:version'/></iq>")
    got = b.wait(lambda e: e.tag == CLIENT + "iq" and e.find("{jabber:iq:version}query") is not None)
    equal(sorted(got.attrib), ["from", "id", "to", "type"])
    equal((got.get("from"), got.get("id"), got.get("type")), (a.jid, "real", "get"))
    a.close()
    b.close()


def test_prefixed_attributes_of_a_stored_message():
    a = login(relay, relay.user())
    away = relay.user()
    a.send(f"<message to='{away}' type='chat' xmlns:e='urn:example:evil' e:from='{HOST}'><body>later</body></message>")
    a.barrier()
    b = login(relay, away)
    got = b.message(body="later")
    check(not [k for k in got.attrib if k.startswith("{urn")], f"{got.attrib}")
    b.barrier()
    a.close()
    b.close()


def test_many_forged_stanza_ids():
    # R4: every one of them is taken off, not the first alone; also by another spelling of our own address.
    a, b = pair()
    me = bare(b.jid)
    forged = "".join(f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='forged'/>" for by in (me, me, me.upper(), me, me.title()))
    a.send(f"<message to='{me}' type='chat'><body>x</body>{forged}</message>")
    got = b.message(body="x")
    ids = [e for e in got.iterfind(SID + "stanza-id") if e.get("by").lower() == me]
    check(len(ids) == 1 and ids[0].get("id") != "forged", ET.tostring(got).decode())
    a.close()
    b.close()


def test_custody_names_of_ours_do_not_come_from_clients():
    # design 3.3: stripped from clients' input
    a, b = pair()
    a.send(f"<message to='{b.jid}' type='chat'><body>x</body><custody xmlns='urn:lazo:custody:0' id='1' expires='2030-01-01T00:00:00Z'/></message>")
    got = b.message(body="x")
    check(got.find("{urn:lazo:custody:0}custody") is None, "custody is between relays")
    a.close()
    b.close()


def test_roster_push_of_a_stranger():
    """R5: what looks like a push from the account bears its true sender, or does not arrive."""
    a, b = pair()
    push = f"<query xmlns='jabber:iq:roster'><item jid='mallory@{HOST}' subscription='both'/></query>"
    for to in (b.jid, bare(b.jid)):
        a.send(f"<iq type='set' id='push' to='{to}'>{push}</iq>")
        a.barrier()
        for got in b.barrier():
            if got.find(ROSTER + "query") is not None:
                equal(got.get("from"), a.jid)
    reply = b.result("get", "<query xmlns='jabber:iq:roster'/>")
    equal(len(reply.find(ROSTER + "query")), 0, "contacts in the victim's roster")
    a.close()
    b.close()


def test_answers_of_a_stranger():
    # R5: a result with the id of another's question bears its true sender
    a, b = pair()
    for kind in ("result", "error"):
        a.send(f"<iq type='{kind}' id='guess' to='{b.jid}'><query xmlns='jabber:iq:roster'/></iq>")
    a.barrier()
    for got in b.barrier():
        if got.get("id") == "guess":
            equal(got.get("from"), a.jid)
    # and an answer that the relay waits for is taken from the one asked alone (its disco question for capabilities)
    b.send("<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='AAAAAAAAAAAAAAAAAAAAAAAAAAA='/></presence>")
    question = b.wait(lambda e: e.find(DISCO_INFO + "query") is not None and e.get("type") == "get", 5)
    a.send(f"<iq type='result' id='{question.get('id')}'><query xmlns='http://jabber.org/protocol/disco#info' node='urn:x#AAAAAAAAAAAAAAAAAAAAAAAAAAA='>"
           "<feature var='urn:example:tune+notify'/></query></iq>")
    a.barrier()
    b.result("set", f"<pubsub {PS}><publish node='urn:example:tune'><item><t xmlns='urn:example:tune'/></item></publish></pubsub>")
    equal([e for e in b.barrier() if e.find(PUBSUB_EVENT + "event") is not None], [], "another's answer was believed")
    a.close()
    b.close()


def test_lying_capabilities():
    # XEP-0115 5.4: an answer whose hash is another is not believed for others
    a, b = pair()
    ver = "QUFBQUFBQUFBQUFBQUFBQUFBQUE="
    a.send(f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='{ver}'/></presence>")
    question = a.wait(lambda e: e.find(DISCO_INFO + "query") is not None and e.get("type") == "get", 5)
    a.send(f"<iq type='result' id='{question.get('id')}'><query xmlns='http://jabber.org/protocol/disco#info' node='urn:x#{ver}'>"
           "<feature var='urn:example:tune+notify'/></query></iq>")
    a.barrier()
    b.send(f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='{ver}'/></presence>")
    b.barrier()
    b.result("set", f"<pubsub {PS}><publish node='urn:example:tune'><item><t xmlns='urn:example:tune'/></item></publish></pubsub>")
    equal([e for e in b.barrier() if e.find(PUBSUB_EVENT + "event") is not None], [], "a lie was kept for all")
    a.close()
    b.close()


def test_capabilities_of_many_fields_take_little_memory():
    # X8: a form of thousands of fields with one value each
    a = login(relay, relay.user())
    a.send("<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='Qg=='/></presence>")
    question = a.wait(lambda e: e.find(DISCO_INFO + "query") is not None and e.get("type") == "get", 5)
    fields = "".join(f"<field var='{i}'><value/></field>" for i in range(1000))
    forms = "".join(f"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>{i}</value></field>"
                    f"{fields}</x>" for i in range(6))
    answer = f"<iq type='result' id='{question.get('id')}'><query xmlns='{DISCO_INFO[1:-1]}'>{forms}</query></iq>"
    check(len(answer) < 256 * 1024)
    with open(f"/proc/{relay.process.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")                                # the peak begins anew
    before = relay.rss_kib()
    a.send(answer)
    a.barrier()
    a.close()
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as f:
        peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) - before
    check(SANITIZED or peak < 32 * 1024, f"one answer of {len(answer) // 1024} KiB took {peak} KiB")


def test_forged_events():
    """R6: a notification is sent by the account alone; a client's looks like what it is."""
    a, b = pair()
    befriend(a, b)
    event = ("<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='eu.siacs.conversations.axolotl.devicelist'>"
             "<item id='current'><list xmlns='eu.siacs.conversations.axolotl'><device id='666'/></list></item></items></event>")
    a.send(f"<message to='{bare(b.jid)}' type='headline'>{event}</message>")
    got = b.wait(lambda e: e.find(PUBSUB_EVENT + "event") is not None)
    equal(got.get("from"), a.jid, "a full JID: no account says that")
    victim = login(relay, relay.user())
    a.send(f"<message to='{bare(b.jid)}' from='{bare(victim.jid)}' type='headline'>{event}</message>")
    equal(a.stream_error(), "invalid-from")
    equal([e for e in b.barrier() if e.find(PUBSUB_EVENT + "event") is not None], [])
    b.close()
    victim.close()


def test_every_access_model_for_everybody():
    # R6: model x who
    owner, contact = pair()
    befriend(owner, contact)
    removed, stranger, pending, blocked = (login(relay, relay.user()) for _ in range(4))
    befriend(owner, removed)
    owner.send(f"<presence type='unsubscribed' to='{bare(removed.jid)}'/>")
    removed.presence(bare(owner.jid), "unsubscribed")
    pending.send(f"<presence type='subscribe' to='{bare(owner.jid)}'/>")
    owner.presence(bare(pending.jid), "subscribe")
    befriend(owner, blocked)
    owner.result("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{bare(blocked.jid)}'/></block>")
    who = {"owner": owner, "contact": contact, "removed": removed, "stranger": stranger, "pending": pending, "blocked": blocked}
    allowed = {"open": set(who) - {"blocked"}, "presence": {"owner", "contact"}, "whitelist": {"owner"}}
    for model, may in allowed.items():
        node = f"urn:example:{model}"
        owner.result("set", f"<pubsub {PS}><publish node='{node}'><item id='i'><t xmlns='urn:t'>secret</t></item></publish>"
                     "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>"
                     "http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'><value>"
                     f"{model}</value></field></x></publish-options></pubsub>")
        for name, stream in who.items():
            for ask in (f"<items node='{node}'/>", f"<items node='{node}'><item id='i'/></items>"):
                reply = stream.iq("get", f"<pubsub {PS}>{ask}</pubsub>", bare(owner.jid))
                text = ET.tostring(reply).decode()
                equal(("secret" in text, reply.get("type")), (name in may, "result" if name in may else "error"), f"{name} at {model}")
            items = stream.iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", bare(owner.jid))
            if name not in ("owner", "contact"):
                check("urn:example:whitelist" not in ET.tostring(items).decode(), f"{name} learns of a private node")
    for stream in who.values():
        stream.close()


def test_presence_does_not_leak():
    # R8
    a, stranger = pair()
    for kind in ("probe", "subscribe"):
        stranger.send(f"<presence type='{kind}' to='{bare(a.jid)}'/>")
    stranger.barrier()
    a.barrier()
    stranger.send(f"<presence to='{bare(a.jid)}'/>")        # directed presence asks for nothing back
    for got in stranger.barrier():
        check(not (got.tag == CLIENT + "presence" and got.get("type") is None and got.get("from", "").startswith(bare(a.jid))),
              "presence leaked to a stranger")
    there = stranger.iq("get", "<query xmlns='jabber:iq:last'/>", bare(a.jid))
    equal(there.get("type"), "error", "nor when it was here")
    a.close()
    stranger.close()


INJECTIONS = ("'; DROP TABLE msg; --", "' OR '1'='1", "a' UNION SELECT * FROM account --", "\\'; --", "%", "_", "%%%s%n", "${HOME}",
              "$(id)", "`id`", "../../etc/passwd", "\u202egnp.exe", "\ufeff", "a" * 900, "&lt;b&gt;", "NULL", "?1", ":name", "0x27")


def quoted(text):
    return text.replace("'", "&apos;") if "&" not in text else text


def test_names_are_data():
    """R12: whatever a name says, it is bound as a parameter: it comes back as it went in, and all else stays."""
    a, b = pair()
    befriend(a, b)
    a.result("set", f"<pubsub {PS}><publish node='urn:example:kept'><item id='kept'><t xmlns='urn:t'>kept</t></item></publish></pubsub>")
    for text in INJECTIONS:
        name = quoted(text)
        a.send(f"<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='{bare(b.jid)}' name='{name}'><group>{name}</group></item></query></iq>")
        a.wait(lambda e: e.get("id") == "r")
        a.iq("set", f"<pubsub {PS}><publish node='{name}'><item id='{name}'><t xmlns='urn:t'>{name}</t></item></publish></pubsub>")
        reply = a.iq("get", f"<pubsub {PS}><items node='{name}'><item id='{name}'/></items></pubsub>")
        if reply.get("type") == "result":
            item = reply.find(f".//{PUBSUB}item")
            equal(item.get("id"), text.replace("&lt;", "<").replace("&gt;", ">"))
        a.iq("get", f"<pubsub {PS}><items node='{name}'/></pubsub>", bare(b.jid))
        a.send(f"<message to='{bare(b.jid)}' type='chat' id='{name}'><body>{name}</body>"
               f"<origin-id xmlns='urn:xmpp:sid:0' id='{name}'/></message>")
        got = b.wait(lambda e: e.tag == CLIENT + "message" and e.find(CLIENT + "body") is not None)
        equal(got.get("id"), text.replace("&lt;", "<").replace("&gt;", ">"))
        a.iq("get", f"<query xmlns='http://jabber.org/protocol/disco#info' node='{name}'/>", HOST)
        a.send(f"<iq type='get' id='n' to='{name}'><ping xmlns='urn:xmpp:ping'/></iq>")
        a.wait(lambda e: e.get("id") == "n" and e.get("type") in ("error", "result"))
    reply = a.result("get", f"<pubsub {PS}><items node='urn:example:kept'/></pubsub>")
    equal(reply.find(f".//{PUBSUB}item").get("id"), "kept")
    relay.ctl("check")
    for stream in (a, b):
        stream.drop()


def test_growing_without_end():
    """R12: nodes, items, presence payloads and directed presence of one account are bounded."""
    a = login(relay, relay.user())
    start = relay.rss_kib()
    refused = 0
    for i in range(1010):
        reply = a.iq("set", f"<pubsub {PS}><publish node='urn:example:n{i}'><item><t xmlns='urn:t'>{'x' * 2000}</t></item></publish></pubsub>")
        if reply.get("type") == "error":
            refused += 1
            check(error_of(reply)[1] in ("resource-constraint", "not-allowed", "policy-violation", "not-acceptable", "conflict"),
                  f"{error_of(reply)}")
    check(refused > 0, "1,010 nodes of one account, and none refused")
    for i in range(3000):
        a.send(f"<presence to='nobody{i}@{HOST}'/>")
    a.barrier(60)
    grown = relay.rss_kib() - start
    check(SANITIZED or grown < 20000, f"{grown} KiB")
    a.close()


def test_loop_to_oneself():
    # R10, as far as one relay goes: a message to oneself is one message; an error never answers an error.
    a = login(relay, relay.user())
    a.send(f"<message to='{bare(a.jid)}' type='chat' id='self'><body>me</body></message>")
    got = a.wait(lambda e: e.find(CLIENT + "body") is not None)
    equal(got.get("id"), "self")
    equal([e for e in a.barrier() + a.barrier() if e.find(CLIENT + "body") is not None], [])
    a.close()


def test_last_nobody_was_disturbed():
    bystander.verdict(5 if not SANITIZED else 20)


main()
