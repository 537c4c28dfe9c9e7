"""Sends the rows of a campaign that are planned, alone and with its brakes, and tells why that stopped early."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from clicknb.campaign import track
from clicknb.campaign.brakes import Brakes
from clicknb.campaign.context import Context
from clicknb.campaign.gate import Gate
from clicknb.campaign.options import Options, Rules
from clicknb.campaign.send import Sender
from clicknb.campaign.unrecorded import CANCELLED_UNASKED, Inquiry
from clicknb.errors import ClicknbError
from clicknb.gateway.limits import LIST_SIZE, REMEMBERED
from clicknb.ledger import views
from clicknb.ledger.records import Message
from clicknb.ledger.units import to_micro_credits, to_micros

if TYPE_CHECKING:
    from tqdm import tqdm


logger = logging.getLogger(__name__)


def in_background(work: Callable[[], str]) -> Future[str]:
    """Run some work in a thread of its own, which ends with the program."""
    future: Future[str] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  whoever waits for the campaign gets it
            future.set_exception(error)

    threading.Thread(target=run, name="clicknb-campaign", daemon=True).start()
    return future


def progress_bar(total: int, title: str, shown: bool) -> tqdm[Any]:
    """Make a progress bar that counts messages."""
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=title, unit=" msg", disable=not shown or not total)


def begin(context: Context, options: Options, index_names: Iterable[Hashable] = (None,)) -> str:
    """Find a campaign in the ledger, or start it there; returns its id."""
    return context.ledger.start(
        {
            "id": context.mint(options.name, options.says),
            "name": options.name,
            "started_at": to_micros(context.clock.now()),
            "index_names": views.label(tuple(index_names)),
            "mode": options.mode,
            "rules": options.rules.to_json(),
            "budget": to_micro_credits(options.budget),
        }
    )


def execute(
    context: Context,
    name: str,
    campaign_id: str,
    wanted: Callable[[Message], bool] = lambda _: True,
    *,
    resend: Iterable[str] = (),
    takeover: bool = False,
    progress: bool = True,
) -> str:
    """Send the planned rows of a campaign that are wanted, and those in the states to resend.

    Returns
    -------
    str
        Why sending stopped before the end; empty if it did not.

    Raises
    ------
    CampaignError
        Another program is sending this campaign; nothing was sent by this call.
    """
    ledger = context.ledger
    with ledger.sending(campaign_id, takeover=takeover):
        ledger.abandon(campaign_id, context.clock.now())
        returned, forgotten = _returned(context, campaign_id)
        found = ledger.messages(campaign_id, {"planned", *resend})  # nobody has asked to resend what is forgotten
        messages = [message for message in found if wanted(message) and message.row_id not in forgotten]
        stopped = _run(context, name, campaign_id, messages, returned, progress=progress)
        if stopped:
            ledger.stopped(campaign_id, stopped)
        if messages:
            ledger.origin.end()
    return stopped


def execute_one(context: Context, name: str, campaign_id: str, row_id: int) -> str | None:
    """Send one row if it is planned, whatever else of its campaign is being sent elsewhere.

    Returns
    -------
    str or None
        Why that stopped, empty if it did not; None if the row was not planned any more.
    """
    returned, _ = _returned(context, campaign_id)
    messages = context.ledger.messages(campaign_id, {"planned"}, only=row_id)
    return _run(context, name, campaign_id, messages, returned, progress=False, certain=True) if messages else None


def _returned(context: Context, campaign_id: str) -> tuple[dict[int, str], set[int]]:
    """Tell which rows came back and are to be asked about, and of which it is too late to ask: those are in doubt."""
    returned = context.ledger.returned(campaign_id)
    if not returned:
        return returned, set()
    forgotten = context.ledger.doubt_returned(campaign_id, context.clock.now() - REMEMBERED)
    return {row_id: name for row_id, name in returned.items() if row_id not in forgotten}, forgotten


def _run(
    context: Context,
    name: str,
    campaign_id: str,
    messages: list[Message],
    returned: Mapping[int, str],
    *,
    progress: bool,
    certain: bool = False,
) -> str:
    """Send messages, and return why that stopped early; ``certain`` as in ``Inquiry``."""
    ledger = context.ledger
    unasked = [one for one in messages if one.row_id not in returned]
    stays, unanswered = _ask_about_copies(context, name, campaign_id, unasked, progress=progress, certain=certain)
    settings = ledger.campaign(campaign_id)
    together = LIST_SIZE if settings["mode"] == "list" else 1
    allow = context.allow
    leaving = [one for one in messages if one.row_id not in stays and (allow is None or one.to in allow)]
    with progress_bar(len(leaving), name, progress) as bar:
        brakes = _brakes(context, campaign_id, settings["budget"])
        sender = Sender(context, campaign_id, brakes, Gate(ledger, Rules.from_json(settings["rules"])), bar.update)
        try:
            sender.run(leaving, together=together, returned=returned)
        except KeyboardInterrupt:
            ledger.stopped(campaign_id, sender.stopped)
            raise
    try:
        brakes.spent()
    except ClicknbError as error:
        logger.warning("What campaign %r has spent could not be asked at its end: %s", name, error)
    return sender.stopped or unanswered


def _ask_about_copies(
    context: Context,
    name: str,
    campaign_id: str,
    messages: list[Message],
    *,
    progress: bool = False,
    certain: bool = False,
) -> tuple[set[int], str]:
    """Ask about messages that may have left without the ledger's knowledge; returns what ``Inquiry.run`` does."""
    ledger = context.ledger
    suspects = ledger.origin.unproven(messages)
    if not suspects:
        return set(), ""
    lists = not certain and (ledger.campaign(campaign_id)["mode"] == "list" or bool(ledger.shared(campaign_id)))
    if lists:  # who does not leave now may have been the first of a request after the copy was made
        others = [one for one in ledger.messages(campaign_id, {"planned", "skipped"}) if one.to]
        suspects = sorted(ledger.origin.unproven({one.row_id: one for one in [*others, *suspects]}.values()))
    with progress_bar(len(suspects), f"{name}: sent before?", progress) as bar:
        return Inquiry(context, campaign_id, lists=lists, certain=certain, seen=bar.update).run(suspects)


def cancel(context: Context, name: str, campaign_id: str) -> None:
    """Take planned rows out of the queue and stop what the gateway still holds.

    What may have left without the ledger's knowledge is asked about first, and in doubt where there is no answer.
    """
    returned = context.ledger.returned(campaign_id)  # those are asked about in any case
    planned = [one for one in context.ledger.messages(campaign_id, {"planned"}) if one.row_id not in returned]
    stays, unanswered = _ask_about_copies(context, name, campaign_id, planned)
    if unanswered:
        left = [one for one in context.ledger.messages(campaign_id, {"planned"}) if one.row_id in stays]
        Inquiry(context, campaign_id).doubt(left, CANCELLED_UNASKED)
    track.cancel(context, campaign_id)


def _brakes(context: Context, campaign_id: str, budget: int | None) -> Brakes:
    ledger, ask = context.ledger, context.gateway.getbalance
    if budget is None:
        return Brakes(ask)
    note = partial(ledger.note_spent, campaign_id)
    return Brakes(ask, Decimal(budget) / 1_000_000, ledger.spent(campaign_id), note)
