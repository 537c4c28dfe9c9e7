"""Never a duplicate, never a silent loss: whatever is done, in whatever order."""

from __future__ import annotations

import random
import sqlite3
import warnings
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import clicknb as cn
from clicknb import testing
from clicknb.clock import START
from clicknb.errors import AlreadySent, CampaignStopped, ContentChanged, LedgerError
from clicknb.sandbox import Response, faults
from tests.attack import NAME, Crash, Recorder, Tripwire, in_process, meddle, soak, under_sqlite

CONNECTIONS = 3
SINGLES = "single messages"
NO_ROUTE = "27999100114"

MOVES = {
    "sending": {"sending", "unknown", "accepted", "absent"},
    "unknown": {"unknown", "accepted", "absent"},
}
"""Where an attempt that was seen in some state may be found later; any other state is its last."""

BREAKAGES = {
    "killed": (Crash(), True),
    "interrupted": (KeyboardInterrupt(), False),
    "disk full": (sqlite3.OperationalError("database or disk is full"), True),
    "disk hiccup": (sqlite3.OperationalError("disk I/O error"), False),
}
"""The error that is raised at some step, and whether it is raised at all later steps too."""


ACTIONS = ["run_the_cell", "run_the_cell", "resume", "send_absent_ones_again", "reconcile_for_a_while", "cancel"]
SHARES = st.sampled_from([0.2, 0.5, 1.0])
WEATHER = st.tuples(st.sampled_from(["", "lost", "lost", "reset"]) | st.sampled_from(list(faults.NAMES)), SHARES)
"""The fault that hits the sends, those that matter most more often than others, and the share that it hits."""


class Weather(Recorder):
    """A gateway behind a network that may be bad: a share of the sends is hit by a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = ""
        self.share = 0.0
        self._luck = random.Random(0)

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if not self.fault or not path.endswith("sendmsg") or self._luck.random() >= self.share:
            return super().handle(path, now, **request)
        instead = faults.instead(self.fault, now)
        return instead or faults.afterwards(self.fault, super().handle(path, now, **request), now)


class Life(RuleBasedStateMachine):
    """A campaign and single messages on one ledger, and everything that people and machines do to them."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = Weather()
        self.people: list[str] = []
        self.recorded = 0  # rows that the ledger has to name
        self.cancelled: set[str] = set()  # numbers that must never get anything any more
        self.seen: dict[tuple[int, int], tuple[str, str]] = {}  # climsgid and state of each row's each attempt
        self.resent: set[str] = set()  # states that are being sent again by hand
        self.twice: set[str] = set()  # numbers that may get it twice, because somebody asked for that
        self.broken = False  # whether something broke just now
        self._now = START
        self._world = ExitStack()
        self._directory = Path(self._world.enter_context(TemporaryDirectory()))
        self._opened = ExitStack()

    @initialize(weather=WEATHER, count=st.integers(0, 12))
    def begin(self, weather: tuple[str, float], count: int) -> None:
        self.gateway.fault, self.gateway.share = weather
        self.add_people(count, unroutable=False)
        self.open_an_account()

    def open_an_account(self) -> None:
        opened = in_process(self.gateway, self._directory, start=self._now, connections=CONNECTIONS)
        self.sms = self._opened.enter_context(opened)

    def teardown(self) -> None:
        self._opened.close()
        self._world.close()

    def campaign(self) -> cn.Campaign:
        return self.sms.campaign(NAME)

    def plan(self, text: str = "Hi") -> cn.Plan:
        frame = pd.DataFrame({"to": [to for to in self.people if to not in self.cancelled]}, dtype="str")
        return self.sms.plan(frame, to="to", text=text, name=NAME)

    # what people do

    @rule(count=st.integers(1, 8), unroutable=st.booleans())
    def add_people(self, count: int, unroutable: bool) -> None:
        first = len(self.people)
        self.people += [f"447700900{number:03d}" for number in range(first, first + count)]
        if unroutable and NO_ROUTE not in self.people:
            self.people.append(NO_ROUTE)

    @rule()
    @precondition(lambda self: self.people)
    def run_the_cell(self) -> None:
        with suppress(CampaignStopped):
            self.plan().send(progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def resume(self) -> None:
        with suppress(CampaignStopped):
            self.campaign().resume(progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def send_absent_ones_again(self) -> None:
        self.resent = {"absent"}
        with suppress(CampaignStopped):
            self.campaign().resume(resend=["absent"], progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def send_unknown_ones_again_although_they_may_have_arrived(self) -> None:
        self.resent = {"unknown", "sending"}
        sends = self.campaign().sends
        self.twice |= set(sends["to"][sends["state"].isin(self.resent)])
        with suppress(CampaignStopped):
            self.campaign().resume(resend=["unknown"], progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def reconcile_once(self) -> None:
        self.campaign().reconcile(timeout=0)
        sends = self.campaign().sends
        recent = sends["submitted_at"] > self.sms._service.clock.now() - timedelta(days=6)
        doubtful = sends["climsgid"][recent & (sends["state"] == "unknown")]
        assert set(doubtful).isdisjoint(message.climsgid for message in self.gateway.messages)

    @rule()
    @precondition(lambda self: self.recorded)
    def reconcile_for_a_while(self) -> None:
        self.campaign().reconcile(timeout="5min")

    @rule()
    @precondition(lambda self: self.recorded)
    def ask_for_receipts(self) -> None:
        self.campaign().refresh()

    @rule()
    @precondition(lambda self: self.recorded)
    def cancel(self) -> None:
        planned = self._in_state("planned")
        self.campaign().cancel()
        self.cancelled |= planned

    def _in_state(self, state: str) -> set[str]:
        sends = self.campaign().sends
        return set(sends["to"][sends["state"] == state])

    @rule()
    @precondition(lambda self: self.recorded)
    def edit_the_text(self) -> None:
        before = self.gateway.arrived["sendmsg"]
        if set(self.campaign().sends["to"]) - self.cancelled:
            with pytest.raises(ContentChanged):
                self.plan("Hello").send(progress=False)
        assert self.gateway.arrived["sendmsg"] == before

    @rule(number=st.integers(900, 902), again=st.booleans())
    def send_a_single_message(self, number: int, again: bool) -> None:
        to, before = f"447700900{number}", self.gateway.arrived["sendmsg"]
        same = self.singles().query("to == @to and state in ['accepted', 'unknown', 'sending']")
        recent = same["submitted_at"] >= self.sms._service.clock.now() - timedelta(hours=24)
        with warnings.catch_warnings(), suppress(CampaignStopped):
            warnings.simplefilter("ignore", AlreadySent)
            self.sms.send(to, "Hi", again=again)
        if recent.any() and not again:
            assert self.gateway.arrived["sendmsg"] == before

    def singles(self) -> pd.DataFrame:
        if SINGLES in set(self.sms.campaigns()["name"]):
            return self.sms.campaign(SINGLES).sends
        return cn.frames.build(cn.frames.SENDS, [])

    # what happens to them

    @rule(weather=WEATHER)
    def the_weather_changes(self, weather: tuple[str, float]) -> None:
        self.gateway.fault, self.gateway.share = weather

    @rule(seconds=st.sampled_from([40, 20 * 60, 25 * 3600, 7 * 24 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.sms._service.clock.sleep(seconds)

    @rule()
    def restart(self) -> None:
        self._now = self.sms._service.clock.now()
        self._opened.close()
        self.open_an_account()

    @rule()
    @precondition(lambda self: self.people)
    def another_kernel_runs_the_cell(self) -> None:
        here, self._opened, mine = self._opened, ExitStack(), self.sms
        self._now = mine._service.clock.now()
        self.open_an_account()
        try:
            self.run_the_cell()
        finally:
            self._opened.close()
            self._opened, self.sms = here, mine

    @rule(
        newcomers=st.integers(1, 6),
        at=st.integers(1, 50),
        breakage=st.sampled_from(sorted(BREAKAGES)),
        action=st.sampled_from(ACTIONS),
    )
    def something_breaks(self, newcomers: int, at: int, breakage: str, action: str) -> None:
        self.add_people(newcomers, unroutable=False)
        error, lasting = BREAKAGES[breakage]
        self.broken = True
        wire = Tripwire(at, error, lasting=lasting)
        self._now = self.sms._service.clock.now()
        self._opened.close()
        with under_sqlite(wire.step):
            with suppress(Crash, KeyboardInterrupt, LedgerError):
                self.open_an_account()
                wire.steps = 0
                if not isinstance(error, sqlite3.Error):
                    meddle(self.sms, wire.step)
                getattr(self, action if self.recorded else "run_the_cell")()
            wire.error = None
            self._opened.close()
        self.open_an_account()
        if action == "cancel" and self.recorded:
            self.cancelled |= self._in_state("skipped")

    # what holds at any time

    @invariant()
    def the_promise_is_kept(self) -> None:
        verdict = testing.check(self.sms, self.gateway.messages)
        numbers = {message.climsgid: message.to for message in self.gateway.messages}
        assert len(numbers) == len(self.gateway.messages)
        assert not verdict.lost
        assert not verdict.unrecorded
        assert not verdict.wrong_text
        assert not verdict.wrong_number
        assert {numbers[name] for name in verdict.doubled} <= self.twice
        assert self.cancelled.isdisjoint(numbers.values())

    @invariant()
    def everybody_is_named_and_the_counts_add_up(self) -> None:
        counts = [count for count in self.sms._service.ledger.counts() if count["name"] == NAME]
        if counts:
            assert {count["state"] for count in counts} <= set(cn.frames.STATES)
            total = sum(count["rows"] for count in counts)
            assert self.recorded <= total <= len(self.people)
            self.recorded = total

    @invariant()
    def attempts_only_move_forward(self) -> None:
        attempts = {(entry["row_id"], entry["attempt"]): entry for entry in self.sms._service.ledger.attempts()}
        turns = {(entry["row_id"], entry["turn"]) for entry in attempts.values()}
        assert len({entry["climsgid"] for entry in attempts.values()}) == len(turns)
        assert self.seen.keys() <= attempts.keys()
        left_open = {place for place, entry in attempts.items() if entry["state"] == "sending"}
        assert len(left_open - self.seen.keys()) <= (CONNECTIONS if self.broken else 0)
        for (row, number), entry in attempts.items():
            if (row, number) in self.seen:
                climsgid, was = self.seen[row, number]
                assert entry["climsgid"] == climsgid
                assert entry["state"] in MOVES.get(was, {was}), (was, entry["state"])
            elif number > 1:  # a row in doubt stays so when it is sent again and that is refused
                before = {self.seen.get((row, earlier), ("", "returned"))[1] for earlier in range(1, number)}
                assert "accepted" not in before
                assert attempts[row, number - 1]["state"] == "returned" or before & self.resent
        self.seen = {place: (entry["climsgid"], entry["state"]) for place, entry in attempts.items()}
        self.resent = set()
        self.broken = False


Life.TestCase.settings = settings(
    max_examples=soak(16, 500),
    stateful_step_count=soak(20, 50),
    deadline=None,
    phases=set(Phase) - soak({Phase.shrink, Phase.explain}, set()),  # which may take minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


TestPromise = Life.TestCase
