"""Tables of people, read with every cell as text."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pandas as pd

from clicknb.cells import as_text, nearest
from clicknb.checks import refuse
from clicknb.export import unguarded
from clicknb.recipients.delimited import read_delimited
from clicknb.recipients.encodings import decode
from clicknb.recipients.file_kinds import is_workbook, refuse_what_is_no_table
from clicknb.recipients.notes import with_notes
from clicknb.recipients.workbook import read_workbook

_LOOKS_LIKE_A_NUMBER = re.compile(r"[+(]?\d[\d\s().-]{6,}", re.ASCII)

Source = str | os.PathLike[str] | IO[str] | IO[bytes] | pd.DataFrame


def read_recipients(
    source: Source,
    *,
    sheet: str | None = None,
    hidden: str | None = None,
    sep: str | None = None,
    encoding: str | None = None,
) -> pd.DataFrame:
    r"""Read a table of people with every cell as text.

    Parameters
    ----------
    source
        Path or open file of CSV, TSV or a spreadsheet (.xlsx, .ods; .xls and .xlsb need
        ``pip install clicknb[excel]``), or a DataFrame.
    sheet
        Name of the sheet; the first one that is visible and not empty if None.
    hidden
        ``"keep"`` or ``"leave out"``, for rows of a sheet that are hidden or filtered away. They are left out if None,
        with a warning; a file of which that cannot be told says so.
    sep
        What separates the cells of a text file; found out among comma, semicolon, tab and bar if None.
    encoding
        Of a text file; UTF-8 and then windows-1252 if None.

    Returns
    -------
    pandas.DataFrame
        A column of dtype str for each column of the source, its name stripped (``column 2`` where
        the second has none). Cells are exactly as written (``007`` stays, ``NA`` is text), blank ones missing; what
        a spreadsheet or a DataFrame holds as number or date becomes the text that a person would see, such as
        ``000042`` or ``R 1,250.50``, but dates in ISO and times as HH:MM.
        Rows without any content are left out of files; a DataFrame keeps its rows and its index. Files of
        ``cn.export`` come back as what was exported.

    Raises
    ------
    InvalidInput
        The file is missing, unreadable or without rows; there is no line of names, or two of them are the same; a
        row has more cells than there are columns.

    Examples
    --------
    >>> import io
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
    if isinstance(content, bytes) and is_workbook(content):
        rows, notes = read_workbook(content, sheet, hidden)
        return with_notes(_table(rows), notes)
    refuse_what_is_no_table(content)
    if sheet is not None:
        refuse(f"There is no sheet {sheet!r}: this is a text file.", "Leave the sheet out.")
    text, notes = (content.removeprefix("\ufeff"), []) if isinstance(content, str) else decode(content, encoding)
    rows, more = read_delimited(text, sep)
    people = _table([[unguarded(cell) for cell in row] for row in rows] if _is_export(content) else rows)
    return with_notes(people, [*notes, *more])


def _content(source: str | os.PathLike[str] | IO[str] | IO[bytes]) -> str | bytes:
    if not isinstance(source, str | os.PathLike):
        try:
            return source.read()
        except (AttributeError, OSError, ValueError) as error:
            refuse(f"The table cannot be read: {error}.", "Give a path, an open file or a DataFrame.", error)
    path = Path(source)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        near = nearest(path.name, (one.name for one in path.parent.iterdir())) if path.parent.is_dir() else None
        hint = f" Did you mean {near!r}?" if near else ""
        refuse(f"There is no file {str(source)!r}.{hint}", "Check the name and the folder.", error)
    except OSError as error:
        refuse(f"The file {str(source)!r} cannot be read: {error.strerror}.", "Check that it is a file.", error)


def _is_export(content: str | bytes) -> bool:
    """Tell whether a file begins as those of ``export.to_csv`` do, in which some apostrophes are not people's own."""
    return content.startswith(b'\xef\xbb\xbf"') if isinstance(content, bytes) else content.startswith('\ufeff"')


def _table(rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Make a frame of text out of lines of cells, the first of which are the names."""
    filled = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    if not filled:
        refuse("The file is empty.", "It needs a line of column names and a line for each person.")
    (_, header), *people = filled
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    names = _checked_names([name or f"column {place}" for place, name in enumerate(names, start=1)])
    if not people:
        refuse("The file has column names but no rows.", "Add a line for each person.")
    for number, row in people:
        if any(cell.strip() for cell in row[len(names) :]):
            refuse(
                f"Row {number} of the file has more cells than the {len(names)} columns of the header.",
                "Name every column; put quotation marks around a cell that holds the separator.",
            )
    return pd.DataFrame({name: _column(people, place) for place, name in enumerate(names)})


def _column(people: Sequence[tuple[int, Sequence[str]]], place: int) -> pd.Series[str]:
    cells = (row[place] if place < len(row) else "" for _, row in people)
    return pd.Series([cell if cell.strip() else None for cell in cells], dtype="str")


def _checked_names(names: list[str]) -> list[str]:
    if any(_LOOKS_LIKE_A_NUMBER.fullmatch(name) for name in names):
        refuse("The first line holds a telephone number instead of column names.", "Put a line of names above it.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        refuse(f"Several columns are called {', '.join(map(repr, twice))}.", "Rename all but one.")
    return names
