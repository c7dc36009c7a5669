#!/usr/bin/python3
"""What the relay says of itself: disco, capabilities, ping, version, time."""
import base64
import hashlib
import subprocess
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


def features(stream, to):
    query = stream.result("get", INFO, to).find(DISCO_INFO + "query")
    return [f.get("var") for f in query.iterfind(DISCO_INFO + "feature")]


def contacts(stream):
    """XEP-0157: role -> addresses."""
    query = stream.result("get", INFO, HOST).find(DISCO_INFO + "query")
    for form in query.iterfind(FORM_NS + "x"):
        fields = {f.get("var"): [v.text for v in f.iterfind(FORM_NS + "value")] for f in form.iterfind(FORM_NS + "field")}
        if fields.pop("FORM_TYPE", None) == ["http://jabber.org/network/serverinfo"]:
            return fields
    return {}


@ours
def test_contact_addresses():
    a = login(relay, relay.user())
    equal(contacts(a), {}, "none configured")
    before = a.features.find(CAPS + "c").get("ver")
    a.close()
    relay.conf["contact"] = "mailto:rosa@familia.example"
    relay.write_conf()
    relay.reload()
    eventually(lambda: "reloaded" in relay.log_text(), what="SIGHUP")
    a = login(relay, relay.user())
    found = contacts(a)
    equal(found["abuse-addresses"], ["mailto:rosa@familia.example"])
    equal(found["admin-addresses"], ["mailto:rosa@familia.example"])
    check(a.features.find(CAPS + "c").get("ver") != before, "another hash for another answer")
    a.close()
    test_own_capabilities()


def test_announced_for_apps():
    a = login(relay, relay.user())
    host, account = features(a, HOST), features(a, bare(a.jid))
    for need in ("urn:xmpp:blocking", "urn:xmpp:reporting:1", "vcard-temp", "jabber:iq:private", "jabber:iq:last", "urn:xmpp:carbons:2",
                 "urn:xmpp:mam:2", "urn:xmpp:message-retract:1"):
        check(need in host, f"{need} of the host")
    for need in ("urn:xmpp:pep-vcard-conversion:0", "urn:xmpp:bookmarks:1#compat", "urn:xmpp:mam:2", "urn:xmpp:mam:2#extended",
                 "http://jabber.org/protocol/pubsub#publish-options", "http://jabber.org/protocol/pubsub#persistent-items"):
        check(need in account, f"{need} of the account")
    limits = a.features.find(LIMITS + "limits")
    equal((text_of(limits, LIMITS + "max-bytes"), text_of(limits, LIMITS + "idle-seconds")), ("262144", "300"), "XEP-0478")
    a.close()


LAST = "<query xmlns='jabber:iq:last'/>"


def seconds(stream, to):
    query = stream.result("get", LAST, to).find("{jabber:iq:last}query")
    return int(query.get("seconds")), query.text


def test_last_activity():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    stranger = login(relay, relay.user())
    check(0 <= seconds(a, HOST)[0] < 3600, "uptime")
    equal(seconds(b, bare(a.jid)), (0, None), "she is here")
    second = login(relay, bare(a.jid))
    a.send("<presence type='unavailable'><status>to bed</status></presence>")
    b.presence(a.jid, "unavailable")
    equal(seconds(b, bare(a.jid)), (0, None), "still, on another device")
    second.send("<presence type='unavailable'><status>really</status></presence>")
    b.presence(second.jid, "unavailable")
    said = seconds(b, bare(a.jid))
    check(said[0] < 60 and said[1] == "really", f"{said}")
    equal(seconds(a, bare(a.jid))[1], "really", "oneself")
    equal(stranger.refused("get", LAST, bare(a.jid)), ("auth", "forbidden"), "XEP-0012 3")
    equal(stranger.refused("get", LAST, f"nobody@{HOST}")[1], "service-unavailable")
    check(stranger.refused("get", LAST, second.jid)[1] in ("forbidden", "service-unavailable"), "nor of a resource")
    for s in (a, b, stranger, second):
        s.close()


@ours
def test_last_activity_survives():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    names = bare(a.jid), bare(b.jid)
    a.send("<presence type='unavailable'><status>kept</status></presence>")
    a.barrier()
    a.close()
    b.presence(names[0], "unavailable")
    b.send(f"<message to='{names[0]}'><body>behind it on the disk</body></message>")     # nobody's presence waits for the disk
    b.barrier()
    relay.kill()
    relay.start()
    b = login(relay, names[1])
    equal(seconds(b, names[0])[1], "kept")
    b.close()


SERVICES = "<services xmlns='urn:xmpp:extdisco:2'/>"
EXT = "{urn:xmpp:extdisco:2}"


@ours
def test_services_for_calls():
    import hmac as mac
    a = login(relay, relay.user())
    check("urn:xmpp:extdisco:2" not in features(a, HOST), "none configured")
    equal(len(a.result("get", SERVICES, HOST).find(EXT + "services")), 0)
    a.close()
    secret = relay.folder / "turn.secret"
    secret.write_text("a shared secret\n")
    secret.chmod(0o604)
    calls = Relay(start=False, calls={"services": ["stun:stun.example", "turn:turn.example:3479?transport=udp",
                                                  "turns:[2001:db8::1]:443"], "secret": str(secret), "valid": "1h"})
    calls.write_conf()
    said = subprocess.run([BUILD / "relay" / "lazod", "-t", "-c", calls.file], stderr=subprocess.PIPE, text=True)
    equal(said.returncode, 78, "a secret that others can read")
    check("chmod" in said.stderr and "a shared secret" not in said.stderr, said.stderr)
    secret.chmod(0o600)
    calls.start()
    a, b = login(calls, calls.user()), login(calls, calls.user())
    check("urn:xmpp:extdisco:2" in features(a, HOST), "announced")
    found = [dict(s.attrib) for s in a.result("get", SERVICES, HOST).find(EXT + "services")]
    equal([(s["type"], s["host"], s["port"], s["transport"]) for s in found],
          [("stun", "stun.example", "3478", "udp"), ("turn", "turn.example", "3479", "udp"), ("turns", "2001:db8::1", "443", "tcp")])
    check("username" not in found[0], "STUN needs none")
    for service in found[1:]:
        wanted = mac.new(b"a shared secret", service["username"].encode(), hashlib.sha1).digest()
        equal(service["password"], base64.b64encode(wanted).decode(), "as coturn computes it")
        ends, name = service["username"].split(":")
        check(3500 < int(ends) - time.time() < 3700, "valid for an hour")
        check(bare(a.jid).split("@")[0] not in name, "says not who it is")
        equal(service["expires"][:16], time.strftime("%Y-%m-%dT%H:%M", time.gmtime(int(ends))))
    other = b.result("get", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>", HOST).find(EXT + "services")
    equal([s.get("type") for s in other], ["turn"])
    check(other[0].get("username").split(":")[1] != found[1]["username"].split(":")[1], "one user is told from another")
    ask = "<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.example' type='turn'/></credentials>"
    equal(len(a.result("get", ask, HOST).find(EXT + "credentials")), 1)
    equal(a.refused("get", ask.replace("turn.example", "evil.example"), HOST)[1], "item-not-found")
    equal(a.refused("get", "<credentials xmlns='urn:xmpp:extdisco:2'/>", HOST)[1], "bad-request")
    check("a shared secret" not in calls.log_text(), "not in the log")
    a.close(), b.close()
    calls.stop()

main()
