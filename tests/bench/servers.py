"""servers.py -- the servers that scripts/bench puts side by side: each fresh, with the same accounts, limits off.

Each has .port (TLS from the first byte), .pid, .host and stop(). Debian's packages as they are; only what would
measure a limit instead of a server is switched off, and what the figure's name says (the archive) is chosen.
`prosody --version` would start a server: versions are dpkg's. ejabberd runs by erl itself: ejabberdctl as root goes
through su, which holds it to 1,024 open files. Mnesia's folder and node are the test's own.
"""
import concurrent.futures
import glob
import hashlib
import hmac
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.request

from names import Names
from lazo_test import HOST, PASSWORD, Authority, Relay, background, eventually, free_port, scratch, stop_process

PROSODY = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = {{ {{ levels = {{ min = "warn" }}, to = "file", filename = "{folder}/log" }} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "pep", "smacks", "carbons", "ping", "offline", "blocklist",
	"presence", "message", "iq", "c2s"{modules} }}
modules_disabled = {{ {disabled}"http" }}
limits = {{ }}
authentication = "internal_hashed"
default_storage = "{storage}"
storage = {{ accounts = "internal" }}
sql = {{ driver = "SQLite3", database = "prosody.sqlite" }}
default_archive_policy = true
archive_expires_after = "never"
c2s_require_encryption = true
c2s_ports = {{ }}
{between}c2s_direct_tls_ports = {{ {port} }}
interfaces = {{ "127.0.0.1" }}
ssl = {{ certificate = "{crt}", key = "{key}"{trust} }}
VirtualHost "{host}"
	ssl = {{ certificate = "{crt}", key = "{key}"{trust} }}
"""

BETWEEN = """
s2s_require_encryption = true
s2s_secure_auth = true
s2s_ports = {{ {port} }}
unbound = {{ resolvconf = "/etc/resolv.conf", hoststxt = false, options = {{ ["do-not-query-localhost:"] = "no" }} }}
"""
PAIR = ("uno.example", "dos.example")
name_servers = (f"127.213.{os.getpid() % 250}.{n % 250 + 1}" for n in itertools.count())      # port 53 is one's own on each

EJABBERD = """
loglevel: warning
hosts: ["{host}"]
certfiles: ["{pem}"]
listen:
  - {{ port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, max_stanza_size: 262144, shaper: none, access: all }}
  - {{ port: {api}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {{ /api: mod_http_api }} }}
auth_password_format: scram
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
api_permissions:
  "all": {{ who: all, what: ["register"] }}
access_rules:
  boundless: {{ allow: all }}
shaper_rules:
  max_user_sessions: infinity
  max_user_offline_messages: infinity
registration_timeout: infinity
{database}
modules:
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_caps: {{}}
  mod_http_api: {{}}
  mod_offline: {{ access_max_user_messages: max_user_offline_messages }}
  mod_ping: {{}}
  mod_pubsub: {{ plugins: [flat, pep] }}
  mod_roster: {{}}
  mod_blocking: {{}}
  mod_privacy: {{}}
  mod_stream_mgmt: {{}}
{archive}
"""


def add_users(relay, users):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: relay.user(f"u{i}"), range(1, users + 1)))


class Lazod:
    label = "lazod"

    def __init__(self, users, archive, _storage):
        self.relay = Relay(quota={"pending": 0, "pending_bytes": 0, "archive": 0})
        add_users(self.relay, users)
        self.relay.restart()
        self.port, self.pid, self.host = self.relay.tls_port, self.relay.process.pid, self.relay.host

    def stop(self):
        self.relay.stop(None)


class LazodPair:
    """Two that know each other's address and trust one authority."""

    def __init__(self, users, _archive, _storage):
        authority = Authority(scratch() / f"ca{free_port()}")
        ports, self.ends = [free_port(), free_port()], []
        for mine in (0, 1):
            peer = {"address": f'"127.0.0.1:{ports[1 - mine]}"', "tls": '"direct"'}
            relay = Relay(PAIR[mine], authority, server_tls=[f"127.0.0.1:{ports[mine]}"], trust=[str(authority.crt)],
                          limits={"rate_server": 0},
                          quota={"pending": 0, "pending_bytes": 0, "archive": 0, "strangers": 0, "strangers_bytes": 0},
                          **{f'peer "{PAIR[1 - mine]}"': peer})
            add_users(relay, users)
            self.ends.append(End(relay.restart()))

    def stop(self):
        for end in self.ends:
            end.relay.stop(None)


class End:
    def __init__(self, relay):
        self.relay, self.port, self.pid, self.host = relay, relay.tls_port, relay.process.pid, relay.host


class ProsodyPair:
    """Two that find each other by DNS, each with an /etc/resolv.conf of its own; which needs root."""

    def __init__(self, users, archive, storage):
        where = next(name_servers)
        names, authority = Names(at=(where, 53)), Authority(scratch() / f"ca{free_port()}")
        ports, self.ends = [free_port(), free_port()], []
        for host, port in zip(PAIR, ports):
            names.relay(host, port)
        for host, port in zip(PAIR, ports):
            self.ends.append(Prosody(users, archive, storage, host, authority, BETWEEN.format(port=port), where))

    def stop(self):
        for end in self.ends:
            end.stop()


class Foreign:
    """What starting a peer has in common."""

    def __init__(self, users, archive, storage, host=HOST, authority=None, between="", name_server=None):
        self.folder = tempfile.mkdtemp(prefix="s-", dir=scratch())
        self.host, self.port, self.between, self.name_server = host, free_port(), between, name_server
        self.trust = f', cafile = "{authority.crt}", capath = "/nowhere"' if between else ""
        self.crt, self.key = (authority or Authority(self.folder + "/ca")).issue(host)
        self.process = self.start(users, archive, storage)
        self.pid = self.process.pid
        eventually(self.listening, 60, f"{self.label}'s port")
        self.accounts(users)

    def listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.label} ended: {self.log()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def log(self):
        text = ""
        for path in glob.glob(self.folder + "/*log*"):
            with open(path, encoding="utf-8", errors="replace") as f:
                text += f.read()[-1500:]
        return text

    def stop(self):
        stop_process(self.process, 15)
        shutil.rmtree(self.folder, ignore_errors=True)


class Prosody(Foreign):
    label = "Prosody"

    def start(self, users, archive, storage):
        folder = f"{self.folder}/data/{self.host.replace('.', '%2e')}/accounts"
        os.makedirs(folder)
        for i in range(1, users + 1):       # its own format, without prosodyctl's start for each
            salt = f"salt-of-{i}"
            salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt.encode(), 10000)
            stored = hashlib.sha1(hmac.digest(salted, b"Client Key", "sha1")).hexdigest()
            server = hmac.digest(salted, b"Server Key", "sha1").hex()
            with open(f"{folder}/u{i}.dat", "w", encoding="ascii") as f:
                f.write(f'return {{ ["salt"] = "{salt}"; ["iteration_count"] = 10000; ["stored_key"] = "{stored}"; '
                        f'["server_key"] = "{server}"; }};\n')
        path = self.folder + "/prosody.cfg.lua"
        with open(path, "w", encoding="ascii") as f:
            f.write(PROSODY.format(folder=self.folder, port=self.port, crt=self.crt, key=self.key, host=self.host,
                                   modules=(', "mam"' if archive else "") + (', "s2s"' if self.between else ""),
                                   disabled='"s2s_auth_dialback", ' if self.between else '"s2s", ', between=self.between,
                                   trust=self.trust, storage="sql" if storage == "sql" else "internal"))
        return background([*self.names(), "prosody", "--config", path, "-F"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                          env=os.environ | {"HOME": self.folder})

    def names(self):
        """What it is started by so that it asks our name server."""
        if not self.between:
            return []
        with open(self.folder + "/resolv.conf", "w", encoding="ascii") as f:
            f.write(f"nameserver {self.name_server}\n")
        real = os.path.realpath("/etc/resolv.conf")
        return ["unshare", "--mount", "sh", "-c", f"mount --bind {self.folder}/resolv.conf '{real}' && exec \"$@\"", "sh"]

    def accounts(self, users):
        pass


class Ejabberd(Foreign):
    label = "ejabberd"

    def start(self, users, archive, storage):
        pem = self.folder + "/both.pem"
        with open(pem, "w", encoding="ascii") as f:
            for part in (self.key, self.crt):
                f.write(part.read_text())
        os.chmod(pem, 0o600)
        self.api = free_port()
        sql = storage == "sql"
        database = ('default_db: sql\nsql_type: sqlite\nauth_method: mnesia\n'
                    f'sql_database: "{self.folder}/ejabberd.sqlite"\n') if sql else ""
        path = self.folder + "/ejabberd.yml"
        with open(path, "w", encoding="ascii") as f:
            f.write(EJABBERD.format(host=HOST, pem=pem, port=self.port, api=self.api, database=database,
                                    archive="  mod_mam: { default: always }" if archive else ""))
        os.mkdir(self.folder + "/mnesia")
        env = os.environ | {"HOME": self.folder, "EJABBERD_CONFIG_PATH": path, "EJABBERD_LOG_PATH": self.folder + "/log",
                            "ERL_LIBS": "/usr/lib/x86_64-linux-gnu", "ERL_MAX_PORTS": "32000",
                            "ERL_CRASH_DUMP": self.folder + "/crash"}
        return background(["erl", "-noinput", "+K", "true", "+P", "250000", "-mnesia", "dir",
                           f'"{self.folder}/mnesia"', "-s", "ejabberd"], cwd=self.folder, env=env,
                          stdout=open(self.folder + "/log.out", "wb"), stderr=subprocess.STDOUT)

    def accounts(self, users):
        def api():
            try:
                return self.register("u1")
            except OSError:
                return False
        eventually(api, 30, "ejabberd's register")
        for i in range(2, users + 1):
            self.register(f"u{i}")

    def register(self, user):
        body = json.dumps({"user": user, "host": HOST, "password": PASSWORD}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.api}/api/register", body,
                                                           {"Content-Type": "application/json"}), timeout=30) as answer:
            return answer.status == 200


# name -> (class, archive, storage, what it is)
VARIANTS = {
    "lazod": (Lazod, True, "", "archive on, every message synced before it is acknowledged"),
    "prosody-sqlite": (Prosody, True, "sql", "archive on, SQLite"),
    "prosody-files": (Prosody, True, "internal", "archive on, files"),
    "prosody-bare": (Prosody, False, "internal", "no archive, files"),
    "ejabberd-mnesia": (Ejabberd, True, "", "archive on, Mnesia"),
    "ejabberd-sqlite": (Ejabberd, True, "sql", "archive on, SQLite"),
    "ejabberd-bare": (Ejabberd, False, "", "no archive, Mnesia"),
}


# What plays the scene between two servers.
PAIRS = {Lazod: LazodPair, Prosody: ProsodyPair}


def missing(name):
    """What is not installed for it, or None."""
    kind = VARIANTS[name][0]
    if kind is Prosody and not shutil.which("prosody"):
        return "prosody"
    if name == "prosody-sqlite" and not (glob.glob("/usr/lib/*/lua/5.4/dbd/sqlite3.so")
                                         or glob.glob("/usr/lib/*/lua/5.4/dbd*")):
        return "lua-dbi-sqlite3"
    if kind is Ejabberd and not (os.path.exists("/usr/sbin/ejabberdctl") and shutil.which("erl")):
        return "ejabberd"
    if name == "ejabberd-sqlite" and not glob.glob("/usr/lib/erlang/lib/p1_sqlite3-*"):
        return "erlang-p1-sqlite3"
    return None


def start_pair(name, users):
    """Two of them, with users each, as .ends; None: this one does not play that scene."""
    kind, archive, storage, _ = VARIANTS[name]
    return PAIRS[kind](users, archive, storage) if kind in PAIRS else None


def start(name, users):
    kind, archive, storage, _ = VARIANTS[name]
    return kind(users, archive, storage)
