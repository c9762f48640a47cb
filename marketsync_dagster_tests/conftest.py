"""What every test folder shares: the sandbox, and which tests one worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadgroup`, the tests over the one deployment go to one worker.

    They say so with `xdist_group`, but pytest 9.2 takes no notice of how pytest-xdist 3.8 hands
    groups on (pytest-xdist 1386): each worker would start a deployment, and their order be lost.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class ByGroup(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope = super()._split_scope(nodeid)
            if scope != nodeid:
                return scope
            file = PurePosixPath(nodeid.split("::", 1)[0])
            if file.parent.name != "e2e":
                return nodeid
            alone = file.stem.startswith(("test_demo", "test_secrets"))
            return file.stem if alone else "deployment"

    return ByGroup(config, log)
