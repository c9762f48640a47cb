"""Runs in child processes that end themselves, or are ended, with SIGKILL at a named moment.

The children are forked from a server that has loaded everything and opened nothing, so one costs
a fraction of a second and shares no connection, thread or lock with the test. Which moments there
are is `points`.
"""

from __future__ import annotations

import asyncio
import multiprocessing as mp
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from marketsync_dagster.catalog.frames import FrameStore
from marketsync_dagster.ledger import cursors, extract_files, leases, mappings, plans
from marketsync_dagster.ledger import extracts as extract_records
from marketsync_dagster.ledger import products as offered
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.platforms.mirakl.adapter import MiraklAdapter
from marketsync_dagster.platforms.pasons.adapter import PasonsAdapter
from marketsync_dagster.platforms.tracker_ke.adapter import TrackerAdapter
from marketsync_dagster.push import decisions, importing, pacing, recovery, sender
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages import arrivals, holding, planning, products, push_work
from marketsync_dagster_tests.faults.errands import approve_held, offer_products
from marketsync_dagster_tests.faults.points import HALF_SENT, IN_FLIGHT
from marketsync_dagster_tests.projects import PARTIAL, Place, run_sync

Job = Literal["sync", "approve", "products"]
"""What a child does: every stage of a run, a person's approval of what is held, or products."""

PRELOADED = ("kills", "loaded")
_IN_FLIGHT_S = 0.15
_PATIENCE_S = 30.0
_QUICK_LEASE_S = 0.15
"""A lease of which a push of a test outlives a third: it is renewed."""

_FRAMES: dict[tuple[str, ...], str] = {
    ("pos", "rejects"): "rejects_frame_written",
    ("pos", "extract"): "extract_frame_written",
    ("pos", "catalog"): "catalog_frame_written",
}
_PLATFORM_FRAMES = {"sku_mapping": "mapping_frame_written", "price_feed": "feed_frame_written"}


def context() -> ForkServerContext:
    """Where children come from."""
    forkserver = mp.get_context("forkserver")
    forkserver.set_forkserver_preload([f"marketsync_dagster_tests.faults.{n}" for n in PRELOADED])
    return forkserver


def start(
    place: Place,
    platform: str,
    outlets: list[str],
    point: str = "",
    occurrence: int = 1,
    options: PlanOptions = PARTIAL,
    job: Job = "sync",
) -> BaseProcess:
    """Start a run in a child that dies when it passes `point` for the n-th time."""
    child = context().Process(
        target=_run, args=(place, platform, outlets, point, occurrence, options, job), daemon=True
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
    job: Job = "sync",
) -> None:
    """A run that is killed at `point`; AssertionError if it ended in any other way."""
    child = start(place, platform, outlets, point, occurrence, options, job)
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
    job: Job,
) -> None:
    # Dagster gives SIGTERM what SIGINT has, and that may be ignored where nobody sits before it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reaper = Reaper(point, occurrence)
    _watch_stages(reaper)
    _watch_pushes(reaper)
    _watch_transactions(reaper)
    if point in (IN_FLIGHT, HALF_SENT):
        _die_in_flight(occurrence)
    if point == "lease_renewed":
        holding.LEASE_S = _QUICK_LEASE_S
    project = place.open()
    if job == "approve":
        approve_held(project, platform, outlets)
    elif job == "products":
        offer_products(project, platform, outlets)
    else:
        run_sync(project, platform, outlets, options, observe=reaper, after=reaper)


# --- steps that have no hook, because only tests want to know of them


def _tell_after(owner: Any, name: str, told: Callable[..., None]) -> None:
    """Call `told` with the arguments of `owner.name` whenever that has returned."""
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        told(*args)
        return result

    setattr(owner, name, wrapped)


def _watch_stages(reaper: Reaper) -> None:
    """From the file to the plan."""

    def frame(_: FrameStore, key: tuple[str, ...], *_more: Any) -> None:
        reaper(_FRAMES.get(key) or _PLATFORM_FRAMES.get(key[-1], ""))

    replace = Path.replace

    def half_written(path: Path, target: Any) -> Path:
        if path.suffix == ".tmp" and "frames" in path.parts:
            reaper("frame_half_written")
        return replace(path, target)

    setattr(Path, "replace", half_written)  # noqa: B010 - not what the type says, on purpose
    _tell_after(arrivals, "keep_original", lambda *_: reaper("extract_archived"))
    _tell_after(extract_files, "record_files", lambda *_: reaper("documents_recorded"))
    _tell_after(extract_files, "note_file", lambda *_: reaper("document_noted"))
    _tell_after(extract_records, "record_extract", lambda *_: reaper("extract_recorded"))
    _tell_after(FrameStore, "write", frame)
    _tell_after(cursors, "set_cursor", lambda *_: reaper("settled"))


def _watch_pushes(reaper: Reaper) -> None:
    """What a push does when it does not go straight on, and products."""

    original = sender.answer_batch

    def answer_batch(*args: Any, state: str, **kwargs: Any) -> None:
        original(*args, state=state, **kwargs)
        reaper(f"{state}_written")

    sender.answer_batch = answer_batch
    _tell_after(sender, "record_calls", lambda *_: reaper("call_written"))
    _tell_after(importing, "record_calls", lambda *_: reaper("call_written"))
    _tell_after(pacing.slots, "close_account", lambda *_: reaper("account_closed"))
    _tell_after(leases, "renew", lambda *_: reaper("lease_renewed"))
    _tell_after(
        leases,
        "take_lease",
        lambda *args: reaper("products_lease_taken" if args[1].startswith("products") else ""),
    )
    _tell_after(products, "record_calls", lambda *_: reaper("products_answered"))
    _tell_after(mappings, "record_mappings", lambda *_: reaper("ids_recorded"))
    _tell_after(offered, "record_offered", lambda *_: reaper("products_recorded"))


_doing: ContextVar[str] = ContextVar("doing", default="")


def _watch_transactions(reaper: Reaper) -> None:
    """The last moment before a commit, and the first after it."""
    begin = Ledger.begin

    @contextmanager
    def watched(ledger: Ledger) -> Iterator[Any]:
        with begin(ledger) as connection:
            yield connection
            reaper(_doing.get())

    setattr(Ledger, "begin", watched)  # noqa: B010
    for owner, name, before, after in (
        (recovery, "recover", "recovering", "recovered"),
        (plans, "save_plan", "plan_saving", ""),
        (decisions, "approve", "approving", "approved"),
    ):
        _watch(owner, name, before, lambda after=after: reaper(after))
    # these were imported by name
    planning.recover_if_free.__globals__["recover"] = recovery.recover
    push_work.recover = recovery.recover


def _watch(owner: Any, name: str, before: str, after: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        token = _doing.set(before)
        try:
            result = original(*args, **kwargs)
        finally:
            _doing.reset(token)
        after()
        return result

    setattr(owner, name, wrapped)


def _die_in_flight(occurrence: int) -> None:
    """Die a moment after the n-th request has been sent (the sandbox is told not to answer)."""
    left = [occurrence]
    for adapter, name in (
        (TrackerAdapter, "send"),
        (PasonsAdapter, "send"),
        (MiraklAdapter, "submit"),
    ):
        original = getattr(adapter, name)

        async def send(self: Any, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0]:
                return await _original(self, *args, **kwargs)
            sending = asyncio.ensure_future(_original(self, *args, **kwargs))
            await asyncio.sleep(_IN_FLIGHT_S)
            assert not sending.done(), "the platform answered"
            os.kill(os.getpid(), signal.SIGKILL)
            return await sending

        setattr(adapter, name, send)
