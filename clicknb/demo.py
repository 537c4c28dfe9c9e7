"""``clicknb demo``: a campaign from a spreadsheet to delivery statistics, through a gateway on this machine.

The gateway is the sandbox as an HTTP server in a process of its own. Time runs fast there, and the account keeps the
gateway's time, so what takes three minutes is over in seconds.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

import clicknb as cn
from clicknb import display
from clicknb.campaign.plan_repr import left_out_by_kind
from clicknb.clock import RunningClock
from clicknb.errors import NotSent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pandas as pd

    from clicknb import Account, Campaign, Plan
    from clicknb.campaign.rehearsal import Verdict

NAME = "appointments"
TEXT = "Hi {first_name}, see you in {city} on {appointment:%A %-d %B}. Amount due: {amount:,.2f}."
CAMPAIGN_ID = 32 * "0"
"""Not random, as it is elsewhere: what the sandbox does depends on it, so every demo ends alike."""

CREDITS = 5000
SPEED = 30.0
LONG_ENOUGH = "200s"
"""Within three minutes a message is final at the sandbox, or it never will be."""

Say = Callable[[str], None]


class Accepted(NamedTuple):
    """A message in the gateway's own record."""

    climsgid: str
    to: str
    text: str


def run(directory: Path, say: Say) -> bool:
    """Run the demo.

    Parameters
    ----------
    directory
        Where chart, report and ledger go; those of an earlier run are replaced.
    say
        Called with what to show: one or more lines of text.

    Returns
    -------
    bool
        Whether every row is accounted for and the gateway's own record agrees with the ledger.

    Raises
    ------
    ClicknbError
        The gateway could not be started or reached.
    OSError
        The directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ledger = directory / "demo.sqlite"
    for suffix in ("", "-wal", "-shm"):
        ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
    say("clicknb demo: 1,200 invented people, one campaign. Nothing leaves this machine.")
    with _served() as url, _account(url, ledger) as sms:
        say(f"\n1. A gateway\n\n  {url}, a process of its own; a second of ours is {SPEED:g} of its seconds")
        people = _people()
        say(f"\n2. A spreadsheet\n\n  people.csv, {len(people):,} rows: {', '.join(people.columns)}")
        plan = sms.plan(people, to="mobile", country="GB", text=TEXT, name=NAME)
        say(f"\n3. A plan\n\n{_planned(plan)}")
        campaign = _sent(plan, say)
        say(f"\n5. What came of it\n\n{_outcome(campaign)}")
        say(f"\n6. Does it add up?\n\n{_accounts(campaign, len(people))}")
        verdict = cn.testing.check(sms, _gateways_record(url))
        say(f"  the gateway's own record: {_judged(verdict)}")
        say(f"\n7. To keep\n\n{_kept(campaign, directory)}\n  ledger  {ledger}")
        return verdict.ok and sum(campaign.counts.values()) == len(people)


# the gateway


@contextmanager
def _served() -> Iterator[str]:
    """Serve a sandbox in a process that ends with this block, and also if this process is killed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name="clicknb-sandbox", daemon=True)
    process.start()
    theirs.close()
    try:
        yield _address(ours)
    finally:
        ours.close()
        process.join()


def _address(pipe: Connection[Any, Any]) -> str:
    try:
        return str(pipe.recv())
    except EOFError:
        message = "The sandbox's process ended before it served anything; nothing was sent. Its reason stands above."
        raise NotSent(message) from None


def _serve(pipe: Connection[Any, Any]) -> None:
    """Serve until the other end of the pipe is closed, by whatever."""
    from clicknb.simulator import Gateway, serve

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sender, who still waits for replies
    with serve(Gateway(credits=CREDITS), speed=SPEED) as server:
        pipe.send(server.url)
        with suppress(EOFError):
            pipe.recv()


def _account(url: str, ledger: Path) -> Account:
    """Connect as any program would, but keep the gateway's time."""
    sms = cn.connect(base_url=url, user="sandbox", password="sandbox", api_id="1", ledger=ledger)  # noqa: S106
    clock = RunningClock(SPEED, start=datetime.now(UTC))
    return cn.testing.altered(sms, clock=clock, mint=lambda *_: CAMPAIGN_ID)


def _gateways_record(url: str) -> list[Accepted]:
    import requests

    with requests.Session() as session:
        session.trust_env = False  # no proxy leads to this machine
        messages = session.get(f"{url}/sandbox/messages", timeout=60).json()
    return [Accepted(*(message[name] for name in Accepted._fields)) for message in messages]


# the campaign


def _people() -> pd.DataFrame:
    file = resources.files("clicknb") / "data" / "people.csv"
    with file.open("rb") as content:
        return cn.read_recipients(content)


def _planned(plan: Plan) -> str:
    rows = plan.to_send
    reasons = left_out_by_kind(plan.frame)
    unicode = rows[rows["encoding"] == "ucs2"]
    dear = unicode[unicode["parts"] > 1]
    shown = rows.loc[[*rows.index[:3], *dear.index[:1]]].astype("str")
    return "\n".join(
        [
            indent(repr(plan), "  "),
            "",
            f"  Text: {TEXT}",
            "",
            _table({name: shown[name] for name in ("country", "parts", "text")}, left=("country", "text")),
            "",
            f"  {len(unicode):,} texts have a letter outside the GSM alphabet, so that a part holds 70 characters",
            f"  and not 160; {len(dear):,} of them need more than one part.",
            "",
            f"  {int(rows['repair'].notna().sum()):,} numbers were rewritten in international form.",
            f"  {sum(reasons.values()):,} rows are left out:",
            "",
            *(f"  {count:>4}  {reason}" for reason, count in reasons.items()),
        ]
    )


def _sent(plan: Plan, say: Say) -> Campaign:
    progress = sys.stderr.isatty()
    say("\n4. The campaign, over HTTP\n")
    campaign = plan.send(progress=progress)
    say(f"  sent        {_states(campaign)}")
    if doubt := campaign.counts.get("unknown", 0):
        campaign.reconcile()
        say(f"  reconciled  the {doubt:,} whose reply was lost, by asking for them: {_states(campaign)}")
    campaign.track(LONG_ENOUGH, progress=progress)
    campaign.refresh()  # on a slow machine the last look began when some were not final yet
    final = campaign.statuses["final"]
    done, left = int(final.sum()), int((~final).sum())
    say(f"  tracked     {done:,} of {len(final):,} reached a final status; {left:,} are still open")
    return campaign


def _states(campaign: Campaign) -> str:
    return display.counted({state: count for state, count in campaign.counts.items() if state != "skipped"})


# what it came to


def _outcome(campaign: Campaign) -> str:
    found = campaign.summary(by="country")
    return "\n".join(
        [
            _counted(found),
            "  (none): rows without a readable number; skipped: left out by the plan",
            "",
            _rated(found[found["of"] > 0]),
            "  of: delivered, failed or expired; what is still open is in no rate",
            "  estimated and charged: credits (given back for expired messages)",
            "  median: seconds at the gateway from sending until the delivery was seen",
            "",
            "  Why messages were not delivered:",
            "",
            _explained(campaign.reasons().query("outcome != 'skipped'")),
        ]
    )


def _counted(found: pd.DataFrame) -> str:
    from clicknb.frames import RESULTS

    words = [word for word in RESULTS if found[word].any()]
    return _table(
        {
            "country": found.index,
            **{word.replace("_", " "): found[word].map("{:,}".format) for word in ("rows", *words)},
        }
    )


def _rated(found: pd.DataFrame) -> str:
    interval = zip(found["rate_low"], found["rate_high"], strict=True)
    return _table(
        {
            "country": found.index,
            "delivered": found["delivered"].map("{:,}".format),
            "of": found["of"].map("{:,}".format),
            "rate": found["rate"].map("{:.1%}".format),
            "95% interval": [f"{low:.1%} to {high:.1%}" for low, high in interval],
            "parts": found["parts"].map("{:,}".format),
            "estimated": found["estimated"].map("{:,.1f}".format),
            "charged": found["charge"].map("{:,.1f}".format),
            "median": found["median_seconds"].map("{:.0f} s".format),
        }
    )


def _explained(reasons: pd.DataFrame) -> str:
    return _table(
        {
            "rows": reasons["rows"].map("{:,}".format),
            "code": reasons["code"],
            "outcome": reasons["outcome"].astype("str").str.replace("_", " "),
            "meaning": cn.masked(reasons)["meaning"],
        },
        left=("code", "outcome", "meaning"),
    )


def _table(columns: dict[str, Any], left: tuple[str, ...] = ("country",)) -> str:
    """Align columns of text under their names."""
    aligned = []
    for name, cells in columns.items():
        texts = [name, *cells]
        width = max(map(len, texts))
        aligned.append([text.ljust(width) if name in left else text.rjust(width) for text in texts])
    return "\n".join("  " + "  ".join(row).rstrip() for row in zip(*aligned, strict=True))


def _accounts(campaign: Campaign, rows: int) -> str:
    counts = campaign.counts
    total = sum(counts.values())
    added = " + ".join(f"{count:,} {state}" for state, count in counts.items())
    return f"  the ledger: {added} = {total:,}, " + ("every row" if total == rows else f"but there are {rows:,} rows")


def _judged(verdict: Verdict) -> str:
    return repr(verdict).removeprefix("<Verdict: ").removesuffix(">")


def _kept(campaign: Campaign, directory: Path) -> str:
    from clicknb.analysis.figures import png

    chart = directory / "demo.png"
    chart.write_bytes(png(campaign.plot()))
    report = campaign.report(directory / "demo.html")
    return f"  chart   {chart}\n  report  {report}"
