#!/usr/bin/python3
"""One full scenario under valgrind: no invalid access, nothing lost, no descriptor left open."""
import re
import shutil

from lazo_test import *
from xmpp_raw import *

PS = "xmlns='http://jabber.org/protocol/pubsub'"


def setup():
    global relay, report
    if SANITIZED:
        skip("the sanitizers watch already")
    if not shutil.which("valgrind"):
        skip("needs valgrind")
    report = scratch() / "valgrind.%p"
    relay = Relay(registration='"open"', sandbox=False, wrap=[
        "valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible", "--errors-for-leak-kinds=definite,indirect",
        "--error-exitcode=99", "--track-fds=yes", "--child-silent-after-fork=yes", f"--log-file={report}"])


def test_scenario():
    a, b = (login(relay, relay.user(), timeout=60) for _ in range(2))
    befriend(a, b)
    for i in range(20):
        a.send(f"<message to='{bare(b.jid)}' type='chat' id='m{i}'><body>line {i}</body></message>")
        b.message(body=f"line {i}")
    a.result("set", f"<pubsub {PS}><publish node='urn:x'><item id='1'><a xmlns='urn:x'/></item></publish></pubsub>")
    b.result("get", f"<pubsub {PS}><items node='urn:x'/></pubsub>", bare(a.jid))
    a.result("set", f"<pubsub {PS}><retract node='urn:x'><item id='1'/></retract></pubsub>")
    a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", HOST)
    away = relay.user()
    for i in range(30):
        a.send(f"<message to='{away}' type='chat' id='o{i}'><body>offline {i}</body></message>")
    a.barrier(60)
    c = login(relay, away, timeout=60)
    seen = [text_of(e, CLIENT + "body") for e in c.drain(3, 30)]
    equal(seen, [f"offline {i}" for i in range(30)])
    c.barrier(60)
    c.close()
    relay.reload()
    a.barrier(60)
    a.close()
    b.drop()


def test_bad_input():
    jid = relay.user()
    for phase, data in (("open", "<!DOCTYPE a>"), ("open", "<a><b></a>"), ("open", "\0"), ("ready", "<message><![CDATA["), ("ready", "<x/>"),
                        ("ready", "<message from='other@x'/>"), ("ready", "<message>" + "<a>" * 100), ("ready", "<iq type='get' id='1'/>")):
        stream = Stream(relay, timeout=60)
        stream.open()
        if phase == "ready":
            stream.starttls()
            stream.open()
            stream.auth(jid.partition("@")[0])
            stream.bind()
        stream.send(data)
        try:
            stream.read(2)
        except (Closed, TimeoutError, AssertionError):
            pass
        stream.drop()
    for _ in range(3):
        stream = Stream(relay, timeout=60)
        stream.open()
        stream.starttls()
        stream.open()
        try:
            stream.auth(jid.partition("@")[0], "wrong")
        except Refused:
            pass
        stream.drop()


def test_verdict():
    relay.stop()
    text = "".join(p.read_text() for p in scratch().glob("valgrind.*"))
    left = [d for d in re.findall(r"Open (?:file descriptor|AF_\w+ socket) \d+[^\n]*", text)
            if not re.search(r"descriptor [012]:|/valgrind|lazod.log", d) and "inherited from parent" not in text.split(d, 1)[1][:60]]
    check("ERROR" not in text and "Invalid" not in text and "definitely lost" not in text, text[-3000:])
    equal(left, [], "descriptors left open")


main()
