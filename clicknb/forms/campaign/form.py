"""The form for a campaign: whom it is for, what it says, what it will do, how it goes and what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from clicknb import checks
from clicknb.account import Account
from clicknb.campaign.campaign import Campaign
from clicknb.campaign.options import Mode
from clicknb.campaign.plan import Plan
from clicknb.errors import CampaignStopped, InvalidInput
from clicknb.forms.campaign import render, sending
from clicknb.forms.campaign.draft import Recipe
from clicknb.forms.campaign.findings_panel import Findings
from clicknb.forms.campaign.people import People
from clicknb.forms.campaign.people_panel import Chooser, labels
from clicknb.forms.campaign.result_panel import ResultPanel
from clicknb.forms.campaign.review import Checked
from clicknb.forms.campaign.text_panel import Texts
from clicknb.forms.kit import controls, markup
from clicknb.forms.kit.form import Form
from clicknb.forms.kit.tasks import Task
from clicknb.gateway.limits import LIST_SIZE, MOST_PARTS
from clicknb.hours.decide import PRESETS, Hours

PREVIEWS = 4

_SETTINGS = ("to", "country", "name", "sender", "max_parts", "budget", "substitute", "outside", "zone", "mode")
"""What a control of its own holds, as the recipe holds it too."""

_OUTSIDE = [
    ("leave those people out", "refuse"),
    ("let the gateway hold it until then", "schedule"),
    ("wait here and send it then", "wait"),
]
_MODES = {
    "each": "one request for each message",
    "list": f"up to {LIST_SIZE} alike in one request: faster, less certain",
}


class CampaignForm(Form):
    """Send a text to everybody in a table.

    ``Check`` reads the numbers, writes the texts and asks for prices; ``Send`` sends exactly what was checked, once.
    Sending can be stopped and resumed; what has not left can be withdrawn.

    Parameters
    ----------
    account
        Such as ``clicknb.sandbox()``; or a plan, which opens the form filled.
    people
        A table to begin with. Others of the notebook can be chosen, or uploaded.
    background
        Whether what takes time runs in a thread, so that the page stays usable.

    Examples
    --------
    >>> import clicknb as cn
    >>> people = pd.DataFrame({"mobile": ["447700900123", "447700900124"], "name": ["Ann", "Ben"]})
    >>> form = cn.forms.Campaign(cn.sandbox(), people, background=False)
    >>> form.texts.areas["A"].value, form.name.value = "Hi {name}", "greeting"
    >>> form.check.click()
    >>> form.send.click()
    >>> form.campaign.counts
    {'accepted': 2}
    """

    title = "Campaign"

    def __init__(self, account: Account | Plan, people: pd.DataFrame | None = None, *, background: bool = True) -> None:
        plan = account if isinstance(account, Plan) else None
        self.account: Account = Account(account.context) if isinstance(account, Plan) else account
        self.recipe = Recipe() if plan is None else Recipe.of(plan)
        self.checked: Checked | None = None
        self.campaign: Campaign | None = None
        self._filling, self._leaving = True, False
        self._token = ""
        super().__init__(self.account, background=background)
        self.chooser = Chooser(self, self._choose, people if plan is None else plan.people)
        self.texts = Texts(self, self._write)
        self.findings = Findings(self, self._write)
        self.outcome = ResultPanel(self)
        self._make_controls()
        self._arrange()
        self._filling = False
        self._choose()
        if plan is not None:
            self._fill(Recipe.of(plan))
            self._was_checked(Checked.of(plan, self.recipe, self.chooser.people or People.of(plan.people, "people")))
        self.refresh()

    # its controls

    def _make_controls(self) -> None:
        self.to = controls.choice("Column with the numbers", labels([], "Choose a column"))
        self.country = controls.text("Country of national numbers", placeholder="such as GB", width="190px")
        self.name = controls.text("Name of the campaign", placeholder="such as spring-sale", width="300px")
        self.sender = controls.text("Sender ID (may be empty)", placeholder="digits, or at most 11 letters")
        self.max_parts = controls.choice("Parts of a text, at most", list(range(1, MOST_PARTS + 1)), width="190px")
        self.budget = controls.text("Budget in credits (may be empty)", placeholder="such as 50")
        self.substitute = controls.tick("Use plain characters where that is cheaper")
        self.hours = controls.choice("Write to people only", _hours(self.recipe.hours), width="320px")
        self.outside = controls.choice("Outside of these hours", _OUTSIDE, width="260px")
        self.zone = controls.choice("Column with time zones", labels([], "none: by the number"))
        self.mode = controls.choice("Requests", [(_MODES[mode], mode) for mode in get_args(Mode)], width="320px")
        self.others = controls.button("Show other rows")
        self.check = controls.button("Check")
        self.confirm = controls.text("Type the token to send", width="190px")
        self.send = controls.button("Send", main=True)
        self.max_parts.value = self.recipe.max_parts
        for name in ("hours", *_SETTINGS):
            self.on_change(getattr(self, name), self._write)
        self.on_change(self.confirm)
        self.on_click(self.others, self._turn_over)
        self.on_click(self.check, self._check)
        self.on_click(self.send, self._send)
        places = [controls.html() for _ in range(4)]
        self._count, self._preview, self._planned, self._missing = places
        self._skip = 0

    def _arrange(self) -> None:
        self._hours_row = controls.row(self.outside, self.zone, align="flex-start")
        self._mapping = controls.row(self.to, self.country, align="flex-start")
        self._writing = controls.column(
            controls.heading("1. People"),
            self.chooser.view,
            self._mapping,
            controls.heading("2. Text"),
            self.texts.view,
            self._count,
            self._preview,
            controls.row(self.others),
            controls.heading("3. How it is sent"),
            controls.row(self.name, self.sender, self.max_parts, self.budget, align="flex-start"),
            self.substitute,
            controls.row(self.hours, self.mode, align="flex-start"),
            self._hours_row,
            controls.heading("4. Check, then send"),
            controls.row(self.check),
            self.findings.view,
            self._planned,
            controls.row(self.confirm, self.send),
            self._missing,
        )
        self.lay_out(self._writing, self.outcome.view)

    # what it works with

    @property
    def people(self) -> People | None:
        """The table that was chosen."""
        return self.chooser.people

    @property
    def plan(self) -> Plan | None:
        """The plan of what the form says now; None until that was checked."""
        checked = self.checked
        same = checked is not None and checked.recipe == self.recipe and checked.people is self.people
        return checked.plan if checked is not None and same else None

    # what the controls do

    def _choose(self) -> None:
        """Guess the columns of a table that was chosen."""
        if self._filling:
            return
        people = self.people
        columns = [] if people is None else people.columns
        kept = self.recipe.to if self.recipe.to in columns else ""
        self._filling = True
        self.to.options = labels(columns, "Choose a column")
        self.zone.options = labels(columns, "none: by the number")
        self.to.value = kept or ("" if people is None else people.address)
        self.zone.value = "" if people is None else people.zone
        if people is not None and not self.name.value:
            now = self.account.now()
            self.name.value = f"{Path(people.name).stem} {now:%Y-%m-%d}"
        self._filling = False
        self._skip = 0
        self._write()

    def _fill(self, recipe: Recipe) -> None:
        """Write a recipe into the controls."""
        self._filling = True
        self.texts.write(recipe.texts)
        for name in _SETTINGS:
            getattr(self, name).value = getattr(recipe, name)
        self.hours.value = recipe.hours or ""
        self._filling = False
        self.recipe = recipe
        self._write()

    def _write(self) -> None:
        """Read the recipe from the controls."""
        if self._filling:
            return
        given: dict[str, Any] = {name: getattr(self, name).value for name in _SETTINGS}
        given |= {"texts": self.texts.read(), "refuse": self.findings.refused(self.recipe.refuse)}
        self.recipe = replace(self.recipe, hours=self.hours.value or None, **given)
        self.confirm.value = ""

    def _turn_over(self) -> None:
        self._skip += PREVIEWS

    def _check(self) -> None:
        recipe, people = self.recipe, self.people
        if people is None:
            checks.refuse("There is no table yet.", "Choose one, or upload a file.")

        def job(_: Task) -> Checked:
            return Checked.of(recipe.plan(self.account, people), recipe, people)

        self.run(job, self._was_checked, says=f"Reading {len(people.frame):,} numbers and asking for prices …")

    def _was_checked(self, checked: Checked) -> None:
        self.checked, self._skip = checked, 0
        if self.plan is None:
            self.say("note", "The campaign was changed while it was checked. Nothing was sent. Check it again.")

    def _send(self) -> None:
        if self.plan is None:
            checks.refuse("The campaign was not checked yet.", "Click Check and look at what will leave.")
        self.leave(self.confirm.value.strip().upper())

    def leave(self, token: str) -> None:
        """Send the plan, or what is left of it."""
        plan = self.plan
        if plan is None:
            return

        def job(task: Task) -> sending.Result:
            try:
                self.campaign = sending.start(plan, token, background=self.background)
            finally:
                self._leaving = False
            if task.cancelled:
                self.campaign.pause()
            return sending.watch(self.campaign, task)

        self._token, self._leaving = token, True
        self.outcome.result = None
        says = f"Recording {len(plan.to_send):,} messages before the first leaves …"
        self.run(job, self._came_out, says=says, stop=self._pause, cancel="Stop sending")

    def _pause(self) -> None:
        if self.campaign is not None:
            self.campaign.pause()

    def _came_out(self, result: sending.Result) -> None:
        self.outcome.result = result
        if self.campaign is not None and result.stopped and not result.paused:
            self.last_error = CampaignStopped(result.stopped, campaign=self.campaign)

    def resume(self) -> None:
        """Go on with what has not left."""
        self.leave(self._token)

    def begin_another(self) -> None:
        """Begin the next campaign: all but its name stays."""
        self.campaign = self.checked = self.outcome.result = None
        self.name.value = ""

    # what it shows

    def refresh(self) -> None:
        """Show the campaign as it is now."""
        if self._filling:
            return
        begun = self.campaign is not None or self._leaving
        controls.show(self._writing, not begun)
        self.outcome.show(begun)
        problems = self.recipe.problems(self.people)
        if not begun:
            self._show_writing(problems)
        self.code.text = self._code(problems)

    def _show_writing(self, problems: list[str]) -> None:
        people = self.people
        self.chooser.show()
        self.texts.show(people)
        controls.show(self._mapping, people is not None)
        controls.show(self._hours_row, self.recipe.hours is not None)
        self._show_preview()
        plan, checked = self.plan, self.checked if self.checked and self.checked.people is people else None
        self.findings.show(checked)
        self._planned.value = "" if checked is None or plan is None else render.planned(checked)
        controls.show(self.confirm, self.account.live and plan is not None)
        missing = self._why_not(problems)
        self.check.description = "Check again" if checked is not None else "Check"
        self.enable(self.check, not problems)
        self.enable(self.send, not missing)
        self._missing.value = markup.line(missing)

    def _why_not(self, problems: list[str]) -> str:
        """Say why it cannot be sent yet."""
        if problems:
            return f"Before it can be sent: {' '.join(problems)}"
        if self.plan is None:
            changed = "You changed something since the check. " if self.checked is not None else ""
            return f"{changed}Click {self.check.description} to see what will leave and what it costs."
        if not len(self.plan.to_send):
            return "There is nobody to send to: all rows are left out."
        if self.account.live and self.confirm.value.strip().upper() != self.plan.token:
            return f"This account is live. To send, type the token {self.plan.token} above."
        return ""

    def _show_preview(self) -> None:
        """Show some texts as phones show them: of the plan where there is one, else of some rows."""
        rows, said = self._rows()
        self._count.value = markup.line(said)
        if rows is not None and self._skip >= rows["text"].nunique():
            self._skip = 0
        chosen = None if rows is None else render.previews(rows, PREVIEWS, self._skip, self.recipe.sender.strip())
        self._preview.value = chosen or ""
        more = rows is not None and rows.loc[rows["problem"].isna(), "text"].nunique() > PREVIEWS
        self.enable(self.others, more)
        controls.show(self.others, more)

    def _rows(self) -> tuple[pd.DataFrame | None, str]:
        people, recipe = self.people, self.recipe
        if self.plan is not None and self.checked is not None:
            return self.checked.rows, render.counted(self.checked.rows, len(self.checked.rows))
        if people is None or recipe.to not in people.columns or not any(text.strip() for _, text in recipe.texts):
            return None, "Nothing written yet." if people is not None else ""
        try:
            rows = recipe.sample(people)
        except InvalidInput as error:
            return None, str(error)
        return rows, render.counted(rows, len(people.frame) * len(recipe.texts))

    def _code(self, problems: list[str]) -> str:
        if problems or self.people is None:
            return f"# Before there is code: {' '.join(problems)}".replace("\n", " ")
        return self.recipe.code(self.account, self.people, "" if self.plan is None else self.plan.token)


def _hours(own: str | Hours | None) -> list[tuple[str, Any]]:
    """Write the quiet hours that can be chosen."""
    choices: list[tuple[str, Any]] = [("at any time", ""), ("in the usual hours of each country", "auto")]
    choices += [(f"{name}: {rule.described()}", name) for name, rule in PRESETS.items()]
    return [*choices, (f"{own.name}: {own.described()}", own)] if isinstance(own, Hours) else choices
