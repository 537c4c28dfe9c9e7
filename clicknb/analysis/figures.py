"""One picture of a campaign: what came of the messages, and how soon they were seen delivered.

matplotlib is loaded when the first figure is drawn. Figures are made without pyplot: nothing is kept open, and a
figure is shown exactly once, as the value of its cell.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from clicknb import checks
from clicknb.analysis.summary import latency, summary
from clicknb.display import mask_digits, masked, percent, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class _Look(NamedTuple):
    """How an outcome is filled: lightness and hatch differ, so that it can be told apart in grey too."""

    colour: str
    hatch: str
    label: str
    dark: bool = False


_LOOKS = {
    "delivered": _Look("#66b58f", "", "delivered"),
    "at_network": _Look("#d3ebdf", "", "at the network"),
    "pending": _Look("#e4e9ec", "...", "pending"),
    "unknown": _Look("#ffffff", "xxx", "unknown"),
    "failed": _Look("#7a2413", "", "failed", dark=True),
    "expired": _Look("#d98b6a", "///", "expired"),
    "rejected": _Look("#efc9b5", "\\\\\\", "rejected"),
    "cancelled": _Look("#c4c4c4", "---", "cancelled"),
    "absent": _Look("#dcdcdc", "ooo", "absent"),
    "planned": _Look("#f6f6f6", "", "not sent yet"),
}
_FOOT = 1.1  # inches for the legend and the caption
_CURVE = 2.6  # inches for the curve below the bars
_LINE = 86  # letters of the caption on a narrow page
_MOST_GROUPS = 10
_WIDE_ENOUGH = 6  # per cent of a bar, for its number to fit
_UNITS = ((7200.0, 3600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


def plot(frame: pd.DataFrame, *, by: str = "country", title: str = "", stacked: bool = False) -> Figure:
    """Draw the outcomes of each group, and the share delivered over time.

    Parameters
    ----------
    frame
        One row per recipient (``frames.OUTCOMES``).
    by
        The column to group by. The ten largest groups are drawn, the others as one.
    title
        Shown above both pictures.
    stacked
        Whether the pictures stand below each other, for a narrow page.

    Returns
    -------
    matplotlib.figure.Figure
        It displays itself as the last value of a cell, whatever backend is configured; ``savefig`` saves it.

    Raises
    ------
    InvalidInput
        The frame has no such column.
    """
    groups = _groups(frame, checks.text("by", by, "Name one column."))
    tall = 1.2 + 0.42 * max(3, len(groups))
    figure, axes = _stacked(tall) if stacked else _beside(tall)
    _draw_outcomes(axes["bars"], groups, by)
    late = _draw_latency(axes["curve"], latency(frame))
    _draw_foot(axes["foot"], axes["bars"], _caption(groups, late), stacked=stacked)
    if title:
        name = shorten(mask_digits(title, 9), 80)
        figure.suptitle(name, x=0.01, ha="left", fontweight="bold", parse_math=False)
    return figure


def _beside(tall: float) -> tuple[Figure, dict[str, Axes]]:
    figure = _figure_class()(figsize=(11, tall + _FOOT), layout="constrained")
    places: list[Any] = [["bars", "curve"], ["foot", "foot"]]
    return figure, figure.subplot_mosaic(places, width_ratios=(3, 2), height_ratios=(tall, _FOOT))


def _stacked(tall: float) -> tuple[Figure, dict[str, Axes]]:
    heights = (tall, _CURVE, 1.5 * _FOOT)
    places: list[Any] = [["bars"], ["curve"], ["foot"]]
    figure = _figure_class()(figsize=(6.6, sum(heights)), layout="constrained")
    return figure, figure.subplot_mosaic(places, height_ratios=heights)


def png(figure: Figure) -> bytes:
    """Render a figure as PNG on white, so that it can be read in dark themes too."""
    import warnings

    file = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a name in a script without a font
        figure.savefig(file, format="png", dpi=110, facecolor="white")
    return file.getvalue()


@cache
def _figure_class() -> type[Figure]:
    from matplotlib.figure import Figure

    class CampaignFigure(Figure):
        """A figure that notebooks show without pyplot or a configured backend."""

        def _repr_png_(self) -> bytes:
            return png(self)

    return CampaignFigure


def _groups(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Summarise the largest groups, the others together, and all; groups of skipped rows are in ``all`` only."""
    table = summary(frame, by)
    kept = _largest_first(table.iloc[:-1])
    if len(kept) > _MOST_GROUPS:
        large, others = kept.index[: _MOST_GROUPS - 1], f"{len(kept) - _MOST_GROUPS + 1} others"
        names = frame[by].astype("str").fillna("").replace("", "(none)")
        table = summary(frame.assign(**{by: names.where(names.isin(large), others)}), by)
        kept = _largest_first(table.iloc[:-1], last=others)
    return pd.concat([kept, table.iloc[-1:]])


def _largest_first(groups: pd.DataFrame, last: str | None = None) -> pd.DataFrame:
    sizes = (groups["rows"] - groups["skipped"]).to_numpy()
    order = sorted(range(len(groups)), key=lambda at: (groups.index[at] == last, -sizes[at]))
    return groups.iloc[[at for at in order if sizes[at]]]


def _draw_outcomes(axes: Axes, groups: pd.DataFrame, by: str) -> None:
    shown = groups if len(groups) > 2 else groups.iloc[:1]  # noqa: PLR2004  one group says the same as "all"
    sizes = shown["rows"] - shown["skipped"]
    axes.set_title(f"What came of the messages, by {shorten(by)}", loc="left", fontsize="medium", parse_math=False)
    if not sizes.any():
        _say(axes, "no messages")
        return
    start = pd.Series(0.0, index=shown.index)
    for word, look in _LOOKS.items():
        if shown[word].any():
            share = 100 * shown[word] / sizes
            _draw_band(axes, look, shown[word], share, start)
            start = start + share
    names = (shorten(str(name), 20) for name in masked(shown).index)
    labels = [f"{name}  (n = {size:,})" for name, size in zip(names, sizes, strict=True)]
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    middle, reach = (len(shown) - 1) / 2, max(len(shown), 3) / 2
    axes.set_ylim(middle + reach, middle - reach)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the messages (%); numbers in the bars: messages")
    axes.text(102, middle - reach, "delivered of settled", va="bottom", fontsize="small")
    for place, (_, row) in enumerate(shown.iterrows()):
        axes.text(102, place, _rate(row), va="center", fontsize="small")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)


def _draw_band(
    axes: Axes, look: _Look, counts: pd.Series[int], share: pd.Series[float], start: pd.Series[float]
) -> None:
    bars = axes.barh(
        range(len(share)),
        share.to_numpy(),
        left=start.to_numpy(),
        height=0.72,
        color=look.colour,
        hatch=look.hatch,
        edgecolor="#444444",
        linewidth=0.6,
        label=f"{look.label} ({counts.iloc[-1]:,})",
    )
    labels = [f"{count:,}" if width >= _WIDE_ENOUGH else "" for count, width in zip(counts, share, strict=True)]
    for text in axes.bar_label(bars, labels, label_type="center", fontsize="small"):
        text.set_color("white" if look.dark else "black")
        if look.hatch and text.get_text():
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})


def _rate(row: pd.Series[Any]) -> str:
    if not row["of"]:
        return "none settled"
    return f"{percent(row['rate'])} of {row['of']:,.0f}  ({percent(row['rate_low'])} to {percent(row['rate_high'])})"


def _draw_latency(axes: Axes, curve: pd.DataFrame) -> float:
    """Draw the curve without its stragglers; return their share of the messages."""
    axes.set_title("How soon they were seen delivered", loc="left", fontsize="medium")
    if curve.empty:
        _say(axes, "nothing delivered yet")
        return 0.0
    arrived, final = curve["delivered"], curve["delivered"].iloc[-1]
    nearly_all = curve.loc[arrived >= 0.95 * final, "seconds"].iloc[0]
    end = max(min(curve["seconds"].iloc[-1], 4 * nearly_all), 1.0)  # a few stragglers must not squeeze the curve
    size, unit = _unit(end)
    axes.step([*curve["seconds"] / size, 2 * end / size], [*100 * arrived, 100 * final], where="post", color="#2a7f62")
    axes.set_xlim(0, end / size * 1.05)
    axes.set_ylim(0, 104)
    axes.set_xlabel(f"time since sending ({unit})")
    axes.set_ylabel("share delivered (%)")
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    half = curve.loc[arrived >= 0.5, "seconds"]  # noqa: PLR2004  the median
    if len(half):
        _mark_half(axes, half.iloc[0], end)
    return float(final - arrived[curve["seconds"] <= end].iloc[-1])


def _mark_half(axes: Axes, seconds: float, end: float) -> None:
    size, unit = _unit(seconds)
    amount = seconds / size
    place = seconds / _unit(end)[0]
    axes.plot([0, place, place], [50, 50, 0], color="black", linewidth=1, linestyle="--")
    right = seconds > end / 2
    axes.annotate(
        f"half within {amount:.0f} {unit}" if amount >= 10 else f"half within {amount:.2g} {unit}",  # noqa: PLR2004
        (place, 50),
        (-8 if right else 8, -14),
        textcoords="offset points",
        ha="right" if right else "left",
    )


def _unit(seconds: float) -> tuple[float, str]:
    return next((size, name) for least, size, name in _UNITS if seconds >= least)


def _say(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#444444")


def _draw_foot(axes: Axes, bars: Axes, caption: str, *, stacked: bool) -> None:
    axes.set_axis_off()
    handles, labels = bars.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="upper left", ncols=3 if stacked else 5, frameon=False, borderaxespad=0)
    if stacked:
        caption = "\n".join(fill(line, _LINE) for line in caption.splitlines())
    axes.text(0, 0, caption, transform=axes.transAxes, va="bottom", fontsize="small", color="#444444")


def _caption(groups: pd.DataFrame, late: float) -> str:
    total = {word: int(groups[word].iloc[-1]) for word in ("rows", "skipped", "at_network", "pending", "unknown")}
    still_open = total["at_network"] + total["pending"] + total["unknown"]
    stragglers = f" Not drawn: the {percent(late, decimals=1)} that came later." if late else ""
    return (
        f"Messages drawn: {total['rows'] - total['skipped']:,}; rows skipped and not drawn: {total['skipped']:,}. "
        "Settled: delivered, failed or expired; in brackets the 95 % interval. "
        f"Still open, so in no rate: {still_open:,}.\n"
        "The curve counts failed and expired messages as never delivered and follows open ones to the latest news."
        f"{stragglers}"
    )
