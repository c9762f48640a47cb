"""The named moments at which runs of orders are killed, and the scene that leads a run to each.

How a child process dies there is `order_kills`; what a scene prepares, and what must be mended, is
`order_scenes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from marketsync_dagster.orders.points import (
    DECIDE,
    DROP,
    FORWARD,
    PULL,
    STANDING,
    TELL,
    TOKEN,
    WRITE_BACK,
)
from marketsync_dagster_tests.faults.points import HALF_SENT, IN_FLIGHT

Scene = Literal[
    "pull", "files", "accept", "ship", "parcels", "cancel", "cancel pieces", "refund", "real",
    "spec", "spec with keys", "till", "answers", "standings", "updates",
]  # fmt: skip
"""What the run that dies is in the middle of; see `order_scenes.SCENES`."""


@dataclass(frozen=True, slots=True)
class OrderPoint:
    """One moment at which a run dies: when it passes `name` for the n-th time."""

    scene: Scene
    name: str
    occurrence: int = 1
    what: str = ""
    """What is being told then."""

    def __str__(self) -> str:
        name = self.name if self.occurrence == 1 else f"{self.name}#{self.occurrence}"
        return f"{name} ({self.what})" if self.what else name


def _told(scene: Scene, *kinds: str) -> Iterator[OrderPoint]:
    """A run that tells its source these, one after the other."""
    for occurrence, kind in enumerate(kinds, 1):
        for name in (*TELL[:3], IN_FLIGHT, HALF_SENT, *TELL[3:]):
            yield OrderPoint(scene, name, occurrence, kind)


def _handed(
    scene: Scene, *, more: tuple[str, ...] = (), flight: bool = True
) -> Iterator[OrderPoint]:
    for name in FORWARD:
        yield OrderPoint(scene, name)
    for name in (IN_FLIGHT, HALF_SENT) if flight else ():
        yield OrderPoint(scene, name)
    for name in more:
        yield OrderPoint(scene, name)


ORDER_POINTS: tuple[OrderPoint, ...] = (
    *(OrderPoint("pull", name) for name in PULL),
    *(OrderPoint("pull", name, 2) for name in PULL[:-1]),
    *(OrderPoint("pull", name, 3) for name in PULL[:-1]),
    *(OrderPoint("files", name) for name in (*PULL, "file_put_away")),
    *(OrderPoint("accept", name) for name in DECIDE),
    *_told("accept", "accept", "accept"),
    *(OrderPoint("ship", name) for name in WRITE_BACK),
    *_told("ship", "tracking", "ship"),
    *_told("parcels", "parcel", "parcel"),
    *_told("cancel", "cancel"),
    *_told("cancel pieces", "pieces"),
    *_told("refund", "refund"),
    *_handed("real", more=TOKEN),
    *(OrderPoint("real", name, 2) for name in (*FORWARD[2:], IN_FLIGHT, HALF_SENT)),
    *_handed("spec", more=TOKEN),
    *_handed("spec with keys"),
    *_handed("till", more=DROP, flight=False),
    *(OrderPoint("till", name, 2) for name in DROP),
    *(OrderPoint("answers", name) for name in ("answer_kept", *STANDING[1:], "answer_applied",
                                               "answer_moved")),
    *(OrderPoint("standings", name) for name in STANDING),
    *(OrderPoint("updates", name) for name in ("updates_wanted", *TELL[1:])),
)  # fmt: skip
"""Every name of `orders.points`, and in flight, for each thing that is sent."""

SHORT = (
    OrderPoint("pull", "book_written", 2),
    OrderPoint("accept", IN_FLIGHT, 1, "accept"),
    OrderPoint("ship", "command_answered", 2, "ship"),
    OrderPoint("parcels", IN_FLIGHT, 2, "parcel"),
    OrderPoint("cancel pieces", IN_FLIGHT, 1, "pieces"),
    OrderPoint("real", IN_FLIGHT),
    OrderPoint("spec", IN_FLIGHT),
    OrderPoint("till", "drop_marked"),
    OrderPoint("standings", "standings_written"),
)
"""One of each kind, for every run of the tests."""
