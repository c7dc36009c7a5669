#!/usr/bin/python3
"""The archive of an account: what is in it, paging, filters, preferences, limits (XEP-0313, XEP-0059, XEP-0334, XEP-0441)."""
import sqlite3
import time
import xml.etree.ElementTree as ET

from archive import *
from lazo_test import *
from xmpp_raw import *


def setup():
    global relay
    relay = Relay()


def say(stream, to, body, kind="chat", extra="", ident=None):
    inside = f"<body>{body}</body>" if body is not None else ""
    stream.send(f"<message to='{to}' id='{ident or new_id()}' type='{kind}'>{inside}{extra}</message>")


def pair(count=0):
    a, b = (login(relay, relay.user()) for _ in range(2))
    for i in range(count):
        say(a, bare(b.jid), f"n{i}")
    a.barrier()
    return a, b


def prefs_of(iq):
    prefs = iq.find(MAM + "prefs")
    lists = {name: [j.text for j in prefs.find(MAM + name).iterfind(MAM + "jid")] for name in ("always", "never")}
    return prefs.get("default"), lists["always"], lists["never"]


def test_announced():
    a, b = pair()
    info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    features = [f.get("var") for f in a.result("get", info, bare(a.jid)).iter(DISCO_INFO + "feature")]
    for need in ("urn:xmpp:mam:2", "urn:xmpp:mam:2#extended", "urn:xmpp:sid:0"):
        check(need in features, f"{need} in {features}")
    form = a.result("get", "<query xmlns='urn:xmpp:mam:2'/>").find(f"{MAM}query/{FORM}x")
    fields = {f.get("var"): f.get("type") for f in form.iterfind(FORM + "field")}
    for var, kind in (("with", "jid-single"), ("start", "text-single"), ("end", "text-single"), ("ids", "list-multi"),
                      ("before-id", "text-single"), ("after-id", "text-single"), ("FORM_TYPE", "hidden")):
        equal(fields.get(var), kind, var)
    a.close()
    b.close()


def test_both_sides_have_it_with_the_delivered_id():
    a, b = pair()
    before = time.time()
    say(a, bare(b.jid), "¿Cómo están?", extra="<x xmlns='urn:example:x'/>", ident="m1")
    got = b.message(body="¿Cómo están?")
    live = [e.get("id") for e in got.iterfind(SID + "stanza-id")]
    for side in (a, b):
        page = archive(side)
        equal(page.bodies, ["¿Cómo están?"])
        inner = page.messages[0]
        equal((inner.get("from"), inner.get("to"), inner.get("id"), inner.get("type")), (a.jid, bare(b.jid), "m1", "chat"))
        check(inner.find("{urn:example:x}x") is not None, "the whole stanza")
        equal((page.first, page.last, page.complete), (page.ids[0], page.ids[0], True))
        check(page.delays[0].startswith(time.strftime("%Y-%m-%dT%H:", time.gmtime(before))), page.delays[0])
    equal(live, archive(b).ids, "one id for delivery and archive")
    a.close()
    b.close()


def test_empty():
    a, b = pair()
    page = archive(a)
    equal((page.ids, page.complete, page.first, page.count), ([], True, None, "0"))
    metadata = a.result("get", "<metadata xmlns='urn:xmpp:mam:2'/>").find(MAM + "metadata")
    equal(list(metadata), [], "XEP-0313 5: empty")
    a.close()
    b.close()


def test_a_query_sees_what_was_sent_before_it():
    a, b = pair()
    for i in range(20):
        say(a, bare(b.jid), f"n{i}")
    equal(archive(a).bodies, [f"n{i}" for i in range(20)])
    a.close()
    b.close()


def test_what_is_kept():
    a, b = pair()
    to = bare(b.jid)
    hint = "<{} xmlns='urn:xmpp:hints'/>".format
    say(a, to, "normal", "normal")
    say(a, to, "headline", "headline")
    say(a, b.jid, "groupchat", "groupchat")
    say(a, to, "no-store", extra=hint("no-store"))
    say(a, to, "no-permanent-store", extra=hint("no-permanent-store"))
    say(a, to, "no-copy", extra=hint("no-copy"))
    say(a, to, None, extra="<composing xmlns='http://jabber.org/protocol/chatstates'/>", ident="state")
    say(a, to, None, extra="<received xmlns='urn:xmpp:receipts' id='x'/>", ident="receipt")
    say(a, to, None, extra="<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>", ident="marker")
    say(a, to, None, extra="<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>" + hint("store"),
        ident="key")
    say(a, f"nobody@{HOST}", "to nobody")
    a.send(f"<message to='{to}' type='error' id='e'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
           "</error></message>")
    for side in (a, b):
        page = archive(side)
        equal([m.get("id") if b is None else b for m, b in zip(page.messages, page.bodies)],
              ["normal", "no-copy", "receipt", "marker", "key"])
    say(a, bare(a.jid), "to myself")
    page = archive(a, **{"with": bare(a.jid)})
    equal(page.bodies, ["to myself"], "one row, and with oneself means both ends (4.1.1)")
    a.close()
    b.close()


def test_paging_forth():
    a, b = pair(25)
    seen, after, pages = [], None, 0
    while True:
        page = archive(a, page=f"<max>10</max>" + (f"<after>{after}</after>" if after else ""))
        seen += page.bodies
        pages += 1
        equal((page.first, page.last), (page.ids[0], page.ids[-1]))
        equal(page.count, "25")
        if page.complete:
            break
        after = page.last
    equal((seen, pages), ([f"n{i}" for i in range(25)], 3))
    a.close()
    b.close()


def test_paging_back_and_flipped():
    a, b = pair(25)
    seen, before = [], ""
    while True:
        page = archive(a, page=f"<max>10</max><before>{before}</before>")
        equal((page.first, page.last), (page.ids[0], page.ids[-1]))
        seen = page.bodies + seen
        if page.complete:
            break
        before = page.first
    equal(seen, [f"n{i}" for i in range(25)])
    flipped = archive(a, page="<max>10</max><before/>", flip=True)
    equal(flipped.bodies, [f"n{i}" for i in range(24, 14, -1)], "4.3.4: only the order differs")
    plain = archive(a, page="<max>10</max><before/>")
    equal(flipped.ids, plain.ids[::-1])
    a.close()
    b.close()


def test_exact_end_of_pages():
    a, b = pair(10)
    page = archive(a, page="<max>10</max>")
    equal((len(page.ids), page.complete), (10, True), "nothing more: complete")
    page = archive(a, page="<max>0</max>")
    equal((page.ids, page.count, page.complete), ([], "10", False), "XEP-0059 2.7: only the count")
    page = archive(a, page=f"<max>10</max><after>{archive(a).last}</after>")
    equal((page.ids, page.complete), ([], True))
    a.close()
    b.close()


def test_ids_and_bounds():
    a, b = pair(10)
    ids = archive(a).ids
    equal(archive(a, after_id=ids[6]).bodies, ["n7", "n8", "n9"])
    equal(archive(a, before_id=ids[2]).bodies, ["n0", "n1"])
    equal(archive(a, after_id=ids[2], before_id=ids[6]).bodies, ["n3", "n4", "n5"])
    page = archive(a, after_id=ids[2], before_id=ids[6], page="<max>2</max><before/>")
    equal((page.bodies, page.complete, page.count), (["n4", "n5"], False, "3"))
    equal(archive(a, ids=[ids[7], ids[3], ids[3]]).bodies, ["n3", "n7"])
    page = archive(a, ids=[ids[7], ids[3], ids[5]], page=f"<max>1</max><after>{ids[3]}</after>")
    equal((page.bodies, page.complete), (["n5"], False))
    for query in (query_xml(after_id="0" * 32), query_xml(before_id="x"), query_xml(ids=[ids[0], "f" * 32]),
                  query_xml(page="<after>none</after>"), query_xml(page=f"<before>{'0' * 32}</before>")):
        equal(a.refused("set", query), ("cancel", "item-not-found"), query)
    other, _ = pair(1)
    equal(other.refused("set", query_xml(after_id=ids[0])), ("cancel", "item-not-found"), "in another's archive only")
    a.close()
    b.close()


def test_metadata():
    a, b = pair(5)
    page = archive(a)
    metadata = a.result("get", "<metadata xmlns='urn:xmpp:mam:2'/>").find(MAM + "metadata")
    ends = {local(e): (e.get("id"), e.get("timestamp")) for e in metadata}
    equal(ends, {"start": (page.ids[0], page.delays[0]), "end": (page.ids[-1], page.delays[-1])})
    a.close()
    b.close()


def test_with():
    a, b = pair(2)
    c = login(relay, relay.user())
    say(a, c.jid, "to c's full address")
    a.barrier()
    say(c, bare(a.jid), "from c")
    c.barrier()
    say(a, bare(c.jid), "to c")
    a.barrier()
    equal(archive(a, **{"with": bare(c.jid)}).bodies, ["to c's full address", "from c", "to c"])
    equal(archive(a, **{"with": c.jid}).bodies, ["to c's full address", "from c"], "4.1.1: a full address matches itself")
    equal(archive(a, **{"with": bare(b.jid)}).bodies, ["n0", "n1"])
    equal(archive(a, **{"with": "never@heard.example"}).bodies, [])
    page = archive(a, **{"with": bare(c.jid)}, page="<max>1</max><before/>")
    equal((page.bodies, page.count, page.complete), (["to c"], "3", False))
    for s in (a, b, c):
        s.close()


def test_times():
    a, b = pair()
    for i in range(3):
        say(a, bare(b.jid), f"n{i}")
        a.barrier()
        time.sleep(0.01)
    page = archive(a)
    stamps = page.delays
    equal(archive(a, start=stamps[1]).bodies, ["n1", "n2"], "equal or later")
    equal(archive(a, end=stamps[1]).bodies, ["n0", "n1"], "equal or earlier")
    equal(archive(a, start=stamps[1], end=stamps[1]).bodies, ["n1"])
    equal(archive(a, start="2099-01-01T00:00:00Z").bodies, [])
    equal(archive(a, end="1970-01-01T00:00:00Z").bodies, [])
    equal(archive(a, start="1969-07-21T02:56:15Z").bodies, ["n0", "n1", "n2"])
    equal(archive(a, start="2010-07-10T23:08:25+02:00", page="<max>1</max><before/>").bodies, ["n2"])
    a.close()
    b.close()


def test_bad_queries():
    a, b = pair(1)
    form = "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>{}</x></query>".format
    kind = "<field var='FORM_TYPE' type='hidden'><value>{}</value></field>".format
    for query, wanted in (
            (query_xml(start="yesterday"), ("modify", "bad-request")),
            (query_xml(**{"with": "a b@@"}), ("modify", "jid-malformed")),
            (query_xml(colour="red"), ("cancel", "feature-not-implemented")),
            (form(kind("urn:example")), ("modify", "bad-request")),
            (form(""), ("modify", "bad-request")),
            (query_xml(page="<max>many</max>"), ("modify", "bad-request")),
            (query_xml(page="<index>3</index>"), ("cancel", "feature-not-implemented")),
            ("<query xmlns='urn:xmpp:mam:2' node='x'/>", ("cancel", "feature-not-implemented"))):
        equal(a.refused("set", query), wanted, query)
    equal(a.refused("set", query_xml(queryid="q" * 300))[1], "policy-violation")
    equal(archive(a, queryid="<&'\">").bodies, ["n0"], "an odd queryid comes back as it was")
    equal(archive(a, include_groupchat="true").bodies, ["n0"])
    a.close()
    b.close()


def test_of_another():
    a, b = pair(1)
    equal(a.refused("set", query_xml(), bare(b.jid)), ("cancel", "service-unavailable"))
    equal(a.refused("set", query_xml(), f"nobody@{HOST}"), ("cancel", "service-unavailable"))
    equal(a.refused("get", "<prefs xmlns='urn:xmpp:mam:2'/>", bare(b.jid))[1], "service-unavailable")
    a.close()
    b.close()


def test_big_pages_are_bounded():
    a, b = pair()
    for i in range(12):
        say(a, bare(b.jid), f"{i} " + "x" * 60000)
    page = archive(a, page="<max>100000</max>", timeout=30)
    check(1 <= len(page.ids) < 12 and not page.complete, f"{len(page.ids)} of 12")
    seen = page.bodies
    while not page.complete:
        page = archive(a, page=f"<after>{page.last}</after>")
        seen += page.bodies
    equal([s.split()[0] for s in seen], [str(i) for i in range(12)])
    a.close()
    b.close()


def test_who_asks_faster_than_it_reads_is_not_closed():
    a, b = pair()
    for i in range(40):
        say(a, bare(b.jid), f"{i} " + "x" * 20000)
    a.barrier(60)
    for i in range(25):
        a.send(f"<iq type='set' id='q{i}'>{query_xml(f'q{i}')}</iq>")
    time.sleep(1)
    before, seen, fins = relay.rss_kib(), 0, []
    while len(fins) < 25:
        e = a.read(30)
        seen += e.tag == CLIENT + "message"
        if e.tag == CLIENT + "iq":
            fins.append(e.get("id"))
    equal(fins, [f"q{i}" for i in range(25)], "all, in order")
    check(seen >= 25 * 13, f"{seen} results")
    for i in range(25):
        a.send(f"<iq type='set' id='q{i}'>{query_xml(f'q{i}')}</iq>")
    time.sleep(0.3)
    a.drop()                # and one that goes with all of that waiting
    b.close()
    check(relay.rss_kib() - before < 16384 or SANITIZED, f"{relay.rss_kib() - before} KiB more")


def test_preferences():
    a, b = pair()
    c = login(relay, relay.user())
    equal(prefs_of(a.result("get", "<prefs xmlns='urn:xmpp:mam:2'/>")), ("always", [], []))

    def prefer(default, always=(), never=()):
        jids = lambda l: "".join(f"<jid>{j}</jid>" for j in l)
        return prefs_of(a.result("set", f"<prefs xmlns='urn:xmpp:mam:2' default='{default}'><always>{jids(always)}</always>"
                                 f"<never>{jids(never)}</never></prefs>"))
    equal(prefer("never", [bare(b.jid)]), ("never", [bare(b.jid)], []))
    say(a, bare(b.jid), "always b")
    say(a, bare(c.jid), "never c")
    say(c, bare(a.jid), "never from c")
    c.barrier()
    equal(archive(a).bodies, ["always b"])
    equal(archive(c).bodies, ["never c", "never from c"], "each account decides for itself")
    relay_jids = [f"x{i}@example.org" for i in range(300)]
    equal(a.refused("set", "<prefs xmlns='urn:xmpp:mam:2' default='always'><never>"
                    + "".join(f"<jid>{j}</jid>" for j in relay_jids) + "</never></prefs>")[1], "policy-violation")
    equal(a.refused("set", "<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>"), ("modify", "bad-request"))
    equal(prefer("always", [], [c.jid]), ("always", [], [c.jid]))
    say(c, bare(a.jid), "from c's full address")
    say(a, bare(c.jid), "to c's bare address")
    c.barrier()
    equal(archive(a).bodies, ["always b", "to c's bare address"], "XEP-0441 2.3: a full address matches itself alone")
    prefer("roster")
    say(a, bare(b.jid), "not in the roster")
    a.barrier()
    a.result("set", f"<query xmlns='jabber:iq:roster'><item jid='{bare(b.jid)}'/></query>")
    say(a, bare(b.jid), "in the roster")
    equal(archive(a).bodies[2:], ["in the roster"])
    for s in (a, b, c):
        s.close()


def test_preferences_survive():
    a, b = pair()
    a.result("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'/>")
    a.close()
    b.close()
    relay.kill()
    relay.start()
    a = login(relay, bare(a.jid))
    equal(prefs_of(a.result("get", "<prefs xmlns='urn:xmpp:mam:2'/>")), ("never", [], []))
    say(a, bare(b.jid), "after")
    equal(archive(a).bodies, [])
    a.close()


def test_repetitions_are_kept_once():
    a, b = pair()
    for _ in range(3):
        say(a, bare(b.jid), "again", extra="<origin-id xmlns='urn:xmpp:sid:0' id='o'/>", ident="same")
    for i in range(3):
        say(a, bare(b.jid), f"other {i}", ident="same")
    equal(archive(a).bodies, ["again", "other 0", "other 1", "other 2"])
    a.close()
    b.close()


def test_what_waits_and_was_paged_is_not_flushed_again():
    a, away = login(relay, relay.user()), relay.user()
    for i in range(30):
        say(a, away, f"n{i}")
    a.barrier()
    b = login(relay, away, presence=False)
    b.result("set", "<mailbox xmlns='urn:lazo:custody:0' flush='no'/>")
    b.send("<presence/>")
    b.barrier()
    equal(archive(b).bodies, [f"n{i}" for i in range(30)])


    def waiting():
        equal(b.barrier(), [], "nothing is flushed")
        return next(int(u["pending"]) for u in relay.ctl_json("user", "list") if u["jid"] == away)
    eventually(lambda: waiting() == 0, 20, "the page's confirmation clears the mailbox")
    b.close()
    c = login(relay, away)
    equal([e for e in c.barrier() if e.tag == CLIENT + "message"], [], "confirmed, so not told again")
    c.close()
    a.close()


def test_paged_before_presence_and_the_rest_behind_it():
    a, away = login(relay, relay.user()), relay.user()
    for i in range(5):
        say(a, away, f"n{i}")
    say(a, away, "not archived", extra="<no-permanent-store xmlns='urn:xmpp:hints'/>")
    a.barrier()

    def waiting():
        return next(int(u["pending"]) for u in relay.ctl_json("user", "list") if u["jid"] == away)

    def paged(*declared):
        b = login(relay, away, presence=False)
        b.send("<enable xmlns='urn:xmpp:sm:3'/>")
        b.read()
        for flush in declared:
            b.result("set", f"<mailbox xmlns='urn:lazo:custody:0' flush='{flush}'/>")
        equal(archive(b).bodies, [f"n{i}" for i in range(5)])
        b.send(f"<a xmlns='urn:xmpp:sm:3' h='{len(declared) + 5 + 1}'/>")
        b.barrier()
        return b
    paged().drop()
    equal(waiting(), 6, "who is not there and does not say that it pages confirms nothing")
    b = paged("no")
    equal(waiting(), 1, "the page is confirmed")
    b.result("set", "<mailbox xmlns='urn:lazo:custody:0' flush='yes'/>")
    b.send("<presence/>")
    equal([e.findtext(CLIENT + "body") for e in b.barrier() if e.tag == CLIENT + "message"], ["not archived"])
    b.close()
    a.close()


def test_retractions_and_corrections_are_kept():
    # XEP-0424 5: who was away learns of it, from the mailbox and from the archive; also without a body
    a, b = login(relay, relay.user()), login(relay, relay.user())
    name = bare(b.jid)
    b.close()
    a.send(f"<message type='chat' to='{name}' id='m1'><body>wrong</body></message>"
           f"<message type='chat' to='{name}' id='m2'><body>right</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/></message>"
           f"<message type='chat' to='{name}' id='m3'><retract xmlns='urn:xmpp:message-retract:1' id='m2'/></message>")
    a.barrier()
    b = login(relay, name)
    equal([m.get("id") for m in b.barrier() if m.tag == CLIENT + "message"], ["m1", "m2", "m3"])
    for stream in (a, b):
        page = archive(stream)
        kept = [m.find(".//" + CLIENT + "message") for m in page.results]
        equal([m.get("id") for m in kept], ["m1", "m2", "m3"])
        check(kept[2].find("{urn:xmpp:message-retract:1}retract") is not None, "as it was sent")
        equal(text_of(kept[0], CLIENT + "body"), "wrong", "what was retracted is not replaced")
    a.close(), b.close()


main()
