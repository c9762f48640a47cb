"""Pauses: channels that are not pushed for a while because somebody said so.

A pause names an outlet, a platform, both, or neither (every channel). It holds from the moment it
is recorded until its time is over or somebody resumes; who, when and why stays on record.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, or_, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.tables import pause as table
from marketsync_dagster.values.times import to_iso, utcnow


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One row of the table `pause`; times as `values.times` writes them."""

    id: str
    outlet: str | None
    """None: every outlet."""
    platform: str | None
    """None: every platform."""
    at: str
    by: str
    reason: str
    until: str | None
    """None: until somebody resumes."""
    ended_at: str | None = None
    ended_by: str | None = None
    ended_reason: str | None = None

    def covers(self, outlet: str, platform: str) -> bool:
        return self.outlet in (None, outlet) and self.platform in (None, platform)

    def within(self, outlet: str | None, platform: str | None) -> bool:
        """Whether it speaks of nothing outside of these (None: every one)."""
        return outlet in (None, self.outlet) and platform in (None, self.platform)

    def touches(self, outlet: str | None, platform: str | None) -> bool:
        """Whether it speaks of any channel of these (None: every one)."""
        outlets, platforms = {self.outlet, outlet}, {self.platform, platform}
        return len(outlets - {None}) < 2 and len(platforms - {None}) < 2

    @property
    def scope(self) -> str:
        """Of which channels it speaks: `westlands on every platform`."""
        if self.outlet is None and self.platform is None:
            return "every channel"
        return f"{self.outlet or 'every outlet'} on {self.platform or 'every platform'}"

    @property
    def words(self) -> str:
        """`paused until 2026-11-21T18:00:00Z by amina (stocktaking)`."""
        until = f"until {self.until.replace('.000Z', 'Z')}" if self.until else "until resumed"
        return f"paused {until} by {self.by} ({self.reason})"

    @property
    def resume_command(self) -> str:
        said = [f"--outlet {self.outlet}"] if self.outlet else []
        said += [f"--platform {self.platform}"] if self.platform else []
        return f"marketsync resume {' '.join(said) or '--all'}"


def pause(
    ledger: Ledger,
    *,
    outlet: str | None,
    platform: str | None,
    by: str,
    reason: str,
    until: datetime | None = None,
    now: datetime | None = None,
) -> Pause:
    """Record a pause that begins now."""
    moment = now or utcnow()
    made = Pause(
        id=f"pause-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        outlet=outlet,
        platform=platform,
        at=to_iso(moment),
        by=by,
        reason=reason,
        until=to_iso(until) if until else None,
    )
    with ledger.begin() as connection:
        connection.execute(insert(table).values(asdict(made)))
    return made


def resume(
    ledger: Ledger,
    *,
    outlet: str | None,
    platform: str | None,
    by: str,
    reason: str | None = None,
    now: datetime | None = None,
) -> list[Pause]:
    """End every pause that speaks of nothing outside of this outlet and platform (None: every
    one); returns those that this call has ended."""
    at = to_iso(now or utcnow())
    ended = {"ended_at": at, "ended_by": by, "ended_reason": reason}
    with ledger.begin() as connection:
        rows = connection.execute(_active(at)).mappings()
        found = [one for one in (Pause(**row) for row in rows) if one.within(outlet, platform)]
        return [
            Pause(**asdict(one) | ended)
            for one in found
            if connection.execute(
                update(table)
                .where(table.c.id == one.id, table.c.ended_at.is_(None))
                .values(**ended)
            ).rowcount
        ]


def active_pauses(ledger: Ledger, now: datetime | None = None) -> list[Pause]:
    """The pauses in force, oldest first."""
    with ledger.read() as connection:
        rows = connection.execute(_active(to_iso(now or utcnow()))).mappings()
        return [Pause(**row) for row in rows]


def past_pauses(ledger: Ledger, limit: int = 20, now: datetime | None = None) -> list[Pause]:
    """The newest pauses that are over."""
    at = to_iso(now or utcnow())
    query = (
        select(table)
        .where(or_(table.c.ended_at.is_not(None), table.c.until <= at))
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(limit)
    )
    with ledger.read() as connection:
        return [Pause(**row) for row in connection.execute(query).mappings()]


def pause_of(pauses: Sequence[Pause], outlet: str, platform: str) -> Pause | None:
    """Which of the pauses in force keeps this channel still the longest; None: it is not paused."""
    covering = [one for one in pauses if one.covers(outlet, platform)]
    # without an end it lasts the longest
    return max(covering, key=lambda one: (one.until is None, one.until or ""), default=None)


def _active(at: str) -> Select[*tuple[Any, ...]]:
    return (
        select(table)
        .where(table.c.ended_at.is_(None), or_(table.c.until.is_(None), table.c.until > at))
        .order_by(table.c.at, table.c.id)
    )
