"""The part of the Campaign form in which a table is chosen or uploaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from clicknb.errors import InvalidInput
from clicknb.forms.campaign.people import People, of_the_notebook
from clicknb.forms.kit import controls, markup
from clicknb.forms.kit.form import Form
from clicknb.forms.kit.tasks import Task

NONE = "Choose a table"

_FIRST = 3


class Chooser:
    """A list of tables: the DataFrames of the notebook, and what is uploaded.

    Parameters
    ----------
    form
        Whose guard and thread are used.
    chosen
        Called when another table was chosen.
    given
        A table to begin with.
    """

    def __init__(self, form: Form, chosen: Callable[[], None], given: pd.DataFrame | None) -> None:
        self._form = form
        self._chosen = chosen
        self._known: dict[str, People] = {}
        self._frames: dict[str, pd.DataFrame] = {}
        self._refused = ""
        self.people: People | None = None
        self.table = controls.choice("Table of people", [NONE], width="300px")
        self.again = controls.button("Look for tables again")
        self.upload = controls.upload("Upload CSV or Excel", ".csv,.tsv,.txt,.xlsx,.xlsm,.xlsb,.xls,.ods")
        self._facts = controls.html()
        self.view = controls.column(controls.row(self.table, self.again, self.upload), self._facts)
        form.on_change(self.table, self._choose)
        form.on_change(self.upload, self._take)
        form.on_click(self.again, self._look)
        self._look()
        if given is not None:
            self._add(People.of(given, _name_of(given, self._frames)))

    def _look(self) -> None:
        """Find the tables of the notebook; what is chosen stays chosen."""
        self._frames = of_the_notebook()
        self._list()

    def _list(self) -> None:
        names = list(dict.fromkeys([NONE, *self._frames, *self._known]))
        chosen = self.table.value
        if names != list(self.table.options):
            self.table.options = names
            self.table.value = chosen if chosen in names else NONE
        controls.show(self.again, bool(self._frames))

    def _add(self, people: People) -> None:
        """Put a table on the list, and choose it."""
        self._known[people.name] = people
        self._list()
        if self.table.value == people.name:
            self._choose()
        self.table.value = people.name

    def _choose(self) -> None:
        name, self._refused = self.table.value, ""
        found = self._known.get(name)
        frame = self._frames.get(name)
        if frame is not None and (found is None or (not found.file and found.frame is not frame)):
            found = self._known[name] = People.of(frame, name)
        if found is not self.people:
            self.people = found
            self._chosen()

    def _take(self) -> None:
        """Read an uploaded file; its content does not stay in the control, which is saved with the notebook."""
        if not (files := self.upload.value):
            return
        name, content = str(files[0]["name"]), bytes(files[0]["content"])
        self.upload.value = ()

        def read(_: Task) -> People:
            try:
                return People.read(content, name)
            except InvalidInput as error:
                self._refused = f"{name}: {error}"
                raise

        self._refused = ""
        self._form.run(read, self._add, says=f"Reading {name} …")

    def show(self) -> None:
        """Show the first rows of what was chosen."""
        refused = markup.notice("error", self._refused) if self._refused else ""
        if self.people is None:
            said = "No table yet: its first line names the columns, each other line a person."
            self._facts.value = refused + markup.line(said)
            return
        rows, columns = self.people.frame.shape
        said = f"{rows:,} rows, {columns:,} columns. The first of them, with numbers hidden:"
        notes = "".join(markup.notice("note", words) for words in self.people.notes)
        self._facts.value = refused + notes + markup.line(said) + markup.table(self.people.frame.head(_FIRST))


def _name_of(frame: pd.DataFrame, known: dict[str, pd.DataFrame]) -> str:
    """Find what the notebook calls a table."""
    return next((name for name, one in known.items() if one is frame), "people")


def labels(columns: list[str], nothing: str) -> list[tuple[str, Any]]:
    """Write columns as choices, and what it means to choose none."""
    return [(nothing, ""), *((name, name) for name in columns)]
