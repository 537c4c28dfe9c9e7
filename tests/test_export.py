from __future__ import annotations

import csv
import re
from random import Random

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clicknb as cn
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
    again = pd.read_excel(tmp_path / "a.xlsx", dtype="str", index_col=0, engine="openpyxl")
    assert again["to"].tolist() == numbers
    assert again["whole"].tolist() == ["447700900123"] * 5


def hostile(draw):
    """A cell that begins with what makes a formula, after spaces, after an apostrophe or on an inner line."""
    before = draw.choice(["", "", " ", "  ", "\xa0", "\u2003", "'", "x\n", "x\r\n", "a\r", "_x000D_"])
    tail = draw.choice(
        ["1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x","y")', "447700900123", "SUM(A1:A9)", "_x0041_"]
    )
    return before + draw.choice("=+-@\t\r") + tail


def test_a_thousand_hostile_cells_stay_text_and_come_back_through_read_recipients(tmp_path):
    draw = Random(22)
    cells = [hostile(draw) for _ in range(1000)]
    numbers = [f"447700900{place:03}" for place in range(1000)]
    frame = pd.DataFrame({"to": numbers, "=name": cells}, dtype="str")
    to_csv(frame, tmp_path / "a.csv", index=False)
    to_excel(frame, tmp_path / "a.xlsx")
    lines = [line for row in raw(tmp_path / "a.csv") for cell in row for line in re.split(r"[\r\n]+", cell)]
    assert [line for line in lines if LIVE.match(line) or line.isdecimal()] == []
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows(min_col=2) for cell in row} == {"s"}
    pd.testing.assert_frame_equal(cn.read_recipients(tmp_path / "a.csv"), frame)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        pd.testing.assert_frame_equal(cn.read_recipients(file), frame)
    pd.testing.assert_frame_equal(cn.read_recipients(tmp_path / "a.xlsx")[["to", "=name"]], frame)


def test_numbers_survive_being_opened_and_saved_by_a_spreadsheet(tmp_path):
    numbers = ["447700900123", "+447700900124", "07700900125", "4e11", "4.477E+11", "007"]
    frame = pd.DataFrame({"to": numbers})
    to_csv(frame, tmp_path / "a.csv", index=False)
    opened = pd.DataFrame([[as_opened(cell) for cell in row] for row in raw(tmp_path / "a.csv")[1:]], columns=["to"])
    assert opened["to"].tolist() == [f"'{number}" for number in numbers]  # all are text to it, and stay so
    to_excel(frame, tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    book.save(tmp_path / "b.xlsx")
    assert cn.read_recipients(tmp_path / "b.xlsx")["to"].tolist() == numbers
    checked = cn.doctor(opened.head(3), to="to", country="GB")
    assert checked["to"].tolist() == ["447700900123", "447700900124", "447700900125"]


def as_opened(cell):
    """What a spreadsheet makes of a cell of a CSV file: a number of what it can, in its General format."""
    try:
        return f"{float(cell):.6G}"
    except ValueError:
        return cell


def test_an_apostrophe_that_somebody_else_wrote_stays(tmp_path):
    (tmp_path / "a.csv").write_text("to,name\n'07700900123,'=1\n")
    assert cn.read_recipients(tmp_path / "a.csv").loc[0].tolist() == ["'07700900123", "'=1"]


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
    again = pd.read_excel(tmp_path / "a.xlsx", dtype="str", index_col=0, engine="openpyxl")
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
