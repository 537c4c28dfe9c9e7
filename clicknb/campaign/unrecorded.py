"""Asks the gateway what left without the ledger's knowledge, before anything leaves that may have left already.

A ledger that was put back from a copy says "planned" of all that was sent after the copy was made. A client message id
is derived from the campaign, the row and the row's turn, so the id that a planned row would have can be asked about:
what the gateway knows was sent, what it denies was not.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from clicknb.campaign.context import Context
from clicknb.campaign.requests import batches
from clicknb.campaign.track import look_up
from clicknb.errors import ClicknbError, LedgerWarning
from clicknb.gateway.http.wire import MessageStatus
from clicknb.gateway.limits import REMEMBERED
from clicknb.ledger.copies import Copy
from clicknb.ledger.records import AttemptResult, Event, Intent, Message, climsgid, repeated
from clicknb.ledger.units import to_micros

TURNS = 3
"""How many turns of a row are asked about, at most, once a message has been found that left."""

SAMPLE = 20
"""How many rows of a campaign are asked about that the ledger has never sent; if one of them is known, all are."""

FORGOTTEN = "this ledger is a copy, and the gateway does not remember any more whether it was sent after that was made"
IN_A_REQUEST = "sent after this copy of the ledger was made, or not: which messages a request held cannot be asked"
ANOTHER_TEXT = "the gateway has a message for this row since this copy of the ledger was made; its text is not known"
CANCELLED_UNASKED = (
    "cancelled in a copy of the ledger, and the gateway did not say whether it was sent since that was made"
)

Found = tuple[Intent, AttemptResult]
"""An attempt that another copy of the ledger made, and what came of it."""


class Inquiry:
    """Finds out which messages of a campaign have left without the ledger's knowledge.

    Parameters
    ----------
    context
        The account to ask.
    campaign_id
        Whose messages they are.
    lists
        Whether messages may share a request. Where they do, nobody can tell which ones a request held, so all that may
        have been in one are in doubt.
    certain
        Whether what a message says is certain of those too that the ledger did not hold when it was opened, or found
        to be a copy. Where it is not, somebody may have had another text, so they are in doubt.
    seen
        Called with the number of answers that have come since the last call, for a progress display.
    """

    def __init__(
        self,
        context: Context,
        campaign_id: str,
        *,
        lists: bool = False,
        certain: bool = False,
        seen: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._context = context
        self._origin = context.ledger.origin
        self._campaign_id = campaign_id
        self._lists = lists
        self._certain = certain
        self._certain_until = math.inf  # the last row whose text is certain
        self._seen = seen
        self._known: dict[int, tuple[int, str, MessageStatus]] = {}  # by row: its turn, the id of that, the answer
        self._unanswered: set[int] = set()

    def run(self, suspects: Sequence[Message]) -> tuple[set[int], str]:
        """Record which of some messages have left.

        A campaign that the ledger has never sent is asked about by a few of its rows, and as a whole if one of them is
        known, or if the file is known to have been put back in the last six days.

        Parameters
        ----------
        suspects
            Messages that may have left without the ledger's knowledge, see ``Origin.unproven``.

        Returns
        -------
        tuple
            The rows that must not leave: those that have, or may have, and those about which the gateway said nothing;
            and why some of the latter are left, empty if there are none.
        """
        if not suspects:
            return set(), ""
        now = self._context.clock.now()
        copy, last = self._origin.adopt(now), self._origin.last_sent(self._campaign_id)
        gone = self._record(self._doubt(one, FORGOTTEN) for one in self._forgotten(suspects, copy, now))
        suspects = [one for one in suspects if one.row_id not in gone]
        if not self._certain and last is not None:
            self._certain_until = self._origin.newest_row if copy is None else copy.newest_row
        found_lately = copy is not None and now - copy.found_at <= REMEMBERED
        try:
            if last is not None or found_lately or self._knows_any(_sample(suspects)):
                self._ask(suspects)
            if self._certain:
                self._ask_about_repetitions(suspects)
        except ClicknbError as error:
            return gone | {one.row_id for one in suspects}, str(error)
        gone |= self._record(self._found(suspects))
        self._origin.clear((one for one in suspects if one.row_id not in gone | self._unanswered), now)
        reason = ""
        if self._unanswered:
            count = len(self._unanswered)
            reason = f"the gateway did not say of {count:,} messages whether they had been sent before"
        return gone | self._unanswered, reason

    def _forgotten(self, suspects: Sequence[Message], copy: Copy | None, now: datetime) -> list[Message]:
        """Choose the messages of a copy that may have left so long ago that the gateway cannot tell any more."""
        if copy is None or copy.known_until is None or now - copy.known_until <= REMEMBERED:
            return []
        asked = self._origin.asked(self._campaign_id, copy.found_at)
        return [one for one in suspects if one.row_id <= copy.newest_row and one.row_id not in asked]

    def _knows_any(self, messages: Sequence[Message]) -> bool:
        """Ask about a few messages."""
        self._ask(messages)
        return bool(self._known) or bool(self._unanswered)

    def _ask(self, messages: Sequence[Message]) -> None:
        """Ask about the next turn of each message, and about those after it where any was found.

        What was in doubt and turned out to be absent had a turn that the gateway does not know, and may have had
        another one.
        """
        self._unanswered.clear()
        asked, further = list(messages), 0
        while asked:
            ids = {climsgid(self._campaign_id, one.key, one.turn + further): one for one in asked}
            answers = look_up(self._context, ids, self._seen)
            self._unanswered.update(one.row_id for name, one in ids.items() if name not in answers)
            known = {name: status for name, status in answers.items() if status.apimsgid}
            for name, status in known.items():
                self._known[ids[name].row_id] = ids[name].turn + further, name, status
            asked = [one for name, one in ids.items() if name in answers and name not in known]
            further += 1
            if further == TURNS:
                break
            if not self._known and (further > 1 or len(asked) > self._context.concurrency):
                asked = [one for one in asked if one.turn > 1]  # what was sent again may have been so several times

    def _ask_about_repetitions(self, messages: Sequence[Message]) -> None:
        """Ask about the same single message, sent again since: the first one may be forgotten, and a later one not."""
        for further in range(1, TURNS):
            asked = [one for one in messages if one.row_id not in self._known.keys() | self._unanswered]
            ids = {climsgid(self._campaign_id, repeated(one.key, further), 1): one for one in asked if "." in one.key}
            answers = look_up(self._context, ids, self._seen)
            self._unanswered.update(one.row_id for name, one in ids.items() if name not in answers)
            for name, status in answers.items():
                if status.apimsgid:
                    self._known[ids[name].row_id] = 1, name, status

    def doubt(self, messages: Iterable[Message], reason: str) -> None:
        """Record of messages that nobody can tell whether they have left."""
        self._record(self._doubt(one, reason) for one in messages)

    def _found(self, suspects: Sequence[Message]) -> Iterator[Found]:
        """Say of the messages that the gateway knows what came of them."""
        if self._lists:
            yield from (self._doubt(one, IN_A_REQUEST, name) for one, name in self._sharing(suspects))
            return
        for message in suspects:
            if message.row_id in self._known:
                turn, name, status = self._known[message.row_id]
                if message.row_id <= self._certain_until:
                    yield self._attempt(message, turn, name, "accepted", apimsgid=status.apimsgid)
                else:
                    yield self._doubt(message, ANOTHER_TEXT, name, turn)

    def _sharing(self, suspects: Sequence[Message]) -> Iterator[tuple[Message, str]]:
        """Give the messages that may have been in a request that the gateway knows, with the id of the latest one.

        The client message id of a request is that of its first message, and requests are filled in the order of the
        rows. So whatever stands behind a known message, among those of the same text and options, may have been in its
        request.
        """
        for group in batches(suspects, len(suspects), lambda _: ""):
            name = ""
            for message in group:
                if message.row_id in self._known:
                    _, name, _ = self._known[message.row_id]
                if name:
                    yield message, name

    def _doubt(self, message: Message, reason: str, name: str = "", turn: int = 0) -> Found:
        """Name an attempt that may have been made."""
        turn = turn or message.turn
        name = name or climsgid(self._campaign_id, message.key, turn)
        return self._attempt(message, turn, name, "unknown", error=reason)

    def _attempt(
        self, message: Message, turn: int, name: str, state: str, *, apimsgid: str = "", error: str = ""
    ) -> Found:
        now, attempt = self._context.clock.now(), message.attempt + 1
        intent = Intent(message.row_id, attempt, name, to_micros(now), turn=turn)
        return intent, AttemptResult(message.row_id, attempt, state, now, apimsgid, error=error)

    def _record(self, attempts: Iterable[Found]) -> set[int]:
        """Write attempts down; returns the rows that are settled by it."""
        found = list(attempts)
        if not found:
            return set()
        new, borrowed = self._context.ledger.recover(self._campaign_id, found)
        self._context.ledger.note(
            [
                Event(one.row_id, one.attempt, one.apimsgid, self._known[one.row_id][2].status, one.at, "reconcile")
                for _, one in found
                if one.apimsgid and (one.row_id, one.attempt) not in borrowed
            ]
        )
        if new:  # else another program has sent them at this moment
            message = (
                f"{new:,} messages that the ledger called planned may have left before: it is a copy, or was put back. "
                "What the gateway knows of is recorded now, and is not sent again; campaign.sends shows it."
            )
            warnings.warn(message, LedgerWarning, stacklevel=2)
        return {intent.row_id for intent, _ in found}


def _sample(messages: Sequence[Message]) -> list[Message]:
    """Choose some messages: half of them those that leave first, the rest evenly from all."""
    first = list(messages[: SAMPLE // 2])
    rest = messages[SAMPLE // 2 :]
    return first + list(rest[:: max(1, len(rest) // (SAMPLE // 2))])
