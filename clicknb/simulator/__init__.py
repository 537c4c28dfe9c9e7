"""A gateway of one's own: Clickatell's rules, prices and delivery, without an account.

Worn in-process (:meth:`Gateway.answer`) or as an HTTP server on loopback (:func:`serve`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clicknb.simulator.faults import Fault, read_faults
from clicknb.simulator.gateway import Gateway
from clicknb.simulator.message import Message
from clicknb.simulator.replies import Response
from clicknb.simulator.storage import open_gateway

if TYPE_CHECKING:
    from clicknb.simulator.server import Server, serve

__all__ = ["Fault", "Gateway", "Message", "Response", "Server", "open_gateway", "read_faults", "serve"]


def __getattr__(name: str) -> Any:
    if name in {"Server", "serve"}:  # when first used: only the server needs the HTTP library
        return getattr(import_module("clicknb.simulator.server"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
