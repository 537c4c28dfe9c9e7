"""Encoding, units and parts of a message text, exactly.

A short message carries 140 octets: 160 septets of the GSM alphabet or 70 units of UCS-2. A longer text goes as several
parts, each of which begins with a header that says how the parts belong together; six octets of it leave 153 septets or
67 units. The characters of the GSM extension table count as two septets and those outside the basic plane as two
UCS-2 units, and such a pair is never torn by a border between parts.

Gateways differ in one thing: some also keep together what the eye sees as one sign (an emoji joined of several, a flag,
a letter with its marks), as Twilio's counter does, and may then need a part more. ``parts_high`` counts as those do.

Sources: 3GPP TS 23.038 for the alphabet, TS 23.040 for concatenation, Clickatell's page on concatenated messages,
Unicode Standard Annex 29 for what is one sign (simplified, and without CR LF, which that counter parts too).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from clicknb import checks, frames
from clicknb.messages.characters import (
    ASTRAL,
    EXTENSION,
    EXTENSION_TABLE,
    FLAG_LETTERS,
    JOINER,
    JOINING,
    PICTURES,
    Layout,
    Numbers,
    Profile,
    code_point,
    continuing,
    name,
)

Encoding = Literal["gsm7", "ucs2"]

_OCTETS = 140
_CONCATENATION_HEADER = 6
_LARGEST_HEADER = 136  # leaves room for one surrogate pair in each part
_AT_ONCE = 5_000  # texts laid out together: their characters fit in a processor's cache

_PAIR = {"gsm7": re.compile(f"[{re.escape(EXTENSION_TABLE)}]"), "ucs2": re.compile("[\U00010000-\U0010ffff]")}
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
    parts_high : int
        Message parts at a gateway that keeps joined emoji, flags and letters with their marks together: more than
        ``parts`` where such a sign lies on a border.
    left : int
        Units still free in the last part before there would be one part more.
    offending, name : str
        The first character that forces UCS-2, and its Unicode name; empty for GSM text.
    at : int or None
        Where that character is, counted from 0, so that it is ``text[at]``.
    """

    encoding: Encoding
    units: int
    parts: int
    parts_high: int
    left: int
    offending: str
    name: str
    at: int | None


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
    >>> measure("See you at 5 €").left
    145
    >>> measure("a" * 152 + "€" + "a" * 152).parts
    3
    >>> measure("It’s on")
    Parts(encoding='ucs2', units=7, parts=1, parts_high=1, left=63, offending='’',
          name='RIGHT SINGLE QUOTATION MARK', at=2)
    >>> measure("")
    Parts(encoding='gsm7', units=0, parts=0, parts_high=0, left=160, offending='', name='', at=None)
    """
    counted = {column: values.item() for column, values in _counted([text], profile, udh).items()}
    at = counted.pop("at")
    offending = "" if at < 0 else text[at]
    return Parts(
        encoding="ucs2" if offending else "gsm7",
        offending=offending,
        name=name(offending) if offending else "",
        at=at if offending else None,
        **{column: counted[column] for column in ("units", "parts", "parts_high", "left")},
    )


def split(text: str, *, profile: Profile = "clickatell", udh: int = _CONCATENATION_HEADER) -> list[str]:
    """Cut a text where the borders between its parts fall.

    Takes and raises the same as `measure`, and returns as many texts as it counts ``parts``.

    Examples
    --------
    >>> [len(part) for part in split("a" * 152 + "€" + "a" * 10)]
    [152, 11]
    """
    encoding = measure(text, profile=profile, udh=udh).encoding
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
        What `Parts` has, one row a text: ``text``, ``encoding`` (gsm7, ucs2), ``units`` (int64), ``parts`` and
        ``parts_high`` (Int16), ``left`` (int64), ``offending``, ``name``, ``at`` (Int64, from 0, missing in GSM text).

    Raises
    ------
    InvalidInput
        As `measure`; a missing text is not a text.

    Examples
    --------
    >>> parts(["Hello", "Привет"])[["encoding", "units", "parts", "left", "offending", "at"]]
      encoding  units  parts  left offending    at
    0     gsm7      5      1   155            <NA>
    1     ucs2      6      1    64         П     0
    """
    every = listed(texts)
    chunks = [every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE)] or [[]]
    counted = [_counted(chunk, profile, udh) for chunk in chunks]
    columns = {column: np.concatenate([chunk[column] for chunk in counted]) for column in counted[0]}
    at, code = columns.pop("at"), columns.pop("code")
    codes, which = np.unique(code, return_inverse=True)
    offending = [chr(one) if one >= 0 else "" for one in codes.tolist()]
    rows = {
        **columns,
        "text": texts if isinstance(texts, pd.Series) else every,
        "encoding": pd.Categorical.from_codes((at >= 0).astype(np.int8), dtype=frames.PARTS["encoding"]),
        "offending": pd.array(offending, dtype="str")[which],
        "name": pd.array([name(char) if char else "" for char in offending], dtype="str")[which],
        "at": pd.arrays.IntegerArray(at, at < 0),
    }
    index = texts.index if isinstance(texts, pd.Series) else pd.RangeIndex(len(every))
    return frames.build(frames.PARTS, pd.DataFrame(rows, index=index), index)


def offenders(text: str, *, profile: Profile = "clickatell") -> pd.DataFrame:
    """List every character of one text that forces it to Unicode.

    Parameters
    ----------
    text, profile
        As for `measure`.

    Returns
    -------
    pandas.DataFrame
        One row for each place, in the order of the text: ``character``, ``name``, ``code_point`` (such as U+2019),
        ``at`` (int64): where it is, counted from 0.

    Raises
    ------
    InvalidInput
        As `measure`.

    Examples
    --------
    >>> offenders("It’s 5 o’clock")
      character                         name code_point  at
    0         ’  RIGHT SINGLE QUOTATION MARK     U+2019   2
    1         ’  RIGHT SINGLE QUOTATION MARK     U+2019   8
    """
    places = Layout([text], profile).offenders().tolist()
    found = ({"character": text[at], "name": name(text[at]), "code_point": code_point(text[at])} for at in places)
    return frames.build(frames.OFFENDERS, [{**one, "at": at} for one, at in zip(found, places, strict=True)])


def listed(texts: str | Iterable[str]) -> list[str]:
    """Make a list of one text, several or a Series."""
    if isinstance(texts, str):
        return [texts]
    return texts.tolist() if isinstance(texts, pd.Series) else list(texts)


def _counted(texts: Sequence[str], profile: Profile, udh: int) -> dict[str, Numbers]:
    """Count many texts: `Parts` as columns, with -1 in ``at`` and ``code`` for GSM text."""
    layout = Layout(texts, profile)
    at = layout.firsts(layout.offenders())
    unicode = at >= 0
    sizes = np.array([_sizes("gsm7", udh), _sizes("ucs2", udh)])[unicode.astype(int)]
    single, multi = sizes[:, 0], sizes[:, 1]
    pairs = _pairs(layout, unicode)
    edges = layout.edges + np.searchsorted(pairs, layout.edges)  # in units
    units = np.diff(edges)
    count, left = np.minimum(units, 1), single - units
    long = np.flatnonzero(units > single)
    count[long], left[long] = _filled(edges[:-1][long], edges[1:][long], multi[long], pairs + np.arange(len(pairs)))
    high = count.copy()
    joining = layout.counts(layout.places(JOINING)) > 0
    for row in long[(unicode & joining)[long]].tolist():
        high[row] = len(_starts(_widened(texts[row], "ucs2"), int(multi[row]), whole_signs=True))
    code = np.full(len(texts), -1)
    code[unicode] = layout.codes[(layout.edges[:-1] + at)[unicode]]
    return {"units": units, "parts": count, "parts_high": high, "left": left, "at": at, "code": code}


def _pairs(layout: Layout, unicode: npt.NDArray[np.bool_]) -> Numbers:
    """Tell where the characters of two units are."""
    astral, extension = layout.places(ASTRAL), layout.places(EXTENSION)
    ours = astral[unicode[layout.by_text(astral)]], extension[~unicode[layout.by_text(extension)]]
    return np.sort(np.concatenate(ours))


def _filled(starts: Numbers, ends: Numbers, sizes: Numbers, pairs: Numbers) -> tuple[Numbers, Numbers]:
    """Fill the parts of many texts at once: how many each has, and what is left in its last.

    Everything is in units of all texts laid end to end. A border that would fall within a pair moves before it.
    """
    first_half = np.zeros(ends.max(initial=0) + 1, np.bool_)
    first_half[pairs[pairs < len(first_half)]] = True
    starts, count = starts.copy(), np.ones_like(starts)
    while (more := np.flatnonzero(starts + sizes < ends)).size:
        borders = starts[more] + sizes[more]
        starts[more] = borders - first_half[borders - 1]
        count[more] += 1
    return count, sizes - (ends - starts)


@lru_cache(maxsize=32)
def _sizes(encoding: Encoding, udh: int) -> tuple[int, int]:
    """Tell how many units fit in a single message and in each of several parts."""
    if not _CONCATENATION_HEADER <= udh <= _LARGEST_HEADER:
        checks.refuse(
            f"A part's header of {udh} octets is not possible: udh is {_CONCATENATION_HEADER} (the usual) "
            f"to {_LARGEST_HEADER}."
        )
    if encoding == "gsm7":
        return _OCTETS * 8 // 7, (_OCTETS - udh) * 8 // 7
    return _OCTETS // 2, (_OCTETS - udh) // 2


def _widened(text: str, encoding: Encoding) -> str:
    """Write a text so that each unit is one character: a mark stands before every character of two units."""
    return _PAIR[encoding].sub(rf"{_MARK}\g<0>", text)


def _starts(wide: str, size: int, *, whole_signs: bool = False) -> list[int]:
    """Tell at which unit each part begins; a border that would fall within a pair, or a sign, moves before it."""
    starts = [0]
    while (border := starts[-1] + size) < len(wide):
        border -= wide[border - 1] == _MARK
        before = _sign_at(wide, border) if whole_signs else border
        starts.append(before if before > starts[-1] else border)  # a sign longer than a part is torn all the same
    return starts


def _sign_at(wide: str, place: int) -> int:
    """Tell where the sign that a place lies in begins; a space always begins one."""
    space = max(wide.rfind(" ", 0, place), 0)
    return next(sign.start() for sign in _signs().finditer(wide, space) if sign.end() > place)


@lru_cache(maxsize=1)
def _signs() -> re.Pattern[str]:
    """Match one sign, as the eye sees it, in a text of one character a unit."""
    mark = f"{_MARK}?"
    flag = f"{mark}[{FLAG_LETTERS}]{mark}[{FLAG_LETTERS}]"
    more = f"{mark}[{re.escape(continuing())}]|{JOINER}(?:{mark}[{PICTURES}])?"
    return re.compile(f"(?:{flag}|{mark}.)(?:{more})*", re.DOTALL)
