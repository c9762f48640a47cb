"""What forwards came to in a turn is counted once for each, so that the figures add up."""

from __future__ import annotations

from marketsync_dagster.ledger.engine import Ledger
from marketsync_dagster.orders.fates import Fate, further, told_fate
from marketsync_dagster.stages.order_fulfilment import HANDLED
from marketsync_dagster_tests.orders import places as p


def test_each_forward_counts_once_in_a_turn(ledger: Ledger) -> None:
    orders = [p.an_order(external_id=f"A-{n}") for n in range(4)]
    p.put(ledger, *orders)
    settings = p.settings_of()
    place = p.Place(manners=["takes", "refuses", "is_lost", "takes"])
    p.route(ledger, settings)
    first = p.turn(ledger, settings, place)  # what was handed over is asked about at once
    assert {name: first[name] for name in (*HANDLED, "refused") if first.get(name)} == {
        "created": 2, "refused": 1, "unknown": 1,
    }  # fmt: skip
    later = p.turn(ledger, settings, place, after_s=3600)
    assert sum(later.get(name, 0) for name in HANDLED) == 3, "the one that was refused has ended"


def test_of_several_things_the_last_in_the_way_of_an_order_counts() -> None:
    found: list[tuple[Fate, Fate | None, Fate]] = [
        ("unchanged", None, "unchanged"),
        ("created", "unchanged", "created"),
        ("unchanged", "created", "created"),
        ("updated", "unknown", "updated"),
        ("failed", "created", "failed"),
    ]
    for one, other, expected in found:
        assert further(one, other) == expected
    assert told_fate({"failed": 1, "updated": 1}) == "failed"
    assert (told_fate({"updated": 1}), told_fate({"unchanged": 1})) == ("updated", "unchanged")
