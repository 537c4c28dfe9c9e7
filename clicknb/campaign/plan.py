"""A plan: what a campaign will send and cost before anything leaves, and the one way to send it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from clicknb import checks, display, frames
from clicknb.campaign import plan_repr, single
from clicknb.campaign.campaign import Campaign, begin, execute, in_background
from clicknb.campaign.context import Service
from clicknb.campaign.options import Options
from clicknb.errors import CampaignError, ConfirmationNeeded, ContentChanged, InvalidInput
from clicknb.ledger import views
from clicknb.ledger.records import Message, Recorded
from clicknb.ledger.sqlite import framed
from clicknb.ledger.units import micro_credits
from clicknb.messages import lint, substitution, unicode_cost
from clicknb.messages.template import Template
from clicknb.messages.unicode_cost import Saving
from clicknb.recipients.doctor import doctor
from clicknb.recipients.report import DoctorReport, doctor_report

if TYPE_CHECKING:
    from clicknb.testing import Rehearsal


FARTHEST = timedelta(days=7)
"""How far ahead a message may be scheduled (HTTP API specification, deliv_time)."""

MOST_TESTS = 20
"""How many messages ``Plan.test`` sends at most."""


class Plan:
    """What a campaign will send, to whom, and at what price; nothing has left yet.

    Attributes
    ----------
    service : clicknb.campaign.context.Service
        The account that it was made for.
    frame : pandas.DataFrame
        One row per input row with the caller's index; columns as in ``clicknb.frames.PLAN``. A row with a ``problem``
        will not be sent. ``credits_low`` is the least it can cost; missing where no price is known.
    people : pandas.DataFrame
        The table that it was made from.
    options : clicknb.campaign.options.Options
        What holds for every message.
    balance : decimal.Decimal or None
        Credits of the account when the plan was made; None if the gateway could not be asked.
    """

    def __init__(
        self,
        service: Service,
        people: pd.DataFrame,
        frame: pd.DataFrame,
        options: Options,
        *,
        balance: Decimal | None = None,
        written: pd.Series[str] | None = None,
        zones: pd.Series[Any] | None = None,
    ) -> None:
        self.service = service
        self._frame = frame
        self._written = frame["text"] if written is None else written
        self._zones = zones
        self.people = people
        self.options = options
        self.balance = balance

    @property
    def frame(self) -> pd.DataFrame:
        """One row per input row; a copy, so that changing it changes nothing that is sent."""
        return self._frame.copy()

    @property
    def name(self) -> str:
        """The campaign's name, unique in its ledger."""
        return self.options.name

    @property
    def live(self) -> bool:
        """Whether sending it leaves this machine and costs money."""
        return self.service.live

    @property
    def to_send(self) -> pd.DataFrame:
        """The rows that will be sent, unless the campaign has sent them before."""
        return self._frame[self._frame["problem"].isna()]

    @cached_property
    def _keys(self) -> list[str]:
        sent = self._frame["problem"].isna()
        return [key for key, is_sent in zip(self._all_keys, sent, strict=True) if is_sent]

    @cached_property
    def token(self) -> str:
        """Eight hexadecimal digits that stand for exactly this plan.

        It covers every row in its order, with number, text, encoding and variant, those that are left out, the sender
        ID and all options. Prices, quiet hours and who is suppressed are looked at again when it is sent.
        """
        rows = self._frame[["to", "text", "encoding", "variant", "read_as"]].astype("object").fillna("")
        left_out = self._frame["problem"].notna()
        rows.loc[left_out, ["to", "text", "encoding", "variant"]] = ""
        rows.loc[~left_out, "read_as"] = ""
        written = json.dumps([self.options.confirmed(), *(list(rows[name]) for name in rows)])
        digest = hashlib.sha256(written.encode()).hexdigest()[:8].upper()
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
            A campaign of this name holds one of these numbers with another text or sender, or has it still to send at
            another time or with another ``max_credits``; nothing was sent.
        CampaignError
            Some of these rows were cancelled in this campaign, or another program is sending it; nothing was sent.
        InvalidInput
            The time is not one that the gateway takes, or the plan costs more than its budget; nothing was sent.
        CampaignStopped
            Sending stopped early, with the reason; what was accepted is recorded.
        LedgerError
            The record could not be written; nothing was sent after that.
        """
        if self.service.live and confirm != self.token:
            message = (
                f"Nothing was sent. This account is live: to send {len(self.to_send):,} messages, call "
                f'plan.send(confirm="{self.token}").\n{self!r}'
            )
            raise ConfirmationNeeded(message)
        options = self.options.each(self._check_time(at))
        self._refuse_overspending()
        ledger = self.service.ledger
        recorded: Mapping[str, Recorded] = {}
        if known := ledger.campaign_id(self.name):  # before anything of it is changed
            with ledger.sending(known, takeover=takeover):
                recorded = ledger.recorded(known)
                self._refuse_changes(recorded, options)
        campaign_id = begin(self.service, self.options, self._frame.index.names)
        ledger.add(campaign_id, self._records(options, recorded))
        ledger.stop(campaign_id, "")
        texts = dict(zip(self._keys, self.to_send["text"], strict=True))
        mine = partial(_as_planned, texts, self.options.sender)
        send = partial(execute, self.service, self.name, campaign_id, mine, takeover=takeover)
        if background:
            return Campaign(self.service, self.name, campaign_id, in_background(partial(send, progress=False)))
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
        return self.service.rehearse(self, fault)

    def at(self, service: Service) -> Plan:
        """Make the same plan for another account."""
        return Plan(service, self.people, self._frame, self.options, written=self._written, zones=self._zones)

    def autopsy(self) -> pd.DataFrame:
        """Name every character that forces Unicode, what it adds, and what a plain one in its place would save.

        Returns
        -------
        pandas.DataFrame
            One row per character, the dearest first, columns as in ``clicknb.frames.AUTOPSY``. A text with two such
            characters counts in full for both, so the columns do not add up; the plan's own warning has the sum.

        Examples
        --------
        >>> import clicknb as cn
        >>> people = pd.DataFrame({"mobile": ["447700900123"], "name": ["Ann"]})
        >>> plan = cn.sandbox().plan(people, to="mobile", text="{name}, it’s time. " + "x" * 70, name="greeting")
        >>> plan.autopsy()[["code_point", "where", "rows", "parts_added", "parts_saved"]].values.tolist()
        [['U+2019', 'template', 1, 1, 1]]
        """
        return unicode_cost.autopsy(self.to_send["text"], prices=self._part_prices(), template=self._literal_texts())

    @cached_property
    def saving(self) -> Saving:
        """What all the characters that force Unicode add together, and what ``substitute=True`` would save."""
        return unicode_cost.saving(self.to_send["text"], prices=self._part_prices())

    @property
    def substitutions(self) -> pd.DataFrame:
        """Every text that ``substitute=True`` changed, before and after (``clicknb.frames.DIFF``)."""
        written = self._written[self._frame["problem"].isna()]
        return substitution.diff(written if self.options.substitute else written.head(0))

    def doctor(self) -> DoctorReport:
        """Put into words what was read, repaired and refused among the numbers; see ``clicknb.doctor_report``."""
        options = self.options
        return doctor_report(doctor(self.people, to=options.to, country=options.country, refuse=options.refuse))

    def lint(self) -> pd.DataFrame:
        """Look over the texts as a careful colleague would, the gravest findings first (``clicknb.frames.LINT``)."""
        return self._findings.copy()

    @cached_property
    def _findings(self) -> pd.DataFrame:
        options = self.options
        if not options.variants:
            return lint.lint(options.text, self.people, max_parts=options.max_parts)
        found = []
        for name, text in options.variants.items():
            mine = (self._frame["variant"] == name).to_numpy()
            findings = lint.lint(text, self.people[mine], max_parts=options.max_parts)
            found.append(findings.assign(where=f"{name}: " + findings["where"]))
        return frames.build(frames.LINT, pd.concat(found, ignore_index=True))

    def _part_prices(self) -> pd.Series[Any]:
        return self.to_send["credits_low"] / self.to_send["parts"].astype("float64")

    def _literal_texts(self) -> list[str]:
        """Write what the templates say to everybody."""
        templates = [Template(text) for text in self.options.variants.values() or [self.options.text]]
        return ["".join(piece for piece in one.pieces if isinstance(piece, str)) for one in templates]

    def test(self, to: str, *, rows: int = 3) -> pd.DataFrame:
        """Send a few of the texts to a number of one's own first, as single messages and not as part of the campaign.

        Those with the most parts come first, since they are the ones to look at; of variants, one of each before a
        second one. They leave at once: quiet hours and the budget are the campaign's. Running it again sends only
        what was not sent within 24 hours.

        Parameters
        ----------
        to
            The number, in international form or as people of the plan's country write it.
        rows
            How many different texts.

        Returns
        -------
        pandas.DataFrame
            A row for each message with the index of the plan, columns as in ``clicknb.frames.SENDS``.

        Raises
        ------
        InvalidInput
            The number cannot be sent to; nothing was sent.
        CampaignStopped
            The gateway refused the account or could not be reached.

        Examples
        --------
        >>> import clicknb as cn
        >>> people = pd.DataFrame({"mobile": ["447700900123"], "name": ["Ann"]})
        >>> plan = cn.sandbox().plan(people, to="mobile", text="Hi {name}", name="greeting")
        >>> plan.test("447700900199")["text"].tolist()
        ['Hi Ann']
        """
        texts = self.to_send.sort_values("parts", ascending=False, kind="stable").drop_duplicates("text")
        turns = texts.groupby("variant", dropna=False).cumcount().to_numpy()  # one of each before a second one
        chosen = texts["text"].iloc[turns.argsort(kind="stable")].head(checks.whole("rows", rows, 1, MOST_TESTS))
        alone = replace(self.options, hours=None, zone=None, budget=None, refuse=())  # these are for the others
        sent = [single.send(self.service, to, text, alone) for text in chosen]
        return pd.concat(sent).set_axis(chosen.index) if sent else frames.build(frames.SENDS, [])

    def sends(self) -> pd.DataFrame:
        """Show what became of the rows of this plan, in its order and with its index (``clicknb.frames.SENDS``)."""
        campaign_id = self.service.ledger.campaign_id(self.name)
        if campaign_id is None:
            return frames.build(frames.SENDS, self._frame, self._frame.index)
        table = framed(views.attempted(self.service.ledger, campaign_id)).set_index("key")
        return frames.build(frames.SENDS, table.reindex(self._kept_keys(table.index)), self._frame.index)

    def _check_time(self, at: object) -> datetime | None:
        """Check a time that the gateway shall deliver at."""
        now = self.service.clock.now()
        if at is None:
            return None
        if not isinstance(at, datetime) or at.tzinfo is None or not now < at <= now + FARTHEST:
            message = f"at must be a time with a zone, ahead of now by at most 7 days, not {at}. Nothing was sent."
            raise InvalidInput(message)
        return at

    def _refuse_overspending(self) -> None:
        if words := self.overspends:
            message = f"This plan {words}. Nothing was sent. Raise the budget or plan for fewer people."
            raise InvalidInput(message)

    def _refuse_changes(self, recorded: Mapping[str, Recorded], options: str) -> None:
        """Refuse rows that the campaign holds with another content, or that were cancelled in it."""
        if not recorded:
            return
        texts = zip(self.to_send.index, self._keys, self.to_send["text"].tolist(), strict=True)
        known = [(label, recorded[key], text) for label, key, text in texts if key in recorded]
        if cancelled := sum(row.state == "skipped" and not row.waits for _, row, _ in known):
            message = (
                f"{cancelled:,} of these rows were cancelled in campaign {self.name!r} and are not sent by it any "
                "more. Nothing was sent now. To send them after all, give them a campaign with a new name."
            )
            raise CampaignError(message)
        changed = [label for label, row, text in known if (row.text, row.sender) != (text, self.options.sender)]
        if changed:
            named = ", ".join(str(label) for label in changed[:_NAMED])
            more = f" and {len(changed) - _NAMED:,} more" if len(changed) > _NAMED else ""
            message = (
                f"Campaign {self.name!r} already holds {len(changed):,} of these rows with another text or sender: "
                f"rows {display.mask_digits(named)}{more}. Nothing was sent now; what was sent before is untouched. "
                "Give the new text a new campaign name, or restore the old text to go on with this campaign."
            )
            raise ContentChanged(message)
        if others := sum(row.waits and row.options != options for _, row, _ in known):
            message = (
                f"Campaign {self.name!r} has {others:,} of these rows still to send, planned for another time or with "
                "another max_credits. Nothing was sent now. sms.campaign(...).resume() sends them as they were "
                "planned; to send them otherwise, cancel that campaign and give this plan a new name."
            )
            raise ContentChanged(message)

    @cached_property
    def _all_keys(self) -> list[str]:
        """Make the key of every row: of those to send the number, of those left out what was read."""
        rows = self._frame.reset_index(drop=True)
        left_out = _LEFT_OUT + rows["read_as"].fillna("")
        return row_keys(rows["to"].where(rows["problem"].isna(), left_out).tolist())

    def _kept_keys(self, held: Collection[str]) -> list[str]:
        """Make the keys under which the rows are recorded.

        Who is left out now, but is in the campaign since before, keeps the key of then.
        """
        if not len(held):
            return self._all_keys
        numbers = self._frame["to"].astype("object")
        pairs = zip(self._all_keys, numbers, strict=True)
        return [key if (first := f"{to}#1") not in held else first for key, to in pairs]

    def _records(self, options: str, held: Collection[str] = ()) -> dict[str, list[Any]]:
        """Write the rows as the ledger keeps them, column by column: those to send, and those left out and why."""
        frame, count, keys = self._frame, len(self._frame), self._kept_keys(held)
        left_out = zip(frame["problem"].notna(), keys, self._all_keys, strict=True)
        return {
            "key": keys,
            "left_out": [int(problem and key == own) for problem, key, own in left_out],
            "ordinal": frame["row"].tolist(),
            "label": [views.label(value) for value in frame.index],
            "sender": [self.options.sender] * count,
            "options": [options] * count,
            "estimated": [micro_credits(credits) for credits in frame["credits_low"].tolist()],
            "skipped": _values(frame["problem"]),
            "skip_kind": _values(frame["kind"].where(frame["problem"].notna())),
            "zone": [None] * count if self._zones is None else _values(self._zones),
            **{name: _values(frame[name]) for name in ("to", "country", "text", "encoding", "parts", "variant")},
        }

    # what it says at a glance

    @property
    def new(self) -> pd.DataFrame:
        """The rows to send that the campaign has not tried before."""
        campaign_id = self.service.ledger.campaign_id(self.name)
        known = {} if campaign_id is None else self.service.ledger.recorded(campaign_id)
        untried = [key not in known or known[key].waits for key in self._keys]
        return self.to_send.loc[pd.Series(untried, self.to_send.index, dtype="bool").to_numpy()]

    @property
    def overspends(self) -> str:
        """How the plan goes beyond its budget, with what the campaign has spent before; empty if it does not."""
        budget, cost = self.options.budget, self.new["credits_low"].sum()
        if budget is None or not cost:
            return ""
        ledger = self.service.ledger
        campaign_id = ledger.campaign_id(self.name)
        spent = ledger.spent(campaign_id) if campaign_id else Decimal(0)
        if float(spent) + cost <= float(budget) + _ROUNDING:
            return ""
        before = f" after {display.credits(spent)} that were spent before" if spent else ""
        return f"costs at least {display.credits(cost)}{before}, more than its budget of {display.credits(budget)}"

    @property
    def countries(self) -> pd.DataFrame:
        """What goes to each country, the dearest first (``clicknb.frames.COUNTRIES``): messages, parts, credits."""
        return plan_repr.countries(self.new)

    @property
    def warnings(self) -> list[str]:
        """What one should know before this is sent; empty if there is nothing."""
        return [warning.text for warning in plan_repr.warnings(self)]

    def __repr__(self) -> str:
        return plan_repr.text(self)

    def _repr_html_(self) -> str:
        return plan_repr.html(self)


_LEFT_OUT = "skipped "
"""What stands before what was read in the key of a row that is left out, so that it is no message's."""

_NAMED = 10
"""How many rows an error names."""

_ROUNDING = 1e-7  # credits that a sum of floats may be off


def _values(column: pd.Series[Any]) -> list[Any]:
    return column.astype("object").where(column.notna(), None).tolist()


def _as_planned(texts: Mapping[str, str], sender: str, row: Message) -> bool:
    """Tell whether a recorded row is one of a plan and says what the plan says, whoever else records rows just now."""
    return texts.get(row.key) == row.text and row.sender == sender


def row_keys(values: Iterable[str]) -> list[str]:
    """Make row keys: the value and which occurrence of it this is."""
    values = list(values)
    if len(set(values)) == len(values):
        return [f"{value}#1" for value in values]
    seen: Counter[str] = Counter()
    keys = []
    for value in values:
        seen[value] += 1
        keys.append(f"{value}#{seen[value]}")
    return keys
