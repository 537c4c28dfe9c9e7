"""The gateway as a real HTTP/1.1 server on loopback, in a thread of its own.

Besides the gateway's commands it answers, to callers on this machine only, ``POST /sandbox/advance?seconds=N``,
``GET /sandbox/messages`` (what was accepted, for whoever checks a sender) and ``GET /sandbox/numbers``.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Self
from urllib.parse import parse_qs

from aiohttp import web

from clicknb.simulator.gateway import Gateway
from clicknb.simulator.message import Message
from clicknb.simulator.replies import Response, page

_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)
_LONGEST_LINE = 2**16  # 300 recipients and 35 parts of Unicode text by GET
_SLOW = 2.0
_PIECE = 5
_TURNS = 5  # of the loop; to make a connection takes three


def serve(gateway: Gateway, *, port: int = 0, speed: float = 1.0, start: datetime | None = None) -> Server:
    """Serve a gateway over HTTP on this machine.

    Parameters
    ----------
    gateway
        Who answers.
    port
        Where; 0 for any free one.
    speed
        How many seconds pass at the gateway in one of ours.
    start
        The gateway's time to begin with; now, unless told otherwise.

    Returns
    -------
    Server
        Running; close it, or use it in a ``with`` statement.

    Raises
    ------
    OSError
        The port is taken.

    Examples
    --------
    >>> with serve(Gateway()) as server:
    ...     server.url
    'http://127.0.0.1:...'
    """
    return Server(gateway, port=port, speed=speed, start=start)


class Server:
    """A running server; :attr:`url` is where, :attr:`gateway` who answers.

    Its time runs ``speed`` times as fast as ours, and :meth:`advance` lets some of it pass at once.
    """

    def __init__(self, gateway: Gateway, *, port: int, speed: float, start: datetime | None) -> None:
        self.gateway = gateway
        self._speed = speed
        self._start = start or datetime.now(UTC)
        self._began = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        bound: Future[int] = Future()
        self._thread = Thread(target=self._run, args=(port, bound), name="clicknb-sandbox", daemon=True)
        self._thread.start()
        try:
            self.url = f"http://127.0.0.1:{bound.result()}"
        except OSError:
            self._thread.join()
            raise

    def __repr__(self) -> str:
        return f"<Server {self.url}: {self.gateway!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def now(self) -> datetime:
        """Tell the gateway's time."""
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._speed)

    def advance(self, seconds: float) -> None:
        """Let time pass at the gateway, at once."""
        self._start += timedelta(seconds=seconds)

    def close(self) -> None:
        """Stop serving; a second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self, port: int, bound: Future[int]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(port, bound))

    async def _serve(self, port: int, bound: Future[int]) -> None:
        server = web.Server(self._handle, access_log=None, max_line_size=_LONGEST_LINE, max_field_size=_LONGEST_LINE)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            door = socket.create_server(("127.0.0.1", port))
            await web.SockSite(runner, door).start()
        except OSError as error:
            bound.set_exception(error)
        else:
            bound.set_result(door.getsockname()[1])
            await self._stop.wait()
            await self._let_nobody_in(door)
        finally:
            await runner.cleanup()

    async def _let_nobody_in(self, door: socket.socket) -> None:
        """Accept no more, and let those in who were accepted: once it is closed, asyncio forgets whoever comes."""
        self._loop.remove_reader(door)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        body = await request.read()
        if path.startswith("/sandbox/"):
            return self._own(request, path, query)
        response = self.gateway.handle(
            path,
            self.now(),
            method=request.method,
            query=query.encode("utf-8", "surrogateescape"),
            body=body,
            content_type=request.headers.get("Content-Type", ""),
        )
        return await _wear(request, response)

    def _own(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        """Answer one of the sandbox's own addresses; a page of another host is not to reach them by a rebound name."""
        if not _LOOPBACK.fullmatch(request.headers.get("Host", "")):
            return _plain(page(403, "Forbidden"))
        match request.method, path:
            case "POST", "/sandbox/advance":
                return self._advance(query)
            case "GET", "/sandbox/messages":
                now = self.now()
                return web.json_response([_row(message, now) for message in self.gateway.messages])
            case "GET", "/sandbox/numbers":
                return web.json_response(self.gateway.numbers())
            case _:
                return _plain(page(404, "Not Found"))

    def _advance(self, query: str) -> web.StreamResponse:
        try:
            seconds = float(parse_qs(query)["seconds"][0])
            if seconds < 0:
                return _plain(page(400, "Bad Request"))
            self.advance(seconds)
        except (KeyError, ValueError, OverflowError):
            return _plain(page(400, "Bad Request"))
        return web.json_response({"now": self.now().isoformat()})


def _row(message: Message, now: datetime) -> dict[str, str | int]:
    """Write a message for a checker."""
    return {
        "apimsgid": message.apimsgid,
        "climsgid": message.climsgid,
        "to": message.to,
        "sender": message.sender,
        "text": message.text,
        "encoding": message.encoding,
        "parts": message.parts,
        "charge": str(message.charged(now)),
        "status": message.status(now),
        "accepted_at": message.accepted_at.isoformat(),
    }


def _plain(response: Response) -> web.Response:
    return web.Response(status=response.status, body=response.body, headers=response.headers)


async def _wear(request: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Answer, with whatever is to go wrong with the connection."""
    match response.fault:
        case "refused" | "reset" | "lost":  # it is too late to refuse a connection
            return _hang_up(request)
        case "slow":
            await asyncio.sleep(_SLOW)
            return _plain(response)
        case "drip" | "truncated":
            return await _drip(request, response)
        case _:
            return _plain(response)


def _hang_up(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _drip(request: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Send a few bytes at a time; of a truncated answer less than was promised."""
    truncated = response.fault == "truncated"
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = 2 * len(response.body) + 1 if truncated else len(response.body)
    await stream.prepare(request)
    for start in range(0, len(response.body), _PIECE):
        await stream.write(response.body[start : start + _PIECE])
        await asyncio.sleep(0.002)
    if truncated and request.transport is not None:
        request.transport.close()
    return stream
