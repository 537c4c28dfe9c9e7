"""The part of the Campaign form in which the doctor's repairs are accepted or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clicknb import display
from clicknb.forms.campaign.review import CHANGED, Checked
from clicknb.forms.kit import controls, markup
from clicknb.forms.kit.form import Form

ROWS = 10


class Findings:
    """What the doctor found, a tick for each kind of repair, and the rows themselves to look through.

    Parameters
    ----------
    form
        Whose guard is used.
    changed
        Called when a kind was accepted or refused.
    """

    def __init__(self, form: Form, changed: Callable[[], None]) -> None:
        self._form = form
        self._changed = changed
        self._checked: Checked | None = None
        self.ticks: dict[str, Any] = {}
        self._title, self._out = controls.html(), controls.html()
        self._kinds = controls.column()
        self.which = controls.choice("Rows to show", [("", CHANGED)], width="320px")
        self.words = controls.text("With these words or digits in them")
        self._rows = controls.html()
        form.on_change(self.which)
        form.on_change(self.words)
        search = controls.row(self.which, self.words, align="flex-start")
        self.view = controls.column(self._title, self._kinds, self._out, search, self._rows)

    def refused(self, before: tuple[str, ...]) -> tuple[str, ...]:
        """Name the kinds of repair that are not accepted; those without a tick stay as they were."""
        unseen = tuple(kind for kind in before if kind not in self.ticks)
        return unseen + tuple(kind for kind, tick in self.ticks.items() if not tick.value)

    def show(self, checked: Checked | None) -> None:
        """Show what a check found."""
        controls.show(self.view, checked is not None)
        if checked is None:
            return
        if checked is not self._checked:
            self._checked = checked
            self._title.value = markup.line(checked.title)
            self._show_kinds(checked)
            self._out.value = _left_out(checked)
            self.which.options = checked.choices()
        table, count = checked.table(self.which.value, self.words.value, ROWS)
        more = f" The first {ROWS}:" if count > ROWS else ""
        said = markup.line(f"{display.many(count, 'row')}.{more}")
        self._rows.value = said + (markup.table(table, max_rows=ROWS) if count else "")

    def _show_kinds(self, checked: Checked) -> None:
        repairs = checked.repairs()
        self.ticks, children = {}, []
        for kind, found in repairs.items():
            tick = controls.tick(f"Accept repair: {kind}, {display.many(found['rows'], 'row')}")
            tick.value = kind not in checked.recipe.refuse
            self._form.on_change(tick, self._changed)
            self.ticks[kind] = tick
            said = controls.html()
            said.value = markup.line(_said(found))
            said.layout.padding = "0 0 4px 24px"
            children += [tick, said]
        self._kinds.children = tuple(children)


def _said(found: Any) -> str:
    """Say of a kind of repair what it means, with an example."""
    sure = {"certain": "Certain. ", "likely": "Likely right. ", "guess": "A guess: look at each. "}
    example = f"Row {found['row']}: {found['written'] or '(nothing)'}"
    if not isinstance(found["becomes"], str):
        return f"{example} is left out, as you asked. {found['means']}"
    return f"{sure[found['sure']]}{example} becomes {found['becomes']}. {found['means']}"


def _left_out(checked: Checked) -> str:
    """Say which rows nobody can write to, and what to do about them."""
    found = checked.findings
    lost = found[(found["fate"] == "Left out") & ~found["kind"].isin(list(checked.repairs()))].dropna(subset="kind")
    lines = [
        f"Left out: {one['kind']}, {display.many(one['rows'], 'row')}, such as row {one['row']}: "
        f"{one['written'] or '(nothing)'}. {display.shorten(one['advice'], 200)}"
        for one in lost.to_dict("records")
    ]
    return markup.line("\n".join(lines)) if lines else ""
