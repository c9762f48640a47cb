"""What `config check` finds beyond the configuration itself: its files, folders and secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from marketsync_dagster.cli.check_shared import check_shared
from marketsync_dagster.cli.check_sources import check_sources, folder_findings
from marketsync_dagster.cli.outlets import channel_line
from marketsync_dagster.cli.output import counted
from marketsync_dagster.cli.session import config_file
from marketsync_dagster.config.load import display, load_settings
from marketsync_dagster.config.outlets import ExtractSettings
from marketsync_dagster.config.problems import At, ConfigMistakes, Mistake, path_text
from marketsync_dagster.config.secrets import references
from marketsync_dagster.config.settings import MiraklAccount, QikinkAccount, Route, Settings
from marketsync_dagster.config.yaml_file import Document, read_yaml
from marketsync_dagster.values.errors import ExtractError, MarketSyncError


@dataclass
class Report:
    """What was found; `summary` says what the configuration is about if nothing is wrong."""

    file: str
    errors: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)
    summary: str = ""


Found = Iterator[tuple[str, At, str]]
_OF_COLUMNS = {
    *("column_missing", "no_sku_column", "no_price_column"),
    *("duplicate_header", "ambiguous_columns"),
}
"""What an ExtractError says of the columns, and not of the rows."""


def check_configuration() -> Report:
    """Read the configuration as a run would, and look at everything that it names.

    ConfigError only where there is no file to read.
    """
    file = config_file()
    report = Report(display(file.absolute()))
    try:
        settings = load_settings(file)
    except ConfigMistakes as error:
        report.errors = error.mistakes
        return report
    document = read_yaml(settings.file.read_bytes())
    for check in (
        *(_extracts, check_sources, _headers, check_shared),
        *(_mapping_files, _category_files, _secrets, _channels, _schedules),
    ):
        for kind, at, message in check(settings):
            mistake = _mistake(report.file, document, at, message)
            (report.errors if kind == "error" else report.warnings).append(mistake)
    for found in (report.errors, report.warnings):
        found.sort(key=lambda mistake: mistake.line)
    platforms = ", ".join(settings.platforms()) or "no platform"
    report.summary = (
        f"{report.file} is valid: {counted(len(settings.outlets), 'outlet')}, "
        f"{counted(len(settings.accounts), 'account')}, "
        f"{counted(len(settings.channels), 'channel')} on {platforms}"
        + "".join(
            f", {counted(len(there), what)}"
            for what, there in (("shop", settings.shops), ("route", settings.routes))
            if there
        )
    )
    return report


def _mistake(file: str, document: Document, at: At, message: str) -> Mistake:
    return Mistake(file, document.line_of(at), path_text(at), message)


def _extracts(settings: Settings) -> Found:
    for name, outlet in settings.outlets.items():
        said = outlet.extract
        if said.shared is None and said.path is not None:
            at: At = ("outlets", name, "extract", "path")
            yield from folder_findings(at, settings.root / said.path, said.patterns)


def _headers(settings: Settings) -> Found:
    """Whether the newest file of each outlet has the columns and the name that are asked for.

    What else may be wrong with a file is the file's matter, and the run's: `check-extract`.
    """
    from marketsync_dagster.pos.sources.directory import DirectorySource
    from marketsync_dagster.stages.choosing import in_order
    from marketsync_dagster.stages.reading import reading_of

    for name, outlet in settings.outlets.items():
        said = outlet.extract
        if said.shared is not None or said.path is None or said.preset != "generic":
            continue  # presets know their columns, and shared files are about several outlets
        try:
            folder, reading = settings.root / said.path, reading_of(settings, name)
            files: list[Path] = []
            for pattern in said.patterns:
                found = DirectorySource(folder, [pattern]).look()
                if found:
                    newest, *_ = in_order(reading, found)[-1]
                    files.append(folder / newest.name)
            for words in _read_headers(files, said, settings.currency_of(name)):
                yield "warning", ("outlets", name, "extract", "columns"), words
        except ExtractError as error:
            if error.code in _OF_COLUMNS:
                at = ("columns",) if said.columns else ()
                yield "error", ("outlets", name, "extract", *at), error.message
            elif error.code == "no_time":
                yield "error", ("outlets", name, "extract", "time_pattern"), error.message


def _read_headers(files: list[Path], said: ExtractSettings, currency: str) -> list[str]:
    """What is said of columns that are not read and look as if they should be, in files that are
    read together. ExtractError if one has not the columns that are asked for."""
    found = [_read_header(file, said, currency, alone=len(files) == 1) for file in files]
    if files and all(words is None for words in found):
        _read_header(files[0], said, currency, alone=True)
    return [one for words in found for one in words or ()]


def _read_header(
    file: Path, said: ExtractSettings, currency: str, *, alone: bool
) -> list[str] | None:
    """As `_read_headers`; None: a table of stock, which needs products beside it."""
    from marketsync_dagster.pos.columns import choose, left_out, left_out_words
    from marketsync_dagster.pos.layouts import stock_layout
    from marketsync_dagster.pos.model import ExtractSpec
    from marketsync_dagster.pos.readers.csv import open_csv

    shown = display(file)
    document = open_csv(
        file,
        delimiter=said.delimiter,
        encoding=said.encoding,
        configured=said.columns,
        file=shown,
    )
    if not alone and stock_layout(document.headers, ExtractSpec(columns=said.columns)) is not None:
        return None
    line = document.dialect.header_line
    chosen = choose(document.headers, said.columns, shown, line, currency)
    if not said.columns:
        return []
    missed = left_out(document.headers, chosen, currency)
    return [f"{shown}: {left_out_words(*one)}" for one in missed.items()]


def _mapping_files(settings: Settings) -> Found:
    from marketsync_dagster.catalog.mapping_file import read_mapping_file

    seen: set[str] = set()
    for index, channel in enumerate(settings.channels):
        if channel.mapping.file is None or str(channel.mapping.file) in seen:
            continue
        seen.add(str(channel.mapping.file))
        at: At = ("channels", index, "mapping", "file")
        path = settings.root / channel.mapping.file
        if not path.exists():
            yield "error", at, f"expected a mapping file, got nothing at {display(path)}"
            continue
        try:
            read_mapping_file(path)
        except MarketSyncError as error:
            for line in error.message.splitlines():
                yield "error", at, line


def _category_files(settings: Settings) -> Found:
    from marketsync_dagster.catalog.categories import read_categories

    for name, account in settings.accounts.items():
        if not isinstance(account, MiraklAccount) or account.categories is None:
            continue
        at: At = ("accounts", name, "categories")
        path = settings.root / account.categories
        if not path.exists():
            yield "error", at, f"expected a file of categories, got nothing at {display(path)}"
            continue
        try:
            read_categories(path)
        except MarketSyncError as error:
            for line in error.message.splitlines():
                yield "error", at, line


def _secrets(settings: Settings) -> Found:
    for reference in references(settings):
        name = reference.ref.env
        # what is stored is in the ledger, which is not opened here: `secrets list` looks there
        if name is not None and not os.environ.get(name):
            yield "warning", reference.at, f"environment variable {name} is not set here"


def _channels(settings: Settings) -> Found:
    for index, channel in enumerate(settings.channels):
        if channel.auto_push and not channel.push_enabled:
            message = "true does nothing while push_enabled is false: changes are only planned"
            yield "warning", ("channels", index, "auto_push"), message
    used = {channel.outlet for channel in settings.channels}
    for outlet in settings.outlets:
        if outlet not in used:
            line = channel_line(settings, outlet)
            message = f"no channel shows this outlet (below `channels`: {line})"
            yield "warning", ("outlets", outlet), message
    used = {channel.account for channel in settings.channels} | settings.order_sources().keys()
    for name, account in settings.accounts.items():
        if isinstance(account, QikinkAccount):
            yield from _qikink(settings, name, account)
        elif name not in used:
            yield "warning", ("accounts", name), "no channel uses this account"
    for index, route in enumerate(settings.routes):
        before = next((n for n in range(index) if _takes_all(settings.routes[n], route)), None)
        if before is not None:
            message = f"routes[{before}] takes every line that this one could: it has no effect"
            yield "warning", ("routes", index), message


def _takes_all(first: Route, later: Route) -> bool:
    """Whether nothing is left for a later route: the first one asks for no more than it does."""
    conditions = set(Route.model_fields) - {"to"}
    default = Route(to=first.to)
    return all(
        getattr(first, name) in (getattr(default, name), getattr(later, name))
        for name in conditions
    )


def _qikink(settings: Settings, name: str, account: QikinkAccount) -> Found:
    if not account.products and all(route.to != name for route in settings.routes):
        yield "warning", ("accounts", name), "no route sends orders to this account"
    if account.products and account.profile == "real":
        message = "profile real takes no products: this has no effect"
        yield "warning", ("accounts", name, "products"), message


def _schedules(settings: Settings) -> Found:
    """Schedules that fire oftener than the accounts' quotas let their runs be made."""
    from marketsync_dagster.catalog.frames import FrameStore
    from marketsync_dagster.stages.timetable import overloads

    for found in overloads(settings, FrameStore(settings.home)):
        yield "warning", found.at, found.message
