#!/usr/bin/python3
"""Accounts: by the operator, in-band by policy (XEP-0077), by invitation (XEP-0401, XEP-0445)."""
import contextlib
import re
import sqlite3
import urllib.parse

from lazo_test import *
from xmpp_fast import get_token
from xmpp_raw import *

REGISTER = "{jabber:iq:register}"
NS = "xmlns='jabber:iq:register'"


def setup():
    global closed, invite, opened
    authority = Authority(scratch() / "ca")
    closed = Relay(authority=authority)
    invite = Relay(authority=authority, registration='"invite"')
    opened = Relay(authority=authority, registration='"open"')


def stranger(relay):
    stream = Stream(relay)
    stream.open()
    stream.starttls()
    stream.open()
    return stream


def ask(stream, kind, payload):
    ident = new_id()
    stream.send(f"<iq type='{kind}' id='{ident}'>{payload}</iq>")
    return stream.wait(lambda e: e.get("id") == ident)


def fields(user, password=PASSWORD, extra=""):
    return f"<query {NS}><username>{user}</username><password>{password}</password>{extra}</query>"


def token_of(line):
    """Of an invitation as lazoctl prints it: a link xmpp:...?register;preauth=TOKEN and the token."""
    link = re.search(r"xmpp:\S+", line).group()
    query = link.partition("?")[2]
    found = dict(p.partition("=")[::2] for p in query.split(";"))
    return link, urllib.parse.unquote(found["preauth"])


def test_closed():
    stream = stranger(closed)
    check(not any(local(f) == "register" for f in stream.features), "not announced")
    stream.send(f"<iq type='get' id='r'><query {NS}/></iq>")
    answer = stream.read()
    if answer.tag == STREAM + "error":
        equal([local(c) for c in answer][0], "not-authorized")
    else:
        equal(answer.get("type"), "error")
    stream.drop()


def test_open():
    stream = stranger(opened)
    check(any(f.tag == "{http://jabber.org/features/iq-register}register" for f in stream.features), "announced")
    form = ask(stream, "get", f"<query {NS}/>").find(REGISTER + "query")
    check(form.find(REGISTER + "username") is not None and form.find(REGISTER + "password") is not None, "asks for both")
    equal(ask(stream, "set", fields("rosa")).get("type"), "result")
    stream.auth("rosa")
    stream.bind()
    stream.close()
    check(f"rosa@{HOST}" in [u["jid"] for u in opened.ctl_json("user", "list")], "lazoctl lists it")


def test_open_refusals():
    opened.user("taken")
    cases = [
        (fields("taken"), ("cancel", "conflict")),
        (fields("Taken"), ("cancel", "conflict")),
        (fields(""), ("modify", "not-acceptable")),
        (fields("x", ""), ("modify", "not-acceptable")),
        (f"<query {NS}><username>x</username></query>", ("modify", "not-acceptable")),
        (fields("a@b"), ("modify", "jid-malformed")),
        (fields("a b"), ("modify", "jid-malformed")),
        (fields("n" * 1024), ("modify", "jid-malformed")),
    ]
    for payload, wanted in cases:
        stream = stranger(opened)
        got = error_of(ask(stream, "set", payload))
        check(got and (got == wanted or got[1] in ("not-acceptable", "jid-malformed", "bad-request") and wanted[0] == "modify"),
              f"{payload[:80]}: {got}, wanted {wanted}")
        stream.drop()


def test_registration_before_tls_is_refused():
    stream = Stream(opened)
    stream.open()
    stream.send(f"<iq type='set' id='r'>{fields('early')}</iq>")
    equal(stream.stream_error(), "policy-violation")
    check(f"early@{HOST}" not in [u["jid"] for u in opened.ctl_json("user", "list")], "nothing was made")


def test_invitation():
    link, token = token_of(invite.ctl("invite"))
    check(HOST in link and "register" in link, f"XEP-0401: {link}")
    check(len(token) >= 16, "a token that cannot be guessed")
    stream = stranger(invite)
    check(any(f.tag == "{urn:xmpp:ibr-token:0}register" or f.tag == "{urn:xmpp:invite}register" or local(f) == "register"
              for f in stream.features), "XEP-0445 announced")
    refused = ask(stream, "set", fields("uninvited"))
    equal(refused.get("type"), "error", "no account without a token")
    equal(ask(stream, "set", f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>").get("type"), "result")
    equal(ask(stream, "set", fields("invited")).get("type"), "result")
    stream.auth("invited")
    stream.bind()
    stream.close()

    stream = stranger(invite)
    got = error_of(ask(stream, "set", f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"))
    equal(got, ("cancel", "item-not-found"), "works once (XEP-0445 4)")
    equal(ask(stream, "set", fields("again")).get("type"), "error")
    stream.drop()


def test_wrong_token():
    for token in ("", "x", "A" * 5000):
        stream = stranger(invite)
        got = error_of(ask(stream, "set", f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"))
        check(got and got[1] in ("item-not-found", "bad-request"), f"{got}")
        stream.drop()


def test_reserved_address():
    _, token = token_of(invite.ctl("invite", f"abuela@{HOST}"))
    stream = stranger(invite)
    equal(ask(stream, "set", f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>").get("type"), "result")
    equal(ask(stream, "set", fields("someone-else")).get("type"), "error", "the token is for that address")
    stream.drop()
    _, free = token_of(invite.ctl("invite"))
    stream = stranger(invite)
    equal(ask(stream, "set", f"<preauth xmlns='urn:xmpp:pars:0' token='{free}'/>").get("type"), "result")
    equal(ask(stream, "set", fields("abuela")).get("type"), "error", "the address is for that token")
    stream.drop()
    stream = stranger(invite)
    equal(ask(stream, "set", f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>").get("type"), "result")
    equal(ask(stream, "set", fields("abuela")).get("type"), "result")
    stream.auth("abuela")
    stream.drop()


def test_invitation_survives_a_restart():
    _, token = token_of(invite.ctl("invite"))
    invite.restart()
    stream = stranger(invite)
    equal(ask(stream, "set", f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>").get("type"), "result")
    equal(ask(stream, "set", fields("later")).get("type"), "result")
    stream.drop()


def test_change_password_and_leave():
    jid = opened.user("leaving")
    stream = login(opened, jid)
    stream.result("set", fields("leaving", "new secret"), HOST)
    stream.close()
    try:
        login(opened, jid)
        raise AssertionError("the old password works")
    except Refused as why:
        equal(why.condition, "not-authorized")
    stream = login(opened, jid, "new secret")
    equal(stream.refused("set", fields("taken", "stolen"), HOST)[1] in ("not-allowed", "forbidden", "bad-request"), True)
    stream.send(f"<iq type='set' id='bye' to='{HOST}'><query {NS}><remove/></query></iq>")
    try:
        equal(stream.wait(lambda e: e.get("id") == "bye").get("type"), "result")
    except Closed:
        pass
    stream.drop()
    try:
        login(opened, jid, "new secret")
        raise AssertionError("the account is still there")
    except Refused as why:
        equal(why.condition, "not-authorized")


def test_new_password_ends_other_sessions():
    jid = opened.user()
    name = jid.partition("@")[0]
    stream, thief = login(opened, jid), login(opened, jid)
    stream.result("set", fields(name, "new secret"), HOST)
    equal(thief.stream_error(), "not-authorized")
    stream.barrier()
    check("new secret" not in opened.log_text(), "passwords are not logged")
    stream.close()


def test_new_password_by_the_operator_ends_sessions():
    jid = opened.user()
    stream, other = login(opened, jid), login(opened, opened.user())
    opened.ctl("user", "password", jid, stdin="new secret\n")
    equal(stream.stream_error(), "policy-violation")
    other.barrier()
    login(opened, jid, "new secret").close()
    other.close()


def test_leaving_ends_all_sessions():
    jid = opened.user()
    stream, other = login(opened, jid), login(opened, jid)
    stream.send(f"<iq type='set' id='bye'><query {NS}><remove/><username>x</username></query></iq>")
    equal(error_of(stream.wait(lambda e: e.get("id") == "bye"))[1], "bad-request", "XEP-0077 3.2: remove stands alone")
    stream.send(f"<iq type='set' id='bye2'><query {NS}><remove/></query></iq>")
    equal(stream.stream_error(), "not-authorized")
    equal(other.stream_error(), "not-authorized")


def owned(path, account):
    """Table -> how many rows in it are of an account by its number; of tables without such a column, their names."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        counts, others = {}, set()
        for table, in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetchall():
            columns = {c[1]: c[2] for c in database.execute(f"PRAGMA table_info({table})")}
            if columns.get("account") == "INTEGER":
                counts[table] = database.execute(f"SELECT count(*) FROM {table} WHERE account = ?", (account,)).fetchone()[0]
            else:
                others.add(table)
        counts["item"] = database.execute("SELECT count(*) FROM item WHERE node NOT IN (SELECT id FROM node)"
                                          " OR node IN (SELECT id FROM node WHERE account = ?)", (account,)).fetchone()[0]
        counts["msg"] = database.execute("SELECT count(*) FROM msg").fetchone()[0]
        counts["account"] = database.execute("SELECT count(*) FROM account WHERE id = ?", (account,)).fetchone()[0]
        return counts, others - {"item", "msg", "account"}


@ours
def test_of_who_leaves_no_row_is_left():
    """In no table that knows accounts, also in one that is added tomorrow: it must be filled here, and empty afterwards."""
    relay = Relay(authority=closed.authority)
    path = relay.data / "lazo.db"
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    a.result("set", f"<block xmlns='urn:xmpp:blocking'><item jid='x@{HOST}'/></block>")
    a.result("set", "<vCard xmlns='vcard-temp'><FN>A</FN></vCard>")
    a.result("set", "<enable xmlns='urn:lazo:custody:0'/>")
    a.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    a.wait(lambda e: e.tag == "{urn:xmpp:sm:3}enabled")
    a.send(f"<message to='{bare(a.jid)}' type='chat' id='m'><body>to myself</body></message>")
    a.barrier()
    get_token(relay, bare(a.jid))
    name = bare(a.jid)
    a.drop()
    b.close()
    relay.stop()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        account, = database.execute("SELECT id FROM account WHERE node = ?", (name.partition("@")[0],)).fetchone()
        database.execute("INSERT INTO device (account, resource, seen, upto) VALUES (?, 'r', 1, 1)", (account,))
        database.execute("INSERT OR IGNORE INTO pending (account, id, bytes) SELECT ?, id, 1 FROM msg", (account,))
        database.execute("UPDATE msg SET refs = (SELECT count(*) FROM box WHERE box.id = msg.id)"
                         " + (SELECT count(*) FROM pending WHERE pending.id = msg.id)")
    before, others = owned(path, account)
    equal([t for t in before if not before[t]], [], "each of these tables has rows of the account; fill it above")
    equal(others, {"meta", "jid", "seen", "invite", "report", "peer", "courier_key", "courier_pin", "remote_item", "spool"}, "and these know no accounts by number")
    relay.start()
    relay.ctl("user", "del", name)
    eventually(lambda: not any(owned(path, account)[0].values()), 10, "all are empty")
    relay.stop()


def subscription(stream, to):
    reply = stream.result("get", "<query xmlns='jabber:iq:roster'/>")
    return [i.get("subscription") for i in reply.iter(ROSTER + "item") if i.get("jid") == to]


def test_who_leaves_is_a_stranger_afterwards():
    # Whoever gets the address next must not inherit what its contacts had granted.
    for leave in ("by itself", "by the operator"):
        goes, stays = login(opened, opened.user()), login(opened, opened.user())
        befriend(goes, stays)
        equal(subscription(stays, bare(goes.jid)), ["both"])
        if leave == "by itself":
            goes.send(f"<iq type='set' id='bye'><query {NS}><remove/></query></iq>")
            equal(goes.stream_error(), "not-authorized")
            stays.presence(bare(goes.jid), "unsubscribe")
        else:
            opened.ctl("user", "del", bare(goes.jid))
            goes.stream_error()
        goes.drop()
        eventually(lambda: subscription(stays, bare(goes.jid)) in (["none"], []), 5, f"{leave}: no subscription is left")
        opened.user(bare(goes.jid).partition("@")[0])
        heir = login(opened, bare(goes.jid))
        heir.send(f"<presence type='probe' to='{bare(stays.jid)}'/>")
        equal([e for e in heir.barrier() if e.get("from", "") == stays.jid], [], "sees no presence")
        heir.close()
        stays.close()


def test_lazoctl_users():
    closed.ctl("user", "add", f"eva@{HOST}", stdin="uno\n")
    closed.ctl("user", "add", f"eva@{HOST}", stdin="uno\n", status=73)
    closed.ctl("user", "password", f"eva@{HOST}", stdin="dos\n")
    login(closed, f"eva@{HOST}", "dos").close()
    closed.ctl("user", "password", f"nadie@{HOST}", stdin="dos\n", status=67)
    session = login(closed, f"eva@{HOST}", "dos")
    sessions = closed.ctl_json("session", "list")
    equal([s["jid"] for s in sessions], [session.jid])
    closed.ctl("user", "del", f"eva@{HOST}")
    check(session.stream_error() in ("not-authorized", "reset", "conflict", "policy-violation"), "its sessions end")
    closed.ctl("user", "del", f"eva@{HOST}", status=67)
    equal([u["jid"] for u in closed.ctl_json("user", "list")], [])
    closed.ctl("user", "add", "eva@elsewhere.example", stdin="x\n", status=64)
    closed.ctl("user", "dance", status=64)


def test_lazoctl_without_the_relay():
    closed.stop()
    closed.ctl("user", "add", f"luis@{HOST}", stdin="uno\n")
    equal([u["jid"] for u in closed.ctl_json("user", "list")], [f"luis@{HOST}"])
    closed.start()
    login(closed, f"luis@{HOST}", "uno").close()


def test_lazoctl_kick():
    jid = closed.user("kicked")
    session = login(closed, jid)
    closed.ctl("session", "kick", session.jid)
    session.stream_error()
    closed.ctl("session", "kick", session.jid, status=67)


def test_lazoctl_status_features_check_backup():
    status = closed.ctl_json("status")[0]
    for word in ("version", "uptime", "sessions", "rss", "pending"):
        check(word in status, f"{word} in {status}")
    check("XEP-0199" in closed.ctl("features"), "features names the standards")
    closed.ctl("check")
    copy = closed.folder / "backup.db"
    closed.ctl("backup", copy)
    equal(tool("sqlite3", copy, "PRAGMA integrity_check").strip(), "ok")
    check(copy.stat().st_mode & 0o077 == 0, "a backup is its owner's alone")


def test_passwords_are_not_in_the_database():
    opened.user("secreta", "muy secreta 123")
    opened.stop()
    for file in opened.data.rglob("*"):
        if file.is_file():
            check(b"muy secreta 123" not in file.read_bytes(), f"{file}")
    check("muy secreta 123" not in opened.log_text(), "nor in the log")
    opened.start()


main()
