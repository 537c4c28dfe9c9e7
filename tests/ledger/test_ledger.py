"""The ledger's file: one sender at a time, damage that is noticed, versions, copies and forgetting."""

from __future__ import annotations

import errno
import gc
import logging
import os
import queue
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import clicknb as cn
from clicknb import testing
from clicknb.clock import START, SteppedClock
from clicknb.errors import CampaignError, ClicknbError, InvalidInput, LedgerError
from clicknb.ledger import examination, lock, maintenance, sqlite, statements, tables
from clicknb.ledger.ledger import Ledger
from clicknb.opening import in_process
from clicknb.simulator import Gateway

PEOPLE = pd.DataFrame({"to": [f"44770090{number:04d}" for number in range(40)], "name": "Ann"})


def plan(sms, name="x", people=PEOPLE, text="Hi {name}"):
    return sms.plan(people, to="to", text=text, name=name)


def half_sent(directory):
    """Make a ledger of forty rows, of which twenty messages were sent and twenty are planned."""
    with cn.sandbox(directory) as sms:
        plan(sms).send(progress=False).track(progress=False)
    path = directory / "ledger.sqlite"
    other = sqlite3.connect(path)
    with other:
        other.execute("DELETE FROM events WHERE row_id > 20")
        other.execute("DELETE FROM attempts WHERE row_id > 20")
    other.close()
    return path


# one sender

SENDER = """
import sys, time
from pathlib import Path
from clicknb.ledger.lock import sending
with sending(Path(sys.argv[1]), "c0ffee"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    command = [sys.executable, "-c", SENDER, str(tmp_path / "ledger.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_second_sender_is_told_who_sends_and_is_free_to_once_that_one_is_killed(tmp_path, other):
    path = tmp_path / "ledger.sqlite"
    for takeover in (False, True):
        with (
            pytest.raises(CampaignError, match=rf"process {other.pid} on \S+, since 2"),
            lock.sending(path, "c0ffee", takeover=takeover),
        ):
            pass
    with lock.sending(path, "another campaign"):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with lock.sending(path, "c0ffee"):
        pass


def test_a_lock_is_private_and_leaves_no_file_behind(tmp_path):
    with lock.sending(tmp_path / "ledger.sqlite", "c0ffee"):
        (file,) = tmp_path.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []


def test_a_lock_left_by_a_crash_is_taken_over_without_being_deleted(tmp_path):
    with lock.sending(tmp_path / "ledger.sqlite", "c0ffee"):
        (file,) = tmp_path.iterdir()
    file.write_text("who knows")
    with lock.sending(tmp_path / "ledger.sqlite", "c0ffee"):
        assert str(os.getpid()) in file.read_text()


@pytest.mark.parametrize("kept", [True, False])
def test_a_second_thread_of_the_same_program_is_refused_too(kept, tmp_path):
    refused = []
    with cn.sandbox(tmp_path if kept else None) as sms:
        ledger = sms.context.ledger

        def send():
            try:
                with ledger.sending("c0ffee"):
                    pass
            except CampaignError as error:
                refused.append(str(error))

        with ledger.sending("c0ffee"):
            thread = threading.Thread(target=send)
            thread.start()
            thread.join()
        send()
    assert len(refused) == 1
    assert f"process {os.getpid()} " in refused[0]


def test_two_ledgers_in_memory_do_not_lock_each_other():
    first, second = Ledger(), Ledger()
    with first.sending("c0ffee"), second.sending("c0ffee"):
        pass


def test_only_one_of_many_threads_gets_the_lock(tmp_path):
    path, inside, most = tmp_path / "ledger.sqlite", [], []

    def send():
        for _ in range(50):
            try:
                with lock.sending(path, "c0ffee"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except CampaignError:
                pass

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


def test_a_lock_left_by_another_machine_is_taken_over_by_a_human_only(tmp_path):
    with lock.sending(tmp_path / "ledger.sqlite", "c0ffee"):
        (file,) = tmp_path.iterdir()
        said = file.read_text()
    assert list(tmp_path.iterdir()) == []
    file.write_text(said.replace(socket.gethostname(), "elsewhere"))
    for _ in range(2):
        with (
            pytest.raises(CampaignError, match=r"process \d+ on elsewhere.*takeover=True"),
            lock.sending(tmp_path / "ledger.sqlite", "c0ffee"),
        ):
            pass
    with lock.sending(tmp_path / "ledger.sqlite", "c0ffee", takeover=True):
        pass
    with lock.sending(tmp_path / "ledger.sqlite", "c0ffee"):
        pass


@pytest.mark.parametrize("place", ["Dropbox/sms", "OneDrive - Company", "Google Drive/My Drive", "Sync/deep"])
def test_a_folder_that_is_copied_to_other_machines_is_sent_from_only_if_a_human_says_so(place, tmp_path):
    folder = tmp_path / place
    folder.mkdir(parents=True)
    if place == "Sync/deep":
        (tmp_path / "Sync" / ".stfolder").mkdir()
    with (
        pytest.raises(CampaignError, match=r"copies to other machines.*takeover=True"),
        lock.sending(folder / "ledger.sqlite", "c0ffee"),
    ):
        pass
    with lock.sending(folder / "ledger.sqlite", "c0ffee", takeover=True):
        pass


def test_a_ledger_with_two_names_is_not_sent_from(tmp_path):
    with cn.sandbox(tmp_path) as sms:
        os.link(tmp_path / "ledger.sqlite", tmp_path / "same.sqlite")
        with pytest.raises(CampaignError, match=r"2 names.*Delete"):
            sms.plan(PEOPLE, to="to", text="Hi", name="x").send(progress=False)
        with pytest.raises(CampaignError, match="2 names"):
            sms.send("447700900123", "Hi")
        (tmp_path / "same.sqlite").unlink()
        campaign = sms.plan(PEOPLE, to="to", text="Hi", name="x").send(progress=False)
        assert campaign.counts == {"accepted": len(PEOPLE)}


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc/mounts")
@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_on_a_network_file_system_only_a_human_can_say_that_nobody_else_sends(kind, tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    home = tmp_path / "my home"
    home.mkdir()
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/a {str(home).replace(' ', chr(92) + '040')} {kind} rw 0 0\n")
    monkeypatch.setattr(lock, "MOUNTS", mounts)
    with pytest.raises(CampaignError, match=f"{kind}.*takeover=True"), lock.sending(home / "l.sqlite", "c0ffee"):
        pass
    with lock.sending(home / "l.sqlite", "c0ffee", takeover=True):
        pass
    with lock.sending(tmp_path / "l.sqlite", "c0ffee"):
        pass


def test_a_file_system_without_locks_is_refused_unless_taken_over(tmp_path, monkeypatch):
    def no_locks(_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(lock, "try_to_lock", no_locks)
    with pytest.raises(CampaignError, match="without locks"), lock.sending(tmp_path / "l.sqlite", "c0ffee"):
        pass
    with lock.sending(tmp_path / "l.sqlite", "c0ffee", takeover=True):
        pass


def test_a_campaign_that_is_being_sent_elsewhere_is_not_sent_here(tmp_path):
    others = PEOPLE.assign(to=PEOPLE["to"].str.replace("4477009000", "4477009002"))
    with cn.sandbox(tmp_path) as sms, cn.sandbox(tmp_path) as second:
        campaign = plan(sms).send(progress=False)
        with sms.context.ledger.sending(campaign.id):
            with pytest.raises(CampaignError, match="is being sent by"):
                plan(second, people=others).send()
            assert campaign.counts == {"accepted": 40}
            with pytest.raises(CampaignError, match="is being sent by"):
                second.campaign("x").resume()
        plan(second, people=others).send(progress=False)
        assert campaign.counts == {"accepted": 80}


# damage


def damage(original, path, seed):
    """Write a copy of a ledger with a byte flipped, or cut short."""
    content = bytearray(original)
    randomly = random.Random(seed)
    place = randomly.randrange(len(content))
    if seed % 4:
        content[place] ^= randomly.randrange(1, 256)
    else:
        del content[place:]
    path.write_bytes(content)


def read_and_resume(sms, path):
    """Read every frame of a ledger, then send what it has planned."""
    with closing(Ledger(path)) as ledger:
        sms = testing.altered(sms, ledger=ledger)
        campaign = sms.campaign("x")
        assert len(campaign.outcomes) == 40
        assert len(campaign.events) > 20
        campaign.resume(progress=False)


def test_a_byte_flipped_or_lost_anywhere_sends_nothing_wrong_nothing_twice_and_loses_nothing_silently(tmp_path):
    original = half_sent(tmp_path).read_bytes()
    planned = [(to, "Hi Ann") for to in PEOPLE["to"][20:]]
    refused = 0
    for seed in range(200):
        directory = tmp_path / str(seed)
        directory.mkdir()
        damage(original, directory / "ledger.sqlite", seed)
        with cn.sandbox() as sms:
            try:
                read_and_resume(sms, directory / "ledger.sqlite")
                expected, reason = planned, ""
            except ClicknbError as error:
                expected, reason = [], str(error)
            sent = [(message.to, message.text) for message in testing.messages(sms)]
        assert sent == expected, (seed, reason)
        assert "44770090" not in reason
        refused += reason != ""
    assert 40 < refused < 180


def test_a_text_that_is_no_longer_what_was_planned_is_not_sent(tmp_path):
    path = half_sent(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"Hi Ann", b"Hi Abn"))
    with cn.sandbox() as sms:
        with pytest.raises(LedgerError, match="20 of 20 messages are not as they were planned"):
            read_and_resume(sms, path)
        assert len(testing.messages(sms)) == 0


def test_what_a_damaged_text_says_is_not_in_the_error(tmp_path):
    path = half_sent(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"Hi Ann", b"Hi \xffnn"))
    with cn.sandbox() as sms:
        with pytest.raises(LedgerError, match="damaged") as caught:
            read_and_resume(sms, path)
        shown = "".join(traceback.format_exception(caught.value))
        assert "Hi" not in shown
        assert str(path) in shown


def test_a_message_whose_attempt_is_gone_from_its_table_but_not_from_an_index_is_not_sent_again(tmp_path):
    path = half_sent(tmp_path)
    index = "name = 'ix_attempts_climsgid'"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA writable_schema = ON")
        entry = other.execute(f"SELECT * FROM sqlite_schema WHERE {index}").fetchone()
        other.execute(f"DELETE FROM sqlite_schema WHERE {index}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute("DELETE FROM attempts WHERE row_id = 5")
        other.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", entry)
    with cn.sandbox() as sms:
        with pytest.raises(LedgerError, match="damaged"):
            read_and_resume(sms, path)
        assert len(testing.messages(sms)) == 0


def test_a_full_disk_stops_sending_and_what_was_recorded_stays(tmp_path):
    with cn.sandbox(tmp_path) as sms:
        first = plan(sms, "x").send(progress=False)
        many = pd.DataFrame({"to": [f"447700900{number}" for number in range(100, 900)]})
        with sms.context.ledger.driver() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        sent = len(testing.messages(sms))
        with pytest.raises(LedgerError, match=r"the disk is full.*Free some space"):
            sms.plan(many, to="to", text="Hello " * 50, name="y").send(progress=False)
        assert len(testing.messages(sms)) == sent
        assert first.counts == {"accepted": 40}


UNPRIVILEGED = """
import os, sys
from pathlib import Path
import clicknb as cn
from clicknb import testing
from clicknb.ledger.ledger import Ledger
from clicknb.clock import SteppedClock
from clicknb.errors import LedgerError
from clicknb.opening import in_process
from clicknb.simulator import Gateway
import sqlalchemy.dialects.sqlite.pysqlite
with cn.sandbox() as sms:  # all that is needed is imported while it may be read
    sms.send("447700900123", "Hello")
    sms.campaign("single messages").reconcile().resume(progress=False).summary()
path = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
try:
    with in_process(Gateway(), Ledger(path, owner="sandbox"), SteppedClock()) as sms:
        campaign = sms.campaign("x")
        print(len(campaign.sends), int(campaign.summary()["rows"].iloc[0]), campaign.counts)
        for change in (campaign.resume, campaign.reconcile, lambda: sms.send("447700900123", "Hello")):
            try:
                change()
            except LedgerError as error:
                print(error)
        print(len(testing.messages(sms)), "sent")
except LedgerError as error:
    print(error)
"""


def shown_without_privileges(source, what, *, log=False):
    """Look at a copy of a ledger, of which the file or the folder may only be read, as somebody who is not root."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for path in source.parent.glob(f"{source.name}{'*' if log else ''}"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, directory / path.name)
        for path in directory.iterdir():
            path.chmod(0o666 if what == "folder" else 0o444)
        directory.chmod(0o555 if what == "folder" else 0o777)
        command = [sys.executable, "-c", UNPRIVILEGED, str(directory / source.name)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        directory.chmod(0o700)
        return run.stdout


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_ledger_that_may_only_be_read_is_looked_at_and_sends_nothing(what, tmp_path):
    frames, *refused, sent = shown_without_privileges(half_sent(tmp_path), what).splitlines()
    assert frames == "40 40 {'accepted': 20, 'planned': 20}"
    assert len(refused) == 3
    assert all("othing was sent" in error and "writable" in error for error in refused)
    assert sent == "0 sent"


def test_newest_messages_that_cannot_be_read_there_are_said_to_be_missing(tmp_path):
    path = half_sent(tmp_path)
    with closing(Ledger(path)) as ledger:
        ledger.stop(ledger.campaign_id("x"), "newer")
        shown = shown_without_privileges(path, "folder", log=True)
    assert "ledger.sqlite-wal" in shown
    assert "send nothing from it" in shown


def test_a_ledger_that_is_only_looked_at_notices_that_another_program_writes(tmp_path, monkeypatch):
    folder = tmp_path / "a folder with #signs? at 100%"
    folder.mkdir()
    path = half_sent(folder).rename(folder / "my ledger.sqlite")
    monkeypatch.setattr(sqlite, "writable", lambda _: False)
    with closing(Ledger(path)) as ledger, closing(sqlite3.connect(path)) as other:
        assert ledger.counts()[0]["rows"] == 20
        with other:
            other.execute("UPDATE campaigns SET stopped = 'elsewhere'")
        with pytest.raises(LedgerError, match=r"Another program writes.*Open it again"):
            ledger.counts()
        with closing(Ledger(path)) as again:
            assert again.counts()[0]["stopped"] == "elsewhere"


def test_a_ledger_of_nobody_that_may_only_be_read_is_looked_at_by_anybody(tmp_path, monkeypatch):
    path = half_sent(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM owners")
    monkeypatch.setattr(sqlite, "writable", lambda _: False)
    with closing(Ledger(path, owner="somebody")) as ledger:
        assert ledger.counts()[0]["rows"] == 20


def test_an_older_ledger_that_may_only_be_read_is_refused_and_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "l.sqlite"
    monkeypatch.setattr(sqlite, "writable", lambda _: False)
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLDEST)
    content = path.read_bytes()
    with pytest.raises(LedgerError, match=r"older clicknb.*look at a copy"):
        Ledger(path)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["l.sqlite"]


@pytest.mark.parametrize("change", ["DROP TABLE prices", "ALTER TABLE rows DROP COLUMN zone"])
def test_a_ledger_without_all_of_its_tables_is_not_opened(change, tmp_path):
    path = half_sent(tmp_path)
    with closing(sqlite3.connect(path)) as other:
        other.execute(change)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger(path)


# a file that is too large to be looked over at its opening


@pytest.fixture
def large(monkeypatch):
    """Take every file for a large one."""
    monkeypatch.setattr(examination, "AT_ONCE", 0)


@pytest.fixture
def held(large, monkeypatch):
    """Hold the look over the whole file until it is told what it finds."""
    told = queue.Queue()

    def hold(connection, found):
        connection.close()
        found.set_result(told.get(timeout=60))

    monkeypatch.setattr(examination, "examine", hold)
    yield told
    told.put(True)  # so that closing does not wait for it


def test_a_large_ledger_is_read_while_it_is_looked_over_and_not_written_before(tmp_path, held, caplog):
    path = half_sent(tmp_path)
    with cn.sandbox() as opened, ThreadPoolExecutor() as pool:
        ledger = Ledger(path)
        sms = testing.altered(opened, ledger=ledger)
        campaign = sms.campaign("x")
        resumed = pool.submit(campaign.resume, progress=False)
        while "Waiting until" not in caplog.text and not resumed.done():
            time.sleep(0.01)
        assert campaign.counts == {"accepted": 20, "planned": 20}
        assert not resumed.done()
        assert len(testing.messages(sms)) == 0
        held.put(True)
        assert resumed.result().counts == {"accepted": 40}
        ledger.close()


def test_a_large_ledger_that_turns_out_to_be_damaged_sends_nothing_and_is_read_no_further(tmp_path, held):
    path = half_sent(tmp_path)
    with cn.sandbox() as opened:
        ledger = Ledger(path)
        sms = testing.altered(opened, ledger=ledger)
        campaign = sms.campaign("x")
        held.put(False)
        for attempt in (campaign.resume, lambda: sms.send("447700900123", "Hello"), lambda: campaign.sends):
            with pytest.raises(LedgerError, match="damaged"):
                attempt()
        with pytest.raises(LedgerError, match="damaged"):
            sms.backup(tmp_path / "copy.sqlite")
        assert len(testing.messages(sms)) == 0
        ledger.close()


def test_a_byte_flipped_or_lost_anywhere_in_a_large_ledger_sends_nothing_wrong(tmp_path, large):
    original = half_sent(tmp_path).read_bytes()
    planned = [(to, "Hi Ann") for to in PEOPLE["to"][20:]]
    refused = 0
    for seed in range(80):
        directory = tmp_path / str(seed)
        directory.mkdir()
        damage(original, directory / "ledger.sqlite", seed)
        with cn.sandbox() as opened:
            try:
                with closing(Ledger(directory / "ledger.sqlite")) as ledger:
                    sms = testing.altered(opened, ledger=ledger)
                    sms.campaign("x").resume(progress=False)
                expected = planned
            except ClicknbError:
                expected = []
            assert [(message.to, message.text) for message in testing.messages(opened)] == expected, seed
        refused += not expected
    assert 16 < refused < 72


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

LOOKER = f"""
import sys
from pathlib import Path
from clicknb.ledger import examination
from clicknb.ledger.ledger import Ledger
examination.AT_ONCE, examination.CHECK = 0, "{ENDLESS}"
ledger = Ledger(Path(sys.argv[1]))
print(ledger.counts()[0]["rows"])
"""


def test_looking_over_a_large_ledger_keeps_no_program_alive_and_no_file_open(tmp_path, large, monkeypatch):
    path = half_sent(tmp_path)
    command = [sys.executable, "-c", LOOKER, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "20\n"
    monkeypatch.setattr(examination, "CHECK", ENDLESS)
    before = threading.active_count()
    Ledger(path).close()
    Ledger(path)  # and nobody closes it
    gc.collect()
    assert threading.active_count() == before


def test_a_forked_program_looks_a_large_ledger_over_itself(tmp_path, large, monkeypatch):
    path = half_sent(tmp_path)
    with monkeypatch.context() as parent:
        parent.setattr(examination, "examine", lambda connection, _: connection.close())  # as a thread that was left
        ledger = Ledger(path)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    ledger.stop(ledger.campaign_id("x"), "")
    ledger.close()


@pytest.mark.parametrize("content", [b"not a database " * 1000, b"SQLite format 3\0" + b"\xff" * 5000, b"x", b""])
def test_a_file_that_is_no_database_is_refused_and_left_alone(content, tmp_path):
    path = tmp_path / "l.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"no ledger|damaged|lost"):
        Ledger(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    content = path.read_bytes()
    with pytest.raises(LedgerError, match="another program"):
        Ledger(path)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "l.sqlite", tmp_path):
        with pytest.raises(LedgerError, match="ledger="):
            Ledger(place)


def test_every_commit_is_on_the_disk_and_what_is_deleted_is_overwritten(tmp_path):
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger, ledger.driver() as first, ledger.driver() as second:
        assert first is not second
        for connection in (first, second):
            assert [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
            ] == ["wal", 2, 1, 1, 10_000]


def test_a_ledger_that_lost_its_log_gets_one_again(tmp_path):
    path = tmp_path / "l.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with closing(Ledger(path)) as ledger, ledger.driver() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("in_a_file", [True, False])
def test_no_number_and_no_text_is_in_the_log_of_what_the_database_is_told(in_a_file, tmp_path, caplog):
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    with cn.sandbox(tmp_path if in_a_file else None) as sms:
        sms.suppress(PEOPLE["to"][0], source="Ann called")
        plan(sms).send(progress=False)
        sms.send(PEOPLE["to"][1], "Hi Ann")
    assert "INSERT INTO suppressions" in caplog.text
    assert "INSERT INTO rows" in caplog.text
    assert "44770090" not in caplog.text
    assert "Ann" not in caplog.text


def test_why_a_file_cannot_be_made_is_said_in_the_words_of_the_system(tmp_path, monkeypatch):
    def without_links(*_):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", without_links)
    with pytest.raises(LedgerError, match=f"cannot be opened: {os.strerror(errno.EPERM)}"):
        Ledger(tmp_path / "l.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_locked_by_another_program_is_an_error_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "PATIENCE", 0.01)
    path = tmp_path / "l.sqlite"
    with closing(Ledger(path)) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another program keeps it locked"):
            ledger.stop("c0ffee", "")


@pytest.mark.parametrize("replaced", [True, False])
def test_a_ledger_that_is_deleted_or_replaced_while_it_is_open_stops_everything(replaced, tmp_path):
    with cn.sandbox(tmp_path) as sms:
        (tmp_path / "ledger.sqlite").rename(tmp_path / "elsewhere.sqlite")
        if replaced:
            (tmp_path / "ledger.sqlite").touch()
        with pytest.raises(LedgerError, match="moved, deleted or replaced"):
            plan(sms).send(progress=False)
        assert len(testing.messages(sms)) == 0


def test_a_ledger_named_relatively_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(Ledger(Path("l.sqlite"))) as ledger:
        monkeypatch.chdir("/")
        assert ledger.counts() == []
    assert not Path("/l.sqlite").exists()


# versions


def test_an_older_ledger_is_brought_up_to_date_and_keeps_its_rows(tmp_path, monkeypatch):
    path = half_sent(tmp_path)
    now = tables.SCHEMA_VERSION
    monkeypatch.setattr(tables, "SCHEMA_VERSION", now + 2)
    steps = {now + 1: ("ALTER TABLE prices ADD COLUMN note TEXT",), now + 2: ("UPDATE prices SET note = 'known'",)}
    monkeypatch.setattr(tables, "MIGRATIONS", steps)
    for _ in range(2):
        with closing(Ledger(path)) as ledger:
            assert ledger.counts()[0]["rows"] == 20
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT DISTINCT note FROM prices").fetchall() == [("known",)]
        assert other.execute("PRAGMA user_version").fetchone() == (now + 2,)


OLDEST = """
CREATE TABLE attempts (row_id INTEGER NOT NULL, attempt INTEGER NOT NULL, climsgid TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sending', 'accepted', 'rejected', 'unknown', 'absent', 'returned')),
    submitted_at INTEGER NOT NULL, answered_at INTEGER, apimsgid TEXT, error_code TEXT, error TEXT, checked_at INTEGER,
    PRIMARY KEY (row_id, attempt), FOREIGN KEY(row_id) REFERENCES rows (id)) STRICT;
CREATE TABLE campaigns (id TEXT NOT NULL, name TEXT NOT NULL, started_at INTEGER NOT NULL, index_names TEXT NOT NULL,
    stopped TEXT NOT NULL, mode TEXT NOT NULL, budget INTEGER, spent INTEGER, purged_at INTEGER,
    PRIMARY KEY (id), UNIQUE (name)) STRICT;
CREATE TABLE events (id INTEGER NOT NULL, row_id INTEGER NOT NULL, attempt INTEGER NOT NULL, apimsgid TEXT NOT NULL,
    status TEXT NOT NULL, charge INTEGER, at INTEGER NOT NULL, source TEXT NOT NULL, PRIMARY KEY (id),
    UNIQUE (row_id, attempt, apimsgid, status, at, source), FOREIGN KEY(row_id) REFERENCES rows (id)) STRICT;
CREATE TABLE owners (owner TEXT NOT NULL, PRIMARY KEY (owner)) STRICT;
CREATE TABLE prices (country TEXT NOT NULL, charge INTEGER, asked_at INTEGER NOT NULL, PRIMARY KEY (country)) STRICT;
CREATE TABLE rows (id INTEGER NOT NULL, campaign_id TEXT NOT NULL, "key" TEXT NOT NULL, ordinal INTEGER NOT NULL,
    label TEXT NOT NULL, "to" TEXT, country TEXT, sender TEXT, text TEXT, encoding TEXT, parts INTEGER,
    estimated INTEGER, variant TEXT, options TEXT NOT NULL, skipped TEXT, seal TEXT NOT NULL, PRIMARY KEY (id),
    UNIQUE (campaign_id, "key"), FOREIGN KEY(campaign_id) REFERENCES campaigns (id)) STRICT;
CREATE INDEX ix_attempts_apimsgid ON attempts (apimsgid);
CREATE INDEX ix_attempts_climsgid ON attempts (climsgid);
INSERT INTO owners VALUES ('sandbox');
INSERT INTO prices VALUES ('GB', 800000, 1772532000000000);
INSERT INTO campaigns VALUES
    ('d5c46c1fd0990b2ad44be57f4cb06786', 'x', 1772532000000000, '[null]', '', 'each', NULL, NULL, NULL),
    ('c022476c0ed3f405db5341ebb556e4cb', 'single messages', 1772532000000000, '[null]', '', 'each', NULL, NULL, NULL);
INSERT INTO rows VALUES
    (1, 'd5c46c1fd0990b2ad44be57f4cb06786', '447700900000#1', 0, '0', '447700900000', 'GB', '', 'Hi', 'gsm7', 1,
        800000, NULL, '{}', NULL, 'da3ea442f55c18db'),
    (2, 'd5c46c1fd0990b2ad44be57f4cb06786', '447700900001#1', 1, '1', '447700900001', 'GB', '', 'Hi', 'gsm7', 1,
        800000, NULL, '{}', NULL, '04ce1eca8a29c710'),
    (3, 'd5c46c1fd0990b2ad44be57f4cb06786', '447700900002#1', 2, '2', '447700900002', 'GB', '', 'Hi', 'gsm7', 1,
        800000, NULL, '{}', NULL, 'ce72b3d5992cc0b9'),
    (6, 'd5c46c1fd0990b2ad44be57f4cb06786', 'skipped bad#1', 3, '3', NULL, NULL, '', 'Hi', NULL, NULL,
        NULL, NULL, '{}', 'has letters in it', 'ca74d5dbf757f197'),
    (7, 'c022476c0ed3f405db5341ebb556e4cb', '447700900123#1', 0, '0', '447700900123', 'GB', '', 'one', 'gsm7', 1,
        NULL, NULL, '{}', NULL, '6314b3b069acfa2e');
INSERT INTO attempts VALUES
    (1, 1, '7c28f4a6e924fded7658b31c0aa2f149', 'sending', 1772532000000000, NULL, NULL, NULL, NULL, NULL),
    (2, 1, 'ff7a95716cdd1f9479aa6ec8c63a97e0', 'accepted', 1772532000000000, 1772532000000000,
        '95192ad7010aa8a6f9d51a44f064055a', NULL, NULL, NULL),
    (7, 1, '5af7ce9059a6198cb82ac0c14053e680', 'accepted', 1772532000000000, 1772532000000000,
        '6ce70680769d01594b6596bdec2072b6', NULL, NULL, NULL);
PRAGMA application_id = 0x636C6B6E;
PRAGMA user_version = 1;
"""
"""A ledger of the first version: one message in doubt, one sent, one planned, one row left out; a single message."""


def test_a_ledger_of_the_first_version_is_read_resumed_and_sent_from(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as blank:
        blank.executescript(OLDEST)
    people = pd.DataFrame({"to": ["447700900000", "447700900001", "447700900002", "bad", "447700900003"]})
    given = {"to": "to", "text": "Hi", "name": "x", "hours": "UK"}
    with in_process(Gateway(), Ledger(path, owner="sandbox"), SteppedClock()) as sms:
        assert sms.campaign("x").counts == {"sending": 1, "accepted": 1, "planned": 1, "skipped": 1}
        plan = sms.plan(people, **given)
        assert plan.new["to"].tolist() == ["447700900002", "447700900003"]
        sms.suppress("447700900003")
        assert sms.campaign("x").resume(progress=False).counts == {"accepted": 2, "unknown": 1, "skipped": 1}
        assert plan.send(progress=False).counts == {"accepted": 2, "skipped": 2, "unknown": 1}
        assert [message.to for message in testing.messages(sms)] == ["447700900002"]
        with pytest.warns(cn.errors.AlreadySent):
            sms.send("447700900123", "one")
    with in_process(Gateway(), Ledger(path, owner="sandbox"), SteppedClock()) as again:
        assert again.campaign("x").sends["state"].tolist() == ["unknown", "accepted", "accepted", "skipped", "skipped"]
        assert again.suppressed["to"].tolist() == ["447700900003"]
        assert again.purge("x") == 5


def test_an_old_ledger_with_the_same_id_twice_keeps_it_where_it_was_answered_first(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as blank:
        blank.executescript(OLDEST)
        taken = "apimsgid = '95192ad7010aa8a6f9d51a44f064055a', answered_at = 1772532000000001"
        blank.execute(f"UPDATE attempts SET {taken} WHERE row_id = 7")
        event = "7, 1, '95192ad7010aa8a6f9d51a44f064055a', '004', 800000, 1772532060000000, 'charge'"
        blank.execute(f"INSERT INTO events VALUES (1, {event})")
        blank.commit()
    with pytest.warns(cn.errors.LedgerWarning, match="1 messages"):
        ledger = Ledger(path, owner="sandbox")
    with in_process(Gateway(), ledger, SteppedClock()) as sms:
        assert sms.campaign("x").sends["state"].tolist() == ["sending", "accepted", "planned", "skipped"]
        single = sms.campaign("single messages")
        assert single.sends[["state", "apimsgid"]].fillna("").values.tolist() == [["unknown", ""]]
        assert single.outcomes[["status", "charge"]].isna().all(axis=None)
        assert len(single.events) == 1


def test_a_ledger_that_was_brought_up_to_date_has_the_columns_of_a_new_one(tmp_path):
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as blank:
        blank.executescript(OLDEST)
    columns = []
    for name in ("old.sqlite", "new.sqlite"):
        Ledger(tmp_path / name).close()
        with closing(sqlite3.connect(tmp_path / name)) as made:
            found = 'SELECT m.name, c.name, c.type, c."notnull" FROM sqlite_master m, pragma_table_info(m.name) c'
            columns.append(sorted(made.execute(f"{found} WHERE m.type = 'table'")))
    assert columns[0] == columns[1]


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = half_sent(tmp_path)
    version = tables.SCHEMA_VERSION + 1
    monkeypatch.setattr(tables, "SCHEMA_VERSION", version)
    monkeypatch.setattr(tables, "MIGRATIONS", {version: ("DROP TABLE prices", "no SQL")})
    with pytest.raises(LedgerError):
        Ledger(path)
    monkeypatch.undo()
    with closing(Ledger(path)) as ledger:
        assert ledger.prices(since=START - timedelta(days=1)) != {}


def test_a_ledger_that_says_no_version_is_damaged(tmp_path):
    path = half_sent(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 0")
    with pytest.raises(LedgerError, match="it is damaged"):
        Ledger(path)


def test_a_newer_ledger_is_refused(tmp_path):
    path = half_sent(tmp_path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match=r"newer clicknb.*Upgrade"):
        Ledger(path)


def test_what_is_written_for_every_message_has_plain_placeholders():
    for statement in (statements.RECORD, statements.OPEN, statements.RECOVER, statements.STOPPED, statements.SETTLE):
        assert re.findall(r"\?\d|[:@$]\w", statement) == []  # which the driver of Python before 3.12.4 warns of


# upkeep


def test_a_backup_made_while_messages_are_sent_is_a_whole_ledger(tmp_path):
    copies = []
    with cn.sandbox(tmp_path) as sms:
        ledger = sms.context.ledger
        record = ledger.record

        def recording(*arguments):
            copies.append(maintenance.backup(ledger, tmp_path / f"copy {len(copies)}.sqlite"))
            return record(*arguments)

        ledger.record = recording
        plan(sms).send(progress=False)
    accepted = []
    for copy in copies:
        assert copy.stat().st_mode & 0o777 == 0o600
        with closing(Ledger(copy)) as kept, kept.sending("x"):
            accepted.append({count["state"]: count["rows"] for count in kept.counts()})
    assert sum(accepted[0].values()) == 40
    assert len(copies) > 2
    assert accepted[0] != accepted[-1]


def test_a_backup_overwrites_nothing(tmp_path):
    (tmp_path / "a").write_text("mine")
    with closing(Ledger()) as ledger, pytest.raises(InvalidInput, match="No backup"):
        maintenance.backup(ledger, tmp_path / "a")
    assert (tmp_path / "a").read_text() == "mine"


def test_an_export_holds_every_campaign(tmp_path):
    with cn.sandbox() as sms:
        for name in ("x", "y"):
            plan(sms, name).send(progress=False)
        sms.suppress("447700900999", source="replied STOP")
        files = maintenance.export_csv(sms.context.ledger, tmp_path / "export")
    names = [path.name for path in files]
    assert names == ["campaigns.csv", "suppressed.csv", "sends.csv", "statuses.csv", "charges.csv", "events.csv"]
    assert cn.export.read_csv(files[1])[["to", "source"]].values.tolist() == [["447700900999", "replied STOP"]]
    sends = cn.export.read_csv(files[2])
    assert sends["campaign"].value_counts().to_dict() == {"x": 40, "y": 40}
    assert list(sends["to"][:40]) == list(PEOPLE["to"])


def test_a_purge_leaves_no_number_and_no_text_but_counts_and_charges(tmp_path):
    with cn.sandbox(tmp_path) as sms:
        campaign = plan(sms).send(progress=False).track(progress=False)
        before = campaign.summary()
        ids = list(campaign.sends["climsgid"])
        count = maintenance.purge(sms.context.ledger, sms.now(), campaign="x")
        assert count == 40
        pd.testing.assert_frame_equal(campaign.summary(), before)
        assert campaign.sends["to"].isna().all()
        assert list(campaign.sends["climsgid"]) == ids
        content = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.sqlite*"))
        assert b"44770090" not in content
        assert b"Hi Ann" not in content
        with pytest.raises(CampaignError, match=r"purged.*new name"):
            plan(sms).send(progress=False)
        assert len(testing.messages(sms)) == 40


def test_a_single_message_after_a_purge_is_not_taken_for_one_before_it():
    with cn.sandbox() as sms:
        ids = set()
        for text in ("one", "two", "three"):
            ids.add(sms.send("447700900123", text)["climsgid"].iloc[0])
            sms.purge("single messages")
        assert len(ids) == 3


def test_a_purge_of_whole_campaigns_keeps_their_names_taken(tmp_path):
    with cn.sandbox(tmp_path) as sms:
        campaign = plan(sms).send(progress=False)
        maintenance.purge(sms.context.ledger, sms.now(), campaign="x", whole=True)
        assert len(campaign.sends) == 0
        with pytest.raises(CampaignError, match="purged"):
            plan(sms).send(progress=False)


def test_a_purge_by_time_takes_what_is_older(tmp_path):
    with cn.sandbox(tmp_path) as sms:
        old = plan(sms, "x").send(progress=False)
        clock = sms.context.clock
        clock.sleep(86_400)
        new = plan(sms, "y").send(progress=False)
        assert maintenance.purge(sms.context.ledger, clock.now(), before=clock.now() - timedelta(hours=1)) == 40
        assert old.sends["to"].isna().all()
        assert new.sends["to"].notna().all()


def test_a_purge_of_what_is_still_to_be_sent_needs_force(tmp_path):
    path = half_sent(tmp_path)
    with cn.sandbox() as opened, closing(Ledger(path)) as ledger:
        sms = testing.altered(opened, ledger=ledger)
        with pytest.raises(CampaignError, match="20 of these rows are still to be sent"):
            maintenance.purge(ledger, START, campaign="x")
        assert sms.campaign("x").counts == {"accepted": 20, "planned": 20}
        maintenance.purge(ledger, START, campaign="x", force=True)
        assert sms.campaign("x").counts == {"accepted": 20, "skipped": 20}


def test_a_purge_is_refused_while_the_campaign_is_sent(tmp_path):
    path = half_sent(tmp_path)
    with (
        closing(Ledger(path)) as ledger,
        ledger.sending(ledger.campaign_id("x")),
        pytest.raises(CampaignError, match="being sent"),
    ):
        maintenance.purge(ledger, START, campaign="x", force=True)


@pytest.mark.parametrize("arguments", [{}, {"campaign": "unknown"}])
def test_a_purge_needs_to_know_of_what(arguments):
    with closing(Ledger()) as ledger, pytest.raises(ClicknbError, match="Nothing was purged"):
        maintenance.purge(ledger, START, **arguments)


def old_ledger(path, version):
    """Make a ledger as an older version wrote it."""
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.executescript((Path(__file__).parent / f"ledger_{version}.sql").read_text(encoding="utf-8"))


def test_a_ledger_of_the_first_version_is_read_gone_on_with_and_knows_suppression(tmp_path):
    path = tmp_path / "ledger.sqlite"
    old_ledger(path, 1)
    everybody = [f"44770090000{number}" for number in range(6)]
    with cn.sandbox(tmp_path) as sms:
        campaign = sms.campaign("x")
        assert campaign.counts == {"accepted": 2, "planned": 2}
        assert campaign.statuses["delivery"].tolist() == ["delivered", "delivered"]
        sms.suppress(everybody[3], source="replied STOP")
        campaign.resume(progress=False)
        assert campaign.counts == {"accepted": 3, "skipped": 1}
        assert [message.to for message in testing.messages(sms)] == [everybody[2]]
        names = ["Ann", "Ben", "Cat", "Dee", "Eve", "Flo"]
        grown = plan(sms, people=pd.DataFrame({"to": everybody, "name": names}))
        grown.send(progress=False)
        assert [message.to for message in testing.messages(sms)] == [everybody[2], *everybody[4:]]
    with closing(sqlite3.connect(path)) as new:
        assert new.execute("PRAGMA user_version").fetchone() == (tables.SCHEMA_VERSION,)
        assert new.execute("PRAGMA integrity_check").fetchone() == ("ok",)


OF_OLD = {
    "x": {"skipped": 3, "accepted": 2, "planned": 2},
    "cancelled": {"skipped": 2, "accepted": 1},
    "purged": {"accepted": 2},
    "hours": {"accepted": 1, "skipped": 1},
    "paused": {"accepted": 1, "planned": 1},
}
BY_TELEPHONE, STOPPED = "447700900004", "447700900005"


def numbered(*numbers):
    return pd.DataFrame({"to": [*numbers], "name": "Ann"})


@pytest.mark.parametrize("version", [2, 3])
def test_a_ledger_of_an_older_version_is_shown_resumed_and_sent_on(version, tmp_path):
    old_ledger(tmp_path / "ledger.sqlite", version)
    everybody = numbered(*(f"44770090000{number}" for number in range(6)), "n/a")
    with cn.sandbox(tmp_path) as sms:
        sent = lambda: [message.to[-2:] for message in testing.messages(sms)]  # noqa: E731
        assert {name: sms.campaign(name).counts for name in sms.campaigns()["name"]} == OF_OLD
        assert sms.campaign("x").sends["error"].dropna().tolist() == [
            "suppressed: since 3 March 2026, by telephone",
            "suppressed: since 3 March 2026, replied STOP",
            "has letters in it",
        ]
        with pytest.raises(CampaignError, match="purged on 3 March 2026"):
            plan(sms, "purged", numbered("447700900020")).send(progress=False)
        with pytest.raises(CampaignError, match="1 of these rows were cancelled"):
            plan(sms, "cancelled", numbered("447700900010", "447700900011")).send(progress=False)
        assert sent() == []
        assert sms.campaign("x").resume(progress=False).counts == {"accepted": 4, "skipped": 3}
        assert sms.campaign("paused").resume(progress=False).counts == {"accepted": 2}
        assert plan(sms, "x", everybody).send(progress=False).counts == {"accepted": 4, "skipped": 3}
        assert sent() == ["02", "03", "31"]
        assert len(plan(sms, "x", everybody).new) == 0
        sms.unsuppress([BY_TELEPHONE, STOPPED], source="asked for it")
        assert len(plan(sms, "x", everybody).new) == 2
        assert plan(sms, "x", everybody).send(progress=False).counts == {"accepted": 6, "skipped": 1}
        abroad = numbered("447700900040", "12125550100")
        assert plan(sms, "hours", abroad).send(progress=False).counts == {"accepted": 2}
        assert sorted(sent()) == ["00", "02", "03", "04", "05", "31"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_ledger_becomes_the_same_as_a_new_one(version, tmp_path):
    old_ledger(tmp_path / "ledger.sqlite", version)
    with cn.sandbox(tmp_path), closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db, closing(Ledger()) as new:
        columns = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        with new.driver() as made:
            assert sorted(db.execute(columns)) == sorted(made.execute(columns))
        assert db.execute("PRAGMA user_version").fetchone() == (tables.SCHEMA_VERSION,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if version > 1:
            reasons = "SELECT left_out, skip_kind, count(*) FROM rows GROUP BY 1, 2 ORDER BY 1, 2"
            assert db.execute(reasons).fetchall() == [
                (0, None, 8),
                (0, "cancelled", 2),
                (0, "purged", 2),
                (0, "suppressed", 1),
                (1, "outside hours", 1),
                (1, "plan", 1),
                (1, "suppressed", 1),
            ]
            assert db.execute("SELECT name FROM campaigns WHERE paused = 1").fetchall() == [("paused",)]
