"""A real browser before a real JupyterLab or Voilà, all on this machine.

``page`` is a browser's page that fails its test if anything was written to the console as an error. ``Lab`` and
``Voila`` serve a folder. Everything waits for a condition; nothing sleeps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Route

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds that anything may take on a slow machine before it counts as never."""

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # a page that asks for more than this machine gets none
)

_HARMLESS = ("favicon", "/voila/api/shutdown/")  # Voilà refuses its own page when that is left
"""Words of console errors that say nothing about a form."""


def chromium() -> str:
    """Find the system's browser; without one the test is skipped, but never where CI says that it is there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "there is no chromium on this machine: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return found


@contextmanager
def browser(**options: Any) -> Iterator[Page]:
    """Open a page; at the end its console must hold no error."""
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        page = running.new_page(**{"viewport": {"width": 1100, "height": 1400}, **options})
        page.set_default_timeout(PATIENCE * 1000)
        said: list[str] = []
        beyond: list[str] = []

        def listen(message: ConsoleMessage) -> None:
            if message.type == "error":
                said.append(f"{message.text} {message.location}")

        def catch(error: Error) -> None:
            said.append(str(error))

        def answer(route: Route) -> None:
            """Give an empty file for what would leave this machine."""
            beyond.append(route.request.url)
            route.fulfill(status=200, content_type="text/css", body="")

        page.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), answer)
        page.on("console", listen)
        page.on("pageerror", catch)
        try:
            yield page
            if wrong := [words for words in said if not any(word in words for word in _HARMLESS)]:
                pytest.fail(f"the page's console holds errors: {wrong}")
            if more := [url for url in beyond if "fontawesome" not in url]:  # Voilà's icons; none of ours
                pytest.fail(f"the page asked for what is not on this machine: {more}")
        except BaseException:
            if where := os.environ.get("CLICKNB_SHOTS"):  # a folder, for whoever wonders what was on the page
                page.screenshot(path=Path(where) / f"failed-{time.time_ns()}.png")
            raise
        finally:
            running.close()


class Served:
    """A server of notebooks in a process of its own, with a home, settings and kernels of its own.

    Parameters
    ----------
    folder
        Where its home and its notebooks are.
    command
        The module to run and its arguments; ``{port}`` and ``{notebooks}`` are filled in.
    """

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True, exist_ok=True)
        home = folder / "home"
        home.mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        filled = [word.format(port=self.port, notebooks=self.notebooks) for word in command]
        self._log = folder / "server.log"
        places = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        apart = {"HOME": str(home), "IPYTHONDIR": str(home / "ipython"), "JUPYTER_PLATFORM_DIRS": "1", **places}
        environment = {**os.environ, **apart, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *filled], cwd=self.notebooks, env=environment, stdout=log, stderr=log
            )

    def __enter__(self) -> Served:
        wait_for(self._answers, "the server of notebooks")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            pytest.fail(f"the server of notebooks ended: {self._log.read_text()[-3000:]}")
        with suppress(urllib.error.HTTPError):  # an answer all the same
            try:
                urllib.request.urlopen(f"{self.url}/", timeout=5).close()
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if isinstance(error, urllib.error.HTTPError):
                    raise
                return False
        return True

    def write(self, name: str, *cells: str) -> Path:
        """Write a notebook into its folder."""
        path = self.notebooks / name
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel)
        nbformat.write(notebook, path)
        return path


class Lab(Served):
    """JupyterLab."""

    def __init__(self, folder: Path, *, dark: bool = False) -> None:
        wanted = {
            "@jupyterlab/apputils-extension/themes": {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"},
            "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
            "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},  # what a saved notebook can hold at most
        }
        for name, values in wanted.items():
            place = folder / "home" / "config" / "lab" / "user-settings" / f"{name}.jupyterlab-settings"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(values))
        super().__init__(
            folder,
            [
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                "--port={port}",
                "--ServerApp.port_retries=0",
                "--IdentityProvider.token=",
                "--ServerApp.disable_check_xsrf=True",
                "--LabApp.news_url=",
                "--LabApp.extension_manager=readonly",
                "--ServerApp.root_dir={notebooks}",
            ],
        )

    def open(self, page: Page, name: str) -> Locator:
        """Open a notebook and run all of its cells; returns where their outputs are."""
        page.goto(f"{self.url}/lab/tree/{name}?reset")
        page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(state="attached")  # hidden where it is narrow
        cells = page.locator(".jp-CodeCell")
        for number in range(cells.count()):
            cells.nth(number).locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            cells.nth(number).locator(".jp-InputPrompt", has_text="[" + str(number + 1) + "]:").wait_for()
        return page.locator(".jp-Notebook")

    def save(self, page: Page, path: Path) -> Any:
        """Save the open notebook, and read what was written, once it is written to its end."""
        before = path.stat().st_mtime_ns
        page.keyboard.press("Control+s")
        wait_for(lambda: path.stat().st_mtime_ns != before and whole_notebook(path), "the notebook to be saved")
        return nbformat.read(path, as_version=4)


def whole_notebook(path: Path) -> bool:
    """Tell whether a file holds a notebook, and not only the beginning of one."""
    try:
        nbformat.read(path, as_version=4)
    except nbformat.reader.NotJSONError:
        return False
    return True


class Voila(Served):
    """Voilà, which shows a notebook as a page; skips where it is not installed.

    Parameters
    ----------
    dark
        Whether in its dark theme.
    """

    def __init__(self, folder: Path, *, dark: bool = False) -> None:
        pytest.importorskip("voila")
        theme = "dark" if dark else "light"
        super().__init__(
            folder,
            ["voila", "--no-browser", "--Voila.ip=127.0.0.1", "--port={port}", f"--theme={theme}", "{notebooks}"],
        )

    def open(self, page: Page, name: str) -> Locator:
        """Open a notebook as a page; it has run when this returns."""
        page.goto(f"{self.url}/voila/render/{name}")
        page.locator(".jupyter-widgets").first.wait_for()
        return page.locator("body")


def tab_to(page: Page, control: Locator) -> None:
    """Press Tab until a control has the focus."""
    for _ in range(60):
        if control.evaluate("it => it === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never comes to {control}")


def wait_for(holds: Callable[[], Any], what: str) -> Any:
    """Look again and again until something holds, and return it; fails after ``PATIENCE`` seconds."""
    pause, end = Event(), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := holds():
            return found
        pause.wait(0.1)
    return pytest.fail(f"waited in vain for {what}")
