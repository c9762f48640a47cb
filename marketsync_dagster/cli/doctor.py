"""`marketsync doctor`: is this fit to touch live prices, and what is to be done where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from marketsync_dagster.cli.output import DONE, ERROR, note, print_json, progress, table
from marketsync_dagster.values.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.doctor_lines import Line

_TOGETHER = 4
"""So many lines of one name that are all well become one row."""
_ORDER = ("missing", "warning", "ok")


def register(app: typer.Typer) -> None:
    app.command("doctor", help="Go through what must be right before prices go live.")(doctor)


def doctor(
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    verify: Annotated[
        int, typer.Option(min=0, max=1000, help="Prices of each channel to read back.")
    ] = 10,
    offline: Annotated[bool, typer.Option("--offline", help="Make no call.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings count as much as what is missing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    """Exit code 0 if nothing is missing (with --strict: and no warning), 1 otherwise."""
    with progress("looking", silent=as_json) as tell:
        lines = _look(platform, verify, offline, tell)
    bad = ("missing", "warning") if strict else ("missing",)
    well = not any(line.state in bad for line in lines)
    if as_json:
        print_json({"lines": [asdict(line) for line in lines], "ok": well})
    else:
        _print(lines)
    return DONE if well else ERROR


def _look(
    platform: str | None, verify: int, offline: bool, tell: Callable[[str], None]
) -> list[Line]:
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.local import prepare
    from marketsync_dagster.stages import doctor_lines as lines

    try:
        if (first := _configuration()).state == "missing":
            return [first]
        settings = prepare()
    except ConfigError as error:
        return [lines.configuration([error.message], [], "")]
    first = _configuration()  # again: a running sandbox's secrets are set by now
    if platform is not None:
        known = [*settings.platforms(), *(one.platform for one in settings.accounts.values())]
        names.one_of("platform", platform, dict.fromkeys(known))
    from marketsync_dagster.automation.health import health
    from marketsync_dagster.ledger.urls import is_postgres
    from marketsync_dagster.stages.doctor import paths

    found = health(settings)
    return [
        first,
        paths(settings),
        *_of_ledger(settings, platform, verify, offline, tell),
        lines.storage("PostgreSQL" if is_postgres() else "SQLite", found.storage),
        *_with_place(settings, lines.schedules(found.schedules, found.problem)),
        *_with_place(settings, lines.sensors(found.sensors, found.problem)),
        lines.daemon(found.daemons, found.problem),
    ]


def _with_place(settings: Settings, lines: Sequence[Line]) -> list[Line]:
    """The lines, with the command of Dagster's that mends them as it works in any folder."""
    from marketsync_dagster.config.load import dagster_home_of, project_of

    home, workspace = dagster_home_of(settings), project_of(settings.file) / "workspace.yaml"
    where = f" -w {quote(str(workspace))}" if workspace.exists() else ""
    before = f"DAGSTER_HOME={quote(str(home))} "

    def anywhere(command: str) -> str:
        return "; ".join(f"{before}{one}{where}" for one in command.split("; "))

    return [
        replace(line, command=anywhere(line.command))
        if line.command.startswith("dagster ")
        else line
        for line in lines
    ]


def _configuration() -> Line:
    from marketsync_dagster.cli.check import check_configuration
    from marketsync_dagster.stages import doctor_lines as lines

    report = check_configuration()
    return lines.configuration(
        [str(one) for one in report.errors], [str(one) for one in report.warnings], report.summary
    )


def _of_ledger(
    settings: Settings,
    platform: str | None,
    verify: int,
    offline: bool,
    tell: Callable[[str], None],
) -> list[Line]:
    """The ledger's line, and those that rest on what is in it."""
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.care import check
    from marketsync_dagster.ledger.urls import ledger_url
    from marketsync_dagster.stages import doctor_lines as lines
    from marketsync_dagster.stages.doctor import examine

    try:
        with opened(given=settings) as project:
            report = check(settings, ledger_url(settings), quick=True)
            findings = [(one.broken, one.message, one.next_step) for one in report.findings]
            line = lines.ledger(report.ledger, report.revision, findings)
            if not report.ok and not report.sizes:
                return [line]  # what a damaged database says is not to be believed
            rest = examine(project, platform=platform, verify=verify, offline=offline, tell=tell)
            return [line, *_with_sandbox_step(settings, rest)]
    except LedgerError as error:
        return [lines.ledger("", "", [(True, error.message, error.next_step)])]


def _with_sandbox_step(settings: Settings, lines: Sequence[Line]) -> list[Line]:
    """The lines, where the key that is missing is the sandbox's, with the step that gives it."""
    from marketsync_dagster.cli.local import with_sandbox_step

    steps = with_sandbox_step(settings, [{"next_step": line.command} for line in lines])
    return [
        replace(line, command=step["next_step"]) for line, step in zip(lines, steps, strict=True)
    ]


def _print(lines: Sequence[Line]) -> None:
    """What is missing first; many lines that are all well become one."""
    rows: list[tuple[str, str, str, str]] = []
    ordered = sorted(lines, key=lambda line: _ORDER.index(line.state))
    for state in _ORDER:
        of_state = [line for line in ordered if line.state == state]
        for name in dict.fromkeys(line.name for line in of_state):
            named = [line for line in of_state if line.name == name]
            if state == "ok" and len(named) >= _TOGETHER:
                rows.append((state, name, f"{len(named)} of them", "all are well"))
            else:
                rows += [(state, name, line.subject, line.message) for line in named]
    table(("state", "what", "of", "found"), rows, free=("found",))
    counts = [
        f"{sum(line.state == state for line in lines)} {state}"
        for state in _ORDER
        if any(line.state == state for line in lines)
    ]
    note(", ".join(counts))
    for step in dict.fromkeys(line.command for line in ordered if line.command):
        note(f"next: {step}")
