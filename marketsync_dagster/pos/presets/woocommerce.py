"""WooCommerce: the product export, under the headers of the administrator's language.

The headers are WooCommerce's own translations. A sale without its dates is not read: WooCommerce
writes the sale price of a sale that is still to come, too.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, as_int, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.values.words import counted

_COLUMNS: dict[str, tuple[str, ...]] = {
    "sku": (
        "SKU", "UGS", "Artikelnummer", "Stok kodu (SKU)", "Stok kodu", "رمز المنتج (SKU)",
        "رمز المنتج", 'מק"ט', "מק״ט",
    ),
    "barcode": (
        "GTIN, UPC, EAN, or ISBN", "GTIN, UPC, EAN or ISBN", "GTIN, UPC, EAN o ISBN",
        "GTIN, UPC, EAN ou ISBN", "GTIN, UPC, EAN oder ISBN", "GTIN, UPC, EAN veya ISBN",
        "GTIN أو UPC أو EAN أو ISBN", "GTIN، UPC، EAN، أو ISBN", "GTIN, UPC, EAN או ISBN",
    ),
    "name": ("Name", "Nombre", "Nom", "İsim", "الاسم", "שם"),
    "price": (
        "Regular price", "Precio normal", "Precio regular", "Tarif régulier", "Regulärer Preis",
        "Normal fiyat", "السعر الافتراضي", "السعر العادي", "מחיר רגיל",
    ),
    "promo_price": (
        "Sale price", "Precio rebajado", "Tarif promo", "Angebotspreis", "İndirimli satış fiyatı",
        "İndirimli fiyat", "سعر التخفيض", "מחיר מבצע",
    ),
    "promo_from": (
        "Date sale price starts", "Día en que empieza el precio rebajado",
        "Date de début de promo", "Datum, an dem Angebotspreis beginnt",
        "İndirimli fiyatın başladığı tarih",
    ),
    "promo_to": (
        "Date sale price ends", "Día en que termina el precio rebajado", "Date de fin de promo",
        "Datum, an dem Angebotspreis endet", "İndirimli fiyatın bittiği tarih",
    ),
    "category": (
        "Categories", "Categorías", "Catégories", "Kategorien", "Kategoriler", "التصنيفات",
        "קטגוריות",
    ),
    "brand": ("Brands", "Marcas", "Marques", "Marken", "Markalar"),
    "tags": (
        "Tags", "Etiquetas", "Étiquettes", "Schlagwörter", "Etiketler", "الوسوم", "תגיות",
    ),
    "cost": ("Cost of goods",),
    "stock": ("Stock", "Inventario", "Bestand", "Lager", "Lagerbestand", "Stok", "المخزون", "מלאי"),
    "stock_status": (
        "In stock?", "¿Existencias?", "¿En inventario?", "En stock ?", "Vorrätig?", "Stokta?",
        "متوفر في المخزون؟", "هل متوفر؟", "במלאי?", "האם במלאי?",
    ),
    "active": (
        "Published", "Publicado", "Publié", "Veröffentlicht", "Yayımlanmış", "منشور", "פורסם",
    ),
    "_id": ("ID", "Kimlik", "المعرف", "المُعرّف", "מזהה"),
    "_type": ("Type", "Tipo", "Typ", "Tür", "النوع", "סוג"),
    "_parent": ("Parent", "Superior", "Übergeordnetes Produkt", "Ebeveyn", "Üst", "الأصل", "אב"),
    "_grouped": (
        "Grouped products", "Productos agrupados", "Groupes de produits", "Produits groupés",
        "Gruppierte Produkte", "Gruplanmış ürünler",
    ),
}  # fmt: skip

_KNOWN_BY = {
    "English": ("Type", "Published", "Regular price"),
    "Spanish": ("Tipo", "Publicado", "Precio normal"),
    "French": ("Type", "Publié", "Tarif régulier"),
    "German": ("Typ", "Veröffentlicht", "Regulärer Preis"),
    "Turkish": ("Tür", "Yayımlanmış", "Normal fiyat"),
    "Arabic": ("النوع", "السعر الافتراضي"),
    "Hebrew": ("סוג", "מחיר רגיל"),
}
_ESCAPED = r"^'([=+\-@\t\r])"
_DATELESS = (
    "The export does not have both columns that say when the sale begins and ends: export it with "
    "them, or name them with `columns`."
)
_PUBLISHED = {"1": "yes", "0": "no", "-1": "no", "2": "no"}


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = _unescaped(texts)
    kind = pc.utf8_lower(pc.replace_substring_regex(texts.column("_type"), r"\s*,.*$", ""))
    texts = texts.put("_kind", kind)
    if "active" in texts.columns:
        texts = texts.put("active", _published(texts.column("active")))
    texts = _with_parents(texts)
    texts = _goods(texts)
    texts = _dated(texts)
    # what is out of stock there is not for sale, whatever is counted
    gone = shaping.no(texts, "stock_status") & texts.filled("stock")
    return shaping.write(texts, "stock", gone, "0")


def _unescaped(texts: Texts) -> Texts:
    """Without the `'` that WooCommerce writes before cells that a spreadsheet would work out."""
    for name, column in texts.columns.items():
        if pc.any(pc.starts_with(column, "'"), min_count=0).as_py():
            texts = texts.put(name, pc.replace_substring_regex(column, _ESCAPED, r"\1"))
    return texts


def _published(column: pa.Array) -> pa.Array:
    """1 is published; private, drafts and what is waiting for review are not. Other words stay."""
    known = pc.index_in(column, pa.array(list(_PUBLISHED), pa.string()))
    return pc.if_else(
        pc.is_valid(known), pa.array(list(_PUBLISHED.values()), pa.string()).take(known), column
    )


def _is(texts: Texts, *kinds: str) -> np.ndarray:
    return as_bool(pc.is_in(texts.column("_kind"), pa.array(kinds, pa.string())))


def _with_parents(texts: Texts) -> Texts:
    """Variations with what they take over from their parents, and `_children`: which rows have some
    in the file."""
    parents = _is(texts, "variable", "variable-subscription")
    rows = np.flatnonzero(parents)
    skus = texts.column("sku").take(pa.array(rows))
    ids = pc.binary_join_element_wise("id:", texts.column("_id").take(pa.array(rows)), "")
    named = texts.column("_parent")
    nothing = pa.scalar(None, pa.string())
    by_sku = pc.index_in(named, pc.if_else(pc.equal(skus, ""), nothing, skus))
    place = pc.coalesce(by_sku, pc.index_in(named, ids))
    has = as_bool(pc.is_valid(place)) & texts.filled("_parent") & _is(
        texts, "variation", "subscription_variation"
    )  # fmt: skip
    children = np.zeros(len(texts), bool)
    if has.any():
        at = np.zeros(len(texts), np.int64)
        at[has] = rows[as_int(place.filter(pa.array(has)))]
        children[at[has]] = True
        shared = has & as_bool(pc.equal(pc.utf8_lower(texts.column("stock")), "parent"))
        hidden = has & shaping.no(texts, "active")[at]
        for name in ("name", "category", "brand", "tags"):
            texts = _taken(texts, name, has & ~texts.filled(name), at)
        texts = _taken(texts, "stock", shared, at)
        texts = shaping.switch_off(texts, hidden, texts.headers.get("active", "Published"))
    # a parent that is not in the file, or that counts nothing
    unknown = as_bool(pc.equal(pc.utf8_lower(texts.column("stock")), "parent"))
    texts = shaping.write(texts, "stock", unknown, "")
    return texts.put("_children", pa.array(np.where(children, "yes", ""), pa.string()))


def _taken(texts: Texts, name: str, which: np.ndarray, at: np.ndarray) -> Texts:
    """The rows of a mask say in a column what the rows `at` say."""
    if name not in texts.columns or not which.any():
        return texts
    column = texts.columns[name]
    return texts.put(name, pc.if_else(pa.array(which), column.take(pa.array(at)), column))


def _goods(texts: Texts) -> Texts:
    """Without parents whose variations are in the file, groups, and what is sold elsewhere."""
    texts = texts.continuing(_is(texts, "variable", "variable-subscription")
                             & texts.filled("_children"))  # fmt: skip
    texts = texts.continuing(_groups(texts))
    elsewhere = _is(texts, "external")
    if not elsewhere.any():
        return texts
    rows = counted(int(elsewhere.sum()), "row")
    words = f"left out, being sold by other shops (external): {rows}"
    return texts.continuing(elsewhere).warn(words)


def _groups(texts: Texts) -> np.ndarray:
    """Groups without a price of their own of which at least one product is in the file."""
    found = _is(texts, "grouped") & ~texts.filled("price")
    if not found.any():
        return found
    there = set(texts.column("sku").to_pylist()) - {""}
    there |= {f"id:{one}" for one in texts.column("_id").to_pylist() if one}
    rows = np.flatnonzero(found)
    for row, cell in zip(
        rows.tolist(), texts.column("_grouped").take(pa.array(rows)).to_pylist(), strict=True
    ):
        found[row] = any(part.strip() in there for part in cell.split(","))
    return found


def _dated(texts: Texts) -> Texts:
    """Without sales of which the export does not say when they are, which are rejected."""
    if {"promo_from", "promo_to"} <= texts.columns.keys():
        return texts
    return texts.reject(texts.filled("promo_price"), "promo_price", "bad_promo_window", _DATELESS)


PRESET = Preset(
    "woocommerce",
    "WooCommerce",
    tuple(
        Layout(f"products ({name})", _COLUMNS, known, shape=_shape)
        for name, known in _KNOWN_BY.items()
    ),
    notes=(
        "Export all columns: without the dates of sales, products on sale are rejected.",
        "Only what is published is sold, and of variations those of a published product.",
        "Prices are as they are entered: with or without tax, as the shop is set.",
    ),
)
