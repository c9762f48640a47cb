"""What one account shows for one item, and the names of channels that show it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from marketsync_dagster.sandbox.prices import exact_text

TRACKER = "tracker_ke"
PASONS = "pasons"
MIRAKL = "mirakl"
QIKINK = "qikink"


@lru_cache(maxsize=4_096)
def iso(moment: float) -> str:
    """`2026-11-21T06:30:00.000Z`."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class Shown(NamedTuple):
    """What one account shows for one item: the exact price, and where it came from."""

    price: Decimal
    currency: str
    location: str
    stock_status: Any
    updated_at: float
    request: int

    def document(self) -> dict[str, Any]:
        """The item as the control API shows it."""
        return {
            "price": exact_text(self.price, self.currency),
            "currency": self.currency or None,
            "location": self.location or None,
            "stock_status": self.stock_status,
            "updated_at": iso(self.updated_at),
            "request": self.request,
        }
