"""One extract from slices and from several documents: the same, however it is put together."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pandas as pd
import pytest

from marketsync_dagster.pos import parts, spool
from marketsync_dagster.pos.documents import documents_of
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.others import Other, others_in
from marketsync_dagster.pos.read import read_document, read_extract
from marketsync_dagster.values.errors import ExtractError


def zipped(**files: str) -> bytes:
    """An archive of CSV files, by their names without ending."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return data.getvalue()


def read(data: bytes, file: str = "till.csv", **spec: Any) -> Extract:
    return read_extract(data, ExtractSpec(**spec), file=file)


def rejects(extract: Extract) -> list[tuple[str, int, str]]:
    columns = (extract.rejects[name] for name in ("file", "line", "reason"))
    return list(zip(*columns, strict=True))


ROWS = [f"{i:05d},Product {i},{i % 97 + 1}.{i % 100:02d},{i % 7}" for i in range(1, 3001)]


def table() -> bytes:
    """3,000 rows with faults, copies and contradictions that stand far apart; a sum at the end."""
    rows = list(ROWS)
    rows[10] = "00011,Product 11,abc,1"
    rows[2000] = rows[5]
    rows[2500] = "00008,Another,9.99,1"
    rows[2700] = "too,few"
    rows.append("Grand total: 2999 items,,1.00,")
    return ("sku,name,price,stock\n" + "\n".join(rows) + "\n").encode()


def test_a_file_that_is_read_in_slices_and_from_the_disk_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = read(table())
    monkeypatch.setattr(parts, "SLICE", 700)
    monkeypatch.setattr("marketsync_dagster.pos.read.SLICE", 700)
    monkeypatch.setattr("marketsync_dagster.pos.readers.csv.BLOCK", 8 * 1024)
    monkeypatch.setattr(spool, "IN_MEMORY", 16 * 1024)
    sliced = read(table())

    pd.testing.assert_frame_equal(sliced.frame, whole.frame)
    pd.testing.assert_frame_equal(sliced.rejects, whole.rejects)
    assert (sliced.records, sliced.duplicates, sliced.profile) == (
        whole.records,
        whole.duplicates,
        whole.profile,
    )
    assert rejects(whole) == [
        ("till.csv", 9, "contradicting_duplicate"),
        ("till.csv", 12, "bad_price"),
        ("till.csv", 2502, "contradicting_duplicate"),
        ("till.csv", 2702, "too_few_columns"),
        ("till.csv", 3002, "total_row"),
    ]


def test_the_evidence_of_all_slices_decides_about_each(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["A0;1.234"] + [f"B{i};{i}" for i in range(50)] + ["C0;1,50"]
    data = ("sku;price\n" + "\n".join(rows) + "\n").encode()
    monkeypatch.setattr(parts, "SLICE", 10)
    monkeypatch.setattr("marketsync_dagster.pos.read.SLICE", 10)
    monkeypatch.setattr("marketsync_dagster.pos.readers.csv.BLOCK", 64)
    extract = read(data, currency="EUR")
    assert extract.frame["price_minor"].tolist()[0] == 123400


def test_a_document_proves_nothing_of_how_another_one_writes_numbers() -> None:
    extract = read(zipped(a="sku;price\nA1;1,50\n", b="sku;price\nB1;1.234\n"), "a.zip")
    assert extract.frame["sku"].tolist() == ["A1"]
    assert rejects(extract) == [("a.zip/b.csv", 2, "ambiguous_price")]


def test_products_in_several_documents_are_one_extract_and_name_theirs() -> None:
    extract = read(zipped(a="sku,price\n1,2\n2,3\n", b="sku,price\n3,2\n2,9\nx\n"), "a.zip")
    assert extract.frame["sku"].tolist() == ["1", "3"]
    assert extract.origins is not None
    assert extract.origins.tolist() == [0, 1]
    assert rejects(extract) == [
        ("a.zip/a.csv", 3, "contradicting_duplicate"),
        ("a.zip/b.csv", 3, "contradicting_duplicate"),
        ("a.zip/b.csv", 4, "too_few_columns"),
    ]
    assert "Also on line 3 of a.zip/b.csv." in extract.rejects["next_step"].iloc[0]


def test_a_table_of_stock_without_prices_says_more_of_the_products() -> None:
    products = "sku,name,price\n1,Tea,2\n2,Milk,3\n4,Soap,3\n"
    stock = "Branch,SKU,Qty\n028,1,5\n029,1,7\n028,3,5\n028,4,1\n028,4,2\n"
    extract = read(zipped(products=products, stock=stock), "a.zip", keys=("028",))
    assert extract.frame["sku"].tolist() == ["1", "2"]
    assert extract.frame["quantity"].tolist() == [5, pd.NA]
    assert extract.warnings == ["a.zip/stock.csv: 1 SKU that no product has is left out"]
    assert extract.rejects["reason"].tolist() == ["contradicting_duplicate"]
    with pytest.raises(ExtractError) as alone:
        read(b"SKU,Qty\n1,5\n")
    assert alone.value.code == "no_price_column"


def test_a_record_that_does_not_fit_is_rejected_for_the_outlet_that_it_names() -> None:
    data = b"Branch,sku,price\n028,1,2\n029,1,3\n028,2\n029,5,6,7\n,,\n,9,9\n030,4,5\n"
    spec = ExtractSpec(keys=("028",))
    extract = read_extract(data, spec, file="m.csv")
    assert (extract.frame["sku"].tolist(), rejects(extract)) == (
        ["1"],
        [("m.csv", 4, "too_few_columns")],
    )


def test_records_of_nobody_are_counted_where_they_first_stand(tmp_path: Any) -> None:
    data = b"Branch,sku,price\n028,1,2\n029,1,3\n028,2\n029,5,6,7\n,,\n,9,9\n030,4,5\nx,1,2,3\n"
    spec = ExtractSpec(keys=("028",))
    content = read_document(documents_of(data, file="m.csv", spool=tmp_path)[0], spec)
    assert others_in(content, spec, ["028"]) == [
        Other("029", 2, 3),
        Other("", 2, 7),
        Other("030", 1, 8),
    ]


def test_a_record_on_the_line_of_others_is_named_by_its_number() -> None:
    records = [{"sku": "A", "price": 1}, {"sku": "B", "price": "x"}, {"sku": 2.5, "price": 1}]
    extract = read(json.dumps(records).encode(), "a.json")
    assert [step.split(". ")[0] for step in extract.rejects["next_step"]] == [
        "It is record 3 of the file",
        "It is record 2 of the file",
    ]
    on_lines = "[" + ",\n".join(json.dumps(record) for record in records) + "]"
    steps = read(on_lines.encode(), "a.json").rejects["next_step"]
    assert not any("It is record" in step for step in steps)


def test_a_record_with_two_skus_is_nobodys_price() -> None:
    data = (
        b"<r><i><sku>A</sku><price>1</price></i><i><sku>B</sku><sku>C</sku><price>2</price></i></r>"
    )
    extract = read(data, "a.xml")
    assert (extract.frame["sku"].tolist(), extract.rejects["reason"].tolist()) == (
        ["A"],
        ["repeated_name"],
    )


def test_where_there_is_no_room_for_a_spool_the_file_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "IN_MEMORY", 1)
    monkeypatch.setattr(spool.tempfile, "NamedTemporaryFile", full)
    with pytest.raises(ExtractError) as refused:
        read(table())
    assert refused.value.code == "no_space"
