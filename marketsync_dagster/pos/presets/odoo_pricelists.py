"""Odoo's price lists: the rules that give one product a fixed price.

The outlet is the price list: `keys` name it. A rule with dates is a promotion, one without is the
price. Rules for several pieces, percentages, formulas, categories are no price of one piece.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout
from marketsync_dagster.pos.texts import Texts

_CODES = (
    "product_id/default_code", "Product Variant/Internal Reference", "Variant/Internal Reference",
    "product_tmpl_id/default_code", "Product/Internal Reference",
)  # fmt: skip
_NAMES = ("product_id", "Product Variant", "Variant", "product_tmpl_id", "Product")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "outlet": ("pricelist_id", "pricelist_id/name", "Pricelist"),
    "sku": (*_CODES, *_NAMES),
    "price": ("fixed_price", "Fixed Price"),
    "promo_from": ("date_start", "Start Date"),
    "promo_to": ("date_end", "End Date"),
    "currency": ("currency_id", "currency_id/name", "Currency"),
    "_template": ("product_tmpl_id/default_code", "Product/Internal Reference", "product_tmpl_id",
                  "Product"),
    "_least": ("min_quantity", "Min. Quantity", "Minimum Quantity"),
    "_way": ("compute_price", "Compute Price"),
}  # fmt: skip
_FIXED = frozenset(fold(word) for word in ("fixed", "fixed price", ""))
_ONE = r"^(?:0*[01]?(?:[.,]0*)?|0*[.,][0-9]+)$"
_ZERO = r"^0*(?:[.,]0*)?$"
_CODE = r"^\[([^\]]+)\].*$"


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = shaping.otherwise(texts, "sku", "_template")
    texts = _left_out(texts, ~texts.filled("sku"), "rules for categories or all products")
    texts = _left_out(texts, ~_fixed(texts), "percentages, formulas or rules without a price")
    several = ~matches(texts.column("_least"), _ONE)
    texts = _left_out(texts, several, "prices for several pieces")
    texts = _coded(texts)
    dated = texts.filled("promo_from") | texts.filled("promo_to")
    price = texts.column("price")
    mask = pa.array(dated)
    texts = texts.put("promo_price", pc.if_else(mask, price, ""), texts.headers.get("price"))
    texts = texts.put("price", pc.if_else(mask, "", price))
    # one rule without dates and one with them are one product's price and promotion
    return shaping.inherit(texts, "sku", "price", "promo_price", "promo_from", "promo_to")


def _left_out(texts: Texts, which: np.ndarray, what: str) -> Texts:
    if not which.any():
        return texts
    words = f"price list: {int(which.sum())} {what} are left out, the first on line "
    return texts.continuing(which).warn(f"{words}{int(texts.lines[which][0])}")


def _fixed(texts: Texts) -> np.ndarray:
    """Which rules are a price."""
    if not len(texts):
        return np.zeros(0, bool)
    encoded = pc.dictionary_encode(texts.column("_way"))
    fixed = np.array([fold(word) in _FIXED for word in encoded.dictionary.to_pylist()], bool)
    return fixed[encoded.indices.to_numpy(zero_copy_only=False)] & ~matches(
        texts.column("price"), _ZERO
    )


def _coded(texts: Texts) -> Texts:
    """The reference that Odoo writes before a product's name, `[TEA-1] Black tea`."""
    sku = texts.column("sku")
    coded = pc.match_substring_regex(sku, _CODE)
    texts = texts.put("sku", pc.if_else(coded, pc.replace_substring_regex(sku, _CODE, r"\1"), sku))
    # also of the rules that were rejected before: their products are not sold without them
    faults = tuple(
        fault if fault.sku is None else replace(fault, sku=_bare(fault.sku))
        for fault in texts.faults
    )
    texts = replace(texts, faults=faults)
    if texts.headers.get("sku") in _CODES:
        return texts
    return _left_out(texts, ~as_bool(coded), "rules for products without an internal reference")


def _bare(sku: str) -> str:
    match = re.match(_CODE, sku)
    return match.group(1) if match else sku


PRICE_LISTS = tuple(
    Layout(f"price list ({code})", _COLUMNS, known_by=(pricelist, price), shape=_shape, adds=True)
    for code, pricelist, price in (
        ("technical", "pricelist_id", "fixed_price"),
        ("technical", "pricelist_id/name", "fixed_price"),
        ("English", "Pricelist", "Fixed Price"),
    )
)
"""Layouts of what a list of price rules exports."""
