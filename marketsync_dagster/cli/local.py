"""Making commands work with the sandbox that runs for the project, without any setting by hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from marketsync_dagster.automation.dagster_home import prepare_dagster_home
from marketsync_dagster.cli.children import running_sandbox
from marketsync_dagster.cli.demo_values import demo_secrets, is_local, set_demo_secrets
from marketsync_dagster.cli.output import note
from marketsync_dagster.cli.session import config_file
from marketsync_dagster.config.load import home_of, load_settings
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
