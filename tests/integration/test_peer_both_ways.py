#!/usr/bin/python3
"""One stream for both directions (XEP-0288), whichever side began it; and a relay that nobody can dial, which receives all the same.

XEP-0198 and XEP-0478 in both directions, proto/spec/custody.md 9; attack F7.
"""
from lazo_test import *
from xmpp_raw import *
from liar import *

BIDI_FEATURE = "{urn:xmpp:features:bidi}"
ASK = "<bidi xmlns='urn:xmpp:bidi'/>"


def setup():
    """`open_one` can be dialed, `hidden` cannot: its peer has an address at which nobody is."""
    global open_one, hidden, authority
    authority = Authority(scratch() / "ca")
    port = free_port()
    open_one = Relay("uno.example", authority, trust=[str(authority.crt)], server=[f"127.0.0.1:{port}"], retry={"most": '"2s"'},
                     **{'peer "dos.example"': {"address": f'"127.0.0.1:{free_port()}"'}})
    hidden = Relay("dos.example", authority, trust=[str(authority.crt)], retry={"most": '"2s"'},
                   **{'peer "uno.example"': {"address": f'"127.0.0.1:{port}"', "keep": "true"}})


def say(stream, to, body, ident=None):
    ident = ident or new_id()
    stream.send(f"<message to='{to}' id='{ident}' type='chat'><body>{body}</body><origin-id xmlns='urn:xmpp:sid:0' id='{ident}'/></message>")


def bodies(stream, count):
    return [text_of(stream.wait(lambda e: e.tag == CLIENT + "message" and e.find(CLIENT + "body") is not None, 30), CLIENT + "body")
            for _ in range(count)]


def test_who_cannot_be_dialed_receives():
    """The hidden one has said nothing: it keeps a stream so that the other can speak."""
    eventually(lambda: "both ways" in open_one.log_text(), 20, "the stream that is kept")
    jid = hidden.user()
    a, b = login(open_one, open_one.user()), login(hidden, jid)
    for n in range(150):
        say(a, jid, f"hola {n}")
    equal(bodies(b, 150), [f"hola {n}" for n in range(150)])
    for n in range(150):
        say(b, a.jid, f"aquí {n}")
    equal(bodies(a, 150), [f"aquí {n}" for n in range(150)])
    equal(a.result("get", "<query xmlns='jabber:iq:version'/>", hidden.host).get("from"), hidden.host)
    equal(open_one.log_text().count("reached,"), 0, "it could not dial")
    equal([m for m in a.barrier() + b.barrier() if m.get("type") == "error"], [])
    a.close()
    b.close()


def test_held_for_who_cannot_be_dialed():
    jid, later = hidden.user(), hidden.user()
    a = login(open_one, open_one.user())
    hidden.stop()
    for n in range(60):
        say(a, jid, f"espera {n}")
    a.barrier()
    hidden.start()
    b = login(hidden, jid)
    equal(bodies(b, 60), [f"espera {n}" for n in range(60)])
    hidden.kill()
    b.drop()
    for n in range(60):
        say(a, later, f"otra {n}")
    a.barrier()
    open_one.kill()
    a.drop()
    hidden.start()
    open_one.start()
    b = login(hidden, later)
    equal(bodies(b, 60), [f"otra {n}" for n in range(60)])
    equal(b.barrier(), [], "each once")
    b.close()


def test_kept_again_after_a_loss():
    offset = len(open_one.log_text())
    open_one.restart()
    eventually(lambda: open_one.log_text(offset).count("both ways") >= 1, 30, "dialed again by itself")


def test_not_without_being_asked():
    """Negative control: a stream that did not ask for both ways gets no stanza, and who is not known is not believed."""
    a = login(open_one, open_one.user())
    liar = Liar(open_one, "tres.example")
    liar.prove()
    liar.managed()
    a.send("<iq type='get' id='q1' to='tres.example'><ping xmlns='urn:xmpp:ping'/></iq>")
    equal(error_of(a.wait(lambda e: e.get("id") == "q1", 45))[1], "remote-server-not-found")
    equal([e for e in liar.inbox if e.tag.startswith(SERVER)], [])
    liar.close()
    a.close()


def test_answers_on_the_same_stream():
    a = login(open_one, open_one.user())
    liar = Liar(open_one, "tres.example")
    liar.secure()
    check(liar.features.find(BIDI_FEATURE + "bidi") is not None, "offered behind TLS")
    liar.send("<bidi xmlns='urn:xmpp:bidi'><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>20000</max-bytes></limits></bidi>")
    liar.sasl("EXTERNAL", b"tres.example")
    liar.open(header=liar.head())
    liar.managed()
    liar.send("<iq type='get' id='v' from='x@tres.example/r' to='uno.example'><query xmlns='jabber:iq:version'/></iq>")
    equal(liar.wait(lambda e: e.get("id") == "v").get("type"), "result")
    a.send("<iq type='get' id='q2' to='x@tres.example/r'><ping xmlns='urn:xmpp:ping'/></iq>")
    got = liar.wait(lambda e: e.get("id") == "q2")
    equal((got.tag, got.get("from")), (SERVER + "iq", a.jid))
    liar.send(f"<iq type='result' id='q2' from='x@tres.example/r' to='{a.jid}'/>")
    equal(a.wait(lambda e: e.get("id") == "q2").get("type"), "result")
    say(a, "x@tres.example", "corta", "c1")
    equal(text_of(liar.wait(lambda e: e.get("id") == "c1"), SERVER + "body"), "corta")
    say(a, "x@tres.example", "larga " * 4000, "c2")    # it has said that it takes 20000 bytes
    equal(error_of(a.message(id="c2", type="error"))[1], "policy-violation")
    liar.wait(lambda e: e.tag == SM + "r")
    liar.send("<a xmlns='urn:xmpp:sm:3' h='99'/>")
    equal(liar.stream_error(), "undefined-condition", "acknowledges what was not sent")
    liar.drop()
    a.close()


def test_nothing_before_the_proof():
    """F7: who has asked for both ways and proven nothing is told nothing."""
    a = login(open_one, open_one.user())
    liar = Liar(open_one, "cuatro.example")
    liar.secure()
    liar.send(ASK)
    a.send("<iq type='get' id='q3' to='cuatro.example'><ping xmlns='urn:xmpp:ping'/></iq>")
    equal(error_of(a.wait(lambda e: e.get("id") == "q3", 45))[1], "remote-server-not-found")
    liar.send(f"<message from='a@cuatro.example' to='{a.jid}'><body>antes</body></message>")
    equal(liar.stream_error(), "not-authorized")
    equal([e for e in liar.inbox if e.tag.startswith(SERVER)], [])
    liar.drop()
    equal(a.barrier(), [])
    a.close()


def meet(features, name, **conf):
    """A relay that dials `name`, and its visit there."""
    answering = Answering(name, authority.issue(name))
    relay = Relay("uno.example", authority, trust=[str(authority.crt)], **{f'peer "{name}"': answering.peer}, **conf)
    stream = login(relay, relay.user())
    stream.send(f"<iq type='get' id='q' to='{name}'><ping xmlns='urn:xmpp:ping'/></iq>")
    return relay, stream, answering.visit()


def test_what_comes_on_a_stream_of_ours():
    """F7: stanzas on a stream that we began are taken if both ways were agreed on, and only from that domain."""
    relay, stream, visit = meet("", "seis.example")
    visit.take_proof(EXTERNAL + "<bidi xmlns='urn:xmpp:features:bidi'/>")
    asked = [e for e in visit.inbox if e.tag == BIDI + "bidi"]
    equal(len(asked), 1, "it asks before it proves itself")
    check(asked[0].find(LIMITS + "limits") is not None, "and says what it takes")
    visit.wait(lambda e: e.get("id") == "q")
    visit.send(f"<message from='a@seis.example' to='{stream.jid}' type='chat'><body>verdad</body></message>")
    stream.message(body="verdad")
    visit.send(f"<message from='a@otro.example' to='{stream.jid}' type='chat'><body>mentira</body></message>")
    equal(visit.stream_error(), "invalid-from")
    equal([text_of(m, CLIENT + "body") for m in stream.barrier() if m.tag == CLIENT + "message"], [])
    relay.stop(None)


def test_what_comes_unasked_on_a_stream_of_ours():
    relay, stream, visit = meet("", "siete.example")
    visit.take_proof(EXTERNAL)    # no bidi is offered
    equal([e for e in visit.inbox if e.tag == BIDI + "bidi"], [], "not asked for where it is not offered")
    visit.wait(lambda e: e.get("id") == "q")
    visit.send(f"<message from='a@siete.example' to='{stream.jid}' type='chat'><body>nadie preguntó</body></message>")
    visit.send(f"<iq type='result' id='q' from='siete.example' to='{stream.jid}'/>")
    time.sleep(0.3)
    equal([e for e in stream.barrier() if e.tag in (CLIENT + "message", CLIENT + "iq")], [], "thrown away")
    relay.stop(None)


if __name__ == "__main__":
    main()
