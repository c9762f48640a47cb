"""What a seed or a control call can say of an order on Mirakl, read strictly, and orders by the
thousand.

A document is compact: what it does not say is taken from the shop, the offer, or is obviously
made up.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.accounts import Reader, SeedError
from marketsync_dagster.sandbox.mirakl_fields import Offer
from marketsync_dagster.sandbox.mirakl_orders_state import (
    CENT,
    STAGING,
    TAX_MODES,
    WAITING_ACCEPTANCE,
    WORKFLOWS,
    Order,
    OrderLine,
)
from marketsync_dagster.sandbox.mirakl_prices import BadLine, moment
from marketsync_dagster.sandbox.mirakl_shops import Shop
from marketsync_dagster.sandbox.mirakl_state import MiraklState
from marketsync_dagster.sandbox.wire import exact_number

ADDRESS = (
    "firstname lastname civility company company_2 street_1 street_2 zip_code city state country "
    "country_iso_code phone phone_secondary additional_info"
).split()
CUSTOMER = "customer_id firstname lastname civility locale".split()
MOST_GENERATED = 200_000
FIRST = "Amina Brian Chebet David Esther Farah Grace Hassan Irene James".split()
LAST = "Example Sample Placeholder Testman Nobody".split()
Find = Callable[[int, str], Offer | None]


@dataclass(slots=True, repr=False)
class Draft:
    """An order that was read and is not there yet."""

    shop_id: int
    said: dict[str, Any]
    """Its keys, read."""
    lines: list[dict[str, Any]]


def amount_of(value: Any, place: str) -> Decimal:
    """Money in a document: a number or a text, not negative, of at most two decimals."""
    try:
        found = exact_number(str(value))
    except ArithmeticError as fault:
        raise SeedError(f"{place}: {str(value)[:40]!r} is no amount") from fault
    if isinstance(value, bool) or not found.is_finite() or found < 0:
        raise SeedError(f"{place}: {str(value)[:40]!r} is no amount")
    if found != found.quantize(CENT):
        raise SeedError(f"{place}: must have 2 decimals at most")
    return found


def address_from(document: Any, place: str) -> dict[str, Any] | None:
    """An address as it is shown; None where it is null."""
    if document is None:
        return None
    reader = Reader(document, place)
    found = {name: reader.optional(name) for name in ADDRESS}
    reader.finish()
    for name in ("lastname", "street_1", "city", "country_iso_code"):
        if not found[name]:
            raise SeedError(f"{place}.{name}: is missing")
    found["country"] = found["country"] or found["country_iso_code"]
    return {name: value for name, value in found.items() if value is not None}


def customer_from(document: Any, place: str) -> dict[str, Any]:
    """The customer without the addresses."""
    reader = Reader(document, place)
    found = {name: reader.optional(name) for name in CUSTOMER}
    reader.finish()
    return {name: value for name, value in found.items() if value is not None}


def taxes_from(entries: Any, place: str) -> list[dict[str, Any]]:
    """`[{code, amount, rate?}]` as they are shown; a lone amount is a tax `VAT`."""
    if isinstance(entries, (int, str, Decimal)) and not isinstance(entries, bool):
        entries = [{"code": "VAT", "amount": entries}]
    if not isinstance(entries, list):
        raise SeedError(f"{place}: an amount or a list of taxes was expected")
    found: list[dict[str, Any]] = []
    for index, entry in enumerate(entries):
        reader = Reader(entry, f"{place}[{index}]")
        tax: dict[str, Any] = {
            "amount": float(
                amount_of(reader.take("amount", (int, str, Decimal), None), f"{place}.amount")
            ),
            "code": reader.text("code", "VAT"),
            "tax_calculation_rule": "PROPORTIONAL_TO_AMOUNT",
        }
        rate = reader.take("rate", (int, Decimal, type(None)), None)
        reader.finish()
        found.append(tax if rate is None else {**tax, "rate": float(rate)})
    return found


def _line_from(document: Any, place: str) -> dict[str, Any]:
    reader = Reader(document, place)
    price = reader.take("price", (int, str, Decimal, type(None)), None)
    line = {
        "offer_sku": reader.text("offer_sku"),
        "quantity": reader.number("quantity", 1),
        "price": None if price is None else amount_of(price, f"{place}.price"),
        "title": reader.optional("title"),
        "product_sku": reader.optional("product_sku"),
        "order_line_id": reader.optional("order_line_id"),
        "state": reader.optional("state"),
        "shipping": amount_of(reader.take("shipping", (int, str, Decimal), 0), f"{place}.shipping"),
        "taxes": taxes_from(reader.take("taxes", object, []), f"{place}.taxes"),
        "shipping_taxes": taxes_from(
            reader.take("shipping_taxes", object, []), f"{place}.shipping_taxes"
        ),
    }
    reader.finish()
    if not line["quantity"]:
        raise SeedError(f"{place}.quantity: a number from 1 was expected")
    return line


def draft_from(document: Any, place: str, shops: Mapping[int, Shop], find: Find) -> Draft:
    """One order of a seed; SeedError names what cannot be meant."""
    reader = Reader(document, place)
    shop_id = reader.number("shop_id", None) or 0
    if shop_id not in shops:
        raise SeedError(f"{place}.shop_id: no such shop")
    created = reader.optional("created")
    try:
        at = None if created is None else moment(created)
    except BadLine as fault:
        raise SeedError(f"{place}.created: {str(created)[:40]!r} is no date") from fault
    said: dict[str, Any] = {
        "order_id": reader.optional("order_id"),
        "commercial_id": reader.optional("commercial_id"),
        "state": reader.text("state", WAITING_ACCEPTANCE),
        "created": at,
        "age_s": float(reader.take("age_s", (int, float, Decimal), 0)),
        "payment_workflow": reader.choice(
            "payment_workflow", WORKFLOWS, shops[shop_id].payment_workflow
        ),
        "tax_mode": reader.choice("tax_mode", TAX_MODES, TAX_MODES[0]),
        "email": reader.optional("email"),
        "customer": customer_from(reader.take("customer", dict, {}), f"{place}.customer"),
        "lower_stock": reader.take("lower_stock", bool, shops[shop_id].orders_lower_stock),
    }
    for name in ("shipping_address", "billing_address"):
        if name in document:
            said[name] = address_from(reader.take(name, object, None), f"{place}.{name}")
    entries = reader.take("lines", list, [])
    reader.finish()
    lines = [_line_from(entry, f"{place}.lines[{i}]") for i, entry in enumerate(entries)]
    if not lines:
        raise SeedError(f"{place}.lines: must not be empty")
    for index, line in enumerate(lines):
        offer = find(shop_id, line["offer_sku"])
        if line["price"] is None:
            if offer is None:
                raise SeedError(f"{place}.lines[{index}].price: is missing, and there is no offer")
            line["price"] = offer.price
    return Draft(shop_id, said, lines)


def build(state: MiraklState, draft: Draft, now: float) -> Order:
    """The order that a draft makes, WAITING_ACCEPTANCE or STAGING; its life goes on elsewhere."""
    book, shop, said = state.orders, state.shops[draft.shop_id], draft.said
    book.last_order += 1
    number = book.last_order
    commercial = said["commercial_id"] or f"MK{number:07}"
    order_id = said["order_id"] or f"{commercial}-A"
    created = said["created"] if said["created"] is not None else now - said["age_s"]
    begins = STAGING if said["state"] == STAGING else WAITING_ACCEPTANCE
    customer = _customer(number, said["customer"])
    shipping = said.get("shipping_address", _address(number, customer))
    lines = [
        _build_line(state, draft.shop_id, order_id, index, line, begins, created)
        for index, line in enumerate(draft.lines, start=1)
    ]
    return Order(
        order_id=order_id,
        commercial_id=commercial,
        shop_id=draft.shop_id,
        number=number,
        created=created,
        updated=created,
        state=begins,
        currency=shop.currency,
        tax_mode=said["tax_mode"],
        workflow=said["payment_workflow"],
        customer=customer,
        email=said["email"] or f"notification+{number}@example.com",
        shipping_address=shipping,
        billing_address=said.get("billing_address", _billing(shipping)),
        show_address=shop.address_from == "always",
        lines=lines,
        accept_until=created + shop.acceptance_s,
        leadtime=shop.leadtime_to_ship,
    )


def _build_line(
    state: MiraklState,
    shop_id: int,
    order_id: str,
    index: int,
    said: dict[str, Any],
    begins: str,
    created: float,
) -> OrderLine:
    offer = state.offers[shop_id].get(said["offer_sku"])
    known = said["product_sku"] or (offer.product_sku if offer is not None else None)
    product = state.products.get(known or "")
    return OrderLine(
        line_id=said["order_line_id"] or f"{order_id}-{index}",
        index=index,
        offer_sku=said["offer_sku"],
        offer_id=offer.offer_id if offer is not None else 0,
        product_sku=known or said["offer_sku"],
        title=said["title"] or (product.title if product is not None else said["offer_sku"]),
        category=(product.category_code, product.category_label)
        if product is not None
        else ("CATEGORY", "Category"),
        quantity=said["quantity"],
        unit_price=said["price"],
        shipping=said["shipping"],
        taxes=said["taxes"],
        shipping_taxes=said["shipping_taxes"],
        state=begins,
        created=created,
        updated=created,
    )


def _customer(number: int, said: dict[str, Any]) -> dict[str, Any]:
    return {
        "customer_id": f"customer-{number}",
        "firstname": FIRST[number % len(FIRST)],
        "lastname": LAST[number // len(FIRST) % len(LAST)],
        "locale": "en_GB",
        **said,
    }


def _address(number: int, customer: dict[str, Any]) -> dict[str, Any]:
    return {
        "firstname": customer["firstname"],
        "lastname": customer["lastname"],
        "street_1": f"{number} Example Road",
        "zip_code": f"{number % 100_000:05}",
        "city": "Nairobi",
        "state": "Nairobi County",
        "country": "Kenya",
        "country_iso_code": "KEN",
        "phone": f"+254 700 {number % 1_000_000:06}",
    }


def _billing(shipping: dict[str, Any] | None) -> dict[str, Any] | None:
    if shipping is None:
        return None
    return {name: value for name, value in shipping.items() if name != "additional_info"}


# --- many


def generated(state: MiraklState, document: Any, now: float) -> tuple[list[Draft], str]:
    """Plausible orders of a shop, the same for the same `seed`, and the state that they are in:
    `{shop_id, count, lines?, skus?, quantity?, state?, seed?, prefix?, age_s?, step_s?,
    payment_workflow?, lower_stock?}`. `lines` and `quantity` are a number or `[least, most]`."""
    reader = Reader(document, "generate")
    shop_id = reader.number("shop_id", None) or 0
    if shop_id not in state.shops:
        raise SeedError("generate.shop_id: no such shop")
    shop = state.shops[shop_id]
    count = reader.number("count", None) or 0
    if not 0 < count <= MOST_GENERATED:
        raise SeedError(f"generate.count: a number from 1 to {MOST_GENERATED} was expected")
    lines = _bounds(reader.take("lines", (int, list), 2), "lines")
    pieces = _bounds(reader.take("quantity", (int, list), 1), "quantity")
    skus = reader.take("skus", list, list(state.offers[shop_id]))
    begins = reader.text("state", WAITING_ACCEPTANCE)
    rng = random.Random(reader.number("seed", 0))  # noqa: S311 (repeatable, not secret)
    prefix = reader.optional("prefix")
    age = float(reader.take("age_s", (int, float, Decimal), 0))
    step = float(reader.take("step_s", (int, float, Decimal), 0))
    common = {
        "state": STAGING if begins == STAGING else WAITING_ACCEPTANCE,
        "order_id": None,
        "payment_workflow": reader.choice("payment_workflow", WORKFLOWS, shop.payment_workflow),
        "tax_mode": TAX_MODES[0],
        "email": None,
        "customer": {},
        "lower_stock": reader.take("lower_stock", bool, shop.orders_lower_stock),
        "age_s": 0.0,
    }
    reader.finish()
    if not skus or not all(isinstance(sku, str) for sku in skus):
        raise SeedError("generate.skus: texts were expected, and the shop has no offers")
    offers = state.offers[shop_id]
    prices = {sku: offers[sku].price if sku in offers else Decimal("9.90") for sku in skus}
    first = state.orders.last_order + 1
    drafts: list[Draft] = []
    for index in range(count):
        picked = rng.choices(skus, k=rng.randint(*lines))
        entries = [_plain_line(sku, rng.randint(*pieces), prices[sku]) for sku in picked]
        name = None if prefix is None else f"{prefix}{first + index:07}"
        said = {**common, "commercial_id": name, "created": now - age + index * step}
        drafts.append(Draft(shop_id, said, entries))
    return drafts, begins


def _bounds(value: Any, name: str) -> tuple[int, int]:
    pair = value if isinstance(value, list) else [value, value]
    whole = len(pair) == 2 and all(type(entry) is int for entry in pair)
    if not whole or not 1 <= pair[0] <= pair[1] <= 1_000:
        raise SeedError(f"generate.{name}: a number from 1, or two of them, was expected")
    return pair[0], pair[1]


def _plain_line(sku: str, quantity: int, price: Decimal) -> dict[str, Any]:
    return {
        "offer_sku": sku,
        "quantity": quantity,
        "price": price,
        "title": None,
        "product_sku": None,
        "order_line_id": None,
        "state": None,
        "shipping": Decimal(0),
        "taxes": [],
        "shipping_taxes": [],
    }
