"""Orders as people are shown them: what one waits for, in words, and one order as a document with
its whole history. Nobody's name, street, mail or phone is in it unless it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.forwards import Forward, forwards_of
from marketsync_dagster.ledger.order_commands import UNSETTLED, CommandRow, commands_of
from marketsync_dagster.ledger.order_events import as_document, events_of
from marketsync_dagster.ledger.order_holds import Hold, holds_of
from marketsync_dagster.ledger.order_persons import load_persons
from marketsync_dagster.ledger.order_raw import raw_document, receipts_of
from marketsync_dagster.ledger.order_search import deadline_of
from marketsync_dagster.ledger.order_tasks import Task, open_tasks, tasks_of
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.ledger.shipments import shipments_of
from marketsync_dagster.orders.forward_steps import waits
from marketsync_dagster.orders.gates import PEOPLE
from marketsync_dagster.orders.late_lines import late_lines
from marketsync_dagster.values.money import to_decimal
from marketsync_dagster.values.order_states import CommandKind, OrderState

FULFIL = "marketsync run fulfil_orders"
PULL = "marketsync run pull_orders"
PLACE = ("city", "country")
"""Of a person, what is shown without being asked for."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What an order waits for, in words, and what to do."""

    words: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of some orders beside themselves: order -> rows."""

    holds: Mapping[str, Sequence[Hold]]
    tasks: Mapping[str, Sequence[Task]]
    commands: Mapping[str, Sequence[CommandRow]]
    forwards: Mapping[str, Sequence[Forward]]
    routed: bool
    """There are routes: what is to be shipped is sent on."""
    by_themselves: Collection[str]
    """Sources that accept by themselves."""


def around(ledger: Ledger, settings: Settings, order_ids: Collection[str]) -> Around:
    """What `waits_for` needs of these orders."""
    holds: dict[str, list[Hold]] = {}
    asked: dict[str, list[Task]] = {}
    for task in open_tasks(ledger):
        asked.setdefault(task.order_id, []).append(task)
    with ledger.read() as conn:
        for hold in holds_of(conn, order_ids):
            holds.setdefault(hold.order_id, []).append(hold)
        told, sent = commands_of(conn, order_ids), forwards_of(conn, order_ids)
    sources = settings.order_sources().items()
    by_themselves = {source for source, said in sources if said.accept == "platform"}
    return Around(holds, asked, told, sent, bool(settings.routes), by_themselves)


def waits_for(order: BookOrder, there: Around) -> Waits:
    """People first, then the source, then the destination."""
    tasks, holds = there.tasks.get(order.id, ()), there.holds.get(order.id, ())
    if tasks:
        words = f"an answer: {tasks[0].kind}" + (f" and {len(tasks) - 1} more" * (len(tasks) > 1))
        return Waits(words, "marketsync orders tasks")
    told = [one for one in there.commands.get(order.id, ()) if one.state in UNSETTLED]
    decided = next((one for one in told if one.kind is CommandKind.ACCEPT), None)
    if decided and not PEOPLE.intersection(hold.kind for hold in holds):
        taken = any(decided.payload.get("accepted", {}).values())
        verb = "to be asked about" if decided.state == "unknown" else "to be told"
        return Waits(f"its {'acceptance' if taken else 'refusal'} {verb}", FULFIL)
    if holds:
        words = "; ".join(f"{hold.kind}: {hold.reason}" for hold in holds)
        steps = [hold.next_step for hold in holds if hold.next_step]
        return Waits(words, next(iter(steps), f"marketsync orders show {order.id}"))
    if order.ended_at is not None:
        return Waits()
    if told:
        verb = "to be asked about" if told[0].state == "unknown" else "to be told"
        return Waits(f"{order.account} {verb} ({told[0].kind.value})", FULFIL)
    forwards = there.forwards.get(order.id, ())
    live = [one for one in forwards if one.live]
    if live:
        return Waits(", ".join(f"{one.there} ({one.state})" for one in live), FULFIL)
    if there.routed and any(waits(line, forwards) for line in order.lines):
        return Waits("to be sent on", FULFIL)
    if order.state is OrderState.NEW and order.account in there.by_themselves:
        return Waits(f"{order.account} to accept it", PULL)
    return _by_state(order, there.commands.get(order.id, ()))


def _by_state(order: BookOrder, commands: Sequence[CommandRow]) -> Waits:
    if late := late_lines(order, commands):
        named = ", ".join(f"line {line.line_id}" for line in late)
        return Waits(
            f"a decision about {named}", f"marketsync orders accept {order.id} (or refuse)"
        )
    if order.state is OrderState.NEW:
        return Waits("a decision" if not order.decision else "its decision to be told", FULFIL)
    if order.state in (OrderState.AWAITING_PAYMENT, OrderState.ACCEPTED):
        return Waits(f"{order.account} to say that it is paid", PULL)
    if order.state in (OrderState.IN_PREPARATION, OrderState.READY_TO_SHIP):
        return Waits("somebody to ship it", f"marketsync orders show {order.id}")
    return Waits()


def listed(order: BookOrder, there: Around) -> dict[str, Any]:
    """One row of a listing."""
    waiting = waits_for(order, there)
    verb, by = deadline_of(order)
    return {
        "id": order.id,
        "number": order.number,
        "external_id": order.external_id,
        "source": order.account,
        "platform": order.platform,
        "outlet": order.outlet,
        "outlets": sorted(order.outlets - {""}),
        "state": order.state.value,
        "flags": sorted(flag.value for flag in order.flags),
        "currency": order.currency,
        "value": str(to_decimal(order.total_minor, order.currency)),
        "created_at": order.created_at,
        "deadline": by,
        "deadline_of": verb,
        "waits_for": waiting.words,
        "next_step": waiting.next_step,
        "tasks": len(there.tasks.get(order.id, ())),
    }


def whole(
    ledger: Ledger, settings: Settings, order: BookOrder, *, personal: bool = False
) -> dict[str, Any]:
    """One order with all that ever happened to it. Of its persons the city and the country, unless
    `personal`, which has the documents that came, too."""
    there = around(ledger, settings, [order.id])
    with ledger.read() as conn:
        persons = load_persons(conn, [order.id]).get(order.id, {})
        parcels = shipments_of(conn, [order.id]).get(order.id, [])
        receipts = receipts_of(conn, order.platform, order.account, order.external_id)
        if personal:
            for one in receipts:
                document = raw_document(conn, one["id"])
                one["document"] = None if document is None else document.decode("utf-8", "replace")
    remote = order.remote_state.value if order.remote_state else ""
    return {
        **listed(order, there),
        "raw_state": order.raw_state,
        "remote_state": remote,
        "shipping": str(to_decimal(order.shipping_minor, order.currency)),
        "updated_at": order.updated_at,
        "accept_by": order.accept_by,
        "ship_by": order.ship_by,
        "can_cancel": order.can_cancel,
        "decision": order.decision,
        "decided_by": order.decided_by,
        "decided_at": order.decided_at,
        "decided_reason": order.decided_reason,
        "estimated_delivery": order.estimated_delivery,
        "tags": list(order.tags),
        "first_seen_at": order.first_seen_at,
        "changed_at": order.changed_at,
        "ended_at": order.ended_at,
        "forgotten_at": order.forgotten_at,
        "persons": {role: shown_person(said, personal) for role, said in persons.items()},
        "lines": [_line(line, order.currency) for line in order.lines],
        "holds": [_of_order(asdict(one)) for one in there.holds.get(order.id, ())],
        "tasks": [_of_order(asdict(one)) for one in tasks_of(ledger, order.id)],
        "commands": [_of_order(asdict(one)) for one in there.commands.get(order.id, ())],
        "forwards": [_of_order(asdict(one)) for one in there.forwards.get(order.id, ())],
        "shipments": [_of_order(asdict(one)) for one in parcels],
        "events": [as_document(one) for one in events_of(ledger, order.id)],
        "receipts": receipts,
    }


def shown_person(said: Mapping[str, str], personal: bool) -> dict[str, str]:
    """A person, or where the person is."""
    return {name: text for name, text in said.items() if personal or name in PLACE}


def _line(line: BookLine, currency: str) -> dict[str, Any]:
    return {
        "line_id": line.line_id,
        "sku": line.sku,
        "offer_sku": line.offer_sku,
        "outlet": line.outlet,
        "unmapped": line.unmapped,
        "title": line.title,
        "quantity": line.quantity,
        "open": line.open,
        "shipped": line.shipped,
        "cancelled": line.cancelled,
        "state": line.state.value,
        "raw_state": line.raw_state,
        "remote_state": line.remote_state.value if line.remote_state else "",
        **{
            name: str(to_decimal(getattr(line, f"{name}_minor"), currency))
            for name in ("unit", "total", "shipping", "tax", "refunded")
        },
        "vanished_at": line.vanished_at,
    }


def _of_order(row: dict[str, Any]) -> dict[str, Any]:
    del row["order_id"]
    return row
