"""One destination address: what was written, what it is read as, or why it is no number."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NoReturn

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, ValidationResult

from clicknb.errors import InvalidInput

_LONGEST_NATIONAL = 10  # with that many digits or fewer, a cut-off national number could pass for a foreign one
_NATIONAL_DIGITS = {"27": 9}
"""Exact lengths by calling code: libphonenumber takes South African mobiles with missing digits for valid."""

_TOLL_FREE = "8(?:00|22|33|44|55|66|77|88)|900"
_RESERVED = re.compile(
    rf"(?P<NANP>1(?!{_TOLL_FREE})[2-9]\d\d55501\d\d)"
    r"|(?P<GB>447700900\d{3})|(?P<AU>61491570(?:006|110|15[6-9]))|(?P<FR>3363998\d{4})|(?P<ZA>27999\d{6})",
    re.ASCII,
)

_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d*)?e[+-]?\d+", re.ASCII | re.IGNORECASE)
_WHOLE_FLOAT = re.compile(r"(\d{5,})\.0+", re.ASCII)
_FRACTION = re.compile(r"\d{5,}\.\d{1,2}", re.ASCII)
_SEPARATORS = re.compile(r"[\s.()\[\]-]+")
_SEVERAL = re.compile(r"[,;/|&\n]")
_AREA_CODE_SLASH = re.compile(r"[^/]{1,6}/[^/]{5,}")
_LONG_ENOUGH = re.compile(r"\d(?:[ ().-]*\d){6,}", re.ASCII)
_SIDE_BY_SIDE = re.compile(r"\d{7,}\s+\d{7,}", re.ASCII)
_ROUNDED = re.compile(r"[1-9]\d*0{6}(?:\.0+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the doctor says of one number; exactly one of ``to`` and ``problem`` is set.

    Attributes
    ----------
    to : str or None
        Digits of E.164, country code first, without a plus.
    country : str or None
        ISO 3166 alpha-2.
    repair : str or None
        What was changed, in words. A plus, spaces, dashes, dots and brackets are ways to write a number, not repairs.
    problem : str or None
        Why the number is refused.
    """

    to: str | None = None
    country: str | None = None
    repair: str | None = None
    problem: str | None = None


_UNREADABLE = {
    phonenumbers.NumberParseException.NOT_A_NUMBER: "too short",
    phonenumbers.NumberParseException.TOO_SHORT_NSN: "too short",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "too short",
    phonenumbers.NumberParseException.TOO_LONG: "too long",
}


class _Refused(Exception):
    """The text is no number; says why."""


def reserved(digits: str) -> str | None:
    """Tell the country of a number that is reserved for tests and fiction, and belongs to nobody.

    These are valid everywhere in clicknb although libphonenumber does not know some of them: 555-0100 to 0199 in North
    America, 7700 900xxx in the United Kingdom, five Australian mobiles, 6 39 98 xx xx in France, and 27999xxxxxx, which
    Clickatell uses in its samples.

    Examples
    --------
    >>> reserved("447700900123"), reserved("12125550100"), reserved("14165550100"), reserved("44770090012")
    ('GB', 'US', 'CA', None)
    """
    found = _RESERVED.fullmatch(digits)
    if found is None:
        return None
    if found.lastgroup != "NANP":
        return found.lastgroup
    return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{digits}"))


def check_country(country: str | None) -> str | None:
    """Read an ISO 3166 alpha-2 code in any letter case.

    Raises
    ------
    InvalidInput
        There is no such country.

    Examples
    --------
    >>> check_country("gb")
    'GB'
    """
    if country is None:
        return None
    code = str(country).strip().upper()
    if code not in phonenumbers.SUPPORTED_REGIONS:
        hint = " Did you mean 'GB'?" if code == "UK" else ""
        message = (
            f"{country!r} is no country code.{hint} Nothing was sent; "
            "write the two letters of ISO 3166, such as country='ZA', or leave it out."
        )
        raise InvalidInput(message)
    return code


def normalise(text: str, country: str | None = None) -> Verdict:
    """Read one number as people write it.

    Parameters
    ----------
    text
        The number as it stands in the cell.
    country
        Whose national numbers are meant, as ISO 3166 alpha-2. Without it, bare digits are read as international.
        With it, bare digits that are no number there but a whole number of another country are read as that.

    Raises
    ------
    InvalidInput
        There is no such country.

    Examples
    --------
    >>> normalise("07700 900123", "GB")
    Verdict(to='447700900123', country='GB', repair='added country code 44', problem=None)
    >>> normalise("+44 (0)7700 900123").repair
    'removed the 0 after the country code'
    >>> normalise("4.477E+11").problem
    'scientific notation, digits are lost: format the column as text'
    """
    home = check_country(country)
    repairs: list[str] = []
    try:
        digits, international = _digits(text, repairs)
        reading = _international(digits, repairs) if international else _bare(digits, home, repairs)
        if _ROUNDED.fullmatch(text.strip()) and not reserved(reading.to):
            _refuse("ends in 000000, as numbers rounded by a spreadsheet do: put a + before it if it is right")
    except _Refused as reason:
        return Verdict(problem=str(reason))
    if reading.complaint:
        return Verdict(problem=reading.complaint)
    return Verdict(to=reading.to, country=reading.country, repair=", ".join(repairs) or None)


def _digits(text: str, repairs: list[str]) -> tuple[str, bool]:
    """Take the digits out of what was written, and tell whether they are marked as international."""
    cleaned = _cleaned(text, repairs)
    _refuse_damage(cleaned)
    if whole := _WHOLE_FLOAT.fullmatch(cleaned):
        cleaned = whole[1]
        repairs.append("removed .0")
    elif _FRACTION.fullmatch(cleaned):
        _refuse("a number with decimals")
    compact = _SEPARATORS.sub("", cleaned.strip(",;/|&").replace("/", ""))
    digits = compact.removeprefix("+")
    if odd := re.search(r"\D", digits, re.ASCII):
        _refuse(f"has the character {odd.group()!r} in it")
    if not digits:
        _refuse("has no digits in it")
    if digits.startswith("00"):
        repairs.append("removed the leading 00")
        return digits[2:], True
    return digits, compact.startswith("+")


def _cleaned(text: str, repairs: list[str]) -> str:
    """Write plain digits, plus, dashes and spaces for their look-alikes, and drop what cannot be seen."""
    cleaned = text.strip()
    if cleaned.startswith(("'", "’")):
        cleaned = cleaned[1:].lstrip()
        repairs.append("removed the apostrophe")
    if cleaned.isascii():
        return cleaned
    visible = "".join(char for char in cleaned if unicodedata.category(char) != "Cf")
    if visible != cleaned:
        repairs.append("removed invisible characters")
    plain = "".join(_plain(char) for char in visible)
    if any(char.isdecimal() and not char.isascii() for char in visible):
        repairs.append("wrote the digits as 0 to 9")
    return plain.strip()


def _plain(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if unicodedata.category(char) == "Pd" or char == "\u2212":
        return "-"
    return {"＋": "+", "．": ".", "（": "(", "）": ")"}.get(char, char)


def _refuse_damage(cleaned: str) -> None:
    """Refuse what a spreadsheet or a person has done to a number that cannot be undone."""
    if not cleaned:
        _refuse("empty")
    if _SCIENTIFIC.fullmatch(cleaned):
        _refuse("scientific notation, digits are lost: format the column as text")
    if _several(cleaned):
        _refuse("more than one number in the cell")
    if any(char.isalpha() for char in cleaned):
        _refuse("has letters in it")


def _several(cleaned: str) -> bool:
    """Tell whether the cell seems to hold several numbers: it is not for us to choose one."""
    if len(_LONG_ENOUGH.findall(cleaned)) > 1 or _SIDE_BY_SIDE.search(cleaned):
        return True
    with_digits = [piece for piece in _SEVERAL.split(cleaned) if any(map(str.isdigit, piece))]
    return len(with_digits) > 1 and not _AREA_CODE_SLASH.fullmatch(cleaned)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read some digits."""

    to: str
    code: str
    country: str | None
    complaint: str

    @property
    def national(self) -> str:
        """The number without its country code."""
        return self.to.removeprefix(self.code)


def _bare(digits: str, home: str | None, repairs: list[str]) -> _Reading:
    """Choose how to read digits that may or may not begin with a country code."""
    if home is None:
        if digits.startswith("0"):
            _refuse("begins with 0, so it is a national number: give its country, such as country='GB'")
        return _international(digits, repairs)
    reading = _reading(digits, home)
    if reading.country:
        repairs.extend(_changes(digits, reading))
    elif len(digits) > _LONGEST_NATIONAL and not digits.startswith("0"):
        reading = _international(digits, repairs)
        repairs.append(f"read as a number of {reading.country}")
    return reading


def _international(digits: str, repairs: list[str]) -> _Reading:
    """Read digits that begin with a country code."""
    reading = _reading(f"+{digits}", None)
    repairs.extend(_changes(digits, reading))
    return reading


def _changes(digits: str, reading: _Reading) -> list[str]:
    """Say how the number differs from the digits that were written."""
    code = reading.code
    prefix = digits.removesuffix(reading.national)
    if digits == reading.to:
        return []
    if prefix == f"{code}0":
        return ["removed the 0 after the country code"]
    if prefix == digits or prefix.startswith(code):
        return ["rewrote it in international form"]
    if prefix.endswith(code):
        return [f"removed the leading {prefix.removesuffix(code)}"]
    return [f"added country code {code}"]


def _reading(text: str, home: str | None) -> _Reading:
    try:
        number = phonenumbers.parse(text, home)
    except phonenumbers.NumberParseException as error:
        raise _Refused(_UNREADABLE.get(error.error_type, "not a number of any country")) from None
    code = str(number.country_code)
    to = code + phonenumbers.national_significant_number(number)
    exact = _NATIONAL_DIGITS.get(code, 0)
    excess = len(to) - len(code) - exact if exact else 0
    country = reserved(to) or (None if excess else _country(number))
    complaint = "" if country else _complaint(number, excess, home)
    return _Reading(to, code, country, complaint)


def _country(number: PhoneNumber) -> str | None:
    """Tell the country of a valid number."""
    region = phonenumbers.region_code_for_number(number)
    known = region in phonenumbers.SUPPORTED_REGIONS and phonenumbers.is_valid_number_for_region(number, region)
    return region if known else None


def _complaint(number: PhoneNumber, excess: int, home: str | None) -> str:
    """Say what is wrong with a number that can be read but does not exist."""
    length = phonenumbers.is_possible_number_for_type_with_reason(number, PhoneNumberType.MOBILE)
    size = ""
    if excess > 0 or length == ValidationResult.TOO_LONG:
        size = "too long"
    elif excess < 0 or length == ValidationResult.TOO_SHORT:
        size = "too short"
    if home is None or phonenumbers.country_code_for_region(home) != number.country_code:
        return size or "not a number of any country"
    return f"{size} for a mobile number of {home}" if size else f"not a number of {home}"


def _refuse(reason: str) -> NoReturn:
    raise _Refused(reason)
