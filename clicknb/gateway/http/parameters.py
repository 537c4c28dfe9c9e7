"""The gateway's optional parameters by keyword, checked against its documented rules before anything leaves.

Rules are those of the HTTP API specification 2.3.8 (section 5) unless another source is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypedDict

from clicknb import checks
from clicknb.charset import first_outside, ucs2
from clicknb.gateway.limits import MOST_PARTS

_NOKIA = ("OLOGO", "GLOGO", "PICTURE", "RINGTONE", "RTTL", "CLEAN", "VCARD", "VCAL")
MESSAGE_TYPES = ("SMS_TEXT", "SMS_FLASH", *(f"SMS_NOKIA_{kind}" for kind in _NOKIA))
"""Values of ``msg_type``; upper case matters."""

_FEATURES = 1 | 2 | 4 | 8 | 16 | 32 | 512 | 8192 | 16384


class SendOptions(TypedDict, total=False):
    """What may accompany a message or a batch.

    Attributes
    ----------
    sender : str
        Sender ID (``from`` on the wire): a number of at most 16 digits, or at most 11 letters and digits.
    callback : int
        Which statuses the gateway pushes: 0 none, 1 intermediate, 2 final, 4 errors, or a sum of these.
    deliv_ack : bool
        Ask for a handset receipt; historical, the gateway always does.
    deliv_time : int
        Minutes to wait before delivery, 0 to 10080.
    scheduled_time : datetime.datetime
        When to deliver, with its time zone; at most seven days ahead by the gateway's clock.
    concat : int
        The most parts that the text may take, 1 to 35.
    max_credits : decimal.Decimal
        The most that the message may cost.
    req_feat : int
        Sum of the features that the route must have.
    queue : int
        Priority, 1 (first) to 3.
    escalate : bool
        Use a dearer route if the cheapest is congested.
    mo : bool
        Use a route that lets the recipient reply; ``sender`` must be a two-way number.
    climsgid : str
        Own id of the message, at most 32 letters and digits.
    unicode : bool
        Send as UCS-2 whatever the text needs; False forbids it.
    msg_type : str
        One of ``MESSAGE_TYPES``.
    udh, data : str
        User data header and 8-bit payload in hexadecimal.
    binary : bool
        Send as 8-bit even where the header does not say so.
    validity : int
        Minutes, 1 to 1440, after which the gateway drops what it could not pass on.
    """

    sender: str
    callback: int
    deliv_ack: bool
    deliv_time: int
    scheduled_time: datetime
    concat: int
    max_credits: Decimal | float | str
    req_feat: int
    queue: int
    escalate: bool
    mo: bool
    climsgid: str
    unicode: bool
    msg_type: str
    udh: str
    data: str
    binary: bool
    validity: int


def encode(options: Mapping[str, Any]) -> dict[str, str]:
    """Write options as the gateway's parameters.

    Parameters
    ----------
    options
        Keywords and values as in ``SendOptions``; None counts as not given.

    Raises
    ------
    InvalidInput
        A value breaks its rule, two exclude each other, or there is no such option. Nothing was sent.

    Examples
    --------
    >>> encode({"sender": "MyShop", "concat": 2, "mo": True})
    {'from': 'MyShop', 'concat': '2', 'mo': '1'}
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in _RULES:
            _refuse(name, f"there is no such option; there are {', '.join(_RULES)}")
    _check_exclusions(given)
    encoded = {name: _RULES[name](name, value) for name, value in given.items()}
    return {"from" if name == "sender" else name: value for name, value in encoded.items()}


def encode_text(text: str) -> dict[str, str]:
    r"""Write a text as the gateway's parameters: single bytes if every character survives that, else UCS-2.

    Examples
    --------
    >>> encode_text("Grüße")
    {'text': 'Grüße'}
    >>> encode_text("\u03a9")
    {'text': '03A9', 'unicode': '1'}
    """
    if first_outside(text):
        return {"text": ucs2(text), "unicode": "1"}
    return {"text": text}


def check_destination(to: object) -> str:
    """Check a destination address: 5 to 15 digits, country code first, no ``+``, ``00``, spaces or commas.

    Raises
    ------
    InvalidInput
        It is something else; the message does not repeat it.
    """
    rule = "must be 5 to 15 digits with the country code first, without +, leading zeros, spaces or commas"
    said = f"{rule}, as text such as '447700900123' (error 105); several go as a list"
    return _matching(r"[1-9]\d{4,14}", said)("to", to)


def check_prefix(msisdn: object) -> str:
    """Check a number or the beginning of one: 1 to 15 digits, country code first."""
    rule = "must be a number or the beginning of one: 1 to 15 digits, country code first, as text"
    return _matching(r"[1-9]\d{0,14}", rule)("msisdn", msisdn)


def check_id(name: str, value: str) -> str:
    """Check an id that the gateway gave: 32 hexadecimal digits."""
    return _matching(r"[0-9a-fA-F]{32}", "must be 32 hexadecimal digits, as the gateway gave it")(name, value)


def check_climsgid(value: str) -> str:
    """Check a message id of one's own: 1 to 32 letters and digits."""
    return _RULES["climsgid"]("climsgid", value)


def check_voucher(token: str) -> str:
    """Check a voucher: 16 digits. The error does not repeat it, because a voucher is money."""
    return _matching(r"\d{16}", "must be the 16 digits of a voucher, as text")("token", token)


# --- rules -----------------------------------------------------------------------------------------------------

_Rule = Callable[[str, Any], str]


def _refuse(name: str, rule: str) -> NoReturn:
    checks.refuse(f"{name}: {rule}.")


def _flag(name: str, value: Any) -> str:
    if value not in (False, True):
        _refuse(name, "must be True or False")
    return str(int(value))


def _between(low: int, high: int, unit: str) -> _Rule:
    def rule(name: str, value: Any) -> str:
        number = checks.integer(value)
        if number is None or not low <= number <= high:
            _refuse(name, f"must be a whole number {low} to {high} ({unit}), not {value!r}")
        return str(number)

    return rule


def _matching(pattern: str, rule_in_words: str) -> _Rule:
    def rule(name: str, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            _refuse(name, rule_in_words)
        return value

    return rule


def _features(name: str, value: Any) -> str:
    number = _between(1, _FEATURES, "a sum of features")(name, value)
    if int(number) & ~_FEATURES:
        _refuse(name, f"{value} is no sum of the documented features 1, 2, 4, 8, 16, 32, 512, 8192 and 16384")
    return number


def _credits(name: str, value: Any) -> str:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or not 0 < amount < 1_000_000:  # noqa: PLR2004
        _refuse(name, f"must be a positive number of credits, not {value!r}")
    return f"{amount:f}"


def _moment(name: str, value: Any) -> str:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        _refuse(name, "must be a datetime with its time zone, because the gateway counts in UTC")
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _header(name: str, value: Any) -> str:
    header = _hexadecimal(name, value)
    if int(header[:2], 16) != len(header) // 2 - 1:
        _refuse(name, "its first octet must be the number of octets that follow (error 102)")
    return header


_hexadecimal = _matching(r"(?:[0-9a-fA-F]{2})+", "must be octets in hexadecimal, such as '06050415810000'")
_sender = _matching(
    r"\d{1,16}|(?=.*[A-Za-z])[A-Za-z0-9]{1,11}",
    "must be a number of at most 16 digits or at most 11 letters and digits (error 106)",
)

_RULES: dict[str, _Rule] = {
    "sender": _sender,
    "callback": _between(0, 7, "which statuses are pushed; 0 to 7 since the 2013 overview"),
    "deliv_ack": _flag,
    "deliv_time": _between(0, 10_080, "minutes, seven days at most"),
    "scheduled_time": _moment,
    "concat": _between(1, MOST_PARTS, "message parts"),
    "max_credits": _credits,
    "req_feat": _features,
    "queue": _between(1, 3, "priority, 1 is served first"),
    "escalate": _flag,
    "mo": _flag,
    "climsgid": _matching(r"[0-9A-Za-z]{1,32}", "must be 1 to 32 letters and digits"),
    "unicode": _flag,
    "msg_type": _matching("|".join(MESSAGE_TYPES), f"must be one of {', '.join(MESSAGE_TYPES)} (error 112)"),
    "udh": _header,
    "data": _hexadecimal,
    "binary": _flag,
    "validity": _between(1, 1440, "minutes"),
}

_EXCLUSIONS = (
    ("msg_type", "udh", "a message type brings its own header"),
    ("deliv_time", "scheduled_time", "both say when to deliver"),
    ("unicode", "binary", "a message is text or 8-bit"),
    ("unicode", "data", "a message is text or 8-bit"),
)


def _check_exclusions(given: Mapping[str, Any]) -> None:
    for first, second, reason in _EXCLUSIONS:
        wanted = [name for name in (first, second) if name in given and given[name] is not False]
        if len(wanted) == 2:  # noqa: PLR2004
            _refuse(first, f"cannot be combined with {second}: {reason}")
    sender = given.get("sender")
    eight_bit = next((name for name in ("data", "udh", "binary") if given.get(name)), "")
    if eight_bit and isinstance(sender, str) and not sender.isdigit():
        _refuse("sender", f"must be a number where {eight_bit} makes the message 8-bit")
