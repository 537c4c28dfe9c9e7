"""What a request asks for: its parameters read, checked in the documented order, and turned into values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qsl

from clicknb.simulator import text
from clicknb.simulator.replies import refuse
from clicknb.simulator.sessions import CREDENTIALS

Parameters = Mapping[str, str]
"""Names and values. A value holds one character for each byte (latin-1): what the bytes mean is not yet known."""

_SPELLINGS = {"cliMsgId": "climsgid", "apiMsgId": "apimsgid"}
_FORM = "application/x-www-form-urlencoded"
_MESSAGE_TYPES = frozenset(
    ["SMS_TEXT", "SMS_FLASH"]
    + [f"SMS_NOKIA_{kind}" for kind in ("OLOGO", "GLOGO", "PICTURE", "RINGTONE", "RTTL", "CLEAN", "VCARD", "VCAL")]
)
_FURTHEST = timedelta(days=7)
_CHECKED = {  # every other optional parameter, as a pattern for its whole value
    "concat": r"0?[1-9]|[12][0-9]|3[0-5]",
    "callback": r"[0-7]",
    "queue": r"[123]",
    "req_feat": r"\d{1,5}",
    "max_credits": r"\d{1,6}(\.\d{1,6})?",
    "validity": r"0*([1-9]\d{0,2}|1[0-3]\d\d|14[0-3]\d|1440)",
    **dict.fromkeys(("deliv_ack", "escalate", "mo", "binary", "unicode"), "[01]"),
}


def read(method: str, query: bytes, body: bytes, content_type: str) -> dict[str, str]:
    """Read the parameters of a request: of GET the query alone, of POST a form's body too."""
    is_form = method == "POST" and content_type.partition(";")[0].strip().lower() == _FORM
    written = [part.decode("latin-1") for part in ([query, body] if is_form else [query])]
    pairs = (pair for part in written for pair in parse_qsl(part, keep_blank_values=True, encoding="latin-1"))
    return {_SPELLINGS.get(name, name): value for name, value in pairs}


@dataclass(frozen=True, slots=True)
class Options:
    """How a message is to be sent: everything but its text and its recipients."""

    climsgid: str
    sender: str
    concat: int
    max_credits: Decimal | None
    delay: timedelta
    scheduled: datetime | None
    given: Parameters

    @classmethod
    def read(cls, parameters: Parameters, now: datetime) -> Options:
        """Check the text and the optional parameters of ``sendmsg`` and ``startbatch``, in the documented order.

        Raises
        ------
        Refusal
            With the code of the first rule that is broken.
        """
        _require(parameters.get("text") or parameters.get("data"), "107")
        climsgid = parameters.get("climsgid", "")
        _require(climsgid == "" or re.fullmatch(r"[0-9A-Za-z]{1,32}", climsgid), "101")
        _check_header(parameters)
        _require(parameters.get("msg_type", "SMS_TEXT") in _MESSAGE_TYPES, "112")
        _require(not {"msg_type", "udh"} <= parameters.keys(), "112")
        Content.read(parameters)  # for its refusals, whose turn it is
        for name, pattern in _CHECKED.items():
            _require(name not in parameters or re.fullmatch(pattern, parameters[name], re.ASCII), "101")
        delay, scheduled = _delivery_time(parameters, now)
        return cls(
            climsgid=climsgid,
            sender=_sender(parameters),
            concat=int(parameters.get("concat", "1")),
            max_credits=Decimal(parameters["max_credits"]) if "max_credits" in parameters else None,
            delay=delay,
            scheduled=scheduled,
            given={name: value for name, value in parameters.items() if name not in {*CREDENTIALS, *_NOT_OPTIONS}},
        )

    def due(self, now: datetime) -> datetime:
        """Tell when a message accepted now is to leave the gateway."""
        return self.scheduled or now + self.delay


_NOT_OPTIONS = frozenset({"to", "text", "data", "template", "climsgid", "from", "batch_id"})


@dataclass(frozen=True, slots=True)
class Content:
    """A message as it goes on the air: what the handset shows, how it is encoded, and in how many parts."""

    text: str
    encoding: str
    parts: int

    @classmethod
    def read(cls, parameters: Parameters) -> Content:
        """Decode the text or data of a message.

        Raises
        ------
        Refusal
            101 for text and data at once or bad data, 107 for none, 116 for bad Unicode.
        """
        _require(not {"text", "data"} <= parameters.keys(), "101")
        _require(parameters.get("text") or parameters.get("data"), "107")
        if "data" in parameters or "udh" in parameters or parameters.get("binary") == "1":
            return cls._octets(parameters)
        if parameters.get("unicode") == "1":
            decoded = text.from_hex(parameters["text"])
            if decoded is None:
                refuse("116")
            return cls(decoded, "ucs2", text.ucs2_parts(decoded))
        shown = text.from_bytes(parameters["text"].encode("latin-1"))
        return cls(shown, "gsm7", text.gsm_parts(shown))

    @classmethod
    def _octets(cls, parameters: Parameters) -> Content:
        data = text.octets(parameters["data"]) if "data" in parameters else parameters["text"].encode("latin-1")
        if data is None:
            refuse("101")
        header = text.octets(parameters.get("udh", "")) or b""
        return cls(data.hex().upper(), "8bit", text.octet_parts(len(header) + len(data)))


def recipients(parameters: Parameters, method: str) -> list[str]:
    """Split the list of destination addresses: at most 300 by GET, 600 by POST.

    Raises
    ------
    Refusal
        105 for none, 101 for too many.
    """
    numbers = ["".join(number.split()) for number in parameters.get("to", "").split(",") if number.strip()]
    _require(numbers, "105")
    _require(len(numbers) <= (300 if method == "GET" else 600), "101")
    return numbers


def is_address(number: str) -> bool:
    """Tell whether this can be a destination address: digits only, country code first."""
    return re.fullmatch(r"[1-9]\d{6,14}", number, re.ASCII) is not None


def _require(holds: object, code: str) -> None:
    if not holds:
        refuse(code)


def _check_header(parameters: Parameters) -> None:
    """Refuse a user data header that does not begin with the number of octets that follow."""
    if "udh" in parameters:
        header = text.octets(parameters["udh"])
        _require(header and header[0] == len(header) - 1, "102")


def _sender(parameters: Parameters) -> str:
    sender = parameters.get("from", "")
    if re.fullmatch(r"\d{0,16}", sender, re.ASCII):
        return sender
    eight_bit = "data" in parameters or "udh" in parameters or parameters.get("binary") == "1"
    _require(re.fullmatch(r"[ -~]{1,11}", sender) and any(map(str.isalpha, sender)) and not eight_bit, "106")
    return sender


def _delivery_time(parameters: Parameters, now: datetime) -> tuple[timedelta, datetime | None]:
    """Read ``deliv_time``, minutes from now, or ``scheduled_time``, an instant."""
    minutes, instant = parameters.get("deliv_time"), parameters.get("scheduled_time")
    if instant is None:
        _require(minutes is None or re.fullmatch(r"\d{1,5}", minutes, re.ASCII), "120")
        delay = timedelta(minutes=int(minutes or 0))
        _require(delay <= _FURTHEST, "120")
        return delay, None
    _require(minutes is None, "120")
    scheduled = _instant(instant)
    _require(now <= scheduled <= now + _FURTHEST, "120")
    return timedelta(0), scheduled


def _instant(value: str) -> datetime:
    try:
        if re.fullmatch(r"\d{1,11}", value, re.ASCII):
            return datetime.fromtimestamp(int(value), UTC)
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        refuse("120")
