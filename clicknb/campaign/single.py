"""One message by itself, recorded like any other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pandas as pd

from clicknb import display
from clicknb.campaign import planning
from clicknb.campaign.options import MOST_PARTS, Options
from clicknb.campaign.service import Service
from clicknb.errors import InvalidInput
from clicknb.messages.numbers import typed

NAME = "single messages"
"""The campaign that single messages are recorded in."""

SAME_MESSAGE = timedelta(hours=24)
"""How long the same number, text and sender count as one message."""


def send(service: Service, to: str, text: str, options: Options, *, again: bool = False) -> pd.DataFrame:
    """Send one message; see ``Account.send``."""
    alone = replace(options, name=NAME, to="to", text="{text}", variants={}, max_parts=MOST_PARTS, mode="each")
    number = typed(to, options.country)
    _refuse(number.problem)
    people = pd.DataFrame({"to": [f"+{number.to}"], "text": [text]})  # the plus says that nothing is left to ask
    plan = planning.make(service, people, alone, priced=False)
    _refuse(plan.frame["problem"].iloc[0])
    return plan.send_one(since=service.clock.now() - SAME_MESSAGE, again=again)


def _refuse(problem: str | None) -> None:
    if problem is not None and pd.notna(problem):
        message = f"The message cannot be sent: {display.mask_digits(problem)}. Nothing left this machine."
        raise InvalidInput(message)
