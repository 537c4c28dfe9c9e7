import csv
import random
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st
from sms_toolkit.messages.profiling import profile_message

import clicknb as cn
from clicknb import charset, frames
from clicknb.errors import InvalidInput
from clicknb.messages.parts import measure, offenders, parts, split
from tests.promise.harness import soak

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


def naive(text, profile, udh):
    """Count character by character, from the specification alone."""
    gsm = charset.SINGLE_BYTE if profile == "clickatell" else GSM0338
    encoding = "gsm7" if all(char in gsm for char in text) else "ucs2"
    single, multi = (160, (140 - udh) * 8 // 7) if encoding == "gsm7" else (70, (140 - udh) // 2)
    units, count, filled = 0, 1, 0
    for char in text:
        width = weight(char, encoding)
        units += width
        filled += width
        if filled > multi:
            count, filled = count + 1, width
    return encoding, units, min(units, 1) if units <= single else count


def near_a_border(dice):
    """Make a text of one to four parts with pairs about its borders."""
    plain, pair, size = dice.choice(
        [("a", "€", 153), ("a", "]", 152), ("ж", "\U0001f600", 67), ("я", "\U0001f44d", 66)]
    )
    text = "".join(
        plain * dice.randrange(size - 4, size + 2) + pair * dice.randrange(4) for _ in range(dice.randrange(4))
    )
    return text + plain * dice.randrange(10) + pair * dice.randrange(2)


def anything(dice):
    """Make a text of any length from an alphabet that is now narrow, now wide."""
    alphabet = dice.choice([GSM, STANDARD, GSM + UCS2, "ab \r\n€" + dice.choice(UCS2)])
    return "".join(
        dice.choices(alphabet, k=dice.choice([dice.randrange(20), dice.randrange(200), dice.randrange(700)]))
    )


@pytest.mark.parametrize(("make", "count"), [(near_a_border, soak(2_000, 20_000)), (anything, soak(5_000, 100_000))])
def test_as_many_parts_as_a_naive_reference_and_a_second_implementation_count(make, count):
    dice = random.Random(12)
    texts = [make(dice) for _ in range(count)]
    for profile in ("clickatell", "standard"):
        for udh in (6, 7):
            counted = parts(texts, profile=profile, udh=udh)
            expected = [naive(text, profile, udh) for text in texts]
            assert list(zip(counted["encoding"], counted["units"], counted["parts"], strict=True)) == expected
    standard = parts(texts, profile="standard")
    for text, ours in zip(texts, standard["parts"], strict=True):
        if "\x1b" not in text and text:  # as above
            assert len(smsutil.split(text).parts) == ours, ascii(text)


SIGNS = {
    "letter": "ж",
    "space": " ",
    "emoji": "\U0001f600",
    "family joined by ZWJ": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "flag": "\U0001f1ff\U0001f1e6",
    "flag with tags": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "heart with variation selector": "\u2764\ufe0f",
    "keycap": "1\ufe0f\u20e3",
    "skin tone": "\U0001f44d\U0001f3fd",
    "combining acute": "e\u0301",
    "syllable of Devanagari": "\u0928\u093f",
    "Korean, written apart": "\u1112\u1161\u11ab",
}


def filled(signs):
    """Count the parts of a UCS-2 text of which no sign is torn."""
    widths = [len(sign.encode("utf-16-be")) // 2 for sign in signs]
    count, room = 1, 67
    for width in widths:
        count, room = (count, room - width) if width <= room else (count + 1, 67 - width)
    return count if sum(widths) > 70 else 1


@given(st.lists(st.sampled_from([*SIGNS.values(), "ж" * 60, "ж" * 65, " я" * 30]), min_size=1, max_size=40))
def test_parts_high_keeps_every_sign_whole(signs):
    text = "ж" + "".join(signs)
    pieces = ["ж"] + [piece for sign in signs for piece in ([sign] if sign in SIGNS.values() else sign)]
    assert measure(text).parts_high == filled(pieces)


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_of_several_characters_on_a_border_depends_on_the_gateway(name):
    first, rest = SIGNS[name][0], SIGNS[name][1:]
    before = "ж" * (67 - weight(first, "ucs2"))
    after = "ж" * (67 - sum(weight(char, "ucs2") for char in rest))
    counted = measure(before + first + rest + after)
    assert (counted.parts, counted.parts_high) == (2, 3 if rest else 2)


def test_a_sign_longer_than_a_part_is_torn_like_any_text():
    assert measure("ж" + "e" + "\u0301" * 200).parts_high >= measure("ж" + "e" + "\u0301" * 200).parts
    assert measure("\u0301" * 200).parts_high == 3


@given(TEXTS | near_borders() | st.text(), PROFILES, st.sampled_from([6, 7, 136]))
def test_parts_high_is_never_less_and_the_same_for_gsm_text(text, profile, udh):
    counted = measure(text, profile=profile, udh=udh)
    assert counted.parts_high >= counted.parts
    if counted.encoding == "gsm7" or len(split(text, profile=profile, udh=udh)) <= 1:
        assert counted.parts_high == counted.parts


@given(st.text(), PROFILES)
def test_the_offenders_are_all_that_is_not_single_byte_or_gsm(text, profile):
    gsm = charset.SINGLE_BYTE if profile == "clickatell" else GSM0338
    found = cn.offenders(text, profile=profile)
    assert found["at"].tolist() == [at for at, char in enumerate(text) if char not in gsm]
    assert found["character"].tolist() == [char for char in text if char not in gsm]
    assert [chr(int(code[2:], 16)) for code in found["code_point"]] == found["character"].tolist()
    assert all(found["name"].str.len() > 2)
    counted = measure(text, profile=profile)
    assert (counted.at, counted.name) == ((found["at"][0], found["name"][0]) if len(found) else (None, ""))


def test_one_text_and_many_say_the_same():
    texts = ["", "Hi", "It’s on", "a" * 152 + "€" + "a" * 152, "ж" * 66 + SIGNS["flag"] + "ж" * 64, "x\t"]
    counted = parts(pd.Series(texts, index=list("abcdef")))
    for row, text in zip(counted.to_dict("records"), texts, strict=True):
        one = measure(text)
        assert {**row, "at": None if pd.isna(row["at"]) else row["at"]} == {
            "text": text,
            **{field: getattr(one, field) for field in one.__slots__},
        }
    assert counted["name"].tolist()[-1] == "TAB"
    assert counted.loc["c", ["offending", "name", "at"]].tolist() == ["’", unicodedata.name("’"), 2]


def test_more_texts_than_are_laid_out_together():
    texts = ["Hi", "It’s on", "", "a" * 161] * 15_000
    counted = parts(texts)
    assert counted["parts"].tolist() == [1, 1, 0, 2] * 15_000
    assert counted["at"].isna().tolist() == [True, False, True, True] * 15_000


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
    for look in (measure, split, offenders, lambda text: parts(["ok", "", text, "It’s"])):
        with pytest.raises(InvalidInput, match=r"Character 3 .*half a surrogate pair"):
            look("Hi\ud83d")


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
