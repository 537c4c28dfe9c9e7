"""How fast messages may leave."""

from __future__ import annotations

import math
import time


class Pace:
    """Spaces messages evenly, so that no second sees more than ``rate + 1`` of them.

    It counts in real time whatever clock the gateway has, and is meant for one caller: the loop that starts sends.

    Parameters
    ----------
    rate
        Messages a second; None for no limit.

    Examples
    --------
    >>> pace = Pace(0.5)
    >>> pace.take(3)
    1
    >>> 1 < pace.wait_time() <= 2
    True
    """

    def __init__(self, rate: float | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        # A caller that comes late may catch up by less than one message, which keeps the rate without raising it.
        self._slack = 0.9 * (math.floor(rate) + 1 - rate) / rate if rate else 0.0
        self._due = -math.inf

    def wait_time(self) -> float:
        """Seconds until the next message may leave; 0.0 if it may leave now."""
        return max(0.0, self._due - time.monotonic())

    def take(self, wanted: int) -> int:
        """Count messages that leave now: as many of those wanted as the pace allows."""
        if not self._interval:
            return wanted
        now = time.monotonic()
        start = max(self._due, now - self._slack)
        allowed = min(wanted, math.floor((now - start) / self._interval) + 1) if start <= now else 0
        self._due = start + allowed * self._interval
        return allowed

    def take_all(self, messages: int) -> bool:
        """Count messages that leave in one request now, if the pace allows the first; those after it wait longer."""
        allowed = self.take(1) == 1
        if allowed and self._interval:
            self._due += (messages - 1) * self._interval
        return allowed
