"""All forms as one page with tabs."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from clicknb.account import Account
from clicknb.forms.campaign.form import CampaignForm
from clicknb.forms.connect import Connect
from clicknb.forms.kit import controls
from clicknb.forms.kit.form import Displayed, Form
from clicknb.forms.message.form import MessageForm
from clicknb.forms.monitor.form import MonitorForm

FORMS: tuple[Callable[..., Form], ...] = (MessageForm, CampaignForm, MonitorForm)
"""The tabs, in their order: each is made with an account and ``background``, and named by its ``title``."""


class Console(Displayed):
    """One page with a tab for each form; the last one opens another account, and stops what the others are at.

    Attributes
    ----------
    account : Account or None
        What it works with; None until somebody connects.
    forms : list of Form
        The forms in the tabs.
    view
        The widget that is shown.
    """

    def __init__(self, account: Account | None = None, *, background: bool = True) -> None:
        self.background = background
        self.account = account
        self.forms: list[Form] = []
        self.view = controls.column()
        self._connect = Connect(self._connected, background=background)
        if account is None:
            self._show([self._connect])
        else:
            self._connected(account)

    def _connected(self, account: Account) -> None:
        for form in self.forms:
            if form is not self._connect:
                form.close()  # nothing leaves from a form that is not seen
        self.account = self._connect.account = account
        self._connect.show_account()
        self._connect.refresh()
        self._show([*(make(account, background=self.background) for make in FORMS), self._connect])

    def _show(self, forms: list[Form]) -> None:
        self.forms = forms
        tabs = w.Tab(children=[form.view for form in forms], titles=[form.title for form in forms], selected_index=0)
        tabs.observe(lambda change: self._turn_to(change["new"]), names="selected_index")
        self.view.children = (tabs,)

    def _turn_to(self, place: int | None) -> None:
        if place is not None:
            self.forms[place].entered()

    def __repr__(self) -> str:
        return f"<Console: {', '.join(form.title for form in self.forms)}>"


def form(account: Account | None = None, *, background: bool = True) -> Console:
    """Open the forms as one page; without an account it begins by connecting.

    Parameters
    ----------
    account
        Such as ``clicknb.sandbox()``.
    background
        Whether what takes time runs in a thread, so that the page stays usable.

    Examples
    --------
    >>> import clicknb as cn
    >>> cn.form(cn.sandbox())
    <Console: Message, Campaign, Monitor, Connect>
    """
    return Console(account, background=background)
