"""Making commands work with the sandbox that runs for the project, without any setting by hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import resources
from typing import Any

from marketsync_dagster.cli.children import running_sandbox
from marketsync_dagster.cli.demo_values import demo_secrets, is_local, set_demo_secrets
from marketsync_dagster.cli.output import note
from marketsync_dagster.cli.session import config_file
from marketsync_dagster.config.load import dagster_home_of, home_of, load_settings, project_of
from marketsync_dagster.config.settings import Settings

VARIABLE = "MARKETSYNC_SANDBOX_URL"
START_IT = "start the sandbox: marketsync sandbox (or marketsync dev)"


def prepare() -> Settings:
    """The configuration, with DAGSTER_HOME set, and with the running sandbox where there is one.

    Only accounts that point at this machine get the sandbox's made-up secrets, and only those
    that nobody has set.
    """
    file = config_file()
    url = None if os.environ.get(VARIABLE) else running_sandbox(home_of(file))
    if url is not None:
        os.environ[VARIABLE] = url
    settings = load_settings(file)
    prepare_dagster_home(settings)
    local = any(is_local(account.base_url) for account in settings.accounts.values())
    if url is not None and local and set_demo_secrets(settings):
        note(f"using the sandbox at {url} with its made-up secrets")
    return settings


def prepare_dagster_home(settings: Settings) -> None:
    """Make the folder that Dagster keeps its history in, with a link to the project's settings.

    Dagster reads only the dagster.yaml in its own folder. A project without one gets a copy of
    what `marketsync init` writes: no telemetry, no banner about it.
    """
    home = dagster_home_of(settings)
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    wanted = project_of(settings.file) / "dagster.yaml"
    link = home / "dagster.yaml"
    if link.exists():
        return
    link.unlink(missing_ok=True)  # a link to nowhere
    if wanted.exists():
        link.symlink_to(os.path.relpath(wanted, home))
    else:
        template = resources.files("marketsync_dagster.cli") / "templates" / "dagster.yaml"
        link.write_text(template.read_text("utf-8"), encoding="utf-8")


def with_sandbox_step(
    settings: Settings, results: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """`results`, where the key that is missing is the sandbox's, with the step that gives it."""
    missing = [name for name in demo_secrets(settings) if not os.environ.get(name)]
    asked = tuple(f"export {name}=" for name in missing)

    def mended(result: dict[str, Any]) -> dict[str, Any]:
        step = str(result.get("next_step") or "")
        return result | {"next_step": START_IT} if any(one in step for one in asked) else result

    return [mended(result) for result in results]
