"""A network that loses, spoils, delays and ends things: one request for each message, and every row named."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import clicknb as cn
from clicknb import testing
from clicknb.campaign.brakes import ASK_EVERY
from clicknb.errors import CampaignStopped
from clicknb.simulator import Fault, Gateway, Response, faults, serve
from tests.promise.harness import (
    DENIED_LONG_ENOUGH,
    NAME,
    Recorder,
    assert_kept,
    assert_recovers,
    in_process,
    meddle,
    over_socket,
    people,
    run_cell,
    run_until_nothing_is_planned,
    soak,
    some,
)

MESSAGES = 200
ON_THE_WIRE = soak(40, MESSAGES)

# What a fault can do to a campaign that is run to its end. What was accepted is found by reconciling.
IN_DOUBT = {"reset", "lost", "truncated", "garbage", "html502", "html503", "error901", "error901_accepted"}
ACCEPTED = {"lost", "truncated", "garbage", "html503", "error901_accepted"}
CERTAIN = {"refused", "slow", "drip", "throttled", "expired"}


def test_every_fault_is_tried():
    assert set(faults.NAMES) == IN_DOUBT | CERTAIN


@pytest.mark.parametrize("fault", sorted(ACCEPTED))
def test_lost_replies_cost_one_request_a_message_and_are_all_found(fault, tmp_path):
    with serve(Recorder(faults=[Fault(fault)])) as server, over_socket(server, tmp_path / "l.sqlite") as sms:
        campaign = run_until_nothing_is_planned(sms, ON_THE_WIRE)  # so many doubts make it stop on the way
        assert campaign.counts == {"unknown": ON_THE_WIRE}
        assert server.gateway.arrived["sendmsg"] == ON_THE_WIRE
        campaign.resume(progress=False)
        run_cell(sms, ON_THE_WIRE)
        assert server.gateway.arrived["sendmsg"] == ON_THE_WIRE
        campaign.reconcile(timeout=0)
        assert campaign.counts == {"accepted": ON_THE_WIRE}
        assert_kept(sms, server.gateway.messages, ON_THE_WIRE)


def trouble(fault: str) -> Recorder:
    share = soak(0.02, 0.3) if fault == "slow" else 0.3
    return Recorder(seed=3, faults=[Fault(fault, share=share)])


def assert_survives(sms: cn.Account, gateway: Recorder, fault: str, messages: int) -> None:
    campaign = run_until_nothing_is_planned(sms, messages)
    assert_kept(sms, gateway.messages, messages)
    assert campaign.counts.keys() == ({"accepted", "unknown"} if fault in IN_DOUBT else {"accepted"})
    campaign.reconcile(DENIED_LONG_ENOUGH)
    assert campaign.counts.keys() == ({"accepted", "absent"} if fault in IN_DOUBT - ACCEPTED else {"accepted"})
    assert campaign.counts["accepted"] == len(gateway.messages)
    assert_kept(sms, gateway.messages, messages)


@pytest.mark.parametrize("fault", sorted(faults.NAMES.keys() - {"refused"}))
def test_any_fault_on_the_wire_doubles_and_loses_nothing(fault, tmp_path):
    with serve(trouble(fault)) as server, over_socket(server, tmp_path / "l.sqlite", concurrency=16) as sms:
        assert_survives(sms, server.gateway, fault, ON_THE_WIRE)


@pytest.mark.parametrize("fault", sorted(faults.NAMES))
def test_any_fault_in_process_doubles_and_loses_nothing(fault, tmp_path):
    gateway = trouble(fault)
    with in_process(gateway, tmp_path, connections=16) as sms:
        assert_survives(sms, gateway, fault, MESSAGES)


# --- sessions --------------------------------------------------------------------------------------------------


class Forgetful(Recorder):
    """A gateway for which a quarter of an hour and more goes by just before its n-th send."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at
        self._later = timedelta(0)

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if path.endswith("sendmsg") and self.arrived["sendmsg"] + 1 == self._at:
            self._later = timedelta(minutes=16)
        return super().handle(path, now + self._later, **request)


@pytest.mark.parametrize("connections", [1, 16])
def test_a_session_that_expires_at_any_request_is_renewed_once_and_each_message_accepted_once(connections, tmp_path):
    messages = soak(40, MESSAGES)
    for at in some(range(1, messages + 1), 2, seed=str(connections)):
        with (
            serve(Forgetful(at)) as server,
            over_socket(server, tmp_path / f"{at}.sqlite", concurrency=connections) as sms,
        ):
            assert run_cell(sms, messages).counts == {"accepted": messages}
            assert server.gateway.arrived["auth"] == 2
            assert messages < server.gateway.arrived["sendmsg"] <= messages + connections
            assert_recovers(sms, server.gateway, messages)


def test_fifty_threads_open_one_session(tmp_path):
    with (
        serve(Recorder()) as server,
        over_socket(server, tmp_path / "l.sqlite") as sms,
        ThreadPoolExecutor(50) as threads,
    ):
        together = threading.Barrier(50)

        def ask(_: int) -> Any:
            together.wait(30)
            return sms.balance()

        assert len(list(threads.map(ask, range(50)))) == 50
        assert server.gateway.arrived == {"auth": 1, "getbalance": 50}


def test_after_a_long_pause_a_new_session_is_opened_before_anything_is_refused(tmp_path):
    gateway = Recorder()
    with in_process(gateway, tmp_path) as sms:
        run_cell(sms, 10)
        sms.wait(16 * 60)
        run_cell(sms, 20)
        assert gateway.arrived["auth"] == 2
        assert gateway.arrived["sendmsg"] == len(gateway.messages) == 20


# --- running again ---------------------------------------------------------------------------------------------


def test_the_same_cell_run_five_times_and_after_a_restart_sends_each_message_once(tmp_path):
    gateway, names = Recorder(), []
    for _ in range(2):
        with in_process(gateway, tmp_path) as sms:
            names += [list(run_cell(sms, MESSAGES).sends["climsgid"]) for _ in range(5)]
            assert_kept(sms, gateway.messages, MESSAGES)
    assert names == [names[0]] * 10
    assert len(set(names[0])) == MESSAGES
    assert gateway.arrived["sendmsg"] == MESSAGES


# --- connections that the server closes ------------------------------------------------------------------------


class Impatient(ThreadingHTTPServer):
    """A server that closes its connections when it is told to, without a word, as idle ones are closed."""

    daemon_threads = True

    def __init__(self, gateway: Gateway, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.gateway = gateway
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.idle: set[Any] = set()
        self.closed = 0

    def close_idle(self, _what: str = "") -> None:
        while self.idle:
            self.idle.pop().shutdown(2)
            self.closed += 1

    def handle_error(self, *_: Any) -> None:
        """Take it as it is when the other side breaks a connection."""


class Answering(BaseHTTPRequestHandler):
    """Hands requests to the gateway and keeps the connection."""

    protocol_version = "HTTP/1.1"
    server: Impatient

    def do_POST(self) -> None:
        self.server.idle.discard(self.connection)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.gateway.handle(self.path, datetime.now(UTC), body=body)
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.server.idle.add(self.connection)  # before the client can know that it is
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def impatient(gateway: Gateway, handler: type[BaseHTTPRequestHandler] = Answering):
    with Impatient(gateway, handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_idle_connections_that_the_server_closes_put_nothing_in_doubt(tmp_path):
    pauses = soak(20, 500)
    gateway = Recorder()
    with impatient(gateway) as server, over_socket(server.url, tmp_path / "l.sqlite", concurrency=1) as opened:
        sms = meddle(opened, lambda what: server.close_idle() if what == "before start" else None)
        assert run_cell(sms, pauses + 1).counts == {"accepted": pauses + 1}
        assert server.closed >= pauses
        assert gateway.arrived["sendmsg"] == pauses + 1


# --- proxies that pack the answers ------------------------------------------------------------------------------


class Packing(Answering):
    """A proxy that says of its answers that they are compressed: of those to some commands."""

    packed = ""

    def end_headers(self) -> None:
        if self.path.endswith(self.packed):
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()


PACKED = "the answer is not HTTP by the book: it is compressed"


def test_a_reply_that_is_not_by_the_book_is_recorded_with_what_is_wrong_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Packing, "packed", "sendmsg")
    gateway = Recorder()
    with impatient(gateway, Packing) as server, over_socket(server.url, tmp_path / "l.sqlite") as sms:
        campaign = run_cell(sms, 1)
        assert campaign.sends["error"].tolist() == [f"the reply was lost: {PACKED}"]
        assert campaign.counts == {"unknown": 1}
        assert gateway.arrived["sendmsg"] == 1


def test_a_campaign_that_cannot_begin_says_what_is_wrong_with_the_answers(tmp_path):
    gateway = Recorder()
    with impatient(gateway, Packing) as server, over_socket(server.url, tmp_path / "l.sqlite") as sms:
        plan = sms.plan(people(1), to="to", text="Hi", name=NAME)
        with pytest.raises(CampaignStopped, match=PACKED):
            plan.send(progress=False)
        assert sms.campaign(NAME).counts == {"planned": 1}
        assert set(gateway.arrived) == {"auth"}


# --- pace ------------------------------------------------------------------------------------------------------


class Turned:
    """Seconds that pass only when this thread waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._wait = threading.Event.wait
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.pass_by)
        monkeypatch.setattr(threading.Event, "wait", lambda event, timeout=None: self.wait(event, timeout))

    def pass_by(self, seconds: float) -> None:
        self.now += max(seconds, 1e-6)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        if timeout is None or threading.current_thread() is not threading.main_thread():
            return self._wait(event, timeout)
        self.pass_by(timeout)
        return event.is_set()


@pytest.mark.parametrize("rate", [0.5, 1.0, 7.3, 100.0, 1234.5])
def test_the_pace_keeps_the_order_and_the_rate_in_every_second(rate, tmp_path, monkeypatch):
    gateway, leaving = Recorder(), []
    messages = soak(60, 1000)
    with in_process(gateway, tmp_path, connections=4) as opened:
        note = lambda what: leaving.append(clock.now) if what == "before start" else None  # noqa: E731
        sms = meddle(testing.altered(opened, rate=rate), note)
        clock = Turned(monkeypatch)
        assert run_cell(sms, messages).counts == {"accepted": messages}
        monkeypatch.undo()
    assert [message.to for message in gateway.messages] == list(people(messages)["to"])
    for start in leaving:
        assert sum(start <= moment < start + 1 for moment in leaving) <= rate + 1
    assert (messages - 1) / (leaving[-1] - leaving[0]) >= 0.95 * rate


@pytest.mark.parametrize("connections", [1, 3, 16])
def test_never_more_requests_are_on_their_way_than_there_are_connections(connections, tmp_path):
    flying, most = set(), 0
    with serve(Recorder()) as server, over_socket(server, tmp_path / "l.sqlite", concurrency=connections) as opened:
        connect = opened.context.connect

        class Counting:
            def __init__(self, count: int) -> None:
                self._exchange = connect(count)
                self.connections = self._exchange.connections
                self.close = self._exchange.close

            def start(self, slot: int, request: Any) -> None:
                nonlocal most
                flying.add(slot)
                most = max(most, len(flying))
                self._exchange.start(slot, request)

            def wait(self, *timeout: Any) -> Any:
                answers = self._exchange.wait(*timeout)
                flying.difference_update(slot for slot, _ in answers)
                return answers

        sms = testing.altered(opened, connect=Counting)
        run_cell(sms, soak(50, MESSAGES))
    assert most == connections
    assert not flying


# --- money -----------------------------------------------------------------------------------------------------


class Misquoting(Recorder):
    """A gateway whose messages cost more than it says beforehand."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        response = super().handle(path, now, **request)
        start, charge, price = response.body.partition(b"Charge: ")
        if not path.endswith("routeCoverage") or not charge:
            return response
        return replace(response, body=start + charge + f"{float(price) / self._factor:.6f}".encode())


@pytest.mark.parametrize("resumed", [0, 3])
def test_a_budget_is_overspent_at_most_by_what_left_since_the_balance_was_asked(resumed, tmp_path):
    for seed in range(soak(4, 1000)):
        luck = random.Random(seed)
        gateway, messages, connections = Misquoting(luck.uniform(1.5, 5)), luck.randint(100, 400), luck.choice([1, 20])
        with in_process(gateway, tmp_path / str(seed), connections=connections) as sms:
            settings = {"to": "to", "text": "Hi", "name": NAME}
            quoted = sms.plan(people(messages), **settings).frame["credits_low"].sum()
            budget, balance = quoted * luck.uniform(1.01, 1.4), gateway.balance
            with suppress(CampaignStopped):
                sms.plan(people(messages), **settings, budget=budget).send(progress=False)
            for _ in range(resumed):
                with suppress(CampaignStopped):
                    sms.campaign(NAME).resume(progress=False)
        spent, dearest = float(balance - gateway.balance), float(gateway.messages[0].charge)
        assert min(budget, messages * dearest) - dearest <= spent <= budget + (connections + ASK_EVERY) * dearest
