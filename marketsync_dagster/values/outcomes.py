"""What can become of one item of a push, and of one catalog row of a channel.

One enumeration, used by adapters, sender, ledger, checks and the command line alike.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What a platform did with one item that was sent to it."""

    APPLIED = "applied"
    """The platform says that it shows the value now."""
    ACCEPTED_ASYNC = "accepted_async"
    """The platform took it and works on it; its answer is still to come, and is asked for."""
    ACCEPTED_UNVERIFIED = "accepted_unverified"
    """Taken without proof per item; counts as acknowledged."""
    REFUSED = "refused"
    """The platform said no, with its own words."""
    RETRYABLE = "retryable"
    """Not applied, and may be sent again: the platform was busy or down."""
    UNKNOWN = "unknown"
    """May or may not have been applied: timeout after sending, broken answer, crash."""
    AUTH_FAILED = "auth_failed"
    """The credentials were not taken; the channel stops."""
    UNSUPPORTED = "unsupported"
    """The platform has no such operation."""


ACKNOWLEDGED = frozenset({Outcome.APPLIED, Outcome.ACCEPTED_UNVERIFIED})
"""Outcomes after which the platform is held to know the value that was sent."""

PENDING = frozenset({Outcome.RETRYABLE, Outcome.UNKNOWN, Outcome.AUTH_FAILED})
"""Outcomes after which a partial push sends the row again."""


class Disposition(StrEnum):
    """What a plan decided for one catalog row: the left side of the channel law."""

    UNMAPPED = "unmapped"
    HELD = "held"
    UNCHANGED = "unchanged"
    DESELECTED = "deselected"
    SENT = "sent"


class StockStatus(StrEnum):
    """Whether a product can be bought at an outlet."""

    IN_STOCK = "in_stock"
    LIMITED_STOCK = "limited_stock"
    OUT_OF_STOCK = "out_of_stock"
