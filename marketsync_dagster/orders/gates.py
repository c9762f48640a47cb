"""Whether a command may go to its source now: pure, by what the book knows of the order.

Time-driven states are respected: what has left is told only when the source wants it shipped, which
Mirakl says after the debit; no call is wasted on finding that out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from marketsync_dagster.ledger.order_commands import CommandRow
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders.states import DROPPED, has_left
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.values.order_states import CommandKind, OrderState

S, K = OrderState, CommandKind

SHIPPING = frozenset({K.TRACKING, K.SHIP, K.PARCEL})
CANCELLING = frozenset({K.CANCEL, K.CANCEL_LINES})
TO_BE_SHIPPED = frozenset({S.IN_PREPARATION, S.READY_TO_SHIP})
"""What a source says of an order that it wants shipped."""

PEOPLE = frozenset({"person", "changed"})
"""Holds under which an order is neither accepted nor refused, though it was decided before."""


class Gate(Enum):
    """What becomes of a command now."""

    SEND = "send"
    WAIT = "wait"
    """For its source to go on."""
    LOOK_UP = "look_up"
    """Its source may have it done already."""
    DONE = "done"
    """Its source says so by itself."""
    DROP = "drop"
    """It was overtaken."""
    LOCAL = "local"
    """Our word alone makes it so."""
    RECORD = "record"
    """The source has no such call: kept here."""


def gate(
    row: CommandRow,
    order: BookOrder,
    can: OrderCapabilities,
    at: str,
    held: Collection[str] = (),
) -> tuple[Gate, str]:
    """What becomes of a waiting command at the time `at` (ISO), and why. `held`: the kinds of the
    order's holds."""
    judged, words = _gate(row, order, can, at)
    waits = sorted(PEOPLE.intersection(held))
    if row.kind is K.ACCEPT and waits and judged not in (Gate.DROP, Gate.LOOK_UP):
        return Gate.WAIT, f"it is held: {', '.join(waits)}"
    return judged, words


def _gate(row: CommandRow, order: BookOrder, can: OrderCapabilities, at: str) -> tuple[Gate, str]:
    said = order.remote_state
    if row.kind in can.local:
        return Gate.LOCAL, "nobody else is to be told"
    if row.kind not in can.commands:
        return Gate.RECORD, f"{order.platform} has no such call"
    if row.kind is K.ACCEPT:
        return _accept(order, at)
    if row.kind is K.REFUND:
        return Gate.SEND, ""
    if said is not None and said in DROPPED:
        words = f"its source says that it is {said.value}"
        return (Gate.DONE if row.kind is K.CANCEL and said is S.CANCELLED else Gate.DROP), words
    if row.kind in CANCELLING:
        if said is not None and has_left(said):
            return Gate.DROP, f"its source says that it is {said.value}"
        return Gate.SEND, ""
    if said is not None and has_left(said):
        words = f"its source says that it is {said.value}"
        return (Gate.DONE if row.kind is K.SHIP else Gate.DROP), words
    if can.tells_readiness and said not in TO_BE_SHIPPED:
        words = said.value if said else "something unknown"
        return Gate.WAIT, f"its source does not want it shipped yet: it says {words}"
    return Gate.SEND, ""


def _accept(order: BookOrder, at: str) -> tuple[Gate, str]:
    said = order.remote_state
    if said is not None and said in DROPPED:
        return Gate.DROP, f"its source says that it is {said.value}"
    if said is not None and said is not S.NEW:
        return Gate.LOOK_UP, ""
    if order.accept_by and order.accept_by < at:
        return Gate.DROP, f"it had to be answered by {order.accept_by}"
    return Gate.SEND, ""


def blocked_by(row: CommandRow, others: Sequence[CommandRow]) -> CommandRow | None:
    """The older command of the same order that has to end first; None: there is none.

    Nothing overtakes what may or may not be done. Parcels go in their order, and an order is not
    called shipped while its tracking number waits, or was refused and nobody has decided. What
    waits to be shipped keeps back neither a cancellation nor money.
    """
    for one in others:
        if one.id >= row.id:
            continue
        if one.state in ("intended", "unknown"):
            return one
        if one.kind is K.TRACKING and row.kind is K.SHIP and one.state == "refused":
            return one
        if one.state == "waiting" and (one.kind not in SHIPPING or row.kind in SHIPPING):
            return one
    return None
