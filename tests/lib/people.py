"""people.py -- people with phones (homes of lazo) who write, read, lose their line and are killed, and the verdict over all of it.

A Person has one phone in use and those that lie in a drawer since a new one came. Texts say who wrote them: "rosa1-00017.00003" is of
rosa's first phone, its 17th command, the third text of that. What is known for certain, of each phone:
  begun      texts before the command that writes them starts
  promised   those of a command that ended with 0 or 75: "safe here"
  kept       those in its history
  shown      what `read` printed; what a read that was killed printed may be printed again, as the same message, until one has ended well

Verdict: lost: promised or kept, and on no phone of who it is for; twice: on one phone; invented: never begun, for somebody else, or not
readable (but for what was written before its writer heard of that phone); disorder: of one phone to one phone.
"""
import collections
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time

from lazo_home import LAZO, Home
from lazo_test import BUILD

TEXT = re.compile(r"^([a-z]+)(\d+)-(\d+\.\d+)-([a-z]+)$")
DONE = (0, 75)
AWAY = (0, 65, 75)          # a sync that ended well, found something that it cannot read, or no line
NOT_OURS = "not-for-this-device"

__all__ = ["Person", "Phone", "Verdict", "TEXT"]


class Phone(Home):
    def __init__(self, person, number):
        super().__init__(person.relay, person.jid)
        self.person, self.label, self.number = person, f"{person.name}{number}", 0
        self.begun, self.promised, self.shown, self.unreadable = [], [], [], collections.Counter()
        self.may_come_again = {}

    def _start(self, *argv, text=None):
        feed = subprocess.DEVNULL
        if text is not None:
            feed = tempfile.TemporaryFile("w+", encoding="utf-8")
            feed.write(text)
            feed.seek(0)
        return subprocess.Popen([str(a) for a in argv], stdin=feed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=os.environ | {"LC_ALL": "C.UTF-8", "LAZO_LANG": "en"}, start_new_session=True)

    def _end(self, process, wanted, kill_after):
        """-> (what it printed, did it end by itself?)"""
        if kill_after is not None:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=180)
        killed = process.returncode == -signal.SIGKILL
        self.person.kills += killed
        if process.returncode not in wanted and not (killed and kill_after is not None):
            raise AssertionError(f"{self.label}: {process.args}: exit {process.returncode}\n{out[-1500:]}\n{err[-1500:]}")
        return out, not killed

    def write(self, to, count=1, online=False, kill_after=None):
        """Texts for a person; many at once by lazo_fill, which does what `send --offline` does."""
        self.number += 1
        stem = f"{self.label}-{self.number:05}."
        texts = [f"{stem}{i + 1:05}-{to.name}" for i in range(count)]
        self.begun += texts
        if count == 1:
            process = self._start(LAZO, "--home", self.dir, "send", to.jid, "-", *(() if online else ("--offline",)), text=texts[0])
        else:
            process = self._start(BUILD / "tests/bench/lazo_fill", self.dir, self.person.jid, to.jid, count, stem, f"-{to.name}")
        _, well = self._end(process, DONE if count == 1 else (0, 1), kill_after)    # 1: it has no keys yet
        if well and (count == 1 or process.returncode == 0):
            self.promised += texts

    def sync(self, kill_after=None):
        self._end(self._start(LAZO, "--home", self.dir, "sync"), AWAY, kill_after)

    def read(self, kill_after=None):
        out, well = self._end(self._start(LAZO, "--home", self.dir, "read", "--json"), AWAY, kill_after)
        for line in out[:out.rfind("\n") + 1].split("\n")[:-1]:
            message = json.loads(line)
            if message.get("unreadable"):
                self.unreadable[message["unreadable"]] += 1
                continue
            if self.may_come_again.get(message["id"]) != message["body"]:
                self.shown.append(message)
            if well:
                self.may_come_again.pop(message["id"], None)
            else:
                self.may_come_again[message["id"]] = message["body"]

    def history(self):
        """What it says of all that it wrote and that has come, in its order."""
        return [m for contact in self.person.contacts for m in self.json("history", contact.jid, "--limit", "1000000")]


class Person:
    def __init__(self, name, relay, seed):
        self.name, self.relay, self.dice, self.kills = name, relay, random.Random(f"{seed} {name}"), 0
        self.jid = relay.user(name)
        self.contacts = []
        self.phones = []

    @property
    def phone(self):
        return self.phones[-1]

    def new_phone(self):
        phone = Phone(self, len(self.phones) + 1)
        phone.login()
        for contact in self.contacts:
            phone.run("contact", "add", contact.jid, status=(0, 73, 75))
        self.phones.append(phone)
        phone.sync()

    def maybe_killed(self, chance):
        return self.dice.uniform(0, 0.15) if self.dice.random() < chance else None

    def turn(self, count, kill=0.15):
        """About `count` texts to each contact, what is to be had, and reading: each killed with that chance."""
        for contact in self.contacts:
            left = count
            while left > 0:
                some = min(left, self.dice.choice([1, 3, 10, 30]))
                self.phone.write(contact, some, self.dice.random() < 0.3, self.maybe_killed(kill))
                left -= some
        self.phone.sync(self.maybe_killed(kill))
        self.phone.read(self.maybe_killed(kill))

    def settle(self):
        """Of all phones; -> does nothing wait in them?"""
        for phone in self.phones:
            phone.sync()
            phone.read()
        return not any(m["state"] in ("ready", "waiting") for phone in self.phones for m in phone.json("outbox"))


class Verdict:
    """begun, promised, kept: texts; shown: phone -> texts in order; unreadable: reasons."""

    def __init__(self, begun, promised, kept, shown, unreadable=()):
        begun = set(begun)
        self.twice, self.invented, self.disorder = [], [reason for reason in unreadable if reason != NOT_OURS], 0
        have = collections.defaultdict(set)
        for (owner, _), texts in shown.items():
            times, last = collections.Counter(texts), {}
            self.twice += [text for text, n in times.items() if n > 1]
            for text in texts:
                found = TEXT.match(text)
                if text not in begun or found is None or found.group(4) != owner:
                    self.invented.append(text)
                    continue
                writer, place = found.group(1) + found.group(2), found.group(3)
                self.disorder += last.get(writer, "") > place
                last[writer] = max(place, last.get(writer, ""))
                have[owner].add(text)
        wanted = set(promised) | set(kept)
        self.lost = sorted(text for text in wanted if text not in have[TEXT.match(text).group(4)])
        self.read = sum(map(len, have.values()))
        self.wanted = len(wanted)
        self.fine = not (self.lost or self.twice or self.invented or self.disorder)

    @classmethod
    def of(cls, people, change=lambda shown: None):
        phones = [phone for person in people for phone in person.phones]
        shown = {(phone.person.name, phone.label): [m["body"] for m in phone.shown] for phone in phones}
        change(shown)
        kept = [m["body"] for phone in phones for m in phone.history() if m["from"] == phone.person.jid and "state" in m and "body" in m]
        return cls(sum((p.begun for p in phones), []), sum((p.promised for p in phones), []), kept, shown,
                   [reason for phone in phones for reason in phone.unreadable.elements()])

    def __str__(self):
        return f"lost {len(self.lost)} twice {len(self.twice)} invented {len(self.invented)} disorder {self.disorder}"
