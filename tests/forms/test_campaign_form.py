"""The Campaign form without a browser: what it plans, sends, stops, withdraws, and what it never shows."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import clicknb as cn
from clicknb import testing
from clicknb.clock import SteppedClock
from clicknb.errors import CampaignStopped, InvalidInput
from clicknb.forms.campaign import sending
from clicknb.forms.campaign.draft import Recipe
from clicknb.forms.campaign.people import People
from clicknb.ledger.ledger import Ledger
from clicknb.opening import in_process
from tests.forms.browser import wait_for
from tests.forms.widgets import Hostile, shown, strange_markup, unlabelled, visible, walk
from tests.outcomes import FEW_PAYLOADS
from tests.promise.harness import pauses

ANN = "447700900123"
MIXED = ["7700900123", "7700900124", "+447700900125", "nobody", ""]


@pytest.fixture
def sms():
    with cn.sandbox() as account:
        yield account


@pytest.fixture
def live(sms):
    """The sandbox, taken for a live account."""
    return testing.altered(sms, live=True)


def table(count=5, **more):
    numbers = [f"4477009{n:05d}" for n in range(100, 100 + count)]
    return pd.DataFrame({"name": [f"Ann {n}" for n in range(count)], "mobile": numbers, **more})


def campaign(account, people=None, text="Hi {name}", *, background=False, **more):
    form = cn.forms.Campaign(account, table() if people is None else people, background=background)
    form.texts.areas["A"].value, form.name.value = text, "spring"
    for name, value in more.items():
        getattr(form, name).value = value
    return form


def checked(*given, **more):
    form = campaign(*given, **more)
    form.check.click()
    form.wait(60)
    assert form.last_error is None
    return form


def upload(form, content, name):
    """What a browser puts into the control."""
    when = datetime(2026, 3, 3, tzinfo=UTC)
    file = {"name": name, "type": "", "size": len(content), "content": memoryview(content), "last_modified": when}
    form.chooser.upload.value = (file,)


def excel(frame):
    book = BytesIO()
    frame.to_excel(book, index=False)
    return book.getvalue()


def sent(account):
    return {each.to: each.text for each in testing.messages(account)}


# the table


def test_it_opens_without_an_error(sms, caplog):
    caplog.set_level("INFO", "clicknb.forms")
    forms = [cn.forms.Campaign(sms), cn.forms.Campaign(sms, table()), campaign(sms)]
    assert ([form.last_error for form in forms], caplog.text) == ([None] * 3, "")
    assert forms[1].to.value == "mobile"


@pytest.mark.parametrize(
    ("columns", "address"),
    [
        ({"name": ["Ann"], "mobile": ["x"]}, "mobile"),
        ({"id": ["1"], "kontakt": ["+44 7700 900123"], "since": ["2026-03-14"]}, "kontakt"),
        ({"phone model": ["Nokia"], "reach": [ANN]}, "reach"),
        ({"when": ["2026-03-14"], "to": [ANN]}, "to"),
    ],
)
def test_the_column_with_the_numbers_is_guessed(columns, address):
    assert People.of(pd.DataFrame(columns), "people").address == address


def test_only_columns_that_a_text_can_name_are_offered():
    columns = ["first name", "a|b", "a{b", "a.b", "a:b", "1", "!"]
    people = People.of(pd.DataFrame([["x"] * len(columns)], columns=columns), "people")
    assert people.chips == {"first name": "{first name}", "a|b": "{a||b}"}


def test_the_preview_looks_at_the_longest_and_the_strangest_rows_however_far_down():
    names = ["Ann"] * 5000
    names[4000], names[4500] = "Ann" * 50, "Zë"
    people = People.of(table(5000).assign(name=names), "people")
    rows = Recipe(to="mobile", texts=(("A", "Hi {name}"),)).sample(people)
    assert len(rows) < 1000
    assert {4000, 4500} <= set(rows.index)


def test_what_the_reader_was_not_certain_of_is_said_where_the_table_is_chosen_and_in_the_plan(sms):
    form = campaign(sms)
    upload(form, "name;mobile\nZoë;+447700900123\n".encode("cp1252"), "others.csv")
    said = "it was read as cp1252, in which it holds 'Zoë'"
    assert said in shown(form.chooser.view)
    form.texts.areas["A"].value = "Hi {name}"
    form.check.click()
    assert said in shown(form.view)


def test_a_file_is_uploaded_and_does_not_stay_in_its_control(sms):
    form = cn.forms.Campaign(sms, background=False)
    upload(form, excel(table(7)), "customers.xlsx")
    assert form.chooser.upload.value == ()
    assert (form.to.value, len(form.people.frame)) == ("mobile", 7)
    assert form.name.value == "customers 2026-03-03"
    upload(form, b"name;tel\nZoe;+447700900123\n", "others.csv")
    assert (form.to.value, form.chooser.table.value) == ("tel", "others.csv")
    form.chooser.table.value = "customers.xlsx"
    assert form.to.value == "mobile"


def test_a_file_that_is_no_table_is_explained_and_the_one_before_stays(sms):
    form = campaign(sms)
    upload(form, b"PK\x03\x04 broken", "broken.xlsx")
    assert isinstance(form.last_error, InvalidInput)
    assert "broken.xlsx: The workbook is damaged" in shown(form.chooser.view)
    assert len(form.people.frame) == 5
    upload(form, excel(table(7)), "customers.xlsx")
    assert "damaged" not in shown(form.view)


# the text


def test_columns_go_into_the_text_as_buttons(sms):
    form = campaign(sms, text="Hi")
    form.texts.chips["name"].click()
    assert form.recipe.texts == (("A", "Hi {name}"),)
    assert "Hi Ann 0" in shown(form.view)


def test_two_texts_are_compared(sms):
    form = campaign(sms, text="Book now")
    form.texts.more.click()
    form.texts.areas["B"].value = "Your place, "
    form.texts.chips["name"].click()  # into the one written last
    form.check.click()
    assert form.plan.options.variants == {"A": "Book now", "B": "Your place, {name}"}
    assert "A 3, B 2" in shown(form.view) or "A 2, B 3" in shown(form.view)
    form.texts.fewer.click()
    form.check.click()
    assert form.plan.options.text == "Book now"


def test_the_worst_texts_are_shown_first(sms):
    names = ["Ann", "Zoë’s", "x" * 200, "y" * 170]
    form = campaign(sms, table(4).assign(name=names), max_parts=3)
    text = shown(form.view).split("look at first")[1]
    assert text.index("x" * 100) < text.index("y" * 17) < text.index("Zoë’s") < text.index("Hi Ann")


# what is wrong with it


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"to": "nowhere"}, "Choose the column with the numbers."),
        ({"texts": (("A", " "),)}, "Write the text."),
        ({"texts": (("A", "Hi {nobody}"),)}, "needs the column 'nobody'"),
        ({"texts": (("A", "Hi {"),)}, "never closed"),
        ({"texts": (("A", "Hi"), ("B", ""))}, "Text B is empty"),
        ({"name": " "}, "Give the campaign a name."),
        ({"budget": "many"}, "Write the budget as a number"),
        ({"budget": "-1"}, "Write the budget as a number"),
        ({"country": "XX"}, "'XX' is no country code."),
        ({"sender": "much too long for a sender"}, "sender"),
    ],
)
def test_what_stands_in_the_way_is_said(sms, change, problem):
    people = People.of(table(), "people")
    good = Recipe(name="spring", to="mobile", texts=(("A", "Hi {name}"),))
    assert good.problems(people) == []
    wrong = replace(good, **change)
    assert problem.lower() in " ".join(wrong.problems(people)).lower()
    with pytest.raises(InvalidInput):
        wrong.plan(sms, people)


# checking


def test_a_kind_of_repair_is_refused_and_needs_another_check(sms):
    form = checked(sms, table().assign(mobile=MIXED), country="GB")
    assert len(form.plan.to_send) == 3
    form.findings.ticks["leading zero"].value = False
    assert form.plan is None
    assert form.send.disabled
    assert "You changed something since the check" in shown(form.view)
    form.send.click()  # as no browser would
    assert "was not checked" in shown(form.view)
    form.check.click()
    assert form.plan.options.refuse == ("leading zero",)
    assert form.plan.to_send["to"].tolist() == ["447700900125"]
    assert form.findings.ticks["leading zero"].value is False
    form.findings.ticks["leading zero"].value = True
    form.check.click()
    assert len(form.plan.to_send) == 3


def test_a_change_that_is_taken_back_needs_no_other_check(sms):
    form = checked(sms)
    form.sender.value = "Shop"
    assert form.plan is None
    form.sender.value = ""
    assert form.plan is not None


def test_rows_are_found_by_kind_and_by_words(sms):
    form = checked(sms, table().assign(mobile=MIXED), country="GB")
    form.findings.which.value = "leading zero"
    assert "2 rows." in shown(form.findings.view)
    form.findings.words.value = "124"
    assert "1 row." in shown(form.findings.view)
    assert "7700900124" not in shown(form.findings.view)


def test_what_costs_most_is_named_in_words_for_people_without_code(sms):
    form = checked(sms, text="It’s time, {name}. " + "x" * 80)
    text = shown(form.view)
    assert "RIGHT SINGLE QUOTATION MARK" in text
    assert "plan." not in text
    assert "substitute=" not in text


# sending


def test_a_campaign_is_checked_sent_and_tracked(sms):
    form = checked(sms)
    assert sent(sms) == {}
    form.send.click()
    assert sent(sms)["447700900100"] == "Hi Ann 0"
    assert len(sent(sms)) == 5
    assert form.check not in set(visible(form.view))
    form.outcome.track.click()
    assert sum(form.outcome.result.counts.values()) == 5
    assert "delivered" in shown(form.view)
    assert "charged so far" in shown(form.view)
    assert testing.check(sms).ok
    form.outcome.another.click()
    assert form.check in set(visible(form.view))
    assert (form.plan, form.name.value, form.sender.value) == (None, "", "")


def test_a_live_account_needs_its_token(live):
    form = checked(live)
    assert form.confirm in set(visible(form.view))
    assert form.send.disabled
    form.send.click()  # as no browser would
    assert form.last_error is not None
    assert sent(live) == {}
    assert form.check in set(visible(form.view))
    form.confirm.value = form.plan.token.lower()
    assert not form.send.disabled
    assert f'confirm="{form.plan.token}"' in form.code.text
    form.send.click()
    assert len(sent(live)) == 5


def stopped_half_way(account, server, count=40):
    form = checked(account, table(count), background=True)
    form.send.click()
    wait_for(lambda: server.gateway.messages, "the first message")
    assert form.check not in set(visible(form.view))
    form.cancel()
    form.wait(60)
    assert 0 < len(server.gateway.messages) < count
    assert form.last_error is None
    assert "You stopped it" in shown(form.view)
    return form


def test_sending_is_stopped_half_way_and_goes_on():
    with testing.server() as server, testing.account(server, rate=10) as sms:
        form = stopped_half_way(sms, server)
        assert form.outcome.result.counts["planned"] == 40 - len(server.gateway.messages)
        form.outcome.resume.click()
        form.wait(60)
        assert form.outcome.result.counts == {"accepted": 40}
        assert sorted(each.to for each in server.gateway.messages) == table(40)["mobile"].tolist()
        assert testing.check(sms, server.gateway.messages).ok


def test_what_has_not_left_is_withdrawn_only_when_asked_twice():
    with testing.server() as server, testing.account(server, rate=10) as sms:
        form = stopped_half_way(sms, server)
        left = form.outcome.result.counts["planned"]
        assert form.outcome.withdraw_all not in set(visible(form.view))
        form.outcome.withdraw.click()
        assert form.outcome.withdraw_all in set(visible(form.view))
        form.outcome.keep.click()
        assert form.outcome.withdraw_all not in set(visible(form.view))
        assert form.outcome.result.counts["planned"] == left
        form.outcome.withdraw.click()
        form.outcome.withdraw_all.click()
        form.wait(60)
        assert form.outcome.result.counts.get("skipped") == left
        assert form.outcome.resume not in set(visible(form.view))


def test_a_stop_before_the_first_leaves_lets_little_leave():
    with testing.server() as server, testing.account(server, rate=5) as sms:
        form = checked(sms, table(60), background=True)
        form.send.click()
        form.cancel()
        form.wait(60)
        assert form.outcome.result.paused
        assert form.outcome.result.counts["planned"] > 30


@pytest.mark.parametrize("background", [True, False])
def test_a_brake_and_its_reason_are_shown_and_nothing_is_lost(background):
    with cn.sandbox(credits=2) as sms:
        form = checked(sms, table(40), background=background)
        form.send.click()
        form.wait(60)
        assert isinstance(form.last_error, CampaignStopped)
        assert "No Credit Left" in shown(form.view)
        assert "Nothing is lost" in shown(form.view)
        assert form.outcome.resume in set(visible(form.view))
        assert form.outcome.result.counts["planned"] == 38


def test_what_is_unknown_can_be_asked_about(sms):
    lost = next(number for number, row in sms.numbers().iterrows() if "reply lost" in " ".join(row))
    form = checked(sms, table(1).assign(mobile=lost))
    form.send.click()
    assert "Do not send it again" in shown(form.view)
    form.outcome.settle.click()
    assert form.outcome.result.counts == {"accepted": 1}
    assert form.outcome.settle not in set(visible(form.view))


@pytest.mark.parametrize(("number", "button"), [("27999200004", "track"), ("27999400003", "settle")])
def test_a_gateway_out_of_reach_for_a_while_is_asked_again(number, button, sms):
    away = []

    def connect(count):
        if away:
            raise away.pop()
        return sms.context.connect(count)

    form = checked(testing.altered(sms, connect=connect), table(1).assign(mobile=number))
    form.send.click()
    away += [cn.errors.NotSent("The gateway is away.")] * 2
    getattr(form.outcome, button).click()
    assert (form.last_error, away) == (None, [])
    assert form.outcome.result.counts == {"accepted": 1}


@pytest.mark.parametrize("hours", [-2, 2])
def test_tracking_ends_after_half_an_hour_however_the_clock_is_set(sms, hours):
    slept = pauses(sms, timedelta(hours=hours))
    form = checked(sms, table(1).assign(mobile="27999200003"))  # stays at the network
    form.send.click()
    form.outcome.track.click()
    assert 1800 <= sum(slept) < 1800 + 30


def test_the_outcome_is_saved_beside_a_notebook_and_never_over_another_file(sms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    form = checked(sms, name="spring/../<b>")
    form.send.click()
    for _ in range(2):
        form.outcome.csv.click()
    form.outcome.excel.click()
    assert form.last_error is None
    names = ["spring-b-2.csv", "spring-b.csv", "spring-b.xlsx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert cn.export.read_csv(tmp_path / names[1])["to"].tolist() == table()["mobile"].tolist()
    assert cn.read_recipients(tmp_path / names[2])["state"].tolist() == ["accepted"] * 5
    assert "href" not in str([each.get_state() for each in walk(form.view)])


def test_a_page_offers_the_outcome_as_a_link_and_leaves_no_file(sms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    form = checked(sms)
    form.send.click()
    form.outcome.csv.click()
    assert "Save spring.csv" in shown(form.view)
    assert strange_markup(form.view) == []
    assert list(tmp_path.iterdir()) == []
    form.outcome.another.click()
    assert "Save spring.csv" not in shown(form.view)


# the code


def run_code(code, **names):
    exec(compile(code, "form", "exec"), names)
    return names


@pytest.mark.parametrize(
    "more",
    [
        {"text": "Say \"yes\" or 'no' \\ {{x}}\nit’s {name}", "sender": "Shop", "budget": "50.5", "substitute": True},
        {"country": "GB", "max_parts": 5, "mode": "list", "hours": "auto", "outside": "wait", "zone": "name"},
        {"hours": "UK", "outside": "schedule"},
        {"zone": "name"},
    ],
)
def test_the_code_makes_the_same_plan_and_a_plan_opens_the_same_form(sms, more):
    people = table()
    if more.get("hours") and more.get("zone"):
        people["name"] = "Europe/London"
    form = checked(sms, people, **more)
    with cn.sandbox() as other:
        code = form.code.text.replace("sms = cn.sandbox()", "").replace("campaign = plan.send()", "")
        plan = run_code(code, sms=other, people=people)["plan"]
    assert plan.token == form.plan.token
    again = cn.forms.Campaign(form.plan, background=False)
    assert again.plan.token == form.plan.token
    assert replace(again.recipe, zone="") == replace(form.recipe, zone="", outside=again.recipe.outside)
    again.check.click()
    assert (again.last_error, again.plan.token) == (None, form.plan.token)


def test_a_plan_with_what_the_form_has_no_controls_for_keeps_it(sms):
    hours = cn.Hours("office", {"Mon-Fri": "09:00-17:00"}, holidays="GB")
    given = {"variants": {"x": "Hi", "y": "Ho", "z": "He {name}"}, "seed": 7, "hours": hours, "max_credits": 0.9}
    plan = sms.plan(table(), to="mobile", name="t", prices={"GB": 0.9}, refuse=["landline"], **given)
    form = cn.forms.Campaign(plan, background=False)
    assert form.last_error is None
    assert "Sandbox account" in shown(form.view)
    assert [area.description for area in form.texts.areas.values()] == ["Text x", "Text y", "Text z"]
    form.sender.value = "Shop"
    form.check.click()
    code = form.code.text.replace("campaign = plan.send()", "")
    assert run_code(code, people=table())["plan"].token == form.plan.token != plan.token
    form.send.click()
    assert form.outcome.result.counts == {"accepted": 5}


def test_the_code_of_a_file_makes_the_same_plan_in_a_fresh_program(sms, tmp_path):
    content = excel(table().assign(mobile=MIXED))
    form = cn.forms.Campaign(sms, background=False)
    upload(form, content, "Kund’innen 2026.xlsx")
    form.country.value, form.texts.areas["A"].value = "GB", "Grüße, {name}"
    form.check.click()
    form.findings.ticks["leading zero"].value = False
    form.check.click()
    (tmp_path / "Kund’innen 2026.xlsx").write_bytes(content)
    program = f"{form.code.text}\nprint(plan.token, campaign.counts)"
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=120).stdout
    assert said.split(" ", 1) == [form.plan.token, "{'skipped': 4, 'accepted': 1}\n"]


NOTEBOOK = """
import pandas as pd
import clicknb as cn
sms = cn.sandbox()
_hidden = pd.DataFrame({"mobile": ["447700900123"]})
customers = pd.DataFrame({"mobile": ["447700900123", "447700900124"], "name": ["Ann", "Ben"]})
form = cn.forms.Campaign(sms, background=False)
"""
CHOOSING = """
assert list(form.chooser.table.options) == ["Choose a table", "customers"], form.chooser.table.options
form.chooser.table.value = "customers"
others = customers.head(1)
form.chooser.again.click()
assert "others" in form.chooser.table.options
form.texts.areas["A"].value = "Hi {name}"
form.check.click()
token = form.plan.token
exec(form.code.text)
assert (plan.token, campaign.counts) == (token, {"accepted": 2})
assert "sms.plan(customers" in form.code.text, form.code.text
again = cn.forms.Campaign(plan, background=False)
assert again.people.name == "customers"
form
"""


def test_tables_of_the_notebook_are_offered_by_their_names():
    notebook = new_notebook(cells=[new_code_cell(NOTEBOOK), new_code_cell(CHOOSING)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


# what it never shows


@pytest.mark.parametrize("payload", FEW_PAYLOADS)
def test_markup_stays_text_wherever_it_comes_from(sms, payload, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    column = payload.replace("\x00", "")  # no text file may hold one
    people = pd.DataFrame({"mobile": [ANN, "nobody", column], column: [column] * 3, "name": [column] * 3})
    form = cn.forms.Campaign(sms, background=False)
    upload(form, people.to_csv(index=False).replace("\x00", "\ufffd").encode(), f"{payload}.csv")  # zeros are refused
    assert form.last_error is None
    escaped = payload.replace("{", "{{").replace("}", "}}")
    form.texts.areas["A"].value = f"{escaped} {{name}}"
    form.name.value, form.to.value = column, "mobile"
    assert strange_markup(form.view) == []
    assert payload.replace("\x00", "\ufffd") in shown(form.view).replace("\x00", "\ufffd")
    form.check.click()
    form.texts.more.click()
    form.check.click()
    assert strange_markup(form.view) == []
    form.send.click()
    assert form.outcome.result.counts == {"skipped": 2, "accepted": 1}
    form.outcome.csv.click()
    assert strange_markup(form.view) == []
    for control in ("sender", "country", "budget"):
        form = campaign(sms, **{control: payload})
        assert strange_markup(form.view) == []


@pytest.mark.parametrize("payload", FEW_PAYLOADS)
def test_markup_in_a_reply_of_the_gateway_stays_text(payload):
    gateway = Hostile()
    gateway.payload = payload
    with in_process(gateway, Ledger(owner="sandbox"), SteppedClock()) as sms:
        form = checked(sms)
        form.send.click()
        assert form.outcome.result.counts["rejected"] == 5
        assert strange_markup(form.view) == []


def test_no_whole_number_is_shown_and_every_control_has_a_label(sms):
    people = table().assign(mobile=[ANN, "7700900124", "+447700900125", "07700 900126", "nobody"])
    form = checked(sms, people, country="GB")
    form.findings.which.value = "All rows"
    for digits in (ANN, "7700900124", "447700900125", "900126"):
        assert digits not in shown(form.view).replace(" ", "")
    form.send.click()
    assert "447700900" not in shown(form.view).replace(" ", "")
    assert unlabelled(form.view) == []
    assert repr(form) == "<Campaign form>"


def test_progress_says_how_fast_and_how_long():
    pace = sending.Speed()
    seen = [(0, 0.0), (50, 5.0), (80, 20.0), (180, 30.0)]
    assert [pace.add(done, now) for done, now in seen] == [0.0, 10.0, 2.0, 10.0]
