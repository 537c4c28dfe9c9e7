"""What came of a campaign, in figures that carry their denominators.

Every function takes a frame of the schema ``frames.OUTCOMES``, one row per recipient with any index, and returns a new
frame. A status that only says "accepted" or "handed to the network" is never counted as a delivery, and what is
still open is shown next to every rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from clicknb import checks, frames
from clicknb.errors import InvalidInput

OUTCOME_WORDS = tuple(word for word in frames.WORDS if word not in {"accepted", "sending"})
"""What can have come of a row; each row is exactly one of them."""

_COUNTED = ["rows", *OUTCOME_WORDS, "parts"]
_MONEY = ["estimated", "charge"]
_SETTLED = ["delivered", "failed", "expired"]
_OPEN = ["at_network", "pending", "unknown"]
_REACHED = [*_SETTLED, *_OPEN, "cancelled"]

_MEANINGS = {word: frames.WORDS[word].means for word in OUTCOME_WORDS}
_OUTCOME = pd.CategoricalDtype(list(OUTCOME_WORDS), ordered=False)

SUMMARY: frames.Schema = {
    "rows": "int64",
    **dict.fromkeys(OUTCOME_WORDS, "int64"),
    "of": "int64",
    "rate": "float64",
    "rate_low": "float64",
    "rate_high": "float64",
    "sent": "int64",
    "worst": "float64",
    "best": "float64",
    "parts": "int64",
    "estimated": "float64",
    "charge": "float64",
    "median_seconds": "float64",
}
REASONS: frames.Schema = {"outcome": _OUTCOME, "code": "str", "meaning": "str", "rows": "int64"}
LATENCY: frames.Schema = {"seconds": "float64", "delivered": "float64", "watched": "int64"}


def outcome(frame: pd.DataFrame) -> pd.Series[Any]:
    """Say in one word what came of each row.

    Returns
    -------
    pandas.Series
        Categorical, with the index of the frame. Accepted rows show their delivery (``pending`` while none is
        known), rows that are being sent count as ``planned``, all others show their state.

    Examples
    --------
    >>> rows = [{"state": "accepted", "delivery": "at_network"}, {"state": "accepted"}, {"state": "sending"}]
    >>> outcome(frames.build(frames.OUTCOMES, rows)).tolist()
    ['at_network', 'pending', 'planned']
    """
    state = frame["state"].astype("str").fillna("unknown").replace("sending", "planned")
    delivery = frame["delivery"].astype("str").fillna("pending")
    return state.where(state != "accepted", delivery).astype(_OUTCOME).rename("outcome")


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Bound a share by the Wilson score interval, which holds for small groups and near 0 and 1 too.

    Returns
    -------
    tuple of float
        Lower and upper bound; both NaN for no cases at all.

    Raises
    ------
    InvalidInput
        There are more successes than cases, or the confidence is not between 0 and 1.

    References
    ----------
    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.

    Examples
    --------
    >>> low, high = wilson(90, 100)
    >>> round(low, 4), round(high, 4)
    (0.8256, 0.9448)
    """
    if not (0 <= successes <= n and 0 < confidence < 1):
        message = f"{successes} of {n} at confidence {confidence} is no share: successes must be between 0 and n."
        raise InvalidInput(message)
    if n == 0:
        return float("nan"), float("nan")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * (share * (1 - share) / n + (z / (2 * n)) ** 2) ** 0.5
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def summary(frame: pd.DataFrame, by: str | list[str] | None = None) -> pd.DataFrame:
    """Count outcomes, rate the delivery and add up the money, for each group and for all.

    Parameters
    ----------
    frame
        One row per recipient.
    by
        Columns of the frame to group by, such as ``"country"`` or ``["variant", "encoding"]``.

    Returns
    -------
    pandas.DataFrame
        One row per group and a last row ``"all"``, indexed by the group as text (missing or empty: ``"(none)"``).

        - ``rows`` and one column for each of `OUTCOME_WORDS` (int64), which add up to ``rows``.
        - ``rate`` = delivered / ``of``, where ``of`` are the messages whose fate is known: delivered, failed and
          expired. Those that were cancelled say nothing about delivery and do not count.
          ``rate_low`` and ``rate_high`` bound it with 95 % confidence (`wilson`).
        - ``worst`` and ``best``: delivered / ``sent`` if all that is open (at the network, pending, unknown) ends
          badly or well; ``sent`` = ``of`` + open.
        - ``parts``, ``estimated`` and ``charge`` (credits) of the messages that were accepted or may have been.
          ``estimated`` and ``charge`` add up what is known and are NaN where nothing is.
        - ``median_seconds`` from sending until the delivery was seen.

    Raises
    ------
    InvalidInput
        The frame has no such column.

    Examples
    --------
    >>> rows = [{"country": "GB", "state": "accepted", "delivery": word} for word in ("delivered", "failed", "pending")]
    >>> summary(frames.build(frames.OUTCOMES, rows), by="country")[["rows", "delivered", "of", "rate"]]
             rows  delivered  of  rate
    country...
    GB          3          1   2   0.5
    all         3          1   2   0.5
    """
    keys = _keys(frame, by)
    rows = frame.reset_index(drop=True)
    facts = _facts(rows)
    labels = _labels([("all",) * len(keys)] if len(keys) > 1 else ["all"], keys)
    totals = _whole(facts)
    if keys and len(rows):
        groups = _groups(facts, [rows[key].mask(rows[key].astype(object) == "") for key in keys])
        labels = _labels(groups.index, keys).append(labels)
        totals = pd.concat([groups, totals])
    totals["of"] = totals[_SETTLED].sum(axis=1)
    totals["sent"] = totals["of"] + totals[_OPEN].sum(axis=1)
    totals["rate"] = totals["delivered"] / totals["of"]
    bounds = [wilson(done, of) for done, of in zip(totals["delivered"], totals["of"], strict=True)]
    totals["rate_low"], totals["rate_high"] = [low for low, _ in bounds], [high for _, high in bounds]
    totals["worst"] = totals["delivered"] / totals["sent"]
    totals["best"] = (totals["delivered"] + totals[_OPEN].sum(axis=1)) / totals["sent"]
    return frames.build(SUMMARY, totals, index=labels)


def _keys(frame: pd.DataFrame, by: object) -> list[str]:
    """Read the columns to group by."""
    keys = [by] if isinstance(by, str) else [] if by is None else list(by) if isinstance(by, Sequence) else [by]
    there = ", ".join(map(str, frame.columns))
    for key in keys:
        if not isinstance(key, str) or key not in frame.columns:
            message = f"There is no column {checks.described(key)} to group by; there are {there}."
            raise InvalidInput(message)
    return list(dict.fromkeys(keys))


def _facts(rows: pd.DataFrame) -> pd.DataFrame:
    """Make numbers of each row, ready to be added up."""
    word = outcome(rows)
    reached = word.isin(_REACHED)
    seconds = (rows["settled_at"] - rows["submitted_at"]).dt.total_seconds().clip(lower=0)
    return pd.DataFrame(
        {
            "rows": 1,
            **{each: (word == each).astype("int64") for each in OUTCOME_WORDS},
            "parts": rows["parts"].astype("Int64").fillna(0).astype("int64").where(reached, 0),
            "estimated": rows["estimated"].where(reached),
            "charge": rows["charge"].where(reached),
            "median_seconds": seconds.where(word == "delivered"),
        },
        index=rows.index,
    )


def _groups(facts: pd.DataFrame, keys: list[pd.Series[Any]]) -> pd.DataFrame:
    groups = facts.groupby(keys, dropna=False, observed=True)
    added = groups[_COUNTED].sum().join(groups[_MONEY].sum(min_count=1))
    return added.join(groups["median_seconds"].median())


def _whole(facts: pd.DataFrame) -> pd.DataFrame:
    added = {**facts[_COUNTED].sum(), **facts[_MONEY].sum(min_count=1)}
    return pd.DataFrame([{**added, "median_seconds": facts["median_seconds"].median()}])


def _labels(groups: Iterable[Any], keys: list[str]) -> pd.Index[Any]:
    def text(value: Any) -> str:
        return "(none)" if pd.isna(value) else str(value)

    if len(keys) > 1:
        return pd.MultiIndex.from_tuples([tuple(map(text, group)) for group in groups], names=keys)
    return pd.Index([text(group) for group in groups], dtype="str", name=keys[0] if keys else None)


def reasons(frame: pd.DataFrame, meanings: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Say why messages were not delivered, the most frequent reason first.

    Parameters
    ----------
    frame
        One row per recipient.
    meanings
        What each status code means; without it a status is explained by its outcome alone.

    Returns
    -------
    pandas.DataFrame
        One row per kind of reason: ``outcome`` (category), ``code`` (an error code for rows that were refused, else the
        status; empty where there is none), ``meaning`` and ``rows`` (int64). Delivered rows are left out.

    Examples
    --------
    >>> rows = [{"state": "rejected", "error_code": "114", "error": "Cannot route message"}, {"state": "planned"}]
    >>> reasons(frames.build(frames.OUTCOMES, rows))
        outcome code               meaning  rows
    0   planned              Not sent yet.     1
    1  rejected  114  Cannot route message     1
    """
    word = outcome(frame).astype("str")
    late = frame.reset_index(drop=True).assign(outcome=word.to_numpy()).loc[lambda rows: rows["outcome"] != "delivered"]
    error, code = (late[name].replace("", None) for name in ("error", "error_code"))
    particular = error.map(_in_general, na_action="ignore").astype("str")
    known = late["status"].map(dict(meanings or {})).astype("str")
    why = pd.DataFrame(
        {
            "outcome": late["outcome"],
            "code": code.fillna(late["status"]).fillna(""),
            "meaning": particular.fillna(known).fillna(late["outcome"].map(_MEANINGS)),
        }
    )
    coded = why["code"] != ""
    why.loc[coded, "meaning"] = why[coded].groupby(["outcome", "code"])["meaning"].transform("first")
    counted = why.value_counts(["outcome", "code", "meaning"], sort=False).rename("rows").reset_index()
    order = counted.sort_values(["rows", "outcome", "code", "meaning"], ascending=[False, True, True, True])
    return frames.build(REASONS, order)


def _in_general(error: str) -> str:
    """Drop what is particular to one row, so that rows with the same kind of problem count together."""
    return re.sub(r"(duplicate of) row .*|: .*", lambda found: f"{found[1]} an earlier row" if found[1] else "", error)


def latency(frame: pd.DataFrame) -> pd.DataFrame:
    """Estimate which share of the messages was delivered within how many seconds of sending.

    The estimate is Kaplan and Meier's, which makes use of messages that are still open: each was watched until the
    latest time in the frame. Messages that failed or expired stay in the denominator for good; those that were
    cancelled, refused or never known to be accepted are not in it.

    Returns
    -------
    pandas.DataFrame
        A step curve: ``seconds`` since submission, ``delivered`` (the share, from 0 at second 0) and ``watched``, the
        number of messages that were still watched just before that second. Empty if nothing was delivered.

    References
    ----------
    E. L. Kaplan and P. Meier (1958), "Nonparametric estimation from incomplete observations", JASA 53.
    """
    word = outcome(frame)
    last = pd.concat([frame["settled_at"], frame["submitted_at"]]).max()
    taken = (frame["settled_at"].where(word == "delivered", last) - frame["submitted_at"]).dt.total_seconds()
    taken = taken.clip(lower=0).mask(word.isin(["failed", "expired"]), np.inf)
    followed = taken[word.isin([*_SETTLED, "at_network", "pending"])].dropna().sort_values().to_numpy()
    times, arrived = np.unique(taken[word == "delivered"].dropna(), return_counts=True)
    if not len(times):
        return frames.build(LATENCY, [])
    watched = len(followed) - np.searchsorted(followed, times)
    steps = {"seconds": times, "delivered": 1 - np.cumprod(1 - arrived / watched), "watched": watched}
    start = {"seconds": [0.0], "delivered": [0.0], "watched": [len(followed)]}
    return frames.build(LATENCY, pd.concat([pd.DataFrame(start), pd.DataFrame(steps)]))
