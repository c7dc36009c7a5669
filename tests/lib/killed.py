"""killed.py -- people as processes of their own, that outlive their relay or are killed themselves (custody.py)."""
import os
import random
import signal
import sys
import time

from custody import GONE, Receiver, Sender
from lazo_test import check, equal, scratch

__all__ = ["Ports", "Client", "again", "run_sender", "run_receiver"]


class Ports:
    """Where the relay is now: a file, since clients outlive relays."""

    def __init__(self, relay):
        self.host, self.authority, self.file = relay.host, relay.authority, scratch() / f"{relay.host}.port"

    def tell(self, relay):
        new = self.file.with_suffix(".new")
        new.write_text(str(relay.tls_port))
        new.rename(self.file)

    @property
    def tls_port(self):
        return int(self.file.read_text())


class Client:
    """A process that goes on until it is killed, or until stop_file is there and it has nothing left to do."""

    def __init__(self, run, *args, **options):
        self.run, self.args, self.options = run, args, options
        self.pid = None

    def start(self):
        self.stop()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                self.run(*self.args, **self.options)
                status = 0
            except BaseException as why:        # told to whoever reads the log; nothing of the parent may run here
                print(f"  client: {why!r}", flush=True)
            finally:
                os._exit(status)

    def stop(self):
        """kill -9."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None

    def end(self, seconds=120):
        """Wait for its own end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                equal(status, 0, "a client's end")
                return
            time.sleep(0.01)
        self.stop()
        check(False, "a client did not come to its end")


def again(person, ports, work, rest=0.02):
    """Be connected and do work(), until work() says True."""
    while True:
        try:
            person.open(ports, timeout=10)
            while not work():
                continue
            return
        except (*GONE, ValueError):
            time.sleep(rest)


def run_sender(ports, stop_file, seed, node, contacts, **options):
    sender, roll = Sender(node, ports.host, contacts, **options), random.Random(seed)

    def work():
        if stop_file.exists():
            return True
        sender.send(roll.choice([1, 1, 2, 3, 5, 10]))
        time.sleep(roll.random() * 0.02)
        return False
    again(sender, ports, work)


def run_receiver(ports, stop_file, node, **options):
    receiver = Receiver(node, ports.host, **options)

    def work():
        receiver.read(0.3, 0.05)
        return stop_file.exists()
    again(receiver, ports, work)
