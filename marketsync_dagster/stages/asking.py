"""Asking for the imports of an account: one look before anything is sent, and the wait afterwards.

One run asks at a time, under a lease of its own; others that wait for the same ends look into the
ledger. How imports are asked for, and what an end means, belongs to `push.imports`.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketsync_dagster.ledger import pushes
from marketsync_dagster.ledger.imports import OpenImport, open_imports
from marketsync_dagster.push.imports import Followed, follow
from marketsync_dagster.push.pacing import Pacer, Stop
from marketsync_dagster.stages.holding import LEASE_POLL_S
from marketsync_dagster.stages.push_work import PushWork
from marketsync_dagster.values.times import from_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.platforms.base import Adapter

ENOUGH = "nothing of this run is waited for any more"


def asking_lease(account: str) -> str:
    """The lease of who asks for the imports of an account."""
    return f"imports {account}"


def pacer_of(work: PushWork, account: str, adapter: Adapter, stop: Stop) -> Pacer:
    """The quota of an account, and that of each family of its calls; waits are told."""

    def waiting(family: str, seconds: float) -> None:
        words = (
            f"{account}: waiting {seconds:.0f} s for the next call for {family.replace('_', ' ')}"
        )
        work.progress(words, 0, 0)

    said = work.project.settings.accounts[account]
    intervals = adapter.capabilities.intervals
    ledger, patience_s = work.project.ledger, said.retry.budget_s
    return Pacer(ledger, account, said.quota, stop, intervals, waiting, patience_s)


@dataclass(slots=True, eq=False)
class Asking:
    """What one run asks of one account's imports."""

    work: PushWork
    account: str
    adapter: Adapter
    outlets: frozenset[str]
    """The run's outlets: their imports are waited for."""
    calls: int = 0
    """Made so far."""
    lost: dict[str, list[str]] = field(default_factory=dict)
    """Outlet -> which of its imports were lost here, in words."""
    closed: str = ""
    """Why something could not be asked for: the platform asked to be left alone."""
    followed: Followed = field(default_factory=Followed)
    """What was learnt by the last calls."""

    async def look(self) -> set[str]:
        """One look at all that is open; returns the outlets whose listings say something else now.
        Nothing, if another run is asking."""
        async with contextlib.AsyncExitStack() as stack:
            name = asking_lease(self.account)
            held = await self.work.holding.entered(stack, name, 0.0)
            return set() if held is None else (await self._follow(held.stop, 0.0)).outlets

    async def wait_for_ends(self) -> None:
        """Ask for the imports with rows of this run's outlets until they have ended or it is enough
        (`import_wait_s`); or wait while another run asks."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.adapter.capabilities.import_wait_s
        while not self.work.holding.interrupted and await self._awaited():
            left = end - loop.time()
            if left <= 0:
                return
            async with contextlib.AsyncExitStack() as stack:
                name = asking_lease(self.account)
                held = await self.work.holding.entered(stack, name, 0.0)
                if held is not None:
                    watching = asyncio.create_task(self._enough(held.stop))
                    try:
                        await self._follow(held.stop, left)
                    finally:
                        watching.cancel()
                    return
            await asyncio.sleep(min(LEASE_POLL_S, left))

    async def open(self) -> list[tuple[OpenImport, set[str]]]:
        """The account's open imports, and the outlets of each."""
        ledger = self.work.project.ledger
        found = await asyncio.to_thread(open_imports, ledger, self.account)
        ids = {part.push_id for one in found for part in one.parts}
        outlets = await asyncio.to_thread(pushes.outlets_of, ledger, ids) if ids else {}
        return [
            (one, {outlets[p.push_id] for p in one.parts if p.push_id in outlets}) for one in found
        ]

    def untold(self, one: OpenImport) -> str:
        """Why a person has to see to it that this import can be asked for; empty: the next run will
        do. A platform may be down for a while; a key that is dead stays so."""
        why = self.followed.untold.get(one.key, "")
        age_s = (utcnow() - from_iso(one.started_at)).total_seconds()
        if why and age_s > self.adapter.capabilities.import_deadline_s:
            why = f"nobody can be told how import {one.import_id} has ended: {why}"
        else:
            why = ""
        return self.followed.dead_key or why

    async def _follow(self, stop: Stop, wait_s: float) -> Followed:
        work = self.work
        followed = await follow(
            work.project.ledger,
            self.account,
            self.adapter,
            pacer_of(work, self.account, self.adapter, stop),
            work.journal,
            stop,
            work.project.settings.accounts[self.account].retry,
            wait_s=wait_s,
            observe=work.observe,
        )
        self.calls += followed.calls
        for outlet, words in followed.lost.items():
            self.lost.setdefault(outlet, []).extend(words)
        self.closed = followed.closed
        if followed.calls:
            self.followed = followed
        return followed

    async def _awaited(self) -> bool:
        """Whether imports with rows of this run's outlets may still end in good time: what is older
        has been looked at, and is left to its deadline."""
        wait_s = self.adapter.capabilities.import_wait_s
        now = utcnow()
        return any(
            outlets & self.outlets and (now - from_iso(one.started_at)).total_seconds() < wait_s
            for one, outlets in await self.open()
        )

    async def _enough(self, stop: Stop) -> None:
        """Ask no longer than this run has something to wait for."""
        while True:
            if not await self._awaited():
                stop.set(ENOUGH)
                return
            await asyncio.sleep(LEASE_POLL_S)
