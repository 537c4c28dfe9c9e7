"""Bad input gives one clear error or one row in a state with its reason; what was sent before is named."""

from __future__ import annotations

import socket

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import AccountError, CampaignStopped, ConfigError, InvalidInput, NotSent, UnreadableReply
from clicknb.sandbox import Fault

PEOPLE = pd.DataFrame({"mobile": ["447700900001", "447700900002", "447700900003"], "name": ["Ann", "Bob", "Cy"]})


@pytest.fixture
def sms():
    with cn.sandbox() as account:
        yield account


@pytest.fixture
def nowhere():
    """The address of a gateway that is down."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_a_missing_column_is_named_with_the_nearest(sms):
    with pytest.raises(InvalidInput, match=r"'mobil'.*mobile"):
        sms.plan(PEOPLE, to="mobil", text="Hi", name="x")
    with pytest.raises(InvalidInput, match=r"'nam'.*Did you mean 'name'"):
        sms.plan(PEOPLE, to="mobile", text="Hi {nam}", name="x")


def test_an_empty_text_refuses_its_row_with_the_reason(sms):
    frame = PEOPLE.assign(text=["Hello", "  ", "Hello"])
    campaign = sms.plan(frame, to="mobile", text="{text}", name="x").send(progress=False)
    assert campaign.counts == {"accepted": 2, "skipped": 1}
    assert campaign.sends["error"].iloc[1] == "text is empty"


def test_an_empty_template_refuses_every_row(sms):
    plan = sms.plan(PEOPLE, to="mobile", text=" ", name="x")
    assert set(plan.frame["problem"]) == {"the text is empty"}


def test_a_cell_that_is_no_number_refuses_its_row(sms):
    plan = sms.plan(PEOPLE.assign(mobile=["447700900001", "n/a", None]), to="mobile", text="Hi", name="x")
    assert plan.frame["problem"].notna().tolist() == [False, True, True]
    assert "0770" not in repr(plan)


def test_a_text_that_is_too_long_refuses_its_row_and_says_how_long_it_is(sms):
    plan = sms.plan(PEOPLE, to="mobile", text="x" * 460, name="x")
    assert set(plan.frame["problem"]) == {"needs 4 parts, but max_parts is 3"}
    assert len(sms.plan(PEOPLE, to="mobile", text="x" * 460, name="x", max_parts=4).to_send) == 3


@pytest.mark.parametrize("option", [{"max_parts": 0}, {"max_parts": 36}, {"sender": "no!"}, {"sender": "x" * 12}])
def test_an_option_that_breaks_a_rule_is_refused(sms, option):
    with pytest.raises(InvalidInput, match="Nothing was sent"):
        sms.plan(PEOPLE, to="mobile", text="Hi", name="x", **option)


def test_a_campaign_without_a_name_is_refused(sms):
    with pytest.raises(InvalidInput, match="needs a name"):
        sms.plan(PEOPLE, to="mobile", text="Hi", name=" ")


@pytest.mark.parametrize(
    ("to", "text", "why"),
    [("", "Hi", "empty"), ("07700", "Hi", "cannot be sent"), ("447700900123", "", "text is empty")],
)
def test_a_single_message_that_cannot_be_sent_is_an_error(sms, to, text, why):
    with pytest.raises(InvalidInput, match=why):
        sms.send(to, text)


def test_wrong_credentials_stop_before_anything_leaves():
    with testing.server() as server, testing.account(server, password="wrong") as sms:
        with pytest.raises(AccountError, match=r"001.*password"):
            sms.balance()
        with pytest.raises(AccountError, match="001"):
            sms.plan(PEOPLE, to="mobile", text="Hi", name="x")
        with pytest.raises(CampaignStopped, match=r"001.*1 planned.*resume\(\)"):
            sms.send("447700900123", "Hi")
        assert server.gateway.messages == []


@pytest.mark.parametrize("given", [{}, {"user": "me"}, {"user": "me", "password": "not-shown"}])
def test_missing_or_partial_credentials_mention_the_sandbox_and_show_no_secret(given):
    with pytest.raises(ConfigError, match=r"cn\.sandbox\(\)") as error:
        cn.connect(**given)
    assert "not-shown" not in str(error.value)


def test_plain_http_to_another_machine_is_refused():
    with pytest.raises(ConfigError, match="Nothing was contacted"):
        cn.connect(user="u", password="p", api_id="1", base_url="http://api.clickatell.com")


def test_no_credit_stops_the_campaign_with_its_reason_and_resumes_after_a_voucher():
    with testing.server(credits=1) as server, testing.account(server) as sms:
        plan = sms.plan(PEOPLE, to="mobile", text="Hi", name="x")
        assert "not enough credit" in repr(plan)
        with pytest.raises(CampaignStopped, match=r"No Credit Left.*Top up") as stopped:
            plan.send(progress=False)
        campaign = stopped.value.campaign
        assert campaign.counts == {"planned": 2, "accepted": 1}
        assert "No Credit Left" in campaign.stopped
        sms.redeem(next(iter(server.gateway.vouchers)))
        campaign.resume(progress=False)
        assert campaign.counts == {"accepted": 3}
        assert campaign.stopped == ""
        assert len(server.gateway.messages) == 3


def test_a_gateway_that_is_down_is_planned_without_prices_and_sends_nothing(nowhere, tmp_path):
    settings = {"user": "u", "password": "p", "api_id": "1", "base_url": nowhere, "ledger": tmp_path / "l.sqlite"}
    with cn.connect(**settings) as sms:
        with pytest.raises(NotSent, match="nothing was accepted"):
            sms.balance()
        plan = sms.plan(PEOPLE, to="mobile", text="Hi", name="x")
        assert "not known" in repr(plan)
        with pytest.raises(CampaignStopped, match=r"cannot be reached.*3 planned"):
            plan.send(progress=False)
        assert sms.campaign("x").counts == {"planned": 3}


@pytest.mark.parametrize("fault", ["html502", "html503", "garbage", "truncated", "error901"])
def test_an_answer_that_is_not_understood_names_every_row_unknown(fault):
    with testing.server(faults=[Fault(fault)]) as server, testing.account(server) as sms:
        campaign = sms.plan(PEOPLE, to="mobile", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"unknown": 3}
        assert campaign.sends["error"].str.len().gt(0).all()
        assert not campaign.sends["error"].str.contains("447700900").any()


def test_html_instead_of_a_balance_is_an_error_of_ours():
    fault = Fault("html502", commands=frozenset({"getbalance"}))
    with testing.server(faults=[fault]) as server, testing.account(server) as sms, pytest.raises(UnreadableReply):
        sms.balance()


def test_a_row_the_gateway_refuses_does_not_stop_the_others(sms):
    numbers = [f"27999100{code}" for code in ("105", "106", "107", "113", "114", "121", "122", "123", "128")]
    campaign = sms.plan(pd.DataFrame({"to": [*numbers, "447700900001"]}), to="to", text="Hi", name="x").send(
        progress=False
    )
    assert campaign.counts == {"rejected": 9, "accepted": 1}
    assert campaign.sends["error_code"].tolist()[:9] == [number[-3:] for number in numbers]


@pytest.mark.parametrize("code", ["001", "002", "004", "007", "108", "130", "301"])
def test_a_refusal_of_the_account_stops_the_campaign_and_keeps_the_row(sms, code):
    frame = pd.DataFrame({"to": [f"27999100{code}"]})
    with pytest.raises(CampaignStopped, match=code):
        sms.plan(frame, to="to", text="Hi", name="x").send(progress=False)
    assert sms.campaign("x").counts == {"planned": 1}


@pytest.mark.parametrize("code", ["100", "101", "102", "112", "115", "116", "120", "901"])
def test_what_is_not_listed_as_a_refusal_is_unknown(sms, code):
    campaign = sms.plan(pd.DataFrame({"to": [f"27999100{code}"]}), to="to", text="Hi", name="x").send(progress=False)
    assert campaign.counts == {"unknown": 1}


def test_a_live_account_needs_the_token(tmp_path):
    settings = {"user": "u", "password": "p", "api_id": "1", "ledger": tmp_path / "l.sqlite"}
    with cn.connect(**settings) as sms, testing.server() as server, testing.account(server) as test:
        assert "LIVE" in repr(sms)
        plan = test.plan(PEOPLE, to="mobile", text="Hi", name="x")
        plan._service = sms._service  # a live account's; nothing is contacted before the token is given
        for confirm in (None, "", "0000-0000"):
            with pytest.raises(cn.errors.ConfirmationNeeded, match=plan.token):
                plan.send(confirm)
        assert sms.campaigns().empty


def test_an_allow_list_keeps_everybody_else_out():
    with testing.server() as server, testing.account(server, allow=["447700900002"]) as sms:
        campaign = sms.plan(PEOPLE, to="mobile", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"skipped": 2, "accepted": 1}
        with pytest.raises(InvalidInput, match="allow list"):
            sms.send("447700900001", "Hi")
        assert [message.to for message in server.gateway.messages] == ["447700900002"]
