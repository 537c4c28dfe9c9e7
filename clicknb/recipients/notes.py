"""What was not certain when a table was read: said by the reader, and again by whoever uses the table."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from clicknb.errors import TableWarning

_PLACE = "clicknb.notes"


class Note(NamedTuple):
    """Something about a file that its reader had to decide, or that somebody should know.

    Attributes
    ----------
    kind
        Short name, such as ``encoding`` or ``hidden rows``: what the program may decide by.
    words
        What was done, and how to have it otherwise.
    """

    kind: str
    words: str


def with_notes(frame: pd.DataFrame, notes: Iterable[Note]) -> pd.DataFrame:
    """Keep what is to be known about a table with it: pandas hands it on to what is made of the table."""
    if kept := [tuple(note) for note in notes]:
        frame.attrs[_PLACE] = kept
    return frame


def said(frame: pd.DataFrame) -> pd.DataFrame:
    """Warn of what is to be known about a table, whoever called the function that calls this one."""
    for _, words in notes_of(frame):
        warnings.warn(words, TableWarning, stacklevel=3)
    return frame


def notes_of(frame: pd.DataFrame) -> list[Note]:
    """Tell what is to be known about a table, if its reader left anything.

    Examples
    --------
    >>> notes_of(pd.DataFrame())
    []
    """
    return [Note(*note) for note in frame.attrs.get(_PLACE, [])]
