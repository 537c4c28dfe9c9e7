"""Encoding, units and parts of a message text, exactly.

A short message carries 140 octets: 160 septets of the GSM alphabet or 70 units of UCS-2. A longer text goes as several
parts, each of which begins with a header that says how the parts belong together; six octets of it leave 153 septets or
67 units. The characters of the GSM extension table count as two septets and those outside the basic plane as two
UCS-2 units, and such a pair is never torn by a border between parts.

Sources: 3GPP TS 23.038 for the alphabet, TS 23.040 for concatenation, Clickatell's page on concatenated messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import pandas as pd

from clicknb import charset, frames
from clicknb.errors import InvalidInput

Encoding = Literal["gsm7", "ucs2"]
Profile = Literal["clickatell", "standard"]

_OCTETS = 140
_CONCATENATION_HEADER = 6
_LARGEST_HEADER = 136  # leaves room for one surrogate pair in each part

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"
_NOT_STANDARD = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]")
_PAIRS = {"gsm7": re.escape(_EXTENSION), "ucs2": "\U00010000-\U0010ffff"}
_PAIR = {encoding: re.compile(f"[{characters}]") for encoding, characters in _PAIRS.items()}
_BETWEEN_PAIRS = {encoding: re.compile(f"[^{characters}]+") for encoding, characters in _PAIRS.items()}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MARK = "\ud800"  # stands before a character of two units; no text that is let in contains it


@dataclass(frozen=True, slots=True)
class Parts:
    """What a text costs in parts, and why.

    Attributes
    ----------
    encoding : {"gsm7", "ucs2"}
        How the text goes out.
    units : int
        Septets, or UCS-2 units of 16 bits.
    parts : int
        Message parts; an empty text has none.
    left : int
        Units still free in the last part before there would be one part more.
    offending : str
        The first character that forces UCS-2; empty for GSM text.
    """

    encoding: Encoding
    units: int
    parts: int
    left: int
    offending: str


def measure(text: str, *, profile: Profile = "clickatell", udh: int = _CONCATENATION_HEADER) -> Parts:
    """Count the units and parts of one text.

    Parameters
    ----------
    text
        The whole text, as the handset shall show it. CR LF counts as two units.
    profile
        ``"clickatell"``: GSM units for what reaches a handset unchanged as single bytes, UCS-2 for everything else.
        ``"standard"``: the GSM 03.38 basic and extension tables alone (a literal escape is not in them).
    udh
        Octets of the header in each part of a longer text; 6, or 7 where references have 16 bits.

    Raises
    ------
    InvalidInput
        Not a text, half a surrogate pair in it, an unknown profile or an impossible header.

    Examples
    --------
    >>> measure("See you at 5 €")
    Parts(encoding='gsm7', units=15, parts=1, left=145, offending='')
    >>> measure("a" * 152 + "€" + "a" * 152).parts
    3
    >>> measure("It’s on").offending
    '’'
    >>> measure("")
    Parts(encoding='gsm7', units=0, parts=0, left=160, offending='')
    """
    offending = _first_outside(text, profile)
    encoding: Encoding = "ucs2" if offending else "gsm7"
    single, multi = _sizes(encoding, udh)
    units = _units(text, encoding)
    if units <= single:
        return Parts(encoding, units, min(units, 1), single - units, offending)
    starts = _starts(_widened(text, encoding), multi)
    return Parts(encoding, units, len(starts), multi - (units - starts[-1]), offending)


def split(text: str, *, profile: Profile = "clickatell", udh: int = _CONCATENATION_HEADER) -> list[str]:
    """Cut a text where the borders between its parts fall.

    Takes and raises the same as `measure`, and returns as many texts as it counts parts.

    Examples
    --------
    >>> [len(part) for part in split("a" * 152 + "€" + "a" * 10)]
    [152, 11]
    """
    encoding: Encoding = "ucs2" if _first_outside(text, profile) else "gsm7"
    single, multi = _sizes(encoding, udh)
    wide = _widened(text, encoding)
    if len(wide) <= single:
        return [text] if text else []
    starts = _starts(wide, multi)
    ends = [*starts[1:], len(wide)]
    return [wide[start:end].replace(_MARK, "") for start, end in zip(starts, ends, strict=True)]


def parts(
    texts: str | Iterable[str], *, profile: Profile = "clickatell", udh: int = _CONCATENATION_HEADER
) -> pd.DataFrame:
    """Count the units and parts of many texts.

    Parameters
    ----------
    texts
        One text, several, or a Series, whose index is kept.
    profile, udh
        As for `measure`.

    Returns
    -------
    pandas.DataFrame
        ``text``, ``encoding`` (gsm7, ucs2), ``units`` (int64), ``parts`` (Int16), ``left`` (int64), ``offending``.

    Raises
    ------
    InvalidInput
        As `measure`; a missing text is not a text.

    Examples
    --------
    >>> parts(["Hello", "Привет"])[["encoding", "units", "parts", "left", "offending"]]
      encoding  units  parts  left offending
    0     gsm7      5      1   155
    1     ucs2      6      1    64         П
    """
    every = [texts] if isinstance(texts, str) else list(texts)
    counted = [measure(text, profile=profile, udh=udh) for text in every]
    columns = {name: [getattr(one, name) for one in counted] for name in Parts.__slots__}
    index = texts.index if isinstance(texts, pd.Series) else None
    return frames.build(frames.PARTS, pd.DataFrame({"text": every, **columns}), index)


def _first_outside(text: str, profile: Profile) -> str:
    """Find the first character that needs UCS-2, after refusing what is no text."""
    if not isinstance(text, str):
        message = f"A message text is a str, not {type(text).__name__}. Nothing was sent; fill in or drop such rows."
        raise InvalidInput(message)
    if profile == "clickatell":
        outside = charset.first_outside(text)
    elif profile == "standard":
        found = _NOT_STANDARD.search(text)
        outside = found.group() if found else ""
    else:
        message = f"The profile {profile!r} is unknown: use 'clickatell' or 'standard'. Nothing was sent."
        raise InvalidInput(message)
    if outside:
        refuse_lone_surrogate(text)
    return outside


def refuse_lone_surrogate(text: str) -> None:
    """Refuse half a surrogate pair, which no encoding can carry.

    Raises
    ------
    InvalidInput
        Naming the place.
    """
    if found := _LONE_SURROGATE.search(text):
        message = (
            f"Character {found.start() + 1} of the text is half a surrogate pair, the remains of a broken emoji. "
            "Nothing was sent; delete it or write it again."
        )
        raise InvalidInput(message)


@lru_cache(maxsize=32)
def _sizes(encoding: Encoding, udh: int) -> tuple[int, int]:
    """Tell how many units fit in a single message and in each of several parts."""
    if not _CONCATENATION_HEADER <= udh <= _LARGEST_HEADER:
        message = (
            f"A part's header of {udh} octets is not possible: udh is {_CONCATENATION_HEADER} (the usual) "
            f"to {_LARGEST_HEADER}. Nothing was sent."
        )
        raise InvalidInput(message)
    if encoding == "gsm7":
        return _OCTETS * 8 // 7, (_OCTETS - udh) * 8 // 7
    return _OCTETS // 2, (_OCTETS - udh) // 2


def _units(text: str, encoding: Encoding) -> int:
    # Much faster than looking for pairs: what lies between them is a few long runs.
    return len(text) + len(_BETWEEN_PAIRS[encoding].sub("", text))


def _widened(text: str, encoding: Encoding) -> str:
    """Write a text so that each unit is one character: a mark stands before every character of two units."""
    return _PAIR[encoding].sub(rf"{_MARK}\g<0>", text)


def _starts(wide: str, size: int) -> list[int]:
    """Tell at which unit each part begins; a border that would fall within a pair moves before it."""
    starts = [0]
    while (border := starts[-1] + size) < len(wide):
        starts.append(border - (wide[border - 1] == _MARK))
    return starts
