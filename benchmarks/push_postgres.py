"""The same push with the ledger on PostgreSQL: durable, on this machine, over a local socket."""

from __future__ import annotations

import os

from benchmarks.figures import Figure
from benchmarks.postgres import DURABLE, durable_postgres
from benchmarks.push import (
    CONNECTIONS,
    DELAY_MS,
    MEASURED,
    PLATFORM,
    ROWS,
    SENT,
    figure,
    pairs,
)
from benchmarks.world import world
from marketsync_dagster.ledger.urls import VARIABLE

GOAL = 1.3


def measure(runs: int) -> list[Figure]:
    """`runs` pairs against the sandbox, as in `push`."""
    options = ("--delay-ms", str(DELAY_MS), "--no-quota")
    with (
        durable_postgres() as url,
        world(*options, skus=ROWS, platforms=[PLATFORM], concurrency=CONNECTIONS) as made,
    ):
        os.environ[VARIABLE] = url  # the world puts the environment back
        raw = pairs(made, runs)
    settings = ", ".join(f"{name} {value}" for name, value in DURABLE.items())
    what = f"{SENT}, {DELAY_MS} ms server delay, the ledger on PostgreSQL ({settings}): {MEASURED}"
    return [figure("push_postgres", what, raw, GOAL)]
