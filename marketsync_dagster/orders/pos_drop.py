"""The tills of outlets as places that fulfil orders: each order is a file, or two, in a folder that
the till empties.

`platforms.drop_box` makes sure that each is dropped once, whatever is killed and however quickly
the till takes it away. What the till answers is `orders.pos_answers`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
import time
from collections.abc import Iterable, Sequence
from typing import Self

import orjson

from marketsync_dagster.config.orders import PosDrop
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.orders.persons import fields_of
from marketsync_dagster.orders.points import Observer, unobserved
from marketsync_dagster.platforms.base import Call, Pace
from marketsync_dagster.platforms.drop_box import DropBox, NoFolder
from marketsync_dagster.platforms.fulfilling import (
    Found,
    FulfilCapabilities,
    Handed,
    OutgoingOrder,
    Standing,
)
from marketsync_dagster.platforms.inbox import words_of
from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.values.cells import UNSEEN, inert
from marketsync_dagster.values.errors import ConfigError
from marketsync_dagster.values.order_states import OrderState
from marketsync_dagster.values.outcomes import Outcome

DROPPED = "dropped"
"""What a till says that never answers, once it has the file."""
CAPABILITIES = FulfilCapabilities(
    idempotent=True, look_up=True, cancel=True, status=True, needs_address=False
)
_NUMBER = re.compile(r"[a-z0-9_]{1,15}")
_PERSON = "name company street_1 street_2 city zip province country phone email".split()
_COLUMNS = (
    "number order_number outlet created_at ship_by line sku title quantity unit_price currency "
    "total cash_on_delivery".split()
)


def till_of(settings: Settings, outlet: str) -> PosDrop:
    """How the till of an outlet gets orders; ConfigError where none are sent to it."""
    there = settings.outlets.get(outlet)
    if there is None or there.orders is None:
        raise ConfigError(
            f"outlet {outlet} has no till that takes orders",
            f"say `outlets.{outlet}.orders: {{drop: FOLDER}}`",
        )
    return there.orders


def open_till(settings: Settings, outlet: str, *, observe: Observer = unobserved) -> Till:
    """The till of an outlet, to be used as `async with`. ConfigError where it has none."""
    return Till(outlet, till_of(settings, outlet), _box(settings, outlet, observe))


def forget(settings: Settings, outlet: str, numbers: Iterable[str]) -> None:
    """Remove files of orders that still lie in the drop folder, or beside it."""
    box = _box(settings, outlet)
    for number in numbers:
        if _NUMBER.fullmatch(number):
            box.erase(number)


def tidy(settings: Settings, outlet: str, before_s: float) -> int:
    """Remove what killed runs have left, and marks of drops, older than a moment in seconds since
    1970; how many. A mark keeps an order from being dropped twice: let them grow old."""
    box = _box(settings, outlet)
    return box.tidy(before_s) if box.folder.is_dir() else 0


def _box(settings: Settings, outlet: str, observe: Observer = unobserved) -> DropBox:
    till = till_of(settings, outlet)
    return DropBox(settings.root / till.drop, till.group_reads, observe)


class Till:
    """One till, open for use: a `platforms.fulfilling.Fulfiller`."""

    def __init__(self, outlet: str, till: PosDrop, box: DropBox) -> None:
        self.outlet = outlet
        self.fulfil_capabilities = CAPABILITIES
        self._till = till
        self._box = box

    async def __aenter__(self) -> Self:
        # folders of the project are made; one elsewhere may be a share that is not mounted
        await asyncio.to_thread(self._box.prepare, make=not self._till.drop.is_absolute())
        return self

    async def __aexit__(self, *args: object) -> None:
        return

    def problem(self, order: OutgoingOrder) -> str:
        """Why the order cannot be dropped."""
        if not _NUMBER.fullmatch(order.number):
            return "its number is none of at most 15 of a-z, 0-9 and _"
        return "" if order.lines else "it has no lines"

    async def create(self, order: OutgoingOrder) -> Handed:
        """Drop the files of an order, unless they were dropped before."""
        problem = self.problem(order)
        started = time.monotonic()
        if problem:
            return Handed(self._call("drop", started, problem), Outcome.REFUSED, message=problem)
        number = order.number
        try:
            put = await asyncio.to_thread(self._box.put, number, self._files(order))
        except OSError as error:
            return self._failed("drop", started, number, f"it was not dropped: {words_of(error)}")
        if put == "other":
            words = f"{number} was dropped with another content, or taken back"
            call = self._call("drop", started, words)
            return Handed(call, Outcome.REFUSED, number, words, duplicate=True)
        return Handed(self._call("drop", started), Outcome.APPLIED, number)

    def _failed(self, what: str, started: float, number: str, words: str) -> Handed:
        """A step that failed; where the files are is certain all the same, if it can be seen."""
        call = self._call(what, started, words)
        try:
            there = self._box.standing(number)
        except OSError:
            return Handed(call, Outcome.UNKNOWN, number, words)
        if there == "dropped":
            return Handed(call, Outcome.APPLIED if what == "drop" else Outcome.UNKNOWN, number)
        return Handed(call, Outcome.RETRYABLE, message=words)

    async def cancel(self, number: str, external_id: str) -> Handed:
        """Take the files back if the till cannot have seen them; else a person has to tell it."""
        started = time.monotonic()
        if not _NUMBER.fullmatch(number):
            call = self._call("cancel", started, "no number of a drop")
            return Handed(call, Outcome.REFUSED, message="no number of a drop")
        back = self._till.takes_away
        try:
            done = await asyncio.to_thread(self._box.withdraw, number, from_folder=back)
        except OSError as error:
            words = f"it was not taken back: {words_of(error)}"
            return Handed(self._call("cancel", started, words), Outcome.UNKNOWN, number, words)
        if done:
            return Handed(self._call("cancel", started), Outcome.APPLIED, number)
        words = f"the till of {self.outlet} has it, or may have it: a person there takes it back"
        return Handed(self._call("cancel", started, words), Outcome.UNSUPPORTED, number, words)

    async def find(self, numbers: Sequence[str], since: str, *, pace: Pace | None = None) -> Found:
        """Which of these the till has, or may have had; the others it cannot have seen."""
        return await self._read("find", numbers)

    async def standings(
        self, known: Sequence[tuple[str, str]], *, pace: Pace | None = None
    ) -> Found:
        """That they were dropped: what a till says of them comes as files. Where it never answers,
        what was dropped counts as acknowledged, or what was taken away."""
        return await self._read("standings", [number for number, _ in known])

    async def _read(self, what: str, numbers: Sequence[str]) -> Found:
        started = time.monotonic()
        try:
            found = await asyncio.to_thread(lambda: [*map(self._standing, numbers)])
        except (OSError, NoFolder) as error:
            words = error.message if isinstance(error, NoFolder) else words_of(error)
            words = f"the folder of the till of {self.outlet} cannot be read: {words}"
            call = self._call(what, started, words)
            return Found((call,), outcome=Outcome.RETRYABLE, message=words)
        there = tuple(one for one in found if one is not None)
        return Found((self._call(what, started),), there)

    def _standing(self, number: str) -> Standing | None:
        there = self._box.standing(number) if _NUMBER.fullmatch(number) else "absent"
        if there == "dropped":
            return Standing(number, number, DROPPED if self._has(number) else "")
        if there == "withdrawn":
            return Standing(number, number, "taken back", OrderState.CANCELLED, failed=True)
        return None

    def _has(self, number: str) -> bool:
        """Whether a till that never answers has an order that was dropped, as far as can be told:
        not while the file lies there, if it takes away what it reads."""
        silent = self._till.answers is None
        return silent and not (self._till.takes_away and self._box.lies(number))

    def _files(self, order: OutgoingOrder) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        if self._till.format in ("json", "both"):
            files[f"{order.number}.json"] = as_json(order)
        if self._till.format in ("csv", "both"):
            files[f"{order.number}.csv"] = as_csv(order)
        return files

    def _call(self, what: str, started: float, error: str = "") -> Call:
        milliseconds = round((time.monotonic() - started) * 1000)
        path = f"pos/{self.outlet}/{what}"
        return Call("FILE", path, None if error else 200, milliseconds, error=error)


def as_json(order: OutgoingOrder) -> bytes:
    """The order as JSON; amounts are texts, exact."""
    said = {
        "number": order.number,
        "order_number": order.order_number,
        "outlet": order.outlet,
        "created_at": order.created_at,
        "ship_by": order.ship_by,
        "currency": order.currency,
        "total": f"{order.total:f}",
        "cash_on_delivery": order.cash_on_delivery,
        "items": [
            {
                "line": line.line_id,
                "sku": line.sku,
                "title": line.title,
                "quantity": line.quantity,
                "price": f"{line.unit_price:f}",
            }
            for line in order.lines
        ],
    }
    for role, person in sorted(order.persons.items()):
        said["customer" if role == "customer" else f"{role}_address"] = fields_of(person)
    return orjson.dumps(said, option=orjson.OPT_INDENT_2) + b"\n"


def as_csv(order: OutgoingOrder) -> bytes:
    """A row for each line; no cell can be run as a formula."""
    to = order.persons.get("shipping") or order.persons.get("customer") or Person()
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*_COLUMNS, *_PERSON])
    for line in order.lines:
        row = [
            order.number,
            order.order_number,
            order.outlet,
            order.created_at,
            order.ship_by,
            line.line_id,
            line.sku,
            line.title,
            str(line.quantity),
            f"{line.unit_price:f}",
            order.currency,
            f"{order.total:f}",
            "yes" if order.cash_on_delivery else "no",
            *(getattr(to, name) for name in _PERSON),
        ]
        writer.writerow([_cell(text) for text in row])
    return text.getvalue().encode()


def _cell(text: str) -> str:
    parts = (UNSEEN.sub("", part).strip() for part in text.splitlines())
    return inert(", ".join(part for part in parts if part))
