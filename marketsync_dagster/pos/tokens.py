"""From text to records by whole columns: cells, and the physical line on which each record starts.

Two ways with the same result. `fast` finds line ends, quotes and delimiters with numpy, proves
that the quoting is well formed, and lets pyarrow cut the cells. `careful` goes record by record
(`records`); it is for text whose quoting is not well formed. What cells mean is not known here.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv

from marketsync_dagster.pos.kernels import as_bool, pc
from marketsync_dagster.pos.lines import line_at
from marketsync_dagster.pos.records import Odd, judge, placed_records, split_records

QUOTE = 34
_BEYOND = 200
"""Records with so many more values than the header are looked at one by one."""


@dataclass(frozen=True)
class Tokens:
    """Regular records column by column, and the odd ones; blank records are in neither."""

    columns: list[pa.Array]
    """One string array per wanted column, in the order wanted."""
    lines: np.ndarray
    """int64, physical line of each regular record."""
    odd: list[Odd]


def careful(
    data: bytes,
    start: int,
    delimiter: str,
    width: int,
    wanted: Sequence[int],
    file: str,
    line: int | None = None,
) -> Tokens:
    """All records after byte `start`, one by one; `line` is the one on which it stands."""
    return careful_part(data[start:], delimiter, width, wanted, file, line or line_at(data, start))[
        0
    ]


def careful_part(
    data: bytes,
    delimiter: str,
    width: int,
    wanted: Sequence[int],
    file: str,
    line: int,
    *,
    whole: bool = True,
) -> tuple[Tokens, int]:
    """The records of `data` and how many bytes they take; not `whole`: more may follow."""
    cells: list[list[str]] = [[] for _ in wanted]
    lines: list[int] = []
    odd: list[Odd] = []
    # a character may be cut where more follows
    text, end_of_text = codecs.utf_8_decode(data, "strict", whole)
    end = 0
    for record, end in placed_records(text, delimiter, line, file, whole=whole):  # noqa: B007
        judged = judge(record, width, delimiter)
        if judged is None:
            continue
        if judged.reason:
            odd.append(judged)
            continue
        lines.append(judged.line)
        for column, index in zip(cells, wanted, strict=True):
            column.append(judged.cells[index])
    columns = [pa.array(column, pa.string()) for column in cells]
    taken = end_of_text - len(text[end:].encode("utf-8"))
    return Tokens(columns, np.array(lines, np.int64), odd), taken


def tokenise(
    data: bytes,
    start: int,
    delimiter: str,
    width: int,
    wanted: Sequence[int],
    file: str,
    line: int | None = None,
) -> Tokens:
    """All records after byte `start` of `data`; `width` is the number of the header's cells.

    `line` is the physical line on which `start` stands; None: `data` begins on line 1.
    """
    tokens = fast(data, start, delimiter, width, wanted, file, line)
    if tokens is None:
        tokens = careful(data, start, delimiter, width, wanted, file, line)
    return tokens


def whole_records(data: bytes, delimiter: str) -> int | None:
    """Where the last record of `data` ends for certain, though more may follow; 0: nowhere.

    None where the quoting is not well formed: then only `careful_part` can say.
    """
    body = np.frombuffer(data, np.uint8)
    # a CR at the end may be the first half of a line end
    if b'"' not in data:
        end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1))
        # and one before an LF is never its end
        return end + 1
    quotes = np.flatnonzero(body == QUOTE)
    ends = np.flatnonzero((body == 10) | (body == 13))
    following = np.minimum(ends + 1, len(body) - 1)
    half = (body[ends] == 13) & ((body[following] == 10) | (ends == len(body) - 1))
    ends = ends[~half]
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    if not len(outside):
        return 0 if _well_formed(body, quotes[: len(quotes) // 2 * 2], ord(delimiter)) else None
    end = int(outside[-1]) + 1
    inside = quotes[quotes < end]
    return end if _well_formed(body[:end], inside, ord(delimiter)) else None


def fast(
    data: bytes,
    start: int,
    delimiter: str,
    width: int,
    wanted: Sequence[int],
    file: str,
    line: int | None = None,
) -> Tokens | None:
    """The same as `careful`, by whole columns; None where the quoting is not well formed."""
    if not delimiter.isascii() or start >= len(data):
        return None
    body = np.frombuffer(data, np.uint8)[start:]
    quotes = np.flatnonzero(body == QUOTE)
    if len(quotes) and not _well_formed(body, quotes, ord(delimiter)):
        return None
    starts, ends, lines, multiline = _records(body, quotes)
    lines = lines + (line or line_at(data, start)) - 1
    delimiters = np.flatnonzero(body == ord(delimiter))
    if len(quotes):
        delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
    # between a record's end and the next one's start there are line ends only
    before_end = np.searchsorted(delimiters, ends)
    cells = np.diff(before_end, prepend=0) + 1
    blank = ends - starts == cells - 1
    filled = ~blank
    if not filled.any():
        return Tokens([pa.array([], pa.string()) for _ in wanted], np.array([], np.int64), [])
    # an export with a delimiter at the end of each line has one empty cell more than its header
    usual = max(_most_common(cells[filled]), width)
    if usual > width + _BEYOND:
        usual = width
    by_hand = filled & ((cells != usual) | multiline)
    arrays = _cut(data, start, delimiter, usual, wanted, width, len(quotes) > 0)
    regular = (cells == usual) & (ends > starts)
    if arrays is None or len(arrays[0]) != int(regular.sum()):
        return None
    suspects = np.zeros(len(arrays[0]), bool)
    for extra in arrays[len(wanted) :]:
        suspects |= _filled(extra)
    everything_blank = np.ones(len(arrays[0]), bool)
    for array in arrays[: len(wanted)]:
        if not everything_blank.any():
            break
        everything_blank &= ~_filled(array)
    suspects |= everything_blank
    rows = np.flatnonzero(regular)
    by_hand[rows[suspects]] = True
    keep = filled[rows] & ~by_hand[rows]
    odd: list[Odd] = []
    for index in np.flatnonzero(by_hand & filled).tolist():
        text = data[start + int(starts[index]) : start + int(ends[index])].decode("utf-8")
        record = next(split_records(text, delimiter, int(lines[index]), file))
        judged = judge(record, width, delimiter)
        if judged is not None:
            odd.append(judged)
    return _joined(arrays[: len(wanted)], lines[rows], keep, odd, wanted)


def _most_common(numbers: np.ndarray) -> int:
    """The number that occurs most often; of several the one that comes first."""
    counts = np.bincount(numbers)
    return int(numbers[np.argmax(counts[numbers] == counts.max())])


def _joined(
    arrays: list[pa.Array],
    lines: np.ndarray,
    keep: np.ndarray,
    odd: list[Odd],
    wanted: Sequence[int],
) -> Tokens:
    """Regular rows to keep, with the usable odd ones put in their places."""
    usable = [record for record in odd if not record.reason]
    unusable = [record for record in odd if record.reason]
    if not keep.all():
        mask = pa.array(keep)
        arrays = [array.filter(mask) for array in arrays]
        lines = lines[keep]
    if usable:
        lines = np.concatenate([lines, np.array([record.line for record in usable], np.int64)])
        order = pa.array(np.argsort(lines, kind="stable"))
        arrays = [
            pa.concat_arrays(
                [array, pa.array([record.cells[index] for record in usable], pa.string())]
            ).take(order)
            for array, index in zip(arrays, wanted, strict=True)
        ]
        lines = np.sort(lines, kind="stable")
    return Tokens(arrays, lines.astype(np.int64), unusable)


def _well_formed(body: np.ndarray, quotes: np.ndarray, delimiter: int) -> bool:
    """Whether quotes only open values, close them, or stand doubled inside them.

    Counting from the first, even quotes open and odd ones close; a doubled quote closes and
    opens again. So before an opening one stands a delimiter, a line end or a quote, and the like
    after a closing one. Anything else makes the whole test fail.
    """
    if len(quotes) % 2:
        return False
    neighbours = np.zeros(256, bool)
    neighbours[[delimiter, 10, 13, QUOTE]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    before = opening[opening > 0] - 1
    after = closing[closing < len(body) - 1] + 1
    return bool(neighbours[body[before]].all() and neighbours[body[after]].all())


def _records(
    body: np.ndarray, quotes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Start, end (without line end), physical line from 1, and whether it has several lines."""
    is_end = body == 10
    returns = np.flatnonzero(body == 13)
    followed = np.zeros(0, np.int64)
    if len(returns):
        following = np.minimum(returns + 1, len(body) - 1)
        pair = (body[following] == 10) & (returns + 1 < len(body))
        is_end[returns[~pair]] = True
        followed = returns[pair] + 1
    breaks = np.flatnonzero(is_end)
    closes = breaks
    number = np.arange(1, len(breaks) + 1)
    if len(quotes):
        outside = np.searchsorted(quotes, breaks) % 2 == 0
        closes, number = breaks[outside], number[outside]
    starts = np.concatenate([[0], closes + 1])
    lines = np.concatenate([[1], number + 1])
    ends = closes.copy()
    if len(followed):
        ends[np.isin(closes, followed)] -= 1
    ends = np.concatenate([ends, [len(body)]])
    next_line = np.concatenate([lines[1:], [len(breaks) + 2]])
    multiline = next_line - lines > 1
    if starts[-1] >= len(body):
        starts, ends, lines, multiline = starts[:-1], ends[:-1], lines[:-1], multiline[:-1]
    return starts, ends, lines, multiline


def _cut(
    data: bytes,
    start: int,
    delimiter: str,
    cells: int,
    wanted: Sequence[int],
    width: int,
    quoted: bool,
) -> list[pa.Array] | None:
    """The wanted columns, then those beyond the header, of all rows with exactly `cells` cells."""
    names = [str(index) for index in range(cells)]
    extras = [str(index) for index in range(width, cells)]
    try:
        table = pc_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(start)),
            read_options=pc_csv.ReadOptions(
                # one block: no quoted value is ever cut at a block's end
                block_size=len(data) - start + 1,
                use_threads=False,
                column_names=names,
            ),
            parse_options=pc_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                double_quote=True,
                newlines_in_values=quoted,
                ignore_empty_lines=True,
                invalid_row_handler=lambda _: "skip",
            ),
            convert_options=pc_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[str(index) for index in dict.fromkeys(wanted)] + extras,
                strings_can_be_null=False,
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        return None
    arrays = [_flat(table.column(str(index))) for index in wanted]
    return arrays + [_flat(table.column(name)) for name in extras]


def _flat(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _filled(array: pa.Array) -> np.ndarray:
    """Which cells hold more than blanks."""
    return as_bool(pc.not_equal(pc.utf8_trim_whitespace(array), ""))
