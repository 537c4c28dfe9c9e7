"""The ledger's tables, what is written into them, and how time and money are stored.

Money is kept as integer micro-credits and time as integer microseconds since 1970, in UTC.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SCHEMA_VERSION = 1

metadata = sa.MetaData()

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("started_at", sa.Integer, nullable=False),
    sa.Column("index_names", sa.Text, nullable=False, default="[null]"),
    sa.Column("stopped", sa.Text, nullable=False, default=""),
    sa.Column("mode", sa.Text, nullable=False, default="each"),
    sa.Column("budget", sa.Integer),
)

owners = sa.Table("owners", metadata, sa.Column("owner", sa.Text, primary_key=True))

rows = sa.Table(
    "rows",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("campaign_id", sa.Text, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("to", sa.Text),
    sa.Column("country", sa.Text),
    sa.Column("sender", sa.Text),
    sa.Column("text", sa.Text),
    sa.Column("encoding", sa.Text),
    sa.Column("parts", sa.Integer),
    sa.Column("estimated", sa.Integer),
    sa.Column("variant", sa.Text),
    sa.Column("options", sa.Text, nullable=False, default="{}"),
    sa.Column("skipped", sa.Text),
    sa.UniqueConstraint("campaign_id", "key"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("row_id", sa.Integer, sa.ForeignKey("rows.id"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("climsgid", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("submitted_at", sa.Integer, nullable=False),
    sa.Column("answered_at", sa.Integer),
    sa.Column("apimsgid", sa.Text, index=True),
    sa.Column("error_code", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("checked_at", sa.Integer),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("row_id", sa.Integer, sa.ForeignKey("rows.id"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("apimsgid", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("charge", sa.Integer),
    sa.Column("at", sa.Integer, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.UniqueConstraint("row_id", "attempt", "apimsgid", "status", "at", "source"),
)

prices = sa.Table(
    "prices",
    metadata,
    sa.Column("country", sa.Text, primary_key=True),
    sa.Column("charge", sa.Integer),
    sa.Column("asked_at", sa.Integer, nullable=False),
)

_RANK = sa.case({"accepted": 3, "sending": 2, "unknown": 1}, value=attempts.c.state, else_=0)
_MOST_ATTEMPTS = 1_000_000

_telling = (
    sa.select(
        attempts.c.row_id,
        (sa.func.max(_RANK * _MOST_ATTEMPTS + attempts.c.attempt) % _MOST_ATTEMPTS).label("attempt"),
        sa.func.max(attempts.c.attempt).label("tries"),
    )
    .group_by(attempts.c.row_id)
    .subquery()
)

TRIES = sa.func.coalesce(_telling.c.tries, 0)
"""How many attempts a row has had."""

STATE = sa.case(
    (sa.and_(attempts.c.state.is_not(None), attempts.c.state != "returned"), attempts.c.state),
    (rows.c.skipped.is_not(None), "skipped"),
    else_="planned",
).label("state")
"""The state of a row: what its telling attempt came to, or what became of it without one."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A message about to be sent: committed before its first byte leaves."""

    row_id: int
    attempt: int
    climsgid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to.

    ``state`` is ``accepted``, ``rejected``, ``unknown``, ``absent``, or ``returned``: provably not accepted, so the row
    is planned again.
    """

    row_id: int
    attempt: int
    state: str
    at: datetime
    apimsgid: str = ""
    error_code: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that the gateway can be asked about, with the status it was last known to have."""

    row_id: int
    attempt: int
    climsgid: str
    apimsgid: str
    submitted_at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Event:
    """One status seen for one attempt, with the charge if it was told.

    One that is not ``news`` says nothing that was not known: only the time of asking is kept.
    """

    row_id: int
    attempt: int
    apimsgid: str
    status: str
    at: datetime
    source: str
    charge: Decimal | None = None
    news: bool = True


class Recorded(NamedTuple):
    """What a campaign already holds under a row's key."""

    text: str
    sender: str
    state: str


@dataclass(frozen=True, slots=True)
class Message:
    """One row that may be sent: what it says, to whom, with which options (JSON), and how often it was tried."""

    row_id: int
    key: str = field(repr=False)
    to: str = field(repr=False)
    sender: str
    text: str = field(repr=False)
    encoding: str
    parts: int
    options: str
    attempt: int


def climsgid(campaign_id: str, key: str, attempt: int) -> str:
    """Derive the client message id of an attempt: 32 hexadecimal digits, the same for the same attempt.

    Examples
    --------
    >>> climsgid("c0ffee", "447700900123#1", 1)
    'cc8dbd761b75b0637e4c1d495ca47213'
    """
    name = f"{key}\x1f{attempt}".encode()
    return hmac.new(campaign_id.encode(), name, hashlib.sha256).hexdigest()[:32]


def micro(value: datetime) -> int:
    """Write a time as whole microseconds since 1970."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """Read a time that was written by ``micro``."""
    return _EPOCH + timedelta(microseconds=value)


def micro_credits(value: Decimal | float | None) -> int | None:
    """Write an amount of credits as whole micro-credits."""
    return None if value is None or math.isnan(value) else int((Decimal(str(value)) * 1_000_000).to_integral_value())


SETTLE = (
    sa.update(attempts)
    .where(attempts.c.row_id == sa.bindparam("row"), attempts.c.attempt == sa.bindparam("number"))
    .where(
        sa.or_(
            attempts.c.state == "sending",
            attempts.c.state == "unknown",
            sa.bindparam("new_state", type_=sa.Text) == "accepted",  # however late: the gateway has it
        )
    )
    .values(
        state=sa.bindparam("new_state"),
        answered_at=sa.bindparam("at"),
        apimsgid=sa.bindparam("id"),
        error_code=sa.bindparam("code"),
        error=sa.bindparam("reason"),
    )
)


def settled(outcome: Outcome) -> dict[str, Any]:
    """Write an outcome as the parameters of ``SETTLE``."""
    return {
        "row": outcome.row_id,
        "number": outcome.attempt,
        "new_state": outcome.state,
        "at": micro(outcome.at),
        "id": outcome.apimsgid or None,
        "code": outcome.error_code or None,
        "reason": outcome.error or None,
    }


def opened(intent: Intent) -> dict[str, Any]:
    """Write an intent as a row of ``attempts``."""
    return {
        "row_id": intent.row_id,
        "attempt": intent.attempt,
        "climsgid": intent.climsgid,
        "state": "sending",
        "submitted_at": micro(intent.at),
    }


def noted(event: Event) -> dict[str, Any]:
    """Write an event as a row of ``events``."""
    return {
        "row_id": event.row_id,
        "attempt": event.attempt,
        "apimsgid": event.apimsgid,
        "status": event.status,
        "charge": micro_credits(event.charge),
        "at": micro(event.at),
        "source": event.source,
    }


CHECKED = (
    sa.update(attempts)
    .where(attempts.c.row_id == sa.bindparam("row"), attempts.c.attempt == sa.bindparam("number"))
    .values(checked_at=sa.bindparam("time"))
)


def checked(event: Event) -> dict[str, Any]:
    """Write an event as the parameters of ``CHECKED``."""
    return {"row": event.row_id, "number": event.attempt, "time": micro(event.at)}


def with_telling_attempt() -> sa.FromClause:
    """Join every row with the attempt that says most about it: one that was accepted, else one that may have been.

    Where neither is there it is the latest; a row that was never tried has none.
    """
    this_one = sa.and_(attempts.c.row_id == _telling.c.row_id, attempts.c.attempt == _telling.c.attempt)
    return rows.outerjoin(_telling, _telling.c.row_id == rows.c.id).outerjoin(attempts, this_one)
