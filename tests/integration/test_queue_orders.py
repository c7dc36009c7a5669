#!/usr/bin/python3
"""lazoctl queue and peer: what is held for other relays is shown, tried again, cancelled and ended, with the relay and without it.

Design 3.4, 5; lazoctl(8). What is held is put on the disk by hand: what is tested is what the operator sees and may do.
"""
import json
import os
import socket
import sqlite3
import time

from lazo_test import *
from xmpp_raw import *

FAR, LOST = "lejos.example", "perdido.example"
COLUMNS = ["id", "from", "to", "state", "reason", "tries", "size", "since", "next", "expires"]


def setup():
    global relay, jid
    dead = free_port()      # nobody listens there
    relay = Relay(**{f'peer "{d}"': {"address": f'"127.0.0.1:{dead}"', "pin": f'"sha256:{"ab" * 32}"'} for d in (FAR, LOST)},
                  retry={"first": "1h", "most": "1h"})
    jid = relay.user()


def sql(text, *args):
    db = sqlite3.connect(relay.data / "lazo.db", timeout=10)
    with db:
        rows = db.execute(text, args).fetchall()
    db.close()
    return rows


def hold(domain, name, state=0, expires=None, tries=0, wait=None):
    """A message of ours to luis there, as the queue keeps it; its id."""
    now = int(time.time() * 1000)
    ids = []
    for text in (jid, f"luis@{domain}", domain):
        sql("INSERT OR IGNORE INTO jid (text) VALUES (?)", text)
        ids.append(sql("SELECT id FROM jid WHERE text = ?", text)[0][0])
    body = f"<message xmlns='jabber:client' from='{jid}/casa' to='luis@{domain}' id='{name}'><body>{name}</body></message>"
    number = sql("SELECT coalesce(max(id), 0) + 100000 FROM msg")[0][0]
    sql("INSERT INTO msg (id, sender, sender_resource, recipient, time, expires, refs, body) VALUES (?, ?, 'casa', ?, ?, 0, 1, ?)",
        number, ids[0], ids[1], now, body.encode())
    sql("INSERT INTO spool (id, destination, state, custody, name, since, expires, tries, next, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        number, ids[2], state, os.urandom(16), name, now, now + 86400000 if expires is None else expires, tries,
        0 if wait is None else now + wait, "resource-constraint" if tries else None)
    return number


def held(*args):
    return relay.ctl_json("queue", "show", *args)


def ids(*args):
    return [line["id"] for line in held(*args)]


def fill():
    """Four messages, with the relay stopped: (far, far, given up, lost)."""
    if relay.alive():
        relay.stop()
    sql("DELETE FROM spool")
    sql("DELETE FROM pending")
    sql("DELETE FROM peer")
    sql("DELETE FROM msg WHERE id NOT IN (SELECT id FROM box)")
    return [hold(FAR, "m1"), hold(FAR, "m2", tries=2, wait=3600000), hold(FAR, "m3", state=2), hold(LOST, "m4")]


def test_show():
    first, deferred, doubtful, lost = fill()
    equal(ids(), [first, deferred, doubtful, lost])
    lines = held()
    equal([line["state"] for line in lines], ["held", "deferred", "unconfirmed", "held"])
    equal(sorted(lines[0]), sorted(COLUMNS), "as it is promised")
    equal((lines[0]["from"], lines[0]["to"], lines[0]["tries"], lines[0]["next"]), (f"{jid}/casa", f"luis@{FAR}", 0, None))
    equal((lines[1]["tries"], lines[1]["reason"]), (2, "resource-constraint"))
    check(lines[1]["next"] > lines[1]["since"] and lines[0]["expires"] > lines[0]["since"])
    check(all(line["size"] > 80 for line in lines))
    equal(ids(FAR), [first, deferred, doubtful])
    equal(ids(FAR.upper()), [first, deferred, doubtful])
    equal(ids(f"luis@{LOST}"), [lost])
    equal(ids(f"{jid}/casa"), [first, deferred, doubtful, lost])
    equal(ids("nada.example"), [])
    equal(relay.ctl("queue", "show", LOST).split("\t")[:3], [str(lost), f"{jid}/casa", f"luis@{LOST}"])
    relay.ctl("queue", "show", "@", status=64)
    relay.ctl("queue", "show", "a", "b", status=64)
    equal(relay.ctl_json("status")[0]["held"], 4)


def test_many_are_shown():
    fill()
    made = [hold(FAR, f"n{n}") for n in range(20)]
    row = sql("SELECT * FROM spool WHERE id = ?", made[-1])[0]
    message = sql("SELECT * FROM msg WHERE id = ?", made[-1])[0]
    db = sqlite3.connect(relay.data / "lazo.db")
    with db:
        for n in range(1, 1201):
            db.execute(f"INSERT INTO msg VALUES ({','.join('?' * len(message))})", (message[0] + n, *message[1:]))
            db.execute(f"INSERT INTO spool VALUES ({','.join('?' * len(row))})", (row[0] + n, *row[1:]))
    db.close()
    shown = ids()
    equal(len(shown), 1224, "pages")
    equal(shown, sorted(set(shown)))
    equal(ids(LOST), shown[3:4])


def test_peers():
    fill()
    peers = {peer["domain"]: peer for peer in relay.ctl_json("peer", "list")}
    equal(sorted(peers), [FAR, LOST])
    far = peers[FAR]
    equal(sorted(far), ["bytes", "domain", "key", "next", "offered", "pin", "seen", "state", "waiting"])
    equal((far["state"], far["waiting"], far["seen"], far["pin"], far["key"]), ("waiting", 3, None, "sha256:" + "ab" * 32, None))
    equal(far["bytes"], sum(line["size"] for line in held(FAR)))
    sql("INSERT INTO peer (domain, since, seen, tries, next, reason) VALUES ('otra.example', 1, 1700000000000, 3, 5, 'no route')")
    shown = relay.ctl_json("peer", "show", "otra.example")[0]
    equal((shown["state"], shown["known"], shown["tries"], shown["reason"], shown["waiting"]), ("idle", True, 3, "no route", 0))
    equal(shown["seen"], "2023-11-14T22:13:20.000Z")
    check("waiting: 3\n" in relay.ctl("peer", "show", FAR))
    relay.ctl("peer", "show", "nada.example", status=67)
    relay.ctl("peer", "show", "a@b", status=64)


def waiting_errors(stream, *names):
    for name in names:
        equal(error_of(stream.message(type="error", id=name)), ("cancel", "service-unavailable"))


def test_orders_without_the_relay():
    first, deferred, doubtful, lost = fill()
    relay.ctl("queue", "retry", FAR)
    equal([line["state"] for line in held(FAR)], ["held"] * 3)
    relay.ctl("queue", "retry", str(lost))
    relay.ctl("queue", "retry")
    for bad, status in ((["retry", "999999999"], 67), (["retry", "nada.example"], 67), (["retry", "a@b"], 64), (["cancel", "x"], 64),
                        (["cancel", "0"], 64), (["cancel"], 64), (["cancel", "999999999"], 67), (["expire", "x"], 64)):
        relay.ctl("queue", *bad, status=status)
    relay.ctl("queue", "cancel", str(first))
    relay.ctl("queue", "cancel", str(first), status=67)
    equal(ids(FAR), [deferred, doubtful])
    equal(relay.ctl_json("queue", "expire"), [{"expired": 0}])
    sql("UPDATE spool SET expires = 5 WHERE id = ?", deferred)
    equal(relay.ctl_json("queue", "expire"), [{"expired": 1}])
    equal(ids(FAR), [doubtful])
    relay.start()       # the sender, who was away, hears of it
    me = login(relay, jid)
    me.send("<presence/>")
    waiting_errors(me, "m1")
    equal(error_of(me.message(type="error", id="m2")), ("wait", "remote-server-timeout"))
    me.close()


def test_orders_to_the_relay():
    first, deferred, doubtful, lost = fill()
    relay.start()
    me = login(relay, jid)
    me.send("<presence/>")
    relay.ctl("queue", "cancel", str(lost))
    relay.ctl("queue", "cancel", str(lost), status=67)
    waiting_errors(me, "m4")
    relay.ctl("queue", "retry", "999999999", status=67)
    relay.ctl("queue", "retry", str(doubtful))
    relay.ctl("queue", "retry", str(deferred))
    relay.ctl("queue", "retry")
    relay.ctl("queue", "retry", FAR)
    relay.ctl("queue", "retry", LOST, status=67)
    check(all(line["state"] in ("held", "trying") for line in held(FAR)), held(FAR))
    sql("UPDATE spool SET expires = 5 WHERE id = ?", first)
    equal(relay.ctl_json("queue", "expire"), [{"expired": 1}])
    equal(error_of(me.message(type="error", id="m1")), ("wait", "remote-server-timeout"))
    equal(ids(), [deferred, doubtful], str((first, held(), sql("select id,state,expires from spool"))))
    equal(relay.ctl_json("status")[0]["held"], 2)
    me.close()


def test_each_try_is_seen():
    relay.stop()
    sql("DELETE FROM spool")
    hold(FAR, "t1")
    relay.start()
    tried = lambda n: lambda: relay.ctl_json("peer", "show", FAR)[0]["tries"] >= n
    eventually(tried(1), 20, "the first")
    line = held(FAR)[0]
    check(line["next"] is not None and line["reason"], line)
    relay.ctl("queue", "retry", FAR)
    eventually(tried(2), 20, "told")
    relay.ctl("queue", "retry", str(line["id"]))
    eventually(tried(3), 20, "told of one")


def test_nonsense_on_the_socket():
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(relay.data / "control"))
    reader = sock.makefile()
    for text in ('{"verb":"queue-retry","id":"7"}', '{"verb":"queue-retry","id":7,"domain":"a"}', '{"verb":"queue-retry","domain":7}',
                 '{"verb":"queue-cancel"}', '{"verb":"queue-cancel","id":1.5}', '{"verb":"queue-cancel","id":null}'):
        sock.sendall(text.encode() + b"\n")
        equal(json.loads(reader.readline())["ok"], False, text)
    # Many at once are answered in their order, and one who does not wait for the answer does no harm.
    sock.sendall(b'{"verb":"queue-cancel","id":9223372036854775807}\n{"verb":"queue"}\n{"verb":"queue-cancel","id":-5}\n{"verb":"status"}\n')
    answers = [json.loads(reader.readline()) for _ in range(4)]
    equal([a.get("done") for a in answers], ["none", None, "none", None])
    check("domains" in answers[1] and "rss" in answers[3])
    sock.sendall(b'{"verb":"queue-cancel","id":5}\n' * 100)
    reader.close()
    sock.close()
    equal(relay.ctl_json("status")[0]["running"], True)


main()
