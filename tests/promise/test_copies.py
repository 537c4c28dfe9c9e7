"""A ledger is put back from a copy, whatever was copied, when and how: nobody is written to twice, all are named."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clicknb import testing
from clicknb.errors import CampaignStopped, ClicknbError, LedgerError, LedgerWarning
from clicknb.simulator import Fault, Response, faults, replies, serve
from tests.promise.copying import (
    CONNECTIONS,
    COUNT,
    WAYS,
    WHOLE,
    Watched,
    account,
    assert_all_found,
    backup,
    by_rename,
    copy_folder,
    go_on,
    in_place,
    machine,
    moments,
    over_a_log_that_stays,
    plain_cp,
    ways,
)
from tests.promise.harness import (
    NAME,
    Recorder,
    assert_kept,
    assert_nobody_twice,
    assert_recovers,
    in_process,
    people,
    run,
    run_cell,
    some,
)

pytestmark = pytest.mark.filterwarnings("ignore::clicknb.errors.LedgerWarning")

PACES: dict[str, dict[str, Any]] = {"quick": {}, "slow": {"faults": [Fault("drip")]}}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "ledger.sqlite"


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"


@pytest.mark.parametrize(("copy", "put_back"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("pace", some(list(PACES), 1, seed="paces"))
@moments(1, seed="any")
def test_a_copy_of_any_moment_that_is_put_back_writes_to_nobody_twice(copy, put_back, pace, seed, ledger, aside):
    luck = random.Random(f"{seed} {copy} {pace}")
    with serve(Watched(**PACES[pace])) as server:
        with account(server, ledger) as sms:
            moment, meanwhile = luck.randint(1, COUNT), luck.random() < 0.5
            server.gateway.after(moment, lambda: copy(sms, aside), meanwhile=meanwhile)
            run_cell(sms, COUNT)
            server.gateway.settle()
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            go_on(sms, luck)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@ways(2, seed="used before", among=list(WAYS))
def test_a_copy_of_a_ledger_that_has_been_used_before(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 2, lambda: copy(sms, aside))
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_all_found(sms, server.gateway, COUNT)


@ways(2, seed="found and sent")
@pytest.mark.parametrize("call", ["cell", "resume"])
def test_what_left_after_the_copy_is_found_and_what_did_not_is_sent(call, copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 3, lambda: copy(sms, aside))
            server.gateway.after(COUNT * 2 // 3, lambda: sms.campaign(NAME).pause())
            run_cell(sms, COUNT)
        left = server.gateway.arrived["sendmsg"]
        assert COUNT // 3 < left < COUNT
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            if call == "cell":
                run_cell(sms, COUNT)
            else:
                sms.campaign(NAME).resume(progress=False)
            assert server.gateway.arrived["sendmsg"] == len(server.gateway.messages) == COUNT
            assert sms.campaign(NAME).reconcile(timeout=0).counts == {"accepted": COUNT}
            asked = server.gateway.arrived["querymsg"]
            assert asked <= 2 * COUNT
            assert sms.campaign(NAME).resume(progress=False).counts == {"accepted": COUNT}
            assert server.gateway.arrived["querymsg"] == asked  # once is enough
            assert_kept(sms, server.gateway.messages, COUNT)


@pytest.mark.filterwarnings("error::clicknb.errors.LedgerWarning")
def test_a_ledger_that_is_no_copy_goes_on_in_silence_and_everybody_has_one(ledger):
    with serve(Watched()) as server:
        for part in range(1, 4):
            with account(server, ledger) as sms:
                server.gateway.after(COUNT // 3, lambda sms=sms: sms.campaign(NAME).pause())
                run_cell(sms, COUNT)
                assert len(server.gateway.messages) >= COUNT * part // 3 - CONNECTIONS
        with account(server, ledger) as sms:
            assert run_cell(sms, COUNT).counts == {"accepted": COUNT}
        assert server.gateway.arrived["sendmsg"] == COUNT


@pytest.mark.parametrize(
    ("sent", "new", "questions"),
    [(5, 40, 40), (5, 5, 5), (5, 4, 8), (0, 100, 20), (0, 25, 25), (0, 4, 8)],
)
def test_a_ledger_that_was_opened_again_asks_about_each_new_row_once_and_of_a_new_campaign_about_a_few(
    sent, new, questions, tmp_path
):
    gateway = Recorder()
    with in_process(gateway, tmp_path, connections=4) as sms:
        for name, count in (("other", 1), (NAME, sent)):
            sms.plan(people(count), to="to", text="Hi", name=name).send(progress=False)
    with in_process(gateway, tmp_path, connections=4) as sms:
        assert run_cell(sms, sent + new).counts == {"accepted": sent + new}
    assert gateway.arrived["querymsg"] == questions


def test_a_ledger_that_was_deleted_and_is_made_again_writes_to_nobody_twice(ledger):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
        ledger.unlink()
        with account(server, ledger) as sms:
            assert run_cell(sms, COUNT).counts == {"accepted": COUNT}
        assert_nobody_twice(server.gateway)


def test_the_witness_is_on_the_disk_before_anything_is_sent(ledger, monkeypatch):
    synced, fsync = {}, os.fsync

    def watched(file):
        synced[os.fstat(file).st_ino] = os.fstat(file).st_size
        fsync(file)

    monkeypatch.setattr(os, "fsync", watched)
    with serve(Watched()) as server, account(server, ledger) as sms:
        run_cell(sms, 5)
    witness = ledger.with_name(f"{ledger.name}-witness").stat()
    assert synced[witness.st_ino] == witness.st_size


@pytest.mark.parametrize("name", some(["backup, renamed", "cp, renamed", "folder"], 2, seed="says so"))
def test_a_copy_that_can_be_told_from_its_original_says_that_it_is_one(name, ledger, aside):
    copy, put_back = WAYS[name]
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 3, lambda: copy(sms, aside))
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        with account(server, ledger) as sms, pytest.warns(LedgerWarning):
            run_cell(sms, COUNT)


@pytest.mark.parametrize("again", ["opened", "not opened"])
@moments(1, seed="copy of a copy")
def test_a_copy_of_a_copy(again, seed, ledger, tmp_path):
    luck = random.Random(f"{seed} {again}")
    third = COUNT // 3
    with serve(Watched()) as server:
        for step in range(3):
            (copy, put_back), aside = WAYS[luck.choice(WHOLE)], tmp_path / f"aside {step}"
            with account(server, ledger) as sms:
                sent = luck.randint(1, third)
                server.gateway.after(luck.randint(1, sent), lambda sms=sms, copy=copy, aside=aside: copy(sms, aside))
                server.gateway.after(sent, lambda sms=sms: sms.campaign(NAME).pause())
                run_cell(sms, COUNT)
            if again == "not opened" and copy is backup:
                original, aside = aside, tmp_path / f"again {step}"
                copy_of_a_file(original / ledger.name, aside / ledger.name)
            put_back(aside, ledger)
        with account(server, ledger) as sms:
            go_on(sms, luck)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


def copy_of_a_file(source: Path, target: Path) -> None:
    """Copy a ledger with SQLite's own tool, which knows nothing of ledgers."""
    target.parent.mkdir()
    with closing(sqlite3.connect(source)) as opened, closing(sqlite3.connect(target)) as made:
        opened.backup(made)


@ways(2, seed="older")
def test_an_older_copy_after_a_newer_one(copy, put_back, ledger, tmp_path):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 4, lambda: copy(sms, tmp_path / "older"))
            server.gateway.after(COUNT // 2, lambda: copy(sms, tmp_path / "newer"))
            server.gateway.after(COUNT * 3 // 4, lambda: sms.campaign(NAME).pause())
            run_cell(sms, COUNT)
        for aside in ("newer", "older"):
            put_back(tmp_path / aside, ledger)
            with account(server, ledger) as sms:
                run_cell(sms, COUNT)
        assert_nobody_twice(server.gateway)
        with account(server, ledger) as sms:
            assert_recovers(sms, server.gateway, COUNT)


def test_a_copy_that_is_opened_under_a_name_of_its_own(ledger, tmp_path):
    """Somebody keeps both, goes on with the one and later with the other."""
    other = tmp_path / "other.sqlite"
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            run_cell(sms, COUNT // 3)
            sms.backup(other)
        for name, part in ((ledger, COUNT * 2 // 3), (other, COUNT), (ledger, COUNT)):
            with account(server, name) as sms:
                run_cell(sms, part)
                assert_nobody_twice(server.gateway)
        for name in (ledger, other):
            with account(server, name) as sms:
                assert_recovers(sms, server.gateway, COUNT)


# --- a gateway that does not say -------------------------------------------------------------------------------------


class Unsure(Watched):
    """A gateway that answers questions wrongly for a while."""

    fault = ""
    share = 1.0

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if not self.fault or not path.endswith("querymsg") or self.arrived["asked"] % 10 >= 10 * self.share:
            self.arrived["asked"] += path.endswith("querymsg")
            return super().handle(path, now, **request)
        self.arrived["asked"] += 1
        if self.fault == "another message":
            return replies.text(f"ID: {self.messages[0].apimsgid} Status: 003")
        return faults.instead(self.fault, now) or faults.afterwards(
            self.fault, super().handle(path, now, **request), now
        )


SILENT = sorted(faults.NAMES.keys() - {"slow", "drip", "throttled", "expired"})


@pytest.mark.parametrize("fault", some(SILENT, 2, seed="silent"))
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_where_the_gateway_does_not_answer_nothing_is_sent(fault, share, ledger, aside):
    with serve(Unsure()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 3, lambda: backup(sms, aside))
            server.gateway.after(COUNT * 2 // 3, lambda: sms.campaign(NAME).pause())
            run_cell(sms, COUNT)
        by_rename(aside, ledger)
        server.gateway.fault, server.gateway.share = fault, share
        sent = server.gateway.arrived["sendmsg"]
        with account(server, ledger) as sms:
            for _ in range(3):
                with suppress(ClicknbError):
                    run_cell(sms, COUNT)
                assert_nobody_twice(server.gateway)
            if share == 1.0:
                assert server.gateway.arrived["sendmsg"] == sent
            server.gateway.fault = ""
            assert_recovers(sms, server.gateway, COUNT)


def test_an_answer_that_names_another_message_is_none(ledger, aside):
    """Asked what it knows of a row of the copy, the gateway names the first message of all: nobody may believe that."""
    with serve(Unsure()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 3, lambda: backup(sms, aside))
            server.gateway.after(COUNT * 2 // 3, lambda: sms.campaign(NAME).pause())
            run_cell(sms, COUNT)
        by_rename(aside, ledger)
        server.gateway.fault = "another message"
        with account(server, ledger) as sms:
            with suppress(ClicknbError):
                run_cell(sms, COUNT)
            assert not testing.check(sms, server.gateway.messages).lost
            assert_nobody_twice(server.gateway)
            server.gateway.fault = ""
            assert_recovers(sms, server.gateway, COUNT)


@moments(1, seed="killed")
def test_a_program_that_is_killed_while_it_asks_about_a_copy(seed, ledger, aside):
    luck = random.Random(seed)
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(luck.randint(1, COUNT - 2), lambda: backup(sms, aside))
            run_cell(sms, COUNT)
        by_rename(aside, ledger)
        for _ in range(2):
            process = machine(server, ledger)
            command = luck.choice(["querymsg", "querymsg", "sendmsg"])
            server.gateway.after(luck.randint(1, 6), process.kill, command=command)
            run(process)
            assert_nobody_twice(server.gateway)
            server.gateway.settle()
        with account(server, ledger) as sms:
            assert_recovers(sms, server.gateway, COUNT)


# --- two machines with one folder ------------------------------------------------------------------------------------


@moments(1, seed="two machines")
def test_a_folder_that_goes_to_another_machine_and_back(seed, tmp_path):
    """Each machine is given the folder while the other one still sends, which then ends or dies."""
    luck = random.Random(seed)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with serve(Watched()) as server:
        for _ in range(4):
            process = machine(server, here / "ledger.sqlite")
            lasts = luck.randint(2, COUNT // 4)

            def hand_over(here: Path = here, there: Path = there) -> None:
                shutil.rmtree(there, ignore_errors=True)
                copy_folder(here, there)

            server.gateway.after(luck.randint(1, lasts), hand_over, meanwhile=luck.random() < 0.5)
            if luck.random() < 0.8:
                server.gateway.after(lasts, process.kill)
            run(process)
            server.gateway.settle()
            if not there.exists():
                hand_over()
            here, there = there, here
            assert_nobody_twice(server.gateway)
        with account(server, here / "ledger.sqlite") as sms:
            go_on(sms, luck)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@moments(1, seed="new campaign")
def test_a_campaign_that_was_started_on_the_other_machine(seed, tmp_path):
    """The folder came before the other machine started its campaign; here somebody runs the same cell."""
    luck = random.Random(seed)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with serve(Watched()) as server:
        with account(server, here / "ledger.sqlite") as sms:
            sms.send("447700900999", "before")
        copy_folder(here, there)
        process = machine(server, there / "ledger.sqlite")
        server.gateway.after(luck.randint(1, COUNT), process.kill)
        run(process)
        with account(server, here / "ledger.sqlite") as sms:
            run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)
            sms.campaign(NAME).reconcile("5min")
            sms.campaign(NAME).resume(resend=["absent"], progress=False)
            assert_all_found(sms, server.gateway, COUNT)


@moments(1, seed="died")
def test_a_file_that_is_put_back_over_the_log_of_a_program_that_died(seed, ledger, aside):
    luck = random.Random(seed)
    with serve(Watched()) as server:
        process = machine(server, ledger)
        server.gateway.after(luck.randint(1, COUNT // 2), lambda: copy_folder(ledger.parent, aside))
        server.gateway.after(luck.randint(COUNT // 2, COUNT), process.kill)
        run(process)
        over_a_log_that_stays(aside, ledger)
        with suppress(LedgerError), account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_recovers(sms, server.gateway, COUNT)
        assert_nobody_twice(server.gateway)


# --- under a program that has it open --------------------------------------------------------------------------------

OPEN = {"renamed": by_rename, "in place": in_place, "over the log": over_a_log_that_stays}


@pytest.mark.parametrize("put_back", OPEN.values(), ids=OPEN)
@pytest.mark.parametrize("copy", some([backup, plain_cp], 1, seed="open"))
@pytest.mark.parametrize("who", ["this program", "another program"])
def test_a_copy_that_is_put_back_under_an_open_account(who, copy, put_back, ledger, aside):
    """A notebook is left open, and somebody puts a copy in the place of the file below it."""
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 3, lambda: sms.campaign(NAME).pause())
            run_cell(sms, COUNT)
            copy(sms, aside)
            if who == "this program":
                run_cell(sms, COUNT)
            else:
                with account(server, ledger) as other:
                    run_cell(other, COUNT)
            put_back(aside, ledger)
            for _ in range(2):
                with suppress(LedgerError):
                    run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)
        with suppress(LedgerError), account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_recovers(sms, server.gateway, COUNT)
        assert_nobody_twice(server.gateway)


# --- what the gateway has forgotten ----------------------------------------------------------------------------------


@ways(2, seed="old", among=[name for name in WHOLE if name != "snapshot"])  # a snapshot shows nothing of its age
@pytest.mark.parametrize("days", [5, 7, 400])
def test_a_copy_that_is_older_than_what_the_gateway_remembers(days, copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 2, lambda: copy(sms, aside))
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        server.advance(days * 86_400)
        with account(server, ledger, later=timedelta(days=days)) as sms:
            for call in (run_cell, lambda sms, _: sms.campaign(NAME).resume(progress=False)):
                with suppress(CampaignStopped):
                    call(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_kept(sms, server.gateway.messages, COUNT)
            assert sms.campaign(NAME).counts.keys() <= {"accepted", "unknown"}
            if days < 6:
                assert sms.campaign(NAME).reconcile(timeout=0).counts == {"accepted": COUNT}


@pytest.mark.filterwarnings("error::clicknb.errors.LedgerWarning")
@pytest.mark.parametrize("days", [7, 400])
def test_an_honest_ledger_may_wait_for_longer_than_that(days, ledger):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 2, lambda: sms.campaign(NAME).pause())
            run_cell(sms, COUNT)
        server.advance(days * 86_400)
        with account(server, ledger, later=timedelta(days=days)) as sms:
            assert run_cell(sms, COUNT).counts == {"accepted": COUNT}


MEANWHILE = ["another campaign", "some rows", "single messages", "statuses", "more rows", "nothing"]


@ways(1, seed="used", among=[name for name in WHOLE if name != "snapshot"])
@pytest.mark.parametrize("meanwhile", some(MEANWHILE, 3, seed="meanwhile"))
@pytest.mark.parametrize("days", [8, 12])
def test_a_copy_that_is_used_for_something_else_until_the_gateway_has_forgotten(
    days, meanwhile, copy, put_back, ledger, aside
):
    """What is newest in a ledger says nothing of how old the rows are that the copy does not know to be sent."""
    given = {"to": "to", "text": "Hi", "name": NAME}
    half = COUNT // 2
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(half, lambda: copy(sms, aside))
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        server.advance(5 * 86_400)
        with account(server, ledger, later=timedelta(days=5)) as sms:
            if meanwhile == "another campaign":
                sms.plan(people(5), to="to", text="Other", name="other").send(progress=False)
            elif meanwhile == "some rows":
                sms.plan(people(half + 3), **given).send(progress=False)
            elif meanwhile == "more rows":
                sms.plan(pd.DataFrame({"to": ["447700900998"]}), **given).send(progress=False)
            elif meanwhile == "single messages":
                sms.send("447700900999", "single")
            elif meanwhile == "statuses":
                sms.campaign(NAME).refresh()
        server.advance((days - 5) * 86_400)
        with account(server, ledger, later=timedelta(days=days)) as sms:
            for call in (lambda: sms.plan(people(COUNT), **given).send, lambda: sms.campaign(NAME).resume):
                with suppress(CampaignStopped):
                    call()(progress=False)
            assert_nobody_twice(server.gateway)
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.lost
            assert not verdict.doubled
