"""What a reader sees: masked numbers, shortened texts, and small panels that are safe as HTML.

Frames hold whole numbers and texts; everything that is shown goes through this module first. Masking twice changes
nothing, so a function that shows something masks it again rather than trust its caller.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_MASKED = re.compile(r"(?:\+\d{1,3} \*\*\* \*\*\* |\*\*\*)\d{0,3}", re.ASCII)

# What people and spreadsheets put between the digits of one number, invisible marks included.
_BETWEEN = r"[ \t\xa0\xad+()/.\-\u2000-\u200f\u2010-\u2015\u202a-\u202f\u2060-\u2069\u2212\ufeff]*"
# An id of the gateway or of ours, a date with its time, an amount: these are left as they are.
_ID = r"(?<![0-9A-Za-z])(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{32}(?![0-9A-Za-z])"
_DATE = r"(?<!\d)20\d\d-[01]\d-[0-3]\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)"
_DECIMAL = r"(?<![\d.])\d{1,5}\.\d{1,4}(?![\d.])"

_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_UNSEEN_MARK = re.compile(r"[\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

_ADDRESS = frozenset({"to", "from", "read_as", "number", "numbers", "cell", "tel", "gsm", "destination", "recipient"})
_ADDRESS_PART = ("phone", "mobile", "msisdn")
_TEXT = frozenset({"text", "message", "body"})

STRANGER = 9
"""Digits in a row that make an unnamed cell look like a phone number."""

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
"""In English on every machine, where ``strftime`` writes them in the machine's language."""

_WIDTH = 98
_NARROWEST = 40
"""Columns of a summary as plain text, and of its values at least."""

_ROUNDING = 1e-9  # what floats may be off


@cache
def _calling_codes() -> frozenset[str]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return frozenset(str(code) for code in COUNTRY_CODE_TO_REGION_CODE)


def date(when: datetime) -> str:
    """Write a date, the same on every machine.

    Examples
    --------
    >>> date(datetime(2026, 3, 14))
    '14 March 2026'
    """
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}"


def mask_number(to: str) -> str:
    """Hide a destination address: its calling code and last three digits at most.

    Parameters
    ----------
    to
        A number, formatted or not. What is not one with a calling code and four more digits to hide shows only
        its last digits.

    Examples
    --------
    >>> mask_number("447700900123")
    '+44 *** *** 123'
    >>> mask_number("0770 090 0123")
    '***123'
    """
    if _MASKED.fullmatch(to):
        return to
    digits = "".join(str(int(digit)) for digit in re.findall(r"\d", to))
    code = next((digits[:size] for size in (1, 2, 3) if digits[:size] in _calling_codes()), "")
    if code and len(digits) - len(code) - 3 >= 4 and len(digits) <= 15:  # noqa: PLR2004  E.164: at most 15 digits
        return f"+{code} *** *** {digits[-3:]}"
    return f"***{digits[-3:]}"


def mask_written(cell: str, width: int = 32) -> str:
    """Hide the digits of a cell but its last three, and show how it was written; what cannot be seen shows as □.

    Examples
    --------
    >>> mask_written("'07700 900123"), mask_written("4.477E+11")
    ("'***** ***123", '*.**7E+11')
    """
    places = [place for place, char in enumerate(cell) if char.isdecimal()]
    hidden = set(places[:-3])
    shown = ("*" if place in hidden else _UNSEEN_MARK.sub("□", char) for place, char in enumerate(cell))
    return shorten("".join(shown), width)


def mask_digits(text: str, shortest: int = 7) -> str:
    """Hide whatever could be a number inside an error text or a raw reply.

    Runs of ``shortest`` or more digits, also with spaces, dashes, dots, brackets or a plus among them, are masked.
    Message ids, ISO dates and amounts of at most four decimals stay.

    Examples
    --------
    >>> mask_digits("ERR: 114, Cannot route +44 7700-900 123 for 0.8000")
    'ERR: 114, Cannot route +44 *** *** 123 for 0.8000'
    """
    return _runs(shortest).sub(lambda found: mask_number(found["run"]) if found["run"] else found.group(), text)


@cache
def _runs(shortest: int) -> re.Pattern[str]:
    run = rf"(?P<run>\+?\d(?:{_BETWEEN}\d){{{shortest - 1},}})"
    return re.compile(f"{_ID}|{_DATE}|{_DECIMAL}|{run}")


def shorten(text: str, width: int = 24) -> str:
    r"""Put a text on one line of at most ``width`` characters; line ends show as ⏎, cut text ends in an ellipsis.

    Control characters, direction marks and broken surrogates show as a replacement character.

    Examples
    --------
    >>> shorten("Hello,\nsee you tomorrow at ten", 20)
    'Hello,⏎see you tomo…'
    """
    line = _UNSEEN.sub("\ufffd", _LINE_END.sub("⏎", text).replace("\t", " "))
    return line if len(line) <= width else line[: width - 1] + "…"


def escape(text: str) -> str:
    """Make a text safe inside HTML, in an element or between the quotes of an attribute.

    Examples
    --------
    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)


def credits(value: Decimal | float | None) -> str:
    """Write an amount of credits, to the micro-credit that ledgers keep; ``"unknown"`` where there is none.

    Examples
    --------
    >>> credits(8816.5)
    '8,816.5 credits'
    >>> credits(float("nan"))
    'unknown'
    """
    if value is None or value != value:  # noqa: PLR0124  only NaN differs from itself
        return "unknown"
    amount = f"{value:,.6f}".rstrip("0").rstrip(".")
    return f"{'0' if amount == '-0' else amount} {'credit' if amount == '1' else 'credits'}"


def many(count: int, thing: str) -> str:
    """Write a number of things.

    Examples
    --------
    >>> many(1, "row"), many(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def counted(counts: Mapping[str, int]) -> str:
    """Write how many are in each state.

    Examples
    --------
    >>> counted({"accepted": 1200, "unknown": 1})
    '1,200 accepted, 1 unknown'
    """
    return ", ".join(f"{count:,} {state}" for state, count in counts.items())


def listed(words: Iterable[str], most: int = 3) -> str:
    """Name the first of many.

    Examples
    --------
    >>> listed(["a", "b"]), listed("abcdef")
    ('a, b', 'a, b, c and 3 more')
    """
    every = list(words)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def percent(share: float, decimals: int = 0) -> str:
    """Write a share in per cent; only nothing is 0 %, and only everything is 100 %.

    Examples
    --------
    >>> percent(0.256), percent(1), percent(0.996), percent(0.0002, decimals=1)
    ('26%', '100%', '> 99%', '< 0.1%')
    """
    least = 0.1**decimals
    written = f"{share:.{decimals}%}"
    if written == f"{1:.{decimals}%}" and share < 1 - _ROUNDING:
        return f"> {100 - least:.{decimals}f}%"
    if written == f"{0:.{decimals}%}" and share > _ROUNDING:
        return f"< {least:.{decimals}f}%"
    return written


def masked(frame: pd.DataFrame) -> pd.DataFrame:
    """Copy a frame to show: numbers masked, texts shortened; the index kept, and masked if it holds numbers.

    Columns whose name says that they hold addresses (``to``, ``from``, ``read_as``, ``number``, ``mobile``,
    ``msisdn``, ``phone`` and the like) are masked whole. In every other column a cell with nine or more digits in
    a row is masked, message ids excepted.

    Parameters
    ----------
    frame
        Any frame. It is not changed.

    Returns
    -------
    pandas.DataFrame
        Same shape and order. A column in which nothing had to be masked keeps its dtype.

    Examples
    --------
    >>> import pandas as pd
    >>> masked(pd.DataFrame({"mobile": ["447700900123"], "text": ["Hi"]}))
                mobile text
    0  +44 *** *** 123   Hi
    """
    import pandas as pd

    shown = [_masked_column(frame.iloc[:, at], name) for at, name in enumerate(frame.columns)]
    copy = pd.concat(shown, axis=1) if shown else frame.copy()
    copy.columns = _masked_index(frame.columns)
    copy.index = _masked_index(frame.index)
    return copy


def _masked_column(column: pd.Series[Any], name: object) -> pd.Series[Any]:
    cells = _masked_cells(column, name)
    if cells is None:
        return column.copy()
    import pandas as pd

    return pd.Series(cells, index=column.index, dtype="str" if column.dtype == "str" else None)


def _masked_index(index: pd.Index[Any]) -> pd.Index[Any]:
    import pandas as pd

    if isinstance(index, pd.MultiIndex):
        levels = [_masked_index(index.get_level_values(level)) for level in range(index.nlevels)]
        return pd.MultiIndex.from_arrays(levels, names=index.names)
    cells = None if isinstance(index, pd.RangeIndex) else _masked_cells(index, index.name)
    return index if cells is None else pd.Index(cells, name=index.name)


def _masked_cells(values: pd.Series[Any] | pd.Index[Any], name: object) -> list[Any] | None:
    """Hide what is to be hidden in a column; None if that is nothing."""
    if values.dtype.kind in "bmM":
        return None
    plain: list[Any] = values.tolist()
    cells = [_masker(name)(value) for value in plain]
    return None if all(new is old for new, old in zip(cells, plain, strict=True)) else cells


def _masker(name: object) -> Callable[[Any], Any]:
    """Choose what hides a cell from the name of its column."""
    word = str(name).strip().lower().replace(" ", "_")
    if word in _ADDRESS or any(part in word for part in _ADDRESS_PART):
        return _address
    return _text if word in _TEXT else _stranger


def _address(value: Any) -> Any:
    if isinstance(value, str):
        return mask_number(value) if re.search(r"\d", value) else shorten(value)
    return _stranger(value)


def _text(value: Any) -> Any:
    return shorten(mask_digits(value, STRANGER)) if isinstance(value, str) else _stranger(value)


def _stranger(value: Any) -> Any:
    if isinstance(value, (bool, datetime)):
        return value
    # A number that a spreadsheet turned into a float is read without its exponent.
    text = f"{value:.0f}" if isinstance(value, float) else str(value)
    hidden = mask_digits(text, STRANGER)
    return value if hidden == text else hidden


_PANEL = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;max-width:60em;"
    "color:var(--jp-ui-font-color1,inherit);border:1px solid var(--jp-border-color2,#9e9e9e);border-radius:4px;"
    "padding:8px 12px;margin:4px 0"
)
_TITLE = "font-weight:600;font-size:14px;margin:0 0 4px 0"
_FACTS = "display:grid;grid-template-columns:max-content 1fr;gap:0 16px;margin:0"
# JupyterLab floats the names of a list at a fifth of its width, where they break at every word.
_NAME = "float:none;width:auto;margin:0;padding:0;font-weight:400;white-space:nowrap"
_VALUE = "float:none;width:auto;margin:0;padding:0"
_QUIET = "color:var(--jp-ui-font-color2,inherit)"
_CELL = "padding:2px 8px;border:0;border-bottom:1px solid var(--jp-border-color2,#9e9e9e)"
# Jupyter would typeset $...$ in a person's text as mathematics.
PLAIN = "tex2jax_ignore mathjax_ignore"


def panel(title: str, rows: Sequence[tuple[str, str]], note: str = "", *tables: pd.DataFrame) -> str:
    """Draw a small framed summary as HTML, for ``_repr_html_``.

    Parameters
    ----------
    title
        One line.
    rows
        Facts, as pairs of a name and a value.
    note
        What to do next, or what is not in it.
    *tables
        Frames to show under the facts; at most ten rows of each, masked.

    Returns
    -------
    str
        A fragment without scripts or style sheets, readable in light and dark themes; everything is escaped.
    """
    facts = "".join(
        f'<dt style="{_QUIET};{_NAME}">{_safe(name)}</dt><dd style="{_VALUE}">{_safe(value)}</dd>'
        for name, value in rows
    )
    under = "".join(map(table, tables))
    last = f'<div style="{_QUIET};margin-top:4px">{_safe(note)}</div>' if note else ""
    return (
        f'<div class="{PLAIN}" style="{_PANEL}"><div style="{_TITLE}">{_safe(title)}</div>'
        f'<dl style="{_FACTS}">{facts}</dl>{under}{last}</div>'
    )


def lines(title: str, rows: Sequence[tuple[str, str]], note: str = "") -> str:
    """Write the same summary as plain text, for ``__repr__``.

    Examples
    --------
    >>> print(lines("Campaign reminder", [("accepted", "9,812"), ("unknown", "0")]))
    Campaign reminder
      accepted  9,812
      unknown   0
    """
    width = max((len(name) for name, _ in rows), default=0)
    facts = [_wrapped(f"  {name:<{width}}  ", _plain(value)) for name, value in rows]
    return "\n".join([_plain(title), *facts, *([_wrapped("", _plain(note))] if note else [])])


def _wrapped(head: str, text: str) -> str:
    """Write a text behind a head, in lines of a width that terminals have."""
    room = max(_WIDTH - len(head), _NARROWEST)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join([_plain(head) + lines[0], *(" " * len(head) + line for line in lines[1:])]).rstrip()


def table(frame: pd.DataFrame, max_rows: int = 10) -> str:
    """Draw the first rows of a frame as an HTML table, masked and escaped.

    Parameters
    ----------
    frame
        Any frame; its index is shown unless it only counts the rows.
    max_rows
        How many rows to show; a line below says how many more there are.
    """
    import pandas as pd

    shown = masked(frame.head(max_rows))
    counts = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    head = [] if counts else [" / ".join(str(name) for name in shown.index.names if name is not None)]
    head += [str(name) for name in shown.columns]
    body = [
        ([] if counts else [_label(label)]) + [_shown(value) for value in row]
        for label, row in zip(shown.index, shown.itertuples(index=False, name=None), strict=True)
    ]
    left = len(frame) - len(shown)
    more = f'<div style="{_QUIET}">and {left:,} more rows</div>' if left else ""
    numeric = ([] if counts else [False]) + [kind.kind in "iuf" for kind in frame.dtypes]
    return (
        f'<div class="{PLAIN}" style="overflow-x:auto;margin-top:6px">'
        f'<table style="border-collapse:collapse;font-size:12px;margin:0"><thead>{_row("th", head, numeric)}</thead>'
        f"<tbody>{''.join(_row('td', cells, numeric) for cells in body)}</tbody></table>{more}</div>"
    )


def _row(tag: str, cells: Sequence[str], numeric: Sequence[bool]) -> str:
    sides = ("right" if number else "left" for number in numeric)
    made = (
        f'<{tag} style="{_CELL};text-align:{side}">{_safe(cell)}</{tag}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def _shown(value: Any) -> str:
    import pandas as pd

    if pd.isna(value) is True:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _label(label: Any) -> str:
    return " / ".join(str(part) for part in label) if isinstance(label, tuple) else str(label)


def _plain(text: str) -> str:
    return mask_digits(shorten(text, 400), STRANGER)


def _safe(text: str) -> str:
    return escape(_plain(text))
