"""What befalls imports after they were taken, and what that comes to: the table and its runs.

`docs/faults.md` has it as a section of its own: a run ends before an import does, so there is the
run, and there is the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marketsync_dagster.values.outcomes import Outcome
from marketsync_dagster_tests.faults.scenes import ANY_CHANGE
from marketsync_dagster_tests.projects import (
    FULL,
    MIRAKL,
    TestBed,
    make_project,
    repriced,
    some_rows,
)
from marketsync_dagster_tests.sandbox_process import SandboxProcess

OLD = some_rows(6)
NEW = repriced(OLD, lambda price: price + 1)
POST, REPORT = (
    {"method": "POST", "nth": 2},
    {"path": "*/error_report"},
)
ERRORS = {"kind": "import_errors", "lines": 1}
PATIENT = {"wait_s": 3, "deadline_s": 3600}
HASTY = {"wait_s": 0.5, "deadline_s": 3600}
OVERDUE = {"wait_s": 0.6, "deadline_s": 0.6}


@dataclass(frozen=True, slots=True)
class Fared:
    """What a run comes to, and the next one, once the platform is well."""

    rows: str
    sent: int
    """Imports that were sent, further tries among them."""
    state: str
    history: str
    then: str = ""
    """Outcomes of what the next run's end changes or sends; empty: nothing is left to do."""
    left: int = 0
    """Rows that the platform does not show even then."""


@dataclass(frozen=True, slots=True)
class ImportTrouble:
    """Scenarios, each with what it is about."""

    name: str
    end: Fared
    scenarios: tuple[tuple[dict[str, Any], dict[str, Any], int | None], ...]
    """What is to match, the action, how often (None: as long as the run goes on)."""
    imports: Mapping[str, float] = field(default_factory=lambda: PATIENT)


def _taken(kind: str, **said: Any) -> tuple[tuple[dict[str, Any], dict[str, Any], int | None], ...]:
    return ((POST, {"kind": kind, **said}, 1),)


def _report(
    times: int | None, kind: str, **said: Any
) -> tuple[tuple[dict[str, Any], dict[str, Any], int | None], ...]:
    return ((POST, ERRORS, 1), (REPORT, {"kind": kind, **said}, times))


WAITING = Fared("4 applied, 2 accepted_async", 3, "with the platform", "success")
REFUSED = Fared("5 applied, 1 refused", 3, "refused rows", "partial", left=1)
TROUBLES = (
    ImportTrouble(
        "an import takes longer than a run waits",
        WAITING,
        _taken("import_stuck", seconds=0.8),
        HASTY,
    ),
    ImportTrouble(
        "FAILED, for a reason that names no line",
        Fared("4 applied, 2 retryable", 3, "not shown", "partial", "2 applied"),
        _taken("import_fails"),
    ),
    ImportTrouble(
        "FAILED, for a reason that names a line",
        Fared("4 applied, 1 refused, 1 retryable", 3, "not shown", "partial", "1 applied", 1),
        _taken("import_fails", reason="A parsing error has occurred at line 3"),
    ),
    ImportTrouble("COMPLETE, with a line in error", REFUSED, _taken("import_errors")),
    ImportTrouble(
        "its report is missing as long as the run waits",
        replace(WAITING, left=1),
        _report(None, "status", status=404),
        HASTY,
    ),
    ImportTrouble(
        "its report is about lines that nobody sent",
        Fared("4 applied, 2 unknown", 3, "not shown", "partial", "2 applied"),
        _report(None, "report_malformed", mode="lines"),
    ),
    ImportTrouble(
        "answered with the id of an import before it",
        Fared("6 applied", 5, "pushed", "success"),
        _taken("older_import"),
    ),
    ImportTrouble(
        "an import never ends, and its deadline passes",
        replace(WAITING, then="2 applied"),
        _taken("import_stuck"),
        OVERDUE,
    ),
)
"""The last one leaves an import behind that is open for ever."""


def import_bed(folder: Path, sandbox: SandboxProcess) -> TestBed:
    """Six rows that are shown, in imports of two."""
    sandbox.reset()
    bed = make_project(
        folder, sandbox, rows=OLD, platforms=[MIRAKL], batch=2, guard=ANY_CHANGE,
        shop={"processing_s": 0.02, "duplicate_s": 0},
    )  # fmt: skip
    account = bed.document["accounts"][MIRAKL]
    account["retry"] |= {"attempts": 2, "budget_s": 1}
    bed.configure(lambda _: None)
    first = bed.sync(MIRAKL, FULL).one
    assert first.ok, first
    return bed


def fared(bed: TestBed, trouble: ImportTrouble) -> Fared:
    """What the trouble comes to on a bed whose platform shows its feed; it does so again after."""
    price = bed.shown(MIRAKL)[f"prod_{OLD[0].sku}"][0]
    bed.write_extract(NEW if str(price) == OLD[0].price else OLD)
    account = bed.document["accounts"][MIRAKL]
    # the deadline passes between two runs, however busy the machine is
    account["imports"] = dict(HASTY if trouble.imports is OVERDUE else trouble.imports)
    bed.configure(lambda _: None)
    number = bed.sandbox.last_request()
    for match, action, times in trouble.scenarios:
        said = {name: value for name, value in action.items() if name != "kind"}
        bed.sandbox.scenario(action["kind"], channel=MIRAKL, match=match, times=times, **said)
    result = bed.sync(MIRAKL).one
    sent = len(bed.writes(number))
    bed.sandbox.clear_scenarios()
    bed.sandbox.restore()
    account["imports"] = dict(OVERDUE if trouble.imports is OVERDUE else PATIENT)
    bed.configure(lambda _: None)
    history = bed.pushes()[-1]["status"]
    rows = _words(result.numbers)
    assert sum(int(result.numbers[word.value]) for word in Outcome) == len(OLD)
    assert bed.unaccounted() == []

    before = len(bed.pushes())
    again = bed.sync(MIRAKL).one
    then = _words(again.numbers) if len(bed.pushes()) > before else ""
    left = len(bed.differences(MIRAKL))
    if left:
        assert bed.sync(MIRAKL, FULL).one.ok
    assert bed.differences(MIRAKL) == {}
    return Fared(rows, sent, result.state, history, then, left)


def _words(numbers: Any) -> str:
    return ", ".join(
        f"{numbers[word.value]} {word.value}" for word in Outcome if numbers[word.value]
    )
