"""What is written into the ledger and read from it, a type for each, and how a row's ids are derived."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from clicknb.display import mask_number
from clicknb.kinds import SUPPRESSED

CONTENT = ("key", "to", "sender", "text", "encoding", "parts", "options")
"""What a row sends."""


class Intent(NamedTuple):
    """A message about to be sent: committed before its first byte leaves."""

    row_id: int
    attempt: int
    climsgid: str
    submitted_at: int
    """Microseconds since 1970."""
    decision: str | None = None
    """What was decided about its hours, as JSON."""
    turn: int = 1
    """Attempts that came back and the one after them are one turn, and have the same client message id."""


class AttemptResult(NamedTuple):
    """What one attempt came to.

    ``state`` is ``accepted``, ``rejected``, ``unknown``, ``absent``, or ``returned``: not accepted by all that the
    answer says, so the row is planned again. ``to_ask``: before it leaves again, the gateway is asked about this
    attempt.
    """

    row_id: int
    attempt: int
    state: str
    at: datetime
    apimsgid: str = ""
    error_code: str = ""
    error: str = ""
    to_ask: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that the gateway can be asked about, with the status it was last known to have."""

    row_id: int
    attempt: int
    climsgid: str
    apimsgid: str
    submitted_at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Event:
    """One status seen for one attempt, with the charge if it was told.

    One that is not ``news`` says nothing that was not known: only the time of asking is kept.
    """

    row_id: int
    attempt: int
    apimsgid: str
    status: str
    at: datetime
    source: str
    charge: Decimal | None = None
    news: bool = True


class Recorded(NamedTuple):
    """What a campaign already holds under a row's key."""

    text: str
    sender: str
    options: str
    state: str
    skip_kind: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it was never tried and may still be sent; the list of suppressed numbers is asked again then."""
        return self.state == "planned" or (self.state == "skipped" and self.skip_kind == SUPPRESSED)


class Message(NamedTuple):
    """One row that may be sent: what it says, to whom, with which options (JSON), how often it was tried, its turn."""

    row_id: int
    key: str
    to: str
    sender: str
    text: str
    encoding: str
    parts: int
    options: str
    attempt: int
    turn: int
    seal: str
    country: str = ""
    zone: str = ""
    """Where the recipient is known to be; empty where only the number tells."""

    def __repr__(self) -> str:
        """Show the number masked, and no text."""
        return f"<Message {self.row_id} to {mask_number(self.to)}>"

    @property
    def content(self) -> tuple[Any, ...]:
        """What it sends, in the order of ``CONTENT``."""
        return self[1:8]


def climsgid(campaign_id: str, key: str, turn: int) -> str:
    """Derive the client message id of a row's n-th turn: 32 hexadecimal digits, the same in each copy of a ledger.

    Examples
    --------
    >>> climsgid("c0ffee", "447700900123#1", 1)
    'cc8dbd761b75b0637e4c1d495ca47213'
    """
    name = f"{key}\x1f{turn}".encode()
    return hmac.new(campaign_id.encode(), name, hashlib.sha256).hexdigest()[:32]


def single_key(row: Mapping[str, Any], occurrence: int) -> str:
    """Make the key of a single message, the same in each copy of the ledger: by what it says and how often."""
    says = hashlib.sha256(repr((row["text"], row["sender"])).encode()).hexdigest()[:10]
    return f"{row['to']}#{says}.{occurrence}"


def repeated(key: str, times: int) -> str:
    """Make the key that a single message has when it is sent so many more times.

    Examples
    --------
    >>> repeated("447700900123#9f86d08188.1", 2)
    '447700900123#9f86d08188.3'
    """
    says, _, occurrence = key.rpartition(".")
    return f"{says}.{int(occurrence) + times}"


def seal(campaign_id: str, content: tuple[Any, ...]) -> str:
    """Derive 16 hexadecimal digits from what a row sends to whom: a row that does not match them is never sent.

    SQLite does not notice a bit that flips inside a text or a number.

    Parameters
    ----------
    campaign_id
        Whose row it is.
    content
        The row's values in the order of ``CONTENT``.
    """
    return hashlib.sha256((_SEALED % (campaign_id, *content)).encode()).hexdigest()[:16]


_SEALED = "[" + ", ".join([*["%r"] * 6, "'%s'", "%r"]) + "]"  # a list of texts as Python writes it, without making it
