"""The ledger's record as DataFrames: what was sent, what became of it, what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from clicknb import frames
from clicknb.errors import LedgerError
from clicknb.gateway.http import codes
from clicknb.ledger.ledger import Ledger
from clicknb.ledger.sqlite import framed


def label(value: Any) -> str:
    """Write an index label as JSON, so that the caller's index can be read back."""
    return str(value) if type(value) is int else _LABELS.encode(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):  # pd.Timestamp too
        return {"time": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, timedelta):  # pd.Timedelta too
        return {"duration": pd.Timedelta(value).isoformat()}
    if isinstance(value, pd.Period):
        return {"period": str(value), "freq": value.freqstr}
    return value.item() if hasattr(value, "item") else str(value)


_LABELS = json.JSONEncoder(default=_plain)


def index(labels: Iterable[str], names: str) -> pd.Index[Any]:
    """Read an index back from its labels and its names, both as JSON."""
    try:
        texts = list(labels)
        stored = json.loads(f"[{','.join(texts)}]")  # all at once is four times as quick
        values = [_value(value) for _, value in zip(texts, stored, strict=True)]
        called = [_value(name) for name in json.loads(names)]
    except (ValueError, TypeError, KeyError):
        message = "The ledger is damaged: the label of a row cannot be read. Nothing was sent. Restore a backup."
        raise LedgerError(message) from None
    if len(called) > 1 and all(isinstance(value, tuple) and len(value) == len(called) for value in values):
        return pd.MultiIndex.from_tuples(values, names=called)
    if not values:
        return pd.RangeIndex(0, name=called[0])
    kept: pd.Index[Any] = pd.Index(values, tupleize_cols=False)
    kept.name = called[0] if len(called) == 1 else None
    return kept


def _value(stored: Any) -> Any:
    if isinstance(stored, list):
        return tuple(_value(part) for part in stored)
    if not isinstance(stored, dict):
        return stored
    if "period" in stored:
        return pd.Period(stored["period"], freq=stored["freq"])
    if "date" in stored:
        return date.fromisoformat(stored["date"])
    return pd.Timedelta(stored["duration"]) if "duration" in stored else pd.Timestamp(stored["time"])


def attempted(ledger: Ledger, campaign_id: str, *, only: int | None = None) -> dict[str, Any]:
    """Read every row, or only one, with the attempt that says most about it.

    Returns
    -------
    dict
        The columns of the frame ``sends`` with ``row_id``, ``attempt``, ``row``, ``key``, ``label`` and the like, each
        in the order of the plan.
    """
    columns: dict[str, Any] = ledger.table(campaign_id, only=only)
    columns |= {"row_id": columns.pop("id"), "row": columns.pop("ordinal")}
    columns |= {name: _times(columns[name]) for name in ("submitted_at", "answered_at", "checked_at")}
    columns["estimated"] = np.array(columns["estimated"], "float64") / 1_000_000
    errors = zip(columns["skipped"], columns["error"], strict=True)
    columns["error"] = [error if skipped is None else skipped for skipped, error in errors]
    return columns


def _times(stored: Iterable[float | None]) -> pd.Series[Any]:
    return pd.Series(np.array(stored, "datetime64[us]"), dtype=frames.UTC)


def joined(ledger: Ledger, campaign_id: str) -> pd.DataFrame:
    """Join every row with the attempt that says most about it and the statuses seen for it.

    Returns
    -------
    pandas.DataFrame
        One row per recipient in the order of the plan, indexed by the caller's labels: all columns of the frames
        ``sends``, ``statuses``, ``charges`` and ``outcomes``, with ``row_id``, ``attempt`` and ``row``.
    """
    table = framed(attempted(ledger, campaign_id))
    settled = _settled(ledger.known_statuses(campaign_id))
    table = table.merge(settled, how="left", on=["row_id", "attempt"], suffixes=("", "_seen"))
    table["settled_at"] = pd.to_datetime(table["settled_at"], unit="us", utc=True)
    table["charge"] = table["charge"].astype("float64") / 1_000_000
    accepted = table["state"] == "accepted"
    described = {code: codes.status(code) for code in table["status"].dropna().unique()}
    table["delivery"] = table["status"].map({code: s.delivery for code, s in described.items()})
    table["delivery"] = table["delivery"].where(table["delivery"].notna() | ~accepted, "pending")
    table["meaning"] = table["status"].map({code: s.meaning for code, s in described.items()})
    table["final"] = table["status"].isin(codes.FINAL)
    return table.set_axis(index(table["label"], ledger.campaign(campaign_id)["index_names"]))


def _settled(seen: pd.DataFrame) -> pd.DataFrame:
    """Derive from all that was seen of each attempt the status that counts, when it was first seen, and the charge.

    The charge is that of all attempts of the row: whoever has a message sent again pays again.
    """
    by = ["row_id", "attempt"]
    columns = [*by, "status", "settled_at", "charge"]
    if seen.empty:
        return pd.DataFrame(columns=columns)
    seen = seen.assign(progress=seen["status"].map(codes.PROGRESS).fillna(-1))
    counts = seen.loc[seen.groupby(by, sort=False)["progress"].idxmax()].set_index(by)
    charges = seen[seen["charge"].notna()].groupby(by, sort=False).last()
    settled = pd.DataFrame({"status": counts["status"], "settled_at": counts["at"]})
    paid = charges.groupby("row_id")["charge"].sum()
    settled["charge"] = settled.index.get_level_values("row_id").map(paid.to_dict())
    settled["settled_at"] = settled["settled_at"].where(settled["status"].isin(codes.FINAL))
    return settled.reset_index()


def sends(ledger: Ledger, campaign_id: str, *, only: int | None = None) -> pd.DataFrame:
    """Show what was sent: one row per recipient, or only one, columns as in ``frames.SENDS``."""
    columns = attempted(ledger, campaign_id, only=only)
    return frames.build(frames.SENDS, columns, index(columns["label"], ledger.campaign(campaign_id)["index_names"]))


def statuses(table: pd.DataFrame) -> pd.DataFrame:
    """Show the status of every accepted message, columns as in ``frames.STATUSES``."""
    accepted = table[table["state"] == "accepted"]
    return frames.build(frames.STATUSES, accepted, accepted.index)


def charges(table: pd.DataFrame) -> pd.DataFrame:
    """Show what every accepted message cost, columns as in ``frames.CHARGES``."""
    accepted = table[table["state"] == "accepted"]
    return frames.build(frames.CHARGES, accepted, accepted.index)


def outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """Show all that is known of each recipient, columns as in ``frames.OUTCOMES``: what analysis reads."""
    told = table["status"].notna()
    return frames.build(frames.OUTCOMES, table.assign(final=table["final"].where(told)), table.index)


def events(ledger: Ledger, campaign_id: str) -> pd.DataFrame:
    """Show every status seen, oldest first, columns as in ``frames.EVENTS``, indexed by the caller's labels."""
    seen = ledger.events(campaign_id).rename(columns={"ordinal": "row"})
    seen["at"] = pd.to_datetime(seen["at"], unit="us", utc=True)
    return frames.build(frames.EVENTS, seen, index(seen["label"], ledger.campaign(campaign_id)["index_names"]))


def known(ledger: Ledger, apimsgids: pd.Series[Any]) -> pd.DataFrame:
    """Look up what was sent under some ids: one row per id in their order, with missing values for strangers."""
    found = ledger.by_apimsgid(list(apimsgids)).drop_duplicates("apimsgid")
    found["estimated"] = found["estimated"].astype("float64") / 1_000_000
    return pd.DataFrame({"apimsgid": apimsgids.to_numpy()}).merge(found, how="left", on="apimsgid")


def campaigns(ledger: Ledger) -> pd.DataFrame:
    """Show all campaigns, oldest first, columns as in ``frames.CAMPAIGNS``."""
    found: dict[str, dict[str, Any]] = {}
    for count in ledger.counts():
        at = pd.Timestamp(count["started_at"], unit="us", tz="UTC")
        empty = {"name": count["name"], "started_at": at, "stopped": count["stopped"], "rows": 0}
        entry = found.setdefault(count["id"], empty | dict.fromkeys(frames.STATES, 0))
        entry[count["state"]] += count["rows"]
        entry["rows"] += count["rows"]
    return frames.build(frames.CAMPAIGNS, found.values())
