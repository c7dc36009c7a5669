#!/usr/bin/python3
"""The end of a stream between relays: whoever says it, and whenever, nothing is lost by it, nothing hangs, nothing is left behind.

RFC 6120 4.4, XEP-0198; design 3.4: our end of a stream tells a relay without XEP-0198 that we have all it said before its own.
"""
import contextlib
import os
import pathlib
import sqlite3
import time
from dns_server import *
from lazo_test import *
from xmpp_raw import *
from liar import *

ASK = "<bidi xmlns='urn:xmpp:bidi'/>"
BOTH = EXTERNAL + "<bidi xmlns='urn:xmpp:features:bidi'/>"
END = "</stream:stream>"


def setup():
    global relay, names
    names = DnsServer()
    relay = Relay("uno.example", server=["127.0.0.1:0"], resolver=[names.address])
    relay.conf["trust"] = [str(relay.authority.crt)]
    relay.restart()


def message(to, body, frm="a@tres.example"):
    return f"<message from='{frm}' to='{to}' type='chat' id='{new_id()}'><body>{body}</body></message>"


def kept():
    with contextlib.closing(sqlite3.connect(f"file:{relay.data}/lazo.db?mode=ro", uri=True, timeout=30)) as db:
        return db.execute("SELECT count(*) FROM pending").fetchone()[0]


def ended(stream, timeout=15):
    """What came before the other's end of the stream."""
    try:
        stream.wait(lambda e: False, timeout)
    except Closed:
        return stream.inbox
    raise AssertionError("no end came")


def cpu_seconds():
    fields = pathlib.Path(f"/proc/{relay.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_bytes_behind_the_end():
    """A message that is not on the disk yet, the end, and a line break in one write: the relay lives on and does not spin."""
    host = login(relay, relay.user())
    for behind in ("\n", "\n\n", " x", "<message/>", END):
        liar = Liar(relay)
        liar.prove()
        liar.managed()
        liar.send(message(host.jid, "a") + END + behind)
        host.message(body="a", timeout=15)
        ended(liar)
        liar.drop()
    before, begin = cpu_seconds(), time.monotonic()
    host.barrier()
    time.sleep(1)
    check(cpu_seconds() - before < 0.5 * (time.monotonic() - begin), "at rest")
    host.close()


def test_dead_streams_lock_nobody_out():
    """A line that comes and goes leaves streams behind that nobody has closed. Who proves itself again is let in."""
    host = login(relay, relay.user())
    liars = []
    for i in range(7):
        liar = Liar(relay)
        liar.prove()
        liar.managed()
        liar.send(message(host.jid, f"by {i}"))
        host.message(body=f"by {i}")
        liars.append(liar)
    for i, liar in enumerate(liars[:3]):
        equal(liar.stream_error(), "conflict", f"stream {i}, the oldest then")
    for i, liar in enumerate(liars[3:]):
        liar.send(message(host.jid, f"still {i}"))
        host.message(body=f"still {i}")
    for liar in liars:
        liar.drop()
    host.close()


def test_the_end_waits_for_what_was_said():
    """To people who are not in memory: each must be read from the disk first, and the others wait for it behind the end."""
    people, before = [relay.user() for _ in range(40)], kept()
    relay.restart()
    liar = Liar(relay)
    liar.prove()
    liar.send("".join(message(jid, "x") for jid in people) + END)
    ended(liar)
    check(b"<stream:error" not in liar.received, "a good end")
    equal(kept() - before, len(people), "all that came before the end to which ours is the answer")
    liar.drop()


def test_early_and_gone():
    """A relay that speaks before both sides count, and goes; the next address is begun with nothing left of the first."""
    host, certificate = login(relay, relay.user()), relay.authority.issue("cuatro.example")
    first, second = Answering("cuatro.example", certificate), Answering("cuatro.example", certificate)
    for n, one in enumerate((first, second)):
        names.srv("_xmpps-server._tcp.cuatro.example", n + 1, 5, one.port, "x.cuatro.example")
    names.a("x.cuatro.example", "127.0.0.1")
    host.send("<message to='b@cuatro.example' type='chat' id='1'><body>hola</body></message>")
    visit = first.visit()
    visit.take_proof(before=BOTH, after="<sm xmlns='urn:xmpp:sm:3'/>")
    visit.wait(lambda e: e.tag.endswith("}enable"))
    visit.send(message(host.jid, "temprano", "b@cuatro.example"))
    visit.sock.close()
    visit = second.visit()
    visit.take_proof(before=BOTH, after="<sm xmlns='urn:xmpp:sm:3'/>")
    visit.wait(lambda e: e.tag.endswith("}enable"))
    visit.send("<enabled xmlns='urn:xmpp:sm:3'/>")
    for n in range(5):
        visit.send(message(host.jid, f"tarde {n}", "b@cuatro.example") + "<r xmlns='urn:xmpp:sm:3'/>")
    equal([host.message(body=f"tarde {n}", timeout=15).tag for n in range(5)], [CLIENT + "message"] * 5)
    visit.wait(lambda e: e.tag == SM + "a" and e.get("h") == "5")
    visit.drop()
    host.barrier()
    host.close()


if __name__ == "__main__":
    main()
