"""How an account is opened: the sandbox of one's own, or the real gateway with credentials."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clicknb import checks
from clicknb.account import Account
from clicknb.campaign.context import Context
from clicknb.campaign.questions import listed
from clicknb.clock import START, Clock, RealClock, RunningClock, SteppedClock
from clicknb.errors import ConfigError, InvalidInput
from clicknb.gateway import credentials
from clicknb.gateway.address import check_base_url, is_loopback
from clicknb.gateway.connections import Connections, needs_proxy
from clicknb.gateway.http.client import Clickatell
from clicknb.gateway.limits import USUAL_RATE
from clicknb.gateway.transport import (
    Exchange,
    InProcessTransport,
    RequestsTransport,
    SequentialExchange,
    ThreadedExchange,
)
from clicknb.ledger.ledger import Ledger
from clicknb.recipients.numbers import typed

if TYPE_CHECKING:
    from decimal import Decimal

    from clicknb.simulator import Fault, Gateway

LIVE_URL = "https://api.clickatell.com"
CONNECTIONS = 64
"""Connections, at most: at a limited rate only as many are opened as the gateway's latency calls for."""

MOST_CONNECTIONS = 256
IN_PROCESS = 16
"""Messages that a gateway in this process takes between two commits."""

_FASTEST = 1_000_000  # seconds at the gateway for each real one


def sandbox(
    path: str | Path | None = None,
    *,
    seed: int = 0,
    speed: float | None = None,
    credits: float | Decimal = 1000,
    faults: str | Mapping[str, float] | None = None,
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
    faults
        What goes wrong, and for which share of the requests that send: ``{"lost replies": 0.01, "throttling": 0.1}``.
        A name alone hits a fifth of them. Names are those of ``clicknb.testing.FAULTS`` and of the last magic numbers
        in ``sms.numbers()``; which requests are hit depends on the seed.

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
    from clicknb.simulator import Gateway

    directory, chosen = checks.optional(checks.path, "path", path), checked_faults(faults)
    seed, credits = checks.whole("seed", seed), checks.amount("credits", credits, zero=True)
    speed = None if speed is None else float(checks.amount("speed", speed, _FASTEST))
    if directory is None:
        gateway, last = Gateway(seed=seed, credits=credits, faults=chosen), None
    else:
        gateway, last = _kept(directory, seed, credits, chosen)
    start = last or START
    clock: Clock = SteppedClock(start) if speed is None else RunningClock(speed, start)
    place = None if directory is None else directory / "ledger.sqlite"
    return in_process(gateway, Ledger(place, owner="sandbox"), clock)


def in_process(gateway: Gateway, ledger: Ledger, clock: Clock) -> Account:
    """Open an account at a gateway of this process."""
    transport = InProcessTransport(lambda place, body: gateway.answer(place, body, clock.now()))
    login = credentials.Credentials(user="sandbox", password=credentials.Secret("sandbox"), api_id="1")
    context = Context(
        gateway=Clickatell(transport, login, clock=clock),
        ledger=ledger,
        clock=clock,
        connect=lambda connections: SequentialExchange(transport, connections),
        sandbox=_with_fault,
        mint=seeded(gateway.seed),
        live=False,
        rate=None,
        concurrency=IN_PROCESS,
        simulator=gateway,
    )
    return Account(context)


@contextmanager
def _with_fault(fault: str) -> Iterator[Context]:
    from clicknb.simulator.faults import IN_WORDS

    if fault not in IN_WORDS:
        checks.refuse(f"There is no rehearsal with {fault!r}; there is {', '.join(IN_WORDS)}.")
    with sandbox(credits=1_000_000, faults=fault) as sms:
        yield sms.context


def seeded(seed: int) -> Callable[[str, str], str]:
    """Make campaign ids from a seed and the campaign's name, so that a run against a fresh sandbox can be repeated."""
    return lambda name, _: hmac.new(str(seed).encode(), name.encode(), hashlib.sha256).hexdigest()[:32]


def checked_faults(given: str | Mapping[str, float] | None) -> tuple[Fault, ...]:
    """Read faults by name, each with the share of requests that it hits; ``InvalidInput`` says what is wrong."""
    from clicknb.simulator import read_faults

    if given is None:
        return ()
    reason = f"they must be names with shares, not {checks.described(given)}"
    if isinstance(given, str | Mapping):
        try:
            return read_faults(given)
        except ValueError as error:
            reason = str(error)
    remedy = 'Pass names and shares, such as faults={"lost replies": 0.01}.'
    message = f"These faults cannot be had: {reason}. Nothing was sent. {remedy}"
    raise InvalidInput(message)


def _kept(
    directory: Path, seed: int, credits: float | Decimal, faults: tuple[Fault, ...]
) -> tuple[Gateway, datetime | None]:
    from clicknb.simulator import open_gateway

    try:
        return open_gateway(directory, seed=seed, credits=credits, faults=faults)
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
        Connections, at most 256; also how many requests a crash can leave in doubt: of one message each, or of up to
        300 with ``mode="list"``.
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
    context = Context(
        gateway=Clickatell(transport, login),
        ledger=book,
        clock=RealClock(),
        connect=lambda connections: _exchange(url, connections),
        sandbox=_with_fault,
        mint=book.origin.mint,
        live=live,
        rate=USUAL_RATE if rate is None and live else rate,
        concurrency=concurrency,
        allow=allowed,
    )
    return Account(context)


def _exchange(url: str, connections: int) -> Exchange:
    if needs_proxy(url):
        return ThreadedExchange(lambda: RequestsTransport(url), connections)
    return Connections(url, connections)


def _allowed(allow: str | Iterable[str]) -> frozenset[str]:
    """Read the numbers of an allow list, however they are written."""
    written = listed(allow, "numbers in allow", "to")
    read = written.map(typed)
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
