#!/usr/bin/python3
"""lazo tells where a message is that goes to another relay: held by ours and why, with theirs, or perhaps (proto/spec/custody.md)."""
from lazo_home import *
from lazo_test import *
from peers import *


def setup():
    global one, two, ana, luis
    one, two = pair()
    up(one, two)
    ana, luis = Home(one, one.user("ana")), Home(two, two.user("luis"))
    for home in (ana, luis):
        home.login()


def synced(home, ident, state):
    def there():
        home.run("sync")
        return home.json("status", ident)[0].get("elsewhere", {}).get("state") == state
    eventually(there, 60, f"{ident} is {state}")
    return home.json("status", ident)[0]["elsewhere"]


def send(text):
    sent = ana.json("send", luis.jid, text)[0]
    return sent["id"]


def test_with_their_relay():
    ident = send("hola")
    equal(synced(ana, ident, "handed")["at"], TWO)
    check(f"with the relay of {TWO}" in ana.run("status", ident, lang="en").stdout, "in words")


def test_held():
    two.stop()
    ident = send("espera")
    at = synced(ana, ident, "held")
    check(at["at"] == ONE and at["reason"] and at["next"] and at["until"] and at["tries"] > 0, str(at))
    for lang, words in (("en", f"waits at {ONE}"), ("es", f"espera en {ONE}"), ("pt_BR", f"aguarda em {ONE}"), ("fr", f"attend chez {ONE}")):
        check(words in ana.run("status", ident, lang=lang).stdout, lang)
        check(words in ana.run("outbox", lang=lang).stdout, lang)
    equal([item["elsewhere"]["state"] for item in ana.json("outbox") if item["message"] == ident], ["held"])
    two.start()
    synced(ana, ident, "handed")


if __name__ == "__main__":
    main()
