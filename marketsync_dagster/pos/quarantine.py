"""The rejected rows of one extract: which, why, and what to do.

Every record is rejected at most once, for the first reason found; the table of reasons is
`reasons`. A file may have millions of them, so they are kept in columns, and of a reason that
fills the file only the first rows are kept with their value: line, column and reason are kept of
every row.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from marketsync_dagster.pos.kernels import pc
from marketsync_dagster.pos.model import REJECT_COLUMNS
from marketsync_dagster.pos.reasons import ROW_REASONS
from marketsync_dagster.pos.texts import Fault

MAX_VALUE = 200
VALUES_KEPT = 100_000
"""Rows of one reason that keep their value and what is said of this row alone."""
_WAITING = 2**14
_FEW = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        ("file", _FEW),
        ("line", pa.int64()),
        ("column", _FEW),
        ("value", pa.large_string()),
        ("reason", _FEW),
        ("next_step", _FEW),
        ("sku", pa.large_string()),
    ]
)


def printable(value: str) -> str:
    r"""`value` with control and invisible characters escaped (`\x07`, `\u200b`), at most 200."""
    if value.isprintable():
        return value[:MAX_VALUE]
    escaped = "".join(
        f"\\x{ord(sign):02x}"
        if ord(sign) < 256 and unicodedata.category(sign) in ("Cc", "Cf")
        else f"\\u{ord(sign):04x}"
        if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")
        else sign
        for sign in value[:MAX_VALUE]
    )
    return escaped[:MAX_VALUE]


class Rejects:
    """The rejected records of one extract, as they come."""

    def __init__(self, files: Sequence[str]) -> None:
        self.files = files
        """The name of each document that records are of."""
        self.counts: Counter[str] = Counter()
        """Reason -> rejected rows so far."""
        self._rows: list[tuple[str, int, str | None, str | None, str, str, str | None]] = []
        self._kept: list[pa.RecordBatch] = []

    def add(
        self,
        document: int,
        line: int,
        column: str | None,
        value: str,
        reason: str,
        sku: str | None = None,
        note: str = "",
        record: int | None = None,
    ) -> None:
        """One more; `column` is the header, None for the whole record; `record` its number."""
        if record is not None:
            note = f"It is record {record} of the file. {note}".rstrip()
        file, step = self.files[document], ROW_REASONS[reason]
        self.counts[reason] += 1
        if self.counts[reason] > VALUES_KEPT:
            self._rows.append((file, line, column, None, reason, step, sku))
        else:
            text = f"{note} {step}" if note else step
            self._rows.append((file, line, column, printable(value), reason, text, sku))
        if len(self._rows) >= _WAITING:
            self._pack()

    def fault(self, fault: Fault, headers: Mapping[str, str]) -> None:
        """A record that did not become a row."""
        column = None if fault.column is None else headers.get(fault.column)
        self.add(
            fault.document,
            fault.line,
            column,
            fault.value,
            fault.reason,
            fault.sku,
            fault.note,
            fault.record,
        )

    def _pack(self) -> None:
        """From a row each to columns, which take a tenth of the memory."""
        if self._rows:
            cells = zip(*self._rows, strict=True)
            arrays = [
                pa.array(column, pa.string()).dictionary_encode()
                if field.type == _FEW
                else pa.array(column, field.type)
                for field, column in zip(_SCHEMA, cells, strict=True)
            ]
            self._kept.append(pa.record_batch(arrays, schema=_SCHEMA))
            self._rows = []

    def __len__(self) -> int:
        return self.counts.total()

    def frame(self) -> pd.DataFrame:
        """The REJECTS frame, by line."""
        self._pack()
        table = pa.Table.from_batches(self._kept, _SCHEMA)
        order = pc.sort_indices(table.column("line"))
        if len(self.files) > 1:
            places = pc.index_in(table.column("file").cast(pa.string()), pa.array(self.files))
            keyed = pa.table({"file": places, "line": table.column("line")})
            order = pc.sort_indices(keyed, [("file", "ascending"), ("line", "ascending")])
        table = table.take(order)
        columns: dict[str, object] = {}
        for name in REJECT_COLUMNS:
            column = table.column(name)
            columns[name] = (
                column.to_numpy().copy()
                if name == "line"
                else pd.array(column.cast(pa.large_string()), dtype="str")
            )
        return pd.DataFrame(columns)


class Quarantine:
    """Rejects rows of a table; `ok` says which ones are still good."""

    def __init__(
        self,
        rejects: Rejects,
        headers: Mapping[str, str],
        lines: np.ndarray,
        documents: np.ndarray | None = None,
        records: np.ndarray | None = None,
    ) -> None:
        self.records = records
        """The number of each record, where several stand on one line."""
        self.rejects = rejects
        self.headers = headers
        self.lines = lines
        self.documents = documents
        """Which of several documents each row is of; None: there is one."""
        self.ok = np.ones(len(lines), bool)
        self.sku: Callable[[int], str | None] = lambda _: None

    def row(self, row: int, canonical: str, value: str, reason: str, note: str = "") -> None:
        """Reject a row, unless it is rejected already."""
        if self.ok[row]:
            self.ok[row] = False
            document = 0 if self.documents is None else int(self.documents[row])
            column, line = self.headers.get(canonical), int(self.lines[row])
            record = None if self.records is None else int(self.records[row])
            self.rejects.add(document, line, column, value, reason, self.sku(row), note, record)

    def rows(
        self, rows: Iterable[int], canonical: str, value: Callable[[int], str], reason: str
    ) -> None:
        """Reject many rows for one reason."""
        for row in rows:
            self.row(int(row), canonical, value(int(row)), reason)
