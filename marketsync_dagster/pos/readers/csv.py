"""CSV of any size, block by block: text that was proven, cut at the ends of records.

What is where: `opening` decodes and proves, `dialect` finds delimiter, quoting and header,
`quoting` rewrites what is unusual, `tokens` cuts records into cells, `truncation` judges the end.
Here they are put together, so that memory is that of one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos import tokens
from marketsync_dagster.pos.detect import Format, format_of, told
from marketsync_dagster.pos.dialect import Dialect, declared_delimiter, find_dialect
from marketsync_dagster.pos.kernels import pc
from marketsync_dagster.pos.lines import breaks
from marketsync_dagster.pos.opening import Opened, open_text
from marketsync_dagster.pos.quoting import CUTS, NEVER, rewritten
from marketsync_dagster.pos.readers.facts import of_lines
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Block, Limits, Table
from marketsync_dagster.pos.tokens import Odd, Tokens
from marketsync_dagster.pos.truncation import Ending

BLOCK = 4 * 2**20
"""Text of one block, if the limits allow as much: larger ones are no faster."""
HEAD = 512 * 1024


@dataclass
class CsvDocument:
    """A CSV file that is proven and whose header is known; its records are read by `parts`."""

    opened: Opened
    dialect: Dialect
    file: str
    limits: Limits
    width: int
    """The number of columns with a name: empty header cells at the end count for nothing."""
    declared: int | None
    """How many records the file says that it has; complete when `parts` has ended."""
    warnings: list[str] = field(default_factory=list)

    @property
    def headers(self) -> list[str]:
        """The names as they are written, some empty, perhaps one twice."""
        return [name.strip() for name in self.dialect.headers[: self.width]]

    def parts(self, wanted: Sequence[int]) -> Iterator[Tokens]:
        """All records: the columns `wanted` by position.

        Raises ExtractError: what `tokens` and `truncation` raise, and `opening` if the file
        changes meanwhile. Nothing of a file may be believed before this has ended.
        """
        ending = Ending(self.opened.ended, self.declared, self.file)
        style = self.dialect.style
        nothing = [pa.array([], pa.string()) for _ in wanted]
        for found in self._cut([*wanted, self.width - 1]):
            columns = found.columns[: len(wanted)]
            if not style.plain:
                columns = [style.cells(column) for column in columns]
            yield Tokens(columns, found.lines, [self._written(odd) for odd in ending.add(found)])
        rest = [self._written(odd) for odd in ending.finish()]
        self.declared = ending.declared
        yield Tokens(nothing, np.array([], np.int64), rest)

    def gathered(self, wanted: Sequence[int]) -> Tokens:
        """All records at once, cells without blanks around them."""
        columns: list[list[pa.Array]] = [[] for _ in wanted]
        lines: list[np.ndarray] = []
        odd: list[Odd] = []
        for part in self.parts(wanted):
            for pieces, column in zip(columns, part.columns, strict=True):
                pieces.append(pc.utf8_trim_whitespace(column))
            lines.append(part.lines)
            odd += part.odd
        whole: list[pa.Array] = []
        for pieces in columns:
            whole.append(pa.concat_arrays(pieces))
            # what is joined is not kept twice
            pieces.clear()
        pa.default_memory_pool().release_unused()
        return Tokens(whole, np.concatenate(lines), odd)

    def _written(self, odd: Odd) -> Odd:
        style = self.dialect.style
        if style.plain:
            return odd
        return Odd(odd.line, [style.cell(cell) for cell in odd.cells], odd.reason, odd.height)

    def _cut(self, wanted: Sequence[int]) -> Iterator[Tokens]:
        """The records in the words of the style; the first rows of the file are left out."""
        delimiter, width, file = self.dialect.style.cut, self.width, self.file
        line, skip = self.dialect.next_line, self.dialect.start
        size = min(BLOCK, self.limits.block_bytes)
        longest = 2 * self.limits.token_bytes
        pieces: list[bytes] = []
        length = 0
        for chunk in _at_most(size, rewritten(self.opened.chunks(), self.dialect.style)):
            pieces.append(chunk[skip:])
            skip -= min(skip, len(chunk))
            length += len(pieces[-1])
            if length < size:
                continue
            data = b"".join(pieces)
            taken = tokens.whole_records(data, delimiter) if delimiter.isascii() else None
            if taken:
                part = data[:taken]
                yield tokens.tokenise(part, 0, delimiter, width, wanted, file, line)
                line += breaks(part)
                data = data[taken:]
            if taken is None or len(data) > longest:
                # quotes that do not pair up: only going record by record tells
                found, taken = tokens.careful_part(
                    data, delimiter, width, wanted, file, line, whole=False
                )
                yield found
                line += breaks(data[:taken])
                data = data[taken:]
                if len(data) > longest:
                    message = f"{file}, line {line}: a quote is opened and not closed within 2 MB"
                    raise refuse("unbalanced_quote", message)
            pieces, length = [data], len(data)
        data = b"".join(pieces)
        yield tokens.tokenise(data, 0, delimiter, width, wanted, file, line)


def open_csv(
    source: Path | bytes,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    configured: Mapping[str, str] | None = None,
    file: str,
    limits: Limits | None = None,
) -> CsvDocument:
    """Prove a file and find its header.

    Raises ExtractError: what `opening` and `dialect` raise, not_csv and too_wide.
    """
    limits = limits or Limits()
    form = format_of(source, file)
    if form is not Format.CSV:
        raise refuse("not_csv", f"{file} is {told(form)}, not CSV")
    opened = open_text(source, encoding, file, limits)
    head = _head(opened)
    whole = len(head) < HEAD
    cut = ""
    said = delimiter or declared_delimiter(head[:400].decode("utf-8", "ignore"))
    if said and (len(said) > 1 or not said.isascii()):
        cut = _unused(opened, file)
    found = find_dialect(head, delimiter, configured or {}, file, whole=whole, cut=cut)
    if found.style.escape and any(
        sign.encode() in chunk for chunk in opened.chunks() for sign in NEVER
    ):
        raise refuse("bad_delimiter", f"{file} has characters that Unicode does not allow")
    named = [index for index, name in enumerate(found.headers) if name.strip()]
    width = max(named, default=0) + 1
    if width > limits.columns:
        message = f"{file}, line {found.header_line}: {width} columns; at most {limits.columns}"
        raise refuse("too_wide", message)
    document = CsvDocument(opened, found, file, limits, width, found.declared, [*opened.warnings])
    if not opened.ended:
        document.warnings.append("the last line has no line end: the file may have been cut there")
    if words := found.style.words():
        document.warnings.append(f"read with {words}")
    return document


def read_csv(
    source: Path | bytes,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    configured: Mapping[str, str] | None = None,
    file: str,
    limits: Limits | None = None,
) -> Table:
    """A CSV file as a table; `configured` are the columns asked for, canonical name -> header.

    Of columns with the same name the further ones are called `name (2)` in the blocks; `headers`
    has them as they are written. Raises what `open_csv` does; the blocks raise what
    `CsvDocument.parts` does.
    """
    document = open_csv(
        source,
        delimiter=delimiter,
        encoding=encoding,
        configured=configured,
        file=file,
        limits=limits,
    )
    table = Table(
        blocks=iter(()),
        headers=document.headers,
        header_line=document.dialect.header_line,
        encoding=document.opened.encoding,
        guessed=document.opened.guessed,
        delimiter=document.dialect.delimiter,
        declared=document.declared,
        warnings=document.warnings,
    )
    table.facts, doubtful = of_lines(document.dialect.before)
    table.warnings += doubtful
    names = keys(document.headers)
    table.blocks = _blocks(document, table, names)
    table.only = lambda wanted: _blocks(document, table, [n if n in wanted else "" for n in names])
    return table


def _blocks(document: CsvDocument, table: Table, names: Sequence[str]) -> Iterator[Block]:
    """The columns with a name."""
    positions = [index for index, name in enumerate(names) if name]
    for part in document.parts(positions):
        if len(part.lines) or part.odd:
            columns = zip((names[at] for at in positions), part.columns, strict=True)
            yield Block(dict(columns), part.lines, odd=part.odd)
    table.declared = document.declared


def keys(headers: Sequence[str]) -> list[str]:
    """The names of columns in a block, each once: `Price`, `Price (2)`."""
    taken = set(headers)
    seen: set[str] = set()
    found: list[str] = []
    for header in headers:
        name, number = header, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{header} ({number})"
        seen.add(name)
        found.append(name)
    return found


def _at_most(size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= size:
            yield chunk
        else:
            yield from (chunk[place : place + size] for place in range(0, len(chunk), size))


def _head(opened: Opened) -> bytes:
    head = bytearray()
    for chunk in opened.chunks():
        head += chunk
        if len(head) >= HEAD:
            break
    return bytes(head[:HEAD])


def _unused(opened: Opened, file: str) -> str:
    """A sign that is nowhere in the text, for a delimiter of several characters."""
    left = list(CUTS)
    for chunk in opened.chunks():
        left = [sign for sign in left if sign.encode() not in chunk]
    if not left:
        raise refuse("bad_delimiter", f"{file} has every control character: it is no CSV file")
    return left[0]
