"""Tables of people, read with every cell as text."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO

import pandas as pd

from clicknb.cells import as_text, nearest
from clicknb.checks import described, refuse
from clicknb.display import mask_digits
from clicknb.export import unguarded
from clicknb.recipients.delimited import read_delimited
from clicknb.recipients.encodings import decode
from clicknb.recipients.file_kinds import is_workbook, refuse_what_is_no_table
from clicknb.recipients.notes import said, with_notes
from clicknb.recipients.quick import read_quickly
from clicknb.recipients.workbook import read_workbook

_LOOKS_LIKE_A_NUMBER = re.compile(r"'?[+(]?\d[\d\s().-]{6,}", re.ASCII)
_ADDRESS = re.compile(r"(?:https?|ftp|file|s3|gs|data):", re.IGNORECASE)
_LARGEST = 512 * 2**20

_OTHER_SOURCES = (
    "Give a path, an open file (opened with 'rb') or a DataFrame: pandas.DataFrame(...) makes one of lists and dicts."
)

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
        ``pip install clicknb[excel]``), up to 512 MB, or a DataFrame.
    sheet
        Name of the sheet; the first one that is visible and not empty if None.
    hidden
        ``"keep"`` or ``"leave out"``, for rows of a sheet that are hidden or filtered away. They are left out if None,
        with a warning; a file of which that cannot be told says so.
    sep
        What separates the cells of a text file; found out if None.
    encoding
        Of a text file, such as ``"cp1252"``: obeyed without a word; found out if None.

    Returns
    -------
    pandas.DataFrame
        A column of dtype str for each column of the source, its name stripped (``column 2`` where
        the second has none). Cells are exactly as written (``007`` stays, ``NA`` is text), blank ones missing; what
        a spreadsheet or a DataFrame holds as number or date becomes the text that a person would see, such as
        ``000042`` or ``R 1,250.50``, but dates in ISO and times as HH:MM.
        Rows without any content are left out of files; a DataFrame keeps its rows and its index. Files of
        ``cn.export`` come back as what was exported.

    Warns
    -----
    TableWarning
        What the reader had to decide about the file. It stays with the table: plan and form say it too.

    Raises
    ------
    InvalidInput
        The file is missing, unreadable or without rows; there is no line of names, or two of them are the same; a
        row has more cells than there are columns; or there are two ways to read the file. Lines are named.

    Notes
    -----
    Text files are read by these rules: what is certain is read, what is likely is read and said, and the rest is
    refused with what to do.

    *Encodings.* Certain: UTF-8, and UTF-16 and UTF-32 if they have a mark, or zero bytes where ASCII has them. Said:
    a code page in which the words of the file are words, where in all others that are common they are not; such as
    windows-1252, 1250, 1251, 1253 to 1257, KOI8, those of DOS and of old Macs, Shift JIS, GB 18030, Big5 and EUC-KR.
    Refused: all else, with what each of the likeliest would read; UTF-8 with broken lines; zero bytes.

    *Separators.* Comma, semicolon, tab or bar, the one by which most lines have equally many cells; or what a first
    line ``sep=;`` says, as Excel writes it. Refused: two that serve equally well, and one column that looks like
    several, with the separator that is likely.

    *Quotation marks* are doubled inside of a quoted cell; blanks around them do not count. Refused: one that is not
    closed where its cell ends, and one that swallows lines which look like rows of their own; the line is the one in
    which it opens. A line break in a quoted cell is part of it.

    *Lines above the names.* Comments (``#``) and titles of one cell are left out, and said, if numbers follow only
    below the names.

    Examples
    --------
    >>> import io
    >>> read_recipients(io.StringIO("name;mobile\nAnn;07700 900123\nBen;007\n"))
      name        mobile
    0  Ann  07700 900123
    1  Ben           007
    """
    return said(read_quietly(source, sheet=sheet, hidden=hidden, sep=sep, encoding=encoding))


def read_quietly(
    source: Source,
    *,
    sheet: str | None = None,
    hidden: str | None = None,
    sep: str | None = None,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read a table as ``read_recipients`` does, and say nothing: `notes_of` it tells what is to be known."""
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
    text, notes = (content.lstrip("\ufeff"), []) if isinstance(content, str) else decode(content, encoding)
    if (quick := read_quickly(text, sep)) is not None:
        return with_notes(_named(quick.header, quick.body), [*notes, *quick.notes])
    lines = read_delimited(text, sep)
    rows = [[unguarded(cell) for cell in row] for row in lines.rows] if _is_export(content) else lines.rows
    return with_notes(_table(rows), [*notes, *lines.notes])


def _content(source: str | os.PathLike[str] | IO[str] | IO[bytes]) -> str | bytes:
    if isinstance(source, str | os.PathLike):
        return _content_of(_path(os.fspath(source)))
    if isinstance(source, bytes | bytearray):
        refuse("The content of a file was given in place of its path.", "Put it into io.BytesIO(...).")
    if not hasattr(source, "read"):
        refuse(f"A table cannot be read from {described(source)}.", _OTHER_SOURCES)
    try:
        content = source.read(_LARGEST + 1)
    except (OSError, ValueError, TypeError) as error:
        refuse(f"The table cannot be read: {mask_digits(str(error))}.", _OTHER_SOURCES, error)
    if not isinstance(content, str | bytes):
        refuse(f"The file gave {described(content)} in place of text or bytes.", _OTHER_SOURCES)
    _refuse_large(len(content))
    return content


def _path(source: str) -> Path:
    """Check that a path is one."""
    if "docs.google.com" in source:
        refuse("This is an address of Google Sheets.", "There: File, Download, Comma-separated values. Name that file.")
    if _ADDRESS.match(source):
        refuse("This is an address of the web, or of another store.", "Download the file, and name it by its path.")
    if "\n" in source or "\r" in source:
        refuse("The text of a table was given in place of its path.", "Put it into io.StringIO(...).")
    if not source.strip() or "\0" in source:
        refuse(f"The path {described(source)} names no file.", "Give the path of a file.")
    try:
        return Path(source).expanduser()
    except RuntimeError as error:
        refuse(f"There is no home folder for {described(source)}.", "Give the whole path.", error)


def _content_of(path: Path) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            refuse(f"{described(str(path))} is a folder.", "Name a file in it.")
        if not stat.S_ISREG(found.st_mode):
            refuse(f"{described(str(path))} is no file, but a device, a pipe or a socket.", "Name a file.")
        _refuse_large(found.st_size)
        return path.read_bytes()
    except FileNotFoundError as error:
        if path.is_symlink():
            refuse(f"{described(str(path))} is a link to a file that is not there.", "Name the file itself.", error)
        near = nearest(path.name, (one.name for one in path.parent.iterdir())) if path.parent.is_dir() else None
        hint = f" Did you mean {near!r}?" if near else ""
        refuse(f"There is no file {described(str(path))}.{hint}", "Check the name and the folder.", error)
    except OSError as error:
        refuse(f"The file {described(str(path))} cannot be read: {error.strerror}.", "Check that it is a file.", error)


def _refuse_large(size: int) -> None:
    if size > _LARGEST:
        refuse(f"The file has more than {_LARGEST // 2**20} MB.", "Read parts of it, such as with pandas.read_csv.")


def _is_export(content: str | bytes) -> bool:
    """Tell whether a file begins as those of ``export.to_csv`` do, in which some apostrophes are not people's own."""
    return content.startswith(b'\xef\xbb\xbf"') if isinstance(content, bytes) else content.startswith('\ufeff"')


def _table(rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Make a frame of text out of lines of cells, the first of which are the names."""
    filled = [(number, row) for number, row in enumerate(rows, start=1) if "".join(row).strip()]
    if not filled:
        refuse("The file is empty.", "It needs a line of column names and a line for each person.")
    (_, header), *people = filled
    header = [name.strip() for name in header]
    while header and not header[-1]:
        header.pop()
    width = len(header)
    for number, row in people:
        if len(row) > width and "".join(row[width:]).strip():
            refuse(
                f"Row {number} of the file has more cells than the {width} columns of the header.",
                "Name every column; put quotation marks around a cell that holds the separator.",
            )
    columns = zip_longest(*(row for _, row in people), fillvalue="")
    cells = [[cell if cell.strip() else None for cell in column] for column in islice(columns, width)]
    cells += [[None] * len(people)] * (width - len(cells))
    return _named(header, pd.DataFrame({place: pd.Series(column, dtype="str") for place, column in enumerate(cells)}))


def _named(header: Sequence[str], body: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of a table their names."""
    names = _checked_names([name.strip() or f"column {place}" for place, name in enumerate(header, start=1)])
    if not len(body):
        refuse("The file has column names but no rows.", "Add a line for each person.")
    return body.set_axis(names, axis="columns")


def _checked_names(names: list[str]) -> list[str]:
    if any(_LOOKS_LIKE_A_NUMBER.fullmatch(name) for name in names):
        refuse("The first line holds a telephone number instead of column names.", "Put a line of names above it.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        refuse(
            f"Several columns are called {', '.join(mask_digits(repr(name)) for name in twice)}.", "Rename all but one."
        )
    return names
