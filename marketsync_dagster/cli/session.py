"""Opening the project for one command: configuration, ledger and frames, closed at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from marketsync_dagster.cli.names import user
from marketsync_dagster.config.load import load_settings
from marketsync_dagster.config.settings import Settings

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project


def settings() -> Settings:
    """The configuration, checked; ConfigError names every mistake in it."""
    return load_settings()


@contextlib.contextmanager
def opened(by: str | None = None, given: Settings | None = None) -> Iterator[Project]:
    """The project, as the person who calls; `given` if the configuration was read already.

    A command checks its words on the configuration first: bad words make no ledger.
    """
    from marketsync_dagster.stages.project import open_project

    project = open_project(settings=given, user=by or user())
    try:
        yield project
    finally:
        project.ledger.close()
