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
from typing import TYPE_CHECKING, Any

from clicknb import testing
from clicknb.forms.message import samples

if TYPE_CHECKING:
    from clicknb.simulator import Server

TO = "447700900123"
TEXT = "Café & more + 10 %"
LOGIN = {"CLICKATELL_USER": "sandbox", "CLICKATELL_PASSWORD": "sandbox", "CLICKATELL_API_ID": "1"}
LONG_ENOUGH = 300  # seconds for one command; some compilers take their time


def obstacle(title: str) -> str:
    """Say why a sample cannot be run here; empty if it can."""
    language = samples.language(title)
    tools = [*language.needs, *(command.split()[0] for command in language.run)]
    missing = next((tool for tool in tools if not shutil.which(tool)), "")
    if missing:
        return f"`{missing}` is not installed"
    return "" if tools else "it takes a project to build it"


def run(title: str, gateway: Server, *, text: str = TEXT, **options: Any) -> str:
    """Run a sample and compare with what the gateway recorded; say what is wrong, nothing if all is well."""
    before = len(gateway.gateway.messages)
    try:
        said = _said(title, samples.render(title, to=TO, text=text, base_url=gateway.url, **options))
    except subprocess.CalledProcessError as error:
        return f"{error.cmd[0]} ended with {error.returncode}: {_end(error.stdout)}"
    except subprocess.TimeoutExpired as error:
        return f"{error.cmd[0]} did not end within {error.timeout:.0f} seconds"
    arrived = list(gateway.gateway.messages)[before:]
    if len(arrived) != 1:
        return f"{len(arrived)} messages arrived; it said: {said}"
    if (arrived[0].to, arrived[0].text) != (TO, text):
        return f"{arrived[0].text!r} arrived at {arrived[0].to}, not {text!r} at {TO}"
    return ""


def _said(title: str, sample: str) -> str:
    """Build and run a sample with the sandbox's credentials and without proxies; return the end of what it said."""
    language = samples.language(title)
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    said = b""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / language.file).write_text(sample + language.call, encoding="utf-8", newline="")
        for command in language.run:
            said = subprocess.run(
                shlex.split(command.format(file=language.file)),
                cwd=directory,
                env=inherited | LOGIN,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LONG_ENOUGH,
                check=True,
            ).stdout
    return _end(said)


def _end(said: bytes) -> str:
    return " ".join(said.decode(errors="replace").split())[-300:]


def main(titles: list[str]) -> int:
    """Run the samples in all languages, or in those named; returns 1 if one failed."""
    failed = False
    with testing.server() as gateway:
        for title in titles or samples.languages():
            reason = obstacle(title)
            problem = "" if reason else run(title, gateway)
            failed = failed or bool(problem)
            outcome = f"not run: {reason}" if reason else f"FAILED: {problem}" if problem else "passed"
            print(f"{title:18}{outcome}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
