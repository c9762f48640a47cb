"""Runs in child processes that end themselves, or are ended, with SIGKILL at a named moment.

The children are forked from a server that has loaded everything and opened nothing, so one costs
a fraction of a second and shares no connection, thread or lock with the test.
"""

from __future__ import annotations

import asyncio
import multiprocessing as mp
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.ledger import cursors
from marketsync_dagster.platforms.pasons.adapter import PasonsAdapter
from marketsync_dagster.platforms.tracker_ke.adapter import TrackerAdapter
from marketsync_dagster.push import recovery
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.push.sender import POINTS
from marketsync_dagster.stages import extract
from marketsync_dagster_tests.projects import PARTIAL, Place, run_sync

STAGE_POINTS = (
    "extract_archived",
    "extract_frame_written",
    "extract_recorded",
    "catalog_frame_written",
    "feed_made",
    "plan_saved",
)
"""Durable points before a push."""
AFTER_POINTS = ("pushed", "settled", "recorded")
"""Durable points after it."""
IN_FLIGHT = "in_flight"
"""The request is sent and applied, no answer is read."""
HALF_SENT = "in_flight_unapplied"
"""The request is sent, the platform has not applied it when the process dies."""
REPEATED = (
    "intent_written",
    "intent_committed",
    "before_send",
    "answered",
    "ack_written",
    "ack_committed",
)
"""Points that a push passes once per batch: it is killed at a later one too."""
NOT_ON_THE_WAY = ("unreached_written",)
"""Passed only by a push that stops early: has a test of its own."""

_IN_FLIGHT_S = 0.15
_PATIENCE_S = 30.0


def all_points() -> list[tuple[str, int]]:
    """Every (point, occurrence) at which a plain push is killed, in the order of a run."""
    push = [point for point in POINTS if point not in NOT_ON_THE_WAY]
    points = [(point, 1) for point in (*STAGE_POINTS, *push, *AFTER_POINTS)]
    points += [(point, 3) for point in REPEATED]
    return [*points, (IN_FLIGHT, 1), (IN_FLIGHT, 3), (HALF_SENT, 2)]


def context() -> ForkServerContext:
    """Where children come from."""
    forkserver = mp.get_context("forkserver")
    forkserver.set_forkserver_preload(["marketsync_dagster_tests.faults.kills"])
    return forkserver


def start(
    place: Place,
    platform: str,
    outlets: list[str],
    point: str = "",
    occurrence: int = 1,
    options: PlanOptions = PARTIAL,
) -> BaseProcess:
    """Start a run in a child that dies when it passes `point` for the n-th time."""
    child = context().Process(
        target=_run, args=(place, platform, outlets, point, occurrence, options), daemon=True
    )
    child.start()
    return child


def run_killed(
    place: Place,
    platform: str,
    outlets: list[str],
    point: str,
    occurrence: int = 1,
    options: PlanOptions = PARTIAL,
) -> None:
    """A run that is killed at `point`; AssertionError if it ended in any other way."""
    child = start(place, platform, outlets, point, occurrence, options)
    code = ended(child)
    assert code == -signal.SIGKILL, f"the run was not killed at {point} #{occurrence}: exit {code}"


def ended(child: BaseProcess) -> int | None:
    """Wait for a child; its exit code, minus the signal's number if one ended it."""
    child.join(_PATIENCE_S)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise AssertionError(f"a child went on for more than {_PATIENCE_S:.0f} s")
    return child.exitcode


class Reaper:
    """Ends its process when a point is passed for the n-th time."""

    def __init__(self, point: str, occurrence: int) -> None:
        self.point = point
        self.left = occurrence

    def __call__(self, point: str) -> None:
        if not point or point != self.point:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _run(
    place: Place,
    platform: str,
    outlets: list[str],
    point: str,
    occurrence: int,
    options: PlanOptions,
) -> None:
    reaper = Reaper(point, occurrence)
    _watch_stages(reaper)
    if point in (IN_FLIGHT, HALF_SENT):
        _die_in_flight(occurrence)
    project = place.open()
    run_sync(project, platform, outlets, options, observe=reaper, after=reaper)


def _tell_after(owner: Any, name: str, told: Callable[..., None]) -> None:
    """Call `told` with the arguments of `owner.name` whenever that has returned."""
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        told(*args)
        return result

    setattr(owner, name, wrapped)


def _watch_stages(reaper: Reaper) -> None:
    """Tell the reaper of durable steps that have no hook, because only tests want to know."""
    written: dict[tuple[str, ...], str] = {
        ("pos", "extract"): "extract_frame_written",
        ("pos", "catalog"): "catalog_frame_written",
    }

    def frame(_: FrameStore, key: tuple[str, ...], *_more: Any) -> None:
        reaper(written.get(key, ""))

    _tell_after(extract, "archive", lambda *_: reaper("extract_archived"))
    _tell_after(extract.records, "record_extract", lambda *_: reaper("extract_recorded"))
    _tell_after(FrameStore, "write", frame)
    _tell_after(cursors, "set_cursor", lambda *_: reaper("settled"))
    _tell_after(recovery, "recover", lambda *_: reaper("recovered"))


def _die_in_flight(occurrence: int) -> None:
    """Die a moment after the n-th request has been sent (the sandbox is told not to answer)."""
    left = [occurrence]
    for adapter in (TrackerAdapter, PasonsAdapter):
        original = adapter.send

        async def send(self: Any, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0]:
                return await _original(self, *args, **kwargs)
            sending = asyncio.ensure_future(_original(self, *args, **kwargs))
            await asyncio.sleep(_IN_FLIGHT_S)
            assert not sending.done(), "the platform answered"
            os.kill(os.getpid(), signal.SIGKILL)
            return await sending

        adapter.send = send  # pyright: ignore[reportAttributeAccessIssue]
