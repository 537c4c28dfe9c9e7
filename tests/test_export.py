from __future__ import annotations

import csv
import re

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicknb.errors import InvalidInput
from clicknb.export import read_csv, to_csv, to_excel

SPACES = st.text(" \xa0\u2003\u200b", max_size=2)
TRIGGER = st.sampled_from(["=", "+", "-", "@", "\t", "\r", "＝", "|", "%"])
REST = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
FORMULA = st.builds(
    lambda quote, space, trigger, rest: quote + space + trigger + rest, st.text("'", max_size=2), SPACES, TRIGGER, REST
)
INNER = st.builds(
    lambda first, end, formula: first + end + formula, REST, st.sampled_from(["\n", "\r\n", "\r"]), FORMULA
)
CELL = st.one_of(FORMULA, INNER, REST, st.text("0123456789.eE+'", max_size=14)).filter(bool)
LIVE = re.compile(r"[\s\u200b]*[=+\-@\t\r＝＋－＠]")


def raw(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@settings(max_examples=50)
@given(cells=st.lists(CELL, min_size=20, max_size=20))
def test_no_cell_is_a_formula_and_every_cell_comes_back(cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "cells.csv"
    frame = pd.DataFrame({cells[0]: cells}, index=pd.Index(cells, name="label"), dtype="str")
    to_csv(frame, path)
    for cell in (cell for row in raw(path) for cell in row):
        assert not LIVE.match(cell)
        assert not any(LIVE.match(line) for line in re.split(r"[\r\n]+", cell))
    pd.testing.assert_frame_equal(read_csv(path, index=1), frame)


@settings(max_examples=25)
@given(cells=st.lists(CELL, min_size=40, max_size=40))
def test_every_text_is_a_text_cell_in_excel(cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("xlsx") / "cells.xlsx"
    to_excel(pd.DataFrame({"=A1": cells}, index=cells), path)
    written = [
        cell for row in openpyxl.load_workbook(path).active.iter_rows() for cell in row if cell.value is not None
    ]
    assert len(written) == 2 * len(cells) + 1
    assert {cell.data_type for cell in written} == {"s"}
    assert {cell.number_format for cell in written} == {"@"}


def test_numbers_survive_a_spreadsheet_as_text(tmp_path):
    numbers = ["447700900123", "+44 7700 900123", "07700900123", "12e34567", "004"]
    frame = pd.DataFrame({"to": numbers, "whole": [447700900123] * 5, "price": [-0.5, 0.8, 1.0, 2.0, None]})
    to_csv(frame, tmp_path / "a.csv", index=False)
    head, *rows = raw(tmp_path / "a.csv")
    assert head == ["to", "whole", "price"]
    for row in rows:  # a spreadsheet reads what looks like a number as a number, quoted or not
        with pytest.raises(ValueError, match="could not convert"):
            float(row[0])
        assert row[1] == "'447700900123"
    assert [row[2] for row in rows] == ["-0.5", "0.8", "1.0", "2.0", ""]
    back = read_csv(tmp_path / "a.csv")
    assert back["to"].tolist() == numbers
    to_excel(frame, tmp_path / "a.xlsx")
    again = pd.read_excel(tmp_path / "a.xlsx", dtype="str", index_col=0)
    assert again["to"].tolist() == numbers
    assert again["whole"].tolist() == ["447700900123"] * 5


def test_headers_labels_and_several_index_levels_are_guarded_and_come_back(tmp_path):
    index = pd.MultiIndex.from_tuples([("=a", "007"), ("b", "@c")], names=["=one", None])
    frame = pd.DataFrame({"=2+2": ["x", "-y"]}, index=index)
    to_csv(frame, tmp_path / "a.csv")
    assert raw(tmp_path / "a.csv")[:2] == [["'=one", "", "'=2+2"], ["'=a", "'007", "x"]]
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv", index=2), frame)


def test_a_frame_without_rows_keeps_its_columns(tmp_path):
    to_csv(pd.DataFrame({"to": [], "text": []}), tmp_path / "a.csv", index=False)
    back = read_csv(tmp_path / "a.csv")
    assert back.dtypes.astype(str).to_dict() == {"to": "str", "text": "str"}
    assert back.empty


def test_times_keep_their_zone_and_control_characters_do_not_stop_excel(tmp_path):
    frame = pd.DataFrame({"at": [pd.Timestamp("2026-03-03T10:00Z")], "text": ["a\x01b\ud800"]})
    to_excel(frame, tmp_path / "a.xlsx")
    again = pd.read_excel(tmp_path / "a.xlsx", dtype="str", index_col=0)
    assert again.iloc[0].tolist() == ["2026-03-03 10:00:00+00:00", "a\ufffdb\ufffd"]


def test_files_that_cannot_be_used_say_so(tmp_path):
    frame = pd.DataFrame({"a": ["b"]})
    for attempt in (to_csv, to_excel):
        with pytest.raises(InvalidInput, match="No such file or directory"):
            attempt(frame, tmp_path / "missing" / "a")
    with pytest.raises(InvalidInput, match="No such file"):
        read_csv(tmp_path / "missing.csv")
    (tmp_path / "ragged.csv").write_text("a,b\n1\n")
    with pytest.raises(InvalidInput, match="not all as long"):
        read_csv(tmp_path / "ragged.csv")
    (tmp_path / "latin.csv").write_bytes(b"a\nf\xfcr\n")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_csv(tmp_path / "latin.csv")
