"""archive.py -- asking for a page of the archive (XEP-0313) by hand, for tests."""
from xml.sax.saxutils import quoteattr

from lazo_test import check, equal
from xmpp_raw import CLIENT, DELAY, SID, bare, new_id, text_of

MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
FORWARD = "{urn:xmpp:forward:0}"
CARBONS = "{urn:xmpp:carbons:2}"


def query_xml(queryid=None, page=None, flip=False, **fields):
    """<query/>; a field's value may be a list; page is the inside of <set/>. `_` in a field's name stands for `-`."""
    form = ""
    for name, values in fields.items():
        values = values if isinstance(values, list) else [values]
        form += f"<field var='{name.replace('_', '-')}'>" + "".join(f"<value>{v}</value>" for v in values) + "</field>"
    if fields:
        form = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value>"
                f"</field>{form}</x>")
    rsm = "" if page is None else f"<set xmlns='http://jabber.org/protocol/rsm'>{page}</set>"
    ident = f" queryid={quoteattr(queryid)}" if queryid else ""
    return f"<query xmlns='urn:xmpp:mam:2'{ident}>{form}{rsm}{'<flip-page/>' if flip else ''}</query>"


class Page:
    """Results in order of arrival as (id, forwarded message), and what <fin/> says."""

    def __init__(self, stream, results, fin):
        self.results, self.ids, self.messages, self.delays = results, [], [], []
        for message in results:
            equal((message.get("from"), message.get("to")), (bare(stream.jid), stream.jid), "addresses of a result")
            result = message.find(MAM + "result")
            forwarded = result.find(FORWARD + "forwarded")
            inner = forwarded.find(CLIENT + "message")
            ids = [e.get("id") for e in inner.iterfind(SID + "stanza-id") if e.get("by") == bare(stream.jid)]
            equal(ids, [result.get("id")], "the archive's id is the stanza-id")
            self.ids.append(result.get("id"))
            self.messages.append(inner)
            self.delays.append(forwarded.find(DELAY + "delay").get("stamp"))
        self.complete = fin.get("complete") == "true"
        rsm = fin.find(RSM + "set")
        check(rsm is not None, "XEP-0313 4: the answer has a set")
        self.first, self.last = text_of(rsm, RSM + "first"), text_of(rsm, RSM + "last")
        self.count = text_of(rsm, RSM + "count")

    @property
    def bodies(self):
        return [text_of(m, CLIENT + "body") for m in self.messages]


def archive(stream, timeout=20, queryid=None, **kwargs):
    queryid = queryid or new_id()
    reply = stream.result("set", query_xml(queryid, **kwargs), timeout=timeout)

    def mine(e):
        result = e.find(MAM + "result")
        return e.tag == CLIENT + "message" and result is not None and result.get("queryid") == queryid
    results = [e for e in stream.inbox if mine(e)]
    stream.inbox = [e for e in stream.inbox if not mine(e)]
    return Page(stream, results, reply.find(MAM + "fin"))
