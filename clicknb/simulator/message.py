"""An accepted message, as the gateway remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from clicknb.simulator.fates import NOT_CHARGED, Fate


@dataclass(eq=False, slots=True)
class Message:
    """One message to one handset.

    Attributes
    ----------
    text
        As the handset shows it; the hexadecimal of the payload for an 8-bit message.
    encoding
        ``"gsm7"``, ``"ucs2"`` or ``"8bit"``.
    price, charge
        Credits for each part, and for the whole message; :meth:`charged` says what of it stands.
    accepted_at, due_at
        When the gateway took it, and when it was to leave (later, if it was scheduled).
    options
        The other parameters that it came with.
    """

    apimsgid: str
    climsgid: str
    to: str = field(repr=False)
    sender: str = field(repr=False)
    text: str = field(repr=False)
    encoding: str
    parts: int
    price: Decimal
    accepted_at: datetime
    due_at: datetime
    options: Mapping[str, str] = field(repr=False)
    fate: Fate = field(repr=False)
    cancelled_at: datetime | None = None

    @property
    def charge(self) -> Decimal:
        """Credits taken at acceptance."""
        return self.parts * self.price

    def status(self, now: datetime) -> str:
        """Tell the status at some time, three digits."""
        if self.cancelled_at is not None and self.cancelled_at <= now:
            return "006"
        if now < self.due_at:
            return "011"
        return self.fate.status((now - self.due_at).total_seconds())

    def charged(self, now: datetime) -> Decimal:
        """Tell the credits that stand at some time: nothing once they were given back."""
        return Decimal(0) if self.status(now) in NOT_CHARGED else self.charge
