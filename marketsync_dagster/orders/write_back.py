"""What happened to orders, as commands to their source: parcels with their tracking, and the money
of what came back.

Nothing is called here; `orders.telling` does that, when the source is ready for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from marketsync_dagster.config.orders import POS, OrderSettings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.open_orders import (
    back_or_lost,
    returned_to,
    with_untold_parcels,
)
from marketsync_dagster.ledger.order_commands import (
    UNSETTLED,
    CommandRow,
    CommandState,
    commands_of,
)
from marketsync_dagster.ledger.order_tasks import Task, answer, ask, last_answer, was_asked
from marketsync_dagster.ledger.orders import BookLine, BookOrder, orders_to_change
from marketsync_dagster.ledger.shipments import Shipment, shipments_of
from marketsync_dagster.orders.amounts import still_refundable
from marketsync_dagster.orders.came_back import ask_for_refund
from marketsync_dagster.orders.gates import SHIPPING
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.orders.states import DROPPED
from marketsync_dagster.orders.tracking import (
    carrier_command,
    carrier_task,
    has_tracking,
    lacks_carrier,
    name_of_parcel,
    parcel_key,
    tracking_of,
)
from marketsync_dagster.orders.wanting import payload_of, want
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.values.money import to_decimal
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.times import to_iso, utcnow

AT_ONCE = 200
"""Orders of one transaction."""

OPEN = (*UNSETTLED, "refused")
"""States of refunds that may still come to something."""
REPLACED: tuple[CommandState, ...] = ("waiting", "refused")
"""States of tracking numbers that another one replaces."""
UNTOLD = "drop"
"""How people answer that a parcel is told without its number, for nobody knows who carries it."""
RECENT = timedelta(minutes=10)
"""Parcels of so long ago are looked at again, whatever the clocks say."""

K = CommandKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """One command that write-back wants."""

    kind: CommandKind
    key: str
    payload: Mapping[str, object]
    reason: str
    parcel: Shipment | None = None
    """Whose way it tells."""


def write_back(
    ledger: Ledger,
    source: str,
    settings: OrderSettings,
    can: OrderCapabilities,
    *,
    by: str,
    now: datetime | None = None,
    observe: Observer = unobserved,
) -> Counter[str]:
    """Queue what the source of orders was not told of yet: `wanted` commands, of `orders`, and
    `tasks`."""
    numbers: Counter[str] = Counter()
    with ledger.read() as conn:
        recent = to_iso((now or utcnow()) - RECENT)
        told_of = with_untold_parcels(conn, source, recent)
        returned = returned_to(conn, source, POS)
        lost = back_or_lost(conn, source)
    ids = list(dict.fromkeys([*told_of, *returned, *lost]))
    for first in range(0, len(ids), AT_ONCE):
        part = ids[first : first + AT_ONCE]
        with ledger.begin() as conn:
            at = to_iso(now or utcnow())
            orders = orders_to_change(conn, source, part)
            parcels, commands = shipments_of(conn, part), commands_of(conn, part)
            for one in part:
                order, there = orders[one], commands.get(one, [])
                wanted = parcels_to_tell(order, parcels.get(one, []), there, settings, can)
                if can.needs_carrier:
                    wanted = _with_carriers(conn, order, wanted, there, at, numbers)
                wanted += _came_back(
                    conn, order, returned.get(one, ()), there, settings, can, at, numbers
                )
                for line_id in {*lost.get(one, ())} - {*returned.get(one, ())}:
                    left = still_refundable(order, line_id, there, goods_only=True)
                    became = order.line(line_id).state.value
                    numbers["tasks"] += ask_for_refund(conn, order, line_id, became, left, at)
                new = [each for each in wanted if _queued(conn, order, each, there, by, at)]
                numbers["wanted"] += len(new)
                numbers["orders"] += bool(new)
            observe("updates_written")
        observe("updates_wanted")
    return numbers


def parcels_to_tell(
    order: BookOrder,
    parcels: Sequence[Shipment],
    commands: Sequence[CommandRow],
    settings: OrderSettings,
    can: OrderCapabilities,
) -> list[Wanted]:
    """The commands that tell a source of an order's parcels. Pure.

    One parcel with everything is the tracking number and the order as shipped. Otherwise each
    parcel is told by itself, where the source takes parcels; where it does not, the order is
    called shipped once everything has left.
    """
    if not parcels:
        return []
    told = [one for one in commands if one.kind in SHIPPING and one.state != "dropped"]
    in_parcels = any(one.kind is K.PARCEL for one in told)
    shipped = any(one.kind is K.SHIP for one in told)
    all_left = _all_left(order, parcels)
    whole = (len(parcels) == 1 and all_left and not in_parcels) or shipped
    if not whole and can.several_parcels:
        return [_parcel(order, one, settings) for one in parcels]
    if not (whole or all_left):
        return []
    tracking = _first_tracking(parcels, settings)
    wanted = [tracking] if tracking is not None else []
    return [*wanted, Wanted(K.SHIP, "ship", {}, "everything has left")]


def told_now(
    row: CommandRow, order: BookOrder, parcels: Sequence[Shipment], settings: OrderSettings
) -> Wanted | None:
    """What a command about a parcel would say by now; None: it is about none that is known."""
    if row.kind is K.TRACKING:
        return _first_tracking(parcels, settings)
    its = (_parcel(order, one, settings) for one in parcels if parcel_key(one) == row.key)
    return next(its, None)


def _first_tracking(parcels: Sequence[Shipment], settings: OrderSettings) -> Wanted | None:
    numbered = [one for one in parcels if has_tracking(one)]
    return _tracking(numbered[0], settings, len(parcels)) if numbered else None


def _tracking(parcel: Shipment, settings: OrderSettings, parcels: int) -> Wanted:
    tracking = tracking_of(parcel, settings)
    # another number is another command: the one before may have been told
    text = repr((tracking.carrier, tracking.number, tracking.url))
    key = f"tracking {sha256(text.encode()).hexdigest()[:12]}"
    reason = "it has a tracking number" + (f", the first of {parcels}" if parcels > 1 else "")
    return Wanted(K.TRACKING, key, payload_of(tracking=tracking), reason, parcel)


def _parcel(order: BookOrder, parcel: Shipment, settings: OrderSettings) -> Wanted:
    tracking = tracking_of(parcel, settings) if has_tracking(parcel) else None
    payload = payload_of(lines=_pieces(order, parcel), tracking=tracking)
    return Wanted(K.PARCEL, parcel_key(parcel), payload, f"parcel {parcel.key} has left", parcel)


def _pieces(order: BookOrder, parcel: Shipment) -> dict[str, int]:
    """Line -> pieces of a parcel; one that names none has all."""
    if parcel.lines:
        return dict(parcel.lines)
    return {line.line_id: line.quantity - line.cancelled for line in _sent(order)}


def _sent(order: BookOrder) -> list[BookLine]:
    """The lines that are sent, or were."""
    return [
        line
        for line in order.lines
        if line.state not in DROPPED and line.vanished_at is None and line.quantity > line.cancelled
    ]


def _all_left(order: BookOrder, parcels: Sequence[Shipment]) -> bool:
    """Whether these parcels have all pieces of an order that are sent."""
    left: Counter[str] = Counter()
    for parcel in parcels:
        left.update(_pieces(order, parcel))
    return all(left[line.line_id] >= line.quantity - line.cancelled for line in _sent(order))


def _with_carriers(
    conn: Connection,
    order: BookOrder,
    wanted: Sequence[Wanted],
    commands: Sequence[CommandRow],
    at: str,
    numbers: Counter[str],
) -> list[Wanted]:
    """What a source that takes no tracking number without its carrier can be told. People are asked
    who carries the rest (`numbers["tasks"]`); until they say so, what tells of it waits."""
    begun = {one.key for one in commands if one.state != "waiting"}
    ready: list[Wanted] = []
    waits = False
    for one in wanted:
        if one.kind is K.SHIP and waits:
            continue
        if one.parcel is None or not lacks_carrier(one.parcel):
            ready.append(one)
        elif one.key in begun:
            continue
        elif not last_answer(conn, carrier_task(one.parcel.id)).startswith(f"{UNTOLD}:"):
            numbers["tasks"] += _ask_for_carrier(conn, order, one.parcel, at)
            waits = waits or one.kind is K.TRACKING
        elif one.kind is K.PARCEL:
            untold = {name: said for name, said in one.payload.items() if name != "tracking"}
            ready.append(replace(one, payload=untold))
    return ready


def _ask_for_carrier(conn: Connection, order: BookOrder, parcel: Shipment, at: str) -> int:
    lines = ", ".join(f"{n} of line {line}" for line, n in sorted(_pieces(order, parcel).items()))
    number = parcel.tracking_number or parcel.tracking_url
    question = (
        f"Who carries {number}, with {lines} of order {order.number}? "
        f"{order.account} takes no tracking number without its carrier (drop: it is told without)"
    )
    without = f"marketsync orders resolve {{task}} --answer {UNTOLD} --by NAME --reason WHY"
    commands = (
        f"{carrier_command(order.id, name_of_parcel(parcel))} --by NAME --reason WHY",
        without,
    )
    task = Task(
        carrier_task(parcel.id), order.id, parcel.id, "carrier_needed", question, commands, at
    )
    return len(ask(conn, [task]))


def _queued(
    conn: Connection,
    order: BookOrder,
    one: Wanted,
    commands: Sequence[CommandRow],
    by: str,
    at: str,
) -> bool:
    """Queue what is wanted; what was refused goes once more when it says something else by now."""
    before = instead_of(one, commands)
    new = want(
        conn, order, one.kind, one.key, one.payload,
        by=by, reason=one.reason, at=at, instead=before,
    )  # fmt: skip
    if new and one.parcel is not None:
        answer(conn, carrier_task(one.parcel.id), "its carrier is known", by, at)
    return new


def instead_of(one: Wanted, commands: Sequence[CommandRow]) -> CommandRow | None:
    """The command about the same parcel that came to nothing so far and says something else: the
    wanted one takes its place, so that an order is not called shipped before it."""
    if one.kind not in (K.TRACKING, K.PARCEL):
        return None
    same = next((row for row in commands if row.key == one.key), None)
    if same is not None:
        return same if same.state == "refused" and same.payload != one.payload else None
    if one.kind is K.PARCEL:
        return None
    old = [row for row in commands if row.kind is K.TRACKING and row.state in REPLACED]
    return old[-1] if old else None


def _came_back(
    conn: Connection,
    order: BookOrder,
    line_ids: Sequence[str],
    commands: Sequence[CommandRow],
    settings: OrderSettings,
    can: OrderCapabilities,
    at: str,
    numbers: Counter[str],
) -> list[Wanted]:
    """The money of lines that a till took back, once for each. People are asked for the reason
    code, where the platform wants one and none is said (`numbers["tasks"]`)."""
    # what was given back already is in the book
    open_ = [one for one in commands if one.kind is K.REFUND and one.state in OPEN]
    asked_for = {line for one in open_ for line in _lines_of(one)}
    wanted: list[Wanted] = []
    for line_id in line_ids:
        line = order.line(line_id)
        if line_id in asked_for:
            continue
        minor = still_refundable(order, line_id, commands, goods_only=True)
        if not minor:
            continue
        amount = to_decimal(minor, order.currency)
        if can.refund_reasons and K.REFUND in can.commands and not settings.refund_reason:
            asked = _ask_for_reason(conn, order, line, str(amount), at)
            numbers["tasks"] += asked
            continue
        payload = payload_of(
            lines={line_id: line.quantity - line.cancelled},
            amounts={line_id: amount},
            reason_code=settings.refund_reason,
        )
        reason = f"line {line_id} came back to the outlet"
        wanted.append(Wanted(K.REFUND, f"refund of return {line_id}", payload, reason))
    return wanted


def _lines_of(command: CommandRow) -> set[str]:
    return set(command.payload.get("amounts", {}))


def reason_task(order_id: str, line_id: str) -> str:
    """The key of the question for the reason code of a refund."""
    return f"refund {order_id} {line_id}"


def _ask_for_reason(
    conn: Connection, order: BookOrder, line: BookLine, amount: str, at: str
) -> int:
    question = (
        f"Line {line.line_id} of order {order.number} came back. {order.account} wants a reason "
        "code for the refund, and accounts.*.orders.refund_reason says none: which one?"
    )
    command = (
        f"marketsync orders refund {order.id} --line {line.line_id}={amount} --code CODE "
        "--by NAME --reason WHY"
    )
    key = reason_task(order.id, line.line_id)
    if was_asked(conn, key):
        return 0
    task = Task(key, order.id, line.line_id, "command_refused", question, (command,), at)
    return len(ask(conn, [task]))
