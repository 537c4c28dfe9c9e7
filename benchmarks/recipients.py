"""Measures how fast numbers are read, beside ``phonenumbers`` alone, and compares what both say of each.

``python -m benchmarks.recipients`` prints a table; ``--rows`` says how many numbers. They are drawn at random from the
patterns of the home country and of others; nobody is meant.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from random import Random

import pandas as pd
import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from benchmarks.machine import machine
from clicknb.recipients.doctor import doctor
from clicknb.recipients.numbers import Reading, normalise

HOMES = ("ZA", "GB", "US", "NG", "KE", "FR")
ABROAD = (*HOMES, "DE", "IN", "BR", "AU", "ES", "IT", "JP", "NL", "CA", "IE")

# How the numbers of a real list are written, and how many in a hundred.
HOME_WAYS: tuple[tuple[int, Callable[[str, str, str], str]], ...] = (
    (35, lambda code, rest, trunk: trunk + rest),
    (15, lambda code, rest, trunk: f"+{code}{rest}"),
    (10, lambda code, rest, trunk: code + rest),
    (10, lambda code, rest, trunk: f"{trunk}{rest[:2]} {rest[2:5]} {rest[5:]}"),
    (5, lambda code, rest, trunk: f"+{code} {f'({trunk})' if trunk else ''}{rest[:2]}-{rest[2:]}"),
    (5, lambda code, rest, trunk: rest),
)
FOREIGN_WAYS = (
    (8, lambda code, rest, trunk: f"+{code}{rest}"),
    (4, lambda code, rest, trunk: f"00{code} {rest[:3]} {rest[3:]}"),
)
DAMAGES = (
    (2, lambda code, rest, trunk: f"{code}{rest}.0"),
    (1, lambda code, rest, trunk: f"'{trunk}{rest}"),
    (1, lambda code, rest, trunk: f"{code[0]}.{code[1:]}{rest[:3]}E+10"),
    (1, lambda code, rest, trunk: f"{trunk}{rest}/{trunk}{rest[::-1]}"),
    (1, lambda code, rest, trunk: f"\u202a+{code}{rest}\u202c"),
    (1, lambda code, rest, trunk: f"{trunk}{rest[:-2]}"),
    (1, lambda code, rest, trunk: f"+{code}{rest}7"),
)


def number(draw: Random, region: str) -> tuple[str, str, str]:
    """Draw a mobile number, valid or nearly so: calling code, the rest, what is dialled in front at home."""
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    national = phonenumbers.national_significant_number(example)
    start = draw.choice(("71", "82", "83")) if region == "ZA" else national[:3]  # where the library takes five digits
    rest = start + "".join(draw.choices("0123456789", k=len(national) - len(start)))
    trunk = phonenumbers.ndd_prefix_for_region(region, True) or ""
    return str(example.country_code), rest, trunk if trunk == "0" else ""


def cells(count: int, home: str, ways: tuple, *, seed: int = 1) -> list[str]:
    """Draw different cells."""
    draw = Random(seed)
    weights = [weight for weight, _ in ways]
    found: dict[str, None] = {}
    while len(found) < count:
        _, way = draw.choices(ways, weights)[0]
        region = draw.choice(ABROAD) if any(way is foreign for _, foreign in FOREIGN_WAYS) else home
        found[way(*number(draw, region))] = None
    return list(found)


def library(text: str, home: str) -> str | None:
    try:
        parsed = phonenumbers.parse(text, home)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def seconds(work: Callable[[], object]) -> float:
    began = time.process_time()  # nothing here waits, and other programs shall not count
    work()
    return time.process_time() - began


def measure(texts: list[str], home: str, rounds: int) -> tuple[dict[str, float], Counter[str]]:
    frame = pd.DataFrame({"to": texts})
    works: dict[str, Callable[[], object]] = {
        "phonenumbers": lambda: [library(text, home) for text in texts],
        "normalise": lambda: [normalise(text, home) for text in texts],
        "cn.doctor": lambda: doctor(frame, to="to", country=home),
    }
    for work in works.values():
        work()  # compiles patterns
    times = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(spent) for name, spent in times.items()}, compared(texts, home)


def compared(texts: list[str], home: str) -> Counter[str]:
    return Counter(difference(library(text, home), normalise(text, home)) for text in texts)


def difference(known: str | None, verdict: Reading) -> str:
    to = f"+{verdict.to}" if verdict.to else None
    if known == to:
        return "same number" if to else "both refuse"
    if to is None:
        return f"only clicknb refuses: {verdict.kind}"
    return f"only clicknb reads it: {verdict.kind}" if known is None else f"another number: {verdict.kind}"


MIXES = {"mixed": HOME_WAYS + FOREIGN_WAYS + DAMAGES, "home numbers only": HOME_WAYS[:3], "damages only": DAMAGES}
CASES = (("ZA", "mixed"), ("GB", "mixed"), ("US", "mixed"), ("ZA", "home numbers only"), ("ZA", "damages only"))


def report(rows: int, rounds: int) -> str:
    lines = [
        f"**{rows:,} different numbers**, one core\n",
        "| numbers | home | phonenumbers alone, 1/s | normalise, 1/s | times | cn.doctor, 1/s | times |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    differences = {}
    for home, mix in CASES:
        texts = cells(rows, home, MIXES[mix])
        spent, differences[home, mix] = measure(texts, home, rounds)
        alone, ours, whole = (rows / spent[name] for name in ("phonenumbers", "normalise", "cn.doctor"))
        rates = f"{alone:,.0f} | {ours:,.0f} | {ours / alone:.1f} | {whole:,.0f} | {whole / alone:.1f}"
        lines.append(f"| {mix} | {home} | {rates} |")
    lines += ["", "| numbers | home | verdict | numbers |", "|---|---|---|---:|"]
    for (home, mix), counts in differences.items():
        lines += [f"| {mix} | {home} | {what} | {count:,} |" for what, count in counts.most_common()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{machine()}; medians of {options.rounds} rounds in turns.\n")
    print(report(options.rows, options.rounds))


if __name__ == "__main__":
    main()
