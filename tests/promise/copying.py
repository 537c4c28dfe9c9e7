"""How ledgers are copied and put back, and a gateway at which that happens at a chosen moment."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import clicknb as cn
from clicknb import testing
from clicknb.errors import CampaignError, CampaignStopped, LedgerError
from clicknb.simulator import Response, Server, faults
from tests.promise.harness import (
    NAME,
    PROCESSES,
    Recorder,
    assert_nobody_twice,
    connected,
    run_cell,
    run_until_nothing_is_planned,
    soak,
    some,
)

COUNT = soak(30, 60)
CONNECTIONS = 4

Copy = Callable[[cn.Account, Path], None]
PutBack = Callable[[Path, Path], None]


class Watched(Recorder):
    """A gateway at which something happens when so many more requests have come."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._due: list[tuple[str, int, Callable[[], object]]] = []
        self._meanwhile: list[threading.Thread] = []

    def after(
        self, count: int, act: Callable[[], object], *, command: str = "sendmsg", meanwhile: bool = False
    ) -> None:
        """Act before the answer to a request leaves; or in a thread of its own, while all goes on."""
        if meanwhile:
            thread = threading.Thread(target=act)
            self._meanwhile.append(thread)
            act = thread.start
        self._due.append((command, self.arrived[command] + count, act))

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        response = super().handle(path, now, **request)
        for entry in list(self._due):
            command, count, act = entry
            if path.endswith(command) and self.arrived[command] >= count:
                self._due.remove(entry)
                act()
        return response

    def settle(self) -> None:
        """Wait for what happens in threads of its own, and forget what has not happened yet."""
        self._due.clear()
        for thread in self._meanwhile:
            if thread.ident:
                thread.join(30)


class Refusing(Watched):
    """A gateway where so many tries for a number fail before one is accepted, from a moment on.

    Parameters
    ----------
    fault
        How they fail, by its name among the sandbox's faults.
    times
        How often it does for a number, in which turn.
    """

    def __init__(self, fault: str, times: Sequence[int]) -> None:
        super().__init__()
        self.refuses = False
        self._fault = fault
        self._times = times
        self._left: dict[str, int] = {}

    def handle(self, path: str, now: datetime, **request: Any) -> Response:
        if self.refuses and path.endswith("sendmsg"):
            to = parse_qs(request["body"].decode())["to"][0]
            left = self._left.setdefault(to, self._times[len(self._left) % len(self._times)])
            if left:
                self._left[to] -= 1
                self.arrived["refused"] += 1
                if instead := faults.instead(self._fault, now):
                    return instead
        return super().handle(path, now, **request)


# --- ways to copy and to put back ------------------------------------------------------------------------------------


def place_of(sms: cn.Account) -> Path:
    ledger = sms.context.ledger.path
    assert ledger is not None
    return ledger


def files_of(ledger: Path) -> list[Path]:
    """List the files that SQLite keeps for a ledger, in the order in which ``cp`` takes them."""
    return [place for end in ("", "-shm", "-wal") if (place := ledger.with_name(ledger.name + end)).exists()]


def backup(sms: cn.Account, aside: Path) -> None:
    aside.mkdir()
    sms.backup(aside / place_of(sms).name)


def plain_cp(sms: cn.Account, aside: Path) -> None:
    aside.mkdir()
    for place in files_of(place_of(sms)):
        shutil.copyfile(place, aside / place.name)


def cp_without_log(sms: cn.Account, aside: Path) -> None:
    """Copy what is in the file and not what SQLite keeps in its log, which is the latest."""
    aside.mkdir()
    shutil.copyfile(place_of(sms), aside / place_of(sms).name)


def disk_image(sms: cn.Account, aside: Path) -> None:
    copy_folder(place_of(sms).parent, aside)


def copy_folder(source: Path, target: Path) -> None:
    """Copy every file of a folder, as a synchronising program does: one after the other, while they change."""
    target.mkdir(exist_ok=True)
    for place in sorted(source.iterdir()):
        with suppress(FileNotFoundError):  # deleted meanwhile
            shutil.copy2(place, target / place.name)


def by_rename(aside: Path, ledger: Path) -> None:
    for place in files_of(ledger):
        place.unlink()
    for place in aside.iterdir():
        place.rename(ledger.parent / place.name)


def in_place(aside: Path, ledger: Path) -> None:
    """Write over the ledger's content, so that it stays the same file to the system."""
    for place in files_of(ledger)[1:]:
        place.unlink()
    for place in aside.iterdir():
        write_over(place, ledger.parent / place.name)


def write_over(source: Path, target: Path) -> None:
    with target.open("r+b" if target.exists() else "wb") as file:
        file.truncate()
        file.write(source.read_bytes())


def over_a_log_that_stays(aside: Path, ledger: Path) -> None:
    """Put the file back and forget its log, so that what is in there belongs to the other one."""
    shutil.copyfile(aside / ledger.name, ledger)


def whole_folder(aside: Path, ledger: Path) -> None:
    """Put every file back and remove what was not there."""
    shutil.rmtree(ledger.parent)
    shutil.copytree(aside, ledger.parent)


def whole_disk(aside: Path, ledger: Path) -> None:
    """Put every file back as the same file, as a machine that is set back to a snapshot does."""
    kept = {place.name for place in aside.iterdir()}
    for place in ledger.parent.iterdir():
        if place.name not in kept:
            place.unlink()
    for name in kept:
        write_over(aside / name, ledger.parent / name)


WAYS: dict[str, tuple[Copy, PutBack]] = {
    "backup, renamed": (backup, by_rename),
    "backup, in place": (backup, in_place),
    "cp, renamed": (plain_cp, by_rename),
    "cp, in place": (plain_cp, in_place),
    "folder": (disk_image, whole_folder),
    "snapshot": (disk_image, whole_disk),
    "cp without the log, renamed": (cp_without_log, by_rename),
    "cp without the log, in place": (cp_without_log, in_place),
}
WHOLE = [name for name in WAYS if "without" not in name]
"""Those whose copy holds what was committed when it was made."""


def ways(few: int, *, seed: str, among: Sequence[str] = WHOLE) -> Any:
    """Give a test a few ways in a hurry, and all of them otherwise."""
    names = some(among, few, seed=seed)
    return pytest.mark.parametrize(("copy", "put_back"), [WAYS[name] for name in names], ids=names)


def moments(few: int, *, seed: str) -> Any:
    """Draw the seeds of a test: a few in a hurry, a hundred otherwise."""
    return pytest.mark.parametrize("seed", some(range(100), few, seed=seed))


# --- who sends -------------------------------------------------------------------------------------------------------


@contextmanager
def account(url: Server, ledger: Path, **settings: Any) -> Iterator[cn.Account]:
    with connected(url, ledger, **{"concurrency": CONNECTIONS, **settings}) as sms:
        yield sms


def _cell(url: str, ledger: Path) -> None:
    with (
        suppress(KeyboardInterrupt, CampaignError, LedgerError),
        connected(url, ledger, concurrency=CONNECTIONS) as sms,
    ):
        run_cell(sms, COUNT)


def machine(server: Server, ledger: Path) -> Any:
    """Make a process that runs the cell."""
    return PROCESSES.Process(target=_cell, args=(server.url, ledger), daemon=True)


def go_on(sms: cn.Account, luck: random.Random, count: int = COUNT) -> None:
    """Do what somebody does who has put a copy back: some of it, in this order."""
    if NAME in set(sms.campaigns()["name"]):
        if luck.random() < 0.3:
            sms.campaign(NAME).reconcile(timeout=0)
        if luck.random() < 0.3:
            sms.campaign(NAME).refresh()
        if luck.random() < 0.5:
            with suppress(CampaignStopped):
                sms.campaign(NAME).resume(progress=False)
    run_cell(sms, count)


def assert_all_found(sms: cn.Account, gateway: Recorder, count: int) -> None:
    """Find every message of the campaign accepted once, whatever else the gateway has."""
    campaign = run_until_nothing_is_planned(sms, count).reconcile(timeout=0)
    assert campaign.counts == {"accepted": count}
    verdict = testing.check(sms, gateway.messages)
    assert verdict.ok, verdict
    assert_nobody_twice(gateway)
    assert Counter(campaign.sends["to"]).most_common(1)[0][1] == 1
