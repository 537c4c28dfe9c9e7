"""What becomes of an accepted message, and the numbers that decide it.

Everything random is drawn from one HMAC of the gateway's seed and the message's key, so neither the order of the
calls nor the number of connections changes any of it.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from itertools import takewhile

from clicknb.gateway.http.codes import ERRORS, STATUSES

NOT_CHARGED = frozenset({"006", "009", "010", "012"})
"""Final statuses that give the credits back."""

_STAYING = frozenset({"001", "002", "003", "008", "011"})
_MINUTES = re.compile(r"279993(\d{5})", re.ASCII)
_ERROR = re.compile(r"27999100(\d{3})", re.ASCII)
_STATUS = re.compile(r"27999200(\d{3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fate:
    """The statuses that a message goes through, each with the seconds since it was due."""

    steps: tuple[tuple[float, str], ...]

    def status(self, seconds: float) -> str:
        """Tell the status so many seconds after the message was due."""
        return list(takewhile(lambda step: step[0] <= seconds, self.steps))[-1][1]

    @property
    def refund_after(self) -> float | None:
        """Seconds until the credits are given back; ``None`` if they never are."""
        seconds, status = self.steps[-1]
        return seconds if status in NOT_CHARGED else None


TOO_DEAR = Fate(((0.0, "008"), (1.0, "009")))
"""What becomes of a message whose price is above its ``max_credits``."""


def digest(seed: int, *key: object) -> bytes:
    """Draw 32 bytes that depend on the seed and the key alone."""
    return hmac.digest(str(seed).encode(), "\0".join(map(str, key)).encode("utf-8", "surrogatepass"), "sha256")


def share(raw: bytes) -> float:
    """Read drawn bytes as a number in [0, 1)."""
    return int.from_bytes(raw[:4], "big") / 2**32


def fate_of(number: str, drawn: bytes) -> Fate:
    """Decide what becomes of a message to a number.

    Parameters
    ----------
    number
        Destination address; some of those in 27999 force their fate.
    drawn
        At least 12 drawn bytes.

    Examples
    --------
    >>> fate_of("27999200007", bytes(12)).status(3600)
    '007'
    """
    if forced := _STATUS.fullmatch(number):
        code = forced.group(1)
        if code in _STAYING:
            return Fate(((0.0, code),))
        if code in STATUSES:
            return Fate(_way(drawn, code))
    if minutes := _MINUTES.fullmatch(number):
        seconds = 60.0 * int(minutes.group(1))
        return Fate(((0.0, "008"), (0.0, "003"), (seconds, "004")))
    return Fate(_way(drawn, _ordinary(share(drawn))))


def forced_error(number: str) -> str:
    """Tell the error code that a number forces; empty for an ordinary one.

    Examples
    --------
    >>> forced_error("27999100105"), forced_error("27999100999"), forced_error("27999000001")
    ('105', '', '')
    """
    forced = _ERROR.fullmatch(number)
    return forced.group(1) if forced and forced.group(1) in ERRORS else ""


def forcing_numbers() -> list[dict[str, str]]:
    """List the numbers that force an error, a status or a delay."""
    rows = [
        {"number": f"27999100{code}", "forces": f"error {code}", "happens": f"refused: {error.text}"}
        for code, error in ERRORS.items()
    ]
    for code, status in STATUSES.items():
        when = "from the start, and it never changes" if code in _STAYING else "in the end"
        rows.append({"number": f"27999200{code}", "forces": f"status {code}", "happens": f"{status.name}: {when}"})
    for minutes in (0, 1, 10, 60, 1440):
        happens = f"accepted; delivered {_after(minutes)} (the last five digits are the minutes)"
        rows.append({"number": f"279993{minutes:05}", "forces": f"delay {minutes} min", "happens": happens})
    return rows


def _after(minutes: int) -> str:
    if not minutes:
        return "at once"
    return f"after {minutes} minute{'s' if minutes > 1 else ''}"


def _ordinary(drawn: float) -> str:
    """Choose the last status of an ordinary message: 94 % 004, 4 % 007, 1 % 010, and 1 % never get past 003."""
    limits = ((0.94, "004"), (0.98, "007"), (0.99, "010"))
    return next((status for limit, status in limits if drawn < limit), "003")


def _way(drawn: bytes, last: str) -> tuple[tuple[float, str], ...]:
    """Lay out the way to a last status: off to the network within 5 s, an answer within 3 minutes, mostly sooner."""
    handed = 1 + 4 * share(drawn[4:])
    answered = handed + min(3 / (1 - share(drawn[8:])) ** 0.8, 180)
    start = (0.0, "008")
    if last == "003":
        return (start, (handed, "003"))
    if last in {"004", "005", "007"}:
        return (start, (handed, "003"), (answered, last))
    return (start, (answered, last))  # it never reached a network
