"""Time as the program sees it: the machine's, or the sandbox's.

Everything that reads the time of day or waits for something to happen at the gateway goes through a clock, so that
a sandbox can let half an hour pass at once. What is recorded is wall time, which may be set; limits and waiting times
are measured on monotonic time, which nobody can set. Rates and network timeouts use the machine's own.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """What tells the time and lets it pass."""

    def now(self) -> datetime:
        """Tell the time, with its zone (UTC)."""

    def monotonic(self) -> float:
        """Tell how many seconds have passed since some moment, however ``now`` was set meanwhile."""

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        """Let time pass, at most until somebody sets ``wake``."""


class RealClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Tell the time, with its zone (UTC)."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Tell how many seconds have passed since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        """Wait, at most until somebody sets ``wake``."""
        (wake or Event()).wait(seconds)


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
        self._start = start
        self._passed = 0.0

    def now(self) -> datetime:
        """Tell the time, with its zone (UTC)."""
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """Tell how many seconds were slept."""
        return self._passed

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        """Jump forward."""
        self._passed += max(0.0, seconds)

    def turn(self, by: timedelta) -> None:
        """Set the time of day forth or back, as people and time servers do; no time passes by that."""
        self._start += by


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
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Tell how many of its seconds have passed since it was made."""
        return (time.monotonic() - self._began) * self._speed

    def sleep(self, seconds: float, wake: Event | None = None) -> None:
        """Wait, for less than it says and at most until somebody sets ``wake``."""
        (wake or Event()).wait(max(0.0, seconds) / self._speed)
