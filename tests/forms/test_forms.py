"""The forms without a browser: their models, their controls, and what they never show."""

from __future__ import annotations

import warnings
from datetime import timedelta
from threading import Event

import ipywidgets as w
import nbformat
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import clicknb as cn
from clicknb import display, testing
from clicknb.clock import SteppedClock
from clicknb.errors import ClicknbError, ConfirmationNeeded, InvalidInput
from clicknb.forms.connect import ACCOUNT, Login
from clicknb.forms.kit import controls, markup
from clicknb.forms.kit.form import Form
from clicknb.forms.message import samples
from clicknb.forms.message.draft import MOST_NUMBERS, Draft
from clicknb.ledger.ledger import Ledger
from clicknb.opening import in_process
from tests.forms.browser import wait_for
from tests.forms.widgets import Hostile, shown, strange_markup, unlabelled, visible, walk
from tests.outcomes import FEW_PAYLOADS, PAYLOADS

ANN, BOB = "447700900123", "447700900124"
CANARY = "canary-hunter2"


@pytest.fixture
def sms():
    with cn.sandbox() as account:
        yield account


@pytest.fixture
def live(sms):
    """The sandbox, taken for a live account."""
    return testing.altered(sms, live=True)


def message(account, numbers=ANN, text="Hello", **more):
    form = cn.forms.Message(account, background=False)
    form.numbers.value, form.text.value = numbers, text
    for name, value in more.items():
        getattr(form, name).value = value
    return form


def sent(account):
    return [(each.to, each.text) for each in testing.messages(account)]


# the draft


@pytest.mark.parametrize(
    "pasted",
    [
        f"{ANN}\n{BOB}",
        f"{ANN}, {BOB}",
        f"{ANN};{BOB};",
        f"+{ANN} +{BOB}",
        f"{ANN} {BOB}",
        f"{ANN}\t{BOB}\r\n",
        "+44 7700 900123\n07700 900124",
        f"{ANN} | (0)7700-900124",
        f"{ANN},{BOB},{ANN}",
    ],
)
def test_numbers_are_read_however_they_are_pasted(pasted):
    assert Draft(numbers=pasted, country="GB").to == [ANN, BOB]


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=3))
def test_whatever_is_written_can_be_judged(numbers, text, country):
    draft = Draft(numbers=numbers, text=text, country=country)
    assert all(isinstance(problem, str) for problem in draft.problems())
    if not draft.problems():
        compile(draft.code(None), "code", "exec")


@pytest.mark.parametrize(
    ("draft", "problem"),
    [
        (Draft(text="Hi"), "Write a number."),
        (Draft(numbers=ANN), "Write a text."),
        (Draft(numbers=f"{ANN} abc", text="Hi"), "Correct or remove 1 of the 1 numbers."),
        (Draft(numbers=ANN, text="Hi", country="XX"), "'XX' is no country code."),
        (Draft(numbers=ANN, text="\ud83d"), "half a surrogate pair"),
        (Draft(numbers=ANN, text="é" * 160 * 40), "Shorten the text"),
        (Draft(numbers=" ".join(f"+4477009{n:05d}" for n in range(200, 302)), text="Hi"), f"at most {MOST_NUMBERS}"),
    ],
)
def test_what_stands_in_the_way_is_said(draft, problem):
    assert problem in " ".join(draft.problems())


def test_the_offending_character_is_named_with_its_place():
    assert "Because of ’ (RIGHT SINGLE QUOTATION MARK), character 3." in Draft(text="It’s on").counted()


def test_the_same_message_has_the_same_name_and_another_one_another(sms):
    names = {Draft(numbers=numbers, text="Hi").plan(sms).name for numbers in (f"{ANN},{BOB}", f"{BOB}\n{ANN}")}
    assert len(names) == 1
    assert Draft(numbers=f"{ANN},{BOB}", text="Ho").plan(sms).name not in names


# the message form


def test_a_message_is_checked_and_then_sent(sms):
    form = message(sms, text="Hi {x} it’s <b>on</b>")
    assert form.send.disabled
    assert "Unicode (UCS-2): 1 part" in shown(form.view)
    form.check.click()
    assert sent(sms) == []
    assert "at least 0.8 credits" in shown(form.view)
    assert "at most 999.2 credits" in shown(form.view)
    form.send.click()
    assert sent(sms) == [(ANN, "Hi {x} it’s <b>on</b>")]
    assert form.sends["state"].tolist() == ["accepted"]
    assert "1 accepted" in shown(form.view)
    assert ANN not in shown(form.view)
    assert form.last_error is None


def test_several_numbers_each_get_it_once(sms):
    form = message(sms, f"{ANN}, {BOB}, {ANN}", "100 % {sure} +1")
    form.check.click()
    form.send.click()
    assert sorted(sent(sms)) == [(ANN, "100 % {sure} +1"), (BOB, "100 % {sure} +1")]
    assert testing.check(sms).ok


@pytest.mark.parametrize("numbers", [ANN, f"{ANN},{BOB}"])
def test_the_same_message_is_not_sent_twice_unless_wanted(sms, numbers):
    expected = len(numbers.split(","))
    for again, before, total in (
        (False, False, 1),
        (False, True, 1),
        (True, False, 2),
        (True, False, 3),
        (False, True, 3),
    ):
        form = message(sms, numbers, again=again)
        form.check.click()
        form.send.click()
        assert len(sent(sms)) == total * expected
        assert ("before and not now" in shown(form.view) or "Nothing was sent now" in shown(form.view)) is before


def test_a_change_after_the_check_needs_another_check(sms):
    form = message(sms)
    form.check.click()
    assert not form.send.disabled
    form.text.value = "Hello!"
    assert form.send.disabled
    form.send.click()  # as no browser would
    assert isinstance(form.last_error, InvalidInput)
    assert "was not checked" in shown(form.view)
    assert sent(sms) == []


def test_the_next_message_begins_empty_with_the_same_sender(sms):
    form = message(sms, sender="Shop")
    form.check.click()
    form.send.click()
    assert form.numbers not in set(visible(form.view))
    form.another.click()
    assert form.numbers in set(visible(form.view))
    assert (form.numbers.value, form.text.value, form.sender.value, form.sends) == ("", "", "Shop", None)


def test_it_is_delivered_when_wanted(sms):
    when = sms.now() + timedelta(hours=5)
    form = message(sms, at=when)
    form.check.click()
    form.send.click()
    assert form.sends["state"].tolist() == ["accepted"]
    form = message(sms, text="Too late", at=when + timedelta(days=8))
    form.check.click()
    assert isinstance(form.last_error, InvalidInput)
    assert "7 days" in shown(form.view)
    assert len(sent(sms)) == 1


def test_a_live_account_needs_its_token(live):
    form = message(live)
    assert form.confirm not in set(visible(form.view))
    form.check.click()
    assert form.confirm in set(visible(form.view))
    assert form.send.disabled
    form.send.click()
    assert isinstance(form.last_error, ConfirmationNeeded)
    form.confirm.value = "0000-0000"
    assert form.send.disabled
    assert sent(live) == []
    form.confirm.value = form.plan.token.lower()
    assert not form.send.disabled
    form.send.click()
    assert sent(live) == [(ANN, "Hello")]


def test_a_live_account_is_framed_and_named(live, sms):
    form = message(live)
    assert "LIVE account of sandbox" in shown(form.view)
    assert "cost money" in shown(form.view)
    assert form.view.layout.border_top == markup.LIVE_FRAME


def test_the_sandbox_is_calm(sms):
    form = message(sms)
    assert "Nothing leaves this machine" in shown(form.view)
    assert "LIVE" not in shown(form.view)
    assert form.view.layout.border_top == "none"


def test_a_lost_reply_is_shown_as_unknown(sms):
    lost = next(number for number, row in sms.numbers().iterrows() if "reply lost" in " ".join(row))
    form = message(sms, lost)
    form.check.click()
    form.send.click()
    assert "1 unknown" in shown(form.view)
    assert "Do not send it again" in shown(form.view)


def test_no_credit_is_explained_and_nothing_is_lost():
    with cn.sandbox(credits=0) as sms:
        form = message(sms, f"{ANN},{BOB}")
        form.check.click()
        form.send.click()
        assert isinstance(form.last_error, ClicknbError)
        assert "2 planned" in shown(form.view)
        assert form.send in set(visible(form.view))
        assert not form.send.disabled


def test_work_goes_on_in_a_thread_and_can_be_cancelled(sms):
    form = message(sms)
    form.background = True
    begun, stopped = Event(), Event()

    def job(task):
        begun.set()
        assert task.stop.wait(30)
        return task.cancelled

    form.run(job, lambda cancelled: stopped.set() if cancelled else None, says="Working", stop=lambda: None)
    assert begun.wait(30)
    assert form.busy
    assert form.check.disabled
    assert "Working" in shown(form.view)
    form.check.click()
    assert "still at work" in shown(form.view)
    form.cancel()
    form.wait(30)
    assert stopped.is_set()
    assert not form.busy
    assert not form.check.disabled


def test_a_message_is_sent_from_the_thread(sms):
    form = message(sms)
    form.background = True
    form.check.click()
    form.wait(30)
    form.send.click()
    form.wait(30)
    assert sent(sms) == [(ANN, "Hello")]
    assert "1 accepted" in shown(form.view)


def test_sending_is_cancelled_half_way_and_goes_on(tmp_path):
    numbers = [f"4477009{n:05d}" for n in range(100, 130)]
    with testing.server() as server, testing.account(server, rate=5) as sms:
        form = message(sms, "\n".join(numbers))
        form.check.click()
        form.background = True
        form.send.click()
        wait_for(lambda: server.gateway.messages, "the first message")
        form.cancel()
        form.wait(60)
        assert 0 < len(server.gateway.messages) < len(numbers)
        assert "paused by the user" in shown(form.view)
        assert "planned" in shown(form.view)
        form.send.click()
        form.wait(60)
        assert sorted(each.to for each in server.gateway.messages) == numbers
        assert testing.check(sms, server.gateway.messages).ok


def test_a_form_opens_filled(sms):
    form = cn.forms.Message(sms, Draft(numbers=ANN, text="Hello", sender="Shop"), background=False)
    assert (form.numbers.value, form.text.value, form.sender.value) == (ANN, "Hello", "Shop")
    assert not form.check.disabled


# the guard


class Broken(Form):
    title = "Broken"

    def __init__(self, account, error):
        super().__init__(account, background=False)
        self.button, self.field = controls.button("Break"), controls.text("Field")
        self.error = error
        self.on_click(self.button, self.fail)
        self.on_change(self.field, self.fail)
        self.lay_out(self.button, self.field)

    def fail(self):
        raise self.error


@pytest.mark.parametrize("error", [ValueError(f"<b>{ANN}</b>"), InvalidInput("<b>Nothing</b> was sent.")])
def test_an_error_in_a_callback_is_shown_escaped_and_masked_and_kept(sms, error):
    form = Broken(sms, error)
    for act in (form.button.click, lambda: setattr(form.field, "value", "x")):
        form.last_error = None
        act()
        assert form.last_error is error
        assert "<b>" in shown(form.view)
        assert ANN not in shown(form.view)
        assert strange_markup(form.view) == []


def test_an_error_is_cleared_by_the_next_action(sms):
    form = Broken(sms, ValueError("broken"))
    form.button.click()
    form.fail = lambda: None
    form.on_click(good := controls.button("Good"), form.fail)
    good.click()
    assert form.last_error is None
    assert "broken" not in shown(form.view)


# the code


def run_code(code):
    found: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, "form", "exec"), found)
    return found


@pytest.mark.parametrize("text", ["Hello", "a \"b\" 'c' \\ {d} }e{", "it’s\non 🙂 \u202e", "x" * 900])
def test_the_code_makes_the_same_plan(sms, text):
    form = message(sms, f"{ANN} {BOB}", text, sender="Shop")
    form.check.click()
    found = run_code(form.code.text)
    assert found["plan"].token == form.plan.token
    assert testing.messages(found["sms"])[0].text == text


def test_the_code_of_one_number_sends_it(sms):
    form = message(sms, "07700 900123", 'Say "yes"', country="GB", sender="Shop")
    found = run_code(form.code.text)
    assert [(each.to, each.text) for each in testing.messages(found["sms"])] == [(ANN, 'Say "yes"')]


@pytest.mark.parametrize("numbers", ["+{0}", "+{0} {1}"])
def test_a_number_that_ends_in_zeros_is_asked_about_once(sms, numbers):
    zeros = "447700" + 6 * "0"  # as a spreadsheet could have rounded one
    form = message(sms, numbers.format(zeros, ANN))
    form.check.click()
    found = run_code(form.code.text)
    form.send.click()
    assert zeros in {to for to, _ in sent(sms)}
    assert zeros in {each.to for each in testing.messages(found["sms"])}


def test_the_code_of_a_scheduled_message_runs(sms):
    form = message(sms, at=sms.now() + timedelta(hours=5))
    assert run_code(form.code.text)["campaign"].counts == {"accepted": 1}


def test_the_code_names_no_secret_and_opens_the_same_ledger():
    with testing.server() as server, testing.account(server) as account:
        form = message(account)
        assert "password" not in form.code.text
        assert server.url in form.code.text
        assert str(account.context.ledger.path) in form.code.text


def test_the_code_cannot_be_edited_and_is_shown_on_demand(sms):
    form = message(sms)
    code = form.code.text
    assert form.code.area not in set(visible(form.view))
    toggle = next(each for each in walk(form.view) if isinstance(each, w.ToggleButton))
    toggle.value = True
    assert form.code.area in set(visible(form.view))
    form.code.area.value = "something else"
    assert form.code.area.value == code


def test_the_raw_call_is_shown_in_other_languages(sms):
    form = message(sms, sender="Shop")
    for language in samples.languages():
        form.language.value = language
        assert form.code.text == samples.render(language, to=ANN, text="Hello", sender="Shop")


# connecting


def test_the_sandbox_is_opened():
    form = cn.forms.Connect(background=False)
    form.open.click()
    assert form.account.balance() == 1000
    assert "Balance: 1,000 credits" in shown(form.view)


def credentials(form, user="sandbox", password="sandbox", api_id="1"):
    form.where.value = ACCOUNT
    form.user.value, form.password.value, form.api_id.value = user, password, api_id


def test_an_account_is_opened_and_its_fields_are_empty_at_once(tmp_path):
    with testing.server() as server:
        opened = []
        ledger = tmp_path / "ledger.sqlite"
        form = cn.forms.Connect(opened.append, background=False, base_url=server.url, ledger=ledger)
        credentials(form)
        assert [form.user.value, form.password.value, form.api_id.value] == ["", "", ""]
        assert "password" in shown(form.view)
        form.open.click()
        assert form.last_error is None
        assert opened == [form.account]
        assert not form.account.live
        assert form.login.given == {}
        form.account.close()


def test_wrong_credentials_are_explained(tmp_path):
    with testing.server() as server:
        form = cn.forms.Connect(background=False, base_url=server.url, ledger=tmp_path / "ledger.sqlite")
        credentials(form, password=CANARY)
        form.open.click()
        assert form.account is None
        assert "001" in shown(form.view)
        assert CANARY not in everything(form)
        assert list(tmp_path.iterdir()) == []  # no ledger that is called by what was written into a wrong field
        form.password.value = "sandbox"  # the others are still known
        form.open.click()
        assert form.last_error is None
        form.account.close()


def test_missing_credentials_are_named_before_anything_is_contacted():
    form = cn.forms.Connect(background=False)
    form.where.value = ACCOUNT
    form.user.value = "ann"
    form.open.click()
    assert "Missing: password, API ID. Nothing was contacted" in shown(form.view)


def everything(form):
    """All that a form holds in its controls or says of itself."""
    states = [str(each.get_state()) for each in walk(form.view)]
    return "\n".join([*states, repr(form), repr(vars(form)), str(form.last_error), form.code.text])


def test_a_secret_is_in_no_control():
    form = cn.forms.Connect(background=False)
    credentials(form, CANARY, CANARY, CANARY)
    assert CANARY not in everything(form)
    assert CANARY not in repr(Login({"password": form.login.given["password"]}))


CONNECTING = """
import os
import clicknb as cn
form = cn.forms.Connect(background=False, base_url=os.environ["GATEWAY"], ledger=os.environ["LEDGER"])
form
"""
DRIVING = """
from clicknb.forms.connect import ACCOUNT
form.where.value = ACCOUNT
form.user.value = form.password.value = form.api_id.value = os.environ["CANARY"]
form.open.click()
failed = form.last_error
form.user.value, form.password.value, form.api_id.value = "sandbox", os.environ["TRUTH"], "1"
form.open.click()
console = cn.forms.Message(form.account, background=False)
console.numbers.value, console.text.value = "447700900123", "Hello"
console.check.click()
console.send.click()
monitor = cn.forms.Monitor(form.account, background=False)
monitor.watch.click()
os.environ["CLICKATELL_BASE_URL"], os.environ["CLICKATELL_LEDGER"] = os.environ["GATEWAY"], os.environ["LEDGER"]
page = cn.form(background=False)
page.forms[0].where.value = ACCOUNT
for field in (page.forms[0].user, page.forms[0].password, page.forms[0].api_id):
    field.value = os.environ["CANARY"]
page.forms[0].open.click()
refused = page.forms[0].last_error
page.forms[0].password.value, page.forms[0].user.value, page.forms[0].api_id.value = os.environ["TRUTH"], "sandbox", "1"
page.forms[0].open.click()
[failed, form.last_error, console, monitor, monitor.last_error, page, refused]
"""


@pytest.mark.slow
def test_a_saved_notebook_holds_no_secret(tmp_path, monkeypatch):
    truth = "truth-hunter3"
    with testing.server(password=truth) as server:
        given = {"CANARY": CANARY, "TRUTH": truth, "GATEWAY": server.url, "LEDGER": str(tmp_path / "ledger.sqlite")}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        notebook = new_notebook(cells=[new_code_cell(CONNECTING), new_code_cell(DRIVING)])
        NotebookClient(notebook, timeout=120, kernel_name="python3", store_widget_state=True).execute()
        assert len(server.gateway.messages) == 1
    saved = nbformat.writes(notebook)
    assert "DescriptionStyleModel" in saved
    assert "001" in saved
    assert "ImageModel" in saved
    assert "Message, Campaign, Monitor, Connect" in saved
    assert [secret for secret in (CANARY, truth) if secret in saved] == []


# all of them


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_piece_that_forms_are_made_of_lets_markup_through(payload):
    plain = payload.replace("\x00", "\ufffd")
    made = {
        "line": markup.line(payload),
        "heading": controls.heading(payload).value,
        "notice": markup.notice("error", payload),
        "bubbles": markup.bubbles([payload, payload], payload),
        "table": markup.table(pd.DataFrame({payload: [payload]}, index=[payload])),
        "panel": display.panel(payload, [(payload, payload)], payload),
    }
    for name, html in made.items():
        view = w.HTML(html)
        assert strange_markup(view) == [], name
        assert plain[:20] in shown(view).replace("\x00", "\ufffd"), name


@pytest.mark.parametrize("payload", FEW_PAYLOADS)
def test_markup_stays_text_wherever_it_comes_from(sms, payload):
    form = message(sms, f"{ANN}\n{payload}", payload, sender=payload, country=payload)
    assert strange_markup(form.view) == []
    form.country.value = ""
    assert strange_markup(form.view) == []
    form.numbers.value = ANN
    assert payload.replace("\x00", "\ufffd") in shown(form.view).replace("\x00", "\ufffd")
    form.check.click()
    form.sender.value = ""
    form.check.click()
    form.send.click()
    assert strange_markup(form.view) == []


@pytest.mark.parametrize("numbers", [ANN, f"{ANN},{BOB}"])
@pytest.mark.parametrize("payload", FEW_PAYLOADS)
def test_markup_in_a_reply_of_the_gateway_stays_text(payload, numbers):
    gateway = Hostile()
    gateway.payload = payload
    with in_process(gateway, Ledger(owner="sandbox"), SteppedClock()) as sms:
        form = message(sms, numbers)
        form.check.click()
        form.send.click()
        assert form.sends["state"].tolist() == ["rejected"] * len(form.sends)
        assert strange_markup(form.view) == []


def test_every_control_has_a_label(sms):
    forms = [cn.forms.Message(sms), cn.forms.Connect(), cn.forms.Monitor(sms), cn.form(sms)]
    assert [unlabelled(form.view) for form in forms] == [[], [], [], []]


def test_a_form_says_little_of_itself(sms):
    form = message(sms, text="A private text")
    assert repr(form) == "<Message form>"
    bundle = form._repr_mimebundle_()
    assert bundle["text/plain"] == "<Message form>"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "private" not in repr(form.view)
    assert repr(cn.form(sms)) == "<Console: Message, Campaign, Monitor, Connect>"


def test_the_console_begins_by_connecting_and_then_shows_the_others():
    console = cn.form(background=False)
    assert repr(console) == "<Console: Connect>"
    console.forms[0].open.click()
    assert repr(console) == "<Console: Message, Campaign, Monitor, Connect>"
    assert console.account.balance() == 1000
    assert {form.account for form in console.forms} == {console.account}


def test_the_console_opens_another_account_and_leaves_nothing_at_work(sms):
    console = cn.form(sms, background=False)
    old = console.forms[:-1]
    console.forms[-1].open.click()
    assert console.account is not sms
    assert repr(console) == "<Console: Message, Campaign, Monitor, Connect>"
    assert {form.account for form in console.forms} == {console.account}
    assert not set(old) & set(console.forms)
    assert {form.view.comm for form in old} == {None}


def test_turning_to_a_tab_shows_what_was_sent_elsewhere(sms):
    console = cn.form(sms, background=False)
    _, _, monitor, _ = console.forms
    assert "no campaign in this ledger yet" in shown(monitor.view)
    sms.send(ANN, "Hello")
    console.view.children[0].selected_index = 2
    assert "Campaign single messages" in shown(monitor.view)


def test_forms_need_no_custom_controls():
    with cn.sandbox() as sms:
        drawn = [*walk(cn.form(sms).view), *walk(cn.form().view)]
    assert {each._model_module for each in drawn} <= {"@jupyter-widgets/controls", "@jupyter-widgets/base"}
    assert not [each for each in drawn if isinstance(each, w.Output)]
