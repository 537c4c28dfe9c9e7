"""What the rows of a plan cost: at least what the gateway states, at most what the user or the record knows.

The gateway names the least price of a part for a number (``routeCoverage``); which route a message takes, and so what
it costs, shows afterwards. An upper end is known only from the user's own price list, or from what messages to that
country have cost before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from clicknb.campaign.context import Context
from clicknb.errors import TransportError
from clicknb.ledger.units import to_micro_credits

logger = logging.getLogger(__name__)


def price(context: Context, plan: pd.DataFrame, listed: Mapping[str, Decimal]) -> Decimal | None:
    """Fill in ``credits_low`` and ``credits_high`` of the rows to send, and ask for the balance; offline there is none.

    Parameters
    ----------
    plan
        With ``to``, ``country``, ``parts``, ``parts_high`` and ``problem``; changed in place.
    listed
        The user's price list: country or number prefix to credits a part.
    """
    rows = plan[plan["problem"].isna()]
    parts, most_parts = (rows[column].astype("float64") for column in ("parts", "parts_high"))
    highest = _highest(context, rows, listed)
    known: dict[str, int | None] = {}
    balance = None
    try:
        known, balance = _stated(context, rows), context.gateway.getbalance()
    except TransportError as error:
        logger.warning("Planned without prices: %s", error)
    lowest = rows["country"].map(known).astype("float64")
    plan["credits_low"] = _credits(lowest, parts).reindex(plan.index)
    highest = highest.where(highest.isna() | lowest.isna() | (highest >= lowest), lowest)
    plan["credits_high"] = _credits(highest, most_parts).reindex(plan.index)
    return balance


def _credits(to_micros: pd.Series[Any], parts: pd.Series[Any]) -> pd.Series[Any]:
    return to_micros * parts / 1_000_000


def _stated(context: Context, rows: pd.DataFrame) -> dict[str, int | None]:
    """Look up the least price of a part for each country, asked for at most once a day."""
    now = context.clock.now()
    known = context.ledger.prices(since=now - timedelta(days=1))
    for country, number in rows.groupby("country")["to"].first().items():
        if country not in known:
            coverage = context.gateway.route_coverage(str(number))
            context.ledger.set_price(str(country), coverage.charge, now)
            known[str(country)] = to_micro_credits(coverage.charge)
    return known


def _highest(context: Context, rows: pd.DataFrame, listed: Mapping[str, Decimal]) -> pd.Series[Any]:
    """Find the most that a part can cost, in micro-credits: by the longest prefix, the country, or what was charged."""
    found = rows["country"].map(context.ledger.dearest()).astype("float64")
    countries = {key: to_micro_credits(value) for key, value in listed.items() if key.isalpha()}
    by_country = rows["country"].map(countries).astype("float64")
    found = by_country.where(by_country.notna(), found)
    for prefix in sorted((key for key in listed if key.isdecimal()), key=len):
        found = found.mask(rows["to"].str.startswith(prefix), float(to_micro_credits(listed[prefix]) or 0))
    return found
