"""Quiet hours in the recipient's own zone: whether a message may leave now, and if not, when.

Off unless asked for. The same function decides when a plan is made and again when a row is sent; neither reads a
clock of its own. A recipient who may be in several zones must be within hours in all of them.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from clicknb import checks, frames
from clicknb.cells import as_text
from clicknb.checks import described, refuse
from clicknb.hours.rules import DAYS, FULL_DAYS, PRESETS, Hours, holidays_version, rule_for, rules_for, written
from clicknb.hours.zones import WORLD, read_zone, zone, zone_problem, zones_of

__all__ = ["OUTSIDE", "PRESETS", "Decision", "Hours", "decide", "decisions", "problems", "rule_for", "rules_for"]

OUTSIDE = ("refuse", "schedule", "wait")
"""What becomes of a row outside its hours: it is left out, held by the gateway, or sent later by the program."""

_LOOKS_AHEAD = 31  # days
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Decision:
    """Whether a message may leave at one instant.

    Attributes
    ----------
    allowed : bool
        Whether it is within hours in every zone in which the recipient may be.
    rule : Hours or None
        What decided; None where no rule holds.
    zone : str
        IANA name of the zone that decided: one that is closed, or the first; empty if the recipient's zone could not
        be read.
    local_time : datetime.datetime or None
        The instant by the clock of that zone.
    opens_at : datetime.datetime or None
        The first later instant that is allowed, in UTC; None if it is allowed now, or not within a month.
    reason : str
        Why it is not allowed, in words; empty if it is.
    """

    allowed: bool
    rule: Hours | None
    zone: str = ""
    local_time: datetime | None = None
    opens_at: datetime | None = None
    reason: str = ""

    def to_json(self) -> str:
        """Write what was decided as JSON, to be kept with the row.

        Examples
        --------
        >>> print(decide("US", "America/New_York", datetime(2026, 3, 3, 10, tzinfo=UTC)).to_json())
        {"rule": "US", "version": "...", "holidays": null, "zone": "America/New_York",
         "local_time": "2026-03-03T05:00:00-05:00", "allowed": false, "opens_at": "2026-03-03T13:00:00+00:00"}
        """
        kept = {
            "rule": self.rule.name if self.rule else None,
            "version": self.rule.version if self.rule else None,
            "holidays": holidays_version(self.rule) if self.rule else None,
            "zone": self.zone,
            "local_time": _iso(self.local_time),
            "allowed": self.allowed,
            "opens_at": _iso(self.opens_at),
        }
        return json.dumps(kept)


def decide(hours: str | Hours, zones: str | Sequence[str], now: datetime, country: str | None = None) -> Decision:
    """Decide whether a message may leave now, and if not, when it may.

    Parameters
    ----------
    hours
        See ``rule_for``.
    zones
        The zone of the recipient, or all those in which they may be (``zones_of``); none means anywhere in the world.
    now
        The instant, with its zone.
    country
        The recipient's, as ISO 3166 alpha-2, for ``"auto"`` and for local holidays.

    Raises
    ------
    InvalidInput
        The hours, a zone or the instant cannot be read.
    ConfigError
        Public holidays or time zones are asked for and the package with them is missing.

    Examples
    --------
    >>> saturday = datetime(2026, 3, 14, 11, 20, tzinfo=UTC)
    >>> decided = decide("ZA", "Africa/Johannesburg", saturday)
    >>> decided.allowed, decided.opens_at.isoformat()
    (False, '2026-03-16T06:00:00+00:00')
    >>> decided.reason
    'it is Sat 13:20 in Africa/Johannesburg, outside the ZA hours of Sat 09:00-13:00; they begin on Mon 16 at 08:00'
    """
    moment = _utc(now)
    rule = rule_for(hours, country)
    names = ((zones,) if isinstance(zones, str) else tuple(zones)) or WORLD
    places = [zone(name) for name in names]
    closed = next((place for place in places if rule is not None and not rule.is_open(moment.astimezone(place))), None)
    if rule is None or closed is None:
        return Decision(True, rule, names[0], moment.astimezone(places[0]))
    local = moment.astimezone(closed)
    opens_at = _next_opening(rule, places, moment)
    reason = _reason(rule, local, opens_at, names)
    return Decision(False, rule, str(closed), local, opens_at, reason)


def decisions(
    hours: str | Hours,
    numbers: pd.Series[Any],
    countries: pd.Series[Any],
    now: datetime,
    *,
    zones: pd.Series[Any] | None = None,
) -> pd.DataFrame:
    """Decide for many recipients at one instant.

    Parameters
    ----------
    hours
        See ``rule_for``.
    numbers
        Digits of E.164 without a plus; rows without a number are not decided.
    countries
        ISO 3166 alpha-2.
    now
        The instant, with its zone.
    zones
        IANA names of the recipients' own zones where they are known; blank cells leave it to the number.

    Returns
    -------
    pandas.DataFrame
        The columns of ``frames.HOURS`` with the index of the numbers: ``rule`` (its name; missing where none holds),
        ``zone``, ``local_time`` (text such as ``Sat 13:20 +02:00``), ``allowed``, ``opens_at``, ``reason`` (missing
        where it is allowed) and ``record`` (JSON, to be kept). A name that is no zone, and a missing number, are not
        allowed and never open.

    Raises
    ------
    InvalidInput
        The hours or the instant cannot be read.
    ConfigError
        Public holidays or time zones are asked for and the package with them is missing.

    Examples
    --------
    >>> numbers, countries = pd.Series(["27999123456", "12125550100"]), pd.Series(["ZA", "US"])
    >>> decided = decisions("auto", numbers, countries, datetime(2026, 3, 3, 10, tzinfo=UTC))
    >>> decided[["rule", "local_time", "allowed"]]
      rule        local_time  allowed
    0   ZA  Tue 12:00 +02:00     True
    1   US  Tue 05:00 -05:00    False
    """
    moment = _utc(now)
    known: dict[tuple[object, ...], int] = {}
    decided: list[Decision] = []
    codes = []
    given = pd.Series(None, numbers.index, dtype="str") if zones is None else as_text(zones)
    for number, code, written_zone in zip(numbers.tolist(), countries.tolist(), given.tolist(), strict=True):
        country = code if isinstance(code, str) else None
        place: str | tuple[str, ...] | None = None
        if isinstance(number, str):
            place = written_zone if isinstance(written_zone, str) else zones_of(number, country)
        key = place, country
        if key not in known:
            known[key] = len(decided)
            decided.append(_decided(hours, place, moment, country))
        codes.append(known[key])
    each = frames.build(frames.HOURS, [_row(one) for one in decided])
    return each.take(codes).set_axis(numbers.index)


def problems(decided: pd.DataFrame, now: datetime, outside: str = "refuse", *, holds: timedelta) -> pd.Series[str]:
    """Say why rows cannot go under a policy; missing where they can.

    Parameters
    ----------
    decided
        What ``decisions`` returned.
    now
        The instant for which it was decided.
    outside
        ``"refuse"``: nothing goes outside hours. ``"schedule"``: the gateway holds it until ``opens_at``.
        ``"wait"``: the program sends it at ``opens_at`` or later.
    holds
        For how long the gateway holds a message at most.

    Raises
    ------
    InvalidInput
        There is no such policy.
    """
    policy = checks.choice("outside", outside, OUTSIDE)
    cannot = ~decided["allowed"]
    reasons = decided["reason"]
    if policy == "schedule":
        too_far = decided["opens_at"] > _utc(now) + holds
        later = f", later than the {holds.days} days that the gateway can hold a message"
        reasons = reasons.mask(too_far, reasons + later)
        cannot &= too_far | decided["opens_at"].isna()
    elif policy == "wait":
        cannot &= decided["opens_at"].isna()
    return reasons.where(cannot)


def _decided(hours: str | Hours, place: str | tuple[str, ...] | None, now: datetime, country: str | None) -> Decision:
    """Decide for one group of recipients, whose zone was written, is known from the number, or is missing."""
    if isinstance(place, tuple):
        return decide(hours, place, now, country)
    rule = rule_for(hours, country)
    if place is None:
        return Decision(False, rule)
    name = read_zone(place)
    return Decision(False, rule, reason=zone_problem(place)) if name is None else decide(hours, name, now, country)


def _row(decision: Decision) -> dict[str, object]:
    local = decision.local_time
    return {
        "rule": decision.rule.name if decision.rule else None,
        "zone": decision.zone or None,
        "local_time": f"{_clock(local)} {local.isoformat()[-6:]}" if local else None,
        "allowed": decision.allowed,
        "opens_at": decision.opens_at,
        "reason": decision.reason or None,
        "record": decision.to_json() if local else None,
    }


def _next_opening(rule: Hours, places: Sequence[ZoneInfo], now: datetime) -> datetime | None:
    """Find the first instant after now at which it is open everywhere: one at which it opens somewhere."""
    openings = heapq.merge(*(_openings(rule, place, now) for place in places))
    for instant in takewhile(lambda one: one <= now + _LOOKS_AHEAD * _DAY, openings):
        if all(rule.is_open(instant.astimezone(place)) for place in places):
            return instant
    return None


def _openings(rule: Hours, place: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """Give the instants after now at which the hours may begin in a zone, in order."""
    today = now.astimezone(place).date()
    for days in range(_LOOKS_AHEAD + 1):
        yield from sorted(one for one in _openings_of(rule, place, today + days * _DAY) if one > now)


def _openings_of(rule: Hours, place: ZoneInfo, day: date) -> set[datetime]:
    """Give the instants of a day at which the hours may begin.

    A clock that is put back shows the same time twice, and one that is put forward leaves times out: then the hours
    begin with the first time that it does show. So a change of the clock is one of the instants.
    """
    instants = set(_changes(place, day))
    for start, _ in rule.windows(day):
        wall = datetime.combine(day, time(start // 60, start % 60), place)
        instants |= {wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    return instants


def _changes(place: ZoneInfo, day: date) -> Iterator[datetime]:
    """Find the instant of a day at which the clock is changed, to the second."""
    start, end = (datetime.combine(one, time(), place).astimezone(UTC) for one in (day, day + _DAY))
    before = start.astimezone(place).utcoffset()
    if end.astimezone(place).utcoffset() == before:
        return
    while end - start > timedelta(seconds=1):
        middle = start + (end - start) // 2
        if middle.astimezone(place).utcoffset() == before:
            start = middle
        else:
            end = middle
    yield end.replace(microsecond=0)


def _reason(rule: Hours, local: datetime, opens_at: datetime | None, zones: Sequence[str]) -> str:
    """Say by whose clock it is too early or too late, what the rule is, and when it opens."""
    day = local.date()
    doubt = ", where the number may be" if len(zones) > 1 else ""
    where = "some part of the world, and the number's zone is not known" if zones == WORLD else f"{local.tzinfo}{doubt}"
    if holiday := rule.holiday(day):
        what = f"and the {rule.name} hours leave out public holidays ({holiday})"
    elif windows := rule.days[day.weekday()]:
        what = f"outside the {rule.name} hours of {DAYS[day.weekday()]} {written(windows)}"
    else:
        what = f"and the {rule.name} hours leave out {FULL_DAYS[day.weekday()]}s"
    if opens_at is None:
        return f"it is {_clock(local)} in {where}, {what}; none of the next {_LOOKS_AHEAD} days has an hour that suits"
    then = opens_at.astimezone(local.tzinfo)
    return f"it is {_clock(local)} in {where}, {what}; they begin on {DAYS[then.weekday()]} {then.day} at {then:%H:%M}"


def _clock(local: datetime) -> str:
    return f"{DAYS[local.weekday()]} {local:%H:%M}"


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="seconds") if instant else None


def _utc(now: object) -> datetime:
    if not isinstance(now, datetime) or now.tzinfo is None:
        refuse(f"The time must have a zone; this is {described(now)}.", "Use one such as datetime.now(UTC).")
    return now.astimezone(UTC)
