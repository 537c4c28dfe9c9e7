"""A message being written: what is wrong with it, what it will cost, the code that sends it. Knows no widgets."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import pandas as pd

from clicknb import display
from clicknb.account import Account
from clicknb.campaign.plan import Plan
from clicknb.checks import refuse
from clicknb.errors import AlreadySent, CampaignStopped, InvalidInput
from clicknb.forms.kit import snippet
from clicknb.gateway.limits import FARTHEST, MOST_PARTS
from clicknb.kinds import DUPLICATE
from clicknb.messages.parts import measure
from clicknb.recipients.digits import is_rounded
from clicknb.recipients.doctor import doctor

MOST_NUMBERS = 100
"""More than a few people are a campaign, with a table and a name of its own."""

USUAL_PARTS = 3

_BETWEEN_NUMBERS = re.compile(r"[\r\n,;|\t]+|\s+(?=\+)|(?<=\d{7})\s+(?=\d{7})", re.ASCII)
_listening = Lock()


@dataclass(frozen=True, slots=True)
class SentDraft:
    """What became of a message.

    Attributes
    ----------
    sends
        One row per number, columns as in ``clicknb.frames.SENDS``.
    note
        What was sent before and therefore not now; empty if nothing was.
    stopped
        Why sending stopped before its end.
    """

    sends: pd.DataFrame
    note: str = ""
    stopped: CampaignStopped | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text for one or a few numbers.

    Parameters
    ----------
    numbers
        As pasted: on lines, with commas or semicolons between them, or side by side.
    text, sender, country
        As in ``Account.send``; an empty country is none.
    at
        When the gateway shall deliver, aware; now if None.
    again
        Send even if the same message was sent before.

    Examples
    --------
    >>> draft = Draft(numbers="+44 7700 900123; 07700 900124", country="GB", text="Hello")
    >>> draft.to
    ['447700900123', '447700900124']
    >>> draft.problems()
    []
    """

    numbers: str = ""
    text: str = ""
    sender: str = ""
    country: str = ""
    at: datetime | None = None
    again: bool = False

    # what is in it

    def read(self) -> pd.DataFrame:
        """Read the numbers: one row for each that was written, from 1, columns as in ``clicknb.frames.DOCTOR``.

        Raises
        ------
        InvalidInput
            There is no such country.
        """
        written = [piece.strip() for piece in _BETWEEN_NUMBERS.split(self.numbers) if piece.strip()]
        table = pd.DataFrame({"to": written}, index=range(1, len(written) + 1), dtype="str")
        return doctor(table, to="to", country=self.country.strip() or None)

    @property
    def to(self) -> list[str]:
        """The numbers that can be read, each once."""
        return list(self.read()["to"].dropna())

    def counted(self) -> str:
        """Say what the text costs in parts, and why.

        Examples
        --------
        >>> Draft(text="It’s on").counted().splitlines()
        ['Unicode (UCS-2): 1 part, 7 units used, 63 left.', 'Because of ’ (RIGHT SINGLE QUOTATION MARK), character 3.']
        """
        count = measure(self.text)
        name = "GSM alphabet" if count.encoding == "gsm7" else "Unicode (UCS-2)"
        said = f"{name}: {display.many(count.parts, 'part')}, {count.units:,} units used, {count.left:,} left."
        if not count.offending:
            return said
        called = unicodedata.name(count.offending, f"U+{ord(count.offending):04X}")
        place = self.text.index(count.offending) + 1
        return f"{said}\nBecause of {count.offending} ({called}), character {place:,}."

    # whether it can be sent

    def problems(self) -> list[str]:
        """Say what stands in the way of sending, in the order of the form."""
        found = []
        try:
            numbers = self.read()
        except InvalidInput as error:
            return [str(error)]
        if not len(numbers):
            found.append("Write a number.")
        refused = numbers["problem"].dropna()
        unread = int((numbers.loc[refused.index, "kind"] != DUPLICATE).sum())
        if unread:
            found.append(f"Correct or remove {unread:,} of the {len(numbers):,} numbers.")
        if len(numbers) - len(refused) > MOST_NUMBERS:
            found.append(f"Write at most {MOST_NUMBERS} numbers; more of them are a campaign.")
        return found + self._text_problems()

    def _text_problems(self) -> list[str]:
        if not self.text.strip():
            return ["Write a text."]
        try:
            count = measure(self.text)
        except InvalidInput as error:
            return [str(error)]
        return [f"Shorten the text: at most {MOST_PARTS} parts can be sent."] if count.parts > MOST_PARTS else []

    # what it does

    def plan(self, account: Account) -> Plan:
        """Work out what the message will send and cost.

        Raises
        ------
        InvalidInput
            Something stands in the way; nothing was sent.
        """
        if problems := self.problems():
            refuse(" ".join(problems), "Correct it and check again.")
        if self.at is not None:
            now = account.now()
            if not now < self.at <= now + FARTHEST:
                refuse(
                    "The time to deliver is not within the next 7 days.",
                    f"It is now {display.date(now)} {now:%H:%M} UTC.",
                )
        table = pd.DataFrame({"to": self._cells})
        return account.plan(table, to="to", text=self._template, name=self._name(account), **self._options)

    @property
    def _cells(self) -> list[str]:
        """The numbers as a table has to hold them: with a plus where their zeros would raise a question."""
        return [f"+{to}" if is_rounded(to) else to for to in self.to]

    @property
    def _template(self) -> str:
        return self.text.replace("{", "{{").replace("}", "}}")

    @property
    def _options(self) -> dict[str, Any]:
        longest = measure(self.text).parts
        options: dict[str, Any] = {}
        if self.sender.strip():
            options["sender"] = self.sender.strip()
        if longest > USUAL_PARTS:
            options["max_parts"] = longest
        return options

    @property
    def simple(self) -> bool:
        """Whether ``Account.send`` can do it: one number, now."""
        return len(self.to) == 1 and self.at is None

    def _name(self, account: Account) -> str:
        """Name the message by what it says, so that the same one is known; with ``again`` a name not taken yet."""
        content = [sorted(self.to), self.text, self.sender.strip(), None if self.at is None else self.at.isoformat()]
        name = f"message {hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]}"
        if not self.again or self.simple:
            return name
        taken = set(account.campaigns()["name"])
        tries = [name, *(f"{name} ({number})" for number in range(2, len(taken) + 2))]
        return next(free for free in tries if free not in taken)

    def send(self, account: Account, plan: Plan, confirm: str | None = None) -> SentDraft:
        """Send what was planned, once.

        Raises
        ------
        ConfirmationNeeded
            The account is live and ``confirm`` is not the plan's token; nothing was sent.
        ClicknbError
            As ``Account.send`` and ``Plan.send``.
        """
        if self.simple:
            if account.live and confirm != plan.token:
                plan.send(confirm)  # says so
            return self._send_one(account)
        before = int((~plan.sends()["state"].isin(["planned"]) & plan.sends()["state"].notna()).sum())
        try:
            plan.send(confirm, at=self.at, progress=False)
        except CampaignStopped as stopped:
            return SentDraft(plan.sends(), stopped=stopped)
        note = f"{before:,} of these messages were sent before and not now." if before else ""
        return SentDraft(plan.sends(), note)

    def _send_one(self, account: Account) -> SentDraft:
        with _listening, warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", AlreadySent)
            sends = account.send(self.to[0], self.text, sender=self.sender.strip(), again=self.again)
        said = [str(warning.message) for warning in heard if issubclass(warning.category, AlreadySent)]
        if not said:
            return SentDraft(sends)
        state = sends["state"].iloc[0]
        return SentDraft(sends, f"Nothing was sent now: the same message was sent before, and is {state}.")

    def code(self, account: Account | None, plan: Plan | None = None) -> str:
        """Write the Python that does the same, without secrets."""
        to = self.to
        sender = self.sender.strip()
        if len(to) <= 1 and self.at is None:
            options = {"sender": sender} if sender else {}
            again = {"again": True} if self.again else {}
            number = to[0] if to else "447700900123"
            call = snippet.call("sms.send", [number, self.text], {**options, **again})
            return snippet.program(account, [], [call])
        name = "message" if account is None else (plan.name if plan is not None else self._name(account))
        table = f'pd.DataFrame({{"to": {snippet.literal(self._cells)}}})'
        settings = {"to": "to", "text": self._template, "name": name, **self._options}
        imports = ["import pandas as pd"]
        lines = [f"people = {table}", f"plan = {snippet.call('sms.plan', [snippet.Raw('people')], settings)}"]
        given: dict[str, object] = {}
        if account is not None and account.live and plan is not None:
            given["confirm"] = plan.token
        if self.at is not None:
            when = self.at.astimezone(UTC)
            given["at"] = snippet.Raw(f"datetime.fromisoformat({when.isoformat()!r})")
            imports.insert(0, "from datetime import datetime")
        return snippet.program(account, imports, [*lines, f"campaign = {snippet.call('plan.send', [], given)}"])
