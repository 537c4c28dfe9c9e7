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
from hypothesis import HealthCheck, settings
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
    "planned": {"planned", "skipped"},
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
        self.recorded: set[str] = set()  # what the ledger has to name
        self.seen: dict[tuple[str, int], tuple[str, str]] = {}  # the row's latest climsgid and state
        self.names: set[str] = set()  # every climsgid seen
        self.resent: set[str] = set()  # states that are being sent again by hand
        self.twice: set[str] = set()  # numbers that may get it twice, because somebody asked for that
        self._now = START
        self._world = ExitStack()
        self._directory = Path(self._world.enter_context(TemporaryDirectory()))
        self._opened = ExitStack()

    @initialize()
    def open_an_account(self) -> None:
        opened = in_process(self.gateway, self._directory, start=self._now, connections=CONNECTIONS)
        self.sms = self._opened.enter_context(opened)

    def teardown(self) -> None:
        self._opened.close()
        self._world.close()

    def campaign(self) -> cn.Campaign:
        return self.sms.campaign(NAME)

    def plan(self, text: str = "Hi") -> cn.Plan:
        return self.sms.plan(pd.DataFrame({"to": self.people}), to="to", text=text, name=NAME)

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
        self.campaign().cancel()

    @rule()
    @precondition(lambda self: self.recorded)
    def edit_the_text(self) -> None:
        before = self.gateway.arrived["sendmsg"]
        if self.campaign().counts.keys() - {"skipped"}:
            with pytest.raises(ContentChanged):
                self.plan("Hello").send(progress=False)
        assert self.gateway.arrived["sendmsg"] == before

    @rule(number=st.integers(900, 902), again=st.booleans())
    def send_a_single_message(self, number: int, again: bool) -> None:
        to, before = f"447700{number}{number}", self.gateway.arrived["sendmsg"]
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

    @rule(fault=st.sampled_from(["", *faults.NAMES]), share=st.sampled_from([0.2, 0.5, 1.0]))
    def the_weather_changes(self, fault: str, share: float) -> None:
        self.gateway.fault, self.gateway.share = fault, share

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
        at=st.integers(1, 60),
        breakage=st.sampled_from(sorted(BREAKAGES)),
        action=st.sampled_from(["run_the_cell", "resume", "send_absent_ones_again", "reconcile_for_a_while", "cancel"]),
    )
    @precondition(lambda self: self.people)
    def something_breaks(self, at: int, breakage: str, action: str) -> None:
        error, lasting = BREAKAGES[breakage]
        wire = Tripwire(at, error, lasting=lasting)
        self._now = self.sms._service.clock.now()
        self._opened.close()
        with under_sqlite(wire.step):
            with suppress(Crash, KeyboardInterrupt, LedgerError):
                self.open_an_account()
                meddle(self.sms, wire.step)
                getattr(self, action if self.recorded else "run_the_cell")()
            wire.error = None
            self._opened.close()
        self.open_an_account()

    # what holds at any time

    @invariant()
    def the_promise_is_kept(self) -> None:
        verdict = testing.check(self.sms, self.gateway.messages)
        numbers = {message.climsgid: message.to for message in self.gateway.messages}
        assert not verdict.lost
        assert not verdict.unrecorded
        assert not verdict.wrong_text
        assert not verdict.wrong_number
        assert {numbers[name] for name in verdict.doubled} <= self.twice
        assert len(numbers) == len(self.gateway.messages)

    @invariant()
    def everybody_is_named(self) -> None:
        if NAME in set(self.sms.campaigns()["name"]):
            sends = self.campaign().sends
            named = set(sends["to"])
            assert self.recorded <= named <= set(self.people)
            assert len(sends) == len(named) == sum(self.campaign().counts.values())
            self.recorded = named

    @invariant()
    def states_only_move_forward(self) -> None:
        frames = {SINGLES: self.singles(), NAME: self.campaign().sends if self.recorded else pd.DataFrame()}
        for campaign, frame in frames.items():
            rows = zip(frame.get("climsgid", pd.Series()).fillna(""), frame.get("state", ()), strict=True)
            for place, (name, state) in enumerate(rows):
                self._moved((campaign, place), name, state)
        self.resent = set()

    def _moved(self, row: tuple[str, int], name: str, state: str) -> None:
        before, was = self.seen.get(row, ("", "planned"))
        if name == before:
            assert state in MOVES.get(was, {was}), (row, was, state)
        else:
            assert was in {"planned", *self.resent}, (row, was, state)
            assert name not in self.names, row
            self.names.add(name)
        self.seen[row] = (name, state)


Life.TestCase.settings = settings(
    max_examples=soak(25, 500),
    stateful_step_count=soak(25, 50),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


class TestPromise(Life.TestCase):  # type: ignore[misc,name-defined]
    """Hypothesis runs it, and shrinks what breaks it to the few steps that matter."""
