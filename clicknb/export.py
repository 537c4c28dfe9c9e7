"""CSV and Excel files that spreadsheets can neither turn into formulas nor round to 4.477E+11.

A frame holds what people typed: a name may be ``=HYPERLINK(...)``, and a spreadsheet would run it. In a CSV file such
a cell begins with an apostrophe, as people write text in a spreadsheet by hand; `read_csv` and
``cn.read_recipients`` take it away again.
In an Excel file every text is a cell of type text with the format "@". The files hold whole numbers and texts:
export ``cn.masked(frame)`` to share one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clicknb.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    import pandas as pd
    from openpyxl.cell import Cell

# What makes a line of a cell a formula, after spaces of any kind. The wide forms work in East Asian versions.
_FORMULA = r"(?:[^\S\r\n]|[\u200b-\u200f\u2060\ufeff])*[=+\-@|%\t\r＝＋－＠]"
# Digits that would lose their zeros, or become a rounded number.
_DIGITS = r"(?:(?:\d{7,}|0\d+)(?:\.0*)?|\d+(?:[.,]\d*)?[eE][+-]?\d+)\Z"
# Apostrophes that are there already count as part of the cell, or reading could not tell them apart.
_DANGER = rf"'*(?:{_FORMULA}|{_DIGITS})"
_LINE_START = r"(?:\A|(?<=[\r\n]))"
_EXPOSED = re.compile(f"{_LINE_START}(?={_DANGER})")
_GUARDED = re.compile(f"{_LINE_START}'(?={_DANGER})")

# How Excel writes in XML what XML would change (ECMA-376, 22.9.2.19, ST_Xstring).
_ESCAPED = re.compile(r"\r|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")

_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_EXCEL_ROWS = 1_048_576
_LONG = 10**6


def to_csv(frame: pd.DataFrame, path: str | PathLike[str], *, index: bool = True) -> None:
    r"""Write a frame as CSV (UTF-8 with a mark, all cells quoted) that is safe to open in a spreadsheet.

    Cells, headers and index labels that a spreadsheet would run or round get a leading apostrophe: text that begins
    with ``= + - @ | %``, a tab or a carriage return, after spaces or on an inner line, and text of seven or more
    digits or with a leading zero. Numbers stay numbers; a missing value is an empty cell.

    Raises
    ------
    InvalidInput
        The file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, pandas as pd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_csv(pd.DataFrame({"to": ["447700900123"], "name": ["=1+1"]}), f"{folder}/a.csv", index=False)
    ...     text = pathlib.Path(f"{folder}/a.csv").read_text(encoding="utf-8-sig")
    ...     back = read_csv(f"{folder}/a.csv")
    >>> text.splitlines()[1]
    '"\'447700900123","\'=1+1"'
    >>> back.loc[0, "name"]
    '=1+1'
    """
    try:
        with Path(path).open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([_guard(cell) for cell in row] for row in _rows(frame, index=index))
    except OSError as error:
        raise _unusable(path, error) from error


def read_csv(path: str | PathLike[str], *, index: int = 0) -> pd.DataFrame:
    """Read a file of `to_csv` back: every cell as the text it was, an empty cell as missing.

    Parameters
    ----------
    path
        The file.
    index
        How many leading columns are the index.

    Raises
    ------
    InvalidInput
        The file cannot be read.
    """
    import pandas as pd

    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = [[unguarded(cell) for cell in row] for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unusable(path, error) from error
    head, *body = rows or [[]]
    if any(len(row) != len(head) for row in body):
        message = f"{path}: its rows are not all as long as its header, so nothing was read. Write it with to_csv."
        raise InvalidInput(message)
    cells = pd.DataFrame([[cell or None for cell in row] for row in body], columns=head, dtype="str")
    if not index:
        return cells
    labels = pd.MultiIndex.from_frame(cells.iloc[:, :index], names=[name or None for name in head[:index]])
    return cells.iloc[:, index:].set_axis(labels if index > 1 else labels.get_level_values(0))


def to_excel(frame: pd.DataFrame, path: str | PathLike[str]) -> None:
    """Write a frame as an Excel file in which every text is text, the index first.

    Times are written as text with their zone, which Excel has no type for. Control characters, which Excel files
    cannot hold, become a replacement character.

    Raises
    ------
    ConfigError
        The package openpyxl is not installed.
    InvalidInput
        The frame is too long for Excel, or the file cannot be written.
    """
    try:
        from openpyxl import Workbook
    except ImportError as error:
        message = "Excel files need the package openpyxl; nothing was written. Install it: pip install 'clicknb[excel]'"
        raise ConfigError(message) from error
    if len(frame) >= _EXCEL_ROWS:
        message = f"Excel holds {_EXCEL_ROWS - 1:,} rows and this frame has {len(frame):,}: write it with to_csv."
        raise InvalidInput(message)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("clicknb")
    sheet.freeze_panes = "A2"
    for row in _rows(frame, index=True):
        sheet.append([_excel_cell(sheet, value) for value in row])
    content = BytesIO()
    book.save(content)
    try:
        Path(path).write_bytes(content.getvalue())
    except OSError as error:
        raise _unusable(path, error) from error


def unguarded(cell: str) -> str:
    """Take away the apostrophes that `to_csv` put before a formula or a number.

    Examples
    --------
    >>> unguarded("'=1+1"), unguarded("'tis")
    ('=1+1', "'tis")
    """
    return _GUARDED.sub("", cell)


def unescaped(cell: str) -> str:
    r"""Read the text of an Excel cell, where ``_x000D_`` is a carriage return.

    Examples
    --------
    >>> unescaped("a_x000D_b"), unescaped("_x005F_x000D_")
    ('a\rb', '_x000D_')
    """
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), cell)


def _rows(frame: pd.DataFrame, *, index: bool) -> Iterator[list[Any]]:
    """Yield the header and the rows, each value as a finite number, a bool or a text; missing as an empty text."""
    names = ["" if name is None else str(name) for name in frame.index.names] if index else []
    yield [*names, *(str(name) for name in frame.columns)]
    for label, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        labels = label if isinstance(label, tuple) else (label,)
        yield [_value(value) for value in ((*labels, *row) if index else row)]


def _value(value: Any) -> str | int | float:
    import pandas as pd

    if pd.isna(value) is True:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, int) and abs(value) < _LONG:
        return value
    return value if isinstance(value, float) and abs(value) != float("inf") else str(value)


def _guard(value: str | float) -> str | float:
    return _EXPOSED.sub("'", value) if isinstance(value, str) else value


def _excel_cell(sheet: Any, value: str | float) -> Cell | float | None:
    from openpyxl.cell import WriteOnlyCell

    if not isinstance(value, str):
        return value
    if not value:
        return None
    text = _ESCAPED.sub(lambda found: "_x000D_" if found[0] == "\r" else "_x005F_", value)
    cell = WriteOnlyCell(sheet, value=_NO_XML.sub("\ufffd", text))
    cell.data_type = "s"
    cell.number_format = "@"
    return cell


def _unusable(path: str | PathLike[str], error: Exception) -> InvalidInput:
    reason = error.strerror if isinstance(error, OSError) else "it is not a CSV file in UTF-8"
    return InvalidInput(f"{path}: {reason}. Name another file, or make its folder; nothing was sent.")
