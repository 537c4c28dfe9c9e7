"""Reads the sheet of a workbook as a person sees it there."""

from __future__ import annotations

import io
import zipfile
import zlib
from datetime import date
from typing import TYPE_CHECKING

from clicknb.cells import cell_text
from clicknb.checks import refuse
from clicknb.export import unescaped
from clicknb.recipients.notes import Note

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell, MergedCell

_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, OSError, EOFError, SyntaxError)


def is_workbook(content: bytes) -> bool:
    """Tell whether a file is one of a spreadsheet program, and not text."""
    return content.startswith((_ZIP, _OLD_EXCEL))


def read_workbook(content: bytes, sheet: str | None) -> tuple[list[list[str]], list[Note]]:
    """Read a sheet, the first one if None, as lines of cells; and what is to be known about it."""
    if content.startswith(_OLD_EXCEL):
        refuse("This is an Excel file of the old kind (.xls).", "Save it as .xlsx or CSV.")
    return _excel_rows(content, sheet), []


def _excel_rows(content: bytes, sheet: str | None) -> list[list[str]]:
    try:
        import openpyxl
    except ImportError as error:
        refuse("Reading Excel needs openpyxl.", "Run: pip install 'clicknb[excel]', or save the sheet as CSV.", error)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        pages = {page.title: page for page in book.worksheets}
        page = pages.get(next(iter(pages)) if sheet is None else sheet)
        if page is not None:
            page.reset_dimensions()  # what some programs write there is too small
            return [[_excel_text(cell) for cell in row] for row in page.iter_rows()]
    except _DAMAGED as error:
        refuse("The Excel file is damaged.", "Open it in a spreadsheet and save it again as .xlsx.", error)
    return refuse(f"There is no sheet {sheet!r}; there are {', '.join(map(repr, pages))}.", "Correct the name.")


def _excel_text(cell: Cell | MergedCell) -> str:
    """Read a cell as Excel shows it: midnight belongs to a date unless its format has hours."""
    text = unescaped(cell.value) if isinstance(cell.value, str) else cell_text(cell.value)
    shows_hours = isinstance(cell.value, date) and "h" in (cell.number_format or "").lower()
    return f"{text} 00:00:00" if shows_hours and ":" not in text else text
