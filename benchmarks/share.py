"""What the record costs: the time that ``plan.send()`` spends in the ledger, its waiting for the disk included."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import clicknb
from benchmarks.clients import CONNECTIONS, Job

CALLS = ("start", "recorded", "add", "stop", "abandon", "messages", "campaign", "record")
SIZES = {CONNECTIONS: 3000, 1: 300}


def measure(url: str, connections: int, messages: int) -> tuple[float, float]:
    """Send a campaign; returns milliseconds a message inside the ledger, and in all."""
    inside = 0.0

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def run(*arguments: Any) -> Any:
            nonlocal inside
            start = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                inside += time.perf_counter() - start

        return run

    job = Job("own text", messages)
    with (
        tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder,
        clicknb.connect(
            user="u", password="p", api_id="1", base_url=url, ledger=Path(folder, "l.sqlite"), concurrency=connections
        ) as sms,
    ):
        plan = sms.plan(job.people, to="mobile", text=job.template, name="share")
        ledger = sms.context.ledger
        for name in CALLS:
            setattr(ledger, name, timed(getattr(ledger, name)))
        start = time.perf_counter()
        plan.send(progress=False)
        return inside / messages * 1000, (time.perf_counter() - start) / messages * 1000


def table(url: str, rounds: int) -> str:
    lines = [
        "**The ledger's share of the time that a message takes, 0 ms latency**\n",
        "| connections | in the ledger, ms a message | in all, ms a message |",
        "|---:|---:|---:|",
    ]
    for connections, messages in SIZES.items():
        found = zip(*(measure(url, connections, messages) for _ in range(rounds)), strict=True)
        inside, total = (statistics.median(values) for values in found)
        lines.append(f"| {connections} | {inside:.3f} | {total:.3f} |")
    return "\n".join(lines) + "\n"
