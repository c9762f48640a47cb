"""Runs of orders in child processes that end with SIGKILL at a named moment (`order_points`)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any

from marketsync_dagster.platforms.inbox import Inbox
from marketsync_dagster.platforms.mirakl.orders import MiraklOrders
from marketsync_dagster.platforms.qikink.real import RealFulfiller
from marketsync_dagster.platforms.qikink.spec import SpecFulfiller
from marketsync_dagster_tests.faults.kills import Reaper, context, ended
from marketsync_dagster_tests.faults.order_world import STEPS, run_orders
from marketsync_dagster_tests.faults.points import HALF_SENT, IN_FLIGHT
from marketsync_dagster_tests.projects import Place

_IN_FLIGHT_S = 0.15
_SENT = ((MiraklOrders, "perform"), (RealFulfiller, "create"), (SpecFulfiller, "create"))


def start_orders(
    place: Place, point: str = "", occurrence: int = 1, steps: Sequence[str] = STEPS
) -> BaseProcess:
    """Start a run in a child that dies when it passes `point` for the n-th time."""
    child = context().Process(target=_run, args=(place, point, occurrence, steps), daemon=True)
    child.start()
    return child


def kill_orders(
    place: Place, point: str, occurrence: int = 1, steps: Sequence[str] = STEPS
) -> None:
    """A run that is killed at `point`; AssertionError if it ended in any other way."""
    code = ended(start_orders(place, point, occurrence, steps))
    assert code == -signal.SIGKILL, f"the run was not killed at {point} #{occurrence}: exit {code}"


def _run(place: Place, point: str, occurrence: int, steps: Sequence[str]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reaper = Reaper(point, occurrence)
    _watch_files(reaper)
    if point in (IN_FLIGHT, HALF_SENT):
        _die_in_flight(occurrence)
    run_orders(place.open(), steps, reaper)


def _watch_files(reaper: Reaper) -> None:
    """A file of a shop or a till has been moved to `done/`."""
    put_away = Inbox.put_away

    def watched(*args: Any, **kwargs: Any) -> Any:
        done = put_away(*args, **kwargs)
        reaper("file_put_away")
        return done

    setattr(Inbox, "put_away", watched)  # noqa: B010


def _die_in_flight(occurrence: int) -> None:
    """Die a moment after the n-th order or command was sent (nobody answers)."""
    left = [occurrence]
    for owner, name in _SENT:
        original = getattr(owner, name)

        async def sent(self: Any, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0]:
                return await _original(self, *args, **kwargs)
            sending = asyncio.ensure_future(_original(self, *args, **kwargs))
            await asyncio.sleep(_IN_FLIGHT_S)
            assert not sending.done(), "the platform answered"
            os.kill(os.getpid(), signal.SIGKILL)
            return await sending

        setattr(owner, name, sent)
