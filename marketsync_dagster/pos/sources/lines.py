"""Records of a database or an interface as JSON lines that are always the same for the same rows.

What is asked twice must be the same bytes twice, or every pull would look like a new extract: each
record is one line, written in one way, and the lines are sorted, because nobody promises an order.
"""

from __future__ import annotations

import heapq
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any
from uuid import UUID

from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.sources.base import MOST_BYTES

_IN_MEMORY = 64 * 2**20
"""So many bytes are sorted at once; the rest waits on the disk."""
_RUNS = 128
"""Sorted parts that are merged at once."""
_CHUNK = 2**20


def line_of(record: Mapping[str, Any], shown: str) -> bytes:
    """One record as a line of JSON.

    Numbers are written exactly: decimals as they are, floats in their shortest form, times as
    ISO 8601, NULL as null. Raises ExtractError: nested_column, unreadable.
    """
    cells = (
        f"{_text(str(name))}: {_cell(value, str(name), shown)}" for name, value in record.items()
    )
    line = f"{{{', '.join(cells)}}}\n"
    try:
        return line.encode()
    except UnicodeEncodeError:
        message = f"{shown}: a record has text that is no Unicode"
        raise refuse("undecodable", message) from None


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _cell(value: Any, name: str, shown: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        # NaN and infinity are no JSON: as text they are refused as a price later
        return format(value, "f") if value.is_finite() else _text(str(value))
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else _text(str(value))
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, datetime | date | time):
        return _text(value.isoformat())
    if isinstance(value, timedelta | UUID):
        return _text(str(value))
    if isinstance(value, list | tuple | dict | set):
        raise refuse("nested_column", f"{shown}: column {name} holds lists or records")
    kind = type(value).__name__
    message = f"{shown}: column {name} holds {kind}, which is neither text nor a number"
    raise refuse("unreadable", message)


def sorted_lines(lines: Iterable[bytes], shown: str) -> Iterator[bytes]:
    """Lines in the order of their bytes, in chunks; in bounded memory.

    Raises ExtractError too_large, and what `lines` raise, before anything is handed out.
    """
    with ExitStack() as stack:
        runs: list[IO[bytes]] = []
        batch: list[bytes] = []
        held = total = 0
        for line in lines:
            batch.append(line)
            held += len(line) + 64  # what Python needs for it
            total += len(line)
            if total > MOST_BYTES:
                raise refuse("too_large", f"{shown} has more than {MOST_BYTES} bytes of records")
            if held >= _IN_MEMORY:
                runs.append(_spilled(stack, sorted(batch)))
                batch, held = [], 0
                if len(runs) == _RUNS:
                    runs = [_spilled(stack, heapq.merge(*runs))]
        batch.sort()
        yield from _chunks(heapq.merge(*runs, batch) if runs else batch)


def _spilled(stack: ExitStack, lines: Iterable[bytes]) -> IO[bytes]:
    file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    file.writelines(lines)
    file.seek(0)
    return file


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield b"".join(chunk)
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk)
