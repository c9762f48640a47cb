"""`marketsync outlets list|import`: the outlets of the configuration, and taking over a list."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from marketsync_dagster.cli.output import DONE, counted, note, print_json, say, table
from marketsync_dagster.values.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from marketsync_dagster.config.outlet_text import NewOutlet
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.pos.outlet_list import OutletLine

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
_SHOWN = 30


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="The outlets of the configuration.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("list", help="Each outlet, where its extracts come from, and its channels.")(
        list_
    )
    group.command(
        "import",
        help="Add the outlets of a list (CSV, XLSX, JSON, Stores XML) to the configuration, all "
        "or none.",
        short_help="Add the outlets of a list to the configuration.",
    )(import_)
    app.add_typer(group, name="outlets")


def list_(as_json: Json = False) -> int:
    from marketsync_dagster.cli.session import settings as load
    from marketsync_dagster.stages.sources import shown_source

    settings = load()
    found: list[dict[str, Any]] = [
        {
            "outlet": name,
            "name": outlet.name,
            "source": outlet.extract.source,
            "from": shown_source(settings, name),
            "keys": outlet.extract.keys,
            "preset": outlet.extract.preset,
            "currency": settings.currency_of(name),
            "timezone": settings.timezone_of(name),
            "platforms": [p for p in settings.platforms() if settings.channel(name, p)],
        }
        for name, outlet in settings.outlets.items()
    ]
    if as_json:
        print_json(found)
        return DONE
    keys = ("outlet", "name", "from", "keys", "preset", "currency", "timezone", "platforms")
    rows = [
        [", ".join(one[key]) if isinstance(one[key], list) else one[key] for key in keys]
        for one in found
    ]
    table(keys, rows, free=("name",))
    return DONE


@dataclass
class _Report:
    """What an import comes to."""

    file: str
    config: str
    added: list[NewOutlet] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    """Folders of new outlets that are not there yet, relative to the configuration."""
    currency: str = ""
    """Of new outlets that say none."""
    example: str = ""
    """A channel of the first new outlet."""


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list: code, name, ...")],
    source: Annotated[
        str | None,
        typer.Option(help="The shared source of their extracts; else extracts/OUTLET each."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Where the list has none and it is not the default.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Where the list has none and it is not the default.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="The system that writes their extracts.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.catalog.files import write_atomically
    from marketsync_dagster.cli.names import currency_of, one_of
    from marketsync_dagster.cli.session import config_file
    from marketsync_dagster.config.load import display, read_settings
    from marketsync_dagster.config.outlet_text import with_outlets
    from marketsync_dagster.config.reading import Preset
    from marketsync_dagster.pos.outlet_list import read_outlets

    path = config_file().absolute()
    raw = _bytes(path)
    settings = read_settings(raw, path)
    if source is not None:
        one_of("source", source, settings.sources)
    if preset is not None:
        one_of("preset", preset, get_args(Preset))
    if currency is not None:
        currency_of(currency)
    if timezone is not None and not _is_zone(timezone):
        raise UsageError(f"unknown time zone {timezone!r}", "--timezone Africa/Nairobi")
    report = _Report(file.name, display(path), currency=settings.defaults.currency)
    lines = read_outlets(file)
    options = _Options(source, currency, timezone, preset)
    _sort_out(settings, lines, options, report)
    if report.added:
        changed = with_outlets(raw, path, report.added)
        report.example = channel_line(settings, report.added[0].outlet)
        report.folders = _folders(path.parent, report.added)
        if not dry_run:
            if _bytes(path) != raw:
                raise ConfigError(
                    f"{report.config} was changed meanwhile; nothing was added", "try again"
                )
            for folder in report.folders:
                (path.parent / folder).mkdir(parents=True, exist_ok=True)
            write_atomically(path, changed)
    _show(report, dry_run, as_json)
    return DONE


@dataclass(frozen=True)
class _Options:
    source: str | None
    currency: str | None
    timezone: str | None
    preset: str | None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file", "marketsync init") from None


def _folders(root: Path, added: list[NewOutlet]) -> list[str]:
    """The folders of new outlets that are to be made; ConfigError where something is in the way.

    Their names are those of the outlets: letters, digits and underscores.
    """
    named = [str(one.extract["path"]) for one in added if "path" in one.extract]
    missing = [folder for folder in named if not (root / folder).is_dir()]
    for folder in missing:
        for place in (root / folder, (root / folder).parent):
            if place.is_symlink() or place.exists():
                if place.is_dir():
                    continue
                raise ConfigError(
                    f"{place.relative_to(root)} is no folder; nothing was added",
                    "move it away, then try again",
                )
    return missing


def _sort_out(
    settings: Settings, lines: list[OutletLine], options: _Options, report: _Report
) -> None:
    """Which outlets are new and which are there already; ConfigError with every clash."""
    from marketsync_dagster.config.source_rules import same_key, users_of

    holders = {
        same_key(key): name
        for name in (users_of(settings, options.source) if options.source else ())
        for key in settings.outlets[name].extract.keys
    }
    groups = _groups(lines)
    clashes: list[str] = []
    names = False
    named: dict[str, OutletLine] = {}
    for one in lines:
        where = f"{report.file}:{one.line}: "
        outlet = _slug(one.outlet or _code_of(one, groups))
        keys = _keys(one, groups)
        if not outlet:
            clashes.append(f"{where}{one.code!r} has no letter a-z or digit for a name")
            names = True
            continue
        other = named.setdefault(outlet.lstrip("0") or outlet, one)
        if other is not one:
            names = True
            clashes.append(
                f"{where}{one.code!r} would have the name {outlet}, as {other.code!r} on line "
                f"{other.line}"
                + ("" if _slug(other.code) == outlet else ", but for zeros before it")
            )
            continue
        if (wrong := _wrong(one)) is not None:
            clashes.append(f"{where}{wrong}")
            names = names or " is no name" in wrong
            continue
        there = {holders[same_key(key)] for key in keys if same_key(key) in holders}
        if len(there) > 1:
            clashes.append(f"{where}{one.code!r} is what {' and '.join(sorted(there))} are called")
        elif there:
            report.unchanged += there
        elif outlet in settings.outlets:
            if options.source is None and _has_its_folder(settings, outlet):
                report.unchanged.append(outlet)
            else:
                clashes.append(f"{where}there is an outlet {outlet} already, from another place")
                names = True
        else:
            report.added.append(_new(settings, one, outlet, keys, options))
    if clashes:
        more = [f"and {len(clashes) - _SHOWN} more"] if len(clashes) > _SHOWN else []
        raise ConfigError(
            "\n".join([*clashes[:_SHOWN], *more]),
            "nothing was added: correct the list"
            + (", or give names of your own in a column `slug`" if names else ""),
        )


def _wrong(one: OutletLine) -> str | None:
    from marketsync_dagster.config.scalars import CURRENCIES

    if one.outlet and not re.fullmatch(r"[a-z0-9_]+", one.outlet):
        return f"{one.outlet!r} is no name: expected lower-case letters, digits and underscores"
    if one.currency and one.currency not in CURRENCIES:
        return f"{one.currency!r} is no currency such as KES"
    if one.timezone and not _is_zone(one.timezone):
        return f"{one.timezone!r} is no time zone such as Africa/Nairobi"
    if not (one.code + one.name).isprintable():
        return f"{one.code!r} has control characters in its code or name"
    return None


def _is_zone(text: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _groups(lines: list[OutletLine]) -> set[str]:
    """Codes that stand for several outlets, each in a group of its own."""
    first: dict[str, str] = {}
    return {one.code for one in lines if first.setdefault(one.code, one.group) != one.group}


def _code_of(one: OutletLine, groups: set[str]) -> str:
    return f"{one.group}_{one.code}" if one.code in groups else one.code


def _keys(one: OutletLine, groups: set[str]) -> list[str]:
    """What the outlet is called in files: by its code, and by group and code."""
    own = [] if one.code in groups else [one.code]
    return [*own, *([f"{one.group}-{one.code}"] if one.group else [])]


def _slug(text: str) -> str:
    """A name for the configuration: `North-12 (new)` -> `north_12_new`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _has_its_folder(settings: Settings, outlet: str) -> bool:
    extract = settings.outlets[outlet].extract
    return extract.shared is None and extract.path == Path("extracts") / outlet


def _new(
    settings: Settings, one: OutletLine, outlet: str, keys: list[str], options: _Options
) -> NewOutlet:
    from marketsync_dagster.config.outlet_text import NewOutlet

    extract: dict[str, str | list[str]] = {}
    if options.source is None:
        extract["path"] = f"extracts/{outlet}"
    else:
        extract["source"] = options.source
        extract["keys"] = keys
    shared = settings.sources.get(options.source or "")
    if options.preset and (shared is None or shared.preset != options.preset):
        extract["preset"] = options.preset
    said = (
        ("currency", one.currency or options.currency, settings.defaults.currency),
        ("timezone", one.timezone or options.timezone, settings.defaults.timezone),
    )
    others = {key: text for key, text, default in said if text and text != default}
    return NewOutlet(outlet, one.name, extract, others)


def _show(report: _Report, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": report.file,
                "config": report.config,
                "dry_run": dry_run,
                "added": [
                    {"outlet": one.outlet, "name": one.name, **one.others, "extract": one.extract}
                    for one in report.added
                ],
                "unchanged": report.unchanged,
                "folders": report.folders,
            }
        )
        return
    if report.added:
        where = ("path",) if "path" in report.added[0].extract else ("source", "keys")
        rows = [
            [
                *(one.outlet, one.name, *(_cell(one.extract[key]) for key in where)),
                one.others.get("currency", report.currency),
            ]
            for one in report.added[:_SHOWN]
        ]
        table(("outlet", "name", *where, "currency"), rows, free=("name",))
        if len(report.added) > _SHOWN:
            note(f"{_SHOWN} of {len(report.added)} outlets shown; --json has all of them")
    verb = "would be added" if dry_run else "added"
    there = f", {len(report.unchanged)} there already" if report.unchanged else ""
    say(f"{counted(len(report.added), 'outlet')} {verb} to {report.config}{there}")
    if report.folders:
        more = f" and {len(report.folders) - 1} more" if len(report.folders) > 1 else ""
        made = "would be made" if dry_run else "made"
        say(f"{counted(len(report.folders), 'folder')} {made}: {report.folders[0]}{more}")
    if report.added and not dry_run:
        note(
            "next: marketsync config check, then reload the code location in Dagster's UI",
            "accounts and channels are still to be added; below `channels`, one line such as",
            f"  {report.example}",
        )


def channel_line(settings: Settings, outlet: str) -> str:
    """A channel as it may be written below `channels`; the name in quotes: `28` is a number."""
    # an account that fulfils orders lists nothing
    used = {channel.account for channel in settings.channels}.union(settings.destinations())
    free = ((name, one) for name, one in settings.accounts.items() if name not in used)
    # an account that has its outlet already is rarely another one's too
    account, said = next(free, ("NAME", None))
    # a store of Pasons has no catalogue to look in
    own = said is not None and said.platform == "pasons"
    mapping = ", mapping: {identity: barcode}" if own else ""
    return f'- {{outlet: "{outlet}", account: {account}{mapping}}}'


def _cell(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
