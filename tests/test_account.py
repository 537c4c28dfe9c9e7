"""Single messages, and questions to the gateway as frames."""

from __future__ import annotations

import contextlib
import warnings
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import AlreadySent, ConfigError, InvalidInput


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


def test_a_message_in_doubt_is_not_sent_again_either():
    with testing.server() as server, testing.account(server) as sms:
        assert sms.send("27999400003", "Hello")["state"].tolist() == ["unknown"]
        with pytest.warns(AlreadySent, match="unknown"):
            sms.send("27999400003", "Hello")
        assert len(server.gateway.messages) == 1


def test_the_same_message_a_day_later_is_a_new_one(sms):
    first = sms.send("447700900123", "Hello")
    sms._service.clock.sleep(24 * 3600 + 1)
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
    sms._service.clock.sleep(24 * 3600)
    for shown, schema in ((sms.statuses(ids), cn.frames.STATUSES), (sms.charges(ids), cn.frames.CHARGES)):
        assert shown.index.tolist() == list("dcba")
        assert shown["apimsgid"].tolist() == ids.tolist()
        assert [str(dtype) for dtype in shown.dtypes] == [str(dtype) for dtype in schema.values()]
        assert shown["status"].notna().all()
    assert sms.statuses(ids)["final"].all()


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
    with testing.server() as server, testing.account(server) as other, pytest.raises(ConfigError, match="sandbox only"):
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
        sms._service.clock.sleep(3 * 24 * 3600)
        sms.redeem(next(iter(sms._box.vouchers)))
        sms.send("447700900123", "Hello", again=True)
        sms.campaign("single messages").resume(progress=False)
        assert len(sms._box.messages) == 1


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
