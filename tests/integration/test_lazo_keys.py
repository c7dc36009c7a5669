#!/usr/bin/python3
"""Own keys that the relay will not have: nobody could begin to write to us encrypted, so it is said, with what to do; once, until it is
another reason; and the doctor knows. The relay is a real one without room for what is published."""
import json

from lazo_home import *
from lazo_test import *


def setup():
    global relay
    relay = Relay(quota={"pubsub": "1kb"})


def quota(room):
    relay.conf["quota"] = {"pubsub": room}
    relay.write_conf()
    offset = len(relay.log_text())
    relay.reload()
    eventually(lambda: "reloaded" in relay.log_text()[offset:], 5, "reloaded")


def findings(home, *more, status):
    return {f["check"]: f for f in home.json("doctor", *more, status=status)}


def test_refused_keys_are_told():
    home = Home(relay, relay.user())
    done = home.login()
    check("did not take your encryption keys [resource-constraint]" in done.stderr, done.stderr)
    check("lazo sync" in done.stderr, "what to do")
    for _ in range(2):
        done = home.run("sync", status=0)
        check("encryption keys" not in done.stderr, f"said once: {done.stderr}")
    for more in ((), ("--offline",)):
        found = findings(home, *more, status=69)
        check(not found["keys"]["ok"] and "resource-constraint" in found["keys"]["message"] and "lazo sync" in found["keys"]["next"],
              f"{found['keys']}")
    # There is room: the next sync publishes, and nothing is wrong any more.
    quota("1mb")
    done = home.run("sync", status=0)
    check("encryption keys" not in done.stderr, done.stderr)
    check(findings(home, "--offline", status=0)["keys"]["ok"])
    other = Home(relay, relay.user())
    other.login()
    other.send(home.jid, "cifrado")
    home.run("sync", status=0)
    got = home.json("read", "--new")
    equal([(m["body"], m["encrypted"]) for m in got], [("cifrado", True)])


def test_told_to_programs_and_in_other_languages():
    quota("1kb")
    home = Home(relay, relay.user())
    done = home.run("login", home.jid, "--password-file", home.password_file, "--server", home.server, "--ca", home.ca, "--json", status=0)
    notices = [json.loads(line) for line in done.stderr.splitlines()]
    equal([(n["notice"], n["account"], n["reason"]) for n in notices], [("keys-refused", home.jid, "resource-constraint")])
    home = Home(relay, relay.user())
    done = home.login(lang="es")
    check("El servidor no aceptó sus claves de cifrado" in done.stderr, done.stderr)
    quota("1mb")


def test_control_keys_that_are_taken_are_not_spoken_of():
    home = Home(relay, relay.user())
    check("keys" not in home.login().stderr)
    check(findings(home, status=0)["keys"]["ok"])


main()
