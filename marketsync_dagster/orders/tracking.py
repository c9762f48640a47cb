"""How parcels travel: as their source is told it, whether it was, what people have corrected."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from sqlalchemy import Connection, select

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.ledger.order_commands import CommandRow
from marketsync_dagster.ledger.order_tables import order_event
from marketsync_dagster.ledger.shipments import Shipment
from marketsync_dagster.platforms.ordering import Tracking
from marketsync_dagster.values.order_states import CommandKind

K = CommandKind

MAY_BE_THERE = ("intended", "unknown", "done")
"""States of commands that their source has taken, or may have."""


def tracking_of(parcel: Shipment, settings: OrderSettings) -> Tracking:
    """How a parcel travels, with the platform's code for the carrier where one is said. A parcel
    without a number goes by its carrier's name alone: who is known by a code gives numbers."""
    code = next(
        (
            code
            for name, code in settings.carriers.items()
            if name.casefold() == parcel.carrier.casefold() and parcel.tracking_number
        ),
        "",
    )
    return Tracking(code, parcel.carrier, parcel.tracking_number, parcel.tracking_url)


def has_tracking(parcel: Shipment) -> bool:
    """Whether anything is known of its way."""
    return bool(parcel.carrier or parcel.tracking_number or parcel.tracking_url)


def lacks_carrier(parcel: Shipment) -> bool:
    """Whether it has a number, or an address to follow it, of nobody knows whom."""
    return has_tracking(parcel) and not parcel.carrier


def travels(parcel: Shipment) -> str:
    """How it travels, in words; empty: nothing is known."""
    return " ".join(filter(None, (parcel.carrier, parcel.tracking_number)))


def way_of(parcel: Shipment) -> tuple[str, str, str]:
    """How it travels: carrier, number, where it can be followed."""
    return parcel.carrier, parcel.tracking_number, parcel.tracking_url


def name_of_parcel(parcel: Shipment) -> str:
    """What people call it by."""
    return parcel.tracking_number or parcel.key


def carrier_task(parcel_id: str) -> str:
    """The key of the question who carries a parcel."""
    return f"carrier {parcel_id}"


def carrier_command(order_id: str, parcel: str) -> str:
    """The command line that says who carries it."""
    return f"marketsync orders ship {order_id} --parcel {quote(parcel)} --carrier CARRIER"


def may_be_told(parcel: Shipment, commands: Iterable[CommandRow]) -> bool:
    """Whether its source has been told of a parcel, or that all has left, or may have been."""
    for row in commands:
        if row.state not in MAY_BE_THERE:
            continue
        said = row.payload.get("tracking", {})
        its = tuple(said.get(name, "") for name in ("carrier", "number", "url"))
        if row.kind is K.SHIP or row.key == parcel_key(parcel):
            return True
        if row.kind is K.TRACKING and its == way_of(parcel):
            return True
    return False


def parcel_key(parcel: Shipment) -> str:
    """The key of the command that tells of a parcel."""
    return f"parcel {parcel.id}"


def correction(key: str) -> str:
    """How the reason of a correction begins, in the order's history."""
    return f"parcel {key} is corrected: "


def is_corrected(conn: Connection, parcel: Shipment) -> bool:
    """Whether a person has said how it travels: then that holds, whatever is told of it."""
    c = order_event.c
    query = select(c.id).where(
        c.order_id == parcel.order_id,
        c.kind == "shipment",
        c.reason.startswith(correction(parcel.key), autoescape=True),
    )
    return conn.execute(query.limit(1)).first() is not None
