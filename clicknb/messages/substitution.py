"""Plain characters for typographic ones that force a whole text to Unicode: a small table, each entry with its reason.

A text is changed only if all that forces it to Unicode is in the table, so that afterwards it goes out in the GSM
alphabet. In any other text nothing would be won; so a joiner in Persian, Hindi or an emoji, a word break in Thai and
the quotes of a Russian text stay as they are. Nor is a text changed that would need more parts.

What is not in the table, and why: letters, because they are names (only ligatures are taken apart); ² and ½ (10² is not
102, and 1½ not 11/2); ÷, ° and other signs without a plain form; marks that turn the direction of writing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final, overload

import numpy as np
import pandas as pd

from clicknb import frames
from clicknb.messages.characters import Profile, code_point, name
from clicknb.messages.parts import listed, offenders, parts

_LIGATURE = "a ligature of fonts and PDF files: the same letters, one by one"

_ENTRIES = (
    ("\u2018", "'", "word processors write it for the opening single quote"),
    ("\u2019", "'", "word processors and telephones write it for the apostrophe"),
    ("\u201a", "'", "the low opening single quote of German and others"),
    ("\u2032", "'", "the sign for minutes and feet, commonly typed as an apostrophe"),
    ("\u2039", "'", "the single angle quote that opens in French and closes in Danish"),
    ("\u203a", "'", "the single angle quote that closes in French and opens in Danish"),
    ("`", "'", "the backtick, which does not arrive as a single byte, and is mostly a mistyped apostrophe"),
    ("\u00b4", "'", "the acute accent alone, mostly a mistyped apostrophe"),
    ("\u201c", '"', "word processors write it for the opening quote"),
    ("\u201d", '"', "word processors write it for the closing quote"),
    ("\u201e", '"', "the low opening quote of German and others"),
    ("\u2033", '"', "the sign for seconds and inches, commonly typed as a quote"),
    ("\u00ab", '"', "the angle quote that opens in French and closes in Danish"),
    ("\u00bb", '"', "the angle quote that closes in French and opens in Danish"),
    ("\u2010", "-", "a hyphen by its own name, which looks like the one of the keyboard"),
    ("\u2011", "-", "a hyphen at which no line ends, which a telephone decides for itself"),
    ("\u2013", "-", "word processors write it for a dash between words or numbers"),
    ("\u2014", "-", "word processors write it for two hyphens"),
    ("\u2212", "-", "the minus sign of formulas and spreadsheets"),
    ("\u2026", "...", "word processors write it for three dots"),
    ("\u00a0", " ", "a space that keeps two words on a line, which a telephone decides for itself"),
    ("\u202f", " ", "a narrow space that keeps numbers together, as in 1 000 000"),
    (
        "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a",
        " ",
        "a space of another width; telephones show one width",
    ),
    ("\u3000", " ", "the wide space of East Asian keyboards"),
    ("\t", " ", "a tab, which comes from a spreadsheet; telephones have no stops for it"),
    ("\v", "\n", "the line break within a paragraph of word processors"),
    ("\u2028", "\n", "a line break by its own name"),
    ("\u2029", "\n", "a paragraph's end by its own name"),
    ("\u00ad", "", "a hyphen that shows only where a line ends"),
    ("\u200b", "", "marks where a line may end, and cannot be seen"),
    ("\u200c", "", "keeps letters from joining, which those of the GSM alphabet never do"),
    ("\u200d", "", "joins letters or emoji; those of the GSM alphabet do not join"),
    ("\u2060", "", "cannot be seen, and comes along when text is copied"),
    ("\ufeff", "", "the mark at the beginning of a file, which cannot be seen"),
    ("\ufe0e", "", "asks for the plain form of a sign, which those of the GSM alphabet have anyway"),
    ("\ufe0f", "", "asks for the coloured form of a sign, which those of the GSM alphabet do not need"),
    (
        "\u200e\u202a\u202c\u2066\u2068\u2069",
        "",
        "cannot be seen, and changes nothing where all is written from left to right",
    ),
    ("\u2022\u25aa\u25cf", "-", "the bullet of a list, for which people type a dash"),
    ("\u2044", "/", "the stroke of fractions"),
    ("\u00d7", "x", "the sign of multiplication, as in 2 × 4"),
    ("\u00a9", "(C)", "the usual way to type it"),
    ("\u00ae", "(R)", "the usual way to type it"),
    ("\u2122", "(TM)", "the usual way to type it"),
    ("\ufb00", "ff", _LIGATURE),
    ("\ufb01", "fi", _LIGATURE),
    ("\ufb02", "fl", _LIGATURE),
    ("\ufb03", "ffi", _LIGATURE),
    ("\ufb04", "ffl", _LIGATURE),
    ("\ufb06", "st", _LIGATURE),
)


@dataclass(frozen=True, slots=True)
class Substitution:
    """What is written for a character, and why that is harmless."""

    replacement: str
    reason: str


TABLE: Final[Mapping[str, Substitution]] = MappingProxyType(
    {character: Substitution(replacement, reason) for alike, replacement, reason in _ENTRIES for character in alike}
)
"""The substitutions by character. Each replacement counts as GSM text in every profile."""

_INVISIBLE = {"": "nothing", " ": "a space", "\n": "a line break"}


@overload
def substitute(texts: str, *, profile: Profile = "clickatell") -> str: ...
@overload
def substitute(texts: pd.Series[str], *, profile: Profile = "clickatell") -> pd.Series[str]: ...
def substitute(texts: str | pd.Series[str], *, profile: Profile = "clickatell") -> str | pd.Series[str]:
    r"""Write plain characters for typographic ones wherever that lets a text go out in the GSM alphabet.

    Parameters
    ----------
    texts
        One text, or a Series of them (str; a missing text is not a text).
    profile
        As for `text.measure`: only what forces Unicode there is replaced.

    Returns
    -------
    str or Series
        As was given, with the same index. A text that needs Unicode all the same is as it was, and so is one that
        would need more parts.

    Raises
    ------
    InvalidInput
        As `text.measure`.

    Examples
    --------
    >>> substitute("It’s “on” – see you…")
    'It\'s "on" - see you...'
    >>> substitute("It’s on, Ольга")
    'It’s on, Ольга'
    """
    after = compared(listed(texts), profile)["after"]
    if isinstance(texts, str):
        return str(after.iloc[0])
    after.index, after.name = texts.index, texts.name
    return after


def diff(texts: str | Iterable[str], *, profile: Profile = "clickatell") -> pd.DataFrame:
    """Show which texts `substitute` changes, and how.

    Parameters
    ----------
    texts
        One text, several, or a Series, whose index is kept.
    profile
        As for `substitute`.

    Returns
    -------
    pandas.DataFrame
        One row for each text that changes: ``before``, ``after``, ``changes`` in words, ``parts_before`` and
        ``parts_after`` (Int16).

    Raises
    ------
    InvalidInput
        As `text.measure`.

    Examples
    --------
    >>> diff(["It’s on", "Hello"])["changes"].tolist()
    ["1 × ’ (RIGHT SINGLE QUOTATION MARK) to '"]
    """
    rows = compared(listed(texts), profile)
    if isinstance(texts, pd.Series):
        rows.index = texts.index
    rows = rows[rows["after"] != rows["before"]]
    table = _table(profile)
    rows["changes"] = [_in_words(text, table) for text in rows["before"]]
    return frames.build(frames.DIFF, rows, rows.index)


def compared(texts: list[str], profile: Profile) -> pd.DataFrame:
    """Give texts ``before`` and ``after``, their ``encoding`` before, ``parts_before``, ``parts_after``."""
    rows = parts(texts, profile=profile)[["text", "encoding", "parts"]]
    tried = np.flatnonzero(rows["encoding"] == "ucs2")
    table = str.maketrans(_table(profile))
    new = parts([texts[row].translate(table) for row in tried.tolist()], profile=profile).set_axis(tried)
    new = new.loc[(new["encoding"] == "gsm7") & (new["parts"] <= rows["parts"].iloc[tried]), ["text", "parts"]]
    rows = rows.rename(columns={"text": "before", "parts": "parts_before"})
    rows[["after", "parts_after"]] = rows[["before", "parts_before"]]
    rows.loc[new.index, ["after", "parts_after"]] = new.set_axis(["after", "parts_after"], axis="columns")
    return rows


def _table(profile: Profile) -> dict[str, str]:
    """List what is written for each character that forces Unicode."""
    forcing = offenders("".join(TABLE), profile=profile)["character"]
    return {character: TABLE[character].replacement for character in forcing}


def _in_words(text: str, table: Mapping[str, str]) -> str:
    counts = Counter(char for char in text if char in table)
    return ", ".join(f"{count} × {_shown(char)} to {plain(char)}" for char, count in counts.items())


def _shown(character: str) -> str:
    called = name(character)
    return f"{character} ({called})" if character.isprintable() else f"{called} ({code_point(character)})"


def plain(character: str) -> str:
    r"""Say in words what is written for a character of the table.

    Examples
    --------
    >>> plain("…"), plain("\u200b")
    ('...', 'nothing')
    """
    replacement = TABLE[character].replacement
    return _INVISIBLE.get(replacement, replacement)


def substitutions() -> pd.DataFrame:
    """All substitutions, one row each.

    Returns
    -------
    pandas.DataFrame
        ``character``, ``name``, ``code_point``, ``replacement``, ``reason`` (str).

    Examples
    --------
    >>> substitutions().set_index("code_point").loc["U+00A0", ["name", "replacement"]].tolist()
    ['NO-BREAK SPACE', ' ']
    """
    rows = (
        {"character": char, "name": name(char), "code_point": code_point(char), **asdict(entry)}
        for char, entry in TABLE.items()
    )
    return frames.build(frames.SUBSTITUTIONS, rows)
