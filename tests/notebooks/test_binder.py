"""What Binder would build, read the way Binder reads it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"


@pytest.fixture(scope="module")
def dockerfile():
    pytest.importorskip("repo2docker")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return built.stdout + built.stderr


def pins(path):
    """Name to the versions that a compiled requirements file pins; with hashes, or not at all."""
    found = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_python_is_3_12_and_the_package_supports_it(dockerfile):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert "environment-2epy-2d3-2e12" in dockerfile


def test_requirements_are_installed_before_the_repository_is_copied(dockerfile):
    install = dockerfile.index('pip install --no-cache-dir -r "binder/requirements.txt"')
    copy = dockerfile.index("COPY --chown=0:0 src/ ${REPO_DIR}/")
    assert install < copy < dockerfile.index("RUN ./binder/postBuild")


def test_post_build_stops_at_the_first_error_and_installs_only_the_package():
    script = (BINDER / "postBuild").read_text(encoding="utf-8")
    assert os.access(BINDER / "postBuild", os.X_OK)
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script
    assert "pip install --no-cache-dir --no-deps ." in script


def test_every_pin_of_binder_is_one_of_the_lock():
    lock = pins(ROOT / "requirements.lock")
    different = {
        name: versions for name, versions in pins(BINDER / "requirements.txt").items() if versions - lock[name]
    }
    assert different == {}


def test_binder_gets_every_dependency_and_voila_but_not_the_jupyterlab_that_it_brings():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, extras = table["project"], table["project"]["optional-dependencies"]
    wanted = project["dependencies"] + extras["excel"] + extras["hours"] + table["dependency-groups"]["binder"]
    names = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in wanted}
    pinned = set(pins(BINDER / "requirements.txt"))
    assert names <= pinned
    assert not pinned & {"jupyterlab", "notebook", "ipykernel"}


@pytest.mark.parametrize("path", ["requirements.lock", "binder/requirements.txt"])
def test_locked_requirements_hold_names_versions_and_hashes_only(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not re.search(r"://|^-|\.whl|\.tar\.gz", text, re.MULTILINE)
    requirements = re.split(r"\n(?=[\w-]+==)", text)
    assert all("--hash=sha256:" in requirement for requirement in requirements)
