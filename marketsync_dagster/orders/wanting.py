"""What a source is to be told, as the journal keeps it: wanted once for each thing that it is
about, whoever wants it and however often."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from marketsync_dagster.ledger.order_commands import (
    SURELY_NOT,
    CommandRow,
    commands_of,
    new_command_id,
    save_commands,
)
from marketsync_dagster.ledger.order_events import Kind, OrderEvent, record_events
from marketsync_dagster.ledger.order_tasks import answer
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.ledger.restored import in_doubt, read_since
from marketsync_dagster.platforms.ordering import Command, Tracking
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.times import from_iso

ADDS_UP = frozenset({CommandKind.PARCEL, CommandKind.CANCEL_LINES, CommandKind.REFUND})
"""What is there twice when it is done twice."""
KNOWN = "known"
"""Where a payload has the ids of what was there before its first call."""
HAD = "had"
"""Where a payload has what the book counted of its lines (pieces cancelled, or money paid back in
minor units) before the call: a pull may count its effect before the answer is heard."""


def payload_of(
    *,
    accepted: Mapping[str, bool] | None = None,
    lines: Mapping[str, int] | None = None,
    tracking: Tracking | None = None,
    amounts: Mapping[str, Decimal] | None = None,
    shipping_amounts: Mapping[str, Decimal] | None = None,
    reason_code: str = "",
) -> dict[str, Any]:
    """What a command says beside the order it is about; nothing empty. Amounts in major units."""
    said: dict[str, Any] = {
        "accepted": dict(accepted or {}),
        "lines": dict(lines or {}),
        "tracking": _tracking(tracking) if tracking else {},
        "amounts": {line: str(amount) for line, amount in (amounts or {}).items()},
        "shipping_amounts": {k: str(amount) for k, amount in (shipping_amounts or {}).items()},
        "reason_code": reason_code,
    }
    return {name: value for name, value in said.items() if value}


def _tracking(tracking: Tracking) -> dict[str, str]:
    return {
        "carrier_code": tracking.carrier_code,
        "carrier": tracking.carrier,
        "number": tracking.number,
        "url": tracking.url,
    }


def command_from(row: CommandRow, order: BookOrder) -> Command:
    """The command as its source is told it; the same for every try."""
    said = row.payload
    return Command(
        kind=row.kind,
        external_id=order.external_id,
        lines=said.get("lines", {}),
        accepted=said.get("accepted", {}),
        tracking=Tracking(**said["tracking"]) if "tracking" in said else None,
        amounts={k: Decimal(v) for k, v in said.get("amounts", {}).items()},
        shipping_amounts={k: Decimal(v) for k, v in said.get("shipping_amounts", {}).items()},
        currency=order.currency,
        reason_code=said.get("reason_code", ""),
        reference=reference_of(row),
        details=order.details,
        known=tuple(said.get(KNOWN, ())),
    )


def want(
    conn: Connection,
    order: BookOrder,
    kind: CommandKind,
    key: str,
    payload: Mapping[str, Any],
    *,
    by: str,
    reason: str,
    at: str,
    not_before: str = "",
    anew: bool = False,
    instead: CommandRow | None = None,
) -> bool:
    """Queue a command (`payload_of`); False: there is one of this key, which is on its way or has
    ended. One that still waits says what is wanted now.

    `anew`, of a person: one that was refused or dropped, so that for certain nothing came of it, is
    made once more. `instead`: one for certain without effect, whose place among the others this one
    takes. Whoever wants has locked the source (`ledger.orders.orders_to_change`).
    """
    others = commands_of(conn, [order.id]).get(order.id, [])
    there = instead or next((one for one in others if one.key == key), None)
    once_more = SURELY_NOT if anew or instead else ()
    if there is not None and there.state not in ("waiting", *once_more):
        return False
    if there is not None and there.state == "waiting" and there.payload == payload:
        return False
    doubt = _doubt(conn, order, kind)
    row = CommandRow(
        id=there.id if there else new_command_id(from_iso(at), others),
        order_id=order.id,
        key=key,
        kind=kind,
        payload=payload,
        state="unknown" if doubt else "waiting",
        created_at=at,
        created_by=by,
        reason=reason,
        intended_at=doubt or None,
        not_before=not_before,
    )
    save_commands(conn, [row])
    record_events(conn, [event_of(row, "intended", at, "wanted", reason, by)])
    if there is not None and there.state != "waiting":
        answer(conn, question_of(row), "made once more", by, at)
    return True


def reference_of(row: CommandRow) -> str:
    """What the command is called at its source: the same whoever makes it, and however often, so
    that it is found even by a ledger that has forgotten it."""
    said = f"{row.order_id}\0{row.key}"
    return f"command-{sha256(said.encode()).hexdigest()[:24]}"


def _doubt(conn: Connection, order: BookOrder, kind: CommandKind) -> str:
    """When the ledger was brought back from a backup, if the same may have been done before and
    would be there twice; empty: it would not."""
    if kind not in ADDS_UP:
        return ""
    at = in_doubt(conn, order.id)
    # a pull tells of money and cancelled pieces, and of no parcels
    told = kind is not CommandKind.PARCEL and read_since(conn, order.account, at)
    return "" if told else at


def question_of(row: CommandRow) -> str:
    """The key of what people are asked about a command."""
    return f"command {row.id}"


def name_of(row: CommandRow) -> str:
    """What a command is called in histories: `ship`, `parcel 3f9a...`."""
    return row.key if row.key.startswith(row.kind.value) else f"{row.kind.value} {row.key}"


def event_of(row: CommandRow, kind: Kind, at: str, after: str, reason: str, by: str) -> OrderEvent:
    """Something that happened to a command, for the order's history."""
    return OrderEvent(
        row.order_id, at, kind, after=f"{name_of(row)}: {after}", by=by, reason=reason
    )
