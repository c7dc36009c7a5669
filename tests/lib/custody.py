"""custody.py -- people whose relay is killed under them, what they know for certain, and the verdict over it.

A Sender and a Receiver keep their knowledge in journals: files of their own whose lines are synced before anybody relies
on them, so a journal also survives the kill -9 of the process that keeps it.
  sent       "id"             before the first byte of it leaves
  accepted   "id"             its acknowledgement has come: the answer to a ping behind it, or <a h/> (XEP-0198)
  received   "id stanza-id"   before the receiver confirms anything by answering the relay's ping or <r/>
A sender that comes back first sends again, in their order, all that was sent and not accepted, with the same origin-id.

verdict() compares: lost: accepted, and not received; twice: one id with two stanza-ids (or two ids with one); disorder: from
one sender to one receiver, by first appearance. With stream management on offer a session uses it when asked to
(smacks=True), and resumes; when it may not, it goes by the h that it is told. Each attempt is noted in
  resumption     "resumed", "told" (refused, with h) or "unknown"
"""
import os
import pathlib
import random
import time

from lazo_test import check, scratch
from xmpp_raw import CLIENT, PING, SID, Closed, Stream, error_of

SM = "{urn:xmpp:sm:3}"
GONE = (OSError, Closed, TimeoutError)


class Journal:
    """Lines, each on the disk when add() returns. The end of a line cut off by a kill was never relied on."""

    def __init__(self, name):
        self.path = scratch() / name
        self.file = open(self.path, "ab+")
        self.file.seek(0)
        # A kill may cut a write where a page ends; what follows must not become one line with it.
        self.file.truncate(self.file.read().rfind(b"\n") + 1)

    def add(self, lines):
        if lines:
            self.file.write("".join(line + "\n" for line in lines).encode())
            self.file.flush()
            os.fsync(self.file.fileno())

    def lines(self):
        return read_lines(self.path)


def read_lines(path):
    text = pathlib.Path(path).read_bytes().decode() if os.path.exists(path) else ""
    return text[:text.rfind("\n") + 1].splitlines()


class Session:
    """A login that counts as stream management wants when it is used; without, a ping asks instead."""

    def __init__(self, relay, jid, smacks=False, resume=None, presence=False, timeout=20):
        self.stream = stream = Stream(relay, direct=True, timeout=timeout, auto_pong=False)
        stream.open()
        stream.auth(jid.partition("@")[0])
        self.handled = 0                        # by us, of theirs
        self.sent = 0                           # by us, stanzas
        self.acked = 0                          # by them, of ours
        self.key = None
        self.resumed = False
        self.outcome = None                     # of an attempt to resume
        offered = stream.features.find(SM + "sm") is not None
        if resume is not None and offered and self._resume(resume):
            return
        stream.bind()
        if smacks and offered:
            stream.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            answer = stream.wait(lambda e: e.tag in (SM + "enabled", SM + "failed"), what="<enabled/>")
            self.key = (answer.get("id") or "") if answer.tag == SM + "enabled" else None
        if presence:
            self.sent += 1
            stream.send("<presence/>")

    def _resume(self, old):
        self.stream.send(f"<resume xmlns='urn:xmpp:sm:3' h='{old.handled % 2**32}' previd='{old.key}'/>")
        answer = self.stream.wait(lambda e: e.tag in (SM + "resumed", SM + "failed"), what="<resumed/>")
        if answer.get("h") is not None:         # <failed/> may carry one too
            old.acked = max(old.acked, int(answer.get("h")))
        if answer.tag == SM + "failed":
            self.outcome = "unknown" if answer.get("h") is None else "told"
            return False
        self.outcome = "resumed"
        self.handled, self.sent, self.acked, self.key = old.handled, old.acked, old.acked, old.key
        self.stream.jid = old.stream.jid
        self.resumed = True
        return True

    @property
    def resumable(self):
        return bool(self.key)

    def send(self, text, stanzas=1):
        self.sent += stanzas
        self.stream.send(text)

    def confirmed(self, deadline):
        """Wait until the relay has acknowledged all that was sent so far; elements that come meanwhile are yielded."""
        if self.key is not None:
            goal = self.sent
            self.stream.send("<r xmlns='urn:xmpp:sm:3'/>")
            while self.acked < goal:
                element = self.read(deadline)
                if element is not None:
                    yield element
            return
        ident = f"c{time.monotonic_ns()}"
        self.send(f"<iq type='get' id='{ident}' to='{self.stream.host}'><ping xmlns='urn:xmpp:ping'/></iq>")
        while True:
            element = self.read(deadline)
            if element is not None and element.get("id") == ident:
                return
            if element is not None:
                yield element

    def read(self, deadline, before_confirming=lambda: None):
        """One stanza, or None when it was the machinery's: an <a/>, or a question, which is answered after
        before_confirming()."""
        element = self.stream.read(max(deadline - time.monotonic(), 0.001))
        if element.tag == SM + "a":
            self.acked = max(self.acked, int(element.get("h")))
            return None
        if element.tag == SM + "r":
            before_confirming()
            self.stream.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.handled % 2**32}'/>")
            return None
        if element.tag in (CLIENT + "iq", CLIENT + "message", CLIENT + "presence"):
            self.handled += 1
        if element.tag == CLIENT + "iq" and element.find(PING + "ping") is not None and element.get("type") == "get":
            before_confirming()
            self.send(f"<iq type='result' id='{element.get('id')}' to='{element.get('from')}'/>")
            return None
        return element

    def drop(self):
        self.stream.drop()


class Sender:
    """Sends to its contacts in turn. cut: how often its line breaks in mid-sending. origin False: it repeats without saying
    so, which is a control without stream management, and with it asks for exact numbers. Controls: early takes what it has
    sent for accepted; deaf does not hear the number when it may not resume; credulous takes more for accepted than that."""

    def __init__(self, node, host, contacts, early=False, origin=True, smacks=False, cut=0, deaf=False, credulous=0):
        self.node, self.host, self.contacts = node, host, contacts
        self.early, self.origin, self.smacks, self.cut = early, origin, smacks, cut
        self.deaf, self.credulous = deaf, credulous
        self.line, self.line_start = [], 0
        self.sent, self.accepted = Journal(f"{node}.sent"), Journal(f"{node}.accepted")
        self.ids = self.sent.lines()
        self.known = set(self.accepted.lines())
        self.session = None
        self.resumption = Journal(f"{node}.resumption")

    def text(self, ident):
        """The same for the same id."""
        number = int(ident.rpartition("-")[2])
        origin = f"<origin-id xmlns='urn:xmpp:sid:0' id='{ident}'/>" if self.origin else ""
        return (f"<message to='{self.to(ident)}' id='{ident}' type='chat'><body>{'x' * (number * 37 % 700)}</body>{origin}"
                "</message>")

    def to(self, ident):
        return self.contacts[int(ident.rpartition("-")[2]) % len(self.contacts)]

    def open(self, relay, timeout=20):
        old = self.session
        self.session = Session(relay, f"{self.node}@{self.host}", self.smacks, old if old and old.resumable else None,
                               timeout=timeout)
        outcome = self.session.outcome
        if outcome:
            self.resumption.add([outcome])
        if outcome == "resumed" or outcome == "told" and not self.deaf:
            # What its h covers is accepted, the rest is sent again.
            done = (self.session if outcome == "resumed" else old).acked - self.line_start
            if outcome == "told":
                done += self.credulous
            self._accept(self.line[:max(0, min(len(self.line), done))])
        self.line = []
        waiting = [i for i in self.ids if i not in self.known]
        for at in range(0, len(waiting), 100):
            self._exchange(waiting[at:at + 100])
        return self

    def send(self, count):
        """So many new messages and the acknowledgement of them."""
        ids = [f"{self.node}-{len(self.ids) + i:07d}" for i in range(count)]
        self.sent.add(ids)
        self.ids += ids
        if self.early:
            self._accept(ids)
        self._exchange(ids)

    def _exchange(self, ids):
        session = self.session
        self.line, self.line_start = ids, session.sent
        refused = set()
        session.send("".join(map(self.text, ids)), len(ids))
        if random.random() < self.cut:
            time.sleep(random.random() * 0.01)
            session.drop()
            raise Closed("cut")
        for element in session.confirmed(time.monotonic() + session.stream.timeout):
            if element.get("type") == "error":
                error = error_of(element)
                check(error[0] == "wait" or error[1] == "internal-server-error", f"{element.get('id')} refused: {error}")
                refused.add(element.get("id"))
        self._accept([i for i in ids if i not in refused])

    def _accept(self, ids):
        self.accepted.add([i for i in ids if i not in self.known])
        self.known.update(ids)


class Receiver:
    """Reads, writes down, then confirms. cut: how often its line breaks. early: the control that confirms first."""

    def __init__(self, node, host, early=False, smacks=False, cut=0):
        self.node, self.host, self.early, self.smacks, self.cut = node, host, early, smacks, cut
        self.jid = f"{node}@{host}"
        self.received = Journal(f"{node}.received")
        self.unwritten = []
        self.session = None
        self.resumption = Journal(f"{node}.resumption")

    def open(self, relay, timeout=20):
        self.write_down()                       # a resumption confirms it
        old = self.session
        self.session = Session(relay, self.jid, self.smacks, old if old and old.resumable else None, presence=True,
                               timeout=timeout)
        if self.session.outcome:
            self.resumption.add([self.session.outcome])
        return self

    def write_down(self):
        self.received.add(self.unwritten)
        self.unwritten = []

    def _note(self, element):
        if element is None or element.tag != CLIENT + "message":
            return False
        keys = [e.get("id") for e in element.iterfind(SID + "stanza-id") if e.get("by") == self.jid]
        check(len(keys) == 1, f"{len(keys)} stanza-ids by the account")
        self.unwritten.append(f"{element.get('id')} {keys[0]}")
        return True

    def read(self, seconds, quiet=0.2):
        """What comes within so many seconds; written down when it pauses, before each confirmation and at the end."""
        end, count = time.monotonic() + seconds, 0
        before = (lambda: None) if self.early else self.write_down
        if random.random() < self.cut:
            end -= random.random() * seconds
            while time.monotonic() < end:
                self._note(self.session.read(end, before))  # in silence, the old line is still open when the new one comes
            self.session.drop()
            raise Closed("cut")
        while time.monotonic() < end:
            try:
                count += self._note(self.session.read(min(end, time.monotonic() + quiet), before))
            except TimeoutError:
                self.write_down()
        self.write_down()
        return count

    def empty(self, most=60):
        """All that waits, confirmed. The relay answers a client's ping behind what it has begun to flush, so that two rounds
        without a message are the end."""
        end, idle = time.monotonic() + most, 0
        while idle < 2 and time.monotonic() < end:
            count = 0
            for element in self._round(end):
                count += self._note(element)
            self.write_down()
            idle = 0 if count else idle + 1
        check(idle == 2, "the mailbox is not empty in time")
        return self

    def _round(self, end):
        session, ident = self.session, f"e{time.monotonic_ns()}"
        session.send(f"<iq type='get' id='{ident}' to='{self.host}'><ping xmlns='urn:xmpp:ping'/></iq>")
        while True:
            element = session.read(end, self.write_down)
            if element is not None and element.get("id") == ident:
                return
            yield element

    def close(self):
        self.session.stream.close()


class Verdict:
    """What the journals of these people say together."""

    def __init__(self, senders, receivers):
        """senders: (sent lines, accepted lines, id -> bare JID) each; receivers: (bare JID, received lines) each."""
        stanza_ids, owners, here, last = {}, {}, set(), {}
        self.disorder = 0
        for jid, lines in receivers:
            for line in lines:
                ident, stanza_id = line.split()
                stanza_ids.setdefault(ident, set()).add(stanza_id)
                owners.setdefault((jid, stanza_id), set()).add(ident)
                if (jid, ident) in here:
                    continue
                here.add((jid, ident))
                sender = ident.rpartition("-")[0]
                self.disorder += last.get((jid, sender), "") > ident
                last[jid, sender] = max(ident, last.get((jid, sender), ""))
        self.received = len(here)
        self.lost = [i for _, accepted, to in senders for i in accepted if (to(i), i) not in here]
        self.unheard = [i for sent, _, to in senders for i in sent if (to(i), i) not in here]
        self.sent = sum(len(sent) for sent, _, _ in senders)
        self.accepted = sum(len(accepted) for _, accepted, _ in senders)
        self.twice = [i for i, keys in stanza_ids.items() if len(keys) > 1]
        self.twice += [key for (_, key), ids in owners.items() if len(ids) > 1]

    @classmethod
    def of(cls, senders, receivers):
        return cls([(s.sent.lines(), s.accepted.lines(), s.to) for s in senders],
                   [(r.jid, r.received.lines()) for r in receivers])

    def __str__(self):
        return f"lost {len(self.lost)} twice {len(self.twice)} disorder {self.disorder}"
