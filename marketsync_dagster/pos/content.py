"""The records of a document as text under the document's own headers, of all outlets in it.

Which reader reads which format, and with which layout of the preset, is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import layouts
from marketsync_dagster.pos.detect import Format, told
from marketsync_dagster.pos.documents import Document
from marketsync_dagster.pos.kernels import pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets.base import OUTLET, Layout, Preset
from marketsync_dagster.pos.readers.csv import keys, read_csv
from marketsync_dagster.pos.readers.json import read_json, read_json_lines
from marketsync_dagster.pos.readers.parquet import read_parquet
from marketsync_dagster.pos.readers.xls import read_xls
from marketsync_dagster.pos.readers.xlsx import read_xlsx
from marketsync_dagster.pos.readers.xml import read_xml
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.spool import Spool
from marketsync_dagster.pos.tables import Kind, Limits, Table
from marketsync_dagster.pos.tokens import Odd
from marketsync_dagster.values.errors import ExtractError

_BY_CONTENT = frozenset({Format.XML, Format.JSON, Format.JSONL})
"""Formats whose columns are known when all of it was read."""


_LINE = "\0line"
_NUMBER = "\0number"
_KIND = "\0kind "
"""Names in a batch that no header has: headers have no NUL."""


@dataclass(frozen=True)
class Part:
    """Some records of a document, in their order."""

    columns: Mapping[str, pa.Array]
    """Key of the header (`readers.csv.keys`) -> trimmed text without nulls."""
    kinds: Mapping[str, np.ndarray]
    """The same -> uint8 of `tables.Kind`, where not every cell is text."""
    lines: np.ndarray
    numbers: np.ndarray | None = None
    """Which record of the document each one is, from 1, where several stand on one line."""

    def take(self, rows: np.ndarray) -> Part:
        """Only some records, by position."""
        wanted = pa.array(rows)
        return Part(
            {name: column.take(wanted) for name, column in self.columns.items()},
            {name: kinds[rows] for name, kinds in self.kinds.items()},
            self.lines[rows],
            None if self.numbers is None else self.numbers[rows],
        )


@dataclass(frozen=True)
class Content:
    """What a reader made of a document, gathered."""

    document: Document
    preset: Preset
    layout: Layout
    headers: Sequence[str]
    """All of the file, as they are written."""
    batches: Spool
    """The records, with the columns that may be asked for."""
    odd: Sequence[Odd]
    header_line: int = 0
    encoding: str = ""
    delimiter: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def records(self) -> int:
        """How many records the document has, the odd ones too."""
        return self.batches.rows + len(self.odd)

    @property
    def is_empty(self) -> bool:
        """Whether it has neither records nor anything that could be a header."""
        return not self.headers and not self.records

    def key(self, position: int) -> str:
        """The key of the column at a position of `headers`."""
        return keys(self.headers)[position]

    def place(self, key: str) -> int:
        """The position of `headers` of a key."""
        return keys(self.headers).index(key)

    def parts(self, wanted: Collection[str]) -> Iterator[Part]:
        """All records, some at a time: the columns of the keys `wanted`, blank where none is."""
        for batch in self.batches:
            names = batch.schema.names
            yield Part(
                columns={
                    name: batch.column(name) if name in names else _blanks(batch.num_rows)
                    for name in wanted
                },
                kinds={
                    name: batch.column(_KIND + name).to_numpy()
                    for name in wanted
                    if _KIND + name in names
                },
                lines=batch.column(_LINE).to_numpy(),
                numbers=batch.column(_NUMBER).to_numpy() if _NUMBER in names else None,
            )

    def whole(self, wanted: Collection[str]) -> Part:
        """All records at once."""
        return joined(list(self.parts(wanted)), wanted)

    def values(self, key: str) -> list[str]:
        """The distinct values of a column, in the order of their first records."""
        found: dict[str, None] = {}
        for part in self.parts([key]):
            found |= dict.fromkeys(pc.unique(part.columns[key]).to_pylist())
        return list(found)


def joined(parts: list[Part], wanted: Collection[str]) -> Part:
    """Some parts as one; `parts` is emptied, for nothing need be held twice."""
    if len(parts) == 1:
        return parts[0]
    lengths = [len(part.lines) for part in parts]
    kinds = {
        name: np.concatenate(
            [
                part.kinds.get(name, np.full(length, Kind.TEXT, np.uint8))
                for part, length in zip(parts, lengths, strict=True)
            ]
        )
        for name in {name for part in parts for name in part.kinds}
    }
    nothing = pa.array([], pa.string())
    columns = {
        name: pa.concat_arrays([part.columns[name] for part in parts]) if parts else nothing
        for name in wanted
    }
    lines = np.concatenate([part.lines for part in parts]) if parts else np.array([], np.int64)
    numbers = [part.numbers for part in parts if part.numbers is not None]
    whole = np.concatenate(numbers) if numbers and len(numbers) == len(parts) else None
    parts.clear()
    return Part(columns, kinds, lines, whole)


def read_document(
    document: Document, preset: Preset, spec: ExtractSpec, limits: Limits | None = None
) -> Content:
    """All records of a document, of all outlets, as text; to be read once for many outlets.

    `spec.keys` do not matter. Raises ExtractError: what the readers raise, unknown_format,
    unknown_layout, truncated.
    """
    limits = limits or Limits()
    refusals: list[tuple[int, ExtractError]] = []
    unread: dict[str | None, Table] = {}
    candidates = [one for one in preset.layouts if _fits_name(one, document)]
    if not candidates:
        raise _unknown(document, preset, "its name fits no kind of document")
    for layout in candidates:
        try:
            table = unread.get(layout.sheet) or _open(document, layout, preset, spec, limits)
            if document.format not in _BY_CONTENT:
                unread[layout.sheet] = table
                if lacking := layouts.missing(layout, table.headers):
                    refusals.append((len(lacking), _lacking(document, preset, lacking)))
                    continue
            content = _gathered(document, preset, layout, table, spec)
        except ExtractError as error:
            if error.code not in ("no_records", "unknown_layout", "unknown_sheet"):
                raise
            refusals.append((0, error))
            continue
        lacking = layouts.missing(layout, content.headers)
        if not lacking or not content.headers:
            return content
        refusals.append((len(lacking), _lacking(document, preset, lacking)))
    # what it is most like is what is said of it
    raise min(refusals, key=lambda one: one[0])[1]


def _lacking(document: Document, preset: Preset, names: Sequence[str]) -> ExtractError:
    return _unknown(document, preset, f"it has no column {', '.join(map(repr, names))}")


def _fits_name(layout: Layout, document: Document) -> bool:
    return not layout.file or bool(re.search(layout.file, document.last_name, re.IGNORECASE))


def _unknown(document: Document, preset: Preset, why: str) -> ExtractError:
    return refuse("unknown_layout", f"{document.name} is no export of {preset.title}: {why}")


def _open(
    document: Document, layout: Layout, preset: Preset, spec: ExtractSpec, limits: Limits
) -> Table:
    source, file = document.source, document.name
    asked = {name: header for name, header in spec.columns.items() if OUTLET not in header}
    encoding = spec.encoding or preset.encoding
    records = spec.records or layout.records
    match document.format:
        case Format.CSV:
            return read_csv(
                source,
                delimiter=spec.delimiter,
                encoding=encoding,
                configured=asked,
                file=file,
                limits=limits,
            )
        case Format.XLSX:
            sheet = spec.sheet or layout.sheet
            return read_xlsx(source, sheet=sheet, columns=asked, file=file, limits=limits)
        case Format.XLS:
            sheet = spec.sheet or layout.sheet
            return read_xls(source, sheet=sheet, columns=asked, file=file, limits=limits)
        case Format.PARQUET:
            return read_parquet(source, columns=asked, file=file, limits=limits)
        case Format.XML:
            fields = dict(spec.fields) or layout.fields
            return read_xml(
                source, file=file, records=records, fields=fields, encoding=encoding, limits=limits
            )
        case Format.JSON:
            path = records[0] if records else None
            return read_json(source, file=file, records=path, encoding=encoding, limits=limits)
        case Format.JSONL:
            return read_json_lines(source, file=file, encoding=encoding, limits=limits)
        case _:
            raise refuse("unknown_format", f"{file} is {told(document.format)}")


def _gathered(
    document: Document, preset: Preset, layout: Layout, table: Table, spec: ExtractSpec
) -> Content:
    early = document.format not in _BY_CONTENT
    names = keys(table.headers) if early else []
    wanted: set[str] | None = None
    if early:
        asked = layouts.wanted(table.headers, layout, spec)
        wanted = {key for key, name in zip(names, table.headers, strict=True) if name in asked}
    blocks = table.only(wanted) if table.only and wanted is not None else table.blocks
    batches = Spool()
    odd: list[Odd] = []
    for block in blocks:
        arrays: dict[str, pa.Array] = {_LINE: pa.array(block.lines)}
        for name, column in block.columns.items():
            if wanted is None or name in wanted:
                text = pc.fill_null(column, "") if column.null_count else column
                arrays[name] = pc.utf8_trim_whitespace(text)
        for name, kinds in block.kinds.items():
            if name in arrays:
                arrays[_KIND + name] = pa.array(kinds)
        rows = len(block.lines)
        if rows > 1 and block.lines[0] == block.lines[-1]:
            arrays[_NUMBER] = pa.array(np.arange(batches.rows + 1, batches.rows + rows + 1))
        if rows:
            batches.append(pa.record_batch(list(arrays.values()), names=list(arrays)))
        odd += block.odd
    count = batches.rows + len(odd)
    if table.declared is not None and count < table.declared:
        message = f"{document.name} declares {table.declared} records and has {count}"
        raise refuse("truncated", message)
    return Content(
        document=document,
        preset=preset,
        layout=layout,
        headers=list(table.headers),
        batches=batches,
        odd=odd,
        header_line=table.header_line,
        encoding=table.encoding,
        delimiter=table.delimiter,
        facts=dict(table.facts),
        warnings=list(table.warnings),
    )


def _blanks(count: int) -> pa.Array:
    return pa.array([""] * count, pa.string()) if count < 1000 else pa.repeat("", count)
