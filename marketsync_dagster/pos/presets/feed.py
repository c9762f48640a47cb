"""The plain feed: one product per row, under the names that MarketSync itself uses."""

from __future__ import annotations

from marketsync_dagster.pos.presets.base import Layout, Preset

PRESET = Preset(
    name="feed",
    title="Plain feed",
    layouts=(
        Layout(
            name="products",
            columns={
                "sku": ("sku",),
                "name": ("name", "product_name"),
                "barcode": ("barcode", "gtin", "ean"),
                "brand": ("brand",),
                "category": ("category",),
                "size": ("size",),
                "unit": ("unit",),
                "price": ("selling_price",),
                "promo_price": ("promo_price",),
                "cost": ("cost",),
                "currency": ("currency",),
                "stock": ("stock", "stock_quantity"),
                "stock_status": ("stock_status",),
                "active": ("active",),
                "outlet": ("outlet",),
            },
            known_by=("sku", "selling_price"),
        ),
    ),
    notes=(
        (
            "`sku` and `selling_price` must be there; `stock_status` is in stock, limited or out "
            "of stock in any of the languages that MarketSync knows."
        ),
        "Where both `stock` and `stock_status` are filled, the quantity decides.",
    ),
)
