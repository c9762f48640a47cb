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
    "created updated failed left_out listings verified not_applied overwritten unknown_to_us "
    "in_flight pending not_read calls"
).split()

_OF_THEM = {
    "_orders": "created updated unchanged failed left_out total",
    "_updates": "updated unchanged failed total",
    "_order_book": "total",
}
"""Stage of orders -> what its orders, or commands, came to: figures that add up to `total`."""
_OF_FORWARDS = "created updated unchanged waiting unknown cancelled held failed total"
_BESIDE = "sync_pending unreadable told shipped held tasks left_out calls"
"""What else is told of stages of orders."""

STATES_STEP = "`marketsync orders states` shows them all"

_PLAIN = ("done", "unchanged")
_OF_ORDERS = ("pull_orders", "fulfil_orders")
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
        *(_OF_ORDERS if settings.order_sources() else ()),
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
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="pull_orders: what changed since 2026-11-20, or 3d ago."
        ),
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="pull_orders: only orders in this state; repeatable.")
    ] = None,
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
    _check_asked(job, asked, rows=bool(skus or fields), pulls=bool(since or state))
    if by is not None and not by.strip():
        raise UsageError("--by is empty", "--by 'Jane Doe'")
    for word in state or ():
        names.one_of("state", word.strip().casefold(), _states(settings), STATES_STEP)
    who = by.strip() if by else names.user()
    if force_older and not reason.strip():
        raise UsageError("--force-older needs a reason", "--reason 'the newer one was wrong'")
    said = {
        "mode": mode.value if mode is not None else None,
        "skus": skus,
        "limit": limit,
        "fields": fields,
        "since": _since(settings, since) if since is not None else None,
        "order_states": list(dict.fromkeys(state or ())),
    }
    options: dict[str, Any] = {"created_by": who, **{k: v for k, v in said.items() if v}}
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
                "success": report.success and report.exit_code in _good_ends(job),
                "results": report.results,
                "errors": report.errors,
                "not_sent": [asdict(one) for one in unsent],
                "left_out": {**left, "because": asked, "next_step": rest} if asked else None,
                "exit_code": report.exit_code,
                **({"waiting": asdict(report.waiting)} if report.waiting else {}),
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
            verb = "kept" if job == "pull_orders" else "sent"
            say(f"not {verb} this time ({asked}): {', '.join(words)}", f"  next: {rest}")
    return report.exit_code


def _good_ends(job: str) -> tuple[int, ...]:
    """Exit codes of runs that did all they had to: that orders wait for people is daily work."""
    return (DONE, HELD) if job in _OF_ORDERS else (DONE,)


def _check_asked(job: str, asked: str, *, rows: bool, pulls: bool) -> None:
    """UsageError for options that have no meaning for a job: `rows` of listings, or what is
    pulled."""
    if job in _OF_ORDERS and rows:
        raise UsageError(f"{job} is about whole orders: {asked} has no meaning for it")
    if pulls and job != "pull_orders":
        raise UsageError(f"{job} pulls no orders: --from and --state have no meaning for it")
    if asked and job in _PUSHES_NOTHING:
        raise UsageError(f"{job} pushes nothing: {asked} has no meaning for it")


def _states(settings: Settings) -> list[str]:
    """Words for states that orders may be pulled by: ours, and those of their platforms."""
    from marketsync_dagster.platforms.mirakl.order_reading import STATES as OF_MIRAKL
    from marketsync_dagster.platforms.own_shop.reading import STATES as OF_SHOPS
    from marketsync_dagster.values.order_states import OrderState

    theirs = {"mirakl": OF_MIRAKL, "own_shop": OF_SHOPS}
    words = [state.value for state in OrderState]
    for platform in settings.order_platforms():
        words += [word.casefold() for word in theirs.get(platform, ()) if word]
    return list(dict.fromkeys(words))


def _since(settings: Settings, text: str) -> str:
    """The moment that --from means, as the ledger writes times."""
    from marketsync_dagster.values.moments import past_moment
    from marketsync_dagster.values.times import to_iso, utcnow

    return to_iso(past_moment(text, settings.defaults.timezone, utcnow()))


def _pushed_by(settings: Settings, job: str) -> list[str]:
    """The platforms that a job is about: a push of one, else all; none where it pushes nothing."""
    if job in _OF_ORDERS:
        return []
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

    orders = sum(
        one.get("numbers", {}).get("left_out", 0)
        for one in pushed
        if one["stage"].startswith("orders_")
    )
    found = {"rows": of("_listings"), "products": of("_products")}
    return {"orders": orders} if report.job in _OF_ORDERS else found


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
            figures(result.get("numbers", {}), numbers_of(result["stage"])),
        )
        for result in report.results
    ]
    if rows:
        table(("stage", "outlet", "state", "figures"), rows, free=("figures",))
    ends = {
        DONE: "done",
        HELD: _held_words(report),
        FINISHED_WITH_FAULTS: "finished, with outlets or rows to look at",
    }
    note(f"{job}: {ends.get(report.exit_code, 'failed')} (run {report.run_id})")
    say_faults(report)


def numbers_of(stage: str) -> Sequence[str]:
    """The figures of a stage that are shown, in their order."""
    if not stage.startswith("orders_"):
        return _NUMBERS
    from marketsync_dagster.values.order_states import OrderState

    parts = next((of for end, of in _OF_THEM.items() if stage.endswith(end)), _OF_FORWARDS)
    states = [state.value for state in OrderState] if stage.endswith("_book") else []
    return list(dict.fromkeys([*states, *parts.split(), *_BESIDE.split()]))


def _held_words(report: RunReport) -> str:
    if report.job not in _OF_ORDERS:
        return "held; marketsync plans list shows what to decide"
    waiting = report.waiting
    if waiting is None or not waiting.words:
        return "held; marketsync orders tasks shows what to decide"
    return f"{waiting.words}; next: {waiting.next_step}"


def say_faults(report: RunReport) -> None:
    """What is not plainly done, outlet by outlet, each reason once and with its next step; then,
    of what is, the reasons that there are."""
    told: dict[str, dict[tuple[str, str], str]] = {}
    also: dict[tuple[str, str], str] = {}
    for result in report.results:
        reason, step = result.get("reason") or "", result.get("next_step") or ""
        plain = result["ok"] and result["state"] in _PLAIN
        if result["stage"].startswith("orders_") and step:
            plain = False  # people are to do something about single orders
        if reason and plain:
            place = f"{result['outlet'] or 'all outlets'}, {result['stage']}"
            also.setdefault((result["outlet"], reason), f"{place}: {reason}")
        if plain or (result["ok"] and not (reason or step)):
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
