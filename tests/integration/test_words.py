#!/usr/bin/python3
"""Words that the relay's own address answers: status and help, in the account's language, for people with any app."""
import re

from lazo_test import *
from xmpp_raw import *
from archive import archive

LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def setup():
    global relay
    relay = Relay()


def ask(stream, body, lang=None, kind="chat"):
    attribute = f" xml:lang='{lang}'" if lang else ""
    typed = f" type='{kind}'" if kind else ""
    stream.send(f"<message to='{HOST}'{typed} id='{new_id()}'{attribute}><body>{body}</body></message>")
    answer = stream.message(HOST)
    equal((answer.get("to"), answer.get("type")), (stream.jid, kind), "to who asked, in kind")
    check(answer.find("{urn:xmpp:hints}no-store") is not None, "said and not kept")
    return text_of(answer, CLIENT + "body"), answer.find(CLIENT + "body").get(LANG) or answer.get(LANG)


def say(stream, to, body):
    stream.send(f"<message type='chat' to='{to}' id='{new_id()}'><body>{body}</body></message>")


@ours
def test_languages():
    a = login(relay, relay.user())
    for body, lang, tag, piece in (("status", None, "en", "Held for you: nothing"), ("Estado", None, "es", "En espera para usted: nada"),
                                   ("ÉTAT", None, "fr", "En attente pour vous"), ("status", "pt-BR", "pt", "Em espera para você"),
                                   ("ayuda", None, "es", "estado"), ("help", "fr", "fr", "état")):
        text, said = ask(a, body, lang)
        equal(said, tag, body)
        check(piece in text, f"{body}: {text}")
    a.close()
    b = login(relay, relay.user())
    check("I understand two words" in ask(b, "where are my messages?")[0], "anything else: what it understands")
    check("Entiendo dos palabras" in ask(b, "hola qué tal", "es", None)[0], "in the language of the stanza")
    b.close()


@ours
def test_language_of_the_stream():
    header = (f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' xml:lang='fr-CA' xmlns='jabber:client' "
              "xmlns:stream='http://etherx.jabber.org/streams'>")
    a = Stream(relay)
    a.open = lambda: Stream.open(a, header=header)      # each of its streams
    a.open()
    a.starttls()
    a.open()
    a.auth(relay.user().partition("@")[0], PASSWORD)
    a.bind()
    check("En attente pour vous" in ask(a, "status")[0], "the app's own language")
    a.close()


@ours
def test_what_waits():
    a, b, c = login(relay, relay.user()), login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    name, other = bare(b.jid), bare(c.jid)
    b.close(), c.close()
    a.barrier()
    for i in range(3):
        say(a, name, f"n{i}")
    say(a, other, "to one who is no contact")
    a.barrier()
    text, _ = ask(a, "status")
    check(re.search(rf"{name}: 3 \(the oldest from \d{{4}}-\d\d-\d\d \d\d:\d\d UTC\)", text), text)
    check(other not in text, "who shows no presence is not told of")
    check("I cannot tell" in text, "says what it cannot answer")
    check("Held for you: nothing" in text, text)
    b = login(relay, name, presence=False)
    text, _ = ask(b, "estado")
    check("dispositivos: 3 " in text, text)
    available(b)
    for i in range(3):
        b.message(bare(a.jid), f"n{i}")
    b.barrier()
    text = eventually(lambda: (t := ask(a, "status")[0]) and "nothing waits" in t and t or time_off(), 20, "all confirmed")
    b.close(), a.close()


@ours
def test_the_blocked_learn_nothing():
    """Else what waits would vanish before their eyes when the one who blocks them comes (R8, XEP-0191 4)."""
    a, b = login(relay, relay.user()), login(relay, relay.user())
    befriend(a, b)
    name = bare(b.jid)
    b.close()
    a.barrier()
    for i in range(2):
        say(a, name, f"n{i}")
    a.barrier()
    check(f"{name}: 2 " in ask(a, "status")[0], "before")
    b = login(relay, name, presence=False)
    b.result("set", f"<block xmlns='urn:xmpp:blocking'><item jid='{bare(a.jid)}'/></block>")
    blocked = ask(a, "status")[0]
    available(b)
    eventually(lambda: [u for u in relay.ctl_json("user", "list") if u["jid"] == name][0]["pending"] == 0, what="dropped")
    equal(ask(a, "status")[0], blocked, "the same before and after the one who blocks was here")
    a.close(), b.close()


def time_off():
    """Questions are few."""
    import time
    time.sleep(1)
    return None


@ours
def test_only_questions_are_answered():
    a = login(relay, relay.user())
    for silent in (f"<message to='{HOST}' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
                   f"<message to='{HOST}' type='error'><body>status</body><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
                   f"<message to='{HOST}'><received xmlns='urn:xmpp:receipts' id='x'/></message>"):
        a.send(silent)
        equal([e for e in a.barrier() if e.tag == CLIENT + "message"], [], silent)
    for kind in ("headline", "groupchat"):
        a.send(f"<message to='{HOST}' type='{kind}' id='k'><body>status</body></message>")
        equal([e.get("type") for e in a.barrier() if e.tag == CLIENT + "message"], ["error"], kind)
    a.close()


@ours
def test_neither_archived_nor_copied():
    a = login(relay, relay.user())
    second = login(relay, bare(a.jid))
    for s in (a, second):
        s.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
    ask(a, "status")
    equal([e for e in second.barrier() if e.tag == CLIENT + "message"], [], "no copy")
    equal(archive(a).bodies, [])
    a.close(), second.close()


@ours
def test_few_at_a_time():
    a = login(relay, relay.user())
    for i in range(30):
        a.send(f"<message to='{HOST}' type='chat' id='q{i}'><body>status</body></message>")
    came = [e for e in a.barrier() if e.tag == CLIENT + "message"]
    answers, refused = [e for e in came if e.get("type") == "chat"], [e for e in came if e.get("type") == "error"]
    check(10 <= len(answers) <= 12 and len(answers) + len(refused) == 30, f"{len(answers)} answers, {len(refused)} refused")
    equal(error_of(refused[0]), ("wait", "resource-constraint"))
    second = login(relay, bare(a.jid))
    second.send(f"<message to='{HOST}' type='chat' id='r'><body>status</body></message>")
    equal(second.message(HOST).get("type"), "error", "per account")
    other = login(relay, relay.user())
    ask(other, "status")
    for s in (a, second, other):
        s.close()


main()
