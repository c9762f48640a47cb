"""One order on the screen: where it stands, what it waits for, and everything that happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from marketsync_dagster.cli.order_words import (
    by_number,
    changes,
    filled,
    said_of,
    short,
    short_runs,
    short_times,
)
from marketsync_dagster.cli.output import note, say, table, wrapped
from marketsync_dagster.platforms.ordering import Person

PERSON = tuple(field.name for field in fields(Person))
"""Labels of a person in the order in which an address is written."""


def print_order(order: Mapping[str, Any], *, personal: bool) -> None:
    """`order` as `orders.shown.whole` makes it."""
    flags = f" ({', '.join(order['flags'])})" if order["flags"] else ""
    there = f", there {order['raw_state']}" if order["raw_state"] else ""
    _say(
        f"{order['number']} of {order['source']}: {order['state']}{flags}{there}",
        f"id {order['id']}, {order['platform']} id {order['external_id']}",
        f"{order['currency']} {order['value']}, made {order['created_at']}, "
        f"changed there {order['updated_at']}",
    )
    if order["deadline"]:
        _say(f"has to be {order['deadline_of']} by {order['deadline']}")
    if order["decision"]:
        _say(
            f"decided {order['decided_at']} by {order['decided_by']}: {order['decision']}"
            + (f" ({order['decided_reason']})" if order["decided_reason"] else "")
        )
    if order["estimated_delivery"]:
        _say(f"estimated delivery {order['estimated_delivery']}")
    if order["forgotten_at"]:
        _say(f"its personal data was erased {order['forgotten_at']}")
    _print_persons(order["persons"], personal)
    _print_lines(order)
    _print_rest(order)
    if order["waits_for"]:
        _say(f"waits for {order['waits_for']}")
    if order["next_step"]:
        say(f"next: {by_number(order['next_step'], order)}")
    note("times are UTC")


def _say(*sentences: str) -> None:
    for sentence in sentences:
        say(*wrapped(short_runs(short_times(sentence)), "  "))


def _print_persons(persons: Mapping[str, Mapping[str, str]], personal: bool) -> None:
    for role, said in persons.items():
        if personal:
            say(f"{role}:")
            labels = [name for name in PERSON if name in said]
            labels += [name for name in said if name not in PERSON]
            say(*(f"  {name.replace('_', ' ')}: {said[name]}" for name in labels))
            continue
        words = ", ".join(said.values()) or "known"
        say(f"{role}: {words}")
    if persons and not personal:
        note("names and addresses: --personal")


def _print_lines(order: Mapping[str, Any]) -> None:
    total = f"total {order['currency']}"
    columns, rows = filled(
        (
            *("line", "sku", "outlet", "name", "pieces", "open", "shipped", "cancelled"),
            *(total, "refunded", "state", "there"),
        ),
        [
            (
                # of a product that we do not know, what its source calls it
                *(line["line_id"], line["sku"] or line["offer_sku"], line["outlet"], line["title"]),
                *(line["quantity"], line["open"], line["shipped"], line["cancelled"]),
                *(line["total"], line["refunded"], line["state"], line["raw_state"]),
            )
            for line in order["lines"]
        ],
        always=("pieces", total),
    )
    figures = ("pieces", "open", "shipped", "cancelled", total, "refunded")
    table(columns, rows, right=figures, free=("name",))
    for line in order["lines"]:
        if line["unmapped"]:
            _say(f"line {line['line_id']}: {line['unmapped']}")
        if line["vanished_at"]:
            _say(f"line {line['line_id']}: not told of any more since {line['vanished_at']}")


def _print_rest(order: Mapping[str, Any]) -> None:
    for hold in order["holds"]:
        _say(f"held since {hold['since']}: {hold['kind']}: {hold['reason']}")
    for task in order["tasks"]:
        if task["state"] == "open":
            _say(f"task {task['id']}: {task['question']}")
            say(*(f"  {by_number(command, order)}" for command in task["commands"]))
    _part(
        "told to its source",
        ("what", "state", "wanted", "by", "answered", "calls", "words"),
        [
            (
                *(said_of(one), one["state"], one["created_at"], one["created_by"]),
                *(one["answered_at"] or "", one["attempts"], one["message"]),
            )
            for one in order["commands"]
        ],
    )
    _part(
        "forwarded",
        ("to", "number", "attempt", "state", "their word", "made", "words"),
        [
            (
                f"pos/{one['outlet']}" if one["destination"] == "pos" else one["destination"],
                *(one["number"], one["attempt"], one["state"], one["raw_status"]),
                *(one["created_at"], one["message"]),
            )
            for one in order["forwards"]
        ],
    )
    _part(
        "parcels",
        ("carrier", "tracking number", "lines", "left", "by"),
        [
            (
                *(one["carrier"], one["tracking_number"]),
                ", ".join(f"{line} x {pieces}" for line, pieces in one["lines"].items()),
                *(one["created_at"], one["created_by"]),
            )
            for one in order["shipments"]
        ],
    )
    for one in order["shipments"]:
        if one["tracking_url"]:
            say(f"  {one['tracking_number'] or one['carrier'] or 'parcel'}: {one['tracking_url']}")
    _part(
        "history",
        ("at", "what", "line", "change", "by", "words"),
        [
            (event["at"], event["kind"], event["line_id"], change, event["by"], words)
            for event, (change, words) in zip(order["events"], changes(order), strict=True)
        ],
    )
    _part(
        "received",
        ("at", "changed there", "state", "sha256", "words"),
        [
            (
                *(one["received_at"], one["updated_at"]),
                one["state"] + (", forgotten" if one["forgotten"] else ""),
                *(one["sha256"][:12], one["reason"]),
            )
            for one in order["receipts"]
        ],
    )


def _part(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        kept, cells = filled(columns, [tuple(map(short, row)) for row in rows])
        table(kept, cells, title=title, free=("change", "words"))
