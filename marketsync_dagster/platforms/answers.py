"""From what came over the wire to what it means for a whole call, the same for every platform.

`settle` decides everything that needs no knowledge of the platform's documents; what is left is
handed back to be read. What a document says about each item belongs to the adapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from marketsync_dagster.platforms import retry_after
from marketsync_dagster.platforms.base import NOT_CALLED, Answer, Call, ItemResult
from marketsync_dagster.platforms.bodies import BodyKind, error_words, page_words
from marketsync_dagster.platforms.classify import classify
from marketsync_dagster.platforms.hints import credential_hint
from marketsync_dagster.platforms.http import (
    PAGE,
    Cleaner,
    Response,
    TransportFailure,
    excerpt,
)
from marketsync_dagster.values.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs from account to account in judging a whole call."""

    host: str
    """Of the base URL, for the message about a redirect."""
    auth_hint: str
    """Where the credentials come from, for the message about a refused key."""
    retry_cap_s: float
    busy_wait_s: float | None = None
    """How long a 429 means where it does not say."""
    no_content: Outcome = Outcome.UNKNOWN
    exact: bool = False
    """The answers hold money: read fractions exactly."""


@dataclass(frozen=True, slots=True, repr=False)
class Readable:
    """A 2xx answer with a document in it, to be read item by item."""

    document: Any
    clean: Cleaner
    call: Call
    status: int


def settle(
    result: Response | TransportFailure, call: Call, rules: Rules, *, count: int
) -> Answer | Readable:
    """Judge one attempt for the `count` items that were sent (contract section 1.2, steps 1-3)."""
    if isinstance(result, TransportFailure):
        return Answer(call, outcome=result.outcome, message=result.message)
    kind, document = result.document(exact=rules.exact)
    verdict = classify(result.status, kind, no_content=rules.no_content)
    if verdict.read:
        return Readable(document, result.clean, call, result.status)
    if verdict.split and count > 1:
        return Answer(call, split=True, message="the platform says that the batch is too large")
    outcome = verdict.outcome or Outcome.REFUSED  # 413 for a single item: it never fits
    message = _message(result, kind, document, rules, outcome)
    if 200 <= result.status < 300 and kind is not BodyKind.EMPTY:
        call = replace(call, error=excerpt(result))
    wait = None
    if outcome is Outcome.RETRYABLE:
        wait = _wait(result, document, rules)
    return Answer(call, outcome=outcome, message=message, retry_after_s=wait)


def _wait(response: Response, document: Any, rules: Rules) -> float | None:
    """Header, then body, then (for a 429) the platform's default."""
    wait = response.retry_after_s(rules.retry_cap_s)
    if wait is None and isinstance(document, dict):
        inner = document.get("error")
        for place in (inner, document):
            if wait is None and isinstance(place, dict):
                wait = retry_after.from_body(place.get("retry_after"), cap_s=rules.retry_cap_s)
    if wait is None and response.status == 429 and rules.busy_wait_s is not None:
        wait = min(rules.busy_wait_s, rules.retry_cap_s)
    return wait


_UNREADABLE = {
    BodyKind.EMPTY: "an empty answer",
    BodyKind.HTML: "a web page instead of an answer",
    BodyKind.BROKEN: "an answer that is cut off or not JSON",
}


def _message(
    response: Response, kind: BodyKind, document: Any, rules: Rules, outcome: Outcome
) -> str:
    status = response.status
    if 300 <= status < 400:
        target = response.redirect_target() or f"another path of {rules.host}"
        return f"HTTP {status}: redirected to {target}; not followed, check base_url"
    if kind is BodyKind.HTML:
        words = page_words(response.text(most=PAGE))
    else:
        words = worded(response.clean, document)
    if 200 <= status < 300:
        if outcome is not Outcome.UNKNOWN:
            return ""
        return f"HTTP {status}, {_UNREADABLE[kind]}{': ' + words if words else ''}"
    message = f"HTTP {status}{': ' + words if words else ''}"
    if outcome is Outcome.AUTH_FAILED:
        hint = credential_hint(words, rules.auth_hint)
        return f"the platform did not take the key ({message}); {hint}"
    return message


def worded(clean: Cleaner, document: Any) -> str:
    """`CODE: message` of an error document, masked; either part may be missing."""
    code, message = error_words(document)
    return clean(": ".join(part for part in (code, message) if part))


def uncalled(
    method: str,
    path: str,
    *,
    outcome: Outcome | None = None,
    message: str = "",
    results: Sequence[ItemResult] = (),
) -> Answer:
    """An answer that was found without asking the platform."""
    call = Call(method, path, None, 0, error=NOT_CALLED)
    return Answer(call, results=results, outcome=outcome, message=message)
