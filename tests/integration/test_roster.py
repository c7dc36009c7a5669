#!/usr/bin/python3
"""Rosters: RFC 6121 section 2, with versioning (2.6) and pushes to every interested resource."""
from lazo_test import *
from xmpp_raw import *

FRIEND = "amiga@hogar.example"
QUERY = "<query xmlns='jabber:iq:roster'/>"


def setup():
    global relay
    relay = Relay()


def roster(stream, version=None):
    """The roster as {jid: item}; the version, or None for an empty result."""
    ver = "" if version is None else f" ver='{version}'"
    reply = stream.result("get", f"<query xmlns='jabber:iq:roster'{ver}/>")
    query = reply.find(ROSTER + "query")
    if query is None:
        return None
    return {i.get("jid"): i for i in query}, query.get("ver")


def put(jid, name=None, groups=(), extra=""):
    return (f"<query xmlns='jabber:iq:roster'><item jid='{jid}'" + (f" name='{name}'" if name is not None else "") + extra
            + ">" + "".join(f"<group>{g}</group>" for g in groups) + "</item></query>")


def test_empty_roster():
    stream = login(relay, relay.user(), presence=False)
    items, _ = roster(stream)
    equal(items, {})
    stream.close()


def test_add_change_remove_with_pushes():
    jid = relay.user()
    one, two, deaf = (login(relay, jid, presence=False) for _ in range(3))
    roster(one)
    roster(two)
    one.result("set", put(FRIEND, "Ana", ["Familia", "Madrid"]))
    for stream in (one, two):
        item = stream.push()
        equal((item.get("jid"), item.get("name"), item.get("subscription")), (FRIEND, "Ana", "none"))
        equal(sorted(g.text for g in item), ["Familia", "Madrid"])
    one.result("set", put(FRIEND, "Ana &amp; Luis"))
    for stream in (one, two):
        item = stream.push()
        equal((item.get("name"), len(item)), ("Ana & Luis", 0))
    items, _ = roster(one)
    equal(list(items), [FRIEND])
    two.result("set", put(FRIEND, extra=" subscription='remove'"))
    for stream in (one, two):
        equal(stream.push().get("subscription"), "remove")
    equal(roster(one)[0], {})
    # RFC 6121 2.2: a resource that never asked for the roster is not interested.
    equal([e for e in deaf.barrier() if e.tag == CLIENT + "iq"], [])
    for stream in (one, two, deaf):
        stream.close()


def test_bad_sets_are_refused():
    stream = login(relay, relay.user(), presence=False)
    ns = "xmlns='jabber:iq:roster'"
    cases = [       # RFC 6121 2.3.3, 2.5.3 and RFC 6120 8.3.3.8
        (f"<query {ns}><item jid='a@b.example'/><item jid='c@d.example'/></query>", ("modify", "bad-request")),
        (f"<query {ns}><item/></query>", ("modify", "bad-request")),
        (f"<query {ns}/>", ("modify", "bad-request")),
        (put("a@b.example", groups=["x", "x"]), ("modify", "bad-request")),
        (put("a@b.example", groups=[""]), ("modify", "not-acceptable")),
        (put("a@b.example", name="n" * 5000), ("modify", "not-acceptable")),
        (put("a@b.example", groups=["g" * 5000]), ("modify", "not-acceptable")),
        (put("@", name="x"), ("modify", "jid-malformed")),
        (put("not-there@b.example", extra=" subscription='remove'"), ("cancel", "item-not-found")),
    ]
    for payload, wanted in cases:
        got = stream.refused("set", payload)
        loose = got[1] in ("bad-request", "jid-malformed") and wanted[1] == "jid-malformed"
        check(got == wanted or loose, f"{payload[:120]}: {got}, wanted {wanted}")
    equal(roster(stream)[0], {}, "nothing of it was kept")
    stream.close()


def test_subscription_in_a_set_is_ignored():
    # RFC 6121 2.1.2.5: a server must ignore any value but "remove".
    stream = login(relay, relay.user(), presence=False)
    roster(stream)
    stream.result("set", put(FRIEND, extra=" subscription='both' ask='subscribe'"))
    item = stream.push()
    equal((item.get("subscription"), item.get("ask")), ("none", None))
    stream.close()


def test_jid_is_made_canonical():
    stream = login(relay, relay.user(), presence=False)
    stream.result("set", put("AMIGO@Hogar.Example"))
    equal(list(roster(stream)[0]), ["amigo@hogar.example"])
    # RFC 6121 2.1.2.4: a bare JID; a full one is refused or shortened, never kept.
    reply = stream.iq("set", put("otro@hogar.example/phone"))
    check("otro@hogar.example/phone" not in roster(stream)[0], "no full JID in a roster")
    check(reply.get("type") == "result" or error_of(reply)[1] in ("bad-request", "jid-malformed"), str(error_of(reply)))
    stream.close()


def test_roster_of_another_is_forbidden():
    mine, theirs = relay.user(), relay.user()
    stream = login(relay, mine, presence=False)
    kind, condition = stream.refused("get", QUERY, theirs)
    check(condition in ("forbidden", "service-unavailable"), condition)
    kind, condition = stream.refused("set", put("x@y.example"), theirs)
    check(condition in ("forbidden", "service-unavailable"), condition)
    stream.close()


def test_versioning():
    jid = relay.user()
    stream = login(relay, jid, presence=False)
    check(stream.features.find("{urn:xmpp:features:rosterver}ver") is not None, "announced among the stream's features")
    _, first = roster(stream, "")
    check(first is not None, "a version comes with the roster")
    stream.result("set", put(FRIEND, "Ana"))
    push = stream.wait(lambda e: e.find(ROSTER + "query") is not None)
    version = push.find(ROSTER + "query").get("ver")
    check(version and version != first, "a push tells the new version")
    stream.close()

    stream = login(relay, jid, presence=False)
    equal(roster(stream, version), None, "RFC 6121 2.6.3: an empty result, nothing has changed")
    stream.close()

    other = login(relay, jid, presence=False)
    roster(other)
    other.result("set", put("b@hogar.example"))
    other.result("set", put("c@hogar.example"))
    other.result("set", put(FRIEND, extra=" subscription='remove'"))
    other.close()

    # What changed since: as the whole roster, or as an empty result and pushes.
    stream = login(relay, jid, presence=False)
    answer = roster(stream, version)
    if answer is None:
        changed = {}
        for _ in range(3):
            item = stream.push()
            changed[item.get("jid")] = item.get("subscription")
        equal(changed, {"b@hogar.example": "none", "c@hogar.example": "none", FRIEND: "remove"})
    else:
        equal(sorted(answer[0]), ["b@hogar.example", "c@hogar.example"])
    stream.close()

    stream = login(relay, jid, presence=False)
    items, _ = roster(stream, "a version of another server")
    equal(len(items), 2, "an unknown version gets the whole")
    stream.close()


def test_survives_a_restart():
    jid = relay.user()
    stream = login(relay, jid, presence=False)
    stream.result("set", put(FRIEND, "Ana", ["Familia"]))
    stream.drop()
    relay.restart()
    stream = login(relay, jid, presence=False)
    item = roster(stream)[0][FRIEND]
    equal((item.get("name"), item[0].text), ("Ana", "Familia"))
    stream.close()


def test_item_limit():
    """A roster does not grow without bound (XEP-0205); what is there stays."""
    stream = login(relay, relay.user(), presence=False)
    for start in range(0, 1500, 50):
        stream.send("".join(f"<iq type='set' id='r{i}'>{put(f'c{i}@hogar.example')}</iq>"
                            for i in range(start, start + 50)))
        replies = [stream.wait(lambda e: e.tag == CLIENT + "iq" and e.get("type") in ("result", "error"), 30)
                   for _ in range(50)]
        refused = [error_of(r) for r in replies if r.get("type") == "error"]
        if refused:
            check(refused[0][1] in ("resource-constraint", "not-allowed", "policy-violation", "not-acceptable"),
                  f"{refused[0]}")
            break
    items, _ = roster(stream)
    check(len(items) >= 1000, f"{len(items)} contacts")
    stream.close()


main()
