"""The command `marketsync`: its groups of commands, its errors and its exit codes.

What a command does is in the module of its group; heavy imports stay inside the commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from marketsync_dagster import __version__
from marketsync_dagster.cli import (
    alerts,
    changes,
    demo,
    dev,
    doctor,
    extract,
    ledger,
    mapping,
    orders,
    outlets,
    pause,
    plans,
    run,
    sandbox,
    secrets,
    setup,
    shown,
)
from marketsync_dagster.cli.output import DONE, ERROR, INTERRUPTED, USAGE, clean
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.redact import scrub, traceback_of

_HELP = (
    "Makes every marketplace show what the tills say, outlet by outlet, and proves it.\n\n"
    "Exit codes: 0 done, 1 error, 2 there are changes (plan), 3 something is held, "
    "4 finished with bad outlets or refused rows, 64 wrong usage."
)
app = typer.Typer(
    name="marketsync",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # every command inherits it
)


def _version(asked: bool) -> None:
    if asked:
        print(f"marketsync {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="The configuration (else MARKETSYNC_CONFIG, else ./marketsync.yaml, else, inside "
            "a checkout of MarketSync only, its examples/marketsync.yaml).",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_version, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if config is not None:
        # child processes and Dagster's code location find the file by this name
        os.environ["MARKETSYNC_CONFIG"] = str(config.absolute())
    context.obj = {"debug": debug}


for _module in (
    setup,
    demo,
    dev,
    sandbox,
    run,
    changes,
    plans,
    pause,
    orders,
    shown,
    mapping,
    outlets,
    extract,
    ledger,
    secrets,
    alerts,
    doctor,
):
    _module.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises for what a user can cause."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    environment = dict(os.environ)
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # `marketsync ... | head`: the reader has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    finally:
        _restore(environment)
    if arguments is None:
        _leave_what_never_ends(code)
    return code


def _leave_what_never_ends(code: int) -> None:
    """End the process although an alert's target still sends its answer: it ran out of time, and
    its thread would keep the process as long as it likes."""
    apprise = sys.modules.get("apprise.apprise")
    if apprise is not None and apprise.any_abandoned_calls_still_running():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(words: list[str]) -> int:
    debug = "--debug" in words
    try:
        result = app(words, prog_name="marketsync", standalone_mode=False)
    except Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, Abort):
        return _complain("interrupted", "", INTERRUPTED)
    except TyperException as error:
        if not words or type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            return USAGE
        return _complain(error.format_message(), f"marketsync {_command(words)}--help", USAGE)
    except MarketSyncError as error:
        if debug:
            print(traceback_of(error), file=sys.stderr)
        return _complain(error.message, error.next_step, error.exit_code)
    except BrokenPipeError:
        raise
    except OSError as error:
        # a full disk, a folder that cannot be written: the user's machine, not a bug
        if debug:
            print(traceback_of(error), file=sys.stderr)
        where = f": {error.filename}" if error.filename else ""
        return _complain(f"{(error.strerror or str(error)).lower()}{where}", "", ERROR)
    except Exception as error:  # noqa: BLE001 - a bug: shown whole, but for secrets
        if type(error).__name__ == "OperationalError" and not debug:
            # a full disk, a database that is gone; the ledger says so with a MarketSyncError
            return _complain(
                f"Dagster's storage failed: {scrub(str(getattr(error, 'orig', error)))}",
                "see that it can be reached and its disk has room: marketsync doctor",
                ERROR,
            )
        print(traceback_of(error), file=sys.stderr)
        return _complain(f"a defect of MarketSync: {type(error).__name__}", "", ERROR)
    return result if isinstance(result, int) else DONE


def _complain(message: str, next_step: str, code: int) -> int:
    """The one message of a failure, on stderr."""
    lines = [clean(line) for line in message.strip().splitlines()] or ["failed"]
    print("error: " + "\n       ".join(lines), file=sys.stderr)
    if next_step:
        print(f"next: {clean(' '.join(next_step.split()))}", file=sys.stderr)
    return code


def _command(words: list[str]) -> str:
    """The command's own words among the arguments: `plans show `."""
    found: list[str] = []
    group: object = typer.main.get_command(app)
    for word in words:
        commands = getattr(group, "commands", None)
        if not commands or word not in commands:
            continue
        found.append(word)
        group = commands[word]
    return "".join(f"{word} " for word in found)


def _restore(environment: dict[str, str]) -> None:
    """Undo what `--config` and the demo's fake secrets did to this process."""
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


if __name__ == "__main__":
    sys.exit(main())
