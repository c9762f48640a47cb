"""What `config check` finds beyond the configuration itself: its files, folders and secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from marketsync_dagster.cli.output import counted
from marketsync_dagster.cli.session import config_file
from marketsync_dagster.config.load import display, load_settings
from marketsync_dagster.config.outlets import ExtractSettings
from marketsync_dagster.config.problems import At, ConfigMistakes, Mistake, path_text
from marketsync_dagster.config.secrets import references
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.config.yaml_file import Document, read_yaml
from marketsync_dagster.values.errors import ExtractError, MarketSyncError
from marketsync_dagster.values.times import utcnow


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
    for check in (_extracts, _headers, _mapping_files, _secrets, _channels):
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
    )
    return report


def _mistake(file: str, document: Document, at: At, message: str) -> Mistake:
    return Mistake(file, document.line_of(at), path_text(at), message)


def _extracts(settings: Settings) -> Found:
    from marketsync_dagster.pos.files import find_extracts

    for name, outlet in settings.outlets.items():
        at: At = ("outlets", name, "extract", "path")
        folder = settings.root / outlet.extract.path
        if not folder.exists():
            yield "error", at, f"expected a folder, got nothing at {display(folder)}"
        elif not folder.is_dir():
            yield "error", at, f"expected a folder, got a file at {display(folder)}"
        else:
            try:
                files = find_extracts(folder, outlet.extract.pattern)
            except MarketSyncError as error:
                yield "error", at, f"expected a folder that can be read, got: {error.message}"
                continue
            if not files:
                message = f"expected files like {outlet.extract.pattern}, got none yet"
                yield "warning", at, f"{message} in {display(folder)}{_others(folder)}"


def _headers(settings: Settings) -> Found:
    """Whether the newest file of each outlet has the columns and the name that are asked for.

    What else may be wrong with a file is the file's matter, and the run's: `check-extract`.
    """
    from marketsync_dagster.pos.files import find_extracts, in_order

    for name, outlet in settings.outlets.items():
        said = outlet.extract
        try:
            found = find_extracts(settings.root / said.path, said.pattern)
            if not found:
                continue
            zone = ZoneInfo(settings.timezone_of(name))
            newest, *_ = in_order(found, now=utcnow(), pattern=said.time_pattern, zone=zone)[-1]
            _read_header(newest.path, said)
        except ExtractError as error:
            if error.code in _OF_COLUMNS:
                at = ("columns",) if said.columns else ()
                yield "error", ("outlets", name, "extract", *at), error.message
            elif error.code == "no_time":
                yield "error", ("outlets", name, "extract", "time_pattern"), error.message


def _read_header(file: Path, said: ExtractSettings) -> None:
    """ExtractError if the file has not the columns that are asked for."""
    from marketsync_dagster.pos.columns import choose
    from marketsync_dagster.pos.dialect import find_dialect
    from marketsync_dagster.pos.opening import open_text

    shown = display(file)
    opened = open_text(file, said.encoding, shown)
    dialect = find_dialect(opened.data, said.delimiter, said.columns, shown)
    choose(dialect.headers, said.columns, shown, dialect.header_line)


def _others(folder: Path) -> str:
    """What lies in a folder instead of what was looked for."""
    there = sorted(one.name for one in folder.iterdir() if one.is_file() and one.name[0] != ".")
    if not there:
        return ""
    more = f" and {len(there) - 1} more" if len(there) > 1 else ""
    return f", only {there[0]}{more} (see `pattern`)"


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
            yield "warning", ("outlets", outlet), "no channel shows this outlet"
    used = {channel.account for channel in settings.channels}
    for account in settings.accounts:
        if account not in used:
            yield "warning", ("accounts", account), "no channel uses this account"
    if settings.routes:
        yield "warning", ("routes",), "orders are not routed yet: this has no effect"
