"""One ledger by two names: by each of them it would have a lock and a log of its own."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from clicknb.errors import ClicknbError
from clicknb.simulator import serve
from tests.promise.copying import COUNT, Watched, account, machine
from tests.promise.harness import assert_nobody_twice, assert_recovers, connected, run, run_cell, soak


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "other.sqlite"


def test_a_ledger_with_two_names_is_refused_and_sends_again_when_one_is_gone(ledger, other):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            run_cell(sms, COUNT // 2)
        os.link(ledger, other)
        for name in (ledger, other):
            with pytest.raises(ClicknbError, match=r"two names|2 names|hard link"), account(server, name) as sms:
                run_cell(sms, COUNT)
            with pytest.raises(ClicknbError, match=r"two names|2 names|hard link"), account(server, name) as sms:
                sms.send("447700900999", "single")
        assert len(server.gateway.messages) == COUNT // 2
        other.unlink()
        with account(server, ledger) as sms:
            assert run_cell(sms, COUNT).counts == {"accepted": COUNT}
        assert_nobody_twice(server.gateway)


@pytest.mark.parametrize("first", [0, COUNT // 3])
def test_two_senders_by_two_names_of_one_file_write_to_nobody_twice(first, ledger, other):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            if first:
                run_cell(sms, first)
        os.link(ledger, other)
        run(machine(server, ledger), machine(server, other))
        assert_nobody_twice(server.gateway)
        other.unlink()
        with account(server, ledger) as sms:
            assert_recovers(sms, server.gateway, COUNT)


def test_a_second_name_that_is_made_while_messages_are_sent(ledger, other):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            second = machine(server, other)

            def begin() -> None:
                os.link(ledger, other)
                second.start()

            server.gateway.after(COUNT // 3, begin)
            with suppress(ClicknbError):
                run_cell(sms, COUNT)
            second.join(60)
        assert_nobody_twice(server.gateway)


def test_a_second_name_that_is_made_under_an_open_account(ledger, other):
    with serve(Watched()) as server, account(server, ledger) as sms:
        run_cell(sms, COUNT // 3)
        os.link(ledger, other)
        run(machine(server, other))
        with suppress(ClicknbError):
            run_cell(sms, COUNT)
        assert_nobody_twice(server.gateway)


def test_a_symbolic_link_is_no_second_name(ledger, other):
    with serve(Watched()) as server:
        with account(server, ledger) as sms:
            sms.send("447700900999", "before")
        other.symlink_to(ledger)
        run(machine(server, ledger), machine(server, other))
        with account(server, other) as sms:
            assert run_cell(sms, COUNT).reconcile(timeout=0).counts == {"accepted": COUNT}
        assert_nobody_twice(server.gateway)


def test_many_who_open_the_same_new_ledger_at_once_are_not_taken_for_two_names(tmp_path):
    """A new ledger is put in its place by a link: for a moment it has two names itself."""
    failures: list[ClicknbError] = []

    def open_it(together: threading.Barrier, place: Path) -> None:
        together.wait(30)
        try:
            with connected("http://127.0.0.1:1", place):
                pass
        except ClicknbError as error:
            failures.append(error)

    for turn in range(soak(10, 200)):
        together = threading.Barrier(6)
        place = tmp_path / f"{turn}.sqlite"
        threads = [threading.Thread(target=open_it, args=(together, place)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []
