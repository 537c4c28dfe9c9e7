"""Accepted, and then sent back: a gateway, or a proxy before it, has a message and says that it has not."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clicknb.errors import CampaignStopped, ClicknbError
from clicknb.simulator import Fault, Response, faults, replies, serve
from tests.promise.harness import (
    NAME,
    PROCESSES,
    Recorder,
    assert_kept,
    assert_nobody_twice,
    assert_recovers,
    connected,
    in_process,
    people,
    run,
    run_cell,
    run_until_nothing_is_planned,
    soak,
)

# --- accepted, and then sent back ------------------------------------------------------------------------------------

COUNT = soak(24, 200)


class Deceiver(Recorder):
    """A gateway, or a proxy before it, that accepts and then says that it did not: the first time, to a share."""

    def __init__(self, what: str, share: float = 0.5, *, times: int = 1) -> None:
        super().__init__()
        self._what = what
        self._share = share
        self._times = times
        self._told: Counter[str] = Counter()

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        before = len(self.messages)
        response = super().handle(path, now, **request)
        new = self.messages[before:]
        if not path.endswith("sendmsg") or not new:
            return response
        number = new[0].to
        self._told[number] += 1
        if self._told[number] > self._times or random.Random(f"{number} deceived").random() >= self._share:
            return response
        self.arrived["deceived"] += 1
        return faults.instead(self._what, now) or response


deceived = pytest.mark.parametrize("what", ["throttled", "expired"])


@deceived
@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("connections", [1, 8])
def test_what_was_accepted_and_then_sent_back_is_not_sent_again(what, share, connections, tmp_path):
    with (
        serve(Deceiver(what, share)) as server,
        connected(server, tmp_path / "l.sqlite", concurrency=connections) as sms,
    ):
        run_until_nothing_is_planned(sms, COUNT)
        assert server.gateway.arrived["deceived"]
        assert_nobody_twice(server.gateway)
        assert_recovers(sms, server.gateway, COUNT)


@deceived
def test_single_messages_that_were_accepted_and_then_sent_back(what, tmp_path):
    with serve(Deceiver(what, 1.0)) as server, connected(server, tmp_path / "l.sqlite") as sms:
        for number in range(3):
            to = f"44770090000{number}"
            with suppress(CampaignStopped):
                assert sms.send(to, "Hi")["state"].iloc[0] in {"accepted", "unknown"}
        assert server.gateway.arrived["deceived"]
        assert_nobody_twice(server.gateway)


@deceived
def test_lists_that_were_accepted_and_then_sent_back(what, tmp_path, monkeypatch):
    monkeypatch.setattr("clicknb.campaign.run.LIST_SIZE", 4)
    with serve(Deceiver(what, 1.0)) as server, connected(server, tmp_path / "l.sqlite", concurrency=2) as sms:
        for _ in range(6):
            plan = sms.plan(people(24), to="to", text="Hi", name=NAME, mode="list")
            with suppress(CampaignStopped):
                plan.send(progress=False)
        assert server.gateway.arrived["deceived"]
        assert_nobody_twice(server.gateway)
        assert_kept(sms, server.gateway.messages, 24)
        assert sms.campaign(NAME).counts.keys() <= {"accepted", "unknown"}


@deceived
@pytest.mark.parametrize("way", ["same account", "reopened"])
def test_what_was_sent_back_when_the_campaign_stopped_is_asked_for_when_it_goes_on(what, way, tmp_path):
    place = tmp_path / "l.sqlite"
    with serve(Deceiver(what, 1.0)) as server:
        with connected(server, place, concurrency=4) as sms:
            for _ in range(3):
                run_cell(sms, COUNT)
            if way == "same account":
                run_until_nothing_is_planned(sms, COUNT)
        with connected(server, place) as sms:
            run_until_nothing_is_planned(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


class Silent(Deceiver):
    """It also does not answer questions while it is told so."""

    silent = True

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.silent and path.endswith("querymsg"):
            self.arrived["unanswered"] += 1
            return replies.page(502, "Bad Gateway")
        return super().handle(path, now, **request)


@deceived
def test_what_was_sent_back_stays_where_the_gateway_does_not_say_whether_it_has_it(what, tmp_path):
    with serve(Silent(what, 1.0)) as server, connected(server, tmp_path / "l.sqlite", concurrency=4) as sms:
        for _ in range(12):
            with suppress(ClicknbError):
                run_cell(sms, COUNT)
        assert server.gateway.arrived["unanswered"]
        assert_nobody_twice(server.gateway)
        server.gateway.silent = False
        assert_recovers(sms, server.gateway, COUNT)


class Killing(Deceiver):
    """It ends the program that sends when that asks for the n-th time."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what, 0.5)
        self._at = at
        self.end: Any = None

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if path.endswith("querymsg") and self.end and self.arrived["querymsg"] + 1 == self._at:
            self.end()
        return super().handle(path, now, **request)


def cell(url: str, ledger: Path) -> None:
    with suppress(KeyboardInterrupt, ClicknbError), connected(url, ledger, concurrency=4) as sms:
        run_until_nothing_is_planned(sms, COUNT)


@deceived
@pytest.mark.parametrize("at", range(1, soak(2, 20)))
def test_a_program_that_dies_between_the_refusal_and_the_question(what, at, tmp_path):
    with serve(Killing(what, at)) as server:
        process = PROCESSES.Process(target=cell, args=(server.url, tmp_path / "l.sqlite"), daemon=True)
        server.gateway.end = process.kill
        run(process)
        server.gateway.end = None
        with connected(server, tmp_path / "l.sqlite") as sms:
            run_until_nothing_is_planned(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@deceived
def test_what_was_sent_back_is_asked_for_before_it_is_cancelled(what, tmp_path):
    """Whoever is told that a message was cancelled must not find that it was delivered."""
    with serve(Deceiver(what, 1.0, times=9)) as server, connected(server, tmp_path / "l.sqlite") as sms:
        with suppress(CampaignStopped):
            run_cell(sms, 5)
        with suppress(ClicknbError):
            sms.campaign(NAME).cancel()
        sends = sms.campaign(NAME).sends
        has = {message.to for message in server.gateway.messages}
        assert has.isdisjoint(sends["to"][sends["state"].isin(["skipped", "planned"])])


@deceived
def test_what_was_sent_back_and_never_asked_about_is_in_doubt_when_it_is_cancelled(what, tmp_path):
    """As after a crash between the refusal and the question."""
    with serve(Silent(what, 1.0, times=9)) as server, connected(server, tmp_path / "l.sqlite") as sms:
        with suppress(CampaignStopped):
            run_cell(sms, 5)
        with suppress(ClicknbError):
            sms.campaign(NAME).cancel()
        has = {message.to for message in server.gateway.messages}
        sends = sms.campaign(NAME).sends
        assert has
        assert has == set(sends["to"][sends["state"] == "unknown"])
        server.gateway.silent = False
        assert sms.campaign(NAME).reconcile(timeout=0).counts["accepted"] == len(has)


@deceived
@pytest.mark.parametrize("then", ["resume", "cancel"])
def test_what_was_sent_back_so_long_ago_that_the_gateway_has_forgotten_it_is_in_doubt(what, then, tmp_path):
    """It denies then whatever it is asked about, so that a denial proves nothing."""
    gateway = Silent(what, 1.0, times=9)
    with in_process(gateway, tmp_path) as sms:
        with suppress(CampaignStopped):
            run_cell(sms, 5)
        had = {message.to for message in gateway.messages}
        gateway.silent = False
        sms.wait("7 days")
        getattr(sms.campaign(NAME), then)()
        sends = sms.campaign(NAME).sends
        assert had
        assert had == set(sends["to"][sends["state"] == "unknown"])
        assert_nobody_twice(gateway)


@deceived
def test_what_is_found_to_be_in_doubt_is_not_what_somebody_asks_to_send_again(what, tmp_path):
    gateway = Silent(what, 1.0, times=9)
    with in_process(gateway, tmp_path) as sms:
        with suppress(CampaignStopped):
            run_cell(sms, 5)
        gateway.silent = False
        sms.wait("7 days")
        assert "unknown" not in sms.campaign(NAME).counts
        sms.campaign(NAME).resume(resend=["unknown"])
        assert sms.campaign(NAME).counts["unknown"] > 0
        assert_nobody_twice(gateway)


@deceived
def test_a_single_message_that_was_sent_back_long_ago_is_in_doubt_too(what, tmp_path):
    gateway = Silent(what, 1.0, times=9)
    with in_process(gateway, tmp_path) as sms:
        with suppress(CampaignStopped):
            sms.send("447700900001", "Hello")
        gateway.silent = False
        sms.wait("7 days")
        with suppress(CampaignStopped):
            sms.campaign("single messages").resume()
        assert len(gateway.messages) == 1
        assert sms.campaign("single messages").counts == {"unknown": 1}


@deceived
def test_a_gateway_that_refuses_truly_costs_a_question_and_nobody_is_forgotten(what, tmp_path):
    gateway = Recorder(faults=[Fault(what, share=0.5)])
    with in_process(gateway, tmp_path, connections=4) as sms:
        campaign = run_until_nothing_is_planned(sms, COUNT)
        assert campaign.counts == {"accepted": COUNT}
        assert gateway.arrived["sendmsg"] > COUNT
        assert len(gateway.messages) == COUNT
