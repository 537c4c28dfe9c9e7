"""One page that tells a campaign's story to somebody without a notebook."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from clicknb import checks, display, frames
from clicknb.analysis.summary import outcome, reasons, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ROWS = 50
_PROBLEM_COLUMNS = ["to", "country", "state", "error_code", "error", "status", "submitted_at"]
_FINE = ["delivered", "at_network", "pending", "planned"]

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
img { max-width: 100%; background: white; border-radius: 4px }
p { max-width: 46rem }
"""
# Nothing may be loaded or run, whatever a text in the page says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report(
    frame: pd.DataFrame,
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    figure: Figure | None = None,
    meanings: Mapping[str, str] | None = None,
) -> str:
    """Write a campaign as one HTML page that needs no other file and no network.

    Parameters
    ----------
    frame
        One row per recipient (``frames.OUTCOMES``).
    title
        The campaign's name.
    facts
        Pairs of a name and a value for the top of the page.
    figure
        The picture, such as that of ``figures.plot``.
    meanings
        What each status code means, for the list of reasons.

    Returns
    -------
    str
        A whole document. Numbers are masked, texts of messages are left out, everything is escaped.
    """
    found = _problems(frame)
    counts, rates = _tables(frame)
    sections = [
        display.panel("In short", facts),
        _section("What came of it", display.table(counts, max_rows=_MOST_ROWS)),
        _section("Delivery and cost", display.table(rates, max_rows=_MOST_ROWS), _RATES_NOTE),
        _picture(figure),
        _section("Why messages were not delivered", display.table(reasons(frame, meanings), max_rows=_MOST_ROWS)),
        _section(
            f"Rows to look at ({len(found):,})",
            display.table(found, max_rows=_MOST_ROWS),
            "Rows that were refused, lost, skipped or not delivered. Rows on their way are not listed.",
        ),
        _section(
            "What is not in this page",
            "",
            "Whole numbers, the texts of the messages and whatever happened after it was written. "
            "The campaign's frames in a notebook have them.",
        ),
    ]
    name = display.escape(display.shorten(display.mask_digits(title, 9), 120))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{name}</h1>\n" + "\n".join(sections) + "\n</body></html>\n"
    )


def save(page: str, path: str | Path) -> Path:
    """Write a page into a file.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InvalidInput
        The file cannot be written: its folder is missing, it is a folder itself, or the disk says no.
    """
    place = checks.path("path", path)
    try:
        place.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        checks.refuse(f"The report cannot be written to {str(place)!r}: {reason}.", "Name a file in a writable folder.")
    return place


_RATES_NOTE = (
    "rate = delivered / of, where of = delivered + failed + expired, with its 95 % interval (low, high). Messages that "
    "are still open are in no rate; worst and best are delivered / sent if all of them end badly or well. "
    "Money is in credits."
)


_WRITTEN: dict[str, Callable[[float], str]] = {
    **dict.fromkeys(("rate", "rate_low", "rate_high", "worst", "best"), partial(display.percent, decimals=1)),
    **dict.fromkeys(("estimated", "charge"), "{:,.1f}".format),
    "median_seconds": "{:.0f}".format,
}


def _tables(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut the summary in two: the outcomes that occur, and the rates with the money."""
    table = summary(frame, by="country")
    words = [word for word in frames.RESULTS if table[word].any()]
    rates = table.drop(columns=["rows", *frames.RESULTS]).loc[table["sent"] > 0]
    for name, write in _WRITTEN.items():
        rates[name] = rates[name].map(write, na_action="ignore").astype("str").fillna("-")
    return _spoken(table[["rows", *words]]), _spoken(rates)


def _spoken(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns=lambda name: name.replace("_", " "))


def _problems(frame: pd.DataFrame) -> pd.DataFrame:
    word = outcome(frame)
    rows = frame.loc[~word.isin(_FINE), _PROBLEM_COLUMNS]
    submitted = rows["submitted_at"].dt.strftime("%Y-%m-%d %H:%M").astype("str")
    return _spoken(
        rows.assign(state=word[~word.isin(_FINE)], submitted_at=submitted).rename(columns={"state": "outcome"})
    )


def _section(heading: str, content: str, note: str = "") -> str:
    below = f"<p>{display.escape(note)}</p>" if note else ""
    return f"<h2>{display.escape(heading)}</h2>{content}{below}"


def _picture(figure: Figure | None) -> str:
    if figure is None:
        return ""
    from clicknb.analysis.figures import png

    data = b64encode(png(figure)).decode("ascii")
    return f'<img alt="Outcomes by group, and the share delivered over time" src="data:image/png;base64,{data}">'
