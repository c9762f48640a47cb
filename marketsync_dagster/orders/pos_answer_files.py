"""What one file of a till says: JSON, an object or a list of them, or CSV with a header.

Names: number, status, carrier, tracking, url, parcel, at, reason, lines (JSON: `{"LINE": 1}` or
`[{"line": "LINE", "quantity": 1}]`); in CSV line and quantity, and rows of the same parcel together
are one answer.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from marketsync_dagster.platforms.strict_json import (
    Node,
    Wrong,
    decoded,
    elements,
    has_doubled,
    kind_of,
)
from marketsync_dagster.values.cells import would_run
from marketsync_dagster.values.times import to_iso

MOST_ROWS = 20_000
_NAMES: Mapping[str, tuple[str, ...]] = {
    "number": ("number", "order", "order_id"),
    "status": ("status", "state"),
    "carrier": ("carrier",),
    "tracking": ("tracking", "tracking_number"),
    "url": ("url", "tracking_url"),
    "parcel": ("parcel", "parcel_id"),
    "at": ("at", "date", "time"),
    "reason": ("reason", "message"),
}
_COLUMNS = {spelled: name for name, there in _NAMES.items() for spelled in there} | {
    "line": "line",
    "line_id": "line",
    "sku": "line",
    "quantity": "quantity",
    "qty": "quantity",
}
_MAIL = re.compile(r"\S+@\S+")
_DIGITS = re.compile(r"\+?[0-9][0-9 ()/.-]{5,}[0-9]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a till says of one number, or of one parcel of it."""

    place: str
    """`[2]`, `line 7`."""
    number: str
    status: str
    """In small letters."""
    carrier: str = ""
    tracking: str = ""
    url: str = ""
    parcel: str = ""
    at: str = ""
    reason: str = ""
    """Without what looks like a mail address or a telephone number."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line, or SKU -> pieces; empty: all of it."""


def answers_in(data: bytes, *, csv_file: bool) -> tuple[list[Answer], list[Wrong]]:
    """The answers of a file in their order, and what is wrong with others in it. Wrong where
    nothing of it can be read."""
    return _of_csv(decoded(data)) if csv_file else _of_json(data)


def _of_json(data: bytes) -> tuple[list[Answer], list[Wrong]]:
    found: list[Answer] = []
    wrong: list[Wrong] = []
    there = elements(data)
    if not there:
        raise Wrong("", "there is no answer in it")
    for element in there:
        try:
            if has_doubled(element.value):
                raise Wrong(element.place, "a name stands twice in an object of it")
            node = Node.of(element.value, element.place)
            found.append(replace(_answer(node), lines=_lines(node)))
        except Wrong as error:
            wrong.append(error if error.place else Wrong("the answer", error.words))
    return found, wrong


def _answer(node: Node) -> Answer:
    number = node.text(*_NAMES["number"], most=50)
    status = node.text(*_NAMES["status"], most=50).lower()
    for name, text in (("number", number), ("status", status)):
        if not text:
            raise Wrong(node.at(name), f"expected a {name}")
    return Answer(
        node.place or "the answer",
        number,
        status,
        carrier=node.text(*_NAMES["carrier"], most=100),
        tracking=node.text(*_NAMES["tracking"], most=100),
        url=_url(node),
        parcel=node.text(*_NAMES["parcel"], most=50),
        at=_time(node),
        reason=_plain(node.text(*_NAMES["reason"], most=300)),
    )


def _lines(node: Node) -> dict[str, int]:
    found = node.find("lines", "items")
    if found is None:
        return {}
    name, value = found
    place = node.at(name)
    if isinstance(value, dict):
        named = Node(value, place)
        pairs = [(line, named.whole(line), named.at("...")) for line in value]
    elif isinstance(value, list):
        pairs = []
        for where, one in node.many(name):
            part = Node.of(one, where)
            pairs.append(
                (part.text("line", "line_id", "sku"), part.whole("quantity", "qty"), where)
            )
    else:
        raise Wrong(place, f"expected lines with their pieces, got {kind_of(value)}")
    lines: dict[str, int] = {}
    for line, pieces, where in pairs:
        if not line or not pieces:
            raise Wrong(where, "expected a line and how many pieces of it")
        lines[line] = lines.get(line, 0) + pieces
    return lines


def _of_csv(text: str) -> tuple[list[Answer], list[Wrong]]:
    header, rows = _rows(text)
    found: dict[tuple[str, ...], Answer] = {}
    wrong: list[Wrong] = []
    for line, row in rows:
        place = f"line {line}"
        try:
            if len(row) != len(header):
                raise Wrong(place, f"expected {len(header)} cells, got {len(row)}")
            values: dict[str, Any] = {}
            for name, cell in zip(header, row, strict=True):
                if name and cell.strip():
                    values[name] = _as_written(cell)
            node = Node(values, place)
            answer = _answer(node)
            sku, pieces = node.text("line", most=100), node.whole("quantity")
            if bool(sku) != bool(pieces):
                raise Wrong(place, "expected a line and how many pieces of it, or neither")
            key = (answer.number, answer.status, answer.parcel, answer.tracking, answer.carrier,
                   "" if sku else place)  # fmt: skip
            before = found.get(key)
            if sku and pieces:
                lines = dict((before or answer).lines)
                lines[sku] = lines.get(sku, 0) + pieces
                answer = replace(before or answer, lines=lines)
            found[key] = answer
        except Wrong as error:
            wrong.append(error)
    if not found and not wrong:
        raise Wrong("", "there is no answer in it")
    return list(found.values()), wrong


def _rows(text: str) -> tuple[list[str], Sequence[tuple[int, list[str]]]]:
    """The columns as we call them (empty: none of ours), and physical line with its cells."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        header = [_COLUMNS.get(cell.strip().lower(), "") for cell in next(reader, [])]
        line = reader.line_num
        for row in reader:
            if row:
                rows.append((line + 1, row))
            line = reader.line_num
            if len(rows) > MOST_ROWS:
                raise Wrong("", f"it has more than {MOST_ROWS} rows")
    except csv.Error:
        raise Wrong(
            f"line {reader.line_num}", "it is not CSV: a quote is open, or a cell too long"
        ) from None
    for name in ("number", "status"):
        if header.count(name) != 1:
            raise Wrong("line 1", f"expected one column {name}")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise Wrong("line 1", f"two columns mean {twice}")
    return header, rows


def _as_written(cell: str) -> str:
    """A cell that was ours comes back as it was before it was made inert."""
    return cell[1:] if cell.startswith("'") and would_run(cell[1:]) else cell


def _url(node: Node) -> str:
    url = node.text(*_NAMES["url"], most=500)
    if url and not re.fullmatch(r"https?://[^\s<>\"']+", url):
        raise Wrong(node.at("url"), "expected an address that begins with https://")
    return url


def _time(node: Node) -> str:
    text = node.text(*_NAMES["at"], most=40)
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        # without a zone it says nothing certain; it is only shown
        return to_iso(moment) if moment.tzinfo is not None else ""
    except (ValueError, OverflowError):
        raise Wrong(node.at("at"), "expected an ISO time") from None


def _plain(text: str) -> str:
    """A till's words without what people are reached by."""
    return _DIGITS.sub("***", _MAIL.sub("***", text))
