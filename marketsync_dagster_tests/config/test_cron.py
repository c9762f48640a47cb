"""How often schedules fire."""

from __future__ import annotations

import pytest
from dagster._utils.schedules import get_smallest_cron_interval

from marketsync_dagster.config.cron import least_gap

HOUR, DAY = 60, 24 * 60


@pytest.mark.parametrize(
    ("cron", "minutes"),
    [
        ("* * * * *", 1),
        ("*/30 * * * *", 30),
        ("*/45 * * * *", 15),
        ("0 * * * *", HOUR),
        ("10,50 8-18 * * *", 20),
        ("0 2 * * *", DAY),
        ("0 2,23 * * *", 3 * HOUR),
        ("59,1 0,23 * * *", 2),
        ("30 4 * * 1", 7 * DAY),
        ("0 3 * * mon-fri", DAY),
        ("0 3 * * 1,4", 3 * DAY),
        ("0 3 * * 0,7", 7 * DAY),
        ("0 0 1 * *", 28 * DAY),
        ("0 0 1,15 * *", 14 * DAY),
        ("0 0 31 * *", 31 * DAY),
        # a day of the month or a day of the week
        ("0 0 1 * mon", DAY),
        ("0 0 29 2 *", 4 * 365 * DAY + DAY),
    ],
)
def test_the_least_gap_is_the_one_that_dagster_finds(cron: str, minutes: int) -> None:
    assert least_gap(cron) == minutes
    if "29 2" not in cron:  # of some years only: it samples too few
        assert get_smallest_cron_interval(cron, "UTC").total_seconds() == minutes * 60
