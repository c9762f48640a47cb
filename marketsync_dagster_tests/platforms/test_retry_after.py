"""Retry-After in every form, bounded whatever a platform writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from marketsync_dagster.platforms.retry_after import from_body, from_headers

NOW = datetime(2026, 11, 21, 6, 30, 0, tzinfo=UTC)
OWN_DATE = "Sat, 21 Nov 2026 06:37:00 GMT"  # the platform's clock is 7 minutes ahead


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        (None, OWN_DATE, None),
        ("", OWN_DATE, None),
        ("soon", OWN_DATE, None),
        ("nan", OWN_DATE, None),
        ("1_000", OWN_DATE, None),
        ("\u0663", OWN_DATE, None),
        ("30", None, 30),
        (" 30 ", None, 30),
        ("+30", None, 30),
        ("2.0", None, 2),
        (".5", None, 0.5),
        ("0", None, 0),
        ("-5", None, 0),
        ("86400", None, 300),
        ("9" * 5000, None, 300),
        ("Sat, 21 Nov 2026 06:37:20 GMT", OWN_DATE, 20),
        ("Sat, 21 Nov 2026 06:37:20 -0000", OWN_DATE, 20),
        ("Saturday, 21-Nov-26 06:37:20 GMT", OWN_DATE, 20),
        ("Sat, 21 Nov 2026 09:37:20 +0300", OWN_DATE, 20),
        ("Sat, 21 Nov 2026 06:36:00 GMT", OWN_DATE, 0),
        ("Sat, 21 Nov 2026 06:30:20 GMT", None, 20),
        ("Sat, 21 Nov 2026 06:30:20 GMT", "yesterday", 20),
        ("Sun, 21 Nov 2027 06:30:20 GMT", None, 300),
        ("Sat, 99 Nov 2026 06:30:20 GMT", None, None),
        ("Fri, 01 Jan 99999 00:00:00 GMT", None, None),
    ],
)
def test_the_header_is_read_in_every_form_and_bounded(
    header: str | None, date: str | None, seconds: float | None
) -> None:
    assert from_headers(header, date, now=NOW, cap_s=300) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (60, 60),
        (1.5, 1.5),
        ("60", 60),
        (0, 0),
        (-1, 0),
        (-(10**400), 0),
        (10**400, 300),
        (float("inf"), 300),
        (float("nan"), None),
        (True, None),
        (None, None),
        ("soon", None),
        ([60], None),
    ],
)
def test_a_figure_in_the_body_is_bounded_as_well(value: Any, seconds: float | None) -> None:
    assert from_body(value, cap_s=300) == seconds
