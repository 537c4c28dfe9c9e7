"""The fast path: numbers that can be read in one way only, checked with the patterns of ``phonenumbers`` itself.

``phonenumbers`` takes some 40 µs to parse and validate a number. Most numbers of a list are plain: a calling code that
exists, no digit that could be a trunk prefix, a length and a beginning that fit. For these the patterns of the
library's metadata say all that the library would, in a tenth of the time. Whatever is less plain is None here, and goes
to the library. ``tests/recipients/test_numbers.py`` compares both for every country.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberDesc

_Test = Callable[[str], re.Match[str] | None]

_REGIONS = {str(code): regions for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if regions != ("001",)}
_NATIONAL_LENGTHS = range(2, 18)  # others are no numbers to the library
_TYPES = (
    *("mobile", "fixed_line", "premium_rate", "toll_free", "shared_cost"),
    *("voip", "personal_number", "pager", "uan", "voicemail"),
)


class Reading(NamedTuple):
    """The only way to read some digits.

    Attributes
    ----------
    code : str
        The calling code.
    national : str
        The number without it.
    country : str or None
        Which country has assigned such numbers, as ISO 3166 alpha-2; None if none has.
    """

    code: str
    national: str
    country: str | None


class _Numbering(NamedTuple):
    """The numbering plan of one region."""

    code: str
    exit: _Test  # what is dialled for a call abroad
    trunk: _Test  # what is dialled for a call within the country
    rewrites: bool  # whether taking the trunk prefix off changes the rest
    general: _Test
    lengths: frozenset[int]
    leading: _Test | None  # what tells this region from others with the same calling code
    assigned: _Test
    mobile: _Test | None
    mobile_lengths: tuple[int, ...]

    def has(self, national: str) -> bool:
        return len(national) in self.lengths and self.general(national) is not None


def international(digits: str) -> Reading | None:
    """Read digits that begin with a calling code; None if there is more than one way, or none.

    Examples
    --------
    >>> international("12125550100")
    Reading(code='1', national='2125550100', country='US')
    """
    code = _code_of().get(digits[:3])
    if code is None:
        return None
    plan = _numbering(_REGIONS[code][0])
    number = _without_trunk(digits[len(code) :], plan)
    return None if number is None else Reading(code, number, _country(code, number))


def national(digits: str, home: str) -> Reading | None:
    """Read digits as somebody in the home country would, with or without its calling code or trunk prefix.

    Examples
    --------
    >>> national("2125550100", "US")
    Reading(code='1', national='2125550100', country='US')
    """
    plan = _numbering(home)
    if plan.exit(digits):
        return None
    number = _national_number(digits, plan)
    return None if number is None else Reading(plan.code, number, _country(plan.code, number))


def drops_zero(home: str) -> bool:
    """Tell whether people there write a 0 in front of a number, which a spreadsheet drops.

    Examples
    --------
    >>> drops_zero("GB"), drops_zero("US")
    (True, False)
    """
    metadata = PhoneMetadata.metadata_for_region(home)
    return metadata is not None and metadata.national_prefix == "0"


def is_mobile(national: str, country: str) -> bool:
    """Tell whether a number can be a mobile; where nobody can tell it from a landline, it can.

    Examples
    --------
    >>> is_mobile("2125550100", "US"), is_mobile("1632960123", "GB")
    (True, False)
    """
    mobile = _numbering(country).mobile
    return mobile is None or mobile(national) is not None


def mobile_size(code: str, national: str) -> str:
    """Compare a number with the mobiles of its calling code: ``"too short"``, ``"too long"``, or neither.

    Examples
    --------
    >>> mobile_size("44", "77009001"), mobile_size("44", "7700900123")
    ('too short', '')
    """
    lengths = _numbering(_REGIONS[code][0]).mobile_lengths if code in _REGIONS else ()
    if not lengths or lengths[0] <= len(national) <= lengths[-1]:
        return ""
    return "too short" if len(national) < lengths[0] else "too long"


def _national_number(digits: str, plan: _Numbering) -> str | None:
    if not digits.startswith(plan.code):
        return _without_trunk(digits, plan)
    rest = digits[len(plan.code) :]
    if plan.has(rest) and not plan.trunk(rest) and (len(digits) > max(plan.lengths) or not plan.general(digits)):
        return rest
    return digits if plan.has(digits) and not plan.trunk(digits) else None


def _without_trunk(digits: str, plan: _Numbering) -> str | None:
    if trunk := plan.trunk(digits):
        rest = digits[trunk.end() :]
        return rest if not plan.rewrites and plan.has(rest) else None
    return digits if len(digits) in _NATIONAL_LENGTHS else None


def _country(code: str, national: str) -> str | None:
    """Find the country as ``phonenumbers.region_code_for_number`` does, and see whether the number is valid there."""
    regions = _REGIONS[code]
    for region in regions:
        plan = _numbering(region)
        if plan.leading is None or len(regions) == 1:
            if plan.assigned(national):
                return region
        elif plan.leading(national):
            return region if plan.assigned(national) else None
    return None


@cache
def _code_of() -> dict[str, str]:
    """Map the first three digits of an international number to its calling code."""
    starts = (f"{start:03}" for start in range(1000))
    return {start: code for start in starts for size in (1, 2, 3) if (code := start[:size]) in _REGIONS}


@cache
def _numbering(region: str) -> _Numbering:
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None  # noqa: S101  every region of the table has some
    assert metadata.general_desc is not None  # noqa: S101
    general = metadata.general_desc
    mobile = metadata.mobile
    types = [kind for name in _TYPES if (kind := getattr(metadata, name)) and kind.national_number_pattern]
    return _Numbering(
        code=str(metadata.country_code),
        exit=_pattern(metadata.international_prefix).match,
        trunk=_pattern(metadata.national_prefix_for_parsing).match,
        rewrites=bool(metadata.national_prefix_transform_rule),
        general=_pattern(general.national_number_pattern).fullmatch,
        lengths=frozenset(general.possible_length),
        leading=re.compile(metadata.leading_digits).match if metadata.leading_digits else None,
        assigned=_pattern(rf"(?=(?:{_with_lengths(general)})\Z)(?:{'|'.join(map(_with_lengths, types))})").fullmatch,
        mobile=_pattern(_with_lengths(mobile)).fullmatch if mobile and mobile.national_number_pattern else None,
        mobile_lengths=tuple(mobile.possible_length) if mobile else (),
    )


def _with_lengths(kind: PhoneNumberDesc) -> str:
    lengths = "|".join(rf"\d{{{length}}}\Z" for length in kind.possible_length)
    return rf"(?={lengths})(?:{kind.national_number_pattern})"


def _pattern(pattern: str | None) -> re.Pattern[str]:
    return re.compile(pattern or r"(?!)", re.ASCII)
