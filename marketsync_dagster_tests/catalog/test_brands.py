"""A brand is the file's own, or a declared one that the name begins with; never a guess."""

from __future__ import annotations

import pandas as pd
import pytest

from marketsync_dagster.catalog.brands import add_brands

DECLARED = ["Coca-Cola", "Coca-Cola  Zero", "Kapa", "5th Element", "Dr. Oetker", "Ülker", "K PLUS"]


def brands(names: list[str | None], given: list[str | None], declared: list[str]) -> list[object]:
    """The brand column after `add_brands`."""
    columns = {"name": pd.array(names, "str"), "brand": pd.array(given, "str")}
    column = add_brands(pd.DataFrame(columns), declared)["brand"]
    assert str(column.dtype) == "str"
    return column.astype(object).where(column.notna(), None).tolist()


@pytest.mark.parametrize(
    ("name", "brand"),
    [
        ("COCA-COLA 500ml", "Coca-Cola"),
        ("coca-cola  zero 330ml", "Coca-Cola Zero"),
        ("Coca-Cola", "Coca-Cola"),
        (" Kapa, Ketchup", "Kapa"),
        ("5TH ELEMENT IPA", "5th Element"),
        ("Dr. Oetker Puding", "Dr. Oetker"),
        ("ÜLKER Bisküvi", "Ülker"),
        ("Kapama Ketchup", None),
        ("Ketchup Kapa", None),
        ("K PLUSH TOY", None),
        ("Fanta 1L", None),
        (None, None),
        ("", None),
    ],
)
def test_a_name_gives_the_declared_brand_that_it_begins_with(
    name: str | None, brand: str | None
) -> None:
    assert brands([name], [None], DECLARED) == [brand]


def test_a_brand_of_the_file_is_never_replaced() -> None:
    assert brands(["Kapa 1", "Kapa 2"], ["Other", None], DECLARED) == ["Other", "Kapa"]


def test_nothing_declared_nothing_found() -> None:
    assert brands(["Kapa 1"], [None], []) == [None]
    assert brands(["Kapa 1"], [None], ["", " "]) == [None]
