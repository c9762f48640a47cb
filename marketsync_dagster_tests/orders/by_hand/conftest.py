"""What tests of people's decisions share: one engine each, and a project where people decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.config.settings import Settings
from marketsync_dagster_tests.ledgers import ENGINES, Engine
from marketsync_dagster_tests.orders.sources import settings_of


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """Both in turn: what is written here is written by other tests on both."""
    return ENGINES[len(request.node.name) % 2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An account whose orders people decide on."""
    return settings_of(tmp_path, "{accept: manual, refund_reason: '15', cancel_reason: '34'}")
