#!/usr/bin/python3
"""The bench measures: every figure is there and sane, messages are all counted, a server that falls fails it."""
import contextlib
import json
import os
import sqlite3
import sys

from lazo_test import *

LOAD = BUILD / "tests/bench/load"
USERS = 20


def setup():
    global relay
    relay = Relay(quota={"pending": 0, "pending_bytes": 0, "archive": 0})
    for i in range(1, USERS + 1):
        relay.user(f"u{i}")


def load(*argv, status=0, **changed):
    options = {"port": relay.tls_port, "host": relay.host, "users": USERS, "pid": relay.process.pid, "seconds": 3} | changed
    words = [w for name, value in options.items() for w in (f"--{name}", value)]
    out = tool(LOAD, *words, *argv, status=status, env=os.environ | {"LAZO_BENCH_PASSWORD": PASSWORD}, timeout=120)
    return [json.loads(line) for line in out.splitlines()]


def sane(line, scene):
    equal(line["scene"], scene)
    check(line["count"] > 0 and line["seconds"] > 0 and line["per_second"] > 1, line)
    check(0 <= line["cpu_seconds"] <= os.cpu_count() * (line["seconds"] + 4), line)
    equal(line["refused"], 0)
    check(line["resident_kib"] > 1000, line)


def test_idle_and_logins():
    idle, = load("idle", 40)
    sane(idle, "idle")
    equal(idle["count"], 40)
    check(SANITIZED or 0 < idle["kib_each"] < 1000, idle)
    logins, = load("logins", 40, 8)
    sane(logins, "logins")


def rows():
    found = 0
    for path in relay.data.rglob("*.db"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'box'").fetchone():
                found += db.execute("SELECT count(*) FROM box").fetchone()[0]
    return found


def test_chat_is_counted_and_archived():
    before = rows()
    for width in (20, 1):
        line, = load("chat", 100, width)
        sane(line, "chat")
        check(0 < line["count"] <= 100, line)
        for times in (line["latency_ms"], line["ack_ms"]):
            equal(times["count"], line["count"])
            check(0 < times["p50"] <= times["p99"] <= times["p100"], line)
    # Both parties' archives have each; what warmed up counts there too.
    check(rows() - before >= 2 * line["count"], f"{rows() - before} rows")


def test_offline_comes_whole():
    store, flush = load("offline", 200, 20)
    sane(store, "store")
    sane(flush, "flush")
    equal(flush["count"], store["count"])


def test_between_two_servers():
    sys.path.insert(0, str(SRC / "tests/bench"))
    import servers
    pair = servers.LazodPair(USERS, True, "")
    near, far = pair.ends
    line, = load("border", 200, 20, **{"port": near.port, "host": near.host, "pid": near.pid, "far-port": far.port, "far-host": far.host,
                                       "far-pid": far.pid})
    pair.stop()
    sane(line, "border")
    check(line["latency_ms"]["count"] == line["ack_ms"]["count"] == line["count"], line)


def test_what_cannot_be_measured_fails():
    equal(load("chat", 10, 1, status=1, port=free_port()), [])
    equal(load("chat", 10, 1, status=1, users=10 ** 6, pid=2 ** 22 - 1), [])
    load("nothing", 10, status=64)
    equal(load("border", 10, 1, status=1), [])


main()
