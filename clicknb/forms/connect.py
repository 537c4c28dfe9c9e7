"""The form that opens an account: the sandbox, or the real gateway with credentials that stay unseen."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from clicknb import display
from clicknb.account import Account
from clicknb.errors import ConfigError
from clicknb.forms.kit import controls, markup, snippet
from clicknb.forms.kit.form import Form
from clicknb.gateway.credentials import VARIABLES, Credentials, Secret, find
from clicknb.gateway.http.client import Clickatell
from clicknb.gateway.transport import RequestsTransport
from clicknb.opening import LIVE_URL, connect, sandbox

SANDBOX = "Sandbox: nothing leaves this machine"
ACCOUNT = "My Clickatell account"

_NAMES = {"user": "user name", "password": "password", "api_id": "API ID"}


@dataclass(slots=True)
class Login:
    """Credentials on their way to an account; what is not given comes from the environment.

    Examples
    --------
    >>> login = Login()
    >>> login.take("password", "hunter2")
    >>> login
    Login(given={'password': Secret(***)})
    """

    given: dict[str, Secret] = field(default_factory=dict)

    def take(self, name: str, value: str) -> None:
        """Keep a value as a secret."""
        self.given[name] = Secret(value)

    def forget(self) -> None:
        """Forget all of them."""
        self.given.clear()

    def open(self, **settings: Any) -> tuple[Account, float]:
        """Open the account and ask for its balance, so that wrong credentials are found now.

        Raises
        ------
        ConfigError
            Some are missing; nothing was contacted.
        AccountError
            The gateway does not take them.
        """
        absent = [name for name in _NAMES if name not in self.given and not os.environ.get(VARIABLES[name])]
        if absent:
            message = (
                f"Missing: {', '.join(_NAMES[name] for name in absent)}. Nothing was contacted. Write it into its "
                f"field, or set {', '.join(VARIABLES.values())} in the environment before the kernel starts."
            )
            raise ConfigError(message)
        login: dict[str, Any] = {name: secret.reveal() for name, secret in self.given.items()}
        balance = _asked(find(**login), settings.get("base_url"))
        return connect(**login, **settings), float(balance)


def _asked(login: Credentials, base_url: str | None) -> Decimal:
    """Ask for the balance before there is a ledger: its name would keep whatever was written into a wrong field."""
    transport = RequestsTransport(base_url or os.environ.get("CLICKATELL_BASE_URL") or LIVE_URL)
    try:
        return Clickatell(transport, login).getbalance()
    finally:
        transport.close()


class Connect(Form):
    """Open the sandbox, or an account at the gateway.

    What is written into the fields for credentials is taken out of them at once: no widget, cell or saved notebook
    holds it. The opened account is ``form.account``.

    Parameters
    ----------
    then
        Called with the account when one was opened.
    background
        Whether the gateway is asked in a thread.
    **settings
        Those of ``clicknb.connect``, such as ``base_url``; no credentials.

    Examples
    --------
    >>> import clicknb as cn
    >>> form = cn.forms.Connect(background=False)
    >>> form.open.click()
    >>> form.account
    Sandbox account
      messages   never leave this machine
      ledger     in memory, gone with this kernel
      campaigns  0
    """

    title = "Connect"

    def __init__(
        self, then: Callable[[Account], None] | None = None, *, background: bool = True, **settings: Any
    ) -> None:
        super().__init__(None, background=background)
        self._then = then
        self._settings = settings
        self.login = Login()
        self._balance = 0.0
        self.where = controls.choice("Work with", [SANDBOX, ACCOUNT], width="320px")
        self.user = controls.text("User name", live=False)
        self.password = controls.password("Password")
        self.api_id = controls.password("API ID")
        self._received = controls.html()
        self.open = controls.button("Connect", main=True)
        self._facts = controls.html()
        self.on_change(self.where, self.login.forget)
        for name in _NAMES:
            getattr(self, name).observe(self._quietly(self._taker(name)), names="value")
        self.on_click(self.open, self._open)
        self._credentials = controls.column(controls.row(self.user, self.password, self.api_id), self._received)
        self.lay_out(self.where, self._credentials, controls.row(self.open), self._facts)
        self.refresh()

    def _taker(self, name: str) -> Callable[[], None]:
        control = getattr(self, name)

        def take() -> None:
            value, control.value = control.value, ""
            if value:
                self.login.take(name, value)
                self.refresh()

        return take

    def _open(self) -> None:
        if self.where.value == SANDBOX:
            self.run(lambda _: _sandbox(), self._opened, says="Opening the sandbox …")
        else:
            self.run(lambda _: self.login.open(**self._settings), self._opened, says="Asking the gateway …")

    def _opened(self, opened: tuple[Account, float]) -> None:
        self.login.forget()
        self.account, self._balance = opened
        self.show_account()
        self.say("done", f"Connected. Balance: {display.credits(self._balance)}.")
        if self._then is not None:
            self._then(self.account)

    def refresh(self) -> None:
        """Show what was received, never the values."""
        controls.show(self._credentials, self.where.value == ACCOUNT)
        self._received.value = markup.line(self._said())
        self.code.text = self._code()

    def _said(self) -> str:
        received = [words for name, words in _NAMES.items() if name in self.login.given]
        missing = [words for words in _NAMES.values() if words not in received]
        taken = f"Received and no longer shown: {', '.join(received)}. " if received else ""
        rest = f"Not given: {', '.join(missing)}; looked for in the environment." if missing else ""
        return (
            f"{taken}{rest}\nEach field empties itself when you leave it, so that no credentials are saved with the "
            "notebook."
        )

    def _code(self) -> str:
        if self.account is not None or self.where.value == SANDBOX:
            return snippet.program(self.account, [], ["sms.balance()"])
        lines = ["import clicknb as cn", "", snippet.FROM_ENVIRONMENT, "sms = cn.connect()", "sms.balance()"]
        return "\n".join(lines) + "\n"


def _sandbox() -> tuple[Account, float]:
    account = sandbox()
    return account, account.balance()
