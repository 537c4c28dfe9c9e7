"""Work that a form does outside its callbacks: in one thread of its own, or at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread

OFTEN = 0.2
"""Seconds between two updates of what a form shows of work in progress."""


class Task:
    """One piece of work: how far it is, and whether somebody asked it to stop.

    Parameters
    ----------
    show
        Gets ``(done, total, text)``, at most five times a second and when all is done.
    now
        Tells seconds; for tests.

    Attributes
    ----------
    stop : threading.Event
        Set when the work shall stop, for what waits until then.
    """

    def __init__(self, show: Callable[[int, int, str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._now = now
        self._next = now()
        self._lock = Lock()
        self.stop = Event()

    @property
    def cancelled(self) -> bool:
        """Whether the work shall stop; whoever does it looks now and then."""
        return self.stop.is_set()

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Say how far the work is; quick, and may be called for every row.

        Examples
        --------
        >>> shown, clock = [], iter([0.0, 0.1, 0.15, 0.4, 0.5]).__next__
        >>> task = Task(lambda done, total, text: shown.append(done), clock)
        >>> for done in range(1, 5):
        ...     task.progress(done, 4)
        >>> shown
        [1, 3, 4]
        """
        with self._lock:
            now = self._now()
            if done < total and now < self._next:
                return
            self._next = now + OFTEN
        self._show(done, total, text)


def start(work: Callable[[], None], *, background: bool) -> Thread | None:
    """Do some work in a thread that ends with the program; at once if not wanted, or where there are no threads."""
    if background:
        thread = Thread(target=work, name="clicknb-form", daemon=True)
        with suppress(RuntimeError):  # Python in a browser has none
            thread.start()
            return thread
    work()
    return None
