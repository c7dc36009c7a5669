#!/usr/bin/python3
"""A full disk: refused in words and in order, reads and confirmations go on, recovery without a restart (design 3.1, Faults)."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

from lazo_test import *
from xmpp_raw import *

SIZE = 24 * 1024 * 1024


def setup():
    global relay, disk
    disk = pathlib.Path(tempfile.mkdtemp(prefix="full-", dir=scratch()))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", disk],
                      stderr=subprocess.DEVNULL).returncode != 0:
        skip("needs the right to mount a tmpfs")
    relay = Relay(start=False)
    relay.data = disk / "data"
    relay.start()


def fill(leave):
    """Take all room but `leave` bytes, so that only what the relay holds in reserve is left to it."""
    stat = os.statvfs(disk)
    room = stat.f_bavail * stat.f_frsize - leave
    with open(disk / "filler", "ab") as f, contextlib.suppress(OSError):
        for _ in range(max(0, room) // 65536):
            f.write(bytes(65536))


def say_all(a, to, count, size, first=0):
    """Messages one after the other on the wire; -> (accepted ids, refused ids), each with its answer in the stream's order."""
    for i in range(first, first + count):
        a.send(f"<message type='chat' id='f{i}' to='{to}'><body>f{i} {'x' * size}</body></message>")
    ident = new_id()
    a.send(f"<iq type='get' id='{ident}' to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>")
    refused = []
    while True:
        e = a.read(60)
        if e.get("id") == ident:
            break
        if e.get("type") == "error":
            equal(error_of(e), ("wait", "resource-constraint"), "refused in words")
            refused.append(e.get("id"))
    return [f"f{i}" for i in range(first, first + count) if f"f{i}" not in refused], refused


def test_full_disk():
    try:
        _full_disk()
    finally:
        with contextlib.suppress(Exception):
            relay.stop(None)
        subprocess.run(["umount", "-l", disk], check=False)


def _full_disk():
    a, away = login(relay, relay.user()), relay.user()
    a.result("set", "<query xmlns='jabber:iq:roster'><item jid='x@familia.example'/></query>")
    kept, refused = say_all(a, away, 50, 1000)
    equal(refused, [], "there is room")
    fill(leave=256 * 1024)
    accepted, refused = say_all(a, away, 400, 20000, first=50)
    check(refused, "a full disk is told")
    kept += accepted
    equal(refused, sorted(refused, key=lambda i: int(i[1:])), "in the stream's order")
    # Reads go on, and so does what needs no room.
    equal(len(a.result("get", "<query xmlns='jabber:iq:roster'/>").find(ROSTER + "query")), 1)
    b = login(relay, away)
    seen = []
    while len(seen) < len(kept):
        m = b.wait(lambda e: e.tag == CLIENT + "message", 30, f"message {len(seen) + 1} of {len(kept)}")
        seen.append(m.get("id"))
    equal(seen, kept, "all that was accepted comes, in order")
    b.barrier()
    b.close()
    # Room again: no restart.
    (disk / "filler").unlink()

    def accepted_again():
        return say_all(a, away, 1, 100, first=10000)[0]
    eventually(accepted_again, 30, "messages are accepted again")
    b = login(relay, away)
    equal(b.wait(lambda e: e.tag == CLIENT + "message", 30).get("id"), "f10000", "and those confirmed did not come again")
    b.close()
    a.close()


main()
