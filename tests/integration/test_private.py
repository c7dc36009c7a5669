#!/usr/bin/python3
"""What is kept for its owner alone: private XML (XEP-0049), private items (XEP-0223), bookmarks in both forms (XEP-0402)."""
import xml.etree.ElementTree as ET

from lazo_test import *
from xmpp_raw import *
from pep import *

PRIVATE = "{jabber:iq:private}"
OLD = "{storage:bookmarks}"
BOOKMARKS = "urn:xmpp:bookmarks:1"
WHITELIST = {"persist_items": "true", "max_items": "max", "send_last_published_item": "never", "access_model": "whitelist"}


def setup():
    global relay
    relay = Relay()


def query(inner):
    return f"<query xmlns='jabber:iq:private'>{inner}</query>"


def storage(inner=""):
    return query(f"<storage xmlns='storage:bookmarks'>{inner}</storage>")


def conferences(stream):
    found = stream.result("get", storage()).find(f"{PRIVATE}query/{OLD}storage")
    return {c.get("jid"): (c.get("name"), c.get("autojoin"), text_of(c, OLD + "nick")) for c in found.iterfind(OLD + "conference")}


def bookmark(stream, room, attributes="", inner="", options=WHITELIST):
    return stream.result("set", publish(BOOKMARKS, room, f"<conference xmlns='{BOOKMARKS}' {attributes}>{inner}</conference>", options))


def new_items(stream):
    reply = stream.result("get", get(BOOKMARKS))
    return {i.get("id"): i[0] for i in reply.iter(PUBSUB + "item")}


def events_of(stream, node=BOOKMARKS):
    """What came of a node: (published ids, retracted ids)."""
    published, retracted = [], []
    for e in stream.barrier():
        found = e.find(f"{PUBSUB_EVENT}event/{PUBSUB_EVENT}items")
        if found is not None and found.get("node") == node:
            published += [i.get("id") for i in found.iterfind(PUBSUB_EVENT + "item")]
            retracted += [i.get("id") for i in found.iterfind(PUBSUB_EVENT + "retract")]
    return sorted(published), sorted(retracted)


def test_private_xml():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    empty = a.result("get", query("<exodus xmlns='exodus:prefs'/>")).find(PRIVATE + "query")
    equal([(c.tag, len(c)) for c in empty], [("{exodus:prefs}exodus", 0)])
    a.result("set", query("<exodus xmlns='exodus:prefs'><nick a='1'>Hamlet &amp; co</nick></exodus>"))
    a.result("set", query("<other xmlns='exodus:prefs'>x</other><roster xmlns='roster:delimiter'>::</roster>"))
    found = a.result("get", query("<exodus xmlns='exodus:prefs'/>")).find(PRIVATE + "query")[0]
    equal((found[0].get("a"), found[0].text), ("1", "Hamlet & co"))
    equal(a.result("get", query("<roster xmlns='roster:delimiter'/>")).find(PRIVATE + "query")[0].text, "::")
    a.result("set", query("<exodus xmlns='exodus:prefs'/>"))
    equal(len(a.result("get", query("<exodus xmlns='exodus:prefs'/>")).find(PRIVATE + "query")[0]), 0)
    equal(a.refused("get", query(""))[1], "bad-request")
    equal(a.refused("set", query(""))[1], "not-acceptable")
    equal(a.refused("get", query("<a xmlns='x'/><b xmlns='x'/>"))[1], "not-acceptable")
    for kind in ("get", "set"):
        equal(b.refused(kind, query("<roster xmlns='roster:delimiter'>!</roster>"), bare(a.jid))[1], "forbidden")
    equal(b.result("get", query("<roster xmlns='roster:delimiter'/>")).find(PRIVATE + "query")[0].text, None, "each has their own")
    equal(a.refused("get", get("lazo#private"))[1], "not-allowed", "no pubsub node")
    a.close(), b.close()


def test_private_xml_is_bounded():
    a = login(relay, relay.user())
    for i in range(25):
        a.result("set", query("".join(f"<e{i}-{n} xmlns='x'>1</e{i}-{n}>" for n in range(10))))
    equal(a.refused("set", query("<one-more xmlns='x'>1</one-more>")), ("wait", "resource-constraint"))
    a.result("set", query("<e0-0 xmlns='x'>2</e0-0>"))
    equal(a.result("get", query("<e0-0 xmlns='x'/>")).find(PRIVATE + "query")[0].text, "2")
    a.close()


@ours
def test_private_xml_survives():
    a = login(relay, relay.user())
    a.result("set", query("<exodus xmlns='exodus:prefs'>kept</exodus>"))
    a.result("set", storage("<conference jid='r@rooms.example' name='R'/>"))
    name = bare(a.jid)
    relay.kill()
    relay.start()
    a = login(relay, name)
    equal(a.result("get", query("<exodus xmlns='exodus:prefs'/>")).find(PRIVATE + "query")[0].text, "kept")
    equal(conferences(a), {"r@rooms.example": ("R", "false", None)})
    a.close()


def test_items_for_oneself():
    # XEP-0223: published with its preconditions, seen by the owner's resources alone
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    second = login(relay, bare(a.jid))
    for s in (second, b):
        interests(s, "urn:xmpp:mds:displayed:0", BOOKMARKS)
        s.barrier()
    options = {"persist_items": "true", "max_items": "max", "send_last_published_item": "never", "access_model": "whitelist"}
    for item in ("x@a.example", "y@a.example"):
        a.result("set", publish("urn:xmpp:mds:displayed:0", item, "<displayed xmlns='urn:xmpp:mds:displayed:0'/>", options))
    equal(events_of(second, "urn:xmpp:mds:displayed:0"), (["x@a.example", "y@a.example"], []))
    equal(events_of(b, "urn:xmpp:mds:displayed:0"), ([], []))
    equal(b.refused("get", get("urn:xmpp:mds:displayed:0"), bare(a.jid))[1], "not-allowed")
    equal(len(items(a.result("get", get("urn:xmpp:mds:displayed:0")))), 2, "max items are kept")
    late = login(relay, bare(a.jid))
    interests(late, "urn:xmpp:mds:displayed:0")
    equal(events_of(late, "urn:xmpp:mds:displayed:0"), ([], []), "never sent as last item")
    reply = a.iq("set", publish("urn:xmpp:mds:displayed:0", "z", "<displayed xmlns='urn:xmpp:mds:displayed:0'/>", {"access_model": "open"}))
    equal((error_of(reply)[1], pubsub_error(reply)), ("conflict", "precondition-not-met"))
    for s in (a, b, second, late):
        s.close()


def test_bookmarks_new_to_old():
    a = login(relay, relay.user())
    equal(conferences(a), {})
    bookmark(a, "one@rooms.example", "name='One' autojoin='1'", "<nick>me</nick>")
    bookmark(a, "two@rooms.example", "", "<extensions><x xmlns='urn:x'/></extensions>")
    equal(conferences(a), {"one@rooms.example": ("One", "true", "me"), "two@rooms.example": (None, "false", None)})
    a.close()


def test_bookmarks_old_to_new():
    a = login(relay, relay.user())
    second = login(relay, bare(a.jid))
    interests(second, BOOKMARKS)
    second.barrier()
    a.result("set", storage("<conference jid='One@rooms.example' name='One' autojoin='true'><nick>me</nick></conference>"
                            "<conference jid='two@rooms.example'/><conference jid='two@rooms.example' name='again'/>"
                            "<url name='Page' url='http://example.org/'/><conference jid='@' name='broken'/>"))
    equal(events_of(second), (["one@rooms.example", "two@rooms.example"], []))
    found = new_items(a)
    equal(sorted(found), ["one@rooms.example", "two@rooms.example"])
    equal((found["one@rooms.example"].get("name"), found["one@rooms.example"].get("autojoin")), ("One", "true"))
    document = a.result("get", storage()).find(f"{PRIVATE}query/{OLD}storage")
    equal([local(c) for c in document], ["conference", "conference", "url", "conference"], "nothing is lost")
    # The same again: no news. One changed, one gone, one new.
    inner = "".join(ET.tostring(c).decode() for c in document)
    a.result("set", storage(inner))
    equal(events_of(second), ([], []), "XEP-0402 5.3.2: no notifications for unchanged items")
    a.result("set", storage("<conference jid='one@rooms.example' name='Uno' autojoin='true'><nick>me</nick></conference>"
                            "<conference jid='three@rooms.example'/>"))
    equal(events_of(second), (["one@rooms.example", "three@rooms.example"], ["two@rooms.example"]))
    equal(sorted(conferences(a)), ["one@rooms.example", "three@rooms.example"])
    b = login(relay, relay.user())
    befriend(a, b)
    equal(b.refused("get", get(BOOKMARKS), bare(a.jid))[1], "not-allowed", "the owner's alone")
    for s in (a, b, second):
        s.close()


def test_bookmarks_keep_what_old_clients_do_not_know():
    a = login(relay, relay.user())
    bookmark(a, "One@Rooms.example", "name='One'", "<extensions><x xmlns='urn:x' pinned='1'/></extensions>")
    a.result("set", storage("<conference jid='one@rooms.example' name='Other'/>"))
    found = new_items(a)
    equal(sorted(found), ["One@Rooms.example"], "the same item")
    equal(found["One@Rooms.example"].get("name"), "Other")
    check(found["One@Rooms.example"].find(f"{{{BOOKMARKS}}}extensions/{{urn:x}}x") is not None, "extensions stay")
    a.close()


def test_bookmarks_of_an_open_node_are_closed():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    bookmark(a, "one@rooms.example", options=None)
    befriend(a, b)
    b.result("get", get(BOOKMARKS), bare(a.jid))
    a.result("set", storage("<conference jid='one@rooms.example'/><conference jid='two@rooms.example'/>"))
    equal(b.refused("get", get(BOOKMARKS), bare(a.jid))[1], "not-allowed", "XEP-0411 5")
    equal(len(new_items(a)), 2, "and takes more than one")
    a.close(), b.close()


def test_announced():
    a = login(relay, relay.user())
    found = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", bare(a.jid))
    features = [f.get("var") for f in found.iter(DISCO_INFO + "feature")]
    for need in ("urn:xmpp:bookmarks:1#compat", "http://jabber.org/protocol/pubsub#publish-options",
                 "http://jabber.org/protocol/pubsub#persistent-items", "http://jabber.org/protocol/pubsub#config-node-max"):
        check(need in features, need)
    a.close()


@ours
def test_a_document_of_too_many_costs_little():
    a = login(relay, relay.user())
    document = storage("".join(f"<conference jid='{i}@a'/>" for i in range(9500)))
    spent = relay.cpu_seconds()
    for _ in range(5):
        equal(error_of(a.iq("set", document))[1], "resource-constraint")
    spent = relay.cpu_seconds() - spent
    check(SANITIZED or spent < 0.3, f"five documents of 240 KiB took {spent:.2f} s: not each compared with each")
    a.close()


main()
