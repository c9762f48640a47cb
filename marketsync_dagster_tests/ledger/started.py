"""Imports that have been started, as a sender leaves them in the ledger: plan, push, batch, rows
that are with the platform, and the import with its id."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection, insert, select

from marketsync_dagster.ledger import imports, pushes
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.imports import ImportPart, OpenImport
from marketsync_dagster.ledger.listings import ItemRow, Source, acknowledge
from marketsync_dagster.ledger.products import OfferedProduct, write_offered
from marketsync_dagster.values.outcomes import Outcome

AT = "2026-11-21T10:00:00.000Z"
ACCOUNT, PLATFORM, TARGET = "bestbuy", "mirakl", "mirakl|host|2000"


@dataclass(frozen=True)
class Start:
    """One import to be: outlet -> its SKUs, in the order of the lines."""

    rows: Mapping[str, Sequence[str]]
    import_id: str = "2044"
    kind: str = "offers"
    at: str = AT
    price: int = 100
    closed: bool = True
    account: str = ACCOUNT
    platform: str = PLATFORM


def start(ledger: Ledger, said: Start) -> str:
    """Journal the import; returns our key. Each outlet has a push of its own, `push-KEY-OUTLET`."""
    with ledger.begin() as connection:
        return start_in(connection, said)


def start_in(connection: Connection, said: Start) -> str:
    """`start` in the caller's transaction."""
    key = f"import-{said.import_id}"
    if connection.execute(select(t.push_import.c.id).where(t.push_import.c.id == key)).scalar():
        key += "-again"
    parts, line = [], 0
    for outlet, skus in said.rows.items():
        push_id = push_of(key, outlet)
        _push(connection, push_id, outlet, skus, said)
        pushes.intend(connection, push_id, [(1, 0, len(skus))], said.at)
        parts.append(ImportPart(push_id, 1, line))
        line += len(skus)
    kind, account = said.kind, said.account
    imports.intend_import(connection, key, account, said.platform, kind, line, parts, said.at)
    assert imports.start_import(connection, key, said.import_id, said.at)
    for outlet, skus in said.rows.items():
        push_id, waits = push_of(key, outlet), Outcome.ACCEPTED_ASYNC.value
        source = Source(outlet, said.platform, account, TARGET, f"x-{outlet}", said.at, push_id)
        items: list[ItemRow] = [
            (sku, f"id-{sku}", said.price, "KES", "in_stock", 3, waits, "taken", at)
            for at, sku in enumerate(skus, start=2)
        ]
        acknowledge(connection, source, 1, items, said.at)
        if said.kind == "offers":
            offered = [OfferedProduct(sku, "f", Outcome.ACCEPTED_ASYNC) for sku in skus]
            write_offered(connection, outlet, said.platform, offered, said.at)
        outcomes = {waits: len(skus)}
        pushes.answer_batch(
            *(connection, push_id, 1),
            state="answered",
            attempts=1,
            outcomes=outcomes,
            message="taken",
            at=said.at,
        )
        if said.closed:
            pushes.close_push(
                *(connection, push_id),
                state="done",
                outcomes=outcomes,
                item_count=len(skus),
                calls=1,
                seconds=1.0,
                response_code=201,
                response_message="with the platform",
                error_details="",
            )
    return key


def push_of(key: str, outlet: str) -> str:
    """The push of an outlet in an import."""
    return f"push-{key}-{outlet}"


def opened(ledger: Ledger, key: str, account: str = ACCOUNT) -> OpenImport:
    """An open import by our key."""
    return next(one for one in imports.open_imports(ledger, account) if one.key == key)


def rows_in(ledger: Ledger, table: Any, **where: Any) -> list[dict[str, Any]]:
    """Rows of a table, by its key."""
    query = select(table).where(*(table.c[name] == value for name, value in where.items()))
    with ledger.read() as connection:
        found = connection.execute(query.order_by(*table.primary_key.columns)).mappings()
        return [dict(row) for row in found]


def outcomes(ledger: Ledger, outlet: str) -> dict[str, tuple[str, str]]:
    """SKU -> outcome and message of a channel's listings."""
    rows = rows_in(ledger, t.listing, outlet=outlet)
    return {row["sku"]: (row["outcome"], row["message"]) for row in rows}


def _push(
    connection: Connection, push_id: str, outlet: str, skus: Sequence[str], said: Start
) -> None:
    frame = pd.DataFrame({"sku": list(skus)})
    frame["platform_sku"] = [f"{outlet}-{sku}" for sku in skus]
    frame["disposition"], frame["extract_id"] = "sent", f"x-{outlet}"
    frame["price_minor"], frame["pos_price_minor"] = said.price, said.price
    frame["currency"], frame["rule"], frame["matched_by"] = "KES", "as it is", "identity"
    data = io.BytesIO()
    frame.to_parquet(data)
    extract = {"id": f"x-{outlet}", "outlet": outlet, "sha256": f"{outlet:0>64}", "file": "f.csv"}
    extract |= {"coverage": "full", "extract_time": said.at, "time_source": "name"}
    extract |= {"read_at": said.at, "state": "accepted", "reason": "", "records": 9}
    extract |= {"accepted": 9, "rejected": 0, "duplicates": 0, "details": "{}"}
    known = select(t.extract.c.id).where(t.extract.c.id == extract["id"])
    if connection.execute(known).scalar() is None:
        connection.execute(insert(t.extract), extract)
    plan = {"id": f"plan-of-{push_id}", "outlet": outlet, "platform": said.platform, "run_id": "r"}
    plan |= {"account": said.account, "created_at": said.at, "created_by": "anna", "mode": "full"}
    plan |= {"kind": "ordinary", "state": "pushed", "extract_id": f"x-{outlet}", "base": ""}
    plan |= {"extract_time": said.at, "content": "", "catalog_rows": len(skus), "unmapped": 0}
    plan |= {"held": 0, "unchanged": 0, "deselected": 0, "to_send": len(skus), "calls": 1}
    connection.execute(insert(t.plan), plan | {"verdict": "[]", "rows": data.getvalue()})
    record = pushes.PushRecord(
        id=push_id,
        plan_id=f"plan-of-{push_id}",
        outlet=outlet,
        platform=said.platform,
        account=said.account,
        run_id="r",
        push_type="full",
        created_by="anna",
        started_at=said.at,
        item_count=len(skus),
    )
    pushes.open_push(connection, record)
