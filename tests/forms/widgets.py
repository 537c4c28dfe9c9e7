"""Look into a form without a browser: its controls, what it shows, and the markup it is made of."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from clicknb.simulator import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

OUR_TAGS = {"a", "b", "br", "dd", "div", "dl", "dt", "i", "img", "span", "table", "tbody", "td", "th", "thead", "tr"}
OUR_ATTRIBUTES = {"alt", "aria-level", "class", "dir", "download", "href", "role", "src", "style"}


def walk(view: Any) -> Iterator[Any]:
    """Every control of a form, in the order in which Tab comes to them."""
    yield view
    for child in getattr(view, "children", ()):
        yield from walk(child)


def visible(view: Any) -> Iterator[Any]:
    """The same without what is hidden."""
    if view.layout.display == "none":
        return
    yield view
    for child in getattr(view, "children", ()):
        yield from visible(child)


class Reader(HTMLParser):
    """The text of some HTML, and every tag and attribute in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append("!--")

    def unknown_decl(self, data: str) -> None:
        self.tags.append("![")


def shown(view: Any) -> str:
    """What the form says now, without what is written in its fields."""
    return "\n".join(Reader(each.value).text for each in visible(view) if isinstance(each, w.HTML))


def strange_markup(view: Any) -> list[str]:
    """Tags and attributes that no piece of a form is made of, such as those of a person's text."""
    found = []
    for each in walk(view):
        if isinstance(each, w.HTML):
            reader = Reader(each.value)
            found += [tag for tag in reader.tags if tag not in OUR_TAGS]
            found += [name for name, _ in reader.attributes if name not in OUR_ATTRIBUTES]
            sources = [str(value) for name, value in reader.attributes if name == "src"]
            found += [source for source in sources if not source.startswith("data:image/")]
            links = [str(value) for name, value in reader.attributes if name == "href"]
            found += [link for link in links if not link.startswith(("data:text/csv;", "data:application/vnd."))]
        elif getattr(each, "description_allow_html", False):
            found.append(f"{each.description} takes HTML")
    return found


def unlabelled(view: Any) -> list[str]:
    """Controls that a screen reader could not name."""
    inputs = (w.Text, w.Textarea, w.Dropdown, w.Checkbox, w.Button, w.ToggleButton, w.DatetimePicker, w.FileUpload)
    return [type(each).__name__ for each in walk(view) if isinstance(each, inputs) and not each.description.strip()]


class Hostile(Gateway):
    """A gateway whose refusals are markup."""

    payload = ""

    def answer(self, place, body, now):
        status, headers, content = super().answer(place, body, now)
        return status, headers, f"ERR: 114, {self.payload}\n".encode() if "sendmsg" in place else content
