"""What each possible answer to a send means for the message and for those after it, as one table.

Only what was provably not accepted may be sent again by the program: nothing was written, the gateway refused the
session or the account, or it asked for patience in so many words. Everything that this table does not list is
``unknown``, and nothing follows from it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from clicknb.errors import NotSent, TransportError
from clicknb.gateway.http import codes
from clicknb.gateway.http.wire import Reply, Sent

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


_UNKNOWN = Rule("unknown")

_BY_CONCERN: dict[codes.Concern, Rule] = {
    "row": Rule("rejected"),
    "account": Rule("returned", "stop", ask=True),
    "session": Rule("returned", "renew", ask=True),
}
"""What a refusal means by what it is about; one that is about anything else does not settle the message."""

MATRIX: dict[str, Rule] = {
    **{f"error {code}": _BY_CONCERN.get(known.concern, _UNKNOWN) for code, known in codes.ERRORS.items()},
    "accepted": Rule("accepted"),
    "error not listed": _UNKNOWN,
    # HTTP: only an explicit throttle says that nothing was accepted
    "http 429": Rule("returned", "pause", ask=True),
    **dict.fromkeys(("http 1xx", "http 2xx", "http 3xx", "http 4xx", "http 5xx"), _UNKNOWN),
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
