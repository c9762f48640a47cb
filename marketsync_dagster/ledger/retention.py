"""Removing what nobody needs any more, in small steps, so that no push waits for long.

Kept whatever its age: the newest event of every SKU, the push, plan and extract that a listing
stands on, what the guard compares with, decisions that are open, and the newest of each kind. Files
and Dagster's own history belong to `stages.retention` and `automation.retention`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update

from marketsync_dagster.ledger import leases
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import run_by_itself
from marketsync_dagster.ledger.extracts import originals_of
from marketsync_dagster.ledger.faults import translated
from marketsync_dagster.ledger.plans import WAITS
from marketsync_dagster.ledger.quota import forget_old_slots, forgotten
from marketsync_dagster.ledger.sizes import table_sizes
from marketsync_dagster.ledger.sql import clock_ms
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.times import to_iso

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.ledger.engine import Ledger

LEASE = "retention"
LEASE_S = 120.0
STEP = 5_000
"""Numbered rows that one transaction looks at."""
FEW = 200
"""Pushes or plans that one transaction removes."""
SHOWN_DAYS = 7
"""How long the rows of a plan that was never sent can be looked at, at least."""
RECENT_HOURS = 48
"""What the guard looks back over, at least; before a plan that waits for a decision as long."""
_NEVER_SENT = ("superseded", "stale", "dry")
_ENDED = (*_NEVER_SENT, "planned", "rejected", "pushed")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is older may go; ISO times."""

    calls: str
    events: str
    plans: str
    shown: str
    """Rows of plans that were never sent."""
    extracts: str
    runs: str
    personal: str = ""
    """What is known of the persons of orders that have ended, and the orders as they came."""

    @classmethod
    def of(cls, settings: Settings, now: datetime) -> Limits:
        """By `retention`; what the guard looks back over is kept in any case."""
        said = settings.retention
        window = max([RECENT_HOURS, *(c.guard.window_hours or 0 for c in settings.channels)])
        hours = timedelta(hours=window)
        looks_back = hours + WAITS

        def before(days: int, least: timedelta = hours) -> str:
            return to_iso(now - max(timedelta(days=days), least))

        return cls(
            calls=before(said.api_calls_days),
            events=before(said.events_days),
            plans=before(said.plans_days, looks_back),
            shown=before(min(SHOWN_DAYS, said.plans_days), looks_back),
            extracts=before(said.extracts_days),
            runs=before(said.runs_days),
            personal=before(said.personal_days),
        )


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed, or would be: name -> how many; and the originals nobody needs now."""

    counts: dict[str, int]
    originals: list[str]
    """SHA-256 of archived files."""


def prune(
    ledger: Ledger,
    limits: Limits,
    *,
    holder: str,
    keep_extracts: Collection[str] = (),
    dry_run: bool = False,
    tell: Callable[[str, int], None] = lambda name, done: None,
) -> Removed:
    """Remove what is beyond `limits`; Busy while somebody else does.

    `keep_extracts`: ids that something outside of the ledger stands on.
    """
    if dry_run:
        return _Pruning(ledger, limits, keep_extracts, None, tell).run()
    lease = leases.take_lease(ledger, LEASE, holder, LEASE_S)
    try:
        return _Pruning(ledger, limits, keep_extracts, lease, tell).run()
    finally:
        leases.release(ledger, lease)


@dataclass(slots=True)
class _Pruning:
    ledger: Ledger
    limits: Limits
    keep_extracts: Collection[str]
    lease: leases.Lease | None
    """None: only counted."""
    tell: Callable[[str, int], None]

    def run(self) -> Removed:
        counts = {
            "api_calls": self._numbered(
                "api_calls", t.api_call, t.api_call.c.at, self.limits.calls
            ),
            "events": self._numbered(
                *("events", t.listing_event, t.listing_event.c.at, self.limits.events),
                is_not_the_newest_event(),
            ),
        }
        pushes = self._pushes()
        counts["pushes"] = self._some("pushes", pushes, self._remove_pushes)
        plans = self._plans(set(pushes))
        counts["plans"] = self._some("plans", plans, self._remove_plans)
        needed = self._needed_plans()
        rows = self._rows({*needed, *plans})
        counts["plan_rows"] = self._some("plan_rows", rows, self._remove_rows)
        records, originals = self._extracts(needed, set(plans))
        counts["extracts"] = self._some("extracts", records, self._remove_extracts)
        documents = self._documents(set(records))
        counts["documents"] = self._some("documents", documents, self._remove_documents)
        counts |= {name: self._all(table, old) for name, table, old in self._small()}
        counts["rate_slots"] = self._slots()
        return Removed(counts, originals)

    # --- how

    def _numbered(
        self, name: str, table: Table, at: ColumnElement[str], before: str, *more: Any
    ) -> int:
        """Rows with a number, oldest first, range by range."""
        old = and_(at < before, *more)
        if self.lease is None:
            return self._count(table, old)
        number, removed, low = table.c["id"], 0, 0
        while True:
            with self.ledger.read() as connection:
                some = select(number, at.label("at")).where(number > low)
                part = some.order_by(number).limit(STEP).subquery()
                query = select(func.max(part.c.id), func.min(part.c.at))
                high, oldest = connection.execute(query).one()
            if high is None or oldest >= before:
                return removed
            span = and_(number > low, number <= high, old)
            removed += self._write(
                lambda c, span=span: c.execute(delete(table).where(span)).rowcount
            )
            low = high
            self.tell(name, removed)

    def _some(
        self, name: str, ids: Sequence[str], remove: Callable[[Connection, Sequence[str]], int]
    ) -> int:
        """Rows that were found by name, some at a time."""
        if self.lease is None:
            return len(ids)
        removed = 0
        for start in range(0, len(ids), FEW):
            some = ids[start : start + FEW]
            removed += self._write(lambda connection, some=some: remove(connection, some))
            self.tell(name, removed)
        return removed

    def _all(self, table: Table, old: ColumnElement[bool]) -> int:
        if self.lease is None:
            return self._count(table, old)
        return self._write(lambda connection: connection.execute(delete(table).where(old)).rowcount)

    def _count(self, table: Table, old: ColumnElement[bool]) -> int:
        with self.ledger.read() as connection:
            query = select(func.count()).select_from(table).where(old)
            return int(connection.execute(query).scalar_one())

    def _write(self, work: Callable[[Connection], int]) -> int:
        """One step, then as long a rest: the other half of the time belongs to those who push."""
        assert self.lease is not None
        leases.renew(self.ledger, self.lease, LEASE_S)
        began = time.monotonic()
        with self.ledger.begin() as connection:
            done = work(connection)
        time.sleep(min(time.monotonic() - began, 0.5))
        return done

    def _ids(self, query: Select[*tuple[Any, ...]]) -> list[str]:
        with self.ledger.read() as connection:
            return [row[0] for row in connection.execute(query)]

    # --- what

    def _pushes(self) -> list[str]:
        """Pushes that have ended, that no listing and no event stands on any more."""
        p, e = t.push.c, t.listing_event.c
        remaining = select(e.push_id).distinct()
        if self.lease is None:
            remaining = remaining.where(or_(e.at >= self.limits.events, ~is_not_the_newest_event()))
        kept = {*self._ids(select(t.listing.c.push_id).distinct()), *self._ids(remaining)}
        newer = t.push.alias()
        last = ~(
            select(newer.c.id)
            .where(
                *(newer.c.outlet == p.outlet, newer.c.platform == p.platform),
                or_(
                    newer.c.started_at > p.started_at,
                    and_(newer.c.started_at == p.started_at, newer.c.id > p.id),
                ),
            )
            .exists()
        )
        old = select(p.id).where(p.state != "open", p.ended_at < self.limits.events, ~last)
        return [push for push in self._ids(old.order_by(p.id)) if push not in kept]

    def _remove_pushes(self, connection: Connection, ids: Sequence[str]) -> int:
        connection.execute(delete(t.push_batch).where(t.push_batch.c.push_id.in_(ids)))
        i, p = t.push_import.c, t.push_import_part.c
        connection.execute(delete(t.push_import_part).where(p.push_id.in_(ids)))
        # an import lives as long as any of its parts, and until it has ended
        left = select(p.import_key).where(p.import_key == i.id).exists()
        connection.execute(delete(t.push_import).where(i.ended_at.is_not(None), ~left))
        return connection.execute(delete(t.push).where(t.push.c.id.in_(ids))).rowcount

    def _plans(self, gone: Collection[str]) -> list[str]:
        """Plans that no push is of (those `gone` aside), but the newest of each state of each
        channel."""
        p, newer = t.plan.c, t.plan.alias()
        last = ~(
            select(newer.c.id)
            .where(
                newer.c.outlet == p.outlet,
                newer.c.platform == p.platform,
                newer.c.state == p.state,
                or_(
                    newer.c.created_at > p.created_at,
                    and_(newer.c.created_at == p.created_at, newer.c.id > p.id),
                ),
            )
            .exists()
        )
        old = select(p.id).where(p.state.in_(_ENDED), p.created_at < self.limits.plans, ~last)
        with self.ledger.read() as connection:
            pushes = connection.execute(select(t.push.c.id, t.push.c.plan_id))
            pushed = {plan for push, plan in pushes if push not in gone}
        return [plan for plan in self._ids(old.order_by(p.id)) if plan not in pushed]

    def _remove_plans(self, connection: Connection, ids: Sequence[str]) -> int:
        old = and_(t.plan.c.id.in_(ids), t.plan.c.state.in_(_ENDED))
        return connection.execute(delete(t.plan).where(old)).rowcount

    def _needed_plans(self) -> set[str]:
        """Plans whose rows tell how a listing came about."""
        of = select(t.listing.c.push_id).distinct().subquery()
        return set(self._ids(select(t.push.c.plan_id).join(of, of.c.push_id == t.push.c.id)))

    def _rows(self, but: Collection[str]) -> list[str]:
        """Plans whose rows nobody needs, though their figures stay."""
        p, newer = t.plan.c, t.plan.alias()
        channel = and_(newer.c.outlet == p.outlet, newer.c.platform == p.platform)
        pushed_since = select(newer.c.id).where(
            channel, newer.c.state == "pushed", newer.c.created_at > p.created_at
        )
        old = or_(
            and_(p.state == "pushed", p.created_at < self.limits.plans, pushed_since.exists()),
            and_(p.state.in_(_NEVER_SENT), p.created_at < self.limits.shown),
        )
        query = select(p.id).where(old, func.length(p.rows) > 0).order_by(p.id)
        return [plan for plan in self._ids(query) if plan not in but]

    def _remove_rows(self, connection: Connection, ids: Sequence[str]) -> int:
        states = ("pushed", *_NEVER_SENT)
        old = and_(t.plan.c.id.in_(ids), t.plan.c.state.in_(states))
        return connection.execute(update(t.plan).where(old).values(rows=b"")).rowcount

    def _extracts(
        self, needed: Collection[str], gone: Collection[str]
    ) -> tuple[list[str], list[str]]:
        """Extracts whose record may go, and the originals that may go (a record may outlive its
        original: the guard and old plans want its figures only)."""
        e, newest = t.extract.c, t.extract.alias()
        latest = (
            select(func.max(newest.c.extract_time))
            .where(newest.c.outlet == e.outlet, newest.c.state == "accepted")
            .scalar_subquery()
        )
        # of several with the newest time each may be the one in force
        superseded = or_(latest.is_(None), e.extract_time < latest, e.state != "accepted")
        told = {*self.keep_extracts, *self._ids(select(t.listing.c.extract_id).distinct())}
        for rows in self._rows_of(needed):
            told |= _extract_ids(rows)
        old = select(e.id).where(e.read_at < self.limits.extracts, superseded)
        free = [extract for extract in self._ids(old.order_by(e.id)) if extract not in told]
        with self.ledger.read() as connection:
            plans = connection.execute(select(t.plan.c.id, t.plan.c.extract_id))
            planned = {extract for plan, extract in plans if plan not in gone}
            archived = originals_of(connection)
        gone_now = set(free)
        kept = {
            one for extract, some in archived.items() if extract not in gone_now for one in some
        }
        originals = sorted({one for extract in free for one in archived.get(extract, ())} - kept)
        return [extract for extract in free if extract not in planned], originals

    def _rows_of(self, plans: Collection[str]) -> Iterator[bytes]:
        ids = sorted(plans)
        for start in range(0, len(ids), 20):
            some = ids[start : start + 20]
            with self.ledger.read() as connection:
                query = select(t.plan.c.rows).where(t.plan.c.id.in_(some))
                found = [bytes(rows) for rows in connection.execute(query).scalars() if rows]
            yield from found

    def _remove_extracts(self, connection: Connection, ids: Sequence[str]) -> int:
        parts = t.extract_part.c.extract_id.in_(ids)
        connection.execute(delete(t.extract_part).where(parts))
        return connection.execute(delete(t.extract).where(t.extract.c.id.in_(ids))).rowcount

    def _documents(self, gone: Collection[str]) -> list[str]:
        """Documents that no extract is read from (those `gone` aside)."""
        f, p = t.extract_file.c, t.extract_part.c
        with self.ledger.read() as connection:
            read = connection.execute(select(p.extract_id, p.original))
            kept = {original for extract, original in read if extract not in gone}
            old = select(f.id, f.original).where(f.seen_at < self.limits.extracts).order_by(f.id)
            return [one for one, original in connection.execute(old) if original not in kept]

    def _remove_documents(self, connection: Connection, ids: Sequence[str]) -> int:
        return connection.execute(
            delete(t.extract_file).where(t.extract_file.c.id.in_(ids))
        ).rowcount

    def _small(self) -> list[tuple[str, Table, ColumnElement[bool]]]:
        """Tables of which there is never much."""
        newer = t.upkeep.alias()
        done_since = select(newer.c.id).where(
            *(newer.c.kind == t.upkeep.c.kind, newer.c.ok, newer.c.id > t.upkeep.c.id)
        )
        old_upkeep = and_(t.upkeep.c.at < self.limits.events, done_since.exists())
        over = and_(
            t.alert.c.state == "over",
            t.alert.c.delivery != "pending",  # somebody is still to be told
            t.alert.c.over_at < self.limits.runs,
        )
        return [
            ("outlet_failures", t.outlet_failure, t.outlet_failure.c.at < self.limits.runs),
            ("alerts", t.alert, over),
            ("pauses", t.pause, t.pause.c.ended_at < self.limits.events),
            ("upkeep", t.upkeep, old_upkeep),
        ]

    def _slots(self) -> int:
        if self.lease is not None:
            return forget_old_slots(self.ledger)
        with self.ledger.read() as connection:
            now = clock_ms(connection)
        return self._count(t.rate_slot, forgotten(now))


def give_back(ledger: Ledger) -> int:
    """Give the room of what was removed back to the disk; returns how many bytes.

    On SQLite the whole file is written anew: Busy while somebody works, and nobody can write
    meanwhile. PostgreSQL reuses room by itself and gives back what it can without a lock.
    """
    lease = leases.take_lease(ledger, LEASE, "vacuum", 3_600)
    try:
        with ledger.read() as connection:
            others = [one for one in leases.alive(connection) if one.name != LEASE]
        if others:
            raise Busy(f"{others[0].name} is held by {others[0].holder}", "try again later")
        before = table_sizes(ledger)["bytes_ledger"]
        with translated(ledger.location):
            _vacuum(ledger)
        return max(0, before - table_sizes(ledger)["bytes_ledger"])
    finally:
        leases.release(ledger, lease)


def _vacuum(ledger: Ledger) -> None:
    if ledger.dialect == "sqlite":
        run_by_itself(ledger, "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with ledger.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for name in sorted(t.metadata.tables):
            connection.exec_driver_sql(f'VACUUM (ANALYZE) "{name}"')


def is_not_the_newest_event() -> ColumnElement[bool]:
    """Whether the listing that a listing_event is of has changed since: every change has its
    event, of the same moment."""
    e, now = t.listing_event.c, t.listing.c
    same = (now.outlet == e.outlet, now.platform == e.platform, now.sku == e.sku)
    return select(now.sku).where(*same, now.updated_at > e.at).exists()


def _extract_ids(rows: bytes) -> set[str]:
    """The extracts that the rows of a plan are of."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(rows), columns=["extract_id"])
    return {str(value) for value in table.column("extract_id").unique().to_pylist() if value}
