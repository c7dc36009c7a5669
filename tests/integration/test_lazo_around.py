#!/usr/bin/python3
"""lazo and what is around it: terminal, colour, folders, closed descriptors, exit codes, completion in bash."""
import fcntl
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from lazo_test import *
from lazo_home import *
from xmpp_raw import login
import omemo_raw

(EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_NOUSER, EX_UNAVAILABLE, EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_PROTOCOL, EX_NOPERM,
 EX_CONFIG) = 64, 65, 66, 67, 69, 73, 74, 75, 76, 77, 78
ESCAPE = "\x1b["


def setup():
    global relay, ana, beto
    relay = Relay()
    ana, beto = (Home(relay, relay.user(name)) for name in ("ana", "beto"))
    for home in (ana, beto):
        home.login()


def surroundings(**more):
    """An environment with nothing in it but what is named; None: not even that."""
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LAZO_LANG": "en", "TERM": "xterm", "HOME": str(scratch())}
    env |= {k: os.environ[k] for k in os.environ if k.startswith(("ASAN_", "UBSAN_", "LSAN_", "LD_"))} | more
    return {k: str(v) for k, v in env.items() if v is not None}


def in_terminal(*args, typed=(), stdin=None, **more):
    """lazo with a terminal of its own; types each of `typed` when something was asked. -> (exit code, what it showed)."""
    pid, fd = pty.fork()
    if pid == 0:
        if stdin:
            os.dup2(os.open(stdin, os.O_RDONLY), 0)
        os.execve(LAZO, [str(LAZO), *map(str, args)], surroundings(**more))
    shown, typed, end = b"", list(typed), time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data
        if typed and shown.endswith(b": "):
            os.write(fd, typed.pop(0).encode() + b"\n")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return status, shown.decode()


def alone(*args, close=(), **more):
    """lazo without a terminal, in a session of its own, these descriptors closed."""
    def before():
        for fd in close:
            os.close(fd)
    start = time.monotonic()
    done = subprocess.run([str(LAZO), *map(str, args)], env=surroundings(**more), start_new_session=True, preexec_fn=before,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done, time.monotonic() - start


# -- colour ----------------------------------------------------------------------------------------------------


def test_colour_only_where_it_is_wanted():
    status = "--home", ana.dir, "status"
    code, shown = in_terminal(*status)
    equal((code, ESCAPE + "1m" in shown), (0, True), "a terminal gets colour (control)")
    for why, more in (("NO_COLOR", {"NO_COLOR": "1"}), ("TERM=dumb", {"TERM": "dumb"}), ("no TERM", {"TERM": None})):
        code, plain = in_terminal(*status, **more)
        equal((code, ESCAPE in plain), (0, False), why)
        equal(re.sub(r"\x1b\[[0-9]*m", "", shown), plain, f"{why}: the same words")
    check(ESCAPE in in_terminal(*status, NO_COLOR="")[1], "an empty NO_COLOR does not count (no-color.org)")
    check(ESCAPE not in in_terminal(*status, "--json")[1], "--json")
    check(ESCAPE not in ana.run("status", status=0).stdout, "a pipe")


# -- folders ---------------------------------------------------------------------------------------------------


def made(**more):
    """Where a new database is, below a folder of the test's own, with this environment; relative to it."""
    folder = scratch() / f"xdg-{next(numbers)}"
    (folder / "home").mkdir(parents=True)
    args = more.pop("args", [])
    env = {k: v and str(v).replace("@", str(folder)) for k, v in ({"HOME": "@/home"} | more).items()}
    done, _ = alone(*(a.replace("@", str(folder)) for a in args), "account", **env)
    equal(done.returncode, 0, done.stderr)
    for path in folder.rglob("*"):
        if path.is_dir() and path != folder / "home":
            equal(oct(path.stat().st_mode & 0o777), "0o700", str(path))
        elif path.is_file():
            equal(oct(path.stat().st_mode & 0o777), "0o600", str(path))
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("lazo.db"))


numbers = iter(range(100))


def test_where_a_home_is():
    equal(made(), ["home/.local/share/lazo/lazo.db"])
    equal(made(XDG_DATA_HOME="@/data", XDG_CONFIG_HOME="@/config", XDG_RUNTIME_DIR="@/run"), ["data/lazo/lazo.db"])
    equal(made(XDG_DATA_HOME="relative"), ["home/.local/share/lazo/lazo.db"], "relative paths do not count")
    equal(made(XDG_DATA_HOME=""), ["home/.local/share/lazo/lazo.db"], "nor empty ones")
    equal(made(LAZO_HOME="@/mine", XDG_DATA_HOME="@/data"), ["mine/lazo.db"], "LAZO_HOME goes before XDG")
    equal(made(LAZO_HOME=""), ["home/.local/share/lazo/lazo.db"])
    equal(made(LAZO_HOME="@/mine", args=["--home", "@/told"]), ["told/lazo.db"], "--home goes before LAZO_HOME")
    equal(made(LAZO_HOME="@/mine", args=["--home=@/told"]), ["told/lazo.db"])
    equal(made(HOME=None, LAZO_HOME="@/mine"), ["mine/lazo.db"], "and needs no HOME")


def test_a_home_that_cannot_be_used():
    done, _ = alone("account", HOME=None)
    equal(done.returncode, EX_CONFIG, done.stderr)
    check("--home" in done.stderr, done.stderr)
    file = scratch() / "a-file"
    file.write_text("")
    shared = scratch() / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    for home, words in ((file, "not a folder"), (shared, "others may write")):
        done, _ = alone("--home", home, "account")
        equal(done.returncode, EX_CONFIG, done.stderr)
        check(words in done.stderr, done.stderr)
    readable = scratch() / "readable"
    readable.mkdir(0o755)
    equal(alone("--home", readable, "account")[0].returncode, 0)
    equal(oct(readable.stat().st_mode & 0o777), "0o700", "closed to others")


# -- no terminal -----------------------------------------------------------------------------------------------


def test_without_a_terminal_nothing_is_asked():
    new = Home(relay, relay.user("nueva"))
    login_args = ["--home", new.dir, "login", new.jid, "--server", new.server, "--ca", new.ca]
    plays = ((login_args, EX_NOPERM, "--password-file"),
             (login_args + ["--new"], EX_NOPERM, "--password-file"),
             (["--home", ana.dir, "send", beto.jid], EX_USAGE, "nothing to send"),
             (["--home", ana.dir, "send", beto.jid, "-"], EX_USAGE, "nothing to send"),
             (["--home", ana.dir, "account", "remove", ana.jid], EX_USAGE, "--yes"),
             (["--home", ana.dir, "contact", "add", "-"], EX_DATAERR, "no contact card"),
             (["--home", new.dir, "login", new.jid, "--password-file", "-"], EX_NOINPUT, "first line"))
    for args, code, words in plays:
        for close in ((), (0,), (0, 1), (0, 1, 2)):
            done, took = alone(*args, close=close)
            equal(done.returncode, code, f"{args[2:]} without {close}: {done.stdout}{done.stderr}")
            check(2 in close or words in done.stderr, f"{args[2:]}: {done.stderr}")
            check(took < 20, f"{args[2:]} took {took:.1f} s")
    check((ana.dir / "lazo.db").read_bytes()[:15] == b"SQLite format 3", "no output landed in the database")
    equal(len(ana.json("account")), 1, "nothing was removed")


def test_with_a_terminal_it_asks_there():
    """The control: the same login asks, on the terminal and nowhere else, and shows nothing of what is typed."""
    new = Home(relay, relay.user("otra"))
    args = ["--home", new.dir, "login", new.jid, "--server", new.server, "--ca", new.ca]
    code, shown = in_terminal(*args, typed=[PASSWORD], stdin="/dev/null")
    equal(code, 0, shown)
    check("Password: " in shown and PASSWORD not in shown, shown)


# -- exit codes ------------------------------------------------------------------------------------------------


def test_exit_codes():
    """Each of those that lazo(1) lists, by at least one way to it."""
    seen = {}

    def ends(code, *args, home=ana, **how):
        done = home.run(*args, **how)
        equal(done.returncode, code, f"lazo {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
        seen.setdefault(code, args)
        check(code == 0 or done.stderr or code in (EX_TEMPFAIL, EX_DATAERR), f"{args}: exit {code} without a word")
    ends(0, "send", beto.jid, "-", text="llegó")
    ends(EX_TEMPFAIL, "send", beto.jid, "-", "--offline", text="aquí segura")
    ends(EX_TEMPFAIL, "send", f"nadie@{HOST}", "-", text="sin llaves")
    ends(EX_USAGE, "send")
    ends(EX_USAGE, "send", beto.jid, "-", text=" \n")
    ends(EX_DATAERR, "contact", "add", "-", text="no card")
    eva = login(relay, relay.user("eva"))
    omemo_raw.send(eva, beto.jid, f"<encrypted xmlns='{omemo_raw.NS}'><header sid='x'/><payload>!</payload></encrypted>")
    ends(EX_DATAERR, "sync", home=beto)
    eva.close()
    unreadable = scratch() / "unreadable"
    unreadable.mkdir()
    ends(EX_NOINPUT, "contact", "add", unreadable)
    ends(EX_NOINPUT, "login", ana.jid, "--password-file", scratch() / "none")
    ends(EX_NOUSER, "send", "nadie", "-", text="x")
    ends(EX_NOUSER, "outbox", "show", "99999")
    ends(EX_NOUSER, "status", "99999")
    ends(EX_NOUSER, "device", "remove", "5")
    ends(EX_CANTCREAT, "contact", "card", "--file", scratch() / "not" / "there")
    ends(EX_CANTCREAT, "contact", "card", "--svg", scratch() / "not" / "there")
    ends(EX_PROTOCOL, "login", ana.jid, "--password-file", ana.password_file, "--server", ana.server, home=Home(jid=ana.jid))
    wrong = Home(relay, relay.user("mala"), password="otra")
    ends(EX_NOPERM, "login", wrong.jid, "--password-file", wrong.password_file, "--server", wrong.server, "--ca", wrong.ca,
         home=wrong)
    ends(EX_CONFIG, "read", home=Home())
    ends(EX_CONFIG, "login", ana.jid, "--password-file", ana.password_file, "--ca", scratch() / "none")
    ends(EX_TEMPFAIL, "login", ana.jid, "--password-file", ana.password_file, "--server", "127.0.0.1:1", home=Home())
    if not PROSODY:
        ends(EX_UNAVAILABLE, "login", f"x@{HOST}", "--new", "--password-file", ana.password_file, "--server", ana.server, "--ca",
             ana.ca, home=Home())
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LAZO, "--home", ana.dir, "status"], stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    equal((done.returncode, b"written" in done.stderr), (EX_IOERR, True), "a full disk under the output")
    seen[EX_IOERR] = "status"
    manual = (SRC / "doc" / "lazo.1").read_text()
    listed = {int(n) for n in re.findall(r"^\.It (\d+)$", manual[manual.index(".Sh EXIT STATUS"):], re.M)}
    equal(sorted(listed - set(seen)), [], "listed in the manual, no way to it here")
    equal(sorted(set(seen) - listed), [], "not listed in the manual")


# -- completion ------------------------------------------------------------------------------------------------


def complete(line, home=None, folder=None):
    """What bash would offer for the line's last word (after a space: an empty one)."""
    words = line.split(" ")
    script = ('set -u; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _lazo 2>/dev/null; '
              '[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\\n" "${COMPREPLY[@]}"')
    env = surroundings(PATH=f"{LAZO.parent}:{os.environ['PATH']}", LAZO_HOME=home or ana.dir)
    return tool("bash", "--norc", "-c", script, "bash", SRC / "doc" / "lazo.bash", *words, env=env, cwd=folder or scratch()).split("\n")[:-1]


def test_completion():
    folder = scratch() / "completion"
    folder.mkdir()
    (folder / "luz.card").write_text("")
    ana.run("contact", "add", beto.jid, "Beto", status=0)
    verbs = [o["command"] for o in ana.json("help")]
    equal(sorted(complete("lazo ")), sorted(verbs))
    equal(complete("lazo se"), ["send"])
    equal(complete("lazo --json se"), ["send"])
    equal(complete("lazo xyz"), [])
    offered = complete("lazo send ")
    check({beto.jid, "-", "--offline", "--plain", "--json"} <= set(offered), offered)
    equal(complete("lazo send be"), [beto.jid])
    equal(complete(f"lazo --home {ana.dir} history be", home=folder), [beto.jid], "the home that is named")
    equal(complete(f"lazo --home={ana.dir} history be", home=folder), [beto.jid])
    check({"list", "show", "cancel", "retry"} <= set(complete("lazo outbox ")), "sub-commands")
    equal(complete("lazo --lang p"), ["pt_BR"])
    equal(complete("lazo contact add lu", folder=folder), ["luz.card"], "files")
    equal(complete("lazo login --ca lu", folder=folder), ["luz.card"])
    for verb in verbs:
        offered = set(complete(f"lazo {verb} --"))
        wanted = {"--" + o for v in ana.json("help", verb) for o in v["options"]} | {"--help", "--json"}
        check(wanted <= offered, f"{verb}: {wanted - offered} not offered")


def test_completion_makes_no_home():
    """A word that is half written, or that the shell has not expanded, names no folder to be made."""
    folder = scratch() / "unmade"
    folder.mkdir()
    for home in ("~/nowhere", "$HOME/nowhere", str(folder / "half")):
        complete(f"lazo --home {home} send ", folder=folder)
    equal(list(folder.iterdir()), [])


def test_completion_runs_nothing_of_a_stranger():
    """Anyone can ask to be a contact, from an address that a shell would run."""
    folder = scratch() / "stranger"
    folder.mkdir()
    for name in ("$({touch,cmd})", "`{touch,back}`", "{a,b}", "~root", "*", "a;b|c"):
        attacker = login(relay, relay.user(name)) if not PROSODY else skip("prosodyctl takes no such name")
        attacker.send(f"<presence type='subscribe' to='{beto.jid}'/>")
        attacker.barrier()
        attacker.close()
    beto.run("sync", status=(0, EX_DATAERR))
    askers = [c["jid"] for c in beto.json("contact") if c.get("asks")]
    equal(len(askers), 6, f"all of them ask: {askers}")
    (folder / "file").write_text("")
    offered = complete("lazo contact ", home=beto.dir, folder=folder) + complete("lazo send ", home=beto.dir, folder=folder)
    equal([p.name for p in folder.iterdir()], ["file"], "a stranger's command ran")
    check(len(offered) > 10, offered)
    for name in ("$({touch,cmd})", "`{touch,back}`"):    # control: this is what the careless way runs
        subprocess.run(["bash", "--norc", "-c", 'compgen -W "$1" -- ""', "bash", name], cwd=folder, capture_output=True)
    equal(sorted(p.name for p in folder.iterdir()), ["back", "cmd", "file"], "the control's commands did not run")
    # What is offered stands for the address itself when the line is run.
    for asker in askers:
        quoted = tool("bash", "--norc", "-c", 'printf %q "$1"', "bash", asker)
        check(quoted in offered, f"{asker}: {quoted} not in {offered}")


if __name__ == "__main__":
    main()
