"""From the rows of a sheet to a table: which sheet, which row is the header, blocks of records.

Shared by every spreadsheet format. Rows come as they are in the file, with their own numbers;
what is empty in a sheet is no cell. Which headers mean what is `columns`' subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.columns import meaning, recognised
from marketsync_dagster.pos.dialect import LOOK_AT, declared_count, is_trailer
from marketsync_dagster.pos.header_rows import goes_on, joined
from marketsync_dagster.pos.readers.facts import of_lines
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Block, Kind, Limits, Table
from marketsync_dagster.pos.tokens import Odd

Cell = tuple[str, Kind]
Row = tuple[int, dict[int, Cell]]
"""The number of a row, from 1, and its cells by column, from 0; cells without text are left out.
A formula whose value is not kept has its own text, `=A1*2`, which is neither price nor SKU."""

BLOCK_CELLS = 400_000
"""So many cells at most are in a block: as Python objects they take more than their text."""
_TRAILERS = 20


@dataclass(frozen=True)
class Merge:
    """Cells that are shown as one; rows from 1, columns from 0, ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass
class Sheet:
    """One sheet of a workbook. `rows` can be called again and begins anew."""

    name: str
    hidden: bool
    rows: Callable[[], Iterator[Row]]
    merges: Callable[[], Sequence[Merge]]
    warnings: list[str] = field(default_factory=list)
    """What was noticed while reading; complete when `rows` has ended."""


@dataclass(frozen=True)
class _Head:
    first: int
    """The row with most of the headers that are asked for."""
    last: int
    """The last row of the header, where cells are merged over several rows."""
    names: list[str]
    before: list[list[str]]
    rank: int
    """2: SKU and price are there; 1: some headers are; 0: none is known."""


def table_of(
    sheets: Sequence[Sheet],
    asked: str | None,
    configured: Mapping[str, str],
    file: str,
    limits: Limits,
) -> Table:
    """The table of the sheet that is asked for, or of the only visible one with a header.

    Raises ExtractError empty, unknown_sheet, ambiguous_sheet; `blocks` raises truncated,
    too_large, damaged_sheet.
    """
    sheet, head = _choose(sheets, asked, configured, file)
    facts, doubtful = of_lines(head.before)
    counts = [count for cells in head.before if (count := declared_count(cells)) is not None]
    table = Table(
        blocks=iter(()),
        headers=head.names,
        header_line=head.first,
        declared=counts[0] if counts else None,
        facts={**facts, "sheet": sheet.name},
        warnings=doubtful,
    )
    hidden = [other.name for other in sheets if other.hidden and other is not sheet]
    if hidden:
        table.warnings.append(f"hidden sheets are not read: {', '.join(hidden[:20])}")
    if sheet.hidden:
        table.warnings.append(f"the sheet {sheet.name!r} is hidden")
    table.blocks = _blocks(sheet, head, table, file, limits)
    return table


def _choose(
    sheets: Sequence[Sheet], asked: str | None, configured: Mapping[str, str], file: str
) -> tuple[Sheet, _Head]:
    names = ", ".join(repr(sheet.name) for sheet in sheets[:20])
    if asked is not None:
        found = [sheet for sheet in sheets if sheet.name == asked]
        found = found or [s for s in sheets if s.name.strip().casefold() == asked.casefold()]
        if len(found) != 1:
            raise refuse("unknown_sheet", f"{file} has no sheet {asked!r}; there are {names}")
        head = _head(found[0], configured, file)
        if head is None:
            raise refuse("empty", f"{file}, sheet {asked!r} has no row with a value")
        return found[0], head
    heads = [(s, head) for s in sheets if not s.hidden and (head := _head(s, configured, file))]
    if not heads:
        raise refuse("empty", f"{file} has no visible sheet with a value; there are {names}")
    rank = max(head.rank for _, head in heads)
    best = [(sheet, head) for sheet, head in heads if head.rank == rank]
    if len(best) > 1:
        names = " and ".join(repr(sheet.name) for sheet, _ in best[:20])
        raise refuse("ambiguous_sheet", f"{file}: {names} may all hold the products")
    return best[0]


def _head(sheet: Sheet, configured: Mapping[str, str], file: str) -> _Head | None:
    """The header of a sheet; None where it has no filled row."""
    filled: list[tuple[int, list[str]]] = []
    for number, cells in sheet.rows():
        # a line break in a header, or in a title, is a blank
        texts = [" ".join(text.split()) for text in _texts(cells)]
        if any(texts):
            filled.append((number, texts))
            if len(filled) >= LOOK_AT:
                break
    if not filled:
        return None
    scores = [recognised(texts, configured) for _, texts in filled]
    best = max(scores)
    if best:
        index = scores.index(best)
    else:
        counts = [sum(bool(text.strip()) for text in texts) for _, texts in filled]
        usual = max(set(counts), key=lambda count: (counts.count(count), count))
        index = counts.index(usual)
    number, texts = filled[index]
    last, names = _names(sheet, dict(filled), number, configured)
    return _Head(
        first=number,
        last=last,
        names=names,
        before=[cells for row, cells in filled if row < number],
        rank=_rank(names, configured) if best else 0,
    )


def _rank(names: list[str], configured: Mapping[str, str]) -> int:
    if configured:
        wanted = {header.strip().casefold() for header in configured.values()}
        return 2 if wanted <= {name.casefold() for name in names} else 1
    found = {meaning(name) for name in names if name}
    return 2 if "sku" in found and found & {"price", "promo_price"} else 1


def _names(
    sheet: Sheet, filled: dict[int, list[str]], number: int, configured: Mapping[str, str]
) -> tuple[int, list[str]]:
    """The last row of the header, and the name of each column."""
    last, names = _merged_names(sheet, filled, number)
    if last == number and names == _tidy(filled[number]):
        # no merged cells: groups may still stand above names
        above, here, below = (_tidy(filled.get(row)) for row in range(number - 1, number + 2))
        both = joined(above, here, configured) if above else None
        if both is not None:
            return number, both
        both = joined(here, below, configured) if below and goes_on(here, below) else None
        if both is not None:
            return number + 1, [*both, *here[len(both) :]]
    return last, names


def _tidy(texts: Sequence[str] | None) -> list[str]:
    """Headers in one line each, without blanks around them and without empty ones at the end."""
    names = [" ".join(text.split()) for text in texts or ()]
    while names and not names[-1]:
        names.pop()
    return names


def _merged_names(sheet: Sheet, filled: dict[int, list[str]], number: int) -> tuple[int, list[str]]:
    """The last row of the header and the names, by its merged cells.

    A header that is merged over two rows takes the second row into the header. Names that are
    merged over columns stand before the names below them (`Prices` over `Regular`); where nothing
    is below, the further columns get a number: `Code`, `Code (2)`.
    """
    merges = [merge for merge in sheet.merges() if merge.left <= merge.right]
    last = max((m.bottom for m in merges if m.top <= number <= m.bottom), default=number)
    # cells merged over many rows are no header
    last = last if last - number < 5 and any(row in filled for row in range(number, last + 1)) \
        else number  # fmt: skip
    above = number - 1
    groups = [m for m in merges if m.top == above == m.bottom and m.right > m.left > 0]
    first = above if groups and above in filled else number
    rows = [filled.get(row, []) for row in range(first, last + 1)]
    width = max(len(row) for row in rows)
    width = max([width, *(m.right + 1 for m in merges if first <= m.top <= last)])
    wide = {
        (row, column): m
        for m in merges
        if m.right - m.left < 2000
        for row in range(max(m.top, first), min(m.bottom, last) + 1)
        for column in range(m.left, m.right + 1)
    }
    names: list[str] = []
    for column in range(width):
        parts: list[str] = []
        origins: set[tuple[int, int]] = set()
        for row in range(first, last + 1):
            merge = wide.get((row, column))
            origin = (merge.top, merge.left) if merge else (row, column)
            texts = filled.get(origin[0], [])
            text = " ".join(texts[origin[1]].split()) if origin[1] < len(texts) else ""
            if text and origin not in origins:
                parts.append(text)
            origins.add(origin)
        name = " ".join(parts)
        if name and name in names and any((row, column) in wide for row in range(first, last + 1)):
            name = f"{name} ({1 + sum(known.startswith(name) for known in names)})"
        names.append(name)
    return last, _tidy(names)


def _texts(cells: dict[int, Cell]) -> list[str]:
    texts = [""] * (max(cells, default=-1) + 1)
    for column, (text, _) in cells.items():
        texts[column] = text
    return texts


def _is_blank(cells: dict[int, Cell]) -> bool:
    return not any(text.strip() for text, _ in cells.values())


def _blocks(sheet: Sheet, head: _Head, table: Table, file: str, limits: Limits) -> Iterator[Block]:
    width = len(head.names)
    block = _Building(head.names)
    held: list[Row] = []
    records = implied = 0
    for number, cells in sheet.rows():
        if number <= head.last or _is_blank(cells):
            continue
        if len(held) < _TRAILERS and _ends(cells):
            held.append((number, cells))
            continue
        # what looked like the end was none
        for row in (*held, (number, cells)):
            implied += width
            if implied > limits.cells:
                raise refuse(
                    "too_large",
                    f"{file}, sheet {sheet.name!r}: more than {limits.cells} cells",
                )
            records += 1
            block.add(row)
            if block.cells >= BLOCK_CELLS or block.size >= limits.block_bytes:
                yield block.done()
                block = _Building(head.names)
        held = []
    for _, cells in held:
        count = declared_count(_texts(cells))
        table.declared = count if count is not None else table.declared
    table.warnings.extend(sheet.warnings)
    if table.declared is not None and records < table.declared:
        raise refuse(
            "truncated",
            f"{file}, sheet {sheet.name!r} declares {table.declared} records and has {records}",
        )
    if block.lines or block.odd:
        yield block.done()


def _ends(cells: dict[int, Cell]) -> bool:
    if len(cells) > 2:
        return False
    texts = _texts(cells)
    return declared_count(texts) is not None or is_trailer(texts)


class _Building:
    """A block on its way."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        # of several columns with one name the first; whoever wants that name refuses the file
        self.wanted: dict[str, int] = {}
        for index, name in enumerate(names):
            if name:
                self.wanted.setdefault(name, index)
        self.columns: dict[str, list[str | None]] = {name: [] for name in self.wanted}
        self.odd_kinds: dict[str, dict[int, Kind]] = {}
        self.numbers: dict[str, list[int]] = {name: [] for name in self.wanted}
        self.lines: list[int] = []
        self.odd: list[Odd] = []
        self.size = self.cells = 0

    def add(self, row: Row) -> None:
        number, cells = row
        width = len(self.names)
        beyond = max(cells) >= width and any(
            text.strip() for column, (text, _) in cells.items() if column >= width
        )
        if beyond:
            self.odd.append(Odd(number, _texts(cells), "too_many_columns"))
            self.cells += max(cells)
            self.size += sum(len(text) for text, _ in cells.values())
            return
        here = len(self.lines)
        self.lines.append(number)
        for name, index in self.wanted.items():
            cell = cells.get(index)
            if cell is None:
                self.columns[name].append(None)
                continue
            text, kind = cell
            self.columns[name].append(text)
            self.size += len(text)
            if kind == Kind.NUMBER:
                self.numbers[name].append(here)
            elif kind:
                self.odd_kinds.setdefault(name, {})[here] = kind
        self.cells += width

    def done(self) -> Block:
        kinds: dict[str, np.ndarray] = {}
        for name in self.wanted:
            odd = self.odd_kinds.get(name, {})
            if not odd and not self.numbers[name]:
                continue
            column = np.zeros(len(self.lines), np.uint8)
            column[self.numbers[name]] = Kind.NUMBER
            column[list(odd)] = list(odd.values())
            kinds[name] = column
        return Block(
            columns={name: pa.array(texts, pa.string()) for name, texts in self.columns.items()},
            lines=np.array(self.lines, np.int64),
            kinds=kinds,
            odd=self.odd,
        )
