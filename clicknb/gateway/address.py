"""Which addresses a gateway may have: credentials and messages go there."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from clicknb.errors import ConfigError

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|\d+)", re.ASCII)
_URL = re.compile(r"[!-~]+", re.ASCII)


def check_base_url(url: str) -> str:
    """Check the address of a gateway: https, or http on this machine; scheme, host and port only.

    Returns
    -------
    str
        The address in lower case without a final slash.

    Raises
    ------
    ConfigError
        The address is another one, or written in a way that programs read differently.

    Examples
    --------
    >>> check_base_url("https://api.clickatell.com/")
    'https://api.clickatell.com'
    """
    problem = _problem(url)
    if problem:
        message = (
            f"This is no address of a gateway: {problem}. Nothing was contacted. Write it like"
            " https://api.clickatell.com, or http://127.0.0.1:8080 for a sandbox on this machine."
        )
        raise ConfigError(message)
    return url.lower().rstrip("/")


def _problem(url: str) -> str:
    if not _URL.fullmatch(url) or "\\" in url:
        return "it has spaces, control characters or letters outside ASCII in it"
    try:
        parts = urlsplit(url.lower())
        port = parts.port
    except ValueError:
        return "its host or port cannot be read"
    plain = port != 0 and not parts.netloc.endswith(":") and _is_host(parts.hostname or "")
    problems = (
        (parts.scheme not in {"http", "https"}, "it does not begin with https://"),
        ("@" in parts.netloc, "credentials do not belong into an address"),
        (parts.path not in {"", "/"} or "?" in url or "#" in url, "it goes on after the host and port"),
        (not plain, "its host or port is not a plain one"),
        (parts.scheme == "http" and not is_loopback(url), "plain http, which everybody can read, is for this machine"),
    )
    return next((problem for broken, problem in problems if broken), "")


def _is_host(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_unspecified and "%" not in host
    except ValueError:
        last = host.rpartition(".")[2]
        return len(host) <= 253 and bool(_NAME.fullmatch(host)) and not _NUMERIC.fullmatch(last)  # noqa: PLR2004


def is_loopback(url: str) -> bool:
    """Whether an address stays on this machine.

    Examples
    --------
    >>> is_loopback("http://127.0.0.1:8080"), is_loopback("https://api.clickatell.com")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address in ipaddress.ip_network("127.0.0.0/8") if address.version == 4 else host == "::1"  # noqa: PLR2004
