#!/usr/bin/python3
"""The operator's socket: who may speak to it, what it makes of nonsense, and that nothing said there disturbs the relay."""
import json
import os
import socket
import stat

from lazo_test import *
from xmpp_raw import *


def setup():
    global relay, jid
    relay = Relay()
    jid = relay.user()


def call():
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(relay.data / "control"))       # waits while the queue is full, which a timeout would not let it
    sock.settimeout(5)
    return sock


def line(sock, text):
    sock.sendall(text.encode() + b"\n")
    return json.loads(sock.makefile().readline())


def test_only_its_owner():
    mode = os.stat(relay.data / "control").st_mode
    check(stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode))


def test_nonsense_is_refused():
    sock = call()
    for text in ("", "x", "{}", "[]", "1", '{"verb":1}', '{"verb":"dance"}', '{"verb":"kick"}', '{"verb":"kick","jid":7}',
                 '{"verb":"kick","jid":"@"}', '{"verb":"account-changed"}', '{"verb":"status","verb":"status"}', "[" * 2000,
                 '{"verb":"status"} x', "\x00", "\u00e9"):
        equal(line(sock, text)["ok"], False, repr(text[:40]))
    equal(line(sock, '{"verb":"status"}')["ok"], True, "and the next is answered")
    equal(line(sock, '{"verb":"account-changed","node":"nobody","deleted":true}')["ok"], True)
    sock.close()
    login(relay, jid).close()


def test_long_lines_end_the_call():
    sock = call()
    sock.sendall(b"x" * 10000)
    try:
        equal(sock.recv(10), b"")
    except ConnectionResetError:
        pass
    sock.close()
    equal(line(call(), '{"verb":"status"}')["ok"], True)


def test_few_at_a_time():
    held = [call() for _ in range(40)]
    end = 0
    for sock in held:
        try:
            sock.sendall(b'{"verb":"status"}\n')
            end += sock.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            end += 1
    equal(end, 24, "sixteen are served")
    for sock in held:
        sock.close()
    eventually(lambda: relay.ctl_json("status")[0]["running"], 5)


def test_a_kick_in_the_middle():
    streams = [login(relay, jid) for _ in range(5)]
    reply = line(call(), json.dumps({"verb": "kick", "jid": jid}))
    equal(reply["closed"], 5)
    for stream in streams:
        stream.stream_error()
    equal(line(call(), '{"verb":"sessions"}')["sessions"], [])


def test_the_socket_of_a_dead_relay_is_replaced():
    relay.kill()
    check((relay.data / "control").exists(), "it was left behind")
    equal(relay.ctl_json("status")[0]["running"], False)
    relay.start()
    equal(relay.ctl_json("status")[0]["running"], True)
    # What is no socket is not taken away.
    relay.stop()
    (relay.data / "control").write_text("mine")
    done = tool(BUILD / "relay/lazod", "-c", relay.file, status=73)
    equal((relay.data / "control").read_text(), "mine", done)
    (relay.data / "control").unlink()
    relay.start()


def test_features_are_what_is_announced():
    listed = relay.ctl_json("features")
    names = [f["name"] for f in listed]
    equal(len(names), len(set(names)), "each once")
    check(all(f["spec"] for f in listed))
    me = login(relay, relay.user())
    for to, key in ((HOST, "announced"), (bare(me.jid), "announced_account")):
        info = me.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        told = {f.get("var") for f in info.iter(DISCO_INFO + "feature")}
        known = {ns for f in listed for ns in f[key]}
        equal(told - known, set(), f"announced by {to} and not listed")
        check(len(told) > 10 and told & known)
    stream = Stream(relay, direct=True)
    stream.open()
    known = {ns for f in listed for ns in f["announced"]}
    for ns in (f.tag.partition("}")[0][1:] for f in stream.features):
        check(ns in known or ns == "urn:xmpp:sasl-cb:0", ns)
    stream.drop()
    me.close()
    equal(relay.ctl("features").count("\n"), len(listed))


main()
