"""desktop.py -- a screen that nobody sees (Xvfb) with a D-Bus session, for the apps that have windows.

All of it runs as a user without rights when the test is root's: apps with windows refuse root. Nothing on the bus is
started by asking for it, so no app finds a keyring or a service that the machine happens to have. The a11y bus is the
exception: with it a test finds what a window shows, and presses it.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile

from lazo_test import BUILD, background, eventually, scratch, tool

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
	<type>session</type>
	<listen>unix:path={socket}</listen>
	<auth>EXTERNAL</auth>
	<policy context="default">
		<allow send_destination="*" eavesdrop="true"/>
		<allow eavesdrop="true"/>
		<allow own="*"/>
	</policy>
</busconfig>
"""

PICTURE = """
import sys, gi
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk
root = Gdk.get_default_root_window()
Gdk.pixbuf_get_from_window(root, 0, 0, root.get_width(), root.get_height()).savev(sys.argv[1], "png", [], [])
"""

# Press the button with the name in any window, once there is one that can be pressed.
PRESS = """
import sys, time, gi
gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib
wanted, end = sys.argv[1], time.monotonic() + float(sys.argv[2])

def below(node):
	yield node
	for i in range(node.get_child_count()):
		child = node.get_child_at_index(i)
		if child is not None:
			yield from below(child)

def press():
	for node in below(Atspi.get_desktop(0)):
		if node.get_name() == wanted and node.get_role() == Atspi.Role.PUSH_BUTTON and \\
				node.get_state_set().contains(Atspi.StateType.SHOWING) and node.get_state_set().contains(Atspi.StateType.SENSITIVE):
			return node.get_action_iface().do_action(0)
	return False

while time.monotonic() < end:
	try:
		if press():
			sys.exit(0)
	except GLib.Error:		# a part of a window that went away while it was read
		pass
	time.sleep(0.1)
sys.exit("no button " + wanted)
"""

NOBODY = 65534


class Desktop:
    def __init__(self, size="1200x800x24"):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="d-", dir=scratch()))
        self.root = os.geteuid() == 0
        self.run_as = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if self.root else []
        self.runtime = self.home / "run"
        self.runtime.mkdir(mode=0o700)
        self.socket = self.runtime / "bus"
        (self.home / "bus.conf").write_text(BUS.format(socket=self.socket))
        self._open_the_way()
        # PYTHON: a module of the tests may bear the name of an app's own.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "LC_", "LANG", "DBUS_", "DISPLAY", "PYTHON"))}
        self.env |= {
            "HOME": str(self.home), "USER": "nobody", "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(self.runtime),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.socket}", "GSETTINGS_BACKEND": "memory", "GIO_USE_VFS": "local",
            "LIBGL_ALWAYS_SOFTWARE": "1", "GDK_BACKEND": "x11", "TMPDIR": str(self.runtime),
        }
        self._start_screen(size)
        self.start("dbus-daemon", "--nofork", "--config-file", self.home / "bus.conf", log="bus.log")
        eventually(self.socket.exists, 20, "the bus")
        self.start("/usr/libexec/at-spi-bus-launcher", "--launch-immediately", "--a11y=1", log="a11y.log")
        self.tool("gdbus", "wait", "--session", "--timeout", "30", "org.a11y.Bus")

    def _open_the_way(self):
        """The user without rights has to reach its home below folders that are ours."""
        if not self.root:
            return
        for folder in self.home.parents:
            if folder == pathlib.Path("/"):
                break
            if folder.stat().st_mode & 0o1 == 0:
                folder.chmod(folder.stat().st_mode & 0o7777 | 0o11)
        self.give(self.home)

    def give(self, folder):
        """Give a folder with all in it to the user that the apps run as."""
        if self.root:
            tool("chown", "-R", f"{NOBODY}:{NOBODY}", folder)

    def _start_screen(self, size):
        reading, writing = os.pipe()
        with open(self.home / "screen.log", "wb") as log:
            background([*self.run_as, "Xvfb", "-displayfd", writing, "-screen", "0", size, "-nolisten", "tcp", "-noreset"],
                       pass_fds=(writing,), stdout=log, stderr=subprocess.STDOUT, env=self.env)
        os.close(writing)
        with os.fdopen(reading) as number:
            self.env["DISPLAY"] = ":" + number.readline().strip()

    def start(self, *argv, log, env=None):
        with open(self.home / log, "ab") as out:
            return background([*self.run_as, *argv], stdout=out, stderr=subprocess.STDOUT, cwd=self.home,
                              env=self.env | (env or {}))

    def tool(self, *argv, status=0, timeout=60):
        """Run a program in the session to its end; its output."""
        return tool(*self.run_as, *argv, status=status, timeout=timeout, env=self.env, cwd=self.home)

    def press(self, button, seconds=60):
        """Press a button, by the name that it shows."""
        self.tool("/usr/bin/python3", "-c", PRESS, button, seconds, timeout=seconds + 30)

    def picture(self, name):
        """Keep what the screen shows in the build's folder of logs."""
        made = self.runtime / "screen.png"
        self.tool("/usr/bin/python3", "-c", PICTURE, made)
        logs = BUILD / "logs"
        logs.mkdir(exist_ok=True)
        shutil.copyfile(made, logs / name)
        return logs / name
