"""A ledger for the tests of this folder: every test that takes it runs on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster.push import imports
from marketsync_dagster_tests.ledgers import ENGINES, ready_ledger_url


@pytest.fixture(params=ENGINES)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(ready_ledger_url(request.param, tmp_path))
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=ENGINES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """One database for all tests of a module: making it takes longer than most of them."""
    opened = open_ledger(ready_ledger_url(request.param, tmp_path_factory.mktemp("imports")))
    yield opened
    opened.close()


@pytest.fixture
def emptied(shared: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """That database without rows; imports are asked for without long pauses."""
    monkeypatch.setattr(imports, "QUICK_S", 0.001)
    monkeypatch.setattr(imports, "GRACE_S", 0.05)
    with shared.begin() as connection:
        for table in t.metadata.tables.values():
            connection.execute(table.delete())
    return shared
