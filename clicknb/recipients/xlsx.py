"""Reads .xlsx files (ECMA-376, part 1, 18) with all that decides what a person sees of a sheet.

openpyxl, when it reads quickly, tells neither which rows are hidden nor where a formula has no result; and
when it reads everything, it takes several times as long.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import IO
from xml.etree import ElementTree as ET
from xml.parsers import expat

from clicknb.export import unescaped
from clicknb.recipients.number_formats import general, number_format, shows_no_day
from clicknb.recipients.pages import Page, Sheet

_SPACES = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",  # the strict kind
)
_CRITERIA = {"filters", "customFilters", "top10", "dynamicFilter", "colorFilter", "iconFilter"}
_TAGS = {
    f"{space} {tag}": tag
    for space in _SPACES
    for tag in ("row", "c", "v", "f", "t", "rPh", "col", "mergeCell", *_CRITERIA)
}
_ON = {"1", "true"}
_CHUNK = 1 << 16
_LOWEST = 1  # points: no row that a person can see is lower
_FIRST_OF_1900, _FIRST_OF_1904 = datetime.fromisoformat("1899-12-30"), datetime.fromisoformat("1904-01-01")

_BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "mm-dd-yy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: "m/d/yy h:mm", 37: "#,##0 ;(#,##0)", 38: "#,##0 ;(#,##0)", 39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
_EAST_ASIAN_DATES = {*range(27, 37), *range(50, 59)}
_LAST_BUILT_IN = 81


class Xlsx:
    """An .xlsx file that was opened."""

    def __init__(self, content: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        self._names = {_plain(name): name for name in self._archive.namelist()}
        [self._book_path] = self._related("", "/officeDocument").values()
        book = self._tree(self._book_path)
        properties, calculation = book.find("{*}workbookPr"), book.find("{*}calcPr")
        self._since_1904 = properties is not None and properties.get("date1904") in _ON
        self._uncalculated = calculation is not None and calculation.get("fullCalcOnLoad") in _ON
        paths = self._related(self._book_path, "/worksheet")
        self._paths: dict[str, str] = {}
        self.sheets: list[Sheet] = []
        for sheet in book.iterfind("{*}sheets/{*}sheet"):
            place = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), "")
            if place in paths and _plain(paths[place]) in self._names:
                self._paths[sheet.attrib["name"]] = paths[place]
                self.sheets.append(Sheet(sheet.attrib["name"], sheet.get("state", "visible") != "visible"))

    def has_cells(self, name: str) -> bool:
        """Tell whether a sheet is not empty."""
        return bool(self._scanned(name, whole=False).rows)

    def page(self, name: str) -> Page:
        """Read a sheet."""
        page = self._scanned(name, whole=True)
        page.old_formulas *= self._uncalculated
        return page

    def _scanned(self, name: str, *, whole: bool) -> Page:
        page = Page()
        cells = _Cells(page, self._strings, self._codes, since_1904=self._since_1904)
        with self._open(self._paths[name]) as file:
            while (whole or not page.rows) and (chunk := file.read(_CHUNK)):
                cells.feed(chunk)
        return page

    @cached_property
    def _strings(self) -> list[str]:
        paths = self._related(self._book_path, "/sharedStrings").values()
        return [text for path in paths for text in _shared_strings(self._open(path))]

    @cached_property
    def _codes(self) -> list[str]:
        """List the formats of numbers by the number that cells give for their style."""
        paths = self._related(self._book_path, "/styles").values()
        codes: list[str] = []
        for path in paths:
            styles = self._tree(path)
            own = {one.get("numFmtId"): one.get("formatCode", "") for one in styles.iterfind("{*}numFmts/{*}numFmt")}
            ids = [one.get("numFmtId", "0") for one in styles.iterfind("{*}cellXfs/{*}xf")]
            codes += [own[number] if number in own else _built_in(int(number)) for number in ids]
        return codes

    def _related(self, path: str, kind: str) -> dict[str, str]:
        """Find the parts of one kind that a part names: their paths by the names it has for them."""
        folder, name = posixpath.split(path)
        related = posixpath.join(folder, "_rels", f"{name}.rels")
        return {
            one.attrib["Id"]: posixpath.normpath(posixpath.join("/", folder, one.attrib["Target"])).lstrip("/")
            for one in self._tree(related)
            if one.get("Type", "").endswith(kind)
        }

    def _tree(self, path: str) -> ET.Element:
        with self._open(path) as file:
            return ET.parse(file).getroot()  # noqa: S314 -- expat itself stops entities that grow

    def _open(self, path: str) -> IO[bytes]:
        return self._archive.open(self._names[_plain(path)])


class _Cells:
    """Fills a page from the XML of a sheet."""

    def __init__(self, page: Page, strings: list[str], codes: list[str], *, since_1904: bool) -> None:
        self._page, self._strings, self._codes, self._since_1904 = page, strings, codes, since_1904
        self._row = 0
        self._column = -1
        self._cell: dict[str, str] = {}
        self._formula = self._inside = self._reading_aid = False
        self._texts: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self.feed = self._parser.Parse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = _TAGS.get(name)
        if tag == "c":
            self._cell = attributes
            self._column = _column(attributes["r"]) if "r" in attributes else self._column + 1
            self._formula = False
            self._texts.clear()
        elif tag in {"v", "t"}:
            self._inside = not self._reading_aid
        elif tag == "row":
            self._start_row(attributes)
        elif tag == "f":
            self._formula = True
        elif tag == "rPh":
            self._reading_aid = True
        elif tag == "col":
            if attributes.get("hidden") in _ON or attributes.get("width") == "0":
                self._page.hidden_columns.update(range(int(attributes["min"]) - 1, int(attributes["max"])))
        elif tag == "mergeCell":
            self._page.merged.append(attributes["ref"])
        elif tag in _CRITERIA:
            self._page.filtered = True

    def _start_row(self, attributes: dict[str, str]) -> None:
        self._row = int(attributes.get("r", self._row + 1))
        self._column = -1
        if attributes.get("hidden") in _ON or float(attributes.get("ht", _LOWEST)) < _LOWEST:
            self._page.hidden_rows.append(self._row)

    def _data(self, text: str) -> None:
        if self._inside:
            self._texts.append(text)

    def _end(self, name: str) -> None:
        tag = _TAGS.get(name)
        if tag in {"v", "t"}:
            self._inside = False
        elif tag == "c":
            self._end_cell("".join(self._texts))
        elif tag == "rPh":
            self._reading_aid = False

    def _end_cell(self, raw: str) -> None:
        if self._formula:
            if raw:
                self._page.old_formulas += 1
            elif self._cell.get("t") != "str":
                self._page.blank_formulas[self._column] += 1
        if raw and (text := self._text(raw)).strip():
            self._page.put(self._row, self._column, text)

    def _text(self, raw: str) -> str:
        kind = self._cell.get("t", "n")
        style = int(self._cell.get("s", 0))
        code = self._codes[style] if style < len(self._codes) else "General"
        if kind == "s":
            return number_format(code).text(self._strings[int(raw)])
        if kind in {"str", "inlineStr"}:
            return number_format(code).text(unescaped(raw))
        if kind == "b":
            return "TRUE" if raw in _ON else "FALSE"
        if kind == "d":
            raw = _serial(raw, since_1904=self._since_1904)
        return raw if kind == "e" else self._number(raw, code)

    def _number(self, raw: str, code: str) -> str:
        if code == "General":
            return general(raw)
        shown = number_format(code).number(raw, since_1904=self._since_1904)
        if shown is None:
            self._page.unknown_formats.setdefault(self._column, code)
            return general(raw)
        if _shows_no_day(code):
            self._page.parts_of_dates.setdefault(self._column, code)
        return shown


def _shared_strings(file: IO[bytes]) -> Iterator[str]:
    for _, element in ET.iterparse(file):  # noqa: S314 -- as above
        if element.tag.endswith("}si"):
            texts = [element.find("{*}t"), *element.iterfind("{*}r/{*}t")]
            yield unescaped("".join(text.text or "" for text in texts if text is not None))
            element.clear()


def _built_in(number: int) -> str:
    """Find a format that files do not spell out; those of currencies depend on the machine that shows them."""
    if number in _EAST_ASIAN_DATES:
        return "yyyy-mm-dd"
    return _BUILT_IN.get(number) or (f"[built-in {number}]" if 0 < number <= _LAST_BUILT_IN else "General")


def _serial(iso: str, *, since_1904: bool) -> str:
    first = _FIRST_OF_1904 if since_1904 else _FIRST_OF_1900
    return str((datetime.fromisoformat(iso).replace(tzinfo=None) - first) / timedelta(days=1))


def _column(reference: str) -> int:
    return _column_of(reference.rstrip("0123456789"))


@cache
def _column_of(name: str) -> int:
    column = 0
    for letter in name.upper():
        column = 26 * column + ord(letter) - ord("A") + 1
    return column - 1


_shows_no_day = cache(shows_no_day)


def _plain(name: str) -> str:
    """Write the name of a part in the way in which names are compared."""
    return name.replace("\\", "/").lstrip("/").lower()
