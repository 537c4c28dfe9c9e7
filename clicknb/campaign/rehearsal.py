"""Sends a plan to a sandbox where something goes wrong, and judges what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from clicknb import display
from clicknb.campaign.context import Context
from clicknb.errors import CampaignStopped

if TYPE_CHECKING:
    from clicknb.campaign.plan import Plan
    from clicknb.ledger.ledger import Ledger


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


_FAILINGS = ("lost", "unrecorded", "doubled", "wrong_text", "wrong_number")


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
        return not any(getattr(self, name) for name in _FAILINGS)

    def __repr__(self) -> str:
        strangers = f", {self.strangers:,} of them from elsewhere" if self.strangers else ""
        found = "nothing lost, doubled or changed"
        if not self.ok:
            found = display.counted({name.replace("_", " "): len(getattr(self, name)) for name in _FAILINGS})
        return f"<Verdict: {self.accepted:,} accepted{strangers}; {found}>"


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
        judged = "nothing lost, doubled or changed" if self.verdict.ok else repr(self.verdict)
        return [
            ("after sending", display.counted(self.sent)),
            ("after reconciling", display.counted(self.settled)),
            ("at the gateway", f"{self.verdict.accepted:,} accepted; {judged}"),
        ]

    def __repr__(self) -> str:
        return display.lines(f"Rehearsal with {self.fault}", self._facts(), _REHEARSED)

    def _repr_html_(self) -> str:
        return display.panel(f"Rehearsal with {self.fault}", self._facts(), _REHEARSED)


_REHEARSED = "In a sandbox; nothing has been sent."


def compare(ledger: Ledger, accepted: Iterable[Accepted]) -> Verdict:
    """Compare what the gateway accepted with what the ledger says; see ``clicknb.testing.check``."""
    arrived = list(accepted)
    named = [message for message in arrived if message.climsgid]
    attempts, states = _recorded(ledger)
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


def rehearse(plan: Plan, fault: str, context: Context) -> Rehearsal:
    """Send a plan to a sandbox where something goes wrong, until all of it is settled; see ``Plan.rehearse``."""
    options = replace(plan.options, hours=None, zone=None, budget=None)  # they would stop it for good
    step = partial(plan.at(context, options).send, progress=False)
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
    accepted = context.simulator.messages if context.simulator else ()
    return Rehearsal(fault, sent, campaign.counts, compare(context.ledger, accepted))
