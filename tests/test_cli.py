"""The command line as people run it: in a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
import requests

import clicknb as cn
from clicknb.demo import TEXT
from tools import make_demo_people

CLICKNB = [sys.executable, "-m", "clicknb"]


def clicknb(*arguments, **options):
    return subprocess.run([*CLICKNB, *arguments], capture_output=True, text=True, encoding="utf-8", **options)


def started(*arguments, **options):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen([*CLICKNB, *arguments], preexec_fn=hear_ctrl_c, **streams, **options)  # noqa: PLW1509


def hear_ctrl_c():
    """What a shell starts in the background is deaf to Ctrl-C, and so is what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def address(process):
    """Read on until the sandbox says where it is."""
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found.group()
    pytest.fail(process.stderr.read())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(place):
    return clicknb("demo", cwd=place)


@pytest.fixture(scope="module")
def page(place, demo):
    return (place / "clicknb-demo" / "demo.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def people():
    return cn.read_recipients(make_demo_people.PLACE)


@pytest.fixture
def sandbox():
    with started("sandbox", "--port", "0", "--seed", "7", "--credits", "50", "--user", "me") as process:
        yield process
        process.kill()


def test_the_demo_accounts_for_every_row(demo):
    assert (demo.returncode, demo.stderr) == (0, "")
    assert re.search(r"the ledger: .* = 1,200, every row\n", demo.stdout)
    assert re.search(r"the gateway's own record: 1,1\d\d accepted; nothing lost, doubled or changed\n", demo.stdout)


def test_the_outcomes_that_the_demo_shows_add_up(demo):
    header, *rows = re.search(r"  country +rows .*?(?=\n  \(none\):)", demo.stdout, re.DOTALL)[0].splitlines()
    assert header.split()[:2] == ["country", "rows"]
    counts = [[int(cell.replace(",", "")) for cell in row.split()[1:]] for row in rows]
    assert [sum(row[1:]) for row in counts] == [row[0] for row in counts]
    assert counts[-1] == [sum(column) for column in zip(*counts[:-1], strict=True)]
    assert counts[-1][0] == 1200


def test_the_demo_shows_a_lost_reply_found_again_and_a_refusal(demo):
    assert re.search(r"sent +1,1\d\d accepted, 3 unknown, 2 rejected\n", demo.stdout)
    assert re.search(r"reconciled .*: 1,168 accepted, 2 rejected\n", demo.stdout)


def test_the_demo_is_readable_at_100_columns(demo):
    assert [line for line in demo.stdout.splitlines() if len(line) > 100] == []


def test_the_demo_leaves_chart_report_and_ledger_where_it_says(place, demo):
    named = re.findall(r"^  (?:chart|report|ledger) +(\S+)$", demo.stdout, re.MULTILINE)
    assert named == ["clicknb-demo/demo.png", "clicknb-demo/demo.html", "clicknb-demo/demo.sqlite"]
    assert (place / named[0]).read_bytes().startswith(b"\x89PNG")
    assert (place / named[2]).read_bytes().startswith(b"SQLite format 3")


def test_the_report_needs_nothing_from_outside(page):
    assert re.findall(r"<(?:script|link|iframe|object)|@import|url\(|https?:", page) == []
    sources = re.findall(r"(?:src|href|action)=[\"']?([^\"'>]{5})", page)
    assert sources == ["data:"]


def test_the_demo_shows_no_number_of_anybody(demo, page, people):
    numbers = cn.doctor(people, to="mobile", country="GB")
    whole = {str(cell) for column in ("to", "read_as") for cell in numbers[column].dropna() if len(cell) > 8}
    whole -= {"not known", "switchboard 0", "ask her sister"}
    assert len(whole) > 2000
    assert [number for number in whole if number in demo.stdout or number in page] == []


def test_the_demo_runs_again_in_a_terminal_without_unicode_and_ends_alike(place, demo):
    again = clicknb("demo", cwd=place, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (again.returncode, again.stderr) == (0, "")
    first, second = (re.sub(r"http\S+| *\d+ s$", "", run.stdout, flags=re.MULTILINE) for run in (demo, again))
    assert second == first.encode("ascii", "replace").decode()


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    refused = clicknb("demo", "--directory", str(tmp_path / "file"))
    assert refused.returncode == 1
    assert re.fullmatch(r"clicknb demo: .*file.*\n", refused.stderr)


def test_the_gateway_of_the_demo_ends_with_it_whatever_ends_it(tmp_path):
    with started("demo", cwd=tmp_path) as process:
        url = address(process)
        process.kill()
        process.communicate(timeout=30)  # the end of the output: nobody holds it any more, so the gateway is gone too
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_an_interrupted_demo_says_so_and_keeps_its_record(tmp_path):
    with started("demo", cwd=tmp_path) as process:
        assert any(line.startswith("4.") for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "clicknb demo: interrupted. What was sent until then is recorded."
    assert "Traceback" not in errors


def test_the_people_are_what_their_generator_writes(people, tmp_path, monkeypatch):
    committed = make_demo_people.PLACE.read_bytes()
    monkeypatch.setattr(make_demo_people, "PLACE", tmp_path / "people.csv")
    make_demo_people.main()
    assert make_demo_people.PLACE.read_bytes() == committed


def test_thirty_of_the_people_are_wrong_and_the_others_of_six_countries(people):
    with cn.sandbox(credits=5000) as sms:
        plan = sms.plan(people, to="mobile", country="GB", text=TEXT, name="x")
    assert (len(people), len(plan.to_send)) == (1200, 1170)
    assert set(plan.to_send["country"]) == {"AU", "CA", "FR", "GB", "US", "ZA"}
    assert (plan.to_send["country"] == people.loc[plan.to_send.index, "country"]).all()


def test_the_sandbox_answers_whoever_knows_its_password_until_it_is_told_to_end(sandbox):
    url = address(sandbox)
    login = {"user": "me", "password": "sandbox", "api_id": "1"}
    reply = requests.post(f"{url}/http/sendmsg", {**login, "to": "447700900123", "text": "Hello"}, timeout=10)
    assert re.fullmatch("ID: [0-9a-f]{32}", reply.text)
    assert requests.post(f"{url}/http/getbalance", login, timeout=10).text == "Credit: 49.200"
    sandbox.terminate()
    output, errors = sandbox.communicate(timeout=30)
    assert (sandbox.returncode, errors) == (0, "")
    assert output.endswith("Stopped. Messages accepted, and gone now: 1.\n")


def test_the_examples_that_the_sandbox_prints_work(sandbox, tmp_path):
    address(sandbox)
    text = "".join(iter(sandbox.stdout.readline, "Ctrl-C stops it.\n"))
    login = dict(re.findall(r"(base_url|user|password|api_id)=\"(\S+?)\"", text))
    with cn.connect(**login, ledger=tmp_path / "ledger.sqlite") as sms:
        assert sms.balance() == 50
    for number in re.findall(r"^  (\d{11}) ", text, re.MULTILINE):
        assert number in cn.sandbox().numbers().index


def test_ctrl_c_stops_the_sandbox_quietly(sandbox):
    address(sandbox)
    sandbox.send_signal(signal.SIGINT)
    _, errors = sandbox.communicate(timeout=30)
    assert (sandbox.returncode, errors) == (0, "")


def test_a_taken_port_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = clicknb("sandbox", "--port", str(port))
    assert refused.returncode == 1
    assert refused.stderr == (
        f"clicknb sandbox: port {port} is taken. Choose another with --port, or any free one with --port 0.\n"
    )


@pytest.mark.parametrize("wrong", [["--port", "65536"], ["--port", "-1"], ["--speed", "nan"], ["--credits", "x"]])
def test_an_option_out_of_range_is_refused_by_name(wrong):
    refused = clicknb("sandbox", *wrong)
    assert refused.returncode == 2
    assert f"argument {wrong[0]}: {wrong[1]} is no" in refused.stderr


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("lost", 2, "argument --fault: lost is no fault with its share, such as 'lost replies=0.01'"),
        ("lost=much", 2, "argument --fault: much is no amount"),
        ("lost=1.5", 1, "a fault's share is between 0 and 1, not 1.5. Nothing was sent."),
        ("lose=0.5", 1, "no fault is called 'lose'; there are lost replies, broken connections"),
    ],
)
def test_a_fault_that_cannot_be_had_is_refused(fault, code, words):
    refused = clicknb("sandbox", "--port", "0", "--fault", fault, timeout=30)
    assert refused.returncode == code
    assert words in refused.stderr


def test_the_sandbox_has_the_faults_that_it_is_given():
    with started("sandbox", "--port", "0", "--fault", "lost replies=0.5", "--fault", "internal errors=0.5") as process:
        url, outcomes = address(process), set()
        login = {"user": "sandbox", "password": "sandbox", "api_id": "1", "text": "Hello"}
        for number in range(20):
            sent = {**login, "to": f"447700900{number:03d}"}
            try:
                outcomes.add(requests.post(f"{url}/http/sendmsg", sent, timeout=10).text[:8])
            except requests.ConnectionError:
                outcomes.add("lost")
        process.terminate()
    assert outcomes == {"lost", "ERR: 901"}


def test_the_version_is_that_of_the_package():
    assert clicknb("--version").stdout == f"clicknb {cn.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_the_commands(arguments):
    shown = clicknb(*arguments)
    assert shown.returncode == 0
    assert re.search(r"^ +demo +\w.*\n +sandbox +\w", shown.stdout, re.MULTILINE)
