"""XML documents: one element for each record, its leaves and attributes for the cells.

Read by expat in one go, with a few records in memory at a time. Names are compared without
namespace and without regard to case. A DOCTYPE is refused, and with it every entity that a
document could define.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from marketsync_dagster.pos.opening import open_text
from marketsync_dagster.pos.readers.building import JOIN, Builder
from marketsync_dagster.pos.readers.elements import Elements, Node, parse, stepwise
from marketsync_dagster.pos.readers.facts import Facts
from marketsync_dagster.pos.readers.paths import (
    RecordPath,
    ambiguous,
    has_values,
    most_repeated,
    outside,
)
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Block, Limits, Table

_SAMPLE = 8 * 2**20
"""So many characters are looked at to find out which element is the record."""
_RECORD_TOKENS = 4
"""A record's values together may be this many times as long as one may be."""


def read_xml(
    source: Path | bytes,
    *,
    file: str,
    records: Sequence[str] = (),
    fields: Mapping[str, str] | None = None,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> Table:
    """One XML document as a table.

    `records`: the element of the records, `Items/Item` (wherever it is) or `/Root/Items/Item`;
    several are alternatives; without, the most repeated element. `fields`: column -> path inside
    the record: `ItemPrice`, `Price/Amount`, `Price/@currency`, `@id`, `.` (the record's own
    text), `../StoreId` (of the element around it, written before the record); without, every leaf
    and attribute is a column of its path. A name that is there several times in one record gives
    one value, joined with `|`. `Table.facts` has the leaves outside the records by their names,
    where they have one value; `Table.declared` the `Count` of what holds the records.

    Raises ExtractError, also while blocks are read: what `open_text` raises, doctype, bad_xml,
    truncated, too_deep, too_wide, value_too_long, no_records, ambiguous_records.
    """
    limits = limits or Limits()
    opened = open_text(source, encoding, file, limits, in_lines=False)
    paths = [RecordPath.of(path) for path in records]
    text = opened.texts()
    if not paths:
        text, node = _scouted(text, limits, file)
        paths = [] if node is None else [RecordPath(tuple(n.key for n in node.path()), True)]
    table = Table(
        iter(()), encoding=opened.encoding, guessed=opened.guessed, warnings=[*opened.warnings]
    )
    reader = _Records(table, paths, _Fields.of(fields), limits, file)
    table.blocks = reader.blocks(text, named=bool(records))
    return table


def _scouted(text: Iterator[str], limits: Limits, file: str) -> tuple[Iterator[str], Node | None]:
    """The whole text again, and the record element by its first megabytes."""
    head: list[str] = []
    size = 0
    for piece in text:
        head.append(piece)
        size += len(piece)
        if size >= _SAMPLE:
            break
    scout = Elements(limits, file)
    parse(head, scout, whole=size < _SAMPLE)
    return chain(head, text), most_repeated(scout.top)


@dataclass(frozen=True)
class _Fields:
    """The columns that are wanted."""

    inside: dict[tuple[str, ...], list[str]]
    """Path of keys inside the record -> columns."""
    around: list[tuple[str, int, str]]
    """Column, levels up, key."""

    @classmethod
    def of(cls, fields: Mapping[str, str] | None) -> _Fields | None:
        if fields is None:
            return None
        inside: dict[tuple[str, ...], list[str]] = {}
        around: list[tuple[str, int, str]] = []
        for column, path in fields.items():
            parts = [part.casefold() for part in path.strip().strip("/").split("/")]
            levels = parts.count("..")
            if levels:
                around.append((column, levels, parts[-1]))
            else:
                own = tuple(part for part in parts if part != ".")
                inside.setdefault(own, []).append(column)
        return cls(inside, around)


class _Records(Elements):
    """Makes records of the elements that are some, and facts of the rest."""

    def __init__(
        self,
        table: Table,
        paths: list[RecordPath],
        fields: _Fields | None,
        limits: Limits,
        file: str,
    ) -> None:
        super().__init__(limits, file)
        self.parser.CharacterDataHandler = self._characters
        self._table = table
        self._paths = paths
        self._fields = fields
        self._build = Builder(table.headers, limits, file)
        self._facts = Facts()
        self._record: Node | None = None
        self._is_record: set[Node] = set()
        self._line = 0
        self._cells: dict[int, str] = {}
        self._size = 0
        self._columns: dict[Node, list[str]] = {}
        self._attribute_columns: dict[tuple[Node, str], list[str]] = {}
        self._counts: dict[Node, int] = {}
        # of every open element: the pieces of its text; and outside records what it says
        self._texts: list[list[str]] = []
        self._text_size = 0
        self._scopes: list[dict[str, str]] = [{}]

    def blocks(self, text: Iterator[str], *, named: bool) -> Iterator[Block]:
        """All blocks; then what is known of the whole document is set in the table."""
        for _ in stepwise(text, self):
            if self._build.is_full() and (block := self._build.take()):
                yield block
        self._end_of_document(named)
        if block := self._build.take():
            yield block

    # --- elements ----------------------------------------------------------------------------

    def met(self, node: Node) -> None:
        """Remember which nodes are records."""
        if any(path.fits(node) for path in self._paths):
            self._is_record.add(node)

    def begin(self, node: Node, attributes: list[str]) -> None:
        """A record, something in one, or something outside."""
        if self._record is None and self._texts and self._texts[-1]:
            # the blanks between a million records are nobody's value
            self._text_size -= sum(map(len, self._texts[-1]))
            self._texts[-1].clear()
        self._texts.append([])
        if self._record is None and node in self._is_record:
            self._record = node
            self._line = self.line()
            self._cells = {}
            self._size = 0
            self._take_around()
        if self._record is None:
            self._scopes.append({})
            for spelled, value in zip(attributes[::2], attributes[1::2], strict=True):
                self._fact_of_attribute(node, node.attributes[spelled], value)
            return
        for spelled, value in zip(attributes[::2], attributes[1::2], strict=True):
            name = node.attributes[spelled]
            if name is not None:
                for column in self._columns_of_attribute(node, name):
                    self._put(column, value)

    def finish(self, node: Node) -> None:
        """A value, if it is a leaf or has text; a record, if it is one."""
        pieces = self._texts.pop()
        text = "".join(pieces)
        self._text_size -= len(text)
        if self._record is None:
            self._scopes.pop()
            if not node.children and len(text) <= Facts.LONGEST:
                self._scopes[-1][node.key] = text
                self._facts.add(node.label(), node.name, text)
            return
        # what holds others has blanks between them
        if text.strip() or not (node.children or node is self._record):
            for column in self._columns_of(node):
                self._put(column, text)
        if node is self._record:
            self._build.add(self._line, self._cells)
            self._record = None

    def _characters(self, text: str) -> None:
        if not self._texts:
            return
        self._text_size += len(text)
        if self._text_size > self.limits.token_bytes:
            raise self._too_long()
        self._texts[-1].append(text)

    # --- cells -------------------------------------------------------------------------------

    def _columns_of(self, node: Node) -> list[str]:
        columns = self._columns.get(node)
        if columns is None:
            columns = self._columns[node] = self._named(self._inside(node))
        return columns

    def _columns_of_attribute(self, node: Node, name: str) -> list[str]:
        columns = self._attribute_columns.get((node, name))
        if columns is None:
            columns = self._named([*self._inside(node), f"@{name}"])
            self._attribute_columns[node, name] = columns
        return columns

    def _inside(self, node: Node) -> list[str]:
        names: list[str] = []
        while node is not self._record:
            names.append(node.name)
            assert node.parent is not None
            node = node.parent
        return names[::-1]

    def _named(self, path: list[str]) -> list[str]:
        if self._fields is not None:
            return self._fields.inside.get(tuple(name.casefold() for name in path), [])
        assert self._record is not None
        name = "/".join(path) or self._record.name
        # two spellings of an attribute are one name
        folded = name.casefold()
        return [next((one for one in self._table.headers if one.casefold() == folded), name)]

    def _put(self, column: str, text: str) -> None:
        self._size += len(text)
        if self._size > _RECORD_TOKENS * self.limits.token_bytes:
            raise self._too_long()
        place = self._build.column(column, self._line)
        before = self._cells.get(place)
        if before is None:
            self._cells[place] = text
        else:
            self._cells[place] = f"{before}{JOIN}{text}"
            self._size += 1

    def _take_around(self) -> None:
        if self._fields is None:
            return
        for column, levels, key in self._fields.around:
            # the last scope is that of the element around the record
            value = self._scopes[-levels].get(key) if levels <= len(self._scopes) else None
            if value is not None:
                self._put(column, value)

    def _too_long(self) -> Exception:
        limit = self.limits.token_bytes
        message = f"{self.file}, line {self.line()}: a value has more than {limit} characters"
        return refuse("value_too_long", message)

    # --- what is outside ---------------------------------------------------------------------

    def _fact_of_attribute(self, node: Node, name: str | None, value: str) -> None:
        if name is None or len(value) > Facts.LONGEST:
            return
        self._scopes[-1][f"@{name.casefold()}"] = value
        if name.casefold() == "count":
            if value.strip().isascii() and value.strip().isdigit():
                self._counts[node] = self._counts.get(node, 0) + int(value)
        else:
            self._facts.add(f"{node.label()}/@{name}", f"{node.name}/@{name}", value)

    def _end_of_document(self, named: bool) -> None:
        table, records, file = self._table, self._build.records, self.file
        table.facts, doubtful = self._facts.told()
        table.warnings.extend(doubtful)
        holders = {node.parent for node in self._is_record}
        counts = [
            count
            for node, count in self._counts.items()
            if not self._paths
            or node in holders
            or any(path.fits_parent(node) for path in self._paths)
        ]
        if counts:
            table.declared = sum(counts)
            if records < table.declared:
                message = f"{file} declares {table.declared} records and has {records}"
                raise refuse("truncated", message)
            if records > table.declared:
                table.warnings.append(f"It declares {table.declared} records and has {records}.")
        others = [node for node in outside(self.top, list(self._is_record)) if node.count > 1]
        if named and not records and others:
            most = max(others, key=lambda node: node.count)
            paths = " or ".join(f"`{'/'.join(path.parts)}`" for path in self._paths)
            message = f"{file} has no {paths}; `{most.label()}` is there {most.count} times"
            raise refuse("no_records", message)
        for record in () if named else self._is_record:
            # what is repeated around the records and has values of its own may be the product
            around = [node for node in record.path()[1:-1] if node.count > 1 and has_values(node)]
            for node in around + [one for one in others if one.count * 2 >= records]:
                raise ambiguous(record, node, file)
