"""Lightspeed Retail (X-Series), which was Vend: the product export."""

from __future__ import annotations

from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.texts import Texts

_OPTIONS = ("_option1", "_option2", "_option3")
_TAXED = (
    "retail_price is written as the shop shows its prices, with tax or without, and the file does "
    "not say which: make sure that it is with tax"
)


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = shaping.without_parts(texts, "_part")
    texts = shaping.inherit(texts, "_handle", "name", "category", "brand", "tags")
    texts = shaping.only_flags(texts, "_track")
    texts = shaping.write(texts, "stock", shaping.no(texts, "_track"), "")
    if texts.filled("_tax").any():
        texts = texts.warn(_TAXED)
    return shaping.with_options(texts, *_OPTIONS)


PRESET = Preset(
    name="lightspeed",
    title="Lightspeed Retail (X-Series), formerly Vend",
    layouts=(
        Layout(
            name="products",
            columns={
                # not `id`, which is a number of Lightspeed's own
                "sku": ("sku",),
                "name": ("name",),
                "brand": ("brand_name",),
                "category": ("product_category", "type"),
                "tags": ("tags",),
                "cost": ("supply_price",),
                "price": ("retail_price",),
                "active": ("active",),
                "stock": ("inventory_{outlet}",),
                "_handle": ("handle",),
                "_part": ("composite_sku",),
                "_track": ("track_inventory",),
                "_tax": ("outlet_tax_{outlet}", "tax_name"),
                "_option1": ("variant_option_one_value",),
                "_option2": ("variant_option_two_value",),
                "_option3": ("variant_option_three_value",),
            },
            known_by=("handle", "sku", "retail_price"),
            shape=_shape,
        ),
    ),
    decimal=".",
    notes=(
        "The outlet's `keys` name it as it stands in `inventory_Main_Outlet`: `Main Outlet`.",
        (
            "`retail_price` is with or without tax, as the shop is set up: set Lightspeed to show "
            "prices with tax, or add the tax with the channel's pricing."
        ),
        "Price books are another export and are not read.",
        "The rows of a composite's components belong to it and are no products.",
    ),
)
