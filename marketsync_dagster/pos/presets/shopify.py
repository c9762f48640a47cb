"""Shopify: the product export under its old and its new headers, and the inventory export."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import stock
from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.values.words import counted

_OPTIONS = ("_option1", "_option2", "_option3")
_POLICY = {**stock.ACTIVE, "continue": True, "deny": False}
_WORKED_OUT = "Shopify works out what it costs in this market; the file does not say it."

_COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("Title",),
    "brand": ("Vendor",),
    "category": ("Type",),
    "tags": ("Tags",),
    "cost": ("Cost per item",),
    "active": ("Status",),
    "_category": ("Product category",),
    "_gift": ("Gift card",),
    "_option1": ("Option1 value",),
    "_option2": ("Option2 value",),
    "_option3": ("Option3 value",),
    "_included": ("Included / {outlet}",),
    "_market": ("Price / {outlet}",),
    "_market_compare": ("Compare-at price / {outlet}", "Compare At Price / {outlet}"),
}
_NEW: dict[str, tuple[str, ...]] = {
    "sku": ("SKU",),
    "barcode": ("Barcode",),
    "price": ("Price",),
    "stock": ("Inventory quantity",),
    "_compare": ("Compare-at price",),
    "_handle": ("URL handle",),
    "_published": ("Published on online store",),
    "_tracker": ("Inventory tracker",),
    "_policy": ("Continue selling when out of stock",),
}
_OLD: dict[str, tuple[str, ...]] = {
    "sku": ("Variant SKU",),
    "barcode": ("Variant Barcode",),
    "price": ("Variant Price",),
    "stock": ("Variant Inventory Qty",),
    "_compare": ("Variant Compare At Price",),
    "_handle": ("Handle",),
    "_published": ("Published",),
    "_tracker": ("Variant Inventory Tracker",),
    "_policy": ("Variant Inventory Policy",),
}


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = shaping.without_quote(texts, "sku", "barcode")
    texts = texts.continuing(_pictures(texts))
    said = ("name", "brand", "category", "_category", "tags", "active", "_published", "_gift")
    texts = shaping.inherit(texts, "_handle", *said)
    texts = shaping.only_flags(texts, "_gift", "_included")
    texts = shaping.only_flags(texts, "_policy", words=_POLICY)
    texts = _without_gift_cards(texts)
    texts = _priced(_in_market(texts, spec), spec)
    texts = _stocked(texts)
    if "active" not in texts.columns:
        # files from before there was a status
        texts = shaping.otherwise(texts, "active", "_published")
    header = texts.headers.get("_included", "")
    texts = shaping.switch_off(texts, shaping.no(texts, "_included"), header)
    texts = shaping.otherwise(texts, "category", "_category")
    return shaping.with_options(texts, *_OPTIONS, nothing=("default title",))


def _pictures(texts: Texts) -> np.ndarray:
    """Rows with a handle and a picture alone, of a product that has other rows."""
    bare = texts.filled("_handle")
    for name in ("sku", "name", "price", "barcode", *_OPTIONS):
        bare &= ~texts.filled(name)
    return bare & shaping.also_in(texts, "_handle", ~bare)


def _without_gift_cards(texts: Texts) -> Texts:
    cards = shaping.yes(texts, "_gift")
    if not cards.any():
        return texts
    words = f"left out, being gift cards, which are no goods: {counted(int(cards.sum()), 'row')}"
    return texts.continuing(cards).warn(words)


def _in_market(texts: Texts, spec: ExtractSpec) -> Texts:
    """The prices of the outlet's market, if the outlet is one."""
    if "_market" not in texts.columns or "price" in spec.columns:
        return texts
    texts = texts.reject(~texts.filled("_market"), "_market", "missing_price", _WORKED_OUT)
    texts = texts.put("price", texts.column("_market"))
    headers = {**texts.headers, "price": texts.headers["_market"]}
    if "_market_compare" in texts.columns:
        headers["_compare"] = texts.headers["_market_compare"]
    compare = texts.column("_market_compare")
    return replace(texts.put("_compare", compare), headers=headers)


def _priced(texts: Texts, spec: ExtractSpec) -> Texts:
    """A price below its compare-at price is a promotion, and the latter the regular price."""
    if {"price", "promo_price"} & spec.columns.keys() or "_compare" not in texts.columns:
        return texts
    read = shaping.amounts(texts, ("price", "_compare"), spec)
    faults = read["_compare"].faults
    certain = shaping.reject_faults(texts, "_compare", faults, ("zero_price", "not_priced"))
    if len(certain) < len(texts):
        texts = certain
        read = shaping.amounts(texts, ("price", "_compare"), spec)
    price, compare = read["price"], read["_compare"]
    below = pa.array(price.known & compare.known & (compare.minor > price.minor))
    now, before = texts.column("price"), texts.column("_compare")
    header = texts.headers["price"]
    texts = texts.put("promo_price", pc.if_else(below, now, ""), header)
    return texts.put("price", pc.if_else(below, before, now))


def _stocked(texts: Texts) -> Texts:
    """What is not counted has no stock; what is sold without stock is never out of it."""
    goes_on = shaping.yes(texts, "_policy", _POLICY)
    if "_tracker" in texts.columns:
        texts = shaping.write(texts, "stock", ~texts.filled("_tracker"), "")
    texts = shaping.write(texts, "stock", goes_on, "")
    header = texts.headers.get("_policy", "")
    return shaping.write(texts, "stock_status", goes_on, "in stock", header)


def _shape_inventory(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = shaping.without_quote(texts, "sku")
    absent = as_bool(pc.equal(pc.utf8_lower(texts.column("stock")), "not stocked"))
    texts = shaping.switch_off(texts, absent, texts.headers.get("stock", ""))
    return shaping.write(texts, "stock", absent, "")


def _inventory(name: str, available: str) -> Layout:
    return Layout(
        name=name,
        columns={
            "sku": ("SKU",),
            "outlet": ("Location",),
            "stock": (available,),
            "origin": ("COO",),
        },
        known_by=("SKU", "Location", available),
        shape=_shape_inventory,
        adds=True,
    )


PRESET = Preset(
    name="shopify",
    title="Shopify",
    layouts=(
        Layout(
            name="products",
            columns={**_COLUMNS, **_NEW},
            known_by=("URL handle", "SKU", "Price"),
            shape=_shape,
            finish=lambda texts, spec: _stocked(texts),
        ),
        Layout(
            name="products under the old headers",
            columns={**_COLUMNS, **_OLD},
            known_by=("Handle", "Variant SKU", "Variant Price"),
            shape=_shape,
            finish=lambda texts, spec: _stocked(texts),
        ),
        _inventory("inventory", "Available (not editable)"),
        _inventory("inventory under the old headers", "Available"),
    ),
    decimal=".",
    notes=(
        "A price below its compare-at price is a promotion.",
        (
            "Products that Shopify does not count have no stock; those that it goes on selling "
            "when they are out of stock are always in stock."
        ),
        (
            "The stock of several locations is in the inventory export: give both files, and the "
            "location's name in the outlet's `keys`."
        ),
        (
            "The prices of a market are read where the outlet's `keys` name it, as in "
            "`Price / International`; a blank one is worked out by Shopify, and rejected."
        ),
        (
            "Products that are no longer active are not sold. `Published` is read only in files "
            "without `Status`. Gift cards are left out."
        ),
    ),
)
