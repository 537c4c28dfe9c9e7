"""What the Campaign form shows, as escaped HTML."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clicknb import display
from clicknb.forms.campaign.draft import worst
from clicknb.forms.campaign.review import Checked
from clicknb.forms.campaign.sending import Result
from clicknb.forms.kit import markup
from clicknb.messages.parts import split

_DEAR = {
    "character": "character",
    "name": "name",
    "rows": "texts",
    "parts_added": "adds parts",
    "replacement": "plain instead",
    "parts_saved": "saves parts",
}
_COUNTRIES = {"credits_low": "credits, at least", "credits_high": "at most", "without_price": "without a price"}
_MOST = 8


def planned(checked: Checked) -> str:
    """Show what will leave, what it costs and what to look at first."""
    drawn = display.panel("Checked; nothing has been sent yet", checked.facts)
    if said := [*checked.warnings, *checked.texts]:
        drawn += markup.notice("note", "Look at this first.\n" + "\n".join(f"– {one}" for one in said))
    if len(checked.dear):
        dear = checked.dear[list(_DEAR)].rename(columns=_DEAR)
        drawn += markup.line("Characters that force Unicode:") + markup.table(dear, max_rows=_MOST)
    if len(checked.countries) > 1:
        drawn += markup.line("By country:") + markup.table(checked.countries.rename(columns=_COUNTRIES), max_rows=_MOST)
    return drawn


def counted(rows: pd.DataFrame, total: int) -> str:
    """Say how long the texts are, in words."""
    good, wrong = rows[rows["problem"].isna()], rows["problem"].dropna()
    said = "" if len(rows) == total else f"In {len(rows):,} of {total:,} texts that were looked at: "
    if len(good):
        sizes = good["parts"].value_counts().sort_index(ascending=False)
        sums = ", ".join(f"{count:,} of {size} {'part' if size == 1 else 'parts'}" for size, count in sizes.items())
        strange = int((good["encoding"] == "ucs2").sum())
        said += f"{sums}; the longest has {good['text'].str.len().max():,} characters."
        said += f" {strange:,} in Unicode, where a part holds 70 characters instead of 160." if strange else ""
    if len(wrong):
        first = wrong.mode().iloc[0]
        said += f" {len(wrong):,} will not be sent; the commonest reason: {first}."
    return said


def previews(rows: pd.DataFrame, count: int, skip: int, sender: str) -> str:
    """Draw texts as phones show them, the worst first."""
    chosen = worst(rows, count, skip)
    if not len(chosen):
        return ""
    drawn = "".join(f'<div style="{_CARD}">{_preview(label, row, sender)}</div>' for label, row in chosen.iterrows())
    first = "The texts to look at first, those with most parts before the others:" if not skip else "Others:"
    return markup.line(first) + f'<div style="{_CARDS}">{drawn}</div>'


_CARDS = "display:flex;flex-wrap:wrap;gap:8px 16px"
_CARD = "flex:0 1 320px;min-width:0"


def _preview(label: Any, row: Any, sender: str) -> str:
    parts = split(row["text"])
    variant = f", text {row['variant']}" if isinstance(row["variant"], str) and row["variant"] else ""
    written = "" if pd.isna(row["read_as"]) else display.mask_written(str(row["read_as"]))
    unicode = ", Unicode" if row["encoding"] == "ucs2" else ""
    title = f"Row {display.mask_digits(str(label))}, to {written}: {display.many(len(parts), 'part')}{unicode}{variant}"
    return markup.line(title) + markup.bubbles(parts, sender)


def result(name: str, found: Result) -> str:
    """Show what became of a campaign, and why some did not arrive."""
    drawn = _ended(found) + display.panel(f"Campaign {name}", found.facts)
    drawn += markup.line("\n".join(markup.explained(found.counts)))
    if len(found.reasons):
        drawn += markup.line("Those that have not arrived, and why:") + markup.table(found.reasons, max_rows=_MOST)
    return drawn


def _ended(found: Result) -> str:
    """Say in a sentence how sending ended."""
    left = found.counts.get("planned", 0)
    sent = display.counted(found.counts)
    if found.paused:
        return markup.notice("note", f"You stopped it: {sent}. The {left:,} planned have not left; Resume goes on.")
    if found.stopped:
        return markup.notice(
            "error",
            f"Sending stopped before its end: {found.stopped.rstrip('.')}. So far: {sent}. Nothing is lost: the "
            f"{left:,} planned have not left. When the cause is gone, Resume goes on.",
        )
    bad = found.counts.keys() - {"accepted", "skipped"}
    return markup.notice("note" if bad else "done", f"{sent}.")
