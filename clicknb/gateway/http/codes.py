"""Clickatell's error and message status codes: what each means and what follows from it.

Codes are three-digit strings: ``"007"`` is not 7. The tables follow the HTTP API specification 2.3.8,
its 2013 overview and the later archived pages; a code that none of them lists is treated as not understood,
so a send that is answered with it stays in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Concern = Literal["row", "account", "session", "request", "query", "gateway"]
"""What a refusal is about: one recipient, the whole account, the session, this request, a look-up, the gateway."""

Delivery = Literal["pending", "at_network", "delivered", "failed", "cancelled", "expired"]
"""What a status says about the handset. ``at_network`` is not a delivery."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One error code: the gateway's words, what it concerns, and what to do next."""

    code: str
    text: str
    concern: Concern
    advice: str

    @property
    def after_send(self) -> Literal["rejected", "planned", "unknown"]:
        """State of a message whose send was answered with this code.

        ``rejected`` is final for that message; ``planned`` means it was provably not accepted and may be sent later;
        ``unknown`` means that the answer does not settle whether it was accepted.
        """
        if self.concern == "row":
            return "rejected"
        return "planned" if self.concern in {"account", "session"} else "unknown"

    @property
    def stops_campaign(self) -> bool:
        """Whether every further send would be answered in the same way."""
        return self.concern == "account"


@dataclass(frozen=True, slots=True)
class Status:
    """One message status: its name, what it says about delivery, and whether it can still change."""

    code: str
    name: str
    delivery: Delivery
    final: bool
    meaning: str


_ERRORS: tuple[tuple[str, str, Concern, str], ...] = (
    ("001", "Authentication failed", "account", "Check user name, password and API ID."),
    ("002", "Unknown username or password", "account", "Check user name and password."),
    ("003", "Session ID expired", "session", "Authenticate again; clicknb does so by itself."),
    ("004", "Account frozen", "account", "Ask Clickatell why the account is suspended."),
    ("005", "Missing session ID", "request", "Authenticate before the call."),
    ("007", "IP Lockdown violation", "account", "Allow this machine's address in the API connection's settings."),
    ("100", "Data malformed", "request", "Check the parameters of the call."),
    ("101", "Invalid or missing parameters", "request", "Check the parameters of the call."),
    ("102", "Invalid user data header", "request", "Check the user data header."),
    ("103", "Unknown API message ID", "query", "Ask again later, or check the id."),
    ("104", "Unknown client message ID", "query", "Ask again later: a fresh message may not be listed yet."),
    ("105", "Invalid Destination Address", "row", "Correct the number: digits only, country code first."),
    ("106", "Invalid source address", "row", "Use a sender ID of at most 16 digits or 11 characters."),
    ("107", "Empty message", "row", "Give the message a text."),
    ("108", "Invalid or missing API ID", "account", "Check the API ID of the connection."),
    ("109", "Missing message ID", "query", "Name the message by apimsgid or climsgid."),
    ("110", "Error with email message", "request", "Belongs to the e-mail interface."),
    ("111", "Invalid protocol", "request", "Belongs to a withdrawn interface."),
    ("112", "Invalid message type", "request", "Use one of the documented msg_type values."),
    ("113", "Maximum message parts exceeded", "row", "Shorten the text or allow more parts."),
    ("114", "Cannot route message", "row", "The network of this number is not served."),
    ("115", "Message expired", "request", "Send it again as a new message."),
    ("116", "Invalid Unicode data", "request", "Unicode text must be the hexadecimal of UCS-2."),
    ("120", "Invalid delivery time", "request", "Choose a time at most seven days ahead."),
    ("121", "Destination mobile number blocked", "row", "The operator blocks this number."),
    ("122", "Destination mobile opted out", "row", "Leave this person alone: they unsubscribed."),
    ("123", "Invalid sender ID", "row", "Register the sender ID with the account first."),
    ("128", "Number delisted", "row", "The number is out of service."),
    ("130", "Maximum MT limit exceeded", "account", "Wait until the quota is renewed, then resume."),
    ("201", "Invalid batch ID", "request", "Start a new batch; one lives for 24 hours."),
    ("202", "No batch template", "request", "Start the batch with a template."),
    ("301", "No Credit Left", "account", "Top up the account, then resume."),
    ("302", "Max allowed credit", "request", "The price is above the allowed maximum."),
    ("901", "Internal error", "gateway", "The gateway failed; whether it accepted the message is not known."),
)

_STATUSES: tuple[tuple[str, str, Delivery, bool, str], ...] = (
    ("001", "Message unknown", "pending", False, "The id is wrong, or reporting lags behind."),
    ("002", "Message queued", "pending", False, "The first attempt failed; queued for another."),
    ("003", "Delivered to gateway", "at_network", False, "Handed to the network; not confirmed by the handset."),
    ("004", "Received by recipient", "delivered", True, "Confirmed by the handset."),
    ("005", "Error with message", "failed", True, "Rejected, probably for its content."),
    ("006", "User cancelled delivery", "cancelled", True, "Stopped before it left the gateway."),
    ("007", "Error delivering message", "failed", True, "The network could not deliver it to the handset."),
    ("008", "OK", "pending", False, "Accepted by the gateway; not a delivery."),
    ("009", "Routing error", "failed", True, "No route, or the price was above max_credits."),
    ("010", "Message expired", "expired", True, "Not handed to a network in time; not charged."),
    ("011", "Queued for later delivery", "pending", False, "Scheduled or delayed."),
    ("012", "Out of credit", "failed", True, "The account had no credit when the message was due."),
    ("013", "Cancelled by provider", "failed", True, "Undocumented; treated as a failure."),
    ("014", "Maximum MT limit exceeded", "failed", True, "The account's message quota was used up."),
)

ERRORS: dict[str, ErrorCode] = {row[0]: ErrorCode(*row) for row in _ERRORS}
STATUSES: dict[str, Status] = {row[0]: Status(*row) for row in _STATUSES}

FINAL: frozenset[str] = frozenset(code for code, known in STATUSES.items() if known.final)
"""The statuses that do not change any more."""

# How far along its way a status places a message: the furthest one seen is the one that counts, in whatever
# order receipts arrive. A handset's confirmation outranks every other final status.
_ORDER = ("001", "008", "011", "002", "003", "014", "013", "012", "009", "010", "006", "005", "007", "004")
PROGRESS: dict[str, int] = {code: place for place, code in enumerate(_ORDER)}


def status(code: str) -> Status:
    """Describe a status code; one that no source lists is pending, never a success or a failure.

    Parameters
    ----------
    code
        Three digits, such as ``"004"``.

    Examples
    --------
    >>> status("003").delivery
    'at_network'
    >>> status("042").final
    False
    """
    known = STATUSES.get(code)
    return known or Status(code, "Not documented", "pending", False, "A status that no documentation lists.")


def errors() -> pd.DataFrame:
    """All documented error codes, one row each.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``code`` (str), with ``text``, ``concern``, ``after_send``, ``advice`` (str) and
        ``stops_campaign`` (bool).

    Examples
    --------
    >>> errors().loc["301", "text"]
    'No Credit Left'
    """
    import pandas as pd

    columns = ("text", "concern", "after_send", "stops_campaign", "advice")
    table = pd.DataFrame({name: [getattr(error, name) for error in ERRORS.values()] for name in columns})
    return table.set_index(pd.Index(ERRORS, name="code"))


def statuses() -> pd.DataFrame:
    """All documented message statuses, one row each.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``status`` (str), with ``name``, ``delivery``, ``meaning`` (str) and ``final`` (bool).

    Examples
    --------
    >>> statuses().loc["008", "delivery"]
    'pending'
    """
    import pandas as pd

    columns = ["status", "name", "delivery", "final", "meaning"]
    return pd.DataFrame(_STATUSES, columns=columns).set_index("status")
