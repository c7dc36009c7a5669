"""liar.py -- what claims to be another relay, in either role: it says exactly the bytes that a test wants, behind real TLS.

    liar = Liar(relay, "tres.example")          # begins a stream to the relay under test
    liar.prove()                                 # STARTTLS, SASL EXTERNAL
    answering = Answering("tres.example", certificate)    # where the relay under test comes to: answering.peer is for its conf
    visit = answering.visit()                    # a stream that it has begun
"""
import queue
import socket
import ssl
import threading
from xml.sax.saxutils import quoteattr

from lazo_test import equal, scratch, tool
from xmpp_raw import Stream, context, new_id

SERVER = "{jabber:server}"
SM = "{urn:xmpp:sm:3}"
DIALBACK = "{jabber:server:dialback}"
BIDI = "{urn:xmpp:bidi}"


class Liar(Stream):
    """What claims to be the relay of `host`, with this certificate, at the port for relays."""

    def __init__(self, relay, host="tres.example", certificate=None):
        self.me, self.relay = host, relay
        self.certificate = certificate or relay.authority.issue(host)
        super().__init__(relay, port=relay.ports["server"], host=relay.host)

    def head(self, to=None, frm=None, content="jabber:server"):
        frm = self.me if frm is None else frm
        frm = f" from={quoteattr(frm)}" if frm else ""
        return (f"<?xml version='1.0'?><stream:stream xmlns='{content}' to={quoteattr(to or self.host)}{frm} version='1.0' "
                "xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>")

    def secure(self, **header):
        self.open(header=self.head())
        made = context(self.relay.authority.crt)
        if self.certificate != "none":
            made.load_cert_chain(*map(str, self.certificate))
        self.starttls(made)
        return self.open(header=self.head(**header), features=not header.pop("blind", False))

    def prove(self, authzid=None, first=""):
        self.secure()
        equal(self.mechanisms(), ["EXTERNAL"])
        if first:
            self.send(first)
        equal(self.sasl("EXTERNAL", (self.me if authzid is None else authzid).encode())[0], "success")
        return self.open(header=self.head())

    def managed(self):
        self.send("<enable xmlns='urn:xmpp:sm:3'/>")
        equal(self.wait(lambda e: e.tag.startswith(SM)).tag, SM + "enabled")
        return self

    def stanza(self, to, body, frm=None, ident=None, extra=""):
        self.send(f"<message from='{frm or 'a@' + self.me}' to='{to}' type='chat' id='{ident or new_id()}'>"
                  f"<body>{body}</body>{extra}</message>")


def leaf(authority, names, usage="serverAuth,clientAuth", days=365, subject="/CN=x", selfsigned=False):
    """A certificate of the authority for exactly these names; (certificate, key)."""
    base = scratch() / f"leaf{new_id()}"
    key, crt, csr, ext = (base.with_suffix(s) for s in (".key", ".crt", ".csr", ".ext"))
    ext.write_text(f"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage={usage}\n"
                   + (f"subjectAltName={names}\n" if names else ""))
    tool("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout", key, "-out", csr)
    signer = ["-signkey", key] if selfsigned else ["-CA", authority.crt, "-CAkey", authority.key]
    tool("openssl", "x509", "-req", "-in", csr, *signer, "-days", days, "-set_serial", 77, "-extfile", ext, "-out", crt)
    return crt, key


EXTERNAL = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"


class Visit(Stream):
    """One stream that the relay under test has begun."""

    def __init__(self, owner, sock):
        self.relay, self.host, self.timeout, self.auto_pong = None, owner.host, 10, False
        self.inbox, self.received, self.sock = [], b"", sock
        self._new_parser()

    def greet(self, features, ident="42"):
        equal(self._next(10), "open")
        self.peer = self.header.get("from")
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='jabber:server' from='{self.host}' to='{self.peer}' id='{ident}' version='1.0' "
                  "xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>"
                  f"<stream:features>{features}</stream:features>")

    def take_proof(self, before=EXTERNAL, after=""):
        """SASL EXTERNAL from their side; what came before <auth/> is left in the inbox."""
        self.greet(before)
        self.wait(lambda e: e.tag.endswith("}auth"))
        self.send("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
        self._new_parser()
        self.greet(after)
        return self


class Answering:
    """Where the relay under test comes to, by direct TLS: visits() are its streams, one after the other."""

    def __init__(self, host, certificate, port=0):
        self.host, self.visitors = host, queue.Queue()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(*map(str, certificate))
        self.sock = socket.create_server(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        self.peer = {"address": f'"127.0.0.1:{self.port}"', "tls": '"direct"'}    # for the other's configuration
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                raw = self.sock.accept()[0]
            except OSError:
                return
            try:
                raw.settimeout(10)
                self.visitors.put(Visit(self, self.tls.wrap_socket(raw, server_side=True)))
            except (OSError, ssl.SSLError):
                raw.close()

    def visit(self, timeout=15):
        return self.visitors.get(timeout=timeout)

    def close(self):
        self.sock.close()
