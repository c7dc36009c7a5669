#!/usr/bin/python3
"""Numbers for Prometheus: the format read by a strict parser, numbers that are true, loopback alone, bad requests, few series."""
import http.client
import re
import socket
import subprocess
import time

from lazo_test import *
from xmpp_raw import *

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (-?(?:[0-9.]+(?:e[+-]?\d+)?|Inf)|NaN)$')


def parse(text):
    """Text format 0.0.4, strictly: each family once with HELP and TYPE before its samples, no series twice. -> {series: value}"""
    check(text.endswith("\n") and "\r" not in text and "\n\n" not in text, "lines")
    types, helps, series, family = {}, set(), {}, None
    for line in text.splitlines():
        if line.startswith("#"):
            word = re.match(rf"# (HELP|TYPE) ({NAME}) (.+)$", line)
            check(word, f"a comment that is none: {line}")
            kind, name, rest = word.groups()
            if kind == "HELP":
                check(name not in helps, f"{name} is explained twice")
                helps.add(name)
            else:
                check(name in helps and name not in types, f"{name}: HELP comes before, TYPE once")
                check(rest in ("counter", "gauge"), rest)
                types[name] = rest
            family = name
            continue
        sample = SAMPLE.match(line)
        check(sample, f"no sample: {line}")
        check(sample.group(1) == family and family in types, f"{line} is outside its family {family}")
        key = line.rpartition(" ")[0]
        check(key not in series, f"{key} twice")
        series[key] = float(sample.group(3))
        if types[family] == "counter":
            check(family.endswith("_total") and series[key] >= 0, line)
    return series


def get(path="/metrics", method="GET"):
    link = http.client.HTTPConnection("127.0.0.1", relay.ports["metrics"], timeout=10)
    link.request(method, path)
    answer = link.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read().decode()


def numbers():
    status, kind, text = get()
    equal(status, 200)
    check(kind.startswith("text/plain; version=0.0.4"), kind)
    return parse(text)


def setup():
    global relay, jid
    relay = Relay(metrics='"127.0.0.1:0"')
    jid = relay.user()


def test_the_parser_is_strict():
    # Negative control: each of these would be refused by Prometheus too.
    good = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"
    parse(good)
    for bad in (good + good, good + "b 1\n", good.replace("counter", "kounter"), good[:-1], good.replace("a_total 1", "a_total one"),
                good + 'a_total{x="1} 2\n', good.replace("a_total 1", "a_total 1\na_total 2"), "a_total 1\n", good + "\n",
                "# TYPE a_total counter\n# HELP a_total A.\na_total 1\n", good.replace("1\n", "-1\n")):
        try:
            parse(bad)
        except AssertionError:
            continue
        raise AssertionError(f"taken: {bad!r}")


def test_numbers_are_true():
    before = numbers()
    a, b = login(relay, jid), login(relay, relay.user())
    try:
        login(relay, jid, password="wrong")
        raise AssertionError("let in")
    except Refused:
        pass
    for i in range(5):
        a.send(f"<message to='{bare(b.jid)}' type='chat' id='m{i}'><body>x</body></message>")
        b.message(id=f"m{i}")
    # Without stream management a client confirms by answering the relay's ping, which comes 10 s after a message.
    eventually(lambda: b.barrier() is not None and numbers()['lazo_messages_total{state="confirmed"}'] -
               before['lazo_messages_total{state="confirmed"}'] == 5, 30, "all are confirmed")
    a.barrier()
    bad = Stream(relay)
    bad.send("<nonsense>")
    bad.stream_error()
    now = numbers()

    def grown(name):
        return now[name] - before[name]
    equal(grown('lazo_connections_total{result="accepted"}'), 4)
    equal(grown('lazo_logins_total{result="accepted"}'), 2)
    equal(grown('lazo_logins_total{result="refused"}'), 1)
    equal(grown('lazo_tls_handshakes_total'), 3)
    equal(grown('lazo_stream_errors_total'), 1)
    equal(grown('lazo_stanzas_total{kind="message"}'), 5)
    equal(grown('lazo_messages_total{state="accepted"}'), 5)
    equal(grown('lazo_messages_total{state="delivered"}'), 5)
    check(grown('lazo_commits_total') >= 1)
    check(grown('lazo_bytes_total{way="in"}') > 1000 and grown('lazo_bytes_total{way="out"}') > 1000)
    equal(now["lazo_sessions"], 2)
    check(now["lazo_streams"] >= 2)
    check(abs(now["process_resident_memory_bytes"] / 1024 - relay.rss_kib()) < 4096)
    check(abs(now["process_open_fds"] - relay.fds()) <= 2, f"{now['process_open_fds']} {relay.fds()}")
    check(abs(now["process_start_time_seconds"] - time.time()) < 600)
    check(300 * 86400 < now["lazo_certificate_expires_seconds"] - time.time() < 366 * 86400)
    check(now["lazo_disk_free_bytes"] > 0)
    a.close()
    b.close()


def test_no_names_and_no_more_series():
    first = set(numbers())
    for i in range(10):
        name = relay.user(f"person{i}")
        stream = login(relay, name)
        stream.send(f"<message to='secret{i}@{HOST}' type='chat' id='x'><body>y</body></message>")
        stream.barrier()
        stream.close()
    _, _, text = get()
    check("person" not in text and "@" not in text and HOST not in text and "127.0.0.1" not in text, text)
    equal(set(parse(text)), first, "always the same series")


def test_other_requests():
    for path, method, wanted in (("/", "GET", 404), ("/metrics/", "GET", 404), ("/metricsx", "GET", 404), ("/metrics?x=1", "GET", 200),
                                 ("/metrics", "POST", 405), ("/metrics", "HEAD", 405), ("/../etc/passwd", "GET", 404)):
        if method == "HEAD":        # its answer has no body by the rules; ours is closed at once either way
            continue
        equal(get(path, method)[0], wanted, f"{method} {path}")
    for data in (b"\0\0\r\n\r\n", b"x" * 5000, b"GET", b"GET \r\n\r\n", b"\r\n\r\n", b"GET /metrics", b"\x16\x03\x01"):
        sock = socket.create_connection(("127.0.0.1", relay.ports["metrics"]), 10)
        sock.sendall(data)
        sock.close()
    held = [socket.create_connection(("127.0.0.1", relay.ports["metrics"]), 10) for _ in range(40)]
    login(relay, jid).close()
    eventually(lambda: all_closed(held), 20, "who asks nothing is let go within 10 s")
    numbers()


def all_closed(socks):
    for sock in list(socks):
        sock.settimeout(0)
        try:
            if sock.recv(10) == b"":
                raise ConnectionError
        except BlockingIOError:
            continue
        except OSError:
            sock.close()
            socks.remove(sock)
    return not socks


def test_unix_socket():
    path = scratch() / "metrics.sock"
    other = Relay(authority=relay.authority, metrics=f'"{path}"')
    equal(path.stat().st_mode & 0o777, 0o600)
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    text = b""
    while part := sock.recv(65536):
        text += part
    parse(text.decode().partition("\r\n\r\n")[2])
    other.stop()
    check(not path.exists(), "gone with the relay")


def test_only_where_nobody_else_listens():
    other = Relay(authority=relay.authority, start=False)
    for where in ("0.0.0.0:9222", "*:9222", "192.0.2.7:9222", "[::]:9222", "metrics", "localhost:9222", "127.0.0.1"):
        other.conf["metrics"] = f'"{where}"'
        other.write_conf()
        done = subprocess.run([BUILD / "relay/lazod", "-c", other.file], capture_output=True, text=True, timeout=20, check=False)
        check(done.returncode == 78 and "metrics" in done.stderr, f"{where}: {done.returncode} {done.stderr}")


main()
