"""Run the notebooks and write their outputs; the only way outputs get into the repository.

What differs from run to run is left out, so that running twice changes nothing: widget state, execution times, the
language version, and what ``notebooks/sanitize.cfg`` names.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGES = ("image/png", "image/jpeg")


def executed(path: Path) -> NotebookNode:
    """Run a notebook in a fresh kernel, in its own folder."""
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "MPLBACKEND" and not name.startswith("CLICKATELL_")  # figures inline; no account of anybody's
    }
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        coalesce_streams=True,
    )
    client.execute(env=environment)
    return notebook


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """Leave out what differs from run to run."""
    rules = sanitizing_rules((NOTEBOOKS / "sanitize.cfg").read_text(encoding="utf-8"))
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # the frames name files of this machine
                output.traceback = [f"{output.ename}: {output.evalue}"]
            if "text" in output:
                output.text = sanitized(output.text, rules)
            data = output.get("data", {})
            data.pop(WIDGET, None)  # without its state a reader sees an error; the text beside it stays
            for kind, content in data.items():
                if kind not in IMAGES and isinstance(content, str):
                    data[kind] = sanitized(content, rules)
    return notebook


def sanitizing_rules(text: str) -> list[tuple[str, str]]:
    """Read pairs of regular expression and replacement, written as nbval wants them."""
    return re.findall(r"^regex: (.*)\nreplace: (.*)$", text, flags=re.MULTILINE)


def sanitized(text: str, rules: list[tuple[str, str]]) -> str:
    """Apply each rule in turn."""
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def comparable(notebook: NotebookNode) -> str:
    """Write a notebook without its images, whose bytes depend on the machine's fonts."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        for output in cell.get("outputs", []):
            for kind in IMAGES:
                output.get("data", {}).pop(kind, None)
    return str(nbformat.writes(copy))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the notebooks and write their outputs.")
    parser.add_argument("paths", nargs="*", type=Path, help="which ones; all of notebooks/ unless told")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything would change")
    options = parser.parse_args(arguments)

    stale = []
    for path in options.paths or sorted(NOTEBOOKS.glob("*.ipynb")):
        before = nbformat.read(path, as_version=4)
        after = cleaned(executed(path))
        changed = comparable(before) != comparable(after)
        if options.check:
            stale += [path] if changed else []
        elif changed:
            nbformat.write(after, path)
        print(f"{path.name}: {'changed' if changed else 'up to date'}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
