"""The characters of many texts at once, as one array: which force Unicode, which count twice, which belong together.

Texts are laid end to end, so that 100,000 of them are a few steps through an array and not a walk through each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from clicknb import charset, checks
from clicknb.errors import InvalidInput

Profile = Literal["clickatell", "standard"]
Numbers: TypeAlias = npt.NDArray[np.int64]

EXTENSION_TABLE = "\f^{}\\[~]|€"
_BASIC_TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

EXTENSION, ASTRAL, JOINING, _HALF = 1, 2, 4, 8
_OUTSIDE = {"clickatell": 16, "standard": 32}
"""Kinds of character, one bit each: two septets; two UCS-2 units; may continue the sign before it; half a pair."""

JOINER = "\u200d"
FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"
PICTURES = "\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_CONTINUING_RANGES = (
    (0x0E33, 0x0E34),  # a vowel of Thai, and its like in Lao
    (0x0EB3, 0x0EB4),
    (0x1160, 0x1200),  # Korean vowels and final consonants, written apart
    (0xD7B0, 0xD800),
    (0x200C, 0x200D),  # the non-joiner
    (0x1F3FB, 0x1F400),  # skin tones
    (0xE0020, 0xE0080),  # tags of regional flags
    (0xE0100, 0xE01F0),  # variation selectors
)
_LAST_MARKS = 0x20000  # combining marks lie in the first two planes, but for the variation selectors
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROLS = {"\t": "TAB", "\v": "VERTICAL TAB", "\f": "FORM FEED", "\x1b": "ESCAPE", "\x85": "NEXT LINE"}


class Layout:
    """Texts laid end to end.

    Parameters
    ----------
    texts
        The texts; each is a str.
    profile
        ``"clickatell"`` or ``"standard"``: which characters force Unicode, see `text.measure`.

    Attributes
    ----------
    codes : ndarray of uint32
        The code point of every character.
    edges : ndarray of int64
        Where each text begins, and at last where all end.

    Raises
    ------
    InvalidInput
        Not a text, half a surrogate pair in one, or an unknown profile.
    """

    def __init__(self, texts: Sequence[str], profile: Profile) -> None:
        if profile not in _OUTSIDE:
            checks.refuse(f"The profile {profile!r} is unknown: use 'clickatell' or 'standard'.")
        try:
            joined = "".join(texts)
        except TypeError:
            raise InvalidInput(_no_text(texts)) from None
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self.edges: Numbers = np.concatenate([[0], np.cumsum(lengths)])
        self.codes: npt.NDArray[np.uint32] = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
        self._kinds = _kinds()[self.codes]
        self._outside = _OUTSIDE[profile]
        if self.places(_HALF).size:
            refuse_lone_surrogate(next(text for text in texts if LONE_SURROGATE.search(text)))

    def places(self, kind: int) -> Numbers:
        """Tell where the characters of a kind are."""
        return np.flatnonzero((self._kinds & kind) != 0)  # many times quicker than without the comparison

    def offenders(self) -> Numbers:
        """Tell where the characters that force Unicode are."""
        return self.places(self._outside)

    def counts(self, places: Numbers) -> Numbers:
        """Tell how many of these places each text has."""
        return np.diff(np.searchsorted(places, self.edges))

    def firsts(self, places: Numbers) -> Numbers:
        """Tell the first of these places in each text, counted from its beginning; -1 if there is none."""
        borders = np.searchsorted(places, self.edges)
        first = np.full(len(self.edges) - 1, -1)
        has = np.diff(borders) > 0
        first[has] = places[borders[:-1][has]] - self.edges[:-1][has]
        return first

    def by_text(self, places: Numbers) -> Numbers:
        """Tell which text each of these places lies in."""
        return np.repeat(np.arange(len(self.edges) - 1), self.counts(places))

    def plain(self) -> list[str]:
        """Write the texts with a plain letter for each character that forces Unicode."""
        codes = self.codes.copy()
        codes[self.offenders()] = ord("a")
        joined = codes.tobytes().decode("utf-32-le")
        return [joined[start:end] for start, end in pairwise(self.edges.tolist())]


def _no_text(texts: Sequence[object]) -> str:
    odd = next(text for text in texts if not isinstance(text, str))
    return f"A message text is a str, not {type(odd).__name__}. Nothing was sent; fill in or drop such rows."


@lru_cache(maxsize=1)
def _kinds() -> npt.NDArray[np.uint8]:
    """Make the table of kinds by code point."""
    kinds = np.full(0x110000, sum(_OUTSIDE.values()), np.uint8)
    kinds[[ord(char) for char in charset.SINGLE_BYTE]] &= ~np.uint8(_OUTSIDE["clickatell"])
    kinds[[ord(char) for char in _BASIC_TABLE + EXTENSION_TABLE]] &= ~np.uint8(_OUTSIDE["standard"])
    kinds[[ord(char) for char in EXTENSION_TABLE]] |= EXTENSION
    kinds[0x10000:] |= ASTRAL
    kinds[0xD800:0xE000] |= _HALF
    kinds[[ord(char) for char in (JOINER, *continuing())]] |= JOINING
    kinds[ord(FLAG_LETTERS[0]) : ord(FLAG_LETTERS[-1]) + 1] |= JOINING
    return kinds


@lru_cache(maxsize=1)
def continuing() -> str:
    """List the characters that continue the sign before them: combining marks, skin tones, variation selectors."""
    marks = [char for char in map(chr, range(_LAST_MARKS)) if unicodedata.category(char)[0] == "M"]
    return "".join(marks + [chr(code) for first, end in _CONTINUING_RANGES for code in range(first, end)])


def refuse_lone_surrogate(text: str) -> None:
    """Refuse half a surrogate pair, which no encoding can carry.

    Raises
    ------
    InvalidInput
        Naming the place.
    """
    if found := LONE_SURROGATE.search(text):
        checks.refuse(
            f"Character {found.start() + 1} of the text is half a surrogate pair, the remains of a broken emoji.",
            "Delete it or write it again.",
        )


def name(character: str) -> str:
    r"""Name a character as Unicode does; the controls that have no name get their usual one.

    Examples
    --------
    >>> name("’"), name("\t"), name("\ue000")
    ('RIGHT SINGLE QUOTATION MARK', 'TAB', 'U+E000, WITHOUT A NAME')
    """
    usual = _CONTROLS.get(character, f"{code_point(character)}, WITHOUT A NAME")
    return unicodedata.name(character, usual)


def code_point(character: str) -> str:
    """Write a character's number as Unicode does.

    Examples
    --------
    >>> code_point("’")
    'U+2019'
    """
    return f"U+{ord(character):04X}"
