"""Personalised text: placeholders over the columns of a table, and what is missing from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from typing import Any

import pandas as pd

from clicknb import checks
from clicknb.cells import as_text, require_columns, shown, text_series
from clicknb.display import MONTHS
from clicknb.errors import InvalidInput
from clicknb.messages.characters import refuse_lone_surrogate

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_BAR = re.compile(r"\|\|?|[^|]+")
_NUMBER_SPEC = re.compile(
    r"(?:.?[<>=^])?(?P<sign>[+\- ])?(?P<zero>0)?\d{0,3}(?P<group>,)?(?:\.\d{1,2})?(?P<type>[deEfFgGs%])?", re.DOTALL
)
_DATE_SPEC = re.compile(r"%-?[A-Za-z]")
_DIRECTIVE = re.compile(r"%(-?[A-Za-z%]|.?)", re.DOTALL)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_LONGEST_NUMBER = 100  # digits; Python itself refuses to write a whole number of some thousands

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DATE: dict[str, Callable[[datetime], str]] = {
    "a": lambda when: _DAYS[when.weekday()][:3],
    "A": lambda when: _DAYS[when.weekday()],
    "b": lambda when: MONTHS[when.month - 1][:3],
    "B": lambda when: MONTHS[when.month - 1],
    "d": lambda when: f"{when.day:02}",
    "-d": lambda when: f"{when.day}",
    "m": lambda when: f"{when.month:02}",
    "-m": lambda when: f"{when.month}",
    "y": lambda when: f"{when.year % 100:02}",
    "Y": lambda when: f"{when.year:04}",
}
_TIME: dict[str, Callable[[datetime], str]] = {
    "H": lambda when: f"{when.hour:02}",
    "-H": lambda when: f"{when.hour}",
    "I": lambda when: f"{when.hour % 12 or 12:02}",
    "-I": lambda when: f"{when.hour % 12 or 12}",
    "M": lambda when: f"{when.minute:02}",
    "S": lambda when: f"{when.second:02}",
    "p": lambda when: "AM" if when.hour < 12 else "PM",  # noqa: PLR2004
}
_DIRECTIVES = {"%": lambda _: "%", **_DATE, **_TIME}


class _Unfit(Exception):
    """A cell does not fit its placeholder; says what it is not."""


@dataclass(frozen=True, slots=True)
class Field:
    """A placeholder: a column, how its cells are written, and what stands for a blank one (None: nothing may)."""

    column: str
    spec: str
    default: str | None
    fill: Callable[[str], str]

    @property
    def takes_any(self) -> bool:
        """Whether any text fits: it is neither a date nor a number."""
        return not self.write("x")[1]

    def write(self, cell: str | float) -> tuple[str, str]:
        """Give the text for a cell and the problem with it, one of which is empty; what is not a str is blank."""
        if not isinstance(cell, str):
            return ("", f"{self.column} is empty") if self.default is None else (self.default, "")
        try:
            return self.fill(cell), ""
        except _Unfit as reason:
            return "", f"{self.column} {reason}: {shown(cell)}"

    def write_all(self, cells: pd.Series[Any]) -> tuple[list[str], dict[int, str]]:
        """Write every cell, each different one once; give the texts, and the problems by their row."""
        read = as_text(cells).tolist()
        texts: dict[str | float, str] = dict.fromkeys(read, "")  # in the order of rows, which is quicker than a set
        wrong: dict[str | float, str] = {}
        for cell in texts:
            texts[cell], problem = self.write(cell)
            if problem:
                wrong[cell] = problem
        problems = {row: wrong[cell] for row, cell in enumerate(read) if cell in wrong} if wrong else {}
        return [texts[cell] for cell in read], problems


class Template:
    """A text with placeholders named after columns: ``Hi {first_name|there}, see you on {when:%d %b}``.

    Parameters
    ----------
    text
        Column names in braces (plain names, which may have spaces), each with an optional format after a colon and
        an optional default after a bar. The format is

        - a date, of ``%a %A %b %B %d %-d %m %-m %y %Y %H %-H %I %-I %M %S %p %%``; names are English on every
          machine, and the cell is a date or ISO text (``2026-03-14``, ``2026-03-14 10:30``), shown as its own clock
          says;
        - a number of Python's format language, such as ``d``, ``,``, ``.2f``, ``03`` or ``.0%``; the cell is a plain
          number, read exactly;
        - a text's width, such as ``>10``.

        The default, as in ``{first_name|there}`` or ``{when:%d %b|soon}``, is sent as it stands where the cell is
        blank, and only there: a cell that does not fit its format stays a problem. It is plain words; nothing is
        looked up in it. It may be empty (``{title|}``), and blanks around the bar do not count.

        Double braces stand for themselves, and so does a double bar within a placeholder (``{a||b}`` is the column
        ``a|b``); outside of placeholders a bar is a bar. There is no way to an attribute, an element or a position.

    Attributes
    ----------
    columns : tuple of str
        The columns that it needs, each once, in order of appearance.
    pieces : tuple of str or Field
        What it is made of, in order.

    Raises
    ------
    InvalidInput
        Broken braces or an unknown format, with the place.

    Examples
    --------
    >>> template = Template("Hi {name|there}, {amount:,.2f} is due on {when:%-d %B}.")
    >>> template.columns
    ('name', 'amount', 'when')
    >>> bills = pd.DataFrame({"name": ["", "Ben"], "amount": ["1200", "80.5"], "when": ["2026-03-14", "soon"]})
    >>> texts, problems = template.render(bills)
    >>> texts[0]
    'Hi there, 1,200.00 is due on 14 March.'
    >>> problems[1]
    "when is not a date: 'soon'"
    """

    __slots__ = ("columns", "pieces", "text")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            checks.refuse(f"A template is a str, not {type(text).__name__}.")
        refuse_lone_surrogate(text)
        self.text = text
        self.pieces = tuple(_pieces(text))
        self.columns = tuple(dict.fromkeys(piece.column for piece in self.pieces if isinstance(piece, Field)))

    def __repr__(self) -> str:
        return f"Template({shown(self.text)})"

    def render(self, frame: pd.DataFrame) -> tuple[pd.Series[str], pd.Series[str]]:
        """Write the text of every row.

        Parameters
        ----------
        frame
            A table with at least the template's columns; text in the cells is used exactly as written.

        Returns
        -------
        texts, problems : pandas.Series
            Both of dtype str and with the index of the frame. Where a cell is blank and has no default, or does not
            fit, the problem says so and the text is empty; elsewhere the problem is missing.

        Raises
        ------
        InvalidInput
            The frame lacks a column, or has it twice.
        """
        require_columns(frame, self.columns, purpose="The text")
        columns: list[Iterable[str]] = [repeat("", len(frame))]
        reasons: dict[int, dict[str, None]] = {}
        for piece in self.pieces:
            if isinstance(piece, str):
                columns.append(repeat(piece, len(frame)))
                continue
            written, problems = piece.write_all(frame[piece.column])
            columns.append(written)
            for row, problem in problems.items():
                reasons.setdefault(row, {})[problem] = None
        texts = list(map("".join, zip(*columns, strict=True)))
        wrong: list[str | None] = [None] * len(frame)
        for row, every in reasons.items():
            texts[row] = ""
            wrong[row] = "; ".join(every)
        return text_series(texts, frame.index), text_series(wrong, frame.index)


def _pieces(text: str) -> Iterator[str | Field]:
    """Read a template as literal texts and fields."""
    for token in _TOKEN.finditer(text):
        found = token.group()
        if found in ("{{", "}}"):
            yield found[0]
        elif found == "{":
            raise _broken(text, token.start(), "this brace is never closed")
        elif found == "}":
            raise _broken(text, token.start(), "this brace was never opened")
        elif token.group(1) is None:
            yield found
        else:
            try:
                yield _field(token.group(1))
            except ValueError as error:
                raise _broken(text, token.start(), str(error)) from None


def _broken(text: str, place: int, reason: str) -> InvalidInput:
    around = text[place : place + 30]
    return InvalidInput(
        f"The text cannot be read at character {place + 1}, {around!r}: {reason}. "
        "Nothing was sent; a brace that is meant as such is written twice."
    )


def _field(inside: str) -> Field:
    """Read what stands between two braces; ValueError says what is wrong with it."""
    head, default = _at_bar(inside)
    name, _, spec = head.partition(":")
    column = name.strip()
    if not column or column.isdecimal():
        message = "a placeholder needs the name of a column, as in {first_name}"
        raise ValueError(message)
    if forbidden := re.search(r"[.!\[\]]", column):
        message = f"a placeholder is the plain name of a column, without {forbidden.group()!r}"
        raise ValueError(message)
    return Field(column, spec, default, _filler(spec))


def _at_bar(inside: str) -> tuple[str, str | None]:
    """Part a placeholder from its default, if it has one; double bars become single ones."""
    halves = [""]
    for found in _BAR.findall(inside):
        if found == "|":
            halves.append("")
        else:
            halves[-1] += "|" if found == "||" else found
    if len(halves) == 1:
        return halves[0], None
    if len(halves) > 2:  # noqa: PLR2004  the placeholder and its default
        message = "there is one default, after a single |; a | that is meant as such is written twice"
        raise ValueError(message)
    return halves[0].rstrip(), halves[1].strip()


def _filler(spec: str) -> Callable[[str], str]:
    """Choose how a cell is written by the format after the colon."""
    if _DATE_SPEC.search(spec):
        return _date_filler(spec)
    parsed = _NUMBER_SPEC.fullmatch(spec)
    if parsed is None:
        message = f"the format {spec!r} is unknown; use one such as %d %b, .2f or >10"
        raise ValueError(message)
    if parsed["type"] == "d":
        format(0, spec)  # refuses what does not go together, such as a precision of whole numbers
        return lambda cell: format(_whole(cell), spec)
    if any(parsed[mark] for mark in ("sign", "zero", "group")) or parsed["type"] not in (None, "s"):
        format(Decimal(0), spec)
        return lambda cell: format(_number(cell), spec)
    format("", spec)
    return (lambda cell: format(cell, spec)) if spec else str


def _date_filler(spec: str) -> Callable[[str], str]:
    used = _DIRECTIVE.findall(spec)
    if unknown := [directive for directive in used if directive not in _DIRECTIVES]:
        message = f"the date format %{unknown[0]} is unknown; there are %{' %'.join(_DIRECTIVES)}"
        raise ValueError(message)
    needs_time = any(directive in _TIME for directive in used)
    # What stands between the directives, and what they write: taking the format apart once is much of the speed.
    between = _DIRECTIVE.sub("{}", spec)
    writers = tuple(_DIRECTIVES[directive] for directive in used)

    def write(cell: str) -> str:
        when = _moment(cell.strip(), needs_time=needs_time)
        return between.format(*(writer(when) for writer in writers))

    return write


def _moment(cell: str, *, needs_time: bool) -> datetime:
    reason = "is not a date"
    if not _ISO.fullmatch(cell):
        raise _Unfit(reason)
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise _Unfit(reason) from None
    if needs_time and ":" not in cell:
        reason = "has no time of day"
        raise _Unfit(reason)
    return moment


def _number(cell: str) -> Decimal:
    digits = cell.strip()
    if len(digits) > _LONGEST_NUMBER or not _PLAIN_NUMBER.fullmatch(digits):
        reason = "is not a number"
        raise _Unfit(reason)
    return Decimal(digits)


def _whole(cell: str) -> int:
    number = _number(cell)
    if number != number.to_integral_value():
        reason = "is not a whole number"
        raise _Unfit(reason)
    return int(number)
