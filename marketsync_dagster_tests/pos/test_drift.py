"""What changed in an extract is told in words; an ordinary day tells nothing."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from marketsync_dagster.pos import check
from marketsync_dagster.pos.drift import MAX_CHANGES, drift
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.profile import (
    MAX_COLUMNS,
    MAX_HEADERS,
    SAMPLE,
    SKETCH,
    Profile,
    Profiler,
    from_json,
    hash_of,
)

Rows = list[dict[str, str]]
USED = {
    "sku": "Code",
    "name": "Item",
    "barcode": "EAN",
    "category": "Group",
    "price": "Price",
    "cost": "Cost",
    "stock": "Qty",
}


def gtin(number: int) -> str:
    """13 digits with their check digit."""
    digits = f"{600_000_000_000 + number}"
    total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def till(day: int = 0, count: int = 600) -> Rows:
    """An extract of one day: a few products come and go, a few prices move."""
    made = random.Random(5)
    rows: Rows = []
    for number in range(count):
        price = made.randrange(500, 50_000)
        moved = price + (price // 10 if (number + day) % 50 == 0 else 0)
        rows.append(
            {
                "sku": f"{number * 7919 % 100_000:08}" if number % 10 else f"{4_000_000 + number}9",
                "name": f"Product {number} of the shop",
                "barcode": gtin(number * 31),
                "category": ("FOOD", "DRINKS", "HOME")[number % 3],
                "price": f"{moved / 100:.2f}",
                "cost": f"{price * 0.7 / 100:.2f}",
                "stock": str((number * 13 + day * 7) % 60),
            }
        )
    return [row for number, row in enumerate(rows) if (number + day) % 40]


def profile(
    rows: Rows,
    used: dict[str, str] | None = None,
    headers: list[str] | None = None,
    **facts: str,
) -> Profile:
    """The profile of `rows`, as if they had been read from a file."""
    used = USED if used is None else used
    texts = {name: pa.array([row[name] for row in rows], pa.string()) for name in used}
    told = {"encoding": "utf-8", "delimiter": ",", "coverage": "full"} | facts
    profiler = Profiler()
    profiler.add(texts)
    return profiler.profile(headers or list(used.values()), used, **told)


def each(**made: Callable[[dict[str, str]], str]) -> Callable[[Rows], Rows]:
    """Rows in which some columns are made anew from each row."""
    return lambda rows: [row | {name: of(row) for name, of in made.items()} for row in rows]


CASES: list[tuple[str, Callable[[Rows], Rows], set[tuple[str, str]], str]] = [
    (
        "price and cost",
        each(price=lambda row: row["cost"], cost=lambda row: row["price"]),
        {("columns_exchanged", "Price / Cost")},
        "'Price' and 'Cost' look exchanged (price and cost): the medians are",
    ),
    (
        "name and category",
        each(name=lambda row: row["category"], category=lambda row: row["name"]),
        {("columns_exchanged", "Item / Group")},
        "look exchanged (name and category)",
    ),
    (
        "stock as text",
        each(stock=lambda row: "in stock" if int(row["stock"]) else "sold out"),
        {("became_text", "Qty")},
        "'Qty' held figures, it holds words now",
    ),
    (
        "a category of figures",
        each(category=lambda row: str(len(row["category"]))),
        {("became_figures", "Group")},
        "'Group' held words, it holds figures now",
    ),
    (
        "zeros lost",
        each(sku=lambda row: row["sku"].lstrip("0")),
        {("zeros_lost", "Code"), ("length_changed", "Code")},
        "begins with a zero any more, 92% did",
    ),
    (
        "decimal commas",
        each(price=lambda row: row["price"].replace(".", ",")),
        {("decimals_changed", "Price")},
        "'Price' is written with decimal commas, it was with decimal points",
    ),
    (
        "cents for shillings",
        each(price=lambda row: row["price"].replace(".", "").lstrip("0")),
        {("median_moved", "Price")},
        "(x1",
    ),
    (
        "all out of stock",
        each(stock=lambda _: "0"),
        {("became_constant", "Qty")},
        "'Qty' has the same value in all rows; it had 60 different ones",
    ),
    (
        "no barcodes in it",
        each(barcode=lambda _: ""),
        {("fill_changed", "EAN")},
        "'EAN' is filled in 0% of the rows, it was in 100%",
    ),
    (
        "internal codes for barcodes",
        each(barcode=lambda row: f"INT-{row['barcode'][5:]}"),
        {("barcodes_lost", "EAN"), ("became_text", "EAN")},
        "0% of 'EAN' are barcodes with a right check digit, 100% were",
    ),
    (
        "another shop",
        each(sku=lambda row: f"{int(row['sku']) + 77_000_000:08}"),
        {("other_products", "Code"), ("zeros_lost", "Code"), ("length_changed", "Code")},
        "about 0% of all SKUs are in both extracts",
    ),
]


@pytest.mark.parametrize(
    ("what", "made", "expected", "words"), CASES, ids=[case[0] for case in CASES]
)
def test_a_column_that_means_something_else_is_told(
    what: str, made: Callable[[Rows], Rows], expected: set[tuple[str, str]], words: str
) -> None:
    found = drift(profile(till()), profile(made(till(1))))
    told = {(change.change, change.column) for change in found}
    assert expected <= told, what
    assert told <= expected | {("median_moved", "Qty"), ("length_changed", "EAN")}, found
    assert any(words in change.words for change in found), found


def test_ordinary_days_tell_nothing() -> None:
    first = profile(till())
    for day in range(1, 15):
        assert drift(first, profile(till(day))) == [], day
    assert drift(first, profile(till(3)[:40])) == []
    assert drift(profile(till()[:5]), profile(till(2))) == []
    other_way_round = each(price=lambda row: row["cost"], cost=lambda row: row["price"])
    assert drift(profile(till()[:5]), profile(other_way_round(till()[:5]))) == []


def test_columns_that_appear_vanish_or_are_renamed_are_named() -> None:
    before = profile(till(), headers=[*USED.values(), "Shelf"])
    other = USED | {"price": "Retail"}
    without = {name: header for name, header in other.items() if name != "stock"}
    now = profile(till(1), without, headers=[*without.values(), "Colour"])
    assert [(change.change, change.column, change.words) for change in drift(before, now)] == [
        ("column_renamed", "Retail", "price is read from 'Retail', it was read from 'Price'"),
        ("column_vanished", "Qty", "the column 'Qty' has vanished: stock was read from it"),
        ("column_vanished", "Shelf", "the column 'Shelf' has vanished"),
        ("column_appeared", "Colour", "the column 'Colour' is new"),
    ]


def test_another_encoding_and_delimiter_are_told() -> None:
    now = profile(till(1), encoding="cp1252", delimiter="\t")
    assert [change.words for change in drift(profile(till()), now)] == [
        "the encoding is cp1252, it was utf-8",
        "the delimiter is '\\t', it was ','",
    ]


def test_a_delta_has_other_products_and_that_is_no_change() -> None:
    before = profile(till()[:200], coverage="delta")
    now = profile(till()[300:], coverage="delta")
    assert drift(before, now) == []
    full = replace(before, coverage="full"), replace(now, coverage="full")
    assert [change.change for change in drift(*full)] == ["other_products"]


def test_the_order_of_the_rows_and_their_blocks_do_not_matter() -> None:
    rows = till(count=4 * SAMPLE)
    shuffled = rows.copy()
    random.Random(3).shuffle(shuffled)
    whole = profile(rows)
    assert (whole.rows, whole.records) == (SAMPLE, len(rows))
    assert profile(shuffled) == whole
    blocks = Profiler()
    for start in range(0, len(shuffled), 777):
        part = shuffled[start : start + 777]
        blocks.add({name: pa.array([row[name] for row in part]) for name in USED})
    facts = {"encoding": "utf-8", "delimiter": ",", "coverage": "full"}
    assert blocks.profile(list(USED.values()), USED, **facts) == whole


def test_a_profile_comes_back_from_json_and_another_version_is_none() -> None:
    whole = profile(till())
    text = json.dumps(whole.as_json())
    assert from_json(json.loads(text)) == whole
    assert len(text) < 8_000
    assert from_json(json.loads(text) | {"version": 0}) is None
    assert from_json(None) is None


def test_a_profile_is_small_however_wide_and_long_the_file_is() -> None:
    names = {f"option{number}": str(number) + "H" * 5_000 for number in range(3 * MAX_COLUMNS)}
    used = {"sku": "Code"} | names
    row = dict.fromkeys(names, "v" * 1_000)
    rows = [row | {"sku": f"{'S' * 190}{number}"} for number in range(30)]
    wide = profile(rows, used, headers=list(used.values()) * 10)
    assert (len(wide.columns), len(wide.headers)) == (MAX_COLUMNS, MAX_HEADERS)
    assert len(json.dumps(wide.as_json())) < 250_000
    other = profile(rows, {name: header[::-1] for name, header in used.items()})
    found = drift(wide, replace(other, columns={"sku": other.columns["sku"]}))
    assert len(found) == MAX_CHANGES
    assert "more differences" in found[-1].words
    array = pa.array([f"9{number:0199}" for number in range(60_000)])
    tracemalloc.start()
    profiler = Profiler()
    profiler.add({"sku": array})
    assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    tracemalloc.stop()


def test_hashes_of_skus_differ_and_are_the_same_in_every_slice() -> None:
    skus = pa.array([f"{number:06}" for number in range(100_000)] + ["", "A", "a", "é"])
    hashes = hash_of(skus)
    assert len(np.unique(hashes)) == len(skus)
    assert hash_of(skus.slice(50_000, 10)).tolist() == hashes[50_000:50_010].tolist()
    assert int(hashes.argmax()) == 100_000
    smallest = np.sort(hashes)[:SKETCH]
    assert smallest.max() < 2**53 / 100_000 * SKETCH * 2


@pytest.mark.parametrize(
    ("cells", "kinds", "numbers"),
    [
        (["12", "7", "9"], {"whole": 1.0}, ("9", "7", "12")),
        (["1.50", "2.25"], {"point": 1.0}, ("1.5", "1.5", "2.25")),
        (["1,50", "2,25", "3"], {"comma": 0.6667, "whole": 0.3333}, ("2.25", "1.5", "3")),
        (["1,234.50", "1.234,50"], {"grouped": 1.0}, ("1234.5", "1234.5", "1234.5")),
        (["1\u00a0299,90"], {"grouped": 1.0}, ("1299.9",) * 3),
        (["KES 1,600", "KSh. 20/="], {"marked": 1.0}, ("20", "20", "1600")),
        (["0.30 kg", "€3.15"], {"marked": 1.0}, ("0.3", "0.3", "3.15")),
        (["-5", "+4"], {"whole": 1.0}, ("-5", "-5", "4")),
        (["variable", "12"], {"text": 0.5, "whole": 0.5}, ("12", "12", "12")),
        (["in stock", "#"], {"text": 0.5, "other": 0.5}, (None, None, None)),
        (["2026-11-20", "11:40"], {"other": 1.0}, (None, None, None)),
    ],
)
def test_cells_are_told_by_kind(
    cells: list[str], kinds: dict[str, float], numbers: tuple[str | None, ...]
) -> None:
    rows = [{"sku": str(number), "price": cell} for number, cell in enumerate(cells)]
    column = profile(rows, {"sku": "Code", "price": "Price"}).columns["price"]
    assert dict(column.kinds) == kinds
    assert (column.median, column.least, column.most) == numbers


def test_two_files_are_compared_with_each_other(tmp_path: Path) -> None:
    header = "Product Code,Item Name,Selling Price,Cost Price\n"
    for name, one, other in (("a.csv", "price", "cost"), ("b.csv", "cost", "price")):
        lines = [f"{row['sku']},{row['name']},{row[one]},{row[other]}\n" for row in till()]
        (tmp_path / name).write_text(header + "".join(lines))
    first, second = (
        part.extract
        for name in ("a.csv", "b.csv")
        for part in check.read(tmp_path / name, ExtractSpec())
    )
    assert first is not None
    assert second is not None
    (change,) = check.against(second, first)
    assert (change["change"], change["column"]) == (
        "columns_exchanged",
        "Selling Price / Cost Price",
    )
    assert check.against(first, first) == []
