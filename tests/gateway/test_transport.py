"""Requests over real sockets: what left, what came back, and what is said about the rest."""

from __future__ import annotations

import contextlib
import inspect
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from urllib.parse import parse_qs

import pytest

from clicknb.errors import ConfigError, InDoubt, NotSent, TransportError
from clicknb.gateway import transport as transports
from clicknb.gateway.address import check_base_url, is_loopback
from clicknb.gateway.connections import Connections
from clicknb.gateway.http.wire import Reply, Request
from clicknb.gateway.pace import Pace
from clicknb.gateway.transport import (
    InProcessTransport,
    RequestsTransport,
    SequentialExchange,
    ThreadedExchange,
)

SEND = Request("sendmsg", {"to": "447700900123", "text": "Hi €", "session_id": "0" * 31 + "f"})
PING = Request("ping", {"session_id": "0" * 31 + "f"})
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nOK: 605"


class Server:
    """A gateway that follows a script: what it does with each request, in turn; the last one again and again."""

    def __init__(self, *script):
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = []
        self.connections = 0
        self.ended = threading.Event()
        self.closed = threading.Semaphore(0)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while request := self._read(connection):
                self.requests.append(request)
                step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                if step(connection, self.ended) is False:
                    break
        self.closed.release()

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := connection.recv(4096)):
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")
        )
        while len(body) < length:
            body += connection.recv(4096)
        return head + b"\r\n\r\n" + body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self._listener.close()


def say(data, *, then_close=False):
    def step(connection, _ended):
        connection.sendall(data)
        return not then_close

    return step


def reset(connection, _ended):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def silence(_connection, ended):
    ended.wait(10)
    return False


def drip(data):
    pieces = [bytes([byte]) for byte in data] if isinstance(data, bytes) else data

    def step(connection, ended):
        for piece in pieces:
            connection.sendall(piece)
            if ended.wait(0.05):
                return False
        return True

    return step


@contextlib.contextmanager
def connected(*script, read_timeout=5.0):
    with Server(*script) as server:
        transport = RequestsTransport(server.url, connect_timeout=1.0, read_timeout=read_timeout)
        try:
            yield server, transport
        finally:
            transport.close()


def failure(transport, request=SEND):
    with pytest.raises(TransportError) as caught:
        transport.send(request)
    return caught.value


def test_a_reply_comes_back_as_it_is():
    with connected(say(GOOD)) as (server, transport):
        assert transport.send(SEND) == Reply(200, b"OK: 605")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /http/sendmsg HTTP/1.1")
    assert b"application/x-www-form-urlencoded" in head
    assert b"accept-encoding: identity" in head.lower()
    assert parse_qs(body.decode(), encoding="cp1252")["text"] == ["Hi €"]


def test_a_chunked_reply_is_put_together():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nOK: \r\n3\r\n605\r\n0\r\n\r\n"
    with connected(say(chunked)) as (_, transport):
        assert transport.send(PING).text == "OK: 605"


def test_a_connection_is_used_again():
    with connected(say(GOOD)) as (server, transport):
        for _ in range(3):
            transport.send(PING)
        assert (len(server.requests), server.connections) == (3, 1)


def test_an_idle_connection_is_not_written_to(monkeypatch):
    with connected(say(GOOD)) as (server, transport):
        transport.send(SEND)
        monkeypatch.setattr(transports, "IDLE", -1.0)
        transport.send(SEND)
        assert server.connections == 2


def test_a_connection_that_the_gateway_closed_is_not_written_to():
    with connected(say(GOOD, then_close=True)) as (server, transport):
        for _ in range(5):
            assert transport.send(SEND).status == 200
            assert server.closed.acquire(timeout=5)
        assert server.connections == len(server.requests) == 5


def test_a_refused_connection_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    assert isinstance(failure(RequestsTransport(url)), NotSent)


def test_an_unknown_name_is_not_sent(monkeypatch):
    def resolve(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert isinstance(failure(RequestsTransport("https://api.example")), NotSent)


def test_a_connection_that_is_not_taken_is_not_sent():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        for _ in range(3):  # more than the queue holds
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(address)
        transport = RequestsTransport(f"http://127.0.0.1:{address[1]}", connect_timeout=0.2)
        assert isinstance(failure(transport), NotSent)
        for one in waiting:
            one.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 This is no TLS\r\n\r\n", None])
def test_a_failed_tls_handshake_is_not_sent(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.settimeout(5)
                    connection.recv(4096)  # until the client gives up

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        assert isinstance(failure(RequestsTransport(url, connect_timeout=0.3, read_timeout=0.3)), NotSent)
        thread.join(5)


def test_missing_certificate_authorities_are_an_error_and_not_a_reason_to_trust(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match="verified"):
        RequestsTransport("https://127.0.0.1:1")


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LOST = {
    "reset": reset,
    "nothing": say(b"", then_close=True),
    "half a body": say(HEAD + b"Content-Length: 36\r\n\r\nID: cb1cb8e5b5ca", then_close=True),
    "half a chunk": say(CHUNKED + b"24\r\nID: cb1c", then_close=True),
    "no last chunk": say(CHUNKED + b"2\r\nOK\r\n", then_close=True),
    "no chunk": say(CHUNKED + b"xyz\r\n", then_close=True),
    "no gzip": say(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    "no HTTP": say(b"\x00\x01\x02garbage\r\n\r\n", then_close=True),
    "no end": say(HEAD + b"\r\n" + b"x" * 1_100_000, then_close=True),
}


@pytest.mark.parametrize("step", LOST.values(), ids=LOST)
def test_a_lost_reply_leaves_doubt_and_nothing_is_repeated(step):
    with connected(step) as (server, transport):
        error = failure(transport)
        assert isinstance(error, InDoubt)
        assert "Do not send it again" in str(error)
        assert len(server.requests) == 1


@pytest.mark.parametrize("head", [b"HTTP", HEAD, HEAD + b"Content-Le", HEAD + b"Content-Length: 0\r\n"])
def test_headers_that_break_off_bring_no_reply(head):
    with connected(say(head, then_close=True)) as (_, transport):
        error = failure(transport)
        assert isinstance(error, InDoubt)
        assert error.reason == "its answer broke off"


SLOW = {
    "silence": silence,
    "header": drip(HEAD + b"X-Slow: " + b"x" * 500),
    "body": drip(HEAD + b"Content-Length: 500\r\n\r\n" + b"x" * 500),
    "chunks": drip(CHUNKED + b"1\r\nx\r\n" * 500),
}


@pytest.mark.parametrize("step", SLOW.values(), ids=SLOW)
def test_no_reply_is_waited_for_longer_than_agreed(step):
    with connected(step, read_timeout=0.3) as (server, transport):
        start = time.monotonic()
        assert isinstance(failure(transport), InDoubt)
        assert time.monotonic() - start < 5  # the bytes alone would drip for 25 seconds
        assert len(server.requests) == 1


def test_after_a_lost_reply_the_next_request_has_a_connection_of_its_own():
    late = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nID: "
    with connected(say(late), say(GOOD), read_timeout=0.3) as (server, transport):
        failure(transport)
        assert transport.send(SEND).text == "OK: 605"
        assert server.connections == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_reply_and_is_not_followed(status):
    with Server(say(GOOD)) as other:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {other.url}/http/sendmsg\r\nContent-Length: 0\r\n\r\n"
        with connected(say(head.encode())) as (_, transport):
            assert transport.send(SEND).status == status
        assert other.requests == []


def test_pages_of_proxies_and_the_wish_to_wait_come_back():
    page = b"HTTP/1.1 %b\r\nContent-Length: 6\r\n\r\n<html>"
    script = [
        say(page % b"502 Bad Gateway"),
        say(page % b"429 Slow\r\nRetry-After: 7"),
        say(page % b"429 Slow\r\nretry-after: soon"),
    ]
    with connected(*script) as (_, transport):
        assert transport.send(SEND) == Reply(502, b"<html>")
        assert transport.send(SEND).retry_after == 7.0
        assert transport.send(SEND).retry_after is None


def test_cookies_and_netrc_do_not_travel(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\nOK"
    with connected(say(cookie)) as (server, transport):
        transport.send(PING)
        transport.send(PING)
    for request in server.requests:
        assert b"authorization" not in request.lower()
        assert b"cookie" not in request.lower()


def test_proxies_of_the_environment_are_used_but_not_for_this_machine(monkeypatch):
    with Server(say(GOOD)) as proxy, connected(say(GOOD)) as (server, _):
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
        assert RequestsTransport(server.url).send(PING).status == 200
        outside = RequestsTransport("https://api.example")
        monkeypatch.delenv("https_proxy")
        assert isinstance(failure(outside), NotSent)  # by the proxy, which refuses
        assert proxy.requests == []


def test_an_error_carries_no_secret_and_no_other_exception():
    with connected(reset) as (_, transport):
        errors = [failure(transport), failure(RequestsTransport("http://127.0.0.1:1"))]
    for error in errors:
        assert error.__context__ is None
        assert error.__cause__ is None
        shown = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert SEND.parameters["session_id"] not in shown
        assert "447700900123" not in shown


def test_calls_from_several_threads_follow_one_another():
    with connected(say(GOOD)) as (server, transport):
        threads = [threading.Thread(target=transport.send, args=(PING,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert (len(server.requests), server.connections) == (8, 1)


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://api.clickatell.com", "https://api.clickatell.com"),
        ("HTTPS://API.Clickatell.com:443/", "https://api.clickatell.com:443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://localhost:80/", "http://localhost:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://192.0.2.1", "https://192.0.2.1"),
    ],
)
def test_plain_addresses_are_taken(url, checked):
    assert check_base_url(url) == checked


HOSTILE = [
    "",
    "api.clickatell.com",
    "ftp://api.clickatell.com",
    "file:///etc/passwd",
    "http://api.clickatell.com",
    "http://192.0.2.1",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://2130706433",
    "https://2130706433",
    "http://0x7f000001",
    "https://0x7f.1",
    "http://127.1",
    "https://0177.0.0.1",
    "http://0.0.0.0",
    "https://[::]",
    "http://[::]:80",
    "http://[::ffff:192.0.2.1]",
    "https://[fe80::1%25eth0]",
    "https://user@api.clickatell.com",
    "https://user:secret@api.clickatell.com",
    "http://127.0.0.1:80@example.com",
    "http://example.com@127.0.0.1",
    "https://api.clickatell.com\\@example.com",
    "https://api.clickatell.com/http",
    "https://api.clickatell.com?x=1",
    "https://api.clickatell.com/?",
    "https://api.clickatell.com#x",
    "https://api.clickatell.com\r\nHost: example.com",
    "https://api.clickatell.com\t",
    " https://api.clickatell.com",
    "https://api.clickatell.com\x00",
    "https://ápi.clickatell.com",
    "https://api。clickatell.com",
    "https://api.clickatell.com:99999",
    "https://api.clickatell.com:0",
    "https://api.clickatell.com:",
    "https://api.clickatell.com:x",
    "https://",
    "https:///http",
    "https://-api.clickatell.com",
    "https://api..clickatell.com",
    "https://" + "a" * 300 + ".com",
    "//api.clickatell.com",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_other_addresses_are_refused_without_being_repeated(url):
    with pytest.raises(ConfigError, match="Nothing was contacted") as caught:
        check_base_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://127.255.0.9:1", "http://[::1]", "https://localhost:8443"])
def test_this_machine_is_recognised(url):
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url", ["https://128.0.0.1", "https://localhost.com", "https://[::2]", "https://127.0.0.1.com"]
)
def test_other_machines_are_recognised(url):
    assert not is_loopback(url)


# --- in this process ---------------------------------------------------------------------------------------------


def test_a_gateway_in_this_process_answers():
    asked = []

    def answer(path, body):
        asked.append((path, body))
        return 429, {"retry-after": "3"}, b"slow"

    assert InProcessTransport(answer).send(PING) == Reply(429, b"slow", 3.0)
    assert asked == [("/http/ping", PING.body)]


@pytest.mark.parametrize(
    ("raised", "kind"), [(ConnectionRefusedError, NotSent), (ConnectionResetError, InDoubt), (TimeoutError, InDoubt)]
)
def test_a_gateway_in_this_process_can_be_out_of_reach(raised, kind):
    def answer(_path, _body):
        raise raised

    error = failure(InProcessTransport(answer))
    assert type(error) is kind
    assert error.__context__ is None


# --- many at once ------------------------------------------------------------------------------------------------


def drain(exchange, count):
    answers = []
    while len(answers) < count:
        answers += exchange.wait(5)
    return answers


def test_requests_are_on_their_way_at_the_same_time():
    together = threading.Barrier(4)

    def answer(_path, body):
        together.wait(5)
        return 200, {}, body

    exchange = ThreadedExchange(lambda: InProcessTransport(answer), 4)
    for slot in range(4):
        exchange.start(slot, Request("ping", {"slot": str(slot)}))
    assert {slot: reply.body for slot, reply in drain(exchange, 4)} == {slot: b"slot=%d" % slot for slot in range(4)}
    assert exchange.wait() == []
    exchange.close()


def test_errors_come_back_as_answers():
    def answer(path, _body):
        raise ConnectionRefusedError if path.endswith("ping") else ConnectionResetError

    for exchange in (
        ThreadedExchange(lambda: InProcessTransport(answer), 2),
        SequentialExchange(InProcessTransport(answer), 2),
    ):
        exchange.start(0, PING)
        exchange.start(1, SEND)
        answers = dict(drain(exchange, 2))
        assert [type(answers[slot]) for slot in (0, 1)] == [NotSent, InDoubt]
        exchange.close()


def test_waiting_ends_without_an_answer_and_can_go_on():
    hold = threading.Event()

    def answer(_path, _body):
        hold.wait(5)
        return 200, {}, b"OK"

    exchange = ThreadedExchange(lambda: InProcessTransport(answer), 1)
    exchange.start(0, SEND)
    assert exchange.wait(0.01) == []
    with pytest.raises(ValueError, match="not free"):
        exchange.start(0, SEND)
    hold.set()
    assert exchange.wait() == [(0, Reply(200, b"OK"))]
    exchange.start(0, SEND)
    assert exchange.wait() == [(0, Reply(200, b"OK"))]
    exchange.close()


def test_an_interrupt_while_waiting_loses_no_answer(monkeypatch):
    hold = threading.Event()

    def answer(_path, _body):
        hold.wait(5)
        return 200, {}, b"OK"

    exchange = ThreadedExchange(lambda: InProcessTransport(answer), 1)
    exchange.start(0, SEND)

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Condition, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt):
            exchange.wait()
    hold.set()
    assert exchange.wait() == [(0, Reply(200, b"OK"))]
    exchange.close()


def test_a_transport_that_breaks_leaves_doubt_and_the_connection_goes_on():
    def answer(_path, body):
        if b"text" in body:
            raise ZeroDivisionError
        return 200, {}, b"OK"

    exchange = ThreadedExchange(lambda: InProcessTransport(answer), 1)
    exchange.start(0, SEND)
    ((slot, outcome),) = exchange.wait()
    assert slot == 0
    assert isinstance(outcome, InDoubt)
    exchange.start(0, PING)
    assert exchange.wait(5) == [(0, Reply(200, b"OK"))]
    exchange.close()


UNANSWERED = """
import threading
from clicknb.gateway.transport import ThreadedExchange
from clicknb.gateway.http.wire import Request

class Silent:
    def send(self, request):
        threading.Event().wait()

exchange = ThreadedExchange(Silent, 1)
exchange.start(0, Request("ping", {}))
"""


def test_a_program_ends_although_an_answer_is_due():
    subprocess.run([sys.executable, "-c", UNANSWERED], check=True, timeout=60)


@pytest.mark.parametrize("connections", [RequestsTransport, Connections])
def test_a_minute_is_waited_for_an_answer_and_five_seconds_for_a_connection(connections):
    defaults = inspect.signature(connections).parameters
    assert defaults["read_timeout"].default == 60.0
    assert defaults["connect_timeout"].default == 5.0


def test_transports_are_made_when_they_are_needed_and_closed():
    made, closed = [], threading.Semaphore(0)

    class Counted(InProcessTransport):
        def __init__(self):
            super().__init__(lambda _path, _body: (200, {}, b"OK"))
            made.append(self)

        def close(self):
            closed.release()

    exchange = ThreadedExchange(Counted, 64)
    exchange.start(7, PING)
    drain(exchange, 1)
    assert len(made) == 1
    exchange.close()
    assert closed.acquire(timeout=5)


# --- pace --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1, 2.5, 100, 333])
def test_no_second_sees_more_than_the_pace_allows(rate, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(rate)
    left = []
    while now[0] < 1010:
        left += [now[0]] * sum(pace.take_all(1) for _ in range(5))
        now[0] += pace.wait_time() + 0.0011  # always a little late
    for start in left:
        assert sum(start <= moment < start + 1 for moment in left) <= rate + 1
    assert len(left) >= 0.9 * rate * 10


def test_without_a_rate_all_may_leave():
    pace = Pace(None)
    assert all(pace.take_all(1) for _ in range(500))
    assert pace.wait_time() == 0.0
