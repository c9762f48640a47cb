"""What Dagster says of its schedules, sensors, daemons and storage, for `marketsync doctor`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marketsync_dagster.values.redact import scrub

if TYPE_CHECKING:
    import dagster as dg

    from marketsync_dagster.config.settings import Settings

DAEMONS = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR")
"""Those without which nothing starts."""


@dataclass(frozen=True, slots=True)
class Health:
    """What was found; `problem` is why nothing could be."""

    schedules: dict[str, bool] = field(default_factory=dict)
    """Name -> whether it is on."""
    sensors: dict[str, bool] = field(default_factory=dict)
    daemons: dict[str, float | None] = field(default_factory=dict)
    """Name -> seconds since its last sign of life; None: there was none."""
    storage: str = ""
    """SQLite or PostgreSQL; empty: not known."""
    problem: str = ""


def health(settings: Settings) -> Health:
    """Look at the instance in DAGSTER_HOME, for the schedules and sensors of this configuration."""
    import dagster as dg

    try:
        with dg.DagsterInstance.get() as instance:
            return health_of(instance, settings)
    except Exception as error:  # noqa: BLE001 - whatever Dagster's storage raises is the finding
        return Health(problem=scrub(f"{type(error).__name__}: {error}").partition("\n")[0])


def health_of(instance: dg.DagsterInstance, settings: Settings) -> Health:
    """The same, of an instance that is open."""
    from dagster._core.scheduler.instigation import InstigatorStatus

    from marketsync_dagster.automation.assembly import build_definitions

    definitions = build_definitions(settings)
    on = {
        state.instigator_name
        for state in instance.all_instigator_state()
        if state.status == InstigatorStatus.RUNNING
    }
    beats = instance.get_daemon_heartbeats()
    now = time.time()
    return Health(
        schedules={name: name in on for name in _names(definitions.schedules)},
        sensors={name: name in on for name in _names(definitions.sensors)},
        daemons={name: now - beats[name].timestamp if name in beats else None for name in DAEMONS},
        storage=_kind(type(instance.run_storage).__name__),
    )


def _names(definitions: Iterable[Any] | None) -> list[str]:
    return [str(one.name) for one in definitions or ()]


def _kind(storage: str) -> str:
    for word, kind in (("postgres", "PostgreSQL"), ("sqlite", "SQLite")):
        if word in storage.lower():
            return kind
    return ""
