"""What the status and the kind of body of an answer mean, before anything in it is trusted.

Pure: contract section 1.2, steps 2 and 3. Step 1 (no answer) is `platforms.http`; step 4, what
the document says about each item, is the adapters'.
"""

from __future__ import annotations

from dataclasses import dataclass

from marketsync_dagster.platforms.bodies import BodyKind
from marketsync_dagster.values.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """Exactly one holds: `outcome` speaks for all items, `split`, or the document is to be read."""

    outcome: Outcome | None = None
    split: bool = False
    read: bool = False


_READ = Verdict(read=True)
_SPLIT = Verdict(split=True)
_BUSY = frozenset({408, 425, 429})


def classify(status: int, kind: BodyKind, *, no_content: Outcome = Outcome.UNKNOWN) -> Verdict:
    """Judge an answer; `no_content` is what a 204 means on this platform.

    A redirect is refused: credentials go to the configured host and to no other. An unreadable
    2xx is unknown, never success.
    """
    if 200 <= status < 300:
        if status == 204:
            return Verdict(no_content)
        return _READ if kind is BodyKind.JSON else Verdict(Outcome.UNKNOWN)
    if status == 401:
        return Verdict(Outcome.AUTH_FAILED)
    if status == 413:
        return _SPLIT
    if status in _BUSY or status >= 500:
        return Verdict(Outcome.RETRYABLE)
    return Verdict(Outcome.REFUSED)
