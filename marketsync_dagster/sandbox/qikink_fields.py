"""What an order must look like on Qikink's real API (contract 5.2). Numbers may be texts.

Messages name fields and never values: these are people's names and addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from marketsync_dagster.sandbox.prices import LARGEST
from marketsync_dagster.sandbox.qikink_accounts import QikinkAccount
from marketsync_dagster.sandbox.wire import exact_number

ORDER = ("order_number", "qikink_shipping", "gateway", "total_order_value", "line_items")
ADDRESS = "first_name address1 phone email city zip province country_code".split()
DESIGN = ("design_code", "width_inches", "height_inches", "placement_sku", "design_link")
GATEWAYS = ("Prepaid", "COD")
MOST_ADDRESS1 = 90
_NUMBER = re.compile(r"[a-z0-9_]{1,15}")


class Refused(ValueError):
    """An order that is not taken; the message says why."""


def as_number(value: Any) -> Decimal | None:
    """A number that is not negative, given as one or as text; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        number = exact_number(str(value).strip())
    except ArithmeticError:
        return None
    return number if number.is_finite() and 0 <= number < LARGEST else None


def check_order(document: Any, account: QikinkAccount) -> str:
    """The order number of an order that can be taken; Refused says what is wrong with it."""
    if not isinstance(document, dict):
        raise Refused("Invalid JSON")
    _need(document, ORDER)
    number = str(document["order_number"])
    if not _NUMBER.fullmatch(number):
        raise Refused("order_number must be at most 15 characters of a-z, 0-9 and _")
    if str(document["qikink_shipping"]) not in ("0", "1"):
        raise Refused("Invalid field: qikink_shipping")
    if document["gateway"] not in GATEWAYS:
        raise Refused("gateway must be Prepaid or COD")
    if as_number(document["total_order_value"]) is None:
        raise Refused("Invalid field: total_order_value")
    lines = document["line_items"]
    if not isinstance(lines, list):
        raise Refused("Invalid field: line_items")
    for line in lines:
        _check_line(line, account)
    _check_address(document.get("shipping_address"))
    return number


def _need(document: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        value = document.get(name)
        if value is None or value in ("", []) or (isinstance(value, str) and not value.strip()):
            raise Refused(f"Missing field: {name}")


def _check_line(line: Any, account: QikinkAccount) -> None:
    if not isinstance(line, dict):
        raise Refused("Invalid field: line_items")
    _need(line, ("search_from_my_products", "sku", "quantity", "price"))
    if not isinstance(line["sku"], str):
        raise Refused("Invalid field: sku")
    own = str(line["search_from_my_products"])
    if own not in ("0", "1"):
        raise Refused("Invalid field: search_from_my_products")
    if own == "1" and (line.get("print_type_id") is not None or line.get("designs") is not None):
        raise Refused("print_type_id and designs are not allowed with search_from_my_products")
    if own == "0":
        _need(line, ("print_type_id", "designs"))
        designs = line["designs"]
        if not isinstance(designs, list) or not all(isinstance(one, dict) for one in designs):
            raise Refused("Invalid field: designs")
        for design in designs:
            _need(design, DESIGN)
    quantity = as_number(line["quantity"])
    if quantity is None or quantity < 1 or quantity != int(quantity):
        raise Refused("Invalid field: quantity")
    if as_number(line["price"]) is None:
        raise Refused("Invalid field: price")
    if own == "1" and account.skus is not None and line["sku"] not in account.skus:
        raise Refused("SKU not found in your products")


def _check_address(address: Any) -> None:
    if not isinstance(address, dict):
        raise Refused("Missing field: shipping_address")
    _need(address, ADDRESS)
    if len(str(address["address1"])) > MOST_ADDRESS1:
        raise Refused(f"address1 must not exceed {MOST_ADDRESS1} characters")
