"""Parquet: columns that know their types, as text without loss.

Integers and decimals are exact. A float is written as the shortest text that is the same float,
with its `.0`: an identifier that went through one can be told by it. Batches are small, and what
a file unpacks to is bounded by what its directory declares and by what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketsync_dagster.pos.columns import meaning
from marketsync_dagster.pos.kernels import as_bool, as_int, matches, pc
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.streams import open_source
from marketsync_dagster.pos.tables import Block, Kind, Limits, Table

_THRIFT_STRING = 16 * 2**20
_THRIFT_ITEMS = 1_000_000
_BATCH_ROWS = 16_384
_GROUP_BYTES = 2 * 2**30
_NO_RATIO_BELOW = 16 * 2**20
_LONG_RECORD = 16 * 1024
"""A value that is kept once may be in any number of rows: that is ordinary for `piece` and
`Beverages`, and not for pages of text."""
_FIGURES = 24
"""Bytes that a number or a date takes as text, about."""


def read_parquet(
    source: Path | bytes,
    *,
    columns: Mapping[str, str] | None = None,
    file: str,
    limits: Limits | None = None,
) -> Table:
    """The table of a Parquet file; lines are row numbers, from 1.

    `columns` are the configured ones, canonical name -> header; `prices.amount` leads into a
    nested column. Raises ExtractError: missing, unreadable, empty, too_large, archive_bomb,
    bad_parquet, too_wide, nested_column; the blocks also undecodable and value_too_long.
    """
    limits = limits or Limits()
    stream = open_source(source, file, limits)
    try:
        reader = _open(stream, file)
        _check(reader.metadata, stream, file, limits)
        wanted, warnings = _wanted(reader.schema_arrow, columns or {}, file)
    except BaseException:
        stream.close()
        raise
    return Table(
        blocks=_blocks(reader, stream, wanted, file, limits),
        headers=[name for name, _ in wanted],
        encoding="utf-8",
        declared=reader.metadata.num_rows,
        warnings=warnings,
    )


def _open(stream: BinaryIO, file: str) -> pq.ParquetFile:
    head = stream.read(4)
    stream.seek(0)
    if head == b"PARE":
        raise refuse("encrypted", f"{file} is encrypted")
    if head != b"PAR1":
        raise refuse("bad_parquet", f"{file} is no Parquet file")
    stream.seek(-4, 2)
    tail = stream.read(4)
    stream.seek(0)
    if tail != b"PAR1":
        raise refuse("truncated", f"{file} ends before its directory")
    try:
        schema = _reader(stream, []).schema_arrow
        # a value that occurs in many rows is kept once, until its size is known
        return _reader(stream, [field.name for field in schema if _is_text(field.type)])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _bad(file, error) from None


def _reader(stream: BinaryIO, kept_once: list[str]) -> pq.ParquetFile:
    stream.seek(0)
    return pq.ParquetFile(
        stream,
        read_dictionary=kept_once,
        thrift_string_size_limit=_THRIFT_STRING,
        thrift_container_size_limit=_THRIFT_ITEMS,
        pre_buffer=False,
        page_checksum_verification=True,
    )


def _check(metadata: pq.FileMetaData, stream: BinaryIO, file: str, limits: Limits) -> None:
    """What the directory declares, before anything is unpacked."""
    if metadata.num_columns > limits.columns:
        raise refuse("too_wide", f"{file} has {metadata.num_columns} columns")
    if metadata.num_rows > limits.cells:
        raise refuse("too_large", f"{file} has {metadata.num_rows} rows")
    size = stream.seek(0, 2)
    stream.seek(0)
    total = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index).total_byte_size
        total += group
        if group < 0 or group > _GROUP_BYTES:
            raise refuse("too_large", f"{file}: a row group unpacks to {group // 2**20} MB")
    if total > limits.unpacked_bytes:
        raise refuse("too_large", f"{file} unpacks to {total // 2**20} MB")
    if total > _NO_RATIO_BELOW and total > size * limits.ratio:
        raise refuse("archive_bomb", f"{file} unpacks to more than {limits.ratio} times its size")


def _wanted(
    schema: pa.Schema, configured: Mapping[str, str], file: str
) -> tuple[list[tuple[str, str]], list[str]]:
    """Name -> column or `column.field`, of what is read; and what is said about the rest."""
    asked = {header.strip() for header in configured.values()}
    names = [field.name for field in schema]
    wanted: list[tuple[str, str]] = []
    left_out: list[str] = []
    for field in schema:
        if not _nested(field.type):
            wanted.append((field.name, field.name))
            continue
        inside = [leaf for leaf in _leaves(field) if leaf in asked and leaf not in names]
        wanted.extend((leaf, leaf) for leaf in inside)
        if inside:
            continue
        lead = [name for name in asked if name == field.name or name.startswith(f"{field.name}.")]
        if lead or (not asked and meaning(field.name) in ("sku", "price", "promo_price", "stock")):
            leaves = ", ".join(list(_leaves(field))[:10])
            fields = f"; it has {leaves}" if leaves else ""
            raise refuse(
                "nested_column",
                f"{file}: {(lead or [field.name])[0]!r} is no single value ({field.type}){fields}",
            )
        left_out.append(field.name)
    said = f"nested columns are not read: {', '.join(left_out[:20])}"
    return wanted, [said] if left_out else []


def _nested(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _nested(kind.value_type)
    return pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType)


def _leaves(field: pa.Field, before: str = "", depth: int = 0) -> Iterator[str]:
    """`prices.amount` for every single value that a struct leads to."""
    name = f"{before}{field.name}"
    if pa.types.is_struct(field.type) and depth < 16:
        for inner in field.type:
            yield from _leaves(inner, f"{name}.", depth + 1)
    elif before and not _nested(field.type):
        yield name


def _blocks(
    reader: pq.ParquetFile,
    stream: BinaryIO,
    wanted: list[tuple[str, str]],
    file: str,
    limits: Limits,
) -> Iterator[Block]:
    row = 1
    size, long = stream.seek(0, 2), 0
    try:
        for batch in _batches(reader, wanted, file):
            arrays = {name: _reach(batch, path) for name, path in wanted}
            sizes = _sizes(arrays, len(batch), file, limits)
            long += int(sizes[sizes > _LONG_RECORD].sum())
            if long > _NO_RATIO_BELOW and long > size * limits.ratio:
                times = limits.ratio
                raise refuse("archive_bomb", f"{file} has more than {times} times its size of text")
            for start, count in _cuts(sizes, limits.block_bytes):
                yield _block(arrays, start, count, row + start, file)
            row += len(batch)
    finally:
        reader.close()
        stream.close()
    if row - 1 != reader.metadata.num_rows:
        raise refuse(
            "truncated", f"{file} declares {reader.metadata.num_rows} rows and has {row - 1}"
        )


def _block(arrays: Mapping[str, pa.Array], start: int, count: int, row: int, file: str) -> Block:
    columns: dict[str, pa.Array] = {}
    kinds: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        where = f"{file}, column {name!r}"
        columns[name], kind = _text(array.slice(start, count), where, row)
        if kind != Kind.TEXT:
            kinds[name] = np.full(count, kind, np.uint8)
    return Block(columns, np.arange(row, row + count, dtype=np.int64), kinds)


def _sizes(arrays: Mapping[str, pa.Array], count: int, file: str, limits: Limits) -> np.ndarray:
    """Bytes of text in each row, known before a value that is kept once is written out for
    every row that has it."""
    sizes = np.zeros(count, np.int64)
    for name, array in arrays.items():
        if pa.types.is_dictionary(array.type):
            _check_indices(array, file)
        kept = array.dictionary if pa.types.is_dictionary(array.type) else array
        if not _is_text(kept.type):
            sizes += _FIGURES
            continue
        lengths = as_int(pc.fill_null(pc.binary_length(kept), 0))
        if lengths.max(initial=0) > limits.token_bytes:
            size = limits.token_bytes // 2**20
            where = f"{file}, column {name!r}"
            raise refuse("value_too_long", f"{where}: a value is longer than {size} MB")
        if kept is not array:
            lengths = np.append(lengths, 0)[as_int(pc.fill_null(array.indices, len(kept)))]
        sizes += lengths
    return sizes


def _check_indices(array: pa.DictionaryArray, file: str) -> None:
    """What is kept once must be there: Arrow believes a damaged file."""
    indices = pc.min_max(array.indices).as_py()
    if indices["min"] is not None and not 0 <= indices["min"] <= indices["max"] < len(
        array.dictionary
    ):
        raise refuse("bad_parquet", f"{file} cannot be read: a value is not in its dictionary")


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )  # fmt: skip


def _batches(
    reader: pq.ParquetFile, wanted: list[tuple[str, str]], file: str
) -> Iterator[pa.RecordBatch]:
    paths = [path for _, path in wanted]
    batches = reader.iter_batches(
        max(min(_BATCH_ROWS, 2_000_000 // max(len(paths), 1)), 256),
        columns=paths,
        use_threads=False,
    )
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _bad(file, error) from None
        if batch is None:
            return
        yield batch


def _reach(batch: pa.RecordBatch, path: str) -> pa.Array:
    if path in batch.schema.names:
        return batch.column(batch.schema.names.index(path))
    first, *fields = path.split(".")
    return pc.struct_field(batch.column(batch.schema.names.index(first)), fields)


def _text(array: pa.Array, where: str, row: int) -> tuple[pa.Array, Kind]:
    """An array as `pa.string()`, and what its cells are."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _text(array.dictionary_decode(), where, row)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string()), Kind.TEXT
    if pa.types.is_boolean(kind):
        return pc.if_else(array, "TRUE", "FALSE"), Kind.BOOLEAN
    if pa.types.is_floating(kind):
        return _floats(array), Kind.NUMBER
    if pa.types.is_decimal(kind):
        return _positional(pc.cast(array, pa.string())), Kind.NUMBER
    if pa.types.is_integer(kind):
        return pc.cast(array, pa.string()), Kind.NUMBER
    if pa.types.is_timestamp(kind):
        return _moments(array), Kind.DATE
    if pa.types.is_temporal(kind):
        plain = pc.cast(array, pa.int64()) if pa.types.is_duration(kind) else array
        return _short(pc.cast(plain, pa.string())), Kind.DATE
    return _strings(array, where, row), Kind.TEXT


def _strings(array: pa.Array, where: str, row: int) -> pa.Array:
    try:
        texts = pc.cast(pc.cast(array, pa.large_binary()), pa.large_string())
    except pa.ArrowInvalid:
        written = pc.cast(array, pa.large_binary()).to_pylist()
        here = next(index for index, value in enumerate(written) if not _is_utf8(value))
        raise refuse("undecodable", f"{where}, row {row + here}: not UTF-8") from None
    return pc.cast(texts, pa.string())


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _floats(array: pa.Array) -> pa.Array:
    if pa.types.is_float16(array.type):
        array = pc.cast(array, pa.float32())
    if pa.types.is_float32(array.type):
        values = array.to_numpy(zero_copy_only=False)
        texts = [None if null else str(value) for value, null in
                 zip(values, as_bool(array.is_null()), strict=True)]  # fmt: skip
        return pa.array(texts, pa.string())
    return pa.array([None if v is None else repr(v) for v in array.to_pylist()], pa.string())


def _positional(texts: pa.Array) -> pa.Array:
    """Decimals without exponent: Arrow writes `1E-7`."""
    written = pc.fill_null(texts, "")
    odd = matches(written, "[eE]")
    if not odd.any():
        return texts
    fixed = [format(Decimal(text), "f") for text in texts.filter(pa.array(odd)).to_pylist() if text]
    return pc.replace_with_mask(texts, pa.array(odd), pa.array(fixed, pa.string()))


def _moments(array: pa.Array) -> pa.Array:
    """ISO 8601; what has a zone in UTC with a Z, what has none as it is."""
    if array.type.tz is not None:
        array = pc.cast(array, pa.timestamp(array.type.unit, "UTC"))
    texts = pc.replace_substring(pc.cast(array, pa.string()), " ", "T", max_replacements=1)
    return _short(texts)


def _short(texts: pa.Array) -> pa.Array:
    """Clocks without a fraction of nothing but zeros."""
    return pc.replace_substring_regex(texts, r"\.0+(Z?)$", r"\1")


def _cuts(sizes: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """Start and length of slices with at most so many bytes of text each, or one row."""
    count = len(sizes)
    if sizes.sum() <= most:
        if count:
            yield 0, count
        return
    start = used = 0
    for index, size in enumerate(sizes.tolist()):
        if used + size > most and index > start:
            yield start, index - start
            start, used = index, 0
        used += size
    yield start, count - start


def _bad(file: str, error: Exception) -> Exception:
    words = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return refuse("bad_parquet", f"{file} cannot be read: {words}")
