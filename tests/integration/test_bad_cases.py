#!/usr/bin/python3
"""Hand-made bad input with the answer that is right for it, as data: cases/*.cases but the stream's own, which test_bad_xml.py sends."""
import pathlib

from lazo_test import *
from xmpp_raw import *
from cases import Cases, load

FOLDER = pathlib.Path(__file__).parent / "cases"


def setup():
    global relay, friend, bystander, CASES
    relay = Relay(plain=True)
    jid, friend = relay.user(), login(relay, relay.user())
    me = login(relay, jid)
    befriend(me, friend)
    me.close()
    bystander = Bystander(relay)
    CASES = Cases(relay, jid, friend)


for _file in sorted(FOLDER.glob("*.cases")):
    if _file.stem == "stream":
        continue
    for _what, _phase, _text, _answer in load(_file):
        globals()[f"test_{_file.stem}: {_what}"] = lambda p=_phase, t=_text, a=_answer: CASES.run(p, t, a)


def test_enough_of_them():
    count = sum(len(list(load(file))) for file in FOLDER.glob("*.cases"))
    print(f"  {count} cases in {len(list(FOLDER.glob('*.cases')))} files")
    check(count >= 400, f"{count} cases")


def test_the_checker_sees_a_wrong_answer():
    # Negative control: right input, wrong expectation, for each sort of answer.
    ping = "<iq type='get' id='x' to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>"
    body = "<message to='{FRIENDBARE}' type='chat' id='c'><body>x</body></message>"
    for phase, text, answer in (("ready", ping, "stanza cancel service-unavailable"), ("ready", "<iq type='get' id='x' to='{HOST}'/>", "result"),
                                ("ready", body, "vanishes"), ("ready", body, "passes"), ("ready", ping, "reaches"),
                                ("ready", body, "reaches +absent"), ("ready", body, "reaches -x</"),
                                ("tls", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X'/>", "sasl not-authorized"),
                                ("ready", "<a xmlns='urn:xmpp:sm:3' h='0'/>", "stream bad-format"), ("ready", "</stream:stream>", "stream bad-format")):
        try:
            CASES.friend.timeout = 3
            CASES.run(phase, text, answer)
        except (AssertionError, TimeoutError, Closed):
            friend.barrier()
            continue
        raise AssertionError(f"{answer} was believed of {text}")


def test_last_nobody_was_disturbed():
    friend.timeout = 10
    bystander.verdict(5 if not SANITIZED else 20)
    friend.close()


main()
