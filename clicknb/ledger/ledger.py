"""The durable record of every message: what was to be sent, each attempt, and each status seen.

One SQLite file; its tables are in ``tables.py``. ``rows`` is what a plan said and never changes. An attempt is one
request: it is committed as ``sending`` before the first byte leaves and settled when the answer is read, so a crash
leaves it visibly open. ``events`` holds every status seen; the status that counts is derived from them, never stored
over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from clicknb import display
from clicknb.errors import CampaignError, LedgerError
from clicknb.kinds import CANCELLED
from clicknb.ledger import records, statements, tables
from clicknb.ledger.attempts import Attempts, one_row
from clicknb.ledger.lock import refuse_second_name
from clicknb.ledger.records import Message, Recorded
from clicknb.ledger.sqlite import RESTORE
from clicknb.ledger.tables import attempts, campaigns, events, prices, rows
from clicknb.ledger.units import from_micros, to_micro_credits, to_micros

UNASKED = "cancelled after an answer that it was not accepted; campaign.reconcile() asks the gateway whether that is so"
FORGOTTEN = "the answer was that it was not accepted, but that was not asked about before the gateway forgot it"


class Ledger(Attempts):
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
        self._owner = owner
        super().__init__(path)

    def __repr__(self) -> str:
        return f"<Ledger {self.path.name if self.path else 'in memory'}>"

    # campaigns

    def campaign_id(self, name: str) -> str | None:
        """Find a campaign by its name."""
        with self.reading() as connection:
            return connection.execute(sa.select(campaigns.c.id).where(campaigns.c.name == name)).scalar()

    def campaign(self, campaign_id: str) -> dict[str, Any]:
        """Read a campaign's own record."""
        with self.reading() as connection:
            return dict(connection.execute(sa.select(campaigns).where(campaigns.c.id == campaign_id)).mappings().one())

    def states(self, campaign_id: str) -> dict[str, int]:
        """Count the rows of a campaign by state, the most frequent first."""
        query = (
            sa.select(tables.STATE, sa.func.count(rows.c.id).label("number"))
            .select_from(tables.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id)
            .group_by(tables.STATE.element)
            .order_by(sa.desc("number"), sa.func.min(rows.c.id))
        )
        return {row.state: row.number for row in self.read(query)}

    def counts(self) -> list[dict[str, Any]]:
        """Count the rows of every campaign by state."""
        query = (
            sa.select(campaigns.c.id, campaigns.c.name, campaigns.c.started_at, campaigns.c.stopped, tables.STATE)
            .add_columns(sa.func.count(rows.c.id).label("rows"))
            .select_from(campaigns.outerjoin(tables.with_telling_attempt(), rows.c.campaign_id == campaigns.c.id))
            .group_by(campaigns.c.id, tables.STATE.element)
            .order_by(campaigns.c.started_at, campaigns.c.name)
        )
        return [row._asdict() for row in self.read(query)]

    def start(self, campaign: Mapping[str, Any]) -> str:
        """Record a campaign, or the new mode, budget and rules of one of this name; returns the id that it has."""
        changed = {name: campaign[name] for name in ("mode", "budget", "rules")}
        known = sa.select(campaigns.c.id, *(campaigns.c[name] for name in changed))
        query = known.where(campaigns.c.name == campaign["name"])
        with self.reading() as connection:
            found = connection.execute(query).one_or_none()
        if found and tuple(found[1:]) == tuple(changed.values()):
            return str(found.id)
        statement = insert(campaigns).values(campaign).on_conflict_do_update(index_elements=["name"], set_=changed)
        with self.writing() as connection:
            new = connection.execute(query).one_or_none() is None
            connection.execute(statement)
            if new:
                self.origin.count(connection)
            return str(connection.execute(query).one().id)

    def stop(self, campaign_id: str, reason: str, *, paused: bool = False) -> None:
        """Record why sending stopped, which also stops a sender at work; an empty reason clears it.

        Parameters
        ----------
        paused
            Whether the user wanted it so.
        """
        self.write(_change(campaign_id).values(stopped=reason, paused=int(paused)))

    def stopped(self, campaign_id: str, reason: str) -> None:
        """Record why a sender stopped, unless somebody has told it to and that is on record."""
        self.write(_change(campaign_id).where(campaigns.c.stopped == "").values(stopped=reason))

    # rows

    def add(self, campaign_id: str, new: Mapping[str, Sequence[Any]]) -> None:
        """Record rows, given column by column, with all columns that ``statements.PLANNED`` names.

        Those whose key is there already keep their content and take the new place and label. What was left out under a
        label that comes again is forgotten: the new row says what holds for it now.
        """
        known = sa.select(rows.c.id, rows.c.label, rows.c.key).where(rows.c.campaign_id == campaign_id)
        labels, keys = set(new["label"]), set(new["key"])
        contents = zip(*(new[name] for name in records.CONTENT), strict=True)
        seals = [records.seal(campaign_id, content) for content in contents]
        columns = {**new, "campaign_id": repeat(campaign_id), "seal": seals}
        values = list(zip(*(columns[name] for name in statements.RECORDED), strict=False))
        with self.writing() as connection:
            _refuse_if_purged(connection, campaign_id)
            left_out = connection.execute(known.where(rows.c.left_out == 1)).all()
            stale = [{"stale": row.id} for row in left_out if row.label in labels and row.key not in keys]
            if stale:
                connection.execute(sa.delete(rows).where(rows.c.id == sa.bindparam("stale")), stale)
            if values:
                connection.exec_driver_sql(statements.RECORD, values)

    def recorded(self, campaign_id: str) -> dict[str, Recorded]:
        """Read what each row says and where it stands, by its key; rows that a plan left out are not in it."""
        query = (
            sa.select(rows.c.key, rows.c.text, rows.c.sender, rows.c.options)
            .add_columns(tables.STATE, rows.c.skip_kind)
            .select_from(tables.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id, rows.c.left_out == 0)
        )
        return {row.key: Recorded._make(row[1:]) for row in self.read(query)}

    def variants(self, campaign_id: str) -> dict[str, str]:
        """Read which variant each row got, by its key."""
        dealt = rows.c.campaign_id == campaign_id, rows.c.variant.is_not(None), rows.c.left_out == 0
        query = sa.select(rows.c.key, rows.c.variant).where(*dealt)
        return {row.key: str(row.variant) for row in self.read(query)}

    def spent(self, campaign_id: str) -> Decimal:
        """Tell what a campaign has spent, in credits: as the balance showed, and no less than what was quoted."""
        quoted = (
            sa.select(sa.func.coalesce(sa.func.sum(rows.c.estimated), 0))
            .join(attempts, attempts.c.row_id == rows.c.id)
            .where(rows.c.campaign_id == campaign_id, attempts.c.state.in_(["accepted", "unknown", "sending"]))
        )
        measured = sa.select(sa.func.coalesce(campaigns.c.spent, 0)).where(campaigns.c.id == campaign_id)
        with self.reading() as connection:
            return Decimal(max(connection.execute(asked).scalar_one() for asked in (quoted, measured))) / 1_000_000

    def note_spent(self, campaign_id: str, spent: Decimal) -> None:
        """Remember what a campaign has spent, as the balance shows."""
        self.write(_change(campaign_id).values(spent=to_micro_credits(spent)))

    def messages(self, campaign_id: str, states: Iterable[str], *, only: int | None = None) -> list[Message]:
        """List the rows in some states, in the order in which they were recorded; or only one row."""
        query = (
            sa.select(rows.c.id, *(rows.c[name] for name in records.CONTENT), tables.TRIES, tables.TURN, rows.c.seal)
            .add_columns(*(sa.func.coalesce(rows.c[name], "") for name in ("country", "zone")))
            .select_from(tables.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id, tables.STATE.element.in_(list(states)), one_row(only))
            .order_by(rows.c.id)
        )
        with self.reading() as connection:
            found = list(map(Message._make, connection.execute(query).cursor.fetchall()))
        broken = sum(message.seal != records.seal(campaign_id, message.content) for message in found)
        if broken:
            message = (
                f"The ledger {self.path or 'in memory'} is damaged: {broken:,} of {len(found):,} messages are not as "
                f"they were planned. None was sent now. {RESTORE}"
            )
            raise LedgerError(message)
        return found

    def state(self, row_id: int) -> str:
        """Tell the state of one row."""
        query = sa.select(tables.STATE).select_from(tables.with_telling_attempt()).where(rows.c.id == row_id)
        return str(self.value(query))

    def leave_out(self, kind: str, reasons: Mapping[int, str]) -> None:
        """Record of rows why they are not sent: the kind, of ``kinds.SKIPPED``, and the words for each."""
        if reasons:
            this = sa.update(rows).where(rows.c.id == sa.bindparam("row"))
            change = this.values(skipped=sa.bindparam("reason"), skip_kind=kind)
            self.write(change, [{"row": row, "reason": reason} for row, reason in reasons.items()])

    def doubt_returned(self, campaign_id: str, before: datetime) -> set[int]:
        """Put in doubt what came back before a time since when the gateway denies all it is asked; returns the rows."""
        change = _doubt_returned(campaign_id, FORGOTTEN).where(attempts.c.submitted_at < to_micros(before))
        with self.writing() as connection:
            return set(connection.execute(change.returning(attempts.c.row_id)).scalars())

    def withdraw(self, campaign_id: str, reason: str) -> None:
        """Take what was not sent out of the queue for good, also that of a sender at work.

        What came back, and was not asked about since, is in doubt: something may have answered in the gateway's place.
        """
        live = sa.exists().where(attempts.c.row_id == rows.c.id, attempts.c.state != "returned")
        waiting = (rows.c.campaign_id == campaign_id, rows.c.skip_kind.is_(None), ~live)
        with self.writing() as connection:
            connection.execute(_change(campaign_id).values(stopped=reason, paused=0))
            connection.execute(_doubt_returned(campaign_id, UNASKED))
            connection.execute(sa.update(rows).where(*waiting).values(skipped=reason, skip_kind=CANCELLED))

    def table(self, campaign_id: str, *, only: int | None = None) -> dict[str, list[Any]]:
        """Read every row with its telling attempt column by column, in the order of the plan; or only one row."""
        columns = [column for column in attempts.c if column.name not in {"row_id", "state"}]
        query = (
            sa.select(rows, *columns, tables.STATE)
            .select_from(tables.with_telling_attempt())
            .where(rows.c.campaign_id == campaign_id, one_row(only))
            .order_by(rows.c.id)
        )
        return self._columns(query)

    def claim(self, campaign_id: str, row: Mapping[str, Any], since: datetime, *, again: bool) -> tuple[int, str]:
        """Find the row of a single message, or record it; in one transaction, so that two callers get the same row.

        A row with the same number, text and sender counts if it was tried since a time and neither rejected nor
        absent, else if it is still planned; with ``again`` only if it is planned.

        Returns
        -------
        tuple
            The row's id and its state.
        """
        if self.path is not None:
            refuse_second_name(self.path)
        asked = {name: row[name] for name in ("to", "text", "sender")}
        asked |= {"campaign": campaign_id, "first": f"{row['to']}#", "end": f"{row['to']}$"}
        with self.writing() as connection:
            if found := connection.execute(_SAME, {**asked, "since": to_micros(since), "again": again}).one_or_none():
                return found.id, found.state
            key = records.single_key(row, connection.execute(_HOW_MANY, asked).scalar_one() + 1)
            purged = connection.execute(sa.select(campaigns.c.purged_at).where(campaigns.c.id == campaign_id)).scalar()
            if purged:  # what is forgotten is not counted, but its client message id must not come again
                key = f"{row['to']}#{purged}.{connection.execute(sa.select(sa.func.max(rows.c.id))).scalar() or 0}"
            values = {**row, "campaign_id": campaign_id, "key": key}
            values["seal"] = records.seal(campaign_id, itemgetter(*records.CONTENT)(values))
            return connection.execute(sa.insert(rows).values(values).returning(rows.c.id)).scalar_one(), "planned"

    # prices

    def prices(self, since: datetime) -> dict[str, int | None]:
        """Read the prices asked for since a time: country to micro-credits a part, None where there is no route."""
        query = sa.select(prices.c.country, prices.c.charge).where(prices.c.asked_at >= to_micros(since))
        return {row.country: row.charge for row in self.read(query)}

    def dearest(self) -> dict[str, int]:
        """Read the most that a part has cost so far: country to micro-credits."""
        most = sa.func.max(-(-events.c.charge // rows.c.parts)).label("most")  # rounded up
        query = (
            sa.select(rows.c.country, most)
            .join(rows, rows.c.id == events.c.row_id)
            .where(events.c.charge > 0, rows.c.parts > 0, rows.c.country.is_not(None))
            .group_by(rows.c.country)
        )
        return {row.country: row.most for row in self.read(query)}

    def set_price(self, country: str, charge: Decimal | None, at: datetime) -> None:
        """Remember what the gateway says a part to this country costs at least."""
        values = {"charge": to_micro_credits(charge), "asked_at": to_micros(at)}
        statement = insert(prices).values(country=country, **values)
        self.write(statement.on_conflict_do_update(index_elements=["country"], set_=values))

    def _prepare(self) -> None:
        super()._prepare()
        if self._owner:
            self._belong_to(self._owner)

    def _belong_to(self, owner: str) -> None:
        query = sa.select(tables.owners.c.owner)
        with self.reading() as connection:
            known = connection.execute(query).scalar()
        if known is None and not self.fixed:
            with self.writing() as connection:
                known = connection.execute(query).scalar()
                if known is None:
                    connection.execute(sa.insert(tables.owners).values(owner=owner))
        if known not in {None, owner}:
            message = (
                f"The ledger {self.path} belongs to the account {known}, not to {owner}. Nothing was sent. Name "
                "another file with ledger=, or connect to the account that it belongs to."
            )
            raise LedgerError(message)


def _change(campaign_id: str) -> sa.Update:
    return sa.update(campaigns).where(campaigns.c.id == campaign_id)


_mine = (
    rows.c.campaign_id == sa.bindparam("campaign"),
    rows.c.key >= sa.bindparam("first"),  # the key of a single message begins with its number, and is in an index
    rows.c.key < sa.bindparam("end"),
    *(rows.c[name] == sa.bindparam(name) for name in ("to", "text", "sender")),
)
_planned = tables.STATE.element == "planned"
_tried = sa.and_(
    ~tables.STATE.element.in_(["rejected", "absent"]),
    attempts.c.submitted_at >= sa.bindparam("since"),
    sa.not_(sa.bindparam("again", type_=sa.Boolean)),
)
_SAME = (
    sa.select(rows.c.id, tables.STATE)
    .select_from(tables.with_telling_attempt())
    .where(*_mine, rows.c.skip_kind.is_(None))
    .where(sa.or_(_planned, _tried))
    .order_by(_planned, rows.c.id.desc())
    .limit(1)
)
_HOW_MANY = sa.select(sa.func.count()).where(*_mine)


def _refuse_if_purged(connection: sa.Connection, campaign_id: str) -> None:
    """Refuse new rows where it is forgotten who has had a message."""
    at = connection.execute(sa.select(campaigns.c.purged_at).where(campaigns.c.id == campaign_id)).scalar()
    if at is not None:
        message = (
            f"The numbers of this campaign were purged on {display.date(from_micros(at))}, so nobody can tell who has "
            "had its message. Nothing was sent. Give the campaign a new name."
        )
        raise CampaignError(message)


def _doubt_returned(campaign_id: str, reason: str) -> sa.Update:
    """Change what came back and was not asked about: something may have answered in the gateway's place."""
    mine = sa.select(rows.c.id).where(rows.c.campaign_id == campaign_id)
    unasked = attempts.c.to_ask == sa.literal_column("1"), attempts.c.row_id.in_(mine)
    return sa.update(attempts).where(*unasked).values(state="unknown", to_ask=0, error=reason)
