"""Clocks: the time of day may be set, and the time that passes does not care."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from clicknb.clock import START, RealClock, RunningClock, SteppedClock


def test_stepped_time_passes_only_by_sleeping():
    clock = SteppedClock()
    begun = clock.monotonic()
    clock.turn(timedelta(hours=-2))
    assert (clock.now(), clock.monotonic()) == (START - timedelta(hours=2), begun)
    clock.sleep(90)
    clock.sleep(-5)
    assert (clock.now(), clock.monotonic()) == (START - timedelta(minutes=118.5), begun + 90)


def test_running_time_passes_at_its_speed(monkeypatch):
    real = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: real)
    clock = RunningClock(60)
    begun = clock.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: real + 2)
    assert clock.monotonic() - begun == pytest.approx(120)
    assert clock.now() - START == timedelta(seconds=120)


def test_real_time_is_the_machines_own(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1234.5)
    assert RealClock().monotonic() == 1234.5
