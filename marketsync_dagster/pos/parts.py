"""The part of a document that is about one outlet: its columns and its records, as `Texts`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import columns as column_names
from marketsync_dagster.pos import layouts, selling
from marketsync_dagster.pos.columns import Columns
from marketsync_dagster.pos.content import Content, Part, joined
from marketsync_dagster.pos.contents import by_content
from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.kinds import without_repeated_skus, without_wrong_kinds
from marketsync_dagster.pos.layouts import outlet_key
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.shifted import is_header_shifted
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.pos.tokens import Odd

SLICE = 250_000
"""Records that are typed at once, where they need not be seen together."""


@dataclass(frozen=True)
class OutletPart:
    """One outlet's part of a document."""

    content: Content
    spec: ExtractSpec
    chosen: Columns
    """The columns, as their cells want them."""
    _keys: Mapping[str, str]
    """Our name -> key of the column."""
    _outlet: tuple[str, pa.Array] | None
    """The column that tells outlets apart, and what this one is called in it; None: all records
    are the outlet's."""
    warnings: Sequence[str]

    @property
    def is_sliced(self) -> bool:
        """Whether its records may be looked at some at a time."""
        return self.content.layout.shape is None

    def odd(self) -> list[Odd]:
        """The records that do not fit the table; of several outlets', those that name this one."""
        if self._outlet is None:
            return list(self.content.odd)
        key, own = self._outlet
        place, called = self.content.place(key), set(own.to_pylist())
        return [
            record
            for record in self.content.odd
            if place < len(record.cells) and record.cells[place].strip() in called
        ]

    def whole(self) -> Texts:
        """All records."""
        return self._texts(joined(list(self._parts()), self._keys.values()))

    def slices(self, size: int | None = None) -> Iterator[Texts]:
        """The records, SLICE or so at a time; at least one slice."""
        size = size or SLICE
        waiting: list[Part] = []
        count = 0
        for part in self._parts():
            waiting.append(part)
            count += len(part.lines)
            if count >= size:
                yield self._texts(joined(waiting, self._keys.values()))
                waiting, count = [], -1
        if waiting or count == 0:
            yield self._texts(joined(waiting, self._keys.values()))

    def _parts(self) -> Iterator[Part]:
        return _records(self.content, self._keys.values(), self._outlet)

    def _texts(self, part: Part) -> Texts:
        texts = Texts(
            columns={name: part.columns[key] for name, key in self._keys.items()},
            lines=part.lines,
            headers=self.chosen.header,
            warnings=tuple(self.warnings),
            facts=self.content.facts,
            records=part.numbers,
        )
        kinds = {name: part.kinds[key] for name, key in self._keys.items() if key in part.kinds}
        texts = without_wrong_kinds(texts, kinds, self.spec, self.content.document.format)
        if not self.content.layout.columns:
            texts = selling.as_sold(texts, self.spec)
        shape = self.content.layout.shape
        if shape is not None:
            return shape(texts, self.spec)
        return without_repeated_skus(texts, self.content.document.format)


def part_of(content: Content, spec: ExtractSpec) -> OutletPart:
    """The part of the outlet that is called one of `spec.keys`.

    Raises ExtractError: what `layouts.choose` raises, header_only, many_outlets, not_in_file,
    shifted_header.
    """
    file, line = content.document.name, content.header_line
    if content.is_empty:
        _look_at_facts(content, spec)
        raise refuse("header_only", f"{file} has no records")
    named = layouts.outlets_of(content.headers, content.layout, spec)
    if named:
        one_of(named, spec.keys, file)
    # a document of one outlet need not be told which
    own = spec.keys or (named if len(named) == 1 else ())
    chosen = layouts.choose(content.headers, content.layout, spec, own, file, line)
    keys = {
        name: content.key(place)
        for name, place in chosen.position.items()
        if name in column_names.READ or name.startswith("_") or name in content.layout.columns
    }
    if not content.layout.columns:
        prices = [chosen.header[name] for name in ("price", "promo_price") if name in chosen.header]
        selling.refuse_cents(content.headers, prices, file)
    outlet = _outlet_values(content, spec)
    warnings: list[str] = []
    first = _first(_records(content, keys.values(), outlet), keys.values())
    texts = {name: first.columns[key] for name, key in keys.items()}
    if not content.layout.columns and not spec.columns:
        chosen, texts, warnings = by_content(chosen, texts)
        keys = {name: content.key(chosen.position[name]) for name in texts}
    elif layouts.names_all(content.layout, spec):
        left_out = column_names.left_out(content.headers, chosen, spec.currency)
        warnings = [column_names.left_out_words(*one) for one in left_out.items()]
    if "name" in texts and is_header_shifted(
        content.headers, texts["name"], chosen.position["name"]
    ):
        message = (
            f"{file}, line {line}: a header without a name stands before "
            f"{chosen.header['name']!r}, and the cells below that are numbers"
        )
        raise refuse("shifted_header", message)
    return OutletPart(content, spec, chosen, keys, outlet, warnings)


def says_nothing(content: Content, spec: ExtractSpec) -> bool:
    """Whether a document that adds to others is empty: today there are no promotions.

    Raises ExtractError where what it says of itself is not of this outlet.
    """
    if not (content.is_empty and content.layout.adds):
        return False
    _look_at_facts(content, spec)
    return True


def _look_at_facts(content: Content, spec: ExtractSpec) -> None:
    """What the layout refuses of a document without records: another shop's, an error page."""
    if content.layout.shape is not None:
        nothing = Texts({}, np.array([], np.int64), {}, facts=content.facts)
        content.layout.shape(nothing, spec)


def _first(parts: Iterator[Part], keys: Collection[str]) -> Part:
    """The first records, as many as a slice has: what is decided by them holds for all."""
    found: list[Part] = []
    count = 0
    for part in parts:
        found.append(part)
        count += len(part.lines)
        if count >= SLICE:
            break
    return joined(found, keys)


def one_of(there: Sequence[str], keys: Sequence[str], file: str) -> None:
    """Raises ExtractError many_outlets or not_in_file where `keys` names none of the outlets."""
    wanted = {outlet_key(key) for key in keys}
    if wanted & {outlet_key(name) for name in there}:
        return
    listed = ", ".join(map(repr, there[:20])) + (" ..." if len(there) > 20 else "")
    if not keys and len(there) > 1:
        raise refuse("many_outlets", f"{file} has {len(there)} outlets: {listed}")
    if keys:
        asked = " or ".join(map(repr, keys))
        raise refuse("not_in_file", f"{file} has nothing of {asked}; its outlets are {listed}")


def outlet_column(content: Content, spec: ExtractSpec) -> str | None:
    """The key of the column that says which outlet a record is of."""
    header = spec.columns.get("outlet")
    names = [name.strip() for name in content.headers]
    if header is None and content.layout.columns:
        known = {name.casefold(): name for name in reversed(names)}
        offered = content.layout.columns.get("outlet", ())
        header = next((known[o.casefold()] for o in offered if o.casefold() in known), None)
    elif header is None and not spec.columns:
        header = column_names.outlet_header(names)
    if header is None or header not in names:
        return None
    return content.key(names.index(header))


def _outlet_values(content: Content, spec: ExtractSpec) -> tuple[str, pa.Array] | None:
    column = outlet_column(content, spec)
    there = [] if column is None else [one for one in content.values(column) if one]
    if column is None or (not spec.keys and len(there) < 2):
        return None
    one_of(there, spec.keys, content.document.name)
    asked = {outlet_key(one) for one in spec.keys}
    return column, pa.array([one for one in there if outlet_key(one) in asked], pa.string())


def _records(
    content: Content, keys: Collection[str], outlet: tuple[str, pa.Array] | None
) -> Iterator[Part]:
    """The outlet's records, as they were read."""
    if outlet is None:
        yield from content.parts(keys)
        return
    column, own = outlet
    for part in content.parts({*keys, column}):
        rows = np.flatnonzero(as_bool(pc.is_in(part.columns[column], own)))
        if len(rows):
            yield part.take(rows)
