"""A table that was read, as plain values to compare."""

from __future__ import annotations

from dataclasses import dataclass, field

from marketsync_dagster.pos.tables import Kind, Table


@dataclass
class Shown:
    """Everything of a table."""

    columns: dict[str, list[str | None]] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)
    kinds: dict[str, list[Kind]] = field(default_factory=dict)
    odd: list[tuple[int, str]] = field(default_factory=list)
    blocks: int = 0


def shown(table: Table) -> Shown:
    """Read the table to its end; each block must fit in itself."""
    result = Shown()
    for block in table.blocks:
        rows = len(block.lines)
        for name in table.headers:
            cells = block.columns[name].to_pylist() if name in block.columns else [None] * rows
            assert len(cells) == rows
            before = result.columns.setdefault(name, [None] * len(result.lines))
            before.extend(cells)
            kinds = block.kinds.get(name)
            found = [Kind(kind) for kind in kinds] if kinds is not None else [Kind.TEXT] * rows
            result.kinds.setdefault(name, [Kind.TEXT] * len(result.lines)).extend(found)
        result.lines.extend(block.lines.tolist())
        result.odd.extend((odd.line, odd.reason) for odd in block.odd)
        result.blocks += 1
    return result
