"""Records that come one by one, with names that come as they like, made into blocks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Block, Kind, Limits
from marketsync_dagster.pos.tokens import Odd

ROWS = 16_384
_CELLS = 500_000
LONGEST_NAME = 1000
JOIN = "|"
"""Between the values of a name that is there several times in one record."""


class Builder:
    """Gathers records until they are a block."""

    def __init__(self, headers: list[str], limits: Limits, file: str) -> None:
        self.headers = headers
        """Of the table; grows as names are met."""
        self.records = 0
        """Records so far, the odd ones too."""
        self._limits = limits
        self._file = file
        self._place: dict[str, int] = {}
        self._columns: list[list[str | None]] = []
        self._kinds: dict[int, list[tuple[int, Kind]]] = {}
        self._lines: list[int] = []
        self._odd: list[Odd] = []
        self._text = 0

    def column(self, name: str, line: int) -> int:
        """The place of a column; a name that is new gets one. Raises ExtractError: too_wide,
        value_too_long."""
        place = self._place.get(name)
        if place is None:
            if len(name) > LONGEST_NAME:
                message = f"{self._file}, line {line}: a name has over {LONGEST_NAME} characters"
                raise refuse("value_too_long", message)
            place = self._place[name] = len(self.headers)
            if place >= self._limits.columns:
                message = f"{self._file}, line {line}: more than {place} different names"
                raise refuse("too_wide", message)
            self.headers.append(name)
            self._columns.append([])
        return place

    def add(self, line: int, cells: dict[int, str], kinds: dict[int, Kind] | None = None) -> None:
        """One record: place of the column -> text."""
        row = len(self._lines)
        size = 0
        for place, text in cells.items():
            column = self._columns[place]
            if len(column) < row:
                column.extend([None] * (row - len(column)))
            column.append(text)
            size += len(text)
        if kinds:
            for place, kind in kinds.items():
                self._kinds.setdefault(place, []).append((row, kind))
        self._lines.append(line)
        self._text += size
        self.records += 1

    def add_odd(self, odd: Odd) -> None:
        """A record that is no row of the table."""
        self._odd.append(odd)
        self._text += sum(map(len, odd.cells))
        self.records += 1

    def is_full(self) -> bool:
        """Whether it is time for `take`."""
        rows = len(self._lines)
        return (
            rows + len(self._odd) >= ROWS
            or self._text * 4 >= self._limits.block_bytes
            or rows * len(self.headers) >= _CELLS
        )

    def take(self) -> Block | None:
        """What was gathered; None: nothing."""
        rows = len(self._lines)
        if not rows and not self._odd:
            return None
        columns: dict[str, pa.Array] = {}
        for name, column in zip(self.headers, self._columns, strict=True):
            column.extend([None] * (rows - len(column)))
            columns[name] = pa.array(column, pa.string())
            column.clear()
        kinds: dict[str, np.ndarray] = {}
        for place, found in self._kinds.items():
            of_column = kinds[self.headers[place]] = np.zeros(rows, np.uint8)
            for row, kind in found:
                of_column[row] = kind
        block = Block(columns, np.array(self._lines, np.int64), kinds, self._odd)
        self._lines, self._odd, self._kinds, self._text = [], [], {}, 0
        return block
