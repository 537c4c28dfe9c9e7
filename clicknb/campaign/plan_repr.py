"""What a plan says at a glance: what would leave, what it costs, who is left out and why, and what to look at first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from clicknb import display, frames
from clicknb.display import many
from clicknb.gateway.limits import LIST_SIZE
from clicknb.hours.decide import PRESETS, Hours, rules_for
from clicknb.kinds import DUPLICATE, REPAIRS
from clicknb.recipients.notes import notes_of
from clicknb.recipients.numbers import reserved

if TYPE_CHECKING:
    from clicknb.campaign.plan import Plan

_REASONS = 6
"""How many reasons for leaving rows out are shown."""

_SAMPLE = 3


def text(plan: Plan) -> str:
    """Write a plan as lines of text."""
    head = display.lines(f"Plan {plan.name}", facts(plan))
    looks = [("-", warning) for warning in plan.warnings]
    return f"{head}\n{display.lines('Look at', looks, _note(plan)) if looks else display.lines(_note(plan), [])}"


def html(plan: Plan) -> str:
    """Draw a plan as a panel: facts, warnings, the first rows as they would leave."""
    rows = plan.to_send
    longest = rows.sort_values("parts", ascending=False, kind="stable").head(_SAMPLE)
    sample = longest[["to", "country", "text", "encoding", "parts", "credits_low"]]
    warned = [("look at" if place == 0 else "", warning) for place, warning in enumerate(plan.warnings)]
    several = plan.countries.dropna(axis="columns", how="all")
    return display.panel(
        f"Plan {plan.name}",
        [*facts(plan), *warned],
        _note(plan),
        *([several] if len(several) > 1 else []),
        sample,
    )


def countries(rows: pd.DataFrame) -> pd.DataFrame:
    """Add up what goes to each country, the dearest first, columns as in ``frames.COUNTRIES``."""
    sums = rows.assign(messages=1, priced=rows["credits_low"].notna()).groupby("country", sort=True)
    found = sums[["messages", "parts"]].sum()
    for column in ("credits_low", "credits_high"):
        found[column] = sums[column].sum(min_count=1)
    found["without_price"] = found["messages"] - sums["priced"].sum()
    ordered = found.sort_values("credits_low", ascending=False, kind="stable").reset_index()
    return frames.build(frames.COUNTRIES, ordered)


class PlanWarning(NamedTuple):
    """What one should know before a plan is sent.

    Attributes
    ----------
    kind
        ``budget``, ``balance``, ``table``, ``guess``, ``unicode``, ``texts``, ``sender``, ``registered``, ``hours``,
        ``reserved``.
    text
        The words for somebody who writes code.
    without_code
        The words for somebody who sees a form, where others are needed.
    """

    kind: str
    text: str
    without_code: str = ""

    @property
    def plain(self) -> str:
        """The words for somebody who sees a form."""
        return self.without_code or self.text


def warnings(plan: Plan) -> Iterator[PlanWarning]:
    """Say what one should know before a plan is sent."""
    rows, options = plan.to_send, plan.options
    yield from _cost_warning(plan)
    for _, words in notes_of(plan.people):
        yield PlanWarning("table", words)
    if guesses := int((rows["sure"] == "guess").sum()):
        said = f"{many(guesses, 'number')} could be read in another way too: see"
        yield PlanWarning("guess", f"{said} plan.doctor().", f"{said} the rows above.")
    yield from _unicode_warning(plan)
    yield from _lint_warning(plan)
    if len(rows) and not options.sender:
        yield PlanWarning("sender", "No sender ID is set: recipients see whatever number the gateway chooses.")
    northern = int(rows["to"].str.startswith("1").sum())
    if northern and not options.sender.isdecimal():
        said = (
            f"{many(northern, 'number')} in North America (+1): networks there block what does not come from a "
            "two-way number that is registered with them, so give that number as sender."
        )
        yield PlanWarning("registered", said)
    if options.hours is None:
        yield from _hours_warning(rows)
    if plan.live and (tests := sum(reserved(to) is not None for to in rows["to"])):
        said = f"{many(tests, 'number')} reserved for tests: they belong to nobody, but cost money on this account."
        yield PlanWarning("reserved", said)


def _unicode_warning(plan: Plan) -> Iterator[PlanWarning]:
    """Say what characters outside the GSM alphabet cost, and what plain ones in their place would save."""
    found = plan.saving
    if not found.parts_added:
        return
    added = many(found.parts_added, "part")
    said = f"{many(found.rows, 'text')} with characters that force Unicode, which adds {added}"
    if not found.parts_saved:
        yield PlanWarning("unicode", f"{said}; see plan.autopsy().", f"{said}; see the table below.")
        return
    credits = f" and {display.credits(found.credits_saved)}" if found.credits_saved else ""
    saves = f"would save {many(found.parts_saved, 'part')}{credits}, see"
    yield PlanWarning(
        "unicode",
        f"{said}; substitute=True {saves} plan.autopsy().",
        f"{said}; replacing them {saves} the table below.",
    )


def _lint_warning(plan: Plan) -> Iterator[PlanWarning]:
    """Say the gravest of what a careful colleague would mention about the texts."""
    found = plan.lint()
    if found.empty:
        return
    more = f" And {len(found) - 1:,} more: see plan.lint()." if len(found) > 1 else ""
    yield PlanWarning("texts", f"The texts: {found['what'].iloc[0]}{more}")


def _hours_warning(rows: pd.DataFrame) -> Iterator[PlanWarning]:
    """Name the countries that have rules of contact times, where none were asked for."""
    for country, name in rules_for(rows["country"].dropna().unique()).items():
        if PRESETS[name].law:
            count = int((rows["country"] == country).sum())
            said = f"{many(count, 'number')} in {country}, whose law limits the hours of advertising:"
            option = f'hours="{name}"'
            yield PlanWarning("hours", f"{said} {option} keeps to it.", f"{said} the hours of {name} above keep to it.")


def _cost_warning(plan: Plan) -> Iterator[PlanWarning]:
    if words := plan.overspends:
        yield PlanWarning("budget", f"It {words}, so it will not be sent.")
        return
    cost = plan.new["credits_low"].sum()
    if plan.balance is not None and cost > plan.balance:
        balance = display.credits(plan.balance)
        yield PlanWarning("balance", f"The balance of {balance} does not pay for it: top up, or it stops half-way.")


def facts(plan: Plan) -> list[tuple[str, str]]:
    """Say in figures what would leave, who is left out, and what it costs."""
    rows = plan.new
    before = len(plan.to_send) - len(rows)
    found = [("to send", f"{len(rows):,}"), *_left_out(plan)]
    if before:
        found.append(("sent before", f"{before:,}"))
    found.append(("parts", f"{int(rows['parts'].sum()):,}"))
    found += _cost(rows)
    if plan.options.budget is not None:
        found.append(("budget", display.credits(plan.options.budget)))
    if plan.options.variants:
        shares = rows["variant"].value_counts(sort=False)
        found.append(("variants", ", ".join(f"{name} {shares.get(name, 0):,}" for name in plan.options.variants)))
    if plan.options.hours is not None:
        found.append(("quiet hours", _hours(plan)))
    if plan.options.mode == "list":
        found.append(("requests", f"{rows['text'].nunique():,} texts, up to {LIST_SIZE} numbers a request"))
    if plan.balance is not None:
        found.append(("balance", display.credits(plan.balance)))
        left = float(plan.balance) - float(rows["credits_low"].sum())
        found.append(("balance after", f"at most {display.credits(left)}" if left >= 0 else "not enough credit"))
    return [*found, ("token", plan.token)]


def _hours(plan: Plan) -> str:
    hours, outside = plan.options.hours, plan.options.outside
    name = hours.name if isinstance(hours, Hours) else hours
    later = {
        "refuse": "outside of them nobody is written to",
        "schedule": "outside of them the gateway holds a message",
    }
    return f"{name}; {later.get(outside, 'outside of them a message waits')}"


def _left_out(plan: Plan) -> list[tuple[str, str]]:
    """Count who is left out: refused with the commonest reasons, and duplicates."""
    reasons = left_out_by_kind(plan.frame)
    duplicates = reasons.pop(DUPLICATE, 0)
    found = [("refused", f"{sum(reasons.values()):,}")]
    if reasons:
        more = [f"{len(reasons) - _REASONS:,} more reasons"] if len(reasons) > _REASONS else []
        said = [f"{count:,} × {reason}" for reason, count in islice(reasons.items(), _REASONS)]
        found.append(("- why", "; ".join([*said, *more])))
    return [*found, ("duplicates", f"{duplicates:,}")]


def left_out_by_kind(rows: pd.DataFrame) -> dict[str, int]:
    """Count the rows that are left out by their kind, the most frequent first."""
    kinds = rows.loc[rows["problem"].notna(), "kind"]
    named = kinds.map({kind: f"{kind} (refused as asked)" for kind in REPAIRS}).fillna(kinds)
    return {str(kind): int(count) for kind, count in named.value_counts(sort=True).items()}


def _cost(rows: pd.DataFrame) -> list[tuple[str, str]]:
    priced = rows["credits_low"].dropna()
    if not len(rows):
        return [("cost", display.credits(0))]
    highest = rows["credits_high"]
    if not len(priced):
        most = f"at most {display.credits(float(highest.sum()))} if all are accepted"
        return [("cost", most if highest.notna().all() else "not known: no prices")]
    least = display.credits(float(priced.sum()))
    if not highest.notna().all():
        cost = f"at least {least}"
    elif highest.sum() > priced.sum():
        cost = f"{least} to {display.credits(float(highest.sum()))}"
    else:
        cost = least
    unpriced = len(rows) - len(priced)
    return [("cost", f"{cost} if all are accepted"), *([("without a price", f"{unpriced:,}")] if unpriced else [])]


def _note(plan: Plan) -> str:
    call = f'plan.send(confirm="{plan.token}")' if plan.live else "plan.send()"
    how = f"Nothing has been sent. {call} sends it."
    if plan.options.mode == "list":
        return f"{how} If the reply to a request is lost, all its numbers are in doubt together."
    return how
