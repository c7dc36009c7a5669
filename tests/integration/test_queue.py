#!/usr/bin/python3
"""Messages for another relay are kept until it has them: while it is away, over kill -9 of either, each once, and every end is told.

Design 3.3, 3.4; proto/spec/custody.md 9; RFC 6120 8.3, XEP-0198, XEP-0203, XEP-0478.
"""
import time

from lazo_test import *
from peers import *
from xmpp_raw import *

DELAY = "{urn:xmpp:delay}"


def setup():
    global one, two, jid_a, jid_b
    one, two = pair()
    one.start()
    two.start()
    jid_a = one.user("ana")
    fresh()


def fresh():
    """Another recipient: nothing of the last test waits for them."""
    global jid_b
    up(one, two)
    jid_b = two.user()


def say(stream, to, body, ident=None, extra=""):
    ident = ident or new_id()
    stream.send(f"<message to='{to}' id='{ident}' type='chat'><body>{body}</body>{extra}"
                f"<origin-id xmlns='urn:xmpp:sid:0' id='{ident}'/></message>")
    return ident


def bodies(stream, count):
    return [text_of(stream.wait(lambda e: e.tag == CLIENT + "message" and e.find(CLIENT + "body") is not None, 30), CLIENT + "body")
            for _ in range(count)]


def test_held_while_away():
    fresh()
    a = login(one, jid_a)
    two.stop()
    for n in range(120):
        say(a, jid_b, f"mientras {n}")
    a.barrier()
    two.start()
    b = login(two, jid_b)
    got = [b.wait(lambda e: e.tag == CLIENT + "message", 30) for _ in range(120)]
    equal([text_of(m, CLIENT + "body") for m in got], [f"mientras {n}" for n in range(120)])
    equal({m.find("{urn:lazo:custody:0}custody") for m in got}, {None}, "between relays alone")
    equal(b.barrier(), [])
    equal([m for m in a.barrier() if m.get("type") == "error"], [], "nobody was told of an error")
    a.close()
    b.close()


def test_late_ones_say_when():
    fresh()
    a = login(one, jid_a)
    two.stop()
    say(a, jid_b, "tarde")
    a.barrier()
    time.sleep(10.5)
    two.start()
    b = login(two, jid_b)
    delays = [d for m in [b.message(body="tarde")] for d in m.iter(DELAY + "delay") if d.get("from") == ONE]
    equal(len(delays), 1, "said by who held it")
    a.close()
    b.close()


def test_sender_killed():
    """What was acknowledged to the sender's client survives its relay."""
    fresh()
    a = login(one, jid_a)
    two.stop()
    for n in range(50):
        say(a, jid_b, f"corte {n}")
    a.barrier()
    one.kill()
    a.drop()
    up(one, two)
    b = login(two, jid_b)
    equal(bodies(b, 50), [f"corte {n}" for n in range(50)])
    equal(b.barrier(), [])
    b.close()


def test_killed_in_the_middle():
    """Either is killed while many are on their way: each arrives once, in order."""
    fresh()
    a = login(one, jid_a)
    for turn, victim in enumerate((two, one, two)):
        b = login(two, jid_b)
        total = 600
        for n in range(total):
            say(a, jid_b, f"{turn}: {n}")
        a.barrier()
        b.drop()
        victim.kill()
        if victim is one:
            a.drop()
        up(one, two)
        if victim is one:
            a = login(one, jid_a)
        b = login(two, jid_b)
        eventually(lambda: waiting(one) == 0, 40, "all are handed over")
        b.drop()
        b = login(two, jid_b)    # what was delivered and confirmed before is in the archive
        equal([m for m in archived(b, jid_a) if m.startswith(f"{turn}: ")], [f"{turn}: {n}" for n in range(total)])
        b.close()
    a.close()


def archived(stream, peer):
    found, after = [], None
    while True:
        rsm = "<set xmlns='http://jabber.org/protocol/rsm'><max>200</max>" + (f"<after>{after}</after>" if after else "") + "</set>"
        stream.send(f"<iq type='set' id='mam'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
                    "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>"
                    f"<field var='with'><value>{peer}</value></field></x>{rsm}</query></iq>")
        while True:
            e = stream.read()
            if e.tag == CLIENT + "iq" and e.get("id") == "mam":
                break
            inner = e.find("{urn:xmpp:mam:2}result")
            if inner is not None:
                found.append(text_of(next(inner.iter(CLIENT + "body")), "."))
        fin = e.find("{urn:xmpp:mam:2}fin")
        last = text_of(fin, "{http://jabber.org/protocol/rsm}set/{http://jabber.org/protocol/rsm}last")
        if fin.get("complete") == "true" or not last:
            return found
        after = last


def test_error_comes_back():
    fresh()
    a = login(one, jid_a)
    a.send("<presence/>")
    say(a, f"nadie@{TWO}", "hola", "e1")
    got = a.message(type="error", id="e1")
    equal((got.get("from"), error_of(got)), (f"nadie@{TWO}", ("cancel", "service-unavailable")))
    equal([m for m in a.barrier() if m.get("type") == "error"], [], "once")
    a.close()
    a = login(one, jid_a)
    two.stop()
    say(a, f"nadie@{TWO}", "hola", "e2")
    a.barrier()
    a.close()
    two.start()
    eventually(lambda: waiting(one) == 0, 30, "answered")
    eventually(lambda: spool(one, "name = 'e2'") == 0, 30, "the error has ended it")
    a = login(one, jid_a)
    a.send("<presence/>")
    equal(error_of(a.message(type="error", id="e2"))[1], "service-unavailable", "who was away hears of it")
    a.close()


CUSTODY = "{urn:lazo:custody:0}"
ENABLE = "<enable xmlns='urn:lazo:custody:0'/>"


def told(stream, origin, last):
    """The push after which that stage is the last."""
    def found(m):
        status = m.find(CUSTODY + "status") if m.tag == CLIENT + "message" else None
        return status is not None and status.get("origin") == origin and local(status[-1]) == last
    return stream.wait(found, 30, f"{origin} is {last}").find(CUSTODY + "status")


def asked(stream, origin):
    return stream.result("get", f"<query xmlns='urn:lazo:custody:0' origin='{origin}'/>").find(f"{CUSTODY}query/{CUSTODY}status")


def names_of(status):
    return [local(stage) for stage in status]


def test_where_it_is():
    fresh()
    a = login(one, jid_a)
    a.result("set", ENABLE)
    say(a, jid_b, "derecho", "w1")
    status = told(a, "w1", "handed")
    equal((names_of(status), status[-1].get("to"), status[-1].get("how")), (["accepted", "handed"], TWO, "durable"))
    two.stop()
    say(a, jid_b, "espera", "w2")
    held = told(a, "w2", "held")[-1]
    check(held.get("by") == ONE and held.get("next") and held.get("until") and int(held.get("tries")) > 0 and held.get("reason"), str(held.attrib))
    say(a, jid_b, "espera", "w3")
    told(a, "w3", "held")
    a.close()
    one.restart()
    a = login(one, jid_a)    # who comes later
    equal(names_of(asked(a, "w2")), ["accepted", "held"])
    a.result("set", ENABLE)
    two.start()
    for name in ("w2", "w3"):
        equal(names_of(told(a, name, "handed")), ["accepted", "handed"])
    page = a.result("get", "<query xmlns='urn:lazo:custody:0'/>").find(CUSTODY + "query")
    equal([s.get("origin") for s in page.findall(CUSTODY + "status")], ["w1", "w2", "w3"])
    say(a, f"nadie@{TWO}", "nadie", "w4")
    status = told(a, "w4", "refused")
    equal((local(status[-1]), [local(c) for c in status[-1]]), ("refused", ["service-unavailable"]))
    b = login(two, jid_b)
    b.message(id="w3")
    b.send(f"<message to='{jid_a}' type='chat' id='r1'><received xmlns='urn:xmpp:receipts' id='w3'/></message>")
    a.message(id="r1")
    equal(names_of(asked(a, "w3")), ["accepted", "handed", "delivered"])
    a.close()
    b.close()


def test_in_words():
    fresh()
    a = login(one, jid_a)
    two.stop()
    say(a, jid_b, "espera")
    say(a, jid_b, "y espera")
    a.barrier()

    def asked():
        a.send(f"<message to='{ONE}' type='chat' id='{new_id()}'><body>estado</body></message>")
        return text_of(a.wait(lambda e: e.tag == CLIENT + "message" and e.get("from") == ONE), CLIENT + "body")
    eventually(lambda: time.sleep(1) or "último intento: " in asked(), 4, "it was tried")
    text = asked()
    check("guardado para otros relés" in text and f"{jid_b}: 2 (el más antiguo, del " in text and "; el próximo: " in text, text)
    two.start()
    eventually(lambda: waiting(one) == 0, 30, "handed over")
    check("De usted para otros relés: nada en espera." in asked(), "nothing any more")
    a.close()


def test_no_relay_there():
    a = login(one, jid_a)
    say(a, "luis@sin-relay.example", "hola", "n1")
    equal(error_of(a.message(type="error", id="n1")), ("cancel", "remote-server-not-found"), "at once")
    a.close()


if __name__ == "__main__":
    main()
