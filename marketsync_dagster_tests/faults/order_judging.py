"""The world of orders against the book: what is lost, what is there twice, what else is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marketsync_dagster.ledger.forwards import OVER
from marketsync_dagster.ledger.laws import broken_laws
from marketsync_dagster.ledger.orders import BookLine, BookOrder
from marketsync_dagster.stages.reserved import reserved_of
from marketsync_dagster_tests.faults.order_world import (
    DROPPED,
    ENDED,
    LEFT,
    OUTLETS,
    REAL,
    SPEC,
    STEPS,
    OrderBed,
)

ONCE = ("accept", "ship", "tracking")
"""What a marketplace does at most once with an order."""


@dataclass(slots=True)
class Judged:
    """What the world and the book come to: the figures of one row of the table."""

    lost: list[str] = field(default_factory=list)
    """Orders, lines and parcels that one side does not have."""
    doubled: list[str] = field(default_factory=list)
    """Whatever is there, or was done, twice."""
    wrong: list[str] = field(default_factory=list)
    """What else is not as it should be: laws, states, reserved stock, open questions."""
    runs: int = 0
    """Clean runs until nothing was left unsettled."""

    @property
    def clean(self) -> bool:
        return not self.faults

    @property
    def faults(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.wrong]


def mend(bed: OrderBed, judged: Judged, steps: tuple[str, ...] = STEPS, most: int = 3) -> None:
    """Clean runs until nothing is unsettled, `most` at most."""
    for _ in range(most):
        judged.runs += 1
        bed.shop_takes()
        bed.till_takes()
        judged.wrong += [
            f"{step} of {one.outlet} is {one.state}: {one.reason}"
            for step, results in bed.live(steps).items()
            for one in results
            if not one.ok
        ]
        if not bed.unsettled():
            return
    judged.wrong += [f"after {most} runs {words}" for words in bed.unsettled()]


def end(bed: OrderBed, judged: Judged, days: int = 4, *, people: bool = False) -> None:
    """The world goes on to its end, and is judged; `people` decide what they are asked."""
    bed.goes_on(days, people=people)
    judged.wrong += bed.unsettled()
    judge(bed, judged)


def judge(bed: OrderBed, judged: Judged, *, ended: bool = True) -> None:
    """Everything that is lost, doubled or wrong; `ended`: nothing may be open any more."""
    book = bed.book()
    _sources(bed, judged, book, ended)
    _places(bed, judged, book)
    with bed.ledger() as ledger, ledger.read() as conn:
        judged.wrong += [f"law: {one.message}" for one in broken_laws(conn) if one.broken]
    if not ended:
        return
    judged.wrong += [f"task: {one.question}" for one in bed.tasks()]
    for name, order in book.items():
        if order.ended_at is None and order.state not in LEFT:
            judged.wrong.append(f"{name} is {order.state.value} in the book")
        judged.lost += [
            f"line {line.line_id} is {line.state.value}"
            for line in order.lines
            if line.open and line.state not in LEFT
        ]
    with bed.run() as project:
        for outlet in OUTLETS:
            if left := reserved_of(project, outlet):
                judged.wrong.append(f"{outlet} has reserved {left}")


def _sources(bed: OrderBed, judged: Judged, book: Mapping[str, BookOrder], ended: bool) -> None:
    there, bought = bed.sandbox.mirakl_orders(), bed.bought()
    names = there.keys() | bought
    judged.lost += [f"order {one} is not in the book" for one in sorted(names - book.keys())]
    judged.doubled += [f"order {one} is nobody's" for one in sorted(book.keys() - names)]
    parcels = Counter(one.order_id for one in bed.shipments())
    for name, shown in there.items():
        counts = {what: count["effect"] for what, count in shown["counts"].items()}
        judged.doubled += [
            f"{what} of {name}: {counts[what]} times" for what in ONCE if counts[what] > 1
        ]
        if ended and shown["state"] not in ENDED:
            judged.lost.append(f"{name} is {shown['state']} at its source")
        if name not in book:
            continue
        if len(shown["parcels"]) > parcels[book[name].id]:
            judged.doubled.append(f"{name} has {len(shown['parcels'])} parcels")
        lines = {line.line_id: line for line in book[name].lines}
        for line in shown["lines"]:
            known = lines.get(line["order_line_id"])
            if known is None:
                judged.lost.append(f"line {line['order_line_id']} is not in the book")
            elif ended:
                judged.doubled += _counted(line, known, shown["state"])
    judged.doubled += [
        f"the shop was told {count} times: {what}" for what, count in bed.told.items() if count > 1
    ]


def _counted(shown: Mapping[str, Any], known: BookLine, state: str) -> Iterator[str]:
    """What was cancelled and paid back, and is not counted so."""
    gone = sum(one["quantity"] for one in shown["cancelations"])
    if gone != known.cancelled and state not in ("CANCELED", "REFUSED"):
        yield f"{gone} of line {known.line_id} are cancelled, counted are {known.cancelled}"
    back = sum(round(float(one["amount"]) * 100) for one in shown["refunds"])
    if back != known.refunded_minor:
        yield f"{back} of line {known.line_id} was paid back, counted is {known.refunded_minor}"


def _places(bed: OrderBed, judged: Judged, book: Mapping[str, BookOrder]) -> None:
    """Every line that was sent is at one place, and nothing is there that nobody wanted."""
    forwards = {(one.destination, one.number): one for one in bed.forwards()}
    at = Counter[tuple[str, str]]()
    for (place, number), count in _made(bed).items():
        known = forwards.get((place, number))
        if count > 1:
            judged.doubled.append(f"{place} has {number} {count} times")
        if known is None:
            judged.doubled.append(f"{place} has {number}, which nobody knows")
            continue
        if known.state in OVER:
            judged.wrong.append(f"{place} has {number}, which is {known.state}")
        at.update((known.order_id, line) for line in known.lines)
    judged.doubled += [
        f"line {line} of {order_id} is at {count} places"
        for (order_id, line), count in at.items()
        if count > 1
    ]
    judged.lost += [
        f"line {line.line_id} has left, and is nowhere"
        for order in book.values()
        for line in order.lines
        if (line.state in LEFT or line.shipped)
        and line.state not in DROPPED
        and not at[order.id, line.line_id]
    ]


def _made(bed: OrderBed) -> Counter[tuple[str, str]]:
    """(Place, number) -> how many orders were made of it."""
    drops = {one: count for one, count in bed.dropped.items() if one not in bed.refused}
    made = Counter({("pos", number): count for number, count in drops.items()})
    for client, name in ((REAL, "printer"), (SPEC, "backup")):
        for one in bed.sandbox.qikink("orders", client_id=client):
            made[name, one["order_number"]] += 1
    return made
