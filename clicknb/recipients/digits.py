"""How a number was written, and what became of it in a spreadsheet: found out before any number is looked at.

``phonenumbers`` reads ``2.7821e10`` as a valid number and ``27821234567.0`` as one of another country, so damage is
named here, first.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NoReturn

Repair = tuple[str, str]
"""A kind of ``kinds.REPAIRS``, and what was changed, in words."""

_PLAIN = re.compile(r"[+(]?\d[\d ()-]*", re.ASCII)
_PLAIN_LENGTHS = range(9, 14)  # digits: more could be two numbers, fewer a date
_MARKS = str.maketrans("", "", " ()-+")

_SCIENTIFIC = re.compile(r"[+-]?(?P<whole>\d+)(?:[.,](?P<decimals>\d*))?e(?P<power>[+-]?\d+)", re.ASCII | re.IGNORECASE)
_WHOLE_FLOAT = re.compile(r"(\d{5,})\.0+", re.ASCII)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3}){2,4}(?:\.0+)?", re.ASCII)
_FRACTION = re.compile(r"\d{5,}\.\d{1,2}|0\.\d+", re.ASCII)
_ROUNDED = re.compile(r"[1-9]\d*0{5}(?:\.0+)?", re.ASCII)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d([-/.])[01]?\d\1[0-3]?\d|[0-3]?\d([-/.])[0-3]?\d\2(?:19|20)\d\d)(?:[ T][\d:.]+)?", re.ASCII
)
_QUOTED = re.compile(r'(=?)"([^"]*)"')
_SEPARATORS = re.compile(r"[\s.()\[\]-]+")
_SEVERAL = re.compile(r"[,;/|&\n]")
_AREA_CODE_SLASH = re.compile(r"[^/]{1,6}/[^/]{5,}")
_LONG_ENOUGH = re.compile(r"\d(?:[ ().-]*\d){6,}", re.ASCII)
_SIDE_BY_SIDE = re.compile(r"\d{7,}\s+\d{7,}", re.ASCII)

ROUNDED = "ends in 00000, as numbers rounded by a spreadsheet do: put a + before it if it is right"
_LOST = "scientific notation, digits are lost: format the column as text"


class Refused(Exception):
    """The text is no number: a kind of ``kinds.PROBLEMS``, and the reason in words."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def reject(kind: str, reason: str) -> NoReturn:
    """Give up on a number."""
    raise Refused(kind, reason)


def read_digits(text: str, repairs: list[Repair]) -> tuple[str, bool]:
    """Take the digits out of what was written, and tell whether they are marked as international.

    Parameters
    ----------
    text
        The cell.
    repairs
        What was changed is appended here.

    Raises
    ------
    Refused
        There is no telling what number this was.

    Examples
    --------
    >>> repairs = []
    >>> read_digits("'0044 7700 900123", repairs)
    ('447700900123', True)
    >>> repairs
    [('quotes', 'removed the apostrophe'), ('leading 00', 'removed the leading 00')]
    """
    plain = _PLAIN.fullmatch(text) and text.translate(_MARKS)
    if plain and len(plain) in _PLAIN_LENGTHS:
        return _without_exit_code(plain, text[0] == "+", repairs)
    cleaned = _as_whole_number(_cleaned(text, repairs), repairs)
    compact = _SEPARATORS.sub("", cleaned.strip(",;/|&").replace("/", ""))
    digits = compact.removeprefix("+")
    if odd := re.search(r"\D", digits, re.ASCII):
        reject("no number", f"has the character {odd.group()!r} in it")
    if not digits:
        reject("no number", "has no digits in it")
    return _without_exit_code(digits, compact[0] == "+", repairs)


def is_rounded(text: str) -> bool:
    """Tell whether the number looks like one that a spreadsheet has rounded.

    Examples
    --------
    >>> is_rounded("12120000000"), is_rounded("+12120000000")
    (True, False)
    """
    return "00000" in text and _ROUNDED.fullmatch(text.strip()) is not None


def _without_exit_code(digits: str, plus: bool, repairs: list[Repair]) -> tuple[str, bool]:
    if digits.startswith("00"):
        repairs.append(("leading 00", "removed the leading 00"))
        return digits[2:], True
    return digits, plus


def _cleaned(text: str, repairs: list[Repair]) -> str:
    """Write plain digits, plus, dashes and spaces for their look-alikes, and drop what cannot be seen."""
    cleaned = text if text.isascii() else _in_ascii(text, repairs)
    cleaned = cleaned.strip()
    if quoted := _QUOTED.fullmatch(cleaned):
        cleaned = quoted[2].strip()
        repairs.append(("quotes", 'removed ="..."' if quoted[1] else "removed the quotation marks"))
    if cleaned.startswith(("'", "’", "‘", "`", "´")):
        cleaned = cleaned[1:].strip()
        repairs.append(("quotes", "removed the apostrophe"))
    return cleaned


def _in_ascii(text: str, repairs: list[Repair]) -> str:
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    if visible != text:
        repairs.append(("invisible", "removed invisible characters"))
    if any(char.isdecimal() and not char.isascii() for char in visible):
        repairs.append(("other digits", "wrote the digits as 0 to 9"))
    return "".join(_plain(char) for char in visible)


def _plain(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if unicodedata.category(char) == "Pd" or char == "\u2212":
        return "-"
    return {"＋": "+", "．": ".", "（": "(", "）": ")", "＂": '"', "“": '"', "”": '"'}.get(char, char)


def _as_whole_number(cleaned: str, repairs: list[Repair]) -> str:
    """Undo what a spreadsheet does to a number, or refuse what it did."""
    if not cleaned:
        reject("empty", "empty")
    if short := _SCIENTIFIC.fullmatch(cleaned):
        repairs.append(("scientific", "wrote out the scientific notation"))
        return _written_out(short)
    if _DATE.fullmatch(cleaned):
        reject("date", "a date, not a number")
    if _THOUSANDS.fullmatch(cleaned):
        repairs.append(("number format", "removed the commas"))
        cleaned = cleaned.replace(",", "")
    if whole := _WHOLE_FLOAT.fullmatch(cleaned):
        repairs.append(("number format", "removed .0"))
        return whole[1]
    if _FRACTION.fullmatch(cleaned):
        reject("decimals", "a number with decimals")
    if _several(cleaned):
        reject("two numbers", "more than one number in the cell")
    if any(char.isalpha() for char in cleaned):
        reject("no number", _with_letters(cleaned))
    return cleaned


def _written_out(short: re.Match[str]) -> str:
    """Write out scientific notation that has kept all its digits: as many decimals as the power of ten says."""
    decimals, power = short["decimals"] or "", int(short["power"][:4])
    kept, surplus = decimals[: max(power, 0)], decimals[max(power, 0) :]
    if len(kept) != power or surplus.strip("0") or short["whole"] == "0":
        reject("lost digits", _LOST)
    return short["whole"] + kept


def _with_letters(cleaned: str) -> str:
    if cleaned.upper() in {"TRUE", "FALSE"}:
        return "TRUE or FALSE, not a number"
    return "the error value of a formula" if cleaned.startswith("#") else "has letters in it"


def _several(cleaned: str) -> bool:
    """Tell whether the cell seems to hold several numbers: it is not for us to choose one."""
    if len(_LONG_ENOUGH.findall(cleaned)) > 1 or _SIDE_BY_SIDE.search(cleaned):
        return True
    with_digits = [piece for piece in _SEVERAL.split(cleaned) if any(map(str.isdigit, piece))]
    return len(with_digits) > 1 and not _AREA_CODE_SLASH.fullmatch(cleaned)
