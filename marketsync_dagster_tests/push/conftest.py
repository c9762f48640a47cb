"""A ledger on SQLite for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketsync_dagster.ledger.engine import Ledger, open_ledger
from marketsync_dagster_tests.ledgers import ready_ledger_url


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(ready_ledger_url("sqlite", tmp_path))
    yield opened
    opened.close()
