"""Works out every row's fate and price: people, doctor, template, parts, prices, plan."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clicknb import frames
from clicknb.campaign import pricing, suppression, variants
from clicknb.campaign.options import Options
from clicknb.campaign.plan import Plan, row_keys
from clicknb.campaign.service import Service
from clicknb.messages import hours, recipients, zones
from clicknb.messages.cells import as_text, require_columns
from clicknb.messages.substitution import substitute
from clicknb.messages.template import Template
from clicknb.messages.text import parts


def make(service: Service, people: pd.DataFrame, options: Options, *, priced: bool = True) -> Plan:
    """Work out every row's fate and, unless told otherwise, its price; see ``Account.plan``."""
    plan = recipients.doctor(people, to=options.to, country=options.country, refuse=options.refuse).reset_index(
        drop=True
    )
    plan["row"] = range(len(people))
    if service.allow is not None:
        _refuse(plan, pd.Series("not on the account's allow list", plan.index).where(~plan["to"].isin(service.allow)))
    _suppress(service, plan, options.sender)
    _write(service, plan, people.reset_index(drop=True), options)
    _measure(plan, options.max_parts)
    places = _observe_hours(service, plan, people.reset_index(drop=True), options)
    balance = pricing.price(service, plan, options.prices) if priced else None
    shown = frames.build(frames.PLAN, plan, people.index)
    written = plan["written"].set_axis(people.index)
    return Plan(service, people, shown, options, balance=balance, written=written, zones=places)


def _refuse(plan: pd.DataFrame, problems: pd.Series[Any]) -> None:
    """Give rows a problem where they have none yet."""
    plan["problem"] = plan["problem"].where(plan["problem"].notna(), problems)


def _suppress(service: Service, plan: pd.DataFrame, sender: str) -> None:
    suppressed = suppression.read(service.ledger)
    if not suppressed.entries:
        return
    listed = plan["problem"].isna() & plan["to"].isin(suppressed.entries)
    reasons = [suppressed.reason(to, sender) for to in plan["to"].where(listed, "")]
    _refuse(plan, pd.Series(reasons, plan.index, dtype="str"))


def _observe_hours(
    service: Service, plan: pd.DataFrame, people: pd.DataFrame, options: Options
) -> pd.Series[Any] | None:
    """Leave out whom it is too early or too late for by their own clocks; returns the zones that were given."""
    if options.hours is None:
        return None
    given = None
    if options.zone is not None:
        require_columns(people, [options.zone], purpose="The quiet hours")
        given = as_text(people[options.zone])
    now = service.clock.now()
    rows = plan["problem"].isna()
    decided = hours.decisions(options.hours, plan["to"].where(rows), plan["country"], now, zones=given)
    plan["local_time"] = decided["local_time"]
    _refuse(plan, hours.problems(decided, now, options.outside).where(rows))
    return None if given is None else given.map(zones.read_zone, na_action="ignore")


def _write(service: Service, plan: pd.DataFrame, people: pd.DataFrame, options: Options) -> None:
    """Write each row's text, by its variant where there are some."""
    written = [Template(text).render(people.loc[rows]) for text, rows in _shares(service, plan, options)]
    texts, problems = (pd.concat(pieces).reindex(plan.index) for pieces in zip(*written, strict=True))
    plan["written"] = texts.fillna("")
    _refuse_broken(plan)
    plan["text"] = substitute(plan["written"]) if options.substitute else plan["written"]
    _refuse(plan, problems)
    _refuse(plan, pd.Series("the text is empty", plan.index).where(plan["text"].str.strip() == ""))


def _refuse_broken(plan: pd.DataFrame) -> None:
    """Leave out texts with half a surrogate pair, as whoever cuts an emoji in two leaves it: nobody can send that."""
    try:
        "".join(plan["written"]).encode()
    except UnicodeEncodeError:
        broken = plan["written"].map(lambda text: any("\ud800" <= char <= "\udfff" for char in text)).astype("bool")
        plan["written"] = plan["written"].mask(broken, "")
        problem = "the text holds half of a broken emoji: delete it or write it again"
        _refuse(plan, pd.Series(problem, plan.index).where(broken))


def _shares(service: Service, plan: pd.DataFrame, options: Options) -> list[tuple[str, pd.Index[Any]]]:
    """Tell which rows get which template, and note the variant of each row that can be sent."""
    if not options.variants:
        return [(options.text, plan.index)]
    rows = plan[plan["problem"].isna()]
    campaign_id = service.ledger.campaign_id(options.name)
    recorded = {} if campaign_id is None else service.ledger.variants(campaign_id)
    keys = row_keys(rows["to"].tolist())
    dealt = variants.assign(keys, list(options.variants), seed=options.seed, recorded=recorded)
    given = pd.Series([dealt[key] for key in keys], rows.index, dtype="str")
    plan["variant"] = given.reindex(plan.index)
    return [(text, given.index[given == name]) for name, text in options.variants.items()]


def _measure(plan: pd.DataFrame, max_parts: int) -> None:
    measured = parts(plan["text"])
    plan["encoding"] = measured["encoding"].where(plan["problem"].isna())
    too_long = "needs " + measured["parts"].astype("str") + f" parts, but max_parts is {max_parts}"
    _refuse(plan, too_long.where(measured["parts"] > max_parts))
    for column in ("parts", "parts_high"):
        plan[column] = measured[column].where(plan["problem"].isna())
