"""Time and money as the ledger stores them: whole microseconds since 1970, in UTC, and whole micro-credits."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=8)  # many rows share a moment
def to_micros(value: datetime) -> int:
    """Write a time as whole microseconds since 1970."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def from_micros(value: int) -> datetime:
    """Read a time that was written by ``to_micros``."""
    return _EPOCH + timedelta(microseconds=value)


@lru_cache(maxsize=256)  # a campaign has few prices
def to_micro_credits(value: Decimal | float | None) -> int | None:
    """Write an amount of credits as whole micro-credits."""
    return None if value is None or math.isnan(value) else int((Decimal(str(value)) * 1_000_000).to_integral_value())
