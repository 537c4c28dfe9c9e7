"""Bad input gives one clear error or one row in a state with its reason; what was sent before is named."""

from __future__ import annotations

import socket
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.analysis import report
from clicknb.checks import seconds
from clicknb.errors import AccountError, CampaignStopped, ConfigError, InvalidInput, NotSent, UnreadableReply
from clicknb.simulator import Fault

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
        plan = test.plan(PEOPLE, to="mobile", text="Hi", name="x").at(sms.context)  # nothing is contacted before
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


GOOD_ID = "0123456789abcdef" * 2
NO_TABLES = [
    None,
    5,
    ["447700900001"],
    {"mobile": ["447700900001"]},
    "people.csv",
    Path("people.csv"),
    PEOPLE["mobile"],
]
NO_TEXTS = [None, True, 5, 2.5, b"x", ["x"], {"x": 1}]
NO_WHOLE = [None, True, "3", 2.5, float("nan"), [3]]
NO_AMOUNTS = [True, "10", float("nan"), float("inf"), 0, -1, 1e-9, 1e300, 10**400, [1]]


def refused(call, *arguments, match="Nothing was sent", **settings):
    with pytest.raises(InvalidInput, match=match) as error:
        call(*arguments, **settings)
    assert "4477009000" not in str(error.value)
    return str(error.value)


def plan(sms, frame=PEOPLE, **settings):
    return sms.plan(frame, **{"to": "mobile", "text": "Hi", "name": "x", **settings})


@pytest.mark.parametrize("frame", NO_TABLES, ids=lambda frame: type(frame).__name__)
def test_what_is_no_table_is_refused_with_what_to_do(sms, frame):
    message = refused(plan, sms, frame, match="must be a DataFrame.*Nothing was sent")
    assert ("read_recipients(path)" in message) or isinstance(frame, pd.Series)
    refused(sms.send_batch, frame, to="mobile", text="Hi", name="x")


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
@pytest.mark.parametrize("option", ["to", "text", "name", "sender", "country"])
def test_an_option_that_is_no_text_is_refused(sms, option, value):
    if option == "country" and value is None:
        return
    refused(plan, sms, **{option: value}, match=f"{option} must be a text, not .*Nothing was sent")
    assert sms.campaigns().empty


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x00b", "\x85", "a\u2028b", "\ud83d"])
def test_a_campaign_name_with_a_control_character_is_refused(sms, name):
    refused(plan, sms, name=name, match="control character")


@pytest.mark.parametrize("value", [*NO_WHOLE, 0, 36])
def test_a_number_of_parts_that_is_none_is_refused(sms, value):
    refused(plan, sms, max_parts=value, match="max_parts must be a whole number 1 to 35")


@pytest.mark.parametrize("value", NO_AMOUNTS, ids=repr)
@pytest.mark.parametrize("option", ["budget", "max_credits"])
def test_an_amount_that_is_none_is_refused(sms, option, value):
    refused(plan, sms, **{option: value}, match=f"{option} must be a number 0.000001 to ")
    refused(sms.send, "447700900001", "Hi", **{option: value}, match=f"{option} must be a number 0.000001 to ")


def test_a_table_with_names_of_two_levels_is_refused(sms):
    refused(plan, sms, PEOPLE.set_axis(pd.MultiIndex.from_product([["mobile"], ["a", "b"]]), axis=1), match="one level")


@pytest.mark.parametrize("cell", [b"447700900001", ["447700900001"], {"a": 1}, ("x",), np.array([1])], ids=repr)
@pytest.mark.parametrize("column", ["mobile", "name"])
def test_a_cell_of_a_kind_that_no_spreadsheet_has_is_refused(sms, column, cell):
    frame = PEOPLE.assign(**{column: pd.Series(["x", cell, cell], dtype="object")})
    refused(plan, sms, frame, text="{name}", match=f"2 cells of the column '{column}' hold no text, number or date")


@pytest.mark.parametrize("value", [None, "", "List", 1, True, ["each"]])
def test_a_mode_that_there_is_not_is_refused(sms, value):
    refused(plan, sms, mode=value, match="mode must be one of 'each', 'list'")


@pytest.mark.parametrize("value", [value for value in NO_TEXTS if value is not None], ids=repr)
def test_a_single_number_that_is_no_text_is_refused(sms, value):
    refused(sms.send, value, "Hi", match="to must be a text, not .*send_batch")


@pytest.mark.parametrize("value", [None, "", " ", float("nan"), np.float32("nan"), pd.NA], ids=repr)
def test_an_empty_number_is_called_so(sms, value):
    refused(sms.send, value, "Hi", match="the number is empty")


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_a_single_text_that_is_no_text_is_refused_and_reaches_nobody(value):
    with testing.server() as server, testing.account(server) as sms:
        refused(sms.send, "447700900001", value, match="text must be a text, not ")
        assert server.gateway.messages == []
        assert sms.campaigns().empty


@pytest.mark.parametrize("option", [{"sender": 5}, {"country": 5}, {"again": "no"}, {"again": 1}])
def test_an_option_of_a_single_message_of_another_type_is_refused(sms, option):
    refused(sms.send, "447700900001", "Hi", **option)


@pytest.mark.parametrize("ask", ["statuses", "charges", "cancel"])
def test_what_is_no_id_is_refused_before_anything_is_asked(ask):
    with (
        testing.server() as server,
        testing.account(server, password="wrong") as sms,
    ):  # asking would be an AccountError
        call = getattr(sms, ask)
        for value in (5, None, b"x", True):
            refused(call, value, match="ids must be texts")
        message = refused(call, [GOOD_ID, "447700900123", "", GOOD_ID[:-1]], match="3 of 4 ids are not 32 hexadecimal")
        assert "+44 *** *** 123" in message
        refused(call, PEOPLE, match="needs the column 'apimsgid', but the table has .*'mobile', 'name'")
        refused(call, [GOOD_ID, None], match="1 of the ids are missing")
        refused(call, [["a"], 5], match="2 of 2 ids")
        assert call([]).empty


def test_what_is_no_number_or_prefix_is_refused_before_anything_is_asked(sms):
    for value in (5, None, b"44"):
        refused(sms.coverage, value, match="numbers must be texts")
    refused(sms.coverage, ["44", "+447700900001", "n/a"], match=r"2 of 3 numbers are not 1 to 15 digits.*\+44")
    refused(sms.coverage, PEOPLE, match="needs the column 'to'")
    assert sms.coverage(PEOPLE.rename(columns={"mobile": "to"}))["supported"].all()
    assert sms.coverage([44])["supported"].tolist() == [True]


@pytest.mark.parametrize(
    "value", [None, True, "x", "", "30", "-1s", "nan", -1, 1e300, float("nan"), float("inf"), [1]], ids=repr
)
def test_what_is_no_duration_is_refused_before_anything_is_asked(sms, value):
    refused(seconds, value, match="no duration.*Nothing was asked or sent")
    campaign = plan(sms).send(progress=False)
    refused(campaign.track, value, match="Nothing was asked or sent")
    refused(campaign.reconcile, value, match="Nothing was asked or sent")


def test_a_negative_timedelta_is_no_duration():
    refused(seconds, timedelta(seconds=-1), match="no duration")
    assert seconds(timedelta(minutes=2)) == 120
    assert seconds(np.int64(5)) == seconds("5s") == seconds("00:00:05") == 5


@pytest.mark.parametrize("by", [5, "nope", ["country", 5], [["country"]], {"a": 1}, True])
def test_a_summary_by_what_is_no_column_names_the_columns(sms, by):
    campaign = plan(sms).send(progress=False)
    refused(campaign.summary, by, match="no column .*there are to, country, sender")
    refused(campaign.plot, by, match="no column|by must be a text")


def test_a_report_that_cannot_be_written_says_why(tmp_path):
    assert report.save("<p>", tmp_path / "x.html").read_text() == "<p>"
    refused(report.save, "<p>", tmp_path, match="Is a directory")
    refused(report.save, "<p>", tmp_path / "missing" / "x.html", match="No such file")
    for value in (5, None, "", "a\0b", b"x"):
        refused(report.save, "<p>", value, match="path must be the path")


@pytest.mark.parametrize("token", [5, None, "", "123", 1234567890123456, b"x"])
def test_a_voucher_of_another_form_is_refused(sms, token):
    refused(sms.redeem, token, match="16 digits")


@pytest.mark.parametrize(
    "setting",
    [
        *({"rate": value} for value in NO_AMOUNTS),
        *({"concurrency": value} for value in [*NO_WHOLE, 0, -1, 10**9]),
        *({"ledger": value} for value in [5, b"x", "", "a\0b", "\ud83d", ["x"], ":memory:", Path(":memory:")]),
        *({"allow": value} for value in [5, b"x", "nobody", ["07700 900123"], ["447700900001", None], [5], PEOPLE]),
        *({"base_url": value} for value in [5, b"x", True]),
        *({"dotenv": value} for value in [5, "a\0b"]),
        *({name: value} for name in ("user", "password") for value in [5, b"x", ["x"], "\ud83d"]),
        *({"profile": value} for value in [5, b"x", ["x"]]),
        *({"api_id": value} for value in [True, b"1", 1.5]),
    ],
    ids=repr,
)
def test_a_setting_of_the_account_that_breaks_a_rule_is_refused(tmp_path, setting):
    settings = {"user": "u", "password": "p", "api_id": "1", "ledger": tmp_path / "l.sqlite", **setting}
    refused(cn.connect, **settings)
    assert not (tmp_path / "l.sqlite").exists()


def test_a_password_of_another_type_is_not_shown():
    assert "98765" not in refused(cn.connect, user="u", password=98765, api_id="1")


def test_a_ledger_in_memory_is_refused_from_the_environment_too(monkeypatch):
    monkeypatch.setenv("CLICKATELL_LEDGER", ":memory:")
    refused(cn.connect, user="u", password="p", api_id="1", match="outlives this kernel")


def test_an_api_id_may_be_a_number():
    with testing.server() as server, testing.account(server, api_id=1) as sms:
        assert sms.balance() == 1000.0


@pytest.mark.parametrize("allow", ["+44 7700 900002", ["+44 (0)7700 900002"], pd.Series(["00447700900002"], index=[7])])
def test_an_allow_list_may_be_written_as_people_write(allow):
    with testing.server() as server, testing.account(server, allow=allow) as sms:
        assert plan(sms).to_send["to"].tolist() == ["447700900002"]


def test_an_empty_allow_list_lets_nobody_through():
    with testing.server() as server, testing.account(server, allow=[]) as sms:
        assert plan(sms).to_send.empty


@pytest.mark.parametrize(
    "setting",
    [
        *({"credits": value} for value in [None, True, "x", "5", float("nan"), float("inf"), -5, 1e300]),
        *({"speed": value} for value in [*NO_AMOUNTS, "x"]),
        *({"path": value} for value in [5, "", b"x", "a\0b"]),
        *({"seed": value} for value in [None, "x", 1.5, True]),
    ],
    ids=repr,
)
def test_a_setting_of_the_sandbox_that_breaks_a_rule_is_refused(setting):
    refused(cn.sandbox, **setting)


def test_settings_of_the_sandbox_may_be_of_any_kind_of_number():
    for credits in (0, 5, 2.5, Decimal("2.5"), np.int64(5), np.float64(2.5)):
        with cn.sandbox(credits=credits, seed=np.int64(-3), speed=np.float64(60)) as sms:
            assert sms.balance() == float(credits)


def test_a_sandbox_kept_at_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="another directory"):
        cn.sandbox(tmp_path / "file")


@pytest.mark.parametrize("name", [5, None, ["x"], "\ud83d"])
def test_a_campaign_asked_for_by_what_is_no_text_is_refused(sms, name):
    refused(sms.campaign, name, match="name must be a text|control character")
