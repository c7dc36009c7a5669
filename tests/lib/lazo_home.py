"""lazo_home.py -- one person's lazo in a test: a home folder, an account, and how people and scripts call it.

The client runs without a terminal, stdin closed or fed, in its own session; LAZO_LANG is en unless a test says otherwise.
"""
import json
import os
import pathlib
import subprocess
import tempfile

from lazo_test import BUILD, PASSWORD, equal, scratch

LAZO = BUILD / "client" / "lazo"

__all__ = ["Home", "LAZO"]


class Home:
    def __init__(self, relay=None, jid=None, password=PASSWORD, server=None, ca=None):
        """With a relay: of its user `jid`, connecting to it by STARTTLS, trusting its authority."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="h-", dir=scratch())) / "home"
        self.jid = jid
        self.server = server or (relay and f"127.0.0.1:{relay.port}")
        self.ca = ca or (relay and relay.authority.crt)
        self.password_file = self.dir.with_name("password")
        self.password_file.write_text(password + "\n")

    def run(self, *args, text=None, status=None, lang="en", timeout=120, env=None, binary=False):
        """-> CompletedProcess; `status` is checked when given (a number or a tuple)."""
        full = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "LAZO_HOME", "NO_COLOR"))}
        full |= {"LC_ALL": "C.UTF-8", "LAZO_LANG": lang} | (env or {})
        feed = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
        words = [a if isinstance(a, bytes) else str(a) for a in args]
        done = subprocess.run([str(LAZO), "--home", str(self.dir), *words], timeout=timeout, env=full,
                              capture_output=True, text=not binary, start_new_session=True, **feed)
        if status is not None:
            wanted = status if isinstance(status, tuple) else (status,)
            if done.returncode not in wanted:
                raise AssertionError(f"lazo {' '.join(map(str, args))}: exit {done.returncode}, wanted {status}\n"
                                     f"stdout: {done.stdout[-2000:]}\nstderr: {done.stderr[-2000:]}")
        return done

    def json(self, *args, **how):
        """-> the objects it printed; exit 0 is checked unless `status` says otherwise."""
        done = self.run(*args, "--json", **({"status": 0} | how))
        return [json.loads(line) for line in done.stdout.split("\n") if line]       # splitlines() knows more ends than \n

    def login(self, *more, status=0, **how):
        args = ["login", self.jid, "--password-file", self.password_file, *more]
        if self.server and "--server" not in more:
            args += ["--server", self.server]
        if self.ca and "--ca" not in more and "--pin" not in more:
            args += ["--ca", self.ca]
        return self.run(*args, status=status, **how)

    def send(self, to, text, *more, status=0, **how):
        return self.run("send", to, "-", *more, text=text, status=status, **how)

    def bodies(self, *args):
        """The texts that `read` shows now."""
        return [m.get("body", "unreadable:" + m.get("unreadable", "")) for m in self.json("read", *args)]

    def equal_bodies(self, wanted, *args):
        equal(self.bodies(*args), wanted, "what read shows")
