"""An offer of Mirakl: its fields, what each is worth while nobody says it, and how it is read.

OF24 replaces an offer whole: a field that is not sent gets its default again (contract 6.4). What
an offer looks like when it is read belongs to `mirakl_reads`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.wire import exact_number


class BadField(ValueError):
    """A value that the API cannot read; the message names the field."""


FIELDS: dict[str, tuple[str, Any]] = {
    # name: kind of value, default
    "quantity": ("whole", 0),
    "state_code": ("text", "11"),
    "description": ("text", None),
    "internal_description": ("text", None),
    "price_additional_info": ("text", None),
    "min_quantity_alert": ("whole", None),
    "leadtime_to_ship": ("whole", None),
    "logistic_class": ("text", None),
    "min_order_quantity": ("whole", None),
    "max_order_quantity": ("whole", None),
    "package_quantity": ("whole", None),
    "product_tax_code": ("text", None),
    "available_started": ("text", None),
    "available_ended": ("text", None),
    "allow_quote_requests": ("flag", False),
    "discount": ("object", None),
    "all_prices": ("list", None),
    "retail_prices": ("list", None),
    "eco_contributions": ("list", None),
    "offer_additional_fields": ("list", None),
    "msrp": ("number", None),
    "pricing_unit": ("text", None),
}
"""The fields of OF24 besides those that name the offer and its price."""

LARGEST_WHOLE = 2**31 - 1


@dataclass(slots=True)
class Offer:
    """One offer of a shop. `fields` has what was said; what is not in it has its default."""

    shop_sku: str
    product_sku: str
    price: Decimal
    fields: dict[str, Any] = field(default_factory=dict)
    warehouses: dict[str, int] = field(default_factory=dict)
    offer_id: int = 0
    updated_at: float = 0.0
    request: int = 0

    def value(self, name: str) -> Any:
        """A field of OF24, its default where nothing was said."""
        return self.fields.get(name, FIELDS[name][1])

    @property
    def quantity(self) -> int:
        """How many can be bought."""
        return self.value("quantity")


def _whole(value: Any, place: str) -> int:
    # the official examples have quantities as texts too
    try:
        number = exact_number(value) if isinstance(value, str) else value
    except ArithmeticError:
        number = None
    if isinstance(number, bool) or not isinstance(number, (int, Decimal)):
        raise BadField(f"{place}: a whole number was expected")
    if number != number.to_integral_value() if isinstance(number, Decimal) else False:
        raise BadField(f"{place}: a whole number was expected")
    if not -LARGEST_WHOLE <= number <= LARGEST_WHOLE:
        raise BadField(f"{place}: is out of range")
    return int(number)


def read_number(value: Any, place: str) -> Decimal:
    """A JSON number, or a text that is one; BadField names the place."""
    try:
        if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
            number = exact_number(value)
            if number.is_finite():
                return number
    except (ArithmeticError, ValueError):
        pass  # told below
    raise BadField(f"{place}: a number was expected")


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise BadField(f"{place}: true or false was expected")
    return value


def _text(value: Any, place: str) -> str:
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        return str(value)
    raise BadField(f"{place}: a text was expected")


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadField(f"{place}: an object was expected")
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise BadField(f"{place}: a list of objects was expected")
    return value


READ = {
    "whole": _whole,
    "number": read_number,
    "flag": _flag,
    "text": _text,
    "object": _object,
    "list": _list,
}


def read_fields(document: dict[str, Any], place: str) -> dict[str, Any]:
    """What a document says of an offer's fields; null counts as not said. BadField otherwise."""
    found: dict[str, Any] = {}
    for name, (kind, _) in FIELDS.items():
        value = document.get(name)
        if value is not None:
            found[name] = READ[kind](value, f"{place}.{name}")
    return found
