"""What was tried: an attempt is recorded before it leaves and settled when it is answered, and asked about later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from clicknb.gateway.http.codes import FINAL
from clicknb.ledger import statements, tables
from clicknb.ledger.copies import Origin
from clicknb.ledger.records import Attempt, AttemptResult, Event, Intent, Message
from clicknb.ledger.sqlite import Conflict, Store
from clicknb.ledger.tables import attempts, events, rows
from clicknb.ledger.units import from_micros, to_micros

_MOST_PARAMETERS = 500
"""Values in one question to the database."""


class Written(NamedTuple):
    """What became of outcomes and intents that were to be recorded.

    Attributes
    ----------
    refused
        Empty if the intents are recorded. Else why they are not, so that nothing may leave: the campaign was stopped,
        or another sender has taken one of the rows. The outcomes are recorded in any case.
    borrowed
        The attempts, by row and number, whose answer named a message that was answered before: they are in doubt.
    relisted
        Whether the intents are not recorded, because the list of suppressed numbers has to be read again first.
    """

    refused: str = ""
    borrowed: frozenset[tuple[int, int]] = frozenset()
    relisted: bool = False


class Attempts(Store):
    """The attempts of a ledger, and the statuses that were seen of them; parameters as of ``Store``.

    Attributes
    ----------
    origin : Origin
        Whether all that ever left by this ledger is on record.
    """

    def _prepare(self) -> None:
        super()._prepare()
        self.origin = Origin(self)

    def record(
        self, campaign_id: str, outcomes: Sequence[AttemptResult], intents: Sequence[Intent], generation: int = 0
    ) -> Written:
        """Commit what came back and what leaves next, in one transaction.

        Parameters
        ----------
        generation
            The state of the list of suppressed numbers that the intents were checked against.
        """
        if not outcomes and not intents:
            return Written()
        with suppress(Conflict):
            return self._record(campaign_id, outcomes, intents, generation)
        honest, borrowed = self._without_borrowed(outcomes)
        with suppress(Conflict):
            return self._record(campaign_id, honest, intents, generation)._replace(borrowed=borrowed)
        self._record(campaign_id, honest, [], generation)
        return Written("another program is sending this campaign at this moment", borrowed)

    def _record(
        self, campaign_id: str, outcomes: Sequence[AttemptResult], intents: Sequence[Intent], generation: int
    ) -> Written:
        """Write all, or the outcomes alone if nothing may leave."""
        with self._writing_bulk() as cursor:
            cursor.executemany(statements.SETTLE, list(map(statements.outcome_params, outcomes)))
            if not intents:
                return Written()
            known = cursor.execute(statements.STOPPED, (campaign_id,)).fetchone()
            stopped, latest = known or ("the ledger lost the campaign", 0)
            if stopped or latest != generation:
                return Written(stopped, relisted=not stopped)
            cursor.executemany(statements.OPEN, intents)
        self.origin.left(intents)
        return Written()

    def recover(
        self, campaign_id: str, found: Sequence[tuple[Intent, AttemptResult]]
    ) -> tuple[int, frozenset[tuple[int, int]]]:
        """Record attempts that another copy of the ledger made, with what came of them.

        Returns
        -------
        tuple
            How many were not on record, and the ``borrowed`` ones as in ``Written``.
        """
        with self._writing_bulk() as cursor:
            new = cursor.executemany(statements.RECOVER, [intent for intent, _ in found]).rowcount
        return new, self.record(campaign_id, [outcome for _, outcome in found], []).borrowed

    def returned(self, campaign_id: str) -> dict[int, str]:
        """List the rows whose last attempt has to be asked about before they leave again: row to client message id."""
        query = (
            sa.select(attempts.c.row_id, attempts.c.climsgid)
            .join(rows, rows.c.id == attempts.c.row_id)
            .where(rows.c.campaign_id == campaign_id, attempts.c.to_ask == sa.literal_column("1"))
            .order_by(attempts.c.row_id, attempts.c.attempt)
        )
        with self.reading() as connection:
            return {row.row_id: row.climsgid for row in connection.execute(query)}

    def note_denied(self, messages: Iterable[Message]) -> None:
        """Record that the gateway does not know the last attempts of some messages, which came back."""
        change = sa.update(attempts).where(
            attempts.c.row_id == sa.bindparam("row"), attempts.c.attempt == sa.bindparam("number")
        )
        asked = [{"row": message.row_id, "number": message.attempt} for message in messages]
        if asked:
            with self.writing() as connection:
                connection.execute(change.values(to_ask=0), asked)

    def _without_borrowed(
        self, outcomes: Sequence[AttemptResult]
    ) -> tuple[list[AttemptResult], frozenset[tuple[int, int]]]:
        """Put in doubt whose answer names a message that was answered before, in the ledger or among these."""
        owners: dict[str, tuple[int, int]] = {}
        ids = [outcome.apimsgid for outcome in outcomes if outcome.apimsgid]
        query = sa.select(attempts.c.apimsgid, attempts.c.row_id, attempts.c.attempt)
        with self.reading() as connection:
            for piece in _pieces(ids):
                found = connection.execute(query.where(tables.APIMSGID.in_(piece)))
                owners.update({row.apimsgid.lower(): (row.row_id, row.attempt) for row in found})
        honest, borrowed = [], set()
        for outcome in outcomes:
            place = outcome.row_id, outcome.attempt
            if outcome.apimsgid and owners.setdefault(outcome.apimsgid.lower(), place) != place:
                borrowed.add(place)
                honest.append(outcome._replace(state="unknown", apimsgid="", error=tables.BORROWED))
            else:
                honest.append(outcome)
        return honest, frozenset(borrowed)

    def open(self, campaign_id: str) -> list[Attempt]:
        """List the accepted messages whose status may still change."""
        return self._attempts(campaign_id, "accepted", ~_seen(events.c.status.in_(FINAL)))

    def uncharged(self, campaign_id: str) -> list[Attempt]:
        """List the accepted messages with a final status whose charge was not asked for since."""
        final = events.c.status.in_(FINAL)
        return self._attempts(campaign_id, "accepted", _seen(final), ~_seen(final, events.c.charge.is_not(None)))

    def doubtful(self, campaign_id: str, since: datetime) -> list[Attempt]:
        """List the messages in doubt that were attempted after a time."""
        return self._attempts(campaign_id, "unknown", attempts.c.submitted_at > to_micros(since))

    def _attempts(self, campaign_id: str | None, state: str, *conditions: sa.ColumnElement[bool]) -> list[Attempt]:
        """List the attempts in a state, of one campaign or of all."""
        mine = (events.c.row_id == attempts.c.row_id, events.c.attempt == attempts.c.attempt)
        last = sa.select(events.c.status).where(*mine).order_by(events.c.id.desc()).limit(1).scalar_subquery()
        columns = (attempts.c[name] for name in ("row_id", "attempt", "climsgid", "apimsgid", "submitted_at"))
        query = (
            sa.select(*columns, sa.func.coalesce(last, ""))
            .join(rows, rows.c.id == attempts.c.row_id)
            .where(sa.true() if campaign_id is None else rows.c.campaign_id == campaign_id)
            .where(attempts.c.state == state, *conditions)
            .order_by(attempts.c.row_id, attempts.c.attempt)
        )
        with self.reading() as connection:
            found = connection.execute(query).all()
        return [Attempt(*row[:4], submitted_at=from_micros(row[4]), status=row[5]) for row in found]

    def shared(self, campaign_id: str) -> set[str]:
        """List the client message ids that several messages of a campaign have in common, sent in one request."""
        query = (
            sa.select(attempts.c.climsgid)
            .join(rows, rows.c.id == attempts.c.row_id)
            .where(rows.c.campaign_id == campaign_id)
            .group_by(attempts.c.climsgid)
            .having(sa.func.count(attempts.c.row_id.distinct()) > 1)
        )
        with self.reading() as connection:
            return set(connection.execute(query).scalars())

    def holders(self, apimsgids: Sequence[str]) -> list[Attempt]:
        """List the attempts that have some of the gateway's ids."""
        found: list[Attempt] = []
        for piece in _pieces(apimsgids):
            found += self._attempts(None, "accepted", tables.APIMSGID.in_(piece))
        return found

    def disown(self, wrong: Iterable[Attempt]) -> None:
        """Put attempts in doubt whose id is that of another message."""
        doubt = {"state": "unknown", "apimsgid": None, "error": tables.BORROWED}
        with self.writing() as connection:
            for one in wrong:
                this = attempts.c.row_id == one.row_id, attempts.c.attempt == one.attempt
                connection.execute(sa.update(attempts).where(*this).values(doubt))

    def denials(self, campaign_id: str) -> dict[tuple[int, int], list[datetime]]:
        """List when the gateway said that it does not know an attempt, oldest first, by row and attempt."""
        query = (
            sa.select(events.c.row_id, events.c.attempt, events.c.at)
            .join(rows, rows.c.id == events.c.row_id)
            .where(rows.c.campaign_id == campaign_id, events.c.source == "reconcile", events.c.apimsgid == "")
            .order_by(events.c.at)
        )
        found: dict[tuple[int, int], list[datetime]] = {}
        with self.reading() as connection:
            for row_id, attempt, at in connection.execute(query):
                found.setdefault((row_id, attempt), []).append(from_micros(at))
        return found

    def by_apimsgid(self, ids: Sequence[str]) -> pd.DataFrame:
        """Read what was sent under some of the gateway's ids, as it is stored; in no particular order."""
        columns = (attempts.c.apimsgid, attempts.c.climsgid, rows.c.to, rows.c.parts, rows.c.estimated)
        query = sa.select(*columns).join(rows, rows.c.id == attempts.c.row_id)
        pieces = _pieces(ids) or [[]]
        return pd.concat([self._frame(query.where(tables.APIMSGID.in_(piece))) for piece in pieces])

    def attempts(self) -> list[dict[str, Any]]:
        """Read every attempt of every campaign with its row's number and text."""
        query = sa.select(attempts, rows.c.to, rows.c.text).join(rows, rows.c.id == attempts.c.row_id)
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def abandon(self, campaign_id: str, at: datetime, *, only: int | None = None) -> int:
        """Name what a dead sender left open: attempts still ``sending`` become ``unknown``; or only that of one row."""
        reason = "the program ended before the answer was read"
        statement = (
            sa.update(attempts)
            .where(attempts.c.state == "sending")
            .where(attempts.c.row_id.in_(sa.select(rows.c.id).where(rows.c.campaign_id == campaign_id, one_row(only))))
            .values(state="unknown", error=reason, answered_at=to_micros(at))
        )
        with self.writing() as connection:
            return connection.execute(statement).rowcount

    # events

    def note(self, seen: Sequence[Event]) -> None:
        """Record what the gateway said when it was asked, and that it was asked."""
        if not seen:
            return
        with self.writing() as connection:
            if news := [statements.event_row(event) for event in seen if event.news]:
                connection.execute(insert(events).on_conflict_do_nothing(), news)
            connection.execute(statements.CHECKED, [statements.checked_params(event) for event in seen])

    def events(self, campaign_id: str) -> pd.DataFrame:
        """Read every status seen, oldest first, with the row's ordinal and label, as it is stored."""
        query = (
            sa.select(events, rows.c.ordinal, rows.c.label)
            .join(rows, rows.c.id == events.c.row_id)
            .where(rows.c.campaign_id == campaign_id)
            .order_by(events.c.at, events.c.id)
        )
        return self._frame(query)

    def known_statuses(self, campaign_id: str) -> pd.DataFrame:
        """Read what decides which status and charge count: of ``events``, those of the id that an attempt has."""
        columns = (events.c[name] for name in ("row_id", "attempt", "status", "charge", "at"))
        query = sa.select(*columns).join(rows, rows.c.id == events.c.row_id).join(attempts, tables.OWN)
        mine = query.where(rows.c.campaign_id == campaign_id)
        return self._frame(mine.order_by(events.c.at, events.c.id))


def _seen(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether an event of this attempt fulfils the conditions."""
    return sa.exists().where(tables.OWN, *conditions).correlate(attempts)


def _pieces(ids: Sequence[str]) -> list[Sequence[str]]:
    """Cut a list so that each piece fits into one question."""
    return [ids[start : start + _MOST_PARAMETERS] for start in range(0, len(ids), _MOST_PARAMETERS)]


def one_row(row_id: int | None) -> sa.ColumnElement[bool]:
    """Choose one row, or all of them."""
    return sa.true() if row_id is None else rows.c.id == row_id
