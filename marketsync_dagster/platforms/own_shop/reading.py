"""What one order in a shop's file says: amounts exact, totals that add up, every error with its
place and without a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from marketsync_dagster.config.scalars import CURRENCIES
from marketsync_dagster.platforms.ordering import Person, PulledLine, PulledOrder, Role
from marketsync_dagster.platforms.own_shop import addresses
from marketsync_dagster.platforms.strict_json import Node, Wrong, has_doubled, kind_of
from marketsync_dagster.values.money import LARGEST, is_huge, to_decimal, to_minor
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.times import to_iso

MOST_LINES = 1000
_IDS = ("id", "order_id", "number", "order_number")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
STATES = {
    "": OrderState.NEW,
    "new": OrderState.NEW,
    "open": OrderState.NEW,
    "pending": OrderState.NEW,
    "paid": OrderState.NEW,
    "processing": OrderState.NEW,
    "cancelled": OrderState.CANCELLED,
    "canceled": OrderState.CANCELLED,
}
"""A shop's words. It says that an order is there, or is not any more; the rest is ours to tell."""


@dataclass(frozen=True, slots=True)
class Given:
    """What holds where an order does not say it."""

    outlet: str = ""
    currency: str = ""
    """Empty: the outlet's."""
    currencies: Mapping[str, str] | None = None
    """Outlet -> its currency."""
    zones: Mapping[str, str] | None = None
    """Outlet -> its time zone, for times without one."""


def id_of(value: Any) -> str:
    """The id that an order has by itself; empty: none, or it cannot be told."""
    if not isinstance(value, dict) or has_doubled(value):
        return ""
    try:
        node = Node.of(value, "")
        return next((text for name in _IDS if (text := node.id(name))), "")
    except Wrong:
        return ""


def order_of(
    value: Any, place: str, external_id: str, lies_since: str, given: Given
) -> PulledOrder:
    """One order. Wrong: what is wrong with it, and where. `lies_since`: when its file was written,
    the time of what has none of its own."""
    if has_doubled(value):
        raise Wrong(place, "a name stands twice in an object of it")
    node = Node.of(value, place)
    for name in _IDS:
        node.id(name)  # a wrong kind is told, not passed over
    outlet = node.text("outlet", "branch", most=100) or given.outlet
    currency = _currency(node, outlet, given)
    status = node.text("status", "state", most=50).lower()
    state = STATES.get(status)
    lines = _lines(node, currency, status, state)
    shipping = _money(node, currency, "shipping", "shipping_price", "shipping_total") or Decimal(0)
    persons, details = _persons(node)
    zone = (given.zones or {}).get(outlet, "")
    created = _time(node, zone, "created_at", "ordered_at", "date") or lies_since
    return PulledOrder(
        external_id=external_id,
        number=node.id("number", "order_number"),
        currency=currency,
        created_at=created,
        updated_at=max(_time(node, zone, "updated_at") or lies_since, created),
        lines=lines,
        raw_state=status,
        state=state,
        total=_total(node, currency, lines, shipping),
        shipping=shipping,
        persons=persons,
        outlet=outlet,
        tags=tuple(_tags(node)),
        details=details,
    )


def _currency(node: Node, outlet: str, given: Given) -> str:
    currency = node.text("currency", most=10).upper()
    currency = currency or given.currency or (given.currencies or {}).get(outlet, "")
    if currency not in CURRENCIES:
        words = "expected a three-letter ISO 4217 currency such as KES"
        raise Wrong(node.at("currency"), words)
    return currency


def _lines(
    node: Node, currency: str, status: str, state: OrderState | None
) -> tuple[PulledLine, ...]:
    name = next((one for one in ("items", "lines") if node.values.get(one) is not None), "items")
    items = node.many("items", "lines")
    if not items:
        raise Wrong(node.at(name), "expected at least one item")
    if len(items) > MOST_LINES:
        raise Wrong(node.at(name), f"expected at most {MOST_LINES} items, got {len(items)}")
    found: dict[str, PulledLine] = {}
    for place, value in items:
        line = _line(Node.of(value, place), currency)
        line_id, count = line.line_id, 1
        while line.line_id in found:
            count += 1
            line = replace(line, line_id=f"{line_id}#{count}")
        found[line.line_id] = replace(line, raw_state=status, state=state)
    return tuple(found.values())


def _line(item: Node, currency: str) -> PulledLine:
    """One item. Its id is its own, else its SKU: an order that comes again has its lines in
    another order perhaps."""
    sku = item.text("sku", most=100)
    if not sku:
        raise Wrong(item.at("sku"), "expected a SKU")
    quantity = item.whole("quantity", "qty")
    if not quantity:
        raise Wrong(item.at("quantity"), "expected a quantity of 1 or more")
    price = _money(item, currency, "price", "unit_price")
    if price is None:
        raise Wrong(item.at("price"), "expected the price of one piece")
    discount = _money(item, currency, "discount") or Decimal(0)
    total = _kept(price * quantity - discount, currency, item.at("price"))
    if total < 0:
        raise Wrong(item.at("discount"), "it is more than price by quantity")
    said = _money(item, currency, "total")
    if said is not None and said != total:
        words = f"price by quantity makes {_shown(total, currency)}, not {_shown(said, currency)}"
        raise Wrong(item.at("total"), words)
    cancelled = item.whole("cancelled", "canceled") or 0
    if cancelled > quantity:
        raise Wrong(item.at("cancelled"), "it is more than the quantity")
    return PulledLine(
        line_id=item.id("id", "line_id") or sku,
        offer_sku=sku,
        quantity=quantity,
        unit_price=price,
        total=total,
        tax=_money(item, currency, "tax") or Decimal(0),
        title=item.text("title", "name", most=500),
        cancelled=cancelled,
    )


def _total(node: Node, currency: str, lines: tuple[PulledLine, ...], shipping: Decimal) -> Decimal:
    """What the customer pays; it is what lines, shipping and discount make, tax in it or beside."""
    discount = _money(node, currency, "discount") or Decimal(0)
    tax = _money(node, currency, "tax")
    made = sum((line.total for line in lines), shipping) - discount
    _kept(made, currency, node.at("total"))
    said = _money(node, currency, "total", "total_price", "grand_total")
    if made < 0:
        raise Wrong(node.at("discount"), "it is more than the items and their shipping")
    if said is None and tax:
        words = "with a tax beside the items the order has to say its total"
        raise Wrong(node.at("total"), words)
    if said is not None and said not in (made, made + (tax or 0)):
        words = "items, shipping and discount make "
        raise Wrong(
            node.at("total"), f"{words}{_shown(made, currency)}, not {_shown(said, currency)}"
        )
    return made if said is None else said


def _persons(node: Node) -> tuple[dict[Role, Person], dict[str, str]]:
    said = node.find("customer")
    customer = Person() if said is None else addresses.person_of(Node.of(said[1], node.at(said[0])))
    email = node.text("customer_email", "email", most=254) or customer.email
    if email and not _EMAIL.fullmatch(email):
        raise Wrong(node.at("customer_email"), "it is no mail address")
    name = node.text("customer_name") or customer.name
    first, last = addresses.split_name(name)
    phone = node.text("customer_phone", "phone", most=50) or customer.phone
    if not customer.name:
        customer = replace(customer, first_name=first, last_name=last)
    customer = replace(customer, email=email, phone=phone)
    persons: dict[Role, Person] = {} if customer == Person() else {"customer": customer}
    details: dict[str, str] = {}
    roles: tuple[Role, ...] = ("shipping", "billing")
    for role in roles:
        key = f"{role}_address"
        found = node.find(key)
        if found is None:
            continue
        if isinstance(found[1], str):
            if not found[1].strip():
                continue
            person = addresses.taken_apart(found[1], node.at(key), name)
            if person is None:
                person = addresses.kept_whole(found[1], node.at(key))
                details[key] = addresses.UNPARSED
        elif isinstance(found[1], dict):
            person = addresses.person_of(Node.of(found[1], node.at(key)))
        else:
            words = f"expected an object or a text, got {kind_of(found[1])}"
            raise Wrong(node.at(key), words)
        if not person.name and not person.company:
            person = replace(person, first_name=first, last_name=last)
        persons[role] = replace(person, email=person.email or email, phone=person.phone or phone)
    return persons, details


def _tags(node: Node) -> list[str]:
    found = []
    for place, value in node.many("tags"):
        if not isinstance(value, str):
            raise Wrong(place, f"expected text, got {kind_of(value)}")
        found.append(Node({"tag": value}, place).text("tag", most=100))
    return [tag for tag in found if tag]


def _money(node: Node, currency: str, *names: str) -> Decimal | None:
    amount = node.amount(*names)
    if amount is None:
        return None
    found = node.find(*names)
    place = node.at(found[0] if found else names[0])
    if is_huge(amount):
        raise Wrong(place, "it is too large an amount")
    try:
        exact = to_decimal(to_minor(amount, currency), currency)
    except ValueError:
        raise Wrong(place, f"it has more decimals than {currency} has") from None
    return _kept(exact, currency, place)


def _kept(amount: Decimal, currency: str, place: str) -> Decimal:
    """An amount that the book can keep."""
    if abs(to_minor(amount, currency)) > LARGEST:
        raise Wrong(place, "it is too large an amount")
    return amount


def _shown(amount: Decimal, currency: str) -> str:
    return f"{currency} {amount}"


def _time(node: Node, zone: str, *names: str) -> str:
    """An ISO time as ours; empty: it is not there."""
    text = node.text(*names, most=40)
    if not text:
        return ""
    found = node.find(*names)
    place = node.at(found[0] if found else names[0])
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and zone:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        if moment.tzinfo is None:
            raise Wrong(place, "the time has no zone, and the order no outlet that has one")
        return to_iso(moment)
    except (ValueError, OverflowError):
        raise Wrong(place, "expected an ISO time such as 2026-11-21T06:30:00Z") from None
