"""How Dagster learns what was stored, and how a stored frame is read through Dagster.

Stages write their frames outlet by outlet as they go; an asset returns the names of its good
outlets only, and this IO manager records exactly those as materialized. Files and formats belong
to `catalog.frames`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from marketsync_dagster.resources.boundary import guarded
from marketsync_dagster.resources.project import ProjectResource

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.stages.project import Project

GoodOutlets = list[str]
"""What every asset by outlet returns: the outlets whose result was stored."""


class StoredFrames(Mapping[str, "pd.DataFrame"]):
    """Outlet -> stored frame, read one at a time when asked for, never kept."""

    def __init__(self, project: "Project", key: tuple[str, ...], outlets: list[str]) -> None:
        self._project = project
        self._key = key
        self._outlets = outlets

    def __getitem__(self, outlet: str) -> "pd.DataFrame":
        if outlet not in self._outlets:
            raise KeyError(outlet)
        return self._project.frames.read(self._key, outlet)

    def __iter__(self) -> Iterator[str]:
        return iter(self._outlets)

    def __len__(self) -> int:
        return len(self._outlets)


class FramesIOManager(dg.ConfigurableIOManager):
    """Records as materialized what a stage has stored, and reads it back."""

    project: dg.ResourceDependency[ProjectResource]

    @guarded
    def handle_output(self, context: dg.OutputContext, obj: GoodOutlets) -> None:
        """Narrow what is recorded to the good outlets in `obj`.

        Raises dg.Failure when none is good: an empty subset would be recorded as a
        materialization without a partition.
        """
        if not obj:
            raise dg.Failure(f"no outlet succeeded at {context.asset_key.to_user_string()}")
        record_only(context, obj)

    @guarded
    def load_input(self, context: dg.InputContext) -> StoredFrames:
        """A lazy mapping outlet -> frame; scope -> frame for a platform's catalog.

        Outlets that failed earlier in this run are absent: what is stored of them is older.
        """
        project = self.project.open()
        key = tuple(context.asset_key.path)
        if not context.has_asset_partitions:
            settings = project.settings
            accounts = [c.account for c in settings.channels_of(key[0]).values()]
            scopes = sorted({settings.scope_of(account) for account in accounts})
            return StoredFrames(project, key, scopes)
        from marketsync_dagster.ledger.states import failed_outlets
        from marketsync_dagster.stages.project import stages_before

        stage = "_".join(key)
        failed = failed_outlets(project.ledger, project.run_id, [*stages_before(stage), stage])
        outlets = [outlet for outlet in context.asset_partition_keys if outlet not in failed]
        return StoredFrames(project, key, outlets)


def record_only(context: dg.OutputContext, outlets: GoodOutlets) -> None:
    """Make Dagster record `outlets` as materialized and no other partition of this output.

    Dagster has no public way to do this. `execute_step` reads `_asset_partitions_subset` after
    `handle_output` returns; a test notices if an upgrade of Dagster changes that.
    """
    partitions = context.asset_partitions_def
    if not hasattr(context, "_asset_partitions_subset"):
        raise dg.DagsterInvariantViolationError(
            "this version of Dagster does not let an output name the partitions it stored"
        )
    context._asset_partitions_subset = partitions.subset_with_partition_keys(outlets)
