"""`marketsync sandbox`: the platforms of the configuration on this machine, in the foreground."""

from __future__ import annotations

import json
import signal
from typing import Annotated

import typer

from marketsync_dagster.cli.output import DONE, ERROR, note


def register(app: typer.Typer) -> None:
    app.command("sandbox", help="Serve a sandbox of all platforms on this machine.")(sandbox)


def sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="A busy one is stepped over; 0: any.")
    ] = 8701,
    delay_ms: Annotated[int, typer.Option(min=0, max=60_000, help="Wait before answers.")] = 0,
    no_quota: Annotated[bool, typer.Option("--no-quota", help="No rate limits.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what the sandbox showed before.")
    ] = False,
) -> int:
    from marketsync_dagster.cli import children
    from marketsync_dagster.cli.demo_values import demo_secrets, demo_stored, sandbox_seed
    from marketsync_dagster.cli.session import settings as load
    from marketsync_dagster.values.errors import MarketSyncError

    settings = load()
    home = settings.home
    if (url := children.running_sandbox(home)) is not None:
        raise MarketSyncError(f"a sandbox runs for this project already, at {url}", "use that one")
    home.mkdir(parents=True, exist_ok=True)
    if fresh:
        (home / "sandbox.json").unlink(missing_ok=True)
    seed = json.dumps(sandbox_seed(settings))
    (home / "sandbox-seed.json").write_text(seed, encoding="utf-8")
    options = ["--delay-ms", str(delay_ms), *(["--no-quota"] if no_quota else [])]
    note("its made-up secrets, for other terminals (marketsync run finds them by itself):")
    note(*(f"  export {name}={value}" for name, value in demo_secrets(settings).items()))
    note(
        *(
            f"  printf %s {value} | marketsync secrets set {name}"
            for name, value in demo_stored(settings).items()
        )
    )
    process = children.start(children.sandbox_command(home, port, *options))
    try:
        with children.ending_with_us():
            code = process.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        children.stop(process)
        children.ready_file(home).unlink(missing_ok=True)
    return DONE if code in (0, -signal.SIGINT, -signal.SIGTERM) else ERROR
