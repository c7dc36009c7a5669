#!/usr/bin/python3
"""What a stranger's domain may cost, and that nothing goes round: attacks F8, R9 (from other domains) and R10.

Quotas by domain, a flood beside honest people, each kind of stanza answered once at most, a domain that leads back to us, and a
certificate that is replaced while messages wait for it.
"""
import contextlib
import ssl
import sqlite3
import threading
import time
import xml.etree.ElementTree as ET
from lazo_test import *
from xmpp_raw import *
from liar import *

ASK = "<bidi xmlns='urn:xmpp:bidi'/>"
QUOTA = 20


def setup():
    global relay
    relay = Relay("uno.example", server=["127.0.0.1:0"], quota={"strangers": QUOTA})
    relay.conf["trust"] = [str(relay.authority.crt)]
    relay.restart()


def visitor(host, certificate=None, where=None):
    """A stream from `host` on which answers come back too."""
    liar = Liar(where or relay, host, certificate)
    liar.prove(first=ASK)
    return liar.managed()


def settled(liar):
    """What came back for all that was said up to here: the relay's own answer is behind it."""
    ident = new_id()
    liar.send(f"<iq type='get' id='{ident}' from='fin@{liar.me}/f' to='{liar.host}'><ping xmlns='urn:xmpp:ping'/></iq>")
    liar.wait(lambda e: e.get("id") == ident, 30)
    came, liar.inbox = [e for e in liar.inbox if e.tag.startswith(SERVER)], []
    return came


def conditions(stanzas):
    return [[local(c) for c in e.iter() if c.tag.startswith(STANZA_ERRORS) and local(c) != "text"][0] for e in stanzas]


def kept(jid, where=None):
    with contextlib.closing(sqlite3.connect(f"file:{(where or relay).data}/lazo.db?mode=ro", uri=True, timeout=30)) as db:
        return db.execute("SELECT count(*) FROM pending JOIN account ON account.id = pending.account WHERE account.node = ?", (jid.partition("@")[0],)).fetchone()[0]


def test_strangers_of_one_domain():    # R9
    """So many from one domain, however many people it makes up and whomever they write to; not those whom somebody here knows."""
    people = [relay.user() for _ in range(4)]
    host = login(relay, people[0], presence=False)
    host.result("set", "<query xmlns='jabber:iq:roster'><item jid='conocida@tres.example'/></query>")
    liar = visitor("tres.example")
    for n in range(QUOTA + 20):
        liar.stanza(people[n % 4], f"compre {n}", frm=f"bot{n}@tres.example")
    refused = settled(liar)
    equal(conditions(refused), ["resource-constraint"] * 20, "beyond the quota, each in words")
    equal({e.find(SERVER + "error").get("type") for e in refused}, {"wait"})
    equal(sum(kept(jid) for jid in people), QUOTA, "on the disk")
    liar.stanza(people[0], "soy yo", frm="conocida@tres.example")
    equal(settled(liar), [], "a contact is not counted")
    liar.send(f"<presence type='subscribe' from='bot99@tres.example' to='{people[1]}'/>")
    equal(conditions(settled(liar)), ["resource-constraint"], "nor are wishes free")
    liar.close()
    liar = visitor("tres.example")    # a new stream is no new day
    liar.stanza(people[1], "otra vez", frm="bot@tres.example")
    equal(conditions(settled(liar)), ["resource-constraint"])
    liar.close()
    other = visitor("cuatro.example")
    other.stanza(people[1], "hola", frm="gente@cuatro.example")
    equal(settled(other), [], "another domain has its own")
    other.close()
    host.drop()


def test_all_strange_domains_together():
    """Names are cheap: who has a star in a certificate has as many domains as wanted."""
    small = Relay("uno.example", server=["127.0.0.1:0"], authority=relay.authority, trust=[str(relay.authority.crt)], quota={"strangers": 2})
    jid, star = small.user(), leaf(relay.authority, "DNS:*.malo.example")
    taken = 0
    for n in range(14):
        liar = visitor(f"d{n}.malo.example", star, small)
        for m in range(3):
            liar.stanza(jid, f"{n} {m}", frm=f"bot@d{n}.malo.example")
        taken += 3 - len(settled(liar))
        liar.drop()
    equal(taken, 20, "ten times what one may")
    equal(kept(jid, small), 20)
    small.stop()


def seen():
    """How many keys of messages are remembered, and until when the longest: days from now."""
    with contextlib.closing(sqlite3.connect(f"file:{relay.data}/lazo.db?mode=ro", uri=True, timeout=30)) as db:
        count, last = db.execute("SELECT count(*), coalesce(max(expires), 0) FROM seen").fetchone()
    return count, (last / 1000 - time.time()) / 86400


def test_keys_of_what_is_kept_alone():    # R9
    """A stranger's domain has the relay remember what it keeps of it, by the quota, and that no longer than we would hold it."""
    jid = relay.user()
    liar = visitor("siete.example")
    before = seen()[0]
    mark = "<custody xmlns='urn:lazo:custody:0' id='{}' expires='2036-11-01T00:00:00Z'/>"
    for n in range(20):
        liar.send(f"<message from='a@siete.example' to='{jid}' type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/>"
                  f"{mark.format(f'{n + 100:032x}')}</message>")
        liar.send(f"<message from='a@siete.example' to='{jid}' type='headline'><body>x</body>{mark.format(f'{n:032x}')}</message>")
    settled(liar)
    equal(seen()[0], before, "of the moment")
    for _ in range(2):
        liar.stanza(jid, "una vez", extra=mark.format("a" * 32))
    equal(settled(liar), [])
    count, days = seen()
    check(count > before, "of what is kept")
    equal(kept(jid), 1, "once")
    check(days < 366 + 30, f"until {days} days from now")
    liar.close()


def test_errors_are_not_believed_about_us():
    """What only this relay may say is taken out of errors too."""
    jid = relay.user()
    a = login(relay, jid)
    liar = visitor("siete.example")
    liar.send(f"<message from='a@siete.example' to='{a.jid}' type='error' id='e1'><error type='cancel'>"
              "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
              f"<stanza-id xmlns='urn:xmpp:sid:0' by='{jid}' id='1'/><delay xmlns='urn:xmpp:delay' from='{relay.host}' "
              f"stamp='2020-01-01T00:00:00Z'/><custody xmlns='urn:lazo:custody:0' id='{'b' * 32}' expires='2036-11-01T00:00:00Z'/></message>")
    equal([local(c) for c in a.message(id="e1")], ["error"])
    liar.close()
    a.close()


def test_control_without_a_quota():
    """Negative control: the bound is what has held them back."""
    open_one = Relay("uno.example", server=["127.0.0.1:0"], authority=relay.authority, trust=[str(relay.authority.crt)],
                     quota={"strangers": 0, "strangers_bytes": 0})
    jid = open_one.user()
    liar = visitor("tres.example", where=open_one)
    for n in range(QUOTA + 20):
        liar.stanza(jid, f"compre {n}", frm=f"bot{n}@tres.example")
    equal(settled(liar), [])
    equal(kept(jid, open_one), QUOTA + 20)
    open_one.stop(None)


def test_the_quota_in_bytes():
    tight = Relay("uno.example", server=["127.0.0.1:0"], authority=relay.authority, trust=[str(relay.authority.crt)],
                  quota={"strangers_bytes": "100kb"})
    jid = tight.user()
    liar = visitor("tres.example", where=tight)
    for n in range(12):
        liar.stanza(jid, "x" * 20000, frm=f"bot{n}@tres.example")
    equal(len(settled(liar)), 12 - 6, "100 kB, passed by one at most")
    tight.stop(None)


def pour(where, streams, each):
    """So many streams of one domain say so many bytes each; how long until all of it was heard."""
    liars = [visitor("tres.example", where=where) for _ in range(streams)]
    begin = time.monotonic()
    block = f"<message type='error' from='a@tres.example' to='nadie@uno.example'><x xmlns='urn:x'>{'x' * 20000}</x></message>"

    def say(liar):
        liar.timeout = 60
        for _ in range(each // 20000):
            liar.send(block)
        liar.send("<r xmlns='urn:xmpp:sm:3'/>")    # answers to stanzas go out on one of the four
        liar.wait(lambda e: e.tag == SM + "a" and e.get("h") == str(each // 20000), 60)
    threads = [threading.Thread(target=say, args=(liar,)) for liar in liars]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    took = time.monotonic() - begin
    for liar in liars:
        liar.drop()
    return took


def test_one_pace_for_all_streams_of_a_domain():
    slow, free = [Relay("uno.example", server=["127.0.0.1:0"], authority=relay.authority, trust=[str(relay.authority.crt)],
                        limits={"rate_server": rate}) for rate in ("200kb", 0)]
    quick, took = pour(free, 4, 500000), pour(slow, 4, 500000)
    print(f"  4 streams, 2 MB: {took:.1f} s at 200 kB/s, {quick:.1f} s without a limit")
    check(took > 3, "one megabyte at once, the rest at its pace")    # each stream with a megabyte of its own would have had no wait
    check(quick < took / 2, "negative control: without the limit nothing waits")
    again = pour(slow, 1, 300000)
    check(again > 0.5, f"to come back brings no new allowance: {again:.1f} s")
    slow.stop(None)
    free.stop(None)


def test_a_flood_beside_honest_people():    # R9, R11
    """Four streams of a stranger's domain at full speed; two people here and one there are not kept waiting."""
    flooded = Relay("uno.example", server=["127.0.0.1:0"], authority=relay.authority, trust=[str(relay.authority.crt)])
    a, b, victim = login(flooded, flooded.user()), login(flooded, flooded.user()), flooded.user()
    friend = visitor("familia.example", where=flooded)
    stop, sent = threading.Event(), []

    def flood(n):
        liar, count = visitor("tres.example", where=flooded), 0
        liar.sock.settimeout(0.5)
        block = "".join(f"<message from='bot{n}-{i}@tres.example' to='{victim}' type='chat' id='f{i}'><body>{'x' * 200}</body></message>" for i in range(50)).encode()
        while not stop.is_set():
            try:
                liar.sock.sendall(block)
                count += 50
            except (OSError, ssl.SSLError):
                break    # held back by the relay, or its own answers unread
        sent.append(count)
        liar.drop()
    threads = [threading.Thread(target=flood, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    took = []
    for n in range(60):
        begin = time.monotonic()
        a.send(f"<message to='{b.jid}' type='chat' id='h{n}'><body>h{n}</body></message>")
        b.message(body=f"h{n}", timeout=20)
        friend.stanza(b.jid, f"de lejos {n}", frm="tía@familia.example")
        b.message(body=f"de lejos {n}", timeout=20)
        took.append((time.monotonic() - begin) / 2)
    stop.set()
    for thread in threads:
        thread.join(15)
    took.sort()
    print(f"  {sum(sent)} of a stranger's beside; honest p50 {took[30] * 1000:.0f} ms, p98 {took[58] * 1000:.0f} ms")
    check(sum(sent) > 500, "there was a flood")
    check(took[58] < 1.0, f"honest people wait {took[58]:.2f} s")
    equal(flooded.log_text().count("too much from strangers"), 0, "no line in the log for each")
    check(kept(victim, flooded) <= 2000, "the quota held")
    flooded.stop(None)


NOTHING = 0
ONCE = 1
ROUND = [    # what is said, and how many stanzas may come back (R10)
    ("<message type='error' from='{me}' to='nadie@{host}' id='r'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>", NOTHING),
    ("<message type='error' from='{me}' to='{host}' id='r'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>", NOTHING),
    ("<message type='error' from='{me}' to='{user}' id='r'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>", NOTHING),
    ("<message type='error' from='{me}' to='{user}/no-hay' id='r'/>", NOTHING),
    ("<message type='error' from='tres.example' to='{host}' id='r'/>", NOTHING),
    ("<iq type='error' from='{me}' to='nadie@{host}' id='r'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", NOTHING),
    ("<iq type='error' from='{me}' to='{host}' id='r'/>", NOTHING),
    ("<iq type='error' from='tres.example' to='{user}/no-hay' id='r'/>", NOTHING),
    ("<iq type='result' from='{me}' to='{host}' id='r'/>", NOTHING),
    ("<iq type='result' from='{me}' to='{user}' id='r'/>", NOTHING),
    ("<iq type='result' from='{me}' to='{user}/no-hay' id='r'/>", NOTHING),
    ("<iq type='result' from='{me}' to='nadie@{host}' id='r'/>", NOTHING),
    ("<presence type='error' from='{me}' to='{user}' id='r'/>", NOTHING),
    ("<presence type='error' from='{me}' to='nadie@{host}' id='r'/>", NOTHING),
    ("<presence type='unsubscribed' from='{bare}' to='{user}' id='r'/>", NOTHING),
    ("<presence type='unsubscribed' from='{bare}' to='nadie@{host}' id='r'/>", NOTHING),
    ("<presence type='unsubscribe' from='{bare}' to='nadie@{host}' id='r'/>", NOTHING),
    ("<presence type='subscribed' from='{bare}' to='{user}' id='r'/>", NOTHING),
    ("<presence type='unavailable' from='{me}' to='{user}' id='r'/>", NOTHING),
    ("<presence type='unavailable' from='{me}' to='nadie@{host}' id='r'/>", NOTHING),
    ("<presence from='{me}' to='nadie@{host}' id='r'/>", NOTHING),
    ("<message type='headline' from='{me}' to='nadie@{host}' id='r'><body>x</body></message>", ONCE),
    ("<message type='groupchat' from='{me}' to='{user}' id='r'><body>x</body></message>", ONCE),
    ("<message type='chat' from='{me}' to='nadie@{host}' id='r'><body>x</body></message>", ONCE),
    ("<message type='chat' from='{me}' to='{host}' id='r'><body>estado</body></message>", ONCE),
    ("<message type='chat' from='tres.example' to='{host}' id='r'><body>estado</body></message>", ONCE),
    ("<message type='chat' from='{me}' to='{user}/no-hay' id='r'><received xmlns='urn:xmpp:receipts' id='1'/></message>", ONCE),
    ("<iq type='get' from='{me}' to='nadie@{host}' id='r'><ping xmlns='urn:xmpp:ping'/></iq>", ONCE),
    ("<iq type='set' from='{me}' to='{user}' id='r'><x xmlns='urn:x'/></iq>", ONCE),
    ("<iq type='get' from='tres.example' to='{host}' id='r'><ping xmlns='urn:xmpp:ping'/></iq>", ONCE),
    ("<iq type='get' from='{me}' to='{user}/no-hay' id='r'/>", ONCE),
    ("<presence type='subscribe' from='{bare}' to='nadie@{host}' id='r'/>", ONCE),
    ("<presence type='probe' from='{bare}' to='nadie@{host}' id='r'/>", ONCE),
    ("<presence type='probe' from='{bare}' to='{user}' id='r'/>", ONCE),
]


def test_nothing_goes_round():    # R10
    """Each stanza from outside costs one in answer at most, an answer none; and what comes back, said again, ends there."""
    fresh = Relay("uno.example", server=["127.0.0.1:0"], authority=relay.authority, trust=[str(relay.authority.crt)])
    user, liar, total = fresh.user(), None, 0
    liar = visitor("tres.example", where=fresh)
    for text, most in ROUND:
        said = text.format(me="a@tres.example/r", bare="a@tres.example", host="uno.example", user=user)
        liar.send(said)
        came = settled(liar)
        check(len(came) <= most, f"{said}\n came back as {[ET.tostring(e) for e in came]}")
        total += len(came)
        for element in came:    # a mirror: what we are told goes back to who told it
            for name in ("from", "to"):
                element.attrib.pop(name, None)
            text = ET.tostring(element, encoding="unicode").replace(" xmlns:ns0=", " xmlns=").replace("ns0:", "")
            at = text.index(" ") if " " in text else text.index(">")
            liar.send(text[:at] + f" from='a@tres.example/r' to='{user}'" + text[at:])
            check(len(settled(liar)) <= 1, "the echo of an answer")
    check(total >= 6, f"the checker sees what comes back: {total}")    # its control
    liar.close()
    fresh.stop()


def test_a_domain_that_leads_back_here():    # R10
    """DNS or the configuration says that another domain is where we are."""
    port = free_port()
    alone = Relay("uno.example", server=[f"127.0.0.1:{port}"], retry={"most": '"2s"'}, authority=relay.authority, trust=[str(relay.authority.crt)],
                  **{'peer "eco.example"': {"address": f'"127.0.0.1:{port}"'}})
    a = login(alone, alone.user())
    a.send(f"<message to='x@eco.example' type='chat' id='m'><body>¿hay eco?</body></message>")
    equal(a.refused("get", "<ping xmlns='urn:xmpp:ping'/>", "eco.example")[1], "remote-server-timeout")
    time.sleep(3)
    check(alone.log_text().count("host-unknown") >= 1, "the other end knows no such host")
    check(len(alone.log_text().splitlines()) < 60, "and does not try without end")
    check("eco.example" in alone.ctl("queue", "show"), "it is held meanwhile")
    equal([m for m in a.barrier() if m.tag == CLIENT + "message"], [])
    a.close()
    alone.stop()


def test_certificate_replaced_while_messages_wait():    # F8
    """Held, told to the operator, not bounced; and with the right one again each arrives once."""
    ports, authority, other = (free_port(), free_port()), Authority(scratch() / "f8"), Authority(scratch() / "f8-other")
    here, there = [Relay(host, authority, trust=[str(authority.crt)], server=[f"127.0.0.1:{mine}"], retry={"most": '"1s"'},
                         **{f'peer "{peer}"': {"address": f'"127.0.0.1:{port}"'}})
                   for host, mine, peer, port in (("uno.example", ports[0], "dos.example", ports[1]), ("dos.example", ports[1], "uno.example", ports[0]))]
    jid = there.user()
    a = login(here, here.user())
    there.stop()
    for n in range(10):
        a.send(f"<message to='{jid}' type='chat' id='c{n}'><body>c{n}</body><origin-id xmlns='urn:xmpp:sid:0' id='c{n}'/></message>")
    a.barrier()
    good = there.crt, there.key
    there.crt, there.key = other.issue("dos.example")
    there.start()
    eventually(lambda: here.log_text().count("is not trusted") >= 2, 30, "tries, and says why")
    equal(kept(jid, there), 0, "nothing goes to who has no right to the name")
    equal([m for m in a.barrier() if m.get("type") == "error"], [], "and nothing is bounced")
    there.stop()
    there.crt, there.key = good
    there.start()
    b = login(there, jid)
    equal([text_of(b.message(timeout=30), CLIENT + "body") for _ in range(10)], [f"c{n}" for n in range(10)])
    equal([m for m in b.barrier() if m.tag == CLIENT + "message"], [], "each once")
    for relay_ in (here, there):
        relay_.stop(None)


if __name__ == "__main__":
    main()
