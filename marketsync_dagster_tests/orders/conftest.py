"""The `ledger` fixture: every test that takes it runs on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster_tests.ledgers import ENGINES, Engine, ready_ledger_url


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engine a test runs on."""
    return request.param


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Iterator[Ledger]:
    """An open ledger without rows."""
    opened = open_ledger(ready_ledger_url(engine, tmp_path))
    yield opened
    opened.close()
