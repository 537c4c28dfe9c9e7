"""What the program does rests on facts: with every sentence of its own replaced by "x" it does the same."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clicknb as cn

PACKAGE = Path(cn.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

WITHOUT_SENTENCES = '''
import ast, importlib.machinery, pathlib, re, sys

SENTENCE = re.compile(r"[A-Za-z].* | .*[A-Za-z]", re.DOTALL)
SQL = re.compile(r"\\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|BEGIN|VACUUM)\\b")
CALLS = {"compile", "sub", "search", "findall", "execute", "exec_driver_sql", "CheckConstraint", "literal_column"}
PACKAGE = pathlib.Path(sys.argv[1])


def names():
    """The strings by which something is chosen, though some have a blank: kinds, rows of tables, values of frames."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            keys = node.keys if isinstance(node, ast.Dict) else [node] if path.name == "frames.py" else []
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAME":  # of a campaign, in each ledger
                keys = [node.value]
            found |= {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return found


class Silence(ast.NodeTransformer):
    """Replaces sentences; leaves docstrings, SQL, regular expressions, HTTP, and the formats of numbers and times."""

    def visit_Expr(self, node):
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Call(self, node):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return node if called in CALLS else self.generic_visit(node)

    def visit_JoinedStr(self, node):
        text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        return node if SQL.match(text) or "\\r\\n" in text else self.generic_visit(node)

    def visit_FormattedValue(self, node):
        node.value = self.visit(node.value)
        return node

    def visit_Constant(self, node):
        text = node.value
        if not isinstance(text, str) or SQL.match(text) or not SENTENCE.search(text):
            return node
        if "(?" in text or any(name.startswith(text) for name in NAMES):
            return node
        COUNT.append(text)
        return ast.copy_location(ast.Constant("x"), node)


class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        return self.source_to_code(self.get_data(self.path), self.path)

    def source_to_code(self, data, path, **options):
        if {"simulator", "analysis"} & set(pathlib.Path(path).parts):  # one is the gateway; the other decides nothing
            return super().source_to_code(data, path, **options)
        tree = Silence().visit(ast.parse(data))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target) if name.split(".")[0] == "clicknb" else None
        if spec is not None and spec.origin and spec.origin.endswith(".py"):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


COUNT = []
NAMES = names()
sys.meta_path.insert(0, Finder)
'''

SCENARIO = """
import json, sys, warnings
from pathlib import Path

import pandas as pd

import clicknb as cn
from clicknb import testing
from clicknb.campaign.plan_repr import left_out_by_kind, warnings as looks
from clicknb.forms.campaign.review import Checked
from clicknb.forms.message.draft import Draft
from clicknb.forms.campaign.people import People
from clicknb.forms.campaign.draft import Recipe

directory, first = Path(sys.argv[2]), sys.argv[3] == "first"
facts = {}


def number(tail):
    return f"4477009{tail:05d}"


def people(*numbers):
    return pd.DataFrame({"to": list(numbers), "name": "Ann"})


def refused(work):
    try:
        work()
    except Exception as error:
        return type(error).__name__
    return ""


def noted(sms, name):
    campaign = sms.campaign(name)
    facts[name] = [campaign.counts, bool(campaign.stopped), campaign.paused]
    facts[name] += [campaign.sends[column].astype("object").fillna("").tolist() for column in ("state", "error_code")]
    table = sms.context.ledger.table(campaign.id)
    facts[name] += [table["left_out"], table["skip_kind"]]


def plan(sms, name, frame, **options):
    made = sms.plan(frame, to="to", text="Hi {name}", name=name, **options)
    facts[f"plan {name}"] = [
        made.token, made.frame["kind"].fillna("").tolist(), left_out_by_kind(made.frame),
        [look.kind for look in looks(made)], len(made.new),
    ]
    return made


with cn.sandbox(directory) as sms:
    everybody = people(*map(number, range(8)), "n/a", number(0), "4.477E+11")
    everybody.loc[7, "name"] = None
    if first:
        sms.suppress(number(1), source="by letter")
        made = plan(sms, "people", everybody)
        sms.suppress(number(2), source="by telephone")
        made.send(progress=False).track(progress=False)
        plan(sms, "cancelled", people(*map(number, range(20, 24)))).send(progress=False)
        plan(sms, "purged", people(number(30))).send(progress=False).track(progress=False)
        sms.purge(campaign="purged")
        abroad = people(number(40), "12125550100", "14165550100")
        plan(sms, "hours", abroad, hours="US").send(progress=False)
        facts["late"] = refused(plan(sms, "late", abroad, hours="US", outside="wait", budget=0.1).send)
        sms.send(number(50), "Hello")
    else:
        facts["purged"] = refused(plan(sms, "purged", people(number(31))).send)
        plan(sms, "people", everybody).send(progress=False)
        sms.unsuppress([number(1), number(2)], source="asked for it")
        plan(sms, "people", everybody).send(progress=False)
        facts["changed"] = refused(plan(sms, "people", people(number(0)).assign(name="Eve")).send)
        sms.campaign("cancelled").cancel()
        facts["cancelled"] = refused(plan(sms, "cancelled", people(number(20), number(29))).send)
        sms.campaign("cancelled").pause()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            sms.send(number(50), "Hello")
        facts["again"] = [type(warning.message).__name__ for warning in heard]
    for name in sms.campaigns()["name"]:
        noted(sms, name) if " " not in name and name != "x" else None
    facts["arrived"] = sorted([message.to, message.text] for message in testing.messages(sms))
    draft = Draft(numbers=f"{number(1)}, n/a, {number(1)}", text="Hi")
    facts["draft"] = [len(draft.problems()), len(Draft(numbers=f"{number(1)}, {number(1)}", text="Hi").problems())]
    made = plan(sms, "form", everybody)
    found = Checked.of(made, Recipe.of(made), People.of(everybody, "people"))
    facts["form"] = [len(found.warnings), found.findings[["fate", "kind", "rows"]].astype("str").to_numpy().tolist()]
    form = cn.forms.Campaign(made, background=False)
    form.send.click()
    facts["sent by the form"] = [form.campaign.counts, form.outcome.result.paused]
    for fault in ("lost replies", "broken connections"):
        facts[fault] = made.rehearse(fault).verdict.ok

with testing.server() as server, testing.account(server) as sms:
    made = plan(sms, "stopped", people(*map(number, range(60))), mode="list")
    campaign = made.send(background=True, progress=False)
    campaign.pause()
    refused(campaign.wait)
    facts["paused"] = [campaign.paused, bool(campaign.stopped)]
    facts["resumed"] = [campaign.resume(progress=False).counts, campaign.paused]

print(json.dumps(facts))
"""


def run(directory, stage, *, silent):
    """Run a stage of the scenario in a program of its own; returns its facts."""
    script = (WITHOUT_SENTENCES if silent else "") + SCENARIO
    if silent:
        script += "\nassert len(COUNT) > 500\n"
    done = subprocess.run(
        [sys.executable, "-c", script, str(PACKAGE), str(directory), stage],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_without_its_sentences_the_program_decides_the_same(tmp_path):
    first = {silent: run(tmp_path / str(silent), "first", silent=silent) for silent in (False, True)}
    assert first[True] == first[False]
    assert first[False]["people"][0] == {"accepted": 5, "skipped": 6}
    then = {}
    for before, after in ((False, False), (False, True), (True, False)):  # and a ledger that the other one wrote
        copy = shutil.copytree(tmp_path / str(before), tmp_path / f"{before} {after}")
        then[before, after] = run(copy, "second", silent=after)
    assert then[False, True] == then[True, False] == then[False, False]
    assert then[False, False]["people"][0] == {"accepted": 7, "skipped": 4}


GERMAN = """
import locale, sys
locale.setlocale(locale.LC_ALL, "")
from datetime import datetime
assert f"{datetime(2026, 3, 3):%B}" == "März"
import pandas as pd
import clicknb as cn
with cn.sandbox() as sms:
    sms.suppress("447700900001")
    people = pd.DataFrame({"to": ["447700900001", "447700900002"]})
    campaign = sms.plan(people, to="to", text="Hi", name="x").send(progress=False)
    print(campaign.sends["error"][0])
"""


@pytest.mark.skipif(shutil.which("localedef") is None, reason="no other language can be had here")
def test_no_word_in_the_language_of_the_machine_is_stored(tmp_path):
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("no other language can be had here")
    german = os.environ | {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8", "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", GERMAN], env=german, capture_output=True, text=True, check=True)
    assert done.stdout == "suppressed: since 3 March 2026\n"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_time_is_written_in_the_language_of_the_machine(path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    formats = [node.format_spec for node in nodes if isinstance(node, ast.FormattedValue) and node.format_spec]
    formats += [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "strftime"]
    spoken = [ast.unparse(one) for one in formats if any(f"%{letter}" in ast.unparse(one) for letter in "aAbBpcxX")]
    assert spoken == []
