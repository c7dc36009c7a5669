#!/usr/bin/python3
"""Running it: configuration check, permissions, new certificates on SIGHUP (attack T6), a clean stop, one daemon a database."""
import os
import signal
import stat
import subprocess
import time

from lazo_test import *
from xmpp_raw import *


def setup():
    global relay, jid
    relay = Relay()
    jid = relay.user()


def serial(relay):
    stream = Stream(relay, direct=True)
    der = stream.sock.getpeercert()
    stream.drop()
    return int(der["serialNumber"], 16)


def lazod(*args, status, text=None):
    if text is not None:
        relay.file.write_text(text)
    done = subprocess.run([BUILD / "relay/lazod", *map(str, args)], capture_output=True, text=True, timeout=20, check=False)
    equal(done.returncode, status, done.stderr)
    return done.stdout + done.stderr


def test_certificates_on_sighup():
    session = login(relay, jid)
    first = serial(relay)
    crt, key = relay.authority.issue(HOST)
    os.replace(crt, relay.crt)
    os.replace(key, relay.key)
    equal(serial(relay), first, "nothing changes by itself")
    relay.reload()
    second = eventually(lambda: serial(relay) != first and serial(relay), 5, "new connections see the new certificate")
    session.barrier()
    # A bad one is not taken: the old goes on, and the log says so.
    good = relay.crt.read_bytes()
    for bad in (b"no certificate\n", b"", good[: len(good) // 2]):
        before = len(relay.log_text())
        relay.crt.write_bytes(bad)
        relay.reload()
        eventually(lambda: "certificate" in relay.log_text()[before:].lower() or str(relay.crt) in relay.log_text()[before:],
                   5, "the log says what is wrong")
        equal(serial(relay), second)
    # So is a key of another certificate, and one that others may read.
    relay.crt.write_bytes(good)
    own = relay.key.read_bytes()
    _, other = relay.authority.issue(HOST)
    relay.key.write_bytes(other.read_bytes())
    relay.reload()
    time.sleep(0.3)
    equal(serial(relay), second)
    relay.key.write_bytes(own)
    relay.key.chmod(0o644)
    before = len(relay.log_text())
    relay.reload()
    eventually(lambda: str(relay.key) in relay.log_text()[before:], 5, "a readable key is refused in words")
    equal(serial(relay), second)
    relay.key.chmod(0o600)
    relay.reload()
    session.barrier()
    session.close()


def test_bad_configuration_on_sighup_keeps_the_old():
    session = login(relay, jid)
    good = relay.file.read_text()
    before = len(relay.log_text())
    relay.file.write_text(good + "\nregistraton = open;\n")
    relay.reload()
    eventually(lambda: "registraton" in relay.log_text()[before:], 5, "the log names the unknown word")
    check("registration" in relay.log_text()[before:], "and the nearest known one")
    relay.file.write_text(good)
    relay.reload()
    session.barrier()
    session.close()


def test_policy_changes_on_sighup():
    relay.conf["registration"] = '"open"'
    relay.write_conf()
    relay.reload()

    def announced():
        stream = Stream(relay, direct=True)
        stream.open()
        found = any(local(f) == "register" for f in stream.features)
        stream.drop()
        return found
    eventually(announced, 5, "registration becomes open")
    relay.conf["registration"] = '"closed"'
    relay.write_conf()
    relay.reload()
    eventually(lambda: not announced(), 5, "and closed again")


def test_words_that_need_a_restart_hold_up_no_others():
    good, before = relay.file.read_text(), len(relay.log_text())
    elsewhere = good.replace('client = ["127.0.0.1:0"]', 'client = ["127.0.0.1:0", "[::1]:0"]', 1)
    check(elsewhere != good)
    relay.file.write_text(elsewhere + "quota { pending = 1; }\n")
    relay.reload()
    eventually(lambda: "listen" in relay.log_text()[before:], 5, "the log says what needs a restart")
    sender, away = login(relay, jid), relay.user()
    for body in ("first", "second"):
        sender.send(f"<message type='chat' to='{away}' id='{body}'><body>{body}</body></message>")
    equal([e.get("id") for e in sender.barrier() if e.get("type") == "error"], ["second"], "the new quota holds")
    sender.close()
    relay.file.write_text(good)
    relay.reload()


def test_stop_says_system_shutdown():
    bound, fresh = login(relay, jid), Stream(relay)
    fresh.open()
    relay.process.send_signal(signal.SIGTERM)
    equal(bound.stream_error(), "system-shutdown")
    equal(fresh.stream_error(), "system-shutdown")
    equal(relay.process.wait(10), 0)
    relay.start()


def test_stop_in_the_middle_of_everything():
    """SIGTERM while some shake hands, some are half through SASL, some in the middle of a stanza."""
    streams = []
    for i in range(12):
        stream = Stream(relay)
        if i % 4 > 0:
            stream.open()
        if i % 4 > 1:
            stream.starttls()
            stream.open()
        if i % 4 > 2:
            stream.sasl("SCRAM-SHA-256", Scram("SCRAM-SHA-256", jid.partition("@")[0], PASSWORD).first())
        stream.send("<mess" if i % 2 else "")
        streams.append(stream)
    start = time.monotonic()
    relay.stop()
    check(time.monotonic() - start < 8, "within the closing deadline")
    relay.start()
    login(relay, jid).close()


def test_signals_that_mean_nothing():
    relay.process.send_signal(signal.SIGPIPE)
    for _ in range(20):
        relay.reload()
    login(relay, jid).close()


def test_signals_in_every_state():
    """SIGPIPE and SIGHUP while some shake hands, some are half through SASL, bound, idle or in the middle of a stanza: all go on."""
    name, held = jid.partition("@")[0], []
    for state in ("connected", "open", "tls", "sasl", "bound", "half"):
        stream = Stream(relay)
        scram = None
        if state != "connected":
            stream.open()
        if state not in ("connected", "open"):
            stream.starttls()
            stream.open()
        if state == "sasl":
            scram = Scram("SCRAM-SHA-256", name, PASSWORD)
            scram.challenge = stream.sasl("SCRAM-SHA-256", scram.first())[1]
        if state in ("bound", "half"):
            stream.auth(name)
            stream.bind()
            stream.send("<iq type='get' id='h'" if state == "half" else "")
        held.append((state, stream, scram))
    away = login(relay, jid)
    offset = len(relay.log_text())
    for i in range(5):
        relay.process.send_signal(signal.SIGPIPE)
        relay.process.send_signal(signal.SIGHUP)
        eventually(lambda i=i: relay.log_text(offset).count("reloaded") > i, 10, "reloaded")
    for state, stream, scram in held:
        if state == "connected":
            stream.open()
        if state in ("connected", "open"):
            stream.starttls()
            stream.open()
        if state == "sasl":
            equal(stream.sasl_response(scram.final(scram.challenge))[0], "success")
            stream.open()
            stream.bind()
        elif state == "half":
            stream.send(f" to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>")
            stream.wait(lambda e: e.get("id") == "h")
        elif state != "bound":
            stream.auth(name)
            stream.bind()
        stream.barrier()
        stream.close()
    away.close()


def test_files_are_private():
    equal(stat.S_IMODE(relay.data.stat().st_mode), 0o700)
    for file in relay.data.rglob("*"):
        check(stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 or file.is_socket(), f"{file} {oct(file.stat().st_mode)}")


def test_two_daemons_on_one_database():
    done = subprocess.run([BUILD / "relay/lazod", "-c", relay.file], capture_output=True, text=True, timeout=20, check=False)
    check(done.returncode != 0, "a second daemon on the same data")
    check("ready" not in done.stdout + done.stderr, "never said ready")
    login(relay, jid).close()


def test_configuration_check():
    good = relay.file.read_text()
    try:
        lazod("-t", "-c", relay.file, status=0)
        for line, said in (("hots = \"x\";", "hots"), ("hold = soon;", "hold"), ("listen { client = 5222; }", "client"),
                           ("resume = -5min;", "resume"), ("quota { pending = 1kg; }", "pending"), ("plain = maybe;", "plain"),
                           ("log = ", "lazod.conf:")):
            text = good + line + "\n"
            out = lazod("-t", "-c", relay.file, status=78, text=text)
            check(said in out, f"{line}: {out}")
            check(f"lazod.conf:{text.count(chr(10))}" in out or f"lazod.conf:{text.count(chr(10)) + 1}" in out, f"file and line of {line}: {out}")
        relay.file.write_text(good)
        relay.key.chmod(0o644)
        check(str(relay.key) in lazod("-t", "-c", relay.file, status=78), "a readable key is refused")
        relay.key.chmod(0o600)
        check("No such file" in lazod("-t", "-c", relay.folder / "none.conf", status=78), "no file")
    finally:
        relay.key.chmod(0o600)
        relay.file.write_text(good)
    lazod("--dance", status=64)


def test_log_names_no_secrets_and_no_bodies():
    a = login(relay, jid)
    a.send(f"<message to='{jid}' type='chat'><body>palabra secretisima</body></message>")
    a.message(body="palabra secretisima")
    a.close()
    text = relay.log_text()
    check("palabra secretisima" not in text and PASSWORD not in text, "the log holds neither")


main()
