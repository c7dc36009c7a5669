#!/usr/bin/python3
"""Stream management (XEP-0198 1.6.3): what is acknowledged is durable, what is not acknowledged comes again; bad numbers.

Attacks M2, M3, M5 and M6; taking up again is in test_resume.py, the wrap of the counters in tests/unit/stream.
"""
import time

from lazo_test import *
from managed import *
from xmpp_raw import *


def setup():
    global relay
    relay = Relay()


def test_order_of_negotiation():
    s = Stream(relay, direct=True)
    s.open()
    check(s.features.find(SM + "sm") is None, "not before the login")
    s.auth(relay.user().partition("@")[0])
    check(s.features.find(SM + "sm") is not None, "behind it")
    s.send(f"<enable xmlns='{SM_NS}'/>")
    answer = s.read()
    equal((answer.tag, local(answer[0])), (SM + "failed", "unexpected-request"), "section 3: before binding")
    s.bind()
    s.send(f"<enable xmlns='{SM_NS}'/>")
    equal(s.read().tag, SM + "enabled")
    s.send(f"<enable xmlns='{SM_NS}'/>")
    equal(s.stream_error(), "policy-violation", "section 3: one attempt")


def test_every_kind_of_stanza_counts_and_nothing_else():
    m, other = Managed(relay, relay.user(), presence=False), relay.user()
    m.acked(0)
    m.send(PINGS.format("p"))
    m.send("<presence/>")
    m.say(other, "durable")
    m.say(f"nobody@{HOST}", "refused")
    m.send("<iq type='get' id='bad'/>")     # wrong, and answered with an error
    m.send("<iq type='set' id='again'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    m.s.send("  \n ")
    came = m.acked()
    equal(m.sent, 6)
    equal(sum(e.get("type") == "error" for e in came), 3)
    m.ack()
    m.acked()
    m.close()
    check(f"<a xmlns='{SM_NS}' h='6'/></stream:stream>".encode() in m.s.received, "the last <a/> is before our close")


def test_stanzas_before_enabling_do_not_count():
    other = relay.user()
    s = Stream(relay, direct=True)
    s.open()
    s.auth(relay.user().partition("@")[0])
    s.bind()
    # In one segment: some are surely unhandled when <enable/> is read.
    s.send("".join(f"<message to='{other}' type='chat'><body>{i}</body></message>" for i in range(100)) + f"<enable xmlns='{SM_NS}'/>"
           + "".join(f"<message to='{other}' type='chat'><body>{i}</body></message>" for i in range(7)) + f"<r xmlns='{SM_NS}'/>")
    equal(s.read().tag, SM + "enabled")
    while int(s.wait(lambda e: e.tag == SM + "a").get("h")) < 7:
        pass
    s.send(f"<r xmlns='{SM_NS}'/>")
    equal(s.wait(lambda e: e.tag == SM + "a").get("h"), "7")
    s.close()


def test_a_flood_of_questions_between_messages():
    # iq between messages: neither is forgotten, order holds, <a/> never runs ahead.
    m, away = Managed(relay, relay.user()), relay.user()
    ask = f"<r xmlns='{SM_NS}'/>"
    text = ""
    for i in range(500):
        text += (f"<message to='{away}' id='m{i}' type='chat'><body>n{i}</body></message>" + PINGS.format(f"p{i}") * 3
                 + (ask if i % 5 == 0 else ""))
    m.send(text, 2000)
    ids, h = [], 0
    while h < m.sent:
        e = m.read(30)
        if e.tag == SM + "a":
            check(h <= int(e.get("h")) <= m.sent, f"h={e.get('h')} behind {h}")
            h = int(e.get("h"))
            # What is acknowledged was answered before: three pings a message.
            check(len(ids) >= (h - 1) // 4 * 3 - 3, f"h={h} with {len(ids)} answers")
            if h < m.sent:
                m.s.send(ask)
        else:
            ids.append(e.get("id"))
    equal(ids, [f"p{i}" for i in range(500) for _ in range(3)])
    m.close()
    b = login(relay, away)
    equal(bodies(b.drain(enough=500)), [f"n{i}" for i in range(500)])
    b.close()


def test_acknowledged_is_durable():
    """M3: killed with -9 right behind the <a/>, again and again: all that it counts is there, in order."""
    away, sender = relay.user(), relay.user()
    want = []
    for round in range(10):
        m = Managed(relay, sender)
        batch = [f"r{round}-{i}" for i in range(30)]
        m.send("".join(f"<message to='{away}' type='chat' id='{b}'><body>{b}</body><origin-id xmlns='urn:xmpp:sid:0' id='{b}'/>"
                       "</message>" for b in batch), len(batch))
        m.acked()
        relay.kill()
        want += batch
        m.s.drop()
        relay.start()
    b = login(relay, away)
    equal(bodies(b.drain(enough=len(want))), want)
    b.close()


def test_kill_in_the_middle_of_sending():
    """What h counts is durable at any instant; what it does not count is sent again and is one message."""
    away, sender = relay.user(), relay.user()
    ids = [f"k{i}" for i in range(400)]

    def text(batch):
        return "".join(f"<message to='{away}' type='chat' id='{b}'><body>{b}</body><origin-id xmlns='urn:xmpp:sid:0' id='{b}'/>"
                       f"</message><r xmlns='{SM_NS}'/>" for b in batch)
    done = 0
    for goal in (50, 120, 250, 400):
        m = Managed(relay, sender)
        start, first = done, m.sent
        m.send(text(ids[done:]))
        try:
            while done < goal:
                e = m.read(20)
                if e.tag == SM + "a":
                    done = start + int(e.get("h")) - first
        except Closed:
            check(False, "the relay closed by itself")
        relay.kill()
        m.s.drop()
        relay.start()
    b = login(relay, away)
    equal(bodies(b.drain(enough=400)), ids)
    b.close()


def test_only_what_is_acknowledged_is_settled():
    a, jid = login(relay, relay.user()), relay.user()
    m = Managed(relay, jid)
    for i in range(6):
        say(a, jid, f"n{i}")
    before = m.h
    equal(bodies(m.messages(6)), [f"n{i}" for i in range(6)])
    m.wait_asked(5)
    check(b"urn:xmpp:ping" not in m.s.received, "no ping under stream management")
    m.ack(before + 4)
    pending(relay, jid, 2)
    m.s.drop()
    m = Managed(relay, jid)
    came = m.messages(2)
    equal(bodies(came), ["n4", "n5"])
    check(came[0].find(DELAY + "delay") is not None, "XEP-0198 section 4: with a delay")
    m.wait_asked(5)
    m.ack()
    pending(relay, jid, 0)
    a.close()
    m.close()


def test_acknowledged_without_being_asked():
    a, jid = login(relay, relay.user()), relay.user()
    m = Managed(relay, jid)
    say(a, jid, "one")
    m.messages(1)
    m.ack()
    pending(relay, jid, 0)
    a.close()
    m.close()


def test_what_was_held_leaves_ahead_and_counts():
    # XEP-0352: held presence leaves ahead of the message, with numbers of its own.
    a, jid = login(relay, relay.user()), relay.user()
    other = login(relay, jid, resource="other")
    m = Managed(relay, jid, resource="pocket")
    m.s.send("<inactive xmlns='urn:xmpp:csi:0'/>")
    m.acked()
    other.send("<presence><show>away</show></presence>")
    other.barrier()
    before = m.h
    say(a, f"{jid}/pocket", "look")
    while m.read().tag != CLIENT + "message":
        pass
    check(m.h >= before + 2, f"the presence came with it: {before} to {m.h}")
    m.ack(m.h - 1)
    m.acked()
    time.sleep(0.3)
    pending(relay, jid, 1)
    m.ack()
    pending(relay, jid, 0)
    for s in (a, other, m):
        s.close()


def test_another_device_takes_over():
    a, jid = login(relay, relay.user()), relay.user()
    phone = Managed(relay, jid, resource="phone")
    say(a, jid, "first")
    phone.messages(1)
    laptop = Managed(relay, jid, resource="laptop")
    say(a, jid, "second")
    phone.s.drop()
    got = bodies(laptop.messages(2))
    equal(sorted(got), ["first", "second"])
    laptop.wait_asked(5)
    laptop.ack()
    pending(relay, jid, 0)
    a.close()
    laptop.close()


def test_a_flush_goes_by_windows():
    a, jid = login(relay, relay.user()), relay.user()
    for i in range(350):
        say(a, jid, f"n{i}")
    a.barrier(60)
    m = Managed(relay, jid)
    got = []
    while len(got) < 350:
        got += bodies(m.messages(min(100, 350 - len(got)), 20))
        m.wait_asked(5)
        m.ack()
    equal(got, [f"n{i}" for i in range(350)])
    pending(relay, jid, 0)
    a.close()
    m.close()


def test_one_who_never_acknowledges():
    """M6: the queue is bounded: what it does not confirm waits on disk, and it costs nobody else anything."""
    a, jid = login(relay, relay.user()), relay.user()
    m = Managed(relay, jid)
    body = "x" * 2000
    before = relay.rss_kib()
    for start in range(0, 3000, 500):
        for i in range(start, start + 500):
            say(a, jid, f"{i} {body}")
        a.barrier(60)
    grown = relay.rss_kib() - before
    if not SANITIZED:
        check(grown < 6 * 1024, f"{grown} KiB more for one who does not acknowledge")
    pending(relay, jid, 3000)
    m.s.drop()
    b = login(relay, jid)
    got = {m.find(SID + "stanza-id").get("id"): text_of(m, CLIENT + "body").split()[0] for m in b.drain(enough=3000)}
    equal(sorted(map(int, got.values())), list(range(3000)))
    a.close()
    b.close()


def test_bad_numbers():
    """M2."""
    for h in ("", "-1", "+1", "0x0", "1e0", "1.0", "nan", "4294967296", "1e309", " 0", "0 ", "99999999999999999999"):
        m = Managed(relay, relay.user(), presence=False)
        m.s.send(f"<a xmlns='{SM_NS}' h='{h}'/>")
        equal(m.s.stream_error(), "policy-violation", f"h={h!r}")
    m = Managed(relay, relay.user(), presence=False)
    m.s.send(f"<a xmlns='{SM_NS}'/>")
    equal(m.s.stream_error(), "policy-violation", "no h")


def test_more_than_was_sent():
    m = Managed(relay, relay.user())
    m.ack(m.h + 1)
    while True:
        e = m.s.read()
        if e.tag == STREAM + "error":
            break
    more = e.find(SM + "handled-count-too-high")
    equal((more.get("h"), more.get("send-count")), (str(m.h + 1), str(m.h)))
    check(e.find(STREAM_ERRORS + "undefined-condition") is not None, "section 6")
    m.s.gone()
    m = Managed(relay, relay.user())
    check(m.h > 0, "something was sent")
    m.ack()
    m.ack(m.h - 1)          # less than before
    equal(m.s.stream_error(), "undefined-condition")
    m = Managed(relay, relay.user())
    m.ack(2**32 - 1)
    equal(m.s.stream_error(), "undefined-condition")


def test_words_that_do_not_fit():
    s = login(relay, relay.user())
    s.send(f"<r xmlns='{SM_NS}'/>")
    equal(s.stream_error(), "unsupported-stanza-type", "not enabled")
    m = Managed(relay, relay.user())
    m.s.send(f"<enabled xmlns='{SM_NS}'/>")
    equal(m.s.stream_error(), "unsupported-stanza-type")


def test_a_question_is_answered_soon():
    # 100 ms, also with something on its way to the disk.
    m, away = Managed(relay, relay.user()), relay.user()
    m.acked()
    worst = 0
    for i in range(50):
        m.say(away, f"n{i}")
        start = time.monotonic()
        m.acked()
        worst = max(worst, time.monotonic() - start)
    print(f"  slowest <a/>: {worst * 1000:.0f} ms")
    check(worst < 2, f"{worst} s")
    m.close()


main()
