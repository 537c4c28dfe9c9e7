"""Reads text with separators as lines of cells."""

from __future__ import annotations

import csv
import io

from clicknb.checks import refuse
from clicknb.recipients.notes import Note

_SEPARATORS = ",;\t|"
_SNIFFED_LINES = 20
_SNIFFED_CHARACTERS = 65_536


def read_delimited(text: str, sep: str | None) -> tuple[list[list[str]], list[Note]]:
    """Read the cells of each line; and what is to be known about them. The separator is found out if None."""
    return _csv_rows(text, _sniffed(text) if sep is None else sep), []


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
        refuse(f"The separator {sep!r} is not one character.", "Leave sep out, or use one such as ';'.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        refuse(f"Line {reader.line_num} of the file cannot be read: {error}.", "Check its quotation marks.", error)
