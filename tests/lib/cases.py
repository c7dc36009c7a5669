"""cases.py -- bad input as data: files of cases, each with the answer that the standard or the manual says.

    name | phase | bytes | answer                    one case; # comment; blank lines
    let WORD text                                    {WORD} stands for the text below, in this file

phase   raw: connected, nothing said · open: stream opened, no TLS · tls: after STARTTLS, stream opened · ready: bound and available ·
        managed: as ready, with stream management enabled
bytes   as they go out; \\xNN, \\n, \\\\ and {REPEAT text N}, {B64 text}, {HOST}, {ME}, {BARE}, {NAME}, {FRIEND}, {FRIENDBARE} are
        replaced; \\p is a vertical bar; {THEN} waits for an answer and goes on (SASL)
answer  stream CONDITION[/CONDITION]   that stream error, then the end
        stanza TYPE CONDITION[/...]    a stanza error with id 'x'
        result                         an iq result with id 'x'
        sasl CONDITION[/CONDITION]     a SASL failure; the stream goes on
        challenge, success             of SASL
        failed CONDITION[/CONDITION]   of stream management; the stream goes on
        reaches [+WORD|-WORD]...       the friend gets one stanza, with and without these in it, from {ME}; what the relay itself
                                       adds (its stanza-id) is not looked at
        vanishes                       the friend gets nothing, nobody an error; the stream goes on
        passes                         nothing is forwarded; the stream goes on (a ping is answered)
        close                          the stream is closed in peace
"""
import base64
import pathlib
import re
import xml.etree.ElementTree as ET

from lazo_test import HOST, check, equal
from xmpp_raw import (CLIENT, SASL, SID, STREAM, Closed, Stream, available, bare, error_of, local, login)

SM = "{urn:xmpp:sm:3}"


class Cases:
    """Runs cases against one relay; `jid` says what they say, the friend hears what comes through."""

    def __init__(self, relay, jid, friend):
        self.relay, self.jid, self.friend = relay, jid, friend

    def at(self, phase):
        stream = Stream(self.relay)
        if phase != "raw":
            stream.open()
        if phase in ("tls", "ready", "managed"):
            stream.starttls()
            stream.open()
        if phase in ("ready", "managed"):
            stream.auth(self.jid.partition("@")[0])
            stream.bind()
            available(stream)
            stream.barrier()
        if phase == "managed":
            stream.send("<enable xmlns='urn:xmpp:sm:3'/>")
            equal(stream.read().tag, SM + "enabled")
        return stream

    def bytes_of(self, text, stream):
        for name, value in (("{HOST}", HOST), ("{ME}", stream.jid or self.jid), ("{BARE}", self.jid),
                            ("{NAME}", self.jid.partition("@")[0]), ("{FRIEND}", self.friend.jid),
                            ("{FRIENDBARE}", bare(self.friend.jid)), ("\\p", "|")):
            text = text.replace(name, value)

        def in_base64(m):
            return base64.b64encode(m.group(1).encode().decode("unicode_escape").encode("latin-1")).decode()
        text = re.sub(r"\{REPEAT (.+?) (\d+)\}", lambda m: m.group(1) * int(m.group(2)), text)
        text = re.sub(r"\{B64 (.*?)\}", in_base64, text)
        return text.encode().decode("unicode_escape").encode("latin-1")

    def nothing_came_through(self):
        came = [e for e in self.friend.barrier() if e.tag == CLIENT + "message"]
        equal(len(came), 0, "stanzas forwarded")

    def expect(self, stream, answer):
        words = answer.split()
        getattr(self, "_expect_" + words[0], self._expect_passes)(stream, words)

    def _expect_stream(self, stream, words):
        got = stream.stream_error()
        check(got in words[1].split("/"), f"stream error {got}, wanted {words[1]}")

    def _expect_stanza(self, stream, words):
        reply = stream.wait(lambda e: e.get("id") == "x" and e.get("type") in ("error", "result"), what="a stanza error")
        equal(reply.get("type"), "error", ET.tostring(reply).decode()[:300])
        kind, condition = error_of(reply)
        check(kind == words[1] and condition in words[2].split("/"), f"{kind} {condition}, wanted {' '.join(words)}")
        self._end(stream)

    def _expect_result(self, stream, words):
        reply = stream.wait(lambda e: e.get("id") == "x" and e.get("type") in ("error", "result"), what="a result")
        equal(reply.get("type"), "result", ET.tostring(reply).decode()[:300])
        self._end(stream)

    def _expect_sasl(self, stream, words):
        answer = stream.read()
        equal(answer.tag, SASL + "failure", ET.tostring(answer).decode()[:200])
        got = [local(c) for c in answer if local(c) != "text"]
        check(len(got) == 1 and got[0] in words[1].split("/"), f"{got}, wanted {words[1]}")
        # The stream goes on: another try is heard.
        stream.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='NONE'/>")
        equal([local(c) for c in stream.read()][0], "invalid-mechanism", "the next try")
        stream.drop()

    def _expect_challenge(self, stream, words):
        equal(stream.read().tag, SASL + words[0])
        stream.drop()

    _expect_success = _expect_challenge

    def _expect_failed(self, stream, words):
        answer = stream.wait(lambda e: e.tag.startswith(SM) and local(e) != "a", what="an answer of stream management")
        equal(answer.tag, SM + "failed", ET.tostring(answer).decode()[:200])
        check(local(answer[0]) in words[1].split("/"), f"{local(answer[0])}, wanted {words[1]}")
        self._end(stream)

    def _came(self):
        """What the friend got from us, but for our coming and going."""
        return [e for e in self.friend.barrier() if bare(e.get("from", "")) == self.jid and not (
            e.tag == CLIENT + "presence" and e.get("type") in (None, "unavailable") and e.get("to") in (None, bare(self.friend.jid)))]

    def _expect_reaches(self, stream, words):
        stream.barrier()
        me = stream.jid
        came = self._came()
        equal(len(came), 1, f"stanzas that came: {[ET.tostring(e).decode()[:200] for e in came]}")
        equal(came[0].get("from"), me, "its sender")
        for mark in came[0].findall(SID + "stanza-id"):
            if mark.get("by") == bare(self.friend.jid) and mark.get("id") != "forged":
                came[0].remove(mark)
        text = ET.tostring(came[0]).decode()
        for word in words[1:]:
            there = word[1:].replace("_", " ") in text
            check(there == (word[0] == "+"), f"{word} in {text}")
        stream.close()

    def _expect_vanishes(self, stream, words):
        errors = [e for e in stream.barrier() if e.get("type") == "error"]
        equal([ET.tostring(e).decode()[:300] for e in errors], [], "errors")
        equal([ET.tostring(e).decode()[:200] for e in self._came()], [], "came through")
        stream.close()

    def _expect_close(self, stream, words):
        try:
            while True:
                check(stream.read().tag != STREAM + "error", "closed in peace")
        except Closed:
            stream.gone()
        check(b"</stream:stream>" in stream.received[-64:], "with our own close")

    def _expect_passes(self, stream, words):
        equal(words, ["passes"])
        if not stream.jid:
            stream.wait(lambda e: e.tag == STREAM + "features")
            stream.drop()
            return
        self._end(stream)

    def _end(self, stream):
        if stream.jid:
            stream.barrier()
            stream.close()
        else:
            stream.drop()

    def run(self, phase, text, answer, split=False):
        """In one segment, and with split one byte at a time as well (X10: cut at every byte)."""
        for size in (1 << 20, 1) if split else (1 << 20,):
            stream = self.at(phase)
            *before, last = text.split("{THEN}")
            for part in before:
                stream.send(self.bytes_of(part, stream))
                stream.read()
            data = self.bytes_of(last, stream)
            if size == 1 and len(data) > 400:
                stream.drop()
                continue
            try:
                for i in range(0, len(data), size):
                    stream.send(data[i:i + size])
            except OSError:
                pass        # it did not wait for the rest
            self.expect(stream, answer)
        if answer.split()[0] not in ("reaches", "vanishes"):
            self.nothing_came_through()


def load(path):
    """-> (name, phase, bytes, answer) of each case in the file."""
    lets, names = {}, set()
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("let "):
            _, word, text = line.split(" ", 2)
            lets["{" + word + "}"] = text
            continue
        parts = line.split(" | ")
        check(len(parts) == 4, f"{path}:{number}: {len(parts)} parts")
        what, phase, text, answer = (part.strip() for part in parts)
        check(what not in names, f"{path}:{number}: a second '{what}'")
        names.add(what)
        for _ in range(3):          # a let may be made of others above it
            for word, value in lets.items():
                text = text.replace(word, value)
        yield what, phase, text, answer


__all__ = ["Cases", "load", "login"]
