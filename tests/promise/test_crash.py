"""The sending process is ended, at moments drawn from a seed, over a real socket and on a real file."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from clicknb.errors import CampaignError
from clicknb.simulator import Response, Server, serve
from tests.promise.harness import (
    PROCESSES,
    Recorder,
    assert_kept,
    assert_recovers,
    in_doubt,
    over_socket,
    run,
    run_cell,
    soak,
)

MESSAGES = soak(60, 1000)
CONNECTIONS = 8


class Deadly(Recorder):
    """A gateway that ends the process that sends, when a certain request arrives or a moment later."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._delay: float | None = None
        self._end: Callable[[], None] = lambda: None

    def aim(self, end: Callable[[], None], luck: random.Random, most: int) -> None:
        """Choose the request, and whether it hits before that is accepted, before it is answered, or later."""
        self._end = end
        self._delay = luck.choice([None, 0.0, luck.uniform(0.0, 0.004)])
        self._left = luck.randint(1, most)

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        self._left -= 1
        if self._left or self._delay:
            if not self._left:
                Timer(self._delay or 0.0, self._end).start()
            return super().handle(path, now, **request)
        if self._delay is None:
            self._end()
            return super().handle(path, now, **request)
        response = super().handle(path, now, **request)
        self._end()
        return response


def send(url: str, ledger: Path) -> None:
    with (
        suppress(KeyboardInterrupt, CampaignError),
        over_socket(url, ledger, concurrency=CONNECTIONS) as sms,
    ):
        run_cell(sms, MESSAGES)


def sender(server: Server, ledger: Path) -> Any:
    return PROCESSES.Process(target=send, args=(server.url, ledger), daemon=True)


def interrupt(process: Any) -> None:
    """Press Ctrl-C, if the process is still there."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGINT)


@pytest.mark.parametrize("seed", range(soak(6, 100)))
def test_a_killed_sender_loses_nothing_doubles_nothing_and_leaves_few_in_doubt(seed, tmp_path):
    ledger = tmp_path / "ledger.sqlite"
    with serve(Deadly()) as server:
        process = sender(server, ledger)
        server.gateway.aim(process.kill, random.Random(seed), most=MESSAGES)
        (code,) = run(process)
        assert code in {-signal.SIGKILL, 0}  # the last ones may find it done
        assert max(Counter(message.to for message in server.gateway.messages).values(), default=0) <= 1
        with over_socket(server, ledger) as sms:
            assert in_doubt(sms) <= CONNECTIONS
            assert_recovers(sms, server.gateway, MESSAGES)


def test_a_campaign_that_is_killed_again_and_again_comes_to_its_end(tmp_path):
    ledger, luck, kills = tmp_path / "ledger.sqlite", random.Random(1), soak(4, 20)
    with serve(Deadly()) as server:
        for kill in range(1, kills + 1):
            process = sender(server, ledger)
            server.gateway.aim(process.kill, luck, most=MESSAGES // kills)
            run(process)
            with over_socket(server, ledger) as sms:
                assert in_doubt(sms) <= kill * CONNECTIONS
        assert server.gateway.arrived["sendmsg"] == len(server.gateway.messages) < MESSAGES
        with over_socket(server, ledger) as sms:
            assert_recovers(sms, server.gateway, MESSAGES)


@pytest.mark.parametrize("seed", range(soak(2, 50)))
def test_a_sender_that_is_interrupted_leaves_a_clean_record(seed, tmp_path):
    ledger = tmp_path / "ledger.sqlite"
    with serve(Deadly()) as server:
        process = sender(server, ledger)
        server.gateway.aim(lambda: interrupt(process), random.Random(seed), most=MESSAGES * 9 // 10)
        assert run(process) == [0]
        with over_socket(server, ledger) as sms:
            assert in_doubt(sms) <= CONNECTIONS
            assert_recovers(sms, server.gateway, MESSAGES)


def test_two_processes_that_run_the_same_cell_send_each_message_once(tmp_path):
    ledger = tmp_path / "ledger.sqlite"
    with serve(Recorder()) as server:
        assert run(sender(server, ledger), sender(server, ledger)) == [0, 0]
        with over_socket(server, ledger) as sms:
            assert_kept(sms, server.gateway.messages, MESSAGES)
            assert_recovers(sms, server.gateway, MESSAGES)
