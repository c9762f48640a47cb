"""The same pull with the ledger on a PostgreSQL that keeps what was committed."""

from __future__ import annotations

import os

import psycopg

from benchmarks.figures import Figure
from benchmarks.postgres import DURABLE, durable_postgres
from benchmarks.pull import DELAY_MS, GOAL, MEASURED, PULLED, figure, pairs
from benchmarks.world import World
from marketsync_dagster.ledger.urls import VARIABLE
from marketsync_dagster.stages.project import Project, open_project


def measure(runs: int) -> list[Figure]:
    """`runs` pairs against the sandbox, as in `pull`."""
    with durable_postgres() as url:

        def new_ledger(made: World, turn: int) -> Project:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE pull{turn}".encode())
            os.environ[VARIABLE] = url.replace("/postgres?", f"/pull{turn}?", 1)
            return open_project(settings=made.settings(f"home{turn}"))

        raw = pairs(runs, new_ledger, "--delay-ms", str(DELAY_MS))
    settings = ", ".join(f"{name} {value}" for name, value in DURABLE.items())
    what = (
        f"{PULLED}, {DELAY_MS} ms server delay, the ledger on PostgreSQL ({settings}): {MEASURED}"
    )
    return [figure("pull_postgres", what, raw, GOAL)]
