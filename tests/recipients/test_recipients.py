import datetime as dt
import io
import warnings
from contextlib import nullcontext

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb import frames
from clicknb.errors import InvalidInput, TableWarning
from clicknb.recipients.doctor import doctor
from clicknb.recipients.numbers import normalise, reserved
from clicknb.recipients.reader import read_recipients

RESERVED = st.one_of(
    st.builds("1{}55501{:02}".format, st.sampled_from([212, 305, 416, 604]), st.integers(0, 99)),
    st.builds("447700900{:03}".format, st.integers(0, 999)),
    st.sampled_from([f"61491570{end}" for end in ("006", "156", "157", "158", "159", "110")]),
    st.builds("3363998{:04}".format, st.integers(0, 9999)),
    st.builds("27999{:06}".format, st.integers(0, 999999)),
)
COUNTRIES = st.sampled_from([None, "GB", "US", "CA", "AU", "FR", "ZA", "DE"])
CELLS = st.one_of(RESERVED, st.text(alphabet="0123456789+-. ()/,e'\u200b", max_size=18), st.text(max_size=8), st.none())


ROUNDED = "ends in 00000, as numbers rounded by a spreadsheet do: put a + before it if it is right"


def checked(*cells, country=None):
    return doctor(pd.DataFrame({"to": pd.Series(cells, dtype=object)}), to="to", country=country)


# --- one number ---


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        ("12125550100", "US"),
        ("14165550199", "CA"),
        ("447700900999", "GB"),
        ("61491570110", "AU"),
        ("33639989999", "FR"),
        ("27999000000", "ZA"),
        ("12125550200", None),
        ("18005550100", None),
        ("447700901000", None),
        ("61491570111", None),
        ("33639990000", None),
        ("2799900000", None),
        ("+447700900123", None),
        ("", None),
    ],
)
def test_reserved_numbers_have_a_country_and_no_others(digits, country):
    assert reserved(digits) == country


@given(RESERVED)
def test_reserved_numbers_are_valid_in_any_way_of_writing(digits):
    for text in (digits, f"+{digits}", f"00{digits}", f"+{digits[:3]} ({digits[3:6]}) {digits[6:9]}-{digits[9:]}"):
        verdict = normalise(text)
        assert (verdict.to, verdict.country) == (digits, reserved(digits))


@pytest.mark.parametrize(
    ("text", "country", "to", "repair"),
    [
        ("07700 900123", "GB", "447700900123", "added country code 44"),
        ("7700.900.123", "gb", "447700900123", "added country code 44 (the leading 0 was missing)"),
        ("447700900123", "GB", "447700900123", None),
        ("+44 (0)7700 900123", None, "447700900123", "removed the 0 after the country code"),
        ("00447700900123", "US", "447700900123", "removed the leading 00"),
        ("011447700900123", "US", "447700900123", "removed the leading 011"),
        ("'07700900123", "GB", "447700900123", "removed the apostrophe, added country code 44"),
        ("\u202a+44\u00a07700\u2011900123\u202c", None, "447700900123", "removed invisible characters"),
        ("４４７７００９００１２３", None, "447700900123", "wrote the digits as 0 to 9"),
        ("447700900123.0", None, "447700900123", "removed .0"),
        ("33639980000", "GB", "33639980000", "read as a number of FR"),
        ("2125550100", "US", "12125550100", "added country code 1"),
        ("1 212 555 0100", "US", "12125550100", None),
        ("0639980000", "FR", "33639980000", "added country code 33"),
        ("0491/570006", "AU", "61491570006", "added country code 61"),
        ("27999000000", None, "27999000000", None),
        ("+447700000000", None, "447700000000", None),
        ("+27821234567", None, "27821234567", None),
        ("082 123 4567", "ZA", "27821234567", "added country code 27"),
        ("270821234567", "ZA", "27821234567", "removed the 0 after the country code"),
    ],
)
def test_numbers_are_read_as_people_write_them(text, country, to, repair):
    verdict = normalise(text, country)
    assert (verdict.to, verdict.repair, verdict.problem) == (to, repair, None)


@pytest.mark.parametrize(
    ("text", "country", "problem"),
    [
        ("", None, "empty"),
        ("\u200b", None, "empty"),
        ("call Ann", None, "has letters in it"),
        ("07700 900245 or 07700 900246", "GB", "more than one number in the cell"),
        ("07700 900245 (home), 07700 900246", "GB", "more than one number in the cell"),
        ("447700900123 x5", None, "has letters in it"),
        ("447700900123,447700900124", None, "more than one number in the cell"),
        ("447700900123 447700900124", None, "more than one number in the cell"),
        ("+447700900123+447700900124", None, "more than one number in the cell"),
        ("447700900123/4", None, "more than one number in the cell"),
        ("2.7821e10", "ZA", "scientific notation, digits are lost: format the column as text"),
        ("2,78E+10", "ZA", "scientific notation, digits are lost: format the column as text"),
        ("447700000000", None, ROUNDED),
        ("447700000000.0", "GB", ROUNDED),
        ("7700000000", "GB", ROUNDED),
        ("27821000000", "ZA", ROUNDED),
        ("447700900123.5", None, "a number with decimals"),
        ("447700900123#", None, "has the character '#' in it"),
        ("²²²²²²²²", None, "has the character '²' in it"),
        ("--", None, "has no digits in it"),
        ("07700900123", None, "begins with 0, so it is a national number: give its country, such as country='GB'"),
        ("07700 9001", "GB", "too short for a mobile number of GB"),
        ("077009001234", "GB", "too long for a mobile number of GB"),
        ("09999999999", "GB", "not a number of GB"),
        ("0114477009001", "US", "too short"),
        ("123", None, "too short"),
        ("44770090012399999", None, "too long"),
        ("+2782111", None, "too short"),
        ("+2782123456", None, "too short"),
        ("082123456", "ZA", "too short for a mobile number of ZA"),
        ("+278212345678", None, "too long"),
        ("+80012345678", None, "not a number of any country"),
        ("+999123456789", None, "not a number of any country"),
    ],
)
def test_what_is_no_number_is_refused_with_its_reason(text, country, problem):
    verdict = normalise(text, country)
    assert (verdict.to, verdict.country, verdict.problem) == (None, None, problem)


@given(st.text(), COUNTRIES)
def test_any_text_is_a_number_or_has_a_problem(text, country):
    verdict = normalise(text, country)
    assert (verdict.to is None) == (verdict.problem is not None)
    assert (verdict.to is None) == (verdict.country is None)


@given(CELLS.filter(bool), COUNTRIES)
def test_reading_again_changes_nothing(text, country):
    verdict = normalise(text, country)
    if verdict.to and not verdict.to.endswith("00000"):  # those need their plus
        again = normalise(verdict.to)
        assert (again.to, again.country, again.repair) == (verdict.to, verdict.country, None)


@given(RESERVED | st.text(alphabet="0123456789 -.()", min_size=8, max_size=16), st.sampled_from(["", "+", "00"]))
def test_digits_are_never_invented(text, prefix):
    verdict = normalise(prefix + text)
    repair = verdict.repair or ""
    if verdict.to and "rewrote it in international form" not in repair:
        written = "".join(char for char in text if char.isdigit())
        assert verdict.to in written or "removed the 0 after the country code" in repair


@given(st.integers(0, 10**9 - 1), st.integers(3, 8))
def test_south_african_numbers_have_nine_digits(number, length):
    national = f"82{number:09}"[:length]
    assert normalise(f"+27{national}").problem == "too short"
    assert normalise(f"0{national}", "ZA").to is None


# --- the doctor ---


def test_the_first_of_several_rows_with_one_number_is_kept():
    table = doctor(
        pd.DataFrame({"to": ["07700 900123", "+44 7700 900123", "x", "447700900124"]}, index=["a", "b", "c", "d"]),
        to="to",
        country="GB",
    )
    assert table["to"].dropna().to_dict() == {"a": "447700900123", "d": "447700900124"}
    assert table["problem"].dropna().to_dict() == {"b": "duplicate of row a", "c": "has letters in it"}
    assert table["read_as"].tolist()[1] == "+44 7700 900123"


@pytest.mark.parametrize("cell", [447700000000, 4.477e11])
def test_a_number_that_a_spreadsheet_rounded_is_refused(cell):
    assert checked(cell)["problem"].tolist() == [ROUNDED]


def test_a_column_of_floats_loses_nothing():
    table = checked(447700900123.0, None)
    assert table["read_as"].dropna().tolist() == ["447700900123"]
    assert table["to"].dropna().tolist() == ["447700900123"]
    assert table["problem"].dropna().tolist() == ["empty"]


@given(st.lists(CELLS, max_size=6), COUNTRIES, st.data())
def test_index_and_dtypes_are_kept_whatever_is_in_the_rows(cells, country, data):
    label = data.draw(st.sampled_from([st.integers(), st.text(max_size=3), st.dates()]))
    labels = data.draw(st.lists(label, min_size=len(cells), max_size=len(cells)))
    frame = pd.DataFrame({"to": pd.Series(cells, dtype=object).array}, index=pd.Index(labels, dtype=object))
    table = doctor(frame, to="to", country=country)
    pd.testing.assert_index_equal(table.index, frame.index)
    pd.testing.assert_series_equal(table.dtypes, frames.build(frames.DOCTOR, []).dtypes)
    assert (table["to"].isna() == table["problem"].notna()).all()
    assert table["to"].dropna().is_unique


@given(st.lists(CELLS, max_size=6), COUNTRIES)
def test_the_doctor_finds_nothing_in_what_the_doctor_passed(cells, country):
    first = checked(*cells, country=country)
    kept = first[first["problem"].isna() & ~first["to"].str.endswith("00000", na=False)]  # those need their plus
    again = doctor(kept, to="to")
    assert again["to"].tolist() == kept["to"].tolist()
    assert again["country"].tolist() == kept["country"].tolist()
    assert again["repair"].isna().all()


def test_a_missing_column_or_an_unknown_country_is_refused():
    with pytest.raises(InvalidInput, match=r"'moblie'.*Did you mean 'Mobile'"):
        doctor(pd.DataFrame({"Mobile": ["x"]}), to="moblie")
    with pytest.raises(InvalidInput, match="Did you mean 'GB'"):
        checked("x", country="UK")
    with pytest.raises(InvalidInput, match="ISO 3166"):
        checked("x", country="Britain")


# --- reading tables ---


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_text_files_are_read_as_written(tmp_path, sep, encoding):
    lines = ["name | mobile |note".replace(" |", "|").replace("|", sep), f'Zoë{sep}007{sep}"a{sep} b"', f"NA{sep}{sep}"]
    path = tmp_path / "people.csv"
    path.write_bytes("\r\n".join(lines).encode(encoding))
    with nullcontext() if encoding != "cp1252" else pytest.warns(TableWarning, match="read as cp1252.*'Zoë'"):
        table = read_recipients(path)
    assert table.columns.tolist() == ["name", "mobile", "note"]
    assert table.loc[0].tolist() == ["Zoë", "007", f"a{sep} b"]
    assert table["name"].tolist() == ["Zoë", "NA"]
    assert table.loc[1].isna().tolist() == [False, True, True]
    assert set(table.dtypes.astype(str)) == {"str"}


def test_blank_rows_are_left_out_and_short_ones_filled_up():
    table = read_recipients(io.StringIO(" name ,,mobile,\n\nAnn,1\n,,,\nBen,2,447700900123\n"))
    assert table.columns.tolist() == ["name", "column 2", "mobile"]
    assert table["mobile"].isna().tolist() == [True, False]
    assert table.index.tolist() == [0, 1]


def test_separator_and_encoding_may_be_named():
    assert read_recipients(io.StringIO("a,b;c\n1,2;3"), sep=";").columns.tolist() == ["a,b", "c"]
    assert read_recipients(io.BytesIO("a\nŠ".encode("iso8859-2")), encoding="iso8859-2")["a"].tolist() == ["Š"]


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        (b"", {}, "empty"),
        (b"a,b\n", {}, "no rows"),
        (b"a,a\n1,2\n", {}, "Several columns are called 'a'"),
        (b"a,b\n1,2,3\n", {}, "Line 2 .*3 cells, and there are 2 columns"),
        (b'a,b\n"1,2\n', {}, "quotation mark"),
        (b"447700900123\n447700900124\n", {}, "instead of column names"),
        (b"a\n\x81\n", {}, "not text in UTF-8"),
        (b"a\n\xe9\n", {"encoding": "utf-8"}, "not text in utf-8"),
        (b"a\n1\n", {"encoding": "nonsense"}, "encoding 'nonsense' is unknown"),
        (b"a\n1\n", {"sep": "::"}, "not one character"),
        (b"a\n1\n", {"sheet": "People"}, "no sheet 'People'"),
        (b"PK\x03\x04 but no zip", {}, "workbook is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", {}, "Save it as .xlsx"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_what_to_do(content, options, reason):
    with pytest.raises(InvalidInput, match=reason) as refusal:
        read_recipients(io.BytesIO(content), **options)
    assert "Nothing was sent" in str(refusal.value)
    assert "447700900123" not in str(refusal.value)


def test_a_missing_file_is_named_with_the_nearest_one(tmp_path):
    (tmp_path / "people.csv").write_text("a\n1")
    with pytest.raises(InvalidInput, match=r"Did you mean 'people.csv'\?"):
        read_recipients(tmp_path / "peolpe.csv")
    with pytest.raises(InvalidInput, match="is a folder"):
        read_recipients(tmp_path)
    with pytest.raises(InvalidInput, match="Give a path"):
        read_recipients(None)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_table_or_are_refused(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        try:
            table = read_recipients(io.BytesIO(content))
        except InvalidInput:
            return
    assert len(table) > 0


@pytest.fixture
def workbook(tmp_path):
    book = openpyxl.Workbook()
    page = book.active
    page.title = "People"
    page.append([" mobile ", "when", "at", "paid", "share", None])
    page.append([447700900123, dt.date(2026, 3, 14), dt.datetime.fromisoformat("2026-03-14"), True, 0.5])
    page.append([447700900124.0, None, dt.datetime.fromisoformat("2026-03-14 09:30"), "007", 3])
    page["C2"].number_format = "yyyy-mm-dd hh:mm"
    page.append([None, None])
    book.create_sheet("Other").append(["a"])
    book["Other"].append(["1"])
    path = tmp_path / "people.xlsx"
    book.save(path)
    return path


def test_excel_is_read_as_a_spreadsheet_shows_it(workbook):
    table = read_recipients(workbook, sheet="People")
    assert table.fillna("-").to_numpy().tolist() == [
        ["447700900123", "2026-03-14", "2026-03-14 00:00:00", "TRUE", "0.5"],
        ["447700900124", "-", "2026-03-14 09:30:00", "007", "3"],
    ]
    assert table.columns.tolist() == ["mobile", "when", "at", "paid", "share"]
    with workbook.open("rb") as file:
        assert read_recipients(file, sheet="Other")["a"].tolist() == ["1"]
    with pytest.raises(InvalidInput, match="'Nobody'; there are 'People', 'Other'"):
        read_recipients(workbook, sheet="Nobody")


def test_a_frame_is_copied_as_text_with_its_index():
    frame = pd.DataFrame(
        {
            " n ": [447700900123.0, None],
            "day": pd.to_datetime(["2026-03-14", None]),
            "time": pd.to_datetime(["2026-03-14 00:00", "2026-03-14 09:30"]),
            "any": [dt.datetime.fromisoformat("2026-03-14 09:30"), " x "],
            "whole": pd.array([1, None], dtype="Int64"),
        },
        index=["a", "b"],
    )
    table = read_recipients(frame)
    assert table.fillna("-").to_numpy().tolist() == [
        ["447700900123", "2026-03-14", "2026-03-14 00:00:00", "2026-03-14 09:30:00", "1"],
        ["-", "-", "2026-03-14 09:30:00", " x ", "-"],
    ]
    assert table.index.tolist() == ["a", "b"]
    assert table.columns[0] == "n"
    assert frame.columns[0] == " n "
    pd.testing.assert_frame_equal(read_recipients(table), table)
    assert set(read_recipients(frame.head(0)).dtypes.astype(str)) == {"str"}
    with pytest.raises(InvalidInput, match="Several columns"):
        read_recipients(pd.DataFrame([["1", "2"]], columns=["a", "a "]))
