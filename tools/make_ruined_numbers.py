"""Write notebooks/data/ruined_numbers.xlsx: sixty numbers as spreadsheets, programs and people leave them.

Each row says what happened to it. The numbers are British ones, and a few others, from the ranges that are reserved
for fiction and tests. What the doctor must say of each is in tests/recipients/golden_numbers.csv.
"""

from __future__ import annotations

import re
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path

from openpyxl import Workbook

PLACE = Path(__file__).parents[1] / "notebooks" / "data" / "ruined_numbers.xlsx"
COLUMNS = ("first_name", "mobile", "what_happened")
LONG_AGO = (1980, 1, 1, 0, 0, 0)

FIRST_NAMES = """
    Aisha Amélie Ana André Anita Åsa Ayanda Ben Björn Bongani Camille Carlos Chiara Chloé Claire Daniel David Elena
    Emma Fatima Femi François Grace Hannah Hélène Hiroshi Ian Inès Isabel Jack James Jonas José Jürgen Kavita Kofi
    Lerato Li Lindiwe Louise Lucía Mei Mia Michael Mohammed Moira Nia Noah Nomsa Nora Núria Oliver Olivia Omar Patrick
    Priya Rajesh Renée Rosa Ruth
"""

CELLS: tuple[tuple[str | float | date | None, str], ...] = (
    ("+44 7700 900001", "written for the whole world"),
    ("07700 900002", "written as at home"),
    ("447700900003", "the plus is missing"),
    (447700900004, "became a number: the plus is lost"),
    (7700900005, "became a number: the leading 0 is lost"),
    ("7700 900006", "the leading 0 is lost"),
    ("447700900007.0", "became a decimal number, because another cell was empty"),
    ("7700900008.0", "became a decimal number, and the leading 0 is lost"),
    ("'07700900009", "an apostrophe keeps the 0"),
    ("\u2019+447700900010", "a curly apostrophe keeps the plus"),
    ('="07700900011"', "a program wrote a formula around it"),
    ('"07700900012"', "a program quoted it twice"),
    ("00447700900013", "00 instead of the plus"),
    ("0044 (0)7700 900014", "00, and the 0 in brackets"),
    ("+44 (0)7700 900015", "the 0 in brackets"),
    ("4407700900016", "country code and 0"),
    ("(07700) 900017", "brackets"),
    ("07700-900-018", "dashes"),
    ("07700.900.019", "dots"),
    ("07700/900020", "a slash after the area code"),
    ("[07700] 900021", "square brackets"),
    ("０７７００９０００２２", "full-width digits"),
    ("＋４４（７７００）９０００２３", "full-width digits, plus and brackets"),
    ("٠٧٧٠٠٩٠٠٠٢٤", "Arabic-Indic digits"),
    ("\u202a+447700900025\u202c", "copied from a web page, with direction marks"),
    ("\u200b07700900026", "copied from a chat, with a zero-width space"),
    ("07700\u00a0900\u202f027", "spaces that do not break"),
    ("+44\u20117700\u2011900028", "dashes that do not break"),
    ("\t07700 900029 ", "a tab and a space around it"),
    ("07700 900030,", "the comma of a list"),
    ("4.47700900031E+11", "scientific notation with all its digits"),
    ("4,47700900032E+11", "the same with a decimal comma"),
    ("4.47700900033000E+11", "the same with zeros at the end"),
    ("447,700,900,034", "commas between the thousands"),
    ("33639980035", "a French number without its plus"),
    ("27999000036", "a South African number without its plus"),
    ("+1 (212) 555-0137", "an American number"),
    ("+44 7700 900002", "the number of an earlier row in other words"),
    ("4.477E+11", "scientific notation: digits are lost"),
    ("4.477009E+11", "the same with more digits, and still not all"),
    ("4,48E+11", "the same with a decimal comma"),
    (12120000000, "rounded, then made a number again"),
    ("447700900043.5", "an amount"),
    ("07700 900044 / 07700 900144", "two numbers with a slash"),
    ("07700900045;07700900145", "two numbers with a semicolon"),
    ("07700 900046 or 07700 900146", "two numbers and a word"),
    ("07700900047\n07700900147", "two numbers on two lines"),
    ("0770090004", "a digit is missing"),
    ("077009000491", "a digit too many"),
    ("+44770090050", "a digit is missing after the country code"),
    ("+27999005", "a South African number that was cut off"),
    (date(2026, 3, 14), "became a date"),
    (True, "a tick instead of a number"),
    ("#N/A", "a formula that found nothing"),
    ("O7700 9OOO55", "the letter O for zero"),
    ("07700 900056 ext. 4", "an extension"),
    ("ask her sister", "a note"),
    ("0000000000", "zeros, because the form wanted a number"),
    ("011 44 7700 900059", "dialled from North America"),
    (None, "empty"),
)


def workbook() -> Workbook:
    """Put the cells into a sheet, every text as text."""
    book = Workbook()
    book.remove(book.worksheets[0])
    page = book.create_sheet("People")
    page.append(COLUMNS)
    for name, (mobile, happened) in zip(FIRST_NAMES.split(), CELLS, strict=True):
        page.append((name, mobile, happened))
        if isinstance(mobile, str) and mobile != "#N/A":
            page.cell(page.max_row, 2).data_type = "s"  # or the formula would be one
    for column, width in zip("ABC", (14, 30, 60), strict=True):
        page.column_dimensions[column].width = width
    return book


def saved(book: Workbook) -> bytes:
    """Save a workbook without the time of day, so that the same cells make the same file."""
    first, second = BytesIO(), BytesIO()
    book.save(first)
    with zipfile.ZipFile(first) as source, zipfile.ZipFile(second, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2026-01-01T00:00:00Z", content)
            target.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return second.getvalue()


def main() -> None:
    """Write the file."""
    PLACE.write_bytes(saved(workbook()))
    print(f"wrote {PLACE.name}")


if __name__ == "__main__":
    main()
