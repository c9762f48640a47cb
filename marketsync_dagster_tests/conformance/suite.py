"""Behaviours: the rows of the table, and how a test says which of them it is about.

A test that carries `behaviour` is run for every platform, and skipped, with the number of the
reason, for those that lack what it needs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from marketsync_dagster_tests.conformance.bench import Bench, every_bench
from marketsync_dagster_tests.conformance.reasons import Reason

Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row. `group` is its heading, its name is a sentence without the platform."""

    group: str
    name: str
    needs: tuple[Reason, ...] = ()

    def skipped(self, bench: Bench) -> Reason | None:
        """Why a platform is not asked for it."""
        return next((reason for reason in self.needs if reason.absent(bench)), None)


ROWS: list[Behaviour] = []
GROUPS = (
    "Connecting",
    "Reading",
    "Batches",
    "Results",
    "Faults",
    "Waiting",
    "Imports",
    "Resuming",
    "Secrets",
    "Orders",
    "Orders told",
    "Not here",
)
"""The headings, in the order of the table."""


def behaviour(group: str, name: str, *needs: Reason) -> Callable[[Test], Test]:
    """The test is one row of the table; it takes `bench`, or a fixture that does."""
    return behaviours([(Behaviour(group, name, needs), None)])


def behaviours(cases: Iterable[tuple[Behaviour, Any]]) -> Callable[[Test], Test]:
    """Each case is a row of the table; the test takes `case` too, unless it is None."""
    listed = list(cases)
    ROWS.extend(row for row, _ in listed)
    params = [_param(row, case, bench) for row, case in listed for bench in every_bench()]
    if all(case is None for _, case in listed):
        return _marked(pytest.mark.parametrize(("row", "bench"), params))
    return _marked(pytest.mark.parametrize(("row", "case", "bench"), params))


def _marked(mark: pytest.MarkDecorator) -> Callable[[Test], Test]:
    return lambda test: mark(pytest.mark.usefixtures("row")(test))


def _param(row: Behaviour, case: Any, bench: Bench) -> Any:
    reason = row.skipped(bench)
    marks = [] if reason is None else [pytest.mark.skip(f"{reason.number}: {reason.words}")]
    values = (row, bench) if case is None else (row, case, bench)
    name = "".join(sign if sign.isalnum() else "-" for sign in row.name)
    return pytest.param(*values, marks=marks, id=f"{bench.platform}-{name}")


def every_row() -> list[Behaviour]:
    """All rows that the suite's modules declare, in the order of the table."""
    package = importlib.import_module("marketsync_dagster_tests.conformance")
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        if module.startswith("test_"):
            importlib.import_module(f"{package.__name__}.{module}")
    return sorted(ROWS, key=lambda row: GROUPS.index(row.group))
