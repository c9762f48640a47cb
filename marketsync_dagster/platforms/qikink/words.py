"""What both of Qikink's interfaces say in their own way: refusals, also under HTTP 200, and texts
that may come as numbers (contract 5.2). Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marketsync_dagster.platforms.base import NOT_CALLED, Answer, Call
from marketsync_dagster.platforms.bodies import error_words
from marketsync_dagster.platforms.fulfilling import Handed, OutgoingOrder
from marketsync_dagster.values.outcomes import Outcome

BUSY_WAIT_S = 60.0
"""What a 429 without any figure means: calls are counted by the minute."""
CARRIER = "Qikink"
"""Who carries a parcel of which no courier is told: marketplaces take no tracking number without a
name."""
_FAILED = frozenset({"error", "failed", "failure"})
_BUSY = frozenset({408, 425, 429})
_ELSEWHERE = frozenset({403, 404, 405})
_THERE_ALREADY = re.compile("duplicate|idempotency_key|already exists", re.IGNORECASE)
_BAD_TOKEN = re.compile(
    r"\b(access|invalid|expired)[\s_-]*token|(?<![\w-])token (is |has |was )?(expired|invalid)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[a-z0-9_]{1,15}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What a document says that is no success, whatever the HTTP status."""

    words: str
    """Not masked yet."""
    status: int | None
    """The `status_code` in the document."""

    @property
    def of_token(self) -> bool:
        """Whether the access token was not taken."""
        if self.status is not None:  # whatever the words: a SKU may have this one in it
            return self.status == 401
        return _BAD_TOKEN.search(self.words) is not None

    @property
    def outcome(self) -> Outcome:
        """What it means for what was sent."""
        if self.of_token:
            return Outcome.AUTH_FAILED
        if self.status is not None and (self.status in _BUSY or self.status >= 500):
            return Outcome.RETRYABLE
        return Outcome.REFUSED


def fault_of(document: Any) -> Fault | None:
    """Why a document is no success; None if it does not say that it is none."""
    if not isinstance(document, dict):
        return None
    status = whole(document.get("status_code"))
    failed = (
        bool(document.get("error"))
        or text_of(document.get("success")).casefold() == "false"
        or (status is not None and status >= 400)
        or text_of(document.get("status")).casefold() in _FAILED
    )
    if not failed:
        return None
    words = ": ".join(part for part in error_words(document) if part)
    return Fault(words or "the platform names no reason", status)


def text_of(value: Any) -> str:
    """A text, or a number or truth value as one; empty for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def whole(value: Any) -> int | None:
    """A whole number, as one or as text; None for anything else."""
    text = text_of(value)
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def plain_problem(order: OutgoingOrder) -> str:
    """What is wrong with an order whatever the interface; empty: nothing."""
    if not _NUMBER.fullmatch(order.number):
        return "the order number is not of at most 15 of a-z, 0-9 and _"
    if not order.lines:
        return "the order has no lines"
    for line in order.lines:
        if not line.sku.strip():
            return f"line {line.line_id} has no SKU"
        if line.quantity < 1:
            return f"line {line.line_id} has no pieces"
    return ""


def not_sent(reason: str) -> Handed:
    """An order that is not sent, because it would be refused."""
    return Handed(uncalled(), Outcome.REFUSED, message=reason)


def not_cancelled(reason: str) -> Handed:
    """There is no call that takes an order back."""
    return Handed(uncalled(), Outcome.UNSUPPORTED, message=reason)


def uncalled() -> Call:
    """A call that was not made."""
    return Call("POST", "", None, 0, error=NOT_CALLED)


def refused_whole(said: Answer, before: tuple[Call, ...]) -> Handed:
    """An order whose call says by its status, or by the lack of an answer, what became of it.

    Making an order is not harmless: after an error inside the platform, or of somebody between us,
    it may be there all the same. Only "busy" and "unavailable" say that it is not.
    """
    status, outcome = said.call.status, said.outcome or Outcome.REFUSED
    message = said.message
    if outcome is Outcome.RETRYABLE and status is not None and status not in (425, 429, 503):
        outcome = Outcome.UNKNOWN
    if status is not None and (status in _ELSEWHERE or 300 <= status < 400):
        outcome = Outcome.AUTH_FAILED  # it is not about this order
        message = f"{message}; is base_url right, and may this client make orders?"
    duplicate = outcome is Outcome.REFUSED and is_duplicate(message)
    return Handed(
        said.call,
        outcome,
        message=message,
        duplicate=duplicate,
        retry_after_s=said.retry_after_s,
        before=before,
    )


def is_duplicate(message: str) -> bool:
    """Whether a refusal says that the number is there already."""
    return _THERE_ALREADY.search(message) is not None
