#!/usr/bin/python3
"""What the relay says of itself: disco, capabilities, ping, version, time."""
import base64
import hashlib
import time

from lazo_test import *
from xmpp_raw import *

INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
FORM_NS = FORM


def setup():
    global relay
    relay = Relay()


def caps_string(query):
    """XEP-0115 5.1, written from the standard and not from the relay's code."""
    parts = sorted("/".join(i.get(k, "") for k in ("category", "type")) + "/"
                   + i.get("{http://www.w3.org/XML/1998/namespace}lang", "") + "/" + i.get("name", "")
                   for i in query.iterfind(DISCO_INFO + "identity"))
    parts += sorted(f.get("var") for f in query.iterfind(DISCO_INFO + "feature"))
    forms = {}
    for form in query.iterfind(FORM_NS + "x"):
        fields = {f.get("var"): sorted(v.text or "" for v in f.iterfind(FORM_NS + "value")) for f in form.iterfind(FORM_NS + "field")}
        forms[fields.pop("FORM_TYPE")[0]] = fields
    for kind in sorted(forms):
        parts.append(kind)
        for var in sorted(forms[kind]):
            parts += [var, *forms[kind][var]]
    return "".join(p + "<" for p in parts)


def test_disco_of_the_host():
    a = login(relay, relay.user())
    query = a.result("get", INFO, HOST).find(DISCO_INFO + "query")
    kinds = [(i.get("category"), i.get("type")) for i in query.iterfind(DISCO_INFO + "identity")]
    check(("server", "im") in kinds, f"{kinds}")
    features = [f.get("var") for f in query.iterfind(DISCO_INFO + "feature")]
    equal(len(features), len(set(features)), "no feature twice")
    for need in ("http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", "urn:xmpp:ping",
                 "jabber:iq:version", "urn:xmpp:time", "msgoffline"):
        check(need in features, f"{need} is announced, there are {features}")
    items = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", HOST)
    check(items.find(DISCO_ITEMS + "query") is not None, "items, may be none")
    a.close()


def test_disco_of_a_wrong_node():
    a = login(relay, relay.user())
    got = a.refused("get", "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:example:none'/>", HOST)
    equal(got, ("cancel", "item-not-found"), "XEP-0030 3.2")
    a.close()


def test_own_capabilities():
    a = login(relay, relay.user())
    caps = a.features.find(CAPS + "c")
    check(caps is not None, "XEP-0115 6.3: in the stream's features")
    hashes = {"sha-1": hashlib.sha1, "sha-256": hashlib.sha256}
    node = f"{caps.get('node')}#{caps.get('ver')}"
    reply = a.result("get", f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>", HOST)
    query = reply.find(DISCO_INFO + "query")
    equal(query.get("node"), node)
    digest = hashes[caps.get("hash")](caps_string(query).encode()).digest()
    equal(caps.get("ver"), base64.b64encode(digest).decode(), "the hash is that of what it answers")
    a.close()


def test_account_of_a_stranger_is_closed():
    # XEP-0030 8: nothing about an account to one who may not see its presence
    a, b = login(relay, relay.user()), login(relay, relay.user())
    there = a.iq("get", INFO, bare(b.jid))
    nobody = a.iq("get", INFO, f"nobody@{HOST}")
    if there.get("type") == "error":
        equal(error_of(there), error_of(nobody), "an account is not told from none")
    resource = a.iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", bare(b.jid))
    check(b.jid not in "".join(i.get("jid", "") for i in resource.iter(DISCO_ITEMS + "item")), "no resources leak")
    a.close()
    b.close()


def test_ping():
    a, other = login(relay, relay.user()), login(relay, relay.user())
    for to in (None, HOST, bare(a.jid)):
        a.result("get", "<ping xmlns='urn:xmpp:ping'/>", to)
    befriend(a, other)          # RFC 6121 8.5.3.1: strangers do not reach a resource
    a.send(f"<iq type='get' id='c2c' to='{other.jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
    other.auto_pong = False
    equal(other.wait(lambda e: e.find(PING + "ping") is not None).get("from"), a.jid, "between clients it is theirs")
    a.close()
    other.close()


def test_version_and_time():
    a = login(relay, relay.user())
    reply = a.result("get", "<query xmlns='jabber:iq:version'/>", HOST)
    equal(text_of(reply, "{jabber:iq:version}query/{jabber:iq:version}name").lower(), "prosody" if PROSODY else "lazo")
    check(text_of(reply, "{jabber:iq:version}query/{jabber:iq:version}version"), "a version")
    reply = a.result("get", "<time xmlns='urn:xmpp:time'/>", HOST)
    utc = text_of(reply, "{urn:xmpp:time}time/{urn:xmpp:time}utc")
    check(abs(time.mktime(time.strptime(utc[:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())) < 5, utc)
    check(text_of(reply, "{urn:xmpp:time}time/{urn:xmpp:time}tzo"), "an offset")
    equal(a.refused("set", "<query xmlns='jabber:iq:version'/>", HOST)[1] in
          ("service-unavailable", "feature-not-implemented", "bad-request", "not-allowed"), True)
    a.close()


def test_software_is_not_told_before_login():
    stream = Stream(relay)
    stream.open()
    stream.starttls()
    stream.open()
    check(b"0.1." not in stream.received and b"version='0" not in stream.received, "no version before authentication")
    stream.drop()


main()
