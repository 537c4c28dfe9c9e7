"""Forms for a notebook or a web page: faces over headless models, made of core controls of ipywidgets.

A form is shown by being the last expression of a cell. ``form.last_error`` keeps what went wrong last.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clicknb.forms.campaign import Campaign
    from clicknb.forms.connect import Connect
    from clicknb.forms.console import Console
    from clicknb.forms.message import Message
    from clicknb.forms.monitor import Monitor

__all__ = ["Campaign", "Connect", "Console", "Message", "Monitor"]


def __getattr__(name: str) -> Any:  # late, so that a model can be used where there are no widgets
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"clicknb.forms.{name.lower()}"), name)
    globals()[name] = value
    return value
