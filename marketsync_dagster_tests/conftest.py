"""What every test folder shares: the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketsync_dagster_tests.sandbox_process import SandboxProcess


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    """One sandbox for all tests of this process, as it comes: seed it, or use `fresh_sandbox`."""
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def fresh_sandbox(sandbox: SandboxProcess) -> SandboxProcess:
    """The sandbox without accounts, scenarios or memory of other tests."""
    sandbox.reset()
    return sandbox
