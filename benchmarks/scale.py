"""One campaign of N rows against a gateway that answers at once: seconds and memory of each step, as JSON.

``python benchmarks/scale.py URL N``; a process of its own, because memory is what its process needed at most.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

import clicknb
from benchmarks.clients import Job

Result = TypeVar("Result")


def megabytes() -> float:
    """Tell how much memory this process has needed at most."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else float("nan")


def planned(sms: clicknb.Account, people: pd.DataFrame) -> clicknb.Plan:
    return sms.plan(people, to="mobile", text="Hi {name}, see you on Tuesday", name="scale")


def main(url: str, rows: int) -> dict[str, float]:
    found: dict[str, float] = {"rows": rows}
    people = Job("own text", rows).people
    found["MB with the table of people"] = megabytes()

    def timed(step: str, work: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        result = work()
        found[step] = time.perf_counter() - start
        return result

    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        connect = partial(
            clicknb.connect, user="u", password="p", api_id="1", base_url=url, ledger=Path(folder, "l.sqlite")
        )
        with connect() as sms:
            plan = timed("plan", partial(planned, sms, people))
            found["MB after planning"] = megabytes()
            timed("send", lambda: plan.send(progress=False))
        with timed("open the ledger again", connect) as sms:
            campaign = sms.campaign("scale")
            timed("show the campaign", lambda: repr(campaign))
            sends = timed("read its sends", lambda: campaign.sends)
            if sends["apimsgid"].notna().sum() != rows:
                message = f"{rows} rows were planned, and so many were accepted: {campaign.counts}"
                raise RuntimeError(message)
            timed("ask for statuses and charges", campaign.refresh)
            timed("plan and send again, which sends nothing", lambda: planned(sms, people).send(progress=False))
    found["MB at the end"] = megabytes()
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
