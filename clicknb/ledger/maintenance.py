"""Upkeep of a ledger: copy it while messages are sent, export it, and forget who was written to."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from clicknb import export
from clicknb.clock import RealClock
from clicknb.errors import CampaignError, InvalidInput, LedgerError
from clicknb.kinds import PURGED
from clicknb.ledger import suppression, tables, views
from clicknb.ledger.ledger import Ledger
from clicknb.ledger.tables import attempts, campaigns, events, rows
from clicknb.ledger.units import to_micros


def backup(ledger: Ledger, path: Path) -> Path:
    """Copy a ledger as it is at one moment, also while messages are sent.

    The copy knows that it is one: before it sends anything, the gateway is asked what left after it was made.

    Returns
    -------
    pathlib.Path
        The copy: a ledger that can be opened, readable by its owner only.

    Raises
    ------
    InvalidInput
        There is a file of this name already, or none can be made.
    LedgerError
        The ledger cannot be read, or the disk is full; no copy is left behind.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        message = (
            f"No backup was made at {path}: {error.strerror}. The ledger is as it was. Name a new file in a folder of "
            "yours."
        )
        raise InvalidInput(message) from None
    try:
        with ledger.driver() as source, closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
            copy.execute("UPDATE identity SET copied_at = ?", (to_micros(RealClock().now()),))
            copy.commit()
    except LedgerError:
        path.unlink()
        raise
    return path


def export_csv(ledger: Ledger, directory: Path) -> list[Path]:
    """Write everything that a ledger says as CSV files, as ``clicknb.export.to_csv`` does.

    Returns
    -------
    list of pathlib.Path
        ``campaigns.csv``, ``suppressed.csv``, and ``sends``, ``statuses``, ``charges`` and ``events`` with a column
        ``campaign``.

    Raises
    ------
    InvalidInput
        The files cannot be written.
    LedgerError
        The ledger cannot be read.
    """
    everything = views.campaigns(ledger)
    pieces: dict[str, list[pd.DataFrame]] = {name: [] for name in ("sends", "statuses", "charges", "events")}
    for name in everything["name"]:
        campaign_id = str(ledger.campaign_id(name))
        table = views.joined(ledger, campaign_id)
        shown = {
            "sends": views.sends(ledger, campaign_id),
            "statuses": views.statuses(table),
            "charges": views.charges(table),
            "events": views.events(ledger, campaign_id),
        }
        for kind, frame in shown.items():
            labels = pd.Index([str(label) for label in frame.index], name="label")
            pieces[kind].append(frame.set_axis(labels).assign(campaign=name))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"{directory} cannot be made: {error.strerror}. Nothing was written. Name another folder."
        raise InvalidInput(message) from error
    told = {kind: pd.concat(found) for kind, found in pieces.items() if found}
    files = {"campaigns": everything, "suppressed": suppression.frame(ledger), **told}
    for kind, frame in files.items():
        export.to_csv(frame, directory / f"{kind}.csv", index=kind in pieces)
    return [directory / f"{kind}.csv" for kind in files]


def purge(
    ledger: Ledger,
    at: datetime,
    *,
    before: datetime | None = None,
    campaign: str | None = None,
    whole: bool = False,
    force: bool = False,
) -> int:
    """Forget whom messages went to and what they said, and overwrite it in the file.

    Numbers, texts, labels and reasons are gone; ids, states, statuses, charges and counts stay, and so does the
    campaign's name: since nobody can tell any more who has had a message, it takes no new rows. Backups and exports
    are files of their own and keep what they hold; the list of suppressed numbers stays, since it has to be kept to.

    Parameters
    ----------
    at
        When this happens.
    before
        Purge rows that were tried last before this time, or whose campaign was started before it if they never were.
    campaign
        Purge rows of this campaign only.
    whole
        Remove the rows altogether, with their states and charges.
    force
        Also those that are still to be sent, which then are not, and those on their way.

    Returns
    -------
    int
        How many rows were purged.

    Raises
    ------
    InvalidInput
        Neither a time nor a campaign was named.
    CampaignError
        A campaign is unknown, being sent, or still has rows to send; nothing was purged.
    LedgerError
        The file cannot be written; nothing was purged.
    """
    if before is None and campaign is None:
        message = "Say what to purge: before=, campaign=, or both. Nothing was purged."
        raise InvalidInput(message)
    named = None if campaign is None else ledger.campaign_id(campaign)
    if campaign is not None and named is None:
        message = f"The ledger has no campaign {campaign!r}. Nothing was purged."
        raise CampaignError(message)
    chosen = _choice(before, named)
    touched = ledger.read(sa.select(rows.c.campaign_id).where(rows.c.id.in_(chosen)).distinct())
    ids = [row.campaign_id for row in touched]
    with ExitStack() as stack:
        for campaign_id in ids:
            stack.enter_context(ledger.sending(campaign_id))
        with ledger.writing() as connection:
            if not force:
                _refuse_open(connection, chosen)
            row_ids = [{"row": row.id} for row in connection.execute(chosen)]
            _forget(connection, row_ids, whole=whole)
            connection.execute(sa.update(campaigns).where(campaigns.c.id.in_(ids)).values(purged_at=to_micros(at)))
        _overwrite(ledger)
    return len(row_ids)


def _choice(before: datetime | None, campaign_id: str | None) -> sa.Select[tuple[int]]:
    """Choose the rows to purge."""
    tried = sa.select(sa.func.max(attempts.c.submitted_at)).where(attempts.c.row_id == rows.c.id).scalar_subquery()
    query = sa.select(rows.c.id).join(campaigns)
    if campaign_id is not None:
        query = query.where(rows.c.campaign_id == campaign_id)
    if before is not None:
        query = query.where(sa.func.coalesce(tried, campaigns.c.started_at) < to_micros(before))
    return query


def _refuse_open(connection: sa.Connection, chosen: sa.Select[tuple[int]]) -> None:
    """Refuse to purge what still needs its number and text."""
    unfinished = (
        sa.select(sa.func.count(rows.c.id))
        .select_from(tables.with_telling_attempt())
        .where(rows.c.id.in_(chosen), tables.STATE.element.in_(["planned", "sending"]))
    )
    if count := connection.execute(unfinished).scalar_one():
        message = (
            f"Nothing was purged: {count:,} of these rows are still to be sent or on their way. Send or cancel them "
            "first (campaign.resume(), campaign.cancel()), or pass force=True: then they are never sent."
        )
        raise CampaignError(message)


def _forget(connection: sa.Connection, row_ids: list[dict[str, int]], *, whole: bool) -> None:
    if not row_ids:
        return
    this: sa.BindParameter[int] = sa.bindparam("row")
    if whole:
        for table, column in ((events, events.c.row_id), (attempts, attempts.c.row_id), (rows, rows.c.id)):
            connection.execute(sa.delete(table).where(column == this), row_ids)
        return
    key = sa.literal(f"{PURGED}#").concat(sa.cast(rows.c.id, sa.Text))
    nobody = {"to": None, "text": None, "label": sa.cast(rows.c.ordinal, sa.Text), "seal": ""}
    gone = {**nobody, "key": key, "skipped": PURGED, "skip_kind": PURGED}
    connection.execute(sa.update(rows).where(rows.c.id == this).values(gone), row_ids)
    connection.execute(sa.update(attempts).where(attempts.c.row_id == this).values(error=None), row_ids)


def _overwrite(ledger: Ledger) -> None:
    """Let nothing of what was deleted stay in the file, nor in the log of writes beside it."""
    with ledger.driver() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        message = (
            f"The rows are purged, but another program has the ledger {ledger.path} open, and traces of them stay in "
            "the file beside it until that one has finished. Nothing else is touched. Purge once more then."
        )
        raise LedgerError(message)
