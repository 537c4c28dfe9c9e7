"""Where credentials come from, and a secret that cannot be printed."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, SupportsIndex

from clicknb.errors import ConfigError

VARIABLES = {"user": "CLICKATELL_USER", "password": "CLICKATELL_PASSWORD", "api_id": "CLICKATELL_API_ID"}


class Revealed(str):
    """A secret on its way to the wire: a string like any other, but tracebacks and dictionaries do not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Secret:
    """Text that does not show itself: not when printed, formatted, listed or copied, and it refuses to be pickled.

    Examples
    --------
    >>> Secret("hunter2")
    Secret(***)
    >>> f"{Secret('hunter2'):>30}"
    '***'
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a hash would tell something about the value

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the text itself, to be put on the wire and nowhere else."""
        return Revealed(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(0)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        message = "A secret cannot be pickled: it would lie in the file as plain text."
        raise TypeError(message)


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name, password and API ID of one Clickatell API connection."""

    user: str
    password: Secret
    api_id: str

    def __repr__(self) -> str:
        """Show the user only."""
        return f"Credentials(user={self.user!r}, password=***, api_id=***)"


def find(
    *,
    user: str | None = None,
    password: str | None = None,
    api_id: str | None = None,
    profile: str | None = None,
    dotenv: str | Path | None = None,
) -> Credentials:
    """Find credentials: given here, else in the environment, else in a ``.env`` file, else in a keyring.

    Each of the three is looked for by itself, as ``CLICKATELL_USER``, ``CLICKATELL_PASSWORD`` and
    ``CLICKATELL_API_ID`` in the environment and the file, as ``user``, ``password`` and ``api_id`` of the service
    ``clicknb:<profile>`` in the keyring.

    Parameters
    ----------
    user, password, api_id
        Given in the code; better for experiments than for notebooks that are shared.
    profile
        Name of a keyring profile; needs the ``keyring`` extra.
    dotenv
        Path of a ``.env`` file; needs the ``dotenv`` extra.

    Raises
    ------
    ConfigError
        One or more are missing, or a named source cannot be read. Values are never shown.
    """
    given = {"user": user, "password": password, "api_id": api_id}
    sources: list[tuple[str, Callable[[], Mapping[str, str | None]]]] = [
        ("given in the call", lambda: given),
        ("in the environment", lambda: {name: os.environ.get(variable) for name, variable in VARIABLES.items()}),
    ]
    if dotenv is not None:
        sources.append((f"in {Path(dotenv).name}", lambda: _from_dotenv(Path(dotenv))))
    if profile is not None:
        sources.append((f"in the keyring profile {profile!r}", lambda: _from_keyring(profile)))
    found: dict[str, str] = {}
    places: dict[str, str] = {}
    for place, read in sources:
        if len(found) == len(VARIABLES):
            break
        values = read()
        for name in VARIABLES:
            value = values.get(name)
            if name not in found and value:
                found[name], places[name] = value, place
    missing = [name for name in VARIABLES if name not in found]
    if missing:
        raise ConfigError(_what_is_missing(missing, places))
    return Credentials(found["user"], Secret(found["password"]), found["api_id"])


def _what_is_missing(missing: list[str], places: Mapping[str, str]) -> str:
    present = ", ".join(f"{name} {place}" for name, place in places.items())
    start = f"Only some credentials were found ({present}); missing:" if present else "No credentials were found:"
    wanted = ", ".join(f"{name} ({VARIABLES[name]})" for name in missing)
    return (
        f"{start} {wanted}. Nothing was contacted. Pass them to connect(), set these environment variables, name a"
        " file with dotenv= or a keyring profile with profile=. To try without an account use cn.sandbox()."
    )


def _from_dotenv(path: Path) -> Mapping[str, str | None]:
    try:
        from dotenv import dotenv_values
    except ImportError:
        message = "dotenv= needs the package python-dotenv: pip install 'clicknb[dotenv]'. Nothing was contacted."
        raise ConfigError(message) from None
    if not path.is_file():
        message = f"There is no file {path.name} to read credentials from. Nothing was contacted."
        raise ConfigError(message)
    values = dotenv_values(path)
    return {name: values.get(variable) for name, variable in VARIABLES.items()}


def _from_keyring(profile: str) -> Mapping[str, str | None]:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        message = "profile= needs the package keyring: pip install 'clicknb[keyring]'. Nothing was contacted."
        raise ConfigError(message) from None
    try:
        return {name: keyring.get_password(f"clicknb:{profile}", name) for name in VARIABLES}
    except KeyringError as error:
        kind = type(error).__name__
    message = (
        f"The keyring could not be read ({kind}): on a server or in a container there often is none. Nothing was"
        " contacted. Use environment variables or dotenv= instead."
    )
    raise ConfigError(message)
