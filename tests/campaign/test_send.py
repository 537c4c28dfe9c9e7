"""The sender: intent before the first byte, one attempt, and a clean state whatever happens."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.campaign.run import execute
from clicknb.errors import CampaignError, CampaignStopped, InDoubt, LedgerError, NotSent
from clicknb.gateway.http.wire import Request
from clicknb.gateway.transport import SequentialExchange
from clicknb.ledger.records import climsgid
from clicknb.simulator import Fault, Gateway, Response
from tests.promise.harness import Recorder, in_process, pauses

PEOPLE = pd.DataFrame({"to": [f"44770090{number:04d}" for number in range(30)]})

HOUR = timedelta(hours=1)


class Watched(SequentialExchange):
    """An exchange that tells of each request before it leaves."""

    def __init__(self, watch: Callable[[Request], None], transport, connections) -> None:
        super().__init__(transport, connections)
        self._watch = watch

    def start(self, slot: int, request: Request) -> None:
        self._watch(request)
        super().start(slot, request)


def watch(sms: cn.Account, look: Callable[[Request], None]) -> cn.Account:
    transport = sms.gateway.transport
    return testing.altered(sms, connect=lambda count: Watched(look, transport, count))


def plan(sms: cn.Account, name: str = "x"):
    return sms.plan(PEOPLE, to="to", text="Hi", name=name)


def test_each_intent_is_on_the_disk_before_its_request_leaves(tmp_path):
    path = tmp_path / "ledger.sqlite"
    seen = []
    with testing.server() as server, testing.account(server, ledger=path) as opened:

        def look(request: Request) -> None:
            other = sqlite3.connect(path)
            row = other.execute("SELECT state FROM attempts WHERE climsgid = ?", [request.parameters["climsgid"]])
            seen.append(row.fetchone())
            other.close()

        sms = watch(opened, look)
        plan(sms).send(progress=False)
    assert seen == [("sending",)] * 30


def test_never_more_rows_are_open_than_there_are_connections(tmp_path):
    path = tmp_path / "ledger.sqlite"
    most = 0
    with testing.server() as server, testing.account(server, ledger=path, concurrency=4) as opened:

        def look(_: Request) -> None:
            nonlocal most
            other = sqlite3.connect(path)
            (count,) = other.execute("SELECT count(*) FROM attempts WHERE state = 'sending'").fetchone()
            other.close()
            most = max(most, count)

        sms = watch(opened, look)
        plan(sms).send(progress=False)
    assert most == 4


@pytest.mark.parametrize(("mode", "count", "first"), [("each", 40, 32), ("list", 1500, 1200)])
def test_so_much_is_recorded_before_the_first_of_it_leaves(mode, count, first, tmp_path):
    people = pd.DataFrame({"to": [f"3363998{number:04d}" for number in range(count)]})
    with in_process(Gateway(credits=10_000), tmp_path, connections=40) as opened:
        seen = []
        sms = watch(opened, lambda _: seen.append(opened.campaign("x").counts))
        sms.plan(people, to="to", text="Hi", name="x", mode=mode).send(progress=False)
        assert seen[0] == {"planned": count - first, "sending": first}


def test_a_sender_that_dies_leaves_its_open_rows_unknown_and_the_rest_planned():
    class Crash(BaseException):
        pass

    with testing.server() as server, testing.account(server, concurrency=4) as opened:
        left = iter(range(11))

        def look(_: Request) -> None:
            if next(left, None) is None:
                raise Crash

        sms = watch(opened, look)
        with pytest.raises(Crash):
            plan(sms).send(progress=False)
        campaign = sms.campaign("x")
        assert set(campaign.counts) <= {"accepted", "unknown", "planned"}
        assert 0 < campaign.counts["unknown"] <= 4
        campaign = opened.campaign("x").resume(progress=False)
        assert campaign.counts.get("planned") is None
        campaign.reconcile(timeout=0)
        assert testing.check(sms, server.gateway.messages).ok


def test_rows_left_sending_by_a_killed_program_become_unknown(tmp_path):
    with testing.server() as server, testing.account(server, ledger=tmp_path / "l.sqlite") as sms:
        campaign = plan(sms).send(progress=False)
        other = sqlite3.connect(tmp_path / "l.sqlite")
        with other:
            other.execute("UPDATE attempts SET state = 'sending', apimsgid = NULL WHERE row_id <= 3")
        other.close()
        assert campaign.counts == {"accepted": 27, "sending": 3}
        campaign.reconcile(timeout=0)
        assert campaign.counts == {"accepted": 30}
        assert len(server.gateway.messages) == 30


def test_an_interrupt_sends_nothing_new_and_records_what_was_due():
    with testing.server() as server, testing.account(server, concurrency=16) as opened:
        left = iter(range(10))

        def look(_: Request) -> None:
            if next(left, None) == 9:
                signal.raise_signal(signal.SIGINT)

        sms = watch(opened, look)
        with pytest.raises(KeyboardInterrupt):
            plan(sms).send(progress=False)
        campaign = sms.campaign("x")
        assert campaign.counts == {"accepted": 16, "planned": 14}
        assert "interrupted" in campaign.stopped
        campaign = sms.campaign("x").resume(progress=False)
        assert campaign.counts == {"accepted": 30}
        assert testing.check(sms, server.gateway.messages).ok


def test_two_programs_cannot_send_the_same_row(tmp_path):
    path = tmp_path / "ledger.sqlite"
    settings = {"ledger": path, "concurrency": 1}
    with (
        testing.server() as server,
        testing.account(server, **settings) as opened,
        testing.account(server, **settings) as two,
    ):
        refused = []

        def look(_: Request) -> None:
            for attempt in (plan(two).send, two.campaign("x").resume):
                with pytest.raises(CampaignError, match="is being sent by process") as error:
                    attempt(progress=False)
                refused.append(error)
            two.campaign("x").reconcile(timeout=0)  # leaves alone what a living sender has on its way

        one = watch(opened, look)
        assert plan(one).send(progress=False).counts == {"accepted": 30}
        assert len(refused) == 60
        assert testing.check(one, server.gateway.messages).ok


@pytest.mark.parametrize("on_its_way", [1, 10])
def test_a_row_that_another_sender_has_taken_is_not_sent_even_without_the_lock(on_its_way, tmp_path):
    settings = {"ledger": tmp_path / "l.sqlite", "concurrency": 1}
    with (
        testing.server() as server,
        testing.account(server, **settings) as opened,
        testing.account(server, **settings) as two,
    ):
        two.context.ledger.sending = lambda *_, **__: contextlib.nullcontext()
        started = []

        def look(_: Request) -> None:
            started.append(True)
            if len(started) == on_its_way:
                plan(two).send(progress=False)

        one = watch(opened, look)
        with pytest.raises(CampaignStopped, match="another program"):
            plan(one).send(progress=False)
        assert one.campaign("x").counts == {"accepted": 30}
        assert testing.check(one, server.gateway.messages).ok


def test_an_expired_session_is_renewed_and_nothing_is_lost_or_doubled():
    with testing.server(faults=[Fault("expired", share=0.5)]) as server, testing.account(server) as sms:
        assert plan(sms).send(progress=False).counts == {"accepted": 30}
        assert testing.check(sms, server.gateway.messages).ok


def test_a_session_that_ends_at_once_every_time_stops_the_campaign():
    with cn.sandbox() as sms:
        with pytest.raises(CampaignStopped, match="ends every session"):
            sms.plan(pd.DataFrame({"to": ["27999100003"]}), to="to", text="Hi", name="x").send(progress=False)
        assert sms.campaign("x").counts == {"planned": 1}


def test_a_throttled_gateway_is_given_time_and_gets_everything_once():
    with cn.sandbox() as sms:
        frame = pd.DataFrame({"to": ["27999400010", "447700900001"]})
        campaign = sms.plan(frame, to="to", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"accepted": 2}


class Busy(Recorder):
    """A gateway that asks for patience before it takes a message, so many times and for so long."""

    def __init__(self, times: int, patience: str) -> None:
        super().__init__()
        self._left = times
        self._patience = patience

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if not path.endswith("sendmsg") or not self._left:
            return super().handle(path, now, **request)
        self._left -= 1
        return Response(429, b"", {"Retry-After": self._patience} if self._patience else {})


@pytest.mark.parametrize(
    ("patience", "slept"),
    [("20", [20, 20, 20]), ("60", [60, 60, 60]), ("3", [3, 4, 8]), ("1", [2, 4, 8]), ("", [2, 4, 8])],
)
def test_a_busy_gateway_is_given_the_time_it_asks_for_and_more_if_it_asks_again(patience, slept, tmp_path, monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    with in_process(Busy(3, patience), tmp_path) as sms:
        kept = pauses(sms)
        assert sms.plan(PEOPLE.head(1), to="to", text="Hi", name="x").send(progress=False).counts == {"accepted": 1}
        assert kept == slept


@pytest.mark.parametrize(("times", "patience", "slept"), [(1, "61", []), (1, "3600", []), (4, "", [2, 4, 8])])
def test_a_gateway_that_asks_for_too_much_or_too_often_stops_the_campaign(
    times, patience, slept, tmp_path, monkeypatch
):
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    with in_process(Busy(times, patience), tmp_path) as sms:
        kept = pauses(sms)
        words = f"asks to wait {patience} seconds" if patience else "keeps asking for patience"
        with pytest.raises(CampaignStopped, match=words):
            sms.plan(PEOPLE.head(1), to="to", text="Hi", name="x").send(progress=False)
        assert kept == slept
        assert sms.campaign("x").counts == {"planned": 1}
        assert sms.campaign("x").resume(progress=False).counts == {"accepted": 1}


def test_two_pauses_are_never_exactly_alike(tmp_path):
    with in_process(Busy(3, ""), tmp_path) as sms:
        kept = pauses(sms)
        sms.plan(PEOPLE.head(1), to="to", text="Hi", name="x").send(progress=False)
        assert all(2**number / 2 <= pause < 2**number for number, pause in enumerate(kept, 1))


def test_a_refused_connection_is_tried_again_because_nothing_left():
    with cn.sandbox() as sms:
        frame = pd.DataFrame({"to": ["27999400001", "447700900001"]})
        with pytest.raises(CampaignStopped, match="cannot be reached"):
            sms.plan(frame, to="to", text="Hi", name="x").send(progress=False)
        assert sms.campaign("x").counts["planned"] >= 1


def test_a_failing_ledger_stops_before_the_next_byte_leaves(tmp_path):
    with testing.server() as server, testing.account(server, ledger=tmp_path / "l.sqlite", concurrency=1) as opened:
        count = 0

        def look(_: Request) -> None:
            nonlocal count
            count += 1
            if count == 5:
                with sms.context.ledger.writing() as connection:
                    connection.exec_driver_sql(
                        "CREATE TRIGGER broken BEFORE INSERT ON attempts BEGIN SELECT raise(FAIL, 'no'); END"
                    )

        sms = watch(opened, look)
        with pytest.raises((LedgerError, CampaignError)):
            plan(sms).send(progress=False)
        assert len(server.gateway.messages) == 5
        assert testing.check(sms, server.gateway.messages).ok


@pytest.mark.parametrize(("waited", "kept"), [("59min", True), ("1h", False), ("2h", False)])
def test_a_time_that_has_passed_before_the_message_leaves_is_not_passed_on(waited, kept):
    def out_of_reach(_):
        message = "The gateway is away."
        raise NotSent(message)

    with cn.sandbox() as opened:
        with pytest.raises(NotSent):
            plan(testing.altered(opened, connect=out_of_reach)).send(at=opened.now() + HOUR, progress=False)
        opened.wait(waited)
        scheduled = []
        sms = watch(opened, lambda request: scheduled.append("scheduled_time" in request.parameters))
        assert sms.campaign("x").resume(progress=False).counts == {"accepted": 30}
        assert scheduled == [kept] * 30


def test_rate_holds_messages_back_without_losing_any():
    with testing.server() as server, testing.account(server, rate=200.0) as sms:
        assert plan(sms).send(progress=False).counts == {"accepted": 30}


def test_climsgids_are_32_hexadecimal_digits_and_differ_by_row_and_attempt():
    ids = {climsgid("c", f"44770090{row:04d}#1", attempt) for row in range(500) for attempt in (1, 2)}
    assert len(ids) == 1000
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in ids)


def test_execute_on_a_finished_campaign_does_nothing():
    with cn.sandbox() as sms:
        campaign = plan(sms).send(progress=False)
        before = sms.balance()
        execute(sms.context, "x", campaign.id, progress=False)
        assert sms.balance() == before


def test_the_reason_of_a_doubt_is_kept_without_numbers():
    with cn.sandbox() as sms:
        sent = sms.send("27999400003", "Hi")
        assert sent["error"].tolist() == ["the reply was lost: the connection failed"]
        assert issubclass(InDoubt, cn.ClicknbError)


def test_a_campaign_in_the_background_is_paused_and_resumed():
    with testing.server() as server, testing.account(server, rate=50.0) as sms:
        campaign = plan(sms).send(background=True)
        campaign.pause()
        with pytest.raises(CampaignStopped, match="paused by the user"):
            campaign.wait("30s")
        assert campaign.counts["planned"] > 0
        campaign.resume(progress=False)
        assert campaign.counts == {"accepted": 30}
        assert testing.check(sms, server.gateway.messages).ok


def test_an_error_in_the_background_reaches_whoever_waits():
    with testing.server(credits=1) as server, testing.account(server) as sms:
        campaign = plan(sms).send(background=True)
        with pytest.raises(CampaignStopped, match="No Credit Left"):
            campaign.wait("30s")


@pytest.mark.parametrize("fault", testing.FAULTS)
def test_a_rehearsal_proves_the_promise_and_sends_nothing(fault):
    with cn.sandbox() as sms:
        before = sms.balance()
        rehearsal = plan(sms).rehearse(fault)
        assert rehearsal.verdict.ok
        assert sum(rehearsal.settled.values()) == 30
        assert "nothing lost, doubled or changed" in repr(rehearsal)
        assert sms.balance() == before
        assert sms.campaigns().empty


def test_a_rehearsal_that_there_is_not_names_those_that_there_are():
    with cn.sandbox() as sms, pytest.raises(cn.errors.InvalidInput, match="lost replies"):
        plan(sms).rehearse("bad luck")


def test_a_campaign_in_the_background_shows_no_bar_of_its_own(capsys):
    with cn.sandbox() as sms:
        plan(sms).send(background=True).wait("30s")
        assert capsys.readouterr().err == ""
        plan(sms, "y").send()
        assert "30/30" in capsys.readouterr().err
