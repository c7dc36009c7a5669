#!/usr/bin/python3
"""lazoctl backup while messages pour in, and the restore that lazod(8) describes: the restored store serves the same messages.

Control: what was accepted after the backup is not in it, and the same comparison says so.
"""
import os
import shutil
import sqlite3
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from xmpp_raw import *


def setup():
    global relay, away, backup, before, after
    relay = Relay(quota={"pending": 0, "pending_bytes": 0})
    away = relay.user()
    backup = scratch() / "backup"
    before, after = [], []


class Pouring(threading.Thread):
    """Sends until told to stop; `accepted` grows."""

    def __init__(self, number):
        super().__init__(daemon=True)
        self.number, self.accepted, self.enough = number, [], threading.Event()
        self.stream = login(relay, relay.user())

    def run(self):
        count = 0
        while not self.enough.is_set():
            line = [f"{self.number}-{count + i:06d}" for i in range(20)]
            count += 20
            self.stream.send("".join(f"<message to='{away}' type='chat' id='{i}'><body>{i} {'x' * 300}</body></message>" for i in line))
            self.stream.barrier(60)
            self.accepted += line
        self.stream.close()


def test_backup_while_messages_come():
    global before, after
    pouring = [Pouring(n) for n in range(3)]
    for thread in pouring:
        thread.start()
    eventually(lambda: all(len(t.accepted) > 300 for t in pouring), 60, "enough was sent")
    before = [i for t in pouring for i in list(t.accepted)]
    relay.ctl("backup", backup)
    done = [len(t.accepted) for t in pouring]
    eventually(lambda: all(len(t.accepted) > n + 60 for t, n in zip(pouring, done)), 60, "some more")
    for thread in pouring:
        thread.enough.set()
        thread.join(60)
    after = [i for t, n in zip(pouring, done) for i in t.accepted[n + 20:]]
    equal(backup.stat().st_mode & 0o777, 0o600)
    database = sqlite3.connect(backup)
    equal(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")
    database.close()
    relay.ctl("backup", backup, status=73)      # what is there is not overwritten


def came():
    """id -> stanza-id of all that waits, and nothing of it confirmed: the stream is dropped."""
    stream = login(relay, away, timeout=60, auto_pong=True)
    found = {}
    for message in stream.drain(2):
        if message.tag == CLIENT + "message":
            found[message.get("id")] = [e.get("id") for e in message.iterfind(SID + "stanza-id") if e.get("by") == away]
    stream.drop()
    return found


def test_restored_it_serves_the_same():
    global restored
    relay.stop()
    kept = scratch() / "kept"                   # for a look at what it had
    shutil.copytree(relay.data, kept)
    for name in ("lazo.db", "lazo.db-wal", "lazo.db-shm"):
        (relay.data / name).unlink(missing_ok=True)
    shutil.copy(backup, relay.data / "lazo.db")
    relay.start()
    restored = came()
    equal([i for i in before if i not in restored][:5], [], "accepted before the backup began")
    relay.stop()
    shutil.rmtree(relay.data)
    shutil.copytree(kept, relay.data)
    relay.start()
    whole = came()
    equal([i for i in restored if restored[i] != whole.get(i)][:5], [], "the same messages under the same stanza-ids")
    equal([i for i in before + after if i not in whole], [])
    print(f"  {len(before)} before, {len(restored)} in the backup, {len(whole)} in all")


def test_control_what_came_after_is_missed():
    check([i for i in after if i not in restored], "a checker that sees no loss here sees none anywhere")


main()
