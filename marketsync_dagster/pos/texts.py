"""The records of one outlet in one document, as text under our names of columns.

Between reading and typing: what a system's habits are (`presets`) is undone here, on text; what a
price or a SKU is, `rows` decides. Every record that came in goes on, is rejected, or continues
another one, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, pc

MODEL_SKU = "_model_sku"
"""The column that says of which records the SKU is their model: it is there again, else blank."""


@dataclass(frozen=True)
class Fault:
    """A record that is rejected before its cells are typed; `reason` is one of ROW_REASONS."""

    line: int
    column: str | None
    """Our name of the column; None: the whole record."""
    value: str
    reason: str
    sku: str | None = None
    note: str = ""
    document: int = 0
    """Which of several documents it is of."""
    record: int | None = None
    """Which record of its document, from 1, where several stand on one line."""


@dataclass(frozen=True)
class Texts:
    """Columns of text, as long as `lines`. Nothing is changed in place."""

    columns: Mapping[str, pa.Array]
    """Our name -> `pa.string()` without nulls, trimmed; a blank cell is ``."""
    lines: np.ndarray
    """int64: the physical line of each record."""
    headers: Mapping[str, str]
    """Our name -> what the column is called in the document."""
    faults: tuple[Fault, ...] = ()
    continued: int = 0
    """Records that belong to another one: pictures of a product, parts of a set, store views."""
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the document says outside its records."""
    documents: np.ndarray | None = None
    """Of records of several documents: which one each is of; None: there is one."""
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Our name -> which cells are numbers of the format and no text: a point in them is a decimal
    point, whatever people write in this file."""
    records: np.ndarray | None = None
    """Which record of the document each one is, from 1, where several stand on one line."""

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> pa.Array:
        """The column, or blanks."""
        found = self.columns.get(name)
        return pa.array([""] * len(self), pa.string()) if found is None else found

    def filled(self, name: str) -> np.ndarray:
        """Which cells are not blank."""
        found = self.columns.get(name)
        if found is None:
            return np.zeros(len(self), bool)
        return as_bool(pc.not_equal(found, ""))

    def put(self, name: str, column: pa.Array, header: str | None = None) -> Texts:
        """With another column; `header` where it has no header of its own yet."""
        headers = self.headers if header is None else {**self.headers, name: header}
        numbers = {one: which for one, which in self.numbers.items() if one != name}
        columns = {**self.columns, name: column}
        return replace(self, columns=columns, headers=headers, numbers=numbers)

    def without(self, *names: str) -> Texts:
        """Without some columns."""
        columns = {name: column for name, column in self.columns.items() if name not in names}
        return replace(self, columns=columns)

    def take(self, rows: np.ndarray) -> Texts:
        """Only some records, by position; the others are not counted."""
        wanted = pa.array(rows)
        columns = {name: column.take(wanted) for name, column in self.columns.items()}
        documents = None if self.documents is None else self.documents[rows]
        numbers = {name: which[rows] for name, which in self.numbers.items()}
        return replace(
            self,
            columns=columns,
            lines=self.lines[rows],
            documents=documents,
            numbers=numbers,
            records=None if self.records is None else self.records[rows],
        )

    def continuing(self, which: np.ndarray) -> Texts:
        """Without the records that belong to another one (a mask), which are counted."""
        if not which.any():
            return self
        kept = self.take(np.flatnonzero(~which))
        return replace(kept, continued=self.continued + int(which.sum()))

    def reject(self, which: np.ndarray, column: str | None, reason: str, note: str = "") -> Texts:
        """Without some records (a mask), each rejected for `reason`."""
        rows = np.flatnonzero(which)
        if not len(rows):
            return self
        cells = self.column(column or "sku").take(pa.array(rows)).to_pylist()
        skus = self.column("sku").take(pa.array(rows)).to_pylist()
        documents = self.documents if self.documents is not None else np.zeros(len(self), int)
        found = tuple(
            Fault(line, column, cell, reason, sku or None, note, document, record)
            for line, cell, sku, document, record in zip(
                self.lines[rows].tolist(),
                cells,
                skus,
                documents[rows].tolist(),
                [None] * len(rows) if self.records is None else self.records[rows].tolist(),
                strict=True,
            )
        )
        kept = self.take(np.flatnonzero(~which))
        return replace(kept, faults=(*self.faults, *found))

    def warn(self, *words: str) -> Texts:
        """With more warnings."""
        return replace(self, warnings=(*self.warnings, *words))
