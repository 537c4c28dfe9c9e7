"""Reads .ods files (OpenDocument 1.3, part 3, 9), in which a cell holds the very text that a person sees."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from clicknb.recipients.number_formats import general
from clicknb.recipients.pages import Page, Sheet, letters

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"

_CELLS = {f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"}
_CONCEALED = {"collapse", "filter"}
_NUMBERS = {"float", "currency", "percentage"}
_CANNOT_BE_THE_NUMBER = re.compile(r"#+|[^0-9]*|.*\dE[+-]?\d+", re.IGNORECASE | re.DOTALL)
_CLOCK = re.compile(r"PT0*(\d+)H0*(\d+)M0*(\d+)(?:[.,]\d+)?S")
_HOURS = 24


class Ods:
    """An .ods file that was opened."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self._content = archive.read("content.xml")
        concealed: set[str] = set()
        self.sheets: list[Sheet] = []
        for event, element in self._events():
            if event == "end" and element.tag == f"{_STYLE}style":
                shown = element.find(f"{_STYLE}table-properties")
                if shown is not None and shown.get(f"{_TABLE}display") == "false":
                    concealed.add(element.get(f"{_STYLE}name", ""))
            elif event == "start" and element.tag == f"{_TABLE}table":
                name = element.get(f"{_TABLE}name", "")
                self.sheets.append(Sheet(name, element.get(f"{_TABLE}style-name") in concealed))

    def has_cells(self, name: str) -> bool:
        """Tell whether a sheet is not empty."""
        return bool(self._read(name, whole=False).rows)

    def page(self, name: str) -> Page:
        """Read a sheet."""
        return self._read(name, whole=True)

    def _events(self) -> Iterator[tuple[str, ET.Element]]:
        for event, element in ET.iterparse(io.BytesIO(self._content), ("start", "end")):  # noqa: S314 -- as in xlsx
            yield event, element
            if event == "end" and element.tag == f"{_TABLE}table-row":
                element.clear()

    def _read(self, name: str, *, whole: bool) -> Page:
        page = Page()
        row, column, inside = 0, 0, False
        for event, element in self._events():
            if element.tag == f"{_TABLE}table":
                inside = event == "start" and element.get(f"{_TABLE}name", "") == name
            elif inside and event == "end" and element.tag == f"{_TABLE}table-column":
                repeated = _repeated(element, "columns")
                if element.get(f"{_TABLE}visibility") in _CONCEALED:
                    page.hidden_columns.update(range(column, column + repeated))
                column += repeated
            elif inside and event == "end" and element.tag == f"{_TABLE}table-row":
                row = _add_rows(page, element, row)
                if page.rows and not whole:
                    break
        return page


def _add_rows(page: Page, element: ET.Element, done: int) -> int:
    """Write a row, which may stand for several that are alike, and tell the number of the last."""
    last = done + _repeated(element, "rows")
    cells = _cells(page, element, done + 1)
    for row in range(done + 1, last + 1) if cells else ():
        for column, text in cells:
            page.put(row, column, text)
        if element.get(f"{_TABLE}visibility") in _CONCEALED:
            page.hidden_rows.append(row)
    return last


def _cells(page: Page, row: ET.Element, number: int) -> list[tuple[int, str]]:
    filled = []
    column = 0
    for cell in row:
        if cell.tag not in _CELLS:
            continue
        repeated = _repeated(cell, "columns")
        text = _shown(cell)
        if text.strip():
            filled += [(place, text) for place in range(column, column + repeated)]
        elif cell.get(f"{_TABLE}formula") and cell.get(f"{_OFFICE}value-type") is None:
            page.blank_formulas[column] += repeated
        if merged := _merged(cell, number, column):
            page.merged.append(merged)
        column += repeated
    return filled


def _shown(cell: ET.Element) -> str:
    """Read a cell as a person sees it, but dates in ISO and times as HH:MM."""
    kind = cell.get(f"{_OFFICE}value-type")
    text = "\n".join(_paragraph(paragraph) for paragraph in cell.iterfind(f"{_TEXT}p"))
    if kind in _NUMBERS:
        return general(cell.get(f"{_OFFICE}value", "")) if _CANNOT_BE_THE_NUMBER.fullmatch(text) else text.strip()
    if kind == "date":
        day, _, time = cell.get(f"{_OFFICE}date-value", "").partition("T")
        return f"{day} {time[:8] or '00:00:00'}" if ":" in text else day
    if kind == "boolean":
        return cell.get(f"{_OFFICE}boolean-value", "").upper()
    if kind == "time":
        return _time(cell.get(f"{_OFFICE}time-value", ""), text)
    return text or cell.get(f"{_OFFICE}string-value", "")


def _time(value: str, text: str) -> str:
    """Read a time of the day; a duration, or a part of a time, is left as it is shown."""
    found, shown = _CLOCK.fullmatch(value), re.match(r"\D*(\d+):", text)
    if found is None:
        return text or value
    hours, minutes, seconds = (int(part) for part in found.groups())
    if text and (hours >= _HOURS or shown is None or int(shown[1]) % 12 != hours % 12):
        return text
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if text.count(":") != 1 else "")


def _paragraph(element: ET.Element) -> str:
    text = [element.text or ""]
    for child in element:
        if child.tag == f"{_TEXT}s":
            text.append(" " * int(child.get(f"{_TEXT}c", 1)))
        elif child.tag in {f"{_TEXT}tab", f"{_TEXT}line-break"}:
            text.append("\t" if child.tag == f"{_TEXT}tab" else "\n")
        elif child.tag not in {f"{_OFFICE}annotation", f"{_TEXT}ruby-text"}:
            text.append(_paragraph(child))
        text.append(child.tail or "")
    return "".join(text)


def _repeated(element: ET.Element, what: str) -> int:
    return int(element.get(f"{_TABLE}number-{what}-repeated", 1))


def _merged(cell: ET.Element, row: int, column: int) -> str:
    down = int(cell.get(f"{_TABLE}number-rows-spanned", 1))
    right = int(cell.get(f"{_TABLE}number-columns-spanned", 1))
    if down == right == 1:
        return ""
    return f"{letters(column)}{row}:{letters(column + right - 1)}{row + down - 1}"
