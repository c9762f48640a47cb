"""The same pull against a server that answers at once: what a pull costs beside the waiting.

Nothing is tied to a core: on two of them the server shares with both sides.
"""

from __future__ import annotations

from benchmarks.figures import Figure
from benchmarks.pull import MEASURED, PULLED, figure, on_sqlite, pairs

GOAL = 5.0


def measure(runs: int) -> list[Figure]:
    """`runs` pairs against the sandbox without its delay."""
    raw = pairs(runs, on_sqlite)
    return [figure("pull_no_delay", f"{PULLED}, no server delay: {MEASURED}", raw, GOAL)]
