"""Every notebook shows what a run of it shows, and every cell may be run twice.

The gateway accepts nothing twice, and the ledger knows all of it.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from tools import refresh_notebooks

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

WATCH = """
from clicknb import Account, testing
from clicknb.sandbox import Server

def named(kind):
    return [value for name, value in globals().items() if isinstance(value, kind) and not name.startswith("_")]

def gateways():
    boxes = [account._box for account in named(Account) if account._box is not None]
    return [*boxes, *(server.gateway for server in named(Server))]

def names():
    return [message.climsgid for gateway in gateways() for message in gateway.messages]

def verdict(gateway):
    verdicts = [testing.check(account, gateway.messages) for account in named(Account)]
    return next((verdict for verdict in verdicts if verdict.ok), verdicts)
"""
REMEMBER = "names_before = names()"
CONNECT = "import clicknb as cn\nsms = cn.sandbox()"
COMPARE = """
more = len(names()) - len(names_before)
assert names() == names_before, f"{more} more messages were accepted the second time"
"""
JUDGE = """
verdicts = [verdict(gateway) for gateway in gateways()]
assert verdicts and all(isinstance(each, testing.Verdict) for each in verdicts), verdicts
"""


def run_every_cell_twice(notebook, folder):
    """Run each code cell, and at once again; fails if the second time sends anything.

    In the end an account of the notebook must hold the whole truth about each of its gateways. Returns the cells with
    what they showed the first time.
    """
    steps = [WATCH]
    for cell in code_cells(notebook):
        steps += [cell.source, REMEMBER, cell.source, COMPARE]
    twice = new_notebook(cells=[new_code_cell(step) for step in [*steps, JUDGE]])
    return refresh_notebooks.run(twice, folder).cells[1:-1:4]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cells):
    """What a reader sees below each cell; without images, whose bytes depend on the machine's fonts."""
    cleaned = refresh_notebooks.cleaned(new_notebook(cells=cells)).cells
    return [(cell.source, [visible(output) for output in cell.outputs]) for cell in cleaned]


def visible(output):
    kept = {name: value for name, value in output.items() if name not in {"data", "execution_count", "metadata"}}
    texts = {kind: value for kind, value in output.get("data", {}).items() if kind not in refresh_notebooks.IMAGES}
    return kept | texts


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_run_shows_what_is_shown_and_running_every_cell_twice_sends_nothing_twice(path):
    notebook = nbformat.read(path, as_version=4)
    ran = run_every_cell_twice(notebook, path.parent)
    for seen, written in zip(shown(ran), shown(code_cells(notebook)), strict=True):
        assert seen == written


def test_another_output_than_the_one_that_is_shown_would_be_found(tmp_path):
    ran = run_every_cell_twice(new_notebook(cells=[new_code_cell(CONNECT), new_code_cell("print(1 + 1)")]), tmp_path)
    assert [outputs for _, outputs in shown(ran)] == [[], [{"output_type": "stream", "name": "stdout", "text": "2\n"}]]


def test_a_cell_that_sends_again_would_be_found(tmp_path):
    cells = [CONNECT, 'sms.send("447700900123", "Hello", again=True)']
    with pytest.raises(CellExecutionError, match="1 more messages were accepted the second time"):
        run_every_cell_twice(new_notebook(cells=[new_code_cell(cell) for cell in cells]), tmp_path)


SERVED = """
import tempfile
import clicknb as cn
from clicknb.sandbox import Gateway, serve

server = serve(Gateway())
folder = tempfile.TemporaryDirectory()
"""
OPENED = """
login = {"user": "sandbox", "password": "sandbox", "api_id": "1", "base_url": server.url}
office = cn.connect(**login, ledger=folder.name + "/ledger.sqlite")
"""


@pytest.mark.parametrize(
    ("last", "found"),
    [
        ('office.send("447700900123", "Hello", again=True)', "1 more messages were accepted the second time"),
        ("server.gateway._messages.clear()", r"1 lost, 0 unrecorded"),
    ],
)
def test_what_goes_wrong_at_a_gateway_that_the_notebook_serves_would_be_found(last, found, tmp_path):
    cells = [SERVED, OPENED, 'office.send("447700900124", "Hello")', last]
    with pytest.raises(CellExecutionError, match=found):
        run_every_cell_twice(new_notebook(cells=[new_code_cell(cell) for cell in cells]), tmp_path)
