"""For tests of one's own notebooks and programs: a fresh gateway, what it received, and a judge.

In this process, where time stands still until something waits:

>>> import clicknb as cn
>>> from clicknb import testing
>>> sms = cn.sandbox(seed=1, faults={"lost replies": 0.5})
>>> _ = sms.send("447700900123", "Hello")
>>> testing.messages(sms)[0].parts, sms.wait("1 day").isoformat()
(1, '2026-03-04T10:00:00+00:00')

Over a real socket:

>>> with testing.server() as gateway, testing.account(gateway) as sms:
...     _ = sms.send("447700900123", "Hello")
...     testing.check(sms)
<Verdict: 1 accepted; nothing lost, doubled or changed>
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clicknb import checks
from clicknb.account import Account
from clicknb.campaign import rehearsal
from clicknb.campaign.rehearsal import Accepted, Rehearsal, Verdict
from clicknb.opening import connect, sandbox, seeded
from clicknb.simulator.faults import IN_WORDS, SHARE, Fault
from clicknb.simulator.gateway import Gateway

if TYPE_CHECKING:
    from clicknb.campaign.plan import Plan
    from clicknb.clock import Clock
    from clicknb.simulator import Message, Server

__all__ = [
    "FAULTS",
    "Accepted",
    "Fault",
    "Gateway",
    "Rehearsal",
    "Verdict",
    "account",
    "altered",
    "check",
    "messages",
    "rehearse",
    "serve",
    "server",
]


def serve(gateway: Gateway, **settings: Any) -> Server:
    """Serve a gateway of one's own making on loopback; see ``clicknb.simulator.serve`` for the settings."""
    from clicknb.simulator import serve

    return serve(gateway, **settings)


@contextmanager
def server(**settings: Any) -> Iterator[Server]:
    """Serve a fresh sandbox on loopback until the block ends.

    Parameters
    ----------
    **settings
        Those of ``clicknb.simulator.Gateway``, and ``speed``: seconds at the gateway for each real second, 60 by
        default.
    """
    speed = settings.pop("speed", 60.0)
    with serve(Gateway(**settings), speed=speed) as running:
        yield running


@contextmanager
def account(
    gateway: Server | str, *, seed: int | None = 0, clock: Clock | None = None, **settings: Any
) -> Iterator[Account]:
    """Open an account at a fresh sandbox, with a ledger of its own in a real file unless one is given.

    Parameters
    ----------
    gateway
        What ``server`` returned, or the address of a sandbox.
    seed
        What campaign ids are derived from; with them the ids, statuses and charges of a fresh sandbox are the same in
        every run. With None they are random, as they are for users.
    clock
        What tells the account the time and lets it pass, such as ``clicknb.clock.SteppedClock``; the gateway keeps its
        own.
    **settings
        Those of ``clicknb.connect``, such as ``ledger``, ``rate``, ``concurrency`` and ``allow``.
    """
    url, simulator = (gateway, None) if isinstance(gateway, str) else (gateway.url, gateway.gateway)
    login = {"user": "sandbox", "password": "sandbox", "api_id": "1", "base_url": url}
    with tempfile.TemporaryDirectory() as directory:
        place = {"ledger": Path(directory) / "ledger.sqlite"}
        with connect(**{**login, **place, **settings}) as opened:
            context = opened.context
            mint = context.mint if seed is None else seeded(seed)
            yield altered(opened, mint=mint, clock=clock or context.clock, simulator=simulator)


def altered(sms: Account, **changes: Any) -> Account:
    """Open an account once more with another clock, other connections, or what else its context consists of.

    Ledger and gateway are the same, unless they are what is changed.

    Parameters
    ----------
    **changes
        Attributes of ``clicknb.campaign.context.Context``, such as ``live=True`` to see what a live account would ask
        for, or ``connect=`` to come between the campaign and its connections.

    Examples
    --------
    >>> import clicknb as cn
    >>> altered(cn.sandbox(), live=True).live
    True
    """
    return Account(replace(sms.context, **changes))


def messages(sms: Account) -> list[Message]:
    """List what the sandbox behind ``clicknb.sandbox()``, or behind ``server()``, has accepted, the oldest first.

    Raises
    ------
    InvalidInput
        The gateway is in another process; nobody can look into it from here.
    """
    if sms.context.simulator is None:
        checks.refuse(
            "This account's gateway is not in this process, so what it has accepted cannot be seen from here.",
            "testing.check takes the gateway's own record.",
        )
    return sms.context.simulator.messages


def check(sms: Account, accepted: Iterable[Accepted] | None = None) -> Verdict:
    """Compare what the gateway accepted with what the ledger says.

    ``lost``: the ledger says accepted, the gateway knows nothing of it. ``unrecorded``: the gateway accepted it, but
    the attempt, or its row as ``campaign.sends`` shows it, is not accepted, in doubt or on its way. ``doubled``: one
    attempt accepted more than once, or a row accepted in more than one attempt. ``strangers``: messages without a
    client message id, which no campaign sent. Recipients of one request share its client message id.

    Parameters
    ----------
    sms
        The account whose ledger is judged.
    accepted
        The gateway's own record; not needed where ``messages`` has it.
    """
    return rehearsal.compare(sms.context.ledger, messages(sms) if accepted is None else accepted)


FAULTS = IN_WORDS
"""What can go wrong in a rehearsal, and the sandbox's name for it."""


def rehearse(plan: Plan, fault: str, *, share: float = SHARE, seed: int = 0) -> Rehearsal:
    """Send a plan to a fresh sandbox where something goes wrong; see ``Plan.rehearse``.

    Parameters
    ----------
    share
        How many of the sends are hit, between 0 and 1.
    seed
        Which of them.
    """
    with sandbox(seed=seed, credits=1_000_000, faults={fault: share}) as sms:
        return rehearsal.rehearse(plan, fault, sms.context)
