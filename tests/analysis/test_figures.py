from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from clicknb.analysis.figures import plot, png
from clicknb.analysis.report import report
from clicknb.errors import InvalidInput
from tests.outcomes import DELIVERED, EVERY, FAILED, PENDING, SKIPPED, START, outcomes

COUNTRIES = ["GB", "US", "ZA", "FR", "AU", "NG"]


def campaign(countries=COUNTRIES, each=1):
    late = {**DELIVERED, "settled_at": START + pd.Timedelta(seconds=90)}
    return outcomes([{**row, "country": country} for country in countries for row in [*EVERY, late] * each])


def words(figure):
    return "\n".join(text.get_text() for text in figure.findobj(match=lambda part: hasattr(part, "get_text")))


@pytest.mark.parametrize(
    "frame",
    [
        campaign(["GB"]),
        campaign(),
        campaign([f"C{n}" for n in range(25)]),
        outcomes([DELIVERED]),
        outcomes([PENDING]),
        outcomes([SKIPPED] * 3),
        outcomes([]),
        outcomes([{**DELIVERED, "country": "$\\frac{x$ 多 <b>"}]),
    ],
    ids=["one country", "six", "many", "one row", "nothing settled", "all skipped", "empty", "odd name"],
)
def test_any_campaign_is_drawn_without_a_warning(frame):
    assert Image.open(io.BytesIO(png(plot(frame, title="March")))).width > 1000


def test_axes_have_labels_with_units_and_bars_have_numbers():
    figure = plot(campaign(), title="March")
    bars, curve, _ = figure.axes
    assert "%" in bars.get_xlabel()
    assert curve.get_xlabel() == "time since sending (seconds)"
    assert "%" in curve.get_ylabel()
    text = words(figure)
    for part in ("March", "by country", "GB  (n = 12)", "all  (n = 72)", "delivered (12)", "50% of 4"):
        assert part in text


@pytest.mark.parametrize(
    ("seconds", "said"), [(9.24, "9.2 seconds"), (42.4, "42 seconds"), (600, "10 minutes"), (9000, "2.5 hours")]
)
def test_the_median_is_marked_in_a_unit_that_fits(seconds, said):
    row = {**DELIVERED, "settled_at": START + pd.Timedelta(seconds=seconds)}
    assert f"half within {said}" in words(plot(outcomes([row])))
    assert "half within" not in words(plot(campaign()))


def test_only_all_and_nothing_are_round_percentages():
    text = words(plot(outcomes([DELIVERED] * 999 + [FAILED])))
    assert "> 99% of 1,000  (99% to > 99%)" in text
    assert "100% of 1  (21% to 100%)" in words(plot(outcomes([DELIVERED])))
    assert "< 1% of 1,000  (< 1% to 1%)" in words(plot(outcomes([FAILED] * 999 + [DELIVERED])))


@pytest.mark.parametrize("countries", [["GB"], COUNTRIES, [f"C{n}" for n in range(25)]], ids=["one", "six", "many"])
def test_no_text_is_cut_off_at_the_edges(countries):
    stragglers = [{**DELIVERED, "settled_at": START + pd.Timedelta(days=1)}]
    rows = [{**DELIVERED, "country": name} for name in countries] * 1000
    figure = plot(outcomes(rows + stragglers), title="March")
    figure.draw_without_rendering()
    needed = figure.get_tightbbox()
    wide, tall = figure.get_size_inches()
    assert needed.x0 >= 0
    assert needed.y0 >= 0
    assert needed.x1 <= wide
    assert needed.y1 <= tall


def test_the_caption_says_what_is_not_in_the_picture():
    text = words(plot(campaign()))
    assert "rows skipped and not drawn: 6" in text
    assert "Still open, so in no rate: 18" in text


def test_bars_of_a_group_add_up_to_all_of_it():
    bars = plot(campaign(["GB", "US"])).axes[0]
    for place in range(3):
        widths = [band.patches[place].get_width() for band in bars.containers]
        assert sum(widths) == pytest.approx(100)


def test_outcomes_can_be_told_apart_without_colour():
    looks = set()
    for band in plot(campaign()).axes[0].containers:
        red, green, blue, _ = band.patches[0].get_facecolor()
        looks.add((round(0.3 * red + 0.59 * green + 0.11 * blue, 1), band.patches[0].get_hatch()))
    assert len(looks) == len(plot(campaign()).axes[0].containers)


def test_small_groups_are_drawn_as_one_and_counted():
    text = words(plot(campaign([f"C{n}" for n in range(25)])))
    assert "16 others  (n = 192)" in text
    assert "all  (n = 300)" in text


def test_a_few_stragglers_do_not_squeeze_the_curve():
    rows = [{**DELIVERED, "settled_at": START + pd.Timedelta(seconds=second)} for second in [*range(1, 40), 86_400]]
    curve = plot(outcomes(rows)).axes[1]
    assert curve.get_xlim()[1] < 200
    assert curve.get_xlabel() == "time since sending (seconds)"
    assert "Not drawn: the 2.5% that came later." in words(plot(outcomes(rows)))
    assert "came later" not in words(plot(campaign()))


def test_numbers_are_masked_in_a_picture():
    assert not re.search(r"\d{7,}", words(plot(outcomes([DELIVERED, PENDING]), by="to", title="To 447700900123")))


def test_an_unknown_column_is_an_error():
    with pytest.raises(InvalidInput, match="no column 'region'"):
        plot(campaign(), by="region")


@pytest.mark.slow
def test_a_figure_shows_itself_once_in_a_notebook_with_nothing_configured():
    script = (
        "import sys\n"
        "from IPython.core.formatters import DisplayFormatter\n"
        "from tests.analysis.test_figures import campaign, plot\n"
        "data, _ = DisplayFormatter().format(plot(campaign()))\n"
        "assert sorted(data) == ['image/png', 'text/plain'], sorted(data)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_a_report_needs_no_other_file_and_shows_no_number_or_text():
    frame = campaign().assign(text="Dear Ann, your code is secret")
    page = report(frame, title="March", facts=[("to", "447700900123")], figure=plot(frame))
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "url(" not in page
    assert "447700900" not in page
    assert "Dear Ann" not in page
    assert page.count("data:image/png;base64,") == 1


def test_a_report_lists_problem_rows_up_to_fifty_and_says_so():
    page = report(campaign(each=2), title="March", facts=[])
    assert "Rows to look at (84)" in page
    assert "and 34 more rows" in page


def test_a_report_writes_rates_as_percentages_and_what_is_not_known_as_a_dash():
    page = report(outcomes([DELIVERED] * 9999 + [FAILED, {**PENDING, "country": "US"}]), title="March", facts=[])
    assert "&gt; 99.9%" in page
    assert ">rate low<" in page
    assert "rate_low" not in page
    assert re.search(r"US(?:<[^>]*>|\s)+0(?:<[^>]*>|\s)+-<", page)  # none settled, so no rate
    assert "nan" not in page


def test_a_report_of_nothing_is_a_page_too():
    assert "Rows to look at (0)" in report(outcomes([]), title="March", facts=[])
