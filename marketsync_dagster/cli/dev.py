"""`marketsync dev`: the Dagster UI with its daemon, and the sandbox where the accounts need it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from marketsync_dagster.cli.output import DONE, ERROR, note
from marketsync_dagster.values.errors import ConfigError, MarketSyncError

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings

_PORTS_TRIED = 50
_FIRST_USER_PORT = 1024
_SANDBOX_PORT = 8701


def register(app: typer.Typer) -> None:
    app.command("dev", help="Open the Dagster UI, with the sandbox where it is needed.")(dev)


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="A busy one is stepped over.")] = 3000,
    host: Annotated[str, typer.Option(help="The address that the UI listens on.")] = "127.0.0.1",
) -> int:
    from marketsync_dagster.cli import children

    with children.ending_with_us(), contextlib.ExitStack() as stack:
        try:
            settings = _with_sandbox(stack)
            free = free_port(host, port)
            os.environ["MARKETSYNC_CONFIG"] = str(settings.file)
            os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
            # advice for projects that use the package dagster-dg-cli, which this one does not need
            os.environ["PYTHONWARNINGS"] = "ignore:Function `dev_command` is superseded"
            command = [
                *(sys.executable, "-m", "dagster", "dev", "-w", str(workspace(settings))),
                *("-h", host, "-p", str(free)),
            ]
            process = children.start(command, cwd=settings.root)
            stack.callback(children.stop, process)
            _say_when_ready(process, f"http://{host}:{free}")
            code = process.wait()
        except KeyboardInterrupt:
            note("stopping")
            return DONE
    return DONE if code == 0 else ERROR


def _with_sandbox(stack: contextlib.ExitStack) -> Settings:
    """The configuration; a sandbox is started if accounts on this machine have none to talk to."""
    from marketsync_dagster.cli import children
    from marketsync_dagster.cli.demo_values import is_local, sandbox_seed, set_demo_secrets
    from marketsync_dagster.cli.local import VARIABLE, prepare
    from marketsync_dagster.config.load import load_settings

    settings = prepare()
    urls = {account.base_url for account in settings.accounts.values()}
    local = sorted(url for url in urls if is_local(url))
    if not local:
        return settings
    # one that was named, or the project's own; whatever else listens there is another project's
    named = os.environ.get(VARIABLE, "").rstrip("/")
    if named and is_local(named) and children.answers(named):
        set_demo_secrets(settings)
        note(f"sandbox: {named}, which runs already (what it shows: {named}/__sandbox__/state)")
        return settings
    port = urlsplit(local[0]).port or 0
    seed = sandbox_seed(settings)
    port = port if port >= _FIRST_USER_PORT else _SANDBOX_PORT
    url = stack.enter_context(children.sandbox(settings.home, seed, port=port))
    os.environ[VARIABLE] = url
    set_demo_secrets(settings)
    note(f"sandbox: {url}, started for this project (what it shows: {url}/__sandbox__/state)")
    settings = load_settings(settings.file)
    if not any(account.base_url.startswith(url) for account in settings.accounts.values()):
        raise ConfigError(
            f"no account points at the sandbox, which listens at {url}",
            f"write base_url: ${{{VARIABLE}:-http://127.0.0.1:8701}}/... for accounts of the "
            "sandbox, or set their host and port to where it listens",
        )
    return settings


def workspace(settings: Settings) -> Path:
    """The workspace.yaml of the project: beside its dagster.yaml, else beside the configuration."""
    from marketsync_dagster.config.load import project_of

    for folder in (project_of(settings.file), settings.root):
        if (folder / "workspace.yaml").exists():
            return folder / "workspace.yaml"
    raise ConfigError(
        f"there is no workspace.yaml in {settings.root}", "marketsync init writes one"
    )


def free_port(host: str, first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if isinstance(error, socket.gaierror):
                    raise MarketSyncError(
                        f"{host!r} is not an address", "--host 127.0.0.1"
                    ) from None
                continue
            return port
    raise MarketSyncError(f"no free port from {first} on", "give another one with --port")


def _say_when_ready(process: object, url: str) -> None:
    """A line once the UI answers, because Dagster's own lines hide it."""
    poll = process.poll  # pyright: ignore[reportAttributeAccessIssue]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        if poll() is not None:
            return
        with contextlib.suppress(OSError):  # not yet
            opener.open(f"{url}/server_info", timeout=2).close()
            note(f"Dagster UI: {url}  (Ctrl-C ends)")
            return
        time.sleep(0.2)
