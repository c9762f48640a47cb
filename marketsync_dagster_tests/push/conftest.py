"""A ledger for the tests of this folder: every test that takes it runs on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster_tests.ledgers import ENGINES, ready_ledger_url


@pytest.fixture(params=ENGINES)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(ready_ledger_url(request.param, tmp_path))
    yield opened
    opened.close()
