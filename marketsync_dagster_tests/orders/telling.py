"""Orders as a source tells them, for tests; and what the book makes of them without a ledger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marketsync_dagster.ledger.order_holds import HoldKind
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders.lines import with_pieces
from marketsync_dagster.orders.merge import Known, Merged, merge, standing
from marketsync_dagster.orders.resolve import Resolved
from marketsync_dagster.platforms.ordering import Person, PulledLine, PulledOrder
from marketsync_dagster.values.order_states import OrderFlag, OrderState

SOURCE, PLATFORM = "best_buy", "mirakl"
DAY = "2026-11-21T"
EARLIER, BEFORE, LATER = (f"{DAY}{hour:02}:00:00.000Z" for hour in (5, 6, 7))
"""Times of documents; what the book has is usually of `BEFORE`."""
AT = f"{DAY}09:00:00.000Z"
LISA = Person("Lisa", "Wanjiru", street_1="Moi Avenue 4", city="Nairobi", phone="+254700")


def resolve(_source: str, offer_sku: str, outlet_said: str = "") -> Resolved:
    """Every product is one of westlands, but those whose names begin with X."""
    if offer_sku.startswith("X"):
        return Resolved(problem=f"westlands has no product {offer_sku!r}")
    return Resolved(outlet_said or "westlands", offer_sku)


def a_line(line_id: str = "1", **said: Any) -> PulledLine:
    """One line: two pieces of 10.00, new."""
    known: dict[str, Any] = {
        "line_id": line_id,
        "offer_sku": f"S{line_id}",
        "quantity": 2,
        "unit_price": Decimal("10.00"),
        "total": Decimal("20.00"),
        "state": OrderState.NEW,
        "raw_state": "WAITING_ACCEPTANCE",
    }
    if "state" in said and "raw_state" not in said:
        state = said["state"]
        known["raw_state"] = state.value.upper() if state else ""
    return PulledLine(**{**known, **said})


def an_order(*lines: PulledLine, **said: Any) -> PulledOrder:
    """One order; without lines it has one."""
    known: dict[str, Any] = {
        "external_id": "A-1",
        "currency": "KES",
        "created_at": EARLIER,
        "updated_at": BEFORE,
        "lines": lines or (a_line(),),
        "total": Decimal("20.00"),
    }
    return PulledOrder(**{**known, **said})


def told(known: Known | None, pulled: PulledOrder, **more: Any) -> Merged:
    """What the book says after `pulled`."""
    said = {"source": SOURCE, "platform": PLATFORM, "at": AT, "by": SOURCE} | more
    return merge(known, pulled, resolve, **said)


def known(
    pulled: PulledOrder,
    *,
    states: Mapping[str, OrderState] | None = None,
    persons: Mapping[Any, Person] | None = None,
    forwarded: Collection[str] = (),
    **changes: Any,
) -> Known:
    """What the ledger has after `pulled` came, and after lines went to `states` by us."""
    merged = told(None, pulled)
    # who accepted it elsewhere was asked long ago
    held = frozenset[HoldKind](one.kind for one in merged.holds if one.kind != "manual")
    order = standing(
        replace(merged.order, flags=merged.order.flags - {OrderFlag.ON_HOLD}), AT, held=bool(held)
    )
    if states:
        lines = tuple(
            with_pieces(replace(line, state=states.get(line.line_id, line.state)))
            for line in order.lines
        )
        order = standing(replace(order, lines=lines), AT, held=bool(held))
    there = merged.persons if persons is None else persons
    return Known(replace(order, **changes), there, held, forwarded)


def kinds(merged: Merged) -> list[tuple[str, str]]:
    """(kind, line) of the events, in their order."""
    return [(event.kind, event.line_id) for event in merged.events]


def states(order: BookOrder) -> list[str]:
    """Of the lines."""
    return [line.state.value for line in order.lines]


def words(merged: Merged, kind: str) -> Sequence[str]:
    """The reasons of events of one kind."""
    return [event.reason for event in merged.events if event.kind == kind]
