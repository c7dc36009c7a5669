#!/usr/bin/python3
"""Messages between accounts of one relay: routing by JID kind, priority and type, and the mailbox of someone away.

RFC 6121 sections 5 and 8.5, XEP-0160, XEP-0203, XEP-0334, XEP-0359. Delivery on the wire is at least once; each check
of "once" counts by the stanza-id that the recipient's account assigns.
"""
import calendar
import time
import xml.etree.ElementTree as ET

from lazo_test import *
from xmpp_raw import *


def setup():
    global relay
    relay = Relay()


def say(stream, to, body, kind="chat", extra="", ident=None):
    attribute = f" type='{kind}'" if kind else ""
    stream.send(f"<message to='{to}' id='{ident or new_id()}'{attribute}><body>{body}</body>{extra}</message>")


def stanza_id(message):
    ids = [e for e in message.iterfind(SID + "stanza-id") if e.get("by") == bare(message.get("to"))]
    check(len(ids) <= 1, "XEP-0359 3: one id by one entity")
    return ids[0].get("id") if ids else None


def bodies(stanzas):
    return [text_of(m, CLIENT + "body") for m in stanzas if m.tag == CLIENT + "message" and m.find(CLIENT + "body") is not None]


def collect(stream, count, timeout=20):
    """Messages until `count` different ones (by stanza-id, else body) have come."""
    seen = {}
    end = time.monotonic() + timeout
    while len(seen) < count:
        message = stream.wait(lambda e: e.tag == CLIENT + "message" and e.find(CLIENT + "body") is not None,
                              max(end - time.monotonic(), 0.01), f"message {len(seen) + 1} of {count}")
        seen.setdefault(stanza_id(message) or text_of(message, CLIENT + "body"), message)
    return list(seen.values())


def test_online_to_full_and_bare():
    a, b = (login(relay, relay.user()) for _ in range(2))
    for to in (b.jid, bare(b.jid)):
        a.send(f"<message to='{to}' id='m1' type='chat' xml:lang='es'><body>¿Qué tal?</body><thread>t</thread>"
               "<x xmlns='urn:example:x'><y/></x></message>")
        got = b.message()
        equal((got.get("from"), got.get("to"), got.get("id"), got.get("type")), (a.jid, to, "m1", "chat"))
        equal(got.get("{http://www.w3.org/XML/1998/namespace}lang"), "es")
        equal(text_of(got, CLIENT + "body"), "¿Qué tal?")
        check(got.find("{urn:example:x}x/{urn:example:x}y") is not None, "payloads pass as they are")
        check(got.find(DELAY + "delay") is None, "no delay on a live message")
    equal([e for e in a.barrier() if e.tag == CLIENT + "message"], [], "the sender hears nothing")
    a.close()
    b.close()


def test_every_type_to_bare_jid():
    # RFC 6121 8.5.2.1.1: groupchat is an error; headline to all; error dropped; normal and chat to the best resource.
    a, b = (login(relay, relay.user()) for _ in range(2))
    for kind in (None, "normal", "chat", "headline"):
        say(a, bare(b.jid), f"kind {kind}", kind)
        equal(b.message(body=f"kind {kind}").get("type"), kind)
    say(a, bare(b.jid), "kind groupchat", "groupchat", ident="g")
    answer = a.message(type="error", id="g")
    equal(error_of(answer), ("cancel", "service-unavailable"))
    say(a, bare(b.jid), "kind error", "error")
    equal(bodies(a.barrier()), [])
    equal([t for t in bodies(b.barrier()) if t == "kind error"], [])
    a.close()
    b.close()


def test_priority_of_bare_jid():
    jid = relay.user()
    low, high, never = (login(relay, jid, resource=r, priority=p) for r, p in (("low", 1), ("high", 5), ("never", -1)))
    a = login(relay, relay.user())
    say(a, jid, "to the best")
    # 8.5.2.1.1: the most available one, or all of those that are not negative; never a negative one.
    equal(text_of(high.message(), CLIENT + "body"), "to the best")
    a.barrier()
    equal(bodies(never.barrier()), [])
    say(a, jid, "headline", "headline")
    equal(text_of(high.message(body="headline"), CLIENT + "body"), "headline")
    low.message(body="headline")
    equal(bodies(never.barrier()), [])
    say(a, f"{jid}/never", "to that one")
    equal(text_of(never.message(), CLIENT + "body"), "to that one", "8.5.3.1: a full JID reaches it all the same")
    for stream in (a, low, high, never):
        stream.close()


def test_only_negative_resource_is_as_away():
    jid = relay.user()
    a = login(relay, relay.user())
    never = login(relay, jid, priority=-1)
    say(a, jid, "stored")
    a.barrier()
    equal(bodies(never.barrier()), [])
    available(never, 0)
    got = never.message(body="stored")
    check(got.find(DELAY + "delay") is not None, "it comes when the priority rises (XEP-0160 2.3)")
    never.close()
    a.close()


def test_full_jid_that_is_gone():
    # 8.5.3.2.1: chat is treated as for the bare JID; normal likewise or an error; headline is dropped; groupchat an error
    a, b = (login(relay, relay.user()) for _ in range(2))
    gone = f"{bare(b.jid)}/gone"
    say(a, gone, "chat")
    equal(b.message(body="chat").get("from"), a.jid)
    say(a, gone, "headline", "headline", ident="h")
    say(a, gone, "groupchat", "groupchat", ident="g")
    equal(error_of(a.message(type="error", id="g")), ("cancel", "service-unavailable"))
    equal([t for t in bodies(b.barrier()) if t in ("headline", "groupchat")], [])
    a.close()
    b.close()


def test_nobody_there():
    # 8.5.1: service-unavailable for message and iq; nothing for headline is needed
    a = login(relay, relay.user())
    for to in (f"nobody@{HOST}", f"nobody@{HOST}/phone"):
        say(a, to, "hello?", ident="n" + to[-1])
        answer = a.message(type="error", id="n" + to[-1])
        equal((error_of(answer), answer.get("from")), (("cancel", "service-unavailable"), to))
        equal(a.refused("get", "<query xmlns='jabber:iq:version'/>", to), ("cancel", "service-unavailable"))
    a.close()


def test_no_error_answers_an_error():
    a = login(relay, relay.user())
    a.send(f"<message to='nobody@{HOST}' type='error' id='e'><body>x</body><error type='cancel'>"
           "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    a.send(f"<iq to='nobody@{HOST}' type='result' id='r'/>")
    a.send(f"<iq to='nobody@{HOST}' type='error' id='q'><error type='cancel'>"
           "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
    equal([ET.tostring(e) for e in a.barrier()], [])
    a.close()


def test_another_domain_is_told():
    a = login(relay, relay.user())
    say(a, "someone@elsewhere.example", "hi", ident="far")
    condition = error_of(a.message(type="error", id="far"))[1]
    check(condition in ("remote-server-not-found", "service-unavailable", "remote-server-timeout"), condition)
    a.close()


def test_bad_address():
    a = login(relay, relay.user())
    for to in ("@@", f"a b@{HOST}", f"@{HOST}", "x" * 1024 + "@" + HOST):
        say(a, to, "x", ident="bad")
        equal(error_of(a.message(type="error", id="bad")), ("modify", "jid-malformed"), to[:40])
    a.close()


def test_message_without_to_is_to_oneself():
    # RFC 6120 10.3.1: as to the sender's own bare JID
    a = login(relay, relay.user())
    a.send("<message id='self' type='chat'><body>a note</body></message>")
    equal(a.message(body="a note").get("from"), a.jid)
    a.close()


def test_offline_with_delay_in_order():
    a, away = login(relay, relay.user()), relay.user()
    before = time.time()
    for i in range(30):
        say(a, away, f"line {i}")
    a.barrier()
    after = time.time()
    time.sleep(1.1)
    b = login(relay, away)
    came = collect(b, 30)
    equal([text_of(m, CLIENT + "body") for m in came], [f"line {i}" for i in range(30)])
    for m in came:
        equal(m.get("from"), a.jid)
        delays = m.findall(DELAY + "delay")
        equal(len(delays), 1, "XEP-0203: one stamp")
        check(delays[0].get("from") in (HOST, away), f"delayed by {delays[0].get('from')}")
        stamp = delays[0].get("stamp")
        check(stamp.endswith("Z"), f"XEP-0082 UTC: {stamp}")
        when = calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))
        check(int(before) <= when <= after + 1, f"the time of receipt: {stamp}")
    b.barrier()
    b.close()
    b = login(relay, away)
    b.barrier()
    equal(bodies(b.barrier()), [], "confirmed, so not told again")
    b.close()
    a.close()


def test_offline_what_is_stored():
    # XEP-0160 3: chat and normal are; groupchat and headline are not; error is not; chat without a body need not be.
    a, away = login(relay, relay.user()), relay.user()
    say(a, away, "normal", "normal")
    say(a, away, "none", None)
    say(a, away, "chat")
    say(a, away, "headline", "headline")
    a.send(f"<message to='{away}' type='groupchat' id='gc'><body>groupchat</body></message>")
    equal(error_of(a.message(type="error", id="gc")), ("cancel", "service-unavailable"))
    a.send(f"<message to='{away}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
    say(a, away, "not stored", extra="<no-store xmlns='urn:xmpp:hints'/>")
    a.send(f"<message to='{away}' type='chat' id='key'><encrypted xmlns='eu.siacs.conversations.axolotl'>"
           "<header sid='1'/></encrypted><store xmlns='urn:xmpp:hints'/></message>")
    a.barrier()
    b = login(relay, away)
    first = collect(b, 3)
    equal([text_of(m, CLIENT + "body") for m in first], ["normal", "none", "chat"])
    rest = [e for e in b.barrier() if e.tag == CLIENT + "message"]
    equal([m.get("id") for m in rest], ["key"], "what has a store hint, and nothing else (XEP-0334)")
    b.close()
    a.close()


def test_unconfirmed_comes_again():
    """A client that dies with messages on the wire gets them again, each with the same stanza-id."""
    a, away = login(relay, relay.user()), relay.user()
    for i in range(5):
        say(a, away, f"again {i}")
    a.barrier()
    b = login(relay, away, auto_pong=False)
    first = {stanza_id(m): text_of(m, CLIENT + "body") for m in collect(b, 5)}
    check(None not in first, "the account's stanza-id is on each")
    b.drop()
    b = login(relay, away)
    second = {stanza_id(m): text_of(m, CLIENT + "body") for m in collect(b, 5)}
    equal(second, first)
    b.barrier()
    b.close()
    a.close()


def test_live_but_unconfirmed_comes_again():
    a = login(relay, relay.user())
    b = login(relay, relay.user(), auto_pong=False)
    say(a, b.jid, "into the void")
    got = b.message(body="into the void")
    b.drop()
    a.barrier()
    again = login(relay, bare(b.jid))
    repeated = again.message(body="into the void")
    equal(stanza_id(repeated), stanza_id(got), "the same id")
    again.barrier()
    again.close()
    a.close()


def test_forged_ids_and_delay_are_taken_off():
    a, b = (login(relay, relay.user()) for _ in range(2))
    say(a, bare(b.jid), "forged", extra=f"<stanza-id xmlns='urn:xmpp:sid:0' by='{bare(b.jid)}' id='forged'/>"
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{bare(b.jid)}' id='forged too'/>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='room@elsewhere.example' id='theirs'/>"
        "<origin-id xmlns='urn:xmpp:sid:0' id='mine'/>")
    got = b.message(body="forged")
    ours = stanza_id(got)
    check(ours and not ours.startswith("forged"), f"our own id: {ours}")
    equal(got.find(SID + "origin-id").get("id"), "mine")
    b.barrier()
    a.close()
    b.close()


def test_same_origin_id_is_one_message():
    # Design 3.3: same addresses, type, origin-id and content are a repetition; other content is another message.
    a, away = login(relay, relay.user()), relay.user()
    oid = "<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>"
    say(a, away, "once", extra=oid, ident="x")
    say(a, away, "once", extra=oid, ident="x")
    say(a, away, "other", extra=oid, ident="x")
    a.barrier()
    b = login(relay, away)
    equal([text_of(m, CLIENT + "body") for m in collect(b, 2)], ["once", "other"])
    equal(bodies(b.barrier()), [])
    b.close()
    a.close()


def test_offline_survives_a_restart_and_a_kill():
    a, away = login(relay, relay.user()), relay.user()
    say(a, away, "before")
    a.barrier()
    a.drop()
    relay.restart()
    a = login(relay, bare(a.jid))
    say(a, away, "between")
    a.barrier()
    relay.kill()
    relay.start()
    b = login(relay, away)
    equal([text_of(m, CLIENT + "body") for m in collect(b, 2)], ["before", "between"])
    b.barrier()
    b.close()


def test_order_between_two():
    a, b = (login(relay, relay.user()) for _ in range(2))
    for i in range(500):
        say(a, bare(b.jid), f"n{i}")
    equal([text_of(m, CLIENT + "body") for m in collect(b, 500, 60)], [f"n{i}" for i in range(500)])
    a.close()
    b.close()


def test_many_waiting_are_flushed_in_order():
    a, away = login(relay, relay.user()), relay.user()
    for i in range(1000):
        say(a, away, f"n{i}")
    a.barrier(60)
    b = login(relay, away)
    equal([text_of(m, CLIENT + "body") for m in collect(b, 1000, 60)], [f"n{i}" for i in range(1000)])
    b.barrier()
    a.close()
    b.close()


def test_mailbox_per_device():
    """mailbox = device: what one device has confirmed still waits for the other, and leaves when both have it."""
    both = Relay(authority=relay.authority, mailbox="device")
    a, away = login(both, both.user()), both.user()
    for name in ("phone", "laptop"):  # both are known
        s = login(both, away, resource=name)
        s.barrier()
        s.close()
    for i in range(5):
        say(a, away, f"one {i}")
    a.barrier()
    want = [f"one {i}" for i in range(5)]

    def flushed(name):
        s = login(both, away, resource=name)
        came = bodies(s.barrier())
        if came:
            eventually(lambda: s.barrier() is not None and s.pongs, 5, "the relay's ping behind the flush")
        s.barrier()                             # answered behind the commit of what the pong confirmed
        s.close()
        return came

    def waiting(count):
        for _ in range(50):
            rows = [row["pending"] for row in both.ctl_json("user", "list") if row["jid"] == away]
            if rows == [count]:
                return
            time.sleep(0.05)
        equal(rows, [count])

    equal(flushed("phone"), want)
    equal(flushed("phone"), [], "the phone has confirmed them")
    waiting(5)  # for the laptop
    equal(flushed("laptop"), want)
    waiting(0)
    equal(flushed("laptop"), [])
    a.close()


def test_a_ping_behind_presence_is_answered_behind_the_flush():
    # A client's way to know that it has what was waiting: 60 rows are less than a window, so one ping is enough.
    a, away = login(relay, relay.user()), relay.user()
    for i in range(60):
        say(a, away, f"n{i}")
    a.barrier(60)
    b = login(relay, away, presence=False)
    b.send("<presence/><iq type='get' id='behind' to='" + relay.host + "'><ping xmlns='urn:xmpp:ping'/></iq>")
    before = []
    while True:
        e = b.read(20)
        if e.get("id") == "behind":
            break
        before.append(e)
    equal(bodies(before), [f"n{i}" for i in range(60)])
    a.close()
    b.close()


def test_quota_of_the_mailbox():
    # XEP-0160 3: service-unavailable; never silent. What was accepted stays.
    small = Relay(authority=relay.authority, quota={"pending": 20})  # half of it for strangers: see test_quota.py
    a, away = login(small, small.user()), small.user()
    for i in range(15):
        say(a, away, f"q{i}", ident=f"q{i}")
    refused = [e for e in a.barrier() if e.get("type") == "error"]
    equal([e.get("id") for e in refused], [f"q{i}" for i in range(10, 15)])
    check(error_of(refused[0])[1] in ("service-unavailable", "resource-constraint"), str(error_of(refused[0])))
    b = login(small, away)
    equal([text_of(m, CLIENT + "body") for m in collect(b, 10)], [f"q{i}" for i in range(10)])
    b.barrier()
    b.close()
    small.stop()


def test_iq_between_clients():
    a, b = (login(relay, relay.user()) for _ in range(2))
    equal(a.refused("get", "<query xmlns='jabber:iq:version'/>", b.jid), ("cancel", "service-unavailable"),
          "RFC 6121 8.5.3.1: who shares no presence with us learns nothing, not even that we are here")
    b.send(f"<presence to='{a.jid}'/>")
    a.presence(b.jid)
    a.send(f"<iq type='get' id='v1' to='{b.jid}'><query xmlns='jabber:iq:version'/></iq>")
    asked = b.wait(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "get")
    equal((asked.get("from"), asked.get("id")), (a.jid, "v1"))
    b.send(f"<iq type='result' id='v1' to='{a.jid}'><query xmlns='jabber:iq:version'><name>b</name></query></iq>")
    answer = a.wait(lambda e: e.get("id") == "v1")
    equal(answer.get("from"), b.jid)
    equal(a.refused("get", "<query xmlns='jabber:iq:version'/>", bare(b.jid) + "/gone"), ("cancel", "service-unavailable"))
    a.close()
    b.close()


def test_bad_iq():
    a = login(relay, relay.user())
    equal(a.refused("get", ""), ("modify", "bad-request"), "no child (RFC 6120 8.2.3)")
    equal(a.refused("get", "<a xmlns='urn:x'/><b xmlns='urn:x'/>"), ("modify", "bad-request"), "two")
    equal(a.refused("sideways", "<a xmlns='urn:x'/>"), ("modify", "bad-request"))
    equal(a.refused("get", "<unknown xmlns='urn:example:unknown'/>"), ("cancel", "service-unavailable"))
    equal(a.refused("get", "<unknown xmlns='urn:example:unknown'/>", HOST), ("cancel", "service-unavailable"))
    a.send("<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>")         # no id: RFC 6120 8.1.3
    answer = a.read()
    check(answer.get("type") == "error" and error_of(answer) == ("modify", "bad-request")
          or answer.tag == STREAM + "error", ET.tostring(answer).decode())
    a.drop()


main()
