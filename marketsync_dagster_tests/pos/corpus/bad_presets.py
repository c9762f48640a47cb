"""Exports of one system each, read with its preset, that are refused or have rejected records."""

from __future__ import annotations

from marketsync_dagster_tests.pos.corpus.builders import items
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected

CHAIN = ("ItemCode", "ItemName", "ItemPrice", "bIsWeighted")
PRICES = "PriceFull7290000000009-001-202611200300.xml"
LOYVERSE = (
    "Handle,SKU,Name,Category,Sold by weight,Cost,Barcode,Track stock,Available for sale [Main],"
    "Price [Main],In stock [Main]\n"
)
WOO = (
    "ID,Type,SKU,Name,Published,In stock?,Stock,Date sale price starts,Date sale price ends,"
    "Sale price,Regular price\n"
)


def xml(*rows: tuple[str, ...]) -> bytes:
    """A price list of a chain."""
    return items(*rows, names=CHAIN)


REFUSED = [
    Refused("feed: no selling price", b"sku,price\nA,1\n", "unknown_layout", "'selling_price'",
            {"preset": "feed"}),
    Refused("loyverse: another shop", (LOYVERSE + "t,T1,Tea,Tea,N,,,N,Y,5,\n").encode(),
            "not_in_file", "'Main'", {"preset": "loyverse", "keys": ("Beach",)}),
    Refused("loyverse: not an export of it", b"sku,price\nA,1\n", "unknown_layout", "Loyverse",
            {"preset": "loyverse"}),
]  # fmt: skip

REJECTED = [
    Rejected("feed: an unknown stock status",
             b"sku,selling_price,stock_status\nG1,5,in_stock\nB1,5,perhaps\n",
             [(3, "stock_status", "perhaps", "bad_stock_status")], spec={"preset": "feed"}),
    Rejected("il_prices: sold by weight", xml(("G1", "Good", "5.00", "0"), ("B1", "Bad", "5", "1")),
             [(3, "bIsWeighted", "1", "sold_by_weight")], file=PRICES,
             spec={"preset": "il_prices", "currency": "ILS"}),
    Rejected("loyverse: an unknown flag", (LOYVERSE
             + "g,G1,Good,Tea,N,,,N,Y,5.00,\nb,B1,Bad,Tea,N,,,perhaps,Y,5,7\n").encode(),
             [(3, "Track stock", "perhaps", "bad_flag")],
             spec={"preset": "loyverse", "keys": ("Main",)}),
    Rejected("il_prices: a price of zero", xml(("G1", "Good", "5.00", "0"), ("B1", "Bad", "0.00",
             "0")), [(3, "ItemPrice", "0.00", "zero_price")], file=PRICES,
             spec={"preset": "il_prices", "currency": "ILS"}),
    Rejected("loyverse: a price that is typed in at the till", (LOYVERSE
             + "g,G1,Good,Tea,N,,,N,Y,5.00,\nb,B1,Bad,Tea,N,,,N,Y,variable,\n").encode(),
             [(3, "Price [Main]", "variable", "variable_price")],
             spec={"preset": "loyverse", "keys": ("Main",)}),
    Rejected("woocommerce: an unknown flag", (WOO
             + "1,simple,G1,Good,1,1,,,,,5\n2,simple,B1,Bad,1,soon,,,,,5\n").encode(),
             [(3, "In stock?", "soon", "bad_stock_status")], spec={"preset": "woocommerce"}),
    Rejected("woocommerce: a sale that ends at no date", (WOO
             + "1,simple,G1,Good,1,1,,,,,5\n2,simple,B1,Bad,1,1,,,soon,4,5\n").encode(),
             [(3, "Date sale price ends", "soon", "bad_promo_window")],
             spec={"preset": "woocommerce"}),
]  # fmt: skip
