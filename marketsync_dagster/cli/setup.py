"""`marketsync init` and `config check`: beginning a project, and finding what is wrong in it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from marketsync_dagster.cli.output import DONE, ERROR, note, print_json, say
from marketsync_dagster.values.errors import MarketSyncError, UsageError

_IGNORED = (".marketsync/", ".dagster/", "extracts/", "*.key")
_MAPPING_HEADER = "sku,platform_id,platform_sku,name\n"


def register(app: typer.Typer) -> None:
    app.command("init", help="Begin a project: a commented configuration and its folders.")(init)
    group = typer.Typer(help="The configuration.", no_args_is_help=True, rich_markup_mode=None)
    # a group with a single command still wants its name
    group.callback()(lambda: None)
    group.command("check", help="Read the configuration and the files that it names.")(check)
    app.add_typer(group, name="config")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if need be.")] = Path(),
) -> int:
    """Never overwrites: what is there stays as it is, and is named."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "marketsync init DIR")
    config = folder / "marketsync.yaml"
    if config.exists():
        raise MarketSyncError(
            f"{config} is there already; nothing was changed",
            "marketsync config check, or marketsync init ANOTHER_DIR",
        )
    (folder / "extracts" / "main").mkdir(parents=True, exist_ok=True)
    (folder / "mappings").mkdir(exist_ok=True)
    written: list[str] = []
    kept: list[str] = []
    for name, text in (
        ("mappings/tracker_ke.csv", _MAPPING_HEADER),
        ("workspace.yaml", _template("workspace.yaml")),
        ("dagster.yaml", _template("dagster.yaml")),
        # last: it is what a second `init` looks for
        ("marketsync.yaml", _template("marketsync.yaml")),
    ):
        (written if _write_new(folder / name, text) else kept).append(name)
    if _add_ignored(folder / ".gitignore"):
        written.append(".gitignore")
    say(f"a project in {folder.absolute()}: {', '.join(written)}, extracts/main/")
    if kept:
        say(f"kept as it was: {', '.join(kept)}")
    there = "" if folder.absolute() == Path.cwd() else f"cd {folder} && "
    note(
        "next:",
        "  1. put an extract into extracts/main/ and look at it:",
        f"     {there}marketsync check-extract extracts/main/FILE.csv",
        "  2. name its columns, your outlets and accounts in marketsync.yaml, then:",
        "     marketsync config check",
        "  3. see it in the Dagster UI, with a sandbox instead of the platforms:",
        "     marketsync dev",
    )
    return DONE


def _template(name: str) -> str:
    files = resources.files("marketsync_dagster.cli") / "templates"
    return (files / name).read_text("utf-8")


def _write_new(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _add_ignored(path: Path) -> bool:
    """Add the lines that .gitignore lacks; whether there were any."""
    before = path.read_text("utf-8") if path.exists() else ""
    missing = [line for line in _IGNORED if line not in before.splitlines()]
    if missing:
        gap = "" if not before or before.endswith("\n") else "\n"
        with path.open("a", encoding="utf-8") as file:
            file.write(gap + "\n".join(missing) + "\n")
    return bool(missing)


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    """Exit code 1 if there are errors; warnings alone are 0."""
    from marketsync_dagster.cli.check import check_configuration

    report = check_configuration()
    if as_json:
        print_json(
            {
                "file": report.file,
                "ok": not report.errors,
                "errors": [vars(mistake) for mistake in report.errors],
                "warnings": [vars(mistake) for mistake in report.warnings],
            }
        )
        return ERROR if report.errors else DONE
    for warning in report.warnings:
        note(f"warning: {warning}")
    if report.errors:
        # as one message, like any failure
        raise MarketSyncError("\n".join(map(str, report.errors)), "mend it, then check again")
    say(report.summary)
    return DONE
