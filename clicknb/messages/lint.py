"""Looks over a campaign's texts as a careful colleague would: what is missing, left over or odd in them.

Nothing here refuses a row; the plan does that. A finding is something to look at, so what is often meant that way
(capitals, a French space before an exclamation mark, a sender's name in brackets) is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from clicknb import display, frames
from clicknb.cells import as_text, nearest, shown
from clicknb.errors import InvalidInput
from clicknb.messages import lint_patterns
from clicknb.messages.parts import measure
from clicknb.messages.template import Field, Template

Rows = npt.NDArray[np.bool_]

_HOLE = "\0"  # stands for a placeholder where the words around it are looked at
_PART = 5  # digits that may be what is left of it where a text was cut
_FEWEST = 3  # rows that make a campaign: two texts may well be the same
_TIMES, _LONGER = 3, 100  # a text is much longer by so many medians, and by so many characters
_FEWEST_UNITS = 66  # that a part carries: of 67 one is lost where a pair would be torn
_LONGEST_LINK = 300  # characters of it before a placeholder

_GAPS = ("  ", " ,", " .", " !", " ?")
_ORDER = (
    *("broken", "missing_column", "doubled_column"),
    *("empty_cell", "misfit", "empty_text", "long_text"),
    *("foreign_placeholder", "html", "no_value", "broken_link", "same_text", "longer_text"),
    *("default_is_column", "mostly_default"),
    *("gap", "outer_blanks", "line_break", "odd_space"),
)


class _Finding(NamedTuple):
    finding: str
    where: str
    rows: Rows
    what: str


def lint(template: str, frame: pd.DataFrame, *, max_parts: int = 3) -> pd.DataFrame:
    """Look for what is missing, left over or odd in the texts of a campaign; nothing is refused and nothing changed.

    Parameters
    ----------
    template
        The text with its placeholders. One that cannot be read is a finding, not an error.
    frame
        The table of people. Only the columns that the text names are looked at.
    max_parts
        How many parts a text may need.

    Returns
    -------
    pandas.DataFrame
        One row per finding, the gravest first, columns as in ``clicknb.frames.LINT``: ``finding`` (its kind),
        ``where`` (a column, or ``"text"`` for the template or what came of it), ``rows`` (how many it touches, Int64),
        ``example`` (the index label of the first of them), ``what`` (what it means and what to do; numbers are masked
        and texts shortened). Kinds:

        - the text cannot go out like that: ``broken``, ``missing_column``, ``doubled_column``;
        - rows are left out: ``empty_cell``, ``misfit``, ``empty_text``, ``long_text``;
        - it would be embarrassing: ``foreign_placeholder``, ``html``, ``no_value``, ``broken_link``, ``same_text``,
          ``longer_text``, ``default_is_column``, ``mostly_default``;
        - it does not look well: ``gap``, ``outer_blanks``, ``line_break``, ``odd_space``.

    Raises
    ------
    InvalidInput
        The template is no text, or a cell is neither text nor number nor date.

    Examples
    --------
    >>> people = pd.DataFrame({"first_name": ["Ann", None, "Ben "]}, index=["a", "b", "c"])
    >>> found = lint("Hi {first_name}, [Shop] is open", people)
    >>> found[["finding", "where", "rows", "example"]]
            finding       where  rows example
    0    empty_cell  first_name     1       b
    1  outer_blanks  first_name     1       c
    >>> found["what"][0]
    'first_name is empty in 1 row: left out. Fill in the table, or give a default, as in {first_name|there}.'
    """
    try:
        read = Template(template)
    except InvalidInput as error:
        if not isinstance(template, str):
            raise
        found = [_Finding("broken", "text", _every(frame), display.mask_digits(str(error), _PART))]
    else:
        found = sorted(_findings(read, frame, max_parts), key=lambda one: _ORDER.index(one.finding))
    return frames.build(
        frames.LINT,
        [
            {
                "finding": kind,
                "where": where,
                "rows": int(rows.sum()),
                "example": str(frame.index[int(rows.argmax())]) if rows.any() else None,
                "what": what,
            }
            for kind, where, rows, what in found
        ],
    )


@dataclass(frozen=True)
class _Column:
    """A column of the table, each different cell of it once, and the placeholders that show it."""

    name: str
    fields: tuple[Field, ...]
    cells: list[str]
    codes: npt.NDArray[np.intp]  # where in `cells` each row's is, -1 for a blank

    @classmethod
    def of(cls, name: str, template: Template, frame: pd.DataFrame) -> _Column:
        codes, cells = pd.factorize(as_text(frame[name]))
        fields = (piece for piece in template.pieces if isinstance(piece, Field) and piece.column == name)
        return cls(name, tuple(fields), list(cells), codes)

    @property
    def blank(self) -> Rows:
        return self.codes < 0

    @property
    def as_written(self) -> bool:
        """Whether the cells are shown as they are, and not only as dates or numbers."""
        return any(field.takes_any for field in self.fields)

    @cached_property
    def outer_blanks(self) -> Rows:
        return self.rows(lambda cell: cell != cell.strip())

    @cached_property
    def doubtful(self) -> Iterable[int]:
        """Which cells have more than words in them; few have, and looking at each once more is slow."""
        return [place for place, cell in enumerate(self.cells) if not lint_patterns.ordinary(cell)]

    def rows(self, odd: Callable[[str], object], among: Iterable[int] | None = None) -> Rows:
        """Tell which rows hold an odd cell, of all or of those at some places; a blank one is none."""
        hits = np.zeros(len(self.cells) + 1, dtype=bool)  # the last place is that of blanks, whose code is -1
        for place in range(len(self.cells)) if among is None else among:
            hits[place] = bool(odd(self.cells[place]))
        return hits[self.codes]

    def first(self, rows: Rows) -> str:
        return self.cells[int(self.codes[rows.argmax()])]


def _findings(template: Template, frame: pd.DataFrame, max_parts: int) -> Iterator[_Finding]:
    amiss = list(_amiss(template, frame))
    wrong = {finding.where for finding in amiss}
    columns = {name: _Column.of(name, template, frame) for name in template.columns if name not in wrong}
    known = frozenset(word for name in frame.columns if len(word := lint_patterns.folded(str(name))) > 1)
    usable = ~_every(frame)
    yield from amiss
    yield from _wording(template, frame, known)
    yield from _links(template, columns)
    if not amiss:
        texts, problems = template.render(frame)
        usable = problems.isna().to_numpy()
        yield from _lengths(template, texts.tolist(), usable, max_parts)
        tidy = np.logical_and.reduce([usable, *(~column.outer_blanks for column in columns.values())])
        yield from _gaps(template, texts.tolist(), tidy)
    for column in columns.values():
        yield from _left_out(column, ~usable)
        yield from _defaults(column, frame)
        if column.as_written:
            yield from _cells(column, known)


def _amiss(template: Template, frame: pd.DataFrame) -> Iterator[_Finding]:
    there = [str(name) for name in frame.columns]
    for name in template.columns:
        if name not in frame.columns:
            near = nearest(name, there)
            hint = f" Did you mean {near!r}?" if near else ""
            what = f"The text needs the column {name!r}, which the table lacks.{hint} Correct the text or the header."
            yield _Finding("missing_column", name, _every(frame), what)
        elif there.count(name) > 1:
            what = f"The table has more than one column {name!r}, so which is meant? Rename one."
            yield _Finding("doubled_column", name, _every(frame), what)


def _wording(template: Template, frame: pd.DataFrame, known: frozenset[str]) -> Iterator[_Finding]:
    """Look at the words of the template itself, defaults included."""

    def finding(kind: str, what: str) -> _Finding:
        return _Finding(kind, "text", _every(frame), what)

    words = _literal(template)
    defaults = [piece.default for piece in template.pieces if isinstance(piece, Field) and piece.default]
    every = "\n".join([words, *defaults])
    if foreign := lint_patterns.foreign_placeholder(every, known):
        if foreign.startswith("{"):
            how = "a column takes single braces, and doubled ones are sent as braces"
        else:
            near = nearest(foreign.strip("[]<>«»%#$*|"), map(str, frame.columns))
            how = f"here it would be {{{near}}}" if near else "here it is the name of a column in braces"
        yield finding(
            "foreign_placeholder",
            f"{_quoted(foreign)} looks like a placeholder, but is sent as it stands: {how}. Correct the text.",
        )
    if html := lint_patterns.HTML.search(every):
        yield finding("html", f"{_quoted(html.group())} is HTML, which a handset shows as it stands. Delete it.")
    if link := lint_patterns.BROKEN_LINK.search(words):
        what = f"The link is broken by a space near {_near(words, link.start())}. Close it up."
        yield finding("broken_link", what)
    if words != words.strip():
        what = "The text begins or ends with blanks or line ends, which are paid for. Delete them."
        yield finding("outer_blanks", what)
    if doubled := lint_patterns.SPARE_SPACE.search(words):
        what = f"There is a space too many near {_near(words, doubled.start())}. Delete it."
        yield finding("gap", what)
    if odd := lint_patterns.ODD_SPACE.search(every):
        what = f"There is a no-break or invisible character near {_near(every, odd.start())}. {_ODD_ADVICE}"
        yield finding("odd_space", what)


def _left_out(column: _Column, refused: Rows) -> Iterator[_Finding]:
    strict = [field for field in column.fields if field.default is None]
    if strict and column.blank.any():
        what = (
            f"{column.name} is empty in {_count(column.blank)}: left out. Fill in the table, or give a default, "
            f"as in {_with_default(strict[0])}."
        )
        yield _Finding("empty_cell", column.name, column.blank, what)
    suspects = set(column.codes[refused & ~column.blank].tolist())
    for field in {field.spec: field for field in column.fields if field.spec}.values():
        yield from _misfits(column, field, suspects)


def _misfits(column: _Column, field: Field, suspects: Iterable[int]) -> Iterator[_Finding]:
    unfit = column.rows(lambda cell: field.write(cell)[1], suspects)
    if unfit.any():
        first = column.first(unfit)
        reason = field.write(first)[1].removesuffix(shown(first)) + _quoted(first)
        what = (
            f"A cell does not fit the format {field.spec} in {_count(unfit)}: left out. The first: {reason}. "
            "Correct the table; a default is for empty cells only."
        )
        yield _Finding("misfit", column.name, unfit, what)


def _defaults(column: _Column, frame: pd.DataFrame) -> Iterator[_Finding]:
    defaults = [field.default for field in column.fields if field.default is not None]
    for default in dict.fromkeys(defaults):
        if default in frame.columns:
            what = (
                f"The default {_quoted(default)} is also the name of a column, but is sent as it stands: nothing is "
                "looked up. Write words that fit everybody."
            )
            yield _Finding("default_is_column", column.name, column.blank, what)
    many = len(column.codes) >= _FEWEST and 2 * column.blank.sum() > len(column.codes)
    if many and len(defaults) == len(column.fields):
        what = (
            f"{column.name} is empty in {_count(column.blank)} of {len(frame):,}, which get {_quoted(defaults[0])} "
            "instead. Look whether it is the right column."
        )
        yield _Finding("mostly_default", column.name, column.blank, what)


_ODD_ADVICE = "It comes from a web page or a word processor and can make a text go out as Unicode. Replace it."
_ODD_CELLS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "html": (lint_patterns.HTML.search, "holds HTML, which a handset shows as it stands. Delete it from the table."),
    "no_value": (
        lint_patterns.no_value,
        "holds what a program writes for nothing. Empty such cells, and give a default or leave these rows out.",
    ),
    "broken_link": (lint_patterns.BROKEN_LINK.search, "holds a link that a space breaks. Close it up."),
    "line_break": (
        lambda cell: lint_patterns.LINE_BREAK.search(cell.strip()),
        "has a line break, and so will the text.",
    ),
    "odd_space": (
        lambda cell: lint_patterns.ODD_SPACE.search(cell.strip()),
        f"has a no-break or invisible character. {_ODD_ADVICE}",
    ),
}


def _cells(column: _Column, known: frozenset[str]) -> Iterator[_Finding]:
    foreign = (
        lambda cell: lint_patterns.foreign_placeholder(cell, known),
        "holds what looks like a placeholder; cells are sent as they stand. Fill it in or delete it.",
    )
    blanks = "begins or ends with a blank, which shows as a gap in the text. Strip it, as with .str.strip()."
    found = [("outer_blanks", column.outer_blanks, blanks)]
    for kind, (odd, what) in {"foreign_placeholder": foreign, **_ODD_CELLS}.items():
        found.append((kind, column.rows(odd, column.doubtful), what))
    for kind, rows, what in found:
        if rows.any():
            where = f"{column.name} in {_count(rows)}, such as {_quoted(column.first(rows))},"
            yield _Finding(kind, column.name, rows, f"{where} {what}")


def _links(template: Template, columns: Mapping[str, _Column]) -> Iterator[_Finding]:
    """Find cells with a blank that end up within a link."""
    before = ""
    fields = {}
    for piece in template.pieces:
        if isinstance(piece, Field) and lint_patterns.WITHIN_LINK.search(before[-_LONGEST_LINK:]):
            fields[piece.column] = piece
        before += piece if isinstance(piece, str) else _HOLE
    for name in filter(columns.__contains__, fields):
        yield from _link_blanks(columns[name], fields[name])


def _link_blanks(column: _Column, field: Field) -> Iterator[_Finding]:
    rows = column.rows(lambda cell: re.search(r"\s", field.write(cell)[0]))
    if rows.any():
        what = (
            f"{column.name} stands within a link and has a blank in {_count(rows)}, such as "
            f"{_quoted(column.first(rows))}, where the link ends too early. Take another column, or encode it."
        )
        yield _Finding("broken_link", column.name, rows, what)


def _lengths(template: Template, texts: list[str], usable: Rows, max_parts: int) -> Iterator[_Finding]:
    """Look for texts that are empty, long, or all the same."""
    empty = usable & np.array([not text.strip() for text in texts], dtype=bool)
    if empty.any():
        what = f"The text is empty in {_count(empty)}: left out. Give the text some words besides its placeholders."
        yield _Finding("empty_text", "text", empty, what)
    parts = np.array([_parts(text, max_parts) for text in texts], dtype=int)
    if (long := usable & (parts > max_parts)).any():
        what = (
            f"The text needs more than {max_parts} parts in {_count(long)}, at most {parts[long].max()}: left out "
            "unless max_parts is raised, and each part is paid for. Shorten it, or look at the cells in it."
        )
        yield _Finding("long_text", "text", long, what)
    if usable.sum() < _FEWEST:
        return
    lengths = np.array([len(text) for text in texts], dtype=int)
    median = int(np.median(lengths[usable]))
    longer = usable & ~long & (lengths > max(_TIMES * median, median + _LONGER))
    if longer.any():
        what = (
            f"The text is much longer than the others in {_count(longer)}: up to {lengths[longer].max():,} characters, "
            f"where half of all have at most {median:,}. Look at the cells in it."
        )
        yield _Finding("longer_text", "text", longer, what)
    if template.columns and not empty.any() and len(set(compress(texts, usable))) == 1:
        what = f"All {usable.sum():,} texts are the same, although they have placeholders. Are these the right columns?"
        yield _Finding("same_text", "text", usable, what)


def _parts(text: str, max_parts: int) -> int:
    """Count the parts of a text that may have too many; 0 for others, which is much quicker to see."""
    few = _FEWEST_UNITS * max_parts
    if len(text) * 2 <= few or len(text.encode("utf-16-le")) <= 2 * few:
        return 0
    return measure(text).parts


def _gaps(template: Template, texts: list[str], usable: Rows) -> Iterator[_Finding]:
    """Look for spaces that nothing stands between, where the template itself has none."""
    filled = _literal(template).replace(_HOLE, "x")
    marks = [mark for mark in _GAPS if mark not in filled]
    edges = filled == filled.strip()

    def gap(text: str) -> int:
        """Find the place of the first gap; -1 if there is none."""
        places = [place for mark in marks if (place := text.find(mark)) >= 0]
        if edges and text != text.strip():
            places.append(0 if text[:1].isspace() else len(text) - 1)
        return min(places, default=-1)

    places = np.array([gap(text) for text in texts], dtype=int)
    rows = usable & (places >= 0)
    if rows.any():
        first = int(rows.argmax())
        what = (
            f"The text has a space too many in {_count(rows)}, as in {_near(texts[first], int(places[first]))}. "
            "Usually a value is empty there: give a default that fills it, or put the space into the cell."
        )
        yield _Finding("gap", "text", rows, what)


def _every(frame: pd.DataFrame) -> Rows:
    return np.ones(len(frame), dtype=bool)


def _literal(template: Template) -> str:
    return "".join(piece if isinstance(piece, str) else _HOLE for piece in template.pieces)


def _with_default(field: Field) -> str:
    named = "name" in field.column.casefold()
    word = "there" if named else "soon" if re.search("%-?[A-Za-z]", field.spec) else "words for everybody"
    spec = f":{field.spec}" if field.spec else ""
    return f"{{{(field.column + spec).replace('|', '||')}|{word}}}"


def _count(rows: Rows) -> str:
    return display.many(int(rows.sum()), "row")


def _quoted(text: str) -> str:
    return f"'{display.shorten(display.mask_digits(text, display.STRANGER))}'"


def _near(text: str, place: int) -> str:
    around = text[max(0, place - 12) : place + 8].replace(_HOLE, "{}")
    return _quoted(display.mask_digits(around, _PART))
