"""The doctor's findings in words, for somebody who never saw the tool."""

from __future__ import annotations

from typing import Any

import pandas as pd

from clicknb import display, frames
from clicknb.cells import require_columns
from clicknb.kinds import KINDS, REPAIRS, SURE
from clicknb.recipients.notes import notes_of, with_notes

_ORDER = {kind: place for place, kind in enumerate(["", *KINDS])}
_SURE = {"certain": "This is certain.", "likely": "This is likely right.", "guess": "This is a guess."}
_FATES = ("As written", "Repaired", "To check", "Left out")


class DoctorReport:
    """What the doctor found, a line for each kind; its repr is the report, masked.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per kind of finding, in the columns of ``frames.FINDINGS``: ``fate`` (category: As written, Repaired,
        To check, Left out), ``kind`` (missing where there was nothing to repair), ``rows``, ``sure`` (category), an
        example (``row``: its label, ``written`` and ``becomes``, masked), ``means`` and ``advice``.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __repr__(self) -> str:
        return display.lines(self._title(), self._lines(), self._note())

    def _repr_html_(self) -> str:
        return display.panel(self._title(), self._lines(), self._note())

    def _title(self) -> str:
        counts = {fate: int(self.frame.loc[self.frame["fate"] == fate, "rows"].sum()) for fate in _FATES}
        written, repaired, to_check, left_out = counts.values()
        usable = written + repaired + to_check
        return (
            f"Of {_rows(usable + left_out)}, {usable:,} {'has' if usable == 1 else 'have'} a number to send to "
            f"({written:,} as written, {repaired:,} repaired, {to_check:,} to check first), and {left_out:,} "
            f"{'is' if left_out == 1 else 'are'} left out. Nothing was sent, and your table was not changed."
        )

    def _lines(self) -> list[tuple[str, str]]:
        records: Any = self.frame.to_dict("records")
        notes = [("The table", words) for _, words in notes_of(self.frame)]
        return [*notes, *((_name(found), _sentence(found)) for found in records)]

    def _note(self) -> str:
        used = [f"{sure}: {meaning}" for sure, meaning in SURE.items() if (self.frame["sure"] == sure).any()]
        sure = f"How sure a reading is: {'; '.join(used)}. " if used else ""
        return f"{sure}Rows are named as in the table that was checked; unless it has names, the first is row 0."


def doctor_report(checked: pd.DataFrame) -> DoctorReport:
    """Put what ``cn.doctor`` found into words: how many rows of each kind, an example, what it means, what to do.

    Parameters
    ----------
    checked
        What ``cn.doctor`` returned, or some rows of it.

    Returns
    -------
    DoctorReport
        Shown as text or HTML; ``.frame`` holds the same as a DataFrame. Numbers are masked in both.

    Raises
    ------
    InvalidInput
        The frame has other columns.

    Examples
    --------
    >>> from clicknb.recipients.doctor import doctor
    >>> people = pd.DataFrame({"mobile": ["+447700900123", "7700900456", "4.477E+11"]})
    >>> doctor_report(doctor(people, to="mobile", country="GB"))
    Of 3 rows, 2 have a number to send to (1 as written, 0 repaired, 1 to check first), and 1 is left out. Nothing ...
      As written              1 row, such as row 0: +*********123. Nothing had to be repaired. This is certain.
      To check: leading zero  1 row, such as row 1: *******456 becomes +44 *** *** 456. The number should begin ...
      Left out: lost digits   1 row, such as row 2: *.**7E+11. A spreadsheet or a program shortened the number, ...
    How sure a reading is: certain: ...
    """
    require_columns(checked, list(frames.DOCTOR), purpose="The report")
    refused = checked["problem"].notna()
    groups: Any = checked.groupby([checked["kind"].fillna(""), refused], sort=False)
    found = [_finding(kind, refused, rows) for (kind, refused), rows in groups]
    found.sort(key=lambda one: (_FATES.index(one["fate"]), _ORDER[one["kind"] or ""]))
    return DoctorReport(with_notes(frames.build(frames.FINDINGS, found), notes_of(checked)))


def _finding(kind: str, refused: bool, rows: pd.DataFrame) -> dict[str, Any]:
    first = rows.iloc[0]
    meaning = KINDS.get(kind)
    sure = None if refused else meaning.sure if meaning else "certain"
    asked = refused and kind in REPAIRS
    return {
        "fate": _fate(kind, sure),
        "kind": kind or None,
        "rows": len(rows),
        "sure": sure,
        "row": display.mask_digits(str(rows.index[0])),
        "written": "" if pd.isna(first["read_as"]) else display.mask_written(first["read_as"]),
        "becomes": None if refused else display.mask_number(first["to"]),
        "means": meaning.means if meaning else "Nothing had to be repaired.",
        "advice": "You asked to refuse this kind." if asked else meaning.advice if meaning else "",
    }


def _fate(kind: str, sure: str | None) -> str:
    if sure is None:
        return "Left out"
    if not kind:
        return "As written"
    return "Repaired" if sure == "certain" else "To check"


def _name(found: dict[str, Any]) -> str:
    return f"{found['fate']}: {found['kind']}" if isinstance(found["kind"], str) else found["fate"]


def _sentence(found: dict[str, Any]) -> str:
    written = found["written"] or "(nothing)"
    changed = found["fate"] in {"Repaired", "To check"}
    example = f"{written} becomes {found['becomes']}" if changed else written
    sure = f" {_SURE[found['sure']]}" if isinstance(found["sure"], str) else ""
    advice = f" {found['advice']}" if found["advice"] else ""
    return f"{_rows(found['rows'])}, such as row {found['row']}: {example}. {found['means']}{sure}{advice}"


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
