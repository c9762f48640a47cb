"""What a push holds while it goes on, and what ends it early: leases, pauses, SIGTERM and SIGINT.

The signals end the batches in flight, journal them and free the leases; then whoever handled them
before has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger.leases import Lease
from marketsync_dagster.ledger.pauses import Pause, active_pauses, pause_of
from marketsync_dagster.push.pacing import Stop
from marketsync_dagster.push.recovery import LEASE_S
from marketsync_dagster.stages.channel_run import lease_name
from marketsync_dagster.stages.project import Project
from marketsync_dagster.values.errors import Busy, LedgerError

log = logging.getLogger(__name__)

LEASE_POLL_S = 0.5
PAUSE_POLL_S = 1.0
"""How often a push that goes on looks whether its channel was paused."""


@dataclass(slots=True, eq=False)
class Held:
    """A lease, and what stops the work under it when it is lost."""

    lease: Lease
    until: float
    """Monotonic time up to which the lease is certainly ours."""
    outlet: str | None = None
    """Of the channel whose lease it is; None: it is no channel's."""
    stop: Stop = field(default_factory=Stop)
    pause: Pause | None = None
    """What has stopped it."""

    def holds(self) -> bool:
        """Whether it is still ours, as far as this process can tell by itself."""
        return time.monotonic() < self.until


@dataclass(slots=True, eq=False)
class Holding:
    """All that one run holds on one platform."""

    project: Project
    platform: str
    running: list[Held] = field(default_factory=list)
    interrupted: str = ""
    """By which signal, in words."""

    async def watch_pauses(self) -> None:
        """A channel that is paused while it is pushed stops before its next batch. Never ends."""
        while True:
            await asyncio.sleep(PAUSE_POLL_S)
            if not self.running:
                continue
            try:
                pauses = await asyncio.to_thread(active_pauses, self.project.ledger)
            except LedgerError as error:  # the push itself finds out what is wrong
                log.warning("the pauses were not read: %s", error.message)
                continue
            for held in self.running:
                if held.outlet is None:
                    continue
                found = pause_of(pauses, held.outlet, self.platform)
                if found and not held.stop.event.is_set():
                    held.pause = found
                    held.stop.set(found.words)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Stop politely on SIGTERM and SIGINT, then let whoever handled them before have them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        caught: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            caught.append(number)
            self.interrupted = f"interrupted by {number.name}"
            for held in self.running:
                held.stop.set(self.interrupted)

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            loop.add_signal_handler(number, stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
                signal.signal(number, before[number])
            if caught:
                signal.raise_signal(caught[0])

    def channel(self, outlet: str) -> contextlib.AbstractAsyncContextManager[Held]:
        """Hold the channel's lease, as `lease` does."""
        patience = self.project.settings.lease_wait_s
        return self.lease(lease_name(outlet, self.platform), patience, outlet=outlet)

    async def entered(
        self,
        stack: contextlib.AsyncExitStack,
        name: str,
        patience_s: float,
        enough: Callable[[], Awaitable[bool]] | None = None,
    ) -> Held | None:
        """A lease that is no channel's, held until `stack` is closed; None: somebody else has it,
        or `enough`."""
        try:
            return await stack.enter_async_context(self.lease(name, patience_s, enough=enough))
        except Busy:
            return None

    @contextlib.asynccontextmanager
    async def lease(
        self,
        name: str,
        patience_s: float,
        *,
        outlet: str | None = None,
        enough: Callable[[], Awaitable[bool]] | None = None,
    ) -> AsyncIterator[Held]:
        """Hold a lease, renewed while it is needed; Busy after waiting in vain.

        `enough` is asked while it is waited for: whether there is nothing to wait for any more.
        """
        ledger = self.project.ledger
        holder = f"run {self.project.run_id} of {self.project.user}"
        while True:
            asked = time.monotonic()
            try:
                lease = await asyncio.to_thread(leases.take_lease, ledger, name, holder, LEASE_S)
                break
            except Busy:
                if patience_s <= 0 or self.interrupted or (enough and await enough()):
                    raise
                await asyncio.sleep(min(LEASE_POLL_S, patience_s))
                patience_s -= LEASE_POLL_S
        held = Held(lease, asked + LEASE_S, outlet)
        self.running.append(held)
        if self.interrupted:
            held.stop.set(self.interrupted)
        renewing = asyncio.create_task(self._renew(held))
        try:
            yield held
        finally:
            renewing.cancel()
            self.running.remove(held)
            await asyncio.to_thread(leases.release, ledger, lease)

    async def _renew(self, held: Held) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            asked = time.monotonic()
            try:
                await asyncio.to_thread(leases.renew, self.project.ledger, held.lease, LEASE_S)
            except Busy as error:  # somebody took it over: nothing more may be sent
                held.stop.set(error.message)
                return
            except LedgerError as error:  # tried again until the lease has run out
                log.warning("the lease of %s was not renewed: %s", held.lease.name, error.message)
            else:
                held.until = asked + LEASE_S
