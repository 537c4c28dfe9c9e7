"""Answers to a send that name another message: an id belongs to one message, also in files of older versions."""

from __future__ import annotations

import re
import sqlite3
import warnings
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import CampaignStopped
from clicknb.simulator import Fault, Response, replies, serve
from tests.promise.harness import (
    DENIED_LONG_ENOUGH,
    NAME,
    Crash,
    Recorder,
    Tripwire,
    assert_kept,
    assert_nobody_twice,
    assert_recovers,
    connected,
    people,
    run_cell,
    run_until_nothing_is_planned,
    some,
    under_sqlite,
)
from tests.promise.lying import (
    COUNT,
    OTHERS,
    Liar,
    assert_every_id_is_its_own,
    assert_no_id_twice,
    named,
    out_of_step,
)

# --- answers to a send -----------------------------------------------------------------------------------------------


class Cached(Liar):
    """Something in between answers every send as it answered the first one, and asks the gateway no more."""

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        return named(self.messages[0].apimsgid) if self.messages else None


def test_an_answer_that_names_a_message_answered_before_is_none(tmp_path):
    with serve(Cached()) as server, connected(server, tmp_path / "l.sqlite", concurrency=1) as sms:
        campaign = run_until_nothing_is_planned(sms, COUNT)
        assert campaign.counts == {"accepted": 1, "unknown": COUNT - 1}
        assert campaign.sends["error"][1:].str.contains("another|before").all()
        assert_every_id_is_its_own(sms, server.gateway)
        assert_kept(sms, server.gateway.messages, COUNT)
        server.gateway.lies = False
        assert_recovers(sms, server.gateway, COUNT)


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_too_many_of_them_stop_the_campaign(connections, tmp_path):
    with serve(Cached()) as server, connected(server, tmp_path / "l.sqlite", concurrency=connections) as sms:
        with pytest.raises(CampaignStopped) as stopped:
            sms.plan(people(300), to="to", text="Hi", name=NAME).send(progress=False)
        counts = stopped.value.campaign.counts
        assert counts["unknown"] <= 100 + 2 * connections  # those that answer together, and those that leave with that
        assert counts["planned"] > 0
        assert_every_id_is_its_own(sms, server.gateway)


class Late(Liar):
    """Every fourth answer to a send is the one before it; its own is lost, and perhaps the message as well."""

    def __init__(self, *, accepts: bool) -> None:
        super().__init__()
        self._accepts = accepts
        self._last: Response | None = None

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        last = self._last
        if self.arrived["sends"] % 4 == 3 and last:
            self.arrived["sends"] += 1
            if self._accepts:
                self.honestly(asked, now)
            return last
        self.arrived["sends"] += 1
        self._last = self.honestly(asked, now)
        return self._last


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("connections", [1, 8])
def test_every_fourth_answer_is_the_one_before_it(accepts, connections, tmp_path):
    """With several connections at once the copy may be read before the answer that it copies."""
    with (
        serve(Late(accepts=accepts)) as server,
        connected(server, tmp_path / "l.sqlite", concurrency=connections) as sms,
    ):
        run_until_nothing_is_planned(sms, COUNT)
        assert_no_id_twice(sms)
        if connections == 1:
            assert_every_id_is_its_own(sms, server.gateway)
            assert sms.campaign(NAME).counts == {"accepted": COUNT * 3 // 4, "unknown": COUNT // 4}
        server.gateway.lies = False
        sms.campaign(NAME).reconcile(DENIED_LONG_ENOUGH)
        sms.campaign(NAME).reconcile(DENIED_LONG_ENOUGH)  # those whose id was another's are in doubt since then
        assert_kept(sms, server.gateway.messages, COUNT)
        assert_recovers(sms, server.gateway, COUNT)


@pytest.mark.parametrize("how", ["the one before", "both", "a copy later", "a copy when asked again"])
@pytest.mark.parametrize("connections", [1, 8])
def test_a_connection_that_is_out_of_step_gives_no_message_the_id_of_another(how, connections, tmp_path):
    gateway = Recorder()
    with (
        out_of_step(gateway, how) as server,
        connected(server.url, tmp_path / "l.sqlite", concurrency=connections) as sms,
    ):
        run_until_nothing_is_planned(sms, COUNT)
        assert_every_id_is_its_own(sms, gateway)
        assert_kept(sms, gateway.messages, COUNT)
        assert gateway.arrived["sendmsg"] == len(gateway.messages) == COUNT
        sms.campaign(NAME).reconcile(timeout=0)
        assert sms.campaign(NAME).counts == {"accepted": COUNT}
        assert_every_id_is_its_own(sms, gateway)


def test_after_such_an_answer_the_connection_is_not_used_again(tmp_path):
    """Every reply of a connection is the one before it: only the first one of each can be believed."""
    gateway = Recorder()
    with (
        out_of_step(gateway, "the one before") as server,
        connected(server.url, tmp_path / "l.sqlite", concurrency=1) as sms,
    ):
        campaign = run_until_nothing_is_planned(sms, 20)
        assert campaign.sends["state"].tolist() == ["accepted", "unknown"] * 10


class Elsewhere(Liar):
    """Each answer names a message that was accepted earlier, in another campaign; nothing is accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.lies = False

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        self.arrived["borrowed"] += 1
        return named(self.messages[self.arrived["borrowed"] % len(self.messages)].apimsgid)


@pytest.mark.parametrize("reopened", [False, True])
def test_an_id_of_another_campaign_is_known_too(reopened, tmp_path):
    place = tmp_path / "l.sqlite"
    other = pd.DataFrame({"to": OTHERS})
    with serve(Elsewhere()) as server:
        with connected(server, place) as sms:
            sms.plan(other, to="to", text="Other", name="other").send(progress=False)
            sms.send("447700900999", "single")
            server.gateway.lies = not reopened
            if not reopened:
                assert run_until_nothing_is_planned(sms, COUNT).counts == {"unknown": COUNT}
        server.gateway.lies = True
        with connected(server, place) as sms:
            assert run_until_nothing_is_planned(sms, COUNT).counts == {"unknown": COUNT}
            assert sms.send("447700900998", "single")["state"].tolist() == ["unknown"]
            assert_every_id_is_its_own(sms, server.gateway)
            assert sms.campaign("other").counts == {"accepted": len(OTHERS)}
            assert not testing.check(sms, server.gateway.messages).lost


class Shouting(Cached):
    """The same in capital letters: hexadecimal digits do not care."""

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        return named(self.messages[0].apimsgid.upper()) if self.messages else None


def test_an_id_in_capital_letters_is_the_same_id(tmp_path):
    with serve(Shouting()) as server, connected(server, tmp_path / "l.sqlite", concurrency=1) as sms:
        assert run_until_nothing_is_planned(sms, COUNT).counts == {"accepted": 1, "unknown": COUNT - 1}
        assert_kept(sms, server.gateway.messages, COUNT)


class TooEarly(Liar):
    """The reply to the first message is lost; the second one gets its id, and is not accepted."""

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        self.arrived["sends"] += 1
        if self.arrived["sends"] == 1:
            self.honestly(asked, now)
            return Response(0, b"", {}, "lost")
        return named(self.messages[0].apimsgid) if self.arrived["sends"] == 2 else None


def test_whoever_had_an_id_first_may_be_the_wrong_one(tmp_path):
    """When the gateway says whose id it is, the other one is in doubt: it has been believed for a stranger's answer."""
    with serve(TooEarly()) as server, connected(server, tmp_path / "l.sqlite", concurrency=1) as sms:
        campaign = run_cell(sms, 5)
        campaign.reconcile(DENIED_LONG_ENOUGH)
        assert_no_id_twice(sms)
        verdict = testing.check(sms, server.gateway.messages)
        assert not verdict.lost
        assert not verdict.doubled
        assert_nobody_twice(server.gateway)


# --- several recipients in a request ---------------------------------------------------------------------------------


class ListLiar(Liar):
    """Accepts the first so many of a list, and writes the answer as it is told to."""

    def __init__(self, accepts: int, lines: list[str]) -> None:
        super().__init__()
        self._accepts = accepts
        self._lines = lines

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        numbers = asked["to"].split(",")
        if len(numbers) < 2:
            return None
        self.honestly({**asked, "to": ",".join(numbers[: self._accepts])}, now)
        names = {
            **{f"id{place}": message.apimsgid for place, message in enumerate(self.messages)},
            **{f"to{place}": number for place, number in enumerate(numbers)},
        }
        return replies.text("\n".join(self._lines).format(**names))


LINES = {
    "last line missing": ["ID: {id0} To: {to0}", "ID: {id1} To: {to1}"],
    "last line cut": ["ID: {id0} To: {to0}", "ID: {id1} To: {to1}", "ID: 12"],
    "last line refused, one missing": ["ID: {id0} To: {to0}", "ERR: 105, Invalid Destination Address To: {to1}"],
    "the same id twice": ["ID: {id0} To: {to0}", "ID: {id1} To: {to1}", "ID: {id0} To: {to2}"],
    "the same id for the wrong one first": ["ID: {id1} To: {to2}", "ID: {id0} To: {to0}", "ID: {id1} To: {to1}"],
    "one id for all": ["ID: {id0} To: {to0}", "ID: {id0} To: {to1}", "ID: {id0} To: {to2}"],
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_a_row_in_doubt_of_a_request_does_not_get_the_id_of_another_row(lines, tmp_path):
    """The gateway never had the third one: whoever says that it was accepted has lost it in silence."""
    with serve(ListLiar(2, lines)) as server, connected(server, tmp_path / "l.sqlite") as sms:
        plan = sms.plan(people(3), to="to", text="Hi", name=NAME, mode="list")
        campaign = plan.send(progress=False)
        for _ in range(3):
            states = dict(zip(campaign.sends["to"], campaign.sends["state"], strict=True))
            assert states["447700900002"] == "unknown"
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.lost
            assert not verdict.doubled
            assert_no_id_twice(sms)
            campaign.reconcile("2min")
        campaign.resume(progress=False)
        assert_nobody_twice(server.gateway)


def test_a_list_of_one_is_settled_by_its_id(tmp_path):
    """Nobody shares the request of a single row, so that what the gateway knows is this row."""
    with serve(Recorder(faults=[Fault("lost")])) as server, connected(server, tmp_path / "l.sqlite") as sms:
        frame = people(3).assign(word=["a", "b", "b"])
        campaign = sms.plan(frame, to="to", text="{word}", name=NAME, mode="list").send(progress=False)
        campaign.reconcile(timeout=0)
        assert campaign.sends["state"].tolist() == ["accepted", "unknown", "unknown"]


class OtherList(Liar):
    """A list is answered with the lines of the list before it, without the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        mine = self.honestly(asked, now).body.decode()
        answer, self._last = self._last or mine, mine
        return replies.text(re.sub(r" To: \d+", "", answer))


def test_a_list_that_is_answered_with_the_ids_of_another_list_is_in_doubt(tmp_path, monkeypatch):
    monkeypatch.setattr("clicknb.campaign.run.LIST_SIZE", 4)
    with serve(OtherList()) as server, connected(server, tmp_path / "l.sqlite", concurrency=1) as sms:
        sms.plan(people(8), to="to", text="Hi", name=NAME, mode="list").send(progress=False)
        assert sms.campaign(NAME).counts == {"accepted": 4, "unknown": 4}
        assert_every_id_is_its_own(sms, server.gateway)


# --- files of older versions -----------------------------------------------------------------------------------------

SECOND = """
ALTER TABLE campaigns ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
ALTER TABLE rows ADD COLUMN zone TEXT;
ALTER TABLE attempts ADD COLUMN decision TEXT;
CREATE TABLE suppressions (id INTEGER NOT NULL PRIMARY KEY, "to" TEXT NOT NULL, sender TEXT NOT NULL,
    source TEXT NOT NULL, at INTEGER NOT NULL, lifted INTEGER NOT NULL) STRICT;
PRAGMA user_version = 2;
"""
FIRST_ID = "5fa4499fdbdfd9740c0ec3a15398959d"
DOUBLES = {
    "next row": f"UPDATE attempts SET apimsgid = '{FIRST_ID}' WHERE row_id = 2",
    "next row, in capital letters": f"UPDATE attempts SET apimsgid = upper('{FIRST_ID}') WHERE row_id = 2",
    "same row": "INSERT INTO attempts (row_id, attempt, climsgid, state, submitted_at, answered_at, apimsgid) VALUES "
    f"(1, 2, 'c0ffee', 'accepted', 1772532001000000, 1772532001000000, '{FIRST_ID}')",
    "three of them": f"UPDATE attempts SET apimsgid = '{FIRST_ID}' WHERE row_id = 2; INSERT INTO attempts (row_id, "
    "attempt, climsgid, state, submitted_at, answered_at, apimsgid) VALUES "
    f"(3, 1, 'c0ffee', 'accepted', 1772532001000000, 1772532001000000, '{FIRST_ID}')",
}


def old_ledger(path: Path, version: int, double: str) -> None:
    script = (Path(__file__).parents[1] / "ledger" / "ledger_1.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.executescript(script)
        if version > 1:
            old.executescript(SECOND)
        old.executescript(double)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("double", DOUBLES.values(), ids=DOUBLES)
def test_an_older_ledger_that_holds_an_id_twice_keeps_the_first_and_doubts_the_later_ones(
    version, double, tmp_path, caplog
):
    path = tmp_path / "ledger.sqlite"
    old_ledger(path, version, double)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sms = cn.sandbox(tmp_path)
    with sms:
        assert_no_id_twice(sms)
        states = {(entry["row_id"], entry["attempt"]): entry for entry in sms.context.ledger.attempts()}
        assert states[1, 1]["state"] == "accepted"
        later = [entry for place, entry in states.items() if place != (1, 1) and entry["climsgid"] == "c0ffee"]
        later += [states[2, 1]] if "row_id = 2" in double else []
        assert later
        assert {entry["state"] for entry in later} == {"unknown"}
        assert all(entry["error"] for entry in later)
    said = [str(warning.message) for warning in caught] + [record.getMessage() for record in caplog.records]
    assert said
    assert not any("4477009" in words for words in said)
    with cn.sandbox(tmp_path):
        pass  # once is enough: another warning would be an error


def test_an_older_ledger_without_doubles_is_opened_in_silence(tmp_path):
    for version in (1, 2):
        directory = tmp_path / str(version)
        directory.mkdir()
        old_ledger(directory / "ledger.sqlite", version, "")
        with cn.sandbox(directory) as sms:
            assert sms.campaign("x").counts["accepted"] == 2


def open_doubled(directory: Path, version: int, wire: Tripwire) -> None:
    """Open an old ledger with an id twice, and have the program die at a step."""
    directory.mkdir()
    old_ledger(directory / "ledger.sqlite", version, DOUBLES["next row"])
    with under_sqlite(wire.step), suppress(Crash), cn.sandbox(directory):
        wire.error = None


@pytest.mark.filterwarnings("ignore::clicknb.errors.LedgerWarning")
@pytest.mark.parametrize("version", [1, 2])
def test_an_older_ledger_with_doubles_is_opened_by_a_program_that_dies_at_any_step(version, tmp_path):
    whole = Tripwire()
    open_doubled(tmp_path / "whole", version, whole)
    assert whole.steps > 10
    for at in some(range(1, whole.steps + 1), 5, seed=str(version)):
        open_doubled(tmp_path / str(at), version, Tripwire(at, Crash(), lasting=True))
        with cn.sandbox(tmp_path / str(at)) as sms:
            assert sms.campaign("x").counts == {"accepted": 1, "unknown": 1, "planned": 2}
