"""prosody_server.py -- Debian's Prosody in the place of a Relay, to try a test of the standard on another server."""
import os
import socket
import subprocess

from lazo_test import ARCHIVE, background, eventually, free_port, tool

CONFIG = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{data}"
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{log}" }} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "pep", "smacks", "carbons", "ping", "version", "time", "limits", "offline",
	"blocklist", "invites", "invites_register", "register_ibr", "presence", "message", "iq", "c2s"{archive} }}
modules_disabled = {{ "s2s", "http" }}
limits = {{ }}
plugin_paths = {{ }}
authentication = "internal_hashed"
c2s_require_encryption = true
allow_registration = {register}
c2s_ports = {{ {client} }}
c2s_direct_tls_ports = {{ {client_tls} }}
interfaces = {{ "127.0.0.1" }}
ssl = {{ certificate = "{crt}", key = "{key}" }}
VirtualHost "{host}"
	ssl = {{ certificate = "{crt}", key = "{key}" }}
"""


def start(relay):
    relay.data.mkdir(exist_ok=True)
    relay.file = relay.folder / "prosody.cfg.lua"      # it takes the ending for the format
    relay.ports = {"client": free_port(), "client_tls": free_port()}
    relay.file.write_text(CONFIG.format(
        folder=relay.folder, data=relay.data, log=relay.log, host=relay.host, crt=relay.crt, key=relay.key,
        archive=', "mam"' if ARCHIVE else "", register="true" if relay.conf.get("registration") == '"open"' else "false", **relay.ports))
    relay.process = background(["prosody", "--config", relay.file, "-F"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.STDOUT, env=os.environ | {"HOME": str(relay.folder)})

    def listening():
        try:
            socket.create_connection(("127.0.0.1", relay.port), 1).close()
        except OSError:
            return False
        return True
    eventually(listening, 20, "Prosody's port")
    return relay


def add_user(relay, jid, password):
    user, _, host = jid.partition("@")
    tool("prosodyctl", "--root", "--config", relay.file, "register", user, host, password, timeout=30)
