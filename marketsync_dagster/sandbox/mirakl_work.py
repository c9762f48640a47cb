"""What an import of Mirakl does when its turn is over: offers, prices or stock, line by line.

Each line is taken or refused for itself; prices and stocks of one offer go together (contract 6.4).
When that is belongs to `mirakl_imports`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.mirakl_fields import BadField, Offer, read_fields
from marketsync_dagster.sandbox.mirakl_files import Row, read_rows
from marketsync_dagster.sandbox.mirakl_prices import (
    BadLine,
    discount_of,
    price_of,
    ranges_of,
)
from marketsync_dagster.sandbox.mirakl_shops import Shop, check_offer
from marketsync_dagster.sandbox.mirakl_state import Import, Line
from marketsync_dagster.sandbox.shown import MIRAKL, Shown
from marketsync_dagster.sandbox.wire import read_json
from marketsync_dagster.sandbox.world import World

OFFER_COLUMNS = (
    ("sku", "shop_sku"),
    ("product-id", "product_id"),
    ("product-id-type", "product_id_type"),
    ("description", "description"),
    ("internal-description", "internal_description"),
    ("price-additional-info", "price_additional_info"),
    ("quantity", "quantity"),
    ("min-quantity-alert", "min_quantity_alert"),
    ("state", "state_code"),
    ("logistic-class", "logistic_class"),
    ("update-delete", "update_delete"),
    ("price", "price"),
    ("leadtime-to-ship", "leadtime_to_ship"),
)
"""The columns of OF24's report, and the field that each shows."""

PRICE_COLUMNS = (
    "offer-sku",
    "price",
    "discount-price",
    "discount-start-date",
    "discount-end-date",
    "price-ranges",
    "discount-ranges",
    "channels",
)
STOCK_COLUMNS = ("offer-sku", "quantity", "warehouse-code", "update-delete")
MAX_PRICES = 50
"""Of one offer in one file."""


@dataclass(slots=True)
class Work:
    """One import being carried out."""

    world: World
    shop: Shop
    found: Import
    now: float
    left_to_fail: int
    """Good lines that are still to be refused."""
    writes: list[tuple[str, Shown]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def offers(self) -> dict[str, Offer]:
        return self.world.mirakl.offers[self.shop.shop_id]

    def injected(self, position: int, sku: str) -> None:
        """Refuse a good line, with BadLine, where a scenario says so."""
        error = self.found.tampering.error_for(position, sku)
        if error is not None:
            raise BadLine(str(error))
        if self.left_to_fail > 0:
            self.left_to_fail -= 1
            raise BadLine(self.found.fate.message)

    def show(self, offer: Offer) -> None:
        """Keep an offer, and that it is shown."""
        tampering = self.found.tampering
        if tampering.drops(offer.shop_sku):
            return
        offer.price = tampering.damaged(offer.price)
        offer.updated_at, offer.request = self.now, self.found.request
        self.world.mirakl.put_offer(self.shop.shop_id, offer)
        self.writes.append((offer.shop_sku, self.world.mirakl.shown(self.shop.shop_id, offer)))

    def delete(self, sku: str) -> None:
        """Take an offer away."""
        if not self.found.tampering.drops(sku):
            self.world.mirakl.drop_offer(self.shop.shop_id, sku)
            self.gone.append(sku)

    def fail(self, number: int, sku: str, cells: list[str], message: str) -> None:
        """Put a line into the report."""
        self.found.errors.append(Line(number, sku, cells, message))

    def finish(self) -> None:
        """Let the shop show what was written."""
        owner = str(self.shop.shop_id)
        self.world.show_all(MIRAKL, owner, self.writes)
        self.world.forget(MIRAKL, owner, self.gone)


def copy_of(offer: Offer) -> Offer:
    """An offer of its own, to be changed and then put in the place of the old one."""
    return Offer(
        offer.shop_sku,
        offer.product_sku,
        offer.price,
        dict(offer.fields),
        dict(offer.warehouses),
    )


def carry_out(work: Work) -> None:
    """Do what an import says. Raises mirakl_files.Unreadable, with nothing done, for a file that
    cannot be parsed."""
    {"OF24": _offers, "PRI01": _prices, "STO01": _stocks}[work.found.kind](work)
    found = work.found
    found.lines_in_error = len(found.errors)
    found.lines_in_success = found.lines - found.lines_in_error
    found.offers_in_error = len({line.sku for line in found.errors})
    found.in_effect += 1
    work.finish()


# --- OF24


def _offers(work: Work) -> None:
    found = work.found
    document = read_json(found.content or b"")
    found.columns = [column for column, _ in OFFER_COLUMNS]
    found.lines = len(document["offers"])
    for position, entry in enumerate(document["offers"]):
        sku = str(entry["shop_sku"])
        try:
            _offer(work, entry, sku, position)
        except BadLine as fault:
            cells = [_cell(entry.get(name)) for _, name in OFFER_COLUMNS]
            # as in a file, whose first line is the header
            work.fail(position + 2, sku, cells, str(fault))


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _offer(work: Work, entry: dict[str, Any], sku: str, position: int) -> None:
    known = work.offers.get(sku)
    if entry["update_delete"] == "delete":
        if known is None:
            raise BadLine("The offer does not exist")
        work.injected(position, sku)
        work.delete(sku)
        work.found.deleted += 1
        return
    product = _product(work, str(entry["product_id_type"]), str(entry["product_id"]))
    offer = Offer(sku, product, price_of(entry["price"]), read_fields(entry, "offers"))
    check_offer(work.shop, offer)
    work.injected(position, sku)
    work.show(offer)
    if known is None:
        work.found.inserted += 1
    else:
        work.found.updated += 1


def _product(work: Work, kind: str, value: str) -> str:
    """The product that an offer is for, by the marketplace's number, a reference or our own."""
    state = work.world.mirakl
    if kind == "SKU":
        sku = value if value in state.products else None
    elif kind == "SHOP_SKU":
        offer = work.offers.get(value)
        sku = offer.product_sku if offer is not None else state.by_reference.get((kind, value))
    else:
        if kind not in {known for known, _ in state.by_reference}:
            raise BadLine(f"The product identifier type {kind[:40]} does not exist")
        sku = state.by_reference.get((kind, value))
    if sku is None:
        raise BadLine("The product does not exist")
    return sku


# --- PRI01


def _prices(work: Work) -> None:
    found = work.found
    rows = read_rows(found.content or b"", PRICE_COLUMNS[:2], PRICE_COLUMNS)
    for sku, group in _grouped(work, rows):
        offer, told = work.offers.get(sku), {}
        bases: list[tuple[Decimal, dict[str, Any] | None]] = []
        channels: list[dict[str, Any]] = []
        for position, row in group:
            try:
                if offer is None:
                    raise BadLine("The offer does not exist")
                if len(group) > MAX_PRICES:
                    raise BadLine(f"An offer has {MAX_PRICES} prices at most")
                _price_line(row, bases, channels)
                work.injected(position, sku)
            except BadLine as fault:
                told[row.number] = str(fault)
        if offer is not None and not told and len(bases) != 1:
            told[group[0][1].number] = "An offer has one default price"
        if told or offer is None:
            _fail_together(work, sku, group, told, "Another price of the offer is in error")
            continue
        changed = copy_of(offer)
        changed.price, discount = bases[0]
        for name, value in (("discount", discount), ("all_prices", channels or None)):
            changed.fields.pop(name, None)
            if value is not None:
                changed.fields[name] = value
        work.show(changed)
        found.updated += 1


def _price_line(
    row: Row,
    bases: list[tuple[Decimal, dict[str, Any] | None]],
    channels: list[dict[str, Any]],
) -> None:
    cells = row.cells
    if not cells["price"]:
        raise BadLine("The price is mandatory")
    price = price_of(cells["price"])
    volumes = ranges_of(cells.get("price-ranges", ""), "price ranges", "unit_origin_price")
    lower = ranges_of(cells.get("discount-ranges", ""), "discount ranges", "price")
    start, end = cells.get("discount-start-date"), cells.get("discount-end-date")
    discount = discount_of(cells.get("discount-price"), start, end, lower, price)
    if not cells.get("channels") and not volumes:
        bases.append((price, discount))
        return
    entry = {
        "unit_origin_price": price,
        "unit_discount_price": (discount or {}).get("price"),
        "discount_start_date": start or None,
        "discount_end_date": end or None,
        "volume_prices": volumes,
    }
    if not cells.get("channels"):
        bases.append((price, discount))
        channels.append({"channel_code": None, **entry})
    codes = filter(None, cells.get("channels", "").split("|"))
    channels.extend({"channel_code": code, **entry} for code in codes)


# --- STO01


def _stocks(work: Work) -> None:
    found = work.found
    rows = read_rows(found.content or b"", STOCK_COLUMNS[:2], STOCK_COLUMNS)
    for sku, group in _grouped(work, rows):
        offer, told = work.offers.get(sku), {}
        changed = copy_of(offer) if offer is not None else None
        for position, row in group:
            try:
                if changed is None:
                    raise BadLine("The offer does not exist")
                _stock_line(work, row.cells, changed)
                work.injected(position, sku)
            except BadLine as fault:
                told[row.number] = str(fault)
        if told or changed is None:
            _fail_together(work, sku, group, told, "Another quantity of the offer is in error")
            continue
        work.show(changed)
        found.updated += 1


def _stock_line(work: Work, cells: dict[str, str], offer: Offer) -> None:
    warehouse, flag = cells.get("warehouse-code", ""), cells.get("update-delete", "").lower()
    if flag not in ("", "update", "delete"):
        raise BadLine("The update-delete flag is not valid")
    if warehouse and warehouse not in work.shop.warehouses:
        raise BadLine("The warehouse does not exist")
    quantity = 0
    if flag != "delete":
        if not cells["quantity"]:
            raise BadLine("The quantity is mandatory")
        try:
            quantity = read_fields({"quantity": cells["quantity"]}, "")["quantity"]
        except BadField as fault:
            raise BadLine("The quantity is not a whole number") from fault
        if quantity < 0:
            raise BadLine("The quantity must not be negative")
    if not warehouse:
        offer.warehouses.clear()
    elif flag == "delete":
        offer.warehouses.pop(warehouse, None)
    else:
        offer.warehouses[warehouse] = quantity
    offer.fields["quantity"] = sum(offer.warehouses.values()) if warehouse else quantity


# --- both


def _grouped(work: Work, rows: list[Row]) -> list[tuple[str, list[tuple[int, Row]]]]:
    """The lines of each offer, with their positions from 0; notes what was read."""
    work.found.lines = len(rows)
    work.found.columns = list(rows[0].cells) if rows else []
    groups: dict[str, list[tuple[int, Row]]] = {}
    for position, row in enumerate(rows):
        groups.setdefault(row.cells["offer-sku"], []).append((position, row))
    return list(groups.items())


def _fail_together(
    work: Work, sku: str, group: list[tuple[int, Row]], told: dict[int, str], otherwise: str
) -> None:
    for _, row in group:
        message = told.get(row.number, otherwise)
        work.fail(row.number, sku, list(row.cells.values()), message)
