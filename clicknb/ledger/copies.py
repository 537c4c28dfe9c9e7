"""Tells whether a ledger's file was put back from a copy, as far as files can tell.

Beside each ledger lies a witness: which ledger it is, which file that was, and how often something was sent from it. A
ledger that was put back is another file or was sent from less often than its witness says, one that was taken elsewhere
has none.
A disk that was put back as a whole shows none of this; see ``unrecorded.py`` for what holds then.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from clicknb.errors import LedgerError
from clicknb.ledger.records import Intent, Message
from clicknb.ledger.sqlite import Store
from clicknb.ledger.tables import attempts, campaigns, identity, rows
from clicknb.ledger.units import from_micros, to_micros


class Witness(NamedTuple):
    """What is known of a ledger outside of its file."""

    ledger: str
    """The id that it has in common with its copies."""
    inode: int
    """The file's number on its disk: a copy has another one. That of the disk is left out, it may change at a start."""
    runs: int
    """How often a campaign was started in it or ended to send."""

    def fits(self, kept: Witness | None) -> bool:
        """Whether a ledger is the one that a witness was kept of, and lacks nothing that was started in it."""
        return kept is not None and kept[:2] == self[:2] and kept.runs <= self.runs


def read(ledger: Path) -> Witness | None:
    """Read the witness of a ledger; None if there is none that can be read."""
    try:
        kept = json.loads(_place(ledger).read_text(encoding="ascii"))
        return Witness(str(kept["ledger"]), int(kept["inode"]), int(kept["runs"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(ledger: Path, witness: Witness) -> None:
    """Keep the witness of a ledger, on the disk before anything is sent that it counts."""
    place = _place(ledger)
    draft = place.with_name(f".{place.name}-{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            json.dump(witness._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(place)
    except OSError as error:
        message = (
            f"{place}, which tells the ledger from its copies, cannot be written: {error.strerror}. Nothing more is "
            "sent without it; what was sent is in the ledger. Free some space and make its folder writable, then try "
            "again."
        )
        raise LedgerError(message) from None


def _place(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}-witness")


class Copy(NamedTuple):
    """When a ledger was found to be a copy, when the last attempt was made that it knew of then, its newest row."""

    found_at: datetime
    known_until: datetime | None
    newest_row: int


class Origin:
    """What a program knows of the ledger that it has opened: whether all that ever left by it is on record.

    It knows that only of a file that it has made itself, and of rows that it has asked the gateway about.

    Attributes
    ----------
    copied : bool
        Whether the file was put back, or taken here, from a copy.
    newest_row : int
        The last row that it held when it was opened.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cleared: set[int] = set()
        self._last: Intent | None = None
        self.newest_row = 0
        self.copied = False
        if store.path is not None:
            self._compare(store.path)
        self._complete = store.made_here and not self.copied

    def _compare(self, path: Path) -> None:
        """Compare the ledger with its witness."""
        kept = read(path)
        with self._store.reading() as connection:
            self.newest_row = connection.execute(sa.select(sa.func.max(rows.c.id))).scalar() or 0
            now = self._witness(connection, path)
            copied_at = connection.execute(sa.select(identity.c.copied_at)).scalar_one()
        if not now.runs and kept is not None and not self._store.fixed:
            # it was deleted, or its log was: what was in it has left all the same
            self._store.write(sa.update(identity).values(id=kept.ledger))
            self.copied = True
        elif now.runs and 0 < self._store.migrated_from < _WITNESSED:
            write(path, now)
        else:
            self.copied = copied_at is not None or not (now.fits(kept) or not now.runs)

    def __repr__(self) -> str:
        return f"<Origin{' of a copy' if self.copied else ''}>"

    def mint(self, campaign: str, says: str) -> str:
        """Make the id of a campaign, the same in each copy of the ledger for the same name and texts."""
        ledger: str = self._store.value(sa.select(identity.c.id))
        return hmac.new(ledger.encode(), json.dumps([campaign, says]).encode(), hashlib.sha256).hexdigest()[:32]

    def count(self, connection: sa.Connection) -> None:
        """Count that a campaign is being started in a ledger, or has ended to send, and let its witness know."""
        connection.execute(sa.update(identity).values(runs=identity.c.runs + 1))
        if self._store.path is not None:
            write(self._store.path, self._witness(connection, self._store.path))

    def end(self) -> None:
        """Count that a campaign has ended to send."""
        with self._store.writing() as connection:
            self.count(connection)

    def left(self, intents: Sequence[Intent]) -> None:
        """Remember what was recorded last by this program."""
        if intents and self._store.path is not None:
            self._last = intents[-1]

    def clear(self, messages: Iterable[Message], at: datetime) -> None:
        """Take it for certain that some messages have not left without the ledger's knowledge."""
        ids = [message.row_id for message in messages]
        self._cleared.update(ids)
        asked = sa.update(rows).where(rows.c.id == sa.bindparam("row")).values(asked_at=to_micros(at))
        with self._store.writing() as connection:
            if ids and connection.execute(sa.select(identity.c.found_at)).scalar_one() is not None:
                connection.execute(asked, [{"row": row} for row in ids])

    def unproven(self, messages: Iterable[Message]) -> list[Message]:
        """Choose the messages that may have left without the ledger's knowledge.

        None have of a file that this program has made, nor those that the gateway was asked about before.
        """
        if self._last is not None and not self._holds(self._last):  # a copy was put into the open file
            self._complete = False
            self.copied = True
            self._cleared.clear()
        return [] if self._complete else [one for one in messages if one.row_id not in self._cleared]

    def adopt(self, now: datetime) -> Copy | None:
        """Note that a ledger is about to be sent from; tells what is known of it as a copy, None if it is none."""
        last = sa.select(sa.func.max(attempts.c.submitted_at)).scalar_subquery()
        with self._store.writing() as connection:
            if self.copied:
                found = {
                    "copied_at": None,
                    "found_at": to_micros(now),
                    "known_until": last,
                    "newest_row": self.newest_row,
                }
                connection.execute(sa.update(identity).values(found))
                self.count(connection)
                self.copied = False
            known = connection.execute(sa.select(identity.c.found_at, identity.c.known_until, identity.c.newest_row))
            found_at, known_until, newest_row = known.one()
        if found_at is None:
            return None
        return Copy(from_micros(found_at), None if known_until is None else from_micros(known_until), newest_row)

    def asked(self, campaign_id: str, since: datetime) -> set[int]:
        """List the rows of a campaign that the gateway was asked about since a time."""
        query = sa.select(rows.c.id).where(rows.c.campaign_id == campaign_id, rows.c.asked_at >= to_micros(since))
        return {row.id for row in self._store.read(query)}

    def last_sent(self, campaign_id: str) -> datetime | None:
        """Tell when a campaign has sent last, as far as the ledger knows; None if never."""
        query = sa.select(sa.func.max(attempts.c.submitted_at)).join(rows).where(rows.c.campaign_id == campaign_id)
        last = self._store.value(query)
        return None if last is None else from_micros(last)

    def _holds(self, intent: Intent) -> bool:
        return bool(self._store.value(_HOLDS, {"row": intent.row_id, "number": intent.attempt}))

    def _witness(self, connection: sa.Connection, path: Path) -> Witness:
        ledger, runs = connection.execute(sa.select(identity.c.id, identity.c.runs)).one()
        return Witness(ledger, path.stat().st_ino, runs)


_HOLDS = sa.select(
    sa.or_(
        sa.exists().where(attempts.c.row_id == sa.bindparam("row"), attempts.c.attempt == sa.bindparam("number")),
        sa.exists().where(campaigns.c.purged_at.is_not(None)),
    )
)
"""Whether an attempt is on record, or may have been purged."""

_WITNESSED = 3
"""The schema since which a witness is kept."""
