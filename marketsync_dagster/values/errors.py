"""The errors that MarketSync expects, each with what happened and what to do next.

Whatever a user can cause is one of these; the command line prints `message` and `next_step` and
never a traceback. A bug stays an ordinary exception.
"""

from __future__ import annotations


class MarketSyncError(Exception):
    """Something a user can understand and act on.

    `message` says what happened and where; `next_step` says what to do, empty if it is obvious.
    """

    exit_code = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message if not next_step else f"{message} ({next_step})")
        self.message = message
        self.next_step = next_step


class UsageError(MarketSyncError):
    """A command was called with words that it does not take."""

    exit_code = 64


class ConfigError(MarketSyncError):
    """marketsync.yaml, or a file that it names, is not valid."""


class ExtractError(MarketSyncError):
    """An extract as a whole cannot be trusted: missing, empty, truncated, older, unreadable."""

    def __init__(self, code: str, message: str, next_step: str = "") -> None:
        super().__init__(message, next_step)
        self.code = code


class MappingError(MarketSyncError):
    """A mapping file contradicts itself."""


class LedgerError(MarketSyncError):
    """The ledger cannot be opened, or does not fit the code."""


class Busy(MarketSyncError):
    """Another run holds the lease of a channel."""


class PlanError(MarketSyncError):
    """A plan cannot be applied: unknown, held, rejected, superseded or stale."""
