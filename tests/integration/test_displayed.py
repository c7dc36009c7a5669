#!/usr/bin/python3
"""What clients tell each other about messages passes and lasts: receipts (XEP-0184), markers (XEP-0333), displayed
synchronisation between one's own devices (XEP-0490)."""
import base64
import hashlib

from archive import archive
from lazo_test import *
from xmpp_raw import *

MDS = "urn:xmpp:mds:displayed:0"


def setup():
    global relay
    relay = Relay()


def marks(m):
    return sorted(e.tag for e in m if e.tag.startswith(("{urn:xmpp:receipts}", "{urn:xmpp:chat-markers:0}")))


def test_receipts_and_markers():
    a = login(relay, relay.user())
    b = login(relay, relay.user())
    ask = "<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
    a.send(f"<message to='{b.jid}' type='chat' id='m1'><body>x</body>{ask}</message>")
    equal(marks(b.message(id="m1")), ["{urn:xmpp:chat-markers:0}markable", "{urn:xmpp:receipts}request"])
    for ident, extra in (("r1", "<received xmlns='urn:xmpp:receipts' id='m1'/>"),
                         ("d1", "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>")):
        b.send(f"<message to='{a.jid}' id='{ident}'>{extra}</message>")
        got = a.message(id=ident)
        equal(([e.get("id") for e in got if e.tag.endswith(("received", "displayed"))]), ["m1"])
    equal([m.get("id") for m in archive(a).messages], ["m1", "r1", "d1"], "also for the device that was off")
    a.close()
    away = bare(a.jid)
    b.send(f"<message to='{away}' id='r2'><received xmlns='urn:xmpp:receipts' id='m0'/></message>")
    b.barrier()
    a = login(relay, away)
    equal(marks(a.message(id="r2")), ["{urn:xmpp:receipts}received"], "a receipt waits for who is away")
    a.close()
    b.close()


def publish(chat, stanza_id, by):
    fields = {"persist_items": "true", "max_items": "max", "send_last_published_item": "never", "access_model": "whitelist"}
    form = "".join(f"<field var='pubsub#{k}'><value>{v}</value></field>" for k, v in fields.items())
    return (f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{MDS}'><item id='{chat}'>"
            f"<displayed xmlns='{MDS}'><stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{stanza_id}'/></displayed></item>"
            "</publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
            f"<value>http://jabber.org/protocol/pubsub#publish-options</value></field>{form}</x></publish-options></pubsub>")


def want(stream, feature):
    """Announce capabilities with feature+notify, and answer the relay's question about them."""
    features = sorted(["http://jabber.org/protocol/disco#info", feature + "+notify"])
    text = "client/pc//Test<" + "".join(f + "<" for f in features)
    ver = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
    stream.send(f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:example:t' ver='{ver}'/></presence>")
    question = stream.wait(lambda e: e.tag == CLIENT + "iq" and e.find(DISCO_INFO + "query") is not None, 5)
    stream.send(f"<iq type='result' id='{question.get('id')}' to='{question.get('from') or relay.host}'>"
                f"<query xmlns='http://jabber.org/protocol/disco#info' node='urn:example:t#{ver}'>"
                "<identity category='client' type='pc' name='Test'/>" + "".join(f"<feature var='{f}'/>" for f in features)
                + "</query></iq>")
    stream.barrier()


def test_displayed_is_synchronised():
    a1 = login(relay, relay.user())
    a2 = login(relay, bare(a1.jid))
    b = login(relay, relay.user())
    want(a2, MDS)
    chats = [f"c{i}@example.org" for i in range(40)]
    for i, chat in enumerate(chats):
        a1.result("set", publish(chat, f"s{i}", bare(a1.jid)))
    a1.result("set", publish(chats[3], "newer", bare(a1.jid)))
    told = [e for e in a2.barrier() if e.find(PUBSUB_EVENT + "event") is not None]
    equal(len(told), 41, "each change is told to the other device")
    got = a2.result("get", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{MDS}'/></pubsub>")
    items = {i.get("id"): i[0][0].get("id") for i in got.iter(PUBSUB + "item")}
    equal(sorted(items), sorted(chats), "max_items max: all chats are kept, one item each")
    equal(items[chats[3]], "newer")
    b.send(f"<presence to='{bare(a1.jid)}' type='subscribe'/>")
    a1.presence(bare(b.jid), "subscribe")
    a1.send(f"<presence to='{bare(b.jid)}' type='subscribed'/>")
    a1.barrier()
    equal(b.refused("get", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{MDS}'/></pubsub>", bare(a1.jid))[1],
          "not-allowed", "nobody else's, not even a contact's (XEP-0223)")
    for s in (a1, a2, b):
        s.close()


main()
