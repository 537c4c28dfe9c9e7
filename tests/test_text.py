import csv
from pathlib import Path

import pandas as pd
import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st
from sms_toolkit.messages.profiling import profile_message

from clicknb import charset, frames
from clicknb.errors import InvalidInput
from clicknb.messages.text import measure, parts, split

GSM = "abc ,.\n\r@£ÄÖ^{}[]~|\\€"
STANDARD = GSM + "\fΔΩÇ"
UCS2 = "жΔ’\u200d\u0301\x1b`" + "\U0001f600\U0001f468\U0001f1ff"
TEXTS = st.text(st.sampled_from(GSM)) | st.text(st.sampled_from(STANDARD)) | st.text(st.sampled_from(GSM + UCS2))
GSM0338 = {char for char in map(chr, range(0x2100)) if char != "\x1b" and smsutil.is_valid_gsm(char)}
PROFILES = st.sampled_from(["clickatell", "standard"])


@st.composite
def near_borders(draw):
    """Texts whose pairs fall on or about the borders of their parts."""
    plain, pair, size = draw(st.sampled_from([("a", "€", 153), ("ж", "\U0001f600", 67)]))
    filler = st.integers(size - 3, size + 1).map(lambda n: plain * n)
    return "".join(draw(st.lists(filler | st.just(pair), max_size=8)))


def golden():
    with Path(__file__).with_name("golden_parts.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text = eval(row["text"], {"__builtins__": {}})
            for profile, prefix in (("clickatell", ""), ("standard", "standard_")):
                expected = row[f"{prefix}encoding"], int(row[f"{prefix}units"]), int(row[f"{prefix}parts"])
                yield pytest.param(profile, text, expected, id=f"{row['case']}, {profile}")


GOLDEN = list(golden())


def test_the_golden_table_is_long_enough():
    assert len(GOLDEN) >= 2 * 56


@pytest.mark.parametrize(("profile", "text", "expected"), GOLDEN)
def test_golden(profile, text, expected):
    counted = measure(text, profile=profile)
    assert (counted.encoding, counted.units, counted.parts) == expected


@pytest.mark.parametrize(("profile", "text", "expected"), [case for case in GOLDEN if case.values[0] == "standard"])
def test_others_count_the_same(profile, text, expected):
    encoding, _, count = expected
    assert profile_message(text)["num_segments"] == count
    if "\x1b" in text or not text:  # smsutil takes an escape for a GSM character, and nothing for a part
        return
    second = smsutil.split(text)
    assert (len(second.parts), second.encoding) == (count, {"gsm7": "gsm0338", "ucs2": "utf_16_be"}[encoding])


@given(TEXTS.filter(lambda text: text and "\x1b" not in text) | near_borders().filter(bool))
def test_others_cut_at_the_same_places(text):
    ours = split(text, profile="standard")
    assert ours == [part.content for part in smsutil.split(text).parts]
    assert len(ours) == profile_message(text)["num_segments"]


def weight(char, encoding):
    """Count the units of a character from first principles."""
    if encoding == "ucs2":
        return len(char.encode("utf-16-be")) // 2
    return 2 if char in "\f^{}\\[~]|€" else 1


@given(TEXTS | near_borders() | st.text(), PROFILES, st.sampled_from([6, 7, 12]))
def test_parts_are_full_whole_and_as_few_as_can_be(text, profile, udh):
    counted = measure(text, profile=profile, udh=udh)
    pieces = split(text, profile=profile, udh=udh)
    weights = [sum(weight(char, counted.encoding) for char in piece) for piece in pieces]
    octets = 140 if len(pieces) <= 1 else 140 - udh
    size = octets * 8 // 7 if counted.encoding == "gsm7" else octets // 2
    assert "".join(pieces) == text
    assert len(pieces) == counted.parts
    assert sum(weights) == counted.units
    assert all(0 < weight_ <= size for weight_ in weights)
    assert counted.left == size - (weights[-1] if weights else 0)
    for full, following in zip(weights, pieces[1:], strict=False):
        assert full + weight(following[0], counted.encoding) > size
    if len(pieces) > 1:
        assert counted.units > (160 if counted.encoding == "gsm7" else 70)


@given(st.text(), PROFILES)
def test_the_offending_character_is_the_first_that_is_not_single_byte_or_gsm(text, profile):
    gsm = charset.SINGLE_BYTE if profile == "clickatell" else GSM0338
    assert measure(text, profile=profile).offending == next((char for char in text if char not in gsm), "")


@pytest.mark.parametrize(("udh", "gsm", "ucs"), [(6, 153, 67), (7, 152, 66)])
def test_a_longer_header_leaves_less(udh, gsm, ucs):
    assert [len(part) for part in split("a" * 161, udh=udh)] == [gsm, 161 - gsm]
    assert [len(part) for part in split("ж" * 71, udh=udh)] == [ucs, 71 - ucs]
    assert measure("a" * 160, udh=udh).parts == 1


def test_half_a_pair_is_refused():
    with pytest.raises(InvalidInput, match=r"Character 3 .*half a surrogate pair"):
        measure("Hi\ud83d")


def test_what_is_no_text_profile_or_header_is_refused():
    with pytest.raises(InvalidInput, match="not float"):
        parts(["Hi", float("nan")])
    with pytest.raises(InvalidInput, match="'gsm'"):
        measure("Hi", profile="gsm")
    for udh in (5, 137):
        with pytest.raises(InvalidInput, match=f"of {udh} octets"):
            measure("Hi", udh=udh)


def test_parts_takes_one_text_several_or_a_series():
    assert parts("Hi")["units"].tolist() == [2]
    assert parts(text for text in ("Hi", "ж"))["encoding"].tolist() == ["gsm7", "ucs2"]
    labelled = pd.Series(["Hi", "{x}"], index=["b", "a"])
    assert parts(labelled)["units"].to_dict() == {"b": 2, "a": 5}


@pytest.mark.parametrize("texts", [[], ["Hi"], ["Hi", "ж", ""]])
def test_parts_has_the_same_columns_and_dtypes_for_any_number(texts):
    counted = parts(texts)
    assert {name: str(dtype) for name, dtype in counted.dtypes.items()} == {
        name: str(dtype) for name, dtype in frames.build(frames.PARTS, []).dtypes.items()
    }
    assert len(counted) == len(texts)
