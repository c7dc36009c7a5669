#!/usr/bin/python3
"""What disks and operators do to a store (attacks 2.8): damaged pages, a truncated file, a lock held by a shell, a folder that cannot be
written, few descriptors. Said plainly, never a crash, nothing lost in silence, no spinning.

Control: of the flipped bytes some must be found, and an untouched copy must be served whole.
"""
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from xmpp_raw import *

SEED = int(os.environ.get("LAZO_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = 400 if LONG else 40
MESSAGES = 60


def setup():
    global dice, relay, away, sender, kept
    print(f"  seed {SEED}")
    dice = random.Random(SEED)
    relay = Relay()
    away, sender = relay.user(), relay.user()
    stream = login(relay, sender)
    for i in range(MESSAGES):
        stream.send(f"<message to='{away}' type='chat' id='m{i}'><body>{i} {'x' * (i % 7) * 300}</body></message>")
    stream.barrier()
    stream.close()
    relay.stop()
    kept = scratch() / "kept"
    shutil.copytree(relay.data, kept)


def lay():
    shutil.rmtree(relay.data)
    shutil.copytree(kept, relay.data)
    return relay.data / "lazo.db"


def serve():
    """Start, write, read all -> (messages that came, or None when the relay ended; what it said)."""
    offset = relay.log.stat().st_size
    came = None
    try:
        relay.start()
        stream = login(relay, sender)
        stream.send(f"<message to='{away}' type='chat' id='new'><body>new</body></message>")
        stream.barrier(5)
        stream.close()
        stream = login(relay, away)
        came = {e.get("id") for e in stream.drain(0.3, MESSAGES + 1) if e.tag == CLIENT + "message"}
        stream.close()
    except (AssertionError, OSError, Closed, TimeoutError, Refused, xml.etree.ElementTree.ParseError):
        came = None                             # nothing guards what is no message: the names in a roster, for one
    code = None
    try:
        code = relay.process.wait(0.2 if came is None else 0)
    except subprocess.TimeoutExpired:
        pass
    if code is None:
        code = relay.stop(None)
    return came, code, relay.log_text(offset)


def judge(tally, what):
    came, code, said = serve()
    check(code in (0, 73, 74, 78), f"{what}: ended with {code}: {said[-500:]}")
    plainly = "damaged" in said or "malformed" in said or "not a database" in said
    if code:
        check(plainly, f"{what}: ended with {code} and did not say why: {said[-500:]}")
        tally["refused"] += 1
    elif came is not None and came == {f"m{i}" for i in range(MESSAGES)} | {"new"}:
        tally["served"] += 1
    else:
        check(plainly or came is None or len(came) >= MESSAGES,
              f"{what}: {MESSAGES + 1 - len(came or [])} are missing and not a word: {said[-500:]}")
        tally["said" if plainly else "not noticed"] += 1


def test_control_an_untouched_copy_is_served():
    tally = dict.fromkeys(("refused", "served", "said", "not noticed"), 0)
    lay()
    judge(tally, "untouched")
    equal(tally["served"], 1)


def test_a_flipped_byte():
    """The first byte of a page says what it is; others lie in free room or in a body, which SQLite does not guard."""
    tally = dict.fromkeys(("refused", "served", "said", "not noticed"), 0)
    for _ in range(ROUNDS):
        path = lay()
        pages = path.stat().st_size // 4096
        page, at = dice.randrange(pages), dice.choice([0, 0, 1, 3, 5, dice.randrange(4096)])
        at += 100 if page == 0 and at < 100 else 0
        with open(path, "r+b") as f:
            f.seek(page * 4096 + at)
            byte = f.read(1)[0]
            f.seek(page * 4096 + at)
            f.write(bytes([byte ^ dice.randrange(1, 256)]))
        judge(tally, f"byte {at} of page {page}")
    print(f"  {ROUNDS} bytes: {tally}")
    check(tally["refused"] >= ROUNDS / 10, "control: damage is hardly ever found")


def test_truncated():
    tally = dict.fromkeys(("refused", "served", "said", "not noticed"), 0)
    size = (kept / "lazo.db").stat().st_size
    for part in (0.9, 0.5, 0.1):
        path = lay()
        os.truncate(path, int(size * part) // 4096 * 4096)
        judge(tally, f"truncated to {part}")
    os.truncate(lay(), 1000)
    judge(tally, "truncated to 1000 bytes")
    print(f"  {tally}")
    check(tally["refused"] >= 3, "a truncated file is refused")
    lay()                                       # so that the last one is a whole one
    relay.start()
    relay.stop()


def test_locked_by_a_shell():
    """Somebody's BEGIN IMMEDIATE: what comes meanwhile waits and is then accepted; reading goes on."""
    lay()
    relay.start()
    stream = login(relay, sender)
    stream.barrier()
    shell = sqlite3.connect(relay.data / "lazo.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    before = relay.cpu_seconds()
    stream.send(f"<message to='{away}' type='chat' id='late'><body>late</body></message>")
    other = Stream(relay, direct=True)
    other.open()
    other.close()
    try:
        stream.barrier(6)
        check(False, "answered while nothing can be written")
    except TimeoutError:
        pass
    check(relay.cpu_seconds() - before < 1, "it waits without spinning")
    check("another program keeps the database locked" in relay.log_text(), "and says so")
    shell.execute("COMMIT")
    shell.close()
    equal([e for e in stream.barrier(20) if e.get("type") == "error"], [])
    stream.close()
    relay.stop()


def test_a_shell_that_looks_in_costs_nothing():
    """sqlite3 takes the log away when it closes as the last that has the database: it must see that the relay has it, too."""
    lay()
    relay.start()
    log = os.stat(relay.data / "lazo.db-wal").st_ino
    stream = login(relay, sender)
    for n in range(3):
        shell = sqlite3.connect(relay.data / "lazo.db")
        shell.execute("SELECT count(*) FROM msg").fetchall()
        shell.close()
        stream.send(f"<message to='{away}' type='chat' id='behind{n}'><body>x</body></message>")
        stream.barrier()
    equal(os.stat(relay.data / "lazo.db-wal").st_ino, log, "the log is still there")
    relay.kill()
    relay.start()
    stream = login(relay, away)
    came = {e.get("id") for e in stream.drain(0.5, MESSAGES + 3) if e.tag == CLIENT + "message"}
    check({"behind0", "behind1", "behind2"} <= came, came)
    stream.close()
    relay.stop()


def test_a_folder_that_cannot_be_written():
    path = lay()
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"mount --bind '{path.parent}' '{path.parent}' && "
                           f"mount -o remount,bind,ro '{path.parent}' && exec '{BUILD}/relay/lazod' -c '{relay.file}'"],
                          capture_output=True, text=True, timeout=30, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        skip(f"may not mount here: {done.stderr.strip()}")
    equal(done.returncode, 73, done.stderr)
    check("Read-only file system" in done.stderr, done.stderr)


def test_few_descriptors():
    """A limit of 64: who is there is served, who comes waits, nothing spins, and it goes on when some leave."""
    few = Relay(authority=relay.authority, wrap=["prlimit", "--nofile=64:64"])
    stream = login(few, few.user())
    crowd = []
    for _ in range(100):
        s = socket.create_connection(("127.0.0.1", few.port))
        s.setblocking(False)
        crowd.append(s)
    time.sleep(0.5)
    before, offset = few.cpu_seconds(), few.log.stat().st_size
    time.sleep(2)
    spent, said = few.cpu_seconds() - before, few.log_text(offset).count("\n")
    print(f"  {few.fds()} descriptors; {spent:.2f} s of CPU and {said} lines in 2 s of having none")
    check(spent < 0.3, "it spins")
    check(said < 50, "it floods the log")
    stream.barrier()
    for s in crowd:
        s.close()
    other = login(few, few.user(), timeout=20)
    other.barrier()
    for s in (stream, other):
        s.close()
    few.stop()


main()
