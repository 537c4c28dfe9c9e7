"""How the cells of a table read as text, wherever the table came from."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pandas as pd

from clicknb.checks import described, refuse

_LONGEST_SHOWN = 30


def as_text(cells: pd.Series[Any]) -> pd.Series[str]:
    """Read every cell as the text that a spreadsheet would show, with the same index; blank cells become missing.

    Whole numbers lose the ``.0`` that a missing neighbour gave them; dates are ISO, and a column in which every time
    is midnight is one of dates. Text stays exactly as written.

    Examples
    --------
    >>> as_text(pd.Series([27999123456.0, None])).tolist()
    ['27999123456', nan]
    """
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        known = cells.dropna()
        only_dates = bool((known == known.dt.normalize()).all())
        texts = cells.dt.strftime("%Y-%m-%d" if only_dates else "%Y-%m-%d %H:%M:%S").tolist()
    elif cells.dtype == "str":
        texts = cells.tolist()
    else:
        texts = [cell_text(cell) for cell in _readable(cells)]
    return text_series((text if isinstance(text, str) and text.strip() else None for text in texts), cells.index)


def _readable(cells: pd.Series[Any]) -> list[Any]:
    """Refuse cells that no spreadsheet has, which would go out as Python writes them."""
    values = cells.tolist()
    if cells.dtype != "object":
        return values
    if odd := [value for value in values if isinstance(value, Collection) and not isinstance(value, str)]:
        refuse(
            f"{len(odd):,} cells of the column {cells.name!r} hold no text, number or date; the first holds "
            f"{described(odd[0])}.",
            "Make texts of them first, such as with .str.decode or .str.join.",
        )
    return values


def text_series(texts: Iterable[str | None], index: pd.Index[Any]) -> pd.Series[str]:
    """Make a column of text (dtype str), where None is missing."""
    return pd.Series(list(texts), index=index, dtype="str")


def cell_text(cell: object) -> str:
    """Read one cell as a spreadsheet would show it; empty if there is nothing in it.

    Examples
    --------
    >>> cell_text(0.00001), cell_text(date(2026, 3, 14)), cell_text(True)
    ('0.00001', '2026-03-14', 'TRUE')
    """
    if isinstance(cell, str):
        return cell
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return ""
    if isinstance(cell, date):
        return _iso(cell)
    if isinstance(cell, float | Decimal):
        return _plain_number(cell)
    return str(cell).upper() if isinstance(cell, bool) else str(cell)


def _iso(cell: date) -> str:
    if isinstance(cell, datetime) and cell.time() != time():
        return cell.replace(tzinfo=None).isoformat(" ", "seconds")
    return cell.isoformat()[: len("2026-03-14")]


def _plain_number(number: float | Decimal) -> str:
    exact = Decimal(str(number))
    if exact.is_nan():
        return ""
    if exact.is_finite() and exact == exact.to_integral_value():
        return str(int(exact))
    return format(exact, "f")


def shown(text: str) -> str:
    """Quote a cell for a message, shortened.

    Examples
    --------
    >>> shown("soon")
    "'soon'"
    """
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")


def require_columns(frame: pd.DataFrame, wanted: Sequence[str], *, purpose: str) -> None:
    """Refuse a frame that lacks a column, or has it twice.

    Parameters
    ----------
    purpose
        Who wants the columns, as the beginning of a sentence, such as ``"The text"``.

    Raises
    ------
    InvalidInput
        Naming what is missing, what there is, and the nearest match.
    """
    there = [str(name) for name in frame.columns]
    if missing := [name for name in wanted if name not in frame.columns]:
        near = [match for name in missing if (match := nearest(name, there)) is not None]
        hint = f" Did you mean {' and '.join(map(repr, near))}?" if near else ""
        refuse(
            f"{purpose} needs {_columns(missing)}, but the table has {_columns(there)}.{hint}",
            "Correct the name or the table's header.",
        )
    if twice := [name for name in wanted if there.count(name) > 1]:
        refuse(f"{purpose} needs {_columns(twice)}, but the table has more than one such.", "Rename one.")


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Find the name that was probably meant, in any letter case.

    Examples
    --------
    >>> nearest("firstname", ["mobile", "First_Name"])
    'First_Name'
    """
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def _columns(names: Sequence[str]) -> str:
    if not names:
        return "no columns"
    return ("the column " if len(names) == 1 else "the columns ") + ", ".join(map(repr, names))
