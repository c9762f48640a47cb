"""What becomes of orders, as files for the shop: one JSON document for each thing that it is told.

Nothing personal is in them.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from marketsync_dagster.platforms.ordering import Command
from marketsync_dagster.values.order_states import CommandKind

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,60}")
_EVENTS = {
    CommandKind.ACCEPT: "accepted",
    CommandKind.TRACKING: "tracking",
    CommandKind.SHIP: "shipped",
    CommandKind.PARCEL: "parcel_shipped",
    CommandKind.CANCEL: "cancelled",
    CommandKind.CANCEL_LINES: "lines_cancelled",
    CommandKind.REFUND: "refunded",
}


def key_of(command: Command) -> str:
    """The same for every try of the same command, and fit for a file's name."""
    if _PLAIN.fullmatch(command.reference):
        return command.reference
    return hashlib.sha256((command.reference or str(_said(command))).encode()).hexdigest()[:32]


def document_of(command: Command) -> bytes:
    """One update. The same bytes for every try."""
    return orjson.dumps(_said(command), option=orjson.OPT_INDENT_2) + b"\n"


def _said(command: Command) -> dict[str, Any]:
    said: dict[str, Any] = {
        "reference": command.reference,
        "order_id": command.external_id,
        "event": _event(command),
    }
    for name in ("file", "place"):
        if command.details.get(name):
            said[name] = command.details[name]
    if command.accepted:
        said["lines"] = [
            {"line": line, "accepted": taken} for line, taken in command.accepted.items()
        ]
    elif command.lines or command.amounts:
        said["lines"] = [_line(command, line) for line in dict.fromkeys([*_named(command)])]
    if command.tracking is not None:
        tracking = command.tracking
        said["tracking"] = {
            "carrier": tracking.carrier or tracking.carrier_code,
            "number": tracking.number,
            "url": tracking.url,
        }
    if command.currency:
        said["currency"] = command.currency
    if command.reason_code:
        said["reason"] = command.reason_code
    return said


def _named(command: Command) -> list[str]:
    return [*command.lines, *command.amounts, *command.shipping_amounts]


def _line(command: Command, line: str) -> dict[str, Any]:
    said: dict[str, Any] = {"line": line}
    if line in command.lines:
        said["quantity"] = command.lines[line]
    if line in command.amounts:
        said["amount"] = str(command.amounts[line])
    if line in command.shipping_amounts:
        said["shipping_amount"] = str(command.shipping_amounts[line])
    return said


def _event(command: Command) -> str:
    if command.kind is CommandKind.ACCEPT and command.accepted:
        taken = set(command.accepted.values())
        if taken == {False}:
            return "refused"
        if False in taken:
            return "partly_accepted"
    return _EVENTS[command.kind]
