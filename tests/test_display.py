from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb import display
from clicknb.analysis.report import report
from tests.outcomes import DELIVERED, PAYLOADS, REJECTED, SKIPPED, outcomes

CLIMSGID = "c312a5f0123456789012345678901234"
NUMBERS = st.one_of(
    st.integers(0, 999_999).map(lambda n: f"447700{n:06d}"),
    st.integers(100, 199).map(lambda n: f"14155550{n}"),
    st.integers(0, 999_999).map(lambda n: f"27999{n:06d}"),
    st.integers(0, 9999).map(lambda n: f"3363998{n:04d}"),
    st.text("0123456789", min_size=7, max_size=15),
)
BETWEEN = st.sampled_from(["", "", " ", "-", "\xa0", "/", ") (", "\u200b", "\u202a", "\u2011", " - "])


class Reader(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data):
        self.text += data


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def digits(text):
    return "".join(re.findall(r"\d", text))


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ("447700900123", "+44 *** *** 123"),
        ("+1 (415) 555-0100", "+1 *** *** 100"),
        ("27999123456", "+27 *** *** 456"),
        ("0770 090 0123", "***123"),
        ("447700900123, 447700900124", "***124"),
        ("12", "***12"),
        ("nobody", "***"),
        ("", "***"),
        ("٤٤٧٧٠٠٩٠٠١٢٣", "+44 *** *** 123"),
    ],
)
def test_a_number_shows_its_calling_code_and_three_digits_at_most(to, shown):
    assert display.mask_number(to) == shown


@given(NUMBERS)
def test_a_mask_never_shows_more_than_six_digits_and_masks_itself_to_itself(to):
    shown = display.mask_number(to)
    assert len(digits(shown)) <= 6
    assert len(digits(shown)) <= len(to) - 4 or shown == f"***{to[-3:]}"
    assert display.mask_number(shown) == shown


@given(NUMBERS, st.lists(BETWEEN, min_size=15, max_size=15), st.text("abc ,;:\n", max_size=5))
def test_a_number_written_in_any_way_does_not_survive_in_an_error_text(to, between, around):
    written = "".join(digit + gap for digit, gap in zip(to, between, strict=False))
    shown = display.mask_digits(f"{around}{written}{around}")
    assert to[:7] not in digits(shown)
    assert display.mask_digits(shown) == shown


@pytest.mark.parametrize(
    "text", ["0770.090.0123", "06.39.98.00.12", "447700.900123", "2.7821234567E+10", "+1.415.5550100"]
)
def test_numbers_with_dots_are_masked_too(text):
    assert len(digits(display.mask_digits(text))) <= 7


@pytest.mark.parametrize(
    "text",
    [
        f"ID: {CLIMSGID}",
        "Credit: 1000.0000",
        "at 2026-03-03 10:30:00.123456+00:00",
        "2026-03-03T10:30:00Z",
        "ERR: 114, Cannot route message",
        "9,812 messages, 8,816.5 credits",
        "127.0.0.1:8080",
    ],
)
def test_ids_dates_amounts_and_codes_stay_readable(text):
    assert display.mask_digits(text) == text


@given(st.text(), st.integers(1, 50))
def test_a_shortened_text_is_one_line_of_that_width(text, width):
    shown = display.shorten(text, width)
    assert len(shown) <= width
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_line_ends_are_shown_and_cuts_are_marked():
    assert display.shorten("one\r\ntwo\nthree four five six") == "one⏎two⏎three four five…"
    assert display.shorten("\x1b[31mred\u202egnp") == "\ufffd[31mred\ufffdgnp"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (8816.5, "8,816.5 credits"),
        (0.8, "0.8 credits"),
        (0.1 + 0.2, "0.3 credits"),
        (1, "1 credit"),
        (-0.0, "0 credits"),
        (Decimal("1000.000000"), "1,000 credits"),
        (Decimal("0.000001"), "0.000001 credits"),
        (float("nan"), "unknown"),
        (Decimal("NaN"), "unknown"),
        (None, "unknown"),
    ],
)
def test_credits_are_written_exactly_or_said_to_be_unknown(value, shown):
    assert display.credits(value) == shown


def test_a_masked_frame_hides_numbers_wherever_they_are():
    number = "447700900123"
    frame = pd.DataFrame(
        {
            "to": [number, None],
            "Mobile No": ["0770 090 0123", "x"],
            "phone": [447700900123, 5],
            "sender": [number, "ACME"],
            "note": [f"call {number} now", "2026-03-03"],
            "exported": [447700900123.0, float("nan")],
            "kind": pd.Categorical([number, "b"]),
            "any": [(number,), {"a": 1}],
            "text": [f"Hello {number},\nplease call us back tonight", "Hi"],
            "apimsgid": [CLIMSGID, CLIMSGID],
            number: [1, 2],
        },
        index=pd.Index([number, "b"], name="mobile"),
    )
    whole = frame.copy(deep=True)
    shown = display.masked(frame)
    page = shown.to_csv()
    assert not re.search(r"\d{9,}", page.replace(CLIMSGID, ""))
    assert list(shown["to"].fillna("-")) == ["+44 *** *** 123", "-"]
    assert list(shown["sender"]) == ["+44 *** *** 123", "ACME"]
    assert list(shown["apimsgid"]) == [CLIMSGID, CLIMSGID]
    assert shown["text"].str.len().max() <= 24
    assert list(shown.index) == ["+44 *** *** 123", "b"]
    assert shown.index.name == "mobile"
    pd.testing.assert_frame_equal(frame, whole)
    pd.testing.assert_frame_equal(display.masked(shown), shown)


def test_columns_without_numbers_keep_their_dtypes_and_rates_their_digits():
    frame = outcomes([DELIVERED, SKIPPED]).assign(rate=0.9221556886227545)
    shown = display.masked(frame)
    pd.testing.assert_series_equal(shown.dtypes.drop("to"), frame.dtypes.drop("to"))
    assert shown["rate"].tolist() == frame["rate"].tolist()


def test_empty_frames_and_indexes_of_several_levels_can_be_masked():
    frame = outcomes([DELIVERED, SKIPPED])
    assert display.masked(frame.iloc[:0]).dtypes.equals(frame.dtypes)
    assert display.masked(pd.DataFrame()).empty
    shown = display.masked(frame.set_index(["to", "country"]))
    assert list(shown.index) == [("+44 *** *** 000", "GB"), ("+44 *** *** 001", "GB")]
    assert display.masked(pd.concat([frame, frame])).index.tolist() == [0, 1, 0, 1]


def hostile(payload):
    frame = pd.DataFrame({payload: [payload], "text": [payload]}, index=pd.Index([payload], name=payload))
    row = {**REJECTED, "country": payload, "error": payload, "sender": payload, "text": payload}
    people = outcomes([row, SKIPPED], index=[payload, "b"])
    return {
        "panel": display.panel(payload, [(payload, payload)], payload, frame),
        "table": display.table(frame),
        "report": report(people, title=payload, facts=[(payload, payload)], meanings={"004": payload}),
    }


@pytest.mark.parametrize("surface", ["panel", "table", "report"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_html_in_data_stays_text(payload, surface):
    attack, harmless = (read(hostile(text)[surface]) for text in (payload, "harmless"))
    assert attack.elements == harmless.elements
    assert display.shorten(payload)[:20] in attack.text


def test_mathematics_in_a_text_is_not_typeset_by_jupyter():
    for html in (display.panel("t", []), display.table(pd.DataFrame({"a": ["$x$"]}))):
        assert html.startswith('<div class="tex2jax_ignore mathjax_ignore"')


@given(st.floats(0, 1), st.integers(0, 2))
def test_only_nothing_is_zero_per_cent_and_only_all_is_a_hundred(share, decimals):
    written = display.percent(share, decimals)
    assert (written.startswith("0") and float(written[:-1]) == 0) == (share <= 1e-9)
    assert (written.startswith("100")) == (share >= 1 - 1e-9)
    assert abs(float(written.strip("<>% ")) / 100 - share) <= 0.01 / 10**decimals


def test_the_names_in_a_panel_are_not_broken_by_the_style_sheet_of_jupyterlab():
    page = display.panel("Plan", [("to send", "34")])
    for tag in ("dt", "dd"):
        style = re.search(rf'<{tag} style="([^"]*)"', page)
        assert style
        assert {"float:none", "width:auto"} <= set(style[1].split(";"))


def test_a_panel_and_its_text_hold_the_same_facts():
    rows = [("accepted", "9,812"), ("test number", "447700900123")]
    html, text = read(display.panel("March", rows, "What next?")).text, display.lines("March", rows, "What next?")
    assert text.splitlines() == ["March", "  accepted     9,812", "  test number  +44 *** *** 123", "What next?"]
    for word in ("March", "accepted", "9,812", "+44 *** *** 123", "What next?"):
        assert word in html


def test_a_table_says_how_many_rows_it_leaves_out():
    html = display.table(outcomes([DELIVERED] * 12), max_rows=10)
    assert read(html).text.endswith("and 2 more rows")
    assert [tag for tag, _ in read(html).elements].count("tr") == 11
    assert "447700900" not in html


def test_a_table_shows_missing_values_as_nothing_and_times_to_the_second():
    frame = pd.DataFrame({"a": [None], "f": [1234.50004], "n": [9812], "at": [pd.Timestamp("2026-03-03T10:00Z")]})
    assert read(display.table(frame)).text == "afnat1,234.59,8122026-03-03 10:00:00+00:00"
