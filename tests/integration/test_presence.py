#!/usr/bin/python3
"""Subscriptions and presence between accounts of one relay: RFC 6121 sections 3 and 4."""
import time

from lazo_test import *
from xmpp_raw import *


def setup():
    global relay
    relay = Relay()


def interested(jid):
    """A session that asked for its roster: only such a one hears of changes of subscriptions (RFC 6121 2.2)."""
    stream = login(relay, jid)
    stream.result("get", "<query xmlns='jabber:iq:roster'/>")
    return stream


def pair():
    return interested(relay.user()), interested(relay.user())


def state(stream, contact):
    """(subscription, ask) of a contact in the roster."""
    reply = stream.result("get", "<query xmlns='jabber:iq:roster'/>")
    for item in reply.find(ROSTER + "query"):
        if item.get("jid") == bare(contact):
            return item.get("subscription"), item.get("ask")
    return None


def subscribe(stream, to, kind="subscribe"):
    stream.send(f"<presence type='{kind}' to='{bare(to)}'/>")


def test_subscription_both_ways():
    a, b = pair()
    subscribe(a, b.jid)
    item = a.push()
    equal((item.get("jid"), item.get("subscription"), item.get("ask")), (bare(b.jid), "none", "subscribe"))
    request = b.presence(bare(a.jid), "subscribe")
    equal((request.get("from"), request.get("to")), (bare(a.jid), bare(b.jid)), "RFC 6121 3.1.2: bare addresses")
    equal(state(b, a.jid), None, "3.1.3: a request alone is no roster item")
    subscribe(b, a.jid, "subscribed")
    equal(b.push().get("subscription"), "from")
    item = a.push()
    equal((item.get("subscription"), item.get("ask")), ("to", None))
    a.presence(bare(b.jid), "subscribed")
    equal(a.presence(b.jid).get("from"), b.jid, "3.1.5: the contact's presence follows")
    subscribe(b, a.jid)
    a.presence(bare(b.jid), "subscribe")
    subscribe(a, b.jid, "subscribed")
    b.presence(bare(a.jid), "subscribed")
    b.presence(a.jid)
    equal(state(a, b.jid), ("both", None))
    equal(state(b, a.jid), ("both", None))
    a.close()
    equal(b.presence(a.jid, "unavailable").get("from"), a.jid)
    b.close()


def test_request_waits_for_someone_away():
    a = interested(relay.user())
    absent = relay.user()
    subscribe(a, absent)
    a.barrier()
    for _ in range(2):          # RFC 6121 3.1.3: at each login until it is answered
        b = login(relay, absent)
        b.presence(bare(a.jid), "subscribe")
        b.close()
    b = login(relay, absent)
    b.presence(bare(a.jid), "subscribe")
    subscribe(b, a.jid, "unsubscribed")
    a.presence(absent, "unsubscribed")
    equal(state(a, absent), ("none", None))
    b.close()
    b = login(relay, absent)
    equal([e for e in b.barrier() if e.get("type") == "subscribe"], [], "answered, so not asked again")
    b.close()
    a.close()


def test_pre_approval():
    # RFC 6121 3.4
    a, b = pair()
    check(a.features.find("{urn:xmpp:features:pre-approval}sub") is not None, "announced")
    subscribe(a, b.jid, "subscribed")
    item = a.push()
    equal((item.get("approved"), item.get("subscription")), ("true", "none"))
    equal([e for e in b.barrier() if e.tag == CLIENT + "presence"], [], "a pre-approval is not told")
    subscribe(b, a.jid)
    b.presence(bare(a.jid), "subscribed")
    equal([e for e in a.barrier() if e.get("type") == "subscribe"], [], "and the request is not shown")
    equal(state(b, a.jid), ("to", None))
    a.close()
    b.close()


def test_unsubscribe_and_cancel():
    a, b = pair()
    befriend(a, b)
    subscribe(a, b.jid, "unsubscribe")
    b.presence(bare(a.jid), "unsubscribe")
    equal(a.presence(b.jid, "unavailable").get("from"), b.jid, "3.3.3: who unsubscribed sees the contact go")
    equal(state(a, b.jid)[0], "from")
    equal(state(b, a.jid)[0], "to")
    subscribe(a, b.jid, "unsubscribed")
    b.presence(bare(a.jid), "unsubscribed")
    b.presence(a.jid, "unavailable")
    equal(state(a, b.jid)[0], "none")
    equal(state(b, a.jid)[0], "none")
    b.close()
    equal([e for e in a.barrier() if e.tag == CLIENT + "presence"], [], "strangers now")
    a.close()


def test_removing_a_contact_ends_both_directions():
    a, b = pair()
    befriend(a, b)
    a.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{bare(b.jid)}' subscription='remove'/></query>")
    b.presence(bare(a.jid), "unsubscribe")
    b.presence(bare(a.jid), "unsubscribed")
    equal(state(b, a.jid), ("none", None))
    equal(state(a, b.jid), None)
    a.close()
    b.close()


def test_presence_goes_to_contacts_and_own_resources_only():
    a, b = pair()
    befriend(a, b)
    stranger = login(relay, relay.user())
    other = login(relay, bare(a.jid))
    equal(a.presence(other.jid).get("to", bare(a.jid)).partition("/")[0], bare(a.jid), "own resources see it")
    b.presence(other.jid)
    other.presence(b.jid)
    other.presence(a.jid)
    a.send("<presence><show>dnd</show><status>en misa</status><priority>7</priority><x xmlns='urn:example:x'/></presence>")
    for stream in (b, other):
        seen = stream.presence(a.jid)
        equal((text_of(seen, CLIENT + "show"), text_of(seen, CLIENT + "status")), ("dnd", "en misa"))
        check(seen.find("{urn:example:x}x") is not None, "unknown payloads pass")
    equal([e for e in stranger.barrier() if e.tag == CLIENT + "presence"], [])
    for stream in (a, b, other, stranger):
        stream.close()


def test_lost_connection_is_unavailable():
    a, b = pair()
    befriend(a, b)
    a.drop()
    b.presence(a.jid, "unavailable", timeout=10)
    b.close()


def test_directed_presence():
    a, b = pair()
    a.send(f"<presence to='{b.jid}'><status>hola</status></presence>")
    equal(text_of(b.presence(a.jid), CLIENT + "status"), "hola")
    # RFC 6121 4.6.3: and its end is told to the same, though no subscriber.
    a.close()
    b.presence(a.jid, "unavailable")
    b.close()


def test_probe():
    a, b = pair()
    befriend(a, b)
    stranger = login(relay, relay.user())
    a.send(f"<presence type='probe' to='{bare(b.jid)}'/>")
    answer = a.presence(b.jid)
    delay = answer.find(DELAY + "delay")
    check(delay is not None and delay.get("from") == HOST, "what was said earlier is dated by the relay")
    stranger.send(f"<presence type='probe' to='{bare(b.jid)}'/>")
    came = [e for e in stranger.barrier() if e.tag == CLIENT + "presence"]
    check(all(e.get("type") in ("unsubscribed", "unavailable") for e in came), "4.3.2: nothing leaks to a stranger")
    equal([e for e in b.barrier() if e.get("type") == "probe"], [], "probes never reach clients")
    for stream in (a, b, stranger):
        stream.close()


def test_presence_of_the_past_is_dated():
    a, b = pair()
    befriend(a, b)
    forged = f"<delay xmlns='urn:xmpp:delay' from='{HOST}' stamp='2001-01-01T00:00:00Z'/>"
    b.send(f"<presence><show>away</show>{forged}</presence>")
    live = a.presence(b.jid)
    equal(live.findall(DELAY + "delay"), [], "nobody dates anything in the relay's name")
    second = login(relay, bare(a.jid))
    shown = second.presence(b.jid)
    stamps = [d.get("stamp") for d in shown.findall(DELAY + "delay")]
    equal(len(stamps), 1)
    check(stamps[0].startswith(time.strftime("%Y-%m-", time.gmtime())), f"with the time when it was said, not {stamps[0]}")
    equal(shown.find(CLIENT + "show").text, "away")
    for stream in (a, b, second):
        stream.close()


def test_subscribe_to_nobody():
    # RFC 6121 8.5.1: presence for an account that is not there is ignored or refused the same for all.
    a = interested(relay.user())
    subscribe(a, f"nobody@{HOST}")
    came = [e for e in a.barrier() if e.tag == CLIENT + "presence"]
    check(all(e.get("type") in ("error", "unsubscribed", "unavailable") for e in came), "no subscription is pretended")
    check(state(a, f"nobody@{HOST}") in (("none", None), ("none", "subscribe"), None), "nor kept as one")
    a.close()


def test_unavailable_without_having_been_available():
    a, b = pair()
    befriend(a, b)
    quiet = login(relay, bare(a.jid), presence=False)
    quiet.close()
    equal([e for e in b.barrier() if e.get("from") == quiet.jid], [])
    a.close()
    b.close()


def test_bad_presence():
    a, b = pair()
    befriend(a, b)
    a.send("<presence type='sideways' id='bad'/>")
    equal(a.presence(kind="error").get("id"), "bad")
    for priority in ("128", "-129", "high", "1e2", "0x10"):
        a.send(f"<presence><priority>{priority}</priority></presence>")
    for seen in a.barrier() + b.barrier():
        if seen.tag == CLIENT + "presence" and seen.get("type") is None:
            check(-128 <= int(text_of(seen, CLIENT + "priority", "0")) <= 127, "no impossible priority goes out")
    a.close()
    b.close()


def test_survives_a_restart():
    a, b = pair()
    befriend(a, b)
    names = bare(a.jid), bare(b.jid)
    a.drop()
    b.drop()
    relay.restart()
    a, b = (login(relay, name) for name in names)
    equal(state(a, b.jid)[0], "both")
    a.presence(b.jid)
    b.presence(a.jid)
    a.close()
    b.close()


main()
