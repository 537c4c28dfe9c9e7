"""A sheet as every reader of workbooks hands it on, whatever the kind of its file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

_ROWS, _COLUMNS = 1_048_576, 16_384


class Sheet(NamedTuple):
    """A sheet of cells: its name, and whether a person has to look for it."""

    name: str
    hidden: bool


@dataclass
class Page:
    """The cells of a sheet as a person sees them, and what of them is not plain to see.

    Columns are counted from 0, rows from 1 as a spreadsheet does.
    """

    rows: list[list[str]] = field(default_factory=list)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: set[int] = field(default_factory=set)
    filtered: bool = False
    merged: list[str] = field(default_factory=list)
    blank_formulas: Counter[int] = field(default_factory=Counter)
    old_formulas: int = 0
    unknown_formats: dict[int, str] = field(default_factory=dict)
    parts_of_dates: dict[int, str] = field(default_factory=dict)
    shows_everything: bool = True
    """False if its kind of file cannot be asked for hidden rows and formats."""

    def put(self, row: int, column: int, text: str) -> None:
        """Write a cell, wherever it stands; refused with ``ValueError`` where no sheet has a cell."""
        if not (1 <= row <= _ROWS and 0 <= column < _COLUMNS):
            message = f"there is no cell in row {row}, column {column + 1}"
            raise ValueError(message)
        while len(self.rows) < row:
            self.rows.append([])
        cells = self.rows[row - 1]
        cells.extend([""] * (column + 1 - len(cells)))
        cells[column] = text


class Book(Protocol):
    """A workbook that was opened."""

    @property
    def sheets(self) -> list[Sheet]:
        """Sheets of cells in their order, without those of charts."""

    def has_cells(self, name: str) -> bool:
        """Tell whether a sheet is not empty."""

    def page(self, name: str) -> Page:
        """Read a sheet."""


def letters(column: int) -> str:
    """Name a column as a spreadsheet does.

    Examples
    --------
    >>> letters(0), letters(27)
    ('A', 'AB')
    """
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
