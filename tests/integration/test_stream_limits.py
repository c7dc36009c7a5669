#!/usr/bin/python3
"""Stream limits (XEP-0478 0.2.0): what the relay says of its limits, wherever it says it, is what it does; to the byte."""
import time

from lazo_test import *
from xmpp_fast import SASL2, agent, bind2, by_password, get_token, by_token, secured
from xmpp_raw import *

BEFORE, AFTER = (16 * 1024, 30), (256 * 1024, 300)      # bytes, seconds


def setup():
    global relay, jid, user
    relay = Relay(server=["127.0.0.1:0"])
    jid = relay.user()
    user = bare(jid).partition("@")[0]


def said(features):
    found = features.find(LIMITS + "limits")
    if found is None:
        return None
    return int(text_of(found, LIMITS + "max-bytes")), int(text_of(found, LIMITS + "idle-seconds"))


def test_said_in_features():
    # Section 4, and 5: they may change whenever features are announced anew
    stream = Stream(relay)
    stream.open()
    equal(said(stream.features), BEFORE, "in the clear")
    stream.starttls()
    stream.open()
    check(said(stream.features) in (None, BEFORE), "over TLS: the same, if anything")
    stream.auth(user)
    equal(said(stream.features), AFTER, "after authentication")
    stream.bind()
    stream.close()


def test_said_by_every_way_in():
    stream = secured(relay, jid)
    by_password(stream, user, inside=agent("d4565fa7-4d72-4749-b3d3-740edbf87770") + bind2())
    equal(said(stream.features), AFTER, "SASL2 and Bind 2")
    stream.close()
    client, token = get_token(relay, jid)
    stream = secured(relay, jid)
    by_token(stream, user, token, client, inside=bind2())
    check(said(stream.features) in (None, AFTER), "by token")
    stream.close()
    other = Stream(relay, port=relay.ports["server"])
    other.open(header=f"<stream:stream xmlns='jabber:server' from='otro.example' to='{HOST}' version='1.0' "
               "xmlns:stream='http://etherx.jabber.org/streams'>")
    equal(said(other.features)[0], BEFORE[0], "to another relay")
    other.drop()


def padded(total, head, tail, fill="x"):
    room = total - len(head.encode()) - len(tail.encode())
    return (head + fill * (room // len(fill.encode())) + "x" * (room % len(fill.encode())) + tail).encode()


def test_true_to_the_byte_after_login():
    # Section 4: the size of any first-level element, in bytes: not characters, and not of one stanza alone
    friend = login(relay, relay.user())
    for what, head, tail, fill in (
            ("one-byte characters", f"<message to='{friend.jid}' type='headline'><body>", "</body></message>", "x"),
            ("four-byte characters", f"<message to='{friend.jid}' type='headline'><body>", "</body></message>", "\U0001F4EE"),
            ("an iq", "<iq type='get' id='big'><x xmlns='urn:example:x'>", "</x></iq>", "x"),
            ("no stanza", "<r xmlns='urn:xmpp:sm:3' a='", "'/>", "x")):
        stream = login(relay, jid)
        most = AFTER[0]
        whole = padded(most, head, tail, fill)
        equal(len(whole), most)
        stream.send(whole)
        if what == "no stanza":
            equal(stream.stream_error(), "unsupported-stanza-type", "read whole, and judged by what it is: nothing was enabled")
        elif what == "an iq":
            equal(error_of(stream.wait(lambda e: e.get("id") == "big"))[1], "service-unavailable")
            stream.close()
        else:
            stream.barrier()
            friend.message(timeout=20)
            stream.close()
        stream = login(relay, jid)
        stream.send(padded(most + 1, head, tail, fill))
        equal(stream.stream_error(), "policy-violation", what)
    friend.close()


def test_true_to_the_byte_before_login():
    for over in (0, 1):
        stream = Stream(relay, direct=True)
        stream.open()
        stream.send(padded(BEFORE[0] + over, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='", "'/>"))
        if over:
            equal(stream.stream_error(), "policy-violation")
        else:
            equal(local(stream.read()[0]), "invalid-mechanism")
            stream.drop()


def test_what_a_contact_may_send_every_device_can_be_sent():
    """The standard has no limit for what comes to a client: what was taken at the limit arrives with all that is added to it."""
    sender = login(relay, jid)
    to = relay.user()
    head, tail = f"<message to='{to}' type='chat' id='most'><body>", "</body></message>"
    sender.send(padded(AFTER[0], head, tail))
    sender.barrier()
    receiver = login(relay, to)
    got = receiver.message(id="most", timeout=20)
    equal(len(text_of(got, CLIENT + "body")), AFTER[0] - len(head) - len(tail))
    check(got.find(SID + "stanza-id") is not None and got.find(DELAY + "delay") is not None, "though it has grown")
    sender.close()
    receiver.close()


def test_the_time_before_login():
    stream = Stream(relay, direct=True)
    stream.open()
    start = time.monotonic()
    equal(stream.stream_error(BEFORE[1] + 15), "connection-timeout")
    check(BEFORE[1] - 1 < time.monotonic() - start, "not before its time")


main()
