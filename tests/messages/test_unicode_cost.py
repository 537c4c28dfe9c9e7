from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb import charset, frames
from clicknb.errors import InvalidInput
from clicknb.messages.parts import measure
from clicknb.messages.substitution import TABLE, substitute
from clicknb.messages.unicode_cost import Saving, autopsy, saving

PIECES = st.sampled_from(["a" * 30, "b" * 55, "€", "’", "–", "ж", "\U0001f600", "…", "é", "[x]", "ç"])
TEXTS = st.lists(st.lists(PIECES, max_size=6).map("".join), max_size=8)
PRICES = st.none() | st.sampled_from([0.1, 0.7, 0.8, 2.5])


def counted(texts, prices):
    """Work it all out one text and one character at a time."""
    found = {}
    for text, price in zip(texts, prices, strict=True):
        offending = set(text) - charset.SINGLE_BYTE
        as_gsm = "".join("a" if char in offending else char for char in text)
        added = measure(text).parts - measure(as_gsm).parts
        saved = measure(text).parts - measure(substitute(text)).parts
        for char in offending:
            one = found.setdefault(char, {"rows": 0, "added": 0, "alone": 0, "saved": 0, "prices": []})
            one["rows"] += 1
            one["added"] += added
            one["alone"] += added * (len(offending) == 1)
            one["saved"] += saved
            if price is not None:
                one["prices"].append((added * Decimal(str(price)), saved * Decimal(str(price))))
    return found


@given(
    TEXTS.flatmap(lambda texts: st.tuples(st.just(texts), st.lists(PRICES, min_size=len(texts), max_size=len(texts))))
)
def test_every_figure_is_what_counting_one_by_one_gives(both):
    texts, prices = both
    expected = counted(texts, prices)
    report = autopsy(pd.Series(texts, dtype="str"), prices=pd.Series(prices, dtype="float64"))
    assert sorted(report["character"]) == sorted(expected)
    for row in report.to_dict("records"):
        one = expected[row["character"]]
        figures = (row["rows"], row["parts_added"], row["parts_alone"], row["parts_saved"])
        assert figures == (one["rows"], one["added"], one["alone"], one["saved"])
        if one["prices"]:
            added, saved = (float(sum(column)) for column in zip(*one["prices"], strict=True))
            assert (row["credits_added"], row["credits_saved"]) == (added, saved)
        else:
            assert pd.isna(row["credits_added"])
            assert pd.isna(row["credits_saved"])
        entry = TABLE.get(row["character"])
        if entry is None:
            assert pd.isna(row["replacement"])
            assert pd.isna(row["reason"])
        else:
            assert (row["replacement"], row["reason"]) == (entry.replacement, entry.reason)


@given(TEXTS, st.sampled_from(["clickatell", "standard"]))
def test_the_whole_saving_is_that_of_all_texts_together(texts, profile):
    series = pd.Series(texts, dtype="str")
    plain = substitute(series, profile=profile)
    total = saving(series, profile=profile)
    before = [measure(text, profile=profile) for text in texts]
    after = [measure(text, profile=profile) for text in plain]
    assert total.parts == sum(one.parts for one in before)
    assert total.parts - total.parts_saved == sum(one.parts for one in after)
    assert total.rows == sum(one.encoding == "ucs2" for one in before)
    assert total.rows - total.rows_cured == sum(one.encoding == "ucs2" for one in after)
    assert total.parts_added >= total.parts_saved >= 0
    assert (total.credits_added, total.credits_saved) == (None, None)
    assert total.parts_added >= autopsy(series, profile=profile)["parts_alone"].sum()


def test_one_apostrophe_in_the_template():
    texts = pd.Series([f"Hi {name}, it’s time. " + "x" * 70 for name in ["Ann", "Bob", "Zoë", "D’Arcy"]])
    report = autopsy(texts, prices=pd.Series([0.8, 0.8, 0.8, 0.7]), template="Hi , it’s time. " + "x" * 70)
    worst = report.iloc[0]
    assert worst[["character", "name", "code_point", "where", "replacement"]].tolist() == [
        "’",
        "RIGHT SINGLE QUOTATION MARK",
        "U+2019",
        "both",
        "'",
    ]
    assert worst[["rows", "parts_added", "parts_alone", "parts_saved"]].tolist() == [4, 4, 3, 3]
    assert worst[["credits_added", "credits_saved"]].tolist() == [3.1, 2.3]
    assert report["character"].tolist() == ["’", "ë"]
    assert report["where"].tolist() == ["both", "data"]
    assert autopsy(texts[:3], template="Hi , it’s")["where"].tolist() == ["template", "data"]
    assert saving(texts) == Saving(4, 3, 8, 4, 3, None, None)


def test_a_character_of_any_variant_is_the_templates():
    texts = pd.Series(["It’s “on”", "It is on – now"])
    report = autopsy(texts, template=["It’s “on”", "It is on – now"])
    assert set(report["where"]) == {"template"}


def test_two_in_one_text_are_both_to_blame_and_neither_alone():
    report = autopsy(pd.Series(["’–" + "a" * 100])).set_index("character")
    assert report["parts_added"].to_dict() == {"’": 1, "–": 1}
    assert report["parts_alone"].to_dict() == {"’": 0, "–": 0}
    assert report["parts_saved"].to_dict() == {"’": 1, "–": 1}
    assert saving(pd.Series(["’–" + "a" * 100])).parts_saved == 1


def test_the_most_expensive_comes_first_and_by_credits_where_there_are_prices():
    texts = pd.Series(["ж" + "a" * 100, "’" + "a" * 100, "’" + "a" * 100, "–"])
    assert autopsy(texts)["character"].tolist() == ["’", "ж", "–"]
    prices = pd.Series([5.0, 0.5, 0.5, 9.0])
    assert autopsy(texts, prices=prices)["character"].tolist() == ["ж", "’", "–"]


@pytest.mark.parametrize("texts", [[], ["Hi"], ["It’s"], ["It’s", "ж", ""]])
@pytest.mark.parametrize("priced", [False, True])
def test_the_autopsy_has_the_same_columns_and_dtypes_for_any_number(texts, priced):
    prices = pd.Series(1.0, range(len(texts)), dtype="float64") if priced else None
    report = autopsy(pd.Series(texts, dtype="str"), prices=prices)
    expected = frames.build(frames.AUTOPSY, []).dtypes
    assert report.dtypes.astype(str).to_dict() == expected.astype(str).to_dict()
    assert report.index.tolist() == list(range(len(set("".join(texts)) - charset.SINGLE_BYTE)))


def test_many_texts_are_counted_across_the_pieces_they_are_laid_out_in():
    texts = pd.Series(["It’s " + "a" * 70, "plain", "ж", "a" * 200 + "–’"] * 12_000)
    report = autopsy(texts).set_index("character")
    assert report["rows"].to_dict() == {"’": 24_000, "–": 12_000, "ж": 12_000}
    assert report["parts_alone"].to_dict() == {"’": 12_000, "–": 0, "ж": 0}


def test_another_number_of_prices_than_of_texts_is_refused():
    with pytest.raises(InvalidInput, match="2 texts and 1 prices"):
        autopsy(pd.Series(["a", "b"]), prices=pd.Series([1.0]))
    with pytest.raises(InvalidInput, match="not float"):
        autopsy(pd.Series(["a", None]))
