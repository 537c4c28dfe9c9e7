"""The raw commands of the gateway, one method each."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar, Unpack

from clicknb import checks
from clicknb.charset import first_outside, ucs2
from clicknb.clock import Clock, RealClock
from clicknb.errors import InDoubt, NotSent
from clicknb.gateway.credentials import Credentials, Secret
from clicknb.gateway.http import parameters, wire
from clicknb.gateway.http.parameters import SendOptions
from clicknb.gateway.http.session import Session
from clicknb.gateway.http.wire import Coverage, MessageCharge, MessageStatus, Reply, Request, Sent
from clicknb.gateway.limits import MOST_RECIPIENTS
from clicknb.gateway.transport import Transport

logger = logging.getLogger(__name__)

Value = TypeVar("Value")


class Clickatell:
    """Clickatell's HTTP API: each command as a method, tried once, by POST and with a session.

    Parameters
    ----------
    transport
        Takes requests to the gateway.
    credentials
        Used to authenticate when a session is needed; they never go with another command.
    clock
        The gateway's time, for the age of the session.

    Attributes
    ----------
    session : Session
        Shared by all callers.
    transport : Transport
        As given.

    Notes
    -----
    Methods raise ``InvalidInput`` (nothing was sent), ``GatewayError`` or ``AccountError`` (the gateway refused),
    ``NotSent`` or ``InDoubt`` (no answer) and ``UnreadableReply``. The three that send messages say what became of
    each recipient instead, and raise only what happened before anything was sent.
    """

    def __init__(self, transport: Transport, credentials: Credentials, *, clock: Clock | None = None) -> None:
        self.transport = transport
        self._credentials = credentials
        self.session = Session(self._authenticate, clock or RealClock())

    def __repr__(self) -> str:
        return f"<Clickatell user {self.user!r} at {self.transport}>"

    @property
    def user(self) -> str:
        """Whose account it is."""
        return self._credentials.user

    # --- account -----------------------------------------------------------------------------------------------

    def auth(self) -> Secret:
        """Open a session apart from the one that this object uses; the cheapest check of credentials."""
        who = self._credentials
        login = {"user": who.user, "password": who.password.reveal(), "api_id": who.api_id}
        return Secret(wire.read_session(self._send(Request("auth", login))))

    def ping(self) -> None:
        """Keep the session alive."""
        self._ask("ping", {}, wire.read_ping)

    def getbalance(self) -> Decimal:
        """Ask how many credits the account has."""
        return self._ask("getbalance", {}, wire.read_balance)

    def token_pay(self, token: str) -> None:
        """Redeem a voucher of 16 digits. After ``InDoubt`` compare the balance before trying again."""
        self._ask("token_pay", {"token": parameters.check_voucher(token)}, wire.read_payment)

    def route_coverage(self, msisdn: str) -> Coverage:
        """Ask whether a number or prefix is served. Not to be asked before each message (documented as abuse)."""
        return self._ask("routeCoverage", {"msisdn": parameters.check_prefix(msisdn)}, wire.read_coverage)

    # --- messages ----------------------------------------------------------------------------------------------

    def sendmsg(self, to: str | Sequence[str], text: str = "", **options: Unpack[SendOptions]) -> list[Sent]:
        """Send one text to one or more destination addresses.

        Parameters
        ----------
        to
            One number or a list of at most 600, digits with the country code first.
        text
            The message; goes as single bytes where every character survives that, else as UCS-2.
        **options
            As in ``SendOptions``; ``data`` replaces the text.

        Returns
        -------
        list of Sent
            One for each recipient in their order. A lost answer gives ``unknown``: it is never sent again.

        Raises
        ------
        NotSent
            The gateway could not be reached; nothing was accepted.
        """
        recipients = _recipients(to)
        content = _content(text, options)
        return self._deliver("sendmsg", {"to": ",".join(recipients), **content}, recipients)

    def querymsg(self, *, apimsgid: str = "", climsgid: str = "") -> MessageStatus:
        """Ask for the status of a message, by the gateway's id or by one's own."""
        return self._ask_about("querymsg", apimsgid, climsgid, wire.read_status)

    def delmsg(self, *, apimsgid: str = "", climsgid: str = "") -> MessageStatus:
        """Stop a message that the gateway still holds; 006 if it was stopped, else its status."""
        return self._ask_about("delmsg", apimsgid, climsgid, wire.read_status)

    def getmsgcharge(self, *, apimsgid: str = "", climsgid: str = "") -> MessageCharge:
        """Ask what a message of the last 15 days cost."""
        return self._ask_about("getmsgcharge", apimsgid, climsgid, wire.read_charge)

    # --- batches -----------------------------------------------------------------------------------------------

    def startbatch(self, template: str, **options: Unpack[SendOptions]) -> str:
        """Begin a batch of up to 24 hours and give its id.

        ``#field1#`` to ``#fieldN#`` in the template are filled in by ``senditem``, but not in a template that has
        to go as UCS-2.
        """
        content = _content(template, options)
        if content.get("unicode") == "1" and re.search(r"#field\d+#", template):
            checks.refuse(
                "template: the gateway fills in no fields in a text that goes as UCS-2, as this one has to for "
                f"{first_outside(template)!r}.",
                "Use sendmsg for each recipient instead.",
            )
        return self._ask("startbatch", {"template": content.pop("text", ""), **content}, wire.read_batch)

    def senditem(self, batch_id: str, to: str, **fields: str) -> Sent:
        """Send the template of a batch to one recipient, with ``field1=...`` and so on filled in."""
        for name, value in fields.items():
            if not re.fullmatch(r"field[1-9]\d*", name, re.ASCII):
                checks.refuse(f"{name}: fields of a batch are called field1, field2 and so on.")
            if outside := first_outside(value):
                checks.refuse(f"{name}: {outside!r} does not survive in a batch.", "Use sendmsg instead.")
        number = parameters.check_destination(to)
        values = {"batch_id": parameters.check_id("batch_id", batch_id), "to": number, **fields}
        return self._deliver("senditem", values, [number])[0]

    def quicksend(self, batch_id: str, to: str | Sequence[str]) -> list[Sent]:
        """Send the template of a batch to many recipients, to all of them the same."""
        recipients = _recipients(to)
        values = {"batch_id": parameters.check_id("batch_id", batch_id), "to": ",".join(recipients)}
        return self._deliver("quicksend", values, recipients)

    def endbatch(self, batch_id: str) -> None:
        """End a batch."""
        self._ask("endbatch", {"batch_id": parameters.check_id("batch_id", batch_id)}, wire.read_end)

    # --- how they travel ---------------------------------------------------------------------------------------

    def request(self, command: str, values: Mapping[str, str]) -> Request:
        """Prepare a request with the session's id; authenticates if there is no session.

        Raises
        ------
        NotSent
            The gateway could not be reached to authenticate.
        AccountError
            It refused the credentials.
        """
        return Request(command, {**values, "session_id": self.session.id()})

    def _ask(self, command: str, values: Mapping[str, str], read: Callable[[Reply], Value]) -> Value:
        return read(self._exchange(command, values))

    def _ask_about(self, command: str, apimsgid: str, climsgid: str, read: Callable[[Reply, str], Value]) -> Value:
        return read(self._exchange(command, _name_of_message(apimsgid, climsgid)), apimsgid)

    def _deliver(self, command: str, values: Mapping[str, str], recipients: Sequence[str]) -> list[Sent]:
        try:
            reply = self._exchange(command, values)
        except InDoubt as error:
            return [Sent(number, "unknown", error=str(error)) for number in recipients]
        return wire.read_sends(reply, recipients)

    def _exchange(self, command: str, values: Mapping[str, str]) -> Reply:
        """Send once; once more where the session had expired, because then nothing was accepted."""
        request = self.request(command, values)
        reply = self._send(request)
        if wire.error_code(reply) != "003":
            return reply
        renewed = self.session.renew(request.parameters["session_id"])
        return self._send(Request(command, {**values, "session_id": renewed}))

    def _authenticate(self) -> str:
        try:
            return self.auth().reveal()
        except InDoubt as error:
            doubt, reason = str(error), error.reason
        # Doubt about the log-in is no doubt about what was to follow it.
        message = f"No session: {doubt} The command that needed one was not sent."
        raise NotSent(message, reason=reason)

    def _send(self, request: Request) -> Reply:
        start = time.monotonic()
        reply = self.transport.send(request)
        taken = time.monotonic() - start
        logger.debug("%s: %d, %d bytes in %.3f s", request.command, reply.status, len(reply.body), taken)
        return reply


def _recipients(to: str | Sequence[str]) -> list[str]:
    recipients = [parameters.check_destination(number) for number in ([to] if isinstance(to, str) else to)]
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        checks.refuse(f"to: one request takes 1 to {MOST_RECIPIENTS} numbers, not {len(recipients)}.")
    return recipients


def _content(text: str, options: SendOptions) -> dict[str, str]:
    """Write text and options as parameters; the text as UCS-2 where it needs that or the options say so."""
    encoded = parameters.encode(options)
    eight_bit = "data" in encoded
    if bool(text) == eight_bit:
        checks.refuse("text: give either a text or data, and not both (error 107).")
    if eight_bit:
        return encoded
    if "unicode" in encoded:
        return {**encoded, "text": ucs2(text) if encoded["unicode"] == "1" else text}
    return {**encoded, **parameters.encode_text(text)}


def _name_of_message(apimsgid: str, climsgid: str) -> dict[str, str]:
    if bool(apimsgid) == bool(climsgid):
        checks.refuse("Name the message by either apimsgid or climsgid (error 109).")
    if apimsgid:
        return {"apimsgid": parameters.check_id("apimsgid", apimsgid)}
    return {"climsgid": parameters.check_climsgid(climsgid)}
