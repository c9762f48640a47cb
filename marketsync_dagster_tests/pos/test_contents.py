"""Columns whose cells say something else than their header."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract


@dataclass(frozen=True)
class Column:
    """The cells under one header, what is read of them, and words of the warning."""

    name: str
    header: str
    cells: list[str]
    frame: dict[str, list[Any]]
    says: str | None = None
    rejects: list[tuple[str, str]] = field(default_factory=list)
    more: str = ""
    """Another column, which says `more` in each row."""


SIZES = ["0.30 kg", "6x330 ml", "1,5 L"]
CASES = [
    Column("sizes under Quantity", "Quantity", SIZES, {"size": SIZES, "quantity": [None] * 3},
           "'Quantity' holds sizes such as '0.30 kg': read as the size, not as the stock"),
    Column("sizes under a Croatian quantity", "Količina", ["0.30 kg", "1 kom", "250 g"],
           {"size": ["0.30 kg", "1 kom", "250 g"], "quantity": [None] * 3}, "holds sizes"),
    Column("sizes in Hebrew and Arabic", "כמות", ["100 גרם", '1.5 ק"ג', "250 مل"],
           {"size": ["100 גרם", '1.5 ק"ג', "250 مل"], "quantity": [None] * 3}, "holds sizes"),
    Column("sizes beside a size", "Quantity", SIZES,
           {"size": ["small"] * 3, "quantity": [None] * 3},
           "not read as the stock; if it is, say so with `columns`", more="size"),
    Column("sizes in litres without a unit", "Quantity", ["0.5", "0,75", "1.5", "2.00"],
           {"size": [None] * 4, "quantity": [None] * 4}, "holds fractions such as '0.5'"),
    Column("fractions above one", "Quantity", ["1.5", "2.25", "3.00"], {"quantity": [None] * 3},
           "holds fractions such as '1.5'"),
    Column("units under Units", "Units", ["kg", "pcs", "ml"],
           {"unit": ["pcs"], "quantity": [None]}, "holds units such as 'kg'",
           rejects=[("kg", "sold_by_weight"), ("ml", "sold_by_weight")]),
    Column("one size among quantities", "Quantity", ["3", "0.30 kg", "5"], {"quantity": [3, 5]},
           rejects=[("0.30 kg", "bad_quantity")]),
    Column("fractions of some goods", "Quantity", ["3", "2.5", "5", "0.4", "7"],
           {"quantity": [3, 2, 5, 0, 7]}),
    Column("fractions under a sure word", "Stock", ["2.5", "3.75"], {"quantity": [2, 3]}),
    Column("whole quantities with decimals", "Quantity", ["2.00", "3.0"], {"quantity": [2, 3]}),
    Column("thousands are no fractions", "Quantity", ["1,250", "3,000"],
           {"quantity": [1250, 3000]}),
    Column("sizes of which some are whole", "Quantity", ["0.25", "1.00", "2.00", "0.500", "1.000"],
           {"quantity": [None] * 5}, "holds fractions such as '0.25'"),
    Column("pieces are no size", "Stock", ["5", "3 pcs", "2"], {"quantity": [5, 2]},
           rejects=[("3 pcs", "bad_quantity")]),
    Column("words under Stock", "Stock", ["In stock", "Sold out", "", "En stock"],
           {"stock_status": ["in_stock", "out_of_stock", None, "in_stock"], "quantity": [None] * 4},
           "read as the stock status, not as the stock"),
    Column("words beside a status", "Stock", ["In stock", "Sold out"],
           {"stock_status": ["in_stock"] * 2, "quantity": [None] * 2},
           "not read as the stock", more="Availability"),
    Column("numbers under In stock", "In stock", ["25", "0", "1", "-3", ""],
           {"quantity": [25, 0, 1, -3, None], "stock_status": [None] * 5},
           "'In stock' holds numbers such as '25': read as the stock, not as the stock status"),
    Column("noughts and ones under In stock", "In stock", ["1", "0", "1"],
           {"stock_status": ["in_stock", "out_of_stock", "in_stock"], "quantity": [None] * 3}),
    Column("a wrong number among noughts and ones", "In stock", ["1", "0"] * 60 + ["7"],
           {"stock_status": ["in_stock", "out_of_stock"] * 60},
           rejects=[("7", "bad_stock_status")]),
    Column("numbers beside a stock", "Available", ["25", "3"],
           {"quantity": [9, 9], "stock_status": [None] * 2},
           "not read as the stock status", more="Stock"),
    Column("stock words under Status", "Status", ["In stock", "Out of stock"],
           {"stock_status": ["in_stock", "out_of_stock"], "active": [True, True]},
           "read as the stock status, not as whether the product is sold"),
    Column("active words under Status", "Status", ["active", "draft", ""],
           {"active": [True, False, True], "stock_status": [None] * 3}),
    Column("yes and no under Status", "Estado", ["Sí", "No"], {"active": [True, False]}),
    Column("stock words under Active", "Active", ["yes", "sold out", "agotado"], {"active": [True]},
           rejects=[("sold out", "bad_active"), ("agotado", "bad_active")]),
    Column("yes and no under Promo", "Promo", ["Yes", "No", ""], {"promo_price_minor": [None] * 3},
           "holds words such as 'Yes': not read as the promotional price"),
    Column("noughts and ones under a promotion", "Akcija", ["0", "1", "0"],
           {"promo_price_minor": [None] * 3}, "holds words such as '1'"),
    Column("percentages under Promo", "Promo", ["10", "", "20"], {"promo_price_minor": [None] * 3},
           "holds numbers far from the price such as '10'"),
    Column("small numbers under Promo", "Promo", ["0.10", "0,15"],
           {"promo_price_minor": [None] * 2}, "holds numbers far from the price such as '0.10'"),
    Column("prices under Promo", "Promo", ["1.49", "", "0.00", "1", "1.75"],
           {"promo_price_minor": [149, None, None, 100, 175]}),
    Column("noughts alone under Promo", "Promo", ["0", "0"], {"promo_price_minor": [None] * 2}),
    Column("a promo price says that it is one", "Promo price", ["1", "1.5"],
           {"promo_price_minor": [100, 150]}),
    Column("blank cells", "Quantity", ["", "NULL"], {"quantity": [None] * 2}),
]  # fmt: skip
MORE = {"size": "small", "Availability": "yes", "Stock": "9", "": ""}


def read(header: str, cells: list[str], more: str = "", **spec: Any) -> Extract:
    """A file with a column of these cells; prices of two decimals, so commas are no mystery."""
    quoted = [cell.replace('"', '""') for cell in cells]
    rows = "".join(
        f'S{i};1.99;"{cell}";{MORE.get(more, "")}\n' for i, cell in enumerate(quoted)
    )  # fmt: skip
    data = f"sku;price;{header};{more}\n{rows}".encode()
    return read_extract(data, ExtractSpec(currency="EUR", **spec), file="till.csv")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_column_is_read_as_what_its_cells_are(case: Column) -> None:
    extract = read(case.header, case.cells, case.more)
    for name, expected in case.frame.items():
        values = extract.frame[name].astype(object)
        assert values.where(values.notna(), None).tolist() == expected, name
    rejects = zip(extract.rejects["value"], extract.rejects["reason"], strict=True)
    assert list(rejects) == case.rejects
    moved = [warning for warning in extract.warnings if case.header in warning]
    if case.says is None:
        assert moved == []
    else:
        assert len(moved) == 1
        assert case.says in moved[0]


def test_what_a_column_became_is_told_and_what_is_not_read_is_listed() -> None:
    became = read("Quantity", SIZES)
    assert became.columns["size"] == "Quantity"
    assert "stock" not in became.columns
    assert became.ignored == []
    unread = read("Quantity", SIZES, "size")
    assert unread.ignored == ["Quantity"]
    assert unread.columns == {"sku": "sku", "price": "price", "size": "size"}


def test_a_configured_column_is_what_the_configuration_says() -> None:
    columns = {"sku": "sku", "price": "price", "stock": "Quantity"}
    extract = read("Quantity", ["0.5", "1.5", "2.5"], columns=columns)
    assert extract.frame["quantity"].tolist() == [0, 1, 2]
    extract = read("Quantity", ["5", *SIZES], columns=columns)
    assert extract.rejects["reason"].tolist() == ["bad_quantity"] * 3


def test_values_are_understood_in_the_language_of_the_shop() -> None:
    data = (
        "Artikelnummer;Preis;Lagerstatus;Aktiv\nA;1,99;auf Lager;Ja\nB;1,99;Ausverkauft;Nein\n"
        "C;1,99;nur noch wenige;ja\n"
    )
    extract = read_extract(data.encode(), ExtractSpec(currency="EUR"), file="till.csv")
    assert extract.frame["stock_status"].tolist() == ["in_stock", "out_of_stock", "limited_stock"]
    assert extract.frame["active"].tolist() == [True, False, True]
