"""Many connections to the gateway in one thread: sockets that do not block, and one place to wait for all of them.

How a connection carries a request is written as a generator that yields what it waits for: the socket to be readable
or writable. Nothing here tries twice. A request of which a byte may have left is in doubt when its reply does not
come; before that it was provably not sent.
"""

from __future__ import annotations

import errno
import math
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from clicknb.gateway.address import check_base_url, is_loopback
from clicknb.gateway.deadline import GRACE
from clicknb.gateway.http.wire import Reply, Request
from clicknb.gateway.http1 import ReplyReader, Unreadable
from clicknb.gateway.transport import IDLE, Answer, authorities, failure, reason_of

__all__ = ["Connections", "needs_proxy"]

_READ = selectors.EVENT_READ
_WRITE = selectors.EVENT_WRITE
_PIECE = 65_536
_CONNECTING = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})

Value = TypeVar("Value")
Steps = Generator[int, None, Value]
"""Work with waits in between: it yields ``_READ`` or ``_WRITE``, and goes on when the socket is ready for that."""


def needs_proxy(url: str) -> bool:
    """Whether the environment wants an address reached through a proxy, which ``Connections`` does not know.

    Examples
    --------
    >>> needs_proxy("http://127.0.0.1:8080")
    False
    """
    return not is_loopback(url) and select_proxy(url, get_environ_proxies(url)) is not None


class Connections:
    """Several connections to the gateway, each with at most one request on its way, see ``transport.Exchange``.

    POST only, no redirects, TLS verified. A connection is opened when it is first needed, and again when it was idle
    for too long, when the gateway has closed it, or when something arrived on it that nobody asked for.

    Parameters
    ----------
    base_url
        Such as ``https://api.clickatell.com``, see ``check_base_url``.
    connections
        Requests on their way at the same time, at most.
    connect_timeout
        Seconds to wait for a connection, TLS included.
    read_timeout
        Seconds from the first byte of a request to the last one of its reply.
    idle
        Seconds after which a connection is not written to again.

    Raises
    ------
    ConfigError
        The address is refused, or the environment names certificate authorities that are not there.
    """

    def __init__(
        self,
        base_url: str,
        connections: int,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        idle: float = IDLE,
    ) -> None:
        gateway = _Gateway(base_url, connect_timeout, read_timeout, idle)
        self.connections = connections
        self._base_url = gateway.base_url
        self._selector = selectors.DefaultSelector()
        self._connections = [_Connection(gateway, self._selector, slot) for slot in range(connections)]
        self._flying: dict[int, tuple[Request, Steps[Reply]]] = {}
        self._answers: list[tuple[int, Answer]] = []

    def __str__(self) -> str:
        return self._base_url

    def start(self, slot: int, request: Request) -> None:
        """Put a request on its way on a free connection, see ``Exchange``."""
        self._check_free(slot)
        self._flying[slot] = (request, self._connections[slot].carry(request))
        self._advance(slot)

    def wait(self, timeout: float | None = None) -> list[tuple[int, Answer]]:
        """Wait until there is an answer, see ``Exchange``."""
        now = time.monotonic()
        end = math.inf if timeout is None else now + timeout
        while self._flying and not self._answers:
            due = min(self._connections[slot].deadline for slot in self._flying)
            self._turn(max(0.0, min(due, end) - now))
            now = time.monotonic()
            if now >= due:
                self._give_up_late(now)
            if now >= end:
                break
        answers, self._answers = self._answers, []
        return answers

    def drop(self, slot: int) -> None:
        """Close a free connection, see ``Exchange``."""
        self._check_free(slot)
        self._connections[slot].close()

    def close(self) -> None:
        """Close all connections, see ``Exchange``."""
        for connection in self._connections:
            connection.close()
        self._flying.clear()
        self._selector.close()

    def _check_free(self, slot: int) -> None:
        if slot in self._flying or not 0 <= slot < self.connections:
            message = f"connection {slot} of {self.connections} is not free"
            raise ValueError(message)

    def _turn(self, timeout: float) -> set[int]:
        """Let each connection that is ready do one thing, so that none keeps the others waiting; gives those."""
        ready = [key.data for key, _ in self._selector.select(timeout)]
        for slot in ready:
            self._advance(slot)
        return set(ready)

    def _give_up_late(self, now: float) -> None:
        """Give up whose time is over, once what is there has been read: this process may have been stopped."""
        while (late := self._late(now)) & self._turn(0.0) and time.monotonic() < now + GRACE:
            pass
        for slot in late & self._late(now):
            self._advance(slot, late=True)

    def _late(self, now: float) -> set[int]:
        return {slot for slot in self._flying if self._connections[slot].deadline <= now}

    def _advance(self, slot: int, *, late: bool = False) -> None:
        """Let a connection do what it can do now."""
        connection = self._connections[slot]
        if slot not in self._flying:  # readable between two requests: most likely the gateway closes it
            connection.close_if_stale()
            return
        request, steps = self._flying[slot]
        try:
            connection.watch(steps.throw(TimeoutError()) if late else next(steps))
        except StopIteration as end:
            self._settle(slot, end.value)
        except (OSError, Unreadable) as error:
            connection.close()
            reason = reason_of(error, begun=connection.begun)
            self._settle(slot, failure(request, self._base_url, reason, arrived=connection.begun))
        except BaseException:  # interrupted anywhere: nobody can tell how far it came
            connection.close()
            self._settle(slot, failure(request, self._base_url, "it was interrupted", arrived=True))
            raise

    def _settle(self, slot: int, outcome: Answer) -> None:
        del self._flying[slot]
        self._answers.append((slot, outcome))


class _Gateway:
    """Where the gateway is, how it is spoken to, and how long it is waited for."""

    def __init__(self, base_url: str, connect_timeout: float, read_timeout: float, idle: float) -> None:
        self.base_url = check_base_url(base_url)
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.idle = idle
        place = urlsplit(self.base_url)
        self.host = place.hostname or ""
        self.tls = _tls() if place.scheme == "https" else None
        self._port = place.port or (443 if self.tls else 80)
        self._addresses: list[tuple[socket.AddressFamily, Any]] = []
        self._fields = (
            f"Host: {place.netloc}\r\nUser-Agent: clicknb\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
        ).encode("ascii")

    def addresses(self) -> list[tuple[socket.AddressFamily, Any]]:
        """Resolve the name, once."""
        if not self._addresses:
            found = socket.getaddrinfo(self.host, self._port, type=socket.SOCK_STREAM)
            self._addresses = [(family, address) for family, _, _, _, address in found]
        return list(self._addresses)

    def prefer(self, address: tuple[socket.AddressFamily, Any]) -> None:
        """Try an address that worked before the others from now on."""
        if self._addresses[0] != address:
            self._addresses.remove(address)
            self._addresses.insert(0, address)

    def write(self, request: Request) -> memoryview:
        """Write a request as the bytes that travel; as a view, because those show secrets in a traceback."""
        body = request.body
        head = b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n"
        return memoryview(head % (request.path.encode("ascii"), self._fields, len(body)) + body)


def _tls() -> ssl.SSLContext:
    """Trust the same authorities as single requests do."""
    place = authorities() or DEFAULT_CA_BUNDLE_PATH
    is_folder = Path(place).is_dir()
    context = ssl.create_default_context(cafile=None if is_folder else place, capath=place if is_folder else None)
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # Python 3.11 before .4: a cut reply looked whole
    return context


class _Connection:
    """One connection.

    Attributes
    ----------
    deadline : float
        When what it does now is given up, on the monotonic clock.
    begun : bool
        Whether a byte of the present request may have left.
    """

    def __init__(self, gateway: _Gateway, selector: selectors.BaseSelector, slot: int) -> None:
        self.deadline = 0.0
        self.begun = False
        self._gateway = gateway
        self._selector = selector
        self._slot = slot
        self._socket: socket.socket | None = None
        self._watched = 0
        self._used = 0.0

    def carry(self, request: Request) -> Steps[Reply]:
        """Take one request to the gateway and bring its reply."""
        self.begun = False
        if time.monotonic() - self._used > self._gateway.idle:
            self.close()
        self.close_if_stale()
        sock = self._socket or (yield from self._open())
        self.deadline = time.monotonic() + self._gateway.read_timeout
        yield from self._write(sock, self._gateway.write(request))
        reader = ReplyReader()
        reply = None
        while reply is None:
            yield _READ  # after each piece, so that no flood keeps the others waiting or outlasts its time
            reply = reader.feed((yield from _when_ready(partial(sock.recv, _PIECE), _READ)))
        self._used = time.monotonic()
        if not reader.reusable:
            self.close()
        return reply

    def watch(self, events: int) -> None:
        """Say what the socket is waited for; 0 for nothing."""
        if self._socket is None or events == self._watched:
            return
        if not self._watched:
            self._selector.register(self._socket, events, self._slot)
        elif not events:
            self._selector.unregister(self._socket)
        else:
            self._selector.modify(self._socket, events, self._slot)
        self._watched = events

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._socket is not None:
            self.watch(0)
            self._socket.close()
            self._socket = None

    def close_if_stale(self) -> None:
        """Close it unless it is open and silent, as it has to be between two requests."""
        if self._socket is None:
            return
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            pass
        self.close()

    def _open(self) -> Steps[socket.socket]:
        """Connect to the first address that answers; each may use up its share of the time."""
        started, patience = time.monotonic(), self._gateway.connect_timeout
        addresses = self._gateway.addresses()
        for number, address in enumerate(addresses, 1):
            self.deadline = started + patience * number / len(addresses)
            try:
                sock = yield from self._connect(*address)
            except OSError:
                self.close()
                if number == len(addresses):
                    raise
            else:
                break
        self._gateway.prefer(address)
        self.deadline = started + patience
        return (yield from self._secure(sock, self._gateway.tls)) if self._gateway.tls else sock

    def _connect(self, family: socket.AddressFamily, address: Any) -> Steps[socket.socket]:
        sock = self._socket = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        result = sock.connect_ex(address)
        if result in _CONNECTING:
            yield _WRITE
            result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result:
            raise OSError(result, "connect")
        return sock

    def _secure(self, sock: socket.socket, tls: ssl.SSLContext) -> Steps[socket.socket]:
        self.watch(0)  # the new socket takes the place of the old one
        secured = self._socket = tls.wrap_socket(
            sock, server_hostname=self._gateway.host, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        yield from _when_ready(secured.do_handshake, _WRITE)
        return secured

    def _write(self, sock: socket.socket, left: memoryview) -> Steps[None]:
        while left:
            self.begun = self.begun or self._gateway.tls is not None  # which may hand over a part and then fail
            written = yield from _when_ready(partial(sock.send, left), _WRITE)
            self.begun = True
            left = left[written:]


def _when_ready(action: Callable[[], Value], events: int) -> Steps[Value]:
    """Do something with a socket as soon as it does not block."""
    while True:
        try:
            return action()
        except ssl.SSLWantReadError:
            needed = _READ
        except ssl.SSLWantWriteError:
            needed = _WRITE
        except BlockingIOError:
            needed = events
        yield needed
