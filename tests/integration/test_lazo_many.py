#!/usr/bin/python3
"""5,000 encrypted messages (50,000 with --long) wait for one who was away: all, in order, fast, in bounded memory.

The time is that of `lazo sync` as it ends, and the processor time of that process alone: the difference is the relay's
and the line's. A terminal sees how it goes on.
"""
import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *

# Progress is for what takes more than a second: that many take longer on any machine.
COUNT = 50000 if LONG else 5000 if SANITIZED else 20000
SECONDS = 7                     # for 50,000, beyond the network; the promise is 10
MEMORY_KIB = 48 * 1024


def setup():
    global relay, rosa, elena
    relay = Relay(quota={"pending": 2 * COUNT, "pending_bytes": "10gb"})
    rosa, elena = (Home(relay, relay.user(name)) for name in ("rosa", "elena"))
    for home in (rosa, elena):
        home.login()
    rosa.send(elena.jid, "first")
    elena.run("sync", status=0)
    elena.equal_bodies(["first"])


def peak_kib(pid):
    """Of this program alone: rusage would count what the parent had when it forked."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int((re.search(r"^VmHWM:\s+(\d+)", f.read(), re.M) or [0, 0])[1])
    return 0


def measured(home, *args):
    """Run on a terminal's stderr; -> (status, seconds, processor seconds, KiB, what the terminal saw)."""
    master, slave = pty.openpty()
    env = os.environ | {"LC_ALL": "C.UTF-8", "LAZO_LANG": "en", "TERM": "xterm"}
    start = time.monotonic()
    process = subprocess.Popen([LAZO, "--home", home.dir, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=slave, env=env)
    os.close(slave)
    seen, peak = b"", 0
    while select.select([master], [], [], 600)[0]:
        try:
            seen += os.read(master, 65536)
        except OSError:         # the other side is closed
            break
        peak = max(peak, peak_kib(process.pid))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    os.close(master)
    return (process.returncode, time.monotonic() - start, usage.ru_utime + usage.ru_stime, peak,
            seen.decode("utf-8", "replace"))


def tell(what, seconds, cpu, memory):
    print(f"  {what} {COUNT}: {seconds:.1f} s, of these {cpu:.1f} s of processor, {memory / 1024:.0f} MiB at most", flush=True)


def test_written_and_sent():
    start = time.monotonic()
    tool(BUILD / "tests" / "bench" / "lazo_fill", rosa.dir, rosa.jid, elena.jid, COUNT, timeout=600)
    print(f"  writing {COUNT}: {time.monotonic() - start:.1f} s")
    status, seconds, cpu, memory, seen = measured(rosa, "sync")
    equal(status, 0, seen[-500:])
    tell("sending", seconds, cpu, memory)
    equal({item["state"] for item in rosa.json("outbox")}, {"accepted"}, "states in the outbox")
    check("Sending..." in seen, "progress of sending")
    check(memory < MEMORY_KIB or SANITIZED, "memory of sending")


def test_received_in_order():
    status, seconds, cpu, memory, seen = measured(elena, "sync")
    equal(status, 0, seen[-500:])
    tell("receiving", seconds, cpu, memory)
    check(seen.count("Receiving...") >= 2, f"progress of receiving: {seen[-300:]!r}")
    check(memory < MEMORY_KIB or SANITIZED, "memory of receiving")
    check(cpu < SECONDS * max(COUNT, 10000) / 50000 or SANITIZED, f"{cpu} s for {COUNT}")


def test_read_in_order():
    start = time.monotonic()
    elena.equal_bodies([str(i + 1) for i in range(COUNT)])
    print(f"  reading {COUNT}: {time.monotonic() - start:.1f} s")
    elena.equal_bodies([])


if __name__ == "__main__":
    main()
