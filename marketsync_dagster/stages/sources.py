"""The sources that the configuration names, ready to be looked at.

`config` does not know how anything is read and `pos` does not know the configuration: here they
meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from marketsync_dagster.config.accounts import SecretRef
from marketsync_dagster.config.secrets import Secrets
from marketsync_dagster.pos.sources.api import ApiSource, adapter_of
from marketsync_dagster.pos.sources.directory import DirectorySource
from marketsync_dagster.values.errors import ConfigError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings, SourceSettings
    from marketsync_dagster.pos.sources.base import Source


def source_of(settings: Settings, outlet: str, secrets: Secrets | None = None) -> Source:
    """Where an outlet's extracts come from.

    ConfigError, which names the source, where a secret is missing, a driver is not installed, or
    a query is none. Outlets with the same `source_key` have the same source: it is looked at once.
    """
    said = settings.outlets[outlet].extract
    shared = settings.source_of(outlet)
    if shared is None or (shared.kind == "directory" and shared.path is not None):
        assert said.path is not None
        root = settings.root / said.path
        return DirectorySource(root, said.patterns, shown=str(said.path), quiet_s=said.settle_s)
    try:
        return _elsewhere(settings, outlet, shared, secrets or Secrets())
    except ConfigError as error:
        message = f"sources.{said.source}: {error.message}"
        raise ConfigError(message, error.next_step) from None


def _elsewhere(settings: Settings, outlet: str, source: SourceSettings, secrets: Secrets) -> Source:
    said = settings.outlets[outlet].extract
    shown = shown_source(settings, outlet)
    if source.kind == "api":
        assert source.adapter is not None
        options = _plain(source.options, secrets)
        return ApiSource(
            adapter_of(source.adapter, options), shown=shown, timeout_s=source.timeout_s
        )
    url = secrets.resolve(source.url) if isinstance(source.url, SecretRef) else source.url
    assert url is not None
    if source.kind == "sql":
        from marketsync_dagster.pos.sources.sql import SqlSource

        assert source.query is not None
        return SqlSource(
            _from_root(settings, url), source.query, shown=shown, timeout_s=source.timeout_s
        )
    from marketsync_dagster.pos.sources.remote import RemoteSource

    options = _plain(source.options, secrets)
    return RemoteSource(url, said.patterns, options, shown=shown, quiet_s=said.settle_s)


def source_key(settings: Settings, outlet: str) -> str:
    """The same text for outlets whose extracts come from one place, looked at in one way."""
    said = settings.outlets[outlet].extract
    if said.shared is None:
        return f"outlets.{outlet}"
    return "|".join([f"sources.{said.source}", *said.patterns, f"{said.settle_s:g}"])


def shown_source(settings: Settings, outlet: str) -> str:
    """What messages and records call the place that an outlet's extracts come from."""
    said = settings.outlets[outlet].extract
    return str(said.path) if said.path is not None else said.source


def _plain(value: Any, secrets: Secrets) -> Any:
    """Options with the secrets that they refer to."""
    if isinstance(value, SecretRef):
        return secrets.resolve(value)
    if isinstance(value, Mapping):
        return {key: _plain(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, secrets) for one in value]
    return value


def _from_root(settings: Settings, url: str) -> str:
    """A relative file of SQLite starts from the folder of marketsync.yaml."""
    import sqlalchemy as sa
    from sqlalchemy import exc

    try:
        address = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        return url  # the source says what is wrong with it
    if address.get_backend_name() != "sqlite" or not address.database:
        return url
    return address.set(database=str(settings.root / address.database)).render_as_string(False)
