"""Israel: the price and promotion files that every large chain publishes for each store.

Price files are here; which promotion is a price of one piece is `il_promotions`, and the list of
a chain's stores is `il_stores`. The names of the elements differ by chain and year.
"""

from __future__ import annotations

import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import il_promotions, shaping
from marketsync_dagster.pos.presets.base import Layout, Naming, Preset
from marketsync_dagster.pos.presets.price_lists import (
    distinct,
    fact,
    is_one_of,
    same_outlet,
    ticked,
    without_hidden,
    without_placeholders,
)
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.texts import Texts

STORE = ("StoreId", "StoreID", "STOREID", "Storeid", "storeid")
"""What the element with the store's number is called."""

NOTHING = ("''", '""', "-", ".", "לא ידוע", "לא מוגדר", "אין", "unknown", "Unknown", "null", "NULL")
"""What stands for a blank in names, makers and units."""

_OWN = r"^(?:0?2[0-9]{12}|0{1,2}[24][0-9]{11}|[24][0-9]{11})$"
"""Numbers that GS1 leaves to shops for their own use."""

_UNITS = {
    "גרמים": "גרם",
    "גר'": "גרם",
    "ליטרים": "ליטר",
    "מיליליטר": 'מ"ל',
    "מיליליטרים": 'מ"ל',
    "מ''ל": 'מ"ל',
    "קילוגרם": 'ק"ג',
    "קילוגרמים": 'ק"ג',
    "יחידה": "יחידות",
    "יח'": "יחידות",
    "יח": "יחידות",
}
"""Units as chains write them -> as sizes are read."""


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    texts = _of_store(texts, spec)
    texts = without_placeholders(
        texts, "name", "_name2", "_name3", "brand", "_maker2", "_maker3", "_unit", words=NOTHING
    )
    for other in ("_name2", "_name3"):
        texts = shaping.otherwise(texts, "name", other)
    for other in ("_maker2", "_maker3"):
        texts = shaping.otherwise(texts, "brand", other)
    texts = _sized(_with_barcodes(texts))
    told = [name for name in _WEIGHED if name in texts.columns]
    if not told and len(texts):
        texts = texts.warn("the file does not say which goods are sold by weight")
    for name in told:
        weighed = ticked(texts, name)
        # `100 g` is what the law compares prices by, and nothing that is sold
        texts = shaping.write(texts, "size", weighed, "")
        texts = shaping.weighed(texts, weighed, spec, name)
    return without_hidden(texts)


def _of_store(texts: Texts, spec: ExtractSpec) -> Texts:
    """The records, if the document is of the outlet; one without any must say whose it is.

    Files of changes are empty where nothing has changed. An answer that is no such file has no
    records either.
    """
    if not len(texts) and not fact(texts, "storeid", "chainid"):
        raise refuse("no_records", "the file has no records and does not say which store it is of")
    return same_outlet(texts, spec, "storeid", "subchainid")


def _with_barcodes(texts: Texts) -> Texts:
    """Codes that can be nothing else are barcodes too: `ItemType` alone is not to be believed.

    A number of a chain's own that looks like a barcode by chance would be taken for another
    product: one of eight digits must be said to be a barcode. Check digits are judged later.
    """
    codes = texts.column("sku")
    wanted = matches(codes, r"^0?[0-9]{12,13}$") & ~matches(codes, _OWN)
    wanted |= matches(codes, r"^[0-9]{8}$") & is_one_of(texts, "_type", ("1",))
    barcodes = pc.if_else(pa.array(wanted), codes, "")
    return texts.put("barcode", barcodes, texts.headers.get("sku", "ItemCode"))


def _sized(texts: Texts) -> Texts:
    """`Quantity` and `UnitQty` are what is in a pack; a quantity without a unit says nothing."""
    if not {"_quantity", "_unit"} <= texts.columns.keys():
        return texts
    units = texts.columns["_unit"]
    for written in distinct(texts, "_unit"):
        if written in _UNITS:
            units = pc.if_else(pc.equal(units, written), _UNITS[written], units)
    quantities = pc.replace_substring_regex(texts.columns["_quantity"], r"^([0-9]+)[.,]0+$", r"\1")
    quantities = pc.replace_substring_regex(quantities, r"^([0-9]+[.,][0-9]*?[1-9])0+$", r"\1")
    known = matches(quantities, r"^[0-9]+(?:[.,][0-9]+)?$") & matches(quantities, "[1-9]")
    known &= as_bool(pc.not_equal(units, ""))
    sizes = pc.binary_join_element_wise(quantities, units, " ")
    header = texts.headers.get("_quantity", "Quantity")
    return texts.put("size", pc.if_else(pa.array(known), sizes, ""), header)


def _promotions(texts: Texts, spec: ExtractSpec) -> Texts:
    return il_promotions.unit_prices(_of_store(texts, spec), spec)


_TIME = (
    r"(?P<Y>20[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"
    r"(?:-?(?P<H>[0-9]{2})(?P<M>[0-9]{2})(?P<S>[0-9]{2})?)?(?![0-9])"
)
_PLACE = r"[0-9]{13}-(?P<outlet>(?:[0-9]{3}-)?[0-9]{1,5})-"
"""The chain and the store; newer names have the sub-chain before it, since stores of two
sub-chains may have one number."""
_WEIGHED = {
    "_weighed": ("bIsWeighted", "@bIsWeighted"),
    "_weighed2": ("blsWeighted", "@blsWeighted"),
    "_weighed3": ("IsWeighted", "@IsWeighted"),
}
_ITEM = {
    "sku": ("ItemCode", "@ItemCode"),
    "_type": ("ItemType", "@ItemType"),
    "name": ("ItemName", "@ItemName"),
    "_name2": ("ItemNm", "@ItemNm"),
    "_name3": (
        "ManufacturerItemDescription",
        "ManufactureItemDescription",
        "@ManufacturerItemDescription",
        "@ManufactureItemDescription",
    ),
    "brand": ("ManufacturerName", "@ManufacturerName"),
    "_maker2": ("ManufactureName", "@ManufactureName"),
    "_maker3": ("ManuName", "@ManuName"),
    "_quantity": ("Quantity", "@Quantity"),
    "_unit": ("UnitQty", "@UnitQty"),
    **_WEIGHED,
    "price": ("ItemPrice", "@ItemPrice"),
}
_RECORDS = ("Items/Item", "Products/Product", "Details/Line", "/Root/Item", "/Prices/Product")


_FILE = r"(?:full)?(?:null)?[0-9]{13}-"


def _prices(*known_by: str, file: str = "") -> Layout:
    return Layout(
        name="prices",
        columns=_ITEM,
        known_by=known_by,
        file=file,
        records=_RECORDS,
        shape=_shape,
        finish=il_promotions.below_regular,
    )


PRESET = Preset(
    name="il_prices",
    title="Israeli price transparency",
    layouts=(
        # promotions are only what calls itself so
        Layout(
            name="promotions",
            columns=il_promotions.COLUMNS,
            file=f"^promo{_FILE}",
            records=il_promotions.RECORDS,
            shape=_promotions,
            adds=True,
        ),
        _prices("ItemCode", "ItemPrice", file=f"^price{_FILE}"),
        # under any other name: by what is in it
        _prices("ItemCode", "ItemPrice"),
        _prices("@ItemCode", "@ItemPrice"),
    ),
    naming=(
        Naming(rf"^(?:price|promo)full(?:null)?{_PLACE}{_TIME}", "full"),
        Naming(rf"^(?:price|promo)(?:null)?{_PLACE}{_TIME}", "delta"),
    ),
    outlet_fact=STORE,
    time_fact=("PriceUpdateDate", "PRICEUPDATEDATE"),
    decimal=".",
    notes=(
        (
            "`keys` are what stands for the store in file names: `001`, in newer ones with the "
            "sub-chain before it, `001-255`."
        ),
        "A file with another store's number in it than its `keys` is refused.",
        "`PriceFull` and `PromoFull` are full files, `Price` and `Promo` are changes.",
        "`Quantity` is the size of a pack, never a stock: these files have no stock.",
        "Goods with a price per kilogram are rejected unless `weighed: accept` is said.",
        (
            "A promotion becomes a price only if one piece costs it, for every customer, without a "
            "coupon; `2 for 30` never does. How many were left out, and why, is among the warnings."
        ),
    ),
)
