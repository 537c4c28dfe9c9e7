"""How many rows of a campaign came to what, counted where they are stored: for what is asked again and again."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from clicknb.gateway.http import codes
from clicknb.ledger import tables
from clicknb.ledger.ledger import Ledger
from clicknb.ledger.tables import attempts, events, rows


class Tally(NamedTuple):
    """How many rows have one state and one delivery, and what was charged for them."""

    state: str
    delivery: str
    """As in ``frames.STATUSES``; empty where nothing was accepted."""
    rows: int
    charged: int
    """How many of them have a charge."""
    charge: int
    """Micro-credits."""


def tally(ledger: Ledger, campaign_id: str) -> list[Tally]:
    """Count the rows of a campaign by state and status, the most frequent first; as ``views.joined`` shows them."""
    found = ledger.read(_COUNTED, {"campaign": campaign_id})
    return [Tally(state, _delivery(state, status), *figures) for state, status, *figures in found]


def _delivery(state: str, status: str | None) -> str:
    return (codes.status(status).delivery if status else "pending") if state == "accepted" else ""


def _status() -> sa.ScalarSelect[Any]:
    """Choose the status that counts: the furthest on its way that was seen for the attempt."""
    progress = sa.case(codes.PROGRESS, value=events.c.status, else_=-1)
    seen = (events.c.row_id == rows.c.id, tables.OWN)
    furthest = sa.select(events.c.status).where(*seen).order_by(progress.desc(), events.c.at, events.c.id).limit(1)
    return furthest.correlate(rows, attempts).scalar_subquery()


def _charge() -> sa.ScalarSelect[Any]:
    """Add up the latest charge of each attempt of a row: whoever has a message sent again pays again."""
    later = events.alias("later")
    newer = sa.tuple_(later.c.at, later.c.id) > sa.tuple_(events.c.at, events.c.id)
    again = (later.c.row_id == events.c.row_id, later.c.attempt == events.c.attempt, later.c.charge.is_not(None))
    is_last = ~sa.exists().where(*again, later.c.apimsgid == events.c.apimsgid, newer).correlate(events)
    of = attempts.alias("of")
    own = (of.c.row_id == events.c.row_id, of.c.attempt == events.c.attempt, of.c.apimsgid == events.c.apimsgid)
    paid = sa.select(sa.func.sum(events.c.charge)).join(of, sa.and_(*own)).where(events.c.row_id == rows.c.id, is_last)
    return paid.correlate(rows).scalar_subquery()


_each = (
    sa.select(rows.c.id, tables.STATE, _status().label("status"), _charge().label("charge"))
    .select_from(tables.with_telling_attempt())
    .where(rows.c.campaign_id == sa.bindparam("campaign"))
    .limit(-1)  # else SQLite asks anew wherever a column is used
    .subquery()
)
_number = sa.func.count()
_charged = sa.case((_each.c.status.is_not(None), _each.c.charge))
_COUNTED = (
    sa.select(_each.c.state, _each.c.status, _number, sa.func.count(_charged))
    .add_columns(sa.func.coalesce(sa.func.sum(_charged), 0))
    .group_by(_each.c.state, _each.c.status)
    .order_by(_number.desc(), sa.func.min(_each.c.id))
)
