"""What a notebook works with: an account at the gateway, or a sandbox that behaves like one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from clicknb import checks, display
from clicknb.campaign import planning, questions, single
from clicknb.campaign.campaign import Campaign
from clicknb.campaign.context import Context
from clicknb.campaign.options import Mode, Options
from clicknb.campaign.plan import Plan
from clicknb.clock import RealClock
from clicknb.errors import CampaignError, ClicknbError, ConfigError
from clicknb.gateway.http.client import Clickatell
from clicknb.gateway.transport import InProcessTransport
from clicknb.ledger import maintenance, suppression, views
from clicknb.recipients import suppression_list

if TYPE_CHECKING:
    from clicknb.hours.decide import Hours

_COPY = "yes: before it sends, the gateway is asked what has left after it was made"


class Account:
    """An account at the gateway; made by ``clicknb.sandbox`` or ``clicknb.connect``.

    Examples
    --------
    >>> import clicknb as cn
    >>> sms = cn.sandbox()
    >>> sms.send("447700900123", "Hello")["state"].tolist()
    ['accepted']
    """

    def __init__(self, context: Context) -> None:
        self._open: Context | None = context
        self._title = _title(context)

    @property
    def context(self) -> Context:
        """What it works with: gateway, ledger, clock and limits; ``clicknb.testing`` has handles on it."""
        if self._open is None:
            message = "This account was closed. Nothing was sent. Open it again with cn.connect() or cn.sandbox()."
            raise ClicknbError(message)
        return self._open

    @property
    def title(self) -> str:
        """Which account this is, in words, such as ``"LIVE account of me at https://api.clickatell.com"``."""
        return self._title

    @property
    def live(self) -> bool:
        """Whether messages leave this machine and cost money; a gateway on this machine is never live."""
        return self.context.live

    @property
    def gateway(self) -> Clickatell:
        """The raw commands, one method each."""
        return self.context.gateway

    @property
    def ledger_path(self) -> Path | None:
        """The file of the ledger; None for one in memory."""
        return self.context.ledger.path

    def now(self) -> datetime:
        """Tell the time by this account's clock, in UTC; a sandbox has a clock of its own."""
        return self.context.clock.now()

    def wait(self, duration: float | str | timedelta) -> datetime:
        """Let time pass at a sandbox: at once, unless it was opened with ``speed``; returns what its clock says then.

        Parameters
        ----------
        duration
            Seconds, or a text such as ``"30min"`` or ``"1 day"``.

        Raises
        ------
        InvalidInput
            It is no duration of up to a year.
        ConfigError
            This account keeps real time.

        Examples
        --------
        >>> import clicknb as cn
        >>> cn.sandbox().wait("1 day").isoformat()
        '2026-03-04T10:00:00+00:00'
        """
        length, clock = checks.seconds(duration), self.context.clock
        if isinstance(clock, RealClock):
            message = (
                "This account keeps real time, which nobody can move on. Nothing was sent. Let it pass with "
                "time.sleep(), or look at later times in a sandbox: cn.sandbox().wait()."
            )
            raise ConfigError(message)
        clock.sleep(length)
        return clock.now()

    # sending

    def send(
        self,
        to: str,
        text: str,
        *,
        sender: str = "",
        country: str | None = None,
        again: bool = False,
        budget: float | None = None,
        max_credits: float | None = None,
    ) -> pd.DataFrame:
        """Send one message, recorded in the ledger like any other.

        The same number, text and sender within 24 hours is the same message: its recorded row is returned with a
        warning and nothing is sent, so a cell may run twice.

        Parameters
        ----------
        to
            Destination address, in international form, or in national form together with ``country``.
        text
            What to say; its encoding and parts are chosen by what it contains.
        sender
            Sender ID: at most 16 digits or 11 letters and digits.
        country
            Two letters, such as ``"GB"``: how to read a national number.
        again
            Send even if the same message was sent before.
        budget
            Credits that single messages may cost, see ``plan``.
        max_credits
            The most that this message may cost, see ``plan``.

        Returns
        -------
        pandas.DataFrame
            One row, columns as in ``clicknb.frames.SENDS``.

        Raises
        ------
        InvalidInput
            The number or the text cannot be sent; nothing left.
        CampaignStopped
            The gateway refused the account or could not be reached; the message is planned, so call this again.
        """
        options = Options.checked(
            name=single.NAME, to="to", sender=sender, country=country, budget=budget, max_credits=max_credits
        )
        return single.send(self.context, to, checks.text("text", text), options, again=checks.flag("again", again))

    def send_batch(
        self,
        frame: pd.DataFrame,
        *,
        to: str,
        text: str | None = None,
        name: str,
        confirm: str | None = None,
        progress: bool = True,
        **options: Any,
    ) -> pd.DataFrame:
        """Plan and send a campaign in one call.

        Parameters
        ----------
        frame, to, text, name
            As in ``plan``.
        confirm
            The plan's token; needed on a live account.
        progress
            Whether to show a progress bar.
        **options
            Those of ``plan``.

        Returns
        -------
        pandas.DataFrame
            One row per row of ``frame``, in its order and with its index, columns as in ``clicknb.frames.SENDS``.
        """
        plan = self.plan(frame, to=to, text=text, name=name, **options)
        plan.send(confirm, progress=progress)
        return plan.sends()

    def plan(
        self,
        frame: pd.DataFrame,
        *,
        to: str,
        text: str | None = None,
        name: str,
        country: str | None = None,
        sender: str = "",
        variants: Mapping[str, str] | None = None,
        seed: int = 0,
        substitute: bool = False,
        refuse: Iterable[str] = (),
        hours: str | Hours | None = None,
        outside: Literal["refuse", "schedule", "wait"] = "refuse",
        zone: str | None = None,
        max_parts: int = 3,
        prices: Mapping[str, float] | None = None,
        budget: float | None = None,
        max_credits: float | None = None,
        mode: Mode = "each",
    ) -> Plan:
        """Work out what a campaign would send and cost. Nothing leaves but questions about prices and the balance.

        Parameters
        ----------
        frame
            One row per recipient, for example from ``clicknb.read_recipients``; any index.
        to
            The column with the destination address.
        text
            What to say, with columns in braces: ``"Hi {first_name}, see you on {when:%d %b}"``.
        name
            The campaign's name, unique in its ledger. Running the same name again never sends a row twice.
        country
            Two letters, such as ``"GB"``: how to read national numbers.
        sender
            Sender ID: at most 16 digits or 11 letters and digits.
        variants
            Instead of ``text``: names and texts of two or more variants. Each recipient gets one at random, in equal
            numbers, and keeps it, as recorded in the ledger.
        seed
            Decides who gets which variant.
        substitute
            Whether characters that force Unicode are replaced by plain ones where nothing is lost, such as a curly
            apostrophe by a straight one; ``plan.substitutions`` shows every change, ``plan.autopsy()`` what it saves.
        refuse
            Kinds of repair that shall be refused instead, see ``clicknb.doctor``.
        hours
            When people may be written to, by the clock where they are: a preset (``"ZA"``, ``"US"``, ``"UK"``,
            ``"EU"``), ``"auto"`` for that of each country, or an ``Hours`` of your own. It is looked at when the plan
            is made and again when each message leaves.
        outside
            What becomes of a message outside these hours. ``"refuse"``: it is left out. ``"schedule"``: the gateway
            holds it until they begin, at most seven days. ``"wait"``: this program sends it when they begin.
        zone
            The column with the time zones of recipients who are known to be elsewhere than their numbers tell, such
            as ``Africa/Johannesburg``.
        max_parts
            Longer texts are refused; at most 35.
        prices
            What a part costs you in credits, by country (``"GB"``) or number prefix (``"4477"``), for the upper end
            of the cost. Without it that end is known only for countries that the ledger has charges of.
        budget
            Credits: sending stops when the campaign has spent so many. The overspend is at most what is on its way
            plus 50 messages, each at the highest price, because the balance is asked for once every 50 messages.
        max_credits
            The most that one message may cost, in credits. The gateway ends a dearer one with status 009 and does not
            send it.
        mode
            ``"each"``: every message is a request of its own. ``"list"``: rows of exactly the same text share a
            request of up to 300. That is faster, but where a reply is lost or the program killed, the whole request is
            unknown, and the gateway cannot be asked about one recipient of it.

        Raises
        ------
        InvalidInput
            A column is missing, the text's braces are broken, or an option breaks a rule.
        AccountError
            The gateway refuses the account.

        Examples
        --------
        >>> import clicknb as cn
        >>> people = pd.DataFrame({"mobile": [f"4477009001{n:02d}" for n in range(10)]})
        >>> texts = {"A": "Book now", "B": "Your place is waiting"}
        >>> plan = cn.sandbox().plan(people, to="mobile", variants=texts, seed=1, name="spring")
        >>> plan.frame["variant"].value_counts().to_dict()
        {'A': 5, 'B': 5}
        """
        table, column = checks.table("frame", frame), checks.text("to", to, "Name the column with the numbers.")
        options = Options.checked(
            name=name,
            to=column,
            text=text,
            country=country,
            sender=sender,
            variants=variants,
            seed=seed,
            substitute=substitute,
            refuse=refuse,
            hours=hours,
            outside=outside,
            zone=zone,
            max_parts=max_parts,
            prices=prices,
            budget=budget,
            max_credits=max_credits,
            mode=mode,
        )
        return Plan(self.context, table, options, planning.work_out(self.context, table, options))

    # campaigns

    def campaigns(self) -> pd.DataFrame:
        """All campaigns of the ledger, oldest first, columns as in ``clicknb.frames.CAMPAIGNS``."""
        return views.campaigns(self.context.ledger)

    def campaign(self, name: str) -> Campaign:
        """Open a campaign of the ledger, also after a crash or in another kernel.

        Raises
        ------
        CampaignError
            The ledger has no campaign of this name.
        """
        campaign_id = self.context.ledger.campaign_id(checks.line("name", name))
        if campaign_id is None:
            known = ", ".join(repr(str(known)) for known in self.campaigns()["name"]) or "none"
            message = f"The ledger has no campaign {name!r}. It has: {known}. Nothing was sent."
            raise CampaignError(message)
        return Campaign(self.context, name, campaign_id)

    # whom nobody may write to

    @property
    def suppressed(self) -> pd.DataFrame:
        """Who must not be written to, columns as in ``clicknb.frames.SUPPRESSED``; ``clicknb.export`` writes it."""
        return suppression.frame(self.context.ledger)

    def suppress(
        self,
        numbers: str | Iterable[str] | pd.DataFrame,
        *,
        sender: str = "",
        source: str = "",
        country: str | None = None,
    ) -> int:
        """Never write to these numbers again: plans leave them out, and so does a campaign that is being sent.

        Parameters
        ----------
        numbers
            One, several, or a frame with a column ``to``; where it has ``scope``, ``source`` or ``since``, as what
            ``suppressed`` shows has, these count instead of the arguments.
        sender
            The only sender ID that this holds for; all if empty.
        source
            Where this comes from, such as ``"replied STOP"``: kept, because one may have to show it.
        country
            How to read national numbers.

        Returns
        -------
        int
            How many numbers were not suppressed before.

        Raises
        ------
        InvalidInput
            Some are no numbers; nothing was recorded.

        Examples
        --------
        >>> import clicknb as cn
        >>> sms = cn.sandbox()
        >>> sms.suppress("447700900123", source="replied STOP")
        1
        >>> sms.suppressed[["to", "source"]].values.tolist()
        [['447700900123', 'replied STOP']]
        """
        given = {"sender": checks.text("sender", sender), "source": checks.text("source", source)}
        entries = suppression_list.entries(numbers, self.now(), country=country, **given)
        return suppression.add(self.context.ledger, entries)

    def unsuppress(
        self, numbers: str | Iterable[str] | pd.DataFrame, *, sender: str = "", source: str, country: str | None = None
    ) -> int:
        """Let these numbers be written to again, as they have asked; the record of the suppression stays.

        Takes and raises the same as ``suppress``; returns how many numbers were suppressed.
        """
        given = {"sender": checks.text("sender", sender), "source": checks.text("source", source)}
        entries = suppression_list.entries(numbers, self.now(), country=country, **given)
        return suppression.add(self.context.ledger, entries, lifted=True)

    # the ledger

    def backup(self, path: str | Path) -> Path:
        """Copy the ledger to a new file, also while messages are sent; returns its path.

        A copy that is put in the ledger's place does not know what left after it was made. So before it sends anything,
        the gateway is asked, a question for each row; it remembers for six days. Suppressions that came later have to
        be entered again.
        """
        return maintenance.backup(self.context.ledger, Path(path).expanduser())

    def export(self, directory: str | Path) -> list[Path]:
        """Write everything that the ledger says as CSV files that spreadsheets cannot misread; returns their paths."""
        return maintenance.export_csv(self.context.ledger, Path(directory).expanduser())

    def purge(
        self,
        campaign: str | None = None,
        *,
        before: datetime | None = None,
        whole: bool = False,
        force: bool = False,
    ) -> int:
        """Forget who was written to and what: of one campaign, or of those started before a time.

        Counts, states and charges stay, unless ``whole`` removes the campaigns altogether; see
        ``clicknb.ledger.maintenance.purge``.
        """
        now = self.now()
        return maintenance.purge(self.context.ledger, now, before=before, campaign=campaign, whole=whole, force=force)

    # asking the gateway

    def balance(self) -> float:
        """Credits left on the account."""
        return float(self.gateway.getbalance())

    def redeem(self, token: str) -> float:
        """Redeem a voucher of 16 digits and return the new balance in credits. A voucher works once.

        Raises
        ------
        InvalidInput
            It is not 16 digits as text.
        AccountError, GatewayError
            The gateway does not take it.
        """
        self.gateway.token_pay(token)
        return self.balance()

    def statuses(self, ids: Iterable[str]) -> pd.DataFrame:
        """Ask for the status of messages by ``apimsgid``, now.

        Returns
        -------
        pandas.DataFrame
            One row per id with the index of ``ids`` if it has one, columns as in ``clicknb.frames.STATUSES``. What was
            sent is taken from the ledger where it knows the id; an id that got no answer has no status.

        Raises
        ------
        InvalidInput
            Some are missing or no ids of 32 hexadecimal digits; nothing was asked.
        """
        return questions.statuses(self.context, ids, "querymsg")

    def cancel(self, ids: Iterable[str]) -> pd.DataFrame:
        """Stop messages that the gateway still holds; returns where each one stands, like ``statuses``."""
        return questions.statuses(self.context, ids, "delmsg")

    def charges(self, ids: Iterable[str]) -> pd.DataFrame:
        """Ask what messages cost by ``apimsgid``, now; columns as in ``clicknb.frames.CHARGES``."""
        return questions.charges(self.context, ids)

    def coverage(self, numbers: Iterable[str]) -> pd.DataFrame:
        """Ask whether numbers or prefixes are served, and from what price in credits a part.

        Returns
        -------
        pandas.DataFrame
            One row per number, columns as in ``clicknb.frames.COVERAGE``.

        Raises
        ------
        InvalidInput
            Some are missing or not 1 to 15 digits with the country code first; nothing was asked.
        """
        return questions.coverage(self.context, numbers)

    def numbers(self) -> pd.DataFrame:
        """List the sandbox's magic numbers, each of which forces an error, a status, a delay or a fault.

        Raises
        ------
        ConfigError
            This account is not a sandbox.
        """
        simulator = self.context.simulator
        if simulator is None:
            message = "Magic numbers exist in a sandbox only. Nothing was sent. Try cn.sandbox().numbers()."
            raise ConfigError(message)
        return pd.DataFrame(simulator.numbers()).set_index("number").astype("str")

    # the account itself

    def close(self) -> None:
        """Close connections and the ledger. A sandbox without a path is gone then."""
        if self._open is not None:
            self._open.gateway.transport.close()
            self._open.ledger.close()
            self._open = None

    def __enter__(self) -> Account:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _facts(self) -> list[tuple[str, str]]:
        if self._open is None:
            return [("closed", "open it again with cn.connect() or cn.sandbox()")]
        ledger = self.ledger_path
        return [
            ("messages", "leave this machine and cost money" if self.context.live else "never leave this machine"),
            ("ledger", str(ledger) if ledger else "in memory, gone with this kernel"),
            *([("copy", _COPY)] if self.context.ledger.origin.copied else []),
            ("campaigns", f"{len(self.campaigns()):,}"),
        ]

    def __repr__(self) -> str:
        return display.lines(self._title, self._facts())

    def _repr_html_(self) -> str:
        return display.panel(self._title, self._facts())


def _title(context: Context) -> str:
    if isinstance(context.gateway.transport, InProcessTransport) and not context.live:
        return "Sandbox account"
    kind = "LIVE account" if context.live else "Test account"
    return f"{kind} of {context.gateway.user} at {context.gateway.transport}"
