"""What holds for every test: no network beyond this machine, no account of anybody's, the same examples each time."""

from __future__ import annotations

import ipaddress
import os
import sys
import tempfile
from typing import Any

import pytest
from hypothesis import settings

_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
for _name in list(os.environ):  # here and not in a fixture, so that kernels and processes of tests inherit it
    if _name.startswith("CLICKATELL_") or _name.lower() in _PROXIES:
        del os.environ[_name]

_console = tempfile.TemporaryDirectory(prefix="clicknb-")  # gone with this process
os.environ["CLICKNB_SANDBOX"] = _console.name  # so that the console's notebook leaves the home directory alone

settings.register_profile("clicknb", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("quick", settings.get_profile("clicknb"), max_examples=10)
settings.load_profile("clicknb")


SLOW = (
    "test_notebooks.py",
    "test_forms_browser.py",
    "test_campaign_form.py",
    "test_monitor.py",
    "test_campaign_browser.py",
    "test_cli.py",
    "test_promise.py",
    "test_bad_network.py",
    "test_ledger.py",
    "test_copies.py",
    "test_after_copies.py",
    "test_borrowed_ids.py",
    "test_answers_of_others.py",
    "test_copied_lists.py",
    "test_failure_points.py",
    "test_crash.py",
    "test_sent_back.py",
    "test_single.py",
    "test_two_names.py",
    "test_gate.py",
    "test_samples.py",
    "test_plan.py",
    "test_unicode_cost.py",
    "test_binder.py",
)
"""Files that need a browser, kernels or processes, or that attack for long: the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and begin with it, so that several workers end at about the same time."""
    places = {name: place for place, name in enumerate(SLOW)}

    def place(item: pytest.Item) -> int:
        return 0 if item.path.suffix == ".ipynb" else places.get(item.path.name, len(places))

    for item in items:
        if place(item) < len(places):
            item.add_marker("slow")
    items.sort(key=place)


def _refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        address = arguments
    else:
        return
    if not _stays_here(address):
        pytest.fail(f"a test tried to reach {address!r}, beyond loopback")  # no Exception, so nothing catches it


def _stays_here(address: Any) -> bool:
    if not isinstance(address, tuple):  # the path of a Unix socket
        return True
    host = address[0].decode() if isinstance(address[0], bytes) else address[0]
    if host in {None, "", "localhost"}:
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified


sys.addaudithook(_refuse_the_network)


@pytest.fixture(autouse=True)
def _figures_without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
