"""One destination address: what was written, what it is read as and how sure that is, or why it is no number."""

from __future__ import annotations

import re
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumber

from clicknb import checks
from clicknb.kinds import REPAIRS, SURE, Sure
from clicknb.recipients import numbering
from clicknb.recipients.digits import ROUNDED, Refused, Repair, is_rounded, read_digits, reject

_LONGEST_NATIONAL = 10  # with that many digits or fewer, a cut-off national number could pass for a foreign one

EXACT_LENGTHS = {
    "27": (("",), 9),
    "1": (("",), 10),
    "44": (("7",), 10),
    "234": (("7", "8", "9"), 10),
    "254": (("1", "7"), 9),
}
"""How many digits follow a calling code: of every number, or of those that begin with one of some digits, which are
the mobiles. libphonenumber takes South African mobiles of 5 digits for valid, and Nigerian numbers of 14. Countries
whose mobiles have several lengths, such as Germany, are not here, nor are British landlines, some of which have 9."""

_DOUBT = {kind: list(SURE).index(repair.sure or "certain") for kind, repair in REPAIRS.items()}

_TOLL_FREE = "8(?:00|22|33|44|55|66|77|88)|900"
_RESERVED = re.compile(
    rf"(?P<NANP>1(?!{_TOLL_FREE})[2-9]\d\d55501\d\d)"
    r"|(?P<GB>447700900\d{3})|(?P<AU>61491570(?:006|110|15[6-9]))|(?P<FR>3363998\d{4})|(?P<ZA>27999\d{6})",
    re.ASCII,
)


class Reading(NamedTuple):
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
    sure : {"certain", "likely", "guess"} or None
        How sure ``to`` is. *certain*: the number says its country itself (a plus, 00, or a whole number of the home
        country), and at most its dress was changed. *likely*: something was missing, and what was put back is the
        usual reading. *guess*: another reading is possible.
    kind : str or None
        Short name of what was found, of ``kinds.REPAIRS`` or ``kinds.PROBLEMS``; of several repairs the least sure.
    """

    to: str | None = None
    country: str | None = None
    repair: str | None = None
    problem: str | None = None
    sure: Sure | None = None
    kind: str | None = None


_UNREADABLE = {
    phonenumbers.NumberParseException.NOT_A_NUMBER: ("too short", "too short"),
    phonenumbers.NumberParseException.TOO_SHORT_NSN: ("too short", "too short"),
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: ("too short", "too short"),
    phonenumbers.NumberParseException.TOO_LONG: ("too long", "too long"),
}


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


def normalise(text: str, country: str | None = None) -> Reading:
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
    Reading(to='447700900123', country='GB', repair='added country code 44', problem=None,
            sure='certain', kind='country code')
    >>> normalise("+44 (0)7700 900123").repair
    'removed the 0 after the country code'
    >>> normalise("4.477E+11").problem
    'scientific notation, digits are lost: format the column as text'
    """
    return read_number(text, checks.country(country))


def typed(text: str, country: str | None = None, unwanted: frozenset[str] = frozenset()) -> Reading:
    """Read one number that somebody gave by itself, as ``read_number`` reads a cell of a table.

    No spreadsheet can have rounded it, so whole digits may end in zeros.

    Examples
    --------
    >>> normalise("12120000000").problem
    'ends in 00000, as numbers rounded by a spreadsheet do: put a + before it if it is right'
    >>> typed("12120000000").problem
    'not a number of any country'
    """
    return read_number(text, checks.country(country), unwanted, cell="." in text)


def read_number(text: str, home: str | None, unwanted: frozenset[str] = frozenset(), *, cell: bool = True) -> Reading:
    """Read one number, but refuse it where that takes a repair of an unwanted kind.

    Parameters
    ----------
    home
        A country that was checked already.
    cell
        Whether it comes from a table, so that a program may have rounded it.
    """
    rounded = cell and is_rounded(text)
    repairs: list[Repair] = []
    try:
        digits, is_international = read_digits(text, repairs)
        if is_international:
            reading = _marked(digits, home, repairs)
        else:
            reading = _without_country(digits, repairs) if home is None else _at_home(digits, home, repairs)
        if not numbering.is_mobile(reading.to[len(reading.code) :], reading.country) and not reserved(reading.to):
            repairs.append(("landline", ""))
        if rounded and not reserved(reading.to):
            reject("rounded", ROUNDED)
    except Refused as reason:
        if rounded and reason.kind == "not assigned":
            return Reading(problem=ROUNDED, kind="rounded")
        return Reading(problem=str(reason), kind=reason.kind)
    for kind, words in repairs:
        if kind in unwanted:
            return Reading(problem=f"refused as asked: {words or kind}", kind=kind)
    return _accepted(reading, repairs)


def _accepted(reading: _Parsed, repairs: list[Repair]) -> Reading:
    if not repairs:
        return Reading(reading.to, reading.country, sure="certain")
    kind = max((kind for kind, _ in repairs), key=_DOUBT.__getitem__)
    words = ", ".join([words for _, words in repairs if words])
    return Reading(reading.to, reading.country, words or None, None, REPAIRS[kind].sure, kind)


class _Parsed(NamedTuple):
    """One way to read some digits, that is a number of some country."""

    to: str
    code: str
    country: str


def _marked(digits: str, home: str | None, repairs: list[Repair]) -> _Parsed:
    """Read digits after a plus or 00; the latter could also be a national number that has lost a digit."""
    doubtful = bool(repairs) and repairs[-1][0] == "leading 00" and len(digits) <= _LONGEST_NATIONAL
    reading = _international(digits, repairs)
    if doubtful and home is None:
        repairs.append(("short without plus", ""))
    elif doubtful and reading.country != home:
        repairs.append(("other country", f"read as a number of {reading.country}"))
    return reading


def _without_country(digits: str, repairs: list[Repair]) -> _Parsed:
    """Read digits that are not marked as international, where no country was named."""
    if digits.startswith("0"):
        reject("no country", "begins with 0, so it is a national number: give its country, such as country='GB'")
    reading = _international(digits, repairs)
    repairs.append(("no plus" if len(digits) > _LONGEST_NATIONAL else "short without plus", ""))
    return reading


def _at_home(digits: str, home: str, repairs: list[Repair]) -> _Parsed:
    """Choose how to read digits that may or may not begin with a country code."""
    try:
        reading = _read(digits, home)
    except Refused:
        if len(digits) <= _LONGEST_NATIONAL or digits.startswith("0"):
            raise
        reading = _international(digits, repairs)
        repairs.append(("other country", f"read as a number of {reading.country}"))
        return reading
    if digits != reading.to:
        repairs.append(_change(digits, reading, numbering.drops_zero(home)))
    return reading


def _international(digits: str, repairs: list[Repair]) -> _Parsed:
    """Read digits that begin with a country code."""
    reading = _read(digits, None)
    if digits != reading.to:
        repairs.append(_change(digits, reading, drops_zero=False))
    return reading


def _change(digits: str, reading: _Parsed, drops_zero: bool) -> Repair:
    """Say how the number differs from the digits that were written."""
    code = reading.code
    prefix = digits.removesuffix(reading.to.removeprefix(code))
    if prefix == f"{code}0":
        return "inner zero", "removed the 0 after the country code"
    if prefix == digits or (prefix and prefix.startswith(code)):
        return "rewritten", "rewrote it in international form"
    if prefix.endswith(code):
        return "leading 00", f"removed the leading {prefix.removesuffix(code)}"
    if not prefix and drops_zero:
        return "leading zero", f"added country code {code} (the leading 0 was missing)"
    return "country code", f"added country code {code}"


def _read(digits: str, home: str | None) -> _Parsed:
    """Read digits as somebody in the home country would, or as those of an international number."""
    plain = numbering.national(digits, home) if home else numbering.international(digits)
    code, national, country = plain or _asked(digits if home else f"+{digits}", home)
    to = code + national
    excess = _excess(code, national)
    if country and not excess:
        return _Parsed(to, code, country)
    if country := reserved(to):
        return _Parsed(to, code, country)
    raise _complaint(code, national, excess, home)


def _asked(text: str, home: str | None) -> numbering.Reading:
    """Ask the library, which takes longer, but knows every way of writing a number."""
    try:
        number = phonenumbers.parse(text, home)
    except phonenumbers.NumberParseException as error:
        reject(*_UNREADABLE.get(error.error_type, ("not assigned", "not a number of any country")))
    national = phonenumbers.national_significant_number(number)
    return numbering.Reading(str(number.country_code), national, _country(number))


def _excess(code: str, national: str) -> int:
    """Count the digits that the number has too many; below zero those that are missing."""
    exact = EXACT_LENGTHS.get(code)
    if exact is None or not national.startswith(exact[0]):
        return 0
    return len(national) - exact[1]


def _country(number: PhoneNumber) -> str | None:
    """Tell the country of a valid number."""
    region = phonenumbers.region_code_for_number(number)
    known = region in phonenumbers.SUPPORTED_REGIONS and phonenumbers.is_valid_number_for_region(number, region)
    return region if known else None


def _complaint(code: str, national: str, excess: int, home: str | None) -> Refused:
    """Say what is wrong with a number that can be read but does not exist."""
    size = ("too long" if excess > 0 else "too short") if excess else numbering.mobile_size(code, national)
    kind = size or "not assigned"
    if home is None or str(phonenumbers.country_code_for_region(home)) != code:
        return Refused(kind, size or "not a number of any country")
    return Refused(kind, f"{size} for a mobile number of {home}" if size else f"not a number of {home}")
