"""crossing.py -- the water between two relays: a TCP proxy that a test makes slow, narrow, deaf or broken; and two on its shores.

A Crossing listens on a port of its own and carries bytes to port_of(). What may be done to it, from the test's thread, at any time:

  delay[d], rate[d]   seconds that bytes are under way; bytes a second (None: as fast as they come)
  stalled[d]          nothing moves in that direction, and nobody is told
  cut(d, n, how)      after n more bytes in that direction the connection ends: by a "reset", or in good order ("close")
  refuse()            nobody listens           silent()   connections are taken, and nothing ever moves on them
  forget()            what is open now moves no more and is never closed (a NAT that lost its table); new ones are fine
  part(how)           what is open ends now    mend()     all of the above is over, but what was forgotten stays so

d: OUT towards port_of(), BACK from it. Bytes are never changed, dropped or put in another order: that is TCP's promise.

forgetful(relay): the control; its database forgets each key of deduplication at once. It is started again.

Shores: two relays, uno.example and dos.example, that reach each other by a Crossing for each who begins.
"""
import asyncio
import contextlib
import socket
import sqlite3
import struct
import threading

from lazo_test import Authority, Relay, free_port, scratch

OUT, BACK = 0, 1
ALL = (OUT, BACK)

__all__ = ["OUT", "BACK", "ALL", "Crossing", "Shores", "forgetful", "question"]


def question(relay, sql):
    """What its database answers, whether or not it runs."""
    with contextlib.closing(sqlite3.connect(f"file:{relay.data}/lazo.db", uri=True, timeout=30)) as db:
        return db.execute(sql).fetchall()


def forgetful(relay):
    relay.stop()
    with contextlib.closing(sqlite3.connect(relay.data / "lazo.db")) as db, db:
        db.execute("CREATE TRIGGER forgets AFTER INSERT ON seen BEGIN DELETE FROM seen WHERE key = NEW.key; END")
    relay.start()


class Crossing:
    def __init__(self, port_of):
        self.port_of = port_of
        self.open = set()           # connections
        self.lost = []              # forgotten ones, held so that nobody closes them
        self.carried = self.taken = 0
        self._fresh()
        self.socket = self._listen(0)
        self.port = self.socket.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._do(self._serve())

    def _fresh(self):
        self.delay, self.rate, self.stalled, self.cuts = [0, 0], [None, None], [False, False], [None, None]
        self.is_silent = False

    def _listen(self, port):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen(64)
        return made

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _serve(self):
        self.server = await asyncio.start_server(self._carry, sock=self.socket)

    async def _carry(self, near, near_end):
        self.taken += 1
        ends = [near_end]
        self.open.add(connection := Connection(ends))
        try:
            while self.is_silent and not connection.over:
                await asyncio.sleep(0.02)
            far, far_end = await asyncio.open_connection("127.0.0.1", self.port_of())
            ends.append(far_end)
            await asyncio.gather(self._pump(connection, OUT, near, far_end), self._pump(connection, BACK, far, near_end))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(connection)
            if not connection.forgotten:
                connection.end("close")

    async def _pump(self, connection, d, source, sink):
        while data := await source.read(65536 if self.rate[d] is None else max(1, int(self.rate[d] / 20))):
            if self.delay[d]:
                await asyncio.sleep(self.delay[d])
            while (self.stalled[d] or self.is_silent or connection.forgotten) and not connection.over:
                await asyncio.sleep(0.02)
            if self.cuts[d] is not None:
                left, how = self.cuts[d]
                self.cuts[d] = None if left <= len(data) else (left - len(data), how)
                if left <= len(data):
                    sink.write(data[:left])
                    await asyncio.sleep(0.01)       # that much does come
                    connection.end(how)
                    return
            sink.write(data)
            self.carried += len(data)
            await sink.drain()
            if self.rate[d] is not None:
                await asyncio.sleep(len(data) / self.rate[d])
        while (self.stalled[d] or connection.forgotten) and not connection.over:
            await asyncio.sleep(0.02)               # the end is no faster than the bytes
        if sink.can_write_eof():
            sink.write_eof()

    # From the test's thread

    def cut(self, d, after, how):
        self.cuts[d] = (after, how)

    def part(self, how="reset"):
        async def work():
            for connection in list(self.open):
                if not connection.forgotten:
                    connection.end(how)
        self._do(work())

    def forget(self):
        async def work():
            for connection in self.open:
                connection.forgotten = True
            self.lost += self.open
        self._do(work())

    def refuse(self):
        async def work():
            self.server.close()
            self.server = None
        if self.server is not None:
            self._do(work())
            self.part()

    def silent(self):
        self.is_silent = True

    def mend(self):
        async def work():
            if self.server is None:
                self.socket = self._listen(self.port)
                self.server = await asyncio.start_server(self._carry, sock=self.socket)
        self._do(work())
        self._fresh()


class Connection:
    def __init__(self, ends):
        self.ends, self.over, self.forgotten = ends, False, False

    def end(self, how):
        self.over = True
        for end in self.ends:
            if how == "reset":
                with contextlib.suppress(OSError):      # it may be over
                    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.transport.abort()
            else:
                end.close()


class Shores:
    """one, two: relays; out: the crossing by which one reaches two; back: the other. conf: lines for both."""

    HOSTS = ("uno.example", "dos.example")

    def __init__(self, env=(None, None), hosts=HOSTS, **conf):
        self.authority = Authority(scratch() / f"ca{free_port()}")
        self.ports = [free_port(), free_port()]
        self.out, self.back = (Crossing(lambda n=n: self.ports[n]) for n in (1, 0))
        self.crossings = self.out, self.back
        self.relays = []
        for mine, crossing in enumerate(self.crossings):
            peer = {"address": f'"127.0.0.1:{crossing.port}"', "tls": '"starttls"'}
            relay = Relay(hosts[mine], self.authority, False, env=env[mine], server=[f"127.0.0.1:{self.ports[mine]}"],
                          limits={"rate_server": 0}, trust=[str(self.authority.crt)],
                          **{f'peer "{hosts[1 - mine]}"': peer}, **conf)
            relay.crt, relay.key = self.authority.issue(relay.host, days=3650)      # good at every time of a test's clock
            relay.client = f"127.0.0.1:{free_port()}"       # the same after a restart
            self.relays.append(relay.start())
        self.one, self.two = self.relays

    @contextlib.contextmanager
    def at(self, _):
        """Streams to either relay are opened as any."""
        yield

    def deafen(self, which):
        """That relay (0, 1) is heard, and hears nothing, whoever of the two began a connection."""
        self.crossings[which].stalled[BACK] = self.crossings[1 - which].stalled[OUT] = True

    def part(self, how="reset"):
        for crossing in self.crossings:
            crossing.part(how)

    def mend(self):
        for crossing in self.crossings:
            crossing.mend()

    def waiting(self):
        """How many messages the relays hold for each other."""
        return [question(relay, "SELECT count(*) FROM spool WHERE state = 0")[0][0] for relay in self.relays]
