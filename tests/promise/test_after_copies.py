"""What was done after a copy was made, and is done again once that has been put back: nobody is written to twice."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from collections import Counter
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import AlreadySent, CampaignError, CampaignStopped, ClicknbError, LedgerWarning
from clicknb.simulator import Response, replies, serve
from tests.promise.copying import (
    COUNT,
    WHOLE,
    Refusing,
    Watched,
    account,
    assert_all_found,
    backup,
    by_rename,
    plain_cp,
    ways,
)
from tests.promise.harness import (
    DENIED_LONG_ENOUGH,
    NAME,
    Recorder,
    assert_kept,
    assert_nobody_twice,
    assert_recovers,
    in_process,
    people,
    run_cell,
    run_until_nothing_is_planned,
    some,
)

pytestmark = pytest.mark.filterwarnings("ignore::clicknb.errors.LedgerWarning")

GIVEN = {"to": "to", "text": "Hi", "name": NAME}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "ledger.sqlite"


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"


# --- campaigns -------------------------------------------------------------------------------------------------------


@ways(2, seed="started")
@pytest.mark.parametrize("before", ["nothing", "another campaign"])
def test_a_campaign_that_was_started_after_the_copy(before, copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            if before == "another campaign":
                sms.plan(people(5), to="to", text="Earlier", name="earlier").send(progress=False)
            copy(sms, aside)
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_all_found(sms, server.gateway, COUNT)


@ways(1, seed="few")
@pytest.mark.parametrize("first", ["first", "last", "in the middle"])
def test_a_campaign_of_which_a_few_rows_left_after_the_copy(first, copy, put_back, ledger, aside):
    """Whoever asks about some rows only, and finds none of them, knows nothing of the others."""
    count = 150
    few = {"first": range(3), "last": range(count - 3, count), "in the middle": (73, 77, 81)}[first]
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
            copy(sms, aside)
            sms.plan(people(count).iloc[list(few)], **GIVEN).send(progress=False)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            sms.plan(people(count), **GIVEN).send(progress=False)
            assert_nobody_twice(server.gateway)
            assert sms.campaign(NAME).counts == {"accepted": count}


@ways(2, seed="grew")
def test_a_campaign_that_was_started_and_then_grew_after_the_copy(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
            copy(sms, aside)
            for part in (COUNT // 3, COUNT * 2 // 3, COUNT):
                run_cell(sms, part)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_all_found(sms, server.gateway, COUNT)


@ways(1, seed="order")
def test_a_campaign_started_after_the_copy_is_found_whatever_the_order_of_its_rows(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
            copy(sms, aside)
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            sms.plan(people(COUNT).iloc[::-1].reset_index(drop=True), **GIVEN).send(progress=False)
            assert_nobody_twice(server.gateway)
            assert sms.campaign(NAME).counts == {"accepted": COUNT}


@ways(2, seed="two runs")
def test_a_copy_between_two_runs_forgets_the_rows_that_were_added(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            run_cell(sms, COUNT // 2)
            copy(sms, aside)
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            sms.campaign(NAME).resume(progress=False)
            run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@ways(1, seed="grouping")
@pytest.mark.parametrize("first", ["one row", "none"])
def test_rows_that_are_added_in_another_grouping_after_the_copy(first, copy, put_back, ledger, aside):
    """The n-th message to a number is told from the others by its place among them, whoever adds it when."""
    twins = pd.concat([people(6), people(3)], ignore_index=True)
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            if first == "one row":
                sms.plan(people(1), **GIVEN).send(progress=False)
            else:
                sms.send("447700900999", "before")
            copy(sms, aside)
            sms.plan(people(6), **GIVEN).send(progress=False)
            sms.plan(twins, **GIVEN).send(progress=False)
        before = Counter(message.to for message in server.gateway.messages)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            sms.plan(twins, **GIVEN).send(progress=False)
            assert Counter(message.to for message in server.gateway.messages) == before
            assert testing.check(sms, server.gateway.messages).ok


@ways(2, seed="budget")
def test_what_was_spent_after_the_copy_counts_towards_the_budget(copy, put_back, ledger, aside):
    budget = 0.8 * COUNT
    with serve(Watched()) as server:
        before = server.gateway.balance
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 3, lambda: copy(sms, aside))
            sms.plan(people(COUNT), **GIVEN, budget=budget).send(progress=False)
        put_back(aside, ledger)
        more = pd.concat([people(COUNT), pd.DataFrame({"to": ["447700900997", "447700900998"]})])
        with account(server, ledger) as sms:
            with suppress(CampaignStopped, cn.errors.InvalidInput):
                sms.plan(more, **GIVEN, budget=budget).send(progress=False)
            assert_nobody_twice(server.gateway)
            assert float(before - server.gateway.balance) <= budget + 2 * 0.8


def test_a_campaign_started_after_the_copy_of_a_ledger_of_an_older_version(ledger, tmp_path):
    """The copy was made before clicknb was upgraded: it says of itself the same as what became of its original."""
    script = (Path(__file__).parents[1] / "ledger" / "ledger_1.sql").read_text(encoding="utf-8")
    copied = tmp_path / "copied.sqlite"
    for place in (ledger, copied):
        with closing(sqlite3.connect(place)) as old:
            old.executescript(script.replace("'sandbox'", "'owner'"))
    with closing(sqlite3.connect(ledger)) as old, old:
        old.execute("DELETE FROM owners")
    with closing(sqlite3.connect(copied)) as old, old:
        old.execute("DELETE FROM owners")
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
        ledger.unlink()
        copied.rename(ledger)
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)


# --- texts that differ from those that left --------------------------------------------------------------------------


def assert_texts_are_those_that_left(sms: cn.Account, gateway: Watched) -> None:
    """Find of nobody on record that he has had a text that he has not had; one in doubt says that it may be so."""
    assert_nobody_twice(gateway)
    said = {(message.to, message.text) for message in gateway.messages}
    sends = sms.campaign(NAME).sends.query("state == 'accepted'")
    assert set(zip(sends["to"], sends["text"], strict=True)) <= said


class Mute(Watched):
    """A gateway that does not answer questions while it is told so."""

    mute = False

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.mute and path.endswith("querymsg"):
            return replies.page(502, "Bad Gateway")
        return super().handle(path, now, **request)


@ways(1, seed="edited")
@pytest.mark.parametrize("silence", [False, True])
def test_a_text_that_is_edited_after_the_copy_is_not_recorded_for_the_one_that_left(
    silence, copy, put_back, ledger, aside
):
    given = {"to": "to", "text": "{word}", "name": NAME}
    frame = people(10).assign(word="Hi")
    with serve(Mute()) as server:
        with account(server, ledger) as sms:
            sms.plan(frame.head(5), **given).send(progress=False)
            copy(sms, aside)
            sms.plan(frame, **given).send(progress=False)
        put_back(aside, ledger)
        frame["word"] = ["Hi"] * 5 + ["Hello"] * 5
        for server.gateway.mute in [True, False] if silence else [False]:  # it is opened twice where it was silent
            with account(server, ledger) as sms, suppress(CampaignStopped, CampaignError):
                sms.plan(frame, **given).send(progress=False)
        with account(server, ledger) as sms:
            assert_texts_are_those_that_left(sms, server.gateway)


@ways(2, seed="cancelled")
@pytest.mark.parametrize("silence", [False, True])
def test_what_left_after_the_copy_is_not_called_cancelled(silence, copy, put_back, ledger, aside):
    """Whoever is told that a message was cancelled must not find that it was delivered."""
    with serve(Mute()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(10, lambda: copy(sms, aside))
            run_cell(sms, 30)
        put_back(aside, ledger)
        server.gateway.mute = silence
        with account(server, ledger) as sms:
            with suppress(ClicknbError):
                sms.campaign(NAME).cancel()
            sends = sms.campaign(NAME).sends
            has = {message.to for message in server.gateway.messages}
            assert has.isdisjoint(sends["to"][sends["state"].isin(["skipped", "planned"])])
            server.gateway.mute = False
            sms.campaign(NAME).reconcile(timeout=0)
            assert sms.campaign(NAME).counts == {"accepted": len(sends)}


# --- single messages -------------------------------------------------------------------------------------------------


@ways(2, seed="single")
def test_single_messages_that_left_after_the_copy(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900001", "one")
            copy(sms, aside)
            for to, text in (("447700900001", "two"), ("447700900002", "one"), ("447700900003", "one")):
                assert sms.send(to, text)["state"].tolist() == ["accepted"]
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            for to, text in (("447700900002", "one"), ("447700900001", "two"), ("447700900003", "one")):
                assert sms.send(to, text)["state"].iloc[0] in {"accepted", "unknown"}
            with pytest.warns(AlreadySent):
                sms.send("447700900001", "one")
            assert_nobody_twice(server.gateway)
            assert testing.check(sms, server.gateway.messages).ok


@ways(1, seed="first single")
@pytest.mark.parametrize("before", ["nothing", "one"])
def test_another_single_message_to_a_number_is_not_taken_for_the_one_that_left(before, copy, put_back, ledger, aside):
    """Two messages, of which the copy knows none: the second one must neither be lost nor recorded for the first."""
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            if before == "one":
                sms.send("447700900001", "before")
            copy(sms, aside)
            sms.send("447700900001", "one")
            sms.send("447700900001", "two")
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            texts = ("two", "three", "one")
            states = [sms.send("447700900001", text)["state"].iloc[0] for text in texts]
            assert_nobody_twice(server.gateway)
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.wrong_text
            assert not verdict.lost
            said = {message.text for message in server.gateway.messages}
            assert {text for text, state in zip(texts, states, strict=True) if state == "accepted"} <= said
            assert set(states) <= {"accepted", "unknown"}


def test_a_single_message_of_which_the_gateway_has_forgotten_the_first_and_not_the_second(tmp_path):
    gateway, place = Recorder(), tmp_path / "ledger.sqlite"
    with in_process(gateway, tmp_path) as sms:
        sms.send("447700900002", "one")
        sms.backup(tmp_path / "aside.sqlite")
        sms.send("447700900001", "one")
        sms.wait("8 days")
        sms.send("447700900001", "one")
        now = sms.wait("5 hours")
    shutil.copyfile(tmp_path / "aside.sqlite", place)
    with in_process(gateway, tmp_path, start=now) as sms, warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        states = sms.send("447700900001", "one")["state"].tolist()
        assert states[0] in {"accepted", "unknown"}
        assert [message.to for message in gateway.messages].count("447700900001") == 2


@ways(1, seed="again")
def test_a_message_that_was_sent_again_on_purpose_after_the_copy(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900001", "one")
            copy(sms, aside)
            sms.send("447700900001", "one", again=True)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            with pytest.warns(AlreadySent):
                sms.send("447700900001", "one")
            assert len(server.gateway.messages) == 2
            sms.send("447700900001", "one", again=True)
            assert not testing.check(sms, server.gateway.messages).lost


@ways(1, seed="test")
def test_tests_of_a_plan_that_left_after_the_copy(copy, put_back, ledger, aside):
    frame = people(3).assign(word=["a", "b", "c"])
    with serve(Watched()) as server:
        for turn in range(2):
            with account(server, ledger) as sms:
                if not turn:
                    sms.send("447700900999", "before")
                    copy(sms, aside)
                sms.plan(frame, to="to", text="{word}", name=NAME).test("447700900199")
            if not turn:
                put_back(aside, ledger)
        assert_nobody_twice(server.gateway)


# --- faults while the lost part was sent -----------------------------------------------------------------------------

TIMES = {
    "some once": (1, 0),
    "all once": (1,),
    "some twice": (0, 2),
    "some often": (0, 5, 0),
    "all often": (3,),
    "in every way": (0, 1, 2, 3, 4, 5),
}


@ways(1, seed="refused")
@pytest.mark.parametrize("fault", ["throttled", "expired"])
@pytest.mark.parametrize("times", some(list(TIMES), 3, seed="times"))
def test_what_was_refused_at_first_and_accepted_later_is_found(times, fault, copy, put_back, ledger, aside):
    with serve(Refusing(fault, TIMES[times])) as server:
        with account(server, ledger) as sms:

            def begin() -> None:
                copy(sms, aside)
                server.gateway.refuses = True

            server.gateway.after(COUNT // 4, begin)
            run_until_nothing_is_planned(sms, COUNT)
            assert server.gateway.arrived["refused"]
        server.gateway.refuses = False
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_until_nothing_is_planned(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@ways(1, seed="only the refused")
@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_part_that_was_refused_as_a_whole_at_first(times, copy, put_back, ledger, aside):
    """Nothing of what the gateway has was a first attempt, and most of the rows never left."""
    with serve(Refusing("throttled", (times,))) as server:
        with account(server, ledger) as sms:

            def begin() -> None:
                copy(sms, aside)
                server.gateway.refuses = True

            server.gateway.after(COUNT // 4, begin)
            run_cell(sms, COUNT // 4)
            run_until_nothing_is_planned(sms, COUNT // 4 + 6)
        server.gateway.refuses = False
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)


@ways(1, seed="out of reach")
def test_what_could_not_be_reached_at_first_and_was_accepted_later_is_found(copy, put_back, ledger, aside):
    gateway = Watched()
    with serve(gateway) as server:
        port = int(server.url.rpartition(":")[2])
        with account(server, ledger) as sms:
            gateway.after(COUNT // 4, lambda: copy(sms, aside))
            gateway.after(COUNT // 2, server.close, meanwhile=True)
            for _ in range(3):
                run_cell(sms, COUNT)
            gateway.settle()
            assert any(entry["state"] == "returned" for entry in sms.context.ledger.attempts())
            with serve(gateway, port=port):
                run_until_nothing_is_planned(sms, COUNT).reconcile(DENIED_LONG_ENOUGH)
                sms.campaign(NAME).resume(resend=["absent"], progress=False)
    put_back(aside, ledger)
    with serve(gateway, port=port) as server, account(server, ledger) as sms:
        run_until_nothing_is_planned(sms, COUNT)
        assert_nobody_twice(gateway)
        assert_recovers(sms, gateway, COUNT)


@ways(1, seed="no credit")
def test_what_found_no_credit_at_first_and_was_accepted_later_is_found(copy, put_back, ledger, aside):
    with serve(Watched(credits=0.8 * COUNT / 2)) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 4, lambda: copy(sms, aside))
            run_cell(sms, COUNT)
            assert sms.campaign(NAME).counts["planned"] == COUNT - COUNT // 2
            sms.redeem(max(server.gateway.vouchers, key=server.gateway.vouchers.__getitem__))
            run_cell(sms, COUNT)
            assert sms.campaign(NAME).counts == {"accepted": COUNT}
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_until_nothing_is_planned(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


def until_all_are_accepted(campaign: cn.Campaign, resend: str = "absent", most: int = 9) -> None:
    for _ in range(most):
        campaign.reconcile(DENIED_LONG_ENOUGH)
        if campaign.counts == {"accepted": COUNT}:
            return
        with suppress(CampaignStopped):
            campaign.resume(resend=[resend], progress=False)
    raise AssertionError(campaign.counts)


@ways(1, seed="absent")
@pytest.mark.parametrize("times", some([(0, 1), (1,), (0, 3), (0, 1, 2, 3)], 2, seed="absent"), ids=str)
@pytest.mark.parametrize("settled", ["after the copy", "before the copy"])
def test_what_was_absent_and_sent_again_after_the_copy_is_found(settled, times, copy, put_back, ledger, aside):
    with serve(Refusing("reset", times)) as server:
        server.gateway.refuses = True
        with account(server, ledger) as sms:
            run_until_nothing_is_planned(sms, COUNT)
            campaign = sms.campaign(NAME)
            if settled == "after the copy":
                copy(sms, aside)
            campaign.reconcile(DENIED_LONG_ENOUGH)
            assert campaign.counts["absent"]
            if settled == "before the copy":
                copy(sms, aside)
            until_all_are_accepted(campaign)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
            until_all_are_accepted(sms.campaign(NAME))
            assert_nobody_twice(server.gateway)
            assert_kept(sms, server.gateway.messages, COUNT)


@pytest.mark.parametrize("name", some(WHOLE, 1, seed="by hand"))
def test_what_was_sent_again_by_hand_after_the_copy_is_not_sent_by_hand_once_more(name, ledger, aside):
    copy, put_back = (plain_cp, by_rename) if "cp" in name else (backup, by_rename)
    with serve(Refusing("reset", (0, 1))) as server:
        server.gateway.refuses = True
        with account(server, ledger) as sms:
            campaign = run_until_nothing_is_planned(sms, COUNT)
            copy(sms, aside)
            campaign.resume(resend=["unknown"], progress=False)
            assert campaign.counts == {"accepted": COUNT}
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            sms.campaign(NAME).resume(resend=["unknown"], progress=False)
            assert sms.campaign(NAME).counts == {"accepted": COUNT}
            assert_nobody_twice(server.gateway)
