"""One session for everybody."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta

import pytest

from clicknb.clock import SteppedClock
from clicknb.errors import AccountError
from clicknb.gateway.http.session import Session


class Desk:
    """Hands out session ids and counts them."""

    def __init__(self):
        self.calls = 0
        self._ids = (f"{number:032x}" for number in itertools.count(1))

    def __call__(self):
        self.calls += 1
        return next(self._ids)


def together(threads, work):
    gate = threading.Barrier(threads)
    results = []

    def run():
        gate.wait(5)
        results.append(work())

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(10)
    return results


def test_fifty_threads_authenticate_once():
    desk = Desk()
    session = Session(desk, SteppedClock())
    assert len(together(50, session.id)) == 50
    assert desk.calls == 1


def test_fifty_threads_renew_once():
    desk = Desk()
    session = Session(desk, SteppedClock())
    expired = session.id()
    renewed = together(50, lambda: session.renew(expired))
    assert len(set(renewed)) == 1
    assert expired not in renewed
    assert desk.calls == 2


def test_an_id_that_was_renewed_already_is_not_renewed_again():
    desk = Desk()
    session = Session(desk, SteppedClock())
    first = session.id()
    second = session.renew(first)
    assert session.renew(first) == second == session.id()
    assert desk.calls == 2


@pytest.mark.parametrize(("minutes", "calls"), [(13, 1), (16, 2)])
def test_a_long_pause_needs_a_new_session(minutes, calls):
    desk, clock = Desk(), SteppedClock()
    session = Session(desk, clock)
    session.id()
    clock.sleep(60 * minutes)
    session.id()
    assert desk.calls == calls


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_pause_is_as_long_as_it_was_however_the_clock_is_set(hours):
    desk, clock = Desk(), SteppedClock()
    session = Session(desk, clock)
    session.id()
    clock.turn(timedelta(hours=hours))
    session.id()
    assert desk.calls == 1
    clock.turn(timedelta(hours=-hours))
    clock.sleep(16 * 60)
    clock.turn(timedelta(hours=hours))
    session.id()
    assert desk.calls == 2


def test_every_use_counts_as_one():
    desk, clock = Desk(), SteppedClock()
    session = Session(desk, clock)
    for _ in range(10):
        session.id()
        clock.sleep(600)
    assert desk.calls == 1


def test_errors_pass_through_and_are_not_kept():
    answers = iter([AccountError("no", code="002"), "f" * 32])

    def authenticate():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    session = Session(authenticate, SteppedClock())
    with pytest.raises(AccountError):
        session.id()
    assert session.id() == "f" * 32


def test_a_session_does_not_show_its_id():
    session = Session(lambda: "f" * 32, SteppedClock())
    session.id()
    assert "fff" not in repr(session) + repr(vars(session))
