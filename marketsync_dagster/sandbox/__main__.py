"""`python -m marketsync_dagster.sandbox`: the sandbox as a program of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from marketsync_dagster.sandbox.persistence import StateError
from marketsync_dagster.sandbox.server import DEFAULT_HOST, DEFAULT_PORT, ServeError, serve


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m marketsync_dagster.sandbox",
        description="Serve all platforms on loopback, as their contracts say.",
    )
    parser.add_argument("--host", default=DEFAULT_HOST, help="a loopback address")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes any free port")
    parser.add_argument("--state", type=Path, help="keep what is shown in this file")
    parser.add_argument("--seed", type=Path, help="accounts, products and stores to begin with")
    parser.add_argument("--delay-ms", type=int, default=0, help="wait before each answer")
    parser.add_argument("--no-quota", action="store_true", help="no rate limits")
    parser.add_argument("--ready-file", type=Path, help="written once it listens")
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="end when standard input does"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run; 0 after an orderly end, 1 with one line on stderr if it cannot start."""
    given = _parser().parse_args(arguments)
    try:
        serve(
            given.host,
            given.port,
            state=given.state,
            seed=given.seed,
            delay_ms=max(0, given.delay_ms),
            quota=not given.no_quota,
            ready_file=given.ready_file,
            exit_with_parent=given.exit_with_parent,
        )
    except (ServeError, StateError, OSError) as fault:
        print(f"sandbox: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
