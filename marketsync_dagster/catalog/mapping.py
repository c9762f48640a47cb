"""The SKU mapping of one outlet on one account: which platform product each catalog row is.

Finding ids, keeping them unique both ways, and saying why a row has none belong here. The
maintained file is `catalog.mapping_file`; names are never matched, because a wrong match shows a
wrong price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.catalog.arrow import NO_TEXT, pc, pick, series, text, valid
from marketsync_dagster.catalog.columns import WAYS
from marketsync_dagster.catalog.mapping_file import MappingRow
from marketsync_dagster.catalog.next_steps import mapping_commands
from marketsync_dagster.catalog.offers import OfferName, offer_names
from marketsync_dagster.config.channels import MappingSettings
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.gtin import normalise

Synced = Mapping[str, tuple[str, str, str]]
"""SKU -> platform id, barcode and name, as `products/sync` answered."""

MADE_OF = ("sku", "barcode", "name", "line")
"""The columns of a catalog that a mapping depends on: while they stay, so does the mapping."""

ASK = "marketsync run refresh_mappings"
"""Asks the platforms what they list."""

_SAID = {
    "file": "the mapping file",
    "sync": "the product sync",
    "sku": "its SKU",
    "gtin": "its barcode",
    "identity": "the identity rule",
}


@dataclass
class _Found:
    """What one way found: an id per row or null; ids of rows for which it found several."""

    ids: pa.Array
    skus: pa.Array
    several: dict[int, list[str]]


def map_skus(
    catalog: pd.DataFrame,
    *,
    file_rows: Sequence[MappingRow],
    synced: Synced,
    platform_catalog: pd.DataFrame | None,
    settings: MappingSettings,
    platform: str,
    outlet: str,
    account: str,
    offer_name: OfferName | None = None,
    offers: pd.DataFrame | None = None,
    unasked: np.ndarray | None = None,
) -> pd.DataFrame:
    """SKU_MAPPING: one row per row of `catalog` (CATALOG), in its order.

    The first way that finds an id decides: file, sync (if the barcode is still the one that was
    synced), then `settings.by` over `platform_catalog` (PLATFORM_CATALOG, None: the platform has
    none), then identity. A way that finds two ids leaves the row unmapped, rather than trying a
    weaker one. An id that two rows find goes to the one with the stronger way; found the same
    way, neither has it. An id that the file gives to a SKU is never given to another one, even
    if that SKU is not in this catalog. `platform`, `outlet` and `account` are for reasons and
    commands.

    `offer_name` (`catalog.offers`): our listings have names of their own there. They are what
    `platform_sku` of the platform's catalogue is compared with, and what the mapping says.
    `offers` (OFFERS, of the same catalog): its rows with a reason get no id, for that reason.

    `unasked`: the rows that the platform was never asked for: that is why they have no id, rather
    than that it does not list them.
    """
    catalog = catalog[list(MADE_OF)]
    if offers is not None:
        same_rows(catalog, offers, outlet, "offers were")
    sku = text(catalog["sku"])
    ways: list[tuple[str, _Found]] = [
        ("file", _from_file(sku, file_rows)),
        ("sync", _from_sync(sku, text(catalog["barcode"]), synced)),
    ]
    names = sku if offer_name is None else offer_names(offer_name, sku)
    if platform_catalog is not None:
        keys = {"sku": names, "gtin": normalise(text(catalog["barcode"]))}
        ways += [(way, _looked_up(keys[way], platform_catalog, way)) for way in settings.by]
    if settings.identity is not None:
        ways.append(("identity", _identity(catalog, settings.identity)))

    count = len(catalog)
    ids = pa.nulls(count, pa.large_string())
    skus = pa.nulls(count, pa.large_string())
    way_of = np.full(count, len(ways), dtype="int8")
    several: dict[int, list[str]] = {}
    rejected = np.zeros(count, dtype=bool)
    if offers is not None:
        rejected = offers["reason"].notna().to_numpy()
    for number, (_, found) in enumerate(ways):
        open_rows = (way_of == len(ways)) & ~rejected
        for row in [row for row in found.several if open_rows[row]]:
            several[row] = found.several[row]
            way_of[row] = number
            open_rows[row] = False
        taken = pa.array(open_rows & valid(found.ids))
        ids = pc.if_else(taken, found.ids, ids)
        skus = pc.if_else(taken, found.skus, skus)
        way_of[taken.to_numpy(zero_copy_only=False)] = number

    reasons: dict[int, str] = {
        row: _several_reason(ways[way_of[row]][0], choice, platform)
        for row, choice in several.items()
    }
    losers = _losers(catalog, ids, way_of, [way for way, _ in ways], file_rows, platform)
    reasons |= {row: reason for row, (_, reason) in losers.items()}
    lost = np.zeros(count, dtype=bool)
    lost[list(losers)] = True
    candidates = {row: [wanted] for row, (wanted, _) in losers.items()} | several
    ids = pc.if_else(pa.array(lost), NO_TEXT, ids)
    mapped = valid(ids)
    if offer_name is not None:
        skus = names
    elif platform_catalog is not None:
        skus = pc.coalesce(skus, _platform_skus(ids, platform_catalog))
    matched_by = pick([way for way, _ in ways], np.where(mapped, way_of, -1))
    reason = _reasons(catalog, ~mapped, reasons, platform, settings, platform_catalog)
    next_step = _next_steps(catalog, ~mapped, candidates, settings, account)
    if unasked is not None and settings.by and settings.identity is None:
        asks = unasked & ~mapped
        asks[list(reasons)] = False
        reason = reason.mask(asks, not_asked(platform))
        next_step = next_step.mask(asks, ASK)
    if offers is not None:
        reason, next_step = (
            found.mask(rejected, offers[name].reset_index(drop=True))
            for name, found in (("reason", reason), ("next_step", next_step))
        )
    return pd.DataFrame(
        {
            "sku": catalog["sku"].reset_index(drop=True),
            "platform_id": series(ids),
            "platform_sku": series(pc.if_else(pa.array(mapped), skus, NO_TEXT)),
            "name": catalog["name"].reset_index(drop=True),
            "matched_by": matched_by,
            "reason": reason,
            "next_step": next_step,
            "line": catalog["line"].reset_index(drop=True),
        }
    )


def not_asked(platform: str) -> str:
    """Why a row has no id that nobody has asked the platform for."""
    return f"{platform} was not asked yet whether it has this product"


def same_rows(catalog: pd.DataFrame, other: pd.DataFrame, outlet: str, what: str) -> None:
    """MarketSyncError where `other` is not of this catalog; `what`: `SKU mapping was`."""
    if not catalog["sku"].reset_index(drop=True).equals(other["sku"].reset_index(drop=True)):
        raise MarketSyncError(
            f"{outlet}: the {what} made from another catalog",
            f"run: marketsync run full_sync --outlet {outlet}",
        )


def unused_rows(catalog: pd.DataFrame, file_rows: Sequence[MappingRow]) -> int:
    """How many rows of the mapping file name a SKU that is not in `catalog`."""
    wanted = text([row.sku for row in file_rows])
    return int(pc.sum(pc.is_null(pc.index_in(wanted, text(catalog["sku"])))).as_py() or 0)


def coverage(mapping: pd.DataFrame, *, unused: int = 0) -> dict[str, int | float]:
    """Figures of a SKU_MAPPING: rows, mapped, per way, unmapped, unused, and the share mapped.

    An empty mapping has share 1: nothing is missing.
    """
    ways = mapping["matched_by"].value_counts()
    rows, mapped = len(mapping), int(ways.sum())
    return {
        "rows": rows,
        "mapped": mapped,
        **{f"by_{way}": int(ways.get(way, 0)) for way in WAYS},
        "unmapped": rows - mapped,
        "unused": unused,
        "share": round(mapped / rows, 6) if rows else 1.0,
    }


def _nothing(count: int) -> _Found:
    none = pa.nulls(count, pa.large_string())
    return _Found(none, none, {})


def _from_file(sku: pa.Array, rows: Sequence[MappingRow]) -> _Found:
    if not rows:
        return _nothing(len(sku))
    at = pc.index_in(sku, text([row.sku for row in rows]))
    ids = text([row.platform_id for row in rows])
    skus = text([row.platform_sku or None for row in rows])
    return _Found(ids.take(at), skus.take(at), {})


def _from_sync(sku: pa.Array, barcode: pa.Array, synced: Synced) -> _Found:
    if not synced:
        return _nothing(len(sku))
    at = pc.index_in(sku, text(synced))
    said = list(synced.values())
    ids = text([platform_id for platform_id, _, _ in said]).take(at)
    then = text([code for _, code, _ in said]).take(at)
    # The platform matched by barcode: with another barcode this is another product of theirs.
    same = pc.fill_null(pc.equal(normalise(then), normalise(barcode)), False)
    return _Found(pc.if_else(same, ids, NO_TEXT), pa.nulls(len(sku), pa.large_string()), {})


def _looked_up(key: pa.Array, platform_catalog: pd.DataFrame, way: str) -> _Found:
    """Ids of the platform's products whose SKU or GTIN equals `key`."""
    theirs = text(platform_catalog["platform_sku" if way == "sku" else "barcode"])
    if way == "gtin":
        theirs = normalise(theirs)
    table = pd.DataFrame(
        {
            "key": series(theirs),
            "id": platform_catalog["platform_id"].to_numpy(),
            "sku": platform_catalog["platform_sku"].to_numpy(),
        }
    )
    # a product may be listed twice, where pages moved while they were read
    table = table[table["key"].notna() & (table["key"] != "")].drop_duplicates(["key", "id"])
    shared = table["key"].duplicated(keep=False)
    choices = table[shared].groupby("key")["id"].agg(lambda ids: sorted(map(str, ids))).to_dict()
    single = table[~shared]
    at = pc.index_in(key, text(single["key"]), skip_nulls=True)
    several = {}
    if choices:
        ambiguous = pc.index_in(key, text(choices), skip_nulls=True)
        lists = list(choices.values())
        rows = np.flatnonzero(valid(ambiguous))
        places = ambiguous.take(pa.array(rows)).to_pylist()
        several = {int(row): lists[place] for row, place in zip(rows, places, strict=True)}
    return _Found(text(single["id"]).take(at), text(single["sku"]).take(at), several)


def _platform_skus(ids: pa.Array, platform_catalog: pd.DataFrame) -> pa.Array:
    """What the platform calls the ids: for rows whose way does not tell."""
    at = pc.index_in(ids, text(platform_catalog["platform_id"]), skip_nulls=True)
    return text(platform_catalog["platform_sku"]).take(at)


def _identity(catalog: pd.DataFrame, column: str) -> _Found:
    own = text(catalog[column])
    return _Found(own, own, {})


def _losers(
    catalog: pd.DataFrame,
    ids: pa.Array,
    way_of: np.ndarray,
    ways: list[str],
    file_rows: Sequence[MappingRow],
    platform: str,
) -> dict[int, tuple[str, str]]:
    """Rows whose id another SKU has, or wants as much: row -> the id and the reason."""
    losers: dict[int, tuple[str, str]] = {}
    given = ids.drop_null()
    if len(given.unique()) == len(given) and not file_rows:
        return losers
    values = series(ids)
    skus = catalog["sku"].to_numpy(dtype=object)
    for wanted, group in values[values.duplicated(keep=False) & values.notna()].groupby(values):
        rows = group.index.to_numpy()
        best = rows[way_of[rows] == way_of[rows].min()]
        for row in rows:
            if len(best) == 1 and row == best[0]:
                continue
            others = [other for other in best if other != row]
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            other, verb = others[0], "has" if len(best) == 1 else "claims"
            losers[int(row)] = (
                str(wanted),
                _contested(platform, str(wanted), ways[way_of[row]])
                + f"SKU {skus[other]}{more} {verb} it too, by {_SAID[ways[way_of[other]]]}",
            )
    # what the file gives to SKUs that this outlet does not sell is theirs all the same
    by_id = {row.platform_id: row for row in file_rows}
    reserved = pc.index_in(ids, text(by_id), skip_nulls=True)
    for row in np.flatnonzero(valid(reserved) & (way_of != 0)):
        owner = by_id[str(values[row])]
        losers[int(row)] = (
            owner.platform_id,
            _contested(platform, owner.platform_id, ways[way_of[row]])
            + f"the mapping file gives it to SKU {owner.sku}, line {owner.line}",
        )
    return losers


def _next_steps(
    catalog: pd.DataFrame,
    unmapped: np.ndarray,
    candidates: dict[int, list[str]],
    settings: MappingSettings,
    account: str,
) -> pd.Series:
    """What maps each unmapped row, else null: without a file only the till can."""
    if settings.identity is None or settings.file is not None:
        return mapping_commands(catalog, unmapped, candidates, account)
    what = "SKU" if settings.identity == "sku" else settings.identity
    step = f"give the product a {what} of its own in the POS"
    return pick([step], np.where(unmapped, 0, -1))


def _contested(platform: str, platform_id: str, way: str) -> str:
    return f"{platform} id {platform_id}, found by {_SAID[way]}: "


def _several_reason(way: str, choice: list[str], platform: str) -> str:
    more = f" and {len(choice) - 5} more" if len(choice) > 5 else ""
    what = "this SKU" if way == "sku" else "this barcode"
    return f"{platform} lists {len(choice)} products with {what}: {', '.join(choice[:5])}{more}"


def _reasons(
    catalog: pd.DataFrame,
    unmapped: np.ndarray,
    special: dict[int, str],
    platform: str,
    settings: MappingSettings,
    platform_catalog: pd.DataFrame | None,
) -> pd.Series:
    """Why each unmapped row has no id; null for the others."""
    if not unmapped.any():
        return series(pa.nulls(len(unmapped), pa.large_string()))
    if settings.identity is not None:
        common = bare = f"the till has no {settings.identity} to use as {platform}'s id"
    elif platform_catalog is None:
        common = bare = f"the catalogue of {platform} has not been read, and no file row maps it"
    else:
        keys = {"sku": "SKU", "gtin": "barcode"}
        tried = " or ".join(keys[way] for way in settings.by)
        common = f"no product of {platform} has its {tried}" if tried else "no file row maps it"
        without = " or ".join(keys[way] for way in settings.by if way != "gtin")
        bare = f"it has no valid barcode, and no product of {platform} has its {without}"
        if "gtin" not in settings.by:
            bare = common
        elif not without:
            bare = "it has no valid barcode"
    at = np.where(catalog["barcode"].isna().to_numpy(), 0, 1)
    for number, row in enumerate(special):
        at[row] = 2 + number
    at[~unmapped] = -1
    return pick([bare, common, *special.values()], at)
