"""pairs.py -- two people at each of two relays who send and two who receive, each to both over there, and what came of it.

shores: what has .relays (two), .at(relay), in which streams to it are opened (crossing.Shores, namespaces.Cable). Journals and verdict
are those of custody.py. CONF: lines of configuration for relays that are soon back.
"""
import time

from custody import Receiver, Sender, Verdict

CONF = {"retry": {"first": "1s", "most": "2s"}, "quota": {"pending": 10000000, "pending_bytes": "100gb"}}

__all__ = ["CONF", "People"]


class People:
    """Two on each shore who send, two who receive: each writes to both over there."""

    def __init__(self, name, shores):
        self.shores = shores
        self.senders, self.receivers = [], []
        for mine, relay in enumerate(self.shores.relays):
            other = self.shores.relays[1 - mine]
            contacts = [other.user(f"{name}to{n}{mine}") for n in range(2)]
            self.receivers += [Receiver(jid.partition("@")[0], other.host) for jid in contacts]
            for n in range(2):
                self.senders.append(Sender(f"{name}from{n}{mine}", relay.host, contacts))
                relay.user(self.senders[-1].node)
        self.reopen()

    def reopen(self, hosts=None):
        for person in [*self.senders, *self.receivers]:
            relay = next(r for r in self.shores.relays if r.host == person.host)
            if hosts is None or relay.host in hosts:
                person.session = None
                with self.shores.at(relay):
                    person.open(relay, timeout=60)

    def kill(self, relay):
        relay.kill()
        relay.start()
        self.reopen([relay.host])

    def send(self, count):
        for sender in self.senders:
            sender.send(count)

    def read(self):
        for receiver in self.receivers:
            receiver.read(0.05, 0.02)

    def verdict(self):
        return Verdict.of(self.senders, self.receivers)

    def settle(self, limit):
        """Until all that was accepted is there; -> (seconds, verdict)."""
        begun, verdict = time.monotonic(), None
        while verdict is None or verdict.lost and time.monotonic() < begun + limit:
            self.read()
            verdict = self.verdict()
        took = time.monotonic() - begun
        for receiver in self.receivers:         # and nothing more
            receiver.empty()
        return took, self.verdict()

    def stop(self):
        for person in [*self.senders, *self.receivers]:
            person.session.drop()
        for relay in self.shores.relays:
            relay.stop()
