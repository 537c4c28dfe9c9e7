"""Executes what was planned: intent, one attempt, outcome.

The loop is synchronous and has three steps: commit what came back together with what leaves next, put the next
requests on the free connections, wait for answers. A row's intent is on the disk before its first byte leaves, each
attempt is one request, and a request whose first byte may have left is never repeated. So at any moment at most as many
requests are open as there are connections, and a crash leaves exactly their rows in doubt: one each, or a list each.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from types import FrameType

from clicknb import display
from clicknb.campaign.answers import Rule, judge
from clicknb.campaign.brakes import Brakes
from clicknb.campaign.context import Context
from clicknb.campaign.gate import Gate
from clicknb.campaign.requests import Batch, Flight, Returned, batches, by_request, known, parameters, read_sent
from clicknb.campaign.track import look_up
from clicknb.errors import AccountError, ClicknbError, NotSent, TransportError
from clicknb.gateway.http import codes, wire
from clicknb.gateway.http.parameters import encode
from clicknb.gateway.pace import Pace
from clicknb.gateway.transport import Exchange
from clicknb.ledger.records import AttemptResult, Message, climsgid

logger = logging.getLogger(__name__)

SETBACKS = 3
"""How often in a row the gateway may be out of reach or ask for patience before sending stops."""

LONGEST_PAUSE = 60.0
"""Seconds; a longer Retry-After is not waited for."""

LONGEST_NAP = 30.0
"""Seconds after which a sender that waits for the right hour looks whether it was stopped."""

REQUESTS_AT_ONCE = 32
MESSAGES_AT_ONCE = 1000
"""How much leaves after one commit: so these requests travel while the next ones are recorded, and their answers do
not all come at the same moment."""

_NONE: Mapping[int, str] = {}


class Sender:
    """Sends the messages of one campaign and records what came of each.

    Parameters
    ----------
    context
        The account to send through.
    campaign_id
        Whose client message ids are used.
    brakes
        Says when too much goes wrong.
    gate
        Says who may be written to by now.
    settled
        Called with how many messages have come to an end since the last call, for a progress display.

    Attributes
    ----------
    stopped : str
        Why sending stopped early; empty if it did not.
    """

    def __init__(
        self,
        context: Context,
        campaign_id: str,
        brakes: Brakes,
        gate: Gate,
        settled: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._context = context
        self._campaign_id = campaign_id
        self._brakes = brakes
        self._gate = gate
        self._settled = settled
        self._pace = Pace(context.rate)
        self._queue: deque[Batch] = deque()
        self._held: list[tuple[datetime | None, Batch]] = []
        self._returned: list[Returned] = []
        self._flying: dict[int, Flight] = {}
        self._outcomes: list[AttemptResult] = []
        self._came_on: list[tuple[int, Flight]] = []
        self._expired: set[str] = set()
        self._setbacks = 0
        self._pause: float | None = None
        self._obstacle = ""
        self._wake = threading.Event()
        self._interrupted = False
        self.stopped = ""

    def run(self, messages: Sequence[Message], *, together: int = 1, returned: Mapping[int, str] = _NONE) -> None:
        """Send until nothing is left, or until ``stopped`` says why not.

        Parameters
        ----------
        messages
            What to send.
        together
            How many messages of the same text may share a request.
        returned
            Which of them the gateway is asked about before they leave again, because their last attempt came back:
            row to client message id.

        Raises
        ------
        KeyboardInterrupt
            The user interrupted; no new message was sent, and the answers that were due have been recorded.
        LedgerError
            The ledger could not be written; nothing was sent after that.
        """
        self._returned = by_request(messages, returned)
        fresh = self._gate.admitted(message for message in messages if message.row_id not in returned)
        self._queue.extend(batches(fresh, together, self._gate.place))
        connections = max(1, min(self._context.concurrency, len(self._queue) + len(self._returned)))
        exchange = self._context.connect(connections)
        try:
            with _interrupts(self._interrupt):
                self._work(exchange, list(range(exchange.connections)))
        finally:
            try:
                self._leave_in_doubt(exchange)
            finally:
                exchange.close()
        if self._interrupted:
            raise KeyboardInterrupt

    def stop(self, reason: str) -> None:
        """Let nothing more leave; may be called from another thread. Answers that are due are still recorded."""
        if not self.stopped:
            logger.info("Sending stops: %s", reason)
            self.stopped = reason
        self._wake.set()

    def _interrupt(self) -> None:
        self._interrupted = True
        self.stop("interrupted by the user")

    # the loop: commit, start, wait

    def _work(self, exchange: Exchange, free: list[int]) -> None:
        while True:
            departing = self._committed(self._departing(len(free)), exchange)
            leaving = {free.pop(): flight for flight in departing}
            self._flying.update(leaving)
            for slot, flight in leaving.items():
                exchange.start(slot, flight.request)
            if self._flying:
                for slot, answer in exchange.wait(self._patience(free)):
                    self._read(slot, self._flying.pop(slot), answer)
                    free.append(slot)
            elif self._finished():
                return

    def _committed(self, departing: list[Flight], exchange: Exchange) -> list[Flight]:
        """Write what came back and what leaves next, in one transaction; returns what may leave."""
        doubtful = [(outcome.row_id, outcome.attempt) for outcome in self._outcomes if outcome.state == "unknown"]
        self._context.doubts.begin(doubtful, self._context.clock.monotonic())
        intents = list(chain.from_iterable(flight.intents for flight in departing))
        written = self._context.ledger.record(self._campaign_id, self._outcomes, intents, self._gate.generation)
        self._settled(sum(outcome.state != "returned" for outcome in self._outcomes))
        if written.borrowed:
            self._drop_those_out_of_step(exchange, written.borrowed)
        self._outcomes.clear()
        self._came_on.clear()
        if written.relisted:
            self._readmit(departing)
        elif written.refused:
            self.stop(written.refused)
        return [] if written.relisted or written.refused else departing

    def _drop_those_out_of_step(self, exchange: Exchange, borrowed: frozenset[tuple[int, int]]) -> None:
        """Give up the connections on which an answer named another message: so would all that follow."""
        for slot, flight in self._came_on:
            if any((intent.row_id, intent.attempt) in borrowed for intent in flight.intents):
                exchange.drop(slot)
        self._brakes.borrowed(len(borrowed))

    def _readmit(self, departing: list[Flight]) -> None:
        """Leave out of the queue who has been suppressed since it was made."""
        self._gate.reread()
        self._queue = deque(self._admitted([*(flight.messages for flight in departing), *self._queue]))
        self._held = [(opens_at, kept) for opens_at, batch in self._held for kept in self._admitted([batch])]

    def _admitted(self, waiting: Sequence[Batch]) -> list[Batch]:
        """Leave out of some batches who is suppressed."""
        admitted = {message.row_id for message in self._gate.admitted(one for batch in waiting for one in batch)}
        kept = (tuple(one for one in batch if one.row_id in admitted) for batch in waiting)
        return [batch for batch in kept if batch]

    def _departing(self, free: int) -> list[Flight]:
        """Choose what leaves next and give each message its new attempt."""
        if not self._queue or not free or self.stopped or self._pause is not None or not self._allowed():
            return []
        session = self._authenticated()
        now = self._context.clock.now()
        departing: list[Flight] = []
        leaving, most = 0, min(free, REQUESTS_AT_ONCE)
        while session and self._queue and len(departing) < most and leaving < MESSAGES_AT_ONCE:
            if self._held_back(now):
                continue
            if not self._pace.take_all(len(self._queue[0])):
                break
            messages = self._queue.popleft()
            departing.append(self._flight(messages, session, now))
            leaving += len(messages)
        self._brakes.leaving(leaving)
        return departing

    def _held_back(self, now: datetime) -> bool:
        """Put the first of the queue aside if this is not its hour; that takes nothing from the pace."""
        decision = self._gate.decision(self._queue[0][0], now)
        if decision is None or decision.allowed or self._gate.delivery(decision, now):
            return False
        self._held.append((decision.opens_at, self._queue.popleft()))
        return True

    def _flight(self, messages: Batch, session: str, now: datetime) -> Flight:
        """Make the request of some messages."""
        decision = self._gate.decision(messages[0], now)
        delivery = self._gate.delivery(decision, now)
        request_id = climsgid(self._campaign_id, messages[0].key, messages[0].turn)
        values = {**parameters(messages, request_id, now), "session_id": session}
        if delivery:
            values |= encode({"scheduled_time": delivery})
        kept = decision.to_json() if decision else None
        return Flight(messages, request_id, now, session, wire.Request("sendmsg", values), kept)

    def _allowed(self) -> bool:
        try:
            reason = self._brakes.reason()
        except NotSent as error:
            self._pause, self._obstacle = 0.0, error.reason
            return False
        except ClicknbError as error:
            reason = str(error)
        if reason:
            self.stop(reason)
        return not reason

    def _authenticated(self, expired: str = "") -> str:
        """Return a session id, a new one in place of an expired one; empty if there is none to be had now."""
        session = self._context.gateway.session
        try:
            return session.renew(expired) if expired else session.id()
        except NotSent as error:
            self._pause, self._obstacle = 0.0, error.reason
        except ClicknbError as error:
            self.stop(str(error))
        return ""

    def _patience(self, free: list[int]) -> float | None:
        """Seconds to wait for an answer before the pace allows another message; None where only answers matter."""
        waiting_for_pace = self._queue and free and not self.stopped and self._pause is None
        return self._pace.wait_time() if waiting_for_pace else None

    def _finished(self) -> bool:
        """Decide what to do when nothing is on its way: record, pause, wait for the pace, or be done."""
        if self._outcomes:
            return False
        if self._pause is not None and not self.stopped:
            self._setback(f"the gateway cannot be reached, or keeps asking for patience ({self._obstacle})")
            if not self.stopped:
                backoff = random.uniform(0.5, 1.0) * 2.0**self._setbacks  # noqa: S311  # jitter, not a secret
                self._context.clock.sleep(max(self._pause, backoff), self._wake)
            self._pause = None
            self._ask_returned()
        elif self._queue and not self.stopped:
            self._wake.wait(self._pace.wait_time())
        elif self._returned and not self.stopped:
            self._ask_returned()
        elif self._held and not self.stopped:
            self._wait_for_hours()
        return self.stopped != "" or not (self._queue or self._held or self._returned or self._outcomes)

    def _ask_returned(self) -> None:
        """Ask the gateway about what came back, before it leaves again: something may have answered in its place."""
        if self.stopped or not self._returned:
            return
        waiting, self._returned = self._returned, []
        try:
            answers = look_up(self._context, [one.climsgid for one in waiting])
        except AccountError as error:
            self.stop(str(error))
            return
        except ClicknbError:  # no answer to any of the questions
            answers = {}
        for one in waiting:
            status = answers.get(one.climsgid)
            if status is None:
                self._returned.append(one)
            elif status.apimsgid:
                self._outcomes += known(one, status.apimsgid, self._context.clock.now())
            else:
                self._context.ledger.note_denied(one.messages)
                self._queue.extendleft(self._admitted([one.messages]))
        if self._returned:
            self._pause = 0.0

    def _wait_for_hours(self) -> None:
        """Let time pass until the first of those held may be written to, or stop where the campaign does not wait."""
        count = sum(len(batch) for _, batch in self._held)
        opens_at = min((opens_at for opens_at, _ in self._held if opens_at), default=None)
        if opens_at is None or not self._gate.waits:
            then = f"{display.date(opens_at)} at {opens_at:%H:%M} UTC" if opens_at else ""
            first = f", the first of them may leave on {then}" if then else ""
            self.stop(f"it is outside the hours of {count:,} messages{first}")
            return
        now = self._context.clock.now()
        self._context.clock.sleep(min((opens_at - now).total_seconds(), LONGEST_NAP), self._wake)
        if reason := self._context.ledger.campaign(self._campaign_id)["stopped"]:
            self.stop(reason)
        now = self._context.clock.now()
        self._queue.extend(batch for opens_at, batch in self._held if opens_at and opens_at <= now)
        self._held = [(opens_at, batch) for opens_at, batch in self._held if not opens_at or opens_at > now]

    # answers

    def _read(self, slot: int, flight: Flight, answer: wire.Reply | TransportError) -> None:
        """Settle the attempts of one request by its answer."""
        now = self._context.clock.now()
        self._came_on.append((slot, flight))
        said = [(sent, judge(sent, answer)) for sent in read_sent(flight, answer)]
        whole = all(rule.state == "returned" for _, rule in said)  # else the others' answers vouch for the gateway
        returned = []
        for message, (sent, rule) in zip(flight.messages, said, strict=True):
            attempt = message.attempt + 1
            if rule.state == "returned":
                returned.append(message._replace(attempt=attempt))
                self._react(rule, sent, flight, answer)
            else:
                self._setbacks = 0
                self._brakes.answered(rule.state, sent.code)
            to_ask = rule.ask and whole
            outcome = AttemptResult(
                message.row_id, attempt, rule.state, now, sent.apimsgid, sent.code, sent.error, to_ask
            )
            self._outcomes.append(outcome)
        if returned and to_ask:
            self._returned.append(Returned(flight.climsgid, tuple(returned)))
        elif returned:  # meanwhile some may have been suppressed
            self._queue.extendleft(self._admitted([tuple(returned)]))

    def _react(self, rule: Rule, sent: wire.Sent, flight: Flight, answer: wire.Reply | TransportError) -> None:
        """See to what kept a message from being accepted: an account refused, a session expired, a busy gateway."""
        if rule.then == "stop":
            known = codes.ERRORS[sent.code]
            self.stop(f"the gateway refuses the account: {sent.code} {known.text}. {known.advice}")
        elif rule.then == "pause":
            asked = answer.retry_after if isinstance(answer, wire.Reply) else None
            self._pause, self._obstacle = max(self._pause or 0.0, asked or 0.0), sent.error
            if self._pause > LONGEST_PAUSE:
                self.stop(f"the gateway asks to wait {self._pause:.0f} seconds")
        elif flight.session not in self._expired:
            self._expired.add(flight.session)
            self._setback("the gateway ends every session at once")
            if not self.stopped:
                self._authenticated(expired=flight.session)

    def _setback(self, reason: str) -> None:
        self._setbacks += 1
        if self._setbacks > SETBACKS:
            self.stop(reason)

    def _leave_in_doubt(self, exchange: Exchange) -> None:
        """Record what is known when the loop was left early; what is still on its way is in doubt."""
        now = self._context.clock.now()
        reason = "the program was interrupted before the answer was read"
        for flight in self._flying.values():
            for intent in flight.intents:
                self._outcomes.append(AttemptResult(intent.row_id, intent.attempt, "unknown", now, error=reason))
        self._flying.clear()
        self._committed([], exchange)


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
