"""As which import a row of a plan goes, where a platform takes imports (`ImportKind`), and how a
changed offer is told from the one before.

An import of prices (of stock) alone changes an offer that is there. So only a listing whose last
word was acknowledged may go by one, and only if nothing else is to be said of it; everything else
is the whole offer, which is right whatever the platform shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from marketsync_dagster.catalog.arrow import pc, text
from marketsync_dagster.platforms.base import ImportKind

if TYPE_CHECKING:
    import pandas as pd

OFFER_COLUMNS = ("platform_sku", "details", "import_kind")
"""The columns that rows of a plan have besides, on platforms that take imports."""
ORDER = tuple(kind.value for kind in ImportKind)
"""In which order rows of a plan stand: those of one kind together."""

Asked = Literal["offer", "price", "stock"]


@dataclass(frozen=True, slots=True)
class Imports:
    """What a plan has to know of a platform that takes imports."""

    price: bool = True
    """There are imports of prices alone."""
    stock: bool = True
    """There are imports of stock alone."""
    offered: Mapping[str, str] = field(default_factory=dict)
    """SKU -> `fingerprint_of` the details that were last offered."""


@lru_cache(maxsize=4096)
def fingerprint_of(details: str) -> str:
    """What the ledger keeps of an offer's details (`ledger.products`)."""
    return hashlib.sha256(details.encode()).hexdigest()[:32]


def details_differ(feed: pd.DataFrame, offered: Mapping[str, str]) -> np.ndarray:
    """Which rows of a FEED say something else in `details` than was last offered, or were never."""
    if "details" not in feed:
        return np.zeros(len(feed), bool)
    # few offers differ in anything but their product
    words = text(feed["details"]).dictionary_encode()
    now = text([fingerprint_of(one) for one in words.dictionary.to_pylist()]).take(words.indices)
    then = text(offered.values()).take(pc.index_in(text(feed["sku"]), text(offered)))
    same = pc.fill_null(pc.equal(now, then), False)
    return ~same.to_numpy(zero_copy_only=False)


def kinds_of(
    *,
    acknowledged: np.ndarray,
    price: np.ndarray,
    stock: np.ndarray,
    details: np.ndarray,
    mode: Literal["full", "partial"],
    fields: Collection[Asked],
    imports: Imports,
) -> np.ndarray:
    """The `ImportKind` of each row that goes out, as text.

    Row by row: whether the platform has acknowledged the last word on this listing, in the same
    currency, and whether its price, its stock and its details differ from that. `fields`: what
    alone the run asks for; of one field alone nothing else is said, whatever else differs.
    """
    asked = set(fields) or {"offer", "price", "stock"}
    if len(asked) == 1 and "offer" not in asked:
        by_price, by_stock = (np.full(len(price), name in asked) for name in ("price", "stock"))
    elif mode == "full":
        by_price = by_stock = np.zeros(len(price), bool)
    else:
        more = details if "offer" in asked else np.zeros(len(price), bool)
        by_price, by_stock = price & ~stock & ~more, stock & ~price & ~more
    return np.select(
        [acknowledged & by_price & imports.price, acknowledged & by_stock & imports.stock],
        [ImportKind.PRICES.value, ImportKind.STOCK.value],
        default=ImportKind.OFFERS.value,
    )


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a plan: "sent" before "held", and of each the kinds together; else as before."""
    if "import_kind" in rows:
        kind = rows["import_kind"].map({name: at for at, name in enumerate(ORDER)})
        rows = rows.take(np.argsort(kind.to_numpy(), kind="stable"))
    return rows.sort_values("disposition", ascending=False, kind="stable", ignore_index=True)


def counts_of(rows: pd.DataFrame) -> dict[str, int]:
    """Kind -> rows, where rows have one; empty for platforms without imports."""
    if "import_kind" not in rows:
        return {}
    found = rows["import_kind"].value_counts()
    return {kind: int(found[kind]) for kind in ORDER if kind in found}
