"""The named points at which runs are killed, and the scene that leads a run to each.

A point is a moment between two durable steps. How a child process dies there is `kills`; what a
scene prepares, and how it is mended by the next clean run, is `scenes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scene = Literal[
    "push", "hangs", "stopped", "too large", "throttled", "passing error", "slow", "recovery",
    "approval", "products", "another order", "reported",
]  # fmt: skip
"""What the run that dies is in the middle of; see `scenes.SCENES`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One moment at which a run dies: when it passes `name` for the n-th time."""

    name: str
    scene: Scene = "push"
    occurrence: int = 1
    told: bool = False
    """The platform may show, or shows, something that the ledger has no word of."""
    platforms: tuple[str, ...] = ("tracker_ke", "pasons")

    def __str__(self) -> str:
        return self.name if self.occurrence == 1 else f"{self.name}#{self.occurrence}"


IN_FLIGHT = "in_flight"
"""The request is sent and applied, no answer is read."""
HALF_SENT = "in_flight_unapplied"
"""The request is sent, the platform has not applied it when the process dies."""

ONLY_MIRAKL = ("mirakl",)
ONLY_TRACKER = ("tracker_ke",)
"""Takes products; Pasons does not."""

POINTS = (
    # from the file to the plan
    Point("extract_archived"),
    Point("documents_recorded"),
    Point("document_noted"),
    Point("rejects_frame_written"),
    Point("frame_half_written"),
    Point("extract_frame_written"),
    Point("extract_recorded"),
    Point("catalog_frame_written"),
    Point("mapping_frame_written", scene="another order"),
    Point("feed_frame_written"),
    Point("plan_saving"),
    Point("plan_saved"),
    # the push, in the order of `push.sender.POINTS`
    Point("lease_taken"),
    Point("push_opening"),
    Point("push_opened", told=True),
    Point("intent_written", told=True),
    Point("intent_committed", told=True),
    Point("before_send", told=True),
    Point(IN_FLIGHT, "hangs", told=True),
    Point("answered", told=True),
    Point("call_written", told=True),
    Point("ack_written", told=True),
    Point("ack_committed", told=True),
    Point("push_closing", told=True),
    Point("push_closed"),
    Point("lease_released"),
    Point("pushed"),
    Point("settled"),
    Point("recorded"),
    # pushes that do not go straight on
    Point(HALF_SENT, "hangs", 2, told=True),
    Point("unreached_written", "stopped", told=True),
    Point("split_written", "too large", told=True),
    Point("account_closed", "throttled", told=True),
    Point("tried_again", "passing error", told=True),
    Point("lease_renewed", "slow", told=True),
    # clearing up after a run that was killed before
    Point("recovering", "recovery", told=True),
    Point("recovered", "recovery", told=True),
    # a person's decision, and products
    Point("approving", "approval"),
    Point("approved", "approval"),
    Point("products_lease_taken", "products", platforms=ONLY_TRACKER),
    Point("products_answered", "products", platforms=ONLY_TRACKER),
    Point("ids_recorded", "products", platforms=ONLY_TRACKER),
    Point("products_recorded", "products", platforms=ONLY_TRACKER),
)
"""Every name once, in the order of a run."""

LATER = tuple(
    Point(name, "hangs" if name == IN_FLIGHT else "push", 3, told=True)
    for name in (
        "intent_written",
        "intent_committed",
        "before_send",
        IN_FLIGHT,
        "answered",
        "ack_written",
        "ack_committed",
    )
)
"""What a push passes once per batch: killed at a later one too."""


_OF_IMPORTS: tuple[tuple[str, Scene, int], ...] = (
    ("lease_taken", "push", 1),
    ("push_opened", "push", 1),
    # the start of an import, in the order of `push.importing.POINTS`
    ("import_intended", "push", 1),
    ("import_intent_committed", "push", 1),
    ("before_send", "push", 1),
    (IN_FLIGHT, "hangs", 1),
    (HALF_SENT, "hangs", 2),
    ("import_answered", "push", 1),
    ("import_answered", "push", 3),
    ("call_written", "push", 1),
    ("import_started_written", "push", 1),
    ("import_started", "push", 1),
    ("import_started", "push", 3),
    ("push_closing", "push", 1),
    ("push_closed", "push", 1),
    ("lease_released", "push", 1),
    # its end, in the order of `push.imports.POINTS`
    ("import_looked", "push", 1),
    ("report_read", "reported", 1),
    ("import_end_written", "push", 1),
    ("import_ended", "push", 1),
    ("import_ended", "push", 3),
    ("pushed", "push", 1),
    # imports that do not go straight on, and clearing up
    ("unreached_written", "stopped", 1),
    ("import_split", "too large", 1),
    ("account_closed", "throttled", 1),
    ("recovering", "recovery", 1),
    ("recovered", "recovery", 1),
)
IMPORT_POINTS = tuple(
    Point(name, scene, occurrence, told=True, platforms=ONLY_MIRAKL)
    for name, scene, occurrence in _OF_IMPORTS
)
"""Where the platform takes imports, which two outlets share."""


def cases(
    points: tuple[Point, ...] = (*POINTS, *LATER, *IMPORT_POINTS),
) -> list[tuple[Point, str]]:
    """Each point with each platform that it exists on."""
    return [(point, platform) for point in points for platform in point.platforms]
