"""Records of a document that are of no outlet of the configuration: whose, how many, where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from marketsync_dagster.pos.content import Content
from marketsync_dagster.pos.kernels import pc
from marketsync_dagster.pos.layouts import outlet_key, outlets_of
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.parts import outlet_column
from marketsync_dagster.pos.quarantine import printable


@dataclass(frozen=True)
class Other:
    """An outlet that nobody reads; `outlet` is empty where records name none."""

    outlet: str
    rows: int
    line: int
    """Of its first record; 0: it has columns, not records of its own."""


def others_in(content: Content, spec: ExtractSpec, keys: Iterable[str]) -> list[Other]:
    """The outlets of a document that are called none of `keys`, in the order of their first record.

    A document that names no outlets, or only itself, has none.
    """
    known = {outlet_key(key) for key in keys}
    named = outlets_of(content.headers, content.layout, spec)
    if named:
        return [Other(printable(one), 0, 0) for one in named if outlet_key(one) not in known]
    column = outlet_column(content, spec)
    if column is None:
        return []
    counts: Counter[str] = Counter()
    lines: dict[str, int] = {}
    for part in content.parts([column]):
        values = pc.value_counts(part.columns[column])
        counts.update(dict(zip(*(values.field(i).to_pylist() for i in (0, 1)), strict=True)))
        coded = part.columns[column].dictionary_encode()
        codes, first = np.unique(coded.indices.to_numpy(), return_index=True)
        for code, at in zip(codes.tolist(), first.tolist(), strict=True):
            lines.setdefault(coded.dictionary[code].as_py(), int(part.lines[at]))
    place = content.place(column)
    for record in content.odd:
        # a record that does not fit the table, and does not say whose it is either
        name = record.cells[place].strip() if place < len(record.cells) else ""
        if outlet_key(name) not in known:
            name = name if name in counts else ""
            counts[name] += 1
            lines.setdefault(name, record.line)
    return [
        Other(printable(name), count, lines[name])
        for name, count in counts.items()
        if not name or outlet_key(name) not in known
    ]
