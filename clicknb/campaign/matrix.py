"""What each possible answer to a send means for the message and for those after it, as one table.

Only what was provably not accepted may be sent again by the program: nothing was written, the gateway refused the
session or the account, or it asked for patience in so many words. Everything that this table does not list is
``unknown``, and nothing follows from it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from clicknb.errors import NotSent, TransportError
from clicknb.gateway import codes
from clicknb.gateway.wire import Reply, Sent

Then = Literal["go on", "renew", "pause", "stop"]
"""What the sender does next: nothing special, a new session, wait and try again, stop the campaign."""


class Rule(NamedTuple):
    """What an answer means.

    Attributes
    ----------
    state
        State of the attempt. ``returned``: the message is planned again.
    then
        What the sender does next.
    ask
        Whether the gateway is asked about this attempt before the message leaves again: its answer says that nothing
        was accepted, but something on the way may have written that answer after the gateway had accepted.
    """

    state: Literal["accepted", "rejected", "returned", "unknown"]
    then: Then = "go on"
    ask: bool = False


_REJECTED, _UNKNOWN = Rule("rejected"), Rule("unknown")
_REFUSED_ACCOUNT = Rule("returned", "stop", ask=True)

MATRIX: dict[str, Rule] = {
    "accepted": Rule("accepted"),
    # the gateway refuses the account: nothing was accepted, and nothing would be
    "error 001": _REFUSED_ACCOUNT,
    "error 002": _REFUSED_ACCOUNT,
    "error 004": _REFUSED_ACCOUNT,
    "error 007": _REFUSED_ACCOUNT,
    "error 108": _REFUSED_ACCOUNT,
    "error 130": _REFUSED_ACCOUNT,
    "error 301": _REFUSED_ACCOUNT,
    # the session ended: nothing was accepted
    "error 003": Rule("returned", "renew", ask=True),
    # the gateway refuses this message
    "error 105": _REJECTED,
    "error 106": _REJECTED,
    "error 107": _REJECTED,
    "error 113": _REJECTED,
    "error 114": _REJECTED,
    "error 121": _REJECTED,
    "error 122": _REJECTED,
    "error 123": _REJECTED,
    "error 128": _REJECTED,
    # errors that should not answer a send of ours, or do not settle it
    "error 005": _UNKNOWN,
    "error 100": _UNKNOWN,
    "error 101": _UNKNOWN,
    "error 102": _UNKNOWN,
    "error 103": _UNKNOWN,
    "error 104": _UNKNOWN,
    "error 109": _UNKNOWN,
    "error 110": _UNKNOWN,
    "error 111": _UNKNOWN,
    "error 112": _UNKNOWN,
    "error 115": _UNKNOWN,
    "error 116": _UNKNOWN,
    "error 120": _UNKNOWN,
    "error 201": _UNKNOWN,
    "error 202": _UNKNOWN,
    "error 302": _UNKNOWN,
    "error 901": _UNKNOWN,
    "error not listed": _UNKNOWN,
    # HTTP: only an explicit throttle says that nothing was accepted
    "http 429": Rule("returned", "pause", ask=True),
    "http 1xx": _UNKNOWN,
    "http 2xx": _UNKNOWN,
    "http 3xx": _UNKNOWN,
    "http 4xx": _UNKNOWN,
    "http 5xx": _UNKNOWN,
    "reply empty": _UNKNOWN,
    "reply unreadable": _UNKNOWN,
    # no reply: what matters is whether the first byte can have left
    "not sent": Rule("returned", "pause"),
    "no reply": _UNKNOWN,
}


def judge(sent: Sent, answer: Reply | TransportError) -> Rule:
    """Look up what an answer means for one recipient.

    Parameters
    ----------
    sent
        What the answer says of this recipient, as read from the wire.
    answer
        The reply itself, or why there is none.
    """
    return MATRIX[condition(sent, answer)]


def condition(sent: Sent, answer: Reply | TransportError) -> str:
    """Name the row of the table that an answer belongs to.

    Examples
    --------
    >>> condition(Sent("447700900123", "unknown", code="901"), Reply(200, b"ERR: 901, Internal error"))
    'error 901'
    """
    if isinstance(answer, TransportError):
        return "not sent" if isinstance(answer, NotSent) else "no reply"
    if answer.status != 200:  # noqa: PLR2004
        return f"http {answer.status}" if f"http {answer.status}" in MATRIX else f"http {str(answer.status)[0]}xx"
    if sent.state == "accepted":
        return "accepted"
    if sent.code:
        return f"error {sent.code}" if sent.code in codes.ERRORS else "error not listed"
    return "reply unreadable" if answer.body.strip() else "reply empty"
