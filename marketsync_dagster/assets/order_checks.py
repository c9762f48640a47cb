"""The checks over orders, and the steps that run them.

They show and make runs red; they hold nothing back: a source or a destination that cannot be
reached stops only what is its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from marketsync_dagster.assets.checks import outlet_ok_check
from marketsync_dagster.assets.findings import every_outlet
from marketsync_dagster.assets.order_findings import (
    conservation_of_orders,
    every_source,
    held_too_long,
    no_open_tasks,
    not_forwarded,
    past_deadline,
    states_known,
)
from marketsync_dagster.assets.orders import (
    ORDER_BOOK,
    PRODUCTS,
    orders_key,
    place_keys,
    updates_key,
)
from marketsync_dagster.assets.specs import title
from marketsync_dagster.assets.summaries import Check, check_step

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.stages.project import Project

BOOK_STAGE = "orders_order_book"
ORDER_CHECKS = (
    *("every_source", "held_too_long", "past_deadline", "not_forwarded", "no_open_tasks"),
    "states_known",
)
"""Those that come true, or cease to be, while nothing runs."""


def order_checks(
    settings: Settings,
    assets: list[dg.AssetsDefinition],
    partitions: dg.StaticPartitionsDefinition,
) -> list[dg.AssetChecksDefinition]:
    """The check steps of the assets of orders that there are."""
    if not assets:
        return []
    steps = [outlet_ok_check(ORDER_BOOK, BOOK_STAGE, partitions)]
    pulled = [orders_key(platform) for platform in settings.order_platforms()]
    by_key: dict[dg.AssetKey, list[Check]] = {}
    for check in checks_of_orders(settings):
        by_key.setdefault(check.key, []).append(check)
    for key, checks in by_key.items():
        stage = "_".join(key.path)
        # of the book `outlet_ok` makes the run red
        own = [] if key == ORDER_BOOK else [stage]
        what = "source" if key in pulled else "outlet"
        steps.append(check_step(f"{stage}_checks", checks, own_stages=own, what=what))
    return steps


def products_checks() -> dg.AssetChecksDefinition:
    """`every_outlet` of `qikink/products`."""
    stage = "_".join(PRODUCTS.path)
    return check_step(f"{stage}_checks", [_every_outlet(PRODUCTS)], own_stages=[stage])


def checks_of_orders(settings: Settings) -> list[Check]:
    """`every_source` of what is pulled, `every_outlet` of the others, and those of the book."""
    platforms = settings.order_platforms()
    found = [_every_source(orders_key(platform), platform) for platform in platforms]
    others = [ORDER_BOOK, *place_keys(settings), *map(updates_key, platforms)]
    found += [_every_outlet(key) for key in others]
    return found + [
        Check(ORDER_BOOK, name, description, look)
        for name, description, look in (
            (
                "held_too_long",
                "No order waits for people longer than `held_hours` of its source.",
                held_too_long,
            ),
            (
                "past_deadline",
                "No deadline for accepting or shipping is over, or near (`warn_minutes`).",
                past_deadline,
            ),
            (
                "not_forwarded",
                "What is accepted and ready is where it is fulfilled, and tills have answered.",
                not_forwarded,
            ),
            (
                "conservation",
                (
                    "Every order that came is in the book, and every line of it in one place: "
                    "held, waiting, on one way, or gone; no more pieces than were ordered."
                ),
                conservation_of_orders,
            ),
            ("no_open_tasks", "No question about an order waits for people.", no_open_tasks),
            ("states_known", "No source tells a state that nobody knows.", states_known),
        )
    ]


def _every_source(key: dg.AssetKey, platform: str) -> Check:
    def look(project: Project):
        return every_source(project, platform)

    return Check(
        key,
        "every_source",
        f"Every account or shop of {title(platform)} could be read; the run is red if not.",
        look,
    )


def _every_outlet(key: dg.AssetKey) -> Check:
    stage = "_".join(key.path)

    def look(project: Project):
        return every_outlet(project, stage, list(project.settings.outlets))

    return Check(
        key,
        "every_outlet",
        "How many outlets need attention, each with its reason and next step.",
        look,
    )
