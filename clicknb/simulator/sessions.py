"""Who may call: a session of the last quarter of an hour, or the account's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clicknb.simulator.fates import digest
from clicknb.simulator.replies import refuse

CREDENTIALS = ("user", "password", "api_id", "session_id")
"""Parameters that say who calls, and nothing about what is asked."""

_IDLE = timedelta(minutes=15)


@dataclass(slots=True)
class Door:
    """Lets calls in, and hands out sessions."""

    seed: int
    user: str = field(repr=False)
    password: str = field(repr=False)
    api_id: str
    _last_used: dict[str, datetime] = field(default_factory=dict, repr=False)
    _count: int = 0

    def open_session(self, parameters: Mapping[str, str], now: datetime) -> str:
        """Begin a session for someone who knows the credentials."""
        self._check_credentials(parameters)
        session = digest(self.seed, "session", self._count)[:16].hex()
        self._count += 1
        self._last_used[session] = now
        return session

    def check(self, command: str, parameters: Mapping[str, str], now: datetime) -> None:
        """Refuse a call that has neither a live session nor (save for ``ping``) the credentials."""
        if not parameters:
            refuse("001")
        if session := parameters.get("session_id"):
            self._check_session(session, now)
        elif command != "ping" and not parameters.keys().isdisjoint(CREDENTIALS):
            self._check_credentials(parameters)
        else:
            refuse("005")

    def _check_session(self, session: str, now: datetime) -> None:
        last_used = self._last_used.get(session)
        if last_used is None or now - last_used > _IDLE:
            self._last_used.pop(session, None)
            refuse("003")
        self._last_used[session] = max(now, last_used)

    def _check_credentials(self, parameters: Mapping[str, str]) -> None:
        if (parameters.get("user"), parameters.get("password")) != (self.user, self.password):
            refuse("001")
        if parameters.get("api_id") != self.api_id:
            refuse("108")
