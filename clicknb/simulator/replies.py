"""The gateway's answers: plain text, one outcome a line, HTTP 200 for errors too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NoReturn

from clicknb.gateway.http.codes import ERRORS

Dialect = Literal["classic", "overview"]
"""How ``getmsgcharge`` answers: as the real gateway did, or as the 2013 overview documents it."""

# The real gateway says so too, although its bodies are no HTML and carry no charset.
_HEADERS: Mapping[str, str] = {"Content-Type": "text/html"}


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, and what is to go wrong with the connection that carries it.

    Attributes
    ----------
    fault
        Empty, or the name of a fault: ``refused``, ``reset`` and ``lost`` mean that no answer arrives; ``slow``,
        ``drip`` and ``truncated`` say how it does; the others already show in status and body.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_HEADERS))
    fault: str = ""


class Refusal(Exception):  # an outcome, caught inside the sandbox and written as an ERR line
    """The request, or one recipient of it, is answered with an error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def refuse(code: str) -> NoReturn:
    """Answer with an error code."""
    raise Refusal(code)


def text(body: str) -> Response:
    """Answer with a plain body."""
    return Response(200, body.encode("latin-1", errors="replace"))


def page(status: int, title: str, **headers: str) -> Response:
    """Answer with an HTML page, as a proxy in front of the gateway would."""
    body = f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>\n"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, body.encode(), {**_HEADERS, **named})


def error(code: str, now: datetime) -> str:
    """Write the line for an error code."""
    until = f" until {int((now + timedelta(days=1)).timestamp())}" if code == "130" else ""
    return f"ERR: {code}, {ERRORS[code].text}{until}"


def charge(dialect: Dialect, apimsgid: str, credits: Decimal, status: str) -> str:
    """Write the line that states a message's charge."""
    if dialect == "overview":
        return f"ID: {apimsgid} Charge: {decimal(credits)} Status: {status}"
    return f"apiMsgId: {apimsgid} charge: {decimal(credits)} status: {status}"


def decimal(value: Decimal) -> str:
    """Write credits without needless zeros.

    Examples
    --------
    >>> decimal(Decimal("0.80")), decimal(Decimal("100"))
    ('0.8', '100')
    """
    return f"{value.normalize():f}"
