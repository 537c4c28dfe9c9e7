"""The spreadsheet doctor, who says of every row what its number is read as, how sure that is, or why it is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pandas as pd

from clicknb import checks, frames
from clicknb.cells import as_text, nearest, require_columns, text_series
from clicknb.checks import described, refuse
from clicknb.kinds import REPAIRS
from clicknb.recipients.digits import ROUNDED
from clicknb.recipients.notes import notes_of, with_notes
from clicknb.recipients.numbers import Reading, read_number

_WHOLE = {"float16": 2**11, "float32": 2**24, "float64": 2**53}
"""Up to where each type of float holds every whole number."""

_FIVE_ZEROS = 10**5


def doctor(
    frame: pd.DataFrame, *, to: str, country: str | None = None, refuse: str | Collection[str] = ()
) -> pd.DataFrame:
    """Say of every row what its number is read as, what was repaired and how sure that is, or why it is refused.

    Parameters
    ----------
    frame
        A table of people.
    to
        Name of the column with the destination addresses: text, as `read_recipients` makes it, or what another
        reader made of it. Floats that cannot hold a whole number, or are rounded, are refused.
    country
        Whose national numbers are meant, as ISO 3166 alpha-2; without it, bare digits are read as international.
    refuse
        Kinds of repair that shall not be made, such as ``"leading zero"``: their rows are refused instead.

    Returns
    -------
    pandas.DataFrame
        With the index of the frame: ``read_as`` (the cell as text), ``to`` (digits of E.164 without a plus),
        ``country``, ``repair``, ``problem``, ``sure`` (category: certain, likely, guess) and ``kind`` (short name of
        the repair or problem, missing where there is nothing to say). Either ``to`` or ``problem`` is missing. Of
        rows with the same number the first is kept. ``cn.doctor_report`` puts it into words.

        *certain*: the number says its country itself (a plus, 00, or a whole number of the country given), and at
        most its dress was changed. *likely*: something was missing, such as the leading zero, and what was put back
        is the usual reading. *guess*: another reading is possible.

    Raises
    ------
    InvalidInput
        There is no such column, country or kind of repair.

    Examples
    --------
    >>> people = pd.DataFrame({"mobile": ["07700 900123", "+447700900123", "4.477E+11", "7700900456"]})
    >>> checked = doctor(people, to="mobile", country="GB")
    >>> checked["to"].tolist()
    ['447700900123', nan, nan, '447700900456']
    >>> checked["problem"].tolist()[1]
    'duplicate of row 0'
    >>> checked["sure"].tolist()
    ['certain', nan, nan, 'likely']
    >>> doctor(people, to="mobile", country="GB", refuse="leading zero")["problem"].tolist()[3]
    'refused as asked: added country code 44 (the leading 0 was missing)'
    """
    home = checks.country(country)
    unwanted = check_repairs(refuse)
    require_columns(frame, [to], purpose="The check of numbers")
    read_as = as_text(frame[to])
    cells = read_as.fillna("").tolist()
    known = {cell: read_number(cell, home, unwanted) for cell in dict.fromkeys(cells)}
    verdicts = [known[cell] for cell in cells]
    for place, verdict in _float_damage(frame[to]):
        verdicts[place] = verdict
    fields = zip(*_without_duplicates(verdicts, frame.index), strict=True)
    columns = dict(zip(Reading._fields, fields, strict=True)) if verdicts else {}
    texts = {name: text_series(values, frame.index) for name, values in columns.items()}
    found = frames.build(frames.DOCTOR, pd.DataFrame({"read_as": read_as, **texts}), frame.index)
    return with_notes(found, notes_of(frame))


def check_repairs(names: str | Collection[str]) -> frozenset[str]:
    """Read names of repairs, one or several.

    Raises
    ------
    InvalidInput
        There is no such repair.

    Examples
    --------
    >>> sorted(check_repairs(["leading zero", "no plus"]))
    ['leading zero', 'no plus']
    """
    wanted = [names] if isinstance(names, str) else list(names)
    if strange := [name for name in wanted if name not in REPAIRS]:
        near = nearest(str(strange[0]), REPAIRS)
        hint = f" Did you mean {near!r}?" if near else ""
        refuse(f"{described(strange[0])} is no kind of repair.{hint}", f"There are {', '.join(map(repr, REPAIRS))}.")
    return frozenset(wanted)


def _float_damage(cells: pd.Series[Any]) -> Iterable[tuple[int, Reading]]:
    """Find the numbers that lost digits when they became floats, where their text no longer shows it."""
    kind = str(cells.dtype).lower()
    if kind != "object" and kind not in _WHOLE:
        return
    most = _WHOLE.get(kind, _WHOLE["float64"])
    for place, cell in enumerate(cells.tolist()):
        if not isinstance(cell, float) or not 1 <= abs(cell) < float("inf"):
            continue
        if abs(cell) > most:
            yield place, Reading(problem=f"a {_name(kind)} cannot hold all its digits", kind="lost digits")
        elif cell % _FIVE_ZEROS == 0:
            yield place, Reading(problem=ROUNDED, kind="rounded")


def _name(kind: str) -> str:
    return "decimal number" if kind == "object" else f"column of {kind}"


def _without_duplicates(verdicts: Iterable[Reading], labels: Iterable[object]) -> list[Reading]:
    first: dict[str, object] = {}
    kept = []
    for verdict, label in zip(verdicts, labels, strict=True):
        if verdict.to is None:
            kept.append(verdict)
        elif verdict.to in first:
            kept.append(Reading(problem=f"duplicate of row {first[verdict.to]}", kind="duplicate"))
        else:
            first[verdict.to] = label
            kept.append(verdict)
    return kept
