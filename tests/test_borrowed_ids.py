"""Answers that name another message than the one that was asked for, or sent: an id belongs to one message."""

from __future__ import annotations

import random
import re
import sqlite3
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import CampaignStopped, ClicknbError
from clicknb.sandbox import Fault, Gateway, Response, faults, replies, serve
from tests.attack import (
    DENIED_LONG_ENOUGH,
    NAME,
    PROCESSES,
    Crash,
    Recorder,
    Tripwire,
    assert_kept,
    assert_recovers,
    connected,
    in_process,
    people,
    run,
    run_cell,
    run_until_nothing_is_planned,
    soak,
    under_sqlite,
)

COUNT = soak(40, 200)
OTHERS = [f"447700900{number}" for number in range(900, 900 + 40)]


def ids_of(sms: cn.Account) -> list[str]:
    """List the ids that the ledger says the gateway gave."""
    return [entry["apimsgid"].lower() for entry in sms._service.ledger.attempts() if entry["apimsgid"]]


def assert_every_id_is_its_own(sms: cn.Account, gateway: Gateway) -> None:
    """Find no id twice, and each with the message that the gateway gave it."""
    assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []
    owners = {message.apimsgid: (message.climsgid, message.to) for message in gateway.messages}
    for entry in sms._service.ledger.attempts():
        if entry["apimsgid"]:
            assert owners[entry["apimsgid"].lower()] == (entry["climsgid"], entry["to"])


def assert_nobody_twice(gateway: Gateway) -> None:
    accepted = Counter((message.to, message.text) for message in gateway.messages)
    assert {name: count for name, count in accepted.items() if count > 1} == {}


def reasons(sms: cn.Account, name: str = NAME) -> pd.Series[Any]:
    """Read why rows are in doubt."""
    sends = sms.campaign(name).sends
    return sends["error"][sends["state"] == "unknown"]


class Liar(Recorder):
    """A gateway whose answers to one command are changed while it lies."""

    command = "sendmsg"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lies = True

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        """Answer instead, or not."""

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.lies and path.endswith(self.command):
            asked = {name: values[0] for name, values in parse_qs(request["body"].decode()).items()}
            if lie := self.lie(asked, now):
                self.arrived[f"lies {self.command}"] += 1
                return lie
        return super().handle(path, now, **request)

    def honestly(self, asked: dict[str, str], now: datetime) -> Response:
        """Do what was asked for, and answer truthfully."""
        body = "&".join(f"{name}={value}" for name, value in asked.items()).replace(" ", "+").encode()
        return super().handle(f"/http/{self.command}", now, body=body)


def named(apimsgid: str) -> Response:
    return replies.text(f"ID: {apimsgid}")


# --- answers to a send -----------------------------------------------------------------------------------------------


class Cached(Liar):
    """Something in between answers every send as it answered the first one, and asks the gateway no more."""

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        return named(self.messages[0].apimsgid) if self.messages else None


def test_an_answer_that_names_a_message_answered_before_is_none(tmp_path):
    with serve(Cached()) as server, connected(server, tmp_path / "l.sqlite", concurrency=1) as sms:
        campaign = run_cell(sms, COUNT)
        assert campaign.counts == {"accepted": 1, "unknown": COUNT - 1}
        assert reasons(sms).str.contains("another|before|already|other", regex=True).all()
        assert_every_id_is_its_own(sms, server.gateway)
        assert_kept(sms, server.gateway.messages, COUNT)
        server.gateway.lies = False
        assert_recovers(sms, server.gateway, COUNT)


def test_too_many_of_them_stop_the_campaign(tmp_path):
    with serve(Cached()) as server, connected(server, tmp_path / "l.sqlite") as sms:
        with pytest.raises(CampaignStopped) as stopped:
            sms.plan(people(300), to="to", text="Hi", name=NAME).send(progress=False)
        counts = stopped.value.campaign.counts
        assert counts["unknown"] < 100 + 64
        assert counts["planned"] > 0
        assert_every_id_is_its_own(sms, server.gateway)


class Late(Liar):
    """Every fourth answer to a send is the one before it; what it should have answered is lost, perhaps the message too."""

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
    """With several connections at once the copy may be read before the answer that it copies: then both are in doubt."""
    with serve(Late(accepts=accepts)) as server:
        with connected(server, tmp_path / "l.sqlite", concurrency=connections) as sms:
            run_until_nothing_is_planned(sms, COUNT)
            assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []
            if connections == 1:
                assert_every_id_is_its_own(sms, server.gateway)
                assert sms.campaign(NAME).counts == {"accepted": COUNT * 3 // 4, "unknown": COUNT // 4}
            server.gateway.lies = False
            sms.campaign(NAME).reconcile(DENIED_LONG_ENOUGH)
            assert_kept(sms, server.gateway.messages, COUNT)
            assert_recovers(sms, server.gateway, COUNT)


class Keeping(BaseHTTPRequestHandler):
    """Answers on one connection in a way that puts the two sides out of step."""

    protocol_version = "HTTP/1.1"
    server: Any
    previous: bytes = b""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.gateway.handle(self.path, datetime.now().astimezone(), body=body)
        head = f"HTTP/1.1 {answer.status} OK\r\nContent-Length: {len(answer.body)}\r\n\r\n".encode()
        whole = head + answer.body
        if not self.path.endswith("sendmsg"):
            self.wfile.write(whole)
            return
        with suppress(OSError):  # it was noticed, and the connection closed
            self.server.answer(self, whole)
        self.previous = whole

    def log_message(self, *_: Any) -> None:
        pass


class OutOfStep(ThreadingHTTPServer):
    """A server, or a proxy before it, that gives on a connection what belongs to another request of it."""

    daemon_threads = True

    def __init__(self, gateway: Gateway, how: str) -> None:
        super().__init__(("127.0.0.1", 0), Keeping)
        self.gateway = gateway
        self.answer = getattr(self, f"_{how.replace(' ', '_')}")
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._luck = random.Random(how)

    def _the_one_before(self, connection: Keeping, whole: bytes) -> None:
        connection.wfile.write(connection.previous or whole)

    def _both(self, connection: Keeping, whole: bytes) -> None:
        connection.wfile.write(connection.previous + whole)

    def _a_copy_later(self, connection: Keeping, whole: bytes) -> None:
        connection.wfile.write(whole)
        if self._luck.random() < 0.2:
            threading.Timer(self._luck.uniform(0.005, 0.020), self._copy, (connection, whole)).start()

    def _a_copy_when_asked_again(self, connection: Keeping, whole: bytes) -> None:
        """Write the copy when the next request is there, so that it cannot be noticed before."""
        if connection.previous and self._luck.random() < 0.3:
            connection.wfile.write(connection.previous)
        connection.wfile.write(whole)

    def _copy(self, connection: Keeping, whole: bytes) -> None:
        with suppress(OSError, ValueError):
            connection.wfile.write(whole)

    def handle_error(self, *_: Any) -> None:
        """Take it as it is when the other side breaks a connection."""


@contextmanager
def out_of_step(gateway: Gateway, how: str) -> Iterator[OutOfStep]:
    with OutOfStep(gateway, how) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("how", ["the one before", "both", "a copy later", "a copy when asked again"])
@pytest.mark.parametrize("connections", [1, 8])
def test_a_connection_that_is_out_of_step_gives_no_message_the_id_of_another(how, connections, tmp_path):
    gateway = Recorder()
    with out_of_step(gateway, how) as server:
        with connected(server.url, tmp_path / "l.sqlite", concurrency=connections) as sms:
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
    with out_of_step(gateway, "the one before") as server:
        with connected(server.url, tmp_path / "l.sqlite", concurrency=1) as sms:
            campaign = run_cell(sms, 20)
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
                assert run_cell(sms, COUNT).counts == {"unknown": COUNT}
        server.gateway.lies = True
        with connected(server, place) as sms:
            assert run_cell(sms, COUNT).counts == {"unknown": COUNT}
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
        assert run_cell(sms, COUNT).counts == {"accepted": 1, "unknown": COUNT - 1}
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
        assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []
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
            assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []
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
    monkeypatch.setattr("clicknb.campaign.campaign.LIST_SIZE", 4)
    with serve(OtherList()) as server, connected(server, tmp_path / "l.sqlite", concurrency=1) as sms:
        sms.plan(people(8), to="to", text="Hi", name=NAME, mode="list").send(progress=False)
        assert sms.campaign(NAME).counts == {"accepted": 4, "unknown": 4}
        assert_every_id_is_its_own(sms, server.gateway)


# --- statuses and charges --------------------------------------------------------------------------------------------


class Mistaken(Liar):
    """Asked about some messages it tells of another one, however often it is asked."""

    def __init__(self, command: str, share: float = 0.4) -> None:
        super().__init__()
        self.command = command
        self.wrong: set[str] = set()
        self.lies = False
        self._share = share

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        name = asked.get("apimsgid", "")
        if not name or random.Random(name).random() >= self._share:
            return None
        self.wrong.add(name)
        others = [message.apimsgid for message in self.messages if message.apimsgid != name]
        return self.honestly({**asked, "apimsgid": random.Random(name).choice(others)}, now)


def truth_of(gateway: Gateway, sms: cn.Account) -> None:
    """Compare the final statuses in the ledger with those at the gateway."""
    now = datetime.now().astimezone() + timedelta(days=2)
    known = {message.apimsgid: gateway.status_of(message, now) for message in gateway.messages}
    statuses = sms.campaign(NAME).statuses
    final = statuses[statuses["final"].fillna(value=False).astype(bool)]
    for name, status in zip(final["apimsgid"], final["status"], strict=True):
        assert known[name] == status


def test_the_status_of_another_message_is_not_recorded(tmp_path):
    with serve(Mistaken("querymsg")) as server, connected(server, tmp_path / "l.sqlite") as sms:
        campaign = run_cell(sms, COUNT)
        server.gateway.lies = True
        server.advance(86_400)
        campaign.refresh()
        assert server.gateway.wrong
        events = campaign.events
        assert set(events["apimsgid"]).isdisjoint(server.gateway.wrong)
        statuses = campaign.statuses.set_index("apimsgid")
        told = statuses["status"].notna()
        assert set(statuses.index[~told]) == server.gateway.wrong
        server.gateway.lies = False
        campaign.refresh()
        assert campaign.statuses["status"].notna().all()
        truth_of(server.gateway, sms)


def test_the_charge_of_another_message_is_not_recorded(tmp_path):
    with serve(Mistaken("getmsgcharge")) as server, connected(server, tmp_path / "l.sqlite") as sms:
        campaign = run_cell(sms, COUNT)
        server.gateway.lies = True
        server.advance(86_400)
        campaign.refresh()
        assert server.gateway.wrong
        charges = campaign.charges.set_index("apimsgid")
        assert set(charges.index[charges["charge"].isna()]) == server.gateway.wrong
        server.gateway.lies = False
        campaign.refresh()
        assert campaign.charges["charge"].notna().all()


@pytest.mark.parametrize(
    ("call", "command"), [("statuses", "querymsg"), ("cancel", "delmsg"), ("charges", "getmsgcharge")]
)
def test_a_question_about_some_ids_is_not_answered_by_the_status_of_another(call, command, tmp_path):
    with serve(Mistaken(command)) as server, connected(server, tmp_path / "l.sqlite") as sms:
        ids = run_cell(sms, COUNT).sends["apimsgid"]
        server.gateway.lies = True
        shown = getattr(sms, call)(ids).set_index("apimsgid")
        assert server.gateway.wrong
        assert set(shown.index[shown["status"].isna()]) == server.gateway.wrong
        if call == "charges":
            assert set(shown.index[shown["charge"].isna()]) == server.gateway.wrong


def test_cancelling_records_nothing_that_was_said_of_another_message(tmp_path):
    with serve(Mistaken("delmsg")) as server, connected(server, tmp_path / "l.sqlite") as sms:
        campaign = run_cell(sms, COUNT)
        server.gateway.lies = True
        campaign.cancel()
        assert server.gateway.wrong
        assert set(campaign.events["apimsgid"]).isdisjoint(server.gateway.wrong)


@pytest.mark.parametrize("command", ["querymsg", "getmsgcharge"])
def test_a_gateway_that_mistakes_everything_records_nothing(command, tmp_path):
    with serve(Mistaken(command, share=1.0)) as server, connected(server, tmp_path / "l.sqlite") as sms:
        campaign = run_cell(sms, 5)
        if command == "getmsgcharge":
            server.advance(86_400)
        server.gateway.lies = True
        with suppress(ClicknbError):
            campaign.refresh()
        assert len(server.gateway.wrong) == 5
        if command == "querymsg":
            assert campaign.events.empty
        assert campaign.charges["charge"].isna().all()


class Loud(Liar):
    """A gateway that writes ids in capital letters when it is asked about them."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        answer = self.honestly(asked, now).body.decode()
        return replies.text(re.sub(r"[0-9a-f]{32}", lambda found: found[0].upper(), answer))


@pytest.mark.parametrize("command", ["sendmsg", "querymsg", "getmsgcharge"])
def test_capital_letters_make_no_other_id(command, tmp_path):
    with serve(Loud(command)) as server, connected(server, tmp_path / "l.sqlite") as sms:
        campaign = run_cell(sms, 5)
        server.advance(86_400)
        campaign.refresh()
        assert campaign.counts == {"accepted": 5}
        assert campaign.statuses["final"].all()
        assert campaign.charges["charge"].notna().all()
        ids = campaign.sends["apimsgid"]
        assert sms.statuses(ids)["status"].notna().all()
        assert sms.charges(ids)["charge"].notna().all()


class InTurn(Liar):
    """Every fourth answer to a question is the one before it."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command
        self._last: Response | None = None

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        self.arrived["questions"] += 1
        if self.arrived["questions"] % 4 == 0 and self._last:
            return self._last
        self._last = self.honestly(asked, now)
        return self._last


@pytest.mark.parametrize("command", ["querymsg", "getmsgcharge"])
def test_answers_that_come_in_the_wrong_turn_are_asked_for_again_until_they_are_right(command, tmp_path):
    with serve(InTurn(command)) as server, connected(server, tmp_path / "l.sqlite", concurrency=4) as sms:
        campaign = run_cell(sms, COUNT)
        server.advance(86_400)
        for _ in range(12):
            campaign.refresh()
        assert campaign.statuses["final"].all()
        truth_of(server.gateway, sms)
        assert campaign.charges["charge"].notna().all()


# --- messages in doubt -----------------------------------------------------------------------------------------------


class Misnaming(Liar):
    """Asked by a client message id it names the message of another one, which the ledger has."""

    command = "querymsg"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lies = False

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        return replies.text(f"ID: {self.messages[0].apimsgid} Status: 004") if "climsgid" in asked else None


@pytest.mark.parametrize("fault", ["lost", "reset"])
def test_a_message_in_doubt_does_not_become_another_one(fault, tmp_path):
    with serve(Misnaming()) as server, connected(server, tmp_path / "l.sqlite") as sms:
        sms.plan(pd.DataFrame({"to": OTHERS}), to="to", text="Other", name="other").send(progress=False)
        server.gateway._plan = Recorder(faults=[Fault(fault)])._plan
        campaign = run_cell(sms, 10)
        server.gateway.lies = True
        for _ in range(4):
            with suppress(ClicknbError):
                campaign.reconcile(DENIED_LONG_ENOUGH)
        assert campaign.counts == {"unknown": 10}
        assert set(campaign.events["apimsgid"]) <= {""}
        assert not testing.check(sms, server.gateway.messages).lost
        server.gateway.lies = False
        campaign.reconcile(DENIED_LONG_ENOUGH)
        assert campaign.counts == {"accepted" if fault == "lost" else "absent": 10}
        assert_every_id_is_its_own(sms, server.gateway)


class SameForAll(Misnaming):
    """Asked about each message in doubt it names the same one, which the ledger does not have yet."""

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        if "climsgid" not in asked:
            return None
        doubtful = [message for message in self.messages if message.to < "447700900500"]
        return replies.text(f"ID: {doubtful[0].apimsgid} Status: 004")


def test_one_id_for_everybody_in_doubt_is_nobodys(tmp_path):
    with serve(SameForAll(faults=[Fault("lost", share=0.5)])) as server:
        with connected(server, tmp_path / "l.sqlite") as sms:
            campaign = run_cell(sms, 20)
            doubtful = campaign.counts["unknown"]
            server.gateway.lies = True
            with suppress(ClicknbError):
                campaign.reconcile(timeout=0)
            assert campaign.counts["unknown"] >= doubtful - 1
            assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []
            server.gateway.lies = False
            campaign.reconcile(timeout=0)
            assert campaign.counts == {"accepted": 20}


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
    script = (Path(__file__).parent / "ledger_1.sql").read_text(encoding="utf-8")
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
        assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []
        states = {(entry["row_id"], entry["attempt"]): entry for entry in sms._service.ledger.attempts()}
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


def test_an_older_ledger_with_doubles_is_opened_by_a_program_that_dies_at_any_step(tmp_path):
    steps = Tripwire()
    for at in range(1, 200):
        directory = tmp_path / str(at)
        directory.mkdir()
        old_ledger(directory / "ledger.sqlite", 1 + at % 2, DOUBLES["next row"])
        wire = Tripwire(at, Crash(), lasting=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with under_sqlite(wire.step), suppress(Crash), cn.sandbox(directory):
                wire.error = None
            steps = wire
            with cn.sandbox(directory) as sms:
                assert sms.campaign("x").counts == {"accepted": 1, "unknown": 1, "planned": 2}
        if wire.steps < at:
            break
    assert steps.steps > 3


# --- accepted, and then sent back ------------------------------------------------------------------------------------


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
    with serve(Deceiver(what, share)) as server:
        with connected(server, tmp_path / "l.sqlite", concurrency=connections) as sms:
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
    monkeypatch.setattr("clicknb.campaign.campaign.LIST_SIZE", 4)
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
        for _ in range(3):
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
def test_a_gateway_that_refuses_truly_costs_a_question_and_nobody_is_forgotten(what, tmp_path):
    gateway = Recorder(faults=[Fault(what, share=0.5)])
    with in_process(gateway, tmp_path, connections=4) as sms:
        campaign = run_until_nothing_is_planned(sms, COUNT)
        assert campaign.counts == {"accepted": COUNT}
        assert gateway.arrived["sendmsg"] > COUNT
        assert len(gateway.messages) == COUNT
