"""Reads .xls and .xlsb files by calamine, which tells the values of their cells, and not how they are shown."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import time, timedelta
from typing import TYPE_CHECKING

from clicknb.cells import cell_text
from clicknb.checks import refuse
from clicknb.recipients.file_kinds import refuse_as_damaged, refuse_as_locked
from clicknb.recipients.number_formats import general
from clicknb.recipients.pages import Page, Sheet, letters

if TYPE_CHECKING:
    from python_calamine import CalamineSheet


class OlderBook:
    """An .xls or .xlsb file that was opened."""

    def __init__(self, content: bytes) -> None:
        try:
            from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum
        except ImportError as error:
            remedy = "Run: pip install 'clicknb[excel]', or save the sheet as .xlsx or CSV."
            refuse("Reading .xls and .xlsb needs python-calamine.", remedy, error)
        with _refusing():
            self._book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        self.sheets = [
            Sheet(sheet.name, sheet.visible != SheetVisibleEnum.Visible)
            for sheet in self._book.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
        ]

    def has_cells(self, name: str) -> bool:
        """Tell whether a sheet is not empty."""
        with _refusing():
            return bool(self._book.get_sheet_by_name(name).height)

    def page(self, name: str) -> Page:
        """Read a sheet."""
        with _refusing():
            sheet = self._book.get_sheet_by_name(name)
            rows, merged = sheet.to_python(skip_empty_area=False), _merged(sheet)
        page = Page(shows_everything=False, merged=merged)
        for row, cells in enumerate(rows, start=1):
            for column, cell in enumerate(cells):
                if (text := _text(cell)).strip():
                    page.put(row, column, text)
        return page


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse what calamine cannot read; where it did not expect such a file, it panics."""
    from python_calamine import CalamineError, PasswordError

    try:
        yield
    except PasswordError as error:
        refuse_as_locked(error)
    except BaseException as error:
        if not isinstance(error, CalamineError) and type(error).__name__ != "PanicException":
            raise
        refuse_as_damaged(error if isinstance(error, Exception) else None)


def _merged(sheet: CalamineSheet) -> list[str]:
    return [
        f"{letters(left)}{top + 1}:{letters(right)}{bottom + 1}"
        for (top, left), (bottom, right) in sheet.merged_cell_ranges or ()
    ]


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return general(repr(cell))
    if isinstance(cell, time):
        return cell.isoformat("seconds").removesuffix(":00")
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return cell_text(cell)
