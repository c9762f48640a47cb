"""The maintained file of categories: strict to the line, and found whatever the till's spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.catalog.categories import CategoryRow, read_categories
from marketsync_dagster.values.errors import MappingError

HEADER = "category,code,logistic_class,leadtime_to_ship,state_code,description\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "categories.csv"


def test_a_row_says_its_code_and_what_offers_of_the_category_say(file: Path) -> None:
    text = "# ours,theirs\nCategory, CODE ,leadtime_to_ship,shelf\n\nSoft  Drinks,DRINKS,3,A\n"
    text += '"Tea, loose",TEA,,\n'
    file.write_text("\ufeff" + text)
    found = read_categories(file)
    assert list(found.rows.values()) == [
        CategoryRow("Soft  Drinks", "DRINKS", 4, {"leadtime_to_ship": 3}),
        CategoryRow("Tea, loose", "TEA", 5, {}),
    ]


def test_all_fields_of_an_offer_may_be_said(file: Path) -> None:
    file.write_text(
        "category,code,logistic_class,leadtime_to_ship,product_tax_code,state_code,"
        "min_quantity_alert,description\nTea,T,XL,0,20%,10,007,'k\n"
    )
    row = read_categories(file).of("Tea")
    assert row is not None
    assert row.fields == {
        "logistic_class": "XL", "leadtime_to_ship": 0, "product_tax_code": "20%",
        "state_code": "10", "min_quantity_alert": 7, "description": "'k",
    }  # fmt: skip


@pytest.mark.parametrize(
    "word", ["Piće", "PIĆE", " piće ", "p i ć e", "pic\u0301e", "PIC\u0301E", "Pi\u00a0će"]
)
def test_case_blanks_and_forms_of_letters_make_no_difference(file: Path, word: str) -> None:
    file.write_text("category,code\nPiće,DRINKS\n")
    row = read_categories(file).of(word)
    assert row is not None
    assert row.code == "DRINKS"


@pytest.mark.parametrize("word", ["Pice", "Pića", "", None, "Piće i hrana"])
def test_other_words_have_no_row(file: Path, word: str | None) -> None:
    file.write_text("category,code\nPiće,DRINKS\n")
    assert read_categories(file).of(word) is None


BAD = {
    "empty": ("", "the file has no header"),
    "no code": ("category,kode\nTea,T\n", ":1: missing column code"),
    "semicolons": ("category;code\nTea;T\n", ":1: missing column category and code"),
    "a column twice": ("category,code,code\n", ":1: column code is there twice"),
    "an empty category": (HEADER + ",T\n", ":2: category is empty"),
    "an empty code": (HEADER + "Tea, \n", ":2: code is empty"),
    "too few fields": (HEADER + "Tea\n", ":2: code is empty"),
    "too many fields": (HEADER + "Tea,T,,,,,x\n", ":2: expected 6 fields, got 7"),
    "twice": (HEADER + "Tea,T\n\ntEa ,T\n", ":4: category 'tEa' is there already, in line 2"),
    "no number": (HEADER + "Tea,T,,soon\n", ":2: leadtime_to_ship 'soon' is no whole number"),
    "a negative number": (HEADER + "Tea,T,,-1\n", ":2: leadtime_to_ship '-1' is no whole number"),
    "a decimal number": (HEADER + "Tea,T,,2.0\n", ":2: leadtime_to_ship '2.0' is no whole number"),
    "a damaged code": (HEADER + "Tea,1E+05\n", ":2: code '1E+05' was damaged by a spreadsheet"),
    "a control character": (HEADER + "Te\x07a,T\n", ":2: category 'Te\\x07a' contains control"),
    "not UTF-8": (HEADER.encode() + b"Pi\xe6e,T\n", ":2: byte 0xe6 is not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "says"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named_with_its_line(file: Path, content: str | bytes, says: str) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MappingError) as caught:
        read_categories(file)
    assert says in caught.value.message
    assert str(file) in caught.value.message


def test_all_that_is_wrong_is_said_at_once(file: Path) -> None:
    file.write_text(HEADER + ",T\nTea,\nOil,O\noil,P\n")
    with pytest.raises(MappingError) as caught:
        read_categories(file)
    lines = [line.removeprefix(f"{file}:")[:1] for line in caught.value.message.splitlines()]
    assert lines == ["2", "3", "5"]


def test_a_file_that_is_not_there_says_how_to_begin(file: Path) -> None:
    with pytest.raises(MappingError, match="does not exist") as caught:
        read_categories(file)
    assert "category,code" in caught.value.next_step
