"""Odoo: products and variants as its list views export them, and the rules of its price lists.

Headers are the labels of the user's language, or technical names where the export is made for
importing again. What an export says of forecasts and of templates' prices is not read.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.presets.odoo_pricelists import PRICE_LISTS
from marketsync_dagster.pos.selling import measured
from marketsync_dagster.pos.texts import Texts

_LABELS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # a variant's own price goes before the one of its template
    "technical": (("default_code",), ("lst_price", "list_price")),
    "English": (("Internal Reference",), ("Public Price", "Sales Price", "Sale Price")),
    "Spanish": (("Referencia interna",), ("Precio público", "Precio de venta")),
    "French": (("Référence interne",), ("Prix public", "Prix de vente")),
    "German": (("Interne Referenz",), ("Öffentlicher Preis", "Verkaufspreis")),
    "Turkish": (("Dahili Referans", "İç Referans"), ("Satış Fiyatı",)),
    "Arabic": (("المرجع الداخلي", "مرجع داخلي"), ("سعر البيع", "سعر المبيعات")),
    "Hebrew": (("מזהה פנימי", 'מק"ט פנימי', "סימוכין פנימי"), ("מחיר מכירה",)),
}
"""What the reference and the price are called, which products are known by."""
_COLUMNS: dict[str, tuple[str, ...]] = {
    "sku": tuple(sku for skus, _ in _LABELS.values() for sku in skus),
    "name": (
        "name", "Name", "Display Name", "display_name", "Nombre", "Nom", "Bezeichnung", "Ad",
        "Adı", "İsim", "الاسم", "שם",
    ),
    "barcode": (
        "barcode", "Barcode", "Código de barras", "Code-barres", "Code à barres", "Strichcode",
        "Barkod", "الباركود", "باركود", "ברקוד",
    ),
    "price": tuple(price for _, prices in _LABELS.values() for price in prices),
    "cost": (
        "standard_price", "Cost", "Coste", "Costo", "Coût", "Kosten", "Maliyet", "التكلفة", "עלות",
    ),
    "stock": (
        "qty_available", "Quantity On Hand", "Cantidad a mano", "Cantidad disponible",
        "Quantité en stock", "Quantité disponible", "Bestandsmenge", "Vorrätige Menge",
        "Verfügbare Menge", "Eldeki Miktar", "الكمية في اليد", "الكمية المتاحة", "כמות בפועל",
        "כמות במלאי",
    ),
    "unit": (
        "uom_id", "uom_id/name", "uom_name", "Unit of Measure", "Unit", "Unidad de medida",
        "Unité de mesure", "Maßeinheit", "Mengeneinheit", "Ölçü Birimi", "وحدة القياس",
        "יחידת מידה",
    ),
    "category": (
        "categ_id", "categ_id/name", "Product Category", "Category", "Categoría de producto",
        "Categoría del producto", "Catégorie d'article", "Catégorie de produits",
        "Produktkategorie", "Ürün Kategorisi", "فئة المنتج", "קטגוריית מוצר",
    ),
    "tags": (
        "product_tag_ids", "Product Tags", "Tags", "Etiquetas", "Étiquettes", "Stichwörter",
        "Etiketler",
    ),
    "manufacturer": ("manufacturer_id", "manufacturer_id/name", "Manufacturer"),
    "origin": ("country_of_origin", "country_of_origin/name", "Origin of Goods"),
    "active": ("active", "Active", "Activo", "Actif", "Aktiv", "Etkin", "نشط", "פעיל"),
    "_sold": (
        "sale_ok", "Can be Sold", "Puede ser vendido", "Se puede vender", "Peut être vendu",
        "Kann verkauft werden", "Satılabilir", "يمكن بيعه", "ניתן למכירה",
    ),
    "_kind": (
        "detailed_type", "type", "Product Type", "Tipo de producto", "Type de produit",
        "Type d'article", "Produktart", "Ürün Türü", "نوع المنتج", "סוג מוצר",
    ),
    "_tracked": ("is_storable", "Track Inventory"),
    "_variant": (
        "product_template_variant_value_ids", "product_template_attribute_value_ids",
        "Variant Values", "Attribute Values", "Valores de variante", "Valeurs de variante",
        "Variantenwerte",
    ),
}  # fmt: skip
_OF_TEMPLATE = {
    "sku": ("product_variant_ids/default_code", "Products/Internal Reference"),
    "price": (
        "product_variant_ids/lst_price", "Products/Public Price", "Products/Sales Price",
    ),
    "barcode": ("product_variant_ids/barcode", "Products/Barcode"),
    "stock": ("product_variant_ids/qty_available", "Products/Quantity On Hand"),
    "cost": ("product_variant_ids/standard_price", "Products/Cost"),
    "_variant": (
        "product_variant_ids/product_template_variant_value_ids", "Products/Variant Values",
    ),
}  # fmt: skip
"""What the lines of variants say under their template, which is not repeated."""
_TEMPLATES = {**_COLUMNS, **_OF_TEMPLATE}
_UNTRACKED = pa.array(
    "consu consumable service consumible servicio consommable verbrauchsmaterial dienstleistung "
    "hizmet".split()
)
_HEADING = r"\S\s*\([0-9]+\)$"


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = _without_headings(texts)
    texts = _without_lines(texts)
    texts = shaping.only_flags(texts, "_sold", "_tracked")
    texts = shaping.switch_off(texts, shaping.no(texts, "_sold"), texts.headers.get("_sold", ""))
    texts = _stocked(texts)
    texts = shaping.with_options(texts, "_variant")
    return shaping.weighed(texts, measured(texts), spec, "unit")


def _shape_templates(texts: Texts, spec: ExtractSpec) -> Texts:
    own = ("name", *(name for name in texts.columns if name not in {*_OF_TEMPLATE, "name"}))
    return _shape(_filled_down(texts, own), spec)


def _without_headings(texts: Texts) -> Texts:
    """Without the headings of groups, `All / Drinks (12)`, whose figures are sums.

    Where nothing tells them from products, they are rejected.
    """
    others = [name for name in ("sku", "name", "barcode", "category", "unit")
              if name in texts.columns]  # fmt: skip
    filled = np.zeros(len(texts), np.int8)
    for name in others:
        filled += texts.filled(name)
    for name in ("sku", "name"):
        if name not in texts.columns or not len(texts):
            continue
        heading = matches(texts.column(name), _HEADING) & (filled == 1)
        if len(others) == 1:
            return texts.reject(heading, name, "total_row")
        texts, filled = texts.continuing(heading), filled[~heading]
    return texts


def _without_lines(texts: Texts) -> Texts:
    """Without the further lines of a product: of its suppliers, its attributes."""
    bare = np.ones(len(texts), bool)
    for name in ("sku", "name", "barcode", "price"):
        bare &= ~texts.filled(name)
    first = int(np.argmin(bare)) if len(bare) and not bare.all() else len(bare)
    bare[:first] = False
    return texts.continuing(bare)


def _filled_down(texts: Texts, names: tuple[str, ...]) -> Texts:
    """Lines without a name say what the last line with one says, in the columns `names`."""
    if not len(texts):
        return texts
    named = texts.filled("name")
    at = np.maximum.accumulate(np.where(named, np.arange(len(texts)), 0))
    for name in names:
        if name in texts.columns:
            texts = texts.put(name, texts.columns[name].take(pa.array(at)))
    return texts


def _stocked(texts: Texts) -> Texts:
    """What Odoo does not count has no quantity, though the export says 0."""
    if "stock" not in texts.columns:
        return texts
    uncounted = shaping.no(texts, "_tracked")
    if "_tracked" not in texts.columns:
        uncounted = as_bool(pc.is_in(pc.utf8_lower(texts.column("_kind")), _UNTRACKED))
    return shaping.write(texts, "stock", uncounted, "")


PRESET = Preset(
    "odoo",
    "Odoo",
    (
        *PRICE_LISTS,
        *(
            Layout(f"templates with variants ({sku})", _TEMPLATES, (sku,), shape=_shape_templates)
            for sku in _OF_TEMPLATE["sku"]
        ),
        *(
            Layout(f"products ({language})", _COLUMNS, (sku, price), shape=_shape)
            for language, (skus, prices) in _LABELS.items()
            for sku in skus
            for price in prices
        ),
    ),
    notes=(
        "Export variants, not templates: a template's price is not its variants' price.",
        "Odoo lets two products have one internal reference: such rows are rejected.",
        "Quantity On Hand is read; a forecast is not.",
        "Of a price list that `keys` name, fixed prices of one piece are read.",
    ),
)
