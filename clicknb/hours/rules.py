"""Rules of contact times: the hours of each weekday, public holidays, and the presets.

None of this is legal advice. Check the rules that apply to you; several depend on what was agreed with the recipient.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from itertools import groupby, pairwise
from types import ModuleType

from clicknb import checks
from clicknb.checks import described, refuse
from clicknb.errors import ConfigError

FULL_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS = tuple(day[:3] for day in FULL_DAYS)
_DAY_RANGE = re.compile(r"([a-z]{3})(?:\s*[-–]\s*([a-z]{3}))?", re.IGNORECASE)
_WINDOW = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-4]):([0-5]\d)")
_END_OF_DAY = 24 * 60
_LOCAL = "local"

Window = tuple[int, int]
"""Minutes since midnight by the clock on the wall: the first that is open, the first that is closed again."""


@dataclass(frozen=True, repr=False)
class Hours:
    """When a message may be sent, by the recipient's own clock.

    Parameters
    ----------
    name
        What the rule is called where it turns a row away.
    week
        Open hours by day or range of days: ``{"Mon-Fri": "08:00-20:00", "Sat": "09:00-12:00, 14:00-18:00"}``. The
        first minute is open, the last is not. Days that are not named are closed.
    holidays
        Public holidays are closed: those of a country, as ISO 3166 alpha-2, or ``"local"`` for those of each
        recipient's own. Needs the package holidays; only nationwide ones count.
    source
        Where the rule stands, or that it is common practice only.
    law
        Whether it is binding law.

    Raises
    ------
    InvalidInput
        A day, an hour or a country does not exist; hours end before they begin or overlap; nothing is ever open.

    Examples
    --------
    >>> Hours("office", {"Mon-Fri": "09:00-17:00"})
    Hours('office': Mon-Fri 09:00-17:00)
    >>> PRESETS["ZA"]
    Hours('ZA': Mon-Fri 08:00-20:00, Sat 09:00-13:00, no public holidays of ZA)
    """

    name: str
    week: Mapping[str, str] = field(compare=False)
    holidays: str | None = None
    source: str = field(default="", compare=False)
    law: bool = field(default=False, compare=False)
    days: tuple[tuple[Window, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        checks.line("The name of the hours", self.name)
        object.__setattr__(self, "days", _read_week(self.week))
        if self.holidays != _LOCAL:
            object.__setattr__(self, "holidays", checks.country(self.holidays))

    def __repr__(self) -> str:
        return f"Hours({self.name!r}: {self.described()})"

    def described(self) -> str:
        """Write the rule in words."""
        spans = []
        for windows, group in groupby(enumerate(self.days), key=lambda day: day[1]):
            places = [place for place, _ in group]
            first, last = DAYS[places[0]], DAYS[places[-1]]
            if windows:
                spans.append(f"{first if first == last else f'{first}-{last}'} {written(windows)}")
        if self.holidays:
            whose = "each recipient's country" if self.holidays == _LOCAL else self.holidays
            spans.append(f"no public holidays of {whose}")
        return ", ".join(spans)

    @property
    def version(self) -> str:
        """Eight hexadecimal digits that change with the hours."""
        return hashlib.sha256(f"{self.days} {self.holidays}".encode()).hexdigest()[:8]

    def windows(self, day: date) -> tuple[Window, ...]:
        """Tell when it is open on a day, in minutes of the local clock."""
        return () if self.holidays and self.holiday(day) else self.days[day.weekday()]

    def holiday(self, day: date) -> str:
        """Name the public holiday that a day is, or nothing.

        A country whose holidays nobody knows has one every day: the strictest reading.

        Raises
        ------
        ConfigError
            The package holidays is missing.
        """
        if self.holidays is None:
            return ""
        known = _public_holidays(self.holidays, day.year)
        return f"{self.holidays}'s are not known" if known is None else known.get(day, "")

    def is_open(self, local: datetime) -> bool:
        """Tell whether it is open at a local time."""
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.windows(local.date()))


def written(windows: Iterable[Window]) -> str:
    """Write windows as they are given.

    Examples
    --------
    >>> written([(480, 1200)])
    '08:00-20:00'
    """
    return ", ".join("-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in window) for window in windows)


def _read_week(week: object) -> tuple[tuple[Window, ...], ...]:
    if not isinstance(week, Mapping) or not week:
        refuse(f"The week must be a dict of days and hours, not {described(week)}.", _EXAMPLE)
    found: dict[int, tuple[Window, ...]] = {}
    for days, hours in week.items():
        windows = _read_windows(hours)
        for day in _read_days(days):
            if day in found:
                refuse(f"The week has {DAYS[day]} more than once.", "Name each day once.")
            found[day] = windows
    if not any(found.values()):
        refuse("These hours are never open.", _EXAMPLE)
    return tuple(found.get(day, ()) for day in range(len(DAYS)))


_EXAMPLE = "Write it such as {'Mon-Fri': '08:00-20:00', 'Sat': '09:00-13:00'}."


def _read_days(text: object) -> range:
    match = _DAY_RANGE.fullmatch(text.strip()) if isinstance(text, str) else None
    names = [name.capitalize() for name in match.groups() if name] if match else []
    if not names or not set(names) <= set(DAYS):
        refuse(f"{described(text)} is no day or range of days.", _EXAMPLE)
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    if first > last:
        refuse(f"{described(text)} runs past the end of the week.", "Name its days in two entries.")
    return range(first, last + 1)


def _read_windows(text: object) -> tuple[Window, ...]:
    if not isinstance(text, str):
        refuse(f"Hours must be a text, not {described(text)}.", _EXAMPLE)
    windows = tuple(_read_window(piece) for piece in text.split(",") if piece.strip())
    if any(end > start for (_, end), (start, _) in pairwise(windows)):
        refuse(f"The hours {described(text)} overlap or are out of order.", _EXAMPLE)
    return windows


def _read_window(text: str) -> Window:
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        refuse(f"{described(text)} is no span of hours.", _EXAMPLE)
    from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if not start < end <= _END_OF_DAY:
        refuse(f"{described(text)} does not end later on the same day.", "Cut what runs past midnight in two.")
    return start, end


@lru_cache(maxsize=1024)
def _public_holidays(country: str, year: int) -> dict[date, str] | None:
    """List the public holidays of a year, those that moved to a Monday too; None if the country is not known."""
    library = _library()
    try:
        return dict(library.country_holidays(country, years=year, language="en_US"))
    except NotImplementedError:
        return None


def holidays_version(rule: Hours) -> str | None:
    """Tell the version of the list of public holidays that a rule reads."""
    return str(_library().__version__) if rule.holidays else None


def _library() -> ModuleType:
    try:
        import holidays
    except ModuleNotFoundError as error:
        message = (
            "These quiet hours need the package holidays, to know public holidays. Nothing was sent. "
            "Run: pip install 'clicknb[hours]'"
        )
        raise ConfigError(message) from error
    return holidays


PRESETS: Mapping[str, Hours] = {
    one.name: one
    for one in (
        Hours(
            "ZA",
            {"Mon-Fri": "08:00-20:00", "Sat": "09:00-13:00"},
            holidays="ZA",
            source="Consumer Protection Act 68 of 2008, section 12, and its regulation of prohibited times (R293 "
            "of 2011): direct marketing, unless the consumer agreed otherwise; the sender must prove when it was sent",
            law=True,
        ),
        Hours(
            "US",
            {"Mon-Sun": "08:00-21:00"},
            source="47 CFR 64.1200(c)(1), telephone solicitations, by the called party's local time; several states, "
            "such as Florida and Oklahoma, close at 20:00 or have further limits: those are not in this preset",
            law=True,
        ),
        Hours(
            "UK",
            {"Mon-Sun": "09:00-20:00"},
            source="common practice, not law: the DMA Code (1.4) asks members to avoid antisocial times and names none",
        ),
        Hours(
            "EU",
            {"Mon-Sat": "09:00-20:00"},
            holidays=_LOCAL,
            source="common practice, not law of the Union: French operators hold marketing back at night, on Sundays "
            "and on public holidays; look up what the other members have",
        ),
    )
}
"""The rules that clicknb knows, by name."""

_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK AX GF GP MF MQ RE YT"
_PRESET_OF = {
    "ZA": "ZA",
    **dict.fromkeys(["US", "AS", "GU", "MP", "PR", "VI"], "US"),
    **dict.fromkeys(["GB", "GG", "IM", "JE"], "UK"),
    **dict.fromkeys(_EU.split(), "EU"),
}


@lru_cache(maxsize=1024)
def rule_for(hours: str | Hours, country: str | None) -> Hours | None:
    """Tell the rule that holds for the recipients of a country.

    Parameters
    ----------
    hours
        The name of a preset or a rule of one's own: it holds for every recipient, in the recipient's zone. Or
        ``"auto"``: each country's own preset, and no limits where there is none.
    country
        ISO 3166 alpha-2.

    Raises
    ------
    InvalidInput
        There is no such preset.

    Examples
    --------
    >>> rule_for("auto", "GB"), rule_for("auto", "KE")
    (Hours('UK': Mon-Sun 09:00-20:00), None)
    >>> rule_for("EU", "FR")
    Hours('EU': Mon-Sat 09:00-20:00, no public holidays of FR)
    """
    if isinstance(hours, Hours):
        rule: Hours | None = hours
    elif checks.choice("hours", hours, [*PRESETS, "auto"]) == "auto":
        rule = PRESETS.get(_PRESET_OF.get(country or "", ""))
    else:
        rule = PRESETS[hours]
    if rule is not None and rule.holidays == _LOCAL and country is not None:
        return replace(rule, holidays=country)
    return rule


def rules_for(countries: Iterable[object]) -> dict[str, str]:
    """Tell which of some countries have a preset, so that a plan without quiet hours can say so.

    Returns
    -------
    dict
        Name of the preset by country, in the order in which the countries come; ``PRESETS[name].law`` tells whether
        it is law. Missing countries are passed over.

    Examples
    --------
    >>> rules_for(["ZA", "KE", "ZA", None, "IE"])
    {'ZA': 'ZA', 'IE': 'EU'}
    """
    return {code: _PRESET_OF[code] for code in countries if isinstance(code, str) and code in _PRESET_OF}
