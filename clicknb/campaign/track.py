"""Asks the gateway what became of messages: statuses, charges, and those in doubt.

Asking changes nothing, so unlike a send a question may be repeated. Every status seen is recorded as an event.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event as Signal
from typing import Any, TypeVar

from clicknb.campaign.context import Context
from clicknb.errors import (
    AccountError,
    CampaignError,
    ClicknbError,
    GatewayError,
    TransportError,
    UnreadableReply,
)
from clicknb.gateway.http import wire
from clicknb.gateway.limits import REMEMBERED
from clicknb.ledger.records import Attempt, AttemptResult, Event

logger = logging.getLogger(__name__)

MOST_TRIES = 3
"""How often a question is put before its failure counts."""

LONGEST_PAUSE = 60.0
"""Seconds between two looks, at most."""

IN_A_LIST = "the request of several messages reached the gateway; which of them it accepted cannot be asked"

CANCELLED = "cancelled before it was sent"

Value = TypeVar("Value")


def ask(
    context: Context,
    command: str,
    questions: Sequence[Mapping[str, str]],
    read: Callable[[wire.Reply, str], Value],
) -> Iterator[tuple[int, Value | ClicknbError]]:
    """Put many questions at once; yields the number of each question with its answer, in no particular order.

    Parameters
    ----------
    read
        Reads an answer; takes the apimsgid that was asked about, empty if it was none. A connection on which
        something came that it cannot read is not used again.

    Raises
    ------
    AccountError
        The gateway refuses the account, so no question can be answered.
    NotSent
        The gateway cannot be reached.
    """
    if not questions:
        return
    waiting = deque((number, 1) for number in range(len(questions)))
    flying: dict[int, tuple[int, int, wire.Request]] = {}
    exchange = context.connect(min(context.concurrency, len(questions)))
    free = list(range(exchange.connections))
    try:
        while waiting or flying:
            while waiting and free:
                number, tries = waiting.popleft()
                request = context.gateway.request(command, questions[number])
                slot = free.pop()
                flying[slot] = (number, tries, request)
                exchange.start(slot, request)
            for slot, answer in exchange.wait():
                number, tries, request = flying.pop(slot)
                free.append(slot)
                value = _value(answer, questions[number].get("apimsgid", ""), read)
                if isinstance(value, UnreadableReply):
                    exchange.drop(slot)
                if tries < MOST_TRIES and _worth_repeating(context, request, answer, value):
                    waiting.append((number, tries + 1))
                else:
                    yield number, value
    finally:
        exchange.close()


def _value(
    answer: wire.Reply | TransportError, apimsgid: str, read: Callable[[wire.Reply, str], Value]
) -> Value | ClicknbError:
    """Read an answer; what is wrong with it if it says nothing about its question."""
    if isinstance(answer, TransportError):
        return answer
    try:
        return read(answer, apimsgid)
    except AccountError:
        raise
    except ClicknbError as error:
        return error


def _worth_repeating(
    context: Context, request: wire.Request, answer: wire.Reply | TransportError, value: object
) -> bool:
    if isinstance(answer, TransportError) or isinstance(value, UnreadableReply):
        return True
    if wire.error_code(answer) == "003":
        context.gateway.session.renew(request.parameters["session_id"])
        return True
    return False


def read_statuses(context: Context, ids: Sequence[str], *, command: str) -> Iterator[tuple[int, wire.MessageStatus]]:
    """Ask for the status of messages; those that got no readable answer are left out and logged."""
    yield from _read_all(context, command, [{"apimsgid": value} for value in ids], wire.read_status)


def read_charges(context: Context, ids: Sequence[str]) -> Iterator[tuple[int, wire.MessageCharge]]:
    """Ask what messages cost; those that got no readable answer are left out and logged."""
    yield from _read_all(context, "getmsgcharge", [{"apimsgid": value} for value in ids], wire.read_charge)


def _read_all(
    context: Context,
    command: str,
    questions: Sequence[Mapping[str, str]],
    read: Callable[[wire.Reply, str], Value],
) -> Iterator[tuple[int, Value]]:
    failures: list[ClicknbError] = []
    for number, value in ask(context, command, questions, read):
        if isinstance(value, ClicknbError):
            failures.append(value)
        else:
            yield number, value
    if failures:
        logger.warning("%d of %d questions (%s) were not answered", len(failures), len(questions), command)
    if questions and len(failures) == len(questions):
        raise failures[0]


def refresh(context: Context, campaign_id: str) -> int:
    """Ask once about every accepted message that is not final, and what the final ones cost.

    Returns
    -------
    int
        How many accepted messages are still not final.
    """
    _note_statuses(context, context.ledger.open(campaign_id), "query", "querymsg")
    _note_charges(context, context.ledger.uncharged(campaign_id))
    return len(context.ledger.open(campaign_id))


def cancel(context: Context, campaign_id: str) -> None:
    """Take planned rows out of the queue and stop what the gateway still holds."""
    _ask_returned(context, campaign_id)
    context.ledger.withdraw(campaign_id, CANCELLED)
    _note_statuses(context, context.ledger.open(campaign_id), "cancel", "delmsg")


def _ask_returned(context: Context, campaign_id: str) -> None:
    """Ask about what came back, so that only what the gateway denies is taken out of the queue."""
    context.ledger.doubt_returned(campaign_id, context.clock.now() - REMEMBERED)
    returned = context.ledger.returned(campaign_id)
    if not returned:
        return
    answers: dict[str, wire.MessageStatus] = {}
    with contextlib.suppress(ClicknbError):  # what is not answered is in doubt
        answers = look_up(context, set(returned.values()))
    denied = {name for name, status in answers.items() if not status.apimsgid}
    waiting = context.ledger.messages(campaign_id, {"planned", "skipped"})
    context.ledger.note_denied(one for one in waiting if returned.get(one.row_id) in denied)


def _note_statuses(context: Context, asked: Sequence[Attempt], source: str, command: str) -> None:
    answers = read_statuses(context, [attempt.apimsgid for attempt in asked], command=command)
    told = ((asked[number], answer.status) for number, answer in answers)
    seen = [_event(context, attempt, status, source, news=status != attempt.status) for attempt, status in told]
    context.ledger.note(seen)


def _note_charges(context: Context, asked: Sequence[Attempt]) -> None:
    answers = read_charges(context, [attempt.apimsgid for attempt in asked])
    seen = [_event(context, asked[number], told.status, "charge", charge=told.charge) for number, told in answers]
    context.ledger.note(seen)


def _event(context: Context, attempt: Attempt, status: str, source: str, **more: Any) -> Event:
    return Event(attempt.row_id, attempt.attempt, attempt.apimsgid, status, context.clock.now(), source, **more)


def reconcile(context: Context, campaign_id: str) -> int:
    """Ask once about every message in doubt, by its client message id.

    A message that the gateway knows becomes ``accepted``. One that it denied three times over at least two minutes,
    begun at least 30 seconds after the attempt, becomes ``absent``; only what this program saw itself counts, on a
    clock that cannot be set. After six days the gateway has forgotten, and what is ``unknown`` stays so.

    Returns
    -------
    int
        How many messages may still be settled by asking again later.
    """
    with contextlib.suppress(CampaignError), context.ledger.sending(campaign_id):  # a living sender settles its own
        context.ledger.abandon(campaign_id, context.clock.now())
    doubtful = context.ledger.doubtful(campaign_id, since=context.clock.now() - REMEMBERED)
    asked_at = context.clock.monotonic()
    answers = look_up(context, dict.fromkeys(attempt.climsgid for attempt in doubtful))
    shared = context.ledger.shared(campaign_id)
    events, outcomes = [], []
    for attempt in doubtful:
        if attempt.climsgid not in answers:
            continue
        status, now = answers[attempt.climsgid], context.clock.now()
        if status.apimsgid and attempt.climsgid in shared:
            outcomes.append(AttemptResult(attempt.row_id, attempt.attempt, "unknown", now, error=IN_A_LIST))
            continue
        if status.apimsgid:
            outcomes.append(AttemptResult(attempt.row_id, attempt.attempt, "accepted", now, status.apimsgid))
        key = (attempt.row_id, attempt.attempt)
        if status.apimsgid or context.doubts.deny(key, now - attempt.submitted_at, asked_at):
            events.append(_event(context, replace(attempt, apimsgid=status.apimsgid), status.status, "reconcile"))
    context.ledger.note([event for event in events if not event.apimsgid])
    outcomes += _absent(context, campaign_id, doubtful)
    borrowed = context.ledger.record(campaign_id, outcomes, []).borrowed
    if borrowed:
        _question_holders(context, [outcome.apimsgid for outcome in outcomes if outcome[:2] in borrowed])
    context.ledger.note([one for one in events if one.apimsgid and (one.row_id, one.attempt) not in borrowed])
    return len(doubtful) - len(outcomes) + len(borrowed)


def _question_holders(context: Context, apimsgids: Sequence[str]) -> None:
    """Ask about the messages that have some ids already, and put those in doubt whose id is not theirs after all.

    Whoever has an id by a send's answer has it by the connection on which that came; the answer to a question about a
    client message id says whose it is.
    """
    holders = context.ledger.holders(apimsgids)
    answers = look_up(context, {holder.climsgid for holder in holders})
    wrong = [
        holder
        for holder in holders
        if (answer := answers.get(holder.climsgid)) and answer.apimsgid.lower() != holder.apimsgid.lower()
    ]
    context.ledger.disown(wrong)


def look_up(
    context: Context, climsgids: Iterable[str], seen: Callable[[int], object] = lambda _: None
) -> dict[str, wire.MessageStatus]:
    """Ask what the gateway knows of some client message ids.

    Parameters
    ----------
    seen
        Called with how many answers have come since the last call, for a progress display.

    Returns
    -------
    dict
        What it said, by client message id: without an apimsgid where it knows of no such message. An id about which
        it gave no readable answer is left out.
    """
    questions = list(climsgids)
    found: dict[str, wire.MessageStatus] = {}
    for number, status in _read_all(context, "querymsg", [{"climsgid": value} for value in questions], _known_as):
        found[questions[number]] = status
        seen(1)
    return found


def _known_as(reply: wire.Reply, _: str) -> wire.MessageStatus:
    """Read what the gateway knows of a client message id: without an apimsgid if it denies it."""
    try:
        status = wire.read_status(reply)
    except GatewayError as error:
        if error.code not in {"103", "104"}:
            raise
        return wire.MessageStatus("", error.code)
    return wire.MessageStatus("", status.status) if status.status == "001" else status


def _absent(context: Context, campaign_id: str, doubtful: Sequence[Attempt]) -> list[AttemptResult]:
    """Settle what was denied often enough and for long enough."""
    denials = context.ledger.denials(campaign_id)
    now = context.clock.now()
    outcomes = []
    for attempt in doubtful:
        key = (attempt.row_id, attempt.attempt)
        times = denials.get(key, [])
        if context.doubts.settled(key, times):
            error = f"the gateway does not know it (asked {len(times)} times)"
            outcomes.append(AttemptResult(attempt.row_id, attempt.attempt, "absent", now, error=error))
    return outcomes


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the gateway.

    Attributes
    ----------
    left : int
        How many messages may still change; as before where the gateway could not be asked.
    trouble : TransportError or UnreadableReply or None
        Why it could not be asked.
    """

    left: int
    trouble: TransportError | UnreadableReply | None = None


def looks(
    context: Context,
    ask: Callable[[], int],
    left: int,
    timeout: float,
    *,
    first: float = 2.0,
    stop: Signal | None = None,
) -> Iterator[Look]:
    """Look at the gateway, less and less often, until nothing is left, the time is over or ``stop`` is set.

    A gateway that cannot be reached or understood is asked again later.

    Parameters
    ----------
    ask
        Asks once; returns how many messages may still change.
    left
        How many those are before it was asked.
    first
        Seconds between the first two looks.

    Raises
    ------
    TransportError, UnreadableReply
        The time is over, and there was no other answer in it.
    """
    deadline, pause, reached = context.clock.monotonic() + timeout, first, False
    while stop is None or not stop.is_set():
        trouble = None
        try:
            left, reached = ask(), True
        except (TransportError, UnreadableReply) as error:
            trouble = error
        yield Look(left, trouble)
        remaining = deadline - context.clock.monotonic()
        if left == 0 and trouble is None:
            return
        if remaining <= 0:
            if trouble is None or reached:
                return
            raise trouble
        if trouble is not None:
            logger.warning("The gateway is asked again in %.0f s: %s", min(pause, remaining), trouble)
        context.clock.sleep(min(pause, remaining), stop)
        pause = min(pause * 1.5, LONGEST_PAUSE)
