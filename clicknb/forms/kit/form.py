"""What all forms have in common: one guard for every callback, one piece of work at a time, and a short repr."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

import ipywidgets as w

from clicknb.account import Account
from clicknb.errors import ClicknbError
from clicknb.forms.kit import controls, markup, tasks

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Displayed:
    """Something that a notebook shows by its widget ``view``; in plain text, by its own name."""

    view: Any

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {**self.view._repr_mimebundle_(**kwargs), "text/plain": repr(self)}


class Form(Displayed):
    """A form over a headless model.

    A subclass makes its controls, ties them with ``on_change`` and ``on_click``, and ends its ``__init__`` with
    ``lay_out`` and ``refresh``. All that is shown follows from the model in ``refresh``, which runs after every change
    and after every piece of work. An exception in any of it is shown in the form: a widget would swallow it.

    Attributes
    ----------
    account : Account or None
        What the form works with.
    view
        The widget that is shown.
    last_error : Exception or None
        What went wrong in the last action.
    background : bool
        Whether what takes time runs in a thread.
    doing, notice
        Where it says what it does now, and what came of it.
    code : clicknb.forms.kit.controls.Code
        The code that does the same.
    """

    title = "Form"

    def __init__(self, account: Account | None, *, background: bool = True) -> None:
        self.account = account
        self.last_error: Exception | None = None
        self.view = controls.column()
        self.code = controls.Code(self._quietly, *self.above_code())
        self.background = background
        self._banner = controls.html()
        self.notice = controls.html()
        self._buttons: list[Any] = []
        self._task: tasks.Task | None = None
        self._thread: Thread | None = None
        self._stop: Callable[[], object] | None = None
        self._bar = w.IntProgress(layout=w.Layout(width="100%", max_width="320px"))
        self.doing = controls.html()
        self._cancel = controls.button("Cancel")
        self._cancel.on_click(self._guarded_call(self.cancel))
        self._busy = controls.row(self.doing, self._bar, self._cancel)
        controls.show(self._busy, False)

    def __repr__(self) -> str:
        return f"<{self.title} form>"

    # for subclasses

    def above_code(self) -> tuple[Any, ...]:
        """Make controls that stand above the code, such as a choice of languages."""
        return ()

    def refresh(self) -> None:
        """Show the model as it is now."""

    def lay_out(self, *children: Any, below: tuple[Any, ...] = ()) -> None:
        """Put the form together: the account, the controls, work in progress, what went wrong, the rest, the code."""
        self.view.children = (self._banner, *children, self._busy, self.notice, *below, self.code.view)
        self.show_account()

    def show_account(self) -> None:
        """Say which account this is; a live one has a red frame around the whole form."""
        live = self.account is not None and self.account.live
        self._banner.value = markup.banner(self.account)
        self.view.layout.border = markup.LIVE_FRAME if live else "none"
        self.view.layout.padding = "8px" if live else "0"

    def on_click(self, button: Any, action: Callable[[], None]) -> None:
        """Do something when a button is clicked. It cannot be clicked while the form is at work."""
        self._buttons.append(button)
        button.on_click(self._guarded_call(action))

    def on_change(self, control: Any, action: Callable[[], object] = lambda: None) -> None:
        """Do something when the value of a control changes, or only show the form as it is then."""
        control.observe(self._guarded_call(action), names="value")

    def enable(self, button: Any, wanted: bool) -> None:
        """Let a button be clicked, or not; the form says why not, and while it is at work there is none."""
        button.disabled = self.busy or not wanted

    def say(self, kind: markup.Tone, words: str) -> None:
        """Say something below the controls, until the next action."""
        self.show_notice(markup.notice(kind, words))

    def show_notice(self, piece: str) -> None:
        """Show a piece of HTML below the controls, until the next action."""
        self.notice.value = piece

    def show_error(self, error: Exception) -> None:
        """Show what went wrong, and keep it on ``last_error``."""
        self.last_error = error
        self.say("error", explained(error))

    def run(
        self,
        job: Callable[[tasks.Task], _Result],
        done: Callable[[_Result], object],
        *,
        says: str,
        stop: Callable[[], object] | None = None,
        cancel: str = "Cancel",
    ) -> None:
        """Do something that takes time, in the form's one thread, and then show its result.

        Parameters
        ----------
        job
            Gets the task, to say how far it is and to learn whether it shall stop.
        done
            Gets what ``job`` returned; not called if that failed.
        says
            What is being done, for people.
        stop
            Called by Cancel, besides setting ``task.cancelled``; without it there is no button to cancel.
        cancel
            What that button is called.
        """
        if self._task is not None:
            message = "This form is still at work. Nothing new was begun. Wait until it is done, or cancel it."
            raise ClicknbError(message)
        task = tasks.Task(self._show_progress)
        self._task, self._stop = task, stop
        self._show_busy(says)
        self._cancel.description = cancel

        def whole() -> None:
            with self._guarded():
                try:
                    result = job(task)
                finally:
                    self._task = None
                    self._show_busy("")
                done(result)
            with self._guarded():
                self.refresh()

        self._thread = tasks.start(whole, background=self.background)

    # for everybody

    def enter(self) -> None:
        """Show what has changed elsewhere; called when somebody turns to the form."""

    def entered(self) -> None:
        """Call ``enter``; what goes wrong is shown in the form."""
        self._quietly(self.enter)()

    @property
    def busy(self) -> bool:
        """Whether the form is at work."""
        return self._task is not None

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the work in progress; for code that drives a form.

        Raises
        ------
        TimeoutError
            It is still at work after so many seconds.
        """
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                message = f"The form is still at work after {timeout} seconds."
                raise TimeoutError(message)

    def cancel(self) -> None:
        """Ask the work in progress to stop; the form says when it has."""
        task, stop = self._task, self._stop
        if task is None:
            return
        task.stop.set()
        self._cancel.disabled = True
        self._cancel.description = "Stopping …"
        if stop is not None:
            stop()

    def close(self) -> None:
        """Stop the work and take the form off the page."""
        self.cancel()
        self.view.close()

    # inside

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  a widget would swallow it; the form shows it
            logger.info("%s form: %s", self.title, type(error).__name__)
            self.show_error(error)

    def _guarded_call(self, action: Callable[[], object]) -> Callable[..., None]:
        """Make a callback of an action: it clears what was said before, and shows what goes wrong."""

        def callback(*_: Any) -> None:
            with self._guarded():
                self.last_error = None
                self.notice.value = ""
                action()
                self.refresh()

        return callback

    def _quietly(self, action: Callable[[], None]) -> Callable[..., None]:
        """Make a callback that leaves alone what was said before."""

        def callback(*_: Any) -> None:
            with self._guarded():
                action()

        return callback

    def _show_busy(self, says: str) -> None:
        for button in self._buttons:
            button.disabled = bool(says)
        self.doing.value = markup.line(says)
        self._cancel.description, self._cancel.disabled = "Cancel", False
        controls.show(self._cancel, self._stop is not None)
        controls.show(self._bar, False)
        controls.show(self._busy, bool(says))

    def _show_progress(self, done: int, total: int, text: str) -> None:
        self._bar.max, self._bar.value = max(total, 1), done
        controls.show(self._bar, True)
        self.doing.value = markup.line(text or f"{done:,} of {total:,}")


def explained(error: Exception) -> str:
    """Say what went wrong to somebody who did not write the program."""
    if isinstance(error, ClicknbError):
        return str(error)
    return (
        f"Something went wrong that this form did not expect: {type(error).__name__}: {error}. What was sent is in "
        "the ledger, so look there before sending again. form.last_error keeps the details."
    )
