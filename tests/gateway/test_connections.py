"""Many requests at once over real sockets: what left, what came back, and what is said about the rest."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback

import pytest

from clicknb.errors import ConfigError, InDoubt, NotSent
from clicknb.gateway.connections import Connections, needs_proxy
from clicknb.gateway.http.wire import Reply, Request
from clicknb.gateway.http1 import ReplyReader
from clicknb.gateway.transport import RequestsTransport, SequentialExchange, ThreadedExchange
from clicknb.simulator import Gateway
from clicknb.simulator.server import serve
from tests.gateway.test_transport import CHUNKED, GOOD, HEAD, LOST, SEND, SLOW, Server, drip, reset, say, silence

BIG = Request("sendmsg", {"text": "x" * 8_000_000})


def threaded(url, connections, **timeouts):
    return ThreadedExchange(lambda: RequestsTransport(url, **timeouts), connections)


def sequential(url, connections, **timeouts):
    return SequentialExchange(RequestsTransport(url, **timeouts), connections)


every_exchange = pytest.mark.parametrize("make", [Connections, threaded, sequential])


@contextlib.contextmanager
def connected(*script, make=Connections, connections=2, server=None, **options):
    with (
        server or Server(*script) as gateway,
        contextlib.closing(make(gateway.url, connections, **options)) as exchange,
    ):
        yield gateway, exchange


def answer(exchange, request=SEND, slot=0):
    exchange.start(slot, request)
    ((answered, outcome),) = exchange.wait(30)
    assert answered == slot
    return outcome


# --- the same whatever carries it --------------------------------------------------------------------------------


@every_exchange
def test_a_reply_comes_back_as_it_is(make):
    with connected(say(GOOD), make=make) as (server, exchange):
        assert answer(exchange) == Reply(200, b"OK: 605")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /http/sendmsg HTTP/1.1\r\n")
    assert b"host: " + server.url.removeprefix("http://").encode() in head.lower()
    assert b"content-type: application/x-www-form-urlencoded" in head.lower()
    assert b"accept-encoding: identity" in head.lower()
    assert body == SEND.body


@every_exchange
@pytest.mark.parametrize("status", [301, 302, 307, 429, 502])
def test_any_status_is_a_reply_and_no_redirect_is_followed(make, status):
    with Server(say(GOOD)) as other:
        head = f"HTTP/1.1 {status} X\r\nLocation: {other.url}/\r\nRetry-After: 7\r\nContent-Length: 6\r\n\r\n<html>"
        with connected(say(head.encode()), make=make) as (_, exchange):
            assert answer(exchange) == Reply(status, b"<html>", 7.0)
        assert other.requests == []


BY_THE_BOOK = "the answer is not HTTP by the book: "
REASONS = {
    "reset": "the connection failed",
    "nothing": "it closed the connection without an answer",
    "half a body": "its answer broke off",
    "half a chunk": "its answer broke off",
    "no last chunk": "its answer broke off",
    "no chunk": BY_THE_BOOK + "a chunk of it is broken",
    "no gzip": BY_THE_BOOK + "it is compressed",
    "no HTTP": BY_THE_BOOK + "it does not begin like HTTP/1.1",
    "no end": "its answer had no end",
}


@every_exchange
@pytest.mark.parametrize("name", LOST)
def test_a_lost_reply_leaves_doubt_and_nothing_is_repeated(make, name):
    with connected(LOST[name], make=make) as (server, exchange):
        error = answer(exchange)
        assert isinstance(error, InDoubt)
        assert "Do not send it again" in str(error)
        assert error.reason == REASONS[name]
        assert len(server.requests) == 1


FIELD = GOOD.replace(b"OK\r\n", b"OK\r\n%b\r\n", 1)
IMPROPER = {
    "it is compressed": FIELD.replace(b"%b", b"Content-Encoding: gzip"),
    "its length is stated twice": FIELD.replace(b"%b", b"Content-Length: 7"),
    "its length is stated in two ways": FIELD.replace(b"%b", b"Transfer-Encoding: chunked"),
    "a header line is folded": FIELD.replace(b"%b", b"X: a\r\n b"),
    "a header line is broken": FIELD.replace(b"%b", b"X"),
    "there is an empty line before it": b"\r\n" + GOOD,
    "it changes to another protocol": b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + GOOD,
}


@every_exchange
@pytest.mark.parametrize("flaw", IMPROPER)
def test_a_reply_that_is_not_by_the_book_leaves_doubt_and_says_what_is_wrong_with_it(make, flaw):
    with connected(say(IMPROPER[flaw]), say(GOOD), make=make) as (server, exchange):
        error = answer(exchange)
        assert isinstance(error, InDoubt)
        assert error.reason == BY_THE_BOOK + flaw
        assert answer(exchange).text == "OK: 605"
        assert server.connections == 2


@every_exchange
@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_interim_answer_is_not_taken_for_the_reply_nor_the_reply_for_the_next_one(make, status):
    interim = f"HTTP/1.1 {status} X\r\nLink: x\r\n\r\n".encode()
    with connected(say(interim + GOOD), say(interim + GOOD.replace(b"605", b"606")), make=make) as (server, exchange):
        assert [answer(exchange).text for _ in range(2)] == ["OK: 605", "OK: 606"]
        assert server.connections == 1


@every_exchange
def test_a_second_reply_to_the_same_request_is_not_taken_for_the_next_one(make):
    with connected(say(GOOD + GOOD.replace(b"605", b"606")), say(GOOD), make=make) as (server, exchange):
        assert [answer(exchange).text for _ in range(2)] == ["OK: 605", "OK: 605"]
        assert server.connections == 2


@every_exchange
def test_a_connection_that_is_dropped_is_not_used_again(make):
    with connected(say(GOOD), make=make) as (server, exchange):
        exchange.drop(0)
        for connections in (1, 2, 2):
            assert answer(exchange).text == "OK: 605"
            assert server.connections == connections
            if connections == 1:
                exchange.drop(0)
                assert server.closed.acquire(timeout=5)


@pytest.mark.parametrize("make", [Connections, threaded])
def test_only_a_free_connection_can_be_dropped(make):
    hold = threading.Event()

    def step(connection, _ended):
        hold.wait(5)
        connection.sendall(GOOD)

    with connected(step, make=make) as (_, exchange):
        exchange.start(0, SEND)
        for slot in (0, 2, -1):
            with pytest.raises(ValueError, match="not free"):
                exchange.drop(slot)
        hold.set()
        assert exchange.wait(5) == [(0, Reply(200, b"OK: 605"))]
        exchange.drop(0)


@every_exchange
@pytest.mark.parametrize("step", SLOW.values(), ids=SLOW)
def test_no_reply_is_waited_for_longer_than_agreed(make, step):
    with connected(step, make=make, read_timeout=0.3) as (server, exchange):
        start = time.monotonic()
        error = answer(exchange)
        assert isinstance(error, InDoubt)
        assert error.reason == "it did not answer in time"
        assert time.monotonic() - start < 5  # the bytes alone would drip for 25 seconds
        assert len(server.requests) == 1


def flood(start, more):
    """Send as fast as it can, and until nobody listens."""

    def step(connection, ended):
        connection.sendall(start)
        while not ended.is_set():
            connection.sendall(more)
        return False

    return step


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FLOODS = {
    "interim answers": flood(b"", CONTINUE * 1000),
    "interim answers, slowly": drip([CONTINUE] * 500),
    "header": flood(HEAD, b"X: " + b"x" * 60_000),
    "headers": flood(HEAD, b"X: x\r\n" * 10_000),
    "small chunks": flood(CHUNKED, b"1\r\nx\r\n" * 10_000),
    "small chunks, slowly": drip([CHUNKED] + [b"1\r\nx\r\n"] * 500),
    "size of a chunk": flood(CHUNKED, b"0" * 60_000),
    "trailer": flood(CHUNKED + b"0\r\n", b"X: x\r\n" * 10_000),
    "body": flood(HEAD + b"\r\n", b"x" * 60_000),
    "empty lines": flood(b"", b"\r\n" * 10_000),
}


@every_exchange
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_in_time(make, name):
    with connected(FLOODS[name], make=make, read_timeout=0.5) as (server, exchange):
        start = time.monotonic()
        assert isinstance(answer(exchange), InDoubt)
        assert time.monotonic() - start < 2.5
        assert len(server.requests) == 1


@pytest.mark.parametrize("make", [Connections, threaded])
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_on_one_connection_keeps_no_other_waiting(make, name):
    flooded = threading.Event()

    def begin(connection, ended):
        flooded.set()
        return FLOODS[name](connection, ended)

    def behind(connection, _ended):
        flooded.wait(5)
        connection.sendall(GOOD)

    with connected(begin, behind, make=make, read_timeout=0.5) as (_, exchange):
        exchange.start(0, SEND)
        exchange.start(1, SEND)
        answers = {}
        while len(answers) < 2:
            answers.update(exchange.wait(5))
        lost, good = sorted(answers.values(), key=lambda outcome: isinstance(outcome, Reply))
        assert isinstance(lost, InDoubt)
        assert good == Reply(200, b"OK: 605")


@every_exchange
def test_a_refused_connection_is_not_sent(make):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with contextlib.closing(make(url, 1)) as exchange:
        error = answer(exchange)
    assert isinstance(error, NotSent)
    assert error.reason == "the connection failed"


@every_exchange
def test_an_unknown_name_is_not_sent(make, monkeypatch):
    def resolve(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with contextlib.closing(make("https://api.example", 1)) as exchange:
        assert isinstance(answer(exchange), NotSent)


@every_exchange
def test_a_connection_that_is_not_taken_is_not_sent(make):
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # more than the queue holds
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        exchange = stack.enter_context(contextlib.closing(make(url, 1, connect_timeout=0.2)))
        error = answer(exchange)
        assert isinstance(error, NotSent)
        assert error.reason == "it did not take the connection in time"


@every_exchange
@pytest.mark.parametrize("step", [silence, say(b"HTTP/1.1 400 This is no TLS\r\n\r\n"), reset], ids=["1", "2", "3"])
def test_a_failed_tls_handshake_is_not_sent(make, step):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def greet():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                step(connection, ended)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.closing(make(url, 1, connect_timeout=0.3, read_timeout=0.3)) as exchange:
            assert isinstance(answer(exchange), NotSent)
        ended.set()
        thread.join(5)


@every_exchange
def test_connections_that_the_gateway_closes_in_a_pause_leave_no_doubt(make):
    with connected(say(GOOD, then_close=True), make=make) as (server, exchange):
        for _ in range(500):
            assert answer(exchange) == Reply(200, b"OK: 605")
            assert server.closed.acquire(timeout=5)
        assert server.connections == len(server.requests) == 500


# --- connections -------------------------------------------------------------------------------------------------


def test_a_connection_is_used_again():
    with connected(say(GOOD)) as (server, exchange):
        for _ in range(3):
            answer(exchange)
        assert (len(server.requests), server.connections) == (3, 1)


def test_a_connection_that_was_idle_for_long_is_not_written_to():
    with connected(say(GOOD), idle=-1.0) as (server, exchange):
        for _ in range(3):
            answer(exchange)
        assert (len(server.requests), server.connections) == (3, 3)


@pytest.mark.parametrize(
    "reply",
    [
        GOOD + b"ID: 0",
        GOOD + GOOD,
        GOOD.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
        GOOD.replace(b"\r\n", b"\r\nConnection: Keep-Alive, Close\r\n", 1),
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["more bytes", "another reply", "close", "close among others", "old"],
)
def test_a_connection_is_not_used_again_if_the_gateway_does_not_keep_to_one_reply(reply):
    with connected(say(reply), say(HEAD + b"Content-Length: 2\r\n\r\nme")) as (server, exchange):
        assert answer(exchange).body == b"OK: 605"
        assert answer(exchange).body == b"me"
        assert server.connections == 2


def test_what_arrives_in_a_pause_is_not_taken_for_a_reply():
    paused, spoken = threading.Event(), threading.Event()

    def speak_again(connection, _ended):
        connection.sendall(GOOD)
        paused.wait(5)
        connection.sendall(HEAD + b"Content-Length: 5\r\n\r\nstale")
        spoken.set()

    with connected(speak_again, say(HEAD + b"Content-Length: 2\r\n\r\nme")) as (server, exchange):
        assert answer(exchange).text == "OK: 605"
        paused.set()
        assert spoken.wait(5)
        assert answer(exchange).text == "me"
        assert server.connections == 2


def test_an_old_gateway_may_ask_to_keep_the_connection():
    kept = GOOD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"\r\n", b"\r\nConnection: keep-alive\r\n", 1)
    with connected(say(kept)) as (server, exchange):
        answer(exchange)
        answer(exchange)
        assert server.connections == 1


def test_after_a_lost_reply_the_next_request_has_a_connection_of_its_own():
    late = HEAD + b"Content-Length: 500\r\n\r\nID: "
    with connected(say(late), say(GOOD), read_timeout=0.2) as (server, exchange):
        assert isinstance(answer(exchange), InDoubt)
        assert answer(exchange).text == "OK: 605"
        assert server.connections == 2


def test_a_connection_that_is_closed_in_a_pause_does_not_keep_the_others_busy(monkeypatch):
    looks = []
    select = selectors.DefaultSelector.select

    def counted(self, timeout=None):
        looks.append(timeout)
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", counted)
    hold = threading.Event()

    def slow(connection, _ended):
        hold.wait(5)
        connection.sendall(GOOD)

    with connected(say(GOOD, then_close=True), slow, say(GOOD)) as (server, exchange):
        answer(exchange, slot=0)
        exchange.start(1, SEND)
        assert server.closed.acquire(timeout=5)
        assert exchange.wait(0.2) == []
        assert len(looks) < 10
        hold.set()
        assert exchange.wait(5) == [(1, Reply(200, b"OK: 605"))]
        assert answer(exchange, slot=0).status == 200


def test_many_requests_are_on_their_way_at_the_same_time():
    together = threading.Barrier(64)

    def step(connection, _ended):
        together.wait(10)
        connection.sendall(GOOD)

    with connected(step, connections=64) as (server, exchange):
        for slot in range(64):
            exchange.start(slot, Request("ping", {"slot": str(slot)}))
        answers = {}
        while len(answers) < 64:
            answers.update(exchange.wait(10))
        assert set(answers) == set(range(64))
        assert server.connections == 64
        assert exchange.wait() == []


def test_every_answer_belongs_to_its_request():
    with serve(Gateway()) as server, contextlib.closing(Connections(server.url, 16)) as exchange:
        login = {"user": "sandbox", "password": "sandbox", "api_id": "1"}
        session = answer(exchange, Request("auth", login)).text.split()[1]
        numbers, slots = [f"447700900{number:03d}" for number in range(200)], {}
        free, waiting, ids = list(range(16)), list(numbers), {}
        while len(ids) < len(numbers):
            while free and waiting:
                slot, number = free.pop(), waiting.pop()
                slots[slot] = number
                exchange.start(slot, Request("sendmsg", {"to": number, "text": "Hi", "session_id": session}))
            for slot, reply in exchange.wait(10):
                ids[slots[slot]] = reply.text.split()[1]
                free.append(slot)
        assert {message.to: message.apimsgid for message in server.gateway.messages} == ids


def test_a_large_request_leaves_in_pieces():
    with connected(say(GOOD)) as (server, exchange):
        assert answer(exchange, BIG).text == "OK: 605"
        assert server.requests[0].endswith(BIG.body)


def test_a_request_that_breaks_off_while_it_leaves_is_in_doubt():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut():
            connection, _ = listener.accept()
            connection.recv(1)
            reset(connection, None)
            connection.close()

        thread = threading.Thread(target=cut, daemon=True)
        thread.start()
        with contextlib.closing(Connections(f"http://127.0.0.1:{listener.getsockname()[1]}", 1)) as exchange:
            assert isinstance(answer(exchange, BIG), InDoubt)
        thread.join(5)


def test_a_gateway_that_stops_reading_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.closing(Connections(url, 1, read_timeout=0.2)) as exchange:
            assert isinstance(answer(exchange, BIG), InDoubt)


def test_addresses_are_tried_in_their_order_and_the_name_is_asked_for_once(monkeypatch):
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = gone.getsockname()
    with Server(say(GOOD)) as server:
        alive = ("127.0.0.1", int(server.url.rpartition(":")[2]))

        def resolve(host, port, **_options):
            asked.append((host, port))
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (dead, alive)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with contextlib.closing(Connections("http://localhost:8080", 2, idle=-1.0)) as exchange:
            assert answer(exchange).status == 200
            with socket.create_server(dead):  # takes connections now, and says nothing
                for slot in (1, 0):
                    assert answer(exchange, slot=slot).status == 200
    assert asked == [("localhost", 8080)]
    assert server.connections == 3


# --- waiting -----------------------------------------------------------------------------------------------------


def test_waiting_ends_without_an_answer_and_can_go_on():
    hold = threading.Event()

    def step(connection, _ended):
        hold.wait(5)
        connection.sendall(GOOD)

    with connected(step) as (_, exchange):
        exchange.start(0, SEND)
        assert exchange.wait(0.01) == exchange.wait(0) == []
        with pytest.raises(ValueError, match="not free"):
            exchange.start(0, SEND)
        with pytest.raises(ValueError, match="not free"):
            exchange.start(2, SEND)
        hold.set()
        assert exchange.wait() == [(0, Reply(200, b"OK: 605"))]


def test_an_interrupt_while_waiting_loses_no_answer(monkeypatch):
    def interrupted(*_args):
        raise KeyboardInterrupt

    with connected(say(GOOD)) as (server, exchange):
        exchange.start(0, SEND)
        with monkeypatch.context() as patch:
            patch.setattr(selectors.DefaultSelector, "select", interrupted)
            with pytest.raises(KeyboardInterrupt):
                exchange.wait()
        assert exchange.wait(5) == [(0, Reply(200, b"OK: 605"))]
        assert len(server.requests) == 1


def test_an_interrupt_in_the_middle_of_an_answer_leaves_that_one_in_doubt(monkeypatch):
    def interrupted(*_args):
        raise KeyboardInterrupt

    with connected(say(GOOD)) as (server, exchange):
        exchange.start(0, SEND)
        with monkeypatch.context() as patch:
            patch.setattr(ReplyReader, "feed", interrupted)
            with pytest.raises(KeyboardInterrupt):
                exchange.wait()
        ((slot, error),) = exchange.wait(0)
        assert slot == 0
        assert isinstance(error, InDoubt)
        assert answer(exchange).status == 200
        assert (len(server.requests), server.connections) == (2, 2)


def test_closing_does_not_wait():
    with connected(silence, read_timeout=60.0) as (_, exchange):
        exchange.start(0, SEND)
        exchange.close()
        assert exchange.wait() == []


def test_a_selector_that_slept_too_long_is_asked_again_before_anybody_is_late(monkeypatch):
    answered, leap = threading.Event(), [0.0]
    monotonic, select = time.monotonic, selectors.DefaultSelector.select

    def step(connection, _ended):
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000)
        answered.set()

    def sleep(selector, timeout=None):
        if leap[0] or not answered.wait(0.01):
            return select(selector, timeout)
        leap[0] = 100.0  # interrupted by SIGCONT, it gives nothing
        return []

    with connected(step) as (_, exchange):
        exchange.start(0, SEND)
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + leap[0])
        monkeypatch.setattr(selectors.DefaultSelector, "select", sleep)
        ((_, outcome),) = exchange.wait()
        assert leap[0]
        assert len(outcome.body) == 100_000


STOPPED = """
import sys, threading
from clicknb.gateway.connections import Connections
from clicknb.gateway.transport import RequestsTransport, ThreadedExchange
from clicknb.gateway.http.wire import Request

kind, url = sys.argv[1:]
if kind == "Connections":
    exchange = Connections(url, 4, read_timeout=1.5)
else:
    exchange = ThreadedExchange(lambda: RequestsTransport(url, read_timeout=1.5), 4)
for slot in range(4):
    exchange.start(slot, Request("sendmsg", {"text": str(slot)}))
answers = {}
while len(answers) < 4:
    answers.update(exchange.wait())
print(*(len(getattr(answer, "body", b"")) for _, answer in sorted(answers.items())))
"""


@pytest.mark.parametrize("kind", ["Connections", "ThreadedExchange"])
def test_a_process_that_was_stopped_for_too_long_reads_what_has_come_before_it_names_anything_late(kind):
    arrived, stopped, answered = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)
    reply = HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000

    def step(connection, ended):
        ended.wait(0.3)  # as a gateway takes its time, so that the process waits for it when it is stopped
        arrived.release()
        stopped.wait(10)
        connection.sendall(reply)
        answered.release()

    with Server(step) as server:
        command = [sys.executable, "-c", STOPPED, kind, server.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(4):
            assert arrived.acquire(timeout=20)
        process.send_signal(signal.SIGSTOP)
        stopped.set()
        for _ in range(4):
            assert answered.acquire(timeout=5)
        time.sleep(2)  # beyond its time limit
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=20)
    assert output.split() == ["100000"] * 4


# --- TLS ---------------------------------------------------------------------------------------------------------


class SecureServer(Server):
    def __init__(self, certificate, *script):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        super().__init__(*script)
        self.url = self.url.replace("http:", "https:")

    def _serve(self, connection):
        try:
            secured = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
        else:
            super()._serve(secured)


def certificate_for(address, path):
    """Make a key and a certificate that signs itself, for an IP address."""
    x509 = pytest.importorskip("cryptography.x509", reason="no library here makes certificates")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    for extension in (names, x509.BasicConstraints(ca=True, path_length=None)):
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + signed.public_bytes(pem))
    return path


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    path = certificate_for("127.0.0.1", tmp_path / "server.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return path


@every_exchange
def test_a_reply_comes_over_a_trustworthy_connection(make, certificate):
    server = SecureServer(certificate, say(GOOD))
    with connected(make=make, server=server) as (_, exchange):
        for _ in range(3):
            assert answer(exchange) == Reply(200, b"OK: 605")
        assert server.connections == 1
        assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == [SEND.body] * 3


@every_exchange
def test_nothing_leaves_over_a_connection_that_cannot_be_trusted(make, certificate, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    server = SecureServer(certificate, say(GOOD))
    with connected(make=make, server=server) as (_, exchange):
        error = answer(exchange)
        assert isinstance(error, NotSent)
        assert error.reason == "no trustworthy TLS connection came about"
        assert server.requests == []


@every_exchange
def test_a_certificate_for_another_address_is_not_trusted(make, tmp_path, monkeypatch):
    other = certificate_for("127.0.0.2", tmp_path / "other.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other))
    server = SecureServer(other, say(GOOD))
    with connected(make=make, server=server) as (_, exchange):
        assert isinstance(answer(exchange), NotSent)
        assert server.requests == []


def test_a_reply_and_a_request_of_many_tls_records_come_through(certificate):
    reply = HEAD + b"Content-Length: 900000\r\n\r\n" + b"x" * 900_000
    server = SecureServer(certificate, say(reply))
    with connected(server=server) as (_, exchange):
        assert len(answer(exchange, BIG).body) == 900_000
        assert server.requests[0].endswith(BIG.body)


def speak_without_tls(connection, _ended):
    os.write(connection.fileno(), GOOD)
    return False


SECURELY_LOST = {name: LOST[name] for name in ("reset", "half a body", "no last chunk")} | {"no TLS": speak_without_tls}


@every_exchange
@pytest.mark.parametrize("step", SECURELY_LOST.values(), ids=SECURELY_LOST)
def test_a_lost_reply_leaves_doubt_and_nothing_is_repeated_over_tls_too(make, certificate, step):
    with connected(make=make, server=SecureServer(certificate, step)) as (server, exchange):
        assert isinstance(answer(exchange), InDoubt)
        assert len(server.requests) == 1


def test_an_end_that_tls_did_not_announce_is_noticed_by_a_python_that_would_not(monkeypatch):
    made, make = [], ssl.create_default_context

    def as_in_older_versions(**settings):
        made.append(make(**settings))
        made[-1].options |= ssl.OP_IGNORE_UNEXPECTED_EOF
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", as_in_older_versions)
    Connections("https://127.0.0.1:1", 1).close()
    assert [context.options for context in made] == [make().options]


@every_exchange
def test_a_body_of_unknown_length_may_have_been_cut_by_anybody_unless_tls_says_that_it_ended(make, certificate):
    server = SecureServer(certificate, say(HEAD + b"\r\nID: cb1c", then_close=True))
    with connected(make=make, server=server) as (_, exchange):
        error = answer(exchange)
        assert isinstance(error, InDoubt)
        assert error.reason == "its answer broke off"


def test_a_secure_connection_that_the_gateway_closes_in_a_pause_leaves_no_doubt(certificate):
    with connected(server=SecureServer(certificate, say(GOOD, then_close=True))) as (server, exchange):
        for _ in range(20):
            assert answer(exchange) == Reply(200, b"OK: 605")
            assert server.closed.acquire(timeout=5)


def test_missing_certificate_authorities_are_an_error_and_not_a_reason_to_trust(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match="verified"):
        Connections("https://127.0.0.1:1", 1)


# --- what is kept to itself --------------------------------------------------------------------------------------


def test_an_error_carries_no_secret_and_no_other_exception():
    with connected(reset) as (_, exchange), contextlib.closing(Connections("http://127.0.0.1:1", 1)) as nowhere:
        errors = [answer(exchange), answer(nowhere)]
    for error in errors:
        assert error.__context__ is None
        assert error.__cause__ is None
        shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(exchange)
        assert SEND.parameters["session_id"] not in shown
        assert "447700900123" not in shown


def test_an_address_that_is_not_safe_is_refused():
    with pytest.raises(ConfigError, match="Nothing was contacted"):
        Connections("http://api.example", 1)


def test_a_proxy_of_the_environment_is_noticed_but_not_for_this_machine(monkeypatch):
    assert not needs_proxy("https://api.example")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert not needs_proxy("https://api.example")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert needs_proxy("https://api.example")
    assert not needs_proxy("https://127.0.0.1:8443")
    monkeypatch.setenv("no_proxy", "api.example")
    assert not needs_proxy("https://api.example")
