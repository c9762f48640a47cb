"""`marketsync run JOB`: a Dagster job in this process, seen in the UI's history like any other."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.changes import FIELD, LIMIT, Mode, What, run_command
from marketsync_dagster.cli.output import (
    DONE,
    FINISHED_WITH_FAULTS,
    HELD,
    counted,
    figures,
    note,
    print_json,
    progress,
    say,
    say_some,
    table,
    wrapped,
)
from marketsync_dagster.values.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketsync_dagster.automation.launch import RunReport
    from marketsync_dagster.config.settings import Settings

_NUMBERS = (
    "rows sent applied accepted_async accepted_unverified refused retryable unknown auth_failed "
    "unsupported held unmapped unchanged deselected rejected duplicates "
    "listings verified not_applied overwritten unknown_to_us in_flight pending not_read calls"
).split()


_PLAIN = ("done", "unchanged")
_PUSHES_NOTHING = ("refresh_mappings", "test_connections", "retention", "reconcile")
_OF_ONE_PLATFORM = ("reconcile",)
"""Jobs that may be about one platform alone; pushes have a job for each."""
_NOT_PUSHED = ("paused", "disabled", "no channel")
"""States of channels that sent nothing whatever was asked for."""


def register(app: typer.Typer) -> None:
    app.command("run", help="Run a job now, for some outlets or all.")(run)


def job_names(settings: Settings) -> list[str]:
    """The jobs that can be run from here, without loading Dagster."""
    pushes = [f"push_{platform}" for platform in settings.platforms()]
    return [
        *("full_sync", "partial_sync", "stock_sync", "product_sync", "refresh_mappings"),
        *pushes,
        "reconcile",
        "test_connections",
        "retention",
    ]


def run(
    job: Annotated[str, typer.Argument(metavar="JOB", help="full_sync, partial_sync, ...")],
    outlet: Annotated[str | None, typer.Option(help="Only these outlets: A,B.")] = None,
    platform: Annotated[
        str | None, typer.Option(help="Only this platform (reconcile alone).")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All outlets (the default).")] = False,
    mode: Annotated[
        Mode | None, typer.Option(help="full: every row; partial: what is not known yet.")
    ] = None,
    sku: Annotated[list[str] | None, typer.Option(help="Only this SKU; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=10_000_000, help=LIMIT)] = None,
    field: Annotated[list[What] | None, typer.Option(help=FIELD)] = None,
    force_older: Annotated[
        bool, typer.Option("--force-older", help="Take an older extract after a newer one.")
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who asks (default: who is logged in).")] = None,
    reason: Annotated[str, typer.Option(help="Why an older extract is forced.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.changes import check_skus
    from marketsync_dagster.cli.local import prepare
    from marketsync_dagster.cli.session import opened

    settings = prepare()
    names.one_of("job", job, job_names(settings))
    outlets = names.outlets_of(settings, outlet, everything=everything)
    _check_platforms(settings, job, outlets, platform)
    skus = names.skus_of(sku)
    fields = [what.value for what in dict.fromkeys(field or ())]
    asked = asked_for(skus, limit, fields)
    if asked and job in _PUSHES_NOTHING:
        raise UsageError(f"{job} pushes nothing: {asked} has no meaning for it")
    if by is not None and not by.strip():
        raise UsageError("--by is empty", "--by 'Jane Doe'")
    who = by.strip() if by else names.user()
    if force_older and not reason.strip():
        raise UsageError("--force-older needs a reason", "--reason 'the newer one was wrong'")
    options: dict[str, Any] = {"created_by": who}
    if mode is not None:
        options["mode"] = mode.value
    if skus:
        options["skus"] = skus
    if limit is not None:
        options["limit"] = limit
    if fields:
        options["fields"] = fields
    if force_older:
        options |= {"force_older": True, "by": who, "reason": reason.strip()}
    with opened(who, settings) as project:
        check_skus(project, outlets, skus)
        report = launched(project, job, outlets, options, silent=as_json, platform=platform)
        platforms = _pushed_by(settings, job)
        from marketsync_dagster.stages.named import not_sent

        unsent = not_sent(project, outlets, platforms, skus)
    rest = run_command(job, outlet=outlet, mode=mode.value if mode else None)
    left = left_out(report) if asked else {}
    if as_json:
        print_json(
            {
                "run_id": report.run_id,
                "job": job,
                "success": report.success and report.exit_code == DONE,
                "results": report.results,
                "errors": report.errors,
                "not_sent": [asdict(one) for one in unsent],
                "left_out": {**left, "because": asked, "next_step": rest} if asked else None,
                "exit_code": report.exit_code,
            }
        )
    else:
        print_report(job, report)
        for one in unsent:
            say(*wrapped(one.words, "  "))
            if one.next_step:
                say(f"  next: {one.next_step}")
        words = [counted(number, what.removesuffix("s")) for what, number in left.items() if number]
        if words:
            say(f"not sent this time ({asked}): {', '.join(words)}", f"  next: {rest}")
    return report.exit_code


def _pushed_by(settings: Settings, job: str) -> list[str]:
    """The platforms that a job is about: a push of one, else all."""
    name = job.removeprefix("push_")
    return [name] if name != job else settings.platforms()


def _check_platforms(
    settings: Settings, job: str, outlets: list[str], platform: str | None
) -> None:
    """UsageError for a platform that nobody has, a job that is not about one alone, or a push that
    none of the outlets has a channel for."""
    from marketsync_dagster.cli import names

    known = None if platform is None else names.platform_of(settings, platform)
    if known and job not in _OF_ONE_PLATFORM:
        step = f"marketsync run push_{known} is about it alone"
        raise UsageError(f"{job} takes no --platform", step)
    pushed = job.removeprefix("push_")
    if pushed != job and not set(outlets) & set(settings.channels_of(pushed)):
        names.channel_of(settings, outlets[0], pushed)


def asked_for(skus: Sequence[str], limit: int | None, fields: Sequence[str]) -> str:
    """The options that make a run send less than there is to send, as they are typed."""
    words = ["--sku"] if skus else []
    words += [f"--limit {limit}"] if limit is not None else []
    return " ".join([*words, *(f"--field {field}" for field in fields)])


def left_out(report: RunReport) -> dict[str, int]:
    """How many rows of the channels, and how many products, a run was not to send."""
    pushed = [one for one in report.results if one["state"] not in _NOT_PUSHED]

    def of(stage: str) -> int:
        there = (one.get("numbers", {}) for one in pushed if one["stage"].endswith(stage))
        return sum(numbers.get("deselected", 0) for numbers in there)

    return {"rows": of("_listings"), "products": of("_products")}


def launched(
    project: Any,
    job: str,
    outlets: list[str],
    options: dict[str, Any],
    *,
    silent: bool = False,
    platform: str | None = None,
) -> RunReport:
    """Run the job with a word on stderr about what it does."""
    with progress(f"{job}: starting", silent=silent) as tell:
        from marketsync_dagster.automation.launch import launch

        def watch(step: str, outlet: str, done: int, total: int) -> None:
            of = f" ({done:,} of {total:,})" if total else ""
            tell(f"{job}: {step}{f' {outlet}' if outlet else ''}{of}")

        report = launch(project, job, outlets, options, watch, platform)
    from marketsync_dagster.cli.local import with_sandbox_step

    return replace(report, results=with_sandbox_step(project.settings, report.results))


def print_report(job: str, report: RunReport) -> None:
    """Each stage of each outlet in a line, then what needs attention."""
    rows = [
        (
            result["stage"],
            result["outlet"],
            result["state"] if result["ok"] else f"{result['state']} (!)",
            figures(result.get("numbers", {}), _NUMBERS),
        )
        for result in report.results
    ]
    if rows:
        table(("stage", "outlet", "state", "figures"), rows, free=("figures",))
    ends = {
        DONE: "done",
        HELD: "held; marketsync plans list shows what to decide",
        FINISHED_WITH_FAULTS: "finished, with outlets or rows to look at",
    }
    note(f"{job}: {ends.get(report.exit_code, 'failed')} (run {report.run_id})")
    say_faults(report)


def say_faults(report: RunReport) -> None:
    """What is not plainly done, outlet by outlet, each reason once and with its next step; then,
    of what is, the reasons that there are."""
    told: dict[str, dict[tuple[str, str], str]] = {}
    also: dict[tuple[str, str], str] = {}
    for result in report.results:
        reason, step = result.get("reason") or "", result.get("next_step") or ""
        if reason and result["ok"] and result["state"] in _PLAIN:
            place = f"{result['outlet'] or 'all outlets'}, {result['stage']}"
            also.setdefault((result["outlet"], reason), f"{place}: {reason}")
        if result["ok"] and (result["state"] in _PLAIN or not (reason or step)):
            continue
        of_outlet = told.setdefault(result["outlet"] or "all outlets", {})
        of_outlet.setdefault((reason or result["state"], step), result["stage"])
    for outlet, faults in told.items():
        for (reason, step), stage in faults.items():
            say(*wrapped(f"{outlet}, {stage}: {reason}", "  "))
            if step:
                say(f"  next: {step}")
    say_some(list(also.values()))
    if any(result.get("numbers", {}).get("rejected") for result in report.results):
        say("  next: marketsync check-extract FILE names each rejected row; so does pos/rejects")
    for error in report.errors:
        note(f"error: {error}")
