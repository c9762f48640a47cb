"""The example extracts are what examples/SOURCES.md says, and the report of check-extract."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from marketsync_dagster.pos.check import read, report
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.values.errors import ExtractError

EXTRACTS = Path(__file__).parents[2] / "examples" / "extracts"
PLANTED = {
    "damaged_sku": 2,
    "negative_price": 1,
    "not_priced": 1,
    "zero_price": 1,
    "missing_sku": 1,
    "too_many_decimals": 1,
    "other_currency": 1,
    "too_few_columns": 1,
    "missing_price": 1,
    "bad_quantity": 1,
    "contradicting_duplicate": 2,
}


@pytest.mark.parametrize(
    ("outlet", "encoding", "delimiter", "accepted"),
    [
        ("westlands", "utf-8", ",", 1217),
        ("kisumu", "utf-8-sig", "\t", 1275),
        ("mombasa", "cp1250", ";", 1273),
    ],
)
def test_an_example_extract_is_read_with_exactly_the_planted_rejects(
    outlet: str, encoding: str, delimiter: str, accepted: int
) -> None:
    (path,) = (EXTRACTS / outlet).glob("*.csv")
    extract = read_extract(path, ExtractSpec(weighed="accept"), file=path.name)
    assert Counter(extract.rejects["reason"]) == PLANTED
    assert (extract.encoding, extract.delimiter) == (encoding, delimiter)
    assert (extract.accepted, extract.rejected, extract.duplicates) == (accepted, 13, 1)
    notes = extract.frame["barcode_note"].dropna().tolist()
    assert notes == ["not a GTIN: check digit"] * 9
    blank = extract.frame["barcode"].isna().sum() - len(notes)
    assert blank > 10
    assert any(sku.startswith("0") for sku in extract.frame["sku"])


def test_croatian_letters_survive_windows_1250() -> None:
    (path,) = (EXTRACTS / "mombasa").glob("*.csv")
    extract = read_extract(path, ExtractSpec(), file=path.name)
    letters = set("".join(extract.frame["name"]))
    assert set("ŠĐČĆŽ") <= letters
    assert not letters & set("ÈÆÐ\x8a\x8e")


def test_the_report_of_a_file_has_exactly_its_keys_and_is_json(tmp_path: Path) -> None:
    path = tmp_path / "till.csv"
    path.write_text("ProductId,Price\n001,5.00\n002,x\n003\n001,5\n")
    spec = ExtractSpec(columns={"sku": "ProductId", "price": "Price"})
    found = json.loads(json.dumps(report(read(path, spec))))
    assert {name: found[name] for name in list(found)[:5]} == {
        "rows": 4,
        "accepted": 1,
        "rejected": 2,
        "duplicates": 1,
        "rejects": [
            {
                "file": "till.csv",
                "line": 3,
                "column": "Price",
                "value": "x",
                "reason": "bad_price",
                "next_step": "Not a price: correct it in the POS, or check the column mapping.",
            },
            {
                "file": "till.csv",
                "line": 4,
                "column": None,
                "value": "003",
                "reason": "too_few_columns",
                "next_step": "The line has fewer values than the header: complete it in the POS "
                "export.",
            },
        ],
    }


def test_a_file_of_which_nothing_can_be_used_still_has_a_report(tmp_path: Path) -> None:
    path = tmp_path / "till.csv"
    path.write_text("sku,price\nA,x\n")
    found = report(read(path, ExtractSpec()))
    assert (found["rows"], found["accepted"], len(found["rejects"])) == (1, 0, 1)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "absent.csv", "missing"), (tmp_path, "unreadable")):
        with pytest.raises(ExtractError) as caught:
            read(path, ExtractSpec())
        assert caught.value.code == code
