#!/usr/bin/python3
"""Attacks on SASL: authzid (S6), the gs2 header (S7), user enumeration (S8), brute force (S10), abuse of state (S12)."""
import base64
import ssl
import statistics
import time

from alike import PAIRS, took_alike
from lazo_test import *
from xmpp_raw import *


def setup():
    global relay, jid, user, other, bystander
    relay = Relay(plain=True)
    jid, other = relay.user(), relay.user()
    user = jid.partition("@")[0]
    bystander = Bystander(relay)


def ready():
    stream = Stream(relay, direct=True)
    stream.open()
    return stream


def refused(function, *conditions):
    try:
        function()
    except Refused as why:
        check(why.condition in conditions, f"refused with {why.condition}, wanted {conditions}")
        return
    raise AssertionError("let in")


def plain(stream, authzid, name=None, password=PASSWORD):
    return stream.sasl("PLAIN", f"{authzid}\0{name or user}\0{password}".encode())


def test_authzid_in_plain():
    # S6
    for bad in (other, f"{user}@elsewhere.example", f"{jid}/phone", "other", "@", HOST, "\u00adx@" + HOST):
        stream = ready()
        refused(lambda: plain(stream, bad), "invalid-authzid", "malformed-request")
        stream.drop()
    for good in ("", jid):
        stream = ready()
        equal(plain(stream, good)[0], "success")
        stream.open()
        check(stream.bind().startswith(jid + "/"), "who one authenticated as")
        stream.close()


def test_authzid_in_scram():
    for bad in (other, f"{user}@elsewhere.example", f"{jid}/phone", other.replace("@", "=40")):
        stream = ready()
        refused(lambda: Scram("SCRAM-SHA-256", user, PASSWORD, authzid=bad).run(stream), "invalid-authzid", "malformed-request",
                "not-authorized")
        stream.drop()
    stream = ready()
    Scram("SCRAM-SHA-256", user, PASSWORD, authzid=jid).run(stream)
    stream.open()
    check(stream.bind().startswith(jid + "/"), "own address")
    stream.close()


def test_gs2_header():
    # S7
    cases = [
        ("y when bindings are offered", "SCRAM-SHA-256", dict(gs2="y,,")),
        ("p without PLUS", "SCRAM-SHA-256", dict(gs2="p=tls-server-end-point,,")),
        ("n with PLUS", "SCRAM-SHA-256-PLUS", dict(gs2="n,,")),
        ("y with PLUS", "SCRAM-SHA-256-PLUS", dict(gs2="y,,")),
        ("unknown binding", "SCRAM-SHA-256-PLUS", dict(gs2="p=tls-dream,,")),
        ("tls-unique", "SCRAM-SHA-256-PLUS", dict(gs2="p=tls-unique,,")),
        ("empty binding name", "SCRAM-SHA-256-PLUS", dict(gs2="p=,,")),
        ("wrong data", "SCRAM-SHA-256-PLUS", dict(binding=("tls-server-end-point", bytes(32)))),
        ("short data", "SCRAM-SHA-256-PLUS", dict(binding=("tls-server-end-point", b""))),
        ("exporter of another session", "SCRAM-SHA-256-PLUS", dict(binding=("tls-exporter", bytes(32)))),
        ("c= of another header", "SCRAM-SHA-256", dict(cbind=b"y,,")),
        ("c= empty", "SCRAM-SHA-256", dict(cbind=b"")),
        ("c= with more", "SCRAM-SHA-256", dict(cbind=b"n,,x")),
        ("no such flag", "SCRAM-SHA-256", dict(gs2="z,,")),
        ("no header", "SCRAM-SHA-256", dict(gs2="")),
    ]
    for what, mechanism, change in cases:
        stream = ready()
        try:
            Scram(mechanism, user, PASSWORD, **change).run(stream)
        except Refused as why:
            check(why.condition in ("not-authorized", "malformed-request"), f"{what}: {why.condition}")
        else:
            raise AssertionError(f"{what}: let in")
        stream.drop()


def test_binding_of_another_session():
    """S7: tls-unique, which is taken though not announced, is of this one session or refused, under both versions of TLS."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = context(relay.authority.crt, ["xmpp-client"], (version, version))
        streams = [Stream(relay, direct=True, tls_context=made) for _ in range(2)]
        own, others = (s.sock.get_channel_binding("tls-unique") for s in streams)
        check(len(own) >= 12 and own != others)
        for what, data in (("another's", others), ("zeros", bytes(len(own))), ("short", own[:-1]), ("long", own + b"\0"), ("none", b""),
                           ("one bit", bytes([own[0] ^ 1]) + own[1:])):
            stream = Stream(relay, direct=True, tls_context=made) if what != "another's" else streams[0]
            stream.open()
            try:
                Scram("SCRAM-SHA-256-PLUS", user, PASSWORD, binding=("tls-unique", data)).run(stream)
            except Refused as why:
                equal(why.condition, "not-authorized", what)
            else:
                raise AssertionError(f"{what}: let in")
            stream.drop()
        streams[1].drop()
    # Without extended master secret the Finished of TLS 1.2 is not of one session alone (RFC 9266): not taken.
    made = context(relay.authority.crt, ["xmpp-client"], (ssl.TLSVersion.TLSv1_2,) * 2)
    made.options |= 1       # SSL_OP_NO_EXTENDED_MASTER_SECRET
    stream = Stream(relay, direct=True, tls_context=made)
    stream.open()
    kinds = [c.get("type") for c in stream.features.iterfind(f"{SASL_CB}sasl-channel-binding/{SASL_CB}channel-binding")]
    equal(kinds, ["tls-server-end-point"])
    refused(lambda: Scram("SCRAM-SHA-256-PLUS", user, PASSWORD, binding=(
        "tls-unique", stream.sock.get_channel_binding("tls-unique"))).run(stream), "malformed-request")
    stream.drop()


def test_y_is_refused_whatever_came_before():
    """S7: who has tried with a binding and failed says `y` no more honestly than another; a man in the middle could try that too."""
    stream = ready()
    refused(lambda: Scram("SCRAM-SHA-256-PLUS", user, PASSWORD, gs2="p=tls-dream,,").run(stream), "malformed-request")
    refused(lambda: Scram("SCRAM-SHA-256", user, PASSWORD, gs2="y,,").run(stream), "not-authorized")
    stream.drop()


def raw_first(stream, data):
    return stream.sasl("SCRAM-SHA-256", data)


def test_malformed_scram():
    for first in (b"", b"n", b"n,", b"n,,", b"n,,n=" + user.encode(), b"n,,r=abc", b"n,,n=,r=abc", b"n,,n=u=2,r=abc",
                  b"n,,n=u=41,r=abc", b"n,,m=x,n=" + user.encode() + b",r=abc", b"n,,n=" + user.encode() + b",r=",
                  b"n,,n=" + user.encode() + b",r=a\x01b", b"n,,r=abc,n=" + user.encode(), b"\xff\xfe", b"n,,n=\xff,r=abc",
                  b"n,,n=" + b"u" * 1024 + b",r=abc", b"n,,n=" + user.encode() + b",r=" + b"r" * 5000, b"\0n,,n=a,r=b",
                  b"n,a=,n=a,r=b"):
        stream = ready()
        try:
            kind, _ = raw_first(stream, first)
            # A name or nonce of an odd shape may be answered as an unknown user's is (S8): refused at the end.
            check(kind == "challenge" and (b"n=u" in first or b"\xff" in first or len(first) > 1000), f"{first[:40]!r}: {kind}")
            refused(lambda: stream.sasl_response(b"c=biws,r=abc,p=eA=="), "not-authorized", "malformed-request")
        except Refused as why:
            check(why.condition in ("malformed-request", "not-authorized", "incorrect-encoding", "invalid-authzid"),
                  f"{first[:40]!r}: {why.condition}")
        stream.drop()
    for change in (lambda f: f.replace(b"p=", b"q="), lambda f: f.split(b",p=")[0], lambda f: f + b",x=y", lambda f: b"",
                   lambda f: f.replace(b",r=", b",r=x"), lambda f: f[:-8], lambda f: f.replace(b"c=", b"c=!"),
                   lambda f: f.replace(b"p=", b"p=!!"), lambda f: b"v=abc", lambda f: f + f, lambda f: f + b"\0",
                   lambda f: b"p=" + f.split(b",p=")[1] + b"," + f.split(b",p=")[0]):
        stream = ready()
        scram = Scram("SCRAM-SHA-256", user, PASSWORD)
        _, challenge = stream.sasl("SCRAM-SHA-256", scram.first())
        refused(lambda: stream.sasl_response(change(scram.final(challenge))), "malformed-request", "not-authorized")
        stream.drop()


def test_unknown_users_look_like_known_ones():
    # S8: the same steps, a steady salt, the same count, the same refusal
    def first_of(name, mechanism="SCRAM-SHA-256"):
        stream = ready()
        scram = Scram(mechanism, name, "wrong")
        _, challenge = stream.sasl(mechanism, scram.first())
        final = scram.final(challenge)
        try:
            stream.sasl_response(final)
            raise AssertionError("let in")
        except Refused as why:
            answer = why.condition, str(why)
        stream.drop()
        return scram.salt, scram.iterations, answer
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
        known, nobody = first_of(user, mechanism), first_of("nobody", mechanism)
        equal(nobody[1:], known[1:], "iterations and refusal")
        equal(len(nobody[0]), len(known[0]), "length of the salt")
        equal(first_of("nobody", mechanism)[0], nobody[0], "steady")
        check(first_of("nobody2", mechanism)[0] != nobody[0], "one for each name")
    steady = first_of("nobody")[0]
    relay.restart()
    equal(first_of("nobody")[0], steady, "also over a restart")
    stream = ready()
    refused(lambda: plain(stream, "", "nobody"), "not-authorized")
    stream.drop()
    restart_bystander()


def restart_bystander():
    global bystander
    bystander.over.set()
    bystander = Bystander(relay)


def test_unknown_users_take_as_long():
    # S8: Welch's t over pairs; |t| < 4.5 at 10,000 pairs with --long, here a look
    times = {user: [], "nobody": []}
    sender = login(relay, relay.user())
    for i in range(5000):                           # who has much waiting is not told from the others either
        sender.send(f"<message type='chat' to='{user}@{HOST}'><body>{i}</body></message>")
    sender.barrier(60)
    sender.close()
    for i in range(2 * PAIRS):
        name = (user, "nobody")[i % 2]
        stream = ready()
        scram = Scram("SCRAM-SHA-256", name, "wrong")
        start = time.perf_counter()
        _, challenge = stream.sasl("SCRAM-SHA-256", scram.first())
        middle = time.perf_counter()
        final = scram.final(challenge)
        again = time.perf_counter()
        try:
            stream.sasl_response(final)
        except Refused:
            pass
        times[name].append(middle - start + time.perf_counter() - again)
        stream.drop()
    took_alike(times[user], times["nobody"])


def test_plain_takes_as_long_for_unknown_users():
    times = {user: [], "nobody": []}
    for i in range(80):
        name = (user, "nobody")[i % 2]
        stream = ready()
        start = time.perf_counter()
        refused(lambda: plain(stream, "", name, "wrong"), "not-authorized")
        times[name].append(time.perf_counter() - start)
        stream.drop()
    # Below a tenth are those that the machine did not disturb.
    known, nobody = (statistics.quantiles(times[n], n=10)[0] for n in (user, "nobody"))
    print(f"  known {known * 1e3:.2f} ms, unknown {nobody * 1e3:.2f} ms")
    check(SANITIZED or abs(known - nobody) < 0.25 * known + 0.001, "the hash is computed for both")


def test_three_tries_a_connection():
    # S10
    stream = ready()
    for _ in range(2):
        refused(lambda: Scram("SCRAM-SHA-256", user, "wrong").run(stream), "not-authorized")
    try:
        Scram("SCRAM-SHA-256", user, "wrong").run(stream)
        raise AssertionError("let in")
    except Refused as why:
        equal(why.condition, "not-authorized")
    stream.gone()


def test_brute_force_is_slowed_and_the_owner_is_not_locked_out():
    slow = Relay(authority=relay.authority, limits={"logins": 2}, plain=True)
    victim = slow.user("victim")
    login(slow, victim).close()
    start = time.monotonic()
    tries = 0
    while time.monotonic() - start < 8:
        stream = Stream(slow, direct=True)
        stream.open()
        try:
            for i in range(3):
                tries += 1
                Scram("SCRAM-SHA-256", "victim", f"guess {tries}").run(stream)
        except (Refused, Closed, TimeoutError, OSError):
            pass
        stream.drop()
    rate = tries / (time.monotonic() - start)
    print(f"  {rate:.1f} guesses a second")
    check(rate < 6, f"{rate:.1f} guesses a second at a limit of 2")
    owner_start = time.monotonic()
    login(slow, victim, timeout=30).close()
    check(time.monotonic() - owner_start < 20, "the owner gets in, however late")
    slow.stop()


def auth_xml(mechanism, text):
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{text}</auth>"


def test_state_abuse():
    # S12
    ns = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
    good = base64.b64encode(Scram("SCRAM-SHA-256", user, PASSWORD).first()).decode()
    sasl = ("not-authorized", "malformed-request", "incorrect-encoding", "aborted", "invalid-mechanism", "temporary-auth-failure")
    broken = ("not-authorized", "policy-violation", "unsupported-stanza-type", "bad-format", "invalid-xml")
    cases = [       # what is sent, one after another, and what the last one may bring
        ("response without auth", [f"<response {ns}>eA==</response>"], sasl),
        ("abort without auth", [f"<abort {ns}/>"], sasl),
        ("abort", [auth_xml("SCRAM-SHA-256", good), f"<abort {ns}/>"], ("aborted",)),
        ("auth in auth", [auth_xml("SCRAM-SHA-256", good), auth_xml("SCRAM-SHA-256", good)], sasl),
        ("response empty", [auth_xml("SCRAM-SHA-256", good), f"<response {ns}/>"], sasl),
        ("response '='", [auth_xml("SCRAM-SHA-256", good), f"<response {ns}>=</response>"], sasl),
        ("auth '='", [auth_xml("SCRAM-SHA-256", "=")], sasl),
        ("auth not base64", [auth_xml("SCRAM-SHA-256", "a!b")], ("incorrect-encoding", "malformed-request")),
        ("base64 with a blank", [auth_xml("PLAIN", "AHUx IHg=")], ("incorrect-encoding", "malformed-request", "not-authorized")),
        ("base64 cut", [auth_xml("SCRAM-SHA-256", "biw")], ("incorrect-encoding", "malformed-request")),
        ("base64 with more behind the end", [auth_xml("SCRAM-SHA-256", "biws=biws")], ("incorrect-encoding", "malformed-request")),
        ("success from the client", [f"<success {ns}/>"], sasl),
        ("challenge from the client", [f"<challenge {ns}>eA==</challenge>"], sasl),
        ("mechanism in small letters", [auth_xml("scram-sha-256", good)], ("invalid-mechanism",)),
        ("no mechanism", [f"<auth {ns}>{good}</auth>"], ("invalid-mechanism", "malformed-request")),
        ("unknown mechanism", [auth_xml("DIGEST-MD5", "")], ("invalid-mechanism",)),
        ("external", [auth_xml("EXTERNAL", "=")], ("invalid-mechanism",)),
        ("anonymous", [auth_xml("ANONYMOUS", "")], ("invalid-mechanism",)),
        ("element within", [auth_xml("SCRAM-SHA-256", "<a/>")], sasl),
        ("plain of NULs", [auth_xml("PLAIN", base64.b64encode(bytes(8)).decode())], sasl),
        ("plain of one part", [auth_xml("PLAIN", base64.b64encode(b"abc").decode())], sasl),
        ("plain of four parts", [auth_xml("PLAIN", base64.b64encode(b"\0a\0b\0c").decode())], sasl),
        ("plain without password", [auth_xml("PLAIN", base64.b64encode(f"\0{user}\0".encode()).decode())], sasl),
        ("plain of bad UTF-8", [auth_xml("PLAIN", base64.b64encode(f"\0{user}\0".encode() + b"\xff").decode())], sasl),
    ]
    for what, said, allowed in cases:
        stream = ready()
        for data in said[:-1]:
            stream.send(data)
            equal(stream.read().tag, SASL + "challenge", what)
        stream.send(said[-1])
        answer = stream.read()
        if answer.tag == SASL + "failure":
            got = [local(c) for c in answer if local(c) != "text"][0]
            check(got in allowed, f"{what}: {got}")
        else:
            equal(answer.tag, STREAM + "error", what)
            got = [local(c) for c in answer if local(c) != "text"][0]
            check(got in broken, f"{what}: {got}")
        stream.drop()


def test_stanza_in_the_middle_of_sasl():
    stream = ready()
    stream.sasl("SCRAM-SHA-256", Scram("SCRAM-SHA-256", user, PASSWORD).first())
    stream.send(f"<message to='{other}'><body>x</body></message>")
    equal(stream.stream_error(), "not-authorized")


def test_a_megabyte_of_base64():
    stream = ready()
    try:
        stream.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>")
        for _ in range(64):
            stream.send("QUFB" * 4096)
    except OSError:
        pass
    equal(stream.stream_error(), "policy-violation")


def test_nonces_and_salts_differ():
    seen, salts = set(), set()
    for name in (user, other.partition("@")[0]):
        for _ in range(3):
            stream = ready()
            scram = Scram("SCRAM-SHA-256", name, PASSWORD, nonce="same")
            _, challenge = stream.sasl("SCRAM-SHA-256", scram.first())
            scram.final(challenge)
            seen.add(challenge.split(b",")[0])
            salts.add(scram.salt)
            stream.drop()
    equal((len(seen), len(salts)), (6, 2))


def test_replayed_login():
    # What one connection sent is worth nothing on another.
    stream = ready()
    scram = Scram("SCRAM-SHA-256", user, PASSWORD, nonce="replay")
    _, challenge = stream.sasl("SCRAM-SHA-256", scram.first())
    final = scram.final(challenge)
    equal(stream.sasl_response(final)[0], "success")
    stream.drop()
    stream = ready()
    stream.sasl("SCRAM-SHA-256", scram.first())
    refused(lambda: stream.sasl_response(final), "not-authorized", "malformed-request")
    stream.drop()


def test_last_nobody_was_disturbed():
    bystander.verdict(5 if not SANITIZED else 20)


main()
