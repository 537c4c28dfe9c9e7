"""In which time zones the owner of a number may be."""

from __future__ import annotations

import importlib.resources
import zoneinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from clicknb.cells import nearest
from clicknb.checks import described, refuse
from clicknb.errors import ConfigError

_BY_AREA_CODE = ("1", "52", "54", "55", "62")
"""Calling codes whose mobile numbers have area codes, as libphonenumber's list of geographical mobiles says."""

_OF_THIS_MACHINE = {"localtime", "posixrules", "Factory"}

WORLD = tuple(f"Etc/GMT{hours:+d}" for hours in range(-14, 13))
"""Every hour there is on earth at one time: the candidates for a number of which nothing is known."""


def zones_of(number: str, country: str | None) -> tuple[str, ...]:
    """Tell the zones in which the owner of a number may be.

    A mobile number tells its country and no more, so these are all zones of the country. In North America, Mexico,
    Argentina, Brazil and Indonesia mobile numbers have area codes, and these are the zones of the area: where the
    number was issued, which its owner may have left.

    Parameters
    ----------
    number
        Digits of E.164 without a plus.
    country
        ISO 3166 alpha-2.

    Returns
    -------
    tuple of str
        IANA names; every hour of the world (``WORLD``) if nothing is known.

    Raises
    ------
    ConfigError
        Python finds no time zone data.

    Examples
    --------
    >>> zones_of("27999123456", "ZA"), zones_of("12125550100", "US")
    (('Africa/Johannesburg',), ('America/New_York',))
    >>> "Australia/Perth" in zones_of("61491570156", "AU"), len(zones_of("61491570156", "AU"))
    (True, 12)
    """
    if number.startswith(_BY_AREA_CODE):
        return _of_area(_head(number), country)
    return _of_country(country) or _of_area(_head(number), None)


@lru_cache(maxsize=65_536)
def _of_area(head: str, country: str | None) -> tuple[str, ...]:
    """Look up the longest known beginning of a number; that of the country code alone says less than the country."""
    from phonenumbers.tzdata import TIMEZONE_DATA  # a large module

    beginnings = (head[:length] for length in range(len(head), 0, -1))
    known = next((beginning for beginning in beginnings if beginning in TIMEZONE_DATA), "")
    if known in {"", *_BY_AREA_CODE}:
        return _of_country(country) or tuple(TIMEZONE_DATA.get(known, WORLD))
    return tuple(TIMEZONE_DATA[known])


def _head(number: str) -> str:
    """Cut a number to what decides its zone, so that its neighbours share the answer."""
    from phonenumbers.tzdata import TIMEZONE_LONGEST_PREFIX

    return number[:TIMEZONE_LONGEST_PREFIX]


def _of_country(country: str | None) -> tuple[str, ...]:
    return _country_table().get(country or "", ())


@lru_cache(maxsize=1)
def _country_table() -> dict[str, tuple[str, ...]]:
    """Read zone.tab, which lists the zones of every country."""
    table: dict[str, tuple[str, ...]] = {}
    for line in _zone_tab().splitlines():
        if not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            table[country] = (*table.get(country, ()), name)
    return table


def _zone_tab() -> str:
    """Find zone.tab where ``zoneinfo`` finds its zones: in the system, or in the package tzdata."""
    for folder in zoneinfo.TZPATH:
        path = Path(folder) / "zone.tab"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    try:
        return (importlib.resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise _no_data() from error


def read_zone(text: str) -> str | None:
    """Read the name of a zone in any letter case, with spaces or underscores; None if there is no such zone.

    Examples
    --------
    >>> read_zone("america/new york"), read_zone("SAST")
    ('America/New_York', None)
    """
    return _names().get(_folded(text))


def zone_problem(text: str) -> str:
    """Say that a name is no time zone, with the one that was probably meant.

    Examples
    --------
    >>> zone_problem("Europe/Lodon")
    "there is no time zone 'Europe/Lodon': did you mean 'Europe/London'?"
    """
    near = nearest(text, _names().values())
    hint = f"did you mean {near!r}?" if near else "write one such as 'Africa/Johannesburg'"
    return f"there is no time zone {described(text)}: {hint}"


def zone(name: str) -> ZoneInfo:
    """Get the zone of a name.

    Raises
    ------
    InvalidInput
        There is no such zone.
    ConfigError
        Python finds no time zone data.

    Examples
    --------
    >>> zone("Africa/Johannesburg")
    zoneinfo.ZoneInfo(key='Africa/Johannesburg')
    """
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        if not _names():
            raise _no_data() from error
        said = zone_problem(name)
        refuse(f"{said[0].upper()}{said[1:]}.", "Correct the name.")


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {_folded(name): name for name in sorted(zoneinfo.available_timezones() - _OF_THIS_MACHINE)}


def _folded(name: str) -> str:
    return "_".join(name.split()).casefold()


def _no_data() -> ConfigError:
    message = (
        "Quiet hours need time zone data, and this machine has none. Nothing was sent. "
        "Run: pip install 'clicknb[hours]'"
    )
    return ConfigError(message)
