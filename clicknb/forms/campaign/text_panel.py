"""The part of the Campaign form in which the text is written, or several to compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clicknb import display
from clicknb.forms.campaign.draft import VARIANTS
from clicknb.forms.campaign.people import People
from clicknb.forms.kit import controls, markup
from clicknb.forms.kit.form import Form

MOST_CHIPS = 16


class Texts:
    """A field for each variant of the text, and the columns of the table as buttons that go into it.

    Parameters
    ----------
    form
        Whose guard is used.
    changed
        Called when something was written.
    """

    def __init__(self, form: Form, changed: Callable[[], None]) -> None:
        self._form = form
        self._changed = changed
        self._people: People | None = None
        self.areas: dict[str, Any] = {}
        self.chips: dict[str, Any] = {}
        self.into = controls.choice("Columns go into", ["A"], width="150px")
        self.more = controls.button("Add a text to compare")
        self.fewer = controls.button("Remove the last text")
        form.on_click(self.more, self._add)
        form.on_click(self.fewer, self._remove)
        self._fields, self._row, self._said = controls.column(), controls.row(), controls.html()
        self.view = controls.column(self._fields, self._said, self._row, controls.row(self.more, self.fewer))
        self.write((("A", ""),))

    def read(self) -> tuple[tuple[str, str], ...]:
        """Give the name and the text of each variant."""
        return tuple((name, area.value) for name, area in self.areas.items())

    def write(self, texts: tuple[tuple[str, str], ...]) -> None:
        """Show these variants."""
        alone = len(texts) == 1
        self.areas = {}
        for name, text in texts:
            area = controls.area("Text" if alone else f"Text {name}", placeholder="Hi {name}, …", rows=4)
            area.value = text
            self._form.on_change(area, self._noting(name))
            self.areas[name] = area
        self._fields.children = tuple(self.areas.values())
        self.into.options = list(self.areas)
        controls.show(self.into, not alone)
        controls.show(self.fewer, not alone)

    def show(self, people: People | None) -> None:
        """Offer the columns of a table."""
        self._form.enable(self.more, len(self.areas) < len(VARIANTS))
        if people is self._people:
            return
        self._people = people
        marks = {} if people is None else people.chips
        self.chips = {name: self._chip(mark) for name, mark in list(marks.items())[:MOST_CHIPS]}
        left = len(marks) - len(self.chips)
        more = f" There are {left:,} more columns: write their names in braces." if left else ""
        said = "Insert a column at the end of the text; each person gets their own."
        self._said.value = markup.line(f"{said}{more}") if marks else ""
        self._row.children = (self.into, *self.chips.values())

    def _chip(self, mark: str) -> Any:
        chip = controls.button(display.shorten(mark, 40))
        chip.layout.min_width, chip.layout.max_width = "0", "100%"
        self._form.on_click(chip, lambda: self._insert(mark))
        return chip

    def _insert(self, mark: str) -> None:
        area = self.areas[self.into.value]
        apart = area.value and not area.value[-1].isspace() and area.value[-1] not in "([{\"'-/"
        area.value += f" {mark}" if apart else mark

    def _noting(self, name: str) -> Callable[[], None]:
        def noted() -> None:
            self.into.value = name
            self._changed()

        return noted

    def _add(self) -> None:
        texts = self.read()
        name = next(one for one in VARIANTS if one not in self.areas)
        self.write((*texts, (name, texts[-1][1])))
        self._changed()

    def _remove(self) -> None:
        self.write(self.read()[:-1])
        self._changed()
