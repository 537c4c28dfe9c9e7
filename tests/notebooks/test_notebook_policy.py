"""The house rules of the notebooks; that their outputs are right is tested by running them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from clicknb.recipients.numbers import reserved
from tools import refresh_notebooks

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TAGS = {"nbval-ignore-output", "nbval-raises-exception", "nbval-skip", "raises-exception"}
RAISES = {"nbval-raises-exception", "raises-exception"}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def texts(notebook):
    """Everything that a reader sees as text."""
    yield from (cell.source for cell in notebook.cells)
    for output in outputs(notebook):
        yield output.get("text", "")
        yield from output.get("traceback", [])
        yield from (content for content in output.get("data", {}).values() if isinstance(content, str))


def test_the_story_begins_with_a_title_and_runs_on_the_usual_kernel(notebook):
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert dict(notebook.metadata) == refresh_notebooks.METADATA
    nbformat.validate(notebook)


def test_no_widget_state_and_no_timing_is_kept(notebook):
    assert "widgets" not in notebook.metadata
    assert [cell.id for cell in code_cells(notebook) if "execution" in cell.metadata] == []
    assert [output for output in outputs(notebook) if refresh_notebooks.WIDGET in output.get("data", {})] == []


def test_only_known_tags(notebook):
    assert {tag for cell in notebook.cells for tag in tags(cell)} <= TAGS


def test_the_cells_were_run_once_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook) if "nbval-skip" not in tags(cell)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_error_is_shown_unless_the_story_wants_it(notebook):
    for cell in code_cells(notebook):
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert not failed or tags(cell) & RAISES, cell.source


def test_no_warnings_are_shown(notebook):
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []


def test_nothing_that_looks_different_in_jupyterlab_and_under_test(notebook):
    for cell in code_cells(notebook):
        assert not re.search(r";\s*\Z", cell.source), cell.source
        assert not re.search(r"\b(clear_output|Output|getpass|input|update_display)\(", cell.source), cell.source


def test_nothing_names_a_machine(notebook):
    path = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|usr|opt|var|Users)/\w|\b[A-Z]:\\\w")
    assert [match[0] for text in texts(notebook) for match in path.finditer(text)] == []


def test_every_number_is_reserved_for_it(notebook):
    tokens = [token for text in texts(notebook) for token in re.findall(r"(?<![\w.])\d{9,}(?!\w|\.\d)", text)]
    assert [token for token in tokens if not reserved(token)] == []


def test_images_can_be_seen_without_running(notebook):
    figures = [output for output in outputs(notebook) if "Figure size" in output.get("data", {}).get("text/plain", "")]
    assert [figure for figure in figures if "image/png" not in figure.data] == []
