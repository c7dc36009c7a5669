#!/usr/bin/python3
"""Attacks on SASL2 and what may be asked for inside of it: identity (S6), the gs2 header (S7), enumeration (S8), state (S12),
what a failed login must not do (XEP-0388 2.6.2), bytes that come in the middle (2.4)."""
import base64
import random
import statistics
import time
import uuid
import xml.etree.ElementTree as ET

from alike import PAIRS, took_alike
from lazo_test import *
from xmpp_fast import *
from xmpp_raw import *


def setup():
    global relay, jid, user, other, bystander
    relay = Relay(plain=True)
    jid, other = relay.user(), relay.user()
    user = jid.partition("@")[0]
    bystander = Bystander(relay)


def refused(function, *conditions):
    try:
        function()
    except Refused as why:
        check(why.condition in conditions, f"refused with {why.condition}, wanted {conditions}")
        return
    raise AssertionError("let in")


def outcome(stream):
    """How the relay takes what was sent: a SASL condition, a stream error's, or the answer's name."""
    element = stream.read()
    if element.tag == SASL2 + "failure":
        return [local(c) for c in element if c.tag.startswith(SASL)][0]
    if element.tag == STREAM + "error":
        return "stream:" + [local(c) for c in element if local(c) != "text"][0]
    return local(element)


def test_identity():
    # S6, and 2.3: the stream's `from`, the authzid and the login are one
    for bad in (other, f"{user}@elsewhere.example", f"{jid}/phone", "other"):
        stream = secured(relay)
        refused(lambda: by_password(stream, user, authzid=bad), "invalid-authzid", "malformed-request", "not-authorized")
        stream.drop()
    for claim, login_as in ((other, user), (f"nobody@{HOST}", user), (jid, other.partition("@")[0])):
        stream = secured(relay, claim)
        refused(lambda: by_password(stream, login_as), "invalid-authzid")
        stream.drop()
    for claim in (jid, f"{jid}/phone", HOST, None):
        stream = secured(relay, claim)
        by_password(stream, user, authzid=jid)
        stream.close()
    stream = Stream(relay, direct=True)
    stream.open(header=f"<stream:stream xmlns='jabber:client' to='{HOST}' from='{user}@elsewhere.example' version='1.0' "
                "xmlns:stream='http://etherx.jabber.org/streams'>", features=False)
    equal(stream.stream_error(), "invalid-from")


def test_gs2_header():
    # S7
    for mechanism, change in (("SCRAM-SHA-256", dict(gs2="y,,")), ("SCRAM-SHA-256", dict(gs2="p=tls-exporter,,")),
                              ("SCRAM-SHA-256-PLUS", dict(gs2="n,,")), ("SCRAM-SHA-256-PLUS", dict(gs2="p=tls-unique,,")),
                              ("SCRAM-SHA-256-PLUS", dict(binding=("tls-exporter", bytes(32)))),
                              ("SCRAM-SHA-256", dict(cbind=b"y,,"))):
        stream = secured(relay)
        refused(lambda: by_password(stream, user, mechanism=mechanism, **change), "not-authorized", "malformed-request")
        stream.drop()


def test_state_abuse():
    # S12
    first = Scram("SCRAM-SHA-256", user, PASSWORD).first()
    good = authenticate("SCRAM-SHA-256", first)
    ir = base64.b64encode(first).decode()
    cases = [
        ("response without authenticate", [response(b"x")], "malformed-request"),
        ("abort without authenticate", [f"<abort {NS2}/>"], "aborted"),
        ("abort", [good, f"<abort {NS2}><text>no</text></abort>"], "aborted"),
        ("authenticate in authenticate", [good, good], "stream:policy-violation"),
        ("SASL1 in SASL2", [good, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>=</auth>"],
         "stream:not-authorized"),
        ("SASL1's response in SASL2", [good, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>eA==</response>"],
         "stream:not-authorized"),
        ("SASL2 in SASL1", [f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{ir}</auth>", good],
         "stream:not-authorized"),
        ("a stanza in it", [good, f"<message to='{other}'><body>x</body></message>"], "stream:not-authorized"),
        ("a ping in it", [good, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"], "stream:not-authorized"),
        ("starttls in it", [good, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"], "stream:not-authorized"),
        ("<next/> of no task", [f"<next {NS2} task='X'/>"], "stream:not-authorized"),
        ("<success/> from the client", [f"<success {NS2}/>"], "stream:not-authorized"),
        ("response empty", [good, f"<response {NS2}/>"], "malformed-request"),
        ("response not base64", [good, f"<response {NS2}>a!b</response>"], "incorrect-encoding"),
        ("response with an element", [good, f"<response {NS2}><a/></response>"], "malformed-request"),
        ("no mechanism", [f"<authenticate {NS2}><initial-response>{ir}</initial-response></authenticate>"], "invalid-mechanism"),
        ("mechanism in small letters", [authenticate("scram-sha-256", first)], "invalid-mechanism"),
        ("unknown mechanism", [authenticate("ANONYMOUS", b"")], "invalid-mechanism"),
        ("nothing in it", [authenticate("SCRAM-SHA-256", b"")], "malformed-request"),
        ("'=' is no base64 here", [f"<authenticate {NS2} mechanism='SCRAM-SHA-256'><initial-response>a=</initial-response>"
                                   "</authenticate>"], "incorrect-encoding"),
        ("two initial responses", [good.replace("</authenticate>", "<initial-response>eA==</initial-response></authenticate>")],
         "malformed-request"),
        ("two binds", [authenticate("SCRAM-SHA-256", first, bind2() * 2)], "malformed-request"),
        ("two user agents", [authenticate("SCRAM-SHA-256", first, agent(uuid.uuid4()) * 2)], "malformed-request"),
        ("an element in the response", [f"<authenticate {NS2} mechanism='PLAIN'><initial-response><a/></initial-response>"
                                        "</authenticate>"], "malformed-request"),
        ("<fast/> with a password", [authenticate("SCRAM-SHA-256", first, "<fast xmlns='urn:xmpp:fast:0'/>")],
         "malformed-request"),
        ("a token in SASL1", ["<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='HT-SHA-256-ENDP'>eA==</auth>"],
         "failure"),
        ("a token without <fast/>", [authenticate("HT-SHA-256-ENDP", b"u\0" + bytes(32), agent(uuid.uuid4()))],
         "malformed-request"),
        ("a token without an agent", [authenticate("HT-SHA-256-ENDP", b"u\0" + bytes(32), "<fast xmlns='urn:xmpp:fast:0'/>")],
         "malformed-request"),
    ]
    inside = agent(uuid.uuid4()) + "<fast xmlns='urn:xmpp:fast:0'/>"
    for bad in (b"", b"u", b"u\0", b"\0" + bytes(32), b"u\0" + bytes(31), b"u\0" + bytes(33), b"\xff\0" + bytes(32), bytes(40),
                b"u" * 3000 + b"\0" + bytes(32)):
        cases.append((f"hashed token {bad[:10]!r}", [authenticate("HT-SHA-256-ENDP", bad, inside)], "malformed-request"))
    for what, said, wanted in cases:
        stream = secured(relay)
        for data in said[:-1]:
            stream.send(data)
            check(local(stream.read()) == "challenge", what)
        stream.send(said[-1])
        equal(outcome(stream), wanted, what)
        stream.drop()


def test_empty_challenge_asks_for_the_first_message():
    stream = secured(relay)
    exchange = Scram("SCRAM-SHA-256", user, PASSWORD)
    stream.send(authenticate("SCRAM-SHA-256"))
    equal(answer(stream).text, None, "an empty challenge")
    stream.send(response(exchange.first()))
    stream.send(response(exchange.final(base64.b64decode(answer(stream).text))))
    finish(stream, answer(stream))
    stream.close()


def last_message(stream, inside=""):
    exchange = Scram("SCRAM-SHA-256", user, PASSWORD)
    stream.send(authenticate("SCRAM-SHA-256", exchange.first(), inside))
    return response(exchange.final(base64.b64decode(answer(stream).text)))


def test_what_comes_with_the_last_message():
    # 2.4: other traffic while a login is under way ends the stream; nothing asked for inside has been done.
    mark = str(uuid.uuid4())
    session = secured(relay, jid)
    by_password(session, user, inside=agent(mark) + bind2())
    for more in ("<presence/>", f"<message to='{other}'><body>x</body></message>", "<pres",
                 authenticate("SCRAM-SHA-256", b"n,,n=u,r=x"), response(b"x")):
        stream = secured(relay, jid)
        stream.send(last_message(stream, agent(mark) + bind2()) + more)
        equal(outcome(stream), "stream:policy-violation", more)
        stream.drop()
        session.barrier()                           # was not replaced
    stream = secured(relay, jid)
    stream.send(last_message(stream, agent(mark) + bind2()) + "</stream:stream>")
    stream.gone()
    session.barrier()
    stream = secured(relay, jid)
    stream.send(last_message(stream) + "\n \n")     # white space harms nobody
    finish(stream, answer(stream))
    stream.close()
    session.drop()


def test_failed_login_does_nothing():
    # 2.6.2
    client, token = get_token(relay, jid)
    session = secured(relay, jid)
    enabled = by_password(session, user, inside=agent(client) + bind2("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")) \
        .find(f"{BIND2}bound/{SM}enabled")
    inside = agent(client) + bind2() + request_token() + f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled.get('id')}' h='0'/>"
    stream = secured(relay, jid)
    refused(lambda: by_password(stream, user, "wrong", inside=inside), "not-authorized")
    refused(lambda: by_token(stream, user, "wrong", client, attributes=" invalidate='true'",
                             inside=inside.replace(agent(client), "")), "not-authorized")
    stream.send("<presence/>")
    equal(stream.stream_error(), "not-authorized", "not logged in")
    session.barrier()
    session.close()
    stream = secured(relay, jid)
    by_token(stream, user, token, client)
    stream.close()
    # Another's session is not resumed either.
    session = secured(relay, jid)
    enabled = by_password(session, user, inside=bind2("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")).find(f"{BIND2}bound/{SM}enabled")
    stream = secured(relay, other)
    success = by_password(stream, other.partition("@")[0],
                          inside=f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled.get('id')}' h='0'/>" + bind2())
    check(success.find(SM + "failed") is not None and stream.jid.startswith(other + "/"), "M1")
    session.barrier()
    for s in (session, stream):
        s.close()


def test_second_login_on_one_stream():
    # "any further <authenticate/> element MUST result in a stream error"
    for inside in ("", bind2()):
        stream = secured(relay, jid)
        by_password(stream, user, inside=inside)
        stream.send(authenticate("SCRAM-SHA-256", Scram("SCRAM-SHA-256", user, PASSWORD).first()))
        check(stream.stream_error() in ("not-authorized", "unsupported-stanza-type"), "a second login")


def test_three_tries_a_connection():
    # S10; passwords and tokens count together
    stream = secured(relay)
    refused(lambda: by_password(stream, user, "wrong"), "not-authorized")
    refused(lambda: by_token(stream, user, "wrong", uuid.uuid4()), "not-authorized")
    refused(lambda: by_password(stream, user, "wrong"), "not-authorized")
    stream.gone()


def test_a_megabyte_of_base64():
    stream = secured(relay)
    try:
        stream.send(f"<authenticate {NS2} mechanism='SCRAM-SHA-256'><initial-response>")
        for _ in range(64):
            stream.send("QUFB" * 4096)
    except OSError:
        pass
    equal(stream.stream_error(), "policy-violation")


def test_plenty_inside():
    # Odd or too much inside a right login: let in or refused, never more.
    for inside in ("<x xmlns='u:x'/>" * 300, bind2("<x xmlns='u:x'/>" * 300), bind2("<enable xmlns='urn:xmpp:sm:3'/>" * 3),
                   agent("x"), agent("00000000-0000-0000-0000-00000000000g"), f"<user-agent {NS2}/>", bind2(tag="x" * 9000),
                   request_token("HT-SHA-256-WHAT"), request_token("SCRAM-SHA-256"), request_token(),
                   f"<resume xmlns='urn:xmpp:sm:3'/>", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='-1'/>",
                   "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"):
        stream = secured(relay, jid)
        success = by_password(stream, user, inside=inside)
        check(token_of(success) is None, "no token for nobody")
        if "xmpp:bind:0" not in inside:
            equal(stream.jid, jid)
            stream.bind()
        stream.barrier()
        stream.close()


def scram2(stream, name, mechanism, inside=""):
    """A login with a wrong password; (salt, iterations, what else the challenge says, refusal), and the seconds that the relay took."""
    exchange = Scram(mechanism, name, "wrong")
    start = time.perf_counter()
    stream.send(authenticate(mechanism, exchange.first(), inside))
    challenge = answer(stream)
    spent = time.perf_counter() - start
    final = exchange.final(base64.b64decode(challenge.text))
    start = time.perf_counter()
    stream.send(response(final))
    refusal = stream.read()
    spent += time.perf_counter() - start
    rest = [field for field in exchange.server_first.split(",") if field[:2] not in ("r=", "s=")]
    return exchange.salt, exchange.iterations, rest, ET.tostring(refusal), spent


def test_unknown_users_look_like_known_ones():
    """S8 by SASL2: the same features, steps, count and refusal, a salt as long and as steady; whatever is asked for inside."""
    client, _ = get_token(relay, jid)
    for claim in (None, "account"):
        for inside in ("", agent(client), agent(client) + request_token() + bind2("<enable xmlns='urn:xmpp:sm:3'/>"),
                       agent(client) + "<resume xmlns='urn:xmpp:sm:3' previd='x' h='1'/>"):
            seen = []
            for name in (user, "nobody", "nobody"):
                stream = secured(relay, claim and f"{name}@{HOST}")
                features = ET.tostring(stream.features)
                salt, *answers, _ = scram2(stream, name, "SCRAM-SHA-256", inside)
                seen.append((len(salt), features, answers, salt))
                stream.drop()
            equal(seen[1][:3], seen[0][:3], f"{claim} {inside}")
            equal(seen[2][3], seen[1][3], "steady")
            check(seen[0][3] != seen[1][3])
    steady = seen[1][3]
    stream = Stream(relay, direct=True)
    stream.open()
    exchange = Scram("SCRAM-SHA-256", "nobody", "wrong")
    exchange.final(stream.sasl("SCRAM-SHA-256", exchange.first())[1])
    equal(exchange.salt, steady, "one salt for a name, by SASL 1 and by SASL2: else the difference tells")
    stream.drop()


def test_unknown_users_take_as_long_with_scram():
    """S8 by SASL2: 10,000 pairs in the long run, here a look. One of the two has a token, devices and much that waits."""
    client, _ = get_token(relay, jid)
    sender = login(relay, other)
    for i in range(2000):
        sender.send(f"<message type='chat' to='{jid}'><body>{i}</body></message>")
    sender.barrier(60)
    sender.close()
    names, inside = (user, "nobody"), agent(client) + bind2()
    times = {n: [] for n in names}
    for i in range(2 * PAIRS):
        stream = secured(relay)
        times[names[i % 2]].append(scram2(stream, names[i % 2], "SCRAM-SHA-256", inside)[-1])
        stream.drop()
    took_alike(*times.values())


def test_unknown_users_take_as_long_with_plain():
    """S8 by SASL2, where the relay itself computes the hash."""
    names, times = (user, "nobody"), {user: [], "nobody": []}
    for i in range(80):
        stream = secured(relay)
        start = time.perf_counter()
        stream.send(authenticate("PLAIN", f"\0{names[i % 2]}\0wrong".encode()))
        equal(outcome(stream), "not-authorized")
        times[names[i % 2]].append(time.perf_counter() - start)
        stream.drop()
    known, nobody = (statistics.quantiles(v, n=10)[0] for v in times.values())
    print(f"  known {known * 1e3:.2f} ms, unknown {nobody * 1e3:.2f} ms")
    check(SANITIZED or abs(known - nobody) < 0.25 * known + 0.001, "the hash is computed for both")


def test_unknown_users_look_and_take_as_long_with_tokens():
    # S8
    get_token(relay, jid)
    names = (user, "nobody")
    times = {n: [] for n in names}
    for i in range(2 * PAIRS):
        name = names[i % 2]
        stream = secured(relay)
        first, _ = hashed(stream, name, "wrong")
        start = time.perf_counter()
        stream.send(authenticate("HT-SHA-256-EXPR", first, agent(uuid.uuid4()) + "<fast xmlns='urn:xmpp:fast:0'/>" + bind2()))
        equal(outcome(stream), "not-authorized")
        times[name].append(time.perf_counter() - start)
        stream.drop()
    took_alike(*times.values())


def test_control_a_difference_is_seen():
    """S8's judge: a tenth of a millisecond on top of 0.3 for one of the two is told from none."""
    r = random.Random(1)
    times = [r.gauss(300e-6, 50e-6) for _ in range(2 * PAIRS)]
    took_alike(times[::2], times[1::2])
    try:
        took_alike(times[::2], [t + 100e-6 for t in times[1::2]])
    except AssertionError:
        return
    raise AssertionError("a user who is there would be told from one who is not")


def test_last_nobody_was_disturbed():
    bystander.verdict(5 if not SANITIZED else 20)


main()
