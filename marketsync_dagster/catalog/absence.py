"""SKUs that vanish from full extracts: absence is not deletion.

Which SKUs are gone, for how many extracts, and which of them stay in the catalog as out of stock
belong here. The counts are kept by `ledger`, the last known rows by the stage that calls this;
deltas and doubtful extracts must never come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from marketsync_dagster.catalog.arrow import among


@dataclass(frozen=True)
class Gone:
    """What a full extract says by what is not in it."""

    times: dict[str, int]
    """SKU -> in how many full extracts in a row it has been missing, this one included."""
    present_again: list[str]
    """SKUs that were missing before and are back."""
    remembered: pd.DataFrame
    """CATALOG rows of all missing SKUs that are known, as they were last sold: to be stored until
    the next extract, because the catalog itself forgets those that are not yet `kept`."""
    kept: pd.DataFrame
    """CATALOG rows to add to the catalog: out of stock, with their last price."""


def gone_rows(
    previous_catalog: pd.DataFrame,
    catalog: pd.DataFrame,
    absences: Mapping[str, int],
    gone_after: int | None,
) -> Gone:
    """What vanished between `previous_catalog` and `catalog` (both CATALOG), a full extract's.

    `previous_catalog` is the one before, with the rows `remembered` then appended; where a SKU is
    in it twice the last row counts. `absences` are the counts before this extract. A SKU missing
    for `gone_after` extracts or more is `kept`: inactive, quantity 0, out of stock, and line 0
    because it is on no line of this extract. None: SKUs are counted, none is kept.
    """
    known = previous_catalog[~among(previous_catalog["sku"], catalog["sku"])]
    known = known.drop_duplicates("sku", keep="last").reset_index(drop=True)
    counted = pd.Series(list(absences), dtype="str")
    here = among(counted, catalog["sku"])
    missing = dict.fromkeys([*known["sku"], *counted[~here]])
    times = {sku: absences.get(sku, 0) + 1 for sku in missing}
    back = counted[here].tolist()
    if gone_after is None:
        return Gone(times, back, known, known.head(0))
    counts = known["sku"].map(times).astype("int64")
    kept = known[counts >= gone_after].reset_index(drop=True)
    kept = kept.assign(
        active=pd.Series(False, index=kept.index, dtype="bool"),
        quantity=pd.Series(0, index=kept.index, dtype="Int64"),
        stock_status=pd.Series("out_of_stock", index=kept.index, dtype="str"),
        line=pd.Series(0, index=kept.index, dtype="int64"),
    )
    return Gone(times, back, known, kept)
