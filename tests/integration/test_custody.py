#!/usr/bin/python3
"""Where a message is: told to who listens, asked for by who was away, and to nobody else (proto/spec/custody.md)."""
from archive import RSM, archive
from lazo_test import *
from xmpp_raw import *

CUSTODY = "{urn:lazo:custody:0}"
NS = "xmlns='urn:lazo:custody:0'"


def setup():
    global relay
    relay = Relay()


def subscribe(one, other):
    """`one` sees `other`'s presence: `other` gives it."""
    one.send(f"<presence to='{bare(other.jid)}' type='subscribe'/>")
    one.barrier()
    other.send(f"<presence to='{bare(one.jid)}' type='subscribed'/>")
    other.barrier()
    one.barrier()


def pair(friends=True):
    a, b = login(relay, relay.user()), login(relay, relay.user())
    if friends:
        subscribe(a, b)
    a.result("set", f"<enable {NS}/>")
    return a, b


def write(a, to, ident, extra=""):
    a.send(f"<message to='{to}' type='chat' id='{ident}'><body>hola</body>"
           f"<origin-id xmlns='urn:xmpp:sid:0' id='{ident}'/>{extra}</message>")


def confirmed(b, ident):
    """b has the message and the relay has b's confirmation: the answer to its ping is behind the clearing."""
    pongs = b.pongs
    b.message(id=ident)
    while b.pongs == pongs:
        try:
            b.inbox.append(b.read(0.1))
        except TimeoutError:
            pass
    b.barrier()


def passed_on(a, b_name, ident):
    """Written to who is away, who then comes and confirms."""
    write(a, b_name, ident)
    a.barrier()
    b = login(relay, b_name)
    confirmed(b, ident)
    b.close()


def stages(status):
    for stage in status:
        check(stage.get("time", "").endswith("Z"), f"a stage has its time: {stage.attrib}")
    return [local(stage) for stage in status]


def told(stream, origin):
    """The next push about this message."""
    m = stream.wait(lambda e: e.tag == CLIENT + "message" and e.find(CUSTODY + "status") is not None
                    and e.find(CUSTODY + "status").get("origin") == origin, what=f"status of {origin}")
    equal((m.get("from"), m.get("to"), m.get("type")), (bare(stream.jid), stream.jid, "headline"))
    return m.find(CUSTODY + "status")


def untold(stream):
    return [e for e in stream.barrier() if e.find(CUSTODY + "status") is not None]


def query(stream, page="", **attributes):
    given = "".join(f" {k}='{v}'" for k, v in attributes.items())
    rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{page}</set>" if page else ""
    return stream.result("get", f"<query {NS}{given}>{rsm}</query>").find(CUSTODY + "query")


def states(stream, **kwargs):
    return [(s.get("origin"), stages(s)[-1]) for s in query(stream, **kwargs).iterfind(CUSTODY + "status")]


def test_announced():
    a = login(relay, relay.user())
    info = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", bare(a.jid))
    check("urn:lazo:custody:0" in [f.get("var") for f in info.iter(DISCO_INFO + "feature")], "of the bare JID (4)")
    a.close()


def test_accepted_then_delivered():
    a, b = pair()
    b_name = bare(b.jid)
    b.close()
    write(a, b_name, "m1")
    equal(untold(a), [], "that it is accepted is said by the acknowledgement")
    [status] = query(a, origin="m1")
    equal((stages(status), status.get("to"), status.get("origin")), (["accepted"], b_name, "m1"))
    equal(archive(a).ids, [status.get("id")], "id is the archive's")
    b = login(relay, b_name)
    confirmed(b, "m1")
    equal(stages(told(a, "m1")), ["accepted", "delivered"])
    equal(states(a), [("m1", "delivered")])
    a.close()
    b.close()


def test_delivered_live():
    a, b = pair()
    write(a, b.jid, "m1")
    confirmed(b, "m1")
    equal(stages(told(a, "m1")), ["accepted", "delivered"])
    a.close()
    b.close()


def test_who_gives_no_presence_is_not_seen():
    a, b = pair(friends=False)
    b_name = bare(b.jid)
    b.close()
    write(a, b_name, "m1")
    a.barrier()
    b = login(relay, b_name)
    confirmed(b, "m1")
    equal(untold(a), [], "delivered is a trace of presence (11)")
    equal((states(a), states(a, origin="m1")), ([], [("m1", "accepted")]))
    subscribe(b, a)                            # the other way round it is not allowed either
    b.close()
    write(a, b_name, "m2")
    b = login(relay, b_name)
    confirmed(b, "m2")
    equal((states(a), states(a, origin="m2")), ([], [("m2", "accepted")]))
    a.close()
    b.close()


def test_displayed_is_recorded():
    a, b = pair(friends=False)
    write(a, b.jid, "m1", "<markable xmlns='urn:xmpp:chat-markers:0'/>")
    b.message(id="m1")
    mallory = login(relay, relay.user())
    mallory.send(f"<message to='{bare(a.jid)}' id='x'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>")
    mallory.barrier()
    equal(states(a, origin="m1"), [("m1", "accepted")], "another's marker says nothing")
    b.send(f"<message to='{bare(a.jid)}' id='r'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")
    b.barrier()
    equal(states(a), [("m1", "delivered")])
    b.send(f"<message to='{bare(a.jid)}' id='d'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>")
    b.barrier()
    equal(states(a, origin="m1"), [("m1", "displayed")])
    for s in (a, b, mallory):
        s.close()


def test_only_for_who_listens():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    subscribe(a, b)
    b.close()
    for ident, listen, known in (("quiet", "", False), ("loud", "enable", True), ("quiet again", "disable", False)):
        if listen:
            a.result("set", f"<{listen} {NS}/>")
        passed_on(a, bare(b.jid), ident)
        if known:
            told(a, ident)
        equal(untold(a), [], "not asked, not told")
    equal(states(a), [("loud", "delivered")])
    a.close()


def test_all_listening_devices_are_told():
    a, b = pair()
    c, d = login(relay, bare(a.jid)), login(relay, bare(a.jid))
    c.result("set", f"<enable {NS}/>")
    b.close()
    passed_on(a, bare(b.jid), "m1")
    told(a, "m1")
    told(c, "m1")
    equal(untold(d), [])
    for s in (a, c, d):
        s.close()


def test_what_changed_while_away():
    a, b = pair()
    b_name = bare(b.jid)
    b.close()
    for i in range(7):
        write(a, b_name, f"m{i}")
    a.barrier()
    equal(states(a), [], "nothing is behind accepted")
    a_name = bare(a.jid)
    a.close()
    b = login(relay, b_name)
    confirmed(b, "m6")
    relay.kill()
    relay.start()
    a = login(relay, a_name)
    first = query(a, "<max>3</max>")
    equal(first.get("complete"), "false")
    equal([s.get("origin") for s in first.iterfind(CUSTODY + "status")], ["m0", "m1", "m2"], "also over a crash")
    last = text_of(first, f"{RSM}set/{RSM}last")
    rest = query(a, f"<after>{last}</after>")
    equal([(s.get("origin"), stages(s)[-1]) for s in rest.iterfind(CUSTODY + "status")],
          [(f"m{i}", "delivered") for i in range(3, 7)])
    equal(rest.get("complete"), "true")
    last = text_of(rest, f"{RSM}set/{RSM}last")
    equal(states(a, page=f"<after>{last}</after>"), [], "nothing is told again")
    b = login(relay, b_name)
    b.send(f"<message to='{a_name}' id='d'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>")
    b.barrier()
    equal(states(a, page=f"<after>{last}</after>"), [("m1", "displayed")], "what changes comes again, behind the rest")
    a.close()
    b.close()


def test_others_records_are_not_shown():
    a, b = pair()
    write(a, b.jid, "m1")
    a.barrier()
    ident = archive(a).ids[0]
    equal(states(a, id=ident), [("m1", "accepted")])
    equal(states(b, id=ident), [], "not even to the recipient")
    equal(b.refused("get", f"<query {NS}/>", bare(a.jid))[1] in ("service-unavailable", "forbidden"), True)
    a.close()
    b.close()


def test_bad_questions():
    a = login(relay, relay.user())
    rsm = "<set xmlns='http://jabber.org/protocol/rsm'>{}</set>"
    for page, condition in (("<after>x</after>", "item-not-found"), ("<after>-1</after>", "item-not-found"),
                            ("<after>99999999999999999999</after>", "item-not-found"),
                            ("<before/>", "feature-not-implemented"), ("<index>3</index>", "feature-not-implemented"),
                            ("<max>x</max>", "bad-request")):
        equal(a.refused("get", f"<query {NS}>{rsm.format(page)}</query>")[1], condition, page)
    equal(a.refused("get", f"<query {NS} id='00'/>")[1], "item-not-found")
    a.close()


def test_an_account_made_again_begins_anew():
    a, b = pair()
    b.close()
    passed_on(a, bare(b.jid), "m1")
    told(a, "m1")
    name = bare(a.jid)
    relay.ctl("user", "del", name)
    relay.user(name.partition("@")[0])
    a = login(relay, name)
    equal(states(a), [])
    a.close()


main()
