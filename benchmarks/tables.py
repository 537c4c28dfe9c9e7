"""Measures how fast a table of people is read, beside ``pandas.read_csv`` with every cell as text.

``python -m benchmarks.tables`` prints a table. Seconds are those of the processor, the least of rounds in turns.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import clicknb as cn
from benchmarks.machine import machine
from benchmarks.texts import NAMES

COLUMNS = ("client", "name", "mobile", "code", "note")


def write(path: Path, rows: int, note: str) -> None:
    """Write people with numbers that are reserved for tests, or in none of a country."""
    draw = random.Random(1)
    lines = [
        f"C{row:06d},{draw.choice(NAMES)},4477009{row % 100_000:05d},{draw.randrange(10**6):06d},{note}"
        for row in range(rows)
    ]
    path.write_text("\n".join([",".join(COLUMNS), *lines, ""]), encoding="utf-8")


def seconds(work: Callable[[], object]) -> float:
    """Give the seconds of the processor that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def report(rows: int, rounds: int) -> str:
    lines = [
        f"**Reading {rows:,} people**, {len(COLUMNS)} columns, UTF-8\n",
        "| cells | `pandas.read_csv(dtype=str)`, s | `cn.read_recipients`, s | times |",
        "|---|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        for kind, note in {"plain": "see you soon", "one of five quoted": '"see you, soon"'}.items():
            write(path, rows, note)
            reads = (lambda: pd.read_csv(path, dtype=str), lambda: cn.read_recipients(path))
            theirs, ours = map(min, zip(*(map(seconds, reads) for _ in range(rounds)), strict=True))
            lines.append(f"| {kind} | {theirs:.3f} | {ours:.3f} | {ours / theirs:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    print(f"{machine()}.\n\n{report(parser.parse_args().rows, 7)}")


if __name__ == "__main__":
    main()
