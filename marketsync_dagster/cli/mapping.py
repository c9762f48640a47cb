"""`marketsync mapping list|search|set|unset|import`: the maintained mapping file of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsync_dagster.cli.output import DONE, counted, note, print_json, say, table
from marketsync_dagster.values.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from marketsync_dagster.config.channels import Channel
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.project import Project

Account = Annotated[str | None, typer.Option(help="The account whose file it is.")]
Outlet = Annotated[str | None, typer.Option(help="The outlet whose file it is.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
Sku = Annotated[str, typer.Argument(metavar="SKU", help="The till's SKU.")]
_SHOWN = 30


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Which of the platform's products is which SKU.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", help="The rows of the mapping file, or the rows without mapping.")(list_)
    group.command("search", help="Look for a product on the platform, and among unmapped rows.")(
        search
    )
    group.command("set", help="Map a SKU to a product of the platform.")(set_)
    group.command("unset", help="Take a SKU out of the file.")(unset)
    group.command("import", help="Take over the rows of another mapping file, all or none.")(
        import_
    )
    app.add_typer(group, name="mapping")


@dataclass(frozen=True)
class Target:
    """The file that a command works on, and the channels that use it."""

    path: Path
    platform: str
    account: str
    outlets: list[str]


def channels_of(settings: Settings, account: str | None, outlet: str | None) -> list[Channel]:
    """The channels that the options mean; UsageError where there is none."""
    from marketsync_dagster.cli.names import account_of, one_of

    if account is not None:
        account_of(settings, account)
    if outlet is not None:
        one_of("outlet", outlet, settings.outlets)
    channels = [
        channel
        for channel in settings.channels
        if account in (None, channel.account) and outlet in (None, channel.outlet)
    ]
    if not channels:
        raise UsageError(
            f"there is no channel of {' and '.join(filter(None, (account, outlet))) or 'any kind'}",
            "look under channels in the configuration",
        )
    return channels


def target(settings: Settings, account: str | None, outlet: str | None) -> Target:
    """The one mapping file that the options mean; UsageError where they mean several."""
    channels = channels_of(settings, account, outlet)
    files: dict[Path, list[Any]] = {}
    for channel in channels:
        if channel.mapping.file is not None:
            files.setdefault(settings.root / channel.mapping.file, []).append(channel)
    if not files:
        raise ConfigError(
            f"account {channels[0].account} has no mapping file",
            "add to its channel: mapping: {file: mappings/NAME.csv}; its rows without an id: "
            f"marketsync mapping list --unmapped --account {channels[0].account}",
        )
    if len(files) > 1:
        choice = ", ".join(f"--account {users[0].account}" for users in files.values())
        raise UsageError("there are several mapping files", f"say which: {choice}")
    ((path, users),) = files.items()
    return Target(
        path, settings.platform_of(users[0]), users[0].account, [user.outlet for user in users]
    )


def list_(
    account: Account = None,
    outlet: Outlet = None,
    unmapped: Annotated[
        bool, typer.Option("--unmapped", help="Catalog rows without a mapping instead.")
    ] = False,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.catalog.mapping_file import read_mapping_file
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    settings = load()
    rows: list[dict[str, Any]] = []
    if unmapped:  # for which no file is needed
        outlets: dict[str, list[str]] = {}
        for channel in channels_of(settings, account, outlet):
            outlets.setdefault(settings.platform_of(channel), []).append(channel.outlet)
        with opened(given=settings) as project:
            for platform, names in outlets.items():
                rows += unmapped_rows(project, platform, names)
        nothing, keys = "no rows without mapping", ("outlet", "sku", "name", "reason")
        if len(outlets) > 1:
            keys = ("outlet", "platform", *keys[1:])
    else:
        path = target(settings, account, outlet).path
        rows = [asdict(row) for row in read_mapping_file(path)]
        nothing = f"{path} has no rows"
        keys = ("line", "sku", "platform_id", "platform_sku", "name")
    if as_json:
        print_json(rows)
        return DONE
    if not rows:
        say(nothing)
        return DONE
    shown = rows if not unmapped else rows[:_SHOWN]
    lines = [[row[key] for key in keys] for row in shown]
    table(keys, lines, right=("line",), free=("name", "reason"))
    steps = (row["next_step"] for row in shown if unmapped and row["next_step"])
    say(*(f"next: {step}" for step in dict.fromkeys(steps)))
    if len(shown) < len(rows):
        note(f"{len(shown)} of {len(rows)} rows shown; --json has all of them")
    return DONE


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="An id, a barcode, words of a name.")],
    account: Account = None,
    outlet: Outlet = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    if not text.strip():
        raise UsageError("TEXT is empty", "marketsync mapping search 'tomato ketchup'")
    settings = load()
    found = target(settings, account, outlet)
    with opened(given=settings) as project:
        listed = _platform_rows(project, found)
        products = _matches(listed or [], ("platform_id", "platform_sku", "barcode"), text)
        own = _matches(
            unmapped_rows(project, found.platform, found.outlets), ("sku", "barcode"), text
        )
    if as_json:
        print_json({"platform": products[:limit], "unmapped": own[:limit]})
        return DONE
    if products:
        keys = ("platform_id", "platform_sku", "name", "barcode", "brand", "category")
        rows = [[row.get(key) for key in keys] for row in products[:limit]]
        table(keys, rows, title=f"on {found.platform}", free=("name", "brand", "category"))
    if own:
        keys = ("outlet", "sku", "name", "reason")
        rows = [[row[key] for key in keys] for row in own[:limit]]
        table(keys, rows, title="without a mapping", free=("name", "reason"))
    if not products and not own:
        say(f"nothing on {found.platform} and no row without mapping matches")
    if listed is None:
        note(f"what {found.platform} lists was not read yet: marketsync run refresh_mappings")
    elif products:
        note(f"next: marketsync mapping set SKU PLATFORM_ID --account {found.account}")
    return DONE


def set_(
    sku: Sku,
    platform_id: Annotated[str, typer.Argument(metavar="ID", help="The platform's own id.")],
    account: Account = None,
    outlet: Outlet = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.catalog.mapping_edit import set_mapping
    from marketsync_dagster.cli.changes import check_skus
    from marketsync_dagster.cli.names import skus_of
    from marketsync_dagster.cli.session import opened
    from marketsync_dagster.cli.session import settings as load

    (sku,) = skus_of([sku])
    platform_id = platform_id.strip()
    if not platform_id:
        raise UsageError("ID is empty", "marketsync mapping search TEXT finds it")
    settings = load()
    found = target(settings, account, outlet)
    with opened(given=settings) as project:
        check_skus(project, found.outlets, [sku])
        listed = _platform_rows(project, found)
        product = next((row for row in listed or () if row["platform_id"] == platform_id), None)
        change = set_mapping(
            found.path,
            sku,
            platform_id,
            platform_sku=product["platform_sku"] if product else None,
            name=_name_of(project, found, sku) or (product or {}).get("name"),
        )
        before = change.before
        was = f"{before.platform_id} by file" if before else _mapped_before(project, found, sku)
    if as_json:
        print_json(
            {"action": change.action, "file": str(found.path), "sku": sku}
            | {"platform_id": platform_id}
        )
        return DONE
    same = was.startswith(f"{platform_id} by ")
    words = f" (was {was})" if was and not (same and before) else ""
    say(f"{change.action}: {sku} is {platform_id}{words} in {found.path}")
    if listed and product is None:
        note(f"warning: {platform_id} is not among what {found.platform} listed last")
    note(f"next: marketsync run partial_sync --outlet {','.join(found.outlets)}")
    return DONE


def unset(sku: Sku, account: Account = None, outlet: Outlet = None, as_json: Json = False) -> int:
    from marketsync_dagster.catalog.mapping_edit import unset_mapping
    from marketsync_dagster.cli.session import settings as load
    from marketsync_dagster.values.errors import MappingError

    found = target(load(), account, outlet)
    try:
        change = unset_mapping(found.path, sku)
    except MappingError as error:
        if "is not in the file" in error.message:
            raise UsageError(error.message, error.next_step) from None
        raise
    before = change.before
    assert before is not None
    if as_json:
        print_json({"action": change.action, "file": str(found.path)} | asdict(before))
    else:
        say(f"removed: {before.sku} was {before.platform_id} on line {before.line}")
    return DONE


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV sku,platform_id,...")],
    account: Account = None,
    outlet: Outlet = None,
    as_json: Json = False,
) -> int:
    from marketsync_dagster.catalog.mapping_edit import import_mappings
    from marketsync_dagster.cli.session import settings as load

    found = target(load(), account, outlet)
    report = import_mappings(found.path, file)
    if as_json:
        print_json(asdict(report) | {"file": str(found.path)})
    else:
        added = counted(report.added, "row")
        say(f"{added} added to {found.path}, {report.unchanged} there already")
    return DONE


def unmapped_rows(project: Project, platform: str, outlets: Sequence[str]) -> list[dict[str, Any]]:
    """Catalog rows of the outlets that the last run could not map to the platform."""
    from marketsync_dagster.stages.catalog import CATALOG_KEY
    from marketsync_dagster.stages.mapping import mapping_key

    rows: list[dict[str, Any]] = []
    for outlet in outlets:
        if project.frames.stamp(mapping_key(platform), outlet) is None:
            continue
        frame = project.frames.read(mapping_key(platform), outlet)
        frame = frame[frame["platform_id"].isna()]
        barcodes = project.frames.read(CATALOG_KEY, outlet).set_index("sku")["barcode"]
        frame = frame.assign(outlet=outlet, platform=platform, barcode=frame["sku"].map(barcodes))
        columns = ["outlet", "sku", "name", "barcode", "reason", "next_step", "platform"]
        objects = frame[columns].astype(object)
        records = objects.where(objects.notna(), None).to_dict(orient="records")
        rows.extend({str(key): value for key, value in record.items()} for record in records)
    return rows


def _platform_rows(project: Project, found: Target) -> list[dict[str, Any]] | None:
    """What the platform listed when it was read last; None: never."""
    from marketsync_dagster.stages.mapping import stored_platform_catalog

    frame = stored_platform_catalog(project, found.account)
    if frame is None:
        return None
    objects = frame.astype(object)
    records = objects.where(objects.notna(), None).to_dict(orient="records")
    return [{str(key): value for key, value in record.items()} for record in records]


def _name_of(project: Project, found: Target, sku: str) -> str | None:
    from marketsync_dagster.stages.catalog import CATALOG_KEY

    for outlet in found.outlets:
        if project.frames.stamp(CATALOG_KEY, outlet) is not None:
            catalog = project.frames.read(CATALOG_KEY, outlet)
            names = catalog.loc[catalog["sku"] == sku, "name"].dropna()
            if len(names):
                return str(names.iloc[0])
    return None


def _mapped_before(project: Project, found: Target, sku: str) -> str:
    """`prod_X by sync`: how the last run mapped a SKU that the file did not name; else empty."""
    from marketsync_dagster.stages.mapping import mapping_key

    for outlet in found.outlets:
        if project.frames.stamp(mapping_key(found.platform), outlet) is None:
            continue
        frame = project.frames.read(mapping_key(found.platform), outlet)
        rows = frame[(frame["sku"] == sku) & frame["platform_id"].notna()]
        for platform_id, by in rows[["platform_id", "matched_by"]].itertuples(index=False):
            if by != "file":  # a row of the file that is there no more
                return f"{platform_id} by {by}"
    return ""


def _matches(rows: list[dict[str, Any]], exact: tuple[str, ...], text: str) -> list[dict[str, Any]]:
    """Rows with `text` in an identifier or with all its words in the name; the best first."""
    needle = text.strip().casefold()
    words = needle.split()

    def rank(row: dict[str, Any]) -> int | None:
        ids = [str(row[key]).casefold() for key in exact if row.get(key)]
        name = str(row.get("name") or "").casefold()
        if needle in ids:
            return 0
        if name == needle:
            return 1
        if all(word in name for word in words):
            return 2
        return 3 if any(needle in one for one in ids) else None

    ranked = [(found, row) for row in rows if (found := rank(row)) is not None]
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]
