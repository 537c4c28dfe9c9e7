"""Takes a request to the gateway and brings its reply back, or says how far the request came.

``NotSent`` means that the gateway cannot have accepted anything: the body of the request never began to leave.
``InDoubt`` means that it may have. Nothing here tries twice.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import requests
import urllib3
from requests.utils import get_environ_proxies

from clicknb.errors import ConfigError, InDoubt, NotSent, TransportError
from clicknb.gateway.address import check_base_url, is_loopback
from clicknb.gateway.deadline import TimedAdapter
from clicknb.gateway.http.wire import Reply, Request
from clicknb.gateway.http1 import Unreadable, seconds

logger = logging.getLogger(__name__)

IDLE = 2.0
"""Seconds after which a connection is not written to again: the gateway may be closing it at that moment."""


class Transport(Protocol):
    """Takes one request at a time to the gateway."""

    def send(self, request: Request) -> Reply:
        """Send a request once and wait for its reply.

        Raises
        ------
        NotSent
            The request cannot have been accepted.
        InDoubt
            The request may have been accepted.
        """

    def close(self) -> None:
        """Close connections; the next request opens them again."""


class _Body:
    """The body of a request that knows whether it began to leave.

    It is asked for when the connection stands and the headers are written. Before that, whatever went wrong, the
    gateway cannot have accepted anything.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.begun = False

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self._content


# --- over the network ------------------------------------------------------------------------------------------


class RequestsTransport:
    """One connection to the gateway by ``requests``: POST only, no redirects, no retries, TLS verified.

    Proxies and a bundle of certificate authorities are taken from the environment once, when it is made; nothing
    else is, so no ``.netrc`` can add headers. Calls from several threads follow one after the other.

    Parameters
    ----------
    base_url
        Such as ``https://api.clickatell.com``, see ``check_base_url``.
    connect_timeout
        Seconds to wait for a connection.
    read_timeout
        Seconds to wait for the whole reply, from the moment that the request has left.

    Raises
    ------
    ConfigError
        The address is refused, or the environment names certificate authorities that are not there.
    """

    def __init__(self, base_url: str, *, connect_timeout: float = 5.0, read_timeout: float = 60.0) -> None:
        self.base_url = check_base_url(base_url)
        self._timeout = (connect_timeout, read_timeout)
        self._lock = threading.Lock()
        self._used = time.monotonic()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": "clicknb", "Accept-Encoding": "identity"})
        self._session.mount("https://", TimedAdapter(max_retries=0))
        self._session.mount("http://", TimedAdapter(max_retries=0))
        if not is_loopback(self.base_url):
            self._session.proxies.update(get_environ_proxies(self.base_url))
        self._session.verify = authorities() or True

    def __str__(self) -> str:
        return self.base_url

    def send(self, request: Request) -> Reply:
        """Send a request once and wait for its reply, see ``Transport``."""
        body = _Body(request.body)
        with self._lock:
            if time.monotonic() - self._used > IDLE:
                self._session.close()
            try:
                return self._post(self.base_url + request.path, body)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, Unreadable) as error:
                reason = reason_of(error, begun=body.begun)
            finally:
                self._used = time.monotonic()
        # Raised out here, so that it does not carry the other exception and the request inside it along.
        raise failure(request, self.base_url, reason, arrived=body.begun)

    def _post(self, url: str, body: _Body) -> Reply:
        response = self._session.post(
            url,
            data=body,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=self._timeout,
            allow_redirects=False,
        )
        return Reply(response.status_code, response.content, _retry_after(response.headers))

    def close(self) -> None:
        """Close connections; the next request opens them again."""
        self._session.close()


def authorities() -> str:
    """Find the bundle of certificate authorities that the environment names; empty for the usual one."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""
    if bundle and not Path(bundle).exists():
        message = (
            "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that is not there, so nobody's certificate could be"
            " verified. Nothing was contacted. Correct or remove the variable."
        )
        raise ConfigError(message)
    return bundle


_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
    (requests.exceptions.ProxyError, "the proxy did not connect to it", "the proxy did not connect to it"),
    ((TimeoutError, requests.Timeout), "it did not take the connection in time", "it did not answer in time"),
    (
        (ssl.SSLError, requests.exceptions.SSLError),
        "no trustworthy TLS connection came about",
        "its answer broke off",
    ),
    (Exception, "the connection failed", "the connection failed"),
)
"""What failed, in the words for before and after the first byte of a request had left; replies have their own."""


def reason_of(error: Exception, *, begun: bool) -> str:
    """Say in a few words why there is no reply; ``begun`` if a byte of the request may have left."""
    if isinstance(error, Unreadable):
        return str(error)
    return next(after if begun else before for kind, before, after in _REASONS if isinstance(error, kind))


def failure(request: Request, where: str, reason: str, *, arrived: bool) -> TransportError:
    """Make the error for a request that brought no reply; it holds the command and the place, and nothing else."""
    if not arrived:
        remedy = "The request never left, so nothing was accepted. Check the network and try again."
        return NotSent(f"{request.command}: no answer from {where}, {reason}. {remedy}", reason=reason)
    start = f"{request.command}: no readable answer from {where}, {reason}."
    if request.is_send:
        return InDoubt(
            f"{start} The message may have been accepted and counts as unknown. Do not send it again: ask the"
            " gateway about its climsgid first.",
            reason=reason,
        )
    effect = "The command may have been carried out. Messages accepted before are not affected."
    return InDoubt(f"{start} {effect}", reason=reason)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    return seconds(next((value for name, value in headers.items() if name.lower() == "retry-after"), ""))


# --- in this process -------------------------------------------------------------------------------------------

Handler = Callable[[str, bytes], tuple[int, Mapping[str, str], bytes]]
"""Takes path and body, gives HTTP status, headers and body."""


class InProcessTransport:
    """Calls a gateway that lives in this process.

    Parameters
    ----------
    answer
        The gateway. ``ConnectionRefusedError`` says that it took nothing; any other ``OSError`` loses the reply.
    """

    def __init__(self, answer: Handler) -> None:
        self._answer = answer

    def __str__(self) -> str:
        return "a gateway inside this process"

    def send(self, request: Request) -> Reply:
        """Send a request once, see ``Transport``."""
        try:
            status, headers, body = self._answer(request.path, request.body)
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
        else:
            return Reply(status, body, _retry_after(headers))
        raise failure(request, str(self), "the connection failed", arrived=not refused)

    def close(self) -> None:
        """Do nothing; there is no connection."""


# --- many at once ----------------------------------------------------------------------------------------------

Answer = Reply | TransportError


class Exchange(Protocol):
    """Several connections to the gateway, each with at most one request on its way. For one caller."""

    connections: int

    def start(self, slot: int, request: Request) -> None:
        """Put a request on its way on a free connection, counted from 0."""

    def wait(self, timeout: float | None = None) -> list[tuple[int, Answer]]:
        """Wait until there is an answer, and give all that are there with the connection that each came on.

        Empty after ``timeout`` seconds without one, and at once if nothing is on its way. After an interrupt it
        can be called again.
        """

    def drop(self, slot: int) -> None:
        """Close a free connection, because what came on it cannot be trusted; the next request opens a new one."""

    def close(self) -> None:
        """Close all connections. What is still on its way is not waited for."""


def _attempt(transport: Transport, request: Request) -> Answer:
    try:
        return transport.send(request)
    except TransportError as error:
        return error.with_traceback(None)


class SequentialExchange:
    """Answers each request before the next one starts; for a gateway in this process.

    Parameters
    ----------
    transport
        Stays open; its owner closes it.
    connections
        How many answers may wait to be fetched.
    """

    def __init__(self, transport: Transport, connections: int = 1) -> None:
        self.connections = connections
        self._transport = transport
        self._answers: list[tuple[int, Answer]] = []

    def start(self, slot: int, request: Request) -> None:
        """Send a request and keep its answer, see ``Exchange``."""
        self._answers.append((slot, _attempt(self._transport, request)))

    def wait(self, timeout: float | None = None) -> list[tuple[int, Answer]]:
        """Give the answers, see ``Exchange``."""
        answers, self._answers = self._answers, []
        return answers

    def drop(self, slot: int) -> None:
        """Close what the transport has open, see ``Exchange``."""
        self._transport.close()

    def close(self) -> None:
        """Forget what was not fetched."""
        self._answers.clear()


class ThreadedExchange:
    """One thread and one transport for each connection, made when the connection is first used.

    Parameters
    ----------
    make_transport
        Makes a transport; the exchange closes it.
    connections
        Requests on their way at the same time, at most.
    """

    def __init__(self, make_transport: Callable[[], Transport], connections: int) -> None:
        self.connections = connections
        self._make_transport = make_transport
        self._transports: dict[int, Transport] = {}
        self._inboxes: dict[int, SimpleQueue[Request | None]] = {}
        self._busy: set[int] = set()
        self._answers: deque[tuple[int, Answer]] = deque()
        self._arrived = threading.Condition()

    def start(self, slot: int, request: Request) -> None:
        """Hand a request to the thread of that connection, see ``Exchange``."""
        self._check_free(slot)
        if slot not in self._inboxes:
            inbox: SimpleQueue[Request | None] = SimpleQueue()
            transport = self._transports[slot] = self._make_transport()
            work = threading.Thread(
                target=self._work, args=(slot, inbox, transport), name=f"clicknb-{slot}", daemon=True
            )
            work.start()
            self._inboxes[slot] = inbox
        self._busy.add(slot)
        self._inboxes[slot].put(request)

    def wait(self, timeout: float | None = None) -> list[tuple[int, Answer]]:
        """Wait until there is an answer, see ``Exchange``."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._answers or not self._busy, timeout)
            answers = list(self._answers)
            self._busy.difference_update(slot for slot, _ in answers)
            self._answers.clear()
        return answers

    def drop(self, slot: int) -> None:
        """Close the connection of an idle thread, see ``Exchange``."""
        self._check_free(slot)
        if slot in self._transports:
            self._transports[slot].close()

    def close(self) -> None:
        """Let idle threads end, and busy ones after their answer, see ``Exchange``."""
        for inbox in self._inboxes.values():
            inbox.put(None)
        self._inboxes.clear()

    def _check_free(self, slot: int) -> None:
        if slot in self._busy or not 0 <= slot < self.connections:
            message = f"connection {slot} of {self.connections} is not free"
            raise ValueError(message)

    def _work(self, slot: int, inbox: SimpleQueue[Request | None], transport: Transport) -> None:
        while (request := inbox.get()) is not None:
            try:
                outcome = _attempt(transport, request)
            except Exception:  # whatever it was, somebody waits for this connection
                logger.exception("%s failed on connection %d", request.command, slot)
                outcome = InDoubt("The program failed while sending; the request may have been accepted.")
            with self._arrived:
                self._answers.append((slot, outcome))
                self._arrived.notify()
        transport.close()
