"""The same requests by clicknb and by what a user would write instead.

A client gets the gateway's address and a job, prepares itself, and returns the work that is timed. The work returns
the answers, or a function that counts them, so that a run in which something was lost does not count.
"""

from __future__ import annotations

import asyncio
import itertools
import select
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import local
from typing import Literal
from urllib.parse import urlencode, urlsplit

import aiohttp
import httpx
import pandas as pd
import requests
from clickatell.http import Http

import clicknb

CONNECTIONS = 64
POOL = 8  # of the connections, those of one httpx client
LIST = 300
SESSION = "f" * 32
TIMEOUT = 60

Form = dict[str, str]
Answers = Sequence[object] | Callable[[], int]
Work = Callable[[], Answers]
Client = Callable[[str, "Job"], Work]


@dataclass(frozen=True)
class Job:
    """What is to be done ``size`` times."""

    kind: str
    size: int

    @property
    def people(self) -> pd.DataFrame:
        """Recipients, with numbers that belong to nobody."""
        numbers = [f"27999{number:06d}" for number in range(self.size)]
        return pd.DataFrame({"mobile": numbers, "name": [f"Person {number}" for number in range(self.size)]})

    @property
    def ids(self) -> list[str]:
        return [f"{number:032x}" for number in range(1, self.size + 1)]

    @property
    def template(self) -> str:
        return "Hello, see you on Tuesday at ten" if self.kind == "same text" else "Hi {name}, see you on Tuesday"

    def requests(self) -> list[tuple[str, Form]]:
        """List path and parameters of every request, one message each."""
        if self.kind == "statuses":
            return [("/http/querymsg", {"session_id": SESSION, "apimsgid": name}) for name in self.ids]
        if self.kind == "charges":
            return [("/http/getmsgcharge", {"session_id": SESSION, "apimsgid": name}) for name in self.ids]
        people = self.people
        texts = [self.template.format(name=name) for name in people["name"]]
        base = {"session_id": SESSION, "concat": "1"}
        return [
            ("/http/sendmsg", {**base, "to": to, "text": text, "climsgid": name})
            for to, text, name in zip(people["mobile"], texts, self.ids, strict=True)
        ]


# --- clicknb, with its record on a disk ---------------------------------------------------------------------------


def with_clicknb(url: str, job: Job) -> Work:
    return _clicknb(url, job, "each")


def with_clicknb_list(url: str, job: Job) -> Work:
    return _clicknb(url, job, "list")


def _clicknb(url: str, job: Job, mode: Literal["each", "list"]) -> Work:
    folder = tempfile.TemporaryDirectory(dir=Path(__file__).parent)
    sms = clicknb.connect(
        user="u", password="p", api_id="1", base_url=url, ledger=Path(folder.name, "l.sqlite"), concurrency=CONNECTIONS
    )
    sms.balance()  # authenticated, as the others are
    plan = None
    if job.kind in {"same text", "own text"}:
        plan = sms.plan(job.people, to="mobile", text=job.template, name="benchmark", mode=mode)

    def work() -> Answers:
        if plan is None:
            asked = sms.statuses(job.ids) if job.kind == "statuses" else sms.charges(job.ids)
            return closing(lambda: int(asked["status"].notna().sum()))
        campaign = plan.send(progress=False)
        return closing(lambda: campaign.counts.get("accepted", 0))

    def closing(count: Callable[[], int]) -> Callable[[], int]:
        def last() -> int:
            with folder, sms:
                return count()

        return last

    return work


# --- one after the other ------------------------------------------------------------------------------------------


def with_clickatell(url: str, job: Job) -> Work:
    package = Http("u", "p", 1)
    package.endpoint = urlsplit(url).netloc
    people, ids = job.people, job.ids
    numbers = list(people["mobile"])

    def work() -> Sequence[object]:
        if job.kind == "same text":
            lists = [numbers[start : start + LIST] for start in range(0, job.size, LIST)]
            return [sent for some in lists for sent in package.sendMessage(some, job.template) if sent["id"]]
        if job.kind == "own text":
            texts = [job.template.format(name=name) for name in people["name"]]
            sent = [package.sendMessage(to, text)[0] for to, text in zip(numbers, texts, strict=True)]
            return [one for one in sent if one["id"]]
        return [package.getMessageCharge(name) for name in ids]  # its queryMessage is the same

    return work


def with_requests_post(url: str, job: Job) -> Work:
    asked = job.requests()
    return lambda: [requests.post(url + path, data=form, timeout=TIMEOUT).text for path, form in asked]


def with_requests_session(url: str, job: Job) -> Work:
    asked = job.requests()

    def work() -> list[str]:
        with requests.Session() as session:
            return [session.post(url + path, data=form, timeout=TIMEOUT).text for path, form in asked]

    return work


# --- many at once -------------------------------------------------------------------------------------------------


def with_threads(url: str, job: Job) -> Work:
    asked = job.requests()
    mine = local()

    def post(request: tuple[str, Form]) -> str:
        if not hasattr(mine, "session"):
            mine.session = requests.Session()
        path, form = request
        text: str = mine.session.post(url + path, data=form, timeout=TIMEOUT).text
        return text

    def work() -> list[str]:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return list(pool.map(post, asked))

    return work


def with_httpx(url: str, job: Job) -> Work:
    """Share the connections among clients: for each request a client looks at all of its own, several times over."""
    asked = job.requests()
    tls = ssl.create_default_context()  # which takes longer than all requests together
    limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)

    async def take(client: httpx.AsyncClient, requests_left: Iterator[tuple[str, Form]]) -> list[str]:
        return [(await client.post(url + path, data=form)).text for path, form in requests_left]

    async def work() -> list[str]:
        async with AsyncExitStack() as stack:
            left, takers = iter(asked), []
            for _ in range(CONNECTIONS // POOL):
                client = httpx.AsyncClient(limits=limits, timeout=TIMEOUT, verify=tls)
                await stack.enter_async_context(client)
                takers += [take(client, left) for _ in range(POOL)]
            return list(itertools.chain(*await asyncio.gather(*takers)))

    return lambda: asyncio.run(work())


def with_aiohttp(url: str, job: Job) -> Work:
    asked = job.requests()

    async def take(session: aiohttp.ClientSession, requests_left: Iterator[tuple[str, Form]]) -> list[str]:
        answers = []
        for path, form in requests_left:
            async with session.post(url + path, data=form) as response:
                answers.append(await response.text())
        return answers

    async def work() -> list[str]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
            left = iter(asked)
            return list(itertools.chain(*await asyncio.gather(*(take(session, left) for _ in range(CONNECTIONS)))))

    return lambda: asyncio.run(work())


def with_bare_sockets(url: str, job: Job) -> Work:
    """Send requests that are bytes already and do not read the answers: the limit."""
    place = urlsplit(url)
    head = "POST {} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {}\r\n\r\n{}"
    forms = [(path, urlencode(form)) for path, form in job.requests()]
    asked = [head.format(path, len(form), form).encode("ascii") for path, form in forms]

    def work() -> list[bytes]:
        with select.epoll() as poll:
            sockets = {}
            for _ in range(CONNECTIONS):
                connection = socket.create_connection((place.hostname, place.port))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sockets[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
            left = iter(asked)
            answers: list[bytes] = []
            for connection, message in zip(sockets.values(), left, strict=False):
                connection.send(message)
            while len(answers) < len(asked):
                for number, _ in poll.poll():
                    answers.append(sockets[number].recv(65_536))
                    if message := next(left, b""):
                        sockets[number].send(message)
            for connection in sockets.values():
                connection.close()
            return answers

    return work


CLIENTS: dict[str, Client] = {
    "clicknb": with_clicknb,
    "clicknb, list mode": with_clicknb_list,
    "clickatell 0.1.2": with_clickatell,
    "requests.post": with_requests_post,
    "requests.Session": with_requests_session,
    "threads, requests.Session": with_threads,
    "httpx.AsyncClient": with_httpx,
    "aiohttp": with_aiohttp,
    "bare sockets": with_bare_sockets,
}

ALONE = {"clickatell 0.1.2", "requests.post", "requests.Session"}
"""Those with one request on its way at a time."""

BY_LIST = {"clicknb, list mode", "clickatell 0.1.2"}
"""Those that can send one text to many numbers in one request."""
