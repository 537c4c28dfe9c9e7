"""The look over a whole ledger file, which takes the longer the larger it is, and so is not waited for to read it."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress

logger = logging.getLogger(__name__)

AT_ONCE = 8_000_000
"""Bytes that are looked over in about a tenth of a second; of a larger one a thread does it, at 100 MB a second."""

CHECK = "PRAGMA integrity_check(1)"

_AGAIN = 0.02  # seconds


class Examination:
    """Lets SQLite compare a file with itself and with the schema's constraints.

    Its quick check would take a quarter of the time, but miss an index that has lost entries, and rows that are read
    by it with them. The thread does not keep the program alive.

    Parameters
    ----------
    connect
        Opens the file.
    size
        Its bytes.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], size: int) -> None:
        self._connect = connect
        self._found: Future[bool] = Future()
        self._process = os.getpid()
        self._connection = connect()
        self._thread = threading.Thread(target=examine, args=(self._connection, self._found), daemon=True)
        (self._thread.run if size <= AT_ONCE else self._thread.start)()

    @property
    def over(self) -> bool:
        """Whether it has been looked over."""
        return self._found.done()

    def is_sound(self) -> bool:
        """Tell whether the file is as it should be; waits until that is known.

        Raises
        ------
        sqlite3.Error
            It could not be looked over.
        """
        if not self.over and os.getpid() != self._process:  # forked, and the thread stayed behind
            self._found = Future()
            examine(self._connect(), self._found)
        if not self.over:
            logger.info("Waiting until the whole ledger has been looked over")
        return self._found.result()

    def stop(self) -> None:
        """Look no further."""
        while self._thread.is_alive() and self._thread is not threading.current_thread():
            with suppress(sqlite3.ProgrammingError):  # it has just come to its end
                self._connection.interrupt()  # is lost where it has not begun yet
            self._thread.join(_AGAIN)


def examine(connection: sqlite3.Connection, found: Future[bool]) -> None:
    """Look over a whole file, tell whether it is sound, and let go of it."""
    try:
        with closing(connection):
            found.set_result(connection.execute(CHECK).fetchone() == ("ok",))
    except sqlite3.Error as error:
        found.set_exception(error)
