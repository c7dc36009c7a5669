#!/usr/bin/python3
"""As a service: what the service manager is told, sockets it passes on, the unit's sandbox, no core, no descriptors left."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from lazo_test import *
from xmpp_raw import *

# Opens a socket for each NAME of the arguments, ends with what the protocol of sd_listen_fds(3) says, becomes the rest of the arguments.
PASS_ON = """
import os, socket, sys
names, argv = sys.argv[1].split(","), sys.argv[2:]
made = []
for name in names:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if name == "datagram" else socket.SOCK_STREAM)
    s.bind(("127.0.0.1", 0))
    if name not in ("datagram", "mute"):
        s.listen(16)
    made.append(s.detach())
for i, fd in enumerate(made):
    os.dup2(fd, 40 + i)
for i in range(len(made)):
    os.dup2(40 + i, 3 + i)
os.environ |= {"LISTEN_FDS": str(len(names)), "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": ":".join(names)}
os.execv(argv[0], argv)
"""


class Manager:
    """What a service manager hears of its service."""

    def __init__(self, abstract=False):
        self.path = f"@lz-{os.getpid()}-{time.monotonic_ns()}" if abstract else str(scratch() / f"n{time.monotonic_ns()}")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path.replace("@", "\0"))

    def hear(self, seconds=10):
        self.sock.settimeout(seconds)
        return self.sock.recv(4096).decode()

    def hear_all(self, seconds):
        heard, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                heard.append(self.hear(max(end - time.monotonic(), 0.01)))
            except TimeoutError:
                break
        return heard


def setup():
    global relay, jid
    relay = Relay()
    jid = relay.user()


def test_the_manager_is_told():
    for abstract in (False, True):
        manager = Manager(abstract)
        service = Relay(authority=relay.authority, env={"NOTIFY_SOCKET": manager.path})
        equal(manager.hear(), "READY=1")
        service.reload()
        lines = manager.hear().splitlines()
        equal(lines[0], "RELOADING=1")
        check(re.fullmatch(r"MONOTONIC_USEC=\d+", lines[1]), lines[1])
        check(abs(int(lines[1].partition("=")[2]) / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 10, "the monotonic clock")
        equal(manager.hear(), "READY=1")
        service.file.write_text("nonsense")
        service.reload()            # what was wrong does not leave the manager waiting
        check(manager.hear().startswith("RELOADING=1"))
        equal(manager.hear(), "READY=1")
        service.stop()
        equal(manager.hear(), "STOPPING=1")


def test_watchdog():
    manager = Manager()
    service = Relay(authority=relay.authority, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"})
    equal(manager.hear(), "READY=1")
    heard = manager.hear_all(3)
    check(set(heard) == {"WATCHDOG=1"} and len(heard) >= 4, f"{heard}")
    service.process.send_signal(signal.SIGSTOP)        # negative control: who hangs says nothing
    manager.hear_all(0.1)
    equal(manager.hear_all(1.5), [])
    service.process.send_signal(signal.SIGCONT)
    equal(manager.hear(), "WATCHDOG=1")
    service.stop()
    other = Manager()               # meant for another process
    service = Relay(authority=relay.authority,
                    env={"NOTIFY_SOCKET": other.path, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    equal(other.hear(), "READY=1")
    equal(other.hear_all(1), [])
    service.stop()


def passed_on(names, start=True, **conf):
    program = scratch() / "pass_on.py"
    program.write_text(PASS_ON)
    return Relay(authority=relay.authority, wrap=[sys.executable, program, names], start=start, **conf)


def test_sockets_are_taken_over():
    service = passed_on("client_tls,client,client_tls")
    line = re.search(r"^lazod: .* client=(\S+) client_tls=(\S+) ready$", service.log_text(), re.M)
    check(line, service.log_text())
    equal((line.group(1).count(",") + 1, line.group(2).count(",") + 1), (1, 2), "sockets instead of addresses")
    name = service.user()
    service.ports = {"client": int(line.group(1).rpartition(":")[2]),
                     "client_tls": int(line.group(2).partition(",")[0].rpartition(":")[2])}
    login(service, name).close()                        # STARTTLS
    for address in line.group(2).split(","):
        stream = Stream(service, direct=True, port=int(address.rpartition(":")[2]))
        stream.open()
        stream.drop()
    service.stop()
    # One word taken over, the other opened as configured.
    service = passed_on("client")
    check(service.port and service.tls_port)
    service.stop()


def test_sockets_that_are_not_ours_are_refused():
    for names, said in (("elephant", "elephant"), ("client,", "FileDescriptorName"), ("datagram", "listens"), ("mute", "listens")):
        service = passed_on(names, start=False)
        service.write_conf()
        done = subprocess.run([*map(str, service.wrap), BUILD / "relay/lazod", "-c", service.file], capture_output=True, text=True,
                              timeout=20, check=False)
        check(done.returncode == 71 and said in done.stderr, f"{names}: {done.returncode} {done.stderr}")
    # What is meant for another process is not touched.
    program = scratch() / "other.py"
    program.write_text(PASS_ON.replace("str(os.getpid())", "'1'"))
    Relay(authority=relay.authority, wrap=[sys.executable, program, "elephant"]).stop()


def exposure(unit):
    out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)], capture_output=True, text=True,
                         timeout=60, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", out.stdout)
    check(found, out.stdout + out.stderr)
    return float(found.group(1))


def test_the_unit_is_shut_in():
    if not shutil.which("systemd-analyze"):
        skip("needs systemd-analyze")
    root = scratch() / "root"
    tool("make", "-s", "install-systemd", f"DESTDIR={root}", "systemdunitdir=/lib/systemd/system", "sysusersdir=/lib/sysusers.d",
         "tmpfilesdir=/lib/tmpfiles.d", cwd=BUILD)
    units = root / "lib/systemd/system"
    unit = units / "lazod.service"
    text = unit.read_text()
    check("@" not in re.search(r"^ExecStart=(.*)$", text, re.M).group(1), "the path is filled in")
    score = exposure(unit)
    print(f"  exposure {score}")
    check(score <= 1.5, f"exposure {score}")
    bare = scratch() / "lazod.service"
    bare.write_text("\n".join(line for line in text.splitlines() if not re.match("Private|Protect|SystemCall|Capab|Restrict|User", line)))
    check(exposure(bare) > 5, "negative control: a unit without its sandbox")
    check((root / "lib/sysusers.d/lazo.conf").exists() and (root / "lib/tmpfiles.d/lazo.conf").exists())
    # What the manager would complain of: unknown words, and values that make no sense.
    program = root / re.search(r"^ExecStart=(\S+)", text, re.M).group(1).lstrip("/")
    unit.write_text(text.replace(f"ExecStart=/{program.relative_to(root)}", f"ExecStart={BUILD}/relay/lazod"))
    out = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, sorted(units.iterdir()))], capture_output=True,
                         text=True, timeout=60, check=False)
    complaints = [line for line in out.stderr.splitlines() if "lazod" in line]
    equal(complaints, [])


def expanded(names):
    """The system calls of a value of SystemCallFilter=."""
    calls = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        out = tool("systemd-analyze", "syscall-filter", "--no-pager", name)
        calls |= expanded([line.strip() for line in out.splitlines()[1:] if line.strip() and not line.strip().startswith("#")])
    return calls


def test_the_unit_allows_what_the_relay_does():
    """Every system call of a relay's life, from start to stop, is in the unit's filter (but for SQLite's fchown as root, which may fail)."""
    if not shutil.which("systemd-analyze") or not shutil.which("strace") or SANITIZED:
        skip("needs systemd-analyze and strace, and no sanitizers")
    allowed = set()
    for line in (SRC / "relay/systemd/lazod.service.in").read_text().splitlines():
        if line.startswith("SystemCallFilter=~"):
            allowed -= expanded(line.partition("~")[2].split())
        elif line.startswith("SystemCallFilter="):
            allowed |= expanded(line.partition("=")[2].split())
    check("read" in allowed and "mount" not in allowed and "reboot" not in allowed, "the filter is read")
    trace = scratch() / "calls"
    service = Relay(authority=relay.authority, wrap=["strace", "-D", "-f", "-o", trace], metrics='"127.0.0.1:0"')
    a, away = login(service, service.user(), timeout=60), service.user()
    a.send(f"<message to='{away}' type='chat' id='m'><body>x</body></message>")
    a.barrier(60)
    login(service, away, timeout=60).close()
    with socket.create_connection(("127.0.0.1", service.ports["metrics"])) as sock:
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        while sock.recv(65536):
            pass
    service.ctl("status")
    service.reload()
    a.barrier(60)
    a.close()
    service.stop()
    eventually(lambda: "+++ exited with 0 +++" in trace.read_text(errors="replace"), 10, "the trace is whole")
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.M))
    check(len(made) > 40 and "seccomp" in made | {"seccomp" if "HAVE_SECCOMP 1" not in (BUILD / "config.h").read_text() else ""}, f"{made}")
    equal(made - allowed - {"fchown"}, set(), "calls that the unit refuses")


def test_no_memory_in_a_core_file():
    process = f"/proc/{relay.process.pid}"
    with open(f"{process}/limits", encoding="ascii") as f:
        check(re.search(r"^Max core file size +0 +0 ", f.read(), re.M), "the limit")
    with open(f"{process}/coredump_filter", encoding="ascii") as f:
        equal(int(f.read(), 16), 0, "what a pipe would get")


def test_all_threads_are_shut_in():
    if SANITIZED:
        skip("the sanitizers need calls of their own")
    if "HAVE_SECCOMP 1" not in (BUILD / "config.h").read_text():
        skip("built without libseccomp")

    def modes(one):
        tasks = f"/proc/{one.process.pid}/task"
        return [re.search(r"^Seccomp:\s+(\d)", open(f"{tasks}/{t}/status", encoding="ascii").read(), re.M).group(1)
                for t in os.listdir(tasks)]
    login(relay, jid).close()
    check(len(modes(relay)) >= 3 and set(modes(relay)) == {"2"}, f"{modes(relay)}")
    check("sandbox" not in relay.log_text(), "nothing to complain of")
    bare = Relay(authority=relay.authority, sandbox=False)
    equal(set(modes(bare)), {"0"}, "negative control")
    bare.stop()


def test_words_that_need_a_restart_are_named():
    before = len(relay.log_text())
    good = relay.file.read_text()
    relay.file.write_text(good + f'control = "{relay.folder}/elsewhere";\nplain = true;\n')
    relay.reload()
    eventually(lambda: "control" in relay.log_text()[before:], 5, "the log names the word")
    check(not (relay.folder / "elsewhere").exists())
    stream = Stream(relay, direct=True)
    stream.open()
    check("PLAIN" in stream.mechanisms(), "the other words take effect")
    stream.drop()
    relay.file.write_text(good)
    relay.reload()
    equal(relay.ctl_json("status")[0]["running"], True)


def test_out_of_descriptors():
    """With 64 of them it takes what it can, waits for one without spinning, and goes on."""
    small = Relay(authority=relay.authority, wrap=["prlimit", "--nofile=64:64"])
    name = small.user()
    honest = login(small, name)
    crowd = [socket.create_connection(("127.0.0.1", small.port), 10) for _ in range(120)]
    eventually(lambda: "cannot accept" in small.log_text(), 10, "the log says so")
    before, start = small.cpu_seconds(), time.monotonic()
    time.sleep(3)
    used = (small.cpu_seconds() - before) / (time.monotonic() - start)
    check(used < 0.3, f"{used:.0%} of a processor while nothing can be accepted")
    check(small.log_text().count("cannot accept") < 20, "no flood in the log")
    honest.barrier()                # who is there is served, and what it says is kept
    honest.send(f"<message to='{name}' type='chat' id='kept'><body>x</body></message>")
    honest.message(body="x")
    for sock in crowd:
        sock.close()
    login(small, name, timeout=30).close()
    honest.close()
    small.stop()


main()
