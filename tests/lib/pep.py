"""pep.py -- what tests of published items share: requests, answers, interests and the events that they bring."""
import base64
import hashlib
import xml.etree.ElementTree as ET

from lazo_test import check, equal
from xmpp_raw import *

NODE = "urn:example:tune"
DEVICES = "eu.siacs.conversations.axolotl.devicelist"
BUNDLE = "eu.siacs.conversations.axolotl.bundles:31415"
PS = "xmlns='http://jabber.org/protocol/pubsub'"
OWNER = "xmlns='http://jabber.org/protocol/pubsub#owner'"
OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
CONFIG = "http://jabber.org/protocol/pubsub#node_config"


def form(kind, **fields):
    inner = "".join(f"<field var='pubsub#{k}'><value>{v}</value></field>" for k, v in fields.items())
    return (f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>{kind}</value></field>"
            f"{inner}</x>")


def publish(node=NODE, item=None, payload="<tune xmlns='urn:example:tune'>a</tune>", options=None):
    ident = f" id='{item}'" if item else ""
    asked = f"<publish-options>{form(OPTIONS, **options)}</publish-options>" if options else ""
    return f"<pubsub {PS}><publish node='{node}'><item{ident}>{payload}</item></publish>{asked}</pubsub>"


def get(node=NODE, extra=""):
    return f"<pubsub {PS}><items node='{node}'{extra}/></pubsub>"


def items(reply):
    return [(i.get("id"), i[0].text if len(i) else None) for i in reply.iterfind(f"{PUBSUB}pubsub/{PUBSUB}items/{PUBSUB}item")]


def pubsub_error(reply):
    """The pubsub-specific condition of an error."""
    for child in reply.find(CLIENT + "error"):
        if child.tag.startswith(PUBSUB_ERRORS):
            return local(child)
    return None


def interests(stream, *nodes):
    """Announce capabilities with node+notify and answer the relay's question about them."""
    features = sorted(["http://jabber.org/protocol/disco#info", *[n + "+notify" for n in nodes]])
    text = "client/pc//Test<" + "".join(f + "<" for f in features)
    ver = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
    stream.send(f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:example:test' ver='{ver}'/></presence>")
    info = ("<identity category='client' type='pc' name='Test'/>" + "".join(f"<feature var='{f}'/>" for f in features))

    def asks(e):
        return e.tag == CLIENT + "iq" and e.get("type") == "get" and e.find(DISCO_INFO + "query") is not None
    try:
        question = stream.wait(asks, 2)
    except TimeoutError:
        return              # known already
    node = question.find(DISCO_INFO + "query").get("node")
    equal(node, f"urn:example:test#{ver}")
    stream.send(f"<iq type='result' id='{question.get('id')}'" + (f" to='{question.get('from')}'" if question.get("from") else "")
                + f"><query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>{info}</query></iq>")


def event(stream, frm, node=NODE, timeout=None):
    """The next notification of a node; its <items/> (or what stands in its place)."""
    def wanted(e):
        found = e.find(PUBSUB_EVENT + "event")
        return e.tag == CLIENT + "message" and found is not None and len(found) and found[0].get("node") == node
    message = stream.wait(wanted, timeout, f"an event of {node}")
    equal(message.get("from"), frm, "XEP-0163 4.3: from the account")
    check(message.get("type") in ("headline", "normal", None), "a notification is no chat")
    return message.find(PUBSUB_EVENT + "event")[0]


def announce(stream, ver, node="urn:example:test"):
    stream.send(f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{node}' ver='{ver}'/></presence>")


def asked(stream, timeout=2):
    """The relay's question what a capabilities hash stands for."""
    return stream.wait(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "get" and e.find(DISCO_INFO + "query") is not None,
                       timeout)


def tell(stream, question, *features):
    node = question.find(DISCO_INFO + "query").get("node")
    stream.send(f"<iq type='result' id='{question.get('id')}'><query xmlns='http://jabber.org/protocol/disco#info' node='{node}'>"
                "<identity category='client' type='pc' name='Test'/>" + "".join(f"<feature var='{f}'/>" for f in features)
                + "</query></iq>")


def hash_of(*features):
    text = "client/pc//Test<" + "".join(f + "<" for f in sorted(features))
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


def no_event(stream):
    came = [e for e in stream.barrier() if e.find(PUBSUB_EVENT + "event") is not None]
    equal([ET.tostring(e).decode() for e in came], [], "notifications")
