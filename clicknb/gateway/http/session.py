"""One session for any number of callers, renewed when it expires."""

from __future__ import annotations

import threading
from collections.abc import Callable

from clicknb.clock import Clock
from clicknb.gateway.credentials import Secret

SESSION_IDLE = 14 * 60.0
"""Seconds; the gateway forgets a session 15 minutes after its last use (HTTP API specification 4.1)."""


class Session:
    """Authenticates when an id is first asked for, again after a long pause, and again when the gateway says so.

    Parameters
    ----------
    authenticate
        Asks the gateway for a new session id. Its errors reach the caller, and the next caller tries again.
    clock
        Tells how long the session was idle.
    """

    def __init__(self, authenticate: Callable[[], str], clock: Clock) -> None:
        self._authenticate = authenticate
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Secret | None = None
        self._used: float | None = None

    def id(self) -> str:
        """Give the session id for a call that follows now. One caller authenticates, the others wait for it.

        It is a string that does not show itself in tracebacks.
        """
        with self._lock:
            if self._used is not None and self._clock.monotonic() - self._used > SESSION_IDLE:
                self._current = None
            return self._hand_out()

    def renew(self, expired: str) -> str:
        """Give a session id other than the expired one; of all who ask with the same id, one authenticates."""
        with self._lock:
            if self._current == Secret(expired):
                self._current = None
            return self._hand_out()

    def _hand_out(self) -> str:
        if self._current is None:
            self._current = Secret(self._authenticate())
        self._used = self._clock.monotonic()
        return self._current.reveal()
