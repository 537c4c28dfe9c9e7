"""Gateways that answer for another message than the one that was asked for, and what a ledger may make of that."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

import clicknb as cn
from clicknb.simulator import Gateway, Response, replies
from tests.promise.harness import Recorder, soak

COUNT = soak(40, 200)
OTHERS = [f"447700900{number}" for number in range(900, 900 + 40)]


def ids_of(sms: cn.Account) -> list[str]:
    """List the ids that the gateway gave, as the ledger says."""
    return [entry["apimsgid"].lower() for entry in sms.context.ledger.attempts() if entry["apimsgid"]]


def assert_no_id_twice(sms: cn.Account) -> None:
    assert [name for name, count in Counter(ids_of(sms)).items() if count > 1] == []


def assert_every_id_is_its_own(sms: cn.Account, gateway: Gateway) -> None:
    """Find no id twice, and each with the message that the gateway gave it."""
    assert_no_id_twice(sms)
    owners = {message.apimsgid: (message.climsgid, message.to) for message in gateway.messages}
    for entry in sms.context.ledger.attempts():
        if entry["apimsgid"]:
            assert owners[entry["apimsgid"].lower()] == (entry["climsgid"], entry["to"])


class Liar(Recorder):
    """A gateway whose answers to one command are changed while it lies."""

    command = "sendmsg"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lies = True

    def lie(self, asked: dict[str, str], now: datetime) -> Response | None:
        """Answer instead, or not."""

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.lies and path.endswith(self.command):
            asked = {name: values[0] for name, values in parse_qs(request["body"].decode()).items()}
            if lie := self.lie(asked, now):
                self.arrived[f"lies {self.command}"] += 1
                return lie
        return super().handle(path, now, **request)

    def honestly(self, asked: dict[str, str], now: datetime) -> Response:
        """Do what was asked for, and answer truthfully."""
        return super().handle(f"/http/{self.command}", now, body=urlencode(asked).encode())


def named(apimsgid: str) -> Response:
    return replies.text(f"ID: {apimsgid}")


class Keeping(BaseHTTPRequestHandler):
    """Answers on one connection in a way that puts the two sides out of step."""

    protocol_version = "HTTP/1.1"
    server: Any
    previous: bytes = b""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.gateway.handle(self.path, datetime.now(UTC), body=body)
        if answer.fault in {"lost", "reset"}:
            self.close_connection = True
            return
        head = f"HTTP/1.1 {answer.status} OK\r\nContent-Length: {len(answer.body)}\r\n\r\n".encode()
        whole = head + answer.body
        if not self.path.endswith(self.server.command):
            self.wfile.write(whole)
            return
        with suppress(OSError):  # it was noticed, and the connection closed
            self.server.answer(self, whole)
        self.previous = whole

    def log_message(self, *_: Any) -> None:
        pass


class OutOfStep(ThreadingHTTPServer):
    """A server, or a proxy before it, that gives on a connection what belongs to another request of it."""

    daemon_threads = True

    def __init__(self, gateway: Gateway, how: str, command: str) -> None:
        super().__init__(("127.0.0.1", 0), Keeping)
        self.gateway = gateway
        self.command = command
        self.answer = getattr(self, f"_{how.replace(' ', '_')}")
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._luck = random.Random(how)

    def _the_one_before(self, connection: Keeping, whole: bytes) -> None:
        connection.wfile.write(connection.previous or whole)

    def _both(self, connection: Keeping, whole: bytes) -> None:
        connection.wfile.write(connection.previous + whole)

    def _a_copy_later(self, connection: Keeping, whole: bytes) -> None:
        connection.wfile.write(whole)
        if self._luck.random() < 0.2:
            threading.Timer(self._luck.uniform(0.005, 0.020), self._copy, (connection, whole)).start()

    def _a_copy_when_asked_again(self, connection: Keeping, whole: bytes) -> None:
        """Write the copy when the next request is there, so that it cannot be noticed before."""
        if connection.previous and self._luck.random() < 0.3:
            connection.wfile.write(connection.previous)
        connection.wfile.write(whole)

    def _copy(self, connection: Keeping, whole: bytes) -> None:
        with suppress(OSError, ValueError):
            connection.wfile.write(whole)

    def handle_error(self, *_: Any) -> None:
        """Take it as it is when the other side breaks a connection."""


@contextmanager
def out_of_step(gateway: Gateway, how: str, command: str = "sendmsg") -> Iterator[OutOfStep]:
    """Serve a gateway on connections where the replies to a command are not those to the requests."""
    with OutOfStep(gateway, how, command) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
