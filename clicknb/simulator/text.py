"""What a handset shows, and how many message parts that takes.

Written from the specification and sharing nothing with the product's own counting, so that a mistake in one of the
two shows as a difference between the parts planned and the parts charged.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# The single bytes that were seen to arrive unchanged (see BenMorel/Clickatell, MessageConverter).
_LATIN_BYTES = "A1 A3 A4 A5 A7 BF C4 C5 C6 C9 D1 D6 D8 DC DF E0 E4 E5 E6 E8 E9 EC F1 F2 F6 F8 F9 FC"
_UNCHANGED = frozenset(b"\n\r\x80" + bytes(range(0x20, 0x60)) + bytes(range(0x61, 0x7F)) + bytes.fromhex(_LATIN_BYTES))
_SIMILAR = {
    "'": "`\u2018\u2019\u201a",
    '"': "\u201c\u201d\u201e\u00a8",
    "-": "\u2013\u2014",
    " ": "\u00a0\t",
    "c": "\u00a9",
}
_LOOK_ALIKES = {character: shown for shown, characters in _SIMILAR.items() for character in characters}
_ESCAPED = frozenset("^{}\\[]~|\u20ac")


def _shown(code: int) -> str:
    """Tell which character appears for one byte: itself, something similar, or a question mark."""
    character = bytes([code]).decode("cp1252", errors="replace")
    if code in _UNCHANGED:
        return character
    if character in _LOOK_ALIKES:
        return _LOOK_ALIKES[character]
    plain = unicodedata.normalize("NFKD", character).encode("ascii", errors="ignore").decode()
    return plain if plain.isalnum() or plain == "..." else "?"


_SHOWN = tuple(_shown(code) for code in range(256))


def from_bytes(raw: bytes) -> str:
    r"""Decode text that is not marked as Unicode: windows-1252, with replacements outside the safe set.

    Examples
    --------
    >>> from_bytes("Grüße für 5 €".encode("cp1252"))
    'Grüße für 5 €'
    >>> from_bytes("Tässä".encode("utf-8"))  # the classic mistake, as real handsets showed it
    'TA¤ssA¤'
    """
    return "".join([_SHOWN[code] for code in raw])


def from_hex(value: str) -> str | None:
    """Decode ``unicode=1`` text, the hexadecimal of UCS-2 big-endian; ``None`` if it is not that.

    Examples
    --------
    >>> from_hex("03A903A80398")
    'ΩΨΘ'
    >>> from_hex("03A") is None
    True
    """
    raw = octets(value)
    if raw is None or len(raw) % 2:
        return None
    try:
        return raw.decode("utf-16-be")
    except UnicodeDecodeError:
        return None


def octets(value: str) -> bytes | None:
    """Decode hexadecimal without separators; ``None`` if it is not that."""
    if not value.isascii() or not (value.isalnum() or not value):
        return None
    try:
        return bytes.fromhex(value)
    except ValueError:
        return None


def gsm_parts(text: str) -> int:
    """Count the parts of a text in the GSM alphabet: 160 units in one, 153 in each of several.

    Examples
    --------
    >>> gsm_parts("a" * 160), gsm_parts("a" * 161), gsm_parts("[" * 80), gsm_parts("[" * 81)
    (1, 2, 1, 2)
    """
    return _parts((2 if character in _ESCAPED else 1 for character in text), whole=160, each=153)


def ucs2_parts(text: str) -> int:
    """Count the parts of a text in UCS-2: 70 units in one, 67 in each of several; outside the basic plane, 2 units.

    Examples
    --------
    >>> ucs2_parts("Ω" * 70), ucs2_parts("Ω" * 71), ucs2_parts("😀" * 36)
    (1, 2, 2)
    """
    return _parts((2 if character > "\uffff" else 1 for character in text), whole=70, each=67)


def octet_parts(length: int) -> int:
    """Count the parts of an 8-bit message, its user data header included: 140 octets in one, 134 in each of several.

    Examples
    --------
    >>> octet_parts(140), octet_parts(141), octet_parts(268), octet_parts(269)
    (1, 2, 2, 3)
    """
    whole, each = 140, 134
    return 1 if length <= whole else -(-length // each)


def _parts(widths: Iterable[int], *, whole: int, each: int) -> int:
    """Fill parts one after another; a character of two units is never torn apart by a part's border."""
    total, parts, filled = 0, 1, 0
    for width in widths:
        total += width
        filled += width
        if filled > each:
            parts, filled = parts + 1, width
    return 1 if total <= whole else parts
