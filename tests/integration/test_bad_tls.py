#!/usr/bin/python3
"""Attacks on TLS and on the stream's identity: T1 to T4 of the catalogue."""
import base64
import socket
import ssl
import subprocess
import warnings

from lazo_test import *
from xmpp_raw import *

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='{}' {} version='1.0' "
          "xmlns:stream='http://etherx.jabber.org/streams'>")
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PING = "<iq type='get' id='smuggled'><ping xmlns='urn:xmpp:ping'/></iq>"


def setup():
    global relay, jid, user, bystander
    relay = Relay()
    jid = relay.user()
    user = jid.partition("@")[0]
    bystander = Bystander(relay)


def test_starttls_injection():
    """T1: what is sent in clear behind <starttls/> is never taken for something sent inside TLS."""
    for injected in (PING, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj1hLHI9Yg==</auth>",
                     HEADER.format(HOST, ""), "</stream:stream>", "<!-- -->", " <a/>"):
        stream = Stream(relay)
        stream.open()
        stream.send(STARTTLS + injected)
        try:
            if stream.read().tag != TLS + "proceed":
                stream.drop()
                continue        # refused: fine
            stream.wrap(context(relay.authority.crt))
            features = stream.open()
        except (Closed, OSError, ssl.SSLError):
            continue            # closed: fine
        check(features.find(SASL + "mechanisms") is not None, "a stream from its beginning")
        stream.auth(user)
        stream.bind()
        for element in stream.barrier():
            check(element.get("id") != "smuggled", "the plaintext was processed")
        check(b"smuggled" not in stream.received and b"<failure" not in stream.received, "nor answered")
        equal(stream.received.count(b"<challenge"), 1, "challenges: that of our own login")
        stream.close()


def test_injection_before_the_clients_hello_in_one_segment():
    stream = Stream(relay)
    stream.open()
    # a ClientHello of a real handshake right behind <starttls/>, not waiting for <proceed/>
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(relay.authority.crt).wrap_bio(incoming, outgoing, server_hostname=HOST)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    stream.send(STARTTLS.encode() + outgoing.read())
    # RFC 6120 5.4.2.3: the client must wait; the relay may serve or close, but not hang on to it or fall over.
    try:
        stream.read()
        stream.sock.settimeout(12)
        while stream.sock.recv(4096):
            pass
    except (Closed, AssertionError, OSError):
        pass
    stream.drop()


def test_white_space_behind_starttls_and_auth():
    # RFC 6120 4.4 allows it behind any element; go-xmpp ends its lines.
    stream = Stream(relay)
    stream.open()
    stream.send(STARTTLS + "\r\n \n")
    equal(stream.read().tag, TLS + "proceed")
    stream.wrap(context(relay.authority.crt))
    stream.open()
    scram = Scram("SCRAM-SHA-256", user, PASSWORD)
    for data, wanted in ((f"<auth xmlns='{SASL[1:-1]}' mechanism='SCRAM-SHA-256'>{b64(scram.first())}</auth>\n\n", "challenge"),
                         (None, "success")):
        data = data or f"<response xmlns='{SASL[1:-1]}'>{b64(scram.final(challenge))}</response>\n \n"
        stream.send(data)
        answer = stream.read()
        equal(local(answer), wanted)
        challenge = base64.b64decode(answer.text)
    stream.open()
    stream.bind()
    stream.close()


def b64(data):
    return base64.b64encode(data).decode()


def test_malformed_starttls():
    for bad in ("<starttls/>", "<starttls xmlns='urn:example:tls'/>"):
        stream = Stream(relay)
        stream.open()
        stream.send(bad)
        check(stream.stream_error() in ("policy-violation", "unsupported-stanza-type", "not-authorized"), bad)


def test_handshake_of_garbage():
    for garbage in (b"\x00" * 300, b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 3000,
                    b"<?xml version='1.0'?>", b"\x15\x03\x01\x00\x02\x02\x28", b"\x80\x2e\x01\x00\x02"):
        for direct in (True, False):
            if direct:
                sock = socket.create_connection(("127.0.0.1", relay.tls_port), 10)
            else:
                stream = Stream(relay)
                stream.open()
                stream.send(STARTTLS)
                stream.read()
                sock = stream.sock
            sock.sendall(garbage)
            sock.settimeout(13)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionError:
                pass
            sock.close()
    check("assert" not in relay.log_text().lower(), "the log")


def test_old_versions_are_refused():
    warnings.simplefilter("ignore")
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        made = context()
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version = made.maximum_version = version
        try:
            Stream(relay, direct=True, tls_context=made)
        except (ssl.SSLError, ConnectionError):
            continue
        raise AssertionError(f"{version} was accepted")


def s_client(*args, text="", timeout=15):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{relay.tls_port}", "-servername", HOST,
                           "-CAfile", str(relay.authority.crt), *args], input=text, capture_output=True, text=True,
                          timeout=timeout, check=False)
    return done.stdout + done.stderr


def test_no_renegotiation():
    """T3: a client's renegotiation (R in s_client) is refused, and a flood of them costs the relay nothing."""
    before = relay.cpu_seconds()
    out = s_client("-tls1_2", text="R\n" * 50)
    check("no renegotiation" in out or "no_renegotiation" in out or "Secure Renegotiation IS NOT" in out
          or "alert" in out or "renegotiation" in out.lower(), out[-500:])
    check(out.count("verify return:1") <= 4, "one handshake only: each verifies two certificates")
    check(relay.cpu_seconds() - before < 1, "cheap")


def test_no_early_data_and_no_compression():
    out = s_client("-tls1_3", text="x\n")
    check("Max Early Data: 0" in out or "Max Early Data" not in out, "no 0-RTT (XEP-0388 forbids it)")
    out = s_client("-tls1_2", "-comp", text="")
    check("Compression: NONE" in out, "no TLS compression")


def test_weak_ciphers_are_refused():
    for suite in ("AES128-SHA", "DES-CBC3-SHA", "RC4-SHA", "aNULL", "eNULL"):
        out = s_client("-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0", text="")
        check("Cipher is (NONE)" in out or "no cipher match" in out or "Error" in out, f"{suite}: {out[-300:]}")


def test_sni_of_another_name():
    # A name that is not ours may be refused or served with our certificate, never with another identity.
    made = context(relay.authority.crt)
    try:
        Stream(relay, direct=True, tls_context=made, host="elsewhere.example")
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("a certificate for a name that is not ours")


def test_stream_for_another_host_after_login():
    """T4: who is logged in here does not move to another host, nor becomes someone else."""
    for header, conditions in (
            (HEADER.format("elsewhere.example", ""), ("host-unknown",)),
            (HEADER.format(HOST, f"from='other@{HOST}'"), ("invalid-from",)),
            (HEADER.format(HOST, "from='other@elsewhere.example'"), ("invalid-from",)),
            (HEADER.format(HOST, "from='@@'"), ("invalid-from",))):
        stream = Stream(relay)
        stream.open()
        stream.starttls()
        stream.open()
        Scram("SCRAM-SHA-256", user, PASSWORD).run(stream)
        stream.open(header=header, features=False)
        try:
            got = stream.stream_error()
            check(got in conditions, f"{header}: {got}")
        except TimeoutError:
            # Tolerated is only what changes nothing (RFC 6120 4.7.1: from is a hint).
            check("from=" in header, "another host was served")
            check(stream.bind().startswith(jid + "/"), "the identity moved")
            stream.close()


def test_from_in_the_first_header_binds_no_one():
    stream = Stream(relay)
    stream.open(header=HEADER.format(HOST, f"from='other@{HOST}'"))
    stream.starttls()
    stream.open(header=HEADER.format(HOST, f"from='{jid}'"))
    equal(stream.header.get("from"), HOST)
    stream.auth(user)
    check(stream.bind().startswith(jid + "/"), "the identity is that of SASL")
    stream.close()


def test_another_host_before_login():
    stream = Stream(relay)
    stream.open()
    stream.starttls()
    stream.open(header=HEADER.format("elsewhere.example", ""), features=False)
    equal(stream.stream_error(), "host-unknown")


def test_last_nobody_was_disturbed():
    bystander.verdict(5 if not SANITIZED else 20)


main()
