"""What `config check` finds of the places that extracts come from; without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from marketsync_dagster.config.load import display
from marketsync_dagster.config.problems import At
from marketsync_dagster.config.settings import Settings, SourceSettings
from marketsync_dagster.config.source_rules import users_of
from marketsync_dagster.values.errors import ConfigError, MarketSyncError

Found = Iterator[tuple[str, At, str]]


def folder_findings(at: At, folder: Path, patterns: Sequence[str]) -> Found:
    """A folder that is not there, and patterns that no file fits."""
    from marketsync_dagster.pos.sources.directory import DirectorySource

    if not folder.exists():
        yield "error", at, f"expected a folder, got nothing at {display(folder)}"
        return
    if not folder.is_dir():
        yield "error", at, f"expected a folder, got a file at {display(folder)}"
        return
    for pattern in patterns:
        try:
            files = DirectorySource(folder, [pattern]).look()
        except MarketSyncError as error:
            yield "error", at, f"expected a folder that can be read, got: {error.message}"
            return
        if not files:
            message = f"expected files like {pattern}, got none yet"
            yield "warning", at, f"{message} in {display(folder)}{_others(folder)}"


def check_sources(settings: Settings) -> Found:
    """Shared sources: whether they are used, and could be used as they stand."""
    for name, source in settings.sources.items():
        at: At = ("sources", name)
        users = users_of(settings, name)
        if not users:
            yield "warning", at, "no outlet uses this source"
        if source.path is not None:
            yield from folder_findings((*at, "path"), settings.root / source.path, source.patterns)
            continue
        try:
            _can_be_used(settings, source, users)
        except ConfigError as error:
            step = f" ({error.next_step})" if error.next_step else ""
            yield "error", (*at, _key_of(source)), f"{error.message}{step}"


def _can_be_used(settings: Settings, source: SourceSettings, users: list[str]) -> None:
    """ConfigError for what is known without asking anybody."""
    from marketsync_dagster.pos.sources.remote import protocol_of
    from marketsync_dagster.stages.sources import source_of

    if source.kind == "directory":
        assert isinstance(source.url, str)
        protocol_of(source.url)
    elif source.kind == "sql":
        from marketsync_dagster.pos.sources.sql import one_select

        one_select(source.query or "", "this source")
    # stored secrets are in the ledger, which is not opened here
    known = all(ref.env is not None and os.environ.get(ref.env) for _, ref in source.references())
    if users and known:
        source_of(settings, users[0])


def _key_of(source: SourceSettings) -> str:
    return {"sql": "query", "api": "adapter"}.get(source.kind, "url")


def _others(folder: Path) -> str:
    """What lies in a folder instead of what was looked for."""
    there = sorted(one.name for one in folder.iterdir() if one.is_file() and one.name[0] != ".")
    if not there:
        return ""
    more = f" and {len(there) - 1} more" if len(there) > 1 else ""
    return f", only {there[0]}{more} (see `pattern`)"
