"""The journal's writer: one thread that commits what the sender hands it, in groups.

Every request waits for its intent to be durable and every answer is durable before the push goes
far ahead of it; what waits at the same moment shares one transaction, so that durability costs
one commit for many batches and never blocks the requests in flight.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from marketsync_dagster.ledger.engine import Ledger

GROUP = 64
"""How many entries one transaction takes at most."""

Work = Callable[["Connection"], Any]
Write = Callable[["Connection", list[Any]], None]
"""Writes many entries of one kind at once."""


@dataclass(frozen=True, slots=True)
class _Entry:
    work: Work | None
    """None: `entry` is one of those that `write` takes together."""
    write: Write | None
    entry: Any
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Journal:
    """`with Journal(ledger) as journal: await journal.write(work)`; `work` gets a Connection."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="marketsync-journal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Hand over `work`; the future ends when its transaction is committed, or failed."""
        return self._put(work, None, None)

    def share(self, write: Write, entry: Any) -> asyncio.Future[Any]:
        """Hand over one `entry` for `write`; the future ends when its transaction does.

        What waits at the same moment for the same `write` is given to it in one list, so that it
        costs the statements of one. The order is kept within each `write`, and towards what was
        submitted as work; not between two of them.
        """
        return self._put(None, write, entry)

    def _put(self, work: Work | None, write: Write | None, entry: Any) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        put = _Entry(work, write, entry, loop.create_future(), loop)
        self._queue.put(put)
        return put.done

    async def write(self, work: Work) -> Any:
        """Hand over `work` and wait until it is durable; raises what the ledger raises."""
        return await self.submit(work)

    def _run(self) -> None:
        open_ = True
        while open_:
            entry = self._queue.get()
            group: list[_Entry] = []
            while entry is not None:
                group.append(entry)
                if len(group) == GROUP:
                    break
                try:
                    entry = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                open_ = False
            if group:
                self._commit(group)

    def _commit(self, group: list[_Entry]) -> None:
        try:
            with self._ledger.begin() as connection:
                results = _write_all(connection, group)
        except Exception as error:  # noqa: BLE001 - handed on to whoever waits for it
            if len(group) == 1:
                group[0].loop.call_soon_threadsafe(_fail, group[0].done, error)
                return
            # nothing of the group is committed: only the guilty one fails, in the same order
            for entry in group:
                self._commit([entry])
        else:
            ends: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
            for entry, result in zip(group, results, strict=True):
                ends.setdefault(entry.loop, []).append((entry.done, result))
            for loop, ended in ends.items():
                loop.call_soon_threadsafe(_finish, ended)


def _write_all(connection: Connection, group: list[_Entry]) -> list[Any]:
    """Everything of a group in its order; entries for one `write` together, at the first's place
    after the last work before it."""
    results: list[Any] = []
    shared: dict[Write, list[Any]] = {}
    for entry in group:
        if entry.write is not None:
            shared.setdefault(entry.write, []).append(entry.entry)
            results.append(None)
        elif entry.work is not None:
            _write_shared(connection, shared)
            results.append(entry.work(connection))
    _write_shared(connection, shared)
    return results


def _write_shared(connection: Connection, shared: dict[Write, list[Any]]) -> None:
    for write, entries in shared.items():
        write(connection, entries)
    shared.clear()


def _finish(ended: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, result in ended:
        if not done.done():
            done.set_result(result)


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        # the first failure ends the push; nobody asks for the others, and asyncio would print them
        done.exception()
