"""What every reader makes of a document: a table of text, block by block, with the place of each
record.

Readers (`pos.readers`) know formats and nothing else; which column means what is decided later, on
the names alone. Cells are text as it is written in the file: nothing is rounded or guessed here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.tokens import Odd


class Kind(IntEnum):
    """What a cell was in a format that knows kinds; in text formats every cell is TEXT."""

    TEXT = 0
    NUMBER = 1
    DATE = 2
    BOOLEAN = 3
    FORMULA = 4
    """A formula, its text being the value that was last worked out, if it is kept."""
    ERROR = 5
    """`#N/A`, `#REF!` and the like."""


@dataclass(frozen=True)
class Block:
    """Some records in their order: at most `Limits.block_bytes` of text."""

    columns: Mapping[str, pa.Array]
    """Name -> `pa.string()` array, as long as `lines`; null: the record has no such cell."""
    lines: np.ndarray
    """int64: the physical line, or the row of a sheet or of a Parquet file, on which each record
    starts, from 1."""
    kinds: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name -> uint8 of `Kind`, for columns in which not every cell is TEXT."""
    odd: list[Odd] = field(default_factory=list)
    """Records outside the table, as `pos.tokens` has them."""


@dataclass
class Table:
    """A document that is being read. What is not known before the end is set when `blocks` ends."""

    blocks: Iterator[Block]
    """To be read once. Raises ExtractError where the document cannot be trusted as a whole."""
    headers: list[str] = field(default_factory=list)
    """Every column's name in the order of the file; complete when `blocks` has ended."""
    header_line: int = 0
    """The line of the header; 0: the format has none."""
    encoding: str = ""
    guessed: bool = False
    delimiter: str = ""
    declared: int | None = None
    """How many records the document says that it has."""
    facts: dict[str, str] = field(default_factory=dict)
    """What it says outside its records: `StoreId`, a date in a title line."""
    warnings: list[str] = field(default_factory=list)
    only: Callable[[Collection[str]], Iterator[Block]] | None = None
    """Blocks with these columns alone, instead of `blocks`; None: the format reads all anyway."""


@dataclass(frozen=True)
class Limits:
    """What a document may demand; each is named in the message that refuses one."""

    file_bytes: int = 4 * 2**30
    unpacked_bytes: int = 8 * 2**30
    ratio: int = 200
    """Unpacked to packed, once more than a megabyte has come out."""
    members: int = 10_000
    token_bytes: int = 2**20
    """One value, one line of a text table, one name."""
    depth: int = 32
    columns: int = 2_000
    cells: int = 50_000_000
    """Of one sheet."""
    block_bytes: int = 32 * 2**20
