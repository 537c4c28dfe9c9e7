"""The main line over a real socket and a real file: plan, send, track, reconcile, run again."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from decimal import Decimal
from itertools import chain, repeat
from threading import Event

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

import clicknb as cn
from clicknb import testing
from clicknb.campaign import track
from clicknb.errors import NotSent, UnreadableReply
from clicknb.ledger import records, tables, views
from clicknb.ledger.records import AttemptResult, Intent
from clicknb.ledger.tally import tally
from clicknb.simulator import Fault, Gateway, replies
from tests.promise.harness import Crash, Recorder, in_process, meddle, pauses

GOLDEN_TEXTS = [
    "Hello",
    "Grüße, à bientôt; mañana: ¿qué?",
    "Total: 5 € [net] {gross} ~ ^ \\ |",
    "Garçon, ÇA VA",
    "ΔΦΓΛΩΠΨΣΘΞ",
    "Привет, Анна",
    "Party 🎉👩‍👩‍👧",
    "a `backtick` and a “curly” quote",
    "one\ntwo\nthree",
    "a+b & c=d % 100%?",
    "€" * 81,
    "x" * 160,
    "x" * 161,
    "ж" * 70,
    "ж" * 71,
    "a" * 152 + "€" + "a" * 152,
]


RESET = pd.DataFrame({"to": ["27999400002"]})
"""The sandbox breaks the connection before it accepts a message to this number."""


def people(count: int, first: int = 0) -> pd.DataFrame:
    numbers = [f"44770090{number:04d}" for number in range(first, first + count)]
    return pd.DataFrame({"mobile": numbers, "name": [f"Person {number}" for number in range(count)]})


@pytest.fixture(scope="module")
def delivered():
    """One campaign of every golden text over HTTP, tracked to its end."""
    frame = people(len(GOLDEN_TEXTS)).assign(text=GOLDEN_TEXTS)
    with testing.server(speed=1000.0) as server, testing.account(server) as sms:
        plan = sms.plan(frame, to="mobile", text="{text}", name="golden")
        campaign = plan.send(progress=False)
        server.advance(24 * 3600)
        campaign.track(timeout=5, progress=False)
        yield server.gateway, sms, plan, campaign


def test_the_handset_shows_what_was_written(delivered):
    gateway, *_ = delivered
    shown = {message.to: message.text for message in gateway.messages}
    assert shown == {f"44770090{number:04d}": text for number, text in enumerate(GOLDEN_TEXTS)}


def test_the_gateway_counts_the_parts_that_the_plan_showed(delivered):
    gateway, _, plan, _ = delivered
    counted = {message.to: message.parts for message in gateway.messages}
    assert counted == dict(zip(plan.frame["to"], plan.frame["parts"], strict=True))


def test_the_gateway_charges_what_the_plan_showed(delivered):
    *_, plan, campaign = delivered
    charges = campaign.charges
    charged = charges[charges["charge"] > 0]
    assert len(charged) > 10
    assert charged["charge"].round(6).equals(charged["estimated"].round(6))
    assert plan.frame["credits_low"].sum() == pytest.approx(charges["estimated"].sum())


def test_the_frames_have_the_documented_columns_and_the_callers_index():
    frame = people(3).set_axis(["a", "b", "c"]).rename_axis("who")
    with cn.sandbox() as sms:
        plan = sms.plan(frame, to="mobile", text="Hi {name}", name="index")
        campaign = plan.send(progress=False).track(progress=False)
        frames = {
            "PLAN": plan.frame,
            "SENDS": campaign.sends,
            "STATUSES": campaign.statuses,
            "CHARGES": campaign.charges,
            "OUTCOMES": campaign.outcomes,
        }
        for schema, shown in frames.items():
            assert shown.index.equals(frame.index), schema
            assert shown.index.name == "who", schema
            assert {name: str(dtype) for name, dtype in shown.dtypes.items()} == {
                name: str(dtype) for name, dtype in getattr(cn.frames, schema).items()
            }
        assert set(campaign.events.index) == {"a", "b", "c"}


@pytest.mark.parametrize("count", [0, 1, 5])
def test_dtypes_do_not_depend_on_the_number_of_rows(count):
    with cn.sandbox() as sms:
        campaign = sms.plan(people(count), to="mobile", text="Hi", name="few").send(progress=False)
        campaign.track(progress=False)
        schemas = (cn.frames.SENDS, cn.frames.STATUSES, cn.frames.CHARGES, cn.frames.EVENTS)
        shown = (campaign.sends, campaign.statuses, campaign.charges, campaign.events)
        for schema, frame in zip(schemas, shown, strict=True):
            assert [str(dtype) for dtype in frame.dtypes] == [str(dtype) for dtype in schema.values()]


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([7, 3, 7], name="row"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["group", "n"]),
        pd.date_range("2026-01-01", periods=3, name="day"),
        pd.Index(["x", 2, 3.5]),
    ],
    ids=["repeated", "multi", "dates", "mixed"],
)
def test_any_index_survives_the_ledger(index):
    with cn.sandbox() as sms:
        campaign = sms.plan(people(3).set_axis(index), to="mobile", text="Hi", name="any").send(progress=False)
        assert list(campaign.sends.index) == list(index)
        assert campaign.sends.index.names == index.names


def story(sms: cn.Account) -> cn.Campaign:
    return sms.plan(people(60), to="mobile", text="Hi {name}", name="seeded").send(progress=False)


def settled(campaign: cn.Campaign) -> pd.DataFrame:
    return campaign.outcomes[["status", "delivery", "charge"]].assign(
        climsgid=campaign.sends["climsgid"], apimsgid=campaign.sends["apimsgid"]
    )


def test_the_same_seed_gives_the_same_ids_statuses_and_charges_on_any_number_of_connections():
    seen = []
    for connections in (1, 32, 32):
        with testing.server(seed=7) as server, testing.account(server, seed=7, concurrency=connections) as sms:
            campaign = story(sms)
            server.advance(24 * 3600)
            campaign.refresh()
            seen.append(settled(campaign))
    with cn.sandbox(seed=7) as sms:
        seen.append(settled(story(sms).track(progress=False)))
    with cn.sandbox(seed=8) as sms:
        other = settled(story(sms).track(progress=False))
    for again in seen[1:]:
        pd.testing.assert_frame_equal(again, seen[0])
    assert not (other["apimsgid"] == seen[0]["apimsgid"]).any()


def test_a_sandbox_repeats_itself_to_the_microsecond():
    with cn.sandbox(seed=7) as first, cn.sandbox(seed=7) as second:
        ends = [story(sms).track(progress=False) for sms in (first, second)]
        for name in ("sends", "statuses", "charges", "events"):
            pd.testing.assert_frame_equal(getattr(ends[0], name), getattr(ends[1], name))


def test_running_again_sends_nothing_twice():
    with testing.server() as server, testing.account(server) as sms:
        frame = people(40)
        for order in (frame, frame, frame.iloc[::-1], frame.reset_index(drop=True)):
            sms.plan(order, to="mobile", text="Hi", name="again").send(progress=False)
        assert len(server.gateway.messages) == 40
        assert testing.check(sms, server.gateway.messages).ok


def test_new_people_join_a_campaign_that_was_sent():
    with testing.server() as server, testing.account(server) as sms:
        sms.plan(people(10), to="mobile", text="Hi", name="grow").send(progress=False)
        campaign = sms.plan(people(15), to="mobile", text="Hi", name="grow").send(progress=False)
        assert campaign.counts == {"accepted": 15}
        assert len(server.gateway.messages) == 15


def test_a_changed_text_under_the_same_name_is_refused_with_the_rows_named():
    with testing.server() as server, testing.account(server) as sms:
        frame = people(5).set_axis(["a", "b", "c", "d", "e"])
        sms.plan(frame, to="mobile", text="Hi {name}", name="fixed").send(progress=False)
        frame.loc[["b", "d"], "name"] = "Somebody"
        with pytest.raises(cn.errors.ContentChanged, match=r"2 of these rows.*rows b, d"):
            sms.plan(frame, to="mobile", text="Hi {name}", name="fixed").send(progress=False)
        with pytest.raises(cn.errors.ContentChanged, match="5 of these rows"):
            sms.plan(frame.iloc[:5], to="mobile", text="Other", name="fixed").send(progress=False)
        with pytest.raises(cn.errors.ContentChanged):
            sms.plan(frame.iloc[[0]], to="mobile", text="Hi {name}", name="fixed", sender="Shop").send(progress=False)
        assert len(server.gateway.messages) == 5


def test_lost_replies_are_unknown_and_never_sent_again_and_reconciled_by_climsgid():
    with testing.server(faults=[Fault("lost", share=1.0)]) as server, testing.account(server) as sms:
        campaign = sms.plan(people(50), to="mobile", text="Hi", name="lost").send(progress=False)
        assert campaign.counts == {"unknown": 50}
        assert len(server.gateway.messages) == 50
        campaign.resume(progress=False)
        assert len(server.gateway.messages) == 50
        campaign.reconcile(timeout=0)
        assert campaign.counts == {"accepted": 50}
        assert testing.check(sms, server.gateway.messages).ok


def test_what_the_gateway_denies_three_times_over_two_minutes_is_absent():
    with cn.sandbox() as sms:
        campaign = sms.plan(RESET, to="to", text="Hi", name="reset").send(progress=False)
        assert campaign.counts == {"unknown": 1}
        campaign.reconcile(timeout="1min")
        assert campaign.counts == {"unknown": 1}
        campaign.reconcile(timeout="5min")
        assert campaign.counts == {"absent": 1}
        assert "does not know it" in campaign.sends["error"].iloc[0]


def test_an_absent_message_is_sent_again_only_when_asked_and_with_a_new_climsgid():
    with cn.sandbox() as sms:
        campaign = sms.plan(RESET, to="to", text="Hi", name="reset").send(progress=False)
        first = campaign.sends["climsgid"].iloc[0]
        campaign.reconcile(timeout="5min")
        campaign.resume(progress=False)
        assert campaign.sends["climsgid"].iloc[0] == first
        campaign.resume(resend=["absent"], progress=False)
        assert campaign.sends["climsgid"].iloc[0] != first


def test_after_six_days_unknown_is_final():
    with cn.sandbox() as sms:
        campaign = sms.plan(pd.DataFrame({"to": ["27999400003"]}), to="to", text="Hi", name="late").send(progress=False)
        sms.wait(6 * 24 * 3600 + 1)
        campaign.reconcile()
        assert campaign.counts == {"unknown": 1}


@pytest.mark.parametrize("resend", [["planned"], ["accepted"], "sending", 5, None, [1]])
def test_only_unsettled_states_can_be_sent_again(resend):
    with cn.sandbox() as sms:
        campaign = sms.plan(people(1), to="mobile", text="Hi", name="x").send(progress=False)
        with pytest.raises(cn.errors.InvalidInput, match=r"resend.*absent.*rejected.*unknown"):
            campaign.resume(resend=resend)


def test_what_is_not_final_when_tracking_ends_stays_pending():
    with cn.sandbox() as sms:
        frame = pd.DataFrame({"to": ["27999200003", "27999300010"]})
        campaign = sms.plan(frame, to="to", text="Hi", name="slow").send(progress=False)
        campaign.track(timeout="5min", progress=False)
        assert list(campaign.statuses["delivery"].astype("str")) == ["at_network", "at_network"]
        campaign.track(timeout="30min", progress=False)
        assert list(campaign.statuses["delivery"].astype("str")) == ["at_network", "delivered"]
        assert list(campaign.statuses["final"]) == [False, True]


@pytest.mark.parametrize("hours", [-2, 0, 2])
def test_tracking_takes_as_long_as_it_was_told_however_the_clock_is_set(hours):
    frame = pd.DataFrame({"to": ["27999200003"]})
    with cn.sandbox() as sms:
        campaign = sms.plan(frame, to="to", text="Hi", name="slow").send(progress=False)
        slept = pauses(sms, timedelta(hours=hours))
        campaign.track(timeout="5min", progress=False)
        assert slept[:4] == [2, 3, 4.5, 6.75]
        assert max(slept) == 60
        assert sum(slept) == 300


def test_a_refresh_asks_once_about_each_message_by_the_session_that_is_there(tmp_path):
    gateway = Recorder()
    with in_process(gateway, tmp_path) as sms:
        campaign = sms.plan(people(20), to="mobile", text="Hi", name="x").send(progress=False)
        gateway.arrived.clear()
        campaign.refresh()
        assert gateway.arrived == {"querymsg": 20}


class Mumbling(Recorder):
    """A gateway whose first answers about a message cannot be read."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def handle(self, path, now, **request):
        answer = super().handle(path, now, **request)
        if not path.endswith("querymsg") or not self._left:
            return answer
        self._left -= 1
        return replies.text("ID: ")


@pytest.mark.parametrize(("times", "asked"), [(0, 1), (2, 3), (3, 3)])
def test_a_question_is_put_three_times_before_it_counts_as_not_answered(times, asked, tmp_path):
    gateway = Mumbling(times)
    with in_process(gateway, tmp_path) as sms:
        campaign = sms.plan(people(1), to="mobile", text="Hi", name="x").send(progress=False)
        with contextlib.nullcontext() if times < 3 else pytest.raises(UnreadableReply):
            campaign.refresh()
        assert gateway.arrived["querymsg"] == asked
        assert campaign.statuses["status"].notna().tolist() == [times < 3]


def test_cancel_empties_the_queue():
    with testing.server(credits=4) as server, testing.account(server) as sms:
        with pytest.raises(cn.errors.CampaignStopped) as stopped:
            sms.plan(people(10), to="mobile", text="Hi", name="cancelled").send(progress=False)
        campaign = stopped.value.campaign.cancel()
        assert campaign.counts == {"accepted": 5, "skipped": 5}
        campaign.resume(progress=False)
        assert len(server.gateway.messages) == 5


def test_every_row_is_named_in_the_summary():
    frame = people(20)
    frame.loc[3:6, "mobile"] = ["", "not a number", "447700900001", "27999100105"]
    with cn.sandbox() as sms:
        campaign = sms.plan(frame, to="mobile", text="Hi", name="all").send(progress=False).track(progress=False)
        summary = campaign.summary(by="country")
        assert summary.loc["all", "rows"] == 20
        assert campaign.counts == {"accepted": 16, "skipped": 3, "rejected": 1}


def test_a_campaign_is_found_again_in_another_account_object(tmp_path):
    with testing.server() as server:
        ledger = tmp_path / "ledger.sqlite"
        with testing.account(server, ledger=ledger) as sms:
            sms.plan(people(5), to="mobile", text="Hi", name="kept").send(progress=False)
        with testing.account(server, ledger=ledger) as sms:
            assert sms.campaign("kept").counts == {"accepted": 5}
            assert list(sms.campaigns()["name"]) == ["kept"]
            assert sms.campaigns()["accepted"].tolist() == [5]
            with pytest.raises(cn.errors.CampaignError, match="It has: 'kept'"):
                sms.campaign("other")


def test_what_was_never_tried_and_what_is_left_out_are_counted_apart():
    frame = pd.concat([people(1).assign(mobile="nobody"), people(40)], ignore_index=True)
    with cn.sandbox(credits=0) as sms:
        with pytest.raises(cn.errors.CampaignStopped, match="40 planned, 1 skipped"):
            sms.plan(frame, to="mobile", text="Hi", name="poor").send(progress=False)
        campaign = sms.campaign("poor")
        assert campaign.counts == {"planned": 40, "skipped": 1}
        assert campaign.sends["state"].value_counts()["planned"] == 40
        assert sms.campaigns().iloc[0][["rows", "planned", "skipped"]].tolist() == [41, 40, 1]


def test_a_kept_sandbox_goes_on_where_it_ended(tmp_path):
    with cn.sandbox(tmp_path, seed=3) as sms:
        campaign = sms.plan(people(5), to="mobile", text="Hi", name="kept").send(progress=False)
        balance = sms.balance()
    with cn.sandbox(tmp_path, seed=3) as sms:
        assert sms.balance() == balance
        campaign = sms.campaign("kept").track(progress=False)
        assert campaign.statuses["final"].all()
        sms.plan(people(5), to="mobile", text="Hi", name="kept").send(progress=False)
        assert sms.balance() >= balance


def test_the_report_needs_nothing_else_and_hides_numbers(tmp_path):
    with cn.sandbox() as sms:
        campaign = sms.plan(people(9), to="mobile", text="Hi <b>{name}</b>", name="<report>").send(progress=False)
        page = campaign.track(progress=False).report(tmp_path / "run.html").read_text(encoding="utf-8")
    assert "447700900" not in page
    assert "<report>" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_repr_says_what_happened_and_what_can_be_done():
    with cn.sandbox(credits=1) as sms:
        with pytest.raises(cn.errors.CampaignStopped) as stopped:
            sms.plan(people(4), to="mobile", text="Hi", name="poor").send(progress=False)
        shown = repr(stopped.value.campaign)
        assert "No Credit Left" in shown
        assert "campaign.resume()" in shown
        assert "44770090" not in shown + stopped.value.campaign._repr_html_()


def stopped_early(sms: cn.Account, frame: pd.DataFrame, name: str = "x") -> cn.Campaign:
    with pytest.raises(cn.errors.CampaignStopped) as stopped:
        sms.plan(frame, to="mobile", text="Hi", name=name).send(progress=False)
    return stopped.value.campaign


def test_a_plan_sends_its_own_rows_and_no_others_of_its_campaign():
    with testing.server(credits=4) as server, testing.account(server) as sms:
        stopped_early(sms, people(20))
        sms.redeem(next(iter(server.gateway.vouchers)))
        campaign = sms.plan(people(10), to="mobile", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"accepted": 10, "planned": 10}
        assert {message.to for message in server.gateway.messages} == set(people(10)["mobile"])


def test_resuming_keeps_to_the_allow_list(tmp_path):
    ledger = tmp_path / "l.sqlite"
    with testing.server(credits=4) as server:
        with testing.account(server, ledger=ledger) as sms:
            stopped_early(sms, people(20))
            sms.redeem(next(iter(server.gateway.vouchers)))
        with testing.account(server, ledger=ledger, allow=["447700900019"]) as sms:
            assert sms.campaign("x").resume(progress=False).counts == {"planned": 14, "accepted": 6}


def test_cancelling_stops_a_sender_at_work_and_nothing_skipped_is_accepted(tmp_path):
    ledger = tmp_path / "l.sqlite"
    with (
        testing.server() as server,
        testing.account(server, ledger=ledger, concurrency=2) as sms,
        testing.account(server, ledger=ledger) as other,
    ):
        ask = sms.context.clock.now
        calls = iter(range(1000))

        def now():
            if next(calls) == 12:
                other.campaign("x").cancel()
            return ask()

        sms.context.clock.now = now
        with pytest.raises(cn.errors.CampaignStopped, match="cancelled"):
            sms.plan(people(40), to="mobile", text="Hi", name="x").send(progress=False)
        counts = other.campaign("x").counts
        assert counts["accepted"] == len(server.gateway.messages) < 40
        assert counts["skipped"] == 40 - counts["accepted"]
        assert testing.check(sms, server.gateway.messages).ok


def test_cancelled_rows_are_named_when_they_are_planned_again():
    with testing.server(credits=4) as server, testing.account(server) as sms:
        stopped_early(sms, people(10)).cancel()
        for text in ("Hi", "Other"):
            with pytest.raises(cn.errors.CampaignError, match="5 of these rows were cancelled"):
                sms.plan(people(10), to="mobile", text=text, name="x").send(progress=False)


def test_a_plan_says_what_was_sent_before():
    with cn.sandbox() as sms:
        sms.plan(people(3), to="mobile", text="Hi", name="x").send(progress=False)
        shown = repr(sms.plan(people(5), to="mobile", text="Hi", name="x")).split()
        assert shown[shown.index("send") + 1] == "2"
        assert shown[shown.index("before") + 1] == "3"


def test_changing_the_shown_frame_changes_nothing_that_is_sent():
    with cn.sandbox() as sms:
        plan = sms.plan(people(3), to="mobile", text="Hi", name="x")
        shown = plan.frame
        shown["text"] = "Something else 🎉"
        assert set(plan.send(progress=False).sends["text"]) == {"Hi"}


def test_a_late_acceptance_counts_whatever_was_thought_before():
    with cn.sandbox() as sms:
        campaign = sms.plan(RESET, to="to", text="Hi", name="x").send(progress=False).reconcile(timeout="5min")
        assert campaign.counts == {"absent": 1}
        late = AttemptResult(1, 1, "accepted", sms.now(), "a" * 32)
        sms.context.ledger.record(campaign.id, [late], [])
        assert campaign.counts == {"accepted": 1}


def test_an_older_attempt_that_was_accepted_after_all_is_found_and_counts():
    lost = pd.DataFrame({"to": ["27999400003"]})
    with cn.sandbox() as sms:
        campaign = sms.plan(lost, to="to", text="Hi", name="x").send(progress=False)
        campaign.resume(resend=["unknown"], progress=False).reconcile(timeout=0)
        assert campaign.counts == {"accepted": 1}
        campaign.track(progress=False)
        assert campaign.charges["charge"].tolist() == [1.0]  # two messages of half a credit


@pytest.mark.parametrize("accepted", [1, 2])
def test_of_two_attempts_the_one_that_was_accepted_says_most(accepted):
    lost = pd.DataFrame({"to": ["27999400003"]})
    with cn.sandbox() as sms:
        campaign = sms.plan(lost, to="to", text="Hi", name="x").send(progress=False)
        campaign.resume(resend=["unknown"], progress=False)
        late = AttemptResult(1, accepted, "accepted", sms.now(), "a" * 32)
        sms.context.ledger.record(campaign.id, [late], [])
        assert campaign.counts == {"accepted": 1}
        assert campaign.sends["apimsgid"].tolist() == ["a" * 32]


def test_a_message_in_doubt_that_is_being_sent_again_is_on_its_way(tmp_path):
    lost = pd.DataFrame({"to": ["27999400003"]})
    with in_process(Gateway(), tmp_path) as opened:
        seen = []

        def look(what):
            if what == "before start":
                seen.append(opened.campaign("x").counts)

        opened.plan(lost, to="to", text="Hi", name="x").send(progress=False)
        meddle(opened, look).campaign("x").resume(resend=["unknown"], progress=False)
        assert seen == [{"sending": 1}]


@pytest.mark.parametrize("state", ["rejected", "absent", "returned"])
def test_a_message_stays_in_doubt_whatever_becomes_of_a_later_attempt(state):
    lost = pd.DataFrame({"to": ["27999400003"]})
    with cn.sandbox() as sms:
        campaign = sms.plan(lost, to="to", text="Hi", name="x").send(progress=False)
        campaign.resume(resend=["unknown"], progress=False)
        sms.context.ledger.record(campaign.id, [AttemptResult(1, 2, state, sms.now())], [])
        assert campaign.counts == {"unknown": 1}
        campaign.resume(progress=False)
        assert len(testing.messages(sms)) == 2


def test_reconciling_while_the_gateway_is_away_is_an_error():
    with testing.server(faults=[Fault("lost", share=1.0)]) as server, testing.account(server) as sms:
        campaign = sms.plan(people(3), to="mobile", text="Hi", name="x").send(progress=False)
        server.close()
        with pytest.raises(cn.errors.TransportError):
            campaign.reconcile(timeout=0)
        assert campaign.counts == {"unknown": 3}


ASKED = {"track": "27999200004", "reconcile": "27999400003"}  # one is delivered, the reply of the other is lost
AWAY = NotSent("The gateway is away.")


class Unreadable(Gateway):
    """Behind a proxy that can begin to answer in the gateway's place."""

    broken = False

    def answer(self, place, body, now):
        return (502, {}, b"<html>Bad Gateway") if self.broken else super().answer(place, body, now)


def send_one(sms, way):
    sms.plan(pd.DataFrame({"to": [ASKED[way]]}), to="to", text="Hi", name="x").send(progress=False)


def out_of_reach(sms, looks):
    """Let nobody connect for some looks."""
    connect = sms.context.connect
    away = iter(looks)

    def refuse(count):
        if next(away, False):
            raise AWAY
        return connect(count)

    return testing.altered(sms, connect=refuse)


@pytest.mark.parametrize("way", ASKED)
def test_a_gateway_out_of_reach_for_a_while_is_asked_again_later(way):
    with cn.sandbox() as opened:
        send_one(opened, way)
        sms = out_of_reach(opened, [True, True])
        looks = []
        campaign = sms.campaign("x")
        getattr(campaign, way)(seen=looks.append)
        assert [look.trouble for look in looks[:3]] == [AWAY, AWAY, None]
        assert [look.left for look in looks[:2]] == [1, 1]
        assert looks[-1] == track.Look(0)
        assert campaign.counts == {"accepted": 1}


@pytest.mark.parametrize("way", ASKED)
def test_a_gateway_out_of_reach_all_the_time_is_an_error_at_its_end(way):
    with cn.sandbox() as opened:
        send_one(opened, way)
        before = opened.campaign("x").outcomes
        slept = pauses(opened)
        sms = out_of_reach(opened, repeat(True))
        with pytest.raises(NotSent, match=r"The gateway is away\."):
            getattr(sms.campaign("x"), way)("10min")
        assert sum(slept) == 600
        assert sms.campaign("x").outcomes.equals(before)


def test_one_answer_is_enough_for_asking_to_end_without_an_error():
    with cn.sandbox() as opened:
        frame = pd.DataFrame({"to": ["27999200003"]})  # never final
        opened.plan(frame, to="to", text="Hi", name="x").send(progress=False)
        sms = out_of_reach(opened, chain([True, False], repeat(True)))
        looks = []
        campaign = sms.campaign("x").track("10min", progress=False, seen=looks.append)
        assert [look.trouble for look in looks[:3]] == [AWAY, None, AWAY]
        assert looks[-1] == track.Look(1, AWAY)
        assert campaign.counts == {"accepted": 1}


@pytest.mark.parametrize("way", ASKED)
def test_asking_ends_when_somebody_has_seen_enough(way):
    with cn.sandbox() as opened:
        send_one(opened, way)
        slept = pauses(opened)
        sms = out_of_reach(opened, repeat(True))
        stop, looks = Event(), []

        def seen(look):
            looks.append(look)
            if len(looks) == 2:
                stop.set()

        getattr(sms.campaign("x"), way)(stop=stop, seen=seen)
        assert len(looks) == 2
        getattr(sms.campaign("x"), way)(stop=stop, seen=seen)
        assert len(looks) == 2
        assert len(slept) <= 2


@pytest.mark.parametrize("way", ASKED)
def test_answers_that_cannot_be_read_for_a_while_are_asked_for_again(way, tmp_path):
    gateway = Unreadable()
    with in_process(gateway, tmp_path) as sms:
        send_one(sms, way)
        gateway.broken, looks = True, []

        def seen(look):
            looks.append(look)
            gateway.broken = len(looks) < 2

        getattr(sms.campaign("x"), way)(seen=seen)
        assert [type(look.trouble) for look in looks[:2]] == [cn.errors.UnreadableReply] * 2
        assert looks[-1] == track.Look(0)


def test_repeated_labels_and_refused_rows_are_planned():
    frame = pd.concat([people(2), people(2, first=5), pd.DataFrame({"mobile": ["no"], "name": ["X"]})])
    with cn.sandbox() as sms:
        campaign = sms.plan(frame, to="mobile", text="Hi", name="x").send(progress=False)
        assert campaign.sends.index.tolist() == [0, 1, 0, 1, 0]


def test_a_campaign_fed_from_frames_with_different_indexes_stays_readable():
    two = pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["group", "n"])
    with cn.sandbox() as sms:
        sms.plan(people(2).set_axis(two), to="mobile", text="Hi", name="x").send(progress=False)
        campaign = sms.plan(people(3), to="mobile", text="Hi", name="x").send(progress=False)
        assert campaign.sends.index.tolist() == [0, 1, 2]
        sms.plan(people(1, first=7).set_axis([("b", 9)]), to="mobile", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"accepted": 4}
        assert campaign.events.empty


def test_a_corrected_row_takes_the_place_of_the_one_that_was_left_out():
    frame = people(3)
    wrong = frame.assign(mobile=["447700900000", "0770", "447700900002"])
    with cn.sandbox() as sms:
        assert sms.plan(wrong, to="mobile", text="Hi", name="x").send(progress=False).counts == {
            "accepted": 2,
            "skipped": 1,
        }
        assert sms.plan(frame, to="mobile", text="Hi", name="x").send(progress=False).counts == {"accepted": 3}


def test_send_batch_returns_the_rows_of_its_frame_in_their_order():
    with cn.sandbox() as sms:
        sms.send_batch(people(4), to="mobile", text="Hi", name="x")
        frame = people(6).iloc[[5, 1, 3]].set_axis(["f", "b", "d"])
        sent = sms.send_batch(frame, to="mobile", text="Hi", name="x")
        assert sent["to"].to_dict() == frame["mobile"].to_dict()


@pytest.mark.parametrize("text", ["Hello", "€uro"])
def test_list_mode_shares_requests_and_names_every_recipient(text):
    with testing.server() as server, testing.account(server, concurrency=4) as sms:
        plan = sms.plan(people(700), to="mobile", text=text, name="list", mode="list")
        campaign = plan.send(progress=False)
        assert campaign.counts == {"accepted": 700}
        assert campaign.sends["climsgid"].nunique() == 3
        assert campaign.sends["apimsgid"].nunique() == 700
        assert [message.text for message in server.gateway.messages] == [text] * 700
        assert testing.check(sms, server.gateway.messages).ok


def test_a_lost_reply_leaves_a_whole_list_in_doubt_and_reconciling_says_that_it_arrived():
    with testing.server(faults=[Fault("lost", share=1.0)]) as server, testing.account(server) as sms:
        campaign = sms.plan(people(20), to="mobile", text="Hi", name="list", mode="list").send(progress=False)
        campaign.reconcile(timeout=0)
        assert campaign.counts == {"unknown": 20}
        assert campaign.sends["error"].str.contains("reached the gateway").all()
        assert len(server.gateway.messages) == 20
        assert testing.check(sms, server.gateway.messages).ok


def test_a_mixed_list_settles_each_recipient_by_its_own_line():
    frame = pd.DataFrame({"mobile": ["447700900001", "27999100105", "447700900002", "27999100114"]})
    with testing.server() as server, testing.account(server) as sms:
        campaign = sms.plan(frame, to="mobile", text="Hi", name="list", mode="list").send(progress=False)
        assert campaign.sends["state"].tolist() == ["accepted", "rejected", "accepted", "rejected"]
        assert campaign.sends["error_code"].tolist()[1::2] == ["105", "114"]


def test_a_scheduled_campaign_waits_at_the_gateway_and_can_be_cancelled():
    with cn.sandbox() as sms:
        at = sms.now() + timedelta(hours=2)
        campaign = sms.plan(people(5), to="mobile", text="Hi", name="later").send(at=at, progress=False).refresh()
        assert set(campaign.statuses["status"]) == {"011"}
        assert set(campaign.cancel().statuses["delivery"]) == {"cancelled"}
        assert sms.balance() == 1000.0


@pytest.mark.parametrize("hours", [-1, 0, 24 * 7 + 1, "soon", None])
def test_a_time_that_the_gateway_would_not_take_is_refused(hours):
    with cn.sandbox() as sms:
        now = sms.now()
        at = now + timedelta(hours=hours) if isinstance(hours, int) else hours or now.replace(tzinfo=None)
        with pytest.raises(cn.errors.InvalidInput, match="at must be a time"):
            sms.plan(people(1), to="mobile", text="Hi", name="later").send(at=at)


def test_a_plan_over_its_budget_sends_nothing():
    with cn.sandbox() as sms:
        plan = sms.plan(people(10), to="mobile", text="Hi", name="x", budget=7)
        with pytest.raises(cn.errors.InvalidInput, match=r"at least 8 credits, more than its budget of 7 credits"):
            plan.send()
        assert sms.balance() == 1000.0


def test_the_budget_stops_a_campaign_that_costs_more_than_it_said():
    with testing.server() as server, testing.account(server, concurrency=4) as sms:
        plan = sms.plan(people(500), to="mobile", text="Hi", name="x", budget=450)
        balance = sms.gateway.getbalance
        sms.gateway.getbalance = lambda: 5 * balance()  # as if each message cost five times its least price
        with pytest.raises(cn.errors.CampaignStopped, match="budget of 450 credits is reached"):
            plan.send(progress=False)
        spent = 5 * 0.8 * len(server.gateway.messages)
        assert 450 <= spent <= 450 + (4 + 50) * 4.0


def test_what_the_balance_shows_is_spent_where_no_price_is_known():
    with cn.sandbox() as sms:
        sms.context.ledger.set_price("GB", None, sms.now())
        before = sms.balance()
        campaign = sms.plan(people(10), to="mobile", text="Hi", name="x", budget=100).send(progress=False)
        assert campaign.spent == pytest.approx(before - sms.balance()) == pytest.approx(8)


def test_a_balance_that_cannot_be_asked_makes_a_campaign_with_a_budget_wait_and_then_stop():
    with cn.sandbox() as sms:
        plan = sms.plan(people(3), to="mobile", text="Hi", name="x", budget=10)
        slept = pauses(sms)
        asked, balance = [], sms.gateway.getbalance

        def unreachable():
            asked.append(True)
            message = "The gateway cannot be reached."
            raise NotSent(message)

        sms.gateway.getbalance = unreachable
        with pytest.raises(cn.errors.CampaignStopped, match="cannot be reached"):
            plan.send(progress=False)
        assert len(slept) == 3
        assert sms.campaign("x").counts == {"planned": 3}
        assert testing.messages(sms) == []
        asked.clear()
        sms.gateway.getbalance = lambda: unreachable() if len(asked) < 2 else balance()
        assert plan.send(progress=False).counts == {"accepted": 3}
        assert len(slept) == 5


def test_a_balance_that_is_refused_stops_a_campaign_with_a_budget_at_once():
    with cn.sandbox() as sms:
        plan = sms.plan(people(3), to="mobile", text="Hi", name="x", budget=10)
        slept = pauses(sms)

        def refused():
            message = "The gateway refuses the account: 001 Authentication failed."
            raise cn.errors.AccountError(message, code="001")

        sms.gateway.getbalance = refused
        with pytest.raises(cn.errors.CampaignStopped, match="001 Authentication failed"):
            plan.send(progress=False)
        assert slept == []
        assert sms.campaign("x").counts == {"planned": 3}
        assert testing.messages(sms) == []


def test_what_left_before_a_crash_is_spent_although_nobody_could_ask_the_balance(tmp_path):
    gateway = Recorder(faults=[Fault("lost", share=0.2)])
    with in_process(gateway, tmp_path, connections=1) as opened:
        left = iter(range(21))

        def crash(what):
            if what == "before start" and next(left, None) is None:
                raise Crash

        sms = meddle(opened, crash)
        with pytest.raises(Crash):
            sms.plan(people(40), to="mobile", text="Hi", name="x", budget=33).send(progress=False)
    with in_process(gateway, tmp_path, connections=1) as sms:
        counts = sms.campaign("x").counts
        assert min(counts["accepted"], counts["unknown"]) > 5
        spent = sms.context.ledger.spent(sms.campaign("x").id)
        assert spent == Decimal("0.8") * (counts["accepted"] + counts["unknown"])


def test_what_is_on_its_way_is_spent_already(tmp_path):
    with in_process(Recorder(), tmp_path, connections=1) as opened:
        spent = []

        def look(what):
            if what == "before start":
                spent.append(opened.campaign("x").spent)

        meddle(opened, look).plan(people(3), to="mobile", text="Hi", name="x").send(progress=False)
        assert spent == pytest.approx([0.8, 1.6, 2.4])


@pytest.mark.parametrize(("fault", "words"), [("lost", "are in doubt"), ("html502", "are in doubt")])
def test_too_much_doubt_stops_the_campaign_and_says_how_to_go_on(fault, words):
    with testing.server(faults=[Fault(fault, share=1.0)]) as server, testing.account(server) as sms:
        with pytest.raises(cn.errors.CampaignStopped, match=rf"{words}.*resume\(\)") as stopped:
            sms.plan(people(300), to="mobile", text="Hi", name="x").send(progress=False)
        assert 100 <= stopped.value.campaign.counts["unknown"] < 100 + 64
        assert len(server.gateway.messages) == (0 if fault == "html502" else stopped.value.campaign.counts["unknown"])


def test_a_price_limit_goes_with_each_message():
    with cn.sandbox() as sms:
        campaign = sms.plan(people(3), to="mobile", text="Hi", name="x", max_credits=0.1).send(progress=False)
        assert set(campaign.track(progress=False).statuses["status"]) == {"009"}


@pytest.mark.parametrize("place", [".", "no/such/folder/run.html", 5, ""])
def test_a_report_that_cannot_be_written_says_so(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cn.sandbox() as sms, pytest.raises(cn.errors.InvalidInput):
        sms.plan(people(2), to="mobile", text="Hi", name="x").send(progress=False).report(place)


def test_a_campaign_of_a_closed_account_says_so():
    with cn.sandbox() as sms:
        campaign = sms.plan(people(2), to="mobile", text="Hi", name="x").send(progress=False)
    with pytest.raises(cn.errors.LedgerError, match="account was closed"):
        campaign.counts  # noqa: B018  asking is the point


# counted where it is stored


STATUSES = ("001", "002", "003", "004", "007", "011", "042")


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60)
def test_what_is_counted_in_the_ledger_is_what_the_frames_show(data):
    with cn.sandbox() as sms:
        ledger, now = sms.context.ledger, sms.now()
        people = pd.DataFrame({"to": [f"4477009001{number:02d}" for number in range(6)]})
        campaign = sms.plan(people, to="to", text="Hi", name="x").send(progress=False)
        with ledger.writing() as connection:
            connection.execute(sa.delete(tables.attempts))
        for row_id in data.draw(st.lists(st.integers(1, 6), unique=True)):
            states = data.draw(st.lists(st.sampled_from(["accepted", "unknown", "absent", "returned"]), max_size=3))
            for attempt, state in enumerate(states, 1):
                ledger.record(campaign.id, [], [Intent(row_id, attempt, f"{row_id}{attempt}", 1)])
                ledger.record(campaign.id, [AttemptResult(row_id, attempt, state, now)], [])
                seen = st.tuples(st.sampled_from(STATUSES), st.sampled_from(["", "a"]), st.integers(0, 3))
                for status, apimsgid, seconds in data.draw(st.lists(seen, max_size=4)):
                    charge = data.draw(st.sampled_from([None, Decimal("0.8"), Decimal(0)]))
                    at = now + timedelta(seconds=seconds)
                    ledger.note([records.Event(row_id, attempt, apimsgid, status, at, "query", charge)])
        shown = views.joined(ledger, campaign.id)
        shown["delivery"] = shown["delivery"].where(shown["state"] == "accepted", "")
        frame = shown.groupby(["state", "delivery"]).agg(
            rows=("to", "size"), charged=("charge", "count"), charge=("charge", "sum")
        )
        counted = pd.DataFrame(tally(ledger, campaign.id)).groupby(["state", "delivery"]).sum()
        counted["charge"] /= 1_000_000
        pd.testing.assert_frame_equal(counted, frame, check_dtype=False)


def test_a_campaign_at_a_glance_needs_no_frame(monkeypatch):
    people = pd.DataFrame({"to": [f"4477009001{number:02d}" for number in range(9)]})
    with cn.sandbox() as sms:
        campaign = sms.plan(people, to="to", text="Hi", name="x").send(progress=False).track(progress=False)
        charged = campaign.charges["charge"].sum()
        monkeypatch.delattr(views, "joined")
        assert f"{charged:.1f} credits" in repr(campaign)
        assert "- delivered" in campaign._repr_html_()
