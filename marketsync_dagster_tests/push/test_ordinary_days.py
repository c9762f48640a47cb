"""A guard that always stops is worthless: ordinary days with promotions pass it."""

from __future__ import annotations

from pathlib import Path

from marketsync_dagster.ledger.engine import open_ledger
from marketsync_dagster_tests.ledgers import ready_ledger_url
from marketsync_dagster_tests.push.ordinary import MOST_HELD, live_through


def test_under_one_in_a_hundred_plans_of_ordinary_days_is_held(tmp_path: Path) -> None:
    """A week; `make chaos` lives through 200 days."""
    ledger = open_ledger(ready_ledger_url("sqlite", tmp_path))
    try:
        told = live_through(7, 1, ledger)
    finally:
        ledger.close()
    print(told)
    assert told.plans >= 7 * 7
    assert told.held / told.plans < MOST_HELD
    assert told.rows_held / told.rows < MOST_HELD
