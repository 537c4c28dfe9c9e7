"""A campaign as it is seen at one moment: counts, words, tables and a picture. Knows no widgets."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import pandas as pd

from clicknb import display
from clicknb.account import Account
from clicknb.analysis import figures
from clicknb.analysis import summary as summaries
from clicknb.forms.kit import snippet
from clicknb.forms.kit.download import file_name
from clicknb.frames import RESULTS, WORDS

BY = {
    "Country": "country",
    "Sender ID": "sender",
    "Variant": "variant",
    "Encoding": "encoding",
    "Parts": "parts",
}
"""What outcomes can be grouped by."""

LONGEST_WATCH = "2h"
"""Some messages never get a final status, so a watch has an end."""

_WORDS = {word: WORDS[word].called for word in RESULTS}
_OPEN = ("at_network", "pending")
_FAILED = ("failed", "expired", "cancelled", "rejected", "absent")

_drawing = Lock()  # matplotlib draws one figure at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A campaign as the ledger has it at one moment.

    Attributes
    ----------
    name, by
        The campaign, and the column that its outcomes are grouped by.
    stopped
        Why sending stopped early; empty if it did not.
    outcomes
        One row per recipient, columns as in ``clicknb.frames.OUTCOMES``.
    counts
        How many rows have come to what, in the words of ``clicknb.frames.RESULTS``.
    sending
        How many are on their way, or were when a program ended.
    groups, reasons, costs
        ``Campaign.summary`` by group, ``Campaign.reasons`` and ``Campaign.residuals``.
    picture
        The figure as PNG.
    """

    name: str
    by: str
    stopped: str
    outcomes: pd.DataFrame = field(repr=False)
    counts: dict[str, int]
    sending: int
    groups: pd.DataFrame = field(repr=False)
    reasons: pd.DataFrame = field(repr=False)
    costs: pd.DataFrame = field(repr=False)
    picture: bytes = field(repr=False)

    @property
    def open(self) -> int:
        """How many accepted messages have no final status yet."""
        return sum(self.counts.get(word, 0) for word in _OPEN)

    @property
    def accepted(self) -> int:
        """How many the gateway has accepted."""
        return int((self.outcomes["state"] == "accepted").sum())

    @property
    def doubtful(self) -> int:
        """How many the gateway can be asked about because nobody knows whether it has them."""
        return self.counts.get("unknown", 0) + self.sending

    @property
    def waiting(self) -> int:
        """How many have not left and are still to be sent."""
        return self.counts.get("planned", 0) - self.sending

    def facts(self) -> list[tuple[str, str]]:
        """Say in figures where it stands."""
        rows = [("recipients", f"{len(self.outcomes):,}")]
        rows += [(f"- {words}", f"{self.counts[word]:,}") for word, words in _WORDS.items() if self.counts.get(word)]
        charged = self.outcomes["charge"].dropna()
        said = display.credits(round(float(charged.sum()), 6)) if len(charged) else "nothing yet, or not asked"
        return [*rows, ("charged so far", said)]

    def note(self) -> str:
        """Say what can be done next; empty if all is final."""
        said = []
        if self.stopped and self.waiting:
            said.append(f"Sending stopped: {self.stopped.rstrip('.')}.")
        if self.waiting:
            said.append(f"{_many(self.waiting, 'has', 'have')} not left yet: Resume sends what is still planned.")
        if self.doubtful:
            said.append(
                f"{_many(self.doubtful, 'is', 'are')} in doubt, because the answer was lost: Reconcile asks the "
                "gateway about it, and sends nothing."
            )
        if self.open:
            said.append(f"{_many(self.open, 'has', 'have')} no final status yet: Watch asks until they have.")
        return "\n".join(said) or "Nothing is open any more."

    def cancelling(self) -> str:
        """Say what cancelling would do; empty if there is nothing to cancel."""
        said = []
        if self.waiting:
            said.append(f"{_many(self.waiting, 'that has', 'that have')} not left will never be sent.")
        if self.open:
            said.append(
                f"The gateway is asked to stop {_many(self.open)} that it may still hold; what it has "
                "passed on arrives all the same."
            )
        if said and self.doubtful:
            said.append(f"{_many(self.doubtful, 'is', 'are')} in doubt and cannot be stopped: reconcile first.")
        return " ".join([*said, "This cannot be undone."]) if said else ""

    def resuming(self, account: Account) -> str:
        """Say what resuming would do; empty if there is nothing to resume."""
        if not self.waiting:
            return ""
        left = self.outcomes[self.outcomes["state"] == "planned"]
        known = left["estimated"].dropna()
        cost = f" for at least {display.credits(round(float(known.sum()), 6))}" if len(known) else ""
        where = "to real people" if account.live else "to the sandbox"
        return f"{_many(self.waiting, 'leaves', 'leave')} now, {where}{cost}. Nobody gets a message twice."

    def why(self) -> pd.DataFrame:
        """Show why messages have not arrived, with the outcome in words."""
        return self.reasons.assign(outcome=self.reasons["outcome"].astype("str").map(_WORDS))

    def grouped(self) -> pd.DataFrame:
        """Show the groups with their rates, ready to be read."""
        sent = self.groups["rows"] - self.groups["skipped"]
        shown = pd.DataFrame(
            {
                "messages": sent,
                "delivered": self.groups["delivered"],
                "still open": self.groups[[*_OPEN, "unknown", "planned"]].sum(axis=1),
                "did not arrive": self.groups[list(_FAILED)].sum(axis=1),
                "delivered of settled": [_rate(row) for _, row in self.groups.iterrows()],
                "credits": self.groups["charge"].round(6),
            }
        )
        return shown[sent > 0] if len(shown) > 2 else shown.iloc[-1:]  # noqa: PLR2004  one group says the same as all


def titled(row: pd.Series) -> str:
    """Name a campaign in a list to choose from."""
    name = display.shorten(display.mask_digits(row["name"], 7), 40)
    return f"{name}: {row['rows']:,} recipients, {display.date(row['started_at'])} {row['started_at']:%H:%M} UTC"


def see(account: Account, name: str, by: str, before: Sight | None = None) -> Sight:
    """Read a campaign from the ledger; nothing is asked.

    Parameters
    ----------
    by
        One of the values of ``BY``.
    before
        What was seen last: returned as it is if nothing has changed since.
    """
    campaign = account.campaign(name)
    outcomes, stopped = campaign.outcomes, campaign.stopped
    same = before is not None and (before.name, before.by, before.stopped) == (name, by, stopped)
    if before is not None and same and before.outcomes.equals(outcomes):
        return before
    counts = {str(word): int(count) for word, count in summaries.outcome(outcomes).value_counts().items() if count}
    return Sight(
        name=name,
        by=by,
        stopped=stopped,
        outcomes=outcomes,
        counts=counts,
        sending=int((outcomes["state"] == "sending").sum()),
        groups=summaries.summary(outcomes, by),
        reasons=campaign.reasons(),
        costs=campaign.residuals(),
        picture=draw(outcomes, by, name),
    )


def draw(outcomes: pd.DataFrame, by: str, name: str) -> bytes:
    """Draw what came of a campaign."""
    with _drawing:
        return figures.png(figures.plot(outcomes, by=by, title=name, stacked=True))


def written(account: Account, sight: Sight | None) -> str:
    """Write the Python that asks, shows and saves the same."""
    if sight is None:
        return snippet.program(account, [], ["sms.campaigns()"])
    by = {"by": sight.by}
    note = "# That is a new sandbox. This one is in memory: leave the line out in its own kernel."
    lines = [note] if account.ledger_path is None else []
    lines += [
        f"campaign = {snippet.call('sms.campaign', [sight.name], {})}",
        f"{snippet.call('campaign.track', [LONGEST_WATCH], {})}  # Watch; campaign.refresh() asks once",
    ]
    if sight.doubtful:
        lines.append("# campaign.reconcile()  # asks about what is in doubt")
    if sight.waiting:
        lines.append("# campaign.resume()  # sends what is still planned")
    if sight.cancelling():
        lines.append("# campaign.cancel()  # for good")
    lines += [
        "",
        snippet.call("campaign.summary", [], by),
        "campaign.reasons()",
        "campaign.residuals()",
        snippet.call("campaign.plot", [], by),
        "sms.balance()",
        "",
        *(
            f"# {snippet.call(f'cn.export.{call}', [snippet.Raw('campaign.outcomes'), file_name(sight.name, end)], {})}"
            for call, end in (("to_csv", "csv"), ("to_excel", "xlsx"))
        ),
    ]
    return snippet.program(account, [], lines)


def _many(count: int, one: str = "", more: str = "") -> str:
    return f"{display.many(count, 'message')} {one if count == 1 else more}".rstrip()


def _rate(row: pd.Series) -> str:
    if not row["of"]:
        return "none settled"
    low, high = (display.percent(row[name]) for name in ("rate_low", "rate_high"))
    return f"{display.percent(row['rate'])} of {row['of']:,.0f} ({low} to {high})"
