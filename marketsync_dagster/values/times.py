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
