"""Hand over a record as CSV or Excel: beside the notebook as a file, or from a web page as a download.

A record holds whole numbers. What stands in a widget may be saved with a notebook, so in a notebook the record is
written into a file and the form only says where. Voilà's page belongs to no notebook, and its reader may have no way
to the kernel's files, so there it is a link that holds the record, unless it is too large for one.
"""

from __future__ import annotations

import os
import re
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from clicknb import export
from clicknb.display import escape, many, mask_digits
from clicknb.forms.kit import markup

if TYPE_CHECKING:
    import pandas as pd

KINDS = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
LARGEST_LINK = 8_000_000
"""Bytes that a page is given in a link, at most."""


def file_name(title: str, ending: str) -> str:
    """Name a file after something, in letters that every system takes; numbers in it are masked.

    Examples
    --------
    >>> file_name("Check-ups <March>", "csv"), file_name("../", "csv")
    ('Check-ups-March.csv', 'campaign.csv')
    """
    masked = mask_digits(_plain(mask_digits(title)))  # again: whatever stood between the digits of a number is a dash
    return f"{_plain(masked).strip('-')[:60] or 'campaign'}.{ending}"


def _plain(words: str) -> str:
    return re.sub(r"[\W_]+", "-", words)


def on_a_page() -> bool:
    """Tell whether this kernel serves a page of Voilà."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def hand_over(frame: pd.DataFrame, title: str, ending: str) -> str:
    """Write a record and say, as HTML, where it is.

    Parameters
    ----------
    ending
        ``"csv"`` or ``"xlsx"``.

    Raises
    ------
    InvalidInput
        The file cannot be written.
    ConfigError
        Excel files need a package that is not installed.
    """
    name = file_name(title, ending)
    if on_a_page() and len(content := _content(frame, ending)) <= LARGEST_LINK:
        return _link(content, name, ending, len(frame))
    place = _free(Path(name))
    _write(frame, place, ending)
    return markup.notice("done", f"{_rows(len(frame))} are in {place.name}, beside this notebook. {_CARE}")


_CARE = "Keep them as you keep your customers' data."


def _rows(count: int) -> str:
    return f"{many(count, 'row')} with whole numbers and texts"


def _write(frame: pd.DataFrame, place: Path, ending: str) -> None:
    write = export.to_csv if ending == "csv" else export.to_excel
    write(frame, place)


def _free(place: Path) -> Path:
    """Find a name that no file has yet."""
    number, free = 1, place
    while free.exists():
        number += 1
        free = place.with_stem(f"{place.stem}-{number}")
    return free


def _content(frame: pd.DataFrame, ending: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"record.{ending}"
        _write(frame, place, ending)
        return place.read_bytes()


def _link(content: bytes, name: str, ending: str, rows: int) -> str:
    said = markup.line(f"{_rows(rows)}. The link goes with your next click. {_CARE}")
    style = "font-size:14px;color:inherit;text-decoration:underline"
    address, shown = f"data:{KINDS[ending]};base64,{b64encode(content).decode()}", escape(name)
    return f'<a href="{address}" download="{shown}" style="{style}">Save {shown}</a>{said}'
