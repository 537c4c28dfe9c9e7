"""Tells what a file is by what is in it, for its name may say anything."""

from __future__ import annotations

import io
import re
import zipfile
from typing import NamedTuple, NoReturn

from clicknb.checks import refuse
from clicknb.display import listed

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0"
_HEAD = 4096
_MANIFEST = "META-INF/manifest.xml"
_ODF = b"application/vnd.oasis.opendocument."

XLSX, XLSB, ODS, XLS = "xlsx", "xlsb", "ods", "xls"
"""The kinds of workbooks that can be read."""

_SAVE = "Open it in a spreadsheet and save it as .xlsx."
_EXPORT = "Export the table from where it came as CSV or Excel."
_UNPACK = "Unpack it, and give the table that is in it."
_WRITER = "Copy the table into a spreadsheet and save that as .xlsx."


class _Kind(NamedTuple):
    """What a file that is no table is called, and what to do with it; where it is recognised by."""

    mark: bytes
    name: str
    remedy: str


_BINARY = [
    _Kind(rb".{0,1020}%PDF-\d", "a PDF document", _EXPORT),
    _Kind(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF....WEBP|....ftyp(?:heic|heix|mif1|avif)", "a picture",
          "Type the table, or export it from where it came as CSV or Excel."),
    _Kind(rb"BM....\0\0\0\0", "a picture", "Type the table, or export it from where it came as CSV or Excel."),
    _Kind(rb"\x1f\x8b\x08|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|BZh\d1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|.{257}ustar",
          "an archive (compressed)", _UNPACK),
    _Kind(rb"SQLite format 3\0", "a SQLite database", "Read the table with pandas.read_sql, and give the DataFrame."),
    _Kind(rb"PAR1|ARROW1|FEA1", "a Parquet or Arrow file",
          "Read it with pandas.read_parquet or read_feather, and give the DataFrame."),
    _Kind(rb"\x89HDF|\x80[\x02-\x05].{0,9}[c\x8c]", "a file of a Python library",
          "Read it with that library, and give the DataFrame."),
    _Kind(rb"\0\x01\0\0Standard (?:Jet|ACE) DB", "an Access database", _EXPORT),
    _Kind(rb"\x09[\0\x02\x04]\x06\0|\x09\x08\x08\0\0\x05|\0\0\x02\0[\x04\x06]\x04", "a workbook of before 1997", _SAVE),
]  # fmt: skip

_TEXT = [
    _Kind(rb"MIME-Version:.{0,2000}multipart/related", "a web page (a web archive, .mht)", _SAVE),
    _Kind(rb"<\?xml.{0,2000}urn:schemas-microsoft-com:office:spreadsheet", "an XML spreadsheet of Excel 2003", _SAVE),
    _Kind(rb"(?:<!--.{0,500}?-->|<\?xml[^>]*>|\s)*<(?:!doctype html|html|head|body|table|meta|style|div|script|tr)\b",
          "a web page (HTML)", _SAVE),
    _Kind(rb"(?:<\?xml[^>]*>\s*)?<office:document", "a flat OpenDocument file", _SAVE),
    _Kind(rb"<\?xml", "an XML file", _EXPORT),
    _Kind(rb"BEGIN:VCARD", "a file of contacts (vCard)", "Export the contacts as CSV where they came from."),
    _Kind(rb"BEGIN:VCALENDAR", "a calendar (iCalendar)", _EXPORT),
    _Kind(rb"\{\\rtf", "a text document (RTF)", _WRITER),
    _Kind(rb"\{\s*\"[^\"]*(?:doc_id|\"url\"|url)\"\s*:\s*\"", "a link to a document, or JSON",
          "Download the table itself as CSV or Excel."),
    _Kind(rb"\{\s*(?:\"(?:[^\"\\]|\\.)*\"\s*:|\}\s*$)|\[\s*[\[{\"]|\[\s*-?\d[\d.]*\s*,|\[\s*\]", "a JSON file",
          "Read it with pandas.read_json, and give the DataFrame."),
    _Kind(rb"\[InternetShortcut\]", "a link to a page", "Download the table itself as CSV or Excel."),
    _Kind(rb"(?:From \S+@\S+ [^\n]*\n)?(?:(?:Return-Path|Received|Delivered-To|From|To|Cc|Subject|Date|Message-ID|"
          rb"MIME-Version|Content-Type|X-[\w-]+):[^\n]*\r?\n(?:[ \t][^\n]*\n)*){2}", "an e-mail",
          "Save the table that is attached to it, and give that."),
    _Kind(rb"ID;P[^\n]*\n.{0,3000}?\n?[BCFP];[XYPF]", "a SYLK file (.slk)", _SAVE),
    _Kind(rb"TABLE\r?\n0,1\r?\n", "a DIF file", _SAVE),
    _Kind(rb"version https://git-lfs", "a pointer of Git LFS", "Fetch the file itself with: git lfs pull"),
]  # fmt: skip

_ZIPPED = [
    _Kind(rb"word/", "a Word document", _WRITER),
    _Kind(rb"ppt/", "a presentation of PowerPoint", _WRITER),
    _Kind(rb"Index/|Index\.zip", "a document of Apple's Numbers or Pages",
          "Open it there and choose File > Export To > Excel or CSV."),
    _Kind(rb"META-INF/container\.xml", "an e-book", _EXPORT),
]  # fmt: skip

_OLE_STREAMS = [
    ("WordDocument", "This is a Word document (.doc).", _WRITER),
    ("PowerPoint Document", "This is a presentation of PowerPoint.", _WRITER),
    ("__substg1.0_", "This is an e-mail of Outlook (.msg).", "Save the table that is attached to it, and give that."),
]


def is_workbook(content: bytes) -> bool:
    """Tell whether a file may be one of a spreadsheet program, and is not text."""
    return content.startswith((*_ZIP, _OLE))


def kind_of_workbook(content: bytes) -> str:
    """Tell of which kind a workbook is; what is none is refused with its name."""
    return _kind_of_ole(content) if content.startswith(_OLE) else _kind_of_zip(content)


def refuse_what_is_no_table(content: str | bytes) -> None:
    """Refuse a file that is something other than text with separators, named for what it is.

    Examples
    --------
    >>> refuse_what_is_no_table("name,mobile")
    >>> refuse_what_is_no_table(b"%PDF-1.7")
    Traceback (most recent call last):
    clicknb.errors.InvalidInput: This is a PDF document, not a table. Nothing was sent. ...
    """
    if isinstance(content, bytes):
        _refuse_if_one(_BINARY, content[:_HEAD])
    _refuse_if_one(_TEXT, _start(content))


def refuse_as_damaged(cause: Exception | None) -> NoReturn:
    """Refuse a workbook that nobody can open as it is."""
    refuse("The workbook is damaged.", "Open it in a spreadsheet and save it again as .xlsx.", cause)


def refuse_as_locked(cause: Exception | None = None) -> NoReturn:
    """Refuse a file that only a password opens."""
    remedy = "Take the password away in the program that set it, and save the file again."
    refuse("This file is protected by a password.", remedy, cause)


def _refuse_if_one(kinds: list[_Kind], head: bytes) -> None:
    for kind in kinds:
        if re.match(kind.mark, head, re.DOTALL if kinds is _BINARY else re.DOTALL | re.IGNORECASE):
            refuse(f"This is {kind.name}, not a table.", kind.remedy)


def _start(content: str | bytes) -> bytes:
    """Read the beginning of a text as bytes of one kind, without marks and blanks."""
    if isinstance(content, bytes):
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        content = content[: 2 * _HEAD].decode("utf-16" if wide else "latin-1", "ignore").removeprefix("ï»¿")
    return content[:_HEAD].removeprefix("\ufeff").lstrip().encode("utf-8", "replace")


def _kind_of_zip(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names, locked = archive.namelist(), _is_locked(archive)
            odf = archive.read("mimetype")[:100] if "mimetype" in names and not locked else b""
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        refuse_as_damaged(error)
    if locked:
        refuse_as_locked()
    if odf.startswith(_ODF + b"spreadsheet"):
        return ODS
    if odf.startswith(_ODF):
        refuse("This is a text document, a presentation or a drawing of OpenDocument, not a table.", _WRITER)
    return _kind_by_names(names)


def _is_locked(archive: zipfile.ZipFile) -> bool:
    if any(member.flag_bits & 1 for member in archive.infolist()):
        return True
    return _MANIFEST in archive.namelist() and b"encryption-data" in archive.read(_MANIFEST)


def _kind_by_names(names: list[str]) -> str:
    if any(name.endswith("workbook.bin") for name in names):
        return XLSB
    if "[Content_Types].xml" in names and any(name.startswith("xl/") or "workbook" in name for name in names):
        return XLSX
    for kind in _ZIPPED:
        if any(re.match(kind.mark, name.encode()) or re.search(rb"/" + kind.mark, name.encode()) for name in names):
            refuse(f"This is {kind.name}, not a table.", kind.remedy)
    inside = listed(map(repr, names)) or "nothing"
    return refuse(f"This is an archive (zip) that holds {inside}, not a table.", _UNPACK)


def _kind_of_ole(content: bytes) -> str:
    def has(stream: str) -> bool:
        return stream.encode("utf-16-le") in content

    if has("EncryptedPackage"):
        refuse_as_locked()
    for stream, what, remedy in _OLE_STREAMS:
        if has(stream):
            refuse(what, remedy)
    if has("Workbook") or has("Book"):
        return XLS
    return refuse("This is a file of an old Office program, and no workbook is in it.", "Save it as .xlsx or CSV.")
