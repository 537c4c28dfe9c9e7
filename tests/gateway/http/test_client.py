"""All commands against the sandbox's gateway, and what the client does when something goes wrong."""

from __future__ import annotations

import logging
import pickle
import re
import traceback
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from IPython.core.ultratb import VerboseTB

from clicknb.clock import SteppedClock
from clicknb.errors import (
    AccountError,
    ClicknbError,
    GatewayError,
    InDoubt,
    InvalidInput,
    NotSent,
    UnreadableReply,
)
from clicknb.gateway.credentials import Credentials, Secret
from clicknb.gateway.http.client import Clickatell
from clicknb.gateway.http.wire import Sent
from clicknb.gateway.transport import InProcessTransport, RequestsTransport
from clicknb.simulator import Gateway

HERS, HIS = "447700900123", "447700900456"
PASSWORD = "canary-hunter2"
SID = "41de6fadea35f71ce0caa29aff79d798"
APIMSGID = "a8db9f36aa88a563307f767653c464d0"
HEX = re.compile("[0-9a-f]{32}")


class Desk:
    """The sandbox's gateway in this process, its clock, and the paths that were asked for."""

    def __init__(self, **options):
        self.clock = SteppedClock()
        self.sandbox = Gateway(**options)
        self.paths = []
        login = Credentials("sandbox", Secret("sandbox"), "1")
        self.client = Clickatell(InProcessTransport(self._answer), login, clock=self.clock)

    def _answer(self, path, body):
        self.paths.append(path)
        return self.sandbox.answer(path, body, self.clock.now())


@pytest.fixture
def desk():
    return Desk()


class Scripted:
    """A transport that answers each command with what its script says next; the last answer stays."""

    def __init__(self, **answers):
        self.requests = []
        self._answers = {"auth": [f"OK: {SID}"]} | {
            command: answer if isinstance(answer, list) else [answer] for command, answer in answers.items()
        }

    def client(self, **options):
        return Clickatell(InProcessTransport(self._answer), Credentials("abc", Secret(PASSWORD), "1"), **options)

    def _answer(self, path, body):
        command = path.rpartition("/")[2]
        self.requests.append((command, body))
        answers = self._answers[command]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, type):
            raise answer
        status, text = answer if isinstance(answer, tuple) else (200, answer)
        return status, {}, text.encode()

    @property
    def commands(self):
        return [command for command, _ in self.requests]


# --- the 13 commands ---------------------------------------------------------------------------------------------


def test_auth_gives_a_secret_and_ping_keeps_the_session(desk):
    assert HEX.fullmatch(desk.client.auth().reveal())
    desk.client.ping()
    for _ in range(5):
        desk.clock.sleep(600)
        desk.client.ping()
    assert desk.paths.count("/http/auth") == 2


def test_wrong_credentials_are_an_account_error():
    desk = Desk(password="another")
    with pytest.raises(AccountError) as caught:
        desk.client.getbalance()
    assert caught.value.code in {"001", "002"}
    assert desk.paths == ["/http/auth"]


def test_one_message_is_sent_queried_and_charged(desk):
    (sent,) = desk.client.sendmsg(HERS, "Hello", climsgid="own1")
    assert sent == Sent(HERS, "accepted", apimsgid=sent.apimsgid)
    by_gateway = desk.client.querymsg(apimsgid=sent.apimsgid)
    assert by_gateway == desk.client.querymsg(climsgid="own1")
    assert by_gateway.apimsgid == sent.apimsgid
    charge = desk.client.getmsgcharge(apimsgid=sent.apimsgid)
    assert charge.apimsgid == sent.apimsgid
    assert desk.client.getbalance() == Decimal(1000) - charge.charge
    assert desk.client.getmsgcharge(climsgid="own1").charge == charge.charge


def test_one_text_goes_to_many_and_each_has_an_outcome(desk):
    found = desk.client.sendmsg([HERS, "27999100114", HIS], "Hello")
    assert [(sent.to, sent.state, sent.code) for sent in found] == [
        (HERS, "accepted", ""),
        ("27999100114", "rejected", "114"),
        (HIS, "accepted", ""),
    ]
    assert [message.to for message in desk.sandbox.messages] == [HERS, HIS]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Grüße für 5 €, ñ [x] {y} a|b", {}),
        ("Garçon ΔΦΓ 😀 `", {"concat": 3}),
        ("two\nlines", {"unicode": True}),
        ("Hello", {"unicode": False}),
    ],
)
def test_the_handset_shows_what_was_written(desk, text, options):
    (sent,) = desk.client.sendmsg(HERS, text, **options)
    assert sent.state == "accepted"
    assert desk.sandbox.messages[-1].text == text


def test_a_waiting_message_is_stopped(desk):
    (sent,) = desk.client.sendmsg(HERS, "Hello", deliv_time=60)
    assert desk.client.querymsg(apimsgid=sent.apimsgid).status == "011"
    assert desk.client.delmsg(apimsgid=sent.apimsgid).status == "006"
    (later,) = desk.client.sendmsg(HERS, "Hello", scheduled_time=desk.clock.now() + timedelta(hours=1))
    assert desk.client.delmsg(apimsgid=later.apimsgid).status == "006"


def test_an_unknown_message_is_a_status_or_an_error(desk):
    assert desk.client.querymsg(apimsgid="0" * 32).status == "001"
    with pytest.raises(GatewayError) as caught:
        desk.client.querymsg(climsgid="never")
    assert caught.value.code == "104"


def test_a_voucher_is_redeemed_once(desk):
    token, value = next(iter(desk.sandbox.vouchers.items()))
    desk.client.token_pay(token)
    assert desk.client.getbalance() == Decimal(1000) + value
    with pytest.raises(GatewayError):
        desk.client.token_pay(token)


def test_coverage_says_yes_and_no(desk):
    served = desk.client.route_coverage(HERS)
    assert served.supported
    assert served.charge is not None
    assert served.charge > 0
    assert not desk.client.route_coverage("999").supported


def test_a_batch_fills_in_its_fields(desk):
    batch = desk.client.startbatch("Hi #field1#, see you at #field2#", sender="MyShop")
    assert desk.client.senditem(batch, HERS, field1="Zoé", field2="ten").state == "accepted"
    assert desk.sandbox.messages[-1].text == "Hi Zoé, see you at ten"
    assert [sent.state for sent in desk.client.quicksend(batch, [HERS, HIS])] == ["accepted", "accepted"]
    desk.client.endbatch(batch)
    assert desk.client.senditem(batch, HERS).code == "201"
    with pytest.raises(GatewayError):
        desk.client.endbatch("0" * 32)


def test_a_batch_in_another_script_sends_it(desk):
    batch = desk.client.startbatch("Καλημέρα")
    desk.client.quicksend(batch, HERS)
    assert desk.sandbox.messages[-1].text == "Καλημέρα"


# --- what is refused before it leaves ----------------------------------------------------------------------------


BAD_CALLS = [
    lambda client: client.sendmsg("+447700900123", "Hello"),
    lambda client: client.sendmsg([], "Hello"),
    lambda client: client.sendmsg([HERS] * 601, "Hello"),
    lambda client: client.sendmsg(f"{HERS},{HIS}", "Hello"),
    lambda client: client.sendmsg(HERS),
    lambda client: client.sendmsg(HERS, "Hello", data="00"),
    lambda client: client.sendmsg(HERS, "Ω", unicode=False),
    lambda client: client.sendmsg(HERS, "Hello", concat=99),
    lambda client: client.querymsg(),
    lambda client: client.querymsg(apimsgid="0" * 32, climsgid="a"),
    lambda client: client.delmsg(apimsgid="short"),
    lambda client: client.token_pay("1"),
    lambda client: client.route_coverage("+44"),
    lambda client: client.startbatch(""),
    lambda client: client.startbatch("Ω #field1#"),
    lambda client: client.senditem("0" * 32, HERS, name="x"),
    lambda client: client.senditem("0" * 32, HERS, field1="Ω"),
    lambda client: client.senditem("short", HERS),
    lambda client: client.quicksend("0" * 32, []),
    lambda client: client.endbatch("x"),
]


@pytest.mark.parametrize("call", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_bad_input_never_reaches_the_gateway(desk, call):
    with pytest.raises(InvalidInput):
        call(desk.client)
    assert set(desk.paths) <= {"/http/auth"}
    assert desk.sandbox.messages == []


# --- sessions ----------------------------------------------------------------------------------------------------


def test_an_expired_session_is_renewed_and_the_message_accepted_once():
    script = Scripted(sendmsg=["ERR: 003, Session ID expired", f"ID: {APIMSGID}"])
    assert [sent.state for sent in script.client().sendmsg(HERS, "Hello")] == ["accepted"]
    assert script.commands == ["auth", "sendmsg", "auth", "sendmsg"]


def test_a_session_that_expires_again_is_not_renewed_for_ever():
    script = Scripted(sendmsg="ERR: 003, Session ID expired", ping="ERR: 003, Session ID expired")
    (sent,) = script.client().sendmsg(HERS, "Hello")
    assert (sent.state, sent.code) == ("planned", "003")
    with pytest.raises(GatewayError):
        script.client().ping()
    assert script.commands == ["auth", "sendmsg", "auth", "sendmsg", "auth", "ping", "auth", "ping"]


def test_the_sandboxs_session_ends_and_nobody_notices(desk):
    desk.client.sendmsg(HERS, "Hello")
    desk.clock.sleep(3600)
    desk.client.sendmsg(HIS, "Hello")
    assert len(desk.sandbox.messages) == 2


def test_a_session_is_shared_with_whoever_prepares_requests(desk):
    request = desk.client.request("getbalance", {})
    assert desk.client.transport.send(request).text.startswith("Credit:")
    renewed = desk.client.session.renew(request.parameters["session_id"])
    assert desk.client.request("getbalance", {}).parameters["session_id"] == renewed


# --- answers that get lost ---------------------------------------------------------------------------------------

NO_REPLY = [ConnectionResetError, TimeoutError]


@pytest.mark.parametrize("lost", NO_REPLY)
def test_a_lost_answer_is_unknown_and_never_sent_again(lost):
    script = Scripted(sendmsg=lost, senditem=lost, quicksend=lost)
    client = script.client()
    found = [
        *client.sendmsg([HERS, HIS], "Hello"),
        client.senditem(APIMSGID, HERS),
        *client.quicksend(APIMSGID, [HERS, HIS]),
    ]
    assert [sent.state for sent in found] == ["unknown"] * 5
    assert "Do not send it again" in found[0].error
    assert script.commands == ["auth", "sendmsg", "senditem", "quicksend"]


@pytest.mark.parametrize("answer", [(502, "<html>"), "", "<html>", f"ID: {APIMSGID[:30]}", "ERR: 901, Internal error"])
def test_an_unclear_answer_is_unknown_and_never_sent_again(answer):
    script = Scripted(sendmsg=answer)
    assert [sent.state for sent in script.client().sendmsg(HERS, "Hello")] == ["unknown"]
    assert script.commands.count("sendmsg") == 1


def test_a_gateway_out_of_reach_is_an_error_and_nothing_was_sent():
    script = Scripted(sendmsg=ConnectionRefusedError)
    with pytest.raises(NotSent):
        script.client().sendmsg(HERS, "Hello")


@pytest.mark.parametrize("lost", NO_REPLY)
def test_a_lost_login_leaves_no_doubt_about_the_message(lost):
    script = Scripted(auth=lost)
    with pytest.raises(NotSent, match="was not sent"):
        script.client().sendmsg(HERS, "Hello")
    assert script.commands == ["auth"]


def test_a_login_that_is_lost_after_an_expired_session_leaves_no_doubt_either():
    script = Scripted(auth=[f"OK: {SID}", ConnectionResetError], sendmsg="ERR: 003, Session ID expired")
    with pytest.raises(NotSent):
        script.client().sendmsg(HERS, "Hello")


def test_a_voucher_whose_answer_is_lost_is_not_redeemed_again():
    script = Scripted(token_pay=ConnectionResetError)
    with pytest.raises(InDoubt):
        script.client().token_pay("1234" * 4)
    assert script.commands.count("token_pay") == 1


# --- secrets -----------------------------------------------------------------------------------------------------


def test_the_client_says_who_and_where():
    client = Clickatell(RequestsTransport("https://api.clickatell.com"), Credentials("abc", Secret(PASSWORD), "1"))
    assert repr(client) == "<Clickatell user 'abc' at https://api.clickatell.com>"


def verbose(error):
    """What IPython shows with all local variables, save for those of the test."""
    outer = error.__traceback__.tb_next
    return VerboseTB(theme_name="nocolor").text(type(error), error, outer)


FAILURES = {
    "auth refused": {"auth": ConnectionRefusedError},
    "auth lost": {"auth": ConnectionResetError},
    "auth wrong": {"auth": f"ERR: 001, Authentication failed for {PASSWORD[:6]}"},
    "auth odd": {"auth": f"session {SID}"},
    "auth page": {"auth": (502, f"<html>{SID}</html>")},
    "refused": {"getbalance": ConnectionRefusedError},
    "lost": {"getbalance": ConnectionResetError},
    "error": {"getbalance": "ERR: 301, No Credit Left"},
    "odd": {"getbalance": f"OK: {SID}"},
    "expired": {"auth": [f"OK: {SID}", ConnectionResetError], "getbalance": "ERR: 003, Session ID expired"},
    "expired twice": {"auth": [f"OK: {SID}"] * 2, "getbalance": ["ERR: 003, Session ID expired", ConnectionResetError]},
}


@pytest.mark.parametrize("answers", FAILURES.values(), ids=FAILURES)
def test_no_error_log_or_repr_shows_a_secret(answers, caplog):
    caplog.set_level(logging.DEBUG)
    client = Scripted(**answers).client()
    try:
        client.getbalance()
    except ClicknbError as error:
        shown = [
            repr(error),
            repr(vars(error)),
            "".join(traceback.format_exception(error)),
            verbose(error),
        ]
    shown += [caplog.text, repr(client), repr(client.session), repr(vars(client)), repr(vars(client.session))]
    for text in shown:
        assert PASSWORD not in text
        assert SID not in text
    for thing in (client, client.session):
        with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
            pickle.dumps(thing)


def test_commands_are_logged_without_their_values(desk, caplog):
    caplog.set_level(logging.DEBUG)
    (sent,) = desk.client.sendmsg(HERS, "a private text")
    assert re.search(r"sendmsg: 200, \d+ bytes in", caplog.text)
    for value in (HERS, "private", "sandbox=", sent.apimsgid):
        assert value not in caplog.text


def test_over_a_socket_no_layer_shows_a_secret(caplog):
    caplog.set_level(logging.DEBUG)
    transport = RequestsTransport("http://127.0.0.1:1")
    client = Clickatell(transport, Credentials("abc", Secret(PASSWORD), "1"))
    with pytest.raises(NotSent) as caught:
        client.sendmsg(HERS, "Hello")
    assert PASSWORD not in verbose(caught.value)
    for text in (caplog.text, "".join(traceback.format_exception(caught.value))):
        assert PASSWORD not in text
        assert HERS not in text


def test_a_password_that_cannot_be_encoded_is_not_shown():
    client = Clickatell(
        InProcessTransport(lambda _path, _body: (200, {}, b"")), Credentials("a", Secret("Ω-canary"), "1")
    )
    with pytest.raises(InvalidInput) as caught:
        client.ping()
    assert "canary" not in verbose(caught.value) + str(caught.value)


def test_an_unreadable_login_is_told_as_such():
    with pytest.raises(UnreadableReply):
        Scripted(auth="hello").client().ping()


def test_times_are_written_in_utc(desk):
    at = datetime(2026, 3, 3, 12, tzinfo=UTC)
    desk.client.sendmsg(HERS, "Hello", scheduled_time=at)
    assert desk.client.querymsg(apimsgid=desk.sandbox.messages[-1].apimsgid).status == "011"
