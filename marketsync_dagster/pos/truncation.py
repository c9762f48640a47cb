"""Signs that a file ends before its export did.

A file that is smaller than yesterday's is the guard's subject; here one file speaks for itself.
"""

from __future__ import annotations

import re

import pyarrow as pa

from marketsync_dagster.pos.dialect import declared_count, is_trailer
from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tokens import Odd, Tokens
from marketsync_dagster.pos.totals import is_total_line

_FIGURE = re.compile(r"[0-9]+[.,]([0-9]+)")
_TRAILERS = 100
"""How many odd records at the end may be trailers."""


class Ending:
    """Takes the records of a file, part after part, and judges its end.

    `ended`: the last line has its line end; `declared`: how many records a title line promises.
    """

    def __init__(self, ended: bool, declared: int | None, file: str) -> None:
        self.declared = declared
        self._ended = ended
        self._file = file
        self._records = 0
        self._last_line = 0
        self._tail: list[Odd] = []
        self._form = _Form()

    def add(self, found: Tokens) -> list[Odd]:
        """The odd records that are certainly no trailers of the export."""
        if len(found.lines):
            self._records += len(found.lines)
            self._last_line = int(found.lines[-1])
            if not self._ended:
                self._form.add(found.columns[-1])
        odd = [*self._tail, *found.odd]
        keep = next(
            (place for place, record in enumerate(odd) if record.line > self._last_line), len(odd)
        )
        keep = max(keep, len(odd) - _TRAILERS)
        self._tail = odd[keep:]
        self._records += keep
        return odd[:keep]

    def finish(self) -> list[Odd]:
        """The odd records at the end without the trailer lines.

        Raises ExtractError truncated: a declared count is not reached, the last line lacks
        columns and its line end, or its last value is cut where all others have the same form.
        """
        odd, file = self._tail, self._file
        while odd:
            count = declared_count(odd[-1].cells)
            if count is None and not is_trailer(odd[-1].cells):
                break
            self.declared = count if count is not None else self.declared
            odd.pop()
        records = self._records + len(odd)
        if self.declared is not None and records < self.declared:
            message = f"{file} declares {self.declared} records and has {records}"
            raise refuse("truncated", message)
        if self._ended or not records:
            return odd
        if odd:
            if odd[-1].reason == "too_few_columns" and not is_total_line(odd[-1].cells):
                line = odd[-1].line
                raise refuse("truncated", f"{file}, line {line}: the last line lacks columns")
        elif self._form.is_cut():
            message = f"{file}, line {self._last_line}: the last line ends in the middle of a value"
            raise refuse("truncated", message)
        return odd


class _Form:
    """The form of the last column's values: all but the very last one, and that one."""

    def __init__(self) -> None:
        self._seen = 0
        self._first = self._last = ""
        self._blank = False
        self._alike = True

    def add(self, column: pa.Array) -> None:
        texts = pc.utf8_trim_whitespace(column)
        if not self._seen:
            self._first = texts[0].as_py()
        else:
            texts = pa.concat_arrays([pa.array([self._last], pa.string()), texts])
        others, self._last = texts[:-1], texts[-1].as_py()
        self._seen += len(column)
        self._blank |= bool(as_bool(pc.equal(others, "")).any())
        pattern = self._pattern()
        if self._alike and pattern is not None:
            self._alike = bool(as_bool(pc.match_substring_regex(others, f"^{pattern}$")).all())

    def _pattern(self) -> str | None:
        figure = _FIGURE.fullmatch(self._first)
        return f"[0-9]+[.,][0-9]{{{len(figure.group(1))}}}" if figure else None

    def is_cut(self) -> bool:
        """Whether the last value differs in form from all the others."""
        if self._seen < 3:
            return False
        if not self._last:
            return not self._blank
        pattern = self._pattern()
        return bool(pattern and self._alike and not re.fullmatch(pattern, self._last))
