"""What Unicode costs: each character that forces a text to it, the rows it is in, the parts and credits it adds.

One character outside the GSM alphabet makes the whole text UCS-2, of which fewer characters fit in a part. What it adds
is the difference to the parts that the text would have if each such character were one unit of the GSM alphabet. Of
several such characters in a text each is to blame and none alone: the text is cured only when all of them go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from clicknb import checks, frames
from clicknb.messages.characters import Layout, Numbers, Profile, code_point, name
from clicknb.messages.parts import listed, parts
from clicknb.messages.substitution import TABLE, compared

_MICRO = 1_000_000  # prices are summed as whole millionths of a credit, hence exactly
_AT_ONCE = 5_000
_CODE_POINTS = 0x110000


@dataclass(frozen=True, slots=True)
class Saving:
    """What all the offending characters together cost, and what substitution would save.

    Attributes
    ----------
    rows : int
        Texts that go out as Unicode.
    rows_cured : int
        Texts that would not any more after substitution.
    parts : int
        Parts of all texts as they are.
    parts_added : int
        How many of these are due to Unicode.
    parts_saved : int
        How many of these substitution would save.
    credits_added, credits_saved : float or None
        The same in credits, of the rows that have a price; None if there is none.
    """

    rows: int
    rows_cured: int
    parts: int
    parts_added: int
    parts_saved: int
    credits_added: float | None
    credits_saved: float | None


def autopsy(
    texts: pd.Series[str],
    *,
    prices: pd.Series[float] | None = None,
    template: str | Sequence[str] = "",
    profile: Profile = "clickatell",
) -> pd.DataFrame:
    """Name each character that forces texts to Unicode, the most expensive first.

    Parameters
    ----------
    texts
        The texts as they would go out, one a row.
    prices
        Credits for one part of each text, in the same order (float64); a missing price leaves that row's parts out of
        the credits.
    template
        What the template itself says, without its placeholders; of several variants, all of them.
    profile
        As for `text.measure`.

    Returns
    -------
    pandas.DataFrame
        One row a character:

        - ``character``, ``name``, ``code_point`` (such as U+2019);
        - ``where``: ``template``, ``data`` (what was filled in) or ``both``;
        - ``rows`` (int64): texts that have it;
        - ``parts_added`` (int64): parts that these texts have because of Unicode. A text with several such characters
          counts for each of them, so the column does not add up: `saving` knows the sum;
        - ``parts_alone`` (int64): those of ``parts_added`` in texts where this character is the only one, which
          would go if it alone went;
        - ``credits_added`` (float64): the price of ``parts_added``, missing without prices;
        - ``replacement``, ``reason``: from the table of substitutions, missing if it is not in there;
        - ``parts_saved`` (int64), ``credits_saved`` (float64): what `substitute` saves in these texts. Zero if another
          character keeps them in Unicode; again a text counts for each of its characters.

    Raises
    ------
    InvalidInput
        As `text.measure`.

    Examples
    --------
    >>> texts = pd.Series(["It’s " + "a" * 80, "It’s " + "a" * 80 + " 🎉"])
    >>> autopsy(texts, template="It’s ")[["character", "where", "rows", "parts_added", "parts_alone", "parts_saved"]]
      character     where  rows  parts_added  parts_alone  parts_saved
    0         ’  template     2            2            1            1
    1         🎉      data     1            1            0            0
    """
    cost = _Cost(texts, prices, profile)
    found = _found(cost.texts, profile)
    codes, which = np.unique(found["code"], return_inverse=True)
    characters = [chr(code) for code in codes.tolist()]
    row, most = found["row"].to_numpy(), np.zeros(len(codes), np.int64)
    np.maximum.at(most, which, found["count"].to_numpy())
    alone = np.bincount(row, minlength=len(texts)) == 1

    def total(values: Numbers) -> Numbers:
        return np.bincount(which, values[row], len(codes)).astype(np.int64)

    columns: dict[str, object] = {
        "character": characters,
        "name": [name(char) for char in characters],
        "code_point": [code_point(char) for char in characters],
        "where": _where(characters, most.tolist(), [template] if isinstance(template, str) else template),
        "rows": total(np.ones(len(texts), np.int64)),
        "parts_added": total(cost.added),
        "parts_alone": total(cost.added * alone),
        "credits_added": cost.credits(total(cost.added * cost.micro), total(cost.priced)),
        "replacement": [TABLE[char].replacement if char in TABLE else None for char in characters],
        "parts_saved": total(cost.saved),
        "credits_saved": cost.credits(total(cost.saved * cost.micro), total(cost.priced)),
        "reason": [TABLE[char].reason if char in TABLE else None for char in characters],
    }
    worst = ["credits_added", "parts_added", "rows"]
    result = pd.DataFrame(columns).sort_values(worst, ascending=False, kind="stable", ignore_index=True)
    return frames.build(frames.AUTOPSY, result)


def saving(texts: pd.Series[str], *, prices: pd.Series[float] | None = None, profile: Profile = "clickatell") -> Saving:
    """Sum up what Unicode costs in all texts, and what `substitute` would save.

    Takes and raises the same as `autopsy`.

    Examples
    --------
    >>> texts = pd.Series(["It’s " + "a" * 80, "It’s " + "a" * 80 + " 🎉"])
    >>> saving(texts, prices=pd.Series([0.8, 0.8]))
    Saving(rows=2, rows_cured=1, parts=4, parts_added=2, parts_saved=1, credits_added=1.6, credits_saved=0.8)
    """
    cost = _Cost(texts, prices, profile)
    priced = bool(cost.priced.any())
    return Saving(
        rows=int(cost.unicode.sum()),
        rows_cured=int(cost.cured.sum()),
        parts=int(cost.parts.sum()),
        parts_added=int(cost.added.sum()),
        parts_saved=int(cost.saved.sum()),
        credits_added=int((cost.added * cost.micro).sum()) / _MICRO if priced else None,
        credits_saved=int((cost.saved * cost.micro).sum()) / _MICRO if priced else None,
    )


class _Cost:
    """What Unicode costs each text: parts as they are, those due to Unicode, those that substitution saves."""

    def __init__(self, texts: pd.Series[str], prices: pd.Series[float] | None, profile: Profile) -> None:
        self.texts = listed(texts)
        every = compared(self.texts, profile)
        self.unicode = (every["encoding"] == "ucs2").to_numpy()
        self.cured = (every["after"] != every["before"]).to_numpy()
        self.parts = every["parts_before"].to_numpy(np.int64)
        self.saved = self.parts - every["parts_after"].to_numpy(np.int64)
        self.added = np.zeros(len(self.texts), np.int64)
        rows = np.flatnonzero(self.unicode)
        plain = _without_unicode([self.texts[row] for row in rows.tolist()], profile)
        self.added[rows] = self.parts[rows] - plain
        self.priced, self.micro = _micro(prices, len(self.texts))

    @staticmethod
    def credits(micro: Numbers, priced: Numbers) -> npt.NDArray[np.float64]:
        """Give sums in credits, missing where no text has a price."""
        return np.where(priced > 0, micro / _MICRO, np.nan)


def _without_unicode(texts: list[str], profile: Profile) -> Numbers:
    """Count the parts of texts in which every offending character is one unit of the GSM alphabet."""
    chunks = (Layout(texts[start : start + _AT_ONCE], profile).plain() for start in range(0, len(texts), _AT_ONCE))
    plain = [text for chunk in chunks for text in chunk]
    return parts(plain, profile=profile)["parts"].to_numpy(np.int64)


def _micro(prices: pd.Series[float] | None, rows: int) -> tuple[Numbers, Numbers]:
    """Tell which texts have a price, and each price in millionths of a credit."""
    values = np.full(rows, np.nan) if prices is None else prices.to_numpy(np.float64, na_value=np.nan)
    if len(values) != rows:
        checks.refuse(f"There are {rows:,} texts and {len(values):,} prices: give one a text.")
    known = ~np.isnan(values)
    return known.astype(np.int64), np.rint(np.where(known, values, 0) * _MICRO).astype(np.int64)


def _found(texts: list[str], profile: Profile) -> pd.DataFrame:
    """List the different offending characters of each text: ``row``, ``code``, ``count``."""
    pieces = [np.zeros((3, 0), np.int64)]
    for start in range(0, len(texts), _AT_ONCE):
        layout = Layout(texts[start : start + _AT_ONCE], profile)
        places = layout.offenders()
        keys = (layout.by_text(places) + start) * _CODE_POINTS + layout.codes[places]
        different, count = np.unique(keys, return_counts=True)
        pieces.append(np.stack([different // _CODE_POINTS, different % _CODE_POINTS, count]))
    row, code, count = np.concatenate(pieces, axis=1)
    return pd.DataFrame({"row": row, "code": code, "count": count})


def _where(characters: list[str], most: list[int], templates: Sequence[str]) -> list[str]:
    """Tell where characters come from: the template, the data if no text has more than one template, or both."""
    places = []
    for char, highest in zip(characters, most, strict=True):
        said = max((template.count(char) for template in templates), default=0)
        places.append("data" if not said else "both" if highest > said else "template")
    return places
