#!/usr/bin/python3
"""lazo pages the archive (XEP-0313): each message once and in order, the mailbox empty behind it, whatever cuts it short."""
import os
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *
from xmpp_raw import login

EX_TEMPFAIL = 75
WAITING = 130 if PROSODY else 1500 if LONG else 700     # more than three pages; Prosody's have 50 messages


def setup():
    global relay
    relay = Relay(quota={"pending": 100000})


def two():
    pair = [Home(relay, relay.user()) for _ in range(2)]
    for home in pair:
        home.login()
    return pair


def db(home):
    return sqlite3.connect(f"file:{home.dir}/lazo.db?mode=ro", uri=True, timeout=30)


def setting(home, name):
    connection = db(home)
    row = connection.execute("SELECT CAST(value AS TEXT) FROM setting WHERE name = ?", (name,)).fetchone()
    connection.close()
    return row and row[0]


def change(home, name, value):
    connection = sqlite3.connect(f"{home.dir}/lazo.db", timeout=30)
    connection.execute("UPDATE setting SET value = ? WHERE name = ?", (value.encode(), name))
    connection.commit()
    connection.close()


def pending(home):
    return next(int(u["pending"]) for u in relay.ctl_json("user", "list") if u["jid"] == home.jid)


def raw(presence=False):
    return login(relay, relay.user(), presence=presence)


def say_many(to, texts, extra=""):
    stream = raw()
    for text in texts:
        stream.send(f"<message to='{to.jid}' type='chat' id='{text.replace(chr(32), chr(45))}'><body>{text}</body>{extra}</message>")
    stream.barrier()
    stream.close()


def test_the_mailbox_is_empty_behind_a_sync():
    rosa, elena = two()
    for i in range(3):
        rosa.send(elena.jid, f"n{i}")
    if not PROSODY:
        check(pending(elena) >= 3, "they wait")
    elena.run("sync", status=0)
    elena.equal_bodies([f"n{i}" for i in range(3)])
    check(setting(elena, "archive.last"), "a cursor")
    if not PROSODY:
        equal(pending(elena), 0, "what waits behind the sync")
    elena.run("sync", status=0)
    elena.equal_bodies([])
    rosa.run("sync", status=0)
    rosa.equal_bodies([])
    equal([m["state"] for m in rosa.json("history", elena.jid)], ["displayed"] * 3)


@ours
def test_paged_and_not_flushed():
    rosa, elena = two()
    rosa.send(elena.jid, "x")
    elena.run("sync", status=0)
    rosa.send(elena.jid, "y")
    elena.run("sync", status=0)
    [ident] = [m["stanza_id"] for m in elena.json("history", rosa.jid) if m["body"] == "y"]
    check(f"{ident} confirmed" in relay.log_text(), "the page's acknowledgement clears it")
    check(f"{ident} delivered" not in relay.log_text(), "and nothing else brought it")


@ours
def test_what_no_archive_has_comes_as_well():
    _, elena = two()
    say_many(elena, ["kept"])
    say_many(elena, ["not kept"], "<no-permanent-store xmlns='urn:xmpp:hints'/>")
    elena.run("sync", status=0)
    equal([(m["body"], m["way"]) for m in elena.json("read")], [("kept", "archive"), ("not kept", "live")])
    equal(pending(elena), 0)


def test_more_than_a_page_in_order():
    _, elena = two()
    texts = [f"m{i:04}" for i in range(WAITING)]
    say_many(elena, texts)
    elena.run("sync", status=0)
    elena.equal_bodies(texts)
    if not PROSODY:
        equal(pending(elena), 0)


def test_what_another_device_of_ours_sent():
    rosa, elena = two()
    laptop = Home(relay, rosa.jid)
    laptop.login()
    rosa.run("sync", status=0)      # hears of the laptop's key
    rosa.send(elena.jid, "from the first one")
    laptop.run("sync", status=0)
    equal([(m["from"], m["body"], m["state"]) for m in laptop.json("history", elena.jid)],
          [(rosa.jid, "from the first one", "accepted")])
    laptop.send(elena.jid, "from the second one")
    rosa.run("sync", status=0)
    equal([m["body"] for m in rosa.json("history", elena.jid)], ["from the first one", "from the second one"])
    elena.run("sync", status=0)
    elena.equal_bodies(["from the first one", "from the second one"])


def test_a_cursor_that_is_gone():
    rosa, elena = two()
    rosa.send(elena.jid, "before")
    say_many(elena, ["in clear before"])
    elena.run("sync", status=0)
    change(elena, "archive.last", "no-such-message")
    rosa.send(elena.jid, "after")
    elena.run("sync", status=0)
    elena.equal_bodies(["before", "in clear before", "after"])
    check(setting(elena, "archive.last") != "no-such-message", "the cursor stands in the archive again")
    elena.run("sync", status=0)
    elena.equal_bodies([])


@ours       # Prosody keeps for the next one what another device has read from the archive
def test_a_new_home_takes_what_waits_and_a_little_of_the_rest():
    rosa, phone = two()
    say_many(phone, [f"old {i}" for i in range(150)])
    rosa.send(phone.jid, "for the phone's eyes")
    phone.run("sync", status=0)
    waiting = [f"waits {i}" for i in range(150)]
    say_many(phone, waiting)
    new = Home(relay, phone.jid)
    new.login()
    new.equal_bodies(waiting)       # the newest hundred are among them
    newer = Home(relay, phone.jid)
    newer.login()
    newer.equal_bodies(waiting[-100:])
    newest = [f"newest {i}" for i in range(10)]
    say_many(phone, newest)
    rosa.send(phone.jid, "for the phone again")     # no contact: she has not heard of the other homes
    phone.run("sync", status=0)
    new.run("sync", status=65)
    new.equal_bodies([*newest, "unreadable:not-for-this-device"])
    last = Home(relay, phone.jid)
    last.login()
    last.equal_bodies([*waiting[-89:], *newest])    # one of the hundred was for the others


def test_an_archive_that_goes_and_comes_back():
    rosa, elena = two()
    rosa.send(elena.jid, "one")
    elena.run("sync", status=0)
    change(elena, "archive", "no")
    rosa.send(elena.jid, "two")
    elena.run("sync", status=0)
    change(elena, "archive.asked", "0")
    rosa.send(elena.jid, "three")
    elena.run("sync", status=0)
    elena.equal_bodies(["one", "two", "three"])


def killed_at_page(home, pages):
    """Kill a sync when the cursor has moved so many times. -> how often it had."""
    before, moved = setting(home, "archive.last"), 0
    process = subprocess.Popen([LAZO, "--home", home.dir, "sync"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    connection = db(home)
    while process.poll() is None and moved < pages:
        [now] = connection.execute("SELECT CAST(value AS TEXT) FROM setting WHERE name = 'archive.last'").fetchone()
        moved += now != before
        before = now
    connection.close()
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    return moved


def test_killed_between_pages():
    rosa, elena = two()
    rosa.send(elena.jid, "first")
    elena.run("sync", status=0)
    texts = [str(i + 1) for i in range(WAITING)]
    tool(BUILD / "tests" / "bench" / "lazo_fill", rosa.dir, rosa.jid, elena.jid, WAITING, timeout=120)
    rosa.run("sync", status=0)
    kills = 0
    for pages in (1, 2, 1, 1):
        done = killed_at_page(elena, pages)
        kills += done == pages
        time.sleep(0.1)
    print(f"  killed {kills} times where a page had just been kept")
    check(kills > 1, "killed in the middle")
    elena.run("sync", status=0)
    elena.equal_bodies(["first", *texts])
    elena.run("doctor", status=0)
    if not PROSODY:
        equal(pending(elena), 0)


if __name__ == "__main__":
    main()
