"""Asks the gateway now about ids and numbers that somebody names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from clicknb import checks, frames
from clicknb.campaign import track
from clicknb.campaign.context import Context
from clicknb.cells import require_columns
from clicknb.gateway.http import codes
from clicknb.gateway.http.wire import MessageCharge, MessageStatus
from clicknb.ledger import views

_ID = "[0-9A-Fa-f]{32}"
_PREFIX = "[1-9][0-9]{0,14}"


def listed(given: Any, name: str, column: str) -> pd.Series[Any]:
    """Read ids or numbers however they are given: one string, a list, a Series, or a frame with the column."""
    if isinstance(given, pd.DataFrame):
        require_columns(given, [column], purpose="The question")
        given = given[column]
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        checks.refuse(f"{name} must be texts, not {checks.described(given)}.", "Pass a list or a column of them.")
    values = [given] if isinstance(given, str) else given
    series = values if isinstance(values, pd.Series) else pd.Series(list(values), dtype="object")
    if missing := int(series.isna().sum()):
        checks.refuse(f"{missing:,} of the {name} are missing.", f"Drop them: {name}.dropna().")
    return series.astype("str")


def _ids(given: Iterable[str]) -> pd.Series[Any]:
    ids = listed(given, "ids", "apimsgid")
    remedy = "They are in the column apimsgid of what was sent."
    checks.every("ids", ids, _ID, "32 hexadecimal digits", remedy)
    return ids


def _described(answers: Mapping[int, MessageStatus | MessageCharge], now: datetime) -> pd.DataFrame:
    """Say what statuses mean: one row for each answer, under the number of its question."""
    known = [(answer.status, codes.status(answer.status)) for answer in answers.values()]
    rows = [(code, status.delivery, status.meaning, status.final, now) for code, status in known]
    return pd.DataFrame(rows, list(answers), ["status", "delivery", "meaning", "final", "checked_at"])


def statuses(context: Context, ids: Iterable[str], command: str) -> pd.DataFrame:
    """Ask for statuses by one of the commands that answer with them; see ``Account.statuses``."""
    wanted = _ids(ids)
    answers = dict(track.read_statuses(context, list(wanted), command=command))
    rows = views.known(context.ledger, wanted).join(_described(answers, context.clock.now()))
    return frames.build(frames.STATUSES, rows, wanted.index)


def charges(context: Context, ids: Iterable[str]) -> pd.DataFrame:
    """Ask what messages cost; see ``Account.charges``."""
    wanted = _ids(ids)
    answers = dict(track.read_charges(context, list(wanted)))
    rows = views.known(context.ledger, wanted).join(_described(answers, context.clock.now()))
    rows["charge"] = pd.Series({number: float(answer.charge) for number, answer in answers.items()}, dtype="float64")
    return frames.build(frames.CHARGES, rows, wanted.index)


def coverage(context: Context, numbers: Iterable[str]) -> pd.DataFrame:
    """Ask whether numbers or prefixes are served, and from what price; see ``Account.coverage``."""
    wanted = listed(numbers, "numbers", "to")
    checks.every("numbers", wanted, _PREFIX, "1 to 15 digits with the country code first", "See cn.doctor().")
    rows: list[dict[str, Any]] = []
    for number in wanted:
        answer = context.gateway.route_coverage(number)
        charge = None if answer.charge is None else float(answer.charge)
        rows.append({"to": number, "supported": answer.supported, "charge": charge, "meaning": answer.text})
    return frames.build(frames.COVERAGE, rows, wanted.index)
