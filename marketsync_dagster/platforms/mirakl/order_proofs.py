"""Whether a command whose answer was lost is done: what OR11 or ST11 proves.

Pure. Absence proves something only where the whole list was seen; what somebody else may have done
is never taken for ours, and never done on top of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.mirakl.order_commands import id_of, is_ours, rows
from marketsync_dagster.platforms.ordering import Command, CommandAnswer
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome

EARLY = frozenset({"STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"})
SENT = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"})
ENDED = frozenset({"REFUSED", "CANCELED"})

Order = Mapping[str, Any]
Proof = tuple[Outcome, str, bool, str]
"""Outcome, words, whether it is the state that is wrong, and the platform's id of what was made."""


def proved(command: Command, said: Readable) -> CommandAnswer:
    """What an answer of OR11 (of ST11 for a parcel) says of a command."""
    if command.kind is CommandKind.PARCEL:
        outcome, words, wrong, made = _parcel(command, said.document)
    else:
        found = [
            order
            for order in rows(said.document, "orders")
            if id_of(order, "order_id") == command.external_id
        ]
        if found:
            outcome, words, wrong, made = _PROOFS[command.kind](command, found[0])
        else:
            outcome, words, wrong, made = _unknown("the list does not have the order")
    return CommandAnswer(said.call, outcome, said.clean(words), "", wrong, said.clean(made))


def _done(made: str = "") -> Proof:
    return Outcome.APPLIED, "", False, made


def _not_done(words: str, *, early: bool = False) -> Proof:
    return Outcome.RETRYABLE, words, early, ""


def _never(words: str) -> Proof:
    return Outcome.REFUSED, words, False, ""


def _unknown(words: str) -> Proof:
    return Outcome.UNKNOWN, words, False, ""


def _state(order: Order) -> str:
    return id_of(order, "order_state")


def _accept(command: Command, order: Order) -> Proof:
    """Decided lines have left WAITING_ACCEPTANCE, each to the side that was said; an order that has
    ended was decided by us only if it has the date of a decision."""
    state = _state(order)
    if state in ("STAGING", "WAITING_ACCEPTANCE"):
        return _not_done(f"the order is {state}", early=state == "STAGING")
    decided = order.get("acceptance_decision_date") is not None
    lines = {id_of(line, "order_line_id"): line for line in rows(order, "order_lines")}
    for line, taken in command.accepted.items():
        stands = id_of(lines.get(line, {}), "order_line_state")
        refused = stands == "REFUSED"
        if not stands:
            return _unknown(f"the order has no line {line}")
        if refused == taken:
            word = "refused" if refused else "taken"
            return _never(f"the order is {state}: line {line} was {word}, and not by us")
    if state in ENDED and not decided:
        return _never(f"the order is {state}, and nobody had decided")
    return _done()


def _tracking(command: Command, order: Order) -> Proof:
    wanted = command.tracking
    if wanted is None:
        return _unknown("there is no tracking to look for")
    carrier = ("shipping_carrier_code", wanted.carrier_code)
    if not wanted.carrier_code:
        carrier = ("shipping_company", wanted.carrier)
    pairs = (carrier, ("shipping_tracking", wanted.number))
    if all((order.get(name) or "") == text for name, text in pairs):
        return _done()
    return _still_possible(order, "the order has no such tracking")


def _still_possible(order: Order, words: str) -> Proof:
    state = _state(order)
    if state in ENDED:
        return _never(f"the order is {state}")
    return _not_done(f"{words}, it is {state}", early=state in EARLY)


def _ship(command: Command, order: Order) -> Proof:
    if _state(order) in SENT:
        return _done()
    return _still_possible(order, "the order is not shipped")


def _cancel(command: Command, order: Order) -> Proof:
    state = _state(order)
    if state == "CANCELED":
        return _done()
    if state in SENT or state == "REFUSED":
        return _never(f"the order is {state}: it can no longer be cancelled")
    return _not_done(f"the order is not cancelled, it is {state}")


def _parts(command: Command, order: Order) -> Proof:
    """New entries of our lines with our amounts are ours; other new ones may be."""
    name = "refunds" if command.kind is CommandKind.REFUND else "cancelations"
    lines = {id_of(line, "order_line_id"): line for line in rows(order, "order_lines")}
    made: list[str] = []
    others = False
    for line in command.amounts:
        if line not in lines:
            return _unknown(f"the order has no line {line}")
        new = [e for e in rows(lines[line], name) if id_of(e, "id") not in command.known]
        ours = [id_of(entry, "id") for entry in new if _is_part(command, line, entry)]
        made += ours[:1]
        others = others or len(new) > len(ours[:1])
    if len(made) == len(command.amounts):
        return _done(",".join(made))
    if made or others:
        return _unknown(f"the order has other new {name}")
    return _not_done(f"the order has no new {name}")


def _is_part(command: Command, line: str, entry: Mapping[str, Any]) -> bool:
    amounts = command.amounts[line], command.shipping_amounts.get(line, Decimal(0))
    told = entry.get("amount") or 0, entry.get("shipping_amount") or 0
    return told == amounts and id_of(entry, "reason_code") == command.reason_code


def _parcel(command: Command, document: Any) -> Proof:
    listed = document.get("data") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        return _unknown("the answer is not a list of parcels")
    parcels = [one for one in rows(document, "data") if one.get("order_id") == command.external_id]
    for parcel in parcels:
        if is_ours(command, parcel):
            made, status = id_of(parcel, "id"), id_of(parcel, "status")
            if status == "CANCELED":
                return _unknown(f"the parcel {made} was there, and is cancelled")
            return _done(made)
    if document.get("next_page_token") or len(parcels) != len(listed):
        return _unknown("the list of parcels is not whole")
    nameless = [
        one
        for one in parcels
        if not one.get("invoice_reference")
        and not any(line.get("package_reference") for line in rows(one, "shipment_lines"))
    ]
    if any(id_of(one, "id") not in command.known for one in nameless):
        return _unknown("the order has a new parcel without a reference")
    return _not_done("the order has no such parcel")


_PROOFS: dict[CommandKind, Callable[[Command, Order], Proof]] = {
    CommandKind.ACCEPT: _accept,
    CommandKind.TRACKING: _tracking,
    CommandKind.SHIP: _ship,
    CommandKind.CANCEL: _cancel,
    CommandKind.CANCEL_LINES: _parts,
    CommandKind.REFUND: _parts,
}
