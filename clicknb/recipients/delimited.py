"""Reads text with separators as lines of cells: what is certain is read, and the line to blame is named otherwise."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from clicknb.checks import refuse
from clicknb.display import mask_written
from clicknb.errors import InvalidInput
from clicknb.recipients.notes import Note

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SNIFFED_LINES = 50
_LOOKED_AT = 1000
_SHOWN = 4
_MOST = 0.8
"""What share of lines must be alike before something is said of them."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_PAGE_BREAK = re.compile(r"(?<![^\r\n])[\f\x1a]+|[\f\x1a]+(?![^\r\n])")
_SEP_LINE = re.compile(r"""\s*["']?sep=(\\t|[^\w\r\n"'])["']?[ ,;\t|]*(?=[\r\n]|\Z)""", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d?[./-]\d\d?[./-]\d{4}")
_TELEPHONE = re.compile(r"['=\"]*[+(]{0,2}\d(?:[ ().+/\u00a0\u2011-]{0,3}\d){6,}", re.ASCII)
_STRONG = "~^：，；、¦‖§¬"
"""Characters that hardly stand in a name of one column, equally often as in its cells."""
_LONG_DIGITS = re.compile(r"\d(?:[ ()-]?\d){8}")
_COLUMNS_APART = re.compile(r"\S {2,}\S")

Rows = list[list[str]]


class Lines(NamedTuple):
    """Lines of cells as a text with separators holds them.

    Attributes
    ----------
    rows
        The cells of each line, from the column names on; blank lines are empty.
    notes
        What is to be known about them.
    sep
        What separates the cells.
    above
        How many lines there are above these.
    """

    rows: Rows
    notes: list[Note]
    sep: str
    above: int


def read_delimited(text: str, sep: str | None) -> Lines:
    """Read the cells of each line; the separator is found out if None."""
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        refuse(
            f"Line {line} of the file holds zero bytes: this is no text, or it is damaged.",
            "Save the table again, as CSV UTF-8 or .xlsx.",
        )
    text, declared = _declared(_PAGE_BREAK.sub("", text) if "\f" in text or "\x1a" in text else text)
    used = sep or declared or _sniffed(text)
    rows = _csv_rows(text, used)
    above = _lines_above(rows)
    header = next((row for row in rows[above:] if _filled(row)), [])
    _refuse_swallowed(rows, header, used)
    notes = _notes(rows[:above])
    if sep is None and declared is None:
        notes += _one_column(rows[above:], header)
    _refuse_longer(rows, above, header)
    return Lines(rows[above:], notes, used, above)


def _declared(text: str) -> tuple[str, str | None]:
    """Take away the line in which Excel names the separator, but not its line end, by which lines are counted."""
    found = _SEP_LINE.match(text)
    if found is None:
        return text, None
    return text[found.end() :], "\t" if found[1] == r"\t" else found[1]


# --- separators ---


def _sniffed(text: str) -> str:
    """Find the separator that sets numbers apart, and by which the most lines have equally many cells, several.

    Raises
    ------
    InvalidInput
        Two of them are equally good, and do not read the same.
    """
    scores = {sep: _score(text, sep) for sep in _SEPARATORS}
    best = max(scores.values())
    first, *others = [sep for sep, score in scores.items() if score == best]
    if others and any(best):
        either = " or ".join(_SEPARATORS[sep] for sep in (first, *others))
        refuse(f"It cannot be told what separates the cells: {either}.", f"Say it, such as with sep={first!r}.")
    return first


def _score(text: str, sep: str) -> tuple[bool, int, int, int]:
    rows: Rows = []
    closed = True
    try:
        rows.extend(islice(_scanned(text, sep), _SNIFFED_LINES))
    except InvalidInput:  # a quotation mark is not closed, which with another separator it may be
        closed = False
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return False, 0, 0, 0
    width, alike = widths.most_common(1)[0]
    numbers = sum(any(_is_number(cell) for cell in row) for row in rows)
    return closed, numbers, alike, width


# --- quotation marks ---


def _csv_rows(text: str, sep: str) -> Rows:
    """Read the cells strictly; blanks around quotation marks, which the csv module does not know, are dropped."""
    if len(sep) != 1 or sep in "\"'\r\n":
        refuse(f"The separator {sep!r} is not one character.", "Leave sep out, or use one such as ';'.")
    quote = _quote(text, sep)
    quoted = quote in text
    if not quoted or not re.search(rf"(?:^|[{re.escape(sep)}\r\n]) +{quote}", text):
        lines = io.StringIO(text, newline="")
        with contextlib.suppress(csv.Error):  # the slower scan below finds the mark that is to blame
            return list(csv.reader(lines, delimiter=sep, quotechar=quote, strict=True))
    return list(_scanned(text, sep))


def _quote(text: str, sep: str) -> str:
    """Take single quotation marks as such if all column names, two or more, are in them."""
    cell = r"'[^'\r\n]*'"
    return "'" if re.match(rf"\s*{cell}(?:{re.escape(sep)}{cell})+(?:[\r\n]|\Z)", text) else '"'


def _scanned(text: str, sep: str) -> Iterator[list[str]]:
    quote = _quote(text, sep)
    blanks = "" if sep == " " else " *+"
    inside = f"[^{quote}]*+"
    after = rf"(?P<after>{re.escape(sep)}|\r\n|\r|\n|\Z)"
    cell = re.compile(
        rf"{blanks}{quote}(?P<quoted>{inside}(?:{quote}{quote}{inside})*+){quote}{blanks}{after}"
        rf"|(?!{blanks}{quote})(?P<plain>[^{re.escape(sep)}\r\n]*+){after.replace('after', 'end')}"
    )
    row: list[str] = []
    place = 0
    while place <= len(text):
        found = cell.match(text, place)
        if found is None:
            line = len(_LINE_END.findall(text, 0, place)) + 1
            refuse(
                f"Line {line} of the file opens a quotation mark that is not closed where its cell ends.",
                f"Delete it or close it; inside of a quoted cell, write {quote}{quote} for each {quote}.",
            )
        quoted, end = found["quoted"], found["after"] if found["plain"] is None else found["end"]
        row.append(found["plain"] if quoted is None else quoted.replace(quote * 2, quote))
        place = found.end()
        if end != sep:
            yield row
            row = []
        if not end:
            return


def _refuse_swallowed(rows: Rows, header: Sequence[str], sep: str) -> None:
    """Refuse a quoted cell that holds rows of their own: a stray mark opened it, and a later one closed it."""
    if not any(_LINE_END.search("".join(row)) for row in rows):
        return
    written = [_LINE_END.split(sep.join(row)) for row in rows]
    places = _number_places([line.split(sep) for lines in written for line in lines], len(header))
    first = 1
    for row, lines in zip(rows, written, strict=True):
        if len(lines) > 1 and _swallows(row, sep, len(header), places):
            breaks = [len(_LINE_END.findall(cell)) for cell in row]
            opens = first + sum(breaks[: breaks.index(max(breaks))])
            refuse(
                f"The quotation mark that opens in line {opens} of the file swallows what follows, up to line "
                f"{first + len(lines) - 1}: those lines look like rows of their own.",
                "Delete the stray mark, or put the text of that cell on one line.",
            )
        first += len(lines)


def _swallows(row: Sequence[str], sep: str, width: int, places: Collection[int]) -> bool:
    """Tell whether lines of a row read as rows: as wide as the header, and with a number, or nothing, in its place.

    In a table without numbers the separators decide alone.
    """

    def numbers(line: str) -> list[str] | None:
        cells = line.split(sep)
        found = [cells[place].strip() for place in places] if len(cells) == width else None
        return found if found is None or all(not cell or _is_number(cell) for cell in found) else None

    lines = [numbers(line) for line in _LINE_END.split(sep.join(row))]
    inner = [numbers(line) for cell in row for line in _LINE_END.split(cell)[1:-1]]
    alike = [found for found in lines if found is not None]
    if places:
        return any(found and any(found) for found in inner) or (len(alike) > 1 and any(map(any, alike)))
    return width > 1 and ((bool(inner) and None not in inner) or len(alike) == len(lines))


def _number_places(records: Iterable[Sequence[str]], width: int) -> list[int]:
    """Find the columns that hold telephone numbers in a third or more of the lines that are as wide as the header."""
    whole = list(islice((cells for cells in records if len(cells) == width), _LOOKED_AT))
    return [place for place in range(width) if sum(_is_number(cells[place]) for cells in whole) * 3 >= len(whole) > 0]


def _is_number(cell: str) -> bool:
    cell = cell.strip()
    return _TELEPHONE.fullmatch(cell) is not None and _DATE.fullmatch(cell) is None


# --- lines above the header ---


def _lines_above(rows: Rows) -> int:
    """Count the lines above the column names: comments, and titles, of which there is no doubt.

    A title is one cell above a line of several names, and a comment begins with ``#``. There is no doubt if no line
    up to the names holds a number, and most lines below them hold one.
    """
    filled = [place for place, row in enumerate(rows[:_SNIFFED_LINES]) if _filled(row)]
    widths = Counter(len(rows[place]) for place in filled)
    width = widths.most_common(1)[0][0] if widths else 0
    for names, place in enumerate(filled):
        above = [rows[one] for one in filled[:names]]
        if any(map(_is_number, rows[place])):
            return 0
        if len(rows[place]) != width or (len(_filled(rows[place])) == 1 < width) or rows[place][0].startswith("#"):
            continue
        below = [any(map(_is_number, rows[one])) for one in filled[names + 1 :]]
        sure = below and sum(below) >= len(below) * _MOST
        if not above or not sure or not all(_is_title(row, width) for row in above):
            return 0
        if width > 1 and any(len(_filled(row)) == width for row in above):
            refuse(
                f"Line {_line_of(rows, filled[0])} of the file begins with # and has as many cells as there are "
                f"columns: {_shown(above[0])}. It may be a comment or the names.",
                "Delete it if it is a comment; take the # away if it holds the names.",
            )
        return place
    return 0


def _is_title(row: Sequence[str], width: int) -> bool:
    return row[0].lstrip().startswith("#") or len(_filled(row)) == 1 < width


def _filled(row: Sequence[str]) -> list[str]:
    return [cell for cell in row if cell.strip()]


def _notes(above: Rows) -> list[Note]:
    said = [_shown(row) for row in above if _filled(row)]
    if not said:
        return []
    words = f"Above the column names {_lines(len(said))} left out: {'; '.join(said[:_SHOWN])}."
    return [Note("title lines", f"{words} If they are rows, put the names in the first line.")]


def _lines(count: int) -> str:
    return "one line was" if count == 1 else f"{count:,} lines were"


# --- what does not fit the header ---


def _refuse_longer(rows: Rows, above: int, header: list[str]) -> None:
    """Refuse a row with more cells than there are columns, by its line in the file."""
    width = len(header)
    while width and not header[width - 1].strip():
        width -= 1
    place = next((place for place, row in enumerate(rows) if len(row) > width and _filled(row[width:])), None)
    if place is None or place < above:
        return
    row = rows[place]
    refuse(
        f"Line {_line_of(rows, place)} of the file has {len(row)} cells, and there are {width} columns: {_shown(row)}.",
        "Put a cell that holds the separator in quotation marks, or give every column a name in line "
        f"{_line_of(rows, rows.index(header))}, where the names were read; if that is a title, delete it.",
    )


def _one_column(rows: Rows, header: Sequence[str]) -> list[Note]:
    """Refuse lines that were read as one cell each, but look like several; say it where no separator can be named."""
    lines = [row[0] for row in rows[:_SNIFFED_LINES] if len(row) == 1 and row[0].strip()][1:]
    if len(header) != 1 or not lines:
        return []
    name = header[0].strip()
    likely = _likely_separator(name, lines)
    mixed = sum(bool(_LONG_DIGITS.search(line)) and any(map(str.isalpha, line)) for line in lines)
    if mixed < len(lines) * _MOST and (likely is None or likely not in _STRONG):
        return []
    what = f"The table was read as one column, {_mask(name)}, but its lines look like several cells: {_mask(lines[0])}."
    if likely:
        refuse(what, f"Say sep={likely!r} if that is what separates the cells, and sep=',' if it is one column.")
    if _COLUMNS_APART.search(name):
        refuse(what, "Columns of a fixed width are not read: save the table as CSV; say sep=',' if it is one column.")
    return [Note("one column", f"{what} If they are, say with sep= what separates them.")]


def _likely_separator(header: str, lines: Sequence[str]) -> str | None:
    """Find a character that the header and most lines hold equally often, the least usual ones first."""
    marks = {char for char in header if not char.isalnum() and char not in "\"'_.()"}
    if _COLUMNS_APART.search(header):
        marks.discard(" ")
    for char in sorted(marks, key=lambda char: (char not in _STRONG, char == " ", char)):
        if sum(line.strip().count(char) == header.count(char) for line in lines) >= len(lines) * _MOST:
            return char
    return None


def _line_of(rows: Rows, place: int) -> int:
    """Count the line of the file in which a row begins."""
    return 1 + sum(1 + sum(len(_LINE_END.findall(cell)) for cell in row) for row in rows[:place])


def _shown(row: Sequence[str]) -> str:
    more = ", …" if len(_filled(row)) > _SHOWN else ""
    return ", ".join(map(_mask, _filled(row)[:_SHOWN])) + more


def _mask(cell: str) -> str:
    return repr(mask_written(cell.strip()))
