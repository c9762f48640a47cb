"""The delimiter, the quoting and the header of a file, found on its first lines.

Lines before the header (a title, a date, `sep=;`) are skipped. Which headers mean what is
`columns`' subject; cutting the records below is `tokens`'.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from marketsync_dagster.pos.columns import recognised
from marketsync_dagster.pos.header_rows import goes_on, joined
from marketsync_dagster.pos.quoting import Style
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tokens import Odd, judge, placed_records, split_records
from marketsync_dagster.values.errors import ExtractError

DELIMITERS = (",", ";", "\t", "|")
RARE = ("^", "~", "\x1f", ":")
"""Delimiters that are believed only where two headers are recognised between them."""
LOOK_AT = 40
"""How many records are looked at."""
_JUDGED = 2_000
"""How many records tell one way of quoting from another."""
_SAMPLE = 256 * 1024
_SEP = re.compile(r"^\ufeff?\"?sep=([^\"\s]{1,4}|\t)\"?\s*$", re.IGNORECASE)
_NO_DELIMITER = re.compile(r"[\"'\\\r\n\0\ufdd0-\ufdd3]")
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
    style: Style
    """`start` counts in the text as the style rewrites it."""
    next_line: int
    """The physical line at `start`."""
    before: list[list[str]] = field(default_factory=list)
    """The lines before the header."""


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
    data: bytes,
    delimiter: str | None,
    configured: Mapping[str, str],
    file: str,
    *,
    whole: bool = True,
    cut: str = "",
) -> Dialect:
    """Delimiter, quoting and header of a file whose beginning `data` is, as UTF-8.

    The header is the line in which most of the columns asked for are found; where none is, the
    first line that is as wide as most. `cut` stands for a declared delimiter of several
    characters (`quoting.CUTS`). Raises ExtractError bad_delimiter, unbalanced_quote, truncated,
    empty.
    """
    if delimiter is not None and (not delimiter or _NO_DELIMITER.search(delimiter)):
        raise refuse("bad_delimiter", f"{file}: {delimiter!r} is not a delimiter")
    whole = whole and len(data) <= _SAMPLE
    text = data[:_SAMPLE].decode("utf-8", "ignore")
    if not any(sign.isalnum() for sign in text):
        raise refuse("empty", f"{file} has no line with a value")
    delimiter = delimiter or declared_delimiter(text)
    found: _Found | None = None
    failure: ExtractError | None = None
    try:
        found = _find(text, _styles(delimiter, cut), configured, file, whole)
    except ExtractError as error:
        failure = error
    for quote, escape in _unusual(text, delimiter):
        styles = [replace(one, quote=quote, escape=escape) for one in _styles(delimiter, cut)]
        try:
            other = _find(text, styles, configured, file, whole)
        except ExtractError:
            continue
        if found is None or other.clearly_better(found):
            found = other
    if found is None:
        raise failure or refuse("empty", f"{file} has no line with a value")
    before = [record for record in found.filled if record.line < found.header.line]
    counts = [number for r in before if (number := declared_count(r.cells)) is not None]
    headers, header_line, next_line = _header_rows(found, configured)
    return Dialect(
        delimiter=found.style.delimiter,
        headers=headers,
        header_line=header_line,
        start=_offset_of_line(found.style.rewritten(text.encode()), next_line),
        declared=counts[0] if counts else None,
        style=found.style,
        next_line=next_line,
        before=[record.cells for record in before],
    )


def declared_delimiter(text: str) -> str | None:
    """What a first line `sep=;` says."""
    first = _SEP.match(text[:200].lstrip("\r\n").split("\n", 1)[0].rstrip("\r"))
    return first.group(1) if first and not _NO_DELIMITER.search(first.group(1)) else None


@dataclass
class _Found:
    """One way to read the beginning of a file."""

    style: Style
    header: Odd
    filled: list[Odd]
    score: int
    text: str
    """Of the file's beginning, in the words of the style."""
    whole: bool
    """Whether that is all of it."""

    @cached_property
    def judged(self) -> tuple[int, int]:
        """How many lines behind the header do not fit, and how many records do: costly, and only
        asked for where there are several ways to read the file."""
        return _judged(self.text, self.style, self.header, "", self.whole)

    def clearly_better(self, usual: _Found) -> bool:
        """Whether this unusual way of quoting makes sense of what the usual one does not."""
        bad, good = self.judged
        if self.score < usual.score or not good:
            return False
        usual_bad, _ = usual.judged
        if bad == 0 < usual_bad or bad * 2 < usual_bad:
            return True
        # every header in single quotes: they are quotes and no part of the names
        names = [cell.strip() for cell in usual.header.cells if cell.strip()]
        wrapped = all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in names)
        return self.style.quote == "'" and wrapped and bad <= usual_bad


def _styles(delimiter: str | None, cut: str) -> list[Style]:
    if delimiter is None:
        return [Style(sign) for sign in (*DELIMITERS, *RARE)]
    return [Style(delimiter, cut=cut)]


def _unusual(text: str, delimiter: str | None) -> list[tuple[str, bool]]:
    """Ways of quoting, other than the usual one, of which there are traces in the text."""
    ways = [('"', True)] if '\\"' in text else []
    before = "|".join(map(re.escape, [delimiter] if delimiter else DELIMITERS + RARE))
    if "'" in text and re.search(f"(?:^|{before})[ ]*'", text, re.MULTILINE):
        ways.append(("'", False))
        ways += [("'", True)] if "\\'" in text else []
    return ways


def _find(
    text: str, styles: list[Style], configured: Mapping[str, str], file: str, whole: bool
) -> _Found:
    best: tuple[int, int, int, int] | None = None
    chosen: tuple[Style, Odd, list[Odd], int] | None = None
    failure: ExtractError | None = None
    for order, style in enumerate(styles):
        if len(styles) > 1 and style.delimiter != "," and style.delimiter not in text:
            continue
        prepared = style.rewritten(text.encode()).decode() if not style.plain else text
        try:
            records = _sample(prepared, style, file, whole)
        except ExtractError as error:
            failure = failure or error
            continue
        filled = [r for r in records if any(cell.strip() for cell in r.cells)]
        if not filled:
            continue
        header, score = _header(filled, configured)
        if len(styles) > 1 and style.delimiter in RARE and score < 2:
            continue
        like_it = sum(len(record.cells) >= len(header.cells) for record in filled)
        rank = (score, int(len(header.cells) > 1), like_it * len(header.cells), -order)
        if best is None or rank > best:
            best, chosen = rank, (style, header, filled, score)
    if chosen is None:
        raise failure or refuse("empty", f"{file} has no line with a value")
    style, header, filled, score = chosen
    prepared = style.rewritten(text.encode()).decode() if not style.plain else text
    return _Found(style, header, filled, score, prepared, whole)


def _judged(text: str, style: Style, header: Odd, file: str, whole: bool) -> tuple[int, int]:
    """How many lines behind the header do not fit, and how many records do."""
    bad = good = 0
    named = [index for index, cell in enumerate(header.cells) if cell.strip()]
    width = max(named, default=0) + 1
    try:
        for number, (record, _) in enumerate(placed_records(text, style.cut, 1, file, whole=whole)):
            if record.line <= header.line:
                continue
            fits = judge(record, width, style.cut)
            if fits is not None and fits.reason:
                bad += record.height
            elif fits is not None:
                good += 1
            if number > _JUDGED:
                break
    except ExtractError:
        bad += _JUDGED
    return bad, good


def _header_rows(found: _Found, configured: Mapping[str, str]) -> tuple[list[str], int, int]:
    """The names of the columns, the line of the header, and the line below it."""
    header, filled = found.header, found.filled
    place = next(index for index, record in enumerate(filled) if record.line == header.line)
    below_it = header.line + header.height
    if place > 0:
        above = filled[place - 1]
        if above.line + above.height == header.line:
            names = joined(above.cells, header.cells, configured)
            if names is not None:
                return names, header.line, below_it
    if place + 1 < len(filled):
        below = filled[place + 1]
        if below.line == below_it and goes_on(header.cells, below.cells):
            names = joined(header.cells, below.cells, configured)
            if names is not None:
                rest = header.cells[len(names) :]
                return [*names, *rest], header.line, below.line + below.height
    return header.cells, header.line, below_it


def _sample(text: str, style: Style, file: str, whole: bool) -> list[Odd]:
    """The first records, as they were written; an error in the sample's last record is none."""
    records: list[Odd] = []
    try:
        for record in split_records(text, style.cut, 1, file):
            cells = record.cells if style.plain else [style.cell(cell) for cell in record.cells]
            records.append(Odd(record.line, cells, record.reason, record.height))
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
