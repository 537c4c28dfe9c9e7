"""What holds for every message of a plan, and how it is written where it must be read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from clicknb import checks
from clicknb.gateway.http.parameters import SendOptions, encode
from clicknb.gateway.limits import DEAREST, MOST_PARTS
from clicknb.hours import decide
from clicknb.hours.decide import Hours

Mode = Literal["each", "list"]

_FEWEST_VARIANTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What holds for every message of a plan.

    Attributes
    ----------
    to
        The column with the destination addresses.
    text
        The template; empty where there are variants.
    variants
        Name and template of each variant.
    seed
        What decides which row gets which variant.
    refuse
        Kinds of repair that the doctor shall refuse instead.
    prices
        The user's own prices: country or number prefix to credits a part.
    hours, outside, zone
        Quiet hours, what becomes of a message outside of them, and the column with the recipients' own zones.
    """

    name: str
    to: str
    text: str = field(default="", repr=False)
    sender: str = ""
    country: str | None = None
    max_parts: int = 3
    mode: Mode = "each"
    budget: Decimal | None = None
    max_credits: Decimal | None = None
    substitute: bool = False
    variants: Mapping[str, str] = field(default_factory=dict, repr=False)
    seed: int = 0
    refuse: tuple[str, ...] = ()
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    hours: str | Hours | None = None
    outside: str = "refuse"
    zone: str | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            checks.refuse("A campaign needs a name: it is how running a cell again is recognised.")
        if self.sender:
            encode({"sender": self.sender})

    @classmethod
    def checked(cls, **given: Any) -> Options:
        """Check options as a caller gave them.

        Raises
        ------
        InvalidInput
            One of them breaks a rule.
        """
        options = cls(**{name: _RULES[name](value) for name, value in given.items()})
        if "variants" in given and (given["text"] is None) == (given["variants"] is None):
            checks.refuse(
                "text must be a text, not None, or else variants must be given; not both.", "Pass one of them."
            )
        return options

    @property
    def rules(self) -> Rules:
        """What is observed when it is sent."""
        return Rules(self.hours, self.outside)

    @property
    def says(self) -> str:
        """What is said to everybody, before columns are filled in: with the name it makes a campaign."""
        return json.dumps([self.text, dict(self.variants)])

    def each(self, at: datetime | None = None) -> str:
        """Write what goes with each message as JSON, checked by the rules of the wire; ``at``: when it is delivered."""
        given: SendOptions = {}
        if at is not None:
            given["scheduled_time"] = at
        if self.max_credits is not None:
            given["max_credits"] = self.max_credits
        return json.dumps(encode(given))

    def token_content(self) -> dict[str, Any]:
        """Write what a plan's token covers besides its rows; prices are looked at again when it is sent."""
        return {
            "name": self.name,
            "sender": self.sender,
            "max_parts": self.max_parts,
            "mode": self.mode,
            "budget": str(self.budget),
            "max_credits": str(self.max_credits),
            "variants": list(self.variants),
            "seed": self.seed if self.variants else 0,
            "rules": self.rules.to_json(),
        }


def _variants(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) < _FEWEST_VARIANTS:
        checks.refuse(
            f"variants must be two or more texts by name, not {checks.described(value)}.",
            'Pass them as in {"A": "Book now", "B": "Your place is waiting"}.',
        )
    return {checks.line("a variant's name", name): checks.text("a variant", text) for name, text in value.items()}


def _prices(value: Any) -> dict[str, Decimal]:
    if not isinstance(value, Mapping):
        checks.refuse(f"prices must be credits by country or prefix, not {checks.described(value)}.", _PRICES)
    listed = {checks.text("a key of prices", key).strip().upper(): price for key, price in value.items()}
    if odd := [key for key in listed if not (key.isdecimal() or (key.isalpha() and len(key) == 2))]:  # noqa: PLR2004
        checks.refuse(f"prices has {checks.described(odd[0])}, which is no country and no prefix.", _PRICES)
    return {key: checks.amount(f"the price for {key}", price, DEAREST) for key, price in listed.items()}


_PRICES = 'Pass them as in {"GB": 0.9, "2782": 0.7}.'


def _kinds(value: Any) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
    return tuple(checks.text("refuse", kind) for kind in given)


def _known_hours(_: str, value: Any) -> str | Hours:
    decide.rule_for(value, None)
    return value if isinstance(value, Hours) else str(value)


_RULES: dict[str, Callable[[Any], Any]] = {
    "name": lambda value: checks.line("name", value),
    "to": lambda value: value,
    "text": lambda value: "" if value is None else checks.text("text", value),
    "sender": lambda value: checks.text("sender", value),
    "country": lambda value: checks.optional(checks.text, "country", value),
    "max_parts": lambda value: checks.whole("max_parts", value, 1, MOST_PARTS),
    "budget": lambda value: checks.optional(checks.amount, "budget", value),
    "max_credits": lambda value: checks.optional(checks.amount, "max_credits", value, DEAREST),
    "mode": lambda value: checks.choice("mode", value, get_args(Mode)),
    "substitute": lambda value: checks.flag("substitute", value),
    "variants": lambda value: {} if value is None else _variants(value),
    "seed": lambda value: checks.whole("seed", value),
    "refuse": _kinds,
    "prices": lambda value: {} if value is None else _prices(value),
    "hours": lambda value: checks.optional(_known_hours, "hours", value),
    "outside": lambda value: checks.choice("outside", value, decide.OUTSIDE),
    "zone": lambda value: checks.optional(checks.text, "zone", value),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a campaign observes when it is sent.

    Attributes
    ----------
    hours
        The quiet hours, see ``clicknb.hours.decide.rule_for``; None for none.
    outside
        What becomes of a message outside of them: ``"refuse"``, ``"schedule"`` or ``"wait"``.
    """

    hours: str | Hours | None = None
    outside: str = "refuse"

    def to_json(self) -> str:
        """Write the rules as JSON, for the ledger and for a plan's token."""
        hours: Any = self.hours
        if isinstance(hours, Hours):
            hours = {"name": hours.name, "week": dict(hours.week), "holidays": hours.holidays}
        return json.dumps({"hours": hours, "outside": self.outside} if hours else {})

    @classmethod
    def from_json(cls, written: str) -> Rules:
        """Read what ``to_json`` wrote."""
        stored = json.loads(written)
        hours = stored.get("hours")
        return cls(Hours(**hours) if isinstance(hours, dict) else hours, stored.get("outside", "refuse"))
