"""Parsed JSON objects made flat: dotted names, numbers as they are written, kinds of cells."""

from __future__ import annotations

import json
import re
from typing import Any

from marketsync_dagster.pos.readers.building import JOIN, Builder
from marketsync_dagster.pos.tables import Kind, Limits

_ESCAPED = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


DECODER = json.JSONDecoder(
    parse_float=_Number,
    parse_int=_Number,
    parse_constant=_Number,
    # pairs, so that a name that is there twice is seen; and no list, so that arrays are told apart
    object_pairs_hook=tuple,
)


class Faulty(Exception):
    """A record that is no row; `reason` is one of `reasons.ROW_REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def number(value: Any) -> bool:
    """Whether a parsed value is a number."""
    return type(value) is _Number


def flatten(
    value: Any, text: str, line: int, build: Builder, limits: Limits, skipped: dict[str, None]
) -> tuple[dict[int, str], dict[int, Kind] | None]:
    """The cells of one record and the kinds that are not text, by the place of the column.

    `skipped` gets the names of lists of objects. Raises Faulty, and RecursionError where it is
    nested deeper than the limit.
    """
    if type(value) is not tuple:
        raise Faulty("bad_record")
    # escapes can write half characters and NULs, which no text has
    if "\\u" in text and _ESCAPED.search(text) is not None and not _is_text(value):
        raise Faulty("bad_record")
    flat = _Flat(build, line, limits, skipped)
    flat.add(value, "", 1)
    return flat.cells, flat.kinds or None


def _is_text(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= sign <= "\udfff" for sign in value)
    return not isinstance(value, (tuple, list)) or all(map(_is_text, value))


class _Flat:
    def __init__(self, build: Builder, line: int, limits: Limits, skipped: dict[str, None]) -> None:
        self.cells: dict[int, str] = {}
        self.kinds: dict[int, Kind] = {}
        self._nulls: set[int] = set()
        self._build = build
        self._line = line
        self._limits = limits
        self._skipped = skipped

    def add(self, pairs: Any, prefix: str, depth: int) -> None:
        if depth > self._limits.depth:
            raise RecursionError
        for name, value in pairs:
            kind = type(value)
            if kind is tuple:
                self.add(value, f"{prefix}{name}.", depth + 1)
            elif kind is list:
                self._add_list(f"{prefix}{name}", value)
            else:
                self._put(f"{prefix}{name}", value)

    def _put(self, name: str, value: Any) -> None:
        place = self._build.column(name, self._line)
        if place in self.cells or place in self._nulls:
            raise Faulty("repeated_name")
        if value is None:
            self._nulls.add(place)
        elif value is True or value is False:
            self.cells[place] = "true" if value else "false"
            self.kinds[place] = Kind.BOOLEAN
        else:
            self.cells[place] = str(value)
            if type(value) is _Number:
                self.kinds[place] = Kind.NUMBER

    def _add_list(self, name: str, values: list[Any]) -> None:
        if any(type(value) in (tuple, list) for value in values):
            self._skipped.setdefault(name[:200])
            return
        if len(values) == 1:
            self._put(name, values[0])
            return
        words = [
            ("false", "true")[value] if isinstance(value, bool) else str(value)
            for value in values
            if value is not None
        ]
        self._put(name, JOIN.join(words))
