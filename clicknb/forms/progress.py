"""A campaign under way: how far it is, how fast, what became of it, and files of that. Knows no widgets."""

from __future__ import annotations

import base64
import os
import re
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from clicknb import display, export
from clicknb.account import Account
from clicknb.campaign import track
from clicknb.campaign.campaign import Campaign
from clicknb.campaign.plan import Plan
from clicknb.errors import CampaignStopped
from clicknb.forms.work import Task

LOOK = 0.3
"""Seconds between two looks at a campaign that is being sent."""

_OPEN = ("planned", "sending")
_SPAN = 10.0  # seconds over which the rate is measured
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_TRACK = 2.0, 30.0, 30 * 60.0
_LARGEST_LINK = 8_000_000  # bytes that a page is given in a link
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
        return cls(campaign.counts, campaign._facts(), campaign.reasons(), campaign.stopped, campaign.paused)


@dataclass(slots=True)
class Pace:
    """Measures how fast a campaign goes.

    Examples
    --------
    >>> pace = Pace()
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


def watch(account: Account, campaign: Campaign, task: Task) -> Result:
    """Show how a campaign is sent until that ends, whatever the reason."""
    pace = Pace()
    while True:
        ended = _ended(campaign)
        if not ended:
            counts = campaign.counts
            total = sum(counts.values()) - counts.get("skipped", 0)
            done = total - sum(counts.get(state, 0) for state in _OPEN)
            spent = float(account._service.ledger.spent(campaign._id))
            rate = pace.add(done, time.monotonic())
            task.progress(done, max(total, done + 1), _said(counts, done, total, rate, spent))
        else:
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
    known = ", ".join(f"{count:,} {state}" for state, count in counts.items() if state not in {*_OPEN, "skipped"})
    speed = f" {rate:,.1f} a second, about {_duration((total - done) / rate)} left." if rate > 0 else ""
    said = f": {known}" if known else ""
    return f"{done:,} of {total:,} answered{said}.{speed}\nAbout {display.credits(credits)} so far."


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.0f} h"


Look = Callable[[Account, Campaign, Task, Callable[[Result], None]], Result]
"""Asks the gateway about a campaign again and again, and shows what it found meanwhile."""


def follow(account: Account, campaign: Campaign, task: Task, show: Callable[[Result], None]) -> Result:
    """Ask until every accepted message is final, less and less often, at most until somebody has seen enough."""
    service, pause = account._service, _FIRST_PAUSE
    end = service.clock.monotonic() + _LONGEST_TRACK
    while (left := track.refresh(service, campaign._id)) and not task.cancelled and service.clock.monotonic() < end:
        total = campaign.counts.get("accepted", 0)
        show(Result.of(campaign))
        task.progress(total - left, total, f"{total - left:,} of {total:,} accepted messages are final.")
        service.clock.sleep(pause, task.stop)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return Result.of(campaign)


def settle(account: Account, campaign: Campaign, task: Task, show: Callable[[Result], None]) -> Result:
    """Ask about what is in doubt until it is settled, or until somebody has seen enough."""
    service, pause = account._service, _LONGEST_PAUSE
    for look in range(_LOOKS):
        left = track.reconcile(service, campaign._id)
        if not left or task.cancelled or look == _LOOKS - 1:
            break
        show(Result.of(campaign))
        task.progress(0, 1, f"{left:,} messages are still in doubt. The gateway is asked again in {pause:.0f} s.")
        service.clock.sleep(pause, task.stop)
    return Result.of(campaign)


_LOOKS = 8  # what the gateway denies three times over two minutes is settled


# files of it


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that was written, and a link that holds all of it where the reader has no other way to it."""

    path: Path
    link: str = ""


def save(campaign: Campaign, ending: str, *, folder: Path | None = None) -> Saved:
    """Write what became of every recipient as a file of its own, ``.csv`` or ``.xlsx``.

    In a notebook it goes into the notebook's folder. As a page of Voilà, whose reader cannot come to that folder, it
    goes into a link: never in a notebook, which would be saved with everybody's numbers in it.

    Raises
    ------
    InvalidInput
        It cannot be written.
    """
    write: Callable[[pd.DataFrame, Path], None] = export.to_excel if ending == ".xlsx" else export.to_csv
    outcomes = campaign.outcomes
    stem = re.sub(r"[^\w.-]+", "-", campaign.name).strip("-.")[:60] or "campaign"
    if not on_a_page():
        place = _free(folder or Path.cwd(), f"{stem}-outcomes", ending)
        write(outcomes, place)
        return Saved(place)
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / f"{stem}-outcomes{ending}"
        write(outcomes, place)
        content = place.read_bytes()
    if len(content) > _LARGEST_LINK:
        kept = _free(folder or Path.cwd(), f"{stem}-outcomes", ending)
        kept.write_bytes(content)
        return Saved(kept)
    kind = "text/csv" if ending == ".csv" else "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return Saved(Path(place.name), f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}")


def on_a_page() -> bool:
    """Tell whether this runs as a page of Voilà."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


def _free(folder: Path, stem: str, ending: str) -> Path:
    """Name a file that is not there yet."""
    names = [f"{stem}{ending}", *(f"{stem}-{number}{ending}" for number in range(2, 1000))]
    return next(folder / name for name in names if not (folder / name).exists())
