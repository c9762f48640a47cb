"""The page says what the suite declares, and the suite declares what it may."""

from __future__ import annotations

from collections import Counter

from marketsync_dagster.config.accounts import PLATFORMS
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster_tests.conformance import table
from marketsync_dagster_tests.conformance.bench import NOWHERE, every_bench
from marketsync_dagster_tests.conformance.reasons import OUTSIDE, REASONS
from marketsync_dagster_tests.conformance.suite import every_row
from marketsync_dagster_tests.platforms.qikink.desk import settings


def test_the_page_says_what_the_suite_declares() -> None:
    assert table.PAGE.read_text("utf-8") == table.page(), "run: make conformance-docs"


def test_every_platform_that_can_be_configured_has_a_bench() -> None:
    assert {bench.platform for bench in every_bench()} == set(PLATFORMS) - OUTSIDE.keys()


def test_only_a_platform_that_has_no_prices_and_stock_of_ours_is_left_out() -> None:
    assert OUTSIDE.keys() == {"qikink"}
    for profile in ("real", "spec"):
        able = capabilities_of(settings(NOWHERE, profile).accounts["pod"])
        lists = (able.push_price, able.push_stock, able.list_shown, able.read_prices)
        assert not any((*lists, able.read_catalog, able.async_import))


def test_every_row_is_there_once_and_asked_of_somebody_or_of_nobody_for_a_reason() -> None:
    names = Counter((row.group, row.name) for row in every_row())
    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) >= 70


def test_every_reason_skips_something_and_no_secret_is_shared() -> None:
    skipped = {row.skipped(bench) for row in every_row() for bench in every_bench()}
    assert [reason.words for reason in REASONS if reason not in skipped] == []
    secrets = [value for bench in every_bench() for value in bench.secrets.values()]
    assert len(secrets) == len(set(secrets))
