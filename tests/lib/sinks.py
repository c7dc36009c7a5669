"""sinks.py -- other relays that take messages and count them: as many domains as wanted, behind one port, in a process of its own.

Stanzas are not parsed but counted as bytes go by, so that the relay under test is what is measured. TLS from the first byte; the
certificate is for all of the domains. Stream management is offered, and each <r/> answered with what has come.
"""
import asyncio
import multiprocessing
import re
import socket
import ssl

from lazo_test import free_port, tool

COUNTED = re.compile(rb"</message>|</iq>|<presence |<r xmlns='urn:xmpp:sm:3'/>")
LONGEST = 32                # bytes of one of these, and some
TO = re.compile(rb"<stream:stream[^>]* to=['\"]([^'\"]+)['\"]")
FEATURES = {
    False: b"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>",
    True: b"<sm xmlns='urn:xmpp:sm:3'/>",
}


class Sinks:
    """domains: names. .messages: how many have come; .streams: how many were opened. Asleep until wake()."""

    def __init__(self, authority, domains):
        self.port = free_port()
        self.messages, self.opened = multiprocessing.Value("q", 0), multiprocessing.Value("q", 0)
        self.crt, self.key = certificate(authority, domains)
        self.process = None

    def wake(self):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(1024)
        self.process = multiprocessing.Process(target=lambda: asyncio.run(self._run(listening)), daemon=True)
        self.process.start()
        listening.close()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.join()

    async def _run(self, listening):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.crt, self.key)
        made.set_alpn_protocols(["xmpp-server"])
        server = await asyncio.start_server(self._serve, sock=listening, ssl=made)
        await server.serve_forever()

    async def _serve(self, reader, writer):
        try:
            me = await self._greet(reader, writer, False)
            await self._expect(reader, b"</auth>")
            writer.write(b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
            await self._greet(reader, writer, True)
            rest = await self._expect(reader, b"<enable xmlns='urn:xmpp:sm:3'/>")
            writer.write(b"<enabled xmlns='urn:xmpp:sm:3'/>")
            self.opened.value += 1
            await self._count(reader, writer, rest)
        except (OSError, EOFError, ssl.SSLError):
            pass
        finally:
            writer.close()
            del me

    async def _greet(self, reader, writer, proven):
        head = await self._expect(reader, b">", TO)
        me = TO.search(head).group(1)
        writer.write(b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' from='" + me + b"' id='x' version='1.0' "
                     b"xmlns:stream='http://etherx.jabber.org/streams'><stream:features>" + FEATURES[proven] + b"</stream:features>")
        return me

    async def _expect(self, reader, end, pattern=None):
        """Read until it stands there; what came, or what is behind it."""
        came = b""
        while end not in came or pattern and not pattern.search(came):
            more = await reader.read(65536)
            if not more:
                raise EOFError
            came += more
        return came if pattern else came.partition(end)[2]

    async def _count(self, reader, writer, rest):
        stanzas = 0
        while True:
            messages, at = 0, 0
            for found in COUNTED.finditer(rest):
                at = found.end()
                if found.group()[:2] == b"<r":
                    writer.write(b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % stanzas)
                else:
                    stanzas += 1
                    messages += found.group() == b"</message>"
            self.messages.value += messages
            more = await reader.read(1 << 18)
            if not more:
                return
            rest = rest[max(at, len(rest) - LONGEST):] + more


def certificate(authority, domains):
    base = authority.folder / "sinks"
    key, crt, csr, ext = (base.with_suffix(s) for s in (".key", ".crt", ".csr", ".ext"))
    ext.write_text("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
                   "subjectAltName=" + ",".join(f"DNS:{d}" for d in domains) + "\n")
    tool("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=sinks", "-keyout", key,
         "-out", csr)
    tool("openssl", "x509", "-req", "-in", csr, "-CA", authority.crt, "-CAkey", authority.key, "-days", 3650, "-set_serial", 99,
         "-extfile", ext, "-out", crt)
    return crt, key
