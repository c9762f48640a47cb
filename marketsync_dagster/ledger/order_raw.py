"""Orders as they came: kept before anything is made of them, each document once.

A document holds personal data: it is deflated, never shown, and emptied when it is forgotten.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, and_, bindparam, select, update

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_tables import order_raw, orders
from marketsync_dagster.ledger.sql import is_one_of, put

RawState = Literal["received", "applied", "unreadable", "superseded"]
"""received: nothing was made of it yet. superseded: an older state than the book has."""
LEVEL = 1
"""Of zlib: documents of orders shrink to a quarter with the quickest one."""


@dataclass(frozen=True, slots=True, repr=False)
class RawRow:
    """One document; the columns of `order_raw`, without platform and account."""

    external_id: str
    sha256: str
    received_at: str
    updated_at: str
    document: bytes
    """As it came; empty: forgotten."""
    state: RawState = "received"
    reason: str = ""
    seen: bool = False
    """It was there already, applied or superseded: this very document came again."""
    id: int = 0


_COLUMNS = (
    "platform account external_id sha256 received_at updated_at state reason document".split()
)


def sha256_of(document: bytes) -> str:
    """What tells a document from another of the same order."""
    return hashlib.sha256(document).hexdigest()


def keep_raw(conn: Connection, platform: str, account: str, rows: Sequence[RawRow]) -> list[RawRow]:
    """Keep documents as `received`; one that is there already stays as it is. The rows as they
    are in the ledger now, in the order given; the same document twice is two equal rows."""
    if not rows:
        return []
    there = _state_of(conn, platform, account, rows)
    new = {
        (row.external_id, row.sha256): row
        for row in rows
        if (row.external_id, row.sha256) not in there
    }
    written = put(
        conn,
        order_raw,
        _COLUMNS,
        [
            (
                platform,
                account,
                row.external_id,
                row.sha256,
                row.received_at,
                row.updated_at,
                "received",
                "",
                zlib.compress(row.document, LEVEL),
            )
            for row in new.values()
        ],
        returning=("external_id", "sha256", "id"),
    )
    there |= {(row[0], row[1]): (row[2], "received", "") for row in written}
    if others := [row for key, row in new.items() if key not in there]:  # somebody was quicker
        there |= _state_of(conn, platform, account, others)
    kept = []
    for row in rows:
        number, state, reason = there[row.external_id, row.sha256]
        kept.append(
            RawRow(
                row.external_id,
                row.sha256,
                row.received_at,
                row.updated_at,
                row.document,
                state,
                reason,
                state in ("applied", "superseded"),
                number,
            )
        )
    return kept


def received_at(conn: Connection, number: int) -> str:
    """When a document came for the first time (ISO)."""
    query = select(order_raw.c.received_at).where(order_raw.c.id == number)
    return conn.execute(query).scalar_one()


def _state_of(
    conn: Connection, platform: str, account: str, rows: Sequence[RawRow]
) -> dict[tuple[str, str], tuple[int, RawState, str]]:
    c = order_raw.c
    query = select(c.external_id, c.sha256, c.id, c.state, c.reason).where(
        c.platform == platform,
        c.account == account,
        is_one_of(conn.dialect.name, c.external_id, sorted({row.external_id for row in rows})),
    )
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in conn.execute(query)}


def mark_raw(
    conn: Connection, marks: Sequence[tuple[int, RawState, str]], *, forgotten: Sequence[int] = ()
) -> None:
    """(id, state, reason) of documents; the `forgotten` ones are emptied, too."""
    plain = [mark for mark in marks if mark[1] == "applied" and not mark[2]]
    if plain:
        numbers = sorted({number for number, _, _ in plain})
        sqlite = conn.dialect.name == "sqlite"
        these = "IN (SELECT value FROM json_each(?))" if sqlite else "= ANY(%s)"
        conn.exec_driver_sql(
            f"UPDATE order_raw SET state = 'applied', reason = '' WHERE id {these}",  # noqa: S608
            (orjson.dumps(numbers).decode() if sqlite else numbers,),
        )
    others = [mark for mark in marks if mark[1] != "applied" or mark[2]]
    if others:
        conn.execute(
            update(order_raw)
            .where(order_raw.c.id == bindparam("number"))
            .values(state=bindparam("now"), reason=bindparam("why")),
            [{"number": number, "now": state, "why": why} for number, state, why in others],
        )
    if forgotten:
        conn.execute(
            update(order_raw).where(order_raw.c.id.in_([*forgotten])).values(document=None)
        )


def waiting_raw(
    ledger: Ledger, platform: str, account: str, limit: int, after: int = 0
) -> list[RawRow]:
    """Documents that nothing was made of yet, or could be, oldest first, from `id` `after` on."""
    c = order_raw.c
    query = (
        select(order_raw)
        .where(
            c.platform == platform,
            c.account == account,
            c.state.in_(["received", "unreadable"]),
            c.document.is_not(None),
            c.id > after,
        )
        .order_by(c.id)
        .limit(limit)
    )
    with ledger.read() as conn:
        return [
            RawRow(
                row.external_id,
                row.sha256,
                row.received_at,
                row.updated_at,
                zlib.decompress(row.document),
                row.state,
                row.reason,
                False,
                row.id,
            )
            for row in conn.execute(query)
        ]


def raw_document(conn: Connection, number: int) -> bytes | None:
    """One document by its id; None: there is none, or it was forgotten."""
    found = conn.execute(select(order_raw.c.document).where(order_raw.c.id == number)).scalar()
    return None if found is None else zlib.decompress(found)


def receipts_of(
    conn: Connection, platform: str, account: str, external_id: str
) -> list[dict[str, Any]]:
    """What came of one order and what became of it, oldest first, without the documents."""
    c = order_raw.c
    query = (
        select(
            *(c.id, c.sha256, c.received_at, c.updated_at, c.state, c.reason),
            c.document.is_(None).label("forgotten"),
        )
        .where(c.platform == platform, c.account == account, c.external_id == external_id)
        .order_by(c.id)
    )
    rows = [dict(row) for row in conn.execute(query).mappings()]
    return [{**row, "forgotten": bool(row["forgotten"])} for row in rows]


def forget_raw(conn: Connection, platform: str, account: str, external_id: str) -> int:
    """Empty the documents of one order; how many had anything in them. What waits to be taken in
    is taken in no more."""
    c = order_raw.c
    of_it = (c.platform == platform, c.account == account, c.external_id == external_id)
    conn.execute(update(order_raw).where(*of_it, c.state == "received").values(state="superseded"))
    emptied = update(order_raw).where(*of_it, c.document.is_not(None)).values(document=None)
    return conn.execute(emptied).rowcount


def empty_forgotten(conn: Connection, ids: Sequence[int]) -> None:
    """Empty those of some documents whose order was forgotten."""
    if not ids:
        return
    c, o = order_raw.c, orders.c
    gone = (
        select(o.id)
        .where(
            *(o.platform == c.platform, o.account == c.account, o.external_id == c.external_id),
            o.forgotten_at.is_not(None),
        )
        .exists()
    )
    conn.execute(update(order_raw).where(c.id.in_([*ids]), gone).values(document=None))


def forgotten_since(conn: Connection, platform: str, account: str, since: str) -> list[str]:
    """External ids of forgotten orders of which something came since a time (ISO)."""
    c, o = order_raw.c, orders.c
    query = (
        select(o.external_id)
        .distinct()
        .join(
            order_raw,
            and_(
                *(o.platform == c.platform, o.account == c.account),
                o.external_id == c.external_id,
            ),
        )
        .where(
            *(o.platform == platform, o.account == account, o.forgotten_at.is_not(None)),
            c.received_at >= since,
        )
        .order_by(o.external_id)
    )
    return list(conn.execute(query).scalars())
