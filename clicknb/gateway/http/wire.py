"""What goes over the wire: parameters out, reply lines in. Pure: no network, no clock.

The gateway answers in plain text with HTTP status 200, errors included. There are two dialects (``ID:`` and ``OK:``
for an accepted message), several records may be folded onto one line, and proxies answer in HTML. An answer to a
send is believed only as far as it is clear: whatever it leaves open is ``unknown``, neither success nor failure.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple
from urllib.parse import quote_plus

from clicknb.display import mask_digits, mask_number, shorten
from clicknb.errors import AccountError, GatewayError, InvalidInput, UnreadableReply
from clicknb.gateway.http import codes
from clicknb.gateway.limits import TOO_MANY_REQUESTS

_FAMILIES = {
    "http": ("auth", "ping", "sendmsg", "querymsg", "delmsg", "getbalance", "getmsgcharge", "token_pay"),
    "http_batch": ("startbatch", "senditem", "quicksend", "endbatch"),
    "utils": ("routeCoverage",),
}
_PATHS = {command: f"/{family}/{command}" for family, commands in _FAMILIES.items() for command in commands}
_SENDS = frozenset({"sendmsg", "senditem", "quicksend"})

_OK = 200

State = Literal["accepted", "rejected", "planned", "unknown"]
"""What one answer says of one recipient; ``planned``: provably not accepted, and may be sent later."""


@dataclass(frozen=True, slots=True)
class Request:
    """One command with its parameters, as they are before encoding.

    Attributes
    ----------
    body : bytes
        Parameters as a form, percent-encoded from windows-1252 bytes: the gateway does not read UTF-8.

    Raises
    ------
    InvalidInput
        There is no such command, or a character has no byte in windows-1252.
    """

    command: str
    parameters: Mapping[str, str]
    body: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.command not in _PATHS:
            message = f"The gateway has no command {self.command!r}; it knows {', '.join(sorted(_PATHS))}."
            raise InvalidInput(message)
        object.__setattr__(self, "body", _form(self.command, self.parameters))

    def __repr__(self) -> str:
        """Show the names of the parameters; their values hold secrets, numbers and texts."""
        return f"<Request {self.command} ({', '.join(self.parameters)})>"

    @property
    def path(self) -> str:
        """Path on the gateway, such as ``/http/sendmsg``."""
        return _PATHS[self.command]

    @property
    def is_send(self) -> bool:
        """Whether carrying it out twice could reach somebody twice."""
        return self.command in _SENDS


_QUOTED = tuple(quote_plus(bytes([byte])) for byte in range(256))


def _quoted(text: str) -> str:
    """Percent-encode as ``quote_plus`` does, several times as fast: this is done for every message."""
    plain = text.isascii() and text.isalnum()
    return text if plain else "".join([_QUOTED[byte] for byte in text.encode("cp1252")])


def _form(command: str, parameters: Mapping[str, str]) -> bytes:
    try:
        pairs = ["=".join((_quoted(name), _quoted(value))) for name, value in parameters.items()]
        return "&".join(pairs).encode("ascii")
    except UnicodeEncodeError as error:
        character = error.object[error.start]
    message = (
        f"The character {character!r} has no byte in windows-1252, which is what the gateway reads in"
        f" {command}. Nothing was sent; text with such characters has to go as Unicode."
    )
    raise InvalidInput(message)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: HTTP status, body, and the seconds that a throttled caller was told to wait."""

    status: int
    body: bytes
    retry_after: float | None = None

    def __repr__(self) -> str:
        """Show the size of the body; it may hold a session id."""
        return f"<Reply {self.status}, {len(self.body)} bytes>"

    @property
    def text(self) -> str:
        """Body as text. Every known reply is ASCII; Latin-1 reads any bytes without failing."""
        return self.body.decode("latin-1")


class Sent(NamedTuple):
    """What became of one recipient of a send, as far as its answer tells."""

    to: str
    state: State
    apimsgid: str = ""
    code: str = ""
    error: str = ""

    def __repr__(self) -> str:
        """Show the number masked."""
        detail = self.apimsgid or " ".join(part for part in (self.code, self.error) if part)
        return f"<Sent {mask_number(self.to)} {self.state}{': ' if detail else ''}{detail}>"


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """Three-digit status of a message, see ``codes.statuses()``."""

    apimsgid: str
    status: str


@dataclass(frozen=True, slots=True)
class MessageCharge:
    """What a message cost, in credits, and its three-digit status."""

    apimsgid: str
    climsgid: str
    charge: Decimal
    status: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether a prefix is served, and the least that one part to it may cost, in credits."""

    supported: bool
    charge: Decimal | None
    text: str


# --- one line of a reply

_FLAGS = re.ASCII | re.IGNORECASE
_HEX = r"[0-9a-f]{32}(?![0-9a-z])"
_DECIMAL = r"-?\d{1,12}(?:\.\d{1,12})?"
_TO = r"(?: To: ?\+?(?P<to>\d+))?"
_START = rf"(?:(?:ID|OK): ?{_HEX}|ERR: ?\d{{3}}(?!\d))"

_ACCEPTED = re.compile(rf"(?:ID|OK): ?(?P<id>{_HEX}){_TO}", _FLAGS)
# Fewer than three digits are a code only if a comma follows: else the reply may have been cut inside the code.
_REFUSED = re.compile(
    rf"ERR: ?(?:(?P<code>\d{{1,4}}) ?,(?P<text>.*?)|(?P<bare>\d{{3}})|\d.*?|(?P<words>.*?)){_TO}", _FLAGS
)
# A record that follows another on the same line; and one that follows something else, which makes both unclear.
_FOLD = re.compile(rf"((?:ID|OK): ?{_HEX}|To: ?\+?\d+) (?={_START})", _FLAGS)
_INNER = re.compile(rf" {_START}", _FLAGS)

_SESSION = re.compile(rf"OK: ?(?P<id>{_HEX})", _FLAGS)
_PING = re.compile(rf"OK:?(?: ?{_HEX})?", _FLAGS)
_STATUS = re.compile(rf"ID: ?(?P<id>{_HEX}) Status: ?(?P<status>\d{{3}})", _FLAGS)
_CHARGE = re.compile(
    rf"(?:apiMsgId|ID): ?(?P<id>{_HEX})(?: cliMsgId: ?(?P<climsgid>[0-9a-z]*))?"
    rf" charge: ?(?P<charge>{_DECIMAL}) status: ?(?P<status>\d{{3}})",
    _FLAGS,
)
_BALANCE = re.compile(rf"Credits?: ?(?P<credits>{_DECIMAL})", _FLAGS)
_COVERED = re.compile(rf"OK: ?(?P<text>\S.*?)(?: Charge: ?(?P<charge>{_DECIMAL}))?", _FLAGS)
_NOT_COVERED = re.compile(r"ERR: ?(?P<text>\D.*\bnot (?:currently )?supported\b.*)", _FLAGS)
_PAID = re.compile(r"OK: ?605", _FLAGS)
_BATCH = re.compile(rf"ID: ?(?P<id>{_HEX})", _FLAGS)
_ENDED = re.compile(r"OK:?", _FLAGS)

# Last lines that were cut where a cut would make them mean something else.
_CUT = (
    (re.compile(r"ERR: ?\d*", _FLAGS), "an error without a code of three digits"),
    (re.compile(r".* Status: ?(?!\d{3}\Z)\d*", _FLAGS), "a status that is not three digits"),
    (re.compile(r"Credits?: ?-?\d*\.?", _FLAGS), "a number that may go on"),
)

# Refusals that are decided number by number. Alone and without a number, such a line does not refuse the whole
# request: it may be the beginning of a longer answer.
_OF_ONE_NUMBER = frozenset({"105", "114", "121", "122", "128", "130", "301"})


@dataclass(slots=True, repr=False)
class _Record:
    """One record of a reply; ``clear`` unless it is in no known form. Not shown: it is what the gateway said.

    A refusal has a code or words, or neither if it was cut before them or inside the code.
    """

    text: str
    apimsgid: str = ""
    code: str = ""
    to: str = ""
    clear: bool = True


_BLANKS = re.compile(r"[ \t\r\f\v]+")


def _lines(text: str) -> list[str]:
    lines = _BLANKS.sub(" ", text).split("\n")
    return [stripped for line in lines if (stripped := line.strip(" "))]


def _records(line: str) -> list[_Record]:
    """Read a line, which may hold several records after each other."""
    if found := _ACCEPTED.fullmatch(line):
        return [_Record(line, found[1], "", found[2] or "")]
    return [_record(record) for record in _FOLD.sub("\\1\n", line).split("\n")]


def _record(line: str) -> _Record:
    if found := _ACCEPTED.fullmatch(line):
        return _Record(line, apimsgid=found["id"], to=found["to"] or "")
    found = _REFUSED.fullmatch(line)
    if found is None or _INNER.search(line):
        return _Record(line, clear=False)
    code = found["bare"] or (f"{int(found['code']):03d}" if found["code"] else "")
    words = found["text"] or found["words"] or ""
    return _Record(words.strip(" "), code=code, to=found["to"] or "")


def _excerpt(text: str) -> str:
    """Show the beginning of an answer without the numbers, ids and session ids in it."""
    hidden = re.sub(r"[0-9A-Za-z]{16,}", "***", text[:400])
    return repr(shorten(mask_digits(" ".join(hidden.split())), 80))


def _unclear(reply: Reply) -> str:
    """Say in a few words why an answer cannot be read."""
    if reply.status != _OK:
        return f"the gateway answered with HTTP status {reply.status}: {_excerpt(reply.text)}"
    if not reply.text.strip():
        return "the gateway's answer was empty"
    for last in _lines(reply.text)[-1:]:
        for form, words in _CUT:
            if form.fullmatch(last):
                return f"the gateway's answer ends in {words}: {_excerpt(reply.text)}"
    return f"the gateway's answer is not clear: {_excerpt(reply.text)}"


# --- answers to a send


def read_sends(reply: Reply, to: Sequence[str]) -> list[Sent]:
    """Read what became of each recipient of a send. Never raises.

    Lines belong to recipients by position where all of them are clear and none contradicts it, else by the number
    that they name. What is missing, superfluous or contradictory is ``unknown`` for everybody whom it could concern.

    Parameters
    ----------
    reply
        The answer to ``sendmsg``, ``senditem`` or ``quicksend``.
    to
        Destination addresses of the request, in their order.

    Returns
    -------
    list of Sent
        One for each recipient, in their order.

    Examples
    --------
    >>> read_sends(Reply(200, b"ERR: 301, No Credit Left"), ["447700900123"])
    [<Sent +44 *** *** 123 planned: 301 No Credit Left>]
    """
    if reply.status == TOO_MANY_REQUESTS:
        return [Sent(number, "planned", code="429", error="the gateway asked to send more slowly") for number in to]
    if reply.status != _OK:
        return [Sent(number, "unknown", error=_unclear(reply)) for number in to]
    records = [record for line in _lines(reply.text) for record in _records(line)]
    cut = not reply.text.rstrip(" \r").endswith("\n")
    matched = _match(records, list(to), cut=cut)
    return [_outcome(number, record, reply) for number, record in zip(to, matched, strict=True)]


def _outcome(to: str, record: _Record | None, reply: Reply) -> Sent:
    if record is None or not record.clear:
        return Sent(to, "unknown", error=_unclear(reply))
    if record.apimsgid:
        return Sent(to, "accepted", record.apimsgid)
    known = codes.ERRORS.get(record.code)
    words = shorten(mask_digits(record.text or (known.text if known else "")), 80)
    if known is None:
        return Sent(to, "unknown", code=record.code, error=words or _unclear(reply))
    return Sent(to, known.after_send, code=record.code, error=words)


def _match(records: list[_Record], numbers: list[str], *, cut: bool) -> list[_Record | None]:
    """Give each recipient its record, or None where that is not certain."""
    if len(numbers) == 1:
        fits = len(records) == 1 and records[0].to in {"", numbers[0]}
        return [records[0] if fits else None]
    if len(records) == 1 and records[0].code and not records[0].to:
        whole = records[0].code not in _OF_ONE_NUMBER
        return [records[0] if whole else None] * len(numbers)
    if len(records) == len(numbers):
        agree = (record.clear and record.to in ("", number) for record, number in zip(records, numbers, strict=True))
        if all(agree):
            return list(records)
    return _match_by_number(records, numbers, cut=cut and len(records) < len(numbers))


def _match_by_number(records: list[_Record], numbers: list[str], *, cut: bool) -> list[_Record | None]:
    """Match by the numbers that records name; equal numbers in their order.

    ``cut`` says that the last line may have lost its end, so that its number may be the beginning of a longer one.
    """
    asked = Counter(numbers)
    named: dict[str, list[_Record]] = defaultdict(list)
    loose = 0
    for record in records:
        last = cut and record is records[-1]
        doubtful = last and any(number != record.to and number.startswith(record.to) for number in asked)
        if record.to in asked and not doubtful:
            named[record.to].append(record)
        else:
            loose += 1
    certain = {number: deque(found) for number, found in named.items() if len(found) == asked[number]}
    open_ = sum(count for number, count in asked.items() if number not in certain)
    if loose > open_:  # more stray lines than recipients left for them: they contradict the others
        return [None] * len(numbers)
    return [certain[number].popleft() if number in certain else None for number in numbers]


# --- answers to everything else


def error_code(reply: Reply) -> str:
    """Code of an error that is the whole answer, such as ``"003"``; empty if the answer is anything else."""
    lines = _lines(reply.text) if reply.status == _OK else []
    record = _record(lines[0]) if len(lines) == 1 else None
    return record.code if record and not record.to else ""


def _read(reply: Reply, form: re.Pattern[str]) -> re.Match[str]:
    lines = _lines(reply.text) if reply.status == _OK else []
    if len(lines) == 1:
        if found := form.fullmatch(lines[0]):
            return found
        record = _record(lines[0])
        if record.clear and (record.code or record.text) and not record.apimsgid:
            raise _refusal(record)
    raise _unreadable(reply)


def _unreadable(reply: Reply) -> UnreadableReply:
    message = (
        f"Unreadable: {_unclear(reply)}. Messages accepted before are not affected; whether this call had an"
        " effect is not known. Try again later, and check the address of the gateway if it stays so."
    )
    return UnreadableReply(message)


def _last_number(reply: Reply, digits: str) -> Decimal | None:
    """Read the number that ends an answer; None if it may have been cut before its point, which would make it another.

    A cut among its decimals cannot be seen: nothing says how many there are.
    """
    ended = "." in digits or not reply.text.endswith(digits)
    return Decimal(digits) if ended else None


def _about(apimsgid: str, found: re.Match[str]) -> re.Match[str]:
    """Refuse an answer that names another message: that of another question, on a connection out of step."""
    if apimsgid and found["id"].lower() != apimsgid.lower():
        message = (
            "Unreadable: the answer names another message than the one that was asked about. Messages accepted before "
            "are not affected. Ask again; if it stays so, something on the way to the gateway mixes up answers."
        )
        raise UnreadableReply(message)
    return found


def _refusal(record: _Record) -> GatewayError:
    known = codes.ERRORS.get(record.code)
    words = shorten(mask_digits(record.text or (known.text if known else "")), 80)
    said = ", ".join(part for part in (record.code, words) if part) or "an error without a code"
    if known is None or known.concern == "gateway":
        effect = "Whether this call had an effect is not known; messages accepted before are not affected."
    else:
        effect = "This call had no effect; messages accepted before are not affected."
    advice = known.advice if known else "No documentation lists this answer; ask Clickatell what it means."
    kind = AccountError if known and known.concern == "account" else GatewayError
    return kind(f"The gateway refused the call: {said}. {effect} {advice}", code=record.code)


def read_session(reply: Reply) -> str:
    """Read the answer to ``auth``: a session id of 32 hexadecimal digits.

    This and the other readers raise ``GatewayError`` for an error (``AccountError`` if it is about the account)
    and ``UnreadableReply`` for what is not in the gateway's language, and nothing else.
    """
    return _read(reply, _SESSION)["id"]


def read_ping(reply: Reply) -> None:
    """Read the answer to ``ping``."""
    _read(reply, _PING)


def read_status(reply: Reply, apimsgid: str = "") -> MessageStatus:
    """Read the answer to ``querymsg`` or ``delmsg``.

    Parameters
    ----------
    apimsgid
        The id that was asked about, if it was one: an answer that names another is none.

    Examples
    --------
    >>> read_status(Reply(200, b"ID: 8a4f34f58cfa1c634f59227e61ef16e3 Status: 003")).status
    '003'
    """
    found = _about(apimsgid, _read(reply, _STATUS))
    return MessageStatus(found["id"], found["status"])


def read_charge(reply: Reply, apimsgid: str = "") -> MessageCharge:
    """Read the answer to ``getmsgcharge``, in either of its two spellings; ``apimsgid`` as in ``read_status``."""
    found = _about(apimsgid, _read(reply, _CHARGE))
    return MessageCharge(found["id"], found["climsgid"] or "", Decimal(found["charge"]), found["status"])


def read_balance(reply: Reply) -> Decimal:
    """Read the answer to ``getbalance``, in credits."""
    balance = _last_number(reply, _read(reply, _BALANCE)["credits"])
    if balance is None:
        raise _unreadable(reply)
    return balance


def read_coverage(reply: Reply) -> Coverage:
    """Read the answer to ``routeCoverage``; its "no" is an error without a code."""
    lines = _lines(reply.text) if reply.status == _OK else []
    if len(lines) == 1 and (refused := _NOT_COVERED.fullmatch(lines[0])):
        return Coverage(supported=False, charge=None, text=mask_digits(refused["text"]))
    found = _read(reply, _COVERED)
    charge = _last_number(reply, found["charge"]) if found["charge"] else None
    return Coverage(supported=True, charge=charge, text=mask_digits(found["text"]))


def read_payment(reply: Reply) -> None:
    """Read the answer to ``token_pay``: the constant 605 for success."""
    _read(reply, _PAID)


def read_batch(reply: Reply) -> str:
    """Read the answer to ``startbatch``: the id of the batch."""
    return _read(reply, _BATCH)["id"]


def read_end(reply: Reply) -> None:
    """Read the answer to ``endbatch``."""
    _read(reply, _ENDED)
