"""What stops a campaign that goes wrong: too much money spent, or too many answers of one bad kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from clicknb import display

WINDOW = 100
"""How many of the latest answers are looked at."""

SHARE = 0.5
"""The share of one bad kind among them that stops the campaign."""

ASK_EVERY = 50
"""How many messages may leave between two questions about the balance, where there is a budget."""

BORROWED = "borrowed"
"""The code of an answer that names a message which was answered before."""

_BAD = {
    BORROWED: "got the answer of another message: look at what is between here and the gateway, such as a proxy",
    "unknown": "are in doubt: look at the connection and at campaign.reconcile()",
    "105": "went to numbers that the gateway calls invalid (105): look at the list",
    "114": "went to networks that are not served (114): look at the list",
    "121": "went to numbers that their operator blocks (121): look at the list",
}


class Brakes:
    """Watches answers and money, and says when to stop.

    After a budget is reached no message leaves, so the overspend is at most the price of those that are on their way
    and of the ``ASK_EVERY`` that may have left since the balance was last asked.

    Parameters
    ----------
    balance
        Asks for the balance, in credits.
    budget
        Credits that may be spent; None for no limit.
    spent
        Credits that were spent before.
    note
        Called with what is spent, each time the balance was asked.
    """

    def __init__(
        self,
        balance: Callable[[], Decimal],
        budget: Decimal | None = None,
        spent: Decimal = Decimal(0),
        note: Callable[[Decimal], None] = lambda _: None,
    ) -> None:
        self._balance = balance
        self._note = note
        self._budget = budget
        self._spent_before = spent
        self._at_start: Decimal | None = None
        self._since_asked = 0
        self._latest: deque[str] = deque(maxlen=WINDOW)

    def answered(self, state: str, code: str) -> None:
        """Note how one message was answered."""
        self._latest.append(state if state == "unknown" and code != BORROWED else code)

    def leaving(self, messages: int) -> None:
        """Note that messages leave."""
        self._since_asked += messages

    def reason(self) -> str:
        """Say why nothing more may leave; empty if it may."""
        return self._bad_answers() or self._overspent()

    def _bad_answers(self) -> str:
        if len(self._latest) < WINDOW:
            return ""
        for kind, words in _BAD.items():
            if (found := self._latest.count(kind)) >= SHARE * WINDOW:
                return f"{found} of the latest {WINDOW} messages {words}"
        return ""

    def _overspent(self) -> str:
        if self._budget is None or (self._at_start is not None and self._since_asked < ASK_EVERY):
            return ""
        spent = self.spent()
        if spent < self._budget:
            return ""
        return f"the budget of {display.credits(self._budget)} is reached: {display.credits(spent)} are spent"

    def spent(self) -> Decimal:
        """Ask what is spent by now, in credits; without a budget nobody asks."""
        if self._budget is None:
            return self._spent_before
        now = self._balance()
        self._since_asked = 0
        if self._at_start is None:
            self._at_start = now
        spent = self._spent_before + self._at_start - now
        self._note(spent)
        return spent
