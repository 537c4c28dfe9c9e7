import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb import frames
from clicknb.errors import InvalidInput
from clicknb.messages.lint import lint
from clicknb.messages.template import Template

NAMES = ["Ann", "Ben", "Cleo", "Dan"]
NUMBER = "447700900123"


def found(text, cells=NAMES, column="first_name", **options):
    """The findings of a campaign with one column of cells, as tuples without the words."""
    frame = pd.DataFrame({column: cells}, index=[f"row {place}" for place in range(len(cells))])
    findings = lint(text, frame, **options)
    return list(findings[["finding", "where", "rows", "example"]].itertuples(index=False, name=None))


def words(text, cells=NAMES, column="first_name"):
    return "\n".join(lint(text, pd.DataFrame({column: cells}))["what"])


@pytest.mark.parametrize(
    "text",
    [
        "Hi {first_name}, see you soon.",
        "[Shop] Hi {first_name}! Reply STOP to opt out :)",
        "Bonjour {first_name} ! 20 % de réduction, «Chez nous», dès 5 $ ... <3",
        "Hi {first_name}.  Two spaces after a sentence\n\nand an empty line.",
        "Hi {first_name}, https://example.com/a?b=c&d=%C3%A9#top and www.example.com.",
        "Pay ${first_name} with #code {{1}} & [x] 50%off%",
    ],
)
@pytest.mark.parametrize(
    "cells", [NAMES, ["ANN", "de Ruyter", "O'Neill-Smith", "Dr. Na (jr.)"], ["Zoë", "李", "👩‍👩‍👧", "5"]]
)
def test_what_a_colleague_would_not_mention_is_no_finding(text, cells):
    assert found(text, cells) == []


def test_a_template_that_cannot_be_read_is_a_finding():
    assert found("Hi {first_name") == [("broken", "text", 4, "row 0")]
    assert "at character 4" in words("Hi {first_name")
    with pytest.raises(InvalidInput, match="not NoneType"):
        lint(None, pd.DataFrame())


def test_missing_and_doubled_columns_are_findings_beside_others():
    frame = pd.DataFrame([["Ann", "1", "2"]], columns=["First_Name", "x", "x"])
    findings = lint("[name] {firstname} {x}", frame)
    assert findings["finding"].tolist() == ["missing_column", "doubled_column", "foreign_placeholder"]
    assert "Did you mean 'First_Name'?" in findings["what"][0]


def test_empty_cells_are_counted_and_a_default_is_proposed():
    cells = ["Ann", None, " ", "Dan"]
    assert found("Hi {first_name}", cells) == [("empty_cell", "first_name", 2, "row 1")]
    assert "as in {first_name|there}" in words("Hi {first_name}", cells)
    assert "as in {when:%d %b|soon}" in words("{when:%d %b}", ["2026-03-04", None], "when")
    assert found("Hi {first_name|there}", cells) == []
    assert found("Hi {first_name|there} {first_name}", cells)[0][0] == "empty_cell"


def test_the_proposed_default_is_a_template_that_works():
    text = "{a||name:>5}"
    proposed = words(text, [None], "a|name").split("as in ")[1].removesuffix(".")
    assert Template(proposed).render(pd.DataFrame({"a|name": [None]}))[0].tolist() == ["there"]


def test_a_default_for_most_rows_or_with_the_name_of_a_column_is_mentioned():
    assert found("Hi {first_name|there}", [None, None, "Ann"]) == [("mostly_default", "first_name", 2, "row 0")]
    frame = pd.DataFrame({"nick": ["Al", None, "Bo"], "name": ["Alan", "Ann", "Bob"]})
    assert lint("Hi {nick|name}", frame)["finding"].tolist() == ["default_is_column"]


def test_cells_that_do_not_fit_are_counted_and_masked():
    cells = ["2026-03-04", "soon", NUMBER, None]
    assert found("On {when:%d %b|some day}", cells, "when") == [("misfit", "when", 2, "row 1")]
    assert "when is not a date: 'soon'" in words("On {when:%d %b|some day}", cells, "when")
    said = words("On {when:%d %b|some day}", ["2026-03-04", f"Please call me on +{NUMBER}"], "when")
    assert "+44 *" in said
    assert "7700" not in said


FOREIGN = ["[name]", "[First Name]", "<first_name>", "%name%", "$first_name", "<<anything>>", "#field1#", "«name»"]


@pytest.mark.parametrize("mark", [*FOREIGN, "[insert link]", "{{name}}", "{{ anything }}", "*|FNAME|*"])
def test_the_placeholders_of_other_tools_are_seen_in_the_text(mark):
    assert found(f"Hi {mark} and {{first_name}}") == [("foreign_placeholder", "text", 4, "row 0")]


@pytest.mark.parametrize("mark", FOREIGN)
def test_the_placeholders_of_other_tools_are_seen_in_a_default(mark):
    assert found(f"Hi {{first_name|{mark}}}") == [("foreign_placeholder", "text", 4, "row 0")]


@pytest.mark.parametrize("mark", ["{first_name}", "{{x}}", "[name]", "${name}", "%first_name%"])
def test_placeholders_within_cells_are_seen(mark):
    assert found("Hi {first_name}", ["Ann", f"Mr {mark}", "Cleo"]) == [
        ("foreign_placeholder", "first_name", 1, "row 1")
    ]


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("html", "<b>Ben</b>"),
        ("html", "Ben &amp; Co"),
        ("no_value", "#N/A"),
        ("no_value", "NaN"),
        ("no_value", "None"),
        ("no_value", "-"),
        ("broken_link", "https:// example.com"),
        ("broken_link", "www. example.com"),
        ("outer_blanks", "Ben "),
        ("outer_blanks", "\u00a0Ben"),
        ("line_break", "Ben\nSmith"),
        ("line_break", "Ben\u2028Smith"),
        ("odd_space", "Ben\u00a0Smith"),
        ("odd_space", "Ben\u200bSmith"),
        ("gap", "Ben  Smith"),
    ],
)
def test_odd_cells_are_named_with_their_column(kind, cell):
    where = "text" if kind == "gap" else "first_name"
    assert found("Hi {first_name}, hello", ["Ann", cell, "Cleo", "Dan"]) == [(kind, where, 1, "row 1")]


def test_cells_that_are_only_read_as_dates_and_numbers_may_have_blanks():
    assert found("On {when:%d %b}", [" 2026-03-04 ", "2026-03-05", "2026-03-06\n"], "when") == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("html", "Hi <b>{first_name}</b>"),
        ("html", "Hi {first_name|you &amp; yours}"),
        ("broken_link", "{first_name}: https:// example.com"),
        ("broken_link", "{first_name}: https ://example.com"),
        ("outer_blanks", "\nHi {first_name}"),
        ("outer_blanks", "Hi {first_name} "),
        ("gap", "Hi  {first_name}"),
        ("gap", "Hi {first_name} , hello"),
        ("odd_space", "Hi\u00a0{first_name}"),
    ],
)
def test_odd_words_of_the_template_touch_every_row(kind, text):
    assert found(text) == [(kind, "text", 4, "row 0")]


@pytest.mark.parametrize(
    "text", ["Hi {first_name|}, hello", "{first_name|} hello", "Now {first_name|}", "A {first_name|} b"]
)
def test_the_gap_that_an_empty_default_leaves_is_seen(text):
    assert found(text, ["Ann", None, "Cleo"]) == [("gap", "text", 1, "row 1")]


def test_a_gap_shows_where_it_is():
    assert "'Hi , hello'" in words("Hi {first_name|}, hello", ["Ann", None, "Cleo"])


def test_a_blank_within_a_link_is_named_and_one_after_it_is_not():
    for text in ("https://example.com/?n={first_name}", "See example.com/{first_name}/x"):
        assert found(text, ["Ann", "Ben Smith", "Cleo"]) == [("broken_link", "first_name", 1, "row 1")]
    assert found("https://example.com for {first_name}", ["Ann", "Ben Smith", "Cleo"]) == []


def test_texts_without_words_are_named():
    assert ("empty_text", "text", 1, "row 1") in found("{first_name|}", ["Ann", None, "Cleo"])


@pytest.mark.parametrize(("character", "fits"), [("a", 459), ("€", 228), ("Ж", 201), ("😀", 99)])
def test_texts_of_too_many_parts_are_named(character, fits):
    cells = [character * fits] * 3 + [character * (fits + 1)]
    assert ("long_text", "text", 1, "row 3") in found("{x}", cells, "x")
    assert "at most 4" in words("{x}", cells, "x")
    assert "long_text" not in {finding[0] for finding in found("{x}", cells, "x", max_parts=4)}


def test_a_text_much_longer_than_the_others_is_named():
    assert found("Hi {x}", [*NAMES, "a" * 150], "x") == [("longer_text", "text", 1, "row 4")]
    assert found("Hi {x}", [*NAMES, "a" * 90], "x") == []


def test_the_same_text_for_all_is_named_unless_it_has_no_placeholders():
    assert found("Hi {x}", ["Ann"] * 3, "x") == [("same_text", "text", 3, "row 0")]
    assert found("Hi all", ["Ann"] * 3, "x") == []
    assert found("Hi {x}", ["Ann"] * 2, "x") == []


def test_numbers_and_long_texts_do_not_leak():
    numbers = [f" +{NUMBER}", f"{{name}} {NUMBER}", f"call {NUMBER} \n or {NUMBER}", "x" * 900 + NUMBER]
    for text in (f"{{x|}} ,  +{NUMBER}", f"{{x}} [name]  {NUMBER} {NUMBER}", f"{NUMBER} {{x", f"<b> {{x:%d}} {NUMBER}"):
        said = words(text, [*numbers, None], "x")
        assert said
        assert "00900" not in said
        assert max(map(len, said.splitlines())) < 300


@pytest.mark.parametrize("text", [f"{NUMBER} now  {{x}}", f"{{x, and call me then on {NUMBER}"])
def test_a_number_that_is_cut_does_not_leak(text):
    assert not re.search(r"\d{4}", words(text, [], "x").split(":")[0])


def test_no_rows_and_no_findings_have_the_documented_columns():
    for frame in (pd.DataFrame({"x": []}), pd.DataFrame({"x": NAMES})):
        for text in ("Hi {x}", "Hi  {x}", "Hi {y}"):
            findings = lint(text, frame)
            assert {name: str(dtype) for name, dtype in findings.dtypes.items()} == frames.LINT
    assert lint("Hi {y}", pd.DataFrame({"x": []}))["rows"].tolist() == [0]


@given(
    st.text(alphabet="{}x|:%d<>[] .,hHtps/", max_size=20) | st.text(),
    st.lists(st.text(alphabet="{x}<>[] .,#%\n", max_size=8) | st.text() | st.none(), max_size=4),
)
def test_any_text_over_any_cells_can_be_looked_over(text, cells):
    findings = lint(text, pd.DataFrame({"x": pd.Series(cells, dtype="str")}))
    assert findings["what"].notna().all()
    assert findings["rows"].between(0, len(cells)).all()
    assert (findings["example"].isna() == (findings["rows"] == 0)).all()
