"""Reads long tables of text in which nothing is odd, with the parser of pandas: much faster than line by line."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

import pandas as pd

from clicknb.recipients.delimited import read_delimited
from clicknb.recipients.notes import Note

_SHORT = 200_000
"""Up to so many characters, nobody notices how long it takes."""

_HEAD_LINES = 200
"""So many lines at most decide how a text is read, see ``delimited``."""

_ODD = frozenset('"\0\f\x1a\v\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff').union(
    map(chr, range(0x2000, 0x200B))
)
"""Quotation marks, and blanks that pandas does not know as such."""

_EMPTY = [" " * count for count in range(10)]


class Quick(NamedTuple):
    """A table: the cells of its header, those of its rows as columns of text, and what is to be known about it."""

    header: list[str]
    body: pd.DataFrame
    notes: list[Note]


def read_quickly(text: str, sep: str | None) -> Quick | None:
    """Read a long text without quotation marks, as `read_delimited` would; None where that has to look at each line."""
    if len(text) < _SHORT or any(char in text for char in _ODD):
        return None
    head = text.split("\n", _HEAD_LINES)[:-1]
    if len(head) < _HEAD_LINES or any("'" in line for line in head):
        return None
    found = read_delimited("\n".join(head), sep)
    if _has_odd_blanks(text, found.sep) or ("\r" in text and text.count("\r") != text.count("\r\n")):
        return None
    first = next(place for place, row in enumerate(found.rows) if any(map(str.strip, row)))
    header = found.rows[first]
    if not header[-1].strip():
        return None
    body = _parsed(text, found.sep, found.above + first + 1, len(header))
    return None if body is None else Quick(header, body, found.notes)


def _has_odd_blanks(text: str, sep: str) -> bool:
    """Tell whether a cell may hold nothing but blanks of a kind or number that the parser does not take as empty."""
    return sep == " " or " " * len(_EMPTY) in text or (sep != "\t" and "\t" in text)


def _parsed(text: str, sep: str, skipped: int, width: int) -> pd.DataFrame | None:
    try:
        body = pd.read_csv(
            io.BytesIO(text.encode()),
            sep=sep,
            header=None,
            names=range(width),
            skiprows=skipped,
            dtype=str,
            keep_default_na=False,
            na_values=_EMPTY,
            quoting=csv.QUOTE_NONE,
            encoding="utf-8",
            low_memory=False,
        )
    except (pd.errors.ParserError, UnicodeEncodeError):  # a row is too long, or a character is broken
        return None
    if not isinstance(body.index, pd.RangeIndex):  # all rows are too long
        return None
    return body.dropna(how="all", ignore_index=True) if body[0].hasnans else body
