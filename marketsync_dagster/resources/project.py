"""The project of a run: settings, ledger and frames, opened once, when first asked for.

What a project is belongs to `stages.project`; this is only its life within a Dagster run.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project


class ProjectResource(dg.ConfigurableResource[None]):
    """Opens the project for a run, and closes its ledger when the run ends.

    Secrets are read when an adapter is opened, never here.
    """

    config: str = Field(
        default="", description="The path of marketsync.yaml; empty: found as the commands do."
    )
    _run_id: str = PrivateAttr(default="")
    _project: "Project | None" = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._run_id = context.run.run_id if context.run else ""

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        if self._project is not None:
            self._project.ledger.close()
            self._project = None

    def open(self, user: str | None = None) -> "Project":
        """The project of this run; the same object every time within a run."""
        if self._project is None:
            from marketsync_dagster.stages.project import open_project

            self._project = open_project(
                Path(self.config) if self.config else None, run_id=self._run_id or None, user=user
            )
        return self._project
