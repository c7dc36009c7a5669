"""gajim.py -- Debian's Gajim with its OMEMO plugin on a screen that nobody sees, driven and read through D-Bus."""
import json
import re
import shutil
import sqlite3

from lazo_test import PASSWORD, eventually, stop_process

REMOTE = ("org.gajim.dbus.RemoteInterface", "org.gajim.Gajim", "/org/gajim/dbus/RemoteObject")

# The start of Gajim 1.7's own table (its CREATE_SQL): what it does not find here it takes from its defaults.
SETTINGS = """
CREATE TABLE settings (name TEXT UNIQUE, settings TEXT);
CREATE TABLE account_settings (account TEXT UNIQUE, settings TEXT);
PRAGMA user_version = 5;
"""


class Gajim:
    """An instance on `desktop` that logs in at once; `encrypted_to` are the contacts it writes to with OMEMO."""

    def __init__(self, desktop, relay, jid, encrypted_to=(), direct=False, password=PASSWORD, **account):
        self.desktop, self.jid, self.account = desktop, jid, jid.partition("@")[0]
        self.home = desktop.home / "gajim"
        for folder in ("config", "data/gajim/cert_store", "data/gajim/plugins"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(relay.crt, self.home / "data/gajim/cert_store/relay")      # it trusts certificates, not authorities
        name, _, host = jid.partition("@")
        self._settings({
            "name": name, "hostname": host, "password": password, "savepass": True, "active": True, "resource": "gajim",
            "account_label": "", "use_custom_host": True, "custom_host": "127.0.0.1",
            "custom_port": relay.tls_port if direct else relay.port, "custom_type": "TLS" if direct else "START TLS",
        } | account, encrypted_to)
        desktop.give(self.home)
        self.start()

    def _settings(self, account, encrypted_to):
        (self.home / "config/gajim").mkdir()
        base = sqlite3.connect(self.home / "config/gajim/settings.sqlite")
        base.executescript(SETTINGS)
        app = {"use_keyring": False, "remote_control": True, "mainwin_width": 1100,
               "mainwin_height": 750, "is_window_visible": True, "confirm_close": False, "trayicon": "never", "muc_html": False}
        for name, value in {"app": app, "soundevents": {}, "status_presets": {}, "proxies": {}, "workspaces": {"c6a3c7de-0000-4000-8000-000000000001": {}},
                            "plugins": {"omemo": {"active": True}}}.items():
            base.execute("INSERT INTO settings VALUES (?, ?)", (name, json.dumps(value)))
        contacts = {jid: {"encryption": "OMEMO"} for jid in encrypted_to}
        base.execute("INSERT INTO account_settings VALUES (?, ?)",
                     (self.account, json.dumps({"account": account, "contact": contacts, "group_chat": {}})))
        base.commit()
        base.close()

    def start(self):
        places = {f"XDG_{what.upper()}_HOME": str(self.home / what) for what in ("config", "data", "cache")}
        self.process = self.desktop.start("gajim", "-v", "-l", "gajim=DEBUG,nbxmpp=DEBUG", log="gajim.log", env=places)

    def quit(self):
        return stop_process(self.process, 10)

    def log(self):
        return (self.desktop.home / "gajim.log").read_text(errors="replace")

    def wait(self, pattern, seconds=60):
        return eventually(lambda: re.search(pattern, self.log(), re.M), seconds, f"Gajim's log has {pattern!r}")

    def call(self, method, *args, status=0):
        interface, name, path = REMOTE
        return self.desktop.tool("gdbus", "call", "--session", "--dest", name, "--object-path", path, "--method",
                                 f"{interface}.{method}", *args, status=status, timeout=60)

    def act(self, action, parameter, window=False):
        """Do what a menu entry of its window (or of the app) does."""
        path = "/org/gajim/Gajim" + ("/window/1" if window else "")
        return self.desktop.tool("gdbus", "call", "--session", "--dest", "org.gajim.Gajim", "--object-path", path,
                                 "--method", "org.gtk.Actions.Activate", action, parameter, "{}")

    def logged_in(self):
        try:
            eventually(lambda: self.call("get_status", self.account, status=None).strip() == "('online',)", 60, "Gajim is online")
        except AssertionError as e:
            raise AssertionError(f"{e}; its log ends in\n{self.log()[-2000:]}") from None

    def send(self, to, text):
        self.call("send_chat_message", to, text, self.account)

    def messages(self):
        """[(text, as its history keeps it: kind, what it says of the encryption)], oldest first."""
        path = self.home / "data/gajim/logs.db"
        if not path.exists():
            return []
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
        try:
            rows = base.execute("SELECT message, kind, additional_data FROM logs WHERE message IS NOT NULL ORDER BY time, log_line_id")
            return [(text, kind, json.loads(more) if more else {}) for text, kind, more in rows]
        finally:
            base.close()
