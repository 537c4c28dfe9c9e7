"""Several recipients in a request, and a copy that knows nothing of it: what cannot be told is in doubt, not sent."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import CampaignStopped
from clicknb.simulator import serve
from tests.promise.copying import Refusing, Watched, account, moments, ways
from tests.promise.harness import NAME, assert_kept, assert_nobody_twice, people, soak

pytestmark = [
    pytest.mark.filterwarnings("ignore::clicknb.errors.LedgerWarning"),
    pytest.mark.usefixtures("short_lists"),
]

COUNT = soak(48, 96)
SIZE = 4
GIVEN = {"to": "to", "text": "Hi", "name": NAME}


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clicknb.campaign.run.LIST_SIZE", SIZE)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "ledger.sqlite"


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"


def run_list(sms: cn.Account, frame: Any, **options: Any) -> cn.Campaign:
    try:
        return sms.plan(frame, **{**GIVEN, "mode": "list", **options}).send(progress=False)
    except CampaignStopped as stopped:
        return stopped.campaign


def assert_sent_once(sms: cn.Account, gateway: Watched) -> None:
    assert_nobody_twice(gateway)
    verdict = testing.check(sms, gateway.messages)
    assert not verdict.lost
    assert not verdict.doubled


@ways(2, seed="lists")
@moments(1, seed="lists")
def test_lists_that_left_after_the_copy_are_not_sent_again(copy, put_back, seed, ledger, aside):
    luck = random.Random(f"{seed} {copy.__name__} {put_back.__name__}")
    with serve(Watched()) as server:
        with account(server, ledger, concurrency=2) as sms:
            moment, meanwhile = luck.randint(1, COUNT // SIZE - 2), luck.random() < 0.5
            server.gateway.after(moment, lambda: copy(sms, aside), meanwhile=meanwhile)
            run_list(sms, people(COUNT))
            server.gateway.settle()
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            if luck.random() < 0.5:
                sms.campaign(NAME).resume(progress=False)
            run_list(sms, people(COUNT))
            sms.campaign(NAME).reconcile(timeout=0)
            run_list(sms, people(COUNT))
            assert_nobody_twice(server.gateway)
            assert_kept(sms, server.gateway.messages, COUNT)
            assert sms.campaign(NAME).counts.keys() <= {"accepted", "unknown"}
            assert len(server.gateway.messages) == COUNT


CHANGES = ["other order", "shorter", "grown", "longer lists", "each", "suppressed", "started after", "fewer allowed"]


@ways(1, seed="made up")
@pytest.mark.parametrize("change", CHANGES)
def test_lists_that_would_be_made_up_in_another_way_after_the_copy(change, copy, put_back, ledger, aside, monkeypatch):
    frame, mode, allow = people(COUNT), "list", None
    with serve(Watched()) as server:
        with account(server, ledger, concurrency=2) as sms:
            sms.send("447700900999", "before")
            if change == "started after":
                copy(sms, aside)
            else:
                server.gateway.after(COUNT // SIZE // 3, lambda: copy(sms, aside))
            if change == "grown":
                run_list(sms, frame.head(COUNT // 2 + 1))
            run_list(sms, frame)
        put_back(aside, ledger)
        if change == "other order":
            frame = frame.iloc[::-1].reset_index(drop=True)
        if change == "shorter":
            frame = frame.iloc[1::2]
        if change == "longer lists":
            monkeypatch.setattr("clicknb.campaign.run.LIST_SIZE", 3 * SIZE)
        if change == "each":
            mode = "each"
        if change == "fewer allowed":
            allow = [to for number, to in enumerate(frame["to"]) if number % SIZE]
        with account(server, ledger, allow=allow) as sms:
            if change == "suppressed":
                sms.suppress(list(frame["to"].iloc[::SIZE]))
            run_list(sms, frame, mode=mode)
            with suppress(CampaignStopped):
                sms.campaign(NAME).resume(progress=False)
            assert_sent_once(sms, server.gateway)
            run_list(sms, people(COUNT), mode=mode)
            assert_sent_once(sms, server.gateway)


@ways(1, seed="lists throttled")
@pytest.mark.parametrize("times", [(1,), (2,), (0, 2), (0, 1, 3)], ids=str)
def test_lists_that_were_throttled_at_first_are_not_sent_again(times, copy, put_back, ledger, aside):
    with serve(Refusing("throttled", times)) as server:
        with account(server, ledger, concurrency=2) as sms:

            def begin() -> None:
                copy(sms, aside)
                server.gateway.refuses = True

            server.gateway.after(2, begin)
            for _ in range(20):
                run_list(sms, people(COUNT))
            assert sms.campaign(NAME).counts == {"accepted": COUNT}
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            for _ in range(3):
                run_list(sms, people(COUNT))
            assert_sent_once(sms, server.gateway)
