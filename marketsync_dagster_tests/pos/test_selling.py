"""Tables that say in a column of their own that a price is not that of one piece, with tax, now."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.values.errors import ExtractError


@dataclass(frozen=True)
class Goods:
    """The cells under one header: SKUs `S0`, `S1`... that are read, and what is rejected."""

    header: str
    cells: list[str]
    accepted: list[str]
    rejects: list[tuple[str, str]] = field(default_factory=list)
    """Value and reason."""
    size: str = ""


WEIGHED = "sold_by_weight"
CASES = [
    Goods("Sold by weight", ["N", "Y", ""], ["S0", "S2"], [("Y", WEIGHED)]),
    Goods("Weighed (Y/N)", ["Y", "N"], ["S1"], [("Y", WEIGHED)]),
    Goods("ISSCALE", ["false", "true"], ["S0"], [("true", WEIGHED)]),
    Goods("Vendido por peso", ["No", "Sí"], ["S0"], [("Sí", WEIGHED)]),
    Goods("Vendu au poids", ["oui", "non"], ["S1"], [("oui", WEIGHED)]),
    Goods("Waagenartikel", ["ja", "nein"], ["S1"], [("ja", WEIGHED)]),
    Goods("Tartılı", ["Evet", "Hayır"], ["S1"], [("Evet", WEIGHED)]),
    Goods("يباع بالوزن", ["نعم", "لا"], ["S1"], [("نعم", WEIGHED)]),
    Goods("שקיל", ["כן", "לא"], ["S1"], [("כן", WEIGHED)]),
    Goods("Na vagu", ["da", "ne"], ["S1"], [("da", WEIGHED)]),
    Goods("bIsWeighted", ["0", "1"], ["S0"], [("1", WEIGHED)]),
    Goods("Weighed", ["maybe", "pcs", "kg", "-1"], ["S1"],
          [("maybe", "bad_flag"), ("-1", "bad_flag"), ("kg", WEIGHED)]),
    Goods("Unit", ["pcs", "kg", "Lb", "Nos", "", "Grams"], ["S0", "S3", "S4"],
          [("kg", WEIGHED), ("Lb", WEIGHED), ("Grams", WEIGHED)]),
    Goods("Einheit", ["100 g", "1kg", "/kg", "500 g", "Stück", "100"], ["S3", "S4", "S5"],
          [("100 g", WEIGHED), ("1kg", WEIGHED), ("/kg", WEIGHED)]),
    Goods("birim", ["adet", "kg"], ["S0"], [("kg", WEIGHED)]),
    Goods("Tipo de Venta", ["UNIDAD", "GRANEL"], ["S0"], [("GRANEL", WEIGHED)]),
    Goods("stock_uom", ["Kg", "Box"], ["S1"], [("Kg", WEIGHED)]),
    Goods("Unit", ["g", "ml"], ["S0", "S1"], size="500"),
    Goods("Unit", ["kg", "pcs"], ["S1"], [("kg", WEIGHED)], size="1.00 kg"),
    Goods("Price Type", ["Fixed", "Variable", "Per Unit", "Other"], ["S0", "S3"],
          [("Variable", "variable_price"), ("Per Unit", WEIGHED)]),
    Goods("Pricing Strategy", ["Base Price", "Open Price"], ["S0"],
          [("Open Price", "variable_price")]),
    Goods("Price includes VAT", ["Yes", "No", ""], ["S0", "S2"], [("No", "net_price")]),
    Goods("IsTaxInclusivePrice", ["1", "0"], ["S0"], [("0", "net_price")]),
]  # fmt: skip


def read(header: str, cells: list[str], size: str = "", **spec: Any) -> Extract:
    rows = "".join(f"S{i};1.99;{size};{cell}\n" for i, cell in enumerate(cells))
    data = f"sku;price;size;{header}\n{rows}".encode()
    return read_extract(data, ExtractSpec(currency="EUR", **spec), file="till.csv")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.header} {case.size}")
def test_what_is_not_the_price_of_one_piece_with_tax_is_rejected(case: Goods) -> None:
    extract = read(case.header, case.cells, case.size)
    assert extract.frame["sku"].tolist() == case.accepted
    rejects = zip(extract.rejects["value"], extract.rejects["reason"], strict=True)
    assert sorted(rejects) == sorted(case.rejects)
    assert extract.rejects["line"].min() >= 2 if case.rejects else extract.rejected == 0


@pytest.mark.parametrize("header", ["Sold by weight", "Unit", "Price Type"])
def test_weighed_goods_are_taken_where_the_configuration_says_so(header: str) -> None:
    cells = {"Sold by weight": ["Y"], "Unit": ["kg"], "Price Type": ["Per Unit"]}[header]
    assert read(header, cells, weighed="accept").frame["sku"].tolist() == ["S0"]


def test_a_configured_unit_is_believed_as_well() -> None:
    columns = {"sku": "sku", "price": "price", "unit": "Unit"}
    extract = read("Unit", ["kg", "pc"], columns=columns)
    assert extract.rejects["reason"].tolist() == ["sold_by_weight"]
    assert extract.frame["unit"].tolist() == ["pc"]
    extract = read("Unit", ["kg"], columns=columns, weighed="accept")
    assert extract.frame["unit"].tolist() == ["kg"]


@pytest.mark.parametrize(("header", "cells"), [
    ("Discontinued", ["Yes", "No", ""]), ("Hidden", ["1", "0", "0"]),
    ("Blocked", ["true", "false", ""]), ("Inactif", ["oui", "non", ""]),
])  # fmt: skip
def test_what_is_hidden_is_not_sold(header: str, cells: list[str]) -> None:
    assert read(header, cells).frame["active"].tolist() == [False, True, True]


def test_a_promotion_has_both_ends_of_its_time_in_one_cell() -> None:
    window = "2031-01-01T00:00+0300/2031-02-01T00:00+0300"
    data = (
        "id\tprice\tsale price\tsale price effective date\n"
        f"A\t9.00\t5.00\t{window}\nB\t9.00\t5.00\t\nC\t9.00\t5.00\tsoon\nD\t9.00\t\tsoon\n"
    )
    extract = read_extract(data.encode(), ExtractSpec(currency="EUR"), file="feed.tsv")
    frame = extract.frame.astype(object)
    found = frame.where(frame.notna(), None)
    assert found["sku"].tolist() == ["A", "B", "D"]
    assert found["promo_from"].tolist() == ["2030-12-31T21:00:00.000Z", None, None]
    assert found["promo_to"].tolist() == ["2031-01-31T21:00:00.000Z", None, None]
    assert extract.rejects[["line", "value", "reason"]].values.tolist() == [
        [4, "soon", "bad_promo_window"]
    ]


def test_an_interface_that_writes_cents_is_refused() -> None:
    item = {"sku": "A", "price": 450, "priceType": "FIXED", "defaultTaxRates": True}
    with pytest.raises(ExtractError) as caught:
        read_extract(json.dumps({"elements": [item]}).encode(), ExtractSpec(), file="items.json")
    assert caught.value.code == "minor_units"


@pytest.mark.parametrize("header", ["PREIS_CENT", "price_money.amount", "Price (cents)"])
def test_a_header_that_names_cents_is_no_price_even_if_it_is_configured(header: str) -> None:
    columns = {"sku": "sku", "price": header}
    with pytest.raises(ExtractError) as caught:
        read(header, ["199"], columns=columns)
    assert caught.value.code == "minor_units"
    assert repr(header) in caught.value.message


@pytest.mark.parametrize("header", ["Price (wholesale)", "Price (case of 6)", "Price [old]"])
def test_what_brackets_say_of_a_price_is_no_outlet(header: str) -> None:
    data = f"sku;{header}\nA;5.00\n".encode()
    with pytest.raises(ExtractError) as caught:
        read_extract(data, ExtractSpec(), file="till.csv")
    assert caught.value.code == "no_price_column"
    assert repr(header) in caught.value.message


def test_a_price_in_round_brackets_is_an_outlets_where_its_keys_say_so() -> None:
    data = b"sku;Price (Main Street);Active (0/1)\nA;5.00;0\n"
    extract = read_extract(data, ExtractSpec(keys=("Main Street",)), file="till.csv")
    assert extract.frame[["price_minor", "active"]].values.tolist() == [[500, False]]
