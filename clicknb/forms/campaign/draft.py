"""A campaign being written: what is wrong with it, what it says to whom, the code that plans it. Knows no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import pandas as pd

from clicknb import checks
from clicknb.account import Account
from clicknb.campaign.options import Mode, Options
from clicknb.campaign.plan import Plan
from clicknb.errors import InvalidInput
from clicknb.forms.campaign.people import People
from clicknb.forms.kit import snippet
from clicknb.hours.decide import Hours
from clicknb.messages.parts import parts
from clicknb.messages.substitution import substitute
from clicknb.messages.template import Template

VARIANTS = "ABCDEFGH"

_USUAL = Options(name="x", to="x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a campaign shall be, besides its table.

    Parameters
    ----------
    texts
        Name and template of each variant; the name does not count where there is one.
    budget
        As it was written.
    seed, prices, max_credits
        Those of a plan that the form was opened with; it has no controls for them.
    name, to, country, sender, zone, hours, outside, max_parts, substitute, mode, refuse
        As in ``Account.plan``; what is empty is not given.

    Examples
    --------
    >>> people = People.of(pd.DataFrame({"mobile": ["447700900123"], "name": ["Ann"]}), "people")
    >>> recipe = Recipe(name="greeting", to="mobile", texts=(("A", "Hi {name}"),))
    >>> recipe.problems(people)
    []
    >>> Recipe(name="greeting", to="mobile", texts=(("A", "Hi {nmae}"),)).problems(people)
    ["The text needs the column 'nmae', which the table lacks."]
    """

    name: str = ""
    to: str = ""
    texts: tuple[tuple[str, str], ...] = (("A", ""),)
    country: str = ""
    sender: str = ""
    zone: str = ""
    hours: str | Hours | None = None
    outside: str = "refuse"
    max_parts: int = _USUAL.max_parts
    budget: str = ""
    substitute: bool = False
    mode: Mode = "each"
    refuse: tuple[str, ...] = ()
    seed: int = 0
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    max_credits: Decimal | None = None

    @classmethod
    def of(cls, plan: Plan) -> Recipe:
        """Read what a plan was made with."""
        options = plan.options
        same = ("name", "to", "sender", "hours", "outside", "max_parts", "substitute", "mode", "refuse", "seed")
        return cls(
            texts=tuple(options.variants.items()) or (("A", options.text),),
            country=options.country or "",
            zone=options.zone or "",
            budget="" if options.budget is None else f"{options.budget.normalize():f}",
            prices=options.prices,
            max_credits=options.max_credits,
            **{name: getattr(options, name) for name in same},
        )

    # whether it can be planned

    def problems(self, people: People | None) -> list[str]:
        """Say what stands in the way of a plan, in the order of the form."""
        if people is None:
            return ["Choose a table, or upload one."]
        found = [] if self.to in people.columns else ["Choose the column with the numbers."]
        found += [said for said in (_refusal(checks.country, self.country.strip() or None),) if said]
        for name, text in self.texts:
            called = f"Text {name}" if len(self.texts) > 1 else "The text"
            found += _text_problems(called, text, people)
        if not self.name.strip():
            found.append("Give the campaign a name.")
        if self._credits() == -1:
            found.append("Write the budget as a number of credits, such as 50, or leave it empty.")
        elif not found and (said := _refusal(lambda given: Options.checked(**{"text": None, **given}), self.options())):
            found.append(said)
        return found

    def _credits(self) -> Decimal | None:
        """Read the budget: None if it is empty, -1 if it is no number."""
        written = self.budget.strip().replace(" ", "")
        if not written:
            return None
        try:
            return checks.amount("budget", Decimal(written))
        except (InvalidOperation, InvalidInput):
            return Decimal(-1)

    def options(self) -> dict[str, Any]:
        """Write what differs from the usual as the options of ``Account.plan``."""
        texts = {"variants": dict(self.texts)} if len(self.texts) > 1 else {"text": self.texts[0][1]}
        given: dict[str, Any] = {"to": self.to, **texts, "name": self.name.strip()}
        rest = {
            "country": self.country.strip() or None,
            "sender": self.sender.strip(),
            "seed": self.seed if len(self.texts) > 1 else 0,
            "substitute": self.substitute,
            "refuse": list(self.refuse),
            "hours": self.hours,
            "outside": self.outside if self.hours else "refuse",
            "zone": (self.zone or None) if self.hours else None,
            "max_parts": self.max_parts,
            "prices": dict(self.prices),
            "budget": self._credits(),
            "max_credits": self.max_credits,
            "mode": self.mode,
        }
        usual = {**{name: getattr(_USUAL, name) for name in rest}, "refuse": [], "prices": {}}
        return given | {name: value for name, value in rest.items() if value != usual[name]}

    # what it says

    def sample(self, people: People) -> pd.DataFrame:
        """Write the texts for some rows, to look at while they are being written.

        Returns
        -------
        pandas.DataFrame
            One row per row of the sample and variant: ``read_as``, ``variant``, ``text``, ``encoding``, ``parts``,
            ``problem``.
        """
        rows = people.sample
        written = []
        for name, text in self.texts:
            texts, problems = Template(text).render(rows)
            texts = substitute(texts) if self.substitute else texts
            counted = parts(texts)[["encoding", "parts"]]
            variant = name if len(self.texts) > 1 else ""
            written.append(counted.assign(text=texts, problem=problems, variant=variant, read_as=rows[self.to]))
        return pd.concat(written)

    # what it does

    def plan(self, account: Account, people: People) -> Plan:
        """Work out what the campaign will send and cost.

        Raises
        ------
        InvalidInput
            Something stands in the way; nothing was sent.
        """
        if problems := self.problems(people):
            checks.refuse(" ".join(problems), "Correct it and check again.")
        return account.plan(people.frame, **self.options())

    def code(self, account: Account | None, people: People, token: str = "") -> str:
        """Write the Python that plans and sends the same, without secrets; a live account needs the plan's token."""
        options = {name: _plain(value) for name, value in self.options().items()}
        options |= {"hours": _hours(self.hours)} if isinstance(self.hours, Hours) else {}
        lines = [*people.code(), f"plan = {snippet.call('sms.plan', [snippet.Raw(people.variable)], options)}"]
        confirm = {"confirm": token} if account is not None and account.live and token else {}
        return snippet.program(account, [], [*lines, f"campaign = {snippet.call('plan.send', [], confirm)}"])


def worst(rows: pd.DataFrame, count: int, skip: int = 0) -> pd.DataFrame:
    """Choose the texts to look at first: most parts, then Unicode, then the longest; each text once."""
    good = rows[rows["problem"].isna()]
    order = good.assign(unicode=good["encoding"] == "ucs2", length=good["text"].str.len())
    chosen = order.drop_duplicates("text").sort_values(["parts", "unicode", "length"], ascending=False, kind="stable")
    return chosen.iloc[skip : skip + count]


def _refusal(check: Any, value: Any) -> str:
    try:
        check(value)
    except InvalidInput as error:
        return str(error)
    return ""


def _text_problems(called: str, text: str, people: People) -> list[str]:
    if not text.strip():
        return [f"{called} is empty: write it." if called != "The text" else "Write the text."]
    try:
        columns = Template(text).columns
    except InvalidInput as error:
        return [str(error)]
    return [
        f"{called} needs the column {column!r}, which the table lacks."
        for column in columns
        if column not in people.columns
    ]


def _plain(value: Any) -> Any:
    """Write amounts as the numbers that somebody would type."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return snippet.Raw(f"{value.normalize():f}") if isinstance(value, Decimal) else value


def _hours(hours: Hours) -> snippet.Raw:
    holidays = {"holidays": hours.holidays} if hours.holidays else {}
    return snippet.Raw(snippet.call("cn.Hours", [hours.name, dict(hours.week)], holidays))
