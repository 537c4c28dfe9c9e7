"""The measurement that chose the transport: the same exchange made of threads, of aiohttp, and of sockets.

``python -m benchmarks.transports``; no ledger, one message a request, 64 connections.
"""

from __future__ import annotations

import asyncio
import os
import queue
import statistics
import threading
import time
from collections.abc import Callable

import aiohttp

from benchmarks.clients import CONNECTIONS, Job
from benchmarks.machine import CORES
from benchmarks.run import gateway
from clicknb.gateway.connections import Connections
from clicknb.gateway.http.wire import Reply, Request
from clicknb.gateway.transport import Answer, Exchange, RequestsTransport, ThreadedExchange


class AiohttpExchange:
    """aiohttp in a thread of its own; without the handling of failures."""

    def __init__(self, url: str, connections: int) -> None:
        self.connections = connections
        self._url = url
        self._answers: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
        self._flying = 0
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._session = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    async def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=self.connections))

    def start(self, slot: int, request: Request) -> None:
        self._flying += 1
        asyncio.run_coroutine_threadsafe(self._post(slot, request), self._loop)

    async def _post(self, slot: int, request: Request) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with self._session.post(self._url + request.path, data=request.body, headers=headers) as response:
            self._answers.put((slot, Reply(response.status, await response.read())))

    def wait(self, timeout: float | None = None) -> list[tuple[int, Answer]]:
        answers = [self._answers.get(timeout=timeout)] if self._flying else []
        while not self._answers.empty():
            answers.append(self._answers.get())
        self._flying -= len(answers)
        return answers

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)


EXCHANGES: dict[str, Callable[[str, int], Exchange]] = {
    "threads and requests": lambda url, count: ThreadedExchange(lambda: RequestsTransport(url), count),
    "aiohttp in a thread": AiohttpExchange,
    "sockets and a selector": Connections,
}


def once(exchange: Exchange, size: int) -> tuple[float, float]:
    """Send ``size`` messages; returns messages a second and milliseconds of CPU time a message."""
    left = iter(Job("own text", size).requests())
    free, done = list(range(exchange.connections)), 0
    cpu, start = time.process_time(), time.perf_counter()
    while done < size:
        while free and (form := next(left, None)):
            exchange.start(free.pop(), Request("sendmsg", form[1]))
        for slot, _ in exchange.wait():
            free.append(slot)
            done += 1
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    exchange.close()
    return size / seconds, used / size * 1000


def main(rounds: int = 5) -> None:
    os.sched_setaffinity(0, CORES[:1])
    print("| exchange | latency, ms | messages/s | client CPU, ms a message |\n|---|---:|---:|---:|")
    for latency, size in ((0.0, 4000), (0.05, 2000)):
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in EXCHANGES}
        with gateway(latency) as place:
            for _ in range(rounds):
                for name, make in EXCHANGES.items():
                    measured[name].append(once(make(place.url, CONNECTIONS), size))
        for name, found in measured.items():
            rate, cpu = (statistics.median(values) for values in zip(*found, strict=True))
            print(f"| {name} | {latency * 1000:.0f} | {rate:,.0f} | {cpu:.3f} |")


if __name__ == "__main__":
    main()
