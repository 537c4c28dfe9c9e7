"""Never a duplicate, never a silent loss: whatever is done, in whatever order."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import datetime
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
from clicknb.errors import CampaignStopped, ContentChanged
from clicknb.sandbox import Response, faults
from tests.attack import NAME, Recorder, in_process, meddle, soak

CONNECTIONS = 3

ON_ITS_WAY = {
    "sending": {"sending", "accepted", "rejected", "unknown", "absent", "planned"},
    "unknown": {"unknown", "accepted", "absent"},
}
"""Where one attempt can come to; every other state is the last of its attempt."""


class Crash(BaseException):
    """The process ends here."""


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
    """One campaign and some single messages, on one ledger, with everything that people and machines do to them."""

    def __init__(self) -> None:
        super().__init__()
        self._world = ExitStack()
        self._directory = Path(self._world.enter_context(TemporaryDirectory()))
        self._gateway = Weather()
        self._people: list[str] = []
        self._kept: set[str] = set()  # numbers that the ledger has to name from now on
        self._singles = 0
        self._seen: dict[Any, tuple[str, str]] = {}
        self._again: set[str] = set()  # numbers whose unknown message was sent again by hand
        self._account = ExitStack()

    def teardown(self) -> None:
        self._account.close()
        self._world.close()

    @initialize()
    def open_an_account(self) -> None:
        self._open()

    def _open(self, **start: datetime) -> None:
        opened = in_process(self._gateway, self._directory, connections=CONNECTIONS, **start)
        self._sms = self._account.enter_context(opened)

    def _campaign(self) -> cn.Campaign:
        return self._sms.campaign(NAME)

    def _plan(self, text: str = "Hi") -> Any:
        return self._sms.plan(pd.DataFrame({"to": self._people}), to="to", text=text, name=NAME)

    @property
    def _begun(self) -> bool:
        return bool(self._kept)

    # what people do

    @rule(count=st.integers(1, 8), refused=st.booleans())
    def add_people(self, count: int, refused: bool) -> None:
        first = len(self._people)
        self._people += [f"447700900{number:03d}" for number in range(first, first + count)]
        if refused and "27999100114" not in self._people:
            self._people.append("27999100114")  # cannot be routed

    @rule()
    @precondition(lambda self: self._people)
    def run_the_cell(self) -> None:
        plan = self._plan()
        self._kept |= set(self._people)
        with suppress(CampaignStopped):
            plan.send(progress=False)

    @rule()
    @precondition(lambda self: self._people)
    def run_the_cell_in_another_kernel(self) -> None:
        before = len(self._gateway.messages)
        mine, self._account = self._account, ExitStack()
        self._open(start=self._sms._service.clock.now())
        self.run_the_cell()
        self._account.close()
        self._account = mine
        assert len(self._gateway.messages) >= before

    @rule()
    @precondition(lambda self: self._begun)
    def resume(self) -> None:
        with suppress(CampaignStopped):
            self._campaign().resume(progress=False)

    @rule()
    @precondition(lambda self: self._begun)
    def send_absent_ones_again(self) -> None:
        self._resend("absent")

    @rule()
    @precondition(lambda self: self._begun)
    def send_unknown_ones_again_although_they_may_have_arrived(self) -> None:
        sends = self._campaign().sends
        self._again |= set(sends.loc[sends["state"].isin(["unknown", "sending"]), "to"])
        self._resend("unknown")

    def _resend(self, state: str) -> None:
        states = {"unknown", "sending"} if state == "unknown" else {state}
        self._seen = {row: seen for row, seen in self._seen.items() if seen[1] not in states}
        with suppress(CampaignStopped):
            self._campaign().resume(resend=[state], progress=False)

    @rule()
    @precondition(lambda self: self._begun)
    def cancel(self) -> None:
        self._campaign().cancel()

    @rule()
    @precondition(lambda self: self._begun)
    def edit_the_text(self) -> None:
        before = len(self._gateway.messages)
        if self._campaign().counts.keys() != {"skipped"}:
            with pytest.raises(ContentChanged):
                self._plan("Hello").send(progress=False)
        assert len(self._gateway.messages) == before

    @rule(number=st.integers(0, 2), again=st.booleans())
    def send_a_single_message(self, number: int, again: bool) -> None:
        to, before = f"447700900{900 + number}", self._single_rows()
        with suppress(CampaignStopped), pytest.warns() as warned:
            cn_warning_or_not(self._sms, to, again)
        known = any(issubclass(warning.category, cn.errors.AlreadySent) for warning in warned)
        assert not (known and again)
        assert self._single_rows() - before in ({0} if known else {0, 1} if not again else {1})

    # what happens to them

    @rule(fault=st.sampled_from(["", *faults.NAMES]), share=st.sampled_from([0.2, 0.5, 1.0]))
    def the_weather_changes(self, fault: str, share: float) -> None:
        self._gateway.fault, self._gateway.share = fault, share
