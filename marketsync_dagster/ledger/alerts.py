"""What people were told of, or should have been: raised, delivered, over.

A row is one trouble. Its key is unique, so the same trouble is told once; when it is over the row
gives the key free, and the same trouble can come again. What is trouble is `stages.troubles`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, Text, and_, cast, literal, or_, select, update

from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.sql import insert_into, lock_key
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.times import to_iso, utcnow

KINDS = (
    *("run_failed", "outlet_failed", "plan_held", "extract_changed", "import_lost", "no_success"),
    *("order_deadline", "order_held", "order_task", "order_state_unknown", "order_not_forwarded"),
    *("order_not_told", "order_not_delivered"),
    "test",
)
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that people must be told of. `key` says whether it is the same trouble."""

    key: str
    kind: str
    title: str
    message: str
    next_step: str = ""
    outlet: str | None = None
    platform: str | None = None
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One row of the table `alert`.

    `delivery` is of the last message about it: that it is there or, once `state` is over, that it
    has passed. `missing`: the targets that lack this message; None: nobody has it yet.
    """

    id: int
    key: str
    at: str
    kind: str
    outlet: str | None
    platform: str | None
    run_id: str
    title: str
    message: str
    next_step: str
    state: str
    delivery: str
    delivered_at: str | None
    error: str
    over_at: str | None
    attempts: int
    tried_at: str | None
    missing: tuple[str, ...] | None


_ALL = [t.alert.c[name] for name in Alert.__dataclass_fields__]


def raise_alerts(ledger: Ledger, troubles: Sequence[Trouble]) -> list[str]:
    """Keep each trouble that is not open already, to be delivered; returns the keys of the new.

    Two that raise the same trouble at once make one row.
    """
    a, now = t.alert.c, to_iso(utcnow())
    new: list[str] = []
    with ledger.begin() as connection:
        lock_key(connection, "alerts")  # two that come with the same ones must not wait in a ring
        for trouble in troubles:
            row = asdict(trouble)
            for name in ("title", "message", "next_step"):
                row[name] = scrub(row[name])
            fresh = {"at": now, "state": "open", "delivery": "pending", "error": "", "attempts": 0}
            statement = insert_into(connection, t.alert).values(row | fresh)
            kept = statement.on_conflict_do_nothing(index_elements=["key"]).returning(a.key)
            new += connection.execute(kept).scalars()
    return new


def end_alerts(ledger: Ledger, keys: Collection[str], *, tell: bool = True) -> int:
    """Close the open alerts with these keys; returns how many there were.

    Who was told of the trouble is told that it is over, unless `tell` is false. What nobody was
    told of yet stays to be told, as something that has passed.
    """
    a = t.alert.c
    told = or_(a.delivery == "delivered", and_(a.delivery == "failed", a.missing.is_not(None)))
    over: dict[str, Any] = {"state": "over", "over_at": to_iso(utcnow())}
    again = {"delivery": "pending", "missing": None, "attempts": 0, "tried_at": None, "error": ""}
    # the key is free again for the next time
    over["key"] = a.key + literal(" over ") + cast(a.id, Text)
    wanted = sorted(keys)
    ended = 0
    with ledger.begin() as connection:
        for start in range(0, len(wanted), _CHUNK):
            these = and_(a.state == "open", a.key.in_(wanted[start : start + _CHUNK]))
            if tell:
                connection.execute(update(t.alert).where(these, told).values(again))
            ended += connection.execute(update(t.alert).where(these).values(over)).rowcount
    return ended


def open_alerts(ledger: Ledger, kinds: Collection[str] = KINDS) -> list[Alert]:
    """The open alerts of these kinds, oldest first."""
    query = select(*_ALL).where(t.alert.c.state == "open", t.alert.c.kind.in_(list(kinds)))
    return _read(ledger, query.order_by(t.alert.c.id))


def last_alerts(ledger: Ledger, limit: int, kinds: Collection[str] = KINDS) -> list[Alert]:
    """The newest alerts of these kinds first, open or over."""
    query = select(*_ALL).where(t.alert.c.kind.in_(list(kinds)))
    return _read(ledger, query.order_by(t.alert.c.id.desc()).limit(limit))


def find_alert(ledger: Ledger, alert_id: int) -> Alert | None:
    """The alert with this id."""
    found = _read(ledger, select(*_ALL).where(t.alert.c.id == alert_id))
    return found[0] if found else None


def undelivered(ledger: Ledger) -> list[Alert]:
    """The alerts with a message that not every target has, oldest first.

    Those without a target are among them while they are open: a target may have been named since.
    """
    a = t.alert.c
    waiting = or_(
        a.delivery.in_(("pending", "failed")), and_(a.delivery == "no target", a.state == "open")
    )
    query = select(*_ALL).where(waiting, a.kind != "test").order_by(a.id)
    return _read(ledger, query)


def begin_delivery(ledger: Ledger, told: Sequence[Alert]) -> None:
    """Journal that a call with the messages of these alerts is about to be made."""
    change = {"attempts": t.alert.c.attempts + 1, "tried_at": to_iso(utcnow())}
    _change(ledger, told, change)


def end_delivery(
    ledger: Ledger, told: Sequence[Alert], *, missing: Sequence[str] | None, error: str = ""
) -> None:
    """Journal what came of the call: the targets that still lack the message (None: all), and why.

    An alert that went over during the call keeps what `end_alerts` has made of it.
    """
    change: dict[str, Any] = {"error": scrub(error), "delivery": "failed"}
    if missing is not None and not missing:
        change |= {"delivery": "delivered", "delivered_at": to_iso(utcnow()), "missing": None}
    elif missing is not None:
        change |= {"missing": json.dumps(list(missing))}
    _change(ledger, told, change)


def without_target(ledger: Ledger, told: Sequence[Alert]) -> None:
    """Note that there is nobody to tell."""
    _change(ledger, told, {"delivery": "no target"})


def _change(ledger: Ledger, told: Sequence[Alert], change: dict[str, Any]) -> None:
    a = t.alert.c
    with ledger.begin() as connection:
        for state in sorted({one.state for one in told}):
            ids = [one.id for one in told if one.state == state]
            for start in range(0, len(ids), _CHUNK):
                these = and_(a.id.in_(ids[start : start + _CHUNK]), a.state == state)
                connection.execute(update(t.alert).where(these).values(change))


def _read(ledger: Ledger, query: Select[Any]) -> list[Alert]:
    with ledger.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        Alert(**{**row, "missing": None if row["missing"] is None else _list(row["missing"])})
        for row in rows
    ]


def _list(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
