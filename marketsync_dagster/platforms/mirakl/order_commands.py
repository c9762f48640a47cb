"""What a shop is told of its orders, as the bytes that are sent, and what the answers mean.

Pure. A call of which it is not certain that it was *not* done is `unknown`, whatever its status:
parcels, refunds and cancellations of lines are not absolute values, done twice they are two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from marketsync_dagster.platforms import answers
from marketsync_dagster.platforms.amounts import exact_text
from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer
from marketsync_dagster.platforms.mirakl.order_taxes import Taxes, taxes_of
from marketsync_dagster.platforms.ordering import (
    Command,
    CommandAnswer,
    OrderCapabilities,
    Tracking,
)
from marketsync_dagster.platforms.urls import segment
from marketsync_dagster.values.order_states import CommandKind
from marketsync_dagster.values.outcomes import Outcome

SHIPMENTS = "/shipments"
INVALID_STATE = "ORDER_INVALID_STATE"
_WRONG_STATE = ("current status is", "order status must be")
"""How an order that is not in the state for a call is refused (contract 6.7)."""

Made = tuple[Outcome, str, str]
"""What became of a command: outcome, the platform's words, its id of what was made."""
Reader = Callable[[Command, Any], Made]


class _CannotBe(ValueError):
    """A command that cannot be sent; the message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call."""

    method: str
    path: str
    body: bytes | None = None
    read: Reader | None = None
    """Reads the answer; None: it has none, 204 is all."""


def request_of(command: Command, can: OrderCapabilities) -> Request | CommandAnswer:
    """The call of a command, or why there can be none."""
    if command.kind not in can.commands:
        return unsupported(command)
    if len(set(command.accepted.values())) > 1 and not can.partial_accept:
        words = "the operator takes or refuses orders whole (partial_acceptance: false)"
        return unsupported(command, words)
    try:
        return _MADE[command.kind](command)
    except _CannotBe as fault:
        said = answers.uncalled("PUT", "", outcome=Outcome.REFUSED, message=str(fault))
        return CommandAnswer(said.call, Outcome.REFUSED, said.message)


def unsupported(command: Command, words: str = "") -> CommandAnswer:
    """What is said to a command that the shop does not take; no call is made."""
    message = words or f"the shop takes no {command.kind} (several_parcels: false)"
    said = answers.uncalled("PUT", "", outcome=Outcome.UNSUPPORTED, message=message)
    return CommandAnswer(said.call, Outcome.UNSUPPORTED, message)


_NOTHING = Decimal(0)


# --- what is sent


def _order(command: Command, what: str, body: Any = None) -> Request:
    path = f"/orders/{segment(command.external_id)}/{what}"
    return Request("PUT", path, None if body is None else orjson.dumps(body))


def _accept(command: Command) -> Request:
    """OR21: every line, or the order is refused as a whole."""
    if not command.accepted:
        raise _CannotBe("no line is decided")
    lines = [{"id": line, "accepted": taken} for line, taken in command.accepted.items()]
    return _order(command, "accept", {"order_lines": lines})


def _tracking(command: Command) -> Request:
    """OR23."""
    return _order(command, "tracking", _tracked(command.tracking, "carrier_url"))


def _tracked(tracking: Tracking | None, url_name: str) -> dict[str, str]:
    if tracking is None or not (tracking.carrier_code or tracking.carrier):
        raise _CannotBe("a carrier is needed: its code on the platform, or its name")
    said = {"carrier_code": tracking.carrier_code, "tracking_number": tracking.number}
    if not tracking.carrier_code:  # of a registered carrier the platform knows name and URL
        said |= {"carrier_name": tracking.carrier, url_name: tracking.url}
    return {name: text for name, text in said.items() if text}


def _ship(command: Command) -> Request:
    """OR24."""
    return _order(command, "ship")


def _cancel(command: Command) -> Request:
    """OR29."""
    return _order(command, "cancel")


def _parcel(command: Command) -> Request:
    """ST01 with one shipment, which has our reference wherever there is room for one."""
    if not command.lines or not command.reference:
        raise _CannotBe("a parcel needs lines and a reference")
    shipment: dict[str, Any] = {
        "order_id": command.external_id,
        "invoice_reference": command.reference,
        "shipped": True,
        "shipment_lines": [
            {"order_line_id": line, "quantity": pieces, "package_reference": command.reference}
            for line, pieces in command.lines.items()
        ],
    }
    if command.tracking is not None:
        shipment["tracking"] = _tracked(command.tracking, "tracking_url")
    return Request("POST", SHIPMENTS, orjson.dumps({"shipments": [shipment]}), _read_shipments)


def _refund(command: Command) -> Request:
    """OR28."""
    return _parts(command, "/orders/refund", "refunds")


def _cancel_lines(command: Command) -> Request:
    """OR30."""
    return _parts(command, "/orders/cancel", "cancelations")


def _parts(command: Command, path: str, name: str) -> Request:
    if not command.amounts:
        raise _CannotBe("no line has an amount")
    if not command.reason_code:
        raise _CannotBe("the platform wants one of its reason codes (RE01 lists them)")
    body: dict[str, Any] = {
        name: [_part(command, line, counted=name != "refunds") for line in command.amounts]
    }
    mode = command.details.get("order_tax_mode")
    if mode:
        body["order_tax_mode"] = mode
    return Request("PUT", path, orjson.dumps(body), _reader(name))


def _part(command: Command, line: str, *, counted: bool) -> dict[str, Any]:
    amounts = command.amounts[line], command.shipping_amounts.get(line, _NOTHING)
    pieces = command.lines.get(line, 0)
    if counted and not pieces:
        raise _CannotBe(f"line {line}: a cancellation needs the number of pieces")
    goods, shipping = taxes_of(command.details, line, amounts, command.currency)
    said: dict[str, Any] = {
        "order_line_id": line,
        "amount": _exact(amounts[0], command.currency),
        "shipping_amount": _exact(amounts[1], command.currency),
        "reason_code": command.reason_code,
    }
    if pieces:
        said["quantity"] = pieces
    if command.currency:
        said["currency_iso_code"] = command.currency
    for name, taxes in (("taxes", goods), ("shipping_taxes", shipping)):
        if taxes:
            said[name] = _taxes(taxes, command.currency)
    return said


def _taxes(taxes: Taxes, currency: str) -> list[dict[str, Any]]:
    return [{"code": code, "amount": _exact(amount, currency)} for code, amount in taxes]


def _exact(amount: Any, currency: str) -> orjson.Fragment:
    try:
        return orjson.Fragment(exact_text(amount, currency))
    except ValueError as fault:
        raise _CannotBe(f"an amount with more decimals than {currency} has") from fault


# --- what is answered


def settled(said: Answer, code: str) -> CommandAnswer:
    """An answer without a document that is about the order."""
    outcome, status = said.outcome or Outcome.REFUSED, said.call.status
    if outcome is Outcome.RETRYABLE and status is not None and (status >= 500 or status == 408):
        # who says so may be a gateway, behind which it was done
        outcome = Outcome.UNKNOWN
    wrong = outcome is Outcome.REFUSED and wrong_state(code, said.message)
    return CommandAnswer(
        said.call, outcome, said.message, code, wrong, retry_after_s=said.retry_after_s
    )


def wrong_state(code: str, words: str) -> bool:
    """Whether an order was refused for the state in which it is."""
    return code == INVALID_STATE or any(sign in words.lower() for sign in _WRONG_STATE)


def read_answer(command: Command, request: Request, said: Readable) -> CommandAnswer:
    """An answer with a document: it proves what it says of our order, and nothing else."""
    if request.read is None:
        words = f"HTTP {said.status} with a document, where none was expected"
        return CommandAnswer(said.call, Outcome.UNKNOWN, words)
    outcome, words, made = request.read(command, said.document)
    words, reference = said.clean(words), said.clean(made)
    if outcome is Outcome.UNKNOWN:
        words = f"HTTP {said.status}, {words}"
    wrong = outcome is Outcome.REFUSED and wrong_state("", words)
    return CommandAnswer(said.call, outcome, words, "", wrong, reference)


def _read_shipments(command: Command, document: Any) -> Made:
    made = [one for one in rows(document, "shipment_success") if is_ours(command, one)]
    failed = [
        one
        for one in rows(document, "shipment_errors")
        if one.get("order_id") == command.external_id
    ]
    if len(made) == 1 and not failed:
        return Outcome.APPLIED, "", id_of(made[0], "id")
    if failed and not made:
        return Outcome.REFUSED, str(failed[0].get("message") or "refused without a word"), ""
    return Outcome.UNKNOWN, "the answer does not say whether the parcel was taken", ""


def is_ours(command: Command, shipment: Mapping[str, Any]) -> bool:
    """Whether a shipment is the parcel of a command."""
    if shipment.get("order_id") != command.external_id:
        return False
    lines = [one.get("package_reference") for one in rows(shipment, "shipment_lines")]
    return command.reference in (shipment.get("invoice_reference"), *lines)


def _reader(name: str) -> Reader:
    id_name = "refund_id" if name == "refunds" else "cancelation_id"

    def read(command: Command, document: Any) -> Made:
        made = {str(one.get("order_line_id")): one for one in rows(document, name)}
        if made.keys() != command.amounts.keys():
            return Outcome.UNKNOWN, "the answer is not about these lines", ""
        ids = [id_of(made[line], id_name) for line in command.amounts]
        if not all(ids):
            return Outcome.UNKNOWN, "the answer has no ids of what was made", ""
        return Outcome.APPLIED, "", ",".join(ids)

    return read


def rows(document: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list in a document; none where there is none."""
    listed = document.get(name) if isinstance(document, Mapping) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def id_of(document: Mapping[str, Any], name: str) -> str:
    """An id, which may be written as a number; empty: none."""
    value = document.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


_MADE: dict[CommandKind, Callable[[Command], Request]] = {
    CommandKind.ACCEPT: _accept,
    CommandKind.TRACKING: _tracking,
    CommandKind.SHIP: _ship,
    CommandKind.PARCEL: _parcel,
    CommandKind.CANCEL: _cancel,
    CommandKind.CANCEL_LINES: _cancel_lines,
    CommandKind.REFUND: _refund,
}
