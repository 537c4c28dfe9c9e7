"""Measures clicknb against what a user would write instead: rates, the client's CPU time, growth.

``python -m benchmarks.run`` takes about six minutes; ``--long`` is for numbers to quote, and ``--keep`` writes them
into ``benchmarks/README.md`` and ``benchmarks/rates.png``.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import recipients, share, tables, texts
from benchmarks.clients import ALONE, BY_LIST, CLIENTS, CONNECTIONS, Job
from benchmarks.machine import CORES, machine

HERE = Path(__file__).parent
KINDS = {
    "same text": "(a) same text to N",
    "own text": "(b) own text to each of N",
    "statuses": "(c) statuses of N",
    "charges": "(d) charges of N",
}
LATENCIES = (0.0, 0.05)
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Gateway:
    """The gateway's process."""

    process: subprocess.Popen[str]
    url: str

    def busy(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


@contextlib.contextmanager
def gateway(latency: float) -> Iterator[Gateway]:
    """Run a gateway on the last core; this process keeps the first."""
    command = [sys.executable, str(HERE / "gateway.py"), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        os.sched_setaffinity(process.pid, CORES[-1:])
        try:
            port = int(next(process.stdout or iter(())))
            yield Gateway(process, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


@dataclass
class Result:
    """What the rounds of one client measured."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def size(name: str, kind: str, latency: float, factor: float) -> int:
    """Choose how much a client has to do, so that all of them take about as long."""
    if kind == "same text" and name in BY_LIST:
        messages = 6000
    elif name in ALONE:
        messages = 20 if latency else 400
    else:
        messages = 1280 if latency else 3000
    return int(messages * factor)


def once(name: str, job: Job, place: Gateway, result: Result) -> None:
    work = CLIENTS[name](place.url, job)
    gc.collect()
    busy, cpu, start = place.busy(), time.process_time(), time.perf_counter()
    answers = work()
    seconds = time.perf_counter() - start
    result.cpu.append((time.process_time() - cpu) / job.size * 1000)
    result.busy.append((place.busy() - busy) / seconds)
    result.rates.append(job.size / seconds)
    count = answers() if callable(answers) else len(answers)
    if count != job.size:
        message = f"{name}: {count} answers to {job.size} requests"
        raise RuntimeError(message)


def measure(kind: str, latency: float, rounds: int, factor: float) -> dict[str, Result]:
    """Let all clients do the same in turns."""
    names = [name for name in CLIENTS if kind == "same text" or name != "clicknb, list mode"]
    results = {name: Result() for name in names}
    with gateway(latency) as place:
        for _ in range(rounds):
            for name in names:
                once(name, Job(kind, size(name, kind, latency, factor)), place, results[name])
    return results


def table(kind: str, latency: float, results: dict[str, Result]) -> str:
    limit = results["bare sockets"].rate
    lines = [
        f"**{KINDS[kind]}, {latency * 1000:.0f} ms latency**\n",
        "| client | messages/s | of `requests.post` | of the limit | client CPU, ms a message | gateway busy |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, result in sorted(results.items(), key=lambda item: -item[1].rate):
        times = result.rate / results["requests.post"].rate
        lines.append(
            f"| {name} | {result.rate:,.0f} | {times:,.1f} | {result.rate / limit:.2f} |"
            f" {statistics.median(result.cpu):.3f} | {statistics.median(result.busy):.0%} |"
        )
    return "\n".join(lines) + "\n"


def growth(sizes: list[int]) -> str:
    """Measure a campaign of each size in a process of its own."""
    found = []
    with gateway(0.0) as place:
        for rows in sizes:
            command = [sys.executable, "-m", "benchmarks.scale", place.url, str(rows)]
            ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parent)
            found.append(json.loads(ran.stdout))
    lines = ["| | " + " | ".join(f"{one['rows']:,.0f} rows" for one in found) + " |", "|---|" + "---:|" * len(found)]
    for step in list(found[0])[1:]:
        unit = "MB" if "MB" in step else "s"
        values = (f"{one[step]:,.0f} {unit}" if unit == "MB" else f"{one[step]:.2f} {unit}" for one in found)
        lines.append(f"| {step} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def draw(everything: dict[tuple[str, float], dict[str, Result]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(KINDS), len(LATENCIES), figsize=(11, 13), layout="constrained", squeeze=False)
    for (kind, latency), results in everything.items():
        axis = axes[list(KINDS).index(kind)][LATENCIES.index(latency)]
        names = sorted(results, key=lambda name: results[name].rate)
        rates = [results[name].rate for name in names]
        colours = ["black" if "clicknb" in name else "darkgrey" for name in names]
        bars = axis.barh(names, rates, color=colours)
        axis.bar_label(bars, [f" {rate:,.0f}" for rate in rates], fontsize=8)
        axis.set(xscale="log", title=f"{KINDS[kind]}, {latency * 1000:.0f} ms", xlabel="messages a second (log scale)")
        axis.set_xlim(right=max(rates) * 4)
        axis.tick_params(labelsize=8)
    figure.suptitle(f"clicknb with its ledger on; up to {CONNECTIONS} connections. {machine()}", fontsize=10)
    figure.savefig(path, dpi=110)


def keep(text: str, everything: dict[tuple[str, float], dict[str, Result]]) -> None:
    readme = HERE / "README.md"
    before, mark, _ = readme.read_text(encoding="utf-8").partition("<!-- results -->")
    readme.write_text(f"{before}{mark}\n\n{text}", encoding="utf-8")
    draw(everything, HERE / "rates.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="more rounds, and longer ones")
    parser.add_argument("--keep", action="store_true", help="write the results into README.md and rates.png")
    options = parser.parse_args()
    rounds, factor = (5, 3.0) if options.long else (3, 1.0)
    os.sched_setaffinity(0, CORES[:1])
    everything = {}
    pieces = [f"{machine()}; medians of {rounds} rounds in turns; clicknb keeps its ledger on a disk, with no rate.\n"]
    for kind in KINDS:
        for latency in LATENCIES:
            everything[kind, latency] = measure(kind, latency, rounds, factor)
            pieces.append(table(kind, latency, everything[kind, latency]))
            print(pieces[-1], flush=True)
    with gateway(0.0) as place:
        pieces.append(share.table(place.url, rounds))
    print(pieces[-1], flush=True)
    for piece in (texts.report(rounds), recipients.report(100_000, rounds), tables.report(100_000, rounds)):
        pieces.append(piece)
        print(piece, flush=True)
    pieces.append("**One campaign, from table to record, 0 ms latency**\n\n" + growth([1000, 10_000, 100_000]))
    print(pieces[-1], flush=True)
    if options.keep:
        keep("\n".join(pieces), everything)


if __name__ == "__main__":
    main()
