"""The sandbox over a real socket: every command, the faults, and clients that others wrote."""

import contextlib
import http.client
import re
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from clickatell.http import Http

from clicknb.simulator import Gateway, serve

WHO = {"user": "sandbox", "password": "sandbox", "api_id": "1"}
HERS = "447700900123"
HIS = "27999000001"
ID = "[0-9a-f]{32}"
NOBODY = "0" * 32


@pytest.fixture(scope="module")
def server():
    with serve(Gateway(seed=1, credits=100_000)) as running:
        yield running


@pytest.fixture(scope="module")
def http_session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def ask(server, http_session):
    def ask(command, *, method="POST", family="http", who=WHO, **parameters):
        fields = "params" if method == "GET" else "data"
        url = f"{server.url}/{family}/{command}"
        reply = http_session.request(method, url, timeout=10, **{fields: {**who, **parameters}})
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html")
        return reply.content.decode("ascii")

    return ask


def sent(ask, **options):
    return ask("sendmsg", to=HERS, text="Hello", **options).removeprefix("ID: ")


def started(ask):
    return ask("startbatch", family="http_batch", template="Hi #field1#").removeprefix("ID: ")


# Command, what makes it succeed, the whole reply then; what makes it fail, and the documented error.
COMMANDS = [
    ("http", "auth", lambda _: {}, f"OK: {ID}", {"password": "wrong"}, "001, Authentication failed"),
    (
        "http",
        "ping",
        lambda ask: {"session_id": ask("auth")[4:]},
        "OK: ",
        {"session_id": NOBODY},
        "003, Session ID expired",
    ),
    ("http", "sendmsg", lambda _: {"to": HERS, "text": "Hi"}, f"ID: {ID}", {"to": HERS}, "107, Empty message"),
    (
        "http",
        "querymsg",
        lambda ask: {"apimsgid": sent(ask)},
        f"ID: {ID} Status: 00[348]",
        {},
        "109, Missing message ID",
    ),
    (
        "http",
        "delmsg",
        lambda ask: {"apimsgid": sent(ask, deliv_time="60")},
        f"ID: {ID} Status: 006",
        {"climsgid": "unheard"},
        "104, Unknown client message ID",
    ),
    ("http", "getbalance", lambda _: {}, r"Credit: \d+\.\d{3}", {"session_id": NOBODY}, "003, Session ID expired"),
    (
        "http",
        "getmsgcharge",
        lambda ask: {"apimsgid": sent(ask)},
        rf"apiMsgId: {ID} charge: 0\.8 status: 00[348]",
        {"apimsgid": "nonsense"},
        "103, Unknown API message ID",
    ),
    ("http", "token_pay", None, "OK: 605", {"token": "1" * 16}, "101, Invalid or missing parameters"),
    (
        "utils",
        "routeCoverage",
        lambda _: {"msisdn": HERS},
        r"OK: This prefix is currently supported\. Messages sent to this prefix will be routed\. Charge: 0\.8\n",
        {"msisdn": "8800000000000"},
        "This prefix is not currently supported. Messages sent to this prefix will fail."
        " Please contact support for assistance.\n",
    ),
    ("http_batch", "startbatch", lambda _: {"template": "Hi"}, f"ID: {ID}", {}, "202, No batch template"),
    (
        "http_batch",
        "senditem",
        lambda ask: {"batch_id": started(ask), "to": HERS, "field1": "you"},
        f"ID: {ID}",
        {"batch_id": NOBODY, "to": HERS},
        "201, Invalid batch ID",
    ),
    (
        "http_batch",
        "quicksend",
        lambda ask: {"batch_id": started(ask), "to": f"{HERS},{HIS}"},
        f"ID: {ID} To: {HERS}\nID: {ID} To: {HIS}",
        {"batch_id": NOBODY, "to": HERS},
        "201, Invalid batch ID",
    ),
    (
        "http_batch",
        "endbatch",
        lambda ask: {"batch_id": started(ask)},
        "OK",
        {"batch_id": NOBODY},
        "201, Invalid batch ID",
    ),
]
each_command = pytest.mark.parametrize(
    ("family", "command", "succeeds", "reply", "fails", "error"), COMMANDS, ids=[row[1] for row in COMMANDS]
)
each_method = pytest.mark.parametrize("method", ["GET", "POST"])
each_spelling = pytest.mark.parametrize("suffix", ["", ".php"])


@each_command
@each_method
@each_spelling
def test_each_command_succeeds_and_fails_as_documented(
    server, ask, family, command, succeeds, reply, fails, error, method, suffix
):
    vouchers = {"token": next(iter(server.gateway.vouchers), "")}
    parameters = succeeds(ask) if succeeds else vouchers
    assert re.fullmatch(reply, ask(command + suffix, method=method, family=family, **parameters))
    assert ask(command + suffix, method=method, family=family, **fails) == f"ERR: {error}"


def test_all_thirteen_commands_are_covered():
    assert len({row[1] for row in COMMANDS}) == 13


def test_bytes_arrive_as_they_were_written(server, ask):
    for text in ("Grüße, 5 €\n[a|b]", "plain"):
        ask("sendmsg", to=HERS, text=text.encode("cp1252"), concat="3")
        assert server.gateway.messages[-1].text == text
        ask("sendmsg", method="GET", to=HERS, text=text.encode("cp1252"), concat="3")
        assert server.gateway.messages[-1].text == text


def test_a_long_list_fits_into_a_get(ask):
    numbers = ",".join(f"27999{number:06}" for number in range(300))
    text = ("Ω" * 67 * 35).encode("utf-16-be").hex()
    assert ask("sendmsg", method="GET", to=numbers, text=text, unicode="1", concat="35").count("ID: ") == 300


def test_one_connection_carries_many_requests(server):
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.connect()
    local = connection.sock.getsockname()
    for _ in range(3):
        connection.request(
            "POST", "/http/getbalance", urlencode(WHO), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert connection.getresponse().read().startswith(b"Credit: ")
        assert connection.sock.getsockname() == local
    connection.close()


def test_many_connections_give_the_outcome_of_one():
    calls = [{**WHO, "to": f"447700900{n:03}", "text": f"Hello {n % 7}", "climsgid": f"c{n}"} for n in range(200)]

    def outcome(connections):
        with serve(Gateway(seed=4)) as server, ThreadPoolExecutor(connections) as pool:
            list(pool.map(lambda call: post(f"{server.url}/http/sendmsg", call), calls))
            later = server.now() + timedelta(days=1)
            return sorted((m.to, m.apimsgid, m.status(later), m.charged(later)) for m in server.gateway.messages)

    assert outcome(1) == outcome(32)


def post(url, form):
    with urllib.request.urlopen(url, urlencode(form).encode(), timeout=10) as reply:
        return reply.read()


# Time, and the sandbox's own addresses.


def test_time_can_be_advanced_over_http(server, ask, http_session):
    apimsgid = sent(ask, deliv_time="60")
    before = server.now()
    reply = http_session.post(f"{server.url}/sandbox/advance", params={"seconds": 3600}, timeout=10)
    assert reply.status_code == 200
    assert (server.now() - before).total_seconds() >= 3600
    server.advance(300)
    assert re.fullmatch(f"ID: {apimsgid} Status: 0(03|04|07|10)", ask("querymsg", apimsgid=apimsgid))


@pytest.mark.parametrize("seconds", ["", "-1", "nan", "inf", "1e300", "soon"])
def test_time_goes_forward_only(server, http_session, seconds):
    assert http_session.post(f"{server.url}/sandbox/advance?seconds={seconds}", timeout=10).status_code == 400


def test_what_was_accepted_can_be_read_over_http(server, ask, http_session):
    apimsgid = sent(ask, climsgid="mine")
    rows = http_session.get(f"{server.url}/sandbox/messages", timeout=10).json()
    assert len(rows) == len(server.gateway.messages)
    row = rows[-1]
    assert (row["apimsgid"], row["climsgid"], row["to"], row["text"], row["parts"]) == (
        apimsgid,
        "mine",
        HERS,
        "Hello",
        1,
    )
    numbers = http_session.get(f"{server.url}/sandbox/numbers", timeout=10).json()
    assert {
        "number": "27999100105",
        "forces": "error 105",
        "happens": "refused: Invalid Destination Address",
    } in numbers


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", ""])
def test_a_page_of_another_host_does_not_reach_the_record(server, http_session, host):
    url = f"{server.url}/sandbox/messages"
    assert http_session.get(url, headers={"Host": host}, timeout=10).status_code == 403


@pytest.mark.parametrize("path", ["/sandbox/nothing", "/sandbox/advance?seconds=1", "/xml/xml", "/"])
def test_other_addresses_are_not_found(server, http_session, path):
    assert http_session.get(server.url + path, timeout=10).status_code == 404


def test_an_old_client_gets_an_error_line_for_what_the_sandbox_does_not_know(server, http_session):
    form = {"user": "sandbox", "password": "sandbox", "api_id": "1", "to": "447700900123", "si_text": "Hi"}
    answer = http_session.post(f"{server.url}/mms/si_push", data=form, timeout=10)
    assert (answer.status_code, answer.text) == (200, "ERR: 101, Invalid or missing parameters")


def test_a_faster_clock_runs_ahead(server):
    start = server.now()
    with serve(Gateway(), speed=1e6, start=start) as fast:
        fast.gateway.handle("/http/ping", fast.now())
        assert fast.now() > start
        assert (fast.now() - start) > (server.now() - start)


def test_it_listens_on_loopback_alone_and_stops_when_told():
    server = serve(Gateway())
    parts = urlsplit(server.url)
    assert parts.hostname == "127.0.0.1"
    with pytest.raises(OSError, match="Address already in use"):
        serve(Gateway(), port=parts.port)
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port), timeout=5)


# Faults, as a socket shows them.


def raw(server, number):
    """Send to a number over a fresh connection and return every byte that comes back."""
    parts = urlsplit(server.url)
    body = urlencode({**WHO, "to": number, "text": "Hi"})
    head = f"POST /http/sendmsg HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        wire.sendall(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        try:
            return b"".join(iter(lambda: wire.recv(4096), b""))
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize(
    ("fault", "answers", "accepted"),
    [
        ("01", rb"", 0),
        ("02", rb"", 0),
        ("03", rb"", 1),
        ("05", rb"HTTP/1.1 200 .*\r\n\r\nID: [0-9a-f]{32}", 1),
        ("06", rb"HTTP/1.1 200 .*Content-Length: 37\r\n.*\r\n\r\nID: [0-9a-f]{14}", 1),
        ("07", rb"HTTP/1.1 200 .*\r\n\r\n[\x80-\xff]{36}", 1),
        ("08", rb"HTTP/1.1 502 .*<html>.*", 0),
        ("09", rb"HTTP/1.1 503 .*<html>.*", 1),
        ("10", rb"HTTP/1.1 429 .*Retry-After: 1\r\n.*", 0),
        ("11", rb"HTTP/1.1 200 .*ERR: 003, Session ID expired", 0),
        ("12", rb"HTTP/1.1 200 .*ERR: 901, Internal error", 0),
        ("13", rb"HTTP/1.1 200 .*ERR: 901, Internal error", 1),
    ],
)
def test_a_fault_shows_on_the_wire(server, fault, answers, accepted):
    before = len(server.gateway.messages)
    assert re.fullmatch(answers, raw(server, f"279994000{fault}"), re.DOTALL)
    assert len(server.gateway.messages) - before == accepted


# Clients that others wrote.


@pytest.fixture
def client(server, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = Http(WHO["user"], WHO["password"], WHO["api_id"])
    client.endpoint = server.url.removeprefix("http://")
    return client


def test_the_clickatell_package_sends_to_one_and_to_three(server, client):
    numbers = [HERS, HIS, "61491570006"]
    for to in ([HERS], numbers):
        replies = client.sendMessage(to, "Hello from another client")
        assert [(reply["destination"], reply["error"]) for reply in replies] == [(number, False) for number in to]
        accepted = server.gateway.messages[-len(to) :]
        assert [reply["id"] for reply in replies] == [message.apimsgid for message in accepted]
        assert [message.text for message in accepted] == ["Hello from another client"] * len(to)


def test_the_clickatell_package_reads_errors_one_by_one(client):
    one, two = client.sendMessage([HERS, "123"], "Hello")
    assert (one["error"], two["error"], two["destination"]) == (False, "Invalid Destination Address", "123")


def test_the_clickatell_package_reads_balance_charge_and_coverage(server, client):
    assert client.getBalance()["balance"] == float(server.gateway.balance)
    (reply,) = client.sendMessage([HERS], "Hello")
    charge = client.getMessageCharge(reply["id"])
    assert (charge["id"], charge["charge"]) == (reply["id"], 0.8)
    assert client.routeCoverage(HERS) == {"routable": True, "destination": HERS, "charge": 0.8}
    assert client.routeCoverage("8800000000000")["routable"] is False


def test_the_clickatell_package_stops_a_deferred_message(client):
    (reply,) = client.sendMessage([HERS], "Hello", {"deliv_time": 60})
    assert client.stopMessage(reply["id"])["status"] == "006"


def test_a_plain_script_authenticates_and_sends(server):
    def get(path, **parameters):
        with urllib.request.urlopen(f"{server.url}{path}?{urlencode(parameters)}", timeout=10) as reply:
            return reply.read().decode()

    word, session = get("/http/auth", **WHO).split(": ")
    assert word == "OK"
    word, apimsgid = get("/http/sendmsg", session_id=session.strip(), to=HERS, text="Hello").split(": ")
    assert word == "ID"
    assert server.gateway.messages[-1].apimsgid == apimsgid


def test_the_package_loads_no_http_library_before_it_serves():
    code = "import sys; from clicknb.simulator import Gateway; Gateway(); sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def ends(client):
    """Whether a connection comes to an end, in whatever way."""
    try:
        while client.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_a_server_that_closes_leaves_nobody_waiting():
    for round_number in range(40):
        with serve(Gateway()) as server:
            host, port = server.url.removeprefix("http://").split(":")
            clients = []
            for _ in range(8):
                client = socket.socket()
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.connect((host, int(port)))
                clients.append(client)
            for client in clients[: round_number % 9]:
                with contextlib.suppress(BlockingIOError, OSError):
                    client.send(b"POST /http/auth HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nuser")
        for client in clients:
            client.settimeout(20)
            with client:
                assert ends(client), "a connection was neither answered nor closed"
