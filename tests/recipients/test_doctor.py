"""The doctor's whole findings: the golden sheet, what a dtype did, kinds that are refused, the report in words."""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clicknb as cn
from clicknb import frames
from clicknb.errors import InvalidInput
from clicknb.kinds import KINDS, PROBLEMS, REPAIRS, SURE
from clicknb.recipients.numbers import normalise
from tools import make_ruined_numbers

GOLDEN = Path(__file__).with_name("golden_numbers.csv")
MARKUP = "<img src=x onerror=alert(1)>"


def sheet():
    return cn.read_recipients(make_ruined_numbers.PLACE)


def checked(cells, country="GB", **options):
    column = cells if isinstance(cells, pd.Series) else pd.Series(cells)
    return cn.doctor(pd.DataFrame({"to": column}), to="to", country=country, **options)


# --- the sheet made to hurt ---


def test_every_golden_damage_gets_its_verdict():
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        golden = list(csv.DictReader(file))
    people = sheet()
    found = cn.doctor(people, to="mobile", country="GB").astype({"sure": "str"}).fillna("")
    assert len(golden) == len(found) == 60
    for want, (_, row), happened in zip(golden, found.iterrows(), people["what_happened"], strict=True):
        assert {**want} == {"what_happened": happened, **row[["to", "country", "sure", "kind"]].to_dict()}


def test_the_sheet_is_what_its_tool_makes_of_the_same_cells():
    made = make_ruined_numbers.saved(make_ruined_numbers.workbook())
    assert made == make_ruined_numbers.saved(make_ruined_numbers.workbook())
    cells = [
        [[(cell.value, cell.data_type) for cell in row] for row in openpyxl.load_workbook(source).active]
        for source in (make_ruined_numbers.PLACE, io.BytesIO(made))
    ]
    assert cells[0] == cells[1]


# --- what a dtype did to a column ---


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64", "float64", "Float64", object, "category"])
def test_numbers_in_any_dtype_are_read_and_what_was_lost_is_said(dtype):
    found = checked(pd.Series([447700900123, 7700900124]).astype(dtype))
    assert found["to"].tolist() == ["447700900123", "447700900124"]
    assert found["sure"].tolist() == ["certain", "likely"]
    assert found["kind"].tolist()[1] == "leading zero"


@pytest.mark.parametrize("dtype", ["Int64", "float64", "Float64", object])
def test_a_missing_cell_is_empty_and_harms_no_other(dtype):
    found = checked(pd.Series([447700900123, None]).astype(dtype))
    assert found["to"].tolist()[0] == "447700900123"
    assert found["kind"].tolist()[1] == "empty"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (pd.Series([447700900123], dtype="float32"), "lost digits"),
        (pd.Series([447700900123], dtype="Float32"), "lost digits"),
        (pd.Series([np.float32(447700900123)], dtype=object), "lost digits"),
        (pd.Series([2.0**53 + 2]), "lost digits"),
        (pd.Series([27999100000.0]), "rounded"),
        (pd.Series([27999100000.0, "x"], dtype=object), "rounded"),
        (pd.Series([0.5, 447700900123.5]), "decimals"),
        (pd.Series([True, False]), "no number"),
        (pd.Series([True, None], dtype="boolean"), "no number"),
        (pd.Series(pd.to_datetime(["2026-03-14"])), "date"),
        (pd.Series(pd.to_datetime(["2026-03-14 09:30"])), "date"),
        (pd.Series(["14/03/2026"]), "date"),
        (pd.Series([float("inf")]), "no number"),
    ],
)
def test_what_a_dtype_destroyed_is_refused_by_its_name(cells, kind):
    found = checked(cells, country=None)
    assert found["to"].isna().all()
    assert found["kind"].tolist()[0] == kind


@pytest.mark.parametrize(
    ("cell", "kind"),
    [("4.47700900123E+11", "scientific"), ("4.477009001230E+11", "scientific"), ("447700900123e0", "scientific")],
)
def test_scientific_notation_with_all_its_digits_is_written_out(cell, kind):
    verdict = normalise(cell, "GB")
    assert (verdict.to, verdict.kind, verdict.sure) == ("447700900123", kind, "likely")


@pytest.mark.parametrize("cell", ["4.4770090012E+11", "4E+11", "4.47700900123E+12", "4.477009001235E+11", "1e-999999"])
def test_scientific_notation_with_fewer_is_not(cell):
    assert normalise(cell, "GB").kind == "lost digits"


# --- how sure, and of what kind ---


@pytest.mark.parametrize(
    ("cell", "country", "sure", "kind"),
    [
        ("+447700900123", None, "certain", None),
        ("447700900123", "GB", "certain", None),
        ("07700900123", "GB", "certain", "country code"),
        ("2125550100", "US", "certain", "country code"),
        ("7700900123", "GB", "likely", "leading zero"),
        ("'7700900123", "GB", "likely", "leading zero"),
        ("447700900123", None, "likely", "no plus"),
        ("61491570156", "GB", "guess", "other country"),
        ("'07700900123", "GB", "certain", "quotes"),
    ],
)
def test_how_sure_a_number_is(cell, country, sure, kind):
    verdict = normalise(cell, country)
    assert (verdict.sure, verdict.kind) == (sure, kind)


def test_every_kind_is_explained_and_only_repairs_are_sure():
    assert not REPAIRS.keys() & PROBLEMS.keys()
    assert {kind.sure for kind in REPAIRS.values()} == set(SURE) == set(frames.SURE)
    assert {kind.sure for kind in PROBLEMS.values()} == {None}
    assert all(kind.means.endswith(".") and kind.advice.endswith(".") for kind in KINDS.values())
    shown = set(checked(sheet()["mobile"])["kind"].dropna())
    assert (REPAIRS.keys() | PROBLEMS.keys()) - shown == {
        "no plus",
        "short without plus",
        "no country",
        "landline",
        "rewritten",
    }


@given(st.text(max_size=20), st.sampled_from([None, "GB", "US", "AR"]))
def test_sure_and_kind_fit_together(cell, country):
    verdict = normalise(cell, country)
    assert (verdict.sure is None) == (verdict.to is None)
    if verdict.to is None:
        assert verdict.kind in PROBLEMS
    else:
        assert verdict.sure == (REPAIRS[verdict.kind].sure if verdict.kind else "certain")
        assert verdict.kind or not verdict.repair


# --- kinds that are refused ---


def test_a_kind_that_is_refused_takes_its_rows_out_and_no_others():
    cells = ["7700900123", "'7700900124", "'+447700900125", "+447700900126"]
    found = checked(cells, refuse=["leading zero"])
    assert found["to"].isna().tolist() == [True, True, False, False]
    assert found["kind"].tolist()[:3] == ["leading zero", "leading zero", "quotes"]
    assert found["problem"].str.startswith("refused as asked").tolist()[:2] == [True, True]
    both = checked(cells, refuse="quotes")
    assert both["to"].isna().tolist() == [False, True, True, False]


def test_a_refused_row_does_not_make_a_later_one_a_duplicate():
    found = checked(["7700900123", "+447700900123"], refuse="leading zero")
    assert found["to"].tolist()[1] == "447700900123"


@pytest.mark.parametrize("kind", REPAIRS)
def test_every_kind_of_repair_can_be_refused(kind):
    cells = [*sheet()["mobile"], "01632 960123"]
    found, without = checked(cells), checked(cells, refuse=kind)
    assert found[found["kind"] == kind].index.isin(without.index[without["to"].isna()]).all()
    assert kind not in set(without[without["to"].notna()]["kind"])


@pytest.mark.parametrize("kind", ["empty", "Leading Zero", 3, ["leading zero", "x"]])
def test_what_is_no_repair_cannot_be_refused(kind):
    with pytest.raises(InvalidInput, match=r"no kind of repair.*Nothing was sent"):
        checked(["x"], refuse=[kind] if isinstance(kind, int) else kind)
    with pytest.raises(InvalidInput, match="Did you mean 'leading zero'"):
        checked(["x"], refuse="leading zeros")


# --- the report ---


def test_the_report_counts_every_row_once():
    found = cn.doctor(sheet(), to="mobile", country="GB")
    report = cn.doctor_report(found)
    pd.testing.assert_series_equal(report.frame.dtypes, frames.build(frames.FINDINGS, []).dtypes)
    assert report.frame["rows"].sum() == 60
    assert report.frame.loc[report.frame["fate"] == "Left out", "rows"].sum() == found["to"].isna().sum()
    assert report.frame["kind"].dropna().is_unique
    assert repr(report).startswith(
        "Of 60 rows, 37 have a number to send to (5 as written, 24 repaired, 8 to check first), and 23 are left out."
    )
    assert "leading zero" in repr(report)
    assert "******005 becomes +44 *** *** 005" in repr(report)


def test_no_line_of_the_report_is_cut_or_shows_a_number():
    report = cn.doctor_report(cn.doctor(sheet(), to="mobile", country="GB"))
    assert "…" not in repr(report)
    shown = repr(report) + report._repr_html_() + report.frame.to_string()
    assert re.findall(r"\d{7,}|77\d\d|900\d", shown.replace("4.477E+11", "")) == []
    assert html.escape("***** ****** / ***** ***144") in report._repr_html_()


def test_the_report_says_what_was_refused_on_request():
    report = cn.doctor_report(checked(["7700900123", "+447700900124"], refuse="leading zero"))
    shown = " ".join(repr(report).split())
    assert "Left out: leading zero 1 row" in shown
    assert "You asked to refuse this kind." in shown


def test_the_report_escapes_what_people_typed_and_masks_labels():
    frame = pd.DataFrame({"to": [MARKUP, "7700900123"]}, index=pd.Index([MARKUP, "447700900123"]))
    report = cn.doctor_report(cn.doctor(frame, to="to", country="GB"))
    assert "<img" not in report._repr_html_()
    assert "447700900123" not in repr(report) + report._repr_html_() + report.frame.to_string()


def test_a_report_of_no_rows_and_of_another_table():
    report = cn.doctor_report(checked(pd.Series([], dtype="str")))
    assert repr(report).startswith("Of 0 rows, 0 have a number to send to")
    assert report.frame.empty
    with pytest.raises(InvalidInput, match="The report needs the column"):
        cn.doctor_report(pd.DataFrame({"to": ["447700900123"]}))
