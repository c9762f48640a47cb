"""Exports change the order of their columns and grow new ones: nothing depends on either."""

from __future__ import annotations

import csv
import io
import random

import pandas as pd
import pytest

from marketsync_dagster_tests.pos.presets.exports import EXAMPLES, counts, read


@pytest.mark.parametrize(
    ("preset", "file", "keys"),
    [
        ("feed", "feed.csv", ()),
        ("loyverse", "items.csv", "Hill Street"),
        ("square", "items.csv", "Main Street"),
        ("lightspeed", "products.csv", "Airport Shop"),
        ("shopify", "products_export.csv", ()),
        ("shopify", "products_export.csv", "International"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_an_export_is_read_the_same_in_any_order(
    preset: str, file: str, keys: str, seed: int
) -> None:
    path = EXAMPLES / preset / file
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    rows = [[*cells, cells[0], "7.77"] for cells in rows]
    rows[0][-2:] = ["Shelf", "Loyalty points"]
    order = random.Random(seed).sample(range(len(rows[0])), len(rows[0]))
    stream = io.StringIO()
    csv.writer(stream).writerows([cells[place] for place in order] for cells in rows)
    expected = read(preset, path, file, keys=keys)
    found = read(preset, stream.getvalue().encode(), file, keys=keys)
    assert counts(found) == counts(expected)
    assert {"Shelf", "Loyalty points"} <= set(found.ignored)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    pd.testing.assert_frame_equal(found.rejects, expected.rejects)


@pytest.mark.parametrize("preset", ["feed", "loyverse", "square", "lightspeed", "shopify"])
def test_auto_knows_an_example_and_says_so(preset: str) -> None:
    (path, *_) = sorted((EXAMPLES / preset).glob("*.csv"), reverse=True)
    keys = {"loyverse": "Lake Road", "square": "Main Street", "lightspeed": "Main Outlet"}
    named = read(preset, path, path.name, keys=keys.get(preset, ()))
    found = read("auto", path, path.name, keys=keys.get(preset, ()))
    assert any(preset in words for words in found.warnings)
    pd.testing.assert_frame_equal(found.frame, named.frame)
