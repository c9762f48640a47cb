"""The plain feed, and the words for stock that feeds use."""

from __future__ import annotations

import pytest

from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import (
    EXAMPLES,
    counts,
    read,
    rejected,
    shown,
    written,
)


def test_the_example_is_read_as_its_words_say() -> None:
    extract = read("feed", EXAMPLES / "feed" / "feed.csv")
    columns = ("sku", "price_minor", "promo_price_minor", "stock_status")
    assert shown(extract, *columns) == [
        ("00017", 18900, None, "in_stock"),
        ("00018", 21500, 19900, "limited_stock"),
        ("00023", 31000, None, "out_of_stock"),
        ("00024", 54000, None, "out_of_stock"),
        ("00031", 125000, None, "in_stock"),
    ]
    assert rejected(extract) == [
        (7, "selling_price", "", "missing_price"),
        (8, "stock_status", "ask Amina", "bad_stock_status"),
    ]
    assert counts(extract) == (7, 5, 2, 0, 0)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            "in_stock",
            "in_stock, instock, unlimited, disponible, en stock, auf Lager, stokta, متوفر",
        ),
        ("limited_stock", "low_stock, lowstock, limited_stock"),
        (
            "out_of_stock",
            (
                "out_of_stock, onbackorder, backorder, preorder, agotado, rupture, ausverkauft, "
                "tükendi, נגמר, אזל"
            ),
        ),
    ],
)
def test_words_for_stock_are_known_in_several_languages(status: str, words: str) -> None:
    said = words.split(", ")
    rows = [
        {"sku": f"{row:03}", "selling_price": "5.00", "stock_status": word}
        for row, word in enumerate(said)
    ]
    extract = read("feed", written(rows))
    assert [found for (found,) in shown(extract, "stock_status")] == [status] * len(said)


def test_columns_are_found_by_name_in_any_order_and_others_are_left_alone() -> None:
    rows = [{"note": "9", "Stock_Status": "low", "id": "7", "SELLING_PRICE": "2.50", "Sku": "A1",
             "price": "99", "outlet": "North"}]  # fmt: skip
    extract = read("feed", written(rows), keys="north")
    assert shown(extract, "sku", "price_minor", "stock_status") == [("A1", 250, "limited_stock")]
    assert set(extract.ignored) == {"note", "id", "price"}


@pytest.mark.parametrize("lacking", ["sku", "selling_price"])
def test_a_file_without_its_columns_is_refused_by_name(lacking: str) -> None:
    row = {"sku": "A1", "selling_price": "2.50", "stock_status": "low", "price": "1"}
    row.pop(lacking)
    with pytest.raises(ExtractError, match=lacking) as refused:
        read("feed", written([row]))
    assert refused.value.code == "unknown_layout"


def test_only_the_rows_of_the_outlet_are_read() -> None:
    rows = [
        {"outlet": "North", "sku": "A1", "selling_price": "2.50"},
        {"outlet": "South", "sku": "A1", "selling_price": "2.70"},
    ]
    assert shown(read("feed", written(rows), keys="South"), "sku", "price_minor") == [("A1", 270)]
    with pytest.raises(ExtractError) as refused:
        read("feed", written(rows))
    assert refused.value.code == "many_outlets"


def test_outlets_that_differ_only_in_leading_zeros_stay_apart() -> None:
    rows = [
        {"outlet": "028", "sku": "A1", "selling_price": "2.50"},
        {"outlet": "28", "sku": "A1", "selling_price": "2.70"},
    ]
    for keys, price in (("028", 250), ("28", 270)):
        extract = read("feed", written(rows), keys=keys)
        assert shown(extract, "sku", "price_minor") == [("A1", price)]
    with pytest.raises(ExtractError) as refused:
        read("feed", written(rows[:1]), keys="28")
    assert refused.value.code == "not_in_file"
