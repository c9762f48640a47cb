"""How many calls Mirakl needs for what has changed in 20 outlets of one shop, as it counts them.

The least that can be, for n changed rows of all outlets together:
- prices alone: ceil(n / file_lines) PRI01, and one PRI02, which tells of all of them
- stock alone: ceil(n / file_lines) STO01, and one STO02 for each
- both, and new offers: ceil(n / batch) OF24, and one OF04 (OF02 for one import)
- nothing: none
"""

from __future__ import annotations

import math
from decimal import Decimal

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError, to_listings, up_to_feed
from benchmarks.world import World, world
from marketsync_dagster.platforms.base import Capabilities, ImportKind
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.project import open_project

OUTLETS = 20
SKUS = 500
PARTIAL = PlanOptions(mode="partial")
MAKING = {"OF24": ("POST", "/offers"), "PRI01": ("POST", "/pricing/imports"),
          "STO01": ("POST", "/stock/imports")}  # fmt: skip
CASES: dict[str, ImportKind | None] = {
    "nothing": None,
    "prices": ImportKind.PRICES,
    "stock": ImportKind.STOCK,
    "prices and stock": ImportKind.OFFERS,
}
"""What has changed -> the kind of import that says it."""


def ours(made: World) -> int:
    """One partial run over all outlets; returns the platform's count of calls."""
    before = made.sandbox.last_request()
    project = open_project(settings=made.settings())
    up_to_feed(project, made.outlets, made.platforms)
    to_listings(project, made.outlets, "mirakl", PARTIAL)
    project.ledger.close()
    return len(made.sandbox.requests(before))


def bare(can: Capabilities, kind: ImportKind | None, rows: int) -> int:
    """The least calls, as the module says."""
    if kind is None:
        return 0
    if kind is ImportKind.OFFERS:
        return math.ceil(rows / can.batch_items) + 1
    imports = math.ceil(rows / can.file_lines)
    return imports + (1 if kind is ImportKind.PRICES else imports)


def measure(runs: int) -> list[Figure]:
    """Every case `runs` times: each row of each outlet changes, 10,000 together."""
    counted: dict[str, list[int]] = {name: [] for name in CASES}
    with world(outlets=OUTLETS, skus=SKUS, platforms=("mirakl",)) as made:
        can = capabilities_of(made.settings().accounts["shop"])
        ours(made)  # everything is offered once
        for _ in range(runs):
            for name in CASES:
                if "prices" in name:
                    made.change(SKUS)
                if "stock" in name:
                    made.more = 1 - made.more
                made.write_extracts()
                counted[name].append(ours(made))
                _check_shown(made)
    figures = []
    for name, kind in CASES.items():
        least = bare(can, kind, OUTLETS * SKUS)
        what = f"{OUTLETS * SKUS:,} changed rows in {OUTLETS} outlets of one shop on Mirakl: calls"
        figures.append(
            Figure(
                f"imports, {name}",
                f"{what} / {least}, the least that can be" if least else "nothing changed: calls",
                [count / least if least else float(count) for count in counted[name]],
                1.0 if least else 0.0,
                exact=True,
                unit="" if least else "calls",
                raw={"calls": counted[name], "least": least},
            )
        )
    return figures


def _check_shown(made: World) -> None:
    """The shop shows every price and quantity: fewer calls would be no merit otherwise."""
    shown = made.sandbox.state()["mirakl"]["2041"]
    for outlet in made.outlets:
        for at, cents in enumerate(made.cents):
            offer = shown[f"{outlet}-{at:06d}"]
            if (Decimal(offer["price"]) * 100, offer["stock_status"]) != (cents, made.stock(at)):
                raise StageFailedError(f"the shop does not show SKU {at} of {outlet}: {offer}")
