"""The characters that reach a handset unchanged when text is sent as single bytes.

Clickatell reads text that is not marked as Unicode as windows-1252. Of that code page only some characters arrive as
they were written; BenMorel's Clickatell library lists those that its author verified on handsets, and the archived
documentation warns that others are replaced. Everything outside this set is sent as UCS-2.
"""

from __future__ import annotations

import re

_ASCII = "\n\r" + "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "`")
_LATIN = "€¡£¤¥§¿ÄÅÆÉÑÖØÜßàäåæèéìñòöøùü"

SINGLE_BYTE = frozenset(_ASCII + _LATIN)
"""Characters that may be sent as windows-1252 bytes; each of them is in the GSM alphabet too."""

_OUTSIDE = re.compile(f"[^{re.escape(''.join(sorted(SINGLE_BYTE)))}]")


def first_outside(text: str) -> str:
    """Find the first character that forces a text to UCS-2; empty if there is none.

    Examples
    --------
    >>> first_outside("Grüße für 5 €")
    ''
    >>> first_outside("Gar\u00e7on")
    '\u00e7'
    """
    found = _OUTSIDE.search(text)
    return found.group() if found else ""


def ucs2(text: str) -> str:
    """Write a text as the hexadecimal of UCS-2 big-endian, as ``unicode=1`` wants it.

    Characters outside the basic plane become surrogate pairs and count as two units.

    Examples
    --------
    >>> ucs2("\u03a9\u03a8\u0398")
    '03A903A80398'
    """
    return text.encode("utf-16-be").hex().upper()
