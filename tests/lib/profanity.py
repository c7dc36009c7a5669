"""profanity.py -- Debian's profanity in a terminal of its own (tmux), driven by keys and read from its screen."""
import os
import pathlib
import re
import shlex
import time

from lazo_test import PASSWORD, eventually, scratch, tool

PREFERENCES = """[connection]
tls.certpath={certs}
reconnect=0
[logging]
chlog=true
[notifications]
message=false
[ui]
splash=false
wrap=true
beep=false
[chatstates]
enabled=false
outtype=false
[omemo]
policy=manual
log=on
trustmode={trust}
"""

ACCOUNT = """[{name}]
enabled=true
jid={jid}
server=127.0.0.1
port={port}
tls.policy={policy}
password={password}
resource=profanity
"""


class Profanity:
    """An instance that logs in at once. `direct` uses TLS from the first byte (XEP-0368) and not STARTTLS."""

    def __init__(self, relay, jid, password=PASSWORD, direct=False, omemo_trust="blind", authority=None):
        self.name = jid.partition("@")[0]
        self.jid = jid
        self.home = scratch() / f"profanity-{self.name}"
        self.socket = scratch() / f"tm-{self.name}"
        certs = self.home / "certs"
        certs.mkdir(parents=True, exist_ok=True)
        (certs / "ca.pem").write_bytes((authority or relay.authority).crt.read_bytes())
        tool("openssl", "rehash", certs)
        config, data = self.home / "config/profanity", self.home / "data/profanity"
        config.mkdir(parents=True, exist_ok=True)
        data.mkdir(parents=True, exist_ok=True)
        (config / "profrc").write_text(PREFERENCES.format(certs=certs, trust=omemo_trust))
        (data / "accounts").write_text(ACCOUNT.format(
            name=self.name, jid=jid, port=relay.tls_port if direct else relay.port, password=password,
            policy="legacy" if direct else "force"))
        self.start()

    def start(self):
        env = {"HOME": self.home, "XDG_CONFIG_HOME": self.home / "config", "XDG_DATA_HOME": self.home / "data",
               "TERM": "screen-256color", "LC_ALL": "C.UTF-8", "TMUX": "", "LD_LIBRARY_PATH": ""}
        setting = " ".join(f"{k}={shlex.quote(str(v))}" for k, v in env.items())
        command = f"exec env {setting} profanity -a {self.name} -l DEBUG 2>{shlex.quote(str(self.home / 'stderr'))}"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "50", command,
                   env={k: v for k, v in os.environ.items() if k != "TMUX"})
        self._tmux("set-option", "-g", "remain-on-exit", "on", status=None)

    def _tmux(self, *args, status=0, env=None):
        return tool("tmux", "-S", self.socket, *args, status=status, env=env)

    def screen(self):
        """What the terminal shows, lines joined where profanity wrapped them."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-500", status=None)

    def type(self, line):
        self._tmux("send-keys", "-l", line)
        time.sleep(0.1)
        self._tmux("send-keys", "Enter")

    def wait(self, pattern, seconds=20):
        """Wait until the screen shows the pattern; the match."""
        def seen():
            return re.search(pattern, self.screen(), re.M)
        try:
            return eventually(seen, seconds, f"{self.name} shows {pattern!r}")
        except AssertionError as why:
            raise AssertionError(f"{why}; it shows\n{self.screen().strip()}") from None

    def logged_in(self):
        return self.wait(rf"{re.escape(self.jid)}.*logged in successfully|{re.escape(self.name)} logged in successfully")

    def chat_log(self, other):
        """The text of the log of the conversation with `other`."""
        return "".join(p.read_text() for p in sorted((self.home / "data/profanity/chatlogs").rglob("*.log"))
                       if other.replace("@", "_at_") in str(p))

    def debug_log(self):
        return "".join(p.read_text(errors="replace") for p in pathlib.Path(self.home / "data/profanity/logs").glob("*.log"))

    def quit(self):
        self.type("/quit")
        time.sleep(0.5)
        self.kill()

    def kill(self):
        self._tmux("kill-server", status=None)
