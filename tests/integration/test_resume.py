#!/usr/bin/python3
"""Stream management (XEP-0198 1.6.3 section 5): a lost session is taken up again, by its owner alone, without loss, without
anything twice and in order; what cannot be taken up is told how far it was.

Attacks M1, M4, M6 and M7.
"""
import threading
import time

from lazo_test import *
from managed import *
from xmpp_raw import *


def setup():
    global relay
    relay = Relay()


def test_resumed_goes_on_where_it_was():
    a, jid = login(relay, relay.user()), relay.user()
    watcher = login(relay, jid, resource="watcher")
    m = resumable(relay, jid, resource="walker")
    settle()
    watcher.barrier()
    say(a, jid, "before")
    m.messages(1)
    m.wait_asked()
    m.ack()
    pending(relay, jid, 0)
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
    pending(relay, jid, 0)
    gone = [e for e in watcher.barrier() if e.tag == CLIENT + "presence" and e.get("from") == f"{jid}/walker"]
    equal(gone, [], "others saw nothing of it")
    for s in (a, watcher, m):
        s.close()


def test_what_was_not_counted_comes_again():
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(relay, jid)
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
    pending(relay, jid, 0)
    # The numbers agree on both sides: one more than was sent is too many.
    m.acked()
    m.ack(m.h + 1)
    equal(m.s.stream_error(), "undefined-condition")
    a.close()


def test_both_directions_cut_at_random():
    """Cut without notice again and again: nothing is lost and, by the counts alone, nothing comes twice."""
    a, b = resumable(relay, relay.user()), resumable(relay, relay.user())
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
    pending(relay, to, 0)
    for s in (a, b):
        s.close()


def test_only_its_owner_may():
    """M1."""
    m, stranger = resumable(relay, relay.user()), relay.user()
    ident = m.enabled.get("id")
    s = at_login(relay, stranger)
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
    s = at_login(relay, bare(m.s.jid))
    s.send(f"<resume xmlns='{SM_NS}' previd='{ident}' h='{m.h + 100}'/>")
    equal(s.stream_error(), "undefined-condition")
    m.acked()
    m.close()
    s = at_login(relay, bare(m.s.jid))
    equal(not_resumed(s, ident), "item-not-found", "a clean end is an end (section 7)")
    s.bind()
    s.close()


def test_resumed_while_the_old_one_is_open():
    """M7: the old connection hears conflict; of two that race, the later has it."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(relay, jid)
    old = m.s
    resume(m)
    equal(old.stream_error(), "conflict")
    racers = [at_login(relay, jid) for _ in range(5)]
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
    pending(relay, jid, 0)
    a.close()
    m.close()


def test_too_much_while_away():
    """What is kept is bounded; the session ends, the messages are in the mailbox."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(relay, jid, resource="away")
    m.s.drop()
    settle()
    say(a, jid, "safe")
    for i in range(30):
        a.send(f"<message to='{jid}/away' type='headline'><body>{'x' * 10000}</body></message>")
    a.barrier()
    settle()
    s = at_login(relay, jid)
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
    lost = [resumable(relay, jid, presence=False, resource=f"r{i}") for i in range(20)]
    for m in lost:
        m.s.drop()
    settle()
    login(relay, jid, resource="new").close()
    equal(not_resumed(at_login(relay, jid), lost[0].enabled.get("id")), "item-not-found", "the oldest made room")
    resume(lost[19])
    lost[19].close()


def plain_messages(to, numbers, prefix="n"):
    """Without an origin-id: nothing but the numbers keeps them from coming twice."""
    return "".join(f"<message to='{to}' type='chat'><body>{prefix}{i}</body></message>" for i in numbers)


def test_after_a_restart_the_number_is_that_of_the_last_message():
    """M4: never above and never below a message that is on the disk."""
    m, away, other = resumable(relay, relay.user()), relay.user(), relay.user()
    ident, jid = m.enabled.get("id"), bare(m.s.jid)
    m.send(plain_messages(away, range(5)), 5)
    last = m.sent
    for i in range(3):
        m.send(PINGS.format(f"p{i}"))
    m.acked()
    relay.kill()
    relay.start()
    equal(failed(at_login(relay, other), ident), ("item-not-found", None), "another's, as one that never was")
    s = at_login(relay, jid)
    equal(failed(s, ident), ("item-not-found", last))
    equal(failed(s, "0" * len(ident)), ("item-not-found", None))
    equal(failed(s, ident), ("item-not-found", last), "asked again")
    s.bind()
    s.close()


def test_after_its_time_the_number_is_that_of_all():
    short = Relay(authority=relay.authority, resume="1s")
    m, away = Managed(short, short.user(), enable=RESUME), short.user()
    m.send(plain_messages(away, range(5)), 5)
    for i in range(3):
        m.send(PINGS.format(f"p{i}"))
    m.acked()
    m.s.drop()
    eventually(lambda: "did not come back" in short.log_text(), 10)
    s = at_login(short, bare(m.s.jid))
    equal(failed(s, m.enabled.get("id")), ("item-not-found", m.sent))
    s.bind()
    s.close()
    short.restart()
    equal(failed(at_login(short, bare(m.s.jid)), m.enabled.get("id")), ("item-not-found", m.sent))
    short.stop()


def test_killed_with_nothing_but_the_numbers():
    sender, to = relay.user(), relay.user()
    total, done, ident, start, first = 400, 0, None, 0, 0
    for goal in (40, 90, 91, 150, 230, 300, 400):
        m = resumable(relay, sender)
        if ident is not None:
            answer = failed(at_login(relay, sender), ident)
            if answer[1] is not None:
                done = start + answer[1] - first
        ident, start, first = m.enabled.get("id"), done, m.sent
        m.send(plain_messages(to, range(done, total)) + f"<r xmlns='{SM_NS}'/>" * 3)
        if goal == total:
            m.sent = first + total - start
            m.acked()
        else:
            while done < goal:
                e = m.read(20)
                if e.tag == SM + "a":
                    done = start + int(e.get("h")) - first
                    m.s.send(f"<r xmlns='{SM_NS}'/>")
        relay.kill()
        m.s.drop()
        relay.start()
    b = login(relay, to)
    equal(bodies(b.drain(enough=total)), [f"n{i}" for i in range(total)])
    b.close()


def test_a_session_given_up_takes_nothing_more():
    """Too much was lost for it to be taken up while its old line is still open: from the number told on, nothing that comes
    in there counts."""
    a, to = login(relay, relay.user()), relay.user()
    m = resumable(relay, relay.user(), resource="slow")
    m.acked()
    m.send(plain_messages(to, range(100)), 100)
    for i in range(40):
        a.send(f"<message to='{m.s.jid}' type='headline'><body>{'x' * 10000}</body></message>")
    a.barrier()
    s = at_login(relay, bare(m.s.jid))
    condition, h = failed(s, m.enabled.get("id"))
    equal(condition, "item-not-found")
    try:
        m.s.send(plain_messages(to, range(100, 200)))
    except OSError:
        pass
    s.bind()
    s.send(plain_messages(to, range(h - (m.sent - 100), 100)))
    s.barrier(30)
    b = login(relay, to)
    equal(bodies(b.drain(enough=100)), [f"n{i}" for i in range(100)])
    b.barrier()
    for stream in (a, b, s):
        stream.close()


def mixed(a, to, first, count):
    """Messages that wait in the mailbox and others that do not, in turn; -> the bodies."""
    for i in range(first, first + count):
        a.send(f"<message to='{to}' type='{'chat' if i % 3 == 0 else 'headline'}'><body>o{i}</body></message>")
    a.barrier(60)
    return [f"o{i}" for i in range(first, first + count)]


def test_order_of_rows_and_others():
    """RFC 6120 10.1: between two people nothing overtakes, however often the line breaks."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(relay, jid, resource="walker")
    to = f"{jid}/walker"
    want = mixed(a, to, 0, 60)
    m.messages(60)
    m.s.drop()                                  # none of it acknowledged
    settle()
    want += mixed(a, to, 60, 60)                # while it is away
    resume(m, m.h - 50)
    came = m.messages(37)                       # and cut off in the middle of it
    equal(bodies(came), want[10:47])
    h = m.h
    m.s.drop()
    want += mixed(a, to, 120, 30)
    settle()
    resume(m, h)
    m.s.send(PINGS.format("behind"))
    m.sent += 1
    want += mixed(a, to, 150, 30)               # it is back
    equal(bodies(m.messages(180 - 47)), want[47:])
    m.ack()
    m.acked()
    pending(relay, jid, 0)
    check(b"id='behind'" in m.s.received or b'id="behind"' in m.s.received, "an answer comes in its turn")
    for s in (a, m):
        s.close()


def test_more_than_a_window_waits():
    """Rows beyond what is remembered one by one, and many before an acknowledgement."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(relay, jid)
    for i in range(600):
        say(a, jid, f"n{i}")
    a.barrier(60)
    m.messages(300)
    m.s.drop()
    settle()
    for i in range(600, 1700):
        say(a, jid, f"n{i}")
    a.barrier(60)
    resume(m, m.h)
    got = []
    while len(got) < 1400:
        try:
            got += bodies([m.read(0.5)])
        except TimeoutError:
            pass
        if m.asked:
            m.asked = 0
            m.ack()
    equal(got, [f"n{i}" for i in range(300, 1700)])
    m.ack()
    pending(relay, jid, 0)
    a.close()
    m.close()


def test_one_who_is_not_available():
    """What was sent to it by name comes again, though it takes no mail."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(relay, jid, presence=False, resource="shy")
    say(a, jid, "for whoever is there")
    say(a, f"{jid}/shy", "by name")
    equal(bodies(m.messages(1)), ["by name"])
    m.s.drop()
    settle()
    say(a, f"{jid}/shy", "by name again")
    a.barrier()
    resume(m, 0)
    got = bodies(m.acked())
    m.send(PINGS.format("end"))                 # its answer is behind all that comes
    while True:
        e = m.read()
        if e.get("id") == "end":
            break
        got += bodies([e])
    equal(got, ["by name", "by name again"])
    a.close()
    m.close()


def test_a_request_that_nobody_answers():
    short = Relay(authority=relay.authority, resume="1s")
    a, b = login(short, short.user()), short.user()
    m = Managed(short, b, enable=RESUME, resource="asked")
    ask = PINGS.format("{}").replace(f"to='{HOST}'", f"to='{m.s.jid}'")
    befriended = login(short, b, resource="other")
    befriend(a, befriended)
    while True:
        try:
            m.read(0.3)
        except TimeoutError:
            break
    m.ack()
    m.acked()
    m.s.drop()
    settle()
    a.send(ask.format("lost"))
    answer = a.wait(lambda e: e.get("id") == "lost", 10)
    equal((answer.get("from"), error_of(answer)), (m.s.jid, ("cancel", "service-unavailable")))
    # While it may come back, it is not answered for it.
    m = Managed(short, b, enable=RESUME, resource="asked")
    m.s.drop()
    settle()
    a.send(ask.format("kept"))
    a.barrier()
    resume(m)
    while m.read().get("id") != "kept":
        pass
    m.send(f"<iq type='result' id='kept' to='{a.jid}'/>")
    equal(a.wait(lambda e: e.get("id") == "kept").get("type"), "result")
    for s in (a, befriended, m):
        s.close()
    short.stop()


def test_another_password():
    """M7: what was begun with the old one is over, and what it had sent is known."""
    m, away = resumable(relay, relay.user()), relay.user()
    jid = bare(m.s.jid)
    m.send(plain_messages(away, range(3)), 3)
    m.acked()
    m.s.drop()
    settle()
    relay.ctl("user", "password", jid, stdin="another secret\n")
    try:
        at_login(relay, jid)
        check(False, "the old password")
    except Refused:
        pass
    s = at_login(relay, jid, password="another secret")
    equal(failed(s, m.enabled.get("id")), ("item-not-found", m.sent))
    s.bind()
    available(s)
    s.close()


def test_another_password_by_the_owner():
    """XEP-0077 3.3 from one session: what another had left to be taken up is over, too."""
    m = resumable(relay, relay.user())
    jid = bare(m.s.jid)
    m.s.drop()
    settle()
    other = login(relay, jid)
    other.result("set", f"<query xmlns='jabber:iq:register'><username>{jid.partition('@')[0]}</username>"
                 "<password>another secret</password></query>", HOST)
    other.barrier()
    s = at_login(relay, jid, password="another secret")
    equal(failed(s, m.enabled.get("id"))[0], "item-not-found")
    s.drop()
    other.close()


def test_a_deleted_account():
    m = resumable(relay, relay.user("gone"))
    m.say("nobody@familia.example", "counts")
    m.acked()
    m.s.drop()
    settle()
    relay.ctl("user", "del", "gone@familia.example")
    try:
        at_login(relay, "gone@familia.example")
        check(False, "an account that is gone")
    except Refused:
        pass
    relay.user("gone")
    equal(failed(at_login(relay, "gone@familia.example"), m.enabled.get("id")), ("item-not-found", None), "who came later")


def test_somebody_looks_again():
    """XEP-0352 5.2: what was held for one who did not look comes when it is back."""
    jid = relay.user()
    other = login(relay, jid, resource="other")
    m = resumable(relay, jid, resource="pocket")
    m.s.send("<inactive xmlns='urn:xmpp:csi:0'/>")
    m.acked()
    for show in ("away", "xa", "dnd"):
        other.send(f"<presence><show>{show}</show></presence>")
    other.barrier()
    m.s.drop()
    settle()
    resume(m)
    while True:
        e = m.read()
        if e.tag == CLIENT + "presence" and e.get("from") == other.jid:
            equal(text_of(e, CLIENT + "show"), "dnd")
            break
    other.send("<presence><show>away</show></presence>")
    while text_of(m.read(5), CLIENT + "show") != "away":
        pass
    other.close()
    m.close()


def test_the_one_that_asked_last():
    """Twenty at the same instant, again and again: one has the session, all others hear conflict, nothing is lost."""
    a, jid = login(relay, relay.user()), relay.user()
    m = resumable(relay, jid)
    for round in range(5):
        to_say = [f"r{round}-{i}" for i in range(30)]
        racers = [at_login(relay, jid) for _ in range(20)]
        text = f"<resume xmlns='{SM_NS}' previd='{m.enabled.get('id')}' h='{m.h}'/>"
        m.s.send("".join(PINGS.format(f"{round}-{i}") for i in range(50)))
        threads = [threading.Thread(target=s.send, args=(text,)) for s in racers]
        for body in to_say:
            say(a, jid, body)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        a.barrier()
        got = {}
        for s in racers:
            got[s] = []
            try:
                while True:
                    e = s.read(0.3)
                    check(e.tag != SM + "failed", "each is its owner's")
                    if e.tag == STREAM + "error":
                        equal(local(e[0]), "conflict")
                    got[s].append(e)
            except TimeoutError:
                winner = s
            except Closed:
                got[s] = None
        equal([s for s in racers if got[s] is not None], [winner], "one has it")
        stanzas = [e for e in got[winner] if e.tag.startswith(CLIENT)]
        equal(got[winner][0].tag, SM + "resumed")
        equal([b for b in bodies(stanzas) if b.startswith(f"r{round}-")], to_say)
        m.h += len(stanzas)
        winner.jid, m.s = m.s.jid, winner
        m.ack()
        m.sent = int(got[winner][0].get("h"))
        m.acked()
        pending(relay, jid, 0)
    a.close()
    m.close()


def test_not_before_its_time():
    """A <bind/> in the same breath waits for the verdict."""
    m = resumable(relay, relay.user())
    s = at_login(relay, bare(m.s.jid))
    s.send(f"<resume xmlns='{SM_NS}' previd='{'0' * 32}' h='0'/><iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    equal(s.read().tag, SM + "failed")
    equal(s.read().get("type"), "result")
    s.drop()
    m.close()


def test_how_long():
    """`resume`, its change at a reload, and a client that wants less."""
    other = Relay(authority=relay.authority, resume="2h")
    m = Managed(other, other.user(), enable=RESUME)
    equal(m.enabled.get("max"), "7200")
    for wanted, given in (("60", "60"), ("99999", "7200"), ("0", "7200"), ("x", "7200"), ("-1", "7200")):
        less = Managed(other, other.user(), presence=False, enable=RESUME.replace("/>", f" max='{wanted}'/>"))
        equal(less.enabled.get("max"), given, wanted)
        less.close()
    one = Managed(other, other.user(), enable=RESUME.replace("/>", " max='1'/>"))
    one.s.drop()
    eventually(lambda: "did not come back" in other.log_text(), 10, "the client's own time")
    other.conf["resume"] = "3d"
    other.write_conf()
    other.reload()
    eventually(lambda: Managed(other, other.user(), presence=False, enable=RESUME).enabled.get("max") == "259200", 10, "days")
    other.conf["resume"] = "0s"
    other.write_conf()
    other.reload()
    eventually(lambda: Managed(other, other.user(), presence=False, enable=RESUME).enabled.get("id") is None, 10, "none")
    m.s.drop()
    settle()
    equal(not_resumed(at_login(other, bare(m.s.jid)), m.enabled.get("id")), "item-not-found", "and none that was begun before")
    other.stop()


def test_what_a_lost_session_costs():
    """Figure: at most 32 KiB for an idle session on TLS; a lost one has neither TLS nor parser."""
    count = 100
    big = Relay(authority=relay.authority)
    users = [big.user() for _ in range(count // 10)]

    def grown(enable, lost):
        before = big.rss_kib()
        streams = []
        for i in range(count):
            s = at_login(big, users[i % len(users)])
            s.bind(f"r{enable is not None}{lost}{i}")
            if enable:
                s.send(enable)
                equal(s.read().tag, SM + "enabled")
            s.send("<presence><priority>-1</priority></presence>")
            s.presence(s.jid)
            s.sock.settimeout(0.001)
            streams.append(s)
        if lost:
            for s in streams:
                s.drop()
            eventually(lambda: big.fds() < 40, 10)
            time.sleep(1.5)                     # memory is given back
        cost = (big.rss_kib() - before) / count
        for s in streams:
            s.drop()
        return cost
    for enable in (None, RESUME):               # what the first of each kind costs is not theirs
        grown(enable, False)
        eventually(lambda: big.fds() < 40, 10)
        time.sleep(1.5)
    idle = grown(RESUME.replace("true", "false"), False)
    eventually(lambda: big.fds() < 40, 10)
    time.sleep(1.5)
    lost = grown(RESUME, True)
    print(f"  an idle session on TLS that counts: {idle:.1f} KiB more; a lost one: {lost:.1f}")
    check(SANITIZED or (idle < 32 and lost < 12), f"{idle} and {lost} KiB")
    big.stop()


main()
