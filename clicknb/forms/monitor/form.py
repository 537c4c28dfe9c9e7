"""The form that watches campaigns: what became of each message, what it cost, and what can still be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import ipywidgets as w

from clicknb import display
from clicknb.account import Account
from clicknb.campaign.campaign import Campaign
from clicknb.campaign.track import Look
from clicknb.errors import TransportError, UnreadableReply
from clicknb.forms.kit import controls, download, markup
from clicknb.forms.kit.form import Form
from clicknb.forms.kit.tasks import Task
from clicknb.forms.monitor import snapshot
from clicknb.forms.monitor.snapshot import Sight

_MOST_ROWS = 30
_YES = "Yes"


class _Question(NamedTuple):
    """What is asked before something is done that cannot be taken back."""

    says: Callable[[Sight], str]
    yes: str
    action: Callable[[], None]


class MonitorForm(Form):
    """Watch the campaigns of a ledger.

    ``Watch`` asks the gateway for statuses and charges, less and less often, until every message is final. What is in
    doubt can be reconciled, what has not left can be sent or cancelled; sending and cancelling need a second click.

    Parameters
    ----------
    account
        Such as ``clicknb.sandbox()``.
    name
        The campaign to begin with; the newest unless given.
    background
        Whether asking runs in a thread, so that the page stays usable.

    Examples
    --------
    >>> import clicknb as cn
    >>> sms = cn.sandbox()
    >>> _ = sms.send("447700900123", "Hello")
    >>> form = cn.forms.Monitor(sms, background=False)
    >>> form.watch.click()
    >>> form.sight.counts
    {'delivered': 1}
    """

    title = "Monitor"

    def __init__(self, account: Account, name: str | None = None, *, background: bool = True) -> None:
        self.account: Account = account
        self.sight: Sight | None = None
        self._drawn: Sight | None = None
        self.balance: float | None = None
        self._listing = False
        self._watching = False
        self._trouble = ""
        self._sure: _Question | None = None
        self._next: Callable[[], None] | None = None
        super().__init__(account, background=background)
        self._make_controls()
        self._tie()
        self._lay_out()
        self._list()
        if name is not None:
            self.account.campaign(name)  # says if there is none
            self.campaign.value = name
        self._read()
        self.refresh()

    # the controls

    def _make_controls(self) -> None:
        self.campaign = controls.choice("Campaign", [], width="auto")
        self.campaign.layout.flex = "1 1 260px"
        self.watch = controls.button("Watch", main=True)
        self.ask = controls.button("Ask once")
        self.reconcile = controls.button("Reconcile")
        self.resume = controls.button("Resume …")
        self.stop = controls.button("Cancel messages …")
        self.yes = controls.button(_YES, main=True)
        self.no = controls.button("No, leave it")
        self.by = controls.choice("Group by", list(snapshot.BY.items()), width="190px")
        self.csv = controls.button("Save as CSV")
        self.excel = controls.button("Save as Excel")
        places = [controls.html() for _ in range(5)]
        self._none, self._facts, self._question, self._balance, self.tables = places
        self.figure = w.Image(format="png", layout=w.Layout(width="100%", min_width="560px", height="auto"))
        self._frame = w.Box([self.figure], layout=w.Layout(width="100%", overflow="auto hidden", flex="0 0 auto"))

    def _tie(self) -> None:
        self.on_change(self.campaign, self._change)
        self.on_change(self.by, self._change)
        self.on_click(self.watch, self._watch)
        self.on_click(self.ask, lambda: self._instead(self._ask))
        self.on_click(self.reconcile, lambda: self._instead(self._reconcile))
        sending = _Question(lambda seen: seen.resuming(self.account), "Yes, send them", self._resume)
        cancelling = _Question(Sight.cancelling, "Yes, cancel them", self._stop_messages)
        self.on_click(self.resume, lambda: self._make_sure(sending))
        self.on_click(self.stop, lambda: self._make_sure(cancelling))
        self.on_click(self.yes, self._do)
        self.on_click(self.no, lambda: self._make_sure(None))
        self.on_click(self.csv, lambda: self._save("csv"))
        self.on_click(self.excel, lambda: self._save("xlsx"))

    def _lay_out(self) -> None:
        self._asked = controls.column(self._question, controls.row(self.yes, self.no))
        self._actions = controls.row(self.reconcile, self.resume, self.stop, self.csv, self.excel)
        self._head = controls.row(self.campaign, self.watch, self.ask)
        self._shown = controls.column(
            self._facts,
            self._balance,
            self._actions,
            self._asked,
            self.by,
            self._frame,
            self.tables,
        )
        self.lay_out(self._none, self._head, below=(self._shown,))

    # what they do

    def enter(self) -> None:
        """Look at the ledger again: campaigns may have come and gone on since."""
        if not self.busy:
            self._list()
            self._read()
            self.refresh()

    def _list(self) -> None:
        """Show the campaigns of the ledger; one that has come since is chosen."""
        newest_first = self.account.campaigns().iloc[::-1]
        options = [(snapshot.titled(row), row["name"]) for _, row in newest_first.iterrows()]
        names = [name for _, name in options]
        old, chosen = {name for _, name in self.campaign.options}, self.campaign.value
        new = [name for name in names if name not in old]
        self._listing = True
        try:
            self.campaign.options = options
            self.campaign.value = next(iter(new), chosen if chosen in names else None)
        finally:
            self._listing = False

    def _chosen(self) -> Campaign:
        return self.account.campaign(self.campaign.value)

    def _read(self) -> None:
        if self.campaign.value is None:
            self.sight = None
        else:
            self.sight = snapshot.see(self.account, self.campaign.value, self.by.value, self.sight)

    def _change(self) -> None:
        if not self._listing:
            self._instead(self._read_afresh)

    def _read_afresh(self) -> None:
        self._sure = None
        self.run(lambda _: self._read(), lambda _: None, says="Reading the ledger …")

    def _instead(self, action: Callable[[], None]) -> None:
        """Do something; a watch gives way to it."""
        if self._watching:
            self._next = action
            self.cancel()
        else:
            action()

    def _watch(self) -> None:
        self._sure = None
        if self._watching:
            self.cancel()
            return
        campaign = self._chosen()

        def job(task: Task) -> bool:
            try:
                campaign.track(snapshot.LONGEST_WATCH, progress=False, stop=task.stop, seen=self._seen)
            finally:
                self._watching, self._trouble = False, ""
            return task.cancelled

        self._watching = True
        self.run(job, self._watched, says="Watching: the first answers are on their way …")

    def _seen(self, look: Look) -> None:
        """Show what the latest look has found, in the midst of work; the balance is another question that may fail."""
        trouble: Exception | None = look.trouble
        if trouble is None:
            try:
                self.balance = self.account.balance()
            except (TransportError, UnreadableReply) as error:
                trouble = error
        self._trouble = "" if trouble is None else str(trouble)
        self._read()
        self.refresh()

    def _look_again(self) -> None:
        """Show what was found, and what is left on the account."""
        self.balance = self.account.balance()
        self._read()
        self.refresh()

    def _watched(self, stopped: bool) -> None:
        left = 0 if self.sight is None else self.sight.open
        action, self._next = self._next, None
        if action is not None:
            action()
        elif stopped:
            self.say("note", "No longer watching. What was seen is in the ledger.")
        elif left:
            self.say("note", f"{left:,} have no final status after two hours; some never get one. Watch asks again.")
        else:
            self.say("done", "Every accepted message has its final status.")

    def _ask(self) -> None:
        campaign = self._chosen()

        def job(_: Task) -> None:
            campaign.refresh()
            self._look_again()

        self.run(job, lambda _: None, says="Asking the gateway …")

    def _reconcile(self) -> None:
        campaign, before = self._chosen(), self._doubtful

        def job(task: Task) -> int:
            looks: list[Look] = []

            def seen(look: Look) -> None:
                looks.append(look)
                self._seen(look)
                said = self._trouble or f"{self._doubtful:,} of {before:,} are still in doubt."
                task.progress(before - self._doubtful, before, said)

            campaign.reconcile(stop=task.stop, seen=seen)
            return looks[-1].left if looks else 0

        def done(left: int) -> None:
            settled = before - self._doubtful
            said = f"{settled:,} of {before:,} in doubt are settled."
            more = " Ask again in a few minutes about the others." if left else ""
            self.say("done" if not self._doubtful else "note", f"{said}{more}")

        says = "Asking about what is in doubt; this may take three minutes …"
        self.run(job, done, says=says, stop=lambda: None)

    def _given_up(self) -> int:
        counts = {} if self.sight is None else self.sight.counts
        return counts.get("cancelled", 0) + counts.get("skipped", 0)

    @property
    def _doubtful(self) -> int:
        return 0 if self.sight is None else self.sight.doubtful

    def _make_sure(self, question: _Question | None) -> None:
        self._sure = question

    def _do(self) -> None:
        if self._sure is not None:
            question, self._sure = self._sure, None
            self._instead(question.action)

    def _resume(self) -> None:
        campaign = self._chosen()

        def job(_: Task) -> None:
            try:
                campaign.resume(progress=False)
            finally:
                self._look_again()

        def done(_: None) -> None:
            self.say("done", "What was planned has been sent. Watch follows it to its end.")

        self.run(job, done, says="Sending …", stop=campaign.pause)

    def _stop_messages(self) -> None:
        campaign = self._chosen()

        def job(_: Task) -> int:
            before = self._given_up()
            campaign.cancel()
            self._look_again()
            return self._given_up() - before

        def done(cancelled: int) -> None:
            on_the_way = "" if self.sight is None or not self.sight.open else " The others were on their way already."
            self.say("done", f"{cancelled:,} {'is' if cancelled == 1 else 'are'} cancelled.{on_the_way}")

        self.run(job, done, says="Cancelling …")

    def _save(self, ending: str) -> None:
        if self.sight is not None:
            self.show_notice(download.hand_over(self.sight.outcomes, self.sight.name, ending))

    # what it shows

    def refresh(self) -> None:
        """Show the campaign as it was seen last."""
        seen = self.sight
        for part in (self._head, self._shown):
            controls.show(part, seen is not None)
        self._none.value = "" if seen is not None else markup.line(_NONE)
        self.code.text = snapshot.written(self.account, seen)
        self._allow(seen)
        if seen is None:
            return
        left = "not asked yet" if self.balance is None else display.credits(self.balance)
        self._balance.value = markup.line(f"Balance of the account: {left}.")
        self._show_question(seen)
        if seen is not self._drawn:  # most looks of a watch find nothing new
            self._draw(seen)
        if self._watching:
            final, said = seen.accepted - seen.open, f"Watching: {seen.open:,} not final yet."
            self._show_progress(final, seen.accepted, self._trouble or said)

    def _draw(self, seen: Sight) -> None:
        self._facts.value = display.panel(f"Campaign {seen.name}", seen.facts()) + markup.line(seen.note())
        self.figure.value = seen.picture
        self.tables.value = _tables(seen)
        self._drawn = seen

    def _allow(self, seen: Sight | None) -> None:
        """Let be clicked what makes sense now; also during a watch, which gives way."""
        free = seen is not None and (self._watching or not self.busy)
        self.watch.description = "Stop watching" if self._watching else "Watch"
        for button in (self.watch, self.ask, self.csv, self.excel, self.yes, self.no):
            button.disabled = not free
        for button, count in ((self.reconcile, "doubtful"), (self.resume, "waiting")):
            controls.show(button, seen is not None and getattr(seen, count) > 0)
            button.disabled = not free
        controls.show(self.stop, seen is not None and bool(seen.cancelling()))
        self.stop.disabled = not free

    def _show_question(self, seen: Sight) -> None:
        says = "" if self._sure is None else self._sure.says(seen)
        if self._sure is not None and says:
            self.yes.description = self._sure.yes
        else:
            self._sure = None
        controls.show(self._asked, bool(says))
        self._question.value = markup.notice("note", says) if says else ""


_NONE = "There is no campaign in this ledger yet. What you send appears here, also after a restart."


def _tables(seen: Sight) -> str:
    """Show the groups, the reasons and the costs."""
    label = next(label for label, column in snapshot.BY.items() if column == seen.by)
    found = [(f"By {label.lower()}", seen.grouped())]
    if len(seen.reasons):
        found.append(("Why messages have not arrived", seen.why()))
    if len(seen.costs):
        found.append(("Credits beside the plan", seen.costs.astype({"cause": "str"})))
    return "".join(markup.line(head, strong=True) + markup.table(frame, _MOST_ROWS) for head, frame in found)
