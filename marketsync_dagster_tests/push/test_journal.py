"""The journal: durable when it says so, in order, and only the guilty fail."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import Connection, text

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.push.journal import GROUP, Journal


def note(connection: Connection, word: str) -> str:
    connection.execute(
        text("INSERT INTO cursor (name, value, at) VALUES (:name, '', '')"), {"name": word}
    )
    return word


def notes(ledger: Ledger) -> list[str]:
    place = "rowid" if ledger.dialect == "sqlite" else "ctid"  # in the order of writing
    with ledger.read() as connection:
        rows = connection.execute(text(f"SELECT name FROM cursor ORDER BY {place}"))
        return [str(row[0]) for row in rows]


def test_what_was_written_is_durable_when_the_wait_ends(ledger: Ledger) -> None:
    async def main() -> None:
        with Journal(ledger) as journal:
            assert await journal.write(lambda c: note(c, "a")) == "a"
            assert notes(ledger) == ["a"]

    asyncio.run(main())


def test_the_order_is_kept_over_more_than_one_group(ledger: Ledger) -> None:
    words = [f"{n:04}" for n in range(3 * GROUP)]

    async def main() -> None:
        with Journal(ledger) as journal:
            waiting = [journal.submit(lambda c, word=word: note(c, word)) for word in words]
            await asyncio.gather(*waiting)

    asyncio.run(main())
    assert notes(ledger) == words


def test_only_the_work_that_fails_fails_and_the_rest_of_its_group_is_written(
    ledger: Ledger,
) -> None:
    def bad(connection: Connection) -> None:
        note(connection, "half done")
        raise ValueError("no")

    hold = threading.Event()

    async def main() -> list[Any]:
        with Journal(ledger) as journal:
            first = journal.submit(lambda _: hold.wait(5))  # so that the rest is one group
            waiting = [journal.submit(work) for work in (lambda c: note(c, "a"), bad)]
            waiting.append(journal.submit(lambda c: note(c, "b")))
            await asyncio.sleep(0.02)
            hold.set()
            return await asyncio.gather(first, *waiting, return_exceptions=True)

    _, first, second, third = asyncio.run(main())
    assert (first, third) == ("a", "b")
    assert isinstance(second, ValueError)
    assert notes(ledger) == ["a", "b"]


def test_what_waits_is_still_written_when_the_journal_is_closed(ledger: Ledger) -> None:
    async def main() -> None:
        with Journal(ledger) as journal:
            for word in ("a", "b", "c"):
                journal.submit(lambda c, word=word: note(c, word))

    asyncio.run(main())
    assert notes(ledger) == ["a", "b", "c"]


def test_shared_entries_are_written_together_and_in_order(ledger: Ledger) -> None:
    seen: list[list[str]] = []
    hold = threading.Event()

    def write(connection: Connection, entries: list[str]) -> None:
        seen.append(entries)
        for entry in entries:
            note(connection, entry)

    async def main() -> None:
        with Journal(ledger) as journal:
            waiting = [journal.submit(lambda _: hold.wait(5))]
            await asyncio.sleep(0.02)
            waiting += [journal.share(write, word) for word in ("a", "b", "c")]
            hold.set()
            await asyncio.gather(*waiting)

    asyncio.run(main())
    assert seen == [["a", "b", "c"]]
    assert notes(ledger) == ["a", "b", "c"]


def test_a_shared_entry_that_fails_fails_alone(ledger: Ledger) -> None:
    hold = threading.Event()

    def write(connection: Connection, entries: list[str]) -> None:
        for entry in entries:
            if entry == "bad":
                raise ValueError("no")
            note(connection, entry)

    async def main() -> list[Any]:
        with Journal(ledger) as journal:
            first = journal.submit(lambda _: hold.wait(5))
            waiting = [journal.share(write, word) for word in ("a", "bad", "b")]
            await asyncio.sleep(0.02)
            hold.set()
            return await asyncio.gather(first, *waiting, return_exceptions=True)

    results = asyncio.run(main())
    assert [type(result) for result in results[1:]] == [type(None), ValueError, type(None)]
    assert notes(ledger) == ["a", "b"]


def test_a_ledger_that_is_away_is_told_to_who_waits(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(ledger, "begin", away)

    async def main() -> None:
        with Journal(ledger) as journal:
            await journal.write(lambda c: note(c, "a"))

    with pytest.raises(OSError, match="the disk is gone"):
        asyncio.run(main())
