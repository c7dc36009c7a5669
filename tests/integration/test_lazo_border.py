#!/usr/bin/python3
"""Two people with lazo at two relays: keys fetched across, messages both ways, and a first message to someone whose relay is away.

proto/spec/courier.md 11; XEP-0384 0.3.0.
"""
import sqlite3
from contextlib import closing

from lazo_test import *
from lazo_home import *

def pair(**conf):
    authority = Authority(scratch() / f"ca{free_port()}")
    hosts, ports = ("uno.example", "dos.example"), (free_port(), free_port())
    relays = []
    for mine in (0, 1):
        peer = {f'peer "{hosts[1 - mine]}"': {"address": f'"127.0.0.1:{ports[1 - mine]}"', "tls": '"starttls"'}}
        relays.append(Relay(hosts[mine], authority, trust=[str(authority.crt)], server=[f"127.0.0.1:{ports[mine]}"], **peer, **conf))
    return relays


def person(relay, name):
    home = Home(relay, relay.user(name))
    home.login()
    return home


def setup():
    global one, two, ana, luis
    one, two = pair()
    ana, luis = person(one, "ana"), person(two, "luis")


def read(home):
    home.run("sync", status=0)
    return [(m["body"], m["encrypted"]) for m in home.json("read", "--new") if "body" in m]


def test_first_words():
    """Nobody knows anybody: keys are fetched from there, and what is sent is encrypted."""
    ana.send(luis.jid, "hola, Luis")
    equal(read(luis), [("hola, Luis", True)])
    luis.send(ana.jid, "hola, Ana")
    equal(read(ana), [("hola, Ana", True)])


def test_keys_of_who_is_away():
    """A new device of Ana's begins while Luis' relay is away: it writes to what her own relay keeps."""
    def kept():
        with closing(sqlite3.connect(f"file:{one.data / 'lazo.db'}?mode=ro", uri=True)) as base:
            return base.execute("SELECT count(*) FROM remote_item").fetchone()[0]
    ana.run("contact", "add", luis.jid, status=0)
    luis.run("contact", "add", ana.jid, status=0)
    for home in (ana, luis, ana, luis):
        home.run("sync", status=0)
    eventually(lambda: kept() >= 2, 60, "the relay has a list and a bundle")
    two.stop()
    laptop = Home(one, ana.jid)
    laptop.login()
    laptop.send(luis.jid, "desde el portátil", timeout=200)
    laptop.send(luis.jid, "y otra vez", timeout=200)
    stranger = person(one, "eva")    # sees nothing of Luis: there is nothing to write to
    stranger.send(luis.jid, "sin llaves", status=75, timeout=200)
    two.start()
    luis.server = f"127.0.0.1:{two.port}"    # the port is new
    luis.login()
    got = []

    def came():
        got.extend(read(luis))
        return len(got) >= 2
    eventually(came, 120, "it arrived")
    equal(got, [("desde el portátil", True), ("y otra vez", True)])
    luis.send(ana.jid, "a los dos")
    for home in (ana, laptop):
        eventually(lambda: ("a los dos", True) in read(home), 60, "an answer to both devices")


if __name__ == "__main__":
    main()
