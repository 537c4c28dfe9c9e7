"""Time as the program sees it: the machine's, or the sandbox's.

Everything that reads the time of day or waits for something to happen at the gateway goes through a clock, so that
a sandbox can let half an hour pass at once. Rates and network timeouts use real monotonic time instead.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What tells the time and lets it pass."""

    def now(self) -> datetime:
        """Tell the time, with its zone (UTC)."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class RealClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Tell the time, with its zone (UTC)."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


START = datetime(2026, 3, 3, 10, tzinfo=UTC)
"""Where stepped time begins: a Tuesday morning."""


class SteppedClock:
    """Time that stands still until somebody sleeps, and then jumps.

    Examples
    --------
    >>> clock = SteppedClock()
    >>> clock.sleep(1800)
    >>> clock.now().isoformat()
    '2026-03-03T10:30:00+00:00'
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """Tell the time, with its zone (UTC)."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Jump forward."""
        self._now += timedelta(seconds=max(0.0, seconds))


class RunningClock:
    """Time that runs at a multiple of real time.

    Parameters
    ----------
    speed
        Seconds of this clock for each real second.
    start
        Where it begins.
    """

    def __init__(self, speed: float, start: datetime = START) -> None:
        self._speed = speed
        self._start = start
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Tell the time, with its zone (UTC)."""
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def sleep(self, seconds: float) -> None:
        """Wait, for less than it says."""
        time.sleep(max(0.0, seconds) / self._speed)


def seconds(duration: float | str | timedelta) -> float:
    """Read a duration: a number of seconds, or a text such as ``"90s"``, ``"30min"``, ``"2h"``.

    Raises
    ------
    InvalidInput
        The text is not a duration, or it is negative.

    Examples
    --------
    >>> seconds("30min")
    1800.0
    """
    from clicknb.errors import InvalidInput

    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, str):
        import pandas as pd

        try:
            value = pd.Timedelta(duration).total_seconds()
        except ValueError:
            value = -1.0
    else:
        value = float(duration)
    if not value >= 0:
        message = f"{duration!r} is not a duration: write seconds, or a text such as '90s', '30min' or '2h'."
        raise InvalidInput(message)
    return value
