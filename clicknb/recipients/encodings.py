"""Tells in which encoding a text file was written: certain, said, or refused."""

from __future__ import annotations

from clicknb.checks import refuse
from clicknb.recipients.notes import Note

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def decode(content: bytes, encoding: str | None) -> tuple[str, list[Note]]:
    """Read bytes as text; and what is to be known about it."""
    return _decoded(content, encoding), []


def _decoded(content: bytes, encoding: str | None) -> str:
    if encoding is None and content.startswith(_UTF16):
        encoding = "utf-16"
    for name in [encoding] if encoding else ["utf-8-sig", "cp1252"]:
        try:
            return content.decode(name)
        except LookupError as error:
            refuse(f"The encoding {name!r} is unknown.", "Use one such as 'utf-8' or 'cp1252'.", error)
        except UnicodeDecodeError:
            continue
    return refuse(
        f"The file is not text in {encoding or 'UTF-8 or windows-1252'}.", "Save it as CSV UTF-8, or name encoding=."
    )
