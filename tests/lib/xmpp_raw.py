"""xmpp_raw.py -- a client that says exactly the bytes it is told to, and reads exactly what comes.

For tests of the stream itself and of bad input, where a library would be too polite. Blocking; one Stream is one
connection. Elements are xml.etree Elements with {namespace}name tags. A ping from the relay is answered unless
auto_pong is off, since an answer is what confirms delivery of a stored message.
"""
import base64
import hashlib
import hmac
import itertools
import os
import socket
import ssl
import threading
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from lazo_test import PASSWORD, PROSODY, check, equal

CLIENT = "{jabber:client}"
STREAM = "{http://etherx.jabber.org/streams}"
STREAM_ERRORS = "{urn:ietf:params:xml:ns:xmpp-streams}"
STANZA_ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
BIND = "{urn:ietf:params:xml:ns:xmpp-bind}"
SESSION = "{urn:ietf:params:xml:ns:xmpp-session}"
ROSTER = "{jabber:iq:roster}"
DELAY = "{urn:xmpp:delay}"
SID = "{urn:xmpp:sid:0}"
DISCO_INFO = "{http://jabber.org/protocol/disco#info}"
DISCO_ITEMS = "{http://jabber.org/protocol/disco#items}"
PUBSUB = "{http://jabber.org/protocol/pubsub}"
PUBSUB_EVENT = "{http://jabber.org/protocol/pubsub#event}"
PUBSUB_OWNER = "{http://jabber.org/protocol/pubsub#owner}"
PUBSUB_ERRORS = "{http://jabber.org/protocol/pubsub#errors}"
FORM = "{jabber:x:data}"
PING = "{urn:xmpp:ping}"
LIMITS = "{urn:xmpp:stream-limits:0}"
SASL_CB = "{urn:xmpp:sasl-cb:0}"
CAPS = "{http://jabber.org/protocol/caps}"

_ids = itertools.count(1)


class Closed(Exception):
    """The stream or the connection was closed by the other side."""


class Refused(Exception):
    """SASL failed; .condition says how."""

    def __init__(self, condition, text=""):
        super().__init__(f"{condition} {text}")
        self.condition = condition


def new_id():
    return f"t{next(_ids)}"


def local(element):
    return element.tag.rpartition("}")[2]


def text_of(element, path, default=None):
    found = element.find(path)
    return default if found is None else found.text or ""


def bare(jid):
    return jid.partition("/")[0]


def error_of(stanza):
    """(type, condition) of a stanza error, or None."""
    error = stanza.find(CLIENT + "error")
    if error is None:
        return None
    for child in error:
        if child.tag.startswith(STANZA_ERRORS) and local(child) != "text":
            return error.get("type"), local(child)
    return error.get("type"), None


def context(ca=None, alpn=None, versions=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        made.load_verify_locations(str(ca))
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if alpn:
        made.set_alpn_protocols(alpn)
    if versions:
        made.minimum_version, made.maximum_version = versions
    return made


class Stream:
    def __init__(self, relay, direct=False, tls_context=None, host=None, timeout=10, auto_pong=True, port=None):
        self.relay, self.host, self.timeout, self.auto_pong = relay, host or relay.host, timeout, auto_pong
        self.pongs = 0              # pings of the relay that were answered
        self.inbox = []             # read, but passed over by a wait
        self.header = None          # attributes of the last stream header
        self.received = b""         # all plaintext bytes, for tests of the bytes themselves
        self.jid = None
        self.features = None
        self._new_parser()
        port = port or (relay.tls_port if direct else relay.port)
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if direct:
            self.wrap(tls_context or context(relay.authority.crt, ["xmpp-client"]))

    # Bytes

    def _new_parser(self):
        self.parser = ET.XMLPullParser(("start", "end"))
        self.unparsed = b""
        self.depth = 0
        self.ended = False

    def wrap(self, tls_context):
        self.sock.settimeout(self.timeout)
        self.sock = tls_context.wrap_socket(self.sock, server_hostname=self.host)
        self._new_parser()

    def send(self, data):
        self.sock.settimeout(self.timeout)
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def _pump(self, deadline):
        """Feed the parser one read; raises Closed at the end, TimeoutError at the deadline."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            raise TimeoutError("nothing came in time") from None
        except (ConnectionError, ssl.SSLError) as why:
            raise Closed(str(why)) from None
        if not data:
            raise Closed("end of the connection")
        self.received += data
        # expat puts a token that came in pieces off until much more has come (CVE-2023-52425): give it whole tags.
        self.unparsed += data
        if not self.unparsed.endswith(b">"):
            return
        data, self.unparsed = self.unparsed, b""
        try:
            self.parser.feed(data)
        except ET.ParseError as why:
            raise AssertionError(f"the relay's bytes are no XML: {why}: {self.received[-300:]!r}") from None

    def _event(self):
        """The next complete thing the parser has: an element, "open", "close" or None."""
        for kind, element in self.parser.read_events():
            if kind == "start":
                self.depth += 1
                if self.depth == 1:
                    self.root = element
                    self.header = dict(element.attrib)
                    equal(element.tag, STREAM + "stream", "root of the relay's stream")
                    return "open"
            else:
                self.depth -= 1
                if self.depth == 1:
                    self.root.remove(element)
                    return element
                if self.depth == 0:
                    self.ended = True
                    return "close"
        return None

    def _next(self, timeout):
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            event = self._event()
            if event is not None:
                return event
            if self.ended:
                raise Closed("end of the stream")
            self._pump(deadline)

    def read(self, timeout=None):
        """The next element of the stream, a ping from the relay excepted."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            element = self._next(max(deadline - time.monotonic(), 0.001))
            if element == "close":
                raise Closed("</stream:stream>")
            if element == "open":
                continue
            if self.auto_pong and element.tag == CLIENT + "iq" and element.get("type") == "get" \
                    and element.find(PING + "ping") is not None:
                to = f" to={quoteattr(element.get('from'))}" if element.get("from") else ""
                self.send(f"<iq type='result' id={quoteattr(element.get('id'))}{to}/>")
                self.pongs += 1
                continue
            return element

    def wait(self, wanted, timeout=None, what="an element"):
        """The first element that wanted(element) likes, from those passed over or still to come."""
        for i, element in enumerate(self.inbox):
            if wanted(element):
                return self.inbox.pop(i)
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            try:
                element = self.read(max(deadline - time.monotonic(), 0.001))
            except (TimeoutError, Closed) as why:
                passed = [ET.tostring(e).decode()[:300] for e in self.inbox]
                raise type(why)(f"waiting for {what}: {why}; passed over: {passed}") from None
            if wanted(element):
                return element
            self.inbox.append(element)

    def message(self, frm=None, body=None, timeout=None, **attributes):
        def wanted(e):
            return e.tag == CLIENT + "message" and (frm is None or frm in (e.get("from"), bare(e.get("from", "")))) \
                and (body is None or text_of(e, CLIENT + "body") == body) \
                and all(e.get(k) == v for k, v in attributes.items())
        return self.wait(wanted, timeout, f"a message {frm or ''} {body or ''} {attributes or ''}")

    def presence(self, frm=None, kind=None, timeout=None):
        """kind None: available; "" : any."""
        def wanted(e):
            return e.tag == CLIENT + "presence" and (frm is None or frm in (e.get("from"), bare(e.get("from", "")))) \
                and (kind == "" or e.get("type") == kind)
        return self.wait(wanted, timeout, f"presence {frm or ''} {kind or ''}")

    def push(self, timeout=None):
        """The next roster push, answered; its item."""
        iq = self.wait(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "set"
                       and e.find(ROSTER + "query") is not None, timeout, "a roster push")
        check(iq.get("from") in (None, bare(self.jid)), f"a push comes from the account, not {iq.get('from')}")
        self.send(f"<iq type='result' id={quoteattr(iq.get('id'))}/>")
        return iq.find(f"{ROSTER}query/{ROSTER}item")

    def iq(self, kind, payload, to=None, timeout=None, ident=None):
        """Ask and wait for the answer."""
        ident = ident or new_id()
        address = f" to={quoteattr(to)}" if to else ""
        self.send(f"<iq type='{kind}' id='{ident}'{address}>{payload}</iq>")
        reply = self.wait(lambda e: e.tag == CLIENT + "iq" and e.get("id") == ident
                          and e.get("type") in ("result", "error"), timeout, f"the answer to {payload[:100]}")
        expected = {to, bare(to), None} if to else {None, self.jid and bare(self.jid), self.jid, self.host}
        if to and self.jid and bare(to) == bare(self.jid):
            expected.add(None)
        check(reply.get("from") in expected, f"an answer from {reply.get('from')}, asked of {to}")
        return reply

    def result(self, kind, payload, to=None, timeout=None):
        reply = self.iq(kind, payload, to, timeout)
        equal(reply.get("type"), "result", f"answer to {payload[:200]}: {ET.tostring(reply).decode()}")
        return reply

    def refused(self, kind, payload, to=None):
        """Ask, and be refused; (type, condition)."""
        reply = self.iq(kind, payload, to)
        equal(reply.get("type"), "error", f"answer to {payload[:200]}: {ET.tostring(reply).decode()}")
        return error_of(reply)

    def barrier(self, timeout=None):
        """Everything that came before the answer to a ping: what the relay did for us is done by then."""
        self.result("get", "<ping xmlns='urn:xmpp:ping'/>", self.host, timeout)
        came, self.inbox = self.inbox, []
        return came

    def drain(self, idle=2.0, enough=None):
        """Messages as they come: the mailbox's flush is paced and no ping is behind it. Ends when `enough` different
        ids have come and a moment more passed, or when nothing came for `idle` seconds."""
        came, seen = self.barrier(60), set()
        while True:
            came_now = [e for e in came if e.tag == CLIENT + "message"]
            for element in came_now:
                seen.add(element.get("id"))
                yield element
            try:
                came = [self.read(0.3 if enough is not None and len(seen) >= enough else idle)]
            except TimeoutError:
                return

    # Ends

    def stream_error(self, timeout=None):
        """Read on to the stream error; its condition. The stream and the connection are closed behind it."""
        while True:
            element = self.read(timeout)
            if element.tag == STREAM + "error":
                break
            self.inbox.append(element)
        conditions = [local(c) for c in element if c.tag.startswith(STREAM_ERRORS) and local(c) != "text"]
        equal(len(conditions), 1, f"conditions in {ET.tostring(element)}")
        self.gone(timeout)
        return conditions[0]

    def gone(self, timeout=None):
        """The other side closes the connection; elements that come before are passed over."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            try:
                while self._event() is not None:
                    pass
                self._pump(deadline)
            except Closed:
                self.sock.close()
                return

    def close(self):
        """The polite end: our close, their close, the connection's end."""
        self.send("</stream:stream>")
        self.gone()

    def drop(self):
        self.sock.close()

    # Negotiation

    def open(self, to=None, header=None, features=True):
        """Send the stream header; wait for the relay's and its features."""
        self._new_parser()
        to = self.host if to is None else to
        self.send(header if header is not None else
                  f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to={quoteattr(to)} version='1.0' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>")
        if not features:
            return None
        equal(self._next(None), "open")
        self.features = self.wait(lambda e: e.tag == STREAM + "features", what="stream features")
        return self.features

    def starttls(self, tls_context=None):
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        equal(self.read().tag, TLS + "proceed")
        self.wrap(tls_context or context(self.relay.authority.crt))

    def mechanisms(self):
        return [m.text for m in self.features.iterfind(f"{SASL}mechanisms/{SASL}mechanism")]

    def sasl(self, mechanism, initial=None):
        """Start SASL; the answer."""
        data = "" if initial is None else base64.b64encode(initial).decode() or "="
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism={quoteattr(mechanism)}>{data}</auth>")
        return self._sasl_answer()

    def sasl_response(self, data):
        text = base64.b64encode(data).decode()
        self.send(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{text}</response>")
        return self._sasl_answer()

    def _sasl_answer(self):
        answer = self.read()
        if answer.tag == SASL + "failure":
            raise Refused(*[local(c) for c in answer if local(c) != "text"], text_of(answer, SASL + "text", ""))
        return local(answer), base64.b64decode(answer.text or "")

    def auth(self, user, password=PASSWORD, mechanism=None, **scram):
        """Log in with SCRAM (or PLAIN) and open the stream anew."""
        mechanism = mechanism or ("SCRAM-SHA-1" if PROSODY else "SCRAM-SHA-256")    # Prosody 0.12 stores but one
        if mechanism == "PLAIN":
            equal(self.sasl("PLAIN", f"\0{user}\0{password}".encode())[0], "success")
        else:
            Scram(mechanism, user, password, **scram).run(self)
        self.open()

    def bind(self, resource=None):
        child = f"<resource>{escape(resource)}</resource>" if resource is not None else ""
        reply = self.iq("set", f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{child}</bind>")
        equal(reply.get("type"), "result", f"bind {ET.tostring(reply).decode()}")
        self.jid = reply.find(f"{BIND}bind/{BIND}jid").text
        return self.jid


class Scram:
    """The client's side of RFC 5802, each part replaceable by a test."""

    def __init__(self, mechanism, user, password, binding=None, gs2=None, authzid="", nonce=None, cbind=None):
        self.mechanism, self.user, self.password = mechanism, user, password
        self.hash = "sha256" if "256" in mechanism else "sha1"
        kind, data = binding or (None, b"")
        zid = f"a={authzid}" if authzid else ""
        self.gs2 = gs2 if gs2 is not None else (f"p={kind},{zid}," if kind else f"n,{zid},")
        self.cbind = cbind if cbind is not None else self.gs2.encode() + data
        self.nonce = nonce or base64.b64encode(os.urandom(18)).decode()
        self.name = user.replace("=", "=3D").replace(",", "=2C")

    def _hmac(self, key, text):
        return hmac.new(key, text, self.hash).digest()

    def first(self):
        self.first_bare = f"n={self.name},r={self.nonce}"
        return (self.gs2 + self.first_bare).encode()

    def final(self, challenge):
        self.server_first = challenge.decode()
        fields = dict(f.split("=", 1) for f in self.server_first.split(","))
        check(fields["r"].startswith(self.nonce) and len(fields["r"]) > len(self.nonce), "the nonce goes on")
        self.iterations = int(fields["i"])
        self.salt = base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), self.salt, self.iterations)
        without_proof = f"c={base64.b64encode(self.cbind).decode()},r={fields['r']}"
        auth = f"{self.first_bare},{self.server_first},{without_proof}".encode()
        client_key = self._hmac(salted, b"Client Key")
        signature = self._hmac(hashlib.new(self.hash, client_key).digest(), auth)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.server_signature = self._hmac(self._hmac(salted, b"Server Key"), auth)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def run(self, stream):
        kind, challenge = stream.sasl(self.mechanism, self.first())
        equal(kind, "challenge")
        kind, data = stream.sasl_response(self.final(challenge))
        equal(kind, "success")
        equal(data, b"v=" + base64.b64encode(self.server_signature), "the server's signature")


def end_point(stream):
    """tls-server-end-point (RFC 5929) of a P-256/SHA-256 certificate."""
    return "tls-server-end-point", hashlib.sha256(stream.sock.getpeercert(True)).digest()


def login(relay, jid, password=PASSWORD, resource=None, presence=True, direct=False, priority=None, **kwargs):
    """A session: logged in, bound, and (unless presence is False) available."""
    stream = Stream(relay, direct=direct, **kwargs)
    stream.open()
    if not direct:
        stream.starttls()
        stream.open()
    stream.auth(jid.partition("@")[0], password)
    stream.bind(resource)
    if presence:
        available(stream, priority)
    return stream


def available(stream, priority=None, extra=""):
    """Send initial presence and wait for its echo: from then on messages come here."""
    child = f"<priority>{priority}</priority>" if priority is not None else ""
    stream.send(f"<presence>{child}{extra}</presence>")
    stream.presence(stream.jid)


def befriend(a, b):
    """Two sessions' accounts get a subscription both ways; nothing of it is left unread."""
    for stream in (a, b):
        stream.result("get", "<query xmlns='jabber:iq:roster'/>")
    for one, other in ((a, b), (b, a)):
        one.send(f"<presence type='subscribe' to={quoteattr(bare(other.jid))}/>")
        other.presence(bare(one.jid), "subscribe")
        other.send(f"<presence type='subscribed' to={quoteattr(bare(one.jid))}/>")
        one.presence(bare(other.jid), "subscribed")
    for stream in (a, b, a, b):
        stream.barrier()


class Bystander:
    """Someone whom nothing that happens to others may disturb: pings the relay and notes each answer's time."""

    def __init__(self, relay, jid=None):
        self.stream = login(relay, jid or relay.user())
        self.times, self.fault = [], None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.over.wait(0.05):
                start = time.monotonic()
                self.stream.barrier(30)
                self.times.append(time.monotonic() - start)
        except Exception as why:                    # told by verdict(), in the test's own thread
            self.fault = why

    def verdict(self, slowest=5.0):
        """Ends the watch; the 99th percentile in seconds."""
        self.over.set()
        self.thread.join(35)
        if self.fault:
            raise AssertionError(f"a bystander was disturbed: {self.fault!r}")
        check(self.times, "a bystander was never answered")
        ordered = sorted(self.times)
        check(ordered[-1] <= slowest, f"a bystander waited {ordered[-1]:.2f} s")
        self.stream.close()
        return ordered[int(len(ordered) * 0.99)]
