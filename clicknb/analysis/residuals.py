"""What a campaign was charged beside what its plan said, and why the two differ."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd

from clicknb import frames


def residuals(frame: pd.DataFrame) -> pd.DataFrame:
    """Explain by country why accepted messages cost what they cost.

    Parameters
    ----------
    frame
        Outcomes, columns as in ``clicknb.frames.OUTCOMES``.

    Returns
    -------
    pandas.DataFrame
        One row per country and cause: ``country``, ``cause`` (``as planned``, ``dearer route``, ``cheaper route``,
        ``refunded``: it failed and cost nothing; ``no estimate``: no price was known; ``not charged yet``),
        ``messages``, and in credits ``estimated``, ``charge`` and ``residual``, the charge less the estimate where
        both are known. So where every charge is known, the charges are the estimates plus the residuals, to the
        micro-credit.

    Examples
    --------
    >>> import clicknb as cn
    >>> people = pd.DataFrame({"mobile": ["447700900123", "447700900124"]})
    >>> campaign = cn.sandbox().plan(people, to="mobile", text="Hello", name="greeting").send(progress=False)
    >>> campaign.track(progress=False).residuals()[["country", "cause", "messages", "residual"]].values.tolist()
    [['GB', 'as planned', 2, 0.0]]
    """
    accepted = frame[frame["state"] == "accepted"]
    estimated, charge = accepted["estimated"], accepted["charge"]
    difference = (charge - estimated).round(6)
    cause = pd.Series("as planned", accepted.index, dtype="object")
    cause = cause.mask(difference > 0, "dearer route").mask(difference < 0, "cheaper route")
    cause = cause.mask((charge == 0) & (estimated > 0), "refunded")
    cause = cause.mask(estimated.isna(), "no estimate").mask(charge.isna(), "not charged yet")
    facts = accepted[["country", "estimated", "charge"]].assign(cause=cause, residual=difference)
    groups = facts.groupby(["country", "cause"], dropna=False, sort=True)
    rows = [
        {"country": country, "cause": cause, "messages": len(group)}
        | {name: _sum(group[name]) for name in ("estimated", "charge", "residual")}
        for (country, cause), group in groups
    ]
    return frames.build(frames.RESIDUALS, rows)


def _sum(amounts: pd.Series[Any]) -> float:
    """Add credits without rounding; missing where none is known."""
    known = amounts.dropna()
    return float(sum((Decimal(str(value)) for value in known), Decimal(0))) if len(known) else float("nan")
