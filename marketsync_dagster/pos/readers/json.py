"""JSON documents and JSON lines: one object for each record, nested ones with dotted names.

A document is walked through by its signs; the records are cut out one by one and parsed by the
standard library, which keeps numbers as they are written. Physical lines come from the text before
each record. Nothing is in memory but a few records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from marketsync_dagster.pos.opening import open_text
from marketsync_dagster.pos.readers.building import LONGEST_NAME, Builder
from marketsync_dagster.pos.readers.cursor import Cursor
from marketsync_dagster.pos.readers.facts import Facts
from marketsync_dagster.pos.readers.objects import DECODER, Faulty, flatten, number
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Block, Limits, Table
from marketsync_dagster.pos.tokens import Odd

_SHOWN = 500
"""So many characters of a record that cannot be used are kept."""
_RECORD_TOKENS = 2
"""A record may be this many times as long as one value may be."""
_LINE_END = re.compile(r"\r\n|\n|\r")


def read_json(
    source: Path | bytes,
    *,
    file: str,
    records: str | None = None,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> Table:
    """One JSON document as a table.

    `records`: where the array of the records is, `data.items`, or `` for the document itself;
    without, the only array of objects that is in no other array. Values of objects are columns of
    dotted names, arrays of single values are joined with `|`; `Block.kinds` tells numbers and
    booleans from text. A record that is no object, that has a name twice, or text that is no text,
    is among the odd ones. `Table.facts` has the single values outside the records.

    Raises ExtractError, also while blocks are read: what `open_text` raises, bad_json,
    truncated, too_deep, too_wide, value_too_long, no_records, ambiguous_records.
    """
    limits = limits or Limits()
    table, text = _opened(source, file, encoding, limits)
    walk = _Walk(table, text, records, limits, file)
    table.blocks = walk.blocks()
    return table


def read_json_lines(
    source: Path | bytes,
    *,
    file: str,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> Table:
    """JSON lines as a table: one object a line; the rest is as `read_json` has it.

    A line that is no JSON is among the odd records; half a line at the end is `truncated`.
    """
    limits = limits or Limits()
    table, text = _opened(source, file, encoding, limits)
    table.blocks = _line_blocks(table, text, limits, file)
    return table


def _opened(
    source: Path | bytes, file: str, encoding: str | None, limits: Limits
) -> tuple[Table, Iterator[str]]:
    opened = open_text(source, encoding, file, limits, in_lines=False)
    table = Table(
        iter(()), encoding=opened.encoding, guessed=opened.guessed, warnings=[*opened.warnings]
    )
    return table, opened.texts()


class _Gatherer:
    """Parsed records into blocks."""

    def __init__(self, table: Table, limits: Limits, file: str) -> None:
        self.build = Builder(table.headers, limits, file)
        self._table = table
        self._limits = limits
        self._file = file
        self._skipped: dict[str, None] = {}

    def add(self, value: Any, line: int, text: str) -> None:
        """One record, from its parsed value and its text."""
        try:
            cells, kinds = flatten(value, text, line, self.build, self._limits, self._skipped)
        except Faulty as fault:
            self.build.add_odd(Odd(line, [_short(text)], fault.reason))
        except RecursionError:
            raise too_deep(self._file, line, self._limits) from None
        else:
            self.build.add(line, cells, kinds)
            most = self._limits.token_bytes
            if len(text) > most and max(map(len, cells.values()), default=0) > most:
                message = f"{self._file}, line {line}: a value has more than {most} characters"
                raise refuse("value_too_long", message)

    def finish(self) -> None:
        """Say what was left out."""
        if self._skipped:
            names = ", ".join(f"`{name}`" for name in list(self._skipped)[:10])
            self._table.warnings.append(f"Lists of objects inside records are left out: {names}.")


def too_deep(file: str, line: int, limits: Limits) -> Exception:
    """The refusal of a document with too many brackets in brackets."""
    message = f"{file}, line {line}: values are nested deeper than {limits.depth}"
    return refuse("too_deep", message)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# --- JSON lines ------------------------------------------------------------------------------


def _line_blocks(table: Table, text: Iterator[str], limits: Limits, file: str) -> Iterator[Block]:
    gather = _Gatherer(table, limits, file)
    for number_, line, ended in _lines_of(text, limits, file):
        if not line or line.isspace():
            continue
        try:
            value = DECODER.decode(line)
        except RecursionError:
            raise too_deep(file, number_, limits) from None
        except json.JSONDecodeError as error:
            if not ended:
                message = f"{file}, line {number_}: the last line ends in the middle of a record"
                raise refuse("truncated", message) from None
            if not gather.build.records:
                where = f"{file}, line {number_}, column {error.pos + 1}"
                message = f"{where}: {error.msg}; each line is to be one record"
                raise refuse("bad_json", message) from None
            gather.build.add_odd(Odd(number_, [_short(line)], "bad_record"))
        else:
            if type(value) is not tuple and not gather.build.records:
                raise refuse("no_records", f"{file}, line {number_}: this is no JSON object")
            gather.add(value, number_, line)
        if gather.build.is_full() and (block := gather.build.take()):
            yield block
    gather.finish()
    if block := gather.build.take():
        yield block


def _lines_of(text: Iterator[str], limits: Limits, file: str) -> Iterator[tuple[int, str, bool]]:
    """Number, text, and whether it has a line end, of every line."""
    most = _RECORD_TOKENS * limits.token_bytes
    line = 1
    rest: list[str] = []
    size = 0
    held = ""
    for piece in text:
        # a line end may be cut in two
        piece = held + piece
        held = "\r" if piece.endswith("\r") else ""
        parts = _LINE_END.split(piece.removesuffix("\r") if held else piece)
        for part in parts[:-1]:
            yield line, "".join([*rest, part]), True
            line += 1
            rest, size = [], 0
        rest.append(parts[-1])
        size += len(parts[-1])
        if size > most:
            raise refuse("value_too_long", f"{file}, line {line}: longer than {most} characters")
    if held:
        yield line, "".join(rest), True
    elif size:
        yield line, "".join(rest), False


# --- documents -------------------------------------------------------------------------------


class _Walk:
    """Goes through a document: facts outside the records, records inside their array."""

    def __init__(
        self, table: Table, text: Iterator[str], records: str | None, limits: Limits, file: str
    ) -> None:
        self._table = table
        self._limits = limits
        self._file = file
        self._at = Cursor(text, _RECORD_TOKENS * limits.token_bytes, file)
        self._path = None if records is None else tuple(p for p in records.split(".") if p)
        self._gather = _Gatherer(table, limits, file)
        self._facts = Facts()
        self._found: str | None = None
        self._counts: dict[str, int] = {}
        self._is_empty = False
        """Whether an empty array was met, which may be that of the records."""

    def blocks(self) -> Iterator[Block]:
        """All blocks; then what is known of the whole document is set in the table."""
        at = self._at
        yield from self._value((), 0)
        if at.peek():
            raise at.bad("there is more behind the document; it may be JSON lines")
        if self._found is None:
            if self._path is not None:
                path = ".".join(self._path) or "the document itself"
                raise refuse("no_records", f"{self._file} has no array of objects at `{path}`")
            if self._gather.build.records == 0 and not self._is_empty:
                raise refuse("no_records", f"{self._file} has no array of objects")
        self._gather.finish()
        self._table.facts, doubtful = self._facts.told()
        self._table.warnings.extend(doubtful)
        self._check_count()
        if block := self._gather.build.take():
            yield block

    def _value(self, path: tuple[str, ...], depth: int) -> Iterator[Block]:
        at = self._at
        sign = at.peek()
        if depth > self._limits.depth:
            raise too_deep(self._file, at.line(), self._limits)
        if sign == "{":
            yield from self._object(path, depth)
        elif sign == "[":
            yield from self._array(path, depth)
        elif not sign:
            raise at.cut()
        else:
            self._fact(path, at.value())

    def _object(self, path: tuple[str, ...], depth: int) -> Iterator[Block]:
        at = self._at
        at.skip()
        if at.peek() == "}":
            at.skip()
            return
        seen: set[str] = set()
        while True:
            sign = at.peek()
            if not sign:
                raise at.cut()
            if sign != '"':
                raise at.bad("a name in quotes is expected")
            line = at.line()
            name = at.value()
            if name in seen:
                message = f"{self._file}, line {line}: the name {name[:200]!r} is there twice"
                raise refuse("duplicate_header", message)
            if len(name) > LONGEST_NAME:
                message = f"{self._file}, line {line}: a name has over {LONGEST_NAME} characters"
                raise refuse("value_too_long", message)
            seen.add(name)
            if len(seen) > self._limits.columns:
                message = (
                    f"{self._file}, line {line}: an object has more than {len(seen) - 1} names"
                )
                raise refuse("too_wide", message)
            at.expect(":")
            yield from self._value((*path, name), depth + 1)
            if not at.goes_on("}"):
                return

    def _array(self, path: tuple[str, ...], depth: int) -> Iterator[Block]:
        at = self._at
        line = at.line()
        at.skip()
        sign = at.peek()
        if not sign:
            raise at.cut()
        if sign == "]":
            at.skip()
            if "[]" not in path:
                self._is_empty = True
                if path == self._path:
                    self._found = ".".join(path)
            return
        wanted = path == self._path if self._path is not None else sign == "{" and "[]" not in path
        if wanted and sign == "{":
            label = ".".join(path) or "the document itself"
            if self._found is not None:
                raise refuse(
                    "ambiguous_records",
                    f"{self._file}, line {line}: the records may be in `{self._found}` or in "
                    f"`{label}`",
                )
            self._found = label
            yield from self._records()
            return
        while True:
            # what is in an array outside the records is gone through and not kept
            yield from self._value((*path, "[]"), depth + 1)
            if not at.goes_on("]"):
                return

    def _records(self) -> Iterator[Block]:
        at, gather = self._at, self._gather
        while True:
            if not at.peek():
                raise at.cut()
            line = at.line()
            try:
                value, text = at.value_with_text()
            except RecursionError:
                raise too_deep(self._file, line, self._limits) from None
            gather.add(value, line, text)
            if gather.build.is_full() and (block := gather.build.take()):
                yield block
            if not at.goes_on("]"):
                return

    def _fact(self, path: tuple[str, ...], value: Any) -> None:
        if not path or "[]" in path or value is None:
            return
        text = ("false", "true")[value] if isinstance(value, bool) else str(value)
        if len(text) > Facts.LONGEST:
            return
        label = ".".join(path)
        is_count = path[-1].casefold() == "count" and number(value) and text.isdigit()
        if is_count and len(self._counts) < Facts.MOST:
            self._counts[label.rpartition(".")[0]] = int(text)
        self._facts.add(label, path[-1], text)

    def _check_count(self) -> None:
        """`count` beside the array of the records is how many there are."""
        beside = (self._found or "").rpartition(".")[0]
        if self._found is None or beside not in self._counts:
            return
        declared, records = self._counts[beside], self._gather.build.records
        self._table.declared = declared
        if records < declared:
            message = f"{self._file} declares {declared} records and has {records}"
            raise refuse("truncated", message)
