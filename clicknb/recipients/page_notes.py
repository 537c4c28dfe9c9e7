"""Says what of a sheet is not as plain as it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from clicknb.cells import shown
from clicknb.display import listed, many
from clicknb.recipients.notes import Note
from clicknb.recipients.pages import Page, letters


def notes_about(page: Page) -> list[Note]:
    """Say what is to be known of a sheet beside its hidden rows: a note for each fact, or for each column it is of."""
    said = [(kind, find(page)) for kind, find in _FACTS.items()]
    return [Note(kind, words[:1].upper() + words[1:]) for kind, found in said for words in found]


def _hidden_columns(page: Page) -> Iterable[str]:
    width = max(map(len, page.rows), default=0)
    columns = [
        column
        for column in sorted(page.hidden_columns)
        if column < width and any(column < len(row) and row[column] for row in page.rows)
    ]
    if columns:
        number = f"{many(len(columns), 'column')} {'is' if len(columns) == 1 else 'are'}"
        yield f"{number} hidden in the sheet, and read all the same: {_called(page, columns)}."


def _blank_formulas(page: Page) -> Iterable[str]:
    if page.blank_formulas:
        number = many(page.blank_formulas.total(), "formula")
        where = _called(page, sorted(page.blank_formulas))
        yield (
            f"{number} without a result, in {where}: read as blank. Open the file in a spreadsheet and save it, "
            "to have them worked out."
        )


def _old_formulas(page: Page) -> Iterable[str]:
    if page.old_formulas:
        yield (
            f"{many(page.old_formulas, 'result')} of formulas may be old: the program that wrote the "
            "file left them to be worked out when it is opened. Open it in a spreadsheet and save it."
        )


def _merged_cells(page: Page) -> Iterable[str]:
    if page.merged:
        yield f"merged cells ({listed(page.merged)}): what they show was read for the first row and column only."


def _formats(page: Page) -> Iterable[str]:
    for column, code in sorted(page.unknown_formats.items()):
        yield f"{_called(page, [column])} has the number format {code!r}, which was not applied: read as plain numbers."


def _dates(page: Page) -> Iterable[str]:
    for column, code in sorted(page.parts_of_dates.items()):
        yield (
            f"{_called(page, [column])} shows parts of dates only ({code!r}): read as whole dates, such as 2026-03-14."
        )


def _kind_of_file(page: Page) -> Iterable[str]:
    if not page.shows_everything:
        yield (
            "of this kind of file neither hidden rows and columns nor number formats can be read: rows that a filter "
            "hides are among the people, and 000042 may have become 42. Save it as .xlsx to be certain."
        )


_FACTS: dict[str, Callable[[Page], Iterable[str]]] = {
    "hidden columns": _hidden_columns,
    "formulas": _blank_formulas,
    "old formulas": _old_formulas,
    "merged cells": _merged_cells,
    "formats": _formats,
    "dates": _dates,
    "kind of file": _kind_of_file,
}


def _called(page: Page, columns: Iterable[int]) -> str:
    """Name columns by their letter, and by what the first line calls them."""
    names = next((row for row in page.rows if row), [])
    return listed(
        f"column {letters(column)}"
        + (f" ({shown(names[column].strip())})" if "".join(names[column : column + 1]) else "")
        for column in columns
    )
