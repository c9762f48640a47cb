"""Opening the project for one command: configuration, ledger and frames, closed at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from marketsync_dagster.cli.names import user
from marketsync_dagster.cli.output import note
from marketsync_dagster.config.load import display, find_config, is_example, load_settings
from marketsync_dagster.config.settings import Settings

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project


def config_file() -> Path:
    """The configuration's file; says once that it is the example, if nobody named it."""
    file = find_config()
    if not os.environ.get("MARKETSYNC_CONFIG") and file.parent != Path.cwd() and is_example(file):
        note(f"no {file.name} here: using the example {display(file)}")
        # for the rest of this command, and its children, it is named
        os.environ["MARKETSYNC_CONFIG"] = str(file)
    return file


def settings() -> Settings:
    """The configuration, checked; ConfigError names every mistake in it."""
    return load_settings(config_file())


@contextlib.contextmanager
def opened(by: str | None = None, given: Settings | None = None) -> Iterator[Project]:
    """The project, as the person who calls; `given` if the configuration was read already.

    A command checks its words on the configuration first: bad words make no ledger.
    """
    from marketsync_dagster.stages.project import open_project

    project = open_project(settings=given or settings(), user=by or user())
    try:
        yield project
    finally:
        project.ledger.close()
