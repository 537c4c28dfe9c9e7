"""Tables of people, read with every cell as text."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

import pandas as pd

from clicknb.cells import as_text, cell_text, nearest
from clicknb.errors import InvalidInput
from clicknb.export import unescaped, unguarded

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell

_SEPARATORS = ",;\t|"
_SNIFFED_LINES = 20
_SNIFFED_CHARACTERS = 65_536
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, OSError, EOFError, SyntaxError)
_LOOKS_LIKE_A_NUMBER = re.compile(r"[+(]?\d[\d\s().-]{6,}", re.ASCII)

Source = str | os.PathLike[str] | IO[str] | IO[bytes] | pd.DataFrame


def read_recipients(
    source: Source, *, sheet: str | None = None, sep: str | None = None, encoding: str | None = None
) -> pd.DataFrame:
    r"""Read a table of people with every cell as text.

    Parameters
    ----------
    source
        Path or open file of CSV, TSV or Excel (.xlsx; needs ``pip install clicknb[excel]``), or a DataFrame.
    sheet
        Name of the Excel sheet; the first one if None.
    sep
        What separates the cells of a text file; found out among comma, semicolon, tab and bar if None.
    encoding
        Of a text file; UTF-8 and then windows-1252 if None.

    Returns
    -------
    pandas.DataFrame
        A column of dtype str for each column of the source, its name stripped (``column 2`` where
        the second has none). Cells are exactly as written (``007`` stays, ``NA`` is text), blank ones missing; what
        Excel or a DataFrame holds as number or date becomes the text that a spreadsheet would show, dates in ISO.
        Rows without any content are left out of files; a DataFrame keeps its rows and its index. Files of
        ``cn.export`` come back as what was exported.

    Raises
    ------
    InvalidInput
        The file is missing, unreadable or without rows; there is no line of names, or two of them are the same; a
        row has more cells than there are columns.

    Examples
    --------
    >>> read_recipients(io.StringIO("name;mobile\nAnn;07700 900123\nBen;007\n"))
      name        mobile
    0  Ann  07700 900123
    1  Ben           007
    """
    if isinstance(source, pd.DataFrame):
        names = _checked_names([str(name).strip() for name in source.columns])
        columns = {name: as_text(source.iloc[:, place]) for place, name in enumerate(names)}
        return pd.DataFrame(columns, index=source.index)
    content = _content(source)
    if isinstance(content, bytes) and content.startswith(_ZIP):
        return _table(_excel_rows(content, sheet))
    if isinstance(content, bytes) and content.startswith(_OLD_EXCEL):
        _refuse("This is an Excel file of the old kind (.xls).", "Save it as .xlsx or CSV.")
    if sheet is not None:
        _refuse(f"There is no sheet {sheet!r}: this is a text file.", "Leave the sheet out.")
    text = content.removeprefix("\ufeff") if isinstance(content, str) else _decoded(content, encoding)
    rows = _csv_rows(text, _sniffed(text) if sep is None else sep)
    return _table([[unguarded(cell) for cell in row] for row in rows] if _is_export(content) else rows)


def _refuse(what: str, remedy: str, cause: Exception | None = None) -> NoReturn:
    message = f"{what} Nothing was sent. {remedy}"
    raise InvalidInput(message) from cause


def _content(source: str | os.PathLike[str] | IO[str] | IO[bytes]) -> str | bytes:
    if not isinstance(source, str | os.PathLike):
        try:
            return source.read()
        except (AttributeError, OSError, ValueError) as error:
            _refuse(f"The table cannot be read: {error}.", "Give a path, an open file or a DataFrame.", error)
    path = Path(source)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        near = nearest(path.name, (one.name for one in path.parent.iterdir())) if path.parent.is_dir() else None
        hint = f" Did you mean {near!r}?" if near else ""
        _refuse(f"There is no file {str(source)!r}.{hint}", "Check the name and the folder.", error)
    except OSError as error:
        _refuse(f"The file {str(source)!r} cannot be read: {error.strerror}.", "Check that it is a file.", error)


def _is_export(content: str | bytes) -> bool:
    """Tell whether a file begins as those of ``export.to_csv`` do, in which some apostrophes are not people's own."""
    return content.startswith(b'\xef\xbb\xbf"') if isinstance(content, bytes) else content.startswith('\ufeff"')


def _decoded(content: bytes, encoding: str | None) -> str:
    if encoding is None and content.startswith(_UTF16):
        encoding = "utf-16"
    for name in [encoding] if encoding else ["utf-8-sig", "cp1252"]:
        try:
            return content.decode(name)
        except LookupError as error:
            _refuse(f"The encoding {name!r} is unknown.", "Use one such as 'utf-8' or 'cp1252'.", error)
        except UnicodeDecodeError:
            continue
    _refuse(
        f"The file is not text in {encoding or 'UTF-8 or windows-1252'}.", "Save it as CSV UTF-8, or name encoding=."
    )


def _sniffed(text: str) -> str:
    """Find the separator by which the first lines have the most columns, all of them equally many."""

    def columns(separator: str) -> tuple[int, int]:
        lines = csv.reader(io.StringIO(text[:_SNIFFED_CHARACTERS], newline=""), delimiter=separator)
        widths = [len(line) for line, _ in zip(lines, range(_SNIFFED_LINES), strict=False) if line]
        alike = sum(width == widths[0] for width in widths)
        return (alike, widths[0]) if widths and widths[0] > 1 else (0, 0)

    return max(_SEPARATORS, key=columns)


def _csv_rows(text: str, sep: str) -> list[list[str]]:
    if len(sep) != 1:
        _refuse(f"The separator {sep!r} is not one character.", "Leave sep out, or use one such as ';'.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        _refuse(f"Line {reader.line_num} of the file cannot be read: {error}.", "Check its quotation marks.", error)


def _excel_rows(content: bytes, sheet: str | None) -> list[list[str]]:
    try:
        import openpyxl
    except ImportError as error:
        _refuse("Reading Excel needs openpyxl.", "Run: pip install 'clicknb[excel]', or save the sheet as CSV.", error)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        pages = {page.title: page for page in book.worksheets}
        page = pages.get(next(iter(pages)) if sheet is None else sheet)
        if page is not None:
            page.reset_dimensions()  # what some programs write there is too small
            return [[_excel_text(cell) for cell in row] for row in page.iter_rows()]
    except _DAMAGED as error:
        _refuse("The Excel file is damaged.", "Open it in a spreadsheet and save it again as .xlsx.", error)
    _refuse(f"There is no sheet {sheet!r}; there are {', '.join(map(repr, pages))}.", "Correct the name.")


def _excel_text(cell: Cell | MergedCell) -> str:
    """Read a cell as Excel shows it: midnight belongs to a date unless its format has hours."""
    text = unescaped(cell.value) if isinstance(cell.value, str) else cell_text(cell.value)
    shows_hours = isinstance(cell.value, date) and "h" in (cell.number_format or "").lower()
    return f"{text} 00:00:00" if shows_hours and ":" not in text else text


def _table(rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Make a frame of text out of lines of cells, the first of which are the names."""
    filled = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if not filled:
        _refuse("The file is empty.", "It needs a line of column names and a line for each person.")
    (_, header), *people = filled
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    names = _checked_names([name or f"column {place}" for place, name in enumerate(names, start=1)])
    if not people:
        _refuse("The file has column names but no rows.", "Add a line for each person.")
    for number, row in people:
        if any(cell.strip() for cell in row[len(names) :]):
            _refuse(
                f"Row {number} of the file has more cells than the {len(names)} columns of the header.",
                "Name every column; put quotation marks around a cell that holds the separator.",
            )
    return pd.DataFrame({name: _column(people, place) for place, name in enumerate(names)})


def _column(people: Sequence[tuple[int, Sequence[str]]], place: int) -> pd.Series[str]:
    cells = (row[place] if place < len(row) else "" for _, row in people)
    return pd.Series([cell if cell.strip() else None for cell in cells], dtype="str")


def _checked_names(names: list[str]) -> list[str]:
    if any(_LOOKS_LIKE_A_NUMBER.fullmatch(name) for name in names):
        _refuse("The first line holds a telephone number instead of column names.", "Put a line of names above it.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        _refuse(f"Several columns are called {', '.join(map(repr, twice))}.", "Rename all but one.")
    return names
