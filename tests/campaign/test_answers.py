"""The table that says what each answer to a send means."""

from __future__ import annotations

import pytest

from clicknb.campaign.answers import MATRIX, Rule, judge
from clicknb.errors import InDoubt, NotSent
from clicknb.gateway.http import codes, wire
from clicknb.gateway.http.wire import Reply

TO = "447700900123"


def verdict(body: bytes, status: int = 200) -> Rule:
    reply = Reply(status, body)
    (sent,) = wire.read_sends(reply, [TO])
    return judge(sent, reply)


def test_the_table_names_every_documented_error_and_every_other_kind_of_answer():
    assert len(MATRIX) >= 45
    assert {f"error {code}" for code in codes.ERRORS} <= set(MATRIX)


@pytest.mark.parametrize("code", list(codes.ERRORS))
def test_the_table_agrees_with_what_the_raw_commands_say(code):
    rule = verdict(f"ERR: {code}, words".encode())
    assert rule == MATRIX[f"error {code}"]
    assert rule.state.replace("returned", "planned") == codes.ERRORS[code].after_send
    assert (rule.then == "stop") == codes.ERRORS[code].stops_campaign


@pytest.mark.parametrize(
    ("body", "status", "rule"),
    [
        (b"ID: a8db9f36aa88a563307f767653c464d0", 200, Rule("accepted")),
        (b"ID: a8db9f36aa88a563307f767653c464d0", 500, Rule("unknown")),
        (b"ID: a8db9f36aa88a563307f767653c464", 200, Rule("unknown")),
        (b"ERR: 555, new", 200, Rule("unknown")),
        (b"", 200, Rule("unknown")),
        (b"<html>", 200, Rule("unknown")),
        (b"", 204, Rule("unknown")),
        (b"", 302, Rule("unknown")),
        (b"", 404, Rule("unknown")),
        (b"", 429, Rule("returned", "pause", ask=True)),
        (b"ERR: 105, Invalid Destination Address", 502, Rule("unknown")),
    ],
)
def test_only_a_clear_answer_settles_a_message(body, status, rule):
    assert verdict(body, status) == rule


def test_without_a_reply_it_matters_whether_anything_left():
    sent = wire.Sent(TO, "unknown")
    assert judge(sent, NotSent("refused")) == Rule("returned", "pause")
    assert judge(sent, InDoubt("lost")) == Rule("unknown")


def test_nothing_that_may_have_been_accepted_is_sent_again_by_the_program():
    returned = {name for name, rule in MATRIX.items() if rule.state == "returned"}
    refusals = {f"error {code}" for code in ("001", "002", "003", "004", "007", "108", "130", "301")}
    assert returned == refusals | {"http 429", "not sent"}


def test_what_came_back_by_an_answer_is_asked_about_before_it_leaves_again_and_nothing_else():
    asked = {name for name, rule in MATRIX.items() if rule.ask}
    assert asked == {name for name, rule in MATRIX.items() if rule.state == "returned"} - {"not sent"}
