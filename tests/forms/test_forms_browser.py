"""The forms before a real browser: in JupyterLab and as a page of Voilà."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections import Counter

import pytest

import clicknb as cn
from clicknb import testing
from tests.forms.browser import ROOT, Lab, Voila, browser, tab_to

CANARY = "canary-hunter2"
LABELS = ("User name", "Password", "API ID")

OPEN = """
import tempfile
import clicknb as cn
login = {{"user": "sandbox", "password": "sandbox", "api_id": "1"}}
sms = cn.connect(**login, base_url="{url}", ledger=tempfile.mkdtemp() + "/ledger.sqlite")
"""


def accepted(server):
    """What the sandbox itself recorded, asked over its own door."""
    with urllib.request.urlopen(f"{server.url}/sandbox/messages", timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def gateway():
    with testing.server() as running:
        yield running


@pytest.fixture
def page():
    with browser() as page:
        yield page


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with Lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def voila(tmp_path_factory):
    with Voila(tmp_path_factory.mktemp("voila")) as running:
        yield running


def test_a_message_is_sent_from_jupyterlab_and_accepted(page, lab, gateway):
    lab.write("message.ipynb", OPEN.format(url=gateway.url), "cn.forms.Message(sms)")
    form = lab.open(page, "message.ipynb")
    form.get_by_label("Numbers", exact=True).fill("+44 7700 900123")
    form.get_by_label("Text", exact=True).fill("Grüße & <b>100%</b> +1 {x}")
    form.get_by_role("button", name="Check", exact=True).click()
    form.get_by_text("Checked; nothing has been sent yet").wait_for()
    assert accepted(gateway) == []
    form.get_by_role("button", name="Send", exact=True).click()
    form.get_by_text("1 accepted.").wait_for()
    (message,) = accepted(gateway)
    assert (message["to"], message["text"]) == ("447700900123", "Grüße & <b>100%</b> +1 {x}")


def test_a_message_is_sent_as_a_page_by_keyboard_alone(page, voila, gateway):
    voila.write("message.ipynb", OPEN.format(url=gateway.url) + "cn.form(sms)")
    form = voila.open(page, "message.ipynb")
    form.get_by_label("Numbers", exact=True).focus()
    page.keyboard.type("447700900123, 447700900124")
    page.keyboard.press("Tab")  # country
    page.keyboard.press("Tab")
    page.keyboard.type("Hello")
    check, send = (form.get_by_role("button", name=name, exact=True) for name in ("Check", "Send"))
    form.get_by_text("GSM alphabet: 1 part, 5 units used").wait_for()
    tab_to(page, check)
    page.keyboard.press("Enter")
    form.get_by_text("Checked; nothing has been sent yet").wait_for()
    tab_to(page, send)
    page.keyboard.press("Enter")
    form.get_by_text("2 accepted.").wait_for()
    assert sorted(message["to"] for message in accepted(gateway)) == ["447700900123", "447700900124"]


def test_credentials_written_in_the_browser_are_in_no_saved_notebook(page, lab, gateway):
    path = lab.write("connect.ipynb", f'import clicknb as cn\nform = cn.forms.Connect(base_url="{gateway.url}")\nform')
    form = lab.open(page, "connect.ipynb")
    form.get_by_label("Work with").select_option("My Clickatell account")
    for label in LABELS:
        form.get_by_label(label, exact=True).fill(CANARY)
    form.get_by_role("button", name="Connect", exact=True).click()
    form.get_by_text(re.compile("001")).first.wait_for()  # the gateway does not take them
    assert {form.get_by_label(label, exact=True).input_value() for label in LABELS} == {""}
    notebook = lab.save(page, path)
    assert "widgets" in notebook.metadata
    assert CANARY not in path.read_text()


def test_markup_in_a_text_stays_text_in_the_browser(page, voila, gateway):
    voila.write("markup.ipynb", OPEN.format(url=gateway.url) + "cn.forms.Message(sms)")
    form = voila.open(page, "markup.ipynb")
    payload = "<img src=x onerror=\"document.title='owned'\"><b id=owned>x</b>"
    form.get_by_label("Text", exact=True).fill(payload)
    form.locator("div[dir=auto]", has_text=payload).wait_for()
    assert page.locator("#owned").count() == 0
    assert page.title() != "owned"


CAMPAIGN = """
import pandas as pd
numbers = [f"279993000{{n:02d}}" for n in range(40)]  # delivered after so many minutes
numbers += ["27999100114", "27999200007", "27999200010"]
sms.plan(pd.DataFrame({{"to": numbers}}), to="to", text="Hello", name="check-ups").send(progress=False)
"""


def counted(form):
    """What the panel says, name to number."""
    panel = form.locator("dl").inner_text().splitlines()
    return {name.removeprefix("- "): value for name, value in zip(panel[::2], panel[1::2], strict=True)}


@pytest.mark.parametrize("place", ["lab", "voila"])
def test_a_campaign_is_watched_to_its_end(page, place, request):
    with testing.server(speed=600, seed=4) as gateway:
        server = request.getfixturevalue(place)
        server.write("monitor.ipynb", (OPEN + CAMPAIGN).format(url=gateway.url) + "cn.forms.Monitor(sms)")
        form = server.open(page, "monitor.ipynb")
        form.get_by_role("button", name="Watch", exact=True).focus()
        page.keyboard.press("Enter")
        form.get_by_text("Every accepted message has its final status").wait_for()
        said = counted(form)
        messages = accepted(gateway)
        deliveries = Counter(cn.codes.status(message["status"]).delivery for message in messages)
        assert {name: said[name] for name in deliveries} == {name: str(count) for name, count in deliveries.items()}
        assert said["refused by the gateway"] == "1"
        assert int(said["recipients"]) == len(messages) + 1
        picture = form.locator("img")
        assert picture.evaluate("it => it.complete && it.naturalWidth > 600")
        form.get_by_role("button", name="Watch", exact=True).wait_for()


def test_the_record_is_downloaded_from_a_page(page, voila, gateway, tmp_path):
    voila.write("record.ipynb", (OPEN + CAMPAIGN).format(url=gateway.url) + "cn.forms.Monitor(sms)")
    form = voila.open(page, "record.ipynb")
    form.get_by_role("button", name="Save as CSV").click()
    with page.expect_download() as download:
        form.get_by_role("link", name="Save check-ups.csv").click()
    download.value.save_as(tmp_path / "record.csv")
    saved = cn.export.read_csv(tmp_path / "record.csv")
    assert sorted(saved["to"][saved["state"] == "accepted"]) == sorted(message["to"] for message in accepted(gateway))


def test_the_console_remembers_after_a_restart(page, voila):
    shutil.copy(ROOT / "notebooks" / "console.ipynb", voila.notebooks)
    form = voila.open(page, "console.ipynb")
    form.get_by_label("Numbers", exact=True).fill("+44 7700 900123")
    form.get_by_placeholder("What to say").fill("Hello")
    form.get_by_role("button", name="Check", exact=True).click()
    form.get_by_role("button", name="Send", exact=True).click()
    form.get_by_text("1 accepted.").wait_for()
    form = voila.open(page, "console.ipynb")  # each visit has a kernel of its own
    assert form.get_by_label("Numbers", exact=True).input_value() == ""
    form.get_by_role("tab", name="Monitor").click()
    form.get_by_text("Campaign single messages").wait_for()
    assert counted(form)["recipients"] == "1"


def test_credentials_written_into_the_console_are_in_no_saved_notebook(page, lab, gateway):
    begin = (
        f'import os\nos.environ["CLICKATELL_BASE_URL"] = "{gateway.url}"\nimport clicknb as cn\ncn.form(cn.sandbox())'
    )
    path = lab.write("console-canary.ipynb", begin)
    form = lab.open(page, "console-canary.ipynb")
    form.get_by_role("tab", name="Connect").click()
    form.get_by_label("Work with").select_option("My Clickatell account")
    for label in LABELS:
        form.get_by_label(label, exact=True).fill(CANARY)
    form.get_by_role("button", name="Connect", exact=True).click()
    form.get_by_text(re.compile("001")).first.wait_for()
    form.get_by_role("tab", name="Monitor").click()
    form.get_by_text("no campaign in this ledger yet").wait_for()
    notebook = lab.save(page, path)
    assert "widgets" in notebook.metadata
    assert CANARY not in path.read_text()
