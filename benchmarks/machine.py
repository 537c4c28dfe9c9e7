"""The machine that figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))


def machine() -> str:
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{names[0] if names else platform.machine()}, {len(CORES)} cores, CPython {platform.python_version()}"
