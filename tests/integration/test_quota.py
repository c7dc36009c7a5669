#!/usr/bin/python3
"""Quotas: a full mailbox refuses at arrival and says so, strangers cannot take the part kept for contacts, and what an account
publishes is bounded. The numbers are those of the rows, whatever happened in between; a look at them costs the same however much waits.

Controls: the same flood without a quota is taken whole; the checker of the numbers sees one that is wrong.
"""
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from xmpp_raw import *

FULL = ("cancel", "service-unavailable")
BODY = "x" * 2000
WRONG = """SELECT count(*) FROM usage u WHERE (pending, pending_bytes, strange, strange_bytes) <>
    (SELECT count(*), coalesce(sum(length(m.body)), 0), coalesce(sum(stranger), 0), coalesce(sum(stranger * length(m.body)), 0)
     FROM pending p JOIN msg m ON m.id = p.id WHERE p.account = u.account)
    OR item_bytes <> (SELECT coalesce(sum(length(i.body)), 0) FROM node n JOIN item i ON i.node = n.id WHERE n.account = u.account)
    OR bytes <> (SELECT coalesce(sum(length(m.body)), 0) FROM box b JOIN msg m ON m.id = b.id WHERE b.account = u.account)"""


def setup():
    global relay
    relay = Relay(quota={"pending": 20, "pending_bytes": 0, "pubsub": "10kb"})


def wrong_numbers(of):
    with sqlite3.connect(f"file:{of.data}/lazo.db?mode=ro", uri=True) as database:
        return database.execute(WRONG).fetchone()[0]


def people(of, **of_the_third):
    """Two contacts of a third, and a stranger; the third is away."""
    away = login(of, of.user(), **of_the_third)
    friend, stranger = login(of, of.user()), login(of, of.user())
    befriend(friend, away)
    jid = bare(away.jid)
    away.close()
    return friend, stranger, jid


def send(stream, to, count, body="hola"):
    """-> how many were taken; each other was refused in words."""
    for i in range(count):
        stream.send(f"<message to='{to}' type='chat' id='q{i}'><body>{i} {body}</body></message>")
    refused = [e for e in stream.barrier(60) if e.get("type") == "error"]
    for e in refused:
        equal(error_of(e), FULL)
    equal(len({e.get("id") for e in refused}), len(refused))
    return count - len(refused)


def empty(of, jid):
    """A login that confirms all that waits; -> how many messages."""
    stream = login(of, jid)
    count = len([e for e in stream.drain(1) if e.tag == CLIENT + "message"])
    stream.barrier()
    stream.close()
    return count


def test_strangers_leave_half_to_contacts():
    friend, stranger, away = people(relay)
    equal(send(stranger, away, 30), 10, "half of 20")
    equal(send(friend, away, 30), 10, "and the rest")
    equal((send(stranger, away, 1), send(friend, away, 1)), (0, 0))
    equal(wrong_numbers(relay), 0)
    equal(empty(relay, away), 20, "what was accepted, and nothing that was refused")
    equal(wrong_numbers(relay), 0)
    equal(send(friend, away, 30), 20, "contacts may take it all")
    equal(send(stranger, away, 1), 0)
    for stream in (friend, stranger):
        stream.close()


def test_the_numbers_survive_a_kill():
    friend, stranger, away = people(relay)
    equal((send(stranger, away, 4), send(friend, away, 3)), (4, 3))
    for stream in (friend, stranger):
        stream.drop()
    relay.kill()
    relay.start()
    friend, stranger = login(relay, bare(friend.jid)), login(relay, bare(stranger.jid))
    equal((send(stranger, away, 30), send(friend, away, 30)), (6, 7))
    equal(wrong_numbers(relay), 0)
    for stream in (friend, stranger):
        stream.close()


def test_bytes():
    small = Relay(authority=relay.authority, quota={"pending": 0, "pending_bytes": "40kb"})
    friend, stranger, away = people(small)
    taken = send(stranger, away, 50, BODY)
    check(9 <= taken <= 11, f"{taken} of 2 kB in half of 40")
    more = send(friend, away, 50, BODY)
    check(18 <= taken + more <= 20, f"{taken + more} of 2 kB in 40")
    equal(empty(small, away), taken + more)
    equal(wrong_numbers(small), 0)
    check(send(friend, away, 50, BODY) >= 18, "there is room again")
    small.stop()


def test_each_device_has_its_own_to_confirm():
    devices = Relay(authority=relay.authority, mailbox="device", quota={"pending": 20})
    friend, stranger, away = people(devices, resource="phone")
    phone, laptop = login(devices, away, resource="phone"), login(devices, away, resource="laptop")
    for stream in (phone, laptop):
        stream.barrier()
        stream.close()
    equal((send(stranger, away, 30), send(friend, away, 30)), (10, 10))
    for name, left in (("phone", 0), ("laptop", 10)):
        stream = login(devices, away, resource=name)
        equal(len([e for e in stream.drain(1) if e.tag == CLIENT + "message"]), 20)
        stream.barrier()
        stream.close()
        equal(send(stranger, away, 30), left, "room is there when the last device has them")
    equal(wrong_numbers(devices), 0)
    devices.stop()


def publish(stream, ident, size, node="urn:xmpp:bookmarks:1"):
    answer = stream.iq("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item id='{ident}'>"
                       f"<x xmlns='test:x'>{'y' * size}</x></item></publish>"
                       "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
                       "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
                       "<field var='pubsub#max_items'><value>100</value></field></x></publish-options></pubsub>")
    return True if answer.get("type") == "result" else error_of(answer)


def test_what_is_published_is_bounded():
    a = login(relay, relay.user())
    for i in range(4):
        equal(publish(a, f"i{i}", 2000), True)
    equal(publish(a, "i4", 3000), ("wait", "resource-constraint"))
    equal(publish(a, "i3", 1000), True, "smaller in its place")
    equal(publish(a, "i4", 2000), True)
    equal(publish(a, "other", 2000, "urn:test:other"), ("wait", "resource-constraint"), "another node counts too")
    a.result("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><retract node='urn:xmpp:bookmarks:1'><item id='i0'/>"
             "</retract></pubsub>")
    equal(publish(a, "other", 2000, "urn:test:other"), True)
    a.result("set", "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='urn:xmpp:bookmarks:1'/></pubsub>")
    equal(publish(a, "more", 6000, "urn:test:other"), True)
    equal(wrong_numbers(relay), 0)
    a.close()


def test_a_refusal_costs_the_same_however_much_waits():
    """Attack R9: what one refused message costs with 100 waiting, and with 20,000."""
    big = Relay(authority=relay.authority, quota={"pending": 0, "pending_bytes": 0})
    friend, stranger, away = people(big)

    def cost():
        big.conf["quota"] = {"pending": 2}      # and so nothing more is taken
        big.write_conf()
        big.reload()
        eventually(lambda: send(friend, away, 1) == 0, 10, "the new quota holds")
        before = big.cpu_seconds()
        equal(send(stranger, away, 2000), 0)
        spent = big.cpu_seconds() - before
        big.conf["quota"] = {"pending": 0, "pending_bytes": 0}
        big.write_conf()
        big.reload()
        eventually(lambda: send(friend, away, 1) == 1, 10, "the old quota holds")
        return spent

    send(friend, away, 100)
    few = min(cost() for _ in range(3))
    for _ in range(20):
        equal(send(friend, away, 1000), 1000, "control: without a quota all are taken")
    many = min(cost() for _ in range(3))
    print(f"  2000 refusals: {few:.3f} s of CPU with 100 waiting, {many:.3f} s with 20,000")
    check(many < 2 * few + 0.05, "grows with what waits")
    equal(wrong_numbers(big), 0)
    big.stop()


def test_a_flood_of_many_strangers():
    """Attack R9, of local senders: 100 messages of each of 1,000 (here 40) people to one who is away. Each costs the same; half of the
    mailbox is the contacts' all the while; what was accepted is there, whole, at the end."""
    count = 1000 if LONG else 40
    most = count * 50
    flooded = Relay(authority=relay.authority, quota={"pending": most, "pending_bytes": 0})
    friend, stranger, away = people(flooded)
    stranger.close()
    taken, costs, tenth = 0, [], max(count // 10, 1)
    for first in range(0, count, tenth):
        streams = [login(flooded, flooded.user(), presence=False) for _ in range(tenth)]
        before = flooded.cpu_seconds()
        taken += sum(send(stream, away, 100) for stream in streams)
        costs.append((flooded.cpu_seconds() - before) / (tenth * 100))
        for stream in streams:
            stream.drop()
        equal(send(friend, away, 10), 10, "a contact always has room")
    print(f"  {count * 100} messages of {count} strangers, {taken} taken; CPU each "
          f"{', '.join(f'{cost * 1e6:.0f}' for cost in costs)} us by tenths")
    equal(taken, most // 2, "half of the mailbox, and no more")
    kept, refused = costs[:4], costs[-4:]
    check(max(refused) < 2 * max(kept) + 50e-6, "the last cost no more than the first")
    equal(wrong_numbers(flooded), 0)
    equal(empty(flooded, away), taken + 10 * len(costs), "what was accepted, all of it")
    friend.close()
    flooded.stop()


def test_control_a_wrong_number_is_seen():
    relay.stop()
    with sqlite3.connect(relay.data / "lazo.db") as database:
        database.execute("UPDATE usage SET strange = strange + 1 WHERE account = 1")
    database.close()
    equal(wrong_numbers(relay), 1)
    with sqlite3.connect(relay.data / "lazo.db") as database:
        database.execute("UPDATE usage SET strange = strange - 1 WHERE account = 1")
    database.close()
    relay.start()


main()
