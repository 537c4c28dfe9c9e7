"""Python that does what a form does, written as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clicknb.account import Account

FROM_ENVIRONMENT = "# Needs CLICKATELL_USER, CLICKATELL_PASSWORD and CLICKATELL_API_ID in the environment."

_WIDEST = 88


class Raw(str):
    """An expression that stands in the code as it is."""

    __slots__ = ()


def literal(value: object) -> str:
    """Write a value as Python reads it.

    Examples
    --------
    >>> print(literal(["1", 'a "b"', Raw("people")]))
    ["1", 'a "b"', people]
    """
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        plain = repr(value)
        return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain and "\\'" not in plain else plain
    return repr(value)


def call(name: str, values: Sequence[object], options: Mapping[str, object]) -> str:
    """Write a call, on one line if it fits.

    Examples
    --------
    >>> call("sms.send", ["447700900123", "Hello"], {"again": True})
    'sms.send("447700900123", "Hello", again=True)'
    """
    given = [literal(value) for value in values] + [f"{key}={literal(value)}" for key, value in options.items()]
    short = f"{name}({', '.join(given)})"
    if len(short) <= _WIDEST:
        return short
    return f"{name}(\n" + "".join(f"    {one},\n" for one in given) + ")"


def program(account: Account | None, imports: Sequence[str], lines: Sequence[str]) -> str:
    """Put together a cell that runs in a fresh kernel: imports, the account, and what is done with it."""
    return "\n".join([*imports, "import clicknb as cn", "", *opening(account), *lines]) + "\n"


def opening(account: Account | None) -> list[str]:
    """Write how the account is opened; secrets come from the environment."""
    if account is None:
        return ["sms = cn.sandbox()"]
    place = account.ledger_path
    address = getattr(account.gateway.transport, "base_url", None)
    if address is None:  # a gateway of this process
        return [f"sms = {call('cn.sandbox', [] if place is None else [str(place.parent)], {})}"]
    options: dict[str, object] = {} if account.live else {"base_url": address}
    options |= {} if place is None else {"ledger": str(place)}
    return [
        FROM_ENVIRONMENT,
        f"sms = {call('cn.connect', [], options)}",
    ]
