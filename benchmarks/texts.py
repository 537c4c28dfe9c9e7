"""Counts the parts of realistic texts on one core: clicknb beside two other libraries, as texts a second.

``python -m benchmarks.texts`` takes half a minute. Every library counts the same texts in turns, several rounds, and
the median counts; all of them must find the same number of parts. Seconds are those of the processor, so that other
work on the machine does not count.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import pandas as pd
import smsutil
from sms_toolkit.messages.profiling import profile_message

import clicknb as cn
from benchmarks.machine import CORES, machine
from clicknb.messages.unicode_cost import autopsy

NAMES = ["Anna", "Günter", "Thandiwe", "Bjørn", "José", "Zoë", "Siobhán", "O’Brien", "Łukasz", "Mary-Jane"]
TEMPLATES = {
    "Hi {name}, your parcel {code} is at the depot. Collect it before {day} March, 18:00, and bring your ID. Reply "
    "HELP for help, or call us between 9 and 5.": 40,
    "Dear {name}, your appointment on {day} March at {day}:30 is confirmed [ref {code}].": 20,
    "{name}, it’s time: your policy {code} ends on {day} March. Reply YES to renew – we’ll do the rest, at no extra "
    "cost to you. Stop: reply STOP.": 15,
    "Sale! Only until {day} March: {day}% off everything above 50 €. Show the code {code} at any till. {name}, this "
    "is for you alone; it is good for one purchase, in our shops and online.": 15,
    "Hi {name}! 🎉 Your code {code} gives you {day}% off all weekend. Show it at any till 👍🏽": 5,
    "Здравствуйте, {name}! Ваш заказ {code} готов к выдаче с {day} марта, ежедневно с 9 до 18.": 5,
}
ALONE = {"clicknb": 100_000, "smsutil": 20_000, "sms-toolkit": 5_000}
"""Texts a round: as many as make each take about as long."""


def realistic(count: int) -> pd.Series[str]:
    """Make texts of about 120 characters, most of them GSM, all of them different."""
    dice = random.Random(4)
    templates = dice.choices(list(TEMPLATES), TEMPLATES.values(), k=count)
    return pd.Series(
        [
            template.format(name=dice.choice(NAMES), code=dice.randrange(10**5, 10**6), day=dice.randrange(1, 31))
            for template in templates
        ],
        dtype="str",
    )


def clicknb_parts(texts: pd.Series[str]) -> int:
    return int(cn.parts(texts, profile="standard")["parts"].sum())


def smsutil_parts(texts: pd.Series[str]) -> int:
    return sum(len(smsutil.split(text).parts) for text in texts.tolist())


def toolkit_parts(texts: pd.Series[str]) -> int:
    return sum(profile_message(text)["num_segments"] for text in texts.tolist())


COUNTERS: dict[str, Callable[[pd.Series[str]], int]] = {
    "clicknb": clicknb_parts,
    "smsutil": smsutil_parts,
    "sms-toolkit": toolkit_parts,
}


def timed(work: Callable[[], object]) -> tuple[float, object]:
    gc.collect()
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(rounds: int) -> dict[str, float]:
    """Let all count in turns, and give the median of the texts a second."""
    texts = realistic(max(ALONE.values()))
    expected = {size: clicknb_parts(texts[:size]) for size in ALONE.values()}
    rates: dict[str, list[float]] = {name: [] for name in COUNTERS}
    for _ in range(rounds):
        for name, count in COUNTERS.items():
            some = texts[: ALONE[name]]
            seconds, found = timed(partial(count, some))
            if found != expected[len(some)]:
                message = f"{name} counted {found} parts, and clicknb {expected[len(some)]}"
                raise RuntimeError(message)
            rates[name].append(len(some) / seconds)
    return {name: statistics.median(values) for name, values in rates.items()}


def table(rates: dict[str, float]) -> str:
    texts = realistic(1000)
    lines = [
        f"**Parts of realistic texts** ({texts.str.len().mean():.0f} characters each, "
        f"{(cn.parts(texts)['encoding'] == 'ucs2').mean():.0%} of them Unicode), one core\n",
        "| library | texts/s | clicknb is so many times as fast |",
        "|---|---:|---:|",
    ]
    for name, rate in sorted(rates.items(), key=lambda item: -item[1]):
        lines.append(f"| {name} | {rate:,.0f} | {rates['clicknb'] / rate:.1f} |")
    return "\n".join(lines) + "\n"


def report(rounds: int) -> str:
    texts = realistic(100_000)
    work = partial(autopsy, texts, prices=pd.Series(0.8, texts.index))
    seconds = statistics.median(timed(work)[0] for _ in range(rounds))
    return f"{table(measure(rounds))}\nThe autopsy of {len(texts):,} such texts, with prices: {seconds:.2f} s.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="more rounds")
    rounds = 9 if parser.parse_args().long else 3
    os.sched_setaffinity(0, CORES[:1])
    print(f"{machine()}; medians of {rounds} rounds in turns.\n")
    print(report(rounds))


if __name__ == "__main__":
    main()
