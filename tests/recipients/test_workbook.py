"""What a person sees of a workbook is what is read of it, and what a person may not see is said."""

import datetime as dt
import io
import re
import struct
import sys
import warnings
import zipfile
from decimal import ROUND_HALF_UP, Decimal

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

import clicknb as cn
from clicknb.errors import InvalidInput, TableWarning
from clicknb.recipients.notes import notes_of
from clicknb.recipients.number_formats import number_format
from clicknb.recipients.reader import read_recipients

PEOPLE = [
    ["name", "mobile", "status"],
    ["Ann", "447700900123", "active"],
    ["Ben", "447700900124", "opted out"],
    ["Cy", "447700900125", "active"],
]


def saved(book):
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def people(change=lambda sheet: None, rows=PEOPLE):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book.active)
    return saved(book)


def read(content, **options):
    """The table, and what was said about it by kind: warned about, and kept."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = read_recipients(io.BytesIO(content), **options)
    notes = notes_of(frame)
    assert [str(one.message) for one in caught] == [note.words for note in notes]
    assert {one.category for one in caught} <= {TableWarning}
    assert all(one.filename == __file__ for one in caught)
    return frame, dict(notes)


def names(content, **options):
    return read(content, **options)[0]["name"].tolist()


# --- number formats ---

SHOWN = [
    ("000000", 42, "000042"),
    ("00000000000", 7700900123, "07700900123"),
    ("0", 447700900123, "447700900123"),
    ("0", 2.5, "3"),
    ("0", 1.4999999999, "1"),
    ("0.00", 1.005, "1.01"),
    ("0.00", 0.1 + 0.2, "0.30"),
    ("0.##", 5, "5."),
    ("#", 0, ""),
    ("#,##0", 1234567, "1,234,567"),
    ("#,##0.00", 1250.5, "1,250.50"),
    ("#,##0.00", -1250.5, "-1,250.50"),
    ("0,000", 5, "0,005"),
    ("0.0,", 12345, "12.3"),
    ('#,##0,,"M"', 12_500_000, "13M"),
    ("0%", 0.15, "15%"),
    ("0.0%", 0.1555, "15.6%"),
    ("0 %", 1, "100 %"),
    ('"R" #,##0.00', 1250.5, "R 1,250.50"),
    ("[$R-1C09] #,##0.00", 1250.5, "R 1,250.50"),
    ("[$£-809]#,##0.00", 1250.5, "£1,250.50"),
    ("[$€-2] #,##0.00", 1250.5, "€ 1,250.50"),
    ("#,##0.00 [$€-407]", 1250.5, "1,250.50 €"),
    ("[$₦-46A]#,##0", 1250.4, "₦1,250"),
    ("\\$#,##0.00", 3, "$3.00"),
    ('_-[$£-809]* #,##0.00_-;-[$£-809]* #,##0.00_-;_-[$£-809]* "-"??_-;_-@_-', 1250.5, "£1,250.50"),
    ('_-[$£-809]* #,##0.00_-;-[$£-809]* #,##0.00_-;_-[$£-809]* "-"??_-;_-@_-', -3, "-£3.00"),
    ('_-[$£-809]* #,##0.00_-;-[$£-809]* #,##0.00_-;_-[$£-809]* "-"??_-;_-@_-', 0, "£-"),
    ("_(* #,##0.00_);_(* \\(#,##0.00\\)", -3, "(3.00)"),
    ("#,##0.00;(#,##0.00)", -3.5, "(3.50)"),
    ("#,##0.00;[Red]-#,##0.00", -3.5, "-3.50"),
    ('0;-0;"none"', 0, "none"),
    ("0;0", -5, "5"),
    ("0;;", -5, ""),
    ("0.00", -0.001, "0.00"),
    ("\\+0", 447700900123, "+447700900123"),
    ("0000 000 000", 7700900123, "7700 900 123"),
    ("(000) 000-0000", 2025550123, "(202) 555-0123"),
    ("[<=9999999]###-####;(###) ###-####", 5550123, "555-0123"),
    ("[<=9999999]###-####;(###) ###-####", 2025550123, "(202) 555-0123"),
    ('[=1]"one day";[=0]"today";0" days"', 1, "one day"),
    ('[=1]"one day";[=0]"today";0" days"', 4, "4 days"),
    ('[<0]0" below";0', -5, "5 below"),
    ("[>=-10]0;0.0", -5, "-5"),
    ("dd/mm/yyyy;;", 0, ""),
    ('0" kg"', 5, "5 kg"),
    ('"Table "0', 5, "Table 5"),
    ('General" kg"', 1.5, "1.5 kg"),
    ("[Color 12][>=0]0.0", 5, "5.0"),
    ("# ?/?", 1.5, "1 1/2"),
    ("# ??/??", 0.25, "1/4"),
    ("# ?/8", 2.5, "2 4/8"),
    ("0.00E+00", 12345, "1.23E+04"),
    ("General", 447700900123, "447700900123"),
    ("General", 123456789012345, "123456789012345"),
    ("General", 5.0, "5"),
    ("General", 0.1 + 0.2, "0.3"),
    ("General", 1 / 3, "0.333333333"),
    ("General", -1.25, "-1.25"),
    ("@", 447700900123, "447700900123"),
    ("@", "007", "007"),
    ("0.00", "n/a", "n/a"),
    ('"Mr "@', "Ann", "Mr Ann"),
    ('0;-0;0;"to "@', "Ann", "to Ann"),
    ("General", True, "TRUE"),
    ("0.00", False, "FALSE"),
    ("General", "#N/A", "#N/A"),
    ("dd/mm/yyyy", dt.date(2026, 3, 14), "2026-03-14"),
    ("d-mmm", dt.date(2026, 3, 14), "2026-03-14"),
    ("mm-dd-yy", dt.date(2026, 3, 14), "2026-03-14"),
    ("[$-409]d mmm yyyy;@", dt.date(2026, 3, 14), "2026-03-14"),
    ("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", dt.date(2026, 3, 14), "2026-03-14"),
    ('yyyy"年"m"月"d"日"', dt.date(2026, 3, 14), "2026-03-14"),
    ("dd/mm/yyyy hh:mm", dt.datetime.fromisoformat("2026-03-14 09:30"), "2026-03-14 09:30:00"),
    ("dd/mm/yyyy hh:mm", dt.datetime.fromisoformat("2026-03-14 23:59:59.700"), "2026-03-15 00:00:00"),
    ("dd/mm/yyyy hh:mm", dt.date(2026, 3, 14), "2026-03-14 00:00:00"),
    ("dd/mm/yyyy", dt.datetime.fromisoformat("2026-03-14 09:30"), "2026-03-14"),
    ("h:mm", dt.time(9, 30), "09:30"),
    ("h:mm AM/PM", dt.time(18, 5), "18:05"),
    ("[$-F400]h:mm:ss AM/PM", dt.time(18, 5, 7), "18:05:07"),
    ("h:mm", dt.datetime.fromisoformat("2026-03-14 09:30"), "09:30"),
    ('h" o\'clock"', dt.time(9), "09:00"),
    ("mm:ss", dt.time(0, 5, 30), "05:30"),
    ("[h]:mm", dt.timedelta(hours=36, minutes=5), "36:05"),
    ("[mm]:ss", dt.timedelta(minutes=90, seconds=5), "90:05"),
    ('[h]" h "mm" min"', dt.timedelta(hours=1, minutes=30), "1 h 30 min"),
    ("yyyy-mm-dd", 0, "1900-01-00"),
    ("yyyy-mm-dd", 59, "1900-02-28"),
    ("yyyy-mm-dd", 60, "1900-02-29"),
    ("yyyy-mm-dd", 61, "1900-03-01"),
]


def formatted(code, value):
    book = openpyxl.Workbook()
    book.active.append(["name", "value"])
    book.active.append(["Ann", value])
    book.active["B2"].number_format = code
    return saved(book)


@pytest.mark.parametrize(("code", "value", "shown"), SHOWN)
def test_a_cell_is_read_as_its_format_shows_it(code, value, shown):
    frame, said = read(formatted(code, value))
    assert frame["value"].fillna("").tolist() == [shown]
    assert said == {}


@pytest.mark.parametrize(("code", "value", "shown"), [row for row in SHOWN if not isinstance(row[1], bool | str)])
def test_another_program_writes_the_same(code, value, shown):
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["name", "value"])
        sheet.write(1, 0, "Ann")
        sheet.write(1, 1, value, book.add_format({"num_format": code}))
    assert read(content.getvalue())[0]["value"].fillna("").tolist() == [shown]


@pytest.mark.parametrize(
    ("code", "value", "plain"),
    [
        ("[$-D07041E]0", 42, "42"),
        ("0.00E+00", 447700900123, "447700900123"),
        ("0 g", 5, "5"),
        ("yyyy-mm-dd", -5, "-5"),
        ("[h]:mm", -0.5, "-0.5"),
        ("[>5]0", 3, "3"),
        ('# ?/? "kg"', 1.5, "1.5"),
    ],
)
def test_a_format_that_is_not_understood_is_said_once_for_its_column(code, value, plain):
    book = openpyxl.Workbook()
    for row in (["name", "value"], ["Ann", value], ["Ben", value], ["Cy", 1]):
        book.active.append(row)
    book.active["B2"].number_format = book.active["B3"].number_format = code
    frame, said = read(saved(book))
    assert frame["value"].tolist() == [plain, plain, "1"]
    assert said == {
        "formats": f"Column B ('value') has the number format {code!r}, which was not applied: read as plain numbers."
    }


@pytest.mark.parametrize("code", ["mmmm yyyy", "dddd", "yyyy", "mmm"])
def test_a_format_that_shows_a_part_of_a_date_is_said(code):
    frame, said = read(formatted(code, dt.date(2026, 3, 14)))
    assert frame["value"].tolist() == ["2026-03-14"]
    assert "shows parts of dates only" in said["dates"]


def test_dates_since_1904_are_not_four_years_off():
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append(["name", "when"])
    book.active.append(["Ann", dt.date(2026, 3, 14)])
    assert read(saved(book))[0]["when"].tolist() == ["2026-03-14"]


def test_a_voucher_keeps_its_zeros_in_the_text():
    frame, _ = read(formatted("000000", 42))
    frame["mobile"] = "447700900123"
    with cn.sandbox() as sms:
        plan = sms.plan(frame, to="mobile", text="Voucher {value}", name="vouchers")
        assert plan.frame["text"].tolist() == ["Voucher 000042"]


@given(st.integers(0, 12), st.integers(0, 4), st.booleans(), st.booleans(), st.decimals(-(10**9), 10**9, places=5))
def test_zeros_commas_decimals_and_percent_are_as_python_writes_them(zeros, decimals, grouped, percent, value):
    code = ("#,##0" if grouped else "#" + "0" * zeros) + ("." + "0" * decimals) * bool(decimals) + "%" * percent
    number = abs(value.scaleb(2 * percent)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    whole, _, rest = f"{number:,f}".partition(".") if grouped else f"{number:f}".partition(".")
    digits = whole if grouped else whole.lstrip("0").zfill(zeros)
    shown = digits + f".{rest}" * bool(decimals) + "%" * percent
    sign = "-" if value < 0 and number else ""
    assert number_format(code).number(str(value)) == sign + shown


@given(st.text(alphabet='0#?.,%E+-/ $£"\\_*@;[]<>=hmsydAPMGeneral:()x15', max_size=25), st.floats(-1e15, 1e15))
def test_any_format_shows_any_number_or_says_that_it_cannot(code, value):
    shown = number_format(code).number(repr(value))
    assert shown is None or shown == shown.strip()
    assert "x" in number_format(code).text("x") or ";" in code or "@" in code


@given(st.integers(61 * 86400, 100_000 * 86400), st.sampled_from(["d/m/yy", "d mmm yyyy h:mm"]))
def test_dates_of_all_years_are_read_back(seconds, code):
    moment = dt.datetime.fromisoformat("1899-12-30") + dt.timedelta(seconds=seconds)
    serial = Decimal(seconds) / 86400
    shown = moment.isoformat(" ") if "h" in code else moment.date().isoformat()
    assert number_format(code).number(f"{serial:.11f}") == shown


# --- hidden rows, columns and filters ---


def filtered(sheet):
    sheet.auto_filter.ref = "A1:C4"
    sheet.auto_filter.add_filter_column(2, ["active"])
    sheet.row_dimensions[3].hidden = True


def test_a_row_that_a_filter_hides_is_left_out_and_said():
    frame, said = read(people(filtered))
    assert frame["name"].tolist() == ["Ann", "Cy"]
    assert said == {
        "hidden rows": "1 row is hidden in the sheet, by hand or by a filter (row 3): left out. "
        "To read them too: hidden='keep'."
    }


def test_hidden_rows_are_kept_or_left_out_by_a_word():
    content = people(filtered)
    frame, said = read(content, hidden="keep")
    assert frame["name"].tolist() == ["Ann", "Ben", "Cy"]
    assert "read all the same" in said["hidden rows"]
    assert names(content, hidden="leave out") == ["Ann", "Cy"]
    with pytest.raises(InvalidInput, match="hidden must be 'keep' or 'leave out', not 'yes'"):
        read(content, hidden="yes")


def by_height(sheet):
    sheet.row_dimensions[3].height = 0.5


def by_group(sheet):
    sheet.row_dimensions.group(3, 3, outline_level=1, hidden=True)
    sheet.row_dimensions[4].collapsed = True  # is the row below, which a person sees


@pytest.mark.parametrize("conceal", [by_height, by_group])
def test_rows_without_height_and_folded_groups_are_hidden(conceal):
    frame, said = read(people(conceal))
    assert frame["name"].tolist() == ["Ann", "Cy"]
    assert list(said) == ["hidden rows"]


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any))
def test_who_is_seen_is_who_is_read(seen):
    rows = [["name", "mobile"], *([f"P{place}", 447700900000 + place] for place in range(len(seen)))]

    def conceal(sheet):
        for place, shown in enumerate(seen, start=2):
            sheet.row_dimensions[place].hidden = not shown

    assert names(people(conceal, rows)) == [f"P{place}" for place, shown in enumerate(seen) if shown]


def test_many_hidden_rows_are_counted_and_the_first_named():
    rows = [["name"], *([f"P{place}"] for place in range(2000))]

    def conceal(sheet):
        for place in range(3, 2002):
            sheet.row_dimensions[place].hidden = True

    said = read(people(conceal, rows))[1]["hidden rows"]
    assert said.startswith("1,999 rows are hidden in the sheet, by hand or by a filter (rows 3, 4, 5 and 1,996 more)")


def test_a_hidden_row_without_content_is_nothing():
    def conceal(sheet):
        sheet.row_dimensions[2].hidden = sheet.row_dimensions[900].hidden = True

    frame, said = read(people(conceal, [["name"], [], ["Ann"]]))
    assert frame["name"].tolist() == ["Ann"]
    assert said == {}


def test_a_hidden_first_line_is_not_certain():
    def conceal(sheet):
        sheet.row_dimensions[1].hidden = True

    with pytest.raises(InvalidInput, match=r"Row 1 is the first .*not certain.*hidden='keep'"):
        read(people(conceal))
    assert names(people(conceal), hidden="keep") == ["Ann", "Ben", "Cy"]
    title = people(conceal, [["Customers"], *PEOPLE])
    assert names(title, hidden="leave out") == ["Ann", "Ben", "Cy"]


def test_a_sheet_of_which_everybody_is_hidden_is_refused():
    def conceal(sheet):
        for place in (2, 3, 4):
            sheet.row_dimensions[place].hidden = True

    with pytest.raises(InvalidInput, match=r"3 rows are hidden .* no person is left"):
        read(people(conceal))


def test_a_filter_that_hides_nothing_is_said():
    def only_set(sheet):
        sheet.auto_filter.ref = "A1:C4"
        sheet.auto_filter.add_filter_column(2, ["active"])

    frame, said = read(people(only_set))
    assert len(frame) == 3
    assert "a filter that hides no row" in said["filter"]

    def without_criteria(sheet):
        sheet.auto_filter.ref = "A1:C4"

    assert read(people(without_criteria))[1] == {}


def test_hidden_columns_are_read_and_said():
    def conceal(sheet):
        sheet.column_dimensions["B"].hidden = True
        sheet.column_dimensions["Z"].hidden = True

    frame, said = read(people(conceal))
    assert frame["mobile"].tolist() == ["447700900123", "447700900124", "447700900125"]
    assert said == {
        "hidden columns": "1 column is hidden in the sheet, and read all the same: column B ('mobile').",
    }


def test_the_number_of_a_row_is_the_one_of_the_sheet():
    rows = [["name", "mobile"], ["Ann", "447700900123"], ["Ben", "447700900124"], ["Cy", "447700900125", "too much"]]

    def conceal(sheet):
        sheet.row_dimensions[3].hidden = True

    with pytest.raises(InvalidInput, match="Row 4 of the file"):
        read(people(conceal, rows))


# --- which sheet ---


def sheets(**content):
    """A workbook of sheets: rows of names, or None for an empty one; a name that ends in _ is hidden."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, people_ in content.items():
        sheet = book.create_sheet(title.rstrip("_"))
        sheet.sheet_state = "hidden" if title.endswith("_") else "visible"
        for row in [["name"], *([one] for one in people_)] if people_ else []:
            sheet.append(row)
    return saved(book)


def test_the_first_sheet_is_taken_and_the_others_are_named():
    frame, said = read(sheets(March=["Ann"], April=["Ben"], Lists_=["Cy"]))
    assert frame["name"].tolist() == ["Ann"]
    assert said == {
        "sheet": "The sheet 'March' was read. There are others: 'April'. Hidden are 'Lists'. "
        "To have another: sheet='...'."
    }


def test_empty_and_hidden_sheets_are_passed_over():
    frame, said = read(sheets(Cover=None, Old_=["Ann"], March=["Ben"], Empty=None))
    assert frame["name"].tolist() == ["Ben"]
    assert said["sheet"] == "The sheet 'March' was read. Hidden are 'Old'. To have another: sheet='...'."
    assert read(sheets(Cover=None, March=["Ben"]))[1] == {}


def test_a_sheet_is_found_without_regard_to_case_and_blanks():
    content = sheets(**{"March 2026": ["Ann"], "April": ["Ben"], "Old_": ["Cy"]})
    for name in ("March 2026", "march 2026", " MARCH  2026 ", "March2026"):
        frame, said = read(content, sheet=name)
        assert frame["name"].tolist() == ["Ann"]
        assert said == {}
    assert names(content, sheet="old") == ["Cy"]
    with pytest.raises(InvalidInput, match=r"'Aprl'; .*'Old' \(hidden\)\. Did you mean 'April'\?"):
        read(content, sheet="Aprl")
    with pytest.raises(InvalidInput, match="sheet must be the name of a sheet, not 0"):
        read(content, sheet=0)


def test_two_sheets_whose_names_differ_in_blanks_are_told_apart():
    content = sheets(**{"A B": ["Ann"], "AB": ["Ben"]})
    assert names(content, sheet="AB") == ["Ben"]
    with pytest.raises(InvalidInput, match="no sheet 'a b'"):
        read(content, sheet="a b")


def test_a_workbook_of_hidden_or_empty_sheets_is_refused():
    with pytest.raises(InvalidInput, match=r"All sheets that hold anything are hidden: 'Data'.*sheet='Data'"):
        read(sheets(Cover=None, Data_=["Ann"]))
    with pytest.raises(InvalidInput, match="file is empty"):
        read(sheets(Cover=None, Other=None))


def test_a_sheet_of_a_chart_is_no_sheet_of_people():
    book = openpyxl.Workbook()
    for row in PEOPLE:
        book.active.append(row)
    chart = book.create_chartsheet("Figure", 0)
    chart.add_chart(openpyxl.chart.BarChart())
    frame, said = read(saved(book))
    assert len(frame) == 3
    assert said == {}


# --- formulas, errors, merged cells, texts ---


def test_formulas_that_nobody_has_worked_out_are_blank_and_said():
    rows = [["name", "due", "paid"], ["Ann", "=1+1", "=2+2"], ["Ben", "=1+2", 5]]
    frame, said = read(people(rows=rows))
    assert frame["due"].isna().all()
    assert frame["paid"].fillna("").tolist() == ["", "5"]
    assert said["formulas"].startswith("3 formulas without a result, in column B ('due'), column C ('paid'): read as")


def test_results_that_a_program_left_to_the_spreadsheet_are_said():
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["name", "due"])
        sheet.write(1, 0, "Ann")
        sheet.write_formula(1, 1, "=SUM(1, 2)")
    frame, said = read(content.getvalue())
    assert frame["due"].tolist() == ["0"]
    assert "1 result of formulas may be old" in said["old formulas"]


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!"])
def test_errors_are_read_as_they_are_shown(error):
    frame, said = read(people(rows=[["name", "due"], ["Ann", error]]))
    assert frame["due"].tolist() == [error]
    assert said == {}


def test_merged_cells_are_said():
    def merge(sheet):
        sheet.merge_cells("A2:A3")

    frame, said = read(people(merge))
    assert frame["name"].fillna("").tolist() == ["Ann", "", "Cy"]
    assert said["merged cells"].startswith("Merged cells (A2:A3)")


def test_rich_text_is_joined_and_an_apostrophe_in_front_is_not_read():
    def write(sheet):
        rich = openpyxl.cell.rich_text
        sheet["A2"] = rich.CellRichText("An", rich.TextBlock(rich.InlineFont(b=True), "n "), "Lee")
        sheet["B2"].quotePrefix = True

    frame, _ = read(people(write))
    assert frame.loc[0, ["name", "mobile"]].tolist() == ["Ann Lee", "447700900123"]


# --- what no library writes, but programs do ---

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEADER = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>name</t></is></c><c r="B1" t="inlineStr"><is><t>v</t></is></c></row>'
)


def package(data, *, space=MAIN, before="", after="", strings="", formats="", styles="", book="", slash="/"):
    """An .xlsx file by hand: the rows of its only sheet, and what stands around them."""
    related = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    relation = '<Relationship Id="{}" Type="' + OFFICE + '/{}" Target="{}"/>'
    parts = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": related.format(relation.format("r1", "officeDocument", "/xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{space}" xmlns:r="{OFFICE}">{book}<sheets>'
        '<sheet name="People" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": related.format(
            relation.format("r1", "worksheet", "worksheets/sheet1.xml")
            + relation.format("r2", "sharedStrings", "sharedStrings.xml")
            + relation.format("r3", "styles", "styles.xml")
        ),
        "xl/sharedStrings.xml": f'<sst xmlns="{space}">{strings}</sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{space}"><numFmts>{formats}</numFmts><cellXfs>{styles}</cellXfs>'
        "</styleSheet>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{space}">{before}<sheetData>{data}</sheetData>{after}'
        "</worksheet>",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("/", slash), text)
    return content.getvalue()


def row_of(value, attributes="", cell=""):
    return f'{HEADER}<row r="2" {attributes}><c r="A2" t="str"><v>Ann</v></c><c r="B2" {cell}>{value}</c></row>'


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (package(row_of("<v>4.47700900123E11</v>")), "447700900123"),
        (package(row_of("<v>42</v>"), space=STRICT), "42"),
        (package(row_of("<v>42</v>"), slash="\\"), "42"),
        (package(HEADER + '<row r="2"><c r="B2"><v>42</v></c><c r="A2"><v>1</v></c></row>'), "42"),
        (package('<row r="2"><c r="B2"><v>42</v></c></row>' + HEADER), "42"),
        (package(HEADER.replace(' r="1"', "") + "<row><c/><c><v>42</v></c></row>"), "42"),
        (package(row_of("<v>2026-03-14T00:00:00</v>", cell='t="d" s="0"'), styles='<xf numFmtId="14"/>'), "2026-03-14"),
        (package(row_of("<v>46095</v>", cell='s="0"'), styles='<xf numFmtId="31"/>'), "2026-03-14"),
        (package(row_of("<v>0</v>", cell='t="s"'), strings="<si><t xml:space='preserve'> a_x000D_b</t></si>"), " a\rb"),
        (
            package(
                row_of("<v>0</v>", cell='t="s"'), strings="<si><t>山田</t><rPh sb='0' eb='2'><t>ヤマダ</t></rPh></si>"
            ),
            "山田",
        ),
        (package(row_of("<is><r><t>a</t></r><r><t>b</t></r><rPh><t>c</t></rPh></is>", cell='t="inlineStr"')), "ab"),
        (package(row_of("<f>A1</f><v/>", cell='t="str"')), ""),
        (package(row_of("<f>1+1</f><v>2</v>")), "2"),
        (package(row_of("<v>0</v>", cell='t="s"'), strings="<si><r><t>a</t></r><r><t> b</t></r></si>"), "a b"),
        (package(row_of("<v>1</v>", cell='t="b"')), "TRUE"),
        (package(row_of("<v>true</v>", cell='t="b"')), "TRUE"),
        (package(row_of("<v>5</v>", cell='s="7"')), "5"),
        (package(row_of("<v>42.50</v>", cell='s="0"'), styles='<xf numFmtId="2"/>'), "42.50"),
        (package(row_of("<v>1</v>"), book='<workbookPr date1904="1"/>', styles='<xf numFmtId="14"/>'), "1904-01-02"),
        (
            package(
                row_of("<v>2026-03-14T00:00:00</v>", cell='t="d"'),
                book='<workbookPr date1904="1"/>',
                styles='<xf numFmtId="14"/>',
            ),
            "2026-03-14",
        ),
        (
            package(
                row_of("<v>42</v>", cell='s="0"'),
                formats='<numFmt numFmtId="2" formatCode="0000&quot;!&quot;"/>',
                styles='<xf numFmtId="2"/>',
            ),
            "0042!",
        ),
    ],
)
def test_what_other_programs_write_is_read(content, shown):
    frame, said = read(content)
    assert frame["v"].fillna("").tolist() == [shown]
    assert said == {}


@pytest.mark.parametrize("attributes", ['hidden="true"', 'ht="0" customHeight="1"', 'ht="0.5"', 'hidden="1" ht="15"'])
def test_a_row_is_hidden_in_whatever_way_it_is_written(attributes):
    content = package(row_of("<v>1</v>", attributes) + '<row r="3"><c r="A3" t="str"><v>Ben</v></c></row>')
    assert names(content) == ["Ben"]


@pytest.mark.parametrize("raw", ["1E999999999", "NaN", "INF", "four"])
@pytest.mark.parametrize("number", ["0", "4", "14"])
def test_a_number_that_no_cell_can_hold_is_damage(raw, number):
    with pytest.raises(InvalidInput, match="damaged"):
        read(package(row_of(f"<v>{raw}</v>"), styles=f'<xf numFmtId="{number}"/>'))


@pytest.mark.parametrize("place", ['r="A1048577"', 'r="XFE2"', 'r="0"'])
def test_a_cell_where_no_sheet_has_one_is_damage(place):
    row = place.replace("A", "").replace("XFE", "")
    with pytest.raises(InvalidInput, match="damaged"):
        read(package(f"{HEADER}<row {row}><c {place}><v>1</v></c></row>"))


def test_a_currency_that_a_file_does_not_name_is_not_guessed():
    frame, said = read(package(row_of("<v>5</v>", cell='s="0"'), styles='<xf numFmtId="44"/>'))
    assert frame["v"].tolist() == ["5"]
    assert "'[built-in 44]'" in said["formats"]


@given(st.data())
def test_a_workbook_with_a_hole_in_it_is_read_or_refused(data):
    source = people(filtered)
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(parts)))
    start = data.draw(st.integers(0, len(parts[name])))
    parts[name] = parts[name][:start] + parts[name][start + data.draw(st.integers(1, 40)) :]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for part, text in parts.items():
            archive.writestr(part, text)
    try:
        frame, _ = read(content.getvalue())
    except InvalidInput:
        return
    assert len(frame) > 0


# --- .ods ---

ODF = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
    "style": "urn:oasis:names:tc:opendocument:xmlns:style:1.0",
}


def ods(*tables, manifest="", kind="spreadsheet"):
    """An .ods file of sheets, each the XML of its columns and rows."""
    spaces = " ".join(f'xmlns:{short}="{name}"' for short, name in ODF.items())
    style = (
        '<style:style style:name="seen" style:family="table"><style:table-properties table:display="true"/>'
        '</style:style><style:style style:name="unseen" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    body = "".join(tables)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:automatic-styles>{style}</office:automatic-styles>"
            f"<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>",
        )
    return content.getvalue()


def ods_sheet(rows, name="People", style="seen", columns=""):
    return f'<table:table table:name="{name}" table:style-name="{style}">{columns}{rows}</table:table>'


def ods_row(*cells, attributes=""):
    return f"<table:table-row {attributes}>{''.join(map(ods_cell, cells))}</table:table-row>"


def ods_cell(cell):
    if cell.startswith("<"):
        return cell
    return f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'


def ods_value(kind, value, shown, more=""):
    attribute = {"float": "value", "currency": "value", "percentage": "value"}.get(kind, f"{kind}-value")
    return (
        f'<table:table-cell office:value-type="{kind}" office:{attribute}="{value}" {more}>'
        f"<text:p>{shown}</text:p></table:table-cell>"
    )


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (ods_value("float", 42, "000042"), "000042"),
        (ods_value("float", 7700900123, "07700900123"), "07700900123"),
        (ods_value("float", 447700900123, "4.477E+011"), "447700900123"),
        (ods_value("float", 447700900123, "###"), "447700900123"),
        (ods_value("float", 447700900123, ""), "447700900123"),
        (ods_value("currency", 1250.5, "R 1 250,50"), "R 1 250,50"),
        (ods_value("percentage", 0.15, "15 %"), "15 %"),
        (ods_value("date", "2026-03-14", "14/03/26"), "2026-03-14"),
        (ods_value("date", "2026-03-14T09:30:00", "14/03/26 09:30"), "2026-03-14 09:30:00"),
        (ods_value("date", "2026-03-14T09:30:00.5", "14/03/26"), "2026-03-14"),
        (ods_value("date", "2026-03-14", "14/03/26 00:00"), "2026-03-14 00:00:00"),
        (ods_value("time", "PT18H05M00S", "06:05 PM"), "18:05"),
        (ods_value("time", "PT09H30M15S", "09:30:15"), "09:30:15"),
        (ods_value("time", "PT36H05M00S", "36:05"), "36:05"),
        (ods_value("time", "PT00H05M30S", "05:30"), "05:30"),
        (ods_value("boolean", "true", "WAHR"), "TRUE"),
        ('<table:table-cell office:value-type="string"><text:p>#N/A</text:p></table:table-cell>', "#N/A"),
        (ods_cell("a</text:p><text:p>b"), "a\nb"),
        (ods_cell("A<office:annotation><text:p>a remark</text:p></office:annotation>B"), "AB"),
        (ods_cell('A<text:s text:c="2"/>B<text:span>C</text:span><text:line-break/>D<text:tab/>'), "A  BC\nD\t"),
        (
            '<table:table-cell office:value-type="string"><office:annotation><text:p>a remark</text:p>'
            "</office:annotation><text:p>Ben</text:p></table:table-cell>",
            "Ben",
        ),
        ("<table:table-cell/>", ""),
    ],
)
def test_a_cell_of_libreoffice_is_read_as_it_is_shown(cell, shown):
    frame, said = read(ods(ods_sheet(ods_row("name", "v") + ods_row("Ann", cell))))
    assert frame["v"].fillna("").tolist() == [shown]
    assert said == {}


def test_rows_that_libreoffice_hides_are_left_out_and_said():
    hidden = ods_row("Ben", attributes='table:visibility="filter"') + ods_row(
        "Dee", attributes='table:visibility="collapse" table:number-rows-repeated="2"'
    )
    blank = '<table:table-row table:number-rows-repeated="5000"><table:table-cell/></table:table-row>'
    content = ods(ods_sheet(ods_row("name") + ods_row("Ann") + hidden + blank + ods_row("Cy")))
    frame, said = read(content)
    assert frame["name"].tolist() == ["Ann", "Cy"]
    assert said["hidden rows"].startswith("3 rows are hidden in the sheet, by hand or by a filter (rows 3, 4, 5)")
    assert names(content, hidden="keep") == ["Ann", "Ben", "Dee", "Dee", "Cy"]


def test_sheets_columns_formulas_and_merged_cells_of_libreoffice_are_said():
    columns = '<table:table-column/><table:table-column table:visibility="collapse"/>'
    formula = '<table:table-cell table:formula="of:=1+1"/>'
    merged = ods_cell("x").replace("<table:table-cell", '<table:table-cell table:number-rows-spanned="2"')
    rows = ods_row("name", "code", "due", "group") + ods_row("Ann", "1", formula, merged) + ods_row("Ben", "2")
    frame, said = read(
        ods(
            ods_sheet("", "Cover"),
            ods_sheet(ods_row("name"), "Old", "unseen"),
            ods_sheet(rows, columns=columns),
        )
    )
    assert frame["name"].tolist() == ["Ann", "Ben"]
    assert list(said) == ["sheet", "hidden columns", "formulas", "merged cells"]
    assert "Hidden are 'Old'" in said["sheet"]
    assert "column B ('code')" in said["hidden columns"]
    assert "D2:D3" in said["merged cells"]


# --- .xls, by calamine ---


STREAM = 3 * 512
"""Where the stream of such a container begins."""


def ole(name, stream):
    """A container of old Office files with one stream (MS-CFB), of more than 4,096 bytes so that it has sectors."""
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * 4 * 108
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, 2 + sectors), 0xFFFFFFFE]
    table = struct.pack(f"<{len(chain)}I", *chain).ljust(512, b"\xff")

    def entry(title, kind, child, start, size):
        text = (title + "\0").encode("utf-16-le")
        return (
            text.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(text), kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    folder = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(name, 2, 0xFFFFFFFF, 2, len(stream))
    return header + table + folder.ljust(512, b"\0") + stream


def xls(rows):
    """An .xls file (MS-XLS) of one sheet called People."""

    def record(number, data):
        return struct.pack("<HH", number, len(data)) + data

    def cell(row, column, value):
        place = struct.pack("<HHH", row, column, 0)
        if isinstance(value, str):
            return record(0x0204, place + struct.pack("<HB", len(value), 1) + value.encode("utf-16-le"))
        return record(0x0203, place + struct.pack("<d", value))

    start, end = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 6)), record(0x000A, b"")
    title = struct.pack("<BB", 6, 1) + "People".encode("utf-16-le")
    offset = len(start) + 4 + 6 + len(title) + len(end)
    book = start + record(0x0085, struct.pack("<IBB", offset, 0, 0) + title) + end
    sheet = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 6))
    cells = (cell(row, column, value) for row, line in enumerate(rows) for column, value in enumerate(line))
    return ole("Workbook", book + sheet + b"".join(cells) + end)


def test_an_xls_file_is_read_and_what_cannot_be_told_is_said():
    content = xls([["name", "mobile"], ["Zoë", 447700900123.0], ["Ben", "07700 900124"]])
    frame, said = read(content)
    assert frame.to_numpy().tolist() == [["Zoë", "447700900123"], ["Ben", "07700 900124"]]
    assert "rows that a filter hides are among the people" in said["kind of file"]
    assert read(content, hidden="keep", sheet="people")[0].equals(frame)
    with pytest.raises(InvalidInput, match="Which rows are hidden cannot be told"):
        read(content, hidden="leave out")


def test_an_xls_file_on_which_calamine_panics_is_damaged():
    content = bytearray(xls(PEOPLE))
    content[STREAM + 2] = 0  # the length of the first record
    with pytest.raises(InvalidInput, match="damaged"):
        read(bytes(content))


def test_xls_without_calamine_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(InvalidInput, match=r"pip install 'clicknb\[excel\]'"):
        read(xls(PEOPLE))


def test_xlsx_and_ods_need_nothing_that_is_not_installed(monkeypatch):
    content = people()
    for name in ("python_calamine", "openpyxl"):
        monkeypatch.setitem(sys.modules, name, None)
    assert names(content) == ["Ann", "Ben", "Cy"]
    assert names(ods(ods_sheet(ods_row("name") + ods_row("Ann")))) == ["Ann"]


# --- files that are something else ---


def zipped(*members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in members:
            archive.writestr(name, "x")
    return content.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
HTML = "<table><tr><td>name</td></tr><tr><td>Ann</td></tr></table>"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        (ole("EncryptedPackage", b"x"), "protected by a password"),
        (ods(manifest="<manifest:encryption-data/>"), "protected by a password"),
        (ole("WordDocument", b"x"), "a Word document"),
        (ole("PowerPoint Document", b"x"), "PowerPoint"),
        (ole("__substg1.0_0037001F", b"x"), "Outlook"),
        (ole("Workbook", b"nothing that is a workbook"), "damaged"),
        (OLE, "no workbook is in it"),
        (HTML.encode(), "a web page"),
        (b"\xef\xbb\xbf\r\n  <!DOCTYPE html>\n<p>", "a web page"),
        (HTML.encode("utf-16"), "a web page"),
        (b"<html xmlns:x='urn:schemas-microsoft-com:office:excel'>", "a web page"),
        (b"<!-- saved --> <TABLE border=1>", "a web page"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n", "a web archive"),
        (
            b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n'
            b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet/></Workbook>',
            "XML spreadsheet of Excel 2003",
        ),
        (b'<?xml version="1.0"?><office:document xmlns:office="x"/>', "a flat OpenDocument"),
        (b'<?xml version="1.0"?><people><p/></people>', "an XML file"),
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nEND:VCARD\r\n", "vCard"),
        (b"BEGIN:VCALENDAR\r\n", "a calendar"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"junk before\n%PDF-1.4\n", "a PDF"),
        (b"{\\rtf1\\ansi name}", "RTF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a picture"),
        (b"GIF89a\x01\0", "a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a picture"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "an archive"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "an archive"),
        (b"Rar!\x1a\x07\x01\0", "an archive"),
        (b"people.csv".ljust(257, b"\0") + b"ustar\x0000", "an archive"),
        (zipped("people.csv", "readme.txt"), "an archive .* 'people.csv', 'readme.txt'"),
        (zipped(), "an archive .* nothing"),
        (zipped("people.xlsx").replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"), "by a password"),
        (zipped("[Content_Types].xml", "word/document.xml"), "a Word document"),
        (zipped("[Content_Types].xml", "ppt/presentation.xml"), "PowerPoint"),
        (zipped("Index/Document.iwa", "Metadata/Properties.plist"), "Numbers or Pages"),
        (zipped("people.numbers/Index.zip"), "Numbers or Pages"),
        (ods(kind="text"), "a text document"),
        (zipped("META-INF/container.xml", "mimetype"), "an e-book"),
        (b"SQLite format 3\0\x10\0", "a SQLite database"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"\0\x01\0\0Standard ACE DB\0", "Access"),
        (b'[{"name": "Ann"}]', "JSON"),
        (b'\n{"people": []}', "JSON"),
        (b'[["name"], ["Ann"]]', "JSON"),
        (b'{"name": "Ann"}\n{"name": "Ben"}\n', "JSON"),
        (b'{"url": "https://docs.example/x", "doc_id": "y"}', "a link to a document"),
        (b"From: ann@example.com\nTo: ben@example.com\nSubject: numbers\n\nHi", "an e-mail"),
        (b"Received: from mail\n by mx\nReturn-Path: <a@example.com>\n", "an e-mail"),
        (b'ID;PWXL;N;E\nP;PGeneral\nC;Y1;X1;K"name"\nE\n', "SYLK"),
        (b'TABLE\n0,1\n"EXCEL"\n', "DIF"),
        (b"\x09\x08\x08\0\0\x05\x10\0", "before 1997"),
    ],
)
def test_a_file_that_is_no_table_is_named_for_what_it_is(content, named):
    with pytest.raises(InvalidInput, match=re.compile(named)) as refusal:
        read(content)
    assert "Nothing was sent" in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "ID;Phone\n1;447700900123\n",
        "BMI,mobile\n20,447700900123\n",
        "From,To\na,b\n",
        "[name],x\nAnn,1\n",
        "{name},x\nAnn,1\n",
        "PK,mobile\n1,447700900123\n",
        "MZ,mobile\n1,2\n",
        "Subject: x,y\nAnn,1\n",
        "table,seat\n1,2\n",
        "<name>,x\nAnn,1\n",
        "7z,x\n1,2\n",
        "name,note\nAnn,<table>\n",
        'name,note\nAnn,"see %PDF"\n',
        "GIF,x\n1,2\n",
    ],
)
def test_a_text_that_only_begins_like_something_else_is_read(text):
    assert len(read(text.encode())[0]) == 1
    assert len(read_recipients(io.StringIO(text))) == 1


def test_an_open_text_file_is_looked_at_too():
    with pytest.raises(InvalidInput, match="a web page"):
        read_recipients(io.StringIO(HTML))


def test_columns_of_one_name_are_refused_and_one_column_is_enough():
    with pytest.raises(InvalidInput, match="Several columns are called 'phone'"):
        read(people(rows=[["phone", "phone"], ["447700900123", "447700900124"]]))
    assert read(people(rows=[["mobile"], [447700900123]]))[0]["mobile"].tolist() == ["447700900123"]
