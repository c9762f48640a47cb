"""`marketsync ledger backup|restore|rebuild|check|prune|upgrade`: what the ledger asks of people.

What is done is in `ledger` and `stages`; here are the words.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, ERROR, note, print_json, progress, say, table
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.words import counted

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.care import Report
    from marketsync_dagster.stages.retention import Pruned

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
By = Annotated[str | None, typer.Option(help="Who asks (default: who is logged in).")]
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Backups, checks and care of the ledger.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("backup", help="Write the ledger to a file, while runs go on.")(backup)
    group.command("restore", help="Bring the ledger back from a backup, into either engine.")(
        restore
    )
    group.command("rebuild", help="Fill a channel's empty listings from what its platform shows.")(
        rebuild
    )
    group.command("check", help="Is the ledger whole, do its laws hold, how large is it?")(check)
    group.command("prune", help="Remove what is older than `retention` says.")(prune)
    group.command("upgrade", help="Bring the ledger to this version of MarketSync.")(upgrade)
    app.add_typer(group, name="ledger")


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Where to (default: `backups` in the project's home; a folder: in there).",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Of the backups in that folder keep so many, this one included."),
    ] = None,
    by: By = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.ledger.backup import backup as write
    from marketsync_dagster.ledger.backup import backup_folder, new_name, superfluous
    from marketsync_dagster.ledger.engine import existing_ledger

    found, url, who = _where(by)
    folder = backup_folder(found) if file is None else file
    named = file is not None and not file.is_dir()
    if named and keep is not None:
        raise UsageError(
            "--keep and the name of a file say different things",
            "name a folder, or leave the name out",
        )
    path = folder if named else folder / new_name()
    ledger = existing_ledger(url)
    try:
        with progress("backup", silent=as_json) as tell:
            made = write(ledger, path, by=who, tell=lambda t, n: tell(f"backup: {t} {n:,} rows"))
    finally:
        ledger.close()
    removed = superfluous(path.parent.absolute(), keep) if keep is not None else []
    for old in removed:
        old.unlink(missing_ok=True)
    if as_json:
        print_json(asdict(made) | {"removed": [str(old) for old in removed]})
        return DONE
    say(f"{made.path}: {made.rows:,} rows, {_size(made.bytes)}, written and read again")
    for old in removed:
        say(f"removed {old.name}")
    return DONE


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `ledger backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Over a ledger that is there; it is kept beside.")
    ] = False,
    moved: Annotated[
        bool,
        typer.Option(
            "--moved",
            help="Nothing ran since the backup: every acknowledgement still holds. Without it "
            "every row is sent once more.",
        ),
    ] = False,
    by: By = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.ledger.backup import backup_folder
    from marketsync_dagster.ledger.restore import restore as bring_back

    found, url, who = _where(by)
    with progress("restore", silent=as_json) as tell:
        done = bring_back(
            url,
            file,
            by=who,
            backups=backup_folder(found),
            replace=replace,
            moved=moved,
            tell=lambda name, rows: tell(f"restore: {name} {rows:,} rows"),
        )
    steps = ["marketsync plan", "marketsync run partial_sync --all"]
    if done.tables.get("credential"):
        steps.insert(0, "marketsync secrets list")
    if done.tables.get("orders"):
        steps += ["marketsync run pull_orders", "marketsync run fulfil_orders"]
    if as_json:
        print_json(asdict(done) | {"moved": moved, "next_steps": steps})
        return DONE
    say(f"{done.into}: {done.rows:,} rows, as they were at {done.at}")
    if done.revision != done.revision_before:
        say(f"brought forward from revision {done.revision_before} to {done.revision}")
    if done.kept:
        say(f"what was there before is in {done.kept}")
    if not moved:
        say(
            f"what was pushed after the backup is not known: {done.unknown:,} listings are sent "
            "once more, through the guard; plans that waited for a decision are made anew"
        )
    if done.looked_up:
        what = counted(done.looked_up, "thing")
        say(f"{what} of orders may have been done since: looked up before anything goes again")
    for step in steps:
        say(f"next: {step}")
    return DONE


def rebuild(
    outlet: Annotated[str, typer.Option(help="The outlet.")],
    platform: Annotated[str, typer.Option(help="The platform.")],
    by: By = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.session import opened, settings
    from marketsync_dagster.stages.verify import rebuild as read_back

    found = settings()
    names.channel_of(found, outlet, platform)
    with opened(by or names.user(), found) as project, progress("", silent=as_json) as tell:
        done = read_back(
            project,
            outlet,
            platform,
            lambda n, total: tell(f"reading what {platform} shows: {n:,} of {total:,}"),
        )
    if as_json:
        print_json(asdict(done))
        return DONE
    say(
        f"{outlet} on {platform}: {done.taken_over:,} listings taken over, {done.known:,} known "
        f"before, {done.not_shown:,} not shown there ({done.calls:,} calls)"
    )
    if done.unmapped:
        say(f"{done.unmapped:,} rows have no id there")
        say(f"next: marketsync mapping list --unmapped --outlet {outlet}")
    say(f"next: marketsync run partial_sync --outlet {outlet}")
    return DONE


def check(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what reads every page of the database.")
    ] = False,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.ledger.care import check as look

    found, url, _ = _where(None)
    with progress("check", silent=as_json):
        report = look(found, url, quick=quick)
    code = DONE if report.ok else ERROR
    if as_json:
        print_json({"ok": report.ok, **asdict(report)})
        return code
    _print_sizes(report)
    for finding in report.findings:
        say(f"{'broken' if finding.broken else 'note'}: {finding.subject}: {finding.message}")
        say(f"  next: {finding.next_step}")
    whole = f"{report.ledger}: whole, revision {report.revision}; every law holds"
    say(whole if report.ok else f"{report.ledger or 'the ledger'} is not as it should be")
    return code


def _print_sizes(report: Report) -> None:
    sizes = report.sizes
    if not sizes:
        return
    names = [name.removeprefix("rows_") for name in sizes if name.startswith("rows_")]
    rows = [
        (
            name,
            f"{sizes[f'rows_{name}']:,}",
            _size(sizes[f"bytes_{name}"]) if f"bytes_{name}" in sizes else "",
            report.oldest.get(name, ""),
        )
        for name in names
        if sizes[f"rows_{name}"]
    ]
    rows.append(("all tables", "", _size(sizes["bytes_ledger"]), ""))
    if sizes["free_ledger"]:
        rows.append(("free, used again", "", _size(sizes["free_ledger"]), ""))
    rows += [
        (f"{name} (files)", f"{sizes[f'files_{name}']:,}", _size(sizes[f"bytes_{name}"]), "")
        for name in ("archive", "frames", "backups", "dagster")
    ]
    table(("table", "rows", "size", "oldest"), rows, right=("rows", "size"))


def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum",
            help="Then give the room back to the disk (else it is used again); on SQLite nobody "
            "can push meanwhile, and as much free disk is needed.",
        ),
    ] = False,
    by: By = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.ledger.retention import give_back

    found, _, who = _where(by)
    if dry_run and vacuum:
        raise UsageError("--dry-run and --vacuum say different things", "give one of them")
    with opened(who, found) as project:
        with progress("retention", silent=as_json):
            from marketsync_dagster.automation.launch import opened_instance
            from marketsync_dagster.automation.retention import prune_everything

            with opened_instance(project) as instance:
                pruned = prune_everything(project, instance, dry_run=dry_run)
        if vacuum:
            with progress("giving the room back", silent=as_json):
                given = give_back(project.ledger)
            note(f"{_size(given)} given back to the disk")
    if as_json:
        print_json(asdict(pruned))
    else:
        _print_pruned(pruned)
    return DONE


def _print_pruned(pruned: Pruned) -> None:
    verb = "would be removed" if pruned.dry_run else "removed"
    named = [(name.replace("_", " "), f"{n:,}") for name, n in pruned.removed.items() if n]
    if named:
        table(("what", verb), named, right=(verb,))
    else:
        say("nothing is older than `retention` says")
    if pruned.dry_run:
        return
    for name in ("ledger", "archive", "backups", "dagster"):
        before, after = pruned.before[f"bytes_{name}"], pruned.after[f"bytes_{name}"]
        free = f", {_size(pruned.after['free_ledger'])} of it free" if name == "ledger" else ""
        say(f"{name}: {_size(before)} before, {_size(after)} now{free}")


def upgrade(as_json: Json = False) -> int:
    from marketsync_dagster.ledger.upgrade import upgrade_ledger

    found, url, _ = _where(None)
    found.home.mkdir(parents=True, exist_ok=True)
    before, after = upgrade_ledger(url)
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        say(f"the ledger is up to date (revision {after})")
    else:
        say(f"the ledger went from revision {before or 'none'} to {after}")
    return DONE


def _where(by: str | None) -> tuple[Settings, str, str]:
    """The configuration, the ledger's URL, and who asks."""
    from marketsync_dagster.cli import names
    from marketsync_dagster.cli.session import settings
    from marketsync_dagster.ledger.urls import ledger_url

    if by is not None and not by.strip():
        raise UsageError("--by is empty", "--by 'Jane Doe'")
    found = settings()
    return found, ledger_url(found), by.strip() if by else names.user()


def _size(count: Any) -> str:
    """`1.2 MiB`."""
    size, at = float(count), 0
    while size >= 1024 and at < len(_UNITS) - 1:
        size, at = size / 1024, at + 1
    return f"{size:,.1f} {_UNITS[at]}" if at else f"{size:,.0f} {_UNITS[at]}"
