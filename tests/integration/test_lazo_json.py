#!/usr/bin/python3
"""What `lazo --json` prints is what lazo-json(5) says: for every verb, each member is documented with its type and its words,
and each documented member was printed. The manual itself is read; its own negative controls are objects tampered with."""
import json
import re
import sys
import os

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *
from xmpp_raw import login
import omemo_raw

EX_DATAERR, EX_NOUSER, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 65, 67, 75, 77, 78
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TYPES = {
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "address": lambda v: isinstance(v, str) and re.fullmatch(r"[^@/\s]+@[^@/\s]+", v),
    "time": lambda v: isinstance(v, str) and TIME.fullmatch(v),
    "hex": lambda v: isinstance(v, str) and re.fullmatch("[0-9a-f]{64}", v),
    "list": lambda v: isinstance(v, list) and all(isinstance(e, str) for e in v),
    "list of objects": lambda v: isinstance(v, list) and all(isinstance(e, dict) for e in v),
    "object": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}


class Member:
    def __init__(self, types):
        self.optional = types.endswith(", optional")
        self.types = types.removesuffix(", optional").split(" or ")
        self.words = set()
        self.seen = False
        check(set(self.types) <= set(TYPES), f"the manual knows no type {types!r}")


def manual():
    """-> {section: {member: Member}}; a version in each."""
    sections, section, member = {}, None, None
    for line in (SRC / "doc" / "lazo-json.5").read_text().splitlines():
        if line.startswith(".Ss "):
            section, member = {"v": Member("integer")}, None
            sections[line[4:]] = section
        elif line.startswith(".It Va ") and section is not None:
            name, types = re.fullmatch(r"\.It Va (\w+) Pq (.*)", line).groups()
            member = section[name] = Member(types.replace(" , ", ", "))
        elif line == ".El":
            member = None
        elif line.startswith(".Cm ") and member:
            member.words |= set(re.findall(r"[\w-]+", line[4:])) - {"or"}
    return sections


def fault(section, found):
    """What is wrong with the object, or None."""
    for name, value in found.items():
        if name not in section:
            return f"{name} is not documented"
        member = section[name]
        if not any(TYPES[t](value) for t in member.types):
            return f"{name} is {value!r}, documented as {member.types}"
        if member.words and value and value not in member.words:
            return f"{name} is {value!r}, documented are {sorted(member.words)}"
    missing = [n for n, m in section.items() if n not in found and not m.optional]
    return f"{missing} missing" if missing else None


def valid(title, objects):
    section = SECTIONS[title]
    check(objects, f"{title}: nothing was printed")
    for found in objects:
        wrong = fault(section, found)
        check(wrong is None, f"{title}: {wrong} in {found}")
        for name in found:
            section[name].seen = True
    return objects


def errors(done):
    found = valid("Errors", [json.loads(line) for line in done.stderr.splitlines()])
    check(all(e["next"] for e in found), f"what to do is said: {found}")
    return found


def setup():
    global relay, ana, beto, SECTIONS, eva
    SECTIONS = manual()
    relay = Relay()
    ana, beto = (Home(relay, relay.user(name)) for name in ("ana", "beto"))
    for home in (ana, beto):
        valid("login", [json.loads(home.login("--json").stdout)])
    eva = login(relay, relay.user("eva"))


def test_control_what_differs_is_seen():
    [good] = ana.json("status")
    section = SECTIONS["status"]
    equal(fault(section, good), None)
    for wrong in ({"surprise": 1}, {"new": "1"}, {"new": True}, {"standard": 1}, {"connected": "yesterday"}, {"account": "ana"},
                  {"new": None}):
        check(fault(section, good | wrong), f"{wrong} was not seen")
    check(fault(section, {k: v for k, v in good.items() if k != "new"}), "one less was not seen")
    check(fault(SECTIONS["outbox cancel, outbox retry"], {"v": 1, "id": 1, "state": "gone"}), "a word was not seen")


def test_messages():
    sent = valid("A message", ana.json("send", beto.jid, "-", text="Hola"))
    equal(sent[0]["state"], "accepted")
    valid("sync", beto.json("sync"))
    [read] = valid("A message", beto.json("read"))
    equal((read["body"], read["trust"]), ("Hola", "blind"))
    eva.send(f"<message type='chat' id='clear' to='{beto.jid}'><body>sin cifrar</body></message>")
    omemo_raw.send(eva, beto.jid, f"<encrypted xmlns='{omemo_raw.NS}'><header sid='x'/><payload>!</payload></encrypted>")
    valid("sync", beto.json("sync", status=EX_DATAERR))
    clear, bad = valid("A message", beto.json("read", "--since", str(read["id"])))
    equal((clear["trust"], clear["encrypted"], bad["unreadable"]), ("none", False, "malformed"))
    valid("A message", beto.json("history", ana.jid))
    valid("A message", ana.json("status", str(sent[0]["id"])))


def test_outbox():
    valid("A message", ana.json("send", f"nadie@{HOST}", "-", text="¿estás?", status=EX_TEMPFAIL))
    [item] = valid("outbox list, outbox show", ana.json("outbox"))
    equal((item["state"], item["reason"]), ("waiting", "no-omemo"))
    valid("outbox list, outbox show", ana.json("outbox", "list"))
    valid("outbox list, outbox show", ana.json("outbox", "show", str(item["id"])))
    valid("outbox cancel, outbox retry", ana.json("outbox", "cancel", str(item["id"])))
    for args in (["retry", "999"], ["show", "999"], ["cancel", "999"]):
        equal(errors(ana.run("outbox", *args, "--json", status=EX_NOUSER))[0]["error"],
              {"retry": "no-item", "show": "no-item", "cancel": "too-late"}[args[0]])


def test_retry():
    """A message that the relay refused is tried again: by its number, and all."""
    nobody = f"nadie@{HOST}"        # known to have no keys by now
    [message] = valid("A message", ana.json("send", nobody, "-", "--plain", text="¿hay alguien?", status=(0, EX_NOUSER)))

    def came_back():                # the refusal may come behind the acknowledgement
        ana.run("sync", status=(0, EX_DATAERR))
        return ana.json("status", str(message["id"]))[0]["state"] == "refused"
    for args in (["retry", None], ["retry"]):
        eventually(came_back, 20, "the refusal")
        [item] = valid("outbox list, outbox show", ana.json("outbox"))
        equal((item["state"], item["reason"]), ("refused", "service-unavailable"))
        args = [a or str(item["id"]) for a in args]
        [said] = valid("outbox cancel, outbox retry", ana.json("outbox", *args))
        equal(said["id"], item["id"] if len(args) == 2 else None)
    eventually(came_back, 20, "the refusal")


def test_status_and_accounts():
    valid("status", ana.json("status"))
    second = Home(relay, relay.user("ana2"))
    second.dir = ana.dir
    second.login()
    valid("account list", ana.json("account"))
    valid("account list", ana.json("account", "list"))
    valid("account default, account remove", ana.json("account", "default", second.jid))
    valid("account default, account remove", ana.json("account", "default", ana.jid))
    valid("status", ana.json("status"))
    valid("sync", ana.json("sync"))
    valid("logout", ana.json("logout", "--account", second.jid))
    valid("status", ana.json("status"))
    valid("account default, account remove", ana.json("account", "remove", second.jid, "--yes"))


def test_contacts():
    changes = "contact add, remove, rename, block, unblock"
    eva.send(f"<presence type='subscribe' to='{ana.jid}'/>")
    eva.barrier()
    ana.run("sync", status=0)
    listed = ana.json("contact")
    valid("contact list: who asks to be a contact", [c for c in listed if "asks" in c])
    for args in (["add", beto.jid, "Beto"], ["rename", beto.jid, "Roberto"], ["block", beto.jid], ["unblock", beto.jid],
                 ["remove", beto.jid], ["add", beto.jid]):
        [said] = valid(changes, ana.json("contact", *args))
        check(said["contact"].startswith(args[0]), f"{said} of {args}")
    ana.run("sync", status=0)
    valid("contact list", [c for c in ana.json("contact", "list") if "asks" not in c])


def test_cards():
    luz = Home(relay, relay.user("luz"))
    luz.login()
    file = scratch() / "luz.card"
    [text] = valid("contact card", luz.json("contact", "card"))
    valid("contact card", luz.json("contact", "card", "--armor"))
    valid("contact card", luz.json("contact", "card", "--file", file))
    valid("contact card", luz.json("contact", "card", "--svg", scratch() / "luz.svg"))
    [codes] = valid("contact card", luz.json("contact", "card", "--qr"))
    check(all(len(c) <= 440 for c in codes["codes"]) and codes["codes"], "codes of at most 440 bytes")
    valid("contact add: a card", ana.json("contact", "add", file))
    valid("contact add: a card", ana.json("contact", "add", "-", text=text["card"]))
    valid("contact add: a card", ana.json("contact", "add", "-", "Luz", "--verified", text="\n".join(codes["codes"])))
    equal(errors(ana.run("contact", "add", "-", "--json", text="x", status=EX_DATAERR))[0]["error"], "not-a-card")


def test_devices_and_keys():
    valid("device list", ana.json("device"))
    valid("verify", ana.json("verify"))
    # eva's list names a device whose bundle is beto's, and one that has none; then it speaks with another key.
    [own] = beto.json("device")
    omemo_raw.publish_bundle(eva, 777, omemo_raw.bundle(eva, beto.jid, own["device"]))
    omemo_raw.publish_list(eva, 777, 888)
    ana.run("contact", "add", eva.jid.partition("/")[0], "Eva", status=0)
    ana.run("sync", status=0)
    listed = valid("device list", ana.json("device", "list", "Eva"))
    equal([d["fingerprint"] is None for d in sorted(listed, key=lambda d: d["device"])], [False, True])
    tom = Home(relay, relay.user("tom"))
    tom.login()
    tom.send(ana.jid, "soy tom")
    ana.run("sync", status=0)
    stanza = omemo_raw.last_encrypted(relay, ana.jid, tom.jid).find(omemo_raw.OMEMO + "encrypted")
    omemo_raw.header(stanza).set("sid", "777")
    omemo_raw.send(eva, ana.jid, omemo_raw.text(stanza))
    ana.run("sync", status=EX_DATAERR)
    known = valid("verify", ana.json("verify", "Eva"))
    check([d for d in known if d["trust"] == "changed" and "offered" in d], "the other key is shown")
    valid("verify", ana.json("verify", "Eva", "--device", "777", "--reject"))
    [uri] = [d["uri"] for d in beto.json("verify")]
    ana.run("send", beto.jid, "-", text="otra", status=0)
    valid("verify", ana.json("verify", uri))
    valid("device list", ana.json("device", "list", beto.jid))
    # One of ana's devices that is lost.
    other = Home(relay, ana.jid)
    other.login()
    [notice] = valid("Notices", [json.loads(line) for line in ana.run("sync", "--json", status=0).stderr.splitlines()])
    equal((notice["notice"], notice["jid"]), ("new-device", ana.jid))
    narrow = Relay(authority=relay.authority, quota={"pubsub": "1kb"})
    zoe = Home(narrow, narrow.user())
    [notice] = valid("Notices", [json.loads(line) for line in zoe.login("--json").stderr.splitlines()])
    equal((notice["notice"], notice["reason"]), ("keys-refused", "resource-constraint"))
    narrow.stop()
    [lost] = [d for d in valid("device list", ana.json("device")) if not d["own"]]
    valid("device remove", ana.json("device", "remove", str(lost["device"])))
    valid("device keep", ana.json("device", "keep"))


def test_doctor_and_help():
    valid("doctor", ana.json("doctor"))
    valid("doctor", ana.json("doctor", "--offline"))
    valid("doctor", Home().json("doctor", status=EX_CONFIG))
    for args in (["help"], ["--help"], ["help", "--words"]):
        equal({o["command"] for o in valid("help, --help", ana.json(*args))}, {o["command"] for o in ana.json("help")})
    for verb in ana.json("help"):
        equal([o["command"] for o in valid("help, --help", ana.json(verb["command"], "--help"))], [verb["command"]])
    valid("--version", ana.json("--version"))


def test_errors():
    for args, status, word in ((["nada"], 64, "usage"), (["send"], 64, "usage"), (["read", "--since", "x"], 64, "usage"),
                               (["send", "nadie", "-"], EX_NOUSER, "no-person"), (["--account", "no@hay", "read"], 78, "no-account"),
                               (["--account", "x", "read"], 64, "address"), (["send", beto.jid, "-"], 64, "empty"),
                               (["contact", "add", "x"], 64, "address"), (["device", "remove", "5"], EX_NOUSER, "no-device")):
        done = ana.run(*args, "--json", status=status)
        equal((done.stdout, [e["error"] for e in errors(done)]), ("", [word]), " ".join(args))
    relay_is = ana.run("login", f"x@{HOST}", "--json", "--password-file", ana.password_file, "--server", "127.0.0.1:1",
                       status=EX_TEMPFAIL)
    equal(errors(relay_is)[0]["error"], "network")


def test_bytes_that_are_no_text():
    """Names, paths and arguments may be any bytes; JSON may not."""
    done = ana.run(b"\xff", "--json", status=64, binary=True)
    check("\ufffd" in json.loads(done.stderr)["message"], done.stderr)
    for args in (["add", f"c@{HOST}", b"\xff"], ["add", f"c@{HOST}", b"\x1b[31m"], ["rename", beto.jid, b"\xff"],
                 ["add", "-", b"\xff"]):
        ana.run("contact", *args, "--json", status=EX_DATAERR, binary=True)
    valid("contact card", [json.loads(ana.run("contact", "card", "--file", os.fsencode(scratch()) + b"/\xff.card", "--json",
                                              status=0, binary=True).stdout)])
    check(ana.json("contact"), "the list is whole")


def test_every_verb_was_tried():
    missing = [f"{title}: {name}" for title, section in SECTIONS.items() for name, member in section.items() if not member.seen]
    if len(sys.argv) > 1:
        skip("not all tests ran")
    equal(missing, [], "documented, and never printed")
    titles = " ".join(SECTIONS) + " read history send"
    for verb in ana.json("help"):
        check(verb["command"] in titles, f"{verb['command']} is not documented")


def test_every_word_of_an_error_is_documented():
    source = "".join(p.read_text() for p in (SRC / "client").rglob("*.c"))
    equal(re.findall(r'out_error\("[a-z-]+", (?:""|NULL).*', source), [], "every error says what to do next")
    said = set(re.findall(r'out_error\("([a-z-]+)"', source)) | set(re.findall(r'\[FAULT_\w+\] = \{ "([a-z-]+)"', source))
    said |= set(re.findall(r'\[CARD_\w+\] = "([a-z-]+)"', source))
    check(len(said) > 50, f"only {len(said)} words found in the source")
    text = (SRC / "doc" / "lazo-json.5").read_text()
    text = text[text.index("Words for the connection"):text.index(".Ss A message")]
    documented = {w for line in re.findall(r"^\.Cm (.*)$", text, re.M) for w in line.split() if w not in (".", ",")}
    equal(sorted(said - {"none"} - documented), [], "said, not documented")
    equal(sorted(documented - said), [], "documented, never said")


if __name__ == "__main__":
    main()
