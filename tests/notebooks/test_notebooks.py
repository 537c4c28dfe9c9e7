"""Every cell of every notebook may be run twice: the gateway accepts nothing twice, and the ledger knows all of it.

That the outputs are what a run shows is tested by nbval, which plain ``pytest`` runs on ``notebooks/``.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

WATCH = """
from clicknb import Account, testing
from clicknb.simulator import Server

def named(kind):
    return [value for name, value in globals().items() if isinstance(value, kind) and not name.startswith("_")]

def gateways():
    found = [account.context.simulator for account in named(Account)] + [server.gateway for server in named(Server)]
    return list(dict.fromkeys(gateway for gateway in found if gateway is not None))

def names():
    return [message.climsgid for gateway in gateways() for message in gateway.messages]

def verdict(gateway):
    verdicts = [testing.check(account, gateway.messages) for account in named(Account)]
    return next((verdict for verdict in verdicts if verdict.ok), verdicts)
"""
REMEMBER = "names_before = names()"
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

    In the end an account of the notebook must hold the whole truth about each of its gateways.
    """
    steps = [WATCH]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            steps += [cell.source, REMEMBER, cell.source, COMPARE]
    twice = new_notebook(cells=[new_code_cell(step) for step in [*steps, JUDGE]])
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(twice, timeout=120, kernel_name="python3", resources=resources, store_widget_state=False).execute()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_running_every_cell_twice_sends_nothing_twice(path):
    run_every_cell_twice(nbformat.read(path, as_version=4), path.parent)


def test_a_cell_that_sends_again_would_be_found(tmp_path):
    cells = ["import clicknb as cn\nsms = cn.sandbox()", 'sms.send("447700900123", "Hello", again=True)']
    with pytest.raises(CellExecutionError, match="1 more messages were accepted the second time"):
        run_every_cell_twice(new_notebook(cells=[new_code_cell(cell) for cell in cells]), tmp_path)


SERVED = """
import tempfile
import clicknb as cn
from clicknb.simulator import Gateway, serve

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
        ("server.gateway = Gateway()", r"1 lost, 0 unrecorded"),
    ],
)
def test_what_goes_wrong_at_a_gateway_that_the_notebook_serves_would_be_found(last, found, tmp_path):
    cells = [SERVED, OPENED, 'office.send("447700900124", "Hello")', last]
    with pytest.raises(CellExecutionError, match=found):
        run_every_cell_twice(new_notebook(cells=[new_code_cell(cell) for cell in cells]), tmp_path)
