"""other_domain.py -- our relay and a server that others wrote as two domains: the server, names for both, a line between them that
can be cut, and what is tested with each of them.

Runs in a network and mount namespace of its own, where a real unbound answers on 127.0.0.1:53 with the SRV records of both.
"""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

from lazo_test import *
from lazo_home import *
from pep import *
from xmpp_raw import *

INSIDE = "LAZO_TEST_NAMESPACE"

PROSODY = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{folder}/log" }} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "pep", "smacks", "carbons", "ping", "version", "vcard", "lastactivity", "offline",
	"presence", "message", "iq", "c2s", "s2s" }}
modules_disabled = {{ "http", "s2s_auth_dialback" }}
limits = {{ }}
authentication = "internal_hashed"
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = true
c2s_ports = {{ {client} }}
s2s_ports = {{ {server} }}
interfaces = {{ "127.0.0.1" }}
unbound = {{ resolvconf = "/etc/resolv.conf", hoststxt = false, options = {{ ["do-not-query-localhost:"] = "no" }} }}
ssl = {{ certificate = "{crt}", key = "{key}", cafile = "{ca}", capath = "/nowhere" }}
VirtualHost "{host}"
	ssl = {{ certificate = "{crt}", key = "{key}", cafile = "{ca}", capath = "/nowhere" }}
"""

EJABBERD = """
hosts: ["{host}"]
loglevel: info
certfiles: ["{pem}"]
ca_file: "{ca}"
s2s_cafile: "{ca}"
s2s_use_starttls: required
s2s_timeout: 20
s2s_max_retry_delay: 1
acme: {{ auto: false }}
listen:
  - {{ port: {client}, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, max_stanza_size: 262144, shaper: none, access: all }}
  - {{ port: {server}, ip: "127.0.0.1", module: ejabberd_s2s_in, max_stanza_size: 524288, shaper: none }}
  - {{ port: {api}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {{ /api: mod_http_api }} }}
auth_method: internal
auth_password_format: scram
api_permissions:
  "all": {{ who: all, what: "*" }}
acl:
  local: {{ user_regexp: "" }}
access_rules:
  local: {{ allow: local }}
modules:
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_pubsub: {{ plugins: [flat, pep], force_node_config: {{ "eu.siacs.conversations.axolotl.*": {{ access_model: open }} }} }}
  mod_roster: {{}}
  mod_s2s_dialback: {{}}
  mod_stream_mgmt: {{}}
  mod_vcard: {{}}
  mod_version: {{}}
"""


class Other:
    """What login() and the like need to know of a server."""

    def __init__(self, host, authority):
        self.host, self.authority = host, authority
        self.folder = scratch() / self.label
        (self.folder / "data").mkdir(parents=True)
        self.crt, self.key = authority.issue(host)
        self.port, self.server, self.api = free_port(), free_port(), free_port()
        self.configure()
        self.start()

    def start(self):
        self.process = self.run()

        def listening():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.server)) == 0
        eventually(listening, 60, f"{self.label}'s port")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def login(self, jid):
        stream = Stream(self)
        stream.open()
        stream.starttls()
        stream.open()
        stream.auth(jid.partition("@")[0], mechanism="SCRAM-SHA-1")     # Prosody 0.12 stores but one
        stream.bind()
        available(stream)
        return stream


class Prosody(Other):
    label, binary, acknowledges, names = "prosody", "prosody", True, Authority.names

    def configure(self):
        self.file = self.folder / "prosody.cfg.lua"
        self.file.write_text(PROSODY.format(folder=self.folder, client=self.port, server=self.server, crt=self.crt, key=self.key,
                                            ca=self.authority.crt, host=self.host))

    def run(self):
        return background(["prosody", "--config", self.file, "-F"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                          env=os.environ | {"HOME": str(self.folder)})

    def user(self, name):
        tool("prosodyctl", "--root", "--config", self.file, "register", name, self.host, PASSWORD, timeout=30)
        return f"{name}@{self.host}"


class Ejabberd(Other):
    """By erl itself: ejabberdctl as root goes over to another user and is held to 1,024 files."""
    label, binary, acknowledges = "ejabberd", "erl", False
    names = "DNS:{0}"    # 23.01 falls over an XMPP address in a certificate (RFC 6120 13.7.1.4)

    def configure(self):
        pem = self.folder / "both.pem"
        pem.write_text(self.key.read_text() + self.crt.read_text())
        pem.chmod(0o600)
        self.file = self.folder / "ejabberd.yml"
        self.file.write_text(EJABBERD.format(host=self.host, pem=pem, ca=self.authority.crt, client=self.port, server=self.server, api=self.api))

    def run(self):
        env = os.environ | {"HOME": str(self.folder), "EJABBERD_CONFIG_PATH": str(self.file), "EJABBERD_LOG_PATH": str(self.folder / "log"),
                            "ERL_LIBS": "/usr/lib/x86_64-linux-gnu", "ERL_MAX_PORTS": "4096", "ERL_CRASH_DUMP": str(self.folder / "crash")}
        return background(["erl", "-noinput", "-mnesia", "dir", f'"{self.folder}/data"', "-s", "ejabberd"], cwd=self.folder, env=env,
                          stdout=open(self.folder / "out", "ab"), stderr=subprocess.STDOUT)

    def user(self, name):
        body = json.dumps({"user": name, "host": self.host, "password": PASSWORD}).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.api}/api/register", body, {"Content-Type": "application/json"})

        def done():
            try:
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    return answer.status == 200
            except OSError:
                return False
        eventually(done, 30, "ejabberd's register")
        return f"{name}@{self.host}"


class Line:
    """A port before another, that can be cut: what is connected is reset, what comes is refused."""

    def __init__(self, target):
        self.target, self.port, self.pairs, self.lock, self.listener = target, free_port(), [], threading.Lock(), None
        self.mend()

    def mend(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(50)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def cut(self):
        with self.lock:
            sockets = [self.listener, *(s for pair in self.pairs for s in pair)]
            self.pairs = []
        self.listener.shutdown(socket.SHUT_RDWR)
        for one in sockets:
            if one is not self.listener:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            one.close()

    def _serve(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket()
            if far.connect_ex(("127.0.0.1", self.target)) != 0:
                near.close()
                continue
            with self.lock:
                self.pairs.append((near, far))
            for x, y in ((near, far), (far, near)):
                threading.Thread(target=self._pipe, args=(x, y), daemon=True).start()

    @staticmethod
    def _pipe(x, y):
        try:
            while data := x.recv(65536):
                y.sendall(data)
            y.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def enter(binary):
    """Into namespaces of our own, or not at all."""
    for program in (binary, "unbound"):
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None:
            print(f"SKIPPED: {program} is not installed\n0 passed, 0 failed, 1 skipped")
            sys.exit(0)
    if INSIDE in os.environ:
        return
    if subprocess.run(["unshare", "--net", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("SKIPPED: no right to make namespaces\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv], os.environ | {INSIDE: "1"})


def serve_names(*records):
    folder = scratch() / "names"
    folder.mkdir()
    lines = ["server:", '  username: ""', '  chroot: ""', '  pidfile: ""', "  do-daemonize: no", "  use-syslog: no",
             "  interface: 127.0.0.1", '  module-config: "iterator"', f'  directory: "{folder}"', '  local-zone: "." static', '  logfile: ""']
    lines += [f"  local-data: '{record}'" for record in records]
    (folder / "unbound.conf").write_text("\n".join(lines + ["remote-control:", "  control-enable: no", ""]))
    background(["unbound", "-d", "-c", folder / "unbound.conf"], stdout=subprocess.DEVNULL, stderr=open(folder / "log", "ab"))

    def answers():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", 53)) == 0
    eventually(answers, 10, "the name server")


def prepare(kind):
    """`ours` and `theirs`, here and in the calling program; each reaches the other by a Line."""
    global ours, theirs, way_out, way_in
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    (scratch() / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", str(scratch() / "resolv.conf"), os.path.realpath("/etc/resolv.conf")], check=True)
    authority = Authority(scratch() / "ca")
    authority.names = kind.names
    port, host = free_port(), f"{kind.label}.example"
    way_in = Line(port)
    names = [f"_xmpp-server._tcp.lazo.example. 60 IN SRV 1 5 {way_in.port} relay.lazo.example.", "relay.lazo.example. 60 IN A 127.0.0.1"]
    theirs = kind(host, authority)
    way_out = Line(theirs.server)
    serve_names(*names, f"_xmpp-server._tcp.{host}. 60 IN SRV 1 5 {way_out.port} xmpp.{host}.", f"xmpp.{host}. 60 IN A 127.0.0.1")
    ours = Relay("lazo.example", authority, trust=[str(authority.crt)], resolver=["127.0.0.1:53"], server=[f"127.0.0.1:{port}"])
    sys.modules["__main__"].ours, sys.modules["__main__"].theirs = ours, theirs


def cut():
    way_out.cut()
    way_in.cut()


def mend():
    way_out.mend()
    way_in.mend()


# ---- what is tested with each

def say(stream, to, body):
    name = new_id()
    stream.send(f"<message to='{to}' id='{name}' type='chat'><body>{body}</body></message>")
    return name


def people(name):
    return login(ours, ours.user(name)), theirs.login(theirs.user(name))


def test_messages_both_ways():
    a, b = people("carta")
    say(a, b.jid, "hola")
    equal(b.message(body="hola", timeout=20).get("from"), a.jid)
    say(b, a.jid, "qué tal")
    equal(a.message(body="qué tal", timeout=20).get("from"), b.jid)
    for n in range(100):
        say(a, b.jid, f"ida {n}")
        say(b, a.jid, f"vuelta {n}")
    equal([text_of(b.message(), CLIENT + "body") for _ in range(100)], [f"ida {n}" for n in range(100)])
    equal([text_of(a.message(), CLIENT + "body") for _ in range(100)], [f"vuelta {n}" for n in range(100)])
    a.close()
    b.close()


def test_theirs_first():
    """They open the first stream of a pair of restarted servers."""
    ours.restart()
    a, b = people("primero")
    say(b, a.jid, "desde allá")
    equal(a.message(body="desde allá", timeout=20).get("from"), b.jid)
    a.close()
    b.close()


def seen(stream, who, status):
    return stream.wait(lambda e: e.tag == CLIENT + "presence" and e.get("from") == who and text_of(e, CLIENT + "status") == status, timeout=20)


def test_subscriptions_and_presence():
    a, b = people("amigo")
    befriend(a, b)
    for one, other in ((a, b), (b, a)):
        one.send("<presence><status>aquí</status></presence>")
        seen(other, one.jid, "aquí")
    c = login(ours, bare(a.jid), resource="otra")       # a probe, and its answer
    seen(c, b.jid, "aquí")
    c.close()
    for one, other in ((a, b), (b, a)):
        one.send(f"<presence type='unsubscribe' to='{bare(other.jid)}'/>")
        other.presence(bare(one.jid), "unsubscribe", timeout=20)
    b.send("<presence><status>nadie lo ve</status></presence>")
    b.barrier()
    equal([text_of(e, CLIENT + "status") for e in a.barrier() if e.tag == CLIENT + "presence" and e.get("from") == b.jid and not e.get("type")], [])
    a.close()
    b.close()


def test_subscription_over_a_cut():
    """Asked while the line is cut: told when it is there again; presence too."""
    a, b = people("lejos")
    cut()
    a.send(f"<presence type='subscribe' to='{bare(b.jid)}'/>")
    a.barrier()
    mend()
    b.presence(bare(a.jid), "subscribe", timeout=90)
    b.send(f"<presence type='subscribed' to='{bare(a.jid)}'/>")
    a.presence(bare(b.jid), "subscribed", timeout=20)
    a.presence(b.jid, timeout=20)
    a.close()
    b.close()


def test_iq():
    a, b = people("pregunta")
    befriend(a, b)
    for one, other, host in ((a, b, theirs.host), (b, a, ours.host)):
        info = one.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", host, timeout=20)
        check(info.find(f"{DISCO_INFO}query/{DISCO_INFO}feature") is not None, "disco")
        for payload, to in (("<query xmlns='jabber:iq:version'/>", host), ("<query xmlns='http://jabber.org/protocol/disco#items'/>", host),
                            ("<query xmlns='http://jabber.org/protocol/disco#info'/>", bare(other.jid)), ("<ping xmlns='urn:xmpp:ping'/>", host),
                            ("<query xmlns='jabber:iq:last'/>", bare(other.jid))):
            one.result("get", payload, to)
        check(one.refused("get", "<query xmlns='jabber:iq:roster'/>", f"nadie@{host}")[1] in ("service-unavailable", "forbidden"), "nobody's")
    a.close()
    b.close()


def publish_keys(stream, device="7"):
    for node, payload in ((DEVICES, f"<list xmlns='eu.siacs.conversations.axolotl'><device id='{device}'/></list>"),
                          ("eu.siacs.conversations.axolotl.bundles:7", "<bundle xmlns='eu.siacs.conversations.axolotl'/>")):
        stream.result("set", publish(node=node, item="current", payload=payload, options={"access_model": "open"}))


def test_keys_and_cards():
    a, b = people("llave")
    for one, other in ((a, b), (b, a)):
        publish_keys(one)
        for node in (DEVICES, "eu.siacs.conversations.axolotl.bundles:7"):
            equal([i[0] for i in items(other.result("get", get(node), bare(one.jid), timeout=20))], ["current"], node)
        one.result("set", "<vCard xmlns='vcard-temp'><FN>Ana</FN></vCard>")
        got = other.result("get", "<vCard xmlns='vcard-temp'/>", bare(one.jid))
        equal(text_of(got, "{vcard-temp}vCard/{vcard-temp}FN"), "Ana")
    a.close()
    b.close()


def answer_all(stream, features, timeout):
    """Tell whoever asks what this client is, until nobody asks for a while."""
    while True:
        try:
            question = stream.wait(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "get" and e.find(DISCO_INFO + "query") is not None, timeout)
        except TimeoutError:
            return
        node = question.find(DISCO_INFO + "query").get("node")
        to = f" to='{question.get('from')}'" if question.get("from") else ""
        stream.send(f"<iq type='result' id='{question.get('id')}'{to}><query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>"
                    "<identity category='client' type='pc' name='Test'/>" + "".join(f"<feature var='{f}'/>" for f in features) + "</query></iq>")


def test_notifications():
    """Device lists come unasked to contacts there, as their clients announce it, both ways."""
    a, b = people("nueva")
    befriend(a, b)
    for stream in (a, b):
        features = sorted(["http://jabber.org/protocol/disco#info", "urn:example:" + new_id(), DEVICES + "+notify"])
        announce(stream, hash_of(*features))
        answer_all(stream, features, 3)
    for one, other in ((a, b), (b, a)):
        publish_keys(one, device="4711")
        event(one, bare(one.jid), DEVICES, timeout=20)
        got = event(other, bare(one.jid), DEVICES, timeout=20)
        equal([d.get("id") for d in got.iter("{eu.siacs.conversations.axolotl}device")], ["4711"])
    a.close()
    b.close()


def test_keys_are_kept():
    """The copy of their public items, which our relay makes for when they are away."""
    a, b = people("guardada")
    publish_keys(b)
    befriend(a, b)

    def kept():
        reply = a.iq("get", f"<keys xmlns='urn:lazo:courier:0' jid='{bare(b.jid)}'/>")
        return len(list(reply.iter("{urn:lazo:courier:0}items"))) == 2
    eventually(kept, 30, "a list and a bundle")
    a.close()
    b.close()


def test_lazo_on_both_sides():
    """Encrypted, both ways."""
    ana, luis = Home(ours, ours.user("ana")), Home(theirs, theirs.user("luis"))
    for home in (ana, luis):
        home.login()
    for one, other in ((ana, luis), (luis, ana)):
        one.send(other.jid, f"de {one.jid}")

        def came():
            other.run("sync", status=0)
            return [(m.get("body"), m["encrypted"]) for m in other.json("read", "--new")] == [(f"de {one.jid}", True)]
        eventually(came, 60, "the message")


class Told:
    """What came to one stream, message by message."""

    def __init__(self, stream):
        self.stream, self.ids, self.order, self.errors = stream, {}, [], set()

    def look(self):
        for message in [e for e in self.stream.barrier(timeout=30) if e.tag == CLIENT + "message"]:
            body = text_of(message, CLIENT + "body")
            if message.get("type") == "error":
                self.errors.add(message.get("id"))
            elif body is not None:
                self.ids.setdefault(body, []).append(message.get("id"))
                self.order += [body] if body not in self.order else []


def test_none_lost_over_cuts():
    """Held here until they have it: none lost, in order, and twice only under the same id. Of theirs: all, or an error, where they
    acknowledge between servers."""
    a, b = people("corte")
    for one, other in ((a, b), (b, a)):
        say(one, other.jid, "antes")
        other.message(body="antes", timeout=20)
    sent = {}
    for n in range(300):
        say(a, b.jid, f"ida {n}")
        sent[f"vuelta {n}"] = say(b, a.jid, f"vuelta {n}")
        if n in (100, 200):
            cut()
        if n in (140, 240):
            time.sleep(0.5)    # the cut is noticed on both sides
            mend()
    there, here = Told(b), Told(a)

    def all_came():
        there.look()
        return len(there.order) >= 300
    eventually(all_came, 120, "all messages")
    equal(there.order, [f"ida {n}" for n in range(300)], "in order")
    check(all(len(set(ids)) == 1 for ids in there.ids.values()), "twice only under the same id")
    print(f"   {sum(len(ids) - 1 for ids in there.ids.values())} came twice to them")

    def all_told():
        here.look()
        there.look()
        return all(body in here.ids or name in there.errors for body, name in sent.items())
    if theirs.acknowledges:
        eventually(all_told, 120, "each of theirs came or was given back")
    else:
        all_told()
    check(all(len(set(ids)) == 1 for ids in here.ids.values()), "twice only under the same id, from them too")
    print(f"   of theirs {len(here.order)} came, {len(there.errors)} were given back")
    a.close()
    b.close()
