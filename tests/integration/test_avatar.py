#!/usr/bin/python3
"""vCards (XEP-0054) and pictures (XEP-0084, 0153) as XEP-0398 joins them, seen by the owner, contacts and strangers."""
import base64
import hashlib
import xml.etree.ElementTree as ET

from lazo_test import *
from xmpp_raw import *
from pep import *

VCARD = "{vcard-temp}"
UPDATE = "{vcard-temp:x:update}"
DATA, META = "urn:xmpp:avatar:data", "urn:xmpp:avatar:metadata"
GET = "<vCard xmlns='vcard-temp'/>"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(255, 0, -1))


def setup():
    global relay
    relay = Relay()


def sha1(image):
    return hashlib.sha1(image).hexdigest()


def b64(image):
    return base64.encodebytes(image).decode()       # with line feeds


def vcard(name="Ana", photo="", rest=""):
    return f"<vCard xmlns='vcard-temp'><FN>{name}</FN>{photo}{rest}</vCard>"


def photo(image, kind="image/png"):
    return f"<PHOTO><TYPE>{kind}</TYPE><BINVAL>{b64(image)}</BINVAL></PHOTO>"


def show(stream, image, kind="image/png", access=None):
    options = {"access_model": access} if access else None
    stream.result("set", publish(DATA, sha1(image), f"<data xmlns='{DATA}'>{b64(image)}</data>", options))
    stream.result("set", publish(META, sha1(image), f"<metadata xmlns='{META}'><info bytes='{len(image)}' id='{sha1(image)}' "
                                 f"type='{kind}'/></metadata>", options))


def card(stream, to=None):
    return stream.result("get", GET, to).find(VCARD + "vCard")


def picture(found):
    """(type, bytes) of a vCard's picture, or None."""
    node = found.find(VCARD + "PHOTO")
    if node is None:
        return None
    return text_of(node, VCARD + "TYPE"), base64.b64decode(text_of(node, VCARD + "BINVAL"))


def said(presence):
    """What a presence says of the picture: a hash, "" for none, None for nothing."""
    x = presence.findall(UPDATE + "x")
    check(len(x) < 2, "said once")
    node = x[0].find(UPDATE + "photo") if x else None
    return None if node is None else node.text or ""


def friends():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    return a, b


def test_vcard():
    a, b = login(relay, relay.user()), login(relay, relay.user())
    equal(a.refused("get", GET)[1], "item-not-found")
    equal(b.refused("get", GET, bare(a.jid)), b.refused("get", GET, f"nobody@{HOST}"), "none, or no such account")
    a.result("set", vcard(rest="<URL>http://example.org/</URL><N><FAMILY>&lt;&amp;</FAMILY></N>"))
    for found in (card(a), card(a, bare(a.jid)), card(b, bare(a.jid))):
        equal([local(c) for c in found], ["FN", "URL", "N"])
        equal(text_of(found, f"{VCARD}N/{VCARD}FAMILY"), "<&")
    equal(b.refused("set", vcard("Mallory"), bare(a.jid))[1], "forbidden")
    a.result("set", vcard("Ana Maria"))
    equal(text_of(card(b, bare(a.jid)), VCARD + "FN"), "Ana Maria")
    # it is nobody's pubsub node
    equal(a.refused("get", get("lazo#vcard"))[1], "not-allowed")
    equal(a.refused("set", publish("lazo#vcard", "current"))[1], "not-allowed")
    items_of = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", bare(a.jid))
    check("lazo#" not in ET.tostring(items_of).decode(), "hidden")
    a.close(), b.close()


def test_published_picture_is_in_vcard_and_presence():
    a, b = friends()
    stranger = login(relay, relay.user())
    a.result("set", vcard())
    show(a, PNG)
    equal(said(b.presence(a.jid)), sha1(PNG), "said again at once")
    equal(picture(card(a)), ("image/png", PNG))
    equal(picture(card(b, bare(a.jid))), ("image/png", PNG), "a contact may read the items")
    equal(picture(card(stranger, bare(a.jid))), None, "a stranger may not")
    a.send("<presence><show>away</show></presence>")
    equal(said(b.presence(a.jid)), sha1(PNG))
    a.send(f"<presence to='{stranger.jid}'/>")
    equal(said(stranger.presence(a.jid)), sha1(PNG), "XEP-0398 4: directed presence too")
    a.send("<presence><x xmlns='vcard-temp:x:update'/></presence>")
    equal(said(b.presence(a.jid)), sha1(PNG), "an empty x is overwritten")
    a.send("<presence><x xmlns='vcard-temp:x:update'><photo>0123</photo></x></presence>")
    equal(said(b.presence(a.jid)), sha1(PNG), "a wrong hash too")
    a.send("<presence><x xmlns='vcard-temp:x:update'><photo/></x></presence>")
    equal(said(b.presence(a.jid)), "", "an empty photo is the client's will")
    a.send("<presence/>")
    b.presence(a.jid)
    show(a, JPEG, "image/jpeg")
    equal(said(b.presence(a.jid)), sha1(JPEG))
    late = login(relay, bare(b.jid))
    equal(said(late.presence(a.jid)), sha1(JPEG), "who comes later sees it")
    equal(picture(card(b, bare(a.jid))), ("image/jpeg", JPEG))
    a.result("set", publish(META, "none", f"<metadata xmlns='{META}'/>"))
    equal(said(b.presence(a.jid)), None)
    equal(picture(card(a)), None)
    for s in (a, b, stranger, late):
        s.close()


def test_vcard_picture_is_published():
    a, b = friends()
    interests(b, META)
    b.barrier()
    a.result("set", vcard(photo=photo(JPEG, "image/jpeg")))
    found = event(b, bare(a.jid), META)
    info = found.find(f"{PUBSUB_EVENT}item/{{{META}}}metadata/{{{META}}}info")
    equal((info.get("id"), info.get("type"), info.get("bytes")), (sha1(JPEG), "image/jpeg", str(len(JPEG))))
    equal(said(b.presence(a.jid)), sha1(JPEG))
    stranger = login(relay, relay.user())
    reply = stranger.result("get", get(DATA), bare(a.jid))
    equal([(i, base64.b64decode(d)) for i, d in items(reply)], [(sha1(JPEG), JPEG)], "world-readable as a vCard is")
    equal(picture(card(stranger, bare(a.jid))), ("image/jpeg", JPEG))
    # The same again is no news; a vCard without a picture leaves it, an empty PHOTO ends it.
    a.result("set", vcard("Other", photo(JPEG, "image/jpeg")))
    a.result("set", vcard("Third"))
    no_event(b)
    equal(picture(card(a)), ("image/jpeg", JPEG))
    a.result("set", vcard("Third", "<PHOTO/>"))
    check(not len(event(b, bare(a.jid), META).find(f"{PUBSUB_EVENT}item/{{{META}}}metadata")), "none")
    equal(picture(card(a)), None)
    equal(text_of(card(a), VCARD + "FN"), "Third")
    for s in (a, b, stranger):
        s.close()


def test_odd_pictures():
    a, b = friends()
    by_reference = "<PHOTO><EXTVAL>http://example.org/x.png</EXTVAL></PHOTO>"
    a.result("set", vcard(photo=by_reference))
    equal(text_of(card(a), f"{VCARD}PHOTO/{VCARD}EXTVAL"), "http://example.org/x.png")
    a.result("set", vcard(photo="<PHOTO><BINVAL>no base64!</BINVAL></PHOTO>"))
    a.result("set", vcard(photo=f"<PHOTO><BINVAL>{b64(PNG)}</BINVAL></PHOTO>"))
    equal(picture(card(a)), ("image/png", PNG), "the type by its first bytes")
    # Metadata that points to nothing, or to something else than it says
    a.result("set", publish(META, "x", f"<metadata xmlns='{META}'><info bytes='1' id='{sha1(JPEG)}' type='image/png'/></metadata>"))
    equal(picture(card(a)), None)
    a.result("set", publish(DATA, sha1(JPEG), f"<data xmlns='{DATA}'>{b64(PNG)}</data>"))
    equal(picture(card(a)), None, "XEP-0398 3.1: the hash is looked at")
    a.result("set", publish(META, "x", f"<metadata xmlns='{META}'><info bytes='1' id='../etc' type='image/png'/></metadata>"))
    equal(picture(card(a)), None)
    a.close(), b.close()


@ours
def test_kept_over_a_restart():
    a, b = friends()
    a.result("set", vcard())
    show(a, PNG)
    names = bare(a.jid), bare(b.jid)
    relay.kill()
    relay.start()
    b, a = login(relay, names[1]), login(relay, names[0])
    equal(said(b.presence(a.jid)), sha1(PNG))
    equal(picture(card(b, names[0])), ("image/png", PNG))
    a.close(), b.close()


def test_announced():
    a = login(relay, relay.user())
    found = a.result("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", bare(a.jid))
    features = [f.get("var") for f in found.iter(DISCO_INFO + "feature")]
    check("urn:xmpp:pep-vcard-conversion:0" in features and "vcard-temp" in features, features)
    a.close()


main()
