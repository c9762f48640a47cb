"""Loyverse: the items export, with a group of columns for each store."""

from __future__ import annotations

from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.texts import Texts

_OPTIONS = ("_option1", "_option2", "_option3")


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = shaping.without_parts(texts, "_part")
    texts = shaping.inherit(texts, "_handle", "name", "category", "_weight", "_track")
    texts = shaping.only_flags(texts, "_weight", "_track")
    texts = shaping.weighed(texts, shaping.yes(texts, "_weight"), spec, "_weight")
    # what is not counted has 0 or what was there when counting ended
    texts = shaping.write(texts, "stock", shaping.no(texts, "_track"), "")
    return shaping.with_options(texts, *_OPTIONS)


_COLUMNS = {
    "sku": ("SKU", "REF"),
    "name": ("Name", "Nombre"),
    "category": ("Category", "Categoria", "Categoría"),
    "barcode": ("Barcode", "Codigo de barras", "Código de barras"),
    "cost": ("Cost", "Coste"),
    # not `Default price`: a store's own price may be another
    "price": ("Price [{outlet}]", "Precio [{outlet}]", "Price", "Precio"),
    "stock": ("In stock [{outlet}]", "En inventario [{outlet}]", "In stock", "En inventario"),
    "active": (
        "Available for sale [{outlet}]", "Disponibles para la venta [{outlet}]",
        "Available for sale", "Disponibles para la venta",
    ),
    "_handle": ("Handle",),
    "_weight": ("Sold by weight", "Vendido por peso"),
    "_track": ("Track stock", "Seguir el Inventario"),
    "_part": ("SKU of included item", "REF del componente"),
    "_option1": ("Option 1 value", "Opción 1 valor"),
    "_option2": ("Option 2 value", "Opción 2 valor"),
    "_option3": ("Option 3 value", "Opción 3 valor"),
}  # fmt: skip

PRESET = Preset(
    name="loyverse",
    title="Loyverse",
    layouts=(
        Layout("items", _COLUMNS, ("Handle", "SKU", "Name"), shape=_shape),
        Layout("items in Spanish", _COLUMNS, ("Handle", "REF", "Nombre"), shape=_shape),
    ),
    decimal=".",
    notes=(
        "The outlet's `keys` name its store as it stands in `Price [Store]`.",
        "`variable` prices, which are typed in at the till, are rejected.",
        "Goods that are sold by weight are rejected unless `weighed: accept` is said.",
        "The rows of a composite item's components belong to it and are no products.",
        "`Default price` is not read: a store's own price may be another.",
        "The headers are known in English and Spanish.",
    ),
)
