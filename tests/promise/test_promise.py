"""Never a duplicate, never a silent loss: whatever is done, in whatever order."""

from __future__ import annotations

import random
import sqlite3
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlencode

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import clicknb as cn
from clicknb import testing
from clicknb.clock import START
from clicknb.errors import AlreadySent, CampaignStopped, ClicknbError, ContentChanged, LedgerError, LedgerWarning
from clicknb.gateway.limits import REMEMBERED
from clicknb.simulator import Response, faults, replies
from tests.promise.copying import by_rename, in_place
from tests.promise.harness import NAME, Crash, Recorder, Tripwire, in_process, meddle, soak, under_sqlite

CONNECTIONS = 3
SINGLES = "single messages"
NO_ROUTE = "27999100114"

MOVES = {
    "sending": {"sending", "unknown", "accepted", "absent"},
    "unknown": {"unknown", "accepted", "absent"},
    "returned": {"returned", "unknown", "accepted"},  # asked about, or cancelled before that
}
"""Where an attempt that was seen in some state may be found later; any other state is its last."""

BREAKAGES = {
    "killed": (Crash(), True),
    "interrupted": (KeyboardInterrupt(), False),
    "disk full": (sqlite3.OperationalError("database or disk is full"), True),
    "disk hiccup": (sqlite3.OperationalError("disk I/O error"), False),
}
"""The error that is raised at some step, and whether it is raised at all later steps too."""


ACTIONS = ["run_the_cell", "run_the_cell", "resume", "send_absent_ones_again", "reconcile_for_a_while", "cancel"]
SHARES = st.sampled_from([0.2, 0.5, 1.0])
DECEITS = {"accepted, then 429": "throttled", "accepted, then 003": "expired"}
WEATHER = st.tuples(
    st.sampled_from(["", "lost", "lost", "reset"]) | st.sampled_from(list(faults.NAMES) + list(DECEITS)), SHARES
)
"""The fault that hits the sends, those that matter most more often than others, and the share that it hits."""

LIES = st.sampled_from(["an id again", "an id again, not accepted", "another message", "replies late by one"])
"""What a gateway may say, or something before it, that is the answer to another request."""


class Weather(Recorder):
    """A gateway behind a network that may be bad: a share of the sends is hit by a fault, of all answers by a lie.

    Attributes
    ----------
    deceived
        Client message ids of what was accepted and then sent back.
    lied
        Whether it has lied since somebody looked.
    told
        The statuses that it has truly told, by its own id.
    """

    def __init__(self, ledger: Path) -> None:
        super().__init__()
        self.fault = ""
        self.share = 0.0
        self.lie = ""
        self.lied = False
        self.deceived: set[str] = set()
        self.told: dict[str, set[str]] = {}
        self._ledger = ledger
        self._luck = random.Random(0)

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        command = path.rpartition("/")[2]
        asked = {name: values[0] for name, values in parse_qs(request["body"].decode()).items()}
        if self.lie and self._luck.random() < self.share and (lie := self._lie(command, asked, now)):
            self.lied = True
            return lie
        if command != "sendmsg" or not self.fault or self._luck.random() >= self.share:
            return self._remembered(super().handle(path, now, **request))
        if self.fault in DECEITS:
            return self._sent_back(super().handle(path, now, **request), asked, now)
        instead = faults.instead(self.fault, now)
        return instead or faults.afterwards(self.fault, super().handle(path, now, **request), now)

    def _sent_back(self, response: Response, asked: dict[str, str], now: datetime) -> Response:
        if not response.body.startswith(b"ID"):
            return response
        self.deceived.add(asked["climsgid"])
        return faults.instead(DECEITS[self.fault], now) or response

    def _lie(self, command: str, asked: dict[str, str], now: datetime) -> Response | None:
        """Say of another message what was asked of this one: of one that the ledger has, as else nobody could tell."""
        remembered = {one.apimsgid for one in self.messages if now - one.due_at <= REMEMBERED}  # else it is a denial
        others = [name for name in self._on_record() if name != asked.get("apimsgid") and name in remembered]
        if not others:
            return None
        other = self._luck.choice(others)
        if command == "sendmsg" and self.lie.startswith("an id again"):
            if self.lie == "an id again":
                super().handle(f"/http/{command}", now, body=urlencode(asked).encode())
            return replies.text(f"ID: {other}")
        if command in {"querymsg", "getmsgcharge", "delmsg"} and self.lie == "another message":
            login = {name: value for name, value in asked.items() if name not in {"apimsgid", "climsgid"}}
            return super().handle(f"/http/{command}", now, body=urlencode({**login, "apimsgid": other}).encode())
        return None

    def _on_record(self) -> list[str]:
        with closing(sqlite3.connect(self._ledger)) as ledger:  # not by the account, whose steps are counted
            query = "SELECT apimsgid FROM attempts WHERE apimsgid IS NOT NULL ORDER BY row_id, attempt"
            return [name for (name,) in ledger.execute(query)]

    def _remembered(self, response: Response) -> Response:
        words = response.body.decode().replace("apiMsgId", "ID").replace("status", "Status").split()
        if words[:1] == ["ID:"] and "Status:" in words:
            self.told.setdefault(words[1], set()).add(words[words.index("Status:") + 1])
        return response


class OutOfStep:
    """An exchange where a reply to a send may come twice on a connection, so that all later ones are late by one."""

    def __init__(self, exchange: Any, gateway: Weather, luck: random.Random) -> None:
        self.connections = exchange.connections
        self.close = exchange.close
        self._exchange = exchange
        self._gateway = gateway
        self._luck = luck
        self._sends: set[int] = set()
        self._last: dict[int, Any] = {}
        self._late: set[int] = set()

    def start(self, slot: int, request: Any) -> None:
        if request.is_send:
            self._sends.add(slot)
        self._exchange.start(slot, request)

    def wait(self, *timeout: Any) -> list[tuple[int, Any]]:
        return [(slot, self._reply(slot, answer)) for slot, answer in self._exchange.wait(*timeout)]

    def drop(self, slot: int) -> None:
        self._late.discard(slot)
        self._last.pop(slot, None)
        self._exchange.drop(slot)

    def _reply(self, slot: int, answer: Any) -> Any:
        if slot not in self._sends or isinstance(answer, ClicknbError):
            self._late.discard(slot)  # a connection that broke is made anew
            self._last.pop(slot, None)
            return answer
        self._sends.discard(slot)
        last = self._last.get(slot, answer)
        late = self._gateway.lie == "replies late by one" and self._luck.random() < self._gateway.share
        if late and last.text.startswith("ID"):  # that a refusal comes twice nobody can tell
            self._late.add(slot)
        reply = last if slot in self._late else answer
        self._last[slot] = answer
        return reply


class WrongClock:
    """The clock of a machine that was set wrong; the gateway has its own."""

    def __init__(self, true: Any, wrong: Callable[[], timedelta]) -> None:
        self.monotonic = true.monotonic
        self.sleep = true.sleep
        self._true = true
        self._wrong = wrong

    def now(self) -> datetime:
        moment: datetime = self._true.now() + self._wrong()
        return moment


@dataclass(frozen=True)
class Backup:
    """A copy of the ledger, and whom somebody had cancelled by then."""

    path: Path
    cancelled: frozenset[str]


class Life(RuleBasedStateMachine):
    """A campaign and single messages on one ledger, and everything that people and machines do to them."""

    def __init__(self) -> None:
        super().__init__()
        self._world = ExitStack()
        self._directory = Path(self._world.enter_context(TemporaryDirectory()))
        self._world.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", LedgerWarning)  # that a ledger is a copy
        self.gateway = Weather(self._directory / "ledger.sqlite")
        self.people: list[str] = []
        self.recorded = 0  # rows that the ledger has to name
        self.cancelled: set[str] = set()  # numbers that must never get anything any more
        self.seen: dict[tuple[int, int], tuple[str, str]] = {}  # climsgid and state of each row's each attempt
        self.resent: set[str] = set()  # states that are being sent again by hand
        self.twice: set[str] = set()  # numbers that may get it twice, because somebody asked for that
        self.broken = False  # whether something broke just now
        self.backups: list[Backup] = []
        self.forgotten: set[str] = set()  # client message ids of what left after the copy that was put back
        self.unsure: set[str] = set()  # numbers of rows that the copy did not have, so that their text is not known
        self.wrong = timedelta(0)  # how wrong the machine's clock is
        self._now = START
        self._luck = random.Random(0)
        self._opened = ExitStack()

    @initialize(weather=WEATHER, count=st.integers(0, 12))
    def begin(self, weather: tuple[str, float], count: int) -> None:
        self.gateway.fault, self.gateway.share = weather
        self.add_people(count, unroutable=False)
        self.open_an_account()

    def open_an_account(self) -> None:
        opened = in_process(self.gateway, self._directory, start=self._now, connections=CONNECTIONS)
        self.sms = self._opened.enter_context(opened)
        context = self.sms.context
        self.sms = testing.altered(
            self.sms,
            clock=WrongClock(context.clock, lambda: self.wrong),
            connect=lambda count: OutOfStep(context.connect(count), self.gateway, self._luck),
        )

    def now(self) -> datetime:
        """Tell the true time."""
        return self.sms.now() - self.wrong

    def teardown(self) -> None:
        self._opened.close()
        self._world.close()

    def campaign(self) -> cn.Campaign:
        return self.sms.campaign(NAME)

    def plan(self, text: str = "Hi") -> cn.Plan:
        frame = pd.DataFrame({"to": [to for to in self.people if to not in self.cancelled]}, dtype="str")
        return self.sms.plan(frame, to="to", text=text, name=NAME)

    # what people do

    @rule(count=st.integers(1, 8), unroutable=st.booleans())
    def add_people(self, count: int, unroutable: bool) -> None:
        first = len(self.people)
        self.people += [f"447700900{number:03d}" for number in range(first, first + count)]
        if unroutable and NO_ROUTE not in self.people:
            self.people.append(NO_ROUTE)

    @rule()
    @precondition(lambda self: self.people)
    def run_the_cell(self) -> None:
        with suppress(CampaignStopped):
            self.plan().send(progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def resume(self) -> None:
        with suppress(CampaignStopped):
            self.campaign().resume(progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def send_absent_ones_again(self) -> None:
        self.resent = {"absent"}
        with suppress(CampaignStopped):
            self.campaign().resume(resend=["absent"], progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def send_unknown_ones_again_although_they_may_have_arrived(self) -> None:
        self.resent = {"unknown", "sending"}
        sends = self.campaign().sends
        self.twice |= set(sends["to"][sends["state"].isin(self.resent)])
        with suppress(CampaignStopped):
            self.campaign().resume(resend=["unknown"], progress=False)

    @rule()
    @precondition(lambda self: self.recorded)
    def reconcile_once(self) -> None:
        with suppress(ClicknbError):  # it may be that nothing it says can be read
            self.campaign().reconcile(timeout=0)
        sends = self.campaign().sends
        recent = sends["submitted_at"] > self.sms.now() - REMEMBERED
        doubtful = sends["climsgid"][recent & (sends["state"] == "unknown") & ~sends["to"].isin(self.unsure)]
        assert self.gateway.lie or set(doubtful).isdisjoint(self.known())

    @rule()
    @precondition(lambda self: self.recorded)
    def reconcile_for_a_while(self) -> None:
        with suppress(ClicknbError):
            self.campaign().reconcile(timeout="5min")

    @rule()
    @precondition(lambda self: self.recorded)
    def ask_for_receipts(self) -> None:
        with suppress(ClicknbError):
            self.campaign().refresh()

    @rule()
    @precondition(lambda self: self.recorded)
    def cancel(self) -> None:
        with suppress(ClicknbError):
            self.campaign().cancel()
        self.cancelled |= self._in_state("skipped")

    def known(self) -> set[str]:
        """List the client message ids that the gateway still remembers."""
        return {one.climsgid for one in self.gateway.messages if self.now() - one.due_at <= REMEMBERED}

    def _in_state(self, state: str) -> set[str]:
        sends = self.campaign().sends
        return set(sends["to"][sends["state"] == state])

    @rule()
    @precondition(lambda self: self.recorded)
    def edit_the_text(self) -> None:
        before = self.gateway.arrived["sendmsg"]
        if set(self.campaign().sends["to"]) - self.cancelled:
            with pytest.raises(ContentChanged):
                self.plan("Hello").send(progress=False)
        assert self.gateway.arrived["sendmsg"] == before

    @rule(number=st.integers(900, 902), again=st.booleans())
    def send_a_single_message(self, number: int, again: bool) -> None:
        to, before = f"447700900{number}", self.gateway.arrived["sendmsg"]
        same = self.singles().query("to == @to and state in ['accepted', 'unknown', 'sending']")
        recent = same["submitted_at"] >= self.sms.now() - timedelta(hours=24)
        has = self.has_had(to)
        with warnings.catch_warnings(), suppress(CampaignStopped):
            warnings.simplefilter("ignore", AlreadySent)
            self.sms.send(to, "Hi", again=again)
        if recent.any() and not again:
            assert self.gateway.arrived["sendmsg"] == before
        if has and not again:
            assert self.has_had(to) == has

    def has_had(self, to: str) -> int:
        """Count what the gateway has accepted for a number within most of a day, whatever the ledger says."""
        since = self.now() - timedelta(hours=20)
        return sum(message.to == to and message.accepted_at >= since for message in self.gateway.messages)

    def singles(self) -> pd.DataFrame:
        if SINGLES in set(self.sms.campaigns()["name"]):
            return self.sms.campaign(SINGLES).sends
        return cn.frames.build(cn.frames.SENDS, [])

    # what happens to them

    @rule(weather=WEATHER)
    def the_weather_changes(self, weather: tuple[str, float]) -> None:
        self.gateway.fault, self.gateway.share = weather

    @rule(lie=LIES, share=SHARES)
    def answers_are_mixed_up(self, lie: str, share: float) -> None:
        self.gateway.lie, self.gateway.share = lie, share

    @rule()
    @precondition(lambda self: self.gateway.lie)
    def answers_are_right_again(self) -> None:
        self.gateway.lie = ""

    @rule(seconds=st.sampled_from([40, 20 * 60, 25 * 3600, 7 * 24 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.sms.wait(seconds)

    @rule(wrong=st.sampled_from([-7200, -60, 0, 60, 3600]))
    def the_clock_is_set(self, wrong: int) -> None:
        self.wrong = timedelta(seconds=wrong)

    @rule()
    def restart(self) -> None:
        self._now = self.now()
        self._opened.close()
        self.open_an_account()

    @rule()
    @precondition(lambda self: len(self.backups) < 3)
    def make_a_backup(self) -> None:
        folder = self._directory / f"backup {len(self.backups)}"
        folder.mkdir()
        path = self.sms.backup(folder / "ledger.sqlite")
        self.backups.append(Backup(path, frozenset(self.cancelled)))

    @rule(which=st.integers(0, 2), put_back=st.sampled_from([by_rename, in_place]))
    @precondition(lambda self: self.backups)
    def put_a_backup_back(self, which: int, put_back: Callable[[Path, Path], None]) -> None:
        backup = self.backups[which % len(self.backups)]
        self._now = self.now()
        self._opened.close()
        with TemporaryDirectory() as aside:
            (Path(aside) / "ledger.sqlite").write_bytes(backup.path.read_bytes())
            put_back(Path(aside), self._directory / "ledger.sqlite")
        self.open_an_account()
        self.forget(backup)

    def forget(self, backup: Backup) -> None:
        """Expect of the ledger what it knew when it was copied."""
        attempts = self.sms.context.ledger.attempts()
        self.cancelled = set(backup.cancelled)
        self.recorded = sum(count["rows"] for count in self.counts())
        self.seen = {(one["row_id"], one["attempt"]): (one["climsgid"], one["state"]) for one in attempts}
        held = {one["to"] for one in attempts} | set(self.campaign().sends["to"] if self.recorded else [])
        self.unsure |= set(self.people) - held
        known = {one["climsgid"] for one in attempts if one["state"] != "returned"}  # that turn may have gone on since
        self.forgotten |= {message.climsgid for message in self.gateway.messages} - known

    @rule()
    @precondition(lambda self: self.people)
    def another_kernel_runs_the_cell(self) -> None:
        here, self._opened, mine = self._opened, ExitStack(), self.sms
        self._now = self.now()
        self.open_an_account()
        try:
            self.run_the_cell()
        finally:
            self._opened.close()
            self._opened, self.sms = here, mine

    @rule(
        newcomers=st.integers(1, 6),
        at=st.integers(1, 50),
        breakage=st.sampled_from(sorted(BREAKAGES)),
        action=st.sampled_from(ACTIONS),
    )
    def something_breaks(self, newcomers: int, at: int, breakage: str, action: str) -> None:
        self.add_people(newcomers, unroutable=False)
        error, lasting = BREAKAGES[breakage]
        self.broken = True
        wire = Tripwire(at, error, lasting=lasting)
        self._now = self.now()
        self._opened.close()
        with under_sqlite(wire.step):
            with suppress(Crash, KeyboardInterrupt, LedgerError):
                self.open_an_account()
                wire.steps = 0
                if not isinstance(error, sqlite3.Error):
                    self.sms = meddle(self.sms, wire.step)
                getattr(self, action if self.recorded else "run_the_cell")()
            wire.error = None
            self._opened.close()
        self.open_an_account()
        if action == "cancel" and self.recorded:
            self.cancelled |= self._in_state("skipped")

    # what holds at any time

    @invariant()
    def the_promise_is_kept(self) -> None:
        verdict = testing.check(self.sms, self.gateway.messages)
        numbers = {message.climsgid: message.to for message in self.gateway.messages}
        times = Counter(message.climsgid for message in self.gateway.messages)
        twice = self.twice | self.out_of_memory()
        assert {numbers[name] for name, count in times.items() if count > 1} <= twice
        assert not verdict.lost
        assert set(verdict.unrecorded) <= self.forgotten | self.gateway.deceived
        assert not verdict.wrong_text
        assert not verdict.wrong_number
        assert {numbers[name] for name in verdict.doubled} <= twice
        had = Counter(message.to for message in self.gateway.messages if message.to < "447700900900")
        assert {to for to, count in had.items() if count > 1} <= twice
        assert (self.cancelled - self.out_of_memory()).isdisjoint(numbers.values())

    def out_of_memory(self) -> set[str]:
        """List the numbers of which neither the copy nor the gateway knows any more that they have had a message."""
        since = self.now() - REMEMBERED
        left = (one for one in self.gateway.messages if one.climsgid in self.forgotten and one.accepted_at < since)
        return {one.to for one in left if one.to in self.unsure or one.to >= "447700900900"}

    @invariant()
    def an_id_and_a_status_belong_to_one_message(self) -> None:
        owners = {message.apimsgid: message.climsgid for message in self.gateway.messages}
        ids = [entry for entry in self.sms.context.ledger.attempts() if entry["apimsgid"]]
        assert len({entry["apimsgid"] for entry in ids}) == len(ids)
        assert all(owners[entry["apimsgid"]] == entry["climsgid"] for entry in ids)
        if self.recorded:
            events = self.campaign().events.query("apimsgid != ''")
            told = zip(events["apimsgid"], events["status"], strict=True)
            assert all(status in self.gateway.told[name] for name, status in told)

    def counts(self) -> list[dict[str, Any]]:
        return [count for count in self.sms.context.ledger.counts() if count["name"] == NAME]

    @invariant()
    def everybody_is_named_and_the_counts_add_up(self) -> None:
        counts = self.counts()
        if counts:
            assert {count["state"] for count in counts} <= set(cn.frames.STATES)
            total = sum(count["rows"] for count in counts)
            assert self.recorded <= total <= len(self.people)
            self.recorded = total

    @invariant()
    def attempts_only_move_forward(self) -> None:
        attempts = {(entry["row_id"], entry["attempt"]): entry for entry in self.sms.context.ledger.attempts()}
        turns = {(entry["row_id"], entry["turn"]) for entry in attempts.values()}
        assert len({entry["climsgid"] for entry in attempts.values()}) == len(turns)
        assert self.seen.keys() <= attempts.keys()
        left_open = {place for place, entry in attempts.items() if entry["state"] == "sending"}
        assert len(left_open - self.seen.keys()) <= (CONNECTIONS if self.broken else 0)
        for (row, number), entry in attempts.items():
            if (row, number) in self.seen:
                climsgid, was = self.seen[row, number]
                assert entry["climsgid"] == climsgid
                if not (self.gateway.lied and was == "accepted" and entry["state"] == "unknown"):  # it said so
                    assert entry["state"] in MOVES.get(was, {was}), (was, entry["state"])
            elif number > 1:  # a row in doubt stays so when it is sent again and that is refused
                before = {self.seen.get((row, earlier), ("", "returned"))[1] for earlier in range(1, number)}
                assert "accepted" not in before
                assert attempts[row, number - 1]["state"] == "returned" or before & self.resent
        self.seen = {place: (entry["climsgid"], entry["state"]) for place, entry in attempts.items()}
        self.resent = set()
        self.broken = self.gateway.lied = False


Life.TestCase.settings = settings(
    max_examples=soak(16, 500),
    stateful_step_count=soak(20, 50),
    deadline=None,
    phases=set(Phase) - soak({Phase.shrink, Phase.explain}, set()),  # which may take minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


TestPromise = Life.TestCase
