#!/usr/bin/python3
"""First contact by card alone: by file, by text that a chat mangled, by QR; the first message each way before any look-up."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *

EX_TEMPFAIL, EX_DATAERR = 75, 65


def setup():
    global relay
    relay = Relay()


def person(name):
    home = Home(relay, relay.user(name))
    home.login()
    return home


def keys_of(home, of):
    """What `home` knows about `of`'s devices."""
    return home.json("verify", of.jid, status=(0, 67, 69, 75))


def first_message_each_way(a, b):
    """Both write before either of them connects again: what they know is on the cards."""
    for writer, reader in ((a, b), (b, a)):
        done = writer.send(reader.jid, f"from {writer.jid}", "--offline", status=EX_TEMPFAIL)
        equal([i["state"] for i in writer.json("outbox")], ["ready"], done.stdout)
    for home in (a, b, a, b):
        home.run("sync", status=0)
    for writer, reader in ((a, b), (b, a)):
        equal([(m["body"], m["encrypted"]) for m in reader.json("read")], [(f"from {writer.jid}", True)])


def test_control_without_a_card_it_waits_for_keys():
    a, b = person("solo1"), person("solo2")
    a.send(b.jid, "too early", "--offline", status=EX_TEMPFAIL)
    equal([i["state"] for i in a.json("outbox")], ["waiting"])


def test_by_file():
    a, b = person("file1"), person("file2")
    for giver, taker in ((a, b), (b, a)):
        card = scratch() / f"{giver.jid}.card"
        giver.run("contact", "card", "--file", card, status=0)
        taker.run("contact", "add", card, status=0)
        check(keys_of(taker, giver), "the keys are known")
    first_message_each_way(a, b)


def test_by_text_in_a_chat():
    a, b = person("text1"), person("text2")
    for giver, taker in ((a, b), (b, a)):
        text = giver.run("contact", "card", status=0).stdout
        taker.run("contact", "add", "-", text="¡Hola! Mi tarjeta:\r\n\r\n> " + text.replace("\n", "\r\n> ") + "\r\nSaludos",
                  status=0)
    first_message_each_way(a, b)


def test_by_picture_of_qr_codes():
    if not shutil.which("zbarimg"):
        skip("zbarimg is not here")
    a, b = person("qr1"), person("qr2")
    for giver, taker in ((a, b), (b, a)):
        svg = scratch() / f"{giver.jid}.svg"
        giver.run("contact", "card", "--svg", svg, status=0)
        seen = tool("zbarimg", "--quiet", "--raw", svg)
        check(len(seen.split()) >= 1, "zbarimg reads it")
        check(all(len(line) <= 440 for line in seen.split()), "parts of at most 440 bytes")
        taker.run("contact", "add", "-", text=seen, status=0)
    first_message_each_way(a, b)


def test_what_is_no_card_says_what_to_do():
    a = person("sin1")
    said = a.run("contact", "add", "-", text="no hay tarjeta", status=EX_DATAERR).stderr
    check("Ask for it again" in said, said)


def test_a_damaged_card_is_refused():
    a, b = person("bad1"), person("bad2")
    text = a.run("contact", "card", status=0).stdout
    lines = text.splitlines()
    half = len(lines) // 2
    lines[half] = lines[half][:8] + ("A" if lines[half][8] != "A" else "B") + lines[half][9:]
    b.run("contact", "add", "-", text="\n".join(lines), status=EX_DATAERR)
    equal([c for c in b.json("contact") if c["jid"] == a.jid], [])


if __name__ == "__main__":
    main()
