"""What a seed can say of Mirakl: shops, products of the marketplace, and offers that are there.

Each `*_from` reads one JSON object, as strictly as `accounts` does. A shop's settings are the
operator's choices that the contract leaves open (sections 6.2 to 6.7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.accounts import Reader, SeedError
from marketsync_dagster.sandbox.mirakl_fields import FIELDS, Offer, read_fields
from marketsync_dagster.sandbox.mirakl_orders_state import WORKFLOWS
from marketsync_dagster.sandbox.mirakl_prices import (
    BadLine,
    channel_price,
    discount_of,
    moment,
    ranges_in,
)
from marketsync_dagster.sandbox.wire import exact_number

MINUTE = 60.0
DAY = 86_400.0
INTERVALS: dict[str, float | None] = {
    "OF24": MINUTE,
    "OF02": MINUTE,
    "OF03": MINUTE,
    "OF04": MINUTE,
    "PRI01": MINUTE,
    "PRI02": MINUTE,
    "PRI03": MINUTE,
    "STO01": MINUTE,
    "STO02": 15.0,
    "STO03": MINUTE,
    "A01": DAY,
    "OF61": DAY,
    "SH21": DAY,
    "OF21": None,
    "P31": None,
    "RE01": None,
    "V01": None,
    "OR11": MINUTE,
    "OR21": None,
    "OR23": None,
    "OR24": None,
    "OR28": None,
    "OR29": None,
    "OR30": None,
    "ST01": None,
    "ST11": None,
    "ST23": None,
    "ST24": None,
}
"""Least seconds between two calls of a kind and shop; contract 6.3, and the official document."""

IMPORTS = ("OF24", "PRI01", "STO01")
"""The calls that begin an import."""

REPORT_STYLES = ("plain", "excel")


@dataclass(slots=True)
class Shop:
    """One shop of a seller; several may share a key."""

    shop_id: int
    keys: tuple[str, ...]
    name: str
    currency: str
    processing_s: float
    """From the moment its turn comes to its end; the first half an import is WAITING."""
    intervals: dict[str, float | None]
    hour_limit: int | None
    price_import: bool
    stock_import: bool
    off_status: int
    """What an import gets that the operator has switched off: 403 or 404."""
    max_offers: int | None
    report_delay_s: float
    report_style: str
    duplicate_s: float
    """So long after its end an import is still found to be the same."""
    duplicates: tuple[str, ...]
    """The imports that are compared with those before; the document says it of OF24 alone."""
    warehouses: tuple[str, ...]
    states: dict[str, str]
    """Conditions of offers: code and label."""
    leadtime_to_ship: int
    """Of an offer that says none, in days."""
    logistic_class: str
    min_shipping_price: Decimal
    update_delta_s: float
    """So much is subtracted from the `start_update_date` of a list of orders."""
    acceptance_s: float
    """An order that nobody decides on for so long is refused."""
    debit_delay_s: float
    """From the acceptance until the customer is debited; also until a refund is paid."""
    staging_s: float | None
    """How long an order that begins in STAGING is there; None: until somebody moves it."""
    received_s: float | None
    """From SHIPPED to RECEIVED; None: only by hand."""
    closed_s: float | None
    """From RECEIVED to CLOSED; None: only by hand."""
    index_lag_s: float
    """So long the list of orders shows what was before a change."""
    payment_workflow: str
    """Of orders that say none."""
    address_from: str
    """From when on addresses are shown: SHIPPING or always."""
    partial_acceptance: bool
    multi_shipment: bool
    orders_lower_stock: bool
    """An order takes its pieces from the offer's quantity."""
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MarketProduct:
    """One product of the marketplace, and by which references it is known."""

    sku: str
    title: str
    category_code: str
    category_label: str
    brand: str
    references: tuple[tuple[str, str], ...]
    """Kind and value."""
    document: dict[str, Any]


def _seconds(reader: Reader, name: str, default: float, place: str) -> float:
    value = reader.take(name, (int, float, Decimal), default)
    if value < 0:
        raise SeedError(f"{place}.{name}: must not be negative")
    return float(value)


def _seconds_or_none(reader: Reader, name: str, place: str) -> float | None:
    value = reader.take(name, (int, float, Decimal, type(None)), None)
    if value is not None and value < 0:
        raise SeedError(f"{place}.{name}: must not be negative")
    return None if value is None else float(value)


def _intervals(given: dict[str, Any], place: str) -> dict[str, float | None]:
    result = dict(INTERVALS)
    for code, seconds in given.items():
        if code not in INTERVALS:
            raise SeedError(f"{place}.intervals: unknown call {code!r}")
        known = isinstance(seconds, (int, float, Decimal)) and not isinstance(seconds, bool)
        if seconds is not None and (not known or seconds < 0):
            raise SeedError(f"{place}.intervals.{code}: seconds or null were expected")
        result[code] = None if seconds is None else float(seconds)
    return result


def _texts(reader: Reader, name: str, default: list[str], place: str) -> tuple[str, ...]:
    values = reader.take(name, list, default)
    if not all(isinstance(value, str) for value in values):
        raise SeedError(f"{place}.{name}: texts were expected")
    return tuple(values)


def shop_from(document: Any, place: str) -> Shop:
    """One `mirakl.shops` entry."""
    reader = Reader(document, place)
    keys = (reader.text("api_key"), reader.optional("previous_key"))
    states = reader.take("states", dict, {"11": "New", "10": "Refurbished", "4": "Used"})
    shop = Shop(
        shop_id=reader.number("shop_id", None) or 0,
        keys=tuple(key for key in keys if key),
        name=reader.text("name", "Shop"),
        currency=reader.text("currency", "KES"),
        processing_s=_seconds(reader, "processing_s", 0.5, place),
        intervals=_intervals(reader.take("intervals", dict, {}), place),
        hour_limit=reader.number("hour_limit", None),
        price_import=reader.take("price_import", bool, True),
        stock_import=reader.take("stock_import", bool, True),
        off_status=int(reader.choice("off_status", ("403", "404"), "403")),
        max_offers=reader.number("max_offers", None),
        report_delay_s=_seconds(reader, "report_delay_s", 0.0, place),
        report_style=reader.choice("report_style", REPORT_STYLES, "plain"),
        duplicate_s=_seconds(reader, "duplicate_s", 60.0, place),
        duplicates=_texts(reader, "duplicates", ["OF24"], place),
        warehouses=_texts(reader, "warehouses", [], place),
        states={str(code): str(label) for code, label in states.items()},
        leadtime_to_ship=reader.number("leadtime_to_ship", 2) or 0,
        logistic_class=reader.text("logistic_class", "M"),
        min_shipping_price=Decimal(reader.take("min_shipping_price", (int, Decimal), 0)),
        update_delta_s=_seconds(reader, "update_delta_s", 60.0, place),
        acceptance_s=_seconds(reader, "acceptance_s", 2 * DAY, place),
        debit_delay_s=_seconds(reader, "debit_delay_s", 60.0, place),
        staging_s=_seconds_or_none(reader, "staging_s", place),
        received_s=_seconds_or_none(reader, "received_s", place),
        closed_s=_seconds_or_none(reader, "closed_s", place),
        index_lag_s=_seconds(reader, "index_lag_s", 0.0, place),
        payment_workflow=reader.choice("payment_workflow", WORKFLOWS, WORKFLOWS[0]),
        address_from=reader.choice("address_from", ("SHIPPING", "always"), "SHIPPING"),
        partial_acceptance=reader.take("partial_acceptance", bool, True),
        multi_shipment=reader.take("multi_shipment", bool, True),
        orders_lower_stock=reader.take("orders_lower_stock", bool, True),
        document=dict(document),
    )
    reader.finish()
    if shop.shop_id <= 0:
        raise SeedError(f"{place}.shop_id: a number from 1 was expected")
    unknown = sorted(set(shop.duplicates) - set(IMPORTS))
    if unknown:
        raise SeedError(f"{place}.duplicates: {unknown[0]!r} is none of {', '.join(IMPORTS)}")
    return shop


def market_product_from(document: Any, place: str) -> MarketProduct:
    """One `mirakl.products` entry."""
    reader = Reader(document, place)
    references: list[tuple[str, str]] = []
    for index, entry in enumerate(reader.take("references", list, [])):
        inner = Reader(entry, f"{place}.references[{index}]")
        references.append((inner.text("type"), inner.text("value")))
        inner.finish()
    sku = reader.text("sku")
    product = MarketProduct(
        sku=sku,
        title=reader.text("title", sku),
        category_code=reader.text("category_code", "CATEGORY"),
        category_label=reader.text("category_label", "Category"),
        brand=reader.text("brand", "Brand"),
        references=tuple(references),
        document=dict(document),
    )
    reader.finish()
    return product


def offer_from(document: Any, place: str) -> tuple[int, Offer]:
    """One `mirakl.offers` entry: its shop, and the offer (without a number yet)."""
    reader = Reader(document, place)
    shop_id = reader.number("shop_id", None) or 0
    shop_sku, product_sku = reader.text("shop_sku"), reader.text("product_sku")
    price = reader.take("price", (int, str, Decimal), None)
    given = {name: document[name] for name in FIELDS if name in document}
    for name in FIELDS:
        reader.take(name, object, None)
    reader.finish()
    try:
        exact = exact_number(str(price))
        fields = read_fields(given, place)
    except ArithmeticError as fault:
        raise SeedError(f"{place}.price: {str(price)[:40]!r} is no price") from fault
    except ValueError as fault:
        raise SeedError(str(fault)) from fault
    return shop_id, Offer(shop_sku=shop_sku, product_sku=product_sku, price=exact, fields=fields)


def check_offer(shop: Shop, offer: Offer) -> None:
    """Bring an offer's prices into the form in which they are kept; BadLine for what no offer can
    say, and could not be shown."""
    if offer.value("state_code") not in shop.states:
        raise BadLine("The offer condition does not exist")
    for name in ("quantity", "min_quantity_alert", "leadtime_to_ship"):
        if (offer.value(name) or 0) < 0:
            raise BadLine(f"The {name.replace('_', ' ')} must not be negative")
    for name in ("available_started", "available_ended"):
        if offer.value(name):
            moment(offer.value(name))
    given = offer.value("discount")
    if given:
        ranges = ranges_in(given.get("ranges"), "price")
        start, end = given.get("start_date"), given.get("end_date")
        discount = discount_of(given.get("price"), start, end, ranges, offer.price)
        offer.fields["discount"] = discount
    if offer.value("all_prices"):
        offer.fields["all_prices"] = [channel_price(e) for e in offer.value("all_prices")]
