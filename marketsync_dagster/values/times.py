"""Time: always UTC inside, ISO 8601 with `Z` where it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def utcnow() -> datetime:
    """The present moment, timezone-aware, in UTC."""
    return datetime.now(UTC)


def to_iso(moment: datetime) -> str:
    """Write an aware `moment` as UTC with milliseconds, `2026-11-21T06:30:00.000Z`.

    The text sorts as time does. A naive moment is a bug of the caller: ValueError.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be written")
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def to_second(moment: datetime) -> str:
    """The first whole second that is not before `moment`, for people: `2026-11-21T06:30:00Z`."""
    whole = moment.replace(microsecond=0)
    return to_iso(whole if whole == moment else whole + timedelta(seconds=1)).replace(".000Z", "Z")


def from_iso(text: str) -> datetime:
    """Read what `to_iso` wrote, or any ISO 8601 text with a zone; ValueError without one."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)


PUT_OFF_MOST = timedelta(hours=2)
"""Nothing that is tried again is put off for longer."""


def is_due(not_before: str, now: datetime) -> bool:
    """Whether what was put off until a time (ISO; empty: not at all) is due. What is put off for
    longer than anything is was written by a clock that was ahead."""
    return not_before <= to_iso(now) or not_before > to_iso(now + PUT_OFF_MOST)


def is_older(at: str | None, than: timedelta | float, now: datetime) -> bool:
    """Whether something was done (ISO; None: never) so long ago, or seconds, or more; what was done
    after now was written by a clock that was ahead."""
    age = than if isinstance(than, timedelta) else timedelta(seconds=than)
    return at is None or at <= to_iso(now - age) or at > to_iso(now)


def is_fresh(left_s: float, life_s: float, early_s: float) -> bool:
    """Whether what is renewed `early_s` before its end is still used, with so much left of its
    life; what lives for less than twice as long is used for half of it."""
    return left_s > min(early_s, life_s / 2)
