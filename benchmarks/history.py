"""A ledger with five million old events: does a push get slower?

The same push as in `push_no_delay`, where nothing hides what the ledger costs, into two ledgers
that differ in nothing but their history: one has 50 older events of each of its 100,000 SKUs.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Table, text

from benchmarks.figures import Figure
from benchmarks.noop import noop_server
from benchmarks.push import BATCH, CONNECTIONS, PLATFORM, ROWS, make_plan, ours, time_ours
from benchmarks.push_no_delay import ACCEPTED, RESPONSE
from benchmarks.world import World, world
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.tables import listing_event, push
from marketsync_dagster.stages.project import Project, open_project

EVENTS = 5_000_000
PUSHES = 4_000
GOAL = 1.1


def measure(runs: int) -> list[Figure]:
    """`runs` pairs, after one of each to warm up, into SQLite."""
    raw: dict[str, list[float]] = {"young_s": [], "aged_s": []}
    with listed_once() as (made, young):
        aged = open_project(settings=_copy(made, young, "aged"))
        age(aged.ledger)
        sides = {"young_s": young, "aged_s": aged}
        for turn in range(runs + 1):
            made.change(ROWS)
            for name in sorted(sides, reverse=bool(turn % 2)):
                _, planned = make_plan(sides[name], made, change=False)
                seconds, _ = time_ours(sides[name], planned, made)
                if turn:
                    raw[name].append(seconds)
        size = (aged.settings.home / "ledger.db").stat().st_size / 2**30
        for project in sides.values():
            project.ledger.close()
    return [
        Figure(
            "history",
            f"{ROWS:,} changed prices, batches of {BATCH}, a server that answers at once, SQLite: "
            f"wall time with {EVENTS:,} old events in the ledger / with none",
            [old / new for old, new in zip(raw["aged_s"], raw["young_s"], strict=True)],
            GOAL,
            raw=dict(raw),
            notes=[
                "{aged_s:.2f} s with, {young_s:.2f} s without; the ledger has {size:.1f} GB".format(
                    **{name: statistics.median(found) for name, found in raw.items()}, size=size
                )
            ],
            ours=ours,
        )
    ]


@contextlib.contextmanager
def listed_once() -> Iterator[tuple[World, Project]]:
    """A channel of 100,000 SKUs that has been pushed once, to a server that does nothing."""
    with noop_server(ACCEPTED) as url:
        account = {"base_url": url, "response": RESPONSE}
        with world(
            skus=ROWS, platforms=[PLATFORM], concurrency=CONNECTIONS, pasons=account
        ) as made:
            project = open_project(settings=made.settings("young"))
            _, planned = make_plan(project, made)
            time_ours(project, planned, made)
            yield made, project


def age(ledger: Ledger) -> None:
    """Put `EVENTS` older events under those that are there, of `PUSHES` older pushes that each
    said something of the next few SKUs: a quarter of a year of half-hourly runs."""
    events, pushes = _names(listing_event), _names(push)
    each = EVENTS // PUSHES
    numbers = (
        "WITH RECURSIVE old(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM old WHERE n + 1 < {}) "
    )
    named = "printf('push-20260101-%06d-0', {})"
    moment = "printf('2026-%02d-%02dT00:00:00.000Z', {0} % 9 + 1, {0} % 28 + 1)"
    with ledger.begin() as connection:
        last = connection.execute(text("SELECT max(id) FROM listing_event")).scalar_one()
        connection.execute(text(f"UPDATE listing_event SET id = id + {EVENTS}"))
        connection.execute(
            text(
                numbers.format(EVENTS) + f"INSERT INTO listing_event (id, at, push_id, {events}) "
                f"SELECT n + 1, {moment.format(f'n / {each}')}, {named.format(f'n / {each}')}, "
                f"{events} FROM old JOIN listing_event ON id = n % {ROWS} + 1 + {EVENTS}"
            )
        )
        connection.execute(
            text(
                numbers.format(PUSHES) + f"INSERT INTO push (id, started_at, {pushes}) "
                f"SELECT {named.format('n')}, {moment.format('n')}, {pushes} "
                "FROM old CROSS JOIN (SELECT * FROM push LIMIT 1)"
            )
        )
        count = connection.execute(text("SELECT count(*) FROM listing_event")).scalar_one()
    if (last, count) != (ROWS, EVENTS + ROWS):
        raise RuntimeError(f"the ledger has {count} events, {last} of them real")


def _names(table: Table) -> str:
    """The columns that an older row has from the one that it is made after."""
    own = {"id", "at", "push_id", "started_at"}
    names = (column.name for column in table.columns)
    return ", ".join(f'"{name}"' for name in names if name not in own)


def _copy(made: World, project: Project, home: str) -> Settings:
    """The settings of another data folder with the same ledger and frames."""
    project.ledger.close()
    shutil.copytree(project.settings.home, Path(made.folder, home))
    return made.settings(home)
