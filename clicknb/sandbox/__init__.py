"""A gateway of one's own: Clickatell's rules, prices and delivery, without an account.

Worn in-process (:meth:`Gateway.answer`) or as an HTTP server on loopback (:func:`serve`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clicknb.sandbox.faults import Fault
    from clicknb.sandbox.keeping import open_gateway
    from clicknb.sandbox.message import Message
    from clicknb.sandbox.replies import Response
    from clicknb.sandbox.rules import Gateway
    from clicknb.sandbox.server import Server, serve

__all__ = ["Fault", "Gateway", "Message", "Response", "Server", "open_gateway", "serve"]

_HOMES = {
    "Fault": "faults",
    "Gateway": "rules",
    "Message": "message",
    "Response": "replies",
    "Server": "server",
    "open_gateway": "keeping",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # when first used: only the server needs the HTTP library
        return getattr(import_module(f"clicknb.sandbox.{_HOMES[name]}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
