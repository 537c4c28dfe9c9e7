import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb.errors import InvalidInput
from clicknb.messages.template import Template

LABELS = st.integers() | st.text(max_size=3) | st.dates()


def rendered(text, cell, column="x"):
    texts, problems = Template(text).render(pd.DataFrame({column: [cell]}))
    return texts.iloc[0] if problems.isna().iloc[0] else problems.iloc[0]


def test_columns_are_named_once_in_order_and_may_have_spaces_and_accents():
    template = Template("{prénom} {first name}, {prénom}")
    assert template.columns == ("prénom", "first name")
    texts, _ = template.render(pd.DataFrame({"prénom": ["Zoë"], "first name": ["Ann"]}))
    assert texts.tolist() == ["Zoë Ann, Zoë"]


def test_a_text_without_placeholders_is_fine_and_doubled_braces_stand_for_themselves():
    assert rendered("Hi", None) == "Hi"
    assert rendered("{{x}} {{{x}}}", "1") == "{x} {1}"


@pytest.mark.parametrize("cell", [None, float("nan"), pd.NaT, pd.NA, "", "  ", "\u00a0"])
def test_a_blank_cell_is_a_problem_and_leaves_no_text(cell):
    texts, problems = Template("Hi {first_name}").render(pd.DataFrame({"first_name": [cell]}, dtype=object))
    assert texts.tolist() == [""]
    assert problems.tolist() == ["first_name is empty"]


@pytest.mark.parametrize("cell", [None, float("nan"), pd.NaT, "", " \t"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi {x|there}!", "Hi there!"),
        ("Hi { x | dear friend }!", "Hi dear friend!"),
        ("{x|}!", "!"),
        ("{x:%d %b|soon}", "soon"),
        ("{x:%d %b|%d}", "%d"),
        ("{x:,.2f|10:30, a.b[0]!r}", "10:30, a.b[0]!r"),
        ("{x:>9|no width}", "no width"),
        ("{x|either||or}", "either|or"),
        ("{x:||>5|none}", "none"),
        ("a|b ||{x|}", "a|b ||"),
    ],
)
def test_a_default_stands_as_written_where_the_cell_is_blank(text, expected, cell):
    assert rendered(text, cell) == expected


@pytest.mark.parametrize(
    ("text", "cell", "expected"),
    [
        ("{x|there}", "Ann", "Ann"),
        ("{x|there}", " Ann ", " Ann "),
        ("{x:%d %b | soon}!", "2026-03-04", "04 Mar!"),
        ("{x:%d||%m|soon}", "2026-03-04", "04|03"),
        ("{x:||>5|none}", "Ann", "||Ann"),
        ("{x:%d %b|soon}", "tomorrow", "x is not a date: 'tomorrow'"),
        ("{x:.2f|nothing}", "?", "x is not a number: '?'"),
    ],
)
def test_a_default_is_for_blank_cells_alone(text, cell, expected):
    assert rendered(text, cell) == expected


def test_one_placeholder_of_a_column_may_have_a_default_and_another_none():
    assert rendered("{x|there} {x}", None) == "x is empty"


def test_a_double_bar_is_a_bar_in_the_name_of_a_column():
    assert Template("{a||b|c}").columns == ("a|b",)
    assert rendered("{a||b}", "1", column="a|b") == "1"
    with pytest.raises(InvalidInput, match=r"needs the column 'a', but the table has the column 'a\|b'"):
        Template("{a|b}").render(pd.DataFrame({"a|b": ["1"]}))


@given(st.text(alphabet=st.characters(exclude_characters="{}|", exclude_categories=["Cs"])))
def test_a_default_is_never_looked_into(default):
    frame = pd.DataFrame({"x": [None, "1"], "y": ["secret", "secret"]})
    texts, problems = Template(f"<{{x|{default}}}>").render(frame)
    assert texts.tolist() == [f"<{default.strip()}>", "<1>"]
    assert problems.isna().all()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_literal_text_is_kept_as_it_is(text):
    template = Template(text.replace("{", "{{").replace("}", "}}"))
    assert template.columns == ()
    assert template.render(pd.DataFrame(index=[0]))[0].tolist() == [text]


def test_every_problem_of_a_row_is_named_once():
    frame = pd.DataFrame({"name": [""], "when": ["soon"]})
    _, problems = Template("{name} {name} {when:%d} {when:%d}").render(frame)
    assert problems[0] == "name is empty; when is not a date: 'soon'"


def test_text_is_used_exactly_as_written():
    assert rendered("<{x}>", " Ann\t{y} %d ") == "< Ann\t{y} %d >"
    assert rendered("<{x:>5}>", "Ann") == "<  Ann>"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-03-04", "Wed 4 March 26"),
        (" 2026-03-04T09:05:00+02:00 ", "Wed 4 March 26"),
        (dt.date(2026, 3, 4), "Wed 4 March 26"),
        (pd.Timestamp("2026-03-04 10:00", tz="Africa/Johannesburg"), "Wed 4 March 26"),
        ("4 March 2026", "x is not a date: '4 March 2026'"),
        ("2026-02-30", "x is not a date: '2026-02-30'"),
        ("20260304", "x is not a date: '20260304'"),
        ("27999123456", "x is not a date: '27999123456'"),
    ],
)
def test_dates_are_iso_or_the_row_has_a_problem(cell, expected):
    assert rendered("{x:%a %-d %B %y}", cell) == expected


@given(st.datetimes(min_value=dt.datetime.fromisoformat("1900-01-01")))
def test_dates_read_as_the_c_locale_writes_them(moment):
    spec = "%a %A %b %B %d %m %Y %H %I %M %S %p %%"
    assert rendered(f"{{x:{spec}}}", moment.isoformat()) == moment.strftime(spec)
    assert rendered(f"{{x:{spec}}}", moment.replace(hour=1)) == moment.replace(hour=1).strftime(spec)


def test_an_hour_is_not_made_up_for_a_date():
    assert rendered("{x:%H:%M}", "2026-03-04") == "x has no time of day: '2026-03-04'"
    assert rendered("{x:%-H:%M}", "2026-03-04 00:00") == "0:00"


@pytest.mark.parametrize(
    ("spec", "cell", "expected"),
    [
        ("d", "1200", "1200"),
        ("d", 1200.0, "1200"),
        (",d", "1200", "1,200"),
        ("d", "12.5", "x is not a whole number: '12.5'"),
        (".2f", "0.1", "0.10"),
        (",.2f", "12345678901234567890.125", "12,345,678,901,234,567,890.12"),
        (".0%", "0.15", "15%"),
        ("03", "7", "007"),
        ("+", "7", "+7"),
        (".2f", "1,200.50", "x is not a number: '1,200.50'"),
        (".2f", "NaN", "x is not a number: 'NaN'"),
        (".2f", "1e9", "x is not a number: '1e9'"),
        (".2f", 1e-7, "0.00"),
        ("d", "0" * 100, "0"),
        ("d", "1" * 5000, f"x is not a number: '{'1' * 29}…'"),
    ],
)
def test_numbers_are_read_exactly_or_the_row_has_a_problem(spec, cell, expected):
    assert rendered(f"{{x:{spec}}}", cell) == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Hi {name", 4),
        ("Hi name}", 8),
        ("{a} {}", 5),
        ("{0}", 1),
        ("{a.b}", 1),
        ("{a[0]}", 1),
        ("{a!r}", 1),
        ("{a:{b}}", 1),
        ("{a:%Q}", 1),
        ("{a:%d %}", 1),
        ("{a:n}", 1),
        ("{a:x}", 1),
        ("{a:.2d}", 1),
        ("{a:99999d}", 1),
        ("{a:+s}", 1),
        ("{{name}", 7),
        ("{a|b|c}", 1),
        ("{|b}", 1),
        ("{:d|b}", 1),
        ("{a.b|c}", 1),
        ("{a:%Q|c}", 1),
        ("{a|{b}}", 1),
    ],
)
def test_a_broken_template_is_refused_with_its_place(text, place):
    with pytest.raises(InvalidInput, match=f"at character {place}, .*Nothing was sent"):
        Template(text)


def test_what_is_no_text_is_refused():
    with pytest.raises(InvalidInput, match="not NoneType"):
        Template(None)
    with pytest.raises(InvalidInput, match="surrogate"):
        Template("\ud83d")


@given(
    st.text(alphabet="{}ab:.!%d[0|, é", max_size=12)
    | st.text()
    | st.from_regex(r"\{a:[^{}|]*(\|[^{}]*)?\}", fullmatch=True),
    st.lists(
        st.sampled_from(["1", "-0.5", "2026-03-04", "2026-03-04 10:30", " ", "x", "9" * 5000]) | st.text(), max_size=3
    ),
)
def test_any_text_is_a_template_or_is_refused(text, cells):
    try:
        template = Template(text)
    except InvalidInput:
        return
    frame = pd.DataFrame(dict.fromkeys(template.columns, cells), index=range(len(cells)), dtype="str")
    texts, problems = template.render(frame)
    assert len(texts) == len(problems) == len(cells)


def test_a_missing_column_is_named_with_the_nearest_one():
    with pytest.raises(InvalidInput, match=r"'firstname'.*'First_Name', 'mobile'.*Did you mean 'First_Name'\?"):
        Template("{firstname}").render(pd.DataFrame(columns=["First_Name", "mobile"]))
    with pytest.raises(InvalidInput, match="more than one"):
        Template("{a}").render(pd.DataFrame([["1", "2"]], columns=["a", "a"]))


@given(st.lists(LABELS, max_size=5), st.sampled_from(["{x}", "Hi", "{x:d}", ""]))
def test_index_and_dtypes_are_kept_for_any_rows(labels, text):
    frame = pd.DataFrame({"x": ["1"] * len(labels)}, index=pd.Index(labels, dtype=object))
    texts, problems = Template(text).render(frame)
    for column in (texts, problems):
        assert column.dtype == "str"
        pd.testing.assert_index_equal(column.index, frame.index)


@given(st.lists(st.text() | st.none()))
def test_a_row_has_either_a_text_or_a_problem(cells):
    texts, problems = Template("Hi {x}").render(pd.DataFrame({"x": pd.Series(cells, dtype=object)}))
    for cell, text, fine in zip(cells, texts, problems.isna(), strict=True):
        filled = cell is not None and bool(cell.strip())
        assert fine == filled
        assert text == (f"Hi {cell}" if filled else "")


def test_the_repr_shows_the_text():
    assert repr(Template("Hi {name}")) == "Template('Hi {name}')"
