"""A campaign under way: how far it is, how fast, and what became of it. Knows no widgets."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import pandas as pd

from clicknb import display
from clicknb.campaign.campaign import Campaign
from clicknb.campaign.plan import Plan
from clicknb.errors import CampaignStopped
from clicknb.forms.kit.tasks import Task

LOOK = 0.3
"""Seconds between two looks at a campaign that is being sent."""

_OPEN = ("planned", "sending")
_SPAN = 10.0  # seconds over which the rate is measured
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of a campaign so far.

    Attributes
    ----------
    counts : dict of str to int
        How many rows are in each state.
    facts : list of (str, str)
        The same with deliveries and charges.
    reasons : pandas.DataFrame
        Why messages did not arrive, see ``Campaign.reasons``.
    stopped : str
        Why sending stopped before its end; empty if it did not.
    paused : bool
        Whether the user wanted that.
    """

    counts: dict[str, int]
    facts: list[tuple[str, str]]
    reasons: pd.DataFrame
    stopped: str
    paused: bool

    @classmethod
    def of(cls, campaign: Campaign) -> Result:
        """Read it from the ledger."""
        return cls(campaign.counts, campaign.facts(), campaign.reasons(), campaign.stopped, campaign.paused)


@dataclass(slots=True)
class Speed:
    """Measures how fast a campaign goes.

    Examples
    --------
    >>> pace = Speed()
    >>> pace.add(0, 0.0), pace.add(30, 3.0)
    (0.0, 10.0)
    """

    seen: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, done: int, now: float) -> float:
        """Note how many are done by now; returns messages a second."""
        self.seen.append((now, done))
        while len(self.seen) > 2 and now - self.seen[1][0] >= _SPAN:  # noqa: PLR2004  the first and the last
            self.seen.popleft()
        begun, before = self.seen[0]
        return (done - before) / (now - begun) if now > begun else 0.0


def start(plan: Plan, token: str, *, background: bool) -> Campaign:
    """Begin to send a plan, or go on; with ``background`` this returns at once, else at the end.

    Raises
    ------
    ClicknbError
        As ``Plan.send``, but where sending stopped early the campaign says so.
    """
    try:
        return plan.send(token, background=background, progress=False)
    except CampaignStopped as stopped:
        campaign: Campaign = stopped.campaign
        return campaign


def watch(campaign: Campaign, task: Task) -> Result:
    """Show how a campaign is sent until that ends, whatever the reason."""
    pace = Speed()
    while not _ended(campaign):
        counts = campaign.counts
        total = sum(counts.values()) - counts.get("skipped", 0)
        done = total - sum(counts.get(state, 0) for state in _OPEN)
        rate = pace.add(done, time.monotonic())
        task.progress(done, max(total, done + 1), _said(counts, done, total, rate, campaign.spent))
    return Result.of(campaign)


def _ended(campaign: Campaign) -> bool:
    try:
        campaign.wait(LOOK)
    except TimeoutError:
        return False
    except CampaignStopped:
        return True  # the ledger has the reason
    return True


def _said(counts: dict[str, int], done: int, total: int, rate: float, credits: float) -> str:
    """Say how far a campaign is.

    Examples
    --------
    >>> print(_said({"accepted": 80, "rejected": 4, "planned": 116}, 84, 200, 10.0, 64.0))
    84 of 200 answered: 80 accepted, 4 rejected. 10.0 a second, about 12 s left.
    About 64 credits so far.
    """
    known = display.counted({state: count for state, count in counts.items() if state not in {*_OPEN, "skipped"}})
    speed = f" {rate:,.1f} a second, about {_duration((total - done) / rate)} left." if rate > 0 else ""
    said = f": {known}" if known else ""
    return f"{done:,} of {total:,} answered{said}.{speed}\nAbout {display.credits(credits)} so far."


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.0f} h"
