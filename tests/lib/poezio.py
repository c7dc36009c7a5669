"""poezio.py -- Debian's poezio in a terminal of its own (tmux), driven by keys, read from its screen and its logs."""
import atexit
import contextlib
import os
import pathlib
import re
import shlex
import signal
import tempfile

from lazo_test import PASSWORD, eventually, scratch, tool

CONFIG = """[Poezio]
jid = {jid}/poezio
password = {password}
custom_host = 127.0.0.1
custom_port = {port}
ca_cert_path = {ca}
log_dir = {home}/logs
enable_smacks = true
auto_reconnect = false
plugins_autoload = {plugins}
request_message_receipts = true
ack_message_receipts = true
send_chat_states = false
beep_on =
enable_avatars = true
"""
NOBODY = 65534


class Poezio:
    """An instance that logs in at once. It refuses root: run by root it gets the user nobody and a home that is nobody's."""

    def __init__(self, relay, jid, password=PASSWORD, authority=None, plugins=""):
        self.jid, self.name = jid, jid.partition("@")[0]
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="p-", dir=scratch()))
        self.socket = scratch() / f"tm-{self.name}"
        (self.home / "ca.pem").write_bytes((authority or relay.authority).crt.read_bytes())
        (self.home / "poezio.cfg").write_text(CONFIG.format(
            jid=jid, password=password, port=relay.port, ca=self.home / "ca.pem", home=self.home, plugins=plugins))
        self.run_as = ""
        if os.geteuid() == 0:
            self.run_as = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
            for folder in self.home.parents[:-1]:
                if folder.stat().st_mode & 0o1 == 0:
                    folder.chmod(folder.stat().st_mode & 0o7777 | 0o11)
            tool("chown", "-R", f"{NOBODY}:{NOBODY}", self.home)
        self.start()

    def start(self):
        env = {"HOME": self.home, "XDG_CONFIG_HOME": self.home / "config", "XDG_DATA_HOME": self.home / "data",
               "XDG_CACHE_HOME": self.home / "cache", "TERM": "screen-256color", "LC_ALL": "C.UTF-8", "TMUX": "", "PYTHONPATH": ""}
        setting = " ".join(f"{k}={shlex.quote(str(v))}" for k, v in env.items())
        command = (f"cd {self.home} && exec env {setting} {self.run_as} poezio -f {self.home}/poezio.cfg "
                   f"-d {self.home}/debug.log 2>{self.home}/stderr")
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "50", command,
                   env={k: v for k, v in os.environ.items() if k != "TMUX"})
        self._tmux("set-option", "-g", "remain-on-exit", "on", status=None)
        atexit.register(self.kill)

    def _tmux(self, *args, status=0, env=None):
        return tool("tmux", "-S", self.socket, *args, status=status, env=env)

    def screen(self):
        return self._tmux("capture-pane", "-p", "-J", status=None)

    def type(self, line):
        """A command, from its slash on. Keys that come in one go are a paste to poezio: the slash goes first."""
        eventually(lambda: "Enter commands" in self.screen(), 20, f"{self.name} waits for a command")
        self._tmux("send-keys", "-l", line[0])
        eventually(lambda: self.screen().rstrip().endswith("│" + line[0]), 20, f"{self.name} has begun {line!r}")
        self._tmux("send-keys", "-l", line[1:])
        eventually(lambda: line in self.screen(), 20, f"{self.name} has typed {line!r}")
        self._tmux("send-keys", "Enter")

    def wait(self, pattern, seconds=30):
        try:
            return eventually(lambda: re.search(pattern, self.screen(), re.M), seconds, f"{self.name} shows {pattern!r}")
        except AssertionError as why:
            raise AssertionError(f"{why}; it shows\n{self.screen().strip()}\n{self.text('stderr')}") from None

    def text(self, name):
        path = self.home / name
        return path.read_text(errors="replace") if path.exists() else ""

    def logged_in(self):
        self.wait("Your JID is " + re.escape(self.jid), 60)

    def said(self):
        """The text of its logs of conversations."""
        return "".join(p.read_text(errors="replace") for p in (self.home / "logs").rglob("*@*") if p.is_file())

    def kill(self):
        """Hung up on, it would go on by itself, and use all of a processor."""
        pane = self._tmux("list-panes", "-F", "#{pane_pid}", status=None).split()
        self._tmux("kill-server", status=None)
        for pid in pane:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
