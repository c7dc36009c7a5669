"""report.py -- what scripts/bench says: a table of medians, ratios to lazod, and plots, as Markdown and SVG."""
import json
import os
import platform
import statistics
import subprocess
from xml.sax.saxutils import escape

import servers

# (scene, where in its line, what, unit, less is better; None: no figure of the server's)
ROWS = [
    ("idle", ("kib_each",), "memory of an idle TLS session", "KiB", True),
    ("logins", ("per_second",), "logins", "/s", False),
    ("logins", ("per_cpu_second",), "logins a CPU-second", "/CPU-s", False),
    ("logins", ("load_ms_each",), "logins, CPU of the client's side", "ms each", None),
    ("chat-100", ("per_second",), "chat, 100 under way", "/s", False),
    ("chat-100", ("cpu_10000",), "chat, CPU of 10,000 messages", "CPU-s", True),
    ("chat-100", ("per_cpu_second",), "chat, messages a CPU-second", "/CPU-s", False),
    ("chat-100", ("latency_ms", "p50"), "chat, 100 under way, come after p50", "ms", True),
    ("chat-100", ("latency_ms", "p99"), "chat, 100 under way, come after p99", "ms", True),
    ("chat-1", ("cpu_10000",), "chat, 1 under way, CPU of 10,000 messages", "CPU-s", True),
    ("chat-1", ("latency_ms", "p50"), "chat, 1 under way, come after p50", "ms", True),
    ("chat-1", ("latency_ms", "p99"), "chat, 1 under way, come after p99", "ms", True),
    ("chat-1", ("ack_ms", "p50"), "chat, 1 under way, acknowledged after p50", "ms", True),
    ("chat-1", ("ack_ms", "p99"), "chat, 1 under way, acknowledged after p99", "ms", True),
    ("store", ("per_second",), "offline messages accepted", "/s", False),
    ("store", ("cpu_10000",), "offline store, CPU of 10,000", "CPU-s", True),
    ("flush", ("per_second",), "offline messages flushed", "/s", False),
    ("border", ("per_second",), "between two servers, come", "/s", False),
    ("border", ("cpu_10000",), "between two servers, CPU of both, 10,000 messages", "CPU-s", True),
    ("border", ("latency_ms", "p50"), "between two servers, come after p50", "ms", True),
]
PLOTS = [("memory", 0), ("logins", 2), ("chat-cpu", 5), ("latency-1", 10), ("offline", 14)]


def package(name):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False)
    return done.stdout or "not installed"


def short(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def bars(title, unit, values):
    """A horizontal bar chart; values: [(name, number)]."""
    most, height = max((v for _, v in values), default=1) or 1, 44 + 26 * len(values)
    out = [f"<svg xmlns='http://www.w3.org/2000/svg' width='640' height='{height}' font-family='sans-serif' font-size='13'>",
           f"<rect width='640' height='{height}' fill='white'/>",
           f"<text x='8' y='22' font-weight='bold'>{escape(title)} ({escape(unit)})</text>"]
    for i, (name, value) in enumerate(values):
        y, fill = 36 + 26 * i, "#2a6f4e" if name == "lazod" else "#9aa5b1"
        out += [f"<text x='8' y='{y + 15}'>{escape(name)}</text>",
                f"<rect x='140' y='{y}' width='{max(1, 400 * value / most):.1f}' height='20' fill='{fill}'/>",
                f"<text x='{146 + 400 * value / most:.1f}' y='{y + 15}'>{short(value)}</text>"]
    return "\n".join(out + ["</svg>", ""])


class Run:
    def __init__(self, begun, rounds, seconds, quick, results, faults):
        self.begun, self.rounds, self.seconds, self.quick = begun, rounds, seconds, quick
        self.results, self.faults = {n: r for n, r in results.items() if r}, faults

    def values(self, name, scene, path):
        found = []
        for one in self.results[name]:
            value = one.get(scene)
            for key in path:
                value = value.get(key) if value else None
            if value is not None:
                found.append(value)
        return found

    def median(self, name, row):
        found = self.values(name, row[0], row[1])
        return statistics.median(found) if found else None

    def cell(self, name, row):
        found = self.values(name, row[0], row[1])
        if not found:
            return "-"
        text = short(statistics.median(found))
        return f"{text} ({short(min(found))}..{short(max(found))})" if len(found) > 1 else text

    def ratio(self, name, row):
        """How many times better lazod is; below 1: worse."""
        ours, theirs = self.median("lazod", row), self.median(name, row)
        if not ours or not theirs or min(ours, theirs) < 0:     # a server may give memory back meanwhile
            return "-"
        return f"{theirs / ours if row[4] else ours / theirs:.2f}"

    def table(self, names, cell):
        lines = ["| | unit | " + " | ".join(names) + " |", "|---|---|" + "---:|" * len(names)]
        for row in ROWS:
            if cell == self.ratio and row[4] is None:
                continue
            lines.append(f"| {row[2]} | {row[3]} | " + " | ".join(cell(n, row) for n in names) + " |")
        return lines

    def markdown(self, plots):
        names, loads = list(self.results), [line["machine_load"] for rs in self.results.values() for r in rs for line in r.values()]
        managed = [n for n in names if any(r.get("chat-100", {}).get("managed") for r in self.results[n])]
        out = ["# Side by side", "",
               f"{self.begun}; {os.cpu_count()} cores shared with the clients, Linux {platform.release()}; "
               f"Prosody {package('prosody')}, ejabberd {package('ejabberd')}; {self.rounds} round(s), at most "
               f"{self.seconds:g} s a scene; the machine's load before the scenes: "
               + (f"{min(loads)} to {max(loads)}." if loads else "unknown."), ""]
        if self.quick:
            out += ["**A quick look: too short to be quoted.**", ""]
        out += [f"- `{n}`: {servers.VARIANTS[n][0].label}, {servers.VARIANTS[n][3]}; "
                + ("stream management" if n in managed else "pings in the place of stream management") for n in names]
        out += ["", "TLS, payloads of 300 bytes, rate limits off. Medians (least..most of the rounds). Every server started"
                " anew in each round. CPU is the server's process, a second of rest after the scene included. The clients, all in one"
                " process on the same cores, have their part in every rate: of a login theirs is larger than lazod's, so that"
                " its rate tells little, and its CPU-second what it costs.", ""]
        out += self.table(names, self.cell)
        others = [n for n in names if n != "lazod"]
        if others and "lazod" in names:
            out += ["", "## How many times better lazod is (below 1: worse)", ""] + self.table(others, self.ratio)
        if self.faults:
            out += ["", "## What failed", ""] + [f"- {f}" for f in self.faults]
        if plots:
            out += ["", "## Plots", ""] + [f"![{ROWS[i][2]}]({name}.svg)" for name, i in PLOTS]
        return "\n".join(out) + "\n"

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(self.results, indent=1) + "\n")
        for name, i in PLOTS:
            found = [(n, self.median(n, ROWS[i])) for n in self.results]
            (folder / f"{name}.svg").write_text(bars(ROWS[i][2], ROWS[i][3], [(n, v) for n, v in found if v is not None and v > 0]))
        (folder / "report.md").write_text(self.markdown(plots=True))
