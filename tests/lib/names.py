"""A name server on loopback, in a thread: what the relays of the tests ask instead of the system's.

Everything has no records, and exists; what is in `absent` (and below it) does not exist; `add` gives records.
"""
import socket
import struct
import threading

A, AAAA, SRV = 1, 28, 33
NXDOMAIN = 3


def _wire(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split(".")) + b"\0"


class Names:
    def __init__(self, absent=(), at=("127.0.0.1", 0)):
        self.absent = set(absent)
        self.records = {}
        self.asked = []
        self.silent = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(at)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def add(self, name, kind, rdata):
        """rdata: an address, or (priority, weight, port, target)."""
        if kind == A:
            rdata = socket.inet_aton(rdata)
        elif kind == SRV:
            rdata = struct.pack("!HHH", *rdata[:3]) + (_wire(rdata[3]) if rdata[3] != "." else b"\0")
        self.records.setdefault((name.lower(), kind), []).append(rdata)

    def relay(self, host, port):
        """`host` has its relay at this port of loopback."""
        self.add(f"_xmpp-server._tcp.{host}", SRV, (1, 1, port, host))
        self.add(host, A, "127.0.0.1")

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace").lower())
            at += 1 + query[at]
        kind, = struct.unpack("!H", query[at + 1:at + 3])
        name, question = ".".join(labels), query[12:at + 5]
        self.asked.append((name, kind))
        found = self.records.get((name, kind), [])
        gone = any(name == one or name.endswith("." + one) for one in self.absent)
        answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(rdata)) + rdata for rdata in found)
        flags = 0x8580 | (NXDOMAIN if gone and not found else 0)
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question + answers

    def _serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if self.silent:
                continue
            try:
                self.socket.sendto(self._answer(query), peer)
            except (IndexError, struct.error):
                pass
