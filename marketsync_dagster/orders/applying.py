"""Documents of a source into the order book: a few statements for each page, whatever is on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from marketsync_dagster.ledger.cursors import set_cursor
from marketsync_dagster.ledger.order_commands import commands_of
from marketsync_dagster.ledger.order_events import OrderEvent, record_events
from marketsync_dagster.ledger.order_holds import Hold, HoldKind, hold, holds_of, release
from marketsync_dagster.ledger.order_persons import PersonRow, save_persons
from marketsync_dagster.ledger.order_raw import RawRow, RawState, empty_forgotten, mark_raw
from marketsync_dagster.ledger.order_tables import forward, forward_line, orders
from marketsync_dagster.ledger.order_tasks import Task, answer, answer_of_order, ask
from marketsync_dagster.ledger.orders import (
    BookOrder,
    order_id_of,
    orders_to_change,
    save_orders,
)
from marketsync_dagster.ledger.sql import is_one_of, lock_key
from marketsync_dagster.ledger.tables import cursor
from marketsync_dagster.orders.merge import NOTHING_LEFT, Known, Merged, merge
from marketsync_dagster.orders.notes import DONE
from marketsync_dagster.orders.persons import person_row, persons_of
from marketsync_dagster.orders.resolve import Resolve
from marketsync_dagster.orders.wanting import HAD
from marketsync_dagster.platforms.ordering import PulledOrder, UnreadableOrder
from marketsync_dagster.values.order_states import CommandKind, OrderFlag

GONE = ("refused", "cancelled", "failed")
"""States of forwards after which their destination has nothing of them, and never had."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of documents; ids are ours, each once, by what happened to it last."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    unreadable: int = 0
    """Documents that no order can be made of; people are asked."""
    orders: Mapping[str, BookOrder] = field(default_factory=dict)
    """The orders that were told of, as they are now."""


Read = tuple[RawRow, PulledOrder | UnreadableOrder]


def apply(
    conn: Connection,
    source: str,
    platform: str,
    read: Sequence[Read],
    resolve: Resolve,
    *,
    at: str,
    by: str,
    prefix: str | None = None,
    gone: Collection[str] = (),
    taken_since: str = "",
) -> Applied:
    """Bring what a source told into the book, in its order; documents were kept by `keep_raw`.

    One that cannot be read, or contradicts itself, is marked and asked about; the rest goes on.
    With a `prefix` new orders that have no number get one of ours, `WEB-000001`. `gone`: sources of
    the platform that are not configured any more; this may be one of them under a new name.
    `taken_since` as `merge` has it.
    """
    ids = list({
        order_id_of(platform, source, one.external_id): None
        for _, one in read
        if isinstance(one, PulledOrder)
    })  # fmt: skip
    book = orders_to_change(conn, source, ids)
    numbers = _Numbers(conn)
    work = _Work(_known(conn, book, read), dict.fromkeys(ids, "unchanged"))
    sent = _sent_before(conn, platform, gone, read) if gone else {}
    for raw, one in read:
        if isinstance(one, UnreadableOrder):
            work.unreadable(raw, one, source, at)
            continue
        order_id = order_id_of(platform, source, one.external_id)
        known = work.known.get(order_id)
        if raw.id in work.taken:  # it stands here twice
            continue
        work.taken.add(raw.id)
        if known is not None and not _same(known.order, source, one):
            work.unreadable(raw, _same_id(known.order), source, at)
            continue
        if known is not None and says_nothing_new(
            raw, known.order.raw_sha256, known.order.updated_at
        ):
            work.mark(raw, "applied" if raw.state != "superseded" else raw.state)
            continue
        try:
            merged = merge(
                known,
                one,
                resolve,
                source=source,
                platform=platform,
                at=at,
                by=by,
                sha256=raw.sha256,
                number="" if one.number or known or prefix is None else numbers.next(prefix),
                sent_before=sent.get(one.external_id, ""),
                taken_since=taken_since,
            )
        except UnreadableOrder as error:
            work.unreadable(raw, error, source, at)
            continue
        work.take(raw, merged, known)
    work.write(conn, at)
    numbers.write()
    fates: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}
    for order_id, fate in work.fates.items():
        if order_id in work.known:
            fates[fate].append(order_id)
    return Applied(
        *(tuple(fates[name]) for name in ("created", "updated", "unchanged")),
        unreadable=work.bad,
        orders={order_id: known.order for order_id, known in work.known.items()},
    )


def _same(order: BookOrder, source: str, one: PulledOrder) -> bool:
    return (order.account, order.external_id) == (source, one.external_id)


def _same_id(other: BookOrder) -> UnreadableOrder:
    """One order in 2**48 has the id of another: they are never taken for one."""
    return UnreadableOrder(
        f"its id of ours, {other.id}, is already the one of order {other.external_id} of "
        f"{other.account}",
        "handle this order at its source by hand",
    )


def says_nothing_new(raw: RawRow, sha256: str, updated_at: str) -> bool:
    """Whether the book has what a document says: `sha256` and `updated_at` are of the one that its
    order was last made of. It is that one, or one that was taken in before it."""
    return raw.sha256 == sha256 or (
        raw.seen and bool(raw.updated_at) and raw.updated_at <= updated_at
    )


def _known(
    conn: Connection, book: Mapping[str, BookOrder], read: Sequence[Read]
) -> dict[str, Known]:
    """Orders of the book with all that goes with them; of those that nothing new is told of, the
    order alone."""
    told = {raw.sha256 for raw, _ in read}
    asked = [one.id for one in book.values() if told != {one.raw_sha256}]
    persons = persons_of(conn, asked) if asked else {}
    holding = [one for one in asked if OrderFlag.ON_HOLD in book[one].flags]
    held: dict[str, set[HoldKind]] = {}
    for one in holds_of(conn, holding):
        held.setdefault(one.order_id, set()).add(one.kind)
    forwarded = forwarded_lines(conn, asked)
    cancelling = _cancelling(conn, [one for one in asked if "cancelling" in held.get(one, ())])
    return {
        order_id: Known(
            order,
            persons.get(order_id, {}),
            frozenset(held.get(order_id, ())),
            forwarded.get(order_id, frozenset()),
            cancelling.get(order_id, {}),
        )
        for order_id, order in book.items()
    }


def _cancelling(conn: Connection, order_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Order -> line -> pieces cancelled in all, once its source has done what it may have heard."""
    found: dict[str, dict[str, int]] = {}
    there = commands_of(conn, order_ids) if order_ids else {}
    for row in (row for rows in there.values() for row in rows):
        if row.kind is CommandKind.CANCEL_LINES and row.state in ("intended", "unknown"):
            had = row.payload.get(HAD, {})
            lines = {one: had.get(one, 0) + n for one, n in row.payload.get("lines", {}).items()}
            found.setdefault(row.order_id, {}).update(lines)
    return found


def _sent_before(
    conn: Connection, platform: str, sources: Collection[str], read: Sequence[Read]
) -> dict[str, str]:
    """External id -> the one of these sources under which an order of this id was sent on."""
    ids = [one.external_id for _, one in read if isinstance(one, PulledOrder)]
    query = (
        select(orders.c.external_id, orders.c.account)
        .join(forward, forward.c.order_id == orders.c.id)
        .where(
            orders.c.platform == platform,
            orders.c.account.in_(sorted(sources)),
            is_one_of(conn.dialect.name, orders.c.external_id, ids),
            forward.c.state.not_in(GONE),
        )
    )
    return {row.external_id: row.account for row in conn.execute(query)} if ids else {}


def forwarded_lines(conn: Connection, order_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Order -> its lines that a destination has, had, or may have; not those of forwards that
    have come to nothing."""
    if not order_ids:
        return {}
    query = (
        select(forward.c.order_id, forward_line.c.line_id)
        .join(forward_line, forward_line.c.forward_id == forward.c.id)
        .where(
            is_one_of(conn.dialect.name, forward.c.order_id, order_ids),
            forward.c.state.not_in([*GONE, "pending"]),
        )
    )
    found: dict[str, set[str]] = {}
    for row in conn.execute(query):
        found.setdefault(row.order_id, set()).add(row.line_id)
    return {order_id: frozenset(lines) for order_id, lines in found.items()}


@dataclass(slots=True)
class _Numbers:
    """Numbers of ours for orders without one: each once, over all sources with the same prefix."""

    conn: Connection
    last: dict[str, int] = field(default_factory=dict)

    def next(self, prefix: str) -> str:
        """One that no order has."""
        if prefix not in self.last:
            lock_key(self.conn, self._name(prefix))
            query = select(cursor.c.value).where(cursor.c.name == self._name(prefix))
            self.last[prefix] = int(self.conn.execute(query).scalar() or 0)
        self.last[prefix] += 1
        return f"{prefix}{'-' if prefix else ''}{self.last[prefix]:06d}"

    def write(self) -> None:
        for prefix, last in self.last.items():
            set_cursor(self.conn, self._name(prefix), str(last))

    @staticmethod
    def _name(prefix: str) -> str:
        return f"order numbers {prefix}".strip()


@dataclass(slots=True)
class _Work:
    """What one call of `apply` has to write."""

    known: dict[str, Known]
    fates: dict[str, str]
    save: dict[str, BookOrder] = field(default_factory=dict)
    events: list[OrderEvent] = field(default_factory=list)
    persons: dict[tuple[str, str], PersonRow] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    released: dict[str, set[HoldKind]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    marks: list[tuple[int, RawState, str]] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    bad: int = 0
    taken: set[int] = field(default_factory=set)

    def mark(self, raw: RawRow, state: RawState, reason: str = "") -> None:
        """A document has come to this."""
        if raw.state == "unreadable" and state != "unreadable":
            self.answered.append(_unreadable_key(raw))
        if (raw.state, raw.reason) != (state, reason):
            self.marks.append((raw.id, state, reason))

    def unreadable(self, raw: RawRow, error: UnreadableOrder, source: str, at: str) -> None:
        """A document that no order can be made of: kept, and asked about."""
        self.bad += 1
        self.unread.append(raw.id)
        again = raw.state == "unreadable"
        self.mark(raw, "unreadable", error.message)
        if again:  # it was asked then, and may have been answered
            return
        named = f"order {raw.external_id}" if raw.external_id else "an order without an id"
        question = f"{named} of {source} cannot be read: {error.message}. Is it looked after?"
        self.tasks.append(
            Task(
                _unreadable_key(raw),
                "",
                str(raw.id),
                "unreadable",
                question,
                ("marketsync run pull_orders", DONE),
                at,
            )
        )

    def take(self, raw: RawRow, merged: Merged, known: Known | None) -> None:
        """A document was merged; the next one of the same order is merged with what came of it."""
        order = merged.order
        self.mark(raw, "superseded" if merged.stale else "applied")
        if order.forgotten_at is not None:
            self.forgotten.append(raw.id)
        if merged.changed or known is None or order != known.order:
            self.save[order.id] = order
        self.events += merged.events
        for role, person in merged.persons.items():
            self.persons[order.id, role] = person_row(order.id, role, person, order.changed_at)
        self.holds = [
            one for one in self.holds if one.order_id != order.id or one.kind not in merged.released
        ]
        self.holds += merged.holds
        self.released.setdefault(order.id, set()).update(merged.released)
        self.released[order.id] -= {one.kind for one in merged.holds}
        self.tasks += merged.tasks
        before: frozenset[HoldKind] = known.held if known else frozenset()
        held: frozenset[HoldKind] = frozenset(
            {*before.difference(merged.released), *(one.kind for one in merged.holds)}
        )
        self.known[order.id] = Known(
            order,
            {**(known.persons if known else {}), **merged.persons},
            held,
            known.forwarded if known else (),
            known.cancelling if known else {},
        )
        if known is None:
            self.fates[order.id] = "created"
        elif merged.changed and self.fates[order.id] != "created":
            self.fates[order.id] = "updated"

    def write(self, conn: Connection, at: str) -> None:
        save_orders(conn, list(self.save.values()))
        record_events(conn, self.events)
        save_persons(conn, list(self.persons.values()))
        for order_id, kinds in self.released.items():
            if kinds:
                release(conn, order_id, kinds)
            if "destination" in kinds:  # nothing is left that a new attempt could send
                answer_of_order(conn, order_id, "forward_refused", NOTHING_LEFT, "marketsync", at)
        if self.holds:
            hold(conn, self.holds)
        if self.tasks:
            ask(conn, self.tasks)
        for key in self.answered:
            answer(conn, key, "it can be read now", "marketsync", at)
        mark_raw(conn, self.marks, forgotten=self.forgotten)
        empty_forgotten(conn, self.unread)


def _unreadable_key(raw: RawRow) -> str:
    return f"unreadable {raw.id}"
