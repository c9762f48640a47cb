"""Parquet: every type as exact text, and hostile files refused by name in bounded memory."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsync_dagster.pos.readers.parquet import read_parquet
from marketsync_dagster.pos.reasons import FILE_REASONS
from marketsync_dagster.pos.tables import Kind, Limits, Table
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.readers.workbooks import kinds_of, read_all


def written(columns: dict[str, Any], **options: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, **options)
    return target.getvalue()


def read(data: bytes, **options: Any) -> Table:
    return read_parquet(data, file="x.parquet", **options)


def refused(data: bytes, **options: Any) -> ExtractError:
    with pytest.raises(ExtractError) as caught:
        read_all(read(data, **options))
    error = caught.value
    assert error.next_step == FILE_REASONS[error.code]
    assert error.message.startswith("x.parquet")
    assert len(error.message) < 500
    return error


MOMENT = datetime.fromisoformat("2026-05-03T07:15:00")
TYPES = [
    ("text", pa.array(["001", "é", None]), ["001", "é", None], Kind.TEXT),
    ("large text", pa.array(["001"], pa.large_string()), ["001"], Kind.TEXT),
    ("bytes", pa.array([b"001", None]), ["001", None], Kind.TEXT),
    ("words kept once", pa.array(["a", "b", None, "a"]).dictionary_encode(),
     ["a", "b", None, "a"], Kind.TEXT),
    ("nothing", pa.nulls(2), [None, None], Kind.TEXT),
    ("integers", pa.array([2**63 - 1, 0, None]), [str(2**63 - 1), "0", None], Kind.NUMBER),
    ("large integers", pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)], Kind.NUMBER),
    ("decimals", pa.array([Decimal("19.90"), None], pa.decimal128(9, 2)), ["19.90", None],
     Kind.NUMBER),
    ("small decimals", pa.array([None, Decimal("0.0000000100")], pa.decimal128(12, 10)),
     [None, "0.0000000100"], Kind.NUMBER),
    ("large decimals", pa.array([Decimal(10) ** 60], pa.decimal256(70, 2)),
     ["1" + "0" * 60 + ".00"], Kind.NUMBER),
    ("floats", pa.array([19.99, 5.0, 0.1 + 0.2, float("nan"), None]),
     ["19.99", "5.0", "0.30000000000000004", "nan", None], Kind.NUMBER),
    ("short floats", pa.array([19.99, 5.0, None], pa.float32()), ["19.99", "5.0", None],
     Kind.NUMBER),
    ("half floats", pa.array([np.float16(1.5)], pa.float16()), ["1.5"], Kind.NUMBER),
    ("booleans", pa.array([True, False, None]), ["TRUE", "FALSE", None], Kind.BOOLEAN),
    ("days", pa.array([date(2026, 5, 3)]), ["2026-05-03"], Kind.DATE),
    ("clocks", pa.array([clock(7, 15)], pa.time32("s")), ["07:15:00"], Kind.DATE),
    ("moments without zone", pa.array([MOMENT], pa.timestamp("ms")), ["2026-05-03T07:15:00"],
     Kind.DATE),
    ("moments with a zone", pa.array([MOMENT.replace(tzinfo=UTC), None],
     pa.timestamp("us", "Africa/Nairobi")), ["2026-05-03T07:15:00Z", None], Kind.DATE),
    ("moments with a fraction", pa.array([MOMENT.replace(microsecond=250)], pa.timestamp("us")),
     ["2026-05-03T07:15:00.000250"], Kind.DATE),
]  # fmt: skip


@pytest.mark.parametrize("version", ["1.0", "2.6"])
@pytest.mark.parametrize(("name", "array", "texts", "kind"), TYPES, ids=[case[0] for case in TYPES])
def test_a_type_becomes_exact_text(
    name: str, array: pa.Array, texts: list[str | None], kind: Kind, version: str
) -> None:
    if version == "1.0" and name == "large integers":
        array = array.cast(pa.decimal128(20, 0))
    data = written({"sku": array}, version=version)
    table = read(data)
    assert (table.headers, table.header_line, table.declared) == (["sku"], 0, len(texts))
    assert read_all(table) == {"#": list(range(1, len(texts) + 1)), "sku": texts}
    assert kinds_of(read(data), "sku") == [kind] * len(texts)


def test_lines_go_on_over_row_groups_and_blocks() -> None:
    texts = [f"{i:05}" for i in range(40_000)]
    data = written({"sku": texts, "price": list(range(40_000))}, row_group_size=7001)
    blocks = list(read(data, limits=Limits(block_bytes=100_000)).blocks)
    assert len(blocks) > 5
    assert [n for block in blocks for n in block.lines.tolist()] == list(range(1, 40_001))
    assert [t for block in blocks for t in block.columns["sku"].to_pylist()] == texts
    assert read_all(read(data))["sku"] == texts


def test_a_nested_column_is_left_out_or_refused_or_led_into() -> None:
    prices = pa.array([{"amount": Decimal("1.50"), "in": {"code": "KES"}}, None])
    data = written({"sku": ["1", "2"], "price": prices, "tags": [["a"], []], "more": [[1], [2]]})
    error = refused(data)
    assert error.code == "nested_column"
    assert "price.amount, price.in.code" in error.message
    assert refused(data, columns={"sku": "sku", "price": "price.none"}).code == "nested_column"
    assert refused(data, columns={"sku": "sku", "price": "tags"}).code == "nested_column"
    table = read(data, columns={"sku": "sku", "price": "price.amount", "currency": "price.in.code"})
    assert table.headers == ["sku", "price.amount", "price.in.code"]
    assert table.warnings == ["nested columns are not read: tags, more"]
    assert read_all(table)["price.amount"] == ["1.50", None]


def test_of_two_columns_with_one_name_both_are_in_the_header() -> None:
    target = io.BytesIO()
    table = pa.table([["1"], ["2"], ["3"]], names=["sku", "price", "price"])
    pq.write_table(table, target)
    found = read(target.getvalue())
    assert found.headers == ["sku", "price", "price"]
    assert read_all(found) == {"#": [1], "sku": ["1"], "price": ["2"]}


GOOD = written({"sku": [f"{i:04}" for i in range(500)], "price": [i / 100 for i in range(500)]})


def test_what_is_no_whole_parquet_file_is_named(tmp_path: Path) -> None:
    assert refused(b"").code == "empty"
    assert refused(b"sku,price\n1,2\n").code == "bad_parquet"
    assert refused(b"PARE" + GOOD[4:]).code == "encrypted"
    assert refused(b"PAR1").code == "bad_parquet"
    assert refused(written({"sku": [b"\xff"]})).message.startswith(
        "x.parquet, column 'sku', row 1: not UTF-8"
    )
    with pytest.raises(ExtractError) as caught:
        read_parquet(tmp_path / "none", file="x.parquet")
    assert caught.value.code == "missing"


def test_a_cut_file_is_never_read_in_part() -> None:
    for length in range(5, len(GOOD), 53):
        assert refused(GOOD[:length]).code == "truncated"


def test_a_changed_byte_is_named_or_changes_no_count() -> None:
    for place in range(4, len(GOOD), 7):
        changed = bytearray(GOOD)
        changed[place] ^= 0x15
        try:
            found = read_all(read(bytes(changed)))
        except ExtractError:
            continue
        assert len(found["#"]) == 500


LIMITED = [
    ("columns", {"columns": 1}, "too_wide"),
    ("rows", {"cells": 100}, "too_large"),
    ("file", {"file_bytes": 100}, "too_large"),
    ("unpacked", {"unpacked_bytes": 100}, "too_large"),
    ("values", {"token_bytes": 3}, "value_too_long"),
]


@pytest.mark.parametrize(("name", "limits", "code"), LIMITED, ids=[case[0] for case in LIMITED])
def test_each_limit_is_named(name: str, limits: dict[str, int], code: str) -> None:
    assert refused(GOOD, limits=Limits(**limits)).code == code


@pytest.mark.parametrize("kept", [True, False])
def test_one_long_text_in_many_rows_is_never_written_out_at_once(kept: bool) -> None:
    """900 KB in each of 30,000 rows would be 27 GB; a block has two rows of it."""
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000), ["x" * 900_000])
    data = written({"sku": words}, compression="zstd", store_schema=kept)
    assert len(data) < 50_000
    before = pa.total_allocated_bytes()
    limits = Limits(block_bytes=2 * 2**20)
    with pytest.raises(ExtractError) as caught:
        next(iter(read(data, limits=limits).blocks))
    assert caught.value.code == "archive_bomb"
    blocks = iter(read(data, limits=replace(limits, ratio=10**9)).blocks)
    for number in range(1, 6, 2):
        block = next(blocks)
        assert block.lines.tolist() == [number, number + 1]
        assert block.columns["sku"].nbytes < 2 * 2**20
    assert pa.total_allocated_bytes() - before < 64 * 2**20


def test_columns_that_unpack_to_far_more_than_they_are_are_refused() -> None:
    zeros = pa.array(np.zeros(5_000_000, np.int64))
    data = written({"sku": zeros}, compression="zstd", use_dictionary=False)
    begun = time.process_time()
    assert refused(data).code == "archive_bomb"
    assert time.process_time() - begun < 2


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
            st.floats(),
            st.decimals(-999, 999, places=4, allow_nan=False),
            st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=20,
    )
)
def test_whatever_is_written_is_read_back_exactly(lines: list[tuple[Any, ...]]) -> None:
    names = ("sku", "float", "price", "stock")
    kinds = (pa.string(), pa.float64(), pa.decimal128(10, 4), pa.int64())
    columns = {
        name: pa.array([line[i] for line in lines], kind)
        for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
    found = read_all(read(written(columns)))
    if not lines:
        assert found == {"#": []}
        return
    assert found["sku"] == [line[0] for line in lines]
    assert found["float"] == [repr(line[1]) for line in lines]
    assert [Decimal(str(text)) for text in found["price"]] == [line[2] for line in lines]
    assert found["stock"] == [str(line[3]) for line in lines]
