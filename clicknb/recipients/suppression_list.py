"""Reads who must not be written to: numbers as people write them, or a frame that tells more of each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd

from clicknb import checks
from clicknb.cells import as_text
from clicknb.kinds import DUPLICATE
from clicknb.recipients.doctor import doctor
from clicknb.recipients.numbers import normalise


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
    checked = doctor(table, to="to", country=country)
    twice = checked["kind"] == DUPLICATE
    wrong = checked.loc[~twice, "problem"].dropna()
    if len(wrong):
        checks.refuse(
            f"{len(wrong):,} of {len(checked):,} cannot be read as numbers; row {wrong.index[0] + 1}: {wrong.iloc[0]}.",
            "Nothing was recorded; see cn.doctor().",
        )
    read = {cell: normalise(cell, country).to for cell in set(checked.loc[twice, "read_as"])}
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
