"""What the tests that attack the promise share: a gateway that counts, an account that crashes, and the way back."""

from __future__ import annotations

import multiprocessing
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import pandas as pd

import clicknb as cn
from clicknb import opening, testing
from clicknb.clock import START, SteppedClock
from clicknb.ledger.ledger import Ledger
from clicknb.simulator import Gateway, Message, Response, Server

Size = TypeVar("Size")

HURRY = "CLICKNB_SOAK" not in os.environ
NAME = "attacked"
DENIED_LONG_ENOUGH = "5min"

# A clean process each, but one that has imported everything already.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["clicknb.testing", "clicknb.simulator", "tests.promise.harness", "phonenumbers"])


def soak(short: Size, long: Size) -> Size:
    """Choose the size of a test: short in ``make test``, long in ``make soak``."""
    return short if HURRY else long


def some(points: Sequence[Size], few: int, *, seed: str) -> Sequence[Size]:
    """Draw a few points in a hurry, and take all of them otherwise."""
    return random.Random(seed).sample(points, few) if HURRY else points


def people(count: int) -> pd.DataFrame:
    return pd.DataFrame({"to": [f"447700900{number:03d}" for number in range(count)]})


class Recorder(Gateway):
    """A gateway that counts what arrives, by command."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"credits": 1_000_000, **settings})
        self.arrived: Counter[str] = Counter()

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        self.arrived[path.rpartition("/")[2]] += 1
        return super().handle(path, now, **request)


@contextmanager
def in_process(
    gateway: Gateway, directory: Path, *, start: datetime = START, connections: int = 4
) -> Iterator[cn.Account]:
    """Open an account at a gateway in this process, with a ledger in a real file and a clock that steps."""
    directory.mkdir(parents=True, exist_ok=True)
    with opening.in_process(gateway, Ledger(directory / "ledger.sqlite", owner="sandbox"), SteppedClock(start)) as sms:
        yield testing.altered(sms, concurrency=connections)


@contextmanager
def over_socket(url: Server | str, ledger: Path, **settings: Any) -> Iterator[cn.Account]:
    """Open an account at a gateway behind a socket, with a clock that steps; the gateway has its own."""
    with testing.account(url, ledger=ledger, clock=SteppedClock(datetime.now(UTC)), **settings) as sms:
        yield sms


@contextmanager
def connected(
    url: Server | str, ledger: Path, *, later: timedelta = timedelta(0), **settings: Any
) -> Iterator[cn.Account]:
    """Open an account as its user does, with ids as in real life, and a clock that steps from some time on."""
    clock = SteppedClock(datetime.now(UTC) + later)
    with testing.account(url, ledger=ledger, seed=None, clock=clock, **settings) as sms:
        yield sms


def run(*processes: Any) -> list[int]:
    """Run processes at the same time and tell their exit codes."""
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def pauses(sms: cn.Account, turned: timedelta = timedelta(0)) -> list[float]:
    """Keep how long each pause of an account is, and set the time of day by so much in each."""
    clock: Any = sms.context.clock
    kept: list[float] = []
    pass_by = clock.sleep

    def sleep(seconds: float, wake: Any = None) -> None:
        kept.append(seconds)
        assert len(kept) < 1000, "it never ends"
        pass_by(seconds, wake)
        clock.turn(turned)

    clock.sleep = sleep
    return kept


class Meddler:
    """An exchange that lets somebody act before and after each of its calls."""

    def __init__(self, exchange: Any, act: Callable[[str], None]) -> None:
        self.connections = exchange.connections
        self._exchange = exchange
        self._act = act

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._exchange, name)

        def meddled(*arguments: Any) -> Any:
            self._act(f"before {name}")
            result = call(*arguments)
            self._act(f"after {name}")
            return result

        return meddled


def meddle(sms: cn.Account, act: Callable[[str], None]) -> cn.Account:
    """Let somebody act around every call of the connections that an account opens from now on."""
    connect = sms.context.connect
    return testing.altered(sms, connect=lambda count: Meddler(connect(count), act))


class Crash(BaseException):
    """Nothing that anybody expects: here the process ends."""


class Tripwire:
    """Counts the steps and raises an error at one of them; if it lasts, at all later ones too."""

    def __init__(self, at: int = 0, error: BaseException | None = None, *, lasting: bool = False) -> None:
        self.steps = 0
        self.error = error
        self._at = at
        self._lasting = lasting

    def step(self, _what: str = "") -> None:
        self.steps += 1
        if self.error is not None and (self.steps == self._at or (self._lasting and self.steps > self._at)):
            raise type(self.error)(*self.error.args)  # the same one would keep what it was raised from


@contextmanager
def under_sqlite(step: Callable[[str], None]) -> Iterator[None]:
    """Have each statement and each commit of every ledger that is opened in the block counted as a step."""

    class Cursor(sqlite3.Cursor):
        def execute(self, statement: str, *values: Any) -> Any:
            step(statement)
            return super().execute(statement, *values)

        def executemany(self, statement: str, values: Any) -> Any:
            step(statement)
            return super().executemany(statement, values)

    class Connection(sqlite3.Connection):
        def cursor(self, *_: Any) -> Any:
            return super().cursor(Cursor)

        def commit(self) -> None:
            step("before commit")
            super().commit()
            step("after commit")

    connect = partial(sqlite3.connect, factory=Connection)
    with patch.object(sqlite3, "connect", connect), patch.object(sqlite3.dbapi2, "connect", connect):  # SQLAlchemy's
        yield


def run_cell(sms: cn.Account, count: int) -> cn.Campaign:
    """Run the cell that plans and sends; a stopped campaign is one that goes on later."""
    plan = sms.plan(people(count), to="to", text="Hi", name=NAME)
    try:
        return plan.send(progress=False)
    except cn.errors.CampaignStopped as stopped:
        return stopped.campaign


def run_until_nothing_is_planned(sms: cn.Account, count: int, most: int = 60) -> cn.Campaign:
    for _ in range(most):
        campaign = run_cell(sms, count)
        if not campaign.counts.get("planned"):
            return campaign
    message = f"still planned after {most} runs: {campaign.counts}"
    raise AssertionError(message)


def in_doubt(sms: cn.Account) -> int:
    """Count the rows that were left open, by a process that may have ended before the campaign was on record."""
    if NAME not in set(sms.campaigns()["name"]):
        return 0
    counts = sms.campaign(NAME).counts
    return counts.get("sending", 0) + counts.get("unknown", 0)


def assert_kept(sms: cn.Account, messages: Iterable[Message], count: int) -> None:
    """Judge the record of a run that has ended, however it ended: nothing lost or doubled, every row named."""
    verdict = testing.check(sms, messages)
    assert verdict.ok, verdict
    counts = sms.campaign(NAME).counts
    assert sum(counts.values()) == count, counts
    assert counts.keys() <= {"accepted", "rejected", "unknown", "absent", "planned"}, counts


def assert_nobody_twice(gateway: Gateway) -> None:
    """Find no text that the gateway accepted twice for the same number."""
    accepted = Counter((message.to, message.text) for message in gateway.messages)
    assert {name: count for name, count in accepted.items() if count > 1} == {}


def assert_recovers(sms: cn.Account, gateway: Gateway, count: int) -> None:
    """Walk the way back that is open to everybody, and find every message accepted exactly once."""
    campaign = run_until_nothing_is_planned(sms, count)
    assert_kept(sms, gateway.messages, count)
    campaign.reconcile(timeout=0)
    known = {message.climsgid for message in gateway.messages}
    doubtful = campaign.sends.query("state == 'unknown'")
    assert known.isdisjoint(doubtful["climsgid"])
    campaign.reconcile(DENIED_LONG_ENOUGH)
    denied = campaign.sends.query("state == 'absent'")
    campaign.resume(resend=["absent"], progress=False)
    assert set(denied["climsgid"]).isdisjoint(campaign.sends["climsgid"])
    assert campaign.counts == {"accepted": count}
    assert_kept(sms, gateway.messages, count)
    assert Counter(message.to for message in gateway.messages) == Counter(people(count)["to"])
