"""One message by itself, recorded like any other."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd

from clicknb import checks, display
from clicknb.campaign import planning
from clicknb.campaign.campaign import Campaign, unless_stopped
from clicknb.campaign.context import Context
from clicknb.campaign.options import Options
from clicknb.campaign.run import begin, execute_one
from clicknb.errors import AlreadySent, CampaignError, InvalidInput
from clicknb.gateway.limits import MOST_PARTS
from clicknb.ledger import views
from clicknb.ledger.ledger import Ledger

NAME = "single messages"
"""The campaign that single messages are recorded in."""

SAME_MESSAGE = timedelta(hours=24)
"""How long the same number, text and sender count as one message."""

LONGEST_WAIT = 300.0
"""Seconds to wait for somebody else who is sending the same message: more than a sender takes that gets no answer."""

_LOOK = 0.02  # seconds between two looks at what that one does


def send(context: Context, to: str, text: str, options: Options, *, again: bool = False) -> pd.DataFrame:
    """Send one message; see ``Account.send``."""
    alone = replace(options, name=NAME, max_parts=MOST_PARTS, mode="each")
    made = planning.make_one(context, _number(to), text, alone)
    if made.problem:
        message = f"The message cannot be sent: {display.mask_digits(made.problem)}. Nothing left this machine."
        raise InvalidInput(message)
    campaign_id = begin(context, alone)
    row_id, state = _sent(context, campaign_id, new_row(made, alone), again=again)
    if state:
        message = (
            f"Nothing was sent now: the same message went to {display.mask_number(str(made.to))} before, and is "
            f"{state}. Its record is returned. To send it once more, pass again=True."
        )
        warnings.warn(message, AlreadySent, stacklevel=3)
    return views.sends(context.ledger, campaign_id, only=row_id)


def _number(to: Any) -> str:
    """Check that a number is text with something in it; the doctor sees to the rest."""
    if not to.strip() if isinstance(to, str) else pd.api.types.is_scalar(to) and pd.isna(to):
        checks.refuse("The message cannot be sent: the number is empty.", "Give one, such as '447700900123'.")
    return checks.text("to", to, "Pass one number in quotation marks; for several there is sms.send_batch().")


def new_row(made: planning.Single, options: Options) -> dict[str, Any]:
    """Write a message as the ledger keeps it."""
    unsaid = dict.fromkeys(("estimated", "variant", "skipped", "zone"))
    place = {"ordinal": 0, "label": views.label(0), "sender": options.sender, "options": options.each()}
    return {**unsaid, **place, **{name: getattr(made, name) for name in ("to", "country", "text", "encoding", "parts")}}


def _sent(context: Context, campaign_id: str, row: dict[str, Any], *, again: bool) -> tuple[int, str]:
    """Send a message, or wait for whoever is sending the same one; returns its row, and its state if it was not sent.

    Of several who ask for one more at the same moment, each sends one.
    """
    since = context.clock.now() - SAME_MESSAGE
    while True:
        row_id, state = context.ledger.claim(campaign_id, row, since, again=again)
        if state in {"planned", "sending"}:
            with _turn(context.ledger, f"{campaign_id} {row_id}"):
                state = _sent_here(context, campaign_id, row_id)
        if not state or not again:
            return row_id, state


def _sent_here(context: Context, campaign_id: str, row_id: int) -> str:
    """Send a row if it is still planned; else returns its state.

    One whose sender died, so that nobody else has its turn, is in doubt.
    """
    ledger = context.ledger
    stopped = execute_one(context, NAME, campaign_id, row_id)
    if stopped == "":
        return ""
    if stopped and ledger.state(row_id) == "planned":
        unless_stopped(Campaign(context, NAME, campaign_id), stopped)
    if ledger.state(row_id) == "sending":
        with _turn(ledger, campaign_id):  # of a resume() of all single messages
            ledger.abandon(campaign_id, context.clock.now(), only=row_id)
    return ledger.state(row_id)


@contextmanager
def _turn(ledger: Ledger, key: str) -> Iterator[None]:
    """Be the only sender of something, after whoever is sending it now; the kernel tells when that one has died.

    Raises
    ------
    CampaignError
        That one has not come to an end in ``LONGEST_WAIT``; says who it is.
    """
    end = time.monotonic() + LONGEST_WAIT
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(ledger.sending(key, takeover=True))
                break
            except CampaignError:
                if time.monotonic() > end:
                    raise
            time.sleep(_LOOK)
        yield
