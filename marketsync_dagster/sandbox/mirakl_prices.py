"""Prices of Mirakl's offers: what can be one, from when to when a discount holds, what applies now.

Contract 6.4; how prices come in belongs to `mirakl_work`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.mirakl_fields import BadField, Offer, read_number

CENT = Decimal("0.01")
LARGEST = Decimal(10) ** 12


class BadLine(ValueError):
    """Why a line of an import is not taken."""


def moment(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 text, UTC where it names no zone; BadLine otherwise."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as fault:
        raise BadLine("The date is not valid") from fault


def check_price(price: Decimal, what: str = "price") -> Decimal:
    """`price`, if an offer can cost that much; BadLine otherwise."""
    if not 0 < price < LARGEST:
        raise BadLine(f"The {what} must be greater than 0")
    if price != price.quantize(CENT):
        raise BadLine(f"The {what} must have 2 decimals at most")
    return price


def price_of(value: Any, what: str = "price") -> Decimal:
    """The price that a cell or a JSON value says; a decimal comma is read too."""
    if isinstance(value, str):
        value = value.replace(",", ".", 1)
    try:
        return check_price(read_number(value, what), what)
    except BadField as fault:
        raise BadLine(f"The {what} is not a number") from fault


def ranges_of(text: str, what: str, name: str) -> list[dict[str, Any]]:
    """`1|20,10|15` as thresholds with prices, which are called `name`."""
    found: list[dict[str, Any]] = []
    for part in filter(None, text.split(",")):
        threshold, bar, price = part.partition("|")
        if not bar:
            raise BadLine(f"The {what} are not valid")
        found.append({"quantity_threshold": threshold, name: price})
    return ranges_in(found, name)


def ranges_in(entries: Any, name: str) -> list[dict[str, Any]]:
    """Thresholds with prices, which are called `name`, checked; BadLine where they cannot be."""
    found: list[dict[str, Any]] = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            threshold = int(read_number(entry["quantity_threshold"], "quantity_threshold"))
            found.append({"quantity_threshold": threshold, name: price_of(entry[name])})
        except (BadField, KeyError, TypeError) as fault:
            raise BadLine("The price ranges are not valid") from fault
        if not 0 < threshold < LARGEST:
            raise BadLine("The price ranges are not valid")
    return found


def channel_price(entry: dict[str, Any]) -> dict[str, Any]:
    """One of `all_prices` as an offer keeps it; BadLine where it cannot be."""
    code = entry.get("channel_code")
    found: dict[str, Any] = {
        "channel_code": None if code is None else str(code),
        "unit_origin_price": None,
        "unit_discount_price": None,
        "discount_start_date": None,
        "discount_end_date": None,
        "volume_prices": ranges_in(entry.get("volume_prices"), "unit_origin_price"),
    }
    for name in ("unit_origin_price", "unit_discount_price"):
        if entry.get(name) is not None:
            found[name] = price_of(entry[name], name.replace("_", " "))
    for name in ("discount_start_date", "discount_end_date"):
        if entry.get(name):
            moment(str(entry[name]))
            found[name] = str(entry[name])
    return found


def discount_of(
    price: Any, start: Any, end: Any, ranges: list[dict[str, Any]], origin: Decimal
) -> dict[str, Any] | None:
    """A discount as an offer keeps it, None where there is none; BadLine where it cannot be."""
    empty = (None, "")
    if price in empty and not ranges:
        if start not in empty or end not in empty:
            raise BadLine("The discount price is mandatory when discount dates are set")
        return None
    found: dict[str, Any] = {"ranges": ranges}
    if price not in empty:
        found["price"] = price_of(price, "discount price")
        if found["price"] >= origin:
            raise BadLine("The discount price must be lower than the price")
    for name, text in (("start_date", start), ("end_date", end)):
        if text not in empty:
            moment(str(text))
            found[name] = str(text)
    both = {"start_date", "end_date"} <= set(found)
    if both and moment(found["start_date"]) >= moment(found["end_date"]):
        raise BadLine("The discount end date must be after the discount start date")
    return found


@dataclass(frozen=True, slots=True)
class Prices:
    """What one piece of an offer costs."""

    origin: Decimal
    discount: Decimal | None
    start: float | None
    end: float | None
    now: Decimal
    """The discount's price while it holds, else the origin."""
    ranges: tuple[tuple[int, Decimal], ...]
    """Volume prices beyond one piece, as they apply now."""


def prices_of(offer: Offer, now: float) -> Prices:
    """The prices of an offer without a channel, at a moment."""
    origin, discount = offer.price, offer.value("discount") or {}
    volumes: list[dict[str, Any]] = []
    for entry in offer.value("all_prices") or []:
        if entry.get("channel_code") is None and entry.get("unit_origin_price") is not None:
            origin = entry["unit_origin_price"]
            discount = {
                "price": entry.get("unit_discount_price"),
                "start_date": entry.get("discount_start_date"),
                "end_date": entry.get("discount_end_date"),
            }
            volumes = entry.get("volume_prices") or []
    start = moment(discount["start_date"]) if discount.get("start_date") else None
    end = moment(discount["end_date"]) if discount.get("end_date") else None
    lower = discount.get("price")
    holds = (start is None or start <= now) and (end is None or now < end)
    ranges = [(entry["quantity_threshold"], entry["unit_origin_price"]) for entry in volumes]
    if holds and discount.get("ranges"):
        ranges = [(entry["quantity_threshold"], entry["price"]) for entry in discount["ranges"]]
    beyond = tuple((number, price) for number, price in ranges if number > 1)
    current = lower if lower is not None and holds else origin
    return Prices(origin, lower, start, end, current, beyond)
