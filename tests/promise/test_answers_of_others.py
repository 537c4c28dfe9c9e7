"""Answers to a question that tell of another message than the one that was asked about: they are none."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import ClicknbError
from clicknb.simulator import Fault, Gateway, Response, replies, serve
from tests.promise.harness import (
    DENIED_LONG_ENOUGH,
    NAME,
    connected,
    run_cell,
)
from tests.promise.lying import COUNT, OTHERS, Liar, assert_every_id_is_its_own, assert_no_id_twice

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


def assert_true(gateway: Gateway, sms: cn.Account) -> None:
    """Compare the final statuses in the ledger with those at the gateway."""
    now = datetime.now(UTC) + timedelta(days=2)
    known = {message.apimsgid: gateway.status_of(message, now) for message in gateway.messages}
    statuses = dict(sms.campaign(NAME).statuses[["apimsgid", "status"]].values.tolist())
    for name in final(sms.campaign(NAME)):
        assert known[name] == statuses[name]


def final(campaign: cn.Campaign) -> set[str]:
    """List the ids of what will not change any more, which is what the gateway is asked the charge of."""
    statuses = campaign.statuses
    return set(statuses["apimsgid"][statuses["final"].fillna(value=False).astype(bool)])


def charged(campaign: cn.Campaign) -> set[str]:
    charges = campaign.charges
    return set(charges["apimsgid"][charges["charge"].notna()])


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
        assert_true(server.gateway, sms)


def test_the_charge_of_another_message_is_not_recorded(tmp_path):
    with serve(Mistaken("getmsgcharge")) as server, connected(server, tmp_path / "l.sqlite") as sms:
        campaign = run_cell(sms, COUNT)
        server.gateway.lies = True
        server.advance(86_400)
        campaign.refresh()
        assert server.gateway.wrong
        assert charged(campaign) == final(campaign) - server.gateway.wrong
        server.gateway.lies = False
        campaign.refresh()
        assert charged(campaign) == final(campaign) >= server.gateway.wrong


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
        assert server.gateway.wrong
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
        campaign = run_cell(sms, COUNT)
        server.advance(86_400)
        campaign.refresh()
        assert campaign.counts == {"accepted": COUNT}
        assert campaign.statuses["status"].notna().all()
        assert len(charged(campaign)) == len(final(campaign)) > 0
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
        server.gateway.lies = False
        told = campaign.statuses["status"].tolist()
        campaign.refresh()
        assert campaign.statuses["status"].tolist() == told
        assert_true(server.gateway, sms)


# --- messages in doubt -----------------------------------------------------------------------------------------------


class Misnaming(Liar):
    """Asked by a client message id it names the message of another one, which the ledger has."""

    command = "querymsg"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lies = False
        self.fault = ""

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if not (self.fault and path.endswith("sendmsg")):
            return super().handle(path, now, **request)
        if self.fault == "lost":
            super().handle(path, now, **request)
        return Response(0, b"", {}, self.fault)

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        return replies.text(f"ID: {self.messages[0].apimsgid} Status: 004") if "climsgid" in asked else None


@pytest.mark.parametrize("fault", ["lost", "reset"])
def test_a_message_in_doubt_does_not_become_another_one(fault, tmp_path):
    with serve(Misnaming()) as server, connected(server, tmp_path / "l.sqlite") as sms:
        sms.plan(pd.DataFrame({"to": OTHERS}), to="to", text="Other", name="other").send(progress=False)
        server.gateway.fault = fault
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
    with (
        serve(SameForAll(faults=[Fault("lost", share=0.5)])) as server,
        connected(server, tmp_path / "l.sqlite") as sms,
    ):
        campaign = run_cell(sms, 20)
        doubtful = campaign.counts["unknown"]
        server.gateway.lies = True
        with suppress(ClicknbError):
            campaign.reconcile(timeout=0)
        assert campaign.counts["unknown"] >= doubtful - 1
        assert_no_id_twice(sms)
        server.gateway.lies = False
        for _ in range(2):  # by the first one it is found whose id it is not
            campaign.reconcile(timeout=0)
        assert campaign.counts == {"accepted": 20}
        assert_every_id_is_its_own(sms, server.gateway)
