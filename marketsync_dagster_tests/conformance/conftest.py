"""What every test of the suite gets, and what the table is told of each."""

from __future__ import annotations

from typing import Any

import pytest

from marketsync_dagster_tests.conformance.bench import Bench
from marketsync_dagster_tests.conformance.stand import Stand
from marketsync_dagster_tests.sandbox_process import SandboxProcess


@pytest.fixture
def stand(bench: Bench, fresh_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The platform's account before an empty sandbox, its secrets set."""
    for variable, value in bench.secrets.items():
        monkeypatch.setenv(variable, value)
    return Stand(bench, fresh_sandbox)


def pytest_itemcollected(item: Any) -> None:
    """Tell whoever hears of a test's end which row and platform it was about."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if "row" in params:
        row = params["row"]
        item.user_properties.append(("row", [row.group, row.name]))
        item.user_properties.append(("platform", params["bench"].platform))
