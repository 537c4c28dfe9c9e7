"""Works out every row's fate and price: people, doctor, template, parts, prices, plan."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from clicknb import frames
from clicknb.campaign.plan import Options, Plan
from clicknb.campaign.schema import micro_credits
from clicknb.campaign.service import Service
from clicknb.errors import TransportError
from clicknb.messages import recipients
from clicknb.messages.template import Template
from clicknb.messages.text import parts

logger = logging.getLogger(__name__)


def make(service: Service, people: pd.DataFrame, to: str, options: Options, *, priced: bool = True) -> Plan:
    """Work out every row's fate and, unless told otherwise, its price; see ``Account.plan``."""
    seen = recipients.doctor(people, to=to, country=options.country).reset_index(drop=True)
    texts, text_problems = Template(options.text).render(people.reset_index(drop=True))
    plan = seen.assign(text=texts, row=range(len(people)))
    _refuse(plan, text_problems)
    _refuse(plan, pd.Series("the text is empty", plan.index).where(plan["text"].str.strip() == ""))
    if service.allow is not None:
        _refuse(plan, pd.Series("not on the account's allow list", plan.index).where(~plan["to"].isin(service.allow)))
    _measure(plan, options.max_parts)
    balance = _price(service, plan) if priced else None
    return Plan(service, frames.build(frames.PLAN, plan, people.index), options, balance)


def _refuse(plan: pd.DataFrame, problems: pd.Series[Any]) -> None:
    """Give rows a problem where they have none yet."""
    plan["problem"] = plan["problem"].where(plan["problem"].notna(), problems)


def _measure(plan: pd.DataFrame, max_parts: int) -> None:
    measured = parts(plan["text"])
    sendable = plan["problem"].isna()
    plan["encoding"] = measured["encoding"].where(sendable)
    plan["parts"] = measured["parts"].where(sendable)
    too_long = "needs " + measured["parts"].astype("str") + f" parts, but max_parts is {max_parts}"
    _refuse(plan, too_long.where(measured["parts"] > max_parts))
    plan["parts"] = plan["parts"].where(plan["problem"].isna())


def _price(service: Service, plan: pd.DataFrame) -> Decimal | None:
    """Fill in the least that each row can cost, and ask for the balance; offline there are neither."""
    plan["credits_low"] = pd.Series(None, plan.index, dtype="float64")
    rows = plan[plan["problem"].isna()]
    try:
        known = _prices(service, rows)
        balance = service.gateway.getbalance()
    except TransportError as error:
        logger.warning("Planned without prices: %s", error)
        return None
    price = rows["country"].map(known).astype("float64")
    plan["credits_low"] = (price * rows["parts"].astype("float64") / 1_000_000).reindex(plan.index)
    return balance


def _prices(service: Service, rows: pd.DataFrame) -> dict[str, int | None]:
    """Look up the least price of a part for each country, asked for at most once a day."""
    now = service.clock.now()
    known = service.ledger.prices(since=now - timedelta(days=1))
    for country, number in rows.groupby("country")["to"].first().items():
        if country not in known:
            coverage = service.gateway.route_coverage(str(number))
            service.ledger.set_price(str(country), coverage.charge, now)
            known[str(country)] = micro_credits(coverage.charge)
    return known
