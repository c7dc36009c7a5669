"""lazo_test.py -- what the whole-system tests share: a relay of one's own, certificates, users, a test's frame.

A test program is

    from lazo_test import *
    def setup(): ...               # optional, once
    def test_something(): ...      # each passes unless it raises; skip("why") skips
    main()

which runs the functions in the order they stand and prints "N passed, N failed, N skipped" as its last line. With names
as arguments it runs only those. Relays started here are killed when the program ends, whatever ends it.

LAZO_BUILD says where relay/lazod is (default: the source tree). LAZO_TEST_SERVER=prosody runs the same test against
Debian's Prosody where that makes sense: a test that asks for the standard's behaviour can so be tried on another server.
"""
import atexit
import contextlib
import functools
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

SRC = pathlib.Path(os.environ.get("LAZO_SRC", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("LAZO_BUILD", SRC))
LONG = bool(os.environ.get("LAZO_LONG"))
SANITIZED = bool(os.environ.get("LAZO_SANITIZED"))
PROSODY = os.environ.get("LAZO_TEST_SERVER", "").startswith("prosody")
ARCHIVE = os.environ.get("LAZO_TEST_SERVER") != "prosody"   # prosody-mam has one, as our relay
HOST = "familia.example"
PASSWORD = "correct horse"

__all__ = ["SRC", "BUILD", "LONG", "SANITIZED", "PROSODY", "ARCHIVE", "HOST", "PASSWORD", "Authority", "Relay", "Skip", "nameserver",
           "main", "ours", "skip", "check", "equal", "eventually", "free_port", "scratch", "tool", "background", "stop_process"]


def ours(function):
    """Marks a test of what our relay alone has: with another server in its place there is nothing to test."""
    function.ours = True
    return function


class Skip(Exception):
    pass


def skip(why):
    raise Skip(why)


def check(truth, what="expectation"):
    if not truth:
        raise AssertionError(what)


def equal(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what + ': ' if what else ''}got {got!r}, wanted {wanted!r}")


def eventually(truth, seconds=10, what="condition"):
    """Wait until truth() is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = truth()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def free_port():
    """Not of those that the kernel gives to connections: a relay that is down for a moment finds it free again."""
    while True:
        port = random.SystemRandom().randrange(15000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


_scratch = None


def scratch():
    """This program's temporary folder, removed at its end."""
    global _scratch
    if _scratch is None:
        _scratch = pathlib.Path(tempfile.mkdtemp(prefix="lz-"))
        # Last in, first out: registered before any relay, so it runs after all of them are dead.
        atexit.register(shutil.rmtree, _scratch, True)
    return _scratch


def tool(*argv, status=0, stdin="", env=None, timeout=60, cwd=None):
    """Run a program to its end; its standard output. status None: any."""
    done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True, timeout=timeout,
                          env=env, cwd=cwd, check=False)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit {done.returncode}, wanted {status}\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout


_children = []


def background(argv, **kwargs):
    """Start a process that dies with this program."""
    scratch()
    child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, **kwargs)
    if not _children:
        atexit.register(_kill_children)
    _children.append(child)
    return child


def stop_process(child, seconds=10):
    """Ask it to end, then make it; its exit status."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def _kill_children():
    for child in _children:
        if child.poll() is None:
            child.kill()
            child.wait()


class Authority:
    """A certificate authority of the test's own, and the certificates it signs."""
    names = "DNS:{0},DNS:*.{0},otherName:1.3.6.1.5.5.7.8.5;UTF8:{1}"

    def __init__(self, folder, name="Test authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.crt = self.folder / "ca.key", self.folder / "ca.crt"
        self.serial = itertools.count(1)
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                      "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                      "-keyout", self.key, "-out", self.crt)

    @staticmethod
    def _openssl(*args):
        tool("openssl", *args)

    def issue(self, host=HOST, days=365, name=None):
        """A server certificate; -> (certificate file, key file). The key is readable by its owner alone."""
        number = next(self.serial)
        base = self.folder / (name or f"{host}-{number}")
        key, crt, csr, ext = (base.with_name(base.name + s) for s in (".key", ".crt", ".csr", ".ext"))
        dns = host.encode("idna").decode()
        ext.write_text("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
                       f"subjectAltName={self.names.format(dns, host)}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={dns}",
                      "-keyout", key, "-out", csr)
        self._openssl("x509", "-req", "-in", csr, "-CA", self.crt, "-CAkey", self.key, "-days", days,
                      "-set_serial", 1000 + number, "-extfile", ext, "-out", crt)
        key.chmod(0o600)
        return crt, key


@functools.cache
def nameserver():
    """The name server of this test's relays: no domain has records unless the test gives it some."""
    import names as module
    return module.Names()


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(f'"{v}"' for v in value) + "]"
    return str(value)


class Relay:
    """One lazod with its own data, certificate and ports; `conf` adds lines to its configuration or replaces them."""

    # No limits unless a test asks for them: many tests share one address.
    LIMITS = {"rate_client": 0, "rate_server": 0, "logins": 0, "connections_ip": 0}

    def __init__(self, host=HOST, authority=None, start=True, wrap=(), env=None, limits=None, server=(), server_tls=(), **conf):
        self.host = host
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="r-", dir=scratch()))
        self.authority = authority or Authority(self.folder / "ca")
        self.crt, self.key = self.authority.issue(host)
        self.wrap, self.env = list(wrap), env or {}
        self.limits = dict(self.LIMITS, **(limits or {}))
        self.client = "127.0.0.1:0"                                     # for those who keep the address: a port of one's own
        self.server, self.server_tls = list(server), list(server_tls)   # addresses for other relays
        self.conf = {"registration": '"closed"', "resolver": [nameserver().address]} | conf
        self.users = itertools.count(1)
        self.process = None
        self.data = self.folder / "data"
        self.file = self.folder / "lazod.conf"
        self.log = self.folder / "lazod.log"
        self.ports = {}
        if start:
            self.start()

    def write_conf(self):
        lines = [f'host = "{self.host}";', f'data = "{self.data}";', f'certificate = "{self.crt}";',
                 f'key = "{self.key}";',
                 f'listen {{ client = {_value([self.client])}; client_tls = ["127.0.0.1:0"]; '
                 f'server = {_value(self.server)}; server_tls = {_value(self.server_tls)}; }}',
                 "limits { " + " ".join(f"{k} = {_value(v)};" for k, v in self.limits.items()) + " }"]
        for name, value in self.conf.items():
            if isinstance(value, dict):
                lines.append(f"{name} {{ " + " ".join(f"{k} = {_value(v)};" for k, v in value.items()) + " }")
            else:
                lines.append(f"{name} = {_value(value)};")
        self.file.write_text("\n".join(lines) + "\n")

    def start(self, seconds=20):
        if PROSODY:
            import prosody_server
            return prosody_server.start(self)
        self.write_conf()
        program = BUILD / "relay" / "lazod"
        check(program.exists(), f"{program} is not built")
        out = open(self.log, "ab")
        offset = out.tell()
        self.process = background([*self.wrap, program, "-c", self.file], stdout=out, stderr=subprocess.STDOUT,
                                  env=os.environ | self.env)
        out.close()

        def ready():
            text = self.log_text(offset)
            m = re.search(r"^(lazod: .*) ready$", text, re.M)
            if not m and self.process.poll() is not None:
                raise AssertionError(f"lazod ended with {self.process.returncode}:\n{text}")
            return m
        line = eventually(ready, seconds * (5 if self.wrap else 1), "lazod's ready line").group(1)
        self.ports = {name: int(port) for name, port in re.findall(r"(\w+)=\S+?:(\d+)(?=\s|$)", line)}
        return self

    @property
    def port(self):
        return self.ports["client"]

    @property
    def tls_port(self):
        return self.ports["client_tls"]

    def log_text(self, offset=0):
        with contextlib.suppress(FileNotFoundError), open(self.log, "rb") as f:
            f.seek(offset)
            return f.read().decode("utf-8", "replace")
        return ""

    def stop(self, wanted=0):
        status = stop_process(self.process, 30)
        if wanted is not None and not PROSODY:
            equal(status, wanted, f"lazod's exit status; its log ends in\n{self.log_text()[-2000:]}\n")
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def restart(self):
        self.stop()
        return self.start()

    def alive(self):
        return self.process.poll() is None

    def ctl(self, *args, stdin="", status=0):
        return tool(BUILD / "relay" / "lazoctl", "-c", self.file, *args, stdin=stdin, status=status)

    def ctl_json(self, *args, **kwargs):
        return [json.loads(line) for line in self.ctl(*args, "--json", **kwargs).splitlines()]

    def user(self, name=None, password=PASSWORD):
        """A new account; its bare JID."""
        jid = f"{name or 'u%d' % next(self.users)}@{self.host}"
        if PROSODY:
            import prosody_server
            prosody_server.add_user(self, jid, password)
        else:
            self.ctl("user", "add", jid, stdin=password + "\n")
        return jid

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"^VmRSS:\s+(\d+) kB", f.read(), re.M).group(1))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def _run_one(name, function):
    start = time.monotonic()
    try:
        function()
    except Skip as why:
        print(f"SKIPPED {name}: {why}", flush=True)
        return "skipped"
    except Exception:                               # every failure is reported, then the next test runs
        print(f"FAIL {name} ({time.monotonic() - start:.1f} s)")
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        return "failed"
    print(f"ok {name} ({time.monotonic() - start:.1f} s)", flush=True)
    return "passed"


def main():
    """Run the calling program's setup and tests; never returns."""
    scope = sys.modules["__main__"].__dict__
    tests = [(n, f) for n, f in scope.items() if n.startswith("test_") and callable(f)]
    if PROSODY:
        tests = [(n, f) for n, f in tests if not hasattr(f, "ours")]
    if len(sys.argv) > 1:
        tests = [(n, f) for n, f in tests if any(word in n for word in sys.argv[1:])]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    setup_fell = "setup" in scope and _run_one("setup", scope["setup"])
    if setup_fell == "failed":
        count["failed"] += 1
    elif setup_fell == "skipped":
        count["skipped"] += len(tests)
    else:
        for name, function in tests:
            count[_run_one(name, function)] += 1
    for relay in [f for f in scope.values() if isinstance(f, Relay)]:
        if count["failed"] and relay.log_text():
            print(f"--- the end of {relay.host}'s log\n{relay.log_text()[-3000:]}")
        if relay.process and not PROSODY:
            count[_run_one("lazod still runs and ends cleanly", relay.stop)] += 1
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped", flush=True)
    sys.exit(1 if count["failed"] else 77 if count["skipped"] and not count["passed"] else 0)
