import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clicknb as cn
from clicknb import charset, frames
from clicknb.errors import InvalidInput
from clicknb.messages.parts import measure
from clicknb.messages.substitution import TABLE, diff, substitute, substitutions

ENTRIES = "".join(TABLE)
PROFILES = st.sampled_from(["clickatell", "standard"])
TEXTS = (
    st.text(st.sampled_from("ab €[\n" + ENTRIES))
    | st.text(st.sampled_from("ab €[\n" + ENTRIES + "жÇç\U0001f600\u0301"))
    | st.lists(st.sampled_from(["…" * 40, "’", "a" * 60, "a" * 76, "€", "™ "]), max_size=8).map("".join)
    | st.text()
)


def test_the_table_is_of_the_size_that_a_person_can_review():
    listed = cn.substitutions()
    assert 55 <= len(TABLE) <= 70
    assert listed["character"].tolist() == list(TABLE)
    assert all(listed["reason"].str.len() > 10)
    assert listed["code_point"].is_unique
    assert dict(listed.dtypes.astype(str)) == dict.fromkeys(frames.SUBSTITUTIONS, "str")


@pytest.mark.parametrize("char", TABLE, ids=lambda char: f"U+{ord(char):04X}")
def test_an_entry_forces_unicode_and_its_replacement_nowhere_does(char):
    assert char not in charset.SINGLE_BYTE
    for profile in ("clickatell", "standard"):
        assert measure(TABLE[char].replacement, profile=profile).encoding == "gsm7"
        assert measure(TABLE[char].replacement, profile=profile).units == len(TABLE[char].replacement)


@pytest.mark.parametrize("char", TABLE, ids=lambda char: f"U+{ord(char):04X}")
def test_no_entry_loses_a_letter_a_digit_or_a_mark(char):
    replacement = TABLE[char].replacement
    category = unicodedata.category(char)
    if category[0] == "L":
        assert unicodedata.normalize("NFKD", char) == replacement
    elif not replacement:
        assert category == "Cf" or char in "\ufe0e\ufe0f"
    elif category[0] == "Z":
        assert replacement in {" ", "\n"}
    assert category[0] not in "NM" or char in "\ufe0e\ufe0f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It’s “on” – see you…", 'It\'s "on" - see you...'),
        ("5\u00a0€, 1\u202f000", "5 €, 1 000"),
        ("\ufeffDear\u200b all\u00ad,", "Dear all,"),
        ("• Tea\u2028• Coffee", "- Tea\n- Coffee"),
        ("o\ufb03ce, \ufb01nd", "office, find"),
        ("Fish & Chips™", "Fish & Chips(TM)"),
        ("", ""),
    ],
)
def test_examples(text, expected):
    assert substitute(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Plain text, 5 € [now]",
        "\u201cПривет\u201d, it’s on",
        "می\u200cخواهم",
        "क\u094d\u200dष",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 it’s on",
        "❤\ufe0f it’s",
        "Franc\u0327ois’s",
        "Zoë’s",
        "שלום\u200f, it’s on",
    ],
)
def test_what_stays_unicode_or_is_fine_already_is_left_alone(text):
    assert substitute(text) == text
    assert len(diff(text)) == 0


def test_what_is_a_single_byte_in_the_profile_is_left_alone():
    for char in sorted(charset.SINGLE_BYTE):
        assert substitute(char) == char
        assert substitute(char + "’") == char + "'"
    assert substitute("Ω\f’", profile="standard") == "Ω\f'"
    assert substitute("Ω\f’") == "Ω\f’"


@given(TEXTS, PROFILES)
def test_substitution_never_costs_changes_nothing_twice_and_is_all_or_nothing(text, profile):
    before = measure(text, profile=profile)
    plain = substitute(text, profile=profile)
    after = measure(plain, profile=profile)
    assert after.parts <= before.parts
    assert substitute(plain, profile=profile) == plain
    if plain != text:
        assert (before.encoding, after.encoding) == ("ucs2", "gsm7")
        gone = set(text) - set(plain)
        assert gone <= set(TABLE)
    kept = [char for char in text if char not in TABLE]
    rest = iter(plain)
    assert all(char in rest for char in kept)  # in their order


def test_dots_that_would_cost_a_part_are_left_alone():
    assert measure("…" * 70).parts == 1
    assert substitute("…" * 70) == "…" * 70


def test_a_series_keeps_its_index_and_name():
    texts = pd.Series(["It’s", "Hello", "Оля’s", "a\u00a0b"], index=["d", "c", "c", "a"], name="text")
    plain = substitute(texts)
    pd.testing.assert_series_equal(plain, pd.Series(["It's", "Hello", "Оля’s", "a b"], texts.index, name="text"))
    assert texts["d"] == "It’s"
    assert str(substitute(pd.Series([], dtype="str")).dtype) == "str"
    with pytest.raises(InvalidInput, match="not float"):
        substitute(pd.Series(["a", None]))


def test_the_diff_names_what_changed():
    texts = pd.Series(["It’s “on”, it’s\u200b on\u00a0now", "Hello", "x" * 69 + "\u2028’"], index=list("abc"))
    changed = diff(texts)
    assert changed.index.tolist() == ["a", "c"]
    assert changed.loc["a", "changes"] == (
        "2 × ’ (RIGHT SINGLE QUOTATION MARK) to ', 1 × “ (LEFT DOUBLE QUOTATION MARK) to \", "
        '1 × ” (RIGHT DOUBLE QUOTATION MARK) to ", '
        "1 × ZERO WIDTH SPACE (U+200B) to nothing, 1 × NO-BREAK SPACE (U+00A0) to a space"
    )
    assert changed.loc["c", "changes"].startswith("1 × LINE SEPARATOR (U+2028) to a line break, ")
    assert changed.loc["c", ["parts_before", "parts_after"]].tolist() == [2, 1]
    assert changed["before"].tolist() == texts[["a", "c"]].tolist()
    assert changed["after"].tolist() == substitute(texts)[["a", "c"]].tolist()


@pytest.mark.parametrize("texts", [[], ["Hi"], ["It’s"], ["It’s", "Hi"]])
def test_the_diff_has_the_same_columns_and_dtypes_for_any_number(texts):
    expected = frames.build(frames.DIFF, []).dtypes
    assert diff(texts).dtypes.astype(str).to_dict() == expected.astype(str).to_dict()
    assert substitutions().shape == (len(TABLE), 5)
