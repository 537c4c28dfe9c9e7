"""The form for one message: who gets it, what it says, what it costs, and what became of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from clicknb import checks, display
from clicknb.account import Account
from clicknb.campaign import plan_repr
from clicknb.campaign.plan import Plan
from clicknb.errors import InvalidInput
from clicknb.forms.kit import controls, markup
from clicknb.forms.kit.form import Form
from clicknb.forms.message import draft as drafts
from clicknb.forms.message import samples
from clicknb.forms.message.draft import Draft, SentDraft
from clicknb.messages.parts import split

PYTHON = "Python with clicknb"

_SHOWN = ["to", "state", "parts", "error", "apimsgid"]
_FEW = 5
_FIELDS = tuple(field.name for field in fields(Draft))


class MessageForm(Form):
    """Send a text to one or a few numbers.

    Numbers, text and sender are checked while they are written. ``Check`` asks for the price and the balance and shows
    what will leave; ``Send`` sends exactly that, once.

    Parameters
    ----------
    account
        Such as ``clicknb.sandbox()``.
    draft
        What to begin with.
    background
        Whether checking and sending run in a thread, so that the page stays usable.

    Examples
    --------
    >>> import clicknb as cn
    >>> form = cn.forms.Message(cn.sandbox(), background=False)
    >>> form.numbers.value, form.text.value = "+44 7700 900123", "Hello"
    >>> form.check.click()
    >>> form.send.click()
    >>> form.sends["state"].tolist()
    ['accepted']
    """

    title = "Message"

    def __init__(self, account: Account, draft: Draft | None = None, *, background: bool = True) -> None:
        self.draft = draft or Draft()
        self.plan: Plan | None = None
        self.outcome: SentDraft | None = None
        self.account: Account = account
        super().__init__(account, background=background)
        self._make_controls()
        self._fill()
        for name in _FIELDS:
            self.on_change(getattr(self, name), self._write)
        self.on_change(self.confirm)
        self.on_change(self.language)
        self.on_click(self.check, self._check)
        self.on_click(self.send, self._send)
        self.on_click(self.another, self._begin_another)
        self._writing = controls.column(
            controls.row(self.numbers, self.country, align="flex-start"),
            self._numbers_read,
            self.text,
            self._count,
            self._preview,
            controls.row(self.sender, self.at, align="flex-start"),
            self.again,
            controls.row(self.check),
            self._planned,
            controls.row(self.confirm, self.send),
            self._why_not,
        )
        self.lay_out(self._writing, self._result, controls.row(self.another))
        self.refresh()

    def _make_controls(self) -> None:
        self.numbers = controls.area(
            "Numbers", placeholder="+44 7700 900123, one on each line or with commas between", rows=2
        )
        self.numbers.layout.flex = "1 1 260px"
        self.country = controls.text("Country of national numbers", placeholder="such as GB", width="190px")
        self.text = controls.area("Text", placeholder="What to say", rows=4)
        self.sender = controls.text("Sender ID (may be empty)", placeholder="digits, or at most 11 letters")
        self.at = controls.moment("Deliver at (empty: now)")
        self.again = controls.tick("Send even if the same message was sent before")
        self.check = controls.button("Check")
        self.confirm = controls.text("Type the token to send", width="190px")
        self.send = controls.button("Send", main=True)
        self.another = controls.button("Send another")
        places = [controls.html() for _ in range(6)]
        self._numbers_read, self._count, self._preview, self._planned, self._why_not, self._result = places

    def above_code(self) -> tuple[Any, ...]:
        """Offer the raw call in other languages."""
        languages = [PYTHON, *samples.languages()]
        self.language = controls.choice("Language (a raw call is for the first number)", languages, width="320px")
        return (self.language,)

    @property
    def sends(self) -> Any:
        """What became of the message, columns as in ``clicknb.frames.SENDS``; None until it was sent."""
        return None if self.outcome is None else self.outcome.sends

    # what the controls do

    def _fill(self) -> None:
        """Write the draft into the controls."""
        draft = self.draft  # each value that is set here makes it anew
        for name in _FIELDS:
            getattr(self, name).value = getattr(draft, name)

    def _write(self) -> None:
        """Read the draft from the controls; what was checked before is checked no more."""
        self.draft = Draft(**{name: getattr(self, name).value for name in _FIELDS})
        self.plan = None
        self.confirm.value = ""

    def _check(self) -> None:
        draft = self.draft
        self.run(lambda _: draft.plan(self.account), lambda plan: self._checked(draft, plan), says="Asking the price …")

    def _checked(self, draft: Draft, plan: Plan) -> None:
        if draft == self.draft:
            self.plan = plan
        else:
            self.say("note", "The message was changed while it was checked. Nothing was sent. Check it again.")

    def _send(self) -> None:
        draft, plan, token = self.draft, self.plan, self.confirm.value.strip().upper()
        if plan is None:
            checks.refuse("The message was not checked yet.", "Click Check and look at what will leave.")

        stop = None if draft.simple else lambda: self.account.campaign(plan.name).pause()
        self.run(lambda _: draft.send(self.account, plan, token), self._sent, says="Sending …", stop=stop)

    def _sent(self, outcome: SentDraft) -> None:
        self.outcome = outcome
        if outcome.stopped is not None:
            self.show_error(outcome.stopped)
        elif outcome.note:
            self.say("note", outcome.note)

    def _begin_another(self) -> None:
        self.draft = Draft(sender=self.draft.sender, country=self.draft.country)
        self.plan = self.outcome = None
        self._fill()

    # what it shows

    def refresh(self) -> None:
        """Show the draft as it is now."""
        finished = self.outcome is not None and self.outcome.stopped is None
        controls.show(self._writing, not finished)
        controls.show(self.another, self.outcome is not None)
        self._result.value = "" if self.outcome is None else _outcome(self.outcome)
        problems = self.draft.problems()
        self._show_draft()
        self._planned.value = "" if self.plan is None else _planned(self.plan)
        live = self.account.live
        controls.show(self.confirm, live and self.plan is not None)
        missing = self._missing(problems)
        self.enable(self.check, not problems)
        self.enable(self.send, not missing)
        self._why_not.value = markup.line(missing)
        self.code.text = self._code(problems)

    def _missing(self, problems: list[str]) -> str:
        """Say why it cannot be sent yet."""
        if problems:
            return f"Before it can be sent: {' '.join(problems)}"
        if self.plan is None:
            return "Click Check to see the price and what will leave."
        if self.account.live and self.confirm.value.strip().upper() != self.plan.token:
            return f"This account is live. To send, type the token {self.plan.token} above."
        return ""

    def _show_draft(self) -> None:
        try:
            self._numbers_read.value = _numbers(self.draft)
        except InvalidInput as error:
            self._numbers_read.value = markup.notice("error", str(error))
        try:
            counted, parts = self.draft.counted(), split(self.draft.text)
        except InvalidInput as error:
            self._count.value, self._preview.value = markup.notice("error", str(error)), ""
            return
        self._count.value = markup.line(counted if self.draft.text else "Nothing written yet.")
        self._preview.value = markup.bubbles(parts, self.draft.sender)

    def _code(self, problems: list[str]) -> str:
        if problems:
            return f"# Before there is code: {' '.join(problems)}".replace("\n", " ")
        if self.language.value == PYTHON:
            return self.draft.code(self.account, self.plan)
        to, sender = self.draft.to[0], self.draft.sender.strip()
        return samples.render(self.language.value, to=to, text=self.draft.text, sender=sender)


def _numbers(draft: Draft) -> str:
    """Show how the numbers are read, with a line for each that was repaired or is left out."""
    read = draft.read()
    if not len(read):
        return markup.line("No number yet.")
    good = read["to"].dropna()
    shown = ", ".join(display.mask_number(to) for to in good[:_FEW]) + (" …" if len(good) > _FEW else "")
    few = f"{len(good):,}" if len(good) == len(read) else f"{len(good):,} of {len(read):,}"
    said = [f"{few} {'number' if len(read) == 1 else 'numbers'}{': ' if shown else ' can be read.'}{shown}"]
    for place, number in read.iterrows():
        if isinstance(number["problem"], str):
            said.append(f"Row {place} ({_written(number['read_as'])}) is left out: {number['problem']}.")
        elif isinstance(number["repair"], str):
            said.append(f"Row {place} is read as {display.mask_number(number['to'])}: {number['repair']}.")
    return markup.line("\n".join(said))


def _written(cell: str) -> str:
    """Show what was pasted, without a whole number."""
    return display.shorten(display.mask_digits(cell, 5))


def _planned(plan: Plan) -> str:
    """Show what will leave and what it costs."""
    facts = [fact for fact in plan_repr.facts(plan) if fact[0] not in {"refused", "duplicates"}]
    return display.panel("Checked; nothing has been sent yet", facts)


def _outcome(outcome: SentDraft) -> str:
    """Show what became of each number, in words."""
    counts = {str(state): count for state, count in outcome.sends["state"].value_counts().items() if count}
    meant = " ".join([*markup.explained(counts), *(["Send goes on."] if "planned" in counts else [])])
    table = outcome.sends[_SHOWN].astype({"state": "str"}).reset_index(drop=True)
    head = markup.notice("done" if set(counts) == {"accepted"} else "note", f"{display.counted(counts)}. {meant}")
    return head + markup.table(table, max_rows=drafts.MOST_NUMBERS)
