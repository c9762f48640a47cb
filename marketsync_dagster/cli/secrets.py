"""`marketsync secrets set|list|remove|rotate`: keys of the platforms, encrypted in the ledger.

A value comes from standard input, a hidden prompt or an environment variable, never from an
argument, and is never printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, counted, note, print_json, say, table
from marketsync_dagster.values.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from marketsync_dagster.config.master_key import MasterKey
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.credentials import Change, StoredSecret
    from marketsync_dagster.ledger.engine import Ledger

_MOST_CHARACTERS = 20_000
_HELP = (
    "Keys of the platforms, stored encrypted in the ledger; marketsync.yaml refers to them as "
    "{secret: NAME}.\n\n"
    "They are encrypted under a master key that is not in the ledger. In a container, or where "
    "several machines share a ledger, put it into MARKETSYNC_MASTER_KEY. On a single machine "
    "leave that unset: the first `secrets set` makes a file in ~/.config/marketsync that only "
    "you can read. Keep a copy of it apart from the ledger's backups: each is useless without "
    "the other."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="As marketsync.yaml refers to it.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode=None)
    group.command("set", help="Store a secret: its value from standard input, or asked for.")(set_)
    group.command("list", help="What is stored, how old it is, and who needs it. No values.")(list_)
    group.command("remove", help="Delete a stored secret, or one version of it.")(remove)
    group.command("rotate", help="Encrypt every stored secret anew, under a new master key.")(
        rotate
    )
    app.add_typer(group, name="secrets", short_help="Keys of the platforms, stored encrypted.")


def set_(
    name: Name,
    words: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    from_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Take the value from this variable.")
    ] = None,
    overlap_days: Annotated[
        int, typer.Option(min=0, max=365, help="So long the value before it stays usable too.")
    ] = 0,
    created_on: Annotated[
        str | None, typer.Option(metavar="DATE", help="When the key was made, if not today.")
    ] = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    if words:
        raise UsageError(
            "the value is no argument: other users of this machine and the shell's history would "
            "see it",
            "give it on standard input, or when it is asked for",
        )
    _check_name(name)
    made_at = None if created_on is None else _day(created_on)
    settings = load()
    from marketsync_dagster.ledger.credentials import set_secret

    value = _from_variable(from_env) if from_env is not None else _typed(name)
    with opened(given=settings) as project:
        change = set_secret(
            project.ledger,
            name,
            value,
            by=project.user,
            overlap_days=overlap_days,
            created_at=made_at,
        )
    if change.made_key:
        note(
            f"made the master key {change.made_key}; keep a copy of it apart from the ledger's "
            "backups: without it no stored secret can be read"
        )
    if as_json:
        print_json(_told(change))
    else:
        _say_change(change, _places(settings).get(name, []))
    return DONE


def _told(change: Change) -> dict[str, Any]:
    row = change.stored
    return {
        "name": row.name,
        "version": row.version,
        "changed": change.changed,
        "created_at": row.created_at,
        "overlaps_until": change.overlaps_until,
        "master_key": row.key_id,
    }


def _say_change(change: Change, places: Sequence[str]) -> None:
    row = change.stored
    if change.changed:
        until = change.overlaps_until
        overlap = f"; the one before it can be used until {until}" if until else ""
        say(f"{row.name}: version {row.version} is stored{overlap}")
    else:
        say(f"{row.name}: version {row.version} has that value already (of {row.created_at})")
    if places:
        note("next: marketsync connections test")
    else:
        note(f"next: refer to it in marketsync.yaml, such as api_key: {{secret: {row.name}}}")


def list_(as_json: Json = False) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    with opened(given=settings) as project:
        rows, hints = _stored(settings, project.ledger)
    if as_json:
        print_json(rows)
        return DONE
    if not rows:
        say("no stored secrets")
        note("next: marketsync secrets set NAME")
        return DONE
    shown = [
        (
            row["name"],
            row["version"] or "",
            "" if row["age_days"] is None else row["age_days"],
            row["masked"],
            row["state"],
            ", ".join(row["used_by"]) or "nobody",
        )
        for row in rows
    ]
    columns = ("name", "version", "days", "value", "state", "used by")
    table(columns, shown, right=("version", "days"), free=("used by",))
    for hint in hints:
        say(hint)
    return DONE


def _stored(settings: Settings, ledger: Ledger) -> tuple[list[dict[str, Any]], list[str]]:
    """Every version that is stored, then every name that is not, with what to do about them."""
    from marketsync_dagster.config.secrets import STALE_DAYS
    from marketsync_dagster.ledger.credentials import LedgerVault, stored_secrets, usable

    versions: dict[str, list[StoredSecret]] = {}
    for row in stored_secrets(ledger):
        versions.setdefault(row.name, []).append(row)
    vault, places = LedgerVault(ledger), _places(settings)
    rows: list[dict[str, Any]] = []
    hints: dict[str, None] = {}
    for name, known in versions.items():
        in_use = usable(known)
        for at, row in enumerate(known):
            masked, trouble = _masked(vault, row)
            age = row.age_days()
            stale = at == 0 and age > STALE_DAYS
            state = "in use" if at == 0 else f"until {row.usable_until}"
            if row not in in_use:
                state = "over"
            if stale:
                state += f", older than {STALE_DAYS} days"
                hints[f"{name} is {age} days old; next: marketsync secrets set {name}"] = None
            if trouble is not None:
                state = "cannot be read"
                hints[f"{trouble.message}; next: {trouble.next_step}"] = None
            rows.append(
                {
                    "name": name,
                    "version": row.version,
                    "age_days": age,
                    "created_at": row.created_at,
                    "created_by": row.created_by,
                    "masked": masked,
                    "state": state,
                    "stale": stale,
                    "usable_until": row.usable_until,
                    "missing": False,
                    "readable": trouble is None,
                    "master_key": row.key_id,
                    "used_by": places.get(name, []),
                }
            )
    for name in places:
        if name not in versions:
            hints[f"{name} is missing; next: marketsync secrets set {name}"] = None
            rows.append(_missing(name, places[name]))
    return rows, list(hints)


def _missing(name: str, used_by: list[str]) -> dict[str, Any]:
    nothing = dict.fromkeys(("version", "age_days", "created_at", "created_by"))
    return {
        "name": name,
        **nothing,
        "masked": "",
        "state": "missing",
        "stale": False,
        "usable_until": None,
        "missing": True,
        "readable": False,
        "master_key": None,
        "used_by": used_by,
    }


def _masked(vault: Any, row: StoredSecret) -> tuple[str, ConfigError | None]:
    from marketsync_dagster.ledger.credentials import masked

    try:
        return masked(vault, row), None
    except ConfigError as error:
        return "", error


def remove(
    name: Name,
    version: Annotated[int | None, typer.Option(min=1, help="Only this version.")] = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    _check_name(name)
    settings = load()
    from marketsync_dagster.ledger.credentials import remove_secret, stored_secrets

    with opened(given=settings) as project:
        gone = remove_secret(project.ledger, name, version)
        left = [row.version for row in stored_secrets(project.ledger) if row.name == name]
    places = _places(settings).get(name, [])
    if as_json:
        print_json({"name": name, "removed": gone, "left": left, "used_by": places})
    else:
        say(f"{name}: removed {', '.join(f'version {number}' for number in gone)}")
        if left:
            say(f"version {left[0]} is in use now")
        elif places:
            note(f"{', '.join(places)} cannot be used until it is stored again")
            note(f"next: marketsync secrets set {name}")
    return DONE


def rotate(
    new_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take the new master key from this file, or write the new one there if there is "
            "no such file (else MARKETSYNC_NEW_MASTER_KEY, else one is made).",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    from marketsync_dagster.config.master_key import VARIABLE
    from marketsync_dagster.ledger.credentials import rotate as change

    with opened(given=settings) as project:
        done = change(project.ledger, _given(new_key_file))
    in_variable = bool(os.environ.get(VARIABLE))
    if as_json:
        print_json(
            {
                "master_key": done.key_id,
                "source": done.source,
                "replaced": list(done.replaced),
                "secrets": done.secrets,
            }
        )
    elif not done.secrets:
        say(f"everything is under master key {done.key_id} already")
    else:
        say(
            f"{counted(done.secrets, 'value')} encrypted anew under master key {done.key_id} "
            f"({done.source})"
        )
    note(*_after(done.key_id, done.replaced, in_variable=in_variable))
    return DONE


def _after(key_id: str, replaced: Sequence[str], *, in_variable: bool) -> list[str]:
    """What is left to be done by people."""
    from marketsync_dagster.config.master_key import VARIABLE, key_file

    lines: list[str] = []
    if in_variable:
        lines.append(f"next: set {VARIABLE} to key {key_id} wherever MarketSync runs")
    else:
        lines.append("next: keep a copy of the new key apart from the ledger's backups")
    kept = [str(key_file(old)) for old in replaced if key_file(old).exists()]
    if kept:
        lines.append(
            f"older backups of the ledger need {', '.join(kept)}: delete it when they are gone"
        )
    return lines


def _given(file: Path | None) -> MasterKey | None:
    """The key that a rotation is to go over to, if one is given."""
    from marketsync_dagster.config.master_key import (
        NEW_VARIABLE,
        master_key,
        new_key,
        read_key_file,
    )

    text = os.environ.get(NEW_VARIABLE, "").strip()
    if file is not None and text:
        raise UsageError(f"--new-key-file and {NEW_VARIABLE} are both given", "give one of them")
    if file is not None:
        return read_key_file(file) if file.exists() else new_key(file.absolute())
    return master_key(text, NEW_VARIABLE) if text else None


# --- words


def _check_name(name: str) -> None:
    from marketsync_dagster.config.accounts import secret_name

    known = True
    try:
        secret_name(name)
    except ValueError:
        known = False
    if not known:  # what is given as a name by mistake may be the secret: it is not shown
        raise UsageError(
            "NAME is lower-case letters, digits and underscores, and not the secret itself",
            "marketsync secrets set tracker_key",
        )


def _day(text: str) -> datetime:
    reason = "is not a date such as 2026-10-01"
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        day = None
    if day is not None and day > datetime.now(UTC):
        day, reason = None, "is in the future"
    if day is None:
        raise UsageError(f"--created-on {text} {reason}", "give the day the key was made on")
    return day


def _from_variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        # not named: it may be the secret, given here by mistake
        raise UsageError("the variable of --from-env is not set", "export it, or leave it out")
    return value


def _typed(name: str) -> str:
    """The value from standard input without the line end after it; asked for on a terminal."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass(f"value of {name} (not shown): ")
    text = sys.stdin.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise UsageError(
            f"standard input holds more than {_MOST_CHARACTERS:,} characters",
            f"give it the secret alone: marketsync secrets set {name} < FILE",
        )
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise UsageError(
            "there is no value on standard input",
            f"marketsync secrets set {name} < FILE, or on a terminal, where it is asked for",
        )
    return value


def _places(settings: Settings) -> dict[str, list[str]]:
    """Stored secret -> the places of marketsync.yaml that refer to it."""
    from marketsync_dagster.config.secrets import references

    found: dict[str, list[str]] = {}
    for one in references(settings):
        if one.ref.secret is not None:
            found.setdefault(one.ref.secret, []).append(one.path)
    return found
