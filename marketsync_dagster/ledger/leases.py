"""Leases: who may work on a channel now. They expire; a dead holder's successor takes over.

A lease is a row with a token: whoever has the token holds the lease. How long to wait for a busy
one is the caller's decision.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.processes import Process, is_gone, this_process
from marketsync_dagster.ledger.sql import clock_ms, lock_key, upsert
from marketsync_dagster.ledger.tables import lease
from marketsync_dagster.values.errors import Busy
from marketsync_dagster.values.times import to_iso

LONGEST_S = 3_600
"""No lease is taken for longer at a time."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease; pass it to `renew` and `release`. Times as `values.times` writes them."""

    name: str
    holder: str
    """Who, for people: a run, a user."""
    token: str
    host: str
    pid: int
    process_start: str
    acquired_at: str
    expires_at: str


def take_lease(
    ledger: Ledger, name: str, holder: str, ttl_s: float, now: datetime | None = None
) -> Lease:
    """Take the lease `name` for `ttl_s` seconds; of any number that try at once, one succeeds.

    Free are a lease that nobody holds, one that has expired, and one whose process on this host
    has gone. Busy otherwise, naming the holder, since when and until when. A holder that takes its
    own lease again finds it busy too. `now` defaults to the clock that all writers share. A lease
    that ends later than any would is from before the clock was set back: it holds for `ttl_s` from
    now, unless its holder renews it.
    """
    me = this_process()
    busy = None
    with ledger.begin() as conn:
        lock_key(conn, f"lease {name}")
        moment = _now(conn, now)
        row = conn.execute(select(lease).where(lease.c.name == name)).mappings().first()
        if row is not None:
            present = Lease(**row)
            if present.expires_at > to_iso(moment) and not _is_orphan(present):
                busy = _no_longer_than(conn, present, moment, ttl_s)
        taken = Lease(
            name=name,
            holder=holder,
            token=secrets.token_hex(16),
            host=me.host,
            pid=me.pid,
            process_start=me.start,
            acquired_at=to_iso(moment),
            expires_at=to_iso(moment + timedelta(seconds=ttl_s)),
        )
        if busy is None:
            upsert(conn, lease, [asdict(taken)])
    if busy is not None:
        raise _busy(busy)
    return taken


def renew(ledger: Ledger, held: Lease, ttl_s: float, now: datetime | None = None) -> Lease:
    """Hold the lease for `ttl_s` seconds from now; returns it with its new end.

    Busy if it was lost: somebody took it over after it expired, or it was released.
    """
    with ledger.begin() as conn:
        expires_at = to_iso(_now(conn, now) + timedelta(seconds=ttl_s))
        changed = conn.execute(
            update(lease)
            .where(lease.c.name == held.name, lease.c.token == held.token)
            .values(expires_at=expires_at)
        ).rowcount
        if not changed:
            row = conn.execute(select(lease).where(lease.c.name == held.name)).mappings().first()
            raise _lost(held, None if row is None else Lease(**row))
    return replace(held, expires_at=expires_at)


def release(ledger: Ledger, held: Lease) -> None:
    """Let go of the lease. One that was lost meanwhile stays with its new holder."""
    with ledger.begin() as conn:
        conn.execute(delete(lease).where(lease.c.name == held.name, lease.c.token == held.token))


def holder_of(ledger: Ledger, name: str, now: datetime | None = None) -> Lease | None:
    """Who holds the lease at this moment; None if it is free."""
    with ledger.read() as conn:
        row = conn.execute(select(lease).where(lease.c.name == name)).mappings().first()
        moment = _now(conn, now)
    if row is None:
        return None
    present = Lease(**row)
    free = present.expires_at <= to_iso(moment) or _is_orphan(present)
    return None if free else present


def alive(conn: Connection, now: datetime | None = None) -> list[Lease]:
    """Every lease that somebody holds at this moment, by name."""
    moment = to_iso(_now(conn, now))
    rows = conn.execute(select(lease).order_by(lease.c.name)).mappings()
    held = [Lease(**row) for row in rows]
    return [one for one in held if one.expires_at > moment and not _is_orphan(one)]


def channel_lease(outlet: str, platform: str) -> str:
    """The name of a channel's lease: one push at a time."""
    return f"channel {outlet}/{platform}"


def _now(conn: Connection, now: datetime | None) -> datetime:
    if now is not None:
        return now
    return datetime.fromtimestamp(clock_ms(conn) / 1000, tz=UTC)


def _no_longer_than(conn: Connection, present: Lease, moment: datetime, ttl_s: float) -> Lease:
    """The lease as it is, or ending soon if it ends later than any lease would."""
    if present.expires_at <= to_iso(moment + timedelta(seconds=max(LONGEST_S, ttl_s))):
        return present
    soon = to_iso(moment + timedelta(seconds=ttl_s))
    conn.execute(update(lease).where(lease.c.name == present.name).values(expires_at=soon))
    return replace(present, expires_at=soon)


def _is_orphan(held: Lease) -> bool:
    return is_gone(Process(held.host, held.pid, held.process_start))


def _busy(held: Lease) -> Busy:
    host = held.host.partition("#")[0]
    return Busy(
        f"{held.name} is held by {held.holder} (process {held.pid} on {host}) since "
        f"{held.acquired_at}, until {held.expires_at} at the latest",
        "wait for it to end and run again",
    )


def _lost(held: Lease, present: Lease | None) -> Busy:
    if present is None:
        what = "it was released"
    else:
        what = f"{present.holder} took it over at {present.acquired_at}"
    return Busy(
        f"{held.holder} no longer holds {held.name}: {what}",
        "run again; nothing was sent without the lease",
    )
