"""What users' tests turn: faults, time, ids and connections, and what they look at: what the sandbox received."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.clock import SteppedClock
from clicknb.errors import ClicknbError, ConfigError, ConfirmationNeeded, InvalidInput
from clicknb.simulator import Fault, Gateway
from tests.promise.harness import over_socket

PEOPLE = pd.DataFrame({"to": [f"447700900{number:03d}" for number in range(200)]})


def sent(sms, people=PEOPLE):
    return sms.plan(people, to="to", text="Hi", name="x").send(progress=False)


def in_doubt(sms):
    sends = sent(sms).sends
    return set(sends["to"][sends["state"] == "unknown"])


# faults


def test_a_fault_hits_its_share_of_what_is_sent_and_nothing_is_lost_or_doubled():
    with cn.sandbox(faults={"lost replies": 0.1}) as sms:
        campaign = sent(sms)
        assert 10 <= campaign.counts["unknown"] <= 30
        assert len(testing.messages(sms)) == 200
        campaign.reconcile()
        assert campaign.counts == {"accepted": 200}
        assert testing.check(sms).ok


def test_the_seed_decides_whom_a_fault_hits():
    hit = []
    for seed in (1, 1, 2):
        with cn.sandbox(seed=seed, faults={"lost replies": 0.1}) as sms:
            hit.append(in_doubt(sms))
    assert hit[0] == hit[1] != hit[2]


@pytest.mark.parametrize("name", testing.FAULTS)
def test_a_fault_has_one_name_in_words_and_a_short_one(name):
    outcomes = []
    for given in (name, testing.FAULTS[name]):
        with cn.sandbox(faults={given: 0.5}) as sms:
            outcomes.append(sent(sms, PEOPLE.head(20)).sends["state"].tolist())
    assert outcomes[0] == outcomes[1]


def answer(sms, to):
    try:
        return sms.gateway.sendmsg(to, "Hi")[0].state
    except ClicknbError as error:
        return type(error)


@pytest.mark.parametrize("magic", [row for row in Gateway.numbers() if row["forces"].startswith("fault ")])
def test_every_fault_that_a_number_forces_can_be_had_for_a_share(magic):
    with cn.sandbox() as forced, cn.sandbox(faults={magic["forces"].removeprefix("fault "): 1}) as faulty:
        assert answer(forced, magic["number"]) == answer(faulty, "447700900001")


def test_a_name_alone_hits_a_fifth_as_a_rehearsal_does():
    with cn.sandbox(faults="lost replies") as alone, cn.sandbox(faults={"lost replies": 0.2}) as spelt_out:
        assert in_doubt(alone) == in_doubt(spelt_out)


@pytest.mark.parametrize("shares", [{"html502": 0.3, "lost": 0.6}, {"lost": 0.6, "html502": 0.3}])
def test_of_several_faults_each_hits_its_share_of_all_requests(shares):
    with cn.sandbox(faults=shares) as sms:
        states = Counter(answer(sms, to) for to in PEOPLE["to"])
        assert 165 <= states["unknown"] <= 195  # nine of ten
        assert 125 <= len(testing.messages(sms)) <= 155  # all but three of ten


def test_faults_whose_shares_add_up_to_everything_spare_nobody():
    with cn.sandbox(faults={"html502": 0.5, "lost": 0.3, "truncated": 0.2}) as sms:
        assert {answer(sms, to) for to in PEOPLE["to"]} == {"unknown"}


def test_faults_hold_from_the_opening_on_and_are_not_kept(tmp_path):
    with cn.sandbox(tmp_path, faults={"lost replies": 1}) as sms:
        sms.send("447700900001", "Hi")
        assert sms.send("447700900002", "Hi")["state"].tolist() == ["unknown"]
    with cn.sandbox(tmp_path) as sms:
        assert sms.send("447700900003", "Hi")["state"].tolist() == ["accepted"]


def test_a_gateway_that_is_served_takes_faults_by_name_too():
    with testing.server(faults={"lost replies": 1}) as server, testing.account(server) as sms:
        assert sent(sms, PEOPLE.head(3)).counts == {"unknown": 3}


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"lost reply": 0.1}, "no fault is called 'lost reply'; there are lost replies, .*slow"),
        ("lost", None),
        ("everything", "no fault is called 'everything'; there are lost replies, .*throttling"),
        ({5: 0.1}, "no fault is called 5; there are"),
        ({"lost replies": -0.1}, "between 0 and 1, not -0.1"),
        ({"lost replies": 1.1}, "between 0 and 1, not 1.1"),
        ({"lost replies": float("nan")}, "between 0 and 1, not nan"),
        ({"lost replies": True}, "between 0 and 1, not True"),
        ({"lost replies": "1%"}, "between 0 and 1, not '1%'"),
        ({"lost replies": None}, "between 0 and 1, not None"),
        ({"lost replies": 0.6, "throttling": 0.5}, "add up to 1.1, which is more than 1"),
        ({"lost replies": 0.6, "throttling": 0.4}, None),
        ({"a": 0.7, "b": 0.2, "c": 0.1}, "no fault is called 'a'"),
        ({"lost replies": 0.7, "throttling": 0.2, "slow": 0.1}, None),
        ({"lost replies": 0.1, "lost": 0.1}, "two names"),
        ({}, None),
        (["lost replies"], "must be names with shares, not a list"),
        (0.1, "must be names with shares, not 0.1"),
        (Fault("lost"), "must be names with shares, not a Fault"),
    ],
)
def test_what_faults_may_be(faults, words):
    if words is None:
        cn.sandbox(faults=faults).close()
        return
    with pytest.raises(InvalidInput, match=words) as refused:
        cn.sandbox(faults=faults)
    assert "Nothing was sent" in str(refused.value)
    assert "faults={" in str(refused.value)


# time


@pytest.mark.parametrize("day", ["1 day", "1d", "24h", 86_400, 86_400.0, timedelta(days=1)])
def test_waiting_moves_the_clock_of_a_sandbox(day):
    with cn.sandbox() as sms:
        before = sms.now()
        assert sms.wait(day) == sms.now() == before + timedelta(days=1)


def test_what_takes_time_has_happened_after_waiting():
    with cn.sandbox() as sms:
        campaign = sent(sms, pd.DataFrame({"to": ["27999301440"]})).refresh()  # delivered after a day
        assert campaign.statuses["delivery"].tolist() == ["at_network"]
        sms.wait("1 day")
        assert campaign.refresh().statuses["delivery"].tolist() == ["delivered"]


def test_at_a_sandbox_whose_time_runs_waiting_takes_its_time():
    with cn.sandbox(speed=1000) as sms:
        before = sms.now()
        assert sms.wait("20s") >= before + timedelta(seconds=20)
        assert sms.now() < before + timedelta(days=1)


def test_real_time_cannot_be_moved(tmp_path):
    login = {"user": "u", "password": "p", "api_id": "1", "ledger": tmp_path / "l.sqlite"}
    with testing.server() as server, testing.account(server) as test, cn.connect(**login) as live:
        for sms in (test, live):
            with pytest.raises(ConfigError, match=r"keeps real time.*Nothing was sent.*cn\.sandbox\(\)"):
                sms.wait(0)


@pytest.mark.parametrize("duration", [-1, "soon", "-1s", None, True, float("nan"), "2000 days", [1]])
def test_what_is_no_duration_moves_nothing(duration):
    with cn.sandbox() as sms:
        before = sms.now()
        with pytest.raises(InvalidInput, match="no duration"):
            sms.wait(duration)
        assert sms.now() == before


def test_an_account_that_was_closed_does_not_wait():
    sms = cn.sandbox()
    sms.close()
    with pytest.raises(ClicknbError, match="was closed"):
        sms.wait(1)


# accounts of tests


def test_the_clock_of_an_account_may_be_ones_own(tmp_path):
    moment = datetime(2030, 1, 1, 12, tzinfo=UTC)
    clock = SteppedClock(moment)
    with testing.server() as server, testing.account(server, clock=clock) as sms:
        campaign = sent(sms, PEOPLE.head(1))
        assert campaign.sends["submitted_at"].tolist() == [moment]
        sms.wait("1 day")
        assert sms.now() == clock.now() == moment + timedelta(days=1)
    with testing.server() as server, over_socket(server, tmp_path / "l.sqlite") as sms:
        assert abs(sms.now() - datetime.now(UTC)) < timedelta(hours=1)


def test_ids_come_from_the_seed_or_are_random():
    ids = {}
    for seed in (0, 0, 1, None, None):
        with testing.server() as server, testing.account(server, seed=seed) as sms:
            ids.setdefault(seed, []).append(sent(sms, PEOPLE.head(1)).id)
    assert ids[0][0] == ids[0][1] != ids[1][0]
    assert ids[None][0] != ids[None][1]


def test_limits_are_those_of_connect():
    with testing.server() as server:
        with testing.account(server, rate=5, concurrency=2, allow="447700900001") as sms:
            assert (sms.context.rate, sms.context.concurrency) == (5, 2)
            assert sent(sms, PEOPLE.head(3))
            assert [message.to for message in testing.messages(sms)] == ["447700900001"]
        with pytest.raises(InvalidInput, match="concurrency"), testing.account(server, concurrency=0):
            pass


def test_what_the_sandbox_received_is_told_of_every_sandbox_in_this_process():
    with testing.server() as server, testing.account(server) as served, cn.sandbox() as alone:
        for sms in (served, alone):
            sms.send("447700900001", "It\u2019s on")
            (message,) = testing.messages(sms)
            assert (message.to, message.text, message.encoding) == ("447700900001", "It\u2019s on", "ucs2")
            testing.messages(sms).clear()
            assert len(testing.messages(sms)) == 1
            assert testing.check(sms).accepted == 1


def test_nobody_looks_into_another_process():
    with testing.server() as server, testing.account(server.url) as sms:
        for look in (testing.messages, testing.check):
            with pytest.raises(InvalidInput, match="not in this process"):
                look(sms)
        assert testing.check(sms, server.gateway.messages).ok


def test_an_altered_account_shares_all_but_what_is_altered():
    with cn.sandbox() as sms:
        live = testing.altered(sms, live=True)
        assert (sms.live, live.live) == (False, True)
        assert live.title.startswith("LIVE account of sandbox at ")
        plan = live.plan(PEOPLE.head(2), to="to", text="Hi", name="x")
        with pytest.raises(ConfirmationNeeded):
            plan.send()
        plan.send(plan.token, progress=False)
        assert len(testing.messages(sms)) == len(testing.messages(live)) == 2
        assert sms.campaign("x").counts == {"accepted": 2}
        with pytest.raises(TypeError, match="tempo"):
            testing.altered(sms, tempo=1)


def test_the_form_of_a_plan_works_with_the_sandbox_of_the_plan():
    with cn.sandbox() as sms:
        plan = sms.plan(PEOPLE.head(2), to="to", text="Hi", name="x")
        account = cn.forms.Campaign(plan, background=False).account
        assert account.title == sms.title == "Sandbox account"
        assert account.numbers().equals(sms.numbers())
