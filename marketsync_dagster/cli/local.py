"""Making commands work with the sandbox that runs for the project, without any setting by hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from marketsync_dagster.automation.dagster_home import prepare_dagster_home
from marketsync_dagster.cli.children import answers, running_sandbox
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
    url, said = running_sandbox(home_of(file)), os.environ.get(VARIABLE, "").rstrip("/")
    if said and said != url:  # another sandbox is meant, whose secrets nobody knows here
        url = None
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
        if not any(one in step for one in asked):
            return result
        return result | {"next_step": _of_another(step) or START_IT}

    return [mended(result) for result in results]


def _of_another(step: str) -> str:
    """The step where the sandbox that is meant runs, and is not this project's own; else empty."""
    said = os.environ.get(VARIABLE, "").rstrip("/")
    if not said or not answers(said):
        return ""
    return f"{step} (the terminal of the sandbox at {said} shows its made-up secrets)"
