#!/usr/bin/python3
"""doc/compliance.md says the truth: what it calls provided is announced where it says and named by `lazoctl features`; what
it calls not part is neither."""
import re

from lazo_test import *
from xmpp_raw import *

ABSENT = {"XEP-0114": "jabber:component:accept", "XEP-0045": "http://jabber.org/protocol/muc", "XEP-0206": "urn:xmpp:xbosh",
          "RFC 7395": "urn:ietf:params:xml:ns:xmpp-framing", "XEP-0363": "urn:xmpp:http:upload:0", "XEP-0357": "urn:xmpp:push:0"}


def setup():
    global relay, rows, seen, named
    relay = Relay()
    table = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in (SRC / "doc/compliance.md").read_text().splitlines() if line.startswith("| ")]
    rows = [dict(zip(table[0], row)) for row in table[1:]]
    check(len(rows) >= 25, "the table")
    ana = relay.user("ana")
    seen = {"stream": set()}
    stream = Stream(relay)
    for step in (stream.open, stream.starttls, stream.open, lambda: stream.auth("ana")):
        step()
        if stream.features is not None:
            seen["stream"] |= {e.tag[1:].partition("}")[0] for e in stream.features}
    stream.close()
    session = login(relay, ana)
    for where, jid in (("domain", relay.host), ("account", ana)):
        reply = session.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", jid)
        seen[where] = {e.get("var") for e in reply.iter("{http://jabber.org/protocol/disco#info}feature")}
    session.close()
    named = relay.ctl("features")


def test_provided_is_announced():
    for row in rows:
        found = re.match(r"(stream|domain|account) `(\S+)`$", row["Announced"])
        if row["State"] == "provided" and row["Announced"] != "-":
            check(found and found[2] in seen[found[1]], f"{row['Specification']}: {row['Announced']} is not announced: {sorted(seen[found[1]])}")


def test_provided_is_named():
    for row in rows:
        if row["State"] == "provided":
            check(row["Specification"] in named, f"{row['Specification']} is not in lazoctl features")


def test_not_part_is_not_there():
    everywhere = set().union(*seen.values())
    for row in rows:
        check(row["State"] in ("provided", "not part"), row["State"])
        if row["State"] == "not part" and row["Specification"] != "XEP-0313":
            check(ABSENT[row["Specification"]] not in everywhere, f"{row['Specification']} is announced after all")
            check(row["Specification"] not in named, f"{row['Specification']} is in lazoctl features after all")


main()
