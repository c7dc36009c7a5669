#!/usr/bin/python3
"""lazo's token (XEP-0484): used when it comes back, renewed, given back, refused without harm; and the offer that somebody edits."""
import base64
import hashlib
import hmac
import os
import re
import socket
import sqlite3
import ssl
import threading

from lazo_home import *
from lazo_test import *


def setup():
    global relay
    relay = Relay()


def new_home():
    home = Home(relay, relay.user())
    home.login()
    return home


def setting(home, name):
    with sqlite3.connect(home.dir / "lazo.db") as db:
        row = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0].decode() if isinstance(row[0], bytes) else row[0]


def change(home, name, value):
    with sqlite3.connect(home.dir / "lazo.db") as db:
        db.execute("UPDATE setting SET value = ? WHERE name = ?", (value.encode(), name))


def how(home):
    """The mechanism of its last login, from the relay's log."""
    user = home.jid.partition("@")[0]
    return re.findall(rf"{user}@\S* logged in from \S+ (\S+),", relay.log_text())[-1]


def test_comes_back_by_token():
    home = new_home()
    equal(how(home), "SCRAM-SHA-256")
    check(setting(home, "secret.token").startswith("HT-SHA-256-EXPR "), "bound to the channel")
    equal(os.stat(home.dir / "lazo.db").st_mode & 0o777, 0o600)
    client = setting(home, "client")
    check(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", client), client)
    for _ in range(2):
        home.run("sync", status=0)
        equal(how(home), "HT-SHA-256-EXPR")
    equal(setting(home, "mechanism"), "SCRAM-SHA-256", "what is demanded without a token stays")
    check(client not in relay.log_text(), "the relay shows it to nobody")


def test_refused_token_then_scram_on_the_same_connection():
    home = new_home()
    old = setting(home, "secret.token")
    change(home, "secret.token", old[:-6] + "AAAAA=")
    before = relay.log_text().count("connected")
    home.run("sync", status=0)
    equal(how(home), "SCRAM-SHA-256")
    equal(relay.log_text().count("connected"), before + 1, "one connection")
    check(setting(home, "secret.token") not in (None, old), "and another token")
    home.run("sync", status=0)
    equal(how(home), "HT-SHA-256-EXPR")


def test_odd_tokens_do_no_harm():
    home = new_home()
    for odd in ("", "x", "HT-SHA-256-EXPR", "HT-SHA-256-EXPR 0 x", "PLAIN 99999999999999 x", "HT-SHA-256-NONE 99999999999999 x"):
        change(home, "secret.token", odd)
        home.run("sync", status=0)
        equal(how(home), "SCRAM-SHA-256", odd)


def test_never_weaker_without_the_token():
    # The token is refused, and what is kept was stronger than what may follow: nothing follows.
    home = new_home()
    change(home, "secret.token", setting(home, "secret.token")[:-6] + "AAAAA=")
    change(home, "mechanism", "SCRAM-SHA-256")
    change(home, "secret.scram", setting(home, "secret.scram").replace("SCRAM-SHA-256", "SCRAM-SHA-1"))
    done = home.run("sync")
    check(done.returncode != 0, "logged in by something weaker")


def test_logout_gives_the_token_back():
    home = new_home()
    token, client = setting(home, "secret.token"), setting(home, "client")
    home.run("logout", status=0)
    equal(setting(home, "secret.token"), None)
    equal(how(home), "HT-SHA-256-EXPR", "once more, to end it")
    with sqlite3.connect(f"file:{relay.data}/lazo.db?mode=ro", uri=True) as db:
        equal(db.execute("SELECT count(*) FROM token WHERE client = ?", (client,)).fetchone()[0], 0)
    check(token, "there was one")


def test_logout_without_a_network():
    home = new_home()
    home.run("logout", status=0)
    other = new_home()
    relay.stop()
    try:
        other.run("logout", status=0, timeout=20)
        equal(setting(other, "secret.token"), None)
    finally:
        relay.start()


def test_new_password_elsewhere():
    home = new_home()
    relay.ctl("user", "password", home.jid, stdin="other\n")
    done = home.run("sync")
    check(done.returncode == 77, f"the token does not outlive the password: {done.returncode}")


class Impostor(threading.Thread):
    """A relay with the right certificate that knows neither password nor token, and signs `offer`."""

    def __init__(self, features, offer):
        super().__init__(daemon=True)
        self.features, self.offer, self.said = features, offer, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def until(self, sock, what):
        while what not in self.said:
            data = sock.recv(65536)
            if not data:
                raise OSError("gone")
            self.said += data

    def run(self):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
        while True:
            raw, _ = self.listener.accept()
            try:
                self.said = b""
                self.play(tls.wrap_socket(raw, server_side=True))
            except (OSError, ssl.SSLError):
                pass

    def play(self, sock):
        self.until(sock, b"<stream:stream")
        sock.sendall(b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
                     b"version='1.0' id='i' from='familia.example'><stream:features>" + self.features.encode()
                     + b"</stream:features>")
        self.until(sock, b"</authenticate>")
        if re.search(rb"<authenticate[^>]*HT-SHA", self.said):
            sock.sendall(b"<success xmlns='urn:xmpp:sasl:2'><additional-data>" + base64.b64encode(bytes(32)) +
                         b"</additional-data><authorization-identifier>u@familia.example/x</authorization-identifier></success>"
                         b"<stream:features/>")
            self.until(sock, b"nothing more")
        first = base64.b64decode(re.search(rb"<initial-response>([^<]*)", self.said)[1]).decode()
        nonce = first.partition("r=")[2] + "more"
        digest = base64.b64encode(hashlib.sha256(self.offer.encode()).digest()).decode()
        challenge = f"r={nonce},s={base64.b64encode(b's' * 16).decode()},i=4096,h={digest}"
        sock.sendall(b"<challenge xmlns='urn:xmpp:sasl:2'>" + base64.b64encode(challenge.encode()) + b"</challenge>")
        self.until(sock, b"</response>")


AUTHENTICATION = ("<authentication xmlns='urn:xmpp:sasl:2'>{}<inline><bind xmlns='urn:xmpp:bind:0'/><fast xmlns='urn:xmpp:fast:0'>"
                  "<mechanism>HT-SHA-256-EXPR</mechanism></fast></inline></authentication>")


def test_edited_offer_is_seen():
    # XEP-0474: the relay signs more than what came here. Control: the same with the offer untouched goes one step further.
    global certificate
    certificate = relay.authority.issue()
    names = "<mechanism>SCRAM-SHA-256</mechanism>"
    for offer, steps in (("SCRAM-SHA-256\x1eSCRAM-SHA-256-PLUS\x1ftls-exporter", False), ("SCRAM-SHA-256", True)):
        impostor = Impostor(AUTHENTICATION.format(names), offer=offer)
        home = Home(relay, relay.user())
        done = home.login("--server", f"xmpps://127.0.0.1:{impostor.port}", status=None)
        check(done.returncode != 0, "an impostor")
        equal(b"</response>" in impostor.said, steps, f"goes on after {offer!r}: {done.stderr}")


def test_impostor_does_not_know_the_token():
    global certificate
    certificate = relay.authority.issue()
    home = new_home()
    impostor = Impostor(AUTHENTICATION.format("<mechanism>SCRAM-SHA-256</mechanism>"), offer="")
    change(home, "server", f"xmpps://127.0.0.1:{impostor.port}")
    done = home.run("sync")
    check(done.returncode != 0 and b"HT-SHA" in impostor.said, "success without proof was believed")
    check(b"SCRAM" not in impostor.said, "nor is a password tried there")


main()
