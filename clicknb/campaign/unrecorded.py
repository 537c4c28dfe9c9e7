"""Asks the gateway what left without the ledger's knowledge, before anything leaves that may have left already.

A ledger that was put back from a copy says "planned" of all that was sent after the copy was made. The client message
id of an attempt is derived from the campaign, the row and the attempt's number, so the id that the next attempt would
have can be asked about: what the gateway knows was sent, what it denies was not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from clicknb.campaign import track
from clicknb.campaign.copies import REMEMBERED
from clicknb.campaign.schema import Event, Intent, Message, Outcome, climsgid, micro
from clicknb.campaign.send import batches
from clicknb.campaign.service import Service
from clicknb.errors import ClicknbError, LedgerWarning
from clicknb.gateway.wire import MessageStatus

SAMPLE = 20
"""How many rows of a campaign are asked about that the ledger has never sent; if one of them is known, all are."""

FORGOTTEN = "this ledger is a copy, and the gateway does not remember any more whether it was sent after that was made"
IN_A_REQUEST = "sent after this copy of the ledger was made, or not: which messages a request held cannot be asked"

Seen = Callable[[int], object]


@dataclass(slots=True)
class _Search:
    """What the gateway says of some messages.

    Attributes
    ----------
    known
        The messages that it knows, by row: the attempt's turn, its client message id and status.
    denied, unanswered
        Those that it does not know, and those of which it said nothing that can be read.
    """

    known: dict[int, tuple[int, str, MessageStatus]] = field(default_factory=dict)
    denied: list[Message] = field(default_factory=list)
    unanswered: list[Message] = field(default_factory=list)


def find(
    service: Service, campaign_id: str, messages: Sequence[Message], *, together: int = 1, seen: Seen = lambda _: None
) -> tuple[list[Message], str]:
    """Record which of some messages have left without the ledger's knowledge.

    Nobody is asked where that cannot be: about rows of a file that this program has made, and about rows that it has
    asked about before. A campaign that the ledger has never sent is asked about by a few of its rows, and as a whole
    if one of them is known, or if the file is known to have been put back in the last six days.

    Parameters
    ----------
    together
        How many messages may share a request. Where they do, nobody can tell which ones a request held, so all that
        may have been in one are in doubt.
    seen
        Called with the number of answers that have come since the last call, for a progress display.

    Returns
    -------
    tuple
        The messages that may leave, and why the others may not; empty if there are none.
    """
    origin, now = service.ledger.origin, service.clock.now()
    suspects = origin.unproven(messages)
    if not suspects:
        return list(messages), ""
    found_at, last = origin.adopt(now), origin.last_sent(campaign_id)
    if found_at is not None and last is not None and now - last > REMEMBERED:
        forgotten = [one for one in suspects if origin.held(one)]
        _record(service, campaign_id, [_doubt(service, campaign_id, one, FORGOTTEN) for one in forgotten])
        messages, suspects = (_without(some, {one.row_id for one in forgotten}) for some in (messages, suspects))
    try:
        if last is None and found_at is None and not _search(service, campaign_id, _sample(suspects), seen).known:
            origin.clear(suspects)
            return list(messages), ""
        search = _search(service, campaign_id, suspects, seen)
    except ClicknbError as error:
        return [], str(error)
    gone = _settle(service, campaign_id, suspects, search, together)
    waiting = {one.row_id for one in search.unanswered}
    origin.clear(one for one in suspects if one.row_id not in waiting)
    reason = ""
    if waiting:
        reason = f"the gateway did not say of {len(waiting):,} messages whether they had been sent before"
    return _without(messages, gone | waiting), reason


def _sample(messages: Sequence[Message]) -> list[Message]:
    """Choose some messages: half of them those that leave first, the rest evenly from all."""
    first = list(messages[: SAMPLE // 2])
    rest = messages[SAMPLE // 2 :]
    return first + list(rest[:: max(1, len(rest) // (SAMPLE // 2))])


def _without(messages: Sequence[Message], rows: set[int]) -> list[Message]:
    return [message for message in messages if message.row_id not in rows]


def _search(service: Service, campaign_id: str, messages: Sequence[Message], seen: Seen) -> _Search:
    """Ask about the next turn of each message, and about those after it where any was found.

    What was in doubt and turned out to be absent had a turn that the gateway does not know, and may have had another.
    """
    search, asked, further = _Search(), list(messages), 0
    while asked:
        ids = {climsgid(campaign_id, one.key, one.turn + further): one for one in asked}
        answers = track.look_up(service, ids, seen)
        search.unanswered += [one for name, one in ids.items() if name not in answers]
        known = {name: status for name, status in answers.items() if status.apimsgid}
        for name, status in known.items():
            search.known[ids[name].row_id] = ids[name].turn + further, name, status
        asked = [one for name, one in ids.items() if name in answers and name not in known]
        if not known and (further > 0 or len(asked) > service.concurrency):
            break
        further += 1
    search.denied = asked
    return search


def _settle(
    service: Service, campaign_id: str, suspects: Sequence[Message], search: _Search, together: int
) -> set[int]:
    """Record what was found; returns the rows that are settled by it."""
    if not search.known:
        return set()
    doubtful = list(_sharing(suspects, search, together)) if together > 1 else []
    now = service.clock.now()
    found, events = [], []
    for message in suspects if together == 1 else ():
        if message.row_id in search.known:
            (turn, name, status), attempt = search.known[message.row_id], message.attempt + 1
            intent = Intent(message.row_id, attempt, name, micro(now), turn)
            found.append((intent, Outcome(message.row_id, attempt, "accepted", now, status.apimsgid)))
            events.append(Event(message.row_id, attempt, status.apimsgid, status.status, now, "reconcile"))
    found += [_doubt(service, campaign_id, one, IN_A_REQUEST, name) for one, name in doubtful]
    borrowed = _record(service, campaign_id, found)
    service.ledger.note([event for event in events if (event.row_id, event.attempt) not in borrowed])
    return {intent.row_id for intent, _ in found}


def _sharing(suspects: Sequence[Message], search: _Search, together: int) -> Iterator[tuple[Message, str]]:
    """Give the messages that may have been in a request that the gateway knows, with the id of the latest one.

    The client message id of a request is that of its first message, and requests are filled in the order of the rows.
    So whatever stands behind a known message, among those of the same text and options, may have been in its request.
    """
    for group in batches(suspects, len(suspects), lambda _: ""):
        name = ""
        for message in group:
            if message.row_id in search.known:
                _, name, _ = search.known[message.row_id]
            if name:
                yield message, name


def _doubt(service: Service, campaign_id: str, message: Message, reason: str, name: str = "") -> tuple[Intent, Outcome]:
    """Name an attempt that may have been made."""
    now, attempt = service.clock.now(), message.attempt + 1
    name = name or climsgid(campaign_id, message.key, message.turn)
    intent = Intent(message.row_id, attempt, name, micro(now), message.turn)
    return intent, Outcome(message.row_id, attempt, "unknown", now, error=reason)


def _record(service: Service, campaign_id: str, found: Sequence[tuple[Intent, Outcome]]) -> frozenset[tuple[int, int]]:
    if not found:
        return frozenset()
    new, borrowed = service.ledger.recover(campaign_id, found)
    if new:  # else another program has sent them at this moment
        message = (
            f"{new:,} messages that the ledger called planned may have left before: it is a copy, or was put back. "
            "What the gateway knows of is recorded now, and is not sent again; campaign.sends shows it."
        )
        warnings.warn(message, LedgerWarning, stacklevel=2)
    return borrowed
