"""What a message part costs in the sandbox, in credits, by the calling code it goes to."""

from __future__ import annotations

from decimal import Decimal

_PER_PART = {
    "1": "0.6", "20": "1.3", "27": "0.5", "30": "1.2", "31": "1.1", "32": "1.15", "33": "0.9", "34": "1",
    "39": "1.05", "40": "0.95", "41": "0.85", "43": "1", "44": "0.8", "45": "0.65", "46": "0.75", "47": "0.9",
    "48": "0.55", "49": "1.1", "52": "0.7", "55": "0.6", "60": "0.8", "61": "0.7", "62": "1.4", "63": "0.9",
    "64": "1.1", "65": "0.75", "81": "1.25", "82": "0.7", "90": "0.45", "91": "0.333", "234": "0.85", "254": "0.9",
    "255": "1", "263": "1.3", "264": "0.55", "267": "0.8", "351": "0.7", "353": "0.9", "358": "0.95", "420": "0.65",
    "971": "0.8", "972": "0.6",
}  # fmt: skip

PRICES: dict[str, Decimal] = {prefix: Decimal(price) for prefix, price in _PER_PART.items()}
"""Credits for each message part by calling code; a number that begins with none of them is not routed."""


def price_of(number: str) -> Decimal | None:
    """Look up the credits for one part to a number; ``None`` where no route leads.

    Examples
    --------
    >>> price_of("447700900123")
    Decimal('0.8')
    >>> price_of("8800000000000") is None
    True
    """
    beginnings = (number[:length] for length in (3, 2, 1))
    return next((PRICES[beginning] for beginning in beginnings if beginning in PRICES), None)
