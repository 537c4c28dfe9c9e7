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
    >>> pace.take_all(1), pace.take_all(1)
    (True, False)
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

    def take_all(self, messages: int) -> bool:
        """Count messages that leave in one request now, if the pace allows the first; those after it wait longer."""
        now = time.monotonic()
        if self._due > now:
            return False
        self._due = max(self._due, now - self._slack) + messages * self._interval
        return True
