"""The page says what the suite declares, and the suite declares what it may."""

from __future__ import annotations

from collections import Counter

from marketsync_dagster.config.accounts import PLATFORMS
from marketsync_dagster_tests.conformance import table
from marketsync_dagster_tests.conformance.bench import every_bench
from marketsync_dagster_tests.conformance.reasons import REASONS
from marketsync_dagster_tests.conformance.suite import every_row


def test_the_page_says_what_the_suite_declares() -> None:
    assert table.PAGE.read_text("utf-8") == table.page(), "run: make conformance-docs"


def test_every_platform_that_can_be_configured_has_a_bench() -> None:
    assert {bench.platform for bench in every_bench()} == set(PLATFORMS)


def test_every_row_is_there_once_and_asked_of_somebody_or_of_nobody_for_a_reason() -> None:
    names = Counter((row.group, row.name) for row in every_row())
    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) >= 70


def test_every_reason_skips_something_and_no_secret_is_shared() -> None:
    skipped = {row.skipped(bench) for row in every_row() for bench in every_bench()}
    assert [reason.words for reason in REASONS if reason not in skipped] == []
    secrets = [value for bench in every_bench() for value in bench.secrets.values()]
    assert len(secrets) == len(set(secrets))
