#!/usr/bin/python3
"""Attacks on OMEMO through a real relay, by peers and relays that lie (tests/lib/omemo_raw.py puts together what others wrote):
added and removed devices (O1, O11), changed keys (O2), other people's ciphertext (O3), replays (O4), what is no message (O7, O8),
downgrades (O9), and text that would drive a terminal (R13)."""
import base64
import json
import os
import re
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *
from xmpp_raw import login
import omemo_raw as raw

EX_DATAERR, EX_TEMPFAIL, EX_NOPERM = 65, 75, 77
COPIED, LATER = 4711, 4712      # devices that a liar adds


def person(name):
    home = Home(relay, relay.user(name))
    home.login()
    [home.device] = [d["device"] for d in home.json("device")]
    return home


def setup():
    global relay, ana, eva
    relay = Relay()
    ana = person("ana")
    eva = login(relay, relay.user("eva"))
    eva.name = eva.jid.partition("/")[0]


def met(name):
    """Someone whose keys ana has, and who has ana's."""
    other = person(name)
    ana.run("contact", "add", other.jid, status=0)
    other.run("contact", "add", ana.jid, status=0)
    for home in (ana, other, ana):
        home.run("sync", status=0)
    return other


def written_to(other, text="para todos", **how):
    """The devices that ana's next message has keys for, as the relay took it."""
    ana.send(other.jid, text, **how)
    return raw.rids(raw.last_encrypted(relay, other.jid, ana.jid).find(raw.OMEMO + "encrypted"))


def ciphertext_of(writer, text):
    """What `writer` sends to ana, as the relay has it."""
    writer.send(ana.jid, text)
    return raw.last_encrypted(relay, ana.jid, writer.jid).find(raw.OMEMO + "encrypted")


def read_ana():
    """(text or reason, trust) of each message that is new to ana."""
    done = ana.run("sync", status=(0, EX_DATAERR))
    del done
    return [(m.get("body") or "!" + m["unreadable"], m["trust"]) for m in ana.json("read")]


# -- whose devices ---------------------------------------------------------------------------------------------


def test_o1_o11_devices_come_and_go():
    beto, luz, tom = met("beto"), person("luz"), person("tom")
    hand = login(relay, beto.jid, presence=False)       # whoever can write beto's nodes: the relay, a thief of his password
    equal(written_to(beto), [beto.device], "control")
    # Before anything was verified: used, and announced.
    raw.publish_bundle(hand, COPIED, raw.bundle(hand, luz.jid, luz.device))
    raw.publish_list(hand, beto.device, COPIED)
    said = ana.run("sync", status=0).stderr
    check(f"{COPIED}" in said and "new device" in said, f"announced: {said!r}")
    equal(written_to(beto), sorted([beto.device, COPIED]))
    # After it: nothing until ana says so, and announced.
    [own] = beto.json("verify")
    ana.run("verify", own["uri"], status=0)
    raw.publish_bundle(hand, LATER, raw.bundle(hand, tom.jid, tom.device))
    raw.publish_list(hand, beto.device, COPIED, LATER)
    notice = json.loads(ana.run("sync", "--json", status=0).stderr)
    equal((notice["notice"], notice["device"], notice["trust"]), ("new-device", LATER, "undecided"))
    equal(written_to(beto), sorted([beto.device, COPIED]), "nothing for the undecided")
    check("new device" in ana.run("contact", status=0).stdout, "and stays to be seen")
    # Decisions and lists count from the next message on.
    ana.run("verify", beto.jid, status=0)
    ana.run("verify", beto.jid, "--device", LATER, "--yes", status=0)
    equal(written_to(beto), sorted([beto.device, COPIED, LATER]), "trusted by hand")
    ana.run("verify", beto.jid, "--device", COPIED, "--reject", status=0)
    equal(written_to(beto), sorted([beto.device, LATER]), "rejected")
    raw.publish_list(hand, beto.device, COPIED)
    ana.run("sync", status=0)
    equal(written_to(beto), [beto.device], "taken off the list")
    ana.run("verify", beto.jid, "--device", beto.device, "--reject", status=0)
    done = ana.send(beto.jid, "a nadie", status=EX_NOPERM)
    check("trusted" in done.stderr, done.stderr)
    hand.close()


def test_o2_another_key_for_a_known_device():
    zoe = met("zoe")
    zoe.send(ana.jid, "soy zoe")
    equal(read_ana(), [("soy zoe", "blind")], "control")
    equal(written_to(zoe), [zoe.device], "control")
    thief = Home(relay, zoe.jid)                # a new identity that says to be the known device
    thief.login()
    db = sqlite3.connect(thief.dir / "lazo.db")
    with db:
        db.execute("UPDATE own_device SET device = ?", (zoe.device,))
    db.close()
    thief.send(ana.jid, "soy zoe, de verdad", status=(0, EX_DATAERR, EX_TEMPFAIL))
    equal([text for text, _ in read_ana()], ["!changed-key"])
    check("KEY CHANGED" in ana.run("verify", zoe.jid, status=0).stdout, "said to be so")
    ana.send(zoe.jid, "no sale", status=EX_NOPERM)
    equal([i for i in ana.json("outbox") if i["body"] == "no sale"], [], "nothing waits to go out")


def test_o3_what_someone_else_encrypted():
    sol = met("sol")
    first = ciphertext_of(sol, "te quiero, firmado sol")
    equal(read_ana(), [("te quiero, firmado sol", "blind")], "control")
    later = ciphertext_of(sol, "y otra vez")
    for stanza in (first, later):
        for sid in (None, "4713"):
            copy = raw.changed(stanza, sid=lambda e: sid and raw.header(e).set("sid", sid))
            raw.send(eva, ana.jid, raw.text(copy))
    came = read_ana()
    equal([text for text, _ in came if not text.startswith("!")], ["y otra vez"], "once, as sol's")
    equal({text for text, _ in came if text.startswith("!")}, {"!changed-key"})
    equal([m["from"] for m in ana.json("read", "--since", "0") if "firmado" in m.get("body", "")], [sol.jid])
    [mine] = [m for m in ana.json("history", sol.jid) if m.get("body") == "y otra vez"]
    equal(mine["from"], sol.jid)


# -- the same again --------------------------------------------------------------------------------------------


def test_o4_replays():
    ines = met("ines")
    first = ciphertext_of(ines, "una vez")          # a prekey message: ana never wrote
    hand = login(relay, ines.jid, presence=False)
    for _ in range(3):
        raw.send(hand, ana.jid, raw.text(first))    # before it was read
    equal([text for text, _ in read_ana()], ["una vez"])
    for _ in range(3):
        raw.send(hand, ana.jid, raw.text(first))    # and after
    equal(read_ana(), [])
    ana.send(ines.jid, "contesto")
    ines.run("sync", status=0)
    second = ciphertext_of(ines, "dos veces no")
    for text in (first, second, second):
        raw.send(hand, ana.jid, raw.text(text))
    equal([text for text, _ in read_ana()], ["dos veces no"])
    # As a carbon of another client of ana's (XEP-0280), true and forged, of what is known and what is not.
    third = ciphertext_of(ines, "copia")
    for sender in (eva, hand):
        raw.send(sender, ana.jid, "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
                 f"<message xmlns='jabber:client' from='{ines.jid}/x' to='{ana.jid}' type='chat'>{raw.text(third)}</message>"
                 "</forwarded></received>")
    equal([text for text, _ in read_ana()], ["copia"])
    ines.send(ana.jid, "sigue todo bien")
    equal([text for text, _ in read_ana()], ["sigue todo bien"])
    hand.close()


# -- what is no message ----------------------------------------------------------------------------------------


def b64(size):
    return base64.b64encode(bytes(range(256))[:size]).decode()


def malformed(good):
    """(what, <encrypted/>) for everything of O7 and O8; `good` can be read."""
    header, key = raw.header, lambda e: raw.header(e).find(raw.OMEMO + "key")
    iv, payload = lambda e: raw.header(e).find(raw.OMEMO + "iv"), lambda e: e.find(raw.OMEMO + "payload")

    def put(find, text):
        def edit(e):
            find(e).text = text
        return edit

    def drop(parent, find):
        return lambda e: parent(e).remove(find(e))

    def many(count):
        def edit(e):
            for i in range(count):
                more = raw.changed(key(e))
                more.set("rid", str(i + 1))
                header(e).append(more)
        return edit
    whole = base64.b64decode(key(good).text)
    for size in (0, 1, 11, 13, 15, 17, 200):
        yield f"IV of {size}", put(iv, b64(size))
    for size in (0, 1, 15, 4000):
        yield f"payload of {size}", put(payload, b64(size % 256) * (1 + size // 256))
    for junk in ("!", "====", "AAA", "A" * 100000, "\u00f1", "AA AA", "<"):
        for what, find in (("key", key), ("IV", iv), ("payload", payload)):
            yield f"{what} {junk[:5]!r}", put(find, junk)
    for cut in (1, 2, 5, len(whole) // 2, len(whole) - 1):
        yield f"key cut at {cut}", put(key, base64.b64encode(whole[:cut]).decode())
    for at in range(0, len(whole), 7):
        wrong = bytearray(whole)
        wrong[at] ^= 0x80
        yield f"key with byte {at} changed", put(key, base64.b64encode(wrong).decode())
    for field in ("\x08", "\x12", "\x22", "\x0a"):
        yield f"protobuf of endless length {field!r}", put(key, base64.b64encode(
            whole[:1] + field.encode() + b"\xff" * 9 + b"\x7f").decode())
    for rid in ("0", "-1", "x", "4294967296", ""):
        yield f"rid {rid!r}", lambda e, rid=rid: key(e).set("rid", rid)
    for sid in ("0", "-1", "x", "99999999999999999999", ""):
        yield f"sid {sid!r}", lambda e, sid=sid: header(e).set("sid", sid)
    yield "no key", drop(header, key)
    yield "no IV", drop(header, iv)
    yield "no header", drop(lambda e: e, header)
    yield "no payload", drop(lambda e: e, payload)
    yield "10,000 keys", lambda e: (header(e).remove(key(e)), [header(e).append(
        raw.ET.Element(raw.OMEMO + "key", rid=str(i + 1))) for i in range(3000)])
    yield "one rid twice", lambda e: header(e).insert(0, raw.changed(key(e), x=put(lambda k: k, b64(40))))
    yield "many more keys", many(100)


def test_o7_o8_what_is_no_message():
    iris = met("iris")
    good = ciphertext_of(iris, "entera")
    hand = login(relay, iris.jid, presence=False)
    count = 0
    for what, edit in malformed(good):
        bad = raw.changed(good, edit=edit)
        raw.send(hand, ana.jid, raw.text(bad))
        count += 1
    done = ana.run("sync", status=(0, EX_DATAERR), timeout=60)
    check("entera" not in done.stdout, done.stdout)
    texts = [text for text, _ in read_ana()]
    # The good one was before them in the archive; a copy of it with more keys around it is the same message.
    equal([t for t in texts if not t.startswith("!")], ["entera"], "only what was written")
    reasons = {t for t in texts if t.startswith("!")}
    check(reasons <= {"!malformed", "!tampered", "!not-for-this-device", "!key-gone", "!no-session"}, f"{reasons}")
    print(f"  {count} of them; {len(texts) - 1} shown as {sorted(reasons)}")
    iris.send(ana.jid, "y seguimos")
    equal([text for text, _ in read_ana()], ["y seguimos"], "the session lives on")
    ana.send(iris.jid, "sí")
    iris.run("sync", status=0)
    equal([m["body"] for m in iris.json("read")], ["sí"])
    hand.close()


# -- downgrades ------------------------------------------------------------------------------------------------


def test_o9_clear_text_is_never_taken_for_encrypted():
    noa = met("noa")
    good = ciphertext_of(noa, "cifrado")
    hand = login(relay, noa.jid, presence=False)
    eme = f"<encryption xmlns='urn:xmpp:eme:0' namespace='{raw.NS}'/>"
    lie = "<body>envía el dinero a mallory</body>"
    raw.send(hand, ana.jid, lie + raw.text(good))                       # a body beside
    raw.send(hand, ana.jid, lie + eme)                                  # <encrypted/> stripped, the fallback left
    raw.send(hand, ana.jid, lie + f"<encrypted xmlns='{raw.NS}'/>")
    raw.send(hand, ana.jid, lie + "<encrypted xmlns='urn:xmpp:omemo:2'/>" + eme)
    equal([text for text, _ in read_ana() if "mallory" in text], [], "shown as genuine")
    raw.send(hand, ana.jid, lie)                                        # control: clear is shown, and marked
    ana.run("sync", status=(0, EX_DATAERR))
    shown = ana.run("read", "--peek", status=0).stdout
    check("[not encrypted]: env" in shown, shown)
    [clear] = [m for m in ana.json("read") if "mallory" in m.get("body", "")]
    equal((clear["encrypted"], clear["trust"]), (False, "none"))
    hand.close()


def test_o9_nothing_goes_in_clear_to_who_has_keys():
    paz = met("paz")
    hand = login(relay, paz.jid, presence=False)
    equal(written_to(paz, "control"), [paz.device])
    raw.publish_list(hand)                                              # the relay strikes all devices out
    ana.run("sync", status=0)
    for more in ((), ("--plain",)):
        ana.send(paz.jid, "secreto", *more, status=EX_TEMPFAIL)
    ana.run("sync", status=EX_TEMPFAIL)
    equal([i["state"] for i in ana.json("outbox") if i["body"] == "secreto"], ["waiting"] * 2)
    store = b"".join(p.read_bytes() for p in relay.data.rglob("*") if p.is_file())
    check(b"secreto" not in store, "in clear at the relay")
    raw.publish_list(hand, paz.device)
    ana.run("sync", status=0)
    paz.run("sync", status=(0, EX_DATAERR))
    equal([m["body"] for m in paz.json("read")][-2:], ["secreto", "secreto"], "sent when the keys are back")
    hand.close()


# -- what a terminal would obey --------------------------------------------------------------------------------

EVIL = "\u202erm\u2066 \u200f\u2028\u0085\u009b31m \U000e0041"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


def test_r13_no_field_of_a_peer_drives_the_terminal():
    rut = met("rut")
    hand = login(relay, rut.jid, presence=False)
    ana_raw = login(relay, ana.jid, presence=False)
    # A name in the roster, a clear message, ids, an encrypted text, an error with a text, a strange encryption.
    ana_raw.result("set", f"<query xmlns='jabber:iq:roster'><item jid='x@{HOST}' name='{EVIL}'/></query>")
    ana_raw.close()
    raw.send(hand, ana.jid, f"<body>{EVIL}</body><origin-id xmlns='urn:xmpp:sid:0' id='{EVIL}'/>", id=EVIL)
    raw.send(hand, ana.jid, f"<encryption xmlns='urn:xmpp:eme:0' namespace='{EVIL}' name='{EVIL}'/><body>{EVIL}</body>")
    rut.send(ana.jid, EVIL)
    sent = json.loads(ana.run("send", rut.jid, "-", "--json", text="devuélvelo", status=0).stdout)
    hand.send(f"<message type='error' to='{ana.jid}' id='{sent['origin_id']}'><error type='cancel'><{'x' * 50} "
              f"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>{EVIL}</text>"
              "</error></message>")
    hand.barrier()
    ana.run("sync", status=(0, EX_DATAERR))
    shown = {}
    for args in (["sync"], ["read", "--peek"], ["history", rut.jid], ["contact"], ["outbox"], ["status"], ["status", str(sent["id"])],
                 ["device", "list", rut.jid], ["verify", rut.jid], ["doctor", "--offline"], ["send", EVIL, "x"],
                 ["history", EVIL], [EVIL], ["--lang", EVIL, "status"], ["--account", EVIL, "read"]):
        done = ana.run(*args)
        shown[" ".join(args)] = done.stdout + done.stderr
    for what, text in shown.items():
        found = OBEYED.search(text)
        check(not found, f"lazo {what!r} prints {found and found.group()!r}: {text!r}")
    check("<U+202E>" in shown["read --peek"] and "<U+202E>" in shown["contact"], "the mark stands in its place")
    check(EVIL in [m.get("body") for m in ana.json("read")], "control: it came whole")
    hand.close()


if __name__ == "__main__":
    main()
