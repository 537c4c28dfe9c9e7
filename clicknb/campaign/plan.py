"""A plan: what a campaign will send and cost before anything leaves, and the one way to send it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

import pandas as pd

from clicknb import checks, display, frames
from clicknb.campaign import plan_repr, rehearsal, run, single
from clicknb.campaign.campaign import Campaign, unless_stopped
from clicknb.campaign.context import Context
from clicknb.campaign.options import Options
from clicknb.campaign.planning import WorkedOut
from clicknb.campaign.recording import Recording
from clicknb.campaign.rehearsal import Rehearsal
from clicknb.errors import ConfirmationNeeded
from clicknb.gateway.limits import FARTHEST
from clicknb.ledger import views
from clicknb.ledger.records import Recorded
from clicknb.ledger.sqlite import framed
from clicknb.messages import lint, substitution, unicode_cost
from clicknb.messages.template import Template
from clicknb.messages.unicode_cost import Saving
from clicknb.recipients.doctor import doctor
from clicknb.recipients.report import DoctorReport, doctor_report

MOST_TESTS = 20
"""How many messages ``Plan.test`` sends at most."""


class Plan:
    """What a campaign will send, to whom, and at what price; nothing has left yet.

    Attributes
    ----------
    context : clicknb.campaign.context.Context
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
        context: Context,
        people: pd.DataFrame,
        options: Options,
        found: WorkedOut,
    ) -> None:
        self.context = context
        self.people = people
        self.options = options
        self.balance = found.balance
        self._found = found
        self._frame = found.frame

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
        return self.context.live

    @property
    def to_send(self) -> pd.DataFrame:
        """The rows that will be sent, unless the campaign has sent them before."""
        return self._frame[self._frame["problem"].isna()]

    @cached_property
    def _rows(self) -> Recording:
        return Recording(self._frame, self.options, self._found.zones)

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
        written = json.dumps([self.options.token_content(), *(list(rows[name]) for name in rows)])
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
        if self.context.live and confirm != self.token:
            message = (
                f"Nothing was sent. This account is live: to send {len(self.to_send):,} messages, call "
                f'plan.send(confirm="{self.token}").\n{self!r}'
            )
            raise ConfirmationNeeded(message)
        options = self.options.each(self._check_time(at))
        if words := self.overspends:
            checks.refuse(f"This plan {words}.", "Raise the budget or plan for fewer people.")
        ledger = self.context.ledger
        recorded: Mapping[str, Recorded] = {}
        if known := ledger.campaign_id(self.name):  # before anything of it is changed
            with ledger.sending(known, takeover=takeover):
                recorded = ledger.recorded(known)
                self._rows.refuse_changes(recorded, options)
        campaign_id = run.begin(self.context, self.options, self._frame.index.names)
        ledger.add(campaign_id, self._rows.columns(options, recorded))
        ledger.stop(campaign_id, "")
        send = partial(run.execute, self.context, self.name, campaign_id, self._rows.has, takeover=takeover)
        if background:
            work = run.in_background(partial(send, progress=False))
            return Campaign(self.context, self.name, campaign_id, work)
        return unless_stopped(Campaign(self.context, self.name, campaign_id), send(progress=progress))

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
        with self.context.sandbox(fault) as context:
            return rehearsal.rehearse(self, fault, context)

    def at(self, context: Context, options: Options | None = None) -> Plan:
        """Make the same plan for another account, and with other options if they are given."""
        return Plan(context, self.people, options or self.options, self._found._replace(balance=None))

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
        written = self._found.written[self._frame["problem"].isna()]
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
        sent = [single.send(self.context, to, text, alone) for text in chosen]
        return pd.concat(sent).set_axis(chosen.index) if sent else frames.build(frames.SENDS, [])

    def sends(self) -> pd.DataFrame:
        """Show what became of the rows of this plan, in its order and with its index (``clicknb.frames.SENDS``)."""
        campaign_id = self.context.ledger.campaign_id(self.name)
        if campaign_id is None:
            return frames.build(frames.SENDS, self._frame, self._frame.index)
        table = framed(views.attempted(self.context.ledger, campaign_id)).set_index("key")
        return frames.build(frames.SENDS, table.reindex(self._rows.kept_keys(table.index)), self._frame.index)

    def _check_time(self, at: object) -> datetime | None:
        """Check a time that the gateway shall deliver at."""
        now = self.context.clock.now()
        if at is None:
            return None
        if not isinstance(at, datetime) or at.tzinfo is None or not now < at <= now + FARTHEST:
            checks.refuse(f"at must be a time with a zone, ahead of now by at most 7 days, not {at}.")
        return at

    # what it says at a glance

    @property
    def new(self) -> pd.DataFrame:
        """The rows to send that the campaign has not tried before."""
        campaign_id = self.context.ledger.campaign_id(self.name)
        known = {} if campaign_id is None else self.context.ledger.recorded(campaign_id)
        untried = [key not in known or known[key].waits for key in self._rows.keys]
        return self.to_send.loc[pd.Series(untried, self.to_send.index, dtype="bool").to_numpy()]

    @property
    def overspends(self) -> str:
        """How the plan goes beyond its budget, with what the campaign has spent before; empty if it does not."""
        budget, cost = self.options.budget, self.new["credits_low"].sum()
        if budget is None or not cost:
            return ""
        ledger = self.context.ledger
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


_ROUNDING = 1e-7  # credits that a sum of floats may be off
