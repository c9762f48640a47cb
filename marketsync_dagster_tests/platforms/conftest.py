"""The credentials of the tests' accounts, set for each test alone."""

from __future__ import annotations

import pytest

from marketsync_dagster_tests.platforms import support
from marketsync_dagster_tests.sandbox import mirakl


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TRACKER_KEY", support.TRACKER_KEY)
    monkeypatch.setenv("TEST_TRACKER_SECRET", support.TRACKER_SECRET)
    monkeypatch.setenv("TEST_PASONS_KEY", support.PASONS_KEY)
    monkeypatch.setenv("TEST_MIRAKL_KEY", mirakl.KEY)
