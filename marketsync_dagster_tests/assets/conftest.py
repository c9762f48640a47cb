"""A project of four outlets whose stages are fakes, and a real Dagster instance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from marketsync_dagster.automation.assembly import build_definitions
from marketsync_dagster.automation.partitions import range_tags
from marketsync_dagster.config.settings import Settings
from marketsync_dagster_tests.assets.fakes import OUTLETS, Stages, settings_of, write_config
from marketsync_dagster_tests.ledgers import copy_tables


@pytest.fixture(autouse=True)
def _tables_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    copy_tables(monkeypatch)


@dataclass
class Shop:
    """The project under test; `run` executes a job over a range of outlets."""

    settings: Settings
    definitions: dg.Definitions
    stages: Stages
    instance: dg.DagsterInstance

    def run(
        self,
        job: str,
        first: str = OUTLETS[0],
        last: str = OUTLETS[-1],
        config: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags=range_tags(first, last) | (tags or {}),
            run_config=quiet | (config or {}),
        )

    def status(self, key: str) -> tuple[set[str], set[str]]:
        """(materialized, failed) outlets of an asset, as the UI reads them."""
        from dagster._core.storage.partition_status_cache import (
            get_and_update_asset_status_cache_value,
        )

        asset_key = dg.AssetKey(key.split("/"))
        partitions = dg.StaticPartitionsDefinition(list(OUTLETS))
        value = get_and_update_asset_status_cache_value(self.instance, asset_key, partitions)
        assert value is not None
        failed = value.deserialize_failed_partition_subsets(partitions).get_partition_keys()
        done = value.deserialize_materialized_partition_subsets(partitions).get_partition_keys()
        return set(done) - set(failed), set(failed)

    def metadata(self, key: str, outlet: str) -> dict[str, Any]:
        """Metadata of an outlet's last materialization."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(key.split("/")), asset_partitions=[outlet]),
            limit=1,
        ).records
        materialization = records[0].asset_materialization
        assert materialization is not None
        return {name: value.value for name, value in materialization.metadata.items()}


@contextmanager
def open_shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A project in `folder` with fake stages, and an instance that keeps its history."""
    stages = Stages()
    stages.install(monkeypatch)
    monkeypatch.setenv("MARKETSYNC_HOME", str(folder / ".marketsync"))
    monkeypatch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    settings = settings_of(write_config(folder))
    with dg.instance_for_test() as instance:
        yield Shop(settings, build_definitions(settings), stages, instance)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch) as opened:
        yield opened
