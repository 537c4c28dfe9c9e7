from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb import frames
from clicknb.analysis.summary import latency, outcome, reasons, summary, wilson
from clicknb.errors import InvalidInput
from tests.outcomes import (
    ABSENT,
    AT_NETWORK,
    CANCELLED,
    DELIVERED,
    EVERY,
    EXPIRED,
    FAILED,
    PENDING,
    PLANNED,
    REJECTED,
    SENDING,
    SKIPPED,
    START,
    UNKNOWN,
    outcomes,
)

GROUPS = st.sampled_from(["GB", "US", "all", "", None])
ROWS = st.lists(
    st.builds(
        lambda row, country, parts: {**row, "country": country, "parts": parts},
        st.sampled_from(EVERY),
        GROUPS,
        st.sampled_from([1, 2, None]),
    ),
    max_size=30,
)


def after(seconds, row=DELIVERED):
    return {**row, "settled_at": START + pd.Timedelta(seconds=seconds)}


def test_every_state_and_delivery_has_its_word():
    words = "delivered failed expired cancelled pending at_network rejected unknown absent planned planned skipped"
    assert outcome(outcomes(EVERY)).tolist() == words.split()
    assert outcome(outcomes([{"state": "accepted"}])).tolist() == ["pending"]


def test_outcomes_keep_the_index_of_the_frame():
    assert outcome(outcomes([DELIVERED, SKIPPED], index=["x", "x"])).to_dict() == {"x": "skipped"}


def test_accepted_and_at_the_network_are_no_deliveries():
    table = summary(outcomes([PENDING, AT_NETWORK])).loc["all"]
    assert table["delivered"] == 0
    assert table["of"] == 0
    assert np.isnan(table["rate"])
    assert (table["worst"], table["best"]) == (0, 1)


def test_rates_carry_their_denominators():
    frame = outcomes([DELIVERED] * 6 + [FAILED, EXPIRED, CANCELLED, PENDING, AT_NETWORK, UNKNOWN, REJECTED, ABSENT])
    table = summary(frame).loc["all"]
    assert (table["of"], table["rate"]) == (8, 6 / 8)
    assert (table["rate_low"], table["rate_high"]) == wilson(6, 8)
    assert (table["sent"], table["worst"], table["best"]) == (11, 6 / 11, 9 / 11)


@given(ROWS, st.sampled_from([None, "country", "parts", ["country", "encoding"]]))
def test_counts_always_add_up(rows, by):
    frame = outcomes(rows)
    table = summary(frame, by)
    assert (table[list(frames.RESULTS)].sum(axis=1) == table["rows"]).all()
    assert table["rows"].iloc[-1] == len(rows)
    if by:
        assert table["rows"].iloc[:-1].sum() == len(rows)
    settled = table[table["of"] > 0]
    assert (settled["worst"] <= settled["rate"] + 1e-12).all()
    assert (settled["rate"] <= settled["best"] + 1e-12).all()
    assert reasons(frame)["rows"].sum() == len(rows) - table["delivered"].iloc[-1]


@pytest.mark.parametrize("rows", [[], [DELIVERED], EVERY * 3])
@pytest.mark.parametrize("by", [None, "country", "parts", "error", ["variant", "encoding"]])
def test_dtypes_do_not_depend_on_the_number_of_rows(rows, by):
    frame = outcomes(rows)
    for table, schema in (
        (summary(frame, by), frames.SUMMARY),
        (reasons(frame), frames.REASONS),
        (latency(frame), frames.LATENCY),
    ):
        assert table.dtypes.astype(str).to_dict() == {name: str(kind) for name, kind in schema.items()}
    assert summary(frame, by).index.nlevels == (2 if isinstance(by, list) else 1)


def test_groups_are_named_and_all_is_last():
    frame = outcomes([{**DELIVERED, "country": country} for country in ("US", None, "GB", "")], index=[7, 7, 8, 9])
    table = summary(frame, by="country")
    assert table["rows"].to_dict() == {"(none)": 2, "GB": 1, "US": 1, "all": 4}
    assert table.index[-1] == "all"
    assert table.index.name == "country"
    assert summary(frame, ["country", "parts"]).index[-1] == ("all", "all")


def test_money_and_parts_are_those_of_what_was_or_may_have_been_accepted():
    priced = {"charge": 1.5, "estimated": 1.0}
    frame = outcomes([{**row, **priced} for row in (DELIVERED, UNKNOWN, REJECTED, SKIPPED, PLANNED)])
    table = summary(frame).loc["all"]
    assert (table["parts"], table["estimated"], table["charge"]) == (4, 2.0, 3.0)
    nothing = summary(frame.assign(charge=np.nan, estimated=np.nan)).loc["all"]
    assert nothing[["estimated", "charge"]].isna().all()


def test_the_median_is_that_of_delivered_messages():
    table = summary(outcomes([after(10), after(20), after(90), after(1, FAILED)])).loc["all"]
    assert table["median_seconds"] == 20


def test_an_unknown_column_is_named_with_those_there_are():
    with pytest.raises(InvalidInput, match=r"no column 'region'.*country"):
        summary(outcomes([DELIVERED]), by="region")


def test_the_wilson_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(25)
    truth = random.uniform(0.5, 0.99, 10_000)
    sizes = random.integers(50, 2000, 10_000)
    delivered = random.binomial(sizes, truth)
    bounds = [wilson(int(done), int(size)) for done, size in zip(delivered, sizes, strict=True)]
    covered = [low <= share <= high for (low, high), share in zip(bounds, truth, strict=True)]
    assert 0.94 <= np.mean(covered) <= 0.96


@given(st.integers(0, 1000), st.integers(0, 1000), st.sampled_from([0.5, 0.95, 0.999]))
def test_the_wilson_interval_holds_the_observed_share(one, other, confidence):
    done, size = min(one, other), max(one, other, 1)
    low, high = wilson(done, size, confidence)
    assert 0 <= low <= done / size + 1e-12
    assert done / size - 1e-12 <= high <= 1


@pytest.mark.parametrize("arguments", [(2, 1), (-1, 1), (1, 2, 0.0), (1, 2, 1.0), (float("nan"), 1)])
def test_what_is_no_share_is_refused(arguments):
    with pytest.raises(InvalidInput, match="is no share"):
        wilson(*arguments)


def test_reasons_are_in_plain_words_and_the_most_frequent_first():
    rows = [
        REJECTED,
        {**REJECTED, "error": "Cannot route message to +44 *** *** 123"},
        REJECTED,
        FAILED,
        FAILED,
        SENDING,
    ]
    table = reasons(outcomes(rows), {"007": "The network could not deliver it."})
    assert table.to_numpy().tolist() == [
        ["rejected", "114", "Cannot route message", 3],
        ["failed", "007", "The network could not deliver it.", 2],
        ["planned", "", "Not sent yet.", 1],
    ]


def test_reasons_that_name_a_row_or_a_cell_count_together():
    errors = ["duplicate of row 34", "duplicate of row C 001", "when is not a date: 'soon'", "when is not a date: '?'"]
    table = reasons(outcomes([{**SKIPPED, "error": error} for error in errors]))
    assert table[["meaning", "rows"]].to_numpy().tolist() == [
        ["duplicate of an earlier row", 2],
        ["when is not a date", 2],
    ]


def test_every_outcome_is_explained_without_a_list_of_codes():
    assert reasons(outcomes([{**row, "error": None} for row in EVERY]))["meaning"].str.len().min() > 10


def test_the_curve_counts_failures_as_never_delivered():
    late = {**after(19, FAILED), "submitted_at": START + pd.Timedelta(seconds=18)}
    curve = latency(outcomes([after(10), after(20), after(20), late]))
    assert curve.to_numpy().tolist() == [[0, 0, 4], [10, 0.25, 4], [20, 0.75, 3]]


def test_the_curve_follows_open_messages_until_the_latest_news():
    late = {**PENDING, "submitted_at": START + pd.Timedelta(seconds=25)}
    curve = latency(outcomes([after(10), after(20), after(30), late, CANCELLED, UNKNOWN, REJECTED, SKIPPED]))
    # The open message was watched for 5 s only, so it says nothing about later seconds.
    assert curve["seconds"].tolist() == [0, 10, 20, 30]
    assert curve["watched"].tolist() == [4, 3, 2, 1]
    assert curve["delivered"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_times_before_sending_count_as_none():
    assert latency(outcomes([after(-5)]))["seconds"].tolist() == [0, 0]


def test_every_state_and_delivery_is_put_into_words_once():
    assert set(frames.WORDS) == {*frames.STATES, *frames.DELIVERIES} >= set(frames.RESULTS)
    rows = [{"state": "accepted", "delivery": word} for word in frames.DELIVERIES]
    rows += [{"state": state} for state in frames.STATES if state not in {"accepted", "sending"}]
    found = reasons(frames.build(frames.OUTCOMES, rows))
    assert dict(zip(found["outcome"], found["meaning"], strict=True)) == {
        word: frames.WORDS[word].means for word in frames.RESULTS if word != "delivered"
    }
