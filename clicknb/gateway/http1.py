"""Reads one HTTP/1.1 reply from bytes as they come (RFC 9112). Pure: no sockets, no clock.

Strict, because an answer that can be read in two ways is no answer: what is not plainly right is ``Unreadable``.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

from clicknb.gateway.wire import Reply

LARGEST = 1_000_000
"""Bytes of a body; the gateway's largest answer, 600 lines of a list, has a tenth of that."""

_LONGEST_HEAD = 65_536
_LONGEST_LINE = 256

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?", re.ASCII)
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(r"\d{1,9}", re.ASCII)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,6})[ \t]*(?:;.*)?")
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)

_SWITCHING = 101
_NO_CONTENT = frozenset({204, 304})

Waiting = Generator[None, bytes, bytes]
"""Takes bytes until it has what it reads; no bytes at all mean that the other side has ended."""


class Unreadable(Exception):
    """The reply breaks the rules of HTTP."""


class BrokenOff(Unreadable):
    """The connection ended before the reply did."""


class Endless(Unreadable):
    """The reply is larger than any that the gateway could mean."""


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
        self._data = bytearray()
        self._steps = self._read()
        next(self._steps)

    def feed(self, data: bytes) -> Reply | None:
        """Take what arrived, nothing if the connection ended; gives the reply when it is complete.

        Raises
        ------
        Unreadable
            There will be no reply.
        """
        try:
            self._steps.send(data)
        except StopIteration as end:
            reply: Reply = end.value
            return reply
        return None

    def _read(self) -> Generator[None, bytes, Reply]:
        data = self._data
        head = _parse_head((yield from _until(data, b"\r\n\r\n", _LONGEST_HEAD)))
        while head.status < 200:  # noqa: PLR2004  # interim answers
            head = _parse_head((yield from _until(data, b"\r\n\r\n", _LONGEST_HEAD)))
        body = yield from _body(data, head)
        self.reusable = head.persistent and not data
        return Reply(head.status, body, head.retry_after)


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a reply says about what follows; ``length`` is None for a body that ends the connection."""

    status: int
    chunked: bool
    length: int | None
    persistent: bool
    retry_after: float | None


def _parse_head(head: bytes) -> _Head:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    found = _STATUS_LINE.fullmatch(status_line)
    if not found or int(found[2]) == _SWITCHING:
        raise Unreadable
    status = int(found[2])
    fields = _fields(lines)
    coding, length = fields.get("transfer-encoding", ""), fields.get("content-length", "")
    if coding.lower() not in {"", "chunked"} or (coding and length) or (length and not _LENGTH.fullmatch(length)):
        raise Unreadable  # a length stated twice is not a number either
    if fields.get("content-encoding", "identity").lower() != "identity":
        raise Unreadable
    wishes = fields.get("connection", "").lower()
    framed = bool(coding or length) or status in _NO_CONTENT
    retry = fields.get("retry-after", "")
    return _Head(
        status,
        chunked=bool(coding),
        length=int(length) if length else None,
        persistent=framed and "close" not in wishes and (found[1] == "1" or "keep-alive" in wishes),
        retry_after=float(retry) if _SECONDS.fullmatch(retry) else None,
    )


def _fields(lines: list[str]) -> dict[str, str]:
    """Read header fields by their names in lower case; repeated ones are joined by commas."""
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _FIELD_NAME.fullmatch(name):
            raise Unreadable
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _body(data: bytearray, head: _Head) -> Waiting:
    if head.status in _NO_CONTENT:
        return b""
    if head.chunked:
        return (yield from _chunks(data))
    if head.length is not None:
        return (yield from _exactly(data, head.length))
    while more := (yield):
        data += more
        if len(data) > LARGEST:
            raise Endless
    return _take(data, len(data))


def _chunks(data: bytearray) -> Waiting:
    body = bytearray()
    while True:
        found = _CHUNK_SIZE.fullmatch((yield from _until(data, b"\r\n", _LONGEST_LINE)))
        if not found:
            raise Unreadable
        if not (size := int(found[1], 16)):
            break
        if len(body) + size > LARGEST:
            raise Endless
        body += yield from _exactly(data, size)
        if (yield from _exactly(data, 2)) != b"\r\n":
            raise Unreadable
    left = _LONGEST_HEAD
    while trailer := (yield from _until(data, b"\r\n", left)):
        left -= len(trailer)
    return bytes(body)


def _exactly(data: bytearray, count: int) -> Waiting:
    """Read so many bytes."""
    if count > LARGEST:
        raise Endless
    while len(data) < count:
        yield from _more(data)
    return _take(data, count)


def _until(data: bytearray, mark: bytes, longest: int) -> Waiting:
    """Read up to a mark, which is taken away."""
    start = 0
    while (end := data.find(mark, start)) < 0 and len(data) <= longest:
        start = max(0, len(data) - len(mark) + 1)
        yield from _more(data)
    if not 0 <= end <= longest:
        raise Endless
    piece = _take(data, end)
    del data[: len(mark)]
    return piece


def _more(data: bytearray) -> Generator[None, bytes, None]:
    arrived = yield
    if not arrived:
        raise BrokenOff
    data += arrived


def _take(data: bytearray, count: int) -> bytes:
    piece = bytes(data[:count])
    del data[:count]
    return piece
