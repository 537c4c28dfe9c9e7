"""Checks of what a caller hands in, before anything leaves.

Each returns the value as its type promises, or raises ``InvalidInput``: what is wrong, what was given (its type, with
digits masked), that nothing was sent, and what to do.
"""

from __future__ import annotations

import math
import operator
import os
import re
import unicodedata
from collections.abc import Callable, Collection
from datetime import timedelta
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from clicknb.display import mask_digits, shorten
from clicknb.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

_Value = TypeVar("_Value")

MOST_CREDITS = 10**9
"""What a ledger can hold."""

_LONGEST_SHOWN = 40
_BREAKS_A_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def refuse(what: str, remedy: str = "", cause: Exception | None = None) -> NoReturn:
    """Raise ``InvalidInput`` with the promise that nothing was sent after its first sentence."""
    message = f"{what} Nothing was sent. {remedy}".rstrip()
    raise InvalidInput(message) from cause


def described(value: object) -> str:
    """Say what was given, without a whole number and on one line.

    Examples
    --------
    >>> described(447700900123), described("soon"), described(None), described(["a"])
    ('+44 *** *** 123 (int)', "'soon'", 'None', 'a list')
    """
    kind = type(value).__name__
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str):
        return shorten(mask_digits(repr(value)), _LONGEST_SHOWN)
    if isinstance(value, Real | Decimal):
        return f"{shorten(mask_digits(str(value)), _LONGEST_SHOWN)} ({kind})"
    if isinstance(value, bytes):
        return "bytes"
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def optional(check: Callable[..., _Value], name: str, value: Any, *limits: Any) -> _Value | None:
    """Check a value that may be left out."""
    return None if value is None else check(name, value, *limits)


def text(name: str, value: object, remedy: str = "Pass a text, in quotation marks.") -> str:
    """Check that a value is text.

    Raises
    ------
    InvalidInput
        It is something else, even if Python could write it as text.
    """
    if not isinstance(value, str):
        refuse(f"{name} must be a text, not {described(value)}.", remedy)
    return value


def secret(name: str, value: object) -> str:
    """Check that a value is text without broken characters, and never show it."""
    if not isinstance(value, str):
        refuse(f"{name} must be a text, not of the type {type(value).__name__}.", "Pass it in quotation marks.")
    if any(unicodedata.category(char) == "Cs" for char in value):
        refuse(f"{name} has half a character in it.", "Write it again.")
    return value


def line(name: str, value: object) -> str:
    """Check that a value is text of one line without control characters."""
    checked = text(name, value)
    if odd := next((char for char in checked if unicodedata.category(char) in _BREAKS_A_LINE), ""):
        refuse(f"{name} has the control character {odd!a} in it.", "Pass a text of one line.")
    return checked


def choice(name: str, value: object, choices: Collection[_Value]) -> _Value:
    """Check that a value is one of a few."""
    found = next((one for one in choices if type(one) is type(value) and one == value), None)
    if found is None:
        refuse(f"{name} must be one of {', '.join(map(repr, choices))}, not {described(value)}.", "Choose one of them.")
    return found


def whole(name: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """Check that a value is a whole number between two bounds.

    Raises
    ------
    InvalidInput
        It is another number, or something else: text of digits, ``2.0`` and ``True`` too.
    """
    number = integer(value)
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        bounds = {(True, True): f" {low} to {high}", (True, False): f" of at least {low}"}
        wanted = f"a whole number{bounds.get((low is not None, high is not None), '')}"
        refuse(f"{name} must be {wanted}, not {described(value)}.", "Pass one, without quotation marks.")
    return number


def integer(value: Any) -> int | None:
    """Read a value as a whole number; None if it is something else, and of True and False."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def amount(name: str, value: object, most: int = MOST_CREDITS, *, zero: bool = False) -> Decimal:
    """Check that a value is a number above zero, or zero where that is allowed.

    Returns
    -------
    decimal.Decimal
        The number as it is written, to the sixth decimal: a float of 0.1 is a tenth.

    Raises
    ------
    InvalidInput
        It is another number, or something else: text of digits and ``True`` too.
    """
    number = _number(value)
    if not (0 < number <= most or (zero and number == 0)):
        least = "0" if zero else "0.000001"
        refuse(
            f"{name} must be a number {least} to {most:,}, not {described(value)}.",
            "Pass one, without quotation marks.",
        )
    return number


def _number(value: Any) -> Decimal:
    """Read a number; -1 if it is none, or out of all bounds."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return Decimal(-1)
    number = Decimal(value) if isinstance(value, int | Decimal) else Decimal(str(float(value)))
    return round(number, 6) if number.is_finite() and abs(number) <= MOST_CREDITS else Decimal(-1)


def flag(name: str, value: object) -> bool:
    """Check that a value is True or False."""
    if not isinstance(value, bool):
        refuse(f"{name} must be True or False, not {described(value)}.", "Pass one of them.")
    return value


def path(name: str, value: object) -> Path:
    """Read the name of a file or folder; ``~`` is the home folder."""
    written = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(written, str) or not written.strip() or "\0" in written:
        refuse(f"{name} must be the path of a file or folder, not {described(value)}.", "Pass one, as text or a Path.")
    try:
        os.fsencode(written)
        return Path(written).expanduser()
    except (RuntimeError, UnicodeEncodeError) as error:
        reason = error.reason if isinstance(error, UnicodeEncodeError) else str(error).rstrip(".")
    refuse(f"{name} cannot be a path: {reason}.", "Write the whole path.")


def table(name: str, value: object) -> pd.DataFrame:
    """Check that a value is a DataFrame."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        if value.columns.nlevels > 1:
            refuse(f"{name} has column names of more than one level.", "Give each column one name.")
        return value
    remedy = "Make one with cn.read_recipients(path), or with pd.DataFrame(...)."
    if isinstance(value, str | os.PathLike):
        remedy = "Read the file first: cn.read_recipients(path)."
    elif isinstance(value, pd.Series):
        remedy = "Make a table of it first: pd.DataFrame({'to': series})."
    refuse(f"{name} must be a DataFrame with a row for each recipient, not {described(value)}.", remedy)


def every(name: str, values: pd.Series[Any], pattern: str, rule: str, remedy: str) -> None:
    """Check a column of text by a pattern.

    Raises
    ------
    InvalidInput
        Some do not match it; says how many and shows the first.
    """
    wrong = values[~values.str.fullmatch(pattern)]
    if len(wrong):
        first = described(wrong.iloc[0])
        refuse(f"{len(wrong):,} of {len(values):,} {name} are not {rule}; the first is {first}.", remedy)


def country(value: str | None) -> str | None:
    """Read an ISO 3166 alpha-2 code in any letter case.

    Examples
    --------
    >>> country("gb")
    'GB'
    """
    from phonenumbers import SUPPORTED_REGIONS

    if value is None:
        return None
    code = str(value).strip().upper()
    if code not in SUPPORTED_REGIONS:
        hint = " Did you mean 'GB'?" if code == "UK" else ""
        refuse(
            f"{value!r} is no country code.{hint}",
            "Write the two letters of ISO 3166, such as country='ZA', or leave it out.",
        )
    return code


_SHORT_DAY = re.compile(r"(?<=\d)d\b")  # pandas is about to forget it

LONGEST = timedelta(days=366)
"""The longest duration that ``seconds`` reads."""


def seconds(duration: float | str | timedelta) -> float:
    """Read a duration: a number of seconds, or a text such as ``"90s"``, ``"30min"``, ``"2h"``.

    Examples
    --------
    >>> seconds("30min")
    1800.0
    """
    value = _seconds(duration)
    if not 0 <= value <= LONGEST.total_seconds():
        message = (
            f"{described(duration)} is no duration of up to a year. Nothing was asked or sent. Write seconds, or a "
            "text such as '90s', '30min' or '2h'."
        )
        raise InvalidInput(message)
    return value


def _seconds(duration: object) -> float:
    """Read a duration; NaN if it is none."""
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, str) and not duration.strip().isdecimal():  # a bare number would count nanoseconds
        import pandas as pd

        try:
            return float(pd.Timedelta(_SHORT_DAY.sub("D", duration)).total_seconds())
        except ValueError:
            return math.nan
    return float(duration) if isinstance(duration, Real) and not isinstance(duration, bool) else math.nan
