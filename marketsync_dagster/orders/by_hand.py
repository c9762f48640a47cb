"""One order in the hands of a person who decides, by name and for a reason: locked, with what a
decision has to look at.

Each decision checks, records and queues in one transaction; sources and destinations are told by
the next `fulfil_orders`. UsageError where it cannot be done, and why. What is decided is
`hand_deciding`, `hand_shipping`, `hand_cancelling` and `hand_refunding`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from marketsync_dagster.config.orders import OrderSettings
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_commands import CommandRow, commands_of
from marketsync_dagster.ledger.orders import BookOrder, get_order, orders_to_change
from marketsync_dagster.platforms.ordering import OrderCapabilities
from marketsync_dagster.platforms.registry import order_capabilities_of
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster.values.times import to_iso, utcnow

FULFIL = "marketsync run fulfil_orders"


@dataclass(frozen=True, slots=True)
class Done:
    """What a decision came to, in words."""

    order_id: str
    words: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Changing:
    """One order in the hands of a person, in a transaction."""

    conn: Connection
    order: BookOrder
    commands: tuple[CommandRow, ...]
    can: OrderCapabilities
    said: OrderSettings
    """How orders of its source are decided."""
    by: str
    reason: str
    at: str

    @property
    def acceptance(self) -> CommandRow | None:
        """The command that accepts or refuses it."""
        return next((one for one in self.commands if one.key == "accept"), None)

    def refuse_unless(self, fine: object, why: str, next_step: str = "") -> None:
        """UsageError naming the order."""
        if not fine:
            raise UsageError(f"order {self.order.number} {why}", next_step)


@contextmanager
def changing(
    ledger: Ledger,
    settings: Settings,
    order_id: str,
    by: str,
    reason: str,
    now: datetime | None,
) -> Iterator[Changing]:
    """An order that a person changes, its source locked until the end."""
    if not by.strip() or not reason.strip():
        raise UsageError("a decision has a name and a reason", "--by NAME --reason WHY")
    order = get_order(ledger, order_id)
    if order is None:
        raise UsageError(f"there is no order {order_id}", "marketsync orders list")
    source, sources = order.account, settings.order_sources()
    if source not in sources:
        raise UsageError(f"{source}, which brought the order, is not in the configuration any more")
    can = order_capabilities_of(settings, source)
    with ledger.begin() as conn:
        order = orders_to_change(conn, source, [order_id])[order_id]
        commands = tuple(commands_of(conn, [order_id]).get(order_id, ()))
        at = to_iso(now or utcnow())
        yield Changing(conn, order, commands, can, sources[source], by, reason, at)


def short(*parts: object) -> str:
    """What tells one wish from another in a key: 12 of 0-9 a-f."""
    return sha256(repr(parts).encode()).hexdigest()[:12]
