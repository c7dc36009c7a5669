#!/usr/bin/python3
"""run.py -- what scripts/test does once the packages are there: build, run every part, sum up.

A part is a folder of programs. Each program prints as its last line "N passed, N failed, N skipped"; one that does not,
or that exceeds its time, counts as failed. Each runs in a process group and a temporary folder of its own and with its
own mark in the environment; when it ends, however it ends, everything that bears the mark is killed and the folder removed.

What a program finds in its environment:
  LAZO_SRC, LAZO_BUILD    the source tree and the build tree (relay/lazod, relay/lazoctl, client/lazo below it)
  LAZO_LONG               1 with --long
  LAZO_SANITIZED          1 when the programs are built with sanitizers
  TMPDIR                  its own folder
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SUM = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
MARK = "LAZO_TEST_MARK"
BUILD_SECONDS = 1800

# (part, glob of its programs, seconds a program may take, seconds with --long). Slow ones are started first.
PARTS = [
    ("simulation", "tests/simulation/*", 420, 36000),
    ("crash", "tests/crash/*", 420, 36000),
    ("interop", "tests/interop/*", 300, 3600),
    ("integration", "tests/integration/test_*", 300, 36000),
]


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []
        self.lock = threading.Lock()

    def add(self, name, passed, failed, skipped, seconds, note=""):
        with self.lock:
            self.passed += passed
            self.failed += failed
            self.skipped += skipped
            line = f"{name}: {passed} passed, {failed} failed, {skipped} skipped ({seconds:.0f} s)"
            if note:
                line += f": {note}"
            if failed or skipped:
                self.notes.append(line)
            print(line, flush=True)


def sweep(mark):
    """Kill every process that bears the mark: also those that left the process group."""
    word = f"{MARK}={mark}".encode()
    for _ in range(5):
        found = False
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as f:
                    if word in f.read().split(b"\0"):
                        os.kill(int(entry), signal.SIGKILL)
                        found = True
            except OSError:
                continue
        if not found:
            return
        time.sleep(0.05)


def unmount_below(folder):
    """A test that was killed may leave its small file systems behind."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as f:
        points = [line.split()[1].encode().decode("unicode_escape") for line in f]
    for point in reversed(points):
        if point.startswith(folder + "/"):
            subprocess.run(["umount", "-l", point], check=False)


running = {}        # mark -> its temporary folder


def run(argv, log, seconds, env, cwd, mode="wb"):
    """Run one program to its end or its time's; -> (exit status or None when out of time, seconds)."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    start = time.monotonic()
    # Short: a socket's path has at most 107 bytes.
    tmp = tempfile.mkdtemp(prefix="lazo-", dir="/tmp")
    os.chmod(tmp, 0o711)        # a program that is run as somebody else finds the way to its own folder
    try:
        running[mark] = tmp
        with open(log, mode) as out:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd,
                                     env=env | {"TMPDIR": tmp, MARK: mark}, start_new_session=True)
            try:
                status = child.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            sweep(mark)
            child.wait()
    finally:
        unmount_below(tmp)
        shutil.rmtree(tmp, ignore_errors=True)
        running.pop(mark, None)
    return status, time.monotonic() - start


def last_sum(log):
    with open(log, encoding="utf-8", errors="replace") as f:
        lines = f.read().strip().splitlines()
    for line in reversed(lines[-60:]):      # a sanitizer or a library may speak after the program
        m = SUM.match(line.strip())
        if m:
            return tuple(int(n) for n in m.groups())
    return None


def show_tail(log, lines=25):
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f.read().splitlines()[-lines:]:
            print("    " + line)


def run_program(name, argv, seconds, ctx):
    log = ctx.logs / (name.replace("/", ".") + ".log")
    status, took = run(argv, log, seconds, ctx.env, ctx.src)
    found = last_sum(log)
    if status is None:
        ctx.tally.add(name, 0, 1, 0, took, f"not done after {seconds} s, see {log}")
    elif found is None:
        ctx.tally.add(name, 0, 1, 0, took, f"exit {status} without a sum line, see {log}")
    else:
        passed, failed, skipped = found
        if status not in (0, 77) and not failed:
            failed = 1
        ctx.tally.add(name, passed, failed, skipped, took, f"see {log}" if failed else "")
        if not failed:
            return
    with ctx.tally.lock:
        show_tail(log)
        sys.stdout.flush()


def build(ctx):
    """autogen, configure (once), make; also the programs of make check."""
    start = time.monotonic()
    steps = []
    if newer(ctx.src / "configure", [ctx.src / "configure.ac", ctx.src / "Makefile.am", *ctx.src.glob("*/Makefile.inc"),
                                     *ctx.src.glob("m4/flags.m4")]):
        steps.append((["./autogen.sh"], ctx.src))
    if newer(ctx.build / "Makefile", [ctx.src / "configure"]) or steps:
        steps.append(([str(ctx.src / "configure"), *ctx.configure], ctx.build))
    steps.append((["make", "-s", f"-j{ctx.cpus}"], ctx.build))
    log = ctx.logs / "build.log"
    log.unlink(missing_ok=True)
    for argv, cwd in steps:
        if run(argv, log, BUILD_SECONDS, ctx.env, cwd, "ab")[0] != 0:
            ctx.tally.add("build", 0, 1, 0, time.monotonic() - start, f"{argv[0]} failed, see {log}")
            show_tail(log)
            return False
    ctx.tally.add("build", 1, 0, 0, time.monotonic() - start)
    return True


def newer(target, sources):
    if not target.exists():
        return True
    made = target.stat().st_mtime
    return any(s.stat().st_mtime > made for s in sources)


def make_check(ctx):
    """make check; the counts are those of cmocka or of the sum line in each program's log."""
    log = ctx.logs / "check.log"
    for old in ctx.build.rglob("*.trs"):
        old.unlink()
    status, took = run(["make", "-k", f"-j{ctx.cpus}", "check"], log, 900, ctx.env, ctx.build)
    passed = failed = skipped = 0
    for trs in sorted(ctx.build.rglob("*.trs")):
        result = re.search(r"^:global-test-result: (\w+)", trs.read_text(), re.M)
        outcome = result.group(1) if result else "ERROR"
        text = trs.with_suffix(".log").read_text(errors="replace")
        counts = [sum(int(n) for n in re.findall(rf"\[  {word}  \] (\d+) test", text))
                  for word in ("PASSED", "FAILED", "SKIPPED")]
        found = last_sum(trs.with_suffix(".log"))
        if found:
            counts = [a + b for a, b in zip(counts, found)]
        if not any(counts):
            counts = [int(outcome == "PASS"), 0, int(outcome == "SKIP")]
        if outcome not in ("PASS", "SKIP") and not counts[1]:
            counts[1] = 1
        if counts[1]:
            with ctx.tally.lock:
                print(f"{trs.with_suffix('.log')}:")
                show_tail(trs.with_suffix(".log"))
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    if status != 0 and not failed:
        failed = 1
        show_tail(log)
    ctx.tally.add("make check", passed, failed, skipped, took, f"see {log}" if failed else "")


def fuzz(ctx, seconds):
    """Each fuzz target once over its saved corpus; with --fuzz it goes on for so many seconds."""
    corpora = sorted(p for p in (ctx.src / "tests/fuzz/corpus").glob("*/") if p.is_dir() and any(p.iterdir()))
    if not corpora:
        ctx.tally.add("fuzz", 0, 0, 1, 0, "no corpus in tests/fuzz/corpus")
        return
    folder = ctx.src / "build/fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    sub = Context(ctx.src, folder, ctx.logs, ["CC=clang", "--enable-fuzzing", "--disable-nls"], ctx.tally, ctx.cpus)
    log = ctx.logs / "fuzz-build.log"
    targets = [f"tests/fuzz/fuzz_{corpus.name}" for corpus in corpora]
    log.unlink(missing_ok=True)
    for argv in ([str(ctx.src / "configure"), *sub.configure], ["make", "-s", f"-j{ctx.cpus}", *targets]):
        if argv[0] != "make" and not newer(folder / "Makefile", [ctx.src / "configure"]):
            continue
        if run(argv, log, BUILD_SECONDS, ctx.env, folder, "ab")[0] != 0:
            ctx.tally.add("fuzz", 0, 1, 0, 0, f"{argv[0]} failed, see {log}")
            show_tail(log)
            return
    for corpus, target in zip(corpora, targets):
        argv = [str(folder / target), "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={ctx.logs}/"]
        words = ctx.src / f"tests/fuzz/{corpus.name}.dict"
        if words.exists():
            argv.append(f"-dict={words}")
        if seconds:
            found = ctx.build / "corpus" / corpus.name
            found.mkdir(parents=True, exist_ok=True)
            argv += [f"-max_total_time={seconds}", str(found), str(corpus)]
        else:
            argv += ["-runs=0", str(corpus)]
        log = ctx.logs / f"fuzz.{corpus.name}.log"
        status, took = run(argv, log, 300 + 2 * seconds, ctx.env, ctx.src)
        ctx.tally.add(f"fuzz/{corpus.name}", int(status == 0), int(status != 0), 0, took,
                      f"see {log}" if status else f"{len(list(corpus.iterdir()))} saved inputs")


class Context:
    def __init__(self, src, folder, logs, configure, tally, cpus):
        self.src, self.build, self.logs, self.configure, self.tally, self.cpus = src, folder, logs, configure, tally, cpus
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("LAZO_", "MAKE", "XDG_"))}
        self.env |= {
            "LAZO_SRC": str(src), "LAZO_BUILD": str(folder), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(src / "tests/lib"), "PYTHONWARNINGS": "ignore",
            "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99", "LSAN_OPTIONS": "exitcode=99",
        }


def programs(ctx, only, is_long):
    found = []
    for part, pattern, quick, slow in PARTS:
        for path in sorted(ctx.src.glob(pattern)):
            name = f"{part}/{path.name}"
            if "LAZO_SANITIZED" in ctx.env and path.name == "test_valgrind.py":
                continue        # the two do not go together, and the sanitizers see what it would see
            if path.is_file() and os.access(path, os.X_OK) and path.suffix in ("", ".py") and wanted(name, only):
                found.append((name, [str(path)], slow if is_long else quick))
    if is_long and wanted("lint", only):
        found.append(("lint", [str(ctx.src / "scripts/lint")], 7200))
    return found


def wanted(name, only):
    return not only or any(word in name for word in only)


def interrupted(*_):
    for mark, tmp in list(running.items()):
        sweep(mark)
        unmount_below(tmp)
        shutil.rmtree(tmp, ignore_errors=True)
    print("interrupted", flush=True)
    os._exit(1)


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", add_help=False)
    parser.add_argument("top")
    parser.add_argument("--allow-skip", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--fuzz", type=int, default=0)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=0)
    try:
        args = parser.parse_args()
    except SystemExit:
        return 64
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    start = time.monotonic()
    src = pathlib.Path(args.top)
    folder = src / "build" / ("sanitize" if args.sanitize else "test")
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    cpus = len(os.sched_getaffinity(0))
    configure = ["--enable-test-clock"] + (["--enable-sanitizers", "CFLAGS=-g -O1"] if args.sanitize else [])
    tally = Tally()
    ctx = Context(src, folder, logs, configure, tally, cpus)
    if args.long:
        ctx.env["LAZO_LONG"] = "1"
    if args.sanitize:
        ctx.env["LAZO_SANITIZED"] = "1"
    if args.sanitize or os.getloadavg()[0] > 2 * cpus:
        print("this machine is slow or busy: times are printed, not judged", flush=True)
        ctx.env["LAZO_SLOW_MACHINE"] = "1"

    if build(ctx):
        if wanted("make check", args.only):
            make_check(ctx)
        if wanted("fuzz", args.only):
            fuzz(ctx, args.fuzz)
        with concurrent.futures.ThreadPoolExecutor(args.jobs or cpus + 1) as pool:
            for job in [pool.submit(run_program, *program, ctx) for program in programs(ctx, args.only, args.long)]:
                job.result()

    if tally.notes:
        print("not passed:")
        for note in tally.notes:
            print("  " + note)
    print(f"{time.monotonic() - start:.0f} s")
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.failed or (tally.skipped and not args.allow_skip) or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
