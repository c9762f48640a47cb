"""Pieces of a forward: what has left, what is still wanted of its destination, whether that is all.

Pure. `Forward.lines` of what a destination has is what it has, whatever the order says by now; it
becomes less only when a person has said that the destination knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from marketsync_dagster.ledger.forwards import HERE, Forward
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.ledger.shipments import Shipment
from marketsync_dagster.orders.states import DROPPED, has_left


@dataclass(frozen=True, slots=True)
class Carried:
    """What parcels have carried of an order, in pieces of each line."""

    mine: Mapping[str, int] = field(default_factory=dict)
    """In parcels of one forward."""
    others: Mapping[str, int] = field(default_factory=dict)
    """In all others: of other forwards, or told by people."""


NOTHING = Carried()


def carried(one: Forward, parcels: Iterable[Shipment]) -> Carried:
    """What has left of an order, as one of its forwards sees it."""
    mine, others = Counter[str](), Counter[str]()
    for parcel in parcels:
        (mine if parcel.forward_id == one.id else others).update(parcel.lines)
    return Carried(mine, others)


def is_meant(order: BookOrder, one: Forward, line_id: str) -> bool:
    """Whether a line is still what it was when it was routed, and where."""
    line = order.line(line_id)
    if line.state in DROPPED:
        return False
    same = line.outlet == one.outlet and one.skus.get(line_id, "") in ("", line.sku)
    return same or has_left(line.state)


def room(order: BookOrder, one: Forward, line_id: str, had: Carried) -> int:
    """The most pieces of a line that a forward may send: what was ordered and not cancelled, less
    what has left by other means."""
    if not is_meant(order, one, line_id):
        return 0
    line = order.line(line_id)
    return max(line.quantity - line.cancelled - had.others.get(line_id, 0), 0)


def wanted(order: BookOrder, one: Forward, had: Carried = NOTHING) -> dict[str, int]:
    """Line -> pieces of a live forward that are still wanted of its destination.

    What it does not have yet follows the order, upwards too. What it has is wanted as far as there
    is room for it in its line, or in another line of the forward with the same SKU: goods are not
    taken back from one line to be ordered anew for another.
    """
    if one.state in HERE:
        meant = (order.line(line_id) for line_id in one.lines if is_meant(order, one, line_id))
        return {line.line_id: line.open for line in meant if line.open and not has_left(line.state)}
    rooms = {line_id: room(order, one, line_id, had) for line_id in one.lines}
    found = {line_id: min(pieces, rooms[line_id]) for line_id, pieces in one.lines.items()}
    spare = Counter[str]()
    for line_id, pieces in one.lines.items():
        spare[one.skus.get(line_id, "")] += pieces - found[line_id]
    spare.pop("", None)
    for line_id in one.lines:
        sku = one.skus.get(line_id, "")
        more = min(rooms[line_id] - found[line_id], spare[sku])
        found[line_id] += more
        spare[sku] -= more
    return {line_id: pieces for line_id, pieces in found.items() if pieces}


def all_left(
    order: BookOrder,
    one: Forward,
    had: Carried,
    beyond: Mapping[str, int] | None = None,
    *,
    but_dropped: bool = False,
) -> bool:
    """Whether nothing more is to be sent of a forward: its own pieces have left, as far as they
    are wanted, or its source says that of the lines.

    `beyond`: pieces that it sent and that nobody wants. `but_dropped`: cancelled lines need not
    have left, if any other has.
    """
    rest = []
    for line_id, pieces in one.lines.items():
        sent = had.mine.get(line_id, 0) + (beyond or {}).get(line_id, 0)
        if sent >= pieces:
            continue
        most = room(order, one, line_id, had)
        if most > 0 and (sent >= most or has_left(order.line(line_id).state)):
            continue
        rest.append(line_id)
    if but_dropped and len(rest) < len(one.lines):
        return all(order.line(line_id).state in DROPPED for line_id in rest)
    return not rest
