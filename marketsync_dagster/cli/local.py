"""Making commands work with the sandbox that runs for the project, without any setting by hand."""

from __future__ import annotations

import os

from marketsync_dagster.cli.children import running_sandbox
from marketsync_dagster.cli.demo_values import is_local, set_demo_secrets
from marketsync_dagster.cli.output import note
from marketsync_dagster.config.load import dagster_home_of, find_config, home_of, load_settings
from marketsync_dagster.config.settings import Settings

VARIABLE = "MARKETSYNC_SANDBOX_URL"


def prepare() -> Settings:
    """The configuration, with DAGSTER_HOME set, and with the running sandbox where there is one.

    Only accounts that point at this machine get the sandbox's made-up secrets, and only those
    that nobody has set.
    """
    url = None if os.environ.get(VARIABLE) else running_sandbox(home_of(find_config()))
    if url is not None:
        os.environ[VARIABLE] = url
    settings = load_settings()
    prepare_dagster_home(settings)
    local = any(is_local(account.base_url) for account in settings.accounts.values())
    if url is not None and local and set_demo_secrets(settings):
        note(f"using the sandbox at {url} with its made-up secrets")
    return settings


def prepare_dagster_home(settings: Settings) -> None:
    """Make the folder that Dagster keeps its history in, with a link to the project's settings.

    Dagster reads only the dagster.yaml in its own folder.
    """
    home = dagster_home_of(settings)
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    wanted = home.parent / "dagster.yaml"
    link = home / "dagster.yaml"
    if wanted.exists() and not link.exists():
        link.unlink(missing_ok=True)  # a link to nowhere
        link.symlink_to(os.path.relpath(wanted, home))
