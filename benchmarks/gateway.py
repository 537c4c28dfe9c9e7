"""A gateway that does nothing but answer, as fast as Python can: no library, one thread, canned replies.

It is run as a process of its own, so that its work is not counted as the client's, and its ceiling is measured by
``limit.py`` beside every result. It counts what it answered, which is how a run is checked.
"""

from __future__ import annotations

import itertools
import re
import select
import socket
import sys
import time
from collections import deque
from urllib.parse import unquote

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"(?:api|cli)msgid=([0-9a-f]{32})", re.IGNORECASE)
_ABOUT_ONE = {b"querymsg": b"ID: %b Status: 004", b"getmsgcharge": b"apiMsgId: %b charge: 1 status: 004"}
_LIST = re.compile(rb"(?:^|[?&\n])to=([0-9%+,A-Fa-f]*)")


class Gateway:
    """Answers after ``latency`` seconds."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._ids = itertools.count(1)
        self._connections: dict[int, socket.socket] = {}
        self._read: dict[int, bytes] = {}
        self._late: deque[tuple[float, int, bytes]] = deque()
        self._poll = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._poll.register(self._listener, select.EPOLLIN)
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        while True:
            for number, _ in self._poll.poll(self._patience()):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._serve(number)
            now = time.monotonic()
            while self._late and self._late[0][0] <= now:
                _, number, reply = self._late.popleft()
                self._send(number, reply)

    def _patience(self) -> float:
        return max(0.0, self._late[0][0] - time.monotonic()) if self._late else -1

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection.fileno()] = connection
        self._poll.register(connection, select.EPOLLIN)

    def _serve(self, number: int) -> None:
        try:
            piece = self._connections[number].recv(262_144)
        except ConnectionError:
            piece = b""
        if not piece:
            self._connections.pop(number).close()
            self._read.pop(number, None)
            return
        data = self._read.pop(number, b"") + piece
        head, end, body = data.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        if not end or (found and len(body) < int(found[1])):
            self._read[number] = data
            return
        reply = self._answer(head, body)
        reply = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(reply), reply)
        if self._latency:
            self._late.append((time.monotonic() + self._latency, number, reply))
        else:
            self._send(number, reply)

    def _send(self, number: int, reply: bytes) -> None:
        if number in self._connections:
            self._connections[number].sendall(reply)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        target = head.split(b" ", 2)[1]
        command = target.partition(b"?")[0].rpartition(b"/")[2].removesuffix(b".php").lower()
        if command == b"sendmsg":
            found = _LIST.search(target) or _LIST.search(body)
            numbers = unquote(found[1].decode()).split(",") if found else [""]
            if len(numbers) == 1:
                return b"ID: %032x" % next(self._ids)
            return "\n".join(f"ID: {next(self._ids):032x} To: {number}" for number in numbers).encode()
        if command in _ABOUT_ONE:
            found = _ID.search(target) or _ID.search(body)
            return _ABOUT_ONE[command] % (found[1] if found else b"")
        canned = {
            b"auth": b"OK: " + b"f" * 32,
            b"getbalance": b"Credit: 1000000.0",
            b"routecoverage": b"OK: This prefix is currently supported. Charge: 1",
            b"count": b"%d" % (next(self._ids) - 1),
        }
        return canned.get(command, b"OK:")


if __name__ == "__main__":
    gateway = Gateway(float(sys.argv[1]))
    print(gateway.port, flush=True)
    gateway.run()
