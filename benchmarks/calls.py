"""How many write calls a run makes for what has changed, counted by the platforms themselves.

The goal is the least that can be: for each channel ceil(changed / batch), and none at all where
nothing changed.
"""

from __future__ import annotations

import math

from benchmarks.figures import Figure
from benchmarks.pipeline import StageFailedError, to_listings, up_to_feed
from benchmarks.world import World, world
from marketsync_dagster.platforms.registry import capabilities_of
from marketsync_dagster.push.plan import PlanOptions
from marketsync_dagster.stages.project import open_project

SKUS = 2_000
PARTIAL = PlanOptions(mode="partial")
CASES = {"nothing": 0, "one row": 1, "1 %": SKUS // 100, "100 %": SKUS}
"""Name -> changed rows per outlet."""
WRITES = ("POST", "PUT", "PATCH")


def ours(made: World) -> int:
    """One partial run over all outlets and platforms; returns the platforms' count of writes."""
    before = made.sandbox.last_request()
    project = open_project(settings=made.settings())
    up_to_feed(project, made.outlets, made.platforms)
    for platform in made.platforms:
        to_listings(project, made.outlets, platform, PARTIAL)
    project.ledger.close()
    return sum(entry["method"] in WRITES for entry in made.sandbox.requests(before))


def bare(made: World, changed: int) -> int:
    """What has to be said, in the fewest calls: each channel's changed rows over its batch."""
    settings = made.settings()
    return sum(
        math.ceil(changed / capabilities_of(settings.accounts[channel.account]).batch_items)
        for channel in settings.channels
    )


def measure(runs: int) -> list[Figure]:
    """Every case `runs` times, over two outlets on both platforms."""
    counted: dict[str, list[int]] = {name: [] for name in CASES}
    fewest: dict[str, int] = {}
    with world(outlets=2, skus=SKUS) as made:
        ours(made)  # everything is listed once
        for _ in range(runs):
            for name, changed in CASES.items():
                made.change(changed)
                made.write_extracts()
                counted[name].append(ours(made))
                fewest[name] = bare(made, changed)
                _check_shown(made)
    figures = []
    for name, changed in CASES.items():
        few = fewest[name]
        what = f"{changed:,} of {SKUS:,} rows changed in each of 2 outlets, both platforms: write "
        what += f"calls / {few}, which is ceil(changed / batch)" if few else "calls"
        figures.append(
            Figure(
                f"calls, {name}",
                what,
                [count / few if few else float(count) for count in counted[name]],
                1.0 if few else 0.0,
                exact=True,
                unit="" if few else "calls",
                raw={"calls": counted[name], "fewest": few},
            )
        )
    figures[-1] = _with_code(figures[-1])
    return figures


def _with_code(figure: Figure) -> Figure:
    """The code is the same for all cases: shown once, with the last."""
    import dataclasses

    return dataclasses.replace(figure, ours=ours, bare=bare)


def _check_shown(made: World) -> None:
    """The platforms show every price: fewer calls would be no merit otherwise."""
    from decimal import Decimal

    state = made.sandbox.state()
    for platform in made.platforms:
        for outlet in made.outlets:
            shown = state[platform][outlet]
            prices = [Decimal(shown[item]["price"]) * 100 for item in sorted(shown)]
            if prices != made.cents:
                raise StageFailedError(f"{platform} does not show the prices of {outlet}")
