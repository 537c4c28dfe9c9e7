"""Columns and dtypes of every DataFrame that clicknb hands out, in one place.

Text, ids and codes are strings, times are aware and in UTC with microseconds, money is in credits as float64. One
row, many rows and none have the same dtypes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

UTC = "datetime64[us, UTC]"
ENCODINGS = ("gsm7", "ucs2")
DELIVERIES = ("pending", "at_network", "delivered", "failed", "cancelled", "expired")
SURE = ("certain", "likely", "guess")
STATES = ("planned", "sending", "accepted", "rejected", "unknown", "absent", "skipped")

CAUSES = ("as planned", "dearer route", "cheaper route", "refunded", "no estimate", "not charged yet")
"""Why a charge is what it is, beside the estimate of the plan."""


class Word(NamedTuple):
    """What people read for a state or a delivery: what it is called, and a sentence that says what it means."""

    called: str
    means: str


WORDS: Mapping[str, Word] = {
    "delivered": Word("delivered", "The handset has it."),
    "at_network": Word("at the network", "Handed to the network; not confirmed by the handset."),
    "pending": Word("pending", "Accepted; no final status yet."),
    "failed": Word("failed", "The gateway or the network could not deliver it."),
    "expired": Word("expired", "Not handed to a network in time."),
    "cancelled": Word("cancelled", "Stopped before it left the gateway."),
    "accepted": Word("accepted", "The gateway has taken it; delivery takes a while and may still fail."),
    "rejected": Word("refused by the gateway", "Refused by the gateway; nobody gets it."),
    "unknown": Word(
        "unknown",
        "The answer was lost: it may have been accepted. Do not send it again before the gateway was asked.",
    ),
    "absent": Word("never reached the gateway", "The gateway does not know it: it was not accepted."),
    "sending": Word("on its way", "On its way: its answer has not come yet."),
    "planned": Word("not sent yet", "Not sent yet."),
    "skipped": Word("left out", "Left out by the plan, or withdrawn; it is not sent."),
}
"""Every state and every delivery in words."""

RESULTS = tuple(word for word in WORDS if word not in {"accepted", "sending"})
"""What can have come of a row; each row is exactly one of them."""


def _choice(*values: str) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(list(values), ordered=False)


_SURE = _choice(*SURE)
_STATE = _choice(*STATES)
_DELIVERY = _choice(*DELIVERIES)
_ENCODING = _choice(*ENCODINGS)
_RESULT = _choice(*RESULTS)

Schema = Mapping[str, Any]

_MESSAGE: Schema = {
    "to": "str",
    "country": "str",
    "sender": "str",
    "text": "str",
    "encoding": _ENCODING,
    "parts": "Int16",
}

SENDS: Schema = {
    **_MESSAGE,
    "climsgid": "str",
    "apimsgid": "str",
    "state": _STATE,
    "error_code": "str",
    "error": "str",
    "submitted_at": UTC,
    "answered_at": UTC,
}

STATUSES: Schema = {
    "apimsgid": "str",
    "climsgid": "str",
    "to": "str",
    "status": "str",
    "delivery": _DELIVERY,
    "final": "boolean",
    "meaning": "str",
    "checked_at": UTC,
}

CHARGES: Schema = {
    "apimsgid": "str",
    "to": "str",
    "parts": "Int16",
    "estimated": "float64",
    "charge": "float64",
    "status": "str",
    "delivery": _DELIVERY,
    "checked_at": UTC,
}

EVENTS: Schema = {
    "row": "int64",
    "attempt": "Int16",
    "apimsgid": "str",
    "status": "str",
    "at": UTC,
    "source": "str",
}

PLAN: Schema = {
    "row": "int64",
    "to": "str",
    "country": "str",
    "read_as": "str",
    "repair": "str",
    "problem": "str",
    "sure": _SURE,
    "kind": "str",
    "text": "str",
    "encoding": _ENCODING,
    "parts": "Int16",
    "credits_low": "float64",
    "credits_high": "float64",
    "local_time": "str",
    "variant": "str",
}

DOCTOR: Schema = {
    "read_as": "str",
    "to": "str",
    "country": "str",
    "repair": "str",
    "problem": "str",
    "sure": _SURE,
    "kind": "str",
}
"""One row per row of the sheet. ``kind`` is the short name of its repair or problem, of ``clicknb.kinds``; ``sure``
is missing where the row is refused."""

FINDINGS: Schema = {
    "fate": _choice("As written", "Repaired", "To check", "Left out"),
    "kind": "str",
    "rows": "int64",
    "sure": _SURE,
    "row": "str",
    "written": "str",
    "becomes": "str",
    "means": "str",
    "advice": "str",
}
"""What the doctor found, one row per kind. ``row``, ``written`` and ``becomes`` are of the first row, masked."""

HOURS: Schema = {
    "rule": "str",
    "zone": "str",
    "local_time": "str",
    "allowed": "bool",
    "opens_at": UTC,
    "reason": "str",
    "record": "str",
}

LINT: Schema = {
    "finding": "str",
    "where": "str",
    "rows": "Int64",
    "example": "str",
    "what": "str",
}

PARTS: Schema = {
    "text": "str",
    "encoding": _ENCODING,
    "units": "int64",
    "parts": "Int16",
    "parts_high": "Int16",
    "left": "int64",
    "offending": "str",
    "name": "str",
    "at": "Int64",
}

OFFENDERS: Schema = {
    "character": "str",
    "name": "str",
    "code_point": "str",
    "at": "int64",
}

SUBSTITUTIONS: Schema = {
    "character": "str",
    "name": "str",
    "code_point": "str",
    "replacement": "str",
    "reason": "str",
}

DIFF: Schema = {
    "before": "str",
    "after": "str",
    "changes": "str",
    "parts_before": "Int16",
    "parts_after": "Int16",
}

AUTOPSY: Schema = {
    "character": "str",
    "name": "str",
    "code_point": "str",
    "where": "str",
    "rows": "int64",
    "parts_added": "int64",
    "parts_alone": "int64",
    "credits_added": "float64",
    "replacement": "str",
    "parts_saved": "int64",
    "credits_saved": "float64",
    "reason": "str",
}

OUTCOMES: Schema = {
    **_MESSAGE,
    "variant": "str",
    "state": _STATE,
    "error_code": "str",
    "error": "str",
    "status": "str",
    "delivery": _DELIVERY,
    "final": "boolean",
    "estimated": "float64",
    "charge": "float64",
    "submitted_at": UTC,
    "settled_at": UTC,
}
"""One row per recipient with all that is known of it: what analysis reads. ``settled_at`` is when its final status was
first seen; ``status``, ``delivery`` and ``final`` are missing where nothing was accepted."""

COUNTRIES: Schema = {
    "country": "str",
    "messages": "int64",
    "parts": "int64",
    "credits_low": "float64",
    "credits_high": "float64",
    "without_price": "int64",
}
"""What a plan sends to each country; credits are missing where no price is known."""

COVERAGE: Schema = {
    "to": "str",
    "supported": "boolean",
    "charge": "float64",
    "meaning": "str",
}

SUPPRESSED: Schema = {
    "to": "str",
    "scope": "str",
    "source": "str",
    "since": UTC,
}
"""Who must not be written to; ``scope`` is one sender ID, or empty for all."""

CAMPAIGNS: Schema = {
    "name": "str",
    "started_at": UTC,
    "rows": "int64",
    **dict.fromkeys(STATES, "int64"),
    "stopped": "str",
}

SUMMARY: Schema = {
    "rows": "int64",
    **dict.fromkeys(RESULTS, "int64"),
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
"""What came of a campaign, by group; see ``clicknb.analysis.summary.summary``."""

REASONS: Schema = {"outcome": _RESULT, "code": "str", "meaning": "str", "rows": "int64"}
"""Why messages were not delivered."""

LATENCY: Schema = {"seconds": "float64", "delivered": "float64", "watched": "int64"}
"""Which share was delivered after how many seconds, of those that could be watched that long."""

RESIDUALS: Schema = {
    "country": "str",
    "cause": _choice(*CAUSES),
    "messages": "int64",
    "estimated": "float64",
    "charge": "float64",
    "residual": "float64",
}
"""What was charged beside what the plan said, by country and cause."""


def build(
    schema: Schema, rows: Iterable[Mapping[str, Any]] | Mapping[str, Any] | pd.DataFrame, index: Any = None
) -> pd.DataFrame:
    """Make a frame with exactly the columns and dtypes of a schema.

    Parameters
    ----------
    schema
        One of the constants of this module.
    rows
        Records, a frame with some of the columns, or such columns by their names; what is missing becomes missing
        values.
    index
        The caller's index, of the same length; a plain range if None. Columns by their names need one.
    """
    source = rows if isinstance(rows, Mapping | pd.DataFrame) else pd.DataFrame.from_records(list(rows))
    position = index if index is not None else pd.RangeIndex(len(source))
    columns = {name: _column(source.get(name), dtype, position) for name, dtype in schema.items()}
    return pd.DataFrame(columns, index=position)


def _column(values: Any, dtype: Any, index: pd.Index[Any]) -> pd.Series[Any]:
    column: pd.Series[Any]
    if isinstance(values, pd.Series):
        column = values.astype(dtype).set_axis(index)
    else:
        column = pd.Series(values, index, dtype=dtype)
    return column
