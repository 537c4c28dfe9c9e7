"""What changed at a gateway, in order: in memory, or in a file that outlives the process.

Every change is put on record first and then read back and made, so that several processes with the same file make
the same changes in the same order, and all know the same messages.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was let in, and the fault that hits it; no password and no session.

    Attributes
    ----------
    change
        What the journal calls it; empty for a request that changes nothing.
    """

    command: str
    parameters: Mapping[str, str]
    method: str
    at: datetime
    fault: str = ""
    change: str = ""


class Journal(Protocol):
    """The changes, in one order for all who make some."""

    def append(self, request: Request) -> None:
        """Add a change."""

    def unread(self) -> list[Request]:
        """Return the changes that this reader has not seen yet."""


class Memory:
    """A journal that forgets what was read."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def append(self, request: Request) -> None:
        """Add a change."""
        self._requests.append(request)

    def unread(self) -> list[Request]:
        """Return the changes that were added since the last call."""
        requests, self._requests = self._requests, []
        return requests


class File:
    """A journal with one JSON object a line, the first of which says what kind of gateway this is.

    Only its owner may read it: it holds numbers and texts.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        if path.exists():
            _forget_torn_line(path)
        self._path = path
        self._seen = 0
        if not path.exists() or path.stat().st_size == 0:
            self._write(header)
        (self.header,) = self._read(1)

    def append(self, request: Request) -> None:
        """Add a change, in one write at the end of the file."""
        self._write({"at": request.at.isoformat()} | {name: getattr(request, name) for name in _FIELDS})

    def unread(self) -> list[Request]:
        """Return the changes that this reader has not seen yet."""
        return [
            Request(at=datetime.fromisoformat(entry["at"]), **{name: entry[name] for name in _FIELDS})
            for entry in self._read()
        ]

    def _write(self, entry: Mapping[str, Any]) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, json.dumps(entry).encode() + b"\n")
        finally:
            os.close(handle)

    def _read(self, most: int | None = None) -> list[dict[str, Any]]:
        if self._path.stat().st_size == self._seen:
            return []
        with self._path.open("rb") as file:
            file.seek(self._seen)
            lines = [line for line in file if line.endswith(b"\n")][:most]
        self._seen += sum(map(len, lines))
        return [json.loads(line) for line in lines]


_FIELDS = ("change", "command", "method", "fault", "parameters")


def _forget_torn_line(path: Path) -> None:
    """Remove a last line that a crash cut off: it was never made."""
    raw = path.read_bytes()
    complete = raw.rfind(b"\n") + 1
    if complete < len(raw):
        os.truncate(path, complete)
