"""The SQLite file under the ledger: durable, private, checked before it is believed, its failures put in words."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from clicknb.campaign import schema
from clicknb.campaign.lock import sending
from clicknb.errors import LedgerError, LedgerWarning

PATIENCE = 10.0
"""Seconds to wait while another program writes."""

CACHE = 16_384
"""Kilobytes of the file that a connection keeps in memory: the pages that one commit touches, even in a long list."""

_HEADER = 100
"""Bytes that every SQLite file has."""

_BEGIN_WRITING = "BEGIN IMMEDIATE"

_UNIQUE_IDS = 3
"""The schema since which an apimsgid belongs to one message."""

_DOUBLED = "SELECT count(apimsgid) - count(DISTINCT apimsgid) FROM attempts"

_AFTERWARDS = "Nothing more is sent without it; what was on its way is settled by resuming the campaign."
RESTORE = (
    "Move it away and put a backup in its place: before that sends anything, the gateway is asked what left after it "
    "was made, which it remembers for six days; suppressions since then have to be entered again. Without one, keep "
    "the file and start a new ledger."
)
"""What to do with a ledger that is damaged."""

_DAMAGED = ("it is damaged", RESTORE)
_FAILURES = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: (
        "it is no ledger, or damaged",
        "Name another file with ledger=, or put a backup in its place.",
    ),
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space, then try again."),
    sqlite3.SQLITE_READONLY: ("it may only be read", "Make the file and its folder writable, then try again."),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Make its folder readable and writable, then try again."),
    sqlite3.SQLITE_IOERR: ("the disk does not read or write it", "Check the disk, then try again."),
    sqlite3.SQLITE_BUSY: ("another program keeps it locked", "Wait until that one has finished, then try again."),
}


class Conflict(LedgerError):
    """What was to be written contradicts what is there."""


class Store:
    """An SQLite file with the tables of ``schema.py``.

    Parameters
    ----------
    path
        The file, made readable by its owner only; None keeps everything in memory.

    Raises
    ------
    LedgerError
        The file cannot be opened, is damaged, is no ledger, or comes from a newer version.

    Attributes
    ----------
    made_here : bool
        Whether this program has made the file.
    migrated_from : int
        The schema that it had when it was opened; 0 if it is new.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = None if path is None else path.absolute()  # a notebook may change its directory
        self._lock = threading.RLock()
        self._closed = False
        self.made_here = True
        self.migrated_from = 0
        if self.path is not None:
            self.made_here = _create_private(self.path)
            self._identity = _identity(self.path)
        self._engine = _engine(self.path)
        self._release = weakref.finalize(self, self._engine.dispose)  # also when nobody closes it
        try:
            self._prepare()
            if self.path is not None:
                self._examine()
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        """Release the file; whoever asks afterwards is told so."""
        self._closed = True
        self._release()

    @contextmanager
    def sending(self, campaign_id: str, *, takeover: bool = False) -> Iterator[None]:
        """Be the only sender of a campaign until the block ends; see ``lock.sending``.

        Raises
        ------
        CampaignError
            Another sender is at work, or nobody can tell.
        """
        with sending(self.path or self, campaign_id, takeover=takeover):
            yield

    @contextmanager
    def driver(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection of the driver's own, for what cannot be done in a transaction."""
        alone = self._lock if self.path is None else nullcontext()
        with self._failures("copied or tidied"), alone, self._engine.connect() as connection:
            lent = connection.connection.driver_connection
            if not isinstance(lent, sqlite3.Connection):
                raise TypeError(type(lent))
            yield lent

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._transaction(write=False) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._transaction(write=True) as connection:
            yield connection

    @contextmanager
    def _writing_bulk(self) -> Iterator[sqlite3.Cursor]:
        """Write as ``_writing`` does, with the driver's own cursor, for what every message has to wait for.

        Left with an error, the transaction is rolled back when the pool takes its connection back.
        """
        with self._failures("written"), self._lock, closing(self._engine.raw_connection()) as lent:
            cursor: Any = lent.cursor()
            cursor.execute(_BEGIN_WRITING)
            yield cursor
            lent.commit()

    def _frame(self, query: sa.Select[Any]) -> pd.DataFrame:
        with self._reading() as connection:
            return pd.DataFrame(connection.execute(query).all(), columns=list(query.selected_columns.keys()))

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[sa.Connection]:
        with self._failures("written" if write else "read"), self._lock, self._engine.connect() as plain:
            connection = plain.execution_options(write=write)
            with connection.begin():
                yield connection

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        """Turn what the database says into an error that helps.

        The words of SQLite stay out of it: they may hold a number or a text.
        """
        if self._closed:
            message = (
                "This account was closed. What was sent is in its ledger. Open the account again, then repeat the call."
            )
            raise LedgerError(message)
        if self.path is not None and _identity(self.path) != self._identity:
            message = (
                f"The ledger {self.path} was moved, deleted or replaced while it was open. {_AFTERWARDS} Put the file "
                "back, then open the account again."
            )
            raise LedgerError(message)
        try:
            yield
        except (sa.exc.IntegrityError, sqlite3.IntegrityError):
            message = f"The ledger {self.path or 'in memory'} holds something else under the same key. {_AFTERWARDS}"
            raise Conflict(message) from None
        except (sa.exc.DBAPIError, sqlite3.Error, UnicodeDecodeError) as error:
            raise self._failure(error.orig if isinstance(error, sa.exc.DBAPIError) else error, done) from None
        except sa.exc.NoResultFound:
            raise self._failure(None, done) from None

    def _failure(self, error: BaseException | None, done: str) -> LedgerError:
        code = getattr(error, "sqlite_errorcode", None)  # has none: the driver could not make sense of a value
        unknown = (f"SQLite reports {getattr(error, 'sqlite_errorname', '')}", "Check the disk and the file.")
        reason, advice = _DAMAGED if code is None else _FAILURES.get(code & 0xFF, unknown)
        place = self.path or "in memory"
        return LedgerError(f"The ledger {place} could not be {done}: {reason}. {_AFTERWARDS} {advice}")

    # what is in the file

    def _prepare(self) -> None:
        """Make the tables in a new file, or bring those of an older version up to date; all or nothing."""
        doubled = 0
        with self._writing() as connection:
            questions = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
            application, version, tables = (connection.exec_driver_sql(text).scalar_one() for text in questions)
            if not tables and not version and application in {0, schema.APPLICATION_ID}:
                schema.metadata.create_all(connection)
                connection.execute(sa.insert(schema.identity).values(id=secrets.token_hex(16)))
                connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            elif application != schema.APPLICATION_ID:
                message = (
                    f"{self.path} is an SQLite file of another program. Nothing was changed and nothing was sent. Name "
                    "another file with ledger=."
                )
                raise LedgerError(message)
            elif version > schema.SCHEMA_VERSION:
                message = (
                    f"The ledger {self.path} was written by a newer clicknb (schema {version}; this one reads "
                    f"{schema.SCHEMA_VERSION}). Nothing was changed. Upgrade clicknb."
                )
                raise LedgerError(message)
            elif version < 1:
                raise self._failure(None, "read")
            else:
                if version < _UNIQUE_IDS:
                    doubled = connection.exec_driver_sql(_DOUBLED).scalar_one()
                for step in range(version, schema.SCHEMA_VERSION):
                    for statement in schema.MIGRATIONS[step + 1]:
                        connection.exec_driver_sql(statement)
                self.migrated_from = version
            if version != schema.SCHEMA_VERSION:
                connection.exec_driver_sql(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")
        if doubled:
            message = (
                f"{doubled:,} messages of the ledger {self.path} had the id of another message, which an earlier "
                "version believed. They are unknown now; campaign.reconcile() asks the gateway about them."
            )
            warnings.warn(message, LedgerWarning, stacklevel=2)

    def _examine(self) -> None:
        """Let SQLite compare the file with itself and with the schema's constraints.

        Its quick check would take a quarter of the time, but miss an index that has lost entries, and rows that are
        read by it with them.
        """
        with self._reading() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if found != "ok":
            raise self._failure(None, "read")


def _engine(path: Path | None) -> sa.Engine:
    """Open SQLite with the durability that the promise needs: write-ahead log, every commit flushed to the disk."""
    if path is None:
        engine = sa.create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}, hide_parameters=True
        )
    else:
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, explicitly
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is purged is overwritten
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = {-CACHE}")
        (application,), (pages,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "page_count")
        )
        if application == schema.APPLICATION_ID or not pages:  # else it is another program's, and stays as it is
            connection.execute("PRAGMA journal_mode = WAL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql(_BEGIN_WRITING if write else "BEGIN")

    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell a file from one that takes its place; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _create_private(path: Path) -> bool:
    """Make a new file that only its owner can read, and put it in its place when it is whole; returns whether.

    So whoever opens the same new ledger at the same moment finds all of it or nothing.
    """
    made = False
    draft = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    reason: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            with closing(sqlite3.connect(draft)) as blank:
                blank.execute("PRAGMA journal_mode = WAL")
                blank.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            with suppress(FileExistsError):  # somebody else was first: theirs is as good
                os.link(draft, path)
                made = True
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
    finally:
        with suppress(OSError):  # it was never made, or is where nothing can be made
            draft.unlink()
    if reason := reason or _unusable(path):
        message = f"The ledger {path} cannot be opened: {reason}. Nothing was sent. Choose another place with ledger=."
        raise LedgerError(message)
    return made


def _unusable(path: Path) -> str | None:
    """Say why a file that is there cannot be a ledger; SQLite would take an empty one for a new one."""
    try:
        with path.open("r+b") as file:
            empty = len(file.read(_HEADER)) < _HEADER
    except OSError as error:
        return error.strerror
    return "its content is lost; put a backup in its place, or delete it if it never was a ledger" if empty else None
