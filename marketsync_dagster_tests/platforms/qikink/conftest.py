"""The credentials of Qikink's accounts, and a sandbox that knows them."""

from __future__ import annotations

import pytest

from marketsync_dagster_tests.platforms.qikink.desk import SECRETS, seed
from marketsync_dagster_tests.sandbox_process import SandboxProcess


@pytest.fixture(autouse=True)
def qikink_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def qikink(fresh_sandbox: SandboxProcess) -> SandboxProcess:
    """The sandbox with one client of each interface."""
    seed(fresh_sandbox)
    seed(fresh_sandbox, "spec")
    return fresh_sandbox
