#!/usr/bin/python3
"""lazo and an archive that lies (attack R3): results of others, unasked, from elsewhere; pages without end, pages in a
circle, counts and cursors that are not true; and what is said to be handled before it is.

Each play ends in bounded time with what is true in the history and nothing else. The play that tells the truth shows the
same messages: the control of the others.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import test_lazo_hostile as lies
from lazo_test import *
from lazo_home import *

EX_PROTOCOL = 76
OWN = f"{lies.USER}@{lies.DOMAIN}"
BETO = f"beto@{lies.DOMAIN}"
STAMP = "2026-01-02T03:04:05Z"
DISCO, MAM, RSM = "http://jabber.org/protocol/disco#info", "urn:xmpp:mam:2", "http://jabber.org/protocol/rsm"
NOT_FOUND = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
UNAVAILABLE = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def setup():
    lies.setup()


def message(text, sender=BETO, to=OWN, more=""):
    return (f"<message xmlns='jabber:client' from='{sender}/x' to='{to}' type='chat' id='i-{text}'><body>{text}</body>{more}"
            "</message>")


def result(query, ident, inside, sender=OWN):
    frm = f" from='{sender}'" if sender else ""
    queryid = f" queryid='{query}'" if query is not None else ""
    return (f"<message{frm} to='{OWN}/lazo'><result xmlns='{MAM}'{queryid} id='{ident}'><forwarded xmlns='urn:xmpp:forward:0'>"
            f"<delay xmlns='urn:xmpp:delay' stamp='{STAMP}'/>{inside}</forwarded></result></message>")


def fin(first="", last="", complete=False, count=None):
    ends = f"<first>{first}</first><last>{last}</last>" if last else ""
    ends += f"<count>{count}</count>" if count is not None else ""
    return f"<fin xmlns='{MAM}'{' complete=%strue%s' % (chr(39), chr(39)) if complete else ''}><set xmlns='{RSM}'>{ends}</set></fin>"


class Asked:
    """One page that lazo asks for."""

    def __init__(self, conn, text, number):
        self.conn, self.text, self.number = conn, text, number
        find = lambda pattern: (re.search(pattern, text) or [None, None])[1]
        self.query, self.after = find("queryid=['\"]([^'\"]*)"), find("<after>([^<]*)")
        self.start = find("start['\"][^>]*><value>([^<]*)")

    def page(self, *idents, complete=False, **more):
        """Messages whose text is their id."""
        self.conn.send("".join(result(self.query, i, message(i)) for i in idents))
        return fin(*(idents[:1] + idents[-1:]), complete=complete, **more) if idents else fin(complete=complete, **more)


def relay(pages, live="", sm=False):
    """A play: logs in, and answers what is asked; `pages(asked)` sends results and returns the answer's inside."""
    def play(conn):
        conn.starttls()
        conn.offer("SCRAM-SHA-256")
        conn.scram()
        offer = "<sm xmlns='urn:xmpp:sm:3'/>" if sm else ""
        conn.features(f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>{offer}")
        ident = conn.until("<iq[^>]*id=['\"]([^'\"]*)['\"][^>]*>").group(1).decode()
        conn.until("</iq>")
        conn.send(f"<iq type='result' id='{ident}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  f"<jid>{OWN}/lazo</jid></bind></iq>")
        if sm:
            conn.until("<enable[^>]*>")
            conn.send("<enabled xmlns='urn:xmpp:sm:3'/>")
        number = 0
        while True:
            text = conn.until("<iq[^>]*>.*?</iq>|<iq[^>]*/>|<presence.*?(/>|</presence>)|<[ar] xmlns[^>]*>|</stream:stream>")
            text = text.group(0).decode()
            if text.startswith("</"):
                conn.send(text)
                return
            if text.startswith("<presence") and live and " to=" not in text.partition(">")[0]:
                conn.send(live)
            if text.startswith("<r "):
                conn.send("<a xmlns='urn:xmpp:sm:3' h='0'/>")
            if not text.startswith("<iq") or not re.search("type=['\"](get|set)", text):
                continue
            ident = re.search("id=['\"]([^'\"]*)", text)[1]
            to = re.search("^[^>]* to=['\"]([^'\"]*)", text)
            inside, kind = "", "result"
            if DISCO in text:
                inside = f"<query xmlns='{DISCO}'><feature var='{MAM}'/></query>"
            elif MAM in text:
                number += 1
                inside = pages(Asked(conn, text, number))
                kind = "error" if "<error" in inside else "result"
            frm = f" from='{to[1]}'" if to else ""
            conn.send(f"<iq type='{kind}' id='{ident}'{frm}>{inside}</iq>")
    return play


def nothing(asked):
    return fin(complete=True)


class Victim(Home):
    """Logged in once where all was well, with the cursor at `c0`."""

    def __init__(self):
        self.server_side = lies.Server(relay(lambda asked: asked.page("c0", complete=True)))
        super().__init__(jid=OWN, password=lies.SECRET, server=f"127.0.0.1:{self.server_side.port}", ca=lies.authority.crt)
        self.login()
        self.equal_bodies(["c0"])

    def sync(self, pages, status=0, seconds=40, **how):
        self.server_side.play = relay(pages, **how)
        self.server_side.heard = b""
        start = time.monotonic()
        done = self.run("sync", status=status, timeout=seconds + 30)
        check(time.monotonic() - start < seconds, f"took {time.monotonic() - start:.1f} s")
        return done


def test_control_the_truth_is_shown():
    home, seen = Victim(), []

    def pages(asked):
        seen.append((asked.after, asked.start))
        if asked.number == 1:
            return asked.page("a", "b")
        return asked.page("c", complete=True)
    home.sync(pages)
    home.equal_bodies(["a", "b", "c"])
    home.sync(lambda asked: seen.append((asked.after, asked.start)) or nothing(asked))
    equal(seen, [("c0", None), ("b", None), ("c", None)], "cursors asked behind")
    equal([m["stanza_id"] for m in home.json("history", BETO)], ["c0", "a", "b", "c"])


def test_results_of_others():
    home = Victim()

    def pages(asked):
        for sender in (f"mallory@{lies.DOMAIN}", lies.DOMAIN, f"{BETO}/x", f"{OWN}.evil", f"{lies.USER}@evil.test"):
            asked.conn.send(result(asked.query, "f1", message("forged"), sender))
        return asked.page("true", complete=True)
    home.sync(pages)
    home.equal_bodies(["true"])


def test_results_of_no_query():
    home, queries = Victim(), []

    def pages(asked):
        queries.append(asked.query)
        for query in (None, "", "other", asked.query[:-1], *queries[:-1]):
            asked.conn.send(result(query, "f2", message("forged")))
        if asked.number == 1:
            return asked.page("one")
        return asked.page("two", complete=True)
    home.sync(pages, live=result("x", "f3", message("forged too")) + result(None, "f4", message("forged")))
    home.equal_bodies(["one", "two"])


def test_results_that_are_not_of_this_archive():
    home = Victim()
    carbon = (f"<message xmlns='jabber:client' from='{OWN}' to='{OWN}/lazo'><received xmlns='urn:xmpp:carbons:2'>"
              f"<forwarded xmlns='urn:xmpp:forward:0'>{message('in a carbon')}</forwarded></received></message>")

    def pages(asked):
        for i, inside in enumerate((carbon, message("of others", BETO, f"carla@{lies.DOMAIN}"), "<body>no message</body>",
                                    "<presence xmlns='jabber:client'/>", "",
                                    "<message xmlns='other'><body>forged</body></message>", message("no sender", ""),
                                    result(asked.query, "inner", message("two deep")))):
            asked.conn.send(result(asked.query, f"g{i}", inside))
        asked.conn.send(result(asked.query, "", message("no id")) + result(asked.query, "i" * 2000, message("long id")))
        return asked.page("true", complete=True)
    home.sync(pages)
    home.equal_bodies(["true"])


def test_ids_by_others_hide_nothing():
    # The same text twice, the second claiming by itself, and by someone else, to be the first.
    home = Victim()
    claims = "".join(f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='p1'/>" for by in (BETO, lies.DOMAIN, OWN))

    def pages(asked):
        for ident, more in (("p1", ""), ("p2", claims)):
            inside = message("hola", more=more).replace("i-hola", f"attribute-{ident}")
            asked.conn.send(result(asked.query, ident, inside))
        return fin("p1", "p2", complete=True)
    home.sync(pages)
    equal([(m["body"], m["stanza_id"]) for m in home.json("read")], [("hola", "p1"), ("hola", "p2")])


def test_cursors_and_counts_that_are_not_true():
    home, seen = Victim(), []

    def pages(asked):
        seen.append(asked.after)
        if asked.number < 3:
            asked.page(f"q{asked.number}")
            return fin("q9", "q9", count="99999999999999999999") if asked.number == 1 else fin(count=-1)
        return fin("z", "z", complete=True, count=1)
    home.sync(pages)
    home.equal_bodies(["q1", "q2"])
    home.sync(lambda asked: seen.append(asked.after) or nothing(asked))
    equal(seen, ["c0", "q1", "q2", "q2"], "only what came moves the cursor")


def test_pages_in_a_circle():
    for length in (1, 2, 3, 7):
        home = Victim()
        done = home.sync(lambda asked: asked.page(f"r{(asked.number - 1) % length}"), status=EX_PROTOCOL)
        check("XMPP" in done.stderr, done.stderr)
        home.equal_bodies([f"r{i}" for i in range(length)])
    home = Victim()
    home.sync(lambda asked: asked.page("c0"), status=EX_PROTOCOL)
    home.equal_bodies([])


def test_pages_that_never_advance():
    home = Victim()
    home.sync(lambda asked: asked.page(count=5))
    home.sync(lambda asked: "")
    home.equal_bodies([])


def test_pages_without_end():
    home = Victim()

    def useless(asked):
        asked.conn.send("".join(result(asked.query, f"{asked.number}-{i}", "<x/>") for i in range(200)))
        return fin("x", "x")
    done = home.sync(useless, status=EX_PROTOCOL, seconds=90)
    check("more than this program takes" in done.stderr, done.stderr)

    def one_page(asked):
        for number in range(1000):
            asked.conn.send("".join(result(asked.query, f"{number}-{i}", "<x/>") for i in range(200)))
        return fin()
    home.sync(one_page, status=EX_PROTOCOL, seconds=90)
    if LONG:
        home.sync(lambda asked: asked.page(*(f"{asked.number}-{i}" for i in range(200))), status=EX_PROTOCOL, seconds=600)
        equal(len(home.bodies()), 200000, "as many as one sync takes, all kept")


def test_refused_means_the_flush():
    home, seen = Victim(), []
    waiting = message("waits", more=f"<stanza-id xmlns='urn:xmpp:sid:0' by='{OWN}' id='w1'/>")
    home.sync(lambda asked: UNAVAILABLE, live=waiting)
    home.equal_bodies(["waits"])
    # Asked anew at the next login, and from the same place on; what was flushed is not shown again.

    def pages(asked):
        seen.append(asked.after)
        asked.conn.send(result(asked.query, "w1", message("waits")))
        return asked.page("more", complete=True)
    home.sync(pages)
    home.equal_bodies(["more"])
    equal(seen, ["c0"])


def test_a_cursor_that_is_gone_goes_by_time():
    home, seen = Victim(), []

    def pages(asked):
        seen.append((asked.after, asked.start))
        return NOT_FOUND if asked.number == 1 else asked.page("c0", "t1", complete=True)
    home.sync(pages)
    home.equal_bodies(["t1"])
    equal(seen, [("c0", None), (None, "2026-01-01T03:04:05.000Z")], "a day before the cursor's time")
    home = Victim()
    home.sync(lambda asked: NOT_FOUND)
    home.equal_bodies([])


def test_what_is_said_to_be_handled_is_kept():
    """<r/> in the middle of a page: what is not committed is not counted; behind its commit it is."""
    home, answers = Victim(), []

    def pages(asked):
        conn = asked.conn
        conn.send("<r xmlns='urn:xmpp:sm:3'/>")
        before = int(conn.until("<a xmlns=[^>]*h=['\"](\\d+)").group(1))
        conn.send("".join(result(asked.query, f"h{i}", message(f"h{i}")) for i in range(5)) + "<r xmlns='urn:xmpp:sm:3'/>")
        inside = int(conn.until("<a xmlns=[^>]*h=['\"](\\d+)").group(1))
        behind = int(conn.until("<a xmlns=[^>]*h=['\"](\\d+)").group(1))
        answers.append((before, inside, behind))
        return fin("h0", "h4", complete=True)
    home.sync(pages, sm=True, status=(0, 75))
    [(before, inside, behind)] = answers
    equal((inside - before, behind - before), (0, 5), "stanzas counted before and behind the commit")
    home.equal_bodies([f"h{i}" for i in range(5)])


if __name__ == "__main__":
    main()
