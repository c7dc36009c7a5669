#!/usr/bin/python3
"""Random sessions against a running relay: a grammar of what streams say, well and badly, cut into random reads.

Each session is a walk from a seed (printed when something goes wrong; LAZO_SEED runs that one alone) over the states plain,
secured, authenticated, bound. At every state it says what is allowed there, what is not, or something broken, whole or in
pieces. Whatever it says, the relay answers with XML, closes with exactly one stream error or goes on; nobody else waits,
nothing is left open and memory stays. 300 sessions, 5,000 in the long form.
"""
import os
import random

from lazo_test import *
from xmpp_fast import SASL2, agent, authenticate
from xmpp_raw import *

SESSIONS = 5000 if LONG else 300
SEED = os.environ.get("LAZO_SEED")


def setup():
    global relay, names
    relay = Relay(plain=True, registration='"open"')
    names = [relay.user() for _ in range(4)]


def word(r):
    return r.choice(["", "a", "x" * r.randrange(1, 2000), "é", "\u202e", "😀", "&amp;", "&#x41;", "-1", "4294967296", "a/b",
                     "a@b", "..", "%s%n", "'; drop table msg; --", "true", "1e309", "nan", "2026-01-01T00:00:00Z"])


def address(r):
    return r.choice([*names, *(n + "/r" for n in names), HOST, "nobody@" + HOST, "a@other.example", "@", "a@", "/", "a@b@c",
                     "x" * 1024 + "@" + HOST, HOST + "/", word(r).replace("'", "&apos;")])


NAMES = ["body", "query", "ping", "pubsub", "publish", "item", "items", "x", "field", "value", "show", "status", "priority",
         "delay", "stanza-id", "origin-id", "c", "set", "max", "bind", "session", "error", "configure", "create", "retract",
         "publish-options", "resource", "enable", "r", "a", "resume", "active", "inactive", "prefs", "mailbox", "private", "authenticate",
         "initial-response", "user-agent", "tag", "fast", "request-token", "response", "abort", "next", "bound"]
SPACES = ["jabber:client", "jabber:iq:roster", "urn:xmpp:ping", "http://jabber.org/protocol/pubsub", "jabber:x:data",
          "http://jabber.org/protocol/pubsub#owner", "http://jabber.org/protocol/disco#info", "urn:xmpp:delay", "urn:xmpp:sid:0",
          "http://jabber.org/protocol/disco#items", "http://jabber.org/protocol/caps", "urn:xmpp:mam:2", "jabber:iq:register",
          "http://jabber.org/protocol/rsm", "urn:xmpp:sm:3", "urn:xmpp:carbons:2", "urn:xmpp:csi:0", "urn:xmpp:hints",
          "urn:ietf:params:xml:ns:xmpp-bind", "urn:ietf:params:xml:ns:xmpp-session", "urn:ietf:params:xml:ns:xmpp-sasl",
          "urn:ietf:params:xml:ns:xmpp-tls", "http://etherx.jabber.org/streams", "urn:lazo:custody:0", "urn:xmpp:time",
          "jabber:iq:version", "urn:xmpp:invite", "jabber:iq:auth", "eu.siacs.conversations.axolotl", "urn:xmpp:sasl:2",
          "urn:xmpp:bind:0", "urn:xmpp:fast:0", ""]
ATTRIBUTES = ["to", "from", "id", "type", "node", "jid", "ver", "hash", "var", "stamp", "by", "h", "max", "subscription", "xml:lang",
              "access", "mechanism", "resume", "previd", "ask", "name", "queryid", "default", "flush", "count", "invalidate"]
NODES = ["eu.siacs.conversations.axolotl.devicelist", "urn:xmpp:omemo:2:devices", "storage:bookmarks", "n"]


def element(r, depth=0, name=None, space=None):
    name = name or r.choice(NAMES)
    space = r.choice(SPACES) if space is None else space
    attributes = {}
    for _ in range(r.randrange(4)):
        attributes[r.choice(ATTRIBUTES)] = r.choice([word, address, lambda r: r.choice(NODES)])(r).replace("'", "&apos;")
    inner = "".join(element(r, depth + 1, space=r.choice([space, None])) for _ in range(r.randrange(4))) if depth < 5 else ""
    text = word(r) if r.random() < 0.3 else ""
    xmlns = f" xmlns='{space}'" if depth == 0 or r.random() < 0.5 else ""
    said = "".join(f" {k}='{v}'" for k, v in attributes.items())
    return f"<{name}{xmlns}{said}>{text}{inner}</{name}>"


def stanza(r):
    kind = r.choice(["message", "presence", "iq", "iq"])
    types = {"message": ["chat", "normal", "headline", "groupchat", "error", "odd"],
             "presence": ["unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error", "odd"],
             "iq": ["get", "set", "set", "result", "error", "odd"]}[kind]
    said = ""
    if r.random() < 0.9 or kind == "iq":
        said += f" type='{r.choice(types)}'"
    if r.random() < 0.7:
        said += f" to='{address(r)}'"
    if r.random() < 0.9:
        said += f" id='{r.choice(['1', '2', word(r)])}'".replace("''", "'").replace("'; drop", "; drop")
    inner = "".join(element(r) for _ in range(r.choice([0, 1, 1, 1, 2, 5])))
    return f"<{kind}{said}>{inner}</{kind}>"


lost = []                   # (user, id) of sessions that may be taken up again


def managed(r):
    """Stream management: its own words, with numbers that are right, wrong, and at the wrap."""
    number = r.choice([*range(8), 2**31, 2**32 - 1, 2**32, "", "-1", "x"])
    ident = r.choice(lost)[1] if lost and r.random() < 0.8 else r.choice(["0" * 32, "x", "", "f" * 5000])
    return r.choice([
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", f"<enable xmlns='urn:xmpp:sm:3' resume='1' max='{number}'/>",
        "<enable xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/>" * 20,
        f"<a xmlns='urn:xmpp:sm:3' h='{number}'/>", "<a xmlns='urn:xmpp:sm:3'/>",
        f"<resume xmlns='urn:xmpp:sm:3' previd='{ident}' h='{number}'/>"])


def right(r):
    """Things that clients really say."""
    node = r.choice(NODES)
    return r.choice([
        f"<message type='chat' to='{r.choice(names)}' id='m'><body>{word(r)}</body></message>",
        "<presence/>", "<presence type='unavailable'/>", "<presence><priority>-1</priority></presence>",
        f"<presence type='{r.choice(['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'probe'])}' to='{r.choice(names)}'/>",
        "<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver=''/></iq>",
        f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='{r.choice(names)}'/></query></iq>",
        f"<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item id='current'>"
        f"<list xmlns='eu.siacs.conversations.axolotl'/></item></publish></pubsub></iq>",
        f"<iq type='set' id='d'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='{node}'/></pubsub></iq>",
        f"<iq type='get' id='i' to='{r.choice(names)}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/>"
        "</pubsub></iq>",
        "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>5</max></set></query></iq>",
        "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>", "<inactive xmlns='urn:xmpp:csi:0'/>",
        managed(r), managed(r), managed(r),
        "<iq type='get' id='g'><ping xmlns='urn:xmpp:ping'/></iq>", " ", "\n"])


def broken(r):
    """What no stream may say."""
    return r.choice([b"<!-- x -->", b"<?x y?>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<<<>>>", b"<message></iq>",
                     b"<message>" + b"<a>" * 70, b"<message>\0</message>", b"<message>\xff\xfe</message>",
                     b"<message>&x;</message>", bytes(r.randrange(256) for _ in range(r.randrange(1, 400))),
                     b"</stream:stream>", b"<message to='a", b"<stream:stream>",
                     b"<iq " + b" ".join(b"a%d=''" % i for i in range(70)) + b"/>"])


CLIENTS = ["d4565fa7-4d72-4749-b3d3-740edbf87770", "d4565fa7-4d72-4749-b3d3-740edbf87771"]


def inside(r):
    """What is asked for inside of a login, well and badly."""
    bound = "".join(r.choice(["<enable xmlns='urn:xmpp:carbons:2'/>", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
                              "<inactive xmlns='urn:xmpp:csi:0'/>", "<tag>t</tag>", element(r)]) for _ in range(r.randrange(4)))
    parts = [agent(r.choice(CLIENTS)), "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-ENDP'/>",
             f"<bind xmlns='urn:xmpp:bind:0'>{bound}</bind>", f"<resume xmlns='urn:xmpp:sm:3' previd='{word(r)}' h='0'/>"
             .replace("''", "'").replace("'; drop", "; drop"), element(r)]
    return "".join(r.sample(parts, r.randrange(len(parts) + 1)))


open_lines = []


class Walk:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.spoke = False
        self.user = None
        self.stream = Stream(relay, timeout=20)

    def say(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.spoke = True
        cuts = sorted(self.r.randrange(len(data) + 1) for _ in range(self.r.choice([0, 0, 1, 3, 20]))) if data else []
        for begin, end in zip([0, *cuts], [*cuts, len(data)]):
            if begin < end:
                self.stream.send(data[begin:end])

    def speak(self, most):
        for _ in range(self.r.randrange(most)):
            choice = self.r.random()
            if choice < 0.5:
                self.say(right(self.r))
            elif choice < 0.93:
                self.say(stanza(self.r) if self.r.random() < 0.8 else element(self.r))
            else:
                self.say(broken(self.r))

    def run(self):
        r, stream = self.r, self.stream
        if r.random() < 0.05:
            self.speak(4)
        stream.open()
        if r.random() < 0.15:
            self.speak(6)
        stream.starttls()
        if r.random() < 0.1:
            self.speak(4)
        stream.open()
        if r.random() < 0.25:
            self.speak(6)
        if r.random() < 0.5:
            self.login_at_once()
            self.speak(40)
            return
        self.user = r.choice(names).partition("@")[0]
        ident = None
        if lost and r.random() < 0.5:
            self.user, ident = r.choice(lost)
        stream.auth(self.user, mechanism="PLAIN")
        if r.random() < 0.1:
            self.speak(6)
        if ident and self.take_up(ident):
            self.speak(40)
            return
        stream.bind(r.choice([None, "r", "r", "other"]))
        if r.random() < 0.5:
            self.say("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            answer = stream.wait(lambda e: e.tag == SM + "enabled")
            lost.append((self.user, answer.get("id")))
            del lost[:-20]
        self.speak(40)

    def take_up(self, ident):
        """A session of one that went before, which may be there, on the line still or not, or be over. True: it is there."""
        self.say(f"<resume xmlns='urn:xmpp:sm:3' previd='{ident}' h='{self.r.choice([0, 0, 0, 1, 2, 5])}'/>")
        return self.stream.wait(lambda e: e.tag in (SM + "resumed", SM + "failed")).tag == SM + "resumed"

    def login_at_once(self):
        r, stream = self.r, self.stream
        user = r.choice(names).partition("@")[0]
        if r.random() < 0.3:                        # a token that nobody has
            hashed = user.encode() + b"\0" + bytes(r.choice([32, 32, 31, 0]))
            self.say(authenticate("HT-SHA-256-ENDP", hashed, agent(r.choice(CLIENTS)) + "<fast xmlns='urn:xmpp:fast:0'/>" + inside(r)))
            stream.read()
        self.say(authenticate("PLAIN", f"\0{user}\0{PASSWORD}".encode(), inside(r)))
        if r.random() < 0.1:
            self.speak(4)
        if stream.read().tag == SASL2 + "success" and r.random() < 0.5:
            stream.bind(r.choice([None, "r"]))

    def end(self):
        """After the walk: the stream is alive and closes, or has been closed; its error is one and known."""
        r = self.r
        if r.random() < 0.2 or (self.user and r.random() < 0.4):
            if r.random() < 0.8:
                self.stream.drop()
            else:
                open_lines.append(self.stream)      # and somebody else may take its session up
                for stream in open_lines[:-5]:
                    stream.drop()
                del open_lines[:-5]
            return "dropped"
        try:
            self.stream.send("</stream:stream>")
        except (OSError, ValueError):
            pass
        errors = 0
        try:
            while True:
                errors += self.stream.read(20).tag == STREAM + "error"
        except Closed:
            pass
        except OSError:
            pass
        check(errors <= 1, "one stream error at most")
        self.stream.drop()
        return "error" if errors else "closed"


def one(seed):
    walk = Walk(seed)
    try:
        walk.run()
    except (Closed, Refused, OSError):
        pass                                        # the relay was told nonsense and closed
    except AssertionError as why:
        # Negotiation is answered otherwise once something odd was said; but always in XML.
        if not walk.spoke or "no XML" in str(why):
            raise
    return walk.end()


SM = "{urn:xmpp:sm:3}"


def test_random_sessions():
    seeds = [int(SEED)] * 20 if SEED else [random.randrange(1 << 48) for _ in range(SESSIONS)]
    watcher = Bystander(relay)
    eventually(lambda: watcher.times, 30, "a bystander's first answer")
    ends, fds, rss = {}, None, None
    for i, seed in enumerate(seeds):
        try:
            kind = one(seed)
            check(relay.alive(), "the relay lives")
        except BaseException:
            print(f"LAZO_SEED={seed} (session {i} of these) may show it again", flush=True)
            raise
        ends[kind] = ends.get(kind, 0) + 1
        if i == len(seeds) // 3:
            fds, rss = relay.fds(), relay.rss_kib()
    print(f"ends: {ends}; a bystander's p99 {watcher.verdict():.3f} s")
    if fds is not None:
        eventually(lambda: relay.fds() <= fds + 2, 15, "connections are let go")
        grown = relay.rss_kib() - rss
        print(f"{len(seeds) - len(seeds) // 3} sessions grew the relay by {grown} KiB")
        check(SANITIZED or grown < 8192, f"memory grew by {grown} KiB")
    if not SEED:
        check(ends.get("closed", 0) > len(seeds) // 10 and ends.get("error", 0) > len(seeds) // 10, f"walks go far: {ends}")


main()
