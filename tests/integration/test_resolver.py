#!/usr/bin/python3
"""Where the relay looks for other relays: SRV of both kinds, addresses of both families, and a DNS that fails in every way.

RFC 6120 3.2, RFC 2782, XEP-0368 3, RFC 8305; attack F9. What DNS says no to is told apart from what it does not say.
"""
import random
import threading
from lazo_test import *
from dns_server import *
from xmpp_raw import *

PING = "<ping xmlns='urn:xmpp:ping'/>"
ALONE = f"127.77.{random.randrange(1, 255)}.{random.randrange(1, 255)}"    # an address with a port 5269 of our own
NOBODY, FAILED = "remote-server-not-found", "remote-server-timeout"


class Door:
    """A port that notes each connection in `order` and closes it."""
    order = []

    def __init__(self, name, address="127.0.0.1", port=0):
        self.name = name
        self.sock = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            sock = self.sock.accept()[0]
            Door.order.append(self.name)
            sock.close()


def black_hole():
    """A port that takes no further connection and refuses none: its queue is full."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(sock.getsockname())
        fillers.append(filler)
    return sock.getsockname()[1], (sock, fillers)


def setup():
    global names, relay, user, closed
    names = DnsServer()
    relay = Relay("uno.example", resolver=[names.address])
    user = login(relay, relay.user())
    closed = free_port()


def outcome(domain, stream=None):
    return (stream or user).refused("get", PING, f"x@{domain}")[1]


def ask(*domains, stream=None):
    """All at once; {domain: condition}."""
    stream, ids = stream or user, {}
    for domain in domains:
        ids[domain] = new_id()
        stream.send(f"<iq type='get' id='{ids[domain]}' to='x@{domain}'>{PING}</iq>")
    return {domain: error_of(stream.wait(lambda e, i=i: e.tag == CLIENT + "iq" and e.get("id") == i, 45))[1] for domain, i in ids.items()}


def starttls(domain, priority, port, target=None, weight=5):
    names.srv(f"_xmpp-server._tcp.{domain}", priority, weight, port, f"x.{domain}" if target is None else target)


def direct(domain, priority, port, target=None, weight=5):
    names.srv(f"_xmpps-server._tcp.{domain}", priority, weight, port, f"x.{domain}" if target is None else target)


def test_no_is_told_apart_from_silence():
    starttls("dots.example", 0, 0, "")
    direct("dots.example", 0, 0, "")
    starttls("dot.example", 0, 0, "")
    starttls("gone.example", 0, 5269, "nowhere.gone.example")
    direct("portless.example", 0, 0)
    starttls("portless.example", 0, 0)
    names.a("other.empty.example", "127.0.0.1")
    names.cname("alias.example", "nothing.example")
    nobody = ["never.example", "dots.example", "dot.example", "gone.example", "portless.example", "empty.example", "alias.example"]
    for how in ("SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "garbage", "truncate"):
        names.fail(f"{how.lower()}.example", how)
    failed = [f"{how}.example" for how in ("servfail", "refused", "formerr", "notimp", "garbage", "truncate")]
    names.fail("_xmpps-server._tcp.half.example", "SERVFAIL")    # one kind says no, of the other nothing is known
    starttls("half.example", 0, 0, "")
    starttls("lost.example", 0, 5269)
    names.fail("x.lost.example", "SERVFAIL")
    names.fail("_xmpp-server._tcp.unsure.example", "SERVFAIL")
    names.a("unsure.example", "127.0.0.1")    # not asked for while there may be an SRV record
    starttls("ring0.example", 0, 5269, "ring.example")
    names.cname("ring.example", "ring2.example")
    names.cname("ring2.example", "ring.example")
    failed += ["half.example", "lost.example", "unsure.example"]
    got = ask(*nobody, *failed, "ring0.example")
    for domain in nobody:
        equal(got[domain], NOBODY, domain)
    for domain in failed:
        equal(got[domain], FAILED, domain)
    check(got["ring0.example"] in (NOBODY, FAILED), "a ring of aliases ends")
    equal(outcome(".".join(["a" * 60] * 4) + ".example"), NOBODY, "longer than any name of DNS")


def test_silence():
    silent = DnsServer()
    silent.fail("example", "drop")
    other = Relay("dos.example", resolver=[silent.address])
    stream = login(other, other.user())
    begin = time.monotonic()
    equal(ask("mute.example", stream=stream)["mute.example"], FAILED)
    check(time.monotonic() - begin < 40, "within the time of an iq")
    silent.forget()    # it speaks again, and is heard: what failed is not remembered as an answer
    eventually(lambda: ask("mute.example", stream=stream)["mute.example"] == NOBODY, 120, "an answer after the silence")
    stream.close()
    other.stop()


def reach(domain, *wanted):
    Door.order.clear()
    equal(outcome(domain), FAILED, domain)
    equal(tuple(Door.order), wanted, domain)


def test_priority_mixes_both_kinds():
    one, two, three = Door("one"), Door("two"), Door("three")
    names.a("x.mixed.example", "127.0.0.1")
    direct("mixed.example", 10, three.port)
    starttls("mixed.example", 5, two.port)
    direct("mixed.example", 1, one.port)
    reach("mixed.example", "one", "two", "three")
    names.a("x.turned.example", "127.0.0.1")
    starttls("turned.example", 1, one.port)
    direct("turned.example", 2, two.port)
    reach("turned.example", "one", "two")
    names.a("x.plain.example", "127.0.0.1")
    direct("plain.example", 0, 0, "")
    starttls("plain.example", 1, one.port)
    reach("plain.example", "one")


def test_weight():
    heavy, light = Door("heavy"), Door("light")
    first = []
    domains = [f"w{n}.example" for n in range(24)]
    for domain in domains:
        names.a(f"x.{domain}", "127.0.0.1")
        starttls(domain, 1, heavy.port, weight=1000)
        direct(domain, 1, light.port, weight=100)
    for domain in domains:
        Door.order.clear()
        outcome(domain)
        equal(sorted(Door.order), ["heavy", "light"], "all are tried")
        first.append(Door.order[0])
    check(first.count("heavy") > first.count("light"), f"10 to 1: {first}")


def test_without_srv_the_domain_itself():
    Door("alone", ALONE, 5269)
    names.a("alone.example", ALONE)
    reach("alone.example", "alone")
    names.a("direct-not.example", ALONE)    # that there is no direct TLS says nothing about STARTTLS
    direct("direct-not.example", 0, 0, "")
    reach("direct-not.example", "alone")
    asked = sum(names.asked.values())
    reach(ALONE, "alone")
    equal(sum(names.asked.values()), asked, "an address needs no DNS")


def test_both_families():
    six, four = Door("six", "::1"), Door("four")
    names.a("x.six.example", "::1")
    starttls("six.example", 1, six.port)
    reach("six.example", "six")
    names.a("x.both.example", "::1")    # nobody at ::1 there
    names.a("x.both.example", "127.0.0.1")
    starttls("both.example", 1, four.port)
    reach("both.example", "four")
    names.a("x.mute6.example", "127.0.0.1")    # a server that lets AAAA fall
    names.fail("x.mute6.example", "drop", AAAA)
    starttls("mute6.example", 1, four.port)
    begin = time.monotonic()
    outcome("mute6.example")
    check("four" in Door.order and time.monotonic() - begin < 12, "the answer that is there is used")


def test_black_hole():
    hole, keep = black_hole()
    good = Door("good")
    names.a("x.hole.example", "127.0.0.1")
    starttls("hole.example", 1, hole)
    starttls("hole.example", 2, good.port)
    Door.order.clear()
    begin = time.monotonic()
    user.send(f"<iq type='get' id='{new_id()}' to='x@hole.example'>{PING}</iq>")
    eventually(lambda: Door.order == ["good"], 15, "the second is tried while the first is silent")
    check(time.monotonic() - begin < 10, "soon")
    del keep


def test_aliases_and_truncation():
    door = Door("door")
    names.a("end.example", "127.0.0.1")
    names.cname("x.chain.example", "y.chain.example")
    names.cname("y.chain.example", "end.example")
    starttls("chain.example", 1, door.port)
    reach("chain.example", "door")
    for n in range(100):    # more than fits: UDP says so, TCP brings them; and they do not push the others out
        direct("crowd.example", 50 + n, closed, f"far-away-{n}.crowd.example")
    names.a("x.crowd.example", "127.0.0.1")
    starttls("crowd.example", 1, door.port)
    before = sum(names.asked.values())
    reach("crowd.example", "door")
    check(sum(names.asked.values()) - before < 60, "few questions for a hundred records")


def test_failure_is_not_remembered():
    door = Door("door")
    names.fail("later.example", "SERVFAIL")
    equal(outcome("later.example"), FAILED)
    names.faults.clear()
    names.a("x.later.example", "127.0.0.1")
    starttls("later.example", 1, door.port)
    Door.order.clear()
    eventually(lambda: outcome("later.example") and Door.order == ["door"], 90, "found once DNS speaks")


if __name__ == "__main__":
    main()
