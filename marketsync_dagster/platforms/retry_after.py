"""When a platform wants to be called again: `Retry-After` in every form that was ever seen.

Pure. Contract section 1.3. What is done with the answer belongs to `push.sender`.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?|[+-]?\.[0-9]+")


def from_headers(
    value: str | None, date: str | None, *, now: datetime, cap_s: float
) -> float | None:
    """Seconds to wait by a `Retry-After` header, 0 to `cap_s`; None: absent or unreadable.

    `date` is the answer's own `Date` header: a moment is relative to the platform's clock, and to
    ours (`now`) only where the platform does not tell its own.
    """
    if value is None:
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _bounded(float(text), cap_s)
    moment = _moment(text)
    if moment is None:
        return None
    return _bounded((moment - (_moment(date or "") or now)).total_seconds(), cap_s)


def from_body(value: Any, *, cap_s: float) -> float | None:
    """Seconds to wait by a number (or a text that is one) in an error body, 0 to `cap_s`."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return _bounded(float(value), cap_s)
    if isinstance(value, Decimal):  # how fractions come from a body that is read exactly
        return None if value.is_nan() else _bounded(float(min(max(value, 0), 10**9)), cap_s)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # an integer may be too large for a float
    return cap_s if value > cap_s else _bounded(float(max(value, 0)), cap_s)


def ahead_s(date: str | None, *, now: datetime) -> float | None:
    """By how many seconds a `Date` header is ahead of `now`; None where it says nothing."""
    moment = _moment(date or "")
    return None if moment is None else (moment - now).total_seconds()


def _bounded(seconds: float, cap_s: float) -> float | None:
    return None if math.isnan(seconds) else min(max(seconds, 0.0), cap_s)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        # RFC 9110 dates are GMT; "-0000" is read as naive
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
