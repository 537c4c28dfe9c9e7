"""The durable record of every message: what was to be sent, each attempt, and each status seen.

One SQLite file; its tables are in ``schema.py``. ``rows`` is what a plan said and never changes. An attempt is one
request: it is committed as ``sending`` before the first byte leaves and settled when the answer is read, so a crash
leaves it visibly open. ``events`` holds every status seen; the status that counts is derived from them, never stored
over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from clicknb.campaign import schema
from clicknb.campaign.copies import Origin
from clicknb.campaign.lock import refuse_second_name
from clicknb.campaign.schema import (
    Attempt,
    Event,
    Intent,
    Message,
    Outcome,
    Recorded,
    attempts,
    campaigns,
    events,
    micro,
    micro_credits,
    moment,
    prices,
    rows,
)
from clicknb.campaign.store import RESTORE, Conflict, Store
from clicknb.errors import CampaignError, LedgerError
from clicknb.gateway.codes import FINAL


class Written(NamedTuple):
    """What became of outcomes and intents that were to be recorded.

    Attributes
    ----------
    refused
        Empty if the intents are recorded. Else why they are not, so that nothing may leave: the campaign was stopped,
        another sender has taken one of the rows, or ``RELISTED``. The outcomes are recorded in any case.
    borrowed
        The attempts, by row and number, whose answer named a message that was answered before: they are in doubt.
    """

    refused: str = ""
    borrowed: frozenset[tuple[int, int]] = frozenset()


RELISTED = "the list of suppressed numbers has changed"
"""Why nothing may leave before that list has been read again."""

_MOST_PARAMETERS = 500
"""Values in one question to the database."""


class Ledger(Store):
    """The record of one account's campaigns.

    Parameters
    ----------
    path
        The SQLite file, made readable by its owner only; None keeps the record in memory.
    owner
        The account at the gateway that it belongs to: another one is refused, since its messages would be looked for at
        the wrong gateway. Empty to look without sending.

    Raises
    ------
    LedgerError
        The file cannot be opened, is damaged, is no ledger, belongs to another account, or comes from a newer version.
    """

    def __init__(self, path: Path | None = None, *, owner: str = "") -> None:
        super().__init__(path)
        try:
            self.origin = Origin(self)
            self._belong_to(owner)
        except LedgerError:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Ledger {self.path.name if self.path else 'in memory'}>"

    # campaigns

    def campaign_id(self, name: str) -> str | None:
        """Find a campaign by its name."""
        with self._reading() as connection:
            return connection.execute(sa.select(campaigns.c.id).where(campaigns.c.name == name)).scalar()

    def campaign(self, campaign_id: str) -> dict[str, Any]:
        """Read a campaign's own record."""
        with self._reading() as connection:
            return dict(connection.execute(sa.select(campaigns).where(campaigns.c.id == campaign_id)).mappings().one())

    def states(self, campaign_id: str) -> dict[str, int]:
        """Count the rows of a campaign by state, the most frequent first."""
        query = (
            sa.select(schema.STATE, sa.func.count(rows.c.id).label("number"))
            .select_from(schema.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id)
            .group_by(schema.STATE.element)
            .order_by(sa.desc("number"), sa.func.min(rows.c.id))
        )
        with self._reading() as connection:
            return {row.state: row.number for row in connection.execute(query)}

    def counts(self) -> list[dict[str, Any]]:
        """Count the rows of every campaign by state."""
        query = (
            sa.select(campaigns.c.id, campaigns.c.name, campaigns.c.started_at, campaigns.c.stopped, schema.STATE)
            .add_columns(sa.func.count(rows.c.id).label("rows"))
            .select_from(campaigns.outerjoin(schema.with_telling_attempt(), rows.c.campaign_id == campaigns.c.id))
            .group_by(campaigns.c.id, schema.STATE.element)
            .order_by(campaigns.c.started_at, campaigns.c.name)
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def start(self, campaign: Mapping[str, Any]) -> str:
        """Record a campaign, or the new mode, budget and rules of one of this name; returns the id that it has."""
        changed = {name: campaign[name] for name in ("mode", "budget", "rules")}
        statement = insert(campaigns).values(campaign).on_conflict_do_update(index_elements=["name"], set_=changed)
        query = sa.select(campaigns.c.id).where(campaigns.c.name == campaign["name"])
        with self._writing() as connection:
            new = connection.execute(query).scalar() is None
            connection.execute(statement)
            if new:
                self.origin.count(connection)
            campaign_id: str = connection.execute(query).scalar_one()
            return campaign_id

    def stop(self, campaign_id: str, reason: str) -> None:
        """Record why sending stopped, which also stops a sender at work; an empty reason clears it."""
        with self._writing() as connection:
            connection.execute(sa.update(campaigns).where(campaigns.c.id == campaign_id).values(stopped=reason))

    # rows

    def add(self, campaign_id: str, new: Mapping[str, Sequence[Any]]) -> None:
        """Record rows, given column by column, with all columns that ``schema.PLANNED`` names.

        Those whose key is there already keep their content and take the new place and label. What was left out under a
        label that comes again is forgotten: the new row says what holds for it now.
        """
        left_out = sa.select(rows.c.id, rows.c.label, rows.c.key).where(
            rows.c.campaign_id == campaign_id, rows.c.key.startswith(schema.LEFT_OUT)
        )
        labels, keys = set(new["label"]), set(new["key"])
        contents = zip(*(new[name] for name in schema.CONTENT), strict=True)
        seals = [schema.seal(campaign_id, content) for content in contents]
        values = list(zip(repeat(campaign_id), seals, *(new[name] for name in schema.PLANNED), strict=False))
        with self._writing() as connection:
            _refuse_if_purged(connection, campaign_id)
            known = connection.execute(left_out).all()
            stale = [{"stale": row.id} for row in known if row.label in labels and row.key not in keys]
            if stale:
                connection.execute(sa.delete(rows).where(rows.c.id == sa.bindparam("stale")), stale)
            if values:
                connection.exec_driver_sql(schema.RECORD, values)

    def recorded(self, campaign_id: str) -> dict[str, Recorded]:
        """Read what each row says and where it stands, by its key; rows that a plan left out are not in it."""
        query = (
            sa.select(rows.c.key, rows.c.text, rows.c.sender, rows.c.options)
            .add_columns(schema.STATE, rows.c.skipped)
            .select_from(schema.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id, ~rows.c.key.startswith(schema.LEFT_OUT))
        )
        with self._reading() as connection:
            return {row[0]: Recorded._make(row[1:]) for row in connection.execute(query)}

    def variants(self, campaign_id: str) -> dict[str, str]:
        """Read which variant each row got, by its key."""
        query = sa.select(rows.c.key, rows.c.variant).where(
            rows.c.campaign_id == campaign_id, rows.c.variant.is_not(None), ~rows.c.key.startswith(schema.LEFT_OUT)
        )
        with self._reading() as connection:
            return {key: str(variant) for key, variant in connection.execute(query)}

    def spent(self, campaign_id: str) -> Decimal:
        """Tell what a campaign has spent, in credits: as the balance showed, and no less than what was quoted."""
        quoted = (
            sa.select(sa.func.coalesce(sa.func.sum(rows.c.estimated), 0))
            .join(attempts, attempts.c.row_id == rows.c.id)
            .where(rows.c.campaign_id == campaign_id, attempts.c.state.in_(["accepted", "unknown", "sending"]))
        )
        measured = sa.select(sa.func.coalesce(campaigns.c.spent, 0)).where(campaigns.c.id == campaign_id)
        with self._reading() as connection:
            return Decimal(max(connection.execute(asked).scalar_one() for asked in (quoted, measured))) / 1_000_000

    def note_spent(self, campaign_id: str, spent: Decimal) -> None:
        """Remember what a campaign has spent, as the balance shows."""
        change = sa.update(campaigns).where(campaigns.c.id == campaign_id)
        with self._writing() as connection:
            connection.execute(change.values(spent=micro_credits(spent)))

    def messages(self, campaign_id: str, states: Iterable[str]) -> list[Message]:
        """List the rows in some states, in the order in which they were recorded."""
        query = (
            sa.select(rows.c.id, *(rows.c[name] for name in schema.CONTENT), schema.TRIES, schema.TURN, rows.c.seal)
            .add_columns(*(sa.func.coalesce(rows.c[name], "") for name in ("country", "zone")))
            .select_from(schema.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id, schema.STATE.element.in_(list(states)))
            .order_by(rows.c.id)
        )
        with self._reading() as connection:
            found = list(map(Message._make, connection.execute(query).all()))
        broken = sum(message.seal != schema.seal(campaign_id, message.content) for message in found)
        if broken:
            message = (
                f"The ledger {self.path or 'in memory'} is damaged: {broken:,} of {len(found):,} messages are not as "
                f"they were planned. None was sent now. {RESTORE}"
            )
            raise LedgerError(message)
        return found

    def leave_out(self, reasons: Mapping[int, str]) -> None:
        """Record of rows why they are not sent."""
        if reasons:
            change = sa.update(rows).where(rows.c.id == sa.bindparam("row")).values(skipped=sa.bindparam("reason"))
            with self._writing() as connection:
                connection.execute(change, [{"row": row, "reason": reason} for row, reason in reasons.items()])

    def withdraw(self, campaign_id: str, reason: str) -> None:
        """Take what was not sent out of the queue for good, also that of a sender at work."""
        live = sa.exists().where(attempts.c.row_id == rows.c.id, attempts.c.state != "returned")
        waiting = (rows.c.campaign_id == campaign_id, rows.c.skipped.is_(None), ~live)
        with self._writing() as connection:
            connection.execute(sa.update(campaigns).where(campaigns.c.id == campaign_id).values(stopped=reason))
            connection.execute(sa.update(rows).where(*waiting).values(skipped=reason))

    def table(self, campaign_id: str, *, only: int | None = None) -> pd.DataFrame:
        """Read every row with its latest attempt, in the order of the plan, as it is stored; or only one row."""
        columns = [column for column in attempts.c if column.name not in {"row_id", "state"}]
        query = (
            sa.select(rows, *columns, schema.STATE)
            .select_from(schema.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id, _one(only))
            .order_by(rows.c.id)
        )
        return self._frame(query)

    def claim(self, campaign_id: str, row: Mapping[str, Any], since: datetime, *, again: bool) -> tuple[int, str]:
        """Find the row of a single message, or record it; in one transaction, so that two callers get the same row.

        A row with the same number, text and sender counts if it was tried since a time and neither rejected nor
        absent, else if it is still planned; with ``again`` only if it is planned.

        Returns
        -------
        tuple
            The row's id and its state.
        """
        same = [rows.c[name] == row[name] for name in ("to", "text", "sender")]
        tried = sa.and_(~schema.STATE.element.in_(["rejected", "absent"]), attempts.c.submitted_at >= micro(since))
        counts = schema.STATE.element == "planned" if again else sa.or_(schema.STATE.element == "planned", tried)
        if self.path is not None:
            refuse_second_name(self.path)
        query = (
            sa.select(rows.c.id, schema.STATE)
            .select_from(schema.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id, rows.c.skipped.is_(None), *same, counts)
            .order_by(schema.STATE.element == "planned", rows.c.id.desc())
            .limit(1)
        )
        mine = rows.c.campaign_id == campaign_id, *same
        with self._writing() as connection:
            if found := connection.execute(query).one_or_none():
                return found.id, found.state
            number = _content(row, connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one() + 1)
            purged = connection.execute(sa.select(campaigns.c.purged_at).where(campaigns.c.id == campaign_id)).scalar()
            if purged:  # what is forgotten is not counted, but its client message id must not come again
                number = f"{purged}.{connection.execute(sa.select(sa.func.max(rows.c.id))).scalar() or 0}"
            values = {**row, "campaign_id": campaign_id, "key": f"{row['to']}#{number}"}
            values["seal"] = schema.seal(campaign_id, itemgetter(*schema.CONTENT)(values))
            return connection.execute(sa.insert(rows).values(values).returning(rows.c.id)).scalar_one(), "planned"

    # attempts

    def record(
        self, campaign_id: str, outcomes: Sequence[Outcome], intents: Sequence[Intent], generation: int = 0
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
            return Written(self._record(campaign_id, outcomes, intents, generation))
        honest, borrowed = self._without_borrowed(outcomes)
        with suppress(Conflict):
            return Written(self._record(campaign_id, honest, intents, generation), borrowed)
        self._record(campaign_id, honest, [], generation)
        return Written("another program is sending this campaign at this moment", borrowed)

    def _record(self, campaign_id: str, outcomes: Sequence[Outcome], intents: Sequence[Intent], generation: int) -> str:
        """Write all, or the outcomes alone if nothing may leave; returns why."""
        with self._writing_bulk() as cursor:
            cursor.executemany(schema.SETTLE, list(map(schema.settled, outcomes)))
            if not intents:
                return ""
            known = cursor.execute(schema.STOPPED, (campaign_id,)).fetchone()
            stopped, latest = known or ("the ledger lost the campaign", 0)
            if stopped or latest != generation:
                return str(stopped or RELISTED)
            cursor.executemany(schema.OPEN, intents)
        self.origin.left(intents)
        return ""

    def recover(
        self, campaign_id: str, found: Sequence[tuple[Intent, Outcome]]
    ) -> tuple[int, frozenset[tuple[int, int]]]:
        """Record attempts that another copy of the ledger made, with what came of them.

        Returns
        -------
        tuple
            How many were not on record, and the ``borrowed`` ones as in ``Written``.
        """
        with self._writing_bulk() as cursor:
            new = cursor.executemany(schema.RECOVER, [intent for intent, _ in found]).rowcount
        return new, self.record(campaign_id, [outcome for _, outcome in found], []).borrowed

    def returned(self, campaign_id: str) -> dict[int, str]:
        """List the rows whose last attempt has to be asked about before they leave again: row to client message id."""
        query = (
            sa.select(attempts.c.row_id, attempts.c.climsgid)
            .join(rows, rows.c.id == attempts.c.row_id)
            .where(rows.c.campaign_id == campaign_id, attempts.c.to_ask == sa.literal_column("1"))
            .order_by(attempts.c.row_id, attempts.c.attempt)
        )
        with self._reading() as connection:
            return {row.row_id: row.climsgid for row in connection.execute(query)}

    def note_denied(self, messages: Iterable[Message]) -> None:
        """Record that the gateway does not know the last attempts of some messages, which came back."""
        change = sa.update(attempts).where(
            attempts.c.row_id == sa.bindparam("row"), attempts.c.attempt == sa.bindparam("number")
        )
        asked = [{"row": message.row_id, "number": message.attempt} for message in messages]
        if asked:
            with self._writing() as connection:
                connection.execute(change.values(to_ask=0), asked)

    def _without_borrowed(self, outcomes: Sequence[Outcome]) -> tuple[list[Outcome], frozenset[tuple[int, int]]]:
        """Put in doubt whose answer names a message that was answered before, in the ledger or among these."""
        owners: dict[str, tuple[int, int]] = {}
        ids = [outcome.apimsgid for outcome in outcomes if outcome.apimsgid]
        query = sa.select(attempts.c.apimsgid, attempts.c.row_id, attempts.c.attempt)
        with self._reading() as connection:
            for piece in _pieces(ids):
                found = connection.execute(query.where(schema.APIMSGID.in_(piece)))
                owners.update({row.apimsgid.lower(): (row.row_id, row.attempt) for row in found})
        honest, borrowed = [], set()
        for outcome in outcomes:
            place = outcome.row_id, outcome.attempt
            if outcome.apimsgid and owners.setdefault(outcome.apimsgid.lower(), place) != place:
                borrowed.add(place)
                honest.append(outcome._replace(state="unknown", apimsgid="", error=schema.BORROWED))
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
        return self._attempts(campaign_id, "unknown", attempts.c.submitted_at > micro(since))

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
        with self._reading() as connection:
            found = connection.execute(query).all()
        return [Attempt(*row[:4], submitted_at=moment(row[4]), status=row[5]) for row in found]

    def shared(self, campaign_id: str) -> set[str]:
        """List the client message ids that several messages of a campaign have in common, sent in one request."""
        query = (
            sa.select(attempts.c.climsgid)
            .join(rows, rows.c.id == attempts.c.row_id)
            .where(rows.c.campaign_id == campaign_id)
            .group_by(attempts.c.climsgid)
            .having(sa.func.count(attempts.c.row_id.distinct()) > 1)
        )
        with self._reading() as connection:
            return set(connection.execute(query).scalars())

    def holders(self, apimsgids: Sequence[str]) -> list[Attempt]:
        """List the attempts that have some of the gateway's ids."""
        found: list[Attempt] = []
        for piece in _pieces(apimsgids):
            found += self._attempts(None, "accepted", schema.APIMSGID.in_(piece))
        return found

    def disown(self, wrong: Iterable[Attempt]) -> None:
        """Put attempts in doubt whose id is that of another message."""
        doubt = {"state": "unknown", "apimsgid": None, "error": schema.BORROWED}
        with self._writing() as connection:
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
        with self._reading() as connection:
            for row_id, attempt, at in connection.execute(query):
                found.setdefault((row_id, attempt), []).append(moment(at))
        return found

    def by_apimsgid(self, ids: Sequence[str]) -> pd.DataFrame:
        """Read what was sent under some of the gateway's ids, as it is stored; in no particular order."""
        columns = (attempts.c.apimsgid, attempts.c.climsgid, rows.c.to, rows.c.parts, rows.c.estimated)
        query = sa.select(*columns).join(rows, rows.c.id == attempts.c.row_id)
        pieces = _pieces(ids) or [[]]
        return pd.concat([self._frame(query.where(schema.APIMSGID.in_(piece))) for piece in pieces])

    def attempts(self) -> list[dict[str, Any]]:
        """Read every attempt of every campaign with its row's number and text."""
        query = sa.select(attempts, rows.c.to, rows.c.text).join(rows, rows.c.id == attempts.c.row_id)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def abandon(self, campaign_id: str, at: datetime) -> int:
        """Name what a dead sender left open: attempts still ``sending`` become ``unknown``."""
        reason = "the program ended before the answer was read"
        statement = (
            sa.update(attempts)
            .where(attempts.c.state == "sending")
            .where(attempts.c.row_id.in_(sa.select(rows.c.id).where(rows.c.campaign_id == campaign_id)))
            .values(state="unknown", error=reason, answered_at=micro(at))
        )
        with self._writing() as connection:
            return connection.execute(statement).rowcount

    # events

    def note(self, seen: Sequence[Event]) -> None:
        """Record what the gateway said when it was asked, and that it was asked."""
        if not seen:
            return
        with self._writing() as connection:
            if news := [schema.noted(event) for event in seen if event.news]:
                connection.execute(insert(events).on_conflict_do_nothing(), news)
            connection.execute(schema.CHECKED, [schema.checked(event) for event in seen])

    def events(self, campaign_id: str, *, only: int | None = None) -> pd.DataFrame:
        """Read every status seen, oldest first, with the row's ordinal and label, as it is stored.

        It is the attempt's ``own`` if it was seen under the id that the attempt has.
        """
        mine = sa.and_(events.c.row_id == attempts.c.row_id, events.c.attempt == attempts.c.attempt)
        own = sa.func.coalesce(events.c.apimsgid == attempts.c.apimsgid, sa.false()).label("own")
        query = (
            sa.select(events, rows.c.ordinal, rows.c.label, own)
            .join(rows, rows.c.id == events.c.row_id)
            .outerjoin(attempts, mine)
            .where(rows.c.campaign_id == campaign_id, _one(only))
            .order_by(events.c.at, events.c.id)
        )
        return self._frame(query)

    # prices

    def prices(self, since: datetime) -> dict[str, int | None]:
        """Read the prices asked for since a time: country to micro-credits a part, None where there is no route."""
        query = sa.select(prices.c.country, prices.c.charge).where(prices.c.asked_at >= micro(since))
        with self._reading() as connection:
            return {row.country: row.charge for row in connection.execute(query)}

    def dearest(self) -> dict[str, int]:
        """Read the most that a part has cost so far: country to micro-credits."""
        most = sa.func.max(-(-events.c.charge // rows.c.parts))  # rounded up
        query = (
            sa.select(rows.c.country, most)
            .join(rows, rows.c.id == events.c.row_id)
            .where(events.c.charge > 0, rows.c.parts > 0, rows.c.country.is_not(None))
            .group_by(rows.c.country)
        )
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def set_price(self, country: str, charge: Decimal | None, at: datetime) -> None:
        """Remember what the gateway says a part to this country costs at least."""
        values = {"charge": micro_credits(charge), "asked_at": micro(at)}
        statement = insert(prices).values(country=country, **values)
        with self._writing() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["country"], set_=values))

    def _belong_to(self, owner: str) -> None:
        if not owner:
            return
        with self._writing() as connection:
            known = connection.execute(sa.select(schema.owners.c.owner)).scalar()
            if known is None:
                connection.execute(sa.insert(schema.owners).values(owner=owner))
        if known not in {None, owner}:
            message = (
                f"The ledger {self.path} belongs to the account {known}, not to {owner}. Nothing was sent. Name "
                "another file with ledger=, or connect to the account that it belongs to."
            )
            raise LedgerError(message)


def _content(row: Mapping[str, Any], occurrence: int) -> str:
    """Write which message to a number this is, the same in each copy of the ledger: by what it says and how often."""
    says = hashlib.sha256(repr((row["text"], row["sender"])).encode()).hexdigest()[:8]
    return f"{says}.{occurrence}"


def _refuse_if_purged(connection: sa.Connection, campaign_id: str) -> None:
    """Refuse new rows where it is forgotten who has had a message."""
    at = connection.execute(sa.select(campaigns.c.purged_at).where(campaigns.c.id == campaign_id)).scalar()
    if at is not None:
        message = (
            f"The numbers of this campaign were purged on {moment(at):%d %B %Y}, so nobody can tell who has had its "
            "message. Nothing was sent. Give the campaign a new name."
        )
        raise CampaignError(message)


def _seen(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether an event of this attempt fulfils the conditions."""
    mine = (events.c.row_id == attempts.c.row_id, events.c.attempt == attempts.c.attempt)
    same = events.c.apimsgid == attempts.c.apimsgid
    return sa.exists().where(*mine, same, *conditions).correlate(attempts)


def _pieces(ids: Sequence[str]) -> list[Sequence[str]]:
    """Cut a list so that each piece fits into one question."""
    return [ids[start : start + _MOST_PARAMETERS] for start in range(0, len(ids), _MOST_PARAMETERS)]


def _one(row_id: int | None) -> sa.ColumnElement[bool]:
    return sa.true() if row_id is None else rows.c.id == row_id
