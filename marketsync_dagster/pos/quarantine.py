"""The rejected rows of one extract: which, why, and what to do.

Every record is rejected at most once, for the first reason found; the table of reasons is
`reasons`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from marketsync_dagster.pos.model import REJECT_COLUMNS
from marketsync_dagster.pos.reasons import ROW_REASONS

MAX_VALUE = 200


def printable(value: str) -> str:
    r"""`value` with control and invisible characters escaped (`\x07`, `\u200b`), at most 200."""
    escaped = "".join(
        f"\\x{ord(sign):02x}"
        if ord(sign) < 256 and unicodedata.category(sign) in ("Cc", "Cf")
        else f"\\u{ord(sign):04x}"
        if unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")
        else sign
        for sign in value[:MAX_VALUE]
    )
    return escaped[:MAX_VALUE]


class Quarantine:
    """Collects rejects over the regular rows of a file; `ok` says which rows are still good."""

    def __init__(self, file: str, headers: dict[str, str], lines: np.ndarray) -> None:
        self.file = file
        self.headers = headers
        self.lines = lines
        self.ok = np.ones(len(lines), bool)
        self.sku: Callable[[int], str | None] = lambda _: None
        self._rows: list[tuple[int, str | None, str, str, str, str | None]] = []

    def record(
        self, line: int, column: str | None, value: str, reason: str, note: str = ""
    ) -> None:
        """Reject a record that is not among the regular rows."""
        self._add(line, column, value, reason, None, note)

    def row(self, row: int, canonical: str, value: str, reason: str, note: str = "") -> None:
        """Reject a regular row, unless it is rejected already."""
        if self.ok[row]:
            self.ok[row] = False
            column = self.headers.get(canonical)
            self._add(int(self.lines[row]), column, value, reason, self.sku(row), note)

    def rows(
        self, rows: Iterable[int], canonical: str, value: Callable[[int], str], reason: str
    ) -> None:
        """Reject many regular rows for one reason."""
        for row in rows:
            self.row(int(row), canonical, value(int(row)), reason)

    def _add(
        self, line: int, column: str | None, value: str, reason: str, sku: str | None, note: str
    ) -> None:
        step = ROW_REASONS[reason]
        text = f"{note} {step}" if note else step
        self._rows.append((line, column, printable(value), reason, text, sku))

    def __len__(self) -> int:
        return len(self._rows)

    def frame(self) -> pd.DataFrame:
        """The REJECTS frame, by line."""
        rows = sorted(self._rows, key=lambda row: row[0])
        values = list(zip(*((self.file, *row) for row in rows), strict=True))
        values = values or [()] * len(REJECT_COLUMNS)
        return pd.DataFrame(
            {
                name: pd.array(list(column), dtype="int64" if name == "line" else "str")
                for name, column in zip(REJECT_COLUMNS, values, strict=True)
            }
        )
