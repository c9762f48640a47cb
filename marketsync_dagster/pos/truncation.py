"""Signs that a file ends before its export did.

A file that is smaller than yesterday's is the guard's subject; here one file speaks for itself.
"""

from __future__ import annotations

import re

import pyarrow as pa

from marketsync_dagster.pos.dialect import Dialect, declared_count, is_trailer
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tokens import Odd, Tokens

_FIGURE = re.compile(r"[0-9]+[.,]([0-9]+)")


def check_complete(data: bytes, dialect: Dialect, found: Tokens, file: str) -> list[Odd]:
    """The odd records without the trailer lines of the export.

    Raises ExtractError truncated: a declared count is not reached, the last line lacks columns
    and its line end, or its last value is cut where all others have the same form.
    """
    odd = list(found.odd)
    last_line = max([int(found.lines[-1])] if len(found.lines) else [0], default=0)
    declared = dialect.declared
    while odd and odd[-1].line > last_line:
        count = declared_count(odd[-1].cells)
        if count is None and not is_trailer(odd[-1].cells):
            break
        declared = count if count is not None else declared
        odd.pop()
    records = len(found.lines) + len(odd)
    if declared is not None and records < declared:
        message = f"{file} declares {declared} records and has {records}"
        raise refuse("truncated", message)
    if data[-1:] in (b"\n", b"\r") or not records:
        return odd
    if odd and odd[-1].line > last_line:
        if odd[-1].reason == "too_few_columns":
            line = odd[-1].line
            raise refuse("truncated", f"{file}, line {line}: the last line lacks columns")
    elif last_line and _is_cut(found.columns[-1]):
        message = f"{file}, line {last_line}: the last line ends in the middle of a value"
        raise refuse("truncated", message)
    return odd


def _is_cut(column: pa.Array) -> bool:
    """Whether the last value differs in form from all the others of the last column."""
    if len(column) < 3:
        return False
    last = column[-1].as_py().strip()
    others = [text.strip() for text in column[:-1].to_pylist()]
    if not last:
        return all(others)
    first = _FIGURE.fullmatch(others[0])
    if first is None:
        return False
    decimals = len(first.group(1))
    pattern = re.compile(rf"[0-9]+[.,][0-9]{{{decimals}}}")
    return all(pattern.fullmatch(text) for text in others) and not pattern.fullmatch(last)
