"""xmpp_fast.py -- logging in with everything at once, byte by byte: SASL2 (XEP-0388), Bind 2 (0386), tokens (0484).

Works on a Stream of xmpp_raw.py that is open behind TLS. Each part may be replaced by a test.
"""
import base64
import ctypes
import hashlib
import hmac
import ssl
import uuid
from xml.sax.saxutils import quoteattr

from lazo_test import PASSWORD, check, equal
from xmpp_raw import SASL, STREAM, Refused, Scram, Stream, context, end_point, local, text_of

SASL2 = "{urn:xmpp:sasl:2}"
BIND2 = "{urn:xmpp:bind:0}"
FAST = "{urn:xmpp:fast:0}"
SM = "{urn:xmpp:sm:3}"
MAM = "{urn:xmpp:mam:2}"
NS2 = "xmlns='urn:xmpp:sasl:2'"


def exporter(stream):
    """tls-exporter (RFC 9266): Python 3.11 has no call for it, OpenSSL has."""
    lib = ctypes.CDLL("libssl.so.3")
    # CPython: struct PySSLSocket { PyObject_HEAD; PyObject *Socket; SSL *ssl; ...
    ssl_pointer = ctypes.c_void_p.from_address(id(stream.sock._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p))
    out = ctypes.create_string_buffer(32)
    label = b"EXPORTER-Channel-Binding"
    done = lib.SSL_export_keying_material(ssl_pointer, out, ctypes.c_size_t(32), label, ctypes.c_size_t(len(label)), b"",
                                          ctypes.c_size_t(0), 1)
    equal(done, 1, "SSL_export_keying_material")
    return out.raw


BINDINGS = {"EXPR": exporter, "ENDP": lambda s: end_point(s)[1], "NONE": lambda s: b""}


def secured(relay, jid=None, direct=True, header=None):
    """A stream behind TLS, opened in the account's name, with its features read."""
    stream = Stream(relay, direct=direct, tls_context=context(relay.authority.crt, ["xmpp-client"] if direct else None))
    if not direct:
        stream.open()
        stream.starttls()
    claim = f" from={quoteattr(jid)}" if jid else ""
    stream.open(header=header or
                f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to={quoteattr(stream.host)}{claim} version='1.0' "
                "xmlns:stream='http://etherx.jabber.org/streams'>")
    return stream


def agent(client):
    return f"<user-agent id='{client}'><software>raw</software><device>test</device></user-agent>" if client else ""


def bind2(inside="", tag="raw"):
    return f"<bind xmlns='urn:xmpp:bind:0'>{f'<tag>{tag}</tag>' if tag else ''}{inside}</bind>"


def answer(stream, timeout=None):
    """Challenge or success; Refused when it failed."""
    element = stream.read(timeout)
    if element.tag == SASL2 + "failure":
        conditions = [local(c) for c in element if c.tag.startswith(SASL)]
        equal(len(conditions), 1, "one condition of RFC 6120")
        raise Refused(conditions[0])
    check(element.tag in (SASL2 + "challenge", SASL2 + "success"), f"an answer to a login, not {element.tag}")
    return element


def authenticate(mechanism, initial=None, inside=""):
    first = "" if initial is None else f"<initial-response>{base64.b64encode(initial).decode()}</initial-response>"
    return f"<authenticate {NS2} mechanism='{mechanism}'>{first}{inside}</authenticate>"


def response(data):
    return f"<response {NS2}>{base64.b64encode(data).decode()}</response>"


def finish(stream, success, features=True):
    stream.success = success
    stream.jid = text_of(success, SASL2 + "authorization-identifier")
    if features:
        stream.features = stream.read()
        equal(stream.features.tag, STREAM + "features", "features follow success at once")
    return success


def by_password(stream, user, password=PASSWORD, mechanism="SCRAM-SHA-256", inside="", features=True, **how):
    """By password; <success/>."""
    exchange = Scram(mechanism, user, password, **how)
    stream.send(authenticate(mechanism, exchange.first(), inside))
    challenge = answer(stream)
    stream.send(response(exchange.final(base64.b64decode(challenge.text))))
    success = answer(stream)
    data = base64.b64decode(text_of(success, SASL2 + "additional-data"))
    equal(data, b"v=" + base64.b64encode(exchange.server_signature), "the relay's signature")
    stream.server_first = exchange.server_first
    return finish(stream, success, features)


def token_of(success):
    element = success.find(FAST + "token")
    return None if element is None else element.get("token")


def hashed(stream, user, token, mechanism="HT-SHA-256-EXPR"):
    bound = BINDINGS[mechanism.rpartition("-")[2]](stream)
    return (user.encode() + b"\0" + hmac.digest(token.encode(), b"Initiator" + bound, "sha256"),
            hmac.digest(token.encode(), b"Responder" + bound, "sha256"))


def by_token(stream, user, token, client, mechanism="HT-SHA-256-EXPR", attributes="", inside="", features=True):
    """By token; <success/>."""
    first, expected = hashed(stream, user, token, mechanism)
    stream.send(authenticate(mechanism, first, agent(client) + f"<fast xmlns='urn:xmpp:fast:0'{attributes}/>" + inside))
    success = answer(stream)
    equal(success.tag, SASL2 + "success", "one round trip")
    equal(base64.b64decode(text_of(success, SASL2 + "additional-data")), expected, "the relay knows the token too")
    return finish(stream, success, features)


def request_token(mechanism="HT-SHA-256-EXPR"):
    return f"<request-token xmlns='urn:xmpp:fast:0' mechanism='{mechanism}'/>"


def get_token(relay, jid, client=None, mechanism="HT-SHA-256-EXPR"):
    """A token of this account for a client; (client, token)."""
    client = client or str(uuid.uuid4())
    stream = secured(relay, jid)
    success = by_password(stream, jid.partition("@")[0], inside=agent(client) + request_token(mechanism))
    token = token_of(success)
    check(token, "a token was issued")
    stream.close()
    return client, token
