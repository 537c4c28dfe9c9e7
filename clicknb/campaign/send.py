"""Executes what was planned: intent, one attempt, outcome.

The loop is synchronous and has three steps: commit what came back together with what leaves next, put the next
requests on the free connections, wait for answers. A row's intent is on the disk before its first byte leaves, each
attempt is one request, and a request whose first byte may have left is never repeated. So at any moment at most as many
rows are open as there are connections, and a crash leaves exactly those in doubt.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

from clicknb.campaign.schema import Intent, Message, Outcome, climsgid
from clicknb.campaign.service import Service
from clicknb.charset import ucs2
from clicknb.errors import ClicknbError, NotSent, TransportError
from clicknb.gateway import codes, wire
from clicknb.gateway.limits import Pace
from clicknb.gateway.transport import Exchange

logger = logging.getLogger(__name__)

SETBACKS = 3
"""How often in a row the gateway may be out of reach or ask for patience before sending stops."""

LONGEST_PAUSE = 60.0
"""Seconds; a longer Retry-After is not waited for."""


@dataclass(frozen=True, slots=True)
class _Flight:
    """A message on its way: which attempt it is, and by which session it went."""

    message: Message
    intent: Intent
    session: str


def parameters(message: Message, attempt_id: str) -> dict[str, str]:
    """Write a message as the parameters of ``sendmsg``.

    The text goes as windows-1252 bytes where all its characters survive that, else as UCS-2; ``concat`` is what the
    text needs, so a gateway that counts otherwise refuses instead of charging more than was planned.
    """
    values = {"to": message.to, "climsgid": attempt_id, "concat": str(message.parts)}
    if message.sender:
        values["from"] = message.sender
    if message.encoding == "ucs2":
        return {**values, "text": ucs2(message.text), "unicode": "1"}
    return {**values, "text": message.text}


def _unanswered(to: str, error: TransportError) -> wire.Sent:
    """Say what a request without an answer came to: planned again if it never left, else in doubt."""
    if isinstance(error, NotSent):
        return wire.Sent(to, "planned", error=f"not sent: {error.reason}")
    return wire.Sent(to, "unknown", error=f"the reply was lost: {error.reason}")


class Sender:
    """Sends the messages of one campaign and records what came of each.

    Parameters
    ----------
    service
        The account to send through.
    campaign_id
        Whose client message ids are used.
    settled
        Called with the state of each row that is settled, for a progress display.
    """

    def __init__(self, service: Service, campaign_id: str, settled: Callable[[str], None] = lambda _: None) -> None:
        self._service = service
        self._campaign_id = campaign_id
        self._settled = settled
        self._pace = Pace(service.rate)
        self._queue: deque[Message] = deque()
        self._flying: dict[int, _Flight] = {}
        self._outcomes: list[Outcome] = []
        self._expired: set[str] = set()
        self._setbacks = 0
        self._pause: float | None = None
        self.stopped = ""
        self.interrupted = False

    def run(self, messages: Sequence[Message]) -> None:
        """Send until nothing is left, or until ``stopped`` says why not.

        Raises
        ------
        KeyboardInterrupt
            The user interrupted; no new message was sent, and the answers that were due have been recorded.
        CampaignError
            Another program is sending the same rows.
        LedgerError
            The ledger could not be written; nothing was sent after that.
        """
        self._queue.extend(messages)
        connections = max(1, min(self._service.concurrency, len(self._queue)))
        exchange = self._service.connect(connections)
        try:
            with _interrupts(self._interrupt):
                self._work(exchange, list(range(exchange.connections)))
        finally:
            try:
                self._leave_in_doubt()
            finally:
                exchange.close()
        if self.interrupted:
            raise KeyboardInterrupt

    def _work(self, exchange: Exchange, free: list[int]) -> None:
        while True:
            departing = self._departing(len(free))
            self._commit([flight.intent for flight in departing])
            leaving = {free.pop(): flight for flight in departing}
            self._flying.update(leaving)
            for slot, flight in leaving.items():
                values = parameters(flight.message, flight.intent.climsgid)
                exchange.start(slot, wire.Request("sendmsg", {**values, "session_id": flight.session}))
            if self._flying:
                for slot, answer in exchange.wait(self._patience(free)):
                    self._read(self._flying.pop(slot), answer)
                    free.append(slot)
            elif self._finished():
                return

    def _commit(self, intents: Sequence[Intent]) -> None:
        """Write what came back and what leaves next, in one transaction."""
        self._service.ledger.record(self._outcomes, intents)
        for outcome in self._outcomes:
            self._settled(outcome.state)
        self._outcomes.clear()

    def _departing(self, free: int) -> list[_Flight]:
        """Choose what leaves next and give each message the id of its new attempt."""
        count = min(free, len(self._queue))
        if self.stopped or self._pause is not None or not count or not (session := self._authenticated()):
            return []
        departing = []
        now = self._service.clock.now()
        for _ in range(self._pace.take(count)):
            message = self._queue.popleft()
            number = message.attempt + 1
            attempt_id = climsgid(self._campaign_id, message.key, number)
            departing.append(_Flight(message, Intent(message.row_id, number, attempt_id, now), session))
        return departing

    def _authenticated(self, expired: str = "") -> str:
        """Return a session id, a new one in place of an expired one; empty if there is none to be had now."""
        session = self._service.gateway.session
        try:
            return session.renew(expired) if expired else session.id()
        except NotSent:
            self._pause = 0.0
        except ClicknbError as error:
            self._stop(str(error))
        return ""

    def _patience(self, free: list[int]) -> float | None:
        """Seconds to wait for an answer before the pace allows another message; None where only answers matter."""
        waiting_for_pace = self._queue and free and not self.stopped and self._pause is None
        return self._pace.wait_time() if waiting_for_pace else None

    def _finished(self) -> bool:
        """Decide what to do when nothing is on its way: pause, go on, or be done."""
        if self._outcomes:
            return False
        if self._pause is not None and not self.stopped:
            self._setbacks += 1
            if self._setbacks > SETBACKS:
                self._stop("the gateway cannot be reached or keeps asking for patience")
            else:
                backoff = random.uniform(0.5, 1.0) * 2.0**self._setbacks  # noqa: S311  # jitter, not a secret
                self._service.clock.sleep(max(self._pause, backoff))
                self._pause = None
        elif self._queue and not self.stopped:
            time.sleep(self._pace.wait_time())
        return self.stopped != "" or not self._queue

    def _read(self, flight: _Flight, answer: wire.Reply | TransportError) -> None:
        """Settle one attempt by its answer."""
        if isinstance(answer, wire.Reply):
            (sent,) = wire.read_sends(answer, [flight.message.to])
        else:
            sent = _unanswered(flight.message.to, answer)
        if sent.state == "planned":
            self._queue.appendleft(replace(flight.message, attempt=flight.intent.attempt))
            self._see_to(sent, flight, getattr(answer, "retry_after", None) or 0.0)
        else:
            self._setbacks = 0
        state_of_attempt = "returned" if sent.state == "planned" else sent.state
        row_id, attempt, now = flight.message.row_id, flight.intent.attempt, self._service.clock.now()
        self._outcomes.append(Outcome(row_id, attempt, state_of_attempt, now, sent.apimsgid, sent.code, sent.error))

    def _see_to(self, sent: wire.Sent, flight: _Flight, retry_after: float) -> None:
        """See to what kept a message from being accepted: an account refused, a session expired, a busy gateway."""
        known = codes.ERRORS.get(sent.code)
        if known is not None and known.stops_campaign:
            self._stop(f"the gateway refuses the account: {sent.code} {known.text}. {known.advice}")
        elif known is None:
            self._pause = max(self._pause or 0.0, retry_after)
            if self._pause > LONGEST_PAUSE:
                self._stop(f"the gateway asks to wait {self._pause:.0f} seconds")
        elif flight.session not in self._expired:
            self._expired.add(flight.session)
            self._setbacks += 1
            if self._setbacks > SETBACKS:
                self._stop("the gateway ends every session at once")
            else:
                self._authenticated(expired=flight.session)

    def _stop(self, reason: str) -> None:
        if not self.stopped:
            logger.info("Sending stops: %s", reason)
            self.stopped = reason

    def _interrupt(self) -> None:
        self.interrupted = True
        self._stop("interrupted by the user")

    def _leave_in_doubt(self) -> None:
        """Record what is known when the loop was left early; what is still on its way is in doubt."""
        now = self._service.clock.now()
        reason = "the program was interrupted before the answer was read"
        for flight in self._flying.values():
            self._outcomes.append(Outcome(flight.message.row_id, flight.intent.attempt, "unknown", now, error=reason))
        self._flying.clear()
        self._commit([])


@contextmanager
def _interrupts(handle: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C into a call, so that it cannot fall between a commit and a send; a second one ends all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        handle()

    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
