"""What leaves and what came back, as requests: messages, parameters, answers. Pure: no connection, no clock."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from clicknb.campaign.track import IN_A_LIST
from clicknb.charset import ucs2
from clicknb.errors import NotSent, TransportError
from clicknb.gateway.http import wire
from clicknb.ledger.records import AttemptResult, Intent, Message
from clicknb.ledger.units import to_micros

Batch = tuple[Message, ...]
"""Messages that share a request: one in the mode "each", up to 300 of the same text in the mode "list"."""


class Returned(NamedTuple):
    """Messages whose request came back: the gateway is asked about it before they leave again."""

    climsgid: str
    messages: Batch


@dataclass(frozen=True, slots=True)
class Flight:
    """A request on its way: its messages, their client message id, when it left, and the session it goes by."""

    messages: Batch
    climsgid: str
    at: datetime
    session: str
    request: wire.Request
    decision: str | None = None

    @property
    def intents(self) -> list[Intent]:
        """The attempts that it is."""
        at = to_micros(self.at)
        return [
            Intent(message.row_id, message.attempt + 1, self.climsgid, at, self.decision, message.turn)
            for message in self.messages
        ]


def parameters(messages: Batch, request_id: str, now: datetime) -> dict[str, str]:
    """Write messages of the same text and options as the parameters of one ``sendmsg``.

    The text goes as windows-1252 bytes where all its characters survive that, else as UCS-2; ``concat`` is what the
    text needs, so a gateway that counts otherwise refuses instead of charging more than was planned. A scheduled time
    that has passed is left out: the message is due.
    """
    first = messages[0]
    values = {"to": ",".join(message.to for message in messages), "climsgid": request_id, "concat": str(first.parts)}
    if first.sender:
        values["from"] = first.sender
    values |= {"text": ucs2(first.text), "unicode": "1"} if first.encoding == "ucs2" else {"text": first.text}
    if first.options == "{}":
        return values
    options: dict[str, str] = json.loads(first.options)
    if datetime.fromisoformat(options.get("scheduled_time", "9999-12-31T00:00:00Z")) <= now:
        del options["scheduled_time"]
    return values | options


def batches(messages: Iterable[Message], size: int, place: Callable[[Message], object]) -> list[Batch]:
    """Group messages of the same text, options and place, in their order, into requests of at most ``size``."""
    if size == 1:
        return [(message,) for message in messages]
    alike: dict[tuple[object, ...], list[Message]] = defaultdict(list)
    for message in messages:
        alike[message.text, message.sender, message.options, place(message)].append(message)
    return [tuple(group[at : at + size]) for group in alike.values() for at in range(0, len(group), size)]


def by_request(messages: Iterable[Message], returned: Mapping[int, str]) -> list[Returned]:
    """Put messages that came back together again as they were sent."""
    requests: dict[str, list[Message]] = {}
    for message in messages:
        if message.row_id in returned:
            requests.setdefault(returned[message.row_id], []).append(message)
    return [Returned(name, tuple(group)) for name, group in requests.items()]


def known(returned: Returned, apimsgid: str, now: datetime) -> list[AttemptResult]:
    """Say of messages that came back that the gateway has them after all."""
    if len(returned.messages) == 1:
        (message,) = returned.messages
        return [AttemptResult(message.row_id, message.attempt, "accepted", now, apimsgid)]
    return [
        AttemptResult(message.row_id, message.attempt, "unknown", now, error=IN_A_LIST) for message in returned.messages
    ]


def read_sent(flight: Flight, answer: wire.Reply | TransportError) -> list[wire.Sent]:
    """Read what an answer, or the lack of one, says of each recipient."""
    to = [message.to for message in flight.messages]
    if isinstance(answer, wire.Reply):
        return wire.read_sends(answer, to)
    if isinstance(answer, NotSent):
        return [wire.Sent(number, "planned", error=f"not sent: {answer.reason}") for number in to]
    return [wire.Sent(number, "unknown", error=f"the reply was lost: {answer.reason}") for number in to]
