#!/usr/bin/python3
"""The same relay through a library that others use: slixmpp, with its own ideas of each protocol."""
import asyncio
import contextlib
import logging

import slixmpp

from lazo_test import *

logging.disable(logging.CRITICAL)
PLUGINS = ("xep_0004", "xep_0030", "xep_0050", "xep_0059", "xep_0060", "xep_0092", "xep_0115", "xep_0163", "xep_0199",
           "xep_0202", "xep_0203")


def setup():
    global relay
    relay = Relay()


class Client(slixmpp.ClientXMPP):
    """Logged in by start(); what comes is in queues."""

    def __init__(self, jid, password=PASSWORD, direct=False):
        super().__init__(jid, password)
        for plugin in PLUGINS:
            self.register_plugin(plugin)
        self.ca_certs = str(relay.authority.crt)
        self.direct = direct
        self.messages, self.subscriptions, self.events = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        self.here = asyncio.Event()
        self.failure = None
        self.auto_authorize = None
        self.add_event_handler("session_start", self._started)
        self.add_event_handler("failed_auth", self._failed)
        self.add_event_handler("message", self.messages.put_nowait)
        self.add_event_handler("presence_subscribe", self.subscriptions.put_nowait)
        self.add_event_handler("pubsub_publish", self.events.put_nowait)

    async def _started(self, _):
        self.send_presence()
        await self.get_roster()
        self.here.set()

    def _failed(self, _):
        self.failure = "authentication"
        self.here.set()

    async def start(self):
        self.connect(("127.0.0.1", relay.tls_port if self.direct else relay.port), use_ssl=self.direct)
        await asyncio.wait_for(self.here.wait(), 15)
        return self

    async def next(self, queue, seconds=10):
        return await asyncio.wait_for(queue.get(), seconds)

    async def stop(self):
        await self.disconnect()


def run(coroutine):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, 60))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()


def test_two_people_from_strangers_to_a_talk():
    async def scene():
        ana = await Client(relay.user("ana")).start()
        luis = await Client(relay.user("luis"), direct=True).start()
        check(ana.failure is None and luis.failure is None, "both logged in")
        ana.send_presence_subscription(luis.boundjid.bare)
        asked = await luis.next(luis.subscriptions)
        equal(asked["from"].bare, ana.boundjid.bare)
        luis.send_presence_subscription(ana.boundjid.bare, ptype="subscribed")
        luis.send_presence_subscription(ana.boundjid.bare)
        await ana.next(ana.subscriptions)
        ana.send_presence_subscription(luis.boundjid.bare, ptype="subscribed")
        for _ in range(100):
            if ana.client_roster[luis.boundjid.bare]["subscription"] == "both":
                break
            await asyncio.sleep(0.05)
        equal(ana.client_roster[luis.boundjid.bare]["subscription"], "both")
        ana.send_message(luis.boundjid.bare, "¿Cómo estás?", mtype="chat")
        got = await luis.next(luis.messages)
        equal((got["body"], got["from"].full), ("¿Cómo estás?", ana.boundjid.full))
        got.reply("Bien, ¿y tú?").send()
        equal((await ana.next(ana.messages))["body"], "Bien, ¿y tú?")
        await luis.stop()
        ana.send_message(luis.boundjid.bare, "para luego", mtype="chat")
        await asyncio.sleep(1.2)
        luis = await Client(luis.boundjid.bare).start()
        got = await luis.next(luis.messages)
        while got["body"] == "¿Cómo estás?":        # it left before it was asked whether it had that one
            got = await luis.next(luis.messages)
        equal(got["body"], "para luego")
        check(got["delay"]["stamp"] is not None, "its delay stamp, as slixmpp reads it")
        await ana.stop()
        await luis.stop()
    run(scene())


def test_wrong_password():
    async def scene():
        jid = relay.user("eva")
        client = Client(jid, "wrong")
        await client.start()
        equal(client.failure, "authentication")
        with contextlib.suppress(AttributeError):       # 1.8.3, when the relay has closed already
            client.abort()
    run(scene())


def test_wrong_authority():
    async def scene():
        client = Client(relay.user("eco"))
        client.ca_certs = str(Authority(scratch() / "foreign", "Foreign").crt)
        failed = asyncio.Event()
        client.add_event_handler("ssl_invalid_chain", lambda *_: failed.set())
        client.add_event_handler("connection_failed", lambda *_: failed.set())
        client.add_event_handler("disconnected", lambda *_: failed.set())
        client.connect(("127.0.0.1", relay.port))
        await asyncio.wait_for(failed.wait(), 15)
        check(not client.here.is_set(), "logged in through an authority that it does not know")
        client.abort()
    run(scene())


def test_information():
    async def scene():
        ana = await Client(relay.user("info")).start()
        info = await ana["xep_0030"].get_info(HOST)
        check("urn:xmpp:ping" in info["disco_info"]["features"], "disco")
        check(await ana["xep_0199"].ping(HOST) < 5, "ping")
        version = await ana["xep_0092"].get_version(HOST)
        check(version["software_version"]["name"], "version")
        stamp = await ana["xep_0202"].get_entity_time(HOST)
        check(stamp.xml.find(".//{urn:xmpp:time}utc").text.endswith("Z"), "time (1.8.3 cannot parse its own answers)")
        await ana.stop()
    run(scene())


def test_personal_eventing():
    async def scene():
        ana, luis = await Client(relay.user("pep1")).start(), await Client(relay.user("pep2")).start()
        for one, other in ((ana, luis), (luis, ana)):
            one.send_presence_subscription(other.boundjid.bare)
            await other.next(other.subscriptions)
            other.send_presence_subscription(one.boundjid.bare, ptype="subscribed")
        luis["xep_0163"].add_interest("urn:example:mood")
        await luis["xep_0115"].update_caps()
        await asyncio.sleep(1)
        payload = slixmpp.xmlstream.ET.fromstring("<mood xmlns='urn:example:mood'>happy</mood>")
        await ana["xep_0060"].publish(ana.boundjid.bare, "urn:example:mood", id="now", payload=payload)
        event = await luis.next(luis.events)
        equal((event["from"].bare, event["pubsub_event"]["items"]["node"]), (ana.boundjid.bare, "urn:example:mood"))
        items = await luis["xep_0060"].get_items(ana.boundjid.bare, "urn:example:mood")
        equal([i["id"] for i in items["pubsub"]["items"]], ["now"])
        await ana["xep_0060"].retract(ana.boundjid.bare, "urn:example:mood", "now", notify=True)
        items = await luis["xep_0060"].get_items(ana.boundjid.bare, "urn:example:mood")
        equal(len(items["pubsub"]["items"]), 0)
        await ana.stop()
        await luis.stop()
    run(scene())


main()
