#!/usr/bin/python3
"""Logging in: STARTTLS, direct TLS, every SASL mechanism and channel binding, binding a resource, closing."""
import base64
import ctypes
import ssl

from lazo_test import *
from xmpp_raw import *

TLS12 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
TLS13 = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)


def setup():
    global relay, jid, user
    relay = Relay()
    jid = relay.user()
    user = jid.partition("@")[0]


def secured(versions=None, direct=False):
    stream = Stream(relay, direct=direct, tls_context=context(relay.authority.crt, ["xmpp-client"], versions))
    stream.open()
    if not direct:
        stream.starttls(context(relay.authority.crt, None, versions))
        stream.open()
    return stream


def test_plain_stream_offers_starttls_alone_and_requires_it():
    # RFC 6120 5.4.1: <required/>; nothing else makes sense before it.
    stream = Stream(relay)
    features = stream.open()
    equal([c.tag for c in features if c.tag not in (LIMITS + "limits",)], [TLS + "starttls"])
    check(features.find(f"{TLS}starttls/{TLS}required") is not None, "starttls is required")
    check(stream.header.get("id"), "a stream has an id")
    equal(stream.header.get("from"), HOST)
    equal(stream.header.get("version"), "1.0")
    stream.close()


def test_login_by_starttls():
    stream = secured()
    check(stream.features.find(TLS + "starttls") is None, "no second STARTTLS")
    stream.auth(user)
    full = stream.bind("home")
    equal(full, f"{jid}/home")
    stream.barrier()
    stream.close()


def test_stream_ids_differ():
    # RFC 6120 4.7.3: unpredictable and unique, also for the streams that follow on one connection.
    seen = []
    stream = Stream(relay)
    stream.open()
    seen.append(stream.header["id"])
    stream.starttls()
    stream.open()
    seen.append(stream.header["id"])
    stream.auth(user)
    seen.append(stream.header["id"])
    equal(len(set(seen)), 3)
    check(all(len(s) >= 16 for s in seen), f"ids of 128 bits: {seen}")
    stream.close()


def test_login_by_direct_tls():
    for alpn in (["xmpp-client"], None, ["h2", "xmpp-client"]):
        stream = Stream(relay, direct=True, tls_context=context(relay.authority.crt, alpn))
        if alpn:
            equal(stream.sock.selected_alpn_protocol(), "xmpp-client", "XEP-0368")
        stream.open()
        stream.auth(user)
        stream.bind()
        stream.barrier()
        stream.close()


def test_direct_tls_refuses_another_protocol():
    # RFC 7301 3.2: no_application_protocol.
    try:
        Stream(relay, direct=True, tls_context=context(relay.authority.crt, ["http/1.1"]))
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("a TLS client that asks for HTTP alone was let in")


def test_tls_versions():
    for versions in (TLS12, TLS13):
        for direct in (False, True):
            stream = secured(versions, direct)
            stream.auth(user)
            stream.bind()
            stream.close()


def test_mechanisms_and_bindings_announced():
    for versions in (TLS12, TLS13):
        stream = secured(versions)
        offered = stream.mechanisms()
        equal(sorted(offered), sorted(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"]))
        # XEP-0440: the list of types, always with tls-server-end-point
        kinds = [c.get("type") for c in stream.features.iterfind(f"{SASL_CB}sasl-channel-binding/{SASL_CB}channel-binding")]
        check("tls-server-end-point" in kinds, f"bindings {kinds}")
        check("tls-exporter" in kinds, f"bindings {kinds} (both sides speak extended master secret)")
        check("tls-unique" not in kinds, "tls-unique is for who knows no other, and is chosen unasked")
        stream.close()


def test_scram_each_mechanism():
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
        stream = secured()
        scram = Scram(mechanism, user, PASSWORD)
        scram.run(stream)
        check(scram.iterations >= 10000, f"{scram.iterations} iterations")
        check(len(scram.salt) >= 16, "a salt of 16 bytes")
        stream.open()
        stream.bind()
        stream.close()


def test_scram_plus_server_end_point():
    for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
        for versions in (TLS12, TLS13):
            stream = secured(versions)
            stream.auth(user, mechanism=mechanism, binding=end_point(stream))
            stream.bind()
            stream.close()


def test_scram_plus_unique():
    """RFC 5802 6.1 for TLS 1.2; under TLS 1.3 what Python's own ssl calls so, and so slixmpp and poezio."""
    for versions in (TLS12, TLS13):
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
            stream = secured(versions)
            stream.auth(user, mechanism=mechanism, binding=("tls-unique", stream.sock.get_channel_binding("tls-unique")))
            stream.bind()
            stream.close()


def exporter_stream(versions):
    """Python's ssl cannot export keying material; pyOpenSSL can."""
    from OpenSSL import SSL
    made = SSL.Context(SSL.TLS_CLIENT_METHOD)
    made.set_min_proto_version(versions)
    made.set_max_proto_version(versions)
    made.load_verify_locations(str(relay.authority.crt))
    made.set_verify(SSL.VERIFY_PEER, lambda *args: args[-1])

    class Wrapped:
        def wrap_socket(self, sock, server_hostname):
            sock.settimeout(None)
            tls = SSL.Connection(made, sock)
            tls.set_tlsext_host_name(server_hostname.encode())
            tls.set_connect_state()
            tls.do_handshake()
            tls.settimeout = lambda _: None
            return tls
    stream = Stream(relay)
    stream.open()
    stream.starttls(Wrapped())
    stream.open()
    return stream


def test_scram_plus_exporter():
    from OpenSSL import SSL
    for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
            stream = exporter_stream(version)
            data = stream.sock.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")     # RFC 9266 4
            stream.auth(user, mechanism=mechanism, binding=("tls-exporter", data))
            stream.bind()
            stream.drop()
        stream = exporter_stream(version)
        try:
            stream.auth(user, mechanism="SCRAM-SHA-256-PLUS", binding=("tls-exporter", bytes(32)))
        except Refused as why:
            equal(why.condition, "not-authorized")
        else:
            raise AssertionError("a wrong binding was accepted")
        stream.drop()


class Gsasl:
    """libgsasl as a client: someone else's SCRAM. Property numbers are those of gsasl.h."""
    AUTHID, PASSWORD, CB_TLS_EXPORTER = 1, 3, 25
    NEEDS_MORE = 1

    def __init__(self, mechanism, exporter=None):
        self.lib = ctypes.CDLL("libgsasl.so.18")
        self.ctx, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        equal(self.lib.gsasl_init(ctypes.byref(self.ctx)), 0)
        equal(self.lib.gsasl_client_start(self.ctx, mechanism.encode(), ctypes.byref(self.session)), 0)
        self.lib.gsasl_property_set(self.session, self.AUTHID, user.encode())
        self.lib.gsasl_property_set(self.session, self.PASSWORD, PASSWORD.encode())
        if exporter:
            self.lib.gsasl_property_set(self.session, self.CB_TLS_EXPORTER, base64.b64encode(exporter))

    def step(self, data=b""):
        """-> (done, bytes to send); anything that libgsasl does not like raises."""
        out = ctypes.c_char_p()
        status = self.lib.gsasl_step64(self.session, base64.b64encode(data), ctypes.byref(out))
        check(status in (0, self.NEEDS_MORE), f"libgsasl: error {status}")
        return status == 0, base64.b64decode(out.value or b"")

    def run(self, stream, mechanism):
        _, first = self.step()
        kind, data = stream.sasl(mechanism, first)
        equal(kind, "challenge")
        _, final = self.step(data)
        kind, data = stream.sasl_response(final)
        equal(kind, "success")
        done, _ = self.step(data)
        check(done, "libgsasl accepts the server's signature")
        stream.open()
        stream.bind()


def test_libgsasl_as_client():
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        stream = secured()
        Gsasl(mechanism).run(stream, mechanism)
        stream.close()


def test_libgsasl_as_client_with_exporter():
    from OpenSSL import SSL
    for mechanism in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            stream = exporter_stream(version)
            data = stream.sock.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
            Gsasl(mechanism, data).run(stream, mechanism)
            stream.drop()


def test_passwords_are_prepared():
    # RFC 5802 2.2 with SASLprep: a soft hyphen vanishes, a non-ASCII space is a space, NFKC.
    odd = relay.user("prep", "cla\u00adve\u00a0\u2168")
    stream = secured()
    stream.auth("prep", "clave IX")
    stream.bind()
    stream.close()
    check(odd, "")


def test_wrong_password_then_right():
    # RFC 6120 6.4.5: the stream stays; a client may try again.
    stream = secured()
    try:
        stream.auth(user, "wrong")
        raise AssertionError("let in")
    except Refused as why:
        equal(why.condition, "not-authorized")
    stream.auth(user)
    stream.bind()
    stream.close()


def test_plain_only_by_configuration():
    stream = secured()
    check("PLAIN" not in stream.mechanisms(), "PLAIN is off by default")
    try:
        stream.sasl("PLAIN", f"\0{user}\0{PASSWORD}".encode())
        raise AssertionError("let in")
    except Refused as why:
        equal(why.condition, "invalid-mechanism")
    stream.drop()
    with_plain = Relay(authority=relay.authority, plain=True)
    name = with_plain.user("plain").partition("@")[0]
    stream = Stream(with_plain, direct=True)
    stream.open()
    check("PLAIN" in stream.mechanisms(), f"PLAIN among {stream.mechanisms()}")
    stream.auth(name, mechanism="PLAIN")
    stream.bind()
    stream.close()
    with_plain.stop()


def test_limits_announced():
    # XEP-0478 4: in the features of streams; the least that a server may have is 10000 bytes (RFC 6120 13.12).
    stream = Stream(relay)
    stream.open()
    equal(text_of(stream.features, f"{LIMITS}limits/{LIMITS}max-bytes"), str(16 * 1024), "before authentication")
    stream.starttls()
    stream.open()
    check(stream.features.find(LIMITS + "limits") is None, "said once: what comes back is to be short")
    stream.auth(user)
    equal(text_of(stream.features, f"{LIMITS}limits/{LIMITS}max-bytes"), str(256 * 1024), "after")
    stream.close()


def test_bind_without_resource_and_session():
    stream = secured()
    stream.auth(user)
    check(stream.features.find(BIND + "bind") is not None, "bind is offered")
    session = stream.features.find(SESSION + "session")
    if session is not None:
        # Offered only as optional: RFC 6121 leaves it to those who still ask.
        check(any(local(c) == "optional" for c in session), "session is optional")
    full = stream.bind()
    check(full.startswith(jid + "/") and len(full) > len(jid) + 8, f"a made resource: {full}")
    stream.result("set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>")
    stream.close()


def test_resource_is_prepared():
    stream = secured()
    stream.auth(user)
    equal(stream.bind("\u2168 casa"), f"{jid}/IX casa", "resourceprep: NFKC")
    stream.close()


def test_bad_resource():
    stream = secured()
    stream.auth(user)
    for bad in ("x" * 1024, "\ue000"):      # too long; a private code point, which resourceprep forbids
        reply = stream.iq("set", f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{bad}</resource></bind>")
        equal(reply.get("type"), "error")
        equal(error_of(reply), ("modify", "bad-request"), "RFC 6120 7.7.2.1")
    stream.bind("fine")
    stream.close()


def test_resource_conflict():
    # RFC 6120 7.7.2.2: any of three; ours: the new one stays, the old is closed with <conflict/>, or another resource.
    first = login(relay, jid, resource="same")
    second = login(relay, jid, resource="same")
    if second.jid == first.jid:
        equal(first.stream_error(), "conflict")
    second.barrier()
    second.close()


def test_stanza_before_bind():
    # RFC 6120 7.1: not-authorized, as a stream error.
    stream = secured()
    stream.auth(user)
    stream.send(f"<message to='{jid}'><body>too early</body></message>")
    equal(stream.stream_error(), "not-authorized")


def test_whitespace_keepalive_and_polite_close():
    stream = login(relay, jid)
    stream.send(" \n \t")
    stream.barrier()
    stream.close()
    check(b"</stream:stream>" in stream.received[-64:], "the relay closes its stream too")


def test_from_is_stamped_and_checked():
    one = login(relay, jid, resource="a")
    one.send(f"<message to='{one.jid}' id='own' from='{one.jid}'><body>x</body></message>")
    equal(one.message(body="x").get("from"), one.jid)
    one.send(f"<message to='{one.jid}' id='bare' from='{jid}'><body>y</body></message>")
    equal(one.message(body="y").get("from"), one.jid, "RFC 6120 8.1.2.1: the full JID")
    one.send(f"<message to='{one.jid}' from='other@{HOST}'><body>z</body></message>")
    equal(one.stream_error(), "invalid-from")


main()
