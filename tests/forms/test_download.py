"""How both forms hand over a record: as which file, when as a link, and that nothing shown holds a whole number."""

from __future__ import annotations

import re
from base64 import b64decode

import pandas as pd
import pytest

import clicknb as cn
from clicknb.forms.kit import download
from tests.forms.widgets import shown, strange_markup, walk

ANN, BOB = "447700900123", "447700900124"
NAMED = [
    f"callback {ANN}",
    "447700_900123",
    "447700,900123 & Ben",
    "44/7700/900/123",
    "+44 (0) 7700 900-123",
    f"2026-03-03 {ANN}",
    f"x{ANN}x{BOB}",
    "٤٤٧٧٠٠٩٠٠١٢٣",
]


@pytest.fixture
def sms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cn.sandbox() as account:
        yield account


@pytest.fixture(params=[False, True], ids=["notebook", "page"])
def page(request, monkeypatch):
    if request.param:
        monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    return request.param


def with_campaign_form(account, name):
    form = cn.forms.Campaign(account, pd.DataFrame({"to": [ANN, BOB]}), background=False)
    form.texts.areas["A"].value, form.name.value = "Hello", name
    form.check.click()
    form.send.click()
    return form, form.outcome.csv, form.outcome.excel


def with_monitor(account, name):
    people = pd.DataFrame({"to": [ANN, BOB]})
    account.plan(people, to="to", text="Hello", name=name).send(progress=False)
    form = cn.forms.Monitor(account, name, background=False)
    return form, form.csv, form.excel


BOTH = pytest.mark.parametrize("opened", [with_campaign_form, with_monitor])


def links(form):
    """The links of a form: what each holds and what it calls the file."""
    html = "".join(each.value for each in walk(form.view) if isinstance(getattr(each, "value", None), str))
    return re.findall(r'href="data:[^"]*;base64,([^"]+)" download="([^"]+)"', html)


def holds_a_number(words):
    """Whether there are seven digits in a row, whatever stands between two of them; dates do not count."""
    return bool(re.search(r"\d(?:[^A-Za-z0-9.,]?\d){6,}", re.sub(r"\d{4}-\d\d-\d\d(?!\d)", "", words)))


@pytest.mark.parametrize("name", NAMED)
def test_whatever_stands_between_its_digits_no_number_names_a_file(name):
    file = download.file_name(name, "csv")
    assert re.fullmatch(r"[\w-]+\.csv", file)
    assert not holds_a_number(file)


def test_digits_that_look_like_a_date_only_in_the_file_name_are_a_number():
    assert download.file_name("2044 12 31 45 67", "csv") == "20-567.csv"
    assert download.file_name("sale 2026-03-03", "csv") == "sale-2026-03-03.csv"


@BOTH
@pytest.mark.parametrize("name", NAMED[:3])
def test_no_file_or_link_is_named_by_a_whole_number(opened, name, page, sms, tmp_path):
    form, csv, excel = opened(sms, name)
    names = []
    for button in (csv, csv, excel):
        button.click()
        assert form.last_error is None
        names += [file for _, file in links(form)]
        said = shown(form.view).replace(name, "")
    names += [path.name for path in tmp_path.iterdir()]
    assert len(names) == 3
    assert [words for words in (said, *names) if holds_a_number(words)] == []


@BOTH
def test_both_forms_save_the_same(opened, page, sms, tmp_path):
    form, csv, excel = opened(sms, "check-ups")
    for button, file in ((csv, "check-ups.csv"), (excel, "check-ups.xlsx")):
        button.click()
        for content, name in links(form):
            (tmp_path / name).write_bytes(b64decode(content))
        assert "2 rows with whole numbers and texts" in shown(form.view)
        assert cn.read_recipients(tmp_path / file)["state"].tolist() == ["accepted"] * 2
        assert strange_markup(form.view) == []
    assert {path.name for path in tmp_path.iterdir()} == {"check-ups.csv", "check-ups.xlsx"}


@BOTH
def test_a_link_goes_with_the_next_click_and_a_file_too_large_for_one_is_written(opened, sms, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    form, csv, excel = opened(sms, "check-ups")
    csv.click()
    assert [name for _, name in links(form)] == ["check-ups.csv"]
    monkeypatch.setattr(download, "LARGEST_LINK", 100)
    excel.click()
    assert links(form) == []
    assert [path.name for path in tmp_path.iterdir()] == ["check-ups.xlsx"]


@BOTH
@pytest.mark.parametrize("server", ["voilà", "voila", "jupyter/2", ""])
def test_what_is_no_page_of_voila_gets_a_file_and_no_link(opened, server, sms, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", server)
    form, csv, _ = opened(sms, "check-ups")
    csv.click()
    assert links(form) == []
    assert [path.name for path in tmp_path.iterdir()] == ["check-ups.csv"]
