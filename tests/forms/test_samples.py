"""The samples: whatever a text holds, a sample says it, and sends it as clicknb does."""

from __future__ import annotations

import ast
import re
import shlex
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicknb import testing
from clicknb.charset import SINGLE_BYTE
from clicknb.errors import ConfigError, InvalidInput
from clicknb.forms.message import samples
from clicknb.gateway.http.parameters import encode_text
from tools import run_samples

PROMISED = [
    *("cURL", "Bash", "PHP", "Ruby", "Python", "Perl", "Node.js", "JavaScript"),
    *("Java", "Android (Kotlin)", "Scala", "Clojure", "Haskell", "C#", "VB.NET", "Delphi"),
]
INTERPRETED = PROMISED[:8]
NASTY = [
    run_samples.TEXT,
    "0",
    " @file -n --data '\\'' \"\\\" \\ \\\\ \\n \\u0041 \\x41 \\0 \\",
    "$HOME ${HOME} $(id) #{1+1} #$0 #@x @ARGV @{[1]} %PATH% %s %%41 {} {{text}} {{url}}",
    "<?php ?> </script> <!-- // */ /* -- ; ' & vbLf & ' '#10' \" & \"",
    "one\ntwo\r\nthree\rfour\n\n",
    "".join(sorted(SINGLE_BYTE)),
    "`id` \t “curly” Ω \u2028 \U0001f600",
    "Ça va ? " * 60,
]

single_byte = st.text(st.sampled_from(sorted(SINGLE_BYTE)), min_size=1).filter(str.strip)
texts = single_byte | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=99).filter(str.strip)


@pytest.fixture(scope="module")
def gateway():
    with testing.server() as running:
        yield running


def render(title, text="Hello", **options):
    return samples.render(title, to=run_samples.TO, text=text, **options)


def test_the_languages_are_those_of_the_gateways_documentation():
    assert samples.languages() == PROMISED
    assert len({samples.language(title).file for title in PROMISED}) == len(PROMISED)


# --- run against the sandbox


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("title", INTERPRETED)
def test_a_text_arrives_once_and_as_it_is(title, text, gateway):
    if reason := run_samples.obstacle(title):
        pytest.skip(reason)
    assert run_samples.run(title, gateway, text=text) == ""


@pytest.mark.parametrize("text", ["Grüße & more + 10 %", "Ω" * 100, "a" * 200], ids=["bytes", "unicode", "parts"])
def test_a_sample_sends_what_clicknb_sends(text, gateway):
    at = datetime.now(UTC) + timedelta(days=1)
    details = {"sender": "Shop", "max_credits": 20.5}
    with testing.account(gateway) as sms:
        people = pd.DataFrame({"to": [run_samples.TO], "text": [text]})
        sms.plan(people, to="to", text="{text}", name="s", **details).send(at=at, progress=False)
    assert run_samples.run("Python", gateway, text=text, scheduled_time=at, **details) == ""
    by_clicknb, by_sample = (
        {name: getattr(message, name) for name in ("to", "sender", "text", "encoding", "parts")}
        | {name: value for name, value in message.options.items() if name != "climsgid"}
        for message in list(gateway.gateway.messages)[-2:]
    )
    assert by_sample == by_clicknb


def test_what_cannot_be_run_is_not_said_to_have_passed(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert run_samples.main(["cURL", "Java", "Delphi"]) == 0
    assert [line.split(None, 1)[1] for line in capsys.readouterr().out.splitlines()] == [
        "not run: `curl` is not installed",
        "not run: `java` is not installed",
        "not run: it takes a project to build it",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("text=", "text=X"), r"'XHello' arrived at 447700900123, not 'Hello' at 447700900123"),
        (("900123", "900124"), r"'Hello' arrived at 447700900124, not 'Hello' at 447700900123"),
        (("curl", "curl() { command curl $@; command curl $@; }; curl"), r"2 messages arrived"),
        (("password=", "password=wrong"), r"0 messages arrived; it said: ERR: 001, Authentication failed"),
        (("curl", "exit 7; curl"), r"sh ended with 7: "),
    ],
)
def test_a_sample_that_does_something_else_has_failed(change, reason, gateway, monkeypatch):
    if missing := run_samples.obstacle("cURL"):
        pytest.skip(missing)
    written = samples.render

    def broken(title, **options):
        head, separator, rest = written(title, **options).partition("\ncurl")
        return head + (separator + rest).replace(*change, 1)

    monkeypatch.setattr(samples, "render", broken)
    assert re.match(reason, run_samples.run("cURL", gateway, text="Hello"))
    assert run_samples.main(["cURL"]) == 1


# --- how they are written


def unquoted(literal, quotes, bare):
    """Read a literal the way languages with backslashes do; ``bare`` may not stand in it without one."""
    begin, end = quotes
    assert re.fullmatch(rf"{re.escape(begin)}(?:[^\\\n\r{re.escape(end + bare)}]|\\.)*{end}", literal)
    known = {"n": "\n", "r": "\r", "x80\\&": "€"}
    inside = literal[len(begin) : -len(end)]
    return re.sub(
        r"\\(u[0-9a-f]{4}|x80\\&|[nr]|[^\w])",
        lambda found: known.get(found[1]) or (chr(int(found[1][1:], 16)) if found[1][0] == "u" else found[1]),
        inside,
    )


@pytest.mark.parametrize(
    ("title", "bare"),
    [
        ("Bash", ""),
        ("PHP", "$"),
        ("Ruby", "#"),
        ("Python", ""),
        ("Perl", "$@"),
        ("Java", "".join(sorted(SINGLE_BYTE - set(map(chr, range(128)))))),
        ("Android (Kotlin)", "$"),
        ("Haskell", "€"),
    ],
)
@given(text=single_byte)
def test_a_literal_is_read_back_as_the_text(title, bare, text):
    quoting = samples.language(title).quoting
    assert unquoted(quoting.literal(text), quoting.quotes, bare) == text


@given(text=texts)
def test_python_reads_its_sample_back(text):
    assigned = next(node.value for node in ast.parse(render("Python", text)).body if isinstance(node, ast.Assign))
    pairs = zip(assigned.keys, assigned.values, strict=True)
    said = {key.value: value.value for key, value in pairs if isinstance(value, ast.Constant)}
    assert {name: said[name] for name in encode_text(text)} == encode_text(text)


@given(text=texts)
def test_a_shell_reads_its_sample_back(text):
    words = shlex.split(render("cURL", text), comments=True)
    said = dict(parse_qsl("&".join(word for word in words if "=" in word), encoding="cp1252", strict_parsing=True))
    assert {name: said[name] for name in encode_text(text)} == encode_text(text)


@pytest.mark.parametrize("title", PROMISED)
@settings(max_examples=20)
@given(text=texts)
def test_a_text_never_adds_a_line(title, text):
    plain = render(title, "Ω" if "unicode" in encode_text(text) else "Hello")
    sample = render(title, text)
    if join := samples.language(title).quoting.join:
        sample = sample.replace(join, "")
    assert sample.count("\n") == plain.count("\n")


@pytest.mark.parametrize("title", PROMISED)
def test_a_sample_is_short_holds_no_secret_and_no_place_left_open(title):
    sample = render(title, base_url="http://127.0.0.1:8080/")
    assert len(sample.splitlines()) < 40
    assert max(map(len, sample.splitlines())) <= 120
    assert "http://127.0.0.1:8080/http/sendmsg" in sample
    assert "sandbox" not in sample
    assert "{{" not in sample
    assert sample.endswith("\n")


@pytest.mark.parametrize("title", PROMISED)
def test_long_literals_are_cut_where_a_language_has_a_limit(title):
    longest = samples.language(title).quoting.longest
    words = max(map(len, render(title, "é" * 300).splitlines()))
    assert words < 255 if longest else words >= 300


def test_several_numbers_go_together():
    both = ["447700900123", "447700900124"]
    assert '"to": "447700900123,447700900124"' in samples.render("Python", to=both, text="Hello")


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"title": "COBOL"}, InvalidInput, "There are cURL, Bash"),
        ({"text": " \n"}, InvalidInput, "The text is empty"),
        ({"text": None}, InvalidInput, "text must be a text"),
        ({"text": "\ud83d"}, InvalidInput, "half a surrogate pair"),
        ({"to": "0770'); exit("}, InvalidInput, "5 to 15 digits"),
        ({"to": []}, InvalidInput, "no number"),
        ({"sender": 'a"b'}, InvalidInput, "sender"),
        ({"max_credits": -1}, InvalidInput, "max_credits"),
        ({"base_url": 'https://a.example/"'}, ConfigError, "no address of a gateway"),
    ],
)
def test_what_cannot_be_sent_is_refused(wrong, error, said):
    given = {"title": "Python", "to": run_samples.TO, "text": "Hello", **wrong}
    with pytest.raises(error, match=re.escape(said)):
        samples.render(given.pop("title"), **given)
