"""managed.py -- sessions that count (XEP-0198), and take up again what they lost."""
import time
import xml.etree.ElementTree as ET

from lazo_test import HOST, check, equal
from xmpp_raw import CLIENT, Stream, bare, local, new_id, text_of

SM = "{urn:xmpp:sm:3}"
SM_NS = "urn:xmpp:sm:3"
PINGS = "<iq type='get' id='{}' to='" + HOST + "'><ping xmlns='urn:xmpp:ping'/></iq>"


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


def pending(relay, jid, want):
    rows = None
    for _ in range(100):
        rows = [row["pending"] for row in relay.ctl_json("user", "list") if row["jid"] == jid]
        if rows == [want]:
            return
        time.sleep(0.05)
    equal(rows, [want], "waiting in the mailbox")


RESUME = f"<enable xmlns='{SM_NS}' resume='true'/>"


def resumable(relay, jid, **kwargs):
    m = Managed(relay, jid, enable=RESUME, **kwargs)
    check(m.enabled.get("resume") in ("true", "1") and len(m.enabled.get("id")) >= 22, ET.tostring(m.enabled).decode())
    return m


def at_login(relay, jid, **kwargs):
    s = Stream(relay, direct=True, auto_pong=False)
    s.open()
    s.auth(jid.partition("@")[0], **kwargs)
    return s


def resume(m, h=None, stream=None):
    """The same session on another connection."""
    s = stream or at_login(m.s.relay, bare(m.s.jid))
    s.send(f"<resume xmlns='{SM_NS}' previd='{m.enabled.get('id')}' h='{m.h if h is None else h}'/>")
    answer = s.read()
    equal(answer.tag, SM + "resumed", ET.tostring(answer).decode())
    equal(answer.get("previd"), m.enabled.get("id"))
    s.jid, m.s = m.s.jid, s
    if h is not None:
        m.h = h
    return int(answer.get("h"))


def failed(stream, ident, h="0"):
    """(condition, h that was told or None) of an attempt that must fail."""
    stream.send(f"<resume xmlns='{SM_NS}' previd='{ident}' h='{h}'/>")
    answer = stream.read()
    equal(answer.tag, SM + "failed", ET.tostring(answer).decode())
    return local(answer[0]), None if answer.get("h") is None else int(answer.get("h"))


def not_resumed(stream, ident, h="0"):
    return failed(stream, ident, h)[0]


def settle():
    time.sleep(0.2)
