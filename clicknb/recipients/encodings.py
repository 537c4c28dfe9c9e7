"""Tells in which encoding a text file was written: certain, said, or refused."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from operator import itemgetter
from typing import NoReturn

from clicknb.checks import described, refuse
from clicknb.display import listed, mask_written
from clicknb.recipients.codepages import Reading, readings, stands_out
from clicknb.recipients.notes import Note

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""How a file says what it is written in; the longer marks first, of which one begins like a shorter one."""

_SEVERAL_BYTES = {"cp932", "euc-jp", "gb18030", "big5", "cp949"}
_SHOWN = 8
_SHOWN_LINES = 5
_CLEARLY = 4
_FEW = 10
_ESCAPES = (b"\x1b$", b"\x1b(")
_TWICE_ENCODED = ("ï»¿", "ï¿½")


def decode(content: bytes, encoding: str | None) -> tuple[str, list[Note]]:
    """Read bytes as text; and what is to be known about it."""
    if encoding is not None:
        return _as_told(content, encoding), []
    known = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None) or _by_zeros(content)
    if known is not None:
        return _as_told(content, known), []
    try:
        text = content.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError:
        found = _code_page(content)
        return content.decode(found[0].encoding), [_said(found)]
    if content.isascii() and any(escape in content for escape in _ESCAPES):
        refuse(
            "The file holds escape signs, as text in ISO-2022-JP does.",
            "Save it as CSV UTF-8, or name the encoding, such as encoding='iso2022_jp'.",
        )
    if text.startswith(_TWICE_ENCODED):
        refuse("The file was converted to UTF-8 twice.", "Save the table again, from where it came, as CSV UTF-8.")
    return text, []


def _as_told(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).lstrip("\ufeff")
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            line = len(f"{content[: error.start].decode(encoding, 'ignore')}x".splitlines())
            refuse(
                f"The file is not text in {encoding}: line {line} holds what cannot be read.",
                "Name the encoding it was saved in, or save it as CSV UTF-8.",
                error,
            )
        refuse(f"The encoding {described(encoding)} is unknown.", "Use one such as 'utf-8' or 'cp1252'.", error)


def _by_zeros(content: bytes) -> str | None:
    """Find the kind of UTF-16 or UTF-32 without a mark by where the zero bytes are, of which text has no others."""
    if b"\0" not in content:
        return None
    zeros = [content[place::4].count(0) for place in range(4)]
    kinds = {
        "utf-32-le": (zeros[2] + zeros[3], zeros[0]),
        "utf-32-be": (zeros[0] + zeros[1], zeros[3]),
        "utf-16-le": (zeros[1] + zeros[3], zeros[0] + zeros[2]),
        "utf-16-be": (zeros[0] + zeros[2], zeros[1] + zeros[3]),
    }
    for name, (high, low) in kinds.items():
        if high * _FEW > len(content) and high > low * _CLEARLY and _reads(content, name):
            return name
    return None


def _reads(content: bytes, encoding: str) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return "\0" not in text and any(char.isascii() and char.isprintable() for char in text)


def _code_page(content: bytes) -> list[Reading]:
    if b"\0" in content:
        refuse("The file holds zero bytes: it is no text, or it is damaged.", "Save the table again, as CSV UTF-8.")
    found = readings(content)
    _refuse_mixed(content, several_bytes=stands_out(found) and found[0].encoding in _SEVERAL_BYTES)
    if not stands_out(found):
        _refuse_doubtful(found)
    return found


def _refuse_mixed(content: bytes, *, several_bytes: bool) -> None:
    """Refuse a file that is UTF-8 but for some lines: in any other encoding the rest would be gibberish.

    Characters of several bytes may look like UTF-8 by chance here and there, but not in most lines.
    """
    lines = [(number, line) for number, line in enumerate(content.splitlines(), start=1) if not line.isascii()]
    broken = [number for number, line in lines if not _is_utf8(line)]
    valid = len(lines) - len(broken)
    if valid and (not several_bytes or valid >= len(broken)):
        named = listed((f"{number:,}" for number in broken), _SHOWN_LINES)
        refuse(
            f"The file is UTF-8 in {valid:,} of the lines that are not plain ASCII, but not in line {named}.",
            "Correct these lines and save it as CSV UTF-8, or name encoding= if it is all in another one.",
        )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_doubtful(found: Sequence[Reading]) -> NoReturn:
    shown = _different(found)[:_SHOWN]
    seen = "; ".join(f"encoding={one.encoding!r} reads {_words(one, shown[0])}" for one in shown)
    if not seen:
        refuse("The file is not text in UTF-8, nor in any other encoding that is known here.", "Save it as CSV UTF-8.")
    refuse(
        f"The file is not text in UTF-8, and it cannot be told in which encoding it was written: {seen}.",
        "Name the one that reads right, or save the table as CSV UTF-8.",
    )


def _said(found: Sequence[Reading]) -> Note:
    taken, *others = _different(found)
    words = f"The file is not UTF-8; it was read as {taken.encoding}, in which it holds {_words(taken, taken)}."
    for other in others[:1]:
        words += f" If that looks wrong, name another: encoding={other.encoding!r} reads {_words(other, taken)}."
    return Note("encoding", words)


def _different(found: Sequence[Reading]) -> list[Reading]:
    """Leave out what reads the same as one before."""
    different: dict[str, Reading] = {}
    for one in found:
        different.setdefault("|".join(word for line in one.words for word in line), one)
    seen = [one for words, one in different.items() if words.replace("\u00a0", "").isprintable()]
    return seen or list(different.values())


def _words(one: Reading, first: Reading) -> str:
    """Show a few words, first those that the likeliest code page reads otherwise: by them one can choose."""
    pairs = [(word, word in theirs) for line, theirs in zip(one.words, first.words, strict=True) for word in line]
    words = dict.fromkeys(word for word, _ in sorted(pairs, key=itemgetter(1)))
    return ", ".join(repr(mask_written(word, 20)) for word in list(words)[:3])
