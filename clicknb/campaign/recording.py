"""A plan as rows of the ledger: the key of each, and what a campaign that holds some of them does not allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from clicknb import display
from clicknb.campaign.options import Options
from clicknb.errors import CampaignError, ContentChanged
from clicknb.ledger import views
from clicknb.ledger.records import Message, Recorded
from clicknb.ledger.units import to_micro_credits

_LEFT_OUT = "skipped "
"""What stands before what was read in the key of a row that is left out, so that it is no message's."""

_NAMED = 10
"""How many rows an error names."""


class Recording:
    """The rows of a plan, as a campaign records them.

    Parameters
    ----------
    frame
        The plan's own, columns as in ``clicknb.frames.PLAN``.
    options
        What holds for every message.
    zones
        The recipients' own zones, where a column has them.
    """

    def __init__(self, frame: pd.DataFrame, options: Options, zones: pd.Series[Any] | None) -> None:
        self._frame = frame
        self._options = options
        self._zones = zones

    @cached_property
    def keys(self) -> list[str]:
        """The keys of the rows to send."""
        sent = self._frame["problem"].isna()
        return [key for key, is_sent in zip(self._all_keys, sent, strict=True) if is_sent]

    @cached_property
    def _texts(self) -> dict[str, str]:
        texts = self._frame["text"][self._frame["problem"].isna()].tolist()
        return dict(zip(self.keys, texts, strict=True))

    def has(self, row: Message) -> bool:
        """Tell whether a recorded row is one of these and says what they say, whoever else records rows just now."""
        return self._texts.get(row.key) == row.text and row.sender == self._options.sender

    def refuse_changes(self, recorded: Mapping[str, Recorded], wire_options: str) -> None:
        """Refuse rows that the campaign holds with another content, or that were cancelled in it."""
        if not recorded:
            return
        name, labels = self._options.name, self._frame.index[self._frame["problem"].isna()]
        texts = zip(labels, self._texts.items(), strict=True)
        known = [(label, recorded[key], text) for label, (key, text) in texts if key in recorded]
        if cancelled := sum(row.state == "skipped" and not row.waits for _, row, _ in known):
            message = (
                f"{cancelled:,} of these rows were cancelled in campaign {name!r} and are not sent by it any "
                "more. Nothing was sent now. To send them after all, give them a campaign with a new name."
            )
            raise CampaignError(message)
        changed = [label for label, row, text in known if (row.text, row.sender) != (text, self._options.sender)]
        if changed:
            named = display.listed((display.mask_digits(str(label)) for label in changed), _NAMED)
            message = (
                f"Campaign {name!r} already holds {len(changed):,} of these rows with another text or sender: "
                f"rows {named}. Nothing was sent now; what was sent before is untouched. "
                "Give the new text a new campaign name, or restore the old text to go on with this campaign."
            )
            raise ContentChanged(message)
        if others := sum(row.waits and row.options != wire_options for _, row, _ in known):
            message = (
                f"Campaign {name!r} has {others:,} of these rows still to send, planned for another time or with "
                "another max_credits. Nothing was sent now. sms.campaign(...).resume() sends them as they were "
                "planned; to send them otherwise, cancel that campaign and give this plan a new name."
            )
            raise ContentChanged(message)

    @cached_property
    def _all_keys(self) -> list[str]:
        """Make the key of every row: of those to send the number, of those left out what was read."""
        rows = self._frame.reset_index(drop=True)
        left_out = _LEFT_OUT + rows["read_as"].fillna("")
        return row_keys(rows["to"].where(rows["problem"].isna(), left_out).tolist())

    def kept_keys(self, held: Collection[str]) -> list[str]:
        """Make the keys under which the rows are recorded.

        Who is left out now, but is in the campaign since before, keeps the key of then.
        """
        if not len(held):
            return self._all_keys
        numbers = self._frame["to"].astype("object")
        pairs = zip(self._all_keys, numbers, strict=True)
        return [key if (first := f"{to}#1") not in held else first for key, to in pairs]

    def columns(self, wire_options: str, held: Collection[str] = ()) -> dict[str, list[Any]]:
        """Write the rows as the ledger keeps them, column by column: those to send, and those left out and why."""
        frame, count, keys = self._frame, len(self._frame), self.kept_keys(held)
        left_out = zip(frame["problem"].notna(), keys, self._all_keys, strict=True)
        return {
            "key": keys,
            "left_out": [int(problem and key == own) for problem, key, own in left_out],
            "ordinal": frame["row"].tolist(),
            "label": [views.label(value) for value in frame.index],
            "sender": [self._options.sender] * count,
            "options": [wire_options] * count,
            "estimated": [to_micro_credits(credits) for credits in frame["credits_low"].tolist()],
            "skipped": _values(frame["problem"]),
            "skip_kind": _values(frame["kind"].where(frame["problem"].notna())),
            "zone": [None] * count if self._zones is None else _values(self._zones),
            **{name: _values(frame[name]) for name in ("to", "country", "text", "encoding", "parts", "variant")},
        }


def _values(column: pd.Series[Any]) -> list[Any]:
    return column.astype("object").where(column.notna(), None).tolist()


def row_keys(values: Iterable[str]) -> list[str]:
    """Make row keys: the value and which occurrence of it this is."""
    values = list(values)
    if len(set(values)) == len(values):
        return [f"{value}#1" for value in values]
    seen: Counter[str] = Counter()
    keys = []
    for value in values:
        seen[value] += 1
        keys.append(f"{value}#{seen[value]}")
    return keys
