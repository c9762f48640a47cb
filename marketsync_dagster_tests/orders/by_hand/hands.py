"""What tests of decisions by people share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from marketsync_dagster.config.settings import Settings
from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.ledger.order_holds import HoldKind, holds_of
from marketsync_dagster.ledger.orders import BookOrder
from marketsync_dagster.orders import (
    book,
    shown,
)
from marketsync_dagster.values.errors import UsageError
from marketsync_dagster_tests.orders.sources import (
    NOON,
    the,
)
from marketsync_dagster_tests.orders.telling import AT

WHO: dict[str, Any] = {"by": "jane", "reason": "the customer called", "now": NOON}


def refused(work: Callable[..., Any], *args: Any, **said: Any) -> str:
    """The words of a refusal."""
    with pytest.raises(UsageError) as error:
        work(*args, **(WHO | said))
    return str(error.value)


def held_for(conn: Connection, order: BookOrder, kind: HoldKind) -> BookOrder:
    return book.hold_order(conn, order, kind, "", "", "x", AT)


def waiting(ledger: Ledger, settings: Settings, order: BookOrder) -> shown.Waits:
    return shown.waits_for(the(ledger, order.id), shown.around(ledger, settings, [order.id]))


def held(ledger: Ledger, order: BookOrder) -> set[str]:
    with ledger.read() as conn:
        return {hold.kind for hold in holds_of(conn, [order.id])}
