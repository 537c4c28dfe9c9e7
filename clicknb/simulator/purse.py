"""The account's credits: taken at acceptance, given back when a message did not leave, topped up by vouchers."""

from __future__ import annotations

import heapq
import itertools
from datetime import datetime, timedelta
from decimal import Decimal

from clicknb.simulator.fates import digest
from clicknb.simulator.message import Message
from clicknb.simulator.replies import refuse

_VOUCHERS = 5
_VOUCHER_CREDITS = Decimal(100)


class Purse:
    """A balance, the refunds that are still to come, and the vouchers not yet used."""

    def __init__(self, credits: Decimal, seed: int) -> None:
        self.balance = credits
        self.vouchers = {_token(seed, number): _VOUCHER_CREDITS for number in range(_VOUCHERS)}
        self._refunds: list[tuple[datetime, int, Message]] = []
        self._order = itertools.count()

    def pay(self, message: Message) -> None:
        """Take a message's charge, and note when it is to be given back, if ever."""
        self.balance -= message.charge
        after = message.fate.refund_after
        if after is not None:
            due = message.due_at + timedelta(seconds=after)
            heapq.heappush(self._refunds, (due, next(self._order), message))

    def cancel(self, message: Message, now: datetime) -> None:
        """Stop a message and give its credits back."""
        message.cancelled_at = now
        self.balance += message.charge

    def settle(self, now: datetime) -> None:
        """Give back what is due by now."""
        while self._refunds and self._refunds[0][0] <= now:
            message = heapq.heappop(self._refunds)[2]
            if message.cancelled_at is None:
                self.balance += message.charge

    def redeem(self, token: str) -> None:
        """Add a voucher's credits, once."""
        if token not in self.vouchers:
            refuse("101")
        self.balance += self.vouchers.pop(token)


def _token(seed: int, number: int) -> str:
    return f"{int.from_bytes(digest(seed, 'voucher', number)[:8], 'big') % 10**16:016}"
