#!/usr/bin/python3
"""Every earlier schema, kept as SQL text in tests/fixtures (made by tests/fixtures/dump), opens in this relay with all that was in it.

Killed at each write of the migration, or with the disk full from each write on, it has happened or not: the next start does it.
A database of a newer relay is refused and left as it is; so is a second relay on the same data. --long: a million messages.
Control: a fixture with one message taken out is seen to lack it.
"""
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from archive import query_xml
from lazo_test import *
from xmpp_raw import *

FIXTURES = sorted((SRC / "tests/fixtures").glob("schema-*.sql"), key=lambda f: int(f.stem[7:]))
WAITS = [f"wait{i}" for i in range(5)] + ["strange"]


def setup():
    global authority, current
    relay = Relay()
    relay.stop()
    authority, current = relay.authority, value(relay.data / "lazo.db", "PRAGMA user_version")
    check(len(FIXTURES) >= current - 1, f"each schema but the last (now {current}) has its fixture: see tests/fixtures/dump")


def value(path, sql):
    database = sqlite3.connect(path)
    try:
        return database.execute(sql).fetchone()[0]
    finally:
        database.close()


def lay(fixture, more=""):
    """A relay, not started, with this database."""
    relay = Relay(start=False, authority=authority)
    relay.data.mkdir(mode=0o700)
    database = sqlite3.connect(relay.data / "lazo.db")
    database.executescript(fixture.read_text() + more)
    database.close()
    (relay.data / "lazo.db").chmod(0o600)
    return relay


def number(fixture):
    return int(fixture.stem[7:])


def missing(relay, fixture):
    """Everything of tests/fixtures/dump -> what is not there."""
    lacks = []
    jids = [row["jid"] for row in relay.ctl_json("user", "list")]
    lacks += [name for name in ("ana", "beto", "carla") if f"{name}@{HOST}" not in jids]
    ana = login(relay, f"ana@{HOST}")
    roster = ana.result("get", "<query xmlns='jabber:iq:roster'/>")
    found = [(e.get("jid"), e.get("name"), e.get("subscription"), [g.text for g in e]) for e in roster.iter("{jabber:iq:roster}item")]
    lacks += [] if found == [(f"beto@{HOST}", "Beto", "both", ["Familia"])] else [f"the roster: {found}"]
    items = ana.result("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:test:fixture'/></pubsub>")
    names = [e.get("id") for e in items.iter("{http://jabber.org/protocol/pubsub}item")]
    lacks += [] if names == ["now2"] else [f"items: {names}"]
    beto = login(relay, f"beto@{HOST}")
    came = [e.get("id") for e in beto.drain(1, len(WAITS)) if e.tag == CLIENT + "message"]
    lacks += [] if came == WAITS else [f"messages: {came}"]
    if number(fixture) > 1:                     # the first had no archive
        beto.send(f"<iq type='set' id='a'>{query_xml()}</iq>")
        archived = []
        while (element := beto.read()).get("id") != "a":
            archived.append(element)
        lacks += [] if len(archived) == 9 else [f"archived: {len(archived)}"]
    for stream in (ana, beto):
        stream.close()
    return lacks


def whole(relay):
    path = relay.data / "lazo.db"
    equal(value(path, "PRAGMA integrity_check"), "ok")
    return value(path, "PRAGMA user_version")


def test_every_earlier_schema():
    for fixture in FIXTURES:
        relay = lay(fixture)
        relay.start()
        equal(missing(relay, fixture), [], fixture.name)
        relay.stop()
        equal(whole(relay), current, fixture.name)
    print(f"  {', '.join(f.stem[7:] for f in FIXTURES)} -> {current}")


def test_control_one_message_less():
    fixture = FIXTURES[1]
    relay = lay(fixture, "DELETE FROM pending WHERE id = (SELECT min(id) FROM pending);")
    relay.start()
    equal(missing(relay, fixture), [f"messages: {WAITS[1:]}"])
    relay.stop()


def started_with(relay, inject):
    """Start under strace with a fault -> None when it came up (it is killed then), else what it said."""
    relay.write_conf()
    child = background(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", f"inject=pwrite64:{inject}",
                        BUILD / "relay/lazod", "-c", relay.file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ""
    for line in child.stdout:
        said += line
        if line.rstrip().endswith("ready"):
            said = None
            break
    tasks = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split() if child.poll() is None else []
    for pid in tasks:
        os.kill(int(pid), 9)
    child.wait(20)
    return said


def each_write(fixture, inject):
    """-> how many starts failed before one came up; whole after each."""
    for nth in range(1, 400):
        relay = lay(fixture)
        said = started_with(relay, inject.format(n=nth))
        if said is None:
            return nth - 1
        check(whole(relay) in (number(fixture), current), f"half way at write {nth}: {said}")
        if "ENOSPC" in inject:
            check(re.search("full|cannot|No space", said), f"refused without words: {said!r}")
        if nth % 5 == 1:
            relay.start()
            equal(missing(relay, fixture), [], f"after a fault at write {nth}")
            relay.stop()
        shutil.rmtree(relay.folder)
    raise AssertionError("it never came up")


def strace_works():
    if SANITIZED or subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        skip("strace may not trace here")


def test_killed_at_each_write():
    strace_works()
    for fixture in FIXTURES if LONG else [FIXTURES[0], FIXTURES[-2]]:
        count = each_write(fixture, "signal=KILL:when={n}")
        print(f"  {fixture.stem}: killed at {count} writes")
        check(count >= 5, "too few to tell")


def test_disk_full_from_each_write_on():
    strace_works()
    fixture = FIXTURES[1]
    relay = lay(fixture)
    count = 0
    for nth in range(1, 400):
        relay = lay(fixture)
        said = started_with(relay, f"error=ENOSPC:when={nth}+")
        version = whole(relay)
        check(version in (number(fixture), current), f"half way at write {nth}")
        if said is not None:
            count += 1
            check(re.search("full|cannot|error|No space", said), f"refused without words: {said!r}")
        relay.start()
        equal(missing(relay, fixture), [], f"when there is room again, write {nth}") if nth % 5 == 1 else None
        relay.stop()
        shutil.rmtree(relay.folder)
        if said is None and version == current:
            break
    print(f"  {count} starts refused")
    check(count >= 3, "too few to tell")


def refused(relay, status, words):
    done = subprocess.run([BUILD / "relay/lazod", "-c", relay.file], capture_output=True, text=True, timeout=20, check=False)
    equal(done.returncode, status, done.stderr)
    check(words in done.stderr, f"{words!r} not in {done.stderr!r}")


def test_a_newer_database_is_refused_and_left_alone():
    relay = lay(FIXTURES[-1], f"PRAGMA user_version = {current + 1};")
    relay.write_conf()
    before = (relay.data / "lazo.db").read_bytes()
    refused(relay, 78, "written by a newer relay")
    equal(value(relay.data / "lazo.db", "PRAGMA user_version"), current + 1)
    equal(len((relay.data / "lazo.db").read_bytes()), len(before))
    database = sqlite3.connect(relay.data / "lazo.db")
    database.executescript(f"PRAGMA user_version = {current};")
    database.close()
    relay.start()
    equal(missing(relay, FIXTURES[-1]), [])
    relay.stop()


def test_two_relays_on_one_database():
    relay = Relay(authority=authority)
    refused(relay, 73, "another lazod is running on this data")
    stream = login(relay, relay.user())
    stream.barrier()
    stream.close()
    relay.stop()


def test_a_tool_does_not_migrate_under_an_older_relay():
    relay = Relay(authority=authority)
    database = sqlite3.connect(relay.data / "lazo.db")
    database.executescript(f"PRAGMA user_version = {current - 1};")
    relay.ctl("user", "list", status=73)
    equal(value(relay.data / "lazo.db", "PRAGMA user_version"), current - 1)
    database.executescript(f"PRAGMA user_version = {current};")
    database.close()
    relay.ctl("user", "list")
    relay.stop()


def test_a_million_messages():
    rows = 1000000 if LONG else 20000
    fixture = FIXTURES[0]
    copies = f"""WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < {1000 + rows - 1})
        INSERT INTO msg (id, sender, recipient, time, expires, refs, body) SELECT i, 1, 2, 1700000000000 + i, 0, 2, printf('<message
        type="chat" id="%d"><body>%d %s</body></message>', i, i, hex(zeroblob(50))) FROM n;
        INSERT INTO box SELECT (SELECT id FROM account WHERE node = 'ana'), id, 2 FROM msg WHERE id >= 1000;
        INSERT INTO pending SELECT (SELECT id FROM account WHERE node = 'carla'), id FROM msg WHERE id >= 1000;
        UPDATE meta SET value = {2000 + rows} WHERE key = 'next_id';"""
    relay = lay(fixture, copies)
    start = time.monotonic()
    relay.start(120)
    print(f"  {rows} messages archived and waiting, from {fixture.stem}: {time.monotonic() - start:.1f} s")
    equal([row["pending"] for row in relay.ctl_json("user", "list") if row["jid"] == f"carla@{HOST}"], [rows])
    equal(value(relay.data / "lazo.db", "SELECT count(*) FROM box"), rows)
    equal(missing(relay, fixture), [])
    relay.stop()


main()
