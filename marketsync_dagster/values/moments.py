"""Times as people type them: a moment with its zone, one by a local clock, or how long from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from marketsync_dagster.values.errors import UsageError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PART = re.compile(
    r"(\d+(?:\.\d+)?)\s*(m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?)(?![a-z])"
)
_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_LONGEST = timedelta(days=3660)
EXAMPLES = "18:00, '2026-11-21 18:00', 2026-11-21T18:00+03:00, 2h, 90m, 3d"


def duration(text: str, option: str = "--for") -> timedelta:
    """`2h`, `90m`, `1d 12h`, `2 days`; UsageError for anything else, nothing, or over ten years."""
    words = text.strip().lower()
    parts = _PART.findall(words)
    if not parts or _PART.sub("", words).strip(" ,"):
        raise UsageError(f"{option} {text!r} is no duration", f"{option} 2h, 90m, 3d or '1d 12h'")
    try:
        total = sum((timedelta(**{_UNITS[u[0]]: float(n)}) for n, u in parts), timedelta())
    except OverflowError:
        total = timedelta.max
    if not timedelta() < total <= _LONGEST:
        raise UsageError(f"{option} {text!r} is no time that can be waited for", f"{option} 2h")
    return total


def moment(text: str, zone: str, now: datetime, option: str = "--until") -> datetime:
    """The moment that is meant, in UTC: ISO with a zone, else by the clock of `zone`, else a
    duration from `now`. UsageError for what cannot be read, does not exist there, or is past."""
    words = text.strip()
    if _PART.match(words.lower()):
        return now + duration(words, option)
    found = _read(words, ZoneInfo(zone), now, option)
    if found <= now:
        local = found.astimezone(ZoneInfo(zone))
        raise UsageError(
            f"{option} {text!r} is past: it was {local:%Y-%m-%d %H:%M} in {zone}", EXAMPLES
        )
    return found


def past_moment(text: str, zone: str, now: datetime, option: str = "--from") -> datetime:
    """The moment that is meant, in UTC: ISO with a zone, else by the clock of `zone`, else so long
    before `now` (`3d`). UsageError for what cannot be read, does not exist, or is to come."""
    words = text.strip()
    if _PART.match(words.lower()):
        return now - duration(words, option)
    found = _read(words, ZoneInfo(zone), now, option)
    if found > now:
        raise UsageError(f"{option} {text!r} is still to come", f"{option} 3d, or 2026-11-20")
    return found


def _read(words: str, zone: ZoneInfo, now: datetime, option: str) -> datetime:
    try:
        if _CLOCK.fullmatch(words):
            hours, minutes = map(int, words.split(":"))
            there = datetime.combine(now.astimezone(zone).date(), time(hours, minutes))
        else:
            there = datetime.fromisoformat(words)
    except ValueError:
        raise UsageError(f"{option} {words!r} is no time", f"{option} one of: {EXAMPLES}") from None
    if there.tzinfo is not None:
        return there.astimezone(UTC)
    # of an hour that comes twice the second is meant: rather longer than too short
    local = there.replace(tzinfo=zone, fold=1)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != there:
        raise UsageError(
            f"{option} {words!r} does not exist in {zone.key}: the clocks go forward then",
            f"{option} with a time before or after it",
        )
    return local.astimezone(UTC)
