"""The house: who may know whom, how large a thing may grow, and what importing costs."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import socket
import subprocess
import sys
import tomllib
import zipfile
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import phonenumbers
import pytest

import clicknb
from clicknb.recipients.numbers import reserved

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "clicknb").rglob("*.py"))

SINGLE_FILES = {"cells", "charset", "checks", "clock", "display", "errors", "export", "frames", "kinds"}
ROOMS = {"gateway", "recipients", "messages", "hours", "analysis", "ledger"}
LAYERS = {
    **dict.fromkeys(SINGLE_FILES, SINGLE_FILES),
    "gateway": SINGLE_FILES,
    "recipients": SINGLE_FILES,
    "messages": SINGLE_FILES,
    "hours": SINGLE_FILES,
    "analysis": SINGLE_FILES,
    "ledger": SINGLE_FILES | {"gateway.http.codes", "gateway.limits"},
    "campaign": SINGLE_FILES | ROOMS,
    "simulator": {"gateway.http.codes"},
    "forms": SINGLE_FILES | ROOMS | {"campaign", "account", "opening"},
    "account": SINGLE_FILES | ROOMS | {"campaign"},
    "opening": SINGLE_FILES | ROOMS | {"campaign", "account", "simulator"},
}
TOP = {
    "",
    "__main__",
    "cli",
    "demo",
    "testing",
}  # the package itself, the command line and the test kit may know everything


def path_name(path):
    return str(path.relative_to(ROOT))


def dotted(path):
    parts = path.relative_to(ROOT / "clicknb").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def run_time_nodes(tree):
    """Every node but those under ``if TYPE_CHECKING:``, where a name is for annotations only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from run_time_nodes(node)


def imported(path):
    """The modules of the package that a module imports, as dotted names below ``clicknb``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strict = dotted(path).startswith("simulator")
    for node in ast.walk(tree) if strict else run_time_nodes(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path_name(path)}: a relative import hides where the arrow points"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("clicknb").lstrip(".") for name in names if re.match(r"clicknb(\.|$)", name))


def arrows(paths, root, package):
    """Which module imports which, at load time or inside a function."""
    names = {
        ".".join([package, *path.relative_to(root).with_suffix("").parts]).removesuffix(".__init__") for path in paths
    }
    found = {}
    for path in paths:
        mine = ".".join([package, *path.relative_to(root).with_suffix("").parts]).removesuffix(".__init__")
        imports = list(run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))))
        targets = [
            f"{node.module}.{alias.name}"
            for node in imports
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        ]
        targets += [alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names]
        known = {target if target in names else target.rpartition(".")[0] for target in targets} & names
        found[mine] = known - {mine, package}
    return found


@pytest.mark.parametrize("package", ["clicknb", "benchmarks"])
def test_no_module_needs_itself_in_a_circle(package):
    root = ROOT / package
    TopologicalSorter(arrows(sorted(root.rglob("*.py")), root, package)).prepare()  # raises where there is a circle


def test_the_search_for_circles_finds_one_inside_a_function(tmp_path):
    (tmp_path / "a.py").write_text("from p import b")
    (tmp_path / "b.py").write_text("def late():\n    from p.a import x")
    with pytest.raises(CycleError):
        TopologicalSorter(arrows(sorted(tmp_path.glob("*.py")), tmp_path, "p")).prepare()


def private_names(source):
    """Names of others with an underscore, imported or replaced: ruff's SLF sees only those that follow a dot."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("setattr", "delattr", "patch.object")):
            names = [value.value for value in node.args if isinstance(value, ast.Constant)]
        else:
            continue
        yield from (name for name in names if re.match(r"_(?!_)", str(name)))


def test_nobody_reaches_for_the_private_names_of_others():
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert "SLF" in lint["select"]
    exempt = [*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)]
    assert [code for code in exempt if code.startswith("SLF")] == []
    sources = {path: path.read_text(encoding="utf-8") for path in tracked() if path.suffix == ".py"}
    assert [path_name(path) for path, source in sources.items() if re.search(r"noqa\b.*\bSLF", source)] == []
    found = {path_name(path): names for path, source in sources.items() if (names := list(private_names(source)))}
    assert found == {}


def test_the_search_for_private_names_finds_them():
    source = "from a import _b\nfrom a import b, __version__\nsetattr(a, '_c', b)\npatch.object(a, '_d')\nprint('_e')"
    assert list(private_names(source)) == ["_b", "_c", "_d"]


@pytest.mark.parametrize("name", clicknb.__all__)
def test_a_public_name_is_not_private_where_it_comes_from_either(name):
    value = getattr(clicknb, name)
    home = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', name)}"
    assert [part for part in home.split(".") if part.startswith("_") and part != "__version__"] == []


def within(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=path_name)
def test_a_module_imports_only_what_lies_below_it(path):
    layer = dotted(path).split(".")[0]
    if layer in TOP:
        return
    assert layer in LAYERS, f"{layer} has no place in the house yet"
    wrong = [name for name in imported(path) if not within(name, LAYERS[layer] | {layer})]
    assert wrong == []


@pytest.mark.parametrize("path", MODULES, ids=path_name)
def test_modules_and_functions_stay_small(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {node.name: length(node) for node in functions if length(node) > 50} == {}
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)] + functions + [tree]
    lines = len(path.read_text(encoding="utf-8").splitlines()) - sum(docstring_lines(node) for node in documented)
    assert lines <= 400


def length(function):
    return function.end_lineno - function.lineno + 1 - docstring_lines(function)


def docstring_lines(node):
    return len((ast.get_docstring(node, clean=False) or "").splitlines())


PROBE = """
import sys
seen = []
def watch(event, arguments):
    if event == "open" or event.startswith("socket."):
        seen.append((event, str(arguments[0])))
sys.addaudithook(watch)
import clicknb
print(__import__("json").dumps({"events": seen, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def probe():
    command = [sys.executable, "-B", "-c", PROBE]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


def test_importing_opens_no_socket_and_reads_nothing_but_modules(probe):
    strange = [
        (event, path)
        for event, path in probe["events"]
        if event != "open" or Path(path).suffix not in {".py", ".pyc", ".so", ".pyd"}
    ]
    assert strange == []


def test_importing_loads_none_of_the_slow_libraries(probe):
    slow = {"IPython", "aiohttp", "ipywidgets", "matplotlib", "numpy", "pandas", "sqlalchemy", "tqdm"}
    assert slow & set(probe["modules"]) == set()


def test_no_public_name_can_be_replaced_by_a_module_that_is_called_like_it():
    top = {dotted(path).split(".")[0] for path in MODULES}
    hidden = {name for name in set(clicknb.__all__) & top if getattr(clicknb, name).__name__ != f"clicknb.{name}"}
    assert hidden == set()


def test_public_names_are_sorted_closed_and_importable():
    assert clicknb.__all__ == sorted(set(clicknb.__all__))
    assert dir(clicknb) == clicknb.__all__
    missing = [name for name in clicknb.__all__ if not hasattr(clicknb, name)]
    assert missing == []
    with pytest.raises(AttributeError, match="no_such_name"):
        clicknb.no_such_name  # noqa: B018


@pytest.mark.slow
def test_a_type_checker_finds_a_misspelt_name(tmp_path):
    script = tmp_path / "campaign.py"
    script.write_text("import clicknb as cn\ncn.sandbox(credits=5)\ncn.sandox()")
    checked = subprocess.run([sys.executable, "-m", "mypy", str(script)], cwd=ROOT, capture_output=True, text=True)
    expected = 'Module has no attribute "sandox"; maybe "sandbox"?  [attr-defined]'
    assert re.findall("error: (.*)", checked.stdout) == [expected], checked.stdout + checked.stderr


def tracked():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    locks = {"requirements.lock", "binder/requirements.txt"}
    return [ROOT / name for name in listed.stdout.splitlines() if name not in locks and (ROOT / name).is_file()]


def text_of(path):
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            return "\n".join(book.read(name).decode() for name in book.namelist())
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def assigned_numbers(text):
    """Whole tokens of digits that could be the number of a person somewhere."""
    for token in re.findall(r"(?<![\w.])(?:\+\d[\d ]{7,17}\d|\d{9,15})(?!\w|\.\d)", text):
        digits = re.sub(r"\D", "", token)
        if not reserved(digits) and is_assignable(digits):
            yield token


def is_assignable(digits):
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def test_no_file_names_a_machine_or_a_registry():
    private = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w|(?:pypi|npmjs|pythonhosted)\.(?:org|com)")
    found = [(path_name(path), match[0]) for path in tracked() for match in private.finditer(text_of(path))]
    assert found == []


def test_no_file_holds_a_number_that_may_belong_to_somebody():
    files = [
        path for path in tracked() if path_name(path) != "tests/recipients/test_recipients.py"
    ]  # validation needs real shapes
    found = [(path_name(path), number) for path in files for number in assigned_numbers(text_of(path))]
    assert found == []


def test_the_search_for_numbers_finds_one():
    assigned = "4479111" + "23456"
    assert list(assigned_numbers(f"call +{assigned} or {assigned}, not 447700900123, 0.{assigned} or a{assigned}")) == [
        f"+{assigned}",
        assigned,
    ]


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("sms.invalid", 443)])
def test_a_test_that_reaches_beyond_loopback_fails_whatever_it_catches(address):
    with pytest.raises(pytest.fail.Exception, match="beyond loopback"), contextlib.suppress(Exception):
        socket.create_connection(address, timeout=1)
