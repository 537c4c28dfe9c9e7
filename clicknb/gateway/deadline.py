"""Reads the replies to single requests: by the same rules as those to many, and in time, however slowly they drip in.

The timeout of a socket begins anew with every byte. Here it counts from the moment that the request has left.
"""

from __future__ import annotations

import http.client
import io
import math
import ssl
import time
from typing import TYPE_CHECKING, Any

import urllib3
from requests.adapters import HTTPAdapter

from clicknb.gateway.http1 import ReplyReader

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

GRACE = 1.0
"""Seconds in which an answer that is late may still be read, if it is there: this process may have been stopped."""

_PIECE = 65_536


class _Timed(io.RawIOBase):
    """Reads from a socket until a moment, however small the pieces are in which its bytes drip in."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held = sock.makefile("rb", buffering=0)  # so that the socket stays open as long as this does
        if isinstance(sock, ssl.SSLSocket):
            # else an answer that was cut looks whole
            sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # since Python 2.6
        self._patience = sock.gettimeout()
        self._end = time.monotonic() + (self._patience or math.inf)
        self._last = math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        left = self._end - time.monotonic()
        try:
            return self._read(buffer, left) if left > 0 else self._read_late(buffer)
        except TimeoutError:
            return self._read_late(buffer)
        finally:
            self._sock.settimeout(self._patience)

    def _read(self, buffer: WriteableBuffer, left: float) -> int:
        self._sock.settimeout(None if left == math.inf else left)
        return self._sock.recv_into(buffer)

    def _read_late(self, buffer: WriteableBuffer) -> int:
        """Read what is there already."""
        self._last = min(self._last, time.monotonic() + GRACE)
        if time.monotonic() > self._last:
            raise TimeoutError
        self._sock.settimeout(0.0)
        try:
            return self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise TimeoutError from None

    def close(self) -> None:
        self._held.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A reply that is read as a whole, and shows itself with what matters of it."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Timed(sock), _PIECE)

    def begin(self) -> None:
        if self.headers is not None:
            return
        reader = ReplyReader()
        while (reply := reader.feed(self.fp.read1(_PIECE))) is None:
            pass
        self.fp.close()
        self.fp = io.BufferedReader(io.BytesIO(reply.body))
        self.code = self.status = reply.status
        self.reason, self.version = "", 11
        self.headers = self.msg = http.client.HTTPMessage()
        if reply.retry_after is not None:
            self.headers["Retry-After"] = f"{reply.retry_after:.0f}"
        self.chunked, self.length = False, len(reply.body)
        self.will_close = not reader.reusable


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class TimedAdapter(HTTPAdapter):
    """The adapter of ``requests`` without retries, and with a limit on the whole time that a reply takes."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let direct connections read in time."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.PoolManager:
        """Let connections through a proxy read in time."""
        manager: urllib3.PoolManager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
