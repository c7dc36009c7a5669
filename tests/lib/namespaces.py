"""namespaces.py -- two relays in a network namespace each, with one cable between them that can be pulled, and routes that lead nowhere.

Needs root, and `ip` (iproute2); available() says why not. What is made is removed at the end of the program. Streams to a relay are opened
with `with shores.at(relay):`, in that relay's namespace; once open they can be used from anywhere.
"""
import atexit
import contextlib
import ctypes
import os
import subprocess

from crossing import question
from lazo_test import Authority, Relay, check, free_port, scratch

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

__all__ = ["Cable", "available"]


def ip(*words, wanted=0):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    check(wanted is None or done.returncode == wanted, f"ip {' '.join(map(str, words))}: {done.stderr}")
    return done.returncode == 0


def available():
    """None, or what is missing."""
    if os.geteuid() != 0:
        return "not root"
    name = f"lz{os.getpid()}x"
    try:
        if not ip("netns", "add", name, wanted=None):
            return "no network namespaces here"
        ip("netns", "del", name)
    except FileNotFoundError:
        return "no ip (iproute2)"
    return None


class Cable:
    """one, two: relays; .spaces and .ends: the namespaces and the cable's ends."""

    def __init__(self, **conf):
        self.spaces = [f"lz{os.getpid()}{side}" for side in "ab"]
        self.ends = [f"lz{os.getpid()}{side}" for side in "ab"]
        self.addresses = ["10.213.7.1", "10.213.7.2"]
        atexit.register(self._remove)
        for space in self.spaces:
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
        ip("-n", self.spaces[0], "link", "add", self.ends[0], "type", "veth", "peer", "name", self.ends[1], "netns", self.spaces[1])
        for side in (0, 1):
            ip("-n", self.spaces[side], "addr", "add", f"{self.addresses[side]}/24", "dev", self.ends[side])
            ip("-n", self.spaces[side], "link", "set", self.ends[side], "up")
        authority, hosts, port = Authority(scratch() / f"ca{free_port()}"), ("uno.example", "dos.example"), 5269
        self.relays = []
        for mine in (0, 1):
            peer = {"address": f'"{self.addresses[1 - mine]}:{port}"', "tls": '"starttls"'}
            self.relays.append(Relay(hosts[mine], authority, wrap=["ip", "netns", "exec", self.spaces[mine]],
                                     server=[f"*:{port}"], limits={"rate_server": 0},
                                     trust=[str(authority.crt)], **{f'peer "{hosts[1 - mine]}"': peer}, **conf))
        self.one, self.two = self.relays

    def _remove(self):
        for space in self.spaces:
            ip("netns", "del", space, wanted=None)

    @contextlib.contextmanager
    def at(self, relay):
        """This thread is in that relay's network."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.spaces[self.relays.index(relay)]}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            check(_libc.setns(there, CLONE_NEWNET) == 0, "setns")
            yield
        finally:
            check(_libc.setns(home, CLONE_NEWNET) == 0, "setns")
            os.close(home)
            os.close(there)

    def waiting(self):
        return [question(relay, "SELECT count(*) FROM spool WHERE state = 0")[0][0] for relay in self.relays]

    # side: 0 or 1

    def pull(self, side):
        """The link is down: whoever sends hears so at that end, and nothing at the other but silence."""
        ip("-n", self.spaces[side], "link", "set", self.ends[side], "down")

    def blackhole(self, side):
        """What that side sends is dropped; what it is sent arrives."""
        ip("-n", self.spaces[side], "route", "replace", "blackhole", f"{self.addresses[1 - side]}/32")

    def unreachable(self, side):
        ip("-n", self.spaces[side], "route", "replace", "unreachable", f"{self.addresses[1 - side]}/32")

    def renumber(self, side):
        """It loses its address, and gets it back."""
        ip("-n", self.spaces[side], "addr", "flush", "dev", self.ends[side])

    def netem(self, side, *how):
        """False: the kernel has none."""
        done = subprocess.run(["tc", "-n", self.spaces[side], "qdisc", "replace", "dev", self.ends[side], "root", "netem", *how],
                              capture_output=True, check=False)
        return done.returncode == 0

    def mend(self):
        for side in (0, 1):
            space, end = self.spaces[side], self.ends[side]
            for kind in ("blackhole", "unreachable"):
                ip("-n", space, "route", "del", kind, f"{self.addresses[1 - side]}/32", wanted=None)
            ip("-n", space, "link", "set", end, "up")
            ip("-n", space, "addr", "replace", f"{self.addresses[side]}/24", "dev", end)
            subprocess.run(["tc", "-n", space, "qdisc", "del", "dev", end, "root"], capture_output=True, check=False)
