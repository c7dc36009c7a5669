#!/usr/bin/python3
"""Two relays with an authority of the test's own: stanzas both ways, and what a relay that lies is told.

RFC 6120 (4.9.3, 8.1, 10.4, 13.7), RFC 9525, XEP-0178, XEP-0198, XEP-0368, XEP-0478.
"""
from lazo_test import *
from xmpp_raw import *
from liar import *


def pair(direct=False, **conf):
    """Two relays that know each other's address."""
    authority = Authority(scratch() / f"ca{free_port()}")
    hosts, ports = ("uno.example", "dos.example"), (free_port(), free_port())
    relays = []
    for mine in (0, 1):
        where = {"server_tls" if direct else "server": [f"127.0.0.1:{ports[mine]}"]}
        peer = {f'peer "{hosts[1 - mine]}"': {"address": f'"127.0.0.1:{ports[1 - mine]}"', "tls": '"direct"' if direct else '"starttls"'}}
        relays.append(Relay(hosts[mine], authority, trust=[str(authority.crt)], **where, **peer, **conf))
    return relays


def setup():
    global one, two
    one, two = pair()


def say(stream, to, body, ident=None):
    stream.send(f"<message to='{to}' id='{ident or new_id()}' type='chat'><body>{body}</body></message>")


def people(resource=None):
    return login(one, one.user(), resource=resource), login(two, two.user(), resource=resource)


def test_messages_both_ways():
    a, b = people()
    say(a, bare(b.jid), "hola", "m1")
    got = b.message(body="hola")
    equal((got.get("from"), got.get("to"), got.get("id"), got.get("type")), (a.jid, bare(b.jid), "m1", "chat"))
    say(b, a.jid, "qué tal")
    equal(a.message(body="qué tal").get("from"), b.jid)
    check(all(e.tag != "{jabber:server}body" for e in got.iter()), "the namespace of streams between relays stays there")
    for n in range(50):
        say(a, b.jid, f"fila {n}")
    for n in range(50):
        equal(text_of(b.message(), CLIENT + "body"), f"fila {n}")
    a.close()
    b.close()


def test_subscription_and_presence():
    a, b = people()
    befriend(a, b)
    for stream in (a, b):
        stream.send("<presence><status>aquí</status></presence>")
    equal(text_of(a.presence(b.jid), CLIENT + "status"), "aquí")
    equal(text_of(b.presence(a.jid), CLIENT + "status"), "aquí")
    c = login(one, bare(a.jid), resource="otro")    # a new resource asks who is there
    equal(text_of(c.presence(b.jid), CLIENT + "status"), "aquí")
    c.close()
    b.drop()
    a.presence(b.jid, "unavailable")
    a.close()


def test_iq():
    a, b = people()
    info = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", two.host)
    check(info.find(f"{DISCO_INFO}query/{DISCO_INFO}feature") is not None, "disco of the other relay")
    a.result("get", "<query xmlns='jabber:iq:version'/>", two.host)
    equal(a.refused("get", "<ping xmlns='urn:xmpp:ping'/>", b.jid)[1], "service-unavailable")     # strangers
    for payload in ("<query xmlns='jabber:iq:roster'/>", "<query xmlns='urn:xmpp:mam:2'/>", "<blocklist xmlns='urn:xmpp:blocking'/>",
                    "<query xmlns='jabber:iq:private'><x xmlns='urn:example:x'/></query>"):
        check(a.refused("get", payload, bare(b.jid))[1] in ("forbidden", "service-unavailable", "not-allowed"), payload)
    befriend(a, b)
    a.send(f"<iq type='get' id='p1' to='{b.jid}'><query xmlns='jabber:iq:version'/></iq>")
    got = b.wait(lambda e: e.tag == CLIENT + "iq" and e.get("id") == "p1")
    b.send(f"<iq type='result' id='p1' to='{got.get('from')}'/>")
    a.wait(lambda e: e.tag == CLIENT + "iq" and e.get("id") == "p1" and e.get("type") == "result")
    a.close()
    b.close()


def test_nobody_there():
    a = login(one, one.user())
    equal(a.refused("get", "<ping xmlns='urn:xmpp:ping'/>", f"nadie@{two.host}")[1], "service-unavailable")
    say(a, f"nadie@{two.host}", "hola", "n1")
    equal(error_of(a.message(type="error", id="n1")), ("cancel", "service-unavailable"))
    a.close()


def test_direct_tls():
    here, there = pair(direct=True)
    a, b = login(here, here.user()), login(there, there.user())
    say(a, b.jid, "directo")
    b.message(body="directo")
    say(b, a.jid, "igual")
    a.message(body="igual")
    for relay in (here, there):
        relay.stop()

# ---- a relay that lies


def test_nothing_before_tls():
    for said in ("<message from='a@tres.example' to='u@uno.example'/>", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"):
        liar = Liar(one)
        liar.open(header=liar.head())
        check(liar.features.find(f"{TLS}starttls/{TLS}required") is not None, "TLS is required")
        liar.send(said)
        equal(liar.stream_error(), "policy-violation")
        liar.drop()


def test_injection_behind_starttls():    # T1
    liar = Liar(one)
    liar.open(header=liar.head())
    liar.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + liar.head())
    liar.gone()
    liar.drop()


def test_headers():
    for header, condition in (({"to": "otro.example"}, "host-unknown"), ({"frm": "uno.example"}, "invalid-from"),
                              ({"frm": "a@tres.example"}, "invalid-from"), ({"content": "jabber:client"}, "invalid-namespace")):
        liar = Liar(one)
        liar.open(header=liar.head(**header), features=False)
        equal(liar.stream_error(), condition, str(header))
        liar.drop()


GOOD = ("DNS:tres.example", "DNS:TRES.example", "DNS:otro.example,DNS:tres.example", "otherName:1.3.6.1.5.5.7.8.5;UTF8:tres.example",
        "otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.tres.example")
BAD = ("DNS:otro.example", "DNS:*.tres.example", "DNS:*.example", "DNS:t*.example", "DNS:*", "DNS:*res.example", "DNS:www.tres.example",
       "DNS:tres.example.org", "", "otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-client.tres.example",
       "otherName:1.3.6.1.5.5.7.8.5;UTF8:*.example", "email:a@tres.example", "URI:xmpp://tres.example", "otherName:1.3.6.1.5.5.7.8.7;IA5:tres.example")


def refused(certificate, me="tres.example"):
    liar = Liar(one, me, certificate)
    liar.secure()
    equal(liar.mechanisms(), [], "nothing is offered")
    equal(liar.stream_error(), "not-authorized", str(certificate))
    liar.drop()


def test_certificates():    # F5
    for names in GOOD:
        liar = Liar(one, certificate=leaf(one.authority, names))
        liar.prove()
        liar.close()
    for names in BAD:
        refused(leaf(one.authority, names, subject="/CN=tres.example"))
    liar = Liar(one, "sub.tres.example", leaf(one.authority, "DNS:*.tres.example"))    # one whole label
    liar.prove()
    liar.close()
    refused(leaf(one.authority, "DNS:*.tres.example"), "a.sub.tres.example")
    liar = Liar(one, certificate=leaf(one.authority, "DNS:tres.example", usage="serverAuth"))    # all that public authorities still give
    liar.prove()
    liar.close()
    refused(leaf(one.authority, "DNS:tres.example", usage="codeSigning"))
    refused(leaf(one.authority, "DNS:tres.example", selfsigned=True))
    refused(leaf(one.authority, "DNS:tres.example", days=-1))
    refused(Authority(scratch() / "other-ca").issue("tres.example"))
    refused("none")


def test_authzid():
    for authzid, condition in (("otro.example", "invalid-authzid"), ("tres.example.evil", "invalid-authzid"), ("uno.example", "invalid-authzid")):
        liar = Liar(one)
        liar.secure()
        try:
            liar.sasl("EXTERNAL", authzid.encode())
            raise AssertionError(authzid)
        except Refused as refusal:
            equal(refusal.condition, condition)
        liar.drop()
    for authzid in ("", "tres.example", "TRES.example"):
        liar = Liar(one)
        liar.prove(authzid)
        liar.close()


def test_identity_stays():    # T4
    liar = Liar(one)
    liar.secure()
    liar.sasl("EXTERNAL", b"tres.example")
    liar.open(header=liar.head(frm="otro.example"), features=False)
    equal(liar.stream_error(), "invalid-from")
    liar.drop()


def test_from_and_to():    # F4, F6
    b = login(one, one.user())
    for frm, to, condition in (("a@otro.example", b.jid, "invalid-from"), ("a@sub.tres.example", b.jid, "invalid-from"),
                               ("a@uno.example", b.jid, "invalid-from"), ("uno.example", b.jid, "invalid-from"),
                               ("a@tres.example.", b.jid, None), ("A@TRES.example/x", b.jid, None), ("a@ｔres.example", b.jid, None),
                               ("a@tres.example@otro.example", b.jid, "invalid-from"), ("", b.jid, "invalid-from"),
                               (None, b.jid, "improper-addressing"), ("a@tres.example", None, "improper-addressing"),
                               ("a@tres.example", "b@otro.example", "host-unknown"), ("a@tres.example", "@@", "improper-addressing")):
        liar = Liar(one)
        liar.prove()
        frm = "" if frm is None else f" from={quoteattr(frm)}"
        to = "" if to is None else f" to={quoteattr(to)}"
        liar.send(f"<message{frm}{to} type='chat'><body>miente</body></message>")
        if condition:
            equal(liar.stream_error(), condition, f"{frm} {to}")
            liar.drop()
        else:
            equal(bare(b.message(body="miente").get("from")), "a@tres.example", "in one form whatever was written")
            liar.close()
    check(all(text_of(m, CLIENT + "body") != "miente" for m in b.barrier()), "no lie came through")
    b.close()


def test_an_odd_name_costs_only_itself():
    """A name that is a JID for a laxer server: its stanza goes nowhere, and the stream of all its neighbours goes on."""
    b = login(one, one.user())
    liar = Liar(one)
    liar.prove(first="<bidi xmlns='urn:xmpp:bidi'/>")
    liar.managed()
    phone = "\U0001F4F1"        # not in Unicode 3.2
    liar.send(f"<presence from='bob@tres.example/{phone}' to='{b.jid}'/>"
              f"<message from='{phone}@tres.example' to='{b.jid}' type='chat'><body>odd</body></message>"
              f"<message from='bob@tres.example/r' to='{phone}@uno.example' type='chat' id='o1'><body>odd</body></message>"
              f"<iq from='bob@tres.example/r' to='{bare(b.jid)}/{phone}' type='get' id='o2'><ping xmlns='urn:xmpp:ping'/></iq>"
              f"<message from='bob@tres.example/r' to='{b.jid}' type='chat'><body>fine</body></message>")
    equal(text_of(b.wait(lambda e: e.tag == CLIENT + "message"), CLIENT + "body"), "fine")
    for ident in ("o1", "o2"):
        error = liar.wait(lambda e, ident=ident: e.get("type") == "error" and e.get("id") == ident)
        check(any(e.tag.endswith("}jid-malformed") for e in error.iter()), ident)
    liar.close()
    b.close()


def test_sizes():    # X13
    b = login(one, one.user())
    liar = Liar(one)
    liar.prove()
    most = int(text_of(liar.features, f"{LIMITS}limits/{LIMITS}max-bytes"))
    head, tail = f"<message from='a@tres.example' to='{b.jid}'><x xmlns='urn:example:x'>", "</x></message>"
    liar.send(head + "x" * (most - len(head) - len(tail)) + tail)
    b.wait(lambda e: e.tag == CLIENT + "message")
    liar.send(head + "x" * (most - len(head) - len(tail) + 1) + tail)
    equal(liar.stream_error(), "policy-violation")
    liar.drop()
    liar = Liar(one)
    liar.open(header=liar.head())
    liar.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls' x='" + "x" * 16384 + "'/>")
    equal(liar.stream_error(), "policy-violation")
    liar.drop()
    b.close()


def test_acknowledged_when_kept():
    jid = one.user()
    liar = Liar(one)
    liar.prove()
    check(liar.features.find(SM + "sm") is not None, "stream management is offered")
    liar.send("<enable xmlns='urn:xmpp:sm:3'/>")
    equal(liar.read().tag, SM + "enabled")
    for n in range(20):
        liar.send(f"<message from='a@tres.example' to='{jid}' type='chat'><body>guarda {n}</body></message>")
    liar.send("<r xmlns='urn:xmpp:sm:3'/>")
    equal(liar.wait(lambda e: e.tag == SM + "a").get("h"), "20")
    one.kill()    # what was acknowledged is there
    liar.drop()
    one.start()
    b = login(one, jid)
    equal([text_of(b.message(), CLIENT + "body") for _ in range(20)], [f"guarda {n}" for n in range(20)])
    b.close()


def test_dialback_is_not_known():    # F1, F3
    liar = Liar(one)
    liar.open(header=liar.head())
    liar.send("<result xmlns='jabber:server:dialback' from='tres.example' to='uno.example' type='valid'/>")
    equal(liar.stream_error(), "policy-violation")
    liar.drop()
    liar = Liar(one)
    liar.secure()
    liar.send("<verify xmlns='jabber:server:dialback' from='tres.example' to='uno.example' id='x' type='valid'/>")
    equal(liar.stream_error(), "not-authorized")
    liar.drop()


if __name__ == "__main__":
    main()
