"""Who must not be written to: a list in the ledger, which is read again each time something leaves.

Nothing in it is ever changed: to lift a suppression is one entry more, so that it can be shown who asked for what, and
when. An entry holds for every sender ID, or for one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa

from clicknb import display, frames
from clicknb.ledger.ledger import Ledger
from clicknb.ledger.tables import suppressions
from clicknb.ledger.units import from_micros, to_micros


class Suppressed(NamedTuple):
    """The list as it was at one moment.

    Attributes
    ----------
    generation
        The number of the latest entry: whether the list has changed since.
    entries
        Destination address to scope ("" is every sender ID, in small letters), to source and time.
    """

    generation: int
    entries: Mapping[str, Mapping[str, tuple[str, datetime]]]

    def reason(self, to: str, sender: str) -> str | None:
        """Say why nobody may write to a number with this sender ID; None if they may."""
        scopes = self.entries.get(to)
        found = scopes and (scopes.get("") or scopes.get(sender.casefold()))
        if not found:
            return None
        source, at = found
        return f"suppressed: since {display.date(at)}{f', {source}' if source else ''}"


def read(ledger: Ledger) -> Suppressed:
    """Read who must not be written to now."""
    found: dict[str, dict[str, tuple[str, datetime]]] = {}
    latest = 0
    for entry in ledger.read(_LATEST):
        latest = max(latest, entry.id)
        if not entry.lifted:
            found.setdefault(entry.to, {})[entry.sender.casefold()] = (entry.source, from_micros(entry.at))
    return Suppressed(latest, found)


def add(ledger: Ledger, entries: Iterable[Mapping[str, Any]], *, lifted: bool = False) -> int:
    """Suppress numbers, or lift that; what is so already is not written again.

    Parameters
    ----------
    entries
        Each with ``to``, ``sender`` ("" for every sender ID), ``source`` and ``at``.

    Returns
    -------
    int
        How many entries were new.
    """
    with ledger.writing() as connection:
        known = {(entry.to, entry.sender): bool(entry.lifted) for entry in connection.execute(_LATEST)}
        wanted = {(entry["to"], entry["sender"]): entry for entry in entries}
        new = [
            {**entry, "at": to_micros(entry["at"]), "lifted": int(lifted)}
            for key, entry in wanted.items()
            if known.get(key, True) != lifted
        ]
        if new:
            connection.execute(sa.insert(suppressions), new)
    return len(new)


def frame(ledger: Ledger) -> pd.DataFrame:
    """Show who must not be written to, the longest suppressed first, columns as in ``frames.SUPPRESSED``."""
    rows = [
        {"to": entry.to, "scope": entry.sender, "source": entry.source, "since": from_micros(entry.at)}
        for entry in ledger.read(_LATEST)
        if not entry.lifted
    ]
    return frames.build(frames.SUPPRESSED, rows)


_whom = suppressions.c.to, suppressions.c.sender
_newest = sa.select(sa.func.max(suppressions.c.id).label("id")).group_by(*_whom).subquery()
_LATEST = sa.select(suppressions).join(_newest, _newest.c.id == suppressions.c.id).order_by(suppressions.c.id)
