"""One message by itself: judged as a plan judges it, and sent once by however many callers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clicknb as cn
from clicknb import testing
from clicknb.campaign import planning, single
from clicknb.campaign.options import Options
from clicknb.errors import AlreadySent, CampaignError, CampaignStopped, InvalidInput
from clicknb.gateway.limits import MOST_PARTS
from clicknb.ledger import lock
from clicknb.ledger.records import Intent

SLOW = "27999400004"
"""A number to which the gateway replies after two seconds."""

NUMBERS = ["447700900123", "+44 7700 900124", "07700 900123", "7700900456", "4.477E+11", "12120000000", "n/a"]
TEXTS = ["", " ", "\u200b", "It\u2019s on", "Hello {name}", "half \ud83d", "word " * 31 * 36, "\U0001f44d" * 40]


def judged_alike(to, text, allow=None, **given):
    """Compare what is said of one message with what is said of a plan with only this one."""
    options = Options(name="x", to="to", text="{text}", max_parts=MOST_PARTS, **given)
    with cn.sandbox() as sms:
        sms.suppress("447700900124", sender="Shop")
        context = replace(sms.context, allow=allow)
        alone = planning.make_one(context, to, text, options)
        frame = planning.work_out(context, pd.DataFrame({"to": [to], "text": [text]}), options).frame
    planned = frame.astype("object").where(frame.notna(), None).iloc[0]
    if planned["kind"] == "rounded":  # asked of cells of a table only
        assert alone.problem is None or "00000" not in alone.problem
        return
    assert alone.problem == planned["problem"]
    if alone.problem is None:
        names = ["to", "country", "text", "encoding", "parts"]
        assert [getattr(alone, name) for name in names] == planned[names].tolist()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"country": "GB", "sender": "Shop", "substitute": True},
        {"country": "gb", "refuse": ("leading zero", "no plus")},
        {"allow": frozenset({"447700900123", "447700900456"}), "country": "GB"},
    ],
)
def test_one_message_is_judged_as_a_plan_of_one_row_judges_it(given):
    for to in NUMBERS:
        for text in TEXTS:
            judged_alike(to, text, **given)


@given(
    to=st.one_of(
        st.sampled_from(NUMBERS),
        st.from_regex(r"\+?(44|27|1)?[ 0-9().-]{4,14}", fullmatch=True),
        st.text(st.characters(codec="utf-8"), max_size=16),
    ),
    text=st.one_of(
        st.sampled_from(TEXTS),
        st.text(max_size=40),
        st.integers(0, MOST_PARTS + 2).map(lambda parts: "word " * 31 * parts),
    ),
    country=st.sampled_from([None, "GB", "za"]),
    sender=st.sampled_from(["", "Shop"]),
    substitute=st.booleans(),
    refuse=st.sampled_from([(), ("leading zero", "no plus")]),
    allow=st.sampled_from([None, frozenset({"447700900123", "447700900124"})]),
)
@settings(max_examples=200)
def test_any_message_is_judged_as_a_plan_of_one_row_judges_it(**given):
    judged_alike(**given)


@pytest.mark.parametrize("to", ["", " ", None, 447700900123, float("nan")])
def test_what_is_no_number_in_quotation_marks_is_refused(to):
    with cn.sandbox() as sms, pytest.raises(InvalidInput, match="Nothing was sent"):
        sms.send(to, "Hello")


# several callers at once


def send_at_once(sms, count, **options):
    """Send the same message from many threads; returns the frames, and how many were warned or refused."""
    frames, failures = [], []
    together = threading.Barrier(count)

    def send():
        together.wait()
        try:
            frames.append(sms.send(SLOW, "Hello", **options))
        except Exception as error:  # noqa: BLE001  asserted below
            failures.append(error)

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=send) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return frames, failures, [warning.category for warning in heard]


def test_of_several_threads_one_sends_and_the_others_get_its_row():
    with testing.server(speed=1.0) as server, testing.account(server) as sms:
        frames, failures, heard = send_at_once(sms, 6)
        assert failures == []
        assert heard == [AlreadySent] * 5
        assert [frame["state"].tolist() for frame in frames] == [["accepted"]] * 6
        assert len({frame["apimsgid"].iloc[0] for frame in frames}) == 1
        assert len(server.gateway.messages) == 1
        assert testing.check(sms, server.gateway.messages).ok


def test_of_several_who_ask_for_one_more_each_sends_one():
    with testing.server(speed=1.0) as server, testing.account(server) as sms:
        frames, failures, heard = send_at_once(sms, 3, again=True)
        assert (failures, heard) == ([], [])
        assert len({frame["apimsgid"].iloc[0] for frame in frames}) == 3
        assert testing.check(sms, server.gateway.messages).ok


def test_who_waits_for_one_that_could_not_be_sent_tries_it_and_says_so_too():
    with testing.server(credits=0) as server, testing.account(server) as sms:
        frames, failures, _ = send_at_once(sms, 3)
        assert frames == []
        assert [type(failure) for failure in failures] == [CampaignStopped] * 3
        assert sms.campaign(single.NAME).counts == {"planned": 1}


PROGRAM = """
import sys, warnings
from clicknb import testing
url, ledger, to = sys.argv[1:]
with testing.account(url, ledger=ledger) as sms, warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    print("ready", flush=True)
    sys.stdin.readline()
    print(sms.send(to, "Hello")["state"].iloc[0], *(warning.category.__name__ for warning in heard))
"""


@contextmanager
def program(server, ledger):
    """Start another program that sends the message when it is told to."""
    command = [sys.executable, "-c", PROGRAM, server.url, str(ledger), SLOW]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        yield other
        other.kill()


def tell(other):
    other.stdin.write("send\n")
    other.stdin.flush()


def wait_for_a_message(server):
    while not server.gateway.messages:
        time.sleep(0.01)


def test_of_several_programs_one_sends_and_the_others_get_its_row(tmp_path):
    ledger = tmp_path / "ledger.sqlite"
    with testing.server(speed=1.0) as server, program(server, ledger) as first, program(server, ledger) as second:
        with program(server, ledger) as third:
            for other in (first, second, third):
                tell(other)
            said = sorted(other.communicate()[0].strip() for other in (first, second, third))
        assert said == ["accepted", "accepted AlreadySent", "accepted AlreadySent"]
        assert len(server.gateway.messages) == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".lock"] == []


def test_a_sender_that_dies_leaves_its_row_in_doubt_and_nobody_waiting(tmp_path):
    ledger = tmp_path / "ledger.sqlite"
    with testing.server(speed=1.0) as server, program(server, ledger) as other:
        tell(other)
        wait_for_a_message(server)
        with testing.account(server, ledger=ledger) as sms:
            heard = []

            def send():
                with pytest.warns(AlreadySent, match="is unknown"):
                    heard.append(sms.send(SLOW, "Hello")["state"].tolist())

            thread = threading.Thread(target=send)
            thread.start()
            other.kill()
            other.wait()
            thread.join()
            assert heard == [["unknown"]]
            assert len(server.gateway.messages) == 1


def test_a_sender_that_stands_still_is_waited_for_so_long_and_then_named(tmp_path, monkeypatch):
    passed = []
    watched = SimpleNamespace(monotonic=lambda: 100.0 * len(passed), sleep=passed.append)
    monkeypatch.setattr(single, "time", watched)
    ledger = tmp_path / "ledger.sqlite"
    with testing.server(speed=1.0) as server, program(server, ledger) as other:
        tell(other)
        wait_for_a_message(server)
        with (
            testing.account(server, ledger=ledger) as sms,
            pytest.raises(CampaignError, match=rf"process {other.pid} .*Nothing was sent from here"),
        ):
            sms.send(SLOW, "Hello")
        assert len(passed) == 4  # more than five minutes
        other.communicate()
        assert len(server.gateway.messages) == 1


def test_a_row_that_a_resume_is_sending_is_waited_for_too(tmp_path, monkeypatch):
    waiting = threading.Event()
    watched = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: (waiting.set(), time.sleep(seconds)))
    monkeypatch.setattr(single, "time", watched)
    with testing.server() as server, testing.account(server, ledger=tmp_path / "ledger.sqlite") as sms:
        ledger = sms.context.ledger
        first = sms.send("447700900123", "one")
        campaign_id = ledger.campaign_id(single.NAME)
        options = Options(name=single.NAME, to="to")
        made = planning.make_one(sms.context, "447700900123", "two", options)
        row_id, _ = ledger.claim(campaign_id, single.new_row(made, options), sms.now(), again=False)
        at = int(sms.now().timestamp() * 1_000_000)
        states = []

        def send():
            with pytest.warns(AlreadySent):
                states.append(sms.send("447700900123", "two")["state"].tolist())

        with lock.sending(ledger.path, campaign_id):
            ledger.record(campaign_id, [], [Intent(row_id, 1, "0" * 32, at)])
            thread = threading.Thread(target=send)
            thread.start()
            waiting.wait()
            assert states == []
        thread.join()  # that one is gone, and nobody knows what became of it
        assert states == [["unknown"]]
        assert first["state"].tolist() == ["accepted"]
        assert len(server.gateway.messages) == 1
