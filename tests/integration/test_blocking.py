#!/usr/bin/python3
"""Blocking (XEP-0191) and reports (XEP-0377), from both sides and after a restart."""
import contextlib
import sqlite3
import xml.etree.ElementTree as ET

from lazo_test import *
from xmpp_raw import *
from pep import interests, publish

BLOCKING = "{urn:xmpp:blocking}"
NS = "xmlns='urn:xmpp:blocking'"
LIST = f"<blocklist {NS}/>"


def setup():
    global relay
    relay = Relay()


def block(*jids, inner=""):
    return f"<block {NS}>" + "".join(f"<item jid={quoteattr(j)}>{inner}</item>" for j in jids) + "</block>"


def unblock(*jids):
    return f"<unblock {NS}>" + "".join(f"<item jid={quoteattr(j)}/>" for j in jids) + "</unblock>"


def listed(stream):
    return sorted(i.get("jid") for i in stream.result("get", LIST).iterfind(f"{BLOCKING}blocklist/{BLOCKING}item"))


def push(stream, name):
    iq = stream.wait(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "set" and e.find(BLOCKING + name) is not None,
                     None, f"a push of {name}")
    check(iq.get("from") in (None, bare(stream.jid)), "a push comes from the account")
    return sorted(i.get("jid") for i in iq.iterfind(f"{BLOCKING}{name}/{BLOCKING}item"))


def friends():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    return a, b


def refused_message(stream, to, body="hello", kind="chat"):
    ident = new_id()
    stream.send(f"<message type='{kind}' to='{to}' id='{ident}'><body>{body}</body></message>")
    error = stream.wait(lambda e: e.tag == CLIENT + "message" and e.get("type") == "error" and e.get("id") == ident, None,
                        "an error")
    return error


def nothing(stream, what):
    came = [ET.tostring(e).decode() for e in stream.barrier()
            if e.get("type") != "error" and bare(e.get("from", bare(stream.jid))) != bare(stream.jid)]
    equal(came, [], what)


def test_list_and_pushes():
    a = login(relay, relay.user())
    other, deaf = login(relay, bare(a.jid)), login(relay, bare(a.jid))
    equal(listed(a), [])
    equal(listed(other), [])
    a.result("set", block("Mallory@Evil.example", "spam.example"))
    equal(push(other, "block"), ["mallory@evil.example", "spam.example"], "canonical form")
    equal(push(a, "block"), ["mallory@evil.example", "spam.example"])
    check(not any(e.find(BLOCKING + "block") is not None for e in deaf.barrier()), "who did not ask hears nothing")
    equal(listed(deaf), ["mallory@evil.example", "spam.example"])
    a.result("set", unblock("spam.example"))
    equal(push(other, "unblock"), ["spam.example"])
    equal(listed(a), ["mallory@evil.example"])
    a.result("set", f"<unblock {NS}/>")
    equal(push(other, "unblock"), [], "all")
    equal(listed(a), [])
    for s in (a, other, deaf):
        s.close()


def test_bad_requests():
    a = login(relay, relay.user())
    equal(a.refused("set", f"<block {NS}/>"), ("modify", "bad-request"))
    equal(a.refused("set", f"<block {NS}><item/></block>"), ("modify", "bad-request"))
    equal(a.refused("set", block("@"))[1], "jid-malformed")
    equal(a.refused("set", block(bare(a.jid)))[1], "not-allowed", "oneself")
    equal(a.refused("set", block(HOST))[1], "not-allowed", "the relay")
    equal(a.refused("set", block("x@evil.example", bare(a.jid)))[1], "not-allowed", "all or nothing")
    equal(a.refused("set", block("x@evil.example", inner="<report xmlns='urn:xmpp:reporting:1'/>"))[1], "bad-request")
    equal(listed(a), [])
    b = login(relay, relay.user())
    equal(b.refused("get", LIST, bare(a.jid))[1], "service-unavailable", "somebody else's list")
    a.close(), b.close()


def test_many():
    a = login(relay, relay.user())
    for i in range(4):
        a.result("set", block(*[f"u{i}-{n}@evil.example" for n in range(500)]))
    equal(a.refused("set", block("one.more@evil.example")), ("wait", "resource-constraint"))
    equal(len(listed(a)), 2000)
    a.close()


def test_blocked_sees_nobody():
    a, b = friends()
    a.result("set", block(bare(b.jid)))
    b.presence(a.jid, "unavailable")            # polite: as if she left
    nobody = f"nobody@{HOST}"
    mine, none = refused_message(b, bare(a.jid)), refused_message(b, nobody)
    equal(error_of(mine), ("cancel", "service-unavailable"))
    equal(error_of(mine), error_of(none), "as by an account that is not there")
    equal([local(c) for c in mine.find(CLIENT + "error")], [local(c) for c in none.find(CLIENT + "error")])
    refused_message(b, a.jid)
    for payload in ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "<query xmlns='http://jabber.org/protocol/disco#items'/>",
                    "<query xmlns='jabber:iq:last'/>", "<vCard xmlns='vcard-temp'/>", "<query xmlns='urn:xmpp:mam:2'/>",
                    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'/></pubsub>"):
        equal(b.refused("get", payload, bare(a.jid)), b.refused("get", payload, nobody), payload)
    equal(b.refused("get", "<ping xmlns='urn:xmpp:ping'/>", a.jid), b.refused("get", "<ping xmlns='urn:xmpp:ping'/>", f"{nobody}/x"))
    b.send(f"<presence type='probe' to='{bare(a.jid)}'/><presence to='{bare(a.jid)}'/><presence type='subscribe' to='{bare(a.jid)}'/>"
           f"<presence type='unsubscribe' to='{nobody}'/>")
    b.send("<presence><status>hello</status></presence>")
    b.presence(b.jid)
    a.send("<presence><status>still here</status></presence>")
    a.presence(a.jid)
    nothing(a, "of the blocked")
    nothing(b, "of her who blocked")
    again = login(relay, bare(b.jid))
    nothing(again, "at a new login")
    a.close()
    nothing(b, "she leaves unseen")
    b.close(), again.close()


def test_nothing_goes_out():
    a, b = friends()
    a.result("set", block(bare(b.jid)))
    error = refused_message(a, bare(b.jid))
    equal(error_of(error)[1], "not-acceptable")
    check(error.find(f"{CLIENT}error/{{urn:xmpp:blocking:errors}}blocked") is not None, "XEP-0191 3.3: says why")
    reply = a.iq("get", "<ping xmlns='urn:xmpp:ping'/>", b.jid)
    equal(error_of(reply)[1], "not-acceptable")
    check(reply.find(f"{CLIENT}error/{{urn:xmpp:blocking:errors}}blocked") is not None, "also for iq")
    equal(a.refused("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", bare(b.jid))[1], "not-acceptable")
    b.presence(a.jid, "unavailable")
    a.send(f"<presence to='{b.jid}'/>")
    refusal = a.presence(kind="error")
    equal(error_of(refusal)[1], "not-acceptable")
    nothing(b, "of her who blocked")
    a.close(), b.close()


def test_unblock_shows_again():
    a, b = friends()
    a.result("set", block(bare(b.jid)))
    b.presence(a.jid, "unavailable")
    a.barrier()
    a.result("set", unblock(bare(b.jid)))
    b.presence(a.jid)
    a.presence(b.jid)
    b.send(f"<message type='chat' to='{bare(a.jid)}'><body>at last</body></message>")
    a.message(b.jid, "at last")
    a.close(), b.close()


def test_domain_and_resource():
    a, b = friends()
    second = login(relay, bare(b.jid))
    a.result("set", block(second.jid))
    b.send(f"<message type='chat' to='{bare(a.jid)}'><body>from the other</body></message>")
    a.message(b.jid, "from the other")
    equal(error_of(refused_message(second, bare(a.jid)))[1], "service-unavailable", "this resource alone")
    a.result("set", f"<unblock {NS}/>")
    a.barrier()
    equal(a.refused("set", block(f"{HOST}/x"))[1], "not-allowed")
    a.close(), b.close(), second.close()


def test_directed_presence_ends():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    a.send(f"<presence to='{b.jid}'/>")
    b.presence(a.jid)
    a.result("set", block(bare(b.jid)))
    b.presence(a.jid, "unavailable")
    a.close()
    nothing(b, "it was told once")
    b.close()


def test_published_items_stay_away():
    a, b = friends()
    interests(b, "urn:example:tune")
    interests(a, "urn:example:tune")
    for s in (a, b):
        s.barrier()
    a.result("set", block(bare(b.jid)))
    b.presence(a.jid, "unavailable")
    a.result("set", publish(item="one"))
    b.result("set", publish(item="two"))
    own_event(b)
    check(not any(e.get("from") == bare(b.jid) for e in a.barrier()), "nor from the blocked")
    a.close(), b.close()


def own_event(stream):
    """Its own item came, and nobody else's."""
    events = [e for e in stream.barrier() if e.find(PUBSUB_EVENT + "event") is not None]
    equal([e.get("from") for e in events], [bare(stream.jid)], "events")


@ours
def test_waiting_messages_of_the_blocked_are_dropped():
    a, b = friends()
    name = bare(a.jid)
    a.close()
    b.barrier()
    for body in ("one", "two"):
        b.send(f"<message type='chat' to='{name}'><body>{body}</body></message>")
    c = login(relay, relay.user())
    c.send(f"<message type='chat' to='{name}'><body>three</body></message>")
    b.barrier(), c.barrier()
    a = login(relay, name, presence=False)
    a.result("set", block(bare(b.jid)))
    available(a)
    a.message(c.jid, "three")
    equal([e for e in a.barrier() if e.tag == CLIENT + "message"], [], "of the blocked")
    eventually(lambda: [u for u in relay.ctl_json("user", "list") if u["jid"] == name][0]["pending"] == 0, what="pending is 0")
    a.close()
    a = login(relay, name)
    equal([e for e in a.barrier() if e.tag == CLIENT + "message"], [], "they are gone")
    for s in (a, b, c):
        s.close()


@ours
def test_survives_restart_and_is_reported():
    a, b = friends()
    a.result("set", block(bare(b.jid), inner="<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"
                          "<stanza-id xmlns='urn:xmpp:sid:0' by='x' id='i1'/><stanza-id xmlns='urn:xmpp:sid:0' by='x' id='i2'/>"
                          "<text>Never came trouble &amp; more</text></report>"))
    name = bare(a.jid)
    check("reported " + bare(b.jid) + " for urn:xmpp:reporting:spam" in relay.log_text(), "in the log")
    check("Never came" not in relay.log_text(), "words are not logged")
    reports = relay.ctl_json("report", "list")
    equal([(r["by"], r["jid"], r["reason"], r["text"], r["messages"]) for r in reports],
          [(name, bare(b.jid), "urn:xmpp:reporting:spam", "Never came trouble & more", ["i1", "i2"])])
    relay.kill()
    relay.start()
    b, a = login(relay, bare(b.jid)), login(relay, name)
    equal(listed(a), [bare(b.jid)])
    equal(error_of(refused_message(b, name))[1], "service-unavailable")
    relay.ctl("report", "del", str(reports[0]["id"]))
    equal(relay.ctl_json("report", "list"), [])
    relay.ctl("report", "del", str(reports[0]["id"]), status=67)
    a.close(), b.close()


@ours
def test_nobody_pushes_out_the_reports_of_others():
    a, b = friends()
    name = bare(a.jid).partition("@")[0]
    a.close(), b.close()
    relay.stop()
    with contextlib.closing(sqlite3.connect(relay.data / "lazo.db")) as database, database:
        rows = [(1, "honest", f"bad@{HOST}", "urn:xmpp:reporting:abuse")] + [(2, name, f"x{i}@{HOST}", "urn:xmpp:reporting:spam") for i in range(9999)]
        database.executemany("INSERT INTO report (time, account, jid, reason) VALUES (?, ?, ?, ?)", rows)
    relay.start()
    a = login(relay, bare(a.jid))
    a.result("set", block("one@more.example", inner="<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'/>"))
    reports = relay.ctl_json("report", "list")
    equal([r["jid"] for r in reports][:1] + [len(reports), reports[-1]["jid"]], [f"bad@{HOST}", 201, "one@more.example"])
    a.close()


main()
