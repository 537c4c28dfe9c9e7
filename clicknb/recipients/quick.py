"""Reads long tables of text in which nothing is odd, with the parser of pandas: much faster than line by line."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

import pandas as pd

from clicknb.errors import InvalidInput
from clicknb.recipients.delimited import read_delimited
from clicknb.recipients.notes import Note

_SHORT = 200_000
"""Up to so many characters, nobody notices how long it takes."""

_HEAD_LINES = 200
"""So many lines at most decide how a text is read, see ``delimited``."""

_NO_BREAK_SPACE = "\u00a0"
_ODD = b"\0\f\x1a\v\x1c\x1d\x1e\x1f"
"""What ends a line or is a blank elsewhere, but not for this parser."""

_BLANKS = "\x85\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_EMPTY = [*(" " * count for count in range(10)), *_BLANKS]
"""Cells that are taken as empty; more blanks than these are not read here."""


class Quick(NamedTuple):
    """A table: the cells of its header, those of its rows as columns of text, and what is to be known about it."""

    header: list[str]
    body: pd.DataFrame
    notes: list[Note]


def read_quickly(text: str, sep: str | None) -> Quick | None:
    """Read a long text as `read_delimited` would; None where that has to look at each line."""
    if len(text) < _SHORT or _NO_BREAK_SPACE in text:
        return None
    try:
        content = text.encode()
        head = text.split("\n", _HEAD_LINES)[:-1]
        found = read_delimited("\n".join(head), sep)
    except (UnicodeEncodeError, InvalidInput):  # a broken character, or a refusal that may be due to where it ends
        return None
    if len(head) < _HEAD_LINES or any("'" in line for line in head) or _is_odd(content, found.sep.encode()):
        return None
    first = next((place for place, row in enumerate(found.rows) if any(map(str.strip, row))), None)
    if first is None:  # the names come later
        return None
    header = found.rows[first]
    body = _parsed(content, found.sep, found.above + first + 1, len(header)) if header[-1].strip() else None
    return None if body is None else Quick(header, body, found.notes)


def _is_odd(content: bytes, sep: bytes) -> bool:
    """Tell whether line ends, blanks or quotation marks are such as this parser takes otherwise than `delimited`."""
    return (
        any(bytes([char]) in content for char in _ODD)
        or sep == b" "
        or b" " * 10 in content
        or (sep != b"\t" and b"\t" in content)
        or (b"\r" in content and content.count(b"\r") != content.count(b"\r\n"))
        or not _is_plainly_quoted(content, sep)
    )


def _is_plainly_quoted(content: bytes, sep: bytes) -> bool:
    """Tell whether each quotation mark is at one side of a cell, and none is within."""
    if b'"' not in content:
        return True
    before = content.count(sep + b'"') + content.count(b'\n"') + content.startswith(b'"')
    after = sum(content.count(b'"' + end) for end in (sep, b"\n", b"\r\n")) + content.endswith(b'"')
    return before == after and before + after == content.count(b'"')


def _parsed(content: bytes, sep: str, skipped: int, width: int) -> pd.DataFrame | None:
    quoted = b'"' in content
    try:
        body = pd.read_csv(
            io.BytesIO(content),
            sep=sep,
            header=None,
            names=range(width),
            skiprows=skipped,
            dtype=str,
            keep_default_na=False,
            na_values=_EMPTY,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            encoding="utf-8",
            low_memory=False,
        )
    except pd.errors.ParserError:  # a row is too long
        return None
    lines = content.count(b"\n") + (not content.endswith(b"\n")) - skipped if quoted else len(body)
    if not isinstance(body.index, pd.RangeIndex) or lines != len(body):  # all rows are too long, or some have two lines
        return None
    return body.dropna(how="all", ignore_index=True) if body[0].hasnans else body
