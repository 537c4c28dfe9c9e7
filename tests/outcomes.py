"""Frames of outcomes for the tests of analysis, and text that attacks HTML."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd

from clicknb import frames

START = pd.Timestamp("2026-03-03T10:00:00Z")

DELIVERED: dict[str, Any] = {"state": "accepted", "delivery": "delivered", "status": "004", "final": True}
FAILED: dict[str, Any] = {"state": "accepted", "delivery": "failed", "status": "007", "final": True}
EXPIRED: dict[str, Any] = {"state": "accepted", "delivery": "expired", "status": "010", "final": True}
CANCELLED: dict[str, Any] = {"state": "accepted", "delivery": "cancelled", "status": "006", "final": True}
PENDING: dict[str, Any] = {"state": "accepted", "delivery": "pending", "status": "008", "final": False}
AT_NETWORK: dict[str, Any] = {"state": "accepted", "delivery": "at_network", "status": "003", "final": False}
REJECTED: dict[str, Any] = {"state": "rejected", "error_code": "114", "error": "Cannot route message"}
UNKNOWN: dict[str, Any] = {"state": "unknown"}
ABSENT: dict[str, Any] = {"state": "absent"}
PLANNED: dict[str, Any] = {"state": "planned"}
SENDING: dict[str, Any] = {"state": "sending"}
SKIPPED: dict[str, Any] = {"state": "skipped", "error": "no number"}
EVERY = [
    DELIVERED,
    FAILED,
    EXPIRED,
    CANCELLED,
    PENDING,
    AT_NETWORK,
    REJECTED,
    UNKNOWN,
    ABSENT,
    PLANNED,
    SENDING,
    SKIPPED,
]


def outcomes(rows: Sequence[dict[str, Any]], index: Any = None) -> pd.DataFrame:
    """Make a frame of the rows; what is accepted was sent at START, what is final settled 10 s later."""
    return frames.build(frames.OUTCOMES, [_filled(at, row) for at, row in enumerate(rows)], index)


def _filled(at: int, row: dict[str, Any]) -> dict[str, Any]:
    filled = {"to": f"447700900{at % 1000:03d}", "country": "GB", "parts": 2, "estimated": 1.6, **row}
    if row["state"] == "accepted":
        filled.setdefault("submitted_at", START)
    if row.get("final"):
        filled.setdefault("settled_at", START + pd.Timedelta(seconds=10))
    return filled


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '"><b onmouseover=alert(1)>',
    "'><b onmouseover=alert(1)>",
    "</td></tr></table><h1>x</h1>",
    "</style><script>x</script>",
    "</title><script>x</script>",
    "<style>*{display:none}</style>",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe src=//x.invalid></iframe>",
    "<object data=x></object>",
    "<embed src=x>",
    "<form action=//x.invalid><input>",
    "<button data-commandlinker-command='terminal:create-new'>x</button>",
    "<meta http-equiv=refresh content=0>",
    "<base href=//x.invalid>",
    "<math><mtext><script>x</script></mtext></math>",
    "<!-- <b> -->",
    "<![CDATA[<b>]]>",
    "<b\x00>x</b>",
    "&lt;script&gt;",
    "$\\href{javascript:alert(1)}{x}$ <b>",
    "{{constructor.constructor('x')()}}<b>",
]

FEW_PAYLOADS = ['"><b onmouseover=alert(1)>', "<b\x00>x</b>", "$\\href{javascript:alert(1)}{x}$ <b>"]
"""For whole forms, whose pieces are tested with each: out of an attribute, with an odd character, with braces."""

if "CLICKNB_SOAK" in os.environ:
    FEW_PAYLOADS = PAYLOADS
