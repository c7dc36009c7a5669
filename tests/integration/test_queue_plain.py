#!/usr/bin/python3
"""Messages for a relay without stream management: its when it says so in some other way, and what is in doubt is not repeated for ever.

Design 3.4; XEP-0199, XEP-0478. The other relay is the test's own, and does as the test says.
"""
import re
import socket
import ssl
import threading
import time

from lazo_test import *
from peers import spool, waiting
from xmpp_raw import *

THERE = "antiguo.example"
CUSTODY = "{urn:lazo:custody:0}"
HEAD = (f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='{THERE}' "
        f"to='{HOST}' id='s1' version='1.0'>")


class Plain:
    """Takes streams, and writes down what messages come. pongs: answers pings, on a stream of its own. polite: ends its stream
    in reply to the end of ours. lose: breaks the connection when a message has come."""

    def __init__(self, authority):
        crt, key = authority.issue(THERE)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(crt, key)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.pongs = self.polite = True
        self.lose, self.most, self.take_only = False, None, None
        self.messages, self.pings, self.streams = [], [], 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.socket.accept()
            self.streams += 1
            try:
                self._talk(connection)
            except (OSError, ssl.SSLError, EOFError):
                pass
            connection.close()

    @staticmethod
    def _until(connection, pattern, text=""):
        while not (found := re.search(pattern, text, re.S)):
            got = connection.recv(65536)
            if not got:
                raise EOFError
            text += got.decode()
        return found, text[found.end():]

    def _talk(self, connection):
        self._until(connection, "<stream:stream[^>]*>")
        connection.sendall(f"{HEAD}<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>".encode())
        self._until(connection, "<starttls[^>]*/>")
        connection.sendall(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        line = self.context.wrap_socket(connection, server_side=True)
        self._until(line, "<stream:stream[^>]*>")
        line.sendall(f"{HEAD}<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>"
                     "</mechanisms></stream:features>".encode())
        self._until(line, "<auth .*?</auth>")
        line.sendall(b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
        self._until(line, "<stream:stream[^>]*>")
        limits = f"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>{self.most}</max-bytes></limits>" if self.most else ""
        line.sendall(f"{HEAD}<stream:features>{limits}</stream:features>".encode())
        self._stanzas(line)

    def _stanzas(self, line):
        rest = ""
        while True:
            found, rest = self._until(line, "<message .*?</message>|<iq .*?</iq>|</stream:stream>", rest)
            text = found.group()
            if text.startswith("<message"):
                self.messages.append((re.search("<body>(.*?)</body>", text).group(1),
                                      re.search("<custody [^>]*id='([0-9a-f]{32})'", text).group(1)))
                if self.lose:
                    return
            elif text.startswith("<iq"):
                self.pings.append(re.search(" id='([^']*)'", text).group(1))
                if self.pongs:
                    answer(self.pings[-1])
            else:
                if self.polite:
                    line.sendall(b"</stream:stream>")
                return

    def bodies(self):
        return [body for body, _ in self.messages]


class Theirs(Stream):
    """A stream of the other relay to ours."""

    def __init__(self):
        super().__init__(relay, port=relay.ports["server"], host=HOST)
        head = (f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' to='{HOST}' from='{THERE}' version='1.0' "
                "xmlns:stream='http://etherx.jabber.org/streams'>")
        self.open(header=head)
        made = context(relay.authority.crt)
        made.load_cert_chain(*map(str, relay.authority.issue(THERE)))
        self.starttls(made)
        self.open(header=head)
        self.sasl("EXTERNAL", THERE.encode())
        self.open(header=head)


def answer(ident, frm=THERE):
    stream = Theirs()
    stream.send(f"<iq type='result' id='{ident}' from='{frm}' to='{HOST}'/>")
    stream.close()


def setup():
    global relay, there, jid
    authority = Authority(scratch() / "ca")
    there = Plain(authority)
    relay = Relay(HOST, authority, trust=[str(authority.crt)], server=["127.0.0.1:0"], retry={"most": '"1s"'},
                  **{f'peer "{THERE}"': {"address": f'"127.0.0.1:{there.port}"'}})
    jid = relay.user("ana")


def write(a, body, extra=""):
    a.send(f"<message to='luis@{THERE}' id='{body}' type='chat'><body>{body}</body>{extra}"
           f"<origin-id xmlns='urn:xmpp:sid:0' id='{body}'/></message>")


def last_stage(a, origin):
    status = a.result("get", f"<query xmlns='urn:lazo:custody:0' origin='{origin}'/>").find(f"{CUSTODY}query/{CUSTODY}status")
    return local(status[-1]), status[-1].get("how")


def writer():
    a = login(relay, jid)
    a.result("set", "<enable xmlns='urn:lazo:custody:0'/>")
    there.messages.clear()
    there.pings.clear()
    return a


def settled(a, origin):
    a.barrier()
    eventually(lambda: waiting(relay) == 0, 60, "it is handed over")
    equal(last_stage(a, origin), ("handed", "received"))


def test_answer_to_a_ping():
    a = writer()
    for n in range(30):
        write(a, f"eco {n}")
    settled(a, "eco 29")
    equal(there.bodies(), [f"eco {n}" for n in range(30)])
    check(1 <= len(there.pings) <= 5, f"a ping behind each batch: {len(there.pings)}")
    a.close()


def test_answers_of_others_do_not_count():
    a = writer()
    there.pongs = False
    write(a, "otro")
    eventually(lambda: there.pings, 10, "a ping")
    answer("another")
    answer(there.pings[-1], f"luis@{THERE}")
    time.sleep(0.5)
    equal(waiting(relay), 1, "neither another id, nor one of its users")
    answer(there.pings[-1])
    settled(a, "otro")
    there.pongs = True
    a.close()


def test_end_of_the_stream():    # slow: the ping is waited for
    a = writer()
    there.pongs = False
    write(a, "fin 1")
    settled(a, "fin 1")
    start = time.monotonic()
    write(a, "fin 2")    # of whom it is known that it does not answer nothing is asked
    settled(a, "fin 2")
    check(time.monotonic() - start < 20, "the ping is not waited for twice")
    equal(there.bodies(), ["fin 1", "fin 2"])
    there.pongs = True
    answer("hello")    # it is there again: worth a ping
    a.close()


def test_lost_before_any_answer():
    a = writer()
    there.lose, there.pongs = True, False
    write(a, "duda")
    write(a, "detrás")
    a.barrier()
    eventually(lambda: spool(relay, "state = 2") >= 1, 60, "given up")
    there.lose, there.pongs = False, True
    eventually(lambda: waiting(relay) == 0, 60, "what was behind it goes")
    duda = [custody for body, custody in there.messages if body == "duda"]
    equal((len(duda), len(set(duda))), (5, 1), "five times, under one id")
    equal(last_stage(a, "duda"), ("handed", "unconfirmed"))
    equal(last_stage(a, "detrás"), ("handed", "received"), "the innocent is not with it")
    streams = there.streams
    time.sleep(3)
    equal(there.streams, streams, "not repeated by itself")
    a.close()


def test_too_large():
    a = writer()
    there.most = 20000
    there.lose = True    # a new stream, with the limit
    write(a, "corta")
    eventually(lambda: there.messages, 20, "lost once")
    there.lose = False
    write(a, "larga", f"<x xmlns='urn:example:x'>{'x' * 20000}</x>")
    write(a, "otra")
    equal(error_of(a.message(type="error", id="larga"))[1], "policy-violation")
    settled(a, "otra")
    equal(last_stage(a, "larga"), ("refused", None))
    check("larga" not in there.bodies(), "not sent at all")
    a.close()


if __name__ == "__main__":
    main()
