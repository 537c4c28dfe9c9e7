"""Watching campaigns: what is seen of them, what can be done, and the form before them, without a browser."""

from __future__ import annotations

import csv
import io
import re
import warnings
from base64 import b64decode
from dataclasses import replace
from threading import Event

import ipywidgets as w
import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.campaign import track
from clicknb.clock import RealClock, SteppedClock
from clicknb.errors import AccountError, CampaignError, CampaignStopped
from clicknb.forms.kit import download
from clicknb.forms.monitor import snapshot
from clicknb.ledger.ledger import Ledger
from clicknb.opening import in_process
from clicknb.simulator import Gateway
from tests.forms.browser import wait_for
from tests.forms.widgets import Hostile, shown, strange_markup, visible, walk
from tests.outcomes import FEW_PAYLOADS, PAYLOADS

ANN, BOB = "447700900123", "447700900124"
LOST, NO_ROUTE, TOMORROW = "27999400003", "27999100114", "27999301440"
DELIVERED = "27999200004"
PNG = b"\x89PNG"


@pytest.fixture
def sms():
    with cn.sandbox() as account:
        yield account


def send(account, numbers, name="check-ups", text="Hello", **options):
    people = pd.DataFrame({"to": numbers})
    return account.plan(people, to="to", text=text, name=name, **options).send(progress=False)


def monitor(account, *arguments):
    return cn.forms.Monitor(account, *arguments, background=False)


# what is seen


def test_without_a_campaign_it_says_so_and_offers_nothing(sms):
    form = monitor(sms)
    assert "no campaign in this ledger yet" in shown(form.view)
    assert form.watch not in set(visible(form.view))
    assert form.last_error is None


def test_the_newest_campaign_is_shown_and_any_can_be_chosen(sms):
    send(sms, [ANN], "first")
    sms.wait(60)
    send(sms, [ANN, BOB], "second")
    form = monitor(sms)
    assert form.sight.name == "second"
    form.campaign.value = "first"
    assert form.sight.name == "first"
    assert "Campaign first" in shown(form.view)
    assert monitor(sms, "first").sight.name == "first"
    with pytest.raises(CampaignError, match="no campaign 'third'"):
        monitor(sms, "third")


def test_a_campaign_that_has_come_since_is_chosen_and_else_the_choice_stays(sms):
    send(sms, [ANN], "first")
    sms.wait(60)
    send(sms, [ANN], "second")
    form = monitor(sms, "first")
    form.enter()
    assert form.sight.name == "first"
    sms.wait(60)
    send(sms, [ANN], "third")
    form.enter()
    assert form.sight.name == "third"


def test_nothing_is_asked_until_somebody_asks(sms):
    send(sms, [DELIVERED])
    sms.wait(3600)
    form = monitor(sms)
    assert form.sight.counts == {"pending": 1}
    assert "not asked yet" in shown(form.view)
    form.ask.click()
    assert form.sight.counts == {"delivered": 1}
    assert f"Balance of the account: {sms.balance():g} credits" in shown(form.view)


def test_a_watch_ends_by_itself_when_all_is_final(sms):
    campaign = send(sms, [DELIVERED, "27999200007", "27999300010"])
    form = monitor(sms)
    form.watch.click()
    assert form.sight.counts == {"delivered": 2, "failed": 1}
    assert "Every accepted message has its final status" in shown(form.view)
    assert form.watch.description == "Watch"
    assert form.sight.groups.equals(campaign.summary(by="country"))
    assert form.sight.reasons.equals(campaign.reasons())
    assert form.sight.costs.equals(campaign.residuals())
    assert bytes(form.figure.value).startswith(PNG)


def test_a_watch_of_what_never_becomes_final_has_an_end(sms):
    send(sms, ["27999200003"])
    form = monitor(sms)
    form.watch.click()
    assert form.sight.counts == {"at_network": 1}
    assert "some never get one" in shown(form.view)


def test_it_asks_less_and_less_often(sms, monkeypatch):
    send(sms, ["27999300060"])
    pauses = []
    clock = sms.context.clock
    sleep = clock.sleep
    monkeypatch.setattr(clock, "sleep", lambda seconds, wake=None: (pauses.append(seconds), sleep(seconds)))
    monitor(sms).watch.click()
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2.0, track.LONGEST_PAUSE)


def test_groups_can_be_chosen(sms):
    send(sms, [ANN, "33639980000"])
    form = monitor(sms)
    form.by.value = "parts"
    assert "By parts" in shown(form.view)
    assert form.code.text.count('by="parts"') == 2
    form.by.value = "country"
    assert form.sight.groups.index.tolist() == ["FR", "GB", "all"]
    assert "By country" in shown(form.view)


def test_a_picture_is_drawn_again_only_if_something_has_changed(sms, monkeypatch):
    send(sms, [DELIVERED])
    drawn = []
    draw = snapshot.draw
    monkeypatch.setattr(snapshot, "draw", lambda *given: (drawn.append(given), draw(*given))[1])
    form = monitor(sms)
    picture = form.figure
    first = bytes(picture.value)
    form.ask.click()
    before = len(drawn)
    form.ask.click()
    assert len(drawn) == before
    form.watch.click()
    assert len(drawn) > before
    assert form.figure is picture
    assert bytes(picture.value) != first


def test_a_look_that_finds_nothing_new_shows_what_was_seen_before(sms):
    send(sms, [TOMORROW])
    form = monitor(sms)
    form.ask.click()
    seen, tables = form.sight, form.tables.value
    form.tables.value = "as it was"
    form.ask.click()
    assert form.sight is seen
    assert form.tables.value == "as it was"
    form.by.value = "parts"
    assert form.tables.value not in {tables, "as it was"}


def test_numbers_and_texts_are_nowhere(sms):
    send(sms, [ANN, LOST, NO_ROUTE], f"call {ANN}", text="A private text")
    form = monitor(sms)
    form.watch.click()
    states = "\n".join(str(each.get_state()) for each in walk(form.view) if each is not form.code.area)
    assert [secret for secret in (ANN, LOST, NO_ROUTE, "private") if secret in states] == []
    assert "private" not in repr(form.sight)


# what can be done


def test_what_is_in_doubt_is_reconciled(sms):
    send(sms, [ANN, LOST])
    form = monitor(sms)
    assert "1 message is in doubt" in shown(form.view)
    form.reconcile.click()
    assert "1 of 1 in doubt are settled" in shown(form.view)
    assert form.sight.counts == {"pending": 2}
    assert form.reconcile not in set(visible(form.view))


def half_sent(sms):
    """A campaign of three of which one has left."""
    people = pd.DataFrame({"to": [TOMORROW, ANN, BOB]})
    plan = sms.plan(people, to="to", text="Hello", name="check-ups")
    plan.at(replace(sms.context, allow=frozenset([TOMORROW]))).send(progress=False)


def test_what_has_not_left_is_sent_after_a_second_click(sms):
    half_sent(sms)
    form = monitor(sms)
    assert "2 messages have not left yet" in shown(form.view)
    form.resume.click()
    assert len(testing.messages(sms)) == 1
    assert "2 messages leave now, to the sandbox for at least 1.6 credits" in shown(form.view)
    assert form.yes.description == "Yes, send them"
    form.no.click()
    assert form.yes not in set(visible(form.view))
    assert len(testing.messages(sms)) == 1
    form.resume.click()
    form.yes.click()
    assert sorted(each.to for each in testing.messages(sms)) == sorted([TOMORROW, ANN, BOB])
    assert testing.check(sms).ok
    assert form.resume not in set(visible(form.view))


def test_cancelling_needs_a_second_click_and_says_what_it_means(sms):
    half_sent(sms)
    form = monitor(sms)
    form.stop.click()
    said = shown(form.view)
    assert "2 messages that have not left will never be sent" in said
    assert "asked to stop 1 message that it may still hold" in said
    assert "cannot be undone" in said
    assert form.sight.waiting == 2
    form.yes.click()
    assert form.sight.waiting == 0
    assert form.sight.counts["skipped"] == 2
    assert len(testing.messages(sms)) == 1
    form.yes.click()  # as no browser would: nothing was asked
    assert form.last_error is None


def test_what_the_gateway_defers_is_cancelled(sms):
    people = pd.DataFrame({"to": [ANN, BOB]})
    when = sms.now() + pd.Timedelta(hours=5)
    sms.plan(people, to="to", text="Hello", name="later").send(at=when, progress=False)
    form = monitor(sms)
    form.ask.click()
    form.stop.click()
    form.yes.click()
    assert form.sight.counts == {"cancelled": 2}
    assert "2 are cancelled." in shown(form.view)
    assert form.stop not in set(visible(form.view))


def test_why_sending_stopped_is_said():
    with cn.sandbox(credits=1) as sms:
        with pytest.raises(CampaignStopped):
            send(sms, [ANN, BOB])
        form = monitor(sms)
        assert "Sending stopped: " in shown(form.view)
        form.resume.click()
        form.yes.click()
        assert isinstance(form.last_error, CampaignStopped)
        assert "Nobody gets a message twice" not in shown(form.view)


# in the background


@pytest.fixture
def slow():
    """An account at a gateway whose time hardly passes, so that nothing becomes final."""
    with testing.server(speed=1) as server, testing.account(server) as account:
        yield account


def watching(account):
    form = cn.forms.Monitor(account)
    form.watch.click()
    wait_for(lambda: form.balance is not None, "the first look")
    return form


def test_a_watch_is_stopped_at_once(slow, monkeypatch):
    monkeypatch.setattr(RealClock, "sleep", lambda clock, seconds, wake=None: (wake or Event()).wait(600))
    send(slow, [TOMORROW])
    form = watching(slow)
    assert form.watch.description == "Stop watching"
    assert not form.watch.disabled
    assert "Watching: 1 not final yet" in shown(form.view)
    form.watch.click()
    form.wait(60)  # in the midst of a pause of ten minutes
    assert "No longer watching" in shown(form.view)
    assert form.watch.description == "Watch"


def test_a_watch_gives_way_to_what_somebody_wants(slow):
    half_sent(slow)
    form = watching(slow)
    assert not form.stop.disabled
    form.stop.click()
    form.yes.click()
    wait_for(lambda: form.sight.counts.get("skipped") == 2 and not form.busy, "the campaign to be cancelled")
    assert form.last_error is None
    assert form.watch.description == "Watch"


def test_another_campaign_can_be_chosen_during_a_watch(slow):
    send(slow, [TOMORROW], "first")
    send(slow, [TOMORROW], "second")
    form = watching(slow)
    other = next(name for _, name in form.campaign.options if name != form.sight.name)
    form.campaign.value = other
    wait_for(lambda: form.sight.name == other and not form.busy, "the other campaign")
    assert form.last_error is None


class Angry(Gateway):
    """A gateway that can begin to refuse the account."""

    angry = False

    def answer(self, place, body, now):
        refusal = (200, {}, b"ERR: 001, Authentication failed\n")
        return refusal if self.angry else super().answer(place, body, now)


@pytest.mark.parametrize("question", ["statuses", "balance"])
def test_a_watch_goes_on_when_the_gateway_was_out_of_reach(question, sms, monkeypatch):
    send(sms, [DELIVERED])
    form, said = monitor(sms), []
    place, name = (track, "refresh") if question == "statuses" else (sms, "balance")
    ask, away = getattr(place, name), iter([cn.errors.NotSent("The gateway is away.")])

    def stumble(*given):
        for error in away:
            raise error
        return ask(*given)

    monkeypatch.setattr(place, name, stumble)
    form.doing.observe(lambda change: said.append(change["new"]), "value")
    form.watch.click()
    assert form.last_error is None
    assert any("The gateway is away." in words for words in said)
    assert "The gateway is away." not in said[-2]
    assert "Every accepted message has its final status" in shown(form.view)


def test_a_watch_ends_where_the_account_is_refused():
    gateway = Angry()
    with in_process(gateway, Ledger(owner="sandbox"), SteppedClock()) as sms:
        send(sms, [DELIVERED])
        form = monitor(sms)
        gateway.angry = True
        form.watch.click()
        assert isinstance(form.last_error, AccountError)
        assert "001" in shown(form.view)
        assert form.watch.description == "Watch"
        assert not form.watch.disabled


# the record


def test_the_record_is_saved_beside_the_notebook_and_nothing_is_overwritten(sms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    campaign = send(sms, [ANN, BOB], "check-ups")
    form = monitor(sms)
    form.csv.click()
    form.csv.click()
    form.excel.click()
    assert {path.name for path in tmp_path.iterdir()} == {"check-ups.csv", "check-ups-2.csv", "check-ups.xlsx"}
    assert "2 rows with whole numbers and texts are in check-ups.xlsx" in shown(form.view)
    back = cn.export.read_csv("check-ups-2.csv")
    assert back["to"].tolist() == campaign.outcomes["to"].tolist()


def test_on_a_page_the_record_is_a_link_that_goes_with_the_next_click(sms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    send(sms, [ANN])
    form = monitor(sms)
    form.csv.click()
    found = re.search(r'href="data:text/csv;base64,([^"]+)" download="([^"]+)"', form.notice.value)
    rows = list(csv.DictReader(io.StringIO(b64decode(found[1]).decode("utf-8-sig"))))
    assert (found[2], rows[0]["to"]) == ("check-ups.csv", f"'{ANN}")
    assert list(tmp_path.iterdir()) == []
    form.ask.click()
    assert "base64" not in form.notice.value


@pytest.mark.parametrize("payload", [*PAYLOADS, "../../etc/passwd", "C:\\x", "a" * 300, "…", f"to {ANN}"])
@pytest.mark.parametrize("page", [False, True])
def test_a_file_is_named_harmlessly_whatever_the_campaign_is_called(payload, page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if page:
        monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    html = download.hand_over(pd.DataFrame({"a": ["1"]}), payload, "csv")
    name = download.file_name(payload, "csv")
    assert re.fullmatch(r"[\w-]{1,60}\.csv", name)
    assert ANN not in name
    assert [path.name for path in tmp_path.iterdir()] == ([] if page else [name])
    assert html.count("<") == html.count("</") * 2


# the code


def run_code(code):
    found: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, "form", "exec"), found)
    return found


def test_the_code_does_the_same(tmp_path, capsys):
    with cn.sandbox(tmp_path) as sms:
        send(sms, [DELIVERED, "27999200007"])
        form = monitor(sms)
        form.by.value = "parts"
        code = form.code.text
        assert code.count("campaign.cancel()") == 1
        form.watch.click()
    found = run_code(code)
    assert found["campaign"].outcomes.equals(form.sight.outcomes)
    assert found["campaign"].summary(by="parts").equals(form.sight.groups)
    found["sms"].close()


@pytest.mark.parametrize("name", ['it\'s "quoted"', "back\\slash {x}", "🙂"])
def test_the_code_names_any_campaign(tmp_path, name):
    with cn.sandbox(tmp_path) as sms:
        send(sms, [DELIVERED], name)
        code = monitor(sms).code.text
    found = run_code(code)
    assert found["campaign"].name == name
    found["sms"].close()


# what comes from strangers


@pytest.mark.parametrize("payload", FEW_PAYLOADS)
def test_markup_stays_text_wherever_it_comes_from(payload):
    gateway = Hostile()
    gateway.payload = payload
    plain = payload.replace("\x00", "")
    with in_process(gateway, Ledger(owner="sandbox"), SteppedClock()) as sms:
        variants = {"<b>A</b>": payload, plain: f"{payload}!"}
        people = pd.DataFrame({"to": [ANN, BOB]})
        plan = sms.plan(people, to="to", variants={key: _braced(text) for key, text in variants.items()}, name=plain)
        plan.at(replace(sms.context, allow=frozenset([ANN]))).send(progress=False)
        sms.context.ledger.stop(sms.campaign(plain).id, payload)
        form = monitor(sms)
        form.by.value = "variant"
        form.ask.click()
        assert form.last_error is None
        assert form.sight.counts == {"rejected": 1, "planned": 1}
        assert "Sending stopped: " in shown(form.view)
        form.stop.click()
        assert strange_markup(form.view) == []
        assert "refused by the gateway" in shown(form.view)


def _braced(text):
    return text.replace("{", "{{").replace("}", "}}")


def test_the_console_watches_too_and_needs_no_custom_controls(sms):
    send(sms, [ANN])
    controls = [*walk(cn.form(sms).view)]
    assert {each._model_module for each in controls} <= {"@jupyter-widgets/controls", "@jupyter-widgets/base"}
    assert [each for each in controls if isinstance(each, w.Image)]
