"""Shows numbers as the format of their cell does, which is all that a person sees of them.

Formats are the codes of Excel (ECMA-376, 18.8.31), such as ``#,##0.00``. They stand in a file as an English Excel
writes them, and are shown so. Dates become ISO and times of a day HH:MM, so that a text can write them in its own way.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import cache
from itertools import groupby
from math import isfinite
from typing import NamedTuple

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<width>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>General)|(?P<half>AM/PM|A/P)|(?P<power>E[+-])|(?P<moment>y+|m+|d+|h+|s+|e+|b+|g+)"
    r"|(?P<digit>[0#?])|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<text>@)|(?P<end>;)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)(-?\d+(?:\.\d+)?)")
_CURRENCY = re.compile(r"\$([^-]*)(?:-([0-9a-f]{1,8}))?", re.IGNORECASE)
_NO_WORD = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|colou?r ?\d+|eng", re.IGNORECASE)
_FRACTION = re.compile(r"(?:([0#?]+)\s+)?[0#?]+/(?:([0#?]+)|([1-9]\d*))")
_POWER = re.compile(r"([0#?]+)(?:\.([0#?]*))?E([+-])([0#?]+)", re.IGNORECASE)
_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}

_EXACT = Context(prec=15)  # what a spreadsheet keeps of a number
_WIDE = Context(prec=400)  # holds every number that a cell can
_GENERAL_DIGITS = 10
_SMALLEST_ROUNDED = Decimal("0.0001")
_SHORTENED = 10**6  # whole numbers from here on are not amounts if their format has an exponent
_DAY = 86_400
_NO_SUCH_DAY = 60  # 29 February 1900, kept by Excel for the sake of Lotus 1-2-3


class _Token(NamedTuple):
    kind: str
    text: str


class _Section(NamedTuple):
    tokens: list[_Token]
    holds: Callable[[Decimal], bool] | None
    signed: bool
    show: Callable[[Decimal, bool], str | None]


class NumberFormat:
    """A format that was read: shows the numbers, or the texts, of the cells that have it.

    Examples
    --------
    >>> NumberFormat("000000").number("42"), NumberFormat('"R "#,##0.00;(#,##0.00)').number("-1250.5")
    ('000042', '(1,250.50)')
    >>> NumberFormat("d mmm yy").number("46095"), NumberFormat("[h]:mm").number("1.5")
    ('2026-03-14', '36:00')
    """

    def __init__(self, code: str) -> None:
        parts = _parts(code)
        self._sections = [_section(tokens, place, len(parts)) for place, tokens in enumerate(parts)]
        self._text = next((part for part in parts if any(token.kind == "text" for token in part)), None)
        if self._text is None and len(parts) > 3:  # noqa: PLR2004 -- the fourth section is the one for texts
            self._text = parts[3]

    def number(self, raw: str, *, since_1904: bool = False) -> str | None:
        """Show a number; None if that is beyond this module."""
        value = _EXACT.plus(_decimal(raw))
        section = self._section_for(value)
        if section is None:
            return None
        shown = section.show(value, since_1904)
        if shown is None:
            return None
        negative = value < 0 and section.signed and any(digit in shown for digit in "123456789")
        return f"-{shown.strip()}" if negative else shown.strip()

    def text(self, text: str) -> str:
        """Show a text, which most formats leave alone."""
        if self._text is None:
            return text
        return "".join(text if token.kind == "text" else _literal(token) for token in self._text)

    def _section_for(self, value: Decimal) -> _Section | None:
        """Find the section of a number: by its condition, or else for positive and negative numbers and zero."""
        numbers = self._sections[:3]
        if any(section.holds for section in numbers):
            return next((section for section in numbers if section.holds is None or section.holds(value)), None)
        place = 1 if value < 0 else 2 if value == 0 else 0
        return numbers[place if place < len(numbers) and not _is_text(numbers[place]) else 0]


@cache
def number_format(code: str) -> NumberFormat:
    """Read a format, or find it among those that were read."""
    return NumberFormat(code)


def general(raw: str) -> str:
    """Show a number without a format, but never in the short form that loses the digits of a telephone number.

    Examples
    --------
    >>> general("4.47700900123E11"), general("0.30000000000000004"), general("-2.0"), general("0.33333333333333331")
    ('447700900123', '0.3', '-2', '0.333333333')
    """
    return raw if raw.isascii() and raw.isdigit() and len(raw) == len(raw.lstrip("0")) else _general(_decimal(raw))


def _decimal(raw: str) -> Decimal:
    """Read a number as it is written in a file, where none is larger than a float can be."""
    if not isfinite(float(raw)):
        message = f"{raw[:20]!r} is not a number that a cell can hold"
        raise ValueError(message)
    return Decimal(raw)


def _general(value: Decimal) -> str:
    if value == value.to_integral_value():
        return str(int(value))
    value = _EXACT.plus(value)
    size = len(str(abs(int(value))))
    if abs(value) >= _SMALLEST_ROUNDED and size < _GENERAL_DIGITS:
        value = _rounded(value, _GENERAL_DIGITS - size)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _WIDE)


def _parts(code: str) -> list[list[_Token]]:
    """Split a format into its sections, each a list of tokens."""
    tokens = [_Token(str(found.lastgroup), found[str(found.lastgroup)]) for found in _TOKEN.finditer(code)]
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token.kind == "end":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _section(tokens: list[_Token], place: int, count: int) -> _Section:
    brackets = [token.text for token in tokens if token.kind == "bracket"]
    condition = next((found for text in brackets if (found := _CONDITION.fullmatch(text))), None)
    if condition is None:
        return _Section(tokens, None, place == 0 or count == 1, _shower(tokens))
    compare, bound = _COMPARE[condition[1]], Decimal(condition[2])
    below_zero = condition[1] in {"<", "<="} and bound <= 0
    return _Section(tokens, lambda value: compare(value, bound), not below_zero, _shower(tokens))


def _is_text(section: _Section) -> bool:
    return any(token.kind == "text" for token in section.tokens)


def _shower(tokens: list[_Token]) -> Callable[[Decimal, bool], str | None]:
    """Find what shows the numbers of a section."""
    kinds = {token.kind for token in tokens}
    code = "".join(token.text for token in tokens if token.kind not in {"bracket", "width", "fill"}).strip()
    fraction, power = _FRACTION.fullmatch(code), _POWER.fullmatch(code)
    show: Callable[[Decimal, bool], str | None] = _beyond_this
    if not all(_is_known(token) for token in tokens):
        return show
    if any(_span(token) for token in tokens):
        show = lambda value, _: _duration(tokens, value)  # noqa: E731
    elif "moment" in kinds:
        if "digit" not in kinds or "s" in _moments(tokens):
            show = lambda value, since_1904: _moment(tokens, value, since_1904=since_1904)  # noqa: E731
    elif fraction:
        show = lambda value, _: _fraction(fraction, abs(value))  # noqa: E731
    elif power:
        show = lambda value, _: _power(power, abs(value))  # noqa: E731
    elif kinds & {"general", "text"}:
        show = lambda value, _: _with_general(tokens, abs(value))  # noqa: E731
    elif "power" not in kinds and not ("digit" in kinds and _Token("other", "/") in tokens):
        show = _Placeholders(tokens).show
    return show


def _with_general(tokens: list[_Token], value: Decimal) -> str:
    return "".join(_general(value) if token.kind in {"general", "text"} else _literal(token) for token in tokens)


def _beyond_this(value: Decimal, since_1904: bool) -> None:
    """Show nothing of a number, for its format is not understood."""


def _is_known(token: _Token) -> bool:
    if token.kind != "bracket":
        return True
    if found := _CURRENCY.fullmatch(token.text):
        return len(found[2] or "") <= 4 or found[2].lower().startswith(("f8", "f4", "0"))  # noqa: PLR2004 -- numerals
    return bool(_CONDITION.fullmatch(token.text) or _NO_WORD.fullmatch(token.text) or _span(token))


def _literal(token: _Token) -> str:
    """Tell what a token adds to a text as it stands."""
    if token.kind == "bracket":
        found = _CURRENCY.fullmatch(token.text)
        return found[1] if found else ""
    if token.kind == "width":
        return " "
    return "" if token.kind == "fill" else token.text


# --- dates, times and durations ---


def _span(token: _Token) -> str:
    """Tell of what a token counts all there are, such as hours beyond 24; empty if of nothing."""
    letters = set(token.text.lower()) if token.kind == "bracket" else set()
    return letters.pop() if len(letters) == 1 and letters <= set("hms") else ""


def _moments(tokens: list[_Token]) -> list[str]:
    """List the letters of a date or time, where M is a month and m are minutes."""
    letters = [_span(token) or token.text.lower() for token in tokens if token.kind == "moment" or _span(token)]
    found = []
    for place, letter in enumerate(letters):
        before, after = letters[place - 1] if place else "", letters[place + 1] if place + 1 < len(letters) else ""
        minutes = letter in {"m", "mm"} and (before[:1] == "h" or after[:1] == "s")
        found.append(letter if minutes or letter[0] != "m" else "M")
    return [letter[0] for letter in found]


def _moment(tokens: list[_Token], serial: Decimal, *, since_1904: bool) -> str | None:
    if serial < 0:
        return None
    letters = _moments(tokens)
    if set(letters) <= set("hms") and "h" not in letters:
        return _duration(tokens, serial % Decimal(1) * _DAY % 3600 / _DAY)
    clock = set(letters) & set("hms") or any(token.kind == "half" for token in tokens)
    seconds = int(_rounded(serial * _DAY, 0)) if clock else int(serial) * _DAY
    days, rest = divmod(seconds, _DAY)
    time = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    if set(letters) <= set("hms"):
        return time if "s" in letters else time[:-3]
    day = _day(days, since_1904=since_1904)
    return day and f"{day} {time}" if clock else day


def _day(number: int, *, since_1904: bool) -> str | None:
    """Tell which day a number is, with the two days of Excel that never were."""
    if not since_1904 and number in {0, _NO_SUCH_DAY}:
        return "1900-01-00" if number == 0 else "1900-02-29"
    first = date(1904, 1, 1) if since_1904 else date(1899, 12, 31 if number < _NO_SUCH_DAY else 30)
    try:
        return (first + timedelta(days=number)).isoformat()
    except OverflowError:
        return None


def _duration(tokens: list[_Token], serial: Decimal) -> str | None:
    if serial < 0:
        return None
    decimals = sum(token.kind == "digit" for token in tokens)
    exact = _rounded(serial * _DAY, decimals)
    whole = int(exact)
    counted = {"h": whole // 3600, "m": whole // 60, "s": whole}
    limits = {"h": 24, "m": 60, "s": 60}
    letters = iter(_moments(tokens))
    shown = []
    fraction = iter(format(exact % 1, "f")[2:])
    for token in tokens:
        if token.kind == "moment" or _span(token):
            letter = next(letters)
            if letter not in counted:
                return None
            count = counted[letter] if _span(token) else counted[letter] % limits[letter]
            shown.append(str(count).zfill(len(token.text)))
        else:
            shown.append(next(fraction, "") if token.kind == "digit" else _literal(token))
    return "".join(shown)


def shows_no_day(code: str) -> bool:
    """Tell whether a format is of dates and shows the month, the year or the day of the week alone.

    Examples
    --------
    >>> shows_no_day("mmmm yyyy"), shows_no_day("dddd"), shows_no_day("dd/mm"), shows_no_day("h:mm"), shows_no_day("0")
    (True, True, False, False, False)
    """
    tokens = _parts(code)[0]
    days = [token for token in tokens if token.kind == "moment" and token.text.lower() in {"d", "dd"}]
    return not days and bool(set(_moments(tokens)) - set("hms"))


# --- numbers ---


class _Placeholders:
    """Shows numbers by a section of ``0``, ``#`` and ``?`` with texts between them."""

    def __init__(self, tokens: list[_Token]) -> None:
        places = [place for place, token in enumerate(tokens) if token.kind == "digit"]
        point = next((place for place, token in enumerate(tokens) if token.kind == "point"), len(tokens))
        self._point = point
        self._whole = [place for place in places if place < point]
        self._decimals = [place for place in places if place > point]
        commas = [place for place, token in enumerate(tokens) if token.kind == "comma"]
        grouping = [place for place in commas if self._whole and self._whole[0] < place < self._whole[-1]]
        scaling = [place for place in commas if _follows_a_digit(tokens, place) and place not in grouping]
        self._grouped = bool(grouping)
        self._scale = 2 * sum(token.kind == "percent" for token in tokens) - 3 * len(scaling)
        self._tokens = [None if place in {*grouping, *scaling} else token for place, token in enumerate(tokens)]
        self._pad = next(
            (len(self._whole) - count for count, place in enumerate(self._whole) if tokens[place].text == "0"), 0
        )

    def show(self, value: Decimal, since_1904: bool) -> str:
        number = _rounded(abs(value).scaleb(self._scale), len(self._decimals))
        whole, _, decimals = format(number, "f").partition(".")
        pieces = dict(zip(self._whole, self._shares(whole.lstrip("0").zfill(self._pad)), strict=True))
        pieces |= zip(self._decimals, self._trimmed(decimals), strict=True)
        if self._decimals and not self._whole and whole != "0":  # such as .00
            pieces[self._point] = f"{whole}."
        return "".join(
            pieces[place] if place in pieces else _literal(token)
            for place, token in enumerate(self._tokens)
            if token is not None
        )

    def _shares(self, digits: str) -> list[str]:
        """Give each placeholder before the point its digit, and the first one all that are left."""
        count = len(self._whole)
        if not count:
            return []
        shares = []
        for left in range(count, 0, -1):
            if left > len(digits):
                shares.append(" " if self._is_space(self._whole[count - left]) else "")
                continue
            piece = digits[: len(digits) - left + 1] if left == count else digits[len(digits) - left]
            shares.append(self._with_commas(piece, left - 1))
        return shares

    def _with_commas(self, piece: str, right: int) -> str:
        """Put a comma after each digit that has a multiple of three digits to its right."""
        if not self._grouped:
            return piece
        last = len(piece) - 1 + right
        return "".join(
            f"{digit}," if (last - place) % 3 == 0 and last > place else digit for place, digit in enumerate(piece)
        )

    def _trimmed(self, decimals: str) -> list[str]:
        """Leave zeros at the end out where the format has no 0."""
        shown = list(decimals)
        for place in range(len(shown) - 1, -1, -1):
            token = self._tokens[self._decimals[place]]
            if shown[place] != "0" or token is None or token.text == "0":
                break
            shown[place] = " " if token.text == "?" else ""
        return shown

    def _is_space(self, place: int) -> bool:
        token = self._tokens[place]
        return token is not None and token.text == "?"


def _follows_a_digit(tokens: list[_Token], place: int) -> bool:
    before = [kind for kind, _ in groupby(token.kind for token in tokens[:place])]
    return bool(before) and (before[-1] == "digit" or before[-2:] == ["digit", "comma"])


def _fraction(form: re.Match[str], value: Decimal) -> str:
    exact = Fraction(value)
    if form[3]:
        bottom = int(form[3])
        top = int(_rounded(value * bottom, 0))
    else:
        near = exact.limit_denominator(10 ** len(form[2]) - 1)
        top, bottom = near.numerator, near.denominator
    if form[1] is None:
        return f"{top}/{bottom}"
    whole, top = divmod(top, bottom)
    return " ".join([*([str(whole)] if whole or not top else []), *([f"{top}/{bottom}"] if top else [])])


def _power(form: re.Match[str], value: Decimal) -> str | None:
    """Show a number with an exponent, unless its digits are likely to be wanted."""
    if value >= _SHORTENED and value == value.to_integral_value():
        return None
    width, decimals = len(form[1]), len(form[2] or "")
    exponent = value.adjusted() // width * width if value else 0
    digits = _rounded(value.scaleb(-exponent), decimals)
    if digits >= 10**width:
        exponent += width
        digits = _rounded(value.scaleb(-exponent), decimals)
    sign = "-" if exponent < 0 else "+" if form[3] == "+" else ""
    return f"{digits}E{sign}{str(abs(exponent)).zfill(len(form[4]))}"
