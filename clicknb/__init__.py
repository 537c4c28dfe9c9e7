"""Send SMS campaigns through Clickatell from a notebook, and see what came of them.

>>> import clicknb as cn
>>> sms = cn.sandbox()
>>> sms.balance()
1000.0

Names are loaded when they are first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clicknb import errors, export, forms, frames, testing
    from clicknb.account import Account
    from clicknb.campaign.campaign import Campaign
    from clicknb.campaign.plan import Plan
    from clicknb.display import masked
    from clicknb.errors import ClicknbError
    from clicknb.forms.console import form
    from clicknb.gateway.http import codes
    from clicknb.gateway.http.client import Clickatell
    from clicknb.hours.decide import Hours
    from clicknb.messages.parts import offenders, parts, split
    from clicknb.messages.substitution import substitute, substitutions
    from clicknb.opening import connect, sandbox
    from clicknb.recipients.doctor import doctor
    from clicknb.recipients.optout import is_opt_out, opt_outs
    from clicknb.recipients.reader import read_recipients
    from clicknb.recipients.report import doctor_report

    __version__: str

__all__ = [
    "Account",
    "Campaign",
    "Clickatell",
    "ClicknbError",
    "Hours",
    "Plan",
    "__version__",
    "codes",
    "connect",
    "doctor",
    "doctor_report",
    "errors",
    "export",
    "form",
    "forms",
    "frames",
    "is_opt_out",
    "masked",
    "offenders",
    "opt_outs",
    "parts",
    "read_recipients",
    "sandbox",
    "split",
    "substitute",
    "substitutions",
    "testing",
]

_HOMES = {
    "Account": "account",
    "Campaign": "campaign.campaign",
    "Clickatell": "gateway.http.client",
    "ClicknbError": "errors",
    "Hours": "hours.decide",
    "Plan": "campaign.plan",
    "connect": "opening",
    "doctor": "recipients.doctor",
    "doctor_report": "recipients.report",
    "form": "forms.console",
    "is_opt_out": "recipients.optout",
    "masked": "display",
    "offenders": "messages.parts",
    "opt_outs": "recipients.optout",
    "parts": "messages.parts",
    "read_recipients": "recipients.reader",
    "sandbox": "opening",
    "split": "messages.parts",
    "substitute": "messages.substitution",
    "substitutions": "messages.substitution",
}
_MODULES = {"codes": "gateway.http.codes"} | {name: name for name in ("errors", "export", "forms", "frames", "testing")}


if not TYPE_CHECKING:  # else a type checker would find every name here, misspelt ones too

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            value: Any = import_module(f"clicknb.{_MODULES[name]}")
        elif name in _HOMES:
            value = getattr(import_module(f"clicknb.{_HOMES[name]}"), name)
        elif name == "__version__":
            value = import_module("importlib.metadata").version(__name__)
        else:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
