"""A plan: what a campaign will send and cost before anything leaves, and the one way to send it."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from clicknb import display, frames
from clicknb.campaign import record
from clicknb.campaign.campaign import Campaign, execute, execute_one, in_background
from clicknb.campaign.schema import Recorded, micro, micro_credits
from clicknb.campaign.service import Service
from clicknb.errors import AlreadySent, CampaignError, ConfirmationNeeded, ContentChanged, InvalidInput
from clicknb.gateway.parameters import SendOptions, encode

if TYPE_CHECKING:
    from clicknb.testing import Rehearsal


MOST_PARTS = 35
"""The longest text that Clickatell splits (its archived page on concatenation)."""


FARTHEST = timedelta(days=7)
"""How far ahead a message may be scheduled (HTTP API specification, deliv_time)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What holds for every message of a plan."""

    name: str
    text: str
    sender: str = ""
    country: str | None = None
    max_parts: int = 3
    mode: Literal["each", "list"] = "each"
    budget: Decimal | None = None
    max_credits: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            message = "A campaign needs a name: it is how running a cell again is recognised. Nothing was sent."
            raise InvalidInput(message)
        if not 1 <= self.max_parts <= MOST_PARTS:
            message = f"max_parts must be 1 to {MOST_PARTS}, not {self.max_parts}. Nothing was sent."
            raise InvalidInput(message)
        if self.sender:
            encode({"sender": self.sender})


class Plan:
    """What a campaign will send, to whom, and at what price; nothing has left yet.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per input row with the caller's index; columns as in ``clicknb.frames.PLAN``. A row with a ``problem``
        will not be sent. ``credits_low`` is the least it can cost; missing where no price is known.
    balance : decimal.Decimal or None
        Credits of the account when the plan was made; None if the gateway could not be asked.
    """

    def __init__(self, service: Service, frame: pd.DataFrame, options: Options, balance: Decimal | None) -> None:
        self._service = service
        self._options = options
        self._frame = frame
        self.balance = balance

    @property
    def frame(self) -> pd.DataFrame:
        """One row per input row; a copy, so that changing it changes nothing that is sent."""
        return self._frame.copy()

    @property
    def name(self) -> str:
        """The campaign's name, unique in its ledger."""
        return self._options.name

    @property
    def to_send(self) -> pd.DataFrame:
        """The rows that will be sent, unless the campaign has sent them before."""
        return self._frame[self._frame["problem"].isna()]

    @cached_property
    def _keys(self) -> list[str]:
        return [key for key in self._all_keys if not key.startswith("skipped ")]

    @cached_property
    def token(self) -> str:
        """Eight hexadecimal digits that stand for exactly this plan: order, numbers, texts, encodings and sender."""
        rows = self.to_send
        content = [self.name, self._options.sender, self._options.max_parts, self._options.mode]
        content += [list(rows[column]) for column in ("to", "text", "encoding")]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8].upper()
        return f"{digest[:4]}-{digest[4:]}"

    def send(
        self,
        confirm: str | None = None,
        *,
        at: datetime | None = None,
        background: bool = False,
        takeover: bool = False,
        progress: bool = True,
    ) -> Campaign:
        """Send what is planned, once; running it again sends only what was never sent.

        Parameters
        ----------
        confirm
            The plan's token; needed on a live account, ignored in a sandbox.
        at
            When the gateway shall deliver, with a time zone and at most seven days ahead; now if None. The gateway
            keeps what it has accepted until then, and ``campaign.cancel()`` stops it.
        background
            Return at once and send in a thread; ``campaign.wait()``, ``pause()`` and ``cancel()`` do what they say.
        takeover
            Send although another program seems to be sending this campaign, where that cannot be told for certain.
        progress
            Whether to show a progress bar.

        Returns
        -------
        Campaign
            The record of what happened.

        Raises
        ------
        ConfirmationNeeded
            The account is live and ``confirm`` is not this plan's token; nothing was sent.
        ContentChanged
            A campaign of this name holds one of these numbers with another text or sender; nothing was sent.
        CampaignError
            Some of these rows were cancelled in this campaign, or another program is sending it; nothing was sent.
        InvalidInput
            The time is not one that the gateway takes, or the plan costs more than its budget; nothing was sent.
        CampaignStopped
            Sending stopped early, with the reason; what was accepted is recorded.
        LedgerError
            The record could not be written; nothing was sent after that.
        """
        if self._service.live and confirm != self.token:
            message = (
                f"Nothing was sent. This account is live: to send {len(self.to_send):,} messages, call "
                f'plan.send(confirm="{self.token}").\n{self!r}'
            )
            raise ConfirmationNeeded(message)
        options = self._wire_options(at)
        self._refuse_overspending()
        ledger = self._service.ledger
        campaign_id = self._open()
        self._refuse_changes(ledger.recorded(campaign_id))
        ledger.add(campaign_id, self._records(options))
        ledger.stop(campaign_id, "")
        keys = set(self._keys)
        send = partial(execute, self._service, self.name, campaign_id, lambda row: row.key in keys, takeover=takeover)
        if background:
            return Campaign(self._service, self.name, campaign_id, in_background(partial(send, progress=False)))
        return send(progress=progress)

    def rehearse(self, fault: str = "lost replies") -> Rehearsal:
        """Send this plan to a fresh sandbox where something goes wrong, and compare what arrived with the record.

        Nothing leaves this machine, and the campaign itself stays as it is.

        Parameters
        ----------
        fault
            Such as ``"lost replies"`` or ``"broken connections"``; ``clicknb.testing.FAULTS`` has all.

        Examples
        --------
        >>> import clicknb as cn
        >>> people = pd.DataFrame({"mobile": [f"4477009001{n:02d}" for n in range(40)]})
        >>> cn.sandbox().plan(people, to="mobile", text="Hello", name="greeting").rehearse("lost replies").verdict.ok
        True
        """
        return self._service.rehearse(self, fault)

    def at(self, service: Service) -> Plan:
        """Make the same plan for another account."""
        return Plan(service, self._frame, self._options, None)

    def sends(self) -> pd.DataFrame:
        """Show what became of the rows of this plan, in its order and with its index (``clicknb.frames.SENDS``)."""
        campaign_id = self._service.ledger.campaign_id(self.name)
        if campaign_id is None:
            return frames.build(frames.SENDS, self._frame, self._frame.index)
        table = record.joined(self._service.ledger, campaign_id).set_index("key")
        return frames.build(frames.SENDS, table.reindex(self._all_keys), self._frame.index)

    def send_one(self, *, since: datetime, again: bool) -> pd.DataFrame:
        """Send the only row of this plan, unless the same message was sent since a time; see ``Account.send``."""
        ledger = self._service.ledger
        campaign_id = self._open()
        row = {name: value for name, (value,) in self._records(self._wire_options(None)).items()}
        row_id, state = ledger.claim(campaign_id, row, since, again=again)
        if state == "planned":
            execute_one(self._service, self.name, campaign_id, row_id)
        else:
            message = (
                f"Nothing was sent now: the same message went to {display.mask_number(row['to'])} before, and is "
                f"{state}. Its record is returned. To send it once more, pass again=True."
            )
            warnings.warn(message, AlreadySent, stacklevel=3)
        return record.sends(record.joined(ledger, campaign_id, only=row_id))

    def _open(self) -> str:
        """Find the campaign in the ledger, or start it there."""
        budget = self._options.budget
        return self._service.ledger.start(
            {
                "id": self._service.mint(self.name),
                "name": self.name,
                "started_at": micro(self._service.clock.now()),
                "index_names": record.label(tuple(self._frame.index.names)),
                "mode": self._options.mode,
                "budget": micro_credits(budget),
            }
        )

    def _wire_options(self, at: object) -> str:
        """Write what goes with each message as JSON, checked by the rules of the wire."""
        given: SendOptions = {}
        if at is not None:
            now = self._service.clock.now()
            if not isinstance(at, datetime) or at.tzinfo is None or not now < at <= now + FARTHEST:
                message = f"at must be a time with a zone, ahead of now by at most 7 days, not {at}. Nothing was sent."
                raise InvalidInput(message)
            given["scheduled_time"] = at
        if self._options.max_credits is not None:
            given["max_credits"] = self._options.max_credits
        return json.dumps(encode(given))

    def _new(self) -> pd.DataFrame:
        """Choose the rows to send that the campaign has not tried before."""
        campaign_id = self._service.ledger.campaign_id(self.name)
        known = {} if campaign_id is None else self._service.ledger.recorded(campaign_id)
        new = [key not in known or known[key].state == "planned" for key in self._keys]
        return self.to_send.loc[pd.Series(new, self.to_send.index, dtype="bool").to_numpy()]

    def _refuse_overspending(self) -> None:
        budget = self._options.budget
        if budget is not None and (cost := self._new()["credits_low"].sum()) > budget:
            message = (
                f"This plan costs at least {display.credits(cost)}, more than its budget of {display.credits(budget)}. "
                "Nothing was sent. Raise the budget or plan for fewer people."
            )
            raise InvalidInput(message)

    def _refuse_changes(self, recorded: Mapping[str, Recorded]) -> None:
        """Refuse rows that the campaign holds with another content, or that were cancelled in it."""
        if not recorded:
            return
        texts = zip(self.to_send.index, self._keys, self.to_send["text"].tolist(), strict=True)
        known = [(label, recorded[key], text) for label, key, text in texts if key in recorded]
        if cancelled := sum(row.state == "skipped" for _, row, _ in known):
            message = (
                f"{cancelled:,} of these rows were cancelled in campaign {self.name!r} and are not sent by it any "
                "more. Nothing was sent now. To send them after all, give them a campaign with a new name."
            )
            raise CampaignError(message)
        changed = [label for label, row, text in known if (row.text, row.sender) != (text, self._options.sender)]
        if changed:
            named = ", ".join(str(label) for label in changed[:_NAMED])
            more = f" and {len(changed) - _NAMED:,} more" if len(changed) > _NAMED else ""
            message = (
                f"Campaign {self.name!r} already holds {len(changed):,} of these rows with another text or sender: "
                f"rows {display.mask_digits(named)}{more}. Nothing was sent now; what was sent before is untouched. "
                "Give the new text a new campaign name, or restore the old text to go on with this campaign."
            )
            raise ContentChanged(message)

    @cached_property
    def _all_keys(self) -> list[str]:
        """Make the key of every row: of those to send the number, of those left out what was read."""
        rows = self._frame.reset_index(drop=True)
        return _keys(rows["to"].where(rows["problem"].isna(), "skipped " + rows["read_as"].fillna("")).tolist())

    def _records(self, options: str) -> dict[str, list[Any]]:
        """Write the rows as the ledger keeps them, column by column: those to send, and those left out and why."""
        frame, count = self._frame, len(self._frame)
        return {
            "key": self._all_keys,
            "ordinal": frame["row"].tolist(),
            "label": [record.label(value) for value in frame.index],
            "sender": [self._options.sender] * count,
            "options": [options] * count,
            "estimated": [micro_credits(credits) for credits in frame["credits_low"].tolist()],
            "skipped": _values(frame["problem"]),
            **{name: _values(frame[name]) for name in ("to", "country", "text", "encoding", "parts", "variant")},
        }

    # what it says at a glance

    def _facts(self) -> list[tuple[str, str]]:
        rows = self._new()
        problems = self._frame["problem"].dropna()
        duplicates = int(problems.str.startswith("duplicate").sum())
        prices = rows["credits_low"].dropna()
        cost = float(prices.sum())
        facts = [
            ("to send", f"{len(rows):,}"),
            ("refused", f"{len(problems) - duplicates:,}"),
            ("duplicates", f"{duplicates:,}"),
            *([("sent before", f"{before:,}")] if (before := len(self.to_send) - len(rows)) else []),
            ("parts", f"{int(rows['parts'].sum()):,}"),
            (
                "cost",
                f"at least {display.credits(cost)} if all are accepted" if len(prices) else "not known: no prices",
            ),
        ]
        if 0 < len(prices) < len(rows):
            facts.append(("without a price", f"{len(rows) - len(prices):,}"))
        if self._options.budget is not None:
            facts.append(("budget", display.credits(self._options.budget)))
        if self._options.mode == "list":
            facts.append(("requests", f"{len(rows[['text']].drop_duplicates()):,} texts, up to 300 numbers a request"))
        if self.balance is not None:
            facts.append(("balance", display.credits(self.balance)))
            left = float(self.balance) - cost
            facts.append(("balance after", f"at most {display.credits(left)}" if left >= 0 else "not enough credit"))
        return [*facts, ("token", self.token)]

    def _note(self) -> str:
        if self._options.mode == "list":
            return f"{self._how()} If the reply to a request is lost, all its numbers are in doubt together."
        return self._how()

    def _how(self) -> str:
        call = f'plan.send(confirm="{self.token}")' if self._service.live else "plan.send()"
        return f"Nothing has been sent. {call} sends it."

    def __repr__(self) -> str:
        return display.lines(f"Plan {self.name}", self._facts(), self._note())

    def _repr_html_(self) -> str:
        sample = self.to_send[["to", "country", "text", "parts", "credits_low"]].head(3)
        return display.panel(f"Plan {self.name}", self._facts(), self._note(), sample)


_NAMED = 10
"""How many rows an error names."""


def _values(column: pd.Series[Any]) -> list[Any]:
    return column.astype("object").where(column.notna(), None).tolist()


def _keys(values: Iterable[str]) -> list[str]:
    """Make row keys: the value and which occurrence of it this is."""
    seen: Counter[str] = Counter()
    keys = []
    for value in values:
        seen[value] += 1
        keys.append(f"{value}#{seen[value]}")
    return keys
