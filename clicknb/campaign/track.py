"""Asks the gateway what became of messages: statuses, charges, and those in doubt.

Asking changes nothing, so unlike a send a question may be repeated. Every status seen is recorded as an event.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pandas as pd

from clicknb.campaign import record
from clicknb.campaign.schema import Event, Outcome
from clicknb.campaign.service import Service
from clicknb.errors import AccountError, ClicknbError, GatewayError, TransportError
from clicknb.gateway import wire

logger = logging.getLogger(__name__)

TRIES = 3
"""How often a question is put before its failure counts."""

FIRST_LOOK = timedelta(seconds=30)
"""How long after an attempt the gateway's "not known" begins to mean something: its records lag behind."""

LAST_LOOK = timedelta(days=6)
"""How long the gateway remembers a client message id; a message in doubt stays so after that."""

LONGEST_PAUSE = 60.0
"""Seconds between two looks, at most."""

DENIALS = 3
DENIALS_OVER = timedelta(minutes=2)
"""A message counts as absent after so many denials over at least this time."""

Answer = wire.Reply | TransportError
Value = TypeVar("Value")


def ask(service: Service, command: str, questions: Sequence[Mapping[str, str]]) -> Iterator[tuple[int, Answer]]:
    """Put many questions at once; yields the number of each question with its answer, in no particular order.

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
    exchange = service.connect(min(service.concurrency, len(questions)))
    free = list(range(exchange.connections))
    try:
        while waiting or flying:
            while waiting and free:
                number, tries = waiting.popleft()
                request = service.gateway.request(command, questions[number])
                slot = free.pop()
                flying[slot] = (number, tries, request)
                exchange.start(slot, request)
            for slot, answer in exchange.wait():
                number, tries, request = flying.pop(slot)
                free.append(slot)
                if tries < TRIES and _worth_repeating(service, request, answer):
                    waiting.append((number, tries + 1))
                else:
                    yield number, answer
    finally:
        exchange.close()


def _worth_repeating(service: Service, request: wire.Request, answer: wire.Reply | TransportError) -> bool:
    if isinstance(answer, TransportError):
        return True
    code = wire.error_code(answer)
    if code == "003":
        service.gateway.session.renew(request.parameters["session_id"])
        return True
    return answer.status == 429  # noqa: PLR2004


def read_statuses(
    service: Service, ids: Sequence[str], *, command: str = "querymsg", by: str = "apimsgid"
) -> Iterator[tuple[int, wire.MessageStatus]]:
    """Ask for the status of messages; those that got no readable answer are left out and logged."""
    yield from _read_all(service, command, [{by: value} for value in ids], wire.read_status)


def read_charges(service: Service, ids: Sequence[str]) -> Iterator[tuple[int, wire.MessageCharge]]:
    """Ask what messages cost; those that got no readable answer are left out and logged."""
    yield from _read_all(service, "getmsgcharge", [{"apimsgid": value} for value in ids], wire.read_charge)


def _read_all(
    service: Service,
    command: str,
    questions: Sequence[Mapping[str, str]],
    read: Callable[[wire.Reply], Value],
) -> Iterator[tuple[int, Value]]:
    failures: list[ClicknbError] = []
    for number, answer in ask(service, command, questions):
        try:
            value = read(_received(answer))
        except AccountError:
            raise
        except ClicknbError as error:
            failures.append(error)
        else:
            yield number, value
    if failures:
        logger.warning("%d of %d questions (%s) were not answered", len(failures), len(questions), command)
    if questions and len(failures) == len(questions):
        raise failures[0]


def _received(answer: Answer) -> wire.Reply:
    if isinstance(answer, TransportError):
        raise answer
    return answer


def refresh(service: Service, campaign_id: str) -> int:
    """Ask once about every accepted message that is not final, and what the final ones cost.

    Returns
    -------
    int
        How many accepted messages are still not final.
    """
    table = record.joined(service.ledger, campaign_id)
    accepted = table[table["state"] == "accepted"]
    _note_statuses(service, accepted[~accepted["final"]], "query", "querymsg")
    table = record.joined(service.ledger, campaign_id)
    accepted = table[table["state"] == "accepted"]
    _note_charges(service, accepted[accepted["final"] & ~accepted["charged_final"]])
    return int((~accepted["final"]).sum())


def charge(service: Service, campaign_id: str) -> None:
    """Ask what each accepted message costs as things stand."""
    table = record.joined(service.ledger, campaign_id)
    _note_charges(service, table[table["state"] == "accepted"])


def cancel(service: Service, campaign_id: str) -> None:
    """Take planned rows out of the queue and stop what the gateway still holds."""
    waiting = service.ledger.messages(campaign_id)
    service.ledger.skip([message.row_id for message in waiting], "cancelled before it was sent")
    table = record.joined(service.ledger, campaign_id)
    open_rows = table[(table["state"] == "accepted") & ~table["final"]]
    _note_statuses(service, open_rows, "cancel", "delmsg")


def _note_statuses(service: Service, table: pd.DataFrame, source: str, command: str) -> None:
    ids = list(table["apimsgid"])
    seen = []
    for number, answer in read_statuses(service, ids, command=command):
        row = table.iloc[number]
        seen.append(_event(service, row, answer.status, source))
    service.ledger.note(seen)


def _note_charges(service: Service, table: pd.DataFrame) -> None:
    seen = []
    for number, answer in read_charges(service, list(table["apimsgid"])):
        row = table.iloc[number]
        news = row["status"] != answer.status or row["charge"] != float(answer.charge)
        seen.append(replace(_event(service, row, answer.status, "charge"), charge=answer.charge, news=news))
    service.ledger.note(seen)


def _event(service: Service, row: pd.Series[Any], status: str, source: str) -> Event:
    event = Event(int(row["row_id"]), int(row["attempt"]), str(row["apimsgid"]), status, service.clock.now(), source)
    return replace(event, news=row["status"] != status)


def reconcile(service: Service, campaign_id: str) -> int:
    """Ask once about every message in doubt, by its client message id.

    A message that the gateway knows becomes ``accepted``. One that it denied three times over at least two minutes,
    begun at least 30 seconds after the attempt, becomes ``absent``. After six days the gateway has forgotten, and what
    is ``unknown`` stays so.

    Returns
    -------
    int
        How many messages may still be settled by asking again later.
    """
    now = service.clock.now()
    table = record.joined(service.ledger, campaign_id)
    doubtful = table[(table["state"] == "unknown") & (table["submitted_at"] > now - LAST_LOOK)]
    events, outcomes = [], []
    questions = [{"climsgid": value} for value in doubtful["climsgid"]]
    for number, answer in ask(service, "querymsg", questions):
        row = doubtful.iloc[number]
        known = _known_as(answer)
        if known is None:
            continue
        now = service.clock.now()
        row_id, attempt = int(row["row_id"]), int(row["attempt"])
        if known.apimsgid:
            events.append(Event(row_id, attempt, known.apimsgid, known.status, now, "reconcile"))
            outcomes.append(Outcome(row_id, attempt, "accepted", now, known.apimsgid))
        elif now - row["submitted_at"] >= FIRST_LOOK:
            events.append(Event(row_id, attempt, "", known.status, now, "reconcile"))
    service.ledger.note(events)
    outcomes += _absent(service, campaign_id, doubtful)
    service.ledger.record(outcomes, [])
    return len(doubtful) - len(outcomes)


def _known_as(answer: Answer) -> wire.MessageStatus | None:
    """Read what the gateway knows of a client message id: an id without text if it denies it, None if unclear."""
    try:
        status = wire.read_status(_received(answer))
    except AccountError:
        raise
    except GatewayError as error:
        return wire.MessageStatus("", error.code) if error.code in {"103", "104"} else None
    except ClicknbError as error:
        logger.warning("A question about a message in doubt was not answered: %s", error)
        return None
    return wire.MessageStatus("", status.status) if status.status == "001" else status


def _absent(service: Service, campaign_id: str, doubtful: pd.DataFrame) -> list[Outcome]:
    """Settle what was denied often enough and for long enough."""
    events = record.denials(service.ledger, campaign_id)
    now = service.clock.now()
    outcomes = []
    for row_id, attempt in zip(doubtful["row_id"], doubtful["attempt"], strict=True):
        times = events.get((int(row_id), int(attempt)), [])
        if len(times) >= DENIALS and times[-1] - times[0] >= DENIALS_OVER:
            error = f"the gateway does not know it (asked {len(times)} times)"
            outcomes.append(Outcome(int(row_id), int(attempt), "absent", now, error=error))
    return outcomes


def until(service: Service, look: Callable[[], int], timeout: float, first: float = 2.0) -> int:
    """Repeat a look at the gateway, less and less often, until it returns 0 or the time is over.

    Returns
    -------
    int
        What the last look returned.
    """
    deadline = service.clock.now() + timedelta(seconds=timeout)
    pause = first
    while (left := look()) > 0:
        now = service.clock.now()
        if now >= deadline:
            break
        service.clock.sleep(min(pause, (deadline - now).total_seconds()))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return left
