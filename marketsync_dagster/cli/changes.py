"""`marketsync plan`: what a push would send now, channel by channel. Sends nothing."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import (
    CHANGES,
    DONE,
    ERROR,
    HELD,
    counted,
    note,
    print_json,
    progress,
    say,
    say_some,
    wrapped,
)
from marketsync_dagster.values.errors import ExtractError, MarketSyncError, UsageError
from marketsync_dagster.values.redact import scrub

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.push.plan import Plan, PlanOptions
    from marketsync_dagster.stages.forecasting import AccountForecast
    from marketsync_dagster.stages.project import Project

_ROWS_SHOWN = 10
_SAME_START = 5


class Mode(StrEnum):
    full = "full"
    partial = "partial"


class What(StrEnum):
    offer = "offer"
    price = "price"
    stock = "stock"


LIMIT = "At most so many rows of each channel, or orders of each source."
FIELD = "Only the price, the stock, or offers that are new or changed otherwise; may be repeated."


def register(app: typer.Typer) -> None:
    app.command("plan", help="Show what a push would send, and send nothing.")(plan)


def plan(
    outlet: Annotated[str | None, typer.Option(help="Only these outlets: A,B.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    mode: Annotated[
        Mode, typer.Option(help="full: every row; partial: what the platform does not know yet.")
    ] = Mode.partial,
    sku: Annotated[list[str] | None, typer.Option(help="Only this SKU; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=10_000_000, help=LIMIT)] = None,
    field: Annotated[list[What] | None, typer.Option(help=FIELD)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write each channel's feed as CSV into this folder.")
    ] = None,
) -> int:
    """Exit code 2 if anything would be sent, 3 if anything is held, 0 if there is nothing; 1 if a
    channel cannot be planned, whatever the others come to."""
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    outlets = names.outlets_of(settings, outlet)
    platforms = settings.platforms()
    if platform is not None:
        platforms = [names.platform_of(settings, platform)]
    skus = names.skus_of(sku)
    channels = [(o, p) for p in platforms for o in outlets if settings.channel(o, p)]
    if not channels:
        raise MarketSyncError(
            f"there is no channel of {', '.join(outlets)} on {', '.join(platforms) or 'any'}",
            "add one under channels in the configuration",
        )
    from marketsync_dagster.push.plan import PlanOptions

    with opened(given=settings) as project:
        check_skus(project, outlets, skus)
        options = PlanOptions(
            mode=mode.value,
            skus=tuple(skus),
            limit=limit,
            fields=tuple(what.value for what in dict.fromkeys(field or ())),
        )
        plans, failed = _plans(project, channels, options, silent=as_json)
        planned = [(one.base.outlet, one.base.platform) for one in plans]
        files = _export(project, planned, export) if export is not None else []
        run = _command(project, plans, outlet, platform, options)
    documents = [document(one, settings) for one in plans]
    accounts = _accounts(plans, settings)
    if as_json:
        said = {
            "channels": documents,
            "accounts": [one.to_dict() for one in accounts],
            "exported": [str(file) for file in files],
        }
        print_json({**said, "errors": failed} if failed else said)
    else:
        for one in documents:
            _print(one)
        later = _accounts(plans, settings, approved=True)
        _print_total(documents, accounts, run, whole=not failed, once_approved=later)
        for file in files:
            note(f"wrote {file}")
    for one in failed:
        place = f"{one['outlet']} on {one['platform']}"
        note(f"error: {place} cannot be planned: {one['message']}")
        if one["next_step"]:
            note(f"next: {one['next_step']}")
    if failed:
        return ERROR
    if any(one["held"] and not one["approved_plan"] for one in documents):
        return HELD
    return CHANGES if any(one["to_send"] or one["approved_plan"] for one in documents) else DONE


def check_skus(project: Project, outlets: list[str], skus: list[str]) -> None:
    """UsageError for a SKU that no catalog of `outlets` has; where its row was rejected, that."""
    if not skus:
        return
    known: dict[str, None] = {}
    for outlet in outlets:
        try:
            of_outlet = _skus_of(project, outlet, read=True)
        except ExtractError:
            return  # the plan of its channels says so; what SKUs it has nobody knows
        if of_outlet is None:
            return  # nothing was read yet, and nothing says what there would be
        known |= of_outlet
    for word in skus:
        if word not in known:
            raise _unknown_sku(project, outlets, word, known)


def _skus_of(project: Project, outlet: str, *, read: bool) -> dict[str, None] | None:
    """The SKUs of an outlet's catalog; None without one. `read`: its extract, if need be."""
    from marketsync_dagster.stages.catalog import CATALOG_KEY
    from marketsync_dagster.stages.preview import feed_now

    platforms = [p for p in project.settings.platforms() if project.settings.channel(outlet, p)]
    if project.frames.stamp(CATALOG_KEY, outlet) is not None:
        catalog = project.frames.read(CATALOG_KEY, outlet)
    elif read and platforms:
        catalog = feed_now(project, outlet, platforms[0])[1]
    else:
        return None
    return dict.fromkeys(catalog["sku"].tolist())


def _unknown_sku(
    project: Project, outlets: list[str], word: str, known: dict[str, None]
) -> UsageError:
    """Where else the SKU is known, or was rejected; else SKUs that begin as it does: near numbers
    mean nothing."""
    from marketsync_dagster.stages.extract import REJECTS_KEY
    from marketsync_dagster.stages.named import rejected_as, stored_rows

    here = ", ".join(outlets)
    others = [outlet for outlet in project.settings.outlets if outlet not in outlets]
    there = [one for one in others if word in (_skus_of(project, one, read=False) or ())]
    if there:
        return UsageError(
            f"{word} is in {', '.join(there)}, not in {here}", f"--outlet {','.join(there)}"
        )
    for outlet in outlets:
        for row in stored_rows(project, REJECTS_KEY, outlet, word):
            reason, step = rejected_as(row)
            return UsageError(f"{word} is not in the catalog of {outlet}: {reason}", step)
    near = [sku for sku in known if sku[:_SAME_START] == word[:_SAME_START]]
    hint = f"there are {len(known):,} in {here}, none of them like it"
    if len(word) >= _SAME_START and near:
        hint = (
            f"did you mean {' or '.join(get_close_matches(word, near, n=3, cutoff=0) or near[:3])}?"
        )
    return UsageError(f"unknown SKU {word!r} ({hint})")


def _plans(
    project: Project, channels: list[tuple[str, str]], options: PlanOptions, *, silent: bool
) -> tuple[list[Plan], list[dict[str, str]]]:
    """The plans, and for each channel that has none `{"outlet", "platform", "code", "message",
    "next_step"}`, `code` where it is the extract that cannot be read."""
    from marketsync_dagster.stages.preview import preview

    found: list[Plan] = []
    failed: list[dict[str, str]] = []
    with progress("planning", silent=silent) as tell:
        for outlet, platform in channels:
            tell(f"planning {outlet} on {platform}")
            try:
                found.append(preview(project, outlet, platform, options))
            except MarketSyncError as error:
                code = {"code": error.code} if isinstance(error, ExtractError) else {}
                words = {"message": scrub(error.message), "next_step": scrub(error.next_step)}
                failed.append({"outlet": outlet, "platform": platform, **code, **words})
    return found, failed


def _accounts(
    plans: list[Plan], settings: Settings, *, approved: bool = False
) -> list[AccountForecast]:
    """What the accounts take for all that is to go out now, or once every held plan is
    `approved`."""
    from marketsync_dagster.stages.forecasting import of_accounts, sends_of

    return of_accounts(
        settings, [(one.base.account, sends_of(settings, one, approved=approved)) for one in plans]
    )


def _command(
    project: Project,
    plans: list[Plan],
    outlet: str | None,
    platform: str | None,
    options: PlanOptions,
) -> str:
    """The run that sends what was planned: of one platform alone where its feeds are made."""
    from marketsync_dagster.ledger.extracts import latest_accepted

    def is_taken_up(plan: Plan) -> bool:
        latest = latest_accepted(project.ledger, plan.base.outlet)
        return latest is not None and latest.id == plan.base.extract_id

    job, mode = f"{options.mode}_sync", None
    if platform is not None and all(map(is_taken_up, plans)):
        job, mode = f"push_{platform}", "full" if options.mode == "full" else None
    return run_command(
        job,
        outlet=outlet,
        mode=mode,
        skus=options.skus,
        limit=options.limit,
        fields=options.fields,
    )


def run_command(
    job: str,
    *,
    outlet: str | None = None,
    mode: str | None = None,
    skus: Sequence[str] = (),
    limit: int | None = None,
    fields: Sequence[str] = (),
) -> str:
    """`marketsync run JOB` as it is to be typed."""
    from shlex import quote

    words = [f"marketsync run {job}"]
    words += [f"--outlet {quote(outlet)}"] if outlet else []
    words += [f"--mode {mode}"] if mode else []
    words += [f"--sku {quote(sku)}" for sku in skus]
    words += [f"--limit {limit}"] if limit is not None else []
    return " ".join([*words, *(f"--field {field}" for field in fields)])


def document(plan: Plan, settings: Settings) -> dict[str, Any]:
    """A plan as `plan --json` prints it. The counts are those of the channel law; `forecast` is of
    the channel alone, and of a held plan what it takes once it is approved."""
    from dataclasses import asdict

    from marketsync_dagster.stages.forecasting import of_plan
    from marketsync_dagster.stages.shown import rules_of

    counts = plan.counts()
    rows = plan.rows.astype(object)
    rows = rows.where(rows.notna(), None)
    return {
        "outlet": plan.base.outlet,
        "platform": plan.base.platform,
        "account": plan.base.account,
        "kind": plan.kind,
        "mode": plan.options.mode,
        "extract_id": plan.base.extract_id,
        "catalog_rows": plan.catalog_rows,
        "unmapped": counts["unmapped"],
        "unmapped_acknowledged": plan.lost_ids,
        "unmapped_not_asked": plan.not_asked,
        "held": counts["held"],
        "unchanged": counts["unchanged"],
        "refused_before": plan.refused_before,
        "deselected": counts["deselected"],
        "to_send": counts["sent"],
        "deselected_because": {reason: n for reason, n in plan.deselected.items() if n},
        "imports": plan.imports,
        "by_quantity": rules_of(settings.accounts[plan.base.account]).by_quantity,
        "forecast": of_plan(settings, plan).to_dict(),
        "paused": plan.pause.words if plan.pause else None,
        "findings": [asdict(finding) for finding in plan.findings],
        "rejected": plan.rejected,
        "notes": plan.notes,
        "approved_plan": plan.approved or None,
        "vanished": len(plan.vanished),
        "vanished_such_as": plan.vanished[0] if plan.vanished else None,
        "gone_after": settings.outlets[plan.base.outlet].extract.gone_after,
        "not_sent": [{"reason": why, "next_step": step} for why, step in plan.not_sent],
        "rows": rows.to_dict(orient="records"),
    }


def _print(plan: dict[str, Any]) -> None:
    from marketsync_dagster.cli.plans import finding_text, print_rows

    say(
        f"{plan['outlet']} on {plan['platform']} ({plan['kind']}, {plan['mode']}): "
        f"{counted(plan['catalog_rows'], 'catalog row')} = {plan['unmapped']:,} unmapped + "
        f"{plan['held']:,} held + {plan['unchanged']:,} unchanged + {plan['deselected']:,} "
        f"deselected + {plan['to_send']:,} to send"
    )
    for reason, rows in plan["deselected_because"].items():
        say(f"  deselected: {rows:,} {reason}")
    if plan["imports"]:
        say("  imports: " + ", ".join(f"{n:,} by {kind}" for kind, n in plan["imports"].items()))
    if plan["forecast"]["calls"]:
        say(f"  {'takes' if plan['to_send'] else 'once approved'}: {_takes(plan['forecast'])}")
    if plan["paused"] and plan["paused"] not in plan["deselected_because"]:
        say(f"  {plan['paused']}")
    if plan["approved_plan"]:
        push = f"marketsync run push_{plan['platform']} --outlet {plan['outlet']}"
        say(f"  plan {plan['approved_plan']} is approved and goes out with the next push: {push}")
    for finding in plan["findings"]:
        say(f"  guard: {finding_text(finding)}")
    if plan["rows"]:
        currencies = sorted({row["currency"] for row in plan["rows"]})
        held = plan["held"] > 0 and plan["to_send"] == 0
        print_rows(
            plan["rows"],
            _ROWS_SHOWN,
            ", ".join(currencies),
            held=held,
            quantities=plan["by_quantity"],
        )


def _takes(forecast: dict[str, Any]) -> str:
    from marketsync_dagster.push.forecast import time_words

    return f"{counted(forecast['calls'], 'call')}, {time_words(forecast['minutes'] * 60)}"


def _print_total(
    plans: list[dict[str, Any]],
    accounts: Sequence[AccountForecast],
    run: str,
    *,
    whole: bool,
    once_approved: Sequence[AccountForecast] = (),
) -> None:
    """What all plans come to, what the accounts take once what is held is approved, and the
    command `run` that sends them. `whole` is off where channels cannot be planned: of them nobody
    knows whether there is nothing to do."""
    from marketsync_dagster.cli.left import left_undone
    from marketsync_dagster.stages.forecasting import total_of

    shared = [one for one in accounts if one.channels > 1]
    say_some([f"{one.words} for {one.channels} channels together" for one in shared])
    takes = f", {total_of(accounts).words}" if accounts else ""
    say_some(list(dict.fromkeys(word for plan in plans for word in plan["notes"])))
    left = left_undone(plans)
    paused = any(plan["paused"] for plan in plans)
    to_send = sum(plan["to_send"] for plan in plans)
    approved = [plan for plan in plans if plan["approved_plan"]]
    held = sum(plan["held"] for plan in plans if not plan["approved_plan"])
    if held:
        say(f"held: {counted(held, 'row')}; to send: {to_send:,}{takes}")
        if once_approved:
            say(f"once all of it is approved: {total_of(once_approved).words} in one run")
        note(f"next: {run}, then marketsync plans list shows what to decide")
    elif to_send:
        say(f"to send: {counted(to_send, 'row')}{takes}")
        note(f"next: {run}")
    elif approved:
        say(f"to send: {counted(len(approved), 'approved plan')}")
        note(f"next: {run}")
    elif left:
        say("nothing to send" + ("; channels are paused" if paused else ""))
    elif whole and paused:
        say("nothing to do while channels are paused; every other has been told what to show")
    elif whole:
        say("nothing to do: every channel has been told what it should show")
    for one in (one for plan in plans for one in plan["not_sent"]):
        say(*wrapped(f"left: {one['reason']}", "  "))
        if one["next_step"]:
            say(f"  next: {one['next_step']}")
    for words, command in left:
        say(*wrapped(f"left: {words}", "  "), f"  next: {command}")


def _export(project: Project, channels: list[tuple[str, str]], folder: Path) -> list[Path]:
    from marketsync_dagster.catalog.feed_csv import write_feed_csv
    from marketsync_dagster.stages.preview import feed_now

    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for outlet, platform in channels:
        file = folder / f"{outlet}_{platform}.csv"
        write_feed_csv(feed_now(project, outlet, platform)[0], file)
        files.append(file)
    return files
