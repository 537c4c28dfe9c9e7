"""What a notebook works with: an account at the gateway, or a sandbox that behaves like one."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pandas as pd

from clicknb import checks, display, frames
from clicknb.campaign import plan as planning
from clicknb.campaign import record, track
from clicknb.campaign.campaign import Campaign
from clicknb.campaign.ledger import Ledger
from clicknb.campaign.plan import Options, Plan
from clicknb.campaign.service import Service
from clicknb.clock import Clock, RealClock, RunningClock, SteppedClock
from clicknb.errors import CampaignError, ClicknbError, ConfigError, InvalidInput
from clicknb.gateway import codes, credentials
from clicknb.gateway.client import Clickatell
from clicknb.gateway.transport import (
    InProcessTransport,
    RequestsTransport,
    SequentialExchange,
    ThreadedExchange,
    check_base_url,
    is_loopback,
)
from clicknb.messages.cells import require_columns
from clicknb.messages.numbers import normalise

if TYPE_CHECKING:
    from decimal import Decimal

    from clicknb.sandbox import Gateway
    from clicknb.testing import Rehearsal

LIVE_URL = "https://api.clickatell.com"
LIVE_RATE = 100.0
"""Messages a second: what Clickatell's documentation names as the usual throughput."""

CONNECTIONS = 16
MOST_CONNECTIONS = 256

SINGLE = "single messages"
"""The campaign that ``Account.send`` records its messages in."""

SAME_MESSAGE = timedelta(hours=24)
"""How long the same number, text and sender count as one message."""

Mode = Literal["each", "list"]
_MODES: tuple[Mode, ...] = ("each", "list")

_DEAREST = 999_999  # credits that the wire has digits for
_FASTEST = 1_000_000  # seconds at the gateway for each real one

_ID = "[0-9A-Fa-f]{32}"
_PREFIX = "[1-9][0-9]{0,14}"


class Account:
    """An account at the gateway; made by ``clicknb.sandbox`` or ``clicknb.connect``.

    Examples
    --------
    >>> import clicknb as cn
    >>> sms = cn.sandbox()
    >>> sms.send("447700900123", "Hello")["state"].tolist()
    ['accepted']
    """

    def __init__(self, service: Service, title: str, box: Gateway | None = None) -> None:
        self._open: Service | None = service
        self._title = title
        self._box = box

    @property
    def _service(self) -> Service:
        if self._open is None:
            message = "This account was closed. Nothing was sent. Open it again with cn.connect() or cn.sandbox()."
            raise ClicknbError(message)
        return self._open

    @_service.setter
    def _service(self, service: Service) -> None:
        self._open = service

    @property
    def gateway(self) -> Clickatell:
        """The raw commands, one method each."""
        return self._service.gateway

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
        row = {"to": [_number(to)], "text": [checks.text("text", text)]}
        limits = {"max_parts": planning.MOST_PARTS, "budget": budget, "max_credits": max_credits}
        options = _options(name=SINGLE, text="{text}", sender=sender, country=country, **limits)
        checks.flag("again", again)
        plan = planning.make(self._service, pd.DataFrame(row), "to", options, priced=False)
        problem = plan.frame["problem"].iloc[0]
        if pd.notna(problem):
            message = f"The message cannot be sent: {problem}. Nothing left this machine."
            raise InvalidInput(message)
        return plan.send_one(since=self._service.clock.now() - SAME_MESSAGE, again=again)

    def send_batch(
        self,
        frame: pd.DataFrame,
        *,
        to: str,
        text: str,
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
        text: str,
        name: str,
        country: str | None = None,
        sender: str = "",
        max_parts: int = 3,
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
        max_parts
            Longer texts are refused; at most 35.
        budget
            Credits: sending stops when the campaign has spent so many. The overspend is at most what is on its way
            plus 50 messages, each at the highest price, because the balance is asked for once every 50 messages.
        max_credits
            The most that one message may cost, in credits. The gateway ends a dearer one with status 009 and does not
            send it.
        mode
            ``"each"``: every message is a request of its own. ``"list"``: rows of exactly the same text share a
            request of up to 300. That is faster, but where a reply is lost the whole request is unknown, and
            the gateway cannot be asked about one recipient of it.

        Raises
        ------
        InvalidInput
            A column is missing, the text's braces are broken, or an option breaks a rule.
        AccountError
            The gateway refuses the account.
        """
        table, column = checks.table("frame", frame), checks.text("to", to, "Name the column with the numbers.")
        limits = {"max_parts": max_parts, "budget": budget, "max_credits": max_credits}
        options = _options(name=name, text=text, sender=sender, country=country, mode=mode, **limits)
        return planning.make(self._service, table, column, options)

    # campaigns

    def campaigns(self) -> pd.DataFrame:
        """All campaigns of the ledger, oldest first, columns as in ``clicknb.frames.CAMPAIGNS``."""
        return record.campaigns(self._service.ledger)

    def campaign(self, name: str) -> Campaign:
        """Open a campaign of the ledger, also after a crash or in another kernel.

        Raises
        ------
        CampaignError
            The ledger has no campaign of this name.
        """
        campaign_id = self._service.ledger.campaign_id(checks.line("name", name))
        if campaign_id is None:
            known = ", ".join(repr(str(known)) for known in self.campaigns()["name"]) or "none"
            message = f"The ledger has no campaign {name!r}. It has: {known}. Nothing was sent."
            raise CampaignError(message)
        return Campaign(self._service, name, campaign_id)

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
        return self._ask_statuses(ids, "querymsg")

    def cancel(self, ids: Iterable[str]) -> pd.DataFrame:
        """Stop messages that the gateway still holds; returns where each one stands, like ``statuses``."""
        return self._ask_statuses(ids, "delmsg")

    def _ask_statuses(self, ids: Iterable[str], command: str) -> pd.DataFrame:
        wanted = _ids(ids)
        rows = record.known(self._service.ledger, wanted)
        for number, answer in track.read_statuses(self._service, list(wanted), command=command):
            _describe(rows, number, answer.status, self._service.clock.now())
        return frames.build(frames.STATUSES, rows, wanted.index)

    def charges(self, ids: Iterable[str]) -> pd.DataFrame:
        """Ask what messages cost by ``apimsgid``, now; columns as in ``clicknb.frames.CHARGES``."""
        wanted = _ids(ids)
        rows = record.known(self._service.ledger, wanted)
        for number, answer in track.read_charges(self._service, list(wanted)):
            _describe(rows, number, answer.status, self._service.clock.now())
            rows.loc[number, "charge"] = float(answer.charge)
        return frames.build(frames.CHARGES, rows, wanted.index)

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
        wanted = _series(numbers, "numbers", "to")
        checks.every("numbers", wanted, _PREFIX, "1 to 15 digits with the country code first", "See cn.doctor().")
        rows: list[dict[str, Any]] = []
        for number in wanted:
            answer = self.gateway.route_coverage(number)
            charge = None if answer.charge is None else float(answer.charge)
            rows.append({"to": number, "supported": answer.supported, "charge": charge, "meaning": answer.text})
        return frames.build(frames.COVERAGE, rows, wanted.index)

    def numbers(self) -> pd.DataFrame:
        """List the sandbox's magic numbers, each of which forces an error, a status, a delay or a fault.

        Raises
        ------
        ConfigError
            This account is not a sandbox.
        """
        if self._box is None:
            message = "Magic numbers exist in a sandbox only. Nothing was sent. Try cn.sandbox().numbers()."
            raise ConfigError(message)
        return pd.DataFrame(self._box.numbers()).set_index("number").astype("str")

    # the account itself

    def close(self) -> None:
        """Close connections and the ledger. A sandbox without a path is gone then."""
        if self._open is not None:
            self._open.gateway.transport.close()
            self._open.ledger.close()
            self._open = None

    def __enter__(self) -> Account:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _facts(self) -> list[tuple[str, str]]:
        if self._open is None:
            return [("closed", "open it again with cn.connect() or cn.sandbox()")]
        ledger = self._service.ledger.path
        return [
            ("messages", "leave this machine and cost money" if self._service.live else "never leave this machine"),
            ("ledger", str(ledger) if ledger else "in memory, gone with this kernel"),
            ("campaigns", f"{len(self.campaigns()):,}"),
        ]

    def __repr__(self) -> str:
        return display.lines(self._title, self._facts())

    def _repr_html_(self) -> str:
        return display.panel(self._title, self._facts())


def _number(to: Any) -> str:
    """Check that a number is text with something in it; the doctor sees to the rest."""
    if not to.strip() if isinstance(to, str) else pd.api.types.is_scalar(to) and pd.isna(to):
        checks.refuse("The message cannot be sent: the number is empty.", "Give one, such as '447700900123'.")
    return checks.text("to", to, "Pass one number in quotation marks; for several there is sms.send_batch().")


def _options(**given: Any) -> Options:
    """Check the options of a plan and hold them together."""
    rules: dict[str, Callable[[Any], Any]] = {
        "name": lambda value: checks.line("name", value),
        "text": lambda value: checks.text("text", value),
        "sender": lambda value: checks.text("sender", value),
        "country": lambda value: checks.optional(checks.text, "country", value),
        "max_parts": lambda value: checks.whole("max_parts", value, 1, planning.MOST_PARTS),
        "budget": lambda value: checks.optional(checks.amount, "budget", value),
        "max_credits": lambda value: checks.optional(checks.amount, "max_credits", value, _DEAREST),
        "mode": lambda value: checks.choice("mode", value, _MODES),
    }
    return Options(**{name: rules[name](value) for name, value in given.items()})


def _series(given: Any, name: str, column: str) -> pd.Series[Any]:
    """Read ids or numbers however they are given: one string, a list, a Series, or a frame with the column."""
    if isinstance(given, pd.DataFrame):
        require_columns(given, [column], purpose="The question")
        given = given[column]
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        checks.refuse(f"{name} must be texts, not {checks.described(given)}.", "Pass a list or a column of them.")
    values = [given] if isinstance(given, str) else given
    series = values if isinstance(values, pd.Series) else pd.Series(list(values), dtype="object")
    if missing := int(series.isna().sum()):
        checks.refuse(f"{missing:,} of the {name} are missing.", f"Drop them: {name}.dropna().")
    return series.astype("str")


def _ids(given: Iterable[str]) -> pd.Series[Any]:
    ids = _series(given, "ids", "apimsgid")
    remedy = "They are in the column apimsgid of what was sent."
    checks.every("ids", ids, _ID, "32 hexadecimal digits", remedy)
    return ids


def _describe(rows: pd.DataFrame, number: int, code: str, now: datetime) -> None:
    """Fill in what a status says."""
    status = codes.status(code)
    rows.loc[number, ["status", "delivery", "meaning"]] = [code, status.delivery, status.meaning]
    rows.loc[number, "final"] = status.final
    rows.loc[number, "checked_at"] = now


def sandbox(
    path: str | Path | None = None, *, seed: int = 0, speed: float | None = None, credits: float | Decimal = 1000
) -> Account:
    """Open a gateway of one's own that needs no account; nothing leaves this machine.

    It behaves like the real one: sessions, prices, delivery that takes time and sometimes fails. The same seed and the
    same calls give the same ids, statuses and charges. Unless ``speed`` is given its time stands still until something
    waits, and then jumps.

    Parameters
    ----------
    path
        A directory that keeps the gateway and the ledger; without it both are gone with the kernel.
    seed
        What ids, delivery and delays are derived from.
    speed
        Seconds at the gateway for each real second.
    credits
        What the account starts with.

    Raises
    ------
    InvalidInput
        A setting is of another type or out of its range.
    ConfigError
        What is kept at the path cannot be opened.

    Examples
    --------
    >>> import clicknb as cn
    >>> cn.sandbox(credits=50).balance()
    50.0
    """
    from clicknb.sandbox import Gateway

    directory = checks.optional(checks.path, "path", path)
    seed, credits = checks.whole("seed", seed), checks.amount("credits", credits, zero=True)
    speed = None if speed is None else float(checks.amount("speed", speed, _FASTEST))
    if directory is None:
        gateway, last = Gateway(seed=seed, credits=credits), None
    else:
        gateway, last = _kept(directory, seed, credits)
    start = {} if last is None else {"start": last}
    clock: Clock = SteppedClock(**start) if speed is None else RunningClock(speed, **start)
    return in_process(
        gateway, Ledger(None if directory is None else directory / "ledger.sqlite", owner="sandbox"), clock
    )


def in_process(gateway: Gateway, ledger: Ledger, clock: Clock) -> Account:
    """Open an account at a gateway of this process."""
    transport = InProcessTransport(lambda place, body: gateway.answer(place, body, clock.now()))
    login = credentials.Credentials(user="sandbox", password=credentials.Secret("sandbox"), api_id="1")
    service = Service(
        gateway=Clickatell(transport, login, clock=clock),
        ledger=ledger,
        clock=clock,
        connect=lambda connections: SequentialExchange(transport, connections),
        rehearse=_rehearse,
        mint=seeded(gateway.seed),
        live=False,
        rate=None,
        concurrency=CONNECTIONS,
    )
    return Account(service, "Sandbox account", gateway)


def _rehearse(plan: Plan, fault: str) -> Rehearsal:
    from clicknb import testing

    return testing.rehearse(plan, fault)


def seeded(seed: int) -> Callable[[str], str]:
    """Make campaign ids from a seed and the campaign's name, so that a run against a fresh sandbox can be repeated."""
    return lambda name: hmac.new(str(seed).encode(), name.encode(), hashlib.sha256).hexdigest()[:32]


def _kept(directory: Path, seed: int, credits: float | Decimal) -> tuple[Gateway, datetime | None]:
    from clicknb.sandbox import open_gateway

    try:
        return open_gateway(directory, seed=seed, credits=credits)
    except (OSError, ValueError) as error:
        reason = str(error)
    message = f"The sandbox kept in {directory} cannot be opened: {reason}. Nothing was sent. Choose another directory."
    raise ConfigError(message)


def connect(
    *,
    user: str | None = None,
    password: str | None = None,
    api_id: str | int | None = None,
    profile: str | None = None,
    dotenv: str | Path | None = None,
    base_url: str | None = None,
    ledger: str | Path | None = None,
    rate: float | None = None,
    concurrency: int = CONNECTIONS,
    allow: str | Iterable[str] | None = None,
) -> Account:
    """Open an account at Clickatell. Credentials that are not given come from the environment.

    Each may be given here, as ``CLICKATELL_USER``, ``CLICKATELL_PASSWORD`` and ``CLICKATELL_API_ID`` in the
    environment, in the file named by ``dotenv``, or in the keyring profile named by ``profile``; the first that has it
    wins.

    Parameters
    ----------
    base_url
        The gateway's address, or ``CLICKATELL_BASE_URL``: https only, plain http to this machine alone. A gateway on
        this machine is never "live".
    ledger
        The SQLite file that records every message, or ``CLICKATELL_LEDGER``; by default one per account and gateway
        in ``~/.clicknb``. It belongs to the account that wrote it first.
    rate
        Messages a second, at most; 100 on a live account unless told otherwise.
    concurrency
        Connections, at most 256; also how many messages a crash can leave in doubt.
    allow
        The only destination addresses that may be sent to, in international form: one, or several.

    Raises
    ------
    InvalidInput
        A setting is of another type or out of its range; nothing was contacted.
    ConfigError
        Credentials are missing or incomplete, or the address is not safe; nothing was contacted.
    LedgerError
        The ledger cannot be opened, or belongs to another account.

    Examples
    --------
    >>> import clicknb as cn
    >>> sms = cn.connect(user="me", password="...", api_id="1")  # doctest: +SKIP
    """
    checks.optional(checks.text, "base_url", base_url)
    rate = None if rate is None else float(checks.amount("rate", rate))
    concurrency = checks.whole("concurrency", concurrency, 1, MOST_CONNECTIONS)
    allowed = None if allow is None else _allowed(allow)
    login = credentials.find(
        user=checks.optional(checks.secret, "user", user),
        password=checks.optional(checks.secret, "password", password),
        api_id=checks.optional(checks.secret, "api_id", str(api_id) if type(api_id) is int else api_id),
        profile=checks.optional(checks.text, "profile", profile),
        dotenv=checks.optional(checks.path, "dotenv", dotenv),
    )
    url = check_base_url(base_url or os.environ.get("CLICKATELL_BASE_URL") or LIVE_URL)
    live = not is_loopback(url)
    book = Ledger(_ledger_place(ledger, login, url), owner=f"{login.user} {login.api_id} {url}")
    transport = RequestsTransport(url)
    service = Service(
        gateway=Clickatell(transport, login),
        ledger=book,
        clock=RealClock(),
        connect=lambda connections: ThreadedExchange(lambda: RequestsTransport(url), connections),
        rehearse=_rehearse,
        mint=lambda name: secrets.token_hex(16),
        live=live,
        rate=LIVE_RATE if rate is None and live else rate,
        concurrency=concurrency,
        allow=allowed,
    )
    return Account(service, f"{'LIVE account' if live else 'Test account'} of {login.user} at {url}")


def _allowed(allow: str | Iterable[str]) -> frozenset[str]:
    """Read the numbers of an allow list, however they are written."""
    written = _series(allow, "numbers in allow", "to")
    read = written.map(normalise)
    if refused := [verdict.problem for verdict in read if verdict.problem]:
        checks.refuse(
            f"{len(refused):,} of the {len(read):,} numbers in allow cannot be read; the first: {refused[0]}.",
            "Write them in international form, such as '+44 7700 900123'.",
        )
    return frozenset(str(verdict.to) for verdict in read)


def _ledger_place(ledger: str | Path | None, login: credentials.Credentials, url: str) -> Path:
    """Choose the file of the ledger: as given, as in the environment, or one for this account at this gateway."""
    if ledger is None:
        ledger = os.environ.get("CLICKATELL_LEDGER") or None
    if ledger is None:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{login.user}-{login.api_id}-{urlsplit(url).netloc}")
        return Path.home() / ".clicknb" / f"{name}.sqlite"
    if str(ledger) == ":memory:":
        checks.refuse(
            "An account at a gateway needs a ledger that outlives this kernel, not ':memory:'.", "Name a file."
        )
    return checks.path("ledger", ledger)
