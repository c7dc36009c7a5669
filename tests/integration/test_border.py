#!/usr/bin/python3
"""What crosses the border between two relays beside messages: subscriptions, presence, personal eventing, vCards, and across a cut.

RFC 6121 (3, 4), XEP-0012, XEP-0030, XEP-0054, XEP-0060, XEP-0115, XEP-0163, XEP-0199, proto/spec/courier.md.
"""
import contextlib
import sqlite3

from lazo_test import *
from xmpp_raw import *

ROSTER = "{jabber:iq:roster}"


def pair(**conf):
    """Two relays that know each other's address."""
    authority = Authority(scratch() / f"ca{free_port()}")
    hosts, ports = ("uno.example", "dos.example"), (free_port(), free_port())
    relays = []
    for mine in (0, 1):
        peer = {f'peer "{hosts[1 - mine]}"': {"address": f'"127.0.0.1:{ports[1 - mine]}"', "tls": '"starttls"'}}
        relays.append(Relay(hosts[mine], authority, trust=[str(authority.crt)], server=[f"127.0.0.1:{ports[mine]}"], **peer, **conf))
    return relays


def setup():
    global one, two
    one, two = pair()


def people(resource=None):
    return login(one, one.user(), resource=resource), login(two, two.user(), resource=resource)


def say(stream, kind, to):
    stream.send(f"<presence type='{kind}' to='{to}'/>")


def item_of(stream, contact):
    """Its roster item: (subscription, ask); None: none."""
    for item in stream.result("get", "<query xmlns='jabber:iq:roster'/>").iter(ROSTER + "item"):
        if item.get("jid") == contact:
            return item.get("subscription"), item.get("ask")
    return None


def unsent(relay):
    with contextlib.closing(sqlite3.connect(f"file:{relay.data / 'lazo.db'}?mode=ro", uri=True)) as base:
        return base.execute("SELECT count(*) FROM roster WHERE flags >= 64").fetchone()[0]


def all_sent(*relays):
    for relay in relays:
        eventually(lambda: unsent(relay) == 0, 60, f"{relay.host} has nothing left to tell")


# ---- subscriptions are state

def test_request_waits():
    """Asked while their relay is away, over a crash of ours; granted while ours is away."""
    a, b = people()
    me, they = bare(a.jid), bare(b.jid)
    b.close()
    two.stop()
    say(a, "subscribe", they)
    equal(item_of(a, they), ("none", "subscribe"))
    one.kill()
    one.start()
    equal(unsent(one), 1, "on the disk")
    two.start()
    b = login(two, they)
    equal(b.presence(me, "subscribe", timeout=60).get("to"), they)
    all_sent(one)
    a.drop()
    one.stop()
    say(b, "subscribed", me)
    equal(item_of(b, me), ("from", None))
    two.kill()
    two.start()
    one.start()
    a = login(one, me)
    eventually(lambda: item_of(a, they) == ("to", None), 60, "the grant came")
    all_sent(one, two)
    b.drop()
    b = login(two, they)
    a.presence(b.jid, timeout=30)
    for stream in (a, b):
        stream.close()


def test_only_the_last_state():
    """Who changed their mind meanwhile has asked nobody anything."""
    a, b = people()
    me, they = bare(a.jid), bare(b.jid)
    b.close()
    two.stop()
    for kind in ("subscribe", "unsubscribe", "subscribe", "unsubscribe"):
        say(a, kind, they)
    a.barrier()
    two.start()
    b = login(two, they)
    all_sent(one)
    check(not any(e.tag == CLIENT + "presence" and e.get("type") == "subscribe" for e in b.barrier()), "no request")
    check(item_of(b, me) is None, "nor any trace of one")
    a.close()
    b.close()


def test_removed_while_away():
    a, b = people()
    me, they = bare(a.jid), bare(b.jid)
    befriend(a, b)
    all_sent(one, two)
    b.close()
    two.stop()
    a.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{they}' subscription='remove'/></query>")
    check(item_of(a, they) is None, "gone from the list")
    a.close()
    one.restart()
    two.start()
    b = login(two, they)
    eventually(lambda: item_of(b, me) == ("none", None), 60, "they know that it is over")
    all_sent(one)
    a = login(one, me)
    check(item_of(a, they) is None, "and stays gone")
    a.close()
    b.close()


def test_presence_after_a_cut():
    a, b = people()
    befriend(a, b)
    all_sent(one, two)
    they = b.jid
    b.drop()
    two.kill()
    a.send("<presence><show>away</show><status>sola</status></presence>")
    a.barrier()
    two.start()
    b = login(two, bare(they), resource="nueva")
    equal(text_of(b.wait(lambda e: e.tag == CLIENT + "presence" and e.get("from") == a.jid, timeout=60), CLIENT + "status"), "sola")
    a.presence(b.jid, timeout=60)
    a.close()
    b.close()


if __name__ == "__main__":
    main()
