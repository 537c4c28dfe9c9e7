"""What is checked before anything leaves, and what it looks like on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb.charset import SINGLE_BYTE
from clicknb.errors import InvalidInput
from clicknb.gateway.http import parameters
from clicknb.gateway.http.parameters import SendOptions, encode, encode_text
from clicknb.gateway.http.wire import Request

GOOD = [
    ("sender", "MyShop", "from", "MyShop"),
    ("sender", "27999000001", "from", "27999000001"),
    ("sender", "1" * 16, "from", "1" * 16),
    ("sender", "A1", "from", "A1"),
    ("callback", 0, "callback", "0"),
    ("callback", np.int64(7), "callback", "7"),
    ("deliv_ack", True, "deliv_ack", "1"),
    ("deliv_time", 10_080, "deliv_time", "10080"),
    ("scheduled_time", datetime(2026, 3, 3, 10, tzinfo=UTC), "scheduled_time", "2026-03-03T10:00:00Z"),
    (
        "scheduled_time",
        datetime(2026, 3, 3, 10, 0, 5, tzinfo=timezone(timedelta(hours=2))),
        "scheduled_time",
        "2026-03-03T08:00:05Z",
    ),
    ("concat", 35, "concat", "35"),
    ("max_credits", Decimal("0.80"), "max_credits", "0.80"),
    ("max_credits", 1.5, "max_credits", "1.5"),
    ("max_credits", 2, "max_credits", "2"),
    ("max_credits", 1e-5, "max_credits", "0.00001"),
    ("req_feat", 8240, "req_feat", "8240"),
    ("queue", 1, "queue", "1"),
    ("escalate", False, "escalate", "0"),
    ("mo", 1, "mo", "1"),
    ("climsgid", "a1" * 16, "climsgid", "a1" * 16),
    ("unicode", True, "unicode", "1"),
    ("msg_type", "SMS_FLASH", "msg_type", "SMS_FLASH"),
    ("udh", "06050415810000", "udh", "06050415810000"),
    ("data", "000102030405060708090A0B0C0D0E0F", "data", "000102030405060708090A0B0C0D0E0F"),
    ("binary", True, "binary", "1"),
    ("validity", 1, "validity", "1"),
]

BAD: dict[str, list[Any]] = {
    "sender": ["", "1" * 17, "TwelveLetter", "My Shop", "My-Shop", "Café", "+27999000001", 27999000001, "A\n"],
    "callback": [-1, 8, "3", 1.0, True],
    "deliv_ack": [2, "yes", "1"],
    "deliv_time": [-1, 10_081, "10", timedelta(minutes=10)],
    "scheduled_time": [datetime(2026, 3, 3, 10), "2026-03-03T10:00:00Z", 1_772_532_000],  # noqa: DTZ001
    "concat": [0, 36, "2"],
    "max_credits": [0, -1, "much", float("nan"), float("inf"), True, Decimal("1e9")],
    "req_feat": [0, -1, 64, 16384 + 1024, "48"],
    "queue": [0, 4],
    "escalate": [-1, "0"],
    "mo": [3],
    "climsgid": ["", "a" * 33, "a-b", "a b", "ä", 17, "a\n"],
    "unicode": ["1", 2],
    "msg_type": ["sms_flash", "SMS_LOUD", ""],
    "udh": ["", "0", "0605", "zz", "05 00"],
    "data": ["", "0", "xyz"],
    "binary": ["on"],
    "validity": [0, 1441],
}


def test_the_tables_cover_every_option():
    assert {case[0] for case in GOOD} == set(BAD) == set(get_type_hints(SendOptions))


@pytest.mark.parametrize(("name", "value", "wire_name", "wire_value"), GOOD)
def test_good_values_are_written_as_documented(name, value, wire_name, wire_value):
    assert encode({name: value}) == {wire_name: wire_value}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_values_are_refused_by_name(name, value):
    with pytest.raises(InvalidInput, match=rf"^{name}: .*Nothing was sent"):
        encode({name: value})


def test_none_is_not_given_and_strangers_are_refused():
    assert encode({"sender": None, "concat": 2}) == {"concat": "2"}
    with pytest.raises(InvalidInput, match="from: there is no such option"):
        encode({"from": "MyShop"})


@pytest.mark.parametrize(
    "options",
    [
        {"msg_type": "SMS_FLASH", "udh": "06050415810000"},
        {"deliv_time": 60, "scheduled_time": datetime(2026, 3, 3, tzinfo=UTC)},
        {"unicode": True, "binary": True},
        {"unicode": True, "data": "00"},
        {"sender": "MyShop", "data": "00"},
        {"sender": "MyShop", "udh": "06050415810000"},
        {"sender": "MyShop", "binary": True},
    ],
)
def test_what_excludes_each_other_is_refused(options):
    with pytest.raises(InvalidInput, match="Nothing was sent"):
        encode(options)


def test_what_is_switched_off_excludes_nothing():
    assert encode({"unicode": True, "binary": False}) == {"unicode": "1", "binary": "0"}
    assert encode({"sender": "27999000001", "data": "00"}) == {"from": "27999000001", "data": "00"}


@given(st.text())
def test_the_gateway_reads_every_text_as_it_was_written(text):
    encoded = encode_text(text) if not any(0xD800 <= ord(c) < 0xE000 for c in text) else {"text": ""}
    Request("sendmsg", encoded)  # every character has a byte
    if "unicode" in encoded:
        assert bytes.fromhex(encoded["text"]).decode("utf-16-be") == text
    else:
        assert set(encoded["text"]) <= SINGLE_BYTE


@pytest.mark.parametrize("to", ["447700900123", "27999", "2" * 15])
def test_destination_addresses_are_taken(to):
    assert parameters.check_destination(to) == to


@pytest.mark.parametrize(
    "to",
    ["", "+447700900123", "00447700900123", "07700900123", "44 7700 900123", "447700900123,447700900124", "4477",
     "2" * 16, 447700900123, None, "447700900123\n", "٤٤٧٧٠٠٩٠٠١٢٣", "447700900123.0"],
)  # fmt: skip
def test_other_destination_addresses_are_refused_and_not_repeated(to):
    with pytest.raises(InvalidInput, match="country code first") as caught:
        parameters.check_destination(to)
    assert "900123'" not in str(caught.value).replace("'447700900123'", "")


def test_ids_vouchers_and_prefixes_are_checked():
    assert parameters.check_id("batch_id", "AbC1" * 8) == "AbC1" * 8
    assert parameters.check_voucher("1234" * 4) == "1234" * 4
    assert parameters.check_prefix("44") == "44"
    assert parameters.check_climsgid("x") == "x"
    for check in (
        lambda: parameters.check_id("batch_id", "g" * 32),
        lambda: parameters.check_voucher("1234" * 3 + "123"),
        lambda: parameters.check_prefix("044"),
        lambda: parameters.check_climsgid("x y"),
    ):
        with pytest.raises(InvalidInput):
            check()


def test_a_refused_voucher_is_not_repeated():
    with pytest.raises(InvalidInput) as caught:
        parameters.check_voucher("123412341234123")
    assert "1234" not in str(caught.value)
