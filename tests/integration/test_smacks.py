#!/usr/bin/python3
"""Stream management (XEP-0198 1.6.3): what is acknowledged is durable, what is not acknowledged comes again; bad numbers.

Attacks M1 to M7. The wrap of the counters is in tests/unit/stream/test_smacks.c.
"""
import time

from lazo_test import *
from xmpp_raw import *

SM = "{urn:xmpp:sm:3}"
SM_NS = "urn:xmpp:sm:3"
PINGS = "<iq type='get' id='{}' to='" + HOST + "'><ping xmlns='urn:xmpp:ping'/></iq>"


def setup():
    global relay
    relay = Relay()


def say(stream, to, body, extra=""):
    stream.send(f"<message to='{to}' id='{new_id()}' type='chat'><body>{body}</body>{extra}</message>")


def bodies(stanzas):
    return [text_of(m, CLIENT + "body") for m in stanzas if m.tag == CLIENT + "message" and m.find(CLIENT + "body") is not None]


class Managed:
    """A session that counts. Answers <r/> only when it is told to."""

    def __init__(self, relay, jid, presence=True, enable=f"<enable xmlns='{SM_NS}'/>", resource=None):
        self.s = s = Stream(relay, direct=True, auto_pong=False)
        s.open()
        s.auth(jid.partition("@")[0])
        check(s.features.find(SM + "sm") is not None, "announced behind the login")
        s.bind(resource)
        s.send(enable)
        self.enabled = s.read()
        equal(self.enabled.tag, SM + "enabled")
        self.h, self.sent, self.asked = 0, 0, 0
        if presence:
            self.send("<presence/>")
            while self.read().tag != CLIENT + "presence":
                pass

    def send(self, text, stanzas=1):
        self.sent += stanzas
        self.s.send(text)

    def say(self, to, body, extra=""):
        self.sent += 1
        say(self.s, to, body, extra)

    def read(self, timeout=None):
        """The next element; stanzas are counted, <r/> are noted and passed over."""
        end = time.monotonic() + (timeout or self.s.timeout)
        while True:
            e = self.s.read(max(end - time.monotonic(), 0.001))
            if e.tag == SM + "r":
                self.asked += 1
                continue
            self.h += e.tag.startswith(CLIENT)
            return e

    def messages(self, count, timeout=20):
        came = []
        while len(came) < count:
            e = self.read(timeout)
            if e.tag == CLIENT + "message":
                came.append(e)
        return came

    def wait_asked(self, timeout=10):
        end = time.monotonic() + timeout
        while not self.asked:
            try:
                self.read(min(max(end - time.monotonic(), 0.001), 0.2))
            except TimeoutError:
                check(time.monotonic() < end, "the relay does not ask")
        self.asked = 0

    def ack(self, h=None):
        self.s.send(f"<a xmlns='{SM_NS}' h='{(self.h if h is None else h) % 2**32}'/>")

    def acked(self, goal=None, timeout=10):
        """Ask, and wait until all (or `goal`) is acknowledged; the other elements that came."""
        goal = self.sent if goal is None else goal
        self.s.send(f"<r xmlns='{SM_NS}'/>")
        came = []
        while True:
            e = self.read(timeout)
            if e.tag == SM + "a":
                check(int(e.get("h")) <= goal, f"h={e.get('h')} of {goal}")
                if int(e.get("h")) == goal:
                    return came
            else:
                came.append(e)

    def close(self):
        self.s.close()


def pending(jid, want):
    rows = None
    for _ in range(100):
        rows = [row["pending"] for row in relay.ctl_json("user", "list") if row["jid"] == jid]
        if rows == [want]:
            return
        time.sleep(0.05)
    equal(rows, [want], "waiting in the mailbox")


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
    pending(jid, 2)
    m.s.drop()
    m = Managed(relay, jid)
    came = m.messages(2)
    equal(bodies(came), ["n4", "n5"])
    check(came[0].find(DELAY + "delay") is not None, "XEP-0198 section 4: with a delay")
    m.wait_asked(5)
    m.ack()
    pending(jid, 0)
    a.close()
    m.close()


def test_acknowledged_without_being_asked():
    a, jid = login(relay, relay.user()), relay.user()
    m = Managed(relay, jid)
    say(a, jid, "one")
    m.messages(1)
    m.ack()
    pending(jid, 0)
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
    pending(jid, 1)
    m.ack()
    pending(jid, 0)
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
    pending(jid, 0)
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
    pending(jid, 0)
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
    pending(jid, 3000)
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


# Resumption

RESUME = f"<enable xmlns='{SM_NS}' resume='true'/>"


def resumable(jid, **kwargs):
    m = Managed(relay, jid, enable=RESUME, **kwargs)
    check(m.enabled.get("resume") in ("true", "1") and len(m.enabled.get("id")) >= 22, ET.tostring(m.enabled).decode())
    equal(m.enabled.get("max"), "600")
    return m


def at_login(jid):
    s = Stream(relay, direct=True, auto_pong=False)
    s.open()
    s.auth(jid.partition("@")[0])
    return s


def resume(m, h=None, stream=None):
    """The same session on another connection."""
    s = stream or at_login(bare(m.s.jid))
    s.send(f"<resume xmlns='{SM_NS}' previd='{m.enabled.get('id')}' h='{m.h if h is None else h}'/>")
    answer = s.read()
    equal(answer.tag, SM + "resumed", ET.tostring(answer).decode())
    equal(answer.get("previd"), m.enabled.get("id"))
    s.jid, m.s = m.s.jid, s
    if h is not None:
        m.h = h
    return int(answer.get("h"))


def not_resumed(stream, ident, h="0"):
    stream.send(f"<resume xmlns='{SM_NS}' previd='{ident}' h='{h}'/>")
    answer = stream.read()
    equal(answer.tag, SM + "failed")
    return local(answer[0])


def settle():
    time.sleep(0.2)


def test_resumed_goes_on_where_it_was():
    a, jid = login(relay, relay.user()), relay.user()
    watcher = login(relay, jid, resource="watcher")
    m = resumable(jid, resource="walker")
    settle()
    watcher.barrier()
    say(a, jid, "before")
    m.messages(1)
    m.wait_asked()
    m.ack()
    pending(jid, 0)
    m.say(bare(a.jid), "mine")
    m.acked()
    m.s.drop()
    settle()
    say(a, jid, "meanwhile 1")
    say(a, f"{jid}/walker", "meanwhile 2")
    a.send(f"<message to='{jid}/walker' type='headline'><body>kept</body></message>")
    a.barrier()
    h = resume(m)
    equal(h, m.sent, "h goes on")
    got = bodies(m.messages(3))
    equal(sorted(got), ["kept", "meanwhile 1", "meanwhile 2"])
    check(got.index("meanwhile 1") < got.index("meanwhile 2"), str(got))
    m.ack()
    m.say(bare(a.jid), "mine again")
    m.acked()
    equal(text_of(a.message(body="mine again"), CLIENT + "body"), "mine again")
    pending(jid, 0)
    gone = [e for e in watcher.barrier() if e.tag == CLIENT + "presence" and e.get("from") == f"{jid}/walker"]
    equal(gone, [], "others saw nothing of it")
    for s in (a, watcher, m):
        s.close()


def test_what_was_not_counted_comes_again():
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(jid)
    for i in range(150):
        say(a, jid, f"n{i}")
    m.messages(100)
    h = m.h - 40
    first = {}
    m.s.drop()
    settle()
    resume(m, h)
    # 60 were counted; the 90 others come, in order and without one of the 60.
    got = m.messages(90)
    equal(bodies(got), [f"n{i}" for i in range(60, 150)])
    m.wait_asked()
    m.ack()
    pending(jid, 0)
    # The numbers agree on both sides: one more than was sent is too many.
    m.acked()
    m.ack(m.h + 1)
    equal(m.s.stream_error(), "undefined-condition")
    a.close()


def test_both_directions_cut_at_random():
    """Cut without notice again and again: nothing is lost and, by the counts alone, nothing comes twice."""
    a, b = resumable(relay.user()), resumable(relay.user())
    to = bare(b.s.jid)
    sent, got = [], []
    outbox = []             # not acknowledged by the relay, in order
    base = a.sent           # stanzas that the relay has counted

    def settle_outbox(h):
        nonlocal base
        del outbox[:h - base]
        base = h

    def take(most, seconds):
        end = time.monotonic() + seconds
        while most > 0 and time.monotonic() < end:
            try:
                came = bodies([b.read(0.1)])
            except TimeoutError:
                came = []
            got.extend(came)
            most -= len(came)
            if b.asked:
                b.asked = 0
                b.ack()
    for round in range(30):
        batch = [f"c{round}-{i}" for i in range(20)]
        sent += batch
        outbox += batch
        for body in batch:
            say(a.s, to, body)
        if round % 3 == 0:
            a.s.drop()
            settle_outbox(resume(a))
            for body in outbox:
                say(a.s, to, body)
        if round % 4 == 1:
            take(round % 7 + 1, 1)
            b.s.drop()
            resume(b)
    end = time.monotonic() + 30
    while len(got) < len(sent) and time.monotonic() < end:
        take(len(sent) - len(got), 1)
    equal(got, sent)
    b.ack()
    pending(to, 0)
    for s in (a, b):
        s.close()


def test_only_its_owner_may():
    """M1."""
    m, stranger = resumable(relay.user()), relay.user()
    ident = m.enabled.get("id")
    s = at_login(stranger)
    equal(not_resumed(s, ident), "item-not-found", "another account")
    equal(not_resumed(s, "0" * len(ident)), "item-not-found")
    equal(not_resumed(s, ""), "item-not-found")
    equal(not_resumed(s, ident[:-1]), "item-not-found")
    equal(not_resumed(s, ident, "x"), "bad-request")
    s.bind()
    equal(not_resumed(s, ident), "unexpected-request", "after binding")
    s.close()
    m.acked()
    s = Stream(relay, direct=True)
    s.open()
    s.send(f"<resume xmlns='{SM_NS}' previd='{ident}' h='0'/>")
    check(s.stream_error() in ("not-authorized", "unsupported-stanza-type"), "before the login")
    # A number that cannot be does no harm to the session.
    s = at_login(bare(m.s.jid))
    s.send(f"<resume xmlns='{SM_NS}' previd='{ident}' h='{m.h + 100}'/>")
    equal(s.stream_error(), "undefined-condition")
    m.acked()
    m.close()
    s = at_login(bare(m.s.jid))
    equal(not_resumed(s, ident), "item-not-found", "a clean end is an end (section 7)")
    s.bind()
    s.close()


def test_resumed_while_the_old_one_is_open():
    """M7: the old connection hears conflict; of two that race, the later has it."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(jid)
    old = m.s
    resume(m)
    equal(old.stream_error(), "conflict")
    racers = [at_login(jid) for _ in range(5)]
    for s in racers:
        s.send(f"<resume xmlns='{SM_NS}' previd='{m.enabled.get('id')}' h='{m.h}'/>")
    winners = []
    for s in [m.s] + racers:
        try:
            while True:
                e = s.read(1)
                check(e.tag in (SM + "resumed", SM + "r", STREAM + "error"), e.tag)
        except TimeoutError:
            winners.append(s)
        except Closed:
            pass
    equal(len(winners), 1)
    winners[0].jid, m.s = m.s.jid, winners[0]
    say(a, jid, "to the winner")
    equal(bodies(m.messages(1)), ["to the winner"])
    m.ack()
    pending(jid, 0)
    a.close()
    m.close()


def test_too_much_while_away():
    """What is kept is bounded; the session ends, the messages are in the mailbox."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(jid, resource="away")
    m.s.drop()
    settle()
    say(a, jid, "safe")
    for i in range(30):
        a.send(f"<message to='{jid}/away' type='headline'><body>{'x' * 10000}</body></message>")
    a.barrier()
    settle()
    s = at_login(jid)
    equal(not_resumed(s, m.enabled.get("id")), "item-not-found")
    s.bind()
    available(s)
    s.message(body="safe")
    s.drop()
    a.close()


def test_time_is_over():
    """Unavailable for all, and what waits is offered to the others at once."""
    short = Relay(authority=relay.authority, resume="1s")
    a, jid = login(short, short.user()), short.user()
    watcher = login(short, jid, resource="watcher")
    m = Managed(short, jid, enable=RESUME, resource="lost")
    equal(m.enabled.get("max"), "1")
    watcher.presence(f"{jid}/lost")
    m.s.drop()
    settle()
    say(a, f"{jid}/lost", "for the lost one")
    a.barrier()
    equal(bodies(watcher.barrier()), [], "not yet")
    watcher.presence(f"{jid}/lost", "unavailable", 5)
    watcher.message(body="for the lost one")
    never = Relay(authority=relay.authority, resume="0s")
    n = Managed(never, never.user(), enable=RESUME)
    equal(n.enabled.get("id"), None)
    for s in (a, watcher, n):
        s.close()
    short.stop()
    never.stop()


def test_many_lost_sessions_keep_nobody_out():
    jid = relay.user()
    lost = [resumable(jid, presence=False, resource=f"r{i}") for i in range(20)]
    for m in lost:
        m.s.drop()
    settle()
    login(relay, jid, resource="new").close()
    equal(not_resumed(at_login(jid), lost[0].enabled.get("id")), "item-not-found", "the oldest made room")
    resume(lost[19])
    lost[19].close()


main()
