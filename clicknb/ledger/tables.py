"""The tables of a ledger, the statements that bring older ones up to date, and what is read of every row.

Money is kept as integer micro-credits and time as integer microseconds since 1970, in UTC.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

_LAST = 253_402_300_799_999_999  # the end of the year 9999
_MOST_MONEY = 10**15  # a thousand million credits

BORROWED = "the answer named a message that was answered before"
"""Why a message is in doubt although the gateway gave an id: an id belongs to one message."""

APPLICATION_ID = 0x636C6B6E
"""What makes an SQLite file a ledger: "clkn"."""

SCHEMA_VERSION = 4

MIGRATIONS: dict[int, tuple[str, ...]] = {
    2: (
        "ALTER TABLE campaigns ADD COLUMN rules TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE rows ADD COLUMN zone TEXT",
        "ALTER TABLE attempts ADD COLUMN decision TEXT",
        'CREATE TABLE suppressions (id INTEGER NOT NULL PRIMARY KEY, "to" TEXT NOT NULL, sender TEXT NOT NULL, '
        "source TEXT NOT NULL, at INTEGER NOT NULL, lifted INTEGER NOT NULL) STRICT",
    ),
    3: (
        "CREATE TABLE identity (id TEXT NOT NULL PRIMARY KEY, copied_at INTEGER, found_at INTEGER, "
        "known_until INTEGER, newest_row INTEGER, runs INTEGER NOT NULL) STRICT",
        # the same in each copy of it, if it holds anything
        "INSERT INTO identity (id, runs) SELECT coalesce((SELECT id FROM campaigns ORDER BY started_at, id LIMIT 1), "
        "lower(hex(randomblob(16)))), (SELECT count(*) FROM campaigns)",
        "ALTER TABLE rows ADD COLUMN asked_at INTEGER",
        "ALTER TABLE attempts ADD COLUMN to_ask INTEGER NOT NULL DEFAULT 0 CHECK (to_ask BETWEEN 0 AND 1)",
        "UPDATE attempts SET to_ask = 1 WHERE state = 'returned' AND error_code IS NOT NULL",
        "ALTER TABLE attempts ADD COLUMN turn INTEGER NOT NULL DEFAULT 1 CHECK (turn BETWEEN 1 AND 1000000)",
        "UPDATE attempts SET turn = attempt",
        "CREATE INDEX ix_attempts_to_ask ON attempts (row_id) WHERE to_ask = 1",
        # the same id twice: what was answered first keeps it
        f"UPDATE attempts AS later SET state = 'unknown', apimsgid = NULL, error = '{BORROWED}' "  # noqa: S608
        "WHERE apimsgid IS NOT NULL AND EXISTS (SELECT 1 FROM attempts AS first "
        "WHERE first.apimsgid = later.apimsgid COLLATE NOCASE "
        "AND (coalesce(first.answered_at, 0), first.row_id, first.attempt) < "
        "(coalesce(later.answered_at, 0), later.row_id, later.attempt))",
        "DROP INDEX ix_attempts_apimsgid",
        "CREATE UNIQUE INDEX ix_attempts_apimsgid ON attempts (apimsgid COLLATE NOCASE) WHERE apimsgid IS NOT NULL",
    ),
    4: (  # until then the words said it
        "ALTER TABLE rows ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0 CHECK (left_out BETWEEN 0 AND 1)",
        "UPDATE rows SET left_out = 1 WHERE key LIKE 'skipped %'",
        "ALTER TABLE rows ADD COLUMN skip_kind TEXT",
        "UPDATE rows SET skip_kind = CASE WHEN skipped LIKE 'suppressed: %' THEN 'suppressed' "
        "WHEN skipped LIKE 'it is ___ __:__ in %' THEN 'outside hours' "
        "WHEN skipped = 'cancelled before it was sent' THEN 'cancelled' "
        "WHEN skipped = 'purged' THEN 'purged' ELSE 'plan' END WHERE skipped IS NOT NULL",
        "ALTER TABLE campaigns ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK (paused BETWEEN 0 AND 1)",
        "UPDATE campaigns SET paused = 1 WHERE stopped = 'paused by the user'",
    ),
}
"""The statements that lead to each version from the one before."""

metadata = sa.MetaData()


def _table(name: str, *columns: sa.schema.SchemaItem, **settings: Any) -> sa.Table:
    return sa.Table(name, metadata, *columns, sqlite_strict=True, **settings)


def _number(name: str, least: int, most: int, **settings: Any) -> sa.Column[int]:
    """Make a column of whole numbers; its constraint lets SQLite find a damaged value."""
    within = sa.CheckConstraint(f'"{name}" BETWEEN {least} AND {most}')
    return sa.Column(name, sa.Integer, within, **settings)


def _time(name: str, *, nullable: bool = True) -> sa.Column[int]:
    return _number(name, 0, _LAST, nullable=nullable)


def _money(name: str) -> sa.Column[int]:
    return _number(name, -_MOST_MONEY, _MOST_MONEY)


_ATTEMPT_STATES = ("sending", "accepted", "rejected", "unknown", "absent", "returned")

campaigns = _table(
    "campaigns",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _time("started_at", nullable=False),
    sa.Column("index_names", sa.Text, nullable=False, default="[null]"),
    sa.Column("stopped", sa.Text, nullable=False, default=""),
    sa.Column("mode", sa.Text, nullable=False, default="each"),
    _money("budget"),
    _money("spent"),
    _time("purged_at"),
    sa.Column("rules", sa.Text, nullable=False, server_default="{}"),
    _number("paused", 0, 1, nullable=False, server_default="0"),
)

identity = _table(
    "identity",
    sa.Column("id", sa.Text, primary_key=True),
    _time("copied_at"),
    _time("found_at"),
    _time("known_until"),
    sa.Column("newest_row", sa.Integer),
    sa.Column("runs", sa.Integer, nullable=False),
)
"""One row: the id that a ledger has in common with its copies; when this file was copied from another one, if it was
and has not been sent from since; when it was last found to be a copy by a program that sends, when the last attempt was
made that it knew of then, and its newest row; and how often a campaign was started in it or ended to send."""

owners = _table("owners", sa.Column("owner", sa.Text, primary_key=True))

rows = _table(
    "rows",
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
    _number("parts", 0, 1000),
    _money("estimated"),
    sa.Column("variant", sa.Text),
    sa.Column("options", sa.Text, nullable=False, default="{}"),
    sa.Column("skipped", sa.Text),
    sa.Column("seal", sa.Text, nullable=False, default=""),
    sa.Column("zone", sa.Text),
    _time("asked_at"),
    _number("left_out", 0, 1, nullable=False, server_default="0"),
    sa.Column("skip_kind", sa.Text),
    sa.UniqueConstraint("campaign_id", "key"),
)
"""``left_out``: the plan left the row out, so that its key is no message's. ``skip_kind`` says why a row is not sent, a
kind of ``kinds.SKIPPED``; ``skipped`` says it in words, by which nothing is decided."""

attempts = _table(
    "attempts",
    sa.Column("row_id", sa.Integer, sa.ForeignKey("rows.id"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("climsgid", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, sa.CheckConstraint(f"state IN {_ATTEMPT_STATES}"), nullable=False),
    _time("submitted_at", nullable=False),
    _time("answered_at"),
    sa.Column("apimsgid", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("error", sa.Text),
    _time("checked_at"),
    sa.Column("decision", sa.Text),
    _number("to_ask", 0, 1, nullable=False, server_default="0"),
    _number("turn", 1, 1_000_000, nullable=False, server_default="1"),
    sqlite_with_rowid=False,
)

APIMSGID = attempts.c.apimsgid.collate("NOCASE")
"""The gateway's id, whose hexadecimal digits mean the same in capital letters."""

sa.Index("ix_attempts_apimsgid", APIMSGID, unique=True, sqlite_where=attempts.c.apimsgid.is_not(None))
sa.Index("ix_attempts_to_ask", attempts.c.row_id, sqlite_where=attempts.c.to_ask == sa.literal_column("1"))

events = _table(
    "events",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("row_id", sa.Integer, sa.ForeignKey("rows.id"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("apimsgid", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    _money("charge"),
    _time("at", nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.UniqueConstraint("row_id", "attempt", "apimsgid", "status", "at", "source"),
)

OWN = sa.and_(
    events.c.row_id == attempts.c.row_id,
    events.c.attempt == attempts.c.attempt,
    events.c.apimsgid == attempts.c.apimsgid,
)
"""Whether an event is an attempt's own: seen under the id that it has, which a denial was not."""

prices = _table(
    "prices",
    sa.Column("country", sa.Text, primary_key=True),
    _money("charge"),
    _time("asked_at", nullable=False),
)

suppressions = _table(
    "suppressions",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("to", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    _time("at", nullable=False),
    sa.Column("lifted", sa.Integer, nullable=False),
)

_MOST_ATTEMPTS = 1_000_000

_each = attempts.alias("each")


def _of_all(figure: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    """Ask all attempts of a row, and only those: a ledger may hold a million others."""
    return sa.select(figure).where(_each.c.row_id == rows.c.id).correlate(rows).scalar_subquery()


_RANK = sa.case({"accepted": 3, "sending": 2, "unknown": 1}, value=_each.c.state, else_=0)
_telling = _of_all(sa.func.max(_RANK * _MOST_ATTEMPTS + _each.c.attempt) % _MOST_ATTEMPTS)

TRIES = sa.func.coalesce(_of_all(sa.func.max(_each.c.attempt)), 0)
"""How many attempts a row has had."""

TURN = sa.func.coalesce(_of_all(sa.func.max(sa.case((_each.c.state != "returned", _each.c.turn), else_=0))), 0) + 1
"""The turn of a row's next attempt: that of those that came back, else one more than any."""

STATE = sa.case(
    (sa.and_(attempts.c.state.is_not(None), attempts.c.state != "returned"), attempts.c.state),
    (rows.c.skip_kind.is_not(None), "skipped"),
    else_="planned",
).label("state")
"""The state of a row: what its telling attempt came to, or what became of it without one."""


@cache
def with_telling_attempt() -> sa.FromClause:
    """Join every row with the attempt that says most about it: one that was accepted, else one that may have been.

    Where neither is there it is the latest; a row that was never tried has none.
    """
    return rows.outerjoin(attempts, sa.and_(attempts.c.row_id == rows.c.id, attempts.c.attempt == _telling))
