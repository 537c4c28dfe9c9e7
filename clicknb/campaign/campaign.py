"""A campaign: what was sent, what became of it, and what can still be done."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from clicknb import checks, display
from clicknb.analysis import figures, report, residuals, summary
from clicknb.campaign import run, track
from clicknb.campaign.context import Context
from clicknb.campaign.track import Look
from clicknb.errors import CampaignStopped
from clicknb.gateway.http import codes
from clicknb.ledger import views
from clicknb.ledger.tally import tally

if TYPE_CHECKING:
    from matplotlib.figure import Figure


IN_DOUBT = ("unknown", "sending")
"""States of which nobody knows whether the gateway has the message; one that is sending is on its way, or was."""

RESENDABLE = ("absent", "rejected", "unknown")

_MEANINGS = {code: status.meaning for code, status in codes.STATUSES.items()}


class Campaign:
    """The record of a campaign, read from the ledger each time it is asked for.

    Nothing here sends a message except ``resume``.

    Attributes
    ----------
    name : str
        Unique in its ledger.
    id : str
        What its client message ids are derived from.

    Examples
    --------
    >>> import clicknb as cn
    >>> people = cn.read_recipients(pd.DataFrame({"mobile": ["447700900123", "447700900124"]}))
    >>> plan = cn.sandbox().plan(people, to="mobile", text="Hello", name="greeting")
    >>> campaign = plan.send(progress=False).track(progress=False)
    >>> campaign.statuses["delivery"].tolist()
    ['delivered', 'delivered']
    """

    def __init__(self, context: Context, name: str, campaign_id: str, work: Future[str] | None = None) -> None:
        self._context = context
        self.id = campaign_id
        self._work = work
        self.name = name

    # the record

    @property
    def sends(self) -> pd.DataFrame:
        """One row per recipient: what was sent and how it was answered (``clicknb.frames.SENDS``)."""
        return views.sends(self._context.ledger, self.id)

    @property
    def statuses(self) -> pd.DataFrame:
        """One row per accepted message: its latest status (``clicknb.frames.STATUSES``)."""
        return views.statuses(self._table())

    @property
    def charges(self) -> pd.DataFrame:
        """One row per accepted message: estimated and actual cost in credits (``clicknb.frames.CHARGES``)."""
        return views.charges(self._table())

    @property
    def events(self) -> pd.DataFrame:
        """Every status seen, oldest first (``clicknb.frames.EVENTS``)."""
        return views.events(self._context.ledger, self.id)

    @property
    def outcomes(self) -> pd.DataFrame:
        """One row per recipient with all that is known of it (``clicknb.frames.OUTCOMES``)."""
        return views.outcomes(self._table())

    @property
    def counts(self) -> dict[str, int]:
        """How many rows are in each state."""
        return self._context.ledger.states(self.id)

    @property
    def stopped(self) -> str:
        """Why sending stopped early; empty if it did not."""
        return str(self._context.ledger.campaign(self.id)["stopped"])

    @property
    def spent(self) -> float:
        """Credits that it has cost by now, as far as prices, or with a budget the balance, have shown."""
        return float(self._context.ledger.spent(self.id))

    @property
    def paused(self) -> bool:
        """Whether it was paused by the user, and not resumed since."""
        return bool(self._context.ledger.campaign(self.id)["paused"])

    def _table(self) -> pd.DataFrame:
        return views.joined(self._context.ledger, self.id)

    # asking and acting

    def refresh(self) -> Campaign:
        """Ask the gateway once for the status of every message that is not final, and what the final ones cost.

        Raises
        ------
        AccountError
            The gateway refuses the account.
        TransportError
            The gateway could not be reached; the record stays as it was.
        """
        track.refresh(self._context, self.id)
        return self

    def track(
        self,
        timeout: float | str | timedelta = "30min",
        *,
        progress: bool = True,
        stop: threading.Event | None = None,
        seen: Callable[[Look], object] | None = None,
    ) -> Campaign:
        """Ask until every accepted message is final, less and less often; what is not final by then stays pending.

        A gateway that cannot be reached is asked again later.

        Parameters
        ----------
        timeout
            Seconds, or a text such as ``"30min"``.
        progress
            Whether to show a progress bar.
        stop
            Ends it when set, also in the midst of a pause.
        seen
            Called after each look, with how many are left and what went wrong.

        Raises
        ------
        AccountError
            The gateway refuses the account.
        TransportError
            The gateway could not be reached in all that time; the record stays as it was.
        """
        total = self.counts.get("accepted", 0)
        left = len(self._context.ledger.open(self.id))
        ask = partial(track.refresh, self._context, self.id)
        with run.progress_bar(total, f"{self.name}: final", progress) as bar:
            for look in track.looks(self._context, ask, left, checks.seconds(timeout), stop=stop):
                bar.update(total - look.left - bar.n)
                if seen is not None:
                    seen(look)
        return self

    def reconcile(
        self,
        timeout: float | str | timedelta = "3min",
        *,
        stop: threading.Event | None = None,
        seen: Callable[[Look], object] | None = None,
    ) -> Campaign:
        """Ask the gateway about every message in doubt, by its client message id.

        What the gateway knows becomes ``accepted``; what it denies three times over two minutes becomes ``absent``,
        and a new kernel begins to count anew. The rest stays ``unknown``; call it again later. Nothing is sent.

        Takes and raises the same as ``track``.
        """
        left = sum(self.counts.get(state, 0) for state in IN_DOUBT)
        ask = partial(track.reconcile, self._context, self.id)
        for look in track.looks(self._context, ask, left, checks.seconds(timeout), first=30.0, stop=stop):
            if seen is not None:
                seen(look)
        return self

    def resume(self, *, resend: Iterable[str] = (), takeover: bool = False, progress: bool = True) -> Campaign:
        """Send what is still planned.

        Parameters
        ----------
        resend
            States to send again as new attempts, of ``absent``, ``unknown`` and ``rejected``. A message that is
            ``unknown`` may have been delivered, so sending it again may reach somebody twice.
        takeover
            Send although another program seems to be sending this campaign, where that cannot be told for certain.
        progress
            Whether to show a progress bar.

        Raises
        ------
        CampaignStopped
            Sending stopped again, with the reason.
        CampaignError
            Another program is sending this campaign; nothing was sent by this call.
        """
        given = [resend] if isinstance(resend, str) or not isinstance(resend, Iterable) else list(resend)
        states = [checks.choice("resend", state, RESENDABLE) for state in given]
        self._context.ledger.stop(self.id, "")
        stopped = run.execute(self._context, self.name, self.id, resend=states, takeover=takeover, progress=progress)
        return unless_stopped(self, stopped)

    def pause(self) -> Campaign:
        """Let nothing more leave, also where another thread or program is sending; ``resume`` goes on."""
        self._context.ledger.stop(self.id, "paused by the user", paused=True)
        return self

    def wait(self, timeout: float | str | timedelta | None = None) -> Campaign:
        """Wait for a campaign that was sent with ``background=True``.

        Raises
        ------
        TimeoutError
            It is still being sent.
        CampaignStopped
            Sending stopped before the end, with the reason.
        """
        if self._work is not None:
            unless_stopped(self, self._work.result(None if timeout is None else checks.seconds(timeout)))
        return self

    def cancel(self) -> Campaign:
        """Take planned messages out of the queue for good, and stop those that the gateway still holds.

        What is ``unknown`` cannot be stopped; reconcile it first.
        """
        run.cancel(self._context, self.name, self.id)
        return self

    # what it comes to

    def summary(self, by: str | list[str] | None = None) -> pd.DataFrame:
        """Count outcomes and compute rates and cost; see ``clicknb.analysis.summary.summary``."""
        return summary.summary(self.outcomes, by=by)

    def reasons(self) -> pd.DataFrame:
        """Say why messages did not arrive; see ``clicknb.analysis.summary.reasons``."""
        return summary.reasons(self.outcomes, meanings=_MEANINGS)

    def residuals(self) -> pd.DataFrame:
        """Say why it cost more or less than planned; see ``clicknb.analysis.residuals.residuals``."""
        return residuals.residuals(self.outcomes)

    def plot(self, by: str = "country") -> Figure:
        """Draw outcomes by group and delivery over time; see ``clicknb.analysis.figures.plot``."""
        return figures.plot(self.outcomes, by=by, title=self.name)

    def report(self, path: str | Path) -> Path:
        """Write the summary, the reasons and the figure as one HTML page that needs nothing else."""
        place = checks.path("path", path)
        page = report.report(self.outcomes, title=self.name, facts=self.facts(), figure=self.plot(), meanings=_MEANINGS)
        return report.save(page, place)

    def facts(self) -> list[tuple[str, str]]:
        """Say in figures how it stands: rows in each state, deliveries, and what was charged."""
        found = tally(self._context.ledger, self.id)
        accepted = [one for one in found if one.state == "accepted"]
        deliveries = _counts((f"- {one.delivery}".replace("_", " "), one.rows) for one in accepted)
        facts = []
        for state, count in _counts((one.state, one.rows) for one in found):
            facts += [(state, count), *(deliveries if state == "accepted" else [])]
        charge = Decimal(sum(one.charge for one in accepted)) / 1_000_000
        asked = any(one.charged for one in accepted)
        return [*facts, ("charged so far", display.credits(charge) if asked else "not asked yet")]

    def _note(self) -> str:
        counts = self.counts
        notes = []
        if self.stopped:
            notes.append(f"Stopped: {self.stopped.rstrip('.')}. campaign.resume() goes on.")
        elif counts.get("planned"):
            notes.append("campaign.resume() sends what is still planned.")
        if counts.get("unknown") or counts.get("sending"):
            notes.append("campaign.reconcile() asks the gateway about what is unknown.")
        return " ".join(notes)

    def __repr__(self) -> str:
        return display.lines(f"Campaign {self.name}", self.facts(), self._note())

    def _repr_html_(self) -> str:
        return display.panel(f"Campaign {self.name}", self.facts(), self._note())


def _counts(counted: Iterable[tuple[str, int]]) -> list[tuple[str, str]]:
    """Add up what was counted under the same name, the most frequent first."""
    sums: Counter[str] = Counter()
    for name, count in counted:
        sums[name] += count
    return [(name, f"{count:,}") for name, count in sums.most_common()]


def unless_stopped(campaign: Campaign, stopped: str) -> Campaign:
    """Give a campaign back if nothing has stopped it.

    Raises
    ------
    CampaignStopped
        Something has.
    """
    if not stopped:
        return campaign
    message = (
        f"Campaign {campaign.name!r} stopped before its end: {stopped.rstrip('.')}. So far: "
        f"{display.counted(campaign.counts)}. Planned rows have not been sent and nothing is lost. When the cause is "
        f"gone, go on with sms.campaign({campaign.name!r}).resume()."
    )
    raise CampaignStopped(message, campaign=campaign)
