"""Square: the item library as XLSX or CSV, with a group of columns for each location."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.headers.folding import fold
from marketsync_dagster.pos.headers.known import pieces
from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.texts import Texts

_FLAGS = ("_archived", "_sellable", "_enabled", "_stockable")
_PIECES = pieces() | {"item"}
_OFF = {"_archived": shaping.yes, "_sellable": shaping.no, "_enabled": shaping.no}
_PER = re.compile(r"^per\s+|\s*\(.*\)$|[,;].*$", re.IGNORECASE)


def _measured(texts: Texts) -> np.ndarray:
    """Which prices are for a measure, by `Unit and Precision`; `per item` is none."""
    column = texts.column("_unit")
    single = [
        cell
        for cell in pc.unique(column).to_pylist()
        if not cell or fold(_PER.sub("", cell)) in _PIECES
    ]
    return ~as_bool(pc.is_in(column, pa.array(single, pa.string())))


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = shaping.only_flags(texts, *_FLAGS)
    texts = shaping.otherwise(texts, "price", "_price")
    measured = _measured(texts)
    if spec.weighed == "accept":
        # the unit as Square has it
        unit = pc.if_else(pa.array(measured), texts.column("_unit"), texts.column("unit"))
        texts = texts.put("unit", unit, texts.headers.get("_unit"))
    texts = shaping.weighed(texts, measured, spec, "_unit")
    texts = shaping.write(texts, "stock", shaping.no(texts, "_stockable"), "")
    for name, said in _OFF.items():
        texts = shaping.switch_off(texts, said(texts, name), texts.headers.get(name, name))
    sold = ~shaping.no(texts, "active")
    texts = texts.reject(sold & ~texts.filled("price"), "price", "variable_price")
    return shaping.with_options(texts, "_variation", nothing=("regular",))


def _items(name: str, sheet: str | None) -> Layout:
    return Layout(
        name=name,
        columns={
            # not `Token`, which is a number of Square's own
            "sku": ("SKU",),
            "name": ("Item Name",),
            "category": ("Categories", "Category", "Reporting Category"),
            "barcode": ("GTIN",),
            "cost": ("Default Unit Cost",),
            # not `Online Sale Price`, which holds in Square's own web shop alone
            "price": ("Price {outlet}", "Price"),
            # not `New Quantity`, which tells Square what to set
            "stock": ("Current Quantity {outlet}",),
            "_price": ("Price",),
            "_variation": ("Variation Name",),
            "_unit": ("Unit and Precision",),
            "_enabled": ("Enabled {outlet}",),
            "_archived": ("Archived",),
            "_sellable": ("Sellable",),
            "_stockable": ("Stockable",),
        },
        known_by=("Item Name", "Variation Name", "SKU"),
        sheet=sheet,
        shape=_shape,
    )


PRESET = Preset(
    name="square",
    title="Square",
    layouts=(_items("items", "Items"), _items("items under another name", None)),
    notes=(
        "The outlet's `keys` name its location as it stands in `Enabled Main Street`.",
        "A location's own price goes before `Price`; `Online Sale Price` is not read.",
        "An item that is sold without a price, to be typed in at the till, is rejected.",
        "Items without a SKU are rejected; `columns: {sku: Token}` takes Square's own number.",
        (
            "Goods with a `Unit and Precision` other than pieces are rejected unless "
            "`weighed: accept` is said."
        ),
    ),
)
