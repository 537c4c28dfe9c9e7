"""The table of a campaign: where it comes from, which column holds the numbers, and some rows to look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from keyword import iskeyword
from typing import Any

import pandas as pd

from clicknb.cells import as_text
from clicknb.errors import InvalidInput
from clicknb.forms.kit import snippet
from clicknb.messages.template import Template
from clicknb.recipients.notes import notes_of
from clicknb.recipients.reader import read_quietly

FIRST_ROWS = 300
LONGEST_ROWS = 100
"""How many rows the preview of a text that is being written looks at: the first, and those with the longest cells."""

_LOOKED_AT = 50
_WIDEST = 60  # columns whose cells are measured
_ADDRESS = re.compile(
    r"mobil|cell|phone|msisdn|gsm|handy|telef|móvil|portable|number|\btel\b|\bto\b|whatsapp|recipient", re.IGNORECASE
)
_ZONE = re.compile(r"time ?_?zone|\btz\b|\bzone\b", re.IGNORECASE)
_NUMBER = re.compile(r"['+(\d\s][\d\s().+/\-]{6,}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """A table of people.

    Attributes
    ----------
    frame : pandas.DataFrame
        The table.
    name : str
        What it is called: a variable of the notebook, or an uploaded file.
    file : bool
        Whether it was uploaded.
    sample : pandas.DataFrame
        Some rows of it, those with the longest cells among them.

    Examples
    --------
    >>> people = People.of(pd.DataFrame({"name": ["Ann"], "mobile": ["447700900123"]}), "customers")
    >>> people.address, people.chips
    ('mobile', {'name': '{name}', 'mobile': '{mobile}'})
    >>> people.code()
    ['# customers is the DataFrame of your notebook.']
    """

    frame: pd.DataFrame
    name: str
    file: bool
    sample: pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, name: str, *, file: bool = False) -> People:
        """Look over a table once, so that what is shown while somebody writes is quick."""
        return cls(frame, name, file, _sample(frame))

    @classmethod
    def read(cls, content: bytes, name: str) -> People:
        """Read an uploaded file.

        Raises
        ------
        InvalidInput
            It is no table of people.
        """
        return cls.of(read_quietly(BytesIO(content)), name, file=True)

    @property
    def notes(self) -> list[str]:
        """What its reader was not certain of, in words."""
        return [words for _, words in notes_of(self.frame)]

    @property
    def columns(self) -> list[str]:
        """The columns that a plan can name."""
        every: list[Any] = list(self.frame.columns)
        names = [name for name in every if isinstance(name, str)]
        return [name for name in dict.fromkeys(names) if names.count(name) == 1]

    @property
    def address(self) -> str:
        """The column that looks most as if the numbers were in it; empty if there is no column."""
        scores = {name: _likeness(self.sample[name].head(_LOOKED_AT), name) for name in self.columns}
        return max(scores, key=lambda name: scores[name], default="")

    @property
    def zone(self) -> str:
        """The column that is called as if time zones were in it; empty if there is none."""
        return next((name for name in self.columns if _ZONE.search(name)), "")

    @property
    def chips(self) -> dict[str, str]:
        """What stands for each column in a text; those that no text can name are left out."""
        marks = {name: "{" + name.replace("|", "||") + "}" for name in self.columns}
        return {name: mark for name, mark in marks.items() if _reads(mark, name)}

    @property
    def variable(self) -> str:
        """What the code calls it."""
        named = not self.file and self.name.isidentifier() and not iskeyword(self.name)
        return self.name if named else "people"

    def code(self) -> list[str]:
        """Write how it comes into a program."""
        if self.file:
            return [f"people = {snippet.call('cn.read_recipients', [self.name], {})}"]
        return [f"# {self.variable} is the DataFrame of your notebook."]


def of_the_notebook() -> dict[str, pd.DataFrame]:
    """Find the DataFrames that the user's notebook has, by their names; none outside of a notebook."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return {}
    shell: Any = get_ipython()
    variables = {} if shell is None else dict(shell.user_ns)
    return {
        name: value
        for name, value in variables.items()
        if isinstance(value, pd.DataFrame) and len(value) and not name.startswith("_")
    }


def _sample(frame: pd.DataFrame) -> pd.DataFrame:
    places = pd.RangeIndex(len(frame))
    length, strange = pd.Series(0, places), pd.Series(False, places)
    for place in range(min(frame.shape[1], _WIDEST)):
        cells = frame.iloc[:, place].astype("str").fillna("").reset_index(drop=True)
        length += cells.str.len()
        strange |= ~cells.str.isascii()
    longest = length.nlargest(LONGEST_ROWS).index
    dearest = length[strange].nlargest(LONGEST_ROWS).index
    return frame.iloc[sorted({*range(min(FIRST_ROWS, len(frame))), *longest, *dearest})]


def _likeness(cells: pd.Series[Any], name: str) -> float:
    """Say how much a column looks like one of numbers: by its cells, and a little by its name."""
    try:
        texts = as_text(cells).dropna()
    except InvalidInput:
        return 0.0
    numbers = sum(bool(_NUMBER.fullmatch(text) and not _DATE.match(text)) for text in texts)
    return numbers / max(len(texts), 1) + (0.6 if _ADDRESS.search(name) else 0.0)


def _reads(mark: str, name: str) -> bool:
    try:
        return Template(mark).columns == (name,)
    except InvalidInput:
        return False
