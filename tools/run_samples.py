"""Run the samples of clicknb/data/samples.toml against the sandbox, where their tools are installed.

A sample has passed if exactly one message arrived, with the number and the text that it was written for.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from clicknb import testing
from clicknb.forms import samples

if TYPE_CHECKING:
    from clicknb.sandbox import Server

TO = "447700900123"
TEXT = "Café & more + 10 %"
LONG_ENOUGH = 300  # seconds for one command; some compilers take their time


def missing(title: str) -> str:
    """Name the first tool that a sample needs and that is not installed; empty if all are."""
    language = samples.language(title)
    tools = [*language.needs, *(shlex.split(command)[0] for command in language.run)]
    return next((tool for tool in tools if not tool.startswith("./") and not shutil.which(tool)), "")


def run(title: str, gateway: Server, *, to: str = TO, text: str = TEXT) -> str:
    """Run a sample and compare with what the gateway recorded; return what is wrong, empty if nothing is."""
    language = samples.language(title)
    before = len(gateway.gateway.messages)
    with tempfile.TemporaryDirectory() as directory:
        sample = samples.render(title, to=to, text=text, base_url=gateway.url) + language.call
        (Path(directory) / language.file).write_text(sample, encoding="utf-8", newline="")
        for command in language.run:
            problem = _execute(shlex.split(command.format(file=language.file)), Path(directory))
            if problem:
                return problem
    arrived = list(gateway.gateway.messages)[before:]
    if len(arrived) != 1:
        return f"{len(arrived)} messages arrived"
    if (arrived[0].to, arrived[0].text) != (to, text):
        return f"{arrived[0].text!r} arrived at {arrived[0].to}, not {text!r} at {to}"
    return ""


def _execute(command: list[str], directory: Path) -> str:
    """Run a command with the sandbox's credentials and no proxy; return the end of what it said if it failed."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    login = {"CLICKATELL_USER": "sandbox", "CLICKATELL_PASSWORD": "sandbox", "CLICKATELL_API_ID": "1"}
    try:
        done = subprocess.run(
            command, cwd=directory, env=inherited | login, timeout=LONG_ENOUGH, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {LONG_ENOUGH} seconds"
    said = (done.stderr + done.stdout).decode(errors="replace").split()
    if done.returncode:
        return f"{command[0]} ended with {done.returncode}: {' '.join(said)[-400:]}"
    return ""


def main(titles: list[str]) -> int:
    """Run all samples, or those named; returns 1 if one failed."""
    failed = False
    with testing.server() as gateway:
        for title in titles or samples.languages():
            tool = missing(title)
            problem = "" if tool else run(title, gateway)
            failed = failed or bool(problem)
            outcome = f"not run (`{tool}` is not installed)" if tool else f"FAILED: {problem}" if problem else "passed"
            print(f"{title:16} {outcome}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
