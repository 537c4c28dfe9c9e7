"""Escaped pieces of HTML that forms show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from clicknb import display
from clicknb.display import PLAIN
from clicknb.frames import WORDS

if TYPE_CHECKING:
    import pandas as pd

    from clicknb.account import Account


Tone = Literal["error", "done", "note"]


LIVE_FRAME = "3px solid #d32f2f"


CALM_FRAME = "1px solid var(--jp-border-color2, #9e9e9e)"


_LONGEST_LINE = 600


_COLOURS: dict[Tone, str] = {"error": "#d32f2f", "done": "#388e3c", "note": "#1976d2"}


_FONT = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;"
    "color:var(--jp-ui-font-color1,inherit);overflow-wrap:anywhere;white-space:pre-line"
)


def safe(words: str) -> str:
    """Make a text fit to be shown: numbers in it masked, long lines shortened, HTML escaped; lines are kept."""
    lines = (display.mask_digits(line, display.STRANGER) for line in words.splitlines() or [""])
    return "\n".join(display.escape(display.shorten(line, _LONGEST_LINE)) for line in lines)


def line(words: str, *, strong: bool = False) -> str:
    """Write a line or paragraph."""
    weight = ";font-weight:600" if strong else ""
    return f'<div class="{PLAIN}" style="{_FONT}{weight}">{safe(words)}</div>'


def heading(words: str) -> str:
    """Draw a heading, also for screen readers."""
    look = "font-size:15px;font-weight:600;border-bottom:1px solid var(--jp-border-color2,#9e9e9e);margin:12px 0 4px 0"
    return f'<div class="{PLAIN}" role="heading" aria-level="3" style="{_FONT};{look}">{safe(words)}</div>'


def explained(counts: Mapping[str, int]) -> list[str]:
    """Say what the states mean that some messages are in, in a sentence each.

    Examples
    --------
    >>> explained({"planned": 2, "absent": 0})
    ['Planned: not sent yet.']
    """
    meant = {state: word.means for state, word in WORDS.items() if counts.get(state)}
    return [f"{state.capitalize()}: {means[0].lower()}{means[1:]}" for state, means in meant.items()]


def notice(kind: Tone, words: str) -> str:
    """Write something that stands out: what it is stands before it, so that colour is not needed.

    Examples
    --------
    >>> "<b>Error:</b> &lt;i&gt;" in notice("error", "<i>")
    True
    """
    role = "alert" if kind == "error" else "status"
    frame = f"border-left:4px solid {_COLOURS[kind]};padding:4px 10px;margin:4px 0"
    return f'<div class="{PLAIN}" role="{role}" style="{_FONT};{frame}"><b>{kind.capitalize()}:</b> {safe(words)}</div>'


def table(frame: pd.DataFrame, max_rows: int = 10) -> str:
    """Draw the first rows of a frame, masked and escaped; where it is too wide it scrolls and the page does not.

    Columns in which there is nothing are left out.
    """
    drawn = display.table(frame.dropna(axis="columns", how="all"), max_rows=max_rows)
    return f'<div style="width:0;min-width:100%;white-space:nowrap">{drawn}</div>'  # no wider than what is around it


def banner(account: Account | None) -> str:
    """Say which account a form works with, and whether its messages leave this machine."""
    if account is None:
        return line("Not connected yet.", strong=True)
    look, words = f"border:{CALM_FRAME}", "Nothing leaves this machine."
    if account.live:
        look = f"border:{LIVE_FRAME};background:#b71c1c;color:#ffffff"
        words = "Messages leave this machine and cost money."
    style = f"{_FONT};{look};border-radius:4px;padding:6px 10px;white-space:normal"
    return f'<div class="{PLAIN}" style="{style}"><b>{safe(account.title)}.</b> {words}</div>'


def bubbles(parts: Sequence[str], sender: str) -> str:
    """Draw a text as a phone shows it, with a line of words where a new part begins.

    The text is shown whole, since it is what is being checked; everything is escaped.
    """
    phone = (
        "border:1px solid var(--jp-border-color2,#9e9e9e);border-radius:16px;padding:10px 12px;max-width:320px;"
        "box-sizing:border-box;background:var(--jp-layout-color2,transparent)"
    )
    bubble = (
        "background:#1565c0;color:#ffffff;border-radius:14px;padding:8px 12px;white-space:pre-wrap;"
        "overflow-wrap:anywhere;unicode-bidi:isolate;font-size:14px;line-height:1.4"
    )
    border = "font-size:11px;border-top:1px dashed #ffffff;margin:4px 0 2px 0;padding-top:2px"
    pieces = []
    for number, part in enumerate(parts, 1):
        if number > 1:
            pieces.append(f'<div style="{border}">part {number} of {len(parts)} begins here</div>')
        pieces.append(f"<span>{display.escape(part)}</span>")
    said = "".join(pieces) or "<i>Write a text to see it here.</i>"
    head = f'<div style="font-size:12px;margin-bottom:6px">From: {safe(sender or "the account’s usual sender")}</div>'
    return (
        f'<div class="{PLAIN}" style="{_FONT};white-space:normal"><div style="{phone}">{head}'
        f'<div dir="auto" style="{bubble}">{said}</div></div></div>'
    )
