"""What shape functions are made of, on text alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.texts import Texts


def texts(**columns: str) -> Texts:
    """Columns of one word per row, `.` being a blank; lines count from 2."""
    cells = {name: ["" if one == "." else one for one in said.split()] for name, said in
             columns.items()}  # fmt: skip
    rows = len(next(iter(cells.values())))
    return Texts(
        {name: pa.array(column, pa.string()) for name, column in cells.items()},
        np.arange(2, rows + 2),
        {name: name.upper() for name in cells},
    )


def said(found: Texts, name: str) -> str:
    return " ".join(cell or "." for cell in found.column(name).to_pylist())


def mask(rows: str) -> np.ndarray:
    return np.array([one == "1" for one in rows], bool)


@pytest.mark.parametrize(
    ("group", "cells", "inherited"),
    [
        ("a a b a b", "x . y . .", "x x y x y"),
        ("a a a", ". x y", "x x y"),
        ("a . .", "x . y", "x . y"),
        (". .", ". .", ". ."),
        ("a a b", ". . x", ". . x"),
    ],
)
def test_blank_cells_say_what_their_group_says(group: str, cells: str, inherited: str) -> None:
    assert said(shaping.inherit(texts(_g=group, name=cells), "_g", "name"), "name") == inherited


def test_nothing_is_inherited_where_there_is_no_column_or_no_row() -> None:
    some = texts(_g="a a")
    assert shaping.inherit(some, "_g", "name").columns.keys() == {"_g"}
    assert shaping.inherit(texts(name="x ."), "_g", "name").column("name")[1].as_py() == ""
    none = texts(_g="", name="")
    assert len(shaping.with_options(shaping.inherit(none, "_g", "name"), "_g")) == 0


def test_flags_are_yes_no_blank_or_rejected() -> None:
    some = texts(sku="1 2 3 4 5", _on="Y 0 . kg FALSE")
    assert shaping.yes(some, "_on").tolist() == [True, False, False, False, False]
    assert shaping.no(some, "_on").tolist() == [False, True, False, False, True]
    good = shaping.only_flags(some, "_on", "_absent")
    assert said(good, "sku") == "1 2 3 5"
    assert [(one.line, one.column, one.value, one.reason, one.sku) for one in good.faults] == [
        (5, "_on", "kg", "bad_flag", "4")
    ]
    assert not shaping.yes(some, "_absent").any()


def test_a_variant_is_named_by_its_options() -> None:
    some = texts(name="Mug Mug Mug .", _a="Red . Default Red", _b="L . . L")
    named = shaping.with_options(some, "_a", "_b", "_c", nothing=("default",))
    assert named.column("name").to_pylist() == ["Mug - Red / L", "Mug", "Mug", ""]


def test_a_quote_at_the_beginning_goes_once() -> None:
    some = texts(sku="'01 ''1 ' 2' 3", name="'x 'x 'x 'x 'x")
    found = shaping.without_quote(some, "sku", "barcode")
    assert said(found, "sku") == "01 '1 ' 2' 3"
    assert said(found, "name") == "'x 'x 'x 'x 'x"


def test_blank_cells_take_another_columns() -> None:
    some = shaping.otherwise(texts(price=". 2", _base="7 8"), "price", "_base")
    assert said(some, "price") == "7 2"
    assert said(shaping.otherwise(some, "stock", "_base"), "stock") == "7 8"
    assert shaping.otherwise(some, "price", "_absent") is some


def test_goods_by_weight_are_rejected_or_taken_with_their_unit() -> None:
    some = texts(sku="1 2 3", unit=". lb .", _w="Y Y N")
    refused = shaping.weighed(some, mask("110"), ExtractSpec(), "_w")
    assert (said(refused, "sku"), len(refused.faults)) == ("3", 2)
    taken = shaping.weighed(some, mask("110"), ExtractSpec(weighed="accept"), "_w")
    assert said(taken, "unit") == "kg lb ."


def test_only_rows_without_price_and_sku_of_their_own_are_parts() -> None:
    some = texts(sku="1 1 . 2 . 3", price="5 . . . 5 .", _part="9 9 9 9 9 .")
    found = shaping.without_parts(some, "_part")
    assert (said(found, "sku"), found.continued) == ("1 2 . 3", 2)


def test_reasons_reject_their_own_rows() -> None:
    some = texts(sku="1 2 3 4", _old="a b c d")
    faults = {0: "bad_price", 2: "negative_price", 3: "zero_price"}
    found = shaping.reject_faults(some, "_old", faults, ("zero_price",))
    assert said(found, "sku") == "2 4"
    assert {(one.line, one.value, one.reason) for one in found.faults} == {
        (2, "a", "bad_price"),
        (4, "c", "negative_price"),
    }


@pytest.mark.parametrize(("decimal", "known"), [(None, True), (".", False)])
def test_amounts_are_read_as_prices_are(decimal: str | None, known: bool) -> None:
    spec = ExtractSpec(decimal=decimal)  # pyright: ignore[reportArgumentType]
    read = shaping.amounts(texts(price="1,50 2", _old="2,50 3"), ("price", "_old"), spec)
    assert read["_old"].known.tolist() == [known, True]
    assert not known or read["_old"].minor.tolist() == [250, 300]
