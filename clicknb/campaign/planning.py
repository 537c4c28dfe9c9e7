"""Works out every row's fate and price: people, doctor, template, parts, prices, plan; and that of one message.

A plan goes through the rules column by column, since it may have 100,000 rows; one message goes through the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from clicknb import frames
from clicknb.campaign import pricing, variants
from clicknb.campaign.context import Context
from clicknb.campaign.options import Options
from clicknb.campaign.recording import row_keys
from clicknb.cells import as_text, require_columns
from clicknb.gateway.limits import FARTHEST
from clicknb.hours import decide, zones
from clicknb.kinds import SUPPRESSED
from clicknb.ledger import suppression
from clicknb.messages.characters import LONE_SURROGATE
from clicknb.messages.parts import Encoding, measure, parts
from clicknb.messages.substitution import substitute
from clicknb.messages.template import Field, Template
from clicknb.recipients import doctor
from clicknb.recipients.numbers import typed


class WorkedOut(NamedTuple):
    """What a plan consists of, see ``clicknb.campaign.plan.Plan``."""

    frame: pd.DataFrame
    written: pd.Series[str]
    zones: pd.Series[Any] | None
    balance: Decimal | None


def work_out(context: Context, people: pd.DataFrame, options: Options) -> WorkedOut:
    """Work out every row's fate and its price; see ``Account.plan``."""
    plan = doctor.doctor(people, to=options.to, country=options.country, refuse=options.refuse).reset_index(drop=True)
    plan["row"] = range(len(people))
    barred = _bars(context, options.sender)
    _refuse(plan, [barred(to) if isinstance(to, str) else None for to in plan["to"].tolist()])
    _write(context, plan, people.reset_index(drop=True), options)
    _measure(plan, options.max_parts)
    places = _observe_hours(context, plan, people.reset_index(drop=True), options)
    balance = pricing.price(context, plan, options.prices)
    shown = frames.build(frames.PLAN, plan, people.index)
    written = plan["written"].set_axis(people.index)
    return WorkedOut(shown, written, places, balance)


class Single(NamedTuple):
    """What one message would be, or the ``problem`` that keeps it from being sent."""

    to: str | None
    country: str | None
    text: str
    encoding: Encoding
    parts: int
    problem: str | None


_TEXT = Field("text", "", None, str)
"""What is written of one message: a template of nothing but this."""


def make_one(context: Context, to: str, text: str, options: Options) -> Single:
    """Work out the fate of one message, as ``work_out`` does for a table of one row and the template ``{text}``."""
    verdict = typed(to if to.strip() else "", options.country, doctor.check_repairs(options.refuse))
    barred = _bars(context, options.sender)(verdict.to) if verdict.to else None
    written, unwritten = _TEXT.write(text if text.strip() else math.nan)
    broken = _broken(written)
    kept = "" if broken else written
    said = substitute(kept) if options.substitute else kept
    measured = measure(said)
    too_long = _too_long(measured.parts, options.max_parts)
    read = Problem(verdict.kind or "", verdict.problem) if verdict.problem else None
    problems = (read, barred, broken, _said("unfit cell", unwritten), _empty(said), too_long)
    problem = next(filter(None, problems), None)
    words = problem.words if problem else None
    return Single(verdict.to, verdict.country, said, measured.encoding, measured.parts, words)


# the rules, each for one message: why it cannot be sent, or None


class Problem(NamedTuple):
    """Why a message cannot be sent: a kind of ``kinds.KINDS``, and the words for it."""

    kind: str
    words: str


def _bars(context: Context, sender: str) -> Callable[[str], Problem | None]:
    """Give the rule for whom nobody may write to: who is not on the account's allow list, or suppressed."""
    suppressed = suppression.read(context.ledger)

    def barred(to: str) -> Problem | None:
        if context.allow is not None and to not in context.allow:
            return Problem("not allowed", "not on the account's allow list")
        reason = suppressed.reason(to, sender)
        return Problem(SUPPRESSED, reason) if reason else None

    return barred


def _broken(text: str) -> Problem | None:
    """Leave out a text with half a surrogate pair, as whoever cuts an emoji in two leaves it: nobody can send that."""
    words = "the text holds half of a broken emoji: delete it or write it again"
    return Problem("broken emoji", words) if LONE_SURROGATE.search(text) else None


def _said(kind: str, words: object) -> Problem | None:
    """Leave out what others have found a problem with; what is not a str, or empty, says of none."""
    return Problem(kind, words) if isinstance(words, str) and words else None


def _empty(text: str) -> Problem | None:
    return None if text.strip() else Problem("empty text", "the text is empty")


def _too_long(parts: int, most: int) -> Problem | None:
    return Problem("too many parts", f"needs {parts} parts, but max_parts is {most}") if parts > most else None


def _refuse(plan: pd.DataFrame, problems: Iterable[Problem | None]) -> None:
    """Give rows a problem where they have none yet."""
    fresh = zip(plan["problem"].isna().tolist(), problems, strict=True)
    found = {place: problem for place, (free, problem) in enumerate(fresh) if free and problem}
    if found:
        rows = plan.index[list(found)]
        plan.loc[rows, "kind"] = [problem.kind for problem in found.values()]
        plan.loc[rows, "problem"] = [problem.words for problem in found.values()]


def _observe_hours(
    context: Context, plan: pd.DataFrame, people: pd.DataFrame, options: Options
) -> pd.Series[Any] | None:
    """Leave out whom it is too early or too late for by their own clocks; returns the zones that were given."""
    if options.hours is None:
        return None
    given = None
    if options.zone is not None:
        require_columns(people, [options.zone], purpose="The quiet hours")
        given = as_text(people[options.zone])
    now = context.clock.now()
    rows = plan["problem"].isna()
    decided = decide.decisions(options.hours, plan["to"].where(rows), plan["country"], now, zones=given)
    plan["local_time"] = decided["local_time"]
    words = decide.problems(decided, now, options.outside, holds=FARTHEST).where(rows).tolist()
    kinds = decided["zone"].isna().map({True: "no zone", False: "outside hours"}).tolist()
    _refuse(plan, map(_said, kinds, words))
    return None if given is None else given.map(zones.read_zone, na_action="ignore")


def _write(context: Context, plan: pd.DataFrame, people: pd.DataFrame, options: Options) -> None:
    """Write each row's text, by its variant where there are some."""
    written = [Template(text).render(people.loc[rows]) for text, rows in _shares(context, plan, options)]
    texts, problems = (pd.concat(pieces).reindex(plan.index) for pieces in zip(*written, strict=True))
    plan["written"] = texts.fillna("")
    broken = list(map(_broken, plan["written"].tolist()))  # which nothing else can read
    plan["written"] = plan["written"].mask(pd.Series(broken, plan.index, dtype="object").notna(), "")
    _refuse(plan, broken)
    plan["text"] = substitute(plan["written"]) if options.substitute else plan["written"]
    _refuse(plan, map(partial(_said, "unfit cell"), problems.tolist()))
    _refuse(plan, map(_empty, plan["text"].tolist()))


def _shares(context: Context, plan: pd.DataFrame, options: Options) -> list[tuple[str, pd.Index[Any]]]:
    """Tell which rows get which template, and note the variant of each row that can be sent."""
    if not options.variants:
        return [(options.text, plan.index)]
    rows = plan[plan["problem"].isna()]
    campaign_id = context.ledger.campaign_id(options.name)
    recorded = {} if campaign_id is None else context.ledger.variants(campaign_id)
    keys = row_keys(rows["to"].tolist())
    dealt = variants.assign(keys, list(options.variants), seed=options.seed, recorded=recorded)
    given = pd.Series([dealt[key] for key in keys], rows.index, dtype="str")
    plan["variant"] = given.reindex(plan.index)
    return [(text, given.index[given == name]) for name, text in options.variants.items()]


def _measure(plan: pd.DataFrame, max_parts: int) -> None:
    measured = parts(plan["text"])
    plan["encoding"] = measured["encoding"].where(plan["problem"].isna())
    _refuse(plan, [_too_long(count, max_parts) for count in measured["parts"].tolist()])
    for column in ("parts", "parts_high"):
        plan[column] = measured[column].where(plan["problem"].isna())
