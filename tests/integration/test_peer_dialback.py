#!/usr/bin/python3
"""Server Dialback (XEP-0220) in all three roles, only where it is asked for, inside TLS, never for who has a pin. Attacks F1 to F4."""
import hashlib
from lazo_test import *
from xmpp_raw import *
from liar import *

DIALBACK_FEATURE = "{urn:xmpp:features:dialback}"


def setup():
    """`one` and `two` know nobody's authority: dialback is all they have. tres.example is a relay of the tests'."""
    global one, two, tres, foreign
    ports = free_port(), free_port()
    foreign = Authority(scratch() / "foreign")
    tres = Answering("tres.example", foreign.issue("tres.example"))
    pinned = {"address": f'"127.0.0.1:{free_port()}"', "pin": f'"sha256:{"00" * 32}"'}
    one = Relay("uno.example", dialback=True, server=[f"127.0.0.1:{ports[0]}"], retry={"most": '"2s"'},
                **{'peer "dos.example"': {"address": f'"127.0.0.1:{ports[1]}"'}, 'peer "tres.example"': tres.peer, 'peer "pin.example"': pinned})
    two = Relay("dos.example", dialback=True, server=[f"127.0.0.1:{ports[1]}"], retry={"most": '"2s"'},
                **{'peer "uno.example"': {"address": f'"127.0.0.1:{ports[0]}"'}})


def test_two_relays_without_an_authority():
    a, b = login(one, one.user()), login(two, two.user())
    for n in range(20):
        a.send(f"<message to='{b.jid}' id='{new_id()}' type='chat'><body>sin sello {n}</body></message>")
    for n in range(20):
        equal(text_of(b.message(), CLIENT + "body"), f"sin sello {n}")
    b.send(f"<message to='{a.jid}' id='{new_id()}' type='chat'><body>igual</body></message>")
    a.message(body="igual")
    check("by dialback" in two.log_text() and "by dialback" in one.log_text(), "both by dialback")
    for stream in (a, b):
        stream.barrier()
        stream.close()


def test_not_where_it_is_off():
    """Negative control: the same two without `dialback` do not trust each other."""
    ports = free_port(), free_port()
    three = Relay("cinco.example", server=[f"127.0.0.1:{ports[0]}"], **{'peer "dos.example"': {"address": f'"127.0.0.1:{two.ports["server"]}"'}})
    a = login(three, three.user())
    equal(a.refused("get", "<ping xmlns='urn:xmpp:ping'/>", two.host), ("wait", "remote-server-timeout"))
    check("is not trusted" in three.log_text(), "says why")
    liar = Liar(three, "tres.example", foreign.issue("tres.example"))
    liar.secure()
    equal(liar.stream_error(), "not-authorized")
    liar.drop()
    three.stop()


def claim(host="tres.example", key="abc", to="uno.example", frm=None):
    """A stream that claims by dialback to be `host`."""
    liar = Liar(one, host, foreign.issue(host))
    liar.secure()
    check(liar.features.find(f"{DIALBACK_FEATURE}dialback/{DIALBACK_FEATURE}errors") is not None, "announced with its errors")
    equal(liar.mechanisms(), [], "no EXTERNAL for who has no good certificate")
    liar.send(f"<db:result xmlns:db='jabber:server:dialback' from='{frm or host}' to='{to}'>{key}</db:result>")
    return liar


def asked(liar):
    """The question that `one` puts to the relay of tres.example; its visit, held at the answer."""
    visit = tres.visit()
    visit.greet("")
    question = visit.wait(lambda e: e.tag == DIALBACK + "verify")
    equal((question.get("from"), question.get("to"), question.get("id"), question.text),
          ("uno.example", "tres.example", liar.header["id"], "abc"))
    return visit


def verdict(liar):
    got = liar.wait(lambda e: e.tag == DIALBACK + "result")
    equal((got.get("from"), got.get("to")), ("uno.example", liar.me))
    return got


def say_valid(visit, kind="valid", frm="tres.example", to="uno.example", ident=None, liar=None, name="verify"):
    visit.send(f"<db:{name} xmlns:db='jabber:server:dialback' from='{frm}' to='{to}' id='{ident or liar.header['id']}' type='{kind}'/>")


def test_receiving():
    b = login(one, one.user())
    liar = claim()
    say_valid(asked(liar), liar=liar)
    equal(verdict(liar).get("type"), "valid")
    liar.stanza(b.jid, "por llave")
    b.message(body="por llave")
    liar.stanza(b.jid, "x" * 20000)    # larger than before the proof
    b.message(body="x" * 20000)
    liar.stanza(b.jid, "otro", frm="a@cuatro.example")    # F4
    equal(liar.stream_error(), "invalid-from")
    equal([m for m in b.barrier() if text_of(m, CLIENT + "body") == "otro"], [])
    b.close()


def test_nothing_before_the_verdict():
    b = login(one, one.user())
    liar = claim()
    liar.stanza(b.jid, "impaciente")
    visit = asked(liar)
    say_valid(visit, "invalid", liar=liar)
    equal(verdict(liar).get("type"), "invalid")
    liar.gone()
    equal([m for m in b.barrier() if m.tag == CLIENT + "message"], [])
    b.close()


def test_answers_that_do_not_count():    # F1
    """What answers another question than ours, or comes on another stream, proves nothing."""
    for wrong in ({"frm": "cuatro.example"}, {"to": "dos.example"}, {"ident": "0" * 32}, {"name": "result"}, {"kind": "error"}):
        liar = claim()
        visit = asked(liar)
        say_valid(visit, liar=liar, **wrong)
        if wrong != {"kind": "error"}:
            visit.drop()
        got = verdict(liar)
        equal(got.get("type"), "error", str(wrong))
        check(local(got[0][0]).startswith("remote-server"), local(got[0][0]))
        liar.send(f"<message from='a@tres.example' to='u1@uno.example'><body>no</body></message>")
        equal(liar.stream_error(), "not-authorized")
        liar.drop()
    b = login(one, one.user())
    liar = Liar(one, "tres.example", foreign.issue("tres.example"))
    liar.secure()
    for name in ("result", "verify"):    # answers on a stream on which nothing was asked
        say_valid(liar, frm="tres.example", ident="x", name=name)
    liar.stanza(b.jid, "creíste")
    equal(liar.stream_error(), "not-authorized")
    equal([m for m in b.barrier() if m.tag == CLIENT + "message"], [])
    check("was not put here" in one.log_text(), "and it is in the log")
    liar.drop()
    b.close()


def test_other_stream_answers():    # F1
    """The answer to one stream's question given on another's: neither is believed for it."""
    first, second = claim(), claim()
    one_visit, two_visit = asked_any(first, second)
    say_valid(one_visit[0], ident=two_visit[1])
    one_visit[0].drop()
    say_valid(two_visit[0], ident=two_visit[1])
    by_id = {first.header["id"]: first, second.header["id"]: second}
    equal(verdict(by_id[two_visit[1]]).get("type"), "valid")
    equal(verdict(by_id[one_visit[1]]).get("type"), "error")
    first.drop()
    second.drop()


def asked_any(*liars):
    came = []
    for _ in liars:
        visit = tres.visit()
        visit.greet("")
        came.append((visit, visit.wait(lambda e: e.tag == DIALBACK + "verify").get("id")))
    return came


def test_errors_are_not_fatal():
    liar = claim(to="nadie.example")    # not hosted here
    got = liar.wait(lambda e: e.tag == DIALBACK + "result")
    equal((got.get("type"), got.get("from"), local(got[0][0])), ("error", "nadie.example", "item-not-found"))
    liar.send("<db:result xmlns:db='jabber:server:dialback' from='tres.example' to='uno.example'>abc</db:result>")
    say_valid(asked(liar), liar=liar)
    equal(verdict(liar).get("type"), "valid")
    # F4: another domain on a stream that carries one: an error for that pair, the first goes on
    liar.send("<db:result xmlns:db='jabber:server:dialback' from='otro.example' to='uno.example'>abc</db:result>")
    got = liar.wait(lambda e: e.tag == DIALBACK + "result")
    equal((got.get("to"), got.get("type"), local(got[0][0])), ("otro.example", "error", "resource-constraint"))
    b = login(one, one.user())
    liar.stanza(b.jid, "sigue")
    b.message(body="sigue")
    liar.close()
    b.close()


def test_never_for_a_pin_nor_for_us():
    liar = Liar(one, "pin.example", foreign.issue("pin.example"))
    liar.secure()
    equal(liar.stream_error(), "not-authorized", "a pin is a pin")
    liar.drop()
    for frm in ("pin.example", "uno.example"):
        liar = claim(frm=frm)
        got = liar.wait(lambda e: e.tag == DIALBACK + "result")
        equal((got.get("type"), local(got[0][0])), ("error", "not-authorized"), frm)
        liar.drop()
    a = login(one, one.user())
    equal(a.refused("get", "<ping xmlns='urn:xmpp:ping'/>", "pin.example")[1], "remote-server-timeout")
    a.close()


def test_not_in_clear():
    liar = Liar(one, "tres.example")
    liar.open(header=liar.head())
    liar.send("<db:result xmlns:db='jabber:server:dialback' from='tres.example' to='uno.example'>abc</db:result>")
    equal(liar.stream_error(), "policy-violation")
    liar.drop()


def question(key, ident="77", to="uno.example", frm="tres.example"):
    """What `one`, as the authority for its own keys, says of that one."""
    liar = Liar(one, frm, foreign.issue(frm))
    liar.secure()
    liar.send(f"<db:verify xmlns:db='jabber:server:dialback' from='{frm}' to='{to}' id='{ident}'>{key}</db:verify>")
    got = liar.wait(lambda e: e.tag == DIALBACK + "verify")
    equal((got.get("from"), got.get("to"), got.get("id")), (to, frm, ident))
    liar.drop()
    return got.get("type")


def test_authoritative():    # F2, F3
    a = login(one, one.user())
    a.send("<iq type='get' id='q' to='tres.example'><ping xmlns='urn:xmpp:ping'/></iq>")
    visit = tres.visit()
    visit.greet("", ident="stream 77")
    result = visit.wait(lambda e: e.tag == DIALBACK + "result")
    equal((result.get("from"), result.get("to")), ("uno.example", "tres.example"))
    key = result.text
    check(len(key) == 64 and int(key, 16) >= 0, "HMAC-SHA256")
    equal(question(key, "stream 77"), "valid")
    equal(question(key, "stream 78"), "invalid")
    equal(question(key, "77"), "invalid", "another split of the same letters")
    equal(question(key, "stream 77", frm="cuatro.example"), "invalid")
    equal(question(key[:-1] + ("0" if key[-1] != "0" else "1"), "stream 77"), "invalid")
    equal(question("", "stream 77"), "invalid")
    equal(question(key + "00", "stream 77"), "invalid")
    equal(question(key, "stream 77", to="nadie.example"), "error")
    equal([e for e in visit.inbox if e.tag.startswith(SERVER)], [], "no stanza before the verdict")
    visit.send("<db:result xmlns:db='jabber:server:dialback' from='cuatro.example' to='uno.example' type='valid'/>")
    equal(visit.stream_error(), "policy-violation", "the verdict of another domain is none")
    a.close()
    one.restart()    # the secret outlives the process: a verdict that comes late is still right
    equal(question(key, "stream 77"), "valid")


def test_initiating():
    a = login(one, one.user())
    for kind in ("invalid", "valid"):
        a.send(f"<iq type='get' id='{kind}' to='tres.example'><ping xmlns='urn:xmpp:ping'/></iq>")
        visit = tres.visit(40)
        visit.greet("")
        visit.wait(lambda e: e.tag == DIALBACK + "result")
        visit.send(f"<db:result xmlns:db='jabber:server:dialback' from='tres.example' to='uno.example' type='{kind}'/>")
        if kind == "invalid":
            equal(error_of(a.wait(lambda e: e.get("id") == kind))[1], "remote-server-timeout")
            time.sleep(2.5)    # the pause after a failure
        else:
            equal(visit.wait(lambda e: e.get("id") == kind).tag, SERVER + "iq")
            visit.send(f"<message from='a@tres.example' to='{a.jid}'><body>por la otra puerta</body></message>")
            visit.send(f"<iq type='result' id='{kind}' from='tres.example' to='{a.jid}'/>")
            time.sleep(0.3)
            equal([e for e in a.barrier() if e.tag == CLIENT + "message"], [], "F7: nothing comes on a stream that only we proved ourselves on")
    a.close()


if __name__ == "__main__":
    main()
