"""A gateway that outlives its process."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

from clicknb.simulator.faults import Faults
from clicknb.simulator.gateway import Gateway
from clicknb.simulator.journal import File


def open_gateway(
    directory: Path,
    *,
    seed: int = 0,
    credits: Decimal | float = 1000,
    faults: Faults = (),
) -> tuple[Gateway, datetime | None]:
    """Open the gateway that is kept in a directory, or begin one there.

    Several processes may have it open at once. Its file holds numbers and texts, so only its owner may read it; it
    holds neither password nor session.

    Parameters
    ----------
    directory
        Where ``gateway.jsonl`` is, or will be.
    seed, credits
        Of a new gateway; an old one keeps its own.
    faults
        As :class:`Gateway` has them, from now on.

    Returns
    -------
    tuple
        The gateway, and the time of its last change: its clock must not go back behind that.

    Raises
    ------
    ValueError
        The file is not a sandbox's journal.
    OSError
        The file cannot be read or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "gateway.jsonl"
    try:
        journal = File(path, {"seed": seed, "credits": str(credits)})
        kept, credits = journal.header["seed"], Decimal(journal.header["credits"])
        gateway = Gateway(seed=kept, credits=credits, faults=faults)
        return gateway, gateway.keep(journal)
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        message = f"{path.name} is not the journal of a sandbox; move it away to begin anew"
        raise ValueError(message) from error
