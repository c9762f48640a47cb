"""What every test folder shares: the sandbox, and a place for what is thrown away."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, lru_cache

import pytest
import typer.main

from marketsync_dagster.config import yaml_file
from marketsync_dagster.values import redact
from marketsync_dagster_tests import temporary
from marketsync_dagster_tests.sandbox_process import SandboxProcess

temporary.keep_in_memory()  # before pytest makes a folder


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


@pytest.fixture(scope="session", autouse=True)
def _the_command_line_is_built_once() -> Iterator[None]:
    """Typer reads every signature anew for each command, which takes longer than the command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def _a_configuration_is_parsed_once() -> Iterator[None]:
    """Most tests open the same few texts again and again, each run does, and parsing is slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_file, "compose", lru_cache(64)(yaml_file.compose))
        yield


@pytest.fixture(autouse=True)
def _no_dagster_instance_of_another_test() -> None:
    """Dagster remembers the instance in force beyond its end where one was entered twice."""
    module = sys.modules.get("dagster._core.storage.defs_state.base")
    if module is not None:
        module._current_storage.set(None)


@pytest.fixture(autouse=True)
def _no_secret_of_another_test() -> Iterator[None]:
    """What one test registers as a secret is masked in no other: `xxxx` is an ordinary text."""
    before = list(redact._secrets), redact._patterns
    yield
    redact._secrets[:], redact._patterns = before
