#!/usr/bin/python3
"""Relays tell each other their courier keys, on a stream on which both prove themselves by certificate, once for each connection.

proto/spec/courier.md 4.1. The first key is believed, a later one only shown to the operator. Controls: a relay that answers what was not
asked, or with another domain's key, or that came by dialback, is not believed; one that does not speak of courier keys is not asked.
"""
import base64
import sqlite3
import subprocess

from lazo_test import *
from liar import *
from peers import ONE, TWO, pair
from xmpp_raw import *

COURIER = "{urn:lazo:courier:0}"
SPEAKS = "<bidi xmlns='urn:xmpp:bidi'><courier xmlns='urn:lazo:courier:0'/></bidi>"


def setup():
    global one, two
    one, two = pair()
    one.start()
    two.start()


def fingerprint(relay):
    return relay.ctl_json("peer", "key")[0]["key"]


def peer(relay, domain):
    rows = [p for p in relay.ctl_json("peer", "list") if p["domain"] == domain]
    return (rows[0]["key"], rows[0]["offered"]) if rows else (None, None)


def der_of(relay):
    return subprocess.run(["openssl", "x509", "-outform", "DER"], input=relay.ctl_json("peer", "key")[0]["certificate"].encode(),
                          capture_output=True, check=True).stdout


def talk():
    """A message from one to the other, so that there is a stream."""
    a, b = login(one, one.user()), login(two, two.user())
    a.send(f"<message to='{bare(b.jid)}' type='chat'><body>hola</body></message>")
    b.message(body="hola")
    a.close()
    b.close()


def forget_key(relay):
    database = sqlite3.connect(relay.data / "lazo.db", timeout=10)
    with database:
        database.execute("DELETE FROM courier_key")
    database.close()


def test_both_learn():
    talk()
    eventually(lambda: peer(one, TWO)[0] and peer(two, ONE)[0], 20, "both keys")
    equal(peer(one, TWO), (fingerprint(two), None))
    equal(peer(two, ONE), (fingerprint(one), None))
    shown = one.ctl_json("peer", "show", TWO)[0]
    equal(shown["key_from"], "stream")
    check("PRIVATE" not in one.log_text() + two.log_text())


def test_another_key_is_not_taken():
    before = fingerprint(two)
    two.stop()
    forget_key(two)
    other = fingerprint(two)    # made anew
    check(other != before)
    for _ in range(2):          # said once, however often it comes
        two.start()
        talk()
        eventually(lambda: peer(one, TWO) == (before, other), 20, "the old one kept, the other shown")
        two.restart()
        talk()
        two.stop()
    equal(one.log_text().count("shows another courier key"), 1)
    equal(peer(one, TWO), (before, other))
    file = scratch() / "two.pem"
    file.write_text(two.ctl_json("peer", "key")[0]["certificate"])
    one.ctl("peer", "trust", TWO, file, status=73)
    one.ctl("peer", "trust", "--replace", TWO, file)
    equal(peer(one, TWO), (other, None))
    two.start()
    talk()
    equal(peer(one, TWO), (other, None))


def asked(liar):
    got = liar.wait(lambda e: e.tag == SERVER + "iq" and e.find(COURIER + "key") is not None)
    equal((got.get("type"), got.get("from"), got.get("to")), ("get", ONE, liar.me))
    return got.get("id")


def arrive(host, first=SPEAKS):
    liar = Liar(one, host)
    liar.prove(first=first)
    return liar.managed()


def answer(liar, ident, der, kind="result"):
    liar.send(f"<iq type='{kind}' id='{ident}' from='{liar.me}' to='{ONE}'><key xmlns='urn:lazo:courier:0'>"
              f"{base64.b64encode(der).decode()}</key></iq>")


def handled(liar):
    """All that it said has been looked at, and written."""
    liar.send("<r xmlns='urn:xmpp:sm:3'/>")
    liar.wait(lambda e: e.tag == SM + "a")
    one.ctl_json("status")


def test_what_is_not_believed():
    real = Relay("tres.example")
    good, others = der_of(real), der_of(two)
    liar = arrive("tres.example")
    check(liar.features.find(COURIER + "courier") is not None, "announced")
    ident = asked(liar)
    answer(liar, "other" + ident, good)
    handled(liar)
    equal(peer(one, "tres.example")[0], None, "that was not asked")
    answer(liar, ident, others)
    handled(liar)
    answer(liar, ident, good)           # the question has had its answer
    handled(liar)
    liar.close()
    eventually(lambda: one.log_text().count("of no use") >= 1, 10, "said in the log")
    for junk in (b"", b"x" * 100, good[:-1], good + b"\0", good[:200] + bytes([good[200] ^ 1]) + good[201:], b"x" * 5000):
        liar = arrive("tres.example")
        answer(liar, asked(liar), junk)
        handled(liar)
        liar.close()
    eventually(lambda: one.log_text().count("of no use") == 7, 10, "each said in the log")
    liar = arrive("tres.example")
    answer(liar, asked(liar), good, "error")
    handled(liar)
    liar.close()
    equal(peer(one, "tres.example")[0], None)
    liar = arrive("tres.example")       # and the control of all that
    answer(liar, asked(liar), good)
    eventually(lambda: peer(one, "tres.example") == (fingerprint(real), None), 10, "the good one")
    liar.close()
    real.stop()


def question(liar, ident):
    liar.send(f"<iq type='get' id='{ident}' from='{liar.me}' to='{ONE}'><key xmlns='urn:lazo:courier:0'/></iq>")
    return liar.wait(lambda e: e.tag == SERVER + "iq" and e.get("id") == ident)


def test_ours_is_told():
    liar = arrive("cinco.example")
    got = question(liar, "k1")
    equal(got.get("type"), "result")
    equal(base64.b64decode(text_of(got, COURIER + "key")), der_of(one))
    kinds = [question(liar, f"again{n}").get("type") for n in range(4)]
    equal(kinds, ["result", "result", "error", "error"], "not without end")
    liar.close()


def test_who_does_not_speak_of_it():
    liar = arrive("seis.example", "<bidi xmlns='urn:xmpp:bidi'/>")
    liar.send(f"<iq type='get' id='p1' from='{liar.me}' to='{ONE}'><query xmlns='jabber:iq:version'/></iq>")
    seen = []
    liar.wait(lambda e: seen.append(e) or e.get("id") == "p1")
    check(not any(e.find(COURIER + "key") is not None for e in seen), "is not asked")
    equal(question(liar, "k1").get("type"), "error", "and not told")
    liar.close()


def test_dialback_is_not_enough():
    """The same two, who trust nobody's authority: they talk, and tell no keys."""
    global one, two
    before, ports = (one, two), (free_port(), free_port())
    one, two = (Relay(host, dialback=True, server=[f"127.0.0.1:{ports[mine]}"], **{f'peer "{other}"': {
        "address": f'"127.0.0.1:{ports[1 - mine]}"'}}) for mine, host, other in ((0, "ocho.example", "nueve.example"),
                                                                                (1, "nueve.example", "ocho.example")))
    talk()
    talk()
    check("by dialback" in two.log_text())
    equal((peer(one, two.host), peer(two, one.host)), ((None, None), (None, None)))
    check("courier key" not in one.log_text() + two.log_text())
    one, two = before


if __name__ == "__main__":
    main()
