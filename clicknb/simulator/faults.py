"""What goes wrong between two machines, by name.

==================  ============================================================================
refused             the connection is refused; nothing arrives at the gateway
reset               the connection breaks before the gateway accepts anything
lost                accepted, and then the connection breaks: the reply is lost
slow                accepted; the reply comes after two seconds
drip                accepted; the reply comes a few bytes at a time
truncated           accepted; the reply ends in the middle
garbage             accepted; the reply is not readable
html502             an HTML page with HTTP status 502; not accepted
html503             an HTML page with HTTP status 503, although accepted
throttled           HTTP status 429 with Retry-After: 1 the first time; not accepted
expired             error 003 the first time; not accepted
error901            error 901; not accepted
error901_accepted   error 901, although accepted
==================  ============================================================================
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from numbers import Real

from clicknb.simulator import replies
from clicknb.simulator.fates import digest, share
from clicknb.simulator.parameters import Parameters
from clicknb.simulator.replies import Response
from clicknb.simulator.sessions import CREDENTIALS

SENDS = frozenset({"sendmsg", "senditem", "quicksend"})
"""The commands that send messages."""

NAMES = {
    "refused": "connection refused; not accepted",
    "reset": "connection broken; not accepted",
    "lost": "accepted, reply lost",
    "slow": "accepted, reply after 2 s",
    "drip": "accepted, reply in small pieces",
    "truncated": "accepted, reply cut off",
    "garbage": "accepted, reply unreadable",
    "html502": "HTML page, HTTP 502; not accepted",
    "html503": "HTML page, HTTP 503; accepted",
    "throttled": "HTTP 429 the first time; not accepted then",
    "expired": "error 003 the first time; not accepted then",
    "error901": "error 901; not accepted",
    "error901_accepted": "error 901; accepted",
}
"""Every fault, in the order of its number 27999400001, 27999400002 and so on."""

IN_WORDS = {
    "lost replies": "lost",
    "broken connections": "reset",
    "refused connections": "refused",
    "cut replies": "truncated",
    "unreadable replies": "garbage",
    "web pages instead of replies": "html503",
    "throttling": "throttled",
    "expired sessions": "expired",
    "internal errors": "error901_accepted",
}
"""Those of which a sender learns least, in words."""

SHARE = 0.2
"""Of the requests that send, which a fault hits if nobody says more."""

_FIRST_TIME = frozenset({"throttled", "expired"})
_NUMBER = re.compile(r"279994000(\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that hits a share of the requests.

    Parameters
    ----------
    name
        One of those in the table above.
    share
        Between 0 and 1. Which requests are hit depends on the gateway's seed and on the request, not on its turn.
    commands
        The commands that it hits; those that send, unless told otherwise.

    Raises
    ------
    ValueError
        The name is none of those, or the share is out of range.

    Examples
    --------
    >>> Fault("lost", share=0.1).name
    'lost'
    """

    name: str
    share: float = 1.0
    commands: frozenset[str] = SENDS

    def __post_init__(self) -> None:
        """Check name and share."""
        if self.name not in NAMES:
            message = f"no fault is called {self.name!r}; there are {', '.join(NAMES)}"
            raise ValueError(message)
        if isinstance(self.share, bool) or not isinstance(self.share, Real) or not 0 <= self.share <= 1:
            message = f"a fault's share is between 0 and 1, not {self.share!r}"
            raise ValueError(message)


Faults = str | Mapping[str, float] | Iterable[Fault]
"""How faults may be given: a name, which hits a fifth of the requests that send, names with shares, or each in full."""


def read_faults(given: Faults) -> tuple[Fault, ...]:
    """Read faults however they are given; names may be those of ``IN_WORDS`` or of ``NAMES``.

    Raises
    ------
    ValueError
        There is no fault of this name, a share is out of range, or they add up to more than everything.

    Examples
    --------
    >>> [(fault.name, fault.share) for fault in read_faults({"lost replies": 0.01, "slow": 0.5})]
    [('lost', 0.01), ('slow', 0.5)]
    """
    if isinstance(given, str):
        given = {given: SHARE}
    if not isinstance(given, Mapping):
        return tuple(given)
    names = [*IN_WORDS, *(name for name in NAMES if name not in IN_WORDS.values())]
    if strange := [name for name in given if name not in {*NAMES, *IN_WORDS}]:
        message = f"no fault is called {strange[0]!r}; there are {', '.join(names)}"
        raise ValueError(message)
    faults = tuple(Fault(IN_WORDS.get(name, name), share) for name, share in given.items())
    if (total := math.fsum(fault.share for fault in faults)) > 1:
        message = f"their shares add up to {total:g}, which is more than 1"
        raise ValueError(message)
    if len({fault.name for fault in faults}) < len(faults):
        message = "one of them has two names here"
        raise ValueError(message)
    return faults


class FaultPlan:
    """Decides which requests are hit by which fault."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self._seed = seed
        self._faults = read_faults(faults)
        self._attempts: Counter[tuple[str, ...]] = Counter()

    def choose(self, command: str, parameters: Parameters) -> str:
        """Name the fault that hits a request; empty for none. Each attempt at the same request is drawn anew."""
        candidates = self._candidates(command, parameters)
        if not candidates:
            return ""
        content = _content(command, parameters)
        attempt = self._attempts[content]
        key = parameters.get("climsgid") or "\0".join(content)
        left = 1.0  # of the requests, by the faults before: each hits its share of all of them
        for fault in candidates:
            if self._draw(fault.name, key, attempt) * left < fault.share:
                return "" if fault.name in _FIRST_TIME and attempt else fault.name
            left -= fault.share
        return ""

    def count(self, command: str, parameters: Parameters) -> None:
        """Note an attempt at a request, if that makes a difference to the next one."""
        if self._candidates(command, parameters):
            self._attempts[_content(command, parameters)] += 1

    def _candidates(self, command: str, parameters: Parameters) -> list[Fault]:
        forced = _forced(parameters) if command in SENDS else ""
        return [Fault(forced)] if forced else [fault for fault in self._faults if command in fault.commands]

    def _draw(self, name: str, key: str, attempt: int) -> float:
        return share(digest(self._seed, "fault", name, key, attempt))


def instead(fault: str, now: datetime) -> Response | None:
    """Answer a request that a fault keeps from being handled; ``None`` if it is to be handled."""
    match fault:
        case "refused" | "reset":
            return Response(0, b"", {}, fault)
        case "html502":
            return replies.page(502, "Bad Gateway")
        case "throttled":
            return replies.page(429, "Too Many Requests", Retry_After="1")
        case "expired" | "error901":
            return replies.text(replies.error("003" if fault == "expired" else "901", now))
        case _:
            return None


def afterwards(fault: str, response: Response, now: datetime) -> Response:
    """Spoil the answer to a request that was handled."""
    match fault:
        case "html503":
            return replies.page(503, "Service Unavailable")
        case "error901_accepted":
            return replies.text(replies.error("901", now))
        case "truncated":
            return replace(response, body=response.body[: len(response.body) // 2], fault=fault)
        case "garbage":
            return replace(response, body=bytes(byte ^ 0xA5 for byte in response.body))
        case "lost":
            return Response(0, b"", {}, fault)
        case _:
            return replace(response, fault=fault)


def forcing_numbers() -> list[dict[str, str]]:
    """List the numbers that force a fault on the request that sends to them."""
    return [
        {"number": f"279994000{place:02}", "forces": f"fault {name}", "happens": happens}
        for place, (name, happens) in enumerate(NAMES.items(), start=1)
    ]


def _forced(parameters: Parameters) -> str:
    for number in parameters.get("to", "").split(","):
        if found := _NUMBER.fullmatch(number.strip()):
            place = int(found.group(1))
            if 1 <= place <= len(NAMES):
                return list(NAMES)[place - 1]
    return ""


def _content(command: str, parameters: Parameters) -> tuple[str, ...]:
    """Tell requests apart by what they ask, whatever the caller's own id: a new attempt may come with a new one."""
    asked = sorted(item for item in parameters.items() if item[0] not in {*CREDENTIALS, "climsgid"})
    return command, *(part for item in asked for part in item)
