"""peers.py -- what the tests of the client share: a private CA, a real Prosody on loopback, lazo run as people run it.

Everything lives below one folder (TMPDIR) and ends with it. Each helper raises Absent when what it needs is not installed:
the test counts as SKIPPED then.
"""
import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SRC = pathlib.Path(os.environ.get("LAZO_SRC", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("LAZO_BUILD", SRC))
LAZO = BUILD / "client" / "lazo"


class Absent(Exception):
    """A peer that is not on this machine."""


def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="lazo-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class CA:
    """A certification authority of our own, and certificates by it."""

    def __init__(self, where):
        self.dir = pathlib.Path(where)
        self.file = self.dir / "ca.crt"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.crt", cwd=self.dir)

    def issue(self, name, days=3650, start=None, end=None):
        """-> (certificate, key) for that host. start and end: YYYYMMDDHHMMSSZ."""
        base = name if start is None else name + "-" + start
        (self.dir / (base + ".ext")).write_text(f"subjectAltName=DNS:{name}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                "-keyout", base + ".key", "-out", base + ".csr", cwd=self.dir)
        if start is None:
            openssl("x509", "-req", "-in", base + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                    "-days", str(days), "-extfile", base + ".ext", "-out", base + ".crt", cwd=self.dir)
        else:
            db = self.dir / (base + ".db")
            db.mkdir(exist_ok=True)
            (db / "index.txt").write_text("")
            (db / "serial").write_text("%016x\n" % time.time_ns())
            (db / "cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={db}/index.txt\nserial={db}/serial\n"
                                    f"new_certs_dir={db}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
            openssl("ca", "-batch", "-config", str(db / "cnf"), "-in", base + ".csr", "-cert", "ca.crt", "-keyfile",
                    "ca.key", "-startdate", start, "-enddate", end, "-extfile", base + ".ext", "-out", base + ".crt",
                    cwd=self.dir)
        return self.dir / (base + ".crt"), self.dir / (base + ".key")


PROSODY = """
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
run_as_root = true
admins = {{ }}
modules_enabled = {{ "disco"; "roster"; "saslauth"; "tls"; "pep"; "smacks"; "ping"; "offline"; "blocklist"; "carbons";
    {modules} }}
modules_disabled = {{ "s2s"; "posix"; {off} }}
allow_registration = {register}
c2s_require_encryption = true
s2s_secure_auth = false
authentication = "{auth}"
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {direct} }}
s2s_ports = {{ }}
interfaces = {{ "127.0.0.1" }}
password_hash = "SHA-256"
c2s_direct_tls_ssl = {{ certificate = "{crt}", key = "{key}" }}
http_ports = {{ }} https_ports = {{ }}
archive_expires_after = "never"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{dir}/prosody.log" }} }}
VirtualHost "{host}"
    ssl = {{ certificate = "{crt}", key = "{key}" }}
"""


class Prosody:
    """A Prosody of our own on loopback, for one host. Its own key says nothing of its version (that needs an argument that
    starts daemons)."""

    def __init__(self, where, ca, host="casa.test", modules="", off="", auth="internal_hashed", register=False):
        program = shutil.which("prosody")
        if program is None or shutil.which("prosodyctl") is None:
            raise Absent("prosody")
        self.dir = pathlib.Path(where)
        self.host, self.port, self.direct = host, free_port(), free_port()
        crt, key = ca.issue(host)
        (self.dir / "data").mkdir(exist_ok=True)
        self.config = self.dir / "prosody.cfg.lua"
        self.config.write_text(PROSODY.format(dir=self.dir, port=self.port, direct=self.direct, host=host, crt=crt, key=key,
                                              modules=modules, off=off, auth=auth, register=str(register).lower()))
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["prosody", "--config", str(self.config), "-F"], stdin=subprocess.DEVNULL,
                                        stdout=open(self.dir / "prosody.out", "ab"), stderr=subprocess.STDOUT)
        atexit.register(self.stop)
        wait_port(self.port, self.process, self.dir / "prosody.out")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def user(self, node, password):
        subprocess.run(["prosodyctl", "--config", str(self.config), "register", node, self.host, password], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def server(self, direct=False):
        return f"xmpps://127.0.0.1:{self.direct}" if direct else f"xmpp://127.0.0.1:{self.port}"


def wait_port(port, process, log, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError("died: " + pathlib.Path(log).read_text()[-2000:])
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("not listening: " + pathlib.Path(log).read_text()[-2000:])


class Home:
    """One person's lazo: a home folder, one account, and how to call it."""

    def __init__(self, where, jid=None, password=None, server=None, ca=None):
        self.dir = pathlib.Path(where)
        self.jid, self.server, self.ca = jid, server, ca
        if password is not None:
            self.password = self.dir.with_suffix(".password")
            self.password.write_text(password + "\n")

    def run(self, *args, text=None, lang="en", timeout=120, env=None):
        full = dict(os.environ, LC_ALL="C.UTF-8", LAZO_LANG=lang, **(env or {}))
        return subprocess.run([str(LAZO), "--home", str(self.dir), *map(str, args)], input=text, timeout=timeout, env=full,
                              stdin=subprocess.DEVNULL if text is None else None, capture_output=True, text=True,
                              start_new_session=True)

    def login(self, *more, **how):
        args = ["login", self.jid, "--password-file", self.password, *more]
        if self.server and "--server" not in more:
            args += ["--server", self.server]
        if self.ca and "--pin" not in more and "--ca" not in more:
            args += ["--ca", self.ca]
        return self.run(*args, **how)

    def json(self, *args, **how):
        """-> (exit status, list of objects)."""
        done = self.run(*args, "--json", **how)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


class Tests:
    """Count, say, and end as the suite expects."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, fine, *about):
        if fine:
            self.passed += 1
            print("ok    " + name, flush=True)
        else:
            self.failed += 1
            print("FAIL  " + name, *[str(a)[-1500:] for a in about], sep="\n      ", flush=True)
        return fine

    def skip(self, name, why):
        self.skipped += 1
        print(f"SKIP  {name}: {why}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed else 0)
