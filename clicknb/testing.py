"""For tests of one's own notebooks and programs: a fresh gateway over a real socket, and a judge.

>>> from clicknb import testing
>>> with testing.server() as gateway, testing.account(gateway) as sms:
...     _ = sms.send("447700900123", "Hello")
...     testing.check(sms, gateway.gateway.messages)
<Verdict: 1 accepted; nothing lost, doubled or changed>
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clicknb.account import Account, connect, seeded
from clicknb.errors import InvalidInput

if TYPE_CHECKING:
    from clicknb.sandbox import Server


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
    """What the gateway's record says about the ledger's; each list names client message ids."""

    accepted: int
    lost: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong_text: list[str] = field(default_factory=list)
    wrong_number: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        return not any((self.lost, self.unrecorded, self.doubled, self.wrong_text, self.wrong_number))

    def __repr__(self) -> str:
        if self.ok:
            return f"<Verdict: {self.accepted:,} accepted; nothing lost, doubled or changed>"
        names = ("lost", "unrecorded", "doubled", "wrong_text", "wrong_number")
        found = ", ".join(f"{len(getattr(self, name)):,} {name.replace('_', ' ')}" for name in names)
        return f"<Verdict: {self.accepted:,} accepted; {found}>"


@contextmanager
def server(**settings: Any) -> Iterator[Server]:
    """Serve a fresh sandbox on loopback until the block ends.

    Parameters
    ----------
    **settings
        Those of ``clicknb.sandbox.Gateway``, and ``speed``: seconds at the gateway for each real second, 60 by default.
    """
    from clicknb.sandbox import Gateway, serve

    speed = settings.pop("speed", 60.0)
    with serve(Gateway(**settings), speed=speed) as running:
        yield running


@contextmanager
def account(gateway: Server | str, *, seed: int = 0, **settings: Any) -> Iterator[Account]:
    """Open an account at a fresh sandbox, with a ledger of its own in a real file unless one is given.

    Parameters
    ----------
    gateway
        What ``server`` returned, or the address of a sandbox.
    seed
        What campaign ids are derived from; with them the ids, statuses and charges of a fresh sandbox are the same in
        every run.
    **settings
        Those of ``clicknb.connect``.
    """
    url = gateway if isinstance(gateway, str) else gateway.url
    login = {"user": "sandbox", "password": "sandbox", "api_id": "1", "base_url": url}
    with tempfile.TemporaryDirectory() as directory:
        place = {"ledger": Path(directory) / "ledger.sqlite"}
        with connect(**{**login, **place, **settings}) as opened:
            opened._service = replace(opened._service, mint=seeded(seed))
            yield opened


def check(sms: Account, messages: Iterable[Accepted] | None = None) -> Verdict:
    """Compare what the gateway accepted with what the ledger says.

    ``lost``: the ledger says accepted, the gateway knows nothing of it. ``unrecorded``: the gateway accepted it, the
    ledger does not name it as accepted, in doubt or on its way. ``doubled``: one attempt accepted more than once, or a
    row accepted in more than one attempt.

    Parameters
    ----------
    sms
        The account whose ledger is judged.
    messages
        The gateway's own record, such as ``gateway.gateway.messages``; not needed for ``clicknb.sandbox()``.
    """
    if messages is None:
        if sms._box is None:
            message = "This account's gateway runs elsewhere: pass its record as messages."
            raise InvalidInput(message)
        messages = sms._box.messages
    arrived = list(messages)
    attempts = {str(row["climsgid"]): row for row in sms._service.ledger.attempts()}
    times = Counter(message.climsgid for message in arrived)
    by_row = Counter(attempts[climsgid]["row_id"] for climsgid in times if climsgid in attempts)
    open_states = {"accepted", "unknown", "sending"}
    known = [(message, attempts[message.climsgid]) for message in arrived if message.climsgid in attempts]
    return Verdict(
        accepted=len(arrived),
        lost=[name for name, row in attempts.items() if row["state"] == "accepted" and name not in times],
        unrecorded=[name for name in times if name not in attempts or attempts[name]["state"] not in open_states],
        doubled=[name for name, count in times.items() if count > 1]
        + [name for name in times if name in attempts and by_row[attempts[name]["row_id"]] > 1],
        wrong_text=[message.climsgid for message, row in known if message.text != row["text"]],
        wrong_number=[message.climsgid for message, row in known if message.to != row["to"]],
    )
