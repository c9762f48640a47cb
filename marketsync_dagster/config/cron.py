"""How often a cron expression fires, by the clock on the wall: the hour that a day loses or gains
once a year is left out of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

from marketsync_dagster.config.scalars import cron_fields

_FIRST = date(2024, 1, 1)
_DAYS = 8 * 366 + 1
"""Two 29ths of February at the least, whatever the day of the week has to say."""
DAY = 24 * 60


@cache
def least_gap(cron: str) -> int:
    """The fewest minutes between two ticks of a cron expression (`config.scalars.Cron`)."""
    minutes, hours, days, months, weekdays = (found or set() for found in cron_fields(cron))
    ticks = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    gaps = [later - earlier for earlier, later in pairwise(ticks)]
    over_night = ticks[0] - ticks[-1]
    fewest: int | None = None
    whole = [word == "*" for word in (cron.split()[2], cron.split()[4])]
    found = _fitting(days, months, {day % 7 for day in weekdays}, either=not any(whole))
    for earlier, later in pairwise(found):
        apart = (later - earlier).days
        fewest = apart if fewest is None else min(fewest, apart)
        if fewest == 1:
            break
    gaps.append((_DAYS if fewest is None else fewest) * DAY + over_night)
    return min(gaps)


def _fitting(
    days: set[int], months: set[int], weekdays: set[int], *, either: bool
) -> Iterator[date]:
    """The days of some years that a cron expression names. `either`: it names days of the month and
    days of the week, and one of the two is enough."""
    for number in range(_DAYS):
        day = _FIRST + timedelta(days=number)
        of_month, of_week = day.day in days, day.isoweekday() % 7 in weekdays
        fits = of_month or of_week if either else of_month and of_week
        if fits and day.month in months:
            yield day
