"""`python -m benchmarks [NAME...] [--json] [--runs 5]`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time

from benchmarks.figures import Figure, shown, versions

NAMES = (
    "calls", "imports", "push", "push_postgres", "push_no_delay", "rows", "partial", "run",
    "memory", "explain", "history", "latency", "extract", "corpus", "pull",
    "pull_postgres", "pull_no_delay", "orders",
)  # fmt: skip


def main() -> int:
    """Measure and print; 0 if every goal is met, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures the figures of the README. Exit code 1 if a goal is missed.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true", help="raw figures, JSON alone")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many (default 5)")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no {unknown[0]}: {', '.join(NAMES)}")
    if asked.runs < 1:
        parser.error("--runs must be at least 1")
    found: list[Figure] = []
    seconds: dict[str, float] = {}
    if not asked.json:
        print(", ".join(f"{name} {version}" for name, version in versions().items()), flush=True)
    for name in asked.names or NAMES:
        started = time.monotonic()
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures = importlib.import_module(f"benchmarks.{name}").measure(asked.runs)
        seconds[name] = round(time.monotonic() - started, 1)
        found += figures
        if not asked.json:
            print(*("\n" + shown(figure) for figure in figures), sep="\n", flush=True)
    if asked.json:
        document = {
            "versions": versions(),
            "seconds": seconds,
            "figures": [figure.document() for figure in found],
        }
        print(json.dumps(document, indent=2))
    return 0 if all(figure.met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
