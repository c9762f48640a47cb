"""Magento 2 and Adobe Commerce: the exports of products, of stock by source and of tier prices."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, as_int, matches, pc
from marketsync_dagster.pos.layouts import outlet_key
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.values.words import counted

_COLUMNS: dict[str, tuple[str, ...]] = {
    "sku": ("sku",),
    "name": ("name",),
    "price": ("price",),
    "promo_price": ("special_price",),
    "promo_from": ("special_price_from_date", "special_from_date"),
    "promo_to": ("special_price_to_date", "special_to_date"),
    "stock": ("qty",),
    "stock_status": ("is_in_stock",),
    "active": ("product_online", "status"),
    "category": ("categories",),
    "brand": ("brand", "manufacturer"),
    "manufacturer": ("manufacturer",),
    "origin": ("country_of_manufacture",),
    "barcode": ("ean", "ean13", "gtin", "barcode", "upc"),
    "cost": ("cost",),
    "_view": ("store_view_code",),
    "_kind": ("product_type",),
    "_more": ("additional_attributes",),
    "_counted": ("manage_stock",),
    "_counted_as_set": ("use_config_manage_stock",),
    "_backorders": ("allow_backorders",),
    "_backorders_as_set": ("use_config_backorders",),
    "_variations": ("configurable_variations",),
    "_bundled": ("bundle_values",),
    "_grouped": ("associated_skus",),
}
_MONEY = ("price", "promo_price", "cost")
_BY_VIEW = ("name", "price", "promo_price", "promo_from", "promo_to", "active", "category", "brand",
            "barcode", "manufacturer", "origin", "_more")  # fmt: skip
_PARENTS = pa.array(["configurable", "bundle", "grouped"])
_NO_GOODS = pa.array(["giftcard", "amgiftcard"])
_CHILD = re.compile(r"(?:^|[,|])\s*sku=([^,|]+)")
_NO_PRICE = "The price of a product with choices is not the price of one of them."


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = texts.put("_kind", pc.utf8_lower(texts.column("_kind")))
    texts = _of_view(texts, spec)
    texts = _goods(texts)
    for name in (*_MONEY, "stock"):
        texts = _without_zeros(texts, name)
    texts = _attributes(texts)
    texts = _online(texts)
    texts = _whole_days(texts)
    return _stocked(texts)


def _of_view(texts: Texts, spec: ExtractSpec) -> Texts:
    """Without the rows of store views. What the outlet's own view says goes before what the product
    says everywhere."""
    viewed = texts.filled("_view")
    if not viewed.any():
        return texts
    wanted = {outlet_key(key) for key in spec.keys}
    encoded = pc.dictionary_encode(texts.column("_view"))
    known = np.array([outlet_key(one) in wanted for one in encoded.dictionary.to_pylist()], bool)
    own = viewed & known[encoded.indices.to_numpy(zero_copy_only=False)]
    whole = np.flatnonzero(~viewed)
    rows = np.flatnonzero(own)
    place = pc.index_in(
        texts.column("sku").take(pa.array(rows)), texts.column("sku").take(pa.array(whole))
    )
    found = as_bool(pc.is_valid(place))
    rows, place = rows[found], as_int(place.filter(pa.array(found)))
    doubtful = _twice(texts, rows, place)
    for name in _BY_VIEW:
        if name not in texts.columns:
            continue
        filled = texts.filled(name)[rows]
        at = np.arange(len(texts))
        at[whole[place[filled]]] = rows[filled]
        texts = texts.put(name, texts.columns[name].take(pa.array(at)))
    bad = np.zeros(len(texts), bool)
    bad[whole[doubtful]] = True
    there = pc.is_in(texts.column("sku"), texts.column("sku").take(pa.array(whole)))
    alone = int((viewed & ~as_bool(there)).sum())
    if alone:
        texts = texts.warn(f"without a row of its product: {counted(alone, 'row')} of store views")
    note = "Several store views of the outlet have a price of their own."
    return texts.reject(bad, "sku", "contradicting_duplicate", note).continuing(viewed[~bad])


def _twice(texts: Texts, rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The products, by their place, for which several views of the outlet say different things."""
    order = np.argsort(place, kind="stable")
    rows, place = rows[order], place[order]
    again = np.flatnonzero(place[1:] == place[:-1])
    differ = np.zeros(len(again), bool)
    for name in ("price", "promo_price", "promo_from", "promo_to", "active"):
        column = texts.column(name)
        first, second = (column.take(pa.array(rows[again + step])) for step in (0, 1))
        differ |= as_bool(pc.not_equal(first, second))
    return np.unique(place[again[differ]])


def _goods(texts: Texts) -> Texts:
    """Without products with choices, which go on as what they are made of, and gift cards."""
    cards = as_bool(pc.is_in(texts.column("_kind"), _NO_GOODS))
    if cards.any():
        words = (
            f"left out, being gift cards, which are no goods: {counted(int(cards.sum()), 'row')}"
        )
        texts = texts.continuing(cards).warn(words)
    parents = as_bool(pc.is_in(texts.column("_kind"), _PARENTS))
    if not parents.any():
        return texts
    there = set(texts.column("sku").to_pylist())
    here = np.zeros(len(texts), bool)
    rows = np.flatnonzero(parents)
    cells = [texts.column(name).take(pa.array(rows)).to_pylist()
             for name in ("_variations", "_bundled", "_grouped")]  # fmt: skip
    for row, variations, bundled, grouped in zip(rows.tolist(), *cells, strict=True):
        children = [*_CHILD.findall(variations), *_CHILD.findall(bundled)]
        children += [part.partition("=")[0] for part in grouped.split(",")]
        here[row] = any(child.strip() in there for child in children if child.strip())
    texts = texts.continuing(here)
    return texts.reject((parents & ~here)[~here], "price", "price_range", _NO_PRICE)


def _without_zeros(texts: Texts, name: str) -> Texts:
    """`5.0000` is 5 and `5.1000` is 5.1: Magento writes four decimals. Other texts stay: `5.1250`
    cannot be thousands, which 5.125 could."""
    if name not in texts.columns:
        return texts
    column = texts.columns[name]
    column = pc.replace_substring_regex(column, r"^(-?[0-9]+)\.0+$", r"\1")
    column = pc.replace_substring_regex(column, r"^(-?[0-9]+\.[0-9]{1,2}?)0+$", r"\1")
    return texts.put(name, column)


def _attributes(texts: Texts) -> Texts:
    """Brand, barcode and maker where they are attributes of the shop's own:
    `brand=Loom,ean=200..`."""
    if "_more" not in texts.columns:
        return texts
    more = texts.columns["_more"]
    for name in ("brand", "barcode", "manufacturer", "origin"):
        for key in _COLUMNS[name]:
            named = pc.match_substring(more, key, ignore_case=True)
            if not pc.any(named, min_count=0).as_py():
                continue
            pattern = rf'^(?:.*,)?"?{key}"?="?(?P<value>(?:[^,"]|, )*)"?(?:,.*)?$'
            value = pc.struct_field(pc.extract_regex(more, f"(?is){pattern}"), [0])
            value = pc.utf8_trim_whitespace(pc.fill_null(value, ""))
            if pc.any(pc.not_equal(value, ""), min_count=0).as_py():
                texts = texts.put(f"_{key}", value, f"additional_attributes: {key}")
                texts = shaping.otherwise(texts, name, f"_{key}")
    return texts


def _online(texts: Texts) -> Texts:
    """1 is online; 2 is not, though it is no word for no."""
    off = as_bool(pc.equal(texts.column("active"), "2"))
    return shaping.write(texts, "active", off, "no")


def _whole_days(texts: Texts) -> Texts:
    """A special price holds to the end of its last day, which may be written as its midnight."""
    if "promo_to" not in texts.columns:
        return texts
    days = pc.replace_substring_regex(texts.columns["promo_to"], r"[T ]+00:00(?::00)?$", "")
    return texts.put("promo_to", days)


def _stocked(texts: Texts) -> Texts:
    """What is not counted, or sold beyond what there is, has no quantity; what is out of stock is
    not for sale, whatever is counted."""
    free = shaping.no(texts, "_counted") & ~shaping.yes(texts, "_counted_as_set")
    free |= matches(texts.column("_backorders"), r"^[12]$") & ~shaping.yes(
        texts, "_backorders_as_set"
    )
    texts = shaping.write(texts, "stock", free & texts.filled("stock"), "")
    gone = shaping.no(texts, "stock_status") & texts.filled("stock")
    return shaping.write(texts, "stock", gone, "0")


def _shape_stock(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = _without_zeros(texts, "stock")
    return shaping.write(texts, "stock", shaping.no(texts, "stock_status"), "0")


_EVERYWHERE = r"(?i)^(?:all websites\s*(?:\[(?P<currency>[A-Z]{3})\])?|all)$"


def _shape_tiers(texts: Texts, spec: ExtractSpec) -> Texts:
    """Only what everybody pays for one piece is a promotion price."""
    groups = pc.utf8_lower(texts.column("_group"))
    everybody = as_bool(pc.is_in(groups, pa.array(["all groups", "all", ""])))
    texts = _left_out(texts, ~everybody, "prices for some customers only")
    several = ~matches(texts.column("_least"), r"^(?:0*1?(?:\.0*)?)$")
    texts = _left_out(texts, several, "prices for several pieces")
    fixed = as_bool(pc.equal(pc.utf8_lower(texts.column("_way")), "fixed"))
    texts = _left_out(texts, ~fixed, "discounts in percent")
    texts = _left_out(texts, ~_for_outlet(texts, spec), "prices of other websites")
    return _without_zeros(texts, "promo_price")


def _for_outlet(texts: Texts, spec: ExtractSpec) -> np.ndarray:
    """Which rows are for every website, in the outlet's currency, or for the outlet's own."""
    wanted = {outlet_key(key) for key in spec.keys}
    encoded = pc.dictionary_encode(texts.column("_website"))
    meant: list[bool] = []
    for one in encoded.dictionary.to_pylist():
        match = re.fullmatch(_EVERYWHERE, one)
        currency = match and (match["currency"] or spec.currency).upper()
        meant.append(currency == spec.currency or not one or outlet_key(one) in wanted)
    if not len(texts):
        return np.zeros(0, bool)
    return np.array(meant, bool)[encoded.indices.to_numpy(zero_copy_only=False)]


def _left_out(texts: Texts, which: np.ndarray, what: str) -> Texts:
    if not which.any():
        return texts
    words = f"tier prices: {int(which.sum())} {what} are left out, the first on line "
    return texts.continuing(which).warn(f"{words}{int(texts.lines[which][0])}")


PRESET = Preset(
    "magento",
    "Magento 2",
    (
        Layout(
            "tier prices",
            {
                "sku": ("sku",),
                "promo_price": ("tier_price",),
                "_website": ("tier_price_website",),
                "_group": ("tier_price_customer_group",),
                "_least": ("tier_price_qty",),
                "_way": ("tier_price_value_type",),
            },
            ("sku", "tier_price", "tier_price_qty", "tier_price_customer_group",
             "tier_price_value_type"),
            shape=_shape_tiers,
            adds=True,
        ),
        Layout(
            "stock by source",
            {
                "outlet": ("source_code",),
                "sku": ("sku",),
                "stock": ("quantity",),
                "stock_status": ("status",),
            },
            ("source_code", "sku", "quantity"),
            shape=_shape_stock,
            adds=True,
        ),
        Layout("products", _COLUMNS, ("sku", "product_type", "price"), shape=_shape),
    ),
    decimal=".",
    notes=(
        "Of products with choices (configurable, bundle, grouped), what can be chosen is sold.",
        "`keys` may name a store view, for its prices, and a source, for its stock.",
        "Dates such as 3/4/26 are read if other rows show whether the month stands first.",
    ),
)  # fmt: skip
