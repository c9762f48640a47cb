"""What OR11 says of an order, in words of ours (contract sections 6.7 and 10).

Pure. Quantities and amounts of a line stay as they were ordered: what was cancelled or refunded
stands beside them. Messages name the place, never what stands there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, NoReturn

from marketsync_dagster.platforms.mirakl.order_taxes import LINE_TAXES, taxes_left
from marketsync_dagster.platforms.ordering import (
    Person,
    PulledLine,
    PulledOrder,
    Refund,
    Role,
    UnreadableOrder,
)
from marketsync_dagster.values.countries import two_letters
from marketsync_dagster.values.money import exponent
from marketsync_dagster.values.order_states import OrderFlag, OrderState
from marketsync_dagster.values.times import from_iso, to_iso

EXCLUDED = "TAX_EXCLUDED"
"""Amounts come without their taxes."""
STATES = {
    "STAGING": OrderState.NEW,
    "WAITING_ACCEPTANCE": OrderState.NEW,
    "WAITING_DEBIT": OrderState.AWAITING_PAYMENT,
    "WAITING_DEBIT_PAYMENT": OrderState.AWAITING_PAYMENT,
    "SHIPPING": OrderState.IN_PREPARATION,
    "SHIPPED": OrderState.SHIPPED,
    "TO_COLLECT": OrderState.DELIVERED,
    "RECEIVED": OrderState.DELIVERED,
    "CLOSED": OrderState.CLOSED,
    "REFUSED": OrderState.REFUSED,
    "CANCELED": OrderState.CANCELLED,
}
REFUNDING = frozenset({"WAITING_REFUND", "WAITING_REFUND_PAYMENT"})
INCIDENT, REFUNDED = "INCIDENT_OPEN", "REFUNDED"
GONE = frozenset({OrderState.SHIPPED, OrderState.DELIVERED, OrderState.CLOSED, OrderState.RETURNED})
DROPPED = frozenset({OrderState.REFUSED, OrderState.CANCELLED})


def load(document: bytes) -> Any:
    """A document with exact numbers; ValueError where it is none."""
    return json.loads(document, parse_float=Decimal, parse_constant=_no_number)


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number")


@functools.lru_cache(maxsize=1024)
def iso_of(text: str) -> str:
    """A time of Mirakl as it is kept; an order has the same one many times. ValueError."""
    return to_iso(from_iso(text))


def read_order(document: Any, accept_hours: float | None = None) -> PulledOrder:
    """One order of OR11, its numbers exact. UnreadableOrder names the place."""
    at = _At(document, "")
    currency = at.text("currency_iso_code")
    money = _Money(currency, exponent(currency))
    excluded = at.get("order_tax_mode") == EXCLUDED
    raw_state = at.text("order_state")
    listed = [_line(each, money, excluded) for each in at.each("order_lines")]
    if not listed:
        raise _wrong("order_lines", "there are none")
    doubled = _doubled([line.id for line in listed])
    if doubled is not None:
        raise _wrong(f"order_lines[{doubled}].order_line_id", "is there twice")
    state = _of_the_whole(raw_state, listed)
    lines = tuple(one.pulled(state) for one in listed)
    refunds = tuple(refund for one in listed for refund in one.refunds)
    total, tax = money.of(at, "total_price"), sum((one.tax for one in listed), Decimal(0))
    created, workflow = at.moment("created_date"), at.get("payment_workflow")
    accept_by = ""
    if accept_hours is not None and state is OrderState.NEW:
        accept_by = to_iso(from_iso(created) + timedelta(hours=accept_hours))
    details = {
        "order_tax_mode": at.get("order_tax_mode"),
        "payment_workflow": workflow,
        "commercial_id": at.get("commercial_id"),
        LINE_TAXES: taxes_left(document),
    }
    return PulledOrder(
        external_id=at.id("order_id"),
        currency=currency,
        created_at=created,
        updated_at=at.moment("last_updated_date"),
        lines=lines,
        raw_state=raw_state,
        state=state,
        flags=_flags(at, listed, lines),
        total=total + tax if excluded else total,
        shipping=money.of(at, "shipping_price", missing=True),
        persons=_persons(at),
        refunds=refunds,
        accept_by=accept_by,
        ship_by="" if at.get("shipping_deadline") is None else at.moment("shipping_deadline"),
        can_cancel=at.flag("can_cancel"),
        tags=tuple(
            text
            for text in (at.inner("channel").said("code"), at.said("shipping_type_code"))
            if text
        ),
        details={name: text for name, text in details.items() if isinstance(text, str) and text},
    )


# --- lines


@dataclass(frozen=True, slots=True)
class _Line:
    """What one line says, before it is known how the order stands."""

    id: str
    raw: str
    quantity: int
    unit_price: Decimal
    total: Decimal
    shipping: Decimal
    tax: Decimal
    offer_sku: str
    title: str
    product_id: str
    cancelled: int
    refunds: tuple[Refund, ...]
    shipped: bool
    received: bool
    paid_back: bool
    """Refunds and cancelations come up to all of it."""

    def pulled(self, whole: OrderState | None) -> PulledLine:
        """With the state that it has in an order that stands like this."""
        state = self._state(whole)
        return PulledLine(
            line_id=self.id,
            offer_sku=self.offer_sku,
            quantity=self.quantity,
            unit_price=self.unit_price,
            total=self.total,
            shipping=self.shipping,
            tax=self.tax,
            title=self.title,
            product_id=self.product_id,
            raw_state=self.raw,
            state=state,
            cancelled=self.quantity if state in DROPPED else self.cancelled,
        )

    def _state(self, whole: OrderState | None) -> OrderState | None:
        known = STATES.get(self.raw)
        if known is not None:
            return known
        if self.raw == REFUNDED:
            return OrderState.RETURNED if self.shipped else OrderState.CANCELLED
        if self.raw == INCIDENT or self.raw in REFUNDING:
            # words about money and quarrels: where the goods are stands elsewhere
            return self.goods or (OrderState.CANCELLED if self.paid_back else whole)
        return None if self.raw else whole

    @property
    def goods(self) -> OrderState | None:
        """How far the goods are by the dates of the line; None: they have not left."""
        if self.received:
            return OrderState.DELIVERED
        return OrderState.SHIPPED if self.shipped else None


def _line(at: _At, money: _Money, excluded: bool) -> _Line:
    line_id = at.id("order_line_id")
    taxes = sum(
        (money.of(tax, "amount") for name in _TAXES for tax in at.each(name, missing=True)),
        Decimal(0),
    )
    quantity, total = at.whole("quantity"), money.of(at, "price")
    refunds, back, cancelled = [], Decimal(0), 0
    for kind, places in _BACK:
        for each in at.each(places, missing=True):
            refund = _refund(each, line_id, kind, money, excluded)
            refunds.append(refund)
            back += money.of(each, "amount", missing=True)
            cancelled += refund.quantity if kind == "cancel" else 0
    raw = at.get("order_line_state")
    received = at.get("received_date") is not None
    return _Line(
        id=line_id,
        raw=raw if isinstance(raw, str) else "",
        quantity=quantity,
        unit_price=money.of(at, "price_unit"),
        total=total,
        shipping=money.of(at, "shipping_price", missing=True),
        tax=taxes,
        offer_sku=at.text("offer_sku"),
        title=at.said("product_title"),
        product_id=at.said("product_sku"),
        cancelled=min(cancelled, quantity),
        refunds=tuple(refunds),
        shipped=received or at.get("shipped_date") is not None,
        received=received,
        paid_back=bool(refunds) and back >= total,
    )


_TAXES = ("taxes", "shipping_taxes")
Kind = Literal["refund", "cancel"]
_BACK: tuple[tuple[Kind, str], ...] = (("refund", "refunds"), ("cancel", "cancelations"))


def _refund(at: _At, line_id: str, kind: Kind, money: _Money, excluded: bool) -> Refund:
    amount = money.of(at, "amount", missing=True) + money.of(at, "shipping_amount", missing=True)
    if excluded:
        taxes = (tax for name in _TAXES for tax in at.each(name, missing=True))
        amount += sum((money.of(tax, "amount") for tax in taxes), Decimal(0))
    quantity = 0 if at.get("quantity") is None else at.whole("quantity")
    return Refund(at.id("id"), line_id, amount, quantity, at.said("reason_code"), kind)


def _of_the_whole(raw: str, lines: Sequence[_Line]) -> OrderState | None:
    if raw not in REFUNDING:
        return STATES.get(raw)
    goods = [one.goods for one in lines]
    if OrderState.DELIVERED in goods:
        return OrderState.DELIVERED
    return OrderState.SHIPPED if OrderState.SHIPPED in goods else OrderState.IN_PREPARATION


def _flags(at: _At, listed: Sequence[_Line], lines: Sequence[PulledLine]) -> frozenset[OrderFlag]:
    found: set[OrderFlag] = set()
    words = [one.raw for one in listed]
    if at.get("has_incident") is True or INCIDENT in words:
        found.add(OrderFlag.INCIDENT)
    if at.get("fully_refunded") is True or words.count(REFUNDED) == len(words):
        found.add(OrderFlag.REFUNDED)
    elif any(refund.kind == "refund" for one in listed for refund in one.refunds):
        found.add(OrderFlag.PARTIALLY_REFUNDED)
    living = [line.state for line in lines if line.state not in DROPPED]
    if 0 < sum(state in GONE for state in living) < len(living):
        found.add(OrderFlag.PARTIALLY_SHIPPED)
    return frozenset(found)


# --- people


def _persons(at: _At) -> dict[Role, Person]:
    """Who is told of; an address that is not there yet is no person."""
    customer = at.inner("customer")
    buyer = Person(
        first_name=customer.said("firstname"),
        last_name=customer.said("lastname"),
        company=customer.inner("organization").said("name"),
        email=at.said("customer_notification_email"),
    )
    found: dict[Role, Person] = {"customer": buyer}
    for role, name in _ADDRESSES:
        if customer.get(name) is not None:
            found[role] = _address(customer.inner(name))
    return {role: person for role, person in found.items() if person != _NOBODY}


_ADDRESSES: tuple[tuple[Role, str], ...] = (
    ("shipping", "shipping_address"),
    ("billing", "billing_address"),
)
_NOBODY = Person()


def _address(at: _At) -> Person:
    street_2 = ", ".join(filter(None, (at.said("street_2"), at.said("additional_info"))))
    company = ", ".join(filter(None, (at.said("company"), at.said("company_2"))))
    return Person(
        first_name=at.said("firstname"),
        last_name=at.said("lastname"),
        company=company,
        street_1=at.said("street_1"),
        street_2=street_2,
        city=at.said("city"),
        zip=at.said("zip_code"),
        province=at.said("state"),
        country=two_letters(at.said("country_iso_code") or at.said("country")),
        phone=at.said("phone") or at.said("phone_secondary"),
    )


# --- places in a document


def _wrong(place: str, words: str) -> UnreadableOrder:
    return UnreadableOrder(f"{place}: {words}")


def _doubled(names: Sequence[str]) -> int | None:
    """The first that was there before."""
    if len(set(names)) == len(names):
        return None
    return next(n for n, name in enumerate(names) if name in names[:n])


class _At:
    """An object of the document, and where it stands."""

    __slots__ = ("document", "place")

    def __init__(self, document: Any, place: str) -> None:
        if not isinstance(document, dict):
            raise _wrong(place or "the order", "an object was expected")
        self.document: dict[str, Any] = document
        self.place = place

    def at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def get(self, name: str) -> Any:
        return self.document.get(name)

    def text(self, name: str) -> str:
        """A text that has to be there."""
        value = self.document.get(name)
        said = value.replace("\0", "").strip() if isinstance(value, str) else ""
        if not said:
            words = "is missing" if value in (None, "") else "a text was expected"
            raise _wrong(self.at(name), words)
        return said

    def id(self, name: str) -> str:
        """An id, which may be written as a number."""
        value = self.document.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.text(name)

    def said(self, name: str) -> str:
        """A text that may be missing; what is no text is none."""
        value = self.document.get(name)
        return value.replace("\0", "").strip() if isinstance(value, str) else ""

    def whole(self, name: str) -> int:
        value = self.document.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise _wrong(self.at(name), "a whole number was expected")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.document.get(name)
        return value if isinstance(value, bool) else None

    def moment(self, name: str) -> str:
        try:
            return iso_of(self.text(name))
        except (ValueError, OverflowError):
            raise _wrong(self.at(name), "a date and time with a zone were expected") from None

    def inner(self, name: str) -> _At:
        """An object that may be missing: then an empty one."""
        value = self.document.get(name)
        return _At({} if value is None else value, self.at(name))

    def each(self, name: str, *, missing: bool = False) -> list[_At]:
        value = self.document.get(name)
        if value is None and missing:
            return []
        if not isinstance(value, list):
            raise _wrong(self.at(name), "a list was expected")
        if not value:  # most are
            return []
        place = self.at(name)
        return [_At(one, f"{place}[{n}]") for n, one in enumerate(value)]


@dataclass(frozen=True, slots=True)
class _Money:
    currency: str
    decimals: int

    def of(self, at: _At, name: str, *, missing: bool = False) -> Decimal:
        """An exact amount that fits the currency; nothing where it may be `missing`."""
        value = at.document.get(name)
        if value is None and missing:
            return Decimal(0)
        if type(value) is not Decimal and type(value) is not int:  # bool is an int, too
            words = "is missing" if value is None else "an amount was expected"
            raise _wrong(at.at(name), words)
        amount = Decimal(value)
        if not _fits(amount, self.decimals):
            raise _wrong(at.at(name), f"more decimals than {self.currency} has")
        return amount


@functools.lru_cache(maxsize=4096)
def _fits(amount: Decimal, decimals: int) -> bool:
    """Whether an amount has no more decimals; the same ones come all the time."""
    scaled = amount.scaleb(decimals)
    return scaled == scaled.to_integral_value()
