"""Reads the sheet of a workbook as a person sees it there, and says what a person may not see."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from xml.parsers import expat

from clicknb.cells import nearest
from clicknb.checks import described, refuse
from clicknb.display import listed, many
from clicknb.errors import InvalidInput
from clicknb.recipients.file_kinds import ODS, XLSX, kind_of_workbook, refuse_as_damaged
from clicknb.recipients.notes import Note
from clicknb.recipients.ods import Ods
from clicknb.recipients.older_books import OlderBook
from clicknb.recipients.page_notes import notes_about
from clicknb.recipients.pages import Book, Page, Sheet
from clicknb.recipients.xlsx import Xlsx

KEEP, LEAVE_OUT = "keep", "leave out"
"""What ``hidden`` may be."""

_DAMAGED = (
    zipfile.BadZipFile, zlib.error, expat.ExpatError, SyntaxError, LookupError, ValueError, ArithmeticError, OSError,
    EOFError, RuntimeError,
)  # fmt: skip


def read_workbook(content: bytes, sheet: str | None, hidden: str | None = None) -> tuple[list[list[str]], list[Note]]:
    """Read a sheet as lines of cells, hidden ones blank unless they are kept; and what is to be known about it.

    Parameters
    ----------
    content
        The file.
    sheet
        Its name in any letter case; the first one that is visible and not empty if None.
    hidden
        ``"keep"`` or ``"leave out"``, for rows that are hidden or filtered away; if None they are left out as long as
        that is certain to be what a person sees.
    """
    if hidden not in (None, KEEP, LEAVE_OUT):
        refuse(f"hidden must be {KEEP!r} or {LEAVE_OUT!r}, not {described(hidden)}.", "Choose one of them.")
    kind = kind_of_workbook(content)
    try:
        book = _opened(content, kind)
        chosen, notes = _chosen(book, sheet)
        page = book.page(chosen)
    except InvalidInput:
        raise
    except _DAMAGED as error:
        refuse_as_damaged(error)
    header = next((number for number, row in enumerate(page.rows, start=1) if row), 0)
    notes += _hidden_rows(page, header, hidden)
    return page.rows, [*notes, *notes_about(page)]


def _opened(content: bytes, kind: str) -> Book:
    if kind == XLSX:
        return Xlsx(content)
    return Ods(content) if kind == ODS else OlderBook(content)


# --- the sheet ---


def _chosen(book: Book, wanted: str | None) -> tuple[str, list[Note]]:
    if wanted is not None:
        return _named(book.sheets, wanted), []
    filled = [sheet for sheet in book.sheets if book.has_cells(sheet.name)]
    visible = [sheet.name for sheet in filled if not sheet.hidden]
    concealed = [sheet.name for sheet in filled if sheet.hidden]
    if not visible and concealed:
        refuse(
            f"All sheets that hold anything are hidden: {listed(map(repr, concealed))}.",
            f"Show the one that is meant, or name it: sheet={concealed[0]!r}.",
        )
    if not visible:
        refuse("The file is empty.", "It needs a line of column names and a line for each person.")
    chosen, *others = visible
    words = [f"The sheet {chosen!r} was read."]
    if others:
        words.append(f"There are others: {listed(map(repr, others))}.")
    if concealed:
        words.append(f"Hidden are {listed(map(repr, concealed))}.")
    said = len(filled) > 1
    return chosen, [Note("sheet", " ".join([*words, "To have another: sheet='...'."]))] if said else []


def _named(sheets: Sequence[Sheet], wanted: str) -> str:
    if not isinstance(wanted, str):
        refuse(f"sheet must be the name of a sheet, not {described(wanted)}.", "Write the name that is on its tab.")
    names = [sheet.name for sheet in sheets]
    if wanted in names:
        return wanted
    alike = [name for name in names if _folded(name) == _folded(wanted)]
    if len(alike) == 1:
        return alike[0]
    near = nearest(wanted, names)
    hint = f" Did you mean {near!r}?" if near else ""
    there = ", ".join(f"{sheet.name!r}{' (hidden)' * sheet.hidden}" for sheet in sheets)
    return refuse(f"There is no sheet {wanted!r}; there are {there}.{hint}", "Correct the name.")


def _folded(name: str) -> str:
    return "".join(name.casefold().split())


# --- hidden rows ---


def _hidden_rows(page: Page, header: int, hidden: str | None) -> list[Note]:
    """Take the cells of hidden rows away unless they are kept, and say so."""
    if not page.shows_everything:
        if hidden == LEAVE_OUT:
            refuse("Which rows are hidden cannot be told for this kind of file.", "Save it as .xlsx.")
        return []
    rows = [number for number in page.hidden_rows if number <= len(page.rows) and page.rows[number - 1]]
    if not rows:
        return _filter_without_effect(page)
    which = f"{'row' if len(rows) == 1 else 'rows'} {listed(map(str, rows))}"
    are = "is" if len(rows) == 1 else "are"
    said = f"{many(len(rows), 'row')} {are} hidden in the sheet, by hand or by a filter ({which})"
    if hidden == KEEP:
        return [Note("hidden rows", f"{said}: read all the same, because of hidden={KEEP!r}.")]
    if hidden is None and header in rows:
        refuse(
            f"{said}. Row {header} is the first that holds anything, so which line names the columns is not certain.",
            f"Show or delete the row; or decide by a word: hidden={KEEP!r} or hidden={LEAVE_OUT!r}.",
        )
    if sum(map(bool, page.rows)) - len(rows) <= (header not in rows):
        refuse(f"{said}, and no person is left.", f"Clear the filter, or read them with hidden={KEEP!r}.")
    for number in rows:
        page.rows[number - 1] = []
    return [Note("hidden rows", f"{said}: left out. To read them too: hidden={KEEP!r}.")]


def _filter_without_effect(page: Page) -> list[Note]:
    if not page.filtered:
        return []
    words = "The sheet has a filter that hides no row, so all rows were read. Apply it in a spreadsheet if it should."
    return [Note("filter", words)]
