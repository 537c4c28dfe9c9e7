"""Forms for a notebook or a web page: faces over headless models, made of core controls of ipywidgets.

A form is shown by being the last expression of a cell. ``form.last_error`` keeps what went wrong last.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clicknb.forms.campaign.form import CampaignForm as Campaign
    from clicknb.forms.connect import Connect
    from clicknb.forms.console import Console
    from clicknb.forms.message.form import MessageForm as Message
    from clicknb.forms.monitor.form import MonitorForm as Monitor

__all__ = ["Campaign", "Connect", "Console", "Message", "Monitor"]

_HOMES = {
    "Campaign": ("campaign.form", "CampaignForm"),
    "Connect": ("connect", "Connect"),
    "Console": ("console", "Console"),
    "Message": ("message.form", "MessageForm"),
    "Monitor": ("monitor.form", "MonitorForm"),
}


def __getattr__(name: str) -> Any:  # late, so that a model can be used where there are no widgets
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module, form = _HOMES[name]
    value = getattr(import_module(f"clicknb.forms.{module}"), form)
    globals()[name] = value
    return value
