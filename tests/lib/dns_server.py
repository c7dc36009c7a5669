"""dns_server.py -- a DNS server of the tests' own on loopback, which answers, and also fails, as it is told.

    dns = DnsServer()                      # UDP and TCP on one port; dns.address for `resolver = [...]`
    dns.srv("_xmpp-server._tcp.a.example", 0, 5, 5269, "x.a.example")
    dns.a("x.a.example", "127.0.0.1")
    dns.fail("b.example", "SERVFAIL")   # this name and all below it: an rcode, "drop", "truncate", "garbage"

A name that nobody has told it is NXDOMAIN; a name that has other types has none of this type. `asked` counts questions.
"""
import collections
import ipaddress
import socket
import struct
import threading

A, CNAME, SOA, AAAA, SRV = 1, 5, 6, 28, 33
RCODE = {"FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
UDP_MOST = 512
TTL = 1


def wire(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def read_question(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
        at += 1 + packet[at]
    kind, = struct.unpack("!H", packet[at + 1:at + 3])
    return ".".join(labels), kind, packet[12:at + 5]


def record(name, kind, data, ttl=TTL):
    return wire(name) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


class DnsServer:
    def __init__(self):
        self.records = collections.defaultdict(list)    # (name, type) -> data
        self.faults = {}
        self.asked = collections.Counter()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        while True:
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                self.udp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp.listen(64)
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._by_udp, daemon=True).start()
        threading.Thread(target=self._by_tcp, daemon=True).start()

    # What it knows

    def srv(self, name, priority, weight, port, target):
        self.records[name.lower(), SRV].append(struct.pack("!HHH", priority, weight, port) + wire(target))

    def a(self, name, address):
        kind = A if ipaddress.ip_address(address).version == 4 else AAAA
        self.records[name.lower(), kind].append(ipaddress.ip_address(address).packed)

    def cname(self, name, target):
        self.records[name.lower(), CNAME].append(wire(target))
        self.records[name.lower(), "target"] = [target.lower()]

    def fail(self, name, how, kind=None):
        self.faults[name.lower(), kind] = how

    def forget(self):
        self.records.clear()
        self.faults.clear()

    # What it says

    def _fault(self, name, kind):
        while name:
            for key in ((name, kind), (name, None)):
                if key in self.faults:
                    return self.faults[key]
            name = name.partition(".")[2]
        return None

    def _answer(self, packet, most):
        """The bytes, or None for silence."""
        name, kind, question = read_question(packet)
        self.asked[name, kind] += 1
        fault = self._fault(name, kind)
        if fault == "drop" or (fault == "truncate" and most > UDP_MOST):
            return None
        if fault == "garbage":
            return packet[:2] + b"\x84\x00\x00\x01\x00\x09\xff\xff\xff" + question
        if fault in RCODE:
            return packet[:2] + struct.pack("!HHHHH", 0x8580 | RCODE[fault], 1, 0, 0, 0) + question
        answers, owner = [], name
        for _ in range(20):    # a loop of aliases is given as far as that
            answers += [record(owner, kind, data) for data in self.records[owner, kind]]
            alias = self.records.get((owner, "target"))
            if not alias or kind == CNAME:
                break
            answers.append(record(owner, CNAME, wire(alias[0])))
            owner = alias[0]
        known = any(key[0] == owner and data for key, data in list(self.records.items())) or any(
            key[0].endswith("." + owner) and data for key, data in list(self.records.items()))
        authority = [] if answers else [record("example", SOA, wire("ns.example") + wire("x.example") + struct.pack("!IIIII", 1, 1, 1, 1, TTL))]
        rcode = 0 if answers or known else RCODE["NXDOMAIN"]
        body = packet[:2] + struct.pack("!HHHHH", 0x8580 | rcode, 1, len(answers), len(authority), 0) + question + b"".join(answers + authority)
        if fault == "truncate" or len(body) > most:
            return packet[:2] + struct.pack("!HHHHH", 0x8780, 1, 0, 0, 0) + question
        return body

    def _by_udp(self):
        while True:
            packet, peer = self.udp.recvfrom(4096)
            said = self._answer(packet, UDP_MOST)
            if said is not None:
                self.udp.sendto(said, peer)

    def _by_tcp(self):
        while True:
            threading.Thread(target=self._one_tcp, args=(self.tcp.accept()[0],), daemon=True).start()

    def _one_tcp(self, sock):
        with sock:
            try:
                while len(head := sock.recv(2, socket.MSG_WAITALL)) == 2:
                    packet = sock.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                    said = self._answer(packet, 65535)
                    if said is None:
                        return
                    sock.sendall(struct.pack("!H", len(said)) + said)
            except OSError:
                pass
