"""What a campaign needs around it: the gateway, the ledger, a clock and the account's limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clicknb.campaign.ledger import Ledger
from clicknb.clock import Clock
from clicknb.gateway.client import Clickatell
from clicknb.gateway.transport import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One account, as the campaign layer sees it.

    Attributes
    ----------
    connect
        Opens that many connections to the gateway.
    mint
        Makes the id of a new campaign from its name: random, or from the seed in a sandbox.
    live
        Whether messages leave this machine.
    rate
        Messages a second, at most; None for no limit.
    concurrency
        Connections, at most; also the number of messages that a crash can leave in doubt.
    allow
        The only destination addresses that may be sent to; None for all.
    """

    gateway: Clickatell
    ledger: Ledger
    clock: Clock
    connect: Callable[[int], Exchange]
    mint: Callable[[str], str]
    live: bool
    rate: float | None
    concurrency: int
    allow: frozenset[str] | None = None
