"""`marketsync pause` and `resume`: channels that are not pushed for a while, at once and without a
deployment."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, counted, note, print_json, say, table
from marketsync_dagster.values.errors import MarketSyncError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.pauses import Pause

_HELP = (
    "Stop pushing channels for a while; what would be sent waits. A push that is running stops "
    "before its next batch. `marketsync pause list` shows what is paused."
)
Outlets = Annotated[str | None, typer.Option("--outlet", help="Only these outlets: A,B.")]
Platform = Annotated[str | None, typer.Option("--platform", help="Only this platform.")]
Every = Annotated[bool, typer.Option("--all", help="Every outlet on every platform.")]
By = Annotated[str | None, typer.Option("--by", help="Who says so (default: who is logged in).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(rich_markup_mode=None)
    group.callback(invoke_without_command=True, help=_HELP)(pause)
    group.command("list", help="What is paused now, and what was.")(list_)
    app.add_typer(group, name="pause", short_help="Stop pushing channels for a while.")
    app.command("resume", help="End pauses: the next run sends what differs.")(resume)


def pause(
    context: typer.Context,
    outlet: Outlets = None,
    platform: Platform = None,
    everything: Every = False,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="18:00 or '2026-11-21 18:00' by the outlet's clock, a time with its zone, or 2h; "
            "without it until somebody resumes.",
        ),
    ] = None,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="So long: 2h, 90m, 3d.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; shown to everybody.")] = None,
    by: By = None,
    listing: Annotated[bool, typer.Option("--list", help="Show what is paused instead.")] = False,
    as_json: Json = False,
) -> int:
    if context.invoked_subcommand is not None:
        if any((outlet, platform, everything, until, lasting, reason, by, listing)):
            raise UsageError("`pause list` takes no such options", "marketsync pause list")
        return DONE
    if listing:
        return list_(as_json=as_json)
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load
    from marketsync_dagster.values.times import utcnow

    settings = load()
    outlets = _scope(settings, outlet, platform, everything)
    if not (reason or "").strip():
        raise UsageError("a pause needs a reason", "--reason 'stocktaking'")
    if until is not None and lasting is not None:
        raise UsageError("--until and --for say different things", "give one of them")
    who, now = names.by(by), utcnow()
    ends = [_end(settings, one, until, lasting, now) for one in outlets]
    from marketsync_dagster.ledger import pauses

    with opened(who, settings) as project:
        made = [
            pauses.pause(
                project.ledger,
                outlet=one,
                platform=platform,
                by=who,
                reason=(reason or "").strip(),
                until=end,
                now=now,
            )
            for one, end in zip(outlets, ends, strict=True)
        ]
    if as_json:
        print_json([_document(one) for one in made])
        return DONE
    for one in made:
        say(f"{one.scope}: {one.words}")
        note(f"next: {one.resume_command}")
    return DONE


def resume(
    outlet: Outlets = None,
    platform: Platform = None,
    everything: Every = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept on record.")] = None,
    by: By = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    outlets = _scope(settings, outlet, platform, everything)
    who = names.by(by)
    from marketsync_dagster.ledger import pauses

    with opened(who, settings) as project:
        ended = [
            found
            for one in outlets
            for found in pauses.resume(
                project.ledger, outlet=one, platform=platform, by=who, reason=reason
            )
        ]
        left = [
            found
            for found in pauses.active_pauses(project.ledger)
            if any(found.touches(one, platform) for one in outlets)
        ]
    if as_json:
        print_json({"ended": [_document(one) for one in ended], "left": [*map(_document, left)]})
    for one in ended if not as_json else []:
        say(f"{one.scope}: resumed, it was {one.words}")
    if not ended and not left and not as_json:
        say("nothing of that was paused")
    if left and not ended:
        raise MarketSyncError(
            f"still paused by a wider pause: {left[0].scope}, {left[0].words}",
            left[0].resume_command,
        )
    for one in left:
        note(f"still paused: {one.scope}, {one.words}; next: {one.resume_command}")
    if ended and not left:
        note("next: the next run sends what differs, or: marketsync run partial_sync")
    return DONE


def list_(
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="So many that are over.")] = 10,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.pauses import active_pauses, past_pauses

    with opened() as project:
        now = active_pauses(project.ledger)
        past = past_pauses(project.ledger, limit)
    if as_json:
        print_json({"active": [*map(_document, now)], "past": [*map(_document, past)]})
        return DONE
    if not now:
        say("nothing is paused")
    columns = ("outlet", "platform", "since", "until", "by", "reason", "ended")
    rows = [
        (
            *(one.outlet or "every", one.platform or "every", one.at, one.until or "resumed"),
            *(one.by, one.reason, _ended(one) if one in past else ""),
        )
        for one in now + past
    ]
    if rows:
        table(columns, rows, free=("reason", "ended"))
    if now:
        say(f"{counted(len(now), 'pause')} in force")
        for command in dict.fromkeys(one.resume_command for one in now):
            note(f"next: {command}")
    return DONE


def _ended(one: Pause) -> str:
    if one.ended_at is None:
        return "its time was over"
    return f"{one.ended_at} by {one.ended_by}" + (f" ({one.ended_reason})" * bool(one.ended_reason))


def _document(one: Pause) -> dict[str, Any]:
    fields = asdict(one)
    return {"pause_id": fields.pop("id"), **fields}


def _scope(
    settings: Settings, outlet: str | None, platform: str | None, everything: bool
) -> list[str | None]:
    """The outlets that are meant; None for every one. Every word must be known."""
    from marketsync_dagster.cli import names

    if platform is not None:
        names.platform_of(settings, platform)
    if outlet is None and platform is None and not everything:
        raise UsageError("which channels?", "--outlet NAME, --platform NAME, or --all")
    if everything and (outlet or platform):
        raise UsageError("--all, and --outlet or --platform, say different things", "give one")
    outlets = names.outlets_of(settings, outlet)
    if platform is not None and outlet is not None:
        for one in outlets:
            names.channel_of(settings, one, platform)
    return [None] if outlet is None else list(outlets)


def _end(
    settings: Settings, outlet: str | None, until: str | None, lasting: str | None, now: datetime
) -> datetime | None:
    """When the pause of an outlet ends, by its own clock."""
    from marketsync_dagster.values.moments import duration, moment

    if lasting is not None:
        return now + duration(lasting)
    if until is None:
        return None
    zone = settings.defaults.timezone if outlet is None else settings.timezone_of(outlet)
    return moment(until, zone, now)
