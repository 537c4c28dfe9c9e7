"""The gateway's rules: one object that answers requests, and does no I/O."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Lock
from uuid import uuid4

from clicknb.simulator import fates, faults, replies
from clicknb.simulator.faults import FaultPlan, Faults
from clicknb.simulator.journal import Journal, Memory, Request
from clicknb.simulator.message import Message
from clicknb.simulator.parameters import Content, Options, Parameters, is_address, read, recipients
from clicknb.simulator.prices import PRICES, price_of
from clicknb.simulator.purse import Purse
from clicknb.simulator.replies import Dialect, Refusal, Response, refuse
from clicknb.simulator.sessions import CREDENTIALS, Door

_PATH = re.compile(r"/(http|http_batch|utils|mms)(?:/(.*))?", re.DOTALL)
_FAMILIES = {
    "http": ("auth", "ping", "sendmsg", "querymsg", "delmsg", "getbalance", "getmsgcharge", "token_pay"),
    "http_batch": ("startbatch", "senditem", "quicksend", "endbatch"),
    "utils": ("routecoverage",),
    "mms": (),
}
_CHANGING = faults.SENDS | {"delmsg", "token_pay", "startbatch", "endbatch"}
_AT_GATEWAY = frozenset({"002", "008", "011"})
_QUERY_HISTORY = timedelta(days=6)
_CHARGE_HISTORY = timedelta(days=15)
_BATCH_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Batch:
    """A template, and the options that all its messages share."""

    template: Parameters
    options: Options
    ends_at: datetime


class Gateway:
    """A Clickatell gateway of one's own.

    It answers the 13 commands of the HTTP API, takes credits, and knows what becomes of each message. The same calls
    give the same ids, statuses and charges, in any order and over any number of connections. It may be used by
    several threads at once. What it has accepted is on record in :attr:`messages`, for whoever wants to check.

    Parameters
    ----------
    seed
        Decides ids, statuses and delays.
    credits
        What the account holds at the start.
    user, password, api_id
        Who may call.
    dialect
        How ``getmsgcharge`` answers: ``"classic"`` as the real gateway, ``"overview"`` as its 2013 documentation.
    faults
        What goes wrong, and for which share of the requests, see :func:`read_faults`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> gateway = Gateway(seed=1)
    >>> who = b"user=sandbox&password=sandbox&api_id=1"
    >>> gateway.handle("/http/getbalance", datetime(2026, 3, 3, 10, tzinfo=UTC), body=who).body
    b'Credit: 1000.000'
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        credits: Decimal | float = 1000,
        user: str = "sandbox",
        password: str = "sandbox",  # noqa: S107 - documented, and opens nothing but this object
        api_id: str = "1",
        dialect: Dialect = "classic",
        faults: Faults = (),
    ) -> None:
        self.seed = seed
        self._dialect: Dialect = dialect
        self._door = Door(seed, user, password, api_id)
        self._purse = Purse(Decimal(str(credits)), seed)
        self._plan = FaultPlan(seed, faults)
        self._messages: list[Message] = []
        self._by_id: dict[str, Message] = {}
        self._by_climsgid: dict[str, Message] = {}
        self._batches: dict[str, Batch] = {}
        self._seen: Counter[bytes] = Counter()
        self._journal: Journal = Memory()
        self._changes = (f"{uuid4().hex}-{number}" for number in itertools.count())
        self._last_change: datetime | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<Gateway: {len(self._messages):,} messages accepted, {self.balance:.3f} credits left>"

    @property
    def messages(self) -> list[Message]:
        """What was accepted, in that order."""
        return list(self._messages)

    @property
    def balance(self) -> Decimal:
        """Credits, as of the last request."""
        return self._purse.balance

    @property
    def vouchers(self) -> dict[str, Decimal]:
        """Tokens that ``token_pay`` still takes, and their credits."""
        return dict(self._purse.vouchers)

    @staticmethod
    def status_of(message: Message, now: datetime) -> str:
        """Tell a message's status at some time, three digits."""
        return message.status(now)

    @staticmethod
    def numbers() -> list[dict[str, str]]:
        """List the numbers that force something: ``number``, what it ``forces`` and what then ``happens``."""
        return fates.forcing_numbers() + faults.forcing_numbers()

    @staticmethod
    def prices() -> dict[str, Decimal]:
        """List the credits for each part by calling code."""
        return dict(PRICES)

    def handle(
        self,
        path: str,
        now: datetime,
        *,
        method: str = "POST",
        query: bytes = b"",
        body: bytes = b"",
        content_type: str = "application/x-www-form-urlencoded",
    ) -> Response:
        """Answer one HTTP request, and tell what is to go wrong with the connection.

        Parameters
        ----------
        path
            Such as ``/http/sendmsg`` or ``/http/sendmsg.php``.
        now
            The gateway's time, with its zone.
        method, query, body, content_type
            As they came over the wire.
        """
        command = _command(path)
        if command is None:
            return replies.page(404, "Not Found")
        if method not in {"GET", "POST"}:
            return replies.page(405, "Method Not Allowed", Allow="GET, POST")
        parameters = read(method, query, body, content_type)
        with self._lock:
            try:
                if command == "auth":
                    return replies.text(f"OK: {self._door.open_session(parameters, now)}")
                self._door.check(command, parameters, now)
                if not command:
                    refuse("101")
            except Refusal as refusal:
                return replies.text(replies.error(refusal.code, now))
            asked = {name: value for name, value in parameters.items() if name not in CREDENTIALS}
            return self._respond(command, asked, method, now)

    def answer(self, path: str, body: bytes, now: datetime) -> tuple[int, Mapping[str, str], bytes]:
        """Answer a form post in-process, where a broken connection is an exception.

        Returns
        -------
        tuple
            HTTP status, headers and body.

        Raises
        ------
        ConnectionRefusedError
            Nothing arrived at the gateway.
        ConnectionResetError
            The connection broke; the request may have been handled.
        """
        response = self.handle(path, now, body=body)
        if response.fault == "refused":
            message = "the sandbox refused the connection"
            raise ConnectionRefusedError(message)
        if response.fault in {"reset", "lost"}:
            message = "the sandbox broke the connection"
            raise ConnectionResetError(message)
        return response.status, response.headers, response.body

    def keep(self, journal: Journal) -> datetime | None:
        """Keep all changes in a journal from now on, having made those that it holds.

        Returns
        -------
        datetime or None
            When the last of them was made.
        """
        with self._lock:
            self._journal = journal
            self._catch_up()
            return self._last_change

    def _respond(self, command: str, parameters: Parameters, method: str, now: datetime) -> Response:
        """Make a change only when it is on record; look something up in what the record says by now."""
        fault = self._plan.choose(command, parameters)
        if command not in _CHANGING:
            self._catch_up()
            return self._perform(Request(command, parameters, method, now, fault))
        change = next(self._changes)
        self._journal.append(Request(command, parameters, method, now, fault, change))
        return self._catch_up()[change]

    def _catch_up(self) -> dict[str, Response]:
        """Make the changes that are on record and not made yet: one's own and other processes', in one order."""
        made = {}
        for request in self._journal.unread():
            made[request.change] = self._perform(request)
            self._last_change = max(request.at, self._last_change or request.at)
        return made

    def _perform(self, request: Request) -> Response:
        self._purse.settle(request.at)
        self._plan.count(request.command, request.parameters)
        response = faults.instead(request.fault, request.at)
        if response is not None:
            return response
        perform = getattr(self, f"_{request.command}")
        try:
            body = perform(request.parameters, request.method, request.at)
        except Refusal as refusal:
            body = replies.error(refusal.code, request.at)
        return faults.afterwards(request.fault, replies.text(body), request.at)

    # One method for each command: parameters, HTTP method and time in, body out.

    def _ping(self, _parameters: Parameters, _method: str, _now: datetime) -> str:
        return "OK: "

    def _sendmsg(self, parameters: Parameters, method: str, now: datetime) -> str:
        numbers = recipients(parameters, method)
        options = Options.read(parameters, now)
        return self._send(numbers, Content.read(parameters), options, now)

    def _querymsg(self, parameters: Parameters, _method: str, now: datetime) -> str:
        message = self._find(parameters, now, _QUERY_HISTORY)
        if message is None:
            return f"ID: {parameters['apimsgid']} Status: 001"
        return f"ID: {parameters.get('apimsgid', message.apimsgid)} Status: {message.status(now)}"

    def _delmsg(self, parameters: Parameters, method: str, now: datetime) -> str:
        message = self._find(parameters, now, _QUERY_HISTORY)
        if message is not None and message.status(now) in _AT_GATEWAY:
            self._purse.cancel(message, now)
        return self._querymsg(parameters, method, now)

    def _getbalance(self, _parameters: Parameters, _method: str, _now: datetime) -> str:
        return f"Credit: {self.balance:.3f}"

    def _getmsgcharge(self, parameters: Parameters, _method: str, now: datetime) -> str:
        message = self._find(parameters, now, _CHARGE_HISTORY)
        if message is None:
            return replies.charge(self._dialect, parameters["apimsgid"], Decimal(0), "001")
        return replies.charge(self._dialect, message.apimsgid, message.charged(now), message.status(now))

    def _token_pay(self, parameters: Parameters, _method: str, _now: datetime) -> str:
        self._purse.redeem(parameters.get("token", ""))
        return "OK: 605"

    def _routecoverage(self, parameters: Parameters, _method: str, _now: datetime) -> str:
        number = parameters.get("msisdn", "")
        if not re.fullmatch(r"\d{1,15}", number, re.ASCII):
            refuse("101")
        price = price_of(number)
        if price is None:
            return (
                "ERR: This prefix is not currently supported. Messages sent to this prefix will fail."
                " Please contact support for assistance.\n"
            )
        return (
            "OK: This prefix is currently supported. Messages sent to this prefix will be routed."
            f" Charge: {replies.decimal(price)}\n"
        )

    def _startbatch(self, parameters: Parameters, _method: str, now: datetime) -> str:
        if not parameters.get("template"):
            refuse("202")
        template = {name: value for name, value in parameters.items() if name != "template"}
        template["text"] = parameters["template"]
        options = Options.read(template, now)
        batch_id = self._mint("batch", *sorted(f"{name}={value}" for name, value in parameters.items()))[:16].hex()
        self._batches[batch_id] = Batch(template, options, now + _BATCH_LIFE)
        return f"ID: {batch_id}"

    def _senditem(self, parameters: Parameters, method: str, now: datetime) -> str:
        batch = self._batch(parameters, now)
        numbers = recipients(parameters, method)
        template = batch.template["text"]
        if batch.template.get("unicode") != "1":  # the documentation rules placeholders out there
            template = re.sub(r"#(field\d+)#", lambda found: parameters.get(found.group(1), ""), template)
        return self._send(numbers, Content.read({**batch.template, "text": template}), batch.options, now)

    _quicksend = _senditem

    def _endbatch(self, parameters: Parameters, _method: str, now: datetime) -> str:
        self._batch(parameters, now)
        del self._batches[parameters["batch_id"].lower()]
        return "OK"

    # What the commands have in common.

    def _send(self, numbers: list[str], content: Content, options: Options, now: datetime) -> str:
        if content.parts > options.concat:
            refuse("113")
        lines = []
        for number in numbers:
            try:
                line = f"ID: {self._accept(number, content, options, now).apimsgid}"
            except Refusal as refusal:
                line = replies.error(refusal.code, now)
            lines.append(line if len(numbers) == 1 else f"{line} To: {number}")
        return "\n".join(lines)

    def _accept(self, number: str, content: Content, options: Options, now: datetime) -> Message:
        """Take one message to one number, or refuse it."""
        if not is_address(number):
            refuse("105")
        if forced := fates.forced_error(number):
            refuse(forced)
        price = price_of(number)
        if price is None:
            refuse("114")
        charge = content.parts * price
        if charge > self.balance:
            refuse("301")
        drawn = self._mint("message", options.climsgid or content.text, number)
        dear = options.max_credits is not None and charge > options.max_credits
        message = Message(
            apimsgid=drawn[:16].hex(),
            climsgid=options.climsgid,
            to=number,
            sender=options.sender,
            text=content.text,
            encoding=content.encoding,
            parts=content.parts,
            price=price,
            accepted_at=now,
            due_at=options.due(now),
            options=options.given,
            fate=fates.TOO_DEAR if dear else fates.fate_of(number, drawn[16:]),
        )
        self._purse.pay(message)
        self._messages.append(message)
        self._by_id[message.apimsgid] = message
        self._by_climsgid.setdefault(message.climsgid, message)
        return message

    def _mint(self, *key: str) -> bytes:
        """Draw bytes for something new: its key, and how many there were with the same key before."""
        first = fates.digest(self.seed, *key)
        self._seen[first] += 1
        return fates.digest(self.seed, first.hex(), self._seen[first])

    def _find(self, parameters: Parameters, now: datetime, history: timedelta) -> Message | None:
        """Find the message that is meant; ``None`` for an ``apimsgid`` that is not on record (any more)."""
        apimsgid, climsgid = parameters.get("apimsgid", ""), parameters.get("climsgid", "")
        if not apimsgid and not climsgid:
            refuse("109")
        message = self._by_id.get(apimsgid.lower()) if apimsgid else self._by_climsgid.get(climsgid)
        if message is not None and now - message.due_at <= history:
            return message
        if not apimsgid:
            refuse("104")
        if not re.fullmatch(r"[0-9A-Fa-f]{32}", apimsgid):
            refuse("103")
        return None

    def _batch(self, parameters: Parameters, now: datetime) -> Batch:
        batch = self._batches.get(parameters.get("batch_id", "").lower())
        if batch is None or now > batch.ends_at:
            refuse("201")
        return batch


def _command(path: str) -> str | None:
    """Name the command that a path asks for; empty for one that is not known here, ``None`` for another interface."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    family, command = found[1], (found[2] or "").removesuffix("/").removesuffix(".php")
    if family == "utils":
        command = command.lower()
    return command if command in _FAMILIES[family] else ""
