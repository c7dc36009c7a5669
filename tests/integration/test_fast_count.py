#!/usr/bin/python3
"""What a login costs on the wire: round trips and bytes behind the TLS handshake, counted by a relay of TCP in between that sees
nothing but TLS records (issue: a returning lazo is ready in three round trips and 2 kB).

A flight is all that one side says before the other speaks. Each time the client begins one, the relay is asked whether the session is
there: the flights before that are what it took. The login of RFC 6120 is counted beside it, which must be more: else nothing is counted.
"""
import socket
import threading

from lazo_home import *
from lazo_test import *
from xmpp_raw import *


class Wire:
    """Between one client and the relay. Bytes count from each side's first record behind its Finished."""

    def __init__(self, relay, jid):
        self.relay, self.jid = relay, jid
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.flights = []           # [side, bytes] of the last connection
        self.ready = None           # how many of them it took
        self.private = False        # the client's Finished has passed
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def is_ready(self):
        return any(s["jid"].startswith(self.jid + "/") for s in self.relay.ctl_json("session", "list"))

    def run(self):
        while True:
            client, _ = self.listener.accept()
            self.flights, self.ready, self.private = [], None, False
            self.rest = {"client": b"", "server": b""}
            server = socket.create_connection(("127.0.0.1", self.relay.tls_port))
            threads = [threading.Thread(target=self.pump, args=a, daemon=True)
                       for a in ((client, server, "client"), (server, client, "server"))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            client.close()
            server.close()

    def count(self, side, data):
        """Whole records of application data; the client's first is its Finished (TLS 1.3)."""
        self.rest[side] += data
        total = 0
        while len(self.rest[side]) >= 5:
            size = 5 + int.from_bytes(self.rest[side][3:5], "big")
            if len(self.rest[side]) < size:
                break
            kind, self.rest[side] = self.rest[side][0], self.rest[side][size:]
            if kind != 23:
                continue
            if self.private:
                total += size
            elif side == "client":
                self.private = True
        return total

    def pump(self, source, sink, side):
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                data = b""
            if not data:
                try:
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                return
            size = self.count(side, data)
            if size and self.ready is None:
                if not self.flights or self.flights[-1][0] != side:
                    if side == "client" and self.flights and self.is_ready():
                        self.ready = len(self.flights)
                    else:
                        self.flights.append([side, 0])
                if self.ready is None:
                    self.flights[-1][1] += size
            sink.sendall(data)

    def figures(self):
        """(round trips, bytes out, bytes in)"""
        check(self.ready, f"it was never ready: {self.flights}")
        done = self.flights[:self.ready]
        equal(done[-1][0], "server", "the relay's answer makes it ready")
        return (sum(s == "client" for s, _ in done), sum(n for s, n in done if s == "client"),
                sum(n for s, n in done if s == "server"))


def setup():
    global relay
    relay = Relay()


def gone(jid):
    eventually(lambda: not any(s["jid"].startswith(jid) for s in relay.ctl_json("session", "list")), what=f"{jid} has left")


def old_way(jid):
    wire = Wire(relay, jid)
    stream = Stream(relay, direct=True, port=wire.port)
    stream.open()
    stream.auth(jid.partition("@")[0])
    stream.bind("lazo-12345678")
    stream.send("<enable xmlns='urn:xmpp:sm:3'/>")
    equal(local(stream.read()), "enabled")
    stream.barrier()
    stream.close()
    gone(jid)
    return wire.figures()


def told(what, figures):
    print(f"  {what}: {figures[0]} round trips, {figures[1]} bytes out, {figures[2]} in, {figures[1] + figures[2]} together")
    return figures


def test_a_returning_lazo():
    home = Home(relay, relay.user())
    wire = Wire(relay, home.jid)
    home.server = f"xmpps://127.0.0.1:{wire.port}"
    home.login()
    gone(home.jid)
    first = told("lazo, first login (SCRAM)", wire.figures())
    home.run("sync", status=0)
    gone(home.jid)
    back = told("lazo, coming back (token)", wire.figures())
    old = told("RFC 6120 (SCRAM-SHA-256)", old_way(relay.user()))
    check(first[0] <= 3, f"{first[0]} round trips at first")
    check(back[0] <= 3, f"{back[0]} round trips")
    check(back[1] + back[2] <= 2048, f"{back[1] + back[2]} bytes")
    check(old[0] > 3 and sum(old[1:]) > sum(back[1:]), "the old way takes more: else nothing is counted")
    check(first[0] > back[0], "a password takes a round trip more")


main()
