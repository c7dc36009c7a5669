#!/usr/bin/python3
"""A page of an archive costs the same wherever it lies: at the start, the middle (by id and by time), the end, flipped, with everybody,
with somebody and with somebody rare. 50,000 rows; a million with --long. Measured in CPU time, which a busy machine does not stretch.

Control: an exact count, which has to look at every row (max 0), costs more.
"""
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from archive import query_xml
from lazo_test import *
from xmpp_raw import *

ROWS = 1000000 if LONG else 50000
FIRST, BEGAN = 1000, 1700000000                 # a second each
PAGES = 40
FILL = f"""
    INSERT OR IGNORE INTO jid (text) VALUES ('often@other.example'), ('rare@other.example');
    CREATE TEMP TABLE who AS SELECT (SELECT id FROM account LIMIT 1) AS account,
        (SELECT id FROM jid WHERE text LIKE 'often%') AS often, (SELECT id FROM jid WHERE text LIKE 'rare%') AS rare;
    WITH RECURSIVE n(i) AS (SELECT {FIRST} UNION ALL SELECT i + 1 FROM n WHERE i < {FIRST + ROWS - 1})
    INSERT INTO msg (id, sender, recipient, time, expires, refs, body) SELECT i, often, often, ({BEGAN} + i) * 1000, 0, 1,
        printf('<message type="chat" id="%d"><body>%d</body></message>', i, i) FROM n, who;
    INSERT INTO box SELECT account, id, CASE WHEN id % 400 THEN often ELSE rare END FROM msg, who WHERE id >= {FIRST};
    UPDATE meta SET value = {FIRST + ROWS + 1} WHERE key = 'next_id';"""


def setup():
    global relay, stream, costs
    relay = Relay()
    jid = relay.user()
    relay.stop()
    database = sqlite3.connect(relay.data / "lazo.db")
    database.executescript(FILL)
    database.close()
    relay.start(60)
    stream = login(relay, jid, timeout=60)
    costs = {}


def ask(**query):
    """-> ids"""
    stream.send(f"<iq type='set' id='q'>{query_xml(**query)}</iq>")
    ids = []
    while (element := stream.read(60)).get("id") != "q":
        ids.append(element[0].get("id"))
    return ids


def measure(what, rows=50, times=PAGES, **query):
    """CPU milliseconds a page."""
    equal(len(ask(**query)), rows, what)
    before = relay.cpu_seconds()
    for _ in range(times):
        ask(**query)
    costs[what] = (relay.cpu_seconds() - before) * 1000 / times


def test_pages():
    half = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGAN + FIRST + ROWS // 2))
    for name, filters in (("", {}), (" with one", {"with": "often@other.example"}), (" with a rare one", {"with": "rare@other.example"})):
        middle = ask(page="<max>1</max>", start=half, **filters)[0]
        measure("start" + name, page="<max>50</max>", **filters)
        measure("end" + name, page="<max>50</max><before/>", **filters)
        measure("end flipped" + name, page="<max>50</max><before/>", flip=True, **filters)
        measure("middle" + name, page=f"<max>50</max><after>{middle}</after>", **filters)
        measure("middle back" + name, page=f"<max>50</max><before>{middle}</before>", flip=True, **filters)
        measure("middle by time" + name, page="<max>50</max>", start=half, **filters)
    print(f"  {ROWS} rows, CPU ms a page: " + ", ".join(f"{what} {cost:.1f}" for what, cost in costs.items()))
    for what, cost in costs.items():
        check(cost < 4 * costs["start"] + 4, f"{what}: {cost:.1f} ms, and {costs['start']:.1f} at the start")


def test_control_a_count_costs_more():
    measure("count", rows=0, times=5, page="<max>0</max>")
    check(costs["count"] > 2 * costs["start"], f"{costs['count']:.1f} ms: what looks at every row is not seen to cost")


main()
