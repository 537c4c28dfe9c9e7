"""When the gateway's denials prove that a message in doubt never arrived. Pure: no gateway, no ledger, no clock.

The ledger records by the wall clock when a message was tried and when it was denied. A wall clock may be set, and then
two minutes are over at once. So as much has to have passed on monotonic time, of which a program knows only its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from clicknb.gateway.limits import REMEMBERED

FIRST_LOOK = timedelta(seconds=30)
"""How long after an attempt the gateway's "not known" begins to mean something: its records lag behind."""

DENIALS = 3
DENIALS_OVER = timedelta(minutes=2)
"""A message counts as absent after so many denials over at least this time."""

Key = tuple[int, int]
"""An attempt: its row and its number."""

Time = TypeVar("Time", datetime, timedelta)


class Doubts:
    """What this program itself has seen of attempts in doubt; it begins anew with every program.

    Times are seconds on a monotonic clock.
    """

    def __init__(self) -> None:
        self._since: dict[Key, timedelta] = {}
        self._denied: dict[Key, list[timedelta]] = {}

    def begin(self, attempts: Iterable[Key], seconds: float) -> None:
        """Note that attempts are in doubt from now on."""
        for key in attempts:
            self._since[key] = timedelta(seconds=seconds)
            self._denied.pop(key, None)

    def deny(self, attempt: Key, age: timedelta, seconds: float) -> bool:
        """Note a denial, and tell whether it counts: too early or too late it means nothing.

        Parameters
        ----------
        age
            How old the attempt is by the wall clock. Only of its own attempts a program knows that better.
        """
        at = timedelta(seconds=seconds)
        known_for = at - self._since[attempt] if attempt in self._since else age
        counts = all(FIRST_LOOK <= time <= REMEMBERED for time in (age, known_for))
        if counts:
            self._denied.setdefault(attempt, []).append(at)
        return counts

    def settled(self, attempt: Key, recorded: Sequence[datetime]) -> bool:
        """Tell whether an attempt was denied often and long enough, as recorded and as seen here; oldest first."""
        return _enough(recorded) and _enough(self._denied.get(attempt, []))


def _enough(times: Sequence[Time]) -> bool:
    return len(times) >= DENIALS and times[-1] - times[0] >= DENIALS_OVER
