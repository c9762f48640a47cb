"""Raw orders on their way into the book: kept first, in a transaction of their own, then read, then
applied. Whoever has raw orders (a pull, a look-up) goes this way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_raw import RawRow, keep_raw, sha256_of, waiting_raw
from marketsync_dagster.ledger.orders import documents_of, ids_of
from marketsync_dagster.orders.applying import Applied, Read, apply, says_nothing_new
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.resolve import Resolve
from marketsync_dagster.platforms.ordering import PulledOrder, RawOrder, UnreadableOrder

AT_ONCE = 500
"""Documents that were left over are taken in so many at a time."""


class Reads(Protocol):
    """What makes an order of a document: an order source."""

    def read_order(self, document: bytes) -> PulledOrder: ...


@dataclass(frozen=True, slots=True)
class Intake:
    """Where the documents of one source go."""

    ledger: Ledger
    reader: Reads
    source: str
    platform: str
    resolve: Resolve
    by: str
    prefix: str | None = None
    """Before the numbers of orders that have none; None: they are called by their ids."""
    observe: Observer = unobserved
    gone: Collection[str] = ()
    """As `applying.apply` has it."""
    taken_since: str = ""
    """The same."""

    def read(self, document: bytes) -> PulledOrder | UnreadableOrder:
        """What a document says, or why nothing can be made of it."""
        try:
            return self.reader.read_order(document)
        except UnreadableOrder as error:
            return error

    def keep(
        self,
        raws: Sequence[RawOrder],
        at: str,
        also: Callable[[Connection], None] = lambda _: None,
    ) -> list[RawRow]:
        """Keep documents, and what `also` writes, before anything is made of them."""
        rows = [
            RawRow(one.external_id, sha256_of(one.document), at, one.updated_at, one.document)
            for one in raws
        ]
        with self.ledger.begin() as conn:
            kept = keep_raw(conn, self.platform, self.source, rows)
            also(conn)
            self.observe("raw_written")
        self.observe("raw_committed")
        return kept

    def split(self, rows: Sequence[RawRow]) -> tuple[list[RawRow], tuple[str, ...]]:
        """Documents that may say something new, and the orders of those that came before: these
        need not even be read."""
        names = ids_of(self.platform, self.source, {row.external_id for row in rows if row.seen})
        if not names:
            return list(rows), ()
        with self.ledger.read() as conn:
            book = documents_of(conn, list(names.values()))
        new, known = [], []
        for row in rows:
            there = book.get(names.get(row.external_id, ""))
            if row.seen and there is not None and says_nothing_new(row, *there):
                known.append(names[row.external_id])
            else:
                new.append(row)
        return new, tuple(dict.fromkeys(known))

    def apply(
        self,
        read: Sequence[Read],
        at: str,
        also: Callable[[Connection], None] = lambda _: None,
    ) -> Applied:
        """Bring documents that are kept into the book, and write what `also` writes with them."""
        with self.ledger.begin() as conn:
            applied = apply(
                conn,
                self.source,
                self.platform,
                read,
                self.resolve,
                at=at,
                by=self.by,
                prefix=self.prefix,
                gone=self.gone,
                taken_since=self.taken_since,
            )
            also(conn)
            self.observe("book_written")
        return applied

    def take_in(self, raws: Sequence[RawOrder], at: str) -> Applied:
        """Keep, read and apply."""
        if not raws:
            return Applied()
        rows = self.keep(raws, at)
        return self.apply([(row, self.read(row.document)) for row in rows], at)

    def left_over(self, at: str) -> list[Applied]:
        """Take in what was kept and never applied, because the process died in between, and what
        could not be read and can be now."""
        found: list[Applied] = []
        after = 0
        while rows := waiting_raw(self.ledger, self.platform, self.source, AT_ONCE, after):
            after = rows[-1].id
            read: list[Read] = []
            for row in rows:
                one = self.read(row.document)
                if row.state == "received" or isinstance(one, PulledOrder):
                    read.append((row, one))
            if read:
                found.append(self.apply(read, at))
        return found


def take_in(
    ledger: Ledger,
    reader: Reads,
    source: str,
    platform: str,
    raws: Sequence[RawOrder],
    resolve: Resolve,
    *,
    at: str,
    by: str,
    prefix: str | None = None,
) -> Applied:
    """Keep raw orders of a source and bring them into the book: for those who looked some up."""
    return Intake(ledger, reader, source, platform, resolve, by, prefix).take_in(raws, at)
