"""What is written for every message, as the driver takes it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from clicknb.kinds import SUPPRESSED
from clicknb.ledger.records import AttemptResult, Event, Intent
from clicknb.ledger.tables import attempts, campaigns, rows, suppressions
from clicknb.ledger.units import to_micro_credits, to_micros


def _positional(statement: sa.ClauseElement, *order: str) -> str:
    """Write a statement as the driver takes it, its parameters as a tuple in the order of the statement.

    What SQLAlchemy does for each row of an ``executemany`` takes longer than SQLite takes to store it, so what is
    written for every message goes to the driver as it is. A parameter that is used twice comes twice: the driver of
    Python before 3.12.4 warns of numbered ones.

    Parameters
    ----------
    order
        What the callers hold the order for.
    """
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    if getattr(compiled, "positiontup", None) != list(order):
        raise ValueError(order)
    return str(compiled)


def _parameters(*names: str) -> dict[str, sa.ColumnElement[Any]]:
    return {name: sa.bindparam(name) for name in names}


RECORDED = tuple(column.name for column in rows.c if column.name not in {"id", "asked_at"})
"""What is recorded of a row, in the order of ``RECORD``."""

PLANNED = tuple(name for name in RECORDED if name not in {"campaign_id", "seal"})
"""What a plan says of a row."""

_planned = insert(rows).values(_parameters(*RECORDED))
_looked_at_again = sa.or_(
    rows.c.left_out == sa.literal_column("1"), rows.c.skip_kind == sa.literal_column(f"'{SUPPRESSED}'")
)
_place: dict[str, sa.ColumnElement[Any]] = {name: _planned.excluded[name] for name in ("ordinal", "label", "zone")}
for _name in ("skipped", "skip_kind"):
    _place[_name] = sa.case((_looked_at_again, _planned.excluded[_name]), else_=rows.c[_name])

RECORD = _positional(_planned.on_conflict_do_update(index_elements=["campaign_id", "key"], set_=_place), *RECORDED)
"""Records a row, or the new place of one that is there, and why it is left out now if the plan may say so."""

_opened = _parameters(*Intent._fields) | {"state": sa.literal_column("'sending'")}

OPEN = _positional(sa.insert(attempts).values(_opened), *Intent._fields)
"""Records an attempt that is about to be made: takes an ``Intent``."""

RECOVER = _positional(insert(attempts).values(_opened).on_conflict_do_nothing(), *Intent._fields)
"""Records an attempt that was made elsewhere, unless it is on record by now."""

_latest = sa.select(sa.func.coalesce(sa.func.max(suppressions.c.id), sa.literal_column("0"))).scalar_subquery()

STOPPED = _positional(
    sa.select(campaigns.c.stopped, _latest).where(campaigns.c.id == sa.bindparam("campaign")), "campaign"
)
"""Tells why a campaign was stopped, and which state the list of suppressed numbers has."""

SETTLE = _positional(
    sa.update(attempts)
    .where(attempts.c.row_id == sa.bindparam("row"), attempts.c.attempt == sa.bindparam("number"))
    .where(
        sa.or_(
            attempts.c.state == sa.literal_column("'sending'"),
            attempts.c.state == sa.literal_column("'unknown'"),
            attempts.c.to_ask == sa.literal_column("1"),
            sa.bindparam("new_state") == sa.literal_column("'accepted'"),  # however late: the gateway has it
        )
    )
    .values(
        state=sa.bindparam("new_state"),
        answered_at=sa.bindparam("at"),
        apimsgid=sa.bindparam("id"),
        error_code=sa.bindparam("code"),
        error=sa.bindparam("reason"),
        to_ask=sa.bindparam("ask"),
    ),
    *("new_state", "at", "id", "code", "reason", "ask", "row", "number", "new_state"),
)


def outcome_params(outcome: AttemptResult) -> tuple[Any, ...]:
    """Write an outcome as the parameters of ``SETTLE``."""
    row_id, attempt, state, at, apimsgid, code, error, to_ask = outcome
    return state, to_micros(at), apimsgid or None, code or None, error or None, to_ask, row_id, attempt, state


def event_row(event: Event) -> dict[str, Any]:
    """Write an event as a row of ``events``."""
    return {
        "row_id": event.row_id,
        "attempt": event.attempt,
        "apimsgid": event.apimsgid,
        "status": event.status,
        "charge": to_micro_credits(event.charge),
        "at": to_micros(event.at),
        "source": event.source,
    }


CHECKED = (
    sa.update(attempts)
    .where(attempts.c.row_id == sa.bindparam("row"), attempts.c.attempt == sa.bindparam("number"))
    .values(checked_at=sa.bindparam("time"))
)


def checked_params(event: Event) -> dict[str, Any]:
    """Write an event as the parameters of ``CHECKED``."""
    return {"row": event.row_id, "number": event.attempt, "time": to_micros(event.at)}
