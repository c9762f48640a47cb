"""What Dagster adds: 100 outlets in one scheduled run, against the same stages in a plain loop.

Both sides do the same work on the same files, each with a data folder of its own, in this process
and after all imports: starting a process is not in the figure. They take turns at going first.
"""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError, to_listings, up_to_feed
from benchmarks.world import World, world
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.project import open_project

OUTLETS = 100
SKUS = 2_000
CHANGED = SKUS // 100
GOAL = 1.5
JOB = "partial_sync"
CHECKOUT = Path(__file__).resolve().parents[1]
PARTIAL = PlanOptions(mode="partial", automatic=True)


def bare(made: World) -> None:
    """The stages in a loop: what the job does, without Dagster."""
    project = open_project(settings=made.settings("plain"))
    up_to_feed(project, made.outlets, made.platforms)
    for platform in made.platforms:
        to_listings(project, made.outlets, platform, PARTIAL)
    project.ledger.close()


def ours(instance: Any, job: Any, request: Any) -> None:
    """The run that the schedule asks for: real instance, events, metadata and checks in SQLite."""
    result = job.execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
    )
    if not result.success:
        failed = [event.step_key for event in result.all_events if event.is_step_failure]
        raise StageFailedError(f"the run failed at {failed}")


def measure(runs: int) -> list[Figure]:
    """`runs` pairs, after one of each in which everything is pushed for the first time."""
    raw: dict[str, list[float]] = {"bare_s": [], "ours_s": []}
    with (
        world("--no-quota", outlets=OUTLETS, skus=SKUS) as made,
        prepared_run(made.folder) as prepared,
    ):
        for turn in range(runs + 1):
            made.change(CHANGED)
            made.write_extracts()
            sides = [
                ("bare_s", lambda: bare(made)),
                ("ours_s", lambda: one_run(made.folder, prepared)),
            ]
            for name, side in sides if turn % 2 else reversed(sides):
                gc.collect()
                started = time.perf_counter()
                side()
                if turn:
                    raw[name].append(time.perf_counter() - started)
    ratios = [ours_s / bare_s for bare_s, ours_s in zip(*raw.values(), strict=True)]
    per_outlet = {name: statistics.median(values) / OUTLETS for name, values in raw.items()}
    return [
        Figure(
            "run",
            f"{OUTLETS} outlets x {SKUS:,} SKUs on both platforms, 1 % changed, as one scheduled "
            f"run of {JOB} (without process start) / the same stages in a plain loop",
            ratios,
            GOAL,
            raw=dict(raw),
            notes=[
                "per outlet: {ours_s:.0f} ms as a run, {bare_s:.0f} ms in the loop".format(
                    **{name: seconds * 1e3 for name, seconds in per_outlet.items()}
                )
            ],
            ours=ours,
            bare=bare,
        )
    ]


def one_run(folder: Path, prepared: tuple[Any, Any, Any]) -> None:
    """One run over the world in `folder`, its log in a file there."""
    os.environ["MARKETSYNC_HOME"] = str(folder / "scheduled")
    with _quiet(folder / "run.log"):
        ours(*prepared)


@contextlib.contextmanager
def prepared_run(folder: Path) -> Iterator[tuple[Any, Any, Any]]:
    """An instance on SQLite, the job, and the run request of the schedule's tick, for the
    configuration in `folder`."""
    import dagster as dg

    from marketsync_dagster.config.load import load_settings
    from marketsync_dagster.definitions import build_definitions

    home = folder / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_bytes((CHECKOUT / "dagster.yaml").read_bytes())
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["MARKETSYNC_HOME"] = str(folder / "scheduled")
    definitions = build_definitions(load_settings(folder / "marketsync.yaml"))
    job = definitions.resolve_job_def(JOB)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        schedule = definitions.resolve_schedule_def(f"{JOB}_schedule")
        context = dg.build_schedule_context(instance=instance)
        requests = schedule.evaluate_tick(context).run_requests
        if not requests or len(requests) != 1:
            raise StageFailedError(f"the schedule asked for {requests}")
        yield instance, job, requests[0]


@contextlib.contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """The run's own log goes to a file, as it does where the daemon starts the run."""
    kept = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
