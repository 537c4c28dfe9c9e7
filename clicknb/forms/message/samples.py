"""One message as a raw call in sixteen languages, to copy.

The samples are data: ``clicknb/data/samples.toml`` has a template for each language and the few rules by which string
literals are written. A sample makes the request that clicknb itself would make, and reads the credentials from
environment variables or takes them as arguments, so that it can be shown and saved.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any

from clicknb import checks
from clicknb.gateway.address import check_base_url
from clicknb.gateway.http import wire
from clicknb.gateway.http.parameters import check_destination, encode, encode_text
from clicknb.messages.parts import measure

GATEWAY = "https://api.clickatell.com"


@dataclass(frozen=True, slots=True)
class Quoting:
    """How the string literals of a language are written; see ``samples.toml``."""

    quotes: tuple[str, str]
    escapes: Mapping[str, str]
    beyond_ascii: str = ""
    longest: int = 0
    join: str = ""

    def literal(self, text: str) -> str:
        """Write a text as a literal, or as several where it is too long for one."""
        size = self.longest or max(len(text), 1)
        pieces = [text[at : at + size] for at in range(0, max(len(text), 1), size)]
        begin, end = self.quotes
        return self.join.join(f"{begin}{''.join(map(self._written, piece))}{end}" for piece in pieces)

    def _written(self, character: str) -> str:
        if character in self.escapes:
            return self.escapes[character]
        return character if character.isascii() or not self.beyond_ascii else self.beyond_ascii.format(ord(character))


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What ``samples.toml`` says of a language.

    Attributes
    ----------
    title, file : str
        Its name, and a usual name for a file with the sample.
    run : tuple of str
        Commands that run the sample from ``{file}``; each begins with a program.
    needs : tuple of str
        Programs that it needs besides.
    call : str
        What to add to a sample that only defines a function, so that running it sends.
    """

    title: str
    file: str
    quoting: Quoting
    comment: str
    encoding: str
    parameter: str
    separator: str
    template: str
    run: tuple[str, ...]
    needs: tuple[str, ...] = ()
    call: str = ""


def languages() -> list[str]:
    """Name the languages, in the order of the gateway's documentation.

    Examples
    --------
    >>> languages()[:7]
    ['cURL', 'Bash', 'PHP', 'Ruby', 'Python', 'Perl', 'Node.js']
    """
    return list(_read()[0])


def language(title: str) -> Language:
    """Look up what is known of a language.

    Raises
    ------
    InvalidInput
        There is no sample in it.
    """
    known = _read()[0]
    if title not in known:
        checks.refuse(f"There is no sample in {checks.described(title)}.", f"There are {', '.join(known)}.")
    return known[title]


def render(
    title: str,
    *,
    to: str | Sequence[str],
    text: str,
    sender: str = "",
    scheduled_time: datetime | None = None,
    max_credits: float | None = None,
    base_url: str = GATEWAY,
) -> str:
    """Write the raw call that sends a message, in one of ``languages()``.

    Parameters
    ----------
    title
        The language.
    to
        Destination address or addresses: digits with the country code first.
    text
        What to say; it goes as windows-1252 or as UCS-2, in as many parts as it needs, as clicknb itself sends it.
    sender
        Sender ID.
    scheduled_time
        When to deliver, with its time zone; at once, unless given.
    max_credits
        The most that the message may cost.
    base_url
        Address of the gateway.

    Returns
    -------
    str
        The program, without secrets.

    Raises
    ------
    InvalidInput
        There is no such language, or a value cannot be sent.
    ConfigError
        The address is not that of a gateway.

    Examples
    --------
    >>> print(render("Python", to="447700900123", text="Café & more"))
    import os
    ...
        "api_id": os.environ["CLICKATELL_API_ID"],
        "to": "447700900123",
        "concat": "1",
        "text": "Café & more",
    }
    ...
    """
    chosen = language(title)
    most = checks.optional(checks.amount, "max_credits", max_credits)
    options = {"sender": sender or None, "scheduled_time": scheduled_time, "max_credits": most}
    values = _parameters([to] if isinstance(to, str) else to, text, options)
    literal = chosen.quoting.literal
    lines = [
        _filled(chosen.parameter, {"name": name, "value": literal(value), "pair": literal(_pair(name, value))})
        for name, value in values.items()
    ]
    notes = _read()[1]
    said = [notes["unicode" if "unicode" in values else chosen.encoding], notes["answer"]]
    places = {
        "url": literal(check_base_url(base_url) + wire.Request("sendmsg", {}).path),
        "notes": "\n".join(f"{chosen.comment} {note}" for note in said),
        "parameters": chosen.separator.join(lines),
    }
    return _filled(chosen.template, places)


def _parameters(to: Sequence[str], text: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Write a message as the parameters that a campaign sends (``clicknb.campaign.requests.parameters``)."""
    if not checks.text("text", text).strip():
        checks.refuse("The text is empty.", "Write one.")
    if not to:
        checks.refuse("There is no number.", "Give one at least.")
    addresses = {"to": ",".join(map(check_destination, to)), "concat": str(measure(text).parts)}
    return addresses | encode(options) | encode_text(text)


def _pair(name: str, value: str) -> str:
    return wire.Request("sendmsg", {name: value}).body.decode("ascii")


def _filled(template: str, places: Mapping[str, str]) -> str:
    """Put values in place of ``{{names}}``; what is put there is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: places[found[1]], template)


@lru_cache(maxsize=1)
def _read() -> tuple[dict[str, Language], dict[str, str]]:
    """Read the languages by title, and the notes."""
    raw = tomllib.loads((resources.files("clicknb") / "data" / "samples.toml").read_text(encoding="utf-8"))
    rules = {name: Quoting(**{**rule, "quotes": tuple(rule["quotes"])}) for name, rule in raw["quoting"].items()}
    known = {}
    for entry in raw["language"]:
        lists = {name: tuple(entry.get(name, ())) for name in ("run", "needs")}
        known[entry["title"]] = Language(**{**entry, **lists, "quoting": rules[entry["quoting"]]})
    return known, raw["notes"]
