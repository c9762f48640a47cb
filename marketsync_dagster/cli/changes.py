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
    from marketsync_dagster.push.plan import Plan, PlanOptions
    from marketsync_dagster.stages.project import Project

_ROWS_SHOWN = 10
_SAME_START = 5


class Mode(StrEnum):
    full = "full"
    partial = "partial"


class What(StrEnum):
    price = "price"
    stock = "stock"


def register(app: typer.Typer) -> None:
    app.command("plan", help="Show what a push would send, and send nothing.")(plan)


def plan(
    outlet: Annotated[str | None, typer.Option(help="Only these outlets: A,B.")] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    mode: Annotated[
        Mode, typer.Option(help="full: every row; partial: what the platform does not know yet.")
    ] = Mode.partial,
    sku: Annotated[list[str] | None, typer.Option(help="Only this SKU; may be repeated.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="At most so many rows each.")
    ] = None,
    field: Annotated[list[What] | None, typer.Option(help="Only the price, or the stock.")] = None,
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
    documents = [document(one) for one in plans]
    if as_json:
        said = {"channels": documents, "exported": [str(file) for file in files]}
        print_json({**said, "errors": failed} if failed else said)
    else:
        for one in documents:
            _print(one)
        _print_total(documents, whole=not failed)
        for file in files:
            note(f"wrote {file}")
    for one in failed:
        place = f"{one['outlet']} on {one['platform']}"
        note(f"error: {place} cannot be planned: {one['message']}")
        if one["next_step"]:
            note(f"next: {one['next_step']}")
    if failed:
        return ERROR
    if any(one["held"] for one in documents):
        return HELD
    return CHANGES if any(one["to_send"] for one in documents) else DONE


def check_skus(project: Project, outlets: list[str], skus: list[str]) -> None:
    """UsageError for a SKU that no catalog of `outlets` has."""
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
    """Where else the SKU is known, else SKUs that begin as it does: near numbers mean nothing."""
    here = ", ".join(outlets)
    others = [outlet for outlet in project.settings.outlets if outlet not in outlets]
    there = [one for one in others if word in (_skus_of(project, one, read=False) or ())]
    if there:
        return UsageError(
            f"{word} is in {', '.join(there)}, not in {here}", f"--outlet {','.join(there)}"
        )
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


def document(plan: Plan) -> dict[str, Any]:
    """A plan as `plan --json` prints it. The counts are those of the channel law."""
    from dataclasses import asdict

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
        "held": counts["held"],
        "unchanged": counts["unchanged"],
        "refused_before": plan.refused_before,
        "deselected": counts["deselected"],
        "to_send": counts["sent"],
        "deselected_because": {reason: n for reason, n in plan.deselected.items() if n},
        "paused": plan.pause.words if plan.pause else None,
        "findings": [asdict(finding) for finding in plan.findings],
        "rejected": plan.rejected,
        "notes": plan.notes,
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
    if plan["paused"] and plan["paused"] not in plan["deselected_because"]:
        say(f"  {plan['paused']}")
    for finding in plan["findings"]:
        say(f"  guard: {finding_text(finding)}")
    if plan["rows"]:
        currencies = sorted({row["currency"] for row in plan["rows"]})
        held = plan["held"] > 0 and plan["to_send"] == 0
        print_rows(plan["rows"], _ROWS_SHOWN, ", ".join(currencies), held=held)


def _print_total(plans: list[dict[str, Any]], *, whole: bool) -> None:
    """What all plans come to. `whole` is off where channels cannot be planned: of them nobody knows
    whether there is nothing to do."""
    from marketsync_dagster.cli.left import left_undone

    say_some(list(dict.fromkeys(word for plan in plans for word in plan["notes"])))
    left = left_undone(plans)
    paused = any(plan["paused"] for plan in plans)
    to_send = sum(plan["to_send"] for plan in plans)
    held = sum(plan["held"] for plan in plans)
    if held:
        say(f"held: {counted(held, 'row')}; to send: {to_send:,}")
        note("next: marketsync run partial_sync, then marketsync plans list shows what to decide")
    elif to_send:
        say(f"to send: {counted(to_send, 'row')}")
        note("next: marketsync run partial_sync")
    elif left:
        say("nothing to send" + ("; channels are paused" if paused else ""))
    elif whole and paused:
        say("nothing to do while channels are paused; every other has been told what to show")
    elif whole:
        say("nothing to do: every channel has been told what it should show")
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
