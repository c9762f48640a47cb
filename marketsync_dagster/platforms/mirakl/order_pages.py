"""Pages of OR11: each order as the bytes that came, and where the next page begins.

Offsets shift while orders come and change; rows are given twice, or not at all. No row that was in
the window when the reading began may be missing in the end; that one comes twice does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from marketsync_dagster.platforms.base import PlatformError
from marketsync_dagster.platforms.mirakl.order_reading import iso_of
from marketsync_dagster.platforms.ordering import RawOrder
from marketsync_dagster.values.outcomes import Outcome

PAGE = 100
"""The most that Mirakl gives at once."""
STALLED = 3
"""So often the same page may come once more in a row."""


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number")


_SCAN = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number).raw_decode
_BLANK = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Listed:
    """What one OR11 gave."""

    orders: tuple[RawOrder, ...]
    documents: tuple[Any, ...]
    """The same, read; numbers exact."""
    total: int | None


def read_page(body: bytes) -> Listed | None:
    """One answer of OR11, read once: its orders as bytes and as documents. None: it is none."""
    try:
        text = body.decode("utf-8-sig")
        return _page(text)
    except (ValueError, IndexError, RecursionError, ArithmeticError):
        return None


def _page(text: str) -> Listed | None:
    found: list[tuple[bytes, Any]] | None = None
    total = None
    at = _skip(text, 0, "{")
    while text[at] != "}":
        name, at = _SCAN(text, at)
        at = _skip(text, at, ":")
        if name == "orders" and text[at] == "[":
            found = []
            at = _skip(text, at, "[")
            while text[at] != "]":
                value, end = _SCAN(text, at)
                found.append((text[at:end].encode(), value))
                at = _next(text, end, "]")
            at += 1
        else:
            value, at = _SCAN(text, at)
            if name == "total_count" and isinstance(value, int) and not isinstance(value, bool):
                total = value
        at = _next(text, at, "}")
    if text[at + 1 :].strip(_BLANK) or found is None:
        return None
    orders = tuple(_raw(content, document) for content, document in found)
    return Listed(orders, tuple(document for _, document in found), total)


def _blank(text: str, at: int) -> int:
    while text[at] in _BLANK:
        at += 1
    return at


def _skip(text: str, at: int, sign: str) -> int:
    """Behind a sign that has to be there."""
    at = _blank(text, at)
    if text[at] != sign:
        raise ValueError("not JSON")
    return _blank(text, at + 1)


def _next(text: str, at: int, end: str) -> int:
    """At the next of several, or at their end."""
    at = _blank(text, at)
    if text[at] == end:
        return at
    at = _skip(text, at, ",")
    if text[at] == end:
        raise ValueError("not JSON")
    return at


def _raw(content: bytes, document: Any) -> RawOrder:
    said = document if isinstance(document, dict) else {}
    name, moment = said.get("order_id"), said.get("last_updated_date")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    name = name.replace("\0", "").strip() if isinstance(name, str) else ""
    try:
        updated = iso_of(moment) if isinstance(moment, str) else ""
    except (ValueError, OverflowError):
        updated = ""
    return RawOrder(name, content, updated)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reading stands; what it knows of the pages before is in it."""

    offset: int = 0
    seen: int = 0
    """Rows so far, each once."""
    least: int | None = None
    """The smallest total that was told: so many rows there were from beginning to end."""
    again: bool = False
    """The second time from the beginning, because rows were missing at the end of the first."""

    def __str__(self) -> str:
        least = "" if self.least is None else self.least
        return f"{self.offset}/{self.seen}/{least}/{int(self.again)}"

    @classmethod
    def of(cls, position: str) -> Place:
        """The one that a position says; from the beginning where it says none."""
        if not position:
            return cls()
        offset, seen, least, again = position.split("/")
        return cls(int(offset), int(seen), int(least) if least else None, again == "1")


class Walk:
    """One reading: from page to page, with the rows of all pages in mind."""

    def __init__(self, position: str) -> None:
        self.place = Place.of(position)
        self._names: set[str] = set()
        self._last: tuple[str, ...] = ()
        self._stalled = 0
        self._steps_back = PAGE

    def after(self, listed: Listed) -> str | None:
        """Where the page after this one begins; empty: it was the last. None: this page is the one
        before once more, and is to be asked for again. PlatformError: there is no other page."""
        place, names = self.place, tuple(order.external_id for order in listed.orders)
        self._stalled = self._stalled + 1 if names and names == self._last else 0
        self._last = names
        if self._stalled == 1:
            return None
        if self._stalled > STALLED:
            message = f"the orders cannot be read: the same page from number {place.offset} on"
            raise PlatformError(message, outcome=Outcome.REFUSED)
        distinct = set(names) - {""}
        fresh = len(distinct - self._names) + names.count("")
        self._names |= distinct
        before, total = place.least, listed.total
        least = before if total is None else min(total, total if before is None else before)
        # a row that stands twice in a page is one row of the window
        offset = place.offset + len(distinct) + names.count("")
        gone = before - least if before is not None and least is not None else 0
        if gone and self._steps_back:
            # rows have left the window: as many that were to come stand before this page now
            self._steps_back -= 1
            offset = max(0, place.offset - gone)
        else:
            gone = 0
        seen = place.seen + fresh
        more = bool(gone) or (
            bool(names) and (len(names) >= PAGE or total is None or offset < total)
        )
        if more:
            self.place = Place(offset, seen, least, place.again)
            return str(self.place)
        if least is not None and seen < least and not place.again:
            self._names.clear()
            self._last = ()
            self.place = Place(least=least, again=True)
            return str(self.place)
        return ""


def newest(orders: Sequence[RawOrder]) -> dict[str, RawOrder]:
    """Order -> the row of it that was changed last; rows without a name are left out."""
    found: dict[str, RawOrder] = {}
    for order in orders:
        known = found.get(order.external_id)
        if order.external_id and (known is None or known.updated_at <= order.updated_at):
            found[order.external_id] = order
    return found
