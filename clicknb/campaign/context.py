"""What a campaign needs around it: the gateway, the ledger, a clock and the account's limits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clicknb.campaign.doubt import Doubts
from clicknb.clock import Clock
from clicknb.gateway.http.client import Clickatell
from clicknb.gateway.transport import Exchange
from clicknb.ledger.ledger import Ledger

if TYPE_CHECKING:
    from clicknb.simulator import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One account, as the campaign layer sees it.

    Attributes
    ----------
    connect
        Opens that many connections to the gateway.
    sandbox
        Opens a fresh sandbox in which something goes wrong, by its name, until the block ends.
    mint
        Makes the id of a new campaign from its name and what it says; in a sandbox from the seed and the name.
    live
        Whether messages leave this machine.
    rate
        Messages a second, at most; None for no limit.
    concurrency
        Connections, at most; also the number of requests that a crash can leave in doubt: of one message each, or of a
        whole list.
    allow
        The only destination addresses that may be sent to; None for all.
    simulator
        The sandbox's own gateway, where that is in this process: what it has received can be looked at.
    doubts
        What this program has seen itself of messages in doubt.
    """

    gateway: Clickatell
    ledger: Ledger
    clock: Clock
    connect: Callable[[int], Exchange]
    sandbox: Callable[[str], AbstractContextManager[Context]]
    mint: Callable[[str, str], str]
    live: bool
    rate: float | None
    concurrency: int
    allow: frozenset[str] | None = None
    simulator: Gateway | None = None
    doubts: Doubts = field(default_factory=Doubts)
