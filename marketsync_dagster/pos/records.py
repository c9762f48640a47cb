"""Records of a text one by one, each with its cells and the physical line on which it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from marketsync_dagster.pos.reasons import refuse

_CONTENT = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')
_END_OF_LINE = re.compile(r"\r\n|\n|\r")
_SHOWN = 1_000
"""Of a record that is only shown: so many cells at most, of so many characters."""


@dataclass(frozen=True)
class Odd:
    """A record outside the regular table. `reason` is empty where its cells are usable."""

    line: int
    cells: list[str]
    reason: str = ""
    height: int = 1
    """How many physical lines it has."""


class _UnclosedError(Exception):
    """A quote that is not closed in the text at hand: where it is opened, and on which line."""

    def __init__(self, opening: int, line: int) -> None:
        super().__init__()
        self.opening = opening
        self.line = line


def split_records(text: str, delimiter: str, line: int, file: str) -> Iterator[Odd]:
    """Every record of `text`, blank ones too, from physical line `line` on.

    A quote is special at the start of a value only (blanks before it are skipped). A quoted
    value followed by more text makes its record `bad_quotes`. Raises ExtractError
    unbalanced_quote, or truncated where the open quote is on the last line.
    """
    return (record for record, _ in placed_records(text, delimiter, line, file, whole=True))


def placed_records(
    text: str, delimiter: str, line: int, file: str, *, whole: bool
) -> Iterator[tuple[Odd, int]]:
    """`split_records`, each record with the place at which the next one starts.

    Where `text` is not the whole text, what may go on behind its end is left out.
    """
    position, end = 0, len(text)
    while position < end:
        newline = _END_OF_LINE.search(text, position)
        stop, after = (newline.start(), newline.end()) if newline else (end, end)
        if text.find('"', position, stop) < 0:
            odd, lines = Odd(line, text[position:stop].split(delimiter)), 1
        else:
            try:
                odd, stop, lines = _quoted_record(text, position, stop, delimiter, line, file)
            except _UnclosedError as error:
                if not whole:
                    return
                raise _unclosed(text, error.opening, error.line, file) from None
            newline = _END_OF_LINE.match(text, stop)
            after = newline.end() if newline else stop
        if not whole and (newline is None or (after == end and newline.group() == "\r")):
            return
        yield odd, after
        position = after
        line += lines


def _quoted_record(
    text: str, start: int, line_end: int, delimiter: str, line: int, file: str
) -> tuple[Odd, int, int]:
    """One record with a quote in it; with where it ends and how many physical lines it has."""
    cells: list[str] = []
    position, spans, end = start, 1, len(text)
    stop = line_end
    while True:
        opening = position
        while opening < stop and text[opening] in " \t" and text[opening] != delimiter:
            opening += 1
        if opening < end and text[opening] == '"':
            match = _CONTENT.match(text, opening)
            if match is None:
                raise _UnclosedError(opening, line + spans - 1)
            breaks = len(_END_OF_LINE.findall(match.group()))
            following = match.end()
            while following < end and text[following] in " \t" and text[following] != delimiter:
                following += 1
            if following < end and text[following] not in (delimiter, "\r", "\n"):
                if breaks or spans > 1:
                    where = line + spans - 1
                    raise refuse("unbalanced_quote", f"{file}, line {where}: unbalanced quote")
                return Odd(line, text[start:stop].split(delimiter), "bad_quotes"), stop, 1
            spans += breaks
            cells.append(match.group(1).replace('""', '"'))
            position = following
            if breaks:
                newline = _END_OF_LINE.search(text, position)
                stop = newline.start() if newline else end
        else:
            cut = text.find(delimiter, position, stop)
            cells.append(text[position : cut if cut >= 0 else stop])
            position = cut if cut >= 0 else stop
        if position >= end or text[position] != delimiter:
            return Odd(line, cells, height=spans), position, spans
        position += 1


def _unclosed(text: str, opening: int, line: int, file: str) -> Exception:
    if _END_OF_LINE.search(text, opening) is None:
        return refuse("truncated", f"{file}, line {line}: the file ends inside a quoted value")
    return refuse(
        "unbalanced_quote", f"{file}, line {line}: a quote is opened here and never closed"
    )


def judge(record: Odd, width: int, delimiter: str) -> Odd | None:
    """None for a blank record; else the record cut to `width` cells, or with its reason."""
    cells = record.cells
    if not any(cell.strip() for cell in cells):
        return None
    if record.reason:
        return Odd(record.line, _short(cells), record.reason)
    if len(cells) < width:
        return Odd(record.line, _short(cells), "too_few_columns")
    if any(cell.strip() for cell in cells[width:]):
        return Odd(record.line, _short(cells), "too_many_columns")
    if any(_swallows(cell, width, delimiter) for cell in cells):
        return Odd(record.line, _short(cells), "swallowed_lines")
    return Odd(record.line, cells[:width])


def _short(cells: list[str]) -> list[str]:
    """The first cells of a record that is only shown: a line of a megabyte is not kept."""
    if len(cells) <= _SHOWN and sum(map(len, cells)) <= _SHOWN:
        return cells
    return [cell[:_SHOWN] for cell in cells[:_SHOWN]]


def _swallows(cell: str, width: int, delimiter: str) -> bool:
    """A value with as many delimiters per line break as whole records would have."""
    if "\n" not in cell and "\r" not in cell:
        return False
    breaks = len(_END_OF_LINE.findall(cell))
    return cell.count(delimiter) == breaks * (width - 1)
