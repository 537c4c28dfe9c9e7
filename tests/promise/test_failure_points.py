"""Fail at the n-th step: every statement and commit of the ledger, every start and answer of a request."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from clicknb import testing
from clicknb.errors import CampaignStopped, LedgerError
from clicknb.ledger.ledger import Ledger
from clicknb.simulator import Gateway, Response, faults, serve
from tests.promise.harness import (
    NAME,
    Crash,
    Recorder,
    Tripwire,
    assert_recovers,
    in_doubt,
    in_process,
    meddle,
    over_socket,
    people,
    run_cell,
    some,
    under_sqlite,
)

MESSAGES = 50
CONNECTIONS = 4


def attack_ledger(wire: Tripwire, gateway: Gateway, directory: Path) -> None:
    """Send a campaign on a ledger that fails at some step."""
    armed = False
    with (
        under_sqlite(lambda what: wire.step(what) if armed else None),
        in_process(gateway, directory, connections=CONNECTIONS) as sms,
    ):
        armed = True
        try:
            run_cell(sms, MESSAGES)
        finally:
            armed = False


def attack_exchange(wire: Tripwire, gateway: Gateway, directory: Path) -> None:
    """Send a campaign through connections that fail at some step."""
    with in_process(gateway, directory, connections=CONNECTIONS) as opened:
        sms = meddle(opened, wire.step)
        run_cell(sms, MESSAGES)


@cache
def steps_of(attack: Callable[[Tripwire, Gateway, Path], None]) -> range:
    """Count the steps of a run in which nothing fails."""
    wire, gateway = Tripwire(), Recorder()
    with TemporaryDirectory() as directory:
        attack(wire, gateway, Path(directory))
    assert len(gateway.messages) == MESSAGES
    assert wire.steps >= MESSAGES
    return range(1, wire.steps + 1)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize(
    ("attack", "error", "typed"),
    [
        (attack_ledger, sqlite3.OperationalError("disk I/O error"), LedgerError),
        (attack_ledger, sqlite3.DatabaseError("database disk image is malformed"), LedgerError),
        (attack_ledger, KeyboardInterrupt(), KeyboardInterrupt),
        (attack_ledger, Crash(), Crash),
        (attack_exchange, OSError("too many open files"), OSError),
        (attack_exchange, KeyboardInterrupt(), KeyboardInterrupt),
        (attack_exchange, Crash(), Crash),
    ],
    ids=["disk", "damage", "interrupt at the ledger", "crash at the ledger", "system", "interrupt", "crash"],
)
def test_failing_at_any_step_leaves_a_record_to_go_on_from(attack, error, typed, lasting, tmp_path):
    for at in some(steps_of(attack), 2, seed=f"{error!r}{lasting}"):
        gateway, directory = Recorder(), tmp_path / str(at)
        with suppress(typed):  # and nothing else
            attack(Tripwire(at, error, lasting=lasting), gateway, directory)
        with in_process(gateway, directory, connections=CONNECTIONS) as sms:
            assert in_doubt(sms) <= CONNECTIONS
            assert testing.check(sms, gateway.messages).ok
            assert_recovers(sms, gateway, MESSAGES)


class Breaking(Recorder):
    """A gateway with one fault, at its n-th send."""

    def __init__(self, at: int, fault: str) -> None:
        super().__init__()
        self._at = at
        self._fault = fault

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        hit = path.endswith("sendmsg") and self.arrived["sendmsg"] + 1 == self._at
        if not hit:
            return super().handle(path, now, **request)
        instead = faults.instead(self._fault, now)
        if instead is not None:
            self.arrived["sendmsg"] += 1
            return instead
        return faults.afterwards(self._fault, super().handle(path, now, **request), now)


@pytest.mark.parametrize("fault", ["reset", "lost", "truncated"])
def test_a_connection_that_breaks_at_any_request_leaves_one_row_in_doubt(fault, tmp_path):
    for at in some(range(1, MESSAGES + 1), 2, seed=fault):
        with (
            serve(Breaking(at, fault)) as server,
            over_socket(server, tmp_path / f"{at}.sqlite", concurrency=CONNECTIONS) as sms,
        ):
            assert run_cell(sms, MESSAGES).counts == {"accepted": MESSAGES - 1, "unknown": 1}
            assert server.gateway.arrived["sendmsg"] == MESSAGES
            assert_recovers(sms, server.gateway, MESSAGES)


@pytest.mark.parametrize("at", some(range(1, MESSAGES + 1), 3, seed="gone"))
def test_a_gateway_that_goes_away_at_any_request_stops_the_campaign_and_nothing_is_lost(at, tmp_path):
    gateway = Recorder()
    with serve(gateway) as server, over_socket(server, tmp_path / "l.sqlite", concurrency=CONNECTIONS) as opened:
        sent = count(1)
        sms = meddle(opened, lambda what: server.close() if what == "before start" and next(sent) == at else None)
        plan = sms.plan(people(MESSAGES), to="to", text="Hi", name=NAME)
        with pytest.raises(CampaignStopped, match="cannot be reached"):
            plan.send(progress=False)
        assert in_doubt(sms) <= CONNECTIONS
        assert testing.check(sms, gateway.messages).ok
    port = int(server.url.rpartition(":")[2])
    with serve(gateway, port=port) as server, over_socket(server, tmp_path / "l.sqlite") as sms:
        assert_recovers(sms, gateway, MESSAGES)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell which files are open")
@pytest.mark.parametrize("error", [sqlite3.OperationalError("database or disk is full"), KeyboardInterrupt()])
def test_an_opening_that_fails_leaves_no_file_open(error, tmp_path, monkeypatch):
    """Else a backup that is put back later would be read through what the first opening has left in memory."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)
    place = tmp_path / "ledger.sqlite"
    Ledger(place).close()
    for at in count(1):
        wire = Tripwire(at, error, lasting=True)
        with under_sqlite(wire.step), suppress(LedgerError, KeyboardInterrupt):
            Ledger(place, owner="somebody").close()
        assert [file for file in Path("/proc/self/fd").iterdir() if str(place) in linked(file)] == []
        if wire.steps < at:
            break
    assert at > 10


def linked(file: Path) -> str:
    with suppress(OSError):  # closed meanwhile
        return str(file.readlink())
    return ""
