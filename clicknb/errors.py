"""Every exception that clicknb raises, and its warnings.

::

    ClicknbError
    ├── ConfigError                credentials or an address are missing or wrong; nothing was contacted
    ├── InvalidInput               a value breaks a rule; nothing was sent (also a ValueError)
    ├── GatewayError               the gateway answered ERR
    │   └── AccountError           ... about the account: credentials, credit, quota, address lock
    ├── TransportError             no readable answer came back
    │   ├── NotSent                ... and not one byte was written: it cannot have been accepted
    │   └── InDoubt                ... and the request may have arrived: it may have been accepted
    ├── UnreadableReply            an answer came, but not in the gateway's language
    ├── ConfirmationNeeded         a live campaign was started without its token
    ├── CampaignError              what was asked does not fit what the ledger records
    │   ├── ContentChanged         ... the same campaign name and recipient, but another text
    │   └── CampaignStopped        ... sending stopped early; carries the campaign
    └── LedgerError                the ledger could not be read or written; nothing more was sent

    UserWarning
    ├── AlreadySent                the same message was sent before; nothing was sent, nothing is wrong
    └── LedgerWarning              the ledger did not say what had happened, as a copy that was put back does not

Each message says what happened, what it means for the messages already sent, and what to do next. None holds a
secret; numbers are masked and texts shortened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clicknb.campaign.campaign import Campaign


class ClicknbError(Exception):
    """Any error of this package."""


class ConfigError(ClicknbError):
    """Credentials or an address are missing or wrong; nothing was contacted."""


class InvalidInput(ClicknbError, ValueError):
    """A value breaks a documented rule; nothing was sent."""


class GatewayError(ClicknbError):
    """The gateway answered with an error.

    Attributes
    ----------
    code : str
        Three digits, such as ``"301"``; empty where the gateway gave none.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AccountError(GatewayError):
    """The gateway refuses the account, not the message: credentials, credit, quota or address lock."""


class TransportError(ClicknbError):
    """No readable answer came back from the gateway.

    Attributes
    ----------
    reason : str
        What went wrong, in a few words.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class NotSent(TransportError):
    """The gateway could not be reached and nothing was written: the request cannot have been accepted."""


class InDoubt(TransportError):
    """The request may have reached the gateway, but its answer was lost."""


class UnreadableReply(ClicknbError):
    """The gateway's answer is not in its documented language."""


class ConfirmationNeeded(ClicknbError):
    """A campaign on a live account needs its token before anything leaves."""


class CampaignError(ClicknbError):
    """What was asked does not fit what the ledger records."""


class ContentChanged(CampaignError):
    """Rows of this campaign are recorded with another text, sender or option."""


class CampaignStopped(CampaignError):
    """Sending stopped before the end.

    Attributes
    ----------
    campaign : Campaign
        What was recorded so far; ``campaign.resume()`` goes on.
    """

    def __init__(self, message: str, *, campaign: Campaign) -> None:
        super().__init__(message)
        self.campaign = campaign


class LedgerError(ClicknbError):
    """The ledger could not be read or written; nothing more was sent after that."""


class AlreadySent(UserWarning):
    """The same message was sent before, so the recorded row is returned and nothing was sent."""


class TableWarning(UserWarning):
    """A table was read in a way that is likely right and not certain, or holds something that somebody should know."""


class LedgerWarning(UserWarning):
    """The ledger did not say what had happened, as one that was put back from a copy does not; now it does."""
