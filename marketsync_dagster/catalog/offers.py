"""Which products of a catalog can be offered to a platform whose listings say more than price and
stock, what their offers say besides, and how those are named.

A product that cannot be offered has a reason. One that is shown already stays: what the till sells
no more is offered with quantity 0 (`catalog.feed`), and a category that has lost its line is no
reason to leave a price standing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from marketsync_dagster.catalog.arrow import among, join, pc, pick, text
from marketsync_dagster.catalog.categories import Categories, folded
from marketsync_dagster.catalog.promotions import unpriced
from marketsync_dagster.config.accounts import AccountBase, MiraklAccount
from marketsync_dagster.config.channels import Channel
from marketsync_dagster.config.mirakl import MiraklOffer, around_sku

if TYPE_CHECKING:
    import pyarrow as pa

OfferName = tuple[str, str]
"""What stands before and after the SKU in the names of a channel's offers."""
INACTIVE, UNPRICED, NO_CATEGORY = "inactive", "without_price", "without_category"
REASONS = (INACTIVE, UNPRICED, NO_CATEGORY)
"""Why products are not offered; in this order where several hold."""


def offer_name(account: AccountBase, channel: Channel) -> OfferName | None:
    """How the offers of a channel are named; None: not by names of their own."""
    if not isinstance(account, MiraklAccount):
        return None
    return around_sku(account.offer_sku, channel.outlet, channel.store_id)


def offer_names(name: OfferName, skus: pa.Array) -> pa.Array:
    """The name of each SKU's offer, by an `offer_name`."""
    before, after = name
    return join(before, skus, after) if before or after else skus


def details_of(offer: MiraklOffer, fields: Mapping[str, str | int] | None = None) -> str:
    """What an offer says besides product, price and quantity: a JSON object with sorted keys, by
    the names of OF24. `fields`: what its category says otherwise."""
    said: dict[str, Any] = offer.fields() | dict(fields or {})
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def build_offers(
    catalog: pd.DataFrame,
    offer: MiraklOffer,
    categories: Categories | None,
    shown: Callable[[list[str]], Collection[str]],
    before: Callable[[], Mapping[str, str]] = dict,
) -> pd.DataFrame:
    """OFFERS: one row per row of `catalog` (CATALOG), in its order.

    `shown` is asked which of some SKUs may be offered already; `before` for the details that the
    offers of SKUs had: those that have lost their category keep them.
    """
    rows = catalog.reset_index(drop=True)
    words = text(rows["category"]).dictionary_encode()
    known = words.dictionary.to_pylist()
    found = [categories.of(word) if categories is not None else None for word in known]
    at = pc.fill_null(words.indices, -1).to_numpy(zero_copy_only=False)
    has_row = np.array([row is not None for row in found] + [False])[at]
    listed = has_row if categories is not None else np.ones(len(rows), bool)

    plain = details_of(offer)
    details = [plain if row is None else details_of(offer, row.fields) for row in found]
    said = pick([*details, plain], np.where(at < 0, len(details), at))
    codes = pick([row.code if row else "" for row in found], np.where(has_row, at, -1))

    inactive = ~rows["active"].to_numpy(dtype=bool)
    why = np.select([inactive, unpriced(rows), ~listed], [0, 1, 2], default=-1)
    asked = np.flatnonzero(why >= 0)
    if len(asked):
        skus = rows["sku"].iloc[asked]
        stays = among(skus, shown(skus.tolist()))
        why[asked[stays]] = -1
        kept = asked[stays][~listed[asked[stays]]]
        if len(kept):
            last = before()
            said = said.copy()
            said.iloc[kept] = [last.get(sku, plain) for sku in rows["sku"].iloc[kept]]
    reason, step = _explained(rows, why, categories)
    return pd.DataFrame(
        {
            "sku": rows["sku"],
            "name": rows["name"],
            "barcode": rows["barcode"],
            "category": rows["category"],
            "category_code": codes,
            "details": said.where(why < 0),
            "reason": reason,
            "next_step": step,
            "line": rows["line"],
        }
    )


def _explained(
    rows: pd.DataFrame, why: np.ndarray, categories: Categories | None
) -> tuple[pd.Series, pd.Series]:
    """Why rows are not offered, and what to do; null for the others."""
    reasons = [
        "inactive in the till, and never offered",
        "it has no price now, and was never offered",
    ]
    steps = ["set it active in the POS", "give it a regular price in the POS"]
    place = {0: 0, 1: 1}
    at = np.array([place.get(int(code), -1) for code in why], dtype="int64")
    if (lacking := np.flatnonzero(why == 2)).size and categories is not None:
        file = categories.path.name
        numbers: dict[str | None, int] = {}
        for row in lacking:
            category = rows["category"].iloc[row]
            category = None if pd.isna(category) else str(category)
            if category not in numbers:
                numbers[category] = len(reasons)
                reasons.append(
                    f"its category {category!r} is not in {file}"
                    if category
                    else "it has no category in the till"
                )
                steps.append(
                    f"add a line with its code to {categories.path}"
                    if category
                    else f"give it a category in the POS that {file} has"
                )
            at[row] = numbers[category]
    return pick(reasons, at), pick(steps, at)


def figures(
    offers: pd.DataFrame, catalog: pd.DataFrame, categories: Categories | None
) -> dict[str, int]:
    """How many rows of an OFFERS frame are offered, and how many are not, by reason; `catalog` and
    `categories` are what it was made from. `kept`: offered although one of the reasons holds."""
    rejected = offers["reason"].notna().to_numpy()
    inactive = ~catalog["active"].to_numpy(dtype=bool)
    no_price = ~inactive & unpriced(catalog)
    sold = ~inactive & ~no_price
    no_category = sold & offers["category_code"].isna().to_numpy() & (categories is not None)
    numbers = {
        "rows": len(offers),
        "offered": int((~rejected).sum()),
        "rejected": int(rejected.sum()),
        INACTIVE: int((rejected & inactive).sum()),
        UNPRICED: int((rejected & no_price).sum()),
        NO_CATEGORY: int((rejected & no_category).sum()),
        "kept": int((~rejected & (inactive | no_price | no_category)).sum()),
    }
    if categories is not None:
        there = {folded(word) for word in offers["category"].dropna().unique()}
        numbers["unused_categories"] = sum(name not in there for name in categories.rows)
    return numbers
