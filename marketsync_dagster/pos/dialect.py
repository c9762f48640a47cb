"""The delimiter and the header line of a file, found on its first lines.

Lines before the header (a title, a date, `sep=;`) are skipped. Which headers mean what is
`columns`' subject; cutting the records below is `tokens`'.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from marketsync_dagster.pos.columns import recognised
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tokens import Odd, split_records
from marketsync_dagster.values.errors import ExtractError

DELIMITERS = (",", ";", "\t", "|")
LOOK_AT = 40
"""How many records are looked at."""
_SAMPLE = 256 * 1024
_SEP = re.compile(r"^\ufeff?\"?sep=(.)\"?\s*$", re.IGNORECASE)
_DECLARED = re.compile(
    r"^\W*(?:total\s+)?(?:number of\s+)?(?:records?|rows?|items?|products?|count|row count|"
    r"record count)\s*[:=]\s*([0-9][0-9., ]*)\W*$",
    re.IGNORECASE,
)
_TRAILER = re.compile(r"^\W*(?:end|eof|end of (?:file|report|export|data|list))\W*$", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """`start` is the byte offset of the first line after the header."""

    delimiter: str
    headers: list[str]
    header_line: int
    start: int
    declared: int | None
    """The number of records that a line before the header declares."""


def declared_count(cells: list[str]) -> int | None:
    """The number in a line such as `Records: 1,200`, the only value of its line."""
    filled = [cell for cell in cells if cell.strip()]
    match = _DECLARED.match(" ".join(filled)) if 0 < len(filled) <= 2 else None
    digits = re.sub(r"[^0-9]", "", match.group(1)) if match else ""
    return int(digits) if 0 < len(digits) < 12 else None


def is_trailer(cells: list[str]) -> bool:
    """Whether a line only says that the export ends here."""
    filled = [cell for cell in cells if cell.strip()]
    return len(filled) == 1 and _TRAILER.match(filled[0]) is not None


def find_dialect(
    data: bytes, delimiter: str | None, configured: Mapping[str, str], file: str
) -> Dialect:
    """Delimiter and header of UTF-8 `data`.

    The header is the line in which most of the columns asked for are found; where none is, the
    first line that is as wide as most. Raises ExtractError bad_delimiter, unbalanced_quote,
    truncated, no_sku_column.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise refuse("bad_delimiter", f"{file}: {delimiter!r} is not a delimiter")
    text = data[:_SAMPLE].decode("utf-8", "ignore")
    if not any(sign.isalnum() for sign in text):
        raise refuse("empty", f"{file} has no line with a value")
    first = _SEP.match(text.lstrip("\r\n").split("\n", 1)[0].rstrip("\r"))
    if first and delimiter is None:
        delimiter = first.group(1)
    candidates = (delimiter,) if delimiter else DELIMITERS
    best: tuple[int, int, int, int] | None = None
    chosen: tuple[str, Odd, list[Odd]] | None = None
    failure: ExtractError | None = None
    for order, candidate in enumerate(candidates):
        try:
            records = _sample(text, candidate, file, len(data) <= _SAMPLE)
        except ExtractError as error:
            failure = failure or error
            continue
        filled = [r for r in records if any(cell.strip() for cell in r.cells)]
        if not filled:
            continue
        header, score = _header(filled, configured)
        like_it = sum(len(record.cells) >= len(header.cells) for record in filled)
        rank = (score, int(len(header.cells) > 1), like_it * len(header.cells), -order)
        if best is None or rank > best:
            best, chosen = rank, (candidate, header, filled)
    if chosen is None:
        if failure is not None:
            raise failure
        raise refuse("empty", f"{file} has no line with a value")
    candidate, header, filled = chosen
    before = [record for record in filled if record.line < header.line]
    counts = [found for r in before if (found := declared_count(r.cells)) is not None]
    return Dialect(
        delimiter=candidate,
        headers=header.cells,
        header_line=header.line,
        start=_offset_of_line(data, header.line + header.height),
        declared=counts[0] if counts else None,
    )


def _sample(text: str, delimiter: str, file: str, whole: bool) -> list[Odd]:
    """The first records; an error in the middle of the sample's last record is none."""
    records: list[Odd] = []
    try:
        for record in split_records(text, delimiter, 1, file):
            records.append(record)
            if len(records) >= LOOK_AT:
                break
    except ExtractError:
        # what cannot be cut after the header is `tokens`' to report
        if not records:
            raise
    if not whole and 1 < len(records) < LOOK_AT:
        records.pop()
    return records


def _header(filled: list[Odd], configured: Mapping[str, str]) -> tuple[Odd, int]:
    scores = [recognised(record.cells, configured) for record in filled]
    score = max(scores)
    if score > 0:
        return filled[scores.index(score)], score
    widths = Counter(len(record.cells) for record in filled)
    usual = max(widths, key=lambda width: (widths[width], width))
    return next(record for record in filled if len(record.cells) == usual), 0


def _offset_of_line(data: bytes, line: int) -> int:
    """Byte offset at which a physical line starts; the end of data where there is none."""
    offset = 0
    for match in re.finditer(rb"\r\n|\n|\r", data):
        if line <= 1:
            return offset
        offset, line = match.end(), line - 1
    return offset if line <= 1 else len(data)
