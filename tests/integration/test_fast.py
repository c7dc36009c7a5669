#!/usr/bin/python3
"""Fast login: SASL2, Bind 2 with stream management, carbons and CSI inside, tokens, downgrade protection (XEP-0388, 0386, 0484, 0474)."""
import time
import uuid

from lazo_test import *
from xmpp_fast import *
from xmpp_raw import *


def setup():
    global relay, jid, user
    relay = Relay()
    jid = relay.user()
    user = jid.partition("@")[0]


def fresh():
    made = relay.user()
    return made, made.partition("@")[0]


def mechanisms(stream, path):
    return [m.text for m in stream.features.iterfind(path)]


def test_offered_behind_tls_alone():
    stream = Stream(relay)
    check(stream.open().find(SASL2 + "authentication") is None, "SASL2 only after TLS (XEP-0388, security)")
    stream.starttls()
    stream.open()
    offer = stream.features.find(SASL2 + "authentication")
    equal([m.text for m in offer.iterfind(SASL2 + "mechanism")], ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], "no SHA-1 here")
    inline = offer.find(SASL2 + "inline")
    equal([m.text for m in inline.iterfind(f"{FAST}fast/{FAST}mechanism")],
          ["HT-SHA-256-EXPR", "HT-SHA-256-ENDP"], "none without channel binding")
    check(inline.find(FAST + "fast").get("tls-0rtt") in (None, "false", "0"), "no early data")
    check(inline.find(SM + "sm") is not None, "resumption inside")
    equal(sorted(f.get("var") for f in inline.iterfind(f"{BIND2}bind/{BIND2}inline/{BIND2}feature")),
          ["urn:xmpp:carbons:2", "urn:xmpp:csi:0", "urn:xmpp:sm:3"])
    stream.close()


def test_offer_does_not_depend_on_the_user():
    def features(claim):
        stream = secured(relay, claim)
        said = ET.tostring(stream.features)
        stream.close()
        return said
    equal(features(jid), features(f"nobody-{uuid.uuid4().hex}@{HOST}"), "who it says it is changes nothing")
    equal(features(jid), features(None))


def test_scram_alone_then_binding_in_the_old_way():
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
        stream = secured(relay, jid)
        how = {"binding": ("tls-exporter", exporter(stream))} if mechanism.endswith("PLUS") else {}
        by_password(stream, user, mechanism=mechanism, **how)
        equal(stream.jid, jid, "bare: nothing is bound yet")
        check(stream.features.find(BIND + "bind") is not None, "a resource can be bound")
        check(stream.features.find(SASL2 + "authentication") is None, "no second login")
        stream.bind("old")
        stream.barrier()
        stream.close()


def test_all_at_once():
    client = str(uuid.uuid4())
    stream = secured(relay, jid)
    success = by_password(stream, user, inside=agent(client) + request_token() + bind2(
        "<enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3' resume='true'/><inactive xmlns='urn:xmpp:csi:0'/>"))
    bound = success.find(BIND2 + "bound")
    check(bound is not None, "bound")
    check(stream.jid.startswith(jid + "/raw/"), f"tag/id: {stream.jid}")
    check(client not in stream.jid, "the client's id is not exposed")
    check(bound.find(MAM + "metadata") is not None, "the archive's ends")
    enabled = bound.find(SM + "enabled")
    check(enabled is not None and enabled.get("id"), "stream management, resumable")
    check(stream.features.find(BIND + "bind") is None, "nothing left to bind")
    check(token_of(success), "a token")
    stream.send("<presence/>")
    check(not [e for e in stream.barrier() if e.tag == CLIENT + "presence"], "inactive from the start: presence waits")
    stream.send("<active xmlns='urn:xmpp:csi:0'/>")
    stream.presence(stream.jid)
    stream.send("<r xmlns='urn:xmpp:sm:3'/>")
    equal(stream.wait(lambda e: e.tag == SM + "a").get("h"), "2", "counted from the start")

    other = login(relay, jid)
    peer = login(relay, relay.user())
    other.send(f"<message to='{peer.jid}' type='chat' id='c1'><body>copied</body></message>")
    copy = stream.wait(lambda e: e.tag == CLIENT + "message" and e.find("{urn:xmpp:carbons:2}sent") is not None)
    check(copy is not None, "carbons are on")
    for s in (stream, other, peer):
        s.close()


def test_brief():
    # Our own client's word: no metadata, no features to read; only with a resource, else there is something left to do.
    stream = secured(relay, jid)
    success = by_password(stream, user, inside=bind2() + "<brief xmlns='urn:lazo:brief:0'/>")
    equal(len(success.find(BIND2 + "bound")), 0)
    equal(len(stream.features), 0)
    stream.barrier()
    stream.close()
    stream = secured(relay, jid)
    by_password(stream, user, inside="<brief xmlns='urn:lazo:brief:0'/>")
    check(stream.features.find(BIND + "bind") is not None, "something to bind")
    stream.close()


def test_resource_is_stable_for_a_client():
    client, seen = str(uuid.uuid4()), []
    for tag in ("one", "one", "two", None, "", "\u0007", "x" * 2000):
        stream = secured(relay, jid)
        by_password(stream, user, inside=agent(client) + (bind2(tag=tag) if tag != "\u0007" else bind2(tag="&#xe000;")))
        seen.append(stream.jid.partition("/")[2])
        stream.close()
    equal(seen[0], seen[1], "the same client, the same resource")
    equal(seen[0].partition("/")[2], seen[2].partition("/")[2], "the id is the client's")
    equal(seen[3], seen[0].partition("/")[2], "no tag: the id alone")
    equal(seen[3:4] * 3, seen[4:7], f"no usable tag: the id alone {seen}")
    stream = secured(relay, jid)
    by_password(stream, user, inside=agent(str(uuid.uuid4())) + bind2(tag="one"))
    check(stream.jid.partition("/")[2] != seen[0], "another client, another resource")
    stream.close()


def test_earlier_session_of_the_client_ends():
    client = str(uuid.uuid4())
    first, second = secured(relay, jid), secured(relay, jid)
    by_password(first, user, inside=agent(client) + bind2(tag="a"))
    by_password(second, user, inside=agent(client) + bind2(tag="b"))
    equal(first.stream_error(), "conflict")
    second.barrier()
    second.close()


def test_token_each_binding():
    for binding in ("EXPR", "ENDP"):
        mechanism = f"HT-SHA-256-{binding}"
        client, token = get_token(relay, jid, mechanism=mechanism)
        for _ in range(3):
            stream = secured(relay, jid)
            success = by_token(stream, user, token, client, mechanism, inside=bind2())
            check(token_of(success) is None, "not due for another")
            stream.barrier()
            stream.close()


def refused_fast(token, client, mechanism="HT-SHA-256-EXPR", name=None, inside="", attributes=""):
    stream = secured(relay)
    try:
        by_token(stream, name or user, token, client, mechanism, inside=inside, attributes=attributes)
    except Refused as why:
        return why.condition, stream
    raise AssertionError("a bad token was good")


def test_token_is_for_its_mechanism_client_and_account_alone():
    client, token = get_token(relay, jid)
    other, other_user = fresh()
    for how in ({"mechanism": "HT-SHA-256-ENDP"}, {"client": str(uuid.uuid4())},
                {"name": other_user}, {"name": f"nobody{uuid.uuid4().hex}"}, {"token": token[:-1] + "A"}):
        condition, stream = refused_fast(**{"token": token, "client": client, **how})
        equal(condition, "not-authorized", f"{how}")
        stream.close()
    stream = secured(relay, jid)
    by_token(stream, user, token, client)
    stream.close()


def test_token_of_another_channel():
    # The hash made for one TLS session says nothing in another: what is replayed fails.
    client, token = get_token(relay, jid)
    one, two = secured(relay), secured(relay)
    first, _ = hashed(one, user, token)
    two.send(authenticate("HT-SHA-256-EXPR", first, agent(client) + "<fast xmlns='urn:xmpp:fast:0'/>"))
    try:
        answer(two)
    except Refused as why:
        equal(why.condition, "not-authorized")
    else:
        raise AssertionError("replayed")
    one.close()
    two.close()


def test_wrong_token_then_scram_on_the_same_connection():
    client, _ = get_token(relay, jid)
    condition, stream = refused_fast("x" * 44, client)
    equal(condition, "not-authorized")
    by_password(stream, user, inside=bind2())
    stream.barrier()
    stream.close()


def test_count_is_never_repeated():
    client, token = get_token(relay, jid)
    for count, good in ((1, True), (5, True), (5, False), (3, False), (6, True)):
        stream = secured(relay, jid)
        try:
            by_token(stream, user, token, client, attributes=f" count='{count}'")
            check(good, f"count {count} was taken twice")
        except Refused as why:
            check(not good, f"count {count} was refused: {why}")
        stream.close()
    for count in ("", "0", "-1", "x", "1e3", "99999999999"):
        condition, stream = refused_fast(token, client, attributes=f" count='{count}'")
        equal(condition, "malformed-request", f"count={count!r}")
        stream.close()


def test_invalidate():
    client, token = get_token(relay, jid)
    stream = secured(relay, jid)
    success = by_token(stream, user, token, client, attributes=" invalidate='true'")
    check(token_of(success) is None, "no other one instead")
    stream.close()
    condition, stream = refused_fast(token, client)
    equal(condition, "not-authorized")
    stream.close()


def test_new_token_ends_the_old_when_used():
    client, old = get_token(relay, jid)
    stream = secured(relay, jid)
    new = token_of(by_token(stream, user, old, client, inside=request_token()))
    stream.close()
    check(new and new != old, "another one")
    stream = secured(relay, jid)
    by_token(stream, user, old, client)            # XEP-0484 4.5: good until the new one is used
    stream.close()
    stream = secured(relay, jid)
    by_token(stream, user, new, client)
    stream.close()
    condition, stream = refused_fast(old, client)
    equal(condition, "not-authorized")
    stream.close()


def test_new_password_ends_tokens():
    mine, name = fresh()
    client, token = get_token(relay, mine)
    session = login(relay, mine)
    session.result("set", f"<query xmlns='jabber:iq:register'><username>{name}</username>"
                   "<password>another one</password></query>", HOST)
    session.close()
    condition, stream = refused_fast(token, client, name=name)
    equal(condition, "not-authorized")
    by_password(stream, name, "another one")
    stream.close()


def test_removed_account_has_no_tokens():
    mine, name = fresh()
    client, token = get_token(relay, mine)
    relay.ctl("user", "del", mine)
    condition, stream = refused_fast(token, client, name=name)
    equal(condition, "not-authorized")
    stream.close()
    relay.ctl("user", "add", mine, stdin=PASSWORD + "\n")
    condition, stream = refused_fast(token, client, name=name)
    equal(condition, "not-authorized", "who comes next is another")
    stream.close()


def test_kick_ends_tokens():
    client, token = get_token(relay, jid)
    spared, spare = get_token(relay, jid)
    stream = secured(relay, jid)
    by_token(stream, user, token, client, inside=bind2())
    relay.ctl("session", "kick", stream.jid)
    stream.gone()
    condition, stream = refused_fast(token, client)
    equal(condition, "not-authorized")
    stream.close()
    stream = secured(relay, jid)
    by_token(stream, user, spare, spared, inside=bind2())
    relay.ctl("session", "kick", jid)
    stream.gone()
    condition, stream = refused_fast(spare, spared)
    equal(condition, "not-authorized", "a bare address: all of the account's")
    stream.close()


def test_tokens_outlive_a_restart_and_a_kill():
    client, token = get_token(relay, jid)
    relay.kill()
    relay.start()
    stream = secured(relay, jid)
    by_token(stream, user, token, client, inside=bind2())
    stream.close()


def test_clients_with_tokens_are_bounded():
    mine, name = fresh()
    first = get_token(relay, mine)
    rest = [get_token(relay, mine) for _ in range(20)]
    condition, stream = refused_fast(first[1], first[0], name=name)
    equal(condition, "not-authorized", "the oldest of 21 is gone")
    stream.close()
    stream = secured(relay, mine)
    by_token(stream, name, rest[0][1], rest[0][0])
    stream.close()


def test_resume_inside():
    client, token = get_token(relay, jid)
    enable = bind2("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    first = secured(relay, jid)
    enabled = by_token(first, user, token, client, inside=enable).find(f"{BIND2}bound/{SM}enabled")
    available(first)
    first.send("<r xmlns='urn:xmpp:sm:3'/>")
    first.wait(lambda e: e.tag == SM + "a")
    full = first.jid
    first.drop()
    peer = login(relay, relay.user())
    peer.send(f"<message to='{full}' type='chat' id='m1'><body>meanwhile</body></message>")
    peer.barrier()
    second = secured(relay, jid)
    success = by_token(second, user, token, client, inside=f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled.get('id')}' h='1'/>"
                        + enable, features=False)
    resumed = success.find(SM + "resumed")
    check(resumed is not None, "resumed")
    equal(resumed.get("h"), "1")
    equal(second.jid, full)
    check(success.find(BIND2 + "bound") is None, "bind is ignored then")
    second.message(body="meanwhile")                # and no features before it
    check(not any(e.tag == STREAM + "features" for e in second.inbox), "no features (XEP-0198 9.2)")
    second.barrier()

    third = secured(relay, jid)
    success = by_token(third, user, token, client, inside=f"<resume xmlns='urn:xmpp:sm:3' previd='{'0' * 32}' h='1'/>" + enable)
    check(success.find(f"{SM}failed/{STANZA_ERRORS}item-not-found") is not None, "no such session")
    check(success.find(f"{BIND2}bound/{SM}enabled") is not None, "a new one instead")
    third.barrier()
    third.close()
    peer.close()


def test_downgrade_protection():
    # XEP-0474 4.1, for both profiles.
    def expected(stream, path, algorithm):
        kinds = [c.get("type") for c in stream.features.iterfind(f"{SASL_CB}sasl-channel-binding/{SASL_CB}channel-binding")]
        text = "\x1e".join(sorted(mechanisms(stream, path))) + "\x1f" + "\x1e".join(sorted(kinds))
        return base64.b64encode(hashlib.new(algorithm, text.encode()).digest()).decode()
    for mechanism, algorithm in (("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-1", "sha1")):
        if algorithm == "sha256":
            stream = secured(relay)
            want = expected(stream, f"{SASL2}authentication/{SASL2}mechanism", algorithm)
            by_password(stream, user, mechanism=mechanism)
            equal(dict(f.split("=", 1) for f in stream.server_first.split(","))["h"], want)
            stream.close()
        stream = secured(relay)
        want = expected(stream, f"{SASL}mechanisms/{SASL}mechanism", algorithm)
        exchange = Scram(mechanism, user, PASSWORD)
        exchange.run(stream)
        equal(dict(f.split("=", 1) for f in exchange.server_first.split(","))["h"], want)
        stream.drop()


def test_big_stanza_and_many_elements_behind_sasl2():
    # The limits of a stranger are gone with the login, though the parser is the same.
    stream = secured(relay, jid)
    by_password(stream, user, inside=bind2())
    available(stream)
    stream.send(f"<message to='{jid}' type='chat' id='big'><body>{'x' * 200000}</body></message>")
    equal(len(text_of(stream.message(id="big"), CLIENT + "body")), 200000)
    stream.send(f"<message to='{jid}' type='chat' id='many'><body>y</body><x xmlns='u:x'>{'<a/>' * 20000}</x></message>")
    equal(len(stream.message(id="many").find("{u:x}x")), 20000)
    stream.close()


main()
