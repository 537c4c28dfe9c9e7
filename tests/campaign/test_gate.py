"""What is looked at once more when a message leaves: who is suppressed by now, and what time it is there."""

from __future__ import annotations

import json
import os
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.campaign.options import Rules
from clicknb.clock import SteppedClock
from clicknb.errors import CampaignStopped, ContentChanged, InvalidInput
from clicknb.ledger.ledger import Ledger
from clicknb.opening import in_process
from clicknb.simulator import Gateway
from tests.promise.harness import pauses

SOAK = "CLICKNB_SOAK" in os.environ
SATURDAY_EVENING = datetime(2026, 3, 7, 18, tzinfo=UTC)
FRIDAY_MORNING = datetime(2026, 3, 6, 9, tzinfo=UTC)


def people(count):
    return pd.DataFrame({"to": [f"44770090{number:04d}" for number in range(count)]})


def at(moment):
    """Open a sandbox whose clock stands at a moment."""
    return in_process(Gateway(), Ledger(owner="sandbox"), SteppedClock(moment))


def passes(sms, **time):
    sms.wait(timedelta(**time).total_seconds())


# suppression


def test_who_opts_out_between_plan_and_send_gets_nothing():
    for race in range(100 if SOAK else 20):
        randomly = random.Random(race)
        frame = people(12)
        with cn.sandbox() as sms:
            plan = sms.plan(frame, to="to", text="Hi", name="x", mode=randomly.choice(["each", "list"]))
            gone = randomly.sample(frame["to"].tolist(), randomly.randrange(1, 12))
            sms.suppress(gone, source="replied STOP")
            campaign = plan.send(progress=False)
            assert {message.to for message in testing.messages(sms)} == set(frame["to"]) - set(gone)
            assert campaign.counts == {"accepted": 12 - len(gone), "skipped": len(gone)}
            left_out = campaign.sends.query("state == 'skipped'")
            assert left_out["error"].str.contains("suppressed.*replied STOP", regex=True).all()


class OptsOut:
    """A connection to the gateway over which somebody opts out when the n-th message has left."""

    def __init__(self, exchange, after, opt_out):
        self._exchange = exchange
        self._left = after
        self._opt_out = opt_out
        self.connections = exchange.connections

    def start(self, slot, request):
        self._exchange.start(slot, request)
        self._left -= 1
        if self._left == 0:
            self._opt_out()

    def wait(self, timeout):
        return self._exchange.wait(timeout)

    def close(self):
        self._exchange.close()


@pytest.mark.parametrize(("mode", "after"), [("each", 1), ("each", 2), ("each", 40), ("list", 1), ("list", 2)])
def test_who_opts_out_while_the_campaign_is_sent_gets_nothing_any_more(mode, after):
    frame = people(60) if mode == "each" else people(1000)
    last = frame["to"].tail(5).tolist()
    with testing.server() as server, testing.account(server, concurrency=2) as opened:
        inner = opened.context.connect
        between = partial(OptsOut, after=after, opt_out=partial(opened.suppress, last, source="replied STOP"))
        sms = testing.altered(opened, connect=lambda count: between(inner(count)))
        campaign = sms.plan(frame, to="to", text="Hi", name="x", mode=mode).send(progress=False)
        sent = {message.to for message in server.gateway.messages}
        assert sent.isdisjoint(last)
        assert campaign.counts == {"accepted": len(frame) - 5, "skipped": 5}
        assert testing.check(sms, server.gateway.messages).ok


def test_another_program_suppresses_a_number_and_this_one_observes_it(tmp_path):
    with cn.sandbox(tmp_path) as sms, cn.sandbox(tmp_path) as other:
        plan = sms.plan(people(5), to="to", text="Hi", name="x")
        other.suppress("447700900002")
        assert plan.send(progress=False).counts == {"accepted": 4, "skipped": 1}


def test_a_suppressed_message_is_not_resent_either():
    with cn.sandbox() as sms:
        campaign = sms.plan(pd.DataFrame({"to": ["27999400002"]}), to="to", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"unknown": 1}
        sms.suppress("27999400002")
        campaign.resume(resend=["unknown", "rejected", "absent"], progress=False)
        assert campaign.counts == {"unknown": 1}
        assert len(sms.context.ledger.attempts()) == 1


class Late(OptsOut):
    """A connection whose answer to the first message comes when three more have been answered."""

    def start(self, slot, request):
        super().start(slot, request)
        self._first = getattr(self, "_first", slot)
        self._kept = getattr(self, "_kept", None)

    def wait(self, timeout):
        answers = dict(self._exchange.wait(timeout))
        if self._kept is None and self._first in answers:
            self._kept, self._answered = answers.pop(self._first), 0
        self._answered += len(answers)
        if self._kept and self._answered >= 3:
            answers[self._first], self._kept = self._kept, ()
        return list(answers.items())


def test_who_opts_out_while_the_gateway_is_asking_for_another_attempt_gets_none():
    frame = pd.concat([pd.DataFrame({"to": ["27999400011"]}), people(9)], ignore_index=True)  # 003 the first time
    with cn.sandbox() as opened:
        inner = opened.context.connect
        opt_out = partial(opened.suppress, "27999400011")
        late = iter([partial(Late, after=3, opt_out=opt_out)])  # for sending; what is asked later is answered at once
        connect = lambda count: next(late, lambda exchange: exchange)(inner(count))  # noqa: E731
        sms = testing.altered(opened, concurrency=2, connect=connect)
        campaign = sms.plan(frame, to="to", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"accepted": 9, "skipped": 1}
        assert "27999400011" not in {message.to for message in testing.messages(sms)}


@pytest.mark.parametrize("mode", ["each", "list"])
def test_who_opts_out_while_their_message_waits_for_its_hour_gets_nothing(mode):
    frame = pd.DataFrame({"to": ["447700900001", "447700900002", "12125550100", "12125550101", "12125550102"]})
    frame["text"] = ["Hi", "Hi", "A", "B", "C"]
    with at(SATURDAY_EVENING + timedelta(hours=4)) as opened:
        inner = opened.context.connect
        between = partial(OptsOut, after=1, opt_out=partial(opened.suppress, "447700900002"))
        sms = testing.altered(opened, concurrency=1, connect=lambda count: between(inner(count)))
        plan = sms.plan(frame, to="to", text="{text}", name="x", hours="auto", outside="wait", mode=mode)
        assert plan.send(progress=False).counts == {"accepted": 4, "skipped": 1}
        assert "447700900002" not in {message.to for message in testing.messages(sms)}


def test_a_plan_that_was_sent_to_all_but_those_who_opted_out_may_be_sent_again():
    with cn.sandbox() as sms:
        plan = sms.plan(people(5), to="to", text="Hi", name="x")
        sms.suppress("447700900002", source="replied STOP")
        for _ in range(2):
            assert plan.send(progress=False).counts == {"accepted": 4, "skipped": 1}
        sms.unsuppress("447700900002", source="replied START")
        again = sms.plan(people(5), to="to", text="Hi", name="x")
        assert again.new["to"].tolist() == ["447700900002"]
        campaign = again.send(progress=False)
        assert campaign.counts == {"accepted": 5}
        assert campaign.sends["error"].isna().all()
        assert len(testing.messages(sms)) == 5


# quiet hours


ABROAD = pd.DataFrame({"to": ["447700900001", "27999123456", "12125550100"], "zone": [None, None, "Asia/Tokyo"]})


def test_a_plan_leaves_out_whom_it_is_too_late_for():
    with at(SATURDAY_EVENING) as sms:
        plan = sms.plan(ABROAD, to="to", text="Hi", name="x", hours="auto", zone="zone")
        problems = plan.frame["problem"]
        assert problems.notna().tolist() == [False, True, True]
        assert "it is Sat 20:00 in Africa/Johannesburg" in problems[1]
        assert "Asia/Tokyo" in problems[2]
        assert plan.frame["local_time"].tolist() == ["Sat 18:00 +00:00", "Sat 20:00 +02:00", "Sun 03:00 +09:00"]
        plan.send(progress=False)
        assert [message.to for message in testing.messages(sms)] == ["447700900001"]


def test_the_hours_are_looked_at_again_when_it_is_sent():
    frame = people(3)
    with at(SATURDAY_EVENING) as sms:
        plan = sms.plan(frame, to="to", text="Hi", name="x", hours="UK")
        assert len(plan.to_send) == 3
        passes(sms, hours=3)
        with pytest.raises(CampaignStopped, match=r"outside the hours of 3 messages.*8 March 2026 at 09:00 UTC"):
            plan.send(progress=False)
        assert testing.messages(sms) == []
        campaign = sms.campaign("x")
        assert campaign.counts == {"planned": 3}
        passes(sms, hours=13)
        assert campaign.resume(progress=False).counts == {"accepted": 3}


def test_the_program_waits_for_the_hour_and_sends_then():
    with at(SATURDAY_EVENING + timedelta(hours=4)) as sms:
        plan = sms.plan(ABROAD, to="to", text="Hi", name="x", hours="auto", outside="wait")
        assert len(plan.to_send) == 3
        campaign = plan.send(progress=False)
        sent = campaign.sends.set_index("to")["submitted_at"]
        assert sent["12125550100"] == SATURDAY_EVENING + timedelta(hours=4)  # 17:00 there
        assert sent["447700900001"].floor("h") == datetime(2026, 3, 8, 9, tzinfo=UTC)
        assert sent["27999123456"].floor("h") == datetime(2026, 3, 9, 6, tzinfo=UTC)
        assert campaign.counts == {"accepted": 3}


@pytest.mark.parametrize("mode", ["each", "list"])
def test_the_gateway_holds_what_comes_too_early(mode):
    with at(SATURDAY_EVENING + timedelta(hours=4)) as sms:
        plan = sms.plan(ABROAD, to="to", text="Hi", name="x", hours="auto", outside="schedule", mode=mode)
        plan.send(progress=False)
        assert len(testing.messages(sms)) == 3
        events = sms.campaign("x").track(timeout="6h", progress=False).outcomes.set_index("to")
        assert events.loc["12125550100", "final"]
        assert not events.loc["447700900001", "final"]
        later = sms.campaign("x").track(timeout="3d", progress=False).outcomes.set_index("to")
        assert later.loc["447700900001", "settled_at"] >= datetime(2026, 3, 8, 9, tzinfo=UTC)
        assert later.loc["27999123456", "settled_at"] >= datetime(2026, 3, 9, 6, tzinfo=UTC)


def test_a_sender_that_waits_for_its_hour_looks_every_half_minute_whether_it_was_stopped():
    office = cn.Hours("office", {"Fri": "09:05-15:00"})
    with at(FRIDAY_MORNING) as sms:
        kept = pauses(sms)
        plan = sms.plan(people(2), to="to", text="Hi", name="x", hours=office, outside="wait")
        assert plan.send(progress=False).counts == {"accepted": 2}
        assert kept == [30.0] * 10


def test_a_sender_that_was_stopped_waits_for_no_hour():
    frame = pd.DataFrame({"to": ["447700900001", "27999123456"]})
    with in_process(Gateway(credits=0), Ledger(owner="sandbox"), SteppedClock(SATURDAY_EVENING)) as sms:
        kept = pauses(sms)
        with pytest.raises(CampaignStopped, match="No Credit Left"):
            sms.plan(frame.iloc[::-1], to="to", text="Hi", name="x", hours="auto", outside="wait").send(progress=False)
        assert kept == []
        assert sms.campaign("x").counts == {"planned": 2}


def test_the_gateway_holds_a_message_for_seven_days_but_for_a_minute():
    office = cn.Hours("office", {"Fri": "09:00-09:01"})
    with at(FRIDAY_MORNING + timedelta(minutes=1)) as sms:
        plan = sms.plan(people(2), to="to", text="Hi", name="x", hours=office, outside="schedule")
        assert plan.send(progress=False).counts == {"accepted": 2}
        assert {message.due_at for message in testing.messages(sms)} == {FRIDAY_MORNING + timedelta(days=7)}


def test_cancelling_stops_what_waits_for_its_hour(monkeypatch):
    with at(SATURDAY_EVENING + timedelta(hours=4)) as sms:
        plan = sms.plan(people(3), to="to", text="Hi", name="x", hours="UK", outside="wait")
        asleep = threading.Event()
        clock = sms.context.clock
        jump = clock.sleep

        def sleep(seconds, wake=None):
            asleep.set()
            jump(0.001, wake)

        monkeypatch.setattr(clock, "sleep", sleep)
        campaign = plan.send(background=True)
        assert asleep.wait(10)
        campaign.cancel()
        with pytest.raises(CampaignStopped):
            campaign.wait(20)
        assert campaign.counts == {"skipped": 3}
        assert testing.messages(sms) == []


def test_what_was_decided_is_kept_with_each_attempt():
    with at(FRIDAY_MORNING) as sms:
        sms.plan(ABROAD.head(2), to="to", text="Hi", name="x", hours="ZA").send(progress=False)
        kept = [json.loads(attempt["decision"]) for attempt in sms.context.ledger.attempts()]
        assert [one["zone"] for one in kept] == ["Europe/London", "Africa/Johannesburg"]
        assert {one["rule"] for one in kept} == {"ZA"}
        assert all(one["allowed"] for one in kept)
        sms.plan(people(1), to="to", text="Hi", name="y").send(progress=False)
        decisions = [attempt["decision"] for attempt in sms.context.ledger.attempts()]
        assert decisions.count(None) == 1
        assert len(decisions) == 3


def test_hours_of_ones_own_hold_after_a_restart(tmp_path):
    office = cn.Hours("office", {"Mon-Fri": "13:00-15:00"})
    with cn.sandbox(tmp_path) as sms:
        plan = sms.plan(people(2), to="to", text="Hi", name="x", hours=office, outside="wait")
        sms.context.clock.sleep = lambda *_: sms.campaign("x").pause()
        with pytest.raises(CampaignStopped, match="paused"):
            plan.send(progress=False)
    with cn.sandbox(tmp_path) as sms:
        assert sms.campaign("x").resume(progress=False).counts == {"accepted": 2}
        assert sms.campaign("x").sends["submitted_at"].min().hour == 13


@pytest.mark.parametrize(
    "rules",
    [Rules(), Rules("ZA"), Rules("auto", "wait"), Rules(cn.Hours("o", {"Mon": "08:00-09:00"}, "ZA"), "schedule")],
)
def test_rules_are_read_back_as_they_were_written(rules):
    again = Rules.from_json(rules.to_json())
    assert (again.hours, again.outside if rules.hours else "refuse") == (rules.hours, rules.outside)


def test_the_rules_are_part_of_the_token():
    with at(FRIDAY_MORNING + timedelta(hours=2)) as sms:
        plans = [{}, {"hours": "UK"}, {"hours": "US"}, {"hours": "UK", "outside": "wait"}]
        tokens = {sms.plan(people(2), to="to", text="Hi", name="x", **given).token for given in plans}
        assert len(tokens) == 4


@pytest.mark.parametrize("given", [{"hours": "XX"}, {"hours": 8}, {"outside": "drop"}, {"hours": "ZA", "zone": "nope"}])
def test_hours_that_nobody_knows_are_refused(given):
    with cn.sandbox() as sms, pytest.raises(InvalidInput):
        sms.plan(people(2), to="to", text="Hi", name="x", **given)


def test_a_plan_says_that_a_country_has_rules_that_were_not_asked_for():
    with cn.sandbox() as sms:
        plan = sms.plan(ABROAD, to="to", text="Hi", name="x")
        assert 'hours="ZA"' in repr(plan)
        assert "hours=" not in repr(sms.plan(ABROAD, to="to", text="Hi", name="x", hours="ZA"))
        assert "quiet hours" in repr(sms.plan(ABROAD, to="to", text="Hi", name="x", hours="ZA"))


def test_messages_that_are_held_take_nothing_from_the_pace():
    with at(SATURDAY_EVENING) as sms:
        plan = sms.plan(people(3), to="to", text="Hi", name="x", hours="UK")
        passes(sms, hours=3)
        context = replace(sms.context, rate=0.001)  # a thousand seconds for each message
        with pytest.raises(CampaignStopped, match="outside the hours of 3 messages"):
            plan.at(context).send(progress=False)


def test_a_plan_that_is_refused_leaves_the_rules_of_its_campaign_as_they_were():
    with at(SATURDAY_EVENING) as sms:
        plan = sms.plan(people(3), to="to", text="Hi", name="x", hours="UK")
        passes(sms, hours=3)
        with pytest.raises(CampaignStopped):
            plan.send(progress=False)
        with pytest.raises(ContentChanged):
            sms.plan(people(3), to="to", text="Hello", name="x").send(progress=False)
        with pytest.raises(CampaignStopped, match="outside the hours of 3 messages"):
            sms.campaign("x").resume(progress=False)
        assert testing.messages(sms) == []


def test_a_plan_for_another_time_or_limit_is_refused_where_rows_are_planned_otherwise():
    with at(SATURDAY_EVENING) as sms:
        plan = sms.plan(people(3), to="to", text="Hi", name="x", hours="UK")
        passes(sms, hours=3)
        with pytest.raises(CampaignStopped):
            plan.send(progress=False)
        later = sms.now() + timedelta(days=2)
        plain = sms.plan(people(3), to="to", text="Hi", name="x")
        limited = sms.plan(people(3), to="to", text="Hi", name="x", max_credits=0.5)
        for refused in (partial(plain.send, at=later), limited.send):
            with pytest.raises(ContentChanged, match=r"3 of these rows.*another time or with another max_credits"):
                refused(progress=False)
        assert testing.messages(sms) == []
        assert plain.send(progress=False).counts == {"accepted": 3}
        assert plain.send(at=later, progress=False).counts == {"accepted": 3}
        assert len(testing.messages(sms)) == 3


def test_a_zone_that_was_corrected_is_the_one_that_counts():
    with at(SATURDAY_EVENING) as sms:
        frame = pd.DataFrame({"to": ["447700900001"], "zone": ["Asia/Tokyo"]})
        given = {"to": "to", "text": "Hi", "name": "x", "hours": "UK", "outside": "wait", "zone": "zone"}
        wrong = sms.plan(frame, **given)
        sms.suppress("447700900001")
        assert wrong.send(progress=False).counts == {"skipped": 1}
        sms.unsuppress("447700900001", source="replied START")
        campaign = sms.plan(frame.assign(zone="Europe/London"), **given).send(progress=False)
        assert campaign.sends["submitted_at"].iloc[0] == SATURDAY_EVENING


def test_a_test_to_oneself_leaves_at_any_hour_and_a_rehearsal_too():
    with at(SATURDAY_EVENING + timedelta(hours=8)) as sms:
        frame = people(3).assign(zone="Europe/London")
        plan = sms.plan(frame, to="to", text="Hi", name="x", hours="UK", outside="wait", zone="zone", budget=0.1)
        assert plan.test("447700900199")["submitted_at"].iloc[0] == SATURDAY_EVENING + timedelta(hours=8)
        american = sms.plan(pd.DataFrame({"to": ["12125550100"]}), to="to", text="Hi", name="y", hours="US")
        assert len(american.to_send) == 0
        assert sms.plan(frame, to="to", text="Hi", name="z", hours="UK", outside="schedule").rehearse().verdict.ok
        passes(sms, hours=14)
        early = sms.plan(pd.DataFrame({"to": ["12125550100"]}), to="to", text="Hi", name="y", hours="US")
        assert early.rehearse().settled == {"accepted": 1}  # where it is 10:00 UTC


def test_a_plan_counts_those_outside_their_hours_together():
    with at(SATURDAY_EVENING + timedelta(hours=8)) as sms:
        said = repr(sms.plan(ABROAD, to="to", text="Hi", name="x", hours="UK"))
        assert said.count("outside hours") == 1
        assert "not known" not in said
