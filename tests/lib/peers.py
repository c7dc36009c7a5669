"""peers.py -- two relays of a test that find each other, and what each holds for the other."""
import contextlib
import sqlite3

from lazo_test import Authority, Relay, free_port, scratch

ONE, TWO = "uno.example", "dos.example"
__all__ = ["ONE", "TWO", "pair", "up", "spool", "waiting"]


def pair(one=None, two=None, **both):
    """Two relays, stopped, that find each other by configuration."""
    authority = Authority(scratch() / f"ca{free_port()}")
    hosts, ports, relays = (ONE, TWO), (free_port(), free_port()), []
    for mine, more in ((0, one or {}), (1, two or {})):
        peer = {f'peer "{hosts[1 - mine]}"': {"address": f'"127.0.0.1:{ports[1 - mine]}"'}}
        relays.append(Relay(hosts[mine], authority, start=False, trust=[str(authority.crt)], server=[f"127.0.0.1:{ports[mine]}"],
                            **({"retry": {"most": '"2s"'}} | peer | both | more)))
    return relays


def up(*relays):
    for relay in relays:
        if not relay.process or not relay.alive():
            relay.start()


def spool(relay, where):
    """How many messages are held there."""
    with contextlib.closing(sqlite3.connect(f"file:{relay.data}/lazo.db?mode=ro", uri=True, timeout=30)) as db:
        return db.execute(f"SELECT count(*) FROM spool WHERE {where}").fetchone()[0]


def waiting(relay):
    return spool(relay, "state = 0")
