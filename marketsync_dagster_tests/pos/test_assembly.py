"""Slices and documents of one extract: what proves what, and that no record is lost in between."""

from __future__ import annotations

import pytest

from marketsync_dagster.pos.assembly import Assembly
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster_tests.pos.corpus.builders import objects, zipped


def told(extract: Extract) -> list[tuple[str, str]]:
    """Value and reason of each reject."""
    return list(zip(extract.rejects["value"], extract.rejects["reason"], strict=True))


@pytest.mark.parametrize("size", [1, 2, 100])
def test_prices_of_later_slices_prove_how_earlier_and_later_ones_are_written(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("readers.building.ROWS", "parts.SLICE", "read.SLICE"):
        monkeypatch.setattr(f"marketsync_dagster.pos.{name}", size)
    written = ["5.50", "6.50", "1,234", "2,50", "2.345"]
    records = [{"sku": f"S{i}", "price": price} for i, price in enumerate(written)]
    extract = read_extract(objects(*records), ExtractSpec(), file="prices.json")
    assert extract.frame["price_minor"].tolist() == [550, 650, 250]
    assert told(extract) == [("1,234", "ambiguous_price"), ("2.345", "ambiguous_price")]


def test_how_one_document_writes_prices_proves_nothing_of_another() -> None:
    documents = {"a.csv": b"sku,price\nA,5.50\n", "b.csv": b'sku,price\nB,"1,234"\nC,7\n'}
    extract = read_extract(zipped(documents), ExtractSpec(), file="both.zip")
    assert extract.frame["sku"].tolist() == ["A", "C"]
    assert told(extract) == [("1,234", "ambiguous_price")]


def test_records_that_would_be_lost_stop_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Assembly, "_contradictions", lambda *_: None)
    words = r"3 records are not 1 accepted \+ 0 rejected \+ 0 duplicates"
    with pytest.raises(AssertionError, match=words):
        read_extract(b"sku,price\nA,1\nA,2\nB,3\n", ExtractSpec(), file="till.csv")
