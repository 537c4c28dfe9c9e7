"""Where credentials come from, and that they show themselves nowhere."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import types

import pytest

from clicknb.errors import ConfigError
from clicknb.gateway import credentials
from clicknb.gateway.credentials import Credentials, Secret

VALUE = "canary-hunter2"


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("USER", "PASSWORD", "API_ID"):
        monkeypatch.delenv(f"CLICKATELL_{name}", raising=False)


def whole(found):
    return found.user, found.password.reveal(), found.api_id


def test_a_secret_shows_itself_to_nobody_but_who_asks():
    secret = Secret(VALUE)
    login = Credentials("abc", secret, "1")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", "%s %r" % (secret, secret)]  # noqa: UP031
    shown += [repr(login), str(login), repr([secret]), repr({"a": login}), repr(copy.deepcopy(login)), str(dir(secret))]
    assert not [text for text in shown if VALUE in text]
    assert secret.reveal() == VALUE
    assert copy.copy(secret).reveal() == copy.deepcopy(secret).reveal() == VALUE


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_stored(protocol):
    for thing in (Secret(VALUE), Credentials("abc", Secret(VALUE), "1")):
        with pytest.raises(TypeError, match="plain text"):
            pickle.dumps(thing, protocol)
    with pytest.raises(TypeError):
        json.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        vars(Secret(VALUE))
    with pytest.raises(TypeError):
        Secret(VALUE).__getstate__()


def test_secrets_are_equal_by_value_and_have_no_hash():
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_what_is_given_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("CLICKATELL_USER", "env-user")
    monkeypatch.setenv("CLICKATELL_PASSWORD", "env-password")
    monkeypatch.setenv("CLICKATELL_API_ID", "2")
    assert whole(credentials.find()) == ("env-user", "env-password", "2")
    assert whole(credentials.find(user="me", password="mine", api_id="1")) == ("me", "mine", "1")
    assert whole(credentials.find(api_id="3")) == ("env-user", "env-password", "3")


def test_nothing_found_names_what_is_missing_and_the_sandbox(monkeypatch):
    monkeypatch.setenv("CLICKATELL_USER", "")
    with pytest.raises(ConfigError) as caught:
        credentials.find()
    for word in ("No credentials", "CLICKATELL_USER", "CLICKATELL_PASSWORD", "CLICKATELL_API_ID", "cn.sandbox()"):
        assert word in str(caught.value)


def test_some_found_names_what_and_where_without_values(monkeypatch):
    monkeypatch.setenv("CLICKATELL_PASSWORD", VALUE)
    with pytest.raises(ConfigError, match=r"password in the environment.*missing: api_id") as caught:
        credentials.find(user="me-myself")
    assert VALUE not in str(caught.value)
    assert "me-myself" not in str(caught.value)
    assert "cn.sandbox()" in str(caught.value)


def test_a_dotenv_file_comes_after_the_environment(monkeypatch, tmp_path):
    pytest.importorskip("dotenv")
    file = tmp_path / "account.env"
    file.write_text(f"CLICKATELL_USER=file-user\nCLICKATELL_PASSWORD='{VALUE}'\nCLICKATELL_API_ID=3\n")
    assert whole(credentials.find(dotenv=file)) == ("file-user", VALUE, "3")
    monkeypatch.setenv("CLICKATELL_USER", "env-user")
    assert credentials.find(dotenv=str(file)).user == "env-user"
    with pytest.raises(ConfigError, match=r"no file missing\.env"):
        credentials.find(dotenv=tmp_path / "missing.env")


@pytest.mark.parametrize(("option", "module"), [({"dotenv": ".env"}, "dotenv"), ({"profile": "work"}, "keyring")])
def test_a_missing_package_is_named(option, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"clicknb\[{module}\]"):
        credentials.find(**option)


@pytest.fixture
def keyring(monkeypatch):
    """A stand-in for the package, so that no keyring of this machine is touched."""
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})
    errors.NoKeyringError = type("NoKeyringError", (errors.KeyringError,), {})
    module = types.ModuleType("keyring")
    module.errors = errors
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return module


def test_a_keyring_profile_holds_all_three(keyring):
    stored = {"user": "ring-user", "password": VALUE, "api_id": "4"}
    keyring.get_password = lambda context, name: stored[name] if context == "clicknb:work" else None
    assert whole(credentials.find(profile="work")) == ("ring-user", VALUE, "4")
    with pytest.raises(ConfigError, match="No credentials"):
        credentials.find(profile="play")


def test_no_keyring_is_a_clear_error(keyring):
    def get_password(_context, _name):
        raise keyring.errors.NoKeyringError(VALUE)

    keyring.get_password = get_password
    with pytest.raises(ConfigError, match="keyring could not be read") as caught:
        credentials.find(profile="work")
    assert VALUE not in str(caught.value)
    assert caught.value.__context__ is None
