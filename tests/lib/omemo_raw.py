"""omemo_raw.py -- OMEMO (XEP-0384 0.3.0) as elements on a raw stream: what peers and relays that lie would say.

Nothing is encrypted here. Lists, bundles and messages are made of what others published or sent, put together wrongly.
"""
import copy
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

from archive import archive
from lazo_test import check
from xmpp_raw import CLIENT, PUBSUB, bare, login, new_id

NS = "eu.siacs.conversations.axolotl"
OMEMO = "{%s}" % NS
OPEN = ("<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        "<field var='pubsub#access_model'><value>open</value></field></x></publish-options>")


def text(element):
    return ET.tostring(element, encoding="unicode")


def publish(stream, node, payload):
    stream.result("set", f"<pubsub xmlns='{PUBSUB[1:-1]}'><publish node='{NS}.{node}'><item id='current'>{payload}</item>"
                         f"</publish>{OPEN}</pubsub>")


def publish_list(stream, *devices):
    publish(stream, "devicelist", f"<list xmlns='{NS}'>" + "".join(f"<device id='{d}'/>" for d in devices) + "</list>")


def fetch(stream, jid, node, name):
    reply = stream.result("get", f"<pubsub xmlns='{PUBSUB[1:-1]}'><items node='{NS}.{node}'/></pubsub>", jid)
    return next(reply.iter(OMEMO + name))


def devices(stream, jid):
    return [int(d.get("id")) for d in fetch(stream, jid, "devicelist", "list")]


def bundle(stream, jid, device):
    return fetch(stream, jid, f"bundles:{device}", "bundle")


def publish_bundle(stream, device, element):
    publish(stream, f"bundles:{device}", text(element))


def last_encrypted(relay, jid, frm):
    """The newest encrypted message from `frm` that the archive of `jid` has: the whole stanza."""
    stream = login(relay, jid, presence=False)
    found = [m for m in archive(stream, page="<max>100</max><before/>").messages
             if bare(m.get("from")) == frm and m.find(OMEMO + "encrypted") is not None]
    stream.drop()
    check(found, f"no encrypted message from {frm}")
    return found[-1]


def changed(encrypted, **edits):
    """A copy of <encrypted/>; an edit is a function of the copy: its return value is not used."""
    result = copy.deepcopy(encrypted)
    for edit in edits.values():
        edit(result)
    return result


def header(encrypted):
    return encrypted.find(OMEMO + "header")


def rids(encrypted):
    return sorted(int(k.get("rid")) for k in header(encrypted).iterfind(OMEMO + "key"))


def send(stream, to, inside, **attributes):
    """A chat message with these bytes inside, which the relay took."""
    more = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    ident = attributes.get("id") or new_id()
    more += "" if "id" in attributes else f" id='{ident}'"
    stream.send(f"<message type='chat' to={quoteattr(to)}{more}>{inside}</message>")
    stream.barrier()
    return ident


__all__ = ["ET", "NS", "OMEMO", "CLIENT", "text", "publish", "publish_list", "fetch", "devices", "bundle", "publish_bundle",
           "last_encrypted", "changed", "header", "rids", "send"]
