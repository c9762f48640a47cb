"""Parquet files that are refused, or have rows that are rejected; lines are row numbers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from marketsync_dagster_tests.pos.corpus.builders import HEAD, parquet
from marketsync_dagster_tests.pos.corpus.cases import Refused, Rejected

GOOD = parquet(HEAD, ["G1"], ["Good"], [5.0])
FILE = "till.parquet"
NAMES = ["Good", "Bad"]


def refused(name: str, data: bytes, code: str, says: str = "", **spec: Any) -> Refused:
    """A Parquet file that is refused."""
    return Refused(f"Parquet: {name}", data, code, says, spec, file=FILE)


def price(name: str, column: Any, value: str, reason: str) -> Rejected:
    """A Parquet file whose second price is rejected."""
    data = parquet(HEAD, ["G1", "B1"], NAMES, column)
    return Rejected(f"Parquet: {name}", data, [(2, "price", value, reason)], file=FILE)


def sku(name: str, column: Any, value: str, reason: str) -> Rejected:
    """A Parquet file whose second SKU is rejected."""
    data = parquet(HEAD, column, NAMES, [1.0, 1.0])
    return Rejected(f"Parquet: {name}", data, [(2, "sku", value, reason)], file=FILE)


def d(*texts: str, scale: int = 2) -> pa.Array:
    """Decimals."""
    return pa.array([Decimal(text) for text in texts], pa.decimal128(18, scale))


REFUSED = [
    refused("cut off", GOOD[:-20], "truncated"),
    refused("a damaged directory", GOOD[:-40] + b"\xff" * 32 + GOOD[-8:], "bad_parquet"),
    refused("no rows", parquet(HEAD, pa.array([], pa.string()), pa.array([], pa.string()),
            pa.array([], pa.float64())), "header_only"),
    refused("two columns of one name", parquet(("sku", "price", "price"), ["A"], [1.0], [2.0]),
            "duplicate_header", "'price'"),
    refused("two columns for one name", parquet(("sku", "on hand", "stock", "price"), ["A"], [1],
            [2], [1.0]), "ambiguous_columns", "'on hand'"),
    refused("a nested price", parquet(("sku", "price"), ["A"], [{"amount": 1.0}]), "nested_column",
            "price.amount"),
    refused("no price", parquet(("sku", "colour"), ["A"], ["red"]), "no_price_column", "'colour'"),
    refused("bytes that are no text", parquet(HEAD, ["A"], pa.array([b"\xff\xfe"]), [1.0]),
            "undecodable", "row 1"),
    refused("a value of 2 MB", parquet(HEAD, ["A"], ["x" * 2**21], [1.0]), "value_too_long",
            "'name'"),
    refused("2,100 columns", parquet([f"n{i}" for i in range(2100)], *[[1]] * 2100), "too_wide",
            "2100"),
    refused("SKUs that are dates", parquet(HEAD, [date(2026, 5, 3)], ["a"], [1.0]),
            "nothing_accepted"),
    refused("every SKU a float", parquet(HEAD, [1.0], ["a"], [1.0]), "nothing_accepted"),
    Refused("Parquet: encrypted", b"PARE" + bytes(30) + b"PARE", "unknown_format", "encrypted",
            file=FILE),
]  # fmt: skip

REJECTED = [
    price("a price that is no number", [5.0, float("nan")], "nan", "not_a_number"),
    price("a price without end", [5.0, float("inf")], "inf", "not_a_number"),
    price("a negative price", [5.0, -1.5], "-1.5", "negative_price"),
    price("a price of zero", d("5", "0"), "0.00", "zero_price"),
    price("too many decimals", d("5.000", "1.999", scale=3), "1.999", "too_many_decimals"),
    price("a float's noise", [5.0, 0.1 + 0.2], "0.30000000000000004", "too_many_decimals"),
    price("a product without price", [5.0, None], "", "missing_price"),
    price("an absurd price", pa.array([5, 10**15]), "1000000000000000", "absurd_price"),
    sku("no SKU", ["G1", None], "", "missing_sku"),
    sku("a SKU with a NUL", ["G1", "B\0"], r"B\x00", "control_character"),
]  # fmt: skip
