"""What is looked at once more when a message leaves: who is suppressed by now, and what time it is where they are.

A plan may be hours old when it is sent, and a campaign may run for days.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from clicknb.campaign.options import Rules
from clicknb.gateway.limits import FARTHEST
from clicknb.hours.decide import Decision, decide
from clicknb.hours.zones import zones_of
from clicknb.kinds import SUPPRESSED
from clicknb.ledger import suppression
from clicknb.ledger.ledger import Ledger
from clicknb.ledger.records import Message


class Gate:
    """Lets the messages of one campaign leave, or not.

    Parameters
    ----------
    ledger
        Where the suppressed numbers are, and where it is recorded that a message was left out.
    rules
        What the campaign observes.
    """

    def __init__(self, ledger: Ledger, rules: Rules) -> None:
        self._ledger = ledger
        self._rules = rules
        self._suppressed = suppression.read(ledger)
        self._decided: dict[tuple[str, str, datetime], Decision] = {}

    @property
    def generation(self) -> int:
        """Which state of the list of suppressed numbers is observed; see ``Ledger.record``."""
        return self._suppressed.generation

    @property
    def waits(self) -> bool:
        """Whether what may not leave now is sent later by this program."""
        return self._rules.outside == "wait"

    def reread(self) -> None:
        """Read the list of suppressed numbers again."""
        self._suppressed = suppression.read(self._ledger)

    def admitted(self, messages: Iterable[Message]) -> list[Message]:
        """Leave out messages to suppressed numbers, and record that."""
        everyone = list(messages)
        if not self._suppressed.entries:
            return everyone
        reasons = {one.row_id: self._suppressed.reason(one.to, one.sender) for one in everyone}
        self._ledger.leave_out(SUPPRESSED, {row_id: reason for row_id, reason in reasons.items() if reason})
        return [one for one in everyone if not reasons[one.row_id]]

    def place(self, message: Message) -> tuple[str, str]:
        """Tell what decides about the hours of a message: those of one request must have it in common."""
        if not self._rules.hours:
            return "", ""
        zones = [message.zone] if message.zone else zones_of(message.to, message.country or None)
        return " ".join(zones), message.country

    def decision(self, message: Message, now: datetime) -> Decision | None:
        """Decide whether a message is within its hours when it would be delivered; None where none are observed."""
        if not self._rules.hours:
            return None
        due = max(now, datetime.fromisoformat(json.loads(message.options).get("scheduled_time", now.isoformat())))
        zones, country = self.place(message)
        key = zones, country, due.replace(second=0, microsecond=0)
        if key not in self._decided:
            if len(self._decided) > _REMEMBERED:
                self._decided.clear()
            self._decided[key] = decide(self._rules.hours, zones.split(" "), due, country or None)
        return self._decided[key]

    def delivery(self, decision: Decision | None, now: datetime) -> datetime | None:
        """Tell until when the gateway has to hold a message; None if it may leave at once or not at all."""
        opens_at = None if decision is None or decision.allowed else decision.opens_at
        if opens_at is None or self._rules.outside != "schedule" or opens_at > now + FARTHEST - _MARGIN:
            return None
        return opens_at


_REMEMBERED = 10_000
_MARGIN = timedelta(minutes=1)  # the gateway's clock may be a little behind
