"""Puts one HTTP/1.1 reply together from bytes as they come (RFC 9112). Pure: no sockets, no clock.

``httptools`` reads the bytes. What it leaves open is closed here: where the reply ends, how large it may be, and what
it allows although nobody has a reason to send it. Strict, because an answer that can be read in two ways is no answer:
what is not plainly right is ``Unreadable``, and says in a few words why.
"""

from __future__ import annotations

import re

import httptools

from clicknb.gateway.http.wire import Reply

LARGEST = 1_000_000
"""Bytes of a body; the gateway's largest answer, 600 lines of a list, has a tenth of that."""

_MOST_AROUND = 65_536
"""Bytes of a head, and of what surrounds the pieces of a body that comes in chunks."""

_MOST_INTERIM = 32

_START = b"HTTP/1."
_END_OF_HEAD = b"\r\n\r\n"
_INTERIM = range(100, 200)
_FINAL = range(200, 600)
_SWITCHING = 101
_NO_CONTENT = frozenset({204, 304})
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)

_EMPTY_LINE = "there is an empty line before it"
_FOREIGN = "it does not begin like HTTP/1.1"
_STATUS = "its status is none of HTTP's"
_SWITCHED = "it changes to another protocol"
_COMPRESSED = "it is compressed"
_CODED = "its transfer coding is not the one in chunks"
_TWO_LENGTHS = "its length is stated in two ways"
_TWO_ENDS = "two places could be the end of its head"
_CHUNK = "a chunk of it is broken"
_HEAD = "a header line is broken"

_REFUSED = tuple(
    (re.compile(form, re.IGNORECASE | re.DOTALL), flaw)
    for form, flaw in (
        (rb"\A(?!HTTP/1\.[01] )", _FOREIGN),
        (rb"\A.{9}(?!\d\d\d[ \r])", _STATUS),
        (rb"(?<!\r)\n|\r(?!\n|\Z)", "a line of its head ends in the wrong way"),
        (rb"\r\n[ \t]", "a header line is folded"),
        (rb"\ncontent-length:.*\ncontent-length", "its length is stated twice"),
        (rb"\ncontent-length:.*\ntransfer-encoding", _TWO_LENGTHS),
        (rb"\ntransfer-encoding:.*\ncontent-length", _TWO_LENGTHS),
        (rb"\ncontent-length:(?![ \t]*\d+[ \t]*\r\n)", "its length is not a number"),
    )
)
"""Why the parser refused a head; the first that fits."""


class Unreadable(Exception):
    """The reply breaks the rules of HTTP; the message says in a few words how."""

    def __init__(self, flaw: str) -> None:
        super().__init__(f"the answer is not HTTP by the book: {flaw}")


class BrokenOff(Unreadable):
    """The connection ended before the reply did."""

    def __init__(self, *, begun: bool) -> None:
        Exception.__init__(self, "its answer broke off" if begun else "it closed the connection without an answer")


class Endless(Unreadable):
    """The reply is larger than any that the gateway could mean."""

    def __init__(self) -> None:
        Exception.__init__(self, "its answer had no end")


def seconds(value: str) -> float | None:
    """Read the seconds that ``Retry-After`` asks for; None if it is anything else."""
    return float(value) if _SECONDS.fullmatch(value) else None


class _Message:
    """What the parser finds of one message; what follows its end is not of interest."""

    __slots__ = ("body", "complete", "fields", "headed")

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.headed = self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:  # and no trailer
            name, value = name.lower(), value.rstrip(b" ")
            self.fields[name] = self.fields[name] + b", " + value if name in self.fields else value

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, piece: bytes) -> None:
        if not self.complete:
            self.body += piece

    def on_message_complete(self) -> None:
        self.complete = True


class ReplyReader:
    r"""Puts one reply together.

    Attributes
    ----------
    reusable : bool
        Once the reply is there: whether another request may follow on the connection. Not if one of the two sides
        wants it closed, and not if there were bytes after the end of the reply.

    Examples
    --------
    >>> reader = ReplyReader()
    >>> reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nOK: ")
    >>> reader.feed(b"605").text, reader.reusable
    ('OK: 605', True)
    """

    def __init__(self) -> None:
        self.reusable = False
        self._status = 0
        self._framed = self._lasting = False
        self._retry_after: float | None = None
        self._coded = 0
        self._messages = 0
        self._begin()

    def _begin(self) -> None:
        """Expect the head of a message: an interim one, or the reply itself."""
        if self._messages > _MOST_INTERIM:
            raise Endless
        self._messages += 1
        self._head = bytearray()
        self._message = _Message()
        self._parser = httptools.HttpResponseParser(self._message)
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)  # as old Apaches write them

    def feed(self, data: bytes) -> Reply | None:
        """Take what arrived, nothing if the connection ended; gives the reply when it is complete.

        Raises
        ------
        Unreadable
            There will be no reply.
        """
        if not data:
            return self._ended()
        while not self._status:
            data = self._read_head(data)
            if not self._message.headed:
                return None
            self._status = self._judge_head()
            if not self._status:
                self._begin()
        return self._read_body(data)

    def _ended(self) -> Reply:
        """Take the end of the connection for the end of a body that states no other."""
        if self._framed or not self._status:
            raise BrokenOff(begun=bool(self._head) or self._messages > 1)
        return self._reply()

    def _reply(self) -> Reply:
        return Reply(self._status, bytes(self._message.body), self._retry_after)

    def _read_head(self, data: bytes) -> bytes:
        """Read up to the end of a head; gives what follows it."""
        start = max(0, len(self._head) + 1 - len(_END_OF_HEAD))
        self._head += data
        end = self._head.find(_END_OF_HEAD, start)
        after = len(self._head) - end - len(_END_OF_HEAD) if end >= 0 else 0
        del self._head[len(self._head) - after :]
        if len(self._head) > _MOST_AROUND:
            raise Endless
        if not _START.startswith(beginning := self._head[: len(_START)]):
            raise Unreadable(_EMPTY_LINE if beginning[0] in b"\r\n" else _FOREIGN)
        self._parse(data[: len(data) - after])
        if self._message.headed != (end >= 0):
            raise Unreadable(_TWO_ENDS)
        return data[len(data) - after :]

    def _judge_head(self) -> int:
        """Check what the parser allows; gives the status of a reply, 0 for an interim one."""
        status, fields = self._parser.get_status_code(), self._message.fields
        if status == _SWITCHING:
            raise Unreadable(_SWITCHED)
        if status in _INTERIM:
            return 0
        if status not in _FINAL:
            raise Unreadable(_STATUS)
        if fields.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Unreadable(_COMPRESSED)
        length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise Unreadable(_CODED)
        if length is not None and status not in _NO_CONTENT and int(length) > LARGEST:
            raise Endless
        wishes = fields.get(b"connection", b"").lower()
        lasting = b"close" not in wishes and (self._head.startswith(b"HTTP/1.1") or b"keep-alive" in wishes)
        self._framed = length is not None or coding is not None or status in _NO_CONTENT
        self._lasting = self._framed and lasting
        self._retry_after = seconds(fields.get(b"retry-after", b"").decode("latin-1"))
        return status

    def _read_body(self, data: bytes) -> Reply | None:
        message, surplus = self._message, False
        for piece in (data[:-1], data[-1:]):  # apart, to see whether the reply ends with the last byte
            if piece:
                surplus = message.complete
                self._parse(piece)
        self._coded += len(data)
        if message.complete and len(message.body) <= LARGEST:
            self.reusable = self._lasting and not surplus
            return self._reply()
        if len(message.body) > LARGEST or self._coded - len(message.body) > _MOST_AROUND:
            raise Endless
        return None

    def _parse(self, data: bytes) -> None:
        if self._message.complete:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._message.complete:  # else it is about what follows
                raise Unreadable(self._why()) from None

    def _why(self) -> str:
        """Say why the parser refused what it got."""
        if self._message.headed:
            return _CHUNK
        return next((flaw for form, flaw in _REFUSED if form.search(self._head)), _HEAD)
