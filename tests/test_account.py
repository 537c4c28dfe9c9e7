"""Single messages, and questions to the gateway as frames."""

from __future__ import annotations

import contextlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import AlreadySent, CampaignStopped, ClicknbError, ConfigError, InvalidInput, LedgerError


@pytest.fixture
def sms():
    with cn.sandbox() as account:
        yield account


def test_one_message_is_a_frame_of_one_row_and_a_row_of_the_ledger(sms):
    sent = sms.send("07700 900123", "Hello", country="GB", sender="Shop")
    assert sent.loc[0, ["to", "country", "sender", "state"]].tolist() == ["447700900123", "GB", "Shop", "accepted"]
    assert [str(dtype) for dtype in sent.dtypes] == [str(dtype) for dtype in cn.frames.SENDS.values()]
    assert sms.campaigns()["accepted"].tolist() == [1]


def test_the_same_message_within_a_day_is_not_sent_again():
    with testing.server() as server, testing.account(server) as sms:
        first = sms.send("447700900123", "Hello")
        with pytest.warns(AlreadySent, match=r"\+44 \*\*\* \*\*\* 123.*accepted.*again=True"):
            second = sms.send("447700900123", "Hello")
        pd.testing.assert_frame_equal(first, second)
        assert len(server.gateway.messages) == 1
        for other in ({"text": "Hello!"}, {"to": "447700900124"}, {"sender": "Shop"}, {"again": True}):
            sms.send(**{"to": "447700900123", "text": "Hello", **other})
        assert len(server.gateway.messages) == 5


def test_a_second_time_that_could_not_be_sent_does_not_leave_unasked():
    with testing.server(credits=1) as server, testing.account(server) as sms:
        sms.send("447700900123", "Hello")
        with pytest.raises(CampaignStopped, match="301"):
            sms.send("447700900123", "Hello", again=True)
        sms.redeem(next(iter(server.gateway.vouchers)))
        with pytest.warns(AlreadySent):
            sms.send("447700900123", "Hello")
        assert len(server.gateway.messages) == 1
        sms.send("447700900123", "Hello", again=True)
        assert len(server.gateway.messages) == 2


ZEROS = "447700" + 6 * "0"
"""A number that a spreadsheet could have rounded, as one writes it."""


def test_a_number_that_ends_in_zeros_is_asked_about_only_in_a_table(sms, tmp_path):
    table = pd.DataFrame({"to": [ZEROS]})
    assert sms.plan(table, to="to", text="Hi", name="x").frame["problem"].str.contains("rounded").tolist() == [True]
    for number, country in ((ZEROS, None), (f"+{ZEROS}", None), (f"0{ZEROS[2:]}", "GB"), (ZEROS, "GB")):
        assert sms.send(number, f"Hi {number} {country}", country=country)["to"].tolist() == [ZEROS]
    people = pd.DataFrame({"to": ["447700900001"]})
    assert sms.plan(people, to="to", text="Hi", name="x").test(ZEROS)["to"].tolist() == [ZEROS]
    with testing.server() as server, testing.account(server, allow=ZEROS) as limited:
        assert limited.send(ZEROS, "Hi")["state"].tolist() == ["accepted"]
        with pytest.raises(InvalidInput, match="allow list"):
            limited.send("447700900001", "Hi")


@pytest.mark.parametrize(
    ("number", "problem"),
    [(f"{ZEROS}.0", "rounded by a spreadsheet"), ("999" + 8 * "0", "not a number of any country"), ("1E+11", "digits")],
)
def test_a_number_by_itself_is_refused_for_what_is_wrong_with_it(sms, number, problem):
    with pytest.raises(InvalidInput, match=f"The message cannot be sent: .*{problem}.*Nothing left this machine"):
        sms.send(number, "Hi")


def test_a_message_in_doubt_is_not_sent_again_either():
    with testing.server() as server, testing.account(server) as sms:
        assert sms.send("27999400003", "Hello")["state"].tolist() == ["unknown"]
        with pytest.warns(AlreadySent, match="unknown"):
            sms.send("27999400003", "Hello")
        assert len(server.gateway.messages) == 1


def test_the_same_message_a_day_later_is_a_new_one(sms):
    first = sms.send("447700900123", "Hello")
    sms.wait(24 * 3600 + 1)
    second = sms.send("447700900123", "Hello")
    assert first["climsgid"].iloc[0] != second["climsgid"].iloc[0]


def test_a_rejected_message_may_be_tried_again(sms):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        states = [sms.send("27999100105", "Hello")["state"].iloc[0] for _ in range(2)]
    assert states == ["rejected", "rejected"]


def test_statuses_and_charges_keep_order_and_index(sms):
    people = pd.DataFrame({"to": [f"44770090{n:04d}" for n in range(4)]}, index=list("abcd"))
    ids = sms.send_batch(people, to="to", text="Hi", name="x")["apimsgid"].iloc[::-1]
    sms.wait(24 * 3600)
    for shown, schema in ((sms.statuses(ids), cn.frames.STATUSES), (sms.charges(ids), cn.frames.CHARGES)):
        assert shown.index.tolist() == list("dcba")
        assert shown["apimsgid"].tolist() == ids.tolist()
        assert [str(dtype) for dtype in shown.dtypes] == [str(dtype) for dtype in schema.values()]
        assert shown["status"].notna().all()
    assert sms.statuses(ids)["final"].all()


def test_statuses_and_charges_say_what_the_ledger_knows_of_the_ids(sms):
    people = pd.DataFrame({"to": [f"44770090{n:04d}" for n in range(4)], "text": ["Hi", "x" * 200, "ж", "Hi"]})
    sent = sms.send_batch(people, to="to", text="{text}", name="x").set_index("apimsgid")
    statuses, charges = sms.statuses(sent.index).set_index("apimsgid"), sms.charges(sent.index).set_index("apimsgid")
    assert statuses["climsgid"].to_dict() == sent["climsgid"].to_dict()
    assert statuses["to"].to_dict() == charges["to"].to_dict() == sent["to"].to_dict()
    assert charges["parts"].to_dict() == sent["parts"].to_dict()
    assert charges["estimated"].round(6).tolist() == [0.8, 1.6, 0.8, 0.8]


@pytest.mark.parametrize("ids", [[], pd.Series([], dtype="str")])
def test_no_ids_give_an_empty_frame_of_the_same_dtypes(sms, ids):
    shown = sms.statuses(ids)
    assert shown.empty
    assert [str(dtype) for dtype in shown.dtypes] == [str(dtype) for dtype in cn.frames.STATUSES.values()]


def test_missing_ids_are_refused_by_count(sms):
    with pytest.raises(InvalidInput, match=r"1 of the ids are missing.*dropna"):
        sms.statuses(pd.Series(["a" * 32, None]))


def test_an_id_the_gateway_does_not_know_is_pending(sms):
    assert sms.statuses("0" * 32)["delivery"].tolist() == ["pending"]


def test_a_scheduled_message_can_be_cancelled(sms):
    (sent,) = sms.gateway.sendmsg("447700900123", "Later", deliv_time=60)
    assert sms.cancel([sent.apimsgid])["delivery"].tolist() == ["cancelled"]
    assert sms.balance() == 1000.0


def test_coverage_says_what_is_served_and_from_what_price(sms):
    shown = sms.coverage(["447700900123", "8800000000000"])
    assert shown["supported"].tolist() == [True, False]
    assert shown["charge"].iloc[0] > 0
    assert pd.isna(shown["charge"].iloc[1])


def test_redeeming_a_voucher_returns_the_new_balance():
    with testing.server(credits=10) as server, testing.account(server) as sms:
        assert sms.redeem(next(iter(server.gateway.vouchers))) > 10
        with pytest.raises(InvalidInput, match="16 digits"):
            sms.redeem("123")


def test_the_magic_numbers_are_listed_and_do_what_they_say(sms):
    numbers = sms.numbers()
    assert numbers.loc["27999100105", "forces"] == "error 105"
    assert sms.send("27999100105", "Hi")["error_code"].tolist() == ["105"]
    with (
        testing.server() as server,
        testing.account(server.url) as other,
        pytest.raises(ConfigError, match="sandbox only"),
    ):
        other.numbers()


def test_an_account_says_whether_messages_leave_this_machine(sms, tmp_path):
    assert "never leave this machine" in repr(sms)
    assert "never leave this machine" in sms._repr_html_()
    with cn.connect(user="me", password="secret-word", api_id="1", ledger=tmp_path / "l.sqlite") as live:
        assert "cost money" in repr(live)
        assert "secret-word" not in repr(live) + live._repr_html_() + repr(vars(live)) + repr(live.gateway)


def test_settings_come_from_the_environment(monkeypatch, tmp_path):
    with testing.server() as server:
        for name, value in {
            "USER": "sandbox",
            "PASSWORD": "sandbox",
            "API_ID": "1",
            "BASE_URL": server.url,
            "LEDGER": str(tmp_path / "book.sqlite"),
        }.items():
            monkeypatch.setenv(f"CLICKATELL_{name}", value)
        with cn.connect() as sms:
            assert sms.balance() == 1000.0
        assert (tmp_path / "book.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_kept_sandbox_that_is_damaged_is_refused(tmp_path):
    (tmp_path / "gateway.jsonl").write_text("not a journal\n")
    with pytest.raises(ConfigError, match=r"cannot be opened.*another directory"):
        cn.sandbox(tmp_path)


def test_the_same_call_works_in_the_sandbox_and_over_http():
    with cn.sandbox(seed=5) as inside, testing.server(seed=5) as server, testing.account(server, seed=5) as outside:
        ids = [account.send("447700900123", "Hi")["apimsgid"].iloc[0] for account in (inside, outside)]
    assert ids[0] == ids[1]


def test_two_programs_that_send_the_same_message_send_it_once(tmp_path):
    ledger = tmp_path / "l.sqlite"
    with testing.server() as server:

        def send(_: int) -> None:
            with testing.account(server, ledger=ledger) as account, contextlib.suppress(cn.errors.CampaignError):
                account.send("447700900123", "Hello")

        with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
            warnings.simplefilter("ignore")
            list(pool.map(send, range(16)))
        assert len(server.gateway.messages) == 1


def test_a_single_message_that_stayed_planned_is_sent_once_however_old_it_is():
    with cn.sandbox(credits=0) as sms:
        with pytest.raises(cn.errors.CampaignStopped):
            sms.send("447700900123", "Hello")
        sms.wait(3 * 24 * 3600)
        sms.redeem(next(iter(sms.context.simulator.vouchers)))
        sms.send("447700900123", "Hello", again=True)
        sms.campaign("single messages").resume(progress=False)
        assert len(testing.messages(sms)) == 1


def test_a_ledger_belongs_to_one_account(tmp_path):
    ledger = tmp_path / "l.sqlite"
    with testing.server() as one, testing.server() as other:
        with testing.account(one, ledger=ledger) as sms:
            sms.send("447700900123", "Hello")
        with (
            pytest.raises(cn.errors.LedgerError, match="belongs to the account"),
            testing.account(other, ledger=ledger),
        ):
            pass


PEOPLE = pd.DataFrame({"to": ["447700900001", "447700900002", "447700900003"]}, index=list("abc"))


def test_a_batch_returns_the_rows_of_its_own_plan_in_their_order(sms):
    sms.send_batch(PEOPLE, to="to", text="Hi", name="x", progress=False)
    later = PEOPLE.iloc[[2, 0]].set_axis(["p", "q"])
    sent = sms.send_batch(later, to="to", text="Hi", name="x", progress=False)
    assert sent.index.tolist() == ["p", "q"]
    assert sent["to"].tolist() == ["447700900003", "447700900001"]
    assert [str(dtype) for dtype in sent.dtypes] == [str(dtype) for dtype in cn.frames.SENDS.values()]
    assert sms.campaign("x").counts == {"accepted": 3}


def test_a_dear_message_is_ended_by_the_gateway(sms):
    sent = sms.send("447700900123", "Hello", max_credits=0.01)
    sms.wait(24 * 3600)
    assert sms.statuses(sent["apimsgid"])["status"].tolist() == ["009"]


def test_a_campaign_may_share_requests():
    with testing.server() as server, testing.account(server) as sms:
        sent = sms.send_batch(PEOPLE, to="to", text="Hi", name="x", mode="list", progress=False)
        assert sent["state"].tolist() == ["accepted"] * 3
        assert sent["climsgid"].nunique() == 1
        assert testing.check(sms, server.gateway.messages).ok


def test_a_plan_above_its_budget_sends_nothing(sms):
    with pytest.raises(InvalidInput, match="budget"):
        sms.send_batch(PEOPLE, to="to", text="Hi", name="x", budget=0.1, progress=False)
    assert sms.balance() == 1000.0


def test_a_ledger_belongs_to_one_account_at_one_gateway(tmp_path):
    settings = {"password": "p", "ledger": tmp_path / "l.sqlite"}
    with cn.connect(user="me", api_id="1", **settings):
        pass
    with cn.connect(user="me", api_id=1, **settings):
        pass
    for other in ({"user": "you"}, {"api_id": "2"}, {"base_url": "https://sms.invalid"}):
        with pytest.raises(LedgerError, match="belongs to"):
            cn.connect(**{"user": "me", "api_id": "1", **settings, **other})


def test_each_account_and_gateway_has_a_ledger_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for user, url in (("me", "https://sms.invalid"), ("me", "http://127.0.0.1:8080"), ("you", "https://sms.invalid")):
        with cn.connect(user=user, password="p", api_id="1", base_url=url) as sms:
            assert url.removeprefix("https://") in repr(sms)
    names = sorted(path.name for path in (tmp_path / ".clicknb").glob("*.sqlite"))
    assert names == ["me-1-127.0.0.1_8080.sqlite", "me-1-sms.invalid.sqlite", "you-1-sms.invalid.sqlite"]


def test_a_closed_account_says_so(tmp_path):
    for sms in (cn.sandbox(), cn.sandbox(tmp_path)):
        sms.close()
        sms.close()
        assert "closed" in repr(sms)
        assert "closed" in sms._repr_html_()
        for call in (
            sms.balance,
            sms.campaigns,
            lambda sms=sms: sms.send("447700900123", "Hi"),
            lambda sms=sms: sms.statuses("0" * 32),
            lambda sms=sms: sms.gateway.ping(),
            lambda sms=sms: sms.plan(PEOPLE, to="to", text="Hi", name="x"),
        ):
            with pytest.raises(ClicknbError, match=r"account was closed.*Nothing was sent"):
                call()


@dataclass
class Copy:
    """A message as the gateway might have recorded it."""

    climsgid: str
    to: str
    text: str


def judged(sms, **change):
    """What the judge says if the gateway's record of the first message were another one."""
    copies = [Copy(message.climsgid, message.to, message.text) for message in testing.messages(sms)]
    for name, value in change.items():
        setattr(copies[0], name, value)
    return testing.check(sms, copies)


def test_the_judge_finds_each_kind_of_difference(sms):
    sms.send_batch(PEOPLE, to="to", text="Hi", name="x", progress=False)
    assert testing.check(sms).ok
    assert repr(testing.check(sms)) == "<Verdict: 3 accepted; nothing lost, doubled or changed>"
    first = testing.messages(sms)[0].climsgid
    assert judged(sms, text="Ho").wrong_text == [first]
    assert judged(sms, to="447700900009").wrong_number == [first]
    assert judged(sms, climsgid="other").unrecorded == ["other"]
    assert judged(sms, climsgid="other").lost == [first]
    assert testing.check(sms, testing.messages(sms)[1:]).lost == [first]
    assert testing.check(sms, [*testing.messages(sms), testing.messages(sms)[0]]).doubled == [first]


def test_the_judge_counts_messages_that_no_campaign_sent(sms):
    sms.send("447700900001", "Hi")
    sms.gateway.sendmsg(["447700900001", "447700900002"], "Hi")
    verdict = testing.check(sms)
    assert verdict.ok
    assert verdict.strangers == 2
    assert repr(verdict) == "<Verdict: 3 accepted, 2 of them from elsewhere; nothing lost, doubled or changed>"


def test_the_judge_looks_at_what_a_user_sees(sms):
    sms.send_batch(PEOPLE, to="to", text="Hi", name="x", progress=False)
    first = testing.messages(sms)[0].climsgid
    with sms.context.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE attempts SET state = 'absent' WHERE row_id = 1")
    assert sms.campaign("x").sends["state"].tolist() == ["absent", "accepted", "accepted"]
    assert testing.check(sms).unrecorded == [first]


def test_time_ledger_and_cost_are_told_by_public_names(tmp_path):
    with cn.sandbox() as sms:
        assert sms.ledger_path is None
        before = sms.now()
        sms.plan(pd.DataFrame({"to": ["447700900123"]}), to="to", text="Hi", name="x").send(progress=False)
        campaign = sms.campaign("x").track(progress=False)
        assert sms.now() > before
        assert campaign.spent == campaign.charges["charge"].sum() > 0
        assert ("accepted", "1") in campaign.facts()
    with cn.sandbox(tmp_path) as sms:
        assert sms.ledger_path.parent == tmp_path
