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

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

WATCH = """
from clicknb import testing

def accepted():
    if "sms" not in globals():
        return []
    return list(sms._box.messages)

def names():
    return [message.climsgid for message in accepted()]
"""
REMEMBER = "names_before = names()"
COMPARE = """
more = len(names()) - len(names_before)
assert names() == names_before, f"{more} more messages were accepted the second time"
"""
JUDGE = """
verdict = testing.check(sms, accepted())
assert verdict.ok and verdict.accepted, verdict
"""


def run_every_cell_twice(notebook, folder):
    """Run each code cell, and at once again; fails if the second time sends anything."""
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
