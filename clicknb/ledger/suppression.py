"""Who must not be written to: a list in the ledger, which is read again each time something leaves.

Nothing in it is ever changed: to lift a suppression is one entry more, so that it can be shown who asked for what, and
when. An entry holds for every sender ID, or for one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from clicknb import checks, display, frames
from clicknb.ledger.ledger import Ledger
from clicknb.ledger.tables import suppressions
from clicknb.ledger.units import micro, moment
from clicknb.messages import recipients
from clicknb.messages.cells import as_text
from clicknb.messages.kinds import DUPLICATE


@dataclass(frozen=True, slots=True)
class Suppressed:
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
    for entry in _current(ledger):
        latest = max(latest, entry.id)
        if not entry.lifted:
            found.setdefault(entry.to, {})[entry.sender.casefold()] = (entry.source, moment(entry.at))
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
    with ledger._writing() as connection:
        known = {(entry.to, entry.sender): bool(entry.lifted) for entry in connection.execute(_LATEST)}
        wanted = {(entry["to"], entry["sender"]): entry for entry in entries}
        new = [
            {**entry, "at": micro(entry["at"]), "lifted": int(lifted)}
            for key, entry in wanted.items()
            if known.get(key, True) != lifted
        ]
        if new:
            connection.execute(sa.insert(suppressions), new)
    return len(new)


def entries(given: Any, now: datetime, *, country: str | None, sender: str, source: str) -> list[dict[str, Any]]:
    """Read numbers, or a frame that tells more of each, as entries of the list.

    Raises
    ------
    InvalidInput
        Some are no numbers.
    """
    table = _table(given).reset_index(drop=True)
    told = {
        "to": _numbers(table, country),
        "sender": _column(table, "scope", sender),
        "source": _column(table, "source", source),
        "at": _times(table, now),
    }
    return [dict(zip(told, one, strict=True)) for one in zip(*told.values(), strict=True)]


def _table(given: Any) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return given
    if isinstance(given, str):
        return pd.DataFrame({"to": [given]})
    if not isinstance(given, Iterable):
        checks.refuse(f"The numbers must be one text, several, or a frame, not {checks.described(given)}.", _EXAMPLE)
    return pd.DataFrame({"to": list(given)})


_EXAMPLE = 'Write them such as "447700900123".'


def _numbers(table: pd.DataFrame, country: str | None) -> pd.Series[Any]:
    """Read every number; one that is there for several sender IDs is there several times."""
    checked = recipients.doctor(table, to="to", country=country)
    twice = checked["kind"] == DUPLICATE
    wrong = checked.loc[~twice, "problem"].dropna()
    if len(wrong):
        checks.refuse(
            f"{len(wrong):,} of {len(checked):,} cannot be read as numbers; row {wrong.index[0] + 1}: {wrong.iloc[0]}.",
            "Nothing was recorded; see cn.doctor().",
        )
    read = {cell: recipients.normalise(cell, country).to for cell in set(checked.loc[twice, "read_as"])}
    return checked["to"].where(~twice, checked["read_as"].map(read))


def _column(table: pd.DataFrame, name: str, otherwise: str) -> pd.Series[Any]:
    return as_text(table[name]).fillna("") if name in table else pd.Series(otherwise, table.index)


def _times(table: pd.DataFrame, now: datetime) -> pd.Series[Any]:
    if "since" not in table:
        return pd.Series([now] * len(table), table.index, dtype="object")
    times = pd.to_datetime(table["since"], utc=True, errors="coerce", format="ISO8601")
    if odd := (times.isna() & table["since"].notna() & (table["since"] != "")).sum():
        checks.refuse(f"{odd:,} of the times in the column since cannot be read.", "Write them such as 2026-03-14.")
    times = times.fillna(pd.Timestamp(now))
    return pd.Series(times.dt.to_pydatetime(), table.index, dtype="object")


def frame(ledger: Ledger) -> pd.DataFrame:
    """Show who must not be written to, the longest suppressed first, columns as in ``frames.SUPPRESSED``."""
    rows = [
        {"to": entry.to, "scope": entry.sender, "source": entry.source, "since": moment(entry.at)}
        for entry in _current(ledger)
        if not entry.lifted
    ]
    return frames.build(frames.SUPPRESSED, rows)


_newest = (
    sa.select(sa.func.max(suppressions.c.id).label("id")).group_by(suppressions.c.to, suppressions.c.sender).subquery()
)
_LATEST = sa.select(suppressions).join(_newest, _newest.c.id == suppressions.c.id).order_by(suppressions.c.id)


def _current(ledger: Ledger) -> list[Any]:
    with ledger._reading() as connection:
        return list(connection.execute(_LATEST))
