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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clicknb import display
from clicknb.account import Account
from clicknb.errors import CampaignStopped, InvalidInput
from clicknb.opening import connect, sandbox, seeded
from clicknb.simulator.faults import IN_WORDS, SHARE

if TYPE_CHECKING:
    from clicknb.campaign.plan import Plan
    from clicknb.clock import Clock
    from clicknb.ledger.ledger import Ledger
    from clicknb.simulator import Message, Server


class Accepted(Protocol):
    """A message as the gateway recorded it."""

    @property
    def climsgid(self) -> str:
        """The client message id that it came with."""

    @property
    def to(self) -> str:
        """Its destination address."""

    @property
    def text(self) -> str:
        """Its text as the handset shows it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gateway's record says about the ledger's; each list names client message ids, see ``check``."""

    accepted: int
    lost: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong_text: list[str] = field(default_factory=list)
    wrong_number: list[str] = field(default_factory=list)
    strangers: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        return not any((self.lost, self.unrecorded, self.doubled, self.wrong_text, self.wrong_number))

    def __repr__(self) -> str:
        strangers = f", {self.strangers:,} of them from elsewhere" if self.strangers else ""
        found = "nothing lost, doubled or changed"
        if not self.ok:
            names = ("lost", "unrecorded", "doubled", "wrong_text", "wrong_number")
            found = ", ".join(f"{len(getattr(self, name)):,} {name.replace('_', ' ')}" for name in names)
        return f"<Verdict: {self.accepted:,} accepted{strangers}; {found}>"


@contextmanager
def server(**settings: Any) -> Iterator[Server]:
    """Serve a fresh sandbox on loopback until the block ends.

    Parameters
    ----------
    **settings
        Those of ``clicknb.simulator.Gateway``, and ``speed``: seconds at the gateway for each real second, 60 by
        default.
    """
    from clicknb.simulator import Gateway, serve

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
            service = opened.service
            mint = service.mint if seed is None else seeded(seed)
            yield altered(opened, mint=mint, clock=clock or service.clock, simulator=simulator)


def altered(sms: Account, **changes: Any) -> Account:
    """Open an account once more with another clock, other connections, or what else its service consists of.

    Ledger and gateway are the same, unless they are what is changed.

    Parameters
    ----------
    **changes
        Attributes of ``clicknb.campaign.context.Service``, such as ``live=True`` to see what a live account would ask
        for, or ``connect=`` to come between the campaign and its connections.

    Examples
    --------
    >>> import clicknb as cn
    >>> altered(cn.sandbox(), live=True).live
    True
    """
    return Account(replace(sms.service, **changes))


def messages(sms: Account) -> list[Message]:
    """List what the sandbox behind ``clicknb.sandbox()``, or behind ``server()``, has accepted, the oldest first.

    Raises
    ------
    InvalidInput
        The gateway is in another process; nobody can look into it from here.
    """
    if sms.service.simulator is None:
        message = (
            "This account's gateway is not in this process, so what it has accepted cannot be seen from here. Nothing "
            "was sent. testing.check takes the gateway's own record."
        )
        raise InvalidInput(message)
    return sms.service.simulator.messages


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
    arrived = list(messages(sms) if accepted is None else accepted)
    named = [message for message in arrived if message.climsgid]
    attempts, states = _recorded(sms.service.ledger)
    requests = {climsgid for climsgid, _ in attempts}
    times = Counter((message.climsgid, message.to) for message in named)
    tries = Counter(attempts[key]["row_id"] for key in times if key in attempts)

    def shown_open(attempt: Mapping[str, Any]) -> bool:
        return attempt["state"] in _OPEN and states[attempt["row_id"]] in _OPEN

    def twice(key: _Key) -> bool:
        return times[key] > 1 or (key in attempts and tries[attempts[key]["row_id"]] > 1)

    known = [(message, attempts[key]) for message in named if (key := (message.climsgid, message.to)) in attempts]
    elsewhere = [key[0] for key in times if key not in attempts]
    return Verdict(
        accepted=len(arrived),
        lost=[key[0] for key, attempt in attempts.items() if attempt["state"] == "accepted" and key not in times],
        unrecorded=[climsgid for climsgid in elsewhere if climsgid not in requests]
        + [key[0] for key in times if key in attempts and not shown_open(attempts[key])],
        doubled=[key[0] for key in times if twice(key)],
        wrong_text=[message.climsgid for message, attempt in known if message.text != attempt["text"]],
        wrong_number=[climsgid for climsgid in elsewhere if climsgid in requests],
        strangers=len(arrived) - len(named),
    )


_Key = tuple[str, str]
"""An attempt, as the gateway can name it: client message id and destination address."""

_OPEN = frozenset({"accepted", "unknown", "sending"})
"""States of a message that the gateway may have accepted."""


def _recorded(ledger: Ledger) -> tuple[dict[_Key, dict[str, Any]], dict[int, str]]:
    """Read every attempt, and the state of every row as the campaigns' frames show it."""
    attempts = {(str(attempt["climsgid"]), str(attempt["to"])): attempt for attempt in ledger.attempts()}
    states: dict[int, str] = {}
    for campaign_id in {campaign["id"] for campaign in ledger.counts()}:
        table = ledger.table(campaign_id)
        states.update(zip(table["id"], table["state"], strict=True))
    return attempts, states


FAULTS = IN_WORDS
"""What can go wrong in a rehearsal, and the sandbox's name for it."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What became of a plan at a sandbox where something went wrong.

    Attributes
    ----------
    fault
        What went wrong.
    sent
        How many rows were in each state when the sending was over.
    settled
        The same after the campaign was resumed and reconciled.
    verdict
        What the gateway's own record says about it.
    """

    fault: str
    sent: dict[str, int]
    settled: dict[str, int]
    verdict: Verdict

    def _facts(self) -> list[tuple[str, str]]:
        states = [
            (when, ", ".join(f"{count:,} {state}" for state, count in counts.items()))
            for when, counts in (
                ("after sending", self.sent),
                ("after reconciling", self.settled),
            )
        ]
        judged = "nothing lost, doubled or changed" if self.verdict.ok else repr(self.verdict)
        return [*states, ("at the gateway", f"{self.verdict.accepted:,} accepted; {judged}")]

    def __repr__(self) -> str:
        return display.lines(f"Rehearsal with {self.fault}", self._facts(), _REHEARSED)

    def _repr_html_(self) -> str:
        return display.panel(f"Rehearsal with {self.fault}", self._facts(), _REHEARSED)


_REHEARSED = "In a sandbox; nothing has been sent."


def rehearse(plan: Plan, fault: str, *, share: float = SHARE, seed: int = 0) -> Rehearsal:
    """Send a plan to a fresh sandbox where something goes wrong; see ``Plan.rehearse``.

    Parameters
    ----------
    share
        How many of the sends are hit, between 0 and 1.
    seed
        Which of them.

    Raises
    ------
    InvalidInput
        There is no fault of this name, or no such share.
    """
    if fault not in FAULTS:
        message = f"There is no rehearsal with {fault!r}; there is {', '.join(FAULTS)}. Nothing was sent."
        raise InvalidInput(message)
    with sandbox(seed=seed, credits=1_000_000, faults={fault: share}) as sms:
        rehearsed = plan.at(sms.service)
        rehearsed.options = replace(plan.options, hours=None, zone=None, budget=None)  # they would stop it for good
        step = partial(rehearsed.send, progress=False)
        sent: dict[str, int] = {}
        while True:
            try:
                campaign = step()
            except CampaignStopped as stop:
                campaign = stop.campaign
            sent = sent or campaign.counts
            if not campaign.counts.get("planned"):
                break
            step = partial(campaign.resume, progress=False)
        campaign.reconcile(timeout="10min")
        return Rehearsal(fault, sent, campaign.counts, check(sms))
