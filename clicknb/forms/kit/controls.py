"""What forms are put together from: labelled controls, and rows that wrap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from clicknb.forms.kit import markup

WIDTH = "720px"


class Panel(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Controls below each other; does not print what is in them, as a box would."""

    def __repr__(self) -> str:
        return "<Panel of a form>"


# layout


def column(*children: Any) -> Panel:
    """Put controls below each other, as wide as the page allows up to a width that reads well."""
    return Panel(children, layout=w.Layout(max_width=WIDTH, width="100%", overflow="visible", grid_gap="4px"))


def row(*children: Any, align: str = "flex-end") -> Any:
    """Put controls beside each other, their lower ends in line; on a narrow screen they wrap."""
    layout = w.Layout(flex_flow="row wrap", grid_gap="4px 12px", align_items=align, overflow="visible")
    return w.HBox(children, layout=layout)


def show(control: Any, wanted: bool) -> None:
    """Show or hide a control; a hidden one is left out when tabbing through."""
    control.layout.display = None if wanted else "none"


# controls; each has a label that is linked to it, above it so that it fits a narrow screen


def _above(width: str) -> dict[str, Any]:
    layout = w.Layout(flex_flow="column", align_items="stretch", width=width, height="auto", min_width="120px")
    return {"layout": layout, "style": {"description_width": "fit-content"}}


def text(label: str, *, placeholder: str = "", width: str = "220px", live: bool = True) -> Any:
    """Make a line to write in; ``live`` tells the program of every letter, else when the line is left."""
    return w.Text(description=label, placeholder=placeholder, continuous_update=live, **_above(width))


def password(label: str, *, width: str = "220px") -> Any:
    """Make a line for a secret. Its value must be emptied as soon as it arrives: it is kept wherever widgets are."""
    return w.Password(description=label, continuous_update=False, **_above(width))


def area(label: str, *, placeholder: str = "", rows: int = 3, live: bool = True) -> Any:
    """Make a field of several lines."""
    options = {"placeholder": placeholder, "rows": rows, "continuous_update": live}
    return w.Textarea(description=label, **options, **_above("auto"))


def choice(label: str, options: Sequence[Any], *, width: str = "220px") -> Any:
    """Make a list to choose one from."""
    control = w.Dropdown(description=label, options=options, **_above(width))
    control.layout.height = "60px"  # its list would grow downwards
    return control


def upload(label: str, accept: str) -> Any:
    """Make a button to upload a file; its content must be taken out at once: it is kept wherever widgets are."""
    return w.FileUpload(description=label, accept=accept, multiple=False, layout=w.Layout(width="auto"))


def moment(label: str, *, width: str = "220px") -> Any:
    """Make a field for a date with its time, in the reader's own zone; its value is aware, or None."""
    return w.DatetimePicker(description=label, **_above(width))


def tick(label: str) -> Any:
    """Make a box to tick."""
    layout = w.Layout(width="auto", max_width="100%")
    return w.Checkbox(description=label, indent=False, layout=layout)


def button(label: str, *, main: bool = False) -> Any:
    """Make a button; the main one of a form is filled."""
    style = "primary" if main else ""
    return w.Button(description=label, button_style=style, layout=w.Layout(width="auto", min_width="110px"))


def html() -> Any:
    """Make a place for HTML; what is put there must come from this module or ``clicknb.display``."""
    return w.HTML(layout=w.Layout(width="100%", margin="0", overflow="visible"))


def heading(words: str) -> Any:
    """Make a heading, also for screen readers."""
    place = html()
    place.value = markup.heading(words)
    return place


class Code:
    """The code that does what the form does: shown on demand, to be selected and copied.

    Core controls have neither a clipboard nor a field that can be read but not written, so what is written into it is
    taken back when the field is left.

    Attributes
    ----------
    view
        A button that shows and hides it, and the field.
    """

    def __init__(self, guard: Callable[[Callable[[], None]], Callable[..., None]], *above: Any) -> None:
        self._text = ""
        self._toggle = w.ToggleButton(description="Show the code", layout=w.Layout(width="140px"))
        self.area = area("Code that does the same (Ctrl+A and Ctrl+C copy it)", rows=8, live=False)
        self._body = column(*above, self.area)
        show(self._body, False)
        self._toggle.observe(guard(self._turn), names="value")
        self.area.observe(guard(self._restore), names="value")
        self.view = column(self._toggle, self._body)

    @property
    def text(self) -> str:
        """The code itself."""
        return self._text

    @text.setter
    def text(self, code: str) -> None:
        self._text = code
        self.area.rows = min(max(code.count("\n") + 2, 4), 24)
        self._restore()

    def _turn(self) -> None:
        opened = bool(self._toggle.value)
        self._toggle.description = "Hide the code" if opened else "Show the code"
        show(self._body, opened)

    def _restore(self) -> None:
        self.area.value = self._text
