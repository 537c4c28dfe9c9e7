"""The part of the Campaign form that shows what came of it: go on, withdraw, track, save."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from clicknb.campaign.campaign import IN_DOUBT
from clicknb.campaign.track import Look
from clicknb.forms.campaign import render
from clicknb.forms.campaign.sending import Result
from clicknb.forms.kit import controls, download, markup
from clicknb.forms.kit.tasks import Task

if TYPE_CHECKING:
    from clicknb.campaign.campaign import Campaign
    from clicknb.forms.campaign.form import CampaignForm


class ResultPanel:
    """What became of the campaign so far, and what can still be done.

    Attributes
    ----------
    result : clicknb.forms.campaign.sending.Result or None
        What is shown.
    """

    def __init__(self, form: CampaignForm) -> None:
        self._form = form
        self.result: Result | None = None
        self._asking = False
        self.resume = controls.button("Resume", main=True)
        self.withdraw = controls.button("Withdraw the rest")
        self.withdraw_all = controls.button("Withdraw for good")
        self.keep = controls.button("Keep it")
        self.track = controls.button("Track deliveries")
        self.settle = controls.button("Ask about the unknown")
        self.csv = controls.button("Save as CSV")
        self.excel = controls.button("Save as Excel")
        self.another = controls.button("New campaign")
        self._shown, self._warned = controls.html(), controls.html()
        self._ask = controls.column(self._warned, controls.row(self.withdraw_all, self.keep))
        actions: dict[object, Callable[[], None]] = {
            self.resume: form.resume,
            self.withdraw: lambda: self._asked(True),
            self.keep: lambda: self._asked(False),
            self.withdraw_all: self._withdraw,
            self.track: self._track,
            self.settle: self._settle,
            self.csv: lambda: self._save("csv"),
            self.excel: lambda: self._save("xlsx"),
            self.another: self._begin_another,
        }
        for button, action in actions.items():
            form.on_click(button, action)
        self._rest = controls.row(self.resume, self.withdraw)
        self._more = controls.row(self.track, self.settle, self.csv, self.excel, self.another)
        self.view = controls.column(self._shown, self._rest, self._ask, self._more)

    @property
    def _campaign(self) -> Campaign:
        campaign = self._form.campaign
        assert campaign is not None  # noqa: S101  its buttons are hidden until there is one
        return campaign

    def show(self, begun: bool) -> None:
        """Show the outcome as it is now."""
        form, result = self._form, self.result
        controls.show(self.view, begun)
        if not begun:
            return
        name = form.recipe.name
        counts = {} if result is None else result.counts
        planned = counts.get("planned", 0)
        title = markup.line(f"Campaign {name}", strong=True)
        self._shown.value = title if result is None else render.result(name, result)
        self._warned.value = markup.notice(
            "note",
            f"{planned:,} messages that have not left would never be sent by this campaign, and the gateway is asked "
            "to stop what it still holds. This cannot be undone.",
        )
        wanted = {
            self._rest: planned > 0,
            self._ask: planned > 0 and self._asking,
            self._more: result is not None,
            self.track: counts.get("accepted", 0) > 0,
            self.settle: any(counts.get(state, 0) for state in IN_DOUBT),
        }
        for control, visible in wanted.items():
            controls.show(control, visible and not form.busy)

    # what the buttons do

    def _asked(self, asking: bool) -> None:
        self._asking = asking

    def _withdraw(self) -> None:
        self._asking = False

        def job(_: Task) -> Result:
            return Result.of(self._campaign.cancel())

        self._form.run(job, self._found, says="Withdrawing what has not left …")

    def _track(self) -> None:
        ask = partial(self._campaign.track, progress=False)
        self._look(ask, ("accepted",), "have no final status yet", "Asking what became of them …")

    def _settle(self) -> None:
        self._look(self._campaign.reconcile, IN_DOUBT, "are still in doubt", "Asking about what is in doubt …")

    def _look(self, ask: Callable[..., Campaign], states: Sequence[str], are: str, says: str) -> None:
        """Ask about the messages in some states until they are settled, or until somebody has seen enough."""
        total = sum(self._campaign.counts.get(state, 0) for state in states)

        def job(task: Task) -> Result:
            def seen(look: Look) -> None:
                self.result = result = Result.of(self._campaign)
                self._shown.value = render.result(self._campaign.name, result)
                said = f"{look.left:,} of {total:,} {are}." if look.trouble is None else str(look.trouble)
                task.progress(total - look.left, total, said)

            return Result.of(ask(stop=task.stop, seen=seen))

        self._form.run(job, self._found, says=says, stop=lambda: None, cancel="Stop asking")

    def _found(self, result: Result) -> None:
        self.result = result

    def _save(self, ending: str) -> None:
        def job(_: Task) -> str:
            return download.hand_over(self._campaign.outcomes, self._campaign.name, ending)

        self._form.run(job, self._form.show_notice, says="Writing the file …")

    def _begin_another(self) -> None:
        self._asking = False
        self._form.begin_another()
