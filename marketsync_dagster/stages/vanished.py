"""What a platform still sells although the extract has it no more, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketsync_dagster.catalog.arrow import among
from marketsync_dagster.ledger import listings
from marketsync_dagster.stages.extract import REJECTS_KEY
from marketsync_dagster.values.outcomes import StockStatus

if TYPE_CHECKING:
    import pandas as pd

    from marketsync_dagster.stages.project import Project


def vanished(
    project: Project,
    outlet: str,
    platform: str,
    target: str,
    catalog: pd.Series,
    rejected: pd.Series | None = None,
) -> list[str]:
    """The SKUs that the platform has acknowledged as on sale and that are not in `catalog`.

    Those `rejected` (None: by the stored rejects) have not vanished: the extract names them.
    """
    if rejected is None and project.frames.stamp(REJECTS_KEY, outlet) is not None:
        rejected = project.frames.columns_of(REJECTS_KEY, outlet, ("sku",))["sku"]
    known = listings.load_listings(project.ledger, outlet, platform)
    sold = known["ack_price_minor"].notna() & (known["target"] == target)
    sold &= known["ack_stock_status"] != StockStatus.OUT_OF_STOCK.value
    found = known["sku"][sold.to_numpy(dtype=bool)]
    gone = ~among(found, catalog)
    if rejected is not None:
        gone &= ~among(found, rejected.dropna())
    return found[gone].tolist()
