"""What forms are put together from: labelled controls, rows that wrap, and escaped pieces of HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets as w

from clicknb import display
from clicknb.frames import WORDS

if TYPE_CHECKING:
    import pandas as pd

    from clicknb.account import Account

Kind = Literal["error", "done", "note"]

WIDTH = "720px"
LIVE_FRAME = "3px solid #d32f2f"
CALM_FRAME = "1px solid var(--jp-border-color2, #9e9e9e)"

_UNSEEN = 9  # digits in a row that are masked outside columns of numbers
_LONGEST_LINE = 600
_COLOURS: dict[Kind, str] = {"error": "#d32f2f", "done": "#388e3c", "note": "#1976d2"}
_WORDS: dict[Kind, str] = {"error": "Error", "done": "Done", "note": "Note"}
_FONT = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;"
    "color:var(--jp-ui-font-color1,inherit);overflow-wrap:anywhere;white-space:pre-line"
)
_PLAIN = "tex2jax_ignore mathjax_ignore"  # Jupyter would typeset $...$ in a person's text as mathematics


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


# pieces of HTML


def safe(words: str) -> str:
    """Make a text fit to be shown: numbers in it masked, long lines shortened, HTML escaped; lines are kept."""
    lines = words.splitlines() or [""]
    return "\n".join(
        display.escape(display.shorten(display.mask_digits(line, _UNSEEN), _LONGEST_LINE)) for line in lines
    )


def line(words: str, *, strong: bool = False) -> str:
    """Write a line or paragraph."""
    weight = ";font-weight:600" if strong else ""
    return f'<div class="{_PLAIN}" style="{_FONT}{weight}">{safe(words)}</div>'


def heading(words: str) -> Any:
    """Make the heading of a part of a form."""
    place = html()
    place.value = (
        f'<div class="{_PLAIN}" role="heading" aria-level="3" style="{_FONT};font-size:15px;font-weight:600;'
        f'border-bottom:1px solid var(--jp-border-color2,#9e9e9e);margin:12px 0 4px 0">{safe(words)}</div>'
    )
    return place


def explained(counts: Mapping[str, int]) -> list[str]:
    """Say what the states mean that some messages are in, in a sentence each.

    Examples
    --------
    >>> explained({"planned": 2, "absent": 0})
    ['Planned: not sent yet.']
    """
    meant = {state: word.means for state, word in WORDS.items() if counts.get(state)}
    return [f"{state.capitalize()}: {means[0].lower()}{means[1:]}" for state, means in meant.items()]


def notice(kind: Kind, words: str) -> str:
    """Write something that stands out: what it is stands before it, so that colour is not needed.

    Examples
    --------
    >>> "<b>Error:</b> &lt;i&gt;" in notice("error", "<i>")
    True
    """
    role = "alert" if kind == "error" else "status"
    frame = f"border-left:4px solid {_COLOURS[kind]};padding:4px 10px;margin:4px 0"
    return f'<div class="{_PLAIN}" role="{role}" style="{_FONT};{frame}"><b>{_WORDS[kind]}:</b> {safe(words)}</div>'


def table(frame: pd.DataFrame, max_rows: int = 10) -> str:
    """Draw the first rows of a frame, masked and escaped; where it is too wide it scrolls and the page does not.

    Columns in which there is nothing are left out.
    """
    drawn = display.table(frame.dropna(axis="columns", how="all"), max_rows=max_rows)
    return f'<div style="width:0;min-width:100%;white-space:nowrap">{drawn}</div>'  # no wider than what is around it


def banner(account: Account | None) -> str:
    """Say which account a form works with, and whether its messages leave this machine."""
    if account is None:
        return line("Not connected yet.", strong=True)
    look, words = f"border:{CALM_FRAME}", "Nothing leaves this machine."
    if account.live:
        look = f"border:{LIVE_FRAME};background:#b71c1c;color:#ffffff"
        words = "Messages leave this machine and cost money."
    style = f"{_FONT};{look};border-radius:4px;padding:6px 10px;white-space:normal"
    return f'<div class="{_PLAIN}" style="{style}"><b>{safe(account.title)}.</b> {words}</div>'


def bubbles(parts: Sequence[str], sender: str) -> str:
    """Draw a text as a phone shows it, with a line of words where a new part begins.

    The text is shown whole, since it is what is being checked; everything is escaped.
    """
    phone = (
        "border:1px solid var(--jp-border-color2,#9e9e9e);border-radius:16px;padding:10px 12px;max-width:320px;"
        "box-sizing:border-box;background:var(--jp-layout-color2,transparent)"
    )
    bubble = (
        "background:#1565c0;color:#ffffff;border-radius:14px;padding:8px 12px;white-space:pre-wrap;"
        "overflow-wrap:anywhere;unicode-bidi:isolate;font-size:14px;line-height:1.4"
    )
    border = "font-size:11px;border-top:1px dashed #ffffff;margin:4px 0 2px 0;padding-top:2px"
    pieces = []
    for number, part in enumerate(parts, 1):
        if number > 1:
            pieces.append(f'<div style="{border}">part {number} of {len(parts)} begins here</div>')
        pieces.append(f"<span>{display.escape(part)}</span>")
    said = "".join(pieces) or "<i>Write a text to see it here.</i>"
    head = f'<div style="font-size:12px;margin-bottom:6px">From: {safe(sender or "the account’s usual sender")}</div>'
    return (
        f'<div class="{_PLAIN}" style="{_FONT};white-space:normal"><div style="{phone}">{head}'
        f'<div dir="auto" style="{bubble}">{said}</div></div></div>'
    )


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
