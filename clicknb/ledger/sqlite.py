"""The SQLite file under the ledger: durable, private, checked before it is believed, its failures put in words."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.pool import QueuePool, StaticPool

from clicknb.errors import LedgerError, LedgerWarning
from clicknb.ledger import tables
from clicknb.ledger.examination import Examination
from clicknb.ledger.lock import sending

PATIENCE = 10.0
"""Seconds to wait while another program writes."""

CACHE = 16_384
"""Kilobytes of the file that a connection keeps in memory: the pages that one commit touches, even in a long list."""

_HEADER = 100
"""Bytes that every SQLite file has."""

_BEGIN_WRITING = "BEGIN IMMEDIATE"

_UNIQUE_IDS = 3
"""The schema since which an apimsgid belongs to one message."""

_DOUBLED = "SELECT count(apimsgid) - count(DISTINCT lower(apimsgid)) FROM attempts"

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
    """An SQLite file with the tables of ``tables.py``.

    Opening looks at the head of the file and at its tables, whatever its size. All of it is looked over before anything
    is written, and so before anything is sent: at once if it is small, else in a thread of its own while it is read.
    The first writing waits for that, some seconds for 400 MB; once damage is found nothing more is read either.

    A file that may only be read, or in a folder that may only be read, is opened to be looked at.

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
        self.fixed = self._logged = False
        if self.path is not None:
            self.made_here = _create_private(self.path)
            self._identity = _identity(self.path)
            self.fixed, self._logged = not writable(self.path), _log(self.path)
        self._engine = _engine(self.path, fixed=self.fixed)
        self._examination: Examination | None = None
        self._release = ExitStack()
        self._release.callback(self._engine.dispose)
        weakref.finalize(self, self._release.close)  # also when nobody closes it
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the file; whoever asks afterwards is told so."""
        self._closed = True
        self._release.close()

    def sending(self, campaign_id: str, *, takeover: bool = False) -> AbstractContextManager[None]:
        """Be the only sender of a campaign until the block ends; see ``lock.sending``.

        Raises
        ------
        CampaignError
            Another sender is at work, or nobody can tell.
        """
        return sending(self.path or self, campaign_id, takeover=takeover)

    @contextmanager
    def driver(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection of the driver's own, for what cannot be done in a transaction."""
        alone = self._lock if self.path is None else nullcontext()
        with self._failures("copied or tidied", examined=True), alone, self._engine.connect() as connection:
            lent = connection.connection.driver_connection
            if not isinstance(lent, sqlite3.Connection):
                raise TypeError(type(lent))
            yield lent

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Lend a connection to read by."""
        return self._transaction(write=False)

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """Lend a connection for one transaction: all that is written in the block, or nothing."""
        return self._transaction(write=True)

    def read(self, query: sa.Executable, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Read all that a query finds."""
        with self.reading() as connection:
            return connection.execute(query, values).all()

    def value(self, query: sa.Executable, values: Mapping[str, Any] | None = None) -> Any:
        """Read the one value that a query finds."""
        with self.reading() as connection:
            return connection.execute(query, values).scalar_one()

    def write(self, statement: sa.Executable, values: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Carry out one statement in a transaction of its own."""
        with self.writing() as connection:
            connection.execute(statement, values)

    @contextmanager
    def _writing_bulk(self) -> Iterator[sqlite3.Cursor]:
        """Write as ``writing`` does, with the driver's own cursor, for what every message has to wait for.

        Left with an error, the transaction is rolled back when the pool takes its connection back.
        """
        self._refuse_if_fixed()
        with self._failures("written", examined=True), self._lock, closing(self._engine.raw_connection()) as lent:
            cursor: Any = lent.cursor()
            cursor.execute(_BEGIN_WRITING)
            yield cursor
            lent.commit()

    def _columns(self, query: sa.Select[Any]) -> dict[str, list[Any]]:
        names = query.selected_columns.keys()
        with self.reading() as connection:
            found = connection.execute(query).cursor.fetchall()  # plain tuples: nothing in it has to be converted
        return dict(zip(names, map(list, zip(*found, strict=True)), strict=True)) if found else {n: [] for n in names}

    def _frame(self, query: sa.Select[Any]) -> pd.DataFrame:
        return framed(self._columns(query))

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[sa.Connection]:
        if write:
            self._refuse_if_fixed()
        failures = self._failures("written" if write else "read", examined=write)
        with failures, self._lock, self._engine.connect() as plain:
            connection = plain.execution_options(write=write)
            with connection.begin():
                yield connection

    def _refuse_if_fixed(self) -> None:
        if self.fixed:
            message = (
                f"The ledger {self.path} may only be read. Nothing was recorded, and nothing was sent. Make the file "
                "and its folder writable, then open it again."
            )
            raise LedgerError(message)

    @contextmanager
    def _failures(self, done: str, *, examined: bool = False) -> Iterator[None]:
        """Turn what the database says into an error that helps.

        The words of SQLite stay out of it: they may hold a number or a text.

        Parameters
        ----------
        done
            What is not done then.
        examined
            Whether to wait until the whole file has been looked over.
        """
        if self._closed:
            message = (
                "This account was closed. What was sent is in its ledger. Open the account again, then repeat the call."
            )
            raise LedgerError(message)
        if self.fixed and not self._logged and self.path is not None and _log(self.path):
            message = (
                f"Another program writes to the ledger {self.path}, which may only be read here, so what is read could "
                "be half of it. Nothing was sent. Open it again."
            )
            raise LedgerError(message)
        if self.path is not None and _identity(self.path) != self._identity:
            message = (
                f"The ledger {self.path} was moved, deleted or replaced while it was open. {_AFTERWARDS} Put the file "
                "back, then open the account again."
            )
            raise LedgerError(message)
        try:
            whole = self._examination
            if whole is not None and (examined or whole.over) and not whole.is_sound():
                raise self._failure(None, done)
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
        if self.fixed and self.path is not None and _log(self.path):
            return LedgerError(_unreadable(self.path))
        unknown = (f"SQLite reports {getattr(error, 'sqlite_errorname', '')}", "Check the disk and the file.")
        reason, advice = _DAMAGED if code is None else _FAILURES.get(code & 0xFF, unknown)
        place = self.path or "in memory"
        return LedgerError(f"The ledger {place} could not be {done}: {reason}. {_AFTERWARDS} {advice}")

    # what is in the file

    def _prepare(self) -> None:
        """Look at the head of the file and at its tables; make them, or bring those of an older version up to date."""
        with self.reading() as connection:
            application, version, held = _head(connection)
            self._refuse_strangers(application, version, held)
            size = _size(connection)
            there = set(map(tuple, connection.exec_driver_sql(_ALL_COLUMNS)))
        if held and self.path is not None:
            self._examination = Examination(partial(_connect, self.path, fixed=self.fixed), size)
            self._release.callback(self._examination.stop)
        if version < tables.SCHEMA_VERSION:
            self._bring_up_to_date()
        elif not there >= _COLUMNS:
            raise self._failure(None, "read")
        with self.reading():  # says so if a small file is damaged
            pass

    def _bring_up_to_date(self) -> None:
        """Make the tables in a new file, or bring those of an older version up to date; all or nothing."""
        doubled = 0
        with self.writing() as connection:
            application, version, held = _head(connection)
            if not held and not version and application in {0, tables.APPLICATION_ID}:
                tables.metadata.create_all(connection)
                connection.execute(sa.insert(tables.identity).values(id=secrets.token_hex(16), runs=0))
                connection.exec_driver_sql(f"PRAGMA application_id = {tables.APPLICATION_ID}")
            else:
                if version < _UNIQUE_IDS:
                    doubled = connection.exec_driver_sql(_DOUBLED).scalar_one()
                for step in range(version, tables.SCHEMA_VERSION):
                    for statement in tables.MIGRATIONS[step + 1]:
                        connection.exec_driver_sql(statement)
                self.migrated_from = version
            if version != tables.SCHEMA_VERSION:
                connection.exec_driver_sql(f"PRAGMA user_version = {tables.SCHEMA_VERSION}")
        if doubled:
            message = (
                f"{doubled:,} messages of the ledger {self.path} had the id of another message, which an earlier "
                "version believed. They are unknown now; campaign.reconcile() asks the gateway about them."
            )
            warnings.warn(message, LedgerWarning, stacklevel=2)

    def _refuse_strangers(self, application: int, version: int, held: int) -> None:
        """Refuse a file that is no ledger, or one that cannot be read here."""
        if not held and not version and application in {0, tables.APPLICATION_ID}:
            return
        if application != tables.APPLICATION_ID:
            message = (
                f"{self.path} is an SQLite file of another program. Nothing was changed and nothing was sent. Name "
                "another file with ledger=."
            )
            raise LedgerError(message)
        if version > tables.SCHEMA_VERSION:
            message = (
                f"The ledger {self.path} was written by a newer clicknb (schema {version}; this one reads "
                f"{tables.SCHEMA_VERSION}). Nothing was changed. Upgrade clicknb."
            )
            raise LedgerError(message)
        if version < 1:
            raise self._failure(None, "read")
        if version < tables.SCHEMA_VERSION and self.fixed:
            message = (
                f"The ledger {self.path} was written by an older clicknb and may only be read, so it cannot be brought "
                "up to date. Nothing was changed and nothing was sent. Make it and its folder writable, or look at a "
                "copy."
            )
            raise LedgerError(message)


def _unreadable(path: Path) -> str:
    log = f"{path.name}-wal"
    return (
        f"The ledger {path} may only be read, and its newest messages are in {log} beside it, which cannot be read "
        f"there. Nothing was sent. Make its folder writable; or copy {path.name} and {log} into a folder of yours and "
        "look at the copy, but send nothing from it: it does not learn what the other one sends."
    )


def framed(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Make a frame of columns as they are stored: pandas would ask each row what it is."""
    return pd.DataFrame(columns, dtype=None if any(map(len, columns.values())) else "object")


_COLUMNS = {(table.name, column.name) for table in tables.metadata.tables.values() for column in table.c}
_ALL_COLUMNS = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"


def _head(connection: sa.Connection) -> tuple[int, int, int]:
    """Read what says whose file it is, its version, and how many tables and indexes it has."""
    questions = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    application, version, held = (connection.exec_driver_sql(text).scalar_one() for text in questions)
    return application, version, held


def _size(connection: sa.Connection) -> int:
    pages, page = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size"))
    return int(pages * page)


def _connect(path: Path, *, fixed: bool) -> sqlite3.Connection:
    """Open the file; one that may only be read, and has no log of newer writes, as one that nobody changes."""
    place, uri = str(path), fixed
    if fixed:
        place = f"{path.resolve().as_uri()}?mode=ro{'' if _log(path) else '&immutable=1'}"
    return sqlite3.connect(place, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=uri)


def _engine(path: Path | None, *, fixed: bool) -> sa.Engine:
    """Open SQLite with the durability that the promise needs: write-ahead log, every commit flushed to the disk."""
    if path is None:
        engine = sa.create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}, hide_parameters=True
        )
    else:
        opened = partial(_connect, path, fixed=fixed)
        engine = sa.create_engine("sqlite://", creator=opened, poolclass=QueuePool, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def _prepared(connection: Any, _: object) -> None:
        with ExitStack() as undone:
            undone.callback(connection.close)
            _configure(connection, fixed=fixed)
            undone.pop_all()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql(_BEGIN_WRITING if write else "BEGIN")

    return engine


def _configure(connection: Any, *, fixed: bool) -> None:
    connection.isolation_level = None  # transactions are begun by the engine, explicitly
    connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is purged is overwritten
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = {-CACHE}")
    questions = ("PRAGMA application_id", "PRAGMA page_count")
    (application,), (pages,) = (connection.execute(question).fetchone() for question in questions)
    ours = application == tables.APPLICATION_ID or not pages  # else it is another program's, and stays as it is
    if ours and not fixed:
        connection.execute("PRAGMA journal_mode = WAL")


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell a file from one that takes its place; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def writable(path: Path) -> bool:
    """Whether a file and its folder, where SQLite keeps its log and a sender its lock, may be written."""
    place = path.resolve()
    return os.access(place, os.W_OK) and os.access(place.parent, os.W_OK)


def _log(path: Path) -> bool:
    """Whether there are writes beside a file that are not in it yet."""
    place = path.resolve()
    try:
        return place.with_name(f"{place.name}-wal").stat().st_size > 0
    except OSError:
        return False


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
                blank.execute(f"PRAGMA application_id = {tables.APPLICATION_ID}")
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
        with path.open("rb") as file:
            empty = len(file.read(_HEADER)) < _HEADER
    except OSError as error:
        return error.strerror
    return "its content is lost; put a backup in its place, or delete it if it never was a ledger" if empty else None
