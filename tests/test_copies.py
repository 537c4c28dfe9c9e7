"""A ledger is put back from a copy: whatever was copied, when and how, nobody is written to twice and all are named."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import AlreadySent, CampaignError, CampaignStopped, ClicknbError, LedgerError
from clicknb.sandbox import Fault, Response, Server, faults, replies, serve
from tests.attack import (
    DENIED_LONG_ENOUGH,
    NAME,
    PROCESSES,
    Recorder,
    assert_kept,
    assert_recovers,
    connected,
    people,
    run,
    run_cell,
    run_until_nothing_is_planned,
    soak,
    some,
)

pytestmark = pytest.mark.filterwarnings("ignore::clicknb.errors.LedgerWarning")

COUNT = soak(30, 120)
CONNECTIONS = 4
EVERY_MOMENT = range(soak(1000, 100))
SLOW = {"faults": [Fault("drip")]}


def moments(few: int, seed: str) -> Any:
    """Draw the seeds of a test: a few in a hurry, a hundred otherwise."""
    return pytest.mark.parametrize("seed", some(EVERY_MOMENT, few, seed=seed))


class Watched(Recorder):
    """A gateway at which something happens once so many messages have been accepted, or so many questions put."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._due: list[tuple[str, int, Callable[[], object]]] = []
        self._meanwhile: list[threading.Thread] = []

    def after(
        self, count: int, act: Callable[[], object], *, command: str = "sendmsg", meanwhile: bool = False
    ) -> None:
        """Act before the answer to a request leaves; or in a thread of its own, while all goes on."""
        if meanwhile:
            thread = threading.Thread(target=act)
            self._meanwhile.append(thread)
            act = thread.start
        self._due.append((command, self.arrived[command] + count, act))

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        response = super().handle(path, now, **request)
        for entry in list(self._due):
            command, count, act = entry
            if path.endswith(command) and self.arrived[command] >= count:
                self._due.remove(entry)
                act()
        return response

    def join(self) -> None:
        """Wait for what happens in threads of its own."""
        for thread in self._meanwhile:
            if thread.ident:
                thread.join(30)


# --- ways to copy and to put back ------------------------------------------------------------------------------------


def files_of(ledger: Path) -> list[Path]:
    """List the files that SQLite keeps for a ledger, in the order in which ``cp`` takes them."""
    return [place for end in ("", "-shm", "-wal") if (place := ledger.with_name(ledger.name + end)).exists()]


def backup(sms: cn.Account, aside: Path) -> None:
    ledger = sms._service.ledger.path
    assert ledger is not None
    aside.mkdir()
    sms.backup(aside / ledger.name)


def plain_cp(sms: cn.Account, aside: Path) -> None:
    ledger = sms._service.ledger.path
    assert ledger is not None
    aside.mkdir()
    for place in files_of(ledger):
        shutil.copyfile(place, aside / place.name)


def cp_without_log(sms: cn.Account, aside: Path) -> None:
    ledger = sms._service.ledger.path
    assert ledger is not None
    aside.mkdir()
    shutil.copyfile(ledger, aside / ledger.name)


def disk_image(sms: cn.Account, aside: Path) -> None:
    ledger = sms._service.ledger.path
    assert ledger is not None
    copy_folder(ledger.parent, aside)


def copy_folder(source: Path, target: Path) -> None:
    """Copy every file of a folder, as a synchronising program does: one after the other, while they change."""
    target.mkdir(exist_ok=True)
    for place in sorted(source.iterdir()):
        with suppress(FileNotFoundError):  # deleted meanwhile
            shutil.copy2(place, target / place.name)


def by_rename(aside: Path, ledger: Path) -> None:
    for place in files_of(ledger):
        place.unlink()
    for place in aside.iterdir():
        place.rename(ledger.parent / place.name)


def in_place(aside: Path, ledger: Path) -> None:
    """Write over the ledger's content, so that it stays the same file to the system."""
    for place in files_of(ledger)[1:]:
        place.unlink()
    for place in aside.iterdir():
        with (ledger.parent / place.name).open("r+b" if place.name == ledger.name else "wb") as file:
            file.truncate()
            file.write(place.read_bytes())


def over_a_log_that_stays(aside: Path, ledger: Path) -> None:
    """Put the file back and forget its log, so that what is in there belongs to the other one."""
    shutil.copyfile(aside / ledger.name, ledger)


def whole_folder(aside: Path, ledger: Path) -> None:
    """Put every file back and remove what was not there, as a disk image does."""
    shutil.rmtree(ledger.parent)
    shutil.copytree(aside, ledger.parent)


WAYS = {
    "backup, renamed": (backup, by_rename),
    "backup, in place": (backup, in_place),
    "cp, renamed": (plain_cp, by_rename),
    "cp, in place": (plain_cp, in_place),
    "cp without the log, renamed": (cp_without_log, by_rename),
    "cp without the log, in place": (cp_without_log, in_place),
    "disk image": (disk_image, whole_folder),
}
WHOLE = {name: way for name, way in WAYS.items() if "without" not in name}
"""Those whose copy holds what was committed when it was made."""

every_way = pytest.mark.parametrize(("copy", "put_back"), WAYS.values(), ids=WAYS)
every_whole_way = pytest.mark.parametrize(("copy", "put_back"), WHOLE.values(), ids=WHOLE)
two_ways = pytest.mark.parametrize(
    ("copy", "put_back"), [(backup, by_rename), (plain_cp, in_place)], ids=["backup", "cp"]
)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "ledger.sqlite"


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    return tmp_path / "aside"


@contextmanager
def account(url: Server, ledger: Path, **settings: Any) -> Iterator[cn.Account]:
    with connected(url, ledger, **{"concurrency": CONNECTIONS, **settings}) as sms:
        yield sms


def knows(sms: cn.Account, name: str = NAME) -> bool:
    return name in set(sms.campaigns()["name"])


def go_on(sms: cn.Account, luck: random.Random, count: int = COUNT) -> None:
    """Do what somebody does who has put a copy back: some of it, in this order."""
    if knows(sms):
        if luck.random() < 0.3:
            sms.campaign(NAME).reconcile(timeout=0)
        if luck.random() < 0.3:
            sms.campaign(NAME).refresh()
        if luck.random() < 0.5:
            with suppress(CampaignStopped):
                sms.campaign(NAME).resume(progress=False)
    run_cell(sms, count)


def assert_nobody_twice(gateway: Recorder) -> None:
    accepted = Counter((message.to, message.text) for message in gateway.messages)
    assert {name: count for name, count in accepted.items() if count > 1} == {}


# --- one campaign, at any moment -------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("pace", [{}, SLOW], ids=["quick", "slow"])
@moments(2, seed="each")
def test_a_copy_of_any_moment_that_is_put_back_writes_to_nobody_twice(copy, put_back, pace, seed, ledger, aside):
    luck = random.Random(f"{seed} {copy.__name__} {pace}")
    with serve(Watched(**pace)) as server:
        with account(server, ledger) as sms:
            moment, meanwhile = luck.randint(1, COUNT), luck.random() < 0.5
            server.gateway.after(moment, lambda: copy(sms, aside), meanwhile=meanwhile)
            run_cell(sms, COUNT)
            server.gateway.join()
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            go_on(sms, luck)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@every_way
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
            assert sms.campaign(NAME).counts.keys() <= {"accepted", "unknown"}
            sms.campaign(NAME).reconcile(timeout=0)
            assert_kept(sms, server.gateway.messages, COUNT)
            assert sms.campaign(NAME).counts == {"accepted": COUNT}


@two_ways
@pytest.mark.parametrize("call", ["cell", "resume"])
def test_what_left_after_the_copy_is_found_and_what_did_not_is_sent(copy, put_back, call, ledger, aside):
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
            assert asked <= COUNT
            assert sms.campaign(NAME).resume(progress=False).counts == {"accepted": COUNT}
            assert server.gateway.arrived["querymsg"] == asked  # once is enough
            assert_kept(sms, server.gateway.messages, COUNT)


def test_a_ledger_that_is_no_copy_goes_on_after_a_crash_or_a_pause_and_everybody_has_one(ledger):
    """The questions must not keep an honest ledger from going on."""
    with serve(Watched()) as server:
        for part in range(1, 4):
            with account(server, ledger) as sms:
                server.gateway.after(COUNT // 3, lambda sms=sms: sms.campaign(NAME).pause())
                run_cell(sms, COUNT)
                assert len(server.gateway.messages) >= COUNT * part // 3 - CONNECTIONS
        with account(server, ledger) as sms:
            assert run_cell(sms, COUNT).counts == {"accepted": COUNT}
        assert server.gateway.arrived["sendmsg"] == COUNT


@moments(2, seed="copy of a copy")
@pytest.mark.parametrize("again", ["opened", "not opened"])
def test_a_copy_of_a_copy(seed, again, ledger, tmp_path):
    luck = random.Random(f"{seed} {again}")
    ways = list(WHOLE.values())
    third = COUNT // 3
    with serve(Watched()) as server:
        for step in range(3):
            (copy, put_back), aside = luck.choice(ways), tmp_path / f"aside {step}"
            with account(server, ledger) as sms:
                sent = luck.randint(1, third)
                server.gateway.after(luck.randint(1, sent), lambda sms=sms, copy=copy, aside=aside: copy(sms, aside))
                server.gateway.after(sent, lambda sms=sms: sms.campaign(NAME).pause())
                run_cell(sms, COUNT)
            if again == "not opened" and copy is backup:
                aside, original = tmp_path / f"again {step}", aside
                with closing(sqlite3.connect(original / ledger.name)) as source:
                    aside.mkdir()
                    with closing(sqlite3.connect(aside / ledger.name)) as target:
                        source.backup(target)
            put_back(aside, ledger)
        with account(server, ledger) as sms:
            go_on(sms, luck)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@pytest.mark.parametrize("name", list(WHOLE))
def test_an_older_copy_after_a_newer_one(name, ledger, tmp_path):
    copy, put_back = WHOLE[name]
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


# --- what else was done after the copy -------------------------------------------------------------------------------


@every_whole_way
@pytest.mark.parametrize("before", ["nothing", "another campaign"])
def test_a_campaign_that_was_started_after_the_copy(copy, put_back, before, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            if before == "another campaign":
                sms.plan(people(5), to="to", text="Earlier", name="earlier").send(progress=False)
            copy(sms, aside)
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_recovers_all(sms, server.gateway, COUNT)


def assert_recovers_all(sms: cn.Account, gateway: Recorder, count: int) -> None:
    """Find every message of the campaign accepted once, beside those of others."""
    campaign = run_until_nothing_is_planned(sms, count).reconcile(timeout=0)
    assert campaign.counts == {"accepted": count}
    verdict = testing.check(sms, gateway.messages)
    assert verdict.ok, verdict
    assert_nobody_twice(gateway)


@two_ways
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
            assert_nobody_twice(server.gateway)
            assert_recovers_all(sms, server.gateway, COUNT)


@two_ways
def test_a_campaign_started_after_the_copy_is_found_whatever_the_order_of_its_rows(copy, put_back, ledger, aside):
    frame = people(COUNT)
    given = {"to": "to", "text": "Hi", "name": NAME}
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
            copy(sms, aside)
            sms.plan(frame, **given).send(progress=False)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            sms.plan(frame.iloc[::-1].reset_index(drop=True), **given).send(progress=False)
            assert_nobody_twice(server.gateway)
            assert sms.campaign(NAME).counts == {"accepted": COUNT}


@every_whole_way
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


@two_ways
@pytest.mark.parametrize("first", ["one row", "none"])
def test_rows_that_are_added_in_another_grouping_after_the_copy(copy, put_back, first, ledger, aside):
    """The n-th message to a number is told from the others by its place in the campaign, whoever adds it when."""
    twins = pd.concat([people(6), people(3)], ignore_index=True)
    given = {"to": "to", "text": "Hi", "name": NAME}
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            if first == "one row":
                sms.plan(people(1), **given).send(progress=False)
            else:
                sms.send("447700900999", "before")
            copy(sms, aside)
            sms.plan(people(6), **given).send(progress=False)
            sms.plan(twins, **given).send(progress=False)
        before = Counter(message.to for message in server.gateway.messages)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            sms.plan(twins, **given).send(progress=False)
            assert Counter(message.to for message in server.gateway.messages) == before
            assert testing.check(sms, server.gateway.messages).ok


@every_whole_way
def test_a_text_that_is_edited_after_the_copy_is_not_recorded_for_the_one_that_left(copy, put_back, ledger, aside):
    """Somebody has had one text; the ledger may not say that he has had the other one."""
    given = {"to": "to", "name": NAME}
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.plan(people(5), text="Hi", **given).send(progress=False)
            copy(sms, aside)
            sms.plan(people(10), text="Hi", **given).send(progress=False)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            frame = people(10).assign(word=["Hi"] * 5 + ["Hello"] * 5)
            with suppress(CampaignStopped, CampaignError):
                sms.plan(frame, text="{word}", **given).send(progress=False)
            assert_nobody_twice(server.gateway)
            assert not testing.check(sms, server.gateway.messages).wrong_text
            said = {message.to: message.text for message in server.gateway.messages}
            sent = sms.campaign(NAME).sends.query("state == 'accepted'")
            assert all(said[to] == text for to, text in zip(sent["to"], sent["text"], strict=True))


@every_whole_way
def test_variants_are_those_that_people_have_had(copy, put_back, ledger, aside):
    given = {"to": "to", "name": NAME, "variants": {"A": "Book now", "B": "Your place is waiting"}, "seed": 1}
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.plan(people(7), **given).send(progress=False)
            copy(sms, aside)
            for part in (12, 19, 30):
                sms.plan(people(part), **given).send(progress=False)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            with suppress(CampaignStopped):
                sms.plan(people(30), **given).send(progress=False)
            most = Counter(message.to for message in server.gateway.messages)
            assert max(most.values()) == 1
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.wrong_text
            assert not verdict.lost
            assert not verdict.doubled


# single messages


@every_whole_way
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


@every_whole_way
@pytest.mark.parametrize("before", ["nothing", "one"])
def test_another_single_message_to_a_number_is_not_taken_for_the_one_that_left(copy, put_back, before, ledger, aside):
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
            states = [sms.send("447700900001", text)["state"].iloc[0] for text in ("two", "three", "one")]
            assert set(states) <= {"accepted", "unknown"}
            assert_nobody_twice(server.gateway)
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.wrong_text
            assert not verdict.lost
            said = {message.text for message in server.gateway.messages}
            named = dict(zip(("two", "three", "one"), states, strict=True))
            assert {text for text, state in named.items() if state == "accepted"} <= said


# faults while the lost part was sent


class Refusing(Watched):
    """A gateway that refuses each message so many times before it accepts it, while it is told to."""

    def __init__(self, what: str, times: int, share: float = 1.0) -> None:
        super().__init__()
        self.refuses = False
        self._what = what
        self._times = times
        self._share = share
        self._tries: Counter[bytes] = Counter()

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.refuses and path.endswith("sendmsg"):
            number = request["body"].partition(b"to=")[2].partition(b"&")[0]
            self._tries[number] += 1
            unlucky = random.Random(number).random() < self._share
            if unlucky and self._tries[number] <= self._times:
                self.arrived["refused"] += 1
                instead = faults.instead(self._what, now)
                return instead or replies.text(replies.error(self._what, now))
        return super().handle(path, now, **request)


@every_whole_way
@pytest.mark.parametrize("what", ["throttled", "expired"])
@pytest.mark.parametrize("times", [1, 2, 5])
def test_what_was_refused_at_first_and_accepted_later_is_found(what, times, copy, put_back, ledger, aside):
    with serve(Refusing(what, times, share=0.4)) as server:
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


@two_ways
def test_what_could_not_be_reached_at_first_and_was_accepted_later_is_found(copy, put_back, ledger, aside):
    gateway = Watched()
    with serve(gateway) as server:
        port = int(server.url.rpartition(":")[2])
        with account(server, ledger) as sms:
            gateway.after(COUNT // 4, lambda: copy(sms, aside))
            gateway.after(COUNT // 2, server.close, meanwhile=True)
            for _ in range(3):
                run_cell(sms, COUNT)
            gateway.join()
            tries = sms._service.ledger.attempts()
            assert any(entry["state"] == "returned" for entry in tries)
            with serve(gateway, port=port):
                run_until_nothing_is_planned(sms, COUNT).reconcile(DENIED_LONG_ENOUGH)
                sms.campaign(NAME).resume(resend=["absent"], progress=False)
    put_back(aside, ledger)
    with serve(gateway, port=port) as server, account(server, ledger) as sms:
        run_until_nothing_is_planned(sms, COUNT)
        assert_nobody_twice(gateway)
        assert_recovers(sms, gateway, COUNT)


@two_ways
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


@two_ways
@pytest.mark.parametrize("settled", ["after the copy", "before the copy"])
def test_what_was_absent_and_sent_again_after_the_copy_is_found(copy, put_back, settled, ledger, aside):
    weather: list[Fault] = [Fault("reset", share=0.5)]
    with serve(Watched(faults=weather)) as server:
        with account(server, ledger) as sms:
            run_until_nothing_is_planned(sms, COUNT)
            campaign = sms.campaign(NAME)
            if settled == "after the copy":
                copy(sms, aside)
            campaign.reconcile(DENIED_LONG_ENOUGH)
            assert campaign.counts["absent"]
            if settled == "before the copy":
                copy(sms, aside)
            resend_until_accepted(campaign)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            campaign = sms.campaign(NAME)
            run_cell(sms, COUNT)
            campaign.reconcile(DENIED_LONG_ENOUGH)
            resend_until_accepted(campaign)
            assert_nobody_twice(server.gateway)
            assert_kept(sms, server.gateway.messages, COUNT)


def resend_until_accepted(campaign: cn.Campaign, most: int = 40) -> None:
    for _ in range(most):
        with suppress(CampaignStopped):
            campaign.resume(resend=["absent"], progress=False)
        campaign.reconcile(DENIED_LONG_ENOUGH)
        if campaign.counts == {"accepted": COUNT}:
            return
    raise AssertionError(campaign.counts)


# --- several recipients in a request ---------------------------------------------------------------------------------


def run_list(sms: cn.Account, count: int, **options: Any) -> cn.Campaign:
    plan = sms.plan(people(count), to="to", text="Hi", name=NAME, **{"mode": "list", **options})
    try:
        return plan.send(progress=False)
    except CampaignStopped as stopped:
        return stopped.campaign


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clicknb.campaign.campaign.LIST_SIZE", 6)


@every_whole_way
@pytest.mark.usefixtures("short_lists")
@moments(1, seed="list")
def test_lists_that_left_after_the_copy_are_not_sent_again(copy, put_back, seed, ledger, aside):
    luck = random.Random(f"{seed} {copy.__name__} {put_back.__name__}")
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(luck.randint(1, COUNT // 6), lambda: copy(sms, aside), meanwhile=luck.random() < 0.5)
            run_list(sms, COUNT)
            server.gateway.join()
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            if luck.random() < 0.5:
                sms.campaign(NAME).resume(progress=False)
            run_list(sms, COUNT)
            sms.campaign(NAME).reconcile(timeout=0)
            run_list(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert_kept(sms, server.gateway.messages, COUNT)
            assert sms.campaign(NAME).counts.keys() <= {"accepted", "unknown"}
            assert len(server.gateway.messages) == COUNT


@two_ways
@pytest.mark.usefixtures("short_lists")
@pytest.mark.parametrize("change", ["other order", "grown", "each", "suppressed", "started after"])
def test_lists_that_would_be_made_up_in_another_way_after_the_copy(copy, put_back, change, ledger, aside):
    frame = people(COUNT)
    given = {"to": "to", "text": "Hi", "name": NAME, "mode": "list"}
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
            if change == "started after":
                copy(sms, aside)
            else:
                server.gateway.after(COUNT // 12, lambda: copy(sms, aside))
            if change == "grown":
                sms.plan(frame.head(COUNT // 2), **given).send(progress=False)
            sms.plan(frame, **given).send(progress=False)
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            if change == "suppressed":
                sms.suppress([f"447700900{number:03d}" for number in range(0, COUNT, 6)])
            if change == "other order":
                frame = frame.iloc[::-1].reset_index(drop=True)
            if change == "each":
                given["mode"] = "each"
            with suppress(CampaignStopped):
                sms.plan(frame, **given).send(progress=False)
            with suppress(CampaignStopped):
                sms.campaign(NAME).resume(progress=False)
            assert_nobody_twice(server.gateway)
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.lost
            assert not verdict.doubled


@two_ways
@pytest.mark.usefixtures("short_lists")
def test_lists_that_were_throttled_at_first_are_not_sent_again(copy, put_back, ledger, aside):
    with serve(Refusing("throttled", 2)) as server:
        with account(server, ledger) as sms:

            def begin() -> None:
                copy(sms, aside)
                server.gateway.refuses = True

            server.gateway.after(2, begin)
            for _ in range(20):
                run_list(sms, COUNT)
            assert sms.campaign(NAME).counts == {"accepted": COUNT}
        put_back(aside, ledger)
        with account(server, ledger) as sms:
            for _ in range(3):
                run_list(sms, COUNT)
            assert_nobody_twice(server.gateway)
            assert not testing.check(sms, server.gateway.messages).lost


# --- a gateway that does not say -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", sorted(faults.NAMES.keys() - {"slow", "drip", "throttled", "expired"}))
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_where_the_gateway_does_not_answer_nothing_is_sent(fault, share, ledger, aside):
    silent = Fault(fault, share=share, commands=frozenset({"querymsg"}))
    gateway, before = Watched(), Watched(faults=[silent])
    with serve(before) as server, account(server, ledger) as sms:
        gateway = before
        gateway.after(COUNT // 3, lambda: backup(sms, aside))
        gateway.after(COUNT * 2 // 3, lambda: sms.campaign(NAME).pause())
        run_cell(sms, COUNT)
        port = int(server.url.rpartition(":")[2])
    by_rename(aside, ledger)
    with serve(gateway, port=port) as server, account(server, ledger) as sms:
        sent = gateway.arrived["sendmsg"]
        for _ in range(3):
            with suppress(ClicknbError):
                run_cell(sms, COUNT)
            assert_nobody_twice(gateway)
        if share == 1.0:
            assert gateway.arrived["sendmsg"] == sent
        gateway._plan = Watched()._plan  # now it answers
        assert_recovers(sms, gateway, COUNT)


@two_ways
def test_an_answer_that_names_another_message_is_none(copy, put_back, ledger, aside):
    """Asked what it knows of a row of the copy, the gateway names the first message of all: nobody may believe that."""

    class Confused(Watched):
        confused = False

        def handle(self, path: str, now: datetime, **request: Any) -> Response:
            response = super().handle(path, now, **request)
            if self.confused and path.endswith("querymsg"):
                return replies.text(f"ID: {self.messages[0].apimsgid} Status: 003")
            return response

    with serve(Confused()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 3, lambda: copy(sms, aside))
            server.gateway.after(COUNT * 2 // 3, lambda: sms.campaign(NAME).pause())
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        server.gateway.confused = True
        with account(server, ledger) as sms:
            with suppress(ClicknbError):
                run_cell(sms, COUNT)
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.lost
            assert_nobody_twice(server.gateway)
            server.gateway.confused = False
            assert_recovers(sms, server.gateway, COUNT)


def cell_of_a_machine(url: str, ledger: Path) -> None:
    with (
        suppress(KeyboardInterrupt, CampaignError, LedgerError),
        connected(url, ledger, concurrency=CONNECTIONS) as sms,
    ):
        run_cell(sms, COUNT)


def machine(server: Server, ledger: Path) -> Any:
    return PROCESSES.Process(target=cell_of_a_machine, args=(server.url, ledger), daemon=True)


@moments(2, seed="killed")
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
            server.gateway._due.clear()
        with account(server, ledger) as sms:
            assert_recovers(sms, server.gateway, COUNT)


# --- two machines with one folder ------------------------------------------------------------------------------------


@moments(2, seed="two machines")
def test_a_folder_that_goes_to_another_machine_and_back(seed, tmp_path):
    """Each machine is given the folder while the other one still sends, which then ends or dies."""
    luck = random.Random(seed)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    share = COUNT // 4
    with serve(Watched()) as server:
        for _ in range(4):
            process = machine(server, here / "ledger.sqlite")
            lasts = luck.randint(2, share)

            def hand_over(here: Path = here, there: Path = there) -> None:
                shutil.rmtree(there, ignore_errors=True)
                copy_folder(here, there)

            server.gateway.after(luck.randint(1, lasts), hand_over, meanwhile=luck.random() < 0.5)
            if luck.random() < 0.8:
                server.gateway.after(lasts, process.kill)
            run(process)
            server.gateway.join()
            server.gateway._due.clear()
            if not there.exists():
                hand_over()
            here, there = there, here
            assert_nobody_twice(server.gateway)
        with account(server, here / "ledger.sqlite") as sms:
            go_on(sms, luck)
            assert_nobody_twice(server.gateway)
            assert_recovers(sms, server.gateway, COUNT)


@moments(1, seed="new campaigns")
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
            assert_recovers_all(sms, server.gateway, COUNT)


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


@pytest.mark.parametrize("put_back", [by_rename, in_place, over_a_log_that_stays])
@pytest.mark.parametrize("copy", [backup, plain_cp])
def test_a_copy_that_is_put_back_under_an_open_account(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            run_cell(sms, COUNT // 3)
            copy(sms, aside)
            run_cell(sms, COUNT * 2 // 3)
            put_back(aside, ledger)
            with suppress(LedgerError):
                run_cell(sms, COUNT)
            assert_nobody_twice(server.gateway)
        with suppress(LedgerError), account(server, ledger) as sms:
            run_cell(sms, COUNT)
            assert_recovers(sms, server.gateway, COUNT)
        assert_nobody_twice(server.gateway)


# --- what the gateway has forgotten ----------------------------------------------------------------------------------


@two_ways
@pytest.mark.parametrize("days", [5, 7, 400])
def test_a_copy_that_is_older_than_what_the_gateway_remembers(copy, put_back, days, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            server.gateway.after(COUNT // 2, lambda: copy(sms, aside))
            run_cell(sms, COUNT)
        put_back(aside, ledger)
        server.advance(days * 86_400)
        with account(server, ledger, later=timedelta(days=days)) as sms:
            with suppress(CampaignStopped):
                run_cell(sms, COUNT)
            with suppress(CampaignStopped):
                sms.campaign(NAME).resume(progress=False)
            assert_nobody_twice(server.gateway)
            assert_kept(sms, server.gateway.messages, COUNT)
            assert sms.campaign(NAME).counts.keys() <= {"accepted", "unknown"}
            if days < 6:
                assert sms.campaign(NAME).reconcile(timeout=0).counts == {"accepted": COUNT}


@two_ways
@pytest.mark.parametrize("meanwhile", ["another campaign", "some rows", "single messages", "statuses", "more rows"])
def test_a_copy_that_is_used_for_something_else_before_the_gateway_has_forgotten(
    copy, put_back, meanwhile, ledger, aside
):
    """What is newest in the ledger says nothing of how old the rows are that the copy does not know to be sent."""
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
                extra = pd.DataFrame({"to": ["447700900998"]})
                sms.plan(extra, **given).send(progress=False)
            elif meanwhile == "single messages":
                sms.send("447700900999", "single")
            else:
                sms.campaign(NAME).refresh()
        server.advance(3 * 86_400)
        with account(server, ledger, later=timedelta(days=8)) as sms:
            with suppress(CampaignStopped):
                sms.plan(people(COUNT), **given).send(progress=False)
            with suppress(CampaignStopped):
                sms.campaign(NAME).resume(progress=False)
            assert_nobody_twice(server.gateway)
            verdict = testing.check(sms, server.gateway.messages)
            assert not verdict.lost
            assert not verdict.doubled


@two_ways
def test_single_messages_that_left_after_an_old_copy(copy, put_back, ledger, aside):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900001", "one")
            copy(sms, aside)
            sms.send("447700900001", "two")
        put_back(aside, ledger)
        server.advance(20 * 3600)
        with account(server, ledger, later=timedelta(hours=20)) as sms:
            sms.send("447700900001", "two")
            assert_nobody_twice(server.gateway)


# --- two names of one file -------------------------------------------------------------------------------------------


def test_a_ledger_with_two_names_is_refused_and_opens_again_when_one_is_gone(ledger, tmp_path):
    other = tmp_path / "other.sqlite"
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            run_cell(sms, COUNT // 2)
        os.link(ledger, other)
        for name in (ledger, other):
            with pytest.raises(LedgerError, match=r"name|link"), account(server, name) as sms:
                run_cell(sms, COUNT)
        assert len(server.gateway.messages) == COUNT // 2
        other.unlink()
        with account(server, ledger) as sms:
            assert run_cell(sms, COUNT).counts == {"accepted": COUNT}
        assert_nobody_twice(server.gateway)


@pytest.mark.parametrize("first", [0, COUNT // 3])
def test_two_senders_by_two_names_of_one_file_write_to_nobody_twice(first, ledger, tmp_path):
    other = tmp_path / "other.sqlite"
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            if first:
                run_cell(sms, first)
        os.link(ledger, other)
        run(machine(server, ledger), machine(server, other))
        assert_nobody_twice(server.gateway)
        other.unlink()
        with account(server, ledger) as sms:
            assert_recovers(sms, server.gateway, COUNT)


def test_a_second_name_that_is_made_while_messages_are_sent(ledger, tmp_path):
    other = tmp_path / "other.sqlite"
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            second = machine(server, other)

            def begin() -> None:
                os.link(ledger, other)
                second.start()

            server.gateway.after(COUNT // 3, begin)
            with suppress(LedgerError):
                run_cell(sms, COUNT)
            second.join(60)
        assert_nobody_twice(server.gateway)


def test_a_symbolic_link_is_no_second_file(ledger, tmp_path):
    other = tmp_path / "other.sqlite"
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
        other.symlink_to(ledger)
        run(machine(server, ledger), machine(server, other))
        with account(server, other) as sms:
            assert run_cell(sms, COUNT).reconcile(timeout=0).counts == {"accepted": COUNT}
        assert_nobody_twice(server.gateway)


def test_many_who_open_the_same_new_ledger_at_once_are_not_taken_for_two_names(tmp_path):
    """A new ledger is put in its place by a link: for a moment it has two names itself."""
    failures: list[BaseException] = []

    def open_it(together: threading.Barrier, place: Path) -> None:
        together.wait(30)
        try:
            with connected("http://127.0.0.1:1", place):
                pass
        except BaseException as error:
            failures.append(error)

    for turn in range(soak(10, 200)):
        together = threading.Barrier(6)
        place = tmp_path / f"{turn}.sqlite"
        threads = [threading.Thread(target=open_it, args=(together, place)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []
