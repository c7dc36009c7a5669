#!/usr/bin/python3
"""lazo as people use it: two homes and one relay, one of them offline; every verb, its words, its exit codes."""
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *
from xmpp_raw import login

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 64, 65, 67, 69, 75, 77, 78


def setup():
    global relay, ana, beto
    relay = Relay()
    ana, beto = (Home(relay, relay.user(name)) for name in ("ana", "beto"))
    ana.login()
    beto.login()


def test_to_one_who_is_offline_read_once():
    done = ana.send(beto.jid, "Hola, ¿llegaste bien? 😀\nCuéntame.\n")
    check("with the relay" in done.stdout, done.stdout)
    beto.run("sync", status=0)
    [message] = beto.json("read")
    equal(message["body"], "Hola, ¿llegaste bien? 😀\nCuéntame.")
    equal((message["v"], message["from"], message["to"], message["account"]), (1, ana.jid, beto.jid, beto.jid))
    equal((message["encrypted"], message["trust"], message["way"]), (True, "blind", "archive" if ARCHIVE else "live"))
    check(message["time"].endswith("Z") and message["received"].endswith("Z"), "UTC")
    equal(beto.json("read"), [])
    beto.run("sync", status=0)
    equal(beto.json("read"), [])
    equal([m["body"][:4] for m in beto.json("read", "--since", "0")], ["Hola"])


def test_nothing_goes_in_clear():
    if not PROSODY:
        store = b"".join(p.read_bytes() for p in relay.data.iterdir() if p.is_file())
        check(b"llegaste" not in store and "Cuéntame".encode() not in store, "the relay's files know the text")


def test_receipt_and_marker_come_back():
    beto.run("sync", status=0)      # what read wanted to tell
    ana.run("sync", status=0)
    last = ana.json("history", beto.jid)[-1]
    equal(last["state"], "displayed")
    check("read" in ana.run("history", beto.jid, status=0).stdout, "in words")
    equal(ana.json("outbox"), [])


def test_answer_and_conversation():
    beto.send(ana.jid, "Sí, todo bien.")
    ana.run("sync", status=0)
    ana.equal_bodies(["Sí, todo bien."], "--peek")
    ana.equal_bodies(["Sí, todo bien."], "--new")
    ana.equal_bodies([], "--new")
    equal([m["from"] for m in ana.json("history", beto.jid)], [ana.jid, beto.jid])
    equal(len(ana.json("history", beto.jid, "--search", "llegaste")), 1)
    equal(len(ana.json("history", beto.jid, "--limit", "1")), 1)


def test_many_in_order():
    for i in range(30):
        ana.send(beto.jid, f"uno de muchos {i}", "--offline", status=EX_TEMPFAIL)
    equal(len(ana.json("outbox")), 30)
    ana.run("sync", status=0)
    beto.run("sync", status=0)
    beto.equal_bodies([f"uno de muchos {i}" for i in range(30)])


def test_no_relay_keeps_it_safe():
    away = Home(relay, relay.user("lejos"))
    away.login()
    relay.stop()
    try:
        done = away.send(beto.jid, "espera aquí", status=EX_TEMPFAIL)
        check("safe here" in done.stdout and "Nothing is lost" in done.stderr, done.stdout + done.stderr)
        equal(away.run("read", status=0).returncode, 0)
        equal(away.json("status", status=0)[0]["logged_in"], True)
    finally:
        relay.start()
    for home in (away, ana, beto):      # the port is new
        home.server = f"127.0.0.1:{relay.port}"
        home.login()
    beto.run("sync", status=0)
    beto.equal_bodies(["espera aquí"])


def test_no_such_person():
    done = ana.send("nadie@" + relay.host, "¿hay alguien?", status=EX_TEMPFAIL)
    check("waits for keys" in done.stdout and "no device" in done.stdout, done.stdout)
    [item] = [i for i in ana.json("outbox") if i["to"].startswith("nadie")]
    equal(item["state"], "waiting")
    ana.run("outbox", "cancel", item["id"], status=0)
    ana.run("outbox", "cancel", item["id"], status=EX_NOUSER)


def test_plain_only_when_asked_and_marked():
    relay.user("simple")
    to = "simple@" + relay.host
    ana.send(to, "sin llaves", status=EX_TEMPFAIL)
    [item] = [i for i in ana.json("outbox") if i["to"] == to]
    ana.run("outbox", "cancel", item["id"], status=0)
    ana.send(to, "a la vista", "--plain", status=0)
    equal(ana.json("history", to)[-1]["encrypted"], False)
    check("[not encrypted]" in ana.run("history", to, status=0).stdout, "marked in words")


def test_contacts():
    ana.run("contact", "add", beto.jid, "Beto Pérez", status=0)
    ana.run("sync", status=0)
    [contact] = [c for c in ana.json("contact", "list") if c["jid"] == beto.jid]
    equal(contact["name"], "Beto Pérez")
    ana.send("Beto Pérez", "por nombre")
    ana.run("contact", "rename", "Beto", "Roberto", status=0)
    check("Roberto" in ana.run("contact", status=0).stdout, "renamed")
    beto.run("sync", status=0)
    check(any(c.get("asks") and c["jid"] == ana.jid for c in beto.json("contact")) or
          any(c["jid"] == ana.jid for c in beto.json("contact")), "beto hears of the request")
    beto.run("contact", "add", ana.jid, "Ana", status=0)
    beto.run("sync", status=0)
    ana.run("sync", status=0)
    [contact] = [c for c in ana.json("contact") if c["jid"] == beto.jid]
    equal(contact["subscription"], "both")
    beto.bodies()


def test_blocked_is_not_taken():
    luis = Home(relay, relay.user("luis"))
    luis.login()
    beto.run("contact", "block", luis.jid, status=0)
    beto.run("sync", status=0)
    luis.send(beto.jid, "molesto", status=(0, EX_DATAERR, EX_NOUSER, EX_TEMPFAIL))
    beto.run("sync", status=0)
    beto.equal_bodies([])
    beto.send(luis.jid, "x", status=EX_NOPERM)
    beto.run("contact", "unblock", luis.jid, status=0)
    beto.run("sync", status=0)
    luis.run("sync", status=(0, EX_DATAERR, EX_TEMPFAIL))
    luis.send(beto.jid, "perdón")
    beto.run("sync", status=0)
    check("perdón" in beto.bodies(), "heard again")


def test_verify_and_devices():
    own = ana.json("verify")[0]
    check(own["uri"].startswith(f"xmpp:{ana.jid}?omemo-sid-"), own["uri"])
    beto.run("verify", own["uri"], status=0)
    device = [d for d in beto.json("verify", ana.jid) if d["device"] == own["device"]][0]
    equal((device["trust"], device["fingerprint"]), ("verified", own["fingerprint"]))
    forged = own["uri"][:-4] + ("0000" if own["uri"][-4:] != "0000" else "1111")
    done = beto.run("verify", forged, status=EX_NOPERM)
    check("NOT" in done.stderr, done.stderr)
    equal([d["device"] for d in ana.json("device")], [own["device"]])
    ana.send(beto.jid, "verificado")
    beto.run("sync", status=0)
    equal([m["trust"] for m in beto.json("read")], ["verified"])


def test_devices_that_come_are_told_once():
    lia, nico = (Home(relay, relay.user(name)) for name in ("lia", "nico"))
    lia.login()
    nico.login()
    for one, other in ((lia, nico), (nico, lia), (lia, nico)):
        one.run("contact", "add", other.jid, status=0)
        said = one.run("sync", status=0).stderr
    equal(said, "")                                     # the first device of someone is no news
    lia.send(nico.jid, "hola")
    again = Home(relay, nico.jid)
    said = again.login().stderr
    check("another device on your own account" in said, said)
    said = nico.run("sync", status=0).stderr
    check("another device on your own account" in said, said)
    said = lia.send(nico.jid, "¿cuál eres?").stderr + lia.run("sync", status=0).stderr
    check(f"{nico.jid} has a new device: " in said and "Messages go to it too" in said, said)
    equal(lia.run("sync", status=0).stderr, "")
    [own] = [d for d in nico.json("verify") if d["own"]]
    lia.run("verify", own["uri"], status=0)
    third = Home(relay, nico.jid)
    third.login()
    notice = json.loads(lia.run("sync", "--json", status=0).stderr)
    equal((notice["notice"], notice["jid"], notice["trust"]), ("new-device", nico.jid, "undecided"))
    check("new device" in lia.run("contact", status=0).stdout, "and stays to be seen")


def test_decisions_about_a_key_nobody_has_seen():
    device = ana.json("verify")[0]["device"]
    beto.run("contact", "add", ana.jid, status=0)
    beto.run("sync", status=0)
    forged = bytes([5]) + bytes(range(1, 33))

    def offer(key):                                     # as a relay does that publishes another bundle
        with sqlite3.connect(beto.dir / "lazo.db") as db:
            db.execute("UPDATE device SET offered = ?, trust = 5 WHERE jid = ? AND device = ?", (key, ana.jid, device))
        db.close()

    beto.run("verify", ana.jid, "--device", device, "--yes", status=0)      # the control: one key, nothing to mistake
    offer(forged)
    said = beto.run("verify", ana.jid, "--device", device, "--yes", status=EX_NOPERM)
    check(forged[1:5].hex() in said.stdout and "have not been shown" in said.stderr, said.stdout + said.stderr)
    offer(forged[:-1] + b"\0")                          # and once more, after it was shown
    beto.run("verify", ana.jid, "--device", device, "--yes", status=EX_NOPERM)
    beto.run("send", ana.jid, "-", "--offline", text="no", status=EX_NOPERM)
    beto.run("verify", ana.jid, "--device", device, "--keep", status=0)
    [kept] = [d for d in beto.json("verify", ana.jid) if d["device"] == device]
    equal((kept["trust"], kept["fingerprint"], "offered" in kept), ("verified", ana.json("verify")[0]["fingerprint"], False))
    ana.run("sync", status=0)
    beto.send(ana.jid, "con la de siempre")
    ana.run("sync", status=0)
    equal(ana.bodies()[-1], "con la de siempre")


def test_memory_is_for_nobody_else():
    """A core file and /proc/PID/mem hold keys. Waiting for a password on stdin, as somebody without rights."""
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    nobody = 65534 if os.getuid() == 0 else os.getuid()
    os.chown(folder, nobody, -1)
    argv = [LAZO, "--home", folder / "home", "login", "a@b.example", "--password-file", "-"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=nobody)
    try:
        eventually(lambda: (folder / "home" / "lazo.db").exists(), what="it is at work")
        limits = pathlib.Path(f"/proc/{child.pid}/limits").read_text()
        equal(re.search(r"core file size +(\d+) +(\d+)", limits).groups(), ("0", "0"))
        equal(os.stat(f"/proc/{child.pid}/environ").st_uid, 0, "what /proc shows of it is root's")
    finally:
        child.kill()
        child.wait()
        shutil.rmtree(folder)


def test_ctrl_c_at_the_password_leaves_the_terminal_as_it_was():
    home = Home()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(LAZO, [str(LAZO), "--home", str(home.dir), "login", "a@b.example"], os.environ | {"LAZO_LANG": "en"})
    echo = lambda: bool(termios.tcgetattr(terminal)[3] & termios.ECHO)      # noqa: E731
    seen = b""
    while b"Password: " not in seen:
        seen += os.read(terminal, 1000)
    eventually(lambda: not echo(), what="what is typed is not shown")
    os.write(terminal, b"secre\x03")
    _, status = os.waitpid(pid, 0)
    check(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, f"status {status}")
    check(echo(), "what is typed is shown again")
    os.close(terminal)


def test_the_way_of_a_message():
    """`status ID` knows when it came where (proto/spec/custody.md), also before the recipient's own word."""
    eva, luz = (Home(relay, relay.user()) for _ in range(2))
    for home, other in ((eva, luz), (luz, eva)):
        home.login()
        home.run("contact", "add", other.jid, status=0)     # "delivered" is told only to who may see presence
    for home in (eva, luz, eva):
        home.run("sync", status=0)
    eva.send(luz.jid, "¿dónde va?", status=0)
    number = eva.json("history", luz.jid)[-1]["id"]

    def ways():
        return [s["state"] for s in eva.json("status", number)[0]["stages"]]
    equal(ways(), ["written", "accepted"])
    luz.run("sync", status=0)
    eva.run("sync", status=0)
    equal(ways(), ["written", "accepted", "delivered"])
    times = [s["time"] for s in eva.json("status", number)[0]["stages"]]
    equal([t[:19] for t in times], sorted(t[:19] for t in times))      # an archive may give whole seconds
    shown = eva.run("status", number, status=0).stdout
    check("written" in shown and "delivered" in shown, shown)
    luz.json("read")
    luz.run("sync", status=0)
    eva.run("sync", status=0)
    equal(ways(), ["written", "accepted", "delivered", "displayed"])


def test_two_accounts_in_one_home():
    second = relay.user("ana2")
    home = Home(relay, second)
    home.dir = ana.dir
    home.login()
    equal({a["account"]: a["standard"] for a in ana.json("account")}, {ana.jid: True, second: False})
    ana.run("send", beto.jid, "-", "--account", second, text="desde la otra", status=0)
    beto.run("sync", status=0)
    equal([(m["from"], m["body"]) for m in beto.json("read")], [(second, "desde la otra")])
    beto.send(second, "a la otra")
    beto.send(ana.jid, "a la una")
    ana.run("sync", status=0)
    equal(sorted(ana.bodies("--account", second)), ["a la otra"])
    equal(sorted(ana.bodies()), ["a la una"])
    card = scratch() / "both.card"
    ana.run("contact", "card", "--all", "--file", card, status=0)
    said = beto.run("contact", "add", card, "--verified", status=0).stdout
    check(f"Also theirs, and a contact now: {second}" in said, said)
    check(second in [c["jid"] for c in beto.json("contact")], "a contact")
    ana.run("account", "remove", second, status=EX_USAGE)
    ana.run("account", "remove", second, "--yes", status=0)
    equal(len(ana.json("account")), 1)


def test_escapes_of_peers_are_harmless():
    evil = "rojo \x7f\u202eoculto\u2066 \u200e fin\nana: falso"
    ana.send(beto.jid, evil)
    beto.run("sync", status=0)
    shown = beto.run("read", "--peek", status=0).stdout
    for char in "\x1b\x7f\u202e\u2066\u200e":
        check(char not in shown, f"{char!r} reached the terminal")
    check("<U+202E>" in shown and "\n    ana: falso" in shown, shown)
    equal(beto.bodies()[-1], evil)


def test_not_text_is_refused():
    for text, code in ((b"", EX_USAGE), (b"\xff\xfe", EX_DATAERR), (b"a\0b", EX_DATAERR), (b"\x1b[31m", EX_DATAERR),
                       (b"x" * 70000, EX_USAGE)):
        done = ana.run("send", beto.jid, "-", "--offline", text=text, binary=True)
        equal(done.returncode, code, repr(text[:10]))


def test_logout_forgets_the_secret():
    home = Home(relay, relay.user("sale"))
    home.login()
    home.run("sync", status=0)
    home.run("logout", status=0)
    done = home.run("sync", status=EX_NOPERM)
    check("lazo login" in done.stderr, done.stderr)
    check(b"secret.scram" not in (home.dir / "lazo.db").read_bytes(), "the secret is gone from the file")
    home.login()
    home.run("sync", status=0)


def test_password_is_not_kept():
    files = b"".join(p.read_bytes() for p in ana.dir.iterdir() if p.is_file())
    check(PASSWORD.encode() not in files, "the password stands in the home")
    equal(oct(ana.dir.stat().st_mode & 0o777), "0o700")
    for path in ana.dir.iterdir():
        equal(oct(path.stat().st_mode & 0o077), "0o0", str(path))


def test_wrong_password():
    home = Home(relay, relay.user("olvida"), password="no es esta")
    done = home.login(status=EX_NOPERM)
    check("does not accept" in done.stderr, done.stderr)
    equal(home.json("account"), [])


def test_speaks_spanish():
    check("en el servidor" in ana.send(beto.jid, "en español", lang="es").stdout, "send")
    check("No existe la orden" in ana.run("nada", lang="es", status=EX_USAGE).stderr, "an error")
    check("última conexión" in ana.run("status", lang="es", status=0).stdout, "status")
    check("Este equipo dice que es" in ana.run("doctor", lang="es", status=0).stdout, "doctor")
    ana.bodies()
    check("Nada nuevo" in ana.run("read", "--lang", "es", status=0).stderr, "--lang")
    check("Rien de nouveau" in ana.run("read", "--lang=fr", status=0).stderr, "--lang=fr")
    check("Nada de novo" in ana.run("read", lang="pt_BR.UTF-8", status=0).stderr, "LAZO_LANG")
    ana.run("read", "--lang", "tlh", status=EX_USAGE)
    beto.run("sync", status=0)
    beto.bodies()


def test_help_for_every_verb():
    verbs = [o["command"] for o in ana.json("help")]
    check({"login", "send", "sync", "read", "doctor"} <= set(verbs), verbs)
    for verb in verbs:
        check(verb in ana.run(verb, "--help", status=0).stdout, verb)
        check("--json" in ana.run("help", verb, "--words", status=0).stdout, verb)
    ana.run("help", "nada", status=EX_USAGE)


def test_every_verb_and_option_stands_in_the_manual():
    manual = (SRC / "doc" / "lazo.1").read_text()
    for verb in ana.json("help"):
        check(f".It Ic {verb['command']}" in manual, verb["command"])
        for option in verb["options"]:
            check(f"Fl -{option}" in manual or option in ("words", "new", "armor"), f"{verb['command']} --{option}")


@ours
def test_account_by_invitation():
    inviting = Relay(authority=relay.authority, registration='"invite"')
    try:
        token = re.search(r"preauth=([^\s;]+)", inviting.ctl("invite")).group(1)
        eva = Home(inviting, "eva@" + inviting.host)
        done = eva.login(status=EX_NOPERM)
        done = eva.login("--new", status=EX_UNAVAILABLE)
        check("invitation" in done.stderr, done.stderr)
        eva.login("--invite", "no-such-token", status=EX_UNAVAILABLE)
        eva.login("--invite", token)
        eva.run("sync", status=0)
        done = Home(inviting, "otra@" + inviting.host).login("--invite", token, status=EX_UNAVAILABLE)
        link = re.search(r"xmpp:\S+", inviting.ctl("invite")).group(0)
        taken = Home(inviting, "eva@" + inviting.host, password="otra clave")
        done = taken.login("--invite", link, status=EX_UNAVAILABLE)
        check("taken" in done.stderr, link + done.stderr)
    finally:
        inviting.stop()


@ours
def test_open_registration():
    opened = Relay(authority=relay.authority, registration='"open"')
    try:
        home = Home(opened, "libre@" + opened.host)
        home.login("--new")
        home.run("sync", status=0)
    finally:
        opened.stop()


def test_bad_command_lines():
    for args in (["send"], ["send", "a", "b", "c"], ["read", "--since"], ["read", "--since", "x"], ["outbox", "show"],
                 ["contact", "add"], ["login", "not an address", "--password-file", "x"], ["--nonsense"],
                 ["login", "a@b", "--pin", "sha256:zz"], ["login", "a@b", "--server", "x:y"], ["status", "-1"],
                 ["verify", beto.jid, "--yes"]):
        equal(ana.run(*args).returncode, EX_USAGE, " ".join(args))
    equal(Home().run("read").returncode, EX_CONFIG, "no account")


def test_output_that_cannot_be_written_keeps_it_new():
    ana.send(beto.jid, "no te pierdas")
    beto.run("sync", status=0)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(LAZO), "--home", str(beto.dir), "read"], stdout=full, stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    equal(done.returncode, 74, "exit status on a full disk")
    beto.equal_bodies(["no te pierdas"])


def test_what_comes_while_the_kernel_is_asked():
    """As if 8 KiB had come between the kernel's two answers about how much came: not held against the relay."""
    if SANITIZED:
        skip("LeakSanitizer does not run under strace")
    argv = ["strace", "-f", "-o", "/dev/null", "-e", "trace=ioctl", "-e", "inject=ioctl:poke_exit=@arg3=00200000"]
    if subprocess.run([*argv, "true"], capture_output=True).returncode != 0:
        skip("strace may not trace here")
    done = subprocess.run([*argv, LAZO, "--home", ana.dir, "sync"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60)
    equal(done.returncode, 0, done.stderr)


def test_roster_by_version():
    """RFC 6121 2.6: one that did not change is not sent again; what another device changed meanwhile comes."""
    carla = Home(relay, relay.user())
    carla.login()
    many = [f"persona{i}@{HOST}" for i in range(60)]
    other = login(relay, carla.jid)
    for jid in many:
        other.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{jid}' name='Persona'/></query>")
    [first] = carla.json("sync")
    [again] = carla.json("sync")
    check(first["bytes_received"] > again["bytes_received"] + 60 * 50, f"{first} then {again}")
    equal({c["jid"] for c in carla.json("contact", "list")} >= set(many), True, "all contacts are kept")
    other.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{many[0]}' name='Otra'/></query>")
    other.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{many[1]}' subscription='remove'/></query>")
    other.close()
    [changed] = carla.json("sync")
    check(changed["bytes_received"] > again["bytes_received"] + 60 * 50, f"the whole one after a change: {changed}")
    names = {c["jid"]: c["name"] for c in carla.json("contact", "list")}
    equal(names[many[0]], "Otra", "renamed elsewhere")
    equal(names.get(many[1], ""), "", "removed elsewhere")


def test_two_reads_at_once_show_each_message_once():
    for i in range(20):
        ana.send(beto.jid, f"para uno solo {i}", "--offline", status=EX_TEMPFAIL)
    ana.run("sync", status=0)
    beto.run("sync", status=0)
    readers = [subprocess.Popen([LAZO, "--home", beto.dir, "read", "--json"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(6)]
    shown = "".join(r.communicate(timeout=60)[0] for r in readers)
    equal([r.returncode for r in readers], [0] * 6)
    equal([shown.count(f'"para uno solo {i}"') for i in range(20)], [1] * 20)


def test_a_damaged_database_is_said_in_words():
    damaged = Home(relay, ana.jid)
    shutil.copytree(ana.dir, damaged.dir)
    equal([c["ok"] for c in damaged.json("doctor", "--offline") if c["check"] == "database"], [True])
    file = damaged.dir / "lazo.db"
    size = file.stat().st_size // 4096
    with open(file, "r+b") as f:            # the schema stays: what was written last is gone
        for page in range(size // 2, size):
            f.seek(page * 4096)
            f.write(b"\xff" * 4096)
    done = damaged.run("doctor", "--offline", status=74)
    check("PROBLEM  The messages on this disk cannot be read" in done.stdout and "Check the disk" in done.stdout, done.stdout)


def test_stdin_closed():
    done = subprocess.run(f'"{LAZO}" --home "{ana.dir}" status <&-', shell=True, capture_output=True)
    equal(done.returncode, 0)


if __name__ == "__main__":
    main()
