"""The Campaign form before a real browser: an uploaded file is planned, sent, stopped, resumed and tracked."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress

import pandas as pd
import pytest
from playwright import sync_api as playwright

import clicknb as cn
from clicknb import testing
from tests.forms.browser import Voila, browser, tab_to

OPEN = """
import tempfile
import clicknb as cn
import pandas as pd
login = {{"user": "sandbox", "password": "sandbox", "api_id": "1"}}
sms = cn.connect(**login, base_url="{url}", ledger=tempfile.mkdtemp() + "/ledger.sqlite", rate={rate})
cn.forms.Campaign(sms, {people})
"""
ROWS, LOST_ZERO = 200, 6


@pytest.fixture(scope="module")
def voila(tmp_path_factory):
    with Voila(tmp_path_factory.mktemp("voila")) as running:
        yield running


@pytest.fixture
def sheet(tmp_path):
    """A file of 200 people, some of whose numbers a spreadsheet has robbed of a zero."""
    numbers = [f"+44 7700 900{n:03d}" if n >= LOST_ZERO else f"7700900{n:03d}" for n in range(ROWS)]
    names = ["Zoë’s mum" if n % 20 == 7 else f"Ann {n}" for n in range(ROWS)]
    path = tmp_path / "customers.xlsx"
    cn.export.to_excel(pd.DataFrame({"name": names, "mobile": numbers}).set_index("name"), path)
    return path


def facts(form):
    """The figures of the panel that is shown last, by their names."""
    names, values = (form.locator(tag).all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def upload(page, form, path):
    with page.expect_file_chooser() as chooser:
        form.get_by_role("button", name="Upload CSV or Excel").click()
    chooser.value.set_files(path)


def button(form, name):
    return form.get_by_role("button", name=name, exact=True)


def test_an_uploaded_file_is_planned_sent_stopped_resumed_and_tracked(voila, sheet):
    with browser() as page, testing.server() as server:
        gateway = server.gateway
        voila.write("campaign.ipynb", OPEN.format(url=server.url, rate=15, people=None))
        form = voila.open(page, "campaign.ipynb")
        upload(page, form, sheet)
        form.get_by_text("200 rows, 2 columns").wait_for()
        assert form.get_by_label("Column with the numbers").input_value() == "mobile"
        form.get_by_label("Country of national numbers").fill("GB")
        form.get_by_label("Name of the campaign").fill("spring")
        form.get_by_label("Text", exact=True).fill("Spring sale: 10% & more,")
        button(form, "{name}").click()
        form.get_by_text("Spring sale: 10% & more, Zoë’s mum").first.wait_for()
        button(form, "Check").click()
        form.get_by_text("Checked; nothing has been sent yet").wait_for()
        assert facts(form)["to send"] == "200"
        repair = form.get_by_label(f"Accept repair: leading zero, {LOST_ZERO} rows")
        repair.uncheck()
        form.get_by_text("You changed something since the check").wait_for()
        assert button(form, "Send").is_disabled()
        button(form, "Check again").click()
        form.get_by_text("Checked; nothing has been sent yet").wait_for()
        assert (facts(form)["to send"], facts(form)["refused"]) == ("194", str(LOST_ZERO))
        assert gateway.messages == []

        button(form, "Send").click()
        form.get_by_text(re.compile(r"^[1-9]\d* of 194 answered")).wait_for()
        button(form, "Stop sending").click()
        form.get_by_text("You stopped it").wait_for()
        half = len(gateway.messages)
        assert 0 < half < 194
        shown = facts(form)
        assert (int(shown["accepted"]), int(shown["planned"])) == (half, 194 - half)
        button(form, "Resume").click()
        form.get_by_text(f"194 accepted, {LOST_ZERO} skipped.").wait_for()
        assert len(gateway.messages) == 194
        assert len({message.to for message in gateway.messages}) == 194
        shown = facts(form)
        assert (shown["accepted"], shown.get("planned"), shown["skipped"]) == ("194", None, str(LOST_ZERO))

        server.advance(2 * 24 * 3600)
        button(form, "Track deliveries").click()
        form.get_by_text("- delivered", exact=True).wait_for()
        stop = button(form, "Stop asking")  # a few may never come to an end in a sandbox
        stop.or_(button(form, "Track deliveries")).first.wait_for()
        if stop.is_visible():
            with suppress(playwright.TimeoutError):  # asking has ended meanwhile
                stop.click(timeout=3000)
        button(form, "Track deliveries").wait_for()
        shown = facts(form)
        at_gateway = outcomes_of(server)
        on_the_page = {state: int(shown.get(f"- {state}".replace("_", " "), "0")) for state in at_gateway}
        assert on_the_page == at_gateway
        assert sum(at_gateway.values()) == 194


def outcomes_of(server):
    """How many messages the gateway itself says were delivered, failed and so on."""
    now = server.now()
    return dict(Counter(cn.codes.status(message.status(now)).delivery for message in server.gateway.messages))


OWNED = "<img src=x onerror=\"document.title='owned'\"><b id=owned>x</b>"


def test_a_campaign_is_sent_by_keyboard_alone_and_markup_stays_text(voila):
    people = f'pd.DataFrame({{"mobile": ["447700900123", "447700900124"], "{OWNED[-17:]}": [{OWNED!r}, "Ben"]}})'
    with browser() as page, testing.server() as server:
        voila.write("keys.ipynb", OPEN.format(url=server.url, rate=100, people=people))
        form = voila.open(page, "keys.ipynb")
        form.get_by_label("Table of people").focus()
        tab_to(page, form.get_by_label("Text", exact=True))
        page.keyboard.type("Hello ")
        form.locator("div[dir=auto]", has_text="Hello").first.wait_for()  # what is typed is on its way for a while
        tab_to(page, form.get_by_role("button", name="{" + OWNED[-17:] + "}"))
        page.keyboard.press("Enter")
        form.locator("div[dir=auto]", has_text=f"Hello {OWNED}").wait_for()
        tab_to(page, button(form, "Check"))
        page.keyboard.press("Enter")
        form.get_by_text("Checked; nothing has been sent yet").wait_for()
        tab_to(page, button(form, "Send"))
        page.keyboard.press("Enter")
        form.get_by_text("2 accepted.").wait_for()
        assert sorted(message.text for message in server.gateway.messages) == sorted([f"Hello {OWNED}", "Hello Ben"])
        assert page.locator("#owned").count() == 0
        assert page.title() != "owned"
