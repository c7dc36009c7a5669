#!/usr/bin/python3
"""lazoctl peer key and trust: the courier key of a relay, and those of others that its operator believes, with the relay and without it.

proto/spec/courier.md 4; lazoctl(8). What is carried on paper here is what OpenSSL's own tool reads. Controls: a certificate with one byte
changed, one of another kind and one for another domain are refused; a second key is not taken for the first.
"""
import hashlib
import re
import sqlite3
import subprocess

from lazo_test import *

OTHER = "hogar.example"
ECDSA = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


def setup():
    global relay, other
    relay, other = Relay("familia.example"), Relay(OTHER)


def certificate_of(relay):
    """(PEM, fingerprint) as the operator gets them."""
    done = subprocess.run([str(BUILD / "relay/lazoctl"), "-c", str(relay.file), "peer", "key"], capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, done.stderr)
    return done.stdout, done.stderr.strip()


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


def file_of(text):
    path = scratch() / f"key{free_port()}.pem"
    path.write_text(text)
    return str(path)


def pins():
    return {p["domain"]: p for p in relay.ctl_json("peer", "list") if p["key"]}


def renew(which):
    """Another key, as after a loss of the database."""
    database = sqlite3.connect(which.data / "lazo.db", timeout=10)
    with database:
        database.execute("DELETE FROM courier_key")
    database.close()
    return certificate_of(which)


def test_ours():
    text, fingerprint = certificate_of(relay)
    equal(certificate_of(relay), (text, fingerprint), "made once")
    equal(relay.ctl_json("peer", "key"), [{"domain": "familia.example", "key": fingerprint, "certificate": text}])
    equal(text.count("BEGIN"), 1, "the private key stays")
    spki = openssl("pkey", "-pubin", "-outform", "DER", data=openssl("x509", "-noout", "-pubkey", data=text.encode()))
    equal(fingerprint, "sha256:" + hashlib.sha256(spki).hexdigest())
    shown = openssl("x509", "-noout", "-text", data=text.encode()).decode()
    for word in ("prime256v1", "Digital Signature, Key Agreement", "9999"):
        check(word in shown, word)
    relay.restart()
    equal(certificate_of(relay), (text, fingerprint), "and kept")
    equal((relay.data / "lazo.db").stat().st_mode & 0o077, 0)
    check("PRIVATE KEY" not in relay.log_text())


def test_trust():
    text, fingerprint = certificate_of(other)
    check(fingerprint != certificate_of(relay)[1])
    relay.ctl("peer", "trust", OTHER, file_of(text))
    relay.ctl("peer", "trust", OTHER.upper(), file_of("read aloud\r\n" + text.replace("\n", "\r\n")))     # said again, as a mail does
    equal(pins()[OTHER]["key"], fingerprint)
    shown = relay.ctl_json("peer", "show", OTHER)[0]
    equal((shown["key"], shown["key_from"], shown["offered"], shown["pin"], shown["known"]), (fingerprint, "file", None, None, True))
    check(re.fullmatch(r"\d{4}-.*Z", shown["key_since"]))
    check(f"key: {fingerprint}\n" in relay.ctl("peer", "show", OTHER))
    newer, newer_fingerprint = renew(other)
    relay.ctl("peer", "trust", OTHER, file_of(newer), status=73)
    equal(pins()[OTHER]["key"], fingerprint, "not without --replace")
    relay.ctl("peer", "trust", "--replace", OTHER, file_of(newer))
    equal(pins()[OTHER]["key"], newer_fingerprint)
    relay.stop()
    relay.ctl("peer", "trust", OTHER, file_of(text), "--replace")       # options stand anywhere; and without the relay
    equal(pins()[OTHER]["key"], fingerprint)
    relay.start()


def self_signed(*more):
    path = scratch() / f"other{free_port()}.pem"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null", "-out", str(path), *more], check=True,
                   capture_output=True)
    return str(path)


def test_what_is_none():
    text, _ = certificate_of(other)
    before = pins()
    middle = len(text) // 2
    damaged = text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1:]
    nul = scratch() / "zeros"
    nul.write_bytes(bytes(100000))
    for bad in (file_of(damaged), file_of(""), file_of("hola"), file_of(text[:-60]), str(nul), self_signed("-newkey", "rsa:2048"),
                self_signed(*ECDSA, "-addext", "subjectAltName=DNS:" + OTHER)):
        relay.ctl("peer", "trust", OTHER, bad, status=65)
        relay.ctl("peer", "trust", "--replace", OTHER, bad, status=65)
    relay.ctl("peer", "trust", "tercera.example", file_of(text), status=65)     # it is for another domain
    relay.ctl("peer", "trust", OTHER, "/nada/nada.pem", status=67)
    for bad in (["trust", OTHER], ["trust", "a@b", file_of(text)], ["trust", "familia.example", file_of(text)], ["show", "--replace", OTHER],
                ["key", "x"], ["key", "--replace"]):
        relay.ctl("peer", *bad, status=64)
    equal(pins(), before, "nothing of it was taken")


if __name__ == "__main__":
    main()
