"""When the gateway's denials settle a doubt: often enough, for long enough, by two clocks."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import clicknb as cn
from clicknb.errors import GatewayError
from clicknb.simulator import Gateway, Response, replies
from tests.promise.harness import in_process

RESET = pd.DataFrame({"to": ["27999400002"]})
"""The sandbox breaks the connection before it accepts a message to this number, and denies it for ever."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def doubtful(sms: cn.Account) -> cn.Campaign:
    return sms.plan(RESET, to="to", text="Hi", name="reset").send(progress=False)


def live(sms: cn.Account, story: list[float | timedelta], name: str = "reset") -> str:
    """Let seconds pass and ask after each, or set the time of day; returns what the message is thought to be."""
    clock: Any = sms.context.clock
    campaign = sms.campaign(name)
    for step in story:
        if isinstance(step, timedelta):
            clock.turn(step)
        else:
            clock.sleep(step)
            campaign.reconcile(timeout=0)
    (state,) = campaign.counts
    return state


@pytest.mark.parametrize(
    ("story", "state"),
    [
        pytest.param([30, 60, 60], "absent", id="three over two minutes, begun at thirty seconds"),
        pytest.param([30, 120], "unknown", id="two"),
        pytest.param([30, 60, 59.999], "unknown", id="a moment less than two minutes"),
        pytest.param([29.999, 60, 60.001], "unknown", id="begun a moment before thirty seconds"),
        pytest.param([0, 29.999, 0.001, 60, 60], "absent", id="what was too early takes nothing away"),
        pytest.param([1, 1, 1, 1, 1, 1, 1, 1], "unknown", id="often but not long"),
    ],
)
def test_three_denials_over_two_minutes_begun_thirty_seconds_after_the_attempt_are_enough(story, state):
    with cn.sandbox() as sms:
        doubtful(sms)
        assert live(sms, story) == state


@pytest.mark.parametrize(
    ("story", "state"),
    [
        pytest.param([30, HOUR, 0, HOUR, 0, 0], "unknown", id="forth between denials"),
        pytest.param([30, HOUR, 0, HOUR, 0, 120], "absent", id="forth, and then two minutes pass"),
        pytest.param([HOUR, 0, 60, 60], "unknown", id="forth after the attempt"),
        pytest.param([HOUR, 0, 60, 60, 60], "absent", id="forth after the attempt, and then three count"),
        pytest.param([HOUR, 29.999, 60, 60], "unknown", id="forth, a moment before thirty seconds"),
        pytest.param([HOUR, 30, 60, 60], "absent", id="forth, at thirty seconds"),
        pytest.param([30, -HOUR, 60, 60, 60], "unknown", id="back behind the attempt"),
        pytest.param([30, -HOUR, 60, 60, HOUR, 60, 60], "absent", id="back and right again"),
        pytest.param([-HOUR, 30, 60, 60], "unknown", id="the attempt is in the future"),
        pytest.param([120, -HOUR / 60, 60, -HOUR / 60, 60], "unknown", id="three at the same time of day"),
        pytest.param([120, -HOUR / 60, 60, -HOUR / 60, 60, 60, 60], "absent", id="three more at others"),
    ],
)
def test_a_denial_counts_only_as_time_passes_however_the_clock_is_set(story, state):
    with cn.sandbox() as sms:
        doubtful(sms)
        assert live(sms, story) == state


@pytest.mark.parametrize(
    ("story", "state"),
    [
        pytest.param([5 * 86_400, 60, 60], "absent", id="within six days"),
        pytest.param([6 * 86_400 + 1, 60, 60], "unknown", id="after six days"),
        pytest.param([-3 * DAY, 6 * 86_400 + 1, 60, 60], "unknown", id="after six days that look like three"),
        pytest.param([7 * DAY, 60, 60, 60], "unknown", id="after a minute that looks like a week"),
    ],
)
def test_what_the_gateway_has_forgotten_is_no_denial(story, state):
    with cn.sandbox() as sms:
        doubtful(sms)
        assert live(sms, story) == state


class Refusing(Gateway):
    """A gateway that answers each question about a message with an error."""

    code = ""

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.code and path.endswith("querymsg"):
            return replies.text(f"ERR: {self.code}, Something else")
        return super().handle(path, now, **request)


@pytest.mark.parametrize(
    ("code", "state"),
    [("103", "absent"), ("104", "absent"), *((code, "unknown") for code in ("005", "102", "108", "901", "999"))],
)
def test_an_error_is_a_denial_only_if_it_says_that_there_is_no_such_message(code, state, tmp_path):
    gateway = Refusing()
    with in_process(gateway, tmp_path) as sms:
        doubtful(sms)
        gateway.code = code
        for seconds in (30, 60, 60):
            with contextlib.suppress(GatewayError):
                live(sms, [seconds])
        assert sms.campaign("reset").counts == {state: 1}


def test_a_new_program_counts_only_what_it_saw_itself(tmp_path):
    gateway = Gateway()
    with in_process(gateway, tmp_path) as sms:
        doubtful(sms)
        assert live(sms, [30, 600]) == "unknown"
        now = sms.now()
    with in_process(gateway, tmp_path, start=now) as sms:
        assert live(sms, [0, 60, 59.999]) == "unknown"
        assert live(sms, [0.001]) == "absent"


def test_one_call_settles_it_in_the_program_that_sent_it_and_in_a_later_one(tmp_path):
    gateway = Gateway()
    for name in ("mine", "theirs"):
        with in_process(gateway, tmp_path / name) as sms:
            campaign = doubtful(sms)
            if name == "mine":
                assert campaign.reconcile().counts == {"absent": 1}
                continue
            now = sms.now() + HOUR
        with in_process(gateway, tmp_path / name, start=now) as sms:
            assert sms.campaign("reset").reconcile().counts == {"absent": 1}


def test_a_second_attempt_is_in_doubt_from_its_own_time():
    with cn.sandbox() as sms:
        campaign = doubtful(sms)
        live(sms, [30, 60])
        campaign.resume(resend=["unknown"], progress=False)
        live(sms, [29.999, 30.001])
        assert [attempt["state"] for attempt in sms.context.ledger.attempts()] == ["absent", "unknown"]
        assert live(sms, [60, 60]) == "absent"


def test_a_row_that_takes_the_place_of_one_that_is_forgotten_is_in_doubt_by_itself():
    with cn.sandbox() as sms:
        doubtful(sms)
        assert live(sms, [30, 60, 60]) == "absent"
        sms.purge(campaign="reset", whole=True)
        sms.plan(RESET, to="to", text="Hi", name="again").send(progress=False)
        assert sms.context.ledger.attempts()[0]["row_id"] == 1
        assert live(sms, [30, HOUR, 0, HOUR, 0], name="again") == "unknown"
